r"""Where a profile has fallen so far: Venzon and Moolgavkar's equations, solved for all contrasts in the same passes.

Sought is theta with F = F* + z^2 / (2 W) and gradient F = slope * c (Venzon and Moolgavkar 1988, "A method for
computing profile-likelihood-based confidence intervals", Applied Statistics 37). One Newton step for them is, with B
near the inverse curvature, g = gradient F and a = B c,

    slope = c'B g / c'a,     r = g - slope c,     profile(c'theta) ~ F - r'B r / 2,     step = d a / c'a - B r

where d is what the signed root lacks over its derivative W slope / z: the root is nearly straight in t, where the
profile is nearly a parabola. Any B has the same fixed point, so a curvature is kept while its steps contract, corrected
by what they show (quasi_newton.py).

A step that leads too deep is tried again with some of the curvature at theta = 0 added to B^-1, and d from F's model,
d = (slope' - slope) c'a with slope'^2 = 2 (F* + z^2 / (2 W) - F + g'B g / 2) / c'a. Where that curvature is the
largest, as the logistic's is, enough of it makes a model that F stays below, whose steps never lead too deep.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from operator import add

import numpy as np

from separatrix.arrays import FloatArray
from separatrix.data.block import Block
from separatrix.engine.matrices.linear_algebra import Factor, factor_positive, solve_factored
from separatrix.engine.objective import Evaluation, Objective
from separatrix.engine.solvers.quasi_newton import Pair, inverse_times, share_to_keep, steps_for_curvature, with_pair
from separatrix.engine.sums import Sums, block_sums

CLOSE = 1e-7  # of the way from the estimate: a last step no longer than that leaves less
CLOSER = 1e-10  # of the deviance sought
MOST_PASSES = 100
TOO_DEEP = 2.0  # times the fall in likelihood that is sought
DAMPING = 2.0**-10  # of the largest curvature, at first; and how it grows and shrinks
STIFFER = 16.0
ENDLESS = 1e7  # times the way so far, at the slope reached, or times the first step, is no end
FAR = 30.0  # first steps, before a slope is judged


@dataclass(frozen=True)
class Goal:
    """A signed root of a contrast c (P, K), in an objective of this total weight and least value."""

    c: FloatArray
    root: float
    weight: float
    least: float

    @property
    def side(self) -> float:
        return float(np.sign(self.root))

    @property
    def depth(self) -> float:
        """How far above the optimum it is."""
        return self.root**2 / (2.0 * self.weight)


@dataclass(frozen=True)
class Metric:
    """A curvature near the objective's, (n, n), and its factor with `damping` times the largest added, which is asked
    for where that is more than none."""

    curvature: FloatArray
    largest: Callable[[], FloatArray]
    factor: Factor
    damping: float = 0.0
    pairs: tuple[Pair, ...] = ()

    def times(self, r: FloatArray) -> FloatArray:
        """B r, (P, K)."""
        return inverse_times(partial(solve_factored, self.factor), self.pairs, r)

    def damped(self, damping: float) -> "Metric":
        """With another damping, of less than DAMPING none; it forgets the pairs."""
        damping = 0.0 if damping < DAMPING else damping
        stiffer = self.curvature + damping * self.largest() if damping else self.curvature
        return Metric(self.curvature, self.largest, factor_positive(stiffer), damping)

    def between(self, at: Evaluation, there: Evaluation) -> "Metric":
        """The metric after a step: the curvature there, less damped, where it is known, else corrected by the step."""
        if there.curvature is not None:
            return replace(self, curvature=there.curvature).damped(self.damping / STIFFER)
        step, change = there.theta - at.theta, there.gradient - at.gradient
        return replace(self, pairs=tuple(with_pair(list(self.pairs), step, change)))


@dataclass(frozen=True)
class Step:
    """What a point says of its goal: how far to go in the contrast and in theta (P, K); how far the point is from what
    is sought, in units of deviance; and height above the optimum and outward slope of the profile."""

    advance: float
    theta: FloatArray
    distance: float
    height: float
    slope: float


@dataclass(frozen=True)
class Seeker:
    """On its way to a goal: the last point kept, the metric it goes by, the step to try next, the first step's length,
    the order of the next evaluation; and where it has arrived, the contrast's value there."""

    goal: Goal
    start: Evaluation
    at: Evaluation
    metric: Metric
    step: Step
    stride: float
    order: int = 1
    end: float | None = None

    @property
    def value(self) -> float:
        return float(np.sum(self.goal.c * self.at.theta))

    @property
    def way(self) -> float:
        """How far the contrast has come."""
        return abs(self.value - float(np.sum(self.goal.c * self.start.theta)))


def seek(
    objective: Objective, start: Evaluation, largest: Callable[[], FloatArray], goals: Sequence[Goal]
) -> list[float]:
    """The contrast's value at each goal; all seekers go in the same passes. The largest curvature is that at 0."""
    metric = Metric(start.curvature, largest, start.factor)
    steps = [step_from(goal, start, metric) for goal in goals]
    pairs = zip(goals, steps, strict=True)
    seekers = [Seeker(goal, start, start, metric, step, abs(step.advance)) for goal, step in pairs]
    for _ in range(MOST_PASSES):
        going = [i for i, seeker in enumerate(seekers) if seeker.end is None]
        if not going:
            break
        trials = [seekers[i].at.theta + seekers[i].step.theta for i in going]
        there = evaluate_each(objective, trials, [seekers[i].order for i in going])
        for i, at in zip(going, there, strict=True):
            seekers[i] = arrived(moved_to(seekers[i], at))
    return [np.nan if seeker.end is None else seeker.end for seeker in seekers]


def evaluate_each(objective: Objective, thetas: Sequence[FloatArray], orders: Sequence[int]) -> list[Evaluation]:
    """The objective at many points, in one pass."""

    def sums(block: Block) -> list[Sums]:
        return [block_sums(block, objective.loss, theta, order) for theta, order in zip(thetas, orders, strict=True)]

    totals = objective.add_up(sums, lambda a, b: list(map(add, a, b)))
    return [objective.evaluation(theta, total) for theta, total in zip(thetas, totals, strict=True)]


def moved_to(seeker: Seeker, there: Evaluation) -> Seeker:
    """The seeker at the point it tried, or, if that is too deep, where it was in a stiffer metric; and a step."""
    goal, metric = seeker.goal, seeker.metric
    if not there.value <= goal.least + TOO_DEEP * goal.depth:
        metric = metric.damped(max(DAMPING, STIFFER * metric.damping))
        return replace(seeker, metric=metric, step=step_from(goal, seeker.at, metric), order=2)
    metric = metric.between(seeker.at, there)
    step = step_from(goal, there, metric)
    keep = share_to_keep(steps_for_curvature(there.theta.shape))
    contracts = step.distance <= keep * seeker.step.distance and not metric.damping
    return replace(seeker, at=there, metric=metric, step=step, order=1 if contracts else 2)


def step_from(goal: Goal, at: Evaluation, metric: Metric) -> Step:
    """The next step of the method above from a point."""
    a = metric.times(goal.c)
    free = float(np.sum(goal.c * a))
    slope = float(np.sum(a * at.gradient)) / free
    rest = at.gradient - slope * goal.c
    back = metric.times(rest)
    off = float(np.sum(rest * back))
    height = max(at.value - 0.5 * off - goal.least, 0.0)
    z, outward = np.sqrt(2.0 * goal.weight * height), goal.side * slope
    if metric.damping or outward <= 0.0 or z == 0.0:
        sought = np.sqrt(max(2.0 * (goal.depth - height) / free + slope**2, 0.0))
        advance = goal.side * (sought - outward) * free
    else:
        advance = goal.side * (abs(goal.root) - z) * z / (goal.weight * outward)
    distance = (abs(goal.root) - z) ** 2 + goal.weight * off
    return Step(float(advance), advance / free * a - back, distance, height, outward)


def arrived(seeker: Seeker) -> Seeker:
    """The seeker with its end, if this is one: close to the goal, or where the profile no longer rises."""
    goal, step = seeker.goal, seeker.step
    if goal.root == 0.0:  # the optimum itself
        return replace(seeker, end=seeker.value)
    if abs(step.advance) <= CLOSE * seeker.way and step.distance <= CLOSER * goal.root**2:
        return replace(seeker, end=seeker.value + step.advance)
    # A convex profile rises from here on at least as fast as here; and an end is no nearer than a point above it.
    level = goal.depth - step.height > max(step.slope, 0.0) * ENDLESS * seeker.way and seeker.way > FAR * seeker.stride
    endless = seeker.at.value <= goal.least + goal.depth and seeker.way > ENDLESS * seeker.stride
    return replace(seeker, end=goal.side * np.inf) if level or endless else seeker
