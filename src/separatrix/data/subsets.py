"""Some of X: rows and columns of it, found without a copy where they are many; and dense rows without their zeros."""

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from separatrix.arrays import IntArray
from separatrix.data.lazy import Made
from separatrix.data.threads import for_each, in_order
from separatrix.equations.hyperplane import pieces

FEWEST, AHEAD = 2**8, 4  # rows of a piece in which entries are sought; pieces that wait


class Chosen:
    """Some rows and columns of a dense X, looked up when they are asked for: a copy of all would take too much."""

    def __init__(self, X: NDArray, rows: IntArray | None = None, columns: IntArray | None = None) -> None:
        self.X, self.rows, self.columns = X, rows, columns
        self.shape = tuple(n if few is None else len(few) for n, few in zip(X.shape, (rows, columns), strict=True))
        self.size, self.dtype, self.itemsize = math.prod(self.shape), X.dtype, X.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, some: Any) -> NDArray:
        rows, columns = some if isinstance(some, tuple) else (some, slice(None))
        if self.columns is None:
            X = self.X[:, columns]
            return X[rows] if self.rows is None else rows_of(X, self.rows[rows])
        if self.rows is None:
            return self.X[rows].take(self.columns[columns], axis=1)
        found, chosen = self.rows[rows], self.columns[columns]
        out = np.empty((len(found), len(chosen)), self.dtype)
        for some in pieces(len(found), self.X.shape[1]):  # whole rows of all columns would be a copy of X
            rows_of(self.X, found[some]).take(chosen, axis=1, out=out[some], mode="clip")
        return out

    def only(self, rows: IntArray | None = None, columns: IntArray | None = None) -> "Chosen":
        """Of these rows and columns some."""
        return Chosen(self.X, some_of(self.rows, rows), some_of(self.columns, columns))


def some_of(these: IntArray | None, some: IntArray | None) -> IntArray | None:
    """Of these positions some, where None is all."""
    return some if these is None else these if some is None else these[some]


def chosen_of(X: NDArray | Chosen) -> Chosen:
    """All of X, of which some will be looked up."""
    return X if isinstance(X, Chosen) else Chosen(X)


def rows_of(X: Any, some: IntArray) -> Any:
    """A copy of some rows."""
    # NumPy's take is four times as fast; but it copies an X that is not in rows, whole.
    return X.take(some, axis=0) if isinstance(X, np.ndarray) and X.flags.c_contiguous else X[some]


def longest_run(rows: IntArray) -> tuple[slice, IntArray]:
    """Of rising positions the most that follow each other, as a slice, of which X needs no copy; and all others.

    >>> longest_run(np.array([0, 3, 4, 5, 7]))
    (slice(3, 6, None), array([0, 7]))
    """
    ends = np.flatnonzero(np.diff(rows, append=rows[-1:] + 2) != 1) + 1
    lengths = np.diff(ends, prepend=0)
    stop, length = ends[lengths.argmax()], lengths.max()
    run = slice(int(rows[stop - length]), int(rows[stop - 1]) + 1)
    return run, np.delete(rows, slice(stop - length, stop))


def unless_run(rows: IntArray) -> IntArray | slice:
    """Positions, or the slice that they are, of which X needs no copy.

    >>> unless_run(np.array([3, 4, 5])), unless_run(np.array([0, 2, 1, 3]))
    (slice(3, 6, None), array([0, 2, 1, 3]))
    """
    if len(rows) and rows[-1] - rows[0] == len(rows) - 1 and np.all(np.diff(rows) == 1):
        return slice(int(rows[0]), int(rows[-1]) + 1)
    return rows


def positions(n: int, found: Callable[[slice], NDArray]) -> IntArray:
    """Which of n rows are found, where found(some) says it of some of them, in as few bytes as positions take.

    >>> positions(3, lambda some: np.array([0.0, 2.0, 1.0])[some])
    array([1, 2], dtype=int8)
    """
    rows, end = np.empty(sum(int(np.count_nonzero(found(some))) for some in pieces(n, 1)), np.min_scalar_type(-n)), 0
    for some in pieces(n, 1):
        own = np.flatnonzero(found(some))
        np.add(own, some.start, out=rows[end : end + len(own)], casting="unsafe")
        end += len(own)
    return rows


def picked(values: Any, rows: IntArray) -> Any:
    """values[rows], without such positions as NumPy would make of short ones; `Made` of what is."""
    if isinstance(values, Made):
        return Made(lambda some: values[rows[some]], len(rows), values.itemsize)
    out = np.empty((len(rows), *values.shape[1:]), dtype=values.dtype)
    for some in pieces(len(rows), 1):
        out[some] = values[rows[some]]
    return out


def csr_of(X: NDArray | Chosen, pool: ThreadPoolExecutor | None = None) -> Any:
    """Dense rows as CSR in double. They are counted first: each piece then is written to its place, as copies of all
    would be as large as X."""
    n, p = X.shape
    parts = list(pieces(n, p, FEWEST))

    def count(some: slice) -> int:
        return int(np.count_nonzero(X[some] != 0))  # of truth values it is found three times as fast as of numbers

    starts = np.cumsum([0, *in_order(pool, count, parts, AHEAD)])
    many = int(starts[-1])
    index = np.int32 if max(many, p) <= np.iinfo(np.int32).max else np.int64
    entries, columns, ends = np.empty(many), np.empty(many, dtype=index), np.zeros(n + 1, dtype=index)

    def write(part: tuple[slice, int]) -> None:
        some, first = part
        rows = X[some]
        flat = np.flatnonzero(rows != 0)
        own, begin = slice(first, first + len(flat)), np.arange(len(rows) + 1) * p
        last = np.searchsorted(flat, begin[1:])
        entries[own] = rows.reshape(-1)[flat]
        np.subtract(flat, np.repeat(begin[:-1], np.diff(last, prepend=0)), out=columns[own], casting="unsafe")
        ends[some.start + 1 : some.stop + 1] = first + last

    for_each(pool, write, zip(parts, starts, strict=False))
    return sparse.csr_array((entries, columns, ends), shape=X.shape)
