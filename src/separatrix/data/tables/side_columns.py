"""What stands beside the features of a row: its weight, what is added to its eta, and the cluster it belongs to."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
import pyarrow as pa

from separatrix.arrays import BoolArray, FloatArray, IntArray
from separatrix.data.tables.cells import Cells, Numbered, Table, cells_of


@dataclass(frozen=True)
class Beside:
    """Of every row: `weight` and `offset` (rows,), and the code of its `cluster` (rows,); None where there is none."""

    weight: FloatArray | None = None
    offset: FloatArray | None = None
    cluster: IntArray | None = None

    def take(self, some: BoolArray) -> Self:
        """Of some of the rows."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return type(self)(**{name: None if value is None else value[some] for name, value in values.items()})


def offset_of(table: Table, name: str, where: str = "the data", first_row: Numbered = 1) -> FloatArray:
    """The numbers of a column that is added to eta, (rows,).

    Raises ColumnError where there is no such column, and CellError for a cell that is no number, or missing.

    >>> import narwhals as nw
    >>> offset_of(nw.from_dict({"log_days": [0.0, 1.5]}, backend="pyarrow"), "log_days")
    array([0. , 1.5])
    """
    return complete(cells_of(table, name, where, first_row), "offset").numbers()


def weight_of(table: Table, name: str, where: str = "the data", first_row: Numbered = 1) -> FloatArray:
    """The numbers of a column that says what a row counts, (rows,); as `offset_of`, and a CellError below 0."""
    cells = complete(cells_of(table, name, where, first_row), "weight")
    weight = cells.numbers()
    cells.refuse(weight < 0, "is no weight: a weight is at least 0")
    return weight


def weights_of(table: Table, name: str | None, where: str = "the data", first_row: Numbered = 1) -> FloatArray:
    """The weight of each row, (rows,), by the column of this name, or 1."""
    return weight_of(table, name, where, first_row) if name else np.ones(len(table))


def given(
    table: Table, weight: str | None, offset: Sequence[str], where: str, first_row: Numbered
) -> tuple[FloatArray, FloatArray | None]:
    """The weights (rows,) and the offset (rows, K) of a table, by the names of their columns.

    Raises CellError for a cell that is no weight or no number.
    """
    terms = [offset_of(table, name, where, first_row) for name in offset]
    weights = weights_of(table, weight, where, first_row)
    return weights, np.column_stack(terms) if terms else None


def cluster_of(table: Table, name: str, where: str = "the data") -> IntArray:
    """The code of the value that each row has in a column, (rows,); errors as of `offset_of`."""
    return codes_of([clusters_in(table, name, where)])


def clusters_in(table: Table, name: str, where: str = "the data", first_row: Numbered = 1) -> Any:
    """The values of a column as text, an Arrow array of each once and which of them a row has."""
    cells = complete(cells_of(table, name, where, first_row), "cluster")
    return cells.texts().take(cells.coded.indices).dictionary_encode()


def codes_of(parts: Sequence[Any]) -> IntArray:
    """A code for each different value of such arrays, one after the other, (rows,)."""
    values = pa.chunked_array(parts).unify_dictionaries().combine_chunks()
    return values.indices.to_numpy().astype(np.intp)


def complete(cells: Cells, what: str) -> Cells:
    """The cells, none of them missing."""
    cells.refuse(cells.missing, f"is no {what}; leave the row out")
    return cells
