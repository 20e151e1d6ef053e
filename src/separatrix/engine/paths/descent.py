"""Newton's method for the fits of a family: every one goes its own way, by the rules of `newton`, in calls for all."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from separatrix.arrays import BoolArray, FloatArray, IntArray
from separatrix.engine.line_search import FAR_TOO_MUCH, SHORTEST, SUFFICIENT
from separatrix.engine.matrices.packed import Packed, solve_packed
from separatrix.engine.paths.family import Asked, Factors, Family, Points, with_strength
from separatrix.engine.solvers.newton import KEEP, MOST_LEFT
from separatrix.engine.solvers.quasi_newton import Pair, inverse_times, precision, with_pair

CHORDS = 3  # steps that cost as much as one with a new curvature
SLIGHT = 0.01  # of the objective: of a fall by so little the slopes at both ends tell as much, at half of the cost
NOTHING = 1e-4  # of tol: what a fit may be above its optimum after the step that is not looked at
FEW_DIGITS = 1e-10  # of what is taken out of a curvature: of one that is less few are left
SETTLED = 1e-4  # of the objective: a fit that may be farther above its optimum goes on


def needs_no_look(slope: FloatArray | float, value: FloatArray | float, tol: FloatArray | float) -> Any:
    """Whether Newton's step promises no more than tol, and little of the objective: it then lowers it surely. A step
    from where rows are all but separated promises all of it, and may lead anywhere."""
    return -0.5 * slope <= np.minimum(tol, SLIGHT * value)


def settled(tol: float, value: FloatArray | float, penalised: BoolArray | bool) -> Any:
    """tol, or what is little of an objective of this value if that is less: where rows are all but separated the
    optimum of all rows is within tol of a fold's own, and has seen what the fold leaves out. Without a penalty such an
    objective only tends to zero."""
    return np.where(penalised, np.minimum(tol, SETTLED * np.asarray(value)), tol)


@dataclass
class Learnt:
    """In the place of the factors of many matrices: one of about the curvature of all M fits; and of each fit the last
    steps and what they did to its gradient, by which it is corrected, as in `quasi_newton`."""

    factor: Packed
    pairs: list[list[Pair]]

    def solve(self, b: FloatArray, some: IntArray) -> FloatArray:
        """About A_m^-1 b_m for b of some of them."""
        solve = partial(solve_packed, self.factor)
        return np.array([inverse_times(solve, self.pairs[m], each) for m, each in zip(some, b, strict=True)])

    def learn(self, some: IntArray, steps: FloatArray, changes: FloatArray) -> None:
        """What steps of some of them did to their gradients."""
        for m, step, change in zip(some, steps, changes, strict=True):
            self.pairs[m] = with_pair(self.pairs[m], step, change)


class Descent:
    """M fits on their way: of fold (M,), under the penalty times strength (M,). The arrays change in place.

    theta (M, P), value (M,), gradient (M, P) : where they are
    metric (M, P, P), with its factors : what the next step goes by; or what was `Learnt`, of one for all
    step (M, P), slope (M,), length (M,) : that step, along which to try what length; `planned` is the first length
    gap (M,) : how far above the optimum about
    rate (M,), left (M,) : the share of a gap, and of a slope, that a step leaves, as far as that was seen.
    """

    def __init__(
        self,
        family: Family,
        fold: IntArray,
        strength: FloatArray,
        at: Points,
        metric: FloatArray | Learnt,
        fresh: bool = False,
        left: FloatArray | float = 0.0,
        rate: FloatArray | float = KEEP,
    ) -> None:
        """From known points. Where the metric is `fresh`, that of the point, a step is taken to leave as large a share
        of the gap as the gap is of the objective."""
        M = len(fold)
        self.family, self.fold, self.strength, self.fresh = family, fold, strength, fresh
        self.theta, self.value, self.gradient = at.theta.copy(), at.value, at.gradient
        self.learnt = metric if isinstance(metric, Learnt) else None
        if not isinstance(metric, Learnt):
            self.metric, self.factors = metric, Factors.of(metric)
        self.rate, self.left = np.broadcast_to(rate, M).copy(), np.broadcast_to(left, M).copy()
        self.iterations, self.stuck = np.zeros(M, dtype=np.intp), np.zeros(M, dtype=bool)
        self.step, self.slope, self.gap = np.empty_like(self.gradient), np.empty(M), np.empty(M)
        self.planned, self.length = np.empty(M), np.empty(M)
        self.aim(np.arange(M))
        if fresh:
            self.rate = np.minimum(self.gap / np.maximum(self.value, np.finfo(float).tiny), 1.0)

    def some(self, chosen: IntArray) -> "Descent":
        """Some of the fits, which have not moved yet."""
        at = Points(self.theta[chosen], self.value[chosen], self.gradient[chosen])
        fold, strength = self.fold[chosen], self.strength[chosen]
        return Descent(self.family, fold, strength, at, self.metric[chosen], self.fresh, self.left[chosen])

    def leaders(self, tol: float) -> IntArray:
        """Of each fit, under ever weaker penalties, the first whose optimum is about within tol of its own, or itself;
        of fits that have not moved yet. None goes on with a curvature in which its own has few digits."""
        l2, p = self.family.l2, len(self.family.l2)
        leader, last, w = [0], 0, (self.theta + self.step)[:, :p]
        for c in range(1, len(self.strength)):
            pull = np.zeros((1, self.theta.shape[1]))
            pull[0, :p] = (self.strength[c] - self.strength[last]) * l2 * w[last]
            swamped = np.any(self.metric[c].diagonal()[:p] < FEW_DIGITS * self.strength[last] * l2)
            if swamped or 0.5 * np.vdot(pull, self.factors.solve(pull, np.array([c]))) > tol:
                last = c
            leader.append(last)
        return np.array(leader)

    def aim(self, some: IntArray) -> None:
        """The next step of some fits, and about how far they are from their optimum."""
        gradient, value, left = self.gradient[some], self.value[some], self.left[some]
        step = (self.learnt or self.factors).solve(-gradient, some)
        slope = np.einsum("mp,mp->m", gradient, step)
        length = 1.0 / (1.0 - np.clip(left, 0.0, MOST_LEFT))
        too_much = (-slope * length > FAR_TOO_MUCH * value) & (value > 0)
        length[too_much] = -2.0 * value[too_much] / slope[too_much]
        self.step[some], self.slope[some], self.gap[some] = step, slope, np.minimum(-0.5 * slope, value)
        self.planned[some] = self.length[some] = length

    def arrived(self, tol: float) -> BoolArray:
        """Which fits are within tol of their optimum, and next to nothing above it after the step that is aimed."""
        near = self.near(tol)
        return (self.gap <= near) & (self.rate * self.gap <= NOTHING * near)

    def near(self, tol: float) -> FloatArray:
        """How far above its optimum each fit may end, (M,)."""
        return settled(tol, self.value, self.strength > 0)

    def run(self, tol: float, max_iter: int) -> "Descent":
        """Every fit until it has arrived, or max_iter steps were taken."""
        while True:
            active = np.flatnonzero(~(self.arrived(tol) | self.stuck | (self.iterations >= max_iter)))
            if not len(active):
                return self
            rate, enough = self.rate[active], NOTHING * self.near(tol)[active]
            chord = (rate <= KEEP) | (self.gap[active] * rate**CHORDS <= enough) | (self.learnt is not None)
            for order, some in ((1, active[chord]), (2, active[~chord])):
                if len(some):
                    self.advance(some, order)

    def advance(self, some: IntArray, order: int) -> None:
        """One try of a step for some fits, of which those whose objective has not fallen will try a shorter one."""
        value, slope, length, step = self.value[some], self.slope[some], self.length[some], self.step[some]
        trial = self.theta[some] + length[:, None] * step
        slight = -slope * length <= SLIGHT * np.abs(value)
        valued = order == 2 or not slight.all()
        dtype = np.float64
        if order == 2:
            dtype = precision(self.factors.least[some].min(), self.factors.unit[some])
        asked = Asked(trial, self.fold[some], order, valued, dtype)
        there = self.family.at(asked, self.strength[some])
        along = np.einsum("mp,mp->m", there.gradient, step)
        risen = np.where(slight, 0.5 * length * (slope + along), there.value - value)
        fallen = np.where(slight, along <= -0.5 * slope, risen <= SUFFICIENT * length * slope)
        gone, back = some[fallen], some[~fallen]
        if len(back):
            promised = (slope * length)[~fallen]
            bend = risen[~fallen] - promised
            self.length[back] *= np.clip(-0.5 * promised / bend, 0.1, 0.5)
            self.stuck[back] = self.length[back] < SHORTEST * self.planned[back]
        if not len(gone):
            return
        if self.learnt:
            self.learnt.learn(gone, trial[fallen] - self.theta[gone], there.gradient[fallen] - self.gradient[gone])
        self.theta[gone], self.value[gone] = trial[fallen], (there.value if valued else value + risen)[fallen]
        self.gradient[gone] = there.gradient[fallen]
        if there.curvature is not None:
            self.metric[gone] = there.curvature[fallen]
            self.factors.put(gone, Factors.of(self.metric[gone]))
        whole = (length == self.planned[some])[fallen] & (self.learnt is None)
        self.left[gone] = np.where(whole, along[fallen] / slope[fallen], 0.0)
        before = np.maximum(self.gap[gone], np.finfo(float).tiny)
        self.iterations[gone] += 1
        self.aim(gone)
        self.rate[gone] = np.minimum(self.gap[gone] / before, 1.0)

    def ends(self, tol: float) -> FloatArray:
        """theta of each fit, (M, P), after the step that is not looked at, where one is due."""
        unseen = needs_no_look(self.slope, self.value, self.near(tol))
        return np.where(unseen[:, None], self.theta + self.step, self.theta)

    def under(self, strength: FloatArray, some: IntArray) -> "Descent":
        """Fits of the same folds as some of these under other penalties, from where these are: what is known serves."""
        l2, p = self.family.l2, len(self.family.l2)
        more, theta = strength - self.strength[some], self.theta[some]
        slope = more[:, None] * l2 * theta[:, :p]
        value = self.value[some] + 0.5 * np.einsum("mp,mp->m", slope, theta[:, :p])
        gradient, metric = self.gradient[some], self.metric[some]
        gradient[:, :p] += slope
        metric = with_strength(metric, more[:, None] * l2)
        at = Points(theta, value, gradient)
        return Descent(self.family, self.fold[some], strength, at, metric, rate=self.rate[some])
