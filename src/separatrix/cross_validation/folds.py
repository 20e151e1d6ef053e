"""The folds of a cross-validation: what cv must be, and what each of its folds."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from separatrix.arguments import listed, shown
from separatrix.arrays import BoolArray, FloatArray, IntArray
from separatrix.engine.paths.groups import Members
from separatrix.equations.hyperplane import pieces
from separatrix.errors import ArgumentError, SeparationWarning, TargetError, outside

LARGEST = int(np.iinfo(np.int32).max)
WHAT = "must be a number of folds, a splitter, an iterable of (train, test), or 'loo'."


@dataclass(frozen=True)
class Folds:
    """Which rows each fit is of, the first of all, and the positions of the test rows of each fold, where these are not
    simply all others."""

    members: Members
    tests: list[IntArray] | None = None

    @property
    def numbers(self) -> range:
        """Those of the folds, from 1."""
        return range(1, self.members.fits)

    def test(self, f: int) -> IntArray:
        """The positions of the test rows of fold f."""
        return np.concatenate(list(self.some_of_test(f)))

    def some_of_test(self, f: int) -> Iterator[IntArray]:
        """The same, some at a time: those of all would be large beside a few columns."""
        if self.tests is not None:
            yield self.tests[f - 1]
        else:
            for some in pieces(len(self.members), 1):
                yield some.start + np.flatnonzero(~self.members.fit(f, some))


def is_loo(cv: Any) -> bool:
    """Whether cv is "loo"; ArgumentError if it is no cv at all, or fewer than two folds."""
    if isinstance(cv, str) and cv == "loo":
        return True
    if is_number(cv) and int(cv) < 2:
        raise ArgumentError(f"cv={cv} must be at least 2 folds, or 'loo' for one row at a time.")
    splits = hasattr(cv, "split") and not isinstance(cv, type)
    if isinstance(cv, (str, bytes)) or not (cv is None or is_number(cv) or splits or np.iterable(cv)):
        raise ArgumentError(f"cv={cv!r} {WHAT}")
    return False


def is_number(cv: Any) -> bool:
    """Whether cv is a number of folds."""
    return isinstance(cv, (int, np.integer)) and not isinstance(cv, bool)


def folds_of(cv: Any, X: Any, y: NDArray, codes: Any, groups: Any) -> Folds:
    """The rows of each fold, by scikit-learn's rules, codes their classes; with "loo" of all rows alone.
    ArgumentError where there are none, or groups that split none."""
    check_groups(groups, cv, len(y))
    if is_loo(cv):
        return Folds(Members.all(len(y)))
    cv = 5 if cv is None else cv
    if is_number(cv):
        if cv > len(y):
            raise ArgumentError(f"cv={cv} is more folds than the {len(y)} rows: use fewer, or 'loo'.")
        return stratified(int(cv), codes)
    tests: list[IntArray] = []

    def training_rows() -> Iterator[BoolArray]:
        yield np.ones(len(y), dtype=bool)
        for f, pair in enumerate(split(cv, X, y, groups) if hasattr(cv, "split") else cv, start=1):
            if not isinstance(pair, (tuple, list, np.ndarray)) or len(pair) != 2:
                raise ArgumentError(f"fold {f} of cv is {shown(pair)}: cv {WHAT}")
            train = np.zeros(len(y), dtype=bool)
            train[rows_of(pair[0], "training", f, len(y))] = True
            tests.append(rows_of(pair[1], "test", f, len(y)))
            yield train

    members = Members.of(training_rows())
    if not tests:
        used = " A generator is used up by the first fit: give a list." if hasattr(cv, "__next__") else ""
        raise ArgumentError(f"cv={cv!r} has no folds: give a (train, test) for each, or a number of folds.{used}")
    return Folds(members, tests)


def check_groups(groups: Any, cv: Any, rows: int) -> None:
    """ArgumentError unless groups are None, or one for each row, and cv a splitter, which may ask for them."""
    splits = hasattr(cv, "split") and not isinstance(cv, str)
    if groups is not None and not (splits and np.ndim(groups) == 1 and len(groups) == rows):
        raise ArgumentError(
            f"groups={shown(groups)} must be one for each of the {rows} rows, for a cv that splits by them, such as "
            "GroupKFold()."
        )


def stratified(cv: int, codes: Any) -> Folds:
    """As many folds, with about the same share of each class: those of scikit-learn's StratifiedKFold, which
    takes several numbers a row to make them.

    Classes are dealt out in the order in which they appear, one after the other; the rows of each in their order.
    """
    counts, first = counted(codes)
    if (counts < cv).all():
        raise ArgumentError(
            f"cv={cv} cannot split the {len(codes)} rows: no class has so many, the largest {counts.max()}. Use "
            "fewer folds, or 'loo'."
        )
    last, start = np.zeros((len(counts), cv), dtype=np.intp), 0  # of each class, after that of a fold
    for k in np.argsort(first):
        last[k] = np.cumsum([len(range((f - start) % cv, counts[k], cv)) for f in range(cv)])
        start += counts[k]

    def left_out() -> Iterator[tuple[slice, IntArray]]:
        met = np.zeros(len(counts), dtype=np.intp)
        for some in pieces(len(codes), 1):
            here, fit = codes[some], np.empty(some.stop - some.start, dtype=np.intp)
            for k, own in enumerate(np.bincount(here)):
                fit[here == k] = np.repeat(np.arange(1, cv + 1), np.diff(np.clip(last[k] - met[k], 0, own), prepend=0))
                met[k] += own
            yield some, fit

    return Folds(Members.but_one(len(codes), 1 + cv, left_out()))


def counted(codes: Any) -> tuple[IntArray, IntArray]:
    """How many rows each class has, (K,), and which is the first of them, (K,)."""
    K = int(codes.max()) + 1
    counts, first = np.zeros(K, dtype=np.intp), np.zeros(K, dtype=np.intp)
    for some in pieces(len(codes), 1):
        here = codes[some]
        own = np.bincount(here, minlength=K)
        for k in np.flatnonzero((own > 0) & (counts == 0)):
            first[k] = some.start + np.argmax(here == k)
        counts += own
    return counts, first


def split(cv: Any, X: Any, y: NDArray, groups: Any) -> Iterator[Any]:
    """What a splitter of scikit-learn makes of the rows, fold by fold; ArgumentError where it makes nothing."""
    folds = iter(cv.split(X, y) if groups is None else cv.split(X, y, groups))
    while True:
        try:
            with warnings.catch_warnings():  # of a class that some fold lacks: that is said of the fold
                warnings.filterwarnings("ignore", "The least populated class", UserWarning)
                fold = next(folds)
        except StopIteration:
            return
        except ValueError as error:
            why = " ".join(str(error).split())
            if "group" in why:
                why = "it needs groups: fit(X, y, groups=...), one for each row."
            raise ArgumentError(f"cv={cv!r} cannot split the {len(y)} rows: {why}") from error
        yield fold


def rows_of(given: Any, kind: str, f: int, n: int) -> IntArray:
    """Positions of rows, from 0 to n, of numbers that may count from the end, or of a mask of all rows."""
    where, rows = f"the {kind} rows of fold {f} of cv", np.asarray(given)
    if rows.ndim != 1:
        raise ArgumentError(f"{where} are {listed(rows)} of shape {rows.shape}: give a list of row numbers.")
    if rows.dtype == bool and len(rows) != n:
        raise ArgumentError(f"{where} are a mask of {len(rows)} rows: give one of all {n} rows, or row numbers.")
    rows = np.flatnonzero(rows) if rows.dtype == bool else rows
    if not len(rows):
        raise ArgumentError(f"fold {f} of cv has no {kind} rows: give it some, or leave it out.")
    if rows.dtype.kind not in "iu":
        raise ArgumentError(f"{where} are {listed(rows)}: give whole numbers, which say what rows, or a mask.")
    for row in rows[(rows < -n) | (rows >= n)][:1]:
        raise ArgumentError(f"{where} name row {row}, and X has {n} rows: give numbers from 0 to {n - 1}.")
    return short(rows, n) % n


def short(rows: NDArray, n: int) -> IntArray:
    """Positions among n rows in no more bytes than these take."""
    return rows.astype(np.int32 if n <= LARGEST else np.intp, copy=False)


def check_training_rows(folds: Folds, classes: NDArray, codes: Any, weight: Any) -> IntArray:
    """How many rows that count each fit has of each class, (fits, K).

    TargetError unless every fold has some of two classes; a warning where others have none.
    """
    counts = np.zeros((folds.members.fits, len(classes)), dtype=np.intp)
    for some in pieces(len(codes), counts.shape[0]):
        here, weighs = codes[some], weight[some] > 0
        for own, rows in zip(counts, folds.members.at(some), strict=True):
            own += np.bincount(here[rows & weighs], minlength=len(classes))
    counted, lacking = np.flatnonzero(counts[0]), []
    for f, own in zip(folds.numbers, counts[1:], strict=True):
        there = np.flatnonzero(own)
        lacking += [(f, classes.tolist()[k]) for k in np.setdiff1d(counted, there)]
        if len(there) < 2:
            label = classes[there].tolist()
            found = f"have one class, {label[0]!r}" if label else "all weigh zero"
            raise TargetError(
                f"the training rows of fold {f} of cv {found}: there is nothing to tell apart. Give each fold rows of "
                "two classes to train on, as cv=5 does where every class has two rows or more."
            )
    if lacking:
        f, label = lacking[0]
        others = f" (and {len(lacking) - 1} more such)" if len(lacking) > 1 else ""
        warnings.warn(
            f"the training rows of fold {f} of cv have no row of class {label!r}{others}, and its fit makes that "
            "class as improbable as it can: give each class as many rows as there are folds, or use fewer folds.",
            SeparationWarning,
            stacklevel=outside(),
        )
    return counts


def check_test_rows(folds: Folds, weight: FloatArray) -> None:
    """ArgumentError if the test rows of every fold weigh nothing: then there is no score at all."""
    if not any(weight[some].any() for f in folds.numbers for some in folds.some_of_test(f)):
        raise ArgumentError(
            f"sample_weight is zero for the test rows of every fold of cv ({len(folds.numbers)}): give some of them "
            "weight, or use other folds."
        )


def check_left_out(classes: NDArray, counts: IntArray, codes: Any, weight: Any) -> None:
    """TargetError if a class has one row alone, of the rows that count: a fit without it knows nothing of the class."""
    for k in np.flatnonzero(counts == 1)[:1]:
        row = np.flatnonzero((np.asarray(codes) == k) & np.greater(weight, 0.0))[0]
        label = classes.tolist()[k]
        left = "there is nothing left to tell apart" if len(classes) == 2 else "no fit can tell what it has not seen"
        raise TargetError(
            f"cv='loo' leaves out row {row}, counted from 0, the only one of class {label!r}: {left}. Give class "
            f"{label!r} another row."
        )
