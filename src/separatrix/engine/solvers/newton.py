"""theta <- theta - curvature^-1 gradient, by Cholesky: for few columns."""

from collections.abc import Callable, Generator
from dataclasses import replace
from itertools import count

import numpy as np

from separatrix.arrays import FloatArray
from separatrix.engine.certificates.certificate import rounding
from separatrix.engine.iterate import Iterate, Solver
from separatrix.engine.line_search import backtrack, between
from separatrix.engine.matrices.linear_algebra import (
    SINGULAR,
    solve_factored,
    solve_positive,
    solve_rooted,
    unit_of,
)
from separatrix.engine.near_copies import MANY_STEPS, Apart, smallest_directions, taken_apart
from separatrix.engine.objective import Evaluation, Objective

KEEP = 0.001  # a step that leaves less than this share of the gap keeps the curvature for the next
MOST_PRODUCTS = 2e10  # of the rows of a root with each other's columns: some seconds
MUCH = 1e-3  # of the objective, for a step to promise: the optimum is far
NEXT_TO_NOTHING = 1e-10  # of it: as much may be of the rounding of columns that are sums of others
LITTLE = 0.1  # of what a step promised, for the objective to fall
MOST_LEFT = 0.5  # of a slope, that a longer step makes up for


def newton(
    objective: Objective,
    theta: FloatArray,
    start: Iterate | None = None,
    broken: bool = False,
    otherwise: Callable[[Objective, FloatArray], Solver] | None = None,
) -> Solver:
    """Newton's method, shortened until the objective falls (Boyd and Vandenberghe 2004, algorithm 9.5).

    A curvature costs some gradients, so it is computed afresh only where the last one has done too little (the chord
    method; Kelley 1995, section 5.4.1). Where a step has left some of its slope, as on data that are nearly separated,
    whose weights are far to go, the next one is as much longer as that one should have been; and from zero the first
    one is, too (`left_at_zero`). The estimated gap is half the squared Newton decrement, or the objective itself where
    that is less: the losses of classification are never negative. A `start` that is known, with gradient and metric,
    saves the first pass. Steps that lower nothing, here or before this (`broken`), may be of a curvature that is
    rounding: then it is taken apart, and where that is not enough, or steps near the optimum gain little, made of its
    root. Far from the optimum, where rows lie so far on their wrong sides that next to nothing bends, it is none at
    all, and steps go on `otherwise`.
    """
    at = start.at if start else objective.evaluate(theta, order=2)
    metric = (start and start.metric) or at
    # The metric of a known start may be old: the second step shows what it is worth.
    before, left = np.inf if start else 0.0, 0.0 if start else None
    asked = slow = False
    for number in count():
        if (number >= MANY_STEPS or broken) and not asked and metric.factor.least < SINGULAR:
            asked = True
            at = metric = replace(at, curvature=None)  # which takes as much room as what is made of it
            at = yield from newton_apart(objective, at)
            at = metric = objective.evaluate(at.theta, order=2)
        if number >= MANY_STEPS and slow and metric.factor.least < SINGULAR and has_time(objective, at):
            yield from newton_rooted(objective, at)
        if broken and otherwise and before > MUCH * at.value:
            yield from otherwise(objective, at.theta)
        step = solve_factored(metric.factor, -at.gradient.ravel()).reshape(at.theta.shape)
        slope = float(np.vdot(at.gradient, step))
        gap = min(-0.5 * slope, at.value)
        yield Iterate(at, gap, metric)
        slow = NEXT_TO_NOTHING * at.value < gap <= MUCH * at.value and gap > MOST_LEFT * before
        order, before = 1 if gap <= KEEP * before else 2, gap
        length = lengthened(left_at_zero(objective, at.theta, slope) if left is None else left)
        if order == 2:
            metric.let_go_of_factor()  # as the next one is about to be made
        here, (at, taken) = at, backtrack(objective, at, step, order, length)
        left = share_left(at, step, slope)
        if left < -MOST_LEFT and here.value - at.value < LITTLE * gap:  # from side to side
            at, left = between(objective, here, at, step, taken, order), 0.0
        left = left if taken == length else 0.0
        broken = is_broken(gap, here, at)
        if at.curvature is not None:
            metric = at


def is_broken(promised: float, here: Evaluation, there: Evaluation) -> bool:
    """Whether a step has lowered nothing, though it promised what would be seen."""
    return promised > rounding(here) and not there.value < here.value


def has_time(objective: Objective, at: Evaluation) -> bool:
    """Whether the root of a curvature is made in some seconds."""
    return objective.source.n_rows * at.theta.shape[1] * at.theta.size**2 <= MOST_PRODUCTS


def newton_apart(objective: Objective, at: Evaluation) -> Generator[Iterate, None, Evaluation]:
    """The same steps where columns all but repeat each other: rounding of the curvature itself hides how far their
    weights are to go. Ends at a point where nothing is beyond what the curvature shows itself."""
    for number in count():
        if number >= MANY_STEPS and has_time(objective, at):
            yield from newton_rooted(objective, at)
        apart = curvature_apart(objective, at)
        if apart is None:
            break
        g = at.gradient.ravel()
        step = -solve_positive(apart.held.curvature, g, spare=True) - apart.beyond @ (g @ apart.beyond)
        del apart  # before another is made, also for a certificate
        yield Iterate(at, min(-0.5 * float(g @ step), at.value))
        at, _ = backtrack(objective, at, step.reshape(at.theta.shape), order=1)
    return at


def newton_rooted(objective: Objective, at: Evaluation) -> Solver:
    """The same steps by the root of the curvature, of rows that are never squared: for rows of which some are so many
    times as large as others that beside theirs the curvature of those is rounding."""
    while True:
        at = objective.rooted(at)
        step = solve_rooted(at.root, -at.gradient.ravel()).reshape(at.theta.shape)
        yield Iterate(at, min(-0.5 * float(np.vdot(at.gradient, step)), at.value), at)
        at, _ = backtrack(objective, at, step, order=1)


def curvature_apart(objective: Objective, at: Evaluation) -> Apart | None:
    """The curvature at a point, taken apart; None where nothing is beyond what it shows itself, as where columns repeat
    each other exactly."""
    H = objective.evaluate(at.theta, order=2).curvature
    unit = unit_of(H.diagonal())
    Z = smallest_directions(H, unit)
    del H  # before another is made
    apart = taken_apart(objective, at, Z, unit, bent=True)
    return apart if apart and apart.beyond.size else None


def share_left(there: Evaluation, step: FloatArray, slope: float) -> float:
    """The share of its slope that is left where a step has led."""
    return float(np.vdot(there.gradient, step)) / slope if slope else 0.0


def lengthened(left: float) -> float:
    """How long a step is to be, of one that would leave such a share of its slope."""
    return 1.0 / (1.0 - min(max(left, 0.0), MOST_LEFT))


def left_at_zero(objective: Objective, theta: FloatArray, slope: float) -> float:
    """The share of its slope that Newton's step from zero leaves where each class is normal, of one covariance; from
    elsewhere none is known.

    The step is a least squares fit of the classes, which explains the share R^2 of their squares. It has the direction
    of Fisher's linear discriminant (Hastie, Tibshirani and Friedman 2009, exercise 4.2), which is 1 / (1 - R^2) times
    as long, as if the step left R^2 of its slope. At zero g'H^-1 g is the number of classes less one for every row, and
    R^2 times that for their mean.
    """
    classes = objective.loss.classes(theta.shape[1])
    return -slope / (classes - 1) if classes > 1 and not theta.any() else 0.0
