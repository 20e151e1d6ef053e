"""What a pass over the rows adds up: the loss, its gradient and its curvature, not yet per unit weight."""

import operator
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from separatrix.arrays import FloatArray, Matrix
from separatrix.compressed import transposed
from separatrix.data.block import Block, Source
from separatrix.data.memory import MemorySource
from separatrix.data.wide import wide_rows
from separatrix.equations.hyperplane import gram_diagonal, paired_grams, product, project, weighted_gram
from separatrix.equations.losses import Loss

OfRows = Callable[[Block, FloatArray], tuple[float, FloatArray]]


@dataclass(frozen=True)
class Sums:
    """Unnormalised sums over some rows; derivatives are None where they were not asked for."""

    weight: float
    value: float
    gradient: Any = None
    curvature: Any = None

    def __add__(self, other: "Sums") -> "Sums":
        return self._plus(other, operator.add)

    def __iadd__(self, other: "Sums") -> "Sums":
        """Their sum, in the arrays of the first: a curvature may be as large as all that a fit may take."""
        return self._plus(other, operator.iadd)

    def _plus(self, other: "Sums", add: Callable[[Any, Any], Any]) -> "Sums":
        def both(a: Any, b: Any) -> Any:
            return None if a is None else add(a, b)

        return Sums(
            self.weight + other.weight,
            self.value + other.value,
            both(self.gradient, other.gradient),
            both(self.curvature, other.curvature),
        )


def through_block(block: Block, theta: FloatArray, of_rows: OfRows) -> Sums:
    """The number that of_rows makes of the rows of a block and their plane X w + b, (rows, K); and [X 1]'r, (P, K), of
    the r (rows, K) that it makes."""
    value, r = of_rows(block, block_plane(block, theta))
    return Sums(block.total, value, with_intercept(block.transposed, r, len(theta)))


def block_sums(
    block: Block,
    loss: Loss,
    theta: FloatArray,
    order: int,
    dtype: DTypeLike = np.float64,
) -> Sums:
    """Loss, gradient (order 1) and curvature (order 2, made in the precision of dtype) summed over the rows of a
    block."""
    if order == 0:
        return Sums(block.total, float(np.sum(product(block.weight, loss.value(block.y, block_eta(block, theta))))))
    if order == 1:
        return through_block(block, theta, partial(slopes, loss=loss))
    sums, state = sums_and_state(block, loss, theta)
    curvature = gram(loss, block.X, block.weight, state, len(theta) - block.X.shape[1], dtype)
    return Sums(sums.weight, sums.value, sums.gradient, curvature.astype(np.float64, copy=False))


def is_level(source: Source, theta: FloatArray) -> bool:
    """Whether all rows in memory have the same eta, of several columns, as where a fit starts: it is the intercepts."""
    several = theta.shape[1] > 1 and isinstance(source, MemorySource) and source.offset is None
    return several and not theta[: source.n_columns].any()


def level_sums(
    add_up: Callable[[Callable[[Block], Sums]], Sums], loss: Loss, theta: FloatArray, ones: int, dtype: DTypeLike
) -> Sums:
    """As `block_sums` of order 2, summed over all blocks, where all rows have the same eta: of [X 1]'[X 1] alone the
    curvature is made of all pairs of its columns."""
    level = theta[len(theta) - ones :].sum(axis=0, keepdims=True)
    of_row = gram(loss, np.empty((1, 0)), np.ones(1), loss.together(np.zeros(1, dtype=int), level)[2], ones=1)

    def of_block(block: Block) -> Sums:
        sums, _ = sums_and_state(block, loss, theta)
        return replace(sums, curvature=weighted_gram(block.X, block.weight, ones, dtype).astype(np.float64, copy=False))

    sums = add_up(of_block)
    return replace(sums, curvature=sums.curvature[:, None, :, None] * of_row)


def gram(
    loss: Loss, X: Matrix, weight: FloatArray, state: FloatArray, ones: int, dtype: DTypeLike = np.float64
) -> FloatArray:
    """The curvature of a loss in the coefficients, (P, K, P, K), summed over weighted rows of [X 1], from the state of
    each; of products in the precision of dtype.

    >>> from separatrix.equations.losses import LogLoss
    >>> gram(LogLoss(), np.array([[2.0]]), np.array([4.0]), np.array([[0.25]]), ones=1).reshape(2, 2)
    array([[4., 2.],
           [2., 1.]])
    """
    return loss.of_pairs(paired_grams(X, loss.pair_roots(weight, state), ones, dtype), state.shape[1])


def sums_and_state(block: Block, loss: Loss, theta: FloatArray) -> tuple[Sums, FloatArray]:
    """Loss and gradient summed over the rows of a block, and the loss's state of each, (rows, K)."""
    value, r, state = weighed(block, loss, block_plane(block, theta))
    return Sums(block.total, value, with_intercept(block.transposed, r, len(theta))), state


def slopes(block: Block, plane: FloatArray, loss: Loss, keep: Any = None) -> tuple[float, FloatArray]:
    """The loss summed over some rows, and what it rises with eta of each, (rows, K), both weighted; of the plane, which
    is used up.

    `keep` (all rows, K) takes the loss's state of these, of which products with the curvature are made: in single
    precision, of which losses ask no more.
    """
    value, r, state = weighed(block, loss, plane)
    if keep is not None:
        keep[block.rows] = state
    return value, r


def weighed(block: Block, loss: Loss, plane: FloatArray) -> tuple[float, FloatArray, FloatArray]:
    """As `slopes`, with the state."""
    if block.offset is not None:
        plane += block.offset
    value, r, state = loss.together(block.y, plane)
    r *= block.weight[:, None]
    return float(product(block.weight, value).sum()), r, state


def block_eta(block: Block, theta: FloatArray) -> FloatArray:
    """eta = X w + b + offset for the rows of a block, (rows, K)."""
    eta = block_plane(block, theta)
    if block.offset is not None:
        eta += block.offset
    return eta


def block_state(block: Block, loss: Loss, theta: FloatArray) -> FloatArray:
    """The loss's state of the rows of a block, (rows, K), in double: what is kept of it is for models alone."""
    return loss.together(block.y, block_eta(block, theta))[2]


def block_plane(block: Block, theta: FloatArray) -> FloatArray:
    """X w + b for the rows of a block, (rows, K): eta without its offset, and what a step of theta adds to eta."""
    p = block.X.shape[1]
    plane = project(block.X, theta[:p])
    for b in theta[p:]:
        plane += b
    return plane


def with_intercept(transposed: Matrix, r: FloatArray, P: int) -> FloatArray:
    """[X 1]' r, (P, K), of X' (p, rows): what theta's last row multiplies, if P > p, is a column of ones."""
    sums, p = np.empty((P, r.shape[1])), transposed.shape[0]
    product(transposed, r, sums[:p])
    sums[p:] = r.T.sum(axis=1)
    return sums


def slope_of_centred(g: FloatArray, centre: FloatArray) -> FloatArray:
    """Of [X 1]'r, (P, K), that of the columns less a centre (p,): (p, K)."""
    p = len(centre)
    return g[:p] - centre[:, None] * g[p:].sum(axis=0)


def column_moments(source: Source) -> tuple[FloatArray, FloatArray]:
    """The weighted mean of every column and of its square, (p, 1) each; one pass."""

    def moments(X: Matrix, weight: FloatArray) -> FloatArray:
        both = np.empty((X.shape[1], 2))
        both[:, :1] = product(transposed(X), weight[:, None])
        both[:, 1:] = gram_diagonal(X, weight[:, None])
        return both

    if (wide := wide_rows(source)) is not None:
        both, total = np.empty((source.n_columns, 2)), wide.rows.total
        wide.fill(both, partial(moments, weight=wide.rows.weight))
    else:
        sums = source.add_up(lambda block: Sums(block.total, 0.0, moments(block.X, block.weight)))
        both, total = sums.gradient, sums.weight
    both /= total
    return both[:, :1], both[:, 1:]
