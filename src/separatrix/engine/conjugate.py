"""theta <- theta - curvature^-1 gradient, by conjugate gradients: for very many coefficients, no matrix is built."""

from collections.abc import Callable

import numpy as np

from separatrix.arrays import FloatArray
from separatrix.data.block import Block
from separatrix.engine.certificate import LARGEST_CURVATURE
from separatrix.engine.iterate import Iterate, Solver
from separatrix.engine.line_search import backtrack
from separatrix.engine.linear_algebra import factor_positive, solve_factored
from separatrix.engine.objective import Evaluation, Objective, Sums
from separatrix.engine.sampling import sampled
from separatrix.equations.hyperplane import weighted_gram

MOST_PRODUCTS = 500  # in one Newton step
MANY_PRODUCTS = 15  # cost about as much as a Gram matrix of the sample for each class
SAMPLE = 20  # rows for each row of the Gram matrix that preconditions


def conjugate_newton(objective: Objective, theta: FloatArray) -> Solver:
    """Truncated Newton (Dembo and Steihaug 1983): the Newton equations solved as well as the gradient is worth.

    The estimated gap is the decrease the step promises.
    """
    several = theta.shape[1] > 1 and len(theta) <= LARGEST_CURVATURE
    near = (gram_preconditioner if several else diagonal_preconditioner)(objective, theta)
    at, products = objective.evaluate(theta, order=1, keep_state=True), 0
    while True:
        step, products = conjugate_gradients(objective, at, near(at, products))
        yield Iterate(at, gap=min(-0.5 * float(np.sum(at.gradient * step)), at.value))
        at, _ = backtrack(objective, at, step, order=1, keep_state=True)


def conjugate_gradients(
    objective: Objective, at: Evaluation, near: Callable[[FloatArray], FloatArray]
) -> tuple[FloatArray, int]:
    """The step with curvature @ step = -gradient, to a relative residual of min(1/10, sqrt |gradient|); and in how many
    products.

    `near` applies the inverse of something near the curvature.
    """
    step, residual = np.zeros_like(at.theta), -at.gradient
    direction = near(residual)
    size = start = float(np.sum(residual * direction))
    enough = start * min(0.1, start**0.25) ** 2
    products = 0
    while size > enough and products < min(MOST_PRODUCTS, at.theta.size):
        product, products = objective.curvature_times(at, direction), products + 1
        bend = float(np.sum(direction * product))
        if not bend > 0:  # every row is so far from the boundary that its loss has rounded to a straight line
            return step if step.any() else direction, products
        length = size / bend
        step, residual = step + length * direction, residual - length * product
        towards, before = near(residual), size
        size = float(np.sum(residual * towards))
        direction = towards + (size / before) * direction
    return step, products


Preconditioner = Callable[[Evaluation, int], Callable[[FloatArray], FloatArray]]


def diagonal_preconditioner(objective: Objective, theta: FloatArray) -> Preconditioner:
    """By the bound on the curvature's diagonal, the same everywhere."""
    unit = objective.diagonal_bound(theta)
    return lambda at, products: lambda residual: residual / unit


def gram_preconditioner(objective: Objective, theta: FloatArray) -> Preconditioner:
    """Class by class, the curvature that a sample of the rows has in the coefficients of that class alone.

    At first as if all its rows were as curved as their mean, which takes one Gram matrix; once a step needed many
    products, with one for each class, computed afresh whenever a step needs many again.
    """
    P, p, K = len(theta), objective.source.n_columns, theta.shape[1]
    some = sampled(objective, theta, SAMPLE * P, np.random.default_rng(0))
    strength = np.diag(np.concatenate([objective.penalty.l2, np.zeros(P - p)]))
    even, by_class = sample_gram(some, P - p, lambda block: block.weight), None

    def at_point(at: Evaluation, products: int) -> Callable[[FloatArray], FloatArray]:
        nonlocal by_class
        if products > MANY_PRODUCTS:
            by_class = class_grams(some, at.theta)
        mean = [objective.loss.second(at.state, k, k).mean() for k in range(K)]
        grams = [h * even for h in mean] if by_class is None else by_class
        factors = [factor_positive(gram + strength) for gram in grams]
        return lambda residual: objective.canonical(
            np.column_stack([solve_factored(factor, r) for factor, r in zip(factors, residual.T, strict=True)])
        )

    return at_point


def class_grams(objective: Objective, theta: FloatArray) -> list[FloatArray]:
    """The curvature in the coefficients of each class alone, (P, P) each, in single precision."""
    state, ones = objective.evaluate(theta, order=1, keep_state=True).state, len(theta) - objective.source.n_columns

    def weight(k: int) -> Callable[[Block], FloatArray]:
        return lambda block: block.weight * objective.loss.second(state[block.rows], k, k)

    return [sample_gram(objective, ones, weight(k)) for k in range(theta.shape[1])]


def sample_gram(objective: Objective, ones: int, weight: Callable[[Block], FloatArray]) -> FloatArray:
    """[X 1]' diag(weight) [X 1] in one pass and single precision, over the sum of the rows' own weights."""

    def gram(block: Block) -> Sums:
        total, half = float(block.weight.sum()), weighted_gram(block.X, weight(block), ones, np.float32)
        return Sums(total, 0.0, curvature=half)

    sums = objective.add_up(gram)
    return sums.curvature / sums.weight
