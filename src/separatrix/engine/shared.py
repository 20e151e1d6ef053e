"""A Gram matrix of many columns, of which threads share the squares: a sum of each would take as much as all."""

from collections.abc import Callable

import numpy as np
from numpy.typing import DTypeLike

from separatrix.arrays import FloatArray
from separatrix.data.block import Block
from separatrix.data.memory import MemorySource
from separatrix.data.threads import in_order
from separatrix.equations.hyperplane import pieces

SQUARE = 256  # rows and columns


def squares_of(n: int) -> list[tuple[slice, slice]]:
    """Of a symmetric matrix (n, n) the squares that are not above its diagonal.

    >>> squares_of(257)[1]
    (slice(256, 512, None), slice(0, 256, None))
    """
    stretches = [slice(first, first + SQUARE) for first in range(0, n, SQUARE)]
    return [(some, others) for i, some in enumerate(stretches) for others in stretches[: i + 1]]


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
