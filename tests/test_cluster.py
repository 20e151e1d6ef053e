"""Rows on the workers of a cluster: the answer of memory, only sums on the wire, and every fault in one line."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cloudpickle
import narwhals as nw
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy import sparse
from sklearn.base import clone

import separatrix
from seldom import seldom
from separatrix import LinearRegression, LogisticRegression, logit, ols
from separatrix.data.memory import MemorySource
from separatrix.data.reading import parts
from separatrix.data.reading.hold_out import HoldOut
from separatrix.data.streams import collapse, learn, stream
from separatrix.data.workers import blocks, cluster, partitions
from separatrix.data.workers import client as clients
from separatrix.engine.objective import Objective
from separatrix.equations.losses import LogLoss
from separatrix.equations.penalties import L2
from separatrix.errors import (
    ArgumentError,
    CellError,
    ClusterError,
    ColumnError,
    DataError,
    FileError,
    InferenceError,
    SeparationWarning,
    SeparatrixError,
    TargetError,
)
from separatrix.inference.covariance import clustered
from separatrix.settings import Settings
from separatrix.streamed import train_streamed
from test_stream import CASES, MOST_OFTEN, Case, assert_same, categories, features, frauds, table, written

dask = pytest.importorskip("dask")
da = pytest.importorskip("dask.array")
dd = pytest.importorskip("dask.dataframe")
distributed = pytest.importorskip("distributed")
ROWS = 6_000


@pytest.fixture(scope="module")
def client():
    """Two worker processes of a thread each."""
    cloudpickle.register_pickle_by_value(sys.modules[__name__])  # the workers cannot import this file
    with clients.connected(workers=2) as client:
        yield client


@pytest.fixture
def spread(client, monkeypatch):
    """The client, as if memory here were so small that hardly a row fits, and shares were small."""
    client.wait_for_workers(2, timeout=60)  # a test before may have killed one
    for module in (stream, blocks, separatrix.tables):
        monkeypatch.setattr(module, "ROOM", 5_000)
    monkeypatch.setattr(learn, "SAMPLE_BYTES", 60_000)
    monkeypatch.setattr(partitions, "LOT_ROWS", 700)
    return client


def on(client: Any, data: pa.Table, folder: Path, files: int = 3) -> Any:
    """The table in files, on the workers."""
    return replace(written(data, folder, files, 331), client=client)


@pytest.mark.parametrize("name", MOST_OFTEN)
def test_files_on_workers_give_the_fit_of_memory(name, spread, tmp_path):
    case = CASES[name]
    data = features(table(rows=ROWS), case.target, case.own)
    assert_same(case.fit(on(spread, data, tmp_path)), case.fit(data), 1e-9)


@pytest.mark.parametrize("name", ["offsets", *seldom("binary", "linear")])
def test_a_dask_dataframe_gives_the_fit_of_memory(name, spread):
    case = CASES[name]
    data = features(table(rows=ROWS), case.target, case.own)
    frame = dd.from_pandas(data.to_pandas(), npartitions=5)
    assert_same(case.fit(frame), case.fit(data), 1e-9)


def test_a_bag_of_paths_is_the_files(spread, tmp_path):
    bag = pytest.importorskip("dask.bag")
    data = features(table(rows=ROWS), "two")
    files = [part.path for part in written(data, tmp_path, 2, 5_000).parts]
    paths = bag.from_sequence(map(str, files), npartitions=2)
    assert_same(CASES["binary"].fit(paths), CASES["binary"].fit(data), 1e-9)
    with pytest.raises(ArgumentError, match="the Dask bag is empty: put the paths of files into it"):
        separatrix.open(bag.from_sequence([], npartitions=1))


def arrays(classes: int = 2, seed: int = 0) -> tuple[Any, ...]:
    """X, labels, weights and offsets."""
    random = np.random.default_rng(seed)
    X = random.standard_normal((ROWS, 4)) * [1.0, 2.0, 0.5, 1.0] + [0.0, 0.0, 0.0, 1e5]
    eta = X[:, :1] * np.arange(classes) + random.gumbel(size=(ROWS, classes))
    weight = np.where(random.random(ROWS) < 0.1, 0.0, random.uniform(0.5, 2.0, ROWS))
    offset = random.standard_normal((ROWS, classes)) / 4
    return X, np.array(["a", "b", "c"])[eta.argmax(axis=1)], weight, offset[:, 0] if classes == 2 else offset


@pytest.mark.slow
@pytest.mark.parametrize("model", [LogisticRegression(), LinearRegression(), LinearRegression(alpha=0.1, l1_ratio=0.5)])
def test_a_block_whose_rows_all_weigh_nothing_says_nothing(model, spread):
    X, y, weight, _ = arrays()
    y = y == "a" if isinstance(model, LogisticRegression) else X @ [1.0, 2.0, -1.0, 0.0]
    weight[1_100:2_200] = 0.0
    expected = clone(model).fit(X, y, weight)
    found = clone(model).fit(*(da.from_array(each, chunks=1_100) for each in (X, y, weight)))
    np.testing.assert_allclose(found.coef_, expected.coef_, atol=1e-9)


@pytest.mark.parametrize("classes", [*seldom(2), 3])
def test_dask_arrays_give_the_fit_of_memory(classes, spread):
    X, y, weight, offset = arrays(classes)
    model = LogisticRegression(class_weight="balanced").fit(X, y, weight, offset)
    X, y, weight, offset = (da.from_array(each, chunks=1_100) for each in (X, y, weight, offset))
    other = LogisticRegression(class_weight="balanced").fit(X.rechunk((900, 2)), y, weight, offset)
    assert list(other.classes_) == list(model.classes_)
    assert other.n_features_in_ == 4
    np.testing.assert_allclose(other.coef_, model.coef_, atol=1e-9)


@pytest.mark.parametrize("kind", [str, *seldom(bool, int)])
def test_blocks_without_rows_are_none(kind, spread):
    X, y, weight, _ = arrays()
    y = y if kind is str else (y == "a").astype(kind)
    model = LogisticRegression().fit(X, y, weight)
    sizes = (0, 1_000, 0, 0, 2_000, ROWS - 3_000, 0)
    other = LogisticRegression().fit(*(da.from_array(each, (sizes, *each.shape[1:])) for each in (X, y, weight)))
    assert other.classes_.dtype == model.classes_.dtype
    np.testing.assert_allclose(other.coef_, model.coef_, atol=1e-9)
    rows, labels = da.from_array(X, chunks=(1_000, -1)), da.from_array(y, chunks=1_000)
    none = rows[:, 0] > 1e9
    assert "no rows in any of its blocks" in refusal(DataError, LogisticRegression().fit, rows[none], labels[none])


def test_sparse_blocks_are_predicted_as_their_rows(spread):
    X, y, _, offset = arrays()
    X[np.abs(X) < 1.0] = 0.0
    rows, blocks = sparse.csr_array(X), da.from_array(X, chunks=(1_000, -1)).map_blocks(sparse.csr_array, dtype=float)
    model, linear = LogisticRegression().fit(rows, y, offset=offset), LinearRegression().fit(rows, offset)
    proba = model.predict_proba(blocks, da.from_array(offset, chunks=1_000))
    assert np.array_equal(proba, model.predict_proba(rows, offset))
    assert np.array_equal(linear.predict(blocks), linear.predict(rows))


def test_sparse_blocks_stay_sparse(spread):
    X, y, *_ = arrays()
    X[np.abs(X) < 1.0] = 0.0
    blocks = da.from_array(X[:, :3], chunks=(1_000, -1)).map_blocks(sparse.csr_array, dtype=float)
    model = LogisticRegression().fit(blocks, da.from_array(y, chunks=1_000))
    np.testing.assert_allclose(model.coef_, LogisticRegression().fit(X[:, :3], y).coef_, atol=1e-9)


def test_a_dask_dataframe_of_numbers_is_a_matrix_with_names(spread):
    X, y, *_ = arrays()
    frame = dd.from_pandas(pd.DataFrame(X, columns=list("abcd")).assign(y=y), npartitions=4)
    model = LogisticRegression().fit(frame[list("abcd")], frame["y"])
    assert list(model.feature_names_in_) == list("abcd")
    np.testing.assert_allclose(model.coef_, LogisticRegression().fit(X, y).coef_, atol=1e-9)


def test_least_squares_of_two_targets_on_arrays(spread):
    X, _, weight, offset = arrays(3)
    Y = X[:, :2] @ np.array([[1.0, 2.0], [3.0, -1.0]]) + offset[:, :2]
    model = LinearRegression().fit(X, Y, weight)
    other = LinearRegression().fit(*(da.from_array(each, chunks=(1_000, *each.shape[1:])) for each in (X, Y, weight)))
    np.testing.assert_allclose(other.coef_, model.coef_, atol=1e-9)
    assert other.rank_ == model.rank_


def test_few_dask_rows_are_fitted_here_without_a_cluster():
    X, y, *_ = arrays()
    model = LogisticRegression().fit(da.from_array(X, chunks=1_000), da.from_array(y, chunks=1_000))
    assert np.array_equal(model.coef_, LogisticRegression().fit(X, y).coef_)


def test_predictions_of_a_dask_dataframe_are_those_of_its_rows(spread):
    data = features(table(rows=ROWS), "two")
    model = CASES["binary"].fit(data)
    frame = dd.from_pandas(data.to_pandas(), npartitions=3)
    assert np.array_equal(model.predict_proba(frame), model.predict_proba(data))


# who computes what does not matter


def test_the_answer_is_the_same_to_the_bit_whoever_computes_what(spread, tmp_path, monkeypatch):
    case, data = CASES["multinomial"], on(spread, features(table(rows=ROWS), "three"), tmp_path)
    both = case.fit(data)
    one, *_ = clients.threads_of(spread)
    monkeypatch.setattr(cluster, "threads_of", lambda client: [one])
    assert np.array_equal(case.fit(data).coef_, both.coef_)


@dataclass(frozen=True)
class Deadly:
    """A part of a table: the second to read it dies of it, as the flag says that one has."""

    table: pa.Table
    flag: str
    rows: int | None = None

    @property
    def columns(self) -> list[str]:
        return self.table.schema.names

    def batches(self, rows: int, columns: Any = None) -> Any:
        readings = Path(self.flag).read_text() if Path(self.flag).exists() else ""
        Path(self.flag).write_text(f"{readings}{os.getpid()} ")
        for number, batch in enumerate(self.table.select(list(columns or self.columns)).to_batches(100)):
            if number == 3 and len(readings.split()) == 1:
                os.kill(os.getpid(), signal.SIGKILL)
            yield batch


@pytest.mark.slow
def test_a_worker_killed_in_the_middle_of_a_pass_is_survived_with_the_same_answer(spread, tmp_path):
    case, data = CASES["binary"], features(table(rows=ROWS), "two")
    whole = on(spread, data, tmp_path)
    deadly = tuple(Deadly(data.slice(first, 1_000), str(tmp_path / f"flag {first}")) for first in range(0, ROWS, 1_000))
    deadly = (deadly[0], *(partitions.TablePart(part.table) for part in deadly[1:]))
    model = case.fit(replace(whole, parts=deadly, files=()))
    readers = (tmp_path / "flag 0").read_text().split()
    assert len(readers) >= 3, "the first reading, the pass in which its reader died, and the pass made again"
    assert readers[1] != readers[2]
    assert_same(model, case.fit(data), 1e-9)


def test_what_a_killed_worker_had_kept_is_made_again(spread, tmp_path):
    question = learn.Question("two")
    _, source = partitions.learned_source(on(spread, features(table(rows=ROWS), "two"), tmp_path), question)

    def total(block):
        return block.X.sum(axis=0)

    with source.working() as working:
        first = working.add_up(total)
        one = clients.threads_of(spread)[:1]
        spread.run(lambda: os.kill(os.getpid(), signal.SIGKILL), workers=one, on_error="return")
        assert np.array_equal(working.add_up(total), first)


@pytest.mark.slow
def test_the_rows_of_a_rare_class_are_kept_when_the_workers_first_read(spread, tmp_path, monkeypatch):
    monkeypatch.setattr(learn, "SAMPLE_BYTES", 240_000)
    monkeypatch.setattr(partitions, "LOT_ROWS", 5_000)
    data = frauds()
    learned, source = partitions.learned_source(on(spread, data, tmp_path), learn.Question("y"))
    assert isinstance(source, cluster.ClusterSource)
    rare = np.array(learned.kept["y"]) == "yes"
    assert rare.sum() == np.sum(np.array(data["y"]) == "yes")
    assert (learned.strata.chance[rare] == 1.0).all()
    some, times = source.thinned(1_000, np.random.default_rng(0))
    assert some.y.sum() == rare.sum()
    assert (times[some.y == 1] == 1.0).all()
    assert abs(times.sum() / len(data) - 1) < 0.06
    monkeypatch.setattr(cluster.ClusterSource, "sample", None)  # which would choose rows in a pass
    model = LogisticRegression().fit(on(spread, data, tmp_path), target="y")
    assert_same(model, LogisticRegression().fit(data, target="y"), 1e-9)


def test_blocks_know_which_of_all_rows_they_are(spread, tmp_path):
    data = on(spread, features(table(rows=ROWS), "two"), tmp_path)
    _, source = partitions.learned_source(data, learn.Question("two"))
    rows = source.add_up(lambda block: [(block.rows.start, block.rows.stop)])
    assert [start for start, _ in rows[1:]] == [stop for _, stop in rows[:-1]]
    assert (rows[0][0], rows[-1][1]) == (0, ROWS)


def test_only_sums_travel_where_rows_are_in_the_memory_of_workers(spread):
    X, y, weight, _ = arrays()
    first, other = sorted(spread.nthreads())
    kept = {}
    for name, values in (("X", X[:, :3]), ("y", y), ("weight", weight)):
        blocks = [  # three in a row on a worker: not in turn
            spread.submit(values.__getitem__, slice(1_000 * i, 1_000 * i + 1_000), workers=[first if i < 3 else other])
            for i in range(6)
        ]
        shape = (1_000, *values.shape[1:])
        kept[name] = da.concatenate(
            [da.from_delayed(dask.delayed(block), shape, dtype=values.dtype) for block in blocks]
        ).persist()
        distributed.wait([*blocks, kept[name]])
    before = moved(spread)
    model = LogisticRegression().fit(kept["X"], kept["y"], kept["weight"])
    # Rows, labels and weights are 240,000 bytes, a block of them 36,000, and sums some 1,400. The scheduler moved one
    # or two in one fit of six where a pass was sent out before it was known which worker had a share.
    assert moved(spread) - before < 5_000
    np.testing.assert_allclose(model.coef_, LogisticRegression().fit(X[:, :3], y, weight).coef_, atol=1e-7)


def partial_code(codes):
    return codes[:, None] * 1.0


def moved(client: Any) -> int:
    """The bytes of values that workers have had of each other."""
    logs = client.run(lambda dask_worker: [each["total"] for each in dask_worker.transfer_incoming_log])
    return sum(map(sum, logs.values()))


# stopping and going on

STOPPED = """
import json, os, signal, sys
from pathlib import Path
from separatrix.data.workers import client as clients
from separatrix.data.workers import cluster
from separatrix.data.streams import learn
from separatrix.data.workers import partitions
from separatrix.data.streams import stream
from separatrix.data.opened import open
from separatrix.settings import Settings
from separatrix.streamed import train_streamed

stream.ROOM = 5_000
learn.SAMPLE_BYTES, partitions.LOT_ROWS = 60_000, 700
folder, address, most = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
passes, added_up = 0, cluster.added_up

def counted(*arguments):
    global passes
    passes, total = passes + 1, added_up(*arguments)
    if passes == most:  # the workers are at it
        os.kill(os.getpid(), signal.SIGKILL)
    return total

cluster.added_up = counted
with clients.connected(address) as client:
    data = open(str(folder / "part-*.parquet"), client=client)
    model = train_streamed(data, "two", Settings(drop=["far"]), checkpoint=folder / "kept").model
print(json.dumps([model.coefficients, model.intercepts, passes]))
"""


@pytest.mark.slow
def test_a_fit_that_is_killed_in_a_pass_on_workers_goes_on_there_to_the_same_answer(spread, tmp_path):
    data = on(spread, features(table(rows=ROWS), "two"), tmp_path)

    def fit(most: int) -> Any:
        command = [sys.executable, "-c", STOPPED, str(tmp_path), spread.scheduler.address, str(most)]
        return subprocess.run(command, capture_output=True, text=True)

    kept = tmp_path / "kept" / "fit.npz"
    coefficients, intercepts, passes = json.loads(fit(0).stdout)
    kept.unlink()
    assert fit(passes).returncode == -signal.SIGKILL
    assert kept.exists()
    gone_on = json.loads(fit(0).stdout)
    np.testing.assert_allclose(gone_on[0], coefficients, atol=1e-8)
    np.testing.assert_allclose(gone_on[1], intercepts, atol=1e-8)
    assert gone_on[2] < passes
    pq.write_table(features(table(rows=900, seed=1), "two"), tmp_path / "part-2.parquet")
    others = separatrix.open([part.path for part in data.parts], client=spread)
    with pytest.raises(FileError, match="of other data"):
        train_streamed(others, "two", Settings(drop=["far"]), checkpoint=kept.parent)


# how much the answers differ


@pytest.mark.slow
def test_of_columns_that_repeat_others_predictions_agree_where_coefficients_need_not(spread, tmp_path):
    data = features(table(rows=ROWS), "two").drop_columns(["far", "city"])
    data = data.append_column("twice", pa.array(2.0 * np.array(data["b"]) + np.array(data["c"])))
    model = LogisticRegression(C=np.inf)
    here, there = (clone(model).fit(rows, target="two") for rows in (data, on(spread, data, tmp_path)))
    np.testing.assert_allclose(there.predict_proba(data), here.predict_proba(data), atol=1e-9)


# inference


@pytest.mark.parametrize(
    ("target", "covariance", "options"),
    [
        *seldom(("two", "nonrobust", {}), ("two", "HC0", {"weights": "weight", "offset": "o1"}), ("two", "HC2", {})),
        *seldom(("three", "nonrobust", {"offset": ["o1", "o2"], "weights": "weight"})),
        ("three", "HC1", {"weights": "weight"}),
    ],
)
def test_a_formula_has_the_standard_errors_of_memory(target, options, covariance, spread, tmp_path):
    data, formula = table(rows=ROWS), f"{target} ~ a + np.log(b) + C(city) * c"
    frame = data.to_pandas()
    given = {key: frame[value].to_numpy() for key, value in options.items()}
    fit = logit(formula, on(spread, data, tmp_path), covariance=covariance, **options)
    other = logit(formula, frame, covariance=covariance, **given)
    assert (fit.names, fit.nobs, fit.sample.missing) == (other.names, pytest.approx(other.nobs), other.sample.missing)
    np.testing.assert_allclose(fit.params, other.params, atol=1e-9)
    np.testing.assert_allclose(fit.bse, other.bse, rtol=1e-9)
    assert (fit.llf, fit.llnull) == pytest.approx((other.llf, other.llnull), rel=1e-12)
    new = frame[:9].drop(columns=target).dropna()
    offset = new[options["offset"]].to_numpy() if "offset" in options else None
    np.testing.assert_allclose(fit.predict(new), other.predict(new, offset=offset))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("target", "told"), [("two", {"cluster": "c"}), ("three", {"weight": "weight"}), ("amount", {"weight": "weight"})]
)
def test_the_regression_of_a_command_has_the_standard_errors_of_this_process(spread, tmp_path, target, told):
    rows = written(
        features(table(rows=ROWS), target, tuple(told.values())[:1] if "weight" in told else ()), tmp_path, 3, 331
    )
    settings = Settings(inference=True, regression=target == "amount", **told)
    there, here = (train_streamed(data, target, settings) for data in (replace(rows, client=spread), rows))
    assert isinstance(there.inferred.result.sample.rows, cluster.ClusterSource)
    np.testing.assert_allclose(there.inferred.result.bse[1:], here.inferred.result.bse[1:], rtol=1e-7)
    np.testing.assert_allclose(there.model.coefficients, here.model.coefficients, rtol=1e-7)


@pytest.mark.slow
def test_a_linear_regression_by_a_formula_and_of_arrays_has_the_standard_errors_of_memory(spread, tmp_path):
    data, formula = table(rows=ROWS), "amount ~ a + np.log(b) + C(city) * c"
    fit = ols(formula, on(spread, data, tmp_path), covariance="HC2", weights="weight")
    other = ols(formula, data.to_pandas(), covariance="HC2", weights=np.array(data["weight"]))
    np.testing.assert_allclose(fit.params, other.params, rtol=1e-9)
    np.testing.assert_allclose(fit.bse, other.bse, rtol=1e-9)
    X, _, weight, offset = arrays()
    y, rows = X @ [1.0, -1.0, 0.5, 0.0] + offset, da.from_array(X, chunks=1_000)
    fit, other = ols(da.from_array(y, chunks=1_000), rows, weights=weight), ols(y, X, weights=weight)
    np.testing.assert_allclose(fit.params[1:], other.params[1:], rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(fit.bse, other.bse, rtol=1e-6)
    with pytest.raises(ArgumentError, match="y has 2 columns, and a linear regression explains one"):
        ols(da.from_array(X[:, :2], chunks=(1_000, -1)), rows)


@pytest.mark.slow
def test_a_dask_dataframe_and_clusters_have_the_standard_errors_of_memory(spread):
    frame = table(rows=ROWS).to_pandas()
    fit = logit("two ~ a + b", dd.from_pandas(frame, npartitions=4), covariance="cluster", groups="city")
    other = logit("two ~ a + b", frame, covariance="cluster", groups="city")
    np.testing.assert_allclose(fit.bse, other.bse, rtol=1e-8)
    np.testing.assert_allclose(fit.with_covariance("HC0").bse, other.with_covariance("HC0").bse, rtol=1e-8)
    assert fit.pseudo_r2.tjur == pytest.approx(other.pseudo_r2.tjur, rel=1e-9)
    assert str(fit.summary()).splitlines()[3:] == str(other.summary()).splitlines()[3:]


def test_splines_and_scales_on_workers_are_those_of_memory(spread, tmp_path):
    data, formula = table(rows=ROWS), "two ~ bs(b, df=5) + scale(c)"
    fit, other = (logit(formula, rows, singular="drop") for rows in (on(spread, data, tmp_path), data.to_pandas()))
    np.testing.assert_allclose(fit.params, other.params, rtol=1e-8, atol=1e-9)


@pytest.mark.slow
def test_nested_formulas_are_compared_on_workers(spread, tmp_path):
    data = table(rows=ROWS)
    rows, frame = on(spread, data, tmp_path), data.to_pandas()
    test = logit("two ~ b + c", rows).lr_test(logit("two ~ b", rows))
    other = logit("two ~ b + c", frame).lr_test(logit("two ~ b", frame))
    assert (test.statistic, test.df) == (pytest.approx(other.statistic, rel=1e-6), other.df)


def test_logit_of_dask_arrays_has_the_standard_errors_of_memory(spread):
    X, y, weight, offset = arrays(3)
    other = logit(y, X, weights=weight, offset=offset[:, :2])
    y, X = (da.from_array(each, chunks=(1_000, *each.shape[1:])) for each in (y, X))
    fit = logit(y, X, weights=weight, offset=offset[:, :2])
    np.testing.assert_allclose(fit.params, other.params, atol=1e-8)
    np.testing.assert_allclose(fit.bse, other.bse, rtol=1e-8)


@pytest.mark.slow
def test_separation_is_found_on_workers(spread):
    X, *_ = arrays()
    y = np.where(X[:, 0] > 0.5, "yes", "no")
    X, y = da.from_array(X[:, :2], chunks=(3_000, -1)), da.from_array(y, chunks=3_000)
    with pytest.warns(SeparationWarning, match="x0 > 0.5 is of class 'yes', and no other row is"):
        model = LogisticRegression(C=np.inf, max_iter=10).fit(X, y)
    assert model.separation_.kind == "complete"
    assert model.separation_.infinite[0] == np.inf


@pytest.mark.slow
def test_clusters_need_block_sums_and_the_codes_of_rows_alone(spread, tmp_path):
    data = features(table(rows=ROWS), "two").drop_columns(["far"])  # of which the centres would differ
    _, source = partitions.learned_source(on(spread, data, tmp_path), learn.Question("two"))
    _, here = partitions.learned_source(written(data, tmp_path / "here", 3, 331), learn.Question("two"))
    codes, p = np.arange(ROWS) // 40, source.n_columns
    theta, bread = np.full((p + 1, 1), 0.1), np.eye(p + 1)
    both = [Objective(each.recoded(partial_code), LogLoss(), L2(np.zeros(p)), True) for each in (source, here)]
    one, other = (clustered(objective, theta, bread, [codes]) for objective in both)
    np.testing.assert_allclose(one, other, rtol=1e-12)


# faults


def refusal(error: type[SeparatrixError], call: Any, *arguments: Any, **options: Any) -> str:
    """The message of an error, which is one line."""
    with pytest.raises(error) as caught:
        call(*arguments, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_file_that_cannot_be_read_is_named(spread, tmp_path):
    data = on(spread, features(table(rows=ROWS), "two"), tmp_path)
    path = tmp_path / "part-1.parquet"
    path.write_bytes(path.read_bytes()[:-50])
    assert "part-1.parquet has changed" in refusal(FileError, CASES["binary"].fit, data)
    path.unlink()
    assert "part-1.parquet" in refusal(FileError, CASES["binary"].fit, data)


def test_a_damaged_row_group_is_named(spread, tmp_path):
    data = on(spread, features(table(rows=ROWS), "two"), tmp_path)
    path = tmp_path / "part-2.parquet"
    stamp, content = path.stat(), bytearray(path.read_bytes())
    content[1_000:4_000] = bytes(3_000)
    path.write_bytes(bytes(content))
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert "part-2.parquet" in refusal(FileError, CASES["binary"].fit, data)


def test_a_cell_that_is_no_number_is_named_with_its_file(spread, tmp_path):
    for number in range(3):
        cell = "oops" if number == 1 else "1.5"
        (tmp_path / f"{number}.csv").write_text("x,y\n" + f"0.5,1\n{cell},0\n" * 500)
    data = separatrix.open(str(tmp_path / "*.csv"), client=spread)
    assert "1.csv" in refusal(CellError, LinearRegression().fit, data, target="x")


def test_a_fault_of_a_row_that_is_trained_on_is_named_by_its_row_in_its_file(spread, tmp_path):
    lines = [f"{i / 16},{i % 2}" for i in range(1_000)]
    for number in range(3):
        (tmp_path / f"{number}.csv").write_text("\n".join(["x,y", *lines]))
    labels = pa.table({"y": [str(i % 2) for i in range(3_000)]})
    row = int(np.flatnonzero(~HoldOut("y", Settings.test_size).among(nw.from_native(labels))[0][1_000:])[500])
    lines[row] = "oops,1"
    (tmp_path / "1.csv").write_text("\n".join(["x,y", *lines]))
    data = separatrix.open(str(tmp_path / "*.csv"), client=spread)
    message = refusal(CellError, train_streamed, data, "y", Settings())
    assert re.search(rf"column 'x', row {row + 1} of .*1.csv: 'oops' is not a number", message)


def broken(number: int) -> pd.DataFrame:
    if number == 2:
        raise ValueError("the disk of this partition is gone")
    return pd.DataFrame({"x": np.arange(5.0), "y": [0, 1, 0, 1, 1]})


@pytest.mark.slow
def test_a_partition_that_cannot_be_made_is_named(spread):
    frame = dd.from_map(broken, range(4), meta=broken(0))
    message = refusal(DataError, LogisticRegression().fit, frame, target="y")
    assert message == (
        "partition 2 of the Dask dataframe cannot be read: ValueError: the disk of this partition is gone"
    )


@pytest.mark.slow
def test_a_partition_of_another_type_is_named(spread):
    frame = dd.from_map(broken, [0, 1], meta=broken(0).astype({"x": "datetime64[ns]"}))
    assert "of the Dask dataframe does not hold what" in refusal(DataError, LogisticRegression().fit, frame, target="y")


@pytest.mark.slow
@pytest.mark.parametrize(
    "other", [lambda part: part["x"], lambda part: None, lambda part: pd.concat([part, part[["x"]]], axis=1)]
)
def test_a_partition_that_is_no_table_of_these_columns_is_named(other, spread):
    parts = [dask.delayed(value) for value in (broken(0), other(broken(0)))]
    frame = dd.from_delayed(parts, meta=broken(0), verify_meta=False)
    message = refusal(DataError, LogisticRegression().fit, frame, target="y")
    assert message.startswith("partition 1 of the Dask dataframe does not hold what the dataframe says")


@pytest.mark.slow
def test_partitions_without_rows_are_none(spread):
    frame = features(table(rows=ROWS), "two").to_pandas()
    parts = dd.from_pandas(frame, npartitions=5)
    parts = parts.map_partitions(lambda part: part[:0] if part.index[0] % 2_400 else part, meta=parts._meta)
    assert_same(CASES["binary"].fit(parts), CASES["binary"].fit(pa.Table.from_pandas(parts.compute())), 1e-8)
    assert train_streamed(separatrix.open(parts), "two", Settings(drop=["far"])).rows == len(parts)
    none = parts.map_partitions(lambda part: part[:0], meta=parts._meta)
    assert "no rows" in refusal(FileError, LogisticRegression().fit, none, target="two")


def test_a_column_of_text_among_dask_numbers_is_named(spread):
    frame = dd.from_pandas(pd.DataFrame({"x": np.arange(9_000.0), "c": ["u", "v"] * 4_500}), npartitions=3)
    message = refusal(ColumnError, LogisticRegression().fit, frame, frame["x"])
    assert message.startswith("column 'c' is of type string, and X must be numbers")


@pytest.mark.slow
def test_an_error_of_ours_on_a_worker_is_told_once(tmp_path):
    (tmp_path / "a.csv").write_text("x,y\n" + "0.5,1\n1.5,0\n" * 500 + "oops,1\n")
    script = tmp_path / "fit.py"
    script.write_text(ALONE)
    run = subprocess.run([sys.executable, str(script), str(tmp_path / "a.csv")], capture_output=True, text=True)
    (line,) = run.stderr.strip().splitlines()
    assert "row 1001 of" in line


ALONE = """
import sys
import distributed, separatrix
from separatrix.errors import SeparatrixError

if __name__ == "__main__":
    cluster = distributed.LocalCluster(n_workers=1, dashboard_address=":0")
    with cluster, distributed.Client(cluster) as client:
        try:
            separatrix.LinearRegression().fit(separatrix.open(sys.argv[1], client=client), target="x")
        except SeparatrixError as error:
            print(error, file=sys.stderr)
"""


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda X, y: (da.where(X > 4, np.nan, X), y), CellError, r"block 0: X\[189, 1\] is NaN: leave the row out"),
        (
            lambda X, y: (da.where(X > 4, 1e200, X), y),
            CellError,
            r"block 0: X\[189, 1\] is 1e\+200 .*too large to square",
        ),
        (lambda X, y: (da.ma.masked_greater(X, 4), y), CellError, r"block 0: X\[189, 1\] is NaN"),
        (lambda X, y: (X + 0j, y), DataError, "X has complex numbers"),
        (lambda X, y: (X.astype(object).map_blocks(words), y), DataError, "block 0: X is of type object"),
        (lambda X, y: (X.map_blocks(lambda b: b.astype("M8[s]"), dtype="M8[s]"), y), DataError, "times are no numbers"),
        (lambda X, y: (X, y.map_blocks(gapped, None)), TargetError, "block 0: y is missing in row 3, counted from 0"),
        (lambda X, y: (X, y.map_blocks(gapped, pd.NA)), TargetError, "block 0: y is missing in row 3, counted from 0"),
        (lambda X, y: (X, y.map_blocks(gapped, 7)), TargetError, "block 0: .* holds int and str"),
        (lambda X, y: (X, y.map_blocks(some_numbers, dtype=y.dtype)), TargetError, "holds float and str"),
        (
            lambda X, y: (X, da.stack([y, y], axis=1)),
            ArgumentError,
            r"y has shape \(6000, 2\), and must have \(6000,\)",
        ),
        (lambda X, y: (X, "a"), ArgumentError, "y='a' must hold a value for each row"),
        (
            lambda X, y: (X[X[:, 0] > -9], y.compute()),
            ArgumentError,
            "y is in memory, and how many rows the blocks of X",
        ),
        (lambda X, y: (X, dask.delayed(y)), ArgumentError, "y is a Dask Delayed"),
        (lambda X, y: (dask.delayed(X), y), ArgumentError, "X is a Dask Delayed.*, and must have columns"),
        (lambda X, y: (dd.from_dask_array(X, columns=list("abc"))["a"], y), ArgumentError, "X is a Dask Series"),
        (lambda X, y: (X, y, "w"), ArgumentError, r"sample_weight=\['w'\] is of type <U1"),
        (lambda X, y: (X, y, X[:, :1]), ArgumentError, r"sample_weight has shape \(6000, 1\)"),
        (lambda X, y: (X, y, X[:, 0]), ArgumentError, r"block 0: sample_weight\[\d+\]=-\S+ must be at least 0"),
        (lambda X, y: (X, y, X[:, 0] * 0), ArgumentError, "is zero in every row"),
        (lambda X, y: (X, y, abs(X[:, 0]) * 1e-200), ArgumentError, "sample_weight reaches .*e-200"),
        (lambda X, y: (X, y, None, "o"), ArgumentError, r"offset=\['o'\] is of type <U1"),
        (lambda X, y: (X, y, None, X[:, 0] * 1e18), ArgumentError, r"block 0: offset\[0\]=\S+ is beyond 1e\+15"),
        (lambda X, y: (X, y[:-1]), ArgumentError, r"y has 5,999 rows, and X has 6,000"),
        (lambda X, y: (X, da.full_like(y, "a")), TargetError, "one class, 'a'"),
        (lambda X, y: (X, da.from_array(np.arange(6000) / 7, chunks=1_000)), TargetError, "no classes"),
        (lambda X, y: (X[:, 0], y), ArgumentError, "X has 1 dimensions"),
        (lambda X, y: (X, None), ArgumentError, "give y"),
    ],
)
def test_arrays_without_meaning_are_refused(change, error, message, spread):
    X, y, *_ = arrays()
    given = change(da.from_array(X[:, :3], chunks=(1_000, -1)), da.from_array(y, chunks=1_000))
    assert re.search(message, refusal(error, LogisticRegression().fit, *given))


def gapped(labels: Any, other: Any) -> Any:
    """A block of labels with another in row 3."""
    return np.where(np.arange(len(labels)) == 3, np.array(other, dtype=object), labels.astype(object))


def some_numbers(labels: Any, block_id: Any) -> Any:
    return np.ones(len(labels)) if block_id[0] == 5 else labels


def words(block: Any) -> Any:
    return np.full(block.shape, "oops", dtype=object)


def test_numbers_of_dask_that_hold_a_gap_or_are_tiny_are_refused_as_in_memory(spread):
    X, y, *_ = arrays()
    rows = da.from_array(X[:, :3] * [1.0, 1e-170, 1.0], chunks=(1_000, -1))
    message = refusal(CellError, LogisticRegression(C=np.inf).fit, rows, y)
    assert message == refusal(CellError, LogisticRegression(C=np.inf).fit, rows.compute(), y)
    few = np.ma.masked_greater(X[:300, :3], 2)  # so few that they are brought here
    message = refusal(CellError, LogisticRegression().fit, da.from_array(few, chunks=100), y[:300])
    assert message == refusal(CellError, LogisticRegression().fit, few, y[:300])
    frame = pd.DataFrame({"a": X[:, 0], "b": pd.array(np.arange(ROWS), "Int64")})
    frame = dd.from_pandas(frame.assign(b=frame["b"].mask(frame["b"] == 1_500)), npartitions=3)
    message = refusal(CellError, LogisticRegression().fit, frame, da.from_array(y, chunks=2_000))
    assert message.startswith("partition 0: column 'b' of X is NaN in row 1500, counted from 0")
    for y, told in ((np.nan, r"y\[7\]=nan must be finite"), (1e200, "too large to square")):
        numbers = da.from_array(np.where(np.arange(ROWS) == 7, y, X[:, 0]), chunks=1_000)
        assert re.search(f"block 0: .*{told}", refusal(SeparatrixError, LinearRegression().fit, rows, numbers))


def test_one_weight_or_offset_for_all_rows_of_dask_is_that_of_each(spread):
    X, y, *_ = arrays()
    rows, labels = da.from_array(X[:, :3], chunks=(1_000, -1)), da.from_array(y, chunks=1_000)
    model = LogisticRegression().fit(rows, labels, 2.0, 0.5)
    other = LogisticRegression().fit(X[:, :3], y, 2.0, 0.5)
    np.testing.assert_allclose(model.coef_, other.coef_, atol=1e-9)
    np.testing.assert_allclose(model.intercept_, other.intercept_, atol=1e-9)


@pytest.mark.slow
def test_a_class_without_a_row_that_counts_is_a_class_on_workers_too(spread):
    X, y, *_ = arrays()
    y, weight = np.where(np.arange(ROWS) % 900 == 7, "z", y), np.where(np.arange(ROWS) % 900 == 7, 0.0, 1.0)
    rows, labels = da.from_array(X[:, :3], chunks=(1_000, -1)), da.from_array(y, chunks=1_000)
    model = LogisticRegression(class_weight="balanced").fit(rows, labels, da.from_array(weight, chunks=1_000))
    assert list(model.classes_) == list(LogisticRegression().fit(X[:, :3], y, weight).classes_)


@pytest.mark.slow
def test_categories_of_dask_that_are_numbers_stay_categories(spread):
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"x": random.standard_normal(ROWS), "c": random.integers(0, 4, ROWS)})
    frame["y"] = np.where(frame["x"] + (frame["c"] == 2) + random.logistic(size=ROWS) > 0, "yes", "no")
    frame["c"] = frame["c"].astype("category")
    there = dd.from_pandas(frame, npartitions=3)
    other = LogisticRegression().fit(frame, target="y")
    for rows in (there, there.assign(c=there["c"].cat.as_unknown())):
        model = LogisticRegression().fit(rows, target="y")
        assert list(model.feature_names_in_) == list(other.feature_names_in_)
        np.testing.assert_allclose(model.coef_, other.coef_, atol=1e-9)


def test_categories_of_dask_keep_their_order_in_a_formula(spread):
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"x": random.standard_normal(ROWS), "c": random.choice(["low", "mid", "top"], ROWS)})
    sick = frame["x"] + (frame["c"] == "mid") + random.logistic(size=ROWS) > 0
    frame["c"] = pd.Categorical(frame["c"], ["top", "mid", "low"])
    frame["y"] = pd.Categorical(np.where(sick, "ill", "well"), ["well", "ill"])
    there, here = (logit("y ~ x + c", rows) for rows in (dd.from_pandas(frame, npartitions=3), frame))
    assert (there.classes, there.names) == (here.classes, here.names)
    np.testing.assert_allclose(there.params, here.params, atol=1e-7)


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        ("two ~ I(b - b.mean())", "whose value in one row depends on others"),
        ("two ~ C(far)", "column 'far' has too many levels"),
        ("two ~ nope", "no column 'nope'"),
        ("np.log(b) ~ a", "is no column of"),
    ],
)
def test_a_formula_that_cannot_be_made_batch_by_batch_is_refused(formula, message, spread, tmp_path):
    with pytest.raises(SeparatrixError, match=message):
        logit(formula, on(spread, table(rows=ROWS), tmp_path))


def test_a_fit_of_workers_has_no_rows_here_and_says_so(spread, tmp_path):
    fit = logit("two ~ a", on(spread, table(rows=ROWS), tmp_path))
    with pytest.raises(InferenceError, match=r"use predict\(data\)"):
        _ = fit.fittedvalues


@pytest.mark.slow
def test_rows_that_are_lost_with_their_worker_are_told_of_and_no_scheduler_is_blamed(spread):
    X, y, *_ = arrays()
    one, *_ = clients.threads_of(spread)
    kept = spread.scatter(X, workers=[one])  # the only copy: nobody knows how it was made
    rows = da.from_delayed(kept, shape=X.shape, dtype=X.dtype)
    model = LogisticRegression().fit(rows, y)
    np.testing.assert_allclose(model.coef_, LogisticRegression().fit(X, y).coef_, atol=1e-9)
    spread.run(lambda: os.kill(os.getpid(), signal.SIGKILL), workers=[one], on_error="return")
    message = refusal(ClusterError, LogisticRegression().fit, rows, y)
    assert message.startswith("rows in the memory of workers are lost, as a worker died")


def test_a_client_that_is_closed_is_one_clear_error(client, tmp_path):
    other = type(client)(client.scheduler.address, set_as_default=False)
    data = on(other, features(table(rows=ROWS), "two"), tmp_path)
    other.close()
    assert "the Dask client is closed" in refusal(ClusterError, CASES["binary"].fit, data)


@pytest.mark.slow
def test_a_scheduler_that_falls_silent_or_goes_away_is_one_clear_error(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(clients, "CONNECTING", 3.0)
    run = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--no-dashboard", "--host", "127.0.0.1"]
    run += ["--port", "0"]
    file = tmp_path / "scheduler.json"
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    scheduler = subprocess.Popen([*run, "--scheduler-file", str(file)], **quiet)
    work = [sys.executable, "-m", "distributed.cli.dask_worker", "--nthreads", "1", "--no-nanny", "--no-dashboard"]
    worker = subprocess.Popen([*work, "--scheduler-file", str(file)], **quiet)
    try:
        for _ in range(300):
            if file.exists() and file.read_text().endswith("}"):
                break
            time.sleep(0.1)
        address = json.loads(file.read_text())["address"]
        with clients.connected(address) as client:
            there = replace(written(features(table(rows=ROWS), "two"), tmp_path, 2, 500), client=client)
            model = LogisticRegression().fit(there, target="two")
            assert model.n_features_in_
            started = client.submit(os.getpid, pure=False)
            started.result()
            slow = client.submit(time.sleep, 60)
            with monkeypatch.context() as hasty:
                hasty.setattr(clients, "PATIENCE", 0.5)
                scheduler.send_signal(signal.SIGSTOP)  # its connections stay, and it says nothing
                assert "does not answer" in refusal(ClusterError, cluster.result_of, client, slow)
                assert "does not answer" in refusal(ClusterError, LogisticRegression().fit, there, target="two")
                scheduler.send_signal(signal.SIGCONT)
            scheduler.kill()
            assert "is gone" in refusal(ClusterError, cluster.result_of, client, slow)
            assert "is gone" in refusal(ClusterError, CASES["binary"].fit, there)
        assert "Traceback" not in caplog.text
    finally:
        for process in (scheduler, worker):
            process.kill()
            process.wait()


def test_an_address_where_nobody_answers_is_one_clear_error(monkeypatch):
    monkeypatch.setattr(clients, "CONNECTING", 0.5)
    with (
        pytest.raises(ClusterError, match=r"no scheduler answers at 'tcp://127.0.0.1:9'"),
        clients.connected("tcp://127.0.0.1:9"),
    ):
        pytest.fail("it answered")


def test_a_server_that_greets_nobody_is_one_clear_error(monkeypatch):
    monkeypatch.setattr(clients, "CONNECTING", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as server:  # the system accepts for it
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        with (
            pytest.raises(ClusterError, match=f"no scheduler answers at '{address}'"),
            clients.connected(address),
        ):
            pytest.fail("it answered")


def test_a_query_is_read_by_workers_from_a_copy_that_goes_with_the_dataset(spread, tmp_path, monkeypatch):
    monkeypatch.setattr(parts, "SPOOLED", 900)
    data = features(table(rows=ROWS), "two")
    written(data, tmp_path, 3, 5_000)
    monkeypatch.setattr("separatrix.data.opened.BATCH", 2_048)
    query = f"select * from '{tmp_path}/part-*.parquet' order by filename, file_row_number"
    rows = separatrix.open(query=query, client=spread)
    folder = Path(rows.parts[0].folder)
    assert_same(CASES["binary"].fit(rows), CASES["binary"].fit(data), 1e-9)
    assert len(list(folder.iterdir())) > 2, "so that workers share them"
    del rows
    assert not folder.exists()


def test_a_copy_that_workers_do_not_find_is_refused_at_once(spread, monkeypatch):
    stream = pa.table({"x": [1.0, 2.0], "y": [0, 1]}).to_reader()
    monkeypatch.setattr(clients.os.path, "exists", elsewhere)  # as workers would that have another disk
    assert "does not find it" in refusal(FileError, separatrix.open, stream, client=spread)


def elsewhere(path: str) -> bool:
    return False


def test_a_cell_of_a_query_is_named_by_its_row_in_the_whole(spread, monkeypatch):
    monkeypatch.setattr(parts, "SPOOLED", 900)
    rows = pa.table({"x": ["1.5"] * 3_000 + ["oops"] + ["2.5"] * 2_999, "y": np.arange(6_000.0)})
    data = separatrix.open(rows.to_reader(max_chunksize=100), client=spread)
    columns = separatrix.Columns(numeric=["x"])
    assert "row 3001 of the stream" in refusal(CellError, LinearRegression().fit, data, target="y", columns=columns)


@pytest.mark.parametrize("address", ["", "foo", "tcp://", "http://host:80", "tcp://host:port", "tcp://host:99999"])
def test_what_is_no_address_of_a_scheduler_is_named(address):
    with pytest.raises(ArgumentError, match=f"scheduler='{address}' is no address"), clients.connected(address):
        pytest.fail("it connected")


@pytest.mark.parametrize("arguments", [{}, {"scheduler": "tcp://a:1", "workers": 2}, {"workers": 0}])
def test_a_cluster_is_asked_for_by_an_address_or_a_number(arguments):
    with pytest.raises(ArgumentError), clients.connected(**arguments):
        pytest.fail("it connected")


def test_without_a_client_dask_data_say_what_to_do(monkeypatch):
    def nobody():
        raise ValueError("No global client found")

    monkeypatch.setattr("distributed.get_client", nobody)
    frame = dd.from_pandas(pd.DataFrame({"x": [1.0, 2.0], "y": [0, 1]}), npartitions=1)
    assert "client = dask.distributed.Client()" in refusal(ArgumentError, LogisticRegression().fit, frame, target="y")


def test_without_distributed_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    assert "pip install 'separatrix[dask]'" in refusal(SeparatrixError, clients.required)


def test_workers_that_never_come_are_waited_for_in_vain_but_not_for_ever(monkeypatch):
    monkeypatch.setattr(clients, "PATIENCE", 0.5)
    with (
        warnings.catch_warnings(),
        distributed.LocalCluster(n_workers=0, dashboard_address=":0") as empty,
        distributed.Client(empty) as client,
    ):
        monkeypatch.setattr(clients, "POLL", 0.1)
        assert "has had no workers" in refusal(ClusterError, clients.threads_of, client)
        assert "has had no workers" in refusal(ClusterError, cluster.result_of, client, client.submit(os.getpid))


def test_parquet_on_the_disk_is_read_by_workers_alone(spread, tmp_path, monkeypatch):
    data = on(spread, features(table(rows=ROWS), "two"), tmp_path)
    monkeypatch.setattr(pq, "ParquetFile", None)
    assert CASES["binary"].fit(data).n_features_in_ == len(CASES["binary"].fit(data).columns_.feature_names)


@pytest.mark.parametrize("named", [False, True])
def test_rows_that_are_alike_are_counted_by_the_workers_whatever_else_tells_them_apart(
    named, spread, tmp_path, monkeypatch
):
    monkeypatch.setattr(collapse, "NEW", 0.9)  # for the sample is small
    data = categories(ROWS).drop_columns(["w"])
    if named:
        data = data.append_column("id", pa.array([f"number {i}" for i in range(ROWS)]))
    rows = on(spread, data, tmp_path)
    learned, source = partitions.learned_source(rows, learn.Question("y"))
    assert (learned.counts.parts is None) == named
    assert isinstance(source, MemorySource)
    assert source.n_rows < ROWS / 8
    assert source.weight.sum() == ROWS
    case = Case("y", LogisticRegression())
    assert_same(case.fit(rows), case.fit(data), 1e-9)


def test_rows_that_are_alike_are_observations_of_their_own_in_a_formula(spread, tmp_path):
    random = np.random.default_rng(0)
    data = pa.table({"g": random.choice(["a", "b"], ROWS), "y": random.integers(0, 2, ROWS)})
    frame = data.to_pandas()
    other = logit("y ~ g", frame, covariance="HC0")
    for rows in (written(data, tmp_path, 2, 500), on(spread, data, tmp_path / "there")):
        fit = logit("y ~ g", rows, covariance="HC0")
        assert fit.nobs == ROWS
        np.testing.assert_allclose(fit.bse, other.bse, rtol=1e-9)


def test_the_paper_model_adds_up_what_was_measured():
    sys.path.append(str(Path(__file__).parents[1]))
    from benchmarks.cluster import Costs, Plan, cell, crossing, fit_seconds

    rate = {30: 1e6, 1_000: 1e4}
    costs, plan = Costs(rate, rate, rate, task=1e-3, latency=5e-3, message=500.0), Plan(gradients=2, curvatures=2)
    compute, around = fit_seconds(1e9, 30, 10, plan, costs)
    assert compute == pytest.approx(6 * 1e9 / 1e6 / 10)
    assert 6 * 4_096 * 1e-3 < around < 6 * 4_096 * 2e-3
    many = crossing(1e9, 30, plan, costs)
    assert fit_seconds(1e9, 30, many, plan, costs)[1] >= fit_seconds(1e9, 30, many, plan, costs)[0]
    assert fit_seconds(1e9, 30, many // 2, plan, costs)[1] < fit_seconds(1e9, 30, many // 2, plan, costs)[0]
    assert cell(90.0, 30.0) == "2.0 min (25 %)"


def test_a_formula_takes_the_functions_of_its_caller_to_the_workers(spread, tmp_path):
    def decade(c):
        return c // 10 * scale

    scale, data = 0.5, table(rows=ROWS)
    fit = logit("two ~ decade(c) + b", on(spread, data, tmp_path))
    other = logit("two ~ decade(c) + b", data.to_pandas())
    assert fit.names == other.names
    np.testing.assert_allclose(fit.params, other.params, atol=1e-9)


@pytest.mark.parametrize("question", ["marginal_effects", "influence"])
def test_what_needs_every_row_is_refused_with_the_reason(question, spread, tmp_path):
    fit = logit("two ~ a", on(spread, table(rows=ROWS), tmp_path))
    with pytest.raises(InferenceError, match="the rows of this fit are not in memory"):
        getattr(fit, question)()
    with pytest.raises(ArgumentError, match="rows in memory"):
        logit("two ~ a", on(spread, table(rows=ROWS), tmp_path), penalty="firth")
