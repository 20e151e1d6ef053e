"""Numbers that lie far from all others of their column, as a code for what is missing does: -9999, or 99999999."""

from typing import NamedTuple

import numpy as np

from separatrix.arrays import FloatArray
from separatrix.data.columns import Columns
from separatrix.data.encoders import Number

FEWEST = 5  # different other numbers, for their reach to say anything
FAR = 100.0  # times as far from the others as those reach,
FAR_OF_NINES = 1.0  # or of one that is written in nines, as such codes are


class FarNumber(NamedTuple):
    """A number of a column, in how many rows it is, and from where to where the others lie."""

    column: str
    number: float
    rows: int
    low: float
    high: float


def far_numbers(cells: FloatArray, columns: Columns) -> list[FarNumber]:
    """The least and the largest number of each column where they are far off, of encoded rows (n, p).

    >>> far_of([20.0, 25.5, 31.0, 18.0, 44.0, 999.0, 27.0, 999.0, 30.0])
    [(999.0, 2, 18.0, 44.0)]
    """
    found, place = [], 0
    for column in columns.columns:
        if isinstance(column, Number):
            own = cells[:, place]
            own = own[own != column.mean] if column.missing else own  # which fills the gaps
            found += [FarNumber(column.name, *far) for far in far_of(own)]
        place += len(column.feature_names)
    return found


def far_of(numbers: FloatArray | list[float]) -> list[tuple[float, int, float, float]]:
    """Of numbers (n,) the least and the largest where they are far off: with how often each is there, and the least and
    the largest of the others."""
    values, times = (each.tolist() for each in np.unique(numbers, return_counts=True))
    others = values[1:-1]
    if len(others) < FEWEST:
        return []
    reach, far = others[-1] - others[0], []
    for end, beside, low, high in ((0, 1, others[0], values[-1]), (-1, -2, values[0], others[-1])):
        if abs(values[end] - values[beside]) > (FAR_OF_NINES if is_of_nines(values[end]) else FAR) * reach:
            far.append((values[end], times[end], low, high))
    # Where both ends are far, each is none of the other's others.
    return far if len(far) < 2 else [(value, count, others[0], others[-1]) for value, count, *_ in far]


def is_of_nines(number: float) -> bool:
    """Whether a number is written in nines alone, whatever its sign.

    >>> is_of_nines(-9999.0), is_of_nines(99.9), is_of_nines(990.0)
    (True, True, False)
    """
    return set(f"{abs(number):.15g}") - {"."} == {"9"}
