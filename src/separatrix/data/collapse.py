"""Rows that are alike become one with their number for a weight: of a few categories, millions become hundreds."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import narwhals as nw
import numpy as np
import pyarrow as pa

from separatrix.arrays import FloatArray
from separatrix.data.cells import Table, cells_of
from separatrix.data.dataset import Dataset
from separatrix.data.learn import Encoding, Learned
from separatrix.data.threads import in_order, workers

PAYS = 8  # rows for each distinct one, at least
MOST = 200_000  # distinct rows
COUNT = "weight of equal rows"  # a column of that name is ours
GLANCE = 50_000  # rows that show whether it may pay:
NEW = 0.25  # the most of them that may be like no other


@dataclass(frozen=True)
class Distinct:
    """Rows no two of which are alike, and the weight of all that are like each, (rows,)."""

    rows: Table
    weight: FloatArray


def collapsed(dataset: Dataset, learned: Learned, n_threads: int = 1) -> Distinct | None:
    """The distinct rows of a dataset, of the columns that count, in one reading; None where it does not pay.

    A sample says whether to try at all: the chance that a further row is new is about the share of rows that are like
    no other (Good 1953). The reading is given up once there are too many.
    """
    encoding, most = learned.encoding, min(MOST, learned.rows // PAYS)
    few = learned.some[:GLANCE]
    alone = np.sum(counted(few, replace(encoding, weight=None))[COUNT].to_numpy() == 1.0)
    if alone > NEW * len(few):
        return None
    with workers(n_threads) as pool:
        count = partial(counted, encoding=encoding)
        parts = in_order(pool, count, dataset.batches(columns=encoding.needs), ahead=2 * n_threads)
        distinct = merged(parts, most)
    if distinct is None:
        return None
    weight = distinct[COUNT].to_numpy()
    rows = nw.from_native(distinct.drop_columns([COUNT]), eager_only=True)
    return Distinct(with_weights(rows, encoding), weight)


def counted(table: Table, encoding: Encoding) -> pa.Table:
    """Each distinct row of a batch that counts once, with their weight."""
    table = encoding.that_count(table)
    weight = np.ones(len(table)) if encoding.weight is None else cells_of(table, encoding.weight).numbers()
    rows: pa.Table = table.select([name for name in encoding.needs if name != encoding.weight]).to_native()
    return grouped(rows.append_column(COUNT, pa.array(weight)))


def merged(parts: Iterator[pa.Table], most: int) -> pa.Table | None:
    """The counts of all batches as one table of at most so many rows, else None. The sums of a group of batches at
    once, as each costs a look at all that are known."""
    held: list[pa.Table] = []
    for part in parts:
        held.append(part)
        if sum(map(len, held)) > 2 * most:
            held = [grouped(pa.concat_tables(held, promote_options="permissive"))]
            if len(held[0]) > most:
                return None
    whole = grouped(pa.concat_tables(held, promote_options="permissive"))
    return whole if len(whole) <= most else None


def grouped(rows: pa.Table) -> pa.Table:
    """Each distinct row once, in the order of their first, with the sum of their counts."""
    names: Sequence[str] = [name for name in rows.schema.names if name != COUNT]
    summed = rows.unify_dictionaries().group_by(names, use_threads=False).aggregate([(COUNT, "sum")])
    return summed.rename_columns([*names, COUNT])


def with_weights(rows: Table, encoding: Encoding) -> Table:
    """The rows with a column of ones where the encoding looks for their weight."""
    if encoding.weight is None:
        return rows
    return rows.with_columns(nw.lit(1.0).alias(encoding.weight))
