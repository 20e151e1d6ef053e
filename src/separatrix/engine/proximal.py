r"""Proximal Newton for a penalty with an L1 part: theta <- argmin of the objective's quadratic model + sum l1 |theta|.

    model(theta + d) = F(theta) + g'd + d'Hd / 2,      g and H of loss and L2 part

Few columns: H is a small matrix of all of them. Many: the model knows a working set, the columns with a weight and
those whose gradient says most loudly that zero is not their optimum (Massias et al. 2018, "Celer"), and H is never
built: its products read these columns only, which a pass over the data does not count.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csc_array

from separatrix.arrays import FloatArray, IntArray
from separatrix.data.block import Block
from separatrix.engine.certificate import penalises_all
from separatrix.engine.duality import duality_gap
from separatrix.engine.iterate import Iterate, Solver
from separatrix.engine.line_search import backtrack
from separatrix.engine.linear_algebra import (
    SINGULAR,
    conjugate_gradients,
    factor_of_root,
    solve_factored,
    solve_positive,
)
from separatrix.engine.objective import TRACE, Evaluation, Objective, Sums
from separatrix.engine.quasi_newton import share_to_keep, shows_curvature
from separatrix.equations.hyperplane import gram_diagonal
from separatrix.equations.penalties import soft_threshold

SMALL = 500  # coefficients whose curvature is cheap beside a pass over the data
EXACT = 1e-12  # what a minimum of the model may leave of the squared subgradient: nothing,
TRUNCATED = 0.1  # or what is no waste on a working set that will change
QUICK_TURNS = 8  # that change many signs at once; then one at a time, where H is a matrix
MOST_TURNS = 100
MANY_STEPS = 10  # after so many, a curvature that may be rounding is made anew by its root
NOTHING = 1e-100  # of a curvature; its inverse is still a number

SMALLEST_SET = 200  # columns
MOST_STEPS = 3  # on one working set,
LITTLE = 0.1  # while a step promises more than this share of the first
MOST_PRODUCTS = 30  # of conjugate gradients, and the squared residual that is small enough
SOLVED = 0.03
MOST_PROXIMAL_STEPS = 20


def proximal_newton(objective: Objective, theta: FloatArray, metric: FloatArray | None = None) -> Solver:
    """Proximal Newton (Lee, Sun and Saunders 2014), on a working set where the columns are many.

    `metric` (n, n) is a curvature near the objective's own.
    """
    return on_all_columns(objective, theta, metric) if theta.size <= SMALL else on_working_sets(objective, theta)


def on_all_columns(objective: Objective, theta: FloatArray, metric: FloatArray | None = None) -> Solver:
    """Each step minimises the model with the L1 part, shortened until the objective falls.

    As in `quasi_newton`, the curvature is computed only where the last one, corrected by what the steps have shown, has
    done too little. The estimated gap is the decrease that the model promises.
    """
    keep, before = share_to_keep(theta.size), np.inf
    at = objective.evaluate(theta, order=2 if metric is None else 1)
    exact, H = (at, at.curvature) if metric is None else (None, metric)
    l1, length, number = np.broadcast_to(objective.l1, theta.shape).ravel(), 1.0, 0
    while True:
        w, g = at.theta.ravel(), at.gradient.ravel()
        v, decrease = minimise_model(matrix(H), w, g, l1, EXACT)
        if at is exact and (decrease > at.value or number >= MANY_STEPS) and at.factor.least < SINGULAR:
            yield from on_all_columns_by_roots(objective, at)
        v = objective.cheapest(v.reshape(theta.shape)).ravel()
        yield Iterate(at, min(decrease, at.value), exact)
        order, before = 1 if decrease <= keep * before and length == 1.0 else 2, decrease
        step, slope = (v - w).reshape(theta.shape), promised_slope(w, v, g, l1)
        there, length = backtrack(objective, at, step, order, slope=slope)
        number += 1
        if there is at:
            at = exact = at if at is exact else objective.evaluate(at.theta, order=2)
            H, before, number = at.curvature, np.inf, MANY_STEPS
        elif order == 1:
            H = corrected(H, (there.theta - at.theta).ravel(), (there.gradient - at.gradient).ravel())
            at = there
        else:
            at = exact = there
            H, before = there.curvature, np.inf


def on_all_columns_by_roots(objective: Objective, at: Evaluation) -> Solver:
    """The same steps by the root of the curvature: where columns all but repeat each other, rounding of the curvature
    itself hides how far their weights are to go."""
    l1 = np.broadcast_to(objective.l1, at.theta.shape).ravel()
    while True:
        at = objective.rooted(at)
        w, g = at.theta.ravel(), at.gradient.ravel()
        v, decrease = minimise_model(by_root(at.root), w, g, l1, EXACT)
        v = objective.cheapest(v.reshape(at.theta.shape)).ravel()
        yield Iterate(at, min(decrease, at.value), at)
        step, slope = (v - w).reshape(at.theta.shape), promised_slope(w, v, g, l1)
        at, _ = backtrack(objective, at, step, order=1, slope=slope)


def corrected(H: FloatArray, step: FloatArray, change: FloatArray) -> FloatArray:
    """H with H step = change, the change of the gradient (BFGS; Nocedal and Wright 2006, eq. 6.19)."""
    if not shows_curvature(step, change):
        return H
    Hs = H @ step
    bend = float(step @ Hs)  # 0 where every row was so far from the boundary that its curvature has rounded away
    known = np.outer(Hs, Hs) / bend if bend > 0 else 0.0
    return H - known + np.outer(change, change) / (step @ change)


def on_working_sets(objective: Objective, theta: FloatArray) -> Solver:
    """Each iteration takes a few steps on a working set; the gradient of all columns then chooses the next.

    The estimated gap is the decrease that a quadratic model with the bound on the curvature's diagonal promises, or
    more where the certificate will ask for more.
    """
    unit = objective.diagonal_bound(theta)
    at = objective.evaluate(theta, order=1)
    while True:
        promised = 0.5 * float(np.sum(objective.subgradient(at) ** 2 / unit))
        yield Iterate(at, estimated_gap(objective, at, promised))
        chosen = working_set(objective, at, np.sqrt(unit))
        rows = np.append(chosen, np.arange(objective.source.n_columns, len(theta)))
        theta = at.theta.copy()
        start = Evaluation(at.theta[rows], at.value, at.loss, at.gradient[rows])
        theta[rows] = steps_on(objective.columns(chosen), start)
        at = objective.evaluate(theta, order=1)


def steps_on(part: Objective, at: Evaluation) -> FloatArray:
    """theta (P, K) after some steps, each to about the minimum of the model there, until one promises little."""
    first = None
    single = at.theta.shape[1] == 1 and getattr(part.source, "is_sparse", False)
    at = part.evaluate(at.theta, order=1, keep_state=True)
    for _ in range(MOST_STEPS):
        w, g = at.theta.ravel(), at.gradient.ravel()
        l1 = np.broadcast_to(part.l1, at.theta.shape).ravel()
        if single:
            v = newton_point(part, at, g, l1)
        else:
            v, _ = minimise_model(products(part, at), w, g, l1, TRUNCATED)
        slope = promised_slope(w, v, g, l1)
        first = slope if first is None else first
        at, _ = backtrack(part, at, (v - w).reshape(at.theta.shape), order=1, slope=slope, keep_state=True)
        if slope > LITTLE * first:
            break
    return at.theta


def newton_point(part: Objective, at: Evaluation, g: FloatArray, l1: FloatArray) -> FloatArray:
    """About the minimum of the model, by products with sqrt(h) X, whose columns are centred in place of an intercept."""
    X, source, w, p = part.source.X, part.source, at.theta.ravel(), part.source.n_columns
    state = part.kept_state(at)
    root = np.sqrt(source.weight * part.loss.second(state, 0, 0) / at.weight)
    B = csc_array((X.data * root[X.indices], X.indices, X.indptr), shape=X.shape)
    ridge, BT = part.penalty.l2, B.T
    diagonal = B.power(2).T @ np.ones(len(root))
    if len(w) > p:
        bend = max(float(root @ root), NOTHING)
        tilt = (BT @ root) / bend
    else:
        bend, tilt = NOTHING, np.zeros(p)
    diagonal = np.maximum(diagonal - bend * tilt**2, TRACE * diagonal) + ridge

    def times(d):
        COUNT[0] += 1
        return BT @ (B @ d) - tilt * (bend * (tilt @ d)) + ridge * d

    def solve(some, b):
        F = B[:, some]
        FT, t, r, unit = F.T, tilt[some], ridge[some], diagonal[some]

        def times_some(d):
            COUNT[1] += 1
            return FT @ (F @ d) - t * (bend * (t @ d)) + r * d

        x, products = conjugate_gradients(times_some, lambda q: q / unit, b, lambda start: SOLVED * start, MOST_PRODUCTS)
        return x

    g_b = g[p:].sum()
    v, _ = minimise_model(Curvature(diagonal, times, solve, exact=False), w[:p], g[:p] - tilt * g_b, l1[:p], TRUNCATED)
    return np.concatenate([v, w[p:] - g_b / bend - tilt @ (v - w[:p])])

COUNT = [0, 0]

def working_set(objective: Objective, at: Evaluation, unit: FloatArray) -> IntArray:
    """The columns with a weight, and as many others, those of the largest subgradient first; in order."""
    p = objective.source.n_columns
    weighted = at.theta[:p].any(axis=1)
    score = np.where(weighted, np.inf, np.abs(objective.subgradient(at) / unit)[:p].max(axis=1))
    size = min(max(SMALLEST_SET, 2 * np.count_nonzero(weighted)), np.count_nonzero(score))
    return np.sort(np.argpartition(-score, size - 1)[:size]) if size else np.arange(0)


def estimated_gap(objective: Objective, at: Evaluation, promised: float) -> float:
    """The promised decrease, or the square of the duality gap here if that is more, and never more than F.

    The square, because without an L2 part that gap falls with the distance to the optimum and the decrease with its
    square: an estimate that is small enough for the coefficients is then small enough for the certificate.
    """
    if penalises_all(objective.penalty):
        w = at.theta[: objective.source.n_columns]
        gradient = at.gradient[: len(w)] - objective.penalty.gradient(w)
        promised = max(promised, duality_gap(objective.penalty, w, gradient, at.loss) ** 2)
    return min(promised, at.value)


def promised_slope(w: FloatArray, v: FloatArray, g: FloatArray, l1: FloatArray) -> float:
    """g'(v - w) + l1'(|v| - |w|): what a step from w to v promises. Without a change of sign nothing cancels."""
    sign = np.where(w != 0, np.sign(w), np.sign(v))
    return float(np.sum((g + l1 * sign) * (v - w) + l1 * (np.abs(v) - sign * v)))


@dataclass(frozen=True)
class Curvature:
    """H of n coefficients, as its diagonal, its product with a vector, and its inverse on some of them, which is
    `exact` but for rounding, or nearly right."""

    diagonal: FloatArray
    times: Callable[[FloatArray], FloatArray]
    solve: Callable[[IntArray, FloatArray], FloatArray]
    exact: bool


def matrix(H: FloatArray) -> Curvature:
    """H as a small matrix."""
    return Curvature(
        np.diagonal(H),
        lambda d: H @ d,
        lambda some, b: solve_positive(H[np.ix_(some, some)], b),
        exact=True,
    )


def by_root(R: FloatArray) -> Curvature:
    """R'R, as it stands."""
    return Curvature(
        np.square(R).sum(axis=0),
        lambda d: R.T @ (R @ d),
        lambda some, b: solve_factored(factor_of_root(R[:, some]), b),
        exact=True,
    )


def products(part: Objective, at: Evaluation) -> Curvature:
    """H at theta (P, K) as passes over the data, the state of whose rows it keeps if they are in memory; its inverse by
    conjugate gradients."""
    loss, (P, K) = part.loss, at.theta.shape

    def diagonal_of(block: Block) -> Sums:
        state = part.state_of(at, block)
        h = block.weight[:, None] * np.stack([loss.second(state, k, k) for k in range(K)], axis=1)
        ones = np.tile(h.sum(axis=0), (P - block.X.shape[1], 1))
        return Sums(float(block.weight.sum()), 0.0, np.vstack([gram_diagonal(block.X, h), ones]))

    sums = part.add_up(diagonal_of)
    diagonal = sums.gradient / sums.weight
    ridge = TRACE * diagonal
    diagonal[: len(part.penalty.l2)] += part.penalty.l2[:, None]

    def times(d: FloatArray) -> FloatArray:
        d = d.reshape(P, K)
        return (part.curvature_times(at, d) + ridge * d).ravel()

    diagonal = (diagonal + ridge).ravel()
    return Curvature(diagonal, times, SolveByProducts(times, diagonal), exact=False)


class SolveByProducts:
    """About H^-1 b on some of the coefficients, by conjugate gradients that the diagonal preconditions.

    What was cut short on the same coefficients goes on from its start with twice the products: to start anew after so
    many would lose the directions that it has learned.
    """

    def __init__(self, times: Callable[[FloatArray], FloatArray], diagonal: FloatArray) -> None:
        self.times, self.diagonal, self.most, self.some = times, diagonal, MOST_PRODUCTS, np.arange(0)

    def __call__(self, some: IntArray, b: FloatArray) -> FloatArray:
        unit, full = self.diagonal[some], np.zeros_like(self.diagonal)
        if not np.array_equal(some, self.some):
            self.most, self.some = MOST_PRODUCTS, some

        def times_some(d: FloatArray) -> FloatArray:
            full[some] = d
            return self.times(full)[some]

        x, products = conjugate_gradients(times_some, lambda r: r / unit, b, lambda start: SOLVED * start, self.most)
        self.most *= 2 if products == self.most else 1
        return x


def minimise_model(
    H: Curvature, w: FloatArray, g: FloatArray, l1: FloatArray, enough: float
) -> tuple[FloatArray, float]:
    """The v, (n,), with the least g'(v - w) + (v - w)'H(v - w)/2 + l1'|v|, with exact zeros; and the decrease from w.

    By turns, proximal gradient steps choose the signs, and a projected Newton step moves to the minimum that has them.
    Where columns all but depend on each other, these choose badly, and signs change one at a time.
    """
    v, slope, decrease, first = w, g, 0.0, None
    unit = np.maximum(H.diagonal, np.finfo(float).eps * H.diagonal.max(initial=NOTHING))
    for turn in range(MOST_TURNS):
        s = np.where(v == 0, soft_threshold(slope, l1), slope + l1 * np.sign(v))
        size = float(s**2 @ (1.0 / unit))
        first = size if first is None else first
        if size <= enough * first:
            break
        one_by_one = H.exact and turn >= QUICK_TURNS
        step = feature_sign_step if one_by_one else newton_step if turn % 2 == 0 else proximal_steps
        v, slope, fall = step(H, v, slope, l1, unit)
        decrease += fall
        if one_by_one and not fall:
            break
    return v, decrease


Moved = tuple[FloatArray, FloatArray, float]
"""A new v, the slope of the model there, and how far the model with the L1 part fell."""


def newton_step(H: Curvature, v: FloatArray, slope: FloatArray, l1: FloatArray, unit: FloatArray) -> Moved:
    """To the minimum over the support. Coordinates that would change sign stop at zero; if the model does not fall with
    that, the step is cut, at the latest to where the first of them is zero."""
    free = np.flatnonzero((v != 0) | (l1 == 0))
    sign, here = np.sign(v[free]), v[free]
    s = slope[free] + l1[free] * sign
    newton = H.solve(free, -s)
    crosses = ((here + newton) * sign < 0) & (l1[free] > 0)
    nearest = float(np.min(here[crosses] / -newton[crosses], initial=1.0))
    change = np.zeros_like(v)
    for length in (1.0, 0.3, 0.1, nearest):
        there = here + length * newton
        change[free] = np.where(crosses & (there * sign <= 0), 0.0, there) - here
        moved = H.times(change)
        fall = -float(s @ change[free]) - 0.5 * float(change @ moved)
        if fall > 0:
            return v + change, slope + moved, fall
    return v, slope, 0.0


def feature_sign_step(H: Curvature, v: FloatArray, slope: FloatArray, l1: FloatArray, unit: FloatArray) -> Moved:
    """Towards the minimum over the support and, where more is to be had there, one coordinate outside of it, to the
    lowest of the points where a coordinate is zero on the way (Lee, Battle, Raina and Ng 2007, "Efficient sparse coding
    algorithms"). However ill-conditioned H is, so many steps as there are sets of signs reach the minimum."""
    support, sign = (v != 0) | (l1 == 0), np.sign(v)
    s = np.where(v == 0, soft_threshold(slope, l1), slope + l1 * sign)
    left = s**2 / unit
    enters = np.argmax(np.where(support, 0.0, left))
    outside = not support[enters] and left[enters] > left[support].sum()
    d = np.zeros_like(v)
    for free in ([support | (np.arange(len(v)) == enters)] if outside else []) + [support]:
        d[:] = 0.0
        d[free] = H.solve(np.flatnonzero(free), -s[free])
        if not outside or d[enters] * s[enters] < 0:  # else it moves to where its sign is another
            break
    moved = H.times(d)
    with np.errstate(divide="ignore", invalid="ignore"):
        zero_at = np.where((v != 0) & (l1 > 0), -v / d, np.inf)
    stops = np.append(np.unique(zero_at[(zero_at > 0) & (zero_at < 1)]), 1.0)
    beyond = np.maximum(-sign * (v + stops[:, None] * d), 0.0) @ (2.0 * l1)  # (stops,)
    falls = -stops * (s @ d) - 0.5 * stops**2 * (d @ moved) - beyond
    best = int(np.argmax(falls))
    if not falls[best] > 0:
        return v, slope, 0.0
    there = np.where(zero_at == stops[best], 0.0, v + stops[best] * d)
    return there, slope + stops[best] * moved, float(falls[best])


def proximal_steps(H: Curvature, v: FloatArray, slope: FloatArray, l1: FloatArray, unit: FloatArray) -> Moved:
    """Proximal gradient steps, in units of the diagonal, of the length that the curvature along the last one asked for
    (Wright, Nowak and Figueiredo 2009, "SpaRSA"), until one changes no sign and leads lower; the lowest point met."""
    best, fallen, rate = (v, slope, 0.0), 0.0, 1.0
    for _ in range(MOST_PROXIMAL_STEPS):
        there = soft_threshold(v - slope / (rate * unit), l1 / (rate * unit))
        change = there - v
        moved = H.times(change)
        bend = float(change @ moved)
        fallen -= promised_slope(v, there, slope, l1) + 0.5 * bend
        same = np.array_equal(np.sign(there), np.sign(v))
        v, slope, lower = there, slope + moved, fallen > best[2]
        if lower:
            best = v, slope, fallen
        if same and (lower or not change.any()):
            break
        rate = max(bend / float(change**2 @ unit), 0.1)
    return best
