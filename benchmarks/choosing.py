"""python -m benchmarks.choosing [--limit SECONDS] [--scoring NAME]

Choosing among 10 Cs by 5 folds, beside scikit-learn's LogisticRegressionCV: seconds, and whether the scores agree.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks.cases import Data, builtin, gaussian, indicators, read_openml
from benchmarks.measure import REPEATS, ROOT, SHORT, confine

CASES: dict[str, Callable[..., Data]] = {
    "breast_cancer-raw": partial(builtin, name="breast_cancer"),
    "made 100,000 x 28": partial(gaussian, rows=100_000, columns=28, correlation=0.5),
    "made 20,000 x 300": partial(gaussian, rows=20_000, columns=300, correlation=0.5),
    "made 10,000 x 500": partial(gaussian, rows=10_000, columns=500, correlation=0.5),
    "made 3,845 x 1,617, mostly zeros": indicators,
}
PEERS: dict[str, dict[str, Any]] = {
    "separatrix": {},
    "newton-cholesky": {"solver": "newton-cholesky"},
    "lbfgs": {"solver": "lbfgs"},
    "lbfgs, until its scores are exact": {"solver": "lbfgs", "tol": 1e-6, "max_iter": 10_000},
}
Result = dict[str, Any]


def main() -> None:
    """A table for each data set; every fit in a process of its own."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.choosing", description=(__doc__ or "").split("\n\n")[1])
    parser.add_argument("--limit", type=float, default=300, metavar="SECONDS", help="for one fit (default 300)")
    parser.add_argument("--scoring", default="neg_log_loss", help="a scikit-learn scorer (default neg_log_loss)")
    arguments = parser.parse_args()
    for case in CASES:
        results = {peer: run(case, peer, arguments.scoring, arguments.limit) for peer in PEERS}
        print("\n".join(table(case, results)), flush=True)


def run(case: str, peer: str, scoring: str, limit: float) -> Result | None:
    """The seconds, processor seconds and scores of a fit in a new process; None after the limit."""
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.choosing", case, peer, scoring]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=limit, check=True)
    except subprocess.TimeoutExpired:
        return None
    return json.loads(done.stdout.splitlines()[-1])


def measured(case: str, peer: str, scoring: str) -> Result:
    """What `run` gives, measured in this process after a fit of a few rows."""
    confine()
    X, y = CASES[case](read_openml)
    few = np.concatenate([np.flatnonzero(y == k)[:40] for k in (0, 1)])
    model(peer, scoring).fit(X[few], y[few])
    best: Result = {"seconds": np.inf}
    for _ in range(REPEATS):
        started, used = perf_counter(), process_seconds()
        fitted = model(peer, scoring).fit(X, y)
        seconds = perf_counter() - started
        if seconds < best["seconds"]:
            best = {
                "seconds": seconds,
                "processor": process_seconds() - used,
                "scores": fitted.scores_.ravel().tolist(),
            }
        if seconds > SHORT:
            break
    return best


def process_seconds() -> float:
    times = os.times()
    return times.user + times.system


def model(peer: str, scoring: str) -> Any:
    """The estimator, with 10 Cs and 5 folds."""
    if peer == "separatrix":
        from separatrix import LogisticRegressionCV

        return LogisticRegressionCV(Cs=10, cv=5, scoring=scoring)
    from sklearn.linear_model import LogisticRegressionCV as Peer

    return Peer(Cs=10, cv=5, scoring=scoring, l1_ratios=(0.0,), use_legacy_attributes=False, **PEERS[peer])


def table(case: str, results: dict[str, Result | None]) -> list[str]:
    """The lines of a Markdown table; ratios and differences of scores are to separatrix."""
    ours = results["separatrix"]
    assert ours is not None, "separatrix took longer than the limit"
    lines = [f"\n{case}\n", "| solver | seconds | processor seconds | ratio | largest difference of a score |"]
    lines += ["| --- | --- | --- | --- | --- |"]
    for peer, result in results.items():
        if result is None:
            lines.append(f"| {peer} | over the limit | | | |")
            continue
        ratio, apart = result["seconds"] / ours["seconds"], np.abs(np.subtract(result["scores"], ours["scores"])).max()
        lines.append(f"| {peer} | {result['seconds']:.3f} | {result['processor']:.3f} | {ratio:.1f} | {apart:.1e} |")
    return lines


if __name__ == "__main__":
    if len(sys.argv) == 4 and sys.argv[1] in CASES:
        print(json.dumps(measured(*sys.argv[1:])))
    else:
        main()
