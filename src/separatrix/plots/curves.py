"""The curves of learning: the S-curve, and the loss as it falls."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, NullFormatter
from numpy.typing import ArrayLike

from separatrix.arguments import as_numbers
from separatrix.arrays import FloatArray, IntArray
from separatrix.equations.links import sigmoid
from separatrix.errors import ArgumentError
from separatrix.plots.points import (
    ask,
    classes_of,
    encode,
    name_classes,
    read_labels,
    read_numbers,
)
from separatrix.plots.style import (
    ACCENT,
    HALO,
    INK,
    MANY_POINTS,
    MUTED,
    TICK_SIZE,
    Display,
    class_colour,
    class_marker,
    dots,
    legend_inside,
    legend_outside,
    light_grid,
    name_axes,
    next_look,
    plain,
    tint,
)

FEW_ITERATIONS = 30


@dataclass(eq=False, repr=False)
class SigmoidDisplay(Display):
    """The S-curve p = sigmoid(eta), each row at (eta, y), and its probability on the curve.

    The vertical between the two is the row's residual y - p, which drives the gradient.

    Parameters
    ----------
    eta : (n,) linear predictor, in log-odds.
    y : (n,) class codes, 0 or 1.
    probability : (n,) P(class 1).
    class_names : two names.
    """

    eta: FloatArray
    y: IntArray
    probability: FloatArray
    class_names: Sequence[str]

    def plot(self, ax: Axes | None = None) -> Self:
        """Draw curve, rows and residuals."""
        ax = self._open(ax)
        light_grid(ax)
        clouds = [self._rows(ax, k) for k in (0, 1)]
        reach = 1.06 * max(6.0, float(np.abs(self.eta).max()))
        curve = np.union1d(np.linspace(-reach, reach, 400), np.linspace(-6, 6, 200))
        ax.plot(curve, sigmoid(curve), color=ACCENT, lw=1.8, zorder=2)
        ax.axvline(0, color=MUTED, lw=0.8, ls="dotted", zorder=1)
        ax.set(xlim=(-reach, reach), ylim=(-0.06, 1.06), yticks=[0, 0.25, 0.5, 0.75, 1])
        legend_outside(ax, clouds, [plain(name) for name in self.class_names])
        name_axes(ax, "linear predictor \u03b7 (log-odds)", f"P({plain(self.class_names[1])})")
        return self

    def _rows(self, ax: Axes, k: int) -> Any:
        eta, p = self.eta[self.y == k], self.probability[self.y == k]
        look: dict[str, Any] = dots(len(self.eta)) | {"color": class_colour(k), "marker": class_marker(k)}
        if len(self.eta) <= MANY_POINTS:
            ax.vlines(eta, k, p, colors=tint(class_colour(k), 0.5), lw=0.6, zorder=1)
        small: dict[str, Any] = look | {"s": 9, "linewidths": 0}
        ax.scatter(eta, p, zorder=3, **small)
        return ax.scatter(eta, np.full(eta.shape, k), zorder=4, **look)

    @classmethod
    def from_estimator(
        cls,
        model: object,
        X: Any,
        y: ArrayLike,
        *,
        class_names: Sequence[str] | None = None,
        ax: Axes | None = None,
    ) -> Self:
        """Draw the S-curve of a two-class model of any number of columns.

        Parameters
        ----------
        model : fitted, with `decision_function` and `predict_proba`.
        X : (n, p) array or dataframe.
        y : (n,) labels.
        class_names : two names; default to the model's classes.

        Raises
        ------
        ArgumentError
            If the shapes do not fit, or the model has more than two classes.

        Examples
        --------
        >>> from matplotlib.figure import Figure
        >>> from sklearn.datasets import load_breast_cancer
        >>> from sklearn.linear_model import LogisticRegression
        >>> X, y = load_breast_cancer(return_X_y=True)
        >>> model = LogisticRegression().fit(X[:, :1], y)
        >>> SigmoidDisplay.from_estimator(model, X[:, :1], y, ax=Figure().subplots()).eta.shape
        (569,)
        """
        values, _ = read_numbers(X)
        labels = read_labels(y, len(values))
        eta = ask(model, "decision_function", X)
        if eta.ndim > 1:
            raise ArgumentError(f"model has {eta.shape[1]} classes; the S-curve is of two. Use plot_boundary.")
        classes = classes_of(model, labels, 2)
        names = name_classes(classes, class_names)
        return cls(eta, encode(labels, classes), ask(model, "predict_proba", X), names).plot(ax)


@dataclass(eq=False, repr=False)
class LossDisplay(Display):
    """The loss against the iteration, from 5 passes to 300,000.

    Up to 30 iterations get a linear axis and a dot each; more a logarithmic one. The loss gets a logarithmic
    axis if it is positive and its largest value is ten times its smallest.

    Parameters
    ----------
    losses : (n,) loss of each iterate, the first at iteration 1; infinite values are not drawn.
    label : the curve's name in a legend; None for no legend.
    """

    losses: FloatArray
    label: str | None = None

    def plot(self, ax: Axes | None = None, *, colour: str | None = None, line: str = "solid") -> Self:
        """Draw the curve and its last value; call again on the same axes to compare labelled curves."""
        ax = self._open(ax)
        light_grid(ax)
        few = len(self.losses) <= FEW_ITERATIONS
        iterations = np.arange(1, len(self.losses) + 1)
        drawn = np.where(np.isfinite(self.losses), self.losses, np.nan)
        colour, line = (colour, line) if colour else next_look(ax)
        label = "" if self.label is None else plain(self.label)
        ax.plot(iterations, drawn, color=colour, ls=line, lw=1.8, marker="o" if few else "", ms=4.5, label=label)
        scale_axes(ax, drawn, few)
        name_axes(ax, "iteration", "loss")
        name_last(ax, iterations[np.isfinite(drawn)], drawn[np.isfinite(drawn)], colour)
        if self.label is not None:
            legend_inside(ax, "upper right")
        return self

    @classmethod
    def from_losses(cls, losses: ArrayLike, *, label: str | None = None, ax: Axes | None = None) -> Self:
        """Draw the losses (n,) of a fit.

        Raises
        ------
        ArgumentError
            If there is no finite loss to draw.

        Examples
        --------
        >>> from matplotlib.figure import Figure
        >>> display = LossDisplay.from_losses([0.69, 0.31, 0.22, 0.21], ax=Figure().subplots())
        >>> display.ax_.get_xscale()
        'linear'
        """
        values = as_numbers(losses)
        if values.ndim != 1 or not np.isfinite(values).any():
            given = f"losses is a {type(losses).__name__}: give its losses_, " if hasattr(losses, "losses_") else ""
            raise ArgumentError(f"{given or 'losses must be '}a list of numbers, at least one finite.")
        return cls(values, label).plot(ax)


def scale_axes(ax: Axes, losses: FloatArray, few: bool) -> None:
    """Scales that suit 5 iterations and 300,000, a loss that halves and one that falls a thousandfold."""
    if few and ax.get_xscale() == "linear":
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8, min_n_ticks=1))
    else:
        ax.set_xscale("log")
    low, high = np.nanmin(losses), np.nanmax(losses)
    if low > 0 and high >= 10 * low:
        ax.set_yscale("log")
        ax.yaxis.set_minor_formatter(NullFormatter())
    ax.margins(x=0.04, y=0.14)


def name_last(ax: Axes, iterations: IntArray, losses: FloatArray, colour: str) -> None:
    """Write the last loss on the side of the curve's end where the curve does not come from."""
    end = iterations[-1], losses[-1]
    ax.plot(*end, "o", color=colour, ms=5, clip_on=False, label="")
    side = -1 if losses[-1] <= losses[0] else 1
    place: dict[str, Any] = {
        "textcoords": "offset points",
        "ha": "right",
        "va": "top" if side < 0 else "bottom",
    }
    ax.annotate(f"{losses[-1]:.4g}", end, (0, 7 * side), size=TICK_SIZE, color=INK, path_effects=HALO, **place)
