"""theta <- theta - curvature^-1 gradient, by Cholesky: for few columns."""

import numpy as np

from separatrix.arrays import FloatArray
from separatrix.engine.iterate import Iterate, Solver
from separatrix.engine.line_search import backtrack
from separatrix.engine.linear_algebra import solve_positive
from separatrix.engine.objective import Objective


def newton(objective: Objective, theta: FloatArray) -> Solver:
    """Newton's method, shortened until the objective falls (Boyd and Vandenberghe 2004, algorithm 9.5).

    The estimated gap is half the squared Newton decrement, or the objective itself where that is less: the losses of
    classification are never negative.
    """
    at = objective.evaluate(theta, order=2)
    while True:
        step = solve_positive(at.curvature, -at.gradient.ravel()).reshape(at.theta.shape)
        yield Iterate(at, gap=min(-0.5 * float(np.sum(at.gradient * step)), at.value))
        at, _ = backtrack(objective, at, step, order=2)
