"""How far rounding left a quadratic objective from its optimum, by the triangle R of its rows: H = R'R."""

from functools import partial
from typing import Any, cast

import numpy as np
from scipy.linalg import lstsq, solve_triangular

from separatrix.arrays import FloatArray, IntArray
from separatrix.data.block import response
from separatrix.data.memory import MemorySource
from separatrix.engine.certificates.certificate import Certificate, rounding
from separatrix.engine.certificates.decrement import GRADIENT_SEEN
from separatrix.engine.certificates.duality import duality_gap
from separatrix.engine.matrices.linear_algebra import of_unit_columns
from separatrix.engine.matrices.triangle import ROUNDING, of_squares, over_ridge
from separatrix.engine.objective import Evaluation, Objective

PROVEN = 1e-12  # of the mean square, or the variance of y: a bound that is worse is worth another


def certify_quadratic(
    objective: Objective, at: Evaluation, R: FloatArray, total: float, own: IntArray | None = None
) -> Certificate:
    """How far from the optimum rounding left it, per unit weight; if not all, of those columns of their `own` that make
    the others, from which these are but rounding."""
    penalty, p, g = objective.penalty, objective.source.n_columns, at.gradient
    m, enough, of_own, alpha = len(at.theta) - p, PROVEN * at.loss / total, R, total * penalty.l2
    if own is not None and len(own) < p:
        g, of_own, alpha = g[np.append(own, np.arange(p, p + m))], R[:, np.append(np.arange(m), m + own)], alpha[own]
    by_curvature = partial(certified_gap, of_own, m=m, p=len(alpha), alpha=alpha, enough=enough)

    def of_squares_alone() -> float:
        """The distance without an L1 part."""
        eta = np.abs(np.roll(at.theta, m, axis=0)).T @ (np.linalg.norm(R[:, : m + p], axis=0) / total**0.5)
        hidden = GRADIENT_SEEN * float(np.linalg.norm(eta))  # by the rounding of residuals, where weights cancel
        return 0.5 * ((2.0 * by_curvature(g) * total) ** 0.5 + hidden) ** 2

    if not penalty.has_l1:
        return Certificate(of_squares_alone(), "the Newton decrement, exact for a quadratic")
    w, shift = at.theta[:p], at.gradient[p:]
    # Residuals are a dual point once they sum to zero, as where the intercept is the best: what it lacks counts apart.
    lower = 0.5 * float(np.sum(np.square(shift)))
    slope = at.gradient[:p] - penalty.gradient(w) - (R[:m, m : m + p] / R[:m, :1]).T @ shift
    # The bound for classes holds here too, as (1 - c)^2 <= 1 - c: the conjugate of r^2 / 2 is quadratic.
    gap = lower + duality_gap(penalty, w, slope, at.loss - lower) + rounding(at)
    if gap <= PROVEN * at.loss:
        return Certificate(gap, "duality")
    # A penalty that is little beside the gradient's rounding keeps every dual point afar. But from a subgradient s the
    # objective rises by s'd + d'Hd / 2 at least, wherever s is one of H's range.
    beyond = ROUNDING * float(np.linalg.norm(R[:, -w.shape[1] :])) / total
    nearer = by_curvature(objective.subgradient(at), beyond=beyond) * total
    # And as an L1 part is never negative, it is no farther than it would be without, and what that part is here.
    apart = of_squares_alone() + float(np.sum(penalty.l1[:, None] * np.abs(w)))
    bounds = (gap, "duality"), (nearer, "a subgradient and the curvature"), (apart, "the curvature without an L1 part")
    return Certificate(*min(bounds))


def certified_gap(
    R: FloatArray, gradient: FloatArray, m: int, p: int, alpha: FloatArray, enough: float, beyond: float = np.inf
) -> float:
    """g' (R'R)^-1 g / 2, R with the penalty under it: times the total weight, the exact distance to the optimum. inf
    where more than so much of g, in units of the columns' lengths, is `beyond` the span of R."""
    g = np.vstack([gradient[p:], gradient[:p]])  # R has the intercept first
    if len(R) < p and alpha.all():
        return gap_of_ridge(R, g, m, alpha, enough)
    root, scale = of_unit_columns(over_ridge(R[:, : p + m], alpha, m))
    A, c = root.T, g / scale[:, None]
    if (T := of_squares(A @ A.T)) is not None:
        return 0.5 * float(np.sum(np.square(solve_triangular(T, c, trans=1))))
    nu, *_ = cast(Any, lstsq(A, c, cond=ROUNDING, lapack_driver="gelsy"))
    return 0.5 * float(np.sum(np.square(nu))) if np.abs(A @ nu - c).max(initial=0.0) <= beyond else np.inf


def gap_of_ridge(R: FloatArray, g: FloatArray, m: int, alpha: FloatArray, enough: float) -> float:
    """That of weights whose columns are more than rows: less the intercept's part, which leaves g_w - mean(x) g_b of
    them. At most what the penalty alone says, if that is little enough; else exactly, in the space of the rows."""
    p, of_intercept, of_weights = len(alpha), 0.0, g[m:]
    if m:
        of_intercept = 0.5 * float(np.sum(np.square(g[0] / R[0, 0])))
        of_weights = of_weights - (R[0, 1 : 1 + p] / R[0, 0])[:, None] * g[0]
    unit = np.sqrt(alpha)[:, None]
    pull = of_weights / unit
    by_penalty = 0.5 * float(np.sum(np.square(pull))) + of_intercept
    if by_penalty <= enough:
        return by_penalty
    basis, T = np.linalg.qr(R[m:, m : m + p].T / unit)
    along = basis.T @ pull
    U = np.linalg.qr(np.vstack([np.eye(len(T)), T.T]), mode="r")
    squares = np.square(pull - basis @ along).sum() + np.square(solve_triangular(U, along, trans=1)).sum()
    return 0.5 * float(squares) + of_intercept


def spread(source: MemorySource) -> float:
    """The variance of y, of all targets together, at least that of rounding."""
    y = response(source)
    mean = np.average(y, axis=0, weights=source.weight)
    variance = np.average(np.square(y - mean), axis=0, weights=source.weight)
    return float(np.sum(variance + np.square(np.finfo(float).eps * mean)))
