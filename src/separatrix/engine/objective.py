r"""The objective as a sum over rows, and the only place that asks the data for it.

    F(theta) = (1 / sum_i weight_i) sum_i weight_i loss(y_i, eta_i) + penalty(w),      eta = X w + b + offset

theta is (p + 1, K), the weights w above the intercept b, or (p, K) without an intercept; the offset (rows, K) is given,
often none. Sums over blocks add, so any split of the rows gives the same answer to rounding.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from separatrix.arrays import FloatArray, IntArray
from separatrix.cached import cached_property
from separatrix.data.block import Block, Source
from separatrix.data.memory import MemorySource
from separatrix.data.wide import wide_rows
from separatrix.engine.augmented import Augmented, augmented
from separatrix.engine.grams import in_parts, shared_gram, shared_sums, shares_squares
from separatrix.engine.matrices.linear_algebra import Factor, factor_of_root, factor_positive
from separatrix.engine.matrices.packed import Half
from separatrix.engine.matrices.triangle import triangle, triangle_of
from separatrix.engine.sums import (
    OfRows,
    Sums,
    block_plane,
    block_sums,
    column_moments,
    is_level,
    level_sums,
    slopes,
    through_block,
    with_intercept,
)
from separatrix.equations.hyperplane import beside_ones, pieces, weighted_gram
from separatrix.equations.losses import ClassLoss, Loss
from separatrix.equations.penalties import ARRAYS, ElasticNet, scaled

LARGE = 500  # columns, whose Gram matrix is not small beside a block of rows
STATE = np.dtype(np.float32)  # of what is kept: an error of the curvature, not of the gradient
TRACE_OF_ROOT = 1e-26  # its square root is seen beside 1, as the differences of columns are that all but repeat others
ROUNDING = 4.0 * float(np.finfo(float).eps)  # of the objective
ROUNDED = 4.0 * float(np.finfo(float).eps)  # of the weights of a column, what may be left along flat directions
TRACE = 1e-10  # of a curvature: enough to make a matrix positive definite, too little to slow a step


@dataclass(frozen=True)
class Evaluation:
    """The objective at theta: value = loss + penalty, per unit of `weight`; gradient (P, K), curvature (P K, P K).

    Both derivatives leave out the L1 part of the penalty, which has none where a weight is zero. A `root` R of the
    curvature, R'R, knows what its rounding hides.
    """

    theta: FloatArray
    value: float
    loss: float
    gradient: Any = None
    curvature: Any = None
    weight: float = np.nan
    root: Any = None

    @cached_property
    def factor(self) -> Factor:
        """The factor of the curvature."""
        return factor_positive(self.curvature) if self.root is None else factor_of_root(self.root)

    def let_go_of_factor(self) -> None:
        """It takes as much memory as the curvature; whoever asks for it has it made again."""
        vars(self).pop("factor", None)


@dataclass
class Objective:
    """F and its derivatives over a source; counts the readings of the data in `passes`.

    Of some coefficients it may be known that others make up for them in all rows. They are to be left as they are, and
    have a curvature to hold them, `idle` (P, K), which is 0 for the others.
    """

    source: Source
    loss: Loss
    penalty: ElasticNet
    fit_intercept: bool
    passes: int = 0
    idle: FloatArray | None = None
    kept: tuple[FloatArray, FloatArray] | None = field(default=None, init=False, repr=False)  # theta and its state

    def evaluate(
        self, theta: FloatArray, order: int, keep_state: bool = False, dtype: DTypeLike = np.float64
    ) -> Evaluation:
        """Value, and for order 1 gradient, and for order 2 curvature, in one pass.

        dtype is the precision of the products of which a curvature is made; all else is in double. With a gradient the
        state, see `state_of`, can be kept, where there is room for it, until that of another point is.
        """
        if order and theta.shape[1] == 1 and not keep_state and (few := self._augmented) is not None:
            self.passes += 1
            return self._penalised(theta, few.weight, *few.means(self.loss, theta, order))
        if order == 2 and is_level(self.source, theta):
            ones = len(theta) - self.source.n_columns
            return self.evaluation(theta, level_sums(self.add_up, self.loss, theta, ones, dtype), spare=True)
        if order == 2 and shares_squares(self.source, *theta.shape):
            self.passes += 1
            return self.evaluation(theta, shared_sums(self.source, self.loss, theta, dtype), spare=True)
        if order == 1:
            state = self._room_for_state(theta) if keep_state else None
            sums = self.through_rows(theta, partial(slopes, loss=self.loss, keep=state))
        else:
            self.passes += 1
            source = in_parts(self.source, theta.size) if order else self.source
            sums = source.add_up(partial(block_sums, loss=self.loss, theta=theta, order=order, dtype=dtype))
        return self.evaluation(theta, sums, spare=True)

    @cached_property
    def _augmented(self) -> Augmented | None:
        return augmented(self.source, int(self.fit_intercept))

    def _room_for_state(self, theta: FloatArray) -> FloatArray | None:
        """Where the state at theta is to be kept, (rows, K), each column contiguous; None where there is no room."""
        rows, K = self.source.n_rows, theta.shape[1]
        if self.source.room < K * STATE.itemsize:
            return None
        state = np.empty((K, rows), dtype=STATE).T if self.kept is None else self.kept[1]
        self.kept = theta, state
        return state

    def kept_state(self, at: Evaluation) -> FloatArray | None:
        """The state of all rows at a point, (rows, K), if it is kept."""
        return self.kept[1] if self.kept is not None and self.kept[0] is at.theta else None

    def evaluation(self, theta: FloatArray, sums: Sums, spare: bool = False) -> Evaluation:
        """What sums over all rows at theta amount to: per unit weight, and with the penalty. Sums to `spare` may
        be written over."""
        gradient, curvature = sums.gradient, sums.curvature
        if gradient is not None:
            gradient = gradient if spare else gradient.copy()
            gradient /= sums.weight
        if curvature is not None:
            curvature = np.ascontiguousarray(curvature) if spare else curvature.copy(order="C")
            curvature /= sums.weight
            curvature = curvature.reshape(theta.size, theta.size)
        return self._penalised(theta, sums.weight, sums.value / sums.weight, gradient, curvature)

    def _penalised(self, theta: FloatArray, weight: float, loss: float, gradient: Any, curvature: Any) -> Evaluation:
        """The evaluation with means of the loss and of its derivatives, to which the penalty's are added in place."""
        w = theta[: self.source.n_columns]
        if gradient is not None:
            self.penalty.add_gradient(w, gradient)
        if curvature is not None:
            self._add_penalty(curvature, w)
        return Evaluation(theta, loss + self.penalty.value(w), loss, gradient, curvature, weight)

    def state_of(self, at: Evaluation, block: Block) -> FloatArray:
        """The state of the loss of a block's rows at a point, (rows, K): as it was kept, else made again."""
        if (state := self.kept_state(at)) is not None:
            return state[block.rows]
        plane = self.plane(at.theta) if block.X is None else block_plane(block, at.theta)
        return self.loss.together(block.y, plane if block.offset is None else plane + block.offset)[2]

    def curvature_times(self, at: Evaluation, direction: FloatArray) -> FloatArray:
        """Curvature times a direction, both (P, K), at a point whose state may be kept: one pass, and no matrix."""

        def along_rows(block: Block, plane: FloatArray) -> tuple[float, FloatArray]:
            along = self.loss.curvature_times(self.state_of(at, block), plane)
            along *= block.weight[:, None] / at.weight
            return 0.0, along

        result = self.through_rows(direction, along_rows).gradient
        self.penalty.add_gradient(direction[: self.source.n_columns], result)  # as its smooth part is a quadratic
        return result

    def rooted(self, at: Evaluation) -> Evaluation:
        """The evaluation with a curvature that comes of its root, in one pass: rows are never squared, and columns that
        all but repeat each other keep their digits."""
        (P, K), ones = at.theta.shape, len(at.theta) - self.source.n_columns
        self.passes += 1

        def rows(block: Block) -> FloatArray:
            X = beside_ones(block.X, ones)
            B = np.sqrt(block.weight / at.weight)[:, None, None] * self.loss.roots(self.state_of(at, block))
            return np.einsum("ij,ikc->icjk", X, B).reshape(-1, P * K)

        R = triangle_of(self.source, rows, K)
        w, flat, l2 = at.theta[: self.source.n_columns], self.loss.flat(K), np.zeros((P, K))
        l2[: len(w)] = self.penalty.curvature(w)
        held = np.sqrt(self._along_flat(np.square(R).sum(axis=0).reshape(P, K), TRACE_OF_ROOT))
        if self.idle is not None:
            l2 += self.idle
        R = triangle(np.vstack([R, np.diag(np.sqrt(l2.ravel())), np.kron(np.diag(held), flat.T)]))
        return replace(at, curvature=R.T @ R, root=R)

    def column_moments(self) -> tuple[FloatArray, FloatArray]:
        """The weighted mean of every column and of its square, (p, 1) each; one pass."""
        self.passes += 1
        return column_moments(self.source)

    def half_gram(self, ones: int, weight: Callable[[Block], FloatArray], dtype: DTypeLike) -> Half:
        """[X 1]' diag(weight) [X 1] over the sum of the rows' own weights, in one pass and the precision of dtype."""
        source = self.source
        if isinstance(source, MemorySource) and not source.is_sparse and source.n_columns > LARGE:
            self.passes += 1
            half, total = shared_gram(source, ones, weight, dtype), float(source.weight.sum())
        else:

            def of_block(block: Block) -> Sums:
                return Sums(block.total, 0.0, curvature=weighted_gram(block.X, weight(block), ones, dtype))

            sums = self.add_up(of_block)
            half, total = Half.of(sums.curvature, dtype), sums.weight
        np.divide(half.numbers, total, out=half.numbers)
        return half

    def diagonal_bound(self, theta: FloatArray) -> FloatArray:
        """An upper bound on the curvature's diagonal that holds everywhere, (P, 1): the scale of each coefficient."""
        diagonal, p = np.full((len(theta), 1), self.loss.curvature_bound), self.source.n_columns
        diagonal[:p] = self.loss.curvature_bound * self.column_moments()[1] + self.penalty.l2[:, None]
        return np.where(diagonal > 0, diagonal, 1.0)

    def add_up(self, function: Any, *combine: Any) -> Any:
        """One pass: the function of every block, summed, or combined as told."""
        self.passes += 1
        return self.source.add_up(function, *combine)

    def through_rows(self, theta: FloatArray, of_rows: OfRows) -> Sums:
        """Of rows and their plane X w + b, (rows, K), of_rows makes a number and r (rows, K): the sum of the numbers,
        and [X 1]'r, (P, K), in one pass."""
        if (wide := wide_rows(self.source)) is None:
            return self.add_up(partial(through_block, theta=theta, of_rows=of_rows))
        self.passes += 1
        value, r = of_rows(wide.rows, wide.plane(theta))
        return Sums(wide.rows.total, value, wide.pull(r, len(theta)))

    def pull(self, P: int, of_rows: Callable[[Block], FloatArray]) -> Sums:
        """[X 1]'r, (P, K), or X'r for P = p, of the r (rows, K) that of_rows makes of rows, in one pass."""
        if (wide := wide_rows(self.source)) is None:
            return self.add_up(
                lambda block: Sums(block.total, 0.0, with_intercept(block.transposed, of_rows(block), P))
            )
        self.passes += 1
        return Sums(wide.rows.total, 0.0, wide.pull(of_rows(wide.rows), P))

    def plane(self, theta: FloatArray) -> FloatArray:
        """X w + b of all rows in memory, (rows, K), in one pass; theta may be w alone."""
        if (wide := wide_rows(self.source)) is not None:
            self.passes += 1
            return wide.plane(theta)
        return self.by_rows(partial(block_plane, theta=theta), theta.shape[1])

    def by_rows(self, of_block: Callable[[Block], FloatArray], *shape: int) -> FloatArray:
        """Of every row in memory what of_block makes of a block, (rows, ...), in one pass."""
        out = np.empty((self.source.n_rows, *shape))

        def fill(block: Block) -> float:
            out[block.rows] = of_block(block)
            return 0.0

        self.add_up(fill)
        return out

    def _add_penalty(self, curvature: FloatArray, w: FloatArray) -> None:
        """Adds the penalty's curvature to (P K, P K), and some along the directions in which the loss is flat.

        Iterates start and stay orthogonal to those (see `canonical`), so it changes no step; it makes the matrix
        positive definite, which softmax's alone is not. With an L1 part the penalty alone decides along them, so a
        trace must do.
        """
        P, K = len(curvature) // w.shape[1], w.shape[1]
        flat = self.loss.flat(K)
        diagonal = np.einsum("ii->i", curvature).reshape(P, K)  # a view
        if flat.size:
            blocks, along = curvature.reshape(P, K, P, K), self._along_flat(diagonal)[:, None, None]
            blocks[np.arange(P), :, np.arange(P), :] += along * (flat @ flat.T)
        diagonal[: len(w)] += self.penalty.curvature(w)
        if self.idle is not None:
            diagonal += self.idle

    def _along_flat(self, diagonal: FloatArray, trace: float = TRACE) -> FloatArray:
        """The curvature that each row of theta is given along flat directions, (P,), from that of the loss (P, K)."""
        return diagonal.mean(axis=1) * np.where(self.l1[:, 0] > 0, trace, 1.0)

    def smallest_margin(self, theta: FloatArray) -> float:
        """The margin, by the plane alone, of the row that is closest to the wrong side, or farthest on it; one pass.

        An offset does not count: it stays as it is while the weights grow, and could put every row on its side by
        itself. Minus infinity of a loss that knows no classes.
        """
        loss = self.loss
        if not isinstance(loss, ClassLoss):
            return -np.inf

        def smallest(block: Block) -> float:
            margins = loss.margin(block.y, block_plane(block, theta))[block.weight > 0]
            return float(margins.min(initial=np.inf))

        return self.add_up(smallest, min)

    def canonical(self, theta: FloatArray) -> FloatArray:
        """The member of theta's equivalence class with no part along flat directions: never a larger penalty.

        Rows with an L1 part stay: there it would be another penalty.
        """
        flat, moved = self.loss.flat(theta.shape[1]), theta
        stays = self.l1 > 0 if self.penalty.has_l1 else None
        for some in pieces(len(theta), ARRAYS * theta.shape[1]) if flat.size else ():
            own = theta[some]
            part, largest = own @ flat, np.maximum(own.max(axis=1), -own.min(axis=1))
            if np.any(np.abs(part).max(axis=1) > ROUNDED * largest):
                moved, along = theta.copy() if moved is theta else moved, part @ flat.T
                moved[some] -= along if stays is None else np.where(stays[some], 0.0, along)
        return moved

    def cheapest(self, theta: FloatArray) -> FloatArray:
        """The member of theta's equivalence class with the least penalty."""
        if not self.loss.flat(theta.shape[1]).size:
            return theta
        p = self.source.n_columns
        return np.vstack([self.penalty.shifted(theta[:p]), theta[p:]])

    def over(self, source: Source) -> "Objective":
        """The same objective over other rows, which are some of these. Its passes are its own."""
        return replace(self, source=source, passes=0)

    def columns(self, chosen: IntArray) -> "Objective":
        """The objective over some of the columns, the weights of the others zero. Its passes are its own."""
        return Objective(self.source.columns(chosen), self.loss, self.penalty.columns(chosen), self.fit_intercept)

    def stronger(self, times: float, at: Evaluation) -> "tuple[Objective, Evaluation]":
        """The objective with an L1 part so many times as strong, and what it is at a point."""
        stage = replace(self, penalty=ElasticNet(scaled(self.penalty.l1, times), self.penalty.l2))
        w = at.theta[: self.source.n_columns]
        return stage, replace(at, value=at.loss + stage.penalty.value(w))

    @property
    def l1(self) -> FloatArray:
        """The L1 strength of each row of theta, (P, 1): zero for the intercept."""
        return np.append(self.penalty.l1, np.zeros(int(self.fit_intercept)))[:, None]

    def subgradient(self, at: Evaluation) -> FloatArray:
        """The smallest subgradient, (P, K): the gradient itself where there is no L1 part."""
        if not self.penalty.has_l1:
            return at.gradient
        p = self.source.n_columns
        smallest = at.gradient.copy()
        self.penalty.subgradient(at.theta[:p], smallest[:p], out=smallest[:p])
        return smallest
