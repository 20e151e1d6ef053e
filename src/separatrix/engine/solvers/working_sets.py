r"""Proximal Newton where columns are many: steps on a working set, the columns with a weight and those whose gradient
says most loudly that zero is not their optimum (Massias et al. 2018, "Celer").

The curvature of a working set (`separatrix.engine.lasso.working_model`) is of these columns only, which a pass over
the data does not count.
"""

from dataclasses import replace

import numpy as np

from separatrix.arrays import FloatArray, IntArray
from separatrix.data.block import Source
from separatrix.data.column_traits import share_of_entries
from separatrix.data.memory import MemorySource, in_double
from separatrix.engine.certificates.decrement import slope_size
from separatrix.engine.certificates.duality import Prediction, duality_gap
from separatrix.engine.iterate import Iterate, Solver
from separatrix.engine.lasso.quadratic_model import NOTHING, promised_slope
from separatrix.engine.lasso.working_model import minimum_by_products, minimum_by_roots
from separatrix.engine.line_search import backtrack
from separatrix.engine.matrices.room import Room, room_beside
from separatrix.engine.objective import Evaluation, Objective
from separatrix.equations.hyperplane import pieces
from separatrix.equations.penalties import ARRAYS

TRUNCATED, EXACT = 0.1, 1e-7  # of the squared subgradient a minimum of the model may leave, at first and at last
FORCING = 3.0  # times the squared share of the gap that the last step left
DOWN, STAGED = 4.0, 0.001  # from one L1 part to a weaker one, and what a minimum of its model may leave
SMALLEST_SET = 400  # columns, or
MOST = 0.5  # of all columns, which then are it: of dense ones less is copied
GROWTH = 3  # for each with a weight
FAR = 30  # times what a pass over a working set reads make one over all dear, which then comes after
MOST_STEPS = 3  # on it, while
LITTLE = 0.3  # of what the first has promised a step promises no more
FULL = 0.3  # of the entries of columns: of more, products with their zeros take no longer


def on_working_sets(objective: Objective, theta: FloatArray) -> Solver:
    """Each iteration takes a step on a working set, or a few where a pass over all columns is dear; the gradient of all
    columns then chooses the next.

    Where more columns want a weight than there are rows, a first step would give one to most of them, of which few are
    to keep it. So there the L1 part begins stronger and comes down, a step at a time (Hale, Yin and Zhang 2008,
    "Fixed-point continuation for l1-minimization").

    The estimated gap is the decrease that a quadratic model with the bound on the curvature's diagonal promises, or
    more where the certificate will ask for more. The faster it falls, the more exactly models are solved (Eisenstat and
    Walker 1996, "Choosing the forcing terms in an inexact Newton method", choice 2): the last steps then are Newton's,
    and what their models predict makes the certificate.
    """
    unit, source = objective.diagonal_bound(theta), objective.source
    room = room_beside(8.0 * cells(source), source.n_rows * source.room)
    (at, state), ahead = evaluate_with_state(objective, theta), None
    promised, times = promised_by_diagonal(objective, at, unit), times_too_weak(objective, at)
    enough = STAGED if times > 1.0 else TRUNCATED
    while True:
        yield Iterate(at, estimated_gap(objective, at, promised), ahead=ahead)
        times = max(times / DOWN, 1.0)
        stage, here = objective.stronger(times, at) if times > 1.0 else (objective, at)
        chosen = working_set(stage, here, np.sqrt(unit))
        rows = np.append(chosen, np.arange(source.n_columns, len(theta)))
        part, here = on_columns(stage, here, state, chosen, rows, room)
        most = MOST_STEPS if cells(source) > FAR * cells(part.source) else 1
        ahead = steps_on(part, here, room, enough, most)
        theta = at.theta.copy()
        theta[rows] = ahead.reached
        (at, state), before = evaluate_with_state(objective, theta), promised
        promised = promised_by_diagonal(objective, at, unit)
        if times == 1.0:
            enough = float(np.clip(FORCING * (promised / max(before, NOTHING)) ** 2, EXACT, TRUNCATED))


def times_too_weak(objective: Objective, at: Evaluation) -> float:
    """How many times as strong an L1 part would keep at zero the weights that are, if more columns want one than there
    are rows; else 1."""
    l1, slope = objective.penalty.l1, at.gradient[: objective.source.n_columns].copy()
    slope[at.theta[: len(slope)] != 0] = 0.0
    largest = np.abs(slope, out=slope).max(axis=1, initial=0.0)
    few = np.count_nonzero(largest > l1) <= objective.source.n_rows
    return 1.0 if few else float(np.max(largest[l1 > 0] / l1[l1 > 0], initial=1.0))


def evaluate_with_state(objective: Objective, theta: FloatArray) -> tuple[Evaluation, FloatArray | None]:
    """The objective and its gradient; and the state of the rows, if there is room: for the models alone, as a
    certificate is not made of single precision."""
    at = objective.evaluate(theta, order=1, keep_state=True)
    state, objective.kept = objective.kept_state(at), None
    return at, state


def on_columns(
    objective: Objective, at: Evaluation, state: FloatArray | None, chosen: IntArray, rows: IntArray, room: Room
) -> tuple[Objective, Evaluation]:
    """The objective over some columns, of these `rows` of theta, and what it is at a point where all other weights are
    zero; if the columns have few zeros, for which there is `room`, with them: then their curvature can be built. Of a
    small X, what each block would copy is copied once."""
    whole = len(chosen) == objective.source.n_columns
    part = objective.over(objective.source) if whole else objective.columns(chosen)
    source = part.source
    fits = 8 * source.n_rows * source.n_columns <= room.few
    if fits and isinstance(source, MemorySource) and source.is_sparse and share_of_entries(source.X) > FULL:
        part = part.over(replace(source, X=source.X.toarray(), centre=np.zeros(source.n_columns)))
    elif isinstance(source, MemorySource) and source.copies and np.isinf(objective.source.room):
        part = part.over(replace(source, X=in_double(source.X[:], source.centre), centre=np.zeros(source.n_columns)))
    here = replace(at, theta=at.theta[rows], gradient=at.gradient[rows])
    part.kept = None if state is None else (here.theta, state)
    return part, here


def steps_on(part: Objective, at: Evaluation, room: Room, enough: float, most: int) -> Prediction:
    """The last of `most` steps, each to about the minimum of the model there, or of fewer if one promises little; of
    few rows, matrices may take `room`."""
    source, shape = part.source, at.theta.shape
    by_roots = shape[1] == 1 and isinstance(source, MemorySource) and source.is_sparse
    l1, first = np.broadcast_to(part.l1, shape).ravel(), None
    last = Prediction(part, at.theta, np.zeros(shape), at.theta)
    for _ in range(most):
        w, g = at.theta.ravel(), at.gradient.ravel()
        v = (minimum_by_roots if by_roots else minimum_by_products)(part, at, enough, room).ravel()
        slope, step = promised_slope(w, v, g, l1), (v - w).reshape(shape)
        first = slope if first is None else first
        there, _ = backtrack(part, at, step, order=1, slope=slope, keep_state=True)
        if there is at:
            break
        last = Prediction(part, at.theta, step, there.theta)
        at = there
        if slope > LITTLE * first:
            break
    return last


def promised_by_diagonal(objective: Objective, at: Evaluation, unit: FloatArray) -> float:
    """The decrease that a model with these curvatures (P, 1), and none between coefficients, promises."""
    p, K = objective.source.n_columns, at.theta.shape[1]
    total = float(np.sum(at.gradient[p:] ** 2 / unit[p:]))
    for some in pieces(p, ARRAYS * K):  # two points are held here, each with as much
        smallest = objective.penalty.columns(some).subgradient(at.theta[some], at.gradient[some])
        total += float(np.sum(smallest**2 / unit[some]))
    return 0.5 * total


def cells(source: Source) -> int:
    """How many numbers a pass reads."""
    assert isinstance(source, MemorySource)  # others are fitted on all columns (`takes_all`)
    return source.X.nnz if source.is_sparse else source.n_rows * source.n_columns


def working_set(objective: Objective, at: Evaluation, unit: FloatArray) -> IntArray:
    """The columns with a weight, and twice as many others, those of the largest subgradient first; in order."""
    p = objective.source.n_columns
    weighted = at.theta[:p].any(axis=1)
    smallest = objective.subgradient(at)
    scaled = np.divide(smallest, unit, out=smallest if objective.penalty.has_l1 else None)  # else it is the gradient
    score = np.where(weighted, np.inf, np.abs(scaled, out=scaled)[:p].max(axis=1))
    size = min(max(SMALLEST_SET, GROWTH * np.count_nonzero(weighted)), np.count_nonzero(score))
    sparse = isinstance(objective.source, MemorySource) and objective.source.is_sparse
    if size > MOST * p and not sparse:
        return np.arange(p)
    return np.sort(np.argpartition(-score, size - 1)[:size]) if size else np.arange(0)


def estimated_gap(objective: Objective, at: Evaluation, promised: float) -> float:
    """The promised decrease, or the square of the duality gap here if that is more (of squares, as shares of F), and
    never more than F.

    The square, because without an L2 part that gap falls with the distance to the optimum and the decrease with its
    square: an estimate that is small enough for the coefficients is then small enough for the certificate.
    """
    if objective.penalty.holds_all:
        w = at.theta[: objective.source.n_columns]
        gradient = at.gradient[: len(w)]
        if objective.penalty.l2.any():
            gradient = gradient - objective.penalty.gradient(w)
        gap, unit = duality_gap(objective.penalty, w, gradient, at.loss), slope_size(objective, at) ** 2
        promised = max(promised, gap * (gap / unit)) if unit else promised
    return min(promised, at.value)
