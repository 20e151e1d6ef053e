"""python -m benchmarks.linear

Least squares of made rows in memory, with and without a penalty, beside scikit-learn and skglm: each in a process of
its own, the best of several, and how far each is above the least objective that was found.
"""

import argparse
import json
import subprocess
import sys
import warnings
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from itertools import product
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from benchmarks.measure import ROOT, confine

SIZES = [(150, 4), (2_000, 50), (20_000, 50), (20_000, 300), (1_000_000, 28)]
SPARSE = [(20_000, 5_000), (2_000, 5_000), (5_000, 50_000)]
ENTRIES = 0.005  # of the cells of such rows
OURS = "separatrix"
REACHED = 1e-6  # a relative gap, as for classes
TOLERANCES = (1e-2, 1e-4, 1e-6, 1e-8, 1e-10)  # of those that iterate; the loosest that reaches the gap counts
PENALTIES: dict[str, tuple[float, float]] = {  # sum of squares + alpha ((1 - r) |w|^2 + 2 r |w|_1), per row: alpha, r
    "none": (0.0, 0.0),
    "ridge": (1e-3, 0.0),
    "weak ridge": (1e-7, 0.0),
    "lasso": (0.1, 1.0),
    "elastic net": (0.1, 0.5),
}
CASES = [*product(SIZES, ["none", "ridge", "lasso", "elastic net"]), *product(SPARSE, ["ridge", "weak ridge"])]
TURNS, ENOUGH = 3, 0.5  # at least, and seconds in all
LIMIT = 10.0  # seconds of a fit, from which one is enough, and tighter ones are not asked
HEAD = ["rows x columns", "penalty", f"{OURS} (ms)", "gap", "fastest peer", "(ms)", "gap", "ratio"]


def main() -> None:
    """Prints the table; each side of a case is a process of its own."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.linear", description=(__doc__ or "").split("\n\n")[1])
    parser.add_argument("--rows", type=int, default=10**9, help="at most so many")
    most = parser.parse_args().rows
    print(f"| {' | '.join(HEAD)} |\n{'| --- ' * len(HEAD)}|")
    for size, penalty in CASES:
        if size[0] <= most:
            print(f"| {' | '.join(line(size, penalty))} |", flush=True)


def line(size: tuple[int, int], penalty: str) -> list[str]:
    """A row of the table: of each side the fastest run that reached the gap."""
    whoever = [OURS, *peers(size, penalty)]
    runs = [(*tried, who) for who in whoever for tried in run(size, penalty, who)]
    least = min(objective for _, objective, _ in runs)
    reached = sorted((seconds, objective / least - 1.0, who) for seconds, objective, who in runs)
    reached = [each for each in reached if each[1] <= REACHED]
    ours, gap, _ = next(each for each in reached if each[2] == OURS)
    theirs, their_gap, peer = next(each for each in reached if each[2] != OURS)
    shape = f"{size[0]:,} x {size[1]:,}" + (", sparse" if size in SPARSE else "")
    cells = [shape, penalty, f"{1e3 * ours:.3g}", f"{gap:.0e}"]
    return [*cells, peer, f"{1e3 * theirs:.3g}", f"{their_gap:.0e}", f"{theirs / ours:.1f}"]


def run(size: tuple[int, int], penalty: str, who: str) -> list[tuple[float, float]]:
    """What `measured` gives, of a new process."""
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.linear", *map(str, size), penalty, who]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def peers(size: tuple[int, int], penalty: str) -> dict[str, Callable[[float], Any]]:
    """Estimators of the same objective that leave the intercept free, by a tolerance; skglm's where it is installed."""
    from sklearn.linear_model import ElasticNet, Lasso, LinearRegression, Ridge

    (alpha, ratio), rows = PENALTIES[penalty], size[0]
    if size in SPARSE:
        how = {"alpha": alpha * rows, "max_iter": 10_000}
        return {
            f"Ridge, {solver}": lambda tol, solver=solver: Ridge(**how, solver=solver, tol=tol)
            for solver in ("sparse_cg", "lsqr")
        }
    if not alpha:
        return {
            "LinearRegression": lambda _: LinearRegression(),
            "Ridge of 0": lambda _: Ridge(alpha=0.0, solver="cholesky"),
        }
    if not ratio:
        return {"Ridge": lambda _: Ridge(alpha=alpha * rows)}
    how = {"alpha": alpha} if ratio == 1 else {"alpha": alpha, "l1_ratio": ratio}
    name, of_sklearn = ("Lasso", Lasso) if ratio == 1 else ("ElasticNet", ElasticNet)
    found: dict[str, Callable[[float], Any]] = {
        name: lambda tol: of_sklearn(**how, tol=tol, max_iter=100_000),
        f"{name}, precompute": lambda tol: of_sklearn(**how, tol=tol, max_iter=100_000, precompute=True),
    }
    if find_spec("skglm"):
        of_skglm = getattr(import_module("skglm"), name)
        found["skglm"] = lambda tol: of_skglm(**how, tol=tol)
    return found


def made(n: int, p: int) -> tuple[Any, NDArray]:
    """Columns that share a part, half of which count, and about as much noise in y; or sparse ones, whose lengths
    differ by up to a hundred times."""
    random = np.random.default_rng(0)
    if (n, p) in SPARSE:
        X = sparse.random_array((n, p), density=ENTRIES, rng=random, format="csr")
        X = sparse.csr_array(X @ sparse.diags_array(10.0 ** random.uniform(-1.0, 1.0, p)))
        return X, X @ (random.normal(size=p) * (np.arange(p) % 2)) / (ENTRIES * p) ** 0.5 + random.normal(size=n)
    X = random.normal(size=(n, p)) + 0.5 * random.normal(size=(n, 1)) + 3.0
    return X, X @ (random.normal(size=p) * (np.arange(p) % 2)) / p**0.5 + random.normal(size=n)


def objective_of(model: Any, X: Any, y: NDArray, penalty: str) -> float:
    """Per row; the same lines for all."""
    alpha, ratio = PENALTIES[penalty]
    w = np.ravel(model.coef_)
    left = y - X @ w - float(np.ravel(model.intercept_)[0])
    return float(left @ left / len(y) + alpha * ((1 - ratio) * (w @ w) + 2 * ratio * np.abs(w).sum()))


def measured(n: int, p: int, penalty: str, who: str) -> list[tuple[float, float]]:
    """The best seconds and the objective of each tolerance, from loose to tight; ours needs none."""
    confine()
    from separatrix import LinearRegression

    (X, y), (alpha, ratio) = made(n, p), PENALTIES[penalty]
    makers = {OURS: lambda _: LinearRegression(alpha=alpha * n, l1_ratio=ratio), **peers((n, p), penalty)}
    iterates = who != OURS and (ratio > 0 or (n, p) in SPARSE)
    makers[who](1e-2).fit(X[:100], y[:100])  # whatever is compiled, is now
    found = []
    for tol in TOLERANCES if iterates else TOLERANCES[:1]:
        times, model = [], makers[who](tol)
        while not times or (times[0] < LIMIT and (len(times) < TURNS or sum(times) < ENOUGH)):
            started = perf_counter()
            model.fit(X, y)
            times.append(perf_counter() - started)
        found.append((min(times), objective_of(model, X, y, penalty)))
        if times[0] > LIMIT:
            break
    return found


if __name__ == "__main__":
    if len(sys.argv) == 5:
        with warnings.catch_warnings(action="ignore"):
            print(json.dumps(measured(int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:])))
    else:
        main()
