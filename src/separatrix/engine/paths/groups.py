"""Which rows the fits of a path are of; and sums over those of every fit in one pass, over groups of rows that are in
the same fits, added up."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial, reduce
from operator import add
from typing import Any

import numpy as np
from numpy.typing import NDArray

from separatrix.arrays import BoolArray, FloatArray, IntArray
from separatrix.cached import cached_property
from separatrix.data.block import Block
from separatrix.data.lazy import Made
from separatrix.data.subsets import longest_run
from separatrix.engine.objective import Objective
from separatrix.engine.sums import Sums, block_sums
from separatrix.equations.hyperplane import pieces

Patterns = NDArray[np.uint64]
MOST_FITS = 64  # that the bits of a number can tell apart
MOST_PATTERNS = 16  # that half a byte can


@dataclass(frozen=True)
class Nibbles:
    """The bits of `rows` rows, (rows, bytes), of few `patterns` (m, bytes): two in a byte say which, the first in its
    lower half, as even a byte a row is large beside a column in single precision.

    >>> Nibbles(np.array([0x21, 0x00], dtype=np.uint8), np.array([[7], [8], [9]], dtype=np.uint8), 3)[1:].ravel()
    array([9, 7], dtype=uint8)
    """

    pairs: NDArray[np.uint8]
    patterns: NDArray[np.uint8]
    rows: int

    def __len__(self) -> int:
        return self.rows

    def __getitem__(self, some: Any) -> NDArray[np.uint8]:
        if not isinstance(some, slice):
            some = np.asarray(some)
            if some.dtype == bool:  # whose positions would take eight times as much
                return np.concatenate([self[part][some[part]] for part in pieces(self.rows, 1)])
            return self.patterns[self.pairs[some // 2] >> (some % 2 * 4).astype(np.uint8) & 15]
        first, stop, step = some.indices(self.rows)
        if step != 1:
            return self[np.arange(first, stop, step)]
        both = self.of_pair.take(self.pairs[first // 2 : (stop + 1) // 2], axis=0)
        return both.reshape(-1, self.patterns.shape[1])[first % 2 :][: stop - first]

    @cached_property
    def of_pair(self) -> NDArray[np.uint8]:
        """The bits of both rows that a byte stands for, (256, 2 bytes)."""
        byte = np.arange(256)
        return np.hstack([self.patterns.take(half, axis=0, mode="clip") for half in (byte & 15, byte >> 4)])


@dataclass(frozen=True)
class Members:
    """Which of n rows each fit is of, in `bits` (n, bytes): a bit for each, as a number for each would be large beside
    a few columns.

    >>> members = Members.of([np.array([True, True, True]), np.array([False, True, False])])
    >>> members.bits.ravel(), members.fit(1)
    (array([1, 3, 1], dtype=uint8), array([False,  True, False]))
    """

    bits: NDArray[np.uint8] | Nibbles
    fits: int

    @classmethod
    def of(cls, rows: Iterable[BoolArray]) -> "Members":
        """From the rows (n,) of one fit after the other."""
        columns: list[NDArray[np.uint8]] = []
        f = 0
        for f, own in enumerate(rows):
            if f % 8 == 0:
                columns.append(np.zeros(len(own), dtype=np.uint8))
            columns[-1] |= np.left_shift(own, f % 8, dtype=np.uint8, casting="unsafe")
        return cls(np.stack(columns, axis=1) if columns[1:] else columns[0][:, None], f + 1)

    @classmethod
    def but_one(cls, n: int, fits: int, left_out: Iterable[tuple[slice, IntArray]]) -> "Members":
        """n rows, each of all fits but one: some rows, and for each which that is, after others.

        >>> Members.but_one(3, 2, [(slice(0, 3), np.array([1, 0, 1]))]).bits[:].ravel()
        array([1, 2, 1], dtype=uint8)
        """
        patterns = np.packbits(~np.eye(fits, dtype=bool), axis=1, bitorder="little")
        if fits > MOST_PATTERNS:
            bits = np.empty((n, patterns.shape[1]), dtype=np.uint8)
            for some, fit in left_out:
                bits[some] = patterns[fit]
            return cls(bits, fits)
        pairs = np.zeros((n + 1) // 2, dtype=np.uint8)
        for some, fit in left_out:
            for half in (0, 1):  # each of rows that are next but one
                own = fit[(some.start + half) % 2 :: 2].astype(np.uint8)
                first = (some.start + 1 - half) // 2
                pairs[first : first + len(own)] |= own << (4 * half)
        return cls(Nibbles(pairs, patterns, n), fits)

    @classmethod
    def all(cls, n: int) -> "Members":
        """One fit, of all n rows."""
        return cls(np.ones((n, 1), dtype=np.uint8), 1)

    def __len__(self) -> int:
        return len(self.bits)

    def take(self, some: Any) -> "Members":
        """Some of the rows, or as they are of `...`."""
        return self if some is ... else Members(self.bits[some], self.fits)

    def at(self, some: Any) -> BoolArray:
        """Which of some rows are of each fit, (fits, rows)."""
        bits = self.bits[some]
        return np.array([bits[:, f // 8] & (1 << f % 8) for f in range(self.fits)]).astype(bool)

    def fit(self, f: int, some: Any = slice(None)) -> BoolArray:
        """Which of some rows, or of all, are of one fit, (rows,)."""
        return (self.bits[some][..., f // 8] & (1 << f % 8)).astype(bool)

    def total(self, weight: FloatArray) -> FloatArray:
        """What the rows of each fit weigh, (fits,)."""
        return sum((self.at(some) @ weight[some] for some in pieces(len(self), self.fits)), np.zeros(self.fits))

    def weighing(self, f: int, weight: Any) -> Made:
        """The weight of all rows (n,) for one fit: those it leaves out weigh nothing."""
        return Made(lambda some: weight[some] * self.fit(f, some), len(self))

    def patterns(self, some: slice) -> Patterns:
        """The bits of some rows as one number each, (rows,), of 64 fits at most."""
        bits = self.bits[some]
        padded = np.zeros((len(bits), 8), dtype=np.uint8)
        padded[:, : bits.shape[1]] = bits
        return padded.view("<u8")[:, 0]


def groups_of(members: Members) -> Patterns | None:
    """The patterns that rows may have, of which each makes a group of rows that go into the same fits; None if they
    are many more than the fits.

    The folds of one k-fold split are k groups, each in all fits but one.

    >>> groups_of(Members.of(np.array([[True, True, True], [False, True, False]])))
    array([1, 3], dtype=uint64)
    """
    if members.fits > MOST_FITS:
        return None
    if isinstance(members.bits, Nibbles):
        members = Members(members.bits.patterns, members.fits)
    patterns = np.empty(0, dtype=np.uint64)
    for some in pieces(len(members), 8):
        patterns = np.union1d(patterns, members.patterns(some))
        if len(patterns) > 2 * members.fits:
            return None
    return patterns


def sums_of_fits(
    add_up: Callable[[Any, Any], Any], function: Callable[[Block], Any], members: Members, groups: Patterns
) -> list[Any]:
    """Of each fit the sum of a function over its rows, in one pass, which `add_up` makes of a source."""

    def by_group(block: Block) -> list[Any]:
        here: IntArray = np.searchsorted(groups, members.patterns(block.rows))
        sums = [function(block.take(slice(0, 0))) for _ in groups]
        for g in np.flatnonzero(np.bincount(here)):
            run, others = longest_run(np.flatnonzero(here == g))  # most of a fold's, if rows keep their order
            for own in (run, *(others[some] for some in pieces(len(others), block.X.shape[1]))):
                sums[g] = sums[g] + function(block.take(own))
        return sums

    sums = add_up(by_group, lambda a, b: list(map(add, a, b)))
    bits = [np.flatnonzero(groups >> np.uint64(f) & np.uint64(1)) for f in range(members.fits)]
    return [reduce(add, (sums[g] for g in of_fit)) for of_fit in bits]


def sums_at(objective: Objective, theta: FloatArray, members: Members, groups: Patterns) -> list[Sums]:
    """Of each fit the sums of order 2 over its rows at theta, in one pass."""
    of_block = partial(block_sums, loss=objective.loss, theta=theta, order=2)
    return sums_of_fits(objective.add_up, of_block, members, groups)
