"""Datasets and Dask collections as shares of a cluster's workers: what goes to whom, and the first reading of it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from separatrix.data.memory import MemorySource
from separatrix.data.reading.dataset import Dataset, is_frame, of_paths
from separatrix.data.reading.files import no_rows
from separatrix.data.reading.hold_out import START, Dealt, HoldOut, Some
from separatrix.data.reading.parts import Part, TablePart
from separatrix.data.streams.collapse import counts_of
from separatrix.data.streams.distinct_rows import Counts
from separatrix.data.streams.learn import Learned, Question, Reading, added_here
from separatrix.data.streams.spill import empty
from separatrix.data.streams.stream import StreamSource, source_of, spills
from separatrix.data.tables.encoding import Encoding
from separatrix.data.threads import thread_count
from separatrix.data.workers.client import current_client, hush_all, reachable
from separatrix.data.workers.cluster import ClusterSource, Deal, Share, added_up, result_of, submitted
from separatrix.errors import ArgumentError, DataError

LOT_ROWS = 200_000  # at least, where there are as many: a task costs the scheduler about a millisecond,
MOST_LOTS = 4_096  # and this many seconds of them are enough for a pass


@dataclass(frozen=True)
class Partition:
    """A part of a Dask dataframe, which some worker has or makes: `future` is a dataframe of pandas."""

    name: str
    schema: pa.Schema
    future: Any
    rows: int | None = None

    @property
    def columns(self) -> list[str]:
        return self.schema.names

    def batches(self, rows: int, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """The rows, brought here."""
        yield from arrow_part(result_of(self.future.client, self.future), self.schema, self.name).batches(rows, columns)


def arrow_part(frame: Any, schema: pa.Schema, name: str) -> TablePart:
    """A partition as a part in memory, with the columns that the dataframe promises."""
    try:
        table = pa.Table.from_pandas(frame, preserve_index=False).select(schema.names)
        return TablePart(pa.table([as_promised(table[field.name], field.type) for field in schema], schema))
    except (pa.ArrowException, KeyError, ValueError, AttributeError) as error:  # no dataframe, or twins among columns
        reason = str(error).splitlines()[0]
        raise DataError(f"{name} does not hold what the dataframe says ({reason}); make its types true.") from None


def of_collection(data: Any, client: Any = None) -> Dataset:
    """A Dask dataframe, or the files whose paths a Dask bag holds, as a dataset on the workers of a client.

    Raises ArgumentError for another collection, and where there is no client.
    """
    client = client or current_client()
    kind = type(data).__name__
    if kind == "Bag":
        paths = [str(path) for path in result_of(client, client.compute(data))]
        if not paths:
            raise ArgumentError("the Dask bag is empty: put the paths of files into it.")
        return replace(of_paths(paths), client=client)
    if not is_frame(data):
        raise ArgumentError(f"a Dask {kind} has no columns of names: pass a dataframe, or arrays to fit(X, y).")
    schema = pa.Table.from_pandas(data._meta_nonempty, preserve_index=False).schema.remove_metadata()
    schema = pa.schema([pa.field(each.name, promised(each.type)) for each in schema])
    with reachable(client):
        hush_all(client)
        futures = client.compute(data.to_delayed())
    name = "the Dask dataframe"
    parts = tuple(Partition(f"partition {i} of {name}", schema, future) for i, future in enumerate(futures))
    return Dataset(name, tuple(schema.names), parts, client=client)


def promised(kind: Any) -> Any:
    """The type of a column in all partitions: categories, each of which has levels of its own, with codes alike."""
    return pa.dictionary(pa.int32(), kind.value_type) if pa.types.is_dictionary(kind) else kind


def as_promised(column: Any, kind: Any) -> Any:
    """A column of a partition in the type that the dataframe promises. Of categories whose levels Dask does not know
    it believes that they are text."""
    if not pa.types.is_dictionary(kind):
        return column.cast(kind)
    chunks = column.chunks if pa.types.is_dictionary(column.type) else column.dictionary_encode().chunks
    coded = [(chunk.indices.cast(kind.index_type), chunk.dictionary.cast(kind.value_type)) for chunk in chunks]
    return pa.chunked_array([pa.DictionaryArray.from_arrays(*each) for each in coded], kind)


@dataclass(frozen=True)
class Lot:
    """Parts of a dataset for one share: the dataset without them, and each as itself or as a future of its rows."""

    dataset: Dataset
    parts: list[Any]
    schema: pa.Schema | None = None

    @property
    def arguments(self) -> tuple[Any, ...]:
        return self.dataset, self.parts, self.schema


def lots_of(dataset: Dataset) -> list[Lot]:
    """The parts of a dataset in lots, in order: of the rows alone it depends what goes together."""
    return [_lot(dataset, list(group)) for group in _together(dataset.parts)]


def _together(parts: Sequence[Part]) -> Iterator[list[Part]]:
    """Parts of LOT_ROWS together, or of as many more as make MOST_LOTS; of unknown size by their number. Tables are
    cut."""
    known = [part.rows for part in parts if part.rows is not None]
    rows, many = max(LOT_ROWS, sum(known) / MOST_LOTS), max(1.0, len(parts) / MOST_LOTS)
    held: list[Part] = []
    for part in parts:
        if isinstance(part, TablePart):
            for first in range(0, len(part.table), int(rows)):
                yield [TablePart(part.table.slice(first, int(rows)), first)]
            continue
        held.append(part)
        if len(held) >= many if len(known) < len(parts) else sum(each.rows or 0 for each in held) >= rows:
            yield held
            held = []
    if held:
        yield held


def _lot(dataset: Dataset, parts: list[Part]) -> Lot:
    made = [part for part in parts if isinstance(part, Partition)]
    if made:
        name = made[0].name if len(made) == 1 else f"{made[0].name} or one of the {len(made) - 1} after it"
        return Lot(Dataset(name, dataset.columns, ()), [part.future for part in made], made[0].schema)
    paths = dict.fromkeys(str(getattr(part, "path", dataset.name)) for part in parts)
    name = " to ".join(dict.fromkeys([next(iter(paths)), list(paths)[-1]]))
    groups = [group for part in parts for group in getattr(part, "groups", ())]
    if len(paths) == 1 and groups and groups[0]:
        name += f", from row group {groups[0]} on"
    files = tuple(stamp for stamp in dataset.files if stamp[0] in paths)
    return Lot(Dataset(name, dataset.columns, (), files), list(parts))


def dealt(client: Any, lots: list[Lot], some: Some) -> list[Lot]:
    """The lots of a dataset of which only some rows count, each with what is dealt before it: their workers look."""
    counts = submitted(client, deal_lot, some.rule, [lot.arguments for lot in lots])
    with reachable(client):
        together = client.submit(list, counts, pure=False)
    before, begun = some.before, []
    for lot, found in zip(lots, result_of(client, together, deals_of(lots, [0] * len(lots))), strict=True):
        begun.append(replace(lot, dataset=replace(lot.dataset, some=replace(some, before=before))))
        before += found
    return begun


def with_rows(client: Any, lots: list[Lot], name: str) -> list[Lot]:
    """The lots without partitions of Dask that are empty, as many a filter leaves them."""
    unknown = [lot for lot in lots if lot.schema is not None]
    with reachable(client):
        counts = client.submit(list, [client.submit(_rows, lot.parts, pure=False) for lot in unknown], pure=False)
    rows = result_of(client, counts, deals_of(unknown, [0] * len(unknown)))
    empty = {lot.dataset.name for lot, many in zip(unknown, rows, strict=True) if not many}
    if len(empty) == len(lots):
        raise no_rows(name)
    return [lot for lot in lots if lot.dataset.name not in empty]


def _rows(frames: list[Any]) -> int:
    """How many rows there are; what is no dataframe is told when it is read."""
    return sum(len(frame) if hasattr(frame, "__len__") else 1 for frame in frames)


def deal_lot(rule: HoldOut, *lot: Any) -> Dealt:
    """How many rows of each class a lot has, on its worker."""
    found = START
    dataset = there(*lot)
    for table, first_row in dataset.numbered(columns=rule.needs):
        _, found = rule.among(table, found, dataset.where, first_row)
    return found


def there(dataset: Dataset, parts: list[Any], schema: pa.Schema | None) -> Dataset:
    """A lot on its worker, as a dataset."""
    whole = (part if schema is None else arrow_part(part, schema, dataset.name) for part in parts)
    return replace(dataset, parts=tuple(whole))


TableSource = ClusterSource | StreamSource | MemorySource


def learned_source(
    dataset: Dataset, question: Question, n_threads: int | None = None, centre: bool = True, collapses: bool = True
) -> tuple[Learned, TableSource]:
    """What a first reading finds, and the rows as the engine reads them: here if they have room here, else as a stream,
    or, where the dataset has a client, by its workers, who do the reading too. It `collapses` rows that are alike to
    one, unless told not to, where that pays.

    Raises DataError where columns are not there, or hold what cannot be learned from; and ClusterError if scheduler or
    workers are gone.
    """
    question.check(dataset)
    if dataset.client is None:
        threads = thread_count(n_threads)
        reading = question.read(dataset, threads, spills=spills(dataset))
        learned = question.learned(reading, dataset.where, added_here(dataset))
        count = partial(counts_of, dataset, n_threads=threads)
        return learned, source_of(dataset, learned, n_threads, centre, count if collapses else None)
    client = dataset.client
    lots = with_rows(client, lots_of(dataset), dataset.name)
    if dataset.some:
        lots = dealt(client, lots, dataset.some)
    reading, rows = first_reading(client, lots, question)
    add_up = partial(added_there, client, lots)
    learned = question.learned(reading, dataset.where, add_up)

    def count(encoding: Encoding) -> Counts:
        return add_up(partial(counts_of, encoding=encoding), Counts.__add__)

    source = source_of(dataset, learned, n_threads, centre, count if collapses else None)
    return learned, spread(client, lots, rows, source) if isinstance(source, StreamSource) else source


def first_reading(client: Any, lots: list[Lot], question: Question) -> tuple[Reading, list[int]]:
    """What all lots say, added up by the workers, and how many rows of each count."""
    tasks = [(number, len(lots), *lot.arguments) for number, lot in enumerate(lots)]
    readings = submitted(client, read_lot, question, tasks)
    with reachable(client):
        counts = client.submit(counted, readings, pure=False)
    total = added_up(client, readings, Reading.__add__)
    deals = deals_of(lots, [0] * len(lots))
    return result_of(client, total, deals), result_of(client, counts, deals)


def added_there(
    client: Any, lots: list[Lot], of_dataset: Callable[[Dataset], Any], combine: Callable[[Any, Any], Any]
) -> Any:
    """What a function says of the rows of all lots, combined in their order by the workers."""
    said = submitted(client, of_lot, of_dataset, [lot.arguments for lot in lots])
    return result_of(client, added_up(client, said, combine), deals_of(lots, [0] * len(lots)))


def of_lot(of_dataset: Callable[[Dataset], Any], *lot: Any) -> Any:
    """What a function says of a lot, on its worker."""
    return of_dataset(there(*lot))


def read_lot(question: Question, number: int, many: int, *lot: Any) -> Reading:
    """What a lot says, on its worker."""
    return question.read(there(*lot), number=number, share=many)


def counted(readings: list[Reading]) -> list[int]:
    """How many rows of each count."""
    return [reading.seen.rows for reading in readings]


def deals_of(lots: list[Lot], rows: list[int]) -> tuple[Deal, ...]:
    """A deal for each lot, so many rows of which count."""
    before = np.cumsum([0, *rows]).tolist()
    return tuple(
        Deal(share_of_lot, (rows[i], before[i], *lot.arguments), lot.dataset.name) for i, lot in enumerate(lots)
    )


def spread(client: Any, lots: list[Lot], rows: list[int], stream: StreamSource) -> ClusterSource:
    """The rows of a stream, read by workers."""
    none = np.arange(0)
    at_hand, strata = stream.at_hand.take(none), stream.strata.take(none)
    bare = replace(stream, dataset=Dataset("", (), ()), at_hand=at_hand, strata=strata, n_threads=1)
    return ClusterSource(client, bare, deals_of(lots, rows), stream.n_rows, stream.at_hand, stream.strata, stream.cells)


def share_of_lot(stream: StreamSource, rows: int, before: int, *lot: Any) -> Share:
    """A lot as a share, with room for its encoded rows on the worker's disk."""
    dataset = there(*lot)
    encoding = replace(stream.encoding, where=dataset.where)
    source = replace(stream, dataset=dataset, encoding=encoding, n_rows=rows)
    return Share(replace(source, kept=empty(source.size)), before)
