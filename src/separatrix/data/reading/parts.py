"""Parts of a table: values that say where some of its rows are, small enough to send, and read them when asked."""

import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory
from typing import Any, Protocol

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from separatrix.data.reading.delimited import Layout, explain
from separatrix.data.reading.dialect import unexpanded
from separatrix.errors import FileError
from separatrix.stopping import held, unfinished

BUFFER = 2**20  # bytes of a file that are read at once; without it a whole column of a row group is
SPOOLED = 2**18  # rows of a stream in a file of their own
TEXT = {b"separatrix": b"text"}
"""The mark of a column of text that is read as a dictionary, as the file has it: it is no category."""


class Part(Protocol):
    """Some rows, in an order that never changes; `rows` is None while nobody has counted them."""

    @property
    def rows(self) -> int | None: ...
    @property
    def columns(self) -> list[str]: ...

    def batches(self, rows: int, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """The rows, at most so many at a time, with all columns or these; memory is bounded by what is yielded."""
        ...


@dataclass(frozen=True)
class ParquetPart:
    """Some row groups of a Parquet file, as columns of `schema`, which other files may have widened, and where some of
    text are to be read as dictionaries; so many rows of the file are `ahead` of them."""

    path: Path
    groups: tuple[int, ...]
    schema: pa.Schema
    rows: int
    ahead: int

    @property
    def columns(self) -> list[str]:
        return self.schema.names

    def batches(self, rows: int, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Raises FileError for a file that is damaged."""
        names = self.schema.names if columns is None else list(columns)
        schema = pa.schema([self.schema.field(name) for name in names])
        options: Any = {
            "read_dictionary": [field.name for field in schema if field.metadata == TEXT],
            "pre_buffer": False,
            "buffer_size": BUFFER,
        }
        with plain_errors(str(self.path)), pq.ParquetFile(self.path, **options) as file:
            for batch in file.iter_batches(rows, row_groups=list(self.groups), columns=names):
                # What becomes a double may lose digits, as any number does that is one.
                yield pa.record_batch(
                    [batch[each.name].cast(each.type, safe=not pa.types.is_floating(each.type)) for each in schema],
                    schema=schema,
                )


@dataclass(frozen=True)
class TextPart:
    """A file of delimited text, and what type each of its columns has."""

    path: Path
    layout: Layout
    rows: int
    ahead: int = 0

    @property
    def columns(self) -> list[str]:
        return list(self.layout.casts)

    def batches(self, rows: int, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Raises FileError for a line that is not like the first."""
        with plain_errors(str(self.path)), connected() as connection:
            yield from self.layout.read(connection, self.path, rows, columns)


@dataclass(frozen=True)
class TablePart:
    """Rows in memory; so many rows of their table are `ahead` of them."""

    table: pa.Table
    ahead: int = 0

    @property
    def rows(self) -> int:
        return len(self.table)

    @property
    def columns(self) -> list[str]:
        return self.table.schema.names

    def batches(self, rows: int, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """The batches of the table."""
        table = self.table if columns is None else self.table.select(list(columns))
        yield from table.to_batches(rows)


class Folder:
    """A temporary folder that lasts as long as whoever knows of it in this process, or until that is stopped; to others
    it is sent as a path."""

    def __init__(self) -> None:
        with held():  # never is there one that nobody would remove
            folder = TemporaryDirectory(prefix="separatrix-")
            unfinished[folder.name] = rmtree
            self.path = Path(folder.name)
            weakref.finalize(self, unfinished.pop, folder.name)
            weakref.finalize(self, folder.cleanup)

    def __fspath__(self) -> str:
        return str(self.path)

    def __reduce__(self) -> Any:
        return Path, (self.path,)


@dataclass(frozen=True)
class SpooledPart:
    """A file of Arrow batches, to which some rows of a stream were copied that can be read only once; so many rows of
    the stream are `ahead` of them."""

    folder: Folder | Path
    file: str
    rows: int
    columns: list[str]
    ahead: int

    def batches(self, rows: int, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Raises FileError for a file that is damaged."""
        path = str(Path(self.folder) / self.file)
        # Not mapped into memory, of which the pages would count as ours.
        with plain_errors(path), pa.OSFile(path) as file, pa.ipc.open_stream(file) as stream:
            for batch in stream:
                batch = batch if columns is None else batch.select(list(columns))
                for first in range(0, len(batch), rows):
                    yield batch.slice(first, rows)


def spool(stream: pa.RecordBatchReader, folder: Folder) -> list[SpooledPart]:
    """Copies a stream to files of some SPOOLED rows each, for as many as read it.

    Raises FileError when the disk is full.
    """
    schema, parts, before = without_views(stream.schema), [], 0
    batches = iter(stream)
    try:
        while (batch := next(batches, None)) is not None:
            name, rows = f"{len(parts)}.arrow", 0
            with pa.OSFile(str(folder.path / name), "wb") as file, pa.ipc.new_stream(file, schema) as writer:
                while batch is not None:
                    writer.write_batch(batch.replace_schema_metadata().cast(schema))
                    rows += len(batch)
                    batch = next(batches, None) if rows < SPOOLED else None
            parts.append(SpooledPart(folder, name, rows, schema.names, before))
            before += rows
    except OSError as error:
        why = f"a stream cannot be copied to {folder.path} ({error})"
        raise FileError(f"{why}; make room there, or name another folder by TMPDIR.") from None
    return parts


def without_views(schema: pa.Schema) -> pa.Schema:
    """The schema with plain text and bytes for the views that polars makes, for which few of Arrow's functions are."""
    plain = {pa.string_view(): pa.large_string(), pa.binary_view(): pa.large_binary()}

    def without(kind: Any) -> Any:
        if pa.types.is_dictionary(kind):
            return pa.dictionary(kind.index_type, without(kind.value_type), kind.ordered)
        return plain.get(kind, kind)

    return pa.schema([field.with_type(without(field.type)) for field in schema])


def coded(schema: pa.Schema, group: Any) -> pa.Schema:
    """The schema with dictionaries for text that the metadata of a row group of Parquet say to be stored so.

    A plain text takes four bytes and its letters, a code less than that.
    """
    chunks = [group.column(j) for j in range(group.num_columns)]
    short = {each.path_in_schema for each in chunks if each.total_uncompressed_size < 4 * each.num_values}
    texts = (pa.string(), pa.large_string())
    return pa.schema(
        [
            pa.field(each.name, pa.dictionary(pa.int32(), each.type), metadata=TEXT)
            if each.name in short and each.type in texts
            else each
            for each in schema
        ]
    )


def decoded(table: pa.Table) -> pa.Table:
    """The table with text for what was read as dictionaries of text."""
    fields = [pa.field(each.name, each.type.value_type) if each.metadata == TEXT else each for each in table.schema]
    return table.cast(pa.schema(fields))


@contextmanager
def connected(database: str | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
    """DuckDB, on a database that is only read, or on none."""
    place = ":memory:" if database is None else unexpanded(database)
    with duckdb.connect(place, read_only=database is not None) as connection:
        connection.execute("SET enable_progress_bar = false")  # it would write into our output
        yield connection


@contextmanager
def plain_errors(where: str, explain: Callable[[str, str], str] = explain) -> Iterator[None]:
    """Whatever goes wrong while rows are read is said in one line; Ctrl-C is Ctrl-C."""
    try:
        yield
    except (RuntimeError, duckdb.InterruptException) as error:
        if "interrupted" in str(error).lower():  # what DuckDB makes of Ctrl-C
            raise KeyboardInterrupt from None
        raise
    except PermissionError:
        raise FileError(f"{where} cannot be read: permission denied; ask its owner, or copy it.") from None
    except (duckdb.Error, pa.ArrowException, OSError, EOFError) as error:
        raise FileError(explain(str(error), where)) from None


def regrouped(batches: Iterator[pa.RecordBatch], rows: int) -> Iterator[pa.Table]:
    """The same rows in tables of so many each, the last with what is left: whatever files and row groups they are in.

    >>> parts = [pa.record_batch({"a": [1, 2, 3]}), pa.record_batch({"a": [4]})]
    >>> [table["a"].to_pylist() for table in regrouped(iter(parts), 2)]
    [[1, 2], [3, 4]]
    """
    held: list[Any] = []
    count = 0
    for batch in batches:
        held.append(batch)
        count += len(batch)
        while count >= rows:
            table = pa.Table.from_batches(held)
            yield table.slice(0, rows)
            held, count = table.slice(rows).to_batches(), count - rows
    if count:
        yield pa.Table.from_batches(held)
