r"""Which columns say what others say: variance inflation, and condition indices with the columns they involve.

From the triangle R of sqrt(weight) [1 X] = QR, in which nothing is squared:

    variance inflation    VIF_j = |x_j - mean|^2 (R'R)^-1_jj = 1 / (1 - R_j^2), R_j^2 of column j on the others
    condition indices     s_max / s_k of [1 X] with its columns scaled to unit length, s its singular values
    proportions           of the variance of coefficient j, the part that singular value k makes: (v_jk / s_k)^2, normed

A condition index above 30 with two or more proportions above a half names the columns of a near dependency (Belsley,
Kuh and Welsch 1980, "Regression diagnostics", chapter 3).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from rich.cells import cell_len, set_cell_size
from scipy.linalg import solve_triangular

from separatrix.arrays import FloatArray
from separatrix.data.block import Source
from separatrix.data.threads import one_blas_thread
from separatrix.engine.matrices.triangle import ROUNDING, design_of, triangle, triangle_of
from separatrix.errors import ArgumentError

HIGH_INDEX = 30.0
HIGH_SHARE = 0.5
INTERCEPT = "intercept"


@dataclass(frozen=True)
class Collinearity:
    """names (p,) and variance inflation (p,) of the columns; condition indices (n,), rising, and of each the share it
    has in the variance of every coefficient, proportions (n, n), the intercept last in a row, if there is one."""

    names: tuple[str, ...]
    variance_inflation: FloatArray
    condition_indices: FloatArray
    proportions: FloatArray

    @property
    def condition_number(self) -> float:
        """Of the columns at unit length."""
        return float(self.condition_indices.max(initial=1.0))

    @property
    def dependencies(self) -> tuple[tuple[float, tuple[str, ...]], ...]:
        """Each condition index above 30 with the columns that it involves."""
        names = np.array([*self.names, INTERCEPT], dtype=object)[: self.proportions.shape[1]]
        found = zip(self.condition_indices, self.proportions > HIGH_SHARE, strict=True)
        return tuple((float(index), tuple(names[high])) for index, high in found if index > HIGH_INDEX)

    def __str__(self) -> str:
        width = max([6, *map(cell_len, self.names)])
        head = f"condition number {self.condition_number:.4g}\n{'column':{width}s}  variance inflation"
        rows = [
            f"{set_cell_size(n, width)}  {v:18.4g}" for n, v in zip(self.names, self.variance_inflation, strict=True)
        ]
        ties = [f"nearly dependent (index {index:.3g}): {', '.join(names)}" for index, names in self.dependencies]
        return "\n".join([head, *rows, *ties])


def collinearity(source: Source, names: Sequence[str], fit_intercept: bool = True) -> Collinearity:
    """How nearly the columns of X depend on each other (and on the intercept); one pass.

    An exact dependency has infinite variance inflation. Without an intercept, VIF_j is |x_j|^2 (X'X)^-1_jj, with X_j as
    it is and not about its mean.

    Raises
    ------
    ArgumentError
        When names are not one for each column.

    Examples
    --------
    >>> from separatrix.data.memory import memory_source
    >>> X = np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 5.0], [3.0, 2.0]])
    >>> print(collinearity(memory_source(X, np.zeros((4, 1))), ["dose", "age"]))
    condition number 3.694
    column  variance inflation
    dose                 1.296
    age                  1.296
    """
    if len(names) != source.n_columns:
        raise ArgumentError(f"names has {len(names)} entries, and X has {source.n_columns} columns.")
    m = int(fit_intercept)
    with one_blas_thread(), source.working() as source:
        R = triangle_of(source, lambda block: design_of(block, m))
    inflation = variance_inflation(R, m)
    R[:m, m:] += R[:m, :1] * source.centre  # the columns as they were given
    R = np.hstack([R[:, m:], R[:, :m]])
    indices, proportions = condition(R)
    return Collinearity(tuple(map(str, names)), inflation, indices, proportions)


def variance_inflation(R: FloatArray, m: int) -> FloatArray:
    """VIF of each column but the first m, (p,), from the triangle."""
    apart = R[m:, m:]
    spread, before = np.linalg.norm(apart, axis=0), np.linalg.norm(R[:, m:], axis=0)
    if apart.shape[0] < apart.shape[1]:
        return np.full(apart.shape[1], np.inf)
    varies = spread > ROUNDING * before
    unit = np.where(varies, apart / np.where(varies, spread, 1.0), 0.0)
    if np.abs(np.diagonal(unit)).min(initial=1.0) > ROUNDING * len(unit):
        return np.sum(np.square(solve_triangular(unit, np.eye(len(unit)))), axis=1)
    return np.array([inflation_of(unit, j) if varies[j] else np.inf for j in range(len(spread))])


def inflation_of(unit: FloatArray, j: int) -> float:
    """1 over the squared distance of column j, of length 1, from the span of the others."""
    others = np.delete(unit, j, axis=1)
    order = np.hstack([others, unit[:, [j]]])
    distance = abs(float(triangle(order)[-1, -1])) if others.shape[1] else 1.0
    return 1.0 / distance**2 if distance > ROUNDING * len(unit) else np.inf


def condition(R: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Condition indices (n,), rising, and their shares in the variance of each coefficient (n, n)."""
    length = np.linalg.norm(R, axis=0)
    _, s, Vt = np.linalg.svd(R / np.where(length > 0, length, 1.0), full_matrices=False)
    s = np.maximum(s, ROUNDING * s.max(initial=0.0))
    parts = (Vt / s[:, None]) ** 2
    return s.max(initial=1.0) / s, parts / np.maximum(parts.sum(axis=0), np.finfo(float).tiny)
