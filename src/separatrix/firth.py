"""The door to Firth's estimate: a scikit-learn classifier whose coefficients are finite however the classes lie."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse
from scipy.stats import norm
from sklearn.utils.validation import check_is_fitted, validate_data

from separatrix.arguments import check_flag, check_number, check_offset, check_sample_weight
from separatrix.arrays import FloatArray, IntArray
from separatrix.data.memory import MemorySource, memory_source
from separatrix.data.threads import one_blas_thread
from separatrix.engine.fit import Options, fit_linear_model
from separatrix.engine.objective import Objective
from separatrix.equations.hyperplane import linear_predictor
from separatrix.equations.losses import LogLoss, SoftmaxLoss
from separatrix.equations.penalties import elastic_net
from separatrix.errors import ArgumentError, ConvergenceWarning, NotFittedError
from separatrix.estimators import FLOATS, LogisticRegression
from separatrix.inference.firth import FirthFit, firth, hat_values, profile_interval, profile_test
from separatrix.inference.recession import Margins, independent
from separatrix.labels import check_two_classes, label_codes

CORRECTIONS = (None, "flic", "flac")
METHODS = ("profile", "wald")
EXACT = 1e-12  # gap of the maximum likelihood fits


class FirthLogisticRegression(LogisticRegression):
    r"""Logistic regression with Jeffreys' prior: finite and nearly unbiased, in small samples and under separation.

    Maximises  log-likelihood + (1/2) log det information  (Firth 1993; `separatrix.inference.firth`). Three or more
    classes are compared with the first. A column that is a linear combination of the intercept and the columns before
    it gets the coefficient 0.

    Parameters
    ----------
    fit_intercept : bool, default True
    correction : None, "flic" or "flac"
        For two classes: with Jeffreys' prior predicted probabilities lean to 1/2. "flic" fits the intercept anew by
        maximum likelihood, so that their mean is the observed share. "flac" fits all coefficients by maximum likelihood
        with the prior as rows of its own, told from the others by a column (Puhr, Heinze, Nold, Lusa and Geroldinger
        2017, "Firth's logistic regression with rare events", Statist. Med. 36). Errors, tests and intervals are those
        of Firth's estimate all the same.
    max_iter : int, default 100
    n_threads : int or None
        As in `LogisticRegression`.

    Attributes
    ----------
    coef_ : (1, p) for two classes, else (K, p), zero for the first class;  intercept_ : (1,) or (K,);  classes_ : (K,)
    bse_, pvalues_ : (K - 1, p + 1), for the classes from the second on, the intercept (if there is one) last
        Standard errors from the information at the estimate; p-values of penalised likelihood ratio tests (Heinze and
        Schemper 2002), computed when first asked for.
    loglik_ : float, the penalised log-likelihood
    n_iter_ : (1,);  n_features_in_;  feature_names_in_

    Notes
    -----
    The fitted estimator refers to the rows, for tests and intervals, until it is pickled. Warns with ConvergenceWarning
    if max_iter comes first.

    >>> model = FirthLogisticRegression().fit([[0], [0], [0], [1], [1], [1]], [0, 0, 0, 1, 1, 1])
    >>> model.coef_.round(6)
    array([[3.89182]])
    >>> model.conf_int().round(2)
    array([[[ 0.44,  9.75],
            [-6.85,  0.39]]])
    """

    def __init__(
        self,
        *,
        fit_intercept: bool = True,
        correction: str | None = None,
        max_iter: int = 100,
        n_threads: int | None = None,
    ) -> None:
        self.fit_intercept = fit_intercept
        self.correction = correction
        self.max_iter = max_iter
        self.n_threads = n_threads

    def fit(  # pyright: ignore[reportIncompatibleMethodOverride]: of arrays alone
        self, X: Any, y: Any, sample_weight: ArrayLike | None = None, offset: ArrayLike | None = None
    ) -> Self:
        """Fits X (rows, p), dense, sparse or a dataframe, to labels y (rows,), with weights (rows,) and an offset."""
        self._check()
        X, y = validate_data(self, X, y, accept_sparse="csr", dtype=FLOATS)
        self.classes_, codes = label_codes(y)
        weight = check_sample_weight(sample_weight, X.shape[0])
        check_two_classes(self.classes_, codes, weight)
        K = len(self.classes_)
        if self.correction is not None and K > 2:
            raise ArgumentError(f"correction={self.correction!r} is for two classes, and y has {K}. Use None.")
        offset = check_offset(offset, X.shape[0], 1 if K == 2 else K)
        labels = codes[:, None] * 1.0 if K == 2 else codes
        source = memory_source(X, labels, weight, centre=self.fit_intercept, n_threads=self.n_threads, offset=offset)
        self._fitted = fitted(source, K, self.fit_intercept, int(self.max_iter))
        self._keep(self._fitted, source, K)
        return self

    def _check(self) -> None:
        check_flag("fit_intercept", self.fit_intercept)
        check_number("max_iter", self.max_iter, at_least=1)
        if self.correction not in CORRECTIONS:
            raise ArgumentError(f"correction={self.correction!r} must be None, 'flic' or 'flac'.")

    def _keep(self, fitted: "Fitted", source: MemorySource, K: int) -> None:
        found = fitted.fit
        if not found.converged:
            warnings.warn(
                f"stopped after {found.iterations} iterations, about {found.gap:.1e} below the highest penalised "
                f"likelihood. Raise max_iter.",
                ConvergenceWarning,
                stacklevel=3,
            )
        w, b = fitted.coefficients()
        if self.correction == "flic" and self.fit_intercept:
            b = flic(source, w)
        elif self.correction == "flac":
            w, b = flac(source, fitted)
        zeros = K > 2
        self.coef_ = np.vstack([np.zeros((1, len(w))), w.T]) if zeros else w.T
        self.intercept_ = np.append(0.0, b) if zeros else b
        self.bse_ = fitted.errors()
        self.loglik_, self.n_iter_ = found.at.value, np.array([max(found.iterations, 1)])

    @property
    def pvalues_(self) -> FloatArray:
        """P-values of penalised likelihood ratio tests of each coefficient being 0, (K - 1, p + 1); NaN for a column
        left out."""
        return self._rows().each(profile_test)[..., 1]

    def conf_int(self, level: float = 0.95, method: str = "profile") -> FloatArray:
        """Intervals at a level between 0 and 1, (K - 1, p + 1, 2), the intercept last; NaN for a column left out.

        By "profile", of the penalised likelihood, or "wald", which is poor where the data nearly separate.
        """
        check_number("level", level, above=0)
        if level >= 1:
            raise ArgumentError(f"level={level!r} must be below 1.")
        if method not in METHODS:
            raise ArgumentError(f"method={method!r} must be 'profile' or 'wald'.")
        rows = self._rows()
        if method == "profile":
            return rows.each(partial(profile_interval, level=level))
        estimate, z = rows.of_all((rows.shift @ rows.fit.theta).T), norm.ppf(0.5 + level / 2)
        return np.stack([estimate - z * self.bse_, estimate + z * self.bse_], axis=-1)

    def _rows(self) -> "Fitted":
        check_is_fitted(self)
        if not hasattr(self, "_fitted"):
            raise NotFittedError("the rows were left behind when the model was stored: fit it again for tests.")
        return self._fitted

    def _one_vs_rest(self) -> bool:
        return False

    def __getstate__(self) -> Any:
        state: Any = super().__getstate__()
        return {name: value for name, value in state.items() if name != "_fitted"}


@dataclass(frozen=True)
class Fitted:
    """Firth's estimate on the independent columns of X, `kept` of p, shifted by the source's centre."""

    objective: Objective
    fit: FirthFit
    kept: IntArray
    p: int

    @property
    def shift(self) -> FloatArray:
        """What makes coefficients of X of those of the shifted columns: b - centre'w, (P, P)."""
        P, some = len(self.fit.theta), len(self.kept)
        shift = np.eye(P)
        if some < P:
            shift[-1, :some] = -self.objective.source.centre
        return shift

    def coefficients(self) -> tuple[FloatArray, FloatArray]:
        """w (p, K - 1), zero for the columns left out, and b (K - 1,)."""
        theta, some = self.shift @ self.fit.theta, len(self.kept)
        w = np.zeros((self.p, theta.shape[1]))
        w[self.kept] = theta[:some]
        return w, theta[some] if len(theta) > some else np.zeros(theta.shape[1])

    def errors(self) -> FloatArray:
        """Standard errors, (K - 1, p + 1), NaN for the columns left out."""
        (P, K), shift = self.fit.theta.shape, self.shift
        covariance = self.fit.covariance.reshape(P, K, P, K)
        return self.of_all(np.sqrt(np.einsum("ij,jkmk,im->ki", shift, covariance, shift)))

    def of_all(self, values: FloatArray) -> FloatArray:
        """(K - 1, P, ..) as (K - 1, p + 1, ..), NaN for the columns left out."""
        some, P = len(self.kept), values.shape[1]
        every = np.full((len(values), self.p + P - some, *values.shape[2:]), np.nan)
        every[:, np.append(self.kept, np.arange(self.p, self.p + P - some)).astype(np.intp)] = values
        return every

    def each(self, function: Callable[[Objective, FirthFit, tuple[int, int]], tuple[float, float]]) -> FloatArray:
        """A pair of numbers for each coefficient, (K - 1, p + 1, 2); the intercept's where no column is shifted."""
        P, K = self.fit.theta.shape
        pairs, plain = np.empty((K, P, 2)), self.unshifted()
        for j, k in np.ndindex(P, K):
            objective, fit = (self.objective, self.fit) if j < len(self.kept) else plain
            pairs[k, j] = function(objective, fit, (j, k))
        return self.of_all(pairs)

    def unshifted(self) -> tuple[Objective, FirthFit]:
        """The same problem in the columns as they are; det I is the same."""
        source: Any = self.objective.source
        if not source.centre.any():
            return self.objective, self.fit
        objective = replace(self.objective, source=replace(source, centre=np.zeros(len(self.kept))))
        return objective, firth(objective, self.shift @ self.fit.theta)


def fitted(source: MemorySource, K: int, fit_intercept: bool, max_iter: int) -> Fitted:
    """Firth's estimate from zero."""
    ones, p = int(fit_intercept), source.n_columns
    with one_blas_thread(), source.working() as working:
        kept = independent(Margins(working, K, ones))
        some = working if len(kept) == p else working.columns(kept)
        loss = LogLoss() if K == 2 else SoftmaxLoss()
        objective = Objective(some, loss, elastic_net(np.zeros(len(kept)), 0.0), fit_intercept)
        fit = firth(objective, np.zeros((len(kept) + ones, K - 1)), max_iter=max_iter)
    at_rest = source if len(kept) == p else source.columns(kept)  # its threads have ended
    return Fitted(replace(objective, source=at_rest), fit, kept, p)


def flic(source: MemorySource, w: FloatArray) -> FloatArray:
    """The intercept (1,) of the greatest likelihood beside these weights (p, 1)."""
    eta = linear_predictor(source.X, w)
    offset = eta if source.offset is None else eta + source.offset
    alone = memory_source(np.zeros((source.n_rows, 0)), source.y, source.weight, offset=offset)
    options = Options(tol=EXACT)
    return fit_linear_model(alone, LogLoss(), elastic_net(np.zeros(0), 0.0), options, start_of(0)).intercepts


def flac(source: MemorySource, fitted: Fitted) -> tuple[FloatArray, FloatArray]:
    """w (p, 1) and b (1,) of the greatest likelihood of the rows and, told apart by a column, as many of outcome 1/2
    and the weight of their leverage: two of each outcome with half of it."""
    h, kept = hat_values(fitted.objective, fitted.fit), fitted.kept
    some = source.X[:, kept]
    marks = np.repeat([[0.0], [1.0]], source.n_rows, axis=0)
    both: Any = sparse.vstack([some, some]) if sparse.issparse(some) else np.vstack([some, some])
    X: Any = sparse.hstack([both, marks], format="csr") if sparse.issparse(some) else np.hstack([both, marks])
    y, weight = np.vstack([source.y, np.full_like(source.y, 0.5)]), np.append(source.weight, h)
    offset = None if source.offset is None else np.tile(source.offset, (2, 1))
    ones = fitted.objective.fit_intercept
    rows = memory_source(X, y, weight, centre=ones, offset=offset)
    options = Options(tol=EXACT, fit_intercept=ones)
    fit = fit_linear_model(rows, LogLoss(), elastic_net(np.zeros(X.shape[1]), 0.0), options, start_of(X.shape[1]))
    w = np.zeros((source.n_columns, 1))
    w[kept] = fit.coefficients[:, :-1].T
    return w, fit.intercepts


def start_of(p: int) -> tuple[FloatArray, FloatArray]:
    """Zeros."""
    return np.zeros((1, p)), np.zeros(1)
