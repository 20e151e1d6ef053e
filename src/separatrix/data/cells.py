"""The cells of one column of any kind of dataframe, as Arrow arrays: numbers, text, and what is missing."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import narwhals as nw
import numpy as np
import pyarrow as pa
import pyarrow.compute
from numpy.typing import NDArray

from separatrix.arrays import BoolArray, FloatArray
from separatrix.errors import CellError, ColumnError, no_such

Table = nw.DataFrame[Any]
Kind = Literal["number", "boolean", "text", "category", "date", "other"]

pc: Any = pyarrow.compute  # makes its functions when imported, so type checkers cannot see them

NUMBER = r"^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$"


@dataclass(frozen=True)
class Cells:
    """One column's cells, and what a message needs: the column's name, the table's, the first row's number.

    `values` is an Arrow array in which NaN and blank text have become null: `values.null_count` are missing.
    """

    name: str
    values: Any
    kind: Kind
    where: str = "the data"
    first_row: int = 1

    @property
    def missing(self) -> BoolArray:
        """Which cells are missing, (rows,)."""
        return self.values.is_null().to_numpy(zero_copy_only=False)

    def text(self) -> Any:
        """The cells as an Arrow array of text: 3 and 3.0 are both '3'.

        Raises
        ------
        ColumnError
            The column holds lists or the like.
        """
        if self.kind == "other":
            raise ColumnError(self._holds("categories"))
        return as_text(self.values)

    def codes(self, levels: Sequence[str]) -> NDArray[np.int32]:
        """The position of each cell's text in `levels`, (rows,); -1 for a missing cell or any other value.

        Where the text itself is no level, its value may be: a column that is text in one file ('1.0', 'True')
        is numbers or booleans in the next, if no other cell there forces it to be text.
        """
        text, known = self.text(), pa.array(levels, pa.large_string())
        codes = _positions(text, known)
        strange = (codes < 0) & ~self.missing
        if strange.any():
            codes[strange] = _positions(_by_value(text.filter(strange)), _by_value(known))
        return codes

    def numbers(self, remedy: str = "fix the cell") -> FloatArray:
        """The cells as numbers, (rows,), NaN where missing.

        Raises
        ------
        CellError
            A cell is text that is no number, or infinite: the first such row.
        ColumnError
            The column holds dates or something else that is no number.
        """
        values = self.values
        if self.kind in ("date", "other"):
            raise ColumnError(self._holds("numbers"))
        if is_text(values.type):
            self.refuse(~self.numeric(), f"is not a number; {remedy}")
            values = pc.utf8_trim_whitespace(values)
        numbers = pc.cast(values, pa.float64(), safe=False).to_numpy(zero_copy_only=False)
        self.refuse(np.isinf(numbers), f"is not a finite number; {remedy}")
        return numbers

    def numeric(self) -> BoolArray:
        """Which cells of a text column are missing or read as a number, (rows,)."""
        return pc.match_substring_regex(self.values, NUMBER).fill_null(True).to_numpy(zero_copy_only=False)

    def refuse(self, bad: BoolArray, why: str) -> None:
        """Raise the CellError that names the first bad row, if there is one."""
        if bad.any():
            row = int(np.argmax(bad))
            value = repr(self.values[row].as_py()) if self.values[row].is_valid else "an empty cell"
            place = f"column {self.name!r}, row {self.first_row + row} of {self.where}"
            raise CellError(f"{place}: {value} {why}.")

    def _holds(self, due: str) -> str:
        held = f"column {self.name!r} of {self.where} holds {self.values.type}"
        return f"{held} where {due} are due; convert it or leave it out."


def cells_of(table: Table, name: str, where: str = "the data", first_row: int = 1) -> Cells:
    """The cells of column `name`.

    Raises
    ------
    ColumnError
        The table has no such column; the message holds the nearest name.

    Examples
    --------
    >>> import narwhals as nw
    >>> table = nw.from_dict({"age": ["31", " ", "47"]}, backend="pyarrow")
    >>> cells_of(table, "age").numbers()
    array([31., nan, 47.])
    """
    if name not in table.columns:
        raise ColumnError(no_such("column", name, table.columns, f"in {where}"))
    values = _arrow(table[name])
    if pa.types.is_dictionary(values.type):
        return Cells(name, _with_nulls(values.cast(values.type.value_type)), "category", where, first_row)
    return Cells(name, _with_nulls(values), _kind(values.type), where, first_row)


def is_text(kind: Any) -> bool:
    """Is it one of Arrow's types of text?"""
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def as_text(values: Any) -> Any:
    """Arrow values as text, each number the same whether stored as an integer or not."""
    if pa.types.is_floating(values.type):
        values = pc.add(values, 0.0)  # so that -0.0 is '0'
    return pc.cast(values, pa.large_string())


def _positions(text: Any, levels: Any) -> NDArray[np.int32]:
    return pc.index_in(text, value_set=levels).fill_null(-1).to_numpy().copy()


def _by_value(text: Any) -> Any:
    """Text with each number in one spelling, and true and false in small letters."""
    numeric = pc.if_else(pc.match_substring_regex(text, NUMBER), pc.utf8_trim_whitespace(text), None)
    small = pc.utf8_lower(text)
    boolean = pc.is_in(small, value_set=pa.array(["true", "false"], pa.large_string()))
    return pc.coalesce(as_text(pc.cast(numeric, pa.float64())), pc.if_else(boolean, small, text))


def _arrow(series: nw.Series[Any]) -> Any:
    """The column as one Arrow array; mixed objects of pandas, for which Arrow has no type, as text."""
    try:
        return series.to_arrow()
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        missing = series.is_null().to_list()
        return pa.array(
            [None if gap else str(cell) for gap, cell in zip(missing, series.to_list(), strict=True)],
            pa.large_string(),
        )


def _with_nulls(values: Any) -> Any:
    """NaN and blank text are missing too; every number with a fraction is a double."""
    if pa.types.is_floating(values.type) or pa.types.is_decimal(values.type):
        values = pc.cast(values, pa.float64())
        return pc.if_else(pc.is_nan(values), pa.scalar(None, values.type), values)
    if is_text(values.type):
        values = pc.cast(values, pa.large_string())
        return pc.if_else(pc.match_substring_regex(values, r"^\s*$"), pa.scalar(None, values.type), values)
    return values


def _kind(kind: Any) -> Kind:
    if pa.types.is_boolean(kind):
        return "boolean"
    if any(test(kind) for test in (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, pa.types.is_null)):
        return "number"
    if is_text(kind):
        return "text"
    return "date" if pa.types.is_temporal(kind) else "other"
