"""Tail probabilities and quantiles, by scipy.special: to import scipy.stats takes longer than a small fit.

Functions of arrays of any shape, NaN of NaN. A statistic that rounding has put below 0 counts as 0.
"""

from typing import Any

import numpy as np
from scipy import special


def chi_squared_tail(statistic: Any, df: float) -> Any:
    """P(chi-squared with df degrees of freedom > statistic).

    >>> round(float(chi_squared_tail(3.841459, 1)), 6)
    0.05
    """
    return special.chdtrc(df, np.maximum(statistic, 0.0))


def f_tail(statistic: Any, df: float, df_denom: float) -> Any:
    """P(F with df and df_denom degrees of freedom > statistic).

    >>> round(float(f_tail(4.747225, 1, 12)), 6)
    0.05
    """
    return special.fdtrc(df, df_denom, np.maximum(statistic, 0.0))


def upper_tail(statistic: Any, df: float | None = None) -> Any:
    """P(Z > statistic), of the normal distribution, or of t with df degrees of freedom.

    >>> round(float(upper_tail(1.959964)), 6), round(float(upper_tail(2.228139, 10)), 6)
    (0.025, 0.025)
    """
    return special.ndtr(np.negative(statistic)) if df is None else special.stdtr(df, np.negative(statistic))


def tail_quantile(probability: float, df: float | None = None) -> float:
    """The z with P(Z > z) = probability, of the normal distribution, or of t with df degrees of freedom.

    >>> round(tail_quantile(0.025), 6), round(tail_quantile(0.025, 10), 6)
    (1.959964, 2.228139)
    """
    return -float(special.ndtri(probability) if df is None else special.stdtrit(df, probability))
