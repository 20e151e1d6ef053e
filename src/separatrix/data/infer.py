"""What a column is, seen from its cells: a number, true or false, a category, or nothing a model can use."""

from collections import defaultdict
from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa
from msgspec import json
from msgspec.structs import replace

from separatrix.data.cells import Cells, Table, cells_of, pc
from separatrix.data.encoders import Boolean, Category, Column, LeftOut, Number

FEW_ROWS = 20  # with so few rows, as many values as rows may well be chance
NEARLY_ALL = 0.9  # of a column's cells: then the others are taken for mistakes
FEW_NUMBERS = 10  # a column with fewer different numbers may be codes, some of them letters
LONG = 30  # characters on average: names and codes are shorter, sentences longer


def infer_column(cells: Cells) -> Column:
    """What the column is, by its type, and for text by what it holds.

    Raises
    ------
    CellError
        A number is infinite, or nearly all cells of text are numbers and this one is not.
    """
    if cells.values.null_count == len(cells.values):
        return LeftOut(cells.name, "empty: every cell is missing")
    if cells.kind == "other":
        return LeftOut(cells.name, f"nested or binary: its type is {cells.values.type}")
    if cells.kind == "date":
        return LeftOut(cells.name, f"a date or time: its type is {cells.values.type}")
    if cells.kind == "boolean":
        return boolean(cells)
    if cells.kind == "category":
        return category(cells)
    return _from_text(cells) if cells.kind == "text" else _from_numbers(cells)


def number(cells: Cells) -> Column:
    """The column as a number, whatever its type; left out if it never varies."""
    numbers = cells.numbers(f"fix the cell, or pass --categorical {cells.name}")
    known = numbers[~np.isnan(numbers)]
    if known.size == 0 or (known.min() == known.max()):
        return category(cells)  # one value and gaps: only the gaps can tell, so they are the feature
    mean, low, high = float(np.mean(known)), float(known.min()), float(known.max())
    return Number(cells.name, mean, low, high, cells.values.null_count)


def boolean(cells: Cells) -> Column:
    """The column as 0 and 1; left out if it never varies."""
    mean = pc.mean(cells.values).as_py()
    return Boolean(cells.name, mean, cells.values.null_count) if 0 < mean < 1 else category(cells)


def category(cells: Cells) -> Column:
    """The column as a category, its most frequent level the reference; left out if it never varies."""
    counted = pc.value_counts(cells.text().drop_null()).to_pylist()
    if not counted:
        return LeftOut(cells.name, "empty: every cell is missing")
    if len(counted) == 1 and not cells.values.null_count:
        return LeftOut(cells.name, f"constant: every row holds {counted[0]['values']}")
    counts = {pair["values"]: pair["counts"] for pair in counted}
    levels = _sorted(counts)
    return Category(cells.name, levels, max(levels, key=lambda level: counts[level]), cells.values.null_count)


def without_duplicates(table: Table, columns: Iterable[Column]) -> Iterator[Column]:
    """The columns, each exact copy of an earlier one left out."""
    seen: dict[bytes, list[Column]] = defaultdict(list)
    for column in columns:
        alike = seen[json.encode(replace(column, name=""))]
        twin = next((other for other in alike if _same(table, column, other)), None)
        alike.append(column)
        yield LeftOut(column.name, f"duplicate of column {twin.name!r}") if twin else column


def _same(table: Table, one: Column, other: Column) -> bool:
    if isinstance(one, LeftOut):
        return False
    pairs = zip(*(column.encode(cells_of(table, column.name)).slots for column in (one, other)), strict=True)
    return all(np.array_equal(a.value, b.value) and np.array_equal(a.feature, b.feature) for a, b in pairs)


def _from_numbers(cells: Cells) -> Column:
    if _counts_the_rows(cells):
        return LeftOut(cells.name, "identifier: it counts the rows")
    return number(cells)


def _counts_the_rows(cells: Cells) -> bool:
    """An index that a dataframe wrote along, or a row number: it rises from row to row, from 0 or 1 on.

    Up to every other row may be absent, held out for a test.
    """
    rows = len(cells.values)
    if rows <= FEW_ROWS or cells.values.null_count or not pa.types.is_integer(cells.values.type):
        return False
    numbers = cells.values.to_numpy()
    return bool(numbers[0] >= 0 and numbers[-1] <= 2 * rows and (numbers[1:] > numbers[:-1]).all())


def _from_text(cells: Cells) -> Column:
    known = cells.values.drop_null()
    numeric = cells.numeric()[~cells.missing]
    different = pc.count_distinct(known.filter(numeric)).as_py()
    if numeric.all() or (numeric.mean() >= NEARLY_ALL and different >= FEW_NUMBERS):
        return number(cells)
    rows, levels = len(known), pc.count_distinct(known).as_py()
    length = pc.mean(pc.utf8_length(known)).as_py()
    if rows > FEW_ROWS and levels > rows / 2:
        reason = "free text" if length > LONG else "identifier"
        return LeftOut(cells.name, f"{reason}: {levels:,} different values in {rows:,} rows")
    if levels > FEW_ROWS and length > 2 * LONG:
        return LeftOut(cells.name, f"free text: {length:.0f} characters on average, {levels:,} different values")
    return category(cells)


def _sorted(levels: Iterable[str]) -> list[str]:
    """By value if all are numbers ('2' before '10'), else by alphabet."""
    levels = sorted(levels)
    try:
        return sorted(levels, key=float)
    except ValueError:
        return levels
