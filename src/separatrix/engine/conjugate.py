"""theta <- theta - curvature^-1 gradient, by conjugate gradients: for very many coefficients, no matrix is built."""

from collections.abc import Callable

import numpy as np

from separatrix.arrays import FloatArray
from separatrix.engine.certificate import LARGEST_CURVATURE
from separatrix.engine.iterate import Iterate, Solver
from separatrix.engine.line_search import backtrack
from separatrix.engine.linear_algebra import factor_positive, solve_factored
from separatrix.engine.objective import Evaluation, Objective
from separatrix.engine.sampling import sampled
from separatrix.equations.hyperplane import weighted_gram

MOST_PRODUCTS = 500  # in one Newton step
SAMPLE = 8  # rows for each row of the Gram matrix that preconditions


def conjugate_newton(objective: Objective, theta: FloatArray) -> Solver:
    """Truncated Newton (Dembo and Steihaug 1983): the Newton equations solved as well as the gradient is worth.

    The estimated gap is the decrease the step promises.
    """
    several = theta.shape[1] > 1 and len(theta) <= LARGEST_CURVATURE
    near = (gram_preconditioner if several else diagonal_preconditioner)(objective, theta)
    at = objective.evaluate(theta, order=1, keep_state=True)
    while True:
        step = conjugate_gradients(objective, at, near(at))
        yield Iterate(at, gap=min(-0.5 * float(np.sum(at.gradient * step)), at.value))
        at, _ = backtrack(objective, at, step, order=1, keep_state=True)


def conjugate_gradients(objective: Objective, at: Evaluation, near: Callable[[FloatArray], FloatArray]) -> FloatArray:
    """The step with curvature @ step = -gradient, to a relative residual of min(1/10, sqrt |gradient|).

    `near` applies the inverse of something near the curvature.
    """
    step, residual = np.zeros_like(at.theta), -at.gradient
    direction = near(residual)
    size = start = float(np.sum(residual * direction))
    enough = start * min(0.1, start**0.25) ** 2
    for _ in range(min(MOST_PRODUCTS, at.theta.size)):
        if size <= enough:
            break
        product = objective.curvature_times(at, direction)
        bend = float(np.sum(direction * product))
        if not bend > 0:  # every row is so far from the boundary that its loss has rounded to a straight line
            return step if step.any() else direction
        length = size / bend
        step, residual = step + length * direction, residual - length * product
        towards, before = near(residual), size
        size = float(np.sum(residual * towards))
        direction = towards + (size / before) * direction
    return step


Preconditioner = Callable[[Evaluation], Callable[[FloatArray], FloatArray]]


def diagonal_preconditioner(objective: Objective, theta: FloatArray) -> Preconditioner:
    """By the bound on the curvature's diagonal, the same everywhere."""
    unit = objective.diagonal_bound(theta)
    return lambda at: lambda residual: residual / unit


def gram_preconditioner(objective: Objective, theta: FloatArray) -> Preconditioner:
    """Class by class: the mean curvature of the class times the Gram matrix of a sample of the rows, plus the penalty.

    That is the curvature if all rows were as curved as their mean, and the classes did not know of each other.
    """
    P, p = len(theta), objective.source.n_columns
    some = sampled(objective, theta, SAMPLE * P, np.random.default_rng(0))
    total, gram = some.add_up(
        lambda block: np.array([block.weight.sum(), weighted_gram(block.X, block.weight, P - p)], dtype=object)
    )
    strength = np.diag(np.concatenate([objective.penalty.l2, np.zeros(P - p)]))

    def at_point(at: Evaluation) -> Callable[[FloatArray], FloatArray]:
        mean = [objective.loss.second(at.state, k, k).mean() for k in range(theta.shape[1])]
        factors = [factor_positive(h * gram / total + strength) for h in mean]
        return lambda residual: objective.canonical(
            np.column_stack([solve_factored(factor, r) for factor, r in zip(factors, residual.T, strict=True)])
        )

    return at_point
