"""Tables, matrices and columns of numbers as callers give them, to finite arrays with the names of their columns."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import narwhals as nw
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from separatrix.arguments import LARGEST, is_moderate, unmasked
from separatrix.arrays import FloatArray, Matrix
from separatrix.compressed import csr_of_sums, dense
from separatrix.data.frames import check_distinct, check_here, names_of
from separatrix.data.threads import in_order, one_blas_thread, thread_count, workers
from separatrix.errors import CellError, ColumnError, DataError

SEARCHED = 4096  # rows at a time
SHARED, PARTS = 2**21, 16  # cells that are worth threads, and in how many parts


def matrix_of(X: Any, name: str = "X", first: int = 1) -> tuple[Matrix, list[str] | None]:
    """X as finite numbers (n, p), dense or CSR, and the names of its columns where it has some; `name` is what the
    argument is called, and x1, or x with another `first` number, a column without a name.

    Raises ColumnError for a column that is not numbers, and DataError for missing values.
    """
    X, names = named_columns(X)
    if names is not None:
        X = X.sparse.to_coo() if names and hasattr(X, "sparse") else side_by_side(X, names)
    X = X if sparse.issparse(X) else np.asarray(unmasked(X))
    if X.dtype.kind not in "iufb":
        raise DataError(f"{name} is of type {X.dtype}, and must be numbers. For text and categories use a formula.")
    X = X[:, None] if X.ndim == 1 else X
    if X.ndim != 2:
        raise DataError(f"{name} has shape {X.shape}, and must have two dimensions: rows and columns.")
    X = csr_of_sums(sparse.csr_array(X, dtype=np.float64)) if sparse.issparse(X) else X.astype(np.float64, copy=False)
    check_finite(X, names or [f"x{j + first}" for j in range(X.shape[1])])
    return X, names


def named_columns(X: Any) -> tuple[Any, list[str] | None]:
    """A table whose columns have a name each, and the names; of a matrix or a column without a name, it and None."""
    if isinstance(X, Mapping):
        check_lengths(X)
        return X, [str(name) for name in X]
    if isinstance(getattr(X, "name", None), str) and hasattr(X, "to_frame"):
        X = X.to_frame()
    if isinstance(X, np.ndarray) or sparse.issparse(X):
        return X, None
    X = well_named(X)
    frame = nw.from_native(X, eager_only=True, pass_through=True)
    return (X, None) if frame is X else (X, list(frame.columns))


def side_by_side(X: Any, names: Sequence[str]) -> FloatArray:
    """The columns of a table, or of a dict, as one matrix (n, p)."""
    if isinstance(X, Mapping):
        columns = [np.asarray(unmasked(values)) for values in X.values()]
        for name, values in zip(names, columns, strict=True):
            if values.dtype.kind not in "iufb":
                raise ColumnError(
                    f"column {name!r} is of type {values.dtype}, not numbers. Use a formula to encode it."
                )
        return np.column_stack(columns) if names else np.empty((0, 0))
    frame = nw.from_native(X, eager_only=True)
    return np.column_stack([numbers(frame[name]) for name in names]) if names else np.empty((len(frame), 0))


def well_named(data: Any) -> Any:
    """A dataframe each of whose columns has one name of its own, a string: of pandas, 0 is made x0. Anything else as it
    is.

    Raises ColumnError for names in levels, or that occur twice, and DataError for rows that are not there yet.
    """
    check_here(data)
    given = names_of(data)
    if given is None:
        return data
    levels = getattr(getattr(data, "columns", None), "nlevels", 1)
    if levels > 1:
        raise ColumnError(f"columns have names of {levels} levels, such as {given[0]!r}: give each one name.")
    names = [name if isinstance(name, str) else f"x{name}" for name in given]
    check_distinct(names)
    return data.set_axis(names, axis=1) if names != given else data


def check_lengths(columns: Mapping[Any, Any]) -> None:
    """DataError unless the columns of a dict have a value for each row, and as many."""
    shapes = {name: np.shape(values) for name, values in columns.items()}
    for name, shape in shapes.items():
        if len(shape) != 1:
            raise DataError(
                f"column {name!r} has shape {shape}, and must have a value for each row: write [3.0], not 3.0."
            )
    for name, shape in shapes.items():
        first = next(iter(shapes))
        if shape != shapes[first]:
            raise DataError(
                f"column {name!r} has {shape[0]} rows, and {first!r} {shapes[first][0]}: give as many of each."
            )


def numbers(column: Any) -> FloatArray:
    """A column of a dataframe as numbers; missing is NaN."""
    native = column.to_native()
    if hasattr(native, "sparse"):  # of pandas, without its zeros
        return native.sparse.to_dense().to_numpy(dtype=np.float64)
    if not (column.dtype.is_numeric() or column.dtype == nw.Boolean):
        raise ColumnError(f"column {column.name!r} is of type {column.dtype}, not numbers. Use a formula to encode it.")
    return column.cast(nw.Float64).to_numpy()


def check_finite(X: Matrix, names: Sequence[str], rows: NDArray | None = None) -> None:
    """DataError unless every number is finite, and small enough to be squared; the message names the first that is not,
    its row by its number among `rows` (n,), if given.

    It takes a pass and no array of its own, as long as all is well.
    """
    if found := first_beyond(X):
        row, column, value = found
        row = row if rows is None else rows[row]
        raise DataError(f"column {names[column]!r} is {value:g} in row {row}, counted from 0: {remedy(value)}.")


def check_moderate(X: Matrix, names: Sequence[Any] | None = None, n_threads: int | None = 1) -> None:
    """CellError for the first cell that is not finite, or too large to square; of columns that may have names."""
    if found := first_beyond(X, n_threads):
        row, column, value = found
        cell = "NaN" if np.isnan(value) else f"{value:g}"
        most = f" (the column reaches {np.abs(X[:, [column]]).max():g})" if np.isfinite(value) else ""
        where = (
            f"X[{row}, {column}] is {cell}"
            if names is None
            else f"column {names[column]!r} of X is {cell} in row {row}, counted from 0"
        )
        raise CellError(f"{where}{most}: {remedy(value)}.")


def first_beyond(X: Matrix, n_threads: int | None = 1) -> tuple[int, int, float] | None:
    """Row, column and value of the first number that is not finite, or whose square summed by weight would not be."""
    if all_moderate(X.data if sparse.issparse(X) else X, n_threads):
        return None
    for first in range(0, X.shape[0], SEARCHED):
        some = dense(X[first : first + SEARCHED])
        for row, column in np.argwhere(~(np.abs(some) <= np.float64(LARGEST)))[:1].tolist():
            return first + row, column, float(some[row, column])
    return None


def all_moderate(numbers: NDArray, n_threads: int | None) -> bool:
    """Whether `is_moderate` says so of all. Threads share many, which take one as long as half a pass of a fit."""
    if numbers.size <= SHARED:
        return is_moderate(numbers)
    step = -(-len(numbers) // PARTS)
    parts = (numbers[first : first + step] for first in range(0, len(numbers), step))
    with one_blas_thread(), workers(thread_count(n_threads)) as pool:
        return all(in_order(pool, partial(is_moderate, held=True), parts, ahead=PARTS))


def remedy(value: float) -> str:
    """What to do about such a number."""
    return "too large to square, so rescale the column" if np.isfinite(value) else "leave the row out, or fill the gap"
