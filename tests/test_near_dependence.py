"""Powers of a calendar year nearly depend on each other, and say the same as those of the year about its middle."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import separatrix
from separatrix import logit, ols

N = 200
RNG = np.random.default_rng(0)
YEAR = RNG.integers(1980, 2021, N).astype(float)
C = (YEAR - 2000.0) / 20.0
LEFT_OUT = C + RNG.normal(size=N)
MEAN = C + C**2 - C**4 + 0.3 * LEFT_OUT
GROUPS = np.arange(N) % 20
FITS = {"ols": (ols, MEAN + RNG.normal(size=N)), "logit": (logit, 1 * (MEAN + RNG.logistic(size=N) > 0))}


def both(kind, **given):
    """The fit of powers of the year as it is, and of them about the middle."""
    fit, y = FITS[kind]
    powers = (np.column_stack([x**k for k in range(1, 5)]) for x in (YEAR, C))
    return [fit(y, X, **given) for X in powers]


@pytest.mark.parametrize("kind", FITS)
@pytest.mark.parametrize("covariance", ["nonrobust", "HC0", "HC1", "HC2", "HC3", "cluster"])
def test_intervals_of_predictions_have_their_digits_under_every_covariance(kind, covariance):
    groups = {"groups": GROUPS} if covariance == "cluster" else {}
    raw, middle = both(kind, covariance=covariance, **groups)
    found, known = raw.predict(interval=0.9), middle.predict(interval=0.9)
    np.testing.assert_allclose(found.lower, known.lower, atol=1e-5)
    np.testing.assert_allclose(found.upper, known.upper, atol=1e-5)
    np.testing.assert_allclose(raw.tvalues[-1], middle.tvalues[-1], rtol=1e-4)


@pytest.mark.parametrize("kind", FITS)
def test_leverages_distances_and_changes_of_rows_have_their_digits(kind):
    found, known = (fit.influence() for fit in both(kind))
    assert found.leverage.sum() == pytest.approx(5.0, rel=1e-9)
    np.testing.assert_allclose(found.leverage, known.leverage, rtol=1e-5)
    np.testing.assert_allclose(found.cooks_distance, known.cooks_distance, rtol=1e-4, atol=1e-9)
    np.testing.assert_allclose(found.dfbetas[:, -1], known.dfbetas[:, -1], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", FITS)
def test_score_tests_and_effects_have_their_digits(kind):
    raw, middle = both(kind)
    assert raw.score_test(LEFT_OUT).statistic == pytest.approx(middle.score_test(LEFT_OUT).statistic, rel=1e-5)
    found, known = (fit.marginal_effects(variables="x4") for fit in (raw, middle))
    ratios = [each.effects / each.standard_errors for each in (found, known)]
    np.testing.assert_allclose(*ratios, rtol=1e-4)


def test_the_leverages_of_a_polynomial_of_degree_ten_are_those_of_its_orthogonal_columns():
    x = np.linspace(-9.0, -3.0, 82)
    powers, orthogonal = np.vander(x, 11)[:, :-1], np.linalg.qr(np.polynomial.legendre.legvander((x + 6) / 3, 10))[0]
    fit = ols(np.cos(x), powers)
    np.testing.assert_allclose(fit.influence().leverage, (orthogonal**2).sum(axis=1), rtol=1e-3)
    assert np.isfinite(fit.with_covariance("HC3").bse).all()


@pytest.mark.parametrize("formula", ["y ~ x1 + x2 + x3 + x4", "z ~ x1 + x2 + x3 + x4"])
@pytest.mark.parametrize("covariance", ["nonrobust", "HC1", "HC3", "cluster"])
def test_rows_of_a_file_have_the_digits_of_rows_in_memory(tmp_path, formula, covariance):
    columns = {f"x{k}": YEAR**k for k in range(1, 5)} | {"z": FITS["ols"][1], "y": FITS["logit"][1], "g": GROUPS}
    table = pa.table(columns)
    pq.write_table(table, tmp_path / "rows.parquet")
    given = {"covariance": covariance} | ({"groups": "g"} if covariance == "cluster" else {})
    fit = logit if formula.startswith("y") else ols
    known, found = (fit(formula, data, **given) for data in (table, separatrix.open(tmp_path / "rows.parquet")))
    np.testing.assert_allclose(found.tvalues, known.tvalues, rtol=1e-4)
    np.testing.assert_allclose(*(each.predict(table, interval=0.9).lower for each in (found, known)), atol=1e-5)


@pytest.mark.parametrize("seed", [0, 2, 3])
def test_the_fit_moves_along_what_is_left_of_a_power_beside_the_others(seed):
    year = np.linspace(1980, 2020, N).round()
    c = (year - 2000.0) / 20.0
    y = 1 * (c + c**2 - c**4 + np.random.default_rng(seed).logistic(size=N) > 0)
    raw, middle = (logit(y, np.column_stack([x**k for k in range(1, 6)])) for x in (year, c))
    assert raw.estimate.converged
    assert raw.tvalues[5] == pytest.approx(middle.tvalues[5], rel=2e-3)
    assert raw.llf == pytest.approx(middle.llf, abs=1e-3)
    np.testing.assert_allclose(raw.fittedvalues, middle.fittedvalues, atol=1e-3)
