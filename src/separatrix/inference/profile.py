r"""Profile likelihood: how far a coefficient can go before the best fit with it there is too unlikely.

The profile at t is the least objective F over all theta with c'theta = t, for a contrast c, a single coefficient for
one. With W the total weight, and F* the optimum, an interval ends where the signed root

    z(t) = sign(t - t*) sqrt(2 W (min{F(theta): c'theta = t} - F*))

is minus or plus the root of the chi-squared quantile (Cox and Snell 1989; McCullagh and Nelder 1989, section 7.2).
"""

import warnings
from dataclasses import dataclass, replace
from functools import cache, partial
from itertools import islice
from typing import Any

import numpy as np
import scipy  # optimize loads where it is used: that takes longer than a small fit
from scipy.linalg import null_space

from separatrix.arrays import FloatArray
from separatrix.data.threads import one_blas_thread
from separatrix.engine.matrices.linear_algebra import solve_positive
from separatrix.engine.objective import Evaluation, Objective
from separatrix.engine.solvers.newton import newton
from separatrix.errors import ArgumentError, ConvergenceWarning, outside
from separatrix.inference.venzon_moolgavkar import DAMPING, MOST_PASSES, STIFFER, Goal, seek
from separatrix.inference.wald import quantile

MOST_POLISHING = 50
MANY = 12  # Newton steps, after which the optimum is at infinity, or all but
AT_REST = 1e-12  # of a unit of log-likelihood: a fit that close to the optimum is one
NEAR = 0.25  # of a unit of deviance from the optimum: a start that is none the worse for not being it
INSIDE = 0.9  # of the fall in deviance that is sought: the farther out a start, the longer the valley back in
FAR = 40  # doublings of a standard error, within which an end is sought by fits
MOST_HELD = 200
SUFFICIENT = 1e-4  # of the fall that the slope promises
MOST_DAMPING = 1e9  # of the largest curvature: the rest is rounding
CELLS = 2**24  # of the curvatures held at a time: 128 MB


@dataclass(frozen=True)
class Profile:
    """Where the signed root of each contrast (rows) takes each value of `roots` (columns): values (m, len(roots)).

    estimates (m,) are the contrasts at the optimum; -inf and inf stand where the likelihood never falls that far, and
    NaN where MOST_PASSES did not lead to the point. `passes` counts the readings of the data.
    """

    roots: FloatArray
    estimates: FloatArray
    values: FloatArray
    passes: int


@dataclass(frozen=True)
class ProfileIntervals:
    """Profile-likelihood intervals of all coefficients: estimates, low and high (P, K), the intercept last."""

    level: float
    estimates: FloatArray
    low: FloatArray
    high: FloatArray
    passes: int

    def __str__(self) -> str:
        head = f"{self.level:.4g} profile-likelihood intervals, in {self.passes} passes"
        names = "    estimate         low        high"
        rows = zip(self.estimates.ravel(), self.low.ravel(), self.high.ravel(), strict=True)
        return "\n".join([head, names, *(" ".join(f"{value:11.5g}" for value in row) for row in rows)])


def profile_intervals(objective: Objective, theta: FloatArray, level: float = 0.95) -> ProfileIntervals:
    """The profile-likelihood interval of every coefficient, from theta (P, K) at or near the optimum of the objective.

    An end is -inf or inf where the likelihood never falls that far: of an estimate that is infinite itself. With an L2
    penalty they are of the penalised likelihood. The intercepts are those at x = 0, whatever the source's centre.

    Raises
    ------
    ArgumentError
        When level is not between 0 and 1; and as `profile` does.

    Examples
    --------
    >>> from separatrix.data.memory import memory_source
    >>> from separatrix.equations.losses import LogLoss
    >>> from separatrix.equations.penalties import L2
    >>> dose, deaths = np.tile(np.arange(6.0), 2), np.array([1, 4, 9, 13, 18, 20, 0, 2, 6, 10, 12, 16])
    >>> X = np.column_stack([np.repeat([0.0, 1.0], 6), np.repeat([1.0, 0.0], 6), dose])
    >>> source = memory_source(X, deaths[:, None] / 20, np.full(12, 20.0))
    >>> budworm = Objective(source, LogLoss(), L2(np.zeros(3)), fit_intercept=False)
    >>> print(profile_intervals(budworm, np.zeros((3, 1))))
    0.95 profile-likelihood intervals, in ... passes
        estimate         low        high
         -3.4732     -4.4581     -2.6135
         -2.3724     -3.1728     -1.6551
          1.0642     0.82285       1.339
    """
    z = quantile(level)
    ends = profile(objective, theta, np.array([-z, z]))
    low, high = ends.values.T.reshape(2, *theta.shape)
    return ProfileIntervals(level, ends.estimates.reshape(theta.shape), low, high, ends.passes)


def profile(objective: Objective, theta: FloatArray, roots: FloatArray, contrasts: FloatArray | None = None) -> Profile:
    """The values at which the signed root of the profile takes the given values: intervals, and the curve to plot.

    Parameters
    ----------
    theta : (P, K)
        At or near the optimum of the objective, which is made of Newton steps from it.
    roots : (r,)
        Signed roots of the likelihood ratio: -1.96 and 1.96 for an interval of 95 %, a range of them for a curve.
    contrasts : (m, P, K) or None
        What to profile, in the units of X; None is each coefficient.

    Raises
    ------
    ArgumentError
        When the penalty has an L1 part, or a contrast lies along a direction in which the loss is flat.
    """
    roots = np.asarray(roots, dtype=float)
    chosen = np.eye(theta.size).reshape(theta.size, *theta.shape) if contrasts is None else np.asarray(contrasts)
    check_profiled(objective, chosen)
    with one_blas_thread(), objective.source.working() as source:
        objective = replace(objective, source=source)
        weight = objective.add_up(lambda block: block.total)
        best, start = optimum(objective, theta, weight)
        sides = centred(objective, chosen)
        goals = [Goal(c, z, weight, best.value) for c in sides for z in roots]
        many = max(1, CELLS // theta.size**2)
        largest = cache(partial(curvature_at_zero, objective, theta.shape))
        ends = [end for i in range(0, len(goals), many) for end in seek(objective, start, largest, goals[i : i + many])]
    warn_of(ends)
    estimates = np.array([np.sum(c * best.theta) for c in sides])
    return Profile(roots, estimates, np.reshape(ends, (len(sides), len(roots))), objective.passes)


def end_by_fits(objective: Objective, theta: FloatArray, contrast: FloatArray, root: float) -> float:
    """The value of one contrast (P, K) at which the signed root of its profile is `root`, by bracketing and a fit for
    each value: slow, but no fit goes farther than the likelihood can tell, so it works where classes are separated.

    NaN where the profile does not fall so far in FAR doublings of a standard error, or a fit does not converge.
    """
    with one_blas_thread(), objective.source.working() as source:
        objective = replace(objective, source=source)
        weight, c = objective.add_up(lambda block: block.total), centred(objective, contrast[None])[0].ravel()
        way = newton_way(objective, np.zeros_like(theta), AT_REST / weight)
        best, near = way[-1].value, INSIDE * root**2
        start = next(at.theta for at in way if 2.0 * weight * (at.value - best) <= near)
        inside, basis = float(c @ start.ravel()), null_space(c[None])
        largest = curvature_at_zero(objective, theta.shape)
        known, failed = {inside: start}, []

        def lacks(t: float) -> float:
            """How much of the fall is lacking at t, by a fit from that of the nearest t before, or, where no step leads
            back from there, from 0."""
            nearest = known[min(known, key=lambda before: abs(before - t))]
            for near in (nearest, np.zeros_like(theta)):
                moved = near + (c * (t - c @ near.ravel()) / (c @ c)).reshape(near.shape)
                at, converged = held_at(objective, largest, basis, moved, AT_REST / weight)
                if converged:
                    break
            known[t] = at.theta
            failed.extend([t] * (not converged))
            return root**2 - 2.0 * weight * (at.value - best)

        stride = float(np.linalg.norm(c) / np.sqrt(weight * (c @ largest @ c)))
        ends = (inside + np.sign(root) * stride * 2.0 ** np.arange(FAR)).tolist()
        outside = next((t for t in ends if failed or lacks(t) < 0.0), None)
        if outside is None or failed:
            return np.nan
        found: Any = scipy.optimize.brentq(lacks, inside, outside, xtol=1e-9 * stride)
        return np.nan if failed else float(found)


def curvature_at_zero(objective: Objective, shape: tuple[int, int]) -> FloatArray:
    """That at theta = 0 (P, K), the largest of classes without an offset; one pass."""
    return objective.evaluate(np.zeros(shape), order=2).curvature


def held_at(
    objective: Objective, largest: FloatArray, basis: FloatArray, start: FloatArray, enough: float
) -> tuple[Evaluation, bool]:
    """The least objective that steps along a basis (P K, m) lead to, and whether it is within about `enough` of that:
    by Newton's method, with some of the largest curvature added where a step leads up (Levenberg 1944)."""
    at, damping = objective.evaluate(start, order=2), 0.0
    for _ in range(MOST_HELD):
        g, H = basis.T @ at.gradient.ravel(), basis.T @ at.curvature @ basis
        if g @ solve_positive(H, g) <= enough:
            return at, True
        step = solve_positive(H + damping * (basis.T @ largest @ basis), -g)
        there = objective.evaluate(at.theta + (basis @ step).reshape(at.theta.shape), order=2)
        if there.value <= at.value + SUFFICIENT * (g @ step):
            at, damping = there, damping / STIFFER if damping > DAMPING else 0.0
        elif damping > MOST_DAMPING:
            break
        else:
            damping = max(DAMPING, STIFFER * damping)
    return at, False


def warn_of(ends: list[float]) -> None:
    """A ConvergenceWarning where some ends were not found."""
    missing = int(np.isnan(ends).sum())
    if missing:
        warnings.warn(
            f"{missing} of {len(ends)} points of the profile were not found in {MOST_PASSES} passes, and are NaN. "
            "Where the classes are separated, see which estimates are infinite; penalty='firth' has finite ones.",
            ConvergenceWarning,
            stacklevel=outside(),
        )


def check_profiled(objective: Objective, contrasts: FloatArray) -> None:
    """ArgumentError where no profile exists."""
    if objective.penalty.has_l1:
        raise ArgumentError("the profile of a fit with an L1 penalty has corners, and no interval follows from it.")
    if np.any(np.abs(contrasts @ objective.loss.flat(contrasts.shape[2])) > 1e-12):
        raise ArgumentError(
            "the coefficients of softmax are known up to a number that is the same for all classes. Profile a "
            "difference between two classes, or fit against a reference class."
        )


def centred(objective: Objective, contrasts: FloatArray) -> FloatArray:
    """Contrasts of theta as the objective has it, whose intercepts are those at x = centre."""
    p = objective.source.n_columns
    moved = contrasts.astype(float)
    moved[:, :p] -= np.einsum("mik,j->mjk", contrasts[:, p:], objective.source.centre)
    return moved


def optimum(objective: Objective, theta: FloatArray, weight: float) -> tuple[Evaluation, Evaluation]:
    """The optimum by Newton's method, or the last iterate where there is none; and where to start from, with the
    curvature there.

    A fit may stop at a gap per unit weight that is no small part of a unit of log-likelihood once it is times a million
    rows; the profile is measured from the optimum. Where the estimates are infinite the curvature vanishes on the way
    to them, and says nothing about the other side: then the start is where the way comes near the optimum.
    """
    way = newton_way(objective, objective.canonical(theta), AT_REST / weight)
    if len(way) > MANY:  # on the way to infinity, from a theta that may be far out already
        way = newton_way(objective, np.zeros_like(theta), AT_REST / weight)
        start = next(at for at in way if 2.0 * weight * (at.value - way[-1].value) <= NEAR)
    else:
        start = way[-1]
    return way[-1], start if start.curvature is not None else objective.evaluate(start.theta, order=2)


def newton_way(objective: Objective, theta: FloatArray, enough: float) -> list[Evaluation]:
    """Newton's iterates, to one that is near enough to the optimum or as low as rounding lets it be."""
    way: list[Evaluation] = []
    for iterate in islice(newton(objective, theta), MOST_POLISHING):
        falls = not way or iterate.at.value < way[-1].value
        way.append(iterate.at)
        if iterate.gap <= enough or not falls:
            break
    return way
