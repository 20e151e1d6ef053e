"""A = Q R on disk, panel by panel: an orthonormal basis of the columns of a large A, and which of them others span.

A panel of columns is made, less its part along the panels before it; what is left is made orthonormal, and less that
part once more, as the first time leaves rounding of a column that all but lies in it (Barlow and Smoktunowicz 2013,
"Reorthogonalized block classical Gram-Schmidt", Numerische Mathematik 123). So A is never squared: its condition number
counts once, as by Householder's QR, and two panels are in memory. Columns are of unit length here; one of which no more
than rounding is left has no direction of its own, and gives one along which A is zero.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

import numpy as np
from scipy.linalg import get_lapack_funcs, qr

from separatrix.arrays import FloatArray, IntArray
from separatrix.data.streams.spill import Spill, empty
from separatrix.data.threads import for_each, in_order
from separatrix.equations.hyperplane import pieces

WIDTH = 128  # columns of a panel at most,
SHARE = 0.025  # of A, which a panel may take, and there are some copies of it
STRETCH = 512  # rows of it, at least, that a thread multiplies at a time
DOUBTFUL = 1e-6  # what is left of a column, if it may be rounding of those that make it,
MOST_MADE = 1e4  # the length of what makes a spanned column, of others as long as it: beyond that, rank is in doubt
LOST = 0.5  # and of what is left, what the second time takes, if it is rounding
SEARCHES = 4  # for the least singular value
(trtrs,) = get_lapack_funcs(("trtrs",), dtype=np.float64)

Columns = Callable[[slice], FloatArray]
"""Makes some columns of A anew, (m, columns) in Fortran order, each of unit length or zero."""


@dataclass
class Basis:
    """Q (m, rank) and R (rank, k) of A (m, k), k of its `columns` being looked at so far.

    `order` has the columns of each panel, first those that Q has a column for, in the `places` of that panel; `left`
    what was left of each of the others.
    """

    files: Spill
    pool: ThreadPoolExecutor | None
    places: list[slice] = field(default_factory=list)
    order: list[IntArray] = field(default_factory=list)
    left: list[FloatArray] = field(default_factory=list)

    @property
    def rank(self) -> int:
        return self.places[-1].stop if self.places else 0

    @property
    def kept(self) -> IntArray:
        """The columns that Q was made of, (rank,)."""
        return np.concatenate([own[: at.stop - at.start] for at, own in zip(self.places, self.order, strict=True)])

    @property
    def spanned(self) -> IntArray:
        """The others, (k - rank,)."""
        return np.concatenate([own[at.stop - at.start :] for at, own in zip(self.places, self.order, strict=True)])

    def add(self, first: int, V: FloatArray, tolerance: float) -> bool:
        """Takes in a panel of columns (m, w), in its memory; False where what is left of one is neither something nor
        nothing, or the disk is full."""
        along = self.take_out(V)
        U, R, order = cast(Any, qr(V, overwrite_a=True, mode="economic", pivoting=True, check_finite=False))
        along = along[:, order]
        rank = self.rank_of(along, R, tolerance)
        if rank is None:
            return False
        self.left.append(np.linalg.norm(R[rank:, rank:], axis=0))
        U, R = U[:, :rank], R[:rank]
        again = self.take_out(U)
        lost = 0.0
        if rank:
            U, turn = cast(Any, qr(U, overwrite_a=True, mode="economic", check_finite=False))
            along, R, lost = along + again @ R, turn @ R, 1.0 - np.abs(np.diagonal(turn)).min()
        number = len(self.places)
        self.files.write(2 * number, [U.T])
        self.files.write(2 * number + 1, [along, R])
        self.places.append(slice(self.rank, self.rank + rank))
        self.order.append(first + order)
        return bool(self.files.files) and lost < LOST

    def rank_of(self, along: FloatArray, R: FloatArray, tolerance: float) -> int | None:
        """How many columns of a panel have a direction of their own, the first of R (w, w), whose diagonal falls; None
        where that is in doubt. `along` (rank, w) are their parts along the columns before them.

        What is left of a column that others span is rounding, of their part in it, too: as many of them may make it.
        """
        w = R.shape[1]
        own = int(np.count_nonzero(np.abs(np.diagonal(R)) > DOUBTFUL))
        others = self.solve(along) if own < w else along
        for rank in range(own, w):
            inside, _ = trtrs(R[:rank, :rank], R[:rank, rank:]) if rank else (R[:0, rank:], 0)
            outside = others[:, rank:] - others[:, :rank] @ inside
            makes = 1.0 + np.square(inside).sum(axis=0) + np.square(outside).sum(axis=0)
            spanned = np.square(R[rank:, rank:]).sum(axis=0) <= tolerance**2 * makes
            if spanned.any():
                return rank if spanned.all() and makes.max() <= MOST_MADE**2 else None
        return w

    def take_out(self, V: FloatArray) -> FloatArray:
        """Q'V of V (m, w), (rank, w); V becomes V - Q Q'V."""
        along = np.empty((self.rank, V.shape[1]))
        stretches = list(pieces(len(V), max(V.shape[1], 1), STRETCH))
        for number, at in enumerate(self.places):
            with self.files.read(2 * number) as (transposed,):
                Q = transposed.T
                along[at] = sum(in_order(self.pool, partial(pulled, Q, V), stretches, ahead=4), 0.0)
                for_each(self.pool, partial(take_from, V, Q, along[at]), stretches)
        return along

    def times(self, c: FloatArray) -> FloatArray:
        """Q c of c (rank, T)."""
        total: Any = 0.0
        for number, at in enumerate(self.places):
            with self.files.read(2 * number) as (transposed,):
                total = total + transposed.T @ c[at]
        return total

    def columns(self, some: slice) -> FloatArray:
        """Q of some of its columns, (m, w), a copy."""
        parts = []
        for number, at in enumerate(self.places):
            low, high = max(at.start, some.start) - at.start, min(at.stop, some.stop) - at.start
            if low < high:
                with self.files.read(2 * number) as (transposed,):
                    parts.append(transposed[low:high].copy())
        return np.vstack(parts).T

    def solve(self, b: FloatArray, transposed: bool = False) -> FloatArray:
        """R^-1 b of b (rank, T), R of the columns that are kept; or R'^-1 b."""
        x, numbers = b.copy(), range(len(self.places))
        for number in numbers if transposed else reversed(numbers):
            at = self.places[number]
            if at.start == at.stop:
                continue
            with self.files.read(2 * number + 1) as arrays:
                above, own = (each[:, : at.stop - at.start] for each in arrays)
                if transposed:
                    x[at] -= above.T @ x[: at.start]
                x[at], _ = trtrs(own, x[at], trans=transposed)
                if not transposed:
                    x[: at.start] -= above @ x[at]
        return x

    def unseen(self, some: slice) -> FloatArray:
        """Directions (k, w) along which A is zero, one for each of some spanned columns: it less what spans it."""
        last, kept = 0, self.kept
        b = np.zeros((self.rank, some.stop - some.start))
        for number, (at, own) in enumerate(zip(self.places, self.order, strict=True)):
            first, last = last, last + len(own) - (at.stop - at.start)
            low, high = max(first, some.start), min(last, some.stop)
            if low < high:
                with self.files.read(2 * number + 1) as arrays:
                    theirs = slice(at.stop - at.start + low - first, at.stop - at.start + high - first)
                    b[: at.stop, low - some.start : high - some.start] = np.vstack(arrays)[:, theirs]
        directions = np.zeros((len(kept) + len(self.spanned), b.shape[1]), order="F")
        directions[kept] = -self.solve(b)
        directions[self.spanned[some], np.arange(b.shape[1])] = 1.0
        return directions

    def least(self) -> float:
        """About the least singular value of the kept columns, or somewhat more, by inverse iteration."""
        size, x = np.inf, np.random.default_rng(0).standard_normal((self.rank, 1))
        for _ in range(SEARCHES):
            x = self.solve(self.solve(x / np.linalg.norm(x), transposed=True))
            size = float(np.linalg.norm(x))
        return size**-0.5


def pulled(Q: FloatArray, V: FloatArray, rows: slice) -> FloatArray:
    """Q'V of some rows."""
    return Q[rows].T @ V[rows]


def take_from(V: FloatArray, Q: FloatArray, c: FloatArray, rows: slice) -> None:
    """Some rows of V become those of V - Q c."""
    V[rows] -= Q[rows] @ c


def basis_of(
    columns: Columns, m: int, k: int, tolerance: float, pool: ThreadPoolExecutor | None, itemsize: int = 8
) -> Basis | None:
    """The basis of the columns of A (m, k), m >= k, which was given in so many bytes a number; None where the disk has
    no room, or a column, or all together, are about as near to the others as the tolerance."""
    basis = Basis(empty(8.0 * (m + k / 2) * k), pool)
    width = int(min(max(SHARE * k * itemsize / 8, 1), WIDTH))
    for first in range(0, k, width):
        if not basis.add(first, columns(slice(first, min(first + width, k))), tolerance):
            return None
    return basis if not basis.rank or basis.least() > tolerance else None
