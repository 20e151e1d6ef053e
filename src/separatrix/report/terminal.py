"""The summary in a terminal: colours where there is a terminal, plain text where there is not."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from rich.cells import cell_len
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from separatrix.errors import counted, listing, percent
from separatrix.regression.summary import pvalue
from separatrix.report.summarize import Summary, align, number

MOST_COEFFICIENTS = 20
MOST_COLUMNS = 40
MOST_ESTIMATES = 40
MOST_CLASSES = 12
INDENT, GAP, SHORTEST = 2, 2, 4  # blanks before a table and between columns, and a width to which labels can fold
LABELS = 0.28  # of the width of the terminal: what labels that long have at least
PAIRED = "high"  # the column that stands beside the one before it


def show(summary: Summary, console: Console) -> None:
    """Print a fit (see `summarize`): held-out metrics, findings, columns, coefficients, how it was found."""
    _judged(summary, console, _sizes(summary["data"]), summary["judged"].capitalize())
    if summary["findings"]:
        _findings(console, summary["findings"])
    _columns(console, summary["columns"])
    if summary["estimates"]:
        _estimates(console, summary["estimates"])
    else:
        _coefficients(console, summary)
    _head(console, "Fit")
    for line in _fit(summary["fit"]):
        _indented(console, Text(line))
    console.print()


def show_evaluation(summary: Summary, console: Console) -> None:
    """Print how a model does on new rows (see `summarize_evaluation`): metrics, classes, confusion."""
    data = summary["data"]
    _judged(summary, console, [f"{data['source']}: {counted(data['rows'], 'row')}"], "Metrics")
    console.print()


def _judged(summary: Summary, console: Console, sizes: Sequence[str], metrics: str) -> None:
    """What a fit and an evaluation have in common: the title, the rows, and how good the predictions are."""
    _head(console, summary["title"])
    for line in sizes:
        console.print(Text(line, style="dim"))
    console.print()
    console.print(Text(summary["headline"]))
    _section(console, metrics, *_metrics(console, summary))
    if len(summary["per_class"]) > 2:
        _section(console, "By class", *_per_class(console, summary))
    if summary["confusion"] and (table := _confusion(summary["confusion"], console.width - INDENT)):
        _section(console, "Confusion matrix: the true class down, the predicted across", table)
    for note in summary["notes"]:
        _indented(console, Text(f"{note.rstrip('.')}."))


def _sizes(data: Summary) -> list[str]:
    held_out = data["held_out_rows"]
    parts = f"{data['training_rows']:,} to train on and {held_out:,} held out" if held_out else "all to train on"
    made = f"{counted(data['columns'], 'column')}, {counted(data['features'], 'feature')}"
    lines = [f"{data['source']}: {counted(data['rows'], 'row')}, {parts}; {made}"]
    if data["rates"]:
        shares = [f"{label} {percent(rate)}%" for label, rate in zip(data["classes"], data["rates"], strict=True)]
        by_weight = f", by {data['weight']}" if data["weight"] else ""
        lines.append(f"training rows by class{by_weight}: {listing(shares, MOST_CLASSES)}")
    if data["offset"]:
        lines.append(f"offset: {data['offset']} is added to the linear predictor")
    return lines


def _head(console: Console, title: str) -> None:
    console.print()
    console.print(Text(title, style="bold"))


def _section(console: Console, title: str, *tables: Table) -> None:
    _head(console, title)
    for k, table in enumerate(tables):
        if k:
            console.print()
        console.print(Padding(table, (0, 0, 0, INDENT), expand=False))


Cells = Mapping[str, Sequence[str]]
"""Name of a column -> its cells."""


def _tables(console: Console, labels: Sequence[str], columns: Cells) -> list[Table]:
    """Labels on the left, numbers on the right: one table or, where the labels of one would have no room, several below
    each other, as in R. The points of numbers meet unless that takes one more."""
    room = console.width - INDENT - min(max(map(cell_len, labels), default=0), int(LABELS * console.width))
    aligned = {name: align(numbers) for name, numbers in columns.items()}
    parts = min((_parts(cells, room) for cells in (aligned, columns)), key=len)
    return [_table(labels, part) for part in parts]


def _parts(columns: Cells, room: int) -> list[dict[str, Sequence[str]]]:
    """The columns in parts that have room, in order."""
    parts: list[dict[str, Sequence[str]]] = [{}]
    for name, cells in columns.items():
        pair = dict([parts[-1].popitem()] if name == PAIRED else []) | {name: cells}
        if parts[-1] and _width(parts[-1] | pair) > room:
            parts.append({})
        parts[-1] |= pair
    return parts


def _width(columns: Cells) -> int:
    """What columns of numbers take, with a gap before each."""
    return sum(GAP + max(map(cell_len, (name, *cells))) for name, cells in columns.items())


def _table(labels: Sequence[str], columns: Cells, widest: int | None = None) -> Table:
    """Labels fold when room is short; numbers never do, below names that fold where they are longer than the `widest`
    and the numbers."""
    table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="dim")
    table.add_column(overflow="fold")
    cells = []
    for name, numbers in columns.items():
        header = Text(name, justify="right", overflow="fold", no_wrap=False)
        width = max([min(header.cell_len, widest or header.cell_len), *map(len, numbers)])
        table.add_column(header, width=width, no_wrap=True)
        cells.append([text.rjust(width) for text in numbers])
    for label, *numbers in zip(labels, *cells, strict=True):
        table.add_row(Text(label), *map(Text, numbers))
    return table


def _metrics(console: Console, summary: Summary) -> list[Table]:
    rows = summary["metrics"]
    columns = {
        "model": [number(row["value"]) for row in rows],
        "baseline": [number(row["baseline"]) for row in rows],
    }
    return _tables(console, [row["label"] for row in rows], columns)


def _per_class(console: Console, summary: Summary) -> list[Table]:
    rows = summary["per_class"]
    columns = {name: [number(row[name]) for row in rows] for name in ("precision", "recall", "f1", "support")}
    return _tables(console, [row["label"] for row in rows], columns)


def _confusion(confusion: Summary, room: int) -> Table | None:
    """Each name has an even share of the room; None where there are too many, or no room for the counts."""
    classes, many = confusion["classes"], len(confusion["classes"])
    columns = [[number(row[k]) for row in confusion["matrix"]] for k in range(many)]
    longest = max(len(count) for counts in columns for count in counts)
    if many > MOST_CLASSES or many * (longest + GAP) + SHORTEST > room:
        return None
    return _table(classes, dict(zip(classes, columns, strict=True)), widest=room // (many + 1) - GAP)


def _findings(console: Console, findings: Sequence[Summary]) -> None:
    _head(console, "Findings")
    for finding in findings:
        style = "yellow" if finding["level"] == "warning" else "cyan"
        head = Text.assemble((f"{finding['code']} ", style), (f"{finding['level']}: {finding['title']}. ", "bold"))
        _indented(console, head + Text(f"{finding['text']} {finding['remedy']}"))


def _indented(console: Console, text: Text) -> None:
    """A paragraph two columns in, its lines without trailing blanks (which Padding would leave)."""
    for line in text.wrap(console, console.width - 2):
        line.rstrip()
        console.print(Text("  ") + line)


def _columns(console: Console, columns: Sequence[Summary]) -> None:
    """What was done to each column; the target is not among them."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(overflow="fold", max_width=30)
    table.add_column(overflow="fold")
    for row in columns[:MOST_COLUMNS]:
        table.add_row(Text(row["column"]), Text(row["what"]))
    _section(console, "Columns, and what was done to each", table)
    _more(console, len(columns) - MOST_COLUMNS)


def _more(console: Console, many: int) -> None:
    if many > 0:
        console.print(Text(f"  and {many:,} more, in the report", style="dim"))


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
    lines = [line for line in _coefficient_lines(coefficients) if line.coefficient != 0]  # zeros are counted below
    shown = lines[:MOST_COEFFICIENTS]
    if len(coefficients["of"]) == 1:
        shown.append(_Line("intercept", coefficients["intercepts"][0]))
    columns = {"coefficient": [number(line.coefficient) for line in shown]}
    if summary["task"] != "linear":
        columns["odds ratio"] = [number(line.odds_ratio) for line in shown]
        columns["odds ratio per sd"] = [number(line.per_sd) for line in shown]
    tables = _tables(console, [line.label for line in shown], columns)
    _section(console, f"Coefficients{kind}, the strongest first", *tables)
    _more(console, len(lines) - MOST_COEFFICIENTS)


def _estimates(console: Console, estimates: Summary) -> None:
    """The table of estimates of each class, what tests say, how much is explained, and what to know."""
    many = f"{estimates['observations']} observations, {estimates['level']} intervals"
    for part in estimates["parts"]:
        against = f" of {part['of']} against {estimates['reference']}" if part["of"] else ""
        columns = _estimate_columns(estimates, part["rows"][:MOST_ESTIMATES])
        labels = [row["feature"] for row in part["rows"][:MOST_ESTIMATES]]
        _section(console, f"Estimates{against}, from {many}", *_tables(console, labels, columns))
        _more(console, len(part["rows"]) - MOST_ESTIMATES)
    if estimates["tests"]:
        tables = _tests(console, estimates["tests"][:MOST_ESTIMATES])
        _section(console, "Tests: no effect, no lack of fit", *tables)
        _more(console, len(estimates["tests"]) - MOST_ESTIMATES)
    _head(console, "What the estimates rest on")
    _indented(console, Text("; ".join(f"{fact['fact']} {number(fact['value'])}" for fact in estimates["facts"])))
    for note in estimates["notes"]:
        _indented(console, Text(f"- {note}"))


def _estimate_columns(estimates: Summary, rows: Sequence[Summary]) -> dict[str, list[str]]:
    """The columns of the table; without odds ratios where there are none."""
    letter = estimates["statistic"]
    columns = {
        "coefficient": [row["infinite"] or number(row["coefficient"]) for row in rows],
        "std err": [_known(row["std_error"]) for row in rows],
        letter: ["" if row["statistic"] is None else f"{row['statistic']:.2f}" for row in rows],
        f"P>|{letter}|": ["" if row["p_value"] is None else pvalue(row["p_value"]) for row in rows],
        "low": [_known(row["low"]) for row in rows],
        "high": [_known(row["high"]) for row in rows],
        "odds ratio": [_known(row["odds_ratio"]) for row in rows],
    }
    return {name: cells for name, cells in columns.items() if any(cells)}


def _known(value: float | None) -> str:
    return "" if value is None else number(value)


def _tests(console: Console, tests: Sequence[Summary]) -> list[Table]:
    columns = {
        "test": [test["method"] for test in tests],
        "statistic": [number(test["value"]) for test in tests],
        "df": [test["df"] for test in tests],
        "P": [pvalue(test["p_value"]) for test in tests],
    }
    return _tables(console, [test["what"] for test in tests], columns)


def _fit(fit: Summary) -> list[str]:
    penalty = "no penalty" if fit["C"] is None else f"C = {fit['C']:g}"
    penalty += f", l1_ratio = {fit['l1_ratio']:g}" if fit["l1_ratio"] else ""
    return [
        f"{fit['solver']}, {penalty}: {fit['why']}",
        *([fit["choice"]] if fit["choice"] else []),
        *([f"{fit['zeros']}."] if fit["zeros"] else []),
        f"{fit['passes']:,} passes, {number(fit['seconds'])} s, mean loss {number(fit['loss'])}",
        fit["quality"],
    ]
