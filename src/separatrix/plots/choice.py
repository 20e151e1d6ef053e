"""The choice of C: what each costs on rows it has not seen."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from matplotlib.axes import Axes

from separatrix.arrays import FloatArray
from separatrix.errors import ArgumentError
from separatrix.plots.style import ACCENT, HALO, INK, TICK_SIZE, Display, light_grid, name_axes, tint


@dataclass(eq=False, repr=False)
class ChoiceDisplay(Display):
    """The mean loss of left-out rows against C, the chosen C marked; behind it each fold, and their standard error.

    Parameters
    ----------
    Cs : (m,) inverse strengths of the penalty, in increasing order.
    losses : (folds, m) mean loss of the rows that each fold left out; of a fold without any they are NaN.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> display = ChoiceDisplay(np.array([0.1, 1.0, 10.0]), np.array([[0.5, 0.3, 0.4], [0.6, 0.4, 0.4]]))
    >>> display.plot(ax=Figure().subplots()).C
    1.0
    """

    Cs: FloatArray
    losses: FloatArray

    def __post_init__(self) -> None:
        self.losses = self.losses[~np.isnan(self.losses).all(axis=1)]
        if not np.isfinite(self._mean).any():
            raise ArgumentError("losses holds a NaN of every C, so that none is the best. Leave out folds without any.")

    @property
    def _mean(self) -> FloatArray:
        """Over the folds that have a loss, as `LogisticRegressionCV` has it."""
        return self.losses.mean(axis=0) if len(self.losses) else np.full(len(self.Cs), np.nan)

    @property
    def C(self) -> float:
        """The one with the least mean loss."""
        return float(self.Cs[np.nanargmin(self._mean)])

    def plot(self, ax: Axes | None = None) -> Self:
        """Draw the folds, their mean and its standard error, and the choice."""
        ax = self._open(ax)
        light_grid(ax)
        ax.set_xscale("log")
        mean, folds = self._mean, len(self.losses)
        if folds > 1:
            error = self.losses.std(axis=0, ddof=1) / np.sqrt(folds)
            ax.fill_between(self.Cs, mean - error, mean + error, color=tint(ACCENT, 0.18), lw=0)
            ax.plot(self.Cs, self.losses.T, color=tint(ACCENT, 0.4), lw=0.8)
        ax.plot(self.Cs, mean, color=ACCENT, lw=1.8)
        best = np.nanargmin(mean)
        ax.axvline(self.C, color=ACCENT, lw=0.8, ls="dashed")
        ax.plot(self.C, mean[best], color=ACCENT, marker="o", ms=6, mec="white")
        right = best > len(self.Cs) // 2  # there a label would leave the picture on its other side
        ax.annotate(  # at the top, where no loss is near its least
            f"C = {self.C:.3g}",
            (self.C, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(-6 if right else 6, -6),
            textcoords="offset points",
            ha="right" if right else "left",
            va="top",
            color=INK,
            size=TICK_SIZE,
            path_effects=HALO,
        )
        # A fold that a weak penalty ruins would press all others flat.
        low, high = float(np.nanmin(self.losses)), float(np.nanquantile(self.losses, 0.95))
        if high > low:
            ax.set_ylim(low - 0.08 * (high - low), high + 0.12 * (high - low))
        name_axes(ax, "C, the inverse strength of the penalty", "log loss of left-out rows")
        return self
