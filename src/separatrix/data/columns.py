"""Table columns -> numbers: learned once from the training rows, stored in the model, then always alike."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from msgspec import Struct
from scipy import sparse

from separatrix.data.cells import Table, cells_of
from separatrix.data.encoders import Boolean, Category, Column, LeftOut, Note, Number, Part, Slot
from separatrix.data.infer import category, infer_column, number, without_duplicates
from separatrix.errors import ArgumentError, ColumnError, listing, no_such

__all__ = ["Boolean", "Category", "Column", "Columns", "Encoded", "LeftOut", "Number", "Table"]

MANY_FEATURES = 64  # up to here a dense matrix is always the faster one
MOSTLY_ZERO = 0.2  # share of non-zeros below which a sparse matrix is


@dataclass(frozen=True)
class Encoded:
    """The numbers X, (rows, features), dense or CSR, and notes of cells that fitting had not seen."""

    X: Any
    notes: tuple[Note, ...] = ()


class Columns(Struct, frozen=True, forbid_unknown_fields=True):
    """The columns of a table, in its order, and what becomes of each.

    Examples
    --------
    >>> import narwhals as nw
    >>> data = {"age": [31.0, None, 47.0], "city": ["Rome", "Oslo", "Rome"], "ill": [0, 1, 0]}
    >>> columns = Columns.learn(nw.from_dict(data, backend="pyarrow"), target="ill")
    >>> columns.feature_names
    ['age', 'age is missing', 'city = Oslo']
    >>> encoded = columns.encode(nw.from_dict({"age": [50], "city": ["Paris"]}, backend="pyarrow"))
    >>> encoded.X
    array([[50., 0., 0.]])
    >>> print(*encoded.notes)
    column 'city': 1 row holds 1 value unseen at fit (Paris); counted as 'Rome'
    """

    columns: list[Column]

    @classmethod
    def learn(
        cls,
        table: Table,
        *,
        target: str,
        drop: Sequence[str] = (),
        categorical: Sequence[str] = (),
        numeric: Sequence[str] = (),
        where: str = "the data",
    ) -> "Columns":
        """Decide from the training rows what becomes of each column but the target.

        Parameters
        ----------
        table : the training rows
        target : name of the column to predict
        drop, categorical, numeric : names of columns to leave out, or to take as categories or as numbers
        where : what messages call the table

        Raises
        ------
        ColumnError
            A named column is not in the table, or no column is left to learn from.
        CellError
            A cell is infinite, or is no number in a column of numbers.
        ArgumentError
            A column is named both categorical and numeric.
        """
        _check_names(table, (target, *drop, *categorical, *numeric), where)
        if both := set(categorical) & set(numeric):
            raise ArgumentError(f"column {min(both)!r} cannot be both categorical and numeric; name it once.")
        learners = dict.fromkeys(categorical, category) | dict.fromkeys(numeric, number)
        learned = (
            LeftOut(name, "dropped by the user")
            if name in drop
            else learners.get(name, infer_column)(cells_of(table, name, where))
            for name in table.columns
            if name != target
        )
        columns = cls(list(without_duplicates(table, learned)))
        if not columns.needs:
            reasons = listing(f"{name!r} ({words})" for name, words in columns.describe())
            raise ColumnError(f"no column of {where} can be learned from: {reasons or 'it has only the target'}.")
        return columns

    @property
    def needs(self) -> list[str]:
        """The columns that new rows must have."""
        return [column.name for column in self.columns if not isinstance(column, LeftOut)]

    @property
    def feature_names(self) -> list[str]:
        """A name for each column of X, no two alike."""
        return _unique([name for column in self.columns for name in column.feature_names])

    def encode(self, table: Table, where: str = "the data", first_row: int = 1) -> Encoded:
        """The numbers of any rows, (rows, features); messages count the rows from `first_row`.

        X is a dense array in C order, or CSR when it has many features and they are mostly zero.

        Raises
        ------
        ColumnError
            A needed column is absent: the message holds the nearest name.
        CellError
            A cell is not the number its column needs.
        """
        _check_names(table, self.needs, where)
        slots: list[Slot] = []
        notes: list[Note] = []
        features = 0
        for column in self.columns:
            if not isinstance(column, LeftOut):
                part: Part = column.encode(cells_of(table, column.name, where, first_row))
                slots += [Slot(features + slot.feature, slot.value) for slot in part.slots]
                notes += part.notes
                features += len(column.feature_names)
        return Encoded(_matrix(slots, len(table), features), tuple(notes))

    def describe(self) -> list[tuple[str, str]]:
        """Each column, and what was done to it, in words."""
        return [(column.name, column.describe()) for column in self.columns]


def _check_names(table: Table, names: Sequence[str], where: str) -> None:
    known = set(table.columns)
    for name in names:
        if name not in known:
            raise ColumnError(no_such("column", name, table.columns, f"in {where}"))


def _matrix(slots: list[Slot], rows: int, features: int) -> Any:
    if features > MANY_FEATURES and rows:
        non_zero = sum(np.count_nonzero(slot.value) for slot in slots)
        if non_zero < MOSTLY_ZERO * rows * features:
            return _sparse(slots, (rows, features))
    X = np.zeros((rows, features))
    every = np.arange(rows)
    for slot in slots:
        X[slice(None) if isinstance(slot.feature, int) else every, slot.feature] = slot.value
    return X


def _sparse(slots: list[Slot], shape: tuple[int, int]) -> sparse.csr_array:
    rows = [np.flatnonzero(slot.value).astype(np.int32) for slot in slots]
    features = [np.broadcast_to(slot.feature, shape[:1])[row] for slot, row in zip(slots, rows, strict=True)]
    values = [slot.value[row] for slot, row in zip(slots, rows, strict=True)]
    triplets = (np.concatenate(values), (np.concatenate(rows), np.concatenate(features)))
    return sparse.coo_array(triplets, shape=shape).tocsr()


def _unique(names: list[str]) -> list[str]:
    """Each name once: a second 'a' becomes 'a (2)'."""
    taken: dict[str, None] = {}
    for name in names:
        candidate, count = name, 1
        while candidate in taken:
            count += 1
            candidate = f"{name} ({count})"
        taken[candidate] = None
    return list(taken)
