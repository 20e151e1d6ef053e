"""Regressions at the limits of what can be said: no intercept, no rows left over, few clusters."""

import numpy as np
import pandas as pd
import pytest

from separatrix import FirthLogisticRegression, logit, ols
from separatrix.data.memory import memory_source
from separatrix.errors import (
    ArgumentError,
    ColumnError,
    DataError,
    InferenceError,
    InferenceWarning,
    SeparationWarning,
    TargetError,
)
from separatrix.inference.collinearity import collinearity
from separatrix.inference.goodness import hosmer_lemeshow
from separatrix.inference.likelihood_ratio import likelihood_ratio


def made(n: int = 120, seed: int = 0) -> dict[str, np.ndarray]:
    """Columns that say something of y, of the number and of three groups."""
    rng = np.random.default_rng(seed)
    x, z = rng.normal(size=(2, n))
    group = np.array(["a", "b", "c"])[rng.integers(3, size=n)]
    y = (rng.random(n) < 1 / (1 + np.exp(-0.5 - x))).astype(int)
    return {"y": y, "x": x, "z": z, "group": group, "number": x + rng.normal(size=n), "three": group}


@pytest.mark.parametrize(
    "fit",
    [
        lambda d: logit("y ~ x - 1", d),
        lambda d: logit("y ~ x + z - 1", d),
        lambda d: logit("three ~ x + z - 1", d),
        lambda d: logit("y ~ x + z - 1", d, penalty="firth"),
        lambda d: ols(d["number"], np.column_stack([d["x"], d["z"]]), intercept=False),
        lambda d: ols("number ~ C(group) - 1", d),
    ],
)
def test_a_model_without_an_intercept_has_its_tables(fit):
    result = fit(made())
    assert "coef" in str(result.summary())
    assert result.summary().html() == result._repr_html_()
    assert result.collinearity().condition_number >= 1.0


@pytest.mark.parametrize(
    "fit", [lambda d, **how: logit("y ~ C(group)", d, **how), lambda d, **how: ols("number ~ C(group)", d, **how)]
)
def test_errors_that_are_no_more_than_rounding_are_nan(fit):
    with pytest.warns(InferenceWarning, match="no more than rounding"):
        result = fit(made(), covariance="cluster", groups="group")
    assert np.isnan(result.bse).all()
    assert np.isnan(result.pvalues).all()
    assert "no more than rounding" in str(result.summary())
    assert np.isnan(result.predict(interval=0.9).lower).all()
    assert np.isnan(result.marginal_effects().standard_errors).all()


def test_a_joint_test_does_not_depend_on_units_nor_on_how_it_is_written():
    d = made()
    plain = ols("number ~ x + z + y", d)
    d["x"], d["z"] = d["x"] * 1e7, d["z"] / 1e7
    scaled = ols("number ~ x + z + y", d)
    for hypothesis in ("x = 0, z = 0, y = 0", "x = z = y = 0"):
        assert plain.wald_test(hypothesis).statistic == pytest.approx(plain.fvalue, rel=1e-12)
        assert scaled.wald_test(hypothesis).statistic == pytest.approx(
            plain.fvalue, rel=1e-9 if "," in hypothesis else 1e-2
        )


def test_an_intercept_whose_error_is_rounding_leaves_the_slope_its_own():
    d = made()
    means = np.array([[d[name][d["group"] == g].mean() for g in d["group"]] for name in ("number", "x")])
    d["number"], d["x"] = d["number"] - means[0], d["x"] - means[1]
    with pytest.warns(InferenceWarning, match="Intercept"):
        result = ols("number ~ x", d, covariance="cluster", groups="group")
    assert np.isnan(result.bse).tolist() == [True, False]
    assert result.wald_test("x = 0").pvalue == pytest.approx(result.pvalues[1])


def test_a_joint_test_of_more_conditions_than_clusters_allow_is_refused_and_nan():
    d = made()
    with pytest.warns(InferenceWarning, match="3 clusters for 4 parameters"):
        result = logit("y ~ x + z + number", d, covariance="cluster", groups="group")
    assert "3 clusters for 4 parameters" in str(result.summary())
    assert result.wald_test("x = z = 0").statistic > 0
    with pytest.raises(InferenceError, match=r"no Wald test of 'x = z = number = 0', .* 3 clusters"):
        result.wald_test("x = z = number = 0")
    with pytest.warns(InferenceWarning, match="3 clusters"):
        linear = ols("number ~ x + z + y", d, covariance="cluster", groups="group")
    assert np.isnan(linear.fvalue)
    assert np.isnan(linear.f_pvalue)


def test_two_ways_of_clusters_with_a_negative_variance_have_one_warning_and_nan(recwarn):
    rng = np.random.default_rng(17)
    d = {"x": rng.normal(size=12), "v": rng.normal(size=12), "g": np.repeat(range(4), 3), "h": np.tile(range(3), 4)}
    result = ols("v ~ x", d, covariance="cluster", groups=("g", "h"))
    assert "Cluster one way" in str(result.summary())
    assert np.isnan(result.bse).any()
    assert [str(warning.message)[:11] for warning in recwarn] == ["two ways of"]


@pytest.mark.parametrize("kind", ["HC2", "HC3"])
def test_a_row_of_leverage_one_is_named(kind):
    d = made()
    d["only"] = (np.arange(120) == 3) * 1.0
    for fit in (
        lambda: ols("number ~ x + only", d, covariance=kind),
        lambda: ols("number ~ x + only", d).with_covariance(kind),
    ):
        with pytest.raises(DataError, match=r"row 3 has leverage 1: .*'HC1'"):
            fit()
    assert np.isfinite(ols("number ~ x + only", d, covariance="HC1").bse[:2]).all()


@pytest.mark.parametrize("kind", ["HC0", "HC1", "HC2", "HC3"])
def test_a_model_with_a_parameter_for_each_row_has_no_robust_errors(kind):
    d = {"s": [1, 4, 6], "f": [9, 6, 4], "x": ["a", "b", "c"]}
    if kind in ("HC2", "HC3"):
        with pytest.raises(DataError, match="row 0 has leverage 1"):
            logit("s + f ~ x", d, covariance=kind)
        return
    with pytest.warns(InferenceWarning):
        result = logit("s + f ~ x", d, covariance=kind)
    assert np.isnan(result.bse).all()
    assert np.isnan(result.pvalues).all()
    assert "nan" in str(result.summary())


def test_the_row_that_has_a_column_alone_has_no_influence_that_could_be_told():
    d = made()
    d["only"] = (np.arange(120) == 3) * 1.0
    found = ols("number ~ x + only", d).influence()
    assert found.leverage[3] == pytest.approx(1.0)
    for values in (found.cooks_distance, found.standardised_pearson, found.dfbetas, found.dfbeta):
        assert np.isnan(values[3]).all()
        assert np.isfinite(np.delete(values, 3, axis=0)).all()
    assert str(found).count("\n") == 10
    assert "nan" not in str(found)


@pytest.mark.parametrize(
    ("fit", "says"),
    [
        (
            lambda: ols("y ~ x + z", {"y": [1.0, 3.0, 2.0], "x": [1.0, 2.0, 4.0], "z": [1.0, 0.0, 1.0]}),
            "no degrees of freedom",
        ),
        (lambda: ols("y ~ x", {"y": [2.0, 4.0, 6.0, 8.0], "x": [1.0, 2.0, 3.0, 4.0]}), "fit is exact"),
        (lambda: ols("y ~ x", {"y": [2.1, 2.1, 2.1, 2.1], "x": [1.0, 2.0, 3.0, 4.0]}), "fit is exact"),
        (lambda: ols(2.0 * made()["x"], np.column_stack([made()["x"], made()["z"]])), "fit is exact"),
        (lambda: ols(2.0 * made()["x"], made()["x"], covariance="HC3"), "fit is exact"),
    ],
)
def test_a_fit_that_leaves_nothing_has_a_table_without_tests(fit, says):
    with pytest.warns(InferenceWarning, match=says):
        result = fit()
    assert np.isnan(result.pvalues).all()
    assert np.isnan([result.fvalue, result.f_pvalue]).all()
    assert np.isnan(result.resid_pearson).all()
    assert np.isnan(result.anova().p_value).all()
    text = str(result.summary())
    assert says[1:] in " ".join(text.split())
    assert max(map(len, text.splitlines())) <= 100


def test_rows_of_an_exact_fit_have_no_influence():
    with pytest.warns(InferenceWarning):
        result = ols([2.0, 4.0, 6.0, 8.0], [1.0, 2.0, 3.0, 4.0])
    with pytest.raises(InferenceError, match="the fit is exact"):
        result.influence()


def test_a_model_of_nothing_has_a_table():
    d = made()
    result = logit("y ~ 0", d)
    assert result.llf == pytest.approx(-120 * np.log(2.0))
    assert "Observations" in str(result.summary())
    assert "Observations" in str(ols("number ~ 0", d).summary())


@pytest.mark.parametrize("penalty", [None, "firth"])
def test_the_null_model_without_an_intercept_has_every_coefficient_zero(penalty):
    d = made()
    for target, classes in (("y", 2), ("three", 3)):
        result = logit(f"{target} ~ z - 1", d, penalty=penalty)
        if penalty is None:
            assert result.llnull == pytest.approx(-120 * np.log(classes))
        assert result.llr >= 0
        assert result.pseudo_r2.mcfadden >= 0
    offset = d["x"] / 2
    moved = logit("y ~ z - 1", d, offset=offset, penalty=penalty)
    assert moved.lr_test(logit("y ~ 0", d, offset=offset, penalty=penalty)).statistic == pytest.approx(moved.llr)


@pytest.mark.parametrize("penalty", [None, 1.0, "firth"])
def test_what_a_result_keeps_cannot_be_written_to(penalty):
    result = logit("y ~ x", made(), penalty=penalty)
    kept = ["params", "cov", "fittedvalues", "linear_predictor", *([] if penalty == 1.0 else ["bse"])]
    linear = ols("number ~ x", made())
    arrays = [getattr(result, name) for name in kept] + [linear.params, linear.bse, linear.cov, linear.fittedvalues]
    for values in arrays:
        with pytest.raises(ValueError, match="read-only"):
            values[0] = 3.0


@pytest.mark.parametrize("kind", ["HC2", "HC3", "cluster"])
def test_robust_errors_of_separated_classes_are_of_the_estimates_that_are_finite(kind):
    d = made()
    groups = {"groups": np.arange(120) % 20} if kind == "cluster" else {}
    with pytest.warns(SeparationWarning):
        every = logit("y ~ y2", d | {"y2": d["y"] + d["x"] / 100}, covariance=kind, **groups)
    assert np.isinf(every.params).all()
    assert np.isnan(every.bse).all()
    with pytest.warns(SeparationWarning):
        some = logit("y ~ z + apart", d | {"apart": (np.arange(120) < 20) * d["y"]}, covariance=kind, **groups)
    assert np.isfinite(some.bse).tolist() == np.isfinite(some.params).tolist() == [True, True, False]


def test_clusters_of_a_row_each_are_said_to_be_hc1():
    d = made()
    result = logit("y ~ x", d, covariance="cluster", groups=np.arange(120))
    assert "each is one row: they are those of HC1" in " ".join(str(result.summary()).split())
    np.testing.assert_allclose(result.bse, result.with_covariance("HC1").bse, rtol=1e-12)


def test_the_table_names_the_likelihood_of_mcfaddens_r_squared():
    d = made()
    x = d["x"] > 0
    s, n = np.bincount(x, weights=d["y"]), np.bincount(x)
    single, groups = logit("y ~ I(x > 0)", d), logit("s + f ~ x", {"s": s, "f": n - s, "x": [0, 1]})
    assert groups.prsquared == pytest.approx(single.prsquared)
    assert "McFadden's R2, of trials" in str(groups.summary())
    assert "McFadden's R2 " in str(single.summary())
    assert "McFadden's R2, without prior" in str(logit("y ~ x", d, penalty="firth").summary())
    assert "-0.0000" not in str(logit("y ~ 1", d).summary())


@pytest.mark.filterwarnings("error::separatrix.errors.SeparationWarning")
def test_a_separated_fit_warns_once_and_its_certain_rows_have_no_residual():
    d = made()
    d["apart"] = d["y"] * 2000.0 - 1000.0
    with pytest.warns(SeparationWarning):
        result = logit("y ~ x + apart", d)
    assert np.isfinite(result.resid_pearson).all()
    assert len(result.anova(type=2)) == 2


def test_weights_that_sum_to_less_than_the_parameters_leave_nothing():
    d = made()
    with pytest.warns(InferenceWarning, match=r"no degrees of freedom are left: 1.2 observations for 2 parameters"):
        result = ols("number ~ x", d, weights=np.full(120, 0.01))
    assert np.isnan([*result.bse, result.rsquared_adj]).all()
    with pytest.warns(InferenceWarning, match=r"1.2 observations for 2 parameters"):
        logit("y ~ x", d, weights=np.full(120, 0.01))


CLASSES, NUMBERS = logit("y ~ x + z", made()), ols("number ~ x + z", made())
FRAME = pd.DataFrame({"x": made()["x"], "z": made()["z"]})


@pytest.mark.parametrize(
    ("ask", "error", "message"),
    [
        (lambda: hosmer_lemeshow([0, 1], [0.5]), ArgumentError, r"y \(2,\) and p \(1,\) must be two equally long"),
        (lambda: hosmer_lemeshow([0, 1], [0.5, 1.5]), ArgumentError, r"p\[1\]=1.5 must be between 0 and 1"),
        (lambda: likelihood_ratio(-10.0, -12.0, 1, "x"), ArgumentError, "has the smaller log-likelihood .* nested"),
        (lambda: CLASSES.wald_test("x = 0, 2*x = 0"), ArgumentError, "one of its conditions follows from the others"),
        (
            lambda: collinearity(memory_source(np.ones((3, 2)), np.zeros((3, 1))), ["a"]),
            ArgumentError,
            "names has 1 entries, and X has 2 columns",
        ),
        (lambda: CLASSES.score_test(np.ones((5, 1))), ArgumentError, "columns has 5 rows, and the fit had 120"),
        (lambda: CLASSES.marginal_effects(at={"x": "far"}), ArgumentError, "x='far' must be a finite number"),
        (lambda: NUMBERS.predict(of="x"), ArgumentError, "of='x' must be 'mean' or 'observation'"),
        (lambda: NUMBERS.conf_int(method="profile"), ArgumentError, "method='profile' must be 'wald'"),
        (lambda: logit("y + x + z ~ x", made()), ArgumentError, r"the outcome 'y \+ x \+ z' has 3 terms"),
        (lambda: logit(np.ones((5, 2, 2)), np.ones((5, 1))), TargetError, r"y has shape \(5, 2, 2\): give one value"),
        (lambda: ols(np.ones((5, 2)), np.arange(5.0)[:, None]), TargetError, r"y has shape \(5, 2\): ols explains one"),
        (lambda: logit(made()["y"], FRAME).predict(FRAME[["x"]]), ColumnError, "no column 'z' in the data"),
        (lambda: logit(made()["y"], FRAME).predict(np.ones((3, 1))), DataError, "X has 1 columns, and the fit had 2"),
        (
            lambda: logit(np.arange(20) > 9, np.arange(20.0)[:, None], alpha_correction="king-zeng"),
            InferenceError,
            "takes a bias from finite estimates, and some are not",
        ),
        (
            lambda: FirthLogisticRegression().fit(FRAME, made()["y"]).conf_int(method="x"),
            ArgumentError,
            "method='x' must be 'profile' or 'wald'",
        ),
        (
            lambda: FirthLogisticRegression().fit(np.eye(10, 2_100), np.arange(10) % 2),
            ArgumentError,
            "needs the information of 2,101 coefficients, too large a matrix",
        ),
    ],
)
def test_what_cannot_be_asked_of_a_regression_is_said_in_words(ask, error, message):
    with pytest.raises(error, match=message):
        ask()


def test_a_linear_regression_has_the_residuals_and_likelihoods_of_its_outcome():
    y = made()["number"]
    spread = np.square(y - y.mean()).mean()
    assert NUMBERS.llnull == pytest.approx(-0.5 * len(y) * (np.log(2 * np.pi * spread) + 1))
    np.testing.assert_array_equal(NUMBERS.predict(), NUMBERS.fittedvalues)
    np.testing.assert_allclose(NUMBERS.resid_deviance, y - NUMBERS.fittedvalues)
    assert repr(NUMBERS) == str(NUMBERS.summary())
