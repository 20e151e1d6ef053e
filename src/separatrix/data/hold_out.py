"""Rows held out of a dataset by their number, so that every reading, here or on a worker, holds out the same."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from separatrix.arrays import BoolArray
from separatrix.data.dataset import Dataset
from separatrix.data.parts import Part

GOLDEN, MIX_1, MIX_2 = (np.uint64(word) for word in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))


def split(dataset: Dataset, share: float, seed: int) -> tuple[Dataset, Dataset]:
    """About 1 - share of the rows, and the others: the same for a seed.

    >>> from separatrix.data.dataset import open
    >>> kept, held_out = split(open(pa.table({"x": range(1000)})), share=0.25, seed=0)
    >>> sum(map(len, kept.batches())), sum(map(len, held_out.batches()))
    (745, 255)
    """

    def some(held_out: bool) -> tuple[Part, ...]:
        return tuple(SomeRows(part, number, share, seed, held_out) for number, part in enumerate(dataset.parts))

    kept = replace(dataset, name=f"the training rows of {dataset.name}", parts=some(False))
    return kept, replace(dataset, name=f"the rows held out of {dataset.name}", parts=some(True))


@dataclass(frozen=True)
class SomeRows:
    """The rows of a part that are held out, or the others; how many is known once they are read."""

    part: Any
    number: int
    share: float
    seed: int
    held_out: bool

    @property
    def rows(self) -> None:
        return None

    @property
    def columns(self) -> list[str]:
        return self.part.columns

    @property
    def path(self) -> Any:
        """Where the rows are, for messages."""
        return getattr(self.part, "path", None)

    @property
    def groups(self) -> tuple[int, ...]:
        """Which row groups of a Parquet file, for messages."""
        return getattr(self.part, "groups", ())

    def batches(self, rows: int, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """As those of the part, but for the rows that are not of these."""
        first = 0
        for batch in self.part.batches(rows, columns):
            some = drawn(first, len(batch), self.number, self.share, self.seed) == self.held_out
            first += len(batch)
            yield batch.filter(pa.array(some))


def drawn(first: int, rows: int, part: int, share: float, seed: int) -> BoolArray:
    """Which of the rows from number `first` of a part on are drawn, (rows,): each with the chance `share`, by a counter
    that is mixed (Steele, Lea and Flood 2014, "SplitMix")."""
    stream = np.random.SeedSequence([seed, part]).generate_state(1, np.uint64)[0]
    with np.errstate(over="ignore"):
        mixed = stream + GOLDEN * np.arange(first + 1, first + rows + 1, dtype=np.uint64)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * MIX_1
        mixed = (mixed ^ (mixed >> np.uint64(27))) * MIX_2
        mixed ^= mixed >> np.uint64(31)
    return mixed < np.uint64(share * 2.0**64)
