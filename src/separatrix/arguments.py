"""What the arguments of a call must be. An ArgumentError names the argument, quotes its value, and says what is due."""

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from separatrix.arrays import FloatArray, repeated
from separatrix.errors import ArgumentError, TargetError

LARGEST = 1e90  # of a cell, and of a weight: the square of the one times the other, summed over rows, is finite
ONE_THREAD = 2**13  # numbers, of which the dot of OpenBLAS takes one thread
SMALLEST_C = 1e-200  # whose inverse, by unit of such a weight, is finite
LARGEST_INT = sys.float_info.max
BEYOND = f"a whole number beyond {LARGEST_INT:g}, the largest there is here"
FARTHEST = 1e15  # of an offset to a linear predictor: beside a larger one rounding leaves nothing of x'w + b


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
    fine = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, (bool, np.timedelta64))
    if isinstance(value, int) and abs(value) > LARGEST_INT:
        raise ArgumentError(f"{name} is {BEYOND}.")
    if not (fine and value > above and value >= at_least and (infinite or value < np.inf)):  # as NaN is not
        raise ArgumentError(f"{name}={shown(value)} must be a number {limit}{', or inf' if infinite else ''}.")


def check_whole(name: str, value: Any, *, at_least: float) -> None:
    """ArgumentError unless the value is a whole number in its range."""
    check_number(name, value, at_least=at_least)
    if value != int(value):
        raise ArgumentError(f"{name}={shown(value)} must be a whole number.")


def check_C(name: str, value: Any) -> None:
    """ArgumentError unless the value is the inverse of a penalty's strength."""
    check_number(name, value, above=0, infinite=True)
    if value < SMALLEST_C:
        raise ArgumentError(f"{name}={shown(value)} must be at least {SMALLEST_C:g}: the inverse of less is no number.")


def check_l1_ratio(name: str, value: Any) -> None:
    """ArgumentError unless the value is a number between 0 and 1."""
    check_number(name, value, at_least=0)
    if value > 1:
        raise ArgumentError(f"{name}={shown(value)} must be at most 1: it is the share of the L1 penalty.")


def check_choice(name: str, value: Any, choices: Sequence[str | None]) -> None:
    """ArgumentError unless the value is one of these words, or None where that is one."""
    if not (value is None or isinstance(value, str)) or value not in choices:
        raise ArgumentError(f"{name}={shown(value)} must be one of {', '.join(map(str, choices))}.")


def check_flag(name: str, value: Any) -> None:
    """ArgumentError unless the value is True or False."""
    if not isinstance(value, (bool, np.bool_)):
        raise ArgumentError(f"{name}={shown(value)} must be True or False.")


def check_offset(offset: Any, rows: int, columns: int, most: float = LARGEST) -> FloatArray | None:
    """The offset as (rows, columns of eta), or None; for one column (rows,) will do, and a number is that of every row.

    >>> check_offset([1, 2], rows=2, columns=1)
    array([[1.],
           [2.]])
    """
    if offset is None:
        return None
    given, shape = array_of("offset", offset), (rows,) if columns == 1 else (rows, columns)
    if columns == 1 and given.shape == (rows, 1):
        given = given[:, 0]
    numbers = finite_numbers("offset", np.full(shape, given) if given.ndim == 0 else given, shape)
    for place in np.argwhere(np.abs(numbers) > most)[:1].tolist():
        raise ArgumentError(
            f"offset{place}={numbers[tuple(place)]:g} is beyond {most:g}: beside it x'w + b is lost in rounding. Leave "
            "the row out, or take what all rows have in common from the offset."
        )
    return numbers.reshape(rows, columns)


def is_plain(X: Any, y: Any, numbers: bool = False) -> bool:
    """Whether X is an array of doubles and y one of whole numbers or truth values, a row each; or of `numbers`, doubles
    or whole, of one target or several.

    Of those scikit-learn's checks change nothing; but to say so takes them as long as a small fit takes.

    >>> is_plain(np.array([[1.0], [2.0]]), np.array([0, 1])), is_plain(np.array([[1.0]]), np.array(["a"]))
    (True, False)
    """
    if not has_plain_rows(X) or type(y) is not np.ndarray or y.shape[:1] != X.shape[:1]:
        return False
    if numbers:
        return (y.dtype == np.float64 or y.dtype.kind in "iu") and y.ndim <= 2 and y.size > 0
    return y.dtype.kind in "iub" and y.ndim == 1


def has_plain_rows(X: Any) -> bool:
    """Whether X is an array of doubles, (n, p), of which there are some."""
    return type(X) is np.ndarray and X.dtype == np.float64 and X.ndim == 2 and X.size > 0


def is_moderate(X: NDArray, held: bool = False) -> bool:
    """Whether the sum of squares of X, (n, p) or (n,), shows that every number is finite and at most LARGEST.

    A pass, as a sum would be; by BLAS, which is faster, where that is `held` to one thread or takes no more: on a busy
    machine its threads wait for each other longer than all else takes. Of numbers in single precision it may overflow
    where each of them is fine; whole numbers always are.

    >>> is_moderate(np.array([[1.0, 2.0]])), is_moderate(np.array([np.nan])), is_moderate(np.array([1e100]))
    (True, False, False)
    """
    if X.dtype.kind in "biu":
        return True
    with np.errstate(over="ignore", invalid="ignore"):
        if (held or X.size <= ONE_THREAD) and (X.flags.c_contiguous or X.flags.f_contiguous):  # else dot copies X
            flat = X.ravel(order="K")
            return float(np.dot(flat, flat)) <= LARGEST**2  # @ would hold Python's lock
        return float(np.einsum("ij,ij->", X, X) if X.ndim == 2 else np.einsum("i,i->", X, X)) <= LARGEST**2


def check_sample_weight(sample_weight: ArrayLike | None, rows: int, name: str = "sample_weight") -> FloatArray:
    """The weights (rows,): at least 0, some above; None is 1 for each row, a number the same for each, which is there
    but once, and can't be written to. `name` is what the argument is called.

    >>> check_sample_weight([2, 0], rows=2)
    array([2., 0.])
    """
    if sample_weight is None:
        return repeated(1.0, rows)
    weight = weights_of(sample_weight, rows, name)
    check_total(name, weight)
    return weight


def weights_of(sample_weight: ArrayLike, rows: int, name: str = "sample_weight") -> FloatArray:
    """The weights (rows,): at least 0, of some rows that may all count for nothing."""
    given = array_of(name, sample_weight)
    weight = finite_numbers(name, given, () if given.ndim == 0 else (rows,))
    weight = np.broadcast_to(weight, rows) if given.ndim == 0 else weight
    for row in np.flatnonzero(weight < 0)[:1]:
        raise ArgumentError(f"{name}[{row}]={weight[row]:g} must be at least 0.")
    return weight


def check_total(name: str, weight: FloatArray) -> None:
    """ArgumentError unless some of the weights are above 0, and of a size that can be added up."""
    if not weight.any():
        raise ArgumentError(f"{name}={listed(weight)} is zero in every row: give some row a positive weight.")
    check_size(name, weight)


def check_squares(y: NDArray) -> None:
    """TargetError for the first number of an outcome whose square is none."""
    for place in np.argwhere(np.abs(y) > LARGEST)[:1].tolist():
        raise TargetError(f"y{place}={y[tuple(place)]:g} is beyond {LARGEST:g}, too large to square: rescale y.")


def check_size(name: str, weight: Any) -> None:
    """ArgumentError where the largest weight is so large, or so small, that sums of squares by it are no numbers."""
    most = float(weight.max())
    if not 1.0 / LARGEST <= most <= LARGEST:
        raise ArgumentError(
            f"{name} reaches {most:g}, and must reach between {1 / LARGEST:g} and {LARGEST:g}: multiply all by one "
            "number, and C by its inverse, or alpha by it."
        )


def array_of(name: str, values: Any) -> NDArray:
    """Values as an array; ArgumentError for lists of different lengths."""
    try:
        return np.asarray(unmasked(values))
    except ValueError:
        raise ArgumentError(f"{name} holds lists of different lengths: give a value for each row.") from None


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
        with np.errstate(over="ignore"):  # what is beyond a double is found below
            numbers = np.ascontiguousarray(given, dtype=np.float64)
    except (TypeError, ValueError):
        raise ArgumentError(f"{name}={listed(given)} must be numbers, and some are not.") from None
    except OverflowError:
        raise ArgumentError(f"{name} holds {BEYOND}.") from None
    for place in np.argwhere(~np.isfinite(numbers))[:1].tolist():
        value = float(numbers[tuple(place)])
        raise ArgumentError(f"{name}{place}={value} must be finite. Leave the row out, or fill the gap.")
    return numbers


def as_numbers(values: Any) -> FloatArray:
    """Values in double precision, of whatever shape; where some are no numbers, none at all.

    >>> as_numbers([[1, 2]]), as_numbers("a")
    (array([[1., 2.]]), array([], dtype=float64))
    """
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        return np.empty(0)


def unmasked(values: Any) -> Any:
    """A masked array with NaN or None where it is masked; anything else as it is.

    >>> unmasked(np.ma.array([1, 2], mask=[False, True]))
    array([ 1., nan])
    """
    if not isinstance(values, np.ma.MaskedArray):
        return values
    if not np.ma.is_masked(values):
        return values.data
    gap: Any = np.nan if values.dtype.kind in "iufb" else None
    return np.where(values.mask, gap, values.data)


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


def check_complete(missing: NDArray, name: str, before: int = 0, rows: NDArray | None = None) -> None:
    """TargetError for the first row whose outcome is missing; so many rows come before these, or they have these
    numbers."""
    for row in np.flatnonzero(missing)[:1]:
        number = before + row if rows is None else rows[row]
        raise TargetError(f"{name} is missing in row {number}, counted from 0: leave the row out.")


def shown(value: Any) -> str:
    """A value in a message as its caller would write it, in one line: 1.0 for np.float64(1.0), and of an array a few.

    >>> shown(np.float64(1.0)), shown(np.arange(9))
    ('1.0', '[0, 1, 2, ...]')
    """
    if isinstance(value, np.ndarray):
        return listed(value)
    return " ".join(repr(value.item() if isinstance(value, np.generic) else value).split())


def listed(values: Any) -> str:
    """An array in a message: the first few of its values.

    >>> listed(np.arange(9.0))
    '[0.0, 1.0, 2.0, ...]'
    """
    some = ", ".join(" ".join(repr(value).split()) for value in np.ravel(values)[:3].tolist())
    return f"[{some}{', ...' if np.size(values) > 3 else ''}]"


def check_class_weight(class_weight: Any, classes: NDArray) -> None:
    """ArgumentError unless it is None, "balanced", or a dict with a weight of at least 0 for some of the classes."""
    if class_weight is None or (isinstance(class_weight, str) and class_weight == "balanced"):
        return
    if not isinstance(class_weight, dict):
        raise ArgumentError(f"class_weight={shown(class_weight)} must be a dict of weights, 'balanced' or None.")
    for label, weight in class_weight.items():
        check_number(f"class_weight[{shown(label)}]", weight, at_least=0)
    labels = classes.tolist()
    unknown = [label for label in class_weight if label not in labels]
    if unknown and not all(label in class_weight for label in labels):  # more than there are may be told
        raise ArgumentError(
            f"class_weight={shown(class_weight)}: y has no class {shown(unknown[0])}, but {listed(labels)}."
        )
