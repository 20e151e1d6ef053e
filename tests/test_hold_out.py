"""One rule of rows held out: by place in the whole data and the seed, wherever the rows are and whoever reads them."""

import json
from itertools import pairwise
from pathlib import Path

import narwhals as nw
import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seldom import seldom
from separatrix.data.opened import open
from separatrix.data.reading.hold_out import START, HoldOut, drawn
from separatrix.data.workers import partitions
from separatrix.data.workers.client import connected
from separatrix.errors import ArgumentError, TargetError
from separatrix.settings import Settings
from separatrix.streamed import train_streamed
from separatrix.training import train

ROWS = 3_000


def table(rows: int = ROWS) -> pa.Table:
    random = np.random.default_rng(0)
    a, b, city = random.normal(size=rows), random.exponential(size=rows), random.choice(["Rome", "Oslo"], rows)
    eta = a - b + (city == "Oslo") + random.logistic(size=rows)
    y = np.where(eta > 2.5, "much", np.where(eta > 0, "some", "none"))
    return pa.table({"row": np.arange(rows), "a": a, "b": b, "city": city, "y": y, "w": random.integers(0, 3, rows)})


def written(folder: Path, kind: str, files: int) -> str:
    """The table in so many files of a kind; their glob."""
    whole, cuts = table(), np.linspace(0, ROWS, files + 1).astype(int) ** 2 // ROWS
    for number, (first, end) in enumerate(pairwise(cuts)):
        part, path = whole.slice(first, end - first), folder / f"{kind}-{files}-{number}.{kind}"
        if kind == "csv":
            pa.csv.write_csv(part, path)
        else:
            pq.write_table(part, path, row_group_size=300)
    return str(folder / f"{kind}-{files}-*.{kind}")


SOURCES = [("csv", 1), ("csv", 3), ("parquet", 1), ("parquet", 3)]


@pytest.mark.parametrize("weight", [*seldom(None), "w"])
@pytest.mark.parametrize("regression", [False, *seldom(True)])
def test_the_same_rows_are_held_out_in_memory_and_in_files_of_any_kind_and_number(tmp_path, weight, regression):
    rule = HoldOut("a" if regression else "y", 0.3, seed=5, by_class=not regression, weight=weight)
    inside = nw.from_native(table(), eager_only=True)
    expected = np.flatnonzero(rule.among(inside)[0])
    for kind, files in SOURCES:
        kept, held_out = open(written(tmp_path, kind, files)).split(rule)
        for rows in (100, 65_536):
            found = np.concatenate([each["row"].to_numpy() for each in held_out.batches(rows, ["row"])])
            np.testing.assert_array_equal(found, expected)
        left = np.concatenate([each["row"].to_numpy() for each in kept.batches()])
        np.testing.assert_array_equal(np.sort(np.append(left, found)), np.arange(ROWS))
        for batch, numbers in held_out.numbered(700):
            np.testing.assert_array_equal(batch["row"].to_numpy() + 1, numbers)


@pytest.mark.slow
def test_the_command_gives_one_model_of_a_table_wherever_it_is(run, tmp_path):
    models = {}
    ways = {
        "memory": ("csv", 1, ()),
        "stream": ("csv", 1, ("--stream",)),
        "three files in memory": ("csv", 3, ()),
        "three files": ("csv", 3, ("--stream",)),
        "parquet in memory": ("parquet", 1, ()),
        "three of parquet": ("parquet", 3, ("--stream",)),
        "checkpoint": ("csv", 1, ("--checkpoint", "kept")),
    }
    told = ("--target", "y", "--drop", "row", "--weight", "w", "--tol", "1e-14")
    for name, (kind, files, options) in ways.items():
        code, _, err = run("fit", written(tmp_path, kind, files), *told, *options)
        assert code == 0, err
        models[name] = json.loads(Path("model.json").read_text())["model"]
    for name, model in models.items():
        for what in ("coefficients", "intercepts"):
            np.testing.assert_allclose(model[what], models["memory"][what], rtol=1e-9, atol=1e-9, err_msg=name)
        assert model["metrics"] == pytest.approx(models["memory"]["metrics"], rel=1e-9), name


@pytest.mark.slow
def test_workers_hold_out_the_rows_that_memory_does(tmp_path, monkeypatch):
    pytest.importorskip("dask.dataframe")
    monkeypatch.setattr(partitions, "LOT_ROWS", 500)
    settings = Settings(drop=["row"], tol=1e-14)
    expected = train(nw.from_native(table(), eager_only=True), "y", settings)
    import dask.dataframe as dd

    with connected(workers=2) as client:
        frame = dd.from_pandas(table().to_pandas(), npartitions=4)
        for data in (*(open(written(tmp_path, *each), client=client) for each in SOURCES), open(frame)):
            found = train_streamed(data, "y", settings)
            np.testing.assert_allclose(found.model.coefficients, expected.model.coefficients, atol=1e-9)
            assert found.model.metrics == pytest.approx(expected.model.metrics, rel=1e-9)
            assert found.evaluation.rows == expected.evaluation.rows


@given(st.integers(0, 2**40), st.fractions(0, 1, max_denominator=100), st.integers(1, 400))
def test_of_the_first_rows_of_a_class_however_many_a_share_is_held_out(seed, share, rows):
    held_out = drawn(np.arange(rows), float(share), seed)
    before = np.cumsum(held_out)
    assert (np.abs(before - np.arange(1, rows + 1) * float(share)) < 2).all()
    assert not held_out[0]
    again = drawn(np.arange(rows)[::-1], float(share), seed)
    np.testing.assert_array_equal(again[::-1], held_out)


def test_every_row_but_the_first_has_the_same_chance():
    chance = np.mean([drawn(np.arange(400), 0.25, seed) for seed in range(4_000)], axis=0)
    assert chance[0] == 0
    np.testing.assert_allclose(chance[1:4], 1 / 3, atol=0.03)
    np.testing.assert_allclose(chance[4:], 0.25, atol=0.03)
    both = np.mean([(lambda held: held[4:8] * held[8:12])(drawn(np.arange(12), 0.25, s)) for s in range(4_000)], axis=0)
    np.testing.assert_allclose(both, 1 / 16, atol=0.02)  # neighbours of a period are no more alike than others


def test_each_class_has_its_share_and_keeps_a_row_to_train_on():
    y = np.repeat(["rare", "common", "single"], [8, 4_000, 1])
    rule = HoldOut("y", 0.25, seed=1)
    held_out, dealt = rule.among(nw.from_native(pa.table({"y": np.random.default_rng(0).permutation(y)})))
    assert dealt.of == {"rare": 8, "common": 4_000, "single": 1}
    assert held_out.sum() == 2 + 1_000


def test_rows_without_a_target_or_of_weight_0_are_no_rows_of_a_class():
    data = nw.from_native(pa.table({"y": ["a", None, "a", "a", "b"] * 8, "w": [1, 1, 0, 1, 1] * 8}))
    held_out, dealt = HoldOut("y", 0.5, seed=0, weight="w").among(data)
    assert dealt.of == {"a": 16, "b": 8}
    assert held_out.reshape(8, 5).sum(axis=0)[[1, 2]].tolist() == [0, 0]
    assert held_out.sum() == 12


def test_a_batch_without_a_target_has_no_row_held_out(tmp_path):
    rule = HoldOut("y", 0.25)
    for none in (pa.nulls(8, pa.string()), pa.nulls(8, pa.float64()), pa.array(["?"] * 8)):
        assert not rule.among(nw.from_native(pa.table({"y": none})))[0].any()
    data = table()
    pq.write_table(data.set_column(4, "y", pa.nulls(ROWS, pa.string())), tmp_path / "a.parquet")
    pq.write_table(data, tmp_path / "b.parquet")
    both = open(str(tmp_path / "*.parquet"))
    found = [sum(map(len, part.batches(rows=500))) for part in both.split(rule)]
    assert found == [ROWS + sum(map(len, open(data).split(rule)[0].batches())), 2 * ROWS - found[0]]


def test_batches_continue_where_those_before_left_off():
    data = nw.from_native(table(), eager_only=True)
    rule, dealt, found = HoldOut("y", 0.1, seed=3), START, []
    for first in range(0, ROWS, 77):
        some, dealt = rule.among(data[first : first + 77], dealt)
        found.append(some)
    np.testing.assert_array_equal(np.concatenate(found), rule.among(data)[0])


def test_a_test_size_of_0_trains_on_all_rows_and_says_what_is_judged(run, tmp_path):
    data = written(tmp_path, "csv", 1)
    for way in ((), ("--stream",)):
        code, out, err = run("fit", data, "--target", "y", "--drop", "row", "--test-size", "0", *way)
        assert (code, err.count("Traceback")) == (0, 0), err
        words = " ".join(out.split())
        assert "3,000 rows, all to train on; " in words
        assert "of 3,000 training rows" in words
        assert "None were held out" in words
        assert "held-out" not in words.lower()
        report = " ".join(Path("report.html").read_text().split())
        assert "held-out" not in report.lower()
        assert json.loads(Path("model.json").read_text())["model"]["fit"]["rows"] == ROWS


@pytest.mark.parametrize("share", [-0.1, 1.0, 1.5, float("nan")])
def test_a_test_size_that_leaves_nothing_to_train_on_is_refused(share):
    with pytest.raises(ArgumentError, match="must be at least 0, and below 1"):
        train(nw.from_native(table(), eager_only=True), "y", Settings(test_size=share))


def test_a_seed_below_0_is_refused(run):
    code, _, err = run("fit", "iris", "--seed", "-1")
    assert (code, err) == (2, "separatrix: seed=-1 must be a number at least 0.\n")


@pytest.mark.parametrize("streamed", [False, True])
def test_rows_too_few_to_hold_one_out_are_refused(streamed):
    data = pa.table({"x": [1.0, 2.0, 3.0, 4.0], "y": ["a", "b", "a", "b"]})
    fit, rows = (train_streamed, open(data)) if streamed else (train, nw.from_native(data, eager_only=True))
    with pytest.raises(TargetError, match=r"of 4 rows none is held out at test_size=0.01"):
        fit(rows, "y", Settings(test_size=0.01))
