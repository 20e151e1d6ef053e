"""Firth's estimate of a source: in the units of X, with errors, tests and intervals; and with its intercept corrected.

With Jeffreys' prior predicted probabilities lean to 1/2. Two corrections bring their mean to the observed share (Puhr,
Heinze, Nold, Lusa and Geroldinger 2017, "Firth's logistic regression with rare events", Statist. Med. 36):

    FLIC    the intercept is that of the greatest likelihood beside Firth's other coefficients
    FLAC    all coefficients are those of the greatest likelihood of the rows and, told from them by a column, of as
            many of outcome 1/2 that weigh what each row's leverage is: the prior as rows
"""

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
from separatrix.engine.matrices.linear_algebra import inverse_of
from separatrix.engine.objective import Objective
from separatrix.equations.hyperplane import linear_predictor
from separatrix.equations.losses import LogLoss
from separatrix.equations.penalties import elastic_net
from separatrix.equations.reference import ReferenceLoss
from separatrix.errors import ArgumentError
from separatrix.inference.firth import FirthFit, evaluate, firth, hat_values, profile_interval, profile_test
from separatrix.inference.margins import Margins, independent
from separatrix.inference.profile import profile_intervals
from separatrix.inference.tails import chi_squared_tail
from separatrix.inference.wald import quantile, two_sided

EXACT = 1e-12  # gap of the maximum likelihood fits
CORRECTIONS = (None, "flic", "flac")


@dataclass(frozen=True)
class FirthEstimate:
    """Firth's estimate on the independent columns of X, `kept` of p, shifted by the source's centre.

    Arrays of coefficients are (K - 1, p + 1), the intercept (if there is one) last, NaN for the columns left out.
    """

    objective: Objective
    fit: FirthFit
    kept: IntArray
    p: int

    @property
    def theta(self) -> FloatArray:
        """The estimate (P, K - 1) of the columns kept, shifted."""
        return self.fit.theta

    @property
    def covariance(self) -> FloatArray:
        """The inverse of the information at the estimate, (P (K - 1), same)."""
        return self.fit.covariance

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
        (P, K), shift = self.theta.shape, self.shift
        covariance = self.covariance.reshape(P, K, P, K)
        return self.of_all(np.sqrt(np.einsum("ij,jkmk,im->ki", shift, covariance, shift)))

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
        """A pair of numbers for each coefficient, (..., 2); the intercept's where no column is shifted."""
        P, K = self.fit.theta.shape
        pairs, plain = np.empty((K, P, 2)), self.unshifted()
        for j, k in np.ndindex(P, K):
            objective, fit = (self.objective, self.fit) if j < len(self.kept) else plain
            pairs[k, j] = function(objective, fit, (j, k))
        return self.of_all(pairs)

    def unshifted(self) -> tuple[Objective, FirthFit]:
        """The same problem in the columns as they are; det I is the same."""
        source: Any = self.objective.source
        if not source.centre.any():
            return self.objective, self.fit
        objective = replace(self.objective, source=replace(source, centre=np.zeros(len(self.kept))))
        return objective, firth(objective, self.shift @ self.fit.theta)

    def without(self, gone: BoolArray) -> float:
        """The highest penalised likelihood with the coefficients 0 where `gone` (P, K - 1) is true, and the prior that
        of all of them."""
        objective, fit = self.unshifted() if gone[len(self.kept) :].any() else (self.objective, self.fit)
        if gone.all():
            return evaluate(objective, np.zeros_like(fit.theta)).value  # pyright: ignore[reportOptionalMemberAccess]
        return firth(objective, np.where(gone, 0.0, fit.theta), gone).at.value


@dataclass(frozen=True)
class Flic(FirthEstimate):
    """With the intercept of the greatest likelihood; the others' tests and intervals are Firth's, its own are Wald's,
    from the information there."""

    corrected: FloatArray

    @property
    def theta(self) -> FloatArray:
        return self.corrected

    @property
    def covariance(self) -> FloatArray:
        return inverse_of(self._at.factor)

    @property
    def loglik(self) -> float:
        return self._at.loglik

    @cached_property
    def _at(self) -> Any:
        return evaluate(self.objective, self.corrected)

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


def firth_estimate(
    source: MemorySource, K: int, fit_intercept: bool, max_iter: int = 100, correction: str | None = None
) -> FirthEstimate:
    """Firth's estimate of K classes from zero, corrected as told; of the columns that are linear combinations of others
    the last are left out. The source's y are as LogLoss has them, or codes, which ReferenceLoss compares with class 0.

    Raises ArgumentError for a correction that is none, or of several classes.
    """
    if correction not in CORRECTIONS:
        raise ArgumentError(f"correction={correction!r} must be None, 'flic' or 'flac'.")
    if correction is not None and K > 2:
        raise ArgumentError(f"correction={correction!r} is for two classes, and y has {K}. Use None.")
    ones, p = int(fit_intercept), source.n_columns
    with source.working() as working:
        kept = independent(Margins(working, K, ones))
        some = working if len(kept) == p else working.columns(kept)
        loss = LogLoss() if K == 2 else ReferenceLoss()
        objective = Objective(some, loss, elastic_net(np.zeros(len(kept)), 0.0), fit_intercept)
        fit = firth(objective, np.zeros((len(kept) + ones, K - 1)), max_iter=max_iter)
    at_rest = source if len(kept) == p else source.columns(kept)  # its threads have ended
    found = FirthEstimate(replace(objective, source=at_rest), fit, kept, p)
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
    h, X, n = hat_values(found.objective, found.fit), source.rows, source.n_rows
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
