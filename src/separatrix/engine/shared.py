"""Gram matrices of many columns, of which threads share the squares: a sum of each would take as much as all."""

import operator
from collections.abc import Callable
from functools import partial
from typing import TypeGuard, TypeVar, cast

import numpy as np
from numpy.typing import DTypeLike

from separatrix.arrays import FloatArray
from separatrix.data.block import Block, Source
from separatrix.data.memory import MemorySource
from separatrix.data.threads import in_order
from separatrix.equations.hyperplane import pieces, scaled_copies

T = TypeVar("T")
SQUARE, SMALL_SQUARE = 256, 128  # rows and columns, the small one of a matrix of FEW
FEW = 1_024
MANY = 400  # rows of a matrix whose squares threads share
PANEL, FEWEST_ROWS = 2**20, 512  # cells of scaled rows that are multiplied at a time, but at least so many rows,
PARTS = 4  # which threads scale in so many parts


def squares_of(n: int) -> list[tuple[slice, slice]]:
    """Of a symmetric matrix (n, n) the squares that are not above its diagonal.

    >>> squares_of(129)[1]
    (slice(128, 256, None), slice(0, 128, None))
    """
    side = SQUARE if n > FEW else SMALL_SQUARE
    stretches = [slice(first, first + side) for first in range(0, n, side)]
    return [(some, others) for i, some in enumerate(stretches) for others in stretches[: i + 1]]


def shares_squares(source: Source, n: int) -> TypeGuard[MemorySource]:
    """Whether threads share the squares of a matrix (n, n): where it is large, of dense rows in memory."""
    return n > MANY and isinstance(source, MemorySource) and not source.is_sparse


def sums_and_pairs(
    source: MemorySource, first: Callable[[Block], tuple[T, FloatArray]], ones: int, dtype: DTypeLike
) -> tuple[T, FloatArray]:
    """Of what `first` makes of a dense block beside its roots r (rows, K) the sum, and of the roots the products
    [X 1]' diag(r_k r_m) [X 1] of all pairs, (P, K, P, K), made in the precision of dtype; in one pass.

    Panel by panel: threads share its rows to scale them, then the squares to which they are multiplied.
    """
    sums, none = first(next(source.blocks(slice(0, 0))))  # of no rows, to which the others are added
    K, P = none.shape[1], source.n_columns + ones
    total, squares = np.zeros((K * P, K * P)), squares_of(K * P)
    panel = np.empty((min(max(FEWEST_ROWS, PANEL // (K * P)), source.n_rows), K, P), dtype)

    def scale(rows: slice, start: int) -> T | None:
        part = None
        for block in source.blocks(rows, before=-start) if rows.start < rows.stop else ():
            one, roots = first(block)
            scaled_copies(block.X, roots, panel[block.rows])
            part = one if part is None else operator.iadd(part, one)
        return part

    def multiply(square: tuple[slice, slice], rows: int) -> None:
        some, others = (panel[:rows].reshape(rows, -1)[:, each] for each in square)
        with np.errstate(over="ignore", invalid="ignore"):
            total[square] += some.T @ (some if square[0] == square[1] else others)

    for start in range(0, source.n_rows, max(len(panel), 1)):
        rows = min(len(panel), source.n_rows - start)
        parts = [slice(start + rows * i // PARTS, start + rows * (i + 1) // PARTS) for i in range(PARTS)]
        for part in in_order(source.pool, partial(scale, start=start), parts, ahead=PARTS):
            sums = sums if part is None else operator.iadd(cast(T, sums), part)
        for _ in in_order(source.pool, partial(multiply, rows=rows), squares, ahead=len(squares)):
            pass
    if dtype != np.float64 and not np.isfinite(total.diagonal()).all():  # beyond 1e19 a square is no single number
        return sums_and_pairs(source, first, ones, np.float64)
    for some, others in squares:
        total[others, some] = total[some, others].T
    return sums, total.reshape(K, P, K, P).transpose(1, 0, 3, 2)


def shared_gram(source: MemorySource, ones: int, weight: Callable[[Block], FloatArray], dtype: DTypeLike) -> FloatArray:
    """[X 1]' diag(weight) [X 1] of many columns, dense."""
    p, P = source.n_columns, source.n_columns + ones
    gram, squares = np.zeros((P, P), dtype), squares_of(P)
    for block in source.blocks(slice(0, source.n_rows)):
        h = np.sqrt(weight(block))[:, None].astype(dtype)
        for rows in pieces(len(h), P, least=2 * SQUARE):
            half = np.empty((len(h[rows]), P), dtype)
            np.multiply(block.X[rows], h[rows], out=half[:, :p])
            half[:, p:] = h[rows]

            def add(square: tuple[slice, slice], half: FloatArray = half) -> None:
                gram[square] += half[:, square[0]].T @ half[:, square[1]]

            for _ in in_order(source.pool, add, squares, ahead=len(squares)):
                pass
    for some, others in squares:
        gram[others, some] = gram[some, others].T
    return gram if np.isfinite(gram).all() or dtype == np.float64 else shared_gram(source, ones, weight, np.float64)
