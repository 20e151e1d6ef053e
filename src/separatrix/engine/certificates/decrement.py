"""Newton's decrement: how far the gradient is from zero in the norm of the inverse of a curvature H."""

import numpy as np

from separatrix.arrays import FloatArray
from separatrix.data.block import Block
from separatrix.engine.matrices.linear_algebra import Factor, solve_positive
from separatrix.engine.objective import Evaluation, Objective
from separatrix.engine.sums import block_eta
from separatrix.equations.hyperplane import gram_diagonal

GRADIENT_SEEN = 4.0 * float(np.finfo(float).eps)  # less may be rounding
USUAL = 10.0  # an offset, with which no row's curvature is next to nothing
BEYOND = 1e-12  # of a share, may be rounding
MOST_TURNS = 3  # until every column that a step must know of is known


def decrement(objective: Objective, at: Evaluation, H: FloatArray, factor: Factor) -> tuple[FloatArray, float, float]:
    """The smallest subgradient r; nu = (r'H^-1 r)^(1/2), by the factor of H; and what r adds along flat directions.

    Or with an L1 part, for r = H d, d zero where weights are, and r the smallest subgradient where they are not, if
    that makes r a subgradient. Columns whose weights are zero may then be collinear with others, and no rounding is
    divided by next to nothing. Of indicators that sum to one such an r can be at the very end of what a subgradient may
    be, and beyond it by rounding: as a share of l1 that is one of F at most, as l1 |w| at the optimum is.
    """
    smallest = objective.subgradient(at).ravel()
    if not objective.penalty.has_l1:
        return smallest, float(np.linalg.norm(factor.half_solve(smallest))), 0.0
    l1, g = np.broadcast_to(objective.l1, at.theta.shape).ravel(), at.gradient.ravel()
    free = (at.theta.ravel() != 0) | (l1 == 0)
    for _ in range(MOST_TURNS if not free.all() else 0):
        d = solve_positive(H[np.ix_(free, free)], smallest[free])
        r = np.where(free, smallest, H[:, free] @ d)
        over = np.divide(np.abs(g - r), l1, out=np.zeros_like(r), where=~free) - 1.0
        if over.max() <= BEYOND:
            nu, along = along_flat(objective, at, r, float(np.sqrt(max(smallest[free] @ d, 0.0))), factor)
            return r, nu, along + max(over.max(), 0.0) * at.value
        free |= over > BEYOND
    nu = float(np.linalg.norm(factor.half_solve(smallest)))
    return smallest, *along_flat(objective, at, smallest, nu, factor)


def along_flat(objective: Objective, at: Evaluation, r: FloatArray, nu: float, factor: Factor) -> tuple[float, float]:
    """nu for a subgradient of the L1 part that has as little as it can along flat directions; and what that adds.

    A column's part along them is the sum of r over the classes. That of the loss's gradient is zero, so what remains is
    of the penalty: weights that are zero take it on, as far as a subgradient of |w| can.
    """
    flat, p = objective.loss.flat(at.theta.shape[1]), len(objective.penalty.l1)
    if not flat.size:
        return nu, 0.0
    l1, l2 = objective.penalty.l1[:, None], objective.penalty.l2[:, None]
    w, g, r = at.theta[:p], at.gradient[:p], r.reshape(at.theta.shape)[:p]
    zero = (w == 0) & (l1 > 0)
    before = np.where(zero, r - g, l1 * np.sign(w))  # of the L1 part
    given = (l2 * w).sum(axis=1, keepdims=True)
    excess = (before.sum(axis=1, keepdims=True) + given) / np.maximum(zero.sum(axis=1, keepdims=True), 1)
    after = np.where(zero, np.clip(before - excess, -l1, l1), before)
    left = np.where(l1 > 0, after.sum(axis=1, keepdims=True) + given, 0.0)
    left[np.abs(left) <= 8.0 * np.finfo(float).eps * len(flat) * l1] = 0.0
    if np.any(left[l2 == 0]):  # a shift along them lowers the penalty, and no bound tells by how much
        return np.inf, 0.0
    along = float(np.sum(np.divide(left**2, 2.0 * len(flat) * l2, out=np.zeros_like(l2), where=l2 > 0)))
    moved = np.zeros_like(at.theta)
    moved[:p] = after - before
    return nu + float(np.linalg.norm(factor.half_solve(moved.ravel()))), along


def nu_at_most(objective: Objective, at: Evaluation, nu: float, lost: float, rounded: float, unit: FloatArray) -> float:
    """nu, and what rounding may hide of it: of H, of the gradient, and of eta, where large weights cancel;
    `unit` is the root of H's diagonal, (P, K) or (P, 1)."""
    eta = float(np.sum(np.abs(at.theta) * unit))
    return nu * (1.0 + lost) ** 0.5 + GRADIENT_SEEN * (rounded * opposed(objective, at, unit) + eta)


def opposed(objective: Objective, at: Evaluation, unit: FloatArray) -> float:
    """How many times larger than a `unit` of their coefficient the slopes are whose sum is the gradient, at most, and
    of classes at least 1; of rows without a large offset, which are not looked at, as many as `slope_size`.

    The slope of a row, r x, is no larger than sqrt(h) x, but where it is on the wrong side: then h is next to nothing.
    Rows on the right side, which have as much curvature as slope, balance those: unless offsets hold several so far on
    wrong sides that they balance each other. One pass.
    """
    source = objective.source
    usual = source.offset is None or (source.in_memory and np.abs(source.offset).max() <= USUAL)
    if usual or objective.loss.third_bound == 0:
        return slope_size(objective, at)

    def slopes(block: Block) -> FloatArray:
        _, r, _ = objective.loss.together(block.y, block_eta(block, at.theta))
        sizes = np.abs(r, out=r)
        sizes *= block.weight[:, None]
        of_columns = gram_diagonal(block.X, sizes)
        return np.vstack([of_columns, *[sizes.sum(axis=0)] * (1 + len(at.theta) - len(of_columns))])

    *squares, total = objective.add_up(slopes) / at.weight
    return max(1.0, float(np.max(np.sqrt(np.array(squares) * total) / unit)))


def slope_size(objective: Objective, at: Evaluation) -> float:
    """How large the slope of a row is in eta: of classes no more than 1, whatever their labels; of squares as the root
    of their mean, in the unit of y."""
    return (2.0 * at.loss) ** 0.5 if objective.loss.third_bound == 0 else 1.0
