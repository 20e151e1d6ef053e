"""Numbers of rows that are made when they are asked for: beside a few columns, one more for each would be large."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from separatrix.arrays import FloatArray
from separatrix.equations.hyperplane import pieces

NUMBER = 1 / 16  # of a row: one more number for it that takes less is small


class Made:
    """A number for each of so many rows, (rows,), each time anew; make(some) are those of some of them.

    >>> weight = Made(lambda some: np.array([1.0, 3.0])[np.array([0, 1, 1])[some]], 3)
    >>> weight[1:], weight.sum(), weight.all()
    (array([3., 3.]), 7.0, True)
    """

    def __init__(self, make: Callable[[Any], NDArray], rows: int, itemsize: int = 8) -> None:
        self.make, self.rows, self.itemsize = make, rows, itemsize
        self.strides = (itemsize,)  # as of an array that holds a number for each row

    def __len__(self) -> int:
        return self.rows

    def __getitem__(self, some: Any) -> NDArray:
        return self.make(some)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray:
        return np.asarray(self.make(slice(None)), dtype)

    def __reduce__(self) -> Any:
        """Sent elsewhere, an array, without what it is made of."""
        return np.asarray, (np.asarray(self),)

    def then(self, change: Callable[[NDArray], NDArray]) -> "Made":
        """change(of these)."""
        return Made(lambda some: change(self[some]), self.rows, self.itemsize)

    def sum(self) -> float:
        """That of all."""
        return float(sum(self.make(some).sum() for some in pieces(self.rows, 1)))

    def max(self) -> float:
        """The largest."""
        return max(float(self.make(some).max()) for some in pieces(self.rows, 1))

    def all(self) -> bool:
        """Whether every row has some."""
        return all(self.make(some).all() for some in pieces(self.rows, 1))


def kept_beside(row: float, numbers: Any, dtype: Any = None) -> Any:
    """As an array, which to read is faster, unless they are made and large beside rows of so many bytes."""
    large = isinstance(numbers, Made) and numbers.itemsize > NUMBER * row
    return numbers if large else np.asarray(numbers, dtype)


def weight_of_rows(by_class: FloatArray, codes: Any, weight: FloatArray) -> Any:
    """The weight of each row times that of its class, (rows,)."""
    return Made(lambda some: weight[some] * by_class[codes[some]], len(codes))
