r"""Leverages: how far each row pulls its own prediction.

With H the curvature of the objective, and the row x_i (a one beside it for the intercept), the (K, K) matrix

    M_i = (x_i' (x) I) H^-1 (x_i (x) I)

says how eta_i moves for a pull on it; times A_i, the curvature of the row's own loss in eta, it is the leverage.
"""

import numpy as np

from separatrix.arrays import FloatArray
from separatrix.data.block import Block
from separatrix.engine.matrices.linear_algebra import LARGEST_CURVATURE, factor_positive, inverse_of
from separatrix.engine.objective import Objective
from separatrix.equations.hyperplane import quadratic_forms
from separatrix.equations.losses import Loss
from separatrix.errors import ArgumentError

LEVERAGE_ONE = 1e-8  # less than that away from 1, a leverage is 1 but for rounding and where the fit stopped


def inverse_curvature(objective: Objective, theta: FloatArray) -> FloatArray:
    """H^-1 of the objective in the units of sum(weight * loss), (P, K, P, K); zero for weights that L1 holds at zero.

    Raises ArgumentError where the matrix would be too large.
    """
    if theta.size > LARGEST_CURVATURE:
        raise ArgumentError(
            f"cv='loo' needs the inverse curvature, and that of {theta.size:,} coefficients is too large a matrix "
            f"(at most {LARGEST_CURVATURE:,}). Use a number of folds."
        )
    at = objective.evaluate(theta, order=2)
    free = np.flatnonzero((theta != 0) | (objective.l1 == 0))
    inverse = np.zeros((theta.size, theta.size))
    factor = factor_positive(at.curvature[np.ix_(free, free)])
    inverse[np.ix_(free, free)] = inverse_of(factor) / at.weight
    return inverse.reshape(*theta.shape, *theta.shape)


def row_curvatures(loss: Loss, state: FloatArray) -> FloatArray:
    """The second derivative of each row's loss in eta, (rows, K, K), from the loss's state (rows, K)."""
    K = range(state.shape[1])
    return np.stack([np.stack([loss.second(state, k, m) for m in K], axis=1) for k in K], axis=1)


def leverages(block: Block, inverse: FloatArray) -> FloatArray:
    """M of each row of a block, (rows, K, K)."""
    K = inverse.shape[1]
    M = np.empty((len(block.weight), K, K))
    for k in range(K):
        for m in range(k + 1):
            pair = inverse[:, k, :, m]
            M[:, k, m] = M[:, m, k] = quadratic_forms(block.X, (pair + pair.T) / 2)
    return M
