"""python -m benchmarks.inference [--cases A,B] [--rows N] [--limit SECONDS] [--out FILE]

What a statistician waits for: standard errors, profile intervals and Firth's estimate, beside those who have them.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.cases import gaussian, read_openml
from benchmarks.choosing import process_seconds
from benchmarks.measure import CORES, POOLS, REPEATS, ROOT, SHORT, confine, machine

Z = 1.959963984540054
Answer = list[NDArray]
Result = dict[str, Any]


def standard_errors(X: NDArray, y: NDArray) -> Answer:
    from separatrix import logit

    fit = logit(y, X)
    return [fit.params, fit.bse]


def engine_and_two_passes(X: NDArray, y: NDArray) -> Answer:
    """The optimum alone, and the curvature twice, and no answer: what standard errors may cost."""
    from separatrix.data.memory import memory_source
    from separatrix.data.threads import one_blas_thread
    from separatrix.engine.fit import Options, fit_linear_model
    from separatrix.engine.objective import Objective
    from separatrix.equations.losses import LogLoss
    from separatrix.equations.penalties import L2

    source, p = memory_source(X, y[:, None] * 1.0), X.shape[1]
    free = L2(np.zeros(p))
    fit = fit_linear_model(source, LogLoss(), free, Options(), (np.zeros((1, p)), np.zeros(1)))
    theta = np.append(fit.coefficients[0], fit.intercepts + fit.coefficients @ source.centre)[:, None]
    with one_blas_thread(), source.working() as source:
        for _ in range(2):
            Objective(source, LogLoss(), free, True).evaluate(theta, order=2)
    return []


def standard_errors_of_statsmodels(X: NDArray, y: NDArray) -> Answer:
    from statsmodels.discrete.discrete_model import Logit

    fit: Any = Logit(y, with_ones(X)).fit(disp=0)
    return [fit.params, fit.bse]


def standard_errors_of_glum(X: NDArray, y: NDArray) -> Answer:
    from glum import GeneralizedLinearRegressor

    fit = GeneralizedLinearRegressor(family="binomial", alpha=0, gradient_tol=1e-9).fit(X, y)
    errors = fit.std_errors(X=X, y=y, dispersion=1, robust=False)
    factor = 1.0 - (X.shape[1] + 1) / len(X)  # which it divides variances by
    return [np.append(fit.intercept_, fit.coef_), np.sqrt(factor) * errors]


def profile_intervals(X: NDArray, y: NDArray) -> Answer:
    """The fit is within the time."""
    from separatrix import logit

    return list(logit(y, X).conf_int(method="profile"))


def a_fit_a_coefficient(X: NDArray, y: NDArray) -> Answer:
    """The fit without each column, the intercept's too, and no answer: what ten times would be the most."""
    from separatrix import logit

    for j in range(X.shape[1]):
        logit(y, np.delete(X, j, axis=1))
    logit(y, X, intercept=False)
    return []


def profile_intervals_by_statsmodels(X: NDArray, y: NDArray) -> Answer:
    """Which has none: of the first two coefficients only, by finding where fits with one held fall so far."""
    from scipy.optimize import brentq
    from statsmodels.discrete.discrete_model import Logit

    design = with_ones(X)
    best: Any = Logit(y, design).fit(method="newton", tol=1e-12, disp=0)

    def lacks(t: float, j: int) -> float:
        others = Logit(y, np.delete(design, j, axis=1), offset=t * design[:, j])
        return 2.0 * (best.llf - others.fit(method="newton", tol=1e-12, disp=0).llf) - Z**2

    def end(j: int, side: float) -> float:
        near, far = (best.params[j] + side * reach * best.bse[j] for reach in (0.7 * Z, 1.6 * Z))
        return float(brentq(lacks, near, far, args=(j,), xtol=1e-9))

    return [np.array([end(j, -1.0), end(j, 1.0)]) for j in range(2)]


def firth(X: NDArray, y: NDArray) -> Answer:
    from separatrix import FirthLogisticRegression

    fit = FirthLogisticRegression().fit(X, y)
    return [np.append(fit.coef_, fit.intercept_)]


def firth_of_firthmodels(X: NDArray, y: NDArray) -> Answer:
    fit = firthmodels().fit(X, y)
    return [np.append(fit.coef_, fit.intercept_)]


def firth_intervals(X: NDArray, y: NDArray) -> Answer:
    from separatrix import FirthLogisticRegression

    return [FirthLogisticRegression().fit(X, y).conf_int()[0]]


def firth_intervals_of_firthmodels(X: NDArray, y: NDArray) -> Answer:
    return [firthmodels().fit(X, y).conf_int(method="pl")]


def firthmodels() -> Any:
    from firthmodels import FirthLogisticRegression

    return FirthLogisticRegression(gtol=1e-6, xtol=1e-7, max_iter=200)


def with_ones(X: NDArray) -> NDArray:
    return np.column_stack([np.ones(len(X)), X])


@dataclass(frozen=True)
class Case:
    """What is asked, of how many rows and columns, of whom (separatrix first), and the largest relative difference
    that an answer may have from separatrix's."""

    title: str
    rows: int
    columns: int
    peers: dict[str, Callable[[NDArray, NDArray], Answer]]
    tolerance: float = 1e-6


CASES = {
    "errors": Case(
        "logistic regression with standard errors",
        1_000_000,
        28,
        {
            "separatrix": standard_errors,
            "separatrix, the engine's fit and two passes": engine_and_two_passes,
            "statsmodels": standard_errors_of_statsmodels,
            "glum": standard_errors_of_glum,
        },
    ),
    "profile": Case(
        "profile intervals of all coefficients",
        10_000,
        20,
        {
            "separatrix": profile_intervals,
            "separatrix, one fit a coefficient": a_fit_a_coefficient,
            "statsmodels, by root finding, two coefficients": profile_intervals_by_statsmodels,
        },
    ),
    "firth": Case(
        "Firth's estimate", 100_000, 20, {"separatrix": firth, "firthmodels": firth_of_firthmodels}, tolerance=1e-5
    ),
    "firth-intervals": Case(
        "Firth's estimate with profile intervals",
        2_000,
        10,
        {"separatrix": firth_intervals, "firthmodels": firth_intervals_of_firthmodels},
        tolerance=1e-5,
    ),
}


def main() -> None:
    """A table for each case; every peer in a process of its own."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.inference", description=(__doc__ or "").split("\n\n")[1]
    )
    parser.add_argument("--cases", default=",".join(CASES), help=f"some of {', '.join(CASES)} (default all)")
    parser.add_argument("--rows", type=int, help="instead of each case's own")
    parser.add_argument("--limit", type=float, default=300, metavar="SECONDS", help="for one peer (default 300)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="saves the results as JSON")
    arguments = parser.parse_args()
    names, records = arguments.cases.split(","), []
    if unknown := set(names) - set(CASES):
        parser.error(f"no case {', '.join(sorted(unknown))}. There are: {', '.join(CASES)}.")
    for name in names:
        rows = arguments.rows or CASES[name].rows
        results = {peer: run(name, peer, rows, arguments.limit) for peer in CASES[name].peers}
        records.append({"case": name, "rows": rows, "results": results, "machine": machine()})
        print("\n".join(table(name, rows, results)), flush=True)
    if arguments.out:
        arguments.out.write_text(json.dumps(records, indent=1))


def run(case: str, peer: str, rows: int, limit: float) -> Result:
    """The seconds, processor seconds and answer of a peer in a new process; or `failed`, why there are none."""
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.inference", case, peer, str(rows)]
    environment = os.environ | {f"{pool}_NUM_THREADS": str(CORES) for pool in POOLS}
    try:
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=limit)
    except subprocess.TimeoutExpired:
        return {"failed": f"over the limit of {limit:g} s"}
    if done.returncode:
        return {"failed": (done.stderr.strip().splitlines() or [f"ended by signal {-done.returncode}"])[-1]}
    return json.loads(done.stdout.splitlines()[-1])


def measured(case: str, peer: str, rows: int) -> Result:
    """What `run` gives, measured in this process after a run on a few rows."""
    confine()
    X, y = gaussian(read_openml, rows, CASES[case].columns, correlation=0.5)
    ask = CASES[case].peers[peer]
    ask(X[:500, :3], y[:500])
    best: Result = {"seconds": np.inf}
    for _ in range(REPEATS):
        started, used = perf_counter(), process_seconds()
        answer = ask(X, y)
        seconds = perf_counter() - started
        if seconds < best["seconds"]:
            best = {"seconds": seconds, "processor": process_seconds() - used}
        best["answer"] = [part.tolist() for part in answer]
        if seconds > SHORT:
            break
    return best


def apart(answer: list[Any], known: list[Any]) -> float:
    """The largest relative difference of the parts that an answer has; NaN of none."""
    pairs = [(np.asarray(a), np.asarray(b)) for a, b in zip(answer, known, strict=False)]
    return max((float(np.max(np.abs(a - b) / np.abs(b))) for a, b in pairs), default=np.nan)


def table(name: str, rows: int, results: dict[str, Result]) -> list[str]:
    """The lines of a Markdown table; ratios and differences are to separatrix."""
    case, ours = CASES[name], results["separatrix"]
    lines = [f"\n{case.title}, {rows:,} x {case.columns}\n"]
    lines += ["| who | seconds | processor seconds | ratio | largest relative difference |", "| --- |" + " --- |" * 4]
    for peer, result in results.items():
        if "failed" in result or "failed" in ours:
            lines.append(f"| {peer} | {result.get('failed', 'nothing to compare with')} | | | |")
            continue
        difference = apart(result["answer"], ours["answer"])
        told = "" if np.isnan(difference) else f"{difference:.0e}{'' if difference <= case.tolerance else ': differs'}"
        ratio = result["seconds"] / ours["seconds"]
        lines.append(f"| {peer} | {result['seconds']:.3f} | {result['processor']:.3f} | {ratio:.2f} | {told} |")
    return lines


if __name__ == "__main__":
    if len(sys.argv) == 4 and sys.argv[1] in CASES:
        print(json.dumps(measured(sys.argv[1], sys.argv[2], int(sys.argv[3]))))
    else:
        main()
