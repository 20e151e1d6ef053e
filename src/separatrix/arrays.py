"""The kinds of array that signatures speak of."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating]
IntArray = NDArray[np.integer]
BoolArray = NDArray[np.bool_]
Matrix = Any
"""A NumPy array or a scipy sparse matrix or array, (rows, columns)."""

FLOATS = (np.float64, np.float32)
WHOLE = (*(np.dtype(kind) for kind in "bBhHiIlLqQ?"),)  # exact in double precision, the largest to a rounding
"""The types of numbers that are taken as they are."""


def repeated(number: float, *shape: int) -> FloatArray:
    """The same number everywhere, in the memory of one, and not to be written to: as np.broadcast_to has it, in fewer
    steps.

    >>> repeated(0.5, 2), repeated(0.5, 2).strides
    (array([0.5, 0.5]), (0,))
    """
    one = np.array(number, dtype=np.float64)
    one.flags.writeable = False
    return np.ndarray(shape, np.float64, one, strides=(0,) * len(shape))
