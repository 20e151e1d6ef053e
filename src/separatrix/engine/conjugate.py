"""theta <- theta - curvature^-1 gradient, by conjugate gradients: for very many columns, no matrix is built."""

import numpy as np

from separatrix.arrays import FloatArray
from separatrix.engine.iterate import Iterate, Solver
from separatrix.engine.line_search import backtrack
from separatrix.engine.objective import Evaluation, Objective

MOST_PRODUCTS = 500  # in one Newton step


def conjugate_newton(objective: Objective, theta: FloatArray) -> Solver:
    """Truncated Newton (Dembo and Steihaug 1983): the Newton equations solved as well as the gradient is worth.

    Preconditioned by the bound on the curvature's diagonal. The estimated gap is the decrease the step promises.
    """
    unit = objective.diagonal_bound(theta)
    at = objective.evaluate(theta, order=1, keep_state=True)
    while True:
        step = conjugate_gradients(objective, at, unit)
        yield Iterate(at, gap=min(-0.5 * float(np.sum(at.gradient * step)), at.value))
        at, _ = backtrack(objective, at, step, order=1, keep_state=True)


def conjugate_gradients(objective: Objective, at: Evaluation, unit: FloatArray) -> FloatArray:
    """The step with curvature @ step = -gradient, to a relative residual of min(1/10, sqrt |gradient|)."""
    step, residual = np.zeros_like(at.theta), -at.gradient
    direction = residual / unit
    size = start = float(np.sum(residual * direction))
    enough = start * min(0.1, start**0.25) ** 2
    for _ in range(min(MOST_PRODUCTS, at.theta.size)):
        if size <= enough:
            break
        product = objective.curvature_times(at, direction)
        length = size / float(np.sum(direction * product))
        step, residual = step + length * direction, residual - length * product
        before, size = size, float(np.sum(residual**2 / unit))
        direction = residual / unit + (size / before) * direction
    return step
