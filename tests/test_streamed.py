"""The command on rows that stay where they are: the model of memory, judged by sums, going on where it was stopped."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from functools import reduce
from io import BytesIO
from operator import add
from pathlib import Path
from typing import Any

import narwhals as nw
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from seldom import seldom
from separatrix import LogisticRegression, logit, ols, training
from separatrix.data.opened import open
from separatrix.data.reading.dataset import Dataset
from separatrix.data.reading.hold_out import HoldOut
from separatrix.data.streams import learn, stream
from separatrix.data.streams.stream import encoded
from separatrix.data.tables.side_columns import Beside
from separatrix.data.workers import client
from separatrix.engine.fit import Options
from separatrix.engine.iterate import ignore
from separatrix.errors import ArgumentError, CellError, FileError, InferenceError
from separatrix.evaluate.binned import binned, edges_of, evaluation_of, number_evaluation_of, numbers
from separatrix.evaluate.metrics import evaluate_classes, evaluate_numbers
from separatrix.fits.penalised import fit_classes, fit_numbers
from separatrix.regression import stateful
from separatrix.report.estimates import summarize_estimates
from separatrix.settings import Settings
from separatrix.streamed import question_of, train_streamed
from separatrix.training import beside_of, fit, hold_out, train

ROWS = 6_000


def table(rows: int = ROWS, seed: int = 0) -> pa.Table:
    random = np.random.default_rng(seed)
    a, b, city = random.normal(size=rows), random.exponential(size=rows), random.choice(["Rome", "Oslo"], rows)
    eta = a - b + (city == "Oslo") + random.logistic(size=rows)
    return pa.table(
        {
            "a": pa.array(a, mask=random.random(rows) < 0.05),
            "b": 1e6 + b,
            "city": city,
            "weight": random.integers(1, 4, rows),
            "before": random.normal(size=rows),
            "two": np.where(eta > 0, "yes", "no"),
            "three": np.digitize(eta, [-1.0, 1.0]),
            "amount": eta,
        }
    )


@pytest.fixture
def small(monkeypatch):
    """As if hardly a row had room in memory, so that all are read again and again."""
    monkeypatch.setattr(stream, "ROOM", 4_000)
    monkeypatch.setattr(learn, "SAMPLE_BYTES", 40_000)
    monkeypatch.setattr(training, "EXACT_ROWS", 200)
    monkeypatch.setattr("separatrix.evaluate.binned.BINS", 512)


def files(folder: Path, rows: int = ROWS) -> Dataset:
    data = table(rows)
    for number, first in enumerate(range(0, rows, 2_500)):
        pq.write_table(data.slice(first, 2_500), folder / f"part-{number}.parquet", row_group_size=700)
    return open(str(folder / "part-*.parquet"))


def in_memory(data: Dataset, target: str, settings: Settings) -> Any:
    """The fit of the same training rows, all in memory."""
    rows = data.split(hold_out(settings, target))[0].whole()
    question, alone = question_of(target, settings), data_of(rows)
    learned = question.learned(question.read(alone), "the rows", learn.added_here(alone))
    block = encoded(learned.encoding, rows)
    offset = None if block.offset is None else block.offset[:, 0]
    beside, K = Beside(block.weight, offset), len(learned.encoding.target.classes)
    if not K:
        return fit_numbers(block.X, block.y, beside, settings.C, settings.l1_ratio, ignore)
    C, weight = settings.C or 1.0, block.weight / block.weight.mean() if settings.weight else block.weight
    beside = Beside(weight, offset)
    return fit_classes(block.X, block.y, K, beside, C, None, settings.l1_ratio, Options(tol=1e-10), ignore)


def data_of(rows: Any) -> Dataset:
    return open(rows.to_native())


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("two", {}),
        ("two", {"weight": "weight", "offset": "before"}),
        ("two", {"frequency": "weight", "l1_ratio": 0.5, "C": 0.05}),
        ("three", {"C": 0.1}),
        ("amount", {"regression": True, "C": 0.5, "frequency": "weight"}),
    ],
)
def test_rows_that_stay_where_they_are_have_the_model_of_memory(small, tmp_path, target, told):
    others = [name for name in ("weight", "before", "two", "three", "amount") if name != target]
    settings = Settings(drop=others, **({} if "regression" in told else {"tol": 1e-10}), **told)
    data = files(tmp_path)
    trained = train_streamed(data, target, settings)
    expected = in_memory(data, target, settings)
    np.testing.assert_allclose(trained.model.coefficients, expected.coefficients, atol=1e-7)
    np.testing.assert_allclose(trained.model.intercepts, expected.intercepts, atol=1e-6 * 1e6)
    held_out = sum(map(len, data.split(hold_out(settings, target))[1].batches()))
    assert (trained.evaluation.rows, trained.rows) == (held_out, ROWS)


@pytest.mark.parametrize("told", [{"weight": "weight"}, {"frequency": "weight"}, {}])
def test_rows_that_are_counted_as_one_are_rows_all_the_same(small, tmp_path, told):
    settings = Settings(drop=["a", "b", "before", "three", "amount"], tol=1e-10, C=0.01, **told)
    settings = settings if told else replace(settings, drop=[*settings.drop, "weight"])
    data = files(tmp_path)
    trained = train_streamed(data, "two", settings)
    np.testing.assert_allclose(trained.model.coefficients, in_memory(data, "two", settings).coefficients, atol=1e-7)
    assert trained.model.fit.rows == trained.rows - trained.evaluation.rows > 4_000


@pytest.mark.parametrize("K", [2, 4])
@pytest.mark.parametrize("weighted", [False, True])
def test_metrics_by_sums_are_those_of_the_rows_and_curves_as_near_as_is_said(K, weighted):
    random, n = np.random.default_rng(K), 20_000
    eta = 2.0 * random.normal(size=(n, K))
    p = np.exp(eta) / np.exp(eta).sum(axis=1, keepdims=True)
    y = (p.cumsum(axis=1) < random.random((n, 1))).sum(axis=1)
    weight, rates = random.integers(0, 3, n) if weighted else np.ones(n), np.full(K, 1 / K)
    parts = np.array_split(np.arange(n), 7)
    counts = reduce(add, (binned(y[some], p[some], edges_of(p[parts[0]]), weight[some]) for some in parts))
    ours, theirs = evaluation_of(counts, range(K), rates), evaluate_classes(y, p, range(K), rates, weight)
    for name, value in theirs.metrics.items():
        near = {"roc_auc": counts.auc_error, "average_precision": 1e-4}.get(name, 1e-12)
        assert ours.metrics[name] == pytest.approx(value, abs=near)
    assert counts.auc_error < 1e-4
    assert ours.baseline == pytest.approx(theirs.baseline)
    np.testing.assert_array_equal(ours.confusion, theirs.confusion)
    assert ours.rows == theirs.rows
    for own, other in zip(ours.per_class, theirs.per_class, strict=True):
        assert tuple(own) == pytest.approx(tuple(other))
    if K == 2:
        np.testing.assert_allclose(ours.calibration.observed, theirs.calibration.observed, atol=0.02)
        assert ours.calibration.counts.sum() == n - np.sum(weight == 0)


def test_rows_of_one_score_are_tied_without_a_bin():
    p = np.tile([[0.3, 0.7], [0.6, 0.4]], (500, 1))
    edges = edges_of(p)
    counts = binned(np.arange(1_000) % 3 == 0, p, edges) + binned(np.arange(1_000) % 5 == 0, p, edges)
    assert counts.auc_error == 0.0
    assert (counts + binned([1, 0], [[0.3 - 1e-9, 0.7 + 1e-9], [0.5, 0.5]], edges)).auc_error > 0.0


@pytest.mark.parametrize("spread", [3.0, 1.0, 0.03, 1e-6])
def test_scores_however_close_are_told_apart_by_bins_that_follow_them(spread):
    random, n = np.random.default_rng(0), 200_000
    p = 1 / (1 + np.exp(3.0 - spread * random.normal(size=n)))
    y, both = random.random(n) < p, np.column_stack([1 - p, p])
    counts = binned(y, both, edges_of(both[: n // 2]))
    assert counts.auc_error < 5e-5
    curve = evaluation_of(counts, [0, 1], [0.9, 0.1]).roc[0]
    exact = evaluate_classes(y, both, [0, 1], [0.9, 0.1]).roc[0]
    assert curve.auc == pytest.approx(exact.auc, abs=counts.auc_error)


def test_scores_unlike_the_first_have_bins_all_the_same():
    random, n = np.random.default_rng(0), 100_000
    p = 1 / (1 + np.exp(-random.normal(size=n)))
    y, both = random.random(n) < p, np.column_stack([1 - p, p])
    assert binned(y, both, edges_of([[1.0 - 1e-9, 1e-9]])).auc_error < 2e-4


@pytest.mark.parametrize("mean", [1e3, 0.0, -1e9])
@pytest.mark.parametrize("level", [1e3, 1e9])
def test_the_metrics_of_numbers_by_sums_are_those_of_the_rows_however_far_from_those_of_the_fit(level, mean):
    random, n = np.random.default_rng(0), 50_000
    y, weight = level + random.normal(size=n), random.integers(0, 3, n)
    guess = y + random.normal(size=n)
    parts = [numbers(y[some], guess[some], mean, weight[some]) for some in np.array_split(np.arange(n), 7)]
    ours, theirs = number_evaluation_of(reduce(add, parts)), evaluate_numbers(y, guess, mean, weight)
    assert ours.metrics == pytest.approx(theirs.metrics)
    assert ours.baseline == pytest.approx(theirs.baseline, rel=1e-6, abs=1e-9)
    assert len(ours.actual) < n / 2


# inference


def regression_in_memory(data: Dataset, target: str, settings: Settings) -> Any:
    """The model of the same training rows and their regression, all in memory, and the rows."""
    rows = data.split(hold_out(settings, target))[0].whole()
    dropped = [*settings.drop, *filter(None, [settings.cluster])]
    question = question_of(target, replace(settings, drop=dropped, cluster=None))
    alone = data_of(rows)
    encoding = question.learned(question.read(alone), "the rows", learn.added_here(alone)).encoding
    rows, _ = encoding.that_count(rows)
    X, y, beside = encoding.columns.encode(rows).X, encoding.target.encode(rows), beside_of(rows, settings, "the rows")
    return *fit(X, y, encoding.target, encoding.columns, beside, settings), rows


REGRESSIONS = [
    ("two", {}),
    ("two", {"covariance": "HC3", "offset": "before"}),
    ("two", {"weight": "weight"}),
    ("two", {"cluster": "before", "frequency": "weight"}),
    ("three", {"covariance": "HC2", "weight": "weight"}),
    ("amount", {"regression": True, "weight": "weight"}),
    ("amount", {"regression": True, "frequency": "weight", "cluster": "before"}),
]


@pytest.mark.parametrize(("target", "told"), REGRESSIONS)
def test_the_errors_and_intervals_of_rows_that_stay_are_those_of_memory(small, tmp_path, target, told):
    others = [name for name in ("weight", "before", "two", "three", "amount") if name != target]
    settings, data = Settings(drop=others, inference=True, **told), files(tmp_path)
    trained = train_streamed(data, target, settings)
    model, theirs, rows = regression_in_memory(data, target, settings)
    ours = trained.inferred.result
    assert not ours.sample.in_memory
    np.testing.assert_allclose(ours.params, theirs.result.params, rtol=1e-9)
    np.testing.assert_allclose(ours.bse, theirs.result.bse, rtol=1e-8)
    one, other = (each.predict(rows, level=0.95) for each in (trained.model, model))
    np.testing.assert_allclose(one.interval, other.interval, rtol=1e-7, atol=1e-9)
    said, due = (summarize_estimates(each) for each in (trained.inferred, theirs))
    assert facts(said) == pytest.approx(facts(due), rel=1e-8)
    assert statistics(said) == pytest.approx(statistics(due), rel=1e-7)


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("two", {}),
        ("two", {"covariance": "HC0"}),
        ("two", {"covariance": "HC1", "frequency": "weight"}),
        ("three", {"covariance": "HC0", "frequency": "weight"}),
        ("weight", {"regression": True, "covariance": "HC1"}),
        ("weight", {"regression": True}),
    ],
)
def test_the_errors_of_rows_that_are_counted_as_one_are_those_of_all(small, tmp_path, target, told):
    beside = [told.get("frequency"), target]
    others = [name for name in ("a", "b", "weight", "before", "two", "three", "amount") if name not in beside]
    settings, data = Settings(drop=others, inference=True, **told), files(tmp_path)
    trained = train_streamed(data, target, settings)
    model, theirs, _ = regression_in_memory(data, target, settings)
    ours = trained.inferred.result
    assert ours.sample.rows.n_rows < 20 < ours.sample.n_rows == theirs.result.sample.n_rows == model.fit.rows
    np.testing.assert_allclose(ours.params, theirs.result.params, rtol=1e-9)
    np.testing.assert_allclose(ours.cov_params(), theirs.result.cov_params(), rtol=1e-9)
    assert ours.nobs == theirs.result.nobs
    said, due = (summarize_estimates(each) for each in (trained.inferred, theirs))
    assert [words for words in said["notes"] if "Hosmer" not in words] == due["notes"]
    assert facts(said) == pytest.approx(facts(due), rel=1e-9)
    assert statistics(said) == pytest.approx(statistics(due), rel=1e-9)


@pytest.mark.parametrize("told", [{"covariance": "HC3"}, {"weight": "weight"}, {"cluster": "before"}])
def test_rows_that_are_told_apart_are_not_counted_as_one(small, tmp_path, told):
    others = [name for name in ("a", "b", "weight", "before", "three", "amount") if name not in told.values()]
    trained = train_streamed(files(tmp_path), "two", Settings(drop=others, inference=True, **told))
    assert trained.inferred.result.sample.rows.n_rows == trained.model.fit.rows > 4_000


def facts(said: dict[str, Any]) -> dict[str, float]:
    return {each["fact"]: each["value"] for each in said["facts"]}


def statistics(said: dict[str, Any]) -> dict[str, float]:
    return {each["what"]: each["value"] for each in said["tests"] if each["method"] != "Hosmer-Lemeshow"}


def test_columns_that_repeat_others_and_infinite_estimates_are_told_of_rows_that_stay(small, tmp_path):
    data = table()
    b = data["b"].to_numpy()
    data = (
        data.select(["b", "weight"])
        .append_column("double", pa.array(2.0 * b))
        .append_column("y", pa.array(b > 1e6 + 1))
    )
    trained = train_streamed(data_of(nw.from_native(data)), "y", Settings(inference=True))
    said = summarize_estimates(trained.inferred)
    assert [str(each) for each in trained.inferred.left_out] == ["double = 2 b"]
    assert said["infinite"]
    assert trained.model.errors is None
    assert any("every row with b > " in note for note in said["notes"])


@pytest.mark.parametrize(
    ("covariance", "given"),
    [("nonrobust", {}), ("HC3", {"weights": "weight", "offset": "before"}), ("cluster", {"groups": "before"})],
)
def test_a_linear_regression_by_a_formula_is_that_of_memory(small, tmp_path, covariance, given):
    frame, formula = table().to_pandas(), "amount ~ a + np.log(weight) * C(city)"
    values = {name: frame[column].to_numpy() if name != "groups" else column for name, column in given.items()}
    ours = ols(formula, files(tmp_path), covariance=covariance, **given)
    theirs = ols(formula, frame, covariance=covariance, **values)
    assert isinstance(ours.sample.rows, stream.StreamSource)
    np.testing.assert_allclose(ours.params, theirs.params, rtol=1e-9)
    np.testing.assert_allclose(ours.bse, theirs.bse, rtol=1e-9)
    new = frame.dropna()[:9]
    offset = new["before"] if "offset" in given else None
    np.testing.assert_allclose(ours.predict(new), theirs.predict(new, offset), rtol=1e-9)
    names = "rsquared", "rsquared_adj", "fvalue", "f_pvalue", "llf", "aic", "bic", "scale"
    assert [getattr(ours, name) for name in names] == pytest.approx([getattr(theirs, name) for name in names], rel=1e-9)
    anovas = [result.anova()["statistic"].to_numpy() for result in (ours, theirs)]
    np.testing.assert_allclose(*anovas, rtol=1e-8)
    with pytest.raises(InferenceError, match=r"fitted values need them: use predict\(data\)"):
        _ = ours.resid


def test_linear_fits_of_other_outcomes_are_not_compared(tmp_path):
    data = files(tmp_path)
    small, large, other = (ols(formula, data) for formula in ("amount ~ b", "amount ~ b + before", "before ~ b"))
    frame = table().to_pandas()
    theirs = ols("amount ~ b + before", frame).lr_test(ols("amount ~ b", frame))
    assert large.lr_test(small).statistic == pytest.approx(theirs.statistic, rel=1e-6)
    with pytest.raises(ArgumentError, match="differ in their outcomes, before and amount"):
        large.lr_test(other)


def test_a_level_that_is_separated_costs_few_passes_and_leaves_the_other_estimates_be(small):
    data = table()
    rare = np.arange(ROWS) % 300 == 7
    city = np.where(rare, "Paris", data["city"].to_numpy(zero_copy_only=False))
    two = np.where(rare, "yes", data["two"].to_numpy(zero_copy_only=False))
    data = pa.table({"b": data["before"], "weight": data["weight"], "city": city, "two": two})
    settings = Settings(inference=True, test_size=0.0, frequency="weight")
    found = train_streamed(open(data), "two", settings)
    assert found.model.fit.passes < 40
    others = train_streamed(open(data.filter(pa.array(~rare))), "two", settings)
    assert [name for name in found.model.columns.feature_names if name != "city = Paris"] == ["b", "city = Oslo"]
    np.testing.assert_allclose(found.model.coefficients[0][:1], others.model.coefficients[0][:1], rtol=1e-8)
    assert found.inferred.result.estimate.infinite.any(axis=1).tolist() == [False, False, True, False]


# faults, by their rows

FAULTS = {
    "a": (np.inf, {}, "inf is not a finite number"),
    "b": ("oops", {}, "'oops' is not a number"),
    "weight": (-1.0, {"weight": "weight"}, "-1.0 is no weight"),
    "before": (None, {"offset": "before"}, "an empty cell is no offset"),
    "amount": ("much", {"regression": True}, "'much' is not a number"),
    "city": (None, {"inference": True, "cluster": "city"}, "an empty cell is no cluster"),
}


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("held_out", [False, True])
def test_a_fault_is_named_by_its_row_in_the_data_whether_it_is_held_out_or_not(small, name, held_out):
    cell, told, words = FAULTS[name]
    data = table().to_pydict()
    text = isinstance(cell, str)
    data["two"][7] = None  # a row that does not count has a number all the same
    rule = HoldOut("row" if "regression" in told else "two", Settings.test_size, by_class="regression" not in told)
    some = rule.among(nw.from_native(pa.table({**data, "row": np.arange(ROWS)})))[0] == held_out
    row = int(np.flatnonzero(some)[1_000])
    data[name] = [*(map(str, data[name]) if text else data[name])]
    data[name][row] = cell
    target = "amount" if "regression" in told else "two"
    settings = Settings(drop=[other for other in ("weight", "before", "three") if other not in told.values()], **told)
    with pytest.raises(CellError, match=rf"column '{name}', row {row + 1} of the data: {words}"):
        train_streamed(open(pa.table(data)), target, settings)


@pytest.mark.parametrize("name", FAULTS)
def test_of_several_faults_the_first_row_is_named_as_in_memory(name):
    cell, told, words = FAULTS[name]
    data = table(400).to_pydict()
    data[name] = [*(map(str, data[name]) if isinstance(cell, str) else data[name])]
    data[name][150:] = [cell] * 8 + data[name][158:]
    target = "amount" if "regression" in told else "two"
    settings = Settings(drop=[other for other in ("weight", "before", "three") if other not in told.values()], **told)
    said = rf"column '{name}', row 151 of the data: {words}"
    with pytest.raises(CellError, match=said):
        train(nw.from_native(pa.table(data)), target, settings)
    for seed in range(3):
        with pytest.raises(CellError, match=said):
            train_streamed(open(pa.table(data)), target, replace(settings, seed=seed))


@pytest.mark.parametrize("row", range(1_000, 1_004))
def test_a_label_that_one_row_alone_has_is_trained_on(small, row):
    data = table().to_pydict()
    data["two"][row] = "perhaps"
    found = train_streamed(open(pa.table(data)), "two", Settings(drop=["weight", "before", "three", "amount"]))
    assert found.model.target.classes == ["no", "perhaps", "yes"]


@pytest.mark.parametrize("weight", [*seldom(None), "w"])
@pytest.mark.parametrize("streamed", [False, True])
def test_a_fault_that_only_a_row_held_out_has_is_named_by_its_row(streamed, weight):
    settings, said = Settings(weight=weight, drop=[] if weight else ["w"]), []
    for row in range(100, 116):  # the first has no target, and with weights a fifth do not count
        x, y, w = ["0.5", "0.25", "0.5"] * 100, [None, 1, 0] + [1, 1, 0] * 99, [1, 1, 0, 1, 1] * 60
        x[row], w[row] = "oops", 2
        data = pa.table({"x": x, "y": y, "w": w})
        try:
            train_streamed(open(data), "y", settings) if streamed else train(nw.from_native(data), "y", settings)
        except CellError as error:
            said.append((row, str(error)))
    assert said, "in training rows it makes a category of numbers that are few"
    for row, words in said:
        assert words.startswith(f"column 'x', row {row + 1} of the data: 'oops' is not a number; fix the cell, or fit")


# stopping and going on

STOPPED = """
import json, os, signal, sys
from pathlib import Path
from separatrix.data.opened import open
from separatrix.engine.objective import Objective
from separatrix.settings import Settings
from separatrix.streamed import train_streamed

folder, passes, most, add_up = Path(sys.argv[1]), 0, 0, Objective.add_up
settings = Settings(drop=["weight", "before", "three", "amount"], **json.loads(sys.argv[2]))

def counted(self, *arguments):
    global passes
    passes += 1

    def function(block):
        result = arguments[0](block)
        if passes == most:  # in the midst of a pass
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    return add_up(self, function, *arguments[1:])

def fitted():
    "Whether a process of its own came to the end of the fit, and what it printed."
    sys.stdout.flush()
    child = os.fork()
    if not child:
        model = train_streamed(open(f"{folder}/part-*.parquet"), "two", settings, checkpoint=folder / "kept").model
        print(json.dumps([model.coefficients, model.intercepts, passes]), flush=True)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

Objective.add_up = counted
assert fitted() == 0
(folder / "kept" / "fit.npz").unlink()
most = 1
while (code := fitted()) != 0:
    assert code == -signal.SIGKILL
    most += 1
assert most > 3
most = 0
assert fitted() == 0
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("asked", "tolerance"), [({"solver": "conjugate-gradient"}, 1e-4), ({"inference": True}, 1e-8)]
)
def test_a_fit_that_is_killed_in_any_pass_goes_on_to_the_same_answer(tmp_path, asked, tolerance):
    files(tmp_path)
    command = [sys.executable, "-c", STOPPED, str(tmp_path), json.dumps(asked)]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    at_once, _, gone_on = map(json.loads, run.stdout.splitlines())
    np.testing.assert_allclose(gone_on[0], at_once[0], atol=tolerance)
    np.testing.assert_allclose(gone_on[1], at_once[1], atol=tolerance * 1e6)
    assert gone_on[2] < at_once[2]
    left = (tmp_path / "kept").iterdir()
    assert [path.name for path in left if not path.name.endswith(".partial")] == ["fit.npz"]


def test_a_checkpoint_of_other_arguments_or_data_is_refused_and_so_is_what_is_none(tmp_path):
    data, kept = files(tmp_path), tmp_path / "kept"
    settings = Settings(drop=["weight", "before", "three", "amount"])
    train_streamed(data, "two", settings, checkpoint=kept)
    with pytest.raises(FileError, match=r"with other arguments \(C: None there, 3.0 here\)"):
        train_streamed(data, "two", Settings(drop=settings.drop, C=3.0), checkpoint=kept)
    with pytest.raises(FileError, match=r"with other arguments \(C: None there, inf here\)"):
        train_streamed(data, "two", Settings(drop=settings.drop, C=np.inf), checkpoint=kept)
    again = train_streamed(data, "two", Settings(drop=settings.drop, max_iter=200), checkpoint=kept)
    assert len(again.model.fit.losses) == 1
    pq.write_table(table(900, seed=1), tmp_path / "part-2.parquet")
    data = open(str(tmp_path / "part-*.parquet"))
    with pytest.raises(FileError, match=r"of other data, .* \(file .*part-2.parquet: .* there, .* here\)"):
        train_streamed(data, "two", settings, checkpoint=kept)
    with pytest.raises(FileError, match=r"of other data, .* \(rows: absent there"):
        train_streamed(open(data.whole().to_native()), "two", settings, checkpoint=kept)
    array, hole = BytesIO(), BytesIO()
    np.save(array, np.zeros(3))
    np.savez(hole, theta=np.full((3, 1), np.nan), fingerprint=np.array("{}"))
    for content in (b"nothing", b"", array.getvalue(), hole.getvalue()):
        (kept / "fit.npz").write_bytes(content)
        with pytest.raises(FileError, match="is no checkpoint"):
            train_streamed(data, "two", settings, checkpoint=kept)


def test_files_are_the_same_by_whichever_path(tmp_path, monkeypatch):
    files(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path)
    monkeypatch.chdir(tmp_path)
    settings = Settings(drop=["weight", "before", "three", "amount"])
    for path in (tmp_path / "part-*.parquet", "part-*.parquet", "link/part-*.parquet"):
        again = train_streamed(open(str(path)), "two", settings, checkpoint=tmp_path / "kept")
    assert len(again.model.fit.losses) == 1


def test_a_query_whose_answer_has_changed_is_other_data(tmp_path):
    settings = Settings(drop=["weight", "before", "three", "amount"])
    rows = pa.concat_tables([table(900), table(1).drop_columns("a").add_column(0, "a", pa.nulls(1, pa.float64()))])

    def fit(amount: str) -> Any:
        pq.write_table(rows, tmp_path / "rows.parquet")
        query = f"select * replace ({amount} as amount) from '{tmp_path}/rows.parquet'"
        return train_streamed(open(query=query), "two", settings, checkpoint=tmp_path / "kept").model

    fit("amount")
    assert len(fit("amount").fit.losses) == 1
    with pytest.raises(FileError, match=r"of other data, .* \(rows: \w+ there, \w+ here\)"):
        fit("if(weight = 2, -amount, amount)")


def test_a_checkpoint_of_other_coefficients_is_refused(tmp_path):
    data, settings = files(tmp_path), Settings(drop=["weight", "before", "three", "amount"])
    train_streamed(data, "two", settings, checkpoint=tmp_path / "kept")
    with np.load(tmp_path / "kept" / "fit.npz") as kept:
        parts = dict(kept)
    np.savez(tmp_path / "kept" / "fit.npz", **{**parts, "theta": np.zeros((7, 1))})
    with pytest.raises(FileError, match=r"is of a fit of \(7, 1\) coefficients, and this has \(5, 1\): go on with"):
        train_streamed(data, "two", settings, checkpoint=tmp_path / "kept")


def test_a_fit_of_fewer_columns_keeps_its_own_checkpoint_and_both_go_with_it(tmp_path):
    frame = table(900)
    pq.write_table(frame.append_column("twice", pa.compute.multiply(frame["b"], 2.0)), tmp_path / "rows.parquet")
    settings = Settings(drop=["weight", "before", "three", "amount"], inference=True)
    losses = []
    for _ in range(2):
        fitted = train_streamed(open(str(tmp_path / "rows.parquet")), "two", settings, checkpoint=tmp_path / "kept")
        losses.append(len(fitted.model.fit.losses))
    assert losses[1] == 1 < losses[0]
    assert {path.name for path in (tmp_path / "kept").iterdir()} == {"fit.npz", "fit-of-fewer.npz"}
    fitted.checkpoint.remove()
    assert list((tmp_path / "kept").iterdir()) == []


def test_the_folder_of_a_checkpoint_is_known_before_the_work_and_rid_of_what_is_half_written(tmp_path):
    data, settings = files(tmp_path), Settings(drop=["weight", "before", "three", "amount"])
    file = tmp_path / "part-0.parquet"
    for place in (file, file / "kept"):
        before = file.read_bytes()
        with pytest.raises(FileError, match=r"cannot be the folder of a checkpoint.*; name another"):
            train_streamed(data, "no such column", settings, checkpoint=place)
        assert file.read_bytes() == before
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / ".fit.npz.4194305.partial").write_bytes(b"half")  # of a process whose number no living one can have
    train_streamed(data, "two", settings, checkpoint=kept)
    assert [path.name for path in kept.iterdir()] == ["fit.npz"]


def test_what_needs_all_rows_at_once_is_refused(tmp_path):
    data = files(tmp_path)
    with pytest.raises(ArgumentError, match=r"cv=5 needs all rows in memory"):
        train_streamed(data, "two", Settings(cv=5))
    with pytest.raises(ArgumentError, match="a linear regression has none: it adds up sums"):
        train_streamed(data, "amount", Settings(regression=True), checkpoint=tmp_path / "kept")


@pytest.mark.parametrize("term", ["bs(a, knots=[-1, 1])", "cr(a, knots=[-1, 0, 1])"])
def test_splines_and_interactions_of_a_formula_are_those_of_memory(small, tmp_path, term):
    data, formula = files(tmp_path), f"two ~ {term} * C(city) + weight"
    ours, theirs = (logit(formula, rows, singular="drop") for rows in (data, table().to_pandas()))
    assert ours.names == theirs.names
    np.testing.assert_allclose(ours.params, theirs.params, atol=1e-7)
    np.testing.assert_allclose(ours.bse, theirs.bse, rtol=1e-6)
    assert len(logit("two ~ bs(a, df=5)", data).names) == 6


STATEFUL = [
    "bs(x, df=5)",
    "bs(np.log(x), df=6, degree=2) * C(c)",
    "bs(x, df=5, lower_bound=0.5, upper_bound=3, extrapolation='clip')",
    "bs(z, df=5)",  # of few values, each of many rows
    "cr(x, df=4)",
    "cr(z, df=4, constraints='center')",
    "cc(x, df=4, lower_bound=0.5, upper_bound=3, extrapolation='clip')",
    "poly(x, 3) + scale(z) + center(x):z",
    "standardize(z) + scale(x, center=2.0, ddof=0)",
    "bs(scale(x), df=4) + scale(center(z) * x)",
]


@pytest.fixture
def waves(tmp_path):
    """30,000 rows of two files, and in memory."""
    random, rows = np.random.default_rng(5), 30_000
    x, z = random.gamma(2.0, size=rows), random.normal(size=rows).round(1)
    y = np.sin(2 * x) + z + random.logistic(size=rows) > 0
    data = pa.table({"y": y.astype(int), "x": x, "z": z, "c": random.choice(["a", "b"], rows)})
    pq.write_table(data[:17_000], tmp_path / "a.parquet")
    pq.write_table(data[17_000:], tmp_path / "b.parquet")
    return open(str(tmp_path / "*.parquet")), data.to_pandas()


@pytest.mark.parametrize("terms", STATEFUL)
def test_what_a_formula_learns_of_all_rows_is_the_same_from_files(terms, waves, monkeypatch):
    monkeypatch.setattr(learn, "SAMPLE_BYTES", 200_000)
    ours, theirs = (logit(f"y ~ {terms}", rows, singular="drop") for rows in waves)
    assert ours.names == theirs.names
    np.testing.assert_allclose(ours.params, theirs.params, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(ours.bse, theirs.bse, rtol=1e-7)
    some = waves[1][:50]
    np.testing.assert_allclose(ours.predict(some), theirs.predict(some), atol=1e-8)


def test_a_quantile_that_a_sample_misplaces_is_found_by_another_reading(waves, monkeypatch):
    monkeypatch.setattr(learn, "SAMPLE_BYTES", 20_000)
    monkeypatch.setattr(stateful, "WIDTHS", (0.0, 0.5, np.inf))
    ours, theirs = (ols("y ~ bs(x, df=9) + bs(z, df=5)", rows, singular="drop") for rows in waves)
    assert ours.names == theirs.names
    np.testing.assert_allclose(ours.params, theirs.params, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("term", "message"),
    [
        ("I(x - x.mean())", r"whose value in one row depends on others: put it into the data"),
        ("lag(x)", "whose value in one row depends on others"),
        ("scale(bs(x, df=4))", r"scale\(...\) of rows that are read is of one column of numbers"),
        ("bs(c, df=4)", r"bs\(...\) of rows that are read is of one column of numbers"),
        ("bs(x, df=2)", "`df` must be greater than 3"),
        ("poly(y, 2)", "needs more than 2 different values"),
    ],
)
def test_a_term_that_batches_cannot_make_is_refused_in_a_line(term, message, waves):
    with pytest.raises(ArgumentError, match=message) as caught:
        logit(f"y ~ {term} + z", waves[0])
    assert "\n" not in str(caught.value)


def test_a_function_of_the_callers_that_remembers_rows_is_refused(waves):
    from formulaic.transforms import stateful_transform

    @stateful_transform
    def above(x, _state=None):
        return x - _state.setdefault("least", min(x))

    with pytest.raises(ArgumentError, match=r"has above\(x\), of a function that remembers some rows and not all"):
        logit("y ~ above(x)", waves[0])
    assert len(logit("y ~ above(x)", waves[1]).names) == 2


def test_quantiles_of_more_values_than_are_kept_are_refused(waves, monkeypatch):
    monkeypatch.setattr(stateful, "MOST_VALUES", 20_000)
    assert len(logit("y ~ bs(x, df=5)", waves[0]).names) == 6
    with pytest.raises(ArgumentError, match=r"has its knots at quantiles of more than 20,000 different values"):
        logit("y ~ cr(x, df=5)", waves[0])


# the command


DROP = "weight,before,three,amount"


def model() -> Any:
    return json.loads(Path("model.json").read_text())["model"]


def test_findings_of_a_sample_count_all_training_rows(small):
    rows = 40_000
    rare = np.arange(rows) % 50 == 0
    data = pa.table({"a": np.arange(rows) % 4, "b": np.arange(rows) % 3, "y": np.where(rare, "ill", "well")})
    training = train_streamed(open(data), "y", Settings())
    (text,) = [finding.text for finding in training.findings if finding.code == "SX101"]
    ill = int(re.search(r"'ill' has (\d+) of", text)[1])
    assert f"of {training.model.fit.rows:,} training rows" in text
    assert abs(ill / training.model.fit.rows - 0.02) < 0.002


def test_a_level_that_only_rows_held_out_have_is_told_once_for_all_batches():
    rows = 150_000
    data = pa.table({"a": np.arange(rows) % 7, "y": np.arange(rows) % 2})
    held_out = HoldOut("y", Settings.test_size).among(nw.from_native(data))[0]
    level = np.where(held_out & (np.arange(rows) % 50_000 < 100), "new", np.where(np.arange(rows) % 3, "old", "older"))
    training = train_streamed(open(data.append_column("b", pa.array(level))), "y", Settings())
    (text,) = [finding.text for finding in training.findings if finding.code == "SX109"]
    assert f"column 'b': {(level == 'new').sum()} rows hold 1 value unseen at fit (new)" in text


def test_rows_that_do_not_count_are_not_told_of_where_all_rows_are_trained_on(small):
    rows = 3_000
    data = pa.table({"a": np.arange(rows) % 7, "y": np.arange(rows) % 2, "w": np.arange(rows) % 3})
    level = np.where(data["w"].to_numpy() == 0, "new", np.where(np.arange(rows) % 5, "old", "older"))
    training = train_streamed(open(data.append_column("b", pa.array(level))), "y", Settings(weight="w", test_size=0))
    assert not [finding.text for finding in training.findings if finding.code == "SX109"]


def test_the_command_streams_files_judges_the_rows_held_out_and_predicts(run, small, tmp_path):
    files(tmp_path)
    code, out, err = run("fit", "part-*.parquet", "--target", "two", "--drop", DROP, "--stream")
    assert (code, err.count("Traceback")) == (0, 0)
    assert "6,000 rows" in out
    assert "ROC AUC" in out
    assert "curves are of binned scores" in " ".join(out.split())
    code, out, _ = run("evaluate", "model.json", "part-*.parquet")
    assert code == 0
    assert "accuracy" in out
    assert "curves are of binned scores of 6,000 rows" in " ".join(out.split())
    assert run("predict", "model.json", "part-*.parquet", "--out", "said.csv")[0] == 0
    assert len(Path("said.csv").read_text().splitlines()) == ROWS + 1


def test_the_command_infers_from_rows_that_stay_and_predicts_with_intervals(run, small, tmp_path):
    files(tmp_path)
    given = ("--target", "two", "--drop", "before,three,amount", "--stream", "--inference", "--cluster", "weight")
    code, out, err = run("fit", "part-*.parquet", *given)
    assert (code, err.count("Traceback")) == (0, 0)
    words = " ".join(out.split())
    assert "Standard errors allow for dependence within 3 clusters." in words
    assert "(Hosmer-Lemeshow) is not tested" in words
    assert "std. error" in Path("report.html").read_text().lower()
    assert model()["errors"]["kind"] == "cluster"
    code, out, _ = run("predict", "model.json", "part-0.parquet", "--interval", "0.95")
    assert code == 0
    assert out.startswith('"row","prediction","P(no)","P(no) lower","P(no) upper","P(yes)"')
    code, _, err = run("fit", "part-*.parquet", *given[:-1], "before", "--C", "1")
    assert (code, "asks for a penalty" in err) == (2, True)


@pytest.mark.slow
def test_a_type_that_changes_at_row_two_million_of_a_csv_is_one_clear_line_and_no_file(run):
    lines = "".join(f"{i / 16},{i % 2}\n" for i in range(16)) * 125_000
    Path("long.csv").write_text(f"x,y\n{lines.removesuffix('0.9375,1' + chr(10))}oops,0\n0.5,1\n")
    for way in ((), ("--stream",)):
        code, out, err = run("fit", "long.csv", "--target", "y", *way)
        assert (code, out) == (1, "")
        (line,) = err.strip().splitlines()
        assert line.removeprefix("separatrix: ") == (
            "column 'x', row 2000000 of long.csv: 'oops' is not a number; fix the cell, or fit with --categorical x."
        )
        assert [path.name for path in Path().iterdir()] == ["long.csv"]


def test_the_command_fits_the_answer_of_a_query(run, tmp_path):
    files(tmp_path)
    query = "select * exclude (weight, before, three, amount) from 'part-*.parquet' where b > 1000000.5"
    code, out, _ = run("fit", "--query", query, "--target", "two")
    assert code == 0
    assert f"the query: {np.sum(table()['b'].to_numpy() > 1000000.5):,} rows" in out
    code, _, err = run("fit", "part-0.parquet", "--query", query, "--target", "two")
    assert (code, "give one of the two" in err) == (2, True)


@pytest.mark.slow
def test_the_command_fits_on_workers_what_it_fits_here(run, small, tmp_path, monkeypatch):
    files(tmp_path)
    assert run("fit", "part-*.parquet", "--target", "two", "--drop", DROP, "--stream")[0] == 0
    here = model()
    code, _, err = run("fit", str(tmp_path / "part-*.parquet"), "--target", "two", "--drop", DROP, "--workers", "1")
    assert (code, err.count("Traceback")) == (0, 0)
    np.testing.assert_allclose(model()["coefficients"], here["coefficients"], atol=1e-8)
    monkeypatch.setattr(client, "CONNECTING", 1.0)
    code, _, err = run("fit", "iris", "--scheduler", "tcp://127.0.0.1:1")
    assert (code, "no scheduler answers" in err) == (1, True)


def test_a_checkpoint_goes_on_and_is_gone_once_the_model_is_written(run, tmp_path):
    files(tmp_path)
    arguments = ("fit", "part-*.parquet", "--target", "two", "--drop", DROP, "--checkpoint", "kept")
    assert run(*arguments)[0] == 0
    assert list(Path("kept").iterdir()) == []
    Path("kept/fit.npz").write_text("no")
    code, _, err = run(*arguments)
    assert (code, "is no checkpoint" in err) == (1, True)


def test_batches_without_a_row_that_counts_change_no_answer_where_a_level_is_separated(small, monkeypatch):
    monkeypatch.setattr(stream, "CHUNK", 1)  # batches are as small as they get
    data = table()
    two = np.where(np.arange(ROWS) % 40, data["two"].to_numpy(), "yes").astype(object)
    two[:1_500] = None
    city = np.where(np.arange(ROWS) % 40, data["city"].to_numpy(), "Pisa")
    data = pa.table({"b": data["b"], "city": city, "two": two.tolist()})
    streamed = train_streamed(open(data), "two", Settings(inference=True)).inferred
    expected = train(nw.from_native(data), "two", Settings(inference=True)).inferred
    assert streamed is not None
    assert expected is not None
    finite = ~expected.result.estimate.infinite.ravel().astype(bool)
    assert 0 < finite.sum() < len(finite)
    np.testing.assert_array_equal(streamed.result.estimate.infinite, expected.result.estimate.infinite)
    ours, theirs = streamed.result.estimate.theta.ravel(), expected.result.estimate.theta.ravel()
    np.testing.assert_allclose(ours[:-1][finite[:-1]], theirs[:-1][finite[:-1]], atol=1e-6)


@pytest.mark.parametrize("weight", [None, "w"])
def test_rows_without_a_label_or_a_weight_teach_nothing_of_the_columns(tmp_path, weight):
    random, rows = np.random.default_rng(0), 600
    a, w = random.normal(size=rows), random.integers(0, 3, rows)
    silent = random.random(rows) < 0.2
    b = np.where(random.random(rows) < 0.1, np.nan, random.normal(size=rows) + 5 * silent)  # the mean fills the gaps
    c = np.where(silent, "only there", random.choice(["u", "v"], rows))
    y = np.where(silent, None, np.where(a + random.logistic(size=rows) > 0, "yes", "no"))
    data = pa.table({"a": a, "b": pa.array(b, from_pandas=True), "c": c, "w": w, "y": pa.array(y.tolist())})
    pq.write_table(data, tmp_path / "rows.parquet")
    models = [
        LogisticRegression(tol=1e-13).fit(rows, target="y", sample_weight=weight)
        for rows in (
            open(str(tmp_path / "rows.parquet")),
            data.filter(pa.array(~silent & ((w > 0) | (weight is None)))),
        )
    ]
    np.testing.assert_allclose(models[0].coef_, models[1].coef_, rtol=1e-9)


def test_a_column_whose_name_is_part_of_a_category_of_the_formula_is_another_one(tmp_path):
    random = np.random.default_rng(1)
    a, cat = random.normal(size=2_000), random.choice(["u", "v", "w"], 2_000)
    data = pa.table({"y": (a + (cat == "u") + random.logistic(size=2_000) > 0).astype(int), "a": a, "cat": cat})
    ours, theirs = (logit("y ~ a + C(cat)", rows) for rows in (open(data), data.to_pandas()))
    np.testing.assert_allclose(ours.params, theirs.params, rtol=1e-7)
