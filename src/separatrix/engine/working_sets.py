r"""Proximal Newton where columns are many: steps on a working set, the columns with a weight and those whose gradient
says most loudly that zero is not their optimum (Massias et al. 2018, "Celer").

The curvature of a working set is built of dense rows at most, among the coefficients that move: its products read
these columns only, which a pass over the data does not count. Of sparse rows and one column of eta they are B'(B d),
with B = diag(sqrt h) X. Each column is less its mean by the curvature h of the rows, as an intercept undoes that:
without the direction that columns off zero share, as those of a text do, fewer products will do.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from separatrix.arrays import FloatArray, IntArray
from separatrix.compressed import of_scaled_rows, transposed
from separatrix.data.block import Block, Source
from separatrix.data.judged import share_of_entries
from separatrix.data.memory import MemorySource
from separatrix.engine.among import Those, gram_among
from separatrix.engine.coordinates import ByCoordinates, is_asked_for
from separatrix.engine.duality import Prediction, duality_gap
from separatrix.engine.iterate import Iterate, Solver
from separatrix.engine.line_search import backtrack
from separatrix.engine.linear_algebra import Linear, conjugate_gradients
from separatrix.engine.objective import TRACE, Evaluation, Objective
from separatrix.engine.quadratic_model import NOTHING, Curvature, minimise_by_turns, minimise_model, promised_slope
from separatrix.engine.room import Room, room_beside
from separatrix.engine.sums import Sums
from separatrix.equations.hyperplane import back_project, gram_diagonal, pieces
from separatrix.equations.penalties import ARRAYS

TRUNCATED, EXACT = 0.1, 1e-7  # of the squared subgradient a minimum of the model may leave, at first and at last
FORCING = 3.0  # times the squared share of the gap that the last step left
DOWN, STAGED = 4.0, 0.001  # from one L1 part to a weaker one, and what a minimum of its model may leave
SMALLEST_SET = 400  # columns, or
MOST = 0.5  # of all columns, which then are it: of dense ones less is copied
GROWTH = 3  # for each with a weight
FAR = 30  # times what a pass over a working set reads make one over all dear, which then comes after
MOST_STEPS = 3  # on it, while
LITTLE = 0.3  # of what the first has promised a step promises no more
MOST_PRODUCTS = 10  # of conjugate gradients, and the share of what a minimum may leave that the last may
SOLVED = 0.3
PRODUCTS = 1_000  # numbers of a matrix cost as much as a coefficient in the products that it saves
MATRICES = 32  # bytes for each: the matrix, its part that is free, and the factor of that;
INSIDE = 64  # in double, where it is made and that of a step inside
COPIED = 0.7  # of the columns of a working set: to copy more takes longer than their products save
FULL = 0.3  # of the entries of columns: of more, products with their zeros take no longer
SINGLE = 1e-6  # of a curvature: hides the rounding of single precision


def on_working_sets(objective: Objective, theta: FloatArray) -> Solver:
    """Each iteration takes a step on a working set, or a few where a pass over all columns is dear; the gradient of all
    columns then chooses the next.

    Where more columns want a weight than there are rows, a first step would give one to most of them, of which few are
    to keep it. So there the L1 part begins stronger and comes down, a step at a time (Hale, Yin and Zhang 2008,
    "Fixed-point continuation for l1-minimization").

    The estimated gap is the decrease that a quadratic model with the bound on the curvature's diagonal promises, or
    more where the certificate will ask for more. The faster it falls, the more exactly models are solved (Eisenstat and
    Walker 1996, "Choosing the forcing terms in an inexact Newton method", choice 2): the last steps then are Newton's,
    and what their models predict makes the certificate.
    """
    unit, source = objective.diagonal_bound(theta), objective.source
    room = room_beside(8.0 * cells(source), source.n_rows * source.room)
    (at, state), ahead = evaluate_with_state(objective, theta), None
    promised, times = promised_by_diagonal(objective, at, unit), times_too_weak(objective, at)
    enough = STAGED if times > 1.0 else TRUNCATED
    while True:
        yield Iterate(at, estimated_gap(objective, at, promised), ahead=ahead)
        times = max(times / DOWN, 1.0)
        stage, here = objective.stronger(times, at) if times > 1.0 else (objective, at)
        chosen = working_set(stage, here, np.sqrt(unit))
        rows = np.append(chosen, np.arange(source.n_columns, len(theta)))
        part, here = on_columns(stage, here, state, chosen, rows, room)
        most = MOST_STEPS if cells(source) > FAR * cells(part.source) else 1
        ahead = steps_on(part, here, room, enough, most)
        theta = at.theta.copy()
        theta[rows] = ahead.reached
        (at, state), before = evaluate_with_state(objective, theta), promised
        promised = promised_by_diagonal(objective, at, unit)
        if times == 1.0:
            enough = float(np.clip(FORCING * (promised / max(before, NOTHING)) ** 2, EXACT, TRUNCATED))


def times_too_weak(objective: Objective, at: Evaluation) -> float:
    """How many times as strong an L1 part would keep at zero the weights that are, if more columns want one than there
    are rows; else 1."""
    l1, slope = objective.penalty.l1, at.gradient[: objective.source.n_columns].copy()
    slope[at.theta[: len(slope)] != 0] = 0.0
    largest = np.abs(slope, out=slope).max(axis=1, initial=0.0)
    few = np.count_nonzero(largest > l1) <= objective.source.n_rows
    return 1.0 if few else float(np.max(largest[l1 > 0] / l1[l1 > 0], initial=1.0))


def evaluate_with_state(objective: Objective, theta: FloatArray) -> tuple[Evaluation, FloatArray | None]:
    """The objective and its gradient; and the state of the rows, if there is room: for the models alone, as a
    certificate is not made of single precision."""
    at = objective.evaluate(theta, order=1, keep_state=True)
    state, objective.kept = objective.kept_state(at), None
    return at, state


def on_columns(
    objective: Objective, at: Evaluation, state: FloatArray | None, chosen: IntArray, rows: IntArray, room: Room
) -> tuple[Objective, Evaluation]:
    """The objective over some columns, of these `rows` of theta, and what it is at a point where all other weights are
    zero; if the columns have few zeros, for which there is `room`, with them: then their curvature can be built."""
    whole = len(chosen) == objective.source.n_columns
    part = objective.over(objective.source) if whole else objective.columns(chosen)
    source = part.source
    fits = 8 * source.n_rows * source.n_columns <= room.few
    if fits and isinstance(source, MemorySource) and source.is_sparse and share_of_entries(source.X) > FULL:
        part = part.over(replace(source, X=source.X.toarray(), centre=np.zeros(source.n_columns)))
    here = replace(at, theta=at.theta[rows], gradient=at.gradient[rows])
    part.kept = None if state is None else (here.theta, state)
    return part, here


def steps_on(part: Objective, at: Evaluation, room: Room, enough: float, most: int) -> Prediction:
    """The last of `most` steps, each to about the minimum of the model there, or of fewer if one promises little; of
    few rows, matrices may take `room`."""
    source, shape = part.source, at.theta.shape
    by_roots = shape[1] == 1 and isinstance(source, MemorySource) and source.is_sparse
    l1, first = np.broadcast_to(part.l1, shape).ravel(), None
    last = Prediction(part, at.theta, np.zeros(shape), at.theta)
    for _ in range(most):
        w, g = at.theta.ravel(), at.gradient.ravel()
        v = (minimum_by_roots(part, at, enough) if by_roots else minimum_by_products(part, at, enough, room)).ravel()
        slope, step = promised_slope(w, v, g, l1), (v - w).reshape(shape)
        first = slope if first is None else first
        there, _ = backtrack(part, at, step, order=1, slope=slope, keep_state=True)
        if there is at:
            break
        last = Prediction(part, at.theta, step, there.theta)
        at = there
        if slope > LITTLE * first:
            break
    return last


def promised_by_diagonal(objective: Objective, at: Evaluation, unit: FloatArray) -> float:
    """The decrease that a model with these curvatures (P, 1), and none between coefficients, promises."""
    p, K = objective.source.n_columns, at.theta.shape[1]
    total = float(np.sum(at.gradient[p:] ** 2 / unit[p:]))
    for some in pieces(p, ARRAYS * K):  # two points are held here, each with as much
        smallest = objective.penalty.columns(some).subgradient(at.theta[some], at.gradient[some])
        total += float(np.sum(smallest**2 / unit[some]))
    return 0.5 * total


def cells(source: Source) -> int:
    """How many numbers a pass reads, or of files columns."""
    if not isinstance(source, MemorySource):
        return source.n_columns
    return source.X.nnz if source.is_sparse else source.n_rows * source.n_columns


def working_set(objective: Objective, at: Evaluation, unit: FloatArray) -> IntArray:
    """The columns with a weight, and twice as many others, those of the largest subgradient first; in order."""
    p = objective.source.n_columns
    weighted = at.theta[:p].any(axis=1)
    smallest = objective.subgradient(at)
    scaled = np.divide(smallest, unit, out=smallest if objective.penalty.has_l1 else None)  # else it is the gradient
    score = np.where(weighted, np.inf, np.abs(scaled, out=scaled)[:p].max(axis=1))
    size = min(max(SMALLEST_SET, GROWTH * np.count_nonzero(weighted)), np.count_nonzero(score))
    if size > MOST * p and not getattr(objective.source, "is_sparse", False):
        return np.arange(p)
    return np.sort(np.argpartition(-score, size - 1)[:size]) if size else np.arange(0)


def estimated_gap(objective: Objective, at: Evaluation, promised: float) -> float:
    """The promised decrease, or the square of the duality gap here if that is more, and never more than F.

    The square, because without an L2 part that gap falls with the distance to the optimum and the decrease with its
    square: an estimate that is small enough for the coefficients is then small enough for the certificate.
    """
    if objective.penalty.holds_all:
        w = at.theta[: objective.source.n_columns]
        gradient = at.gradient[: len(w)]
        if objective.penalty.l2.any():
            gradient = gradient - objective.penalty.gradient(w)
        promised = max(promised, float(np.square(duality_gap(objective.penalty, w, gradient, at.loss))))
    return min(promised, at.value)


def minimum_by_roots(part: Objective, at: Evaluation, enough: float) -> FloatArray:
    """theta (P,) at about the minimum of the model at a point whose state is kept, for sparse columns and one of eta;
    `enough` is the share of the squared subgradient that it may leave.

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
    v, _ = minimise_model(gram(B, t, bend, part.penalty.l2, enough), w, g - t * g_b.sum(), part.penalty.l1, enough)
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


def shifted(theta: FloatArray, t: FloatArray) -> FloatArray:
    """The theta (P, K) of columns less t (p, 1)."""
    p, theta = len(t), theta.copy()
    theta[p:] += t.T @ theta[:p]
    return theta


def slope_of_shifted(g: FloatArray, t: FloatArray) -> FloatArray:
    """The gradient (P, K) in the theta of columns less t (p, 1)."""
    p = len(t)
    return np.vstack([g[:p] - t * g[p:].sum(axis=0), g[p:]])


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
    diagonal[:p] += part.penalty.l2[:, None]
    diagonal = (diagonal + ridge).ravel()

    def times(d: FloatArray) -> FloatArray:
        d = d.reshape(P, K)
        return (slope_of_shifted(part.curvature_times(at, shifted(d, -t)), t) + ridge * d).ravel()

    def times_on(some: IntArray) -> Linear:
        return within(times, some, P * K)

    def cheapest(v: FloatArray) -> FloatArray:
        return shifted(part.cheapest(shifted(v.reshape(P, K), -t)), t).ravel()

    solve, source = SolveByProducts(times_on, diagonal, SOLVED * enough), part.source
    alike = cheapest if loss.flat(K).size else None
    if not isinstance(source, MemorySource) or source.is_sparse:
        return Curvature(diagonal, times, solve, cheapest=alike), t

    def among(some: IntArray, dtype: DTypeLike) -> FloatArray:
        unit = np.sqrt(np.maximum(diagonal[some], NOTHING))
        H = gram_among(part, source, at, Those(some, unit, t, dtype)).astype(np.float64, copy=False)
        H /= sums.weight
        added = np.zeros((P, K))
        added[:p] = part.penalty.l2[:, None]
        held = ridge if dtype == np.float64 else np.maximum(ridge, SINGLE * diagonal.reshape(P, K))
        H[np.diag_indices(len(some))] += (added + held).ravel()[some] / unit**2
        H *= unit
        H *= unit[:, None]
        return H

    kept = source.room * source.n_rows
    few = kept if np.isfinite(kept) else room.few
    squares = min(PRODUCTS * P * K, few / MATRICES), min((P * K) ** 2, max(few, room.hard) / INSIDE)
    most = int(squares[0] ** 0.5), int(squares[1] ** 0.5)
    return Curvature(diagonal, times, solve, among=among, most=most, cheapest=alike), t


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
