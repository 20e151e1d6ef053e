"""Systems with a symmetric matrix that is positive definite, or nearly."""

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from separatrix.arrays import FloatArray

Factor = tuple[tuple[FloatArray, bool], FloatArray]


def solve_positive(A: FloatArray, b: FloatArray) -> FloatArray:
    """A^-1 b, (n,), for a symmetric A that is positive definite, or nearly.

    A is scaled to a unit diagonal first, so that the units of the columns do not matter; a ridge of a few roundings
    is added, and raised, only if A is not positive definite in double precision (collinear columns, no penalty).
    """
    return solve_factored(factor_positive(A), b)


def solve_factored(factor: Factor, b: FloatArray) -> FloatArray:
    """A^-1 b from the factor of A."""
    cholesky, unit = factor
    return cho_solve(cholesky, b / unit) / unit


def factor_positive(A: FloatArray) -> Factor:
    """Cholesky factor of A scaled to a unit diagonal, as scipy's cho_solve wants it, and the scale (rows,)."""
    diagonal = np.diagonal(A)
    unit = np.sqrt(np.where(diagonal > 0, diagonal, 1.0))
    scaled = A / unit[:, None] / unit[None, :]
    for ridge in (0.0, *np.finfo(float).eps * 10.0 ** np.arange(1, 17, 2)):
        try:
            return cho_factor(scaled + ridge * np.eye(len(A)), lower=True), unit
        except LinAlgError:
            continue
    raise LinAlgError("the curvature holds NaN or infinity")
