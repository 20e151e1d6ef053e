"""Predictions as a table: one row for each row of the data, written as they are made."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow.csv import CSVWriter
from pyarrow.parquet import ParquetWriter

from separatrix.data.reading.files import check_name, replacing
from separatrix.errors import ArgumentError, listing
from separatrix.model import Model, Prediction

ENDINGS = {".csv": None, ".csv.gz": "gzip", ".csv.zst": "zstd", ".parquet": None}
"""Of the names of files that can be written, and how each is compressed from outside."""


def prediction_table(model: Model, prediction: Prediction, first_row: int) -> pa.Table:
    """Row number, prediction, and for classes the probability of each, "P(class)"; after each number, where there are
    intervals, its "lower" and "upper"."""
    values, classes = prediction.values, model.target.classes
    table: dict[str, Any] = {"row": np.arange(first_row, first_row + len(values))}
    if model.task != "linear":
        large = max(label if isinstance(label, int) else 0 for label in classes) > np.iinfo(np.int64).max
        exact = large and all(isinstance(label, int) for label in classes)  # to NumPy some large ones make all doubles
        labels = pa.array(np.array(classes, np.uint64 if exact else None))  # text where some is, as "not 2" beside 2
        table["prediction"] = labels.take(pa.array(values.argmax(axis=1)))
    names = [f"P({label})" for label in classes] if classes else ["prediction"]
    for k, name in enumerate(names):
        table[name] = values[:, k]
        if prediction.interval:
            low, high = prediction.interval
            limits = {f"{name} lower": low[:, k], f"{name} upper": high[:, k]}
            table |= {name: pa.array(limit, from_pandas=True) for name, limit in limits.items()}  # NaN is an empty cell
    return pa.table(table)


def write_predictions(tables: Iterable[pa.Table], out: Path | None) -> int:
    """Writes the tables as one file of the kind that its name ends in, whole or not at all; without `out`, as CSV to
    standard output. Returns the number of rows."""
    write_table = ParquetWriter if out is not None and ending_of(out) == ".parquet" else CSVWriter
    rows = 0
    with destination(out) as place:
        writer: Any = None
        for table in tables:
            writer = writer or write_table(place, table.schema)
            writer.write_table(table)
            rows += len(table)
        if writer:
            writer.close()
    return rows


def ending_of(out: Path) -> str:
    """The one of ENDINGS that a name has; ArgumentError where it has none of them, FileError where it is no UTF-8.

    >>> ending_of(Path("new.2026.CSV.gz"))
    '.csv.gz'
    """
    check_name(out)
    for ending in ENDINGS:
        if out.name.lower().endswith(ending):
            return ending
    raise ArgumentError(f"out={out} is no kind of file that can be written: let its name end in {listing(ENDINGS)}.")


@contextmanager
def destination(out: Path | None) -> Iterator[Any]:
    """Where to write: a file that appears when it is complete, or standard output."""
    if out is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
    else:
        with replacing(out) as partial, pa.output_stream(str(partial), compression=ENDINGS[ending_of(out)]) as file:
            yield file
