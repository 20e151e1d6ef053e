"""python -m benchmarks.predicting

Predictions of rows in memory, from one row to a million, beside those of scikit-learn's LogisticRegression of the same
coefficients: each in a process of its own, the best of several, and whether they agree.
"""

import argparse
import json
import subprocess
import sys
from time import perf_counter
from typing import Any

import numpy as np
from scipy import sparse

from benchmarks.measure import ROOT, confine

CASES: dict[str, dict[str, Any]] = {
    "1 x 28": {"rows": 1, "columns": 28},
    "1,000 x 28": {"rows": 1_000, "columns": 28},
    "100,000 x 28": {"rows": 100_000, "columns": 28},
    "1,000,000 x 28": {"rows": 1_000_000, "columns": 28},
    "1,000,000 x 28, float32": {"rows": 1_000_000, "columns": 28, "dtype": "float32"},
    "300,000 x 50, 5 classes": {"rows": 300_000, "columns": 50, "classes": 5},
    "60,000 x 784, 10 classes": {"rows": 60_000, "columns": 784, "classes": 10},
    "20,000 x 50,000, one cell in 500": {"rows": 20_000, "columns": 50_000, "density": 0.002},
}
ASKED = ("predict", "predict_proba", "predict_log_proba")
TURNS, ENOUGH = 5, 1.0  # at least, and seconds in all


def main() -> None:
    """Prints the table; each side of a case is a process of its own."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.predicting", description=(__doc__ or "").split("\n\n")[1]
    )
    parser.add_argument("--cases", default=",".join(map(str, range(len(CASES)))), help="their numbers, from 0")
    numbers = [int(number) for number in parser.parse_args().cases.split(",")]
    print("\n".join(HEAD))
    for number in numbers:
        case = list(CASES)[number]
        print(line(case, *(run(case, which) for which in ("separatrix", "scikit-learn"))), flush=True)


def run(case: str, which: str) -> dict[str, Any]:
    """What `measured` gives, of a new process."""
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.predicting", case, which]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def made(rows: int, columns: int, classes: int = 2, density: float = 1.0, dtype: str = "float64") -> Any:
    """X, of 2,000 rows at least, and labels of so many of them to fit to."""
    random = np.random.default_rng(0)
    several = max(rows, 2_000)
    if density < 1:
        X = sparse.random_array((several, columns), density=density, format="csr", rng=random)
    else:
        X = random.normal(size=(several, columns)).astype(dtype)
    eta = X[:2_000] @ random.normal(size=(columns, classes))
    return X, np.argmax(eta + random.gumbel(size=eta.shape), axis=1)


def measured(case: str, which: str) -> dict[str, float]:
    """The seconds of each thing asked, and by how much probabilities are apart from the other's."""
    confine()
    from sklearn.linear_model import LogisticRegression as Peer

    from separatrix import LogisticRegression

    X, y = made(**CASES[case])
    ours, theirs = LogisticRegression(C=0.1).fit(X[:2_000], y), Peer(C=0.1, max_iter=1).fit(X[:2_000], y)
    theirs.coef_, theirs.intercept_, X = ours.coef_, ours.intercept_, X[: CASES[case]["rows"]]
    model = ours if which == "separatrix" else theirs
    found = {}
    for name in ASKED:
        times: list[float] = []
        while len(times) < TURNS or sum(times) < ENOUGH:
            started = perf_counter()
            getattr(model, name)(X)
            times.append(perf_counter() - started)
        found[name] = min(times)
    return found | {"apart": float(np.abs(ours.predict_proba(X) - theirs.predict_proba(X)).max())}


HEAD = (
    "| made | " + " | ".join(f"{name} (ms) | scikit-learn | ratio" for name in ASKED) + " | differs |",
    "| --- " * (3 * len(ASKED) + 2) + "|",
)


def line(case: str, ours: dict[str, float], theirs: dict[str, float]) -> str:
    """A row of the table; the difference is the largest of any probability."""
    cells = [f"{1e3 * ours[name]:.3g} | {1e3 * theirs[name]:.3g} | {theirs[name] / ours[name]:.1f}" for name in ASKED]
    return f"| {case} | {' | '.join(cells)} | {ours['apart']:.0e} |"


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] in CASES:
        print(json.dumps(measured(*sys.argv[1:])))
    else:
        main()
