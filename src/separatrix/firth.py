"""The door to Firth's estimate: a scikit-learn classifier whose coefficients are finite however the classes lie."""

import copy
import warnings
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from separatrix.arguments import (
    FARTHEST,
    check_choice,
    check_flag,
    check_offset,
    check_sample_weight,
    check_whole,
)
from separatrix.arrays import FloatArray
from separatrix.checked import all_or_nothing, check_fitted, checked_rows
from separatrix.data.classes import codes_for, columns_of_eta
from separatrix.data.column_traits import check_not_tiny
from separatrix.data.labels import check_two_classes, label_codes, weight_by_class
from separatrix.data.memory import memory_source
from separatrix.data.threads import one_blas_thread
from separatrix.errors import ArgumentError, ConvergenceWarning, NotFittedError, outside
from separatrix.estimators import LogisticRegression
from separatrix.inference.jeffreys import CORRECTIONS, FirthEstimate, firth_estimate
from separatrix.inference.wald import quantile

METHODS = ("profile", "wald")


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
        maximum likelihood, so that their mean is the observed share; its tests and intervals are Wald's, those of the
        others Firth's. "flac" fits all coefficients by maximum likelihood with the prior as rows of its own, told from
        the others by a column; tests and intervals are of that likelihood (Puhr, Heinze, Nold, Lusa and Geroldinger
        2017, "Firth's logistic regression with rare events", Statist. Med. 36).
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
        given = X
        with all_or_nothing(self):
            X, y = checked_rows(self, X, y)
            check_not_tiny(X, given)
            self.classes_, codes = label_codes(y)
            weight = check_sample_weight(sample_weight, X.shape[0])
            K = len(self.classes_)
            check_two_classes(self.classes_, weight_by_class(codes, K, weight))
            offset = check_offset(offset, X.shape[0], columns_of_eta(K), FARTHEST)
            self._with_offset = offset is not None
            offset = offset if offset is None or K == 2 else offset[:, 1:] - offset[:, :1]
            y, threads = codes_for(K)(codes), self.n_threads
            source = memory_source(X, y, weight, centre=self.fit_intercept, n_threads=threads, offset=offset)
            with one_blas_thread():
                self._fitted = firth_estimate(source, K, self.fit_intercept, int(self.max_iter), self.correction)
            self._keep(self._fitted, K)
            return self

    def _check(self) -> None:
        check_flag("fit_intercept", self.fit_intercept)
        check_whole("max_iter", self.max_iter, at_least=1)
        check_choice("correction", self.correction, CORRECTIONS)

    def _keep(self, found: FirthEstimate, K: int) -> None:
        fit = found.fit
        if not fit.converged:
            warnings.warn(
                f"stopped after {fit.iterations} iterations, about {fit.gap:.1e} below the highest penalised "
                f"likelihood. Raise max_iter.",
                ConvergenceWarning,
                stacklevel=outside(),
            )
        w, b = found.coefficients()
        zeros = K > 2
        self.coef_ = np.vstack([np.zeros((1, len(w))), w.T]) if zeros else w.T
        self.intercept_ = np.append(0.0, b) if zeros else b
        self.bse_ = found.errors()
        self.loglik_, self.n_iter_ = fit.at.value, np.array([max(fit.iterations, 1)])

    @property
    def pvalues_(self) -> FloatArray:
        """P-values of penalised likelihood ratio tests of each coefficient being 0, (K - 1, p + 1); NaN for a column
        left out, and with ConvergenceWarning for one that was not found."""
        rows = self._rows()
        with one_blas_thread():
            return rows.tests()[..., 1]

    def conf_int(self, level: float = 0.95, method: str = "profile") -> FloatArray:
        """Intervals at a level between 0 and 1, (K - 1, p + 1, 2), the intercept last; NaN for a column left out,
        and with ConvergenceWarning for one with an end that was not found.

        By "profile", of the penalised likelihood, or "wald", which is poor where the data nearly separate.
        """
        quantile(level)
        if method not in METHODS:
            raise ArgumentError(f"method={method!r} must be 'profile' or 'wald'.")
        rows = self._rows()
        with one_blas_thread():
            return rows.intervals(level) if method == "profile" else rows.wald_intervals(level)

    def _rows(self) -> FirthEstimate:
        check_fitted(self)
        if not hasattr(self, "_fitted"):
            raise NotFittedError("the rows were left behind when the model was stored: fit it again for tests.")
        return self._fitted

    def _one_vs_rest(self) -> bool:
        return False

    def __copy__(self) -> Self:
        return self._with_state(vars(self))

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self._with_state(copy.deepcopy(vars(self), memo))

    def _with_state(self, state: dict[str, Any]) -> Self:
        """Another with its rows, which only pickling leaves behind."""
        other = type(self).__new__(type(self))
        vars(other).update(state)
        return other

    def __getstate__(self) -> Any:
        state: Any = super().__getstate__()
        return {name: value for name, value in state.items() if name != "_fitted"}
