"""The cells of one column of any kind of dataframe, as Arrow arrays: numbers, text, and what is missing."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import narwhals as nw
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from separatrix.arguments import LARGEST
from separatrix.arrays import BoolArray, FloatArray, IntArray
from separatrix.cached import cached_property
from separatrix.data.tables.calendar import DATE_LIKE, DateOrder, dates_in
from separatrix.data.tables.locations import row_of
from separatrix.data.tables.numerals import PLAIN, Written, of_other_units, pc, read_numbers
from separatrix.errors import CellError, ColumnError, listing, no_such

Table = nw.DataFrame[Any]
Kind = Literal["number", "boolean", "text", "category", "date", "other"]
Numbered = int | IntArray
"""The number of the first of some rows, or of each where they do not follow each other, (rows,)."""

MISSING = ("", " ", "NA", "N/A", "n/a", "n.a.", "#N/A", "NaN", "nan", "NULL", "null", "None", "?", ".", "--")
"""What a missing cell of text may hold, in files and dataframes alike: the marks of R, pandas, SQL, Excel, UCI's sets,
SAS and tables of statistics. Blanks around them do not count."""

LONG = r"^\s*[+-]?\d{16,}\s*$"
"""Whole numbers that as doubles may be the same as their neighbours."""

NO_TIME = r"( 00:00:00)?(\.0+)?$"
"""What a timestamp as text need not say."""


@dataclass(frozen=True)
class Cells:
    """One column's cells, and what a message needs: the column's name, the table's, the number of its rows.

    `values` is an Arrow array, of text and categories a DictionaryArray, in which NaN and the marks of MISSING have
    become null: `values.null_count` are missing. `marks` says which marks they held, but for blanks.
    """

    name: str
    values: Any
    kind: Kind
    where: str
    first_row: Numbered
    marks: frozenset[str] = frozenset()

    @property
    def missing(self) -> BoolArray:
        """Which cells are missing, (rows,)."""
        return self.values.is_null().to_numpy(zero_copy_only=False)

    @cached_property
    def coded(self) -> Any:
        """The cells as a DictionaryArray: what is asked of each different value alone is soon asked."""
        return self.values if pa.types.is_dictionary(self.values.type) else pc.dictionary_encode(self.values)

    def texts(self) -> Any:
        """The different values as an Arrow array of text: 3 and 3.0 are both '3'.

        Raises
        ------
        ColumnError
            The column holds lists or the like.
        """
        if self.kind == "other":
            raise ColumnError(self.holds("categories"))
        return as_text(self.coded.dictionary)

    def among(self, which: BoolArray, most: int) -> list[str]:
        """The different texts of some cells, so many at most."""
        chosen = pc.unique(self.coded.indices.filter(pa.array(which))).drop_null()[:most]
        return self.texts().take(chosen).to_pylist()

    def codes(self, levels: Sequence[str]) -> NDArray[np.int32]:
        """The position of each cell's text in `levels`, (rows,); -1 for a missing cell or any other value.

        Where the text itself is no level, its value may be: a column that is text in one file ('1.0', 'True',
        '2024-01-31') is numbers, booleans or dates in the next, if no other cell there forces it to be text. A value
        that two levels have is neither of them.

        Raises
        ------
        CellError
            A cell is a number, or the like, that two levels are: 1.1, of 1.1 and 1.10.
        """
        texts, known = self.texts(), pa.array(levels, pa.large_string())
        codes, values = _positions(texts, known), _by_value(known)
        if self.kind not in ("text", "category"):
            either = _positions(_by_value(texts), pc.filter(values, pc.is_null(_once(values)))) >= 0
            self.refuse(
                self.spread(either, False), "is what several labels are, as 1.1 and 1.10 are; give them as text"
            )
        strange = codes < 0
        if strange.any():
            codes[strange] = _positions(_by_value(texts.filter(pa.array(strange))), _once(values))
        return self.spread(codes, np.int32(-1))

    def numbers(
        self, remedy: str = "fix the cell", written: Written = "plain", units: Sequence[str] = ()
    ) -> FloatArray:
        """The cells as numbers, (rows,), NaN where missing; text is read as `written`, in these `units` if there are.

        Raises
        ------
        CellError
            A cell is text that is no number, in another unit, infinite, or too large to square: the first such row.
        ColumnError
            The column holds dates or something else that is no number.
        """
        if self.kind in ("date", "other"):
            raise ColumnError(self.holds("numbers"))
        if pa.types.is_dictionary(self.values.type):
            numbers = self.spread(read_numbers(self.texts(), written), np.nan)
            strange = np.isnan(numbers) & ~self.missing
            if strange.any() and written == "plain":  # a word leaves decimal commas beside it as text: it is to blame
                word = strange & np.isnan(self.spread(read_numbers(self.texts(), "comma"), np.nan))
                strange = word if word.any() else strange
            self.refuse(strange, f"is not a number; {remedy}")
            if units:
                other = self.spread(of_other_units(self.texts(), set(units)), False)
                known = listing(unit or "none" for unit in units)
                self.refuse(other, f"has another unit than at fit ({known}); write the cell in that")
        else:
            numbers = as_floats(self.values)
        if excess := self.excess(numbers):
            raise CellError(f"{excess} {remedy}.")
        return numbers

    def excess(self, numbers: FloatArray) -> str | None:
        """Of the cells as numbers, (rows,), the first that is infinite or too large to square, in words that go on."""
        if not (beyond := np.abs(numbers) > LARGEST).any():
            return None
        finite = np.isfinite(numbers[np.argmax(beyond)])
        why = "is too large to square; rescale the column," if finite else "is not a finite number;"
        return f"{self.place(beyond)} {why}"

    def dates(self, order: DateOrder = "") -> Any:
        """The cells as an Arrow array of dates or times; text that is dates counts, in this order of day and month.

        Raises
        ------
        CellError
            A cell is text that is no date: the first such row.
        ColumnError
            The column holds numbers or something else that is no date.
        """
        if self.kind == "date":
            return self.values
        if self.values.null_count == len(self.values):
            return pa.nulls(len(self.values), pa.timestamp("us"))
        if self.kind not in ("text", "category"):
            raise ColumnError(self.holds("dates"))
        dates = dates_in(self.texts(), order).take(self.coded.indices)
        strange = dates.is_null().to_numpy(zero_copy_only=False) & ~self.missing
        self.refuse(strange, f"is not a date like {DATE_LIKE[order]}; fix the cell")
        return dates

    def spread(self, each: NDArray, gap: Any) -> NDArray:
        """What is known of each different value, for each cell, (rows,); `gap` for missing ones."""
        return np.append(each, gap)[self.coded.indices.fill_null(len(each)).to_numpy()].astype(each.dtype, copy=False)

    def refuse(self, bad: BoolArray, why: str) -> None:
        """Raise the CellError that names the first bad row, if there is one."""
        if bad.any():
            raise CellError(f"{self.place(bad)} {why}.")

    def place(self, bad: BoolArray) -> str:
        """The first of these cells, for a message: its column, row and value."""
        row = int(np.argmax(bad))
        value = repr(self.values[row].as_py()) if self.values[row].is_valid else "an empty cell"
        return f"column {self.name!r}, {row_of(self.where, self.number(row))}: {value}"

    def number(self, row: int) -> int:
        """The number of one of these rows in the table."""
        return self.first_row + row if isinstance(self.first_row, int) else int(self.first_row[row])

    def holds(self, due: str) -> str:
        """The message for a column of the wrong kind."""
        kind = self.values.type.value_type if pa.types.is_dictionary(self.values.type) else self.values.type
        return f"column {self.name!r} of {self.where} holds {kind} where {due} are due; convert it or leave it out."


def each_of(first_row: Numbered, rows: int) -> IntArray:
    """The number of each of so many rows, (rows,)."""
    return np.arange(first_row, first_row + rows) if isinstance(first_row, int) else first_row


def cells_of(table: Table, name: str, where: str = "the data", first_row: Numbered = 1) -> Cells:
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
    return checked_cells(table, name, where, first_row)


def checked_cells(table: Table, name: str, where: str, first_row: Numbered) -> Cells:
    """As `cells_of`, of a column that is known to be there: to list all names takes a while when they are many."""
    values = _arrow(table, name)
    if is_text(values.type) or pa.types.is_dictionary(values.type):
        kind: Kind = "text" if is_text(values.type) else "category"
        coded, marks = _without_marks(_coded(values))
        if _kind(coded.type.value_type) == "other":
            return Cells(name, coded, "other", where, first_row)
        return Cells(name, coded, kind, where, first_row, marks)
    return Cells(name, _with_nulls(values), _kind(values.type), where, first_row)


def is_text(kind: Any) -> bool:
    """Is it one of Arrow's types of text?"""
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def are_typed(levels: Sequence[str]) -> bool:
    """Is each level written as the value of a typed cell is: a number, true or false, a date?

    >>> are_typed(["1.1", "2024-01-31", "true"]), are_typed(["1.1", "1.10"]), are_typed(["1.1", "beta"])
    (True, False, False)
    """
    texts = pa.array(levels, pa.large_string())
    return pc.all(pc.equal(_typed(texts), texts).fill_null(False)).as_py()


def as_text(values: Any) -> Any:
    """Arrow values as text, each number the same whether stored as an integer or not, and midnight as the day."""
    if pa.types.is_floating(values.type):
        values = pc.add(values, 0.0)  # so that -0.0 is '0'
    texts = pc.cast(values, pa.large_string())
    if pa.types.is_timestamp(values.type):
        return pc.replace_substring_regex(texts, pattern=NO_TIME, replacement="")
    return texts


def as_floats(values: Any) -> FloatArray:
    """Arrow numbers as an array of doubles, NaN for null."""
    return pc.cast(values, pa.float64(), safe=False).to_numpy(zero_copy_only=False)


def _positions(text: Any, levels: Any) -> NDArray[np.int32]:
    return pc.index_in(text, value_set=levels).fill_null(-1).to_numpy().copy()


def _by_value(text: Any) -> Any:
    """Text with each number and each date in one spelling, and true and false in small letters; a LONG number is a name
    and no amount."""
    return pc.if_else(pc.match_substring_regex(text, LONG), text, pc.coalesce(_typed(text), text))


def _typed(text: Any) -> Any:
    """Text that is a number, a date, true or false in one spelling, null for other."""
    numeric = pc.if_else(pc.match_substring_regex(text, PLAIN), pc.utf8_trim_whitespace(text), None)
    numbers, dates, small = pc.cast(numeric, pa.float64()), dates_in(text), pc.utf8_lower(text)
    boolean = pc.is_in(small, value_set=pa.array(["true", "false"], pa.large_string()))
    return pc.coalesce(as_text(numbers), as_text(dates), pc.if_else(boolean, small, None))


def _once(values: Any) -> Any:
    """The values, null for those that come more than once."""
    counted = pc.value_counts(values)
    several = counted.field("values").filter(pc.greater(counted.field("counts"), 1))
    return pc.if_else(pc.is_in(values, value_set=several), None, values)


def arrow_table(table: Table) -> pa.Table:
    """A dataframe of any kind as Arrow holds it, each column as `cells_of` has it: text where Arrow has no type."""
    native = table.to_native()
    return native if isinstance(native, pa.Table) else pa.table({str(n): _arrow(table, n) for n in table.columns})


def _arrow(table: Table, name: str) -> Any:
    """The column as one Arrow array; what Arrow has no type for as text: mixed objects of pandas, cuts, complex, whole
    numbers beyond 64 bits."""
    native = table.to_native()
    if isinstance(native, pa.Table):
        return _whole(native[name])
    series = table.get_column(name)
    try:
        values = _whole(series.to_arrow())
        if not (pa.types.is_dictionary(values.type) and isinstance(values.type.value_type, pa.BaseExtensionType)):
            return values
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError):
        pass
    missing = series.is_null().to_list()
    cells = [None if gap else str(cell) for gap, cell in zip(missing, series.to_list(), strict=True)]
    return pa.array(cells, pa.large_string())


def _whole(column: Any) -> Any:
    """An Arrow column as one array, as it may be in chunks: of pandas, too."""
    if not isinstance(column, pa.ChunkedArray):
        return column
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()  # which copies even one


def _coded(values: Any) -> Any:
    """Text and categories as a DictionaryArray of each value once, without null."""
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    return pc.dictionary_encode(pc.cast(values, pa.large_string()) if is_text(values.type) else _with_nulls(values))


def _without_marks(coded: Any) -> tuple[Any, frozenset[str]]:
    """Text with null for the marks of MISSING, and which of them cells held."""
    texts = coded.dictionary
    if not is_text(texts.type):
        return coded, frozenset()
    trimmed = pc.utf8_trim_whitespace(texts)
    mark = pc.is_in(trimmed, value_set=pa.array(MISSING, pa.large_string()))
    if not pc.any(mark).as_py():
        return coded, frozenset()
    marked = mark.take(coded.indices).fill_null(False)
    held = trimmed.take(pc.unique(coded.indices.filter(marked))).to_pylist()
    left = pc.if_else(marked, pa.scalar(None, coded.indices.type), coded.indices)
    return pa.DictionaryArray.from_arrays(left, texts), frozenset(filter(None, held))


def _with_nulls(values: Any) -> Any:
    """NaN is missing too; every number with a fraction is a double."""
    if pa.types.is_floating(values.type) or pa.types.is_decimal(values.type):
        values = pc.cast(values, pa.float64())
        if len(values) and np.isnan(as_floats(values).min()):
            return pc.if_else(pc.is_nan(values), pa.scalar(None, values.type), values)
    return values


def _kind(kind: Any) -> Kind:
    if pa.types.is_boolean(kind):
        return "boolean"
    if any(test(kind) for test in (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, pa.types.is_null)):
        return "number"
    if is_text(kind):
        return "text"
    lasting = pa.types.is_duration(kind) or pa.types.is_interval(kind)
    return "date" if pa.types.is_temporal(kind) and not lasting else "other"
