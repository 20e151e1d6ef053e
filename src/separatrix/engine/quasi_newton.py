"""theta <- theta - B gradient, B near the inverse curvature: a sample's, corrected by what the steps have shown."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import count

import numpy as np

from separatrix.arrays import FloatArray
from separatrix.engine.iterate import Iterate, Solver
from separatrix.engine.line_search import backtrack
from separatrix.engine.linear_algebra import SINGULAR, Factor, factor_positive, solve_factored
from separatrix.engine.near_copies import MANY_STEPS
from separatrix.engine.newton import is_broken, newton
from separatrix.engine.objective import Evaluation, Objective

MOST_PAIRS = 20
PER_GRADIENT = 15  # coefficients whose curvature costs one gradient more to compute
WORTH = 0.001  # the share of the gap that a step with a fresh curvature may leave
SINGLE = 0.01  # the least conditional standard deviation, of 1 without the other columns, that single precision knows

Pair = tuple[FloatArray, FloatArray]
"""A step and what it did to the gradient."""


def quasi_newton(
    objective: Objective, theta: FloatArray, metric: FloatArray | None = None, curved: float = 0.0
) -> Solver:
    """BFGS of limited memory (Nocedal 1980) from a metric that knows the scales and correlations of the columns.

    `metric` (n, n) is a curvature near the objective's own, of a sample of the rows for one: then a step costs one
    gradient. It is replaced by the curvature of all rows where that is cheaper than to go on (`share_to_keep`). The
    estimated gap is half the squared Newton decrement in this metric. A step that may be expected to leave a gap of
    `curved` or less brings the curvature of all rows along, for whoever needs it at the end. Where a step
    does not keep what it promised, or many were not enough, as where columns all but repeat each other, Newton's go on.
    """
    keep, before = share_to_keep(theta.size), np.inf
    at = objective.evaluate(theta, order=2 if metric is None else 1)
    exact = at if metric is None else None
    factor, pairs, length = at.factor if metric is None else factor_positive(metric), [], 1.0
    for number in count():
        step = inverse_times(factor, pairs, -at.gradient)
        gap = min(-0.5 * float(np.vdot(at.gradient, step)), at.value)
        yield Iterate(at, gap, exact)
        last = before < np.inf and gap * gap / before <= curved
        order = 1 if gap <= keep * before and length == 1.0 and not last else 2
        dtype = np.float32 if factor.least >= SINGLE and not last else np.float64
        there, length = backtrack(objective, at, step, order, dtype=dtype)
        if is_broken(gap, at, there) or (number >= MANY_STEPS and factor.least < SINGULAR):
            yield from newton(objective, there.theta, broken=True)
        if there is at or order == 1:
            pairs, before = with_pair(pairs, at, there), gap
        else:
            factor, pairs, before = there.factor, [], np.inf
            exact = there if dtype is np.float64 else None
            there = there if exact else replace(there, curvature=None)
        at = there


def with_pair(pairs: list[Pair], at: Evaluation, there: Evaluation) -> list[Pair]:
    """The last pairs and this one."""
    step, change = there.theta - at.theta, there.gradient - at.gradient
    return [*pairs, (step, change)][-MOST_PAIRS:] if shows_curvature(step, change) else pairs


def shows_curvature(step: FloatArray, change: FloatArray) -> bool:
    """Whether the change of the gradient along a step is more than the gradients' rounding."""
    bend = float(np.sum(step * change))
    return bend > np.sqrt(np.finfo(float).eps) * float(np.linalg.norm(step) * np.linalg.norm(change))


def share_to_keep(coefficients: int) -> float:
    """A step that leaves no more than this share of the gap keeps the curvature for the next: if a curvature costs c
    gradients and its step leaves WORTH, WORTH^(1/c)."""
    return WORTH ** (1.0 / (1.0 + coefficients / PER_GRADIENT))


def inverse_times(factor: Factor, pairs: Sequence[Pair], r: FloatArray) -> FloatArray:
    """B r, (P, K), by the two loops over the pairs (Nocedal and Wright 2006, algorithm 7.4)."""
    lengths = []
    for step, change in reversed(pairs):
        lengths.append(np.sum(step * r) / np.sum(step * change))
        r = r - lengths[-1] * change
    result = solve_factored(factor, r.ravel()).reshape(r.shape)
    for (step, change), length in zip(pairs, reversed(lengths), strict=True):
        result = result + step * (length - np.sum(change * result) / np.sum(step * change))
    return result
