"""The outcome of a regression as the loss codes it."""

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from separatrix.arguments import LARGEST, check_complete, gaps, unmasked
from separatrix.arrays import FloatArray, IntArray
from separatrix.equations.losses import LogLoss, Loss, SquaredLoss
from separatrix.equations.reference import ReferenceLoss
from separatrix.errors import TargetError, listing

NUMBERS = int | float | np.number | np.bool_ | Decimal
MOST_CLASSES = 50  # of whole numbers that are taken for classes


@dataclass(frozen=True)
class Outcome:
    """y as `loss` codes it; the labels of its classes, the reference first, none for numbers; trials (n,) of grouped
    data, else None."""

    name: str
    y: NDArray
    loss: Loss
    classes: tuple[Any, ...] = ()
    trials: FloatArray | None = None

    @property
    def columns(self) -> int:
        """How many linear predictors it has."""
        return max(len(self.classes) - 1, 1)


def classes_of(values: Any, name: str, rows: IntArray | None = None) -> Outcome:
    """The outcome of a logistic regression, of rows that have these numbers in the data, or all of it.

    Numbers 0 and 1, booleans, or labels (rows,), of which the first in their order (of a categorical, its own) is the
    reference; or (rows, 2) of successes and failures. With two classes the second is modelled.

    Raises TargetError for one class, proportions, dates, and numbers that are no classes.

    >>> classes_of(np.array(["no", "yes", "no"]), "ill").classes
    ('no', 'yes')
    """
    if np.ndim(values) == 2 and np.shape(values)[1] == 2:
        return counts(np.asarray(values), name, rows)
    return of_codes(name, *coded(values, name, rows))


def of_codes(name: str, labels: tuple[Any, ...], codes: NDArray) -> Outcome:
    """The outcome of labels in order, each of which occurs, and the position of each row's among them, (n,)."""
    if len(labels) < 2:
        having = f"one class, {labels[0]!r}, in the rows that count" if labels else "no rows"
        raise TargetError(f"{name} has {having}: there is nothing to tell apart.")
    if len(labels) == 2:
        return Outcome(name, codes[:, None].astype(float), LogLoss(), labels)
    return Outcome(name, codes, ReferenceLoss(), labels)


def of_rows(outcome: Outcome, rows: IntArray) -> Outcome:
    """The outcome of some rows: classes that have none of them are none of its own; TargetError if one is left."""
    y, trials = outcome.y[rows], None if outcome.trials is None else outcome.trials[rows]
    if trials is not None:
        check_both(np.array([trials @ y[:, 0], trials @ (1.0 - y[:, 0])]), outcome.name)
    if trials is not None or not outcome.classes:
        return replace(outcome, y=y, trials=trials)
    present, codes = np.unique(y.astype(np.intp), return_inverse=True)
    return of_codes(outcome.name, tuple(outcome.classes[k] for k in present), codes.reshape(len(rows)))


def coded(values: Any, name: str, rows: IntArray | None = None) -> tuple[tuple[Any, ...], NDArray]:
    """The labels that occur, in order, and the position of each row's among them; `rows` as of `classes_of`."""
    if str(getattr(values, "dtype", "")) == "category":  # of pandas, with an order of its own
        levels = getattr(values, "cat", values).remove_unused_categories()  # of a Series or a Categorical
        levels = getattr(levels, "cat", levels)
        codes = np.asarray(levels.codes, dtype=np.intp)
        check_complete(codes < 0, name)
        return tuple(levels.categories), codes
    if str(getattr(values, "dtype", "")).startswith("Enum("):  # of Polars, with an order of its own
        codes = values.to_physical().cast(int).fill_null(-1).to_numpy()
        check_complete(codes < 0, name)
        present, codes = np.unique(codes, return_inverse=True)
        return tuple(values.dtype.categories[k] for k in present.tolist()), codes
    y = np.asarray(unmasked(values))
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1:
        raise TargetError(f"{name} has shape {y.shape}: give one value a row, or two columns: successes, failures.")
    if y.dtype.kind in "iuf" and ((y == 0) | (y == 1)).all():
        codes = y.astype(np.intp)
        return tuple(np.flatnonzero(np.bincount(codes, minlength=2)).tolist()), codes
    if y.dtype.kind == "O":
        check_complete(gaps(y), name)
        text = any(isinstance(label, str) for label in y)
        y = np.array([str(label) for label in y]) if text else numbers_in(y, name)
    if y.dtype.kind in "mM":
        raise no_classes(y, name)
    if y.dtype.kind == "f":
        check_complete(~np.isfinite(y), name, rows=rows)
    labels, codes = np.unique(y, return_inverse=True)
    check_whole(labels, name)
    check_repeated(labels, len(y), name)
    return tuple((labels.astype(int) if y.dtype.kind in "fiu" else labels).tolist()), codes


def numbers_in(labels: NDArray, name: str) -> FloatArray:
    """Objects that are numbers as such, (n,); TargetError where they are not."""
    try:
        return labels.astype(float)
    except (TypeError, ValueError):
        raise no_classes(labels, name) from None


def no_classes(labels: NDArray, name: str) -> TargetError:
    """The error for labels that are neither text nor numbers."""
    return TargetError(
        f"{name} holds {listing(labels, most=3)}, of type {type(labels.tolist()[0]).__name__}, and classes are text, "
        "numbers or truth values: make text of them."
    )


def check_whole(labels: NDArray, name: str) -> None:
    """TargetError for labels that are numbers and no classes."""
    if labels.dtype.kind in "fiu" and (len(labels) > MOST_CLASSES or (labels != np.floor(labels)).any()):
        raise TargetError(
            f"{name} holds {len(labels)} numbers, such as {listing(labels[:3])}, and logit is for classes. "
            "Use ols for numbers; for proportions give successes and failures."
        )


def check_repeated(labels: NDArray, rows: int, name: str) -> None:
    """TargetError for labels of which most rows have one of their own: names, dates, or numbers stored as text."""
    if len(labels) > max(MOST_CLASSES, rows / 2):
        raise TargetError(
            f"{name} has {len(labels)} different values in {rows} rows, such as {listing(labels[:3])}, and logit is "
            "for classes. Group them, or make numbers of them and use ols."
        )


def counts(pairs: NDArray, name: str, rows: IntArray | None = None) -> Outcome:
    """Grouped data: successes and failures of each row, (n, 2); y is their share of successes; `rows` as of
    `classes_of`."""
    pairs = pairs.astype(float)
    for row in np.flatnonzero(~(np.isfinite(pairs) & (pairs >= 0)).all(axis=1))[:1]:
        raise TargetError(
            f"{name} has {pairs[row].tolist()} in row {numbered(row, rows)}, counted from 0: counts are numbers, at "
            "least 0."
        )
    trials = pairs.sum(axis=1)
    check_both(pairs.sum(axis=0), name)
    share = np.divide(pairs[:, 0], trials, out=np.zeros(len(pairs)), where=trials > 0)
    return Outcome(name, share[:, None], LogLoss(), ("failure", "success"), trials)


def check_both(totals: FloatArray, name: str) -> None:
    """TargetError unless there are some successes and some failures, (2,)."""
    if not totals.all():
        raise TargetError(f"{name} has no {'successes' if totals[1] else 'failures'}: nothing to explain.")


def numbers_of(values: Any, name: str, rows: IntArray | None = None) -> Outcome:
    """The outcome of a linear regression, numbers (n,); `rows` as of `classes_of`.

    >>> numbers_of([1, 2], "y").y.shape
    (2, 1)
    """
    y = np.asarray(unmasked(values))
    if y.dtype.kind == "O":
        check_complete(gaps(y), name)
    if y.dtype.kind not in "iufb" and not (y.dtype.kind == "O" and all(isinstance(v, NUMBERS) for v in y.ravel())):
        raise TargetError(f"{name} holds {listing(y.ravel(), most=3)}, and ols is for numbers. Use logit for classes.")
    if y.size != len(y):
        raise TargetError(f"{name} has shape {y.shape}: ols explains one number a row.")
    y = y.astype(float).reshape(-1, 1)
    for row in np.flatnonzero(~np.isfinite(y))[:1]:
        raise TargetError(f"{name} is missing or infinite in row {numbered(row, rows)}, counted from 0.")
    for row in np.flatnonzero(np.abs(y) > LARGEST)[:1]:
        raise TargetError(
            f"{name} is {y[row, 0]:g} in row {numbered(row, rows)}, counted from 0, too large to square: rescale it."
        )
    return Outcome(name, y, SquaredLoss())


def numbered(row: Any, rows: IntArray | None) -> int:
    """The number that a row has in the data, of which a fit has `rows`, or all."""
    return int(row if rows is None else rows[row])
