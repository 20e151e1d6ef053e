"""The first reading of a dataset: its columns, its classes and their weights, and some of its rows."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import reduce
from operator import add
from typing import Any

import narwhals as nw
import numpy as np
import pyarrow as pa

from separatrix.arrays import BoolArray, FloatArray, IntArray
from separatrix.cached import cached_property
from separatrix.data.reading.dataset import Dataset
from separatrix.data.reading.orders import Orders, common, orders_of
from separatrix.data.streams.distinct_rows import Counted, Counts, may_repeat
from separatrix.data.streams.encode_ahead import Ahead, ahead_of
from separatrix.data.streams.reservoir import Reservoir, Strata
from separatrix.data.streams.seen import Batch, Look, Seen
from separatrix.data.streams.spill import Spill
from separatrix.data.tables.cell_kinds import turns
from separatrix.data.tables.cells import Numbered, Table, cells_of, each_of
from separatrix.data.tables.columns import Columns, told_of
from separatrix.data.tables.encoding import Encoding
from separatrix.data.tables.numerals import pc
from separatrix.data.tables.tally import UNSETTLED, Tally
from separatrix.data.tables.target import Target, target_of
from separatrix.data.threads import in_order, workers
from separatrix.errors import ArgumentError, ColumnError, DataError, no_such

SAMPLE_BYTES = 2**25  # of Arrow, for the rows that are kept
AddUp = Callable[[Callable[[Dataset], Any], Callable[[Any, Any], Any]], Any]
"""What a function says of all rows of a dataset: its values of the parts, combined in their order."""

POSITION = "position among the rows kept"  # a column of that name is ours
ROWS, CELLS = 2**17, 2**21  # of a batch at most: a tally of one costs something whatever its rows


@dataclass(frozen=True)
class Learned:
    """What the first reading found.

    `rows` have a target and a weight above 0, `weight` is that of each class (K,), or of all rows (1,) of a regression,
    and `class_rows` how many they are; `unlabelled` rows have no target, or a gap where none may be. `kept` are some of
    those that count, or `all_of_them`: more of a rare label, their `strata`, and an even sample where `even` (rows,)
    says so. `counts` has the distinct rows of all columns, where they are few. `ahead` has all rows encoded, where that
    could be done ahead. `turns` say of columns where their cells turn from one kind to another.
    """

    encoding: Encoding
    rows: int
    weight: FloatArray
    class_rows: IntArray
    unlabelled: int
    weightless: int
    kept: Table
    strata: Strata
    even: BoolArray
    counts: Counts
    ahead: Spill | None
    turns: Mapping[str, str]

    @property
    def all_of_them(self) -> bool:
        """Whether all rows that count were kept."""
        return len(self.kept) == self.rows

    @cached_property
    def some(self) -> Table:
        """The even sample."""
        return _filtered(self.kept, self.even)


@dataclass(frozen=True)
class Reading:
    """What rows say when they are read first, and these rows, if they were encoded `ahead`; readings of parts add up,
    in the order of the rows."""

    seen: Seen
    sample: Reservoir
    orders: Orders
    incomplete: int
    ahead: Ahead | None = None

    def __add__(self, other: "Reading") -> "Reading":
        orders, incomplete = common(self.orders, other.orders), self.incomplete + other.incomplete
        return Reading(self.seen + other.seen, self.sample + other.sample, orders, incomplete)


@dataclass(frozen=True)
class Question:
    """What a first reading is to find out. `weight` and `offset` name columns that are then none of X; for `positive`
    and `regression` see `target_of`, for `options` `Columns.from_tally`. Of these `columns`, or of all; where they must
    be `complete`, of rows without a gap alone; and how to `encode` them, if not by `Encoding`."""

    target: str
    weight: str | None = None
    offset: tuple[str, ...] = ()
    positive: str | None = None
    regression: bool = False
    options: dict[str, Any] = field(default_factory=dict)
    columns: tuple[str, ...] | None = None
    complete: bool = False
    encode: Callable[[Target, Tally, Orders, Table, AddUp], Any] | None = None

    def check(self, dataset: Dataset) -> None:
        """ArgumentError where a column is named to be two things, ColumnError where the dataset has no such column."""
        own = [self.target, *filter(None, [self.weight]), *self.offset]
        if len(set(own)) < len(own):
            raise ArgumentError(f"target, weight and offset are {', '.join(map(repr, own))}: name different columns.")
        for name in own:
            if name not in dataset.columns:
                raise ColumnError(no_such("column", name, dataset.columns, f"in {dataset.name}"))

    def read(
        self, dataset: Dataset, n_threads: int = 1, number: int = 0, share: int = 1, spills: bool = False
    ) -> Reading:
        """What the dataset says, in one reading of bounded memory. Of parts of one dataset each has a number, and a
        `share` of the memory for a sample. It `spills` the rows, if told to, where they can be encoded ahead."""
        sample, incomplete = Reservoir(SAMPLE_BYTES // share, {}), 0
        random = np.random.default_rng([number])
        counts: bool | None = None
        orders: Orders | None = None
        settled, ahead = UNSETTLED, None
        apart = () if self.encode else (self.weight, *self.offset)  # in a formula they may be features too
        look = Look(dataset.where, self.target, self.weight, self.offset, apart, self.regression)

        def watched() -> Iterator[Batch]:
            nonlocal sample, incomplete, counts, orders
            before = 0
            tables = dataset.numbered(batch_rows(dataset), self.columns, coded=True)
            for place, (table, first_row) in enumerate(tables):
                own = orders_of(table.to_native())
                orders = own if orders is None else common(orders, own)
                whole, numbers = complete_rows(table, first_row) if self.complete else (table, first_row)
                sample = sample.joined(whole.to_native(), self._labels(whole), random)
                incomplete += len(table) - len(whole)
                counts = may_repeat(whole.to_native()) if counts is None else counts
                yield Batch(whole, place, numbers, before, counts, settled)
                before += len(whole)

        def looked(batch: Batch) -> Seen | Counted:
            found = look.at_batch(batch)
            if ahead is not None:
                ahead.keep(batch, found)
            return found

        def found(pool: ThreadPoolExecutor | None) -> Iterator[Seen | Counted]:
            nonlocal ahead
            batches = watched()
            first = next(batches)
            start = look.at_batch(first)
            yield start
            if spills and isinstance(start, Seen) and (ahead := self._ahead(start, dataset)):
                ahead.keep(first, start)
            yield from in_order(pool, looked, batches, ahead=2 * n_threads)

        def seen(pool: ThreadPoolExecutor | None) -> Iterator[Seen]:
            nonlocal counts, settled
            for part in look.at_all(found(pool)):
                counts = False  # once it does not pay, it is not tried again
                settled = part.tally.settled
                yield part

        with workers(n_threads) as pool:
            return Reading(reduce(add, seen(pool)), sample, orders or {}, incomplete, ahead)

    def learned(self, reading: Reading, name: str, add_up: AddUp) -> "Learned":
        """What that amounts to for a dataset of this name, of which more can be `add_up`, if its encoding asks."""
        seen, sample = reading.seen, reading.sample
        found = self._target(seen.tally, name)
        if self.encode is not None:
            found = found.in_order(reading.orders.get(self.target))
        weight = seen.weights(found)  # before the columns, of which rows that all weigh nothing teach nothing
        if self.encode is None:
            encoding = self._encoding(found, seen.tally, name)
        else:
            encoding = self.encode(found, seen.tally, reading.orders, _filtered(sample.rows(), sample.even()), add_up)
        rows: pa.Table = sample.rows().select(encoding.needs).to_native()
        numbered = rows.append_column(POSITION, pa.array(np.arange(len(rows))))
        kept, _ = encoding.that_count(nw.from_native(numbered, eager_only=True))
        some = kept[POSITION].to_numpy()
        return Learned(
            encoding,
            seen.rows,
            weight,
            seen.class_rows(found),
            seen.unlabelled + reading.incomplete,
            seen.weightless,
            kept.drop(POSITION),
            sample.strata().take(some),
            sample.even()[some],
            seen.counts,
            reading.ahead and reading.ahead.rows(encoding),
            turns(seen.tally, {self.target, *told_of(self.options)}),
        )

    def _target(self, tally: Tally, name: str) -> Target:
        column = tally.columns[self.target]
        return target_of(column, positive=self.positive, regression=self.regression, where=name)

    def _encoding(self, target: Target, tally: Tally, name: str) -> Encoding:
        columns = Columns.from_tally(tally, target=self.target, where=name, **self.options)
        return Encoding(columns, target, self.weight, self.offset, name)

    def _ahead(self, start: Seen, dataset: Dataset) -> Ahead | None:
        """A start by what the first batch teaches, if it teaches anything."""
        if self.encode is not None:
            return None
        try:
            target = self._target(start.tally, dataset.name)
            return ahead_of(self._encoding(target, start.tally, dataset.name), dataset)
        except DataError:  # what all rows teach may be more
            return None

    def _labels(self, table: Table) -> pa.DictionaryArray | None:
        """The label of each row as text, or whether it is the positive one; None where rows have none."""
        cells = cells_of(table, self.target)
        if self.regression or cells.kind == "other":
            return None
        labels = cells.texts()
        if self.positive is not None:
            labels = pc.equal(pc.utf8_lower(labels), self.positive.lower())
        return pa.DictionaryArray.from_arrays(cells.coded.indices, labels)


def added_here(dataset: Dataset) -> AddUp:
    """What a function says of a dataset that this process reads."""
    return lambda of_dataset, combine: of_dataset(dataset)


def complete_rows(table: Table, first_row: Numbered) -> tuple[Table, Numbered]:
    """The rows of a table that have a value in every column, and their numbers."""
    gaps = [cells_of(table, name).missing for name in table.columns]
    complete = ~np.logical_or.reduce(gaps)
    return _filtered(table, complete), first_row if complete.all() else each_of(first_row, len(table))[complete]


def _filtered(table: Table, which: BoolArray) -> Table:
    """Some rows of a table of Arrow; the table itself, if all."""
    native: pa.Table = table.to_native()
    return table if which.all() else nw.from_native(native.filter(pa.array(which)), eager_only=True)


def batch_rows(dataset: Dataset) -> int:
    """Rows of a batch: fewer of a wide table, so that a batch is never large."""
    return max(1024, min(ROWS, CELLS // max(len(dataset.columns), 1)))
