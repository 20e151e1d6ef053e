"""scikit-learn's door: estimators that check their input, ask the engine, and dress its answer.

They hold no mathematics: equations/ has the formulas, engine/ finds the minimum.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import isinf
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.metrics import accuracy_score

from separatrix.arguments import (
    FARTHEST,
    as_numbers,
    check_C,
    check_choice,
    check_flag,
    check_l1_ratio,
    check_number,
    check_offset,
    check_sample_weight,
    check_size,
    check_whole,
    is_moderate,
)
from separatrix.arrays import FloatArray, repeated
from separatrix.checked import (
    all_or_nothing,
    check_fitted,
    checked_rows,
    judged,
    random_of,
    warn_of_no_offset,
    weight_of_classes,
)
from separatrix.data.block import Source
from separatrix.data.classes import against, codes_for, columns_of_eta, loss_of
from separatrix.data.column_traits import check_not_tiny
from separatrix.data.labels import check_two_classes, made_codes, weight_by_class
from separatrix.data.lazy import weight_of_rows
from separatrix.data.memory import memory_source
from separatrix.engine.fit import Fit, Options
from separatrix.equations.links import log1pexp, log_sigmoids, log_softmax, softmax
from separatrix.equations.losses import ClassLoss
from separatrix.equations.penalties import elastic_net
from separatrix.inference.aside import fit_aside
from separatrix.inference.doubt import separation_of, warn_of_classes, warn_of_fits
from separatrix.inference.recession import Recession
from separatrix.predicted import by_rows, eta_of
from separatrix.tables import brought, class_blocks, class_rows, columns_for, table_eta, table_labels

MULTI_CLASS = ("auto", "multinomial", "ovr")


class LogisticRegression(ClassifierMixin, BaseEstimator):
    r"""Logistic regression with an exact, certified optimum; a drop-in for scikit-learn's.

    Minimises  C * sum_i weight_i loss(y_i, eta_i) + (1 - l1_ratio) |w|^2 / 2 + l1_ratio |w|_1,  eta_i = x_i'w + b, the
    intercept b unpenalised. The loss is the log loss for two classes and the softmax loss for more
    (`separatrix.equations.losses`). An offset is added to eta, in the fit and in predictions: (rows,) for two classes,
    for more (rows, K), which "ovr" takes column by column.

    Parameters
    ----------
    C : float, default 1.0
        Inverse strength of the penalty; `inf` is no penalty.
    l1_ratio : float, default 0.0
        Share of the L1 penalty, between 0 (L2 alone) and 1 (L1 alone). Above 0, weights become exactly zero.
    tol : float, default 1e-8
        Upper bound on the gap to the optimum of the objective per unit weight (that is, of the mean loss).
    fit_intercept : bool, default True
    class_weight : dict, "balanced" or None
        Weight of each class, times `sample_weight`; "balanced" gives every class the same total.
    random_state : int, RandomState or None
        Draws the sample that a fit of many rows starts on; None is one seed, so fits repeat. The optimum is the same.
    solver : str, default "auto"
        A way to the optimum, which is the same for all: docs/solvers.md has every name, scikit-learn's among them, and
        when "auto" picks which.
    max_iter : int, default 100
    multi_class : {"auto", "multinomial", "ovr"}
        For three or more classes: one softmax model, or one binary model for each class against the rest.
    warm_start : bool, default False
        Start from the coefficients of the last fit, where their shape still fits and they are finite; else from zero.
    n_threads : int or None
        Threads that share a pass over the rows; by default $SEPARATRIX_NUM_THREADS, else the cores this process has.

    Of scikit-learn's arguments five are not there: `penalty` (C and l1_ratio say it), `n_jobs` (n_threads), `verbose`
    (`trace_`), and liblinear's `dual` and `intercept_scaling`; nor are its methods `sparsify` and `densify`.

    Attributes
    ----------
    coef_ : (1, p) for two classes, else (K, p);  intercept_ : (1,) or (K,);  classes_ : (K,)
    trace_ : Trace
        Solver and why, and for each iteration loss, gradient norm, estimated gap, passes over the data and seconds.
        One for each class with "ovr".
    certificate_ : Certificate
        Proven upper bound on the gap, and how it was obtained. One for each class with "ovr".
    separation_ : Separation or None
        Which coefficients have no finite optimum with C=inf, and why; None where all have. Of more than 2,000, those
        that single columns show; it is `whole` if all were looked for. With "ovr" one for each class, or None.
    n_iter_ : (1,) or, with "ovr", (K,);  n_features_in_;  feature_names_in_

    Notes
    -----
    Warns with ConvergenceWarning if max_iter comes before tol, or rounding hides whether tol is reached or lets no step
    lower the loss, and with SeparationWarning if C=inf and no finite optimum exists, because classes are separated,
    wholly or in part (`separatrix.detect_separation`), or if all rows of a class weigh nothing. Predictions warn with
    SeparatrixWarning where the fit had an offset and they have none. Raises ArgumentError for parameters, or an offset,
    without meaning, DataError for an X that is not of finite numbers, and TargetError for a target with one class.

    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> model = LogisticRegression().fit(X, y)
    >>> round(model.score(X, y), 3)
    0.973
    >>> model.certificate_.gap < 1e-8
    True
    """

    def __init__(
        self,
        *,
        C: float = 1.0,
        l1_ratio: float = 0.0,
        tol: float = 1e-8,
        fit_intercept: bool = True,
        class_weight: Any = None,
        random_state: Any = None,
        solver: str = "auto",
        max_iter: int = 100,
        multi_class: str = "auto",
        warm_start: bool = False,
        n_threads: int | None = None,
    ) -> None:
        self.C = C
        self.l1_ratio = l1_ratio
        self.tol = tol
        self.fit_intercept = fit_intercept
        self.class_weight = class_weight
        self.random_state = random_state
        self.solver = solver
        self.max_iter = max_iter
        self.multi_class = multi_class
        self.warm_start = warm_start
        self.n_threads = n_threads

    def fit(
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        offset: Any = None,
        *,
        target: str | None = None,
        columns: Any = None,
    ) -> Self:
        """Fits X (rows, p), dense, sparse or a dataframe, to labels y (rows,), with weights (rows,) and an offset.

        Or a table, of any size: X from `separatrix.open`, or a dataframe, also of Dask, and `target`, `sample_weight`
        and `offset` names of its columns. What becomes of the others is learned, as a `separatrix.Columns` in `columns`
        may tell, and kept as `columns_`. Large arrays of Dask are fitted by the workers of its current client.
        """
        options, strength = self._checked()
        with all_or_nothing(self):
            if target is None:
                given = X, y, sample_weight, offset
                found = class_blocks(self, *given, columns) or self._of_arrays(*brought(*given))
            else:
                found = class_rows(self, X, y, target, sample_weight, offset, columns)
            self._with_offset = offset is not None
            return self._learn(found, strength, options)

    def _learn(self, found: tuple[NDArray, Source, FloatArray, float], strength: float, options: Options) -> Self:
        """The attributes of a fit to such rows, as `_of_arrays` finds."""
        self.classes_, source, by_class, weight = found
        with source.working() as source:
            fits, known = zip(*self._fits(source, strength / weight, options), strict=True)
            apart = self._separation(fits, known, source)
        warn_of_fits(fits, apart, self.tol)
        self.separation_ = apart if (any(apart) if isinstance(apart, tuple) else apart) else None
        if self.fit_intercept and self.separation_ is None:
            warn_of_classes(self.classes_, by_class)
        self.coef_ = np.vstack([fit.coefficients for fit in fits])
        self.intercept_ = np.concatenate([fit.intercepts for fit in fits])
        self.n_iter_ = np.array([fit.iterations for fit in fits])
        one = len(fits) == 1
        self.trace_ = fits[0].trace if one else tuple(fit.trace for fit in fits)
        self.certificate_ = fits[0].certificate if one else tuple(fit.certificate for fit in fits)
        return self

    def _of_arrays(self, X: Any, y: Any, sample_weight: Any, offset: Any) -> tuple[NDArray, Source, FloatArray, float]:
        """The classes of arrays, the rows with their codes for y, and what those of each class weigh, (K,), and all."""
        given = X
        X, y = checked_rows(self, X, y)
        if isinf(self.C):
            check_not_tiny(X, given)
        self.classes_, codes = made_codes(y)
        weight = check_sample_weight(sample_weight, X.shape[0])
        weight, total = self._weighed(codes, weight)
        offset = check_offset(offset, X.shape[0], self._columns_of_eta(), FARTHEST)
        threads = self.n_threads
        source = memory_source(X, codes, weight, self.fit_intercept, n_threads=threads, offset=offset, near=True)
        return self.classes_, source, total, float(weight.sum())

    def _weighed(self, codes: Any, weight: FloatArray) -> tuple[Any, FloatArray]:
        """The weights of rows (rows,) with those of their classes, and what the rows of each class weigh then, (K,)."""
        total = weight_by_class(codes, len(self.classes_), weight)
        check_two_classes(self.classes_, total)
        if self.class_weight is not None:
            by_class = weight_of_classes(self.class_weight, self.classes_, total)
            with np.errstate(over="ignore"):  # of rows that weigh too much in all, which is refused by name
                weight, total = weight_of_rows(by_class, codes, weight), total * by_class
        check_size("class_weight", weight)
        return weight, total

    def _fits(self, source: Source, strength: float, options: Options) -> list[tuple[Fit, Recession | None]]:
        """One fit, or with "ovr" one for each class against the rest, and where its likelihood never falls, if that is
        known then; the penalty's strength is per unit weight."""
        K, p = len(self.classes_), source.n_columns
        penalty = elastic_net(repeated(strength, p), float(self.l1_ratio or 0.0))

        def one(code: Callable[[NDArray], NDArray], loss: ClassLoss, rows: slice) -> tuple[Fit, Recession | None]:
            fit, known = fit_aside(source.recoded(code, rows), loss, penalty, options, self._start(p, rows))
            return replace(fit, at=None), known  # a gradient may be large beside few rows

        if K > 2 and self._one_vs_rest():
            return [one(against(k), loss_of(2), slice(k, k + 1)) for k in range(K)]
        return [one(codes_for(K), loss_of(K), slice(None))]

    def _separation(self, fits: Sequence[Fit], known: Sequence[Recession | None], source: Source) -> Any:
        """What keeps an optimum from being finite, where a fit leaves it open whether one does, for each of several
        fits; else None, as where that is not asked."""
        if all(fit.finite for fit in fits):
            return None
        names = list(getattr(self, "feature_names_in_", [f"x{j}" for j in range(source.n_columns)]))
        labels = self.classes_.tolist()
        cases = [(source, labels)]
        if len(fits) > 1:
            cases = [(source.recoded(against(k)), ["another", label]) for k, label in enumerate(labels)]
        found = tuple(
            separation_of(fit, rows, classes, names, self.fit_intercept, directions)
            for fit, directions, (rows, classes) in zip(fits, known, cases, strict=True)
        )
        return found[0] if len(fits) == 1 else found

    def _columns_of_eta(self) -> int:
        return columns_of_eta(len(self.classes_))

    def _start(self, p: int, rows: slice) -> tuple[FloatArray, FloatArray]:
        """Zero, or with warm_start the last coefficients if they fit and are finite; of the classes in `rows`."""
        K = self._columns_of_eta()
        if self.warm_start and hasattr(self, "coef_"):
            w, b = as_numbers(self.coef_), as_numbers(self.intercept_)
            if w.shape == (K, p) and b.shape == (K,) and is_moderate(w) and is_moderate(b):
                return w[rows], b[rows]
        return repeated(0.0, K, p)[rows], np.zeros(K)[rows]  # of many columns zeros would take room

    def _checked(self) -> tuple[Options, float]:
        """The parameters as the engine takes them: options, and the penalty's strength 1 / C."""
        check_C("C", self.C)
        check_number("tol", self.tol, above=0)
        check_whole("max_iter", self.max_iter, at_least=1)
        check_flag("fit_intercept", self.fit_intercept)
        check_flag("warm_start", self.warm_start)
        check_l1_ratio("l1_ratio", 0.0 if self.l1_ratio is None else self.l1_ratio)
        check_choice("multi_class", self.multi_class, MULTI_CLASS)
        seed = 0 if self.random_state is None else int(random_of(self.random_state).randint(2**31))
        return Options(self.solver, float(self.tol), int(self.max_iter), self.fit_intercept, seed), 1.0 / float(self.C)

    def _one_vs_rest(self) -> bool:
        return self.multi_class == "ovr"

    def _eta(self, X: Any, offset: Any) -> FloatArray:
        check_fitted(self)
        warn_of_no_offset(self, offset)
        if (columns := columns_for(self, X)) is not None:
            return table_eta(columns, X, self.coef_, self.intercept_, offset)
        return eta_of(self, *brought(X, offset))

    def decision_function(self, X: Any, offset: Any = None) -> FloatArray:
        """x'w + b + offset: (rows,) for two classes, positive for classes_[1]; else (rows, K)."""
        eta = self._eta(X, offset)
        return eta[:, 0] if eta.shape[1] == 1 else eta

    def predict(self, X: Any, offset: Any = None) -> NDArray:
        """The most probable class of each row, (rows,)."""
        eta = self._eta(X, offset)
        return self.classes_[(eta[:, 0] > 0).astype(int) if eta.shape[1] == 1 else eta.argmax(axis=1)]

    def predict_proba(self, X: Any, offset: Any = None) -> FloatArray:
        """P(class | row), (rows, K), rows that sum to 1."""
        eta = self._eta(X, offset)
        if eta.shape[1] == 1:
            return by_rows(self, loss_of(2).probabilities, eta)
        # One-vs-rest divides its K sigmoids by their sum, which is softmax of their logarithms.
        return by_rows(self, softmax, -log1pexp(-eta) if self._one_vs_rest() else eta)

    def predict_log_proba(self, X: Any, offset: Any = None) -> FloatArray:
        """log P(class | row), (rows, K), exact where P itself has rounded to 0."""
        eta = self._eta(X, offset)
        if eta.shape[1] == 1:
            return by_rows(self, log_sigmoids, eta)
        return by_rows(self, log_softmax, -log1pexp(-eta) if self._one_vs_rest() else eta)

    def score(self, X: Any, y: Any = None, sample_weight: Any = None, offset: Any = None) -> float:
        """The share of rows whose class is predicted rightly, by weight; of a table without y, by its target."""
        y, sample_weight = table_labels(self, X, y, sample_weight)
        warn_of_no_offset(self, offset)
        return judged(accuracy_score, y, self.predict(X, 0 if offset is None else offset), sample_weight)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags
