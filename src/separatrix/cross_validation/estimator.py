"""The estimator that chooses C and l1_ratio by cross-validation."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import get_scorer
from sklearn.model_selection import check_cv
from sklearn.utils.validation import validate_data

from separatrix.arguments import (
    check_flag,
    check_l1_ratio,
    check_number,
    check_offset,
    check_sample_weight,
    check_two_classes,
    label_codes,
)
from separatrix.arrays import FLOATS, BoolArray, FloatArray, IntArray
from separatrix.cross_validation.scores import Judge, Rows, decision_values, values_along, with_coefficients
from separatrix.data.memory import memory_source
from separatrix.engine.fit import Options
from separatrix.engine.path import Paths, fit_paths
from separatrix.equations.losses import LogLoss, SoftmaxLoss
from separatrix.equations.penalties import elastic_net
from separatrix.errors import ArgumentError, ConvergenceWarning
from separatrix.estimators import LogisticRegression

Folds = Sequence[tuple[IntArray, IntArray]]


class LogisticRegressionCV(LogisticRegression):
    r"""Logistic regression whose C, and l1_ratio, are chosen by cross-validation; a drop-in for scikit-learn's.

    For each C and l1_ratio the rows that each fold leaves out are scored by a fit of the others. The best sum of scores
    wins, and the model is fitted to all rows with it.

    Parameters
    ----------
    Cs : int or list of floats, default 10
        Inverse strengths of the penalty to choose from; a number is so many between 1e-4 and 1e4, evenly in logarithm.
    l1_ratios : list of floats, default (0.0,)
        Shares of the L1 penalty to choose from.
    cv : int, splitter, iterable of (train, test), "loo" or None, default None
        None is 5 folds. A number makes stratified folds, as scikit-learn does. "loo" leaves out each row in turn,
        approximately, by one fit for each C (`separatrix.engine.leverage`). A row is in a training set or is not: one
        that is named twice counts once.
    scoring : str, callable or None, default None
        Any scikit-learn scorer; None is accuracy, or the log loss with cv="loo". With `sample_weight`, its rows weigh
        in the scores, too. With cv="loo" a callable (model, X, y) is given a model that takes decision values in place
        of X, as each row has a model of its own; so it is with an offset.
    refit : bool, default True
        Whether to fit all rows with the best C and l1_ratio; else coefficients, C_ and l1_ratio_ are the mean over the
        folds of the best of each.
    fit_intercept, class_weight, random_state, solver, tol, max_iter, multi_class, n_threads
        As in `LogisticRegression`. "balanced" weighs the classes by all rows, not by those of each fold.

    Attributes
    ----------
    coef_, intercept_, classes_, n_features_in_, feature_names_in_
        As in `LogisticRegression`.
    trace_, certificate_
        Of the last fit, with the chosen C; only with refit.
    C_, l1_ratio_ : float, the chosen ones.
    Cs_ : (Cs,);  l1_ratios_ : (ratios,)
    scores_ : (folds, ratios, Cs), the larger the better; one "fold" of all rows with cv="loo".
    coefs_paths_ : (folds, ratios, Cs, K, p + 1), the intercept last, if there is one; K = 1 for two classes.
    gaps_ : (folds, ratios, Cs), how far each fit is above its optimum, per unit weight, as its solver estimates it.
    n_iter_ : (folds, ratios, Cs)

    Notes
    -----
    The attributes have the shapes of scikit-learn's `use_legacy_attributes=False`. Warns with ConvergenceWarning if
    fits came to max_iter before tol. For groups, give cv the list that `GroupKFold().split(X, y, groups)` makes.

    >>> from sklearn.datasets import load_breast_cancer
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> model = LogisticRegressionCV(scoring="neg_log_loss").fit(X, y)
    >>> round(model.C_, 2), model.scores_.shape
    (21.54, (5, 1, 10))
    """

    def __init__(
        self,
        *,
        Cs: Any = 10,
        l1_ratios: Any = (0.0,),
        fit_intercept: bool = True,
        cv: Any = None,
        scoring: Any = None,
        refit: bool = True,
        class_weight: Any = None,
        random_state: Any = None,
        solver: str = "auto",
        tol: float = 1e-8,
        max_iter: int = 100,
        multi_class: str = "auto",
        n_threads: int | None = None,
    ) -> None:
        self.Cs = Cs
        self.l1_ratios = l1_ratios
        self.fit_intercept = fit_intercept
        self.cv = cv
        self.scoring = scoring
        self.refit = refit
        self.class_weight = class_weight
        self.random_state = random_state
        self.solver = solver
        self.tol = tol
        self.max_iter = max_iter
        self.multi_class = multi_class
        self.n_threads = n_threads

    def fit(  # pyright: ignore[reportIncompatibleMethodOverride]: of arrays alone
        self, X: Any, y: Any, sample_weight: ArrayLike | None = None, offset: ArrayLike | None = None
    ) -> Self:
        """Chooses C and l1_ratio on X (rows, p), dense, sparse or a dataframe, and labels y (rows,), and fits.

        An offset is that of `LogisticRegression.fit`; it is in the predictions that are scored, too.
        """
        options, _ = self._model()._checked()
        self.Cs_, self.l1_ratios_ = grid_of_Cs(self.Cs), grid_of_ratios(self.l1_ratios)
        check_flag("refit", self.refit)
        leave_out, scorer = is_loo(self.cv), self._scorer()
        X, y = validate_data(self, X, y, accept_sparse="csr", dtype=FLOATS)
        self.classes_, codes = label_codes(y)
        weight = check_sample_weight(sample_weight, X.shape[0])
        offset = check_offset(offset, X.shape[0], self._columns_of_eta())
        rows = Rows(X, y, codes, None if sample_weight is None else weight, offset)
        if self.class_weight is not None:
            weight = weight * self._weight_of_classes(y, weight)[codes]
        check_two_classes(self.classes_, codes, weight)
        folds = [] if leave_out else folds_of(self.cv, X, y)
        paths = [self._paths(rows, weight, folds, ratio, options) for ratio in self.l1_ratios_]
        judge = Judge(scorer, self.classes_, self.multi_class)
        if leave_out:
            self.scores_ = np.array([[judge.of_values(path.left_out, rows) for path in paths]])
        else:
            held_out = [rows.take(test) for _, test in folds]
            self.scores_ = np.array(
                [[judge.of_path(path, f, some) for path in paths] for f, some in enumerate(held_out, start=1)]
            )
        self._keep_paths(paths, slice(0, 1) if leave_out else slice(1, None))
        warn_of_gaps(self.gaps_, self.tol, self.max_iter)
        return self._refit(rows, weight, paths) if self.refit else self._average()

    def score(
        self, X: Any, y: Any = None, sample_weight: ArrayLike | None = None, offset: ArrayLike | None = None
    ) -> float:
        """What the scorer that chose C says of the model on X and y; accuracy, if none was named."""
        weigh = {} if sample_weight is None else {"sample_weight": sample_weight}
        if offset is None:
            return float(self._scorer()(self, X, y, **weigh))
        model = decision_values(self.classes_, self.multi_class)
        return float(self._scorer()(model, self._eta(X, offset), y, **weigh))

    def _model(self, **parameters: Any) -> LogisticRegression:
        """The estimator that each fit amounts to."""
        names = set(LogisticRegression().get_params()) & set(self.get_params())
        return LogisticRegression(**{name: getattr(self, name) for name in names} | parameters)

    def _scorer(self) -> Callable[..., float]:
        return get_scorer(self.scoring or ("neg_log_loss" if is_loo(self.cv) else "accuracy"))

    def _paths(self, rows: Rows, weight: FloatArray, folds: Folds, l1_ratio: float, options: Options) -> Paths:
        """The fits for one l1_ratio; with "ovr", for each class against the rest, side by side."""
        X, codes, offset = rows.X, rows.codes, rows.offset
        K, kept = len(self.classes_), np.flatnonzero(weight)
        train = training_rows(folds, len(codes))[kept]
        penalty = elastic_net(np.ones(X.shape[1]), l1_ratio)

        def walk(y: NDArray, loss: Any, columns: int, own: FloatArray | None) -> Paths:
            source = memory_source(X, y, weight, self.fit_intercept, self.n_threads, own)
            return fit_paths(source, loss, columns, penalty, self.Cs_, train, options, leave_out=not folds)

        if K == 2:
            paths = walk(codes[:, None] * 1.0, LogLoss(), 1, offset)
        elif self._one_vs_rest():
            own = [None if offset is None else offset[:, [k]] for k in range(K)]
            paths = side_by_side([walk((codes == k)[:, None] * 1.0, LogLoss(), 1, own[k]) for k in range(K)])
        else:
            paths = walk(codes, SoftmaxLoss(), K, offset)
        if paths.left_out is not None and len(kept) < len(codes):  # a row of no weight pulls nothing
            eta = values_along(paths, 0, rows)
            eta[:, kept] = paths.left_out
            return replace(paths, left_out=eta)
        return paths

    def _keep_paths(self, paths: list[Paths], folds: slice) -> None:
        """The attributes that tell of the fits of the folds."""

        def kept(name: str) -> NDArray:
            return np.stack([getattr(path, name)[folds] for path in paths], axis=1)

        self.gaps_, self.n_iter_ = kept("gaps"), kept("iterations")
        w, b = kept("coefficients"), kept("intercepts")[..., None]
        self.coefs_paths_ = np.concatenate([w, b], axis=-1) if self.fit_intercept else w

    def _refit(self, rows: Rows, weight: FloatArray, paths: list[Paths]) -> Self:
        """The fit of all rows with the best C and l1_ratio, which the path has come by already; certified."""
        # Of equal scores the strongest penalty wins, as in scikit-learn.
        c, r = np.unravel_index(self.scores_.sum(axis=0).T.argmax(), self.scores_.shape[:0:-1])
        self.C_, self.l1_ratio_ = float(self.Cs_[c]), float(self.l1_ratios_[r])
        model = self._model(C=self.C_, l1_ratio=self.l1_ratio_, class_weight=None, warm_start=True)
        model = with_coefficients(model, self.classes_, paths[r].coefficients[0, c], paths[r].intercepts[0, c])
        model.fit(rows.X, rows.y, weight, rows.offset)
        self.coef_, self.intercept_ = model.coef_, model.intercept_
        self.trace_, self.certificate_ = model.trace_, model.certificate_
        return self

    def _average(self) -> Self:
        """Without refit: the mean over the folds of each one's best."""
        best = [np.unravel_index(scores.T.argmax(), scores.shape[::-1]) for scores in self.scores_]
        theta = np.mean([self.coefs_paths_[f, r, c] for f, (c, r) in enumerate(best)], axis=0)
        self.C_ = float(np.mean([self.Cs_[c] for c, _ in best]))
        self.l1_ratio_ = float(np.mean([self.l1_ratios_[r] for _, r in best]))
        self.coef_ = theta[:, : theta.shape[1] - int(self.fit_intercept)]
        self.intercept_ = theta[:, -1] if self.fit_intercept else np.zeros(len(theta))
        return self


def folds_of(cv: Any, X: Any, y: NDArray) -> Folds:
    """The (train, test) rows of each fold, by scikit-learn's rules."""
    splitter: Any = check_cv(cv, y, classifier=True)
    return list(splitter.split(X, y))


def training_rows(folds: Folds, n: int) -> BoolArray:
    """Which rows each fold trains on, (n, folds)."""
    train = np.zeros((n, len(folds)), dtype=bool)
    for f, (rows, _) in enumerate(folds):
        train[rows, f] = True
    return train


def side_by_side(paths: list[Paths]) -> Paths:
    """One path of K classes from K of one class against the rest."""
    axis = 2  # of classes, in all but the gaps and iterations
    left_out = [path.left_out for path in paths if path.left_out is not None]
    return Paths(
        np.concatenate([path.coefficients for path in paths], axis=axis),
        np.concatenate([path.intercepts for path in paths], axis=axis),
        np.max([path.gaps for path in paths], axis=0),
        np.max([path.iterations for path in paths], axis=0),
        np.concatenate(left_out, axis=axis) if left_out else None,
    )


def is_loo(cv: Any) -> bool:
    """Whether cv is "loo"; ArgumentError if it is another word."""
    if isinstance(cv, str) and cv != "loo":
        raise ArgumentError(f"cv={cv!r} must be a number of folds, a splitter, an iterable of (train, test), or 'loo'.")
    return isinstance(cv, str)


def grid_of_Cs(Cs: Any) -> FloatArray:
    """The Cs themselves, or so many of them between 1e-4 and 1e4."""
    if isinstance(Cs, (int, np.integer)):
        check_number("Cs", Cs, at_least=1)
        return np.logspace(-4, 4, int(Cs))
    for C in (grid := np.atleast_1d(Cs).tolist()):
        check_number("Cs", C, above=0, infinite=True)
    return filled("Cs", grid)


def grid_of_ratios(l1_ratios: Any) -> FloatArray:
    """The shares of the L1 penalty; None is no L1 part."""
    grid = [0.0] if l1_ratios is None else np.atleast_1d(l1_ratios).tolist()
    for ratio in grid:
        check_l1_ratio(ratio)
    return filled("l1_ratios", grid)


def filled(name: str, grid: list[float]) -> FloatArray:
    """ArgumentError if there is nothing to choose from."""
    if not grid:
        raise ArgumentError(f"{name}={grid!r} is empty: there is nothing to choose from.")
    return np.array(grid, dtype=np.float64)


def warn_of_gaps(gaps: FloatArray, tol: float, max_iter: int) -> None:
    """One ConvergenceWarning for all fits that max_iter stopped."""
    if many := np.count_nonzero(gaps > tol):
        warnings.warn(
            f"{many} of {gaps.size} fits stopped after {max_iter} iterations, the worst about {gaps.max():.1e} above "
            f"its best mean loss (asked: {tol:.0e}). Raise max_iter, or leave out the largest Cs: see gaps_.",
            ConvergenceWarning,
            stacklevel=3,
        )
