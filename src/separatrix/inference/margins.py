r"""The margins x_i'(d_y - d_k) of every row i and class k as functions of a direction d, and which columns they need.

y is the row's own class, and d of the first class is fixed at 0 (two classes: the margin is x'd for the second, and
-x'd for the first). Margins are divided by their row's length, columns by their root mean square.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from separatrix.arrays import BoolArray, FloatArray, IntArray
from separatrix.cached import cached_property
from separatrix.compressed import dense
from separatrix.data.block import Block, Source
from separatrix.engine.matrices.linear_algebra import LARGEST_CURVATURE
from separatrix.engine.matrices.triangle import design_of, triangle_of
from separatrix.engine.sums import block_plane, with_intercept
from separatrix.equations.hyperplane import gram_diagonal, with_ones
from separatrix.equations.links import of_class

NOISE = 1e-14  # a margin of this size, where a row's length is 1 and so is the largest |d_j|, is rounding
DEPENDENT = 1e-11  # of a column, what those before it leave


@dataclass(frozen=True)
class Margins:
    """All margins of a source of K classes as functions of d (P, K - 1), P = p + ones, of scaled columns."""

    source: Source
    K: int
    ones: int

    @cached_property
    def scale(self) -> FloatArray:
        """The root mean square of each column, 1 for the intercept, (P, 1); one pass."""

        def squares(block: Block) -> FloatArray:
            return np.append(gram_diagonal(block.X, np.ones(len(block.weight))), len(block.weight))

        *total, rows = self.source.add_up(squares)
        rms = np.sqrt(np.array(total) / max(rows, 1.0))
        return np.append(np.where(rms > 0, rms, 1.0), np.ones(self.ones))[:, None]

    def lengths(self, block: Block) -> FloatArray:
        """|x_i|_1 in scaled columns, 1 for the intercept included, (rows,); 1 where that is 0."""
        p = block.X.shape[1]
        length = np.asarray(abs(block.X) @ (1.0 / self.scale[:p, 0])) + self.ones
        return np.where(length > 0, length, 1.0)

    def of(self, block: Block, d: FloatArray) -> FloatArray:
        """x_i'(d_y - d_k) / |x_i|, (rows, K); inf for k = y."""
        eta, y = np.zeros((len(block.weight), self.K)), block.codes
        eta[:, 1:] = block_plane(block, d / self.scale)
        margin = (of_class(eta, y)[:, None] - eta) / self.lengths(block)[:, None]
        margin[np.arange(len(y)), y] = np.inf
        return margin

    def total(self, d: FloatArray) -> tuple[FloatArray, int]:
        """The sum over all margins that are 0 at d of their derivatives in d, (P, K - 1), and how many there are."""

        def block_total(block: Block) -> FloatArray:
            still = (self.of(block, d) <= NOISE) / self.lengths(block)[:, None]
            pull = -still
            pull[np.arange(len(pull)), block.codes] += still.sum(axis=1)
            product = with_intercept(block.transposed, pull[:, 1:], len(d)) / self.scale
            return np.append(product.ravel(), float(np.count_nonzero(still)))

        *total, count = self.source.add_up(block_total)
        return np.reshape(total, d.shape), int(count)

    def still_count(self, d: FloatArray) -> int:
        """How many margins are not positive; one pass."""
        return self.source.add_up(lambda block: int(np.count_nonzero(self.of(block, d) <= NOISE)))

    def rows_where(self, d: FloatArray, least: Callable[[Block, FloatArray], BoolArray]) -> IntArray:
        """The rows of which something is true, given the least of their margins, (rows,); one pass."""

        def found(block: Block) -> list[IntArray]:
            return [block.rows.start + np.flatnonzero(least(block, self.of(block, d).min(axis=1)))]

        return np.concatenate(self.source.add_up(found))

    def still_rows(self, d: FloatArray) -> IntArray:
        """The rows with a margin that is not positive."""
        return self.rows_where(d, lambda _, margin: margin <= NOISE)

    def rows_below(self, d: FloatArray, most: float) -> IntArray:
        """The rows with a margin that is less than so much, where they are as long as they are."""
        return self.rows_where(d, lambda block, margin: margin * self.lengths(block) < most)

    def extremes(self, d: FloatArray) -> tuple[float, float]:
        """The smallest and the largest margin; one pass."""

        def ends(block: Block) -> FloatArray:
            margin = self.of(block, d)
            return np.array([-margin.min(initial=np.inf), np.max(margin, where=margin < np.inf, initial=-np.inf)])

        low, high = self.source.add_up(ends, np.maximum)
        return -float(low), float(high)

    def worst(self, d: FloatArray, below: float, most: int) -> tuple[FloatArray, Any]:
        """The smallest margins below a bound, (m,), and their derivatives in d, (m, P (K - 1)); at most so many."""

        def block_worst(block: Block) -> tuple[FloatArray, Any]:
            margin = self.of(block, d)
            some, k = np.nonzero(margin < below)
            lowest, pairs = smallest(margin[some, k], np.column_stack([some, k]), most)
            return lowest, self.rows(block, *pairs.T)

        def both(a: Any, b: Any) -> Any:
            return smallest(np.append(a[0], b[0]), stacked(a[1], b[1]), most)

        return self.source.add_up(block_worst, both)

    def rows(self, block: Block, some: IntArray, k: IntArray) -> Any:
        """The derivatives in d of the margins of rows over classes k, (m, P (K - 1)), sparse where X is."""
        y, length = block.codes[some], self.lengths(block)[some]
        sign = (np.arange(1, self.K) == y[:, None]) * 1.0 - (np.arange(1, self.K) == k[:, None])
        sign /= length[:, None]
        design = with_ones(block.X[some], self.ones)
        if sparse.issparse(design):
            design = design @ sparse.diags_array(1.0 / self.scale[:, 0])
            parts = [
                design.multiply(column[:, None]) for column in sign.T
            ]  # (j, k) at k * P + j, then as theta.ravel()
            order = np.arange(design.shape[1] * (self.K - 1)).reshape(self.K - 1, -1).T.ravel()
            side_by_side: Any = sparse.hstack(parts, format="csc")
            return side_by_side[:, order].tocsr()
        design = design / self.scale[:, 0]
        return (design[:, :, None] * sign[:, None, :]).reshape(len(some), len(self.scale) * (self.K - 1))

    def still_triangle(self, d: FloatArray, below: float = NOISE) -> FloatArray:
        """R of the QR decomposition of all rows whose margin is below a bound, (.., P (K - 1)); one pass."""

        def still(block: Block) -> FloatArray:
            return dense(self.rows(block, *np.nonzero(self.of(block, d) < below)))

        return triangle_of(self.source, still)


def stacked(a: Any, b: Any) -> Any:
    """One matrix on top of the other, sparse or dense."""
    return sparse.vstack([a, b], format="csr") if sparse.issparse(a) else np.vstack([a, b])


def smallest(margin: FloatArray, rows: Any, most: int) -> tuple[FloatArray, Any]:
    """The smallest margins, and their rows; at most so many, the first of equals."""
    if len(margin) <= most:
        return margin, rows
    chosen = np.sort(np.argsort(margin, kind="stable")[:most])
    return margin[chosen], rows[chosen]


def combined(*directions: FloatArray) -> FloatArray:
    """The sum of directions, its largest entry 1."""
    total = sum(directions)
    return total / np.abs(total).max()


def reach(basis: FloatArray) -> BoolArray:
    """Which coordinates are not 0 in all of a space."""
    return np.linalg.norm(basis, axis=1) > 1e-9


def of_independent(margins: Margins) -> tuple[Margins, IntArray]:
    """The margins of independent columns alone, and the rows of d that are theirs."""
    source, p = margins.source, margins.source.n_columns
    kept = independent(margins)
    if len(kept) < p:
        margins = Margins(source.columns(kept), margins.K, margins.ones)
    return margins, np.append(kept, np.arange(p, p + margins.ones))


def independent(margins: Margins) -> IntArray:
    """The columns that are no linear combination of the intercept and the columns before them; of thousands, all."""
    source, p = margins.source, margins.source.n_columns
    if p > LARGEST_CURVATURE:
        return np.arange(p)

    unit = np.concatenate([np.ones(margins.ones), margins.scale[:p, 0]])
    R = triangle_of(source, lambda block: design_of(block, margins.ones) / unit / margins.lengths(block)[:, None])
    return np.array([j - margins.ones for j in first_independent(R) if j >= margins.ones], dtype=np.intp)


def first_independent(R: FloatArray) -> list[int]:
    """The columns of a triangle that are no linear combination of those before them, by Gram and Schmidt, twice, where
    one on the diagonal is so little of its column."""
    least = DEPENDENT * np.linalg.norm(R, axis=0)
    if len(R) == len(least) and np.all(np.abs(np.diagonal(R)) > least):
        return list(range(len(R)))
    Q, kept = np.zeros((len(R), 0)), []
    for j, column in enumerate(R.T):
        rest = column - Q @ (Q.T @ column)
        rest -= Q @ (Q.T @ rest)
        length = np.linalg.norm(rest)
        if length > least[j]:
            kept.append(j)
            Q = np.column_stack([Q, rest / length])
    return kept
