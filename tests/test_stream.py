"""Rows that are read, not held: the same fit as in memory, in bounded memory, and every fault of a file in one line."""

import os
import pickle
import re
import signal
import subprocess
import sys
import tempfile
import warnings
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.base import clone
from sklearn.metrics import log_loss

import separatrix
from seldom import seldom
from separatrix import LinearRegression, LogisticRegression
from separatrix.data.memory import MemorySource
from separatrix.data.reading import dataset
from separatrix.data.reading.dataset import Dataset
from separatrix.data.streams import collapse, distinct_rows, learn, reservoir, spill, stream
from separatrix.data.streams.learn import Learned
from separatrix.data.workers.partitions import learned_source
from separatrix.engine.matrices.linear_algebra import LARGEST_CURVATURE
from separatrix.errors import (
    ArgumentError,
    CellError,
    ColumnError,
    ConvergenceWarning,
    DataError,
    FileError,
    SeparationWarning,
    SeparatrixWarning,
    TargetError,
)

ROWS = 6_000
NAMES = ("a", "b", "c", "far", "city")


def table(seed: int = 0, rows: int = ROWS) -> pa.Table:
    """Numbers of several kinds, some missing, some far from zero, and a category; targets of two classes, of three and
    a number; weights, some of them zero; offsets."""
    random = np.random.default_rng(seed)
    a, b, c = random.standard_normal(rows), random.exponential(size=rows), random.integers(0, 50, rows)
    city = random.choice(["Rome", "Oslo", "Kyiv"], rows, p=[0.6, 0.3, 0.1])
    eta = a - 0.5 * b + 0.02 * c + (city == "Oslo") * 0.7 - 0.8
    noise = random.logistic(size=rows)
    return pa.table(
        {
            "a": pa.array(a, mask=random.random(rows) < 0.05),
            "b": b.astype(np.float32),
            "c": c,
            "far": 1.7e9 + 3600 * random.standard_normal(rows),
            "city": city,
            "two": np.where(eta + noise > 0, "yes", "no"),
            "three": np.digitize(eta + noise, [-1.0, 1.0]),
            "amount": eta + noise,
            "weight": np.where(random.random(rows) < 0.1, 0.0, random.uniform(0.5, 2.0, rows)),
            "o1": random.standard_normal(rows) / 4,
            "o2": random.standard_normal(rows) / 4,
            "o3": random.standard_normal(rows) / 4,
        }
    )


@pytest.fixture
def small_room(monkeypatch):
    """As if memory were so small that hardly a row fits."""
    allow(monkeypatch, room=5_000, chunk=3_000, sample=60_000, rows=700)


def allow(monkeypatch, room: int, chunk: int, sample: int, rows: int) -> None:
    """Memory for so many cells of a sample and of a chunk, bytes of the first sample, and rows of a batch."""
    monkeypatch.setattr(stream, "ROOM", room)
    monkeypatch.setattr(stream, "CHUNK", chunk)
    monkeypatch.setattr(learn, "SAMPLE_BYTES", sample)
    monkeypatch.setattr(learn, "ROWS", rows)


def learned_of(data: Dataset, target: str, **more: Any) -> Learned:
    """What one reading of the data finds."""
    question = learn.Question(target, **more)
    question.check(data)
    return question.learned(question.read(data), data.where, learn.added_here(data))


def features(data: pa.Table, target: str, own: tuple[str, ...] = ()) -> pa.Table:
    return data.select([*NAMES, target, *own])


def written(data: pa.Table, folder: Path, files: int, group: int) -> Dataset:
    """The table in so many Parquet files of uneven length, with small row groups."""
    folder.mkdir(exist_ok=True)
    sizes = np.geomspace(1, 3, files)
    ends = np.round(np.append(0, np.cumsum(sizes / sizes.sum() * len(data)))).astype(int)
    for i, (first, last) in enumerate(pairwise(ends)):
        pq.write_table(data.slice(first, last - first), folder / f"part-{i}.parquet", row_group_size=group)
    return separatrix.open(str(folder / "part-*.parquet"))


@dataclass(frozen=True)
class Case:
    """What is fitted to which columns."""

    target: str
    model: Any
    weight: str | None = None
    offset: Any = None

    @property
    def own(self) -> tuple[str, ...]:
        offset = [self.offset] if isinstance(self.offset, str) else self.offset or []
        return (*([self.weight] if self.weight else []), *offset)

    def fit(self, data: Any) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return clone(self.model).fit(data, target=self.target, sample_weight=self.weight, offset=self.offset)


CASES = {
    "binary": Case("two", LogisticRegression()),
    "binary, no penalty": Case("two", LogisticRegression(C=np.inf)),
    "binary, no intercept": Case("two", LogisticRegression(fit_intercept=False, C=0.1)),
    "multinomial": Case("three", LogisticRegression()),
    "one against the rest": Case("three", LogisticRegression(multi_class="ovr"), "weight", ["o1", "o2", "o3"]),
    "weights": Case("two", LogisticRegression(), "weight"),
    "balanced": Case("three", LogisticRegression(class_weight="balanced"), "weight"),
    "offset": Case("two", LogisticRegression(), None, "o1"),
    "offsets": Case("three", LogisticRegression(), "weight", ["o1", "o2", "o3"]),
    "L1": Case("two", LogisticRegression(C=0.01, l1_ratio=1.0), "weight"),
    "conjugate gradients": Case("two", LogisticRegression(solver="conjugate-gradient")),
    "linear": Case("amount", LinearRegression(), "weight", "o1"),
    "ridge": Case("amount", LinearRegression(alpha=3.0)),
    "lasso": Case("amount", LinearRegression(alpha=30.0, l1_ratio=1.0)),
}
OFTEN = ("binary", "multinomial", "offset", "linear", "L1")
MOST_OFTEN = [*OFTEN, *seldom(*sorted(CASES.keys() - OFTEN))]


def in_memory(case: Case, model: Any, data: pa.Table) -> Any:
    """The same fit of arrays, of the rows encoded by the columns that were learned."""
    X = model.columns_.encode(nw.from_native(data, eager_only=True)).X
    y, (weight, *_) = np.array(data[case.target]), [case.weight and np.array(data[case.weight])]
    offset = case.offset and np.column_stack([data[name] for name in np.ravel(case.offset)]).squeeze()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return clone(case.model).fit(X, y, sample_weight=weight, offset=offset)


def assert_same(model: Any, other: Any, tol: float) -> None:
    scale = np.abs(other.coef_).max() + 1.0
    np.testing.assert_allclose(model.coef_, other.coef_, atol=tol * scale)
    # The intercept is at the origin, which is 500,000 standard deviations from the rows.
    shift = 1.7e9 * np.abs(model.coef_ - other.coef_).max()
    np.testing.assert_allclose(model.intercept_, other.intercept_, atol=tol * scale + 2 * shift)


@pytest.mark.parametrize("name", MOST_OFTEN)
@pytest.mark.usefixtures("small_room")
def test_any_split_into_files_gives_the_fit_of_memory(name, tmp_path):
    case, data = CASES[name], table()
    data = features(data, case.target, case.own)
    one = case.fit(written(data, tmp_path / "one", 1, 10_000))
    many = case.fit(written(data, tmp_path / "many", 7, 331))
    assert np.array_equal(one.coef_, many.coef_), "the batches are the same whatever the files"
    assert_same(one, in_memory(case, one, data), 1e-9)


@pytest.mark.usefixtures("small_room")
def test_the_rows_are_streamed_and_a_sample_of_them_is_small(tmp_path):
    data = written(features(table(), "two"), tmp_path / "set", 3, 500)
    found = learned_of(data, "two")
    source = stream.source_of(data, found)
    assert isinstance(source, stream.StreamSource)
    assert found.rows == source.n_rows == ROWS
    assert len(found.some) < ROWS / 2
    assert source.most_rows * source.n_columns <= 5_000
    assert found.weight.sum() == ROWS


@pytest.mark.parametrize("name", [*seldom("weights", "linear"), "multinomial", "conjugate gradients"])
@pytest.mark.usefixtures("small_room")
def test_one_thread_and_three_give_the_same_bits(name, tmp_path, monkeypatch):
    case = CASES[name]
    data = written(features(table(), case.target, case.own), tmp_path / "set", 3, 500)
    fits = []
    for threads in ("1", "3"):
        monkeypatch.setenv("SEPARATRIX_NUM_THREADS", threads)
        fits.append(case.fit(data))
    assert np.array_equal(fits[0].coef_, fits[1].coef_)
    assert np.array_equal(fits[0].intercept_, fits[1].intercept_)


@pytest.mark.usefixtures("small_room")
def test_without_room_on_the_disk_the_files_are_read_again_for_the_same_bits(tmp_path, monkeypatch):
    data = written(features(table(), "two"), tmp_path / "set", 3, 500)
    spilled = CASES["binary"].fit(data)
    monkeypatch.setattr(spill, "SHARE", 0.0)
    assert np.array_equal(CASES["binary"].fit(data).coef_, spilled.coef_)


@pytest.mark.usefixtures("small_room")
def test_a_disk_that_is_full_while_rows_are_spilled_costs_nothing_but_time(tmp_path, monkeypatch):
    data = written(features(table(), "two"), tmp_path / "set", 3, 500)
    spilled = CASES["binary"].fit(data)
    written_so_far, full = [], []

    def write(file: Any, array: np.ndarray, *rest: Any) -> None:
        written_so_far.append(array.nbytes)
        if sum(written_so_far) > 100_000:
            full.append(True)
            raise OSError(28, "No space left on device")
        real(file, array, *rest)

    real = spill._write_at
    monkeypatch.setattr(spill, "_write_at", write)
    assert np.array_equal(CASES["binary"].fit(data).coef_, spilled.coef_)
    assert full


def test_numbers_come_back_from_a_spill_as_they_went_in():
    random = np.random.default_rng(0)
    arrays = [random.standard_normal((5, 3)), None, np.arange(7, dtype=np.uint8), np.zeros((0, 2)), np.arange(3.0)]
    with spill.spill(1e6) as kept:
        for number in (1, 0):
            kept.write(number, [a if a is None else a + number for a in arrays])
        for number in (0, 1):
            with kept.read(number) as found:
                for a, b in zip(arrays, found, strict=True):
                    assert (a is None and b is None) or np.array_equal(a + number, b)
    assert kept.files
    assert all(file.closed for file in kept.files)


def test_single_precision_is_kept_only_where_it_is_exact():
    for numbers in ([0.5, 3.0, 2.0**20], [0.1], [1e300], [2.0**25 + 1], [-3, 70_000], [], [np.nan, 1.0]):
        array = np.array(numbers)
        assert np.array_equal(spill.narrow(array).astype(array.dtype), array, equal_nan=False) or np.isnan(array).any()


@pytest.mark.usefixtures("small_room")
def test_many_columns_with_an_l1_penalty_are_solved_on_working_sets(tmp_path):
    random = np.random.default_rng(1)
    X = random.standard_normal((900, 520))
    y = (X[:, :4].sum(axis=1) + random.logistic(size=900) > 0) * 1
    data = pa.table({**{f"x{j}": column for j, column in enumerate(X.T)}, "y": y})
    model = LogisticRegression(C=0.05, l1_ratio=1.0, tol=1e-10).fit(written(data, tmp_path / "set", 2, 200), target="y")
    other = LogisticRegression(C=0.05, l1_ratio=1.0, tol=1e-10).fit(X, y)
    assert 0 < np.count_nonzero(model.coef_) < 100
    np.testing.assert_allclose(model.coef_, other.coef_, atol=1e-5)
    assert model.certificate_.gap <= 1e-10


@pytest.mark.usefixtures("small_room")
@pytest.mark.parametrize("K", [2, 3])
def test_a_fit_that_stops_before_its_intercepts_are_at_their_optimum_bounds_its_distance(tmp_path, K):
    random = np.random.default_rng(0)
    X = random.normal([3.0, 0.0, 0.0], size=(3_000, 3))
    y = (X[:, :K] + random.gumbel(size=(3_000, K))).argmax(axis=1)
    data = written(pa.table({**{f"x{j}": column for j, column in enumerate(X.T)}, "y": y}), tmp_path / "set", 2, 200)
    model = LogisticRegression(C=0.05, l1_ratio=1.0, max_iter=1)
    with pytest.warns(ConvergenceWarning, match="stopped after 1 iteration"):
        stopped = model.fit(data, target="y")

    def objective(model: LogisticRegression) -> float:
        return log_loss(y, model.predict_proba(X)) + np.abs(model.coef_).sum() / (0.05 * len(X))

    away = objective(stopped) - objective(LogisticRegression(C=0.05, l1_ratio=1.0, tol=1e-13).fit(X, y))
    assert 1e-6 < away <= stopped.certificate_.gap < 1.0


@pytest.mark.usefixtures("small_room")
def test_categories_of_many_levels_stay_sparse(tmp_path):
    random = np.random.default_rng(2)
    codes = random.integers(0, 120, 9_000)
    y = random.random(9_000) < 0.2 + 0.5 * (codes % 2)
    data = pa.table({"x": random.standard_normal(9_000), "code": [f"k{c}" for c in codes], "y": y})
    opened = written(data, tmp_path / "set", 2, 1_000)
    found = learned_of(opened, "y")
    assert stream.source_of(opened, found).at_hand.X.format == "csr"
    case = Case("y", LogisticRegression(C=0.1))
    model = case.fit(opened)
    assert_same(model, in_memory(case, model, data), 1e-9)


@pytest.mark.usefixtures("small_room")
def test_classes_that_are_separable_are_found_in_a_stream(tmp_path):
    data = features(table(), "two")
    data = data.set_column(5, "two", pa.array(np.where(np.array(data["b"]) > 1.0, "yes", "no")))
    with pytest.warns(SeparationWarning, match=r"every row with b > .* is of class 'yes'"):
        model = LogisticRegression(C=np.inf).fit(written(data, tmp_path / "set", 2, 900), target="two")
    assert model.separation_.kind == "complete"


def categories(rows: int = 40_000) -> pa.Table:
    random = np.random.default_rng(3)
    data = {f"c{j}": random.choice(list("pqrstu")[: 2 + j], rows) for j in range(4)}
    score = sum((data[name] == "q") * 0.4 for name in data) + random.logistic(size=rows)
    return pa.table({**data, "y": np.digitize(score, [0.0, 1.5]), "w": random.integers(0, 3, rows) * 1.0})


def uncounted(found: Learned) -> Learned:
    """As if the first reading had found too many distinct rows to count them."""
    return replace(found, counts=distinct_rows.Counts(None))


def counter(opened: Dataset) -> Any:
    """The way of another reading to count them."""
    return partial(collapse.counts_of, opened)


@pytest.mark.parametrize("weight", [None, "w"])
def test_rows_that_are_alike_become_one_with_the_same_answer(weight, tmp_path, monkeypatch, small_room):
    data = categories()
    data = data if weight else data.drop_columns(["w"])
    opened = written(data, tmp_path / "set", 3, 5_000)
    monkeypatch.setattr(learn, "SAMPLE_BYTES", 400_000)
    found = learned_of(opened, "y", weight=weight)
    assert len(found.some) < len(data)
    for distinct in (collapse.collapsed(found), collapse.recounted(uncounted(found), counter(opened))):
        assert distinct is not None
        assert len(distinct.rows) < 2 * 3 * 4 * 5 * 3 + 1
        assert distinct.weight.sum() == (np.array(data[weight]).sum() if weight else len(data))
    case = Case("y", LogisticRegression(), weight)
    model = case.fit(opened)
    assert_same(model, in_memory(case, model, data), 1e-9)


@pytest.mark.usefixtures("small_room")
def test_rows_that_differ_are_not_collapsed_and_one_look_tells(tmp_path):
    opened = written(features(table(), "two"), tmp_path / "set", 2, 900)
    found = learned_of(opened, "two")
    (tmp_path / "set" / "part-0.parquet").unlink()  # it would be missed, were it read
    assert collapse.collapsed(found) is None
    assert collapse.recounted(found, counter(opened)) is None


@pytest.mark.slow
def test_collapsing_ends_when_there_are_too_many_distinct_rows(monkeypatch, tmp_path, small_room):
    opened = written(categories().drop_columns(["w"]), tmp_path / "set", 3, 5_000)
    monkeypatch.setattr(distinct_rows, "MOST", 50)
    monkeypatch.setattr(collapse, "NEW", 1.0)
    found = learned_of(opened, "y")
    assert found.counts.parts is None
    assert collapse.counts_of(opened, found.encoding).parts is None
    assert isinstance(learned_source(opened, learn.Question("y"))[1], stream.StreamSource)


@pytest.mark.usefixtures("small_room")
def test_categories_whose_levels_differ_from_file_to_file_are_collapsed_too(tmp_path):
    whole, paths = categories(20_000).drop_columns(["w"]).to_pandas(), []
    for i, part in enumerate((whole[:9_000], whole[9_000:13_000], whole[13_000:])):
        paths.append(tmp_path / f"{i}.parquet")
        levels = sorted(part["c3"].unique(), reverse=i == 1)
        part.assign(c3=pd.Categorical(part["c3"], levels)).to_parquet(paths[-1])
    opened = separatrix.open(paths)
    found = learned_of(opened, "y")
    for distinct in (collapse.collapsed(found), collapse.recounted(uncounted(found), counter(opened))):
        assert distinct is not None
        assert distinct.weight.sum() == len(whole)


@pytest.mark.usefixtures("small_room")
def test_a_category_of_more_levels_than_a_sample_has_room_for_is_left_out():
    rows = 3_000
    data = pd.DataFrame({"x": np.arange(rows) % 7, "y": np.arange(rows) % 2})
    data["id"] = pd.Categorical([f"one of very many levels, {i}" for i in range(rows)])
    found = learned_of(separatrix.open(data), "y")
    assert found.encoding.needs == ["x", "y"]
    assert 0 < len(found.some) < rows


@pytest.mark.parametrize("column", ["size", "w", "o", "y"])
@pytest.mark.parametrize("counts", [True, False])
def test_a_cell_at_fault_is_named_by_its_row_whether_rows_are_counted_or_not(column, counts, monkeypatch):
    monkeypatch.setattr(learn, "may_repeat", lambda rows: counts)
    monkeypatch.setattr(learn, "ROWS", 700)
    rows = np.arange(5_000)
    data = {
        "size": (rows % 12).astype(str),
        "w": np.ones(len(rows)),
        "o": (rows % 3).astype(float),
        "y": (rows % 5).astype(float),
    }
    fault: Any = {"size": "big", "w": -1.0, "o": np.inf, "y": np.inf}[column]
    data[column][[3_210, 3_333]] = fault
    with pytest.raises(CellError, match=rf"column '{column}', row 3211 of the data: "):
        learned_of(separatrix.open(pa.table(data)), "y", weight="w", offset=("o",), regression=True)


def test_a_message_about_few_rows_counts_each_of_them():
    rows = np.arange(400)
    data = pa.table({"a": np.array(["p", "q"])[rows % 2], "y": np.where((rows % 2 == 0) | (rows % 7 < 3), "no", "yes")})
    with pytest.warns(SeparationWarning, match=r"a = q < 1 is of class 'yes' \(200 rows\)"):
        LogisticRegression(C=np.inf).fit(data, target="y")


@pytest.mark.usefixtures("small_room")
def test_a_message_about_counted_rows_says_that_they_are_the_distinct_ones(tmp_path):
    rows = np.arange(4_000)
    data = pa.table({"a": np.array(["p", "q"])[rows % 2], "b": np.array(["r", "s", "t"])[rows % 3], "y": rows % 2})
    with pytest.warns(SeparationWarning, match=r"and no other row is \(3 distinct rows against 3\)"):
        LogisticRegression(C=np.inf).fit(written(data, tmp_path / "set", 2, 900), target="y")


def test_few_rows_of_few_kinds_are_counted_and_others_are_not():
    rows = np.arange(300)
    few, many = {"x": rows % 3, "y": rows % 2}, {"x": rows * 1.0, "y": rows % 2}
    counts = [learned_of(separatrix.open(pa.table(data)), "y").counts for data in (few, many)]
    assert [each.parts is not None for each in counts] == [True, False]
    whole = counts[0].whole()
    assert whole is not None
    assert (len(whole), whole.weight.tolist()) == (6, [50] * 6)


@pytest.mark.usefixtures("small_room")
def test_a_column_that_does_not_count_keeps_no_rows_apart(tmp_path, monkeypatch):
    monkeypatch.setattr(learn, "SAMPLE_BYTES", 400_000)
    data = categories().drop_columns(["w"])
    data = data.append_column("id", pa.array([f"number {i}" for i in range(len(data))]))
    opened = written(data, tmp_path / "set", 3, 5_000)
    learned, source = learned_source(opened, learn.Question("y"))
    assert learned.counts.parts is None
    assert isinstance(source, MemorySource)
    assert source.weight.sum() == len(data)
    case = Case("y", LogisticRegression())
    model = case.fit(opened)
    assert_same(model, in_memory(case, model, data), 1e-9)


def test_text_that_a_file_has_as_codes_is_text_and_a_category_is_a_category(tmp_path):
    grade = pa.array(["1", "2", "3", "2"] * 250).dictionary_encode()
    name = pa.array([f"one of many names, {i}" for i in range(1_000)])
    data = pa.table(
        {"price": ["1,5", "2,5", "3", None] * 250, "grade": grade, "name": name, "y": [0, 1, 1] * 333 + [0]}
    )
    opened = separatrix.open(saved(data, tmp_path / "set.parquet"))
    (plain,), (coded,) = ([batch.to_native() for batch in opened.batches(coded=each)] for each in (False, True))
    assert plain.schema == data.schema
    assert [pa.types.is_dictionary(kind) for kind in coded.schema.types] == [True, True, False, False]
    assert opened.whole().to_native() == data
    columns = {each.name: type(each).__name__ for each in learned_of(opened, "y").encoding.columns.columns}
    assert columns == {"price": "Number", "grade": "Category", "name": "LeftOut"}


def test_columns_of_lists_are_read_row_by_row():
    data = pa.table({"x": [1, 2] * 20, "list": [[1, 2]] * 40, "y": [0, 0, 1, 1] * 10})
    assert learned_of(separatrix.open(data), "y").counts.parts is None


def test_what_is_counted_before_rows_differ_is_not_lost(monkeypatch):
    monkeypatch.setattr(learn, "ROWS", 700)
    monkeypatch.setattr(distinct_rows, "MOST", 500)
    rows = np.arange(9_000)
    data = pa.table({"a": rows % 4, "id": np.where(rows < 3_000, 0, rows), "y": rows // 3 % 2})
    found = learned_of(separatrix.open(data), "y")
    assert found.counts.parts is None
    assert (found.rows, found.weight.tolist()) == (9_000, [4_500.0, 4_500.0])
    columns = {column.name: column for column in found.encoding.columns.columns}
    assert columns["a"].mean == pytest.approx(1.5)
    assert columns["id"].mean == pytest.approx(np.where(rows < 3_000, 0, rows).mean())


FORMATS = ["parquet", "csv", "csv.gz", "csv.zst"]


def saved(data: pa.Table, path: Path) -> Path:
    """The table in the format of the file's name."""
    if path.suffix == ".parquet":
        pq.write_table(data, path)
        return path
    kind = {".gz": "gzip", ".zst": "zstd"}.get(path.suffix)
    with pa.output_stream(str(path), compression=kind) as file:
        file.write(data.to_pandas().to_csv(index=False).encode())
    return path


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.usefixtures("small_room")
def test_a_dataset_of_every_format_has_the_rows_of_its_files(kind, tmp_path):
    data = features(table(rows=2_000), "two")
    for i in range(3):
        saved(data.slice(i * 700, 700), tmp_path / f"part-{i}.{kind}")
    opened = separatrix.open(str(tmp_path / f"part-*.{kind}"))
    assert opened.columns == (*NAMES, "two")
    assert opened.rows == 2_000
    batches = list(opened.batches(300))
    assert [len(batch) for batch in batches] == [300] * 6 + [200]
    assert [city for batch in batches for city in batch["city"].to_list()] == data["city"].to_pylist()
    assert CASES["binary"].fit(opened).coef_.shape == (1, 7)


@pytest.mark.usefixtures("small_room")
def test_what_has_an_arrow_stream_is_a_dataset_also_when_it_can_be_read_once(tmp_path):
    data = features(table(), "two")
    expected = CASES["binary"].fit(written(data, tmp_path / "set", 1, 900))
    frames = [data, data.to_pandas(), pl.DataFrame(data), data.to_reader(500)]
    for frame in frames:
        model = CASES["binary"].fit(separatrix.open(frame))
        assert np.array_equal(model.coef_, expected.coef_), type(frame)


def test_a_query_is_a_dataset_on_files_and_on_a_database(tmp_path):
    import duckdb

    path = saved(features(table(), "two"), tmp_path / "x.parquet")
    opened = separatrix.open(query=f"select a, b, two from '{path}' where b < 1 order by a")
    assert opened.columns == ("a", "b", "two")
    assert opened.rows == int((np.array(table()["b"]) < 1).sum())
    with duckdb.connect(str(tmp_path / "sales.duckdb")) as connection:
        connection.execute("create table sales as select range as n, range % 3 as y from range(100)")
    opened = separatrix.open(query="select * from sales where n < 50", database=tmp_path / "sales.duckdb")
    assert (opened.columns, opened.rows) == (("n", "y"), 50)


def test_what_was_copied_for_a_dataset_is_gone_with_it(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    opened = separatrix.open(features(table(), "two").to_reader())
    assert len(os.listdir(tmp_path)) == 1
    del opened
    assert os.listdir(tmp_path) == []


def test_parts_say_where_rows_are_and_can_be_sent(tmp_path):
    data = features(table(), "two")
    for opened in (written(data, tmp_path / "set", 2, 900), separatrix.open(str(saved(data, tmp_path / "x.csv")))):
        parts = pickle.loads(pickle.dumps(opened.parts))
        assert len(pickle.dumps(opened.parts)) < 20_000
        rows = [row for part in parts for batch in part.batches(1_000, ["c"]) for row in batch["c"].to_pylist()]
        assert rows == data["c"].to_pylist()


def test_a_fit_of_a_table_predicts_tables_and_says_what_it_had_not_seen(tmp_path):
    data = features(table(), "two")
    opened = written(data, tmp_path / "set", 2, 900)
    model = CASES["binary"].fit(opened)
    expected = model.predict_proba(opened)
    assert expected.shape == (ROWS, 2)
    for frame in (data, data.to_pandas(), pl.DataFrame(data).drop("two")):
        np.testing.assert_allclose(model.predict_proba(frame), expected, atol=1e-14)
    assert set(model.predict(opened)) == {"yes", "no"}
    assert model.score(opened, np.array(data["two"])) > 0.6
    new = data.to_pandas()[:3].assign(city="Paris")
    with pytest.warns(SeparatrixWarning, match=r"column 'city': 3 rows hold 1 value unseen at fit \(Paris\)"):
        model.predict(new)
    with pytest.raises(ColumnError, match="no column 'far'"):
        model.predict(new.drop(columns="far"))
    X = np.zeros((2, model.n_features_in_))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # scikit-learn's, that an array has no names
        assert model.predict(X).shape == (2,)
    assert model.fit(X + np.array([[0.0], [1.0]]), [0, 1]).coef_.shape == (1, 7)
    assert not hasattr(model, "columns_")


def test_an_offset_of_a_table_is_added_to_its_predictions(tmp_path):
    data = table()
    case = CASES["linear"]
    model = case.fit(separatrix.open(features(data, case.target, case.own)))
    plain, shifted = model.predict(data), model.predict(data, offset="o1")
    np.testing.assert_allclose(shifted - plain, np.array(data["o1"]), atol=1e-9)


def test_what_is_told_about_columns_is_done():
    told = separatrix.Columns(drop=["far"], categorical=["c"])
    model = LogisticRegression().fit(features(table(), "two"), target="two", columns=told)
    described = dict(model.columns_.describe())
    assert described["far"] == "left out: dropped by the user"
    assert described["c"].startswith("category of 50 levels")


def test_rows_without_a_target_are_left_out_and_counted():
    data = features(table(), "two").to_pandas()
    data.loc[:9, "two"] = None
    with pytest.warns(SeparatrixWarning, match="10 rows of the data without a value of 'two' were left out"):
        model = LogisticRegression().fit(separatrix.open(data), target="two")
    assert set(model.classes_) == {"yes", "no"}


def fault(data: Any, error: type[DataError], target: str = "y", **more: Any) -> str:
    """The one line that refuses the data."""
    with pytest.raises(error) as caught:
        LogisticRegression().fit(separatrix.open(data), target=target, **more)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def parquet(path: Path, **columns: Any) -> str:
    pq.write_table(pa.table(columns), path)
    return str(path)


X, Y = list(np.linspace(0, 1, 40)), [0, 1, 1, 0] * 10


def test_a_file_that_changes_between_passes_is_refused(tmp_path, small_room):
    data = written(features(table(), "two"), tmp_path / "set", 2, 900)
    found = learned_of(data, "two")
    path = tmp_path / "set" / "part-1.parquet"
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))
    source = stream.source_of(data, found)
    with pytest.raises(FileError, match=r"part-1\.parquet has changed since it was opened; open the data again"):
        source.add_up(lambda block: 1)
    path.unlink()
    with pytest.raises(FileError, match=r"part-1\.parquet is gone since it was opened"):
        source.add_up(lambda block: 1)


def test_a_pass_looks_at_each_file_before_it_reads_it_and_at_all_in_the_end(tmp_path, monkeypatch):
    data = written(table(), tmp_path / "set", 9, 900)
    looked, stamp = [], dataset._stamp
    monkeypatch.setattr(dataset, "_stamp", lambda path: looked.append(path.name) or stamp(path))
    assert sum(map(len, data.batches())) == data.rows
    assert looked == 2 * [f"part-{i}.parquet" for i in range(9)]


def test_files_of_other_columns_are_named_with_the_column(tmp_path):
    parquet(tmp_path / "1.parquet", x=X, y=Y)
    parquet(tmp_path / "2.parquet", z=X, y=Y)
    assert "2.parquet has no column 'x', but" in fault(str(tmp_path / "*.parquet"), ColumnError)
    parquet(tmp_path / "2.parquet", x=[str(x) for x in X], y=Y)
    message = fault(str(tmp_path / "*.parquet"), ColumnError)
    assert "2.parquet holds text in column 'x', and" in message


def test_a_truncated_file_among_others_is_named(tmp_path):
    for name in "123":
        path = Path(parquet(tmp_path / f"{name}.parquet", x=X, y=Y))
    path.write_bytes(path.read_bytes()[:-9])
    assert "3.parquet cannot be read" in fault(str(tmp_path / "*.parquet"), FileError)


def test_a_file_damaged_in_the_middle_is_named(tmp_path):
    path = Path(parquet(tmp_path / "x.parquet", x=np.random.default_rng(0).random(5_000), y=[0, 1] * 2_500))
    damaged = bytearray(path.read_bytes())
    damaged[4:3_000] = bytes(2_996)
    path.write_bytes(bytes(damaged))
    assert "x.parquet cannot be read" in fault(str(path), FileError)


def test_zero_rows_are_refused(tmp_path):
    empty = pa.array([], pa.float64())
    assert "holds column names but no rows" in fault(parquet(tmp_path / "1.parquet", x=empty, y=empty), FileError)
    (tmp_path / "x.csv").write_text("x,y\n")
    assert "holds column names but no rows" in fault(str(tmp_path / "x.csv"), FileError)
    assert "holds column names but no rows" in fault(pa.table({"x": empty, "y": empty}), FileError)


def test_a_path_is_predicted_as_it_is_fitted(tmp_path):
    path = parquet(tmp_path / "1.parquet", x=X, y=Y)
    model = LogisticRegression().fit(path, target="y")
    np.testing.assert_array_equal(model.predict(path), model.predict(separatrix.open(path)))
    with pytest.raises(ArgumentError, match="the fit was of arrays"):
        LogisticRegression().fit(np.transpose([X]), Y).predict(path)


@pytest.mark.parametrize(
    ("at_fit", "new", "others"),
    [
        (["5.361,79", "8.000", "950,5", "1.200"], ["9.000", "8.500"], "7.250,5"),
        (["$5,361.79", "$8,000", "$950.5", "$1,200"], ["1,234", "9,876"], "1,234.5"),
        (["1.10", "1.1", "2.0", "beta"], ["1.10", "1.1", "2.0"], "beta"),
        (
            ["12345678901234567890", "12345678901234567891", "A1"],
            ["12345678901234567890", "12345678901234567891"],
            "A1",
        ),
        (["1E5", "100000", "X"], ["1E5", "100000"], "X"),
        (["true", "True", "no"], ["true", "True"], "no"),
        (["2024-1-5", "2024-01-05", "never"], ["2024-1-5", "2024-01-05"], "never"),
    ],
    ids=lambda cells: cells[0] if isinstance(cells, list) else "",
)
@pytest.mark.parametrize("mark", [";", "\t"])
def test_a_prediction_depends_on_no_other_row_of_its_file(tmp_path, at_fit, new, others, mark):
    def path(cells, name):
        lines = [f"{cell}{mark}{i % 3 != 0}" for i, cell in enumerate(cells)]
        (tmp_path / name).write_text("\n".join([f"v{mark}y", *lines, ""]))
        return str(tmp_path / name)

    model = LogisticRegression().fit(path([*at_fit * 10, at_fit[0]], "fit.csv"), target="y")
    alone, beside = path(new, "alone.csv"), path([*new, others], "beside.csv")
    expected = model.predict_proba(pl.DataFrame({"v": new}))
    assert len(np.unique(expected[:, 0])) == len(new)
    np.testing.assert_array_equal(model.predict_proba(alone), expected)
    np.testing.assert_array_equal(model.predict_proba(beside)[:-1], expected)


def test_a_category_of_numbers_is_matched_by_value_in_every_file(tmp_path):
    fit, new = tmp_path / "fit.csv", tmp_path / "new.csv"
    fit.write_text("v;y\n" + "1,5;0\n2;1\n10000000000;1\n2;0\n" * 5)
    new.write_text("v;k\n1,50;0\n2,0;0\n10000000000;0\n")
    model = LogisticRegression().fit(str(fit), target="y", columns=separatrix.Columns(categorical=["v"]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(np.unique(model.predict_proba(str(new))[:, 0])) == 3


def test_the_labels_of_a_file_are_those_that_are_written(tmp_path):
    fit, new = tmp_path / "fit.csv", tmp_path / "new.csv"
    fit.write_text("x,y\n" + "1,1.0\n2,1\n3,two\n" * 5)
    new.write_text("x,y\n1,1.0\n2,1\n")
    model = LogisticRegression(C=1e6).fit(str(fit), target="y")
    assert model.predict(str(new)).tolist() == ["1.0", "1"]
    assert model.score(str(new)) == 1


def test_a_stream_that_was_read_before_is_said_to_be():
    reader = pa.table({"x": X, "y": Y}).to_reader()
    LogisticRegression().fit(reader, target="y")
    assert "the stream holds no rows, as it does once it was read; open a new one" in fault(reader, FileError)


@pytest.mark.parametrize("nested", [[[1], [2]] * 20, [{"a": 1}, {"a": 2}] * 20], ids=["list", "struct"])
def test_a_nested_target_is_refused_by_name_and_type(tmp_path, nested):
    path = parquet(tmp_path / "x.parquet", x=X, y=nested)
    with pytest.raises(TargetError, match=r"target 'y' of .*x.parquet holds (list|struct)<.*choose another"):
        LogisticRegression().fit(separatrix.open(path), target="y")


def test_a_column_without_values_and_a_nested_one_are_left_out(tmp_path):
    path = parquet(tmp_path / "x.parquet", x=X, none=pa.nulls(40), nested=[[1, 2]] * 40, y=Y)
    model = LogisticRegression().fit(separatrix.open(path), target="y")
    told = dict(model.columns_.describe())
    assert "every cell is missing" in told["none"]
    assert "nested" in told["nested"]
    assert model.coef_.shape == (1, 1)


def test_a_type_that_changes_deep_in_a_csv_names_the_row(tmp_path):
    path = tmp_path / "x.csv"
    random = np.random.default_rng(0)
    lines = [f"{x:.3f},{i % 2}" for i, x in enumerate(random.random(60_000))]
    lines[50_000] = "oops,1"
    path.write_text("x,y\n" + "\n".join(lines) + "\n")
    assert re_found("column 'x', row 50001 of .*x.csv: 'oops' is not a number", fault(str(path), CellError))


def re_found(pattern: str, text: str) -> bool:
    assert re.search(pattern, text), text
    return True


@pytest.mark.parametrize(
    ("columns", "arguments", "error", "message"),
    [
        ({"x": X, "y": [1] * 40}, {}, TargetError, "holds one class, 1"),
        ({"x": X, "y": Y, "w": [-1.0] * 40}, {"sample_weight": "w"}, CellError, "column 'w', row 1 of .*is no weight"),
        ({"x": X, "y": Y, "w": [None, *X[1:]]}, {"sample_weight": "w"}, CellError, "column 'w', row 1 .*is no weight"),
        ({"x": X, "y": Y, "o": [*X[:-1], None]}, {"offset": "o"}, CellError, "column 'o', row 40 .*is no offset"),
        ({"x": [*X[:-1], np.inf], "y": Y}, {}, CellError, "column 'x', row 40 .*inf is not a finite number"),
        ({"x": [*X[:-1], 1e200], "y": Y}, {}, CellError, "column 'x', row 40 .*200 is too large to square; rescale"),
        ({"x": X, "y": Y, "w": [0.0, 1.0, 1.0, 0.0] * 10}, {"sample_weight": "w"}, TargetError, "class 0 of target"),
        ({"x": X, "y": Y, "w": [0.0] * 40}, {"sample_weight": "w"}, TargetError, "the weight of every row is 0"),
        ({"x": X, "z": Y}, {}, ColumnError, "no column 'y'"),
        ({"x": X, "y": Y}, {"sample_weight": "w"}, ColumnError, "no column 'w'"),
    ],
)
def test_what_a_table_cannot_be_fitted_to_is_named(columns, arguments, error, message):
    re_found(message, fault(pa.table(columns), error, **arguments))


def test_arguments_that_do_not_go_together_are_refused():
    data = pa.table({"x": X, "y": Y, "w": X, "z": X[::-1]})
    model = LogisticRegression()
    with pytest.raises(ArgumentError, match="must be the name of a column"):
        model.fit(data, target="y", sample_weight=X)
    with pytest.raises(ArgumentError, match="are given: the target is the one or the other"):
        model.fit(data, Y, target="y")
    with pytest.raises(ArgumentError, match="name different columns"):
        model.fit(data, target="y", sample_weight="y")
    with pytest.raises(ArgumentError, match="names 2 columns, and 1 are due"):
        model.fit(data, target="y", offset=["x", "w"])
    with pytest.raises(ArgumentError, match=r"name the column to learn, fit\(data, target"):
        model.fit(separatrix.open(data), Y)
    with pytest.raises(ArgumentError, match="the fit was of arrays"):
        model.fit(np.transpose([X]), Y).predict(separatrix.open(data))
    with pytest.raises(ArgumentError, match="no data: give a file"):
        separatrix.open()
    with pytest.raises(ArgumentError, match="can't be opened"):
        separatrix.open(5)
    with pytest.raises(ArgumentError, match="needs a query"):
        separatrix.open("x.parquet", database="y.duckdb")
    with pytest.raises(FileError, match="no file"):
        separatrix.open("nothing-*.parquet")
    with pytest.raises(FileError, match=r"the query failed .*nothing does not exist"):
        separatrix.open(query="select * from nothing")


SCRIPT = """
import sys, resource, threading
from pathlib import Path
import separatrix
from separatrix import LogisticRegression
from separatrix.data.streams import stream
from separatrix.data.streams import learn
stream.ROOM, learn.SAMPLE_BYTES = 100_000, 500_000
"""


def run(code: str, folder: Path, **more: Any) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"TMPDIR": str(folder), "SEPARATRIX_NUM_THREADS": "2"}
    return subprocess.run(
        [sys.executable, "-c", SCRIPT + code], env=environment, capture_output=True, text=True, timeout=300, **more
    )


def big(folder: Path, rows: int) -> str:
    """Files of 8 columns of doubles, 64 bytes a row."""
    folder.mkdir()
    random = np.random.default_rng(0)
    for i in range(rows // 250_000):
        X = random.standard_normal((250_000, 7))
        y = (X[:, 0] + random.logistic(size=len(X)) > 0) * 1
        columns = {f"x{j}": column for j, column in enumerate(X.T)}
        pq.write_table(pa.table({**columns, "y": y}), folder / f"{i}.parquet", use_dictionary=False)
    return str(folder / "*.parquet")


@pytest.mark.slow
def test_memory_is_bounded_whatever_the_number_of_rows(tmp_path):
    data, scratch = big(tmp_path / "set", 4_000_000), tmp_path / "tmp"
    scratch.mkdir()
    code = f"""
LogisticRegression().fit(separatrix.open({str(tmp_path / "set" / "0.parquet")!r}), target="y")
before = peak()
model = LogisticRegression().fit(separatrix.open({data!r}), target="y")
print((peak() - before) / 2**20)
"""
    peak = """
def peak():
    return 1024 * next(int(l.split()[1]) for l in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in l)
"""
    done = run(peak + code, scratch)
    assert done.returncode == 0, done.stderr
    # Fifteen more files of 16 megabytes each, once raw, once encoded; where processors are busy, batches wait.
    assert float(done.stdout) < 120


@pytest.mark.slow
@pytest.mark.usefixtures("small_room")
def test_thousands_of_coefficients_are_those_of_memory_to_1e7(tmp_path):
    random = np.random.default_rng(0)
    level, a = random.integers(0, 2_600, 40_000), random.standard_normal(40_000)
    y = (random.standard_normal(2_600)[level] + a + random.logistic(size=40_000) > 0) * 1
    data, case = pa.table({"a": a, "c": [f"L{k}" for k in level], "y": y}), Case("y", LogisticRegression())
    model = case.fit(written(data, tmp_path, 3, 5_000))
    assert model.coef_.size > LARGEST_CURVATURE
    assert model.trace_.solver == "conjugate-gradient"
    assert_same(model, in_memory(case, model, data), 1e-7)


def test_thousands_of_coefficients_of_several_classes_without_a_penalty_are_certified(tmp_path, monkeypatch):
    allow(monkeypatch, room=5_000, chunk=100_000, sample=60_000, rows=700)
    random = np.random.default_rng(0)
    X = random.standard_normal((4_000, 204))
    y = (X[:, :10] + random.gumbel(size=(len(X), 10))).argmax(axis=1)
    data = pa.table({**{f"x{j}": x for j, x in enumerate(X.T)}, "y": y})
    model = LogisticRegression(C=np.inf, tol=1e-6).fit(written(data, tmp_path, 3, 700), target="y")
    assert model.coef_.size > LARGEST_CURVATURE
    exact = LogisticRegression(C=np.inf, tol=1e-12).fit(X, y)
    loss, least = log_loss(y, model.predict_proba(data.drop_columns("y"))), log_loss(y, exact.predict_proba(X))
    assert loss - least <= model.certificate_.gap <= 1e-6
    error = np.abs(model.coef_ - exact.coef_).T
    assert np.all(error <= np.asarray(model.certificate_.coef_error)[:204])


@pytest.mark.slow
def test_ctrl_c_in_a_pass_leaves_nothing_on_the_disk(tmp_path):
    data, scratch = big(tmp_path / "set", 500_000), tmp_path / "tmp"
    scratch.mkdir()
    code = f"""
from separatrix.data.streams.spill import Spill
real = Spill.write
def write(self, number, arrays):
    real(self, number, arrays)
    if number == 3:
        print("spilling", flush=True)
        import time; time.sleep(60)
Spill.write = write
LogisticRegression().fit(separatrix.open({data!r}), target="y")
"""
    environment = os.environ | {"TMPDIR": str(scratch), "SEPARATRIX_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT + code],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "spilling\n"
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert "KeyboardInterrupt" in errors
    assert process.returncode != 0
    assert os.listdir(scratch) == []


@pytest.mark.slow
def test_a_disk_that_takes_no_more_is_survived_by_a_fit_and_named_by_a_copy(tmp_path):
    data, scratch = big(tmp_path / "set", 250_000), tmp_path / "tmp"
    scratch.mkdir()
    code = f"""
free = LogisticRegression().fit(separatrix.open({data!r}), target="y").coef_
resource.setrlimit(resource.RLIMIT_FSIZE, (10**6, 10**6))  # files end at a megabyte
full = LogisticRegression().fit(separatrix.open({data!r}), target="y").coef_
print((free == full).all())
separatrix.open(query="select * from '{data}'")
"""
    done = run(code, scratch)
    assert done.stdout == "True\n", done.stderr
    assert "FileError: a stream cannot be copied to" in done.stderr
    assert os.listdir(scratch) == []


def frauds(rows: int = 60_000, labels: tuple[Any, ...] = ("no", "yes"), seed: int = 4) -> pa.Table:
    """Four columns, and a target: two rows in a thousand have the last label, and the others mostly the first."""
    random = np.random.default_rng(seed)
    X = random.standard_normal((rows, 4))
    score = X @ [0.6, -0.4, 0.2, 0.0] + random.logistic(size=rows)
    marks = np.quantile(score, np.append(np.linspace(0.9, 0.998, len(labels) - 1)[:-1], 0.998))
    y = np.array(labels, dtype=object)[np.digitize(score, marks)]
    return pa.table({**{f"x{j}": column for j, column in enumerate(X.T)}, "y": pa.array(y.tolist())})


@pytest.fixture
def some_room(monkeypatch):
    """Room for a tenth of the rows of `frauds`."""
    allow(monkeypatch, room=50_000, chunk=20_000, sample=240_000, rows=5_000)


@pytest.fixture
def chosen(monkeypatch) -> list[int]:
    """How many rows each pass chose that was made to choose a sample."""
    many, real = [], stream.StreamSource.sample

    def sample(self: Any, *arguments: Any) -> Any:
        rows, chances = real(self, *arguments)
        many.append(rows.n_rows)
        return rows, chances

    monkeypatch.setattr(stream.StreamSource, "sample", sample)
    return many


def test_the_first_reading_keeps_a_rare_class_and_saves_the_pass_that_would_look_for_it(
    tmp_path, monkeypatch, some_room, chosen
):
    data, case = frauds(), Case("y", LogisticRegression(tol=1e-12))
    opened = written(data, tmp_path / "set", 3, 5_000)
    found = learned_of(opened, "y")
    assert np.sum(np.array(found.kept["y"]) == "yes") == 120
    assert len(found.kept) < len(data) / 8
    model = case.fit(opened)
    assert chosen == []
    assert_same(model, case.fit(data), 1e-9)
    monkeypatch.setattr(reservoir, "MOST_STRATA", 0)  # an even sample of the rows, as if labels did not matter
    without = case.fit(opened)
    assert len(chosen) == 1
    assert model.trace_.passes < without.trace_.passes
    assert_same(model, without, 1e-9)


@pytest.mark.usefixtures("some_room")
def test_a_column_that_is_rare_in_a_frequent_class_still_costs_a_pass(tmp_path, chosen):
    data = frauds()
    column = np.zeros(len(data))
    column[np.flatnonzero(np.array(data["y"]) == "no")[1::9_000]] = 1.0
    data = data.add_column(0, "odd", pa.array(column))
    case = Case("y", LogisticRegression())
    model = case.fit(written(data, tmp_path / "set", 3, 5_000))
    assert len(chosen) == 1
    assert_same(model, case.fit(data), 1e-9)


@pytest.mark.usefixtures("some_room")
def test_a_rare_class_has_the_same_bits_on_one_thread_and_three_and_in_any_files(tmp_path, monkeypatch):
    fits = []
    for threads, files, group in (("1", 3, 5_000), ("3", 3, 5_000), ("2", 8, 777)):
        monkeypatch.setenv("SEPARATRIX_NUM_THREADS", threads)
        model = LogisticRegression().fit(written(frauds(), tmp_path / f"{files}", files, group), target="y")
        fits.append(np.append(model.coef_, model.intercept_))
    assert np.array_equal(fits[0], fits[1])
    assert np.array_equal(fits[0], fits[2])


@pytest.mark.parametrize(
    "labels", [("no", "yes"), (0, 1), (False, True), ("a", "b", "c"), pytest.param((0, 1, 7), id="numbers")]
)
@pytest.mark.usefixtures("some_room")
def test_rows_are_kept_by_their_labels_or_by_the_positive_one(labels, tmp_path):
    data = frauds(labels=labels)
    opened, rare = written(data, tmp_path / "set", 2, 5_000), str(labels[-1])
    found = learned_of(opened, "y")
    assert len(found.strata.rates) == len(labels)
    for positive, strata in ((rare, 2), (None, len(labels))):
        found = learned_of(opened, "y", positive=positive)
        y = np.array([str(label) for label in found.kept["y"].to_list()])
        assert len(found.strata.rates) == strata
        assert np.sum(y == rare) == 120
        assert (found.strata.chance[y == rare] == 1.0).all()
        times = np.sum(1.0 / found.strata.chance[y != rare])
        assert abs(times / (len(data) - 120) - 1) < 0.06
    assert len(found.some) == found.even.sum() < len(found.kept)


@pytest.mark.usefixtures("some_room")
def test_rows_that_do_not_count_take_no_place_among_those_kept_and_chances_stay_theirs(tmp_path):
    data = frauds()
    weight = np.random.default_rng(5).integers(0, 3, len(data)) * 1.0
    y = data["y"].to_pylist()
    y[::7] = [None] * len(y[::7])
    data = data.set_column(4, "y", pa.array(y)).append_column("w", pa.array(weight))
    found = learned_of(written(data, tmp_path / "set", 2, 5_000), "y", weight="w")
    rare = np.array(found.kept["y"]) == "yes"
    assert rare.sum() == np.sum((np.array(data["y"]) == "yes") & (weight > 0))
    assert (found.strata.chance[rare] == 1.0).all()
    assert abs(np.sum(1.0 / found.strata.chance) / found.rows - 1) < 0.06
    assert found.kept["w"].min() > 0


AWKWARD = {
    "a Categorical": pl.Series(["a", "b", "c", "c"] * 10, dtype=pl.Categorical),
    "an Enum": pl.Series(["a", "b", "c", "c"] * 10, dtype=pl.Enum(["a", "b", "c"])),
    "objects of several kinds": pd.Series([1, "a", "b", "b"] * 10),
    "a cut": pd.Series(pd.cut(np.arange(40) % 4, 3)),
    "a category of several kinds": pd.Series(pd.Categorical([1, "a", "b", "b"] * 10)),
    "complex numbers": pd.Series(np.arange(40) % 3 + 1j),
    "a sparse column": pd.Series(pd.arrays.SparseArray([0, 0, 1, 0] * 10)),
}


@pytest.mark.parametrize("column", AWKWARD.values(), ids=AWKWARD)
def test_a_dataframe_becomes_the_same_columns_in_a_fit_as_in_a_transformer(column):
    frame: Any = pl.DataFrame if isinstance(column, pl.Series) else pd.DataFrame
    data = frame({"x": np.arange(40.0) % 7, "u": column, "y": [0, 1, 0, 1] * 10})
    model = LogisticRegression().fit(data, target="y")
    assert model.columns_.describe()[1] == separatrix.Columns().fit(data).describe()[1]
    assert model.predict(data).shape == (40,)
    if model.columns_.describe()[1][1].startswith("category"):
        labels = LogisticRegression().fit(data, target="u").predict(data)
        assert len(labels) == 40


def test_a_category_of_polars_is_read_from_arrow_and_from_a_stream_too():
    frame = pl.DataFrame({"x": np.arange(40.0) % 7, "u": ["a", "b", "c", "c"] * 10, "y": [0, 1, 0, 1] * 10})
    table = pa.table(frame.with_columns(pl.col("u").cast(pl.Categorical)))
    for data in (table, table.to_reader(10)):
        model = LogisticRegression().fit(data, target="y")
        assert model.columns_.describe()[1] == ("u", "category of 3 levels against 'c'")


def test_intervals_of_time_are_left_out_like_durations():
    data = separatrix.open(query="select i % 5 as x, to_days(i % 3) as d, i % 2 as y from range(40) t(i)")
    model = LogisticRegression().fit(data, target="y")
    assert model.columns_.describe()[1] == ("d", "left out: a duration: its type is month_day_nano_interval")
