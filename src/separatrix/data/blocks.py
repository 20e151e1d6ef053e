"""Dask arrays as shares of a cluster's workers: each block of rows is one, and its labels become codes there."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from separatrix.arrays import FLOATS, FloatArray
from separatrix.data.client import current_client, reachable, threads_of
from separatrix.data.cluster import ClusterSource, Deal, Share, placed, result_of
from separatrix.data.memory import MemorySource, far_columns
from separatrix.data.reservoir import Strata
from separatrix.data.stream import ROOM, cells_of_row, stacked
from separatrix.errors import ArgumentError, DataError, TargetError


@dataclass(frozen=True)
class Labelled:
    """Blocks of Dask arrays as a source, with codes of `classes` for y, (rows,), or without classes the numbers (rows,
    targets) themselves; and the weight of each class, (K,), or of all rows, (1,)."""

    source: ClusterSource
    classes: NDArray | None
    weight: FloatArray

    @property
    def columns_of_eta(self) -> int:
        """How many linear predictors there are: for two classes one, for more as many, else one for each target."""
        if self.classes is None:
            return self.source.at_hand.y.shape[1]
        return len(self.classes) if len(self.classes) > 2 else 1

    @property
    def offsets(self) -> int:
        """How many columns the offset has, 0 where there is none."""
        offset = self.source.at_hand.offset
        return 0 if offset is None else offset.shape[1]


@dataclass(frozen=True)
class Look:
    """What a block says: its rows, its labels with their weights, and some of its rows, which stand for all of them."""

    rows: int
    labels: NDArray
    weights: FloatArray
    some: MemorySource


def labelled(
    X: Any, y: Any, sample_weight: Any = None, offset: Any = None, *, regression: bool = False, centre: bool = True
) -> Labelled:
    """Dask arrays X (rows, p), y (rows,), weights (rows,) and offset (rows,) or (rows, K) on the workers with them.

    Raises
    ------
    ArgumentError
        Their shapes or blocks do not go together, or there is no client.
    DataError, TargetError
        A block holds what cannot be learned from: it is named by its number.
    """
    client = current_client()
    columns = blocks_of(X, [("y", y), ("sample_weight", sample_weight), ("offset", offset)], client)
    number = range(len(columns))
    deals = tuple(Deal(share_of_block, (0, i, *columns[i]), f"block {i} of X, y or their weights") for i in number)
    with reachable(client):
        threads, few = threads_of(client), max(1, ROOM // len(columns))
        looks = [
            client.submit(look, few, regression, i, *columns[i], **placed(threads[i % len(threads)])) for i in number
        ]
    seen: list[Look] = [result_of(client, future, deals) for future in looks]
    classes, weight = None, np.array([sum(each.weights.sum() for each in seen)])
    if not regression:
        classes, codes = np.unique(np.concatenate([each.labels for each in seen]), return_inverse=True)
        each = np.concatenate([each.weights for each in seen])
        weight = np.bincount(codes, each, minlength=len(classes)).astype(np.float64)
        check_classes(classes, weight)
    some = even(seen)
    shift = far_columns(some.X) if centre and not sparse.issparse(some.X) else np.zeros(some.n_columns)
    at_hand = replace(some, y=coded(some.y, classes), centre=shift)
    before = np.cumsum([0, *(each.rows for each in seen)]).tolist()
    deals = tuple(replace(deal, arguments=(before[i], *deal.arguments[1:])) for i, deal in enumerate(deals))
    strata = Strata(np.zeros(some.n_rows, dtype=np.intp), np.array([some.n_rows / before[-1]]))
    source = ClusterSource(client, (classes, shift), deals, before[-1], at_hand, strata, cells_of_row(some.X))
    return Labelled(source, classes, weight)


def blocks_of(X: Any, others: Sequence[tuple[str, Any]], client: Any) -> list[list[Any]]:
    """For each block of rows the futures of X and of the others, None where there are none."""
    import dask.array as da

    if X.ndim != 2:
        raise ArgumentError(f"X has {X.ndim} dimensions, and must have two: rows and columns.")
    X = X.rechunk({1: -1})
    rows, known = X.chunks[0], not np.isnan(X.chunks[0]).any()
    columns = [X.to_delayed().ravel()]
    for name, array in others:
        if array is None:
            columns.append([None] * len(rows))
            continue
        if not hasattr(array, "__dask_graph__") and known:
            array = da.from_array(np.asarray(array), chunks="auto")
        array = getattr(array, "to_dask_array", lambda array=array: array)()
        if known and not np.isnan(array.shape[0]) and array.shape[0] != X.shape[0]:
            raise ArgumentError(f"{name} has {array.shape[0]:,} rows, and X has {X.shape[0]:,}: give as many of each.")
        if known and not np.isnan(array.shape[0]):
            array = array.rechunk({0: rows, **dict.fromkeys(range(1, array.ndim), -1)})
        if array.numblocks[0] != len(rows):
            raise ArgumentError(f"{name} has {array.numblocks[0]} blocks of rows, and X has {len(rows)}: rechunk one.")
        columns.append(array.to_delayed().ravel())
    with reachable(client):
        futures = client.compute([block for column in columns for block in column if block is not None])
    left = iter(futures)
    taken = [[None if block is None else next(left) for block in column] for column in columns]
    return [list(column) for column in zip(*taken, strict=True)]


def look(few: int, regression: bool, number: int, *block: Any) -> Look:
    """What a block says; of its cells, so many at most come along."""
    source = checked(number, *block)
    labels, weights = np.empty(0), np.array([source.weight.sum()])
    if not regression:
        labels, codes = np.unique(source.y[source.weight > 0], return_inverse=True)
        weights = np.bincount(codes, source.weight[source.weight > 0], minlength=len(labels)).astype(np.float64)
    most = max(1, int(few / max(cells_of_row(source.X), 1.0)))
    rows = np.unique(np.linspace(0, source.n_rows - 1, min(most, source.n_rows)).astype(np.intp))
    return Look(source.n_rows, labels, weights, source.take(rows))


def even(looks: Sequence[Look]) -> MemorySource:
    """Some rows of all blocks, as many in a thousand of each."""
    share = min(each.some.n_rows / each.rows for each in looks if each.rows)
    some = []
    for each in looks:
        many = int(np.ceil(share * each.rows))
        rows = np.linspace(0, each.some.n_rows - 1, many).astype(np.intp) if many else np.arange(0)
        some.append(each.some.take(rows))
    return stacked(some)


def checked(number: int, X: Any, y: Any, weight: Any, offset: Any) -> MemorySource:
    """A block as a source whose y are as given, without rows of weight 0; DataError where it has no meaning."""
    X = sparse.csr_array(X) if sparse.issparse(X) else np.asarray(X)
    X = X if X.dtype in FLOATS else X.astype(np.float64)
    y = np.asarray(y)
    y = y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y
    weight = np.ones(len(y)) if weight is None else np.asarray(weight, dtype=np.float64)
    offset = None if offset is None else np.asarray(offset, dtype=np.float64).reshape(len(offset), -1)
    for name, array in (("y", y), ("sample_weight", weight), ("offset", offset)):
        if array is not None and len(array) != X.shape[0]:
            raise DataError(f"block {number} of {name} has {len(array)} rows, and of X {X.shape[0]}: rechunk one.")
    cells = X.data if sparse.issparse(X) else X
    for name, array in (("X", cells), ("y", y), ("sample_weight", weight), ("offset", offset)):
        if array is not None and array.dtype.kind in "fc" and not np.isfinite(array).all():
            raise DataError(f"block {number} of {name} holds NaN or infinity: leave the row out, or fill the gap.")
    if (weight < 0).any():
        raise DataError(f"block {number} of sample_weight holds {weight.min():g}: weights must be at least 0.")
    source = MemorySource(X, y, weight, np.zeros(X.shape[1]), offset=offset)
    return source if weight.all() else source.take(np.flatnonzero(weight))


def share_of_block(common: tuple[NDArray | None, FloatArray], before: int, number: int, *block: Any) -> Share:
    """A block as a share."""
    classes, shift = common
    source = checked(number, *block)
    return Share(replace(source, y=coded(source.y, classes), centre=shift), before)


def coded(y: NDArray, classes: NDArray | None) -> NDArray:
    """The codes of labels (rows,); without classes the numbers (rows, targets)."""
    return y.astype(np.float64).reshape(len(y), -1) if classes is None else np.searchsorted(classes, y)


def check_classes(classes: NDArray, weight: FloatArray) -> None:
    """TargetError unless there are two classes, and not as many as there may be numbers."""
    if np.count_nonzero(weight) < 2:
        raise TargetError(f"y has one class, {classes.tolist()[:1]}, in the rows that count: there is nothing to tell.")
    if classes.dtype.kind == "f" and (classes != np.floor(classes)).any():
        raise TargetError(f"y holds numbers such as {classes[0]:g}, no classes: use LinearRegression.")
