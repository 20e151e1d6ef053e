"""The loop of a fit, whatever the solver, to a certified end: a solver is a generator of iterates, and what happens
between two of them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import Enum
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from separatrix.arrays import FloatArray
from separatrix.engine.certificates.certificate import Certificate, Part, by_duality, certify, rounding
from separatrix.engine.certificates.duality import Prediction
from separatrix.engine.objective import Evaluation, Objective

MOST_IDLE = 3  # steps in a row that gain nothing, after which no other will


@dataclass(frozen=True)
class Iterate:
    """A point, the solver's own estimate of how far its objective is above the optimum, and, if it has one, the
    evaluation of order 2 whose curvature it went by, a prediction that may prove it, a dual bound that does, and the
    norm of the gradient, where that takes work."""

    at: Evaluation
    gap: float
    metric: Evaluation | None = None
    ahead: Prediction | None = None
    proven: float | None = None
    norm: float | None = None


Solver = Iterator[Iterate]


@dataclass(frozen=True)
class Aim:
    """The gap that a solver is to reach, by its own estimate, if it is known; and whether a curvature is to come with
    it, where the solver can choose."""

    gap: float = 0.0
    curved: bool = False


UNTIL_THE_END = Aim()


class Status(Enum):
    """Why the loop stopped."""

    CONVERGED = "the gap to the optimum is within tol"
    MAX_ITER = "max_iter was reached first"
    ROUNDING = "rounding hides whether the gap is within tol"
    STUCK = "rounding lets no step lower the objective any more"


@dataclass(frozen=True)
class Step:
    """One line of the trace, at the end of an iteration; loss and objective are per unit weight.

    With an L1 penalty, `gradient_norm` is that of the smallest subgradient.
    """

    iteration: int
    loss: float
    objective: float
    gradient_norm: float
    gap: float
    passes: int
    seconds: float

    def later(self, iterations: int = 0, passes: int = 0, seconds: float = 0.0) -> "Step":
        """The same, after so much."""
        return replace(
            self,
            iteration=iterations + self.iteration,
            passes=passes + self.passes,
            seconds=seconds + self.seconds,
        )

    def after(self, last: "Step") -> "Step":
        """The same on the way on from a last step, with the passes of both counted already."""
        return self.later(last.iteration, seconds=last.seconds)


@dataclass(frozen=True)
class Trace:
    """How a fit went: the solver, why it was chosen, one Step for each iterate, and the readings of the data in all.

    `passes` includes what came after the last iterate: its certificate, and the test for separation.
    """

    solver: str
    why: str
    steps: tuple[Step, ...]
    passes: int

    def column(self, name: str) -> NDArray[np.float64]:
        """One field of all steps as an array: trace.column("loss")."""
        return np.array([getattr(step, name) for step in self.steps])

    @property
    def seconds(self) -> float:
        """Wall-clock seconds in all."""
        return self.steps[-1].seconds

    def then(self, other: "Trace") -> "Trace":
        """The way of a fit that went on, from the last of these steps."""
        last = self.steps[-1]
        further = [step.later(last.iteration, self.passes, last.seconds) for step in other.steps[1:]]
        return Trace(other.solver, other.why, (*self.steps, *further), self.passes + other.passes)

    def __str__(self) -> str:
        head = f"{self.solver}: {self.why}\n iter        loss   |gradient|        gap  passes  seconds"
        lines = [
            f"{s.iteration:5d}  {s.loss:.8f}  {s.gradient_norm:11.3e}  {s.gap:9.2e}  {s.passes:6d}  {s.seconds:7.3f}"
            for s in self.steps
        ]
        return "\n".join([head, *lines])


@dataclass(frozen=True)
class Solution:
    """Where the loop stopped, how it got there, and how good that is."""

    at: Evaluation
    steps: tuple[Step, ...]
    certificate: Certificate
    status: Status


def ignore(step: Step) -> None:
    """The watch that does nothing."""


def norm_of(gradient: FloatArray) -> float:
    """|gradient|, of all its numbers, in fewer steps than np.linalg.norm takes to it: it is asked of each iterate."""
    flat = gradient.ravel(order="K")
    return float(flat @ flat) ** 0.5


def has_no_end(objective: Objective, at: Evaluation, tolerance: float) -> bool:
    """Whether a loss within the tolerance of zero falls for ever, as nothing is penalised and every row is on its side:
    no coefficients are nearer to an optimum than these."""
    return at.value <= tolerance and objective.penalty.is_none and objective.smallest_margin(at.theta) > 0


def minimise(
    objective: Objective,
    solver: Solver,
    tolerance: float,
    target: float,
    max_iter: int,
    watch: Callable[[Step], Any] = ignore,
    part: Part | None = None,
) -> Solution:
    """Draws iterates until one is proved to be within `tolerance` of the optimum, or as near as rounding lets be seen,
    or steps gain nothing any more, or max_iter of them were taken.

    A solver's gap is an estimate: once it has reached `target`, or is within `tolerance` where neither it nor the
    objective falls any more, the certificate decides, which a `part` of the rows may serve. Where it says no, the
    estimate has to fall by what was missing, or where a part alone says so by as little as the next step lets it fall,
    which takes fewer passes than any other certificate.
    """
    started, steps, before, value = perf_counter(), [], np.inf, np.inf
    idle, least = 0, np.inf
    number = 0
    while True:
        iterate = next(solver)
        at = iterate.at
        steps.append(
            Step(
                number,
                at.loss,
                at.value,
                norm_of(objective.subgradient(at)) if iterate.norm is None else iterate.norm,
                iterate.gap,
                objective.passes,
                perf_counter() - started,
            )
        )
        watch(steps[-1])
        no_lower = at.value >= value - rounding(at)
        stalled = no_lower and before / 2 < iterate.gap <= tolerance
        idle = idle + 1 if no_lower and least / 2 <= iterate.gap else 0
        before, least, value = iterate.gap, min(least, iterate.gap), min(value, at.value)
        stuck, over = idle >= MOST_IDLE, number >= max_iter
        if iterate.gap <= target or stalled or stuck or over or has_no_end(objective, at, tolerance):
            last = stalled or stuck or over
            certificate = (
                certify(objective, at, iterate.metric, tolerance, None if last else part, iterate.ahead, last)
                if iterate.proven is None
                else by_duality(objective, at, gap=iterate.proven)
            )
            if certificate.gap <= tolerance:
                return Solution(at, tuple(steps), certificate, Status.CONVERGED)
            rounded = certificate.gap <= 2.0 * rounding(at)  # more steps would show nothing
            if rounded or stuck or over:
                status = Status.ROUNDING if rounded else Status.STUCK if stuck else Status.MAX_ITER
                return Solution(at, tuple(steps), certificate, status)
            target = 0.5 * iterate.gap if part else iterate.gap * tolerance / certificate.gap
        del at, iterate  # a curvature may be theirs, which takes as much room as the next
        number += 1
