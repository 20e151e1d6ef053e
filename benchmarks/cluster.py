"""python -m benchmarks.cluster [--rows N] [--folder DIR] [--write]

A fit on one worker process and on two, and what its parts cost: a pass over rows, a task, a message. From these
figures, a model on paper of 10, 100 and 1,000 workers. --write puts it into docs/benchmarks.md.

Beside the clock it reads for how long the busiest worker had a processor, which other work disturbs less.
"""

import argparse
import os
import pickle
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from math import ceil, log
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import separatrix
from benchmarks.measure import ROOT
from separatrix import LogisticRegression
from separatrix.data.memory import memory_source
from separatrix.data.streams.learn import Question
from separatrix.data.threads import one_blas_thread
from separatrix.data.workers.client import connected
from separatrix.data.workers.cluster import FAN, ClusterSource
from separatrix.data.workers.partitions import LOT_ROWS, MOST_LOTS, learned_source
from separatrix.engine.objective import Objective
from separatrix.equations.losses import LogLoss
from separatrix.equations.penalties import L2

PAGE = ROOT / "docs" / "benchmarks.md"
START, END = "<!-- cluster: written by python -m benchmarks.cluster --write -->", "<!-- end of cluster -->"
COLUMNS, WIDE, FILE_ROWS, REPEATS = 30, 1_000, 250_000, 5
NETWORK, HOP = 1.25e9, 5e-4  # bytes and seconds: 10 Gbit/s and a switched network, which one machine cannot show
MODEL_ROWS, MODEL_WORKERS = (1e9, 1e11), (10, 100, 1_000)


@dataclass(frozen=True)
class Time:
    """Seconds by the clock, and of the processor that was busiest."""

    clock: float
    busy: float

    def __str__(self) -> str:
        return f"{self.clock:.2f} ({self.busy:.2f})"

    def over(self, other: "Time") -> str:
        """How many times faster the other is."""
        return f"{self.clock / other.clock:.2f} ({self.busy / other.busy:.2f})"


@dataclass(frozen=True)
class Fit:
    """A fit on so many workers, its passes, its first reading, and a pass of each order."""

    workers: int
    whole: Time
    reading: Time
    gradient: Time
    curvature: Time
    passes: int


@dataclass(frozen=True)
class Costs:
    """What one worker does in a second, and what a task and a message cost.

    `reading`, `gradient` and `curvature` are rows a second, by the number of columns, of a worker that reads Parquet,
    and then what it has kept; `task` seconds of the scheduler, `latency` of a task that waits for another; `message`
    the bytes of a sum beyond its numbers. `memory` are gradients and curvatures of rows in memory, for comparison.
    """

    reading: dict[int, float]
    gradient: dict[int, float]
    curvature: dict[int, float]
    task: float
    latency: float
    message: float
    memory: dict[int, tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """How many readings, gradient passes and curvature passes a fit takes."""

    gradients: int
    curvatures: int


def main() -> None:
    """Measures, models, and prints or writes both."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cluster", description=(__doc__ or "").split("\n\n")[1])
    parser.add_argument("--rows", type=int, default=2_000_000, help="of the set that is fitted (default 2,000,000)")
    parser.add_argument("--folder", type=Path, help="where the set is made, and stays (default: a temporary one)")
    parser.add_argument("--write", action="store_true", help="into docs/benchmarks.md")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        make(folder / "narrow", arguments.rows, COLUMNS)
        make(folder / "wide", 40_000, WIDE, file_rows=20_000)
        fits = [fit(workers, folder / "narrow") for workers in (1, 2)]
        costs = measured(folder)
    text = page(arguments.rows, fits, costs)
    print(text)
    if arguments.write:
        before, rest = PAGE.read_text().split(START)
        PAGE.write_text(f"{before}{START}\n\n{text}\n\n{END}{rest.split(END)[1]}")


def make(folder: Path, rows: int, columns: int, file_rows: int = FILE_ROWS) -> None:
    """Parquet files of normal columns, and a label that they explain in part; if they are not there already."""
    folder.mkdir(parents=True, exist_ok=True)
    w = np.random.default_rng(0).standard_normal(columns) / np.sqrt(columns)
    for number, first in enumerate(range(0, rows, file_rows)):
        path = folder / f"part-{number:04d}.parquet"
        if path.exists():
            continue
        random = np.random.default_rng([1, number])
        X = random.standard_normal((min(file_rows, rows - first), columns))
        label = (X @ w + random.logistic(size=len(X)) > 0) * 1
        table = {f"x{j}": np.ascontiguousarray(column) for j, column in enumerate(X.T)}
        pq.write_table(pa.table({**table, "y": label}), path, use_dictionary=["y"])


@contextmanager
def on_workers(workers: int, folder: Path) -> Iterator[Any]:
    """The set of a folder on so many processes of one core each, which have imported all they need."""
    with connected(workers=workers) as client:
        client.run(lambda: import_module("separatrix.data.workers.partitions"))
        yield separatrix.open(str(folder / "*.parquet"), client=client)


def fit(workers: int, folder: Path) -> Fit:
    """A fit, and its parts one by one."""
    with on_workers(workers, folder) as data:
        passes = LogisticRegression().fit(data, target="y").trace_.passes
        whole = timed(data.client, lambda: LogisticRegression().fit(data, target="y"), repeats=2)
        reading = timed(data.client, lambda: read(data), repeats=2)
        gradient, curvature = orders(data)
    return Fit(workers, whole, reading, gradient, curvature, passes)


def orders(data: Any) -> list[Time]:
    """A gradient pass over the rows that workers have kept, and a curvature pass."""
    with read(data).working() as source:
        objective = objective_of(source)
        theta = np.zeros((source.n_columns + 1, 1))
        objective.evaluate(theta, order=1)  # which spills
        return [timed(data.client, partial(objective.evaluate, theta, order)) for order in (1, 2)]


def timed(client: Any, work: Callable[[], Any], repeats: int = REPEATS) -> Time:
    """The least seconds of some runs."""
    times = []
    for _ in range(repeats):
        before, started = client.run(process_time), perf_counter()
        work()
        clock, after = perf_counter() - started, client.run(process_time)
        times.append(Time(clock, max(after[worker] - before[worker] for worker in after)))
    return Time(min(each.clock for each in times), min(each.busy for each in times))


def read(data: Any) -> ClusterSource:
    """The set as a source on its workers."""
    _, source = learned_source(data, Question("y"))
    if not isinstance(source, ClusterSource):
        raise SystemExit("the set has room here: pass more --rows")
    return source


def objective_of(source: Any) -> Objective:
    """A penalised log loss."""
    penalty = L2(np.full(source.n_columns, 1e-6))
    return Objective(source.recoded(lambda y: y.reshape(-1, 1) * 1.0), LogLoss(), penalty, True)


def best(work: Callable[[], Any], repeats: int = REPEATS, clock: Callable[[], float] = process_time) -> float:
    """The seconds that the fastest of some runs has this process's processor, or by another clock."""
    seconds = []
    for _ in range(repeats):
        started = clock()
        work()
        seconds.append(clock() - started)
    return min(seconds)


def measured(folder: Path) -> Costs:
    """What things cost: rows, tasks and messages on one worker, and rows in memory in this process on one core."""
    reading, gradient, curvature, memory = {}, {}, {}, {}
    for columns, name in ((COLUMNS, "narrow"), (WIDE, "wide")):
        with on_workers(1, folder / name) as data:
            rows = data.rows or 0
            reading[columns] = rows / timed(data.client, lambda data=data: read(data), repeats=2).busy
            gradient[columns], curvature[columns] = (rows / each.busy for each in orders(data))
        rows = 40_000
        X = np.random.default_rng(0).standard_normal((rows, columns))
        with one_blas_thread():
            objective = objective_of(memory_source(X, (X[:, 0] > 0) * 1, n_threads=1))
            theta = np.zeros((columns + 1, 1))
            memory[columns] = (
                rows / best(lambda objective=objective, theta=theta: objective.evaluate(theta, 1)),
                rows / best(lambda o=objective, theta=theta: o.evaluate(theta, 2), repeats=2),
            )
    task, latency = tasks()
    sums = objective.evaluate(theta, 1).gradient
    message = float(len(pickle.dumps(sums)) - sums.nbytes + 500)
    return Costs(reading, gradient, curvature, task, latency, message, memory)


def tasks() -> tuple[float, float]:
    """Seconds of the scheduler for a task, of many that have nothing to do; and of one that waits for another."""
    with connected(workers=1) as client:

        def many(count: int) -> None:
            futures = [client.submit(os.getpid, pure=False) for _ in range(count)]
            client.submit(len, futures, pure=False).result()

        def chain(length: int) -> None:
            future = client.submit(int, pure=False)
            for _ in range(length):
                future = client.submit(abs, future, pure=False)
            future.result()

        many(10)
        task = (best(lambda: many(600)) - best(lambda: many(100))) / 500
        waits = [best(lambda length=length: chain(length), clock=perf_counter) for length in (60, 10)]
        return task, (waits[0] - waits[1]) / 50


def pass_seconds(rows: float, workers: int, rate: float, numbers: float, costs: Costs) -> tuple[float, float, float]:
    """A pass on so many workers: the seconds of its rows, of its tasks at the scheduler, and of the reduction of its
    sums: what they wait for each other, and travel."""
    lots = min(MOST_LOTS, ceil(rows / LOT_ROWS))
    depth = ceil(log(max(lots, 2), FAN))
    scheduling = lots * (1 + 1 / (FAN - 1)) * costs.task
    size = 8 * numbers + costs.message
    # In each layer a worker fetches FAN - 1 sums; in the first, those that it does not have itself.
    first = (FAN - 1) * size / NETWORK * ceil(lots / FAN / workers)
    moved = first + (depth - 1) * (FAN - 1) * size / NETWORK
    return rows / rate / workers, scheduling, depth * (costs.latency + HOP) + moved


def fit_seconds(rows: float, columns: int, workers: int, plan: Plan, costs: Costs) -> tuple[float, float]:
    """A fit: seconds of its rows, and of what is around them."""
    kinds = (
        (2, costs.reading[columns], 50.0 * columns),  # the tally, and the first pass, which spills
        (plan.gradients, costs.gradient[columns], columns),
        (plan.curvatures, costs.curvature[columns], columns**2),
    )
    parts = [(many, *pass_seconds(rows, workers, rate, size, costs)) for many, rate, size in kinds]
    return sum(many * a for many, a, *_ in parts), sum(many * (b + c) for many, _, b, c in parts)


def crossing(rows: float, columns: int, plan: Plan, costs: Costs) -> int:
    """The number of workers from which on a fit spends more time around the rows than over them."""
    return first(lambda workers: fit_seconds(rows, columns, workers, plan, costs))


def first(parts: Callable[[int], tuple[float, float]]) -> int:
    """The least number of workers, to a twentieth, whose second part is no less than the first."""
    workers = 1
    while True:
        one, other = parts(workers)
        if other >= one:
            return workers
        workers = ceil(workers * 1.05)


def pass_table(costs: Costs) -> list[str]:
    """A pass of each kind: its seconds, with the shares of tasks and of reduction, and where these become longer than
    the work on its rows."""
    lines = [
        f"| a pass | {' | '.join(f'{w:,} workers' for w in MODEL_WORKERS)} | tasks and reduction half from | "
        "reduction longer than the rows from |",
        "|---|---|---|---|---|---|",
    ]
    for rows in MODEL_ROWS:
        for columns in (COLUMNS, WIDE):
            for name, rate, size in (
                ("gradient", costs.gradient[columns], columns),
                ("curvature", costs.curvature[columns], columns**2),
            ):
                parts = partial(pass_seconds, rows, rate=rate, numbers=size, costs=costs)
                cells = [shares(*parts(workers)) for workers in MODEL_WORKERS]
                both = first(lambda workers, parts=parts: (parts(workers)[0], sum(parts(workers)[1:])))
                alone = first(lambda workers, parts=parts: (parts(workers)[0], parts(workers)[2]))
                what = f"{name}, 1e{log(rows, 10):.0f} x {columns:,}"
                lines.append(f"| {what} | {' | '.join(cells)} | {both:,} workers | {alone:,} workers |")
    return lines


def shares(compute: float, scheduling: float, reduction: float) -> str:
    """A pass in words: its time, and the parts of it that are tasks and that are reduction.

    >>> shares(90.0, 20.0, 10.0)
    '2.0 min (17 %, 8 %)'
    """
    total = compute + scheduling + reduction
    return f"{spoken(total)} ({100 * scheduling / total:.0f} %, {100 * reduction / total:.0f} %)"


def page(rows: int, fits: list[Fit], costs: Costs) -> str:
    """The figures in words and tables."""
    one, two = fits
    plan, load = Plan(max(one.passes - 4, 1), 2), os.getloadavg()[2]
    lines = [
        f"{rows:,} rows x {COLUMNS} columns of Parquet on a machine of {os.cpu_count()} cores, worker processes of a "
        "thread each; scheduler and client share the cores with them, and so did other work, to a load of "
        f"{load:.0f}. In brackets, for how long the busiest worker had a processor, which that disturbs less; but two "
        "processes on one machine also share its caches and its memory.",
        "",
        "| workers | fit (s) | its passes | first reading (s) | a gradient pass (s) | a curvature pass (s) |",
        "|---|---|---|---|---|---|",
        *(f"| {f.workers} | {f.whole} | {f.passes} | {f.reading} | {f.gradient} | {f.curvature} |" for f in fits),
        f"| ratio | {one.whole.over(two.whole)} | | {one.reading.over(two.reading)} | "
        f"{one.gradient.over(two.gradient)} | {one.curvature.over(two.curvature)} |",
        "",
        f"A worker of one core reads {costs.reading[COLUMNS]:,.0f} rows of {COLUMNS} columns of Parquet a second for "
        f"the first time, and {costs.reading[WIDE]:,.0f} of {WIDE:,}; of those that it has kept on its disk it adds up "
        f"the gradient of {costs.gradient[COLUMNS]:,.0f} and {costs.gradient[WIDE]:,.0f}, the curvature of "
        f"{costs.curvature[COLUMNS]:,.0f} and {costs.curvature[WIDE]:,.0f}. In memory that is "
        f"{costs.memory[COLUMNS][0]:,.0f} and {costs.memory[WIDE][0]:,.0f}, {costs.memory[COLUMNS][1]:,.0f} and "
        f"{costs.memory[WIDE][1]:,.0f}. A task costs the scheduler {1e3 * costs.task:.2f} ms, one that waits for "
        f"another {1e3 * costs.latency:.1f} ms; a sum takes {costs.message:,.0f} bytes beside its numbers.",
        "",
        f"On paper: two readings of the files, {plan.gradients} gradient passes and {plan.curvatures} curvature passes "
        f"over rows that each worker keeps, at most {MOST_LOTS:,} shares, sums added up {FAN} at a time, 10 Gbit/s and "
        f"{1e3 * HOP:g} ms a hop (assumed: one machine has no network). In brackets the share of the time that is "
        "scheduling, messages and reduction; last, the number of workers from which on that is more than half.",
        "",
        f"| rows x columns | {' | '.join(f'{w:,} workers' for w in MODEL_WORKERS)} | half from |",
        "|---|---|---|---|---|",
    ]
    for rows_ in MODEL_ROWS:
        for columns in (COLUMNS, WIDE):
            cells = [cell(*fit_seconds(rows_, columns, workers, plan, costs)) for workers in MODEL_WORKERS]
            half = f"{crossing(rows_, columns, plan, costs):,} workers"
            lines.append(f"| 1e{log(rows_, 10):.0f} x {columns:,} | {' | '.join(cells)} | {half} |")
    lines += [
        "",
        "One pass by itself. In brackets the shares of the tasks at the scheduler, and of the reduction alone, which "
        "grows with the depth of the tree, and that with the shares, not with the workers.",
        "",
        *pass_table(costs),
    ]
    return "\n".join(lines)


def cell(compute: float, around: float) -> str:
    """Seconds, minutes or hours, and the part that is not spent on rows.

    >>> cell(100.0, 100.0)
    '3.3 min (50 %)'
    """
    total = compute + around
    return f"{spoken(total)} ({100 * around / total:.0f} %)"


def spoken(seconds: float) -> str:
    """Seconds, minutes or hours.

    >>> spoken(0.25), spoken(90.0)
    ('0.2 s', '1.5 min')
    """
    unit, name = next(((u, n) for u, n in ((3600.0, "h"), (60.0, "min")) if seconds >= u), (1.0, "s"))
    return f"{seconds / unit:,.1f} {name}"


if __name__ == "__main__":
    main()
