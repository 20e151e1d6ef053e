"""python -m benchmarks.alike [--rows N] [--out FILE.json]

A fit of a Parquet file of a few categories, from the file to coefficients: where rows that are alike are counted, where
they are not, and scikit-learn's OneHotEncoder and LogisticRegression. Each in a process of its own, the best of three;
and how long of that the solver took, once the rows are read and encoded.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, process_time
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.measure import ROOT, confine, machine

LEVELS = (2, 3, 4, 5, 6)
TARGET = "y"
REPEATS = 3


def main() -> None:
    """Makes the set, and prints what each way took."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.alike", description=(__doc__ or "").split("\n\n")[1])
    parser.add_argument("--rows", type=int, default=1_400_000, help="of the set that is made (default 1,400,000)")
    parser.add_argument("--out", type=Path, metavar="FILE.json")
    arguments = parser.parse_args()
    with TemporaryDirectory() as scratch:
        path = Path(scratch) / "set.parquet"
        pq.write_table(made(arguments.rows), path)
        results = {name: run(name, path) for name in WAYS}
    print("\n".join(report(arguments.rows, results)))
    if arguments.out:
        arguments.out.write_text(json.dumps({"machine": machine(), **results}, indent=1) + "\n")


def made(rows: int) -> pa.Table:
    """Categories of LEVELS levels, and a target of two classes that they explain. The first level is the commonest, so
    that it is the reference of all and they penalise the same."""
    random = np.random.default_rng(0)
    codes = [np.maximum(random.integers(-1, many, size=rows), 0) for many in LEVELS]
    eta = -1.0 + sum(0.3 * code * (-1) ** (j + 1) for j, code in enumerate(codes))
    texts = {f"c{j}": np.array([f"level {i}" for i in range(LEVELS[j])])[code] for j, code in enumerate(codes)}
    return pa.table({**texts, TARGET: np.where(random.logistic(size=rows) < eta, "yes", "no")})


def run(way: str, path: Path) -> dict[str, Any]:
    """A way in a fresh process."""
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.alike", way, str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{way}: {done.stderr.strip().splitlines()[-1]}")
    return json.loads(done.stdout.splitlines()[-1])


def measured(way: str, path: str) -> dict[str, Any]:
    """Seconds of the whole call, of all processors too, of the solver, and the log-odds of a row of each kind."""
    confine()
    fit, times, answer = WAYS[way], [], None
    fit(path)  # imports, and the file into the system's memory
    for _ in range(REPEATS):
        started, worked = perf_counter(), process_time()
        answer, solver = fit(path)
        times.append((perf_counter() - started, process_time() - worked, solver))
    seconds, processor, solver = (min(each) for each in zip(*times, strict=True))
    return {"seconds": seconds, "processor": processor, "solver": solver, "answer": answer}


def ours(path: str) -> tuple[list[float], float]:
    import separatrix

    model = separatrix.LogisticRegression(tol=1e-12).fit(separatrix.open(path), target=TARGET)
    return model.decision_function(kinds()).tolist(), model.trace_.seconds


def row_by_row(path: str) -> tuple[list[float], float]:
    """As if no two rows were alike."""
    from separatrix.data.streams import collapse, learn

    learn.may_repeat, collapse.NEW = (lambda rows: False), -1.0
    return ours(path)


def scikit_learn(path: str) -> tuple[list[float], float]:
    import pandas as pd
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    table = pd.read_parquet(path)
    encoder, model = OneHotEncoder(drop="first"), LogisticRegression()
    X, y = encoder.fit_transform(table.drop(columns=TARGET)), table[TARGET]
    started = perf_counter()
    model.fit(X, y)
    solver = perf_counter() - started
    return make_pipeline(encoder, model).decision_function(kinds()).tolist(), solver


def kinds() -> Any:
    """Rows in which each level of each column is, as a dataframe."""
    import pandas as pd

    return pd.DataFrame({f"c{j}": [f"level {i % many}" for i in range(max(LEVELS))] for j, many in enumerate(LEVELS)})


WAYS: dict[str, Callable[[str], tuple[list[float], float]]] = {
    "separatrix": ours,
    "separatrix, row by row": row_by_row,
    "scikit-learn": scikit_learn,
}


def report(rows: int, results: dict[str, dict[str, Any]]) -> list[str]:
    """The table; answers differ by so much from the first."""
    first = results["separatrix"]
    lines = [
        f"| made, {rows:,} x {len(LEVELS)} categories | seconds | of processors | ratio | solver | ratio | differs |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, result in results.items():
        apart = np.abs(np.subtract(result["answer"], first["answer"])).max()
        whole, solver = (f"{result[what] / first[what]:.1f}" for what in ("seconds", "solver"))
        seconds = f"{result['seconds']:.3f} | {result['processor']:.3f} | {whole} | {result['solver']:.4f} | {solver}"
        lines.append(f"| {name} | {seconds} | {apart:.0e} |")
    return lines


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] in WAYS:
        print(json.dumps(measured(sys.argv[1], sys.argv[2])))
    else:
        main()
