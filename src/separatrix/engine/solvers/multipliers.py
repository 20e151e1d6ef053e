r"""Newton's method by conjugate gradients in multipliers of the rows: for several classes of more columns than rows.

Weights w = X'a of multipliers a (rows, K) are all that matter, as what no row sees only costs a penalty. A direction d
is kept as its multipliers and its plane X d, for which X is read once: X X'a, a part of the columns after the other. So
no vector is as long as the weights until the end, and a new point costs no product with X. The intercepts are solved
for within each product. With r the slopes and W the curvatures of the mean loss in the eta of each row,

    (l2 + X'S X) d = -(l2 w + X't),    S = W - W 1 V^+ 1'W,    t = r - W 1 V^+ 1'r,    V = 1'W 1

t is also how far from y the fitted probabilities are once tilted to meet the condition on the intercept. So each point
brings the dual bound on its gap (`separatrix.engine.certificates.duality`):

    F - F* <= |l2 w + X't|^2 / (2 l2) + (1'r)'V^+ (1'r)

Of a start w0 that is not zero there is a share s for each class, w = X'a + w0 s.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeGuard

import numpy as np

from separatrix.arrays import FloatArray
from separatrix.cached import cached_property
from separatrix.compressed import transposed
from separatrix.data.block import Block, Source
from separatrix.data.memory import MemorySource, some_rows
from separatrix.data.threads import in_order, keep_at_hand
from separatrix.data.wide import AHEAD, WideRows
from separatrix.engine.certificates.duality import tilt_serves
from separatrix.engine.iterate import UNTIL_THE_END, Aim, Iterate, Solver
from separatrix.engine.line_search import first_fall, less_steep
from separatrix.engine.matrices.linear_algebra import conjugate_gradients
from separatrix.engine.objective import Evaluation, Objective
from separatrix.engine.solvers.conjugate import conjugate_newton, residual_that_counts
from separatrix.engine.sums import gram, weighed
from separatrix.equations.hyperplane import pieces, product
from separatrix.equations.losses import Loss
from separatrix.equations.penalties import ElasticNet

MANY_WEIGHTS = 2**20  # of all classes: more do not stay in cache
MANY_COLUMNS = 2  # for each row: of fewer, the diagonal of the curvature saves more products
MANY_PRODUCTS = 100  # in one Newton step
AT_HAND = 2**25 - 2**16  # bytes: an array of all rows and classes has some MB
MANY_CELLS = 2**17  # of eta, which threads share
ROUNDINGS = 4.0  # of a sum of products
EPSILON = float(np.finfo(float).eps)


def truncated_newton(objective: Objective, theta: FloatArray, aim: Aim = UNTIL_THE_END) -> Solver:
    """By multipliers where they are far fewer, else by the coefficients themselves."""
    fewer = are_fewer(objective.source, objective.penalty, theta.shape[1])
    return (multiplier_newton if fewer else conjugate_newton)(objective, theta, aim)


def are_fewer(source: Source, penalty: ElasticNet, classes: int) -> TypeGuard[MemorySource]:
    """Whether rows in memory are sparse, stored by columns and far fewer than they, and an L2 penalty holds all their
    many weights alike."""
    if not isinstance(source, MemorySource) or not source.is_sparse or source.X.format != "csc":
        return False
    many = classes > 1 and source.n_columns > max(MANY_WEIGHTS / classes, MANY_COLUMNS * source.n_rows)
    return many and not penalty.has_l1 and bool(penalty.l2[0] > 0 and np.ptp(penalty.l2) == 0)


@dataclass(frozen=True)
class Multipliers:
    """The weights X'a + w0 s; a above s, (rows + m, K), m = 1 if the `first` weights w0 (p, K) are not zero, else 0.

    A direction has below its multipliers its plane, X w above w0'w, whose product with multipliers is the inner product
    of the weights that both stand for: a slope is multipliers, too.
    """

    objective: Objective
    first: FloatArray

    @property
    def n(self) -> int:
        return self.objective.source.n_rows

    @cached_property
    def rows(self) -> WideRows:
        assert isinstance(self.objective.source, MemorySource)
        return WideRows(self.objective.source)

    @property
    def l2(self) -> float:
        """The strength of the penalty, one for all."""
        return float(self.objective.penalty.l2[0])

    @cached_property
    def start(self) -> FloatArray:
        """The direction from zero to the first weights."""
        K = self.first.shape[1]
        if not self.first.any():
            return np.zeros((2 * self.n, K))
        square = np.einsum("jk,jk->k", self.first, self.first)
        return np.vstack([np.zeros((self.n, K)), np.ones((1, K)), self.objective.plane(self.first), square])

    def along(self, slope: FloatArray) -> FloatArray:
        """The direction of a slope over l2, in one pass."""
        multipliers = slope / self.l2
        direction = np.empty((2 * len(multipliers), multipliers.shape[1]))
        direction[: len(multipliers)], plane = multipliers, direction[len(multipliers) :]
        self.objective.passes += 1
        plane[: self.n] = self.rows.gram(multipliers[: self.n])
        if len(multipliers) > self.n:
            of_first, share = self.start[len(multipliers) :], multipliers[self.n]
            plane[self.n] = np.einsum("ik,ik->k", of_first, multipliers)
            plane[: self.n] += of_first[: self.n] * share
        return direction

    def plane(self, direction: FloatArray) -> FloatArray:
        """X d of a direction, (rows, K)."""
        return direction[len(direction) // 2 :][: self.n]

    def slope(self, t: FloatArray, direction: FloatArray) -> FloatArray:
        """X't + l2 d, t (rows, K)."""
        slope = self.l2 * multipliers_of(direction)
        slope[: self.n] += t
        return slope

    @cached_property
    def lengths(self) -> FloatArray:
        """|x| of each row, and below them |w0| of each class: of what a multiplier stands for."""
        lengths = np.repeat(np.sqrt(self.rows.squares()), self.first.shape[1], axis=1)
        return np.vstack([lengths, np.sqrt(self.start[len(self.start) // 2 :][self.n :])])

    def lost(self, slope: FloatArray) -> float:
        """What rounding may have lost of half its square over l2, as where its multipliers cancel."""
        longest = np.einsum("ik,ik->k", np.abs(slope), self.lengths)
        return ROUNDINGS * EPSILON * float(longest @ longest) / (2.0 * self.l2)

    def weights(self, multipliers: FloatArray, below: FloatArray) -> FloatArray:
        """The weights, with what comes below them, (m, K): (p + m, K)."""
        p, a = len(self.first), np.ascontiguousarray(multipliers[: self.n])
        theta = np.empty((p + len(below), a.shape[1]))
        self.rows.fill(theta[:p], lambda X: self.objective.canonical(product(transposed(X), a)))
        if len(multipliers) > self.n:
            theta[:p] += self.first * multipliers[self.n]
        theta[p:] = below
        return theta


def multipliers_of(direction: FloatArray) -> FloatArray:
    """The upper half of a direction."""
    return direction[: len(direction) // 2]


def inner(slope: FloatArray, direction: FloatArray) -> float:
    """The inner product of the weights of a slope with those of a direction."""
    return float(np.vdot(slope, direction[len(slope) :]))


@dataclass(frozen=True)
class Point:
    """Weights, as a direction from zero; intercepts (m, K); the objective, the mean loss, and the slope and state of
    each row, (rows, K), where a row counts for its share of all."""

    weights: FloatArray
    intercepts: FloatArray
    value: float
    loss: float
    r: FloatArray
    state: FloatArray


class Reached(Evaluation):
    """A point as an evaluation, whose theta and gradient, as long as all weights, are made when they are asked for."""

    def __init__(self, point: Point, problem: "Problem", weight: float):
        vars(self).update(value=point.value, loss=point.loss, weight=weight, made=(point, problem))

    @cached_property
    def theta(self) -> FloatArray:  # pyright: ignore[reportIncompatibleVariableOverride]
        point, problem = vars(self)["made"]
        return problem.space.weights(multipliers_of(point.weights), point.intercepts)

    @cached_property
    def gradient(self) -> FloatArray:  # pyright: ignore[reportIncompatibleVariableOverride]
        point, problem = vars(self)["made"]
        below = np.broadcast_to(point.r.sum(axis=0), point.intercepts.shape)
        return problem.space.weights(problem.space.slope(point.r, point.weights), below)


@dataclass(frozen=True)
class Problem:
    """A loss; the weights that are sought; all rows as one block, each with its share of the weight of all; the threads
    that share what is done row by row."""

    loss: Loss
    space: Multipliers
    rows: Block
    pool: Any

    def by_pieces(self, work: Callable[[slice], Any]) -> list[Any]:
        """work(some rows), of all."""
        return list(in_order(self.pool, work, pieces(self.space.n, self.space.first.shape[1]), AHEAD))

    def point(self, weights: FloatArray, intercepts: FloatArray) -> Point:
        """The objective there, which costs no product with X."""
        plane, rows = self.space.plane(weights), self.rows
        r, state = np.empty(plane.shape), np.empty(plane.shape)

        def fill(some: slice) -> float:
            here = Block(None, rows.y[some], rows.weight[some], some, some_rows(rows.offset, some))
            value, r[some], state[some] = weighed(here, self.loss, plane[some] + intercepts.sum(axis=0))
            return value

        loss = float(sum(self.by_pieces(fill)))
        penalty = 0.5 * self.space.l2 * inner(multipliers_of(weights), weights)
        return Point(weights, intercepts, loss + penalty, loss, r, state)

    def bent(self, at: Point, v: FloatArray) -> FloatArray:
        """W v, (rows, K), of v (rows, K) or (1, K)."""
        bent = np.empty(at.r.shape)

        def fill(some: slice) -> None:
            times = self.loss.curvature_times(at.state[some], v[some] if len(v) > 1 else v)
            np.multiply(times, self.rows.weight[some, None], out=bent[some])

        self.by_pieces(fill)
        return bent

    def next(
        self,
        at: Point,
        inverse: FloatArray,
        residual: FloatArray,
        direction: FloatArray,
        unsolved: Callable[[float], float],
    ) -> tuple[Point, int]:
        """The point of a Newton step, or of as much of it as lowers the objective, and in how many products; from the
        inverse of V, the slope to be made up for, the direction along that, and how much of its square may be left."""

        def times(d: FloatArray) -> FloatArray:
            v = self.bent(at, self.space.plane(d))
            v -= self.bent(at, (inverse @ v.sum(axis=0))[None])
            return self.space.slope(v, d)

        step, products = conjugate_gradients(
            times, self.space.along, residual, unsolved, MANY_PRODUCTS, direction=direction, inner=inner
        )
        plane = self.space.plane(step)
        shift = -inverse @ (at.r.sum(axis=0) + self.bent(at, plane).sum(axis=0))
        plane = plane + shift

        def there(length: float, _: bool = False) -> Point:
            return self.point(at.weights + length * step, at.intercepts + length * shift)

        def slope(at: Point) -> float:
            return float(np.vdot(at.r, plane)) + self.space.l2 * inner(multipliers_of(at.weights), step)

        first = slope(at)
        found, length = first_fall(at.value, first, there, lambda there: abs(slope(there)))
        return less_steep(at.value, first, there, slope, found, length) if found else at, products


def multiplier_newton(objective: Objective, theta: FloatArray, aim: Aim = UNTIL_THE_END) -> Solver:
    """Truncated Newton (Dembo and Steihaug 1983). The estimated gap of an iterate is its dual bound, which proves it
    where the tilted probabilities are some. Where a step needs many products, as where the columns differ in their
    lengths, it goes on in the weights, where the diagonal of the curvature helps."""
    p, K = objective.source.n_columns, theta.shape[1]
    space = Multipliers(objective, theta[:p])
    keep_at_hand(AT_HAND)
    rows, pool = space.rows.rows, space.rows.source.pool if space.n * K > MANY_CELLS else None
    problem = Problem(objective.loss, space, replace(rows, weight=rows.weight / rows.total), pool)
    at = problem.point(space.start, theta[p:])
    while True:
        V = gram(objective.loss, np.empty((len(at.r), 0)), problem.rows.weight, at.state, ones=1)[0, :, 0, :]
        inverse = np.linalg.pinv(V, rcond=K * EPSILON, hermitian=True) if len(theta) > p else np.zeros((K, K))
        slopes = at.r.sum(axis=0)
        tilt = inverse @ slopes
        t = at.r - problem.bent(at, tilt[None])
        residual = -space.slope(t, at.weights)
        direction = space.along(residual)
        square, lost = max(inner(residual, direction), 0.0), space.lost(residual)
        gap = 0.5 * square + float(tilt @ V @ tilt)
        serves = len(theta) == p or tilt_serves(tilt, t.sum(axis=0), slopes)
        known = serves and gap <= at.value and lost <= max(gap, EPSILON * at.value)
        norm = (space.l2 * square + float(slopes @ slopes)) ** 0.5
        reached = Reached(at, problem, rows.total)
        yield Iterate(reached, min(gap, at.value), proven=gap + lost if known else None, norm=norm)
        unsolved = residual_that_counts(at.value, gap, aim)
        at, products = problem.next(at, inverse, residual, direction, unsolved)
        if products == MANY_PRODUCTS:
            yield from conjugate_newton(objective, Reached(at, problem, rows.total).theta, aim)
