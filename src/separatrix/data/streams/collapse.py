"""Rows that are alike become one with their number for a weight, where that pays."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import narwhals as nw
import pyarrow as pa
from numpy.typing import NDArray

from separatrix.arrays import FloatArray
from separatrix.data.reading.dataset import Dataset
from separatrix.data.streams.distinct_rows import MOST, Counted, Counts, alone, counted
from separatrix.data.streams.learn import Learned
from separatrix.data.tables.cells import Table
from separatrix.data.tables.encoding import Encoding
from separatrix.data.tables.side_columns import weights_of
from separatrix.data.threads import in_order, workers

PAYS = 8  # rows for each distinct one, at least
GLANCE = 50_000  # rows that show whether it may pay to read them all again:
NEW = 0.25  # the most of them that may be like no other


@dataclass(frozen=True)
class Distinct:
    """Rows no two of which are alike, and the weight of all that are like each, (rows,)."""

    rows: Table
    weight: FloatArray


def collapsed(learned: Learned) -> Distinct | None:
    """The distinct rows by what the first reading counted; None where it could not, or where it does not pay."""
    whole = learned.counts.whole()
    if whole is None:
        return None
    # Of the columns that count alone, for others may tell rows apart that are alike for us.
    rows = nw.from_native(whole.rows, eager_only=True)
    return _paying(counted_of(rows, learned.encoding, whole.weight), learned)


def recounted(learned: Learned, count: Callable[[Encoding], Counts]) -> Distinct | None:
    """The distinct rows by another reading, `count`, where the first could not count all its columns; None where a
    sample says that it would not pay, or it does not."""
    few = _columns(learned.some[:GLANCE], learned.encoding)
    if learned.counts.parts is not None or alone(few) > NEW:
        return None
    whole = count(learned.encoding).whole()
    return None if whole is None else _paying(whole, learned)


def counts_of(dataset: Dataset, encoding: Encoding, n_threads: int = 1) -> Counts:
    """The counts of the rows that count, in one reading of the columns that do; given up once there are too many."""
    counts = Counts()
    with workers(n_threads) as pool:
        count = partial(counted_of, encoding=encoding)
        for batch in in_order(pool, count, dataset.batches(columns=encoding.needs, coded=True), ahead=2 * n_threads):
            counts += Counts((batch,))
            if counts.parts is None:
                break
    return counts


def counted_of(table: Table, encoding: Encoding, times: NDArray | None = None) -> Counted:
    """The distinct rows that count of a table, of the columns that do, each of which is there so many `times`."""
    which = encoding.which_count(table)
    weight = weights_of(table, encoding.weight) * (1 if times is None else times)
    return counted(_columns(table, encoding).filter(pa.array(which)), weight[which])


def _columns(table: Table, encoding: Encoding) -> pa.Table:
    return table.select([name for name in encoding.needs if name != encoding.weight]).to_native()


def _paying(distinct: Counted, learned: Learned) -> Distinct | None:
    if len(distinct) > min(MOST, learned.rows // PAYS):
        return None
    rows: Table = nw.from_native(distinct.rows, eager_only=True)
    if learned.encoding.weight:  # a column where the encoding looks for it
        rows = rows.with_columns(nw.lit(1.0).alias(learned.encoding.weight))
    return Distinct(rows, distinct.weight)
