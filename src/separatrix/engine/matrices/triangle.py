"""Rows reduced to a triangle: R of A = QR, block after block (TSQR; Demmel et al. 2012).

They are squared, A'A = R'R (Cholesky QR), at a fraction of the cost, only where columns are so far from dependent that
it takes no digits that count; of sparse ones also where those that others span stand out.
"""

import operator
from collections.abc import Callable, Iterator
from functools import partial, reduce
from itertools import chain

import numpy as np
from scipy.linalg import get_lapack_funcs, solve_triangular

from separatrix.arrays import FloatArray
from separatrix.compressed import dense
from separatrix.data.block import Block, Source, response
from separatrix.data.memory import MemorySource
from separatrix.equations.hyperplane import back_project, weighted_gram

ROUNDING = 50.0 * float(np.finfo(float).eps)  # what QR may leave of a column, relative to its length, where nothing is
CELLS = 2**17  # that are reduced at a time
WIDE = 256  # columns of a triangle that is larger than such rows, so that to reduce it again costs more than they do
SHARE = 0.25  # of the columns, as many rows as which are no longer kept, but reduced
PANEL = 32
TALL = 4  # times as many rows as columns, and more: where a Gram matrix costs little beside QR
APART = 1e-2  # of 1 / |G^-1|, G of columns of length 1: squares that are as near to none cost digits
APART_IN_FEW = 0.1 * APART  # of some rows, in which columns are nearer by chance
SPANNED = 1e-12  # of a column's square, what others leave of one that they span
APART_OF_ZEROS = 1e-5  # where QR would take hundreds of times as long, and ten digits are left
LEFT = 1e-4  # of the last column's square, which is y's: the same of what the others leave of it
SHORT = 1e-140  # columns whose squares lose digits, or are none
tpqrt, potrf, pocon, pstrf = get_lapack_funcs(("tpqrt", "potrf", "pocon", "pstrf"), dtype=np.float64)


def triangle_of(source: Source, rows: Callable[[Block], FloatArray], classes: int = 1) -> FloatArray:
    """R of the rows that are made of every block, for each row so many, of so many times its columns; one pass."""

    def parts(blocks: Iterator[Block]) -> Iterator[FloatArray]:
        return (rows(each) for block in blocks for each in block.pieces(CELLS // classes**2))

    # A triangle of each thread would take too much.
    if source.n_columns * classes >= WIDE and isinstance(source, MemorySource):
        return reduced(parts(source.blocks(slice(0, source.n_rows))))
    return source.add_up(lambda block: reduced(parts(iter([block]))), lambda a, b: reduced(iter([a, b])))


def squared_triangle(source: Source, rows: Callable[[Block], FloatArray], apart: float = APART) -> FloatArray | None:
    """The same by the squares of all rows, in a pass of products that threads share; None where that takes digits."""

    def squares(block: Block) -> FloatArray:
        return reduce(operator.iadd, (A.T @ A for A in map(rows, block.pieces(cells))))

    cells = max(CELLS, source.n_columns**2)  # no fewer than squares, which are added up
    return of_squares(source.add_up(squares, operator.iadd), apart)


def sparse_triangle(source: MemorySource, intercept: int) -> FloatArray | None:
    """R of sqrt(weight) [1 X y - offset], X sparse, by squares of its entries alone; None where that takes digits. It
    has as many rows as columns that others do not span, and targets."""
    y = response(source)
    shift = np.average(y, axis=0, weights=source.weight) * intercept  # whose square would hide what varies
    G = source.add_up(partial(squares_of, intercept=intercept, shift=shift), operator.iadd)
    rows = of_spanned_squares(G, len(shift))
    if rows is None:
        return None
    P = len(G) - len(shift)
    R = np.asarray(np.linalg.qr(np.hstack([np.roll(rows[:, :P], intercept, axis=1), rows[:, P:]]), mode="r"))
    R[:intercept, P:] += R[0, 0] * shift
    return R


def squares_of(block: Block, intercept: int, shift: FloatArray) -> FloatArray:
    """[X 1 y]' diag(weight) [X 1 y] of a block, of which X may be sparse, y less its offset and a shift (T,)."""
    y = response(block) - shift
    pull = block.weight[:, None] * y
    cross = np.vstack([back_project(block.X, pull), np.ones((intercept, len(y))) @ pull])
    return np.block([[weighted_gram(block.X, block.weight, intercept), cross], [cross.T, y.T @ pull]])


def of_spanned_squares(G: FloatArray, targets: int) -> FloatArray | None:
    """Rows A with A'A = G, of which the last columns are so many targets, and of the others some may span the rest;
    None where it is in doubt which, or the targets leave next to nothing."""
    length = np.sqrt(np.diagonal(G))
    if not (np.all((length == 0.0) | (length > SHORT)) and length.max() < np.inf):
        return None
    unit, P = np.where(length > 0, length, 1.0), len(G) - targets
    G = G / unit / unit[:, None]
    U, order, rank, _ = pstrf(G[:P, :P], tol=SPANNED)
    U, order = np.triu(U)[:rank], order - 1
    beyond = np.diagonal(G)[order[rank:]] - np.square(U[:, rank:]).sum(axis=0)
    if not rank or beyond.max(initial=0.0) > SPANNED or pocon(U[:, :rank], 1.0)[0] < APART_OF_ZEROS:
        return None
    q = solve_triangular(U[:, :rank], G[order[:rank], P:], trans=1)
    root, failed = potrf(G[P:, P:] - q.T @ q, clean=True)
    if failed or np.diagonal(root).min() ** 2 < LEFT:
        return None
    rows = np.zeros((rank + targets, P + targets))
    rows[:rank, order], rows[:rank, P:], rows[rank:, P:] = U, q, root
    return rows * unit


def over_ridge(R: FloatArray, l2: FloatArray, first: int = 0) -> FloatArray:
    """R with the roots of an L2 penalty's strengths under it, a row for each that is not 0, of its columns from the
    `first` on: R'R with the strengths on its diagonal."""
    held = np.flatnonzero(l2)
    root = np.vstack([R, np.zeros((len(held), R.shape[1]))])
    root[len(R) + np.arange(len(held)), first + held] = np.sqrt(l2[held])
    return root


def rows_of(block: Block, intercept: int) -> FloatArray:
    """sqrt(weight) [1 X y - offset] of a block, dense."""
    return design_of(block, intercept, response(block))


def design_of(block: Block, intercept: int, *beside: FloatArray) -> FloatArray:
    """sqrt(weight) [1 X] of a block, dense, and what is put beside it."""
    rows = np.hstack([np.ones((len(block.weight), intercept)), dense(block.X), *beside])
    if not np.all(block.weight == 1.0):
        rows *= np.sqrt(block.weight)[:, None]
    return rows


def reduced(parts: Iterator[FloatArray]) -> FloatArray:
    """R of all parts, one above the other."""
    first = next(parts)
    if first.shape[1] >= WIDE:
        return in_place(chain([first], parts), first.shape[1])
    return reduce(lambda R, part: triangle(np.vstack([R, triangle(part)])), parts, triangle(first))


def in_place(parts: Iterator[FloatArray], n: int) -> FloatArray:
    """The same of n columns, about in the memory of one triangle (LAPACK's tpqrt)."""
    waiting, rows, R = [], 0, np.empty((0, n))
    for part in parts:
        waiting.append(part)
        rows += len(part)
        if rows >= SHARE * n:
            R = R if len(R) else np.zeros((n, n), order="F")
            for each in filter(len, waiting):
                R, *_ = tpqrt(0, PANEL, R, np.asfortranarray(each), overwrite_a=True, overwrite_b=True)
            waiting.clear()
    return R if len(R) else triangle(np.vstack(waiting))


def triangle(A: FloatArray) -> FloatArray:
    """R of A = QR."""
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows is not taken
        R = of_squares(A.T @ A) if len(A) >= TALL * A.shape[1] else None
    return np.asarray(np.linalg.qr(A, mode="r")) if R is None else R


def of_squares(G: FloatArray, apart: float = APART) -> FloatArray | None:
    """R with R'R = G, which is used up; None where the columns that were squared are too near to dependent, or squares
    are no numbers."""
    length = np.sqrt(np.diagonal(G))
    if not (len(G) and length.min() > SHORT and length.max() < np.inf):
        return None
    G /= length
    G /= length[:, None]
    R, failed = potrf(G, clean=True)
    if failed or R[-1, -1] ** 2 < LEFT or (len(R) > 1 and pocon(R[:-1, :-1], 1.0)[0] < apart):
        return None
    return R * length
