"""Systems with a symmetric matrix that is positive definite, or nearly."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy.linalg import LinAlgError, eigh_tridiagonal, get_blas_funcs, get_lapack_funcs, svd

from separatrix.arrays import FloatArray, Matrix
from separatrix.engine.matrices.triangle import triangle
from separatrix.equations.hyperplane import SQUARED_ROWS, beside_ones, pieces

# Of LAPACK itself: for matrices of a few columns, scipy's cho_factor and cho_solve are mostly checks.
potrf, potri, potrs, trtrs = get_lapack_funcs(("potrf", "potri", "potrs", "trtrs"), dtype=np.float64)
axpy, trsm = get_blas_funcs(("axpy", "trsm"), dtype=np.float64)
SINGULAR = 1e-5  # a `Factor.least` that may be rounding
LARGEST_CURVATURE = 2_000  # coefficients whose curvature is still a small matrix
ROUGH = 1e-3  # one whose square takes too many digits: then a product X'X is avoided
RANK = 1e-12  # of a singular value, below which it is rounding
EPSILON, TINY = float(np.finfo(float).eps), float(np.finfo(float).tiny)
RIDGES = np.array([0.0, *10.0 ** np.arange(1, 17, 2)])  # times the rounding of a unit


class Factor(NamedTuple):
    """A = unit L L' unit: L of A scaled to a unit diagonal is the `lower` triangle, (n, n), above which may be any
    numbers; the scale (n,); and the `ridge` that A needed on its diagonal, where it is singular but for rounding."""

    lower: FloatArray
    unit: FloatArray
    ridge: float = 0.0

    def inverse(self, spare: bool = False) -> FloatArray:
        """(L L')^-1, (n, n), with no more memory than its own; with that of a factor to `spare`, which is no more."""
        if not len(self.lower):
            return self.lower
        inverse, _ = potri(self.lower, lower=True, overwrite_c=spare)
        for j in range(1, len(inverse)):
            inverse[:j, j] = inverse[j, :j]
        return inverse

    def half_solve(self, b: FloatArray) -> FloatArray:
        """L^-1 (b / unit), whose length is that of b in the norm of A^-1; b (n,)."""
        return trtrs(self.lower, b / self.unit, lower=True)[0] if len(b) else b

    def lengths(self, X: Matrix) -> FloatArray:
        """|L^-1 ([x 1] / unit)|, (rows,): of each row, with a one beside it if A has a row more, the length in the norm
        of A^-1."""
        lengths, n = np.empty(X.shape[0]), len(self.unit)
        for some in pieces(X.shape[0], n, SQUARED_ROWS):
            with np.errstate(over="ignore", invalid="ignore"):  # of a unit that is next to nothing
                rows = np.divide(beside_ones(X[some], n - X.shape[1]), self.unit, order="F")
                halves = trsm(1.0, self.lower, rows, side=True, lower=True, trans_a=True, overwrite_b=True)
                lengths[some] = np.sqrt(np.einsum("ij,ij->i", halves, halves))
        return lengths

    def axes(self) -> FloatArray:
        """(n, n), times which a row has that length, too: U S^-1 / unit, of L = U S V'. Products that threads share."""
        U, s, _ = svd(np.tril(self.lower))
        with np.errstate(over="ignore", invalid="ignore"):  # of a unit that is next to nothing
            return U / s / self.unit[:, None]

    @property
    def least(self) -> float:
        """The least conditional standard deviation of a column, of 1 without those before it; about 1e-7 is none, and
        there is none where a ridge was needed."""
        return 0.0 if self.ridge else float(np.diagonal(self.lower).min(initial=1.0))


def solve_positive(A: FloatArray, b: FloatArray, spare: bool = False) -> FloatArray:
    """A^-1 b, (n,), for a symmetric A that is positive definite, or nearly; one to `spare` may be written over.

    A is scaled to a unit diagonal first, so that the units of the columns do not matter; a ridge of a few roundings
    is added, and raised, only if A is not positive definite in double precision (collinear columns, no penalty).
    """
    return solve_factored(factor_positive(A, spare=spare), b)


def solve_factored(factor: Factor, b: FloatArray) -> FloatArray:
    """A^-1 b from the factor of A, b (n,) or (n, K)."""
    unit = factor.unit if b.ndim == 1 else factor.unit[:, None]
    return potrs(factor.lower, b / unit, lower=True)[0] / unit if b.size else b


def inverse_of(factor: Factor) -> FloatArray:
    """A^-1, (n, n), symmetric.

    >>> inverse_of(factor_positive(np.array([[4.0, 2.0], [2.0, 2.0]]))).round(12)
    array([[ 0.5, -0.5],
           [-0.5,  1. ]])
    """
    inverse = factor.inverse() / factor.unit / factor.unit[:, None]
    return (inverse + inverse.T) / 2


def factor_positive(A: FloatArray, spare: bool = False) -> Factor:
    """The factor of A; an A to `spare` may be written over."""
    if not len(A):  # which LAPACK does not take
        return Factor(A, np.empty(0))
    diagonal = A.diagonal().astype(np.float64)  # a copy
    unit = unit_of(diagonal)
    each = 1.0 / unit
    scaled = np.multiply(A, each, out=A if spare else None)
    scaled *= each[:, None]
    diagonal = np.where(np.abs(diagonal) > TINY, diagonal / unit**2, 0.0 * diagonal)  # of NaN, NaN
    for ridge in EPSILON * RIDGES:
        np.fill_diagonal(scaled, diagonal + ridge)  # A may lie by columns
        lower, failed = potrf(scaled.T, lower=True, overwrite_a=True, clean=False)
        if not failed:
            return Factor(lower, unit, ridge)
        for i, row in enumerate(scaled):  # whose other half is as it was
            row[i + 1 :] = scaled[i + 1 :, i]
    raise LinAlgError("the curvature holds NaN or infinity")


def unit_of(diagonal: FloatArray) -> FloatArray:
    """The root of a diagonal, (n,): 1 where that is nothing, or so little that its digits are gone."""
    return np.sqrt(np.where(diagonal > TINY, diagonal, 1.0))


def of_unit_columns(R: FloatArray) -> tuple[FloatArray, FloatArray]:
    """R with its columns divided by their lengths, and these, (n,): 1 for a column of zeros."""
    unit = np.linalg.norm(R, axis=0)
    unit[unit == 0] = 1.0
    return R / unit, unit


def factor_of_root(R: FloatArray) -> Factor:
    """The factor of R'R, R (m, n), which is not multiplied out; a column that others span has a rounding of its own."""
    scaled, unit = of_unit_columns(R)
    T = triangle(np.vstack([scaled, EPSILON * np.eye(len(unit))]))
    return Factor(np.asfortranarray((T * np.where(np.diagonal(T) < 0, -1.0, 1.0)[:, None]).T), unit)


def solve_rooted(R: FloatArray, b: FloatArray) -> FloatArray:
    """x (n,) with R'R x = b, but for what b has along directions of which R (m, n), of columns of unit length, holds no
    more than rounding: along those x is zero."""
    scaled, unit = of_unit_columns(R)
    _, s, Vt = svd(scaled, full_matrices=False)
    V = Vt[s > RANK * s.max(initial=0.0)]
    return V.T @ (V @ (b / unit) / s[: len(V)] ** 2) / unit


def null_space(R: FloatArray) -> FloatArray:
    """An orthonormal basis (n, m) of {d : R d = 0}, R (.., n)."""
    if not len(R):
        return np.eye(R.shape[1])
    _, s, Vt = svd(R, full_matrices=True)
    return Vt[int(np.sum(s > RANK * max(s.max(initial=0.0), np.finfo(float).tiny))) :].T


Linear = Callable[[FloatArray], FloatArray]


def conjugate_gradients(
    times: Linear,
    near: Linear,
    b: FloatArray,
    enough: Callable[[float], float],
    most: int,
    course: list[tuple[float, float]] | None = None,
    direction: FloatArray | None = None,
    inner: Callable[[FloatArray, FloatArray], Any] = np.vdot,
) -> tuple[FloatArray, int]:
    """About A^-1 b, and in how many products: until the square of what is left is `enough` for that of b.

    `times` multiplies by A, positive semi-definite, and `near` by the inverse of something near it; b has any shape.
    Vectors can be longer than the data, so they change in place. Of each step `course` is told its length and the share
    of the square that it left. The first `direction`, that `near` makes of b, may be known. What `near` makes, and so
    the answer, may be of another shape, if `inner` makes the product of one of b's with it.
    """
    residual = b.copy()
    direction = near(residual) if direction is None else direction
    x = np.zeros_like(direction)
    size = float(inner(residual, direction))
    products, small, square = 0, enough(size), size  # of the direction, in the norm of what is near A
    while size > small and products < most:
        product, products = times(direction), products + 1
        bend = float(inner(product, direction))
        if not bend > EPSILON * square:  # A is zero along it: every row is where its loss has rounded to a line
            return (x if x.any() else direction), products
        length = size / bend
        residual, x = plus(residual, -length, product), plus(x, length, direction)
        towards, before = near(residual), size
        size = float(inner(residual, towards))
        direction *= size / before
        direction += towards
        square = size + (size / before) ** 2 * square
        if course is not None:
            course.append((length, size / before))
    return x, products


def plus(y: FloatArray, a: float, x: FloatArray) -> FloatArray:
    """y + a x, of one shape, in the place of y where that is contiguous: BLAS needs no array beside them, and reads
    them once."""
    return axpy(x.reshape(-1), y.reshape(-1), a=a).reshape(y.shape)


def least_ritz_value(course: list[tuple[float, float]]) -> float:
    """The least eigenvalue of the steps' tridiagonal matrix, which tends to the least of near A, but zero, that b has a
    part along (Saad 2003, Iterative Methods for Sparse Linear Systems, section 6.7.3); 0 of no steps."""
    if not course:
        return 0.0
    lengths, shares = np.array(course).T
    diagonal = 1.0 / lengths
    diagonal[1:] += shares[:-1] / lengths[:-1]
    beside = np.sqrt(shares[:-1]) / lengths[:-1]
    return float(eigh_tridiagonal(diagonal, beside, eigvals_only=True, select="i", select_range=(0, 0))[0])
