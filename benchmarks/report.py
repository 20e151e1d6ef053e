"""Results as tables and pictures: python -m benchmarks.report FILE.json writes docs/benchmarks.md and its pictures."""

import json
import math
import sys
from pathlib import Path
from typing import Any

from benchmarks.measure import ROOT

Record = dict[str, Any]
Row = dict[str, Any]

PAGE = ROOT / "docs" / "benchmarks.md"
PICTURES = ROOT / "docs" / "pictures"
START, END = "<!-- results: written by python -m benchmarks.report -->", "<!-- end of results -->"
HEAD = ["solver", "seconds", "ratio", "gap", "own gap", "tol", "threads", "iterations", "memory (MB)", "remark"]


def main(file: str) -> None:
    """Puts the tables between the page's two markers, and draws the pictures."""
    from benchmarks.pictures import draw_ratios, draw_scaling

    records = json.loads(Path(file).read_text())
    plain = [record for record in records if not is_scaling(record)]
    scaling = [record for record in records if is_scaling(record) and "missing" not in record]
    before, rest = PAGE.read_text().split(START)
    after = rest.split(END)[1]
    images = []
    for name, draw, some in (("ratios", draw_ratios, plain), ("scaling", draw_scaling, scaling)):
        if some:
            draw(some).savefig(PICTURES / f"benchmark_{name}.png", metadata={"Software": None})
            images.append(f"![{name}](pictures/benchmark_{name}.png)")
    PAGE.write_text("\n\n".join([before + START, *images, page(plain), END + after]))


def is_scaling(record: Record) -> bool:
    return record["name"].startswith(("rows-", "columns-"))


def page(records: list[Record]) -> str:
    """The machine, the summary, and the table of every case."""
    measured = [record for record in records if "missing" not in record]
    machines = {json.dumps(record["machine"], sort_keys=True): record["machine"] for record in measured}
    parts = [machine_line(machine) for machine in machines.values()]
    return "\n\n".join([*parts, summary(measured), *map(table, records)])


def machine_line(machine: Record) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    return (
        f"{machine['processor']}, {machine['used']} cores used of {machine['cores']}, {machine['system']}; {versions}."
    )


def summary(records: list[Record]) -> str:
    """One line for each case: separatrix and the fastest of the others."""
    head = ["case", "rows x columns", "separatrix", "fastest other", "its seconds", "ratio"]
    return grid(head, [summary_line(record) for record in records])


def summary_line(record: Record) -> list[str]:
    own = ours(record)
    others = [row for row in record["entries"] if row["status"] == "reached" and row["peer"] != "separatrix"]
    best = min(others, key=lambda row: row["run"]["seconds"], default=None)
    mine = seconds(own) if own and own["status"] == "reached" else own["status"] if own else ""
    name = f"{best['peer']} (own objective)" if best and best["own_gap"] is not None else best and best["peer"]
    theirs = [name, seconds(best), ratio(best, own)] if best else ["none", "", ""]
    return [record["name"], shape(record), mine, *theirs]


def table(record: Record) -> str:
    """A case and its solvers in Markdown, fastest first."""
    if "missing" in record:
        return f"### {record['name']}\n\nNot run: {record['missing']}"
    own = ours(record)
    rows = sorted(record["entries"], key=order)
    lines = [f"### {record['name']}", caption(record), grid(HEAD, [cells(row, own) for row in rows])]
    return "\n\n".join(lines)


def caption(record: Record) -> str:
    """Shape, penalty, and what the optimum rests on."""
    reference = record["reference"]
    spread = reference["spread"]
    names = " and ".join(reference["solvers"])
    checked = f"{names} agree to {spread:.0e}" if reference["agreed"] else f"{names} DISAGREE by {spread:.0e}"
    checked = f"not cross-checked ({names or 'no reference solver'})" if math.isnan(spread) else checked
    trial = " A trial on fewer rows." if record["quick"] else ""
    penalty = f"C = {record['C']:g}, l1_ratio = {record['l1_ratio']:g}"
    return (
        f"{shape(record)}, {record['classes']} classes, {penalty}. Optimum {reference['value']:.10g}: {checked}.{trial}"
    )


def shape(record: Record) -> str:
    return f"{record['rows']:,} x {record['columns']:,}{' sparse' if record['sparse'] else ''}"


def cells(row: Row, own: Row | None) -> list[str]:
    """A solver's line."""
    run = row["run"]
    if run is None:
        return [row["peer"], *[""] * 8, row["note"] or row["status"]]
    own_gap = "" if row["own_gap"] is None else f"{row['own_gap']:.0e}"
    tail = [f"{run['tol']:g}", f"{run['threads']}", f"{run['iterations']:,}", f"{run['megabytes']:,.0f}", remark(row)]
    return [row["peer"], seconds(row), ratio(row, own), f"{row['gap']:.0e}", own_gap, *tail]


def remark(row: Row) -> str:
    """What a reader has to know of the time in this line."""
    if row["status"] == "short":
        return f"stops short of 1e-6. {row['note']}".strip()
    return "own objective: penalises the intercept" if row["own_gap"] is not None else ""


def seconds(row: Row) -> str:
    value = row["run"]["seconds"]
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


def ratio(row: Row, own: Row | None) -> str:
    """Times separatrix's seconds; empty where either did not reach the gap."""
    value = ratio_value(row, own)
    return "" if value is None else f"{value:.2g}" if value < 100 else f"{value:.0f}"


def ratio_value(row: Row, own: Row | None) -> float | None:
    both = own is not None and own["status"] == row["status"] == "reached"
    return row["run"]["seconds"] / own["run"]["seconds"] if own and both else None


def ours(record: Record) -> Row | None:
    return next((row for row in record["entries"] if row["peer"] == "separatrix"), None)


def order(row: Row) -> tuple[int, float]:
    """Those that reached the gap by their time, then those that stopped short, then the others."""
    rank = {"reached": 0, "short": 1}.get(row["status"], 2)
    return rank, row["run"]["seconds"] if row["run"] else 0.0


def grid(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table, its columns padded so that it also reads as plain text."""
    rows = [[cell.replace("|", "/") for cell in row] for row in rows]
    widths = [max(len(row[k]) for row in [head, *rows]) for k in range(len(head))]
    rule = ["-" * width for width in widths]
    lines = [[cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in [head, rule, *rows]]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    main(sys.argv[1])
