"""The set that does not fit in memory: real flights repeated with noise, 12 numbers a row, in Parquet files."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

TARGET = "late15"
ROWS_A_FILE = 3_000_000
NOISE = 0.05  # of a column's standard deviation, drawn anew for each repetition: no two rows are alike


def make(source: Path, folder: Path, rows: int) -> None:
    """Writes part-000.parquet, part-001.parquet, .. of `rows` rows in all, those of `source` again and again.

    The rows are in random order, as in `source` they are sorted by time.
    """
    X, y = numbers(source)
    spread, names = X.std(axis=0), list(NAMES)
    folder.mkdir(parents=True, exist_ok=True)
    for part, first in enumerate(range(0, rows, ROWS_A_FILE)):
        random = np.random.default_rng(part)
        chosen = random.permutation(len(y))[: min(ROWS_A_FILE, rows - first)]
        noisy = X[chosen] + NOISE * spread * random.standard_normal((len(chosen), len(names)))
        columns = {name: np.ascontiguousarray(column) for name, column in zip(names, noisy.T, strict=True)}
        table = pa.table(columns | {TARGET: y[chosen]})
        pq.write_table(table, folder / f"part-{part:03d}.parquet", use_dictionary=[TARGET])


NAMES = (
    "month",
    "day",
    "weekday",
    "hour",
    "minute",
    "distance",
    "sine of hour",
    "cosine of hour",
    "sine of month",
    "cosine of month",
    "flights from origin",
    "flights to destination",
)


def numbers(source: Path) -> tuple[NDArray[np.float64], NDArray[np.int8]]:
    """The 12 columns of every flight, and whether it was 15 minutes late."""
    table = pq.read_table(source)
    month, day, weekday, hour, minute, distance = (
        table[name].to_numpy().astype(np.float64) for name in ("month", "day", "dow", "hour", "minute", "distance")
    )
    turn, season = 2 * np.pi * (hour + minute / 60) / 24, 2 * np.pi * (month - 1) / 12
    waves = np.sin(turn), np.cos(turn), np.sin(season), np.cos(season)
    airports = (np.log(traffic(table[name])) for name in ("origin", "destination"))
    return np.column_stack([month, day, weekday, hour, minute, distance, *waves, *airports]), table[TARGET].to_numpy()


def traffic(airport: pa.ChunkedArray) -> NDArray[np.float64]:
    """How many flights there are with each row's airport, (rows,)."""
    codes = airport.combine_chunks().dictionary_encode().indices.to_numpy()
    return np.bincount(codes)[codes].astype(np.float64)
