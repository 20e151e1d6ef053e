"""X and y as estimators take them: finite numbers, and what callers are told in one line where they are not.

scikit-learn's own checks decide. Only where they refuse is the place sought, so that data that are well are read once.
"""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn import exceptions
from sklearn.utils import check_random_state, compute_class_weight
from sklearn.utils.validation import check_is_fitted, validate_data

from separatrix.arguments import (
    BEYOND,
    check_class_weight,
    check_sample_weight,
    check_squares,
    gaps,
    is_moderate,
    listed,
    shown,
    unmasked,
)
from separatrix.arrays import FLOATS, WHOLE, FloatArray, Matrix
from separatrix.compressed import csr_of_sums
from separatrix.data.frames import check_distinct, check_here, is_of_times, kinds_of, names_of
from separatrix.data.given import check_moderate
from separatrix.data.labels import brought_text
from separatrix.errors import (
    ArgumentError,
    CellError,
    ColumnError,
    DataError,
    NotFittedError,
    SeparatrixError,
    SeparatrixWarning,
    TargetError,
)

SHOWN = 40  # characters of a cell


class CellTypeError(CellError, TypeError):
    """A cell of a type that is no number, which scikit-learn calls a TypeError."""


class UnfittedError(NotFittedError, exceptions.NotFittedError):
    """An estimator is asked before it was fitted: ours and scikit-learn's."""


@contextmanager
def all_or_nothing(estimator: Any) -> Iterator[None]:
    """An estimator whose fit is refused, or stopped, stays as it was."""
    before = vars(estimator).copy()
    try:
        yield
    except BaseException:
        estimator.__dict__ = before
        raise


def check_fitted(estimator: Any) -> None:
    """UnfittedError before the fit."""
    try:
        check_is_fitted(estimator)
    except exceptions.NotFittedError:
        raise UnfittedError(f"this {type(estimator).__name__} is not fitted yet: call fit first.") from None


def checked_matrix(estimator: Any, X: Any) -> Matrix:
    """X (rows, p) of the features that the estimator was fitted to, dense or CSR, finite."""
    X = unmasked(X)
    try:
        check_given(X)
        found = validate_data(estimator, X, accept_sparse="csr", dtype=FLOATS, ensure_all_finite=False, reset=False)
    except (TypeError, ValueError, OverflowError) as error:
        raise explained(error, X) from None
    check_moderate(found, names_of(X), getattr(estimator, "n_threads", 1))
    return found


def checked_rows(estimator: Any, X: Any, y: Any, *, numbers: bool = False) -> tuple[Matrix, NDArray]:
    """X (rows, p), dense or CSR, finite, and y, labels (rows,) or numbers (rows,) or (rows, targets)."""
    X, y = unmasked(X), unmasked(y)
    y = y if numbers else brought_text(y)
    dtypes = FLOATS if sparse.issparse(X) else FLOATS + WHOLE  # a dense X is widened as it is used, not whole
    how = {"accept_sparse": "csr", "dtype": dtypes, "ensure_all_finite": False}
    try:
        check_given(X)
        check_here(y)
        found, values = cast(Any, validate_data)(estimator, X, y, **how, multi_output=numbers, y_numeric=numbers)
    except (TypeError, ValueError, OverflowError) as error:
        raise explained(error, X, y, type(estimator).__name__) from None
    found = csr_of_sums(found) if sparse.issparse(found) else found
    check_moderate(found, names_of(X), getattr(estimator, "n_threads", 1))
    return found, numbers_of(values) if numbers else values


def check_given(X: Any) -> None:
    """DataError or ColumnError for what scikit-learn would misread: by types alone, not by cells."""
    check_here(X)
    if isinstance(X, np.matrix):
        raise DataError("X is a numpy matrix, which scikit-learn no longer takes: give np.asarray(X).")
    kinds = kinds_of(X)
    check_distinct([name for name, _ in kinds if isinstance(name, str)])
    for name, kind in kinds:
        if is_of_times(kind):
            raise ColumnError(f"column {name!r} of X is of type {kind}: {NO_NUMBERS}")
    if isinstance(X, np.ndarray) and X.dtype.kind in "mM":
        raise DataError(f"X is of type {X.dtype}: {NO_NUMBERS}")


def warn_of_no_offset(estimator: Any, offset: Any, stacklevel: int) -> None:
    """A warning where a prediction has no offset, and the fit had one; `stacklevel` as if the caller warned itself."""
    if offset is None and getattr(estimator, "_with_offset", False):
        warnings.warn(
            "the fit had an offset, and this prediction has none: it is taken as 0. Give offset= of these rows, or 0.",
            SeparatrixWarning,
            stacklevel=stacklevel + 1,
        )


def judged(score: Callable[..., float], y: Any, predicted: NDArray, sample_weight: Any) -> float:
    """A score of predictions, of rows with weights (rows,), or a number or None for the same weight each."""
    weight = None if sample_weight is None else check_sample_weight(sample_weight, len(predicted))
    try:
        with np.errstate(invalid="ignore"):  # of a cast of NaN, which is named below
            return float(score(y, predicted, sample_weight=weight))
    except (TypeError, ValueError, OverflowError) as error:
        raise about_shape(predicted, y) or about_gaps(y) or DataError(str(error).splitlines()[0]) from None


def random_of(seed: Any) -> np.random.RandomState:
    """scikit-learn's random numbers of a seed."""
    try:
        return check_random_state(seed)
    except (TypeError, ValueError):
        raise ArgumentError(
            f"random_state={shown(seed)} must be a whole number from 0 to 2**32 - 1, or None."
        ) from None


NO_NUMBERS = "times are no numbers. Count something, such as days since the first, or let separatrix.Columns() do it."


def explained(error: Exception, X: Any, y: Any = ..., name: str = "") -> Exception:
    """The error in one line, with the place and the remedy; the error itself where it says as much."""
    if isinstance(error, SeparatrixError):
        return error
    if y is None:
        return ArgumentError(
            f"This {name} requires y to be passed, but the target y is None: fit(X, y), or fit(table, target='...')."
        )
    message = str(error)
    if "feature names" in message.lower():  # whose names it lists, a line each
        mixed = message.startswith("Feature names are only")
        message = "columns of X have names of text and of other types: make all of them text." if mixed else message
        return ColumnError(message)
    if " features, but " in message:
        return DataError(f"{message.rstrip('.')}: give the columns of the fit.")
    return about_X(X) or (about_y(X, y) if y is not ... else None) or DataError(message.splitlines()[0])


def about_X(X: Any) -> Exception | None:
    """What is wrong with X, if that is where it is."""
    if isinstance(X, str):
        return ArgumentError(f"X={X!r} is text: for a file name the column to learn, fit({X!r}, target='...').")
    if not hasattr(X, "shape") and (not hasattr(X, "__len__") or isinstance(X, dict | set | frozenset)):
        return ArgumentError(f"X is a {type(X).__name__}: give rows and columns, as an array or a dataframe.")
    if isinstance(X, list | tuple):
        lengths = [len(row) if hasattr(row, "__len__") and not isinstance(row, str) else None for row in X]
        for row, length in enumerate(lengths):
            if length != lengths[0]:
                return DataError(f"X[{row}] has {length} cells, and X[0] has {lengths[0]}: give as many of each.")
    if found := about_complex(X):
        return found
    shape = getattr(X, "shape", None) or np.shape(X)
    if len(shape) != 2:
        what = "Reshape your data: X.reshape(-1, 1) is one column, X.reshape(1, -1) one row." if len(shape) == 1 else ""
        return DataError(f"X has shape {shape}, and must have two dimensions: rows and columns. {what}".rstrip())
    if 0 in shape:
        what, none = ("sample(s)", "rows") if shape[0] == 0 else ("feature(s)", "columns")
        return DataError(f"X has no {none}: 0 {what} (shape={shape}) while a minimum of 1 is required.")
    return no_number(X)


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
    for row in np.flatnonzero(gaps(values_of(y)).reshape(len(y), -1).any(axis=1))[:1]:
        return TargetError(f"y is missing in row {row}, counted from 0: leave the row out.")
    return None


def values_of(y: Any) -> NDArray:
    """Values one by one, whatever they are: lists of different lengths, too."""
    if isinstance(y, set | dict):
        return np.array(None)
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
            remedy = "to learn classes use LogisticRegression, else leave the row out"
            return TargetError(f"y[{row}]={short(value)} is no number: {remedy}.")
        except OverflowError:
            return TargetError(f"y[{row}] is {BEYOND}: rescale y.")
        if not finite:
            return TargetError(f"y[{row}]={value} must be finite: leave the row out.")
    return TargetError(f"y={listed(values)} holds nothing that can be learned: give numbers, or labels that are text.")


def numbers_of(y: NDArray) -> NDArray:
    """y as numbers; TargetError for what is no number, not finite, or so large that its square is not."""
    if sparse.issparse(y):
        raise DataError("y is a sparse matrix, and must be dense: y.toarray().ravel().")
    if y.dtype.kind in "mM":
        raise TargetError(f"y is of type {y.dtype}: {NO_NUMBERS}")
    try:
        values = y if y.dtype.kind in "iuf" else np.asarray(y, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise (about_gaps(y) or no_label(y)) from None
    if is_moderate(values):
        return values
    doubles = np.asarray(values, dtype=np.float64)
    if not np.isfinite(doubles).all():
        raise about_gaps(doubles) or no_label(doubles)
    check_squares(doubles)
    return values


def weight_of_classes(class_weight: Any, classes: NDArray, total: FloatArray) -> FloatArray:
    """The weight of each class, (K,), of whose rows the weights add up to `total` (K,)."""
    check_class_weight(class_weight, classes)
    if isinstance(class_weight, dict):
        # By ==, as the check does: a date of NumPy equals one of Python, and has another hash.
        told = class_weight.items()
        return np.array([next((weight for label, weight in told if label == c), 1.0) for c in classes.tolist()], float)
    # As if each class had one row, of the weight of all of its rows.
    seen, weights = total > 0, np.ones(len(classes))  # of a class without such rows none is known, or matters
    weights[seen] = compute_class_weight(
        class_weight, classes=classes[seen], y=classes[seen], sample_weight=total[seen]
    )
    return weights
