"""What is wrong with X or y, in one line with its place and the remedy: sought only where a check has refused them."""

from collections.abc import Iterator
from inspect import signature
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from separatrix.arguments import BEYOND, gaps, listed, shown
from separatrix.data.frames import kinds_of
from separatrix.errors import ArgumentError, CellError, ColumnError, DataError, SeparatrixError, TargetError

SHOWN = 40  # characters of a cell
NO_NUMBERS = "times are no numbers. Count something, such as days since the first, or let separatrix.Columns() do it."


class CellTypeError(CellError, TypeError):
    """A cell of a type that is no number, which scikit-learn calls a TypeError."""


def explained(error: Exception, X: Any, y: Any = ..., estimator: Any = None, numbers: bool = True) -> Exception:
    """The error in one line, with the place and the remedy; the error itself where it says as much. Cells of X need not
    be `numbers` to those that make numbers of them."""
    if isinstance(error, SeparatrixError):
        return error
    if y is None:
        of_table = ", or fit(table, target='...')" if takes_tables(estimator) else ""
        name = type(estimator).__name__
        return ArgumentError(f"This {name} requires y to be passed, but the target y is None: fit(X, y){of_table}.")
    message = str(error)
    if "feature names" in message.lower():  # whose names it lists, a line each
        mixed = message.startswith("Feature names are only")
        message = "columns of X have names of text and of other types: make all of them text." if mixed else message
        return ColumnError(message)
    if " features, but " in message:
        return DataError(f"{message.rstrip('.')}: give the columns of the fit.")
    if isinstance(X, str) and takes_tables(estimator):
        return ArgumentError(f"X={X!r} is text: for a file name the column to learn, fit({X!r}, target='...').")
    return about_X(X, numbers) or (about_y(X, y) if y is not ... else None) or DataError(message.splitlines()[0])


def takes_tables(estimator: Any) -> bool:
    """Whether it can be fitted to a table and the name of its target."""
    return estimator is not None and "target" in signature(estimator.fit).parameters


def about_X(X: Any, numbers: bool) -> Exception | None:
    """What is wrong with X, if that is where it is."""
    if isinstance(X, str):
        return ArgumentError(f"X={X!r} is text: give rows and columns, as an array or a dataframe.")
    if not hasattr(X, "shape") and (not hasattr(X, "__len__") or isinstance(X, dict | set | frozenset)):
        return ArgumentError(f"X is a {type(X).__name__}: give rows and columns, as an array or a dataframe.")
    if isinstance(X, list | tuple):
        lengths = [len(row) if hasattr(row, "__len__") and not isinstance(row, str) else None for row in X]
        for row, length in enumerate(lengths):
            if length != lengths[0]:
                return DataError(f"X[{row}] has {length} cells, and X[0] has {lengths[0]}: give as many of each.")
    if found := about_complex(X):
        return found
    try:
        shape = getattr(X, "shape", None) or np.shape(X)
    except ValueError:
        return DataError("X has cells that are lists of several lengths: give one number for each cell.")
    if len(shape) != 2:
        what = "Reshape your data: X.reshape(-1, 1) is one column, X.reshape(1, -1) one row." if len(shape) == 1 else ""
        return DataError(f"X has shape {shape}, and must have two dimensions: rows and columns. {what}".rstrip())
    if 0 in shape:
        what, none = ("sample(s)", "rows") if shape[0] == 0 else ("feature(s)", "columns")
        return DataError(f"X has no {none}: 0 {what} (shape={shape}) while a minimum of 1 is required.")
    return no_number(X) if numbers else None


def about_complex(X: Any) -> Exception | None:
    """What is wrong with X, if it has complex numbers, by its types alone."""
    kinds = [getattr(X, "dtype", None), *(kind for _, kind in kinds_of(X))]
    if not any(getattr(kind, "kind", "") == "c" for kind in kinds):
        return None
    return DataError("Complex data not supported: X has complex numbers. Give real and imaginary parts a column each.")


def no_number(X: Any) -> Exception | None:
    """The first cell that is no number, column by column."""
    for column, (label, values) in enumerate(columns_of(X)):
        if values.dtype.kind in "biuf":
            continue
        for row, value in enumerate(values.tolist()):
            where = f"column {label!r} of X" if label is not None else f"X[{row}, {column}]"
            in_row = f" in row {row}, counted from 0" if label is not None else ""
            try:
                float("nan" if value is None or type(value).__name__ == "NAType" else value)
            except ValueError:
                return CellError(
                    f"{where} is {short(value)}{in_row}, which is no number: leave the column out, or make numbers "
                    f"of it, as separatrix.Columns() does."
                )
            except TypeError:
                return CellTypeError(
                    f"{where} is {short(value)}{in_row}: each cell of this argument must be a number, or a string "
                    "that is a number."
                )
            except OverflowError:
                return CellError(f"{where} is {BEYOND}{in_row}: rescale the column.")
    return None


def columns_of(X: Any) -> Iterator[tuple[str | None, NDArray]]:
    """The columns of a dataframe with their names, or those of anything else without."""
    if kinds := kinds_of(X):
        for j, (name, _) in enumerate(kinds):
            column = X.iloc[:, j] if hasattr(X, "iloc") else X[name]
            yield str(name), np.asarray(column)
    elif not sparse.issparse(X):
        for column in np.asarray(X if hasattr(X, "dtype") else np.array(X, dtype=object)).T:
            yield None, column


def short(value: Any) -> str:
    """A cell in a message."""
    text = shown(value)
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 3]}..."


def about_y(X: Any, y: Any) -> Exception:
    """What is wrong with y, where X is well."""
    return about_shape(X, y) or about_gaps(y) or no_label(values_of(y))


def about_shape(X: Any, y: Any) -> Exception | None:
    """What is wrong with the shape of y."""
    if isinstance(y, np.matrix):
        return DataError("y is a numpy matrix, which scikit-learn no longer takes: give np.asarray(y).squeeze().")
    if sparse.issparse(y):
        return DataError("y is a sparse matrix, and must be dense: y.toarray().ravel().")
    values, rows = values_of(y), X.shape[0] if hasattr(X, "shape") else len(X)
    if values.ndim == 0:
        return ArgumentError(f"y={short(y)} must hold a value for each row, {rows} of them.")
    if len(values) != rows:
        return ArgumentError(f"y has {len(values)} rows, and X has {rows}: give as many of each.")
    wide = values.ndim > 1 and values.shape[1:] != (1,)
    return (
        ArgumentError(f"y has shape {values.shape}, and must have a value for each row, {(rows,)}.") if wide else None
    )


def about_gaps(y: Any) -> Exception | None:
    """The first value of y that is missing."""
    missing = gaps(values_of(y))
    for row in np.flatnonzero(missing.any(axis=tuple(range(1, missing.ndim))))[:1]:
        return TargetError(f"y is missing in row {row}, counted from 0: leave the row out.")
    return None


def values_of(y: Any) -> NDArray:
    """Values one by one, whatever they are: lists of different lengths, too."""
    try:
        return np.asarray(y)
    except ValueError:
        values = np.empty(len(y), dtype=object)
        values[:] = y
        return values


def no_label(values: NDArray) -> Exception:
    """The first value of y that is no number, or not finite."""
    if values.dtype.kind == "c":
        return TargetError("Complex data not supported: y has complex numbers. Give their real part, or another.")
    for row, value in enumerate(values.ravel().tolist()):
        try:
            finite = np.isfinite(float(value))
        except (TypeError, ValueError):
            if isinstance(value, list | tuple | dict | set):
                return TargetError(f"y[{row}]={short(value)} is a {type(value).__name__}: give one value for each row.")
            remedy = "to learn classes use LogisticRegression, else leave the row out"
            return TargetError(f"y[{row}]={short(value)} is no number: {remedy}.")
        except OverflowError:
            return TargetError(f"y[{row}] is {BEYOND}: rescale y.")
        if not finite:
            return TargetError(f"y[{row}]={value} must be finite: leave the row out.")
    return TargetError(f"y={listed(values)} holds nothing that can be learned: give numbers, or labels that are text.")
