"""Rows that do not fit in memory: read, encoded and added up batch by batch, on threads.

The first pass over them spills the encoded rows to files, where there is room; the others read them from there.
"""

import operator
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from separatrix.arrays import FloatArray, IntArray
from separatrix.data.block import Block
from separatrix.data.column_traits import far_columns
from separatrix.data.memory import MemorySource, memory_source
from separatrix.data.reading.dataset import BATCH, Dataset
from separatrix.data.streams.collapse import Distinct, collapsed, recounted
from separatrix.data.streams.distinct_rows import Counts
from separatrix.data.streams.learn import Learned, batch_rows
from separatrix.data.streams.reservoir import Strata
from separatrix.data.streams.spill import Spill, arrays_of, block_of, spill
from separatrix.data.tables.cells import Numbered, Table
from separatrix.data.tables.encoding import Encoding
from separatrix.data.threads import in_order, thread_count, workers

T = TypeVar("T")
ROOM = 2**23  # cells of a sample: 64 MB in double; data that have no more are kept in memory whole
CHUNK = 2**20  # cells of what one thread encodes and adds up at a time


class Elsewhere:
    """What a source says of rows that are not in this process, by some that are: `at_hand`, of `strata` whose chances
    are known. `cells` are the numbers stored of a row."""

    at_hand: MemorySource
    strata: Strata
    cells: float

    @property
    def offset(self) -> FloatArray | None:
        return self.at_hand.offset

    @property
    def n_columns(self) -> int:
        return self.at_hand.n_columns

    @property
    def centre(self) -> FloatArray:
        return self.at_hand.centre

    room = 0.0  # for what is kept of each row
    n_threads: int = 1  # of this process; and their pool
    pool: ThreadPoolExecutor | None = None

    @property
    def in_memory(self) -> bool:
        """Whether its rows are in this process: they are elsewhere."""
        return False

    @property
    def most_rows(self) -> int:
        """How many rows of a sample there is memory for."""
        return int(ROOM / max(self.cells, 1.0))

    def thinned(self, rows: int, random: np.random.Generator) -> tuple[MemorySource, FloatArray]:
        """About so many of the rows that the first reading kept, as many of each class; and for how many each stands,
        (rows,)."""
        some, strata = self.strata.fewer(rows, random.random())
        return self.at_hand.take(some), 1.0 / strata.chance


@dataclass(frozen=True)
class StreamSource(Elsewhere):
    """The rows of a dataset that count, `n_rows`, encoded; their sums depend on no number of threads.

    `weigh` (K,) multiplies the weight of each class, (1,) of all rows; `code` makes y of what the encoding gives, `eta`
    chooses columns of the offset, and `chosen` columns of X. A thread encodes and adds up so many rows at a time: a
    `step`. `ahead` has all rows encoded, where the first reading could do that, and then outlives the context of
    `working`.
    """

    dataset: Dataset
    encoding: Encoding
    n_rows: int
    at_hand: MemorySource
    strata: Strata
    cells: float
    skips: bool = False
    n_threads: int = 1
    weigh: FloatArray | None = None
    code: Callable[[NDArray], NDArray] = lambda y: y
    eta: slice = field(default_factory=lambda: slice(None))
    chosen: IntArray | None = None
    pool: ThreadPoolExecutor | None = None
    kept: Spill | None = None
    step: int = BATCH
    ahead: Spill | None = None

    @property
    def size(self) -> float:
        """About how many bytes the encoded rows take."""
        return 8.0 * self.n_rows * (self.cells + 1 + bool(self.encoding.weight) + len(self.encoding.offset))

    @contextmanager
    def working(self) -> Iterator["StreamSource"]:
        """This source with its threads, and files for the encoded rows: all end with the context."""
        if self.kept is not None:
            yield self
        else:
            room = nullcontext(self.ahead) if self.ahead is not None else spill(self.size)
            with room as kept, workers(self.n_threads) as pool:
                yield replace(self, pool=pool, kept=kept, at_hand=replace(self.at_hand, pool=pool))

    def recoded(self, code: Callable[[NDArray], NDArray], eta: slice = slice(None)) -> "StreamSource":
        """The same rows with code(y) for y, and of the offset only these columns."""
        before = self.code
        return replace(self, code=lambda y: code(before(y)), eta=eta, at_hand=self.at_hand.recoded(code, eta))

    def reweighed(self, weigh: FloatArray) -> "StreamSource":
        """The same rows, y their class, with their weight times that of the class, (K,), or of all, (1,)."""
        return replace(self, weigh=weigh, at_hand=self.at_hand.reweighed(weigh))

    def columns(self, chosen: IntArray) -> "StreamSource | MemorySource":
        """The same rows with only these columns of X; read into memory if they have room there."""
        view = replace(
            self,
            chosen=chosen if self.chosen is None else self.chosen[chosen],
            at_hand=self.at_hand.columns(chosen),
            cells=self.cells * len(chosen) / max(self.n_columns, 1),
        )
        return view.sample(every, 0.0)[0] if view.n_rows <= view.most_rows else view

    def sample(self, chance: Callable[[Block], FloatArray], draw: float) -> tuple[MemorySource, FloatArray]:
        """Rows with a chance each, (rows,) for a block, in memory; and the chances of those drawn. One pass."""
        parts = self._of_chunks(lambda chunk, before: [chunk.sample(chance, draw)])
        rows, chances = zip(*reduce(operator.add, parts), strict=True)
        return replace(stacked(rows), n_threads=self.n_threads, pool=self.pool), np.concatenate(chances)

    def add_up(self, function: Callable[[Block], T], combine: Callable[[Any, Any], Any] = operator.add) -> T:
        """function of every block, combined in the order of the rows, whatever the number of threads."""

        def chunk_sum(chunk: MemorySource, before: int) -> T:
            return reduce(combine, map(function, chunk.blocks(slice(0, chunk.n_rows), before)))

        return reduce(combine, self._of_chunks(chunk_sum))

    def _of_chunks(self, work: Callable[[MemorySource, int], T]) -> Iterator[T]:
        """What `work` makes of each chunk and of the number of rows before it, in order: one pass."""
        kept = self.kept

        def of_table(item: tuple[int, Table, int, Numbered]) -> T:
            number, table, before, first_row = item
            chunk = self.encoding.block(table, before, first_row)
            if kept is not None:
                kept.write(number, arrays_of(chunk))
            return work(self._chunk(chunk), before)

        def of_record(number: int) -> T:
            assert kept is not None
            with kept.read(number) as arrays:
                chunk = block_of(arrays)
                return work(self._chunk(chunk), chunk.rows.start)

        if kept is not None and kept.complete:
            yield from in_order(self.pool, of_record, range(len(kept.records)), ahead=2 * self.n_threads)
            return
        chunks = 0
        for result in in_order(self.pool, of_table, self._tables(), ahead=2 * self.n_threads):
            yield result
            chunks += 1
        if kept is not None and kept.files:
            kept.complete = len(kept.records) == chunks

    def _tables(self) -> Iterator[tuple[int, Table, int, Numbered]]:
        """The number of each batch, its rows that count, how many came before, and the numbers of its rows."""
        before = 0
        for number, (table, first_row) in enumerate(self.dataset.numbered(self.step, self.encoding.needs)):
            counted = self.encoding.that_count(table, first_row) if self.skips else (table, first_row)
            yield number, counted[0], before, counted[1]
            before += len(counted[0])

    def _chunk(self, chunk: Block) -> MemorySource:
        """A chunk as this source would have it."""
        X = chunk.X
        if sparse.issparse(X) != sparse.issparse(self.at_hand.X):
            X = X.toarray() if sparse.issparse(X) else sparse.csr_array(X)
        X = X if self.chosen is None else X[:, self.chosen]
        source = MemorySource(X, chunk.y, chunk.weight, self.centre, offset=chunk.offset)
        source = source if self.weigh is None else source.reweighed(self.weigh)
        return source.recoded(self.code, self.eta)


def source_of(
    dataset: Dataset,
    learned: Learned,
    n_threads: int | None = None,
    centre: bool = True,
    count: Callable[[Encoding], Counts] | None = None,
) -> StreamSource | MemorySource:
    """The rows of a dataset as the engine reads them: in memory if they have room there, else as a stream. With a way
    to `count` rows that are alike, where that pays, the distinct ones in memory, with their number for a weight.
    `centre` as of `memory_source`."""
    encoding, threads = learned.encoding, thread_count(n_threads)

    def alike(distinct: Distinct) -> MemorySource:
        block = encoded(encoding, distinct.rows)
        source = memory_source(block.X, block.y, distinct.weight, centre, threads, block.offset)
        return replace(source, distinct=True)

    def small() -> bool:  # messages about few rows count them, so each is kept
        return learned.all_of_them and len(encoding.columns.feature_names) * learned.rows <= ROOM

    if count and not small() and (distinct := collapsed(learned)):
        return alike(distinct)
    some = encoded(encoding, learned.kept)
    cells = cells_of_row(some.X)
    if learned.all_of_them and cells * learned.rows <= ROOM:
        return memory_source(some.X, some.y, some.weight, centre, threads, some.offset)
    if count and (distinct := recounted(learned, count)):
        return alike(distinct)
    shift = far_columns(some.X[learned.even]) if centre and not sparse.issparse(some.X) else np.zeros(some.X.shape[1])
    few, strata = learned.strata.fewer(int(ROOM / max(cells, 1.0)), 0.5)
    some = some.take(few)
    at_hand = MemorySource(some.X, some.y, some.weight, shift, threads, offset=some.offset)
    skips = learned.unlabelled + learned.weightless > 0
    source = StreamSource(dataset, encoding, learned.rows, at_hand, strata, cells, skips, threads)
    if learned.ahead is not None:  # with or without room on the disk, the same sums in the same order
        return replace(source, step=batch_rows(dataset), ahead=learned.ahead)
    return replace(source, step=int(max(256, min(BATCH, CHUNK / max(cells, 1.0)))))


def spills(dataset: Dataset) -> bool:
    """Whether its rows have no room in memory, as far as one knows before they are read."""
    return dataset.cells > ROOM


def every(block: Block) -> FloatArray:
    """The chance 1 for each row of a block, (rows,)."""
    return np.ones(len(block.y))


def encoded(encoding: Encoding, table: Table) -> Block:
    """A table in memory as one block."""
    parts = [encoding.block(table[first : first + BATCH]) for first in range(0, len(table), BATCH)]
    whole = stacked([MemorySource(part.X, part.y, part.weight, np.zeros(0), offset=part.offset) for part in parts])
    return Block(whole.X, whole.y, whole.weight, offset=whole.offset)


def stacked(parts: Sequence[MemorySource]) -> MemorySource:
    """Sources of the same columns as one; sparse, if the first is."""
    first = parts[0]
    offset: Any = None if first.offset is None else np.concatenate([np.asarray(part.offset) for part in parts])
    y, weight = np.concatenate([part.y for part in parts]), np.concatenate([part.weight for part in parts])
    if sparse.issparse(first.X):
        X = sparse.vstack([sparse.csr_array(part.X) for part in parts], format="csr")
    else:
        X = np.concatenate([part.X.toarray() if sparse.issparse(part.X) else part.X for part in parts])
    return replace(first, X=X, y=y, weight=weight, offset=offset)


def cells_of_row(X: Any) -> float:
    """How many numbers are stored of a row, on average; the index of a sparse one counts for half."""
    return 1.5 * X.nnz / max(X.shape[0], 1) if sparse.issparse(X) else X.shape[1]
