"""A start near the optimum and a curvature near the true one, from a sample of the rows.

A sample that stands for all must hold what is rare: the rows of a rare class, rows far out, rows where a column that is
zero almost everywhere is not. So a row's chance is one half the same for all rows of its class, and one half in
proportion to sum_j x_ij^2 / sum_i' x_i'j^2 over its class, its leverage if the columns were orthogonal; and it counts
for 1 / chance rows (Drineas, Mahoney and Muthukrishnan 2006; for classes, the case-control sample of Fithian and Hastie
2014). The curvature of such a sample is the true one to a factor near 1 in every direction. Where nothing is rare, any
rows will do, and where only columns are that an L1 part leaves at zero; and where only a class is, those that the first
reading of files keeps.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from separatrix.arrays import BoolArray, FloatArray
from separatrix.data.block import Block
from separatrix.data.memory import MemorySource
from separatrix.engine.certificates.certificate import Part
from separatrix.engine.iterate import Aim, Solver
from separatrix.engine.objective import Evaluation, Objective
from separatrix.engine.solvers.quasi_newton import DEAR, precision, steps_for_curvature
from separatrix.engine.sums import Sums
from separatrix.equations.hyperplane import back_project, gram_diagonal, row_squares

ROWS_PER_COEFFICIENT = 20  # of the sample, at least
SHARE = 16  # it holds one row in so many,
SAVING = 3  # and is not worth its while if it holds more than one in so many
MOST_PER_COEFFICIENT = 5_000  # rows in memory: more save less than they cost,
LEAST_SHARE = 128  # but one row in so many bounds the gap for all
RARE = 1e100  # a leverage that is surely kept, times the square of any number
RARE_CLASS = 0.2  # of the rows that each class would have if all had the same number: fewer, and every row matters
UNEVEN = 2.0  # the mean square of the parts of rows over their squared mean: 1.5 for one normal column
MOST_CELLS = 10_000  # columns x classes, for which leverages are worth their cost
MOST_ITERATIONS = 30
FEW_ROWS = 2_000  # by which a mean is judged
FAR_ROWS, MANY = 1_000, 4  # by which it is told how far rows reach; and how many times as many are dear
ENOUGH = 0.003  # a least conditional standard deviation, whose square is known to a few percent: as a sample knows it
SURE = 0.5  # of the strength of an L1 part: a column whose mean |x| is less, as some rows show, is sure to stay at zero


@dataclass(frozen=True)
class Start:
    """Where to start, (P, K); a curvature about right there, (n, n); and the part of the rows that says so."""

    theta: FloatArray
    metric: FloatArray | None = None
    part: Part | None = None


@dataclass(frozen=True)
class Sample:
    """The objective over some rows, in memory, `weighted` to stand for all, and over them as they are: a `part` of all.
    Each row stands for so many `times`, (rows,), or where these are all for itself, (1,)."""

    weighted: Objective
    part: Objective
    times: FloatArray = field(default_factory=lambda: np.ones(1))

    @property
    def is_even(self) -> bool:
        """Whether all rows stand for as many."""
        return np.ptp(self.times) == 0


def sample_start(
    objective: Objective, theta: FloatArray, solver: Callable[..., Solver], curved: bool, random: np.random.Generator
) -> Start:
    """theta near the optimum, by the same solver on a sample, which starts on a sample of its own; and, if `curved`,
    the sample's curvature there. theta as it is where a sample is no saving.

    The optimum of m rows is about (coefficients) / (2 m) above that of all, so a thousandth of it is near enough.
    """
    rows = rows_of_sample(objective, theta)
    sample = sampled(objective, theta, rows, random)
    small = sample.weighted
    if small is objective:
        return Start(theta)
    first = sample_start(small, theta, solver, curved, random)
    enough = 0.001 * theta.size / (2 * rows)
    # A step is not sure to be the last: where a curvature is dear, as of several classes, it waits until that is known.
    along = curved and (theta.shape[1] == 1 or steps_for_curvature(theta.shape, small.source.n_rows) <= DEAR)
    iterates = enumerate(solver(small, first.theta, first.metric, Aim(enough, along)), start=1)
    at = next(iterate.at for number, iterate in iterates if iterate.gap <= enough or number == MOST_ITERATIONS)
    return start_on(sample, at) if curved else Start(at.theta, part=Part(sample.part, few=far_rows(sample)))


def start_at(objective: Objective, theta: FloatArray, curved: bool, random: np.random.Generator) -> Start:
    """A start at a theta that is known, with the curvature that a sample has there, if `curved`."""
    if not curved:
        return Start(theta)
    sample = sampled(objective, theta, rows_of_sample(objective, theta), random)
    if sample.weighted is objective:
        return Start(theta)
    return start_on(sample, curved_at(sample.weighted, theta))


def curved_at(objective: Objective, theta: FloatArray) -> Evaluation:
    """The evaluation with a curvature: of several classes, where it is for steps alone, in single precision if that is
    enough."""
    if theta.shape[1] > 1 and not objective.penalty.has_l1:
        there = objective.evaluate(theta, order=2, dtype=np.float32)
        factor = there.factor
        if precision(factor.least, factor.unit, ENOUGH) is np.float32:
            return there
        del there, factor  # before the next are made
    return objective.evaluate(theta, order=2)


def start_on(sample: Sample, at: Evaluation) -> Start:
    """A start at a point with the curvature that the sample has there."""
    there = curved_at(sample.weighted, at.theta) if at.curvature is None else at
    # Per unit weight they are one.
    own = replace(there, weight=there.weight / sample.times[0]) if sample.is_even else None
    return Start(there.theta, there.curvature, Part(sample.part, own, far_rows(sample)))


def far_rows(sample: Sample) -> Objective | None:
    """Over few rows of a sample, those that were the likeliest to be in it, as they reach farthest, or where all were
    alike some; None where all are not many more."""
    source = sample.part.source
    assert isinstance(source, MemorySource)
    n = source.n_rows
    if n < MANY * FAR_ROWS:
        return None
    if sample.is_even:
        return sample.part.over(source.looked_up(np.arange(0, n, n // FAR_ROWS)))
    chosen = np.sort(np.argpartition(sample.times, FAR_ROWS)[:FAR_ROWS])
    return sample.part.over(source.looked_up(chosen))


def rows_of_sample(objective: Objective, theta: FloatArray) -> int:
    """How many rows a sample is to have, as far as there is memory for them; more of files, which cost more to read."""
    source = objective.source
    rows = source.n_rows // SHARE
    if source.in_memory:
        rows = min(rows, max(MOST_PER_COEFFICIENT * theta.size, source.n_rows // LEAST_SHARE))
    return min(max(ROWS_PER_COEFFICIENT * theta.size, rows), source.most_rows)


def is_saving(objective: Objective, rows: int) -> bool:
    """Whether so many rows are far fewer than all."""
    return objective.source.n_rows >= SAVING * rows


def few_rows(objective: Objective) -> Objective:
    """Over few of the rows, each as heavy as those it stands for; over all, where they are not far fewer."""
    if not is_saving(objective, FEW_ROWS):
        return objective
    some, times = objective.source.thinned(FEW_ROWS, np.random.default_rng(0))
    return objective.over(some.weighing(times * some.weight))


def sampled(objective: Objective, theta: FloatArray, rows: int, random: np.random.Generator) -> Sample:
    """The objective over about so many of the rows, weighted to stand for all; or as it is, if those are not far fewer.

    Some rows are looked at, and are the sample if they show nothing of which there may be too few among them. Otherwise
    they show what is rare, and what they did not meet is so rare that every row of it is kept: chosen in a pass over
    all rows.
    """
    source = objective.source
    if not is_saving(objective, rows):
        return Sample(objective, objective)
    some, times = source.thinned(rows, random)
    glance = objective.over(some.weighing(times * some.weight))
    rarity = rarity_of(glance, times, objective.loss.classes(theta.shape[1]))
    if is_even(glance, rarity) or is_even_but_for(columns_at_zero(glance), glance, rarity):
        return Sample(glance, objective.over(some), times)
    share = shares(rarity.counts, rows)
    drawn = share < RARE  # the other classes are kept whole
    if rarity.inverse is not None and np.count_nonzero(drawn) == 1:
        rarity = replace(rarity, inverse=rarity.inverse[:, drawn])

    def chance(block: Block) -> FloatArray:
        return np.minimum(1.0, share[block.codes] * rarity.of(block))

    del some, glance  # lest two samples be held at once
    objective.passes += 1
    some, chances = source.sample(chance, random.random())
    return Sample(objective.over(some.weighing(some.weight / chances)), objective.over(some), 1.0 / chances)


@dataclass(frozen=True)
class Rarity:
    """What makes a row's part in its class: by class the number of `rows` that were looked at (K,), for how many they
    stand, `counts` (K,), what a unit of weight is of the whole, `even` (K,), and what a unit of each column's square
    is, `inverse` (p, K), None where that costs too much; (p, 1) where it matters for one class alone."""

    rows: FloatArray
    counts: FloatArray
    even: FloatArray
    inverse: FloatArray | None

    def of(self, block: Block) -> FloatArray:
        """One half the row's share of the weight, one half its leverage, (rows,); they sum to 1 over a class."""
        code = block.codes
        weight = block.weight * self.even[code]
        if self.inverse is None:
            return weight
        leverage = row_squares(block.X, self.inverse)
        leverage = leverage[np.arange(len(code)), code] if leverage.shape[1] > 1 else leverage[:, 0]
        return 0.5 * (weight + block.weight * leverage)


def columns_at_zero(glance: Objective) -> BoolArray:
    """Which columns an L1 part is sure to leave at zero, as some rows show, (p,): no loss of a class is steeper than 1,
    so no gradient is larger than the mean of |x|."""
    if not glance.penalty.has_l1:
        return np.zeros(glance.source.n_columns, dtype=bool)
    sums = glance.add_up(lambda block: Sums(block.total, 0.0, back_project(abs(block.X), block.weight)))
    return sums.gradient < SURE * glance.penalty.l1 * sums.weight


def rarity_of(glance: Objective, times: FloatArray, classes: int) -> Rarity:
    """The rarity of rows as some of them show it, which stand for so many each, (rows,)."""
    p, unit = glance.source.n_columns, times.min()
    weigh = p * classes <= MOST_CELLS

    def sums(block: Block) -> FloatArray:
        """By class (columns) the number of rows, for how many units they stand, their weight, and below the weighted
        squares of every column of X."""
        member = np.where(np.arange(classes)[:, None] == block.codes, block.weight, 0.0).T
        squares = gram_diagonal(block.X, member) if weigh else np.empty((0, classes))
        rows = 1.0 * np.bincount(block.codes, minlength=classes)
        units = 1.0 * np.bincount(block.codes, times[block.rows] / unit, minlength=classes)  # of equal rows exact
        return np.vstack([rows, units, member.sum(axis=0), squares])

    total = glance.add_up(sums)
    squares, even = total[3:], 1.0 / np.maximum(total[2], 1.0 / RARE)
    inverse = np.divide(1.0, p * squares, out=np.full_like(squares, RARE), where=squares > 0)
    return Rarity(total[0], unit * total[1], even, inverse if weigh else None)


def is_even(glance: Objective, rarity: Rarity) -> bool:
    """Whether no class, no column and no row counts for far more than its number says.

    A class that was looked at whole has nothing more to show: so of files, where the first reading keeps what is rare.
    """
    partly = (rarity.rows == 0) | (rarity.counts > rarity.rows)
    if (partly & (rarity.rows * len(rarity.rows) < RARE_CLASS * rarity.rows.sum())).any():
        return False
    if rarity.inverse is not None and partly.any() and (rarity.inverse >= RARE).all(axis=1).any():
        return False

    def squares(block: Block) -> FloatArray:
        return np.bincount(block.codes, rarity.of(block) ** 2, minlength=len(rarity.rows)).astype(np.float64)

    return bool((rarity.rows * glance.add_up(squares))[partly].max(initial=0.0) <= UNEVEN)


def is_even_but_for(columns: BoolArray, glance: Objective, rarity: Rarity) -> bool:
    """The same where some columns (p,) do not matter; False where none of them are."""
    if rarity.inverse is None or not columns.any():
        return False
    counts = np.mean(~columns)
    inverse = np.where(columns[:, None], 0.0, rarity.inverse / counts) if counts else None
    return is_even(glance, replace(rarity, inverse=inverse))


def shares(counts: FloatArray, rows: int) -> FloatArray:
    """How many rows to take of each class (K,): of a rare one more than there can be; of the others the same number
    each, which is what the rare ones leave.

    >>> shares(np.array([1000.0, 5.0]), 100)
    array([9.5e+001, 1.0e+100])
    """
    even = rows / max(np.count_nonzero(counts), 1)
    many = counts > even
    left = rows - counts[~many].sum()
    return np.where(many, left / max(np.count_nonzero(many), 1), RARE)
