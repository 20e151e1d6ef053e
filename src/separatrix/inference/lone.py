"""Columns that each tell a class from the others by themselves: above some threshold it is alone, or below.

A level of a category that never occurs with some class, or only with one, is such a column, and the usual cause of
separation. To find them takes no program and no fit, but the smallest and the largest value of each column in each
class: of few rows first, which rule most columns out. The level that a coding leaves out has no column: it is where
those of the others, a run, are all 0.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from separatrix.arrays import BoolArray, FloatArray, IntArray
from separatrix.data.block import Block, Source
from separatrix.data.memory import MemorySource
from separatrix.inference.runs import Runs, add_up_pieces, runs_of

GLANCE, FEWEST = 2**18, 32  # cells, and rows, that are looked at first


@dataclass(frozen=True)
class Lone:
    """Of each finding, (m,): the `column` x, the class `label`, and the `sign` with which sign x is `low` or more in
    the class, and `high` or less in the others: high <= low. Of columns less the centre, p of them, behind which those
    come that are 1 where all of a run are 0; of `full` runs they never are. And what each column is in all rows, NaN
    where that is not the same, `constant` (p,)."""

    column: IntArray
    label: IntArray
    sign: FloatArray
    low: FloatArray
    high: FloatArray
    runs: Runs
    full: IntArray
    constant: FloatArray

    def __len__(self) -> int:
        return len(self.column)

    def only(self, some: BoolArray) -> "Lone":
        """Some of them."""
        column, label, sign = self.column[some], self.label[some], self.sign[some]
        return Lone(column, label, sign, self.low[some], self.high[some], self.runs, self.full, self.constant)

    def findings(self) -> Iterator[tuple[int, int, float, float, float]]:
        """One after the other."""
        parts = (self.column, self.label, self.sign, self.low, self.high)
        return zip(*(numbers.tolist() for numbers in parts), strict=True)

    def beyond(self, block: Block) -> tuple[IntArray, IntArray, FloatArray]:
        """Where cells are beyond their threshold, which is where low and high meet, and of a sparse X is 0: the row of
        the block, which of the findings, and by how much."""
        p = block.X.shape[1]
        own, others = np.flatnonzero(self.column < p), np.flatnonzero(self.column >= p)
        cells = block.X[:, self.column[own]]
        if sparse.issparse(cells):
            cells = cells.tocoo()
            some = np.flatnonzero(cells.data)
            row, which, away = cells.row[some], cells.col[some], np.abs(cells.data[some])
        else:
            far = np.abs(self.sign[own] * cells - self.low[own])
            row, which = np.nonzero(far)
            away = far[row, which]
        zeros, run = np.nonzero(self.runs.zeros(block)[:, self.column[others] - p])
        return np.append(row, zeros), np.append(own[which], others[run]), np.append(away, np.ones(len(zeros)))

    def steps(self, lengths: FloatArray, centre: FloatArray, K: int) -> tuple[FloatArray, FloatArray]:
        """The sum of the directions in which they gain, so long each: weights (p, K) and intercepts (K,) for columns as
        they are, without centre."""
        w, b = np.zeros((len(centre), K)), np.zeros(K)
        for (j, k, sign, low, high), length in zip(self.findings(), lengths.tolist(), strict=True):
            if j < len(centre):
                w[j, k] += sign * length
                b[k] -= ((low + high) / 2.0 + sign * centre[j]) * length
            else:
                w[self.runs.of(j - len(centre)), k] -= sign * length
                b[k] += sign * length
        return w, b

    def moves(self, centre: FloatArray, K: int, ones: int) -> BoolArray:
        """Which weights and intercepts some of these directions move, (P, K)."""
        moves = np.zeros((len(centre) + ones, K), bool)
        for j, k, sign, low, high in self.findings():
            moves[j if j < len(centre) else self.runs.of(j - len(centre)), k] = True
            if ones:
                moves[-1, k] |= j >= len(centre) or low + high + 2.0 * sign * centre[j] != 0
        return moves


def lone_columns(source: Source, K: int, ones: int, coded: bool = True) -> Lone:
    """Every column and class of which one threshold has the class on one side and the others on the other, or on it,
    with no intercept 0; and of levels that are `coded` those that have no column. Three passes over what few rows do
    not rule out."""
    p = source.n_columns
    rows, some, among = max(GLANCE // max(p, 1), FEWEST), np.arange(p), np.arange(p)
    if isinstance(source, MemorySource) and rows < source.n_rows:
        few = source.looked_up(np.linspace(0, source.n_rows - 1, rows).astype(np.intp))
        some, runs = maybe(class_extremes(few, K)), runs_of(few, among, empty=True)
        among = runs.columns[np.isin(runs.run, maybe(class_extremes(few, K, runs.zeros)))]
    runs = runs_of(source, among) if ones and coded else Runs.none()
    ends = class_extremes(source.columns(some) if len(some) < p else source, K) if len(some) else np.zeros((2, K, 0))
    constant, full = np.full(p, np.nan), np.empty(0, np.intp)
    constant[some] = np.where(ends.max(axis=1).sum(axis=0) == 0, ends[1].max(axis=0), np.nan)
    if len(runs):
        zeros = class_extremes(source, K, runs.zeros)
        ends, full = np.concatenate([ends, zeros], axis=2), np.flatnonzero(zeros[1].max(axis=0) == 0)
    low, high = apart(ends)
    parted = (high <= low) & np.isfinite(low) & np.isfinite(high) & (low != high).any(axis=2, keepdims=True)
    parted[:, len(some) :] &= (low == 0)[:, len(some) :]
    if not ones:
        parted &= (high <= 0) & (low >= 0)
    if K == 2:  # the one says what the other does
        parted[0] = False
    label, j, turned = np.nonzero(parted)
    columns = np.append(some, p + np.arange(len(runs)))
    return Lone(columns[j], label, 1.0 - 2.0 * turned, low[parted], high[parted], runs, full, constant)


def maybe(ends: FloatArray) -> IntArray:
    """The columns of such extremes in few rows that may tell a class from the others in all of them."""
    low, high = apart(ends)
    return np.flatnonzero((low >= high).any(axis=(0, 2)))


def apart(ends: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The smallest value of x, and of -x, in each class, and the largest of it in the others, (K, p, 2)."""
    others = np.stack([np.delete(ends, k, axis=1).max(axis=1) for k in range(ends.shape[1])], axis=1)
    return -np.moveaxis(ends, 0, 2), np.moveaxis(others[::-1], 0, 2)


def class_extremes(source: Source, K: int, cells: Callable[[Block], Any] = lambda block: block.X) -> FloatArray:
    """Minus the smallest and the largest value of each column, less the centre, in each class, (2, K, p); -inf where it
    has no rows. One pass. Other columns may be made of a block."""

    def extremes(block: Block) -> FloatArray:
        X = cells(block)
        ends = np.full((2, K, X.shape[1]), -np.inf)
        for k, rows in ((k, X[np.flatnonzero(block.codes == k)]) for k in range(K)):
            if rows.shape[0]:
                low, high = rows.min(axis=0), rows.max(axis=0)
                ends[:, k] = (-low.toarray(), high.toarray()) if sparse.issparse(rows) else (-low, high)
        return ends

    return add_up_pieces(source, extremes, np.maximum)
