r"""A bound on the gap by the curvature between pairs of classes, each in half a matrix: of many coefficients without a
penalty that proves it, the curvature (P K, P K) of all is large, and takes (K + 1) / 2 times as long.

The curvature of softmax is that of a graph whose edges are pairs of classes, p_k p_m heavy. With d = step_k - step_m of
an edge, and x the row with its one,

    step' H step  =  sum over edges of mean(p_k p_m (x'd)^2)  >=  sum over a tree of d'G d,      G = mean(p_k p_m x x')

for no edge takes any away. In the K - 1 differences of a tree that is K - 1 blocks; the heaviest tree is the nearest to
H. With B the step of unit differences, (K, K - 1),

    nu^2            <=  sum_e (g B)_e' G_e^-1 (g B)_e
    how far a row   <=  (sum_e |B_e|^2 x'G_e^-1 x)^(1/2)            in the norm of H, at most
    a coefficient   <=  (sum_e B_ke^2 (G_e^-1)_jj)^(1/2)

Two classes are one pair, of which nothing is lost. An L2 part holds differences as well, at least by the least
eigenvalue of B'B. Without one, columns that are sums of others add nothing that the weights of these can't: their own
may stay as they are, and what is known of the others bounds the gap.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import minimum_spanning_tree

from separatrix.arrays import FloatArray, IntArray
from separatrix.data.block import Block
from separatrix.engine.grams import squares_of
from separatrix.engine.matrices.linear_algebra import SINGULAR
from separatrix.engine.matrices.packed import Half, Packed, inverse_of_square, packed, solve_packed
from separatrix.engine.matrices.room import takes_little
from separatrix.engine.near_copies import columns_of_sums
from separatrix.engine.objective import Evaluation, Objective
from separatrix.engine.sums import block_state
from separatrix.equations.hyperplane import beside_ones, gram_diagonal, pieces
from separatrix.equations.losses import Loss

ONE_PAIR, MORE_PAIRS = 7, 11  # bytes for each number of a full matrix: a block and what it is made of, and the form
OF_A_CLASS = 2  # that a solver may hold meanwhile
FEW_ROWS = 2**7  # at least, that are multiplied by a form at a time: beside one of many columns more are large


class Pairs(NamedTuple):
    """The unit ball of such a bound on H: nu; of its blocks scaled to a unit diagonal the root of the norm of their
    inverses, the largest `size`; what a unit of the gradient's rounding can be in nu, `spread`; how `far` a unit of
    each column can move eta (P,), and the largest `unit` of it in any block; how far a unit step can move eta by a
    `form` (P, P), and each coefficient, `lengths` (P, K), without end where it has a part in a sum of columns."""

    nu: float
    size: float
    spread: float
    far: FloatArray
    unit: FloatArray
    form: Half
    lengths: FloatArray


def pairs_of(objective: Objective, at: Evaluation) -> Pairs | None:
    """The ball at a point, in K passes, and some more where columns are sums of others; None where some classes are
    never near each other, or a block is singular all the same."""
    (P, K), p = at.theta.shape, objective.source.n_columns
    D, scale = tree_of(objective, at) if K > 1 else (np.ones((1, 1)), np.zeros((P, 1)))
    if D is None:
        return None
    B = np.linalg.pinv(D)
    held = np.zeros(P)
    held[:p] = np.linalg.eigvalsh(B.T @ B)[0] * objective.penalty.curvature(at.theta[:p, :1])[:, 0]
    centre = np.append(-objective.source.centre, np.ones(P - p))
    slopes, parts = slopes_of(at.gradient, B, scale)
    square, least, size, spread, far, units = 0.0, 1.0, 0.0, 0.0, np.zeros(P), np.zeros(P)
    lengths, form, spanned, free, off = np.zeros((P, K)), None, np.empty(0, int), np.zeros(P, dtype=bool), 0.0
    for d, b, slope, part in zip(D, B.T, slopes.T, parts.T, strict=True):
        weight = partial(edge_weight, objective.loss, at.theta, d)
        half, unit = packed(partial(block_of, objective, P - p, weight, spanned), held)
        if not spanned.size and not objective.penalty.l2.any():
            spanned = np.flatnonzero(half.diagonal < SINGULAR)
            if spanned.size:
                del half  # before another is made
                half, unit = packed(partial(block_of, objective, P - p, weight, spanned), held)
                near = partial(solve_packed, Packed(half, unit))
                sums = columns_of_sums(objective, spanned, weight, near, unit)
                if sums is None:
                    return None
                free, off = sums[0], float(np.abs(at.theta[spanned]).sum(axis=1) @ sums[1])
        least = min(least, float(half.diagonal.min(initial=1.0)))
        if least < SINGULAR:
            return None
        slope[spanned] = 0.0
        square += float(slope @ solve_packed(Packed(half, unit), slope))
        units = np.maximum(units, unit)
        inverse = inverse_of_square(half)
        diagonal = inverse.diagonal
        spread += float(diagonal @ np.square(np.maximum(part / unit, 1.0)))
        norm = max(2.0 * float(inverse.numbers @ inverse.numbers) - float(diagonal @ diagonal), 0.0) ** 0.5
        size, heavy = max(size, norm**0.5), float(b @ b)
        far += heavy * norm / unit**2
        inverse.divide(unit)
        lengths += inverse.diagonal[:, None] * b**2
        if p < P and objective.source.centre.any():
            lengths[-1] += (quadratic(inverse, centre[None, :])[0] - inverse.diagonal[-1]) * b**2
        np.multiply(inverse.numbers, heavy, out=inverse.numbers)
        form = inverse if form is None else Half(P, np.add(form.numbers, inverse.numbers, out=form.numbers))
        del half, inverse  # before the next is made
    assert form is not None  # a pair there is
    np.sqrt(lengths, out=lengths)
    lengths[free] = np.inf
    nu = square**0.5 + 0.5 * off  # as no row's curvature is above 1/4, or of several classes 1/2
    return Pairs(nu, size, spread**0.5, np.sqrt(far), units, form, lengths)


def pairs_take_little(objective: Objective, P: int, K: int) -> bool:
    """Whether what `pairs_of` holds at once takes little beside X, or anyway where that is not in memory."""
    source, each = objective.source, ONE_PAIR if K == 1 else MORE_PAIRS + OF_A_CLASS * K
    return takes_little(P, source.n_rows * source.room if source.in_memory else np.inf, each)


def block_of(objective: Objective, ones: int, weight: Callable[[Block], FloatArray], spanned: IntArray) -> Half:
    """mean(weight x x'), in which the columns that are `spanned`, of zeros some, have nothing in common with others."""
    half = objective.half_gram(ones, weight, np.float64)
    half.part_with(spanned)
    for diagonal in half.diagonals if spanned.size else ():
        diagonal[diagonal == 0] = 1.0
    return half


def tree_of(objective: Objective, at: Evaluation) -> tuple[FloatArray | None, FloatArray]:
    """The tree of pairs of classes that are nearest to each other, an edge a row with 1 and -1, (K - 1, K); None where
    that leaves some apart. And the root of the curvature's diagonal, (P, K). One pass."""
    (P, K), p, loss = at.theta.shape, objective.source.n_columns, objective.loss

    def sums(block: Block) -> FloatArray:
        state = block_state(block, loss, at.theta)
        near = [[-float(block.weight @ loss.second(state, k, m)) if k < m else 0.0 for m in range(K)] for k in range(K)]
        h = block.weight[:, None] * loss.diagonal(state)
        return np.vstack([near, gram_diagonal(block.X, h), np.tile(h.sum(axis=0), (P - p, 1))])

    near, squares = np.split(objective.add_up(sums) / at.weight, [K])
    scale = np.sqrt(squares)
    if not (near[np.triu_indices(K, 1)] > 0).all():
        return None, scale
    apart = np.divide(1.0, near, out=np.zeros_like(near), where=near > 0)
    tree = minimum_spanning_tree(csr_array(apart)).tocoo()
    D = np.zeros((K - 1, K))
    D[np.arange(K - 1), tree.row], D[np.arange(K - 1), tree.col] = 1.0, -1.0
    return D, scale


def slopes_of(gradient: FloatArray, B: FloatArray, scale: FloatArray) -> tuple[FloatArray, FloatArray]:
    """g B, (P, K - 1), and of what `scale` (P, K) the parts are that cancel in it.

    An edge parts the classes, and over all of them g sums to zero: that of either side is its slope. So it is taken of
    the one whose parts are less, as a class that some rows never have is all but lost in the rounding of the others.
    """
    if len(B) == 1:
        return gradient.copy(), scale
    here = (B > 0).astype(float)
    one, other = scale @ here, scale @ (1.0 - here)
    return np.where(one < other, gradient @ here, gradient @ (here - 1.0)), np.minimum(one, other)


def edge_weight(loss: Loss, theta: FloatArray, d: FloatArray, block: Block) -> FloatArray:
    """The weight of each row times p_k p_m of an edge d, (rows,)."""
    state, k, m = block_state(block, loss, theta), int(d.argmax()), int(d.argmin())
    return block.weight * loss.second(state, k, m) * (1.0 if k == m else -1.0)


def quadratic(A: Half, rows: FloatArray) -> FloatArray:
    """x'A x of every row, (rows,)."""
    forms = np.zeros(len(rows))
    for some, others in squares_of(A.n, A.first):
        part = A.part(some, others)
        part = np.tril(part) + np.tril(part, -1).T if some == others else 2.0 * part
        forms += np.einsum("ij,ij->i", rows[:, some] @ part, rows[:, others])
    return forms


def farthest_by(objective: Objective, pairs: Pairs) -> float:
    """How far a unit step can move the eta of a row, at most; one pass."""
    P = pairs.form.n

    def farthest(block: Block) -> float:
        most = 0.0
        for some in pieces(len(block.weight), P, FEW_ROWS):
            rows = beside_ones(block.X[some], P - block.X.shape[1])
            most = max(most, float(quadratic(pairs.form, rows).max(initial=0.0)))
        return most

    return float(np.sqrt(objective.add_up(farthest, max)))
