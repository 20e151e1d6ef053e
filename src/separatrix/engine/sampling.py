"""A start near the optimum and a curvature near the true one, from a sample of the rows.

A sample that stands for all must hold what is rare: the rows of a rare class, rows far out, rows where a column that is
zero almost everywhere is not. So a row's chance is one half the same for all rows of its class, and one half in
proportion to sum_j x_ij^2 / sum_i' x_i'j^2 over its class, its leverage if the columns were orthogonal; and it counts
for 1 / chance rows (Drineas, Mahoney and Muthukrishnan 2006; for classes, the case-control sample of Fithian and Hastie
2014). The curvature of such a sample is the true one to a factor near 1 in every direction.
"""

from collections.abc import Callable
from itertools import islice

import numpy as np

from separatrix.arrays import FloatArray
from separatrix.data.block import Block
from separatrix.engine.iterate import Solver
from separatrix.engine.objective import Objective
from separatrix.equations.hyperplane import gram_diagonal, row_squares

ROWS_PER_COEFFICIENT = 200
SHARE = 16  # the sample holds one row in so many,
SAVING = 3  # and is not worth its while if it holds more than one in so many
GLANCE = 16  # one row in so many tells which columns and classes are rare
RARE = 1e100  # a leverage that is surely kept, times the square of any number
MOST_CELLS = 10_000  # columns x classes, for which leverages are worth their cost
MOST_ITERATIONS = 30


def sample_start(
    objective: Objective, theta: FloatArray, solver: Callable[..., Solver], curved: bool, random: np.random.Generator
) -> tuple[FloatArray, FloatArray | None]:
    """theta near the optimum, by the same solver on a sample, which starts on a sample of its own; and, if `curved`,
    the sample's curvature there. theta as it is, and None, where a sample is no saving.

    The optimum of m rows is about (coefficients) / (2 m) above that of all, so a thousandth of it is near enough.
    """
    rows = max(ROWS_PER_COEFFICIENT * theta.size, objective.source.n_rows // SHARE)
    rows = min(rows, objective.source.most_rows)
    small = sampled(objective, theta, rows, random)
    if small is objective:
        return theta, None
    theta, metric = sample_start(small, theta, solver, curved, random)
    enough = 0.001 * theta.size / (2 * rows)
    for iterate in islice(solver(small, theta, metric), MOST_ITERATIONS):
        theta = iterate.at.theta
        if iterate.gap <= enough:
            break
    return theta, small.evaluate(theta, order=2).curvature if curved else None


def sampled(objective: Objective, theta: FloatArray, rows: int, random: np.random.Generator) -> Objective:
    """The objective over about so many of the rows, weighted to stand for all, in two passes at most; or as it is, if
    those are not far fewer."""
    if objective.source.n_rows < SAVING * rows:
        return objective
    p, classes = objective.source.n_columns, objective.loss.classes(theta.shape[1])
    weigh = p * classes <= MOST_CELLS

    def sums(block: Block) -> FloatArray:
        """By class (columns) the number of rows, their weight, and below the weighted squares of every column of X."""
        code = block.codes
        member = np.where(np.arange(classes)[:, None] == code, block.weight, 0.0).T
        squares = gram_diagonal(block.X, member) if weigh else np.empty((0, classes))
        return np.vstack([1.0 * np.bincount(code, minlength=classes), member.sum(axis=0), squares])

    # One row in some is enough to judge by: what it did not meet is so rare that every row of it is kept.
    glance, times = objective.glance(GLANCE)
    total = glance.add_up(sums)
    share = shares(times * total[0], rows)
    even, squares = 1.0 / np.maximum(total[1], 1.0 / RARE), total[2:]
    inverse = np.divide(1.0, p * squares, out=np.full_like(squares, RARE), where=squares > 0)

    def chance(block: Block) -> FloatArray:
        code = block.codes
        likely = block.weight * even[code]
        if weigh:
            leverage = block.weight * row_squares(block.X, inverse)[np.arange(len(code)), code]
            likely = 0.5 * (likely + leverage)
        return np.minimum(1.0, share[code] * likely)

    return objective.sample(chance, random.random())


def shares(counts: FloatArray, rows: int) -> FloatArray:
    """How many rows of each class (K,): the same number of each, and what a rare class cannot give, of the others; at
    least 1, for a class of which no row is known yet.

    >>> shares(np.array([1000.0, 5.0]), 100)
    array([95.,  5.])
    """
    even = rows / max(np.count_nonzero(counts), 1)
    many = counts > even
    left = even * np.count_nonzero((counts > 0) & ~many) - counts[~many].sum()
    return np.maximum(np.where(many, even + left / max(np.count_nonzero(many), 1), counts), 1.0)
