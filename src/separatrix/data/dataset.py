"""Data that are read again and again in bounded memory: files, queries, streams."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from os import PathLike
from pathlib import Path
from typing import Any

import duckdb
import narwhals as nw
import pyarrow as pa

from separatrix.cached import cached_property
from separatrix.data.builtin import BUILTIN, builtin, is_builtin
from separatrix.data.cells import Numbered, Table, arrow_table
from separatrix.data.delimited import refuse_twins
from separatrix.data.files import find, no_rows, parts_of
from separatrix.data.frames import named_once
from separatrix.data.hold_out import HoldOut, Some
from separatrix.data.parts import (
    Folder,
    Part,
    SpooledPart,
    TablePart,
    connected,
    decoded,
    plain_errors,
    regrouped,
    spool,
    without_views,
)
from separatrix.data.places import Where
from separatrix.errors import ArgumentError, ColumnError, FileError, listing, no_such

BATCH = 65_536
STREAM, RELATION = "the stream", "the relation"
ROWS_FOR_AN_ANSWER = (["SELECT"], ["MULTI"])
"""The kinds of statements that only read: DuckDB makes several of one PIVOT."""

Stamp = tuple[str, int, int]
"""A file, its size in bytes, and when it was last written, in nanoseconds."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """A table that is read in batches, as often as asked; `separatrix.open` makes one.

    Attributes
    ----------
    name : what messages call it
    columns : the names of its columns
    rows : how many rows it has, None while that is not known
    parts : values that say where its rows are, in order
    files : every file as it was when it was opened; one that has changed since is refused
    client : the `dask.distributed.Client` whose workers read it, None for this process
    some : which of the rows are its own, if not all: those that are held out, or the others
    """

    name: str
    columns: tuple[str, ...]
    parts: tuple[Part, ...] = field(repr=False)
    files: tuple[Stamp, ...] = field(default=(), repr=False)
    client: Any = field(default=None, repr=False)
    some: Some | None = field(default=None, repr=False)

    @property
    def rows(self) -> int | None:
        return None if self.some else self._all_rows

    @property
    def _all_rows(self) -> int | None:
        counts = [part.rows for part in self.parts]
        return None if None in counts else sum(filter(None, counts))

    @property
    def cells(self) -> float:
        """About how many cells it has, all rows in; where they are not counted, one for each 8 bytes of its files."""
        rows = self._all_rows
        return sum(size for _, size, _ in self.files) / 8 if rows is None else float(rows) * len(self.columns)

    @cached_property
    def where(self) -> Where:
        """Its name, which knows the file of each row where it has several, or a part of one."""
        places: list[tuple[int, str, int]] = []
        before = 0
        for part in self.parts:
            if part.rows is None:
                return Where(self.name)
            places.append((before, str(getattr(part, "path", self.name)), getattr(part, "ahead", 0)))
            before += part.rows
        several = len({path for _, path, _ in places}) > 1 or any(ahead for _, _, ahead in places[:1])
        return Where(self.name, places if several else ())

    def split(self, rule: HoldOut) -> tuple["Dataset", "Dataset"]:
        """The rows that are not held out, and those that are."""
        return replace(self, some=Some(rule, False)), replace(self, some=Some(rule, True))

    def batches(self, rows: int = BATCH, columns: Sequence[str] | None = None, coded: bool = False) -> Iterator[Table]:
        """The table, so many rows at a time (the last batch has what is left), with all columns or these; text as a
        dictionary where the file has it so, if that is wanted.

        Raises
        ------
        ColumnError
            There is no such column.
        FileError
            A file is damaged, or has changed since it was opened; or there are no rows.
        """
        for table, _ in self.numbered(rows, columns, coded):
            yield table

    def numbered(
        self, rows: int = BATCH, columns: Sequence[str] | None = None, coded: bool = False
    ) -> Iterator[tuple[Table, Numbered]]:
        """As `batches`, each with the number of its first row, from 1 on, or of each; messages have it."""
        for name in columns or ():
            if name not in self.columns:
                raise ColumnError(no_such("column", name, self.columns, f"in {self.name}"))
        if self.some is None:
            yield from self._numbered(rows, columns, coded)
            return
        read = columns and list(dict.fromkeys([*columns, *self.some.rule.needs]))
        yield from self.some.of(self._numbered(rows, read, coded), columns, self.where)

    def _numbered(self, rows: int, columns: Sequence[str] | None, coded: bool) -> Iterator[tuple[Table, int]]:
        """All rows, in batches with the number of their first."""
        first_row = 1
        for table in regrouped(chain.from_iterable(self._read(part, rows, columns) for part in self.parts), rows):
            yield nw.from_native(table if coded else decoded(table), eager_only=True), first_row
            first_row += len(table)
        self.check()
        if first_row == 1:
            raise no_rows(self.name)

    def whole(self) -> Table:
        """All rows in memory; errors as of `batches`."""
        return nw.from_native(pa.concat_tables([batch.to_native() for batch in self.batches()]), eager_only=True)

    def check(self) -> None:
        """Raises FileError where a file is not as it was when it was opened."""
        for stamp in self.files:
            if _stamp(Path(stamp[0])) != stamp:
                happened = "is gone" if _stamp(Path(stamp[0]))[1] < 0 else "has changed"
                raise FileError(f"{stamp[0]} {happened} since it was opened; open the data again once it rests.")

    def refuse(self, *places: Path, others: Iterable[Path] = ()) -> None:
        """Raises ArgumentError where one of these, which are to be written, is one of its files, or of others read."""
        files = {Path(name).resolve() for name, _, _ in self.files} | {path.resolve() for path in others}
        for place in places:
            if place.resolve() in files:
                raise ArgumentError(f"out={place} is a file to be read, and would be lost: choose another place.")

    def _read(self, part: Part, rows: int, columns: Sequence[str] | None) -> Iterator[pa.RecordBatch]:
        self.check()
        yield from part.batches(rows, columns)


def open(
    data: Any = None,
    *,
    query: str | None = None,
    database: str | PathLike[str] | None = None,
    client: Any = None,
) -> Dataset:
    """Data for `fit`, of any size: read in batches, again and again, in bounded memory.

    Parameters
    ----------
    data : a path or a glob, or a list of paths, of Parquet files or of CSV files, whatever their extension; the files
        of a glob in the order of their names. CSV begins with its column names, is delimited by comma, semicolon, tab
        or bar, and may be compressed by gzip or zstd. Or the name of a built-in set; or anything with
        `__arrow_c_stream__`, such as a dataframe of polars, a reader of Arrow or a relation of DuckDB. What can be read
        only once is copied to a temporary file first. Or a dataframe of Dask, or a bag of paths of files: then the
        current client is the default.
    query : SQL for DuckDB instead, such as "select * from 'sales.parquet' where year > 2020"; its answer is copied to a
        temporary file, as two runs may differ in the order of the rows
    database : a DuckDB database that the query is about; it is only read
    client : a `dask.distributed.Client`, whose workers then read the data wherever they are fitted (`pip install
        'separatrix[dask]'`); files must be where all workers find them by the same path

    Raises
    ------
    FileError
        A file is missing, empty, ragged or damaged (the message names the file and line), does not go with the others,
        or has a name that is no UTF-8; or the query fails.
    ColumnError
        Two columns have the same name, or two files differ in a column.
    ArgumentError
        `data` is nothing that can be opened, or both or none of data and query are given.

    Examples
    --------
    >>> import pyarrow as pa
    >>> import separatrix
    >>> data = separatrix.open(pa.table({"x": [1.0, 2.0, 3.0], "y": [0, 1, 0]}))
    >>> data.rows, data.columns
    (3, ('x', 'y'))
    >>> [len(batch) for batch in data.batches(rows=2)]
    [2, 1]
    """
    if client is not None and not hasattr(client, "submit"):
        raise ArgumentError(f"client={client!r} must be a dask.distributed.Client, such as Client('tcp://host:8786').")
    opened = _opened(data, query, database, client)
    if client is not None:
        from separatrix.data.client import check_found  # few have a cluster

        for part in opened.parts[:1]:
            if isinstance(part, SpooledPart):
                check_found(client, part.folder, opened.name)
        opened = replace(opened, client=client)
    return opened


def _opened(data: Any, query: str | None, database: str | PathLike[str] | None, client: Any) -> Dataset:
    if database is not None and query is None:
        raise ArgumentError(f"database={str(database)!r} needs a query that says what to take from it.")
    if data is None and query is None:
        raise ArgumentError(
            f"no data: give a file, a glob, a query, or the name of a built-in set: {listing(BUILTIN)}."
        )
    if data is not None and query is not None:
        raise ArgumentError(f"data={data!r}, query={query!r}: give one of the two.")
    if query is not None:
        return _of_query(query, None if database is None else str(database))
    if isinstance(data, duckdb.DuckDBPyRelation):
        with plain_errors(RELATION, _failed):
            return _of_stream(RELATION, data.to_arrow_reader(BATCH), Folder())
    named_once(data)
    if isinstance(data, str) and is_builtin(data):
        return _of_table(data, builtin(data)[0].to_native())
    if isinstance(data, str | PathLike):
        return _of_files(str(data), find(str(data)))
    if isinstance(data, list) and data and all(isinstance(path, str | PathLike) for path in data):
        return _of_files(f"{data[0]} and others" if len(data) > 1 else str(data[0]), _found(data))
    if is_dask(data):
        # Imported where it is asked for: few have a cluster, and what reads there is built on this.
        from separatrix.data.partitions import of_collection

        return of_collection(data, client)
    if hasattr(data, "__arrow_c_stream__"):
        # What has a length is there to be read again.
        if hasattr(data, "__len__"):
            frame = nw.from_native(data, eager_only=True, pass_through=True)
            table: pa.Table = arrow_table(frame) if isinstance(frame, nw.DataFrame) else _reader(data).read_all()
            return _of_table("the data", table.replace_schema_metadata().cast(without_views(table.schema)))
        with plain_errors(STREAM):
            return _of_stream(STREAM, _reader(data), Folder())
    raise ArgumentError(
        f"data={data!r:.80} can't be opened: give a path, a glob, a list of paths, or what has __arrow_c_stream__."
    )


def _reader(data: Any) -> pa.RecordBatchReader:
    """What has `__arrow_c_stream__`, to be read; ArgumentError where it is a column and no table."""
    try:
        return pa.RecordBatchReader.from_stream(data)
    except pa.ArrowInvalid:
        raise ArgumentError(
            f"data, a {type(data).__name__}, is a column without a name: give a table that has columns."
        ) from None


def is_dask(data: Any) -> bool:
    """Whether it is a collection of Dask, which has no rows yet.

    >>> is_dask([1.0])
    False
    """
    return hasattr(data, "__dask_graph__") and not isinstance(data, type)


def is_frame(data: Any) -> bool:
    """Whether it is a dataframe of Dask: by its type, as something delayed has any name."""
    return is_dask(data) and hasattr(type(data), "to_dask_array") and not hasattr(type(data), "to_frame")


def _found(paths: Iterable[str | PathLike[str]]) -> list[Path]:
    return [path for given in paths for path in find(str(given))]


def _of_files(name: str, paths: list[Path]) -> Dataset:
    stamps = tuple(_stamp(path) for path in paths)
    parts = parts_of(paths)
    if not parts:  # Parquet without a row group
        raise no_rows(name)
    return _with_rows(Dataset(name, tuple(parts[0].columns), tuple(parts), stamps))


def _of_table(name: str, table: pa.Table) -> Dataset:
    return _with_rows(Dataset(name, tuple(table.schema.names), (TablePart(table),)))


def _of_query(query: str, database: str | None) -> Dataset:
    name = database or "the query"
    if database is not None:
        find(database, "a database of DuckDB")
    folder = Folder()
    with plain_errors(name, _unopened), connected(database) as connection, plain_errors(name, _failed):
        kinds = [statement.type.name for statement in connection.extract_statements(query)]
        if kinds not in ROWS_FOR_AN_ANSWER:
            what = " and ".join(kinds) or "empty"
            raise ArgumentError(f"query={query!r:.80} is {what}: give one statement that only reads, a SELECT.")
        # What does not fit in memory goes there, too, and not into the folder that the user is in.
        connection.execute("SET temp_directory = $1", [f"{folder.path}/duckdb"])
        return _of_stream(name, connection.sql(query).to_arrow_reader(BATCH), folder)


def _failed(message: str, where: str) -> str:
    """DuckDB's many lines about a query, as one: without the candidates and the place, which it draws."""
    why = " ".join(re.split(r"\n\s*(?:LINE \d|Candidate )", message)[0].split())
    return f"the query failed ({why.rstrip('. ')}); correct it."


def _unopened(message: str, where: str) -> str:
    why = message.splitlines()[0].rstrip(". ")
    return f"{where} cannot be opened ({why}); name a database of DuckDB to which nobody writes."


def _of_stream(name: str, stream: pa.RecordBatchReader, folder: Folder) -> Dataset:
    """What can be read once, copied to files that go with the dataset."""
    with plain_errors(name):
        parts = spool(stream, folder)
    return _with_rows(Dataset(name, tuple(stream.schema.names), tuple(parts)))


def _with_rows(data: Dataset) -> Dataset:
    if not data.columns:
        raise FileError(f"{data.name} holds no columns; add a target, and what it may depend on.")
    refuse_twins(list(data.columns), data.name)
    if data.rows == 0:
        raise no_rows(data.name, read_once=data.name == STREAM)
    return data


def _stamp(path: Path) -> Stamp:
    try:
        found = path.stat()
    except OSError:
        return str(path), -1, 0
    return str(path), found.st_size, found.st_mtime_ns
