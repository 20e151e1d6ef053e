"""Tables from files, whole or in batches, and files written so that none is ever half there."""

import glob
import os
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from itertools import chain
from pathlib import Path

import duckdb
import narwhals as nw
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from separatrix.data.builtin import BUILTIN, builtin, is_builtin
from separatrix.data.cells import Table
from separatrix.data.delimited import different, explain, refuse_twins, scan
from separatrix.errors import ColumnError, FileError, listing

PARQUET = b"PAR1"


def read_table(data: str) -> Table:
    """The whole table that `data` names: see `read_batches`.

    Examples
    --------
    >>> read_table("iris").shape
    (150, 5)
    """
    with _opened(data, rows=1_000_000) as batches:
        return _table(pa.Table.from_batches(batches))


def read_batches(data: str, rows: int = 65_536) -> Iterator[Table]:
    """The table that `data` names, at most `rows` rows at a time, in bounded memory.

    Parameters
    ----------
    data : path or glob of CSV files (delimited by comma, semicolon, tab or bar; gzipped or not) or of Parquet
        files, whatever their extension, or the name of a built-in set. A CSV begins with its column names.
    rows : the most rows in a batch

    Raises
    ------
    FileError
        There is no such file, or it is empty, ragged or damaged: the message names the file and line.
    ColumnError
        Two columns have the same name, or two files different columns.
    """
    with _opened(data, rows) as batches:
        for batch in batches:
            yield _table(pa.Table.from_batches([batch]))


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """A temporary path beside `path`: renamed over it on success, removed on any exception, Ctrl-C included.

    Raises
    ------
    FileError
        The file cannot be written.
    """
    path = Path(path)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.touch()  # says now, not after the work, that the folder takes no files
        try:
            yield partial
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        why = error.strerror or error
        raise FileError(f"{path} cannot be written: {why}; choose another place.") from error


@contextmanager
def _opened(data: str, rows: int) -> Iterator[Iterator[pa.RecordBatch]]:
    """The batches of the data, one at least; whatever goes wrong while they are read is said in one line."""
    if is_builtin(data):
        yield builtin(data)[0].to_native().to_reader(rows)
        return
    paths = _find(data)
    try:
        with duckdb.connect() as connection:
            connection.execute("SET enable_progress_bar = false")  # it would write into our output
            names, reader = _parquet(paths, rows) if _are_parquet(paths) else scan(connection, paths, rows)
            filled = (batch.rename_columns(names) for batch in reader if batch.num_rows)
            if (first := next(filled, None)) is None:
                raise FileError(f"{data} holds column names but no rows; add rows.")
            yield chain([first], filled)
    except (RuntimeError, duckdb.InterruptException) as error:
        if "interrupted" in str(error).lower():  # what DuckDB makes of Ctrl-C
            raise KeyboardInterrupt from None
        raise
    except (duckdb.Error, pa.ArrowException, OSError, EOFError) as error:
        raise FileError(explain(str(error), data)) from None


def _find(data: str) -> list[Path]:
    """The files that `data` names, in alphabetical order; what is itself a file is not taken as a glob."""
    if os.path.isdir(data):
        raise FileError(f"{data} is a folder; name a file in it, or several by a glob: {Path(data) / '*.csv'}.")
    paths = [Path(data)] if os.path.isfile(data) else sorted(Path(name) for name in glob.glob(data, recursive=True))
    if paths := [path for path in paths if path.is_file()]:
        return paths
    beside = Path(data).parent
    known = [*BUILTIN, *(str(beside / name) for name in (os.listdir(beside) if beside.is_dir() else []))]
    near = get_close_matches(data, known, n=1)
    guess = f" Did you mean {near[0]!r}?" if near else ""
    raise FileError(f"no file {data!r}.{guess} Name a CSV or Parquet file, or a built-in set: {listing(BUILTIN)}.")


def _are_parquet(paths: list[Path]) -> bool:
    parquet = [path.open("rb").read(4) == PARQUET for path in paths]
    if len(set(parquet)) > 1:
        one, other = paths[parquet.index(True)], paths[parquet.index(False)]
        raise FileError(f"{one} is Parquet and {other} is not; only files of one format go together.")
    return parquet[0]


def _parquet(paths: list[Path], rows: int) -> tuple[list[str], pa.RecordBatchReader]:
    """As `scan`: the column names and a reader of batches. Files may differ in the order of columns."""
    schema = pq.read_schema(paths[0])
    refuse_twins(schema.names, paths[0])
    for path in paths[1:]:
        other = pq.read_schema(path)
        if set(other.names) != set(schema.names):
            raise ColumnError(different(paths[0], schema.names, path, other.names))
        try:
            schema = pa.unify_schemas([schema, other], promote_options="permissive")
        except (pa.ArrowTypeError, pa.ArrowInvalid) as error:
            raise ColumnError(f"{path} does not go with {paths[0]} ({error}); store the column alike.") from None
    # Read ahead as little as keeps the reader busy: memory is bounded by it.
    files = ds.dataset(paths, schema=schema, format="parquet")
    return schema.names, files.scanner(batch_size=rows, batch_readahead=2, fragment_readahead=1).to_reader()


def _table(rows: pa.Table) -> Table:
    return nw.from_native(rows, eager_only=True)
