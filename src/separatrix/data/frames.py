"""Columns as a dataframe of the kind that is wanted."""

from importlib.util import find_spec
from typing import Any

import narwhals as nw

BACKENDS = ("pandas", "polars", "pyarrow")


def dataframe(columns: dict[str, Any], backend: str | None = None) -> Any:
    """Columns as a dataframe of this kind, or of the first of BACKENDS that is installed."""
    chosen: Any = backend or next(name for name in BACKENDS if find_spec(name))
    return nw.from_dict(columns, backend=chosen).to_native()
