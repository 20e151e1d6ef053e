"""python -m benchmarks.memory [--edges] [--megabytes 120] [--only TEXT] [--out FILE.md]

What separatrix's fits of dense X take on top of X, by shape, penalty, type and layout: the peak of resident memory,
each in a process of its own, on made data. The largest share is printed first. `--edges` are fits that are known to
take more: of so few rows that the coefficients are large beside them.
"""

import argparse
import ctypes
import json
import os
import subprocess
import sys
import warnings
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from itertools import product
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks.measure import ROOT, confine, start_of_peak
from benchmarks.measure import peak_bytes as peak
from benchmarks.report import grid, percent

MOST = 0.3  # of X
HEAD = ["fit", "rows x columns", "X", "X (MB)", "on top (MB)", "share of X", "seconds", "passes", "solver", ""]
WIDTHS = {  # columns, or None for as many as rows; classes
    "logistic": [
        (1, 2),
        (3, 2),
        (8, 2),
        (30, 2),
        (100, 2),
        (390, 2),
        (600, 2),
        (1_500, 2),
        (None, 2),
        (12_000, 2),
        (60_000, 2),
    ],
    "several classes": [(3, 4), (8, 4), (30, 4), (50, 10), (200, 3), (300, 5), (1_000, 3), (12_000, 5)],
    "linear": [(1, 0), (3, 0), (10, 0), (100, 0), (500, 0), (1_000, 0), (2_000, 0), (None, 0), (5_000, 0), (60_000, 0)],
}
PENALTIES: dict[str, dict[str, Any]] = {
    "L2": {"C": 1.0},
    "L1": {"C": 0.01, "l1_ratio": 1.0},
    "elastic net": {"C": 0.01, "l1_ratio": 0.5},
}
ALPHAS: dict[str, dict[str, Any]] = {
    "no penalty": {},
    "ridge": {"alpha": 1.0},
    "elastic net": {"alpha": 100.0, "l1_ratio": 0.5},
}
FORMS = [("float32", "C"), ("float64", "F"), ("float32", "F"), ("int16", "C")]
FORMED = [
    (8, 2),
    (30, 2),
    (390, 2),
    (1_500, 2),
    (12_000, 2),
    (60_000, 2),
    (50, 10),
    (200, 3),
    (500, 0),
    (None, 0),
    (2_000, 0),
    (60_000, 0),
]
WAYS: dict[str, dict[str, Any]] = {
    "balanced": {"class_weight": "balanced"},
    "no intercept": {"fit_intercept": False},
    "C = inf": {"C": float("inf"), "tol": 1e-6},
    "one against the rest": {"multi_class": "ovr"},
    "newton": {"solver": "newton"},
    "half the rows weigh nothing": {},
    "labels of text": {},
}
CHOICES: list[tuple[int, int, dict[str, Any]]] = [
    (4, 2, {"Cs": 3}),
    (8, 2, {"Cs": 3}),
    (20, 2, {"Cs": 3}),
    (30, 2, {"Cs": 3}),
    (100, 2, {"Cs": 3}),
    (100, 2, {"Cs": 10}),
    (200, 2, {"Cs": 10}),
    (390, 2, {"Cs": 10}),
    (600, 2, {"Cs": 3}),
    (1_000, 2, {"Cs": 10}),
    (8, 4, {"Cs": 3}),
    (50, 10, {"Cs": 3}),
    (8, 2, {"Cs": 3, "cv": "loo"}),
    (30, 2, {"Cs": 3, "cv": "loo"}),
    (20, 4, {"Cs": 3, "cv": "loo"}),
]
CHOSEN = "C chosen"
WEIGHED = "weigh nothing"
TEXT, WHOLE, ZEROS = "labels of text", "whole numbers", "nine cells of ten zero"
TWICE: dict[str, tuple[int, float, float]] = {  # the axis of X that has copies, the share that they are, and how near
    "one column in 25 twice": (1, 0.04, 0.0),
    "each column twice": (1, 0.5, 0.0),
    "a column twice but for the tenth digit": (1, 0.0, 1e-10),
    "one row in 25 twice": (0, 0.04, 0.0),
}
TWICE_WIDTHS = {
    0: [(None, "float64"), (5_000, "float64"), (10_000, "float32")],
    1: [(1_000, "float64"), (None, "float64")],
}

Listed = list[tuple[str, list[tuple[int, int, str]], dict[str, Any]]]  # names, with columns, classes and type, and how
STRONG_L1: dict[str, Any] = {"C": 0.1, "l1_ratio": 1.0}
BY_FOLDS, THREE = f", {CHOSEN} of 3 by 5 folds", {"Cs": 3}
EXTREMES: Listed = [  # rows of a few bytes, and few rows: whatever is as long as either is large beside X
    ("", [(1, 2, "int16"), (2, 2, "int16"), (1, 2, "float32"), (2, 2, "float32"), (2, 4, "float32")], {}),
    ("", [(60_000, 5, "float32"), (200_000, 2, "float64"), (200_000, 3, "float64")], {}),
    ("", [(750_000, 2, "float64"), (400_000, 2, "float32"), (60_000, 10, "float32"), (300_000, 4, "float64")], {}),
    ("", [(200_000, 0, "float64"), (200_000, 0, "float32"), (400_000, 0, "float32"), (750_000, 0, "float64")], {}),
    (", elastic net", [(200_000, 0, "int16")], {"alpha": 100.0, "l1_ratio": 0.5}),
    (", L1", [(60_000, 2, "int16"), (60_000, 2, "float64"), (200_000, 2, "float64")], STRONG_L1),
    (
        ", L1",
        [(12_000, 2, "int16"), (12_000, 5, "float32"), (60_000, 3, "float32"), (200_000, 3, "float32")],
        STRONG_L1,
    ),
    (", C = inf", [(1_500, 2, "float64"), (450, 4, "float64")], WAYS["C = inf"]),
    (", C = inf, one column in 25 twice", [(1_500, 2, "float64"), (450, 4, "float64")], WAYS["C = inf"]),
    (", C = inf, each column twice", [(1_500, 2, "float64"), (450, 4, "float64")], WAYS["C = inf"]),
    (f", y of {WHOLE}", [(3, 0, "float64")], {}),
    (f", {ZEROS}", [(100, 2, "float64"), (600, 2, "float64"), (1_500, 2, "float64"), (12_000, 2, "float64")], {}),
    (f", {ZEROS}", [(1_500, 2, "float32"), (1_500, 2, "int16"), (1_500, 2, "int8"), (200, 4, "int8")], {}),
    (f", {ZEROS}, C = 1e4", [(510, 2, "float64"), (1_500, 2, "float64")], {"C": 1e4}),
    (f", {ZEROS}, one against the rest", [(1_500, 4, "float64")], WAYS["one against the rest"]),
    (f", {ZEROS}, L1", [(1_500, 2, "float64"), (1_500, 2, "int8")], STRONG_L1),
    (f", {ZEROS}", [(1_000, 0, "float64"), (1_000, 0, "int8")], {"alpha": 1.0}),
    (f", {ZEROS}{BY_FOLDS}", [(1_500, 2, "float64"), (1_500, 2, "int8")], THREE),
    (BY_FOLDS, [(1, 2, "float64"), (1, 2, "float32"), (2, 2, "float64"), (2, 2, "int16"), (4, 2, "float32")], THREE),
    (BY_FOLDS, [(4, 2, "int16"), (2, 4, "float64"), (12_000, 2, "float64"), (30_000, 2, "float64")], THREE),
    (BY_FOLDS, [(60_000, 2, "float64")], THREE),
]
EDGES: Listed = [  # beyond those: of which the coefficients are a tenth of X or more; and whose curvature is made anew
    ("", [(600_000, 4, "float64"), (1_500_000, 0, "float64")], {}),
    (
        ", C = inf, a column twice but for the tenth digit",
        [(1_500, 2, "float64"), (450, 4, "float64")],
        WAYS["C = inf"],
    ),
]


@dataclass(frozen=True)
class Kind:
    """A fit of so many classes (0: of numbers) with so many columns; rows follow from the size of X."""

    name: str
    columns: int
    classes: int
    megabytes: float
    arguments: dict[str, Any] = field(default_factory=dict)
    dtype: str = "float64"
    order: str = "C"

    @property
    def rows(self) -> int:
        return int(1e6 * self.megabytes / self.columns / np.dtype(self.dtype).itemsize)


def main() -> None:
    """Prints what each kind of fit took."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=(__doc__ or "").split("\n\n")[1])
    parser.add_argument("--edges", action="store_true", help="the fits that take more than the others")
    parser.add_argument("--megabytes", type=float, default=120.0, help="of X (default 120)")
    parser.add_argument("--only", default="", metavar="TEXT", help="the kinds in whose name it is")
    parser.add_argument("--out", type=Path, metavar="FILE.md")
    arguments = parser.parse_args()
    kinds = listed(EDGES, arguments.megabytes) if arguments.edges else kinds_of(arguments.megabytes)
    kinds = [kind for kind in kinds if arguments.only in kind.name]
    lines = [line(kind, run(kind)) for kind in kinds]
    table = grid(HEAD, sorted(lines, key=lambda cells: -float(cells[5].removesuffix(" %").replace(",", ""))))
    print(table)
    if arguments.out:
        arguments.out.write_text(table + "\n")


def kinds_of(megabytes: float) -> list[Kind]:
    """Every width with every penalty; and of some widths every form of X, and other ways to fit."""
    square = {form: int((1e6 * megabytes / np.dtype(form).itemsize) ** 0.5) for form in ("float64", "float32", "int16")}
    kinds = []
    for name, (axis, *_) in TWICE.items():
        for columns, dtype in TWICE_WIDTHS[axis]:
            kinds.append(Kind(f"linear, {name}", columns or square[dtype], 0, megabytes, {}, dtype))
    for model, widths in WIDTHS.items():
        penalties = PENALTIES if model != "linear" else ALPHAS
        for (columns, classes), (name, given) in product(widths, penalties.items()):
            kinds.append(Kind(f"{model}, {name}", columns or square["float64"], classes, megabytes, given))
    for (columns, classes), (dtype, order) in product(FORMED, FORMS):
        kinds.append(Kind(model_of(classes), columns or square[dtype], classes, megabytes, {}, dtype, order))
    for (columns, classes), (name, given) in product([(6, 2), (30, 2), (50, 10), (1_000, 2)], WAYS.items()):
        if classes > 2 or name != "one against the rest":
            kinds.append(Kind(f"{model_of(classes)}, {name}", columns, classes, megabytes, given))
    for columns, classes, given in CHOICES:
        name = f"{model_of(classes)}, {CHOSEN} of {given['Cs']} by {given.get('cv', '5 folds')}"
        kinds.append(Kind(name, columns, classes, megabytes, given))
    return kinds + listed(EXTREMES, megabytes)


def listed(names: Listed, megabytes: float) -> list[Kind]:
    """Those of a list."""
    return [
        Kind(f"{model_of(classes)}{name}", columns, classes, megabytes, given, dtype)
        for name, widths, given in names
        for columns, classes, dtype in widths
    ]


def model_of(classes: int) -> str:
    return {0: "linear", 2: "logistic"}.get(classes, "several classes")


def run(kind: Kind) -> dict[str, Any]:
    """What a fit took, in a process of its own."""
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.memory", json.dumps(asdict(kind))]
    done = subprocess.run(command, cwd=ROOT, env=os.environ, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{kind}: {done.stderr.strip()}")
    return json.loads(done.stdout.splitlines()[-1])


def line(kind: Kind, taken: dict[str, Any]) -> list[str]:
    form = f"{kind.dtype}{', by columns' if kind.order == 'F' else ''}"
    shape = f"{kind.rows:,} x {kind.columns:,}" + (f", {kind.classes} classes" if kind.classes > 2 else "")
    share = taken["bytes"] / 1e6 / kind.megabytes
    return [
        kind.name,
        shape,
        form,
        f"{kind.megabytes:,.0f}",
        f"{taken['bytes'] / 1e6:,.0f}",
        percent(share),
        f"{taken['seconds']:.2f}",
        f"{taken['passes']}",
        taken["solver"],
        f"above {percent(MOST)}" if share > MOST else "",
    ]


def measure(kind: Kind) -> dict[str, Any]:
    """The peak of a fit above what the process held before it, which has fitted a few rows already."""
    from separatrix import LinearRegression, LogisticRegression, LogisticRegressionCV

    X, y = made(kind)
    classifier = LogisticRegressionCV if CHOSEN in kind.name else LogisticRegression
    model = (classifier if kind.classes else LinearRegression)(**kind.arguments)
    y = np.array([f"class {k}" for k in range(kind.classes)])[y] if TEXT in kind.name else y
    few = np.arange(60 * max(kind.classes, 1))
    weight = np.tile([1.0, 0.0], len(y) // 2 + 1)[: len(y)] if WEIGHED in kind.name else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(np.asarray(X[few % len(X), :5], dtype=np.float64), few % max(kind.classes, 2))
        give_back()
        before, started = start_of_peak(), perf_counter()
        model.fit(X, y, weight)
    seconds, bytes_ = perf_counter() - started, peak() - before
    traces = model.trace_ if isinstance(model.trace_, tuple) else (model.trace_,)
    return {
        "bytes": bytes_,
        "seconds": seconds,
        "passes": sum(trace.passes for trace in traces),
        "solver": traces[0].solver,
    }


def give_back() -> None:
    """Lets go of what is free but still held: as much of the fit would be hidden by it."""
    with suppress(AttributeError):  # where the C library is not Linux's, a peak is the largest so far anyway
        ctypes.CDLL(None).malloc_trim(0)


def made(kind: Kind) -> tuple[np.ndarray, np.ndarray]:
    """Normal columns, times 40 where they are to be whole numbers, and what follows from them, some rows at a time."""
    random, K = np.random.default_rng(0), max(kind.classes, 1)
    n, p = kind.rows, kind.columns
    whole = np.iinfo(kind.dtype) if np.dtype(kind.dtype).kind == "i" else None
    w = 3.0 / p**0.5 * random.standard_normal((p, K), dtype=np.float32)
    X, y = np.empty((n, p), dtype=kind.dtype, order="F" if kind.order == "F" else "C"), np.empty(n)
    for first in range(0, n, 2_000):
        rows = random.standard_normal((min(2_000, n - first), p), dtype=np.float32)
        if ZEROS in kind.name:
            rows *= random.random(rows.shape, dtype=np.float32) < 0.1
        eta, some = rows @ w, slice(first, first + len(rows))
        y[some] = (
            (eta + random.gumbel(size=eta.shape)).argmax(axis=1) if K > 1 else eta[:, 0] + random.normal(size=len(rows))
        )
        X[some] = rows if whole is None else np.clip(40 * rows, whole.min, whole.max)
        for axis, share, near in (copies for name, copies in TWICE.items() if name in kind.name):
            all_ = np.moveaxis(X[some], axis, 0)  # a view
            many = max(int(share * len(all_)), 1)
            all_[:many] = all_[-many:] + near * all_[:many]
    return X, y.astype(int) if kind.classes or WHOLE in kind.name else y


if __name__ == "__main__":
    if sys.argv[1:2] and sys.argv[1].startswith("{"):
        confine()
        print(json.dumps(measure(Kind(**json.loads(sys.argv[1])))))
    else:
        main()
