"""Rows in the plane of two columns, and the checks every picture of the plane starts with."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

import narwhals.stable.v2 as nw
import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike, NDArray

from separatrix.arguments import array_of, gaps
from separatrix.arrays import FloatArray, IntArray
from separatrix.data.frames import named_once
from separatrix.errors import ArgumentError, listing
from separatrix.plots.style import (
    Display,
    class_colour,
    class_marker,
    dots,
    legend_outside,
    name_axes,
    plain,
)
from separatrix.points import no_order, real_numbers


@dataclass(eq=False, repr=False)
class PointsDisplay(Display):
    """Rows as points, coloured by class.

    Parameters
    ----------
    X : (n, 2) coordinates, in the columns' own units.
    y : (n,) class codes, 0 .. K-1.
    feature_names : the names of the two columns.
    class_names : K names, in the order of the codes.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> display = PointsDisplay(np.eye(2), np.array([0, 1]), ["age", "income"], ["no", "yes"])
    >>> display.plot(ax=Figure().subplots()).ax_.get_xlabel()
    'age'
    """

    X: FloatArray
    y: IntArray
    feature_names: Sequence[str]
    class_names: Sequence[str]

    def plot(self, ax: Axes | None = None) -> Self:
        """Draw the points and their legend."""
        ax = self._open(ax)
        clouds = [self._scatter(ax, k) for k in range(len(self.class_names))]
        legend_outside(ax, clouds, [plain(name) for name in self.class_names])
        name_axes(ax, *(plain(name) for name in self.feature_names))
        x_range, y_range = view(self.X)
        ax.set(xlim=x_range, ylim=y_range)
        return self

    def _scatter(self, ax: Axes, k: int) -> Any:
        look = dots(len(self.X)) | {"color": class_colour(k), "marker": class_marker(k)}
        return ax.scatter(*self.X[self.y == k].T, zorder=3, **look)

    @classmethod
    def from_data(
        cls,
        X: Any,
        y: ArrayLike,
        *,
        feature_names: Sequence[str] | None = None,
        class_names: Sequence[str] | None = None,
        ax: Axes | None = None,
    ) -> Self:
        """Draw the first two columns of X, coloured by y.

        Parameters
        ----------
        X : (n, p) array or dataframe, p >= 2.
        y : (n,) labels of any kind; classes are taken in sorted order.
        feature_names, class_names : default to the dataframe's columns and the labels.

        Raises
        ------
        ArgumentError
            If the shapes do not fit, a value is not a finite number, a label is missing, or a list of names has the
            wrong length.

        Examples
        --------
        >>> from matplotlib.figure import Figure
        >>> from sklearn.datasets import load_iris
        >>> iris = load_iris()
        >>> display = PointsDisplay.from_data(iris.data, iris.target, ax=Figure().subplots())
        >>> display.X.shape
        (150, 2)
        """
        values, names = read_columns(X)
        labels = read_labels(y, len(values))
        given = names if feature_names is None else feature_names
        return cls(*name_points(values, labels, in_order(labels), given, class_names)).plot(ax)


def read_columns(X: Any) -> tuple[FloatArray, Sequence[str] | None]:
    """X as (n, p >= 2) finite numbers, and its column names if it is a dataframe."""
    values, names = read_numbers(X)
    if values.shape[1] < 2:
        raise ArgumentError(f"X has {values.shape[1]} column; a picture of the plane needs two. Pass two columns.")
    return values, names


def read_plane(X: Any) -> tuple[FloatArray, Sequence[str] | None]:
    """X as (n, 2): the plane on which the model was fitted."""
    values, names = read_columns(X)
    if values.shape[1] > 2:
        raise ArgumentError(
            f"X has {values.shape[1]} columns; a boundary is drawn for a model of two. "
            "Fit the model on two columns and pass these."
        )
    return values, names


def read_numbers(X: Any) -> tuple[FloatArray, Sequence[str] | None]:
    """X as (n, p) finite numbers, and its column names if it is a dataframe."""
    named_once(X)
    frame = nw.from_native(X, eager_only=True, pass_through=True)
    is_frame = isinstance(frame, nw.DataFrame)
    try:
        values = real_numbers(frame.to_numpy() if is_frame else X)
    except (TypeError, ValueError, OverflowError) as error:
        raise ArgumentError("X holds something other than numbers. Encode its columns as numbers first.") from error
    if values.ndim != 2 or len(values) == 0:
        raise ArgumentError(f"X must hold rows and columns, but has shape {values.shape}. Pass an (n, p) array.")
    bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
    if bad.size:
        raise ArgumentError(
            f"X holds NaN or infinity in row {listing(bad, most=3)}, counted from 0. Fill or drop these rows."
        )
    return values, frame.columns if is_frame else None


def read_labels(y: ArrayLike, rows: int | None = None, name: str = "y") -> NDArray[Any]:
    """y as (n,) labels, one for each row, none of them missing."""
    labels = array_of(name, y)
    if labels.ndim != 1 or len(labels) == 0 or rows not in (None, len(labels)):
        due = "" if rows is None else f", shape ({rows},)"
        raise ArgumentError(f"{name} must hold one label a row{due}, but has shape {labels.shape}.")
    missing = np.flatnonzero(gaps(labels))
    if missing.size:
        raise ArgumentError(f"{name} is missing in row {listing(missing, most=3)}, counted from 0. Drop these rows.")
    return labels


def in_order(labels: NDArray[Any]) -> NDArray[Any]:
    """The different labels."""
    try:
        return np.unique(labels)
    except TypeError:
        raise ArgumentError(no_order(labels)) from None


def name_points(
    values: FloatArray,
    labels: NDArray[Any],
    classes: NDArray[Any],
    feature_names: Sequence[str] | None,
    class_names: Sequence[str] | None,
) -> tuple[FloatArray, IntArray, Sequence[str], Sequence[str]]:
    """The four arguments of `PointsDisplay`."""
    features = ["x\u2081", "x\u2082"] if feature_names is None else list(feature_names)[:2]
    if len(features) < 2:
        raise ArgumentError(f"feature_names has {len(features)} names; the two axes need two.")
    return values[:, :2], encode(labels, classes), features, name_classes(classes, class_names)


def encode(labels: NDArray[Any], classes: NDArray[Any]) -> IntArray:
    """Labels as positions in `classes`."""
    position = {label: k for k, label in enumerate(classes.tolist())}
    unknown = sorted(set(labels.tolist()) - set(position), key=str)
    if unknown:
        raise ArgumentError(f"y holds {listing(unknown, 3)}, which the model does not know: {listing(classes)}.")
    return np.array([position[label] for label in labels.tolist()], dtype=np.int64)


def name_classes(classes: NDArray[Any], class_names: Sequence[str] | None) -> list[str]:
    """The given names, checked, or the labels themselves."""
    names = [str(name) for name in (classes if class_names is None else class_names)]
    if len(names) != len(classes):
        have = f"class_names has {len(names)} names for {len(classes)} classes"
        raise ArgumentError(f"{have} ({listing(classes)}). Pass one for each.")
    return names


def classes_of(model: object, labels: NDArray[Any], count: int) -> NDArray[Any]:
    """The model's classes: `classes_`, or 0 .. K-1 for a model that keeps none, or the labels themselves."""
    codes = np.arange(count)
    own = codes if np.isin(labels, codes).all() else in_order(labels)
    return np.asarray(getattr(model, "classes_", own))


def ask(model: object, method: str, X: Any) -> FloatArray:
    """What the model says of X, shaped (n,) for two classes and (n, K) for more."""
    if not hasattr(model, method):
        raise ArgumentError(f"{type(model).__name__} has no {method}. Pass a fitted classifier that has one.")
    answer = np.asarray(getattr(model, method)(X), dtype=float)
    if answer.ndim < 2 or answer.shape[1] != 2:
        return answer
    return answer[:, 1] if method == "predict_proba" else answer[:, 1] - answer[:, 0]


def like(X: Any, values: FloatArray) -> Any:
    """Values in the container of X, so that a model fitted on a dataframe is asked about one."""
    frame = nw.from_native(X, eager_only=True, pass_through=True)
    if not isinstance(frame, nw.DataFrame):
        return values
    if frame.implementation.is_pandas_like():  # its names may be numbers
        native = frame.to_native()
        return type(native)(values, columns=native.columns)
    return nw.from_numpy(values, frame.columns, backend=frame.implementation).to_native()


def view(X: FloatArray) -> Iterator[tuple[float, float]]:
    """For each column, the range to show: the data and a margin."""
    for low, high in zip(X.min(axis=0), X.max(axis=0), strict=True):
        margin = 0.12 * (high - low) or 0.05 * abs(low) or 0.5
        yield low - margin, high + margin
