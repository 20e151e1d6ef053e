"""From a sample to its estimate: the engine's optimum, its information, and what has no finite value."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import cast

import numpy as np
from scipy.linalg import solve_triangular

from separatrix.arrays import FloatArray, IntArray, repeated
from separatrix.data.block import Block
from separatrix.data.threads import one_blas_thread
from separatrix.engine.certificates.certificate import Certificate
from separatrix.engine.checkpoint import Checkpoint
from separatrix.engine.fit import Fit, Options, fit_linear_model
from separatrix.engine.iterate import Status, Trace
from separatrix.engine.line_search import backtrack
from separatrix.engine.linear.least_squares import least_squares
from separatrix.engine.matrices.linear_algebra import (
    LARGEST_CURVATURE,
    ROUGH,
    SINGULAR,
    factor_positive,
    inverse_of,
    solve_factored,
)
from separatrix.engine.matrices.triangle import design_of, triangle_of
from separatrix.engine.objective import Evaluation, Objective
from separatrix.engine.sums import block_eta, block_state
from separatrix.equations.losses import ClassLoss
from separatrix.equations.penalties import L2
from separatrix.errors import ConvergenceWarning, SeparationWarning, listing, outside
from separatrix.inference.aside import fit_aside
from separatrix.inference.recession import Recession
from separatrix.inference.separation import Separation, separation
from separatrix.inference.turned import posed
from separatrix.regression.design import check_rows, dependences, dependences_of, without_dependent
from separatrix.regression.sample import Sample

# How far from the optimum, in the norm of the curvature per unit weight, a curvature serves: there it and the standard
# errors differ from the optimum's by a few times that share, times the loss's third_bound. A solver aims at the square
# of its tolerance, a gap that is about as near; one pass more of it costs less than a curvature.
NEAR, TOLERANCE = 2e-10, 3e-10

# After so many iterations in vain a loss that hardly falls any more is looked at: if the classes are separated, the
# estimates that run to infinity would go on to, and each step of theirs takes a pass or two over all rows.
PATIENCE, LATELY, HARDLY = 25, 5, 1e-6


@dataclass(frozen=True)
class Estimate:
    """theta (P, K) for columns less the source's centre, the intercept its last row; bread is the inverse of their
    information (P K, P K) per unit of scale, loss the total, triangle R of least squares. Where columns nearly depend
    on each other, theta is `turn` u, (P, P), of a u whose information is 1: see `separatrix.inference.turned`.

    `infinite` (P, K) is the sign of coefficients that have no finite estimate, else 0, and `separation` says why. The
    `certificate` is the engine's, of the fit from which the last steps led to theta.
    """

    objective: Objective
    theta: FloatArray
    bread: FloatArray
    loss: float
    infinite: IntArray
    trace: Trace
    converged: bool
    triangle: FloatArray | None = None
    turn: FloatArray | None = None
    separation: Separation | None = None
    certificate: Certificate | None = None

    @property
    def translation(self) -> FloatArray:
        """T (P, P) with T theta = the coefficients of columns as they are, the intercept first."""
        return translation(self.objective.source.centre, len(self.theta))

    def eta(self) -> FloatArray:
        """The linear predictor of every row in memory, (n, K); one pass."""
        return self.objective.by_rows(partial(block_eta, theta=self.theta), self.theta.shape[1])


def translation(centre: FloatArray, P: int) -> FloatArray:
    """T (P, P) that takes theta of centred columns, the intercept last, to that of columns as they are, it first.

    >>> translation(np.array([10.0]), 2)
    array([[-10.,   1.],
           [  1.,   0.]])
    """
    p = len(centre)
    if p == P:
        return np.eye(p)
    T = np.zeros((P, P))
    T[0, :p], T[0, p], T[1:, :p] = -centre, 1.0, np.eye(p)
    return T


@contextmanager
def at_work(objective: Objective) -> Iterator[Objective]:
    """The objective with its source's threads, BLAS held to one."""
    with one_blas_thread(), objective.source.working() as source:
        yield replace(objective, source=source)


def fit_classes(
    sample: Sample, penalty: float, singular: str, checkpoint: Checkpoint | None = None
) -> tuple[Sample, Estimate]:
    """The logistic regression of a sample; and the sample, without columns that singular="drop" left out. It goes on
    from a checkpoint, where each iterate is kept.

    Warns with SeparationWarning where coefficients have no finite estimate, and names them.
    """
    if not penalty:
        check_rows(sample)
    source, (p, K) = sample.source(), (len(sample.names), sample.outcome.columns)
    strength, total = L2(repeated(penalty / sample.total, p)), sample.total
    options = Options(tol=TOLERANCE, fit_intercept=sample.intercept, curved=True)
    loss = cast(ClassLoss, sample.outcome.loss)
    start = np.zeros((K, p)), np.zeros(K)
    further = partial(fit_linear_model, source, loss, strength, warn=False, checkpoint=checkpoint)
    of_fewer = partial(fit_classes, penalty=penalty, singular=singular)
    first = replace(options, max_iter=PATIENCE)
    fit, known = fit_aside(source, loss, strength, first, start, checkpoint=checkpoint)
    vain = not penalty and in_vain(fit)
    # To find dependent columns takes a pass, and to ask for separation many: it is asked of the columns that stay.
    if vain and (fewer := independent(sample, singular)):
        return of_fewer(fewer, checkpoint=checkpoint and checkpoint.of_fewer())
    found = separation_of(sample, known) if vain or known else None
    if found is None and fit.status is Status.MAX_ITER:
        rest, trace = replace(options, max_iter=options.max_iter - PATIENCE), fit.trace
        fit = further(rest, (fit.coefficients, fit.intercepts))
        fit = replace(fit, trace=trace.then(fit.trace))
    with at_work(Objective(source, loss, strength, sample.intercept)) as objective:
        at, step = polish(objective, fit)
        # A direction without an end hides another that is none: then the columns are looked at too.
        least = at.factor.least
        shaky = not penalty and (least < SINGULAR or not fit.finite)
        if shaky and not vain and (fewer := independent(sample, singular)):
            return of_fewer(fewer, checkpoint=checkpoint and checkpoint.of_fewer())
        # Where the curvature is no more than rounding, so is the proof that the optimum is finite.
        if found is None and (shaky or not fit.finite):
            found = separation_of(sample)
        infinite = infinite_estimates(found, at.theta.shape, sample.intercept)
        theta, least_loss, turn = at.theta + np.where(infinite == 0, step, 0.0), at.loss, None
        converged = fit.status is Status.CONVERGED and not infinite.any()
        if not penalty and K == 1 and least < ROUGH:
            turn = root_of_information(objective, theta)
            if found is None:
                theta, least_loss, turn, reached = turned_optimum(objective, theta, turn)
                converged = converged or reached
        bread = inverse_of(at.factor) / total if turn is None else turn @ turn.T
    if found is not None:
        warn_of_separation(sample, found, infinite)
    elif fit.separated or not converged:
        warn_of_fit(fit)
    objective = Objective(source, loss, strength, sample.intercept)
    estimate = Estimate(objective, theta, bread, total * least_loss, infinite, fit.trace, converged)
    return sample, replace(estimate, turn=turn, separation=found, certificate=fit.certificate)


def independent(sample: Sample, singular: str) -> Sample | None:
    """The sample without columns that depend on those before them; None where none does."""
    dependent = dependences_of(sample)
    return without_dependent(sample, dependent, singular) if dependent else None


def in_vain(fit: Fit) -> bool:
    """Whether a fit was stopped where its loss hardly fell, without a proof that a finite optimum exists."""
    losses = [step.loss for step in fit.trace.steps]
    return fit.status is Status.MAX_ITER and not fit.finite and losses[-LATELY] - losses[-1] <= HARDLY * losses[-1]


def polish(objective: Objective, fit: Fit) -> tuple[Evaluation, FloatArray]:
    """An evaluation of order 2 within about NEAR of the optimum, and Newton's step from there to it, which the
    curvature gives for free."""
    at = fit.at
    if at is None or at.curvature is None:
        w, b = fit.coefficients.T, fit.intercepts + fit.coefficients @ objective.source.centre
        at = objective.evaluate(np.vstack([w, b[None, :]]) if objective.fit_intercept else w, order=2)
    step = newton_step(at)
    if not is_near(objective, at, step):
        nearer = objective.evaluate(at.theta + step, order=2)
        if not nearer.loss <= at.loss:  # where the curvature is no more than rounding, its step leads anywhere
            return at, np.zeros_like(step)
        at, step = nearer, newton_step(nearer)
    return at, step


def turned_optimum(
    objective: Objective, theta: FloatArray, turn: FloatArray
) -> tuple[FloatArray, float, FloatArray, bool]:
    """The optimum near theta (P, 1) of columns that nearly depend on each other, whose curvature hides how far it is
    along their differences: by Newton's steps in coordinates in which it does not, by the `root_of_information` at
    theta. Also its loss, that root there, and whether it was reached."""
    of_u, u = posed(objective, theta, turn)
    first = at = of_u.evaluate(u, order=2)
    step = newton_step(at)
    for _ in range(PATIENCE):
        if is_near(objective, at, step):
            break
        there, _ = backtrack(of_u, at, step, order=2)
        if there is at:
            break
        at, step = there, newton_step(there)
    reached = is_near(objective, at, step)
    theta = turn @ (at.theta + reached * step)
    return theta, at.loss, turn if at is first else root_of_information(objective, theta), reached


def is_near(objective: Objective, at: Evaluation, step: FloatArray) -> bool:
    """Whether Newton's step from there is as short as NEAR."""
    return bool(-0.5 * np.sum(step * at.gradient) <= (NEAR / objective.loss.third_bound) ** 2)


def root_of_information(objective: Objective, theta: FloatArray) -> FloatArray:
    """T (P, P), TT' the inverse of the information of two classes, from the triangle of the weighted rows, whose
    condition its own product would square; one pass."""
    m = int(objective.fit_intercept)

    def weighted(block: Block) -> FloatArray:
        return np.sqrt(block_state(block, objective.loss, theta)) * design_of(block, m)

    return inverse_root(triangle_of(objective.source, weighted), m)


def newton_step(at: Evaluation) -> FloatArray:
    """-curvature^-1 gradient, (P, K)."""
    return solve_factored(at.factor, -at.gradient.ravel()).reshape(at.theta.shape)


def separation_of(sample: Sample, known: Recession | None = None) -> Separation | None:
    """What keeps the estimates of a sample from being finite, in directions that may be `known`; None if nothing
    does."""
    if known is None and (len(sample.names) + 1) * sample.outcome.columns > LARGEST_CURVATURE:
        return None
    return separation(sample.labelled(), sample.outcome.classes, sample.names, sample.intercept, known) or None


def infinite_estimates(found: Separation | None, shape: tuple[int, int], intercept: bool) -> IntArray:
    """The sign of each coefficient that runs to infinity, (P, K), else 0; the intercept's for columns as they are."""
    if found is None:
        return np.zeros(shape, dtype=int)
    w, b = np.asarray(found.infinite), np.asarray(found.infinite_intercept)
    w, b = (w[:, None], b[None]) if w.ndim == 1 else (w[1:].T, b[1:])
    return np.sign(np.vstack([w, b[None, :]]) if intercept else w).astype(int)


def warn_of_fit(fit: Fit) -> None:
    """The warning of a fit that is not at its optimum, where no estimate was found to be infinite."""
    if fit.separated:
        warnings.warn(
            "no finite estimate exists: a hyperplane has every row of every class on its own side, so the coefficients "
            "grow without end. Use penalty='firth' on fewer columns, or penalty='l2' without inference.",
            SeparationWarning,
            stacklevel=outside(),
        )
    elif fit.status is not Status.CONVERGED:
        warnings.warn(
            f"stopped after {fit.iterations} iterations, at most {fit.certificate.gap:.1e} below the highest mean "
            "log-likelihood: do not trust the estimates. See collinearity() for columns that nearly depend on each "
            "other, or use penalty='firth'.",
            ConvergenceWarning,
            stacklevel=outside(),
        )


def warn_of_separation(sample: Sample, found: Separation, infinite: IntArray) -> None:
    """The warning that names the infinite estimates, and why they are."""
    names = np.array([*sample.names, *sample.parameters[: int(sample.intercept)]])
    warnings.warn(
        f"no finite estimate exists for {listing(names[infinite.any(axis=1)])}: {found.reason}. These coefficients "
        "grow without end and have no standard error. Use penalty='firth', or penalty='l2' without inference.",
        SeparationWarning,
        stacklevel=outside(),
    )


def fit_numbers(sample: Sample, penalty: float, singular: str) -> tuple[Sample, Estimate]:
    """The linear regression of a sample, by QR; and the sample, without columns that singular="drop" left out."""
    if not penalty:
        check_rows(sample)
    source, m, p = sample.source(), int(sample.intercept), len(sample.names)
    fit = least_squares(source, 1, L2(repeated(penalty, p)), sample.intercept, with_triangle=True)
    R = fit.triangle[:, : p + m]
    if not penalty and (found := dependences(R, sample.parameters)):
        return fit_numbers(without_dependent(sample, found, singular), penalty, singular)
    theta = np.append(fit.coefficients[0], fit.intercepts + fit.coefficients @ source.centre)[: p + m, None]
    total = sample.total
    objective = Objective(source, sample.outcome.loss, L2(repeated(penalty / total, p)), sample.intercept)
    root = inverse_root(R, m) if not penalty else np.full((p + m, p + m), np.nan)
    bread = root @ root.T
    turn = root if not penalty and factor_positive(bread).least < ROUGH else None
    none = np.zeros(theta.shape, dtype=int)
    loss = total * fit.trace.steps[-1].loss
    return sample, Estimate(objective, theta, bread, loss, none, fit.trace, True, fit.triangle, turn)


def inverse_root(R: FloatArray, m: int) -> FloatArray:
    """T (P, P), TT' = (R'R)^-1, its first m columns made the last: from R, of which X'X has squared the condition."""
    unit = np.linalg.norm(R, axis=0)
    root = solve_triangular(R[: len(unit)] / unit, np.eye(len(unit)))
    order = np.roll(np.arange(len(unit)), -m)
    return (root / unit[:, None])[order]
