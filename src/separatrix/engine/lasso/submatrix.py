"""The curvature among some coefficients, as a matrix that is built of dense rows."""

from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from separatrix.arrays import FloatArray, IntArray
from separatrix.data.block import Block
from separatrix.data.memory import MemorySource
from separatrix.data.threads import for_each, in_order
from separatrix.engine.grams import sum_of_squares
from separatrix.engine.objective import Evaluation, Objective
from separatrix.equations.hyperplane import pieces

AHEAD = 2  # copies of some rows that wait to be multiplied


class Those(NamedTuple):
    """Some coefficients, by their places in a flat theta, of columns less t (p, 1), in a unit of each, and in what
    precision."""

    some: IntArray
    unit: FloatArray
    t: FloatArray
    dtype: DTypeLike


def gram_among(part: Objective, source: MemorySource, at: Evaluation, those: Those) -> FloatArray:
    """The curvature of the loss in those coefficients, (some, some), summed over dense rows; a piece of them at a time,
    as their columns are copied."""
    if at.theta.shape[1] > 1:
        return gram_of_classes(part, source, at, those)
    copies = copies_of(part, source, at, those)
    return sum_of_squares(copies, len(those.some), those.dtype, source.pool).full()


def gram_of_classes(part: Objective, source: MemorySource, at: Evaluation, those: Those) -> FloatArray:
    """The same of several columns of eta, whose pairs threads share."""
    some, unit, t, dtype = those
    p, K = source.n_columns, at.theta.shape[1]
    column, eta = np.divmod(some, K)
    order = np.argsort(eta, kind="stable")  # by class
    ends = np.searchsorted(eta[order], np.arange(K + 1))
    own = [slice(first, last) for first, last in pairwise(ends)]
    ones, column, unit = column[order] >= p, np.minimum(column[order], p - 1), unit[order]
    pairs = [(k, m) for k in range(K) for m in range(k + 1)]
    H = np.zeros((len(some), len(some)), dtype)
    for block in source.blocks(slice(0, source.n_rows)):
        state = part.state_of(at, block)
        for rows in pieces(len(block.weight), len(some)):
            weight, p_of = block.weight[rows], state[rows].astype(dtype, copy=False)
            X = np.empty((len(p_of), len(some)), dtype)

            def copy(k: int, block: Block = block, rows: slice = rows, X: FloatArray = X) -> None:
                own_of = column[own[k]]
                X[:, own[k]] = (block.X[rows].take(own_of, axis=1) - t[own_of, 0]) / unit[own[k]] if p else 1.0
                X[:, own[k]][:, ones[own[k]]] = 1.0 / unit[own[k]][ones[own[k]]]

            def add(
                pair: tuple[int, int], weight: FloatArray = weight, p_of: FloatArray = p_of, X: FloatArray = X
            ) -> None:
                k, m = pair
                h = (weight * part.loss.second(p_of, k, m)).astype(dtype, copy=False)
                H[own[k], own[m]] += (X[:, own[k]] * h[:, None]).T @ X[:, own[m]]

            for_each(source.pool, copy, range(K))
            for_each(source.pool, add, pairs)
    for k, m in pairs:  # of a square rounding has made other numbers above its diagonal than below
        H[own[m], own[k]] = H[own[k], own[m]].T if m < k else (H[own[k], own[k]] + H[own[k], own[k]].T) / 2
    place = np.argsort(order)
    return H[np.ix_(place, place)]


def copies_of(part: Objective, source: MemorySource, at: Evaluation, those: Those) -> Iterator[FloatArray]:
    """diag(h)^1/2 [X - 1t' 1] in those columns and their units, h the curvature of one column of eta; some rows at a
    time."""
    some, unit, t, dtype = those
    p = source.n_columns
    column = some[some < p]
    m = len(column)

    def copy(block: Block, rows: slice) -> FloatArray:
        h = block.weight[rows] * part.loss.second(part.state_of(at, block)[rows], 0, 0)
        X = np.empty((len(h), len(some)), dtype)
        cells = block.X[rows] if m == p else block.X[rows].take(column, axis=1)
        np.subtract(cells, t[column, 0], out=X[:, :m], casting="same_kind")
        X[:, :m] /= unit[:m]
        X[:, m:] = 1.0 / unit[m:]
        X *= np.sqrt(h)[:, None].astype(dtype, copy=False)
        return X

    for block in source.blocks(slice(0, source.n_rows)):
        some_rows = pieces(len(block.weight), len(some))
        yield from in_order(source.pool, partial(copy, block), some_rows, ahead=AHEAD)
