r"""Leave-one-out from one fit: how far each row pulls its own prediction.

The optimum without row i is about one Newton step from the optimum of all, and the curvature without it is that of all
less the row's own, so that with the leverage M_i, (K, K), of the row x_i (a one beside it for the intercept)

    M_i = (x_i' (x) I) H^-1 (x_i (x) I),      eta_i without i  =  eta_i + M_i (I - A_i M_i)^-1 g_i

where g_i and A_i are gradient and curvature of weight_i * loss_i in eta, and H is the curvature of the objective, on
the weights that are not zero where the penalty has an L1 part (Rad and Maleki 2020, "A scalable estimate of the
out-of-sample prediction error via approximate leave-one-out", JRSS B 82). The error falls with the number of rows; it
is largest for rows that hold a direction almost alone.
"""

import numpy as np

from separatrix.arrays import FloatArray
from separatrix.data.block import Block
from separatrix.engine.certificate import LARGEST_CURVATURE
from separatrix.engine.linear_algebra import factor_positive, solve_factored
from separatrix.engine.objective import Objective, block_eta
from separatrix.equations.hyperplane import quadratic_forms
from separatrix.equations.losses import Loss
from separatrix.errors import ArgumentError

LEVERAGE_ONE = 1e-8  # less than that away from 1, a leverage is 1 but for rounding and where the fit stopped


def leave_one_out(objective: Objective, theta: FloatArray) -> FloatArray:
    """eta of every row about as a fit without that row would give it, (n, K), from the optimum of all; two passes."""
    objective, theta = on_support(objective, theta)
    eta = np.empty((objective.source.n_rows, theta.shape[1]))
    inverse = inverse_curvature(objective, theta)

    def pull(block: Block) -> float:
        M = leverages(block, inverse)
        here = block_eta(block, theta)
        _, gradient, state = objective.loss.together(block.y, here)
        weight = block.weight[:, None, None]
        A = weight * row_curvatures(objective.loss, state)
        alone = np.eye(theta.shape[1]) * (1.0 + np.finfo(float).eps) - A @ M
        pulled = M @ np.linalg.solve(alone, weight * gradient[:, :, None])
        eta[block.rows] = here + pulled[:, :, 0]
        return 0.0

    objective.add_up(pull)
    return eta


def on_support(objective: Objective, theta: FloatArray) -> tuple[Objective, FloatArray]:
    """Without the columns that an L1 part gave no weight: a row more or less is taken not to change them."""
    if not objective.l1.any():
        return objective, theta
    p = objective.source.n_columns
    chosen = np.flatnonzero(theta[:p].any(axis=1))
    return objective.columns(chosen), theta[np.append(chosen, np.arange(p, len(theta)))]


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
    columns = [solve_factored(factor, unit) for unit in np.eye(len(free))]
    inverse[np.ix_(free, free)] = np.transpose(columns) / objective.source.add_up(total_weight)
    return inverse.reshape(*theta.shape, *theta.shape)


def total_weight(block: Block) -> float:
    """The weight of a block."""
    return float(block.weight.sum())


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
