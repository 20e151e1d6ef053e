"""Table columns -> numbers: learned once from the training rows, stored in the model, then always alike."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, combinations
from typing import Any, Literal, get_args

from msgspec import Struct

from separatrix.data.tables.calendar import DatePart
from separatrix.data.tables.cells import Cells, Numbered, Table, checked_cells
from separatrix.data.tables.encoders import (
    Boolean,
    Category,
    Column,
    Date,
    LeftOut,
    Note,
    Number,
    Part,
    Slot,
    Stretch,
    Text,
)
from separatrix.data.tables.infer import Rules, category, check_lists, infer_column, number, without_duplicates
from separatrix.data.tables.infer import text as as_words
from separatrix.data.tables.matrix import matrix_of
from separatrix.data.tables.tally import Tally, tally
from separatrix.errors import ArgumentError, ColumnError, DataError, listing, no_such

__all__ = [
    "Boolean",
    "Category",
    "Column",
    "Columns",
    "Date",
    "DatePart",
    "Encoded",
    "LeftOut",
    "Number",
    "Rules",
    "Table",
    "Text",
    "Unseen",
]

Unseen = Literal["pool", "error"]
DROPPED = "dropped by the user"


@dataclass(frozen=True)
class Encoded:
    """The numbers X, (rows, features), dense or CSR, and notes of cells that fitting had not seen."""

    X: Any
    notes: tuple[Note, ...]


class Columns(Struct, frozen=True, forbid_unknown_fields=True):
    """The columns of a table, in its order, and what becomes of each; and of levels that fitting had not seen.

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
    unseen: Unseen = "pool"

    @classmethod
    def learn(cls, table: Table, *, where: str = "the data", **options: Any) -> "Columns":
        """`from_tally` of the training rows themselves; `where` is what messages call the table."""
        return cls.from_tally(tally(table, where), **options)

    @classmethod
    def from_tally(
        cls,
        tally: Tally,
        *,
        target: str | None = None,
        drop: Sequence[str] = (),
        categorical: Sequence[str] = (),
        numeric: Sequence[str] = (),
        text: Sequence[str] = (),
        date: Sequence[str] = Rules.date,
        unseen: Unseen = "pool",
        floor: float | None = None,
        text_width: int = Rules.text_width,
        where: str | None = None,
    ) -> "Columns":
        """Decide from the tally of the training rows what becomes of each column but the target.

        Parameters
        ----------
        tally : of the training rows, or the sum of those of all their batches
        target : name of the column to predict, if it is among them
        drop, categorical, numeric, text : names of columns to leave out, or to take as categories, as numbers, or as
            text whose words are hashed
        date : the parts of dates to use: day, year, month, weekday, hour; with none dates are left out
        unseen : "pool" counts a level unseen at fit as a rare one, or as the reference if none was; "error" refuses it
        floor : levels of fewer rows, or below 1 of a smaller share of them, are pooled; by default those of fewer than
            10 rows, in columns of more than 20 levels
        text_width : features that the words of a text are hashed to
        where : what messages call the table, if not what the tally calls it

        Raises
        ------
        ColumnError
            A named column is not in the table or cannot be what is asked, or no column is left to learn from.
        CellError
            A cell is infinite, or is no number in a column of numbers.
        ArgumentError
            A column is named to be two things, or an option has no meaning.
        DataError
            There are no rows.
        """
        where = where or tally.where
        if not tally.rows:
            raise DataError(f"{where} has no rows to learn columns from; add rows.")
        named = {"drop": drop, "categorical": categorical, "numeric": numeric, "text": text}
        check_lists(**named)
        _check_texts(named)
        rules = Rules(date, floor, text_width)
        rules.check()
        _check_unseen(unseen)
        _check_names(tally.columns, [*([] if target is None else [target]), *chain(*named.values())], where)
        _check_named_once(named)
        learners = dict.fromkeys(categorical, category) | dict.fromkeys(numeric, number) | dict.fromkeys(text, as_words)
        learned = (
            LeftOut(name, DROPPED) if name in drop else learners.get(name, infer_column)(column, rules)
            for name, column in tally.columns.items()
            if name != target
        )
        columns = cls(list(without_duplicates(tally, learned)), unseen)
        if not columns.needs:
            reasons = listing(f"{name!r} ({words})" for name, words in columns.describe())
            rows = " one sample" if tally.rows == 1 else ""
            raise ColumnError(f"no column of {where} can be learned from{rows}: {reasons or 'it has only the target'}.")
        return columns

    @property
    def needs(self) -> list[str]:
        """The columns that new rows must have."""
        return [column.name for column in self.columns if not isinstance(column, LeftOut)]

    @property
    def as_text(self) -> list[str]:
        """The columns whose cells files of text are to give as they are written."""
        return [column.name for column in self.columns if column.as_text]

    @property
    def feature_names(self) -> list[str]:
        """A name for each column of X, no two alike."""
        return _unique([name for column in self.columns for name in column.feature_names])

    def encode(
        self, table: Table, where: str = "the data", first_row: Numbered = 1, unseen: Unseen | None = None
    ) -> Encoded:
        """The numbers of any rows, (rows, features); messages count the rows from `first_row`.

        X is a dense array in C order, or CSR when it has many features and they are mostly zero, or hashed words.
        `unseen` overrules what the columns do with levels unseen at fit.

        Raises
        ------
        ColumnError
            A needed column is absent: the message holds the nearest name.
        CellError
            A cell is not the number or date its column needs, or a level unseen at fit is to be refused.
        """
        strict = (unseen or self.unseen) == "error"
        _check_names(table.columns, self.needs, where)
        slots: list[Slot | Stretch] = []
        notes: list[Note] = []
        features = 0
        for column in self.columns:
            if not isinstance(column, LeftOut):
                part = _encode(column, checked_cells(table, column.name, where, first_row), strict)
                slots += [slot.moved(features) for slot in part.slots]
                notes += part.notes
                features += len(column.feature_names)
        return Encoded(matrix_of(slots, len(table), features), tuple(notes))

    def describe(self) -> list[tuple[str, str]]:
        """Each column, and what was done to it, in words."""
        return [(column.name, column.describe()) for column in self.columns]


def told_of(options: Mapping[str, Any]) -> list[str]:
    """The columns of which the options of `from_tally` tell what becomes of them."""
    return [name for how in ("drop", "categorical", "numeric", "text") for name in options.get(how, ())]


def _encode(column: Column, cells: Cells, strict: bool) -> Part:
    part = column.encode(cells)
    if strict and isinstance(column, Category) and any(note.values for note in part.notes):
        unseen = (cells.codes(column.known) < 0) & ~cells.missing
        cells.refuse(unseen, "was not seen at fit; fix the cell, or fit with Columns(unseen='pool')")
    return part


def _check_names(known: Iterable[str], names: Iterable[str], where: str) -> None:
    known = dict.fromkeys(known)
    for name in names:
        if name not in known:
            raise ColumnError(no_such("column", name, known, f"in {where}"))


def _check_texts(named: dict[str, Sequence[str]]) -> None:
    for argument, names in named.items():
        for name in names:
            if not isinstance(name, str):
                raise ArgumentError(
                    f"{argument}={names!r} holds {name!r}, and names of columns are text, such as 'age', or 'x3' for "
                    "column 3 of an array."
                )


def _check_named_once(named: dict[str, Sequence[str]]) -> None:
    for (one, ours), (other, theirs) in combinations(named.items(), 2):
        if both := set(ours) & set(theirs):
            raise ArgumentError(f"column {min(both)!r} cannot be both {one} and {other}; name it once.")


def _check_unseen(unseen: str) -> None:
    if unseen not in get_args(Unseen):
        raise ArgumentError(f"unseen={unseen!r} must be one of {', '.join(get_args(Unseen))}.")


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
