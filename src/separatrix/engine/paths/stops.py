"""Where a fit of a path stopped: what was known there starts the fit under the next penalty."""

from dataclasses import dataclass

import numpy as np

from separatrix.arrays import FloatArray
from separatrix.engine.fit import Options
from separatrix.engine.iterate import Iterate
from separatrix.engine.matrices.linear_algebra import solve_positive
from separatrix.engine.objective import Evaluation, Objective
from separatrix.engine.paths.descent import FEW_DIGITS, NOTHING, Descent, needs_no_look, settled
from separatrix.engine.solvers.newton import KEEP, newton
from separatrix.equations.penalties import ElasticNet


@dataclass(frozen=True)
class Point:
    """theta (P, K), at most about `gap` above its optimum, after so many iterations."""

    theta: FloatArray
    gap: float
    iterations: int


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
        """On to the optimum under the penalty of the objective, which is of the same rows: what is known serves, unless
        beside the penalty before hardly a digit of it was left."""
        more = ElasticNet(objective.penalty.l1 - self.penalty.l1, objective.penalty.l2 - self.penalty.l2)
        metric = with_more(self.metric, more)
        assert metric.curvature is not None
        before = self.penalty.curvature(metric.theta[: len(more.l2)]).ravel()
        if np.any(metric.curvature.diagonal()[: before.size] < FEW_DIGITS * before):
            at = objective.evaluate(metric.theta, order=2)
            return refine(objective, Iterate(at, np.inf, at), options)
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
    iterate, number, before, arrived, tol = start, 0, None, False, options.tol
    for number, iterate in enumerate(newton(objective, start.at.theta, start)):
        if before is not None:
            rate = min(iterate.gap / before, 1.0)
        before = max(iterate.gap, np.finfo(float).tiny)
        tol = float(settled(options.tol, iterate.at.value, not objective.penalty.is_none))
        arrived = iterate.gap <= tol and rate * iterate.gap <= NOTHING * tol
        if arrived or number >= options.max_iter:
            break
    at, metric, theta = iterate.at, iterate.metric or iterate.at, iterate.at.theta
    if metric.curvature is None:  # steps went by one that was taken apart, as its rounding hides where to
        at = metric = objective.evaluate(theta, order=2)
    else:
        step = solve_positive(metric.curvature, -at.gradient.ravel()).reshape(theta.shape)
        theta = theta + step if needs_no_look(float(np.vdot(at.gradient, step)), at.value, tol) else theta
    return Stop(Point(theta, iterate.gap, max(number, 1)), arrived, at, metric, objective.penalty, rate)


def points_of(fits: Descent, tol: float) -> list[Point]:
    """Where each fit ended."""
    ends = zip(fits.ends(tol)[:, :, None], fits.gap.tolist(), np.maximum(fits.iterations, 1).tolist(), strict=True)
    return [Point(*end) for end in ends]
