"""Firth's estimate of a source: in the units of X, with errors, tests and intervals; and with its intercept corrected.

With Jeffreys' prior predicted probabilities lean to 1/2. Two corrections bring their mean to the observed share (Puhr,
Heinze, Nold, Lusa and Geroldinger 2017, "Firth's logistic regression with rare events", Statist. Med. 36):

    FLIC    the intercept is that of the greatest likelihood beside Firth's other coefficients
    FLAC    all coefficients are those of the greatest likelihood of the rows and, told from them by a column, of as
            many of outcome 1/2 that weigh what each row's leverage is: the prior as rows
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from scipy import sparse

from separatrix.arrays import BoolArray, FloatArray, IntArray
from separatrix.cached import cached_property
from separatrix.data.memory import MemorySource, memory_source
from separatrix.engine.fit import Options, fit_linear_model
from separatrix.engine.leverage import inverse_curvature
from separatrix.engine.matrices.linear_algebra import ROUGH, inverse_of
from separatrix.engine.objective import Objective
from separatrix.equations.hyperplane import linear_predictor
from separatrix.equations.losses import LogLoss
from separatrix.equations.penalties import elastic_net
from separatrix.equations.reference import ReferenceLoss
from separatrix.errors import ArgumentError, ConvergenceWarning, outside
from separatrix.inference.firth import (
    FirthFit,
    evaluate,
    firth,
    hat_values,
    profile_interval,
    profile_test,
    started,
)
from separatrix.inference.margins import Margins, independent
from separatrix.inference.profile import profile_intervals
from separatrix.inference.tails import chi_squared_tail
from separatrix.inference.turned import told_apart, turned, turning
from separatrix.inference.wald import quantile, two_sided

EXACT = 1e-12  # gap of the maximum likelihood fits
CORRECTIONS = (None, "flic", "flac")


@dataclass(frozen=True)
class FirthEstimate:
    """Firth's estimate on the independent columns of X, `kept` of p, shifted by the source's centre.

    The fit is that of the objective as it was `posed`, whose coefficients u are told by theta = `turn` u: the objective
    itself, or where columns nearly depend on each other that of turned ones.

    Arrays of coefficients are (K - 1, p + 1), the intercept (if there is one) last, NaN for the columns left out.
    """

    objective: Objective
    fit: FirthFit
    kept: IntArray
    p: int
    posed: Objective
    turn: FloatArray

    @property
    def theta(self) -> FloatArray:
        """The estimate (P, K - 1) of the columns kept, shifted."""
        return self.turn @ self.fit.theta

    @property
    def spread(self) -> FloatArray:
        """The inverse of the information of u at the estimate, (P (K - 1), same)."""
        return self.fit.covariance

    @property
    def covariance(self) -> FloatArray:
        """The inverse of the information at the estimate, (P (K - 1), same)."""
        if self.posed is self.objective:
            return self.spread
        each = np.kron(self.turn, np.eye(self.fit.theta.shape[1]))
        return each @ self.spread @ each.T

    @property
    def loglik(self) -> float:
        """The log-likelihood of the estimate, without the prior."""
        return self.fit.at.loglik

    @property
    def shift(self) -> FloatArray:
        """What makes coefficients of X of those of the shifted columns: b - centre'w, (P, P)."""
        P, some = len(self.theta), len(self.kept)
        shift = np.eye(P)
        if some < P:
            shift[-1, :some] = -self.objective.source.centre
        return shift

    def coefficients(self) -> tuple[FloatArray, FloatArray]:
        """w (p, K - 1), zero for the columns left out, and b (K - 1,)."""
        theta, some = self.shift @ self.theta, len(self.kept)
        w = np.zeros((self.p, theta.shape[1]))
        w[self.kept] = theta[:some]
        return w, theta[some] if len(theta) > some else np.zeros(theta.shape[1])

    def errors(self) -> FloatArray:
        """Standard errors from the information at the estimate."""
        return self.of_all(errors_of(self.spread, self.shift @ self.turn))

    def tests(self) -> FloatArray:
        """(..., 2): penalised likelihood ratio statistics of each coefficient being 0, and their p-values (Heinze and
        Schemper 2002)."""
        return self.each(profile_test)

    def intervals(self, level: float) -> FloatArray:
        """(..., 2): profile intervals of the penalised likelihood."""
        return self.each(partial(profile_interval, level=level))

    def wald_intervals(self, level: float) -> FloatArray:
        """(..., 2): by standard errors, which is poor where the data nearly separate."""
        estimate, reach = self.of_all((self.shift @ self.theta).T), quantile(level) * self.errors()
        return np.stack([estimate - reach, estimate + reach], axis=-1)

    def of_all(self, values: FloatArray) -> FloatArray:
        """(K - 1, P, ..) as (K - 1, p + 1, ..), NaN for the columns left out."""
        some, P = len(self.kept), values.shape[1]
        every = np.full((len(values), self.p + P - some, *values.shape[2:]), np.nan)
        every[:, np.append(self.kept, np.arange(self.p, self.p + P - some)).astype(np.intp)] = values
        return every

    def each(self, function: Callable[[Objective, FirthFit, tuple[int, int]], tuple[float, float]]) -> FloatArray:
        """A pair of numbers for each coefficient, (..., 2); NaN, with a ConvergenceWarning, for one not found."""
        P, K = self.fit.theta.shape
        pairs = np.full((K, P, 2), np.nan)
        for j in range(P if self.fit.known else 0):
            objective, fit, row = self.with_own(j)
            for k in range(K):
                pairs[k, j] = function(objective, fit, (row, k))
        warn_of(self.fit, int(np.isnan(pairs).any(axis=2).sum()), P * K)
        return self.of_all(pairs)

    def with_own(self, j: int) -> tuple[Objective, FirthFit, int]:
        """The fit in coefficients of which one is that of X's own j-th column, or its intercept; and which one is."""
        P, own = len(self.turn), self.shift @ self.turn
        if np.array_equal(own[j], np.eye(P)[j]):
            return self.posed, self.fit, j
        return *self.told_apart(own[[j]]), P - 1

    def told_apart(self, G: FloatArray) -> tuple[Objective, FirthFit]:
        """The fit in coefficients of which the last are G u, G (m, P)."""
        turn, back = told_apart(G)
        objective = turned(self.posed, turn)
        return objective, firth(objective, back @ self.fit.theta)

    def without(self, gone: BoolArray) -> float:
        """The highest penalised likelihood with the coefficients of all classes 0 where `gone` (P,) is true, and the
        prior that of all of them."""
        own, objective, fit = (self.shift @ self.turn)[gone], self.posed, self.fit
        held = np.repeat(gone[:, None], fit.theta.shape[1], axis=1)
        if gone.all():
            return started(objective, np.zeros(held.shape)).value
        if not np.array_equal(own, np.eye(len(gone))[gone]):
            objective, fit = self.told_apart(np.linalg.qr(own.T)[0].T)  # a rotation, which leaves det I as it is
            held = np.sort(held, axis=0)  # the last are
        # An intercept that many columns had called for may be far off without them.
        starts = [started(objective, np.where(held, 0.0, theta)) for theta in (fit.theta, np.zeros(held.shape))]
        return firth(objective, max(starts, key=lambda at: at.value), held).at.value


@dataclass(frozen=True)
class Flic(FirthEstimate):
    """With the intercept of the greatest likelihood; the others' tests and intervals are Firth's, its own are Wald's,
    from the information there."""

    corrected: FloatArray

    @property
    def theta(self) -> FloatArray:
        return self.corrected

    @property
    def spread(self) -> FloatArray:
        return inverse_of(self._at.factor)

    @property
    def loglik(self) -> float:
        return self._at.loglik

    @cached_property
    def _at(self) -> Any:
        return evaluate(self.posed, np.linalg.solve(self.turn, self.corrected))

    def tests(self) -> FloatArray:
        tests, z = super().tests(), self.coefficients()[1][0] / self.errors()[0, -1]
        tests[0, -1] = z**2, two_sided(z)
        return tests

    def intervals(self, level: float) -> FloatArray:
        intervals = super().intervals(level)
        intervals[0, -1] = self.wald_intervals(level)[0, -1]
        return intervals


@dataclass(frozen=True)
class Flac(FirthEstimate):
    """With all coefficients, errors, tests and intervals of the likelihood of the rows and of those of the prior;
    `wide` (P + 1, 1) holds the column that tells them apart, too."""

    both: Objective
    wide: FloatArray

    @property
    def theta(self) -> FloatArray:
        return np.delete(self.wide, len(self.kept), axis=0)

    @property
    def covariance(self) -> FloatArray:
        covariance = inverse_curvature(self.both, self.wide)[:, 0, :, 0]
        return np.delete(np.delete(covariance, len(self.kept), axis=0), len(self.kept), axis=1)

    @property
    def loglik(self) -> float:
        at = self.objective.evaluate(self.theta, order=0)
        return -at.weight * at.loss

    def errors(self) -> FloatArray:
        return self.of_all(errors_of(self.covariance, self.shift))

    def tests(self) -> FloatArray:
        best, total = self.both.evaluate(self.wide, order=0).loss, float(self.both.source.weight.sum())  # pyright: ignore
        columns = np.arange(self.both.source.n_columns)
        less = [maximum(self.both.columns(np.delete(columns, j))).loss for j in columns[:-1]]
        if self.both.fit_intercept:
            less.append(maximum(replace(uncentred(self.both), fit_intercept=False)).loss)
        statistics = np.maximum(2.0 * total * (np.array(less) - best), 0.0)
        return self.of_all(np.stack([statistics, chi_squared_tail(statistics, 1)], axis=-1)[None])

    def intervals(self, level: float) -> FloatArray:
        found = profile_intervals(self.both, self.wide, level)
        ends = np.hstack([found.low, found.high])
        return self.of_all(np.delete(ends, len(self.kept), axis=0)[None])


def warn_of(fit: FirthFit, missing: int, of: int) -> None:
    """The ConvergenceWarning that tests or intervals deserve."""
    if not missing:
        return
    if fit.known:
        why = (
            "their own fits were stopped by rounding. Leave out columns that nearly depend on others, or scale weights"
        )
    else:
        why = f"the fit stopped about {fit.gap:.1e} below the highest penalised likelihood. Raise max_iter"
    message = f"tests or intervals of {missing} of {of} coefficients are NaN: {why}."
    warnings.warn(message, ConvergenceWarning, stacklevel=outside())


def errors_of(covariance: FloatArray, S: FloatArray) -> FloatArray:
    """The standard errors of S u, (K - 1, P), from the covariance of u (P, K - 1)."""
    each = covariance.reshape(len(S), -1, len(S), len(covariance) // len(S))
    return np.sqrt(np.einsum("ij,jkmk,im->ki", S, each, S))


def firth_estimate(
    source: MemorySource, K: int, fit_intercept: bool, max_iter: int = 100, correction: str | None = None
) -> FirthEstimate:
    """Firth's estimate of K classes from zero, corrected as told; of the columns that are linear combinations of others
    the last are left out. The source's y are as LogLoss has them, or codes, which ReferenceLoss compares with class 0.

    Raises ArgumentError for a correction of several classes.
    """
    if correction is not None and K > 2:
        raise ArgumentError(f"correction={correction!r} is for two classes, and y has {K}. Use None.")
    ones, p = int(fit_intercept), source.n_columns
    with source.working() as working:
        kept = independent(Margins(working, K, ones))
        some = working if len(kept) == p else working.columns(kept)
        loss = LogLoss() if K == 2 else ReferenceLoss()
        objective = Objective(some, loss, elastic_net(np.zeros(len(kept)), 0.0), fit_intercept)
        start = started(objective, np.zeros((len(kept) + ones, K - 1)))
        turn = turning(objective) if start.factor.least < ROUGH else None
        posed = objective if turn is None else turned(objective, turn)
        fit = firth(posed, start if turn is None else start.theta, max_iter=max_iter)
    at_rest = source if len(kept) == p else source.columns(kept)  # its threads have ended
    objective = replace(objective, source=at_rest, passes=posed.passes + (turn is not None) * objective.passes)
    posed = objective if turn is None else turned(objective, turn)
    found = FirthEstimate(objective, fit, kept, p, posed, np.eye(len(fit.theta)) if turn is None else turn)
    if correction == "flic" and fit_intercept:
        return flic(found)
    return flac(found) if correction == "flac" else found


def flic(found: FirthEstimate) -> Flic:
    """The estimate with the intercept of the greatest likelihood beside its weights."""
    source: Any = found.objective.source
    w = found.theta[:-1]
    eta = linear_predictor(source.rows, w) - source.centre @ w
    offset = eta if source.offset is None else eta + source.offset
    alone = memory_source(np.zeros((source.n_rows, 0)), source.y, source.weight, offset=offset)
    b = maximum(Objective(alone, LogLoss(), elastic_net(np.zeros(0), 0.0), True)).theta
    return Flic(**vars(found), corrected=np.vstack([w, b]))


def flac(found: FirthEstimate) -> Flac:
    """The estimate of the rows and, told apart by a last column, of as many of outcome 1/2 and the weight of their
    leverage: two of each outcome with half of it."""
    source: Any = found.objective.source
    h, X, n = hat_values(found.posed, found.fit), source.rows, source.n_rows
    marks = np.repeat([[0.0], [1.0]], n, axis=0)
    twice: Any = sparse.vstack([X, X]) if sparse.issparse(X) else np.vstack([X, X])
    wide: Any = sparse.hstack([twice, marks], format="csr") if sparse.issparse(X) else np.hstack([twice, marks])
    y, weight = np.vstack([source.y, np.full(source.y.shape, 0.5)]), np.append(source.weight, h)
    offset = None if source.offset is None else np.tile(source.offset, (2, 1))
    rows = replace(memory_source(wide, y, weight, False, offset=offset), centre=np.append(source.centre, 0.0))
    penalty = elastic_net(np.zeros(wide.shape[1]), 0.0)
    both = Objective(rows, LogLoss(), penalty, found.objective.fit_intercept)
    return Flac(**vars(found), both=both, wide=maximum(both).theta)


def maximum(objective: Objective) -> Any:
    """The evaluation, of order 0, at the greatest likelihood of two classes."""
    source, p = objective.source, objective.source.n_columns
    options = Options(tol=EXACT, fit_intercept=objective.fit_intercept)
    fit = fit_linear_model(source, LogLoss(), objective.penalty, options, (np.zeros((1, p)), np.zeros(1)))
    theta = np.append(fit.coefficients[0], fit.intercepts + fit.coefficients @ source.centre)[:, None]
    return objective.evaluate(theta if objective.fit_intercept else theta[:-1], order=0)


def uncentred(objective: Objective) -> Objective:
    """The same objective of the columns as they are."""
    source: Any = objective.source
    return replace(objective, source=replace(source, centre=np.zeros(source.n_columns)))
