"""Effects, diagnosis and corrections, asked of a result: against statsmodels, differences of fits, and definitions."""

import pickle
import warnings
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from scipy import sparse

from separatrix import logit, ols
from separatrix.errors import ArgumentError, ColumnError, DataError, InferenceError, TargetError
from separatrix.inference.profile import end_by_fits


def table(n: int = 240) -> pd.DataFrame:
    rng = np.random.default_rng(5)
    data = pd.DataFrame(
        {
            "x": rng.normal(size=n),
            "age": rng.uniform(20, 60, n).round(1),
            "site": rng.choice(list("abc"), n),
            "dose": rng.integers(1, 4, n),
            "smoker": rng.random(n) < 0.4,
            "flag": rng.integers(0, 2, n),
        }
    )
    eta = 0.8 * data.x - 0.03 * (data.age - 40) + 0.7 * data.flag + 0.5 * (data.site == "b")
    data["y"] = (rng.random(n) < 1 / (1 + np.exp(-eta))).astype(int)
    data["class"] = np.argmax(np.column_stack([0 * eta, eta, -0.5 * eta]) + rng.gumbel(size=(n, 3)), axis=1)
    return data


def assert_agrees(ours: Any, theirs: Any, tol: float = 1e-7) -> None:
    np.testing.assert_allclose(np.asarray(ours, float), np.asarray(theirs, float), rtol=tol, atol=1e-10)


def exactly(model: Any) -> Any:
    return model.fit(disp=0, tol=1e-14, method="newton", maxiter=100)


@pytest.mark.parametrize(("at", "theirs"), [("average", "overall"), ("means", "mean")])
def test_effects_of_a_formula_agree_with_statsmodels(at, theirs):
    data = table()
    known = exactly(smf.logit("y ~ x + age + flag", data)).get_margeff(at=theirs, dummy=True)
    found = logit("y ~ x + age + flag", data).marginal_effects(at)
    assert found.variables == ("x", "age", "flag")
    assert found.contrasts == ("slope", "slope", "1 - 0")
    assert_agrees(found.effects[:, 0], known.margeff)
    assert_agrees(found.standard_errors[:, 0], known.margeff_se)
    assert_agrees(found.tidy()["p_value"], known.pvalues, 1e-6)
    assert_agrees(found.tidy(0.9)["conf_low"], known.conf_int(0.1)[:, 0])


def test_effects_of_several_classes_agree_with_statsmodels():
    data = table()
    known = exactly(sm.MNLogit(data["class"], sm.add_constant(data[["x", "age"]]))).get_margeff()
    for result in (logit("class ~ x + age", data), logit(data["class"], data[["x", "age"]])):
        found = result.marginal_effects()
        assert found.classes == ("0", "1", "2")
        assert_agrees(found.effects, known.margeff)
        assert_agrees(found.standard_errors, known.margeff_se)
    assert list(found.tidy().columns[:4]) == ["term", "contrast", "class", "estimate"]


def delta(result: Any, of: Any) -> tuple[float, float]:
    """of(params) and its standard error, by differences."""
    params, h = result.params, 1e-6
    gradient = [(of(params + step) - of(params - step)) / (2 * h) for step in h * np.eye(len(params))]
    return of(params), float(np.sqrt(gradient @ result.cov_params() @ gradient))


def share(X: np.ndarray, params: np.ndarray) -> float:
    return float(np.mean(1 / (1 + np.exp(-X @ params))))


CURVED = "y ~ x * site + np.log(age) + age:flag + I(x ** 2) + C(dose) + smoker"


@pytest.mark.parametrize("at", ["average", {"site": "b"}, {"age": 33.0, "flag": 1}])
def test_a_variable_changes_every_column_that_it_is_part_of(at):
    data, result, h = table(), logit(CURVED, table()), 1e-3
    there = data.assign(**at) if isinstance(at, dict) else data

    def difference(name, low, high):
        designs = [
            np.column_stack([np.ones(len(there)), result.sample.recipe(there.assign(**{name: value}))])
            for value in (low, high)
        ]
        return delta(result, lambda b: share(designs[1], b) - share(designs[0], b))

    found = result.marginal_effects(at).tidy().set_index(["term", "contrast"])[["estimate", "std_error"]]
    for name in ("x", "age"):
        effect = np.array(difference(name, there[name] - h, there[name] + h)) / (2 * h)
        assert_agrees(found.loc[name, "slope"], effect, 1e-4)
    for name, base, level in (("site", "a", "c"), ("dose", 1, 3), ("smoker", False, True), ("flag", 0, 1)):
        assert_agrees(found.loc[name, f"{level} - {base}"], difference(name, base, level), 1e-6)
    assert len(found) == 2 + 2 + 2 + 1 + 1


def test_splines_have_slopes_to_the_ends_of_their_range():
    data = table()
    result = logit("y ~ bs(age, df=4)", data)
    inside = data.age.between(data.age.min() + 0.01, data.age.max() - 0.01)
    up, down = (result.predict(data[inside].assign(age=data.age + step)) for step in (1e-4, -1e-4))
    found = result.marginal_effects()
    assert_agrees(found.effects[0, 0], np.sum(up - down) / 2e-4 / len(data), 0.05)
    assert np.isfinite(found.standard_errors).all()


def test_categories_are_at_their_shares_and_numbers_at_their_means():
    data = table()
    result = logit("y ~ x + site", data)
    share_b, share_c = (data.site == "b").mean(), (data.site == "c").mean()
    eta = (
        result.params @ [1.0, share_b, share_c, data.x.mean()]
        if "site" in result.names[1]
        else (result.params @ [1.0, data.x.mean(), share_b, share_c])
    )
    p = 1 / (1 + np.exp(-eta))
    slope = result.params[list(result.names).index("x")]
    found = result.marginal_effects("means", variables=["x"])
    assert_agrees(found.effects[0, 0], slope * p * (1 - p))


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_array, lambda X: pd.DataFrame(X, columns=["a", "b"])])
def test_effects_of_arrays_are_those_of_their_formula(kind):
    data = table()
    known = logit("y ~ x + flag", data)
    result = logit(data.y.to_numpy(), kind(data[["x", "flag"]].to_numpy(float)))
    first = result.names[1]
    for at, theirs in (("average", "average"), ("means", "means"), ({first: 0.5}, {"x": 0.5})):
        ours, other = result.marginal_effects(at), known.marginal_effects(theirs)
        assert_agrees(ours.effects, other.effects)
        assert_agrees(ours.standard_errors, other.standard_errors)


def test_frequencies_offsets_and_robust_errors_count_in_effects():
    data = table().assign(times=lambda d: d.dose, shift=lambda d: 0.1 * d.age)
    once = logit("y ~ x + flag", data, weights="times", offset="shift", covariance="HC0")
    rows = data.loc[data.index.repeat(data.times)].reset_index(drop=True)
    often = logit("y ~ x + flag", rows, offset="shift", covariance="HC0")
    for at in ("average", "means"):
        assert_agrees(once.marginal_effects(at).effects, often.marginal_effects(at).effects)
    assert_agrees(once.marginal_effects().standard_errors, often.marginal_effects().standard_errors, 1e-6)


def test_effects_of_a_linear_model_are_slopes_at_the_mean_with_t_intervals():
    data = table()
    result = ols("x ~ age * flag", data)
    found = result.marginal_effects()
    b, share_flag = result.params, data.flag.mean()
    assert_agrees(found.effects[:, 0], [b[1] + b[3] * share_flag, b[2] + b[3] * data.age.mean()])
    assert_agrees(found.df, result.df_resid)
    g = np.array([0.0, 1.0, 0.0, share_flag])
    assert_agrees(found.standard_errors[0, 0], np.sqrt(g @ result.cov_params() @ g))


def test_effects_come_in_the_kind_of_dataframe_that_was_given():
    found = logit("y ~ x", pl.from_pandas(table())).marginal_effects()
    assert isinstance(found.tidy(), pl.DataFrame)
    assert "x slope" in str(found)


def test_influence_agrees_with_statsmodels():
    data = table()
    theirs = smf.glm("y ~ x + age", data, family=sm.families.Binomial()).fit(tol=1e-14).get_influence()
    found = logit("y ~ x + age", data).influence()
    assert_agrees(found.leverage, theirs.hat_matrix_diag)
    assert_agrees(found.cooks_distance, theirs.cooks_distance[0])
    tidy = found.tidy()
    assert list(tidy.columns[-3:]) == ["dfbetas Intercept", "dfbetas x", "dfbetas age"]
    known = smf.ols("x ~ age + flag", data).fit().get_influence()
    linear = ols("x ~ age + flag", data).influence()
    assert_agrees(linear.leverage, known.hat_matrix_diag)
    assert_agrees(linear.dfbeta, known.dfbeta)
    assert_agrees(linear.cooks_distance, known.cooks_distance[0])
    assert_agrees(linear.dfbetas, known.dfbetas)


def test_residuals_of_influence_are_those_of_the_result():
    result = logit("y ~ x + age", table())
    found = result.influence()
    assert_agrees(found.pearson, result.resid_pearson)
    assert_agrees(found.deviance, result.resid_deviance)


def test_variance_inflation_agrees_with_statsmodels_and_near_dependence_is_told_in_the_summary():
    from statsmodels.stats.outliers_influence import variance_inflation_factor

    data = table().assign(near=lambda d: d.x + 0.01 * np.cos(np.arange(len(d))))
    result = logit("y ~ x + near + flag", data)
    design = np.column_stack([np.ones(len(data)), data.x, data.near, data.flag])
    assert_agrees(result.collinearity().variance_inflation, [variance_inflation_factor(design, j) for j in (1, 2, 3)])
    note = " ".join(str(result.summary()).split())
    assert "x, near nearly depend on each other" in note
    assert "nearly depend" not in str(logit("y ~ x + age", data).summary())


def test_few_events_are_told_in_the_summary():
    data = table()
    few = " ".join(str(logit("y ~ x + age + flag", data[:40]).summary()).split())
    assert "events per parameter, fewer than 10" in few
    assert "Firth's penalty takes that bias out" in few
    assert "fewer than 10" not in str(logit("y ~ x", data).summary())


def test_calibration_is_of_the_rows_that_are_given():
    data = table()
    result, new = logit("y ~ x + flag", data[:150]), data[150:]
    eta = result.sample.recipe(new) @ result.params[1:] + result.params[0]
    line = sm.GLM(new.y, sm.add_constant(eta), sm.families.Binomial()).fit(tol=1e-14)
    found = result.calibration(new)
    assert_agrees([found.intercept, found.slope], line.params, 1e-6)
    assert_agrees([result.calibration().slope, result.calibration().intercept], [1.0, 0.0], 1e-5)
    arrays = logit(data.y[:150], data[["x", "flag"]][:150])
    assert_agrees(arrays.calibration(new[["x", "flag"]], new.y).slope, found.slope)
    assert result.hosmer_lemeshow(5, new).df == 5
    assert result.hosmer_lemeshow(5).df == 3


def test_calibration_reads_labels_and_groups_as_the_fit_did():
    data = table().assign(ill=lambda d: np.where(d.y == 1, "yes", "no"))
    named, coded = logit("ill ~ x", data), logit("y ~ x", data)
    assert_agrees(named.calibration(data[:90]).slope, coded.calibration(data[:90]).slope)
    with pytest.raises(TargetError, match=r"ill holds maybe, and the classes of the fit are no, yes"):
        named.calibration(data[:90].assign(ill="maybe"))
    counts = pd.DataFrame({"x": [0.0, 1.0, 2.0, 3.0], "won": [1, 3, 4, 7], "lost": [6, 4, 4, 1]})
    grouped = logit("won + lost ~ x", counts)
    rows = counts.loc[counts.index.repeat(counts.won + counts.lost)]
    y = np.concatenate([np.repeat([1, 0], pair) for pair in zip(counts.won, counts.lost, strict=True)])
    single = logit(y, rows[["x"]])
    assert_agrees(grouped.calibration(counts[:3]).slope, single.calibration(rows[["x"]][:22], y[:22]).slope)


def test_a_prior_moves_the_intercept_and_the_predictions_and_nothing_else():
    data = table()
    plain, moved = logit("y ~ x + flag", data), logit("y ~ x + flag", data, prior=0.01)
    rate = data.y.mean()
    shift = np.log(0.01 / 0.99 * (1 - rate) / rate)  # King and Zeng 2001, equation 7
    assert_agrees(moved.params - plain.params, [shift, 0.0, 0.0])
    assert_agrees(moved.bse, plain.bse)
    assert_agrees(moved.llf, plain.llf)
    assert_agrees(moved.fittedvalues, plain.fittedvalues)
    ends = [result.conf_int(method="profile") for result in (plain, moved)]
    assert_agrees(ends[1] - ends[0], [[shift] * 2, [0.0] * 2, [0.0] * 2], 1e-6)
    odds = plain.predict(data) / (1 - plain.predict(data)) * np.exp(shift)
    assert_agrees(moved.predict(), odds / (1 + odds))
    assert_agrees(moved.predict(data, interval=0.95).mean, odds / (1 + odds))
    assert "a rate of events of 0.01" in " ".join(str(moved.summary()).split())
    firth = logit("y ~ x + flag", data, penalty="firth", prior=0.01)
    assert_agrees(firth.params[0], logit("y ~ x + flag", data, penalty="firth").params[0] + shift)
    assert firth.conf_int()[0, 0] < firth.params[0] < firth.conf_int()[0, 1]


def test_average_effects_with_a_prior_weigh_rows_as_the_population_has_them():
    rng = np.random.default_rng(1)
    x = rng.normal(size=60_000)
    y = (rng.random(60_000) < 1 / (1 + np.exp(3.0 - x))).astype(int)
    cases, controls = np.flatnonzero(y), np.flatnonzero(y == 0)
    some = np.append(cases, rng.choice(controls, len(cases), replace=False))
    whole = logit(y, x).marginal_effects()
    sampled = logit(y[some], x[some], prior=float(y.mean())).marginal_effects()
    assert abs(sampled.effects[0, 0] - whole.effects[0, 0]) < 3 * sampled.standard_errors[0, 0] + 0.003
    assert abs(logit(y[some], x[some]).marginal_effects().effects[0, 0] - whole.effects[0, 0]) > 0.05


def test_king_zeng_is_near_firth_and_its_bias_is_their_formula():
    data = table()
    plain, ours = logit("y ~ x + flag", data), logit("y ~ x + flag", data, alpha_correction="king-zeng")
    X, p = np.column_stack([np.ones(len(data)), data.x, data.flag]), plain.fittedvalues
    Q = np.einsum("ij,jk,ik->i", X, plain.cov_params(), X)
    bias = plain.cov_params() @ X.T @ (p * (1 - p) * 0.5 * Q * (2 * p - 1))  # their equation 16, with equal weights
    assert_agrees(ours.params, plain.params - bias)
    firth = logit("y ~ x + flag", data, penalty="firth")
    assert np.abs(ours.params - firth.params).max() < 0.1 * np.abs(plain.params - firth.params).max()
    assert "less their bias where events are rare" in " ".join(str(ours.summary()).split())
    with pytest.raises(InferenceError, match="Use method='wald', or penalty='firth'"):
        ours.conf_int(method="profile")


SCALE = 10.0


def decade(values):
    return values / SCALE


def test_a_formula_sees_the_functions_and_numbers_of_its_caller():
    data, other = table(), np.linspace(0, 1, 240)
    unit = 10.0  # noqa: F841
    want = logit("y ~ I(age / 10)", data)
    assert_agrees(logit("y ~ decade(age)", data).params, want.params)
    assert_agrees(logit("y ~ I(age / unit)", data).params, want.params)
    assert_agrees(ols("x ~ decade(age)", data).params, ols("x ~ I(age / 10)", data).params)
    beside = logit("y ~ x + other", data)
    assert_agrees(beside.params, logit("y ~ x + other", data.assign(other=other)).params)
    again = pickle.loads(pickle.dumps(logit("y ~ decade(age)", data)))
    assert_agrees(again.predict(data[:3]), want.predict(data[:3]))
    assert_agrees(again.marginal_effects().effects, want.marginal_effects().effects)


def test_columns_come_before_the_names_of_the_caller():
    data, x, center = table(), 5.0, 3
    assert (x, center) == (5.0, 3)  # which no formula takes for its own
    assert logit("y ~ x", data).names == ("Intercept", "x")
    assert_agrees(logit("y ~ center(x)", data).params[1], logit("y ~ x", data).params[1])


def test_rows_with_a_gap_in_an_argument_are_left_out():
    data = table()
    data.loc[3, "age"] = np.nan
    assert logit("y ~ bs(age, df=4)", data).nobs == len(data) - 1
    assert logit("y ~ poly(x, 2)", data).nobs == len(data)


def separated() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    x = rng.integers(0, 2, 30)
    return pd.DataFrame({"x": x, "y": np.where(x == 1, 1, rng.integers(0, 3, 30))})


def test_a_profile_that_never_falls_is_open_on_both_sides():
    data = separated()
    with pytest.warns(UserWarning, match="no finite estimate"):
        result = logit("y ~ x", data)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = result.conf_int(method="profile")
    # With x = 1 every row is 1: against 0, class 1's odds grow, and those of 2 can do as they please.
    assert np.isfinite(found[0]).all()
    assert np.isfinite(found[1, 0, 0])
    assert found[1, 0, 1] == np.inf
    assert found[1, 1].tolist() == [-np.inf, np.inf]


@pytest.mark.slow
def test_no_end_of_a_profile_is_nan_without_a_warning():
    unsaid = []
    for seed in (0, 3, 8, 12, 18, 20, 27, 33):  # of which some let curvatures vanish to the last digit
        rng = np.random.default_rng(seed)
        X = rng.integers(0, 2, (14, 2)) * 1.0
        y = np.where(X[:, 0] == 1, 1, rng.integers(0, 3, 14))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                ends = logit(y, X, singular="drop").conf_int(method="profile")
            except DataError:
                continue
        said = any("not followed to an end" in str(w.message) or "were not found" in str(w.message) for w in caught)
        unsaid += [seed] if np.isnan(ends).any() and not said else []
    assert unsaid == []


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda d: logit("y ~ x", d).marginal_effects("mean"), ArgumentError, "at='mean' must be 'average', 'means'"),
        (lambda d: logit("y ~ age", d).marginal_effects({"agee": 3}), ColumnError, "'agee'.* Did you mean 'age'"),
        (lambda d: logit("y ~ x", d).marginal_effects(variables=["z"]), ColumnError, "no variable 'z' in the model"),
        (lambda d: logit("y ~ site", d).marginal_effects({"site": "q"}), DataError, "levels .* not have: 'q'"),
        (lambda d: logit("y ~ smoker", d).marginal_effects({"smoker": "no"}), ArgumentError, "must be True or False"),
        (lambda d: logit("y ~ x", d).marginal_effects({"x": "a"}), ArgumentError, "x='a' must be a finite number"),
        (lambda d: logit(d.y, d[["x"]]).marginal_effects({"x": "a"}), ArgumentError, "must be a finite number"),
        (lambda d: logit("y ~ x", d, penalty=1.0).marginal_effects(), InferenceError, "penalty='firth'"),
        (lambda d: logit("class ~ x", d).influence(), ArgumentError, "one linear predictor"),
        (lambda d: logit("class ~ x", d).calibration(), ArgumentError, "the outcome has 3"),
        (lambda d: logit(d.y, d[["x"]]).calibration(d[["x"]]), ArgumentError, "y is missing"),
        (lambda d: logit("y ~ x", d, prior=1.5), ArgumentError, "prior=1.5 must be below 1"),
        (lambda d: logit("y ~ x - 1", d, prior=0.1), ArgumentError, "this model has none"),
        (lambda d: logit("class ~ x", d, prior=0.1), ArgumentError, "the outcome has 3"),
        (lambda d: logit("y ~ x", d, alpha_correction="kz"), ArgumentError, "must be None or 'king-zeng'"),
        (
            lambda d: logit("y ~ x", d, alpha_correction="king-zeng", penalty="firth"),
            ArgumentError,
            "takes a bias that penalty='firth' has changed",
        ),
        (lambda d: logit("y ~ nofunction(x)", d), ColumnError, "no column 'nofunction'"),
        (lambda d: logit("y ~ np.foo(x)", d), ArgumentError, "cannot be computed: .*no attribute 'foo'"),
        (lambda d: ols("x ~ age", d, penalty="firth"), ArgumentError, "at least 0, or 'l2'"),
        (lambda d: ols("x ~ agge", d), ColumnError, "no column 'agge' in the data. Did you mean 'age'"),
        (lambda d: ols("x ~ age * site * dose", d[:6]), DataError, "6 rows for"),
        (lambda d: ols("x ~ age", d, weights=-d.dose), ArgumentError, r"weights\[0\]=-\d must be at least 0"),
        (lambda d: ols("x ~ age", d, covariance="cluster", groups=np.zeros(240)), ArgumentError, "one cluster"),
        (lambda d: logit("y ~ x + I(2 * x)", d), DataError, "singular: .* = 2 x"),
    ],
)
def test_bad_questions_are_told_in_one_line(call, error, says):
    with pytest.raises(error, match=says) as raised:
        call(table())
    assert "\n" not in str(raised.value)


def test_a_variable_whose_method_makes_a_column_has_an_effect_and_a_date_has_none():
    data = table().assign(day=lambda d: pd.date_range("2020-01-01", periods=len(d)))
    found, known = (logit(formula, data).marginal_effects().effects for formula in ("y ~ x.abs()", "y ~ np.abs(x)"))
    assert_agrees(found, known)
    assert logit("y ~ x + C(day.dt.month)", data).marginal_effects().tidy()["term"].tolist() == ["x"]


def test_effects_and_influence_of_infinite_estimates_are_refused():
    data = separated().query("y != 2")
    with pytest.warns(UserWarning, match="no finite estimate"):
        result = logit("y ~ x", data)
    for ask in (result.marginal_effects, result.influence):
        with pytest.raises(InferenceError, match="Use penalty='firth'"):
            ask()
    assert np.isfinite(logit("y ~ x", data, penalty="firth").marginal_effects().standard_errors).all()


def test_the_finite_end_of_an_infinite_estimate_has_the_likelihood_it_promises():
    for seed in (0, 4, 8, 16, 20):
        rng = np.random.default_rng(seed)
        X = np.column_stack([rng.integers(0, 2, 25), rng.normal(size=25).round(1)])
        y = np.where(X[:, 0] == 1, 1, rng.integers(0, 2, 25))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = logit(y, X)
        low, high = result.conf_int(method="profile")[1]
        assert high == np.inf
        held = logit(y, X[:, 1], offset=low * X[:, 0])
        assert_agrees(2 * (result.llf - held.llf), 3.841458820694124, 1e-5)


@pytest.mark.filterwarnings("ignore::separatrix.errors.SeparationWarning")
def test_the_finite_ends_of_separated_classes_are_found_however_far_out_their_optimum_lies():
    for seed in (133, 231, 267, 354):
        X = np.random.default_rng(seed).normal(size=(20, 2))
        y = 1 * (X.sum(axis=1) > 0.2)
        ends = logit(y, X).conf_int(method="profile")
        assert not np.isnan(ends).any()
        for end in ends[0][np.isfinite(ends[0])]:
            held = logit(y, X, intercept=False, offset=np.full(20, end))
            assert_agrees(-2 * held.llf, 3.841458820694124, 1e-5)


def test_ends_by_fits_are_those_of_venzon_and_moolgavkar():
    result = logit("y ~ x + flag", table())
    ends, objective = result.conf_int(method="profile"), result.estimate.objective
    for j, row in ((0, 1), (1, 2), (2, 0)):
        contrast = np.eye(3)[j][:, None]
        for z, end in zip((-1.959963984540054, 1.959963984540054), ends[row], strict=True):
            assert_agrees(end_by_fits(objective, result.estimate.theta, contrast, z), end, 1e-6)
