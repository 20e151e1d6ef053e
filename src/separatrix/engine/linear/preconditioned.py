r"""Least squares of many dense columns by products with X, for which a Gram matrix in single precision has prepared.

A triangle of many columns takes long, and copies of it more memory than X. A Gram matrix (k, k) of the lesser of rows
and columns takes one pass of products in single precision, which threads share, and half a square of such numbers. Its
factor is near enough to the true curvature that conjugate gradients, whose products with X are in double, need few
passes (Carson and Higham 2018, "Accelerating the solution of linear systems by iterative refinement in three
precisions", SIAM Journal on Scientific Computing 40; they use a factor in the same way). What they leave is computed
afresh and solved for again, unpenalised in twice the precision, until a step no longer counts.

    rows >= columns    H = Xc' W Xc + alpha                            in the weights w
    rows < columns     K = Xc alpha^-1 Xc' + W^-1,  w = alpha^-1 Xc'a  in the multipliers a of the rows, which sum to 0;
                       unpenalised K = Xc Xc', and w is the shortest of those that meet every row

with Xc the columns less their mean, if there is an intercept: then as many rows as columns meet every row, too. How
near the factor is, a system shows whose answer is random: conjugate gradients meet all eigenvalues on their way there,
and leave of it what no row sees (columns that others span). Where they do not arrive, a factor in double may be near
(columns that repeat others but for their ninth digit); where that is not, there is no answer here, but one without a
square (`separatrix.engine.linear.complete`). A factor that is large beside X is kept on disk
(`separatrix.engine.matrices.panels`).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, reduce
from typing import Any, NamedTuple, cast

import numpy as np
from scipy.linalg import LinAlgError, qr
from scipy.sparse import issparse

from separatrix.arrays import FloatArray, repeated
from separatrix.data.block import Block, response
from separatrix.data.memory import MemorySource
from separatrix.engine.grams import scaled_columns, scaled_rows, sum_of_squares
from separatrix.engine.matrices import double_double
from separatrix.engine.matrices.conditioning import (
    AT_ONCE,
    FEW_UNSEEN,
    MOST_REFINEMENTS,
    ManyUnseen,
    reach_of,
    solved,
    without,
)
from separatrix.engine.matrices.linear_algebra import Linear
from separatrix.engine.matrices.packed import packed, solve_packed
from separatrix.engine.matrices.panels import Roots, on_disk
from separatrix.engine.objective import Evaluation, Objective
from separatrix.engine.sums import block_eta, block_plane, slope_of_centred, with_intercept
from separatrix.equations.hyperplane import beside_ones, is_hardly_sparse, pieces, product, with_ones

PRECISIONS = np.float32, np.float64  # of the factor: the first whose reach is enough
MOST_OF_X, BESIDE, LITTLE_OF_X = 0.3, 24e6, 0.05  # bytes for half a square: of X less what else is there, or so few
MOST_WITHOUT_DISK = 0.25  # where the disk has no room
SPANNED, BASIS = 1 / 16, 1 / 24  # of the columns, and of X in double, for those that others span: of more, QR
STEADY = 1e-6  # of an estimate: a step no longer than that leaves nothing for another
DECREMENT, CONVEXITY = "twice the Newton decrement, by a factor whose reach was measured", "strong convexity"
DUALITY, NEVER_NEGATIVE = "strong convexity, duality", "the objective itself: squares are never negative"
DOUBLED_CELLS = 2**15  # a dozen arrays of so many are in cache


@dataclass(frozen=True)
class Found:
    """theta (P, T), the intercept last; the rank of the centred X; a bound on how far the sum over rows and penalty is
    above its optimum, given the evaluation at theta; and its name."""

    theta: FloatArray
    rank: int
    gap: Callable[[Evaluation], float]
    method: str


class Near(NamedTuple):
    """The factor of about the curvature: the root of its diagonal (k,), and how to solve with it."""

    unit: FloatArray
    solve: Linear


def near_of(source: MemorySource, roots: Roots, more: FloatArray, dtype: Any) -> Near:
    """The factor of a matrix with more on its diagonal, (k,), in memory where that is little beside X, else on disk.
    `LinAlgError` where there is no room, or the type has no such numbers."""
    half, size = np.dtype(dtype).itemsize * len(more) ** 2 / 2, float(source.X.size * source.X.itemsize)
    if half > max(MOST_OF_X * size - BESIDE, LITTLE_OF_X * size):
        if factor := on_disk(roots, more, source.pool, dtype):
            return Near(factor.unit, factor.solve)
        if half > MOST_WITHOUT_DISK * size:
            raise LinAlgError("the disk has no room for a factor, and it would take much memory")
    factor = packed(lambda: sum_of_squares(roots(0), len(more), dtype, source.pool), more)
    return Near(factor.unit, partial(solve_packed, factor))


def preconditioned(objective: Objective, targets: int, alpha: FloatArray) -> Found | None:
    """The least squares fit of y (rows, T) with the penalty sum_j alpha_j w_j^2 / 2 beside half the weighted sum of
    squares, alpha all zero or all above it; None where this is not the way. The objective reads the data."""
    source = objective.source
    assert isinstance(source, MemorySource)
    full = source.n_rows >= source.n_columns + int(objective.fit_intercept and not alpha.any())
    for dtype in PRECISIONS:
        try:
            if found := (of_columns if full else of_rows)(objective, source, targets, alpha, dtype):
                return found
        except LinAlgError:  # no such numbers, or no room
            continue
        except ManyUnseen:
            break
    return None


def of_columns(objective: Objective, source: MemorySource, targets: int, alpha: FloatArray, dtype: Any) -> Found | None:
    """The fit in the weights: of no fewer rows than columns."""
    p, m, total = source.n_columns, int(objective.fit_intercept), float(source.weight.sum())
    mean = m * objective.add_up(lambda block: product(block.transposed, block.weight[:, None]))[:, 0] / total
    objective.passes += 1
    roots = partial(scaled_rows, source, 0, lambda block: block.weight, dtype, mean)
    factor = near_of(source, roots, alpha, dtype)
    unit, none = factor.unit[:, None], np.empty((p, 0))

    def whole(w: FloatArray, b: FloatArray | float = 0.0) -> FloatArray:
        return np.vstack([w, np.broadcast_to(b - mean @ w, (m, w.shape[1]))])

    def near(g: FloatArray, unseen: FloatArray = none) -> FloatArray:
        g_w = unit * without(unseen, slope_of_centred(g, mean) / unit)
        return whole(without(unseen, unit * factor.solve(g_w)) / unit, g[p:] / total)

    def times(d: FloatArray) -> FloatArray:
        result = objective.add_up(lambda block: pull_of(block, block_plane(block, d), m))
        result[:p] += alpha[:, None] * d[:p]
        return result

    def left(theta: FloatArray) -> FloatArray:
        if theta.any() and not alpha.any():
            return doubled_left(objective, m, theta)
        pull = objective.add_up(lambda block: pull_of(block, block.y - block_eta(block, theta), m))
        pull[:p] -= alpha[:, None] * theta[:p]
        return pull

    def seen(d: FloatArray) -> FloatArray:
        return objective.add_up(lambda block: block.weight @ np.square(block_plane(block, d)))

    share = source.X.itemsize / unit.itemsize  # that X takes of X in double, beside which directions are small
    most = max(FEW_UNSEEN, int(min(SPANNED * p, BASIS * source.n_rows * share**2)))
    reach = reach_of(times, near, unit, whole, seen, most, max(1, int(AT_ONCE * share)))
    if not reach and not alpha.all():
        return None
    unseen = reach.unseen if reach else none
    solve = partial(solved, times, partial(near, unseen=unseen))
    theta = refined(left, solve, np.zeros((p + m, targets)))
    if theta is None:
        return None
    if not reach:
        return Found(theta, p, lambda at: gap_of(mean, total, alpha, None, total * at.gradient), CONVEXITY)
    along, _ = cast(Any, qr(np.divide(unseen, unit, order="F"), overwrite_a=True, mode="economic"))
    theta -= whole(along @ (along.T @ theta[:p]))  # of the answers the shortest

    def decrement(g: FloatArray) -> float:
        return 2.0 * half_square(g, factor.solve(g)) / reach.least

    def gap(at: Evaluation) -> float:
        if dtype != np.float64 or alpha.any() or not np.array_equal(at.theta, theta):
            return gap_of(mean, total, alpha, decrement, total * at.gradient)
        g = left(theta)  # without the rounding of a gradient, which counts where columns all but repeat others,
        d = solve(g)
        d = np.zeros_like(g) if d is None else d
        pull = times(d)  # so the bound is for what this leaves alone
        return float(np.vdot(d, g)) - half_square(d, pull) + gap_of(mean, total, alpha, decrement, g - pull)

    return Found(theta, p - along.shape[1], gap, DECREMENT)


def in_multipliers(objective: Objective, targets: int, alpha: FloatArray, most: int, enough: float) -> Found | None:
    """The penalised fit of rows fewer than columns by products alone, so many at most for each system, until its dual
    bound is small enough."""
    source = objective.source
    assert isinstance(source, MemorySource)
    return of_rows(objective, source, targets, alpha, None, most, enough)


def of_rows(
    objective: Objective,
    source: MemorySource,
    targets: int,
    alpha: FloatArray,
    dtype: Any,
    most: int | None = None,
    enough: float = 0.0,
) -> Found | None:
    """The fit in the multipliers of the rows, which are fewer than the columns; without a dtype nothing prepares it."""
    (n, p), m, total = source.X.shape, int(objective.fit_intercept), float(source.weight.sum())
    strength = (alpha if alpha.all() else repeated(1.0, p))[:, None]
    weight = np.asarray(source.weight)[:, None]
    own = 1.0 / weight if alpha.all() else np.zeros((n, 1))  # W^-1
    mean, square = objective.column_moments()
    level = m * max(float(np.sum((square - mean**2) / strength)), 0.0)  # of K along 1, as multipliers never are
    mean = m * mean
    del square  # as large as the weights
    objective.passes += 1
    roots = partial(scaled_columns, source, dtype, mean[:, 0], strength[:, 0], level / n)
    factor = near_of(source, roots, own[:, 0], dtype) if dtype else Near(own[:, 0] ** 0.5, lambda r: weight * r)

    weights, plane = partial(weights_of, objective, mean, strength), partial(plane_of, objective, mean)

    def times(d: FloatArray) -> FloatArray:
        return plane(weights(d)) + own * d + level * d.mean(axis=0)

    if not alpha.all() and not reach_of(times, factor.solve, factor.unit[:, None]):
        return None
    solve = partial(solved, times, factor.solve, most=most)
    flat = solve(np.ones((n, m)))
    y = response(source)

    def left(state: FloatArray) -> FloatArray:
        return y - state[n : n + m].sum(axis=0) - plane(state[n + m :]) - own * state[:n]

    def step(left: FloatArray) -> FloatArray | None:
        a = solve(left)
        if a is None or flat is None:
            return None
        b = a.sum(axis=0) / flat.sum(axis=0)[:, None]  # so that the multipliers sum to 0
        a -= flat @ b
        return np.vstack([a, b, weights(a)])  # weights add up too: of all multipliers they would cancel digits

    state = refined(left, step, np.zeros((n + m + p, targets)), lambda off: half_square(off, weight * off) <= enough)
    if state is None:
        return None
    a, b, w = np.split(state, [n, n + m])
    theta = np.vstack([w, b - (mean.T @ w)[:m]])
    if not alpha.all():  # the least that a sum of squares can be is zero
        return Found(theta, n - m, lambda at: total * at.loss, NEVER_NEGATIVE)
    off, apart = left(state), w - weights(a)
    dual = half_square(off, weight * off) + half_square(apart, strength * apart)

    def bound(at: Evaluation) -> float:
        gap = gap_of(mean[:, 0], total, alpha, None, total * at.gradient)
        return min(gap, dual if np.array_equal(at.theta, theta) else np.inf)

    return Found(theta, n - m, bound, DUALITY)


def weights_of(objective: Objective, mean: FloatArray, strength: FloatArray, a: FloatArray) -> FloatArray:
    """alpha^-1 Xc'a of multipliers (n, T)."""
    pull = objective.pull(len(mean), lambda block: np.ascontiguousarray(a[block.rows])).gradient
    total = a.sum(axis=0)
    for some in pieces(*pull.shape):  # a product of all is as long as the weights
        pull[some] -= mean[some] * total
    return np.divide(pull, strength, out=pull)


def plane_of(objective: Objective, mean: FloatArray, w: FloatArray) -> FloatArray:
    """Xc w of weights (p, T)."""
    return objective.plane(w) - mean.T @ w


def refined(
    left: Linear,
    step: Callable[[FloatArray], FloatArray | None],
    theta: FloatArray,
    enough: Callable[[FloatArray], bool] = lambda rest: False,
) -> FloatArray | None:
    """theta, in place, after steps that solve for what is left, until one no longer counts or the rest is small enough;
    None where one does not arrive."""
    for _ in range(MOST_REFINEMENTS):
        rest = left(theta)
        if enough(rest):
            break
        change = step(rest)
        if change is None:
            return None
        theta += change
        steady = all(np.all(np.abs(change[some]) <= STEADY * np.abs(theta[some])) for some in pieces(*theta.shape))
        del change  # before the next is made
        if steady:
            break
    return theta


def gap_of(
    mean: FloatArray, total: float, alpha: FloatArray, decrement: Callable[[FloatArray], float] | None, g: FloatArray
) -> float:
    """A bound on g'(curvature)^-1 g / 2, g the gradient of the sum over all rows, of so much weight in `total`; the
    intercept apart: by the `decrement` of the centred columns, or that the curvature is at least alpha."""
    p = len(alpha)
    of_weights = slope_of_centred(g, mean)
    bounds = [decrement(of_weights)] if decrement else []
    if alpha.all():
        bounds.append(half_square(of_weights, of_weights / alpha[:, None]))
    return min(bounds) + half_square(g[p:], g[p:] / total)


def half_square(a: FloatArray, b: FloatArray) -> float:
    """Half the inner product of two arrays."""
    return 0.5 * float(np.vdot(a, b))


def pull_of(block: Block, r: FloatArray, m: int) -> FloatArray:
    """[X 1]' diag(weight) r of a block."""
    return with_intercept(block.transposed, block.weight[:, None] * r, block.X.shape[1] + m)


def doubled_left(objective: Objective, m: int, theta: FloatArray) -> FloatArray:
    """What is left of the unpenalised normal equations at theta, (P, T), summed in twice the precision."""
    return np.add(*objective.add_up(partial(doubled_pull, theta=theta, m=m), double_double.add))


def doubled_pull(block: Block, theta: FloatArray, m: int) -> double_double.Pair:
    """[X 1]' diag(weight) (y - offset - [X 1] theta) of a block, in twice the precision."""

    sparse = issparse(block.X) and not is_hardly_sparse(block.X)
    design, cells = (with_ones, block.X.nnz) if sparse else (beside_ones, math.prod(block.X.shape))
    n = block.X.shape[0]

    def pull(some: Block) -> double_double.Pair:
        y = (some.y, np.zeros_like(some.y)) if some.offset is None else double_double.two_sum(some.y, -some.offset)
        return double_double.pull(design(some.X, m), y, some.weight, theta)

    return reduce(double_double.add, map(pull, block.split(math.ceil(DOUBLED_CELLS * n / max(cells + n, 1)))))
