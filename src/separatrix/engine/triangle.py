"""Rows reduced to a triangle: R of A = QR, block after block (TSQR; Demmel et al. 2012), never squared."""

from collections.abc import Callable, Iterator
from functools import reduce
from itertools import chain

import numpy as np
from scipy.linalg import get_lapack_funcs

from separatrix.arrays import FloatArray
from separatrix.data.block import Block, Source
from separatrix.data.memory import MemorySource

ROUNDING = 50.0 * float(np.finfo(float).eps)  # what QR may leave of a column, relative to its length, where nothing is
CELLS = 2**17  # that are reduced at a time
WIDE = 256  # columns of a triangle that is larger than such rows, so that to reduce it again costs more than they do
SHARE = 0.25  # of the columns, as many rows as which are no longer kept, but reduced
PANEL = 32
(tpqrt,) = get_lapack_funcs(("tpqrt",), dtype=np.float64)


def triangle_of(source: Source, rows: Callable[[Block], FloatArray], classes: int = 1) -> FloatArray:
    """R of the rows that are made of every block, for each row so many, of so many times its columns; one pass."""

    def parts(blocks: Iterator[Block]) -> Iterator[FloatArray]:
        return (rows(each) for block in blocks for each in block.pieces(CELLS // classes**2))

    # A triangle of each thread would take too much.
    if source.n_columns * classes >= WIDE and isinstance(source, MemorySource):
        return reduced(parts(source.blocks(slice(0, source.n_rows))))
    return source.add_up(lambda block: reduced(parts(iter([block]))), lambda a, b: reduced(iter([a, b])))


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
    return np.asarray(np.linalg.qr(A, mode="r"))
