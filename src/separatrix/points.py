"""Points and labels as the tutorial's classes take them, and what is said of others."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from separatrix.arrays import FloatArray
from separatrix.errors import ArgumentError, CellError, TargetError


def as_points(X: ArrayLike) -> FloatArray:
    """X as (n, p) finite numbers, or an error that says what it is instead."""
    try:
        points = np.asarray(X, dtype=float)
    except (TypeError, ValueError) as error:
        raise CellError(f"X must hold numbers only: {error}. Encode text and categories first.") from None
    if points.ndim != 2 or 0 in points.shape:
        raise ArgumentError(
            f"X has the shape {points.shape}: it needs rows and columns. For one column use X[:, None]."
        )
    bad = np.argwhere(~np.isfinite(points))
    if len(bad):
        row, column = bad[0]
        raise CellError(f"X[{row}, {column}] is {points[row, column]}: fill or leave out the {len(bad)} such cells.")
    return points


def as_labels(X: ArrayLike, y: ArrayLike) -> NDArray[Any]:
    """y as (n,), one for each row of X, none of them NaN."""
    labels, rows = np.asarray(y), len(np.asarray(X))
    if labels.shape != (rows,):
        raise ArgumentError(f"y has the shape {labels.shape}, but X has {rows} rows: y must be one label a row.")
    if labels.dtype.kind == "f" and not np.isfinite(labels).all():
        row = int(np.flatnonzero(~np.isfinite(labels))[0])
        raise CellError(f"y[{row}] is {labels[row]}: leave out the rows without a label.")
    return labels


def distinct(y: NDArray[Any]) -> NDArray[Any]:
    """The values of y in order, two or more."""
    values = np.unique(y)
    if len(values) < 2:
        raise TargetError(f"y has one class, {values.tolist()[0]!r}: there is nothing to tell apart.")
    return values
