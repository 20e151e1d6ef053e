"""The files that data lie in, and files written so that none is ever half there."""

import glob
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from difflib import get_close_matches
from errno import EISDIR
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from separatrix.arguments import shown
from separatrix.data.reading.builtin import BUILTIN
from separatrix.data.reading.delimited import different, layouts_of
from separatrix.data.reading.dialect import refuse_twins
from separatrix.data.reading.parts import ParquetPart, Part, TextPart, coded, connected, plain_errors, without_views
from separatrix.data.tables.cells import is_text
from separatrix.errors import ColumnError, FileError, listing
from separatrix.stopping import held, stop, unfinished

PARQUET = b"PAR1"
PART_ROWS = 1_000_000  # of Parquet: enough work for a reader of its own


def no_rows(name: str, read_once: bool = False) -> FileError:
    """The error for data that have columns and nothing in them, as a stream has that was read before."""
    if read_once:
        return FileError(f"{name} holds no rows, as it does once it was read; open a new one.")
    return FileError(f"{name} holds column names but no rows; add rows.")


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """As `replacing_all`, of one path."""
    with replacing_all(path) as [partial]:
        yield partial


@contextmanager
def replacing_all(*paths: str | Path) -> Iterator[list[Path]]:
    """Temporary paths beside `paths`: renamed over them on success, all together, removed on any exception, Ctrl-C
    included, as are folders that were made for them.

    Raises
    ------
    FileError
        The files cannot be written.
    """
    partials = {path.with_name(f".{path.name}.{os.getpid()}.partial"): path for path in map(Path, paths)}
    own = {str(path) for pair in partials.items() for path in pair}
    folders = {folder for path in partials.values() for folder in path.parents if not os.path.exists(folder)}
    folders = sorted(folders, key=lambda folder: len(folder.parts), reverse=True)  # the inner ones go first
    unfinished.update({str(partial): os.unlink for partial in partials})
    unfinished.update({str(folder): remove_empty for folder in folders})
    try:
        try:
            for partial, path in partials.items():  # says now, not after the work, that the place takes no files
                path.parent.mkdir(parents=True, exist_ok=True)
                if path.is_dir():
                    raise IsADirectoryError(EISDIR, os.strerror(EISDIR))
                remove_left(path)
                partial.touch()
            yield list(partials)
            with held():
                for partial, path in partials.items():
                    partial.replace(path)
                stop.left = f"{' and '.join(map(str, paths))} written before"
        finally:
            for partial in partials:
                partial.unlink(missing_ok=True)
                del unfinished[str(partial)]
            for folder in folders:
                remove_empty(folder)
                del unfinished[str(folder)]
    except OSError as error:
        why, place = error.strerror or error, error.filename
        if place is not None and str(place) not in own:  # the fault of something else that was done meanwhile
            raise FileError(f"{shown(str(place))} cannot be used: {why}; name another.") from error
        raise FileError(f"{' and '.join(map(str, paths))} cannot be written: {why}; choose another place.") from error


def remove_empty(folder: str | Path) -> None:
    """Removes a folder, if there is nothing in it."""
    with suppress(OSError):
        os.rmdir(folder)


def remove_left(path: Path) -> None:
    """Removes what processes that were killed had half written beside a path."""
    for partial in path.parent.glob(f".{glob.escape(path.name)}.*.partial"):
        number = partial.name.split(".")[-2]
        if number.isdigit() and not is_running(int(number)):
            partial.unlink(missing_ok=True)


def is_running(process: int) -> bool:
    """Whether there is such a process, as far as the system tells without harm to it."""
    if os.name != "posix":
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it is another user's
        return True
    return True


def parts_of(paths: list[Path]) -> list[Part]:
    """The rows of files that go together, in parts that can be read apart: row groups of Parquet, files of text.

    Raises as `separatrix.open`, of paths.
    """
    if _are_parquet(paths):
        return _parquet(paths)
    with plain_errors(str(paths[0])), connected() as connection:
        layouts = list(layouts_of(connection, paths))
    return [TextPart(path, *found) for path, found in zip(paths, layouts, strict=True)]


def find(data: str, wanted: str = f"a CSV or Parquet file, or a built-in set: {listing(BUILTIN)}") -> list[Path]:
    """The files that `data` names, in alphabetical order; what is itself a file is not taken as a glob. Where there are
    none, the message says to name what is `wanted`."""
    if os.path.isdir(data):
        raise FileError(f"{data} is a folder; name a file in it, or several by a glob: {Path(data) / '*.csv'}.")
    paths = [Path(data)] if os.path.isfile(data) else sorted(Path(name) for name in glob.glob(data, recursive=True))
    if paths := [path for path in paths if not path.is_dir()]:
        for path in paths:
            check_file(path)
        return paths
    beside = Path(data).parent
    there = os.listdir(beside) if os.path.isdir(beside) and os.access(beside, os.R_OK) else []
    known = [*BUILTIN, *(str(beside / name) for name in there)]
    near = get_close_matches(data, known, n=1)
    guess = f" Did you mean {near[0]!r}?" if near else ""
    what = "matches" if glob.has_magic(data) else "is called"
    raise FileError(f"no file {what} {data!r}.{guess} Name {wanted}.")


def check_file(path: Path) -> None:
    """FileError for what is no file: among others its rows would be missed."""
    if not path.exists():
        raise FileError(f"{path} is a link to nothing; mend or remove it.")
    if not path.is_file():
        raise FileError(f"{path} is a pipe or a device, which can't be read twice: save what it says to a file first.")
    check_name(path)


def check_name(path: Path) -> None:
    """FileError for bytes in its name that are no UTF-8, by which libraries below cannot open it."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise FileError(f"the name of {str(path)!r} is not in UTF-8: rename the file, or set PYTHONUTF8=1.") from None


def _are_parquet(paths: list[Path]) -> bool:
    parquet = [_starts(path, PARQUET) for path in paths]
    if len(set(parquet)) > 1:
        one, other = paths[parquet.index(True)], paths[parquet.index(False)]
        raise FileError(f"{one} is Parquet and {other} is not; only files of one format go together.")
    return parquet[0]


def _starts(path: Path, mark: bytes) -> bool:
    with plain_errors(str(path)), path.open("rb") as file:
        return file.read(len(mark)) == mark


def _parquet(paths: list[Path]) -> list[Part]:
    """The row groups of Parquet files, some together. Files may differ in the order of columns."""
    metadata = []
    for path in paths:
        with plain_errors(str(path)):
            metadata.append(pq.read_metadata(path))
    schema = _schema_of_all(paths, metadata)
    if groups := [each.row_group(0) for each in metadata if each.num_rows]:
        schema = coded(schema, groups[0])
    parts: list[Part] = []
    for path, each in zip(paths, metadata, strict=True):
        counts = [each.row_group(i).num_rows for i in range(each.num_row_groups)]
        for groups in _together(counts):
            rows = sum(counts[i] for i in groups)
            parts.append(ParquetPart(path, groups, schema, rows, ahead=sum(counts[: groups[0]])))
    return parts


def _together(counts: list[int]) -> Iterator[tuple[int, ...]]:
    """Row groups of so many rows in a part of PART_ROWS or a little more each.

    >>> list(_together([PART_ROWS, 10, 20]))
    [(0,), (1, 2)]
    """
    some: list[int] = []
    for group in range(len(counts)):
        some.append(group)
        if sum(counts[i] for i in some) >= PART_ROWS:
            yield tuple(some)
            some = []
    if some:
        yield tuple(some)


def _schema_of_all(paths: list[Path], metadata: list[Any]) -> pa.Schema:
    """The columns of the first file, as wide as every file that has rows needs them."""
    schemas = [without_views(each.schema.to_arrow_schema().remove_metadata()) for each in metadata]
    names = schemas[0].names
    refuse_twins(names, paths[0])
    for path, schema in zip(paths, schemas, strict=True):
        if set(schema.names) != set(names):
            raise ColumnError(different(paths[0], names, path, schema.names))
    files = list(zip(paths, schemas, strict=True))
    (first, schema), *others = [file for file, each in zip(files, metadata, strict=True) if each.num_rows] or files[:1]
    fields = [schema.field(name) for name in names]
    for path, other in others:
        fields = [pa.field(each.name, _common(each, other.field(each.name), path, first)) for each in fields]
    return pa.schema(fields)


def _common(one: Any, other: Any, path: Path, first: Path) -> Any:
    """The type that holds the values of a column of all files so far, and of one more."""
    kinds = one.type, other.type
    if kinds[0] == kinds[1]:
        return one.type
    coded = [pa.types.is_dictionary(kind) for kind in kinds]
    plain = [kind.value_type if is_coded else kind for kind, is_coded in zip(kinds, coded, strict=True)]
    if all(coded) and plain[0] == plain[1]:
        return pa.dictionary(pa.int32(), plain[0])
    if all(map(_is_number, plain)):
        return pa.from_numpy_dtype(np.result_type(*map(_dtype, plain)))
    try:
        schemas = [pa.schema([pa.field(one.name, kind)]) for kind in plain]
        return pa.unify_schemas(schemas, promote_options="permissive").field(0).type
    except (pa.ArrowTypeError, pa.ArrowInvalid):
        theirs, ours = map(_in_words, plain)
        if theirs == ours:
            zoned = all(map(pa.types.is_timestamp, plain))
            theirs, ours = (f"times of {kind.tz or 'no time zone'}" if zoned else str(kind) for kind in plain)
        raise ColumnError(
            f"{path} holds {ours} in column {one.name!r}, and {first} {theirs}; store it alike in all files."
        ) from None


def _is_number(kind: Any) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)


def _dtype(kind: Any) -> Any:
    """NumPy's type for numbers of an Arrow type."""
    return np.float64 if pa.types.is_decimal(kind) else kind.to_pandas_dtype()


def _in_words(kind: Any) -> str:
    words = {
        "text": is_text,
        "whole numbers": pa.types.is_integer,
        "numbers": _is_number,
        "true or false": pa.types.is_boolean,
        "dates": pa.types.is_temporal,
    }
    return next((word for word, is_so in words.items() if is_so(kind)), str(kind))
