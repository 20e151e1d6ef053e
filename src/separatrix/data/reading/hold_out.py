"""Which rows are held out: one rule for all, in memory, in one file or in many, or read by workers.

The rows of each class are parted, in their order, into stretches of about 1 / share rows, and of each stretch the seed
chooses one. So each class has its share to a row, no period of the data can meet one of ours, and of the rows before
some others one need only know how many there are of each class.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import narwhals as nw
import numpy as np
import pyarrow as pa

from separatrix.arrays import BoolArray, IntArray
from separatrix.data.tables.cells import Numbered, Table, cells_of
from separatrix.data.tables.side_columns import weight_of
from separatrix.errors import TargetError

GOLDEN, MIX_1, MIX_2 = (np.uint64(word) for word in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))
FINEST = 1_000_000  # a share is a fraction of no larger denominator
MOST_CLASSES = 10_000  # that are told apart: of more nothing is learned


@dataclass(frozen=True)
class Dealt:
    """So many rows, and how many of them are of each class; of parts of the rows it adds up."""

    rows: int = 0
    of: Counter[str] = field(default_factory=Counter)

    def __add__(self, other: "Dealt") -> "Dealt":
        return Dealt(self.rows + other.rows, self.of + other.of)


START = Dealt()


@dataclass(frozen=True)
class HoldOut:
    """A `share` of the rows of each class, by the text of the `target`, or of all together if not `by_class`; rows
    without a target, or of weight 0, are none of them."""

    target: str
    share: float
    seed: int = 0
    by_class: bool = True
    weight: str | None = None

    @property
    def needs(self) -> list[str]:
        """The columns that tell."""
        return [self.target, *filter(None, [self.weight])]

    def among(
        self, table: Table, before: Dealt = START, where: str = "the data", first_row: Numbered = 1
    ) -> tuple[BoolArray, Dealt]:
        """Which rows of a table are held out, (rows,), and what is dealt up to their end.

        Raises ColumnError where there is no target or weight, and CellError for a cell that is no weight.
        """
        held_out, of = np.zeros(len(table), dtype=bool), before.of.copy()
        for label, rows in self._classes(table, where, first_row):
            label = label if label in of or len(of) < MOST_CLASSES else ""
            held_out[rows] = drawn(np.arange(of[label], of[label] + len(rows)), self.share, self.seed)
            of[label] += len(rows)
        return held_out, Dealt(before.rows + len(table), of)

    def _classes(self, table: Table, where: str, first_row: Numbered) -> Iterator[tuple[str, IntArray]]:
        """The text of each class, and which rows are of it, in their order."""
        cells = cells_of(table, self.target, where, first_row)
        counts = ~cells.missing
        if self.weight:
            counts &= weight_of(table, self.weight, where, first_row) > 0
        if not self.by_class or cells.kind == "other":
            yield "", np.flatnonzero(counts)
            return
        rows = np.flatnonzero(counts)
        codes = cells.coded.indices.fill_null(0).to_numpy()[rows]
        rows = rows[np.argsort(codes, kind="stable")]
        ends = np.cumsum(np.bincount(codes, minlength=len(cells.coded.dictionary)))
        for label, some in zip(cells.texts().to_pylist(), np.split(rows, ends)[:-1], strict=True):  # there may be none
            if len(some):
                yield label, some


@dataclass(frozen=True)
class Some:
    """The rows of a table that a rule holds out, or the others; so many are dealt `before` the first."""

    rule: HoldOut
    held_out: bool
    before: Dealt = START

    def of(
        self, tables: Iterable[tuple[Table, int]], columns: Sequence[str] | None, where: str
    ) -> Iterator[tuple[Table, IntArray]]:
        """Of batches, each with the number of its first row: these rows, with these columns or all, and their numbers.

        Raises TargetError where none are held out.
        """
        dealt, some = self.before, False
        for table, first_row in tables:
            held_out, dealt = self.rule.among(table, dealt, where, first_row)
            rows = np.flatnonzero(held_out == self.held_out)
            # A part of a table may well be held out whole; of all of it some is left.
            if len(rows) or not (self.held_out or some):
                some = True
                native = table.to_native().take(pa.array(rows))
                yield nw.from_native(native if columns is None else native.select(columns)), rows + first_row
        if not some:
            raise none_of(dealt.rows, self.rule.share)


def none_of(rows: int, share: float) -> TargetError:
    """The error where no row of so many is held out, or none is left."""
    return TargetError(
        f"of {rows:,} rows none is held out at test_size={share:g}: give more rows, or a larger test_size; or 0, to "
        "train on all of them."
    )


def drawn(places: IntArray, share: float, seed: int) -> BoolArray:
    """Which are held out of the rows at some places in their class, (rows,): never the first, as each class is trained
    on.

    >>> drawn(np.arange(12), share=0.25, seed=0).reshape(3, 4).astype(int)
    array([[0, 0, 1, 0],
           [1, 0, 0, 0],
           [0, 0, 0, 1]])
    """
    fraction = Fraction(share).limit_denominator(FINEST)
    part = min(fraction, 1 - fraction)  # of most rows held out, the others are chosen
    if not part:
        return (places > 0) & (fraction == 1)
    p, q = part.numerator, part.denominator
    stretch = places * p // q
    first, end = -(-stretch * q // p), -(-(stretch + 1) * q // p)
    most = part != fraction
    start = first + ((stretch == 0) & (not most))
    chosen = start + (mixed(stretch, seed) % (end - start).astype(np.uint64)).astype(np.int64)
    if most:
        return places != np.where(stretch == 0, 0, chosen)
    return places == chosen


def mixed(numbers: IntArray, seed: int) -> np.ndarray:
    """64 random bits for each number, by a counter that is mixed (Steele, Lea and Flood 2014, "SplitMix")."""
    stream = np.random.SeedSequence(seed).generate_state(1, np.uint64)[0]
    with np.errstate(over="ignore"):
        bits = stream + GOLDEN * (numbers.astype(np.uint64) + np.uint64(1))
        bits = (bits ^ (bits >> np.uint64(30))) * MIX_1
        bits = (bits ^ (bits >> np.uint64(27))) * MIX_2
        return bits ^ (bits >> np.uint64(31))
