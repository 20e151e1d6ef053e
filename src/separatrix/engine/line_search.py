"""How far to go along a direction."""

from collections.abc import Callable
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from separatrix.engine.objective import ROUNDING, Evaluation, Objective


class HasValue(Protocol):
    """A point whose objective is known."""

    @property
    def value(self) -> float: ...


Valued = TypeVar("Valued", bound=HasValue)

SUFFICIENT = 1e-4  # of the decrease that the slope promises (Armijo; Nocedal and Wright 2006, eq. 3.6a)
SHORTEST = 2.0**-40
LEFT, MOST_TRIES = 0.1, 8  # of a slope, more is steep; and points that are tried after a first fall
FAR_TOO_MUCH = 100.0  # times the objective
UNSEEN = 64.0 * ROUNDING  # a fall by so little, against the objective, may drown in its rounding
beyond_numbers = np.errstate(over="ignore", divide="ignore", invalid="ignore")
"""Of a function: a step may lead to where nothing is a number any more. It lowers nothing, so it is not taken."""


def backtrack(
    objective: Objective,
    at: Evaluation,
    direction: NDArray[np.floating],
    order: int,
    length: float = 1.0,
    sufficient: float = SUFFICIENT,
    keep_state: bool = False,
    slope: float | None = None,
    dtype: DTypeLike = np.float64,
) -> tuple[Evaluation, float]:
    """The first of ever shorter steps along the direction where the objective falls, and its length.

    A fall smaller than the rounding of the objective itself counts as one: near the optimum no other is left. There
    the slope tells better than the objective where the step has led (Hager and Zhang 2005, section 2): to where less
    than half of it is left. If no length helps, the point stays. `slope` is the decrease that a unit of length
    promises, where the gradient does not know it: with an L1 part. dtype is the precision of a curvature.

    An objective, which is never negative, cannot fall by more than itself. A step that promises far more comes
    from where the loss is all but straight and its curvature next to nothing: it is cut to a promise that can be kept.
    """
    slope = float(np.vdot(at.gradient, direction)) if slope is None else slope

    def there(length: float, first: bool) -> Evaluation:
        # A curvature costs several values, so after a first disappointment it is left until the length is known.
        trial = order if first else order % 2
        return objective.evaluate(at.theta + length * direction, trial, keep_state, dtype)

    def left(there: Evaluation) -> float:
        return np.inf if there.gradient is None else slope_left(objective, there, direction)

    found, length = first_fall(at.value, slope, there, left, length, sufficient)
    if found is None:
        return at, length
    short = order == 2 and found.curvature is None
    return objective.evaluate(found.theta, order, keep_state, dtype) if short else found, length


def far_enough(objective: Objective, at: Evaluation, direction: NDArray[np.floating], length: float) -> Evaluation:
    """As `backtrack` from such a length, with the gradient and if there is room the state kept, but `less_steep` if a
    few more tries find such a point: each costs a pass, and the next direction of conjugate gradients many."""

    def there(length: float) -> Evaluation:
        return objective.evaluate(at.theta + length * direction, order=1, keep_state=True)

    slope = slope_along(direction)
    first = slope(at)
    found, length = backtrack(objective, at, direction, 1, length, keep_state=True, slope=first)
    if found is at:
        return at
    best = less_steep(at.value, first, there, slope, found, length)
    lost = objective.kept is not None and objective.kept_state(best) is None
    return objective.evaluate(best.theta, order=1, keep_state=True) if lost else best


def between(
    objective: Objective,
    at: Evaluation,
    there: Evaluation,
    direction: NDArray[np.floating],
    length: float,
    order: int,
    dtype: DTypeLike = np.float64,
) -> Evaluation:
    """As `far_enough`, of a point that a step of this length has led to, beyond where it is lowest; of an order."""

    def point(length: float) -> Evaluation:
        return objective.evaluate(at.theta + length * direction, order=1)

    slope = slope_along(direction)
    found = less_steep(at.value, slope(at), point, slope, there, length)
    return objective.evaluate(found.theta, order, dtype=dtype) if order == 2 and found.curvature is None else found


def slope_along(direction: NDArray[np.floating]) -> Callable[[Evaluation], float]:
    """How steep the objective is along a direction, at a point with a gradient."""
    return lambda at: float(np.vdot(at.gradient, direction))


def less_steep(
    value: float,
    slope: float,
    there: Callable[[float], Valued],
    slope_at: Callable[[Valued], float],
    found: Valued,
    length: float,
) -> Valued:
    """What a step of this length found, to where an objective of this value and slope has fallen; or ever lower points
    along it, while more than a tenth of the slope is left, up or down, but none farther than a length of 1.

    Newton's step leads too far from where many classes are all as likely, to where all probabilities are 0 or 1: next
    steps go from side to side, or back by ever the least share that a first fall asks for. Beyond the lowest point the
    cubic through both ends says where it is (Nocedal and Wright 2006, eq. 3.59); before it, twice as far is tried.
    """
    low = 0.0, value, slope
    for _ in range(MOST_TRIES):
        here = length, found.value, slope_at(found)
        if abs(here[2]) <= LEFT * abs(slope):
            break
        if here[2] > 0:
            length = lowest_of_cubic(low, here)
        else:
            low, length = here, 2.0 * length
        if not (length < 1.0 and (point := there(length)).value < found.value):
            break
        found = point
    return found


def lowest_of_cubic(low: tuple[float, float, float], high: tuple[float, float, float]) -> float:
    """Where between two points, each a place with a value and a slope, down at the first and up at the other, the cubic
    through both is lowest.

    >>> lowest_of_cubic((0.0, 1.0, -2.0), (4.0, 9.0, 6.0))  # of (x - 1)^2
    1.0
    """
    (a, value, fall), (b, there, rise) = low, high
    fall, rise = (b - a) * fall, (b - a) * rise  # of slopes as steep as steps are short, squares would be no numbers
    bend = fall + rise - 3.0 * (there - value)
    root = max(bend * bend - fall * rise, 0.0) ** 0.5
    return b - (b - a) * (rise + root - bend) / (rise - fall + 2.0 * root)


def first_fall(
    value: float,
    slope: float,
    there: Callable[[float, bool], Valued],
    left: Callable[[Valued], float],
    length: float = 1.0,
    sufficient: float = SUFFICIENT,
) -> tuple[Valued | None, float]:
    """As `backtrack`, from an objective of this value and slope: there(length, whether it is the first) is a point, and
    left(point) the |slope| that is left at one, inf where that is not known. None if no length helps."""
    if -slope * length > FAR_TOO_MUCH * value > 0:
        length = -2.0 * value / slope
    rounding = ROUNDING * abs(value)
    longest, shortest = length, SHORTEST * length
    while length > shortest:
        point = there(length, length == longest)
        fallen = point.value <= value + sufficient * length * slope + rounding
        if not fallen and -slope * length <= UNSEEN * abs(value):
            fallen = left(point) <= -0.5 * slope
        if fallen:
            return point, length
        length *= shorter(value, slope * length, point.value)
    return None, length


def slope_left(objective: Objective, at: Evaluation, direction: NDArray[np.floating]) -> float:
    """The least |slope| of the objective along a direction: where a weight is zero, the L1 part has all between two."""
    signed = float(np.vdot(at.gradient + objective.l1 * np.sign(at.theta), direction))
    return max(abs(signed) - float(np.sum(objective.l1 * np.abs(direction) * (at.theta == 0))), 0.0)


def shorter(value: float, slope: float, there: float) -> float:
    """Where between 0 and 1 to try next: at the minimum of the parabola through what is known, but not at the ends; and
    near 0 where it is a straight line, or not known.

    >>> shorter(value=1.0, slope=-1.0, there=2.0), shorter(value=1.0, slope=1.0, there=2.0)
    (0.25, 0.1)
    """
    bend = there - value - slope
    return min(max(0.1, -0.5 * slope / bend), 0.5) if bend else 0.1
