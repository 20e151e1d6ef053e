"""Runs of indicators: columns that follow each other, 0 or 1, of which no row has more than one that is 1.

The levels of a category are such a run, but for the one that its coding leaves out, which is where all of them are 0.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from separatrix.arrays import BoolArray, FloatArray, IntArray
from separatrix.data.block import Block, Source

T = TypeVar("T")
MOST = 64  # the longest
CELLS = 2**16  # of a piece of a block: what is asked of each cell takes more room than it


def add_up_pieces(source: Source, function: Callable[[Block], T], combine: Callable[[Any, Any], Any]) -> T:
    """function of every piece of a dense block, or of a sparse one, combined; one pass."""

    def of_block(block: Block) -> T:
        pieces = [block] if sparse.issparse(block.X) else block.pieces(CELLS)
        return reduce(combine, map(function, pieces))

    return source.add_up(of_block, combine)


@dataclass(frozen=True)
class Runs:
    """The `columns` of all runs, (m,), the `run` of each, from 0 in order, and what of each is its centre."""

    columns: IntArray
    run: IntArray
    centre: FloatArray

    @staticmethod
    def none() -> "Runs":
        """No run."""
        return Runs(np.empty(0, np.intp), np.empty(0, np.intp), np.empty(0))

    def __len__(self) -> int:
        return int(self.run[-1]) + 1 if len(self.run) else 0

    def only(self, some: BoolArray) -> "Runs":
        """Some of the columns."""
        return Runs(self.columns[some], np.unique(self.run[some], return_inverse=True)[1], self.centre[some])

    def of(self, run: int) -> IntArray:
        """The columns of one."""
        return self.columns[self.run == run]

    def zeros(self, block: Block) -> NDArray[np.int8]:
        """1 where all columns of a run are 0, (rows, runs)."""
        zeros = np.ones((block.X.shape[0], len(self)), np.int8)
        row, column = ones_of(block, self.columns, self.centre)[:2]
        zeros[row, self.run[column]] = 0
        return zeros


def runs_of(source: Source, columns: IntArray, empty: bool = False) -> Runs:
    """The longest runs among some of the columns, of two or more, with those that are never 1 only if `empty` ones are
    asked for; one pass."""
    centre = source.centre[columns]

    def seen(block: Block) -> FloatArray:
        """Of each column, minus the first other one that is 1 where it is; and whether it has cells that are 1, and
        that are neither 0 nor 1, (3, m)."""
        row, column, other = ones_of(block, columns, centre)
        found = np.full((3, len(columns)), -np.inf)
        found[1, column], found[2, other] = 1.0, 1.0
        same = np.flatnonzero(row[1:] == row[:-1])
        np.maximum.at(found[0], column[same], -1.0 * column[same + 1])
        return found

    following, some, other = add_up_pieces(source, seen, np.maximum) if len(columns) else np.full((3, 0), -np.inf)
    starts, end = [], -1.0
    for j, (before, own) in enumerate(zip(np.diff(columns, prepend=-2).tolist(), (-following).tolist(), strict=True)):
        if j >= end or before > 1 or other[j] > 0:
            starts.append(j)
            end = np.inf
        end = min(end, own) if other[j] < 0 else j + 1
    lengths = np.diff(np.array(starts, np.intp), append=len(columns))
    longest = np.sort(np.argsort(-lengths, kind="stable")[:MOST])
    longest = longest[lengths[longest] > 1]
    places = np.concatenate([np.arange(starts[i], starts[i] + lengths[i]) for i in longest] or [np.empty(0, np.intp)])
    run = np.repeat(np.arange(len(longest)), lengths[longest])
    return Runs(columns[places], run, centre[places]).only(empty | (some[places] > 0))


def ones_of(block: Block, columns: IntArray, centre: FloatArray) -> tuple[IntArray, IntArray, IntArray]:
    """Where some columns of a block are 1, by rows: the rows, and which of the columns; and those columns that have
    other cells than 0 or 1."""
    cells = block.X[:, columns]
    if sparse.issparse(cells):
        cells = cells.tocsr().sorted_indices().tocoo()
        one = cells.data == 1
        return cells.row[one], cells.col[one], np.unique(cells.col[~one & (cells.data != 0)])
    one = cells == 1.0 - centre
    row, column = np.nonzero(one)
    return row, column, np.flatnonzero(~(one | (cells == -centre)).all(axis=0))
