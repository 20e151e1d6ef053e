"""Weights that are made when they are asked for: beside a few columns, one more number for each row would be large."""

from collections.abc import Callable
from typing import Any

import numpy as np

from separatrix.arrays import FloatArray, IntArray
from separatrix.equations.hyperplane import pieces


class Made:
    """The weights of so many rows, (rows,), each time anew; weigh(some) are those of some of them.

    >>> weight = Made(lambda some: np.array([1.0, 3.0])[np.array([0, 1, 1])[some]], 3)
    >>> weight[1:], weight.sum(), weight.all()
    (array([3., 3.]), 7.0, True)
    """

    strides = (8,)  # as of an array that holds a number for each row

    def __init__(self, weigh: Callable[[Any], FloatArray], rows: int) -> None:
        self.weigh, self.rows = weigh, rows

    def __len__(self) -> int:
        return self.rows

    def __getitem__(self, some: Any) -> FloatArray:
        return self.weigh(some)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> FloatArray:
        return self.weigh(slice(None)).astype(dtype, copy=False)

    def __reduce__(self) -> Any:
        """Sent elsewhere, an array, without what it is made of."""
        return np.asarray, (np.asarray(self),)

    def sum(self) -> float:
        """That of all."""
        return float(sum(self.weigh(some).sum() for some in pieces(self.rows, 1)))

    def max(self) -> float:
        """The largest."""
        return max(float(self.weigh(some).max()) for some in pieces(self.rows, 1))

    def all(self) -> bool:
        """Whether every row has some."""
        return all(self.weigh(some).all() for some in pieces(self.rows, 1))


def weight_of_rows(by_class: FloatArray, codes: IntArray, weight: FloatArray) -> Any:
    """The weight of each row times that of its class, (rows,)."""
    return Made(lambda some: weight[some] * by_class[codes[some]], len(codes))
