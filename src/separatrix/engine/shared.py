"""A Gram matrix of many columns, half of it, of which threads share the squares: a sum of each would take as much as
all."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import DTypeLike

from separatrix.arrays import FloatArray
from separatrix.data.block import Block
from separatrix.data.memory import MemorySource
from separatrix.data.threads import in_order
from separatrix.engine.packed import Half
from separatrix.equations.hyperplane import pieces

SQUARE = 256  # rows and columns


def squares_of(n: int, cut: int = 0) -> list[tuple[slice, slice]]:
    """Of a symmetric matrix (n, n) the squares that are not above its diagonal, none across the `cut`.

    >>> squares_of(257)[1]
    (slice(256, 257, None), slice(0, 256, None))
    """
    halves = [range(0, cut, SQUARE), range(cut, n, SQUARE)]
    stretches = [slice(first, min(first + SQUARE, half.stop)) for half in halves for first in half]
    return [(some, others) for i, some in enumerate(stretches) for others in stretches[: i + 1]]


def shared_gram(
    source: MemorySource,
    ones: int,
    weight: Callable[[Block], FloatArray],
    dtype: DTypeLike,
    mean: FloatArray | float = 0.0,
) -> Half:
    """[X - mean, 1]' diag(weight) [X - mean, 1] of many columns, dense; the mean (p,) is taken off in double."""
    p, P = source.n_columns, source.n_columns + ones
    gram = Half.zeros(P, dtype)

    def add_rows(X: FloatArray, h: FloatArray) -> None:
        half = np.empty((len(h), P), dtype)
        with np.errstate(over="ignore", invalid="ignore"):
            np.subtract(X, mean, out=half[:, :p], casting="same_kind")
            half[:, p:] = 1.0
            half *= np.sqrt(h)[:, None].astype(dtype)
        add_square_sums(gram, half, source.pool)

    for block in source.blocks(slice(0, source.n_rows)):
        h = weight(block)
        for rows in pieces(len(h), P, least=max(SQUARE // 2, min(2 * SQUARE, source.n_rows // 16))):
            add_rows(block.X[rows], h[rows])
    finite = np.isfinite(gram.diagonal).all() or dtype == np.float64
    return gram if finite else shared_gram(source, ones, weight, np.float64, mean)


def gram_of_rows(source: MemorySource, mean: FloatArray, strength: FloatArray, level: float) -> Half:
    """(X - mean) diag(1 / strength) (X - mean)' + level of many rows, dense, in single precision: infinite where that
    has no such numbers."""
    (n, p), gram, root = source.X.shape, Half.zeros(source.n_rows, np.float32), np.sqrt(strength)[:, None]
    with np.errstate(over="ignore"):
        gram.numbers[:] = np.float32(level)
    for some in pieces(p, n, least=SQUARE // 2):
        half = np.empty((len(mean[some]), n), np.float32)
        with np.errstate(over="ignore", invalid="ignore"):
            np.subtract(source.X[:, some].T, (source.centre + mean)[some, None], out=half, casting="same_kind")
            half /= root[some]
        add_square_sums(gram, half, source.pool)
        del half  # before the next is made
    return gram


def add_square_sums(gram: Half, half: FloatArray, pool: ThreadPoolExecutor | None) -> None:
    """Adds half' half, half (rows, n)."""
    triangle, squares = np.tri(SQUARE, dtype=bool), squares_of(gram.n, gram.first)

    def add(square: tuple[slice, slice]) -> None:
        part = gram.part(*square)
        own = triangle[: len(part), : len(part)] if square[0] == square[1] else True
        with np.errstate(over="ignore", invalid="ignore"):  # beyond 1e19 a square is no single number
            np.add(part, half[:, square[0]].T @ half[:, square[1]], out=part, where=own)

    for _ in in_order(pool, add, squares, ahead=len(squares)):
        pass
