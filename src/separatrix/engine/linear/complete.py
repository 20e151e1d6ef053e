r"""Unpenalised least squares of many dense columns by QR on disk, of whatever rank.

    rows >= columns    A = W^1/2 Xc = Q R;  w = R^-1 Q'W^1/2 y, less its part along N: the shortest of all solutions
    rows < columns     A'= Q R;  W^1/2 y less its part along N is what weights can meet, and w = Q R'^-1 of that

with Xc the columns less their mean, and N the directions along which what QR is made of adds up to zero: those beyond
its rank, made orthonormal by another (a complete orthogonal decomposition; Hough and Vavasis 1997, "Complete orthogonal
decomposition for weighted least squares", SIAM Journal on Matrix Analysis and Applications 18). Rank is judged in units
in which columns are alike; with fewer rows, the way back to theirs is one more.

It is the way of columns that all but repeat others, or are spanned by them, to which a Gram matrix is blind
(`separatrix.engine.linear.preconditioned`); a triangle in memory takes copies of itself, here as large as X.
"""

from functools import partial

import numpy as np

from separatrix.arrays import FloatArray
from separatrix.data.block import Block, response
from separatrix.data.memory import MemorySource
from separatrix.engine.linear.preconditioned import Found, doubled_left, half_square, refined
from separatrix.engine.matrices.basis import Basis, basis_of
from separatrix.engine.matrices.triangle import ROUNDING
from separatrix.engine.objective import Evaluation, Objective
from separatrix.engine.sums import block_eta, slope_of_centred
from separatrix.equations.hyperplane import pieces

CELLS = 2**16  # a few arrays of so many are in cache
ALIKE = 10.0  # times the least, the largest unit of columns that need no other
METHOD = "the Newton decrement, exact for a quadratic"


def complete(objective: Objective) -> Found | None:
    """The shortest least squares fit of y (rows, T); None where the disk has no room, or the rank is in doubt."""
    source = objective.source
    assert isinstance(source, MemorySource)
    full = source.n_rows >= source.n_columns + int(objective.fit_intercept)
    return (of_columns if full else of_rows)(objective, source)


def of_columns(objective: Objective, source: MemorySource) -> Found | None:
    """The fit of no fewer rows than columns."""
    (n, p), m, total = source.X.shape, int(objective.fit_intercept), float(source.weight.sum())
    mean, square = objective.column_moments()
    mean, length = m * mean[:, 0], np.sqrt(total * square[:, 0])
    own = objective.add_up(lambda block: sum(some.weight @ np.square(some.X - mean) for some in block.pieces(CELLS)))
    scale, tolerance = scales(np.sqrt(own), length)

    def columns(some: slice) -> FloatArray:
        V = np.empty((n, len(mean[some])), order="F")
        for rows in pieces(n, V.shape[1]):
            V[rows] = (source.X[rows, some] - source.centre[some] - mean[some]) * scale[some]
            V[rows] *= np.sqrt(source.weight[rows])[:, None]
        return V

    basis = basis_of(columns, n, p, tolerance, source.pool, source.X.itemsize)
    unseen = basis and directions(basis, scale[:, None])
    if not basis or not unseen:
        return None
    kept, scale = basis.kept, scale[:, None]
    spanned_scale = np.where(scale > 0, scale, np.inf)[basis.spanned]

    def whole(of_kept: FloatArray, b: FloatArray) -> FloatArray:
        w = np.zeros((p, of_kept.shape[1]))
        w[kept] = of_kept * scale[kept]
        unseen.take_out(w)  # of every step, as its rounding is beside the step
        return np.vstack([w, np.broadcast_to(b - mean @ w, (m, w.shape[1]))])

    def half_step(g: FloatArray) -> FloatArray:
        return basis.solve(slope_of_centred(g, mean)[kept] * scale[kept], transposed=True)

    def step(g: FloatArray) -> FloatArray:
        return whole(basis.solve(half_step(g)), g[p:] / total)

    y = response(source)
    level = m * np.average(y, axis=0, weights=source.weight)
    q = np.sqrt(source.weight)[:, None] * (y - level)
    theta = refined(partial(doubled_left, objective, m), step, whole(basis.solve(basis.take_out(q)), level))
    assert theta is not None

    def gap(at: Evaluation) -> float:
        g = doubled_left(objective, m, at.theta)  # rounding of a gradient counts where columns all but repeat others
        apart = np.abs(at.theta[:p][basis.spanned] / spanned_scale) * np.concatenate(basis.left)[:, None]
        beyond = apart.sum(axis=0)  # of eta at most: by what is left of spanned columns, which the others cannot undo
        return 0.5 * float(np.sum(np.square(half_step(g))) + beyond @ beyond) + half_square(g[p:], g[p:] / total)

    return Found(theta, basis.rank, gap, METHOD)


def of_rows(objective: Objective, source: MemorySource) -> Found | None:
    """The fit of fewer rows than columns."""
    (n, p), m, total = source.X.shape, int(objective.fit_intercept), float(source.weight.sum())
    mean, square = objective.column_moments()
    mean, apart = m * mean, units_of(square - m * mean**2)
    root = np.sqrt(source.weight)

    def measure(block: Block) -> FloatArray:
        of_rows = [[norms(some.X / apart), norms((some.X - mean[:, 0]) / apart)] for some in block.pieces(CELLS)]
        return np.hstack(of_rows).T

    length, own = objective.by_rows(measure, 2).T
    scale, tolerance = scales(root * own, root * length)
    shift, scale, root = (source.centre, mean[:, 0]), scale[:, None], root[:, None]

    def columns(some: slice) -> FloatArray:
        V = (source.X[some] - shift[0] - shift[1]) / apart
        V *= (root[some, 0] * scale[some, 0])[:, None]
        return V.T

    basis = basis_of(columns, p, n, tolerance, source.pool, source.X.itemsize)
    unseen = basis and directions(basis, scale)
    rows = basis and (
        basis if not basis.rank or np.ptp(apart) == 0 else rescaled(basis, apart[:, None], source.X.itemsize)
    )
    if not basis or not unseen or not rows:
        return None
    kept = basis.kept

    def left(theta: FloatArray) -> FloatArray:
        return root * residual(objective, theta)

    def step(r: FloatArray) -> FloatArray:
        level = (root * r).sum(axis=0) / total
        unseen.take_out(r)  # what no weights can meet; and the level, as the rows add up to their mean
        w = basis.times(basis.solve(r[kept] * scale[kept], transposed=True)) / apart[:, None]
        if rows is not basis:
            w = rows.times(rows.take_out(w))  # of the weights that meet them the shortest
        return np.vstack([w, np.broadcast_to(level - mean.T @ w, (m, w.shape[1]))])

    theta = refined(left, step, np.zeros((p + m, source.y.shape[1])))
    assert theta is not None

    def gap(at: Evaluation) -> float:
        off, g = left(at.theta), total * at.gradient[p:]
        unseen.take_out(off)
        return 0.5 * float(np.sum(np.square(off))) + half_square(g, g / total)

    return Found(theta, basis.rank, gap, METHOD)


def scales(own: FloatArray, length: FloatArray) -> tuple[FloatArray, float]:
    """What makes columns of such norms, and such before the mean was taken out of them, as long as 1, and 0 where
    rounding is all there is; and what else may be rounding, of a column of length 1."""
    varies = own > ROUNDING * length
    scale = np.divide(1.0, own, out=np.zeros_like(own), where=varies)
    return scale, ROUNDING * float(np.max(length * scale, initial=1.0))


def units_of(variance: FloatArray) -> FloatArray:
    """The unit of each column (p,), from their variance (p, 1): 1 where they are all about alike."""
    unit = np.sqrt(np.maximum(variance[:, 0], 0.0))
    unit[unit <= np.finfo(float).eps * unit.max(initial=0.0)] = unit.max(initial=0.0) or 1.0
    return unit if unit.max(initial=1.0) > ALIKE * unit.min(initial=np.inf) else np.ones_like(unit)


def rescaled(basis: Basis, unit: FloatArray, itemsize: int) -> Basis | None:
    """A basis of the directions of Q with each of their numbers times its unit (m, 1)."""

    def columns(some: slice) -> FloatArray:
        V = basis.columns(some) * unit
        V /= np.linalg.norm(V, axis=0)
        return V

    found = basis_of(columns, len(unit), basis.rank, ROUNDING, basis.pool, itemsize)
    return found if found and found.rank == basis.rank else None


def norms(X: FloatArray) -> FloatArray:
    """Of every row."""
    return np.sqrt(np.einsum("ij,ij->i", X, X))


def residual(objective: Objective, theta: FloatArray) -> FloatArray:
    """y - eta of every row, (rows, T)."""
    return objective.by_rows(lambda rows: rows.y - block_eta(rows, theta), theta.shape[1])


def directions(basis: Basis, scale: FloatArray) -> Basis | None:
    """Those along which columns of such scales (k, 1) add up to zero, made orthonormal; None where the disk is full."""
    k = len(scale)
    scale = np.where(scale > 0, scale, 1.0)

    def columns(some: slice) -> FloatArray:
        N = basis.unseen(some) * scale
        N /= np.linalg.norm(N, axis=0)
        return N

    return basis_of(columns, k, k - basis.rank, ROUNDING, basis.pool)
