"""The first reading of a dataset: its columns, its classes and their weights, and an even sample of its rows."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import reduce
from operator import add
from typing import Any

import narwhals as nw
import numpy as np
import pyarrow as pa
import pyarrow.compute as _compute

from separatrix.arrays import BoolArray, FloatArray
from separatrix.data.alike import Counts, may_repeat
from separatrix.data.beside import given
from separatrix.data.block import Block
from separatrix.data.cells import Table, cells_of
from separatrix.data.columns import Columns
from separatrix.data.dataset import Dataset
from separatrix.data.parts import decoded
from separatrix.data.seen import Look, Seen
from separatrix.data.tally import Tally
from separatrix.data.target import Target, target_of
from separatrix.data.threads import in_order, workers
from separatrix.errors import ArgumentError, ColumnError, no_such

pc: Any = _compute  # whose functions are made when it is imported: no type checker sees them
SAMPLE_BYTES = 2**25  # of Arrow, for the even sample of the rows
ROWS, CELLS = 2**17, 2**21  # of a batch at most: a tally of one costs something whatever its rows


@dataclass(frozen=True)
class Encoding:
    """How the rows of a table become numbers: X of its columns, y the codes of its classes or the numbers of its
    target, (rows,), and the weight and the offset (rows, K) from columns of their own, where they have names."""

    columns: Columns
    target: Target
    weight: str | None = None
    offset: tuple[str, ...] = ()
    where: str = "the data"

    @property
    def needs(self) -> list[str]:
        """The columns that must be read."""
        own = [self.target.name, *filter(None, [self.weight]), *self.offset]
        return list(dict.fromkeys([*self.columns.needs, *own]))

    def which_count(self, table: Table) -> BoolArray:
        """Which rows have a target, and a weight that is not 0, (rows,)."""
        fine = ~cells_of(table, self.target.name).missing
        return fine & (cells_of(table, self.weight).numbers() != 0) if self.weight else fine

    def that_count(self, table: Table) -> Table:
        """The rows that have a target, and a weight that is not 0."""
        fine = self.which_count(table)
        return table if fine.all() else table.filter(fine.tolist())

    def block(self, table: Table, before: int = 0, first_row: int = 1) -> Block:
        """The numbers of rows that count. `before` of them came before these, of which messages count from
        `first_row`."""
        X = self.columns.encode(table, self.where, first_row).X
        y = self.target.encode(table, self.where, first_row)
        weight, offset = given(table, self.weight, self.offset, self.where, first_row)
        return Block(X, y, weight, slice(before, before + len(table)), offset)


@dataclass(frozen=True)
class Learned:
    """What the first reading found.

    `rows` have a target and a weight above 0, `weight` is that of each class (K,), or of all rows (1,) of a regression;
    `unlabelled` rows have no target, or a gap where none may be. `some` rows are an even sample of those that count,
    all of them if `all_of_them`. `counts` has the distinct rows of all columns, where they are few.
    """

    encoding: Encoding
    rows: int
    weight: FloatArray
    unlabelled: int
    weightless: int
    some: Table
    all_of_them: bool
    counts: Counts


@dataclass(frozen=True)
class Reading:
    """What rows say when they are read first; readings of parts add up, in the order of the rows."""

    seen: Seen
    sample: "_Sample"
    incomplete: int

    def __add__(self, other: "Reading") -> "Reading":
        return Reading(self.seen + other.seen, self.sample + other.sample, self.incomplete + other.incomplete)


@dataclass(frozen=True)
class Question:
    """What a first reading is to find out: see `learn`. Of these `columns`, or of all; where they must be `complete`,
    of rows without a gap alone; and how to `encode` them, if not by `Encoding`."""

    target: str
    weight: str | None = None
    offset: tuple[str, ...] = ()
    positive: str | None = None
    regression: bool = False
    options: dict[str, Any] = field(default_factory=dict)
    columns: tuple[str, ...] | None = None
    complete: bool = False
    encode: Callable[[Target, Tally, Table], Any] | None = None

    def check(self, dataset: Dataset) -> None:
        """ArgumentError where a column is named to be two things, ColumnError where the dataset has no such column."""
        own = [self.target, *filter(None, [self.weight]), *self.offset]
        if len(set(own)) < len(own):
            raise ArgumentError(f"target, weight and offset are {', '.join(map(repr, own))}: name different columns.")
        for name in own:
            if name not in dataset.columns:
                raise ColumnError(no_such("column", name, dataset.columns, f"in {dataset.name}"))

    def read(self, dataset: Dataset, n_threads: int = 1, number: int = 0, share: int = 1) -> Reading:
        """What the dataset says, in one reading of bounded memory. Of parts of one dataset each has a number, and a
        `share` of the memory for a sample."""
        sample, incomplete = _Sample((), 1.0, SAMPLE_BYTES // share), 0
        random = np.random.default_rng([number])
        counts: bool | None = None
        look = Look(dataset.name, self.target, self.weight, self.offset, self.regression)

        def watched() -> Iterator[tuple[Table, int, bool]]:
            nonlocal sample, incomplete, counts
            for table, first_row in _numbered(dataset.batches(_batch_rows(dataset), self.columns, coded=True)):
                whole = complete_rows(table) if self.complete else table
                sample = sample.joined(whole.to_native(), random)
                incomplete += len(table) - len(whole)
                counts = may_repeat(whole.to_native()) if counts is None else counts
                yield whole, first_row, counts

        def seen(pool: ThreadPoolExecutor | None) -> Iterator[Seen]:
            nonlocal counts
            for part in look.at_all(in_order(pool, look.at_batch, watched(), ahead=2 * n_threads)):
                counts = False  # once it does not pay, it is not tried again
                yield part

        with workers(n_threads) as pool:
            return Reading(reduce(add, seen(pool)), sample, incomplete)

    def learned(self, reading: Reading, name: str) -> "Learned":
        """What that amounts to for a dataset of this name."""
        seen, sample = reading.seen, reading.sample
        found = target_of(
            seen.tally.columns[self.target], positive=self.positive, regression=self.regression, where=name
        )
        if self.encode is None:
            columns = Columns.from_tally(seen.tally, target=self.target, where=name, **self.options)
            encoding = Encoding(columns, found, self.weight, self.offset, name)
        else:
            encoding = self.encode(found, seen.tally, sample.rows())
        some = encoding.that_count(sample.rows().select(encoding.needs))
        all_of_them = sample.rate == 1.0
        unlabelled = seen.unlabelled + reading.incomplete
        weights = seen.weights(found)
        return Learned(encoding, seen.rows, weights, unlabelled, seen.weightless, some, all_of_them, seen.counts)


def learn(
    dataset: Dataset,
    target: str,
    *,
    weight: str | None = None,
    offset: Sequence[str] = (),
    positive: str | None = None,
    regression: bool = False,
    n_threads: int = 1,
    **options: Any,
) -> Learned:
    """Reads the dataset once, in bounded memory.

    Parameters
    ----------
    dataset : see `separatrix.open`
    target, weight, offset : names of columns; the last two are then no columns of X
    positive, regression : see `target_of`
    options : see `Columns.from_tally`

    Raises
    ------
    DataError
        There are no such columns, or they hold what cannot be learned from.
    """
    question = Question(target, weight, tuple(offset), positive, regression, options)
    question.check(dataset)
    return question.learned(question.read(dataset, n_threads), dataset.name)


def complete_rows(table: Table) -> Table:
    """The rows of a table that have a value in every column; NaN is none."""
    native: pa.Table = table.to_native()
    gaps = [pc.is_null(column, nan_is_null=True) for column in native.itercolumns()]
    return nw.from_native(native.filter(pc.invert(reduce(pc.or_, gaps))), eager_only=True)


@dataclass(frozen=True)
class _Sample:
    """An even sample of rows that pass by: each is kept with the same chance, which falls as they become too many.

    Every row draws a number; kept are those below `rate`.
    """

    kept: tuple[tuple[pa.Table, FloatArray], ...]
    rate: float
    most_bytes: int
    bytes: int = 0

    def joined(self, table: pa.Table, random: np.random.Generator) -> "_Sample":
        """With some of the rows of a table."""
        some = _below(self.rate, table, random.random(len(table)))
        return replace(self, kept=(*self.kept, some), bytes=self.bytes + some[0].nbytes)._few()

    def __add__(self, other: "_Sample") -> "_Sample":
        both = replace(self, kept=(*self.kept, *other.kept), most_bytes=max(SAMPLE_BYTES, self.most_bytes))
        return both._thin(min(self.rate, other.rate))._few()

    def _few(self) -> "_Sample":
        return self if self.bytes <= self.most_bytes else self._thin(self.rate / 2)._few()

    def _thin(self, rate: float) -> "_Sample":
        kept = tuple(_below(rate, *each) for each in self.kept)
        return replace(self, rate=rate, kept=kept, bytes=sum(each.nbytes for each, _ in kept))

    def rows(self) -> Table:
        tables = [table for table, _ in self.kept]
        return nw.from_native(pa.concat_tables(tables, promote_options="permissive"), eager_only=True)


def _below(rate: float, table: pa.Table, draws: FloatArray) -> tuple[pa.Table, FloatArray]:
    if rate == 1.0:
        return decoded(table), draws
    kept = draws < rate
    # Taken, not filtered: what is kept must not hold on to the memory of all.
    return _compact(decoded(table.take(pa.array(np.flatnonzero(kept))))), draws[kept]


def _compact(table: pa.Table) -> pa.Table:
    """The table without the levels of categories that are not in it, where they may be most of it."""
    for i, column in enumerate(table.itercolumns()):
        if pa.types.is_dictionary(column.type) and any(len(part.dictionary) > len(part) for part in column.chunks):
            held = column.cast(column.type.value_type).dictionary_encode().cast(column.type)
            table = table.set_column(i, table.schema.field(i), held)
    return table


def _numbered(tables: Iterator[Table]) -> Iterator[tuple[Table, int]]:
    first_row = 1
    for table in tables:
        yield table, first_row
        first_row += len(table)


def _batch_rows(dataset: Dataset) -> int:
    """Rows of a batch: fewer of a wide table, so that a batch is never large."""
    return max(1024, min(ROWS, CELLS // max(len(dataset.columns), 1)))
