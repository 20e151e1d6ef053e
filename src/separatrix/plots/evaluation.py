"""How good the answers are: confusion, ROC, calibration."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.ticker import FixedLocator
from numpy.typing import ArrayLike

from separatrix.arguments import listed
from separatrix.arrays import FloatArray, IntArray
from separatrix.errors import ArgumentError, fixed
from separatrix.evaluate.curves import roc
from separatrix.plots.points import encode, in_order, name_classes, read_labels
from separatrix.plots.style import (
    ACCENT,
    INK,
    MUTED,
    TICK_SIZE,
    Display,
    legend_inside,
    light_grid,
    name_axes,
    next_look,
    plain,
    tint,
)
from separatrix.points import real_numbers

SHARES = LinearSegmentedColormap.from_list("share", [tint(ACCENT, 0.05), tint(ACCENT, 0.45), ACCENT])
MATRIX_POINTS = 190  # the side of a matrix in a 5 x 4 inch figure
MOST_NUMBERED = 25


@dataclass(eq=False, repr=False)
class ConfusionDisplay(Display):
    """Rows by true class (down) and predicted class (across); darker is a larger share of the true class.

    Parameters
    ----------
    matrix : (K, K) counts.
    class_names : K names.
    """

    matrix: IntArray
    class_names: Sequence[str]

    def plot(self, ax: Axes | None = None) -> Self:
        """Draw the matrix, each cell with its count."""
        ax = self._open(ax)
        totals = self.matrix.sum(axis=1, keepdims=True)
        shares = self.matrix / np.maximum(totals, 1)
        ax.imshow(shares, cmap=SHARES, vmin=0, vmax=1)
        for edge in np.arange(0.5, len(self.matrix) - 1):
            ax.axhline(edge, color="white", lw=1.5)
            ax.axvline(edge, color="white", lw=1.5)
        cell = MATRIX_POINTS / len(self.matrix)
        if len(self.matrix) <= MOST_NUMBERED:
            write_counts(ax, self.matrix, shares, cell)
        name_cells(ax, [plain(name, 18) for name in self.class_names], cell)
        name_axes(ax, "predicted", "true")
        return self

    @classmethod
    def from_predictions(
        cls,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        *,
        class_names: Sequence[str] | None = None,
        ax: Axes | None = None,
    ) -> Self:
        """Count and draw. Labels (n,) and predictions (n,) may be of any kind.

        Raises
        ------
        ArgumentError
            If the shapes differ or `class_names` has not one name for each class in either.

        Examples
        --------
        >>> from matplotlib.figure import Figure
        >>> ConfusionDisplay.from_predictions([0, 0, 1], [0, 1, 1], ax=Figure().subplots()).matrix
        array([[1, 1],
               [0, 1]])
        """
        truth = read_labels(y_true, name="y_true")
        both = np.concatenate([truth, read_labels(y_pred, len(truth), "y_pred")])
        classes = in_order(both)
        codes, names, K = encode(both, classes), name_classes(classes, class_names), len(classes)
        cells = K * codes[: len(truth)] + codes[len(truth) :]
        return cls(np.bincount(cells, minlength=K * K).reshape(K, K), names).plot(ax)

    @classmethod
    def from_estimator(
        cls,
        model: Any,
        X: Any,
        y: ArrayLike,
        *,
        class_names: Sequence[str] | None = None,
        ax: Axes | None = None,
    ) -> Self:
        """Predict X (n, p), then as `from_predictions`."""
        return cls.from_predictions(y, model.predict(X), class_names=class_names, ax=ax)


def write_counts(ax: Axes, matrix: IntArray, shares: FloatArray, cell: float) -> None:
    """The count in each cell, as large as the cell (its side in points) allows."""
    size = min(12.0, 0.5 * cell, cell / (0.65 * len(f"{matrix.max():,}")))
    for (row, column), count in np.ndenumerate(matrix):
        colour = "white" if shares[row, column] > 0.65 else INK if count else MUTED
        ax.text(column, row, f"{count:,}", ha="center", va="center", size=size, color=colour)


def name_cells(ax: Axes, names: list[str], cell: float) -> None:
    """Class names along both sides, tilted below where they are longer than a cell (its side in points)."""
    size = min(TICK_SIZE, 0.8 * cell)
    tight = 0.6 * size * max(map(len, names)) > cell
    tilt: dict[str, Any] = {"rotation": 40, "ha": "right", "rotation_mode": "anchor"} if tight else {}
    if tight and 0.6 * cell < size:  # lines of text at that angle would overlap
        tilt |= {"rotation": 90, "va": "center"}
    ax.set_xticks(range(len(names)), names, size=size, **tilt)
    ax.set_yticks(range(len(names)), names, size=size)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)


@dataclass(eq=False, repr=False)
class RocDisplay(Display):
    """True-positive against false-positive rate over all thresholds.

    Parameters
    ----------
    fpr, tpr : (m,) rates.
    auc : area under the curve.
    label : the curve's name; None for the area alone.
    """

    fpr: FloatArray
    tpr: FloatArray
    auc: float
    label: str | None = None

    def plot(self, ax: Axes | None = None, *, colour: str | None = None, line: str = "solid") -> Self:
        """Draw the curve and the diagonal of chance; call again on the same axes to compare curves."""
        ax = self._open(ax)
        if not ax.lines:
            light_grid(ax)
            draw_diagonal(ax)
        area = fixed(self.auc, 3)
        name = f"AUC {area}" if self.label is None else f"{plain(self.label)} ({area})"
        colour, line = (colour, line) if colour else next_look(ax)
        ax.plot(self.fpr, self.tpr, color=colour, ls=line, lw=1.8, label=name, clip_on=False)
        name_axes(ax, "false-positive rate", "true-positive rate")
        legend_inside(ax, "lower right")
        return self

    @classmethod
    def from_predictions(
        cls, y_true: ArrayLike, score: ArrayLike, *, label: str | None = None, ax: Axes | None = None
    ) -> Self:
        """Draw the ROC curve of scores (n,) for labels (n,) of two classes; the larger is the positive one.

        Raises
        ------
        ArgumentError
            If the shapes differ, y_true has not two classes, or a score is no number.

        Examples
        --------
        >>> from matplotlib.figure import Figure
        >>> RocDisplay.from_predictions([0, 0, 1, 1], [0.1, 0.4, 0.3, 0.8], ax=Figure().subplots()).auc
        0.75
        """
        truth = read_labels(y_true, name="y_true")
        scores = read_labels(score, len(truth), "score")
        try:
            scores = real_numbers(scores)
        except (TypeError, ValueError, OverflowError) as error:
            raise ArgumentError(f"score={listed(score)} must be numbers, and some are not.") from error
        classes = in_order(truth)
        curve = roc(truth == classes[1], scores) if len(classes) == 2 else None
        if curve is None:
            raise ArgumentError(
                f"y_true holds {len(classes)} classes; a ROC curve is of two. Draw one against the rest."
            )
        return cls(curve.fpr, curve.tpr, curve.auc, label).plot(ax)


@dataclass(eq=False, repr=False)
class CalibrationDisplay(Display):
    """Observed frequency against predicted probability; on the diagonal, 30 % means 30 %.

    Bars are Wilson's 95 % interval (1927): a bin of few rows may well lie off the diagonal.

    Parameters
    ----------
    predicted : (m,) mean predicted probability of each bin.
    observed : (m,) frequency of the class in each bin.
    counts : (m,) rows in each bin.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> display = CalibrationDisplay(np.array([0.1, 0.8]), np.array([0.2, 0.7]), np.array([10, 20]))
    >>> display.plot(ax=Figure().subplots()).ax_.get_xlabel()
    'predicted probability'
    """

    predicted: FloatArray
    observed: FloatArray
    counts: IntArray

    def plot(self, ax: Axes | None = None) -> Self:
        """Draw bins, intervals and the diagonal."""
        ax = self._open(ax)
        light_grid(ax)
        draw_diagonal(ax)
        low, high = wilson_interval(self.observed, self.counts)
        ax.vlines(self.predicted, low, high, color=tint(ACCENT, 0.4), lw=1.6, label="95 % interval")
        ax.plot(
            self.predicted,
            self.observed,
            color=ACCENT,
            lw=1.2,
            marker="o",
            ms=5.5,
            mec="white",
            clip_on=False,
        )
        name_axes(ax, "predicted probability", "observed frequency")
        return self


def wilson_interval(frequency: FloatArray, counts: IntArray) -> tuple[FloatArray, FloatArray]:
    """Wilson's 95 % interval of a frequency in so many rows."""
    z2 = 1.96**2
    centre = (frequency + z2 / (2 * counts)) / (1 + z2 / counts)
    half = np.sqrt(z2 * (frequency * (1 - frequency) + z2 / (4 * counts)) / counts) / (1 + z2 / counts)
    return np.maximum(centre - half, 0), np.minimum(centre + half, 1)


def draw_diagonal(ax: Axes) -> None:
    """The line from (0, 0) to (1, 1) on a unit square."""
    ax.plot([0, 1], [0, 1], color=MUTED, lw=1, ls="dashed", label="", zorder=1)
    ax.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(FixedLocator([0, 0.25, 0.5, 0.75, 1]))
