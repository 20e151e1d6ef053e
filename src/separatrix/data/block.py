"""What every source of rows yields, and the one thing it can do: add up a function over its blocks."""

import operator
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from separatrix.arrays import FloatArray, IntArray
from separatrix.cached import cached_property
from separatrix.compressed import transposed

T = TypeVar("T")


@dataclass(frozen=True)
class Block:
    """Some rows: X (rows, p) dense float64 or sparse, y as the loss codes it, weight (rows,) >= 0; which rows of
    the source they are; and what is added to their eta, offset (rows, K), None where that is nothing."""

    X: Any
    y: NDArray
    weight: FloatArray
    rows: slice = field(default_factory=lambda: slice(None))
    offset: FloatArray | None = None

    @cached_property
    def transposed(self) -> Any:
        """X' (p, rows), a view; kept, as to make that of a sparse X takes as long as the product of a small one."""
        return transposed(self.X)

    @cached_property
    def total(self) -> float:
        """The weight of all rows."""
        return float(self.weight.sum())

    @property
    def codes(self) -> IntArray:
        """The class of each row from 0, (rows,), however the loss codes it."""
        return self.y.ravel().astype(np.intp)

    def pieces(self, cells: int) -> "Iterator[Block]":
        """The block as blocks of at most so many cells, or of a row: for what makes arrays of the size of X."""
        return self.split(max(1, cells // max(self.X.shape[1], 1)))

    def split(self, rows: int) -> "Iterator[Block]":
        """The block so many rows at a time, which stay the source's."""
        n, before = self.X.shape[0], self.rows.start or 0
        if n <= rows:
            yield self
            return
        for first in range(0, n, rows):
            some = slice(first, min(first + rows, n))
            yield replace(self.take(some), rows=slice(before + some.start, before + some.stop))

    def take(self, some: IntArray | slice) -> "Block":
        """Some of the rows, by their positions in the block. They remember no source."""
        offset = None if self.offset is None else self.offset[some]
        return Block(self.X[some], self.y[some], self.weight[some], offset=offset)


def response(rows: Any) -> FloatArray:
    """y - offset of a block or of a source in memory, (rows, targets): what the columns are to explain."""
    return rows.y if rows.offset is None else rows.y - rows.offset


class Source(Protocol):
    """Rows, wherever they are. `centre` (p,) was subtracted from every row of X (zero where it was not needed)."""

    @property
    def n_rows(self) -> int: ...
    @property
    def n_columns(self) -> int: ...
    @property
    def centre(self) -> FloatArray: ...
    @property
    def offset(self) -> FloatArray | None:
        """What is added to eta, of all rows or of those at hand, (.., K); None where nothing is."""
        ...

    @property
    def in_memory(self) -> bool:
        """Whether its rows are in this process."""
        ...

    @property
    def room(self) -> float:
        """How many bytes may be kept of each row in this process."""
        ...

    @property
    def most_rows(self) -> int:
        """How many rows of a sample there is memory for."""
        ...

    @property
    def n_threads(self) -> int:
        """How many threads of this process add up a pass."""
        ...

    @property
    def pool(self) -> ThreadPoolExecutor | None:
        """Those threads while the source is at work; None for one alone."""
        ...

    def working(self) -> "AbstractContextManager[Source]":
        """The source with whatever it works by, threads or connections, for as long as the context lasts."""
        ...

    def sample(self, chance: Callable[[Block], FloatArray], draw: float) -> "tuple[Rows, FloatArray]":
        """Rows with a chance each, (rows,) for a block, and the chances of those drawn; 0 <= draw < 1. One pass."""
        ...

    def thinned(self, rows: int, random: np.random.Generator) -> "tuple[Rows, FloatArray]":
        """About so many of the rows, without a pass over all; and for how many of all each stands, (rows,)."""
        ...

    def recoded(self, code: Callable[[NDArray], NDArray], eta: slice = slice(None)) -> "Source":
        """The same rows with code(y) for y, and of the offset only these columns."""
        ...

    def reweighed(self, weigh: FloatArray) -> "Source":
        """The same rows with their weight times that of their class, (K,), or of all, (1,), before any recoding."""
        ...

    def columns(self, chosen: IntArray) -> "Source":
        """The same rows with only these columns of X."""
        ...

    def add_up(self, function: Callable[[Block], T], combine: Callable[[Any, Any], Any] = operator.add) -> T:
        """function of every block, combined in the order of the rows; one reading of the data."""
        ...


class Rows(Source, Protocol):
    """Rows that are in memory, with their weights (rows,)."""

    @property
    def weight(self) -> FloatArray: ...

    def weighing(self, weight: FloatArray) -> "Rows":
        """The same rows with other weights."""
        ...
