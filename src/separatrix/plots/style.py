"""One look for every picture: palette, axes, legends."""

import re
from collections.abc import Sequence
from typing import Any, Literal

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke

from separatrix.errors import ArgumentError

# Petroff (2021), arXiv:2107.02270: ten colours told apart with any colour vision.
# fmt: off
PALETTE = ("#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6",
           "#a96b59", "#e76300", "#b9ac70", "#717581", "#92dadd")
# fmt: on
MARKERS = "os^DvPX<>p"
LINES = ("solid", "dashed", "dashdot", "dotted")
INK, MUTED, FAINT = "#23272e", "#666c75", "#e4e7eb"
ACCENT = "#a3004f"
LABEL_SIZE, TICK_SIZE = 10, 9
HALO = [withStroke(linewidth=3, foreground="white")]  # keeps a number legible on points and lines
MANY_POINTS = 2_000
LONGEST_NAME = 32
MOST_NAMED = 12  # in a legend: more would cover the curves, or press the axes flat
MOST_LARGE, SMALL_SIZE = 6, 7  # curves named in letters of the usual size, and that of more


class Display:
    """What every display shares: after `plot`, the axes and figure it drew on."""

    ax_: Axes
    figure_: Figure | SubFigure

    def _open(self, ax: Axes | None) -> Axes:
        """The given axes, or those of a new 5 x 4 inch pyplot figure, without ornament.

        Raises ArgumentError for what is not one pair of rectilinear axes.
        """
        if ax is None:
            from matplotlib import pyplot  # here: a picture drawn on given axes starts no window system

            ax = pyplot.subplots(figsize=(5, 4), layout="constrained")[1]
        if not isinstance(ax, Axes) or ax.name != "rectilinear":
            given = f"{ax.name} axes" if isinstance(ax, Axes) else f"a {type(ax).__name__}"
            raise ArgumentError(f"ax is {given}: give plain axes, such as one of those that plt.subplots makes.")
        ax.spines[["top", "right"]].set_visible(False)
        ax.spines[["left", "bottom"]].set_color(MUTED)
        ax.tick_params(colors=MUTED, labelcolor=INK, labelsize=TICK_SIZE, length=3)
        ax.set_axisbelow(True)
        self.ax_, self.figure_ = ax, ax.figure
        return ax


def plain(name: object, longest: int = LONGEST_NAME) -> str:
    """A name as text: on one line, not too long, and with no `$` that would start a formula. Of a long one both ends
    are kept, as names may differ in either.

    >>> plain("price ($)"), plain("a name that is too long, 7", 12)
    ('price (\\\\$)', 'a name \u2026g, 7')
    """
    text = " ".join(str(name).split())
    text = text if len(text) <= longest else f"{text[: longest - longest // 3 - 1]}\u2026{text[-(longest // 3) :]}"
    return text.replace("$", r"\$")


def dots(rows: int) -> dict[str, Any]:
    """How to draw so many rows: as many as an SVG cannot hold as paths become small, see-through pixels."""
    if rows > MANY_POINTS:
        return {"s": 7, "linewidths": 0, "alpha": 0.4, "rasterized": True}
    return {"s": 30, "linewidths": 0.6, "alpha": 0.9, "edgecolors": "white"}


def class_colour(k: int) -> str:
    """The colour of class k, in every picture."""
    return PALETTE[k % len(PALETTE)]


def class_marker(k: int) -> str:
    """The marker of class k: where colours begin anew it is another, so that a hundred classes differ in one of them.

    >>> class_marker(0), class_marker(10)
    ('o', 's')
    """
    return MARKERS[(k + k // len(PALETTE)) % len(MARKERS)]


def class_line(k: int) -> str:
    """The line of class k: another where colours begin anew.

    >>> class_line(0), class_line(10)
    ('solid', 'dashed')
    """
    return LINES[k // len(PALETTE) % len(LINES)]


def tint(colour: str, strength: float) -> str:
    """A colour mixed with white: strength 1 is the colour itself, 0 is white.

    >>> tint("#ff0000", 0.5)
    '#ff8080'
    """
    red, green, blue = (1 - strength * (1 - channel) for channel in to_rgb(colour))
    return to_hex((red, green, blue))


def next_look(ax: Axes) -> tuple[str, str]:
    """Colour and line: the accent for the first labelled curve on these axes, then those of classes."""
    k = len(labelled(ax)) - 1
    return (ACCENT, "solid") if k < 0 else (class_colour(k), class_line(k))


def labelled(ax: Axes) -> list[Line2D]:
    """The curves with a label of their own, which may begin with "_"; of others it is "", or made by Matplotlib."""
    return [line for line in ax.lines if not re.fullmatch(r"|_child\d+", str(line.get_label()))]


def name_axes(ax: Axes, x: str, y: str) -> None:
    """Label both axes."""
    ax.set_xlabel(x, size=LABEL_SIZE, color=INK)
    ax.set_ylabel(y, size=LABEL_SIZE, color=INK)


def light_grid(ax: Axes) -> None:
    """A grid to read values from, too faint to compete with them."""
    ax.grid(True, which="major", color=FAINT, linewidth=0.8)


def legend_outside(ax: Axes, handles: Sequence[Artist], names: Sequence[str]) -> None:
    """A legend that covers no data: a row above the axes, or a column beside them where a row is too long."""
    row = len(names) <= 4 and sum(map(len, names)) <= 44
    place = {"bbox_to_anchor": (-0.02, 1.0), "ncols": len(names)} if row else {"bbox_to_anchor": (1.0, 1.02)}
    gaps = {"handletextpad": 0.2, "columnspacing": 1.2, "borderaxespad": 0.2}
    legend(ax, handles, names, loc="lower left" if row else "upper left", **place, **gaps)
    ax.yaxis.set_offset_position("right")  # at the left it would be under the row


def legend_inside(ax: Axes, loc: Literal["upper right", "lower right"]) -> None:
    """A small legend of the labelled curves, in a corner these curves leave empty."""
    curves = labelled(ax)
    names = [str(curve.get_label()) for curve in curves]
    ground = {"frameon": True, "facecolor": "white", "edgecolor": "none", "framealpha": 0.85, "borderpad": 0.2}
    size = TICK_SIZE if len(names) <= MOST_LARGE else SMALL_SIZE
    legend(ax, curves, names, loc=loc, handlelength=2.2, fontsize=size, **ground)


def legend(ax: Axes, handles: Sequence[Artist], names: Sequence[str], **place: Any) -> None:
    """A legend of the first few, which says how many more there are."""
    more = len(names) - MOST_NAMED
    if more > 0:
        handles = [*handles[:MOST_NAMED], Line2D([], [], linestyle="")]
        names = [*names[:MOST_NAMED], f"and {more} more"]
    look = {"frameon": False, "fontsize": TICK_SIZE, "labelcolor": INK} | place
    drawn = ax.legend(handles, names, **look)
    for handle in drawn.legend_handles:
        if isinstance(handle, PathCollection):
            handle.set(alpha=1, sizes=[30])
