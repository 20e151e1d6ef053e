"""The result of a logistic regression, of two classes or more."""

import warnings
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
from scipy.special import gammaln, xlogy

from separatrix.arrays import FloatArray
from separatrix.cached import cached_property
from separatrix.data.block import Block
from separatrix.data.frames import dataframe
from separatrix.engine.sums import block_eta
from separatrix.equations.links import sigmoid
from separatrix.equations.losses import ClassLoss
from separatrix.errors import ArgumentError, ConvergenceWarning, InferenceError, TargetError, counted, listing, outside
from separatrix.inference.goodness import CalibrationLine, HosmerLemeshow, calibration_line, hosmer_lemeshow
from separatrix.inference.prediction import probability_interval
from separatrix.inference.tails import chi_squared_tail
from separatrix.regression.adjustment import Adjustment
from separatrix.regression.diagnosis import DiagnosedResult
from separatrix.regression.doubts import warn_of_negative
from separatrix.regression.fitting import Estimate, at_work, fit_classes
from separatrix.regression.formulas import outcome_values
from separatrix.regression.frame_rows import check_same_index
from separatrix.regression.outcome import Outcome, counts
from separatrix.regression.profiles import profile_ends
from separatrix.regression.result import Prediction, frozen
from separatrix.regression.sample import Sample
from separatrix.regression.summary import Summary, logit_summary


@dataclass(frozen=True)
class PseudoR2:
    """How much better than the null model (see `LogitResult.llnull`), between 0 and 1.

    The likelihoods are of single trials, so that groups of trials have the R squared of their rows, and without the
    prior of Firth's estimate: `llf` and `llnull` of these hold binomial coefficients or the prior, too.

    McFadden 1974: 1 - llf / llnull. Cox and Snell 1989: 1 - exp(2 (llnull - llf) / n). Nagelkerke 1991: that over the
    largest it could be. Tjur 2009: the mean p of the successes less that of the failures; NaN for several classes.
    """

    mcfadden: float
    cox_snell: float
    nagelkerke: float
    tjur: float


@dataclass(frozen=True, repr=False, eq=False)
class LogitResult(DiagnosedResult):
    """A logistic regression (see `Result`); with more than two classes, each against the reference `classes[0]`.

    With an `adjustment` (alpha_correction or prior of `logit`), parameters, predictions and marginal effects are
    corrected, and likelihood, fitted values and residuals are those of the sample as it is.
    """

    adjustment: Adjustment | None = field(default=None, kw_only=True)

    @property
    def classes(self) -> tuple[Any, ...]:
        """The classes, the reference first; of two, `classes[1]` is modelled."""
        return self.sample.outcome.classes

    @property
    def _theta(self) -> FloatArray:
        theta = self.estimate.theta
        return theta if self.adjustment is None else theta + self.adjustment.shift

    @property
    def _loss(self) -> ClassLoss:
        return cast(ClassLoss, self.sample.outcome.loss)

    # likelihood

    @cached_property
    def llf(self) -> float:
        """The log-likelihood; of grouped data with its binomial coefficients, as in R and statsmodels."""
        return -self.estimate.loss + log_coefficients(self.sample)

    @cached_property
    def llnull(self) -> float:
        """The log-likelihood of the intercept alone, beside the offset if there is one.

        Without an intercept, that of all coefficients 0, as in R: a constant, as statsmodels has it, is not nested.
        """
        return null_loglikelihood(self.sample)

    @property
    def deviance(self) -> float:
        """Twice the distance of the log-likelihood to that of a parameter for every row."""
        return 2.0 * (self.estimate.loss - saturated_loss(self.sample))

    @property
    def llr(self) -> float:
        """Twice the distance of the log-likelihood to that of the null model, `llnull`."""
        return 2.0 * (self.llf - self.llnull)

    @property
    def llr_pvalue(self) -> float:
        """P of such a ratio if no column had an effect."""
        self._check_inference("likelihood-ratio tests")
        return float(chi_squared_tail(self.llr, self.df_model)) if self.df_model else np.nan

    @cached_property
    def pseudo_r2(self) -> PseudoR2:
        """McFadden's, Cox and Snell's, Nagelkerke's and Tjur's R squared."""
        n, llf = self.sample.total, -self.estimate.loss
        llnull = null_loglikelihood(self.sample) - log_coefficients(self.sample)
        cox_snell = -float(np.expm1(2.0 * (llnull - llf) / n))
        largest = -float(np.expm1(2.0 * llnull / n))
        return PseudoR2(1.0 - llf / llnull, cox_snell, cox_snell / largest, self._tjur())

    @property
    def prsquared(self) -> float:
        """McFadden's R squared, by statsmodels' name."""
        return self.pseudo_r2.mcfadden

    def _tjur(self) -> float:
        if len(self.classes) > 2:
            return np.nan
        theta = self.estimate.theta

        def sums(block: Block) -> FloatArray:
            y, p = block.y[:, 0], sigmoid(block_eta(block, theta)[:, 0])
            both = block.weight * np.stack([y, 1.0 - y])
            return np.stack([both @ p, both.sum(axis=1)])

        with at_work(self.estimate.objective) as objective:
            p, weight = objective.add_up(sums)
        return float(np.subtract(*(p / weight)))

    @property
    def events_per_parameter(self) -> float:
        """Rows of the rarest class for each column; below about 10, estimates are biased (Peduzzi et al. 1996)."""
        return float(self.sample.class_totals().min()) / max(self.df_model / self.estimate.theta.shape[1], 1)

    # rows

    @cached_property
    def linear_predictor(self) -> FloatArray:
        """eta of every row, (n,) or (n, K - 1)."""
        self.sample.check_here("linear predictors")
        return frozen(self._shaped(self.estimate.eta()))

    @cached_property
    def fittedvalues(self) -> FloatArray:
        """The probability of the modelled class, (n,), or of every class, (n, K), as R and statsmodels' GLM have it."""
        self.sample.check_here("fitted values")
        p = self._loss.probabilities(self.estimate.eta())
        return frozen(p[:, 1] if len(self.classes) == 2 else p)

    @property
    def resid_response(self) -> FloatArray:
        """y - p, (n,) or (n, K)."""
        return self._observed() - self.fittedvalues

    @property
    def resid_pearson(self) -> FloatArray:
        """(y - p) / sqrt(p (1 - p) / trials), (n,) or (n, K); 0 where y is predicted with certainty."""
        trials = 1.0 if self.sample.outcome.trials is None else self.sample.outcome.trials
        spread, off = np.sqrt(self.fittedvalues * (1.0 - self.fittedvalues) / trials), self.resid_response
        with np.errstate(divide="ignore"):
            return np.divide(off, spread, out=np.zeros_like(off), where=(spread > 0) | (off != 0))

    @property
    def resid_deviance(self) -> FloatArray:
        """The signed square root of each row's part of the deviance, (n,); of several classes without sign."""
        self.sample.check_here("residuals")
        outcome, eta = self.sample.outcome, self.estimate.eta()
        loss = self._loss.value(outcome.y, eta).reshape(len(eta))
        trials = 1.0 if outcome.trials is None else outcome.trials
        size = np.sqrt(np.maximum(2.0 * trials * (loss - entropy(outcome.y[:, 0]) if outcome.y.ndim == 2 else loss), 0))
        return size * np.sign(self.resid_response) if len(self.classes) == 2 else size

    def _observed(self) -> FloatArray:
        y = self.sample.outcome.y
        return y[:, 0] if len(self.classes) == 2 else 1.0 * (y[:, None] == np.arange(len(self.classes)))

    def predict(self, data: Any = None, offset: Any = None, interval: float | None = None) -> Any:
        """Probabilities of new rows: (n,) of the modelled class, or (n, K). With interval=0.95, a `Prediction`.

        Without data, those of the fit. Intervals are made of log-odds, so that they stay between 0 and 1; of several
        classes, by the delta method.

        `offset` is (n,), (n, K - 1), the name of a column, or a number; without it, that of the fit by its name.

        Raises ColumnError or DataError for data that lack what the fit had: a column, a value in it, or the offset.
        """
        if data is None and interval is None and self.adjustment is None:
            return self.fittedvalues
        eta, X = self._eta(data, offset)
        p = self._loss.probabilities(eta)
        p = p[:, 1] if len(self.classes) == 2 else p
        if interval is None:
            return p
        self._check_inference("intervals")
        rows, cov = self.spread.of_rows(X)
        limits = probability_interval(self._loss, rows, eta, cov, interval)
        if len(self.n_clusters) > 1:
            warn_of_negative(np.asarray(np.isnan(limits[0]).any(axis=1) & ~np.isnan(eta).any(axis=1)))
        # Of what no outcome varies with, a robust variance knows nothing.
        if self.estimate.separation and self.covariance != "nonrobust":
            endless = self.estimate.separation.moves(X, self.estimate.objective.source.centre)
            limits = np.where(endless, 0.0, limits[0]), np.where(endless, 1.0, limits[1])
        return Prediction(p, *(limit[:, 1] if len(self.classes) == 2 else limit for limit in limits))

    # odds and tests

    _other_intervals = " or 'profile'"
    _remedy = "Fit without a penalty, with penalty='firth', or resample (bootstrap)"

    def conf_int(self, level: float = 0.95, method: str = "wald") -> FloatArray:
        """Intervals of this level, params.shape + (2,): by standard errors, or with method="profile" by how far the
        log-likelihood falls, which also bound infinite estimates on their finite side."""
        if method != "profile":
            return super().conf_int(level, method)
        self._check_inference("intervals")
        if self.adjustment and self.adjustment.unbiased:
            raise InferenceError(
                "profile intervals are of the likelihood, and alpha_correction moves the estimates from its maximum. "
                "Use method='wald', or penalty='firth', which takes the same bias and has intervals of its own."
            )
        low, high = profile_ends(self.sample, self.estimate, level)
        missing = self._flat(self._shaped(self._user(np.isnan(low) | np.isnan(high))))
        if self.estimate.infinite.any() and missing.any():
            warnings.warn(
                f"the profile of {listing(np.array(self.param_names)[missing])} was not followed to an end, which is "
                "NaN: the classes are separated. Use penalty='firth', whose intervals end.",
                ConvergenceWarning,
                stacklevel=outside(),
            )
        moved = 0.0 if self.adjustment is None else self.adjustment.shift
        return np.stack([self._shaped(self._user(end + moved)) for end in (low, high)], axis=-1)

    def odds_ratios(self, level: float = 0.95) -> Any:
        """exp(params) with their intervals, as a dataframe: of class against reference, for one unit of a column."""
        interval = np.exp(self.conf_int(level))
        ratios = np.exp(self._flat(self.params))
        columns = {"term": list(self.param_names), "odds_ratio": ratios}
        columns |= {"conf_low": self._flat(interval[..., 0]), "conf_high": self._flat(interval[..., 1])}
        return dataframe(columns, self.sample.backend)

    def refit(self, sample: Sample) -> Estimate:
        """The same kind of fit of another sample."""
        return fit_classes(sample, 0.0, "raise")[1]

    # how its probabilities hold

    def hosmer_lemeshow(self, groups: int = 10, data: Any = None, y: Any = None, offset: Any = None) -> HosmerLemeshow:
        """The test of Hosmer and Lemeshow (1980) that events are as frequent as predicted, for two classes.

        Of the rows of the fit, or of new ones: data, with the outcome in it for a formula, else y; and their offset, as
        `predict` takes it.
        """
        outcome, weight, p = self._judged(data, y, offset)
        return hosmer_lemeshow(outcome, p, groups, weight, fitted=data is None)

    def calibration(self, data: Any = None, y: Any = None, offset: Any = None) -> CalibrationLine:
        """The slope and intercept that recalibrate the predictions (Cox 1958), for two classes: 1 and 0 are right.

        A fit by maximum likelihood lies on that line by itself, so that its own rows say nothing. Give new ones: data,
        with the outcome in it for a formula, else y, and their offset, as `predict` takes it.
        """
        outcome, weight, p = self._judged(data, y, offset)
        return calibration_line(outcome, p, weight)

    def _judged(self, data: Any, y: Any, offset: Any) -> tuple[FloatArray, FloatArray | None, FloatArray]:
        """The share of events of each row, what it weighs, and its predicted probability."""
        if len(self.classes) > 2:
            raise ArgumentError(f"calibration is of two classes, and the outcome has {len(self.classes)}.")
        if data is None and (y is not None or offset is not None):
            raise ArgumentError(f"{'y' if y is not None else 'offset'} is of new rows: give their data with it.")
        if data is None:
            return self.sample.outcome.y[:, 0], self.sample.weight, self.fittedvalues
        if y is None and self.sample.formula is None:
            raise ArgumentError("y is missing: give the outcome of the rows of data.")
        check_same_index(y, data, "y")
        values = outcome_values(self.sample, data) if y is None else y
        p = self.predict(data, offset)
        if lost := int(np.count_nonzero(np.isnan(p))):
            raise InferenceError(f"the fit has no prediction of {counted(lost, 'row')} of data: leave such rows out.")
        return *shares(values, self.sample.outcome), p

    def _population_weight(self) -> FloatArray:
        weight = super()._population_weight()
        return weight * self.adjustment.population(self.sample.outcome.y[:, 0]) if self.adjustment else weight

    def summary(self, level: float = 0.95) -> Summary:
        """The table of estimates, the likelihood, and what was modelled against what."""
        return logit_summary(self, level)


def shares(values: Any, outcome: Outcome) -> tuple[FloatArray, FloatArray | None]:
    """The share of events (n,) in new rows, and their trials where they are grouped; TargetError for other classes."""
    y = np.asarray(values)
    if outcome.trials is not None:
        new = counts(y, outcome.name)
        return new.y[:, 0], new.trials
    known = outcome.classes
    y = np.array([str(label) for label in y]) if isinstance(known[0], str) else y
    for label in np.unique(y[~np.isin(y, known)])[:1]:
        raise TargetError(f"{outcome.name} holds {label}, and the classes of the fit are {listing(known)}.")
    return 1.0 * (y == known[1]), None


def null_loglikelihood(sample: Sample) -> float:
    """The log-likelihood without columns: of an intercept alone in closed form, or with an offset by a fit."""
    if sample.intercept and not sample.has_offset:
        totals = sample.class_totals()
        loss = -float(xlogy(totals, totals / totals.sum()).sum())
    else:
        loss = fit_classes(sample.columns([]), 0.0, "raise")[1].loss
    return -loss + log_coefficients(sample)


def log_coefficients(sample: Sample) -> float:
    """sum frequency * log(trials choose successes): 0 where trials are not grouped."""
    trials = sample.outcome.trials
    if trials is None:
        return 0.0
    successes = trials * sample.outcome.y[:, 0]
    ways = gammaln(trials + 1.0) - gammaln(successes + 1.0) - gammaln(trials - successes + 1.0)
    return float(np.sum(ways if sample.frequency is None else sample.frequency * ways))


def saturated_loss(sample: Sample) -> float:
    """The loss of a probability for every row that is its share of successes."""
    return float(sample.weight @ entropy(sample.outcome.y[:, 0])) if sample.outcome.trials is not None else 0.0


def entropy(y: FloatArray) -> FloatArray:
    """-y log y - (1 - y) log(1 - y), (n,)."""
    return -(xlogy(y, y) + xlogy(1.0 - y, 1.0 - y))
