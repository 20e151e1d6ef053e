"""Tail probabilities and quantiles are those of scipy.stats."""

import numpy as np
import pytest
from scipy import stats

from separatrix.inference.tails import chi_squared_tail, f_tail, tail_quantile, upper_tail

STATISTICS = np.array([0.0, 1e-300, 1e-9, 0.5, 3.0, 50.0, 700.0, 1e4, np.inf, np.nan])
LEVELS = [1e-9, 0.005, 0.025, 0.3, 0.5]


@pytest.mark.parametrize("df", [1, 2, 7, 300])
def test_of_chi_squared_and_f(df):
    np.testing.assert_allclose(chi_squared_tail(STATISTICS, df), stats.chi2.sf(STATISTICS, df), rtol=1e-12)
    np.testing.assert_allclose(f_tail(STATISTICS, df, 20.5), stats.f.sf(STATISTICS, df, 20.5), rtol=1e-12)
    assert chi_squared_tail(-1e-17, df) == f_tail(-1e-17, df, 3) == 1.0


@pytest.mark.parametrize("df", [None, 1, 4, 30.5, 1e5])
def test_of_the_normal_distribution_and_of_t(df):
    distribution = stats.norm if df is None else stats.t(df)
    both_sides = np.concatenate([-STATISTICS, STATISTICS])
    np.testing.assert_allclose(upper_tail(both_sides, df), distribution.sf(both_sides), rtol=1e-12)
    there = [tail_quantile(level, df) for level in LEVELS]
    np.testing.assert_allclose(there, distribution.isf(LEVELS), rtol=1e-9, atol=1e-12)
