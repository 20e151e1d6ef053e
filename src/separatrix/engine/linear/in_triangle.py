"""Least squares once the rows are a triangle: the w with the least |R w - q|, with or without a penalty."""

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from scipy.linalg import qr, solve_triangular

from separatrix.arrays import FloatArray, IntArray
from separatrix.engine.lasso.quadratic_model import (
    NOTHING,
    Curvature,
    by_root,
    matrix,
    minimise_model,
    squared_subgradient,
)
from separatrix.engine.matrices.linear_algebra import SINGULAR
from separatrix.engine.matrices.triangle import ROUNDING, of_squares, over_ridge
from separatrix.engine.solvers.proximal import EXACT
from separatrix.equations.penalties import ElasticNet

FEW_ROUNDS, MOST_ROUNDS = 3, 30  # of some dozen changes of sign each, by squares and by the triangle itself
HARDLY = 30.0  # times a standard error grows by other columns, at most, where they hardly depend on each other


def minimum_norm(R: FloatArray, q: FloatArray, length: FloatArray) -> tuple[FloatArray, IntArray]:
    """The w with the least |R w - q|, of those the one with the least |w|; and as many columns of R as its
    rank, which make the others.

    Columns, unless they are zeros, are scaled to unit length before their rank is judged, so that units do not matter.
    `length` (p,) is theirs before the intercept was taken out of them: rounding is relative to it, and a column that
    others make has theirs, too.

    As many columns as the rank span the others, A_other = A_own M of the scaled ones: any w will do for which, in their
    units, w_own + M w_other is the solution that uses these columns alone.
    """
    unit = np.linalg.norm(R, axis=0)
    scale = np.where(unit > 0, unit, 1.0)
    rounding = ROUNDING * np.where(unit > 0, np.maximum(length / scale, 1.0), 1.0)
    Q, T, order = cast(Any, qr(R / scale, mode="economic", pivoting=True))
    rank = rank_of(T, rounding[order])
    own, other = np.split(order, [rank])
    w = np.zeros((len(unit), q.shape[1]))
    if rank:
        T, T_other = T[:rank, :rank], T[:rank, rank:]
        alone = solve_triangular(T, Q[:, :rank].T @ q)
        if not len(other):
            w[own] = alone / scale[own, None]
        else:
            M = solve_triangular(T, T_other)
            seen = np.hypot(rounding[other], np.linalg.norm(rounding[own, None] * M, axis=0))
            M[np.abs(M) <= seen] = 0.0  # rounding, which the smallest weights would heed
            w[order] = shortest(np.vstack([np.diag(scale[own]), (M * scale[other]).T]), alone)
    return w, own


def rank_of(T: FloatArray, rounding: FloatArray) -> int:
    """Of a triangle of columns of unit length, those that matter most first, how many are more than rounding, (p,) of
    each: less what those before it make of a column, it is that of all of them."""
    diagonal = np.abs(np.diagonal(T))
    rank = int(np.count_nonzero(diagonal > ROUNDING * diagonal.max(initial=0.0)))
    if not rank:
        return 0
    made = solve_triangular(T[:rank, :rank], np.eye(rank).T, overwrite_b=True)  # such a column, of length 1, is made so
    made *= rounding[:rank, None]
    return int(np.cumprod(np.linalg.norm(made, axis=0) < 1.0).sum())


def shortest(rows: FloatArray, c: FloatArray) -> FloatArray:
    """The shortest w with rows' w = c, rows (p, r), of rank r.

    With rows = Q T it is Q T'^-1 c. Where the units of columns differ, so do the sizes of rows: sorted by them, and
    with pivoting, QR keeps the digits of the small ones (Cox and Higham 1998, "Stability of Householder QR
    factorization for weighted least squares problems").
    """
    order = np.argsort(-np.linalg.norm(rows, axis=1), kind="stable")
    Q, T, pivots = cast(Any, qr(rows[order], mode="economic", pivoting=True))
    w = np.empty((len(rows), c.shape[1]))
    w[order] = Q @ solve_triangular(T, c[pivots], trans=1)
    return w


def ridge(R: FloatArray, q: FloatArray, alpha: FloatArray) -> tuple[FloatArray, int]:
    """The w with the least |R w - q|^2 + sum_j alpha_j w_j^2, and the rank of R at most.

    In units of 1 / sqrt(alpha) the penalty is |w|^2, and QR of R on top of the identity is the whole problem, unless
    its normal equations lose no digits. With more columns than rows the solution lies in the span of the rows, so it is
    sought there.
    """
    unit = np.sqrt(alpha)[:, None]
    row_space, A = None, R / unit.T
    if R.shape[0] < R.shape[1]:
        row_space, T = np.linalg.qr(A.T)
        A = T.T
    p = A.shape[1]
    T = of_squares(A.T @ A + np.eye(p))
    if T is None:
        Q, T = np.linalg.qr(np.vstack([A, np.eye(p)]))
        along = Q[: len(A)].T @ q
    else:
        along = solve_triangular(T, A.T @ q, trans=1)
    z = solve_triangular(T, along)
    return (z if row_space is None else row_space @ z) / unit, p


def elastic_net(R: FloatArray, q: FloatArray, penalty: ElasticNet) -> tuple[FloatArray, int]:
    """The w with the least |R w - q|^2 / 2 + penalty(w), and the most columns that any target uses.

    R'R serves to find out which weights are zero and the signs of the others; these follow from QR, as in `ridge`.
    Where columns all but depend on each other, the square hides what is left of them, and R itself serves.
    """
    root = over_ridge(R, penalty.l2)
    H, w = root.T @ root, np.zeros((R.shape[1], q.shape[1]))
    for t, target in enumerate(np.vstack([q, np.zeros((len(root) - len(R), q.shape[1]))]).T):
        problem = Lasso(root, target, penalty.l1)
        w[:, t], apart = problem.refined(problem.minimum(matrix(H), w[:, t], FEW_ROUNDS))
        if not (apart and problem.is_minimum(w[:, t])):
            rooted, _ = problem.refined(problem.minimum(by_root(root), np.zeros(len(w)), MOST_ROUNDS))
            w[:, t] = min(w[:, t], rooted, key=problem.value)
    return w, int(np.count_nonzero(w, axis=0).max(initial=0))


@dataclass(frozen=True)
class Lasso:
    """|root w - q|^2 / 2 + l1'|w|, root (m, p), q (m,) and l1 (p,)."""

    root: FloatArray
    q: FloatArray
    l1: FloatArray

    def value(self, w: FloatArray) -> float:
        """The objective at w (p,)."""
        off = self.root @ w - self.q
        return float(off @ off) / 2.0 + float(self.l1 @ np.abs(w))

    def slope(self, w: FloatArray) -> FloatArray:
        """Of the square, (p,)."""
        return self.root.T @ (self.root @ w - self.q)

    def minimum(self, H: Curvature, w: FloatArray, rounds: int) -> FloatArray:
        """About the best w, from this one. The model with H, of the square, is the whole problem, so it is minimised
        until that no longer falls."""
        for _ in range(rounds):
            there, _ = minimise_model(H, w, self.slope(w), self.l1, EXACT)
            if not self.value(there) < self.value(w):
                break
            w = there
        return w

    def is_minimum(self, w: FloatArray) -> bool:
        """Whether the smallest subgradient is next to nothing of that at zero."""
        unit = np.maximum(np.square(self.root).sum(axis=0), NOTHING)
        first = squared_subgradient(np.zeros_like(w), self.slope(np.zeros_like(w)), self.l1, unit)
        return squared_subgradient(w, self.slope(w), self.l1, unit) <= EXACT * first

    def refined(self, rough: FloatArray) -> tuple[FloatArray, bool]:
        """The minimum with the zeros and the signs of `rough`, (p,), and whether its columns are well apart; `rough`
        itself where that has other signs, as it may where columns are collinear."""
        support, sign = np.flatnonzero(rough), np.sign(rough[rough != 0])
        A = self.root[:, support]
        Q, T = np.linalg.qr(A)
        left = np.abs(np.diagonal(T)) / np.linalg.norm(A, axis=0)[: len(T)]
        if T.shape[0] < T.shape[1] or np.any(left <= ROUNDING):
            return rough, False
        w = np.zeros_like(rough)
        w[support] = solve_triangular(T, Q.T @ self.q - solve_triangular(T, self.l1[support] * sign, trans=1))
        same = np.array_equal(np.sign(w[support]), sign)
        return (w, bool(np.all(left > SINGULAR))) if same else (rough, False)


def rounding_errors(root: FloatArray, theta: FloatArray, q: FloatArray, rows: float) -> FloatArray:
    """About the largest error of theta (P, T) that rounding each entry of [1 X] could make, for columns of unit length
    (Bjorck 1996, Numerical Methods for Least Squares Problems, section 1.4), as a share of it; or of its standard error
    where that is more and columns hardly depend on each other."""
    inverse = solve_triangular(root, np.eye(len(root)))
    length = np.linalg.norm(q[len(root) :], axis=0)  # of the residual
    inflated = np.linalg.norm(inverse, axis=1)[:, None]  # by what others say of a column
    through_fit = inflated * np.abs(theta).sum(axis=0)
    through_residual = np.abs(inverse @ inverse.T).sum(axis=1)[:, None] * length
    standard_error = inflated * length / np.sqrt(rows) if inflated.max() < HARDLY else 0.0
    error = np.finfo(float).eps * (through_fit + through_residual)
    return error / np.maximum(np.maximum(np.abs(theta), standard_error), np.finfo(float).tiny)
