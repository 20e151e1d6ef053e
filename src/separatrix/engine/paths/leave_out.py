r"""Leave-one-out from one fit: one Newton step without each row, and a fit for those that pull hard.

The optimum without row i is about one Newton step from the optimum of all, and the curvature without it is that of all
less the row's own, so that with its M_i, (K, K) (`separatrix.engine.leverage`),

    eta_i without i  =  eta_i + M_i (I - A_i M_i)^-1 g_i

where g_i and A_i are gradient and curvature of weight_i * loss_i in eta, and H is the curvature of the objective, on
the weights that are not zero where the penalty has an L1 part (Rad and Maleki 2020, "A scalable estimate of the
out-of-sample prediction error via approximate leave-one-out", JRSS B 82).

The step takes the curvature of the other rows, and the weights that L1 holds at zero, for what they are with the row.
Neither holds for a row that pulls hard: as many weights as rows, a direction that a row holds almost alone, or one of
few rows that keep the classes from being separated. Of such a row the step changes the loss much, and even so it may
fall far short. Those rows are left out by a fit each, which starts from that of all rows.
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial, reduce
from operator import add

import numpy as np

from separatrix.arrays import FloatArray
from separatrix.data.block import Block
from separatrix.data.memory import MemorySource
from separatrix.engine.fit import Options
from separatrix.engine.iterate import Solver
from separatrix.engine.leverage import inverse_curvature, leverages, row_curvatures
from separatrix.engine.line_search import beyond_numbers
from separatrix.engine.objective import Objective
from separatrix.engine.paths.descent import FEW_DIGITS, SETTLED
from separatrix.engine.solvers.proximal import proximal_newton
from separatrix.engine.solvers.quasi_newton import quasi_newton
from separatrix.engine.sums import block_eta, block_state, gram
from separatrix.equations.hyperplane import pieces
from separatrix.errors import ApproximationWarning, outside

AT_ONCE = 10  # fits, which show how far off the steps of the other rows are
NEAR_ENOUGH = 0.01  # of the loss of all rows left out: what may be missed
MOST_WORK = 5 * 10**9  # multiplications, about, for what each fit cannot do without: a second or a few
FEWEST, MATRICES = 2**10, 2**15  # rows at a time, and cells of K x K matrices, one for each
STEPS = 25  # from zero to where the loss of separated rows is nothing, about
LARGE = 2 * 8  # bytes for each number of eta: it may be half of what may be kept
HELD_ALONE = 1e-12  # beyond what a row can do: one that holds a direction alone has a finite step, far too long
NEAR = 0.01  # of tol: as each of Newton's steps squares the gap, it costs less than one more


@dataclass(frozen=True)
class LeftOut:
    """eta of every row without that row, (n, K), and how many rows have an untrue one, for all that is known; or what
    was `seen` of it, added up, and no eta."""

    eta: FloatArray
    untrue: int
    seen: FloatArray | None = None


See = Callable[[slice, FloatArray], FloatArray]
"""What is to be added up over the rows, of some of them and of eta without each."""


@beyond_numbers
def leave_one_out(objective: Objective, theta: FloatArray, options: Options, see: See | None = None) -> LeftOut:
    """eta of every row about as a fit without that row would give it, from the optimum theta (P, K) of all; where it
    would be large beside X, what `see` makes of it.

    Rows are left out by fits in the order of what the step adds to their loss, until the steps of the last of them
    missed next to nothing, and those of the others would, were they off by the share that was seen last.
    """
    if objective.penalty.is_none and objective.smallest_margin(theta) > 0:
        return from_zero(objective, theta, options)
    value = objective.evaluate(theta, order=0).value
    if options.tol > SETTLED * value > 0:  # as of rows that are all but separated: the path may have stopped far away
        options = replace(options, tol=SETTLED * value)
        theta = end_of(objective, theta, None, options)
    some, there = on_support(objective, theta)
    n, K = objective.source.n_rows, theta.shape[1]
    if see is not None and objective.source.room < LARGE * K:
        after, moved, *seen = newton_steps(some, there, see)
        if moved <= NEAR_ENOUGH * after:
            return LeftOut(np.empty((0, K)), 0, np.array(seen))
    eta = np.empty((n, K))

    def keep(rows: slice, of_rows: FloatArray) -> FloatArray:
        eta[rows] = of_rows
        return np.empty(0)

    after, moved = newton_steps(some, there, keep)
    if moved <= NEAR_ENOUGH * after:
        return LeftOut(eta, 0)
    far = ~np.isfinite(eta).all(axis=1)
    eta[far] = 0.0  # a step beyond numbers says nothing: such rows are left out first
    loss = row_losses(objective, eta)
    added = np.where(far, np.inf, np.abs(loss - with_each(some, there)))
    order = np.argsort(-added, kind="stable")
    still = np.cumsum(added[order][::-1])[::-1]
    without = cache(partial(without_each, objective, theta, options))  # made once, if at all
    most = MOST_WORK // work_of_fit(len(eta), theta.size)
    shares, misses = (1.0, 1.0), (0.0, 0.0)  # of the last two times; at first a step may be wrong altogether
    for first in range(0, len(order), AT_ONCE):
        may = NEAR_ENOUGH * loss.sum()
        if max(shares) * still[first] <= may and sum(misses) <= may:
            break
        if first and first >= most:
            due = int(np.count_nonzero(~(shares[1] * still[first:] <= may)))  # no number is no knowledge
            return LeftOut(eta, max(due, min(AT_ONCE, len(order) - first)) if misses[1] > may else due)
        some = order[first : first + AT_ONCE]
        step = loss[some]
        eta[some] = np.array([without()(i) for i in some])
        loss = row_losses(objective, eta)
        misses = misses[1], float(np.abs(loss[some] - step).sum())
        shares = shares[1], misses[1] / max(float(added[some].sum()), np.finfo(float).tiny)
    return LeftOut(eta, 0)


def from_zero(objective: Objective, theta: FloatArray, options: Options) -> LeftOut:
    """The same where theta has every row on its side, and nothing is penalised: any such plane is an end for the other
    rows, and this one has seen the row, so each is left out by a fit from zero. Of rows that this would take too long
    for eta is 0, of which none has seen anything."""
    eta = np.zeros((objective.source.n_rows, theta.shape[1]))
    without = without_each(objective, np.zeros_like(theta), options)
    most = min(MOST_WORK // (STEPS * work_of_fit(len(eta), theta.size)), len(eta))
    for i in range(most):
        eta[i] = without(i)
    return LeftOut(eta, len(eta) - most)


def warn_of_untrue(untrue: Sequence[int], Cs: FloatArray, rows: int) -> None:
    """One ApproximationWarning for the C under which most rows are left out untruly."""
    if any(untrue):
        c = int(np.argmax(untrue))
        warnings.warn(
            f"cv='loo' is approximate, and wrong for up to {untrue[c]} of {rows} rows (with C={Cs[c]:g}): they pull "
            "their own predictions hard, as where there are about as many weights as rows. Use 5 folds, or leave out "
            "the largest Cs.",
            ApproximationWarning,
            stacklevel=outside(),
        )


def row_losses(objective: Objective, eta: FloatArray) -> FloatArray:
    """weight * loss of every row at its eta, (n,)."""
    source = objective.source
    assert isinstance(source, MemorySource)
    losses = np.empty(source.n_rows)
    for some in pieces(*eta.shape):
        losses[some] = source.weight[some] * objective.loss.value(source.y[some], eta[some]).reshape(-1)
    return losses


def work_of_fit(rows: int, size: int) -> int:
    """Multiplications for a pass over the rows and the factor of a curvature, about as long as those take."""
    return size * (rows + size**2 // 10)


def newton_steps(objective: Objective, theta: FloatArray, see: See) -> FloatArray:
    """The sum of the weighted losses of every row without it, by one step, that of how far each is from that with it,
    and those of what is to be seen of eta without it. Two passes."""
    K, inverse = theta.shape[1], inverse_curvature(objective, theta)

    def step(block: Block) -> FloatArray:
        M = leverages(block, inverse)
        here = block_eta(block, theta)
        _, gradient, state = objective.loss.together(block.y, here)
        weight = block.weight[:, None, None]
        H = weight * row_curvatures(objective.loss, state) @ M
        alone = np.eye(K) * (1.0 + HELD_ALONE) - H
        pulled = M @ np.linalg.solve(alone, weight * gradient[:, :, None])
        there = here + pulled[:, :, 0]
        before, after = (block.weight * objective.loss.value(block.y, eta).reshape(-1) for eta in (here, there))
        return np.append([after.sum(), np.abs(after - before).sum()], see(block.rows, there))

    def steps(block: Block) -> FloatArray:
        return reduce(add, map(step, block.split(max(FEWEST, MATRICES // K**2))))

    return objective.add_up(steps)


def with_each(objective: Objective, theta: FloatArray) -> FloatArray:
    """weight * loss of every row by the fit of all, (n,); one pass."""
    loss = objective.loss
    return objective.by_rows(lambda rows: rows.weight * loss.value(rows.y, block_eta(rows, theta)).reshape(-1))


def on_support(objective: Objective, theta: FloatArray) -> tuple[Objective, FloatArray]:
    """Without the columns that an L1 part gave no weight: a row more or less is taken not to change them."""
    if not objective.penalty.has_l1:
        return objective, theta
    p = objective.source.n_columns
    chosen = np.flatnonzero(theta[:p].any(axis=1))
    return objective.columns(chosen), theta[np.append(chosen, np.arange(p, len(theta)))]


def without_each(objective: Objective, theta: FloatArray, options: Options) -> Callable[[int], FloatArray]:
    """What gives eta (K,) of a row by the fit without it; each starts from theta, with the curvature less its own,
    where that has digits."""
    source = objective.source
    assert isinstance(source, MemorySource)
    at = objective.evaluate(theta, order=2)
    total, curvature = at.weight, at.curvature

    def fitted(i: int) -> FloatArray:
        row = next(source.take(np.array([i])).blocks(slice(0, 1)))
        weight = np.array(source.weight)
        weight[i] = 0.0
        left, own = weight.sum(), own_curvature(objective, row, theta)
        penalty = objective.penalty.times(total / left)
        without = Objective(source.weighing(weight), objective.loss, penalty, objective.fit_intercept)
        metric = (total * curvature - own) / left
        if np.any(left * metric.diagonal() < FEW_DIGITS * own.diagonal()):
            metric = None  # of what the row held alone rounding is left
        return block_eta(row, end_of(without, theta, metric, options))[0]

    return fitted


def own_curvature(objective: Objective, row: Block, theta: FloatArray) -> FloatArray:
    """What a block's loss adds to the curvature, (P K, P K)."""
    state, ones = block_state(row, objective.loss, theta), len(theta) - row.X.shape[1]
    return gram(objective.loss, row.X, row.weight, state, ones).reshape(theta.size, theta.size)


@beyond_numbers
def end_of(objective: Objective, theta: FloatArray, metric: FloatArray | None, options: Options) -> FloatArray:
    """The optimum, about, from a start with a curvature there, if that is known."""
    solver: Solver = (proximal_newton if objective.penalty.has_l1 else quasi_newton)(objective, theta, metric)
    before = np.inf
    for number, iterate in enumerate(solver):
        stalled = before / 2 < iterate.gap <= options.tol
        if iterate.gap <= NEAR * options.tol or stalled or number >= options.max_iter:
            return iterate.at.theta
        before = iterate.gap
    raise AssertionError("a solver never runs out of iterates")
