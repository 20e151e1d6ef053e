"""How far to go along a direction."""

import numpy as np
from numpy.typing import NDArray

from separatrix.engine.objective import Evaluation, Objective

SUFFICIENT = 1e-4  # of the decrease that the slope promises (Armijo; Nocedal and Wright 2006, eq. 3.6a)
SHORTEST = 2.0**-40


def backtrack(
    objective: Objective,
    at: Evaluation,
    direction: NDArray[np.floating],
    order: int,
    length: float = 1.0,
    sufficient: float = SUFFICIENT,
    keep_state: bool = False,
) -> tuple[Evaluation, float]:
    """The first of at + length direction, at + length/2 direction, ... where the objective falls, and its length.

    A fall smaller than the rounding of the objective itself counts as one: near the optimum no other is left. If no
    length helps, the point stays.
    """
    slope = float(np.sum(at.gradient * direction))
    rounding = 4.0 * np.finfo(float).eps * abs(at.value)
    while length > SHORTEST:
        there = objective.evaluate(at.theta + length * direction, order, keep_state)
        if there.value <= at.value + sufficient * length * slope + rounding:
            return there, length
        length /= 2.0
    return at, length
