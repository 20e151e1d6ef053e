r"""Least squares, exactly: minimise sum_i weight_i (y_i - x_i'w - b)^2 / 2 + penalty(w) by a streaming QR.

An offset is taken from y, which comes to the same.

Blocks of sqrt(weight) [1 X y] are reduced to their triangular factor, and factors are stacked and reduced again (TSQR;
Demmel et al. 2012), so the rows are read once, and squared only where columns hardly depend on each other: elsewhere
the condition number of X counts once, not twice as in the normal equations. A penalty with an L1 part then is a small
problem in R: |R w - q|^2 / 2 + penalty(w).

Where rounding may have cost an unpenalised estimate digits that count, what is left of the normal equations is summed
in twice the precision, and R makes a step of it (Bjorck 1987, "Stability analysis of the method of seminormal
equations", Linear Algebra and its Applications 88): a pass, and about all digits are there.

Of many dense columns QR takes long, and copies of its triangle memory: where their squares do not serve, or are not
little beside X, see `separatrix.engine.linear.preconditioned` for the way without one, and
`separatrix.engine.linear.complete` for one on disk, where columns are about spanned by others. With an L1 part such a
fit, and of many columns that are mostly zeros, of which a triangle would be larger than the data, any penalised one is
found as those of classes are: by products alone, to all the digits that the objective has; without an L1 part in
multipliers of the rows, where these are far fewer. Where that takes too many products, as under a weak penalty where
columns differ in their lengths, and X is not too large with its zeros, it goes the way of dense columns. So it does
without a penalty where rows are fewer than columns, as their triangle would have those zeros, too. Of some hundred
sparse columns that hardly depend on each other, or that others span, the triangle is that of their squares, which leave
the zeros out.
"""

import warnings
from dataclasses import dataclass, field, replace
from functools import partial
from time import perf_counter

import numpy as np
from scipy.linalg import solve_triangular

from separatrix.arrays import FloatArray
from separatrix.compressed import dense
from separatrix.data.block import Source
from separatrix.data.memory import MemorySource, memory_source
from separatrix.data.threads import one_blas_thread
from separatrix.engine.certificates.certificate import Certificate
from separatrix.engine.certificates.quadratic_gap import PROVEN, certify_quadratic, spread
from separatrix.engine.iterate import Aim, Status, Step, Trace, minimise
from separatrix.engine.line_search import beyond_numbers
from separatrix.engine.linear.answer import LeastSquares, of_more_columns, uncentred, without_triangle
from separatrix.engine.linear.choose import (
    is_filled_anyway,
    is_large,
    is_little,
    is_slow,
    is_soon_filled,
    is_soon_solved,
    is_wide,
)
from separatrix.engine.linear.complete import complete
from separatrix.engine.linear.in_triangle import elastic_net, minimum_norm, ridge, rounding_errors
from separatrix.engine.linear.preconditioned import (
    MOST_REFINEMENTS,
    NEVER_NEGATIVE,
    STEADY,
    Found,
    doubled_pull,
    in_multipliers,
    preconditioned,
)
from separatrix.engine.matrices import double_double
from separatrix.engine.matrices.triangle import (
    APART_IN_FEW,
    ROUNDING,
    TALL,
    rows_of,
    sparse_triangle,
    squared_triangle,
    triangle_of,
)
from separatrix.engine.objective import Evaluation, Objective
from separatrix.engine.solvers.conjugate import conjugate_newton
from separatrix.engine.solvers.multipliers import MANY_COLUMNS
from separatrix.engine.solvers.proximal import centred_for, proximal_newton
from separatrix.equations.losses import SquaredLoss
from separatrix.equations.penalties import ElasticNet
from separatrix.errors import ConvergenceWarning, outside

EXACT_DIGITS = 1e-11  # of an estimate: an error that may be larger is worth a pass in twice the precision
ALL_DIGITS, MORE_DIGITS = 1e-14, 0.01  # of the mean square, where no column is used; and what costs little more
CELLS = 4.0 * float(np.finfo(float).eps)  # of a column's size: what its cells may be off that are made of others
NEARLY_PROVEN = 1e-9  # of the variance of y, what leaves the fit to a triangle in memory, not on disk; PROVEN, to any
LOST = 1e-6  # of that: a bound that is worse is worth a warning
MOST_ITERATIONS = 1_000
FEW_ITERATIONS = 50  # after which a triangle is made,
FEW_STEPS = 2  # or without an L1 part a Gram matrix, if X has few cells with its zeros
SOME, MANY = 500, 20_000  # products in the multipliers of rows, where a Gram matrix is a way out, and where not


@dataclass
class Task:
    """What is to be found: coefficients for so many targets, by a penalty on the sum over rows; and since when, with
    which objective at last, and in how many `readings` beside its own, on ways that led nowhere, too."""

    targets: int
    penalty: ElasticNet
    fit_intercept: bool
    started: float = field(default_factory=perf_counter)
    latest: Objective | None = None
    readings: int = 0

    def objective(self, source: Source, total: float | None = None) -> tuple[Objective, float]:
        """The objective per unit weight, and the weight of all rows, for which these are read unless it is known. The
        one before is let go of, as its rows may be copies."""
        self.readings, self.latest = self.passes, None
        if total is None:
            total, self.readings = source.add_up(lambda block: block.total), self.readings + 1
        self.latest = Objective(source, SquaredLoss(), self.penalty.times(1.0 / total), self.fit_intercept)
        return self.latest, total

    @property
    def passes(self) -> int:
        """The readings of the data so far."""
        return self.readings + (self.latest.passes if self.latest else 0)

    @property
    def seconds(self) -> float:
        """The time that has passed."""
        return perf_counter() - self.started


@beyond_numbers
def least_squares(
    source: Source, targets: int, penalty: ElasticNet, fit_intercept: bool, with_triangle: bool = False
) -> LeastSquares:
    """The exact fit, the penalty's strengths all zero or all above it; where an unpenalised one is not unique, the one
    with the smallest |w|. A triangle is made where it is asked for, or is the way to the fit."""
    p, some = source.n_columns, None
    if not with_triangle and is_filled_anyway(source, penalty):
        some = np.unique(source.X.indices)  # a column of zeros gets no weight
        X, penalty = source.X[:, some].toarray(), penalty.columns(some)
        source = memory_source(X, source.y, source.weight, fit_intercept, source.n_threads, source.offset)
        del X
    with one_blas_thread(), source.working() as source:
        found, task = None, Task(targets, penalty, fit_intercept)
        wide, large = is_wide(source, penalty), not with_triangle and is_large(source)
        if large and not penalty.has_l1:
            found = by_squares(source, task) or by_gram(source, task) or by_basis(source, task)
        elif not (wide or with_triangle) and is_soon_solved(source, penalty, targets):
            found = by_products(source, task, FEW_ITERATIONS)
        if not found and wide:
            found = by_multipliers(source, task)
            if not found and not penalty.has_l1 and is_soon_filled(source):
                found = by_products(source, task, FEW_STEPS) or by_gram(replace(source, X=dense(source.X)), task)
            found = found or by_products(source, task)
        found = found or by_triangle(source, task)
    return found if some is None else of_more_columns(found, some, p)


def by_squares(source: Source, task: Task) -> LeastSquares | None:
    """The fit by the squares of the rows, where a triangle is little beside X, and they take no digits, as few of the
    rows tell at a small part of the cost."""
    if not is_little(source):
        return None
    assert isinstance(source, MemorySource)
    rows = partial(rows_of, intercept=int(task.fit_intercept))
    few = np.arange(0, source.n_rows, source.n_rows // (TALL * source.n_columns))
    if squared_triangle(source.looked_up(few), rows, APART_IN_FEW) is None:
        return None
    task.readings += 1
    R = squared_triangle(source, rows)
    return None if R is None else of_triangle(R, source, task)


def by_triangle(source: Source, task: Task) -> LeastSquares:
    """The fit by QR; of sparse rows, of which that would take long, by their squares where these take no digits."""
    R, intercept = None, int(task.fit_intercept)
    if is_slow(source):
        R, task.readings = sparse_triangle(source, intercept), task.readings + 1
    if R is None:
        R, task.readings = triangle_of(source, partial(rows_of, intercept=intercept)), task.readings + 1
    return of_triangle(R, source, task)


def of_triangle(R: FloatArray, source: Source, task: Task) -> LeastSquares:
    """The fit by the triangle R of the rows."""
    m, p, penalty = int(task.fit_intercept), source.n_columns, task.penalty
    R_x, q = R[m:, m : m + p], R[m:, m + p :]
    length, far = np.linalg.norm(R[:, m : m + p], axis=0), np.abs(source.centre * R[:m, :m].sum())
    length = np.hypot(length, CELLS / ROUNDING * far)
    still = np.linalg.norm(R_x, axis=0) <= ROUNDING * length  # constant: what the intercept leaves of them is rounding
    R_x = np.where(still, 0.0, R_x) if still.any() else R_x
    own = None  # columns that make all others
    if penalty.has_l1:
        w, rank = elastic_net(R_x, q, penalty)
    elif penalty.l2.all():
        w, rank = ridge(R_x, q, penalty.l2)
    else:
        w, own = minimum_norm(R_x, q, length)
        rank = len(own)
    b = (R[:m, m + p :] - R[:m, m : m + p] @ w) / R[:m, :m] if m else np.zeros((1, task.targets))
    objective, total = task.objective(source, float(R[0, 0]) ** 2 if m else None)
    if 0 < rank == p and penalty.is_none:
        theta, refinements = in_all_digits(source, R, np.vstack([b[:m], w]), m, total)
        w, b, task.readings = theta[m:], theta[:m] if m else b, task.readings + refinements
    at = objective.evaluate(np.vstack([w, b])[: p + m], order=1)
    certificate = certify_quadratic(objective, at, R, total, own)
    if certificate.gap > at.value:  # as where rounding beside the largest column is all that others would add
        certificate = Certificate(at.value, NEVER_NEGATIVE)
    why = "the rows are reduced to a triangle, in which an L1 penalty is a small problem"
    why = why if penalty.has_l1 else "least squares has a closed form"
    trace = trace_of("qr", why, objective.subgradient(at), at, certificate, task)
    found = uncentred(LeastSquares(w.T, b[0], rank, trace, certificate, R), source.centre)
    of_y, varies = (float(np.sum(np.square(part[:, m + p :]))) / total for part in (R, R[m:]))
    if found.certificate.gap > LOST * varies + ROUNDING**2 * of_y:
        warnings.warn(
            f"rounding left the fit up to {found.certificate.gap:.1e} above the best mean square, beside {varies:.1e} "
            "of no column. Give the columns units of about the same size, or leave out those that others span.",
            ConvergenceWarning,
            stacklevel=outside(),
        )
    return found


def by_gram(source: Source, task: Task) -> LeastSquares | None:
    """The fit by conjugate gradients that a Gram matrix has prepared; None where they do not arrive, or nothing shows
    that they did."""
    assert isinstance(source, MemorySource)
    objective, total = task.objective(source)
    found = preconditioned(objective, task.targets, task.penalty.l2)
    why = f"a triangle of {min(source.n_rows, source.n_columns):,} columns would take longer"
    return found and as_proven(objective, total, found, PROVEN, ("conjugate-gradient", why), task)


def by_multipliers(source: Source, task: Task) -> LeastSquares | None:
    """The fit of a sparse X in the multipliers of its rows, if they are far fewer than its columns, by products; None
    where they do not arrive."""
    if not isinstance(source, MemorySource) or not source.is_sparse or task.penalty.has_l1:
        return None
    if MANY_COLUMNS * source.n_rows > source.n_columns:
        return None
    objective, total = task.objective(source)
    enough = MORE_DIGITS * ALL_DIGITS * total * spread(source)
    most = SOME if is_soon_filled(source) else MANY
    found = in_multipliers(objective, task.targets, task.penalty.l2, most, enough)
    why = f"a triangle of {source.n_rows:,} rows would take more"
    return found and as_proven(objective, total, found, PROVEN, ("conjugate-gradient", why), task)


def by_basis(source: Source, task: Task) -> LeastSquares | None:
    """The unpenalised fit by QR on disk; None where a triangle in memory is little beside X, the disk has no room, or
    the rank is in doubt."""
    assert isinstance(source, MemorySource)
    n, p = source.X.shape
    if task.penalty.l2.any() or is_little(source):
        return None
    objective, total = task.objective(source)
    found = complete(objective)
    what = "columns" if n >= p else "rows"
    why = f"some of {min(n, p):,} {what} are about spanned by others, and their triangle would be large: it is on disk"
    return found and as_proven(objective, total, found, NEARLY_PROVEN, ("qr", why), task)


def as_proven(
    objective: Objective, total: float, found: Found, most: float, solver: tuple[str, str], task: Task
) -> LeastSquares | None:
    """What was found by a solver, and why by that; None where its bound is more than so much of the variance of y."""
    source = objective.source
    assert isinstance(source, MemorySource)
    at = objective.evaluate(found.theta, order=1)
    certificate = Certificate(found.gap(at) / total, found.method)
    if not certificate.gap <= most * spread(source):
        return None
    trace = trace_of(*solver, objective.subgradient(at), at, certificate, task)
    return without_triangle(source, at, found.rank, trace, certificate)


def trace_of(
    solver: str, why: str, subgradient: FloatArray, at: Evaluation, certificate: Certificate, task: Task
) -> Trace:
    """Of one step."""
    size = float(np.linalg.norm(subgradient))
    step = Step(1, at.loss, at.value, size, certificate.gap, task.passes, task.seconds)
    return Trace(solver, why, (step,), step.passes)


def by_products(source: Source, task: Task, most: int = MOST_ITERATIONS) -> LeastSquares | None:
    """The fit by conjugate gradients, or with an L1 part on working sets, until what it is above the optimum is next to
    nothing of the spread of y. None where another way is left, and they do not arrive in so few iterations."""
    p, penalty, before, started = source.n_columns, task.penalty, task.passes, task.seconds
    theta = np.zeros((p + int(task.fit_intercept), task.targets))
    assert isinstance(source, MemorySource)
    source = centred_for(source, penalty, task.targets, task.fit_intercept)
    bare = replace(source, X=np.empty((source.n_rows, 0)), centre=np.empty(0))  # where no weight is, X is not read
    objective, _ = task.objective(source, bare.add_up(lambda block: block.total))
    alone = replace(objective, source=bare, penalty=objective.penalty.columns(slice(0)))
    theta[p:] = -alone.evaluate(theta[p:], order=1).gradient
    tolerance = ALL_DIGITS * alone.evaluate(theta[p:], order=0).value
    name, solver = ("proximal-newton", proximal_newton) if penalty.has_l1 else ("conjugate-gradient", conjugate_newton)
    found = minimise(objective, solver(objective, theta, aim=Aim(MORE_DIGITS * tolerance)), tolerance, tolerance, most)
    if most < MOST_ITERATIONS and found.status is not Status.CONVERGED:
        return None
    if found.status is Status.MAX_ITER:
        warnings.warn(
            f"stopped after {MOST_ITERATIONS} iterations, at most {found.certificate.gap:.1e} above the best mean "
            f"square (asked: {tolerance:.0e}). Scale the columns alike, or use a larger alpha.",
            ConvergenceWarning,
            stacklevel=outside(),
        )
    used = int(np.count_nonzero(found.at.theta[:p], axis=0).max(initial=0))
    steps = tuple(step.later(passes=before, seconds=started) for step in found.steps)
    trace = Trace(name, f"a triangle of {p:,} columns would take more", steps, task.passes)
    return without_triangle(
        source, found.at, used if penalty.has_l1 else min(source.n_rows, p), trace, found.certificate
    )


def in_all_digits(source: Source, R: FloatArray, theta: FloatArray, m: int, total: float) -> tuple[FloatArray, int]:
    """theta (P, T), the intercept first if m, with the digits that rounding took; and in how many passes."""
    P = len(theta)
    unit = np.linalg.norm(R[:, :P], axis=0)
    root = R[:P, :P] / unit
    if np.all(rounding_errors(root, theta * unit[:, None], R[:, P:], max(total, source.n_rows)) <= EXACT_DIGITS):
        return theta, 0
    passes, step = 0, np.inf
    while passes < MOST_REFINEMENTS and np.any(np.abs(step) > STEADY * np.abs(theta)):
        pull = partial(doubled_pull, theta=np.roll(theta, -m, axis=0), m=m)
        left = np.roll(sum(source.add_up(pull, double_double.add)), m, axis=0)
        step = solve_triangular(root, solve_triangular(root, left / unit[:, None], trans=1)) / unit[:, None]
        theta, passes = theta + step, passes + 1
    return theta, passes
