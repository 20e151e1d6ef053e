"""Predictions as a table: one row for each row of the data, written as they are made."""

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow.csv import CSVWriter
from pyarrow.parquet import ParquetWriter

from separatrix.arrays import FloatArray
from separatrix.data.files import replacing
from separatrix.model import Model


def prediction_table(model: Model, values: FloatArray, first_row: int) -> pa.Table:
    """Row number, prediction, and for classes the probability of each, "P(class)"; values as `Model.mean` has them."""
    rows = pa.array(np.arange(first_row, first_row + len(values)))
    if model.task == "linear":
        return pa.table({"row": rows, "prediction": values[:, 0]})
    classes = model.target.classes
    labels = pa.array([classes[k] for k in values.argmax(axis=1)])
    return pa.table(
        {
            "row": rows,
            "prediction": labels,
            **{f"P({label})": values[:, k] for k, label in enumerate(classes)},
        }
    )


def write_predictions(tables: Iterable[pa.Table], out: Path | None) -> int:
    """Writes the tables as one file, .parquet or else CSV, whole or not at all; without `out`, as CSV to standard
    output. Returns the number of rows."""
    rows = 0
    with destination(out) as place:
        writer: Any = None
        for table in tables:
            writer = writer or writer_for(out)(place, table.schema)
            writer.write_table(table)
            rows += len(table)
        if writer:
            writer.close()
    return rows


def writer_for(out: Path | None) -> Callable[[Any, pa.Schema], Any]:
    """The writer that the name of the file asks for."""
    return ParquetWriter if out is not None and out.suffix == ".parquet" else CSVWriter


@contextmanager
def destination(out: Path | None) -> Iterator[Any]:
    """Where to write: a file that appears when it is complete, or standard output."""
    if out is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
    else:
        with replacing(out) as partial:
            yield partial
