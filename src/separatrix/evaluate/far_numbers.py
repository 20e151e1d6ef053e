"""Numbers that lie far from all others of their column, as a code for what is missing does: -9999, or 99999999."""

from collections.abc import Iterable
from functools import reduce
from shlex import quote
from typing import NamedTuple

import numpy as np

from separatrix.arrays import FloatArray
from separatrix.data.tables.columns import Columns
from separatrix.data.tables.encoders import Number
from separatrix.errors import counted

FEWEST = 5  # different other numbers, for their reach to say anything
FAR = 100.0  # times as far from the others as those reach,
FAR_OF_NINES = 1.0  # or of one that is written in nines, as such codes are


class Far(NamedTuple):
    """A number, in how many rows it is, and from where to where the others lie."""

    number: float
    rows: int
    low: float
    high: float

    @property
    def written(self) -> str:
        return f"{self.number:.15g}"

    def __str__(self) -> str:
        return f"{self.written} in {counted(self.rows, 'row')} (the others from {self.low:.6g} to {self.high:.6g})"


def far_numbers(cells: FloatArray, columns: Columns) -> list[tuple[Number, list[Far]]]:
    """The columns whose least or largest number is far off, and those numbers, of encoded rows (n, p)."""
    found, place = [], 0
    for column in columns.columns:
        if isinstance(column, Number):
            own = cells[:, place]
            own = own[own != column.mean] if column.missing else own  # which fills the gaps
            if far := far_of(own):
                found.append((column, far))
        place += len(column.feature_names)
    return found


def far_of(numbers: FloatArray | list[float]) -> list[Far]:
    """Of numbers (n,) the least and the largest where they are far off.

    >>> [str(far) for far in far_of([20.0, 25.5, 31.0, 18.0, 44.0, 999.0, 27.0, 999.0, 30.0])]
    ['999 in 2 rows (the others from 18 to 44)']
    """
    values, times = (each.tolist() for each in np.unique(numbers, return_counts=True))
    others = values[1:-1]
    if len(others) < FEWEST:
        return []
    reach, far = others[-1] - others[0], []
    for end, beside, low, high in ((0, 1, others[0], values[-1]), (-1, -2, values[0], others[-1])):
        if abs(values[end] - values[beside]) > (FAR_OF_NINES if is_of_nines(values[end]) else FAR) * reach:
            far.append(Far(values[end], times[end], low, high))
    # Where both ends are far, neither is one of the other's others.
    return far if len(far) < 2 else [each._replace(low=others[0], high=others[-1]) for each in far]


def is_of_nines(number: float) -> bool:
    """Whether a number is written in nines alone, whatever its sign.

    >>> is_of_nines(-9999.0), is_of_nines(99.9), is_of_nines(990.0)
    (True, True, False)
    """
    return set(f"{abs(number):.15g}") - {"."} == {"9"}


def read_as_missing(found: Iterable[tuple[Number, list[Far]]]) -> str:
    """The option that reads such numbers as missing, for a shell; nothing of columns that are text."""
    plain = [(column.name, far) for column, far in found if column.written == "plain" and not column.marks]
    replaced = []
    for name, far in plain:
        quoted = '"' + name.replace('"', '""') + '"'
        without = reduce(lambda cell, each: f"nullif({cell}, {each.written})", far, quoted)
        replaced.append(f"{without} as {quoted}")
    return "--query " + quote(f'select * replace ({", ".join(replaced)}) from "FILE"') if replaced else ""
