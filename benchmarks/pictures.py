"""Two pictures of the results: the ratios of every case, and how time grows with rows and columns."""

from math import ceil

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.peers import OURS as SEPARATRIX
from benchmarks.report import Record, Row, order, ours, ratio, ratio_value, seconds, time_of

# Petroff (2021), arXiv:2107.02270: ten colours told apart with any colour vision.
# fmt: off
PALETTE = ("#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6",
           "#a96b59", "#e76300", "#b9ac70", "#717581", "#92dadd")
# fmt: on
OURS, GREY, ABREAST = "#a3004f", "#666c75", 4
FLOOR = 0.01  # where bars begin: a hundredth of separatrix's time


def draw_ratios(records: list[Record]) -> Figure:
    """A panel for each case that separatrix solved: every solver's time over separatrix's, on one logarithmic scale."""
    records = [record for record in records if "missing" not in record and solved(record)]
    down = ceil(len(records) / ABREAST)
    figure = Figure(figsize=(3.6 * ABREAST, 2.3 * down + 0.6), dpi=130, layout="constrained")
    panels = figure.subplots(down, ABREAST, sharex=True, squeeze=False).ravel()
    for panel, record in zip(panels, records, strict=False):
        bars(panel, record)
    for panel in panels[len(records) :]:
        panel.set_axis_off()
    figure.suptitle("Seconds to a relative gap of 1e-6, over those of separatrix (hatched: did not get there)")
    return figure


def solved(record: Record) -> bool:
    own = ours(record)
    return own is not None and own["status"] == "reached"


def bars(panel: Axes, record: Record) -> None:
    """Fastest on top, the ratio at the end of its bar; hatched, as far as they came, those that did not arrive."""
    own = ours(record)
    assert own is not None
    rows = [row for row in sorted(record["entries"], key=order) if row["runs"]]
    for height, row in enumerate(reversed(rows)):
        value = ratio_value(row, own)
        length = value or spent(row) / own["run"]["seconds"]
        colour = OURS if row["peer"] in SEPARATRIX else PALETTE[0] if value else "white"
        panel.barh(height, length - FLOOR, left=FLOOR, color=colour, edgecolor=GREY, hatch="" if value else "////")
        panel.text(length * 1.15, height, ratio(row, own), va="center", fontsize=7)
    panel.set_xscale("log")
    panel.set_xlim(FLOOR, 1e5)
    panel.axvline(1, color=OURS, linewidth=0.8)
    panel.set_yticks(range(len(rows)), [row["peer"] for row in reversed(rows)], fontsize=7)
    panel.tick_params(axis="x", labelsize=7)
    panel.spines[["top", "right"]].set_visible(False)
    panel.set_title(f"{record['name']}, {record['rows']:,} x {record['columns']:,}: {seconds(own)} s", fontsize=7)


def spent(row: Row) -> float:
    """The longest a solver was given without arriving; a fit that failed has no time."""
    return max((run["seconds"] for run in row["runs"] if run["status"] in ("done", "killed")), default=0.1)


def draw_scaling(records: list[Record]) -> Figure:
    """Time against rows, and against columns."""
    figure = Figure(figsize=(9, 4), dpi=130, layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    lines(left, [record for record in records if record["name"].startswith("rows-")], "rows", "28 columns")
    lines(right, [record for record in records if record["name"].startswith("columns-")], "columns", "50,000 rows")
    left.set_ylabel("seconds to a relative gap of 1e-6")
    right.legend(*left.get_legend_handles_labels(), frameon=False, fontsize=8)
    return figure


def lines(panel: Axes, records: list[Record], across: str, title: str) -> None:
    """One line for each solver, through the cases it solved."""
    records = sorted(records, key=lambda record: record[across])
    names = [row["peer"] for row in records[0]["entries"]] if records else []
    colours = iter(PALETTE)
    for name in names:
        points = [(record[across], time_of(record, name)) for record in records if time_of(record, name)]
        colour = OURS if name == "separatrix" else next(colours)
        panel.plot(*zip(*points, strict=True) if points else ([], []), marker="o", color=colour, label=name)
    panel.set(xscale="log", yscale="log", xlabel=across, title=title)
    panel.spines[["top", "right"]].set_visible(False)
