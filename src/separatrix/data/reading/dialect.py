"""How a file of delimited text is parted: the names in its first line, its delimiter, how it is packed, its quotes."""

import re
from codecs import BOM_UTF8
from collections import Counter
from io import TextIOWrapper
from pathlib import Path
from typing import NamedTuple, TextIO

import pyarrow as pa

from separatrix.errors import ColumnError, FileError

DELIMITERS = "\t;|,"
CHUNK = 2**20  # bytes
SOME = 2**16  # letters of the first line of cells: a longer one does not tell how it is parted
NAME_LINES = 200  # at most, of the column names, of which a quoted one may hold line ends
QUOTED = r'[^"]*(?:""[^"]*)*'  # of a cell, what is between its quotes
SHOWN = 40  # letters of a line that is at fault
ASTRAY = "a quote is not closed, or closed too early; mend that line."


class Dialect(NamedTuple):
    """The names in a file's first line, and how to read on; `packed` is DuckDB's word for how it is compressed.

    Several threads read a file from several places on, and one in the midst of a quoted cell may not be told from one
    between two lines: `parallel` is for files whose cells have no line ends.
    """

    names: tuple[str, ...]
    delimiter: str
    blank_lines: int
    packed: str
    parallel: bool = True


PACKED = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
"""How a compressed file begins, and what it is then."""


def dialect_of(path: Path) -> Dialect:
    """What the first line that is not blank says, and of its delimiter the one below it."""
    with path.open("rb") as file:
        start = file.read(4)
    packed = next((kind for mark, kind in PACKED.items() if start.startswith(mark)), "none")
    if packed != "none":
        check_whole(path, packed)
    with TextIOWrapper(unpacked(path, packed), encoding="utf-8-sig", errors="replace") as lines:
        blank_lines, line = next(((i, line) for i, line in enumerate(lines) if line.strip()), (0, ""))
        line = with_rest(line, lines)
        below = lines.readline(SOME)
    if "\0" in line or "\ufffd" in line:
        raise FileError(f"{path} is neither Parquet nor text in UTF-8; export it as CSV in UTF-8.")
    if not line:
        raise FileError(f"{path} is empty; write it anew, as Parquet, or as CSV with column names in the first line.")
    delimiter = delimiter_of(line, below)
    cells, unclosed = parted(line, delimiter)
    if unclosed:  # DuckDB would skip rows in search of the other quote
        raise astray(path, blank_lines + 1, line.encode())
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


def unpacked(path: Path, packed: str) -> pa.NativeFile:
    """The bytes of a file, unpacked."""
    return pa.input_stream(unexpanded(path), compression=None if packed == "none" else packed)


def check_whole(path: Path, packed: str) -> None:
    """FileError where a compressed file ends too early, or its checksum is that of other bytes: DuckDB sees neither the
    one of zstd nor the other of gzip. A reading of it, short beside those that make cells of it."""
    with unpacked(path, packed) as file:
        try:
            while file.read(CHUNK):
                pass
        except OSError:
            raise FileError(f"{path} is damaged or cut short: its compression is not whole; get it anew.") from None


def check_closed(path: Path, dialect: Dialect) -> None:
    """FileError where a quote is not closed, or closed too early: of a file that one thread reads, DuckDB leaves what
    follows out without a word."""
    ends = rf"[{dialect.delimiter}\r\n]"
    quoted = re.compile(rf'{ends} ?"{QUOTED}(" *(?={ends})|"? *\Z|)'.encode())
    with unpacked(path, dialect.packed) as file:
        data, line = b"\n" + file.read(len(BOM_UTF8)).removeprefix(BOM_UTF8), 0
        while chunk := file.read(CHUNK):
            data += chunk
            end = len(data) - 2  # a mark, a blank, and in the next chunk a quote
            for found in quoted.finditer(data):
                if not found[1] and found.end() < len(data):
                    raise astray(path, line + data.count(b"\n", 0, found.start() + 1), data[found.start() + 1 :])
                end = max(found.end(), end) if found.end() < len(data) else found.start()
            line, data = line + data.count(b"\n", 0, end), data[end:]
    if (found := quoted.match(data)) and not found[1].startswith(b'"'):
        raise astray(path, line + data.startswith(b"\n"), data[1:])


def astray(path: Path, line: int, text: bytes) -> FileError:
    """The error of a quote out of place, in this line of a file, at the beginning of the text or behind it."""
    start = text.decode(errors="replace").partition("\n")[0][:SHOWN]
    return FileError(f"{path}, line {line} ({start!r}): {ASTRAY}")


def refuse_twins(names: list[str], path: Path | str) -> None:
    """Raise the ColumnError that says which name two columns share, if any do."""
    name, count = Counter(names).most_common(1)[0]
    if count > 1:
        raise ColumnError(f"{path} has {count} columns named {name!r}; rename all but one.")


def _check_names(names: list[str], path: Path) -> None:
    if all(re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", name) for name in names):
        row = ", ".join(names[:3])
        raise FileError(f"{path} begins with numbers ({row}), not column names; put a line of names above them.")
    refuse_twins(names, path)
