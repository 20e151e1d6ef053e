"""The parts of a tally, each of which adds up over batches: moments, levels, readings as numbers, parts of dates."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa

from separatrix.arrays import FloatArray, IntArray
from separatrix.data.tables.calendar import NUMBERS, PARTS, DatePart, has_part, part_of, zone_of
from separatrix.data.tables.cells import Kind, as_floats, as_text, is_text
from separatrix.data.tables.numerals import pc

MOST_LEVELS = 100_000  # of text that are counted
MOST_LETTERS = 2**23  # in all of them
MOST_NUMBERS = 1_000  # different numbers that are counted,
WIDEST = 2**17  # or all whole numbers in a range of this width


@dataclass(frozen=True)
class Moments:
    """Of so many numbers the mean, the sum of squared deviations from it, the least and the greatest.

    Two add up by the update of Chan, Golub and LeVeque (1983), which loses no digits far from zero.

    >>> Moments.of(np.array([1.0, 2.0])) + Moments.of(np.array([6.0]))
    Moments(count=3, mean=3.0, squares=14.0, low=1.0, high=6.0)
    """

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0
    low: float = np.inf
    high: float = -np.inf

    @classmethod
    def of(cls, values: FloatArray, counts: IntArray | None = None) -> "Moments":
        """Of numbers that can be squared, (n,), each as often as `counts` says, or once."""
        if not len(values):
            return cls()
        count = len(values) if counts is None else int(counts.sum())
        mean = float((values if counts is None else counts * values).sum()) / count
        terms = np.square(values - mean)  # not by BLAS, whose threads would wait for each other
        squares = float((terms if counts is None else counts * terms).sum())
        return cls(count, mean, squares, float(values.min()), float(values.max()))

    def __add__(self, other: "Moments") -> "Moments":
        if not (self.count and other.count):
            return self if self.count else other
        count = self.count + other.count
        share = other.count / count
        mean = self.mean * (1 - share) + other.mean * share
        between = (other.mean - self.mean) * (other.mean - self.mean) * self.count * share
        squares = self.squares + other.squares + between
        return Moments(count, mean, squares, min(self.low, other.low), max(self.high, other.high))


@dataclass(frozen=True, eq=False)
class Levels:
    """The different values of a column as an Arrow array, in no order, and how many cells hold each, (levels,)."""

    values: Any
    counts: IntArray

    @classmethod
    def of(cls, values: Any, counts: IntArray | None = None) -> "Levels":
        """Of Arrow values, (n,), each as often as `counts` says, or once."""
        if counts is None:
            counted = pc.value_counts(values)
            return cls(counted.field("values"), counted.field("counts").to_numpy())
        both = pa.table({"value": values, "count": counts})
        whole = both.group_by("value", use_threads=False).aggregate([("count", "sum")]).combine_chunks()
        return cls(whole["value"].combine_chunks(), whole["count_sum"].to_numpy())

    def __len__(self) -> int:
        return len(self.counts)

    def __add__(self, other: "Levels") -> "Levels":
        if not (len(self) and len(other)):
            return self if len(self) else other
        values = [self.values, other.values]
        if values[0].type != values[1].type:
            values = [pc.cast(each, pa.float64(), safe=False) for each in values]  # whole numbers here, others there
        return Levels.of(pa.concat_arrays(values), np.concatenate([self.counts, other.counts]))

    def few(self, kind: Kind) -> "Levels | None":
        """These levels, or None if there are too many: of any larger number of rows there are then too many too."""
        if kind in ("text", "category"):
            fits = len(self) <= MOST_LEVELS and self._letters() <= MOST_LETTERS
        else:
            fits = len(self) <= MOST_NUMBERS or (kind == "number" and self._narrow())
        return self if fits else None

    def _letters(self) -> int:
        return pc.sum(pc.binary_length(self.values)).as_py() or 0 if is_text(self.values.type) else 0

    def _narrow(self) -> bool:
        numbers = as_floats(self.values)
        return bool(numbers.max() - numbers.min() <= WIDEST and (numbers == np.floor(numbers)).all())

    def texts(self) -> dict[str, int]:
        """Each level as text, and its count."""
        return dict(zip(as_text(self.values).to_pylist(), self.counts.tolist(), strict=True))


@dataclass(frozen=True)
class Rising:
    """Whole numbers from `first` to `last`, each above the one before; no longer once `holds` is false."""

    first: int | None = None
    last: int | None = None
    holds: bool = True

    def __add__(self, other: "Rising") -> "Rising":
        if self.last is None or other.first is None:
            return replace(other if self.last is None else self, holds=self.holds and other.holds)
        return Rising(self.first, other.last, self.holds and other.holds and self.last < other.first)


@dataclass(frozen=True)
class Reading:
    """The cells of a column taken for numbers: those that can be squared, the first in `excess`, which cannot, and the
    first that is `strange`, none at all.

    `codes`: one begins with a zero, as codes do; `units`: the signs of currencies and percent beside them.
    """

    moments: Moments = field(default_factory=Moments)
    excess: str | None = None
    strange: str | None = None
    codes: bool = False
    units: frozenset[str] = frozenset()

    @property
    def wrong(self) -> str | None:
        """The first cell that is no number, or none that can be squared, in words that go on with what to do."""
        return f"{self.strange} is not a number;" if self.strange else self.excess

    def __add__(self, other: "Reading") -> "Reading":
        return Reading(
            self.moments + other.moments,
            self.excess or other.excess,
            self.strange or other.strange,
            self.codes or other.codes,
            self.units | other.units,
        )


@dataclass(frozen=True)
class Dates:
    """The cells of a column taken for dates: how many are, moments of the parts that are numbers, counts of others, and
    their time zone, "" for none."""

    count: int = 0
    numbers: Mapping[DatePart, Moments] = field(default_factory=dict)
    counts: Mapping[DatePart, Counter[int]] = field(default_factory=dict)
    zone: str = ""

    @classmethod
    def of(cls, different: Any, counts: IntArray) -> "Dates":
        """Of different dates and how often each is there."""
        numbers: dict[DatePart, Moments] = {}
        counters: dict[DatePart, Counter[int]] = {}
        for part in PARTS:
            if has_part(different.type, part):
                codes = part_of(different, part)
                if part in NUMBERS:
                    numbers[part] = Moments.of(as_floats(codes), counts)
                else:
                    rows = np.bincount(codes.to_numpy().astype(np.int64), counts)
                    counters[part] = Counter({code: int(many) for code, many in enumerate(rows) if many})
        return cls(int(counts.sum()), numbers, counters, zone_of(different.type))

    def __add__(self, other: "Dates") -> "Dates":
        numbers, counts = merged(self.numbers, other.numbers), merged(self.counts, other.counts)
        return Dates(self.count + other.count, numbers, counts, self.zone if self.count else other.zone)


def merged(one: Mapping[Any, Any], other: Mapping[Any, Any]) -> dict[Any, Any]:
    """The sums of what has the same key."""
    return dict(one) | {key: one[key] + part if key in one else part for key, part in other.items()}
