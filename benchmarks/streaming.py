"""python -m benchmarks.streaming --data DIR [--rows N] [--folder DIR] [--out FILE.json]

A fit of Parquet files that do not fit in memory: seconds beside those of reading them, passes, resident memory, and
whether it is the fit of memory; beside scikit-learn's SGDClassifier.partial_fit. Needs flights_3m.parquet in --data.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.flights import NAMES, TARGET, make
from benchmarks.measure import ROOT, confine, machine, peak_bytes

Result = dict[str, Any]
READERS = ("pyarrow", "polars", "duckdb")
RUNS = 3
MOST_MEGABYTES, MOST_PASSES, MOST_RATIO, SAME = 700, 7, 1.5, 1e-7


def main() -> None:
    """Makes the set where it is absent, and prints what fresh processes took."""
    arguments = parse()
    with TemporaryDirectory() as scratch:
        folder = arguments.folder or Path(scratch)
        if not list(folder.glob("*.parquet")):
            make(arguments.data / "flights_3m.parquet", folder, arguments.rows)
        jobs = [*READERS, "fit", "sgd", "tenth"]
        results = {job: best(job, folder) if job in (*READERS, "fit") else run(job, folder) for job in jobs}
        results |= {f"{job}, cold": best(job, folder, cold=True) for job in ("pyarrow", "fit")}
        results["gaps"] = run("gaps", folder, {name: results[name]["theta"] for name in ("fit", "sgd")})
    print("\n".join(report(results)), flush=True)
    if arguments.out:
        arguments.out.write_text(json.dumps({"machine": machine(), **results}, indent=1) + "\n")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.streaming", description=(__doc__ or "").split("\n\n")[1]
    )
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder with flights_3m.parquet")
    parser.add_argument("--rows", type=int, default=30_000_000, help="of the set that is made (default 30,000,000)")
    parser.add_argument("--folder", type=Path, metavar="DIR", help="where the set is, or is made and kept")
    parser.add_argument("--out", type=Path, metavar="FILE.json")
    return parser.parse_args()


def best(job: str, folder: Path, cold: bool = False) -> Result:
    """The fastest of RUNS: memory that a virtual machine has never used before is slow for once."""
    return min((run(job, folder, cold=cold) for _ in range(RUNS)), key=lambda result: result["seconds"])


def run(job: str, folder: Path, given: Any = None, cold: bool = False) -> Result:
    """One job in a fresh process; cold: the files are not in the system's memory."""
    if cold:
        forget(folder)
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.streaming", job, str(folder), json.dumps(given)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{job}: {done.stderr.strip().splitlines()[-1]}")
    return json.loads(done.stdout.splitlines()[-1])


def forget(folder: Path) -> None:
    """Asks the system to keep none of the files in its memory."""
    for path in folder.glob("*.parquet"):
        with path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def work(job: str, folder: Path, given: Any) -> Result:
    """A job, its seconds, and the peak of this process's resident memory."""
    confine()
    result = JOBS[job](folder, given)
    return {**result, "megabytes": peak_bytes() / 2**20}


def dataset(folder: Path, files: int | None = None) -> Any:
    import separatrix

    return separatrix.open([str(path) for path in sorted(folder.glob("*.parquet"))[:files]])


def read_by_pyarrow(folder: Path, given: Any) -> Result:
    """Every batch as the fit would read it."""
    data, started = dataset(folder), perf_counter()
    rows = sum(len(batch) for batch in data.batches())
    return {"seconds": perf_counter() - started, "rows": rows}


def read_by_polars(folder: Path, given: Any) -> Result:
    """A sum of every column."""
    import polars

    started = perf_counter()
    polars.scan_parquet(str(folder / "*.parquet")).select(polars.all().sum()).collect(engine="streaming")
    return {"seconds": perf_counter() - started}


def read_by_duckdb(folder: Path, given: Any) -> Result:
    """A sum of every column."""
    import duckdb

    started = perf_counter()
    sums = ", ".join(f'sum("{name}")' for name in (*NAMES, TARGET))
    duckdb.sql(f"SELECT {sums} FROM '{folder}/*.parquet'").fetchall()
    return {"seconds": perf_counter() - started}


def fit(folder: Path, given: Any) -> Result:
    """The fit, from open to coefficients."""
    from separatrix import LogisticRegression

    started = perf_counter()
    model = LogisticRegression().fit(dataset(folder), target=TARGET)
    return {
        "seconds": perf_counter() - started,
        "passes": 1 + model.trace_.passes,  # the first, which learns the columns, is not the engine's
        "gap": model.certificate_.gap,
        "solver": model.trace_.solver,
        "theta": [*model.coef_[0].tolist(), float(model.intercept_[0])],
    }


def sgd(folder: Path, given: Any) -> Result:
    """A pass to standardise, and one of SGDClassifier.partial_fit, in the units of the columns."""
    from sklearn.linear_model import SGDClassifier
    from sklearn.preprocessing import StandardScaler

    data, started = dataset(folder), perf_counter()
    scaler = StandardScaler()
    for X, _ in arrays(data):
        scaler.partial_fit(X)
    # Its own alpha is another objective, but with a smaller one its steps are too long, and the answer is worse.
    model = SGDClassifier(loss="log_loss", average=True, random_state=0)
    for X, y in arrays(data):
        model.partial_fit(scaler.transform(X), y, classes=[0, 1])
    seconds = perf_counter() - started
    w = model.coef_[0] / scaler.scale_
    return {"seconds": seconds, "passes": 2, "theta": [*w.tolist(), float(model.intercept_[0] - w @ scaler.mean_)]}


def tenth(folder: Path, given: Any) -> Result:
    """The largest difference of a coefficient between a tenth as a stream and in memory, in standard deviations of its
    column, beside the largest coefficient."""
    from separatrix import LogisticRegression

    data = dataset(folder, max(1, len(list(folder.glob("*.parquet"))) // 10))
    stream = LogisticRegression().fit(data, target=TARGET)
    X, y = (np.concatenate(parts) for parts in zip(*arrays(data), strict=True))
    started = perf_counter()
    memory = LogisticRegression().fit(X, y)
    unit = X.std(axis=0)
    apart = np.abs((stream.coef_ - memory.coef_) * unit).max() / np.abs(memory.coef_ * unit).max()
    return {"seconds": perf_counter() - started, "rows": len(y), "apart": float(apart)}


def gaps(folder: Path, given: dict[str, list[float]]) -> Result:
    """How far the objective of each answer is above the lowest, relative to it; one reading."""
    totals, rows = dict.fromkeys(given, 0.0), 0
    for X, y in arrays(dataset(folder)):
        rows += len(y)
        for name, theta in given.items():
            eta = X @ np.array(theta[:-1]) + theta[-1]
            totals[name] += float(np.sum(np.logaddexp(0, eta) - y * eta))
    values = {name: (total + np.square(given[name][:-1]).sum() / 2) / rows for name, total in totals.items()}
    return {name: value / min(values.values()) - 1 for name, value in values.items()}


def arrays(data: Any) -> Any:
    """X (rows, 12) and y (rows,), batch by batch."""
    for batch in data.batches():
        columns: list[NDArray] = [batch[name].to_numpy() for name in NAMES]
        yield np.column_stack(columns), batch[TARGET].to_numpy()


JOBS = {"fit": fit, "sgd": sgd, "tenth": tenth, "gaps": gaps}
JOBS |= {"pyarrow": read_by_pyarrow, "polars": read_by_polars, "duckdb": read_by_duckdb}


def report(results: dict[str, Result]) -> list[str]:
    """The table, and what was to be reached."""
    lines = ["| what | seconds | passes | resident MB | gap |", "| --- | --- | --- | --- | --- |"]
    for name, result in results.items():
        if name in ("tenth", "gaps"):
            continue
        label = name if name.split(",")[0] in ("fit", "sgd") else f"reading, {name}"
        gap = results["gaps"].get(name)
        cells = [f"{result['seconds']:.1f}", str(result.get("passes", 1)), f"{result['megabytes']:.0f}"]
        lines.append(f"| {label} | {' | '.join(cells)} | {'' if gap is None else f'{gap:.1e}'} |")
    ours, cold = results["fit"], results["fit, cold"]
    ratio = ours["seconds"] / (ours["passes"] * results["pyarrow"]["seconds"])
    ratio_cold = cold["seconds"] / (cold["passes"] * results["pyarrow, cold"]["seconds"])
    return [
        *lines,
        "",
        f"{results['pyarrow']['rows']:,} rows; proven gap {ours['gap']:.1e}",
        f"resident memory: {ours['megabytes']:.0f} MB, to be below {MOST_MEGABYTES}",
        f"passes: {ours['passes']}, at most {MOST_PASSES}",
        f"over reading so many times: {ratio:.2f}, cold {ratio_cold:.2f}, to be at most {MOST_RATIO}",
        f"from the fit of {results['tenth']['rows']:,} rows in memory: {results['tenth']['apart']:.1e}, at most {SAME}",
    ]


if __name__ == "__main__":
    if len(sys.argv) == 4 and sys.argv[1] in JOBS:
        print(json.dumps(work(sys.argv[1], Path(sys.argv[2]), json.loads(sys.argv[3]))))
    else:
        main()
