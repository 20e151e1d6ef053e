"""theta <- theta - curvature^-1 gradient, by Cholesky: for few columns."""

import numpy as np

from separatrix.arrays import FloatArray
from separatrix.engine.iterate import Iterate, Solver
from separatrix.engine.line_search import backtrack
from separatrix.engine.linear_algebra import factor_positive, solve_factored
from separatrix.engine.objective import Objective

KEEP = 0.001  # a step that leaves less than this share of the gap keeps the curvature for the next
LONGEST = 4.0  # step, of Newton's own


def newton(objective: Objective, theta: FloatArray, start: Iterate | None = None) -> Solver:
    """Newton's method, shortened until the objective falls (Boyd and Vandenberghe 2004, algorithm 9.5).

    A curvature costs some gradients, so it is computed afresh only where the last one has done too little (the chord
    method; Kelley 1995, section 5.4.1). Where a step has left some of its slope, as on data that are nearly separated,
    whose weights are far to go, the next one is as much longer as that one should have been. The estimated gap is half
    the squared Newton decrement, or the objective itself where that is less: the losses of classification are never
    negative. A `start` that is known, with gradient and metric, saves the first pass.
    """
    at = start.at if start else objective.evaluate(theta, order=2)
    metric = (start and start.metric) or at
    # The metric of a known start may be old: the second step shows what it is worth.
    factor, before, length = factor_positive(metric.curvature), np.inf if start else 0.0, 1.0
    while True:
        step = solve_factored(factor, -at.gradient.ravel()).reshape(at.theta.shape)
        gap = min(-0.5 * float(np.vdot(at.gradient, step)), at.value)
        yield Iterate(at, gap, metric)
        order, before = 1 if gap <= KEEP * before else 2, gap
        slope = float(np.vdot(at.gradient, step))
        at, taken = backtrack(objective, at, step, order, length)
        left = float(np.vdot(at.gradient, step)) / slope if slope and taken == length else 0.0
        length = min(1.0 / (1.0 - min(max(left, 0.0), 0.9)), LONGEST)
        if at.curvature is not None and at is not metric:
            metric, factor = at, factor_positive(at.curvature)
