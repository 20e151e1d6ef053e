r"""Proximal Newton for a penalty with an L1 part: theta <- argmin of the objective's quadratic model + sum l1 |theta|.

    model(theta + d) = F(theta) + g'd + d'Hd / 2,      g and H of loss and L2 part

Few columns, or rows of which a sample knows H: H is a small matrix of all columns. Else the model knows a working set
(`separatrix.engine.solvers.working_sets`).
"""

import math
from dataclasses import replace
from typing import TypeVar

import numpy as np
from scipy.linalg import get_blas_funcs

from separatrix.arrays import FloatArray
from separatrix.compressed import full_columns, of_entries
from separatrix.data.block import Source
from separatrix.data.column_traits import far_columns, rows_to_judge
from separatrix.data.memory import NEAR, MemorySource
from separatrix.engine.iterate import UNTIL_THE_END, Aim, Iterate, Solver
from separatrix.engine.lasso.quadratic_model import (
    NOTHING,
    by_root,
    matrix,
    minimise_model,
    promised_slope,
    squared_subgradient,
)
from separatrix.engine.line_search import backtrack
from separatrix.engine.matrices.linear_algebra import SINGULAR
from separatrix.engine.near_copies import MANY_STEPS
from separatrix.engine.objective import Evaluation, Objective
from separatrix.engine.solvers.quasi_newton import share_to_keep, shows_curvature, steps_for_curvature
from separatrix.engine.solvers.working_sets import on_working_sets
from separatrix.equations.penalties import ElasticNet

AnySource = TypeVar("AnySource", bound=Source)
(dger,) = get_blas_funcs(("ger",), dtype=np.float64)
SMALL = 500  # coefficients whose curvature is cheap beside a pass over the data,
LARGEST = 2_000  # and beside one over dense rows where a few of them will do,
ROWS, ROWS_OF_CLASSES = 100, 20  # numbers of a curvature that cost about as much as a row does in passes
FEW_FAR = 10  # columns off zero, for which it does not pay to copy all
COPIES = 4  # of which so many find room at once: it, its part that is free, the factor of that, and it corrected
EXACT = 1e-12  # what a minimum of the model may leave of the squared subgradient: nothing
BEND_SEEN = 1e3 * float(np.finfo(float).eps)  # of a curvature along a step: less may be rounding


def proximal_newton(
    objective: Objective, theta: FloatArray, metric: FloatArray | None = None, aim: Aim = UNTIL_THE_END
) -> Solver:
    """Proximal Newton (Lee, Sun and Saunders 2014), on a working set where the columns are many.

    `metric` (n, n) is a curvature near the objective's own, with which they are few enough.
    """
    few = metric is not None or takes_all(objective.source, theta.shape)
    return on_all_columns(objective, theta, metric, aim.gap) if few else on_working_sets(objective, theta)


def centred_for(source: AnySource, penalty: ElasticNet, K: int, fit_intercept: bool) -> AnySource:
    """The source with its columns shifted to about zero, where coefficients (P, K) are many and have an L1 part, and an
    intercept undoes it.

    Steps choose signs by the diagonal of the curvature, which does not know what columns off zero have in common: the
    intercept. Of sparse columns the model takes it out; dense blocks are copied for it. The entries of sparse columns
    that have one in every row, and lie off zero, are shifted under any penalty: beside them conjugate gradients hardly
    see the others.
    """
    if not isinstance(source, MemorySource) or not fit_intercept or penalty.is_none:
        return source
    if source.is_sparse:
        return full_columns_centred(source)
    if not penalty.has_l1 or takes_all(source, (source.n_columns + 1, K)):
        return source
    centre = far_columns(source.X, NEAR)
    return replace(source, centre=centre) if np.count_nonzero(centre) > FEW_FAR else source


def full_columns_centred(source: MemorySource) -> MemorySource:
    """A sparse source whose columns off zero are shifted to about zero if they have an entry in every row."""
    full = full_columns(source.X)
    if not len(full):
        return source
    centre = np.zeros(source.n_columns)
    centre[full] = far_columns(rows_to_judge(source.X)[:, full].toarray(), NEAR)
    if not centre.any():
        return source
    entries = centre.take(source.X.indices)
    np.subtract(source.X.data, entries, out=entries)
    return replace(source, X=of_entries(source.X, entries), centre=centre)


def takes_all(source: Source, shape: tuple[int, int]) -> bool:
    """Whether so many coefficients (P, K) are few enough for the curvature of all."""
    return math.prod(shape) <= SMALL and is_small(source, shape)


def is_small(source: Source, shape: tuple[int, int]) -> bool:
    """Whether the matrices of so many coefficients (P, K) cost less than passes over rows in memory: the minimum of a
    model takes its size cubed some times, and more often of several classes, whose weights can move together."""
    turns = ROWS_OF_CLASSES if shape[1] > 1 else ROWS
    return not source.in_memory or math.prod(shape) ** 2 <= turns * source.n_rows


def takes_metric(source: Source, shape: tuple[int, int]) -> bool:
    """Whether a curvature of (P, K) coefficients, made of few rows, saves more than it costs, and finds room."""
    size = math.prod(shape)
    if size <= SMALL or not source.in_memory:
        return size <= LARGEST and is_small(source, shape)
    sparse = isinstance(source, MemorySource) and source.is_sparse
    return not sparse and size <= LARGEST and 8 * COPIES * size**2 <= source.room * source.n_rows


def on_all_columns(objective: Objective, theta: FloatArray, metric: FloatArray | None, sought: float) -> Solver:
    """Each step minimises the model with the L1 part, shortened until the objective falls.

    As in `quasi_newton`, the curvature is computed only where the last one, corrected by what the steps have shown, has
    done too little. The estimated gap is the decrease that the model promises.
    """
    cost, before = steps_for_curvature(theta.shape, objective.source.n_rows), np.inf
    at = objective.evaluate(theta, order=2 if metric is None else 1)
    exact, H = (at, at.curvature) if metric is None else (None, metric)
    del metric  # once it is corrected, it takes room
    l1, length, number = np.broadcast_to(objective.l1, theta.shape).ravel(), 1.0, 0
    while True:
        w, g = at.theta.ravel(), at.gradient.ravel()
        v, decrease = minimise_model(matrix(H), w, g, l1, EXACT)
        if at is exact and (decrease > at.value or number >= MANY_STEPS) and at.factor.least < SINGULAR:
            yield from on_all_columns_by_roots(objective, at)
        v = objective.cheapest(v.reshape(theta.shape)).ravel()
        yield Iterate(at, min(decrease, at.value), exact)
        keep = share_to_keep(cost, decrease, at.value, sought)
        order, before = 1 if decrease <= keep * before and length == 1.0 else 2, decrease
        step, slope = (v - w).reshape(theta.shape), promised_slope(w, v, g, l1)
        there, length = backtrack(objective, at, step, order, slope=slope)
        number += 1
        if there is at:
            at = exact = at if at is exact else objective.evaluate(at.theta, order=2)
            H, before, number = at.curvature, np.inf, MANY_STEPS
        elif order == 1:
            moved = without_flat(objective, there.theta - at.theta)
            H = corrected(H, moved.ravel(), (there.gradient - at.gradient).ravel())
            at = there
        else:
            at = exact = there
            H, before = there.curvature, np.inf


def on_all_columns_by_roots(objective: Objective, at: Evaluation) -> Solver:
    """The same steps by the root of the curvature: where columns all but repeat each other, rounding of the curvature
    itself hides how far their weights are to go. But where columns repeat others exactly, as all levels of a category
    do an intercept, its root goes astray along what no row sees, and that it hides is of use."""
    l1 = np.broadcast_to(objective.l1, at.theta.shape).ravel()
    while True:
        at = objective.rooted(at)
        v, decrease = by_root_or_matrix(at, l1)
        w, g = at.theta.ravel(), at.gradient.ravel()
        v = objective.cheapest(v.reshape(at.theta.shape)).ravel()
        yield Iterate(at, min(decrease, at.value), at)
        step, slope = (v - w).reshape(at.theta.shape), promised_slope(w, v, g, l1)
        at, _ = backtrack(objective, at, step, order=1, slope=slope)


def by_root_or_matrix(at: Evaluation, l1: FloatArray) -> tuple[FloatArray, float]:
    """The minimum of the model (n,), and the decrease, by the root of the curvature or by the curvature: by whichever
    leaves less of the squared subgradient."""
    w, g, H = at.theta.ravel(), at.gradient.ravel(), by_root(at.root)
    unit = np.maximum(H.diagonal, NOTHING)

    def left(found: tuple[FloatArray, float]) -> float:
        return squared_subgradient(found[0], g + H.times(found[0] - w), l1, unit)

    return min((minimise_model(form, w, g, l1, EXACT) for form in (H, matrix(at.curvature))), key=left)


def without_flat(objective: Objective, step: FloatArray) -> FloatArray:
    """A step (P, K) less what it moves along directions where loss and L2 part are flat: it may be far longer than the
    rest, where several weights of a column cost the same, and then the trace of curvature that H is given along them
    would pass for what the step has shown."""
    flat, l2 = objective.loss.flat(step.shape[1]), objective.penalty.l2
    smooth = np.append(l2 == 0, np.ones(len(step) - len(l2), dtype=bool))
    return step - np.where(smooth[:, None], step @ flat @ flat.T, 0.0)


def corrected(H: FloatArray, step: FloatArray, change: FloatArray) -> FloatArray:
    """H with H step = change, the change of the gradient (BFGS; Nocedal and Wright 2006, eq. 6.19)."""
    if not shows_curvature(step, change):
        return H
    Hs = H @ step
    bend = float(step @ Hs)  # 0 where every row was so far from the boundary that its curvature has rounded away
    most = float(np.sqrt(np.maximum(H.diagonal(), 0.0)) @ np.abs(step))
    if bend < BEND_SEEN * most * most:
        return H  # as along the difference of columns that all but repeat each other
    known, seen = Hs / bend**0.5 if bend > 0 else np.zeros_like(Hs), change / (step @ change) ** 0.5
    return dger(1.0, seen, seen, a=dger(-1.0, known, known, a=H.T), overwrite_a=True).T
