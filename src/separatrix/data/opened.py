"""`separatrix.open`: data of whatever kind, as a dataset that is read in batches."""

import re
from dataclasses import replace
from os import PathLike
from typing import Any

import duckdb
import narwhals as nw
import pyarrow as pa

from separatrix.data.frames import named_once
from separatrix.data.reading.builtin import BUILTIN, builtin, is_builtin
from separatrix.data.reading.dataset import BATCH, STREAM, Dataset, is_dask, of_paths, of_stream, of_table
from separatrix.data.reading.files import find
from separatrix.data.reading.parts import Folder, SpooledPart, connected, plain_errors, without_views
from separatrix.data.tables.cells import arrow_table
from separatrix.errors import ArgumentError, listing

RELATION = "the relation"
ROWS_FOR_AN_ANSWER = (["SELECT"], ["MULTI"])
"""The kinds of statements that only read: DuckDB makes several of one PIVOT."""


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
        from separatrix.data.workers.client import check_found  # few have a cluster

        for part in opened.parts[:1]:
            if isinstance(part, SpooledPart):
                check_found(client, part.folder, opened.name)
        opened = replace(opened, client=client)
    return opened


def dataset_of(data: Any) -> Dataset:
    """The dataset itself, or the one that `open` makes of it."""
    return data if isinstance(data, Dataset) else open(data)


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
            return of_stream(RELATION, data.to_arrow_reader(BATCH), Folder())
    named_once(data)
    if isinstance(data, str) and is_builtin(data):
        return of_table(data, builtin(data)[0].to_native())
    if isinstance(data, str | PathLike):
        return of_paths([data])
    if isinstance(data, list) and data and all(isinstance(path, str | PathLike) for path in data):
        return of_paths(data)
    if is_dask(data):
        from separatrix.data.workers.partitions import of_collection

        return of_collection(data, client)
    if hasattr(data, "__arrow_c_stream__"):
        # What has a length is there to be read again.
        if hasattr(data, "__len__"):
            frame = nw.from_native(data, eager_only=True, pass_through=True)
            table: pa.Table = arrow_table(frame) if isinstance(frame, nw.DataFrame) else _reader(data).read_all()
            return of_table("the data", table.replace_schema_metadata().cast(without_views(table.schema)))
        with plain_errors(STREAM):
            return of_stream(STREAM, _reader(data), Folder())
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
        return of_stream(name, connection.sql(query).to_arrow_reader(BATCH), folder)


def _failed(message: str, where: str) -> str:
    """DuckDB's many lines about a query, as one: without the candidates and the place, which it draws."""
    why = " ".join(re.split(r"\n\s*(?:LINE \d|Candidate )", message)[0].split())
    return f"the query failed ({why.rstrip('. ')}); correct it."


def _unopened(message: str, where: str) -> str:
    why = message.splitlines()[0].rstrip(". ")
    return f"{where} cannot be opened ({why}); name a database of DuckDB to which nobody writes."
