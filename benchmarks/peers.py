"""The solvers: each takes scikit-learn's C and l1_ratio, and translates them into its own scaling.

All minimise C * sum(loss) + (1 - l1_ratio)/2 |w|^2 + l1_ratio |w|_1 with the intercept free, except liblinear, which
penalises the intercept like a coefficient. Dividing by C * rows gives the scaling of glum and skglm: the mean loss,
and alpha = 1 / (C * rows).
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.cases import Matrix, Problem

MANY = 1_000_000  # iterations: a solver stops by its tolerance or by the clock
LARGEST_HESSIAN = 6.0  # gigabytes
TOLERANCES = (1e-2, 1e-4, 1e-6, 1e-8, 1e-10)


class Answer(NamedTuple):
    """coef (K, p) and intercept (K,), K = 1 for two classes; iterations, of separatrix the passes over the data."""

    coef: NDArray
    intercept: NDArray
    iterations: int


Fit = Callable[..., Answer]


def separatrix(X: Matrix, y: NDArray, C: float, l1_ratio: float, tol: float, fit_intercept: bool = True) -> Answer:
    from separatrix import LogisticRegression

    model = LogisticRegression(C=C, l1_ratio=l1_ratio, tol=tol, max_iter=1_000, fit_intercept=fit_intercept).fit(X, y)
    trace: Any = model.trace_  # one, for one softmax model
    return Answer(model.coef_, model.intercept_, trace.passes)


def separatrix_numba(X: Matrix, y: NDArray, C: float, l1_ratio: float, tol: float, **options: Any) -> Answer:
    """With what its extra compiles."""
    os.environ["SEPARATRIX_NUMBA"] = "1"
    try:
        return separatrix(X, y, C, l1_ratio, tol, **options)
    finally:
        del os.environ["SEPARATRIX_NUMBA"]


def scikit_learn(
    X: Matrix, y: NDArray, C: float, l1_ratio: float, tol: float, fit_intercept: bool = True, **options: Any
) -> Answer:
    """`options` name the solver."""
    from sklearn.linear_model import LogisticRegression

    return as_scikit_learn(LogisticRegression, X, y, C, l1_ratio, tol, fit_intercept, **options)


def intelex(X: Matrix, y: NDArray, C: float, l1_ratio: float, tol: float, fit_intercept: bool = True) -> Answer:
    from sklearnex.linear_model import LogisticRegression

    return as_scikit_learn(LogisticRegression, X, y, C, l1_ratio, tol, fit_intercept)


def as_scikit_learn(
    kind: Any, X: Matrix, y: NDArray, C: float, l1_ratio: float, tol: float, fit_intercept: bool, **options: Any
) -> Answer:
    model = kind(
        C=C, l1_ratio=l1_ratio, tol=tol, fit_intercept=fit_intercept, max_iter=MANY, random_state=0, **options
    ).fit(X, y)
    return Answer(model.coef_, np.atleast_1d(model.intercept_), int(np.max(model.n_iter_)))


def glum(X: Matrix, y: NDArray, C: float, l1_ratio: float, tol: float, fit_intercept: bool = True) -> Answer:
    """Half the mean deviance is the mean loss."""
    from glum import GeneralizedLinearRegressor

    ratio: Any = l1_ratio
    model = GeneralizedLinearRegressor(
        family="binomial",
        alpha=1 / (C * X.shape[0]),
        l1_ratio=ratio,
        gradient_tol=tol,
        max_iter=MANY,
        fit_intercept=fit_intercept,
    ).fit(X, y)
    return Answer(model.coef_[None], np.atleast_1d(model.intercept_), model.n_iter_)


def skglm(X: Matrix, y: NDArray, C: float, l1_ratio: float, tol: float, fit_intercept: bool = True) -> Answer:
    from skglm import SparseLogisticRegression

    model = SparseLogisticRegression(
        alpha=1 / (C * X.shape[0]), l1_ratio=l1_ratio, tol=tol, max_iter=1_000, fit_intercept=fit_intercept
    ).fit(X, y)
    return Answer(model.coef_, np.atleast_1d(model.intercept_), int(np.max(model.n_iter_)))


def statsmodels(X: Matrix, y: NDArray, C: float, l1_ratio: float, tol: float) -> Answer:
    """Never penalised. MNLogit's eta of the first class is zero."""
    from statsmodels.discrete.discrete_model import Logit, MNLogit

    several = y.max() > 1
    design = np.column_stack([np.ones(len(X)), X])
    fitted = (MNLogit if several else Logit)(y, design).fit(method="newton", maxiter=1_000, tol=tol, disp=0)
    theta = np.asarray(fitted.params).reshape(design.shape[1], -1)
    theta = np.column_stack([np.zeros(len(theta)), theta]) if several else theta
    return Answer(theta[1:].T, theta[0], fitted.mle_retvals["iterations"])


def anything(problem: Problem) -> str:
    return ""


def smooth(problem: Problem) -> str:
    return "no L1 penalty" if problem.l1_ratio else ""


def with_hessian(problem: Problem) -> str:
    size = problem.hessian_gigabytes
    return f"its Hessian would take {size:,.0f} GB" if size > LARGEST_HESSIAN else ""


def for_newton_cholesky(problem: Problem) -> str:
    return smooth(problem) or with_hessian(problem)


def for_intelex(problem: Problem) -> str:
    return smooth(problem) or ("sparse: falls back to scikit-learn" if problem.sparse else "")


def for_glum(problem: Problem) -> str:
    return "two classes only" if problem.classes > 2 else with_hessian(problem)


def for_separatrix_numba(problem: Problem) -> str:
    compiles = problem.sparse and problem.l1_ratio and problem.classes == 2
    return "" if compiles else "compiles nothing of it"


def for_skglm(problem: Problem) -> str:
    if problem.classes > 2:
        return "two classes only"
    return "" if problem.l1_ratio else "made for the L1 penalty"


def for_liblinear(problem: Problem) -> str:
    if problem.classes > 2:
        return "two classes only"
    if np.isinf(problem.C):
        return "always penalises"
    return "no elastic net" if 0 < problem.l1_ratio < 1 else ""


def for_liblinear_dual(problem: Problem) -> str:
    many = problem.sparse or problem.columns > problem.rows
    return smooth(problem) or for_liblinear(problem) or ("" if many else "for more columns than rows, or sparse rows")


def for_statsmodels(problem: Problem) -> str:
    if problem.sparse:
        return "dense only"
    return "" if np.isinf(problem.C) else "never penalises"


@dataclass(frozen=True)
class Peer:
    """A solver: the module it needs, the tolerances and the numbers of threads to try, and `unfit`, which says in words
    why it does not apply to a problem, or nothing; `columns` of a problem that has it compile all that it ever does."""

    name: str
    module: str
    fit: Fit
    unfit: Callable[[Problem], str] = anything
    tolerances: tuple[float, ...] = TOLERANCES
    threads: tuple[int, ...] = (2, 1)
    penalises_intercept: bool = False
    columns: int = 5

    @property
    def installed(self) -> bool:
        return find_spec(self.module) is not None


def scikit(solver: str, unfit: Callable[[Problem], str], **options: Any) -> Peer:
    """A solver of scikit-learn's, under its name there."""
    return Peer(solver, "sklearn", partial(scikit_learn, solver=solver), unfit, **options)


def liblinear(name: str, unfit: Callable[[Problem], str], dual: bool) -> Peer:
    fit = partial(scikit_learn, solver="liblinear", dual=dual)
    return Peer(name, "sklearn", fit, unfit, threads=(1,), penalises_intercept=True)


# separatrix's tol bounds the gap of the mean loss itself, so that rare positives (a small loss) need a small one.
GAPS = (1e-2, 1e-4, 1e-6, 1e-8, 1e-10, 1e-12)
ALL = [
    Peer("separatrix", "separatrix", separatrix, tolerances=GAPS),
    Peer("separatrix-numba", "numba", separatrix_numba, for_separatrix_numba, tolerances=GAPS, columns=600),
    scikit("lbfgs", smooth),
    scikit("newton-cg", smooth),
    scikit("newton-cholesky", for_newton_cholesky),
    scikit("sag", smooth, threads=(1,)),
    scikit("saga", anything, threads=(1,)),
    liblinear("liblinear", for_liblinear, dual=False),
    liblinear("liblinear-dual", for_liblinear_dual, dual=True),
    Peer("intelex", "sklearnex", intelex, for_intelex),
    Peer("glum", "glum", glum, for_glum),
    Peer("skglm", "skglm", skglm, for_skglm),
    Peer("statsmodels", "statsmodels", statsmodels, for_statsmodels),
]
PEERS = {peer.name: peer for peer in ALL}
OURS = {"separatrix", "separatrix-numba"}
SCIKIT_LEARN = {peer.name for peer in ALL if peer.module == "sklearn"}
