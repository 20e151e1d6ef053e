"""CSV and its kin through DuckDB: every cell is read as text first, so no type is guessed from a part.

One pass over all files counts, for each column, the cells that each type can hold; a second reads them so.
"""

import glob
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from io import TextIOWrapper
from math import inf
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import duckdb
import pyarrow as pa

from separatrix.data.tables.calendar import DATED
from separatrix.data.tables.cells import MISSING
from separatrix.errors import ColumnError, FileError

DELIMITERS = "\t;|,"
CHUNK = 2**20  # bytes
SOME = 2**16  # letters of the first line of cells: a longer one does not tell how it is parted
NAME_LINES = 200  # at most, of the column names, of which a quoted one may hold line ends
QUOTED = r'[^"]*(?:""[^"]*)*'  # of a cell, what is between its quotes
ASTRAY = "a quote is not closed, or closed too early; mend that line."

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


class Dialect(NamedTuple):
    """The names in a file's first line, and how to read on; `packed` is DuckDB's word for how it is compressed."""

    names: tuple[str, ...]
    delimiter: str
    blank_lines: int
    packed: str


PACKED = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
"""How a compressed file begins, and what it is then."""


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
        A file is empty, not text, or without column names.
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
    held, rows = Counter[tuple[str, Kind]](), Counter[str]()
    for alike in dict.fromkeys(dialects):
        some = dict.fromkeys(path for path, dialect in zip(paths, dialects, strict=True) if dialect == alike)
        _count(_as_text(connection, some, alike, filename=True), alike, held, rows)  # once, though named twice
    casts = {name: _cast(name, first.delimiter, held) for name in first.names}
    for path, dialect in zip(paths, dialects, strict=True):
        yield Layout(dialect, casts), rows[unexpanded(path)]


def dialect_of(path: Path) -> Dialect:
    """What the first line that is not blank says, and of its delimiter the one below it."""
    with path.open("rb") as file:
        start = file.read(4)
    packed = next((kind for mark, kind in PACKED.items() if start.startswith(mark)), "none")
    if packed != "none":
        check_whole(path, packed)
    unpack = pa.input_stream(unexpanded(path), compression=None if packed == "none" else packed)
    with TextIOWrapper(unpack, encoding="utf-8-sig", errors="replace") as lines:
        blank_lines, line = next(((i, line) for i, line in enumerate(lines) if line.strip()), (0, ""))
        line = with_rest(line, lines)
        below = lines.readline(SOME)
    if "\0" in line or "\ufffd" in line:
        raise FileError(f"{path} is neither Parquet nor text in UTF-8; export it as CSV in UTF-8.")
    if not line:
        raise FileError(f"{path} is empty; write it anew, as Parquet, or as CSV with column names in the first line.")
    delimiter = delimiter_of(line, below)
    cells, astray = parted(line, delimiter)
    if astray:  # DuckDB would skip rows in search of the other quote
        start = line.partition("\n")[0][:40]
        raise FileError(f"{path}, line {blank_lines + 1} ({start!r}): {ASTRAY}")
    names = [name.strip() or f"column {i}" for i, name in enumerate(cells, start=1)]
    _check_names(names, path)
    return Dialect(tuple(names), delimiter, blank_lines, packed)


def delimiter_of(names: str, cells: str) -> str:
    """The mark that parts a line of names. Names may hold marks too, most often commas: so it is the first that parts
    the cells below into as many, and where none does the one of most names.

    >>> delimiter_of("Length, cm;Width, cm", "5,1;3,5"), delimiter_of("x, y, z;w", "1;2"), delimiter_of("a,b;c", "")
    (';', ';', ',')
    """
    many = {mark: len(parted(names, mark)[0]) for mark in DELIMITERS}
    agreeing = (mark for mark in DELIMITERS if many[mark] == len(parted(cells, mark)[0]) > 1)
    return next(agreeing, None) or max(reversed(DELIMITERS), key=lambda mark: many[mark])


def with_rest(line: str, lines: TextIO) -> str:
    r"""A line of names, with as many of the next as a quoted name runs on into; alone where no quote ends it soon.

    >>> from io import StringIO
    >>> with_rest('x,"a\n', StringIO('b"\n1,2\n'))
    'x,"a\nb"\n'
    """
    whole = line
    for _ in range(NAME_LINES):
        if not any(re.fullmatch(f' ?"{QUOTED}', parted(whole, mark)[1]) for mark in DELIMITERS):
            return whole
        if not (more := lines.readline(max(SOME - len(whole), 0))):
            break
        whole += more
    return line


def parted(line: str, mark: str) -> tuple[list[str], str]:
    """The cells of a line as DuckDB parts them, to which a blank before a quoted cell and those behind it are nothing;
    and the last of them from a quote on that is not closed, or closed too early.

    >>> parted('a, "b, c" ,5" pipe', ","), parted('a,"b"c,d', ",")
    ((['a', 'b, c', '5" pipe'], ''), (['a', '"b"c,d'], '"b"c,d'))
    """
    cell = re.compile(rf' ?"({QUOTED})" *(?=[{mark}\n]|$)|(?! ?")[^{mark}\n]*')
    cells: list[str] = []
    at = 0
    while found := cell.match(line, at):
        cells.append(found[0] if found[1] is None else found[1].replace('""', '"'))
        at = found.end() + 1
        if line[found.end() : at] != mark:
            return cells, ""
    return [*cells, line[at:]], line[at:]


def unexpanded(path: Path | str) -> str:
    """How DuckDB and Arrow are told of a path: to them a ~ that begins it is the user's folder.

    >>> unexpanded("~march.csv"), unexpanded("data/march.csv")
    ('./~march.csv', 'data/march.csv')
    """
    return f"./{path}" if str(path).startswith("~") else str(path)


def check_whole(path: Path, packed: str) -> None:
    """FileError where a compressed file ends too early, or its checksum is that of other bytes: DuckDB sees neither the
    one of zstd nor the other of gzip. A reading of it, short beside those that make cells of it."""
    with pa.input_stream(unexpanded(path), compression=packed) as unpack:
        try:
            while unpack.read(CHUNK):
                pass
        except OSError:
            raise FileError(f"{path} is damaged or cut short: its compression is not whole; get it anew.") from None


def different(first: Path, names: Sequence[str], path: Path, others: Sequence[str]) -> str:
    """The message for two files whose columns are not the same."""
    remedy = "only files of the same columns go together."
    if lacking := [name for name in names if name not in others]:
        return f"{path} has no column {lacking[0]!r}, but {first} has; {remedy}"
    extra = next(name for name in others if name not in names)
    return f"{path} has a column {extra!r}, but {first} has none; {remedy}"


def refuse_twins(names: list[str], path: Path | str) -> None:
    """Raise the ColumnError that says which name two columns share, if any do."""
    name, count = Counter(names).most_common(1)[0]
    if count > 1:
        raise ColumnError(f"{path} has {count} columns named {name!r}; rename all but one.")


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
    """The number of the first line that does not end as the first one does, by line feed alone or not; None where all
    do, or the file is compressed."""
    with path.open("rb") as lines:
        first = next(lines, b"")
        if first.startswith(tuple(PACKED)):
            return None
        ends = ((number, line.endswith(b"\r\n")) for number, line in enumerate(lines, start=2) if line.endswith(b"\n"))
        return next((number for number, returns in ends if returns != first.endswith(b"\r\n")), None)


def _check_names(names: list[str], path: Path) -> None:
    if all(re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", name) for name in names):
        row = ", ".join(names[:3])
        raise FileError(f"{path} begins with numbers ({row}), not column names; put a line of names above them.")
    refuse_twins(names, path)


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
    )


def _count(
    text: duckdb.DuckDBPyRelation, dialect: Dialect, held: Counter[tuple[str, Kind]], rows: Counter[str]
) -> None:
    """Adds how many cells of each column each type can hold, and how many rows each file has.

    A row for each cell: to plan a query that has a term for each column takes DuckDB the square of their number.
    """
    kinds = [TEXT, *_kinds(dialect.delimiter)]
    counts = ", ".join(f"count({kind.fits.format('cell')})" for kind in kinds)
    cells = "cells UNPIVOT INCLUDE NULLS (cell FOR place IN (COLUMNS(* EXCLUDE filename)))"
    asked: Any = text.query("cells", f"SELECT place, filename, count(*), {counts} FROM {cells} GROUP BY ALL")
    for place, file, count, *many in asked.fetchall():
        rows[file] = count
        for kind, fitting in zip(kinds, many, strict=True):
            held[dialect.names[int(place[1:])], kind] += fitting


def _kinds(delimiter: str) -> list[Kind]:
    return [*KINDS, *([DECIMAL_COMMA] if delimiter == ";" else [])]


def _cast(name: str, delimiter: str, held: Counter[tuple[str, Kind]]) -> str:
    """The SQL of the first type that loses no cell; a column without cells stays text."""
    fitting = (kind for kind in _kinds(delimiter) if held[name, kind] == held[name, TEXT] > 0)
    return next(fitting, TEXT).value
