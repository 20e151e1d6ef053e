"""Formulas, tests of hypotheses and tables; and what bad input is told."""

import builtins
import pickle
import warnings
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from scipy import sparse

import separatrix
from separatrix import logit, ols
from separatrix.errors import ArgumentError, ColumnError, DataError, InferenceWarning, SeparatrixError, TargetError
from separatrix.inference.hypothesis import linear_hypothesis
from separatrix.regression import design


def table(n: int = 200) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    data = pd.DataFrame(
        {
            "x": rng.normal(size=n),
            "age": rng.uniform(20, 60, n),
            "site": rng.choice(list("abc"), n),
            "times": rng.integers(1, 4, n),
            "firm": rng.integers(0, 20, n),
        }
    )
    data["ill"] = np.where(rng.random(n) < 1 / (1 + np.exp(-data.x)), "yes", "no")
    data["y"] = 1 * (data.ill == "yes")
    return data


def assert_agrees(ours: Any, theirs: Any, tol: float = 1e-8) -> None:
    np.testing.assert_allclose(np.asarray(ours, float), np.asarray(theirs, float), rtol=tol, atol=1e-12)


def test_a_formula_agrees_with_statsmodels():
    theirs = smf.logit("y ~ x + C(site) + x:age", table()).fit(disp=0, tol=1e-14, method="newton")
    ours = logit("ill ~ x + C(site) + x:age", table())
    assert sorted(ours.names) == sorted(theirs.params.index)
    assert_agrees(ours.params, theirs.params[list(ours.names)])
    assert_agrees(ours.bse, theirs.bse[list(ours.names)])
    assert ours.classes == ("no", "yes")
    assert "yes (against no)" in str(ours.summary())


@pytest.mark.parametrize("kind", [pl.from_pandas, pa.Table.from_pandas, lambda d: d.to_dict("list")])
def test_any_dataframe_will_do_and_tables_come_back_in_its_kind(kind):
    data = kind(table())
    result = logit("ill ~ x + site", data)
    assert_agrees(result.params, logit("ill ~ x + site", table()).params)
    if not isinstance(data, dict):
        assert type(result.tidy()) is type(data)


def test_booleans_and_expressions_are_outcomes():
    data = table()
    want = logit("y ~ x", data).params
    assert_agrees(logit("b ~ x", data.assign(b=data.y == 1)).params, want)
    assert_agrees(logit("I(age > 40) ~ x", data).params, logit(data.age > 40, data[["x"]]).params)
    assert_agrees(ols("np.log(age) ~ x", data).params, ols(np.log(data.age), data[["x"]]).params)


def test_rows_with_missing_values_are_left_out_and_counted():
    data = table()
    data.loc[3, "x"] = np.nan
    result = logit("ill ~ x", data, weights="times", covariance="cluster", groups="firm")
    kept = data.drop(index=3)
    assert_agrees(result.bse, logit("ill ~ x", kept, weights="times", covariance="cluster", groups="firm").bse)
    assert "Left out for missing values: 1 row." in str(result.summary())
    assert result.nobs == kept.times.sum()


def test_a_gap_in_a_column_whose_name_is_part_of_a_quoted_one_leaves_no_row_out():
    data = table().rename(columns={"x": "unit price"}).assign(price=np.nan)
    assert logit("ill ~ `unit price`", data).nobs == len(data)


@pytest.mark.parametrize(
    "terms", ["`unit price` + age", "C(`it's`) * age", "bs(`unit price`, df=4)", "np.exp(`unit price`) + `scale of it`"]
)
def test_a_quoted_name_is_a_column_of_a_dataset_too(terms):
    names = {"x": "unit price", "site": "it's", "times": "scale of it"}
    data = table().rename(columns=names).assign(price=np.nan)
    there, here = (logit(f"ill ~ {terms}", rows) for rows in (separatrix.open(data), data))
    assert there.names == here.names
    assert_agrees(there.params, here.params, tol=1e-7)
    assert_agrees(there.predict(data[:9]), here.predict(data[:9]), tol=1e-7)


@pytest.mark.parametrize("keep", [pd.DataFrame, separatrix.open])
@pytest.mark.parametrize(
    ("pointed", "plain"),
    [
        ("`x.1` + age", "x + age"),
        ("x.1 + age", "x + age"),
        ("np.exp(`x.1`):`a.site`", "np.exp(x):site"),
        ("C(`a.site`) * bs(`x.1`, df=4)", "C(site) * bs(x, df=4)"),
        ("Q('x.1') + Q('a.site')", "x + site"),
    ],
)
def test_a_name_with_a_point_is_a_column(pointed, plain, keep):
    data = table()
    named = data.rename(columns={"x": "x.1", "site": "a.site", "ill": "ill.now"})
    named.loc[3, "x.1"] = data.loc[3, "x"] = np.nan
    result, want = logit(f"`ill.now` ~ {pointed}", keep(named)), logit(f"ill ~ {plain}", data)
    assert_agrees(result.params, want.params, tol=1e-7)
    new = named[4:9].drop(columns="ill.now")
    assert_agrees(result.predict(new), want.predict(data[4:9]), tol=1e-7)
    with pytest.raises(ColumnError, match=r"no column 'x.1' in the data\. Did you mean 'x.2'\? It has"):
        result.predict(new.rename(columns={"x.1": "x.2"}))


@pytest.mark.parametrize(
    "kind", [pd.DataFrame, pl.from_pandas, lambda d: d.astype({"site": "category", "ill": "category"})]
)
def test_a_mark_of_a_missing_cell_is_a_gap_in_memory_and_in_a_dataset(kind, monkeypatch):
    monkeypatch.setattr("separatrix.regression.streamed.SHOWN_ROWS", 50)
    marked = table()
    marked.loc[150:, "site"], marked.loc[:4, "ill"], marked["firm"] = "NA", " ? ", marked.firm.astype(str)
    marked.loc[9, "firm"] = "n/a"
    want = logit("ill ~ x + site", marked[5:150])
    for rows in (kind(marked), separatrix.open(kind(marked))):
        result = logit("ill ~ x + site", rows)
        assert (result.names, result.classes, result.nobs) == (want.names, ("no", "yes"), 145)
        assert_agrees(result.params, want.params, tol=1e-7)
        assert logit("ill ~ x + site", rows, covariance="cluster", groups="firm").nobs == 144
    with pytest.raises(DataError, match="column 'site' is missing in row 0"):
        result.predict(kind(marked[160:]))


@pytest.mark.parametrize("keep", [pd.DataFrame, separatrix.open])
def test_a_level_that_no_row_has_is_none_of_the_design(keep):
    data = table()
    more = data.assign(site=pd.Categorical(data.site, ["a", "gone", "b", "c"]))
    assert_agrees(logit("ill ~ site", keep(more)).params, logit("ill ~ site", data).params, tol=1e-7)


def ordered(levels: str) -> pd.DataFrame:
    """The table with categories whose levels are in an order of their own."""
    data = table()
    outcome = pd.Categorical(data.ill, ["yes", "no"], ordered=True)
    return data.assign(ill=outcome, site=pd.Categorical(data.site, list(levels)), firm=data.firm.astype("category"))


@pytest.mark.parametrize("kind", ["pandas", "polars", "file"])
def test_the_order_of_a_categorical_in_a_dataset_is_its_own(kind, tmp_path):
    data = ordered("c-ab")
    data.to_parquet(tmp_path / "data.parquet", row_group_size=30)
    enums = {"site": pl.Enum(list("c-ab")), "ill": pl.Enum(["yes", "no"])}
    polars = pl.from_pandas(data, schema_overrides=enums)
    rows = {"pandas": data, "polars": polars, "file": tmp_path / "data.parquet"}[kind]
    there, here = logit("ill ~ x + site", separatrix.open(rows)), logit("ill ~ x + site", data)
    assert there.classes == here.classes == ("yes", "no")
    assert there.names == here.names == ("Intercept", "x", "site[T.a]", "site[T.b]")
    assert_agrees(there.params, here.params, tol=1e-7)
    assert_agrees(there.predict(data[:9]), here.predict(data[:9]), tol=1e-7)


def test_numbers_of_a_categorical_in_a_dataset_are_categories():
    data = ordered("abc")
    there, here = logit("ill ~ firm", separatrix.open(data)), logit("ill ~ firm", data)
    assert there.names == here.names
    assert_agrees(there.params, here.params, tol=1e-7)


def test_what_c_calls_a_category_is_read_as_it_is_written(tmp_path):
    data = table().assign(v=lambda data: np.where(data.site == "a", "1.1", np.where(data.site == "b", "1.10", "1.2")))
    data.to_csv(tmp_path / "rows.csv", index=False)
    rows = separatrix.open(str(tmp_path / "rows.csv"))
    there, here = logit("ill ~ C(v)", rows), logit("ill ~ C(v)", data)
    assert there.names == here.names == ("Intercept", "C(v)[T.1.10]", "C(v)[T.1.2]")
    assert_agrees(there.params, here.params, tol=1e-7)
    assert logit("ill ~ x", rows, covariance="cluster", groups="v").n_clusters == (3,)
    assert logit("ill ~ v", rows).names == ("Intercept", "v")
    assert logit("v ~ x", rows).classes == logit("v ~ x", data).classes == ("1.1", "1.10", "1.2")
    assert len(ols("v ~ x", rows).params) == 2


@pytest.mark.parametrize("formula", ["y ~ b + x", "y ~ b - 1", "y ~ site:b", "y ~ C(b)", "b ~ x"])
def test_truth_values_of_which_one_is_missing_are_what_they_are_without_it(formula, tmp_path):
    whole = table().assign(b=lambda data: data.x + data.age / 40 > 1)
    gap = whole.astype({"b": object})
    gap.loc[7, "b"] = None
    gap.astype({"b": "boolean"}).to_parquet(tmp_path / "rows.parquet")
    known = ols(formula, whole.drop(index=7)) if formula[0] == "y" else logit(formula, whole.drop(index=7))
    for data in (
        gap,
        gap.astype({"b": "boolean"}),
        pl.from_pandas(gap.astype({"b": "boolean"})),
        gap.to_dict("list"),
        separatrix.open(str(tmp_path / "rows.parquet")),
    ):
        result = ols(formula, data) if formula[0] == "y" else logit(formula, data)
        assert result.names == known.names
        assert_agrees(result.params, known.params, 1e-6)
        assert_agrees(result.predict(gap[10:15]), known.predict(whole[10:15]), 1e-6)


@pytest.mark.parametrize(
    ("fit", "formula"), [(ols, "x ~ year - 1"), (ols, "x ~ C(site) + year - 1"), (logit, "ill ~ year + age - 1")]
)
def test_without_an_intercept_columns_far_from_zero_are_read_as_they_are(fit, formula):
    data = table()
    data["year"] = 2020.0 + data.x + data.age / 60
    there, here = fit(formula, separatrix.open(data)), fit(formula, data)
    assert there.names == here.names
    assert_agrees(there.params, here.params, tol=1e-6)
    assert_agrees(there.bse, here.bse, tol=1e-6)
    assert_agrees(there.llf, here.llf)


def test_a_category_of_one_level_is_said_to_have_no_coefficient(tmp_path):
    data = table().assign(here="a")
    data.to_parquet(tmp_path / "rows.parquet")
    for rows in (data, separatrix.open(str(tmp_path / "rows.parquet"))):
        with pytest.warns(InferenceWarning, match="no coefficient for here, x:here: a category has one level") as told:
            result = logit("ill ~ x * here", rows)
        assert result.names == ("Intercept", "x")
        assert [warning.filename for warning in told] == [__file__]


def test_levels_that_files_have_in_different_orders_are_sorted(tmp_path):
    for number, levels in enumerate(["cab", "cba"]):
        ordered(levels).to_parquet(tmp_path / f"{number}.parquet")
    result = logit("ill ~ x + site", separatrix.open(str(tmp_path / "*.parquet")))
    assert (result.classes, result.names[-1]) == (("yes", "no"), "site[T.c]")


def test_two_ways_to_cluster_by_name():
    data = table()
    named = logit("ill ~ x", data, covariance="cluster", groups=("firm", "site"))
    assert_agrees(named.bse, logit("ill ~ x", data, covariance="cluster", groups=(data.firm, data.site)).bse)


@pytest.mark.parametrize("fit", [ols, logit])
def test_rows_that_two_ways_of_clusters_give_a_negative_variance_have_no_interval(fit):
    found, new = negative_variance(fit)
    with pytest.warns(InferenceWarning, match="give 1 of 2 rows a negative variance, so they have no interval"):
        made = found.predict(new, interval=0.95)
    np.testing.assert_array_equal(np.isnan(made.lower), [True, False])
    if fit is ols:
        with pytest.warns(InferenceWarning, match="negative variance"):
            assert np.isnan(found.predict(new, interval=0.95, of="observation").upper[0])


def negative_variance(fit: Any) -> tuple[Any, pd.DataFrame]:
    """A fit with errors by two ways of clusters, and a row whose variance they make negative, and one of another."""
    for seed in range(500):
        rng = np.random.default_rng(seed)
        data = pd.DataFrame({"x": rng.normal(size=150), "a": rng.integers(0, 8, 150), "b": rng.integers(0, 7, 150)})
        data["y"] = (data.x + rng.logistic(size=150) > 0) if fit is logit else data.x + rng.normal(size=150)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = fit("y ~ x", data, covariance="cluster", groups=("a", "b"))
        for x in np.linspace(-2, 2, 21):
            row, V = np.array([1.0, x]), found.cov_params()
            if row @ V @ row < 0 < np.diagonal(V).min():
                return found, pd.DataFrame({"x": [x, 30.0]})
    raise AssertionError("no such data")


def test_predictions_of_new_rows_have_the_levels_of_the_fit():
    data = table()
    result = logit("ill ~ x + C(site)", data)
    assert_agrees(result.predict(data.iloc[5:7]), result.fittedvalues[5:7])
    with pytest.raises(DataError, match="levels that the rows of the fit did not have: 'z'"):
        result.predict(pd.DataFrame({"x": [0.0], "site": ["z"]}))
    with pytest.raises(ColumnError, match="no column 'site'"):
        result.predict(pd.DataFrame({"x": [0.0]}))


def test_ols_agrees_with_statsmodels():
    data = table()
    theirs, ours = smf.ols("age ~ x + site", data).fit(), ols("age ~ x + site", data)
    order = list(ours.names)
    for name in ("params", "bse", "tvalues", "pvalues"):
        assert_agrees(getattr(ours, name), getattr(theirs, name)[order])
    for name in ("llf", "aic", "bic", "nobs", "df_model", "df_resid", "rsquared", "rsquared_adj", "fvalue", "f_pvalue"):
        assert_agrees(getattr(ours, name), getattr(theirs, name))
    assert_agrees(ours.conf_int(0.9), theirs.conf_int(0.1).loc[order])
    assert_agrees(ours.resid_pearson, theirs.resid_pearson)
    frame = theirs.get_prediction(data.iloc[:4]).summary_frame()
    assert_agrees(ours.predict(data.iloc[:4], interval=0.95).lower, frame["mean_ci_lower"])
    assert_agrees(ours.predict(data.iloc[:4], interval=0.95, of="observation").upper, frame["obs_ci_upper"])


@pytest.mark.parametrize("kind", ["HC0", "HC1", "HC2", "HC3"])
def test_robust_errors_of_ols_agree_with_statsmodels(kind):
    data = table()
    theirs, ours = (
        smf.ols("age ~ x + site", data).fit(cov_type=kind, use_t=True),
        ols("age ~ x + site", data, covariance=kind),
    )
    assert_agrees(ours.bse, theirs.bse[list(ours.names)])
    assert_agrees(ours.pvalues, theirs.pvalues[list(ours.names)])
    assert_agrees(ours.fvalue, theirs.fvalue)


def test_clusters_of_ols_have_the_degrees_of_freedom_of_statsmodels():
    data = table()
    theirs = smf.ols("age ~ x", data).fit(cov_type="cluster", cov_kwds={"groups": data.firm}, use_t=True)
    ours = ols("age ~ x", data, covariance="cluster", groups="firm")
    assert_agrees(ours.bse, theirs.bse)
    assert_agrees(ours.pvalues, theirs.pvalues)
    assert_agrees(ours.conf_int(), theirs.conf_int())


def test_a_wald_test_agrees_with_statsmodels():
    data = table()
    theirs = smf.logit("y ~ x + age + site", data).fit(disp=0, tol=1e-14, method="newton")
    ours = logit("y ~ x + age + site", data)
    for text in ("x = age", "site[T.b] = site[T.c], x = 0.5", "2*x - 3*(age + 1) = 0"):
        known = theirs.wald_test(text.replace("3*(age + 1)", "3*age - 3"), scalar=True)
        assert_agrees([ours.wald_test(text).statistic, ours.wald_test(text).pvalue], [known.statistic, known.pvalue])
    linear, known = ols("age ~ x + site", data), smf.ols("age ~ x + site", data).fit()
    assert_agrees(
        linear.wald_test("site[T.b] = site[T.c] = 0").pvalue, known.f_test("site[T.b] = 0, site[T.c] = 0").pvalue
    )


def test_a_wald_test_of_one_class_among_several():
    data = table()
    result = logit("site ~ x", data)
    assert result.classes == ("a", "b", "c")
    assert result.param_names == ("b: Intercept", "b: x", "c: Intercept", "c: x")
    assert_agrees(result.wald_test("b: x = 0").statistic, result.tvalues[1, 0] ** 2)
    assert result.wald_test("b: x = c: x").df == 1


@pytest.mark.parametrize(
    ("text", "R", "q"),
    [
        ("a", [[1, 0, 0]], [0]),
        ("a = b = c", [[1, -1, 0], [0, 1, -1]], [0, 0]),
        ("-(a - 2 * b) / 4 = 1e1", [[-0.25, 0.5, 0]], [10]),
        ("3 = a", [[-1, 0, 0]], [-3]),
        ("a*2=1,b=c", [[2, 0, 0], [0, 1, -1]], [1, 0]),
    ],
)
def test_a_hypothesis_is_read_as_it_is_written(text, R, q):
    found = linear_hypothesis(text, ["a", "b", "c"])
    np.testing.assert_array_equal(found[0], R)
    np.testing.assert_array_equal(found[1], q)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("x1 = agee", "no parameter 'agee' .* Did you mean 'age'"),
        ("x1 * age = 0", "is not linear"),
        ("1 / x1 = 0", "is not linear"),
        ("x1 = = 0", "cannot be read"),
        ("(x1 = 0", "cannot be read"),
        ("x1 age", "cannot be read"),
        ("", "cannot be read"),
        ("1 = 1", "condition on no parameter"),
    ],
)
def test_a_hypothesis_without_meaning_is_told_why(text, says):
    with pytest.raises(ArgumentError, match=says):
        linear_hypothesis(text, ["x1", "age"])


def test_a_longer_name_is_not_taken_for_a_shorter_one():
    R, _ = linear_hypothesis("x1 = x10, x1:x10 = 0", ["x1", "x10", "x1:x10"])
    np.testing.assert_array_equal(R, [[1, -1, 0], [0, 0, 1]])


def test_spaces_within_a_name_s_brackets_do_not_matter():
    names = ["a", "b", "a-b", "I(a ** 2)", "C(site)[T.b c]"]
    R, _ = linear_hypothesis("I(a**2) = 0, I( a ** 2 ) = C( site )[T.b c], 2 * (a - b) = 0, a-b", names)
    np.testing.assert_array_equal(R, [[0, 0, 0, 1, 0], [0, 0, 0, 1, -1], [2, -2, 0, 0, 0], [0, 0, 1, 0, 0]])


def test_columns_of_any_name_have_robust_f_tests_and_hypotheses():
    data = table()
    plain = ols(data.y, data[["x", "age"]], covariance="HC1")
    for names in ([" x", "age "], ["(", "-"], ["x", "x = 0"]):
        odd = ols(data.y, data[["x", "age"]].set_axis(names, axis=1), covariance="HC1")
        assert (odd.fvalue, odd.f_pvalue) == (plain.fvalue, plain.f_pvalue)
    spaced = ols(data.y, data[["x", "age"]].set_axis([" x", "age "], axis=1), covariance="HC1")
    assert spaced.wald_test("x = 0, age = 0").statistic == plain.fvalue


def test_likelihood_ratios_of_nested_fits_agree_with_statsmodels():
    data = table()
    small, large = logit("y ~ x", data), logit("y ~ x + age + site", data)
    known = [smf.logit(f, data).fit(disp=0).llf for f in ("y ~ x", "y ~ x + age + site")]
    test = small.lr_test(large)
    assert_agrees(test.statistic, 2 * (known[1] - known[0]), 1e-7)
    assert test.df == 3
    assert test == large.lr_test(small)
    with pytest.raises(ArgumentError, match="not of the same ones"):
        small.lr_test(logit("y ~ x + age", data[:100]))
    with pytest.raises(ArgumentError, match="nest one in the other"):
        small.lr_test(small)


@pytest.mark.parametrize(
    "fit",
    [
        lambda f, d, **how: logit(f.replace("_", "y"), d, **how),
        lambda f, d, **how: ols(f.replace("_", "age"), d, **how),
    ],
)
def test_a_likelihood_ratio_of_fits_that_are_not_nested_is_refused(fit):
    data = table()
    large = fit("_ ~ x + site", data)
    with pytest.raises(ArgumentError, match=r"has firm, which is no combination .* Nest one in the other"):
        large.lr_test(fit("_ ~ firm", data))
    with pytest.raises(ArgumentError, match="has x, which is no combination"):
        large.lr_test(fit("_ ~ x", data.assign(x=data.x**2)))
    with pytest.raises(ArgumentError, match="differ in their weights"):
        large.lr_test(fit("_ ~ x", data, weights=np.full(200, 2.0)))
    with pytest.raises(ArgumentError, match="differ in their offset"):
        large.lr_test(fit("_ ~ x", data, offset=np.full(200, 0.1)))
    with pytest.raises(ArgumentError, match=r"differ in their outcomes, \w+ of other rows"):
        large.lr_test(fit("_ ~ x", data[::-1]))
    with pytest.raises(ArgumentError, match="has Intercept, which is no combination"):
        fit("_ ~ x + firm - 1", data).lr_test(fit("_ ~ 1", data))
    assert large.lr_test(fit("_ ~ I(3 * x + 1e6)", data)).df == 2
    assert fit("_ ~ x + C(site) - 1", data).lr_test(fit("_ ~ x", data)).df == 2


@pytest.mark.parametrize("type", [1, 2])
def test_anova_of_ols_agrees_with_statsmodels(type):
    # patsy moves categories to the front, so numbers come last here.
    data = table()
    known = sm.stats.anova_lm(smf.ols("age ~ site + x + site:x", data).fit(), typ=type)
    found = ols("age ~ site + x + site:x", data).anova(type)
    assert found["term"].tolist() == known.index[:-1].tolist()
    assert_agrees(found["statistic"], known["F"][:-1])
    assert_agrees(found["p_value"], known["PR(>F)"][:-1])


def test_anova_of_logit_adds_up_to_the_likelihood_ratio():
    result = logit("y ~ x + site + x:site", table())
    found = result.anova()
    assert_agrees(found["statistic"].sum(), result.llr)
    assert found["df"].tolist() == [1, 2, 2]


@pytest.mark.parametrize("classes", [2, 3])
def test_a_score_test_agrees_with_its_formula(classes):
    data = table()
    y = data.y if classes == 2 else data.site
    small, extra = logit(y, data[["x"]]), data[["age", "firm"]].to_numpy()
    test = small.score_test(extra)
    p = small.fittedvalues if classes == 3 else np.column_stack([1 - small.fittedvalues, small.fittedvalues])
    seen = np.asarray(pd.get_dummies(y), float)
    Z = np.column_stack([np.ones(len(data)), data.x, extra])
    U = np.concatenate([Z.T @ (seen - p)[:, k] for k in range(1, classes)])
    V = np.block([[(Z.T * (p[:, k] * ((k == m) - p[:, m]))) @ Z for m in range(1, classes)] for k in range(1, classes)])
    assert_agrees(test.statistic, U @ np.linalg.solve(V, U), 1e-6)
    assert test.df == 2 * (classes - 1)


def test_a_score_test_of_ols_is_n_r_squared_of_the_residuals():
    data = table()
    small = ols("age ~ x", data)
    auxiliary = ols(small.resid, data[["x", "firm"]])
    assert_agrees(small.score_test(data.firm.to_numpy()).statistic, len(data) * auxiliary.rsquared)


def test_a_score_test_of_a_column_far_from_zero_keeps_its_digits():
    data = table()
    small, extra = logit("y ~ x", data), data.firm.to_numpy()
    assert_agrees(small.score_test(5e9 + extra).statistic, small.score_test(extra).statistic)


@pytest.mark.parametrize("again", ["x", "constant", "twice", "sum"])
def test_a_score_test_of_what_the_fit_has_already_is_refused(again):
    data = table()
    small, z = logit("y ~ x + site", data), data.firm.to_numpy()
    columns = {"x": 1 - 3e-6 * data.x, "constant": np.full(len(data), 0.1), "twice": np.column_stack([z, 2 * z])}
    columns["sum"] = data.x + 1e3 * (data.site == data.site[0])
    with pytest.raises(ArgumentError, match="is a combination of the fit's columns and those before it"):
        small.score_test(columns[again])


def test_a_score_test_takes_sparse_columns():
    data = table()
    small = logit(data.y, sparse.csr_array(data[["x"]].to_numpy()))
    assert_agrees(
        small.score_test(sparse.csr_array(data[["firm"]].to_numpy(float))).statistic,
        small.score_test(data.firm.to_numpy()).statistic,
    )


def test_tables_hold_what_the_result_holds():
    result = logit("y ~ x + site", table())
    tidy = result.tidy(0.9)
    assert tidy["term"].tolist() == list(result.names)
    assert_agrees(tidy["conf_high"], result.conf_int(0.9)[:, 1])
    ratios = result.odds_ratios(0.9)
    assert_agrees(ratios["odds_ratio"], np.exp(result.params))
    assert_agrees(ratios["conf_low"], np.exp(result.conf_int(0.9)[:, 0]))
    assert "<td>site[T.b]</td>" in result._repr_html_()
    assert 0 < result.pseudo_r2.tjur < result.pseudo_r2.nagelkerke < 1
    assert result.events_per_parameter == min(result.sample.outcome.y.sum(), 200 - result.sample.outcome.y.sum()) / 3


def test_a_singular_design_names_the_combination_and_drops_what_it_is_told_to():
    data = table().assign(both=lambda d: 2 * d.x + d.age + 3)
    with pytest.raises(DataError, match=r"both = a constant \+ 2 x \+ age"):
        logit("ill ~ x + age + both", data)
    with pytest.raises(DataError, match="singular"):
        ols("y ~ x + age + both", data)
    for fit, y in ((logit, "ill"), (ols, "y")):
        dropped, without = fit(f"{y} ~ x + age + both", data, singular="drop"), fit(f"{y} ~ x + age", data)
        assert dropped.names == without.names
        assert_agrees(dropped.bse, without.bse)
        assert_agrees(dropped.predict(data[:3]), without.predict(data[:3]))
        assert "linear combinations of other columns: both" in str(dropped.summary())


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda d: logit("ill ~ agee", d), ColumnError, "no column 'agee' in the data. Did you mean 'age'"),
        (lambda d: logit("ill ~ x +", d), ArgumentError, "cannot be read"),
        (lambda d: logit("x + age", d), ArgumentError, "has no outcome: write"),
        (lambda d: logit("ill ~ x | age", d), ArgumentError, "several parts, parted by '|'"),
        (lambda d: logit("ill | times ~ x", d), ArgumentError, "several parts, parted by '|'"),
        (
            lambda d: logit("ill ~ np.exp(x)", d).predict({"x": [0.0, 800.0]}),
            DataError,
            r"'np.exp\(x\)' is inf in row 1",
        ),
        (lambda d: logit("ill ~ x:age", d).predict({"x": [np.inf], "age": [0.0]}), DataError, "is nan in row 0"),
        (lambda d: logit("ill ~ x", 5), ArgumentError, "must be a dataframe or a dict"),
        (lambda d: logit("x ~ age", d), TargetError, "Use ols for numbers"),
        (
            lambda d: logit("text ~ age", d.assign(text=d.x.astype(str))),
            TargetError,
            "text has 200 different values in 200",
        ),
        (lambda d: logit(np.ones(9), np.ones((9, 1))), TargetError, "one class"),
        (lambda d: logit([[1, -1], [2, 3]], np.ones((2, 1))), TargetError, "at least 0"),
        (lambda d: ols("ill ~ age", d), TargetError, "Use logit for classes"),
        (lambda d: logit("ill ~ x", d, weights=-d.times), ArgumentError, r"weights\[0\]=-\d must be at least 0"),
        (lambda d: logit("ill ~ x", d, groups="firm"), ArgumentError, "does not use groups"),
        (lambda d: logit("ill ~ x", d, covariance="cluster"), ArgumentError, "needs groups="),
        (lambda d: logit("ill ~ x", d, covariance="cluster", groups=np.zeros(200)), ArgumentError, "one cluster"),
        (lambda d: logit("ill ~ x", d, covariance="HC9"), ArgumentError, "must be one of nonrobust, HC0"),
        (lambda d: logit("ill ~ x", d, penalty="l3"), ArgumentError, "penalty='l3' must be"),
        (lambda d: logit("ill ~ x", d, penalty=-1), ArgumentError, "at least 0"),
        (lambda d: logit("ill ~ x", d, singular="no"), ArgumentError, "'raise' or 'drop'"),
        (lambda d: logit("ill ~ x * age * site", d[:5]), DataError, "5 rows for 12 parameters"),
        (lambda d: logit(d.ill, d[["x", "site"]]), ColumnError, "column 'site' is of type"),
        (lambda d: logit(d.ill, d[["x"]][:9]), DataError, "y has 200 rows and X 9"),
        (lambda d: logit(d.ill, d[["x"]].where(d.x > 0)), DataError, "column 'x' is nan in row"),
        (lambda d: logit("ill ~ x", d).conf_int(95), ArgumentError, "level=95 must lie between 0 and 1"),
        (lambda d: logit("ill ~ x", d).anova(3), ArgumentError, "type=3 must be"),
    ],
)
def test_bad_input_is_told_in_one_line(call, error, says):
    with pytest.raises(error, match=says) as raised:
        call(table())
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("keep", [pd.DataFrame, separatrix.open])
@pytest.mark.parametrize("numbers", [[1.0, 1.5], range(60)])
def test_numbers_that_are_no_classes_are_refused_wherever_they_are(keep, numbers):
    data = table(600).assign(y=np.resize(numbers, 600))
    with pytest.raises(TargetError, match=r"y holds \d+ numbers, such as .*and logit is for classes"):
        logit("y ~ x", keep(data))


@pytest.mark.parametrize("keep", [pd.DataFrame, separatrix.open])
def test_a_formula_may_use_the_functions_that_python_has(keep):
    data = table()
    found, known = (logit(f"ill ~ {size} + round(age)", keep(data)) for size in ("abs(x)", "np.abs(x)"))
    assert_agrees(found.params, known.params)
    assert pickle.loads(pickle.dumps(found.sample.recipe))(data[:3]).shape == (3, 2)
    with pytest.raises(ColumnError, match="no column 'max'"):
        logit("ill ~ max", keep(data))


@pytest.mark.parametrize("keep", [pd.DataFrame, separatrix.open])
@pytest.mark.parametrize(
    "terms",
    ["age * firm", "age + I(age ** 2)", "big:times", "I(big ** 2)", "np.log(age)", "I(x * 1e5)", "poly(I(age**2), 2)"],
)
def test_numbers_of_few_bits_make_the_columns_that_floats_make(keep, terms):
    data = table().assign(age=lambda d: d.age.round(), big=lambda d: 1e18 + 1e17 * d.age + 1e15 * d.times)
    floats = data.assign(x=lambda d: d.x.astype(np.float32)).astype({"x": float})
    few = floats.astype({"age": np.int8, "firm": np.int8, "times": np.uint8, "big": np.int64, "x": np.float32})
    found, known = (ols(f"y ~ {terms}", keep(each)) for each in (few, floats))
    assert_agrees(found.params, known.params, 1e-6)
    assert_agrees(found.predict(few[:9]), known.predict(floats[:9]), 1e-9)


def test_large_whole_numbers_that_are_levels_keep_their_names():
    data = table().assign(id=lambda d: 10**17 + d.firm % 3)
    assert "C(id)[T.100000000000000001]" in logit("ill ~ C(id)", data).names


def test_without_formulaic_a_formula_says_what_to_install(monkeypatch):
    real = builtins.__import__

    def absent(name, *args):
        if name.startswith("formulaic"):
            raise ImportError(name)
        return real(name, *args)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(SeparatrixError, match=r"pip install 'separatrix\[formula\]'"):
        logit("ill ~ x", {"ill": [0, 1], "x": [1, 2]})


def test_an_intercept_alone_and_none_at_all():
    data = table()
    share = data.y.mean()
    assert_agrees(logit("y ~ 1", data).params, [np.log(share / (1 - share))])
    assert_agrees(ols("age ~ 1", data).bse, [data.age.std() / np.sqrt(200)])
    bare = logit("y ~ x - 1", data)
    assert bare.names == ("x",)
    assert_agrees(bare.anova()["statistic"], [2 * (bare.llf + 200 * np.log(2))])


def test_sparse_columns_and_categories_are_taken_as_they_are():
    data = table()
    want = logit(data.ill, data[["x", "age"]])
    assert_agrees(logit(data.y, sparse.csr_array(data[["x", "age"]].to_numpy())).bse, want.bse)
    assert_agrees(logit(pl.from_pandas(data)["ill"], pl.from_pandas(data)[["x", "age"]]).params, want.params)
    turned = data.ill.astype(pd.CategoricalDtype(["yes", "no"]))
    assert_agrees(logit(turned, data[["x", "age"]]).params, -want.params)


def test_frequencies_of_ols_are_repeated_rows():
    data = table()
    ours, repeated = (
        ols("age ~ x + site", data, weights="times"),
        ols("age ~ x + site", data.loc[data.index.repeat(data.times)]),
    )
    for name in ("params", "bse", "llf", "rsquared", "nobs", "df_resid"):
        assert_agrees(getattr(ours, name), getattr(repeated, name))


@pytest.mark.parametrize("of", ["text", "category", "number"])
def test_a_missing_outcome_is_named(of):
    data = table()
    y = {"text": data.ill, "category": data.ill.astype("category"), "number": data.y}[of]
    with pytest.raises(TargetError, match="is missing in row 7"):
        logit(y.where(data.index != 7), data[["x"]])


def test_a_result_survives_pickling():
    result = logit("ill ~ x", table())
    again = pickle.loads(pickle.dumps(result))
    assert_agrees(again.bse, result.bse)
    assert str(again.summary()) == str(result.summary())


@pytest.mark.parametrize("formula", ["y ~ bs(x, df=4) + z", "y ~ bs(x, df=4) * c", "y ~ cr(x, df=4) + z - 1"])
def test_the_knots_of_rows_that_are_all_at_hand_are_theirs_whatever_else_is_in_the_formula(formula):
    rng = np.random.default_rng(0)
    x, z = rng.gamma(2.0, size=300), rng.normal(size=300)
    y = (np.sin(x) + z + rng.normal(size=300) > 0).astype(int)
    table = pl.DataFrame({"x": x, "z": z, "y": y, "c": np.array(["u", "v", "w"])[rng.integers(0, 3, 300)]})
    np.testing.assert_allclose(logit(formula, separatrix.open(table)).params, logit(formula, table).params, rtol=1e-9)


MONEY = pd.DataFrame(
    {
        "y": np.arange(400) % 2,
        "x": np.random.default_rng(0).normal(size=400),
        "money": [f"${1000 + 7 * k:,}" for k in range(400)],
        "zone": [f"{k // 8}" for k in range(400)],
        "plate": [f"{k % 220:05d}" for k in range(400)],
        "amount": 1.5 * np.arange(400),
    }
)


@pytest.mark.parametrize("keep", ["memory", "file"])
@pytest.mark.parametrize(
    ("term", "message"),
    [
        ("money", r"has 400 different values in 400 rows, such as '\$[\d,]+': it looks like numbers stored as text"),
        ("money:x", r"Make numbers of it in the data, or write C"),
        (
            "C(money)",
            "too many for a category: leave it out, or group its values. It looks like numbers stored as text",
        ),
        (
            "C(plate, contr.sum)",
            r"'plate' has 220 different values in 400 rows, too many for a category: .*values\.$",
        ),
        ("plate", r"column 'plate' has 220 different values in 400 rows, too many for a category"),
        ("C(amount)", "column 'amount' has 400 different values in 400 rows, too many for a category"),
        ("zone", r"column 'zone' has 50 different values in 400 rows.*write C\(zone\) if it is a category"),
    ],
)
def test_a_category_of_nearly_as_many_levels_as_rows_is_refused_at_once(term, message, keep, tmp_path):
    data = MONEY
    if keep == "file":
        MONEY.to_parquet(tmp_path / "money.parquet")
        data = separatrix.open(tmp_path / "money.parquet")
    with pytest.raises(ColumnError, match=message):
        logit(f"y ~ x + {term}", data)
    assert len(ols("amount ~ C(zone)", data).names) == 50


def test_a_category_of_thousands_of_levels_is_refused_at_once():
    data = pd.DataFrame({"y": np.arange(20_000) % 2, "shop": [f"s{k % 4_000}" for k in range(20_000)]})
    with pytest.raises(ColumnError, match="4,000 different values in 20,000 rows; a formula takes up to 2,000"):
        logit("y ~ shop", data)


def test_a_thousand_columns_are_told_apart_by_one_decomposition(monkeypatch):
    asked, triangle = [], design.triangle
    monkeypatch.setattr(design, "triangle", lambda A: asked.append(A.shape) or triangle(A))
    R = triangle(np.random.default_rng(0).standard_normal((1_200, 1_000)))
    names = tuple(f"x{j}" for j in range(1_000))
    assert design.dependences(R, names) == []
    assert asked == [(1_000, 1_000)]
    R[:, 700] = R[:, 3] - 2.0 * R[:, 500]
    assert [str(each) for each in design.dependences(R, names)] == ["x700 = x3 - 2 x500"]
