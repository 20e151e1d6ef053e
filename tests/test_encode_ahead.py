"""Rows that are encoded in the first reading: the files are read once, and a guess that fails changes no answer."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import separatrix
from separatrix import LinearRegression, LogisticRegression
from separatrix.data.reading.dataset import Dataset
from separatrix.data.streams import learn, spill, stream
from separatrix.data.streams.learn import Question
from separatrix.data.streams.stream import StreamSource
from separatrix.data.workers.partitions import learned_source

ROWS, BATCH = 5_000, 700


@pytest.fixture(autouse=True)
def small_room(monkeypatch):
    """As if memory were so small that hardly a row fits."""
    for module, name, size in [(stream, "ROOM", 5_000), (learn, "SAMPLE_BYTES", 60_000), (learn, "ROWS", BATCH)]:
        monkeypatch.setattr(module, name, size)


@pytest.fixture
def readings(monkeypatch):
    """Grows by one with every reading of a dataset."""
    seen: list[str] = []
    real = Dataset.numbered

    def numbered(self: Dataset, *rest: Any, **more: Any) -> Any:
        seen.append(self.name)
        return real(self, *rest, **more)

    monkeypatch.setattr(Dataset, "numbered", numbered)
    return seen


def columns(**more: Any) -> dict[str, Any]:
    """Numbers of several types, and a target that they say something of."""
    random = np.random.default_rng(0)
    a, b = random.standard_normal((2, ROWS)) * [[1.0], [50.0]] + [[0.0], [1e6]]
    z = a + 0.02 * (b - 1e6) + random.logistic(size=ROWS)
    plain = {"a": a, "b": b.astype(np.int64), "c": random.random(ROWS) < 0.3, "same": np.ones(ROWS), "y": z > 0}
    return plain | {"three": np.digitize(z, [-1, 1]), "z": z} | more


@pytest.mark.parametrize("target", ["y", "three", "z"])
def test_a_table_of_numbers_is_read_once_and_gives_the_fit_of_memory(target, readings):
    data = columns()
    opened = separatrix.open(pa.table({name: data[name] for name in ("a", "b", "c", "same", target)}))
    streamed = (LinearRegression() if target == "z" else LogisticRegression(tol=1e-12)).fit(opened, target=target)
    assert len(readings) == 1
    assert streamed.columns_.needs == ["a", "b", "c"]
    X = np.column_stack([data["a"], data["b"], data["c"]])
    memory = (LinearRegression() if target == "z" else LogisticRegression(tol=1e-12)).fit(X, data[target])
    np.testing.assert_allclose(streamed.coef_, memory.coef_, rtol=1e-7, atol=1e-9)


def late(values: Any, row: int, cell: Any) -> list[Any]:
    """The values but for one cell."""
    changed = list(values)
    changed[row] = cell
    return changed


SURPRISES = {
    "a gap": lambda data: {"a": late(data["a"], 3_000, None)},
    "a column that is not constant after all": lambda data: {"same": late(data["same"], 3_000, 2.0)},
    "a row without a label": lambda data: {"y": late(data["y"].tolist(), 3_000, None)},
    "a class": lambda data: {"y": np.where(np.arange(ROWS) < 2 * BATCH, data["y"], data["three"])},
}


@pytest.mark.filterwarnings("ignore:1 rows of the data without a value")
@pytest.mark.parametrize("surprise", SURPRISES)
def test_what_only_later_rows_show_is_learned_all_the_same(surprise, readings):
    data = {name: column for name, column in columns().items() if name not in ("three", "z")}
    data |= SURPRISES[surprise](columns())
    opened = separatrix.open(pa.table(data))
    learned, source = learned_source(opened, Question("y"))
    assert learned.ahead is None
    assert isinstance(source, StreamSource)
    streamed = LogisticRegression(tol=1e-12).fit(opened, target="y")
    known = np.array([label is not None for label in data["y"]])
    X = np.asarray(streamed.columns_.encode(opened.whole()).X)[known]
    memory = LogisticRegression(tol=1e-12).fit(X, np.array(data["y"])[known].astype(int))
    np.testing.assert_allclose(streamed.coef_, memory.coef_, rtol=1e-7, atol=1e-9)


def test_levels_of_categories_are_known_only_when_all_rows_were_read(readings):
    opened = separatrix.open(pa.table(columns(site=[f"site {i % 7}" for i in range(ROWS)])))
    LogisticRegression().fit(opened, target="y")
    assert len(readings) == 2


@pytest.mark.parametrize("threads", [1, 3])
def test_no_room_on_the_disk_gives_the_same_bits(threads, monkeypatch, readings):
    opened = separatrix.open(pa.table(columns()))
    kept = LogisticRegression(n_threads=threads).fit(opened, target="y")
    assert len(readings) == 1
    monkeypatch.setattr(spill, "SHARE", 0.0)
    read_again = LogisticRegression().fit(opened, target="y")
    assert len(readings) > 3
    assert np.array_equal(kept.coef_, read_again.coef_)


def test_a_disk_that_fills_in_the_first_reading_gives_the_same_bits(monkeypatch):
    opened, real, written = separatrix.open(pa.table(columns())), spill._write_at, []
    kept = LogisticRegression().fit(opened, target="y")

    def write(file: Any, array: np.ndarray, *rest: Any) -> None:
        written.append(array.nbytes)
        if sum(written) > 100_000:
            raise OSError(28, "No space left on device")
        real(file, array, *rest)

    monkeypatch.setattr(spill, "_write_at", write)
    assert np.array_equal(LogisticRegression().fit(opened, target="y").coef_, kept.coef_)
    assert sum(written) > 100_000
