"""theta <- theta - B gradient, B near the inverse curvature: a sample's, corrected by what the steps have shown."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from itertools import count

import numpy as np

from separatrix.arrays import FloatArray
from separatrix.engine.iterate import UNTIL_THE_END, Aim, Iterate, Solver
from separatrix.engine.line_search import backtrack, between
from separatrix.engine.matrices.linear_algebra import SINGULAR, Linear, factor_positive, solve_factored
from separatrix.engine.near_copies import MANY_STEPS
from separatrix.engine.objective import Objective
from separatrix.engine.solvers.newton import is_broken, left_at_zero, lengthened, newton

MOST_PAIRS = 20
PER_GRADIENT = 30  # coefficients whose curvature costs as much as a gradient of theirs,
WEIGHTS = 1.2  # beside the weights of rows, of two classes; both of timings, as are
LOSS_OF_ROW = 36  # the entries of X whose products cost as much as the loss of a row and class, and
STEP = 400_000  # those that cost as much as what surrounds a pass
WORTH = 0.001  # the share of the gap that a step with a fresh curvature may leave
WIDEST = 1e12  # of a unit: cells may be some thousand times as large, or as small
MOST_SHORTENED, DEAR = 4, 2.0  # steps; and gradients that a curvature costs, from which on products with it pay
SINGLE = 0.01  # the least conditional standard deviation, of 1 without the other columns, that single precision knows

Pair = tuple[FloatArray, FloatArray]
"""A step and what it did to the gradient."""


def quasi_newton(
    objective: Objective,
    theta: FloatArray,
    metric: FloatArray | None = None,
    aim: Aim = UNTIL_THE_END,
    otherwise: Callable[[Objective, FloatArray], Solver] | None = None,
) -> Solver:
    """BFGS of limited memory (Nocedal 1980) from a metric that knows the scales and correlations of the columns.

    `metric` (n, n) is a curvature near the objective's own, of a sample of the rows for one: then a step costs one
    gradient. It is replaced by the curvature of all rows where that is cheaper than to go on (`share_to_keep`). The
    estimated gap is half the squared Newton decrement in this metric. A step that may be expected to reach the aim
    brings the curvature of all rows along, if that is asked for. From zero the first one is as much longer as Newton's.
    Where a step does not keep what it promised, or many were not enough, as where columns all but repeat each other,
    Newton's go on; and `otherwise` those of many products, of rows in memory, where time and again a step was too long,
    as on data that are nearly separated, and a curvature costs more.
    """
    cost, before = steps_for_curvature(theta.shape, objective.source.n_rows), np.inf
    dear = cost > DEAR and objective.source.in_memory
    at = objective.evaluate(theta, order=2 if metric is None else 1)
    exact, fresh = at if metric is None else None, metric is None
    factor, pairs, length, shortened = at.factor if metric is None else factor_positive(metric), [], 1.0, 0
    for number in count():
        step = inverse_times(partial(solve_factored, factor), pairs, -at.gradient)
        slope = float(np.vdot(at.gradient, step))
        gap = min(-0.5 * slope, at.value)
        yield Iterate(at, gap, exact)
        # What a step leaves, of the gap as of the last one; from a fresh curvature, of the objective.
        last = aim.curved and gap * gap <= aim.gap * (before if before < np.inf else fresh * at.value)
        keep = share_to_keep(cost, gap, at.value, aim.gap)
        order = 1 if gap <= keep * before and length == 1.0 and not last else 2
        dtype = np.float64 if last else precision(factor.least, factor.unit)
        short, longest = dear and length < 1.0, lengthened(left_at_zero(objective, at.theta, slope))
        # After a step that was too long the next may be, too: a curvature waits until it is known where that leads.
        there, length = backtrack(objective, at, step, 1 if short else order, longest, dtype=dtype)
        if short and there is not at:
            there = between(objective, at, there, step, length, order, dtype)
        length /= longest
        shortened += length < 1.0
        if otherwise and dear and shortened > MOST_SHORTENED:
            yield from otherwise(objective, there.theta)
        uphill = gap < 0.0  # where the metric is rounding
        if uphill or is_broken(gap, at, there) or (number >= MANY_STEPS and factor.least < SINGULAR):
            yield from newton(objective, there.theta, broken=True, otherwise=otherwise)
        if there is at or order == 1:
            pairs, before = with_pair(pairs, there.theta - at.theta, there.gradient - at.gradient), gap
        else:
            factor, pairs, before, fresh = there.factor, [], np.inf, True
            exact = there if dtype is np.float64 else None
            there = there if exact else replace(there, curvature=None)
        at = there


def precision(least: float, unit: FloatArray, enough: float = SINGLE) -> type[np.floating]:
    """That of the products of a curvature whose factor has such a least conditional standard deviation, and units whose
    squares single precision may not have."""
    return np.float32 if least >= enough and unit.min() > 1.0 / WIDEST and unit.max() < WIDEST else np.float64


def with_pair(pairs: list[Pair], step: FloatArray, change: FloatArray) -> list[Pair]:
    """The last pairs and this one."""
    return [*pairs, (step, change)][-MOST_PAIRS:] if shows_curvature(step, change) else pairs


def shows_curvature(step: FloatArray, change: FloatArray) -> bool:
    """Whether the change of the gradient along a step is more than the gradients' rounding."""
    bend = float(np.sum(step * change))
    return bend > np.sqrt(np.finfo(float).eps) * float(np.linalg.norm(step) * np.linalg.norm(change))


def steps_for_curvature(shape: tuple[int, int], rows: float = np.inf) -> float:
    """How many steps that cost a gradient each take as long as the curvature of (P, K) coefficients, about."""
    coefficients, classes = math.prod(shape), shape[1]
    gradients = WEIGHTS / classes + coefficients / PER_GRADIENT
    return gradients / (1.0 + STEP / (rows * (coefficients + LOSS_OF_ROW * classes)))


def share_to_keep(cost: float, gap: float = 1.0, value: float = 1.0, sought: float = 0.0) -> float:
    """A step that leaves no more than this share of the gap keeps the curvature, which `cost` so many steps, for the
    next: if a fresh one is worth the share s, s^(1 / (1 + cost)).

    That is WORTH far from the optimum and less nearby, where Newton's steps square the gap: what is left of the
    objective's value. And no more is worth anything than what is sought.
    """
    worth = min(WORTH, gap / value if value else 0.0)
    return max(worth, sought / gap if sought < gap else 0.0) ** (1.0 / (1.0 + cost))


def inverse_times(solve: Linear, pairs: Sequence[Pair], r: FloatArray) -> FloatArray:
    """B r, of r's shape, by the two loops over the pairs (Nocedal and Wright 2006, algorithm 7.4), between which stands
    `solve`, of a flat r."""
    lengths = []
    for step, change in reversed(pairs):
        lengths.append(np.sum(step * r) / np.sum(step * change))
        r = r - lengths[-1] * change
    result = solve(r.ravel()).reshape(r.shape)
    for (step, change), length in zip(pairs, reversed(lengths), strict=True):
        result = result + step * (length - np.sum(change * result) / np.sum(step * change))
    return result
