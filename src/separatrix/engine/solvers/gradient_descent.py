"""theta <- theta - learning_rate * gradient, each coordinate in a unit of its own."""

import numpy as np
from numpy.typing import NDArray

from separatrix.engine.iterate import Iterate, Solver
from separatrix.engine.line_search import backtrack
from separatrix.engine.objective import Objective


def gradient_descent(objective: Objective, theta: NDArray[np.floating]) -> Solver:
    """Gradient descent with the curvature's diagonal bound as the unit of each coefficient, so scale does not matter.

    The learning rate doubles after a step and halves until the objective falls by half of what the slope promises, as
    it does for 1 / curvature: twice that rate would fall too, by next to nothing, from one side of the valley to the
    other. The estimated gap is the decrease that a quadratic model with that diagonal promises.
    """
    unit, learning_rate = objective.diagonal_bound(theta), 1.0
    at = objective.evaluate(theta, order=1)
    while True:
        direction = -at.gradient / unit
        yield Iterate(at, gap=-0.5 * float(np.sum(at.gradient * direction)))
        at, learning_rate = backtrack(objective, at, direction, order=1, length=2 * learning_rate, sufficient=0.5)
