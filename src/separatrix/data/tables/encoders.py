"""What becomes of one column: a value learned once, stored in the model, and applied to any new rows."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
from msgspec import Struct
from scipy import sparse

from separatrix.arrays import BoolArray, FloatArray
from separatrix.data.tables.calendar import DATE_LIKE, NAMES, NUMBERS, DateOrder, DatePart, has_part, in_zone, part_of
from separatrix.data.tables.cells import Cells, are_typed
from separatrix.data.tables.matrix import Slot, Stretch
from separatrix.data.tables.numerals import Written, pc
from separatrix.data.tables.words import hashed_words
from separatrix.errors import ColumnError, counted, listing, percent

NOTED = 100  # different unseen values of a column that are told apart; there may be one in each row


@dataclass(frozen=True)
class Note:
    """Cells of one column that fitting had not seen: so many rows, unseen `values` or none at all, and what they
    counted as. Notes of several batches merge into one that counts them all: its rows, and of different values those up
    to NOTED, and one more where there are more."""

    column: str
    rows: int
    stand_in: str
    values: tuple[str, ...] = ()

    def __str__(self) -> str:
        held = f"column {self.column!r}: {counted(self.rows, 'row')} {'holds' if self.rows == 1 else 'hold'}"
        if self.values:
            many, some = counted(len(self.values), "value"), listing(self.values, most=3)
            if len(self.values) > NOTED:
                many, some = f"more than {NOTED} values", f"{', '.join(self.values[:3])} and others"
            return f"{held} {many} unseen at fit ({some}); counted as {self.stand_in}"
        return f"{held} no value, though none was missing at fit; counted as {self.stand_in}"

    def merge(self, other: "Note") -> "Note":
        """Both notes as one."""
        values = tuple(dict.fromkeys(self.values + other.values))[: NOTED + 1]
        return replace(self, rows=self.rows + other.rows, values=values)


def merged(notes: Iterable[Note]) -> list[Note]:
    """One note for each column and kind, whatever the batches."""
    whole: dict[tuple[str, bool], Note] = {}
    for note in notes:
        key = (note.column, bool(note.values))
        whole[key] = whole[key].merge(note) if key in whole else note
    return list(whole.values())


@dataclass(frozen=True)
class Part:
    """What one column gives: its slots, in the order of its features, and notes of cells that fitting had not seen."""

    slots: list[Slot | Stretch]
    notes: list[Note]


class Number(Struct, frozen=True, forbid_unknown_fields=True, tag="number"):
    """A number; a missing cell counts as the mean, and is flagged if some were missing at fit: `missing`.

    `written` says how text is read as numbers, and `remark` what is worth knowing of that; `units`, which signs of
    currencies and percent it has, none where that is not known; `marks`, here and below, how missing cells were marked.
    """

    name: str
    mean: float
    low: float
    high: float
    missing: int = 0
    written: Written = "plain"
    remark: str = ""
    marks: list[str] = []
    units: list[str] = []

    @property
    def feature_names(self) -> list[str]:
        return _flagged(self.name, self.missing)

    @property
    def as_text(self) -> bool:
        """Whether files of text are to give the cells of new rows as they are written, and not by a type that all cells
        of such a file have: here as 9.000 is a number to programs, too, but not the one that was meant."""
        return self.written != "plain"

    def encode(self, cells: Cells) -> Part:
        remedy = f"fix the cell, or fit with Columns(categorical={[self.name]})"
        numbers = cells.numbers(remedy, self.written, self.units)
        return _imputed(numbers, self.mean, self.missing, self.name)

    def describe(self) -> str:
        like = {"plain": "", "point": " written like 1,234.5", "comma": " written like 1.234,5"}[self.written]
        described = f"number{like} from {_plain(self.low)} to {_plain(self.high)}, mean {_plain(self.mean)}"
        return described + self.remark + _filled(self.missing, self.marks, "with the mean")


class Boolean(Struct, frozen=True, forbid_unknown_fields=True, tag="boolean"):
    """True or false as 1 or 0, missing cells as for a number; `mean` is the share of true."""

    name: str
    mean: float
    missing: int = 0

    as_text: ClassVar[bool] = False

    @property
    def feature_names(self) -> list[str]:
        return _flagged(self.name, self.missing)

    def encode(self, cells: Cells) -> Part:
        codes = cells.codes(["0", "1", "false", "true"])
        cells.refuse((codes < 0) & ~cells.missing, "is neither true nor false; fix the cell")
        return _imputed(np.where(codes < 0, np.nan, codes % 2), self.mean, self.missing, self.name)

    def describe(self) -> str:
        return f"true or false, {percent(self.mean)}% true" + _filled(self.missing, [], "with that share")


class Category(Struct, frozen=True, forbid_unknown_fields=True, tag="category"):
    """One 0/1 feature per level but the reference; one more for the pool, if there is one, and one for missing cells if
    there were any at fit.

    The pool takes the levels that fewer than `floor` rows held at fit, `pooled`, and those unseen at fit; without one
    the unseen count as the reference.
    """

    name: str
    levels: list[str]
    reference: str
    missing: int = 0
    pooled: list[str] = []
    floor: int = 0
    marks: list[str] = []

    @property
    def feature_names(self) -> list[str]:
        own = [*self.levels, self.pool] if self.pooled else self.levels
        names = [f"{self.name} = {level}" for level in own if level != self.reference]
        return [*names, _flag(self.name)] if self.missing else names

    @property
    def pool(self) -> str:
        """What the pool is called."""
        return "other" if "other" not in self.levels else "any other"

    @property
    def known(self) -> list[str]:
        """All levels that fitting saw."""
        return [*self.levels, *self.pooled]

    @property
    def as_text(self) -> bool:
        """As of a number; here as 1.10 and 1.1 may be two levels, and are one number."""
        return not are_typed(self.known)

    def encode(self, cells: Cells) -> Part:
        codes, missing = cells.codes(self.known), cells.missing
        unseen = (codes < 0) & ~missing
        pool, reference = len(self.levels), self.levels.index(self.reference)
        if self.pooled:
            codes[unseen | (codes > pool)] = pool
        feature = codes - (codes > reference)
        if self.missing:
            feature[missing] = pool - 1 + bool(self.pooled)
        present = (codes >= 0) & (codes != reference) | missing & bool(self.missing)
        slot = Slot(np.where(present, feature, 0), present.astype(float))
        return Part([slot], [*self._unseen(cells, unseen), *self._unexpected(missing)])

    def describe(self) -> str:
        described = f"category of {counted(len(self.levels), 'level')} against {self.reference!r}"
        if self.pooled:
            rare = f"{counted(len(self.pooled), 'level')} of fewer than {counted(self.floor, 'row')}"
            described += f", {rare} pooled as {self.pool!r}"
        return described + (f", {_gaps(self.missing, self.marks)} as one more level" if self.missing else "")

    def _unseen(self, cells: Cells, unseen: BoolArray) -> list[Note]:
        if not unseen.any():
            return []
        stand_in = self.pool if self.pooled else self.reference
        return [Note(self.name, int(unseen.sum()), repr(stand_in), tuple(cells.among(unseen, NOTED + 1)))]

    def _unexpected(self, missing: BoolArray) -> list[Note]:
        return [] if self.missing else _noted(self.name, missing, repr(self.reference))


class Date(Struct, frozen=True, forbid_unknown_fields=True, tag="date"):
    """A date or time as those of its parts that vary: days since the `first` and the year as numbers; month, weekday
    and hour as categories, by the clock of the `zone` of the fit if it had one. `order` says how text is read in which
    day and month may be either. Missing cells count as the mean day and the reference levels, and are flagged if some
    were missing at fit."""

    name: str
    first: str
    parts: dict[DatePart, Number | Category]
    missing: int = 0
    marks: list[str] = []
    zone: str = ""
    order: DateOrder = ""

    as_text: ClassVar[bool] = False

    @property
    def feature_names(self) -> list[str]:
        names = [name for part in self.parts.values() for name in part.feature_names]
        return [*names, _flag(self.name)] if self.missing else names

    def encode(self, cells: Cells) -> Part:
        dates, slots, notes, features = in_zone(cells.dates(self.order), self.zone), [], [], 0
        for part, column in self.parts.items():
            if not has_part(dates.type, part):
                raise ColumnError(cells.holds("times of day" if part == "hour" else "dates"))
            encoded = column.encode(replace(cells, name=column.name, **self._cells(dates, part)))
            slots += [slot.moved(features) for slot in encoded.slots]
            notes += [note for note in encoded.notes if note.values]
            features += len(column.feature_names)
        if self.missing:
            return Part([*slots, Slot(features, cells.missing.astype(float))], notes)
        return Part(slots, notes + _noted(self.name, cells.missing, "the mean day and the reference levels"))

    def describe(self) -> str:
        what = f"date from {self.first} on" if self.first else "time of day"
        flagged = f", {_gaps(self.missing, self.marks)} flagged" if self.missing else ""
        zone = f" of {self.zone}" if self.zone else ""
        what += f" written like {DATE_LIKE[self.order]}" if self.order else ""
        return f"{what}, by its {listing(self.parts) or 'gaps'}{zone}{flagged}"

    def _cells(self, dates: Any, part: DatePart) -> dict[str, Any]:
        """The cells of one part: numbers, or the names of the codes."""
        codes = part_of(dates, part)
        if part in NUMBERS:
            since = int(np.datetime64(self.first).astype(np.int64)) if part == "day" else 0
            return {"values": pc.subtract(codes, since), "kind": "number"}
        names = pa.array(NAMES[part], pa.large_string())
        return {"values": pa.DictionaryArray.from_arrays(pc.cast(codes, pa.int32()), names), "kind": "category"}


class Text(Struct, frozen=True, forbid_unknown_fields=True, tag="text"):
    """Words and pairs of neighbouring words in lower case, hashed to `width` features (Weinberger et al. 2009).

    A feature is 1 + log of how often its words occur, and a text is scaled to length 1. Missing text holds no words,
    and is flagged by one more feature if some was missing at fit.
    """

    name: str
    width: int
    missing: int = 0
    marks: list[str] = []

    as_text: ClassVar[bool] = True

    @property
    def feature_names(self) -> list[str]:
        names = [f"{self.name}: words {place}" for place in range(self.width)]
        return [*names, _flag(self.name)] if self.missing else names

    def encode(self, cells: Cells) -> Part:
        missing = cells.missing
        words: Any = sparse.vstack(
            [hashed_words(cells.texts().to_pylist(), self.width), sparse.csr_array((1, self.width))], format="csr"
        )
        none = words.shape[0] - 1  # the last row
        matrix = words[cells.spread(np.arange(none), none)]
        if self.missing:
            return Part([Stretch(0, matrix), Slot(self.width, missing.astype(float))], [])
        return Part([Stretch(0, matrix)], _noted(self.name, missing, "text without words"))

    def describe(self) -> str:
        flagged = f", {_gaps(self.missing, self.marks)} flagged" if self.missing else ""
        return f"text: words and pairs of words hashed to {self.width:,} features, 1 + log count, length 1{flagged}"


class LeftOut(Struct, frozen=True, forbid_unknown_fields=True, tag="left out"):
    """A column the model does not use, and why."""

    name: str
    reason: str

    as_text: ClassVar[bool] = False

    @property
    def feature_names(self) -> list[str]:
        return []

    def encode(self, cells: Cells) -> Part:
        return Part([], [])

    def describe(self) -> str:
        return f"left out: {self.reason}"


Column = Number | Boolean | Category | Date | Text | LeftOut


def _imputed(numbers: FloatArray, mean: float, flag: int, name: str) -> Part:
    """The numbers, NaN filled by the mean; then the flag, or else a note if there was anything to fill."""
    missing = np.isnan(numbers)
    slots: list[Slot | Stretch] = [Slot(0, np.where(missing, mean, numbers) if missing.any() else numbers)]
    if flag:
        return Part([*slots, Slot(1, missing.astype(float))], [])
    return Part(slots, _noted(name, missing, f"the mean, {_plain(mean)}"))


def _noted(name: str, missing: BoolArray, stand_in: str) -> list[Note]:
    return [Note(name, int(missing.sum()), stand_in)] if missing.any() else []


def _plain(number: float) -> str:
    return f"{number:,.0f}" if 1e4 <= abs(number) < 1e15 else f"{number:.4g}"


def _flag(name: str) -> str:
    return f"{name} is missing"


def _flagged(name: str, missing: int) -> list[str]:
    return [name, _flag(name)] if missing else [name]


def _filled(missing: int, marks: Sequence[str], how: str) -> str:
    return f", {_gaps(missing, marks)} filled {how} and flagged" if missing else ""


def _gaps(missing: int, marks: Sequence[str]) -> str:
    """Missing cells, and what stood in them."""
    return counted(missing, "missing cell") + (f" ({listing(map(repr, marks))})" if marks else "")
