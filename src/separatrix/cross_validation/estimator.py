"""The estimator that chooses C and l1_ratio by cross-validation."""

import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from separatrix.arguments import (
    FARTHEST,
    SMALLEST_C,
    check_C,
    check_flag,
    check_l1_ratio,
    check_number,
    check_offset,
    check_sample_weight,
)
from separatrix.arrays import BoolArray, FloatArray, IntArray, repeated
from separatrix.checked import all_or_nothing, check_fitted, checked_rows
from separatrix.cross_validation.folds import (
    check_left_out,
    check_test_rows,
    check_training_rows,
    folds_of,
    is_loo,
)
from separatrix.cross_validation.scores import (
    Judge,
    Rows,
    decision_values,
    is_of_metric,
    is_weighed,
    scorer_of,
    with_coefficients,
)
from separatrix.data.classes import against, codes_for, columns_of_eta, loss_of
from separatrix.data.labels import made_codes
from separatrix.data.memory import memory_source
from separatrix.engine.fit import Options
from separatrix.engine.paths.groups import Members
from separatrix.engine.paths.leave_out import LeftOut
from separatrix.engine.paths.path import Paths, fit_paths
from separatrix.equations.penalties import elastic_net
from separatrix.errors import ArgumentError, ConvergenceWarning, outside
from separatrix.estimators import LogisticRegression
from separatrix.tables import table_labels

MOST_CS = 10_000  # to try: a larger number is meant as a C


class LogisticRegressionCV(LogisticRegression):
    r"""Logistic regression whose C, and l1_ratio, are chosen by cross-validation; a drop-in for scikit-learn's.

    For each C and l1_ratio the rows that each fold leaves out are scored by a fit of the others. The best mean of the
    scores wins, and the model is fitted to all rows with it. A fold that has no score is left out of the mean: its test
    rows weigh nothing, or the scorer says NaN of them.

    Parameters
    ----------
    Cs : int or list of floats, default 10
        Inverse strengths of the penalty to choose from; a number is so many between 1e-4 and 1e4, evenly in logarithm.
    l1_ratios : list of floats, default (0.0,)
        Shares of the L1 penalty to choose from.
    cv : int, splitter, iterable of (train, test), "loo" or None, default None
        None is 5 folds. A number makes stratified folds, as scikit-learn does. "loo" leaves out each row in turn,
        by one fit for each C and a Newton step for each row, and by fits of their own those that pull hard
        (`separatrix.engine.paths.leave_out`). A row is in a training set or is not: named twice, it counts once.
    scoring : str, callable or None, default None
        Any scikit-learn scorer; None is accuracy, or the log loss with cv="loo". With `sample_weight`, its rows weigh
        in the scores, too, unless metadata routing is on and the scorer requests none. With cv="loo" a callable
        (model, X, y) is given a model that takes decision values in place of X, as each row has a model of its own; so
        it is with an offset.
    refit : bool, default True
        Whether to fit all rows with the best C and l1_ratio; else coefficients, C_ and l1_ratio_ are the mean over the
        folds of the best of each.
    fit_intercept, class_weight, random_state, solver, tol, max_iter, multi_class, n_threads
        As in `LogisticRegression`. "balanced" weighs the classes by all rows, not by those of each fold.

    Attributes
    ----------
    coef_, intercept_, classes_, n_features_in_, feature_names_in_
        As in `LogisticRegression`.
    trace_, certificate_, separation_
        Of the last fit, with the chosen C; only with refit.
    C_, l1_ratio_ : float, the chosen ones.
    Cs_ : (Cs,);  l1_ratios_ : (ratios,)
    scores_ : (folds, ratios, Cs), the larger the better, NaN for a fold without; one "fold" of all rows with cv="loo".
    coefs_paths_ : (folds, ratios, Cs, K, p + 1), the intercept last, if there is one; K = 1 for two classes.
    gaps_ : (folds, ratios, Cs), how far each fit is above its optimum, per unit weight, as its solver estimates it.
    n_iter_ : (folds, ratios, Cs)

    Notes
    -----
    The attributes have the shapes of scikit-learn's `use_legacy_attributes=False`. Warns with ConvergenceWarning if
    fits came to max_iter before tol, with SeparationWarning if the training rows of a fold lack a class, and with
    ApproximationWarning if "loo" is known to be far off. Raises ArgumentError for parameters without meaning, and
    TargetError if the training rows of a fold have one class.

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
        self,
        X: Any,
        y: Any,
        sample_weight: ArrayLike | None = None,
        offset: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> Self:
        """Chooses C and l1_ratio on X (rows, p), dense, sparse or a dataframe, and labels y (rows,), and fits.

        An offset is that of `LogisticRegression.fit`; it is in the predictions that are scored, too. Groups (rows,) are
        for a cv that splits by them, such as GroupKFold().
        """
        with all_or_nothing(self):
            for name in ("trace_", "certificate_", "separation_"):
                vars(self).pop(name, None)  # of a fit before
            options, _ = self._model()._checked()
            self.Cs_, self.l1_ratios_ = grid_of_Cs(self.Cs), grid_of_ratios(self.l1_ratios)
            check_flag("refit", self.refit)
            leave_out, scorer = is_loo(self.cv), self._scorer(sample_weight is not None)
            X, y = checked_rows(self, X, y)
            self.classes_, codes = made_codes(y)
            weight = check_sample_weight(sample_weight, X.shape[0])
            offset = check_offset(offset, X.shape[0], self._columns_of_eta(), FARTHEST)
            self._with_offset = offset is not None
            rows = Rows(X, y, codes, None if sample_weight is None else weight, offset)
            scored = rows if is_weighed(scorer) else replace(rows, weight=None)
            weight, _ = self._weighed(codes, weight)
            folds = folds_of(self.cv, X, y, codes, groups)
            counts = check_training_rows(folds, self.classes_, codes, weight)
            if leave_out:
                check_left_out(self.classes_, counts[0], codes, weight)
            elif scored.weight is not None:
                check_test_rows(folds, scored.weight)
            kept = None if weight.all() else np.greater(weight, 0.0)
            members = folds.members if kept is None else folds.members.take(kept)
            paths = [self._paths(rows, weight, members, ratio, options) for ratio in self.l1_ratios_]
            judge = Judge(scorer, self.scoring, self.classes_, self.multi_class)
            if leave_out:
                self.scores_ = np.array([judge.of_left_out(paths, self.Cs_, scored, kept)])
            else:
                self.scores_ = judge.of_folds(self.Cs_, self.l1_ratios_, paths, scored, folds)
            self._keep_paths(paths, slice(0, 1) if leave_out else slice(1, None))
            warn_of_gaps(self.gaps_, self.n_iter_, self.tol, self.max_iter)
            of_all = [(path.coefficients[0].copy(), path.intercepts[0].copy()) for path in paths]  # without the folds'
            del folds, members, weight, codes, paths  # before another fit needs room
            return self._refit(rows, of_all) if self.refit else self._average()

    def score(
        self, X: Any, y: Any = None, sample_weight: ArrayLike | None = None, offset: ArrayLike | None = None
    ) -> float:
        """What the scorer that chose C says of the model on X and y; accuracy, if none was named."""
        check_fitted(self)
        y, sample_weight = table_labels(self, X, y, sample_weight)
        if sample_weight is not None:
            sample_weight = check_sample_weight(sample_weight, len(y))
        scorer = self._scorer(sample_weight is not None)
        sample_weight = sample_weight if is_weighed(scorer) else None
        judge = Judge(scorer, self.scoring, self.classes_, self.multi_class)
        if offset is None and not is_of_metric(scorer):
            return judge.ask(self, X, y, sample_weight)
        return judge.ask(decision_values(self.classes_, self.multi_class), self._eta(X, offset), y, sample_weight)

    def _model(self, **parameters: Any) -> LogisticRegression:
        """The estimator that each fit amounts to."""
        names = set(LogisticRegression().get_params()) & set(self.get_params())
        return LogisticRegression(**{name: getattr(self, name) for name in names} | parameters)

    def _scorer(self, weighed: bool) -> Callable[..., float]:
        return scorer_of(self.scoring, "neg_log_loss" if is_loo(self.cv) else "accuracy", weighed)

    def _paths(self, rows: Rows, weight: Any, members: Members, l1_ratio: float, options: Options) -> Paths:
        """The fits for one l1_ratio; with "ovr", for each class against the rest, side by side."""
        X, codes, offset = rows.X, rows.codes, rows.offset
        K = len(self.classes_)
        penalty = elastic_net(repeated(1.0, X.shape[1]), l1_ratio)
        Cs = np.where(np.isinf(self.Cs_), np.inf, np.minimum(self.Cs_, 1.0 / SMALLEST_C))  # times a weight still finite

        def walk(code: Callable[[NDArray], NDArray], loss: Any, columns: int, own: FloatArray | None) -> Paths:
            source = memory_source(X, codes, weight, self.fit_intercept, self.n_threads, own)
            return fit_paths(source.recoded(code), loss, columns, penalty, Cs, members, options)

        if K > 2 and self._one_vs_rest():
            own = [None if offset is None else offset[:, [k]] for k in range(K)]
            return side_by_side([walk(against(k), loss_of(2), 1, own[k]) for k in range(K)])
        return walk(codes_for(K), loss_of(K), columns_of_eta(K), offset)

    def _keep_paths(self, paths: list[Paths], folds: slice) -> None:
        """The attributes that tell of the fits of the folds."""
        self.gaps_ = np.stack([path.gaps[folds] for path in paths], axis=1)
        self.n_iter_ = np.stack([path.iterations[folds] for path in paths], axis=1)
        (F, Cs, K, p), ones = paths[0].coefficients[folds].shape, int(self.fit_intercept)
        self.coefs_paths_ = np.empty((F, len(paths), Cs, K, p + ones))
        for r, path in enumerate(paths):
            self.coefs_paths_[:, r, ..., :p] = path.coefficients[folds]
            self.coefs_paths_[:, r, ..., p:] = path.intercepts[folds][..., None]

    def _refit(self, rows: Rows, paths: list[tuple[FloatArray, FloatArray]]) -> Self:
        """The fit of all rows with the best C and l1_ratio, which the path has come by already; certified. `paths` are
        the weights and intercepts of all rows for each C, for each l1_ratio."""
        # Of equal scores the strongest penalty wins, as in scikit-learn.
        means = mean_scores(self.scores_, self.scoring)
        c, r = np.unravel_index(means.T.argmax(), means.T.shape)
        self.C_, self.l1_ratio_ = float(self.Cs_[c]), float(self.l1_ratios_[r])
        model = self._model(C=self.C_, l1_ratio=self.l1_ratio_, warm_start=True)
        w, b = paths[r]
        model = with_coefficients(model, self.classes_, w[c], b[c])
        options, strength = model._checked()
        found = model._of_arrays(rows.X, rows.y, rows.weight, rows.offset)
        model._learn(found, strength, options)
        self.coef_, self.intercept_ = model.coef_, model.intercept_
        self.trace_, self.certificate_, self.separation_ = model.trace_, model.certificate_, model.separation_
        return self

    def _average(self) -> Self:
        """Without refit: the mean over the folds of each one's best."""
        mean_scores(self.scores_, self.scoring)
        folds = np.flatnonzero(scored(self.scores_))
        of_folds = np.where(np.isnan(self.scores_), -np.inf, self.scores_)[folds]
        best = [np.unravel_index(scores.T.argmax(), scores.T.shape) for scores in of_folds]
        theta = np.mean([self.coefs_paths_[f, r, c] for f, (c, r) in zip(folds, best, strict=True)], axis=0)
        self.C_ = float(np.mean([self.Cs_[c] for c, _ in best]))
        self.l1_ratio_ = float(np.mean([self.l1_ratios_[r] for _, r in best]))
        self.coef_ = theta[:, : theta.shape[1] - int(self.fit_intercept)]
        self.intercept_ = theta[:, -1] if self.fit_intercept else np.zeros(len(theta))
        return self


def side_by_side(paths: list[Paths]) -> Paths:
    """One path of K classes from K of one class against the rest."""
    axis = 2  # of classes, in all but the gaps and iterations

    def left_out(c: int, see: Any = None) -> LeftOut:  # who sees all classes at once
        found = [path.left_out(c) for path in paths]
        return LeftOut(np.hstack([each.eta for each in found]), max(each.untrue for each in found))

    return Paths(
        np.concatenate([path.coefficients for path in paths], axis=axis),
        np.concatenate([path.intercepts for path in paths], axis=axis),
        np.max([path.gaps for path in paths], axis=0),
        np.max([path.iterations for path in paths], axis=0),
        left_out,
    )


def grid_of_Cs(Cs: Any) -> FloatArray:
    """The Cs themselves, or so many of them between 1e-4 and 1e4."""
    if isinstance(Cs, (int, np.integer)):
        check_number("Cs", Cs, at_least=1)
        if Cs > MOST_CS:
            raise ArgumentError(f"Cs={Cs} is a number of Cs to try, at most {MOST_CS:,}: for one C give [{Cs}].")
        return np.logspace(-4, 4, int(Cs))
    if not are_several(Cs) and not isinstance(Cs, (float, np.floating, np.ndarray)):
        raise ArgumentError(f"Cs={Cs!r} must be a number of Cs, or a list of numbers above 0, or inf.")
    return grid_of("Cs", Cs, check_C)


def grid_of_ratios(l1_ratios: Any) -> FloatArray:
    """The shares of the L1 penalty; None is no L1 part."""
    return grid_of("l1_ratios", [0.0] if l1_ratios is None else l1_ratios, check_l1_ratio)


def are_several(values: Any) -> bool:
    """Whether these are a list, be it of lists."""
    return np.iterable(values) and not isinstance(values, (str, bytes, dict))


def grid_of(name: str, values: Any, check: Callable[[str, Any], None]) -> FloatArray:
    """The values, or the one, of which each passes the check; ArgumentError if there is nothing to choose from."""
    several = are_several(values)
    grid = list(values) if several else [values]
    for i, value in enumerate(grid):
        check(f"{name}[{i}]" if several else name, value)
    if not grid:
        raise ArgumentError(f"{name}={values!r} is empty, with nothing to choose from: give at least one number.")
    return np.array(grid, dtype=np.float64)


def mean_scores(scores: FloatArray, scoring: Any) -> FloatArray:
    """The mean of scores (folds, ratios, Cs) over the folds that have any, -inf where one of these is NaN;
    ArgumentError if that is everywhere."""
    scores = scores[scored(scores)]
    if not len(scores) or np.isnan(means := scores.mean(axis=0)).all():
        raise ArgumentError(
            f"scoring={scoring!r} is NaN on some fold whatever C is, so that none is the best. Use folds or a scorer "
            "for which it is a number, as 'neg_log_loss'."
        )
    return np.where(np.isnan(means), -np.inf, means)


def scored(scores: FloatArray) -> BoolArray:
    """Which folds have a score: not one whose test rows weigh nothing, or lack what the scorer compares."""
    return np.any(~np.isnan(scores), axis=(1, 2))


def warn_of_gaps(gaps: FloatArray, iterations: IntArray, tol: float, max_iter: int) -> None:
    """One ConvergenceWarning for all fits that max_iter stopped, or else those whose steps gained nothing any more."""
    above = gaps > tol
    over = above & (iterations >= max_iter)
    some = over if over.any() else above
    if not some.any():
        return
    why, remedy = "where rounding lets no step lower the loss", "Leave out columns that all but repeat others,"
    if over.any():
        why, remedy = f"after {max_iter} iterations", "Raise max_iter,"
    warnings.warn(
        f"{np.count_nonzero(some)} of {gaps.size} fits stopped {why}, the worst about {gaps[some].max():.1e} "
        f"above its best mean loss (asked: {tol:.0e}). {remedy} or leave out the largest Cs: see gaps_.",
        ConvergenceWarning,
        stacklevel=outside(),
    )
