"""Gram matrices of many columns, of which threads share the squares: a sum of each would take as much as all."""

import operator
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import TypeGuard

import numpy as np
from numpy.typing import DTypeLike

from separatrix.arrays import FloatArray
from separatrix.compressed import dense
from separatrix.data.block import Block, Source
from separatrix.data.memory import MemorySource
from separatrix.data.threads import for_each, in_order
from separatrix.engine.matrices.packed import Half
from separatrix.engine.sums import Sums, sums_and_state
from separatrix.equations.hyperplane import pieces, scaled_copies
from separatrix.equations.losses import Loss

SQUARE, SMALL_SQUARE = 256, 128  # rows and columns, the small one of a matrix of FEW
FEW = 1_024
MANY = 400  # rows of a matrix whose squares threads share in any case,
APART = 12  # or if so many are more than may be kept beside X: twice what two threads take that do not share
WORK = 2**26  # multiplications, of which two threads do a part each though a pass over so few rows is the work of one
PANEL, FEWEST_ROWS = 2**19, 256  # cells of scaled rows that are multiplied at a time, but at least so many rows,
ADDED = 3 * 2**18  # cells that are squared at a time, and added
PARTS = 4  # which threads scale in so many parts


def squares_of(n: int, cut: int = 0, side: int = SQUARE) -> list[tuple[slice, slice]]:
    """Of a symmetric matrix (n, n) the squares that are not above its diagonal, none across the `cut`.

    >>> squares_of(257)[1]
    (slice(256, 257, None), slice(0, 256, None))
    """
    halves = [range(0, cut, side), range(cut, n, side)]
    stretches = [slice(first, min(first + side, half.stop)) for half in halves for first in half]
    return [(some, others) for i, some in enumerate(stretches) for others in stretches[: i + 1]]


def shares_squares(source: Source, P: int, K: int) -> TypeGuard[MemorySource]:
    """Whether threads share the squares of a matrix (P K, P K): where it is large, of dense rows in memory. A whole one
    is multiplied faster, but one for each thread may take too much beside X."""
    if not isinstance(source, MemorySource) or source.is_sparse:
        return False
    return MANY < P * K or source.room * source.n_rows < APART * 8 * (P * K) ** 2


def in_parts(source: Source, size: int) -> Source:
    """The rows, for a matrix (size, size): few dense ones in a part for each of two threads, if that is worth it."""
    if not isinstance(source, MemorySource) or source.is_sparse or not source.is_small:
        return source
    return replace(source, parts=2) if size <= MANY and source.n_rows * size**2 > WORK else source


def shared_sums(source: MemorySource, loss: Loss, theta: FloatArray, dtype: DTypeLike) -> Sums:
    """As `block_sums` of order 2, summed over all blocks."""

    def halved(block: Block) -> tuple[Sums, FloatArray]:
        sums, state = sums_and_state(block, loss, theta)
        return sums, loss.pair_roots(block.weight, state)

    sums, pairs = sums_and_pairs(source, halved, len(theta) - source.n_columns, dtype)
    return Sums(sums.weight, sums.value, sums.gradient, loss.of_pairs(pairs, theta.shape[1]))


def sums_and_pairs(
    source: MemorySource, first: Callable[[Block], tuple[Sums, FloatArray]], ones: int, dtype: DTypeLike
) -> tuple[Sums, FloatArray]:
    """Of what `first` makes of a dense block beside its roots r (rows, K) the sum, and of the roots the products
    [X 1]' diag(r_k r_m) [X 1] of all pairs, (P, K, P, K), made in the precision of dtype; in one pass.

    Panel by panel: threads share its rows to scale them, then the squares to which they are multiplied.
    """
    sums, none = first(next(source.blocks(slice(0, 0))))  # of no rows, to which the others are added
    K, P = none.shape[1], source.n_columns + ones
    total, squares = np.zeros((K * P, K * P)), squares_of(K * P, side=SQUARE if K * P > FEW else SMALL_SQUARE)
    panel = np.empty((min(max(FEWEST_ROWS, PANEL // (K * P)), source.n_rows), K, P), dtype)

    def scale(rows: slice, start: int) -> Sums | None:
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
            sums = sums if part is None else operator.iadd(sums, part)
        for_each(source.pool, partial(multiply, rows=rows), squares)
    if dtype != np.float64 and not np.isfinite(total.diagonal()).all():  # beyond 1e19 a square is no single number
        return sums_and_pairs(source, first, ones, np.float64)
    for some, others in squares:
        total[others, some] = total[some, others].T
    interleave(total, K)
    return sums, total.reshape(P, K, P, K)


def interleave(A: FloatArray, K: int) -> None:
    """Row and column k P + j of A (K P, K P) become j K + k, in place: of several classes a copy is large.

    >>> A = np.add.outer(10 * np.arange(4), np.arange(4)); interleave(A, 2); A[1]
    array([20, 22, 21, 23])
    """
    n, held = len(A), np.empty_like(A[0])
    source = np.arange(n).reshape(K, -1).T.ravel()
    for row in A if K > 1 else ():
        row[:] = row[source]
    for first in range(n):
        if source[first] == first:
            continue
        held[:], here = A[first], first
        while (there := source[here]) != first:  # round a cycle of rows
            A[here], source[here], here = A[there], here, there
        A[here], source[here] = held, here


def shared_gram(source: MemorySource, ones: int, weight: Callable[[Block], FloatArray], dtype: DTypeLike) -> Half:
    """[X, 1]' diag(weight) [X, 1] of many columns, dense."""
    gram = sum_of_squares(scaled_rows(source, ones, weight, dtype), source.n_columns + ones, dtype, source.pool)
    finite = np.isfinite(gram.diagonal).all() or dtype == np.float64
    return gram if finite else shared_gram(source, ones, weight, np.float64)


def scaled_rows(
    source: MemorySource,
    ones: int,
    weight: Callable[[Block], FloatArray],
    dtype: DTypeLike,
    mean: FloatArray | float = 0.0,
    first: int = 0,
) -> Iterator[FloatArray]:
    """diag(weight)^1/2 [X - mean, 1] from a column on, some rows at a time; the mean (p,) is taken off in double."""
    p, n = source.n_columns, source.n_columns + ones - first
    mean = np.broadcast_to(mean, p)

    def half(X: FloatArray, h: FloatArray) -> FloatArray:
        half = np.empty((len(h), n), dtype)
        with np.errstate(over="ignore", invalid="ignore"):
            np.subtract(X[:, first:], mean[first:], out=half[:, : p - first], casting="same_kind")
            half[:, p - first :] = 1.0
            half *= np.sqrt(h)[:, None].astype(dtype)
        return half

    for block in source.blocks(slice(0, source.n_rows)):
        h = weight(block)
        for rows in pieces(len(h), n, least=max(SQUARE // 2, min(2 * SQUARE, source.n_rows // 16, ADDED // n))):
            yield half(block.X[rows], h[rows])


def scaled_columns(
    source: MemorySource, dtype: DTypeLike, mean: FloatArray, strength: FloatArray, level: float, first: int = 0
) -> Iterator[FloatArray]:
    """diag(strength)^-1/2 (X - mean)' from a row on, some columns at a time, and one of numbers whose square is the
    level."""
    n, root = source.n_rows - first, np.sqrt(strength)[:, None]
    X = source.by_columns if source.is_sparse else source.X

    def half(some: slice) -> FloatArray:
        half = np.empty((len(mean[some]), n), dtype)
        with np.errstate(over="ignore", invalid="ignore"):
            np.subtract(dense(X[first:, some]).T, (source.centre + mean)[some, None], out=half, casting="same_kind")
            half /= root[some]
        return half

    with np.errstate(over="ignore"):
        yield np.full((1, n), level**0.5, dtype)
    yield from map(half, pieces(source.n_columns, n, least=SQUARE // 2))


def sum_of_squares(halves: Iterator[FloatArray], n: int, dtype: DTypeLike, pool: ThreadPoolExecutor | None) -> Half:
    """The sum of half' half, half (rows, n); infinite where the type has no such numbers."""
    gram = Half.zeros(n, dtype)
    for half in halves:
        add_square_sums(gram, half, pool)
        del half  # before the next is made
    return gram


def add_square_sums(gram: Half, half: FloatArray, pool: ThreadPoolExecutor | None) -> None:
    """Adds half' half, half (rows, n)."""
    triangle = np.tri(SQUARE, dtype=bool)

    def add(square: tuple[slice, slice]) -> None:
        part = gram.part(*square)
        own = triangle[: len(part), : len(part)] if square[0] == square[1] else True
        with np.errstate(over="ignore", invalid="ignore"):  # beyond 1e19 a square is no single number
            np.add(part, half[:, square[0]].T @ half[:, square[1]], out=part, where=own)

    for_each(pool, add, squares_of(gram.n, gram.first))
