"""How far rows are from the decision boundary, as the perpendiculars of geometry."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from separatrix.arguments import shown
from separatrix.arrays import FloatArray, IntArray
from separatrix.equations.hyperplane import signed_distance
from separatrix.errors import ArgumentError, listing
from separatrix.plots.plane import model_points
from separatrix.plots.points import PointsDisplay, view
from separatrix.plots.style import ACCENT, HALO, INK, TICK_SIZE, Display


@dataclass(eq=False, repr=False)
class DistanceDisplay(Display):
    """Points, the line w.x + b = 0, and for chosen rows the perpendicular to it with the signed distance.

    Both axes have the same scale, so that a right angle looks right: best for columns of like units.

    Parameters
    ----------
    points : the rows, of two classes.
    w : (2,) weights, not both zero.
    b : bias.
    chosen : (m,) positions of the rows that get a perpendicular.
    """

    points: PointsDisplay
    w: FloatArray
    b: float
    chosen: IntArray

    @property
    def distances(self) -> FloatArray:
        """(m,) signed distances of the chosen rows: positive on the side of class 1."""
        return signed_distance(self.points.X[self.chosen], self.w, self.b)

    @property
    def feet(self) -> FloatArray:
        """(m, 2) where the perpendiculars of the chosen rows meet the boundary."""
        return self.points.X[self.chosen] - np.outer(self.distances, self.w / np.linalg.norm(self.w))

    def plot(self, ax: Axes | None = None) -> Self:
        """Draw points, boundary and perpendiculars."""
        ax = self._open(ax)
        self.points.plot(ax)
        normal = self.w / np.linalg.norm(self.w)
        corners = np.array(list(view(np.vstack([self.points.X, self.feet])))).T
        size, centre = float(np.linalg.norm(corners[1] - corners[0])), corners.mean(axis=0)
        along = np.array([-normal[1], normal[0]])
        on_line = centre - signed_distance(centre[None], self.w, self.b) * normal
        ax.axline(pair(on_line), pair(on_line + 0.1 * size * along), color=ACCENT, lw=1.8, zorder=4)
        for point, foot, distance in zip(self.points.X[self.chosen], self.feet, self.distances, strict=True):
            draw_perpendicular(ax, point, foot, normal, float(distance), mark=0.02 * size)
        ax.autoscale()
        ax.margins(x=0.16, y=0.12)  # room for the numbers
        ax.set_aspect("equal", adjustable="datalim")
        return self

    @classmethod
    def from_estimator(
        cls,
        model: object,
        X: Any,
        y: ArrayLike,
        chosen: ArrayLike,
        *,
        feature_names: Sequence[str] | None = None,
        class_names: Sequence[str] | None = None,
        ax: Axes | None = None,
    ) -> Self:
        """Draw the distances of a linear two-class model of two columns.

        Parameters
        ----------
        model : fitted, with `coef_` and `intercept_`, or `weights_` and `bias_`.
        X : (n, 2) array or dataframe.
        y : (n,) labels.
        chosen : row positions, 0 .. n-1.
        feature_names, class_names : default to the dataframe's columns and the model's classes.

        Raises
        ------
        ArgumentError
            As for `plot_boundary`; if the model is not one line; if `chosen` names a row X has not.

        Examples
        --------
        >>> from matplotlib.figure import Figure
        >>> from sklearn.datasets import load_iris
        >>> from sklearn.linear_model import LogisticRegression
        >>> X, y = load_iris(return_X_y=True)
        >>> X, y = X[:, :2], y != 0
        >>> model = LogisticRegression().fit(X, y)
        >>> display = DistanceDisplay.from_estimator(model, X, y, [41, 98], ax=Figure().subplots())
        >>> display.distances.round(1)
        array([-0.1,  0.2])
        """
        points = model_points(model, X, y, 2, feature_names, class_names)
        w, b = hyperplane_of(model)
        return cls(points, w, b, check_rows(chosen, len(points.X))).plot(ax)


def hyperplane_of(model: object) -> tuple[FloatArray, float]:
    """The line of a linear two-class model: w (2,) and b."""
    names = ("weights_", "bias_") if hasattr(model, "weights_") else ("coef_", "intercept_")
    if not all(hasattr(model, name) for name in names):
        raise ArgumentError(f"{type(model).__name__} has no coef_; distances need a fitted linear model.")
    w, b = (np.ravel(getattr(model, name)).astype(float) for name in names)
    if w.shape != (2,) or b.shape != (1,):
        raise ArgumentError(f"model has {w.size} weights; one line in the plane has two. Use plot_boundary.")
    if not w.any():
        raise ArgumentError("model has no boundary: both weights are zero. Fit it for longer, or on other columns.")
    return w, float(b[0])


def check_rows(chosen: ArrayLike, rows: int) -> IntArray:
    """Row positions that exist."""
    positions = np.atleast_1d(np.asarray(chosen))
    if positions.size == 0:
        return np.empty(0, dtype=np.int64)
    if positions.ndim != 1 or positions.dtype.kind not in "iu":
        raise ArgumentError(f"chosen must be row positions, whole numbers, but is {shown(chosen)}.")
    absent = positions[(positions < 0) | (positions >= rows)]
    if absent.size:
        raise ArgumentError(f"chosen names row {listing(absent, 3)}, but X has rows 0 to {rows - 1}.")
    return positions.astype(np.int64)


def draw_perpendicular(
    ax: Axes, point: FloatArray, foot: FloatArray, normal: FloatArray, distance: float, mark: float
) -> None:
    """Point to foot, a right-angle mark of the given size, and the distance on the point's far side."""
    side = normal if distance >= 0 else -normal
    along = np.array([-normal[1], normal[0]])
    ax.plot(*np.transpose([point, foot]), color=INK, lw=1.2, zorder=5, solid_capstyle="round")
    corner = min(mark, abs(distance) / 2) * np.array([side, side + along, along])
    ax.plot(*(foot + corner).T, color=INK, lw=0.8, zorder=5)
    ax.plot(*point, "o", markersize=7, markerfacecolor="none", markeredgecolor=INK, zorder=6)
    text = f"{distance:+.3g}".replace("-", "\u2212")
    horizontal = "left" if side[0] > 0.3 else "right" if side[0] < -0.3 else "center"
    look: dict[str, Any] = {
        "size": TICK_SIZE,
        "weight": "bold",
        "color": INK,
        "path_effects": HALO,
        "zorder": 7,
    }
    place = {"textcoords": "offset points", "ha": horizontal, "va": "bottom" if side[1] > 0 else "top"}
    ax.annotate(text, pair(point), pair(9 * side), **place, **look)


def pair(place: FloatArray) -> tuple[float, float]:
    """A place in the plane as Matplotlib's types want it."""
    return float(place[0]), float(place[1])
