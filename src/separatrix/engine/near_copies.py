r"""How near the optimum is where columns all but repeat each other, and rounding is all that a curvature H holds along
their differences.

Rows that are never squared keep their digits: of a triangle R with R'R = H, nu = |R^-T g| and how far a step can move a
row, |R^-T x|, are exact to rounding over the least singular value, not over its square. The columns of R come in the
order of what they add to those before them (Businger and Golub 1965, "Linear least squares solutions by Householder
transformations"). One that adds nothing but rounding makes a direction with no curvature: F is flat along it, or as far
as can be told falls for ever.
"""

from typing import NamedTuple

import numpy as np
from scipy.linalg import get_lapack_funcs

from separatrix.arrays import FloatArray, IntArray
from separatrix.data.block import Block
from separatrix.engine.linear_algebra import Factor
from separatrix.engine.objective import Evaluation, Objective
from separatrix.engine.sums import block_plane, state_at
from separatrix.engine.triangle import ROUNDING
from separatrix.equations.hyperplane import beside_ones, pieces

CHEAP_CURVATURE = 400  # coefficients whose curvature, and its root, cost less than the steps they may save
MANY_STEPS = 10  # of a solver, after which a curvature that may be rounding is made anew by its root
(geqp3,) = get_lapack_funcs(("geqp3",), dtype=np.float64)


class Spanned(NamedTuple):
    """R'R over those columns, `kept` (r,), that no others span, and the directions (P K, m) along which it is rounding;
    both of R with columns of unit length, and this is their `unit` (P K,)."""

    factor: Factor
    kept: IntArray
    null: FloatArray
    unit: FloatArray


def spanned(R: FloatArray) -> Spanned:
    """The factor of R'R, R (n, n), as far as it is not rounding; R is used up."""
    n, unit = len(R), np.linalg.norm(R, axis=0)
    unit[unit == 0] = 1.0
    R /= unit
    R, order, *_ = geqp3(R, overwrite_a=True)
    order -= 1  # LAPACK's begins with 1
    r = int(np.sum(np.abs(np.diagonal(R)) > ROUNDING))
    lower = np.asfortranarray(R[:r, :r].T)
    lower *= np.where(np.diagonal(lower) < 0, -1.0, 1.0)
    null = np.zeros((n, n - r))
    null[order[:r]] = -np.linalg.solve(np.triu(R[:r, :r]), R[:r, r:])
    null[order[r:]] = np.eye(n - r)
    return Spanned(Factor(lower, unit[order[:r]]), order[:r], null, unit)


def farthest_by_root(objective: Objective, of: Spanned, K: int) -> float:
    """How far a step of length 1 in the norm of R'R can move the eta of a row; of several classes at most. One pass."""
    place, classes = np.divmod(of.kept, K)
    ones = int(objective.fit_intercept)

    def farthest(block: Block) -> float:
        most = 0.0
        for some in pieces(len(block.weight), len(of.kept)):
            rows, squares = beside_ones(block.X[some], ones)[:, place], 0.0
            for k in range(K):
                squares = squares + of.factor.lengths(np.where(classes == k, rows, 0.0)) ** 2
            most = max(most, float(np.max(squares, initial=0.0)))
        return most

    return float(np.sqrt(objective.add_up(farthest, max)))


def bend(objective: Objective, at: Evaluation, directions: FloatArray) -> FloatArray:
    """How much F bends along each of the directions (P K, m), (m,), from rows that are not squared. One pass."""
    (P, K), m = at.theta.shape, directions.shape[1]
    steps = directions.reshape(P, K * m)

    def along(block: Block) -> FloatArray:
        state, planes = state_at(block, objective.loss, at.theta), block_plane(block, steps).reshape(-1, K, m)
        moved = [objective.loss.curvature_times(state, planes[:, :, i]) * planes[:, :, i] for i in range(m)]
        return np.array([block.weight @ each.sum(axis=1) for each in moved])

    w = steps[: objective.source.n_columns]
    held = objective.penalty.curvature(at.theta[: len(w)])
    return objective.add_up(along) / at.weight + np.einsum("jk,jkm->m", held, w.reshape(-1, K, m) ** 2)
