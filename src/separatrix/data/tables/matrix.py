"""Slots side by side as one matrix: dense, or CSR where there are many features and most are zero.

Rows are filled in chunks, so that what is written stays in cache from the first slot to the last.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from separatrix.arrays import FloatArray, IntArray

MANY_FEATURES = 64  # up to here a dense matrix is always the faster one
MOSTLY_ZERO = 0.2  # share of non-zeros below which a sparse matrix is
CELLS = 2**17  # of a chunk


@dataclass(frozen=True)
class Slot:
    """One value a row: `value` (rows,) goes to the column's feature number `feature`, fixed or (rows,).

    A category is a single slot whose feature differs by row, so its 0/1 matrix need never be made.
    """

    feature: int | NDArray[np.int32]
    value: FloatArray

    def moved(self, by: int) -> "Slot":
        """To features so much further on."""
        return Slot(self.feature + by, self.value)


@dataclass(frozen=True)
class Stretch:
    """Any number of values a row: CSR `matrix` (rows, k) goes to the k features from number `feature` on."""

    feature: int
    matrix: Any

    def moved(self, by: int) -> "Stretch":
        """To features so much further on."""
        return Stretch(self.feature + by, self.matrix)


def matrix_of(slots: Sequence[Slot | Stretch], rows: int, features: int) -> Any:
    """X (rows, features), dense in C order or CSR.

    >>> matrix_of([Slot(1, np.array([3.0, 4.0])), Slot(0, np.array([5.0, 6.0]))], rows=2, features=2)
    array([[5., 3.],
           [6., 4.]])
    """
    single = [slot for slot in slots if isinstance(slot, Slot)]
    if len(single) < len(slots) or _is_mostly_zero(single, rows, features):
        return _sparse(slots, rows, features)
    filled = {slot.feature for slot in single if isinstance(slot.feature, int)}
    X = np.empty((rows, features))
    for some in _chunks(rows, features):
        part = X[some]
        if len(filled) < features:
            part[:] = 0.0
        every = np.arange(len(part))
        for slot in single:
            feature = slot.feature
            at = (slice(None), feature) if isinstance(feature, int) else (every, feature[some])
            part[at] = slot.value[some]
    return X


def _is_mostly_zero(slots: Sequence[Slot], rows: int, features: int) -> bool:
    if features <= MANY_FEATURES or not rows:
        return False
    return bool(sum(np.count_nonzero(slot.value) for slot in slots) < MOSTLY_ZERO * rows * features)


def _sparse(slots: Sequence[Slot | Stretch], rows: int, features: int) -> sparse.csr_array:
    """The rows are counted first, then each slot puts its values where those before it left off: no sorting."""
    counts = np.zeros(rows, np.int64)
    for slot in slots:
        counts += np.diff(slot.matrix.indptr) if isinstance(slot, Stretch) else slot.value != 0
    ends = np.append(0, np.cumsum(counts))
    index = np.int32 if ends[-1] <= np.iinfo(np.int32).max else np.int64
    values, places = np.empty(ends[-1]), np.empty(ends[-1], index)
    for some in _chunks(rows, int(ends[-1]) // max(rows, 1)):
        free = ends[some].copy()
        for slot in slots:
            value, feature, at = _placed(slot, some, free)
            values[at], places[at] = value, feature
    return sparse.csr_array((values, places, ends.astype(index)), shape=(rows, features))


def _placed(slot: Slot | Stretch, some: slice, free: IntArray) -> tuple[FloatArray, Any, IntArray]:
    """Of some rows the values, their features, and their places among the entries: the next that are free, (rows,)."""
    if isinstance(slot, Slot):
        value = slot.value[some]
        held = np.flatnonzero(value)
        at = free[held]
        free[held] += 1
        return value[held], slot.feature if isinstance(slot.feature, int) else slot.feature[some][held], at
    starts = slot.matrix.indptr[some.start : some.stop + 1]
    entries, held = slice(starts[0], starts[-1]), np.diff(starts)
    at = np.arange(starts[0], starts[-1]) + np.repeat(free - starts[:-1], held)
    free += held
    return slot.matrix.data[entries], slot.matrix.indices[entries] + slot.feature, at


def _chunks(rows: int, entries: int) -> Iterator[slice]:
    """Some rows at a time, of so many entries each."""
    step = max(256, CELLS // max(entries, 1))
    return (slice(first, min(first + step, rows)) for first in range(0, rows, step))
