"""What every source of rows yields, and the one thing it can do: add up a function over its blocks."""

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")


@dataclass(frozen=True)
class Block:
    """Some rows: X (rows, p) dense float64 or CSR, y as the loss codes it, weight (rows,) >= 0."""

    X: Any
    y: NDArray
    weight: NDArray[np.floating]


class Source(Protocol):
    """Rows, wherever they are. `centre` (p,) was subtracted from every row of X (zero where it was not needed)."""

    @property
    def n_columns(self) -> int: ...
    @property
    def centre(self) -> NDArray[np.floating]: ...

    def add_up(self, function: Callable[[Block], T], combine: Callable[[Any, Any], Any] = operator.add) -> T:
        """function of every block, combined in the order of the rows; one reading of the data."""
        ...
