r"""Newton's method for many fits at once, whose rows are some of the same rows: folds and penalties of one loss.

eta of all fits is one product, and so are their gradients; what lies between is done to all in one call,

    eta_m = X w_m + b_m,    gradient_m = X' (weight_m * loss'(eta_m)) + s_m l2 w_m,    m = 1 .. M

each with the rows of its own (a row that a fit leaves out weighs nothing) and its own strength s_m of the penalty. On few
rows that saves the calls, which there take longer than the arithmetic; on many rows X is read once for all fits.
The fits go their own ways by the rules of `newton`, and one that has arrived drops out.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property, reduce
from operator import add
from typing import Any

import numpy as np

from separatrix.arrays import BoolArray, FloatArray, IntArray
from separatrix.data.block import Block
from separatrix.data.memory import MemorySource
from separatrix.engine.line_search import FAR_TOO_MUCH, SHORTEST, SUFFICIENT, UNSEEN
from separatrix.engine.linear_algebra import factor_positive, potrs
from separatrix.engine.newton import KEEP, MOST_LEFT
from separatrix.equations.hyperplane import weighted_gram
from separatrix.equations.losses import LogLoss

CELLS = 2**16  # of eta at a time: what is made of them stays in cache,
FEW_CELLS = 2**14  # and of few rows in memory that malloc has at hand: new pages cost more than the arithmetic
PAIRS = 2**20  # products of two columns that are kept: of few rows
ALIKE = 100  # rows for each coefficient: more, and a fold's curvature is about that of all rows
CHORDS = 3  # steps that cost as much as one with a new curvature
NOTHING = 1e-4  # of tol: what a fit may be above its optimum after the step that is not looked at


@dataclass(frozen=True)
class Points:
    """theta (M, P), with the objectives' values (M,), gradients (M, P) and curvatures (M, P, P), if asked for."""

    theta: FloatArray
    value: FloatArray
    gradient: FloatArray
    curvature: FloatArray | None = None


@dataclass(frozen=True)
class Family:
    """The rows of all fits, dense; `rows` (F, n) says which of them are in each fold, `l2` (p,) the penalty of strength
    one, and `weight` (F,) is that of each fold."""

    source: MemorySource
    rows: BoolArray
    l2: FloatArray
    fit_intercept: bool
    weight: FloatArray

    @property
    def P(self) -> int:
        """How many coefficients a fit has."""
        return len(self.l2) + int(self.fit_intercept)

    @property
    def own(self) -> bool:
        """Whether folds are so few rows that the curvature of one says little of another, and curvatures are cheap."""
        return self.few is not None and self.source.n_rows <= ALIKE * self.P

    def at(self, theta: FloatArray, fold: IntArray, strength: FloatArray, order: int) -> Points:
        """The fits of some folds (M,) and strengths (M,) at theta (M, P)."""
        return self.penalised(theta, self.sums(theta, fold, order), strength)

    def penalised(self, theta: FloatArray, sums: FloatArray, strength: FloatArray) -> Points:
        """The sums of the loss, (M, ..) or (1, ..) of all fits alike, with the penalty added; a curvature in place."""
        M, P, p = len(strength), self.P, len(self.l2)
        if len(sums) < M:
            sums, theta = np.repeat(sums, M, axis=0), np.repeat(theta, M, axis=0)
        slope = strength[:, None] * self.l2 * theta[:, :p]
        value = sums[:, 0] + 0.5 * np.einsum("mp,mp->m", slope, theta[:, :p])
        gradient = sums[:, 1 : P + 1].copy()
        gradient[:, :p] += slope
        if sums.shape[1] == P + 1:
            return Points(theta, value, gradient)
        curvature = sums[:, P + 1 :].reshape(M, P, P)
        return Points(theta, value, gradient, with_strength(curvature, strength[:, None] * self.l2))

    def sums(self, theta: FloatArray, fold: IntArray, order: int, of: IntArray | None = None) -> FloatArray:
        """Value, gradient and, for order 2, curvature of the loss, per unit weight, side by side: (M, 1 + P (+ P P)).

        `of` (M,) is the row of theta that each fit is at, where several are at the same; one pass.
        """
        total = self.sums_of_few(theta, fold, order, of) if self.few else None
        if total is None:

            def of_block(block: Block) -> FloatArray:
                parts = (self.of_piece(piece, theta, fold, order, of) for piece in pieces(block, CELLS // len(fold)))
                return reduce(add, parts)

            total = self.source.add_up(of_block)
        total /= self.weight[fold, None]
        return total

    def sums_of_few(self, theta: FloatArray, fold: IntArray, order: int, of: IntArray | None) -> FloatArray:
        """The sums over the few rows."""
        assert self.few
        P, M = self.P, len(fold)
        total, states = np.zeros((M, P + 1)), []
        for piece in pieces(self.few, FEW_CELLS // M):
            slopes, state = self.slopes(piece, theta, fold, of)
            total += slopes
            states.append(state)
        if order == 1:
            return total
        state, sums = np.hstack(states) if states[1:] else states[0], np.empty((M, 1 + P + P * P))
        # BLAS packs a matrix before it multiplies, which does not pay for a few rows of another.
        packed = np.dot(state, self.pairs.T) if M > 3 else np.array([np.dot(self.pairs, h) for h in state])
        sums[:, : P + 1] = total
        np.take(packed, self.places, axis=1, out=sums[:, P + 1 :], mode="clip")
        return sums

    def of_piece(
        self, block: Block, theta: FloatArray, fold: IntArray, order: int, of: IntArray | None
    ) -> FloatArray:
        """The sums over some rows."""
        slopes, state = self.slopes(block, theta, fold, of)
        if order == 1:
            return slopes
        ones = self.P - len(self.l2)
        return np.hstack([slopes, [weighted_gram(block.X, h, ones).ravel() for h in state]])

    def slopes(
        self, block: Block, theta: FloatArray, fold: IntArray, of: IntArray | None
    ) -> tuple[FloatArray, FloatArray]:
        """Value and gradient over some rows, side by side (M, 1 + P), and the weighted second derivatives (M, rows)."""
        X, p, P = block.X, len(self.l2), self.P
        eta = np.dot(theta[:, :p], X.T)
        if P > p:
            eta += theta[:, p:]
        if block.offset is not None:
            eta += block.offset.T
        value, gradient, state = LogLoss().together(np.broadcast_to(block.y.T, eta.shape), eta)
        if of is not None:
            value, gradient, state = value[of], gradient[of], state[of]
        # A fold of all rows needs no mask.
        weight = self.rows[fold, block.rows] * block.weight if fold.any() else block.weight[None, :]
        sums = np.empty((len(fold), 1 + P))
        np.einsum("mi,mi->m", value, np.broadcast_to(weight, value.shape), out=sums[:, 0])
        gradient *= weight
        sums[:, 1 : p + 1] = np.dot(gradient, X)
        sums[:, p + 1 :] = gradient.sum(axis=1, keepdims=True)
        state *= weight
        return sums, state

    @cached_property
    def few(self) -> Block | None:
        """All rows as one block, if they are so few that the products of their columns are kept."""
        if self.source.n_rows * self.P * (self.P + 1) > 2 * PAIRS:
            return None
        blocks = list(self.source.blocks(slice(0, self.source.n_rows)))
        return blocks[0] if len(blocks) == 1 else None

    @cached_property
    def pairs(self) -> FloatArray:
        """The products of every two columns of [X 1] for the few rows, (P (P + 1) / 2, n): times weights they are
        curvatures, of all fits in one product."""
        assert self.few
        P, n = self.P, self.source.n_rows
        design, pairs = np.ones((P, n)), np.empty((P * (P + 1) // 2, n))
        design[: len(self.l2)] = self.few.X.T
        for j, first in enumerate(np.cumsum([0, *range(P, 1, -1)])):
            np.multiply(design[j], design[j:], out=pairs[first : first + P - j])
        return pairs

    @cached_property
    def places(self) -> IntArray:
        """Which of the pairs is each entry of a curvature, (P P,)."""
        place = np.empty((self.P, self.P), dtype=np.intp)
        i, j = np.triu_indices(self.P)
        place[i, j] = place[j, i] = np.arange(len(i))
        return place.ravel()


def pieces(block: Block, step: int) -> Iterator[Block]:
    """The block so many rows at a time, which stay the source's."""
    n, step = len(block.weight), max(64, step)
    if n <= step:
        yield block
        return
    start = block.rows.start
    for first in range(0, n, step):
        some = slice(first, min(first + step, n))
        offset = None if block.offset is None else block.offset[some]
        rows = slice(start + some.start, start + some.stop)
        yield Block(block.X[some], block.y[some], block.weight[some], rows, offset)


def with_strength(curvature: FloatArray, l2: FloatArray) -> FloatArray:
    """Curvatures (M, P, P), which change in place, with a penalty's (M, p) added."""
    np.einsum("mii->mi", curvature)[:, : l2.shape[1]] += l2
    return curvature


@dataclass
class Factors:
    """A_m = unit U'U unit of many matrices: the lower triangles U' (M, P, P) and the units (M, P)."""

    lower: FloatArray
    unit: FloatArray

    @staticmethod
    def of(A: FloatArray) -> "Factors":
        """Of A (M, P, P), positive definite, or nearly: as `factor_positive`."""
        diagonal = np.einsum("mii->mi", A)
        unit = np.sqrt(np.where(diagonal > 0, diagonal, 1.0))
        try:
            scaled = A / unit[:, :, None]
            scaled /= unit[:, None, :]
            return Factors(np.linalg.cholesky(scaled), unit)
        except np.linalg.LinAlgError:
            return Factors(np.array([np.tril(factor_positive(each).lower) for each in A]), unit)

    def solve(self, b: FloatArray, some: IntArray) -> FloatArray:
        """A_m^-1 b_m for b of some of them."""
        unit = self.unit[some]
        # A lower triangle row by row is an upper one column by column, as LAPACK has it.
        return np.array([potrs(self.lower[m].T, v)[0] for m, v in zip(some, b / unit, strict=True)]) / unit

    def put(self, some: IntArray, others: "Factors") -> None:
        """Others in the place of some."""
        self.lower[some], self.unit[some] = others.lower, others.unit


@dataclass
class Descent:
    """Where M fits are on their way: of fold (M,), under the penalty times strength (M,), with the metric (M, P, P) of
    the next step. `rate` (M,) is the share of a gap that a step by the metric leaves, as far as that was seen, `left`
    that of a slope, and where the metric is `fresh`, the first step is to bring a new one. All else follows; the arrays change in place.
    """

    family: Family
    fold: IntArray
    strength: FloatArray
    theta: FloatArray
    value: FloatArray
    gradient: FloatArray
    metric: FloatArray
    rate: FloatArray
    left: FloatArray
    fresh: bool
    iterations: IntArray = field(init=False)
    factors: Factors = field(init=False)

    def __post_init__(self) -> None:
        M = len(self.fold)
        self.iterations, self.factors = np.zeros(M, dtype=np.intp), Factors.of(self.metric)
        self.step, self.slope, self.gap = np.empty_like(self.gradient), np.empty(M), np.empty(M)
        self.planned, self.length = np.empty(M), np.empty(M)
        self.before, self.stuck = np.full(M, np.inf), np.zeros(M, dtype=bool)
        self.aim(np.arange(M))

    @staticmethod
    def at(
        family: Family, fold: IntArray, strength: FloatArray, at: Points, metric: Any, fresh: bool
    ) -> "Descent":
        """Fits at known points."""
        rate, left = np.full(len(fold), KEEP), np.zeros(len(fold))
        return Descent(family, fold, strength, at.theta.copy(), at.value, at.gradient, metric, rate, left, fresh)

    def some(self, chosen: IntArray) -> "Descent":
        """Some of the fits, which have not moved yet."""
        parts = (self.theta, self.value, self.gradient, self.metric, self.rate, self.left)
        return Descent(
            self.family, self.fold[chosen], self.strength[chosen], *(part[chosen] for part in parts), self.fresh
        )

    def aim(self, some: IntArray) -> None:
        """The next step of some fits, and about how far they are from their optimum."""
        gradient, value, left = self.gradient[some], self.value[some], self.left[some]
        step = self.factors.solve(-gradient, some)
        slope = np.einsum("mp,mp->m", gradient, step)
        length = 1.0 / (1.0 - np.clip(left, 0.0, MOST_LEFT))
        too_much = (-slope * length > FAR_TOO_MUCH * value) & (value > 0)
        length[too_much] = (-2.0 * value / slope)[too_much]
        self.step[some], self.slope[some], self.gap[some] = step, slope, np.minimum(-0.5 * slope, value)
        self.planned[some] = self.length[some] = length

    def arrived(self, tol: float) -> BoolArray:
        """Which fits are within tol of their optimum, and next to nothing above it after the step that is aimed."""
        return (self.gap <= tol) & (self.rate * self.gap <= NOTHING * tol)

    def run(self, tol: float, max_iter: int) -> "Descent":
        """Every fit until it has arrived, or max_iter steps were taken."""
        while True:
            active = np.flatnonzero(~(self.arrived(tol) | self.stuck | (self.iterations >= max_iter)))
            if not len(active):
                return self
            first = np.isinf(self.before[active])
            soon = self.gap[active] * self.rate[active] ** CHORDS <= NOTHING * tol
            chord = np.where(first, not self.fresh, soon | (self.rate[active] <= KEEP))
            for order, some in ((1, active[chord]), (2, active[~chord])):
                if len(some):
                    self.advance(some, order)

    def advance(self, some: IntArray, order: int) -> None:
        """One try of a step for some fits, of which those whose objective has not fallen will try a shorter one."""
        value, slope, length, step = self.value[some], self.slope[some], self.length[some], self.step[some]
        trial = self.theta[some] + length[:, None] * step
        there = self.family.at(trial, self.fold[some], self.strength[some], order)
        rounding = 4.0 * np.finfo(float).eps * np.abs(value)
        along = np.einsum("mp,mp->m", there.gradient, step)
        fallen = there.value <= value + SUFFICIENT * length * slope + rounding
        fallen |= (-slope * length <= UNSEEN * np.abs(value)) & (np.abs(along) <= -0.5 * slope)
        gone, back = some[fallen], some[~fallen]
        if len(back):
            promised = (slope * length)[~fallen]
            bend = (there.value - value)[~fallen] - promised
            self.length[back] *= np.clip(-0.5 * promised / bend, 0.1, 0.5)
            self.stuck[back] = self.length[back] < SHORTEST * self.planned[back]
        if not len(gone):
            return
        self.theta[gone], self.value[gone], self.gradient[gone] = (
            trial[fallen],
            there.value[fallen],
            there.gradient[fallen],
        )
        if there.curvature is not None:
            self.metric[gone] = there.curvature[fallen]
            self.factors.put(gone, Factors.of(self.metric[gone]))
        whole = (length == self.planned[some])[fallen]
        self.left[gone] = np.where(whole, along[fallen] / slope[fallen], 0.0)
        self.before[gone] = np.maximum(self.gap[gone], np.finfo(float).tiny)
        self.iterations[gone] += 1
        self.aim(gone)
        self.rate[gone] = np.minimum(self.gap[gone] / self.before[gone], 1.0)

    def ends(self, tol: float) -> FloatArray:
        """theta of each fit, (M, P), after the step that is not looked at, where one is due."""
        near = -0.5 * self.slope <= tol
        return np.where(near[:, None], self.theta + self.step, self.theta)

    def under(self, strength: FloatArray, some: IntArray) -> "Descent":
        """Fits of the same folds as some of these under other penalties, from where these are: what is known serves."""
        l2, p = self.family.l2, len(self.family.l2)
        more, theta = strength - self.strength[some], self.theta[some]
        slope = more[:, None] * l2 * theta[:, :p]
        value = self.value[some] + 0.5 * np.einsum("mp,mp->m", slope, theta[:, :p])
        gradient, metric = self.gradient[some], self.metric[some]
        gradient[:, :p] += slope
        metric = with_strength(metric, more[:, None] * l2)
        left = np.zeros(len(some))
        return Descent(
            self.family, self.fold[some], strength, theta, value, gradient, metric, self.rate[some].copy(), left, False
        )
