"""The summary in a terminal: colours where there is a terminal, plain text where there is not."""

from collections.abc import Sequence
from typing import NamedTuple

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from separatrix.errors import counted, listing
from separatrix.regression.summary import pvalue
from separatrix.report.summarize import Summary, align, number, percent

MOST_COEFFICIENTS = 20
MOST_COLUMNS = 40
MOST_ESTIMATES = 40
WIDE = 100  # columns of a terminal in which odds ratios fit beside the estimates
MOST_CLASSES = 12
GAP, SHORTEST = 2, 4  # blanks between columns, and a width to which labels can fold


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
    _section(console, metrics, _metrics(summary))
    if len(summary["per_class"]) > 2:
        _section(console, "By class", _per_class(summary))
    if summary["confusion"] and (table := _confusion(summary["confusion"], console.width - 2)):
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


def _section(console: Console, title: str, table: Table) -> None:
    _head(console, title)
    console.print(Padding(table, (0, 0, 0, 2), expand=False))


def _table(first: str, labels: Sequence[str], columns: dict[str, list[str]], widest: int = WIDE) -> Table:
    """Labels on the left, which fold when room is short; numbers on the right, which never do, below names that fold
    where they are longer than the `widest` and the numbers."""
    table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="dim")
    table.add_column(Text(first), overflow="fold")
    cells = []
    for name, numbers in columns.items():
        aligned, header = align(numbers), Text(name, justify="right", overflow="fold", no_wrap=False)
        width = max([min(header.cell_len, widest), *map(len, aligned)])
        table.add_column(header, width=width, no_wrap=True)
        cells.append([text.rjust(width) for text in aligned])
    for label, *numbers in zip(labels, *cells, strict=True):
        table.add_row(Text(label), *map(Text, numbers))
    return table


def _metrics(summary: Summary) -> Table:
    rows = summary["metrics"]
    columns = {
        "model": [number(row["value"]) for row in rows],
        "baseline": [number(row["baseline"]) for row in rows],
    }
    return _table("", [row["label"] for row in rows], columns)


def _per_class(summary: Summary) -> Table:
    rows = summary["per_class"]
    columns = {name: [number(row[name]) for row in rows] for name in ("precision", "recall", "f1", "support")}
    return _table("class", [row["label"] for row in rows], columns)


def _confusion(confusion: Summary, room: int) -> Table | None:
    """Each name has an even share of the room; None where there are too many, or no room for the counts."""
    classes, many = confusion["classes"], len(confusion["classes"])
    columns = [[number(row[k]) for row in confusion["matrix"]] for k in range(many)]
    longest = max(len(count) for counts in columns for count in counts)
    if many > MOST_CLASSES or many * (longest + GAP) + SHORTEST > room:
        return None
    return _table("", classes, dict(zip(classes, columns, strict=True)), widest=room // (many + 1) - GAP)


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
    table = _table("", [line.label for line in shown], columns)
    _section(console, f"Coefficients{kind}, the strongest first", table)
    _more(console, len(lines) - MOST_COEFFICIENTS)


def _estimates(console: Console, estimates: Summary) -> None:
    """The table of estimates of each class, what tests say, how much is explained, and what to know."""
    many = f"{estimates['observations']} observations, {estimates['level']} intervals"
    for part in estimates["parts"]:
        against = f" of {part['of']} against {estimates['reference']}" if part["of"] else ""
        columns = _estimate_columns(estimates, part["rows"][:MOST_ESTIMATES])
        labels = [row["feature"] for row in part["rows"][:MOST_ESTIMATES]]
        ratios = columns.pop("odds ratio", []) if console.width < WIDE else []
        _section(console, f"Estimates{against}, from {many}", _table("", labels, columns))
        # The first row is the intercept.
        if known := [(label, ratio) for label, ratio in zip(labels[1:], ratios[1:], strict=False) if ratio]:
            names, ratios = map(list, zip(*known, strict=True))
            _section(console, f"Odds ratios{against}", _table("", names, {"odds ratio": ratios}))
        _more(console, len(part["rows"]) - MOST_ESTIMATES)
    if estimates["tests"]:
        _section(console, "Tests: no effect, no lack of fit", _tests(estimates["tests"][:MOST_ESTIMATES]))
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


def _tests(tests: Sequence[Summary]) -> Table:
    columns = {
        "test": [test["method"] for test in tests],
        "statistic": [number(test["value"]) for test in tests],
        "df": [test["df"] for test in tests],
        "P": [pvalue(test["p_value"]) for test in tests],
    }
    return _table("", [test["what"] for test in tests], columns)


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
