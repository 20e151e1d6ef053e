"""scikit-learn's door to tables: a transformer that makes numbers of any dataframe's columns."""

from collections.abc import Sequence
from typing import Any, Self

import narwhals as nw
import numpy as np
import pyarrow as pa
from sklearn import get_config
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_array, validate_data

from separatrix.arguments import gaps, unmasked
from separatrix.checked import all_or_nothing, check_fitted
from separatrix.data.frames import named_once
from separatrix.data.subsets import csr_of
from separatrix.data.tables.cells import Table
from separatrix.data.tables.columns import Columns as Learned
from separatrix.data.tables.columns import Rules, Unseen
from separatrix.errors import ArgumentError
from separatrix.explained import explained

MOST_CELLS = 2**31  # of a dense array, 16 GiB


class Columns(TransformerMixin, BaseEstimator):
    """The columns of a table as numbers, each by what it is; a first step of a pipeline, or instead of many.

    Numbers stay numbers, those in text included ("1,234.50", "$3", "12%"); missing ones count as the mean, and are
    flagged. Text of few values is a category: a 0/1 feature for each level but the commonest, rare levels pooled.
    Dates are their parts. Identifiers, free text, and constant, empty, duplicate and nested columns are left out.
    `describe` says what became of each column, and every decision can be overruled.

    Parameters
    ----------
    drop, categorical, numeric, text : sequences of str
        Names of columns to leave out, or to take as categories, as numbers, or as text whose words are hashed.
    date : sequence of str, default ("day", "month", "weekday", "hour")
        The parts of dates to use, "year" too, where they vary; none leaves dates out.
    unseen : {"pool", "error"}
        A level unseen in fit counts as a rare one, or where none was rare as the commonest; or it is refused.
    floor : float or None
        Levels of fewer rows than this, or below 1 of a smaller share of them, are pooled. None is 10 rows, in columns
        of more than 20 levels; 0 pools none.
    text_width : int, default 4096
        Features that the words of a text are hashed to.
    sparse_output : bool or None
        CSR, or a dense array; None is whichever is smaller, and dense for the dataframes of `set_output`.

    Attributes
    ----------
    columns_ : separatrix.data.tables.columns.Columns
        What was learned of each column, as a model file keeps it.
    n_features_in_, feature_names_in_

    Notes
    -----
    A dataframe is any that narwhals knows: pandas, polars, pyarrow and others. An array's columns are named x0, x1, ...
    Raises ColumnError for a column that is named but not there, or that cannot be what is asked, CellError for a cell
    that is not the number its column needs, and ArgumentError for parameters without meaning.

    >>> import pyarrow as pa
    >>> houses = pa.table({"price": ["$1,200", "$900", None], "city": ["Oslo", "Rome", "Oslo"]})
    >>> columns = Columns().fit(houses)
    >>> columns.transform(houses).astype(int)
    array([[1200,    0,    0],
           [ 900,    0,    1],
           [1050,    1,    0]])
    >>> columns.get_feature_names_out().tolist()
    ['price', 'price is missing', 'city = Rome']
    >>> columns.describe()[1]
    ('city', "category of 2 levels against 'Oslo'")
    """

    def __init__(
        self,
        *,
        drop: Sequence[str] = (),
        categorical: Sequence[str] = (),
        numeric: Sequence[str] = (),
        text: Sequence[str] = (),
        date: Sequence[str] = Rules.date,
        unseen: Unseen = "pool",
        floor: float | None = None,
        text_width: int = Rules.text_width,
        sparse_output: bool | None = None,
    ) -> None:
        self.drop = drop
        self.categorical = categorical
        self.numeric = numeric
        self.text = text
        self.date = date
        self.unseen = unseen
        self.floor = floor
        self.text_width = text_width
        self.sparse_output = sparse_output

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learns what becomes of each column of X, a dataframe or array (rows, columns); y is not used."""
        if self.sparse_output not in (None, True, False):
            raise ArgumentError(f"sparse_output={self.sparse_output!r} must be True, False or None.")
        with all_or_nothing(self):
            self.columns_ = Learned.learn(self._read(X, reset=True), where="X", **self.options)
        return self

    @property
    def options(self) -> dict[str, Any]:
        """What is told about columns, as `fit` of an estimator on a table takes it."""
        return {name: value for name, value in self.get_params().items() if name != "sparse_output"}

    def transform(self, X: Any) -> Any:
        """The numbers of any rows, (rows, features), dense or CSR; X has the columns that fit saw."""
        check_fitted(self)
        as_sparse = self._as_sparse()
        encoded = self.columns_.encode(self._read(X, reset=False), "X").X
        if as_sparse is None or as_sparse == hasattr(encoded, "toarray"):
            return encoded
        return csr_of(encoded) if as_sparse else _dense(encoded)

    def _as_sparse(self) -> bool | None:
        """Whether CSR is wanted, None for whichever is smaller: dataframes, which `set_output` asks for, are dense."""
        told = getattr(self, "_sklearn_output_config", {}).get("transform", get_config()["transform_output"])
        if told == "default":
            return self.sparse_output
        if self.sparse_output:
            raise ArgumentError(
                f"{told.capitalize()} output does not support sparse data. Set sparse_output=None, and it is dense."
            )
        return False

    def get_feature_names_out(self, input_features: Any = None) -> Any:
        """A name for each feature, (features,)."""
        check_fitted(self)
        return np.array(self.columns_.feature_names, dtype=object)

    def describe(self) -> list[tuple[str, str]]:
        """Each column, and what became of it, in words."""
        check_fitted(self)
        return self.columns_.describe()

    def _read(self, X: Any, reset: bool) -> Table:
        """X as a dataframe of narwhals, its names and their number learned or compared."""
        try:
            return self._table(X, reset)
        except (TypeError, ValueError) as error:
            raise explained(error, X, numbers=False) from None

    def _table(self, X: Any, reset: bool) -> Table:
        named_once(X)
        table = nw.from_native(X, eager_only=True, pass_through=True)
        if isinstance(table, nw.DataFrame) and all(isinstance(name, str) for name in table.columns):
            validate_data(self, X, reset=reset, skip_check_array=True)
            return table
        if isinstance(table, nw.DataFrame):  # of pandas, which may have numbers for names
            nameless: Any = np.broadcast_to(0.0, table.shape)
            validate_data(self, nameless, reset=reset, skip_check_array=True)
            return nw.from_native(table.to_native().set_axis(list(map(_name, range(table.shape[1]))), axis=1))
        any_kind: dict[str, Any] = {"dtype": None, "ensure_all_finite": "allow-nan"}
        cells = check_array(unmasked(X), **any_kind, estimator=self)
        validate_data(self, cells, reset=reset, skip_check_array=True)
        columns = {_name(place): _plain(column) for place, column in enumerate(cells.T)}
        return nw.from_native(pa.table(columns), eager_only=True)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = tags.input_tags.string = tags.input_tags.categorical = True
        return tags


def _dense(X: Any) -> Any:
    """CSR (rows, features) as an array; ArgumentError where that is too large."""
    rows, features = X.shape
    if rows * features > MOST_CELLS:
        raise ArgumentError(
            f"{rows:,} rows of {features:,} features are {8e-9 * rows * features:,.0f} GB as a dense array: leave "
            "sparse_output=None without set_output, or take a smaller text_width."
        )
    return X.toarray()


def _name(place: int) -> str:
    """That of a column which has none."""
    return f"x{place}"


def _plain(column: Any) -> Any:
    """A column of an array as one of Arrow: objects by what they are, or as text where they are of several types."""
    kind = column.dtype
    if kind.kind in "mM":
        return pa.array(column.astype(f"{kind.kind}8[us]"))
    if kind.kind != "O":
        return pa.array(np.ascontiguousarray(column, float if kind == np.longdouble else kind.newbyteorder("=")))
    values = [None if gap else value for gap, value in zip(gaps(column), column.tolist(), strict=True)]
    try:
        return pa.array(values)
    except (pa.ArrowException, OverflowError):
        return pa.array([None if value is None else str(value) for value in values])
