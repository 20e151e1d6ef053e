"""Wald tests: how many standard errors an estimate, or a set of linear combinations, lies from a hypothesis.

W = (R b - q)' (R V R')^-1 (R b - q)        chi-squared with rank(R) degrees of freedom, or W / df against F
"""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve_triangular

from separatrix.arrays import FloatArray
from separatrix.engine.matrices.linear_algebra import solve_positive
from separatrix.errors import ArgumentError
from separatrix.inference.tails import chi_squared_tail, f_tail, tail_quantile, upper_tail

ROUNDING = 4.0 * float(np.finfo(float).eps)  # of an eigenvalue of a matrix with ones as its diagonal, for each column


@dataclass(frozen=True)
class Test:
    """A test of a hypothesis: its statistic, degrees of freedom, p-value, and how it came about.

    `df_denom` is None for a chi-squared statistic, and the second degrees of freedom of an F statistic.
    """

    __test__ = False  # it is none of pytest's

    method: str
    hypothesis: str
    statistic: float
    df: int
    pvalue: float
    df_denom: float | None = None

    def __str__(self) -> str:
        kind = f"chi2({self.df})" if self.df_denom is None else f"F({self.df}, {self.df_denom:g})"
        return f"{self.method} test of {self.hypothesis}: {kind} = {self.statistic:.4f}, p = {self.pvalue:.4g}"


def chi_squared(method: str, hypothesis: str, statistic: float, df: int) -> Test:
    """A test whose statistic is chi-squared if the hypothesis is true.

    >>> print(chi_squared("Wald", "x = 0", 3.841459, 1))
    Wald test of x = 0: chi2(1) = 3.8415, p = 0.05
    """
    return Test(method, hypothesis, statistic, df, float(chi_squared_tail(statistic, df)))


def f_test(method: str, hypothesis: str, statistic: float, df: int, df_denom: float) -> Test:
    """A test whose statistic follows F if the hypothesis is true."""
    return Test(method, hypothesis, statistic, df, float(f_tail(statistic, df, df_denom)), df_denom)


def wald(
    R: FloatArray, q: FloatArray, params: FloatArray, cov: FloatArray, hypothesis: str, df_resid: float | None = None
) -> Test:
    """The Wald test of R params = q, R (m, n) and q (m,): chi-squared, or F where df_resid is given.

    NaN where the covariance of what is tested is singular but for rounding. Raises ArgumentError where the m conditions
    are not independent of each other.

    >>> print(wald(np.eye(1), np.zeros(1), np.array([2.0]), np.array([[1.0]]), "x = 0"))
    Wald test of x = 0: chi2(1) = 4.0000, p = 0.0455
    """
    if np.linalg.matrix_rank(R) < len(R):
        raise ArgumentError(f"hypothesis={hypothesis!r}: one of its conditions follows from the others. Leave it out.")
    statistic = distance(R, q, params, cov)
    if df_resid is None:
        return chi_squared("Wald", hypothesis, statistic, len(R))
    return f_test("Wald", hypothesis, statistic / len(R), len(R), df_resid)


def distance(R: FloatArray, q: FloatArray, params: FloatArray, cov: FloatArray) -> float:
    """(R b - q)' (R V R')^-1 (R b - q), of standardised estimates and independent directions of the conditions, so that
    neither units nor how conditions are written cost digits; NaN where R V R' is singular but for rounding."""
    error = np.sqrt(np.diagonal(cov))
    if not (error > 0).all():
        return np.nan
    A = R * error
    length = np.linalg.norm(A, axis=1)
    Q, T = np.linalg.qr((A / length[:, None]).T)
    middle, least = Q.T @ (cov / error / error[:, None]) @ Q, ROUNDING * len(cov)
    if np.abs(np.diagonal(T)).min() <= least or np.linalg.eigvalsh(middle)[0] <= least:
        return np.nan
    apart = Q.T @ (params / error) - solve_triangular(T.T, q / length, lower=True)
    return float(apart @ solve_positive(middle, apart))


def two_sided(statistic: FloatArray, df: float | None = None) -> FloatArray:
    """P(|Z| > |statistic|), of the normal distribution or of t with df degrees of freedom, any shape.

    >>> two_sided(np.array([1.959963984540054]))
    array([0.05])
    """
    return 2.0 * upper_tail(np.abs(statistic), df)


def quantile(level: float, df: float | None = None) -> float:
    """How many standard errors an interval of this level reaches to each side.

    >>> round(quantile(0.95), 4)
    1.96
    """
    if not isinstance(level, int | float | np.number) or not 0.0 < level < 1.0:
        raise ArgumentError(f"level={level!r} must lie between 0 and 1: 0.95 is usual.")
    return tail_quantile(0.5 - level / 2.0, df)
