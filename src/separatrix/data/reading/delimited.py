"""CSV and its kin through DuckDB: every cell is read as text first, so no type is guessed from a part.

One pass over all files counts, for each column, the cells that each type can hold; a second reads them so.
"""

import glob
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path
from typing import Any, NamedTuple, cast

import duckdb
import pyarrow as pa

from separatrix.data.reading.dialect import (
    ASTRAY,
    PACKED,
    Dialect,
    check_closed,
    dialect_of,
    unexpanded,
)
from separatrix.data.tables.calendar import DATED
from separatrix.data.tables.cells import MISSING
from separatrix.errors import ColumnError, FileError

GUARD = r"NOT regexp_matches({0}, '^\s*[+-]?(0\d|[nN])') AND NOT contains({0}, '_')"
"""007 is a code, as in `written`; NAN and 1_000 are numbers to DuckDB alone."""
NUMBER = f"CASE WHEN {GUARD} THEN TRY_CAST({{0}} AS DOUBLE) END"


class Kind(NamedTuple):
    """A type that a column can have, as SQL: `fits` is null where a cell does not fit, `value` what a cell then is."""

    fits: str
    value: str


TEXT = Kind("{0}", "{0}")
DECIMAL = Kind(NUMBER, "TRY_CAST({0} AS DOUBLE)")
KINDS = [
    Kind(f"CASE WHEN TRY_CAST({{0}} AS BIGINT) = {NUMBER} THEN 1 END", "TRY_CAST({0} AS BIGINT)"),
    Kind(f"CASE WHEN TRY_CAST({{0}} AS UBIGINT) = {NUMBER} THEN 1 END", "TRY_CAST({0} AS UBIGINT)"),
    DECIMAL,
    Kind("CASE WHEN lower({0}) IN ('true', 'false') THEN 1 END", "TRY_CAST({0} AS BOOLEAN)"),
    Kind(
        f"CASE WHEN regexp_matches({{0}}, '{DATED}') THEN TRY_CAST({{0}} AS TIMESTAMP) END",
        "TRY_CAST({0} AS TIMESTAMP)",
    ),
]
"""Whole numbers, with a sign and without, numbers, true and false, dates; the first that fits all cells is a
column's."""

COMMA = "TRY_CAST(replace({0}, ',', '.') AS DOUBLE)"
DECIMAL_COMMA = Kind(f"CASE WHEN {GUARD} AND NOT contains({{0}}, '.') THEN {COMMA} END", COMMA)
"""Where cells are parted by semicolons; a point beside a comma parts thousands, which is left to `written`."""


@dataclass(frozen=True)
class Layout:
    """How a file is delimited, and for each column the SQL that makes a value of its text, in the order in which they
    are to be read, which is that of the first of several files."""

    dialect: Dialect
    casts: dict[str, str]

    @property
    def decimals(self) -> list[str]:
        """The columns that are numbers with a decimal point, or comma."""
        return [name for name, cast in self.casts.items() if cast in (DECIMAL.value, DECIMAL_COMMA.value)]

    def as_text(self, names: Iterable[str]) -> "Layout":
        """It with the cells of these columns, as far as there are such, as they are written."""
        return replace(self, casts=self.casts | {name: TEXT.value for name in names if name in self.casts})

    def read(
        self, connection: duckdb.DuckDBPyConnection, path: Path, rows: int, columns: Sequence[str] | None = None
    ) -> Iterator[pa.RecordBatch]:
        """The rows of the file in order, at most so many at a time, with all columns or these.

        Raises duckdb.Error for a line that is not like the first: see `explain`.
        """
        names = list(self.casts if columns is None else columns)
        place = {name: f"c{i}" for i, name in enumerate(self.dialect.names)}
        casts = ", ".join(f"{self.casts[name].format(place[name])} AS {place[name]}" for name in names)
        for batch in _as_text(connection, [path], self.dialect).project(casts).to_arrow_reader(rows):
            yield batch.rename_columns(names)


def layouts_of(connection: duckdb.DuckDBPyConnection, paths: list[Path]) -> Iterator[tuple[Layout, int]]:
    """The layout of each file and how many rows it has: of their types all are to decide, in one reading.

    Raises
    ------
    FileError
        A file is empty, not text, or without column names, or ends in a quote that is not closed.
    ColumnError
        Two columns have the same name, or two files different columns.
    duckdb.Error
        A line is not like the first: see `explain`.
    """
    dialects = [dialect_of(path) for path in paths]
    first = dialects[0]
    for path, other in zip(paths[1:], dialects[1:], strict=True):
        if set(other.names) != set(first.names):
            raise ColumnError(different(paths[0], first.names, path, other.names))
        if other.delimiter != first.delimiter:
            raise FileError(f"{path} is not delimited like {paths[0]}; delimit all files alike.")
    held, rows, alone = Counter[tuple[str, Kind]](), Counter[str](), set[str]()
    for alike in dict.fromkeys(dialects):
        some = {unexpanded(path): path for path, dialect in zip(paths, dialects, strict=True) if dialect == alike}
        parallel, counts = _counts(connection, some.values(), alike)  # once, though named twice
        if not parallel:
            alone.update(some)
        for place, file, rows[file], breaks, *many in counts:
            if breaks and file not in alone:
                check_closed(some[file], alike)
                alone.add(file)
            for kind, fitting in zip([TEXT, *_kinds(alike.delimiter)], many, strict=True):
                held[alike.names[int(place[1:])], kind] += fitting
    casts = {name: _cast(name, first.delimiter, held) for name in first.names}
    for path, dialect in zip(paths, dialects, strict=True):
        file = unexpanded(path)
        yield Layout(dialect._replace(parallel=file not in alone), casts), rows[file]


def different(first: Path, names: Sequence[str], path: Path, others: Sequence[str]) -> str:
    """The message for two files whose columns are not the same."""
    remedy = "only files of the same columns go together."
    if lacking := [name for name in names if name not in others]:
        return f"{path} has no column {lacking[0]!r}, but {first} has; {remedy}"
    extra = next(name for name in others if name not in names)
    return f"{path} has a column {extra!r}, but {first} has none; {remedy}"


def merge_as_numbers(texts: Iterable[str], most: float = inf) -> bool:
    """Would some of the texts be one number, of so many at most? As 1.1 and 1.10, or whole numbers whose last digits a
    double does not have; not for a fraction of zeros alone, which programs add where others lack a number.

    >>> merge_as_numbers(["1", "1.0", "1.1"]), merge_as_numbers(["1.1", "1.10"]), merge_as_numbers(["1,1", "1,10"], 0)
    (False, True, False)
    >>> merge_as_numbers(["9007199254740992", "9007199254740993"])
    True
    """
    written = {text.strip().replace(",", ".") for text in texts}
    numbers = {text for text in written if re.fullmatch(r"[+-]?(\d+|\d*\.\d*[1-9]0*)", text)}
    merged = len(numbers) - len(set(map(float, numbers)))
    return merged > 0 and len(written) - merged <= most


def explain(message: str, data: str) -> str:
    """DuckDB's many lines about what it could not read, as one: the file, the line and the remedy."""
    path = re.search(r"^  file = (.+)$", message, re.M)
    line = re.search(r"on Line: (\d+)\nOriginal Line: \n?(.{0,40})", message)  # after "\\r\\n", its "\\n" comes first
    place = (path[1] if path else data) + (f", line {line[1]} ({line[2]!r})" if line else "")
    if counted := re.search(r"Expected Number of Columns: (\d+) Found: (\d+)", message):
        due, found = map(int, counted.groups())
        more = " or more" if found > due else ""  # DuckDB counts no further
        return f"{place}: cells found {found}{more}, columns named in the first line {due}; mend that line."
    if "unterminated quote" in message:
        return f"{place}: {ASTRAY}"
    if "utf-8" in message:
        return f"{place}: not text in UTF-8; save the file as UTF-8."
    if "invalid state" in message:
        if path and (number := unlike_end(Path(path[1]))):
            return f"{place}, line {number}: does not end as the first line does; save it with line ends of one kind."
        return f"{place} is not regular CSV: a quote is out of place; save it anew."
    if "Maximum line size" in message:
        return f"{place}: longer than 2 MB; is a quote not closed?"
    return f"{place} cannot be read ({message.splitlines()[0].rstrip('. ')}); is it damaged or cut short?"


def unlike_end(path: Path) -> int | None:
    """The number of the first line that does not end as the first one does, by line feed alone or not, but for those
    within a quoted cell; None where all do, or the file is compressed."""
    with path.open("rb") as lines:
        first = next(lines, b"")
        if first.startswith(tuple(PACKED)):
            return None
        quotes = 0
        for number, line in enumerate(lines, start=2):
            quotes += line.count(b'"')
            alike = line.endswith(b"\r\n") == first.endswith(b"\r\n")
            if not alike and line.endswith(b"\n") and quotes % 2 == 0:
                return number
        return None


def _as_text(
    connection: duckdb.DuckDBPyConnection, paths: Iterable[Path], dialect: Dialect, filename: bool = False
) -> duckdb.DuckDBPyRelation:
    """The files as columns c0, c1, ... of text: names that differ only in capitals are one name to DuckDB. With the
    name of the file of each row as one more, if that is wanted."""
    packed: Any = dialect.packed
    files: Any = [glob.escape(unexpanded(path)) for path in paths]  # DuckDB takes a list, its type hint does not say so
    return connection.read_csv(
        files,
        auto_detect=False,
        header=True,
        skiprows=dialect.blank_lines,
        delimiter=dialect.delimiter,
        quotechar='"',
        escapechar='"',
        na_values=list(MISSING),
        columns={f"c{i}": "VARCHAR" for i in range(len(dialect.names))},
        hive_partitioning=False,
        compression=packed,
        filename=filename,
        parallel=dialect.parallel,
    )


def _counts(connection: duckdb.DuckDBPyConnection, paths: Iterable[Path], dialect: Dialect) -> tuple[bool, list[Any]]:
    """Whether several threads could read the files; and of each column of each file its place and the file, the number
    of rows, of cells with line ends, of those not missing, and of those that each type can hold.

    A row for each cell: to plan a query that has a term for each column takes DuckDB the square of their number.
    """
    fits = ", ".join(f"count({kind.fits.format('cell')})" for kind in [TEXT, *_kinds(dialect.delimiter)])
    breaks = "count(*) FILTER (contains(cell, chr(10)) OR contains(cell, chr(13)))"
    cells = "cells UNPIVOT INCLUDE NULLS (cell FOR place IN (COLUMNS(* EXCLUDE filename)))"
    asked = f"SELECT place, filename, count(*), {breaks}, {fits} FROM {cells} GROUP BY ALL"

    def found(dialect: Dialect) -> list[Any]:
        return cast(Any, _as_text(connection, paths, dialect, filename=True).query("cells", asked)).fetchall()

    try:
        return True, found(dialect)
    except (duckdb.InvalidInputException, duckdb.NotImplementedException):
        for path in paths:
            check_closed(path, dialect)
        return False, found(dialect._replace(parallel=False))


def _kinds(delimiter: str) -> list[Kind]:
    return [*KINDS, *([DECIMAL_COMMA] if delimiter == ";" else [])]


def _cast(name: str, delimiter: str, held: Counter[tuple[str, Kind]]) -> str:
    """The SQL of the first type that loses no cell; a column without cells stays text."""
    fitting = (kind for kind in _kinds(delimiter) if held[name, kind] == held[name, TEXT] > 0)
    return next(fitting, TEXT).value
