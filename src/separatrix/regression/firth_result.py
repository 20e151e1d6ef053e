"""Firth's logistic regression: estimates that are finite however the classes lie, judged by their own likelihood."""

import warnings
from dataclasses import dataclass, field, replace
from typing import Any, Self, cast

import numpy as np

from separatrix.arrays import BoolArray, FloatArray
from separatrix.cached import cached_property
from separatrix.data.memory import MemorySource
from separatrix.data.threads import one_blas_thread
from separatrix.engine.iterate import Trace
from separatrix.errors import ArgumentError, ConvergenceWarning, InferenceError, outside
from separatrix.inference.jeffreys import FirthEstimate, firth_estimate
from separatrix.inference.likelihood_ratio import likelihood_ratio
from separatrix.inference.wald import Test, two_sided
from separatrix.regression.design import Dependence, check_rows, dependences_of, without_dependent
from separatrix.regression.fitting import Estimate
from separatrix.regression.logit_result import LogitResult, log_coefficients
from separatrix.regression.sample import Sample
from separatrix.regression.spread import Spread

CORRECTIONS = {"firth": None, "flic": "flic", "flac": "flac"}
WHY = "corrected Fisher scoring for the likelihood with Jeffreys' prior"


@dataclass(frozen=True, repr=False, eq=False)
class FirthResult(LogitResult):
    """Firth's estimate, or one of its corrections "flic" and "flac" (see `LogitResult` and `inference.jeffreys`).

    Likelihoods are penalised by Jeffreys' prior, and so are the tests and profile intervals made of them (Heinze and
    Schemper 2002); `bse` are from the information at the estimate. With a prior the intercept's test is Wald's.
    """

    firth: FirthEstimate = field(kw_only=True)
    method: str = field(default="firth", kw_only=True)

    # likelihood

    @cached_property
    def llf(self) -> float:
        """The penalised log-likelihood of Firth's estimate; `loglik` is without the prior."""
        return self.firth.fit.at.value + log_coefficients(self.sample)

    @property
    def loglik(self) -> float:
        """The log-likelihood of the estimates, without Jeffreys' prior."""
        return -self.estimate.loss + log_coefficients(self.sample)

    @cached_property
    def llnull(self) -> float:
        """The highest penalised log-likelihood with all columns' coefficients 0, the prior still that of all."""
        gone = np.arange(len(self.estimate.theta)) < len(self.sample.names)
        return self._without(gone) + log_coefficients(self.sample)

    @property
    def _method(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.method

    def _criterion_loglik(self) -> float:
        return self.loglik

    # tests

    @cached_property
    def _tests(self) -> FloatArray:
        with one_blas_thread():
            tests = self.firth.tests()
        if self.adjustment is not None:
            z = self.tvalues[0]
            tests[0, -1] = z**2, two_sided(z)
        return tests

    @property
    def lr_statistics(self) -> FloatArray:
        """Penalised likelihood ratio statistics of each parameter being 0, chi-squared with 1 degree of freedom."""
        return self._from_firth(self._tests[..., 0])

    @property
    def pvalues(self) -> FloatArray:
        """P-values of the penalised likelihood ratio test of each parameter being 0."""
        return self._from_firth(self._tests[..., 1])

    @property
    def _statistics(self) -> FloatArray:
        return self.lr_statistics

    def conf_int(self, level: float = 0.95, method: str = "profile") -> FloatArray:
        """Intervals of this level, params.shape + (2,): of the profile of the penalised likelihood, or with
        method="wald" by standard errors, which is poor where the data nearly separate."""
        if method == "wald":
            return super().conf_int(level, method)
        if method != "profile":
            raise ArgumentError(f"method={method!r} must be 'profile' or 'wald'.")
        with one_blas_thread():
            ends = self.firth.intervals(level)
        ends = ends if self.adjustment is None else ends + self.adjustment.shift.T[..., None]
        return np.stack([self._from_firth(ends[..., 0]), self._from_firth(ends[..., 1])], axis=-1)

    def _ratio_against(self, small: Any) -> Test:
        gone = [name for name in self.names if name not in small.names]
        if len(gone) != len(self.names) - len(small.names):
            raise ArgumentError(
                "a penalised likelihood ratio needs a model that has all columns of the other; these have each some of "
                "their own. Nest one in the other."
            )
        order = [*self.sample.names, *self.names[: int(self.sample.intercept)]]
        return self._test(np.isin(order, gone), " = ".join([*gone, "0"]))

    def compare(self, smaller: list[int], larger: list[int], term: str) -> Test:
        """The penalised likelihood ratio test of a term, with the prior of the larger of both models."""
        if len(larger) < len(self.sample.names):
            return fit_result(self.sample.columns(larger), self.method, "raise").compare(
                [larger.index(j) for j in smaller], list(range(len(larger))), term
            )
        held = ~np.isin(np.arange(len(self.estimate.theta)), smaller)
        held[len(self.sample.names) :] = False
        return self._test(held, f"{term} = 0")

    def _test(self, held: BoolArray, hypothesis: str) -> Test:
        df, best = int(held.sum()) * self.estimate.theta.shape[1], self.firth.fit.at.value
        less = self._without(held) if df else best
        return replace(likelihood_ratio(less, best, df, hypothesis), method="Penalised likelihood ratio")

    def _without(self, gone: BoolArray) -> float:
        with one_blas_thread():
            return self.firth.without(gone)

    def score_test(self, columns: Any) -> Test:
        """Refused, with InferenceError: the estimate is not the maximum of the likelihood whose score that is."""
        raise InferenceError(
            "a score test is of the likelihood, and Firth's estimate is not its maximum. Fit with these columns too, "
            "and use lr_test."
        )

    def with_covariance(self, covariance: str, groups: Any = None) -> Self:
        """Refused but for "nonrobust": see `check_covariance`."""
        check_covariance(covariance, self.method, groups)
        return self

    def refit(self, sample: Sample) -> Estimate:
        """Firth's estimate of another sample."""
        return fit_result(sample, self.method, "raise").estimate

    def _from_firth(self, values: FloatArray) -> FloatArray:
        """(K - 1, P), the intercept last, as `params` are."""
        return self._shaped(self._user(values.T))


def check_covariance(covariance: str, method: str, groups: Any = None) -> None:
    """ArgumentError for any but "nonrobust", and for clusters, which that does not use."""
    if groups is not None:
        raise ArgumentError(f"groups= is not used with penalty={method!r}: its errors are of the information. Omit it.")
    if covariance != "nonrobust":
        raise ArgumentError(
            f"covariance={covariance!r} is not defined for penalty={method!r}, whose errors are those of the "
            "information. Use 'nonrobust', or fit without a penalty."
        )


def fit_result(sample: Sample, method: str, singular: str) -> FirthResult:
    """Firth's estimate of a sample; method is "firth", "flic" or "flac", singular "raise" or "drop".

    Raises DataError for a singular design, and ArgumentError for "flic" or "flac" of more than two classes. Warns with
    ConvergenceWarning where the maximum was not reached.
    """
    check_rows(sample)
    if CORRECTIONS[method] and sample.outcome.columns > 1:
        raise ArgumentError(f"penalty={method!r} is for two classes, and there are more. Use penalty='firth'.")
    source = cast(MemorySource, sample.source())
    with one_blas_thread():
        found = firth_estimate(source, sample.outcome.columns + 1, sample.intercept, correction=CORRECTIONS[method])
        if len(found.kept) < len(sample.names):
            gone = np.delete(np.array(sample.names), found.kept)
            vague = [Dependence(name, "nearly a combination of others") for name in gone]
            fewer = without_dependent(sample, dependences_of(sample) or vague, singular)
            return fit_result(fewer, method, singular)
    if not found.fit.converged:
        warnings.warn(
            f"stopped after {found.fit.iterations} iterations, about {found.fit.gap:.1e} below the highest penalised "
            "likelihood: columns that nearly depend on each other are a likely cause, see collinearity().",
            ConvergenceWarning,
            stacklevel=outside(),
        )
    infinite = np.zeros(found.theta.shape, dtype=int)
    trace = Trace("firth", WHY, (), found.objective.passes)
    bread = found.covariance
    estimate = Estimate(found.objective, found.theta, bread, -found.loglik, infinite, trace, found.fit.converged)
    return FirthResult(sample, estimate, "nonrobust", Spread(bread), firth=found, method=method)
