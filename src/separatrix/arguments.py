"""What the arguments of a call must be. An ArgumentError names the argument, quotes its value, and says what is due."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from separatrix.arrays import FloatArray, IntArray
from separatrix.errors import ArgumentError, TargetError

WIDEST_COUNT = 100_000  # of the range of integer labels that are counted instead of sorted


def check_number(
    name: str,
    value: Any,
    *,
    above: float = -np.inf,
    at_least: float = -np.inf,
    infinite: bool = False,
) -> None:
    """ArgumentError unless the value is a number in its range."""
    limit = f"above {above}" if above > -np.inf else f"at least {at_least}"
    fine = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    if not (fine and value > above and value >= at_least and (infinite or value < np.inf)):  # as NaN is not
        raise ArgumentError(f"{name}={value!r} must be a number {limit}{', or inf' if infinite else ''}.")


def check_l1_ratio(value: Any) -> None:
    """ArgumentError unless the value is a number between 0 and 1."""
    check_number("l1_ratio", value, at_least=0)
    if value > 1:
        raise ArgumentError(f"l1_ratio={value!r} must be at most 1: it is the share of the L1 penalty.")


def check_flag(name: str, value: Any) -> None:
    """ArgumentError unless the value is True or False."""
    if not isinstance(value, (bool, np.bool_)):
        raise ArgumentError(f"{name}={value!r} must be True or False.")


def check_offset(offset: ArrayLike | None, rows: int, columns: int) -> FloatArray | None:
    """The offset as (rows, columns of eta), or None; for one column (rows,) will do.

    >>> check_offset([1, 2], rows=2, columns=1)
    array([[1.],
           [2.]])
    """
    if offset is None:
        return None
    given = np.asarray(unmasked(offset))
    if columns == 1 and given.shape == (rows, 1):
        given = given[:, 0]
    shape = (rows,) if columns == 1 else (rows, columns)
    return finite_numbers("offset", given, shape).reshape(rows, columns)


def is_plain(X: Any, y: Any) -> bool:
    """Whether X is an array of finite doubles and y one of whole numbers, a row each.

    Of those scikit-learn's checks change nothing; but to say so takes them as long as a small fit takes.

    >>> is_plain(np.array([[1.0], [2.0]]), np.array([0, 1])), is_plain(np.array([[np.nan]]), np.array([0]))
    (True, False)
    """
    if type(X) is not np.ndarray or type(y) is not np.ndarray or X.dtype != np.float64 or y.dtype.kind not in "iu":
        return False
    if X.ndim != 2 or X.size == 0 or y.shape != X.shape[:1]:
        return False
    return sum_is_finite(X)


def sum_is_finite(X: FloatArray) -> bool:
    """Whether the sum of X (n, p) or (n,) is finite, as that of finite numbers is, unless it overflows.

    It takes half the time of X.sum(), which adds with more care.

    >>> sum_is_finite(np.array([[1.0, np.nan]])), sum_is_finite(np.array([[1e308, 1e308]]))
    (False, False)
    """
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(np.einsum("ij->", np.atleast_2d(X))))


def check_sample_weight(sample_weight: ArrayLike | None, rows: int, name: str = "sample_weight") -> FloatArray:
    """The weights (rows,): at least 0, some above; None is 1 for each row, a number the same for each. `name` is what
    the argument is called.

    >>> check_sample_weight([2, 0], rows=2)
    array([2., 0.])
    """
    if sample_weight is None:
        return np.ones(rows)
    given = np.asarray(unmasked(sample_weight))
    weight = finite_numbers(name, np.full(rows, given) if given.ndim == 0 else given, (rows,))
    for row in np.flatnonzero(weight < 0)[:1]:
        raise ArgumentError(f"{name}[{row}]={weight[row]:g} must be at least 0.")
    if not weight.any():
        raise ArgumentError(f"{name}={listed(weight)} is zero in every row: give some row a positive weight.")
    return weight


def finite_numbers(name: str, given: NDArray, shape: tuple[int, ...]) -> FloatArray:
    """The array in double precision and row order; ArgumentError unless it holds finite numbers and has this shape."""
    if given.dtype.kind not in "iufbO":
        raise ArgumentError(f"{name}={listed(given)} is of type {given.dtype}, and must be numbers of shape {shape}.")
    if given.shape != shape:
        raise ArgumentError(
            f"{name}={listed(given)} has shape {given.shape}, and must have {shape}: a number for each row"
            f"{' and each class or target' if len(shape) == 2 else ''}."
        )
    try:
        numbers = np.ascontiguousarray(given, dtype=np.float64)
    except (TypeError, ValueError):
        raise ArgumentError(f"{name}={listed(given)} must be numbers, and some are not.") from None
    for place in np.argwhere(~np.isfinite(numbers))[:1].tolist():
        value = float(numbers[tuple(place)])
        raise ArgumentError(f"{name}{place}={value} must be finite. Leave the row out, or fill the gap.")
    return numbers


def unmasked(values: Any) -> Any:
    """A masked array with NaN or None where it is masked; anything else as it is.

    >>> unmasked(np.ma.array([1, 2], mask=[False, True]))
    array([ 1., nan])
    """
    if not isinstance(values, np.ma.MaskedArray):
        return values
    numeric = values.dtype.kind in "iufb"
    return np.ma.filled(values.astype(float if numeric else object), np.nan if numeric else None)


def gaps(values: NDArray) -> NDArray:
    """Which values are missing, of any shape: NaN, NaT, None, or pandas' NA.

    >>> gaps(np.array(["a", None], dtype=object))
    array([False,  True])
    """
    if values.dtype.kind in "fc":
        return np.isnan(values)
    if values.dtype.kind in "mM":
        return np.isnat(values)
    if values.dtype.kind != "O":
        return np.zeros(values.shape, dtype=bool)
    # Of pandas' NA, what is equal to itself is not known, either.
    missing = [v is None or type(v).__name__ == "NAType" or bool(np.any(v != v)) for v in values.ravel()]
    return np.array(missing, dtype=bool).reshape(values.shape)


def check_complete(missing: NDArray, name: str) -> None:
    """TargetError for the first row whose outcome is missing."""
    for row in np.flatnonzero(missing)[:1]:
        raise TargetError(f"{name} is missing in row {row}, counted from 0: leave the row out.")


def listed(values: Any) -> str:
    """An array in a message: the first few of its values.

    >>> listed(np.arange(9.0))
    '[0.0, 1.0, 2.0, ...]'
    """
    some = ", ".join(repr(value) for value in np.ravel(values)[:3].tolist())
    return f"[{some}{', ...' if np.size(values) > 3 else ''}]"


def check_class_weight(class_weight: Any) -> None:
    """ArgumentError unless it is None, "balanced", or a dict with a weight of at least 0 for a class."""
    if class_weight is None or (isinstance(class_weight, str) and class_weight == "balanced"):
        return
    if not isinstance(class_weight, dict):
        raise ArgumentError(f"class_weight={class_weight!r} must be a dict of weights, 'balanced' or None.")
    for label, weight in class_weight.items():
        check_number(f"class_weight[{label!r}]", weight, at_least=0)


def label_codes(y: NDArray) -> tuple[NDArray, IntArray]:
    """The different labels in order, and the position of each row's among them.

    >>> label_codes(np.array([7, 5, 7]))
    (array([5, 7]), array([1, 0, 1]))
    """
    if y.dtype.kind in "iu" and (span := int(y.max()) - (low := int(y.min()))) < WIDEST_COUNT:
        # A million labels are counted in a tenth of the time it takes to sort them.
        codes = y.astype(np.intp, copy=False)
        codes = codes - low if low else codes
        if span <= 1:  # then both are there
            return np.arange(low, low + span + 1).astype(y.dtype), codes
        counts = np.bincount(codes, minlength=span + 1)
        if not counts.all():
            codes = (np.cumsum(counts > 0) - 1)[codes]
        return (np.flatnonzero(counts) + low).astype(y.dtype), codes
    from sklearn.utils.multiclass import check_classification_targets

    check_classification_targets(y)
    classes, codes = np.unique(y, return_inverse=True)
    return classes, codes


def check_two_classes(classes: NDArray, codes: NDArray, weight: FloatArray) -> None:
    """TargetError unless two classes have rows that count."""
    if len(classes) < 2:
        raise TargetError(f"y has one class, {classes[0]!r}: there is nothing to tell apart.")
    if not weight.all() and np.count_nonzero(np.bincount(codes, weight > 0)) < 2:
        raise TargetError("the rows of positive weight have one class or none: there is nothing to tell apart.")
