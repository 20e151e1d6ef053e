r"""Fits along a path of penalties, from strong to weak: of all rows, and of the rows that each fold trains on.

Newton's method goes from the optimum of all rows. One pass there, with sums over the rows of each fold apart, gives the
gradient and the curvature of every fold (sums add), and so

    theta_fold = theta - H_fold^-1 g_fold

which differs from the fold's own optimum in the second order of what was left out: for many rows one more pass per fold
shows that it is near enough, and for few rows it is where Newton's method goes on from. Two classes on dense rows have
as many penalties at once as there is room for (`separatrix.engine.paths.family`); else the same sums, with the next
penalty, start all rows on the next stretch (`separatrix.engine.paths.stops`). Other solvers start each fit from the one
before it on the path, and folds from as far beyond it as the fit of all rows has moved; of many dense columns, whose
curvature is too large for each to have its own, folds of a penalty go by that of all rows, corrected by their steps.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from operator import attrgetter

import numpy as np

from separatrix.arrays import FloatArray, IntArray
from separatrix.cached import cached_property
from separatrix.data.memory import MemorySource
from separatrix.data.subsets import positions
from separatrix.data.threads import in_order
from separatrix.engine.choose import Choice, choice_for
from separatrix.engine.fit import Options
from separatrix.engine.iterate import Aim, Iterate, Solution, Status, minimise
from separatrix.engine.line_search import backtrack, beyond_numbers
from separatrix.engine.matrices.linear_algebra import factor_positive, solve_factored
from separatrix.engine.matrices.packed import Packed, packed
from separatrix.engine.objective import Objective
from separatrix.engine.paths.descent import Descent, Learnt, settled
from separatrix.engine.paths.family import Asked, Family, with_strength
from separatrix.engine.paths.groups import Members, Patterns, groups_of, sums_at
from separatrix.engine.paths.stops import Point, Stop, points_of, refine
from separatrix.engine.solvers.conjugate import class_grams
from separatrix.engine.solvers.quasi_newton import MOST_PAIRS, precision, quasi_newton
from separatrix.engine.solvers.sampling import Start, sample_start
from separatrix.equations.losses import ClassLoss, LogLoss
from separatrix.equations.penalties import ElasticNet

LARGEST_SHARED = 500  # coefficients whose curvature is kept for each fold
MOST_AT_ONCE = 256  # fits
FEW_COEFFICIENTS = 100  # whose matrices are little
ROWS = 10  # for each of more coefficients: of fewer, curvatures of each fit's own cost less than the passes they save
MATRICES, MATRICES_OF_A_FOLD = 16, 15  # that there must be room for: of each fit, and of folds apart
ROWS_IN_STEP = 4  # for each coefficient, from which the curvature of all rows is near that of a fold
STEPS = 30  # after which a fold that is not there goes on by itself
NUMBERS = 4 * MOST_PAIRS  # for each coefficient, that there must be room for: twice what the pairs of a fold take
USUAL = 0.25  # of the objective: what a step from the optimum of a sample promises, unless that misleads
CLOSER = 1e-4  # of tol: steps that leave a share of a gap, not its square, come no nearer than they are asked to
MANY = 0.5  # of all rows: a fold of so many leaves out few


@dataclass(frozen=True)
class Course:
    """What the fits of all paths have in common; `members` says which rows each of them is of, the first of all,
    `zeros` that products pay for all, `beside` that X is there with its zeros, too: no fold has a copy of its own."""

    source: MemorySource
    loss: ClassLoss
    K: int
    penalty: ElasticNet
    options: Options
    members: Members
    zeros: bool
    beside: bool

    @property
    def shape(self) -> tuple[int, int]:
        """That of theta."""
        return self.source.n_columns + int(self.options.fit_intercept), self.K

    def objective(self, f: int, C: float, own: MemorySource | None = None) -> Objective:
        """That of fold f, over its `own` rows. Without them, those it leaves out weigh nothing, and X is shared."""
        all_ = self.source
        source = own or (replace(all_, weight=self.members.weighing(f, all_.weight)) if f else all_)
        penalty = self.penalty.times(1.0 / (C * source.weight.sum()))
        return Objective(source, self.loss, penalty, self.options.fit_intercept)

    def walk(self, Cs: FloatArray) -> Iterator[list[Point]]:
        """The fits of every fold, for each of the Cs as they come: increasing.

        Without a penalty, a plane that has all rows on their sides is an end for a fold, too: one that has seen the
        rows which are left out to judge it. Such a fold goes on from its own last point, or zero.
        """
        choice = choice_for(self.options.solver, self.source, *self.shape, l1=self.penalty.has_l1, zeros=self.zeros)
        last = None
        for C, points in zip(Cs, self.walk_by(choice, Cs), strict=True):
            if np.isinf(C):
                for f in range(1, self.members.fits):
                    objective = self.objective(f, C)
                    if objective.smallest_margin(points[0].theta) > 0:
                        start = last[f].theta if last else np.zeros(self.shape)
                        points[f] = self.solved(objective, choice, start)
            yield points
            last = points

    def walk_by(self, choice: Choice, Cs: FloatArray) -> Iterator[list[Point]]:
        """The same, by what suits the solver: each fold from what is known of all rows."""
        small = choice.name in ("newton", "quasi-newton")
        if small and self.at_once > 1:
            return self.in_parts(Cs)
        if self.keeps_step and (small or choice.name == "conjugate-gradient"):
            return self.in_step(Cs, choice)
        together = small and np.prod(self.shape) <= LARGEST_SHARED
        return self.from_the_whole(Cs) if together else self.each_by_itself(Cs, choice)

    @cached_property
    def family(self) -> Family:
        """All fits."""
        weight = self.members.total(self.source.weight)
        return Family(self.source, self.members, self.penalty.l2, self.options.fit_intercept, weight)

    @cached_property
    def matrices(self) -> float:
        """How many there is room for beside the rows, as large as the curvature of a fit."""
        few = self.shape[0] <= FEW_COEFFICIENTS
        return np.inf if few else self.source.room * self.source.n_rows / (8 * self.shape[0] ** 2)

    @property
    def at_once(self) -> int:
        """How many fits of folds and Cs there is room for at once, each with a curvature of its own, if that is worth
        its cost; of dense rows and two classes, else none."""
        P = self.shape[0]
        if not self.is_dense_pair or (P > FEW_COEFFICIENTS and self.source.n_rows < ROWS * P):
            return 0
        return int(min(self.matrices / MATRICES, MOST_AT_ONCE))

    @property
    def keeps_step(self) -> bool:
        """Whether folds may go on side by side by one curvature: dense rows, two classes, and so many of them that the
        folds are alike; of few coefficients each can have its own."""
        P = self.shape[0]
        return self.is_dense_pair and P > FEW_COEFFICIENTS and self.source.n_rows >= ROWS_IN_STEP * P

    @property
    def is_dense_pair(self) -> bool:
        """Whether there are two classes, on dense rows."""
        return isinstance(self.loss, LogLoss) and not self.source.is_sparse

    def in_parts(self, Cs: FloatArray) -> Iterator[list[Point]]:
        """As many Cs side by side as there is room for, from where all rows were before them."""
        last = None
        for first in range(0, len(Cs), self.at_once):
            for points in self.side_by_side(Cs[first : first + self.at_once], last):
                yield points
                last = points[0].theta

    def side_by_side(self, Cs: FloatArray, last: FloatArray | None) -> Iterator[list[Point]]:
        """By Newton's method, all Cs at once: first for all rows, then for the folds from there.

        Under penalties that hardly differ from one another, a fold's fit starts from where one of them ended.
        """
        family, l2 = self.family, self.penalty.l2
        weight = family.weight
        few = family.few is not None  # then each fit has a curvature of its own
        apart = None if few else groups_of(self.members)
        room = self.members.fits * MATRICES_OF_A_FOLD <= self.matrices
        start, between = self.beginning(family, Cs, apart if room else None, last)
        leader = start.leaders(self.options.tol)
        lead = np.unique(leader)
        whole = start if len(lead) == len(leader) else start.some(lead)
        del start
        columns = self.ends(whole, leader, Cs)
        theta = whole.ends(self.options.tol)
        of_folds = None if apart is None else family.sums_of_folds(Asked(theta, whole.fold, order=1), apart)
        at_once = self.at_once // len(lead)
        for first in range(1, len(weight), at_once):
            some = np.arange(first, min(first + at_once, len(weight)))
            fold, place = np.repeat(some, len(lead)), np.tile(np.arange(len(lead)), len(some))
            strength = 1.0 / (Cs[lead][place] * weight[fold])
            sums = of_folds[fold, place] if of_folds is not None else family.sums(Asked(theta[place], fold, 1 + few))
            at = family.penalised(theta[place], sums, strength)
            metric = at.curvature
            if metric is None:
                metric = whole.metric[place]
                if between is not None:
                    root = whole.factors.roots[place]
                    metric += root @ between[fold] @ root.swapaxes(1, 2)
                metric = with_strength(metric, (strength - whole.strength[place])[:, None] * l2)
            columns += self.ends(Descent(family, fold, strength, at, metric, fresh=few), leader, Cs)
        yield from map(list, zip(*columns, strict=True))

    def beginning(
        self, family: Family, Cs: FloatArray, apart: Patterns | None, last: FloatArray | None
    ) -> tuple[Descent, FloatArray | None]:
        """The fits of all rows for every C, at their one start, the `last` of others if there is one; and by what share
        the curvature of each fold differs there from A, that of all rows: R^-1 (A_fold - A) R'^-1 for A = R R',
        (F, P, P), of which the same share of any other A leaves it positive definite. None where it is not used, or
        would take more passes or much memory.
        """
        whole = self.objective(0, float(Cs[len(Cs) // 2]))
        if last is None:
            random = np.random.default_rng(self.options.seed)
            sample = sample_start(whole, np.zeros(self.shape), quasi_newton, curved=True, random=random)
        else:
            sample = Start(last)
        theta, dtype = sample.theta, np.float64
        if sample.metric is not None:  # one more step costs little against a curvature nearer to those of all fits
            factor, at = factor_positive(sample.metric), whole.evaluate(theta, order=1)
            step = -solve_factored(factor, at.gradient.ravel())[:, None]
            theta = theta + step
            if -0.5 * float(np.vdot(at.gradient, step)) > USUAL * at.value:
                found, nowhere = backtrack(whole, at, step, order=0)[0], whole.evaluate(np.zeros(self.shape), order=0)
                theta = min(found, nowhere, key=attrgetter("value")).theta
            dtype = precision(factor.least, factor.unit)
        P, fold = family.P, np.zeros(len(Cs), dtype=np.intp)
        asked = Asked(theta.T, fold[:1], order=2, dtype=dtype)
        sums = family.sums(asked) if apart is None else family.sums_of_folds(asked, apart)[:, 0]
        at = family.penalised(theta.T, sums[:1].copy(), 1.0 / (Cs * family.weight[0]))
        assert at.curvature is not None
        start = Descent(family, fold, 1.0 / (Cs * family.weight[0]), at, at.curvature)
        between = None
        if apart is not None:
            inverse = np.linalg.inv(start.factors.roots[len(Cs) // 2])
            between = inverse @ (sums - sums[:1])[:, 1 + P :].reshape(-1, P, P) @ inverse.T
        if not theta.any():
            start.left = -start.slope  # as `left_at_zero`
            start.aim(np.arange(len(Cs)))
        return start, between

    def ends(self, leading: Descent, leader: IntArray, Cs: FloatArray) -> list[list[Point]]:
        """The fits of each fold for every C, from the start of those Cs that lead: the others go on where those end."""
        tol, most, lead = self.options.tol, self.options.max_iter, np.unique(leader)
        found = points_of(leading.run(tol, most), tol)
        F = len(found) // len(lead)
        points = [dict(zip(lead, found[f * len(lead) :], strict=False)) for f in range(F)]
        rest = np.setdiff1d(np.arange(len(leader)), lead)
        if len(rest):
            of = np.arange(F)[:, None] * len(lead) + np.searchsorted(lead, leader[rest])
            fold = leading.fold[of.ravel()]
            strength = 1.0 / (np.tile(Cs[rest], F) * leading.family.weight[fold])
            found = points_of(leading.under(strength, of.ravel()).run(tol, most), tol)
            for f in range(F):
                points[f].update(zip(rest, found[f * len(rest) :], strict=False))
        return [[own[c] for c in range(len(leader))] for own in points]

    def from_the_whole(self, Cs: FloatArray) -> Iterator[list[Point]]:
        """By Newton's method, the folds from the optimum of all rows, if where they are is no good under the next C."""
        groups = groups_of(self.members)
        last: list[Stop] = []
        for C in Cs:
            whole = self.objective(0, C)
            stops = [last[0].further(whole, self.options) if last else self.first(whole)]
            theta = stops[0].point.theta
            sums = None if groups is None else cache(partial(sums_at, whole, theta, self.members, groups))
            for f in range(1, self.members.fits):
                objective = self.objective(f, C)
                stop = last[f].further(objective, replace(self.options, max_iter=0)) if last else None
                if stop is None or not stop.arrived:
                    at = objective.evaluation(theta, sums()[f]) if sums else objective.evaluate(theta, order=2)
                    stop = refine(objective, Iterate(at, np.inf, at), self.options)
                stops.append(stop)
            yield [stop.point for stop in stops]
            last = stops

    def first(self, whole: Objective) -> Stop:
        """The fit of all rows under the strongest penalty."""
        random = np.random.default_rng(self.options.seed)
        theta = sample_start(whole, np.zeros(self.shape), quasi_newton, curved=False, random=random).theta
        at = whole.evaluate(theta, order=2)
        return refine(whole, Iterate(at, np.inf, at), self.options)

    def each_by_itself(self, Cs: FloatArray, choice: Choice) -> Iterator[list[Point]]:
        """By any solver; its gap is certified. Folds share the threads where a pass leaves no work to a second."""
        whole = self.path(Cs, choice)
        pool = self.source.pool if self.source.is_small else None
        fits = self.members.fits
        folds = in_order(pool, lambda f: self.path(Cs, choice, f, whole), range(1, fits), ahead=fits)
        yield from map(list, zip(whole, *folds, strict=True))

    def path(self, Cs: FloatArray, choice: Choice, f: int = 0, whole: Sequence[Point] = ()) -> list[Point]:
        """The fits of fold f, each from the one before or, if that is better, from as far beyond it as the fit of all
        rows has moved: a fold follows the `whole` at a distance that changes less than both do."""
        points, own, theta = [], self.own_rows(f) if f else None, np.zeros(self.shape)
        moved = theta
        for c, C in enumerate(Cs):
            objective = self.objective(f, C, own)
            if f:
                beyond, moved = theta + (whole[c].theta - moved), whole[c].theta
                if objective.evaluate(beyond, order=0).value < objective.evaluate(theta, order=0).value:
                    theta = beyond
            points.append(self.solved(objective, choice, theta))
            theta = points[-1].theta
        return points

    @beyond_numbers
    def solved(self, objective: Objective, choice: Choice, theta: FloatArray) -> Point:
        """One fit, from theta on, until it has `settled`; or from zero, if steps from there ended where they lower
        nothing."""

        def found_from(start: FloatArray, tol: float, most: int) -> Solution:
            target = choice.target(tol, self.K)
            return minimise(objective, choice.solver(objective, start, aim=Aim(target)), tol, target, most)

        tol, most, iterations = self.options.tol, self.options.max_iter, 0
        while True:
            found = found_from(theta, tol, most - iterations)
            if found.status is Status.STUCK and theta.any():
                found = min(found, found_from(np.zeros(self.shape), tol, most), key=lambda each: each.at.value)
            theta, iterations = found.at.theta, iterations + found.steps[-1].iteration
            enough = float(settled(self.options.tol, found.at.value, not objective.penalty.is_none))
            if found.status is not Status.CONVERGED or tol <= enough or iterations >= most:
                return Point(theta, found.certificate.gap, max(iterations, 1))
            tol = 0.5 * enough

    def in_step(self, Cs: FloatArray, choice: Choice) -> Iterator[list[Point]]:
        """The folds side by side, from where `path` would start them, by the curvature of all rows at their optimum: X
        is read once for as many as there is room for. Once some have not arrived, as folds are less alike the weaker
        the penalty, each goes on by itself."""
        family, fits, tol = self.family, self.members.fits, CLOSER * self.options.tol
        theta, before, alike = np.zeros((fits, family.P)), np.zeros(family.P), True
        at_once = int(np.clip(self.matrices * family.P / NUMBERS, 1, MOST_AT_ONCE))
        for C, point in zip(Cs, self.path(Cs, choice), strict=True):
            theta[0], points = point.theta[:, 0], [point]
            factor = self.factor(C, point) if alike else None
            for first in range(1, fits, at_once):
                folds = np.arange(first, min(first + at_once, fits))
                strength, ahead = 1.0 / (C * family.weight[folds]), theta[folds] + (theta[0] - before)
                start = family.lower(theta[folds], ahead, folds, strength)
                own, left = [Point(each[:, None], np.inf, 0) for each in start.theta], range(len(folds))
                if factor:
                    learnt = Learnt(factor, [[] for _ in folds])
                    descent = Descent(family, folds, strength, start, learnt, rate=1.0)
                    descent.run(tol, min(STEPS, self.options.max_iter))
                    own, left = points_of(descent, tol), np.flatnonzero(~descent.arrived(tol)).tolist()
                for m in left:
                    own[m] = self.solved(self.objective(folds[m], C), choice, own[m].theta)
                theta[folds], alike = [each.theta[:, 0] for each in own], alike and not left
                points += own
            yield points
            before = theta[0].copy()

    def factor(self, C: float, point: Point) -> Packed:
        """That of the curvature of all rows, in single precision."""
        objective = self.objective(0, C)
        at = objective.evaluate(point.theta, order=1, keep_state=True)
        (gram,) = class_grams(objective, at, np.zeros((1, 1), dtype=np.intp))
        return packed(gram, np.append(objective.penalty.l2, np.zeros(int(self.options.fit_intercept))))

    def own_rows(self, f: int) -> MemorySource | None:
        """Those of fold f; None where every pass would look them up in X, which takes as long as to read others too."""
        rows = positions(len(self.members), partial(self.members.fit, f))
        found = not self.source.is_little(len(rows) * self.source.n_columns)
        shared = self.beside or (found and len(rows) >= MANY * self.source.n_rows)
        return None if shared else self.source.looked_up(rows)
