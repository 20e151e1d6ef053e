r"""How well fitted probabilities hold: Hosmer-Lemeshow and the calibration line.

Hosmer-Lemeshow    sum over groups of (O - E)^2 / (E (1 - E / n)), chi-squared with groups - 2 degrees of freedom
                   (Hosmer and Lemeshow 1980); without the -2 for rows that were not fitted
calibration line   logit P(y = 1) = intercept + slope logit(p); in the large: the intercept where the slope is 1
                   (Cox 1958, "Two further applications of a model for binary regression", Biometrika 45)
"""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from separatrix.arguments import check_sample_weight, check_whole
from separatrix.arrays import FloatArray, IntArray
from separatrix.data.memory import memory_source
from separatrix.engine.fit import Options, fit_linear_model
from separatrix.engine.leverage import inverse_curvature
from separatrix.engine.objective import Objective
from separatrix.equations.links import logit
from separatrix.equations.losses import LogLoss
from separatrix.equations.penalties import L2
from separatrix.errors import ArgumentError, InferenceWarning, outside
from separatrix.inference.tails import chi_squared_tail

FEWEST_GROUPS = 3
CONSTANT = 1e-10  # of log-odds: what rounding makes of equal ones


@dataclass(frozen=True)
class HosmerLemeshow:
    """The statistic, its degrees of freedom and p-value; and of each group its rows, observed and expected events."""

    statistic: float
    df: int
    pvalue: float
    counts: FloatArray
    observed: FloatArray
    expected: FloatArray

    def __str__(self) -> str:
        return (
            f"Hosmer-Lemeshow chi2({self.df}) = {self.statistic:.4f}, p = {self.pvalue:.4g}, "
            f"{len(self.counts)} groups of {self.counts.min():g} to {self.counts.max():g}"
        )


@dataclass(frozen=True)
class CalibrationLine:
    """slope (1 is right) and intercept (0 is right), the intercept where the slope is 1, and standard errors."""

    slope: float
    intercept: float
    in_the_large: float
    slope_error: float
    intercept_error: float
    in_the_large_error: float

    def __str__(self) -> str:
        return (
            f"calibration slope {self.slope:z.4f} ({self.slope_error:.4f}), intercept {self.intercept:z.4f} "
            f"({self.intercept_error:.4f}), in the large {self.in_the_large:z.4f} ({self.in_the_large_error:.4f})"
        )


def hosmer_lemeshow(
    y: ArrayLike, p: ArrayLike, groups: int = 10, sample_weight: ArrayLike | None = None, fitted: bool = True
) -> HosmerLemeshow:
    """Whether events are as frequent as predicted, in groups of about equal size by the prediction.

    The groups end at quantiles of the prediction, of rows that count sample_weight (frequencies) times. Rows with the
    same prediction share a group, so there can be fewer than were asked for.

    Parameters
    ----------
    y : (n,) 0 or 1, or a share of successes with the trials as sample_weight
    p : (n,) the predicted probability of 1
    fitted : whether the model was fitted to these rows

    Raises
    ------
    ArgumentError
        When y and p do not fit, or fewer than three groups are left.

    Examples
    --------
    >>> print(hosmer_lemeshow([0, 0, 1, 0, 1, 1], [0.1, 0.2, 0.4, 0.4, 0.7, 0.8], groups=3))
    Hosmer-Lemeshow chi2(1) = 1.1029, p = 0.2936, 3 groups of 2 to 2
    """
    check_whole("groups", groups, at_least=FEWEST_GROUPS)
    y, p = check_probabilities(y, p)
    weight = check_sample_weight(sample_weight, len(y))
    y, p, weight = y[weight > 0], p[weight > 0], weight[weight > 0]  # of others alone there is no group
    code = quantile_groups(p, weight, groups)
    n, observed, expected = (np.bincount(code, weights=weight * column) for column in (np.ones(len(y)), y, p))
    if len(n) < FEWEST_GROUPS:
        raise ArgumentError(
            f"groups={groups} leaves {len(n)} of different predictions, and Hosmer-Lemeshow needs {FEWEST_GROUPS}: "
            "give more groups, or a model that tells more rows apart."
        )
    room, off = expected * (1.0 - expected / n), np.square(observed - expected)
    each = np.divide(off, room, out=np.where(off > 0, np.inf, 0.0), where=room > 0)
    statistic, df = float(each.sum()), len(n) - 2 * fitted
    return HosmerLemeshow(
        statistic, df, float(chi_squared_tail(statistic, df)), 1.0 * n, 1.0 * observed, 1.0 * expected
    )


def quantile_groups(p: FloatArray, weight: FloatArray, groups: int) -> IntArray:
    """The group of each row, (n,): of the values between two quantiles, the upper one included; one p, one group.

    >>> quantile_groups(np.array([0.1, 0.2, 0.2, 0.9]), np.ones(4), 2)
    array([0, 0, 0, 1])
    """
    _, place = np.unique(p, return_inverse=True)
    total = np.bincount(place, weights=weight)
    below = np.cumsum(total) - total
    # A share below that is a whole number of groups, but for rounding, is one.
    group = np.floor(np.round(groups * below / total.sum(), 9))
    return np.unique(group[place], return_inverse=True)[1]


def calibration_line(y: ArrayLike, p: ArrayLike, sample_weight: ArrayLike | None = None) -> CalibrationLine:
    """The straight line on the logit scale that recalibrates predictions p (n,) of y (n,); see `hosmer_lemeshow`.

    Predictions of exactly 0 or 1 have no logit, and are refused. Where predictions are all the same, or part the
    outcomes, there is no line, and a warning: its slope is NaN or infinite, its intercept and their errors are NaN.

    Raises
    ------
    ArgumentError
        When y and p do not fit, all rows have the same outcome, or a p is 0 or 1.

    Examples
    --------
    >>> y, p = np.repeat([0.0, 1.0, 0.0, 1.0], [60, 40, 40, 60]), np.repeat([0.2, 0.8], 100)
    >>> print(calibration_line(y, p))
    calibration slope 0.2925 (0.1041), intercept 0.0000 (0.1443), in the large 0.0000 (0.1768)
    """
    y, p = check_probabilities(y, p)
    weight = check_sample_weight(sample_weight, len(y))
    for i in np.flatnonzero((p <= 0) | (p >= 1))[:1]:
        raise ArgumentError(f"p[{i}]={p[i]:g} has no logit: leave the row out, or keep p between 1e-15 and 1 - 1e-15.")
    eta = logit(p)[:, None]
    slope, why = endless(eta[weight > 0, 0], y[weight > 0])
    if slope is None:
        free, free_error = binary_fit(eta, y, weight, None)
    else:
        warnings.warn(f"no calibration slope: {why}.", InferenceWarning, stacklevel=outside())
        free, free_error = np.array([slope, np.nan]), np.full(2, np.nan)
    large, large_error = binary_fit(eta[:, :0], y, weight, eta)
    return CalibrationLine(*map(float, (*free, *large, *free_error, *large_error)))


def endless(eta: FloatArray, y: FloatArray) -> tuple[float | None, str]:
    """The slope in eta (n,) of shares y (n,) of events where no fit finds one, and why; None where a fit does.

    >>> endless(np.array([-1.0, 0.0, 2.0]), np.array([0.0, 1.0, 1.0]))
    (inf, 'the predictions part the outcomes')
    """
    if not 0.0 < y.sum() < len(y):
        raise ArgumentError(f"y is {y[0]:g} in every row, so no calibration line: give rows of both outcomes.")
    if np.ptp(eta) <= CONSTANT * max(1.0, float(np.abs(eta).max())):
        return np.nan, "the predictions are all the same"
    failures, events = eta[y < 1], eta[y > 0]
    for slope, low, high in ((np.inf, failures, events), (-np.inf, events, failures)):
        if low.max() <= high.min():
            return slope, "the predictions part the outcomes"
    return None, ""


def binary_fit(
    X: FloatArray, y: FloatArray, weight: FloatArray, offset: FloatArray | None
) -> tuple[FloatArray, FloatArray]:
    """Coefficients of an unpenalised fit, the intercept last, and their standard errors, (P,) each."""
    source, penalty = memory_source(X, y[:, None], weight, centre=False, offset=offset), L2(np.zeros(X.shape[1]))
    start = np.zeros((1, X.shape[1])), np.zeros(1)
    fit = fit_linear_model(source, LogLoss(), penalty, Options(tol=1e-14), start)
    theta = np.append(fit.coefficients[0], fit.intercepts)[:, None]
    inverse = inverse_curvature(Objective(source, LogLoss(), penalty, fit_intercept=True), theta)
    return theta[:, 0], np.sqrt(np.diagonal(inverse[:, 0, :, 0]))


def check_probabilities(y: Any, p: Any) -> tuple[FloatArray, FloatArray]:
    """y and p (n,), between 0 and 1; else ArgumentError."""
    y, p = np.asarray(y, dtype=float), np.asarray(p, dtype=float)
    if y.ndim != 1 or y.shape != p.shape or not len(y):
        raise ArgumentError(f"y {y.shape} and p {p.shape} must be two equally long columns of at least one row.")
    for name, column in (("y", y), ("p", p)):
        for i in np.flatnonzero(~((column >= 0) & (column <= 1)))[:1]:
            raise ArgumentError(f"{name}[{i}]={column[i]:g} must be between 0 and 1.")
    return y, p
