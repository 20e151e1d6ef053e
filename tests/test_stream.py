"""Rows that are read, not held: the same fit as in memory, in bounded memory, and every fault of a file in one line."""

import gzip
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import separatrix
from separatrix import LinearRegression, LogisticRegression
from separatrix.data import collapse, learn, spill, stream
from separatrix.data.dataset import Dataset
from separatrix.errors import (
    ArgumentError,
    CellError,
    ColumnError,
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
    monkeypatch.setattr(stream, "ROOM", 5_000)
    monkeypatch.setattr(stream, "CHUNK", 3_000)
    monkeypatch.setattr(learn, "SAMPLE_BYTES", 60_000)
    monkeypatch.setattr(learn, "BATCH", 700)


def features(data: pa.Table, target: str, own: tuple[str, ...] = ()) -> pa.Table:
    return data.select([*NAMES, target, *own])


def written(data: pa.Table, folder: Path, files: int, group: int) -> Dataset:
    """The table in so many Parquet files of uneven length, with small row groups."""
    folder.mkdir(exist_ok=True)
    ends = np.unique(np.append(0, np.cumsum(np.geomspace(1, 3, files) / np.geomspace(1, 3, files).sum() * len(data))))
    ends = np.round(ends).astype(int)
    for i, (first, last) in enumerate(zip(ends[:-1], ends[1:], strict=True)):
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
        from sklearn.base import clone

        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return clone(self.model).fit(data, target=self.target, sample_weight=self.weight, offset=self.offset)


TIGHT = {"tol": 1e-12}
CASES = {
    "binary": Case("two", LogisticRegression(**TIGHT)),
    "binary, no penalty": Case("two", LogisticRegression(C=np.inf, **TIGHT)),
    "binary, no intercept": Case("two", LogisticRegression(fit_intercept=False, C=0.1, **TIGHT)),
    "multinomial": Case("three", LogisticRegression(**TIGHT)),
    "one against the rest": Case("three", LogisticRegression(multi_class="ovr", **TIGHT), "weight", ["o1", "o2", "o3"]),
    "weights": Case("two", LogisticRegression(**TIGHT), "weight"),
    "balanced": Case("three", LogisticRegression(class_weight="balanced", **TIGHT), "weight"),
    "offset": Case("two", LogisticRegression(**TIGHT), None, "o1"),
    "offsets": Case("three", LogisticRegression(**TIGHT), "weight", ["o1", "o2", "o3"]),
    "L1": Case("two", LogisticRegression(C=0.01, l1_ratio=1.0, **TIGHT), "weight"),
    "conjugate gradients": Case("two", LogisticRegression(solver="conjugate-gradient", **TIGHT)),
    "linear": Case("amount", LinearRegression(), "weight", "o1"),
    "ridge": Case("amount", LinearRegression(alpha=3.0)),
    "lasso": Case("amount", LinearRegression(alpha=30.0, l1_ratio=1.0)),
}


def in_memory(case: Case, model: Any, data: pa.Table) -> Any:
    """The same fit of arrays, of the rows encoded by the columns that were learned."""
    from sklearn.base import clone
    import narwhals as nw

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


@pytest.mark.parametrize("name", CASES)
@pytest.mark.usefixtures("small_room")
def test_any_split_into_files_gives_the_fit_of_memory(name, tmp_path):
    case, data = CASES[name], table()
    data = features(data, case.target, case.own)
    one = case.fit(written(data, tmp_path / "one", 1, 10_000))
    many = case.fit(written(data, tmp_path / "many", 7, 331))
    assert np.array_equal(one.coef_, many.coef_), "the batches are the same whatever the files"
    assert_same(one, in_memory(case, one, data), 1e-9)
