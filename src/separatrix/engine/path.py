r"""Fits along a path of penalties, from strong to weak: of all rows, and of the rows that each fold trains on.

Newton's method goes from the optimum of all rows. One pass there, with sums over the rows of each fold apart, gives the
gradient and the curvature of every fold (sums add), and so

    theta_fold = theta - H_fold^-1 g_fold

which differs from the fold's own optimum in the second order of what was left out: for many rows one more pass per fold
shows that it is near enough, and for few rows it is where Newton's method goes on from. Two classes on dense rows have
all their penalties at once (`separatrix.engine.family`); else the same sums, with the next penalty, start all rows on
the next stretch. Other solvers start each fit from the one before it on the path.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache, partial

import numpy as np
from numpy.typing import NDArray

from separatrix.arrays import FloatArray, IntArray
from separatrix.data.memory import MemorySource
from separatrix.data.some import positions
from separatrix.data.threads import one_blas_thread
from separatrix.engine.choose import Choice, choice_for, products_pay
from separatrix.engine.descent import NOTHING, Descent
from separatrix.engine.family import Asked, Family, with_strength
from separatrix.engine.fit import Options
from separatrix.engine.groups import Members, Patterns, groups_of, sums_at
from separatrix.engine.iterate import Aim, Iterate, minimise
from separatrix.engine.leave_out import LeftOut, See, leave_one_out
from separatrix.engine.linear_algebra import factor_positive, solve_factored, solve_positive
from separatrix.engine.newton import KEEP, newton
from separatrix.engine.objective import Evaluation, Objective
from separatrix.engine.proximal import centred_for
from separatrix.engine.quasi_newton import precision, quasi_newton
from separatrix.engine.rowspace import Space, smallest_space
from separatrix.engine.sampling import sample_start
from separatrix.equations.losses import ClassLoss, LogLoss
from separatrix.equations.penalties import ElasticNet

LARGEST_SHARED = 500  # coefficients whose curvature is kept for each fold
LARGEST_OF_MANY = 100  # coefficients of each of many fits at once
MOST_AT_ONCE = 256  # fits


@dataclass(frozen=True)
class Point:
    """theta (P, K), at most about `gap` above its optimum, after so many iterations."""

    theta: FloatArray
    gap: float
    iterations: int


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
        weakest = penalty.times(1.0 / (Cs.max() * source.weight.sum()) if K == 1 else 0.0)  # of classes, none pays
        space = smallest_space(source, penalty, weakest=weakest) if np.isfinite(Cs).all() else Space(source, penalty)
        assert isinstance(space.source, MemorySource)
        rows, beside = replace(space.source, outputs=K), space.source.is_sparse and not source.is_sparse
        zeros = products_pay(rows, weakest)
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
        if small and self.is_family:
            return self.side_by_side(Cs)
        together = small and np.prod(self.shape) <= LARGEST_SHARED
        return self.from_the_whole(Cs) if together else self.each_by_itself(Cs, choice)

    @property
    def is_family(self) -> bool:
        """Whether fits of many folds and Cs at once pay: dense rows, two classes, and small curvatures."""
        return isinstance(self.loss, LogLoss) and not self.source.is_sparse and self.shape[0] <= LARGEST_OF_MANY

    def side_by_side(self, Cs: FloatArray) -> Iterator[list[Point]]:
        """By Newton's method, all Cs at once: first for all rows, then for the folds from there.

        Under penalties that hardly differ from one another, a fold's fit starts from where one of them ended.
        """
        l2, weight = self.penalty.l2, self.members.total(self.source.weight)
        family = Family(self.source, self.members, l2, self.options.fit_intercept, weight)
        few = family.few is not None  # then each fit has a curvature of its own
        apart = None if few else groups_of(self.members)
        start, between = self.beginning(family, Cs, apart)
        leader = leaders(start, self.options.tol)
        lead = np.unique(leader)
        whole = start.some(lead)
        columns = self.ends(whole, leader, Cs)
        theta = whole.ends(self.options.tol)
        of_folds = None if apart is None else family.sums_of_folds(Asked(theta, whole.fold, order=1), apart)
        at_once = max(1, MOST_AT_ONCE // len(lead))
        for first in range(1, len(weight), at_once):
            some = np.arange(first, min(first + at_once, len(weight)))
            fold, place = np.repeat(some, len(lead)), np.tile(np.arange(len(lead)), len(some))
            strength = 1.0 / (Cs[lead][place] * weight[fold])
            sums = of_folds[fold, place] if of_folds is not None else family.sums(Asked(theta[place], fold, 1 + few))
            at = family.penalised(theta[place], sums, strength)
            metric = at.curvature
            if metric is None:
                root = whole.factors.roots[place]
                metric = whole.metric[place] + root @ between[fold] @ root.swapaxes(1, 2)
                metric = with_strength(metric, (strength - whole.strength[place])[:, None] * l2)
            columns += self.ends(Descent(family, fold, strength, at, metric, fresh=few), leader, Cs)
        yield from map(list, zip(*columns, strict=True))

    def beginning(self, family: Family, Cs: FloatArray, apart: Patterns | None) -> tuple[Descent, FloatArray]:
        """The fits of all rows for every C, at their one start, and by what share the curvature of each fold differs
        there from A, that of all rows: R^-1 (A_fold - A) R'^-1 for A = R R', (F, P, P), of which the same share of any
        other A leaves it positive definite. It is taken for nothing where it is not used, or would take more passes.
        """
        random = np.random.default_rng(self.options.seed)
        whole = self.objective(0, float(Cs[len(Cs) // 2]))
        sample = sample_start(whole, np.zeros(self.shape), quasi_newton, curved=True, random=random)
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
        between = np.zeros((len(family.weight), P, P))
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

    def first(self, whole: Objective) -> "Stop":
        """The fit of all rows under the strongest penalty."""
        random = np.random.default_rng(self.options.seed)
        theta = sample_start(whole, np.zeros(self.shape), quasi_newton, curved=False, random=random).theta
        at = whole.evaluate(theta, order=2)
        return refine(whole, Iterate(at, np.inf, at), self.options)

    def each_by_itself(self, Cs: FloatArray, choice: Choice) -> Iterator[list[Point]]:
        """By any solver, each fit from the last one of its own path; its gap is certified."""
        tol, columns, aim = self.options.tol, [], Aim(choice.target(self.options.tol))
        for f in range(self.members.fits):
            rows = None if f == 0 or self.beside else positions(len(self.members), partial(self.members.fit, f))
            own = None if rows is None else self.source.looked_up(rows)
            theta, points = np.zeros(self.shape), []
            for C in Cs:
                objective = self.objective(f, C, own)
                solver = choice.solver(objective, theta, aim=aim)
                found = minimise(objective, solver, tol, aim.gap, self.options.max_iter)
                points.append(Point(found.at.theta, found.certificate.gap, len(found.steps)))
                theta = found.at.theta
            columns.append(points)
        yield from map(list, zip(*columns, strict=True))


@dataclass(frozen=True)
class Stop:
    """Where a fit on the path stopped, whether for being near enough, and what was known there under its penalty;
    `rate` is the share of a gap that a step by this metric leaves, as far as that was seen."""

    point: Point
    arrived: bool
    at: Evaluation
    metric: Evaluation
    penalty: ElasticNet
    rate: float

    def further(self, objective: Objective, options: Options) -> "Stop":
        """On to the optimum under the penalty of the objective, which is of the same rows: what is known serves."""
        more = ElasticNet(objective.penalty.l1 - self.penalty.l1, objective.penalty.l2 - self.penalty.l2)
        metric = with_more(self.metric, more)
        at = metric if self.at is self.metric else with_more(self.at, more)
        return refine(objective, Iterate(at, np.inf, metric), options, self.rate)


def with_more(at: Evaluation, more: ElasticNet) -> Evaluation:
    """The evaluation with an L2 penalty added."""
    w, gradient, curvature = at.theta[: len(more.l2)], at.gradient.copy(), at.curvature
    gradient[: len(w)] += more.gradient(w)
    if curvature is not None:
        curvature = curvature.copy()
        np.einsum("ii->i", curvature)[: w.size] += more.curvature(w).ravel()
    return Evaluation(at.theta, at.value + more.value(w), at.loss, gradient, curvature)


def refine(objective: Objective, start: Iterate, options: Options, rate: float = KEEP) -> Stop:
    """Newton's method until its estimated gap is within tol and one more step, which costs no pass, is to leave next to
    nothing of it: the share of it that the step before has left."""
    iterate, number, before, arrived = start, 0, None, False
    for number, iterate in enumerate(newton(objective, start.at.theta, start)):
        if before is not None:
            rate = min(iterate.gap / before, 1.0)
        before = max(iterate.gap, np.finfo(float).tiny)
        arrived = iterate.gap <= options.tol and rate * iterate.gap <= NOTHING * options.tol
        if arrived or number >= options.max_iter:
            break
    at, metric = iterate.at, iterate.metric or iterate.at
    step = solve_positive(metric.curvature, -at.gradient.ravel()).reshape(at.theta.shape)
    near = -0.5 * float(np.sum(at.gradient * step)) <= options.tol
    point = Point(at.theta + step if near else at.theta, iterate.gap, max(number, 1))
    return Stop(point, arrived, at, metric, objective.penalty, rate)


def leaders(start: Descent, tol: float) -> IntArray:
    """Of each fit, under ever weaker penalties, the first whose optimum is about within tol of its own, or itself."""
    l2, p = start.family.l2, len(start.family.l2)
    leader, last, w = [0], 0, (start.theta + start.step)[:, :p]
    for c in range(1, len(start.strength)):
        pull = np.zeros((1, start.theta.shape[1]))
        pull[0, :p] = (start.strength[c] - start.strength[last]) * l2 * w[last]
        if 0.5 * np.vdot(pull, start.factors.solve(pull, np.array([c]))) > tol:
            last = c
        leader.append(last)
    return np.array(leader)


def points_of(fits: Descent, tol: float) -> list[Point]:
    """Where each fit ended."""
    ends = zip(fits.ends(tol)[:, :, None], fits.gap.tolist(), np.maximum(fits.iterations, 1).tolist(), strict=True)
    return [Point(*end) for end in ends]
