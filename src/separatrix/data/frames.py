"""Columns as a dataframe of the kind that is wanted."""

from collections import Counter
from collections.abc import Iterable
from importlib.util import find_spec
from typing import Any

import narwhals as nw
import numpy as np
from narwhals import dependencies

from separatrix.errors import ColumnError, DataError

BACKENDS = ("pandas", "polars", "pyarrow")


def named_once(data: Any) -> None:
    """ColumnError for a dataframe two of whose columns have one name, DataError for one whose rows are not there."""
    if not isinstance(data, np.ndarray):  # which has no names
        data = nw.to_native(data, pass_through=True)
        check_here(data)
        check_distinct(map(str, names_of(data) or ()))


def names_of(data: Any) -> list[Any] | None:
    """The names of the columns of a dataframe or a table of Arrow; None of anything else."""
    names = data.column_names if is_arrow(data) else getattr(data, "columns", None)
    return None if names is None or callable(names) else list(names)


def text_named(data: Any) -> Any:
    """A dataframe with text for the names of its columns, which pandas may have as numbers."""
    names = names_of(data) or []
    return data if all(isinstance(name, str) for name in names) else data.set_axis(list(map(str, names)), axis=1)


def kinds_of(data: Any) -> list[tuple[Any, Any]]:
    """The names and types of the columns of a dataframe or a table of Arrow; of anything else none."""
    names, kinds = names_of(data), data.schema.types if is_arrow(data) else getattr(data, "dtypes", None)
    return [] if names is None or kinds is None else list(zip(names, kinds, strict=True))


def is_arrow(data: Any) -> bool:
    """Whether it is a table of Arrow: pyarrow is there then."""
    arrow = dependencies.get_pyarrow()
    return arrow is not None and isinstance(data, (arrow.Table, arrow.RecordBatch))


def is_of_times(kind: Any) -> bool:
    """Whether the type of a column, of NumPy, pandas, polars or Arrow, is one of dates, times or durations."""
    arrow = dependencies.get_pyarrow()
    if arrow is not None and isinstance(kind, arrow.DataType):
        return arrow.types.is_temporal(kind)
    return getattr(kind, "kind", "") in ("M", "m") or (hasattr(kind, "is_temporal") and kind.is_temporal())


def check_here(data: Any) -> None:
    """DataError for a table whose rows have yet to be computed."""
    if dependencies.is_polars_lazyframe(data) or dependencies.is_duckdb_relation(data):
        raise DataError(f"the rows of a {type(data).__name__} are not here yet: get them by .collect() or .arrow().")


def check_distinct(names: Iterable[str]) -> None:
    """ColumnError for a name that occurs twice."""
    for name, times in Counter(names).items():
        if times > 1:
            raise ColumnError(f"{times} columns have the name {name!r}: rename them, or leave all but one out.")


def dataframe(columns: dict[str, Any], backend: str | None) -> Any:
    """Columns as a dataframe of this kind, or of the first of BACKENDS that is installed."""
    chosen: Any = backend or next(name for name in BACKENDS if find_spec(name))
    return nw.from_dict(columns, backend=chosen).to_native()
