"""Points and labels as the tutorial's classes and the pictures take them, and what is said of others."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from separatrix.arguments import array_of, gaps, listed, unmasked
from separatrix.arrays import FloatArray
from separatrix.errors import ArgumentError, CellError, TargetError


def as_points(X: ArrayLike) -> FloatArray:
    """X as (n, p) finite numbers, or an error that says what it is instead."""
    if hasattr(X, "toarray"):
        raise CellError("X is a sparse matrix: give X.toarray().")
    try:
        points = real_numbers(X)
    except (TypeError, ValueError, OverflowError) as error:
        reason = str(error).rstrip(".")
        raise CellError(f"X must hold real numbers only, text and categories encoded: {reason}.") from None
    if points.ndim != 2 or 0 in points.shape:
        raise ArgumentError(
            f"X has the shape {points.shape}: it needs rows and columns. Of numbers alone X[:, None] makes one column, "
            "and X[None, :] one row."
        )
    bad = np.argwhere(~np.isfinite(points))
    if len(bad):
        row, column = bad[0]
        raise CellError(f"X[{row}, {column}] is {points[row, column]}: fill or leave out the {len(bad)} such cells.")
    return points


def real_numbers(values: Any) -> FloatArray:
    """Values as numbers, NaN where masked; TypeError, ValueError or OverflowError where some are none, or complex.

    >>> real_numbers([[1, 2]])
    array([[1., 2.]])
    """
    values = unmasked(values)
    kind = np.asarray(values).dtype
    if kind.kind in "cmM":  # which NumPy would make numbers of
        raise TypeError(f"its type is {kind}")
    return np.asarray(values, dtype=float)


def as_labels(X: ArrayLike, y: ArrayLike) -> NDArray[Any]:
    """y as (n,), one for each row of X, none of them missing."""
    labels, rows = array_of("y", y), len(np.asarray(X))
    if labels.shape != (rows,):
        raise ArgumentError(f"y has the shape {labels.shape}, but X has {rows} rows: y must be one label a row.")
    missing = ~np.isfinite(labels) if labels.dtype.kind == "f" else gaps(labels)
    for row in np.flatnonzero(missing)[:1]:
        raise CellError(f"y[{row}] is {labels[row]}: leave out the rows without a label.")
    return labels


def as_numbers(y: ArrayLike) -> NDArray[Any]:
    """y as numbers to regress on."""
    numbers = array_of("y", y)
    try:
        if numbers.dtype.kind in "biufO":
            return numbers.astype(float)
    except (TypeError, ValueError, OverflowError):
        pass
    raise CellError(f"y must hold numbers, not {listed(numbers)}: to learn classes use LogisticRegression.")


def distinct(y: NDArray[Any]) -> NDArray[Any]:
    """The values of y in order, two or more."""
    try:
        values = np.unique(y)
    except (TypeError, ValueError):  # of arrays, for one
        raise TargetError(no_order(y)) from None
    if any(np.iterable(value) and not isinstance(value, str | bytes) for value in values.tolist()):
        raise TargetError(no_order(y))
    if len(values) < 2:
        raise TargetError(f"y has one class, {values.tolist()[0]!r}: there is nothing to tell apart.")
    return values


def no_order(y: NDArray[Any]) -> str:
    """What to do about labels of several kinds.

    >>> no_order(np.array([1, "a"], dtype=object))
    'y holds int and str: make all labels text, or all numbers.'
    """
    kinds = sorted({type(label).__name__ for label in y.tolist()})
    return f"y holds {' and '.join(kinds)}: make all labels text, or all numbers."
