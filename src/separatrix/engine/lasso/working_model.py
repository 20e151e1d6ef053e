"""The model of a working set: the curvature of its columns, and where its lasso is least.

The curvature is built of dense rows at most, among the coefficients that move. Its products, of sparse rows and one
column of eta, are B'(B d), with B = diag(sqrt h) X. Each column is less its mean by the curvature h of the rows, as an
intercept undoes that: without the direction that columns off zero share, as those of a text do, fewer products will do.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from separatrix.arrays import FloatArray, IntArray
from separatrix.compressed import of_scaled_rows, transposed
from separatrix.data.block import Block
from separatrix.data.memory import MemorySource
from separatrix.engine.lasso.coordinates import ByCoordinates, is_asked_for
from separatrix.engine.lasso.quadratic_model import NOTHING, Curvature, minimise_by_turns
from separatrix.engine.lasso.submatrix import Those, gram_among
from separatrix.engine.lasso.woodbury import Woodbury, shifted, slope_of_shifted
from separatrix.engine.matrices.linear_algebra import Linear, conjugate_gradients
from separatrix.engine.matrices.room import Room
from separatrix.engine.objective import TRACE, Evaluation, Objective
from separatrix.engine.sums import Sums
from separatrix.equations.hyperplane import back_project, gram_diagonal

MOST_PRODUCTS = 10  # of conjugate gradients, and the share of what a minimum may leave that the last may
SOLVED = 0.3
PRODUCTS = 1_000  # numbers of a matrix cost as much as a coefficient in the products that it saves
MATRICES = 32  # bytes for each: the matrix, its part that is free, and the factor of that;
INSIDE = 64  # in double, where it is made and that of a step inside
MOST_ROWS = 1_000  # sparse ones: their matrices are made of all cells, the zeros too
COPIED = 0.7  # of the columns of a working set: to copy more takes longer than their products save
SINGLE = 1e-6  # of a curvature: hides the rounding of single precision


def minimum_by_roots(part: Objective, at: Evaluation, enough: float, room: Room) -> FloatArray:
    """theta (P,) at about the minimum of the model at a point whose state is kept, for sparse columns and one of eta;
    `enough` is the share of the squared subgradient that it may leave, and of few rows, matrices may take `room`.

    The intercept is at its best for any weights: with u = sqrt h, and t = B'u / u'u the means of the columns by h,

        b = b_0 - g_b / u'u - t'(w - w_0)        and of the weights        g - t g_b,        H = B'B - u'u t t'
    """
    source, p, theta, state = part.source, part.source.n_columns, at.theta.ravel(), part.kept_state(at)
    assert isinstance(source, MemorySource)
    assert state is not None
    X = source.by_columns
    u = np.sqrt(source.weight * part.loss.second(state, 0, 0) / at.weight)
    B = of_scaled_rows(X, u)
    bend = max(float(u @ u), NOTHING)
    t = (transposed(B) @ u) / bend * (len(theta) > p)
    w, b, g, g_b = theta[:p], theta[p:], at.gradient[:p, 0], at.gradient[p:, 0]
    H = gram(B, t, bend, part.penalty.l2, enough)
    if has_few_rows(source, len(w), 1, room):
        H = replace(H, by_rows=Woodbury(part, at, t[:, None], H).by_rows)
    v = minimise_by_turns(H, w, g - t * g_b.sum(), part.penalty.l1, enough)
    return np.concatenate([v, b - g_b / bend - t @ (v - w)])


def gram(B: Any, t: FloatArray, bend: float, l2: FloatArray, enough: float) -> Curvature:
    """B'B - bend t t' + diag(l2), which is never negative, as products with B (rows, p)."""
    square = gram_diagonal(B, np.ones(B.shape[0]))
    ridge = TRACE * square + l2
    diagonal = np.maximum(square - bend * t**2, 0.0) + ridge

    def times_with(part: Any, mean: FloatArray, more: FloatArray) -> Linear:
        across = transposed(part)
        return lambda d: across @ (part @ d) - mean * (bend * (mean @ d)) + more * d

    times = times_with(B, t, ridge)

    def times_on(some: IntArray) -> Linear:
        few = len(some) < COPIED * len(t)
        return times_with(B[:, some], t[some], ridge[some]) if few else within(times, some, len(t))

    signs = ByCoordinates(B, t, bend, ridge, enough) if is_asked_for() else None
    return Curvature(diagonal, times, SolveByProducts(times_on, diagonal, SOLVED * enough), signs=signs)


def within(times: Linear, some: IntArray, n: int) -> Linear:
    """Products with the part of a matrix (n, n) that belongs to some coefficients, by products with all of it."""
    full = np.zeros(n)

    def times_some(d: FloatArray) -> FloatArray:
        full[some] = d
        return times(full)[some]

    return times_some


def minimum_by_products(part: Objective, at: Evaluation, enough: float, room: Room) -> FloatArray:
    """The same, (P, K), for any rows and columns of eta; of few rows, matrices may take `room`.

    The model is that of the columns less their means by h, t (p, 1), whose weights are the same, and

        b' = b + t'w,        g' = g - t g_b
    """
    H, t = products(part, at, enough, room)
    w, g, l1 = shifted(at.theta, t), slope_of_shifted(at.gradient, t), np.broadcast_to(part.l1, at.theta.shape)
    return shifted(minimise_by_turns(H, w.ravel(), g.ravel(), l1.ravel(), enough).reshape(w.shape), -t)


def products(part: Objective, at: Evaluation, enough: float, room: Room) -> tuple[Curvature, FloatArray]:
    """H at a point (P, K), of columns less t, and t (p, 1): as passes over the data, the state of whose rows it keeps
    if they are in memory; its inverse by conjugate gradients."""
    loss, (P, K), p = part.loss, at.theta.shape, part.source.n_columns

    def diagonal_of(block: Block) -> Sums:
        state = part.state_of(at, block)
        h = block.weight[:, None] * loss.diagonal(state)
        moments = np.vstack([gram_diagonal(block.X, h), back_project(block.X, h), h.sum(axis=0)])
        return Sums(block.total, 0.0, moments)

    sums = part.add_up(diagonal_of)
    square, first, bend = np.split(sums.gradient / sums.weight, [p, 2 * p])
    t = first.sum(axis=1, keepdims=True) / max(float(bend.sum()), NOTHING) * (P - p)
    diagonal = np.vstack([np.maximum(square - 2.0 * t * first + bend * t**2, 0.0), *[bend] * (P - p)])
    ridge = TRACE * np.vstack([square, *[bend] * (P - p)])
    l2 = np.zeros((P, K))
    l2[:p] = part.penalty.l2[:, None]
    diagonal = (diagonal + ridge + l2).ravel()

    def times(d: FloatArray) -> FloatArray:
        d = d.reshape(P, K)
        return (slope_of_shifted(part.curvature_times(at, shifted(d, -t)), t) + ridge * d).ravel()

    def times_on(some: IntArray) -> Linear:
        return within(times, some, P * K)

    def cheapest(v: FloatArray) -> FloatArray:
        return shifted(part.cheapest(shifted(v.reshape(P, K), -t)), t).ravel()

    solve, source = SolveByProducts(times_on, diagonal, SOLVED * enough), part.source
    alike = cheapest if loss.flat(K).size else None
    H = Curvature(diagonal, times, solve, cheapest=alike)
    if not isinstance(source, MemorySource):
        return H, t
    if has_few_rows(source, P * K, K, room):
        H = replace(H, by_rows=Woodbury(part, at, t, H).by_rows)
    if source.is_sparse:
        return H, t

    def among(some: IntArray, dtype: DTypeLike) -> FloatArray:
        unit = np.sqrt(np.maximum(diagonal[some], NOTHING))
        H = gram_among(part, source, at, Those(some, unit, t, dtype)).astype(np.float64, copy=False)
        H /= sums.weight
        held = ridge if dtype == np.float64 else np.maximum(ridge, SINGLE * diagonal.reshape(P, K))
        H[np.diag_indices(len(some))] += (l2 + held).ravel()[some] / unit**2
        H *= unit
        H *= unit[:, None]
        return H

    few, hard = room_for(source, room)
    most = int(min(PRODUCTS * P * K, few / MATRICES) ** 0.5), int(min(P * K, (hard / INSIDE) ** 0.5))
    most = tuple(min(size, source.n_rows * K) for size in most) if H.by_rows else most
    return replace(H, among=among, most=most), t


def has_few_rows(source: MemorySource, size: int, K: int, room: Room) -> bool:
    """Whether matrices of the rows are smaller than those of so many coefficients, find room, and take less time than
    products with the sparse."""
    rows = source.n_rows * K
    fits = INSIDE * rows**2 <= room_for(source, room).hard
    return rows < size and fits and not (source.is_sparse and rows > MOST_ROWS)


def room_for(source: MemorySource, room: Room) -> Room:
    """The room for matrices of a model: beside many cells as much as may be kept of their rows."""
    kept = source.room * source.n_rows
    few = kept if np.isfinite(kept) else room.few
    return Room(few, max(few, room.hard))


class SolveByProducts:
    """About H^-1 b on some of the coefficients, by conjugate gradients that the diagonal preconditions; `times_on` has
    the products with H on some alone.

    What was cut short on the same coefficients goes on from its start with twice the products: to start anew after so
    many would lose the directions that it has learned.
    """

    def __init__(self, times_on: Callable[[IntArray], Linear], diagonal: FloatArray, solved: float) -> None:
        self.times_on, self.diagonal, self.solved = times_on, diagonal, solved
        self.most, self.some = MOST_PRODUCTS, np.arange(0)

    def __call__(self, some: IntArray, b: FloatArray) -> FloatArray:
        unit = self.diagonal[some]
        if not np.array_equal(some, self.some):
            self.most, self.some = MOST_PRODUCTS, some
        times = self.times_on(some)
        x, products = conjugate_gradients(times, lambda r: r / unit, b, lambda start: self.solved * start, self.most)
        self.most *= 2 if products == self.most else 1
        return x
