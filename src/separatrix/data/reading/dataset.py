"""Data that are read again and again in bounded memory: files, queries, streams."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from math import inf
from os import PathLike
from pathlib import Path
from typing import Any

import narwhals as nw
import pyarrow as pa

from separatrix.cached import cached_property
from separatrix.data.reading.delimited import merge_as_numbers
from separatrix.data.reading.dialect import refuse_twins
from separatrix.data.reading.files import find, no_rows, parts_of
from separatrix.data.reading.hold_out import HoldOut, Some
from separatrix.data.reading.parts import Folder, Part, TablePart, TextPart, decoded, plain_errors, regrouped, spool
from separatrix.data.tables.cells import Numbered, Table
from separatrix.data.tables.infer import check_lists
from separatrix.data.tables.locations import Where
from separatrix.data.tables.target import FEW_CLASSES
from separatrix.errors import ArgumentError, ColumnError, FileError, no_such

BATCH = 65_536
MOST_LABELS = 2**20  # different ones of a column: of more, numbers are amounts
STREAM = "the stream"

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

    def as_text(self, names: Sequence[str]) -> "Dataset":
        """It with the cells of these columns as files of text write them, whatever type all of them together have:
        what was learned of other rows says how they are read. Columns that have a type elsewhere keep it."""
        parts = (
            replace(part, layout=part.layout.as_text(names)) if isinstance(part, TextPart) else part
            for part in self.parts
        )
        return replace(self, parts=tuple(parts))

    def told(self, options: Mapping[str, Any], classes: str | None, cluster: str | None = None) -> "Dataset":
        """It with what the `options` of `Columns.from_tally` call text, or a category, as files of text write it; and
        so the column of the classes, and what tells clusters apart."""
        labels, texts = options.get("categorical", ()), options.get("text", ())
        check_lists(categorical=labels, text=texts)
        data = self.as_text([name for name in self.columns if name in [*texts]]).as_labels([*labels, cluster])
        return data.as_labels([classes], FEW_CLASSES)

    def as_labels(self, names: Sequence[str | None], most: float = inf) -> "Dataset":
        """It with those of these columns as text, which are labels, that as numbers would have fewer, and so many at
        most: 1.1 and 1.10 are one number."""
        decimals = {name for part in self.parts if isinstance(part, TextPart) for name in part.layout.decimals}
        some = [name for name in self.columns if name in decimals and name in names]
        if not some:
            return self
        found: dict[str, set[str]] = {name: set() for name in some}
        for table in self.as_text(some).batches(columns=some):
            for name, texts in found.items():
                texts.update(table.get_column(name).drop_nulls().unique().to_list())
            found = {name: texts for name, texts in found.items() if len(texts) <= MOST_LABELS}
            if not found:
                return self
        return self.as_text([name for name, texts in found.items() if merge_as_numbers(texts, most)])

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
            _check(stamp)

    def refuse(self, *places: Path, others: Iterable[Path]) -> None:
        """Raises ArgumentError where one of these, which are to be written, is one of its files, or of others read."""
        files = {Path(name).resolve() for name, _, _ in self.files} | {path.resolve() for path in others}
        for place in places:
            if place.resolve() in files:
                raise ArgumentError(f"out={place} is a file to be read, and would be lost: choose another place.")

    def _read(self, part: Part, rows: int, columns: Sequence[str] | None) -> Iterator[pa.RecordBatch]:
        if stamp := self._stamps.get(str(getattr(part, "path", ""))):
            _check(stamp)
        yield from part.batches(rows, columns)

    @cached_property
    def _stamps(self) -> dict[str, Stamp]:
        return {stamp[0]: stamp for stamp in self.files}


def is_dask(data: Any) -> bool:
    """Whether it is a collection of Dask, which has no rows yet.

    >>> is_dask([1.0])
    False
    """
    return hasattr(data, "__dask_graph__") and not isinstance(data, type)


def is_frame(data: Any) -> bool:
    """Whether it is a dataframe of Dask: by its type, as something delayed has any name."""
    return is_dask(data) and hasattr(type(data), "to_dask_array") and not hasattr(type(data), "to_frame")


def of_paths(paths: Sequence[str | PathLike[str]]) -> Dataset:
    """The rows of the files of these paths and globs, one after another.

    FileError where there are none, or a file cannot be read.
    """
    name = f"{paths[0]} and others" if len(paths) > 1 else str(paths[0])
    files = [path for given in paths for path in find(str(given))]
    stamps = tuple(_stamp(path) for path in files)
    parts = parts_of(files)
    if not parts:  # Parquet without a row group
        raise no_rows(name)
    return _with_rows(Dataset(name, tuple(parts[0].columns), tuple(parts), stamps))


def of_table(name: str, table: pa.Table) -> Dataset:
    """The rows of a table in memory. FileError where there are none."""
    return _with_rows(Dataset(name, tuple(table.schema.names), (TablePart(table),)))


def of_stream(name: str, stream: pa.RecordBatchReader, folder: Folder) -> Dataset:
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


def _check(stamp: Stamp) -> None:
    """FileError where a file is not as it was."""
    now = _stamp(Path(stamp[0]))
    if now != stamp:
        happened = "is gone" if now[1] < 0 else "has changed"
        raise FileError(f"{stamp[0]} {happened} since it was opened; open the data again once it rests.")


def _stamp(path: Path) -> Stamp:
    try:
        found = path.stat()
    except OSError:
        return str(path), -1, 0
    return str(path), found.st_size, found.st_mtime_ns
