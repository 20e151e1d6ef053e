"""Inference in the command: the statistician's numbers, kept in the model file, and no interval that is not known."""

import io
import json
import re
from functools import cache
from pathlib import Path

import narwhals as nw
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from numpy.testing import assert_allclose
from rich.console import Console

from seldom import seldom
from separatrix import logit, ols
from separatrix.data.tables.columns import Columns
from separatrix.data.tables.side_columns import Beside
from separatrix.data.tables.target import learn_target
from separatrix.errors import ArgumentError, ColumnError, DataError, InferenceError, ModelError
from separatrix.export.json import encoded, read_model
from separatrix.report.estimates import summarize_estimates
from separatrix.report.summarize import number, summarize
from separatrix.report.terminal import show
from separatrix.settings import Settings
from separatrix.training import fit, train


def patients(rows: int = 600, seed: int = 0) -> pd.DataFrame:
    """A number, a number far from zero, a category, and outcomes of two classes, three, and a number; a weight, counts,
    clusters and an exposure."""
    random = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "age": random.normal(50, 12, rows),
            "born": 1.6e9 + 3e6 * random.normal(size=rows),
            "city": random.choice(["Rome", "Oslo", "Bergen"], rows, p=[0.5, 0.3, 0.2]),
            "w": random.uniform(0.5, 4.0, rows),
            "times": random.integers(0, 4, rows),
            "ward": random.integers(0, 25, rows),
            "exposure": random.normal(size=rows),
        }
    )
    eta = (frame.age - 50) / 15 + 0.8 * (frame.city == "Oslo") - frame.exposure
    frame["left"] = np.where(eta + random.logistic(size=rows) > 0, "yes", "no")
    frame["size"] = np.array(["large", "medium", "small"])[np.digitize(eta + random.logistic(size=rows), [-1, 1])]
    frame["cost"] = 3 * eta + random.normal(size=rows)
    return frame


FEATURES = ["age", "born", "city"]
OUTCOMES = ["left", "size", "cost"]


def fitted(outcome: str, frame: pd.DataFrame | None = None, keep: tuple[str, ...] = (), **settings):
    """The training of an outcome by the features, with inference."""
    frame = patients() if frame is None else frame
    table = nw.from_native(frame[[*FEATURES, *keep, outcome]])
    return train(table, outcome, Settings(inference=True, regression=outcome == "cost", **settings))


@cache
def plain(outcome: str):
    """The same without further settings, once."""
    return fitted(outcome)


def door(training, **arguments):
    """The same regression by the statistician's door, of the same encoded rows."""
    model = training.model
    X = pd.DataFrame(np.asarray(training.X), columns=model.columns.feature_names)
    if model.task == "linear":
        return ols(training.y, X, **arguments)
    return logit(np.array(model.target.classes)[training.y], X, **arguments)


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_the_table_is_that_of_the_statisticians_door_on_the_same_rows(outcome):
    training = plain(outcome)
    summary = summarize_estimates(training.inferred)
    theirs = door(training).tidy()
    rows = [row for part in summary["parts"] for row in part["rows"]]
    names = {"coefficient": "estimate", "statistic": "statistic", "p_value": "p_value", "low": "conf_low"}
    for ours, name in (names | {"high": "conf_high", "std_error": "std_error"}).items():
        assert_allclose([row[ours] for row in rows], theirs[name], rtol=1e-8)
    if outcome != "cost":
        assert_allclose([row["odds_ratio"] for row in rows], np.exp(theirs["estimate"]), rtol=1e-8)
    assert summary["observations"] == f"{len(training.y)}"
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("outcome", OUTCOMES)
def test_the_terminal_shows_every_number_of_the_table(outcome, width):
    training = plain(outcome)
    out = io.StringIO()
    parts = (training.model, training.evaluation, training.findings)
    summary = summarize(*parts, data="clinic.csv", rows=training.rows, inferred=training.inferred)
    show(summary, Console(file=out, width=width))
    text = out.getvalue()
    theirs = door(training).tidy()
    for name in ("estimate", "std_error", "conf_low", "conf_high"):
        assert all(number(float(value)) in text for value in theirs[name])
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text


@pytest.mark.parametrize("width", [60, 80, 100])
def test_labels_can_be_read_beside_large_numbers_at_any_width(width):
    random = np.random.default_rng(0)
    ward = random.choice(["intensive care", "the emergency department of the hospital", "other"], 300)
    table = {"ward": ward, "millions": random.normal(0, 1e7, 300), "millionths": random.normal(0, 1e-6, 300)}
    table["cost"] = 1e6 * (random.normal(size=300) + (ward == "other"))
    training = train(nw.from_dict(table, backend="pyarrow"), "cost", Settings(inference=True, regression=True))
    parts = (training.model, training.evaluation, training.findings)
    summary = summarize(*parts, data="clinic.csv", rows=training.rows, inferred=training.inferred)
    out = io.StringIO()
    show(summary, Console(file=out, width=width))
    shown = out.getvalue().partition("Estimates, ")[2].partition("Tests: ")[0]
    assert {"Intercept", "millions", "millionths", "emergency", "department"} <= set(shown.split())
    for row in summary["estimates"]["parts"][0]["rows"]:
        assert {number(row[name]) for name in ("coefficient", "std_error", "low", "high")} <= set(shown.split())
    assert max(map(len, shown.splitlines())) <= width
    (heads,) = (line for line in shown.splitlines() if "high" in line)
    assert "low" in heads


def test_statsmodels_has_the_same_estimates_errors_and_likelihood():
    training = plain("left")
    theirs = sm.Logit(training.y, sm.add_constant(centred(training.X))).fit(disp=0, tol=1e-12)
    result = training.inferred.result
    assert_allclose(result.params[1:], theirs.params[1:], rtol=1e-7)
    assert_allclose(result.bse[1:], theirs.bse[1:], rtol=1e-7)
    summary = summarize_estimates(training.inferred)
    overall = summary["tests"][0]
    assert (overall["what"], overall["method"]) == ("all columns", "Likelihood ratio")
    assert overall["value"] == pytest.approx(theirs.llr, rel=1e-8)
    assert overall["p_value"] == pytest.approx(theirs.llr_pvalue, rel=1e-6)
    facts = {fact["fact"]: fact["value"] for fact in summary["facts"]}
    assert facts["R², McFadden"] == pytest.approx(theirs.prsquared)
    assert facts["AIC"] == pytest.approx(theirs.aic)


def centred(X):
    """X with every column about its mean: the same slopes, and statsmodels stays accurate."""
    return np.asarray(X) - np.asarray(X).mean(axis=0)


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_a_category_is_tested_with_all_its_levels_together(outcome):
    training = plain(outcome)
    result = door(training)
    classes = result.sample.outcome.classes[1:] if outcome == "size" else [""]
    cities = [name for name in training.model.columns.feature_names if name.startswith("city")]
    named = [f"{label}: {city}" if label else city for label in classes for city in cities]
    expected = result.wald_test(", ".join(f"{name} = 0" for name in named))
    (found,) = [test for test in summarize_estimates(training.inferred)["tests"] if test["what"] == "city"]
    assert found["value"] == pytest.approx(expected.statistic, rel=1e-8)
    assert found["p_value"] == pytest.approx(expected.pvalue, rel=1e-6)
    assert found["method"] == ("F" if outcome == "cost" else "Wald")


@pytest.mark.parametrize("of", ["mean", "observation"])
@pytest.mark.parametrize("outcome", OUTCOMES)
def test_intervals_of_the_model_file_are_those_of_the_fit_and_hold_their_prediction(outcome, of, tmp_path):
    training = plain(outcome)
    (tmp_path / "model.json").write_bytes(encoded(training.model))
    model = read_model(tmp_path / "model.json")
    new = nw.from_native(patients(50, seed=1)[FEATURES])
    if outcome != "cost" and of == "observation":
        with pytest.raises(ArgumentError, match="of='observation' is for linear models"):
            model.predict(new, level=0.9, of=of)
        return
    prediction = model.predict(new, level=0.9, of=of)
    low, high = prediction.interval
    X = pd.DataFrame(np.asarray(model.columns.encode(new).X), columns=model.columns.feature_names)
    said = door(training).predict(X, interval=0.9, **({"of": of} if outcome == "cost" else {}))
    K = prediction.values.shape[1]
    of_all = K if outcome == "size" else 1
    assert_allclose(prediction.values[:, K - of_all :], said.mean.reshape(50, -1), rtol=1e-7)
    assert_allclose(low[:, K - of_all :], said.lower.reshape(50, -1), rtol=1e-7)
    assert_allclose(high[:, K - of_all :], said.upper.reshape(50, -1), rtol=1e-7)
    assert np.all((low < prediction.values) & (prediction.values < high))
    if outcome == "left":  # what is not the one class is the other
        assert_allclose(low[:, 0], 1 - high[:, 1], rtol=1e-7)


@pytest.mark.parametrize("target", ["number", "chosen"])
def test_intervals_of_powers_of_a_year_are_those_of_its_distance_from_the_middle(run, target):
    random = np.random.default_rng(0)
    year = random.integers(1980, 2021, 300).astype(float)
    c = (year - 2000.0) / 20.0
    number = c + c**2 - c**4 + random.logistic(size=300)
    found = []
    for x in (year, c):
        powers = {f"x{k}": x**k for k in range(1, 5)}
        pd.DataFrame({**powers, target: number if target == "number" else number > 0}).to_csv("rows.csv", index=False)
        kind = ["--regression"] if target == "number" else []
        assert run("fit", "rows.csv", "--target", target, "--inference", "--test-size", "0", *kind)[0] == 0
        assert run("predict", "model.json", "rows.csv", "--interval", "0.9", "--out", "limits.csv")[0] == 0
        limits = pd.read_csv("limits.csv")
        found.append(limits[[name for name in limits if "lower" in name or "upper" in name]].to_numpy())
    assert found[0].shape[1] >= 2
    np.testing.assert_allclose(found[0], found[1], atol=1e-5)


@pytest.mark.slow
def test_an_interval_covers_the_truth_as_often_as_it_says():
    random = np.random.default_rng(3)
    row, covered = nw.from_dict({"x": [1.0]}, backend="pyarrow"), 0
    for _ in range(200):
        x = random.normal(size=120)
        y = random.random(120) < 1 / (1 + np.exp(0.3 - 0.8 * x))
        table = nw.from_dict({"x": x.tolist(), "y": y.tolist()}, backend="pyarrow")
        low, high = train(table, "y", Settings(inference=True)).model.predict(row, level=0.8).interval
        covered += low[0, 1] <= 1 / (1 + np.exp(-0.5)) <= high[0, 1]
    assert 0.73 < covered / 200 < 0.87


def test_predict_writes_a_lower_and_an_upper_column_for_each_probability(run):
    patients()[[*FEATURES, "left"]].to_csv("data.csv", index=False)
    assert run("fit", "data.csv", "--target", "left", "--inference")[0] == 0
    code, out, err = run("predict", "model.json", "data.csv", "--interval", "0.95")
    assert (code, err) == (0, "")
    names = [f"P({label}){end}" for label in ("no", "yes") for end in ("", " lower", " upper")]
    assert out.splitlines()[0].replace('"', "") == ",".join(["row", "prediction", *names])
    table = pd.read_csv(io.StringIO(out))
    assert (table["P(yes) lower"] < table["P(yes)"]).all()
    assert (table["P(yes)"] < table["P(yes) upper"]).all()
    assert run("predict", "model.json", "data.csv")[1].count("lower") == 0


def test_a_model_without_a_covariance_says_how_to_get_one(run, fitted):
    fitted("iris")
    code, out, err = run("predict", "model.json", "iris", "--interval", "0.95")
    assert (code, out) == (1, "")
    assert "fit it with --inference" in err
    assert len(err.strip().splitlines()) == 1


def test_a_level_that_is_none_is_refused(run):
    run("fit", "diabetes", "--inference")
    code, _, err = run("predict", "model.json", "diabetes", "--interval", "95")
    assert code == 2
    assert "separatrix: interval=95.0 must lie between 0 and 1" in err
    code, out, err = run("predict", "model.json", "diabetes", "--of", "observation")
    assert (code, out) == (2, "")
    assert "give its level too" in err


# the model file


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_the_covariance_survives_the_model_file_bit_for_bit(outcome, tmp_path):
    model = plain(outcome).model
    (tmp_path / "model.json").write_bytes(encoded(model))
    assert read_model(tmp_path / "model.json") == model
    P, K = len(model.columns.feature_names) + 1, max(len(model.target.classes) - 1, 1)
    assert np.shape(model.errors.covariance) == (P * K, P * K)


def test_a_model_file_from_before_there_were_covariances_still_reads(run, fitted):
    fitted("iris")
    content = json.loads(Path("model.json").read_text())
    for name in ("errors", "offset", "weight"):
        assert content["model"].pop(name) is None
    Path("model.json").write_text(json.dumps(content))
    assert run("predict", "model.json", "iris")[0] == 0


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda errors: errors["covariance"].pop(), "covariance has 4 entries where 5 are due"),
        (lambda errors: errors["covariance"][3].pop(), "covariance[3] has 4 entries where 5 are due"),
        (lambda errors: errors["centre"].append(0.0), "centre has 5 entries where 4 are due"),
        (lambda errors: errors.update(spare=1), "spare"),
        (lambda errors: errors.update(turn=[[1.0]]), "turn has 1 entries where 5 are due"),
        (lambda errors: errors["infinite"].append("nose"), "infinite='nose' is no feature"),
        (lambda errors: errors["covariance"][0].__setitem__(0, "1"), "Expected `float`"),
    ],
)
def test_a_damaged_covariance_is_refused(tmp_path, damage, said):
    (tmp_path / "model.json").write_bytes(encoded(plain("cost").model))
    content = json.loads((tmp_path / "model.json").read_text())
    damage(content["model"]["errors"])
    (tmp_path / "model.json").write_text(json.dumps(content))
    with pytest.raises(ModelError, match=re.escape(said)):
        read_model(tmp_path / "model.json")


# what has no finite estimate, or no own


def separated(rows: int = 200) -> pd.DataFrame:
    """All rows of one level are of one class, and a column repeats two others."""
    frame = patients(rows)
    frame["city"] = np.where(np.arange(rows) % 20 == 0, "Ny-Ålesund", frame["city"])
    frame.loc[frame.city == "Ny-Ålesund", "left"] = "yes"
    frame["born"] = 2 * frame["age"] - 5
    return frame


def test_an_infinite_estimate_is_shown_as_such_without_a_wald_row_and_explained():
    training = fitted("left", separated())
    summary = summarize_estimates(training.inferred)
    rows = {row["feature"]: row for row in summary["parts"][0]["rows"]}
    infinite = rows["city = Ny-Ålesund"]
    assert infinite["infinite"] == "+inf"
    assert {infinite[name] for name in infinite if name not in ("feature", "infinite")} == {None}
    assert rows["age"]["infinite"] is None
    assert np.isfinite(rows["age"]["std_error"])
    notes = " ".join(summary["notes"])
    assert "No finite estimate exists for city = Ny-Ålesund: no row with" in notes or "every row" in notes
    assert "No Wald test of city: an estimate is infinite." in notes
    assert "city" not in [test["what"] for test in summary["tests"]]


def test_beside_an_infinite_intercept_every_odds_ratio_that_is_finite_is_shown():
    x = np.random.default_rng(0).normal(size=60)
    table = {"x": x, "ward": ["a"] * 20 + ["b"] * 20 + ["c"] * 20, "y": [0] * 20 + [int(v > 0) for v in x[20:]]}
    table["y"][25] = 1 - table["y"][25]
    table["y"][45] = 1 - table["y"][45]
    training = train(nw.from_dict(table, backend="pyarrow"), "y", Settings(inference=True, test_size=0))
    parts = (training.model, training.evaluation, training.findings)
    summary = summarize(*parts, data="clinic.csv", rows=training.rows, inferred=training.inferred, held_out=False)
    first, *features = summary["estimates"]["parts"][0]["rows"]
    assert first["infinite"]
    out = io.StringIO()
    show(summary, Console(file=out, width=80))
    shown = out.getvalue().partition("odds ratio")[2].partition("Tests")[0]
    known = [row["feature"] for row in features if row["odds_ratio"] is not None]
    assert known
    assert [name for name in known if name not in shown] == []


def test_a_column_that_repeats_others_is_named_and_left_out():
    training = fitted("left", separated())
    assert "born = a constant + 2 age" in " ".join(summarize_estimates(training.inferred)["notes"])
    born = training.model.columns.feature_names.index("born")
    assert training.model.coefficients[0][born] == 0
    prediction = training.model.predict(nw.from_native(separated()[FEATURES]), level=0.95)
    assert np.isfinite(prediction.values).all()


def test_flags_that_say_the_same_are_found_where_the_classes_are_separated():
    training = train(
        nw.from_dict(
            {
                "a": [None, *range(1, 60)],
                "b": [None, *np.random.default_rng(0).normal(size=59)],
                "y": [0] * 30 + [1] * 30,
            },
            backend="pyarrow",
        ),
        "y",
        Settings(inference=True, test_size=0.05, seed=2),
    )
    if "a is missing" in training.model.columns.feature_names:
        assert "b is missing = a is missing" in " ".join(summarize_estimates(training.inferred)["notes"])


def test_rows_with_an_infinite_estimate_have_no_interval_and_the_others_do(run):
    frame = separated()
    frame[[*FEATURES, "left"]].to_csv("data.csv", index=False)
    assert run("fit", "data.csv", "--target", "left", "--inference")[0] == 0
    code, out, err = run("predict", "model.json", "data.csv", "--interval", "0.95")
    assert code == 0
    table = pd.read_csv(io.StringIO(out))
    empty = table["P(yes) lower"].isna()
    assert (empty == (frame.city == "Ny-Ålesund")).all()
    assert "rows with city = Ny-Ålesund have no interval" in err


def test_where_every_estimate_is_infinite_there_is_no_covariance(run):
    code, out, _ = run("fit", "iris", "--positive", "setosa", "--inference")
    assert code == 0
    assert "No finite estimate exists" in " ".join(out.split())
    assert "Raise --max-iter" not in out
    assert read_model("model.json").errors is None
    assert "Coefficients by size" not in Path("report.html").read_text()


@pytest.mark.parametrize("way", [[], ["--stream"], ["--inference"], ["--inference", "--stream"]], ids=" ".join)
@pytest.mark.parametrize("unit", [1e13, *seldom(1e-3, 1e7)])
def test_a_linear_fit_is_exact_in_any_unit_of_its_target(run, way, unit):
    random = np.random.default_rng(0)
    x = random.normal(size=200)
    pd.DataFrame({"x": x, "y": unit * (x + random.normal(size=200))}).to_csv("data.csv", index=False)
    code, out, _ = run("fit", "data.csv", "--target", "y", "--regression", *way)
    assert code == 0
    assert "SX108" not in out
    assert "self-concordance" not in out
    assert read_model("model.json").fit.gap < 1e-20 * unit**2


# weights, clusters, offsets


def test_frequencies_are_so_many_observations():
    training = fitted("left", keep=("times",), frequency="times")
    frame = patients()
    result = training.inferred.result
    copies = np.repeat(np.arange(len(training.y)), result.sample.frequency.astype(int))
    X = np.asarray(training.X)[copies]
    theirs = sm.Logit(training.y[copies], sm.add_constant(centred(X))).fit(disp=0, tol=1e-12)
    assert_allclose(result.params[1:], theirs.params[1:], rtol=1e-7)
    assert_allclose(result.bse[1:], theirs.bse[1:], rtol=1e-7)
    assert result.llf == pytest.approx(theirs.llf)
    assert training.rows == int((frame.times > 0).sum())
    assert summarize_estimates(training.inferred)["observations"] == f"{len(copies)}"


@pytest.mark.parametrize("outcome", ["left", "cost"])
def test_sampling_weights_count_in_the_estimate_and_a_row_stays_one_observation(outcome):
    training = fitted(outcome, keep=("w",), weight="w")
    result, X = training.inferred.result, sm.add_constant(centred(training.X))
    weight = result.sample.frequency
    assert weight.sum() == pytest.approx(len(training.y))
    if outcome == "left":
        theirs = sm.GLM(training.y, X, sm.families.Binomial(), freq_weights=weight).fit(tol=1e-14, maxiter=100)
        p = theirs.fittedvalues
        curvature = weight * p * (1 - p)
    else:
        theirs, curvature = sm.WLS(training.y, X, weight).fit(), weight
        p = theirs.fittedvalues
    scores = X * (weight * (training.y - p))[:, None]
    bread = np.linalg.inv(X.T @ (curvature[:, None] * X))
    n, P = X.shape
    errors = np.sqrt(np.diagonal(n / (n - P) * bread @ scores.T @ scores @ bread))
    assert_allclose(result.params[1:], theirs.params[1:], rtol=1e-7)
    assert_allclose(result.bse[1:], errors[1:], rtol=1e-7)
    assert "A weight says how many rows a row speaks for" in " ".join(summarize_estimates(training.inferred)["notes"])


@pytest.mark.parametrize("inference", [True, False])
def test_the_unit_of_sampling_weights_does_not_matter(inference):
    frame = patients()
    models = []
    for unit in (1.0, 1e5):
        table = nw.from_native(frame[[*FEATURES, "w", "left"]].assign(w=unit * frame.w))
        models.append(train(table, "left", Settings(inference=inference, weight="w")).model)
    assert_allclose(models[0].coefficients, models[1].coefficients, rtol=1e-6)
    assert models[0].metrics == pytest.approx(models[1].metrics)
    if inference:
        assert_allclose(models[0].errors.covariance, models[1].errors.covariance, rtol=1e-5)


def test_a_penalised_fit_with_frequencies_is_that_of_the_copies():
    frame = patients()
    table = nw.from_native(frame[["age", "city", "left"]])
    columns, target = Columns.learn(table, target="left"), learn_target(table, "left")
    X, y, times = columns.encode(table).X, target.encode(table), frame.times.to_numpy(dtype=float)
    some, copies = times > 0, np.repeat(np.arange(len(y)), frame.times)
    by_weight, _ = fit(X[some], y[some], target, columns, Beside(times[some]), Settings(frequency="times"))
    by_copies, _ = fit(X[copies], y[copies], target, columns, Beside(), Settings())
    assert_allclose(by_weight.coefficients, by_copies.coefficients, rtol=1e-6)
    assert_allclose(by_weight.scales, by_copies.scales)
    assert_allclose(by_weight.rates, by_copies.rates)


def test_clusters_widen_the_errors_as_in_statsmodels():
    training = fitted("left", keep=("ward",), cluster="ward")
    result = training.inferred.result
    groups = result.sample.groups[0]
    fit = sm.Logit(training.y, sm.add_constant(centred(training.X)))
    theirs = fit.fit(disp=0, tol=1e-12, cov_type="cluster", cov_kwds={"groups": groups})
    assert_allclose(result.bse[1:], theirs.bse[1:], rtol=1e-6)
    assert "ward" not in training.model.columns.feature_names
    assert "within 25 clusters" in " ".join(summarize_estimates(training.inferred)["notes"])


def test_clusters_that_leave_no_more_than_rounding_leave_a_model_that_can_be_read(run):
    frame = patients()[["city", "left"]].assign(place=lambda d: d.city)
    frame.to_csv("places.csv", index=False)
    code, out, _ = run("fit", "places.csv", "--target", "left", "--inference", "--cluster", "place")
    said = " ".join(out.split())
    assert code == 0
    assert "3 clusters for 3 parameters" in said
    assert "no more than rounding" in said
    assert "No Wald test of all columns, city: their covariance is singular." in said
    assert read_model("model.json").errors is None


def test_fewer_clusters_than_columns_have_errors_and_no_test_of_all():
    training = fitted("left", patients().assign(ward=lambda d: d.ward % 3), keep=("ward",), cluster="ward")
    summary = summarize_estimates(training.inferred)
    assert [test["what"] for test in summary["tests"]] == ["city", "probabilities, in 10 groups"]
    assert all(row["p_value"] is not None for row in summary["parts"][0]["rows"])


@pytest.mark.parametrize("kind", ["HC0", "HC1", "HC2", "HC3"])
@pytest.mark.parametrize("outcome", ["left", "cost"])
def test_robust_errors_are_those_of_the_door_and_the_overall_test_goes_by_them(outcome, kind):
    training = fitted(outcome, covariance=kind)
    result = door(training, covariance=kind)
    assert_allclose(training.inferred.result.bse, result.bse, rtol=1e-8)
    overall = summarize_estimates(training.inferred)["tests"][0]
    named = ", ".join(f"{name} = 0" for name in training.model.columns.feature_names)
    assert overall["value"] == pytest.approx(result.wald_test(named).statistic, rel=1e-8)
    assert training.model.errors.kind == kind


@pytest.mark.parametrize("outcome", ["left", "cost"])
def test_an_offset_is_in_the_fit_and_its_column_is_no_feature(outcome):
    training = fitted(outcome, keep=("exposure",), offset="exposure")
    result = training.inferred.result
    X, offset = sm.add_constant(centred(training.X)), result.sample.offset[:, 0]
    if outcome == "left":
        theirs = sm.GLM(training.y, X, sm.families.Binomial(), offset=offset).fit(tol=1e-14)
    else:
        theirs = sm.OLS(training.y - offset, X).fit()
    assert_allclose(result.params[1:], theirs.params[1:], rtol=1e-7)
    assert_allclose(result.bse[1:], theirs.bse[1:], rtol=1e-6)
    assert "exposure" not in training.model.columns.feature_names
    assert training.model.offset == "exposure"


@pytest.mark.parametrize("given", [[], *seldom(["--cv", "3"]), ["--inference"]])
def test_predictions_add_the_offset_and_need_its_column(run, given):
    frame = patients()[["age", "city", "exposure", "left"]]
    frame.to_csv("data.csv", index=False)
    frame.assign(exposure=frame.exposure + 1).to_csv("more.csv", index=False)
    frame.drop(columns="exposure").to_csv("without.csv", index=False)
    assert run("fit", "data.csv", "--target", "left", "--offset", "exposure", *given)[0] == 0
    log_odds = []
    for name in ("data.csv", "more.csv"):
        p = pd.read_csv(io.StringIO(run("predict", "model.json", name)[1]))["P(yes)"]
        log_odds.append(np.log(p / (1 - p)))
    assert_allclose(log_odds[1] - log_odds[0], 1.0, rtol=1e-6)
    for command in ("predict", "evaluate"):
        code, out, err = run(command, "model.json", "without.csv")
        assert (code, out) == (1, "")
        assert "no column 'exposure' in without.csv" in err
    assert run("evaluate", "model.json", "data.csv")[0] == 0


@pytest.mark.parametrize("way", [[], ["--stream"]], ids=["memory", "stream"])
@pytest.mark.parametrize("separated", ["by the offset", *seldom("by a column")])
def test_an_offset_that_separates_the_classes_is_not_taken_for_the_columns(run, way, separated):
    random = np.random.default_rng(0)
    x, yes = random.normal(size=200), np.arange(200) % 2 == 0
    apart = np.where(yes, 60.0, -20.0)
    x, known = (x, apart) if separated == "by the offset" else (x + apart, x + 9.0)
    frame = pd.DataFrame({"x": x, "known": known, "y": np.where(yes, "yes", "no")})
    frame.to_csv("data.csv", index=False)
    code, out, _ = run("fit", "data.csv", "--target", "y", "--offset", "known", *way)
    assert code == 0
    assert ("SX107" in out) == (separated == "by a column")


@pytest.mark.parametrize("way", [[], ["--stream"]], ids=["memory", "stream"])
def test_findings_count_observations_by_frequency_and_shares_by_weight(run, way):
    random, no = np.random.default_rng(0), np.arange(400) < 368
    frame = pd.DataFrame({"x": random.normal(size=400), "times": np.where(no, 1, 500), "y": np.where(no, "no", "yes")})
    frame.to_csv("data.csv", index=False)
    _, out, _ = run("fit", "data.csv", "--target", "y", "--frequency", "times", *way)
    assert "Class 'no' has 276 of 12,276 training observations (2.248%)" in " ".join(out.split())
    _, out, _ = run("fit", "data.csv", "--target", "y", "--weight", "times", *way)
    assert "Class 'no' has 276 of 300 training rows (2.248% by weight)" in " ".join(out.split())


def test_an_evaluation_weighs_rows_as_the_fit_did(run):
    frame = patients()[["age", "city", "times", "left"]]
    frame.to_csv("data.csv", index=False)
    frame.loc[np.repeat(np.arange(len(frame)), frame.times)].to_csv("copies.csv", index=False)
    assert run("fit", "data.csv", "--target", "left", "--frequency", "times")[0] == 0
    weighted = run("evaluate", "model.json", "data.csv")[1]
    model = json.loads(Path("model.json").read_text())
    assert model["model"]["weight"] == "times"
    model["model"]["weight"] = None
    Path("model.json").write_text(json.dumps(model))
    copies = run("evaluate", "model.json", "copies.csv")[1]
    metrics = [re.search(r"Metrics.*?Brier score [^\n]*", text, re.DOTALL).group() for text in (weighted, copies)]
    assert metrics[0] == metrics[1]


# refusals

REFUSALS = {
    "a penalty": (["--C", "1"], 2, ["C=1 asks for a penalty", "leave it out, or leave out --inference"]),
    "a choice of penalty": (["--cv", "5"], 2, ["cv=5 asks for a penalty"]),
    "an L1 share": (["--l1-ratio", "0.5"], 2, ["l1_ratio=0.5"]),
    "a solver": (["--solver", "newton"], 2, ["solver=newton"]),
    "a covariance that is none": (["--covariance", "HC9"], 2, ["covariance=HC9", "HC3"]),
    "clusters without a column": (["--covariance", "cluster"], 2, ["--cluster"]),
    "a column of clusters for other errors": (["--covariance", "HC0", "--cluster", "ward"], 2, ["cluster=ward"]),
    "weights as observations": (["--covariance", "nonrobust", "--weight", "w"], 2, ["--frequency"]),
    "weights twice": (["--weight", "w", "--frequency", "times"], 2, ["weight=w", "frequency=times", "leave one out"]),
    "a weight that is the offset": (["--weight", "w", "--offset", "w"], 2, ["'w' has two roles"]),
    "a target as offset": (["--offset", "left"], 2, ["'left' has two roles"]),
    "an offset that is not there": (["--offset", "exposur"], 1, ["no column 'exposur'", "Did you mean 'exposure'"]),
    "an offset of words": (["--offset", "city"], 1, ["'city'", "row 1", "is not a number"]),
    "a negative weight": (["--weight", "exposure"], 1, ["'exposure'", "is no weight: a weight is at least 0"]),
    "a cluster that is missing": (["--cluster", "gaps"], 1, ["'gaps'", "row 3", "is no cluster"]),
    "one cluster": (["--cluster", "one"], 2, ["groups has one cluster"]),
    "weights of nothing": (["--weight", "zero"], 1, ["the weight of every row is 0"]),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_what_makes_no_sense_together_is_refused_in_one_line(case, run, tmp_path):
    given, code, said = REFUSALS[case]
    frame = patients(60).assign(gaps="a", one=1, zero=0.0)
    frame.loc[2, "gaps"] = None
    frame.to_csv("data.csv", index=False)
    found, out, err = run("fit", "data.csv", "--target", "left", "--inference", *given)
    assert (found, out) == (code, ""), err
    assert len(err.strip().splitlines()) == 1, err
    assert all(words in err for words in said), err
    assert {path.name for path in tmp_path.iterdir()} == {"data.csv"}


def test_standard_errors_are_not_asked_for_without_inference(run):
    code, _, err = run("fit", "iris", "--covariance", "HC1")
    assert code == 2
    assert "ask for them with --inference" in err


def test_several_classes_have_no_one_linear_predictor_to_add_an_offset_to():
    with pytest.raises(ArgumentError, match="one linear predictor, and the 3 classes have several"):
        fitted("size", keep=("exposure",), offset="exposure")


def test_too_few_rows_to_infer_from_are_counted(run):
    patients(200)[[*FEATURES, "left"]].groupby("left").head(3).to_csv("data.csv", index=False)
    code, _, err = run("fit", "data.csv", "--target", "left", "--inference")
    assert code == 1
    assert len(err.strip().splitlines()) == 1
    assert "too few to infer" in err


def test_more_coefficients_than_have_a_covariance_are_refused():
    columns = {f"x{j}": column.tolist() for j, column in enumerate(np.random.default_rng(0).normal(size=(40, 200)))}
    table = nw.from_dict(columns | {"y": [f"class {i % 50}" for i in range(200)]}, backend="pyarrow")
    with pytest.raises(DataError, match="2,009 coefficients are too many for inference"):
        train(table, "y", Settings(inference=True))


def test_a_model_that_keeps_no_covariance_refuses_in_python_too():
    table = nw.from_native(patients()[[*FEATURES, "left"]])
    model = train(table, "left", Settings()).model
    with pytest.raises(InferenceError, match="fit it with --inference"):
        model.predict(table, level=0.95)
    with pytest.raises(ColumnError, match="no column 'city'"):
        model.predict(table.drop("city"))


def test_the_report_shows_the_table_and_says_what_it_is_compared_with(run):
    patients()[[*FEATURES, "size"]].to_csv("data.csv", index=False)
    code, out, _ = run("fit", "data.csv", "--target", "size", "--inference")
    page = Path("report.html").read_text()
    assert code == 0
    assert "Log-odds of small against large" in page
    assert "Every class is compared with large, the reference." in page
    assert "Estimates of small against large" in out
