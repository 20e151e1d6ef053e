"""Half of a symmetric matrix, where LAPACK factors it in place: rectangular full packed (Gustavson and others 2010,
"Rectangular full packed format for Cholesky's algorithm", ACM Transactions on Mathematical Software 37)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike
from scipy.linalg import LinAlgError, get_lapack_funcs

from separatrix.arrays import FloatArray, IntArray
from separatrix.engine.matrices.linear_algebra import RIDGES, unit_of


@dataclass(frozen=True)
class Half:
    """The lower half of a symmetric A (n, n), n > 0, in `numbers` (n (n + 1) / 2,).

    By columns these are a rectangle (n + 1, n / 2), or of odd n (n, (n + 1) / 2). In it the first columns of A lie as
    they are, one row down where n is even, and the triangle of the others transposed above them.
    """

    n: int
    numbers: FloatArray

    @classmethod
    def zeros(cls, n: int, dtype: DTypeLike) -> "Half":
        """Of a matrix of zeros."""
        return cls(n, np.zeros(n * (n + 1) // 2, dtype))

    @classmethod
    def of(cls, A: FloatArray, dtype: DTypeLike = np.float64) -> "Half":
        """Of a full A, in the precision of dtype where that has such numbers: the ridge of a factor is its rounding."""
        with np.errstate(over="ignore"):
            rounded = A.astype(dtype, copy=False)
        A = rounded if np.isfinite(rounded.diagonal()).all() else A
        (trttf,) = get_lapack_funcs(("trttf",), dtype=A.dtype)
        return cls(len(A), trttf(A.T, uplo="L")[0])

    def full(self) -> FloatArray:
        """A itself, (n, n)."""
        (tfttr,) = get_lapack_funcs(("tfttr",), dtype=self.numbers.dtype)
        A = tfttr(self.n, self.numbers, uplo="L")[0].T  # whose upper half it is
        for row in range(1, self.n):
            A[row, :row] = A[:row, row]
        return A

    @property
    def first(self) -> int:
        """How many columns are the first."""
        return (self.n + 1) // 2

    @property
    def even(self) -> int:
        return 1 - self.n % 2

    @property
    def rectangle(self) -> FloatArray:
        """A view of it."""
        return self.numbers.reshape(self.first, -1).T

    def part(self, rows: slice, columns: slice) -> FloatArray:
        """A view of A[rows, columns], the columns all of the first or none; above A's diagonal are other numbers."""
        k = self.first
        if columns.start < k:
            return self.rectangle[self.even :][rows, columns]
        last = self.rectangle[: self.n - k, 1 - self.even :].T
        return last[rows.start - k : rows.stop - k, columns.start - k : columns.stop - k]

    @property
    def diagonals(self) -> tuple[FloatArray, FloatArray]:
        """Views of the first numbers of A's diagonal, and of the others."""
        k, step = self.first, self.n + self.even + 1
        return self.numbers[self.even :: step][:k], self.numbers[self.n * (1 - self.even) :: step][: self.n - k]

    @property
    def diagonal(self) -> FloatArray:
        """A copy of A's diagonal, (n,), in double."""
        return np.concatenate(self.diagonals, dtype=np.float64)

    def times(self, factor: float) -> "Half":
        """factor A, a copy."""
        return Half(self.n, self.numbers * self.numbers.dtype.type(factor))

    def part_with(self, chosen: IntArray) -> None:
        """The chosen rows and columns of A become zero but for the diagonal."""
        k = self.first
        for j in chosen.tolist():
            own = slice(j, j + 1)
            self.part(slice(j + 1, self.n), own)[:] = 0.0
            self.part(own, slice(0, min(j, k)))[:] = 0.0
            self.part(own, slice(k, max(j, k)))[:] = 0.0

    def divide(self, unit: FloatArray) -> None:
        """A becomes A / unit unit', unit (n,)."""
        k, unit = self.first, unit.astype(self.numbers.dtype)
        for j, column in enumerate(self.rectangle.T):
            above = j + self.even
            column[:above] /= unit[k : k + above] * unit[k + above - 1]
            column[above:] /= unit[j:] * unit[j]


class Packed(NamedTuple):
    """A = unit L L' unit: L where A scaled to a unit diagonal was, and the scale (n,)."""

    half: Half
    unit: FloatArray


def packed(make: Callable[[], Half], more: FloatArray) -> Packed:
    """The factor of A with more on its diagonal, in the memory and the precision of the A that is made.

    Not all of A's digits need be right: a ridge is added as in `solve_positive`, but from the start, as A is made again
    for a larger one.
    """
    for ridge in RIDGES[1:]:
        A = make()
        (pftrf,) = get_lapack_funcs(("pftrf",), dtype=A.numbers.dtype)
        diagonal = A.diagonal + more
        if not np.isfinite(diagonal).all():
            break
        unit = unit_of(diagonal)
        A.divide(unit)
        scaled = diagonal / unit**2 + ridge * np.finfo(A.numbers.dtype).eps
        A.diagonals[0][:], A.diagonals[1][:] = np.split(scaled, [A.first])
        lower, failed = pftrf(A.n, A.numbers, uplo="L", overwrite_a=True)
        if not failed:
            return Packed(Half(A.n, lower), unit)
        del A, lower  # before it is made again
    raise LinAlgError("the curvature holds NaN or infinity")


def solve_packed(factor: Packed, b: FloatArray) -> FloatArray:
    """A^-1 b from the packed factor of A, b (n,) or (n, K)."""
    (pftrs,) = get_lapack_funcs(("pftrs",), dtype=factor.half.numbers.dtype)
    unit = factor.unit if b.ndim == 1 else factor.unit[:, None]
    scaled, size = normalised(b, unit)
    return pftrs(len(b), factor.half.numbers, scaled, uplo="L")[0].reshape(b.shape) * size / unit


def inverse_of_square(L: Half) -> Half:
    """(L L')^-1 in the memory of L."""
    (pftri,) = get_lapack_funcs(("pftri",), dtype=L.numbers.dtype)
    return Half(L.n, pftri(L.n, L.numbers, uplo="L", overwrite_a=True)[0])


def normalised(b: FloatArray, unit: FloatArray) -> tuple[FloatArray, np.float64]:
    """b / unit less its size, by which a small b is no rounding in single precision; and that."""
    scaled = b / unit
    size = np.abs(scaled).max(initial=0.0) or np.float64(1.0)
    scaled /= size
    return scaled, size
