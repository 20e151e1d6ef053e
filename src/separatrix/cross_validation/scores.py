"""The scores of many fits, by any of scikit-learn's scorers, from their decision values."""

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn import get_config
from sklearn.metrics import get_scorer, get_scorer_names, make_scorer

from separatrix.arrays import BoolArray, FloatArray, IntArray
from separatrix.cross_validation.folds import Folds
from separatrix.data.classes import columns_of_eta
from separatrix.data.memory import some_rows
from separatrix.data.subsets import rows_of, unless_run
from separatrix.data.threads import one_blas_thread
from separatrix.engine.paths.leave_out import warn_of_untrue
from separatrix.engine.paths.path import Paths
from separatrix.equations.hyperplane import linear_predictor, pieces
from separatrix.equations.links import log1pexp
from separatrix.equations.losses import LogLoss
from separatrix.errors import ArgumentError, no_such
from separatrix.estimators import LogisticRegression
from separatrix.explained import about_gaps, about_shape

FEWEST, MOST_CELLS = 128, 2**17  # rows that are scored at a time; of wide ones fewer, as they are copied
AT_ONCE = 10  # arrays of the size of the decision values, of which a score makes a few


@dataclass(frozen=True)
class Rows:
    """Rows to be scored: X (n, p), labels and their codes (n,), weights (n,) and offset (n, K) or None."""

    X: Any
    y: NDArray
    codes: Any
    weight: FloatArray | None
    offset: FloatArray | None

    def take(self, some: IntArray | slice) -> "Rows":
        some = some if isinstance(some, slice) else unless_run(some)
        X = self.X[some] if isinstance(some, slice) else rows_of(self.X, some)
        return Rows(X, self.y[some], self.codes[some], some_rows(self.weight, some), some_rows(self.offset, some))


class DecisionValues(LogisticRegression):
    """A model that is given decision values, (n, K), in place of X: what scorers ask of a model follows from them."""

    def _eta(self, X: Any, offset: Any) -> FloatArray:
        return X


@dataclass(frozen=True)
class Judge:
    """Scores fits as scikit-learn's class does: `labels` is told to a scorer that asks, so a fold may lack a class.

    `scoring` is what the user called the scorer.
    """

    scorer: Any
    scoring: Any
    classes: NDArray
    multi_class: str

    def of_folds(self, Cs: FloatArray, ratios: FloatArray, paths: list[Paths], rows: Rows, folds: Folds) -> FloatArray:
        """The scores (folds, l1_ratios, Cs). Not on threads, where folds would wait for each other."""
        each = list(zip(ratios, paths, strict=True))
        return np.array([[self.of_path(Cs, *one, f, rows, folds) for one in each] for f in folds.numbers])

    def of_path(self, Cs: FloatArray, l1_ratio: float, path: Paths, f: int, rows: Rows, folds: Folds) -> list[float]:
        """The score of the fit of fold f for each C on its test rows; NaN if none of them counts."""
        fits, K, _ = path.coefficients[f].shape
        if rows.weight is not None and not any(rows.weight[test].any() for test in folds.some_of_test(f)):
            return [np.nan] * fits
        if self.is_direct:
            tests, cells = folds.some_of_test(f), at_a_time(rows.X, fits * K)
            parts = (rows.take(test[some]) for test in tests for some in pieces(len(test), *cells))
            with one_blas_thread():  # what several win, their start and end cost
                return self.averaged((values_along(path, f, part), part) for part in parts)
        some = rows.take(folds.test(f))
        if is_of_metric(self.scorer) or rows.offset is not None:
            return self.of_values(values_along(path, f, some), some)
        scores = []
        for C, w, b in zip(Cs.tolist(), path.coefficients[f], path.intercepts[f], strict=True):
            model = LogisticRegression(C=C, l1_ratio=float(l1_ratio), multi_class=self.multi_class)
            scores.append(self.ask(with_coefficients(model, self.classes, w, b), some.X, some.y, some.weight))
        return scores

    def of_left_out(
        self, paths: Iterable[Paths], Cs: FloatArray, rows: Rows, kept: BoolArray | None
    ) -> list[list[float]]:
        """The score of each C of each path with rows left out one at a time; those that are not kept, of no weight,
        pull nothing. None is all."""

        def see(some: slice, eta: FloatArray) -> FloatArray:
            return self.sums(eta[None], rows.take(some))

        def score(path: Paths, c: int) -> tuple[float, int]:
            found = path.left_out(c, see if self.is_direct and kept is None else None)
            if found.seen is not None:
                return float(np.divide(*found.seen)), found.untrue
            if kept is None:
                return self.of_values(found.eta[None], rows)[0], found.untrue
            eta = values_along(path.of(c), 0, rows)[0]
            eta[kept] = found.eta
            return self.of_values(eta[None], rows)[0], found.untrue

        scores = []
        for path in paths:
            of_path, untrue = zip(*(score(path, c) for c in range(len(Cs))), strict=True)
            scores.append(list(of_path))
            warn_of_untrue(untrue, Cs, len(rows.y) if kept is None else int(np.count_nonzero(kept)))
        return scores

    def of_values(self, values: FloatArray, rows: Rows) -> list[float]:
        """The score of each of the decision values (fits, n, K) of these rows."""
        if self.is_direct:
            some = pieces(len(rows.y), AT_ONCE * len(values) * values.shape[2])
            return self.averaged((values[:, part], rows.take(part)) for part in some)
        model = decision_values(self.classes, self.multi_class)
        return [self.ask(model, eta, rows.y, rows.weight) for eta in values]

    def averaged(self, parts: Iterable[tuple[FloatArray, Rows]]) -> list[float]:
        """The mean over rows of a score that is computed here, from decision values (fits, n, K) of some at a time."""
        total = sum((self.sums(values, some) for values, some in parts), np.zeros(1))
        return np.divide(total[:-1], total[-1]).tolist()

    def sums(self, values: FloatArray, rows: Rows) -> FloatArray:
        """The weighted sums of such a score, and of the weights, (fits + 1,)."""
        model = decision_values(np.arange(len(self.classes)), self.multi_class)
        own = np.ones(len(rows.codes)) if rows.weight is None else rows.weight
        scores = DIRECT[of_what(self.scorer)](model, values, rows.codes)
        # Each fit alike, so that equal predictions have equal scores: a product with a matrix rounds its rows unlike.
        return np.array([*(np.vdot(each, own) for each in scores), own.sum()])

    @property
    def is_direct(self) -> bool:
        """Whether the scorer is one of those that are computed here."""
        return is_of_metric(self.scorer) and not self.scorer._kwargs and of_what(self.scorer) in DIRECT

    def ask(self, model: LogisticRegression, X: Any, y: Any, weight: Any) -> float:
        """What the scorer says of a model; ArgumentError where it cannot, or says no number."""
        weigh, known = {} if weight is None else {"sample_weight": weight}, is_of_metric(self.scorer)
        try:
            with np.errstate(invalid="ignore" if known else None):  # of a cast of NaN, which is named below
                score = told_labels(self.scorer, self.classes)(model, X, y, **weigh)
        except (TypeError, ValueError) as error:
            if not known:  # the user's own, whose error says where in it
                raise
            if fault := about_shape(X, y) or about_gaps(y):
                raise fault from None
            name = "the default scoring" if self.scoring is None else f"scoring={self.scoring!r}"
            raise ArgumentError(f"{name} cannot score {self._why_not(error)}") from error
        try:
            return float(score)
        except (TypeError, ValueError):
            raise ArgumentError(f"scoring={self.scoring!r} returned {score!r}, and must return a number.") from None

    def _why_not(self, error: Exception) -> str:
        """What a scorer of scikit-learn's could not score, and what serves instead."""
        K, known = len(self.classes), get_scorer_names()
        instead = [name for name in (f"{self.scoring}_ovr", f"{self.scoring}_macro") if name in known]
        if K > 2 and instead:
            return f"{K} classes: use {instead[0]!r}."
        return f"these rows of {K} classes: {' '.join(str(error).split())}"


def at_a_time(X: Any, outputs: int) -> tuple[int, int]:
    """What a row that is scored takes, and the fewest at a time. Of a dense X each is copied; of a sparse one its
    entries are, and for each product all coefficients, which are not to be more than what the rows take."""
    n, p = X.shape
    if sparse.issparse(X):
        cells = X.nnz // n + AT_ONCE * outputs
        return cells, max(FEWEST, p * outputs // cells)
    return p + AT_ONCE * outputs, max(min(FEWEST, MOST_CELLS // max(p, 1)), 1)


def scorer_of(scoring: Any, default: str, weighed: bool) -> Any:
    """The scorer, by name or as it is; ArgumentError if there is none, or it takes no weights and there are some."""
    if scoring is None:
        return get_scorer(default)
    if isinstance(scoring, str) and scoring not in (known := get_scorer_names()):
        raise ArgumentError(f"scoring={scoring!r} is unknown: {no_such('scorer', scoring, known)}")
    if not isinstance(scoring, str) and not callable(scoring):
        raise ArgumentError(f"scoring={scoring!r} must be the name of a scorer, a callable (model, X, y), or None.")
    if (getattr(scoring, "__module__", None) or "").startswith("sklearn.metrics") and inspect.isfunction(scoring):
        raise ArgumentError(f"scoring={scoring!r} compares labels, and knows no model: give make_scorer of it.")
    scorer = get_scorer(scoring)
    if weighed and is_weighed(scorer) and not takes_weights(getattr(scorer, "_score_func", scorer)):
        raise ArgumentError(
            f"scoring={scoring!r} takes no sample_weight, and there is one: use a scorer that does, or a callable "
            "(model, X, y, sample_weight)."
        )
    return scorer


def is_of_metric(scorer: Any) -> bool:
    """Whether it is one of scikit-learn's, which need no more than a model's decision values."""
    return hasattr(scorer, "_score_func")


def of_what(scorer: Any) -> tuple[Any, int, Any]:
    """What one of scikit-learn's scores: its metric, the sign, and what of a model the metric is given."""
    asked = scorer._response_method
    return scorer._score_func, scorer._sign, tuple(asked) if isinstance(asked, list) else asked


def is_weighed(scorer: Any) -> bool:
    """Whether weights of the rows are for the scorer too: they are, unless metadata routing is on and it was told
    `set_score_request(sample_weight=False)`."""
    if not get_config()["enable_metadata_routing"] or not hasattr(scorer, "get_metadata_routing"):
        return True
    return scorer.get_metadata_routing().score.requests.get("sample_weight") is not False


def takes_weights(function: Callable[..., Any]) -> bool:
    """Whether it has a parameter sample_weight, as far as it tells.

    >>> from sklearn.metrics import accuracy_score
    >>> takes_weights(accuracy_score), takes_weights(lambda model, X, y: 1.0)
    (True, False)
    """
    try:
        known = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return True
    return "sample_weight" in known or any(each.kind is each.VAR_KEYWORD for each in known.values())


def are_right(model: DecisionValues, values: FloatArray, codes: IntArray) -> BoolArray:
    """Whose share is the accuracy, (fits, n); without what scikit-learn's own does to find out what labels are."""
    if values.shape[2] == 1:
        return (values[:, :, 0] > 0) == codes
    return np.array([model.predict(eta) == codes for eta in values])


def log_likelihoods(model: DecisionValues, values: FloatArray, codes: IntArray) -> FloatArray:
    """Whose mean is minus the log loss, (fits, n); as in scikit-learn's, a probability is at least the rounding
    of a double."""
    if values.shape[2] == 1:
        own = -log1pexp(-LogLoss().margin(codes, values[:, :, 0]))
    else:
        own = np.array([np.take_along_axis(model.predict_log_proba(eta), codes[:, None], 1)[:, 0] for eta in values])
    return np.maximum(own, np.log(np.finfo(float).eps))


DIRECT: dict[Any, Callable[[DecisionValues, FloatArray, IntArray], NDArray]] = {
    of_what(get_scorer("accuracy")): are_right,
    of_what(get_scorer("neg_log_loss")): log_likelihoods,
}
"""The usual scores, before their mean over rows; on many rows scikit-learn's own take longer than the fits."""


def told_labels(scorer: Any, classes: NDArray) -> Any:
    """The scorer, with the labels there are where its metric wants to know, as scikit-learn does it."""
    known = inspect.signature(scorer._score_func).parameters if is_of_metric(scorer) else {}
    told: dict[str, Any] = {"labels": classes} if "labels" in known else {}
    if len(classes) == 2 and "pos_label" in known and (told or known["pos_label"].default not in classes.tolist()):
        over = known["average"].default if "average" in known else None  # f1_score's is, unless told, of one class
        of_one = over != "binary" or scorer._kwargs.get("average", over) == over
        told["pos_label"] = classes[-1] if of_one else None
    if not told:
        return scorer
    return make_scorer(
        scorer._score_func,
        greater_is_better=scorer._sign == 1,
        response_method=scorer._response_method,
        **(told | scorer._kwargs),
    )


def with_coefficients(model: LogisticRegression, classes: NDArray, w: FloatArray, b: FloatArray) -> LogisticRegression:
    """The model as if it had been fitted so: w (K, p) and b (K,)."""
    model.classes_, model.coef_, model.intercept_ = classes, w, b
    vars(model)["n_features_in_"] = w.shape[1]
    return model


def decision_values(classes: NDArray, multi_class: str) -> DecisionValues:
    """The model that takes decision values of these classes in place of X."""
    K = columns_of_eta(len(classes))
    model = DecisionValues(multi_class=multi_class)
    with_coefficients(model, classes, np.zeros((K, 1)), np.zeros(K))
    return model


def values_along(path: Paths, f: int, rows: Rows) -> FloatArray:
    """eta of some rows by every fit of fold f, (Cs, rows, K), in one product."""
    Cs, K, p = path.coefficients[f].shape
    eta = linear_predictor(rows.X, path.coefficients[f].reshape(Cs * K, p).T, path.intercepts[f].ravel())
    eta = eta.reshape(-1, Cs, K) if rows.offset is None else eta.reshape(-1, Cs, K) + rows.offset[:, None, :]
    return np.ascontiguousarray(eta.swapaxes(0, 1))
