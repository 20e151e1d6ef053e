r"""The directions in which the likelihood never falls: D = {d : x_i'(d_y - d_k) >= 0 for every row i, class k}.

With y the row's own class and d of the first class fixed at 0 (two classes: x'd >= 0 for the second, <= 0 for the
first), the likelihood has a finite maximum if and only if every d in D leaves all of these margins at 0 (Albert and
Anderson 1984, "On the existence of maximum likelihood estimates in logistic regression models"). Otherwise the maximum
lies at infinity, along a d for which as many margins as can be are positive. Konis (2007, "Linear programming
algorithms for detecting separated data in binary logistic regression models") finds some d in D by

    maximise  sum of margins    subject to  all margins >= 0,  -1 <= d <= 1

Here the program is repeated over the rows whose margin was 0 so far, and the directions are added up, until no row is
left to gain: then the sum lies in the relative interior of D, where exactly the rows E that no direction can move have
margin 0. So D spans {d : the margins of E are 0}, and a coefficient is finite if and only if it is 0 in all of that.

Each program is solved on few rows. Those that its solution violates most are added, until there are none: a reading
of the data each. Margins are divided by their row's length, columns by their root mean square. A solution is exact
only to the solver's tolerance, so it is projected onto {margins of its tight rows = 0}; where that leaves D, the
program is solved once more around it, magnified (Gleixner, Steffy and Wolter 2016, "Iterative refinement for linear
programming", INFORMS J. Comput. 28). Where coefficients are many, a fit is asked first for a plane that no row is on.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse
from scipy.optimize import linprog

from separatrix.arrays import BoolArray, FloatArray, IntArray
from separatrix.cached import cached_property
from separatrix.data.block import Block, Source
from separatrix.engine.certificate import LARGEST_CURVATURE
from separatrix.engine.least_squares import design_of
from separatrix.engine.linear_algebra import null_space
from separatrix.engine.objective import block_plane, with_intercept
from separatrix.engine.triangle import triangle_of
from separatrix.equations.hyperplane import gram_diagonal
from separatrix.equations.losses import of_class
from separatrix.inference.plane import separating_plane

TOLERANCE = 1e-10  # of the solver, the least that HiGHS takes
NOISE = 1e-14  # a margin of this size, where a row's length is 1 and so is the largest |d_j|, is rounding
LENSES = ((1.0, 1e-9), (1e6, 10 * NOISE))  # how often magnified, and which violation is then none
MOST_ROUNDS = 200
STEPS_A_ROW = 20  # of the simplex method; it seldom takes 2
ROWS_A_ROUND = 200  # and some for each coefficient
DEPENDENT = 1e-11  # of a column, what those before it leave
MANY = 60  # coefficients, of which a program takes longer than a fit: about as their fourth power


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
        if sparse.issparse(block.X):
            design: Any = sparse.hstack([block.X[some], np.ones((len(some), self.ones))], format="csr")
            design = design @ sparse.diags_array(1.0 / self.scale[:, 0])
            parts = [
                design.multiply(column[:, None]) for column in sign.T
            ]  # (j, k) at k * P + j, then as theta.ravel()
            order = np.arange(design.shape[1] * (self.K - 1)).reshape(self.K - 1, -1).T.ravel()
            side_by_side: Any = sparse.hstack(parts, format="csc")
            return side_by_side[:, order].tocsr()
        design = np.hstack([block.X[some], np.ones((len(some), self.ones))]) / self.scale[:, 0]
        return (design[:, :, None] * sign[:, None, :]).reshape(len(some), len(self.scale) * (self.K - 1))

    def still_triangle(self, d: FloatArray, below: float = NOISE) -> FloatArray:
        """R of the QR decomposition of all rows whose margin is below a bound, (.., P (K - 1)); one pass."""

        def still(block: Block) -> FloatArray:
            rows = self.rows(block, *np.nonzero(self.of(block, d) < below))
            return rows.toarray() if sparse.issparse(rows) else rows

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


@dataclass(frozen=True)
class Recession:
    """A direction d (P, K - 1) in the relative interior of the cone D, in the units of the source's columns, 0 if D
    holds no other; which of its entries can be other than 0 in D, (P, K - 1); and how many of all margins are 0."""

    direction: FloatArray
    moves: BoolArray
    still: int
    margins: int


def recession(source: Source, K: int, ones: int) -> Recession:
    """The cone's relative interior, for a source with K classes; `ones` is 1 with an intercept, else 0."""
    margins = Margins(source, K, ones)
    kept = independent(margins)
    if len(kept) < source.n_columns:  # the coefficient of a column that depends on those before it is 0
        part = recession_of(Margins(source.columns(kept), K, ones))
        rows = np.append(kept, np.arange(source.n_columns, source.n_columns + ones))
        direction = np.zeros((source.n_columns + ones, K - 1))
        moves = np.zeros(direction.shape, bool)
        direction[rows], moves[rows] = part.direction, part.moves
        return Recession(direction, moves, part.still, part.margins)
    return recession_of(margins)


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


def recession_of(margins: Margins) -> Recession:
    """As `recession`, of columns that are independent."""
    P = len(margins.scale)
    d = np.zeros((P, margins.K - 1))
    c, count = margins.total(d)
    still = count
    if d.size > MANY and (plane := separating_plane(margins.source, margins.K, margins.ones)) is not None:
        plane = combined(d, plane * margins.scale)
        if margins.extremes(plane)[0] > NOISE:
            d, still = plane, 0
    while still:
        further = ray(margins, c)
        if further is None:
            break
        d = combined(d, further)
        before, (c, still) = still, margins.total(d)
        if still == before:
            break
    if not d.any():
        return Recession(d, np.zeros(d.shape, bool), count, count)
    basis = null_space(margins.still_triangle(d)) if still and d.size <= LARGEST_CURVATURE else None
    moves = np.ones(d.size, bool) if not still else (d.ravel() != 0 if basis is None else reach(basis))
    if basis is not None:
        d = projected(margins, d, basis, moves)
    d = generic(margins, d, basis, moves.reshape(d.shape))
    return Recession(d / margins.scale + 0.0, moves.reshape(d.shape), still, count)


def generic(margins: Margins, d: FloatArray, basis: FloatArray | None, moves: BoolArray) -> FloatArray:
    """d moved a little along the sum of all margins, within D, where an entry is 0 that need not be: so each has the
    sign that raises the margins, and one that raises as many as it lowers is positive."""
    if np.all(np.abs(d[moves]) > NOISE):
        return d

    def within(step: FloatArray) -> FloatArray:
        step = step if basis is None else (basis @ (basis.T @ step.ravel())).reshape(d.shape)
        return np.where(moves, step, 0.0) / max(np.abs(step).max(), np.finfo(float).tiny)

    step = within(margins.total(np.zeros(d.shape))[0])
    undecided = moves & (np.abs(d) <= NOISE) & (np.abs(step) <= NOISE)
    if undecided.any():
        step += 0.1 * within(1.0 * undecided)
    before = margins.still_count(d)
    for length in 1e-3 * 0.1 ** np.arange(6):
        there = d + length * step
        if margins.extremes(there)[0] >= -NOISE and margins.still_count(there) <= before:
            return there
    return d


def combined(d: FloatArray, further: FloatArray) -> FloatArray:
    """The sum of two directions, its largest entry 1."""
    total = d + further
    return total / np.abs(total).max()


def ray(margins: Margins, c: FloatArray) -> FloatArray | None:
    """A d in D with c'd > 0, its largest entry 1, that `c` prefers to others; None where no such d exists."""
    size = np.abs(c).max()
    if size == 0:
        return None
    at, rows, low = np.zeros(c.shape), None, -np.inf
    for zoom, none in LENSES:
        at, rows = generated(margins, c / np.linalg.norm(c), at, rows, zoom, none)
        if np.abs(at).max() < 0.5:  # D is a cone: a d that helps can be lengthened until it meets the box
            return None
        low, _ = margins.extremes(at)
        d = tight(margins, at, none)
        if d is not None and float(np.sum(c * d)) > 0:
            return d
    return at / np.abs(at).max() if low >= -10 * NOISE else None


def generated(
    margins: Margins, c: FloatArray, at: FloatArray, rows: Any, zoom: float, none: float
) -> tuple[FloatArray, Any]:
    """The d that maximises c'd in the box and in D, up to violations of `none`; and the rows it was solved on."""
    most = ROWS_A_ROUND + 4 * c.size
    d = np.sign(c) if rows is None else at
    for _ in range(MOST_ROUNDS):
        low, more = margins.worst(d, -none, most)
        if not len(low) and rows is not None:
            return d, rows
        rows = more if rows is None else stacked(rows, more)
        d = solved(c, rows, at, zoom)
    return d, rows


def solved(c: FloatArray, rows: Any, at: FloatArray, zoom: float) -> FloatArray:
    """argmax c'd over |d| <= 1 with rows d >= 0, solved for zoom (d - at)."""
    bounds = np.column_stack([zoom * (-1.0 - at.ravel()), zoom * (1.0 - at.ravel())])
    found: Any = None
    for tolerance in (TOLERANCE, 1e-8, 1e-7):  # where rows all but repeat each other, the strictest may go in circles
        options = {
            "primal_feasibility_tolerance": tolerance,
            "dual_feasibility_tolerance": tolerance,
            "maxiter": STEPS_A_ROW * sum(rows.shape),
        }
        found = linprog(-c.ravel(), rows * -1.0, zoom * (rows @ at.ravel()), bounds=bounds, options=options)
        if found.x is not None:
            return at + found.x.reshape(at.shape) / zoom
    # d = 0 is feasible. Where rounding alone has cut it off, nothing else is left either.
    return np.zeros(at.shape)


def tight(margins: Margins, at: FloatArray, none: float) -> FloatArray | None:
    """`at` with every margin that is about 0 made 0, its largest entry 1; None where that leaves D."""
    if at.size > LARGEST_CURVATURE:
        return None
    basis = null_space(margins.still_triangle(at, 10 * none))
    d = (basis @ (basis.T @ at.ravel())).reshape(at.shape)
    if np.abs(d).max() < 0.5:
        return None
    d /= np.abs(d).max()
    d[np.abs(d) < NOISE] = 0.0
    return d if margins.extremes(d)[0] >= -NOISE else None


def reach(basis: FloatArray) -> BoolArray:
    """Which coordinates are not 0 in all of a space."""
    return np.linalg.norm(basis, axis=1) > 1e-9


def projected(margins: Margins, d: FloatArray, basis: FloatArray, moves: BoolArray) -> FloatArray:
    """d in the space that the basis spans, exact zeros where it has them; d itself where that would leave D."""
    polished = ((basis @ (basis.T @ d.ravel())) * moves).reshape(d.shape)
    polished /= np.abs(polished).max(initial=np.finfo(float).tiny)
    return polished if margins.extremes(polished)[0] >= -NOISE else np.where(moves.reshape(d.shape), d, 0.0)
