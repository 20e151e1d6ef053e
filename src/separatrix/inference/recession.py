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
programming", INFORMS J. Comput. 28). What columns show by themselves is known beforehand (`separatrix.inference.lone`);
where coefficients are many, fits are asked first (`separatrix.inference.faces`).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy  # optimize loads where it is used: that takes longer than a small fit

from separatrix.arrays import BoolArray, FloatArray
from separatrix.data.block import Source
from separatrix.engine.matrices.linear_algebra import LARGEST_CURVATURE, null_space
from separatrix.inference.faces import alone, interior
from separatrix.inference.margins import NOISE, Margins, combined, of_independent, reach, stacked

TOLERANCE = 1e-10  # of the solver, the least that HiGHS takes
LENSES = ((1.0, 1e-9), (1e6, 10 * NOISE))  # how often magnified, and which violation is then none
MOST_ROUNDS = 200
STEPS_A_ROW = 5  # of the simplex method; it seldom takes 2
ROWS_A_ROUND = 200  # and some for each coefficient
MANY = 60  # coefficients, of which a program takes longer than a fit: about as their fourth power
PATIENCE = 6e10  # cells of programs, in every step of the simplex method all of its own: some twenty seconds
MATRICES, PROGRAM = 12, 120  # of all coefficients, as large as which are a null space with all it takes, and a program


@dataclass(frozen=True)
class Recession:
    """A direction d (P, K - 1) in the relative interior of the cone D, in the units of the source's columns, 0 if D
    holds no other; which of its entries can be other than 0 in D, (P, K - 1); and how many of all margins are 0. If it
    is not `whole`, D was not searched through: more entries may be other than 0."""

    direction: FloatArray
    moves: BoolArray
    still: int
    margins: int
    whole: bool = True


@dataclass
class Patience:
    """How many cells programs may still visit."""

    left: float

    def steps(self, cells: int) -> int:
        """Of the simplex method, of a program of so many cells; Enough where there is none."""
        if self.left < cells:
            raise Enough
        return int(min(self.left / cells, 2.0**31 - 1.0))


class Enough(Exception):
    """Programs take too long."""


def recession(source: Source, K: int, ones: int, room: float = np.inf, patience: float = np.inf) -> Recession | None:
    """The cone's relative interior, for a source with K classes; `ones` is 1 with an intercept, else 0. None where to
    find it would take more than so many bytes, or more patience before it has a direction."""
    size = 8.0 * ((source.n_columns + ones) * (K - 1)) ** 2
    if MATRICES * size > room:
        return None
    margins, rows = of_independent(Margins(source, K, ones))
    part = recession_of(margins, PROGRAM * size <= room, Patience(patience))
    if part is None or len(rows) == source.n_columns + ones:
        return part
    direction = np.zeros((source.n_columns + ones, K - 1))  # of a column that depends on those before it 0
    moves = np.zeros(direction.shape, bool)
    direction[rows], moves[rows] = part.direction, part.moves
    return Recession(direction, moves, part.still, part.margins, part.whole)


def recession_alone(source: Source, K: int, ones: int) -> Recession | None:
    """What columns show that do it alone, which takes a few passes however many there are; None where none does, or
    there are no more rows than columns, so that most do."""
    margins = Margins(source, K, ones)
    if source.n_rows <= source.n_columns or (d := alone(margins)) is None:
        return None
    return Recession(d / margins.scale, d != 0, margins.still_count(d), margins.still_count(0.0 * d), whole=False)


def recession_of(margins: Margins, programs: bool, patience: Patience) -> Recession | None:
    """As `recession`, of columns that are independent; None where it takes linear programs, and these may not be."""
    whole = True
    d, lone = np.zeros((len(margins.scale), margins.K - 1)), alone(margins)
    count = margins.still_count(d)
    # Of several classes a fit does not tell which of them a row is to be kept for.
    found = interior(margins, lone) if d.size > MANY and (lone is None or margins.K == 2) else None
    if found is not None:
        d, still = found, margins.still_count(found)
    elif programs:
        d, still, whole = by_programs(margins, d if lone is None else lone, patience)
    else:
        return None
    if not whole:
        return Recession(d / margins.scale, d != 0, still, count, whole) if d.any() else None
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


def by_programs(margins: Margins, d: FloatArray, patience: Patience) -> tuple[FloatArray, int, bool]:
    """The direction, as a sum of those that programs find to one that is known, d, how many margins are 0 at it, and
    whether there was patience for all.

    Each has to gain more than rounding lets it lose, and to leave fewer margins at 0: else nothing may ever end it.
    """
    (c, still), rows = margins.total(d), None
    while still:
        try:
            further, rows = ray(margins, c, rows, patience)
        except Enough:
            return d, still, False
        if further is None:
            break
        there = combined(d, further)
        left, fewer = margins.total(there)
        if fewer >= still or float(np.sum(c * further)) <= still * LENSES[-1][1]:
            break
        d, c, still = there, left, fewer
    return d, still, True


def ray(margins: Margins, c: FloatArray, rows: Any, patience: Patience) -> tuple[FloatArray | None, Any]:
    """A d in D with c'd > 0, its largest entry 1, that `c` prefers to others, None where no such d exists; and the rows
    that it was solved on, of which those given, of a program before, are known to matter."""
    if not c.any():
        return None, rows
    at, low, c = np.zeros(c.shape), -np.inf, c / np.linalg.norm(c)
    at = at if rows is None else solved(c, rows, at, LENSES[0][0], patience)
    for zoom, none in LENSES:
        at, rows = generated(margins, c, at, rows, zoom, none, patience)
        if np.abs(at).max() < 0.5:  # D is a cone: a d that helps can be lengthened until it meets the box
            return None, rows
        low, _ = margins.extremes(at)
        d = tight(margins, at, none)
        if d is not None and float(np.sum(c * d)) > 0:
            return d, rows
    return (at / np.abs(at).max() if low >= -10 * NOISE else None), rows


def generated(
    margins: Margins,
    c: FloatArray,
    at: FloatArray,
    rows: Any,
    zoom: float,
    none: float,
    patience: Patience,
) -> tuple[FloatArray, Any]:
    """The d that maximises c'd in the box and in D, up to violations of `none`; and the rows it was solved on."""
    most = ROWS_A_ROUND + 4 * c.size
    d = np.sign(c) if rows is None else at
    for _ in range(MOST_ROUNDS):
        low, more = margins.worst(d, -none, most)
        if not len(low) and rows is not None:
            return d, rows
        rows = more if rows is None else stacked(rows, more)
        before, d = d, solved(c, rows, at, zoom, patience)
        if np.array_equal(d, before):  # as where what is violated is none to the solver
            break
    return d, rows


def solved(c: FloatArray, rows: Any, at: FloatArray, zoom: float, patience: Patience) -> FloatArray:
    """argmax c'd over |d| <= 1 with rows d >= 0, solved for zoom (d - at)."""
    cells = max(rows.shape[0] * rows.shape[1], 1)
    bounds = np.column_stack([zoom * (-1.0 - at.ravel()), zoom * (1.0 - at.ravel())])
    found: Any = None
    for tolerance in (TOLERANCE, 1e-8, 1e-7):  # where rows all but repeat each other, the strictest may go in circles
        options = {
            "primal_feasibility_tolerance": tolerance,
            "dual_feasibility_tolerance": tolerance,
            "maxiter": min(STEPS_A_ROW * sum(rows.shape), patience.steps(cells)),
        }
        found = scipy.optimize.linprog(
            -c.ravel(), rows * -1.0, zoom * (rows @ at.ravel()), bounds=bounds, options=options
        )
        patience.left -= cells * max(found.nit, 1)
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


def projected(margins: Margins, d: FloatArray, basis: FloatArray, moves: BoolArray) -> FloatArray:
    """d in the space that the basis spans, exact zeros where it has them; d itself where that would leave D."""
    polished = ((basis @ (basis.T @ d.ravel())) * moves).reshape(d.shape)
    polished /= np.abs(polished).max(initial=np.finfo(float).tiny)
    return polished if margins.extremes(polished)[0] >= -NOISE else np.where(moves.reshape(d.shape), d, 0.0)
