"""Few rows of many columns: what passes make of them is longer than rows are many, so threads share the columns.

Each block of rows would have a gradient of its own, as long as all columns, and so would each thread; here every part
of a gradient is made once, where it stays. X is read twice for it, which is no slower where rows are that few, or
sparse and stored column by column.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from separatrix.arrays import FloatArray
from separatrix.cached import cached_property
from separatrix.compressed import csr_rows, transposed
from separatrix.data.block import Block, Source
from separatrix.data.memory import FEW_CELLS, FEW_NON_ZEROS, MemorySource, in_double
from separatrix.data.threads import for_each, in_order
from separatrix.equations.hyperplane import product, row_squares

FEW, FEW_COPIED = 2**10, 2**11  # bytes of a column, for each column of eta; and of what blocks would have to copy
CELLS, FEWEST = 2**18, 2**11  # that a thread takes at a time, but at least so many columns;
COPIED, FEWEST_COPIED = 2**17, 2**8  # and that it has to copy
SPARSE = 16  # parts of sparse columns: each has a plane of its own
AHEAD = 4  # parts that wait to be added


@dataclass(frozen=True)
class WideRows:
    """The rows of a source, less their centre and in double, some columns at a time: never a copy of all."""

    source: MemorySource

    @property
    def parts(self) -> list[slice]:
        """The columns that a thread takes at a time."""
        n, p = self.source.X.shape
        cells, least = (COPIED, FEWEST_COPIED) if self.source.copies else (CELLS, FEWEST)
        step = -(-p // SPARSE) if self.source.is_sparse else max(least, cells // max(n, 1))
        return [slice(first, min(first + step, p)) for first in range(0, p, step)]

    @cached_property
    def rows(self) -> Block:
        """All rows, without their columns."""
        source, all_ = self.source, slice(0, self.source.n_rows)
        return Block(None, source.y[all_], source.weights(all_), all_, source.offset)

    def part(self, some: slice, rows: slice = slice(None)) -> Any:
        """Some columns, of some rows; sparse ones of all."""
        source = self.source
        if source.is_sparse:
            return transposed(csr_rows(transposed(source.X), some))
        return in_double(source.X[:, some][rows], source.centre[some] if source.shifted else None)

    def plane(self, theta: FloatArray) -> FloatArray:
        """X w + b, (rows, K); theta may be w alone."""
        p = self.source.n_columns
        plane = self.add_up(lambda some: self.part(some) @ theta[:p][some], theta.shape[1])
        for b in theta[p:]:
            plane += b
        return np.asfortranarray(plane)

    def gram(self, v: FloatArray) -> FloatArray:
        """X X'v, (rows, K): of each part of the columns both products at once, while X'v is in cache."""
        v = np.ascontiguousarray(v)

        def of_columns(some: slice) -> FloatArray:
            X = self.part(some)
            return X @ product(transposed(X), v)

        return self.add_up(of_columns, v.shape[1])

    def squares(self) -> FloatArray:
        """|x|^2 of each row, (rows, 1)."""
        return self.add_up(lambda some: row_squares(self.part(some), np.ones((some.stop - some.start, 1))), 1)

    def add_up(self, of_columns: Callable[[slice], FloatArray], K: int) -> FloatArray:
        """The sum, (rows, K), of what a function makes of each part of the columns."""
        total = np.zeros((self.source.n_rows, K))
        for part in in_order(self.source.pool, of_columns, self.parts, ahead=AHEAD):
            total += part
        return total

    def pull(self, r: FloatArray, P: int) -> FloatArray:
        """[X 1]'r, (P, K): what theta's last row multiplies, if P > p, is a column of ones."""
        out, p = np.empty((P, r.shape[1])), self.source.n_columns
        r = np.ascontiguousarray(r)  # else each sparse part would copy it
        self.fill(out[:p], lambda X: product(transposed(X), r))
        out[p:] = r.sum(axis=0)
        return out

    def fill(self, out: FloatArray, function: Callable[[Any], FloatArray]) -> None:
        """Fills `out` (p, ...) with function(some columns of X)."""

        def of_columns(some: slice) -> None:
            out[some] = function(self.part(some))

        for_each(self.source.pool, of_columns, self.parts)


def wide_rows(source: Source) -> WideRows | None:
    """The rows of a source by their columns, where they are in memory, few and wide: dense, or stored so."""
    if not isinstance(source, MemorySource) or source.n_rows >= source.n_columns:
        return None
    if source.is_sparse:
        return WideRows(source) if source.X.format == "csc" and source.X.nnz > FEW_NON_ZEROS else None
    if not isinstance(source.X, np.ndarray):
        return None
    few = FEW_COPIED if source.copies else FEW * source.outputs
    return WideRows(source) if source.n_rows * source.X.itemsize <= few and source.X.size > FEW_CELLS else None
