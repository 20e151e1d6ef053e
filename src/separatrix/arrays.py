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
