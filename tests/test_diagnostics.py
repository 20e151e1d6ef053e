"""Row diagnostics, collinearity, goodness of fit, rare events: against statsmodels, refits and published figures."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels
import statsmodels.api as sm
from statsmodels.stats.outliers_influence import OLSInfluence, variance_inflation_factor

from separatrix.data.memory import memory_source
from separatrix.engine.objective import Objective
from separatrix.equations.losses import LogLoss, SquaredLoss
from separatrix.equations.penalties import L2
from separatrix.errors import ArgumentError, InferenceWarning
from separatrix.inference.collinearity import collinearity
from separatrix.inference.diagnostics import influence
from separatrix.inference.goodness import calibration_line, hosmer_lemeshow
from separatrix.inference.rare_events import prior_correction, rare_event_bias

LAST = [1, 2, 3, 0]  # statsmodels' coefficients with the constant last, as ours are


def data(n=120):
    rng = np.random.default_rng(5)
    X = np.column_stack([rng.normal(size=n), rng.normal(500.0, 1.0, size=n), rng.random(n) < 0.3]).astype(float)
    p = 1 / (1 + np.exp(-(X @ [0.7, 0.5, -1.0] - 250.0)))
    return X, p, rng


def objective(X, y, loss, weight=None) -> Objective:
    return Objective(memory_source(X, y[:, None] * 1.0, weight), loss, L2(np.zeros(X.shape[1])), fit_intercept=True)


def theta_of(params, source) -> np.ndarray:
    """statsmodels' coefficients as those of the source's centred columns."""
    slopes = np.asarray(params)[1:]
    return np.append(slopes, params[0] + slopes @ source.centre)[:, None]


def glm(X, y, weight=None):
    family = sm.families.Binomial()
    return sm.GLM(y, sm.add_constant(X), family=family, var_weights=weight).fit(tol=1e-14, tol_criterion="params")


def grouped():
    """Shares of successes among a few trials each."""
    X, p, rng = data()
    trials = rng.integers(1, 9, len(X)).astype(float)
    return X, rng.binomial(trials.astype(int), p) / trials, trials


def zero_one():
    X, p, rng = data()
    return X, (rng.random(len(X)) < p) * 1.0, None


@pytest.mark.parametrize("problem", [zero_one, grouped])
def test_influence_of_a_logistic_fit_agrees_with_statsmodels(problem):
    X, y, weight = problem()
    result = glm(X, y, weight)
    target = objective(X, y, LogLoss(), weight)
    ours, theirs = influence(target, theta_of(result.params, target.source)), result.get_influence()
    np.testing.assert_allclose(ours.leverage, theirs.hat_matrix_diag, rtol=1e-8)
    np.testing.assert_allclose(ours.cooks_distance, theirs.cooks_distance[0], rtol=1e-7, atol=1e-12)
    np.testing.assert_allclose(ours.standardised_pearson, theirs.resid_studentized, rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(ours.pearson, result.resid_pearson, rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(ours.deviance, result.resid_deviance, rtol=1e-7, atol=1e-7)
    if weight is None:  # its d_params forget the weights
        np.testing.assert_allclose(ours.dfbetas, theirs.dfbetas[:, LAST], rtol=1e-6, atol=1e-9)
    assert ours.leverage.sum() == pytest.approx(4.0, rel=1e-9)


def test_influence_of_a_linear_fit_is_what_leaving_rows_out_does():
    X, _, rng = data(30)
    y = X @ [1.0, 2.0, 3.0] + rng.standard_t(3, size=30)
    result = sm.OLS(y, sm.add_constant(X)).fit()
    target = objective(X, y, SquaredLoss())
    ours, theirs = influence(target, theta_of(result.params, target.source)), OLSInfluence(result)
    np.testing.assert_allclose(ours.leverage, theirs.hat_matrix_diag, rtol=1e-8)
    np.testing.assert_allclose(ours.standardised_pearson, theirs.resid_studentized_internal, rtol=1e-8)
    np.testing.assert_allclose(ours.cooks_distance, theirs.cooks_distance[0], rtol=1e-8)
    assert ours.dispersion == pytest.approx(result.scale, rel=1e-10)
    np.testing.assert_allclose(ours.dfbetas, theirs.dfbetas[:, LAST], rtol=1e-8, atol=1e-10)
    without = sm.OLS(y[1:], sm.add_constant(X[1:])).fit()
    np.testing.assert_allclose(ours.dfbeta[0], (result.params - without.params)[LAST], rtol=1e-6, atol=1e-8)


def test_influence_of_a_row_that_stands_for_several_is_what_leaving_all_of_them_out_does():
    X, _, rng = data(12)
    y, times = X @ [1.0, 2.0, 3.0] + rng.normal(size=12), rng.integers(1, 5, 12)
    rows = np.repeat(np.arange(12), times)
    result = sm.OLS(y[rows], sm.add_constant(X)[rows]).fit()
    target = objective(X, y, SquaredLoss(), times * 1.0)
    ours = influence(target, theta_of(result.params, target.source))
    assert ours.dispersion == pytest.approx(result.scale, rel=1e-10)
    gram = np.linalg.inv(result.normalized_cov_params)
    for row in range(12):
        kept = rows[rows != row]
        without = sm.OLS(y[kept], sm.add_constant(X)[kept]).fit()
        moved, error = result.params - without.params, np.sqrt(without.scale * np.diag(result.normalized_cov_params))
        np.testing.assert_allclose(ours.dfbetas[row], (moved / error)[LAST], rtol=1e-6, atol=1e-8)
        np.testing.assert_allclose(ours.cooks_distance[row], moved @ gram @ moved / (4.0 * result.scale), rtol=1e-6)


def test_one_step_dfbeta_is_near_a_refit_without_the_row():
    X, y, _ = zero_one()
    result, target = glm(X, y), objective(X, y, LogLoss())
    ours = influence(target, theta_of(result.params, target.source))
    for row in np.argsort(-ours.cooks_distance)[[0, 5, 20]]:
        kept = np.arange(len(y)) != row
        moved = (result.params - glm(X[kept], y[kept]).params)[LAST]
        assert np.abs(ours.dfbeta[row] - moved)[:3].max() < 0.3 * np.abs(moved)[:3].max()


def test_a_row_predicted_with_certainty_has_no_residual():
    target = objective(np.array([[0.0], [1.0], [900.0]]), np.array([0.0, 1.0, 1.0]), LogLoss())
    theta = np.array([[1.0], [target.source.centre[0]]])
    found = influence(target, theta)
    assert max(found.pearson[2], found.deviance[2], found.leverage[2]) < 1e-150


def test_variance_inflation_agrees_with_statsmodels():
    X, _, rng = data()
    X = np.column_stack([X, X[:, 0] + 0.1 * rng.normal(size=len(X))])
    found = collinearity(memory_source(X, np.zeros((len(X), 1))), ["a", "b", "c", "d"])
    design = sm.add_constant(X)
    np.testing.assert_allclose(
        found.variance_inflation, [variance_inflation_factor(design, j) for j in range(1, 5)], rtol=1e-8
    )
    unit = design / np.linalg.norm(design, axis=0)
    assert found.condition_number == pytest.approx(np.linalg.cond(unit), rel=1e-8)
    np.testing.assert_allclose(found.proportions.sum(axis=0), 1.0)


def test_a_near_dependency_is_named_and_an_exact_one_is_infinite():
    X, _, rng = data()
    near = np.column_stack([X, X[:, 0] - X[:, 2] + 1e-4 * rng.normal(size=len(X))])[:, [0, 2, 3]]
    found = collinearity(memory_source(near, np.zeros((len(X), 1))), ["dose", "sex", "sum"])
    assert [set(names) for _, names in found.dependencies] == [{"dose", "sex", "sum"}]
    assert "nearly dependent" in str(found)
    exact = np.column_stack([X[:, 0], X[:, 2], X[:, 0] - X[:, 2], rng.normal(size=len(X))])
    inflation = collinearity(memory_source(exact, np.zeros((len(X), 1))), list("abcd")).variance_inflation
    assert np.isinf(inflation[:3]).all()
    assert 1.0 <= inflation[3] < 2.0


def test_hosmer_lemeshow_of_birth_weights_is_that_of_statas_manual():
    # Stata manual, [R] estat gof: low birth weight, estat gof, group(10): chi2(8) = 9.65, p = 0.2904.
    table = pd.read_csv(Path(statsmodels.__file__).parent / "genmod/tests/results/stata_lbw_glm.csv")
    X = np.column_stack(
        [table[["age", "lwt"]], table["race"] == "black", table["race"] == "other", table[["smoke", "ptl", "ht", "ui"]]]
    ).astype(float)
    y = table["low"].to_numpy(float)
    found = hosmer_lemeshow(y, glm(X, y).fittedvalues)
    assert (round(found.statistic, 2), found.df, round(found.pvalue, 4)) == (9.65, 8, 0.2904)


@pytest.mark.parametrize("row", range(7))
def test_hosmer_lemeshow_leaves_out_rows_that_weigh_nothing(row):
    y, p = np.array([0, 1, 1, 0, 1, 0, 1]), np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.9])
    found = hosmer_lemeshow(y, p, 3, 1.0 * (np.arange(7) != row))
    without = hosmer_lemeshow(np.delete(y, row), np.delete(p, row), 3)
    assert (found.statistic, found.df) == (without.statistic, without.df)


@pytest.mark.parametrize("groups", [2, 10.5])
def test_hosmer_lemeshow_wants_a_whole_number_of_groups(groups):
    with pytest.raises(ArgumentError, match=r"groups=.* must be"):
        hosmer_lemeshow([0, 0, 1, 0, 1, 1], [0.1, 0.2, 0.4, 0.4, 0.7, 0.8], groups)


def test_hosmer_lemeshow_keeps_ties_together_and_counts_frequencies():
    rng = np.random.default_rng(2)
    p = np.repeat([0.1, 0.2, 0.35, 0.5, 0.8], [5, 40, 5, 30, 20])
    y = (rng.random(100) < p) * 1.0
    found = hosmer_lemeshow(y, p)
    assert found.counts.tolist() == [45, 5, 30, 20]
    values, place = np.unique(p, return_inverse=True)
    n = np.bincount(place)
    again = hosmer_lemeshow(np.bincount(place, weights=y) / n, values, sample_weight=n)
    assert again.statistic == pytest.approx(found.statistic, rel=1e-12)
    with pytest.raises(ArgumentError, match="leaves 2"):
        hosmer_lemeshow(y, np.where(p > 0.3, 0.6, 0.2))


def test_the_calibration_line_is_a_logistic_regression_on_the_logit():
    _, p, rng = data(400)
    y = (rng.random(400) < 1 / (1 + np.exp(-0.3 - 0.6 * np.log(p / (1 - p))))) * 1.0
    eta = np.log(p / (1 - p))
    line = sm.GLM(y, sm.add_constant(eta), family=sm.families.Binomial()).fit(tol=1e-14)
    large = sm.GLM(y, np.ones(400), family=sm.families.Binomial(), offset=eta).fit(tol=1e-14)
    found = calibration_line(y, p)
    np.testing.assert_allclose([found.intercept, found.slope], line.params, rtol=1e-7)
    np.testing.assert_allclose([found.intercept_error, found.slope_error], line.bse, rtol=1e-6)
    np.testing.assert_allclose(
        [found.in_the_large, found.in_the_large_error], [large.params[0], large.bse[0]], rtol=1e-6
    )
    with pytest.raises(ArgumentError, match=r"p\[0\]=1 has no logit"):
        calibration_line([1.0, 0.0], [1.0, 0.5])


@pytest.mark.parametrize(
    ("y", "p", "slope", "says"),
    [
        ([0, 1, 0, 1], [0.3, 0.3, 0.3, 0.3 + 1e-16], np.nan, "all the same"),
        ([0, 0, 1, 1], [0.1, 0.2, 0.3, 0.4], np.inf, "part the outcomes"),
        ([1, 0.5, 0, 0], [0.1, 0.2, 0.3, 0.4], -np.inf, "part the outcomes"),
    ],
)
def test_where_no_calibration_line_has_a_finite_slope_it_says_so(y, p, slope, says):
    with pytest.warns(InferenceWarning, match=f"no calibration slope: .*{says}") as warned:
        found = calibration_line(y, p)
    assert len(warned) == 1
    np.testing.assert_equal([found.slope, found.slope_error, found.intercept], [slope, np.nan, np.nan])
    assert np.isfinite([found.in_the_large, found.in_the_large_error]).all()


def test_a_calibration_of_one_outcome_is_refused():
    with pytest.raises(ArgumentError, match="y is 0 in every row"):
        calibration_line([0, 0, 1], [0.1, 0.2, 0.3], [1.0, 2.0, 0.0])


def test_a_fit_to_its_own_rows_lies_on_the_calibration_line():
    X, y, _ = zero_one()
    found = calibration_line(y, glm(X, y).fittedvalues)
    np.testing.assert_allclose([found.slope, found.intercept, found.in_the_large], [1.0, 0.0, 0.0], atol=1e-6)


def test_a_case_control_sample_gets_the_intercept_of_its_population():
    rng = np.random.default_rng(7)
    x = rng.normal(size=400_000)
    y = (rng.random(400_000) < 1 / (1 + np.exp(5.0 - x))) * 1.0
    cases, controls = np.flatnonzero(y == 1), np.flatnonzero(y == 0)
    rows = np.concatenate([cases, rng.choice(controls, len(cases), replace=False)])
    sampled = glm(x[rows, None], y[rows])
    assert prior_correction(sampled.params[0], 0.5, y.mean()) == pytest.approx(-5.0, abs=0.1)
    assert abs(sampled.params[0] + 5.0) > 3.0


def test_the_rare_events_bias_of_one_proportion_is_its_known_one():
    # Of a logit estimated from k of n: (p - 1/2) / (n p (1 - p)), the delta method to second order.
    target = objective(np.zeros((1, 0)), np.array([0.1]), LogLoss(), np.array([50.0]))
    theta = np.array([[np.log(0.1 / 0.9)]])
    np.testing.assert_allclose(rare_event_bias(target, theta), [[-0.4 / (50 * 0.09)]], rtol=1e-12)


def test_the_rare_events_bias_is_half_the_derivative_of_jeffreys_penalty_through_the_curvature():
    # Firth 1993: the first-order bias is -H^-1 grad(log |H| / 2); here by finite differences.
    X, y, _ = zero_one()
    result, target = glm(X, y), objective(X, y, LogLoss())
    theta = theta_of(result.params, target.source)

    def half_log_det(t):
        return 0.5 * np.linalg.slogdet(target.evaluate(t, order=2).curvature * len(y))[1]

    steps = 1e-5 * np.eye(4)[:, :, None]
    gradient = np.array([half_log_det(theta + h) - half_log_det(theta - h) for h in steps]) / 2e-5
    H = target.evaluate(theta, order=2).curvature * len(y)
    np.testing.assert_allclose(rare_event_bias(target, theta)[:, 0], -np.linalg.solve(H, gradient), rtol=1e-6)


def test_a_rare_event_bias_is_that_of_two_classes():
    X, y, _ = zero_one()
    with pytest.raises(ArgumentError, match="two classes"):
        rare_event_bias(objective(X, y, SquaredLoss()), np.zeros((4, 1)))
    with pytest.raises(ArgumentError, match=r"prior=1\.5 must be below 1"):
        prior_correction(0.0, 0.5, 1.5)
