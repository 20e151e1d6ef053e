"""CSV and its kin through DuckDB: every cell is read as text first, so no type is guessed from a part.

One pass over all files counts, for each column, the cells that each type can hold; a second reads them so.
"""

import csv
import glob
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pyarrow as pa

from separatrix.data.cells import MISSING
from separatrix.errors import ColumnError, FileError

DELIMITERS = ",;\t|"

NUMBER = "CASE WHEN {0} NOT LIKE '0_%' OR {0} LIKE '0.%' THEN TRY_CAST({0} AS DOUBLE) END"  # 007 is a code

TYPES = {
    "whole number": f"CASE WHEN TRY_CAST({{0}} AS BIGINT) = {NUMBER} THEN TRY_CAST({{0}} AS BIGINT) END",
    "number": NUMBER,
    "boolean": "CASE lower({0}) WHEN 'true' THEN true WHEN 'false' THEN false END",
    "date": "CASE WHEN TRY_CAST({0} AS DOUBLE) IS NULL THEN TRY_CAST({0} AS TIMESTAMP) END",
}
"""The types a column can have, first match first, as SQL that is null where a cell does not fit."""

DECIMAL_COMMA = "TRY_CAST(replace({0}, ',', '.') AS DOUBLE)"  # where cells are parted by semicolons


class Dialect(NamedTuple):
    """The names in a file's first line, and how to read on; `packed` is DuckDB's word for how it is compressed."""

    names: list[str]
    delimiter: str
    blank_lines: int
    packed: str


PACKED = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
"""How a compressed file begins, and what it is then."""


@dataclass(frozen=True)
class Layout:
    """How files are delimited, and for each of their columns the SQL that makes a value of its text."""

    dialect: Dialect
    casts: tuple[str, ...]

    def read(
        self, connection: duckdb.DuckDBPyConnection, paths: list[Path], rows: int, columns: Sequence[str] | None = None
    ) -> Iterator[pa.RecordBatch]:
        """The rows of the files in order, at most so many at a time, with all columns or these.

        Raises duckdb.Error for a line that is not like the first: see `explain`.
        """
        names = self.dialect.names if columns is None else list(columns)
        casts = ", ".join(self.casts[self.dialect.names.index(name)] for name in names)
        for batch in _as_text(connection, paths, self.dialect).project(casts).to_arrow_reader(rows):
            yield batch.rename_columns(names)


def layout_of(connection: duckdb.DuckDBPyConnection, paths: list[Path]) -> Layout:
    """The layout of files that are alike; their types are known after one reading of them all.

    Raises
    ------
    FileError
        A file is empty, not text, or without column names.
    ColumnError
        Two columns have the same name, or two files different columns.
    duckdb.Error
        A line is not like the first: see `explain`.
    """
    first, *others = [dialect_of(path) for path in paths]
    for path, other in zip(paths[1:], others, strict=True):
        if other.names != first.names:
            raise ColumnError(different(paths[0], first.names, path, other.names))
        if other != first:
            raise FileError(f"{path} is not laid out like {paths[0]}; delimit and compress all files alike.")
    return Layout(first, tuple(_casts(_as_text(connection, paths, first), first)))


def dialect_of(path: Path) -> Dialect:
    """What the first line that is not blank says; the delimiter is the one that parts it into most names."""
    with path.open("rb") as file:
        start = file.read(4)
    packed = next((kind for mark, kind in PACKED.items() if start.startswith(mark)), "none")
    unpack = pa.input_stream(path, compression=None if packed == "none" else packed)
    with TextIOWrapper(unpack, encoding="utf-8-sig", errors="replace") as lines:
        blank_lines, line = next(((i, line) for i, line in enumerate(lines) if line.strip()), (0, ""))
    if "\0" in line or "\ufffd" in line:
        raise FileError(f"{path} is neither Parquet nor text in UTF-8; export it as CSV in UTF-8.")
    if not line:
        raise FileError(f"{path} is empty; it needs a line of column names, and rows below it.")
    parted = {mark: next(csv.reader([line], delimiter=mark)) for mark in DELIMITERS}
    delimiter = max(DELIMITERS, key=lambda mark: len(parted[mark]))
    names = [name.strip() or f"column {i}" for i, name in enumerate(parted[delimiter], start=1)]
    _check_names(names, path)
    return Dialect(names, delimiter, blank_lines, packed)


def different(first: Path, names: list[str], path: Path, others: list[str]) -> str:
    """The message for two files whose columns are not the same."""
    remedy = "only files of the same columns go together."
    if lacking := [name for name in names if name not in others]:
        return f"{path} has no column {lacking[0]!r}, but {first} has; {remedy}"
    if extra := [name for name in others if name not in names]:
        return f"{path} has a column {extra[0]!r}, but {first} has none; {remedy}"
    return f"{path} has the columns of {first} in another order; put them in the same order."


def refuse_twins(names: list[str], path: Path | str) -> None:
    """Raise the ColumnError that says which name two columns share, if any do."""
    name, count = Counter(names).most_common(1)[0]
    if count > 1:
        raise ColumnError(f"{path} has {count} columns named {name!r}; rename all but one.")


def explain(message: str, data: str) -> str:
    """DuckDB's many lines about what it could not read, as one: the file, the line and the remedy."""
    if re.match(r"(Parser|Catalog|Binder|Conversion|Out of Range) Error", message):  # of a user's SQL: ours has none
        why = " ".join(message.partition("\n\nLINE ")[0].split()).rstrip(". ")
        return f"the query failed ({why}); correct it."
    path = re.search(r"^  file = (.+)$", message, re.M)
    line = re.search(r"on Line: (\d+)\nOriginal Line: (.{0,40})", message)
    place = (path[1] if path else data) + (f", line {line[1]} ({line[2]!r})" if line else "")
    if counted := re.search(r"Expected Number of Columns: (\d+) Found: (\d+)", message):
        due, found = counted.groups()
        return f"{place}: cells found {found}, columns named in the first line {due}; mend that line."
    if "unterminated quote" in message:
        return f"{place}: a quote is not closed, or closed too early; mend that line."
    if "utf-8" in message:
        return f"{place}: not text in UTF-8; save the file as UTF-8."
    if "invalid state" in message:
        return f"{place} is not regular CSV: mixed line ends, or a quote out of place; save it anew."
    if "Maximum line size" in message:
        return f"{place}: longer than 2 MB; is a quote not closed?"
    return f"{place} cannot be read ({message.splitlines()[0].rstrip('. ')}); is it damaged or cut short?"


def _check_names(names: list[str], path: Path) -> None:
    if all(re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", name) for name in names):
        row = ", ".join(names[:3])
        raise FileError(f"{path} begins with numbers ({row}), not column names; put a line of names above them.")
    refuse_twins(names, path)


def _as_text(connection: duckdb.DuckDBPyConnection, paths: list[Path], dialect: Dialect) -> duckdb.DuckDBPyRelation:
    """The files as columns c0, c1, ... of text: names that differ only in capitals are one name to DuckDB."""
    packed: Any = dialect.packed
    files: Any = [glob.escape(str(path)) for path in paths]  # DuckDB takes a list, its type hint does not say so
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
    )


def _casts(text: duckdb.DuckDBPyRelation, dialect: Dialect) -> list[str]:
    """For each column the SQL of the first type that loses no cell; a column without cells stays text."""
    types = ["{0}", *TYPES.values(), *([DECIMAL_COMMA] if dialect.delimiter == ";" else [])]
    counted = ", ".join(f"count({sql.format(column)})" for column in text.columns for sql in types)
    counts: Any = iter(text.aggregate(counted).fetchall()[0])
    casts = []
    for column in text.columns:
        held = {sql: next(counts) for sql in types}
        fitting = (sql for sql in types[1:] if held[sql] == held["{0}"] > 0)
        casts.append(f"{next(fitting, '{0}').format(column)} AS {column}")
    return casts
