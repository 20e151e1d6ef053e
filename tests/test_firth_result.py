"""Firth's estimate through logit: what R's logistf prints, its definition, and what it refuses."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy.optimize import minimize
from scipy.stats import chi2

import separatrix
from firth_sets import endometrial, sex2
from separatrix import FirthLogisticRegression, logit
from separatrix.errors import ArgumentError, ConvergenceWarning, DataError, InferenceError, SeparationWarning
from separatrix.inference import jeffreys
from separatrix.inference.firth import firth

SETS = [endometrial(), sex2()]
Z = 1.959963984540054


def table() -> pd.DataFrame:
    published = endometrial()
    return pd.DataFrame(published.X, columns=list(published.columns)).assign(HG=published.y.astype(int))


def assert_agrees(ours: Any, theirs: Any, tol: float = 1e-7) -> None:
    np.testing.assert_allclose(np.asarray(ours, float), np.asarray(theirs, float), rtol=tol, atol=1e-10)


def log_posterior(design: np.ndarray, y: np.ndarray, theta: np.ndarray) -> float:
    """The log-likelihood and half the log-determinant of the information of (P, K - 1) coefficients, row by row."""
    eta = np.column_stack([np.zeros(len(design)), design @ theta])
    p = np.exp(eta - eta.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    information = sum(
        np.kron(np.diag(q) - np.outer(q, q), np.outer(x, x)) for x, q in zip(design, p[:, 1:], strict=True)
    )
    return float(np.log(p[np.arange(len(y)), y]).sum() + 0.5 * np.linalg.slogdet(information)[1])


def highest(design: np.ndarray, y: np.ndarray, K: int, free: np.ndarray) -> float:
    """The greatest log-posterior over the coefficients (P, K - 1) that are free, the others 0, by Nelder and Mead's and
    then Broyden's method."""

    def loss(u):
        theta = np.zeros(free.shape)
        theta[free] = u
        return -log_posterior(design, y, theta)

    first = minimize(loss, np.zeros(free.sum()), method="BFGS")
    return -float(minimize(loss, first.x, method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-12}).fun)


@pytest.mark.parametrize("published", SETS, ids=["endometrial", "sex2"])
def test_a_formula_has_the_estimates_and_intervals_that_logistf_prints(published):
    data = pd.DataFrame(published.X, columns=list(published.columns)).assign(y=published.y)
    result = logit("y ~ " + " + ".join(published.columns), data, penalty="firth")
    assert_agrees(np.roll(result.params, -1), published.estimates, 1e-6)
    assert_agrees(np.roll(result.conf_int(), -1, axis=0), published.intervals, 2e-6)


def test_the_result_is_that_of_the_estimator():
    data = table()
    for method in ("firth", "flic", "flac"):
        result = logit(data.HG, data[["NV", "PI", "EH"]], penalty=method)
        model = FirthLogisticRegression(correction=None if method == "firth" else method)
        model.fit(data[["NV", "PI", "EH"]], data.HG)
        assert_agrees(result.params, np.append(model.intercept_, model.coef_))
        assert_agrees(result.bse, np.roll(model.bse_[0], 1))
        assert_agrees(result.pvalues, np.roll(model.pvalues_[0], 1))
        assert_agrees(result.conf_int(0.9), np.roll(model.conf_int(0.9)[0], 1, axis=0))
        assert_agrees(result.fittedvalues, model.predict_proba(data[["NV", "PI", "EH"]])[:, 1])


def test_likelihoods_are_penalised_and_the_criteria_are_of_the_likelihood_alone():
    data = table()
    result = logit("HG ~ NV + EH", data, penalty="firth")
    design, free = np.column_stack([np.ones(79), data.NV, data.EH]), np.ones((3, 1), bool)
    assert_agrees(result.llf, highest(design, data.HG.to_numpy(), 2, free), 1e-9)
    free[1:] = False
    assert_agrees(result.llnull, highest(design, data.HG.to_numpy(), 2, free), 1e-9)
    p = 1 / (1 + np.exp(-design @ result.params))
    assert_agrees(result.loglik, np.log(np.where(data.HG == 1, p, 1 - p)).sum())
    assert_agrees([result.aic, result.bic], [6 - 2 * result.loglik, 3 * np.log(79) - 2 * result.loglik])
    assert_agrees(result.llr_pvalue, chi2.sf(2 * (result.llf - result.llnull), 2))


@pytest.mark.parametrize("mean", [10.0, 60.0])
def test_the_null_model_is_found_where_columns_far_from_zero_put_the_intercept_far_off(mean):
    random = np.random.default_rng(0)
    z = random.normal(size=60)
    y = (z + 0.3 * random.normal(size=60) > 0).astype(int)
    design = np.column_stack([np.ones(60), z + mean])
    result = logit(y, design[:, 1:], penalty="firth")
    free = np.array([[True], [False]])
    near_zero = design - [0.0, mean]  # which leaves the determinant as it is
    assert_agrees(result.llnull, highest(near_zero, y, 2, free), 1e-9)
    assert_agrees(result.compare([], [0], "z").statistic, 2 * (result.llf - result.llnull), 1e-6)


@pytest.mark.parametrize("classes", [2, 3])
def test_tests_of_terms_hold_coefficients_at_zero_under_the_prior_of_all(classes):
    rng = np.random.default_rng(3)
    X, y = rng.normal(size=(24, 2)), np.arange(24) % classes
    design, large = np.column_stack([np.ones(24), X]), logit(y, X, penalty="firth")
    free = np.ones((3, classes - 1), bool)
    best = highest(design, y, classes, free)
    free[2] = False
    test = large.lr_test(logit(y, X[:, :1], penalty="firth"))
    assert_agrees(test.statistic, 2 * (best - highest(design, y, classes, free)), 1e-5)
    assert test.df == classes - 1
    assert str(test).startswith("Penalised likelihood ratio test of x2 = 0: chi2(")
    assert_agrees(large.anova(2)["statistic"].to_numpy()[1], test.statistic)
    if classes == 2:
        assert_agrees(large.pvalues[2], test.pvalue)
        narrow = logit(y, X[:, :1], penalty="firth")
        assert_agrees(large.anova(1)["p_value"].to_numpy()[0], narrow.pvalues[1], 1e-6)


def test_terms_that_nearly_depend_on_each_other_are_tested_as_their_difference_is():
    rng = np.random.default_rng(3)
    x, z = rng.normal(size=(2, 40))
    data = pd.DataFrame({"x": x, "z": z, "near": x + 1e-5 * z, "y": (z + rng.normal(size=40) > 0) * 1})
    plain, near = (logit(f"y ~ x + {name}", data, penalty="firth") for name in ("z", "near"))
    assert_agrees([near.llf - np.log(1e-5), near.llnull - np.log(1e-5)], [plain.llf, plain.llnull], 1e-8)
    assert_agrees(near.anova(2)["statistic"].to_numpy()[1], plain.anova(2)["statistic"].to_numpy()[1], 1e-6)
    assert_agrees(near.cov_params()[2, 2] * 1e-10, plain.cov_params()[2, 2], 1e-6)


def test_three_classes_that_separate_have_finite_estimates_and_intervals():
    x = np.repeat([0.0, 1.0, 2.0], 6)
    y = np.repeat(["a", "b", "c"], 6)
    result = logit(y, np.column_stack([x == 1, x == 2]) * 1.0, penalty="firth")
    # A saturated table: half a row more in each cell.
    assert_agrees(result.params[0], [np.log(0.5 / 6.5)] * 2)
    assert_agrees(result.params[1], [2 * np.log(6.5 / 0.5), 0.0 + np.log(6.5 / 0.5)], 1e-6)
    assert np.isfinite(result.conf_int()).all()
    assert result.conf_int().shape == (3, 2, 2)
    assert list(result.tidy()["term"]) == list(result.param_names)
    assert "Multinomial logistic regression by Firth's penalty" in str(result.summary())


def test_grouped_data_frequencies_and_rows_are_the_same_fit():
    data = pd.DataFrame({"x": [0.0, 1.0, 2.0], "yes": [1, 3, 5], "no": [6, 4, 0]})
    grouped = logit("yes + no ~ x", data, penalty="firth")
    times = data[["yes", "no"]].to_numpy().ravel()
    rows = pd.DataFrame({"x": np.repeat(data.x.to_numpy(), 2), "y": [1, 0] * 3, "times": times})
    counted = logit("y ~ x", rows, weights="times", penalty="firth")
    single = logit("y ~ x", rows.loc[rows.index.repeat(rows.times)], penalty="firth")
    for other in (counted, single):
        assert_agrees(grouped.params, other.params)
        assert_agrees(grouped.bse, other.bse)
        assert_agrees(grouped.conf_int(), other.conf_int(), 1e-6)
        assert_agrees(grouped.pvalues, other.pvalues, 1e-6)


def test_an_offset_that_is_a_multiple_of_a_column_moves_its_coefficient():
    data = table()
    plain, moved = (logit("HG ~ NV + EH", data, penalty="firth", offset=offset) for offset in (None, 2.0 * data.EH))
    assert_agrees(moved.params, plain.params - [0.0, 0.0, 2.0], 1e-6)
    assert_agrees(moved.llf, plain.llf, 1e-9)
    assert_agrees(moved.predict(data, offset=2.0 * data.EH), plain.predict(data), 1e-7)


def test_without_an_intercept_and_far_from_zero():
    data = table()
    bare = logit("HG ~ NV + EH - 1", data, penalty="firth")
    design = data[["NV", "EH"]].to_numpy()
    assert_agrees(bare.llf, highest(design, data.HG.to_numpy(), 2, np.ones((2, 1), bool)), 1e-9)
    assert_agrees(bare.llnull, log_posterior(design, data.HG.to_numpy(), np.zeros((2, 1))))
    near, far = logit("HG ~ EH", data, penalty="firth"), logit("HG ~ I(EH + 5000)", data, penalty="firth")
    assert_agrees(far.params[1], near.params[1], 1e-6)
    assert_agrees(far.params[0], near.params[0] - 5000 * near.params[1], 1e-6)
    assert_agrees(far.pvalues[1], near.pvalues[1], 1e-5)


def test_flac_is_a_fit_of_weighted_rows_with_its_errors_and_profile():
    data = table()
    result, firth = (logit("HG ~ NV + EH", data, penalty=method) for method in ("flac", "firth"))
    design = np.column_stack([np.ones(79), data.NV, data.EH])
    p = firth.fittedvalues
    h = p * (1 - p) * np.einsum("ij,jk,ik->i", design, firth.cov_params(), design)
    wide = np.vstack([np.column_stack([design, np.zeros(79)]), np.column_stack([design, np.ones(79)])])
    y, weight = np.append(data.HG, np.full(79, 0.5)), np.append(np.ones(79), h)
    theirs = sm.GLM(y, wide, sm.families.Binomial(), freq_weights=weight).fit(tol=1e-14)
    assert_agrees(result.params, theirs.params[:3], 1e-6)
    assert_agrees(result.bse, theirs.bse[:3], 1e-6)

    def fall(end):
        less = sm.GLM(y, wide[:, [0, 2, 3]], sm.families.Binomial(), freq_weights=weight, offset=end * wide[:, 1])
        return 2 * (loglik(theirs, y, weight) - loglik(less.fit(tol=1e-14), y, weight))

    assert_agrees([fall(end) for end in result.conf_int()[1]], [Z**2] * 2, 1e-5)
    assert_agrees(result.pvalues[1], chi2.sf(fall(0.0), 1), 1e-5)


def loglik(fit: Any, y: np.ndarray, weight: np.ndarray) -> float:
    return float(np.sum(weight * (y * np.log(fit.mu) + (1 - y) * np.log(1 - fit.mu))))


def test_flic_keeps_the_slopes_and_has_the_observed_share():
    data = table()
    result, firth = (logit("HG ~ NV + EH", data, penalty=method) for method in ("flic", "firth"))
    assert_agrees(result.params[1:], firth.params[1:])
    assert_agrees(result.conf_int()[1:], firth.conf_int()[1:])
    assert_agrees(result.fittedvalues.mean(), data.HG.mean(), 1e-9)
    assert_agrees(result.conf_int()[0], result.conf_int(method="wald")[0])
    assert_agrees(result.pvalues[0], chi2.sf(result.tvalues[0] ** 2, 1))


def test_a_singular_design_is_named_and_dropped_as_told():
    data = table().assign(both=lambda d: d.NV + 2 * d.EH)
    with pytest.raises(DataError, match="both = NV \\+ 2 EH"):
        logit("HG ~ NV + EH + both", data, penalty="firth")
    dropped = logit("HG ~ NV + EH + both", data, penalty="firth", singular="drop")
    assert_agrees(dropped.params, logit("HG ~ NV + EH", data, penalty="firth").params)
    assert "linear combinations of other columns: both" in str(dropped.summary())


def test_tables_say_which_likelihood_they_are_of():
    result = logit("HG ~ NV + PI + EH", table(), penalty="firth")
    text = " ".join(str(result.summary()).split())
    assert "Logistic regression by Firth's penalty" in text
    assert "Penalised log-likelihood" in text
    assert "penalised likelihood ratio tests" in text
    assert "LR chi2" in text
    assert_agrees(result.tidy()["statistic"], chi2.isf(result.pvalues, 1), 1e-6)
    assert_agrees(result.odds_ratios()["conf_low"], np.exp(result.conf_int()[:, 0]))
    found = result.predict(table()[:4], interval=0.9)
    assert (found.lower < found.mean).all()
    assert (found.mean < found.upper).all()


def test_the_remedy_of_a_separation_warning_works():
    data = table()
    with pytest.warns(UserWarning, match="Use penalty='firth'"):
        logit("HG ~ NV", data)
    assert np.isfinite(logit("HG ~ NV", data, penalty="firth").conf_int()).all()


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda d: logit("HG ~ NV", d, penalty="firht"), ArgumentError, "'l2' or 'firth' or 'flic' or 'flac'"),
        (lambda d: logit("HG ~ NV", d, penalty="firth", covariance="HC1"), ArgumentError, "Use 'nonrobust'"),
        (lambda d: logit("HG ~ NV", d, penalty="firth", groups="PI"), ArgumentError, "groups= is not used"),
        (lambda d: logit("HG ~ NV", d, penalty="firth").with_covariance("HC0"), ArgumentError, "Use 'nonrobust'"),
        (lambda d: logit(np.arange(79) % 3, d[["NV"]], penalty="flic"), ArgumentError, "is for two classes"),
        (lambda d: logit("HG ~ NV", d, penalty="firth").score_test(d.EH), InferenceError, "use lr_test"),
        (lambda d: logit("HG ~ NV", d, penalty="firth").conf_int(method="exact"), ArgumentError, "'profile' or 'wald'"),
        (
            lambda d: logit("HG ~ EH", d, penalty="firth").lr_test(logit("HG ~ EH + PI", d)),
            ArgumentError,
            "give both the same penalty",
        ),
        (
            lambda d: logit("HG ~ EH + NV", d, penalty="firth").lr_test(logit("HG ~ PI", d, penalty="firth")),
            ArgumentError,
            "Nest one in the other",
        ),
        (lambda d: logit("HG ~ NV * EH * PI", d[15:22], penalty="firth"), DataError, "rows for 8 parameters"),
    ],
)
def test_what_firth_does_not_have_is_refused_in_one_line(call, error, says):
    with pytest.raises(error, match=says) as raised:
        call(table())
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("penalty", ["firth", "flic"])
@pytest.mark.parametrize("asked", [lambda fit: fit.pvalues, lambda fit: fit.conf_int(), str, lambda fit: fit.tidy()])
def test_a_warning_of_a_result_is_about_the_line_that_asked(penalty, asked, monkeypatch):
    monkeypatch.setattr(jeffreys, "firth", lambda *args, **kw: replace(firth(*args, **kw), gap=1.0, converged=False))
    with pytest.warns(ConvergenceWarning) as caught:
        asked(logit("HG ~ PI + EH", table(), penalty=penalty))
    assert len(caught) > 1
    assert {warning.filename for warning in caught} == {__file__}


@pytest.mark.parametrize("open_", [lambda table: table, lambda table: separatrix.open(table)])
def test_so_is_that_of_a_fit_of_rows_anywhere_without_columns_that_were_left_out(open_):
    data = table().assign(twice=lambda data: 2.0 * data.PI)
    with pytest.warns(SeparationWarning, match="no finite estimate exists for NV") as caught:
        logit("HG ~ NV + PI + twice", open_(data), singular="drop")
    assert {warning.filename for warning in caught} == {__file__}
