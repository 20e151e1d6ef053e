"""How far a step can move a row: of length 1 in the norm of a curvature H, its eta."""

from collections.abc import Callable, Iterator

import numpy as np

from separatrix.arrays import FloatArray
from separatrix.data.block import Block
from separatrix.engine.matrices.linear_algebra import Factor
from separatrix.engine.objective import Evaluation, Objective
from separatrix.engine.sums import block_plane
from separatrix.equations.hyperplane import PIECE_ROWS, quadratic_forms, row_squares

ROUNDING = 4.0 * float(np.finfo(float).eps)  # for each column: of a form, or of a row times its condition
MANY_ROWS = 100  # for each column: beside their products its axes take little


def reaches(
    objective: Objective,
    at: Evaluation,
    far: FloatArray,
    inverse: FloatArray,
    part: Objective | None,
    root: Factor | None = None,
    enough: Callable[[float], bool] = lambda reach: True,
) -> Iterator[float]:
    """How far a step of length 1 in the norm of H can move the eta of a row, at most, ever more exactly; in units of
    `far` (P K,) no such step is longer than 1. What large numbers leave of each other is as exact as their rounding
    lets it be: of squares by the `inverse` of H, of the numbers themselves by the `root`, the factor of H (Higham 2002,
    "Accuracy and Stability of Numerical Algorithms", theorem 8.5), which takes longer, but is all that is asked where
    rounding alone is too far to be `enough`."""
    rows = part or objective
    longest = longest_row(rows, far.reshape(at.theta.shape).max(axis=1))
    if not part:
        yield longest
    rounding = (ROUNDING * len(far)) ** 0.5 * longest
    farthest = 0.0
    if root is None or enough(rounding):
        farthest = farthest_row(rows, inverse.reshape(*at.theta.shape, *at.theta.shape))
        yield float(np.hypot(farthest, rounding))
    if root is not None and farthest < rounding:
        yield by_root(rows, root, longest) * (1.0 + rounding_by(root, far))


def least_reach(objective: Objective, at: Evaluation, inverse: FloatArray) -> float:
    """A lower bound on `farthest_row`, without a pass, from `inverse` (P K, P K), that of H.

    The loss's part A of H is a mean over rows, and no row's curvature in eta is above the loss's bound: trace(A H^-1)
    is at most that bound times the mean, and so the largest, of sum_k (x_i, 1)' (H^-1)_kk (x_i, 1).
    """
    (P, K), p = at.theta.shape, objective.source.n_columns
    strength = np.zeros((P, K))
    strength[:p] = objective.penalty.curvature(at.theta[:p])
    held = np.diagonal(inverse) @ strength.ravel()
    directions = P * (K - objective.loss.flat(K).shape[1]) - float(held)
    return max(directions / objective.loss.curvature_bound, 0.0) ** 0.5


def reach_of_few(few: Objective | None, far: FloatArray, root: Factor | None) -> float:
    """A lower bound on the same by `few` of the rows; 0 where it says nothing."""
    return 0.0 if few is None or root is None else longest_by(few, root) * max(1.0 - rounding_by(root, far), 0.0)


def by_root(rows: Objective, root: Factor, longest: float) -> float:
    """The same as `longest_by`, at most: of many rows by axes, off by their rounding beside the `longest`."""
    n = len(root.unit)
    if rows.source.n_rows < MANY_ROWS * n:
        return longest_by(rows, root)
    return farthest_along(rows, root.axes(), (n, 1)) + ROUNDING * n**1.5 * longest


def longest_by(objective: Objective, root: Factor) -> float:
    """How far a step of length 1 in the norm of H can move the eta of a row, of one column, by the factor of H."""
    return objective.add_up(lambda block: float(root.lengths(block.X).max(initial=0.0)), max)


def rounding_by(root: Factor, far: FloatArray) -> float:
    """The share of that which may be rounding."""
    return ROUNDING * len(far) ** 1.5 * float((far * root.unit).max())


def longest_row(objective: Objective, far: FloatArray) -> float:
    """max_i |far (x_i, 1)|, far (P,); one pass."""
    p, square = objective.source.n_columns, far**2

    def longest(block: Block) -> float:
        return float(row_squares(block.X, square[:p]).max(initial=0.0))

    return float(np.sqrt(objective.add_up(longest, max) + square[p:].sum()))


def farthest_row(objective: Objective, inverse: FloatArray) -> float:
    """How far a step of length 1 in the norm of H, with its `inverse` (P, K, P, K), can move the eta of a row; of
    several classes, at most: the root of max_i sum_k (x_i, 1)' inverse_kk (x_i, 1). One pass."""
    A = inverse[:, 0, :, 0] if inverse.shape[1] == 1 else np.einsum("jkmk->jm", inverse)

    def farthest(block: Block) -> float:
        return float(quadratic_forms(block.X, A).max(initial=0.0))

    return float(np.sqrt(objective.add_up(farthest, max)))


def farthest_along(objective: Objective, directions: FloatArray, shape: tuple[int, int]) -> float:
    """How far a step U u, |u| = 1, along directions U (P K, m) can move the eta of a row: the root of max_i
    |(x_i, 1)'U_k|^2 over all classes k, at most. One pass."""
    steps = directions.reshape(shape[0], -1)

    def longest(rows: Block) -> float:
        plane = block_plane(rows, steps)
        return float(np.einsum("ij,ij->i", plane, plane).max(initial=0.0))

    def farthest(block: Block) -> float:
        return max(map(longest, block.split(PIECE_ROWS)))  # as planes of all rows would be as large as X

    return float(np.sqrt(objective.add_up(farthest, max)))
