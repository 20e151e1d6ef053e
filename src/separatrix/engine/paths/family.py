r"""Many fits at once, whose rows are some of the same rows: the folds and penalties of one path, of two classes.

eta of all fits is one product, and so are their gradients; what lies between is done to all in one call,

    eta_m = X w_m + b_m,    gradient_m = X' (weight_m * loss'(eta_m)) + s_m l2 w_m,    m = 1 .. M

each with the rows of its own (a row that a fit leaves out weighs nothing) and its own strength s_m of the penalty. On
few rows that saves calls, which there take longer than the arithmetic; on many rows X is read once for all fits.
"""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from separatrix.arrays import BoolArray, FloatArray, IntArray
from separatrix.cached import cached_property
from separatrix.data.block import Block
from separatrix.data.memory import MemorySource
from separatrix.engine.matrices.linear_algebra import factor_positive, potrs, unit_of
from separatrix.engine.paths.groups import Members, Patterns, sums_of_fits
from separatrix.equations.hyperplane import scratch, weighted_gram
from separatrix.equations.losses import LogLoss

# Of eta at a time: what is made of them stays about in cache, but on threads larger pieces wait less often for Python's
# lock.
CELLS, FEW_CELLS, FEWEST = 90_000, 2**14, 64
FEW_ROWS, PAIRS = 2**14, 2**20  # at most, and products of two of their columns, which are kept


@dataclass(frozen=True)
class Points:
    """theta (M, P), with the objectives' values (M,), gradients (M, P) and curvatures (M, P, P), if asked for."""

    theta: FloatArray
    value: FloatArray
    gradient: FloatArray
    curvature: FloatArray | None = None


@dataclass(frozen=True)
class Asked:
    """What is asked: of fits of some folds (M,) at theta (M, P), the gradient, and for order 2 the curvature.

    Without curvature, fits need not be `valued`: then 0 stands for what their losses add up to. dtype is the precision
    of the products of which many rows make a curvature.
    """

    theta: FloatArray
    fold: IntArray
    order: int
    valued: bool = True
    dtype: DTypeLike = np.float64


@dataclass(frozen=True)
class Family:
    """The rows of all fits, dense; `members` says which of them are in each fold, `l2` (p,) is the penalty of strength
    one, and `weight` (F,) that of each fold."""

    source: MemorySource
    members: Members
    l2: FloatArray
    fit_intercept: bool
    weight: FloatArray

    @property
    def P(self) -> int:
        """How many coefficients a fit has."""
        return len(self.l2) + int(self.fit_intercept)

    def at(self, asked: Asked, strength: FloatArray) -> Points:
        """What is asked of fits under penalties of strength (M,)."""
        return self.penalised(asked.theta, self.sums(asked), strength)

    def lower(self, theta: FloatArray, other: FloatArray, fold: IntArray, strength: FloatArray) -> Points:
        """Of two points for each fit, (M, P), the one whose objective is lower, or the first; with gradients."""
        M = len(fold)
        both = Asked(np.vstack([theta, other]), np.tile(fold, 2), order=1)
        at = self.at(both, np.tile(strength, 2))
        chosen = np.arange(M) + M * (at.value[M:] < at.value[:M])
        return Points(at.theta[chosen], at.value[chosen], at.gradient[chosen])

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

    def sums_of_folds(self, asked: Asked, groups: Patterns) -> FloatArray:
        """As `sums`, for every fold what is asked of fits of all rows, (F, M, ..), in one pass over groups of rows."""
        over_all = partial(self.of_block, asked=asked)
        return np.array(sums_of_fits(self.source.add_up, over_all, self.members, groups)) / self.weight[:, None, None]

    def sums(self, asked: Asked) -> FloatArray:
        """Value, gradient and, for order 2, curvature of the loss, per unit weight, side by side: (M, 1 + P (+ P P)),
        in one pass."""
        if self.few:
            total = self.sums_of_few(asked)
        else:
            total = self.source.add_up(lambda block: self.of_block(block, asked, self.members.at(block.rows)))
        total /= self.weight[asked.fold, None]
        return total

    def of_block(self, block: Block, asked: Asked, here: BoolArray | None = None) -> FloatArray:
        """The sums over the rows of a block that are `here` in each fold, (F, rows), or over all of them."""
        before, total = block.rows.start or 0, np.zeros((len(asked.fold), 1 + self.P + (asked.order == 2) * self.P**2))
        here = np.ones((1, len(block.weight)), dtype=bool) if here is None else here
        for part in block.split(max(FEWEST, CELLS // len(asked.fold))):
            own = slice(part.rows.start - before, part.rows.stop - before) if part is not block else slice(None)
            self.add_piece(total, part, here[:, own], asked)
        return total

    def sums_of_few(self, asked: Asked) -> FloatArray:
        """The sums over the few rows."""
        assert self.few
        P, M = self.P, len(asked.fold)
        total, states = np.zeros((M, P + 1)), []
        for piece in self.few.split(max(FEWEST, FEW_CELLS // M)):
            slopes, state = self.slopes(piece, self.few_here[:, piece.rows], asked)
            total += slopes
            states.append(state)
        if asked.order == 1:
            return total
        state, sums = np.hstack(states) if states[1:] else states[0], np.empty((M, 1 + P + P * P))
        # BLAS packs a matrix before it multiplies, which does not pay for a few rows of another.
        packed = np.dot(state, self.pairs.T) if M > 3 else np.array([np.dot(self.pairs, h) for h in state])
        sums[:, : P + 1] = total
        np.take(packed, self.places, axis=1, out=sums[:, P + 1 :], mode="clip")
        return sums

    def add_piece(self, total: FloatArray, block: Block, here: BoolArray, asked: Asked) -> None:
        """Adds the sums over some of many rows, which often are in a fold all of them, or none: a curvature at a time,
        as all of them may be large."""
        kept = np.flatnonzero(np.any(here, axis=1)[asked.fold])
        if not len(kept):
            return
        slopes, state = self.slopes(block, here, replace(asked, theta=asked.theta[kept], fold=asked.fold[kept]))
        total[kept, : self.P + 1] += slopes
        if asked.order == 2:
            ones = self.P - len(self.l2)
            for m, h in zip(kept, state, strict=True):
                total[m, self.P + 1 :] += weighted_gram(block.X, h, ones, asked.dtype).ravel()

    def slopes(self, block: Block, here: BoolArray, asked: Asked) -> tuple[FloatArray, Any]:
        """Value and gradient over some rows, side by side (M, 1 + P), and for order 2 the weighted second derivatives
        (M, rows); `here` (F, rows) says which of them are in each fold."""
        X, p, P = block.X, len(self.l2), self.P
        eta, weights = scratch((2, len(asked.fold), len(X)), np.float64)  # new pages cost more than the arithmetic
        np.dot(asked.theta[:, :p], X.T, out=eta)
        if p < P:
            eta += asked.theta[:, p:]
        if block.offset is not None:
            eta += block.offset.T
        among = np.bincount(asked.fold, minlength=len(here)) > 0
        weight = block.weight[None, :]
        if not here[among].all():
            weight = np.take(here * weight, asked.fold, axis=0, out=weights, mode="clip")
        sums = np.zeros((len(asked.fold), 1 + P))
        state: Any = None
        if asked.valued:
            value, gradient, state = LogLoss().together(block.y.T, eta)
            np.einsum("mi,mi->m", value, np.broadcast_to(weight, value.shape), out=sums[:, 0])
        else:
            gradient = LogLoss().gradient(block.y.T, eta, out=eta)
        gradient *= weight
        sums[:, 1 : p + 1] = np.dot(gradient, X)
        sums[:, p + 1 :] = gradient.sum(axis=1, keepdims=True)
        if asked.order == 2:
            state *= weight
        return sums, state

    @cached_property
    def few(self) -> Block | None:
        """All rows as one block, if they are so few that the products of their columns can be kept: then every fit can
        have a curvature of its own, which of many rows costs much, and is about that of all rows."""
        n, P = self.source.n_rows, self.P
        if n > FEW_ROWS or n * P * (P + 1) > 2 * PAIRS:
            return None
        blocks = list(self.source.blocks(slice(0, self.source.n_rows)))
        return blocks[0] if len(blocks) == 1 else None

    @cached_property
    def few_here(self) -> BoolArray:
        """Which of the few rows are in each fold, (F, n)."""
        return self.members.at(slice(None))

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
        unit = unit_of(diagonal)
        try:
            scaled = A / unit[:, :, None]
            scaled /= unit[:, None, :]
            return Factors(np.linalg.cholesky(scaled), unit)
        except np.linalg.LinAlgError:
            return Factors(np.array([np.tril(factor_positive(each).lower) for each in A]), unit)

    @property
    def least(self) -> FloatArray:
        """The least conditional standard deviation of a column in each, (M,), of 1 without those before it."""
        return np.einsum("mii->mi", self.lower).min(axis=1)

    @property
    def roots(self) -> FloatArray:
        """Lower triangles R (M, P, P) such that A = R R'."""
        return self.unit[:, :, None] * self.lower

    def solve(self, b: FloatArray, some: IntArray) -> FloatArray:
        """A_m^-1 b_m for b of some of them."""
        unit = self.unit[some]
        # A lower triangle row by row is an upper one column by column, as LAPACK has it.
        return np.array([potrs(self.lower[m].T, v)[0] for m, v in zip(some, b / unit, strict=True)]) / unit

    def put(self, some: IntArray, others: "Factors") -> None:
        """Others in the place of some."""
        self.lower[some], self.unit[some] = others.lower, others.unit
