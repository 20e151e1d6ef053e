r"""A lower bound on the optimum from a feasible point of the dual problem.

Let h be the penalty, h*(g) = sum_j max(|g_j| - l1_j, 0)^2 / (2 l2_j) its conjugate, o the offset, and G(q)
the gradient mean_i x_i (q_i - y_i). For any probabilities q with mean_i (q_i - y_i) = 0 (no intercept, no condition),
and with |G_j(q)| <= l1_j where l2_j = 0, Fenchel's inequality gives, as loss >= entropy(q) + (q - y) eta,

    F* >= mean entropy(q) + mean (q - y) o - h*(-G(q))

Take q = y + c (t - y), with t the fitted p tilted until it meets the condition on the intercept: t_k = p_k (1 + s_k -
sum_l p_l s_l), the first-order effect of shifting the intercepts by s, solved for exactly. These are probabilities
while no two s differ by more than 1, and c = min(1, min_j l1_j / |G_j(t)|) over columns with l2_j = 0 meets the other
condition: G(q) = c G(t), and q lies between t and y. Entropy is concave and never negative, so entropy(q) >= c
entropy(t); entropy(t) = loss(eta, y) - (t - y) eta - KL(t, p); and KL(t, p) <= sum_k (t_k - p_k)^2 / p_k, whose mean is
s'Vs with V = mean(diag(p) - pp'). In mean (t - y) (eta - o) = w'G(t) + b mean (t - y) the last term is zero: the offset
is in eta, and in nothing else of what remains. Together, with F = mean loss + h(w),

    F - F* <= (1 - c) mean loss + c s'Vs + [h(w) + c w'G(t) + h*(-c G(t))]

Every term, and every coordinate of the bracket, is at least 0: nothing cancels. With c = 1 it falls with the square of
the distance to the optimum, with c < 1 in proportion to it.

For squares the same holds: with r = eta - y, t - y is r + s, the bracket is as it is, and the rest, the mean of
(r - c (r + s))^2 / 2, is (1 - c)^2 loss + c (2 - c) s's / 2.
"""

from collections.abc import Callable
from functools import partial

import numpy as np

from separatrix.arrays import FloatArray
from separatrix.data.block import Block
from separatrix.engine.objective import Evaluation, Objective, Sums, block_eta, with_intercept
from separatrix.equations.hyperplane import pieces
from separatrix.equations.losses import gram
from separatrix.equations.penalties import ElasticNet


def dual_bound(objective: Objective, at: Evaluation) -> float | None:
    """How far F is above the bound, at most; None where the intercept is too far from its optimum for one.

    One pass for the intercept, or two shorter ones over rows in memory, none without one.
    """
    p, divergence, tilted = objective.source.n_columns, 0.0, None
    if len(at.gradient) > p:
        V, effect = intercepts(objective, at)
        tilt = np.linalg.lstsq(V, -at.gradient[-1])[0]
        divergence = float(tilt @ V @ tilt)
        tilted = effect(tilt)
        tilted += at.gradient
        # Where all p are 0 or 1, no tilt moves them, and the condition stays unmet.
        unmet = np.abs(tilted[-1]).max() > 1e-10 * np.abs(at.gradient[-1]).max() + np.finfo(float).eps
        if unmet or np.ptp(np.append(tilt, 0.0)) > 1.0:
            return None
    w, gradient = at.theta[:p], at.gradient.copy() if tilted is None else tilted
    for some in pieces(*w.shape):
        gradient[some] -= objective.penalty.columns(some).gradient(w[some])
    return duality_gap(objective.penalty, w, gradient[:p], at.loss, divergence)


def duality_gap(penalty: ElasticNet, w: FloatArray, G: FloatArray, loss: float, divergence: float = 0.0) -> float:
    """(1 - c) loss + c divergence + h(w) + c w'G + h*(-c G), for w and G (p, K), with the largest c in [0, 1] that is
    feasible."""
    c = 1.0
    for some in pieces(*G.shape):
        alone = penalty.l2[some] == 0
        l1, reach = penalty.l1[some][alone], np.abs(G[some][alone]).max(axis=1, initial=0.0)
        c = min(c, float(np.min(l1[reach > l1] / reach[reach > l1], initial=1.0)))
    return (1.0 - c) * loss + c * divergence + penalty.fenchel_gap(w, G, -c)


def intercepts(objective: Objective, at: Evaluation) -> tuple[FloatArray, Callable[[FloatArray], FloatArray]]:
    """The second derivatives of the mean loss in the intercepts, (K, K); and what a shift of them, (K,), does to its
    gradient, (P, K).

    Of files in one pass, as reading costs more than the K gradients of which that is made; of rows in memory in two.
    """
    if objective.source.in_memory:
        return intercept_curvature(objective, at), partial(intercept_effect, objective, at)
    effects = intercept_effects(objective, at.theta)
    return effects[:, -1], lambda shift: np.tensordot(shift, effects, axes=1)


def intercept_effects(objective: Objective, theta: FloatArray) -> FloatArray:
    """What a unit of each intercept does to the gradient of the mean loss, to first order: (K, P, K), in one pass."""
    K, loss = theta.shape[1], objective.loss

    def effects(block: Block) -> FloatArray:
        _, _, state = loss.together(block.y, block_eta(block, theta))
        shifted = (block.weight[:, None] * loss.curvature_times(state, unit[None, :]) for unit in np.eye(K))
        gradients = [with_intercept(block.transposed, shift, len(theta)).ravel() for shift in shifted]
        return np.append(np.concatenate(gradients), block.weight.sum())

    sums = objective.add_up(effects)
    return (sums[:-1] / sums[-1]).reshape(K, *theta.shape)


def intercept_curvature(objective: Objective, at: Evaluation) -> FloatArray:
    """The second derivatives of the mean loss in the intercepts, (K, K): those of rows without a column."""

    def curvature(block: Block) -> Sums:
        none = np.empty((len(block.weight), 0))
        V = gram(objective.loss, none, block.weight, objective.state_of(at, block), ones=1)
        return Sums(block.total, 0.0, V[0, :, 0, :])

    sums = objective.add_up(curvature)
    return sums.gradient / sums.weight


def intercept_effect(objective: Objective, at: Evaluation, shift: FloatArray) -> FloatArray:
    """What a shift of the intercepts, (K,), does to the gradient of the mean loss, to first order: (P, K)."""

    def effect(block: Block) -> Sums:
        r = block.weight[:, None] * objective.loss.curvature_times(objective.state_of(at, block), shift[None, :])
        return Sums(block.total, 0.0, with_intercept(block.transposed, r, len(at.theta)))

    sums = objective.add_up(effect)
    shifted = sums.gradient
    shifted /= sums.weight
    return shifted
