"""Rows reduced to a triangle: R of A = QR, block after block (TSQR; Demmel et al. 2012), never squared."""

from collections.abc import Callable
from functools import reduce

import numpy as np

from separatrix.arrays import FloatArray
from separatrix.data.block import Block, Source

CELLS = 2**17  # that are reduced at a time


def triangle_of(source: Source, rows: Callable[[Block], FloatArray]) -> FloatArray:
    """R of the rows that are made of every block; one pass."""

    def stacked(a: FloatArray, b: FloatArray) -> FloatArray:
        return triangle(np.vstack([a, b]))

    return source.add_up(lambda block: reduce(stacked, (triangle(rows(each)) for each in block.pieces(CELLS))), stacked)


def triangle(A: FloatArray) -> FloatArray:
    """R of A = QR."""
    return np.asarray(np.linalg.qr(A, mode="r"))
