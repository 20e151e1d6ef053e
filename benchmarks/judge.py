"""What a fit is worth: one objective for every answer, the optimum it is held against, and the ladder of tolerances."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, softmax, xlogy

from benchmarks.cases import Matrix, Problem
from benchmarks.peers import PEERS, Peer

ENOUGH = 1e-6  # the relative gap to reach
AGREE = 1e-9  # to this two reference solvers must agree, or one be proven
SMOOTH_REFERENCES = [("separatrix", 1e-13), ("newton-cholesky", 1e-12), ("lbfgs", 1e-12), ("newton-cg", 1e-12)]
SPARSE_REFERENCES = [("separatrix", 1e-13), ("skglm", 1e-12), ("glum", 1e-10), ("saga", 1e-10)]


def objective(
    X: Matrix,
    y: NDArray,
    coef: NDArray,
    intercept: NDArray,
    C: float,
    l1_ratio: float,
    penalise_intercept: bool = False,
) -> float:
    """Mean loss + ((1 - l1_ratio)/2 |w|^2 + l1_ratio |w|_1) / (C * rows); coef (K, p), intercept (K,), y from 0."""
    eta = np.asarray(X @ coef.T) + intercept
    if eta.shape[1] == 1:
        loss = np.logaddexp(0, eta[:, 0]) - y * eta[:, 0]
    else:
        loss = np.logaddexp.reduce(eta, axis=1) - eta[np.arange(len(y)), y]
    w = np.append(coef, intercept) if penalise_intercept else coef.ravel()
    penalty = (1 - l1_ratio) / 2 * (w @ w) + l1_ratio * np.abs(w).sum()
    return float(loss.mean() + penalty / (C * len(y)))


def dual(
    X: Matrix,
    y: NDArray,
    coef: NDArray,
    intercept: NDArray,
    C: float,
    l1_ratio: float,
    penalise_intercept: bool = False,
) -> float:
    """What that objective nowhere falls below: Fenchel's dual at the residuals R = P - Y of an answer; nan for C = inf.

    The mean entropy of P, less the conjugate of the penalty at C X'R. Before, the intercept is moved until R sums to
    nothing; with L1 alone R is shrunk until no column has more than its penalty allows.
    """
    if np.isinf(C):
        return np.nan
    eta = np.asarray(X @ coef.T) + intercept
    Y = y[:, None] if eta.shape[1] == 1 else np.eye(eta.shape[1])[y]
    R = probabilities(eta if penalise_intercept else balanced(eta, Y)) - Y
    pull = C * np.asarray(X.T @ R)
    pull = np.vstack([pull, C * R.sum(axis=0)]) if penalise_intercept else pull
    if l1_ratio == 1:
        R, conjugate = R / max(1.0, np.abs(pull).max()), 0.0
    else:
        conjugate = (np.maximum(np.abs(pull) - l1_ratio, 0) ** 2).sum() / (2 * (1 - l1_ratio))
    P = R + Y
    entropy = -xlogy(P, P).sum() - (xlogy(1 - P, 1 - P).sum() if eta.shape[1] == 1 else 0.0)
    return float((entropy - conjugate / C) / len(y))


def probabilities(eta: NDArray) -> NDArray:
    return expit(eta) if eta.shape[1] == 1 else softmax(eta, axis=1)


def balanced(eta: NDArray, Y: NDArray) -> NDArray:
    """eta with intercepts moved, by Newton steps, until every class is as probable as it is frequent."""
    for _ in range(5):
        P = probabilities(eta)
        curvature = np.diag(P.sum(axis=0)) - P.T @ P
        eta = eta - np.linalg.lstsq(curvature, (P - Y).sum(axis=0), rcond=None)[0]
    return eta


@dataclass(frozen=True)
class Run:
    """One fit. `status` is done, killed, failed or refused; `penalised_objective` counts the intercept's penalty;
    `dual` and `penalised_dual` are what those cannot fall below; `megabytes` is the peak on top of the loaded data;
    `kept` counts columns with a coefficient."""

    peer: str
    tol: float
    threads: int
    status: str
    seconds: float = np.nan
    objective: float = np.nan
    penalised_objective: float = np.nan
    dual: float = np.nan
    penalised_dual: float = np.nan
    iterations: int = 0
    megabytes: float = np.nan
    kept: int = 0
    note: str = ""

    def value(self, penalised: bool) -> float:
        """The objective with the intercept penalised, or free."""
        return self.penalised_objective if penalised else self.objective

    def bound(self, penalised: bool) -> float:
        """What the optimum is at least, with the intercept penalised, or free."""
        return self.penalised_dual if penalised else self.dual


@dataclass(frozen=True)
class Reference:
    """The lowest objective known, how well the two best reference solvers agree (relative; nan: there is one), and how
    far at most the optimum is below it, by the highest dual (relative; nan: there is none)."""

    value: float
    solvers: tuple[str, ...]
    spread: float
    proven: float = np.nan

    @property
    def agreed(self) -> bool:
        return self.spread <= AGREE or self.proven <= AGREE

    def gap(self, value: float) -> float:
        """How far a value is above the optimum, relative to it."""
        return (value - self.value) / self.value


@dataclass(frozen=True)
class Entry:
    """A solver's line in the table: of the runs that reached the gap the fastest, else the one with the smallest gap.

    `status` is reached, short (of the gap), or that of the run that ended it; `gap` is to the true optimum, and
    `own_gap` to that of the objective with a penalised intercept, for a solver that minimises that one.
    """

    peer: str
    status: str
    run: Run | None
    gap: float
    own_gap: float | None
    note: str
    runs: tuple[Run, ...]


Measure = Callable[[str, float, int, bool], Run]  # peer, tol, threads, augment


def references(problem: Problem) -> list[tuple[str, float]]:
    """The solvers that may find the optimum of a problem, and how tightly they are run."""
    names = SPARSE_REFERENCES if problem.l1_ratio else SMOOTH_REFERENCES
    return [(name, tol) for name, tol in names if PEERS[name].installed and not PEERS[name].unfit(problem)]


def find_reference(problem: Problem, measure: Measure, penalised: bool) -> tuple[Reference, list[Run]]:
    """Runs reference solvers one after the other until two agree, or duality proves one; the runs too."""
    runs: list[Run] = []
    for name, tol in references(problem):
        run = measure(name, tol, PEERS[name].threads[-1], penalised)
        runs += [run] if run.status == "done" else []
        if lowest(runs, penalised).agreed:
            break
    return lowest(runs, penalised), runs


def lowest(runs: Sequence[Run], penalised: bool) -> Reference:
    """The optimum by these runs."""
    ordered = sorted(runs, key=lambda run: run.value(penalised))
    values = [run.value(penalised) for run in ordered[:2]]
    spread = values[1] / values[0] - 1 if len(values) == 2 else np.nan
    value = values[0] if values else np.inf
    bounds = [run.bound(penalised) for run in runs if np.isfinite(run.bound(penalised))]
    proven = 1 - max(bounds) / value if bounds else np.nan
    return Reference(value, tuple(run.peer for run in ordered[:2]), spread, proven)


def climb(peer: Peer, measure: Measure, reference: Reference) -> list[Run]:
    """All runs of a peer: the ladder of tolerances with each number of threads, then half a rung back.

    A library's threads may cost more than they bring (on a busy machine, twenty times), so fewer are tried from where
    more had stopped. The last run is for a solver whose last rung was further than it had to go.
    """
    runs: list[Run] = []
    for threads in peer.threads:
        rungs = [tol for tol in peer.tolerances if not runs or tol <= runs[-1].tol]
        runs += ladder(peer, rungs, threads, measure, reference)
        if runs[-1].status in ("failed", "refused"):
            return runs
    best = min((run for run in runs if reached(peer, run, reference)), key=lambda run: run.seconds, default=None)
    if best and best.tol < peer.tolerances[0]:
        runs.append(measure(peer.name, 10 * best.tol, best.threads, False))
    return runs


def ladder(peer: Peer, rungs: list[float], threads: int, measure: Measure, reference: Reference) -> list[Run]:
    """Runs from loose to tight until one reaches the gap or does not end well."""
    runs: list[Run] = []
    for tol in rungs:
        runs.append(measure(peer.name, tol, threads, False))
        if runs[-1].status != "done" or reached(peer, runs[-1], reference):
            break
    return runs


def race(problem: Problem, peers: Sequence[Peer], measure: Measure) -> tuple[Reference, list[Entry]]:
    """The optimum, and a line for each peer; the penalised optimum is found only where a peer minimises it."""
    able = [peer for peer in peers if peer.installed and not peer.unfit(problem)]
    kinds = {False} | {peer.penalises_intercept for peer in able}
    found = {kind: find_reference(problem, measure, kind) for kind in kinds}
    runs = {peer: climb(peer, measure, found[peer.penalises_intercept][0]) for peer in able}
    best = {
        kind: lowered(*found[kind], [r for p in able if p.penalises_intercept == kind for r in runs[p]], kind)
        for kind in kinds
    }
    lines = [entry(peer, runs[peer], best) if peer in runs else absent(peer, problem) for peer in peers]
    return best[False], lines


def lowered(reference: Reference, tight: list[Run], runs: list[Run], penalised: bool) -> Reference:
    """A reference whose value is the lowest that any run has found."""
    found = lowest([*tight, *(run for run in runs if run.status == "done")], penalised)
    return replace(reference, value=found.value, proven=found.proven)


def reached(peer: Peer, run: Run, reference: Reference) -> bool:
    return run.status == "done" and reference.gap(run.value(peer.penalises_intercept)) <= ENOUGH


def entry(peer: Peer, runs: Sequence[Run], optimum: dict[bool, Reference]) -> Entry:
    """A solver's runs as its line in the table; `optimum` with the intercept penalised, and with it free."""
    target = optimum[peer.penalises_intercept]
    done = [run for run in runs if run.status == "done"]
    good = [run for run in done if reached(peer, run, target)]
    best = min(good, key=lambda run: run.seconds, default=None)
    best = best or min(done, key=lambda run: run.value(peer.penalises_intercept), default=None)
    status = "reached" if good else "short" if done else runs[-1].status
    gap = optimum[False].gap(best.objective) if best else np.nan
    own_gap = target.gap(best.penalised_objective) if best and peer.penalises_intercept else None
    return Entry(peer.name, status, best, gap, own_gap, "" if good else noted(runs), tuple(runs))


def noted(runs: Sequence[Run]) -> str:
    """The last thing that there was to say of these runs."""
    return next((run.note for run in reversed(runs) if run.note), "")


def absent(peer: Peer, problem: Problem) -> Entry:
    """The line of a solver that was not run."""
    status, note = ("does not apply", peer.unfit(problem)) if peer.installed else ("not installed", "not installed")
    return Entry(peer.name, status, None, np.nan, None, note, ())
