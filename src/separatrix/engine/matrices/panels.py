"""The factor of a large symmetric matrix on disk: of its panels, columns from the diagonal down, two are in memory.

A panel is made when it is its turn, less what those before it take of it, then factored and written, once; to solve
with the factor is to read all panels twice (Toledo 1999, "A survey of out-of-core algorithms in numerical linear
algebra", in External Memory Algorithms; this is its left-looking Cholesky). What is read again and again the system
keeps in memory that it has to spare, and takes back when it has none.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from scipy.linalg import LinAlgError, get_lapack_funcs

from separatrix.arrays import FloatArray
from separatrix.data.streams.spill import Spill, empty
from separatrix.data.threads import for_each
from separatrix.engine.matrices.linear_algebra import RIDGES
from separatrix.engine.matrices.packed import normalised

WIDTH = 512  # bytes of a row of a panel
STRETCH = 512  # rows of it that a thread adds to at a time

Roots = Callable[[int], Iterator[FloatArray]]
"""From a column on, what has the rest of A for the sum of its products half' half: (rows, n - column) each."""


@dataclass(frozen=True)
class Panels:
    """L of A = L L', (n, n), in the precision of dtype, and the root of A's diagonal, 1 where that is 0, (n,)."""

    unit: FloatArray
    files: Spill
    dtype: Any

    @property
    def width(self) -> int:
        """Columns of a panel."""
        return WIDTH // np.dtype(self.dtype).itemsize

    def solve(self, b: FloatArray) -> FloatArray:
        """A^-1 b, b (n, K)."""
        scaled, size = normalised(b, self.unit[:, None])
        x = np.asarray(scaled * self.unit[:, None], self.dtype)
        numbers = range(len(self.files.records))
        for transposed, order in ((False, numbers), (True, reversed(numbers))):
            for number in order:
                with self.files.read(number) as (L,):
                    solve_with(L, x[number * self.width :], transposed)
        return x * size


def solve_with(L: FloatArray, x: FloatArray, transposed: bool) -> None:
    """The turn of a panel (m, k) in the solution of L x, or of L' x, x (m, K) what lies from its diagonal down."""
    k, (trtrs,) = L.shape[1], get_lapack_funcs(("trtrs",), dtype=L.dtype)
    if transposed:
        x[:k] -= L[k:].T @ x[k:]
    x[:k], _ = trtrs(L[:k].T, x[:k], lower=False, trans=not transposed)
    if not transposed:
        x[k:] -= L[k:] @ x[:k]


def on_disk(roots: Roots, more: FloatArray, pool: ThreadPoolExecutor | None, dtype: Any) -> Panels | None:
    """The factor of A with more on its diagonal, (n,); None where the disk has no room.

    As in `packed` a ridge is added from the start, and panels are made again for a larger one.
    """
    n = len(more)
    for ridge in RIDGES[1:]:
        panels = Panels(np.ones(n), empty(n**2 * np.dtype(dtype).itemsize / 2), dtype)
        for first in range(0, n, panels.width):
            definite = add_panel(panels, roots, more, ridge, first, pool)
            if not panels.files.files:
                return None
            if not definite:
                break
        else:
            return panels
    raise LinAlgError("the curvature holds NaN or infinity")


def shared(add: Callable[[slice], None], rows: int, pool: ThreadPoolExecutor | None) -> None:
    """Calls it for every stretch of rows, which are no other's."""
    stretches = [slice(start, min(start + STRETCH, rows)) for start in range(0, rows, STRETCH)]
    for_each(pool, add, stretches)


def add_panel(
    panels: Panels, roots: Roots, more: FloatArray, ridge: float, first: int, pool: ThreadPoolExecutor | None
) -> bool:
    """Makes the panel from a column on, and writes it; False where A is not positive definite."""
    n, width = len(more), panels.width
    k = min(width, n - first)
    panel = np.zeros((n - first, k), panels.dtype)
    potrf, trtrs = get_lapack_funcs(("potrf", "trtrs"), dtype=panel.dtype)

    def add(rows: slice, half: FloatArray) -> None:
        with np.errstate(over="ignore", invalid="ignore"):  # beyond 1e19 a square is no single number
            panel[rows] += half[:, rows].T @ half[:, :k]

    def take_off(rows: slice, L: FloatArray) -> None:
        panel[rows] -= L[rows] @ L[:k].T

    for half in roots(first):
        shared(partial(add, half=half), n - first, pool)
        del half  # before the next is made
    diagonal = np.diagonal(panel) + more[first : first + k]
    if not np.isfinite(diagonal).all():
        raise LinAlgError("the curvature holds NaN or infinity")
    own = np.where(diagonal > 0, diagonal, 1.0)
    np.fill_diagonal(panel, diagonal + ridge * np.finfo(panel.dtype).eps * own)
    panels.unit[first : first + k] = np.sqrt(own)
    for number in range(first // width):
        with panels.files.read(number) as (L,):
            shared(partial(take_off, L=L[first - number * width :]), n - first, pool)
    L, failed = potrf(panel[:k], lower=True, clean=True)
    if not failed:
        panel[:k] = L
        panel[k:] = trtrs(L, panel[k:].T, lower=True)[0].T
        panels.files.write(first // width, [panel])
    return not failed
