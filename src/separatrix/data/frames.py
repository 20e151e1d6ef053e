"""Columns as a dataframe of the kind that is wanted."""

from collections import Counter
from collections.abc import Iterable
from importlib.util import find_spec
from typing import Any

import narwhals as nw
from narwhals import dependencies

from separatrix.errors import ColumnError, DataError

BACKENDS = ("pandas", "polars", "pyarrow")


def named_once(data: Any) -> None:
    """ColumnError for a dataframe two of whose columns have one name, DataError for one whose rows are not there."""
    data = nw.to_native(data, pass_through=True)
    check_here(data)
    names = data.column_names if dependencies.is_pyarrow_table(data) else getattr(data, "columns", None)
    if names is None or callable(names) or isinstance(data, str):
        return
    check_distinct(map(str, names))


def check_here(data: Any) -> None:
    """DataError for a table whose rows have yet to be computed."""
    if dependencies.is_polars_lazyframe(data) or dependencies.is_duckdb_relation(data):
        raise DataError(f"the rows of a {type(data).__name__} are not here yet: get them by .collect() or .arrow().")


def check_distinct(names: Iterable[str]) -> None:
    """ColumnError for a name that occurs twice."""
    for name, times in Counter(names).items():
        if times > 1:
            raise ColumnError(f"{times} columns have the name {name!r}: rename them, or leave all but one out.")


def dataframe(columns: dict[str, Any], backend: str | None = None) -> Any:
    """Columns as a dataframe of this kind, or of the first of BACKENDS that is installed."""
    chosen: Any = backend or next(name for name in BACKENDS if find_spec(name))
    return nw.from_dict(columns, backend=chosen).to_native()
