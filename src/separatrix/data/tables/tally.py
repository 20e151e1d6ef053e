"""What the rows say of each column, counted so that batches add up: one reading of the data, in any split.

A tally is small whatever the number of rows. It holds all that `Columns.from_tally` decides by, down to the places of
cells that may be refused: what is learned from files or on workers is what the whole table would teach.
"""

from collections import Counter
from dataclasses import dataclass, field, replace
from functools import reduce
from operator import add
from typing import Any

import numpy as np
import pyarrow as pa

from separatrix.arguments import LARGEST, is_moderate
from separatrix.arrays import BoolArray, FloatArray, IntArray
from separatrix.data.tables.calendar import DateOrder, dates_in_orders
from separatrix.data.tables.cell_kinds import Kinds, joined, kinds_of
from separatrix.data.tables.cells import Cells, Kind, Numbered, Table, as_floats, checked_cells
from separatrix.data.tables.counts import WIDEST, Dates, Levels, Moments, Reading, Rising, merged
from separatrix.data.tables.digest import CHUNK, Digest, digest, hash_bits, hash_numbers, hash_texts
from separatrix.data.tables.locations import row_of
from separatrix.data.tables.numerals import WAYS, Written, are_codes, pc, read_numbers, units_of
from separatrix.errors import ColumnError

FEW = 2**12  # cells at the start that show most columns to have too many


@dataclass(frozen=True)
class ColumnTally:
    """What the rows say of one column.

    Attributes
    ----------
    kind, type, where : what kind of cells, the name of their Arrow type, and what messages call the table
    rows, missing : how many cells, and how many of them are missing; `marks`: which marks of MISSING they hold
    readings : the cells as numbers; of text, in each way it may be written
    dates : the cells as dates
    slashed : of text, the cells that are dates but for the order of day and month, in each order
    levels : the different values; None if they are too many (MOST_LEVELS, MOST_LETTERS; MOST_NUMBERS, WIDEST)
    letters : characters of text in all
    rising : of whole numbers without gaps, do they rise from row to row? None of others
    digest : equal for copies of a column in one tally; None of text with too many levels
    as_numbers : of text that is all plain numbers, the digest of such numbers
    kinds : of text, how many cells are numbers, dates, or neither, and where the first of each is
    """

    name: str
    kind: Kind
    type: str
    where: str
    rows: int
    missing: int
    marks: frozenset[str]
    readings: dict[Written, Reading] = field(default_factory=dict)
    dates: Dates = field(default_factory=Dates)
    slashed: dict[DateOrder, Dates] = field(default_factory=dict)
    levels: Levels | None = None
    letters: int = 0
    rising: Rising | None = None
    digest: Digest | None = None
    as_numbers: Digest | None = None
    kinds: Kinds = field(default_factory=dict)

    @property
    def known(self) -> int:
        """Cells that are not missing."""
        return self.rows - self.missing

    def with_dates_in(self, order: DateOrder) -> "ColumnTally":
        """It with those cells among its dates that are some in this order of day and month."""
        return replace(self, dates=self.dates + self.slashed[order])

    def __add__(self, other: "ColumnTally") -> "ColumnTally":
        main = self if self.known or not other.known else other  # a column without cells is of any kind
        levels = _both(self.levels, other.levels)
        levels = None if levels is None else levels.few(main.kind)
        compared = levels is not None or main.kind not in ("text", "category")
        return replace(
            main,
            rows=self.rows + other.rows,
            missing=self.missing + other.missing,
            marks=self.marks | other.marks,
            readings=merged(self.readings, other.readings),
            dates=self.dates + other.dates,
            slashed=merged(self.slashed, other.slashed),
            levels=levels,
            letters=self.letters + other.letters,
            rising=_both(self.rising, other.rising),
            digest=_both(self.digest, other.digest) if compared else None,
            as_numbers=_both(self.as_numbers, other.as_numbers) if compared else None,
            kinds=joined(self.kinds, other.kinds, self.rows),
        )


@dataclass(frozen=True)
class Settled:
    """What some rows have settled of columns, by name, whatever is said by more: which have too `many` levels to be
    counted, and which are `alone`, copies of no other. A tally of more rows need not look again."""

    many: frozenset[str] = frozenset()
    alone: frozenset[str] = frozenset()


UNSETTLED = Settled()


@dataclass(frozen=True)
class Tally:
    """What some rows say of each column; `where` and `first_row` name them in messages. Tallies of batches add up, in
    the order of the rows."""

    columns: dict[str, ColumnTally]
    rows: int
    where: str
    first_row: int

    def __add__(self, other: "Tally") -> "Tally":
        if self.columns.keys() != other.columns.keys():
            name = min(self.columns.keys() ^ other.columns.keys())
            raise ColumnError(f"column {name!r} is in one of {self.where} and {other.where} and not in the other.")
        for mine, theirs in zip(self.columns.values(), (other.columns[name] for name in self.columns), strict=True):
            if mine.kind != theirs.kind and mine.known and theirs.known:
                raise ColumnError(
                    f"column {mine.name!r} holds {theirs.type} from {row_of(other.where, other.first_row)} on, and "
                    f"{mine.type} before; store it alike."
                )
            zones = mine.dates.zone, theirs.dates.zone
            if mine.dates.count and theirs.dates.count and zones[0] != zones[1]:
                place = row_of(other.where, other.first_row)
                raise ColumnError(
                    f"column {mine.name!r} holds times of {zones[1] or 'no time zone'} from {place} on, and of "
                    f"{zones[0] or 'no time zone'} before; store all in one."
                )
        columns = {name: column + other.columns[name] for name, column in self.columns.items()}
        return replace(self, columns=columns, rows=self.rows + other.rows)

    @property
    def settled(self) -> Settled:
        """What more rows cannot change."""
        columns = self.columns.items()
        digests = Counter(digest for column in self.columns.values() for digest in (column.digest, column.as_numbers))
        return Settled(
            frozenset(name for name, column in columns if column.levels is None),
            frozenset(name for name, column in columns if column.digest is None or digests[column.digest] == 1),
        )


def tally(
    table: Table,
    where: str = "the data",
    first_row: Numbered = 1,
    counts: IntArray | None = None,
    settled: Settled = UNSETTLED,
) -> Tally:
    """What a table, or a batch of its rows, says of each of its columns.

    Parameters
    ----------
    table : some rows
    where, first_row : what messages call them, and the number of the first, or of each
    counts : how many rows each stands for that are like it, (rows,); each for itself by default
    settled : what other rows have settled, to whose tally this will be added

    Examples
    --------
    >>> import narwhals as nw
    >>> table = nw.from_dict({"size": ["1,5", "2", "?"]}, backend="pyarrow")
    >>> column = (tally(table[:1]) + tally(table[1:])).columns["size"]
    >>> column.rows, column.missing, column.readings["comma"].moments.mean
    (3, 1, 1.75)
    """
    cells = [checked_cells(table, name, where, first_row) for name in table.columns]
    columns = {each.name: tally_column(each, counts, settled) for each in cells}
    rows = len(table) if counts is None else int(counts.sum())
    number = first_row if isinstance(first_row, int) else int(first_row[:1].sum())
    return Tally(columns, rows, where, number)


def tally_column(cells: Cells, counts: IntArray | None = None, settled: Settled = UNSETTLED) -> ColumnTally:
    """What some cells say of their column, each as often as `counts` says, (rows,), or once."""
    values = cells.values
    coded = pa.types.is_dictionary(values.type)
    counted = ColumnTally(
        cells.name,
        cells.kind,
        str(values.type.value_type if coded else values.type),
        cells.where,
        len(values) if counts is None else int(counts.sum()),
        values.null_count if counts is None else int(counts[cells.missing].sum()),
        cells.marks,
    )
    if cells.kind == "other":
        return counted
    if coded:
        return _with_texts(counted, cells, counts)
    if cells.kind == "date":
        return _with_dates(counted, cells, counts)
    return _with_numbers(counted, cells, counts, settled)


def _with_numbers(counted: ColumnTally, cells: Cells, counts: IntArray | None, settled: Settled) -> ColumnTally:
    values, numbers = cells.values, as_floats(cells.values)
    excess = None
    if is_moderate(numbers):
        moments = _moments(numbers, counts)
    else:
        fine, excess = np.abs(numbers) <= LARGEST, cells.excess(numbers)
        moments = _moments(numbers[fine], _some(counts, fine))
    known = values.drop_null() if values.null_count else values
    return replace(
        counted,
        readings={"plain": Reading(moments, excess)},
        levels=None if cells.name in settled.many else _levels_of_numbers(known, _of_known(cells, counts)),
        rising=_rising(values, counts),
        digest=None if cells.name in settled.alone else digest(hash_numbers(numbers)),
    )


def _moments(numbers: FloatArray, counts: IntArray | None) -> Moments:
    """By chunks that stay in cache."""
    chunks = [slice(first, first + CHUNK) for first in range(0, len(numbers), CHUNK)]
    return reduce(add, (Moments.of(numbers[rows], _some(counts, rows)) for rows in chunks), Moments())


def _levels_of_numbers(known: Any, counts: IntArray | None) -> Levels | None:
    """Counted; most columns show soon that they have too many."""
    whole = pa.types.is_integer(known.type) and not pa.types.is_uint64(known.type)
    if whole and len(known):
        numbers = known.to_numpy()
        low = int(numbers.min())
        if int(numbers.max()) - low <= WIDEST:
            many = _bincount(np.subtract(numbers, low, dtype=np.int64), counts)
            held = np.flatnonzero(many)
            return Levels(pa.array(held + low), many[held])
    start = Levels.of(known[:FEW], _some(counts, slice(FEW))).few("number")
    return start and (Levels.of(known, counts).few("number") if len(known) > FEW else start)


def _rising(values: Any, counts: IntArray | None) -> Rising | None:
    if not pa.types.is_integer(values.type) or values.null_count:
        return None
    if not len(values):
        return Rising()
    numbers = values.to_numpy()
    once = counts is None or bool((counts == 1).all())
    holds = once and all((part[1:] > part[:-1]).all() for part in (numbers[:FEW], numbers))
    return Rising(int(numbers[0]), int(numbers[-1]), holds)


def _with_dates(counted: ColumnTally, cells: Cells, counts: IntArray | None) -> ColumnTally:
    different, many = cells.coded.dictionary, _of_each(cells, counts)
    ticks = pc.cast(pc.cast(different, _integer(different.type)), pa.int64()).to_numpy()
    return replace(
        counted,
        dates=Dates.of(different, many),
        levels=Levels(different, many).few("date"),
        digest=digest(cells.spread(hash_bits(ticks.view(np.uint64)), np.uint64(0))),
    )


def _integer(kind: Any) -> Any:
    return pa.int32() if kind.bit_width == 32 else pa.int64()


def _with_texts(counted: ColumnTally, cells: Cells, counts: IntArray | None) -> ColumnTally:
    texts, many = cells.texts(), _of_each(cells, counts)
    held = many > 0  # a mark of a missing cell is not
    read = dates_in_orders(texts)
    dated = [dates.is_valid().to_numpy(zero_copy_only=False) & held for dates in read.values()]
    known = zip(read.items(), dated, strict=True)
    dates = {order: Dates.of(each.filter(pa.array(which)), many[which]) for (order, each), which in known}
    levels = Levels(cells.coded.dictionary.filter(pa.array(held)), many[held]).few(cells.kind)
    numbers = {way: read_numbers(texts, way) for way in WAYS}
    plain = not np.isnan(numbers["plain"][held]).any()
    numeric = np.logical_or.reduce([~np.isnan(each) for each in numbers.values()])
    return replace(
        counted,
        readings={way: _reading(cells, texts, many, numbers[way]) for way in WAYS},
        dates=dates.pop(""),
        slashed=dates,
        levels=levels,
        letters=int(many @ pc.utf8_length(texts).to_numpy()),
        digest=None if levels is None else digest(cells.spread(hash_texts(texts), np.uint64(0))),
        as_numbers=digest(hash_numbers(cells.spread(numbers["plain"], np.nan)))
        if levels is not None and plain
        else None,
        kinds=kinds_of(cells, many, numeric, np.logical_or.reduce(dated)) if cells.kind == "text" else {},
    )


def _reading(cells: Cells, texts: Any, counts: IntArray, numbers: FloatArray) -> Reading:
    """Each different text read once as `numbers`; the first that is strange stands first among them."""
    held = counts > 0
    fine, read, beyond = held & (np.abs(numbers) <= LARGEST), held & ~np.isnan(numbers), np.abs(numbers) > LARGEST
    excess = cells.excess(cells.spread(numbers, np.nan)) if beyond.any() else None
    none = np.flatnonzero(held & ~read)[:1].tolist()
    strange = cells.place(cells.spread(np.arange(len(texts)), -1) == none[0]) if none else None
    some = texts.filter(pa.array(read))
    return Reading(
        Moments.of(numbers[fine], counts[fine]), excess, strange, bool(are_codes(some).any()), units_of(some)
    )


def _of_each(cells: Cells, counts: IntArray | None) -> IntArray:
    """How many cells hold each different value, (values,)."""
    codes = cells.coded.indices.drop_null().to_numpy()
    return _bincount(codes, _of_known(cells, counts), len(cells.coded.dictionary))


def _of_known(cells: Cells, counts: IntArray | None) -> IntArray | None:
    return None if counts is None else counts[~cells.missing]


def _some(counts: IntArray | None, which: BoolArray | slice) -> IntArray | None:
    return None if counts is None else counts[which]


def _bincount(codes: IntArray, counts: IntArray | None, least: int = 0) -> IntArray:
    """How often each code is there, where each counts so often, or once; in integers."""
    return np.bincount(codes, counts, least).astype(np.int64, copy=False)


def _both(one: Any, other: Any) -> Any:
    return None if one is None or other is None else one + other
