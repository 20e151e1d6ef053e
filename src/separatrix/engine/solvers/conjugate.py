"""theta <- theta - curvature^-1 gradient, by conjugate gradients: for very many coefficients, no matrix is built."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from separatrix.arrays import FloatArray, IntArray
from separatrix.data.block import Block
from separatrix.data.memory import FEW_CELLS, MemorySource
from separatrix.data.threads import in_order
from separatrix.data.wide import AHEAD
from separatrix.engine.iterate import UNTIL_THE_END, Aim, Iterate, Solver
from separatrix.engine.line_search import far_enough
from separatrix.engine.matrices.linear_algebra import LARGEST_CURVATURE, Linear, conjugate_gradients
from separatrix.engine.matrices.packed import Half, packed, solve_packed
from separatrix.engine.matrices.room import takes_little
from separatrix.engine.objective import Evaluation, Objective
from separatrix.engine.solvers.newton import is_broken, left_at_zero, lengthened, newton, share_left
from separatrix.engine.solvers.sampling import FEW_ROWS, few_rows, sampled
from separatrix.equations.hyperplane import pieces

MOST_PRODUCTS = 500  # in one Newton step
LOOSE, LESS = 0.2, 0.1  # relative residual of the first steps, and where what prepares one costs as several products
UNSOLVED = 0.02  # of the gap that is to be reached, for a step to leave
COUNTS = 1e-8 * float(np.finfo(float).eps)  # beside F, of the square of a residual: F is flat along weak penalties
MEDIANS = 5.0  # of the mean squares of columns, by which each is raised
MANY_PRODUCTS = 15  # cost about as much as a Gram matrix of the sample for each class
SOME_PRODUCTS = 8  # prepared by the mean of all classes, say that such matrices will soon have saved as many
ENOUGH = 20  # for one column of eta and a Gram matrix of the sample
FASTER = 2_000  # is a multiplication of a factor than one of a sparse Gram matrix
SAMPLE = 20  # rows for each row of the Gram matrix that preconditions
FEW_BYTES = 2**25  # for matrices beside few rows, which may be those of a wider X in the space of its rows


def conjugate_newton(objective: Objective, theta: FloatArray, aim: Aim = UNTIL_THE_END) -> Solver:
    """Truncated Newton (Dembo and Steihaug 1983): the Newton equations solved as well as the gradient is worth.

    The estimated gap is about what the certificate will say, which costs nothing; without an L2 penalty on every weight
    it is the decrease that the next step promises. Where that is not kept, as where columns all but repeat each other,
    Newton's own steps go on, if there is room for their curvature. Of one column of eta steps are lengthened as those
    are; and the equations of the last are solved no better than the gap that is to be reached asks for.
    """
    enough = products_by_diagonal(objective, theta)
    near = preconditioner(objective, theta, enough)
    most = int(min(enough or MOST_PRODUCTS, MOST_PRODUCTS))
    loose = LOOSE if enough > ENOUGH else LESS
    if aim.gap and objective.loss.third_bound == 0:  # of a quadratic one step is all, so it goes on to the end
        loose = 0.0
    at, products, idle = objective.evaluate(theta, order=1, keep_state=True), 0, 0
    kept = objective.source.n_rows * objective.source.room
    few = few_rows(objective) if objective.kept is None else objective
    proven, single, left = bool(objective.penalty.l2.all()), theta.shape[1] == 1, None
    while True:
        h = mean_curvatures(objective, at, few)
        gap = min(strong_convexity_gap(objective.penalty.l2, at, h), at.value) if proven else np.inf
        if proven:
            yield Iterate(at, gap)
        unsolved = residual_that_counts(at.value, gap, aim, loose)
        step, products = newton_step(objective, at, near(at, h, products), most, unsolved)
        slope = float(np.vdot(at.gradient, step))
        promised = 0.5 * abs(slope)
        if not proven:
            yield Iterate(at, gap=min(promised, at.value))
        left = left_at_zero(objective, at.theta, slope) if left is None else left
        here, at = at, far_enough(objective, at, step, lengthened(left) if single else 1.0)
        left = share_left(at, step, slope)
        idle = 0 if at.value < here.value else idle + 1
        if (idle > 1 or is_broken(promised, here, at)) and takes_little(at.theta.size, kept):
            yield from newton(objective, at.theta, broken=True)


def strong_convexity_gap(l2: FloatArray, at: Evaluation, h: FloatArray) -> float:
    """|gradient|^2 / (2 strength), summed over the weights, and about as much for the intercepts, by their mean
    curvatures."""
    square = np.einsum("jk,jk->j", at.gradient, at.gradient)
    return 0.5 * float(np.sum(square[: len(l2)] / l2) + np.sum(square[len(l2) :]) / h.mean())


def mean_curvatures(objective: Objective, at: Evaluation, few: Objective) -> FloatArray:
    """Of the loss in each of its eta, (K,), on average over few rows: some whose state is kept, or those of `few`,
    whose state is made. Never next to nothing: where every row is far from the boundary, its inverse would be no step.
    """
    kept, source = objective.kept_state(at), objective.source
    if kept is not None and isinstance(source, MemorySource):
        some = slice(None, None, max(1, len(kept) // FEW_ROWS))
        weight = np.asarray(source.weight[some])
        # Of the rows that a fold leaves out, as many as are looked at may follow each other in such steps.
        mean = np.average(objective.loss.diagonal(kept[some]), axis=0, weights=weight if weight.any() else None)
    else:
        *total, weight = few.add_up(
            lambda block: np.append(block.weight @ few.loss.diagonal(few.state_of(at, block)), block.total)
        )
        mean = np.array(total) / weight
    return np.maximum(mean, np.finfo(float).eps * objective.loss.curvature_bound)


def newton_step(
    objective: Objective, at: Evaluation, near: Linear, most: int, enough: Callable[[float], float]
) -> tuple[FloatArray, int]:
    """The step with curvature @ step = -gradient, but for a residual that is small `enough`, and in how many products;
    `near` applies the inverse of something near the curvature."""
    return conjugate_gradients(
        lambda direction: objective.curvature_times(at, direction),
        near,
        -at.gradient,
        enough,
        most=min(most, 10 * at.theta.size),
    )


def residual_that_counts(value: float, gap: float, aim: Aim, loose: float = LOOSE) -> Callable[[float], float]:
    """How much of the square of a residual may be left, which starts at that of the gradient, where the objective has
    that value and gap: a relative residual of min(loose, sqrt |gradient|), or what adds little to the gap that is to be
    reached, or as much as no longer counts beside F. Less is the rounding of the gradient: it has a part along what no
    row sees, for which no step is long enough."""
    share = UNSOLVED * aim.gap / gap if gap else 1.0
    return lambda start: max(start * max(min(loose**2, abs(start) ** 0.5), min(share, LOOSE**2)), COUNTS * value)


Preconditioner = Callable[[Evaluation, FloatArray, int], Callable[[FloatArray], FloatArray]]
"""Of a point, the mean curvatures there (K,), and in how many products the last step was found."""


def diagonal_preconditioner(objective: Objective, theta: FloatArray) -> Preconditioner:
    """By the curvature's diagonal, and its row of the intercept, as if all rows were as curved as their mean.

    That is curvature h [X 1]'[X 1] + l2 without what the centred columns know of each other: with the means m,

        weights      z = (r - m r_b) / (h mean(x^2) + l2)
        intercept    z_b = r_b / h - m'z

    Where columns outnumber rows, mean(x^2) is raised by some times its median: a text has many words that hardly any
    other text has, which otherwise would make long rows far more curved than short ones.
    """
    p, strength = objective.source.n_columns, objective.penalty.l2[:, None]
    mean, square = objective.column_moments()
    if p > objective.source.n_rows and square.any():
        square += MEDIANS * np.median(square[square > 0])
    pool = objective.source.pool if theta.size > FEW_CELLS else None

    def at_point(at: Evaluation, curvatures: FloatArray, products: int) -> Callable[[FloatArray], FloatArray]:
        h = curvatures.mean()
        shares = 1.0 / np.maximum(h * square + strength, np.finfo(float).tiny)

        def inverse(residual: FloatArray) -> FloatArray:
            towards, shift = np.empty_like(residual), residual[p:].sum(axis=0)  # 0 without an intercept

            def scaled(some: slice) -> FloatArray:
                z = np.multiply(mean[some], shift, out=towards[some])
                np.subtract(residual[some], z, out=z)
                z *= shares[some]
                return mean[some].T @ z

            towards[p:] = shift / h - sum(in_order(pool, scaled, pieces(*residual[:p].shape), AHEAD))
            return towards

        return inverse

    return at_point


def products_by_diagonal(objective: Objective, theta: FloatArray) -> float:
    """How many products the diagonal is given before Gram matrices take its place: of several columns of eta none, but
    of a sparse X the more, the less its entries cost beside those of a Gram matrix, which meet in pairs, and a factor,
    P^3 / 3."""
    (P, K), source = theta.shape, objective.source
    if P > LARGEST_CURVATURE:
        return np.inf
    if isinstance(source, MemorySource) and source.is_sparse:
        entries = max(source.X.nnz, 1)
        gram = min(source.n_rows, SAMPLE * P) * (entries / source.n_rows) ** 2
        return ENOUGH * max(1.0, (gram + P**3 / FASTER) / entries)
    return ENOUGH if K == 1 else 0


def preconditioner(objective: Objective, theta: FloatArray, enough: float) -> Preconditioner:
    """By the diagonal, until the steps took more than enough products; then by Grams."""
    dear = max(1.0, enough / ENOUGH)
    if not enough:
        return gram_preconditioner(objective, theta, dear)
    near, so_far = diagonal_preconditioner(objective, theta), 0

    def at_point(at: Evaluation, curvatures: FloatArray, products: int) -> Callable[[FloatArray], FloatArray]:
        nonlocal near, so_far
        so_far += products
        if so_far > enough >= so_far - products:
            near, products = gram_preconditioner(objective, at.theta, dear), int(MANY_PRODUCTS * dear) + 1
        return near(at, curvatures, products)

    return at_point


def gram_preconditioner(objective: Objective, theta: FloatArray, dear: float) -> Preconditioner:
    """Class by class, the curvature that a sample of the rows has in the coefficients of that class alone; where the
    matrices would take much beside X, their mean for all. They are so many times as `dear`, in products, as usual.

    At first as if all its rows were as curved as their mean, which takes one Gram matrix, and a factor for all classes
    that are about as curved; beside them there must be memory for each class. Once a step needed many products, with
    one for each class, computed afresh whenever a step needs many again. If it does with fresh ones, the sample misses
    what few rows know, as where classes are nearly separated: from then on they are of all rows.
    """
    (P, K), p = theta.shape, objective.source.n_columns
    some = sampled(objective, theta, SAMPLE * P, np.random.default_rng(0)).weighted
    strength = np.concatenate([objective.penalty.l2, np.zeros(P - p)])
    kept = objective.source.room * objective.source.n_rows
    each = (kept if np.isfinite(kept) else FEW_BYTES) >= 8 * K * P**2 / 2
    groups = np.arange(K).reshape(-1, 1 if each else K)
    even: Any = None
    by_class: Any = None
    fresh = False

    def at_point(at: Evaluation, curvatures: FloatArray, products: int) -> Callable[[FloatArray], FloatArray]:
        nonlocal even, by_class, fresh, some
        some, fresh = objective if fresh and products > MANY_PRODUCTS * dear else some, False
        if products > (MANY_PRODUCTS if by_class else SOME_PRODUCTS) * dear or not (by_class or each):
            even, by_class, fresh = None, None, True  # before others are made: each takes as much
            there = at if some is objective else some.evaluate(at.theta, order=1, keep_state=True)
            grams = zip(groups, class_grams(some, there, groups), strict=True)
            by_class = [(group, packed(gram, strength)) for group, gram in grams]
        near = by_class
        if near is None:
            even = even or some.half_gram(P - p, lambda block: block.weight, np.float32)
            near = [(group, packed(partial(even.times, h), strength)) for group, h in levels(curvatures)]

        def inverse(residual: FloatArray) -> FloatArray:
            towards = np.empty_like(residual)
            for group, factor in near:
                towards[:, group] = solve_packed(factor, residual[:, group])
            return objective.canonical(towards)

        return inverse

    return at_point


def levels(h: FloatArray) -> Iterator[tuple[IntArray, float]]:
    """Classes that are about as curved as each other, and their mean: those near the same power of two.

    >>> [(group.tolist(), mean) for group, mean in levels(np.array([4.0, 100.0, 5.0]))]
    [([0, 2], 4.5), ([1], 100.0)]
    """
    level = np.rint(np.log2(h))
    for each in np.unique(level):
        group = np.flatnonzero(level == each)
        yield group, float(h[group].mean())


def class_grams(objective: Objective, at: Evaluation, groups: IntArray) -> Iterator[Callable[[], Half]]:
    """Makes the curvature in the coefficients of each class alone, (P, P) each, in single precision; of several the
    mean."""
    ones = len(at.theta) - objective.source.n_columns

    def weight(classes: IntArray) -> Callable[[Block], FloatArray]:
        def mean(block: Block) -> FloatArray:
            state = objective.state_of(at, block)
            return block.weight * objective.loss.diagonal(state)[:, classes].mean(axis=1, dtype=np.float64)

        return mean

    return (partial(objective.half_gram, ones, weight(classes), np.float32) for classes in groups)
