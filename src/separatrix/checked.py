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
    check_class_weight,
    check_sample_weight,
    check_squares,
    has_plain_rows,
    is_moderate,
    is_plain,
    listed,
    shown,
    unmasked,
)
from separatrix.arrays import FLOATS, WHOLE, FloatArray, Matrix
from separatrix.compressed import csr_of_sums
from separatrix.data.frames import check_distinct, check_here, is_of_times, kinds_of, names_of
from separatrix.data.inputs import check_moderate
from separatrix.data.labels import brought_text
from separatrix.errors import (
    ArgumentError,
    ColumnError,
    DataError,
    NotFittedError,
    SeparatrixError,
    SeparatrixWarning,
    TargetError,
    outside,
)
from separatrix.explained import NO_NUMBERS, about_gaps, about_shape, explained, no_label


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
    """X (rows, p) of the features that the estimator was fitted to, dense or CSR; its cells are not looked at."""
    nameless = not hasattr(estimator, "feature_names_in_")
    if nameless and has_plain_rows(X) and X.shape[1] == estimator.n_features_in_:
        return X
    X = unmasked(X)
    try:
        check_given(X)
        return validate_data(estimator, X, accept_sparse="csr", dtype=FLOATS, ensure_all_finite=False, reset=False)
    except (TypeError, ValueError, OverflowError) as error:
        raise explained(error, X) from None


def checked_rows(estimator: Any, X: Any, y: Any, *, numbers: bool = False) -> tuple[Matrix, NDArray]:
    """X (rows, p), dense or CSR, finite, and y, labels (rows,) or numbers (rows,) or (rows, targets)."""
    threads = getattr(estimator, "n_threads", None)
    if is_plain(X, y, numbers):
        check_moderate(X, n_threads=threads)
        keep_names(estimator, None, X.shape[1])
        return X, numbers_of(y) if numbers else y
    X, y = unmasked(X), unmasked(y)
    y = y if numbers else brought_text(y)
    dtypes = FLOATS if sparse.issparse(X) else FLOATS + WHOLE  # a dense X is widened as it is used, not whole
    how = {"accept_sparse": "csr", "dtype": dtypes, "ensure_all_finite": False}
    try:
        check_given(X)
        check_here(y)
        with np.errstate(over="ignore"):  # what is beyond a double is found below
            found, values = cast(Any, validate_data)(estimator, X, y, **how, multi_output=numbers, y_numeric=numbers)
    except (TypeError, ValueError, OverflowError) as error:
        raise explained(error, X, y, estimator) from None
    found = csr_of_sums(found) if sparse.issparse(found) else found
    check_moderate(found, names_of(X), threads)
    return found, numbers_of(values) if numbers else values


def keep_names(estimator: Any, names: Any, many: int) -> None:
    """scikit-learn's number of features and, where there are any, their names."""
    estimator.n_features_in_ = many
    if names is not None:
        estimator.feature_names_in_ = np.array(names, dtype=object)
    elif hasattr(estimator, "feature_names_in_"):
        del estimator.feature_names_in_


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
    check_fill(kinds)
    if isinstance(X, np.ndarray) and X.dtype.kind in "mM":
        raise DataError(f"X is of type {X.dtype}: {NO_NUMBERS}")


def check_fill(kinds: list[tuple[Any, Any]]) -> None:
    """ColumnError where all columns are sparse, and one leaves out another value than 0, as NaN is."""
    if not all(hasattr(kind, "fill_value") for _, kind in kinds):
        return  # they become dense
    for name, kind in kinds:
        if kind.fill_value != 0:
            raise ColumnError(
                f"column {name!r} of X is of type {kind}, which leaves out {kind.fill_value}: a sparse column leaves "
                "out 0. Make it dense, X.sparse.to_dense(), or of type pandas.SparseDtype(float, 0)."
            )


def warn_of_no_offset(estimator: Any, offset: Any) -> None:
    """A warning where a prediction has no offset, and the fit had one."""
    if offset is None and getattr(estimator, "_with_offset", False):
        warnings.warn(
            "the fit had an offset, and this prediction has none: it is taken as 0. Give offset= of these rows, or 0.",
            SeparatrixWarning,
            stacklevel=outside(),
        )


def judged(score: Callable[..., float], y: Any, predicted: NDArray, sample_weight: Any) -> float:
    """A score of predictions, of rows with weights (rows,), or a number or None for the same weight each."""
    weight, y = None if sample_weight is None else check_sample_weight(sample_weight, len(predicted)), unmasked(y)
    try:
        with np.errstate(invalid="ignore"):  # of a cast of NaN, which is named below
            return float(score(y, predicted, sample_weight=weight))
    except SeparatrixError:
        raise
    except (TypeError, ValueError, OverflowError) as error:
        why = f"y={listed(y)} cannot be compared with predictions, {listed(predicted)}: {str(error).splitlines()[0]}"
        raise about_shape(predicted, y) or about_gaps(y) or DataError(why) from None


def random_of(seed: Any) -> np.random.RandomState:
    """scikit-learn's random numbers of a seed."""
    try:
        return check_random_state(seed)
    except (TypeError, ValueError):
        raise ArgumentError(
            f"random_state={shown(seed)} must be a whole number from 0 to 2**32 - 1, or None."
        ) from None


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
    """The weight of each class, (K,), of whose rows the weights add up to `total` (K,); ArgumentError if it leaves less
    than two."""
    check_class_weight(class_weight, classes)
    if isinstance(class_weight, dict):
        # By ==, as the check does: a date of NumPy equals one of Python, and has another hash.
        told = class_weight.items()
        weights = np.array([next((by for label, by in told if label == c), 1.0) for c in classes.tolist()], float)
        if np.count_nonzero(weights * (total > 0)) < 2:
            raise ArgumentError(
                f"class_weight={shown(class_weight)} leaves no two classes rows of positive weight: there is nothing "
                "to tell apart. Give another class a positive weight."
            )
        return weights
    # As if each class had one row, of the weight of all of its rows.
    seen, weights = total > 0, np.ones(len(classes))  # of a class without such rows none is known, or matters
    weights[seen] = compute_class_weight(
        class_weight, classes=classes[seen], y=classes[seen], sample_weight=total[seen]
    )
    return weights
