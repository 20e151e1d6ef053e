"""Rows that are in memory: arrays and sparse matrices, cut into blocks that stay in cache."""

import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from separatrix.data.block import Block

T = TypeVar("T")
FAR = 100.0  # a dense column whose mean is this many standard deviations from zero is centred
CELLS = 2**17  # of a dense block: 1 MB in double, so a block is read from memory once a pass
SPARSE_ROWS = 2**15


@dataclass(frozen=True)
class MemorySource:
    """X (rows, p) dense of any layout and float type, or CSR; y (rows, ...); weight (rows,).

    X is never copied whole: each block is widened to double, and shifted by `centre`, as it is used.
    """

    X: Any
    y: NDArray
    weight: NDArray[np.floating]
    centre: NDArray[np.floating]

    @property
    def n_columns(self) -> int:
        return self.X.shape[1]

    def blocks(self) -> Iterator[Block]:
        """The rows in order; at least one block, even of no rows."""
        rows, columns = self.X.shape
        step = SPARSE_ROWS if sparse.issparse(self.X) else max(64, CELLS // max(columns, 1))
        for first in range(0, max(rows, 1), step):
            some = slice(first, first + step)
            yield Block(self._shifted(self.X[some]), self.y[some], self.weight[some])

    def add_up(self, function: Callable[[Block], T], combine: Callable[[Any, Any], Any] = operator.add) -> T:
        """function of every block, combined in the order of the rows."""
        return reduce(combine, map(function, self.blocks()))

    def _shifted(self, X: Any) -> Any:
        if sparse.issparse(X):
            return X
        return X - self.centre if self.centre.any() else np.asarray(X, dtype=np.float64)


def memory_source(X: Any, y: NDArray, weight: NDArray | None = None, centre: bool = True) -> MemorySource:
    """A source over arrays; `centre` shifts dense columns that lie far from zero (it needs an intercept to be undone).

    A row of weight zero says nothing: such rows are left out.

    >>> source = memory_source(np.array([[1e9], [1e9 + 1]]), np.array([0.0, 1.0]))
    >>> source.centre
    array([1.e+09])
    """
    X = X.tocsr() if sparse.issparse(X) else np.asarray(X)
    weight = np.ones(X.shape[0]) if weight is None else np.asarray(weight, dtype=np.float64)
    if not weight.all():
        kept = np.flatnonzero(weight)
        X, y, weight = X[kept], y[kept], weight[kept]
    source = MemorySource(X, y, weight, np.zeros(X.shape[1]))
    return replace(source, centre=far_columns(source)) if centre and not sparse.issparse(X) else source


def far_columns(source: MemorySource) -> NDArray[np.float64]:
    """The mean of each column that lies FAR standard deviations from zero, else 0; (p,).

    Moments are taken about the first row: about zero, the square of a timestamp would swamp its spread.
    """
    first = np.array(source.X[0], dtype=np.float64)

    def moments(block: Block) -> NDArray[np.float64]:
        centred = block.X - first
        return np.stack([block.weight @ centred, block.weight @ centred**2])

    total, squares = source.add_up(moments) / source.weight.sum()
    spread = np.sqrt(np.maximum(squares - total**2, 0.0))
    mean = first + total
    return np.where((np.abs(mean) > FAR * spread) & (spread > 0), mean, 0.0)
