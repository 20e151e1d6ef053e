"""Results as tables and pictures: python -m benchmarks.report [FILE.json] puts them into docs/benchmarks.md."""

import argparse
import json
import math
from pathlib import Path
from typing import Any

from benchmarks.cases import CASES, GOALS, PRIMAL_GOALS, SCIKIT_LEARN_GOALS
from benchmarks.judge import AGREE
from benchmarks.measure import LEAST, ROOT
from benchmarks.peers import OURS, SCIKIT_LEARN

Record = dict[str, Any]
Row = dict[str, Any]

PAGE = ROOT / "docs" / "benchmarks.md"
PICTURES = ROOT / "docs" / "pictures"
RESULTS = ROOT / "benchmarks" / "results.json"  # the last run of every case
ELSEWHERE = ROOT / "benchmarks" / "results_elsewhere.json"  # of another machine and day, what goals need
START, END = "<!-- results: written by python -m benchmarks.report -->", "<!-- end of results -->"
MISSED = "**missed**"
LARGE_SHARE = 0.3  # of X's size, taken on top of it
HEAD = ["solver", "seconds", "ratio", "gap", "own gap", "tol", "threads", "iterations", "memory (MB)", "remark"]


def main(file: Path = RESULTS) -> None:
    """Puts the tables between the two markers of the page, and draws the pictures."""
    from benchmarks.pictures import draw_ratios, draw_scaling

    try:
        records = json.loads(file.read_text())
    except (OSError, ValueError) as unread:
        raise SystemExit(f"no results in {file}: {unread}") from None
    plain = [record for record in records if not is_scaling(record)]
    plain.sort(key=lambda record: list(CASES).index(record["name"]))
    scaling = [record for record in records if is_scaling(record) and "missing" not in record]
    before, rest = PAGE.read_text().split(START)
    after = rest.split(END)[1]
    images, sizes = [], [scaling_table(scaling)] if scaling else []
    for name, draw, some in (("ratios", draw_ratios, plain), ("scaling", draw_scaling, scaling)):
        if some:
            draw(some).savefig(PICTURES / f"benchmark_{name}.png", metadata={"Software": None})
            images.append(f"![{name}](pictures/benchmark_{name}.png)")
    elsewhere = json.loads(ELSEWHERE.read_text())
    PAGE.write_text("\n\n".join([before + START, *images, *sizes, page(plain, elsewhere), END + after]))


def is_scaling(record: Record) -> bool:
    return record["name"].startswith(("rows-", "columns-"))


def scaling_table(records: list[Record]) -> str:
    """The numbers of the picture: seconds of each solver, empty where it took longer than the limit."""
    peers = list(dict.fromkeys(row["peer"] for record in records for row in record["entries"]))
    times = [[time_of(record, peer) for peer in peers] for record in records]
    lines = [
        [shape(record), *("" if each is None else f"{each:.3g}" for each in line)]
        for record, line in zip(records, times, strict=True)
    ]
    least, most = (f"{choose(map(limit, records)):.0f}" for choose in (min, max))
    allowed = most if least == most else f"{least} to {most}"
    text = f"Seconds. A solver's line ends, and its place is empty, where it took more than the limit ({allowed} s)."
    return f"{text}\n\n{grid(['rows x columns', *peers], lines)}"


def time_of(record: Record, peer: str) -> Any:
    """Seconds of a solver that reached the gap, else None."""
    row = next((row for row in record["entries"] if row["peer"] == peer), None)
    return row["run"]["seconds"] if row and row["status"] == "reached" else None


def page(records: list[Record], elsewhere: list[Record]) -> str:
    """The machine, the summary, the goals, the memory, and the table of every case."""
    measured = [record for record in records if "missing" not in record]
    machines = dict.fromkeys(machine_line(record["machine"]) for record in measured)
    parts = [*machines, limits_line(measured), summary(measured), goals(measured, elsewhere), memory(measured)]
    return "\n\n".join([*parts, *map(table, records)])


def limits_line(records: list[Record]) -> str:
    """How long a fit was given, the usual limit first, and which solvers some cases were run without."""
    patient = [record["patience"] for record in records if record.get("patience")]
    cases: dict[float, list[str]] = {}
    for record in records:
        if limit(record) and not record.get("patience"):
            cases.setdefault(limit(record), []).append(record["name"])
    told = []
    if patient:
        most = " or ".join(f"{each:g}" for each in sorted(set(patient)))
        told = [f"Other solvers were given {most} times the seconds of separatrix's tightest fit, {LEAST:g} at least"]
    if cases:
        usual, *others = sorted(cases, key=lambda each: -len(cases[each]))
        more = "".join(f", {each:g} for {', '.join(cases[each])}" for each in others)
        told.append(f"`--limit` was {usual:g} seconds a fit{more}")
    every = {row["peer"] for record in records for row in record["entries"]} - OURS
    absent = {name for name in every for record in records if name not in {row["peer"] for row in record["entries"]}}
    part = f" Not run for every case: {', '.join(sorted(absent))}." if absent else ""
    return f"{'; '.join(told)}: a solver that does not arrive may only have been slow.{part}"


def limit(record: Record) -> float:
    """Seconds a fit was given; of results that do not say, those after which one was killed, or 0."""
    killed = [run["seconds"] for row in record["entries"] for run in row["runs"] if run["status"] == "killed"]
    return record.get("limit") or max(killed, default=0.0)


def goals(records: list[Record], elsewhere: list[Record]) -> str:
    """How many times separatrix's seconds the fastest other takes, beside how many it should, and what it was on
    another machine; not of trials."""
    head = ["case", "against", "goal", "reached", "by", "", "liblinear aside", "with numba", "elsewhere"]
    lines, others = goal_lines(records), goal_lines(elsewhere)
    there = {tuple(line[:2]): line for line in others}
    text = (
        "The goal is how many times separatrix's seconds the fastest other solver takes. Where no other arrived, "
        "its time is over the limit. *primal*: any but the dual of liblinear. *liblinear aside*: where liblinear, "
        "which penalises the intercept, is the fastest, the best of those that solve the same problem. *with numba*: "
        "reached with the extra that compiles a loop."
    )
    parts = [f"{text} {missed(lines)}"]
    if others:
        machines = " and ".join(dict.fromkeys(record["machine"]["processor"] for record in elsewhere))
        parts.append(f"*elsewhere*: what was reached on {machines}, another day. {missed(others)}")
    shown = [[*line, there.get(tuple(line[:2]), [""] * 4)[3]] for line in lines]
    return "\n\n".join(["### Goals", *parts, grid(head, shown)])


def missed(lines: list[list[str]]) -> str:
    """Which goals are."""
    names = [f"{line[0]} ({line[3]} of {line[2]})" for line in lines if line[5] == MISSED]
    return f"Missed, {len(names)} of {len(lines)}: {', '.join(names)}." if names else f"All {len(lines)} are met."


def goal_lines(records: list[Record]) -> list[list[str]]:
    """A line for each goal of a case that was run whole."""
    named = {record["name"]: record for record in records if not record["quick"]}
    against = [("any", GOALS), ("scikit-learn", SCIKIT_LEARN_GOALS)]
    return [
        goal_line(named[name], whom, goal) for whom, some in against for name, goal in some.items() if name in named
    ]


def goal_line(record: Record, against: str, goal: float) -> list[str]:
    primal = record["name"] in PRIMAL_GOALS
    rows = [row for row in record["entries"] if row["peer"] not in OURS]
    rows = [row for row in rows if not (primal and row["peer"] == "liblinear-dual")]
    rows = [row for row in rows if against == "any" or row["peer"] in SCIKIT_LEARN]
    own, compiled = ours(record), ours(record, "separatrix-numba")
    shown, name, verdict = against_goal(record, own, rows, goal)
    same = [row for row in rows if row["own_gap"] is None]
    aside = against_goal(record, own, same, goal)[0] if name.startswith("liblinear") else ""
    numba = against_goal(record, compiled, rows, goal)[0] if compiled and compiled["run"] else ""
    return [record["name"], "primal" if primal else against, f"{goal:g}", shown, name, verdict, aside, numba]


def against_goal(record: Record, own: Row | None, rows: list[Row], goal: float) -> tuple[str, str, str]:
    """The fastest row's seconds over our own, its name, and whether the goal is met."""
    if own is None or own["status"] != "reached":
        return "separatrix did not arrive", "", MISSED
    best = min((row for row in rows if row["status"] == "reached"), key=lambda row: row["run"]["seconds"], default=None)
    if best:
        value = best["run"]["seconds"] / own["run"]["seconds"]
        return on_its_side(value, goal), best["peer"], "met" if value >= goal else MISSED
    if not any(run["status"] == "killed" for row in rows for run in row["runs"]):
        return "no other arrived", "", ""
    value = limit(record) / own["run"]["seconds"]
    return f"over {short(value)}", "none", "met" if value >= goal else "not known"


def memory(records: list[Record]) -> str:
    """What each fit of a dense X took on top of it, as a share of its size, the largest first."""
    dense = [record for record in records if not record["sparse"] and megabytes(record) is not None]
    dense.sort(key=lambda record: -megabytes(record) / size(record))
    head = ["case", "X (MB)", "the fit on top (MB)", "share of X", ""]
    lines = [memory_line(record) for record in dense]
    large = [line[0] for line in lines if line[-1]]
    text = (
        "What separatrix's fit took on top of a dense X (rows x columns x 8 bytes), in the run whose time counts. Of a "
        "small X it is mostly buffers of the BLAS and Python's own objects."
    )
    told = (
        f"More than {percent(LARGE_SHARE)} of X: {', '.join(large)}."
        if large
        else f"None is above {percent(LARGE_SHARE)}."
    )
    return f"### Memory\n\n{text} {told}\n\n{grid(head, lines)}"


def memory_line(record: Record) -> list[str]:
    share = megabytes(record) / size(record)
    above = f"above {percent(LARGE_SHARE)}" if share > LARGE_SHARE else ""
    return [record["name"], f"{size(record):,.3g}", f"{megabytes(record):,.0f}", percent(share), above]


def percent(share: float) -> str:
    return f"{100 * share:,.0f} %"


def size(record: Record) -> float:
    """Megabytes of a dense X."""
    return 8e-6 * record["rows"] * record["columns"]


def megabytes(record: Record) -> Any:
    """What separatrix took on top of X, or None."""
    own = ours(record)
    return own["run"]["megabytes"] if own and own["run"] else None


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
    others = [row for row in record["entries"] if row["status"] == "reached" and row["peer"] not in OURS]
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
    head, lines = HEAD, [cells(row, own) for row in rows]
    if record["l1_ratio"]:
        head = [*head[:-1], "kept", head[-1]]
        lines = [[*line[:-1], kept(row), line[-1]] for line, row in zip(lines, rows, strict=True)]
    return "\n\n".join([f"### {record['name']}", caption(record), grid(head, lines)])


def kept(row: Row) -> str:
    """How many columns have a coefficient."""
    return f"{row['run']['kept']:,}" if row["run"] else ""


def caption(record: Record) -> str:
    """Shape, penalty, and what the optimum rests on."""
    reference = record["reference"]
    spread = reference["spread"]
    names = " and ".join(reference["solvers"])
    checked = f"{names} agree to {spread:.0e}" if reference["agreed"] else f"{names} DISAGREE by {spread:.0e}"
    checked = f"not cross-checked ({names or 'no reference solver'})" if math.isnan(spread) else checked
    proven = reference["proven"]
    checked = f"proven to {max(proven, 1e-15):.0e} by duality" if proven <= AGREE else checked
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
    return "" if value is None else short(value)


def short(value: float) -> str:
    return f"{value:.2g}" if value < 100 else f"{value:.0f}"


def on_its_side(value: float, goal: float) -> str:
    """As many digits of a value as it takes to tell on which side of a goal it is, two at least.

    >>> on_its_side(3.996, 4.0), on_its_side(4.04, 4.0)
    ('3.996', '4')
    """
    texts = [short(value), *(f"{value:.{digits}g}" for digits in range(3, 17))]
    return next(text for text in texts if (float(text) >= goal) == (value >= goal))


def ratio_value(row: Row, own: Row | None) -> float | None:
    both = own is not None and own["status"] == row["status"] == "reached"
    return row["run"]["seconds"] / own["run"]["seconds"] if own and both else None


def ours(record: Record, name: str = "separatrix") -> Row | None:
    return next((row for row in record["entries"] if row["peer"] == name), None)


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
    parser = argparse.ArgumentParser(prog="python -m benchmarks.report", description=(__doc__ or "").split(":")[0])
    parser.add_argument("file", type=Path, nargs="?", default=RESULTS, metavar="FILE.json")
    main(parser.parse_args().file)
