"""One fit in one fresh process: `run` starts it, `main` is what it does.

The process reads the data, imports the solver, warms it up on a tiny made problem of the same kind (so that neither
imports nor just-in-time compilation are timed), and times `fit` on the whole. It judges the answer itself, after the
clock has stopped, with `judge.objective`.
"""

import gc
import json
import os
import platform
import signal
import subprocess
import sys
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from scipy import sparse

from benchmarks.cases import Matrix, load
from benchmarks.judge import Run, dual, objective
from benchmarks.peers import PEERS, Answer

ROOT = Path(__file__).parents[1]
CORES = 2
POOLS = ["OMP", "OPENBLAS", "MKL", "NUMBA", "BLIS", "VECLIB_MAXIMUM", "NUMEXPR"]
OVERHEAD = 300  # seconds beyond the limit for reading, imports, warm-up and judging
LEAST = 5.0  # seconds that a fit is given, however short separatrix's is
ENTRIES = 0.2  # of sparse rows that warm a solver up
SHORT, REPEATS = 2.0, 3  # a fit shorter than 2 seconds is repeated, and the best of 3 counts
PACKAGES = ["separatrix", "numpy", "scipy", "scikit-learn", "scikit-learn-intelex", "glum", "skglm", "statsmodels"]


@dataclass(frozen=True)
class Job:
    """What to fit, how, and the seconds it may take.

    `augment` appends a column of ones in place of the intercept, which penalises it.
    """

    folder: str
    peer: str
    C: float
    l1_ratio: float
    tol: float
    threads: int = 2
    limit: float = 300.0
    augment: bool = False


def run(job: Job, path: str | None = None) -> Run:
    """Does a job in a new process; `path` is searched first for modules."""
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.measure", json.dumps(asdict(job))]
    environment = os.environ | {f"{pool}_NUM_THREADS": str(job.threads) for pool in POOLS}
    searched = filter(None, [path, os.environ.get("PYTHONPATH")])
    environment |= {"PYTHONPATH": os.pathsep.join(searched), "SEPARATRIX_NUMBA": "0"}  # a peer of its own asks for it
    try:
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=job.limit + OVERHEAD
        )
    except subprocess.TimeoutExpired:
        return killed(job)
    if done.returncode == -signal.SIGALRM:
        return killed(job)
    if done.returncode:
        return failed(job, done)
    return Run(job.peer, job.tol, job.threads, "done", **json.loads(done.stdout.splitlines()[-1]))


def killed(job: Job) -> Run:
    return Run(
        job.peer, job.tol, job.threads, "killed", job.limit, note=f"killed after {job.limit:g} s at tol {job.tol:g}"
    )


def failed(job: Job, done: subprocess.CompletedProcess[str]) -> Run:
    """A fit that ended in an error, in the error's own last line."""
    lines = done.stderr.strip().splitlines() or [f"ended by signal {-done.returncode}"]
    status = "refused" if "ArgumentError" in lines[-1] else "failed"
    return Run(job.peer, job.tol, job.threads, status, note=lines[-1])


def confine() -> None:
    """Leaves this process so many cores as all that is measured has, where the system can."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])


def main(argument: str) -> None:
    """The job's result on the last line of standard output."""
    job = Job(**json.loads(argument))
    confine()
    X, y = load(Path(job.folder))
    if job.augment:
        X = with_ones(X)
    warm_up(job, X, int(y.max()) + 1)
    print(json.dumps(timed(job, X, y)))


def timed(job: Job, X: Matrix, y: np.ndarray) -> dict[str, Any]:
    """Seconds, memory and objective of a fit on the whole."""
    gc.collect()
    before = start_of_peak()
    signal.setitimer(signal.ITIMER_REAL, job.limit)  # its signal ends the process, in compiled code too
    seconds, answer = clock(job, X, y)
    signal.setitimer(signal.ITIMER_REAL, 0)
    memory = peak_bytes() - before
    for _ in range(REPEATS - 1 if seconds < SHORT else 0):
        seconds = min(seconds, clock(job, X, y)[0])
    return {"seconds": seconds, "iterations": answer.iterations, "megabytes": memory / 1e6} | judged(job, X, y, answer)


def clock(job: Job, X: Matrix, y: np.ndarray) -> tuple[float, Answer]:
    started = perf_counter()
    answer = fit(job, X, y, job.C, job.tol)
    return perf_counter() - started, answer


def fit(job: Job, X: Matrix, y: np.ndarray, C: float, tol: float) -> Answer:
    options = {"fit_intercept": False} if job.augment else {}
    return PEERS[job.peer].fit(X, y, C=C, l1_ratio=job.l1_ratio, tol=tol, **options)


def warm_up(job: Job, X: Matrix, classes: int) -> None:
    """A fit of 60 rows a class and a few columns of noise, stored as X is: random labels, so of 5 never separable."""
    random = np.random.default_rng(0)
    rows = random.standard_normal((60 * classes, PEERS[job.peer].columns))
    if sparse.issparse(X):
        rows *= random.random(rows.shape) < ENTRIES
    tiny = type(X)(rows, dtype=X.dtype) if sparse.issparse(X) else rows
    fit(job, tiny, np.repeat(np.arange(classes), 60), np.inf if np.isinf(job.C) else 1.0, 1e-4)


def judged(job: Job, X: Matrix, y: np.ndarray, answer: Answer) -> dict[str, Any]:
    """The objectives of an answer and their duals, with the intercept free and penalised; how many columns it keeps."""
    coef, intercept = answer.coef, answer.intercept
    if job.augment:
        X, coef, intercept = X[:, :-1], answer.coef[:, :-1], answer.coef[:, -1]
    told: dict[str, Any] = {"kept": int(np.count_nonzero(coef.any(axis=0)))}
    for prefix, penalised in (("", False), ("penalised_", True)):
        told[f"{prefix}objective"] = objective(X, y, coef, intercept, job.C, job.l1_ratio, penalised)
        told[f"{prefix}dual"] = dual(X, y, coef, intercept, job.C, job.l1_ratio, penalised)
    return told


def with_ones(X: Matrix) -> Matrix:
    ones = np.ones((X.shape[0], 1))
    return sparse.hstack([X, ones], format="csr") if sparse.issparse(X) else np.hstack([X, ones])


def start_of_peak() -> float:
    """Resident bytes now; on Linux the peak is counted from here on."""
    clear = Path("/proc/self/clear_refs")
    if not clear.exists():
        return peak_bytes()
    clear.write_text("5")
    return peak_bytes()


def peak_bytes() -> float:
    """The largest resident size so far. Linux's own count: getrusage's is handed down from the parent process."""
    status = Path("/proc/self/status")
    if status.exists():
        return 1024 * next(int(line.split()[1]) for line in status.read_text().splitlines() if "VmHWM" in line)
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def machine() -> dict[str, Any]:
    """What the numbers depend on: processor, cores, versions."""
    info = Path("/proc/cpuinfo")
    models = [line for line in info.read_text().splitlines() if "model name" in line] if info.exists() else []
    processor = models[0].split(":")[1].strip() if models else platform.processor()
    return {
        "processor": processor,
        "cores": os.cpu_count(),
        "used": CORES,
        "system": f"{platform.system()} {platform.machine()}",
        "versions": {"python": platform.python_version()} | {name: version_of(name) for name in PACKAGES},
    }


def version_of(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


if __name__ == "__main__":
    main(sys.argv[1])
