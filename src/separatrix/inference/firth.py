r"""Firth's estimate: the likelihood times Jeffreys' prior, whose maximum is finite whatever the data.

    l*(theta) = l(theta) + (1/2) log det I(theta),      I = sum_i weight_i V(eta_i) (x) x_i x_i'

Firth (1993, "Bias reduction of maximum likelihood estimates", Biometrika 80) takes the first-order bias out of the
estimate so. For two classes the score of row i becomes x_i (y_i - p_i + h_i (1/2 - p_i)), h_i the row's leverage
(Heinze and Schemper 2002, "A solution to the problem of separation in logistic regression", Statist. Med. 21). For K
classes, one of them the reference, with p the others' probabilities, V = diag(p) - pp' and M_i = (x_i' (x) 1) I^-1
(x_i (x) 1), the prior adds to the score in eta_i

    (1/2) weight_i V q,      q = diag(M_i) - 2 M_i p      since dV_ab / d eta_c = [a = b] V_ac - V_ac p_b - p_a V_bc

theta is (P, K - 1), the intercept last. Two passes for l*, its gradient and I.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from separatrix.arrays import BoolArray, FloatArray
from separatrix.data.block import Block
from separatrix.engine.leverage import leverages
from separatrix.engine.matrices.linear_algebra import (
    LARGEST_CURVATURE,
    Factor,
    factor_positive,
    inverse_of,
    solve_factored,
)
from separatrix.engine.objective import Objective
from separatrix.engine.solvers.quasi_newton import MOST_PAIRS, Pair, inverse_times, shows_curvature
from separatrix.engine.sums import block_eta, block_plane, block_sums, with_intercept
from separatrix.errors import ArgumentError
from separatrix.inference.tails import chi_squared_tail
from separatrix.inference.wald import quantile

SUFFICIENT = 1e-4  # of the rise that the slope promises
SHORTEST = 2.0**-30
LONGEST = 20.0  # the most that a step may change eta, in the root mean square of all rows
STATIONARY = 1e-22  # half the squared length of the score, in standard errors, relative to 1 + |l*|
ROUNDING = 1e-10  # of l*, at least
ENOUGH = 1e-6  # of l* itself, that tests and intervals may lack
UNSEEN = 1e-16  # the same, of what l* rounds to
SMALL = 1e-17  # the same, where it falls no more


@dataclass(frozen=True)
class Point:
    """l* and l at theta (P, K - 1), the gradient of l*, I (P (K - 1), same), and its factor."""

    theta: FloatArray
    value: float
    loglik: float
    score: FloatArray
    information: FloatArray
    factor: Factor

    def decrement(self, free: BoolArray) -> float:
        """Half the squared length of the score in standard errors, of the coefficients that are free: about how much
        higher the maximum is."""
        return 0.5 * float(self.score[free] @ step_of(self, free))


@dataclass(frozen=True)
class FirthFit:
    """The maximum of l*, or of l* with some coefficients held; `gap` is about how far below it the point lies, and
    `pairs` are what steps have shown."""

    at: Point
    iterations: int
    gap: float
    converged: bool
    pairs: Sequence[Pair] = ()

    @property
    def known(self) -> bool:
        """Whether it is near enough to the maximum for tests and intervals."""
        return self.converged or self.gap <= ENOUGH

    @property
    def theta(self) -> FloatArray:
        return self.at.theta

    @property
    def covariance(self) -> FloatArray:
        """I^-1, (P (K - 1), same)."""
        return inverse_of(self.at.factor)


def evaluate(objective: Objective, theta: FloatArray, at_least: float = -np.inf) -> Point | None:
    """l*, its gradient and I at theta; None, after one pass of two, where l* is not at least so much."""
    sums = objective.add_up(partial(block_sums, loss=objective.loss, theta=theta, order=2))
    information = sums.curvature.reshape(theta.size, theta.size)
    if not np.isfinite(information).all() or np.any(np.diagonal(information) <= 0):
        return None
    factor = factor_positive(information)
    half_log_det = float(np.sum(np.log(np.diagonal(factor.lower) * factor.unit)))
    value = half_log_det - sums.value
    if not value >= at_least:
        return None
    I_inverse = inverse_of(factor).reshape(*theta.shape, *theta.shape)
    score = prior_score(objective, theta, I_inverse) - sums.gradient
    return Point(theta, value, -float(sums.value), score.ravel(), information, factor)


def prior_score(objective: Objective, theta: FloatArray, I_inverse: FloatArray) -> FloatArray:
    """The gradient of (1/2) log det I, (P, K - 1); one pass."""

    def pull(block: Block) -> FloatArray:
        p = probabilities(objective, block, theta)
        M = leverages(block, I_inverse)
        q = np.einsum("ikk->ik", M) - 2.0 * np.einsum("ikm,im->ik", M, p)
        Vq = p * (q - np.sum(p * q, axis=1, keepdims=True))
        return with_intercept(block.transposed, 0.5 * block.weight[:, None] * Vq, len(theta))

    return objective.add_up(pull)


def probabilities(objective: Objective, block: Block, theta: FloatArray) -> FloatArray:
    """Of all classes but the reference, (rows, K - 1)."""
    loss: Any = objective.loss
    return loss.probabilities(block_eta(block, theta))[:, 1:]


def hat_values(objective: Objective, fit: FirthFit) -> FloatArray:
    """The leverage trace(weight_i V_i M_i) of each row at the estimate, (n,); they add up to the coefficients."""
    I_inverse = fit.covariance.reshape(*fit.theta.shape, *fit.theta.shape)

    def of_block(block: Block) -> FloatArray:
        p, M = probabilities(objective, block, fit.theta), leverages(block, I_inverse)
        trace = np.einsum("ik,ikk->i", p, M) - np.einsum("ik,ikm,im->i", p, M, p)
        return block.weight * trace

    return objective.by_rows(of_block)


def firth(
    objective: Objective,
    theta: FloatArray | Point,
    held: BoolArray | None = None,
    tol: float = STATIONARY,
    max_iter: int = 100,
    pairs: Sequence[Pair] = (),
) -> FirthFit:
    """The maximum of l* from theta (P, K - 1), or what is known there, by corrected Fisher scoring, steps halved until
    l* rises.

    The objective carries no penalty, and the columns of [X 1] are independent; its loss is LogLoss or
    ReferenceLoss. Where `held` (P, K - 1) is true, theta stays as it is, while Jeffreys' prior
    remains that of all coefficients: the profile of l* (Heinze and Schemper 2002). It ends where the score, in standard
    errors, shows that l* can rise by no more than `tol` (1 + |l*|), or by next to nothing and less does not come.

    Raises ArgumentError where the information is no matrix to work with: too large, or not positive.
    """
    at = theta if isinstance(theta, Point) else started(objective, theta, held)
    free = np.ones(at.theta.size, bool) if held is None else ~held.ravel()
    before, iteration = np.inf, 0
    for iteration in range(max_iter + 1):
        gap = at.decrement(free)
        stalled = before / 2 < gap <= SMALL * (1.0 + abs(at.value))  # rounding is all that is left
        if gap <= tol * (1.0 + abs(at.value)) or stalled:
            return FirthFit(at, iteration, gap, True, pairs)
        there = risen(objective, at, free, pairs) if iteration < max_iter else None
        if there is None:
            break
        pair, unit = ((there.theta - at.theta).ravel()[free], (at.score - there.score)[free]), at.factor.unit[free]
        if shows_curvature(pair[0] * unit, pair[1] / unit):
            pairs = [*pairs, pair][-MOST_PAIRS:]
        at, before = there, gap
    gap = at.decrement(free)
    return FirthFit(at, iteration, gap, gap <= ROUNDING * (1.0 + abs(at.value)), pairs)


def started(objective: Objective, theta: FloatArray, held: BoolArray | None = None) -> Point:
    """What is known at theta (P, K - 1), or where that is nothing, with all 0 that is not held."""
    if theta.size > LARGEST_CURVATURE:
        raise ArgumentError(
            f"Firth's estimate needs the information of {theta.size:,} coefficients, too large a matrix (at most "
            f"{LARGEST_CURVATURE:,}). Use fewer columns, or an L2 penalty."
        )
    at = evaluate(objective, theta) or evaluate(objective, np.zeros_like(theta) if held is None else theta * held)
    if at is None:
        raise ArgumentError("X has a column of zeros, or of numbers too large: the information is not positive.")
    return at


def step_of(at: Point, free: BoolArray, pairs: Sequence[Pair] = ()) -> FloatArray:
    """I^-1 score on the coefficients that are free, I corrected by what steps have shown (BFGS): it lacks the curvature
    of the prior, which is that of about a row for each coefficient."""
    factor = at.factor if free.all() else factor_positive(at.information[np.ix_(free, free)])
    return inverse_times(partial(solve_factored, factor), pairs, at.score[free])


def risen(objective: Objective, at: Point, free: BoolArray, pairs: Sequence[Pair]) -> Point | None:
    """The first of ever shorter steps at which l* has risen enough; None if there is none."""
    step = np.zeros(at.theta.size)
    step[free] = step_of(at, free, pairs)
    slope = float(at.score @ step)
    length = LONGEST / max(reach(objective, step.reshape(at.theta.shape)), LONGEST)
    shortest = SHORTEST * length
    # A determinant rounds by more than l* itself: so near the top, the score alone decides.
    rounding = ROUNDING * (1.0 + abs(at.value)) if slope < ROUNDING * (1.0 + abs(at.value)) else 0.0
    while length > shortest:
        enough = at.value + SUFFICIENT * length * slope - rounding
        there = evaluate(objective, at.theta + length * step.reshape(at.theta.shape), enough)
        if there is not None:
            return there
        length /= 2.0
    return None


def reach(objective: Objective, step: FloatArray) -> float:
    """The root mean square of what a step (P, K - 1) changes eta by: the same in whatever basis the columns are."""

    def squares(block: Block) -> FloatArray:
        return np.array([block.weight @ np.sum(block_plane(block, step) ** 2, axis=1), block.total])

    square, total = objective.add_up(squares)
    return float(np.sqrt(square / total))


def profile_test(objective: Objective, fit: FirthFit, place: tuple[int, int]) -> tuple[float, float]:
    """The penalised likelihood ratio statistic of one coefficient being 0, and its p-value (chi-squared, 1 degree); NaN
    where that maximum was not reached."""
    at_zero = at_value(objective, fit, place, 0.0)
    if not at_zero.known:
        return np.nan, np.nan
    statistic = max(2.0 * (fit.at.value - at_zero.at.value), 0.0)
    return statistic, float(chi_squared_tail(statistic, 1))


def at_value(objective: Objective, near: FirthFit, place: tuple[int, int], value: float) -> FirthFit:
    """The maximum of l* with the coefficient at `place` held at a value, from where a fit leads to first order."""
    held = np.zeros(near.theta.shape, bool)
    held[place] = True
    column = solve_factored(near.at.factor, held.ravel() * 1.0).reshape(held.shape)
    moved = near.theta + (value - near.theta[place]) * (column / column[place])
    moved[place] = value
    pairs = [pair for pair in near.pairs if len(pair[0]) < held.size]  # of the same that are free
    return firth(objective, moved, held, UNSEEN, pairs=pairs)


def profile_interval(
    objective: Objective, fit: FirthFit, place: tuple[int, int], level: float = 0.95
) -> tuple[float, float]:
    """Where the profile of l* has fallen by half the chi-squared quantile, below and above the estimate.

    Newton's method for the root r(b) = sqrt(2 (l* max - profile(b))) of its slope -score / r, which is nearly constant.
    An end that is nowhere near is infinite, one not found NaN.
    """
    j = int(np.ravel_multi_index(place, fit.theta.shape))
    z, error = quantile(level), float(np.sqrt(fit.covariance[j, j]))
    low, high = (profile_end(objective, fit, place, sign, z, error) for sign in (-1.0, 1.0))
    return low, high


def profile_end(
    objective: Objective, fit: FirthFit, place: tuple[int, int], sign: float, z: float, error: float
) -> float:
    """One end of the interval."""
    j, best = int(np.ravel_multi_index(place, fit.theta.shape)), float(fit.theta[place])
    inside, outside, there, away = 0.0, np.inf, fit, z * error
    for _ in range(60):
        there = at_value(objective, there, place, best + sign * away)
        there = there if there.known else at_value(objective, fit, place, best + sign * away)
        if not there.known:
            return np.nan
        r = float(np.sqrt(max(2.0 * (fit.at.value - there.at.value), 0.0)))
        if abs(r - z) <= 1e-9 * z:
            return best + sign * away
        inside, outside = (away, outside) if r < z else (inside, away)
        slope = -sign * float(there.at.score[j]) / max(r, 1e-300)
        step = away + (z - r) / slope if slope > 0 else np.inf
        limit = 3.0 * inside if np.isinf(outside) else outside
        away = step if inside < step < limit else (limit if np.isinf(outside) else (inside + outside) / 2.0)
        if away > 1e8 * error:
            return sign * np.inf
        if np.isfinite(outside) and outside - inside <= 1e-12 * outside:
            return best + sign * away
    return np.nan
