"""The labels of a target: which there are, the code of each row's, and what the rows of each weigh.

Some rows at a time: beside a few columns of numbers, one more number for each row would be large.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from separatrix.arguments import check_complete, gaps, listed, shown
from separatrix.arrays import FloatArray, IntArray
from separatrix.data.lazy import Made
from separatrix.equations.hyperplane import pieces
from separatrix.errors import TargetError

WIDEST_COUNT = 100_000  # of the range of whole numbers that are counted instead of sorted
BEYOND_WHOLE = np.float64(2**63)  # numbers that scikit-learn takes for no labels: a type of whole ones has none of them
FEW = 8  # classes, each of which is counted faster than all in one go


def brought_text(y: Any) -> Any:
    """Text of a type of NumPy's own, or of a column of pandas, as objects, of pandas the same for equal ones: it makes
    an object for each row. A sparse array of pandas with what it leaves out; anything else as it is."""
    if isinstance(getattr(y, "dtype", None), np.dtypes.StringDType):  # which scikit-learn does not take
        return y.astype(object)
    if type(y).__name__ == "SparseArray":  # nor that
        return np.asarray(y)
    if not hasattr(y, "iloc") or not hasattr(y, "factorize") or isinstance(y.dtype, np.dtype):
        return y
    if getattr(y.dtype, "categories", y).dtype.kind != "O":
        return y
    values = np.empty(len(y), dtype=object)
    for some in pieces(len(y), 1):
        place, labels = y.iloc[some].factorize()
        values[some] = np.append(np.asarray(labels, dtype=object), np.array([None]))[place]  # -1 is what is missing
    return values


def label_codes(y: NDArray) -> tuple[NDArray, IntArray]:
    """The different labels in order, and the position of each row's among them, in as few bytes as these take.

    Raises TargetError for labels that are missing, that are no whole numbers, or that have no order.

    >>> label_codes(np.array([7, 5, 7]))
    (array([5, 7]), array([1, 0, 1], dtype=int8))
    """
    classes, codes = made_codes(y)
    return classes, np.asarray(codes)


def made_codes(y: NDArray) -> tuple[NDArray, Any]:
    """The same, but that codes are `Made` of y where this takes no longer than to read them."""
    if y.dtype.kind == "b":
        classes, codes = made_codes(y.view(np.uint8))
        return classes.astype(bool), codes
    if y.dtype.kind in "iu" and (span := int(y.max()) - (low := int(y.min()))) < WIDEST_COUNT:
        if span <= 1:  # then both are there
            return two_of(y.dtype.type(low) + np.arange(span + 1).astype(y.dtype), y)
        # A million labels are counted in a tenth of the time it takes to sort them. Differences are right in any
        # type that holds them.
        kind = type_of_codes(span + 1)
        zero = y.dtype.type(low).astype(kind)
        codes = Made(lambda some: y[some].astype(kind) - zero, len(y), kind.itemsize)
        counts = weight_by_class(codes, span + 1)
        classes = y.dtype.type(low) + np.flatnonzero(counts).astype(y.dtype)
        return classes, codes if counts.all() else recoded(np.asarray(codes), np.cumsum(counts > 0) - 1)
    return numbers(y) if y.dtype.kind in "iuf" else met_labels(y)


def numbers(y: NDArray) -> tuple[NDArray, Any]:
    """The same of numbers, few of which are different."""
    classes = y[:0]
    for some in pieces(len(y), 1):
        check_whole(y, some)
        classes = np.union1d(classes, y[some])
    if len(classes) <= 2:
        return two_of(classes, y)
    codes = np.empty(len(y), type_of_codes(len(classes)))
    for some in pieces(len(y), 1):
        codes[some] = np.searchsorted(classes, y[some])
    return classes, codes


def two_of(classes: NDArray, y: NDArray) -> tuple[NDArray, Any]:
    """The same of numbers of which no more than two are different."""
    return classes, Made(lambda some: (y[some] != classes[:1]).view(np.int8), len(y), 1)


def check_whole(y: NDArray, some: slice, name: str = "y") -> None:
    """TargetError unless some of the labels, numbers, are there and whole."""
    values = y[some]
    if values.dtype.kind == "f":
        check_complete(gaps(values), name, some.start)
        for number in values[(values != np.floor(values)) | (np.abs(values) >= BEYOND_WHOLE)][:1]:
            raise TargetError(
                f"Unknown label type: {name} holds numbers such as {shown(number)}, no classes: use LinearRegression, "
                "or make classes of them, as y > 0 does."
            )


def met_labels(y: NDArray) -> tuple[NDArray, IntArray]:
    """The same of labels of any other type, which are numbered as they are met, and then by their order."""
    numbers: dict[Any, int] = {}
    found, codes = [y[:0]], np.empty(len(y), type_of_codes(1))
    for some in pieces(len(y), 1):
        labels, place = different(y, some)
        own = np.array([numbers.setdefault(label, len(numbers)) for label in labels.tolist()], dtype=np.intp)
        codes = codes.astype(type_of_codes(len(numbers)), copy=False)
        codes[some] = own[place]
        found.append(labels)
    try:
        classes = np.unique(np.concatenate(found))
    except TypeError:
        raise no_labels(y) from None
    if y.dtype.kind == "O" and not all(isinstance(label, str) for label in classes):
        raise no_labels(y)
    order = np.empty(len(classes), dtype=np.intp)
    order[[numbers[label] for label in classes.tolist()]] = np.arange(len(classes))
    return classes, recoded(codes, order)


def different(y: NDArray, some: slice) -> tuple[NDArray, IntArray]:
    """The different labels of some rows, and the position of each row's among them."""
    values = y[some]
    if values.dtype.kind in "cSV":
        raise no_labels(y)
    labels, place = different_objects(y, values) if values.dtype.kind == "O" else np.unique(values, return_inverse=True)
    if gaps(labels).any():
        check_complete(gaps(values), "y", some.start)
    return labels, place


def different_objects(y: NDArray, values: NDArray) -> tuple[NDArray, IntArray]:
    """The same of objects, which are not sorted: to find them in a table is far faster."""
    met: dict[Any, int] = {}
    try:
        place = np.array([met.setdefault(label, len(met)) for label in values.tolist()], dtype=np.intp)
    except TypeError:  # of lists, for one
        raise no_labels(y) from None
    labels = np.empty(len(met), dtype=object)
    labels[:] = list(met)
    return labels, place


def no_labels(y: NDArray) -> TargetError:
    """What to do about values that are not the names of classes."""
    kinds = sorted({type(label).__name__ for label in y.tolist()})
    remedy = "make all labels text, or whole numbers"
    if kinds in (["int"], ["bool"]):
        kinds, remedy = [f"{kinds[0]} as objects"], f"give y.astype({kinds[0]})"
    return TargetError(f"Unknown label type: y={listed(y)} holds {' and '.join(kinds)}: {remedy}.")


def recoded(codes: IntArray, place: IntArray) -> IntArray:
    """The new code, `place`, of each row's old one; in place, as codes are no more than before."""
    place = place.astype(codes.dtype)
    for some in pieces(len(codes), 1):
        codes[some] = place[codes[some]]
    return codes


def type_of_codes(classes: int) -> np.dtype:
    """The smallest that tells so many apart, with a sign: codes of two classes are numbers to reckon with."""
    return np.min_scalar_type(-max(classes, 1))


def weight_by_class(codes: Any, classes: int, weight: FloatArray | None = None) -> FloatArray:
    """What the rows of each class weigh, (K,), or how many there are.

    >>> weight_by_class(np.array([0, 2, 2]), 3, np.array([1.0, 2.0, 0.5]))
    array([1. , 0. , 2.5])
    """
    if weight is not None and len(weight) and weight.strides == (0,):  # one weight, for all
        return weight[0] * weight_by_class(codes, classes)
    total = np.zeros(classes)
    for some in pieces(len(codes), 1):
        if weight is None and classes <= FEW:
            total += [np.count_nonzero(codes[some] == k) for k in range(classes)]
        else:
            total += np.bincount(codes[some], None if weight is None else weight[some], classes)
    return total


def check_two_classes(classes: NDArray, weight: FloatArray) -> None:
    """TargetError unless two classes have rows that count; `weight` (K,) is what those of each weigh."""
    if len(classes) < 2:
        raise TargetError(f"y has one class, {classes.tolist()[0]!r}: there is nothing to tell apart.")
    if np.count_nonzero(weight) < 2:
        raise TargetError("the rows of positive weight have one class or none: there is nothing to tell apart.")
