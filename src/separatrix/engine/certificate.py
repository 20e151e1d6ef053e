r"""How far from the optimum, at most: bounds that hold in exact arithmetic, whatever the solver did.

Newton's decrement with self-concordance. The loss of a row has |third derivative| <= R |v| curvature along any v
(Bach 2010, "Self-concordant analysis for logistic regression"). Let H be the curvature at theta, nu^2 = g' H^-1 g, and
S such that R |change of eta in any row| <= S |change of theta|_H. Then along any step of H-length r

    F(theta + step) >= F(theta) - nu r + (exp(-S r) + S r - 1) / S^2

and minimising the right side over r, with t = S nu < 1,

    F(theta) - F* <= (t + (1 - t) log(1 - t)) / S^2        (nu^2 / 2 for S = 0: a quadratic)

Duality. With an L2 penalty of strength lambda, for any probabilities q with sum_i weight_i (q_i - y_i) = 0,

    F* >= mean entropy(q) - sum_j |mean_i x_ij (q_i - y_i)|^2 / (2 lambda_j)

q is the fitted p tilted until it meets the condition (no intercept, no condition): q_k = p_k (1 + s_k - sum_l p_l s_l),
the first-order effect of shifting the intercepts by s. These are probabilities while no two s differ by more than 1.

Last, F* >= 0, so F itself is a bound.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import brentq
from scipy.special import xlogy

from separatrix.arrays import FloatArray
from separatrix.data.block import Block
from separatrix.engine.linear_algebra import factor_positive
from separatrix.engine.objective import Evaluation, Objective, block_eta
from separatrix.equations.hyperplane import back_project, squared
from separatrix.equations.losses import ClassLoss

LARGEST_CURVATURE = 2_000  # coefficients whose curvature is still a small matrix


@dataclass(frozen=True)
class Certificate:
    """An upper bound on objective - optimum, per unit weight, and how it was obtained.

    coef_error (P, K) bounds the distance of each coefficient (the intercept last) to the optimum's, and
    probability_error that of any fitted probability of a row seen in the fit; None where no bound is known.
    """

    gap: float
    method: str
    coef_error: Any = None
    probability_error: float | None = None


def certify(objective: Objective, at: Evaluation, metric: Evaluation | None = None) -> Certificate:
    """The smallest of the bounds that can be had at this point without building a large matrix.

    `metric` is an evaluation of order 2, here or nearby.
    """
    bounds = [Certificate(at.value, "the objective itself: losses are never negative")]
    penalised = bool(np.all(objective.penalty.strength > 0))
    metric = at if at.curvature is not None else metric
    if metric is None and not penalised and at.theta.size <= LARGEST_CURVATURE:
        metric = objective.evaluate(at.theta, order=2)
    if metric is not None:
        bounds.append(by_self_concordance(objective, at, metric))
    if penalised and bounds[-1].coef_error is None and isinstance(objective.loss, ClassLoss):
        bounds.append(by_duality(objective, objective.loss, at))
    return min(bounds, key=lambda bound: bound.gap)


def by_self_concordance(objective: Objective, at: Evaluation, metric: Evaluation | None = None) -> Certificate:
    """The bound from the Newton decrement; its gap is inf where S nu >= 1, that is, too far from the optimum.

    theta must be canonical, as every iterate is: along flat directions the curvature is not the objective's own. The
    curvature H' of a point at a distance r in its own norm serves too, for H >= exp(-S' r) H'.
    """
    metric = metric or at
    (cholesky, _), unit = factor_positive(metric.curvature)
    root = np.linalg.inv(np.tril(cholesky))
    inverse = root.T @ root
    row, away = longest_row(objective, at, unit), (at.theta - metric.theta).ravel()
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows here is no bound, as t then says
        g = at.gradient.ravel() / unit
        S = objective.loss.third_bound * row * float(np.linalg.norm(inverse)) ** 0.5
        grown = float(np.exp(0.5 * S * np.sqrt(max(away @ metric.curvature @ away, 0.0))))
        nu, S = grown * float(np.linalg.norm(root @ g)), grown * S
        t = S * nu
    if not t < 1.0:
        return Certificate(np.inf, "none: too far from the optimum for a bound")
    # For small t the closed form cancels; its series t^2 (1/2 + t/6 + t^2/12 + ..) is at most t^2 / 2 (1 + t).
    gap = nu**2 / 2 * (1 + t) if t < 1e-3 else (t + (1 - t) * np.log1p(-t)) / S**2
    u = 2 * nu if S == 0 else farthest(t) / S
    errors = grown * u * np.sqrt(np.diagonal(inverse)) / unit
    return Certificate(
        float(gap) + rounding(at),
        "Newton decrement, self-concordance",
        errors.reshape(at.theta.shape),
        min(1.0, S * u / 4.0),
    )


def farthest(t: float) -> float:
    """The largest u at which exp(-u) + u - 1 <= t u: S times how far the optimum can be, in the norm of H."""
    if t < 1e-6:
        return 2.0 * t * (1.0 + t)
    return float(brentq(lambda u: np.expm1(-u) + u - t * u, t, 1.0 / (1.0 - t)))  # pyright: ignore[reportArgumentType]


def longest_row(objective: Objective, at: Evaluation, unit: FloatArray) -> float:
    """max_i |(x_i, 1) / unit|, with the smaller unit where classes differ; one pass."""
    # The square of a unit below 1e-100 would be nothing; a curvature that small is too far from the optimum anyway.
    inverse_square = 1.0 / np.maximum(unit.reshape(at.theta.shape).min(axis=1), 1e-100) ** 2
    p = objective.source.n_columns

    def longest(block: Block) -> float:
        return float((squared(block.X) @ inverse_square[:p]).max(initial=0.0))

    return float(np.sqrt(objective.add_up(longest, max) + inverse_square[p:].sum()))


def by_duality(objective: Objective, loss: ClassLoss, at: Evaluation) -> Certificate:
    """The bound from a feasible point of the dual problem; it needs a penalty on every weight. One or two passes."""
    tilt = np.zeros(1)
    if len(at.theta) > objective.source.n_columns:  # an intercept: q must reproduce the share of each class
        spread = objective.add_up(lambda block: spread_sums(block, loss, at.theta))
        gradient = two_sided(at.gradient[-1], len(spread) - 1)
        tilt = np.linalg.lstsq(spread[:-1] / spread[-1], -gradient)[0]
        if np.ptp(tilt) > 1.0:
            return Certificate(np.inf, "none: the intercept is too far from its optimum for a bound")
    sums = objective.add_up(lambda block: dual_sums(block, loss, at.theta, tilt))
    entropy, gradient = sums["entropy"] / sums["weight"], sums["gradient"] / sums["weight"]
    dual = entropy - 0.5 * np.sum(gradient**2 / objective.penalty.strength[:, None])
    return Certificate(max(at.value - float(dual), 0.0) + rounding(at), "duality")


def spread_sums(block: Block, loss: ClassLoss, theta: FloatArray) -> FloatArray:
    """diag(p) - p p' summed over a block, (classes, classes), and under it a row of the total weight."""
    p = loss.probabilities(block_eta(block, theta))
    spread = np.diag(block.weight @ p) - p.T @ (block.weight[:, None] * p)
    return np.vstack([spread, np.full((1, p.shape[1]), block.weight.sum())])


class DualSums(dict[str, Any]):
    """Named sums that add entry by entry."""

    def __add__(self, other: "DualSums") -> "DualSums":
        return DualSums({name: self[name] + other[name] for name in self})


def dual_sums(block: Block, loss: ClassLoss, theta: FloatArray, tilt: FloatArray) -> DualSums:
    """What the dual bound needs of a block: sums of entropy(q) and x (q - y)', q the tilted probabilities."""
    eta = block_eta(block, theta)
    p = loss.probabilities(eta)
    change = p * (tilt - np.sum(p * tilt, axis=1, keepdims=True))
    residual = loss.gradient(block.y, eta) + change[:, -eta.shape[1] :]
    return DualSums(
        weight=block.weight.sum(),
        entropy=block.weight @ entropy_of(np.maximum(p + change, 0.0)),
        gradient=back_project(block.X, block.weight[:, None] * residual),
    )


def entropy_of(p: FloatArray) -> FloatArray:
    """-sum_k p_k log p_k of each row, (rows,)."""
    return -xlogy(p, p).sum(axis=1)


def two_sided(value: FloatArray, classes: int) -> FloatArray:
    """A quantity of the last K classes as one of all of them: two classes have one eta, and opposite derivatives."""
    return value if len(value) == classes else np.concatenate([-value, value])


def rounding(at: Evaluation) -> float:
    """What double precision may hide: a few units in the last place of the objective."""
    return 4.0 * float(np.finfo(float).eps) * abs(at.value)
