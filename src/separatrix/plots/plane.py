"""What a model says of every place in the plane of its two columns."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from matplotlib.axes import Axes
from matplotlib.contour import ContourSet
from numpy.typing import ArrayLike

from separatrix.arrays import FloatArray
from separatrix.equations.links import logit
from separatrix.errors import ArgumentError
from separatrix.plots.points import (
    PointsDisplay,
    ask,
    classes_of,
    like,
    name_points,
    read_labels,
    read_plane,
    view,
)
from separatrix.plots.style import ACCENT, INK, MUTED, TICK_SIZE, Display, class_colour, plain, tint

RESOLUTION = 121
LEVELS = {
    0.1: {"colors": INK, "linewidths": 1.2, "linestyles": "dotted"},
    0.5: {"colors": ACCENT, "linewidths": 1.8, "linestyles": "solid"},
    0.9: {"colors": INK, "linewidths": 1.2, "linestyles": "dashed"},
}


@dataclass(frozen=True, eq=False)
class Grid:
    """Places to ask a model about: `x` (m,) by `y` (m,)."""

    x: FloatArray
    y: FloatArray

    @classmethod
    def over(cls, X: FloatArray) -> Self:
        """The smallest grid that shows all of X (n, 2), with a margin."""
        return cls(*(np.linspace(low, high, RESOLUTION) for low, high in view(X)))

    @property
    def places(self) -> FloatArray:
        """(m * m, 2), y changing slowest, as Matplotlib's contours expect."""
        return np.stack(np.meshgrid(self.x, self.y), axis=-1).reshape(-1, 2)


@dataclass(eq=False, repr=False)
class BoundaryDisplay(Display):
    """Points, the regions of the predicted classes, and the boundary between them.

    With two classes the boundary is where decision_function = 0; with more, where the two largest are equal.

    Parameters
    ----------
    points : the rows.
    grid : m x m places.
    scores : (m, m, K) decision function at these places, one layer per class.
    """

    points: PointsDisplay
    grid: Grid
    scores: FloatArray

    def plot(self, ax: Axes | None = None) -> Self:
        """Draw regions, boundary and points."""
        ax = self._open(ax)
        self.points.plot(ax)
        for k, margin in enumerate(margins(self.scores)):
            draw_region(ax, self.grid, margin, tint(class_colour(k), 0.16))
            draw_line(ax, self.grid, margin, 0.0, colors=ACCENT, linewidths=1.8)
        if not any(crosses(margin) for margin in margins(self.scores)):
            note_no_boundary(ax, self.points.class_names[int(self.scores[0, 0].argmax())])
        return self

    @classmethod
    def from_estimator(
        cls,
        model: object,
        X: Any,
        y: ArrayLike,
        *,
        feature_names: Sequence[str] | None = None,
        class_names: Sequence[str] | None = None,
        ax: Axes | None = None,
    ) -> Self:
        """Draw the decision boundary of a classifier of two columns.

        Parameters
        ----------
        model : a fitted classifier with `decision_function`; need not be linear.
        X : (n, 2) array or dataframe.
        y : (n,) labels; a class the model knows and y lacks keeps its place and colour.
        feature_names, class_names : default to the dataframe's columns and the model's classes.

        Raises
        ------
        ArgumentError
            If X has not two columns or holds NaN, or y holds a class the model does not know.

        Examples
        --------
        >>> from matplotlib.figure import Figure
        >>> from sklearn.datasets import load_iris
        >>> from sklearn.linear_model import LogisticRegression
        >>> X, y = load_iris(return_X_y=True)
        >>> model = LogisticRegression().fit(X[:, :2], y)
        >>> display = BoundaryDisplay.from_estimator(model, X[:, :2], y, ax=Figure().subplots())
        >>> display.scores.shape
        (121, 121, 3)
        """
        values, _ = read_plane(X)
        grid = Grid.over(values)
        scores = ask(model, "decision_function", like(X, grid.places))
        scores = np.column_stack([-scores, scores]) if scores.ndim == 1 else scores
        points = model_points(model, X, y, scores.shape[1], feature_names, class_names)
        return cls(points, grid, scores.reshape(RESOLUTION, RESOLUTION, -1)).plot(ax)


@dataclass(eq=False, repr=False)
class ProbabilityDisplay(Display):
    """Points over bands of P(class 1), with the lines where it is 0.1, 0.5 and 0.9.

    Parameters
    ----------
    points : the rows, of two classes.
    grid : m x m places.
    probability : (m, m) probability of the second class at these places.
    """

    points: PointsDisplay
    grid: Grid
    probability: FloatArray

    def plot(self, ax: Axes | None = None, *, colorbar: bool = True) -> Self:
        """Draw bands, lines and points; `colorbar` explains the bands beside the axes."""
        ax = self._open(ax)
        self.points.plot(ax)
        # Contours interpolate linearly between places: right for the log-odds, crude for a steep probability.
        eps = np.finfo(float).eps
        log_odds = logit(np.clip(self.probability, eps, 1 - eps))
        inner = logit(np.arange(0.1, 0.95, 0.1))
        edges = np.array([-40.0, *inner, 40.0])
        bands = ax.contourf(self.grid.x, self.grid.y, log_odds, levels=edges, colors=band_colours(), zorder=0)
        for level, style in LEVELS.items():
            draw_line(ax, self.grid, log_odds, float(logit(level)), **style)
        if colorbar:
            explain_bands(ax, bands, edges, self.points.class_names[1])
        return self

    @classmethod
    def from_estimator(
        cls,
        model: object,
        X: Any,
        y: ArrayLike,
        *,
        feature_names: Sequence[str] | None = None,
        class_names: Sequence[str] | None = None,
        ax: Axes | None = None,
    ) -> Self:
        """Draw the probability surface of a two-class classifier of two columns.

        Parameters
        ----------
        model : a fitted classifier with `predict_proba`.
        X : (n, 2) array or dataframe.
        y : (n,) labels.
        feature_names, class_names : default to the dataframe's columns and the model's classes.

        Raises
        ------
        ArgumentError
            As for `plot_boundary`, and if the model has more than two classes.

        Examples
        --------
        >>> from matplotlib.figure import Figure
        >>> from sklearn.datasets import load_iris
        >>> from sklearn.linear_model import LogisticRegression
        >>> X, y = load_iris(return_X_y=True)
        >>> model = LogisticRegression().fit(X[:, :2], y == 0)
        >>> display = ProbabilityDisplay.from_estimator(model, X[:, :2], y == 0, ax=Figure().subplots())
        >>> display.probability.shape
        (121, 121)
        """
        values, _ = read_plane(X)
        grid = Grid.over(values)
        probability = ask(model, "predict_proba", like(X, grid.places))
        if probability.ndim > 1:
            raise ArgumentError(f"model has {probability.shape[1]} classes; bands show two. Use plot_boundary.")
        points = model_points(model, X, y, 2, feature_names, class_names)
        return cls(points, grid, probability.reshape(RESOLUTION, RESOLUTION)).plot(ax)


def model_points(
    model: object,
    X: Any,
    y: ArrayLike,
    classes: int,
    feature_names: Sequence[str] | None,
    class_names: Sequence[str] | None,
) -> PointsDisplay:
    """The rows of a model's picture: codes and colours follow the model's classes, even if y lacks one."""
    values, names = read_plane(X)
    labels = read_labels(y, len(values))
    known = classes_of(model, labels, classes)
    given = names if feature_names is None else feature_names
    return PointsDisplay(*name_points(values, labels, known, given, class_names))


def margins(scores: FloatArray) -> list[FloatArray]:
    """For each class, its score less the best of the others: positive where it is predicted."""
    return [scores[..., k] - np.delete(scores, k, axis=-1).max(axis=-1) for k in range(scores.shape[-1])]


def crosses(values: FloatArray, level: float = 0.0) -> bool:
    """Whether a contour at this level passes through the grid."""
    return bool(values.min() < level < values.max())


def draw_region(ax: Axes, grid: Grid, margin: FloatArray, colour: str) -> None:
    """Fill where margin > 0."""
    if margin.max() > 0:
        ax.contourf(grid.x, grid.y, margin, levels=[0.0, 2 * margin.max()], colors=[colour], zorder=0)


def draw_line(ax: Axes, grid: Grid, values: FloatArray, level: float, **look: Any) -> None:
    """Where values = level, drawn above the points. Nowhere on the grid: nothing, and no warning."""
    if crosses(values, level):
        ax.contour(grid.x, grid.y, values, levels=[level], zorder=4, **look)


def note_no_boundary(ax: Axes, winner: str) -> None:
    """Say why there is no line to see."""
    text = f"no boundary in view: all is {plain(winner)}"
    look = {"ha": "center", "size": TICK_SIZE, "style": "italic", "color": MUTED}
    ax.text(0.5, 0.02, text, transform=ax.transAxes, **look)


def band_colours() -> list[str]:
    """Ten bands of probability: from class 0's colour through white to class 1's."""
    strength = (np.arange(0.05, 1, 0.1) - 0.5) * 0.85
    return [tint(class_colour(int(s > 0)), abs(s)) for s in strength.tolist()]


def explain_bands(ax: Axes, bands: ContourSet, edges: FloatArray, name: str) -> None:
    """A slim colour bar, in probabilities, with the three lines."""
    bar = ax.figure.colorbar(bands, ax=ax, fraction=0.05, pad=0.02, aspect=28)
    for level, style in LEVELS.items():
        bar.ax.axhline(float(logit(level)), color=style["colors"], lw=1.2, ls=style["linestyles"])
    bar.set_ticks([edges[0], edges[1], edges[5], edges[9], edges[10]], labels=["0", "0.1", "0.5", "0.9", "1"])
    bar.ax.tick_params(colors=MUTED, labelcolor=INK, labelsize=TICK_SIZE, length=3)
    bar.set_label(f"P({plain(name)})", size=TICK_SIZE, color=INK)
    bar.outline.set_visible(False)  # pyright: ignore[reportCallIssue]
