r"""Fits along a path of penalties, from strong to weak: of all rows, and of the rows that each fold trains on.

Newton's method goes from the optimum of all rows. One pass there, with sums over the rows of each fold apart, gives the
gradient and the curvature of every fold (sums add), and so

    theta_fold = theta - H_fold^-1 g_fold

which differs from the fold's own optimum in the second order of what was left out: for many rows one more pass per fold
shows that it is near enough, and for few rows it is where Newton's method goes on from. Two classes on dense rows have
as many penalties at once as there is room for (`separatrix.engine.family`); else the same sums, with the next penalty,
start all rows on the next stretch (`separatrix.engine.stops`). Other solvers start each fit from the one before it on
the path, and folds from as far beyond it as the fit of all rows has moved.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial

import numpy as np
from numpy.typing import NDArray

from separatrix.arrays import FloatArray, IntArray
from separatrix.cached import cached_property
from separatrix.data.memory import MemorySource
from separatrix.data.some import positions
from separatrix.data.threads import in_order, one_blas_thread
from separatrix.engine.choose import Choice, choice_for, products_pay
from separatrix.engine.descent import Descent
from separatrix.engine.family import Asked, Family, with_strength
from separatrix.engine.fit import Options
from separatrix.engine.groups import Members, Patterns, groups_of, sums_at
from separatrix.engine.iterate import Aim, Iterate, minimise
from separatrix.engine.leave_out import LeftOut, See, leave_one_out
from separatrix.engine.linear_algebra import factor_positive, solve_factored
from separatrix.engine.objective import Objective
from separatrix.engine.proximal import centred_for
from separatrix.engine.quasi_newton import precision, quasi_newton
from separatrix.engine.rowspace import Space, smallest_space
from separatrix.engine.sampling import Start, sample_start
from separatrix.engine.stops import Point, Stop, refine
from separatrix.equations.losses import ClassLoss, LogLoss
from separatrix.equations.penalties import ElasticNet

LARGEST_SHARED = 500  # coefficients whose curvature is kept for each fold
MOST_AT_ONCE = 256  # fits
FEW_COEFFICIENTS = 100  # whose matrices are little
ROWS = 10  # for each of more coefficients: of fewer, curvatures of each fit's own cost less than the passes they save
MATRICES, MATRICES_OF_A_FOLD = 16, 15  # that there must be room for: of each fit, and of folds apart
MANY = 0.5  # of all rows: a fold of so many leaves out few


@dataclass(frozen=True)
class Paths:
    """Fits for every C: coefficients (F, Cs, K, p) and intercepts (F, Cs, K), gaps and iterations (F, Cs).

    F is the number of folds and one: the first is the fit of all rows. `gaps` are the solver's estimates, per unit
    weight. `left_out(c, see)` leaves each row out of the fit of all with the C of that number, see `leave_one_out`: of
    all Cs, eta would be large.
    """

    coefficients: FloatArray
    intercepts: FloatArray
    gaps: FloatArray
    iterations: IntArray
    left_out: Callable[..., LeftOut]

    def of(self, c: int) -> "Paths":
        """The fits with the C of that number alone."""
        w, b = self.coefficients[:, [c]], self.intercepts[:, [c]]
        return Paths(w, b, self.gaps[:, [c]], self.iterations[:, [c]], lambda _, see=None: self.left_out(c, see))


def fit_paths(
    source: MemorySource,
    loss: ClassLoss,
    K: int,
    penalty: ElasticNet,
    Cs: FloatArray,
    members: Members,
    options: Options,
) -> Paths:
    """Minimises C * sum(weight * loss) + penalty for each C, over all rows and over those of each fold.

    Parameters
    ----------
    K : columns of eta, as the loss wants them.
    penalty : that of C = 1, in the units of sum(weight * loss).
    Cs : (Cs,) in any order; inf is no penalty.
    members : which rows each fit is of, the first of all.
    """
    order = np.argsort(Cs, kind="stable")
    with one_blas_thread(), centred_for(source, penalty, K, options.fit_intercept).working() as source:
        weakest = penalty.times(1.0 / (Cs.max() * source.weight.sum()))
        space = smallest_space(source, penalty, K, weakest) if np.isfinite(Cs).all() else Space(source, penalty)
        assert isinstance(space.source, MemorySource)
        rows, beside = replace(space.source, outputs=K), space.source.is_sparse and not source.is_sparse
        zeros = K == 1 and products_pay(rows, weakest)
        course = Course(rows, loss, K, space.penalty, options, members.take(space.order), zeros, beside)
        walk = [points for _, points in sorted(zip(order, course.walk(Cs[order]), strict=True))]
        theta = np.array([[point.theta for point in points] for points in walk]).swapaxes(0, 1)
        w, b = np.split(theta, [space.source.n_columns], axis=2)
        side_by_side = w.transpose(2, 0, 1, 3).reshape(w.shape[2], -1)
        coefficients = space.back(side_by_side).T.reshape(*w.shape[:2], K, source.n_columns)
    of_all_rows = replace(course, source=replace(course.source, pool=None))

    def of_all(name: str) -> NDArray:
        return np.array([[getattr(point, name) for point in points] for points in walk]).swapaxes(0, 1)

    def left_out(c: int, see: See | None = None) -> LeftOut:
        with one_blas_thread(), of_all_rows.source.working() as again:
            objective = replace(of_all_rows, source=again).objective(0, float(Cs[c]))
            found = leave_one_out(objective, walk[c][0].theta, options, see if space.order is ... else None)
        if space.order is ...:
            return found
        eta = np.empty_like(found.eta)
        eta[space.order] = found.eta
        return LeftOut(eta, found.untrue)

    intercepts = b.sum(axis=2) - coefficients @ source.centre
    return Paths(coefficients, intercepts, of_all("gap"), of_all("iterations"), left_out)


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
    zeros: bool = False
    beside: bool = False

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
        """The fits of every fold, for each of the Cs as they come: increasing."""
        choice = choice_for(self.options.solver, self.source, *self.shape, l1=self.penalty.has_l1, zeros=self.zeros)
        small = choice.name in ("newton", "quasi-newton")
        if small and self.at_once:
            return self.in_parts(Cs)
        together = small and np.prod(self.shape) <= LARGEST_SHARED
        return self.from_the_whole(Cs) if together else self.each_by_itself(Cs, choice)

    @cached_property
    def matrices(self) -> float:
        """How many there is room for beside the rows, as large as the curvature of a fit."""
        few = self.shape[0] <= FEW_COEFFICIENTS
        return np.inf if few else self.source.room * self.source.n_rows / (8 * self.shape[0] ** 2)

    @property
    def at_once(self) -> int:
        """How many fits of folds and Cs go on at once: of dense rows, two classes, and curvatures that are small beside
        the rows; else 0."""
        P = self.shape[0]
        suits = isinstance(self.loss, LogLoss) and not self.source.is_sparse
        if not suits or (P > FEW_COEFFICIENTS and self.source.n_rows < ROWS * P):
            return 0
        return int(np.clip(self.matrices / MATRICES, 1, MOST_AT_ONCE))

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
        l2, weight = self.penalty.l2, self.members.total(self.source.weight)
        family = Family(self.source, self.members, l2, self.options.fit_intercept, weight)
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
        at_once = max(1, self.at_once // len(lead))
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
            factor = factor_positive(sample.metric)
            theta = theta - solve_factored(factor, whole.evaluate(theta, order=1).gradient.ravel())[:, None]
            dtype = precision(factor.least)
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
        tol, points, target = self.options.tol, [], choice.target(self.options.tol)
        own, theta = self.own_rows(f) if f else None, np.zeros(self.shape)
        moved = theta
        for c, C in enumerate(Cs):
            objective = self.objective(f, C, own)
            if f:
                beyond, moved = theta + (whole[c].theta - moved), whole[c].theta
                if objective.evaluate(beyond, order=0).value < objective.evaluate(theta, order=0).value:
                    theta = beyond
            solver = choice.solver(objective, theta, aim=Aim(target))
            found = minimise(objective, solver, tol, target, self.options.max_iter)
            points.append(Point(found.at.theta, found.certificate.gap, len(found.steps)))
            theta = found.at.theta
        return points

    def own_rows(self, f: int) -> MemorySource | None:
        """Those of fold f; None where every pass would look them up in X, which takes as long as to read others too."""
        rows = positions(len(self.members), partial(self.members.fit, f))
        found = not self.source.is_little(len(rows) * self.source.n_columns)
        shared = self.beside or (found and len(rows) >= MANY * self.source.n_rows)
        return None if shared else self.source.looked_up(rows)


def points_of(fits: Descent, tol: float) -> list[Point]:
    """Where each fit ended."""
    ends = zip(fits.ends(tol)[:, :, None], fits.gap.tolist(), np.maximum(fits.iterations, 1).tolist(), strict=True)
    return [Point(*end) for end in ends]
