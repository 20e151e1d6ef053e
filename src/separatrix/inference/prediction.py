r"""Intervals of predictions by the delta method: from the covariance of the estimates to that of eta, and on to means.

    V_i = ([x_i 1] (x) I)' cov ([x_i 1] (x) I)                          of the K linear predictors of a row, (K, K)
    d logit(p_c) / d eta_k = [c = k] - [c != k] p_k / (1 - p_c)         so an interval of log-odds stays in (0, 1)
    mean of a linear model: x'w + b +- t sqrt(V), and of a new observation t sqrt(V + error variance)

For two classes that is the interval of eta through the inverse link (Xu and Long 2005, "Confidence intervals for
predicted outcomes in regression models for categorical outcomes", Stata Journal 5).
"""

import numpy as np

from separatrix.arrays import FloatArray, Matrix
from separatrix.data.block import Block
from separatrix.engine.leverage import leverages
from separatrix.equations.links import sigmoid
from separatrix.equations.losses import ClassLoss
from separatrix.inference.wald import quantile

CELLS = 2**22  # of the matrices of a row at a time

Interval = tuple[FloatArray, FloatArray]


def probability_interval(
    loss: ClassLoss, X: Matrix, eta: FloatArray, covariance: FloatArray, level: float = 0.95
) -> Interval:
    """Lower and upper limit of the probability of each class, (rows, C) each.

    Parameters
    ----------
    loss : that of the fit, whose eta (rows, K) is given.
    X : (rows, p), dense or sparse, as the fit had it.
    covariance : (P K, P K) of theta.ravel(), the intercept its last row.

    Examples
    --------
    >>> from separatrix.equations.losses import LogLoss
    >>> low, high = probability_interval(LogLoss(), np.zeros((1, 0)), np.zeros((1, 1)), np.array([[0.25]]))
    >>> low.round(4), high.round(4)
    (array([[0.2729, 0.2729]]), array([[0.7271, 0.7271]]))
    """
    z, C = quantile(level), loss.classes(eta.shape[1])
    low, high = np.empty((2, len(eta), C))
    step = max(1, CELLS // C**2)
    for some in (slice(first, first + step) for first in range(0, len(eta), step)):
        p = loss.probabilities(eta[some])
        others = p @ (1.0 - np.eye(C))  # 1 - p, with the digits that this keeps where p is nearly 1
        slopes = log_odds_slopes(p, others)[:, :, C - eta.shape[1] :]
        variance = np.einsum("ick,ikm,icm->ic", slopes, variances(X[some], covariance, eta.shape[1]), slopes)
        # A p that has rounded to 0 or 1 has infinite log-odds, and a negative variance no interval.
        with np.errstate(divide="ignore", invalid="ignore"):
            log_odds, reach = np.log(p) - np.log(others), z * np.sqrt(variance)
        low[some], high[some] = sigmoid(log_odds - reach), sigmoid(log_odds + reach)
    return low, high


def log_odds_slopes(p: FloatArray, others: FloatArray) -> FloatArray:
    """The derivatives of the log-odds of each class in the eta of each, (rows, C, C), at p and 1 - p (rows, C)."""
    own, beside = np.eye(p.shape[1]), others[:, :, None]
    ratio = np.divide(p[:, None, :], beside, out=np.zeros((*p.shape, p.shape[1])), where=beside > 0)
    return own - (1.0 - own) * ratio


def mean_interval(
    X: Matrix, eta: FloatArray, covariance: FloatArray, level: float, df: float | None, error_variance: float = 0.0
) -> Interval:
    """Lower and upper limit of the mean of each row of a linear model, (rows, 1) each; of a new observation with the
    variance of its error. df are those of the t distribution, None for the normal.

    >>> low, high = mean_interval(np.zeros((1, 0)), np.zeros((1, 1)), np.array([[0.25]]), 0.95, None)
    >>> high.round(2)
    array([[0.98]])
    """
    reach = quantile(level, df) * np.sqrt(variances(X, covariance, 1)[:, :, 0] + error_variance)
    return eta - reach, eta + reach


def variances(X: Matrix, covariance: FloatArray, K: int) -> FloatArray:
    """The covariance of the linear predictors of each row, (rows, K, K)."""
    P = len(covariance) // K
    return leverages(Block(X, np.empty(0), np.ones(X.shape[0])), covariance.reshape(P, K, P, K))
