"""Rows that are in memory: arrays and sparse matrices, cut into blocks that stay in cache, shared by threads."""

import math
import operator
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from separatrix.arguments import check_sample_weight
from separatrix.arrays import FloatArray, IntArray, repeated
from separatrix.cached import cached_property
from separatrix.compressed import csr_rows
from separatrix.data.block import Block
from separatrix.data.column_traits import FAR, far_columns
from separatrix.data.lazy import Made, kept_beside
from separatrix.data.subsets import Chosen, chosen_of, picked, positions, rows_of
from separatrix.data.threads import in_order, thread_count, workers

T = TypeVar("T")
ALONE = 2**15  # cells, whose fit takes about as long as to make threads for it
NEAR, SMALL = 2.0, 2**17  # standard deviations from zero make a column far, of cells no more than these
# Of a dense block: many, so that threads seldom wait for Python's lock, which each operation asks for again; few enough
# that the second product of a pass finds the rows in cache, which others share. Half as many where there are several
# columns of eta, with which an operation takes longer. Wide rows have more, as adding up curvatures costs as much.
CELLS, ROWS = 2**20, 2**16
WIDE_CELLS, WIDE_ROWS = 2**21, 2**10
LITTLE_MORE = 1.125  # as many, rather than a small one at the end, whose operations would take as long
ETA = 8  # arrays of the size of eta, of which a loss makes a few, are small beside that of X
COPIED = 2**18  # cells, where a block is a copy
FEWEST, FEWEST_COPIED, MOST_COPIED = 64, 2, 3 * 2**18  # rows of a block; of a copy of more cells fewer, beside X
KEPT, FEW_KEPT, COPIED_PART = 0.2, 2**23, 0.1  # of a dense X: bytes kept of its rows, always so many; cells copied
SPARSE_ROWS = 2**15
CHUNKS = 16  # of blocks at most, each summed by one thread; their number depends on X alone, and so does the sum
AHEAD = 1  # sums for each thread that are made, or wait to be added: of a curvature each is a matrix
FEW_CELLS = 2**20  # are not worth a chunk of their own: threads that wait for each other cost more
FEW_ROWS = 16  # of doubles neither, for each column of eta: a gradient is as large as some rows
FEW_NON_ZEROS = 2**19  # of sparse rows, neither


@dataclass(frozen=True)
class MemorySource:
    """X (rows, p) dense of any layout and type of number, CSR, or CSC as one block; y (rows, ...); weight (rows,);
    offset (rows, K) or None.

    Weights that are all the same need be there once, as np.broadcast_to has them; others, and y, may be `Made`.
    Blocks leave room for `outputs` columns of eta. `distinct` rows are counted ones: each stands for all that are like
    it, by its weight. `kept` are the bytes that may be kept of each row, of sparse rows that were made of dense ones;
    `parts`, the least number of those into which threads divide a pass over dense rows.
    A dense X is never copied whole: each block is widened to double, and shifted by `centre`, as it is used. A sparse
    one is there less its `centre`.
    """

    X: Any
    y: Any
    weight: Any
    centre: FloatArray
    n_threads: int = 1
    pool: ThreadPoolExecutor | None = None
    offset: FloatArray | None = None
    distinct: bool = False
    outputs: int = 1
    kept: float = np.inf
    parts: int = 1

    @property
    def n_columns(self) -> int:
        return self.X.shape[1]

    @property
    def n_rows(self) -> int:
        return self.X.shape[0]

    def add_up(self, function: Callable[[Block], T], combine: Callable[[Any, Any], Any] = operator.iadd) -> T:
        """function of every block, combined in the order of the rows, whatever the number of threads. What the function
        returns is its caller's own: the first is added to in place.

        A pass that a function asks for within a pass is made by the thread that asks: the others may all be waiting.
        """

        made = any(isinstance(numbers, Made) for numbers in (self.y, self.weight))
        kept = not (self.copies or made) or self.X.size <= SMALL
        chunks = self.kept_blocks if kept else [self.blocks(rows) for rows in self._chunks]
        pool = self.pool if len(chunks) > 1 else None
        sums = in_order(pool, lambda blocks: summed(map(function, blocks), combine), chunks, AHEAD * self.n_threads)
        return summed(sums, combine)

    @cached_property
    def is_sparse(self) -> bool:
        """Whether X is stored without its zeros."""
        return sparse.issparse(self.X)

    @property
    def rows(self) -> Any:
        """X itself; a copy of it where it is looked up."""
        return self.X[:] if isinstance(self.X, Chosen) else self.X

    @contextmanager
    def working(self) -> Iterator["MemorySource"]:
        """This source with its threads; few cells are the work of one."""
        if self.pool or self.X.size <= ALONE:
            yield self
        else:
            with workers(self.n_threads) as pool:
                yield replace(self, pool=pool)

    @property
    def is_small(self) -> bool:
        """Whether a pass over it is the work of one thread."""
        return len(self._chunks) == 1

    @property
    def in_memory(self) -> bool:
        """Whether its rows are in this process: they are."""
        return True

    @property
    def room(self) -> float:
        """How many bytes may be kept of each row: beside many dense numbers some, or a part of what they take."""
        if self.is_sparse:
            return self.kept
        kept = np.inf if self.X.size <= FEW_CELLS else max(KEPT * self.X.itemsize * self.X.size, FEW_KEPT)
        return kept / max(self.n_rows, 1)

    @property
    def most_rows(self) -> int:
        """How many rows of a sample there is memory for: all are in memory already."""
        return self.n_rows

    def recoded(self, code: Callable[[NDArray], NDArray], eta: slice = slice(None)) -> "MemorySource":
        """The same rows with code(y) for y, and of the offset only these columns."""
        y = self.y.then(code) if isinstance(self.y, Made) else code(self.y)
        return replace(self, y=y, offset=None if self.offset is None else self.offset[:, eta])

    def reweighed(self, weigh: FloatArray) -> "MemorySource":
        """The same rows, y their class, with their weight times that of the class, (K,), or of all, (1,)."""
        return replace(self, weight=self.weight * (weigh[np.asarray(self.y)] if len(weigh) > 1 else weigh))

    def sample(self, chance: Callable[[Block], FloatArray], draw: float) -> "tuple[MemorySource, FloatArray]":
        """Rows with a chance each, (rows,) for a block, and the chances of those drawn; 0 <= draw < 1."""

        def kept(block: Block) -> list[tuple[IntArray, FloatArray]]:
            likely = chance(block)
            some = systematic(likely, draw)
            return [(some + block.rows.start, likely[some])]

        rows, chances = map(np.concatenate, zip(*self.add_up(kept), strict=True))
        return self.looked_up(rows), chances

    def thinned(self, rows: int, random: np.random.Generator) -> "tuple[MemorySource, FloatArray]":
        """About so many of the rows, one of each few that follow each other, whichever; and for how many each stands,
        (rows,)."""
        step = max(self.n_rows // max(rows, 1), 1)
        first = np.arange(0, self.n_rows, step)
        some = first + random.integers(step, size=len(first))
        some = some[some < self.n_rows]
        return self.looked_up(some), np.full(len(some), self.n_rows / len(some))

    def weighing(self, weight: FloatArray) -> "MemorySource":
        """The same rows with other weights."""
        return replace(self, weight=weight)

    def take(self, some: IntArray) -> "MemorySource":
        """Some of the rows, which are copied."""
        return self._with(rows_of(self.X, some), some, np.asarray(picked(self.y, some)), self.weight[some])

    def looked_up(self, some: IntArray) -> "MemorySource":
        """Some of the rows, which are copied if they are few, else found in X block by block."""
        if self.is_little(len(some) * self.n_columns):
            return self.take(some)
        own = self.weight
        weight = Made(lambda part: own[some[part]], len(some))
        return self._with(chosen_of(self.X).only(rows=some), some, picked(self.y, some), weight)

    def _with(self, X: Any, some: IntArray, y: Any, weight: Any) -> "MemorySource":
        weight = np.broadcast_to(self.weight[:1], len(some)) if self._weighs_alike else weight
        offset = None if self.offset is None else picked(self.offset, some)
        return replace(self, X=X, y=y, weight=weight, offset=offset)

    def columns(self, chosen: IntArray) -> "MemorySource":
        """The same rows with only these columns of X, which are copied if they are few."""
        if self.is_sparse:
            X = self.by_columns[:, chosen]
        else:
            X = chosen_of(self.X).only(columns=chosen)
            X = X[:] if self.is_little(len(chosen) * self.n_rows) else X
        return replace(self, X=X, centre=self.centre[chosen])

    @cached_property
    def by_columns(self) -> Any:
        """A sparse X column by column: of rows, each choice of columns would read every entry."""
        return self.X.tocsc()

    def is_little(self, cells: int) -> bool:
        """Whether so many cells may be copied."""
        part = 0.0 if self._moved else COPIED_PART  # what each block copies anyway need not be there twice
        return self.is_sparse or cells <= max(FEW_CELLS, part * self.X.size)

    @cached_property
    def kept_blocks(self) -> list[list[Block]]:
        """The blocks of each chunk, cut once where they share X's memory: cutting is not free."""
        return [list(self.blocks(rows)) for rows in self._chunks]

    @cached_property
    def _chunks(self) -> list[slice]:
        if self.is_sparse:  # a chunk of rows must outweigh its gradient, which is dense
            each = max(4 * self.n_columns, FEW_NON_ZEROS)
            many = 1 if self.X.format == "csc" else self.X.nnz // each
        else:
            few = FEW_ROWS * self.outputs * 8 // self.X.itemsize
            pairs = min(round(self.n_rows * self._cells / (2 * FEW_CELLS)), self.n_rows // few // 2)
            many = max(2 * pairs, self.parts)  # three would not be shared well by two threads
        many = min(max(many, 1), CHUNKS)
        return [slice(a, b) for a, b in pairwise(self.n_rows * i // many for i in range(many + 1))]

    @property
    def _cells(self) -> int:
        """Of a dense row, and of what a loss makes of it."""
        return max(self.n_columns, ETA * self.outputs)

    def blocks(self, chunk: slice, before: int = 0) -> Iterator[Block]:
        """The rows of a chunk in order; at least one block, even of no rows. They count from `before` on."""
        if self.is_sparse:
            step = self.n_rows if self.X.format == "csc" else SPARSE_ROWS
        else:
            p, cells, most = max(self.n_columns, 1), self._cells, CELLS // min(self.outputs, 2)
            full = max(most // cells, min(WIDE_ROWS, WIDE_CELLS // cells))
            step = COPIED // cells if self.copies else evenly(chunk.stop - chunk.start, full)
            large = self.copies and FEWEST * p > MOST_COPIED
            step = max(FEWEST_COPIED if large else FEWEST, min(ROWS, step))
        for first in range(chunk.start, max(chunk.stop, chunk.start + 1), step):
            some = slice(first, min(first + step, chunk.stop))
            rows = slice(some.start + before, some.stop + before)
            yield Block(self._rows(some), self.y[some], self.weights(some), rows, some_rows(self.offset, some))

    def weights(self, some: slice) -> FloatArray:
        """Of some rows that follow each other; where all are equal, all blocks share theirs."""
        if not self._weighs_alike:
            return self.weight[some]
        rows = some.stop - some.start
        return self._equal[:rows] if rows <= len(self._equal) else np.full(rows, self.weight[0])

    @property
    def _weighs_alike(self) -> bool:
        """Whether all rows have one weight, which is there once."""
        return self.n_rows > 0 and self.weight.strides == (0,)

    @cached_property
    def _equal(self) -> FloatArray:
        return np.full(min(self.n_rows, ROWS), self.weight[0])

    @cached_property
    def copies(self) -> bool:
        """Whether a block is a copy: it is dense, and looked up, in single precision or shifted."""
        return isinstance(self.X, Chosen) or self._moved

    @cached_property
    def _moved(self) -> bool:
        """Whether rows are widened or shifted."""
        return not self.is_sparse and (self.X.dtype != np.float64 or self.shifted)

    @cached_property
    def shifted(self) -> bool:
        """Whether some column is shifted."""
        return bool(self.centre.any())

    def _rows(self, some: slice) -> Any:
        if self.is_sparse:
            return csr_rows(self.X, some)
        return in_double(self.X[some], self.centre if self.shifted else None)


def evenly(rows: int, step: int) -> int:
    """How many rows to cut at a time into blocks of about `step`, none of them far smaller than the others.

    >>> evenly(rows=1_010, step=500)
    505
    """
    return math.ceil(rows / math.ceil(rows / (LITTLE_MORE * step))) if rows else step


def in_double(X: NDArray, centre: FloatArray | None) -> FloatArray:
    """Dense rows in double, less their centre if there is one."""
    if X.dtype != np.float64:  # at once: a difference would be cast a few numbers at a time, four times as slowly
        X = X.astype(np.float64)
        return X if centre is None else np.subtract(X, centre, out=X)
    return X if centre is None else X - centre


def summed(parts: Iterator[T], combine: Callable[[Any, Any], Any]) -> T:
    """All of them combined; functools.reduce keeps the last while the next is made, and each may be large."""
    total = next(parts)
    for part in parts:
        total = combine(total, part)
        del part
    return total


def systematic(chance: FloatArray, draw: float) -> IntArray:
    """The positions of rows drawn with such chances, (rows,); 0 <= draw < 1.

    A row is taken where the sum of the chances so far passes draw plus a whole number (Madow 1949).
    """
    passed = np.cumsum(chance)
    passed += draw
    np.floor(passed, out=passed)
    later = np.flatnonzero(passed[1:] != passed[:-1]) + 1
    return np.concatenate([np.flatnonzero(passed[:1]), later])


def some_rows(offset: FloatArray | None, chosen: Any) -> FloatArray | None:
    """The offset of some rows, where there is one."""
    return None if offset is None else offset[chosen]


def memory_source(
    X: Any,
    y: Any,
    weight: Any = None,
    centre: bool = True,
    n_threads: int | None = None,
    offset: FloatArray | None = None,
    near: bool = False,
) -> MemorySource:
    """A source over arrays; `centre` shifts dense columns that lie far from zero (it needs an intercept to be undone),
    and of an X so small that it costs nothing, `near` those that lie but NEAR to it.

    A row of weight zero says nothing: such rows are left out. For n_threads see `thread_count`; offset is (rows, K).

    >>> source = memory_source(np.array([[1e9], [1e9 + 1]]), np.array([0.0, 1.0]))
    >>> source.centre
    array([1.e+09])
    """
    X = sparse.csr_array(X) if sparse.issparse(X) else np.asarray(X)
    row = np.inf if sparse.issparse(X) or X.size <= SMALL else X.itemsize * X.shape[1]
    weight = check_sample_weight(None, X.shape[0]) if weight is None else kept_beside(row, weight, np.float64)
    y = kept_beside(row, y)
    source = MemorySource(X, y, weight, repeated(0.0, X.shape[1]), thread_count(n_threads), offset=offset)
    if not weight.all():
        source = source.looked_up(positions(source.n_rows, lambda some: weight[some]))
    if not centre or source.is_sparse:
        return source
    away = far_columns(source.X, NEAR if near and source.X.size <= SMALL else FAR)
    return replace(source, centre=away) if away.any() else source
