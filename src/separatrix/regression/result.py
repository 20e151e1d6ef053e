"""What a regression found: estimates with their errors, tests and intervals, under the names that statsmodels uses."""

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from separatrix.arguments import check_offset
from separatrix.arrays import FloatArray
from separatrix.cached import cached_property
from separatrix.data.frames import dataframe
from separatrix.equations.hyperplane import quadratic_forms
from separatrix.errors import ArgumentError, DataError, InferenceError, listing
from separatrix.inference.hypothesis import linear_hypothesis
from separatrix.inference.wald import Test, quantile, two_sided, wald
from separatrix.regression.doubts import told, warn_of_negative
from separatrix.regression.fitting import Estimate
from separatrix.regression.frame_rows import check_columns, check_same_index, frame_of
from separatrix.regression.repeats import warn_of_others
from separatrix.regression.sample import Sample, group_codes, ways
from separatrix.regression.spread import RELATIVE_ROUNDING, Spread, spread_of


@dataclass(frozen=True)
class Prediction:
    """Predicted means (n,) or, of several classes, (n, K), with the limits of their intervals."""

    mean: FloatArray
    lower: FloatArray
    upper: FloatArray


@dataclass(frozen=True, repr=False, eq=False)
class Result:
    """A fit and its data. Arrays of parameters are (P,), the intercept first; of more than two classes (P, K - 1), a
    column for each class but the reference.

    `cov` (P K, P K) is in the order of the engine; `cov_params()` is in that of `param_names`. What a result
    keeps cannot be written to.
    """

    sample: Sample
    estimate: Estimate
    covariance: str
    spread: Spread
    penalty: float = 0.0

    def __post_init__(self) -> None:
        frozen(self.cov)

    @property
    def cov(self) -> FloatArray:
        """The covariance as the engine has it."""
        return self.spread.cov

    # what was estimated

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the rows of `params`."""
        return self.sample.parameters

    @property
    def param_names(self) -> tuple[str, ...]:
        """A name for every parameter, as hypotheses and `cov_params` have them: of several classes, class by class."""
        classes = self.sample.outcome.classes
        return self.names if len(classes) < 3 else tuple(f"{c}: {name}" for c in classes[1:] for name in self.names)

    @cached_property
    def params(self) -> FloatArray:
        """The estimates; inf with its sign where there is no finite one."""
        values = self.estimate.translation @ self._theta
        signs = self._user(self.estimate.infinite)
        return frozen(self._shaped(np.where(signs == 0, values, np.copysign(np.inf, signs))))

    @property
    def _theta(self) -> FloatArray:
        """The estimates as the engine has them, (P, K)."""
        return self.estimate.theta

    def cov_params(self) -> FloatArray:
        """The covariance of the estimates, (n, n) in the order of `param_names`; NaN where an estimate is infinite, and
        where a robust variance is negative, or no more than rounding beside that of the model.

        Raises InferenceError for a penalised fit.
        """
        self._check_inference("standard errors")
        cov = self._covariance(self.cov)
        gone = self._flat(self._shaped(self._user(self.estimate.infinite))) != 0
        if self.covariance != "nonrobust":
            model = np.diagonal(self._covariance(self._scale * self.estimate.bread))
            gone = gone | (np.diagonal(cov) < RELATIVE_ROUNDING * np.maximum(model, 0.0))
        cov[gone] = cov[:, gone] = np.nan
        return cov

    def _covariance(self, cov: FloatArray) -> FloatArray:
        """A covariance in the order of the engine in that of `param_names`, (n, n)."""
        T, (P, K) = self.estimate.translation, self.estimate.theta.shape
        return np.einsum("aj,jkml,bm->kalb", T, cov.reshape(P, K, P, K), T, optimize=True).reshape(P * K, P * K)

    @cached_property
    def bse(self) -> FloatArray:
        """Standard errors."""
        return frozen(self._unflat(np.sqrt(np.diagonal(self.cov_params()))))

    @property
    def tvalues(self) -> FloatArray:
        """params / bse; NaN where an estimate is infinite, or its error 0."""
        return np.where(np.isfinite(self.params), self.params, np.nan) / np.where(self.bse > 0, self.bse, np.nan)

    @property
    def _statistics(self) -> FloatArray:
        """What `pvalues` are of."""
        return self.tvalues

    @property
    def pvalues(self) -> FloatArray:
        """Two-sided p-values of each parameter being 0."""
        return two_sided(self.tvalues, self.df_inference)

    def conf_int(self, level: float = 0.95, method: str = "wald") -> FloatArray:
        """Intervals of this level, params.shape + (2,): lower and upper limit."""
        if method != "wald":
            raise ArgumentError(f"method={method!r} must be 'wald'{self._other_intervals}.")
        reach = quantile(level, self.df_inference) * self.bse
        return np.stack([self.params - reach, self.params + reach], axis=-1)

    _other_intervals, _method = "", ""
    _remedy = "Fit without a penalty, or resample (bootstrap)"

    # its degrees of freedom

    @property
    def nobs(self) -> float:
        """How many observations: rows, or the sum of their frequencies; a group of trials is one."""
        return self.sample.observations

    @property
    def n_clusters(self) -> tuple[int, ...]:
        """How many clusters there are, one way and the other."""
        return tuple(int(codes.max()) + 1 for codes in self.sample.groups)

    @property
    def n_params(self) -> int:
        """How many parameters were estimated."""
        return self.estimate.theta.size

    @cached_property
    def llf(self) -> float:
        """The log-likelihood."""
        raise NotImplementedError

    @property
    def aic(self) -> float:
        """2 n_params - 2 llf (Akaike 1974); the variance of a linear model is not counted, as in statsmodels."""
        self._check_inference("information criteria")
        return 2.0 * self.n_params - 2.0 * self._criterion_loglik()

    @property
    def bic(self) -> float:
        """log(nobs) n_params - 2 llf (Schwarz 1978)."""
        self._check_inference("information criteria")
        return float(np.log(self.nobs)) * self.n_params - 2.0 * self._criterion_loglik()

    def _criterion_loglik(self) -> float:
        return self.llf

    @property
    def df_model(self) -> int:
        """Parameters without intercepts."""
        return self.n_params - self.sample.intercept * self.estimate.theta.shape[1]

    @property
    def df_resid(self) -> float:
        """nobs - n_params."""
        return self.nobs - self.n_params

    @property
    def df_inference(self) -> float | None:
        """Of the t and F distributions of tests; None for the normal and chi-squared."""
        return None

    # tests

    def wald_test(self, hypothesis: str) -> Test:
        """The Wald test of linear conditions such as "x1 = x2" or "x1 = 0, x2 - 2 * x3 = 1", all together.

        Raises ArgumentError for a name that no parameter has, and InferenceError where an estimate is infinite, or the
        covariance of what is tested singular.
        """
        test = self._wald(hypothesis)
        if np.isnan(test.statistic):
            few = f": {min(self.n_clusters)} clusters allow fewer conditions" if self.n_clusters else ""
            raise InferenceError(
                f"no Wald test of {hypothesis!r}, as the covariance of what it tests is singular{few}. Test fewer "
                "conditions together, or with another covariance."
            )
        return test

    def _wald(self, hypothesis: str) -> Test:
        """The Wald test; NaN where the covariance is singular."""
        return self._wald_of(*linear_hypothesis(hypothesis, self.param_names), hypothesis)

    def _wald_of(self, R: FloatArray, q: FloatArray, hypothesis: str) -> Test:
        """That of R params = q."""
        params, cov = self._flat(self.params), self.cov_params()
        used = R.any(axis=0)
        if not np.isfinite(params[used]).all():
            infinite = listing(np.array(self.param_names)[used & ~np.isfinite(params)])
            raise InferenceError(f"no Wald test of {infinite}: the estimate is infinite. Use lr_test or score_test.")
        return wald(R[:, used], q, params[used], cov[np.ix_(used, used)], hypothesis, self.df_inference)

    # predictions

    def _eta(self, data: Any, offset: Any) -> tuple[FloatArray, FloatArray]:
        """The linear predictor of new rows, or without data those of the fit, and X as the engine has it. NaN of rows
        in which columns that were left out are not what they were, with an InferenceWarning."""
        centre, theta = self.estimate.objective.source.centre, self._theta
        if data is None:
            self.sample.check_here("predictions without data")
        X, known = (self.sample.X, None) if data is None else self.sample.new_rows(data)
        offset = self.sample.offset if data is None else self._new_offset(data, offset, X.shape[0])
        X = X - centre if centre.any() else X
        eta = np.asarray(X @ theta[: X.shape[1]]) + theta[X.shape[1] :].sum(axis=0)
        eta = eta if offset is None else eta + offset
        if known is not None and not known.all():
            eta[~known] = np.nan
            warn_of_others(int(np.count_nonzero(~known)), len(known), "they are")
        return eta, X

    def _new_offset(self, data: Any, offset: Any, rows: int) -> FloatArray | None:
        """The offset of new rows, (rows, K): as given, or by the name of a column, or what the fit had by its name."""
        K = self._theta.shape[1]
        names = (offset,) if isinstance(offset, str) else self.sample.offset_names if offset is None else ()
        if names:
            frame, _ = frame_of(data)
            check_columns(names, frame)
            offset = frame[list(names)].to_numpy(dtype=float)
        elif offset is None and self.sample.has_offset:
            raise DataError("the fit had an offset, and new rows need theirs: give predict(data, offset=...), or 0.")
        elif offset is not None and np.ndim(offset) == 0:
            offset = np.full((rows, K), offset)
        if not names:
            check_same_index(offset, data, "offset")
        return check_offset(offset, rows, K)

    def _variances(self, X: Any) -> FloatArray:
        """The variance of eta of each row, (rows,), where there is one."""
        self._check_inference("intervals")
        variances = quadratic_forms(*self.spread.of_rows(X))
        if len(self.n_clusters) < 2:
            return np.maximum(variances, 0.0)  # less is rounding
        warn_of_negative(variances < 0)
        return np.where(variances < 0, np.nan, variances)

    # other covariances

    def with_covariance(self, covariance: str, groups: Any = None) -> Self:
        """The same fit with another covariance: "nonrobust", "HC0" to "HC3", or "cluster" with groups (n,), or a pair
        of such for two ways."""
        for group in (groups, *ways(groups)):
            check_same_index(group, self.sample.indexed, "groups")
        codes = tuple(group_codes(group, self.sample.n_rows) for group in ways(groups))
        codes = self.sample.groups if groups is None and covariance == "cluster" else codes
        result = replace(self, sample=replace(self.sample, groups=codes), covariance=covariance)
        spread = spread_of(result.sample, result.estimate, covariance, self._scale, self.penalty)
        return told(replace(result, spread=spread))

    @property
    def _scale(self) -> float:
        """The variance of the errors, where the model has one."""
        return 1.0

    # tables

    def tidy(self, level: float = 0.95) -> Any:
        """The table of estimates as a dataframe: of the kind that was given, else of pandas, polars or pyarrow."""
        columns: dict[str, Any] = {"term": list(self.param_names), "estimate": self._flat(self.params)}
        if not self.penalty:
            interval = self.conf_int(level)
            columns |= {
                "std_error": self._flat(self.bse),
                "statistic": self._flat(self._statistics),
                "p_value": self._flat(self.pvalues),
                "conf_low": self._flat(interval[..., 0]),
                "conf_high": self._flat(interval[..., 1]),
            }
        return dataframe(columns, self.sample.backend)

    def _check_inference(self, what: str) -> None:
        if self.penalty:
            raise InferenceError(
                f"penalty={self.penalty:g} pulls the estimates towards zero, so {what} from their curvature would "
                f"claim more than is known. {self._remedy}."
            )

    # shapes

    def _user(self, theta: Any) -> Any:
        """(P, K) in the order of the engine with the intercept first."""
        return np.roll(theta, 1, axis=0) if self.sample.intercept else theta

    def _shaped(self, values: Any) -> Any:
        return values[:, 0] if values.shape[1] == 1 else values

    def _flat(self, values: Any) -> Any:
        return values.T.ravel()

    def _unflat(self, values: FloatArray) -> FloatArray:
        return self._shaped(values.reshape(self.estimate.theta.shape[::-1]).T)

    def __repr__(self) -> str:
        return str(self.summary())

    def _repr_html_(self) -> str:
        return self.summary().html()

    def summary(self, level: float = 0.95) -> Any:
        """The table of estimates with what the fit rests on: `str()` of it is text, notebooks show HTML."""
        raise NotImplementedError


def frozen(values: FloatArray) -> FloatArray:
    """An array that others keep too, made read-only."""
    values.flags.writeable = False
    return values
