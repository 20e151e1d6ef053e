"""Dask arrays as shares of a cluster's workers: each block of rows is one, and its labels become codes there."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from separatrix.arguments import (
    FARTHEST,
    LARGEST,
    array_of,
    check_offset,
    check_squares,
    check_total,
    finite_numbers,
    gaps,
    shown,
    unmasked,
    weights_of,
)
from separatrix.arrays import FLOATS, FloatArray
from separatrix.compressed import csr_of_sums
from separatrix.data.classes import columns_of_eta
from separatrix.data.column_traits import far_columns, reach_of
from separatrix.data.inputs import check_moderate
from separatrix.data.labels import check_two_classes, label_codes, weight_by_class
from separatrix.data.memory import MemorySource
from separatrix.data.reading.dataset import is_dask, is_frame
from separatrix.data.streams.reservoir import Strata
from separatrix.data.streams.stream import ROOM, cells_of_row, stacked
from separatrix.data.workers.client import current_client, hush_all, reachable
from separatrix.data.workers.cluster import ClusterSource, Deal, Share, result_of, submitted
from separatrix.errors import ArgumentError, DataError, SeparatrixError


@dataclass(frozen=True)
class Labelled:
    """Blocks of Dask arrays as a source, with codes of `classes` for y, (rows,), or without classes the numbers (rows,
    targets) themselves; the weight of each class, (K,), or of all rows, (1,); and how far each column reaches, (p,)."""

    source: ClusterSource
    classes: NDArray | None
    weight: FloatArray
    reach: FloatArray

    @property
    def columns_of_eta(self) -> int:
        """How many linear predictors there are: for two classes one, for more as many, else one for each target."""
        if self.classes is None:
            return self.source.at_hand.y.shape[1]
        return columns_of_eta(len(self.classes))

    @property
    def offsets(self) -> int:
        """How many columns the offset has, 0 where there is none."""
        offset = self.source.at_hand.offset
        return 0 if offset is None else offset.shape[1]


@dataclass(frozen=True)
class Look:
    """What a block says: its rows that count, its labels with their weights, its largest weight, how far each column
    reaches (p,), and some of its rows, which stand for all of them. Without rows it has neither labels nor weights."""

    rows: int
    labels: NDArray
    weights: FloatArray
    heaviest: float
    reach: FloatArray
    some: MemorySource


@dataclass(frozen=True)
class Blocks:
    """What all blocks have in common: whether y are numbers, and the names of columns where they are partitions of a
    dataframe."""

    regression: bool
    names: tuple[str, ...] | None = None

    def name(self, number: int) -> str:
        """What messages call a block."""
        return f"{'block' if self.names is None else 'partition'} {number}"

    def source(self, number: int, X: Any, y: Any, weight: Any, offset: Any) -> MemorySource:
        """A block as a source whose y are as given; the errors of memory where it has no meaning, with its name."""
        try:
            X = X if sparse.issparse(X) else np.asarray(unmasked(X))
            X = csr_of_sums(X) if sparse.issparse(X) else numbers_in(X)
            X = X if X.dtype in FLOATS else X.astype(np.float64)
            check_moderate(X, self.names)
            y, rows = np.asarray(unmasked(y)), X.shape[0]
            y = y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y
            for name, array in (("y", y), ("sample_weight", weight), ("offset", offset)):
                if np.ndim(array) and len(array) != rows:
                    raise ArgumentError(f"{name} has {len(array)} rows, and X {rows}: rechunk one.")
            if self.regression:
                y = finite_numbers("y", y, y.shape)
                check_squares(y)
            weight = np.ones(rows) if weight is None else weights_of(weight, rows)
            wide = np.shape(offset)[1] if np.ndim(offset) == 2 else 1
            offset = check_offset(offset, rows, wide, LARGEST if self.regression else FARTHEST)
        except SeparatrixError as error:
            raise type(error)(f"{self.name(number)}: {error}") from None
        return MemorySource(X, y, weight, np.zeros(X.shape[1]), offset=offset)


def numbers_in(X: NDArray) -> NDArray:
    """Numbers of any type; those in objects, as pandas has whole numbers with gaps, in double precision.

    Raises DataError for what is none.
    """
    if X.dtype.kind == "O":
        with suppress(TypeError, ValueError):
            return np.where(gaps(X), np.nan, X).astype(np.float64)
    if X.dtype.kind not in "iufb":
        raise DataError(f"X is of type {X.dtype}, and must be numbers. For text and categories use a formula.")
    return X


def labelled(
    X: Any,
    y: Any,
    sample_weight: Any = None,
    offset: Any = None,
    *,
    regression: bool = False,
    centre: bool = True,
    names: tuple[str, ...] | None = None,
) -> Labelled:
    """Dask arrays X (rows, p), y (rows,), weights (rows,) and offset (rows,) or (rows, K) on the workers with them;
    names are those of the columns of a dataframe.

    Raises
    ------
    ArgumentError
        Their shapes or blocks do not go together, or there is no client.
    DataError, TargetError
        A block holds what cannot be learned from: it is named by its number.
    """
    client = current_client()
    blocks = Blocks(regression, names)
    others = [("y", y, regression), ("sample_weight", sample_weight, False), ("offset", offset, True)]
    columns = blocks_of(X, others, client)
    deals = tuple(
        Deal(share_of_block, (0, i, *column), f"{blocks.name(i)} of X, y or their weights")
        for i, column in enumerate(columns)
    )
    looks = submitted(client, look, (max(1, ROOM // len(columns)), blocks), [deal.arguments[1:] for deal in deals])
    seen: list[Look] = [result_of(client, future, deals) for future in looks]
    if not any(each.weights.size for each in seen):
        raise DataError("X has no rows in any of its blocks: give some.")
    if sample_weight is not None:
        check_total("sample_weight", np.array([each.heaviest for each in seen]))
    classes, weight = None, np.array([sum(each.weights.sum() for each in seen)])
    if not regression:
        classes, weight = classes_in(seen)
    some = even(seen)
    shift = far_columns(some.X) if centre and not sparse.issparse(some.X) else np.zeros(some.n_columns)
    at_hand = replace(some, y=coded(some.y, classes), centre=shift)
    before = np.cumsum([0, *(each.rows for each in seen)]).tolist()
    deals = tuple(replace(deal, arguments=(before[i], *deal.arguments[1:])) for i, deal in enumerate(deals))
    strata = Strata(np.zeros(some.n_rows, dtype=np.intp), np.array([some.n_rows / before[-1]]))
    source = ClusterSource(client, (blocks, classes, shift), deals, before[-1], at_hand, strata, cells_of_row(some.X))
    return Labelled(source, classes, weight, np.max([each.reach for each in seen], axis=0))


def array_of_dask(X: Any) -> tuple[Any, tuple[str, ...] | None]:
    """A Dask array as it is, a dataframe as an array with the names of its columns; ArgumentError for other data."""
    if is_frame(X):
        return X.to_dask_array(), tuple(map(str, X.columns))
    if not hasattr(type(X), "rechunk"):
        raise ArgumentError(f"X is a Dask {type(X).__name__}, and must have columns: give an array, or a dataframe.")
    return X, None


def classes_in(seen: Sequence[Look]) -> tuple[NDArray, FloatArray]:
    """The classes of all blocks, and the weight of each, (K,)."""
    labels = [each.labels for each in seen if len(each.labels)]
    if len({each.dtype.kind in "US" for each in labels}) > 1:  # numbers would become text
        labels = [each.astype(object) for each in labels]
    classes, codes = label_codes(np.concatenate(labels))
    total = weight_by_class(codes, len(classes), np.concatenate([each.weights for each in seen]))
    check_two_classes(classes, total)
    return classes, total


def blocks_of(X: Any, others: Sequence[tuple[str, Any, bool]], client: Any) -> list[list[Any]]:
    """For each block of rows the futures of X and of the others, or a value for all rows, None where there are none."""
    if X.ndim != 2:
        raise ArgumentError(f"X has {X.ndim} dimensions, and must have two: rows and columns.")
    X = X.rechunk({1: -1})
    columns = [X.to_delayed().ravel(), *(column_of(X, *other) for other in others)]
    with reachable(client):
        hush_all(client)
        futures = client.compute([block for column in columns for block in column if is_dask(block)])
    left = iter(futures)
    taken = [[next(left) if is_dask(block) else block for block in column] for column in columns]
    return [list(column) for column in zip(*taken, strict=True)]


def column_of(X: Any, name: str, values: Any, wide: bool) -> Sequence[Any]:
    """Values in the blocks of rows that X has: of Dask or in memory, or one for all rows; `wide` ones may have several
    columns.

    Raises ArgumentError where they cannot be paired with the rows of X.
    """
    import dask.array as da

    rows = X.chunks[0]
    if values is None:
        return [None] * len(rows)
    if is_dask(values) and not hasattr(type(values), "to_dask_array") and not hasattr(type(values), "rechunk"):
        kind = type(values).__name__
        raise ArgumentError(f"{name} is a Dask {kind}: give an array or a column of a dataframe, of Dask or in memory.")
    array: Any = getattr(values, "to_dask_array", lambda: values)() if is_dask(values) else array_of(name, values)
    if array.ndim == 0:
        if name == "y":
            raise ArgumentError(f"y={shown(values)} must hold a value for each row.")
        return [float(finite_numbers(name, np.full(1, array), (1,))[0])] * len(rows)
    known = not np.isnan(X.shape[0])
    if array.ndim > 1 + wide and not (name == "y" and array.shape[1:] == (1,)):
        raise ArgumentError(f"{name} has shape {array.shape}, and must have {(X.shape[0],)}: a value for each row.")
    if not is_dask(array):
        if not known:
            raise ArgumentError(
                f"{name} is in memory, and how many rows the blocks of X have is not known: call "
                f"X.compute_chunk_sizes(), or give {name} from Dask too."
            )
        whole: Any = -1
        array = da.from_array(array, chunks=whole)
    sized = known and not np.isnan(array.shape[0])
    if sized and array.shape[0] != X.shape[0]:
        raise ArgumentError(f"{name} has {array.shape[0]:,} rows, and X has {X.shape[0]:,}: give as many of each.")
    if sized:
        array = array.rechunk({0: rows, **dict.fromkeys(range(1, array.ndim), -1)})
    if array.numblocks[0] != len(rows):
        raise ArgumentError(f"{name} has {array.numblocks[0]} blocks of rows, and X has {len(rows)}: rechunk one.")
    return array.to_delayed().ravel()


def look(common: tuple[int, Blocks], number: int, *parts: Any) -> Look:
    """What a block says; of its cells, so many at most come along."""
    few, blocks = common
    source = blocks.source(number, *parts)
    weight, counts = source.weight, np.flatnonzero(source.weight)
    labels, weights = np.empty(0), np.array([weight.sum()] if source.n_rows else [])
    if not blocks.regression and source.n_rows:
        try:
            labels, codes = label_codes(source.y)
        except SeparatrixError as error:
            raise type(error)(f"{blocks.name(number)}: {error}") from None
        weights = weight_by_class(codes, len(labels), weight)
    kept = source if weight.all() else source.take(counts)
    most = max(1, int(few / max(cells_of_row(kept.X), 1.0)))
    rows = np.unique(np.linspace(0, kept.n_rows - 1, min(most, kept.n_rows)).astype(np.intp))
    return Look(kept.n_rows, labels, weights, float(weight.max(initial=0.0)), reach_of(source.X), kept.take(rows))


def even(looks: Sequence[Look]) -> MemorySource:
    """Some rows of all blocks, as many in a thousand of each."""
    share = min(each.some.n_rows / each.rows for each in looks if each.rows)
    some = []
    for each in looks:
        many = int(np.ceil(share * each.rows))
        rows = np.linspace(0, each.some.n_rows - 1, many).astype(np.intp) if many else np.arange(0)
        some.append(each.some.take(rows))
    return stacked(some)


def share_of_block(common: tuple[Blocks, NDArray | None, FloatArray], before: int, number: int, *parts: Any) -> Share:
    """A block as a share, without rows of weight 0."""
    blocks, classes, shift = common
    source = blocks.source(number, *parts)
    source = source if source.weight.all() else source.take(np.flatnonzero(source.weight))
    return Share(replace(source, y=coded(source.y, classes), centre=shift), before)


def coded(y: NDArray, classes: NDArray | None) -> NDArray:
    """The codes of labels (rows,); without classes the numbers (rows, targets)."""
    if classes is not None:
        return np.searchsorted(classes, y)
    return (y if y.ndim == 2 else y[:, None]).astype(np.float64)
