"""The result of a linear regression."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from separatrix.arrays import FloatArray
from separatrix.cached import cached_property
from separatrix.data.block import response
from separatrix.engine.matrices.triangle import ROUNDING
from separatrix.errors import ArgumentError
from separatrix.inference.tails import f_tail
from separatrix.inference.wald import Test, quantile
from separatrix.regression.diagnosis import DiagnosedResult
from separatrix.regression.fitting import Estimate, at_work, fit_numbers
from separatrix.regression.result import Prediction, frozen
from separatrix.regression.sample import Sample
from separatrix.regression.summary import Summary, ols_summary


def error_variance(sample: Sample, estimate: Estimate) -> float:
    """sigma^2, the residual sum of squares over its degrees of freedom; NaN where there are none, 0 of an exact fit."""
    df = sample.observations - estimate.theta.size
    if df <= 0:
        return np.nan
    return 2.0 * estimate.loss / df if 2.0 * estimate.loss > rounding_of(estimate) else 0.0


def rounding_of(estimate: Estimate) -> float:
    """What rounding may leave of a sum of squares where nothing is: from the lengths of y and of each column's part."""
    if estimate.triangle is None:
        return 0.0
    m = int(estimate.objective.fit_intercept)
    parts = np.append(np.roll(np.abs(estimate.theta[:, 0]), m), 1.0)
    return float((ROUNDING * np.linalg.norm(estimate.triangle, axis=0) @ parts) ** 2)


@dataclass(frozen=True, repr=False, eq=False)
class OLSResult(DiagnosedResult):
    """A linear regression by least squares (see `Result`); tests are of t and F."""

    @property
    def df_inference(self) -> float:
        """df_resid, or with clusters one less than the fewest of them."""
        if self.covariance == "cluster":
            return float(min(codes.max() for codes in self.sample.groups))
        return self.df_resid

    @property
    def ssr(self) -> float:
        """The sum of squared residuals."""
        return 2.0 * self.estimate.loss

    @cached_property
    def scale(self) -> float:
        """The variance of the errors, ssr / df_resid."""
        return error_variance(self.sample, self.estimate)

    @property
    def _scale(self) -> float:
        return self.scale

    @cached_property
    def centered_tss(self) -> float:
        """The sum of squares of y, about its mean if there is an intercept."""
        with at_work(self.estimate.objective) as objective:
            total = objective.add_up(lambda block: block.weight @ response(block)[:, 0])
            mean = total / self.sample.total if self.sample.intercept else 0.0
            return float(objective.add_up(lambda block: block.weight @ np.square(response(block)[:, 0] - mean)))

    @property
    def rsquared(self) -> float:
        """1 - ssr / tss, the tss about the mean if there is an intercept, else about 0; NaN if that is 0."""
        constant = self.centered_tss <= rounding_of(self.estimate)
        return np.nan if constant else 1.0 - self.ssr / self.centered_tss

    @property
    def rsquared_adj(self) -> float:
        """1 - (1 - R^2) (n - intercept) / df_resid; NaN if no degrees of freedom are left."""
        if self.df_resid <= 0:
            return np.nan
        return 1.0 - (self.nobs - self.sample.intercept) / self.df_resid * (1.0 - self.rsquared)

    @property
    def _f(self) -> Test:
        R = np.eye(len(self.param_names))[int(self.sample.intercept) :]
        return self._wald_of(R, np.zeros(len(R)), "all columns")

    @property
    def fvalue(self) -> float:
        """The F statistic of all columns together; NaN where there is none."""
        self._check_inference("F tests")
        if not (self.scale > 0 and self.df_model):
            return np.nan
        if self.covariance == "nonrobust":
            return (self.centered_tss - self.ssr) / self.df_model / self.scale
        return self._f.statistic

    @property
    def f_pvalue(self) -> float:
        """P of such an F if no column had an effect."""
        return float(f_tail(self.fvalue, self.df_model, self.df_inference))

    @cached_property
    def llf(self) -> float:
        """The log-likelihood with the variance ssr / nobs."""
        return self._loglikelihood(self.ssr)

    @property
    def llnull(self) -> float:
        """The log-likelihood of the intercept alone, or without one of nothing."""
        return self._loglikelihood(self.centered_tss)

    def _loglikelihood(self, squares: float) -> float:
        """The log-likelihood with the variance squares / nobs; infinite where that is no more than rounding."""
        n = self.nobs
        if squares <= rounding_of(self.estimate):
            return np.inf
        return -0.5 * n * (float(np.log(2.0 * np.pi * squares / n)) + 1.0)

    @cached_property
    def fittedvalues(self) -> FloatArray:
        """The fitted mean of each row, (n,)."""
        self.sample.check_here("fitted values")
        return frozen(self.estimate.eta()[:, 0])

    @property
    def resid(self) -> FloatArray:
        """y - fittedvalues, (n,)."""
        return self.sample.outcome.y[:, 0] - self.fittedvalues

    @property
    def resid_deviance(self) -> FloatArray:
        """The same as `resid`: a row's part of the deviance is its square."""
        return self.resid

    @property
    def resid_pearson(self) -> FloatArray:
        """resid / sqrt(scale), (n,); NaN where that is 0."""
        return self.resid / np.sqrt(self.scale or np.nan)

    def predict(self, data: Any = None, offset: Any = None, interval: float | None = None, of: str = "mean") -> Any:
        """Predicted means of new rows, (n,); with interval=0.95, a `Prediction` whose interval is for the mean, or with
        of="observation" for a new observation.

        `offset` is (n,), the name of a column, or a number for all; without it, that of the fit by its name. Raises
        ColumnError or DataError for data that lack what the fit had: a column, a value in it, or the offset.
        """
        if of not in ("mean", "observation"):
            raise ArgumentError(f"of={of!r} must be 'mean' or 'observation'.")
        if data is None and interval is None:
            return self.fittedvalues
        eta, X = self._eta(data, offset)
        if interval is None:
            return eta[:, 0]
        variance = self._variances(X) + (self.scale if of == "observation" else 0.0)
        reach = quantile(interval, self.df_inference) * np.sqrt(variance)
        return Prediction(eta[:, 0], eta[:, 0] - reach, eta[:, 0] + reach)

    def refit(self, sample: Sample) -> Estimate:
        """The same kind of fit of another sample."""
        return fit_numbers(sample, 0.0, "raise")[1]

    def summary(self, level: float = 0.95) -> Summary:
        """The table of estimates, R squared and F."""
        return ols_summary(self, level)
