"""The rows of a formula's data as a frame of pandas, which formulaic reads: their columns, and which of them to use."""

from collections.abc import Iterable, Mapping
from typing import Any

import narwhals as nw
import numpy as np
from narwhals import selectors

from separatrix.arguments import shown, unmasked
from separatrix.arrays import IntArray
from separatrix.data.frames import BACKENDS
from separatrix.data.inputs import check_lengths, well_named
from separatrix.data.tables.cells import cells_of
from separatrix.errors import ArgumentError, ColumnError, DataError, listing, no_such

NUMBERS = ("integer", "floating", "mixed-integer-float", "decimal")  # that objects may be


def frame_of(data: Any) -> tuple[Any, str | None]:
    """Any dataframe, or a dict of columns, as pandas, which formulaic brings, with its rows counted from 0; and which
    kind it was."""
    import pandas as pd

    if isinstance(data, dict):
        check_lengths(data)
        for name, values in data.items():
            check_same_index(values, data, str(name))
        return plain_columns(pd.DataFrame(data).reset_index(drop=True)), None
    native = nw.from_native(data := well_named(data), eager_only=True, pass_through=True)
    if native is data:
        raise ArgumentError(f"data is a {type(data).__name__}, and must be a dataframe or a dict of columns.")
    backend = native.implementation.value
    native = native.with_columns(selectors.by_dtype(nw.Decimal).cast(nw.Float64))
    return plain_columns(native.to_pandas().reset_index(drop=True)), backend if backend in BACKENDS else None


def plain_columns(frame: Any) -> Any:
    """The frame with its columns of pandas' nullable and Arrow types as NumPy has them, which formulaic reads; with
    objects that are all numbers, truth values or times as such; and with times in microseconds, as formulaic takes the
    difference of two for a number."""
    import pandas as pd

    def plain(column: Any) -> Any:
        is_bool = pd.api.types.is_bool_dtype(column.dtype)
        if (is_bool and not column.hasnans) or (pd.api.types.is_numeric_dtype(column.dtype) and not is_bool):
            kind = column.dtype.numpy_dtype  # of Decimal, objects
            return column.to_numpy(float if column.hasnans or kind.kind == "O" else kind, na_value=np.nan)
        return column.astype(object).where(column.notna(), np.nan)

    def told(column: Any) -> Any:
        kind = pd.api.types.infer_dtype(column)
        if kind in NUMBERS:
            numbers: Any = pd.to_numeric(column)
            return numbers.astype(float) if numbers.dtype == object else numbers  # of more than 64 bits
        return column.infer_objects() if kind == "boolean" or kind.startswith(("datetime", "timedelta")) else column

    nullable = [name for name in frame.columns if getattr(frame[name].dtype, "na_value", None) is pd.NA]
    frame = with_columns(frame, {name: plain(frame[name]) for name in nullable})
    frame = with_columns(frame, {name: told(frame[name]) for name in frame.columns if frame[name].dtype == object})
    return with_columns(
        frame, {name: frame[name].dt.as_unit("us") for name in frame.columns if frame[name].dtype.kind in "mM"}
    )


def with_columns(frame: Any, columns: Mapping[str, Any]) -> Any:
    """The frame with these values in place of its columns of such names, which may be any, and further ones behind."""
    frame = frame.copy(deep=False)
    for name, values in columns.items():
        frame[name] = values
    return frame


def in_place(values: Any, frame: Any) -> Any:
    """Values of a caller's for the rows of a frame, (n,): by their position, whatever index of pandas they have."""
    native: Any = nw.from_native(values, series_only=True, pass_through=True)
    return unmasked(values) if native is values else native.to_pandas().set_axis(frame.index)


def check_same_index(values: Any, data: Any, name: str, of: str = "data") -> None:
    """DataError where pandas has values in another order than the rows that they are for: they go by their position.

    `name` and `of` are what values and rows are called in the message; of a dict, the first column with an index is.
    """
    if isinstance(data, Mapping):
        of = next((key for key, column in data.items() if index_of(column) is not None), of)
    ours, theirs = index_of(values), index_of(data)
    if ours is None or theirs is None or len(ours) != len(theirs) or ours.equals(theirs):
        return
    row = next((k for k, (a, b) in enumerate(zip(ours, theirs, strict=True)) if a != b), 0)
    raise DataError(
        f"the indexes of {name} and {of} differ, first in row {row} ({shown(ours[row])} and {shown(theirs[row])}): "
        f"give {name}.loc[{of}.index], or reset_index(drop=True) of both where their rows go together."
    )


def index_of(values: Any) -> Any:
    """The index that pandas gives the rows of values, or of the first of several that has one; None where none has."""
    if isinstance(values, Mapping):
        return next((index for index in map(index_of, values.values()) if index is not None), None)
    index = getattr(nw.to_native(values, pass_through=True), "index", None)
    return index if hasattr(index, "equals") else None


def check_columns(needed: Any, frame: Any) -> None:
    """ColumnError for a name of the formula that is no column."""
    for name in sorted(needed):
        if name not in frame.columns:
            raise ColumnError(no_such("column", name, map(str, frame.columns), "in the data"))


def check_gaps(columns: Iterable[str], frame: Any) -> None:
    """DataError for the first row that lacks a value of one of these columns."""
    for name in sorted(columns):
        for row in np.flatnonzero(missing_in(frame[name]))[:1]:
            raise DataError(
                f"column {name!r} is missing in row {row}, counted from 0: leave the row out, or fill the gap."
            )


def numbers_in(frame: Any) -> frozenset[str]:
    """The columns of a frame that are numbers."""
    return frozenset(name for name in frame.columns if frame[name].dtype.kind in "iuf")


def check_numbers(columns: Iterable[str], frame: Any) -> None:
    """ColumnError for one of these columns that is no numbers, nor truth values."""
    for name in sorted(columns):
        column = frame[name]
        if column.dtype.kind not in "iufb":
            raise ColumnError(
                f"column {name!r} holds {listing(column[:3].tolist())}, of type {column.dtype}, and held numbers in "
                "the rows of the fit: make numbers of it."
            )


def column_or_values(given: Any, frame: Any, name: str, data: Any) -> Any:
    """A column by its name, or values (n,) as they are, for the rows of data."""
    if isinstance(given, str):
        check_columns([given], frame)
        return frame[given].to_numpy()
    check_same_index(given, data, name)
    values = np.asarray(unmasked(given))
    if values.shape[:1] != (len(frame),):
        raise ArgumentError(f"{name} has shape {values.shape}, and must have {(len(frame),)}: a value for each row.")
    return values


def only(values: Any, rows: IntArray) -> Any:
    """Values (n, ...) of these rows alone, and 0 in place of others."""
    some = np.zeros_like(values)
    some[rows] = values[rows]
    return some


def complete_rows(frame: Any, needed: Any, beside: dict[str, Any]) -> Any:
    """Which rows have every value that is used, (n,)."""
    import pandas as pd

    kept = np.ones(len(frame), dtype=bool)
    for table in (frame[sorted(needed)], *map(pd.DataFrame, beside.values())):
        for name in table.columns:
            kept &= ~missing_in(table[name])
    return kept


def missing_in(column: Any) -> Any:
    """Which cells of a column of pandas are missing, (n,): of text, and of categories that are, the marks of MISSING
    too, as in any table."""
    import pandas as pd

    kind = getattr(column.dtype, "categories", column).dtype
    if not pd.api.types.is_string_dtype(kind):
        return column.isna().to_numpy()
    return cells_of(nw.from_native(column.to_frame("text"), eager_only=True), "text").missing


def with_own_levels(frame: Any) -> Any:
    """The frame with the levels of its categories that its rows have: of others there is nothing to learn. Truth values
    are such again where the rows that lacked one are gone."""
    frame = plain_columns(frame)
    names = frame.select_dtypes("category").columns
    return with_columns(frame, {name: frame[name].cat.remove_unused_categories() for name in names})


def with_values(frame: Any, values: Mapping[str, Any]) -> Any:
    """The frame with one value of each of some columns, in all rows."""
    import pandas as pd

    def column(name: str, value: Any) -> Any:
        kind = frame[name].dtype
        if kind.kind in "iuf":
            if not isinstance(value, int | float | np.number) or not np.isfinite(value):
                raise ArgumentError(f"{name}={value!r} must be a finite number, as the column {name} has.")
            return value
        if kind.kind == "b" and value not in (False, True):
            raise ArgumentError(f"{name}={value!r} must be True or False, as the column {name} has.")
        if isinstance(kind, pd.CategoricalDtype) and value not in kind.categories:
            raise DataError(f"{name}={value!r} is no level of the rows of the fit: {listing(kind.categories)}.")
        return pd.Series([value] * len(frame), index=frame.index, dtype=kind)

    return with_columns(frame, {name: column(name, value) for name, value in values.items()})
