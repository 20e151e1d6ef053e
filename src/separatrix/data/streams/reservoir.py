"""Some of the rows that pass by, where there is no room for all: an even sample of them, and more of what is rare.

Every row draws a number, uniform in [0, 1), and stays while that is below the rate of its label, which falls when rows
become too many (Gibbons and Matias 1998): so that as many are left of each label, and all of one that has fewer; but
half of the room is for rows at the same rate, lest many rare labels leave the frequent ones too little (the congress
of senate and house of Acharya, Gibbons and Poosala 2000). So the chance of every row is known, and it stands for
1 / chance of them; those that drew less than the lowest rate are an even sample of all; and reservoirs of parts add up
to one of the whole, at the lower rate of each label.
"""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import narwhals as nw
import numpy as np
import pyarrow as pa

from separatrix.arrays import BoolArray, FloatArray, IntArray
from separatrix.cached import cached_property
from separatrix.data.memory import systematic
from separatrix.data.reading.parts import decoded
from separatrix.data.tables.cells import Table, as_text, is_text
from separatrix.data.tables.numerals import pc

MOST_STRATA = 64  # with more, no label is told from another
FILL = 0.5  # of the room, once it is too small: were more filled, all rows would soon have to move again
EVEN = 0.5  # of that, at least, is for an even sample


@dataclass(frozen=True)
class Strata:
    """To which stratum some rows belong, `codes` (rows,), and the chance that rows of each had to be among them,
    `rates` (L,)."""

    codes: IntArray
    rates: FloatArray

    @property
    def chance(self) -> FloatArray:
        """The chance of each row, (rows,)."""
        return self.rates[self.codes]

    def take(self, some: IntArray) -> "Strata":
        """Those of some of the rows, by their positions, which have the chances they had."""
        return replace(self, codes=self.codes[some])

    def fewer(self, rows: int, draw: float) -> "tuple[IntArray, Strata]":
        """The positions of about so many of the rows, as many of each stratum where there are as many, and their
        strata; 0 <= draw < 1."""
        counts = np.bincount(self.codes, minlength=len(self.rates))
        part = parts(counts, rows)
        in_turn = np.argsort(self.codes, kind="stable")
        some = np.sort(in_turn[systematic(part[self.codes[in_turn]], draw)])
        return some, Strata(self.codes[some], self.rates * part)


@dataclass(frozen=True)
class Lot:
    """Rows that came together, what each drew, (rows,), and the place of its label among the rates, (rows,)."""

    table: pa.Table
    draws: FloatArray
    codes: IntArray

    @cached_property
    def bytes(self) -> int:
        """About what the table takes in memory."""
        return sum(map(size, self.table.itercolumns()))

    def below(self, rates: FloatArray) -> "Lot":
        """The rows that drew less than the rate of their label, and none that have no label."""
        kept = self.draws < np.append(rates, 0.0)[self.codes]  # the last is that of no label, -1
        if kept.all():
            return self
        # Taken, not filtered: what is kept must not hold on to the memory of all.
        return Lot(self.table.take(pa.array(np.flatnonzero(kept))), self.draws[kept], self.codes[kept])


@dataclass(frozen=True)
class Reservoir:
    """Rows in the order in which they came, of at most `room` bytes, and the rate of each label that was met.

    The label None stands for all: where labels do not matter, or are too many.
    """

    room: int
    rates: dict[Hashable, float]
    lots: tuple[Lot, ...] = ()

    def joined(self, table: pa.Table, labels: pa.DictionaryArray | None, random: np.random.Generator) -> "Reservoir":
        """With some rows of a table, whose labels are given, (rows,): null where a row has none and is to be left out,
        and None if labels do not matter."""
        draws, codes = random.random(len(table)), np.zeros(len(table), dtype=np.intp)
        values = [None] if labels is None else labels.dictionary.to_pylist()
        known = self._knowing(values)
        if labels is not None:
            place = {label: i for i, label in enumerate(known.rates)}
            each = np.array([*(place.get(value, 0) for value in values), -1], dtype=np.intp)
            codes = each[labels.indices.fill_null(len(values)).to_numpy()]
        lot = Lot(table, draws, codes).below(known._rates)
        lot = replace(lot, table=compact(decoded(lot.table)))
        return replace(known, lots=(*known.lots, lot))._with_room()

    def __add__(self, other: "Reservoir") -> "Reservoir":
        one = self._knowing(other.rates)
        two = other._knowing(one.rates)
        rates = {label: min(rate, two.rates[label]) for label, rate in one.rates.items()}
        place = {label: i for i, label in enumerate(rates)}
        codes = np.array([place[label] for label in two.rates], dtype=np.intp)
        lots = (*one.lots, *(replace(lot, codes=codes[lot.codes]) for lot in two.lots))
        return Reservoir(one.room + two.room, one.rates, lots)._at(rates)

    def rows(self) -> Table:
        """The rows, in their order."""
        tables = [lot.table for lot in self.lots]
        return nw.from_native(pa.concat_tables(tables, promote_options="permissive"), eager_only=True)

    def strata(self) -> Strata:
        """Of the rows, a stratum for each label."""
        return Strata(np.concatenate([lot.codes for lot in self.lots]), self._rates)

    def even(self) -> BoolArray:
        """Which of the rows, (rows,), are the even sample."""
        return np.concatenate([lot.draws for lot in self.lots]) < self._rates.min()

    @property
    def _rates(self) -> FloatArray:
        return np.array(list(self.rates.values()))

    def _knowing(self, labels: Iterable[Hashable]) -> "Reservoir":
        """With a rate for these labels too."""
        if None in self.rates:
            return self
        rates = self.rates | {label: 1.0 for label in labels if label not in self.rates}
        if None not in rates and len(rates) <= MOST_STRATA:
            return replace(self, rates=rates)
        lots = tuple(replace(lot, codes=np.zeros_like(lot.codes)) for lot in self.lots)
        return replace(self, lots=lots)._at({None: min(rates.values())})

    def _at(self, rates: dict[Hashable, float]) -> "Reservoir":
        """At lower rates."""
        each = np.array(list(rates.values()))
        return replace(self, rates=rates, lots=tuple(lot.below(each) for lot in self.lots))

    def _with_room(self) -> "Reservoir":
        """With fewer rows, if these are too large."""
        held = sum(lot.bytes for lot in self.lots)
        if held <= self.room:
            return self
        strata = self.strata()
        counts = np.bincount(strata.codes, minlength=len(strata.rates))
        rows, passed = counts.sum() * FILL * self.room / held, counts / strata.rates
        rates = strata.rates * parts(counts, rows, passed * EVEN * rows / passed.sum())
        return self._at(dict(zip(self.rates, rates.tolist(), strict=True)))._with_room()


def compact(table: pa.Table) -> pa.Table:
    """The table without the levels of categories that are not in it, where they may be most of it."""
    for i, column in enumerate(table.itercolumns()):
        if pa.types.is_dictionary(column.type) and any(len(part.dictionary) > len(part) for part in column.chunks):
            held = column.cast(column.type.value_type).dictionary_encode().cast(column.type)
            table = table.set_column(i, table.schema.field(i), held)
    return table


def size(column: pa.ChunkedArray) -> int:
    """About how many bytes a column takes, by its cells alone: what they take indeed depends on the files they are cut
    into, and which rows are kept must not."""
    if is_text(column.type):
        return 8 * len(column) + (pc.sum(pc.binary_length(as_text(column))).as_py() or 0)
    plain = pa.types.is_primitive(column.type) or pa.types.is_dictionary(column.type)
    return 8 * len(column) if plain or not len(column) else column.nbytes


def parts(counts: IntArray, rows: float, least: Any = 0.0) -> FloatArray:
    """Which part to keep of so many of each kind, (L,), that about `rows` are kept: as many of each, all of a kind that
    has fewer, and of each its `least`.

    >>> parts(np.array([1000, 5, 200]), 205)
    array([0.1, 1. , 0.5])
    """
    least = np.minimum(counts, least)
    # With `each` of every kind, their sum is a line that bends where a kind is used up, or its least is reached.
    each = np.unique(np.concatenate([[0.0], counts, least]))
    sums = np.minimum(counts, np.maximum(least, each[:, None])).sum(axis=1)
    kept = np.minimum(counts, np.maximum(least, np.interp(rows, sums, each)))
    return np.divide(kept, counts, out=np.ones(len(counts)), where=counts > 0)
