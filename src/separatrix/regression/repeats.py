"""Columns that were left out of a fit, as in its rows they repeat others: of rows where they do not it says nothing."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from separatrix.arrays import BoolArray, FloatArray, Matrix
from separatrix.compressed import dense
from separatrix.errors import InferenceWarning, outside

ALIKE = 1e-7  # of a sum of columns and its parts, by how much it may be off where it is one
STEP_ALIKE = 1e-4  # the same of what a small step adds to them, of which differences lose digits,
ROUNDING = 16.0 * float(np.finfo(float).eps)  # and of what it is added to


@dataclass(frozen=True, eq=False)
class Repeat:
    """Column `place` of X, that was constant + X @ shares (p,) in the rows of the fit; `size` is about its root mean
    square in them."""

    place: int
    constant: float
    shares: FloatArray
    size: float

    def among(self, places: Sequence[int], p: int) -> "Repeat":
        """The same among p columns, of which those of X are at these places."""
        shares = np.zeros(p)
        shares[list(places)] = self.shares
        return Repeat(places[self.place], self.constant, shares, self.size)

    def holds(self, X: Matrix) -> BoolArray:
        """In which rows of X (n, p) the column is what it was in those of the fit, (n,).

        >>> Repeat(1, 1.0, np.array([2.0, 0.0]), 5.0).holds(np.array([[1.0, 3.0], [2.0, 4.0]]))
        array([ True, False])
        """
        off, most = self._off(X, self.constant)
        return off <= ALIKE * np.maximum(most, self.size)

    def holds_between(self, low: FloatArray, high: FloatArray) -> BoolArray:
        """For which rows a small step from one X (n, p) to another leaves the column what it was, (n,)."""
        off, most = self._off(high - low, 0.0)
        return off <= STEP_ALIKE * most + ROUNDING * self._off(high, self.constant)[1]

    def _off(self, X: Matrix, constant: float) -> tuple[FloatArray, FloatArray]:
        """How far the column is from that sum in each row, and the sizes of all terms together, (n,) each."""
        used = np.flatnonzero(self.shares)
        column, others, shares = dense(X[:, [self.place]])[:, 0], dense(X[:, used]), self.shares[used]
        most = np.abs(column) + abs(constant) + np.abs(others) @ np.abs(shares)
        return np.abs(column - constant - others @ shares), most


def hold(repeats: Sequence[Repeat], X: Matrix) -> BoolArray:
    """In which rows of X (n, p) all columns that were left out are what they were, (n,)."""
    return np.logical_and.reduce([np.ones(X.shape[0], dtype=bool), *(repeat.holds(X) for repeat in repeats)])


def hold_between(repeats: Sequence[Repeat], low: FloatArray, high: FloatArray) -> BoolArray:
    """For which rows a small step from one X (n, p) to another leaves all of them what they were, (n,)."""
    ones = np.ones(len(low), dtype=bool)
    return np.logical_and.reduce([ones, *(repeat.holds_between(low, high) for repeat in repeats)])


def warn_of_others(many: int, of: int, what: str) -> None:
    """An InferenceWarning that so many rows are others than those of the fit were, and so `what` is NaN."""
    warnings.warn(
        f"{many} of {of} rows have in the columns that singular='drop' left out other numbers than the rows of the fit "
        f"had beside the same ones in the other columns: of such rows the fit says nothing, and {what} NaN. Ask of "
        "rows like those of the fit, or leave the columns out yourself.",
        InferenceWarning,
        stacklevel=outside(),
    )
