"""The summary in a terminal: colours where there is a terminal, plain text where there is not."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from separatrix.report.summarize import Summary, align, number

MOST_COEFFICIENTS = 20


def show(summary: Summary, console: Console) -> None:
    """Print a summary (see `summarize`): held-out metrics, findings, coefficients and the fit, in this order."""
    data, fit = summary["data"], summary["fit"]
    console.print()
    console.print(Text(summary["title"], style="bold"))
    console.print(Text(_sizes(data), style="dim"))
    console.print()
    console.print(Text(summary["headline"]))
    _section(console, "Held-out rows", _metrics(summary))
    if len(summary["per_class"]) > 2:
        _section(console, "By class", _per_class(summary))
    if summary["findings"]:
        _findings(console, summary["findings"])
    _coefficients(console, summary)
    console.print()
    console.print(Text("Fit", style="bold"))
    for line in _fit(fit):
        console.print(Padding(Text(line), (0, 0, 0, 2)))
    console.print()


def _sizes(data: Summary) -> str:
    return (
        f"{data['source']}: {data['rows']:,} rows, {data['training_rows']:,} to train on and "
        f"{data['held_out_rows']:,} held out; {data['columns']:,} columns, {data['features']:,} features"
    )


def _section(console: Console, title: str, table: Table) -> None:
    console.print()
    console.print(Text(title, style="bold"))
    console.print(Padding(table, (0, 0, 0, 1)))


def _table(first: str, names: Iterable[str]) -> Table:
    """Names on the left, which fold when room is short; numbers on the right, which never do."""
    table = Table(box=None, pad_edge=False, padding=(0, 1), header_style="dim")
    table.add_column(Text(first), overflow="fold")
    for name in names:
        table.add_column(Text(name), justify="right", no_wrap=True)
    return table


def _fill(table: Table, labels: Sequence[str], columns: Sequence[Sequence[str]]) -> Table:
    for label, *cells in zip(labels, *map(align, columns), strict=True):
        table.add_row(Text(label), *map(Text, cells))
    return table


def _metrics(summary: Summary) -> Table:
    rows = summary["metrics"]
    table = _table("", ["model", "baseline"])
    values = [[number(row[key]) for row in rows] for key in ("value", "baseline")]
    return _fill(table, [row["label"] for row in rows], values)


def _per_class(summary: Summary) -> Table:
    rows, names = summary["per_class"], ("precision", "recall", "f1", "support")
    return _fill(
        _table("class", names),
        [row["label"] for row in rows],
        [[number(row[name]) for row in rows] for name in names],
    )


def _findings(console: Console, findings: Sequence[Summary]) -> None:
    console.print()
    console.print(Text("Findings", style="bold"))
    for finding in findings:
        style = "yellow" if finding["level"] == "warning" else "cyan"
        head = Text.assemble((f"{finding['code']} ", style), (f"{finding['level']}: {finding['title']}. ", "bold"))
        console.print(Padding(head + Text(f"{finding['text']} {finding['remedy']}"), (0, 0, 0, 2)))


class _Line(NamedTuple):
    label: str
    coefficient: float
    odds_ratio: float | None = None
    per_sd: float | None = None
    strength: float = 0.0


def _coefficient_lines(table: Summary) -> list[_Line]:
    """One line a coefficient, the strongest first: with several classes, each feature has several."""
    classes, many = table["of"], len(table["of"]) > 1
    lines = [
        _Line(
            label=f"{row['feature']} → {classes[k]}" if many else row["feature"],
            coefficient=row["coefficients"][k],
            odds_ratio=row["odds_ratios"][k],
            per_sd=row["odds_ratios_per_sd"][k],
            strength=abs(row["effects"][k]),
        )
        for row in table["rows"]
        for k in range(len(classes))
    ]
    return sorted(lines, key=lambda line: -line.strength)


def _coefficients(console: Console, summary: Summary) -> None:
    coefficients, kind = summary["coefficients"], "" if summary["task"] == "linear" else " (log-odds)"
    lines = _coefficient_lines(coefficients)
    shown = lines[:MOST_COEFFICIENTS]
    if len(coefficients["of"]) == 1:
        shown.append(_Line("intercept", coefficients["intercepts"][0]))
    columns = {"coefficient": [number(line.coefficient) for line in shown]}
    if summary["task"] != "linear":
        columns["odds ratio"] = [number(line.odds_ratio) for line in shown]
    if summary["task"] != "linear" and coefficients["scaled"]:
        columns["per sd"] = [number(line.per_sd) for line in shown]
    table = _fill(_table("", columns), [line.label for line in shown], list(columns.values()))
    _section(console, f"Coefficients{kind}, the strongest first", table)
    if len(lines) > MOST_COEFFICIENTS:
        console.print(Text(f"  and {len(lines) - MOST_COEFFICIENTS:,} more, in the report", style="dim"))


def _fit(fit: Summary) -> list[str]:
    penalty = "no penalty" if fit["C"] is None else f"C = {fit['C']:g}"
    return [
        f"{fit['solver']}, {penalty}: {fit['why']}",
        f"{fit['passes']:,} passes, {number(fit['seconds'])} s, mean loss {number(fit['loss'])}; {fit['certificate']}",
    ]
