"""What rows say when they are read first: row by row, or by those that are alike together, as they pay."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import narwhals as nw
import numpy as np
import pyarrow as pa

from separatrix.arrays import BoolArray, FloatArray, IntArray
from separatrix.cached import cached_property
from separatrix.data.reading.parts import decoded
from separatrix.data.streams.distinct_rows import Counted, Counts, counted
from separatrix.data.tables.cells import Numbered, Table, cells_of, each_of
from separatrix.data.tables.side_columns import given
from separatrix.data.tables.tally import UNSETTLED, Settled, Tally, tally
from separatrix.data.tables.target import Target, check_weights
from separatrix.errors import TargetError

MOST_LABELS = 10_000


@dataclass(frozen=True)
class Seen:
    """What some rows say; `labels` has a row for each label with its weight and its rows, None where they are too many.
    `counts` has the distinct rows, where they were counted."""

    tally: Tally
    labels: pa.Table | None
    rows: int
    unlabelled: int
    weightless: int
    counts: Counts = field(default_factory=lambda: Counts(None))

    def __add__(self, other: "Seen") -> "Seen":
        labels = None
        if self.labels is not None and other.labels is not None:
            labels = _summed(pa.concat_tables([self.labels, other.labels], promote_options="permissive"))
        return Seen(
            self.tally + other.tally,
            labels if labels is not None and len(labels) <= MOST_LABELS else None,
            self.rows + other.rows,
            self.unlabelled + other.unlabelled,
            self.weightless + other.weightless,
            self.counts + other.counts,
        )

    def weights(self, target: Target) -> FloatArray:
        """The weight of each class, (K,), or of all rows, (1,); TargetError for a class without."""
        totals = self._by_class(target, "weight")
        check_weights(target, totals)
        return totals

    def class_rows(self, target: Target) -> IntArray:
        """How many rows each class has, (K,), or all rows, (1,)."""
        return self._by_class(target, "rows").astype(np.int64)

    def _by_class(self, target: Target, what: str) -> FloatArray:
        if self.labels is None:
            raise TargetError(f"target {target.name!r} holds more than {MOST_LABELS:,} classes; choose another.")
        numbers = self.labels[what].to_numpy()
        if not target.classes:
            codes = np.zeros(len(numbers), dtype=np.intp)
        else:
            codes = target.encode(nw.from_native(pa.table({target.name: self.labels["label"]}), eager_only=True))
        return np.bincount(codes.astype(np.intp), numbers, minlength=max(len(target.classes), 1)).astype(np.float64)


@dataclass(frozen=True)
class Batch:
    """Some rows as they are first read: text that the file has as a dictionary is one. `number` is that of the batch,
    `first_row` that of its first row, or of each, and `before` how many rows came before; whether those that are alike
    are to be counted, and what other batches have `settled`."""

    table: Table
    number: int
    first_row: Numbered
    before: int
    counts: bool
    settled: Settled

    @cached_property
    def decoded(self) -> Table:
        """The rows with text as text, and each column in one piece, which would else be made of it again and again."""
        return nw.from_native(decoded(self.table.to_native()).combine_chunks(), eager_only=True)


@dataclass(frozen=True)
class Look:
    """How to look at the rows of a table of a `name`: which of its columns is what, and which are `apart`, no
    features."""

    name: str
    target: str
    weight: str | None
    offset: tuple[str, ...]
    apart: tuple[str | None, ...]
    regression: bool

    def at(
        self, table: Table, first_row: Numbered, times: IntArray | None = None, settled: Settled = UNSETTLED
    ) -> Seen:
        """What some rows say, each of which is there so many `times`, (rows,), or once; but what others `settled`."""
        cells = cells_of(table, self.target, self.name, first_row)
        weights, _ = given(table, self.weight, self.offset, self.name, first_row)
        missing = cells.missing
        counts = ~missing & (weights > 0)
        grouped = not self.regression and cells.kind != "other"  # no groups of lists and the like
        label = _plain(cells.values) if grouped else pa.nulls(len(table))
        many = np.ones(len(table), dtype=np.int64) if times is None else times
        labels = _summed(pa.table({"label": label, "weight": weights * many, "rows": many}).filter(pa.array(counts)))
        return Seen(
            self._tally(table, first_row, times, settled, counts),
            labels if len(labels) <= MOST_LABELS else None,
            _rows(counts, times),
            _rows(missing, times),
            _rows(~missing & (weights == 0), times),
        )

    def _tally(
        self, table: Table, first_row: Numbered, times: IntArray | None, settled: Settled, counts: BoolArray
    ) -> Tally:
        """What the rows that count say of the features, and all of the target; cells of any row must be of some use."""
        features = table.select([column for column in table.columns if column not in self.apart])
        whole = tally(features, self.name, first_row, times, settled)
        if counts.all():
            return whole
        rows: Table = nw.from_native(features.to_native().filter(pa.array(counts)), eager_only=True)
        numbers, often = each_of(first_row, len(table))[counts], None if times is None else times[counts]
        counted = tally(rows, self.name, numbers, often, settled)
        return replace(whole, columns=counted.columns | {self.target: whole.columns[self.target]}, rows=counted.rows)

    def at_batch(self, batch: Batch) -> Seen | Counted:
        """The distinct rows of a batch, and how often each is there, if it is to be counted; else what its rows say."""
        if batch.counts:
            return counted(batch.table.to_native(), numbers=each_of(batch.first_row, len(batch.table)))
        return self.at(batch.decoded, batch.first_row, settled=batch.settled)

    def at_all(self, batches: Iterable[Seen | Counted]) -> Iterator[Seen]:
        """What batches say, in order; what was counted together, as long as the distinct rows have room."""
        held = Counts()
        for batch in batches:
            more = held + Counts((batch,) if isinstance(batch, Counted) else None)
            if more.parts is not None:
                held = more
                continue
            yield from self._at_counts(held)
            held = Counts((batch,) if isinstance(batch, Counted) else ())
            if isinstance(batch, Seen):
                yield batch
        yield from self._at_counts(held)

    def _at_counts(self, counts: Counts) -> Iterator[Seen]:
        whole = counts.whole()
        if whole is not None:
            rows: Table = nw.from_native(whole.rows, eager_only=True)
            yield replace(self.at(rows, whole.numbers, whole.weight), counts=Counts((whole,)))


def _rows(which: BoolArray, times: IntArray | None) -> int:
    """How many rows these are, each of which is there so many times, or once."""
    return int(np.count_nonzero(which) if times is None else times[which].sum())


def _plain(values: Any) -> Any:
    return values.dictionary_decode() if pa.types.is_dictionary(values.type) else values


def _summed(labels: pa.Table) -> pa.Table:
    summed = labels.group_by("label", use_threads=False).aggregate([("weight", "sum"), ("rows", "sum")])
    return summed.rename_columns({"weight_sum": "weight", "rows_sum": "rows"})
