"""Estimators on tables: the columns are learned and stored with the fit, and the rows are read in bounded memory."""

import warnings
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import narwhals as nw
import numpy as np
from numpy.typing import NDArray
from sklearn.utils import compute_class_weight

from separatrix.arguments import listed
from separatrix.arrays import FloatArray
from separatrix.data import dataset
from separatrix.data.cells import Table
from separatrix.data.columns import Columns
from separatrix.data.dataset import Dataset
from separatrix.data.encoders import Note, merged
from separatrix.data.learn import Learned, given, learn
from separatrix.data.memory import MemorySource
from separatrix.data.stream import StreamSource, source_of
from separatrix.data.threads import thread_count
from separatrix.equations.hyperplane import linear_predictor
from separatrix.errors import ArgumentError, SeparatrixWarning

TableSource = StreamSource | MemorySource


def class_rows(
    estimator: Any, data: Any, y: Any, target: str, sample_weight: Any, offset: Any, columns: Any
) -> tuple[NDArray, TableSource, float]:
    """The classes of a table's target, its rows with their codes for y, (rows,), and their total weight, `class_weight`
    included; see `learned_rows`."""
    learned, source = learned_rows(estimator, data, y, target, sample_weight, offset, columns)
    classes, weight = np.array(learned.encoding.target.classes), learned.weight
    if estimator.class_weight is not None:
        # As if each class had one row, of the weight of all of its rows.
        by_class = compute_class_weight(estimator.class_weight, classes=classes, y=classes, sample_weight=weight)
        source, weight = source.reweighed(by_class), weight * by_class
    return classes, source, float(weight.sum())


def number_rows(
    estimator: Any, data: Any, y: Any, target: str, sample_weight: Any, offset: Any, columns: Any
) -> TableSource:
    """The rows of a table with the numbers of its target for y, (rows, 1); see `learned_rows`."""
    _, source = learned_rows(estimator, data, y, target, sample_weight, offset, columns, regression=True)
    return source.recoded(lambda numbers: numbers[:, None])


def learned_rows(
    estimator: Any,
    data: Any,
    y: Any,
    target: str,
    sample_weight: Any,
    offset: Any,
    columns: Any = None,
    regression: bool = False,
) -> tuple[Learned, TableSource]:
    """What a first reading finds in a table with a column `target`, and its rows as the engine reads them.

    `columns`, a `separatrix.Columns`, tells what is to become of some columns. The estimator keeps what became of all.

    Warns of rows without a target, which are left out. Raises ArgumentError where weight and offset are not names of
    columns, DataError where the data cannot be learned from.
    """
    if y is not None:
        raise ArgumentError(f"y={listed(y)} and target={target!r} are given: the target is the one or the other.")
    weight, terms = _names("sample_weight", sample_weight), _names("offset", offset)
    if len(weight) > 1:
        raise ArgumentError(f"sample_weight={sample_weight!r} must be the name of one column.")
    table, threads = dataset_of(data), thread_count(getattr(estimator, "n_threads", None))
    named = {"weight": weight[0] if weight else None, "offset": terms}
    options = {} if columns is None else columns.options
    found = learn(table, target, regression=regression, n_threads=threads, **named, **options)
    K = len(found.encoding.target.classes)
    _check_terms(terms, K if K > 2 else 1)
    if found.unlabelled:
        warnings.warn(
            f"{found.unlabelled:,} rows of {table.name} without a value of {target!r} were left out.",
            SeparatrixWarning,
            stacklevel=4,
        )
    keep_columns(estimator, found.encoding.columns)
    return found, source_of(table, found, threads, estimator.fit_intercept)


def keep_columns(estimator: Any, columns: Columns) -> None:
    """What an estimator knows of a table: `columns_`, and scikit-learn's names and number of the features."""
    estimator.columns_ = columns
    estimator.feature_names_in_ = np.array(columns.feature_names, dtype=object)
    estimator.n_features_in_ = len(columns.feature_names)


def forget_columns(estimator: Any, data: Any) -> None:
    """An estimator that is fitted to arrays knows no columns of an earlier table. ArgumentError for a dataset."""
    if isinstance(data, Dataset):
        raise ArgumentError(f"X={data.name!r} is a dataset: name the column to learn, fit(data, target=...).")
    if hasattr(estimator, "columns_"):
        del estimator.columns_


def dataset_of(data: Any) -> Dataset:
    """The dataset itself, or the one that `separatrix.open` makes of it."""
    return data if isinstance(data, Dataset) else dataset.open(data)


def columns_for(estimator: Any, data: Any) -> Columns | None:
    """The columns that an estimator has learned, if data are a table: a dataset, a dataframe, or a stream of Arrow."""
    if isinstance(data, Dataset) and not hasattr(estimator, "columns_"):
        raise ArgumentError(f"X={data.name!r} is a dataset, and the fit was of arrays, whose columns have no names.")
    named = isinstance(data, Dataset) or hasattr(data, "__arrow_c_stream__") or _is_dataframe(data)
    return getattr(estimator, "columns_", None) if named else None


def table_eta(columns: Columns, data: Any, coef: FloatArray, intercept: FloatArray, offset: Any = None) -> FloatArray:
    """eta = x'w + b of each row of a table, (rows, K), for coef (K, p) and intercept (K,), plus an offset in columns
    of these names. Warns of cells that the fit had not seen."""
    names = _names("offset", offset)
    _check_terms(names, len(coef))
    etas, notes = [], []
    for table, where, first_row in _batches(data, [*columns.needs, *names]):
        encoded = columns.encode(table, where, first_row)
        eta = linear_predictor(encoded.X, coef.T, intercept)
        terms = given(table, None, names, where, first_row)[1]
        etas.append(eta if terms is None else eta + terms)
        notes += encoded.notes
    warn_of_notes(notes)
    return np.concatenate(etas)


def warn_of_notes(notes: Iterable[Note]) -> None:
    """A warning for each column with cells that the fit had not seen."""
    for note in merged(notes):
        warnings.warn(str(note), SeparatrixWarning, stacklevel=4)


def _batches(data: Any, columns: Sequence[str]) -> Iterator[tuple[Table, str, int]]:
    """Batches of a table, what messages call it, and the number of their first row."""
    if _is_dataframe(data):  # one that may have no rows, and of which nothing need be copied
        yield nw.from_native(data, eager_only=True), "the data", 1
        return
    table, first_row = dataset_of(data), 1
    for batch in table.batches(columns=list(dict.fromkeys(columns))):
        yield batch, table.name, first_row
        first_row += len(batch)


def _is_dataframe(data: Any) -> bool:
    return isinstance(nw.from_native(data, eager_only=True, pass_through=True), nw.DataFrame)


def _names(argument: str, given: Any) -> tuple[str, ...]:
    """The names of columns that an argument holds."""
    if given is None:
        return ()
    names = (given,) if isinstance(given, str) else tuple(given) if isinstance(given, list | tuple) else ()
    if not names or not all(isinstance(name, str) for name in names):
        raise ArgumentError(f"{argument}={listed(given)} must be the name of a column, where the data are a table.")
    return names


def _check_terms(names: Sequence[str], due: int) -> None:
    if names and len(names) != due:
        raise ArgumentError(f"offset={list(names)!r} names {len(names)} columns, and {due} are due.")
