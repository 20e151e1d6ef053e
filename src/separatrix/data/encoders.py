"""What becomes of one column: a value learned once, stored in the model, and applied to any new rows."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from separatrix.arrays import BoolArray, FloatArray
from separatrix.data.cells import Cells, pc
from separatrix.errors import listing


@dataclass(frozen=True)
class Slot:
    """One value a row: `value` (rows,) goes to the column's feature number `feature`, fixed or (rows,).

    A category is a single slot whose feature differs by row, so its 0/1 matrix need never be made.
    """

    feature: int | NDArray[np.int32]
    value: FloatArray


@dataclass(frozen=True)
class Note:
    """Cells of one column that fitting had not seen: so many rows, unseen `values` or none at all, and what they
    counted as. Notes of several batches merge into one that counts them all."""

    column: str
    rows: int
    stand_in: str
    values: tuple[str, ...] = ()

    def __str__(self) -> str:
        held = f"column {self.column!r}: {_count(self.rows, 'row')} {'holds' if self.rows == 1 else 'hold'}"
        if self.values:
            unseen = f"{_count(len(self.values), 'value')} unseen at fit ({listing(self.values, most=3)})"
            return f"{held} {unseen}; counted as {self.stand_in}"
        return f"{held} no value, though none was missing at fit; counted as {self.stand_in}"

    def merge(self, other: "Note") -> "Note":
        """Both notes as one."""
        return replace(self, rows=self.rows + other.rows, values=tuple(dict.fromkeys(self.values + other.values)))


def merged(notes: Iterable[Note]) -> list[Note]:
    """One note for each column and kind, whatever the batches."""
    whole: dict[tuple[str, bool], Note] = {}
    for note in notes:
        key = (note.column, bool(note.values))
        whole[key] = whole[key].merge(note) if key in whole else note
    return list(whole.values())


@dataclass(frozen=True)
class Part:
    """What one column gives: its slots, and notes of cells that fitting had not seen."""

    slots: list[Slot]
    notes: list[Note]


class Number(Struct, frozen=True, forbid_unknown_fields=True, tag="number"):
    """A number; a missing cell counts as the mean, and is flagged if some were missing at fit: `missing`."""

    name: str
    mean: float
    low: float
    high: float
    missing: int = 0

    @property
    def feature_names(self) -> list[str]:
        return _flagged(self.name, self.missing)

    def encode(self, cells: Cells) -> Part:
        numbers = cells.numbers(f"fix the cell, or fit with --categorical {self.name}")
        return _imputed(numbers, self.mean, self.missing, self.name)

    def describe(self) -> str:
        described = f"number from {_plain(self.low)} to {_plain(self.high)}, mean {_plain(self.mean)}"
        return described + _filled(self.missing, "with the mean")


class Boolean(Struct, frozen=True, forbid_unknown_fields=True, tag="boolean"):
    """True or false as 1 or 0, missing cells as for a number; `mean` is the share of true."""

    name: str
    mean: float
    missing: int = 0

    @property
    def feature_names(self) -> list[str]:
        return _flagged(self.name, self.missing)

    def encode(self, cells: Cells) -> Part:
        codes = cells.codes(["0", "1", "false", "true"])
        cells.refuse((codes < 0) & ~cells.missing, "is neither true nor false; fix the cell")
        return _imputed(np.where(codes < 0, np.nan, codes % 2), self.mean, self.missing, self.name)

    def describe(self) -> str:
        return f"true or false, {self.mean:.1%} true" + _filled(self.missing, "with that share")


class Category(Struct, frozen=True, forbid_unknown_fields=True, tag="category"):
    """One 0/1 feature per level but the reference; one more for missing cells if there were any at fit."""

    name: str
    levels: list[str]
    reference: str
    missing: int = 0

    @property
    def feature_names(self) -> list[str]:
        names = [f"{self.name} = {level}" for level in self.levels if level != self.reference]
        return [*names, _flag(self.name)] if self.missing else names

    def encode(self, cells: Cells) -> Part:
        codes, missing = cells.codes(self.levels), cells.missing
        unseen = (codes < 0) & ~missing
        reference = self.levels.index(self.reference)
        feature = codes - (codes > reference)
        if self.missing:
            feature[missing] = len(self.levels) - 1
        present = (codes >= 0) & (codes != reference) | missing & bool(self.missing)
        slot = Slot(np.where(present, feature, 0), present.astype(float))
        return Part([slot], [*self._unseen(cells, unseen), *self._unexpected(missing)])

    def describe(self) -> str:
        own = f", {_count(self.missing, 'missing cell')} as one more level" if self.missing else ""
        return f"category of {_count(len(self.levels), 'level')} against {self.reference!r}{own}"

    def _unseen(self, cells: Cells, unseen: BoolArray) -> list[Note]:
        if not unseen.any():
            return []
        values = pc.unique(cells.text().filter(unseen)).to_pylist()
        return [Note(self.name, int(unseen.sum()), repr(self.reference), tuple(values))]

    def _unexpected(self, missing: BoolArray) -> list[Note]:
        return [] if self.missing else _noted(self.name, missing, repr(self.reference))


class LeftOut(Struct, frozen=True, forbid_unknown_fields=True, tag="left out"):
    """A column the model does not use, and why."""

    name: str
    reason: str

    @property
    def feature_names(self) -> list[str]:
        return []

    def encode(self, cells: Cells) -> Part:
        return Part([], [])

    def describe(self) -> str:
        return f"left out: {self.reason}"


Column = Number | Boolean | Category | LeftOut


def _imputed(numbers: FloatArray, mean: float, flag: int, name: str) -> Part:
    """The numbers, NaN filled by the mean; then the flag, or else a note if there was anything to fill."""
    missing = np.isnan(numbers)
    slots = [Slot(0, np.where(missing, mean, numbers))]
    if flag:
        return Part([*slots, Slot(1, missing.astype(float))], [])
    return Part(slots, _noted(name, missing, f"the mean, {_plain(mean)}"))


def _noted(name: str, missing: BoolArray, stand_in: str) -> list[Note]:
    return [Note(name, int(missing.sum()), stand_in)] if missing.any() else []


def _count(many: int, what: str) -> str:
    return f"{many:,} {what}{'' if many == 1 else 's'}"


def _plain(number: float) -> str:
    return f"{number:,.0f}" if 1e4 <= abs(number) < 1e15 else f"{number:.4g}"


def _flag(name: str) -> str:
    return f"{name} is missing"


def _flagged(name: str, missing: int) -> list[str]:
    return [name, _flag(name)] if missing else [name]


def _filled(missing: int, how: str) -> str:
    return f", {_count(missing, 'missing cell')} filled {how} and flagged" if missing else ""
