"""Logistic regression with inference, against statsmodels and published tables."""

import warnings
from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm
from sklearn.datasets import load_iris
from statsmodels.datasets import anes96, fair, spector

from separatrix import logit, ols
from separatrix.errors import ArgumentError, InferenceError, SeparationWarning

EXACT = 1e-8


def assert_agrees(ours: Any, theirs: Any, tol: float = EXACT) -> None:
    np.testing.assert_allclose(np.asarray(ours, float), np.asarray(theirs, float), rtol=tol, atol=1e-12)


def assert_same_inference(ours: Any, theirs: Any) -> None:
    """Estimates, their errors and intervals, likelihoods and criteria agree."""
    for name in ("params", "bse", "tvalues", "pvalues", "llf", "llnull", "aic", "bic", "df_resid", "df_model"):
        assert_agrees(getattr(ours, name), getattr(theirs, name))
    assert_agrees(ours.nobs, theirs.nobs)
    assert_agrees(ours.cov_params(), theirs.cov_params())


def exactly(model: Any, **options: Any) -> Any:
    """statsmodels' fit to the last digit."""
    return model.fit(disp=0, tol=1e-14, maxiter=100, method="newton", **options)


def made(n: int = 300, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.random.Generator]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3)) * [1.0, 5.0, 0.2]
    return (rng.random(n) < 1 / (1 + np.exp(-0.5 - X @ [1.0, -0.2, 2.0]))).astype(int), X, rng


def test_spector_and_mazzeo_as_in_greene():
    # Greene, Econometric Analysis, 5th edition, table 21.1: logit of the grade on GPA, TUCE and PSI.
    data = spector.load_pandas()
    result = logit(data.endog, data.exog)
    assert result.params.round(3).tolist() == [-13.021, 2.826, 0.095, 2.379]
    assert result.bse.round(3).tolist() == [4.931, 1.263, 0.142, 1.065]
    assert round(result.llf, 4) == -12.8896


def test_spector_agrees_with_statsmodels():
    data = spector.load_pandas()
    theirs = exactly(sm.Logit(data.endog, sm.add_constant(data.exog)))
    ours = logit(data.endog, data.exog)
    assert_same_inference(ours, theirs)
    assert_agrees(ours.conf_int(0.9), theirs.conf_int(0.1))
    assert_agrees(ours.resid_pearson, theirs.resid_pearson)
    assert_agrees(ours.resid_deviance, theirs.resid_dev)
    assert_agrees(ours.fittedvalues, theirs.predict())
    assert_agrees(ours.prsquared, theirs.prsquared)
    assert_agrees(ours.llr_pvalue, theirs.llr_pvalue)


def test_fair_agrees_with_statsmodels():
    data = fair.load_pandas()
    y = (data.endog > 0).astype(int)
    assert_same_inference(logit(y, data.exog), exactly(sm.Logit(y, sm.add_constant(data.exog))))


def test_anes96_agrees_with_statsmodels():
    data = anes96.load_pandas()
    X = data.exog[["logpopul", "selfLR", "age", "educ", "income"]]
    ours, theirs = logit(data.endog, X), exactly(sm.MNLogit(data.endog, sm.add_constant(X)))
    assert_same_inference(ours, theirs)
    assert ours.classes == (0, 1, 2, 3, 4, 5, 6)
    assert_agrees(ours.fittedvalues, theirs.predict())


def test_two_classes_by_the_multinomial_loss_are_the_binary_model():
    y, X, _ = made()
    both = logit(np.where(y == 1, "yes", "no"), X)
    assert both.classes == ("no", "yes")
    assert_agrees(both.params, logit(y, X).params)


def test_no_intercept_agrees_with_statsmodels():
    y, X, _ = made()
    ours, theirs = logit(y, X, intercept=False), exactly(sm.Logit(y, X))
    assert_agrees(ours.bse, theirs.bse)
    assert ours.names == ("x1", "x2", "x3")


def test_columns_far_from_zero_have_the_same_slopes_and_errors():
    y, X, _ = made()
    moved = X + np.array([0.0, 1e6, 0.0])
    near, far = logit(y, X), logit(y, moved)
    assert_agrees(far.params[1:], near.params[1:], 1e-7)
    assert_agrees(far.bse[1:], near.bse[1:], 1e-7)
    assert_agrees(far.predict(moved), near.fittedvalues, 1e-6)


def test_an_offset_agrees_with_statsmodels():
    y, X, rng = made()
    offset = rng.normal(size=len(y))
    theirs = sm.GLM(y, sm.add_constant(X), sm.families.Binomial(), offset=offset).fit(tol=1e-14)
    ours = logit(y, X, offset=offset)
    for name in ("params", "bse", "llf", "llnull"):
        assert_agrees(getattr(ours, name), getattr(theirs, name))
    assert_agrees(ours.predict(X, offset=offset), theirs.fittedvalues)


def test_frequencies_are_repeated_rows():
    y, X, rng = made(120)
    times = rng.integers(0, 4, len(y))
    ours, repeated = logit(y, X, weights=times), logit(np.repeat(y, times), np.repeat(X, times, axis=0))
    for name in ("params", "bse", "llf", "llnull", "aic", "bic", "nobs", "df_resid", "deviance"):
        assert_agrees(getattr(ours, name), getattr(repeated, name))
    for kind in ("HC0", "HC1", "HC2", "HC3"):
        assert_agrees(ours.with_covariance(kind).bse, repeated.with_covariance(kind).bse)


def test_grouped_data_agree_with_statsmodels():
    rng = np.random.default_rng(3)
    x = rng.normal(size=(40, 2))
    trials = rng.integers(1, 30, 40)
    successes = rng.binomial(trials, 1 / (1 + np.exp(-x @ [0.5, 1.0])))
    pairs = np.column_stack([successes, trials - successes])
    theirs = sm.GLM(pairs, sm.add_constant(x), sm.families.Binomial()).fit(tol=1e-14)
    ours = logit(pairs, x)
    for name in ("params", "bse", "llf", "llnull", "deviance", "df_resid", "resid_deviance", "resid_pearson", "aic"):
        assert_agrees(getattr(ours, name), getattr(theirs, name), 1e-7)


def test_hc0_agrees_with_statsmodels_and_hc1_is_it_with_its_factor():
    y, X, _ = made()
    theirs = exactly(sm.Logit(y, sm.add_constant(X)), cov_type="HC0")
    ours = logit(y, X, covariance="HC0")
    assert_agrees(ours.cov_params(), theirs.cov_params())
    assert_agrees(logit(y, X, covariance="HC1").cov_params(), ours.cov_params() * 300 / 296)


@pytest.mark.parametrize(("kind", "power"), [("HC2", 1), ("HC3", 2)])
def test_hc2_and_hc3_are_their_formulas(kind, power):
    y, X, _ = made(60)
    result = logit(y, X, covariance=kind)
    design, p = np.column_stack([np.ones(60), X]), result.fittedvalues
    bread = np.linalg.inv(design.T * (p * (1 - p)) @ design)
    h = p * (1 - p) * np.einsum("ij,jk,ik->i", design, bread, design)
    meat = design.T * ((y - p) ** 2 / (1 - h) ** power) @ design
    assert_agrees(result.cov_params(), bread @ meat @ bread)


def test_clusters_agree_with_statsmodels_one_way_and_two():
    y, X, rng = made()
    a, b = rng.integers(0, 15, len(y)), rng.integers(0, 9, len(y))
    model = sm.Logit(y, sm.add_constant(X))
    one = exactly(model, cov_type="cluster", cov_kwds={"groups": a})
    two = exactly(model, cov_type="cluster", cov_kwds={"groups": np.column_stack([a, b])})
    assert_agrees(logit(y, X, covariance="cluster", groups=a).cov_params(), one.cov_params())
    assert_agrees(logit(y, X, covariance="cluster", groups=(a, b)).cov_params(), two.cov_params())


def test_several_classes_have_robust_errors_too():
    data = anes96.load_pandas()
    X, group = data.exog[["selfLR", "age", "educ"]], np.arange(len(data.endog)) % 31
    model = sm.MNLogit(data.endog, sm.add_constant(X))
    assert_agrees(
        logit(data.endog, X, covariance="HC0").cov_params(), exactly(model, cov_type="HC0").cov_params(), 1e-7
    )
    theirs = exactly(model, cov_type="cluster", cov_kwds={"groups": group, "use_correction": False})
    ours = logit(data.endog, X, covariance="cluster", groups=group)
    n, k = len(X), ours.n_params
    assert_agrees(ours.cov_params(), np.asarray(theirs.cov_params()) * 31 / 30 * (n - 1) / (n - k), 1e-7)


def test_an_interval_of_predictions_agrees_with_statsmodels():
    y, X, _ = made()
    theirs = sm.GLM(y, sm.add_constant(X), sm.families.Binomial()).fit(tol=1e-14)
    summary = theirs.get_prediction(sm.add_constant(X[:5])).summary_frame(alpha=0.1)
    found = logit(y, X).predict(X[:5], interval=0.9)
    assert_agrees(found.lower, summary["mean_ci_lower"])
    assert_agrees(found.upper, summary["mean_ci_upper"])


def test_intervals_of_several_classes_are_those_of_two():
    y, X, _ = made()
    binary = logit(y, X).predict(X[:5], interval=0.95)
    classes = np.where(y == 1, "b", "a")
    classes[:2] = "c"  # two rows only: the other classes are nearly the binary model
    found = logit(classes, X[:, :1]).predict(X[:5, :1], interval=0.95)
    assert found.mean.shape == (5, 3)
    assert (found.lower < found.mean).all()
    assert (found.mean < found.upper).all()
    assert binary.lower.shape == (5,)


def test_a_penalised_fit_has_estimates_and_refuses_inference():
    y, X, _ = made()
    result = logit(y, X, penalty=2.0)
    assert np.abs(result.params[1:]).sum() < np.abs(logit(y, X).params[1:]).sum()
    for ask in ("bse", "pvalues", "aic", "llr_pvalue"):
        with pytest.raises(ValueError, match="would claim more than is known"):
            getattr(result, ask)
    assert "std err" not in str(result.summary())


def test_an_infinite_estimate_is_named_and_has_no_wald_row():
    rng = np.random.default_rng(0)
    x, z = rng.integers(0, 2, 100), rng.normal(size=100)
    y = np.where(x == 1, 1, rng.integers(0, 2, 100))  # every row with x = 1 is a success
    with pytest.warns(UserWarning, match="no finite estimate exists for x1"):
        result = logit(y, np.column_stack([x, z]))
    assert result.params[1] == np.inf
    assert np.isnan(result.bse[1])
    assert np.isnan(result.pvalues[1])
    row = next(line for line in str(result.summary()).splitlines() if line.startswith("x1"))
    assert row.split() == ["x1", "+inf"]
    rest = logit(y[x == 0], z[x == 0])
    assert_agrees(result.params[[0, 2]], rest.params, 1e-6)
    assert_agrees(result.bse[[0, 2]], rest.bse, 1e-6)
    with pytest.raises(ValueError, match="no Wald test of x1"):
        result.wald_test("x1 = 0")


def test_profile_intervals_have_the_likelihood_they_promise():
    y, X, _ = made()
    result = logit(y, X)
    low, high = result.conf_int(0.9, method="profile")[1]
    for end in (low, high):
        fixed = logit(y, X[:, 1:], offset=end * X[:, 0])
        assert_agrees(2 * (result.llf - fixed.llf), 2.705543454095404, 1e-6)


def test_profile_intervals_bound_an_infinite_estimate_on_one_side():
    rng = np.random.default_rng(0)
    x = rng.integers(0, 2, 60)
    with pytest.warns(UserWarning, match="no finite estimate"):
        result = logit(np.where(x == 1, 1, rng.integers(0, 2, 60)), x)
    low, high = result.conf_int(method="profile")[1]
    assert np.isfinite(low)
    assert high == np.inf
    assert np.isnan(result.conf_int()[1]).all()


def test_where_one_class_runs_to_infinity_robust_intervals_of_the_others_are_their_own():
    rng = np.random.default_rng(5)
    x, level = rng.normal(size=400), rng.integers(0, 3, 400)
    y = rng.integers(0, 3, 400)
    y[(level == 2) & (y == 1)] = 2  # the second class lacks the last level
    X = np.column_stack([x, level == 1, level == 2]).astype(float)
    with pytest.warns(UserWarning, match="no finite estimate"):
        result = logit(y, X)
    known, found = (fit.predict([[0.3, 0, 1]], interval=0.95) for fit in (result, result.with_covariance("HC1")))
    row, last, V = np.array([1.0, 0.3, 0, 1]), result.params[:, 1], result.with_covariance("HC1").cov_params()[4:, 4:]
    reach = 1.959963984540054 * np.sqrt(row @ V @ row)
    assert_agrees(found.lower[0, 2], 1 / (1 + np.exp(reach - row @ last)), 1e-6)
    assert_agrees(found.upper[0, 2], 1 / (1 + np.exp(-reach - row @ last)), 1e-6)
    assert_agrees(found.lower[0, 0], 1 - found.upper[0, 2], 1e-6)
    assert (found.lower[0, 1], found.upper[0, 1]) == (0.0, 1.0)
    np.testing.assert_allclose(known.mean, found.mean)


def test_grouped_data_that_separate_name_what_is_infinite():
    pairs = [[5, 5], [3, 7], [9, 0], [4, 0]]
    with pytest.warns(UserWarning, match="no finite estimate exists for x1"):
        result = logit(pairs, np.array([0, 0, 1, 1]))
    assert result.params[1] == np.inf
    assert_agrees(result.params[0], np.log(8 / 12), 1e-7)


def test_complete_separation_leaves_no_finite_estimate():
    x = np.arange(10.0)
    with pytest.warns(UserWarning, match="no finite estimate exists for x1"):
        result = logit((x > 4.5).astype(int), x)
    assert np.isinf(result.params).all()


def test_a_class_apart_from_two_that_overlap_has_no_finite_estimate():
    # What is left of its curvature is rounding, which is no proof of an optimum.
    iris = load_iris()
    with pytest.warns(UserWarning, match="every row with x2 < 0.8 is of class 'setosa'"):
        result = logit(iris.target_names[iris.target], iris.data[:, 2:])
    assert np.isinf(result.params).all()
    assert np.isnan(result.bse).all()


def test_many_rows_agree_with_a_fit_to_the_last_digit():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(60_000, 5))
    y = (rng.random(60_000) < 1 / (1 + np.exp(-X[:, 0]))).astype(int)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ours = logit(y, X)
    theirs = exactly(sm.Logit(y, sm.add_constant(X)))
    assert_agrees(ours.params, theirs.params)
    assert_agrees(ours.bse, theirs.bse)


@pytest.mark.parametrize("seed", [6, 22, 27])
def test_three_classes_that_separate_with_rare_flags_keep_the_likelihood_they_reached(seed):
    random, far = np.random.default_rng(seed), [3, 6, 12][seed % 3]
    y = np.sort(random.integers(0, 3, 260))
    X = random.normal(size=(260, 3)) + far * np.array([[0, 0, 0], [1, 0.3, 0.9], [0.5, -1, 1]])[y]
    island = np.where(y == 2, 0, np.where(y == 1, 1, random.integers(0, 3, 260)))
    gap, sex, flag = np.arange(260) == 0, random.integers(0, 2, 260), np.zeros(260)
    flag[random.integers(0, 260, 9)] = 1.0
    X = np.column_stack([island == 1, island == 2, X, gap, sex, flag, random.integers(2007, 2010, 260)]) * 1.0
    with pytest.warns(SeparationWarning, match="Use penalty='firth'"):
        fit = logit(y, X, singular="drop")
    nearly = logit(y, X, penalty=1e-9)
    assert fit.llf >= nearly.llf - 1e-4
    assert np.isinf(fit.params).any()


def test_many_rows_of_three_classes_start_on_a_sample():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(20_000, 3))
    y = (X + rng.gumbel(size=X.shape)).argmax(axis=1)
    ours, theirs = logit(y, X), exactly(sm.MNLogit(y, sm.add_constant(X)))
    assert_agrees(ours.params, theirs.params, 1e-7)
    assert_agrees(ours.bse, theirs.bse, 1e-7)


@pytest.mark.parametrize("covariance", ["HC0", "HC1", "HC3", "cluster"])
def test_a_robust_interval_where_no_outcome_varies_claims_nothing(covariance):
    level, x = np.repeat([0, 1, 2], 30), np.tile(np.linspace(-1.0, 1.0, 30), 3)
    y = np.where(level == 0, 0, (np.sin(7.0 * np.arange(90)) + x > 0) * 1)
    X = np.column_stack([x, level == 1, level == 2]) * 1.0
    groups = {"groups": np.arange(90) % 15} if covariance == "cluster" else {}
    with pytest.warns(SeparationWarning):
        fit = logit(y, X, covariance=covariance, **groups)
    found = fit.predict(X, interval=0.95)
    assert (found.lower[level == 0] == 0.0).all()
    assert (found.upper[level == 0] == 1.0).all()
    rest = logit(y[level > 0], X[level > 0], covariance="HC0", singular="drop").predict(interval=0.95)
    assert (found.upper - found.lower)[level > 0].max() < 0.8
    if covariance == "HC0":
        np.testing.assert_allclose(found.lower[level > 0], rest.lower, atol=1e-6)


def test_calibration_of_new_rows_takes_their_offset_and_outcome_and_neither_without_rows():
    x = np.linspace(-2.0, 2.0, 80)
    y, offset = (np.sin(9.0 * np.arange(80)) + x > 0) * 1, 0.3 * np.cos(np.arange(80.0))
    fit = logit(y, x, offset=offset)
    assert fit.calibration(x, y, offset=offset).slope == pytest.approx(fit.calibration().slope)
    assert fit.hosmer_lemeshow(data=x, y=y, offset=offset).statistic == pytest.approx(fit.hosmer_lemeshow().statistic)
    for ask in (fit.calibration, fit.hosmer_lemeshow):
        with pytest.raises(ArgumentError, match="y is of new rows: give their data"):
            ask(y=1 - y)
        with pytest.raises(ArgumentError, match="offset is of new rows"):
            ask(offset=offset)


def test_a_penalised_linear_fit_has_no_f_test():
    x = np.linspace(-2.0, 2.0, 30)
    fit = ols(x + np.sin(9.0 * x), x, penalty=5.0)
    for name in ("fvalue", "f_pvalue"):
        with pytest.raises(InferenceError, match="F tests"):
            getattr(fit, name)
    assert "F-statistic" not in str(fit)
