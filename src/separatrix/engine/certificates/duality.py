r"""A lower bound on the optimum from a feasible point of the dual problem.

Let h be the penalty, h*(g) = sum_j max(|g_j| - l1_j, 0)^2 / (2 l2_j) its conjugate, o the offset, and G(q)
the gradient mean_i x_i (q_i - y_i). For any probabilities q with mean_i (q_i - y_i) = 0 (no intercept, no condition),
and with |G_j(q)| <= l1_j where l2_j = 0, Fenchel's inequality gives, as loss >= entropy(q) + (q - y) eta,

    F* >= mean entropy(q) + mean (q - y) o - h*(-G(q))

Take q = y + c (t - y) for probabilities t that meet the condition on the intercept, and c = min(1, min_j l1_j /
|G_j(t)|) over columns with l2_j = 0, which meets the other: G(q) = c G(t), and q lies between t and y. Entropy is
concave and never negative, so entropy(q) >= c entropy(t); entropy(t) = loss(eta, y) - (t - y) eta - KL(t, p), p the
fitted probabilities; and KL(t, p) <= d(t, p) = sum_k (t_k - p_k)^2 / p_k. In mean (t - y) (eta - o) = w'G(t) + b mean
(t - y) the last term is zero: the offset is in eta, and in nothing else of what remains. Together, with F = mean loss +
h(w),

    F - F* <= (1 - c) mean loss + c mean d(t, p) + [h(w) + c w'G(t) + h*(-c G(t))]

Every term, and every coordinate of the bracket, is at least 0: nothing cancels. With c = 1 it falls with the square of
the distance to the optimum, with c < 1 in proportion to it.

Two t serve. One is the fitted p tilted, t_k = p_k (1 + s_k - sum_l p_l s_l), the first-order effect of shifting the
intercepts by s, solved for exactly; the mean of d is s'Vs with V = mean(diag(p) - pp'). The other is what a quadratic
model predicted of the step to here: the p where it was made, tilted by what the step does to each row. Then G(t) is
the slope of the model at its minimum, and c as near to 1 as the model was solved exactly, where the slope of F itself
has moved by the square of the step: so with an L1 part this bound too falls with the square of the distance. (Massias
et al. 2018, "Celer", extrapolate from several steps instead.) Tilted, these are probabilities while no two s of a row
differ by more than 1.

For squares the same holds: with r = eta - y, t - y is r + s, the bracket is as it is, and the rest, the mean of
(r - c (r + s))^2 / 2, is (1 - c)^2 loss + c (2 - c) s's / 2. There a model predicts what is fitted, no s is too large,
and what rounding leaves of the condition is one more s.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from separatrix.arrays import FloatArray
from separatrix.data.block import Block
from separatrix.engine.certificates.decrement import slope_size
from separatrix.engine.objective import Evaluation, Objective
from separatrix.engine.sums import Sums, block_eta, block_plane, block_state, gram, with_intercept
from separatrix.equations.hyperplane import pieces
from separatrix.equations.penalties import ElasticNet

MET = 1e-10  # of a condition, what rounding may leave
WIDEST_TILT = 1.0  # beyond which tilted probabilities may be none
NOTHING = 1e-100  # of a curvature; its inverse is still a number


@dataclass(frozen=True)
class Prediction:
    """A step of a quadratic model that knew a `part` of the columns, the weights of all others zero: where it was made,
    its minimum less that, and how far the solver came, (P, K) each, of that part."""

    part: Objective
    start: FloatArray
    step: FloatArray
    reached: FloatArray


def dual_bound(objective: Objective, at: Evaluation, ahead: Prediction | None) -> float | None:
    """How far F is above the bound, at most, by what a step to here predicted if there is one, else by what is fitted;
    None where the intercept is too far from its optimum for one."""
    bound = predicted_bound(objective, at, ahead) if ahead is not None else None
    return fitted_bound(objective, at) if bound is None else bound


def predicted_bound(objective: Objective, at: Evaluation, ahead: Prediction) -> float | None:
    """The bound by the probabilities that a model predicted; two passes over its part of the columns, or one, and one
    over all. None where there is no room for a number of each row and class, or the model is the loss itself."""
    source, K = objective.source, at.theta.shape[1]
    if not source.in_memory or source.room < K * np.float64().itemsize or objective.loss.third_bound == 0:
        return None
    r = np.empty((source.n_rows, K))
    if (divergence := predict(ahead, len(at.theta) > source.n_columns, r)) is None:
        return None

    sums = objective.pull(source.n_columns, lambda block: block.weight[:, None] * r[block.rows])
    G = sums.gradient
    G /= sums.weight
    return duality_gap(objective.penalty, at.theta[: source.n_columns], G, at.loss, divergence)


def predict(ahead: Prediction, fit_intercept: bool, r: FloatArray) -> float | None:
    """Fills r (rows, K) with t - y, for t the probabilities to first order in the step, tilted to meet the condition
    on the intercept; and the mean of sum_k (t_k - p_k)^2 / p_k, with p those that were reached."""
    part, tilt = ahead.part, np.zeros(r.shape[1])

    def predicted(block: Block) -> Sums:
        _, residual, state = part.loss.together(block.y, block_eta(block, ahead.start))
        s = block_plane(block, ahead.step) + tilt
        residual += part.loss.curvature_times(state, s)
        r[block.rows] = residual
        _, there, after = part.loss.together(block.y, block_eta(block, ahead.reached))
        with np.errstate(divide="ignore"):
            apart = np.divide((residual - there) ** 2, after, out=np.zeros_like(after), where=residual != there)
        widest = s.max(axis=1, initial=0.0) - s.min(axis=1, initial=0.0)
        divergence = np.where(widest > WIDEST_TILT, np.inf, apart.sum(axis=1))  # such a t may be no probability
        V = gram(part.loss, np.empty((len(s), 0)), block.weight, state, ones=1)[0, :, 0, :]
        return Sums(block.total, float(block.weight @ divergence), block.weight @ residual, V)

    sums = part.add_up(predicted)
    if fit_intercept and (unmet := np.abs(sums.gradient).max()) > np.finfo(float).eps * sums.weight:
        tilt += tilt_against(sums.curvature, sums.gradient)
        sums = part.add_up(predicted)
        if np.abs(sums.gradient).max() > MET * unmet + np.finfo(float).eps * sums.weight:
            return None
    return sums.value / sums.weight if np.isfinite(sums.value) else None


def fitted_bound(objective: Objective, at: Evaluation) -> float | None:
    """The bound by the fitted probabilities. One pass for the intercept, or two shorter ones over rows in memory, none
    without one, or where they meet its condition but for rounding, of which a tilt makes much where all are 0 or 1."""
    p, divergence, tilted, left = objective.source.n_columns, 0.0, None, np.zeros(1)
    squares, unit = objective.loss.third_bound == 0, slope_size(objective, at)
    if len(at.gradient) > p and not is_met(left := at.gradient[-1], unit):
        V, effect = intercepts(objective, at)
        tilt = tilt_against(V, left)
        tilted = effect(tilt)
        tilted += at.gradient
        if not is_met(tilted[-1], unit, of=left):  # by the rounding of a state in single precision
            more = tilt_against(V, tilted[-1])
            tilt += more
            tilted += effect(more)
        divergence = float(tilt @ V @ tilt)
        if not squares and not tilt_serves(tilt, tilted[-1], left):
            return None
        left = tilted[-1]
    if squares:
        divergence += float(left @ left)
    w, gradient = at.theta[:p], at.gradient.copy() if tilted is None else tilted
    for some in pieces(*w.shape):
        gradient[some] -= objective.penalty.columns(some).gradient(w[some])
    return duality_gap(objective.penalty, w, gradient[:p], at.loss, divergence)


def tilt_against(V: FloatArray, condition: FloatArray) -> FloatArray:
    """The shift of the intercepts, (K,), that to first order meets a condition which is off by so much, by their second
    derivatives V (K, K); zero where these are next to nothing: no shift moves probabilities that are 0 or 1."""
    return np.linalg.lstsq(V, -condition)[0] if np.abs(V).max() > NOTHING else np.zeros_like(condition)


def tilt_serves(tilt: FloatArray, left: FloatArray, condition: FloatArray) -> bool:
    """Whether tilted probabilities are some, and meet the condition on the intercept, of which so much was left: where
    all p are 0 or 1, no tilt moves them."""
    return is_met(left, 1.0, of=condition) and bool(np.ptp(np.append(tilt, 0.0)) <= WIDEST_TILT)


def is_met(left: FloatArray, unit: float, of: FloatArray | float = 0.0) -> bool:
    """Whether what is left of a condition, a mean of slopes of such a size, may be rounding."""
    return bool(np.abs(left).max() <= MET * np.abs(of).max() + np.finfo(float).eps * unit)


def duality_gap(penalty: ElasticNet, w: FloatArray, G: FloatArray, loss: float, divergence: float = 0.0) -> float:
    """(1 - c) loss + c divergence + h(w) + c w'G + h*(-c G), for w and G (p, K), with the largest c in [0, 1] that is
    feasible."""
    c = 1.0
    for some in pieces(*G.shape):
        alone = penalty.l2[some] == 0
        l1, reach = penalty.l1[some][alone], np.abs(G[some][alone]).max(axis=1, initial=0.0)
        c = min(c, float(np.min(l1[reach > l1] / reach[reach > l1], initial=1.0)))
    return (1.0 - c) * loss + c * divergence + penalty.fenchel_gap(w, G, -c)


def by_strong_convexity(penalty: ElasticNet, shape: tuple[int, ...], gap: float) -> FloatArray | None:
    """sqrt(2 gap / l2_j), of theta's shape (P, K): how far from the optimum a weight can be that the L2 penalty holds;
    inf for the intercept, which nothing holds, and None where some weight is not held either. To read: those of all
    classes are one."""
    if not penalty.l2.all():
        return None
    errors = np.full((shape[0], 1), np.inf)
    errors[: len(penalty.l2), 0] = np.sqrt(2.0 * gap / penalty.l2)
    return np.broadcast_to(errors, shape)


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
        state = block_state(block, loss, theta)
        shifted = (block.weight[:, None] * loss.curvature_times(state, unit[None, :]) for unit in np.eye(K))
        gradients = [with_intercept(block.transposed, shift, len(theta)).ravel() for shift in shifted]
        return np.append(np.concatenate(gradients), block.total)

    sums = objective.add_up(effects)
    return (sums[:-1] / sums[-1]).reshape(K, *theta.shape)


def intercept_curvature(objective: Objective, at: Evaluation) -> FloatArray:
    """The second derivatives of the mean loss in the intercepts, (K, K): those of rows without a column."""

    def curvature(block: Block) -> Sums:
        none = np.empty((len(block.weight), 0))
        V = gram(objective.loss, none, block.weight, objective.state_of(at, block), ones=1)
        return Sums(block.total, 0.0, curvature=V[0, :, 0, :])

    sums = objective.add_up(curvature)
    return sums.curvature / sums.weight


def intercept_effect(objective: Objective, at: Evaluation, shift: FloatArray) -> FloatArray:
    """What a shift of the intercepts, (K,), does to the gradient of the mean loss, to first order: (P, K)."""

    def effect(block: Block) -> FloatArray:
        return block.weight[:, None] * objective.loss.curvature_times(objective.state_of(at, block), shift[None, :])

    sums = objective.pull(len(at.theta), effect)
    shifted = sums.gradient
    shifted /= sums.weight
    return shifted
