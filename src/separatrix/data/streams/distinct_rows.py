"""Rows that are alike, counted: of a few categories, millions become hundreds."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from separatrix.arrays import IntArray
from separatrix.data.reading.parts import decoded

GLANCES = {512: 1.0, 4_096: 0.75}  # first rows, of which a smaller share is like no other where counting may pay
FEW = 256  # rows say nothing of those to come
MOST, MOST_BYTES = 200_000, 2**26  # distinct rows that are held


@dataclass(frozen=True)
class Counted:
    """Rows no two of which are alike, in the order of their first; of each the weight of all that are like it, and the
    number of the first of them, (rows,)."""

    rows: pa.Table
    weight: NDArray
    numbers: IntArray

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True)
class Counts:
    """The distinct rows of several batches, in parts that add up; None where there are too many of them."""

    parts: tuple[Counted, ...] | None = ()

    def __add__(self, other: "Counts") -> "Counts":
        if self.parts is None or other.parts is None:
            return Counts(None)
        # Many parts are merged at once, as each costs a look at all rows that are known.
        both = (*self.parts, *other.parts)
        if _fit(both, 2):
            return Counts(both)
        whole = merged(both)
        return Counts((whole,) if _fit([whole], 1) else None)

    def whole(self) -> Counted | None:
        """All of them together; None if there are too many, or none at all."""
        return merged(self.parts) if self.parts else None


def counted(rows: pa.Table, weight: NDArray | None = None, numbers: IntArray | None = None) -> Counted:
    """The distinct rows of a table, which have a weight of 1 and numbers from 0 on if not told, (rows,).

    Raises pa.ArrowNotImplementedError for columns of lists and the like.

    >>> found = counted(pa.table({"site": ["Rome", "Oslo", "Rome"]}))
    >>> found.rows["site"].to_pylist(), found.weight, found.numbers
    (['Rome', 'Oslo'], array([2, 1]), array([0, 1]))
    """
    names = [str(j) for j in range(rows.num_columns)]  # so that none is called like ours
    weight = np.ones(len(rows), np.int64) if weight is None else weight
    numbers = np.arange(len(rows)) if numbers is None else numbers
    whole = rows.rename_columns(names).unify_dictionaries()
    whole = whole.append_column("weight", pa.array(weight)).append_column("number", pa.array(numbers))
    groups = whole.group_by(names, use_threads=False).aggregate([("weight", "sum"), ("number", "min")])
    groups = groups.sort_by("number_min")  # groups come in the order of their first nearly always, and here in it
    distinct = groups.select(names).rename_columns(rows.schema.names).cast(rows.schema)
    return Counted(decoded(distinct), groups["weight_sum"].to_numpy(), groups["number_min"].to_numpy())


def merged(parts: Sequence[Counted]) -> Counted:
    """The counts of several batches as one."""
    rows = pa.concat_tables([part.rows for part in parts], promote_options="permissive")
    return counted(rows, *(np.concatenate(each) for each in zip(*((p.weight, p.numbers) for p in parts), strict=True)))


def may_repeat(rows: pa.Table) -> bool:
    """Whether it may pay to count rows that begin like these.

    The chance that a further row is new is about the share of rows that are like no other (Good 1953).
    """
    try:
        return all(alone(rows[:many]) < share for many, share in GLANCES.items()) or len(rows) < FEW
    except pa.ArrowNotImplementedError:  # no groups of lists and the like
        return False


def alone(rows: pa.Table) -> float:
    """The share of rows that are like no other."""
    return np.count_nonzero(counted(rows).weight == 1) / max(len(rows), 1)


def _fit(parts: Sequence[Counted], times: int) -> bool:
    """Whether the memory for distinct rows holds these, so many times."""
    size = sum(part.rows.nbytes for part in parts)
    return sum(map(len, parts)) <= times * MOST and size <= times * MOST_BYTES
