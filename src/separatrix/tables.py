"""Estimators on tables: the columns are learned and stored with the fit, and the rows are read in bounded memory."""

import warnings
from collections.abc import Iterable, Iterator, Sequence
from math import isfinite
from os import PathLike
from typing import Any

import narwhals as nw
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from separatrix.arguments import listed, shown
from separatrix.arrays import FloatArray
from separatrix.checked import check_given, keep_names, weight_of_classes
from separatrix.data.column_traits import refuse_tiny
from separatrix.data.frames import named_once, text_named
from separatrix.data.labels import brought_text, check_whole
from separatrix.data.opened import dataset_of
from separatrix.data.reading.dataset import Dataset, is_dask, is_frame
from separatrix.data.streams.learn import Learned, Question
from separatrix.data.streams.stream import ROOM
from separatrix.data.tables.cells import Numbered, Table
from separatrix.data.tables.columns import Columns
from separatrix.data.tables.encoders import Note, merged
from separatrix.data.tables.side_columns import given
from separatrix.data.workers.blocks import Labelled, array_of_dask, labelled
from separatrix.data.workers.partitions import TableSource, learned_source
from separatrix.equations.hyperplane import linear_predictor
from separatrix.errors import ArgumentError, ColumnError, DataError, SeparatrixWarning, counted, outside
from separatrix.explained import about_complex


def class_rows(
    estimator: Any, data: Any, y: Any, target: str, sample_weight: Any, offset: Any, columns: Any
) -> tuple[NDArray, TableSource, FloatArray, float]:
    """The classes of a table's target, its rows with their codes for y, (rows,), and what those of each class weigh,
    (K,), and all, `class_weight` included; see `learned_rows`.

    Raises TargetError for labels with fractions, as of arrays: scikit-learn's scores take such predictions for numbers.
    """
    learned, source = learned_rows(estimator, data, y, target, sample_weight, offset, columns)
    classes = np.array(learned.encoding.target.classes)
    check_whole(classes, slice(None), f"target {target!r}")
    return _weighed(estimator, classes, source, learned.weight)


def _weighed(
    estimator: Any, classes: NDArray, source: TableSource, weight: FloatArray
) -> tuple[NDArray, TableSource, FloatArray, float]:
    """Classes of such weights (K,), the rows with the estimator's `class_weight`, and what they and all weigh then."""
    if estimator.class_weight is not None:
        by_class = weight_of_classes(estimator.class_weight, classes, weight)
        source, weight = source.reweighed(by_class), weight * by_class
    return classes, source, weight, float(weight.sum())


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
    columns: Any,
    regression: bool = False,
) -> tuple[Learned, TableSource]:
    """What a first reading finds in a table with a column `target`, and its rows as the engine reads them.

    `columns`, a `separatrix.Columns`, tells what is to become of some columns. The estimator keeps what became of all.

    Warns of rows without a target, which are left out. Raises ArgumentError where weight and offset are not names of
    columns, DataError where the data cannot be learned from.
    """
    if y is not None:
        raise ArgumentError(f"y={listed(y)} and target={target!r} are given: the target is the one or the other.")
    if isinstance(data, np.ndarray):
        raise ArgumentError(f"target={target!r} is the name of a column, and those of an array have none: give y.")
    if not isinstance(target, str):
        raise ArgumentError(f"target={target!r} must be the name of one column, as text.")
    if columns is not None and not hasattr(columns, "options"):
        raise ArgumentError(f"columns={columns!r} must be a separatrix.Columns, such as Columns(drop=['id']).")
    weight, terms = _names("sample_weight", sample_weight), _names("offset", offset)
    if len(weight) > 1:
        raise ArgumentError(f"sample_weight={sample_weight!r} must be the name of one column.")
    options = {} if columns is None else columns.options
    table, name = dataset_of(data).told(options, None if regression else target), weight[0] if weight else None
    question = Question(target, name, terms, regression=regression, options=options)
    found, source = learned_source(table, question, getattr(estimator, "n_threads", None), estimator.fit_intercept)
    K = len(found.encoding.target.classes)
    _check_terms(terms, K if K > 2 else 1)
    if found.unlabelled:
        warnings.warn(
            f"{counted(found.unlabelled, 'row')} of {table.name} without a value of {target!r} "
            f"{'was' if found.unlabelled == 1 else 'were'} left out.",
            SeparatrixWarning,
            stacklevel=outside(),
        )
    for turn in found.turns.values():
        warnings.warn(f"column {turn}; store it alike, or name what it is.", SeparatrixWarning, stacklevel=outside())
    keep_columns(estimator, found.encoding.columns)
    estimator.target_ = found.encoding.target
    return found, source


def class_blocks(
    estimator: Any, X: Any, y: Any, sample_weight: Any, offset: Any, columns: Any
) -> tuple[NDArray, TableSource, FloatArray, float] | None:
    """As `class_rows`, of Dask arrays, or a Dask dataframe of numbers, and labels y; None for other data, and for so
    few that they are better brought here."""
    found = _blocks(estimator, X, y, sample_weight, offset, columns, regression=False, held=isfinite(estimator.C))
    return (
        None
        if found is None or found.classes is None
        else _weighed(estimator, found.classes, found.source, found.weight)
    )


def number_blocks(
    estimator: Any, X: Any, y: Any, sample_weight: Any, offset: Any, columns: Any
) -> tuple[TableSource, int | None] | None:
    """The same with numbers y, and the number of targets, None for y (rows,)."""
    found = _blocks(estimator, X, y, sample_weight, offset, columns, regression=True, held=bool(estimator.alpha))
    return None if found is None else (found.source, found.columns_of_eta if np.ndim(y) == 2 else None)


def _blocks(
    estimator: Any, X: Any, y: Any, sample_weight: Any, offset: Any, columns: Any, regression: bool, held: bool
) -> Labelled | None:
    """The blocks of Dask arrays; `held` says that a penalty holds every weight. ArgumentError where a fit to X and y is
    told what is to become of `columns`."""
    if columns is not None:
        raise ArgumentError(
            f"columns={shown(columns)} is for a table whose target is named: fit(table, target='...', columns=...). To "
            "X and y, give the columns that are meant, or a pipeline that begins with separatrix.Columns."
        )
    forget_columns(estimator, X)
    if not is_dask(X):
        return None
    X, names = dask_matrix(X)
    if y is None:
        raise ArgumentError("X is of Dask and y is None: give y, or target= for a dataframe.")
    if X.size <= ROOM:  # not so where it is not known
        return None
    centre = estimator.fit_intercept
    found = labelled(X, y, sample_weight, offset, regression=regression, centre=centre, names=names)
    if not held:
        refuse_tiny(found.reach, range(len(found.reach)) if names is None else names)
    if found.offsets not in (0, due := found.columns_of_eta):
        raise ArgumentError(f"offset has {found.offsets} columns, and {due} are due: one for each column of eta.")
    keep_names(estimator, names, found.source.n_columns)
    return found


def dask_matrix(X: Any) -> tuple[Any, tuple[str, ...] | None]:
    """A Dask array, or dataframe of numbers, as an array (rows, p), and the names of its columns where it has some.

    Raises ArgumentError for other collections of Dask, ColumnError and DataError for types that are no numbers.
    """
    if is_frame(X):
        for name, kind in X.dtypes.items():
            if getattr(kind, "kind", "O") not in "iufbc":
                raise ColumnError(
                    f"column {name!r} is of type {kind}, and X must be numbers: leave it out, or give the data with "
                    "their target, fit(data, target=...)."
                )
    array, names = array_of_dask(X)
    if names is None:
        check_given(X._meta)
    if error := about_complex(X):
        raise error
    return array, names


def brought(*arrays: Any) -> Iterator[Any]:
    """Arrays of Dask in memory, as they have room there; others as they are."""
    for array in arrays:
        try:
            yield array.compute() if is_dask(array) else array
        except Exception as error:  # whatever its blocks are made by
            reason = (str(error).strip().splitlines() or [""])[0]
            raise DataError(f"a Dask array cannot be read: {type(error).__name__}: {reason}") from error


def keep_columns(estimator: Any, columns: Columns) -> None:
    """What an estimator knows of a table: `columns_`, and scikit-learn's names and number of the features."""
    estimator.columns_ = columns
    keep_names(estimator, columns.feature_names, len(columns.feature_names))


def forget_columns(estimator: Any, data: Any) -> None:
    """An estimator that is fitted to arrays knows no columns of an earlier table. ArgumentError for a dataset."""
    named_once(data)
    if isinstance(data, Dataset):
        raise ArgumentError(f"X={data.name!r} is a dataset: name the column to learn, fit(data, target=...).")
    for name in ("columns_", "target_"):
        if hasattr(estimator, name):
            delattr(estimator, name)


def columns_for(estimator: Any, data: Any) -> Columns | None:
    """The columns that an estimator has learned, if data are a table: a dataset or a path of one, a dataframe, or a
    stream of Arrow."""
    if isinstance(data, np.ndarray) or sparse.issparse(data):  # to ask what it is not takes longer than a few rows do
        return None
    at_rest = isinstance(data, Dataset | str | PathLike)
    if at_rest and not hasattr(estimator, "columns_"):
        name = data.name if isinstance(data, Dataset) else str(data)
        raise ArgumentError(f"X={name!r} is a dataset, and the fit was of arrays, whose columns have no names.")
    named = at_rest or hasattr(data, "__arrow_c_stream__") or _is_dataframe(data)
    named = named or is_frame(data)
    return getattr(estimator, "columns_", None) if named else None


def table_eta(columns: Columns, data: Any, coef: FloatArray, intercept: FloatArray, offset: Any) -> FloatArray:
    """eta = x'w + b of each row of a table, (rows, K), for coef (K, p) and intercept (K,), plus an offset in columns
    of these names. Warns of cells that the fit had not seen."""
    names = () if isinstance(offset, int | float) and offset == 0 else _names("offset", offset)
    _check_terms(names, len(coef))
    etas: list[FloatArray] = []
    notes: list[Note] = []
    for table, where, first_row in _batches(data, [*columns.needs, *names], columns.as_text):
        encoded = columns.encode(table, where, first_row)
        eta = linear_predictor(encoded.X, coef.T, intercept)
        terms = given(table, None, names, where, first_row)[1]
        etas.append(eta if terms is None else eta + terms)
        notes = merged([*notes, *encoded.notes])
    warn_of_notes(notes)
    return np.concatenate(etas)


def table_labels(estimator: Any, data: Any, y: Any, sample_weight: Any) -> tuple[Any, Any]:
    """The y and weights by which a prediction is judged: as they are, or without y, of a table, the target of the fit
    and the column of a name.

    Raises ArgumentError where the fit was of no table, CellError for a row without a target.
    """
    if y is not None:
        return brought_text(y), sample_weight
    target = getattr(estimator, "target_", None)
    if target is None or columns_for(estimator, data) is None:
        raise ArgumentError("y=None: give the y of these rows, or a table with the target of a fit of a table.")
    weight = _names("sample_weight", sample_weight) if isinstance(sample_weight, str) else ()
    found, weights = [], []
    for table, where, first_row in _batches(data, [target.name, *weight], [target.name] if target.as_text else []):
        codes = target.encode(table, where, first_row)
        found.append(np.array(target.classes)[codes] if target.classes else codes)
        weights.append(given(table, weight[0] if weight else None, (), where, first_row)[0])
    return np.concatenate(found), np.concatenate(weights) if weight else sample_weight


def warn_of_notes(notes: Iterable[Note]) -> None:
    """A warning for each column with cells that the fit had not seen."""
    for note in merged(notes):
        warnings.warn(str(note), SeparatrixWarning, stacklevel=outside())


def _batches(data: Any, columns: Sequence[str], as_text: Sequence[str]) -> Iterator[tuple[Table, str, Numbered]]:
    """Batches of a table, those columns of it `as_text` that a file of text may give so; what messages call it, and the
    number of their first row."""
    if _is_dataframe(data):  # one that may have no rows, and of which nothing need be copied
        yield nw.from_native(text_named(nw.to_native(data, pass_through=True)), eager_only=True), "the data", 1
        return
    table = dataset_of(data).as_text(as_text)
    for batch, first_row in table.numbered(columns=list(dict.fromkeys(columns))):
        yield batch, table.where, first_row


def _is_dataframe(data: Any) -> bool:
    named_once(data)
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
