"""Source + loss + penalty -> coefficients, with the trace of the way and the certificate of the end."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from separatrix.arrays import FloatArray
from separatrix.data.block import Source
from separatrix.data.memory import MemorySource
from separatrix.data.threads import one_blas_thread
from separatrix.engine.certificates.certificate import Certificate, certify
from separatrix.engine.certificates.duality import by_strong_convexity
from separatrix.engine.checkpoint import Checkpoint
from separatrix.engine.choose import Choice, choice_for, products_pay
from separatrix.engine.iterate import Aim, Solution, Status, Step, Trace, ignore, minimise
from separatrix.engine.line_search import beyond_numbers
from separatrix.engine.objective import Evaluation, Objective
from separatrix.engine.rowspace import Space, smallest_space
from separatrix.engine.solvers.proximal import centred_for, takes_metric
from separatrix.engine.solvers.sampling import Start, few_rows, is_saving, rows_of_sample, sample_start, start_at
from separatrix.equations.hyperplane import pieces
from separatrix.equations.losses import ClassLoss, Loss
from separatrix.equations.penalties import ElasticNet
from separatrix.errors import ConvergenceWarning, SeparationWarning, outside

EPSILON = float(np.finfo(float).eps)
MOST_LOST = 0.25  # of tol, to the rounding of rows in their own space
LARGEST_MEAN = 1e12  # of weights, whose products with squares of cells single precision still has


@dataclass(frozen=True)
class Options:
    """How to fit: `tol` bounds the gap to the optimum of the objective per unit weight. `curved` is for those who need
    the curvature at the end: then the last step brings it along, where it is expected to be the last."""

    solver: str = "auto"
    tol: float = 1e-8
    max_iter: int = 100
    fit_intercept: bool = True
    seed: int = 0
    curved: bool = False


@dataclass(frozen=True)
class Fit:
    """coefficients (K, p) and intercepts (K,) in the units of X, and how they were found.

    `finite` says that a finite optimum is proved to exist, by a penalty or by the certificate; `separated`, that the
    plane has every row on its right side, and without a penalty there is none. `at` is the last evaluation, in the
    columns less the source's centre, unless the problem was solved in other ones.
    """

    coefficients: FloatArray
    intercepts: FloatArray
    trace: Trace
    certificate: Certificate
    status: Status
    separated: bool
    finite: bool
    at: Evaluation | None = None

    @property
    def iterations(self) -> int:
        return self.trace.steps[-1].iteration


@beyond_numbers
def fit_linear_model(
    source: Source,
    loss: ClassLoss,
    penalty: ElasticNet,
    options: Options,
    start: tuple[FloatArray, FloatArray],
    watch: Callable[[Step], Any] = ignore,
    warn: bool = True,
    checkpoint: Checkpoint | None = None,
    idle: FloatArray | None = None,
) -> Fit:
    """Minimises sum(weight * loss) / sum(weight) + penalty from `start` = (coefficients (K, p), intercepts (K,)), or
    from where a checkpoint has it that the fit was stopped; each iterate is kept there. For `idle` see `Objective`.

    Warns, unless told not to, with ConvergenceWarning when max_iter is reached first, and with SeparationWarning when
    there is no penalty and the plane that was found has every row on its right side, which proves that no finite
    optimum exists.
    """
    if isinstance(source, MemorySource):
        source = of_usual_weight(source)[0]
        source = source if source.outputs == len(start[0]) else replace(source, outputs=len(start[0]))
    source = centred_for(source, penalty, len(start[0]), options.fit_intercept)
    with one_blas_thread(), source.working() as source:  # the threads are those of the source
        space = smallest_space(source, penalty, len(start[0]))
        objective = Objective(space.source, loss, space.penalty, options.fit_intercept)
        objective.idle = idle if space.source is source else None
        lost = len(start[0]) * space.rounding
        again = lost > MOST_LOST * options.tol
        within = options.tol if again or not lost else (options.tol**0.5 - lost**0.5) ** 2
        choice, solution = solve(objective, begun(objective, source, space, start), options, within, watch, checkpoint)
        if again:
            w, b = np.split(solution.at.theta, [space.source.n_columns])
            objective = replace(objective, source=source, penalty=penalty)
            theta = objective.canonical(np.vstack([space.back(w), b]))
            space = Space(source, penalty)
            choice, solution = go_on(objective, theta, choice, solution, options, watch)
        elif lost:
            gap = (solution.certificate.gap**0.5 + lost**0.5) ** 2
            solution = replace(solution, certificate=replace(solution.certificate, gap=gap))
        # Newton's decrement proves a minimum nearby.
        finite = not penalty.is_none or solution.certificate.coef_error is not None
        separated = not finite and objective.smallest_margin(solution.at.theta) > 0
        p = space.source.n_columns
        w, b = np.split(objective.canonical(solution.at.theta), [p])  # along flat directions only the penalty leads
        flat = loss.flat(w.shape[1])
        if flat.size:
            space.penalty.settle(w)  # of a point that nothing reads any more
        coefficients = space.back(w).T
        intercepts = b.sum(axis=0) - coefficients @ source.centre
        intercepts -= flat @ (flat.T @ intercepts)
    moved = rounding_of(intercepts, coefficients, source.centre)
    trace = Trace(choice.name, choice.why, solution.steps, objective.passes)
    certificate, at = rounded(solution.certificate, loss, moved), solution.at
    if space.source is not source:
        shape = source.n_columns + len(b), len(intercepts)
        certificate, at = replace(certificate, coef_error=by_strong_convexity(penalty, shape, certificate.gap)), None
    elif certificate.coef_error is not None:
        certificate = replace(certificate, coef_error=errors_at(certificate.coef_error, coefficients.T, moved))
    status = solution.status
    if status is Status.CONVERGED and certificate.gap > options.tol:  # by the rounding of intercepts
        status = Status.ROUNDING
    fit = Fit(coefficients, intercepts, trace, certificate, status, separated, finite, at)
    if warn:
        warn_of(fit, options.tol)
    return fit


def solve(
    objective: Objective,
    theta: FloatArray,
    options: Options,
    within: float,
    watch: Callable[[Step], Any],
    checkpoint: Checkpoint | None = None,
) -> tuple[Choice, Solution]:
    """The solver that suits the problem, from a start on a sample of the rows where that pays, to its end: `within` a
    gap that is less than tol where rounding takes a part of that, else tol."""
    source, penalty, K = objective.source, objective.penalty, theta.shape[1]
    zeros = products_pay(source, penalty, K)
    choice = choice_for(options.solver, source, *theta.shape, l1=penalty.has_l1, zeros=zeros)
    curved = choice.takes_metric and (not penalty.has_l1 or takes_metric(source, theta.shape))
    start = Start(theta)
    kept = checkpoint and checkpoint.read(theta.shape)
    if kept is not None:
        start = start_at(objective, kept, curved, np.random.default_rng(options.seed))
    elif (
        choice.starts_small
        and theta.size
        and not theta.any()
        and is_saving(objective, rows_of_sample(objective, theta))
    ):
        random = np.random.default_rng(options.seed)  # to make one takes as long as a pass over few rows
        start = sample_start(objective, theta, choice.solver, curved, random)
    target = choice.target(options.tol, K)
    solver = choice.solver(objective, start.theta, start.metric, Aim(target, options.curved))
    solver = checkpoint.keeping(solver) if checkpoint else solver
    # Of several classes, or many columns, its curvature costs more than a dual bound.
    dear = K > 1 or (choice.name == "conjugate-gradient" and penalty.holds_all)
    part = None if dear else start.part
    del start, theta  # which hold a sample and its curvature, and as much as the solution
    return choice, minimise(objective, solver, within, target, options.max_iter, watch, part)


def go_on(
    objective: Objective,
    theta: FloatArray,
    choice: Choice,
    solution: Solution,
    options: Options,
    watch: Callable[[Step], Any],
) -> tuple[Choice, Solution]:
    """The solution of another space as theta in this one: certified anew, and where that is not near enough, led on by
    the iterations that are left."""
    at, last = objective.evaluate(theta, order=1, keep_state=True), solution.steps[-1]
    certificate = certify(objective, at, tolerance=options.tol)
    if certificate.gap <= options.tol:
        return choice, replace(solution, at=at, certificate=certificate, status=Status.CONVERGED)
    options = replace(options, max_iter=options.max_iter - last.iteration)
    del at
    choice, further = solve(objective, theta, options, options.tol, lambda step: watch(step.after(last)))
    steps = [step.after(last) for step in further.steps[1:]]
    return choice, replace(further, steps=(*solution.steps, *steps))


def rounding_of(intercepts: FloatArray, coefficients: FloatArray, centre: FloatArray) -> float:
    """How far rounding may move intercepts (K,) that undo a centre (p,), with coefficients (K, p)."""
    far = np.flatnonzero(centre)
    parts = np.abs(intercepts) + np.abs(coefficients[:, far]) @ np.abs(centre[far])
    return float(np.linalg.norm(parts)) * EPSILON


def rounded(certificate: Certificate, loss: Loss, moved: float) -> Certificate:
    """The certificate of intercepts that rounding has moved by so much: the loss bends by no more than its bound L, so
    sqrt(gap) grows by sqrt(L / 2) moved at most, and a probability moves by L moved."""
    L, gap, error = loss.curvature_bound, certificate.gap, certificate.probability_error
    gap = float((gap**0.5 + (0.5 * L) ** 0.5 * moved) ** 2)
    error = None if error is None else min(error + L * moved, 1.0)
    return Certificate(gap, certificate.method, certificate.coef_error, error)


def errors_at(error: FloatArray, w: FloatArray, moved: float) -> FloatArray:
    """The bounds on the errors of weights w (p, K) and intercepts, (P, K), with what rounding adds: to each of its own,
    or of classes that share one, the largest. In place where each has its own, as those of few rows may be a part of X
    that counts."""
    shared = not error.flags.writeable
    error = error[:, :1].copy() if shared else error
    for some in pieces(*w.shape):
        size = np.abs(w[some])
        error[some] += EPSILON * (size.max(axis=1, keepdims=True) if shared else size)
    error[len(w) :] += moved
    return np.broadcast_to(error, (len(error), w.shape[1])) if shared else error


def of_usual_weight(source: MemorySource) -> tuple[MemorySource, float]:
    """The rows with weights whose mean single precision has, and what they were divided by. What is per unit weight
    stays as it is."""
    mean = float(source.weight.sum()) / source.n_rows
    if 1.0 / LARGEST_MEAN < mean < LARGEST_MEAN:
        return source, 1.0
    return source.weighing(np.asarray(source.weight) / mean), mean


def begun(objective: Objective, source: Source, space: Space, start: tuple[FloatArray, FloatArray]) -> FloatArray:
    """theta (P, K) at a start, for columns less the source's centre and in the space where the problem is solved; or
    zero where few of the rows say that it is better: weights for columns in other units may lead to where next to
    nothing bends, and no step leads back."""
    coefficients, intercepts = start
    b = (intercepts + coefficients @ source.centre)[None, :]
    theta = objective.canonical(np.vstack([space.there(coefficients.T), b[: int(objective.fit_intercept)]]))
    if not theta.any():
        return theta
    few, zero = few_rows(objective), np.zeros_like(theta)
    return theta if few.evaluate(theta, order=0).value <= few.evaluate(zero, order=0).value else zero


def warn_of(fit: Fit, tol: float) -> None:
    """The warning a fit deserves, with its remedy."""
    if fit.separated:
        warnings.warn(
            "no finite fit exists: a hyperplane has every row of every class on its own side, so without a penalty "
            "the weights grow without end and the loss tends to 0. The labels can be trusted, the size of the "
            "weights cannot. Use a finite C, or ask separatrix.detect_separation which columns do it.",
            SeparationWarning,
            stacklevel=outside(),
        )
    else:
        endless = (
            " Without a penalty, some weights may grow without end, where classes are all but separated or columns all "
            "but repeat each other: a finite C stops that, and separatrix.detect_separation tells which they are."
        )
        warn_of_stop(fit, tol, "" if fit.finite else endless)


def warn_of_stop(fit: Fit, tol: float, further: str = "") -> None:
    """The warning of a fit that stopped before it was near enough, and what else there is to say then."""
    if fit.status is Status.ROUNDING:
        gap, loss = fit.certificate.gap, fit.trace.steps[-1].objective
        warnings.warn(
            f"stopped after {fit.iterations} iterations, at most {gap:.1e} above the best mean loss (asked: "
            f"{tol:.0e}). Beside a loss of {loss:.3g} rounding hides what is nearer: use tol={2 * gap:.0e} or more.",
            ConvergenceWarning,
            stacklevel=outside(),
        )
    elif fit.status is not Status.CONVERGED:
        gap = f"at most {fit.certificate.gap:.1e} above the best mean loss (asked: {tol:.0e})"
        if fit.status is Status.STUCK:
            gap = f"about {fit.trace.steps[-1].gap:.1e} and {gap}"
            remedy = (
                "Rounding lets no step lower it, as where columns all but repeat each other, or a number that stands "
                "for a missing one is millions of times as large as the others of its column, and more iterations "
                "change nothing: leave out such columns and numbers, or use a smaller C."
            )
        else:
            remedy = "Raise max_iter, or see trace_ for how fast the loss still falls."
        warnings.warn(
            f"stopped after {fit.iterations} iterations, {gap}. {remedy}{further}",
            ConvergenceWarning,
            stacklevel=outside(),
        )
