"""Metrics on held-out rows, always beside a baseline that knows only the training rates.

An undefined metric (say ROC AUC when the rows hold one class) is left out and named in `notes`, never NaN.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from separatrix.arguments import check_sample_weight
from separatrix.arrays import FloatArray, IntArray
from separatrix.data.tables.target import Label
from separatrix.errors import ArgumentError, listing
from separatrix.evaluate.curves import Calibration, Roc, average_precision, by_score, calibration, roc


class ClassRow(NamedTuple):
    """Metrics of one class against the rest; None where undefined (nothing predicted, or no such row)."""

    label: Label
    precision: float | None
    recall: float | None
    f1: float | None
    support: int


JUDGED = {True: "held-out row", False: "training row"}
"""What to call a row by which a model is judged, by whether it was held out."""


@dataclass(frozen=True)
class Evaluation:
    """A classifier on held-out rows.

    `confusion` is (K, K), rows true and columns predicted. `roc` holds the positive class's curve for two
    classes and one curve a class (against the rest) for more; None where undefined. `calibration` is for two.
    `auc_error` bounds how far the area under a curve may be off: 0 where scores were kept one by one.
    """

    rows: int
    classes: tuple[Label, ...]
    metrics: Mapping[str, float]
    baseline: Mapping[str, float]
    per_class: tuple[ClassRow, ...]
    confusion: IntArray
    roc: tuple[Roc | None, ...]
    calibration: Calibration | None
    notes: tuple[str, ...]
    auc_error: float = 0.0


@dataclass(frozen=True)
class NumberEvaluation:
    """A linear model on held-out rows; `actual` and `predicted` are (rows,)."""

    rows: int
    metrics: Mapping[str, float]
    baseline: Mapping[str, float]
    actual: FloatArray
    predicted: FloatArray
    notes: tuple[str, ...]


def evaluate_classes(
    y: ArrayLike,
    probabilities: ArrayLike,
    classes: Sequence[Label],
    rates: ArrayLike,
    sample_weight: ArrayLike | None = None,
) -> Evaluation:
    """How good class probabilities are, beside predicting the training rates for every row.

    The label of a row is its most probable class. For two classes, precision, recall, F1, ROC AUC and average
    precision are those of `classes[1]`; for more, they are means over the classes where they are defined, and
    ROC AUC is one against the rest.

    Parameters
    ----------
    y : (n,) int
        Codes into `classes`.
    probabilities : (n, K) float
    classes : K labels
    rates : (K,) float
        Class frequencies of the training rows.
    sample_weight : (n,) float, optional
        What a row counts in the metrics; the confusion matrix and `support` count rows. Rows of weight 0 are left out.

    Raises
    ------
    ArgumentError
        When the shapes do not fit, or there are no rows.

    Examples
    --------
    >>> p = [[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]]
    >>> held_out = evaluate_classes([0, 1, 1], p, classes=["no", "yes"], rates=[0.7, 0.3])
    >>> held_out.confusion
    array([[1, 0],
           [1, 1]])
    >>> round(held_out.metrics["accuracy"], 3), round(held_out.baseline["accuracy"], 3)
    (0.667, 0.333)
    """
    codes, p, rates = (
        np.asarray(y, dtype=np.int64),
        np.asarray(probabilities, float),
        np.asarray(rates, float),
    )
    if not len(codes) or p.shape != (len(codes), len(classes)) or rates.shape != (len(classes),):
        raise ArgumentError(
            f"y {codes.shape}, probabilities {p.shape} and rates {rates.shape} do not fit {len(classes)} "
            "classes: pass at least one row, one column of probabilities a class and one rate a class."
        )
    weight = check_sample_weight(sample_weight, len(codes))
    kept = weight > 0
    codes, p, weight = codes[kept], p[kept], weight[kept]
    scores = _scores(codes, p, classes, weight)
    return Evaluation(
        rows=len(codes),
        classes=tuple(classes),
        metrics=scores.metrics,
        baseline=_scores(codes, np.tile(rates / rates.sum(), (len(codes), 1)), classes, weight).metrics,
        per_class=scores.per_class,
        confusion=scores.confusion,
        roc=scores.roc,
        calibration=calibration(codes == 1, p[:, 1], weight=weight) if len(classes) == 2 else None,
        notes=tuple(undefined(scores.per_class).values()),
    )


def evaluate_numbers(
    y: ArrayLike, predicted: ArrayLike, mean: float, sample_weight: ArrayLike | None = None
) -> NumberEvaluation:
    """How good predicted numbers are, beside predicting the training rows' mean for every row.

    Parameters
    ----------
    y, predicted : (n,) float
    mean : float
        The mean target of the training rows.
    sample_weight : (n,) float, optional
        What a row counts in the metrics. Rows of weight 0 are left out.

    Raises
    ------
    ArgumentError
        When the shapes do not fit, or there are no rows.

    Examples
    --------
    >>> held_out = evaluate_numbers([1.0, 2.0, 4.0], [1.0, 3.0, 4.0], mean=2.0)
    >>> round(held_out.metrics["mse"], 3), round(held_out.baseline["mse"], 3)
    (0.333, 1.667)
    """
    actual, guess = np.asarray(y, dtype=float), np.asarray(predicted, dtype=float)
    if not len(actual) or actual.shape != guess.shape or actual.ndim != 1:
        raise ArgumentError(f"y {actual.shape} and predicted {guess.shape} must be two equally long columns.")
    weight = check_sample_weight(sample_weight, len(actual))
    kept = weight > 0
    actual, guess, weight = actual[kept], guess[kept], weight[kept]
    metrics = _number_metrics(actual, guess, weight)
    baseline = _number_metrics(actual, np.full(len(actual), float(mean)), weight)
    return NumberEvaluation(len(actual), metrics, baseline, actual, guess, undefined_number(metrics))


def _number_metrics(actual: FloatArray, guess: FloatArray, weight: FloatArray) -> dict[str, float]:
    def mean(values: FloatArray) -> float:
        return float(np.average(values, weights=weight))

    residual, varies = actual - guess, actual.min() < actual.max()  # a mean of one number may differ from it
    spread = mean((actual - mean(actual)) ** 2) if varies else 0.0
    return number_metrics(mean(residual**2), mean(np.abs(residual)), spread)


def number_metrics(mse: float, mae: float, spread: float) -> dict[str, float]:
    """The metrics by the mean squared and absolute residual and the variance of the target."""
    metrics = {"rmse": mse**0.5, "mae": mae, "mse": mse}
    return {"r2": 1 - mse / spread} | metrics if spread > 0 else metrics


def undefined_number(metrics: Mapping[str, float]) -> tuple[str, ...]:
    """What the metrics of numbers lack, in words."""
    return () if "r2" in metrics else ("R² is undefined: the target does not vary.",)


class _Scores(NamedTuple):
    confusion: IntArray
    per_class: tuple[ClassRow, ...]
    roc: tuple[Roc | None, ...]
    metrics: dict[str, float]


def _scores(codes: IntArray, p: FloatArray, classes: Sequence[Label], weight: FloatArray) -> _Scores:
    confusion = confusion_matrix(codes, p, np.ones(len(codes))).astype(np.int64)
    per_class = class_rows(confusion, confusion_matrix(codes, p, weight), classes)
    curves = tuple(roc(codes == k, p[:, k], weight) for k in ([1] if len(classes) == 2 else range(len(classes))))
    return _Scores(confusion, per_class, curves, _class_metrics(codes, p, weight, per_class, curves))


def confusion_matrix(codes: IntArray, p: FloatArray, weight: FloatArray) -> FloatArray:
    """The weight of the rows of each class (down) that are most probably of each (across), (K, K)."""
    K = p.shape[1]
    return np.asarray(np.bincount(codes * K + p.argmax(axis=1), weight, K * K).reshape(K, K), dtype=float)


def class_rows(counts: IntArray, weighted: FloatArray, classes: Sequence[Label]) -> tuple[ClassRow, ...]:
    """Each class against the rest, of confusion matrices in rows and in weight."""
    hits, support, predicted = np.diag(weighted), weighted.sum(axis=1), weighted.sum(axis=0)
    return tuple(
        ClassRow(
            label,
            precision=_ratio(hits[k], predicted[k]),
            recall=_ratio(hits[k], support[k]),
            f1=_ratio(2 * hits[k], predicted[k] + support[k]),
            support=int(counts[k].sum()),
        )
        for k, label in enumerate(classes)
    )


def _ratio(part: float, whole: float) -> float | None:
    return float(part / whole) if whole else None


def _class_metrics(
    codes: IntArray, p: FloatArray, weight: FloatArray, per_class: Sequence[ClassRow], curves: Sequence[Roc | None]
) -> dict[str, float]:
    metrics = {
        "accuracy": float(np.average(p.argmax(axis=1) == codes, weights=weight)),
        "precision": mean_defined(row.precision for row in averaged(per_class)),
        "recall": mean_defined(row.recall for row in averaged(per_class)),
        "f1": mean_defined(row.f1 for row in averaged(per_class)),
        "roc_auc": mean_defined(curve and curve.auc for curve in curves),
    }
    if len(per_class) == 2 and (codes == 1).any():
        metrics["average_precision"] = average_precision(*by_score(codes == 1, p[:, 1], weight)[1:])
    metrics |= proper_scores(codes, p, weight)
    return {name: value for name, value in metrics.items() if value is not None}


def averaged(per_class: Sequence[ClassRow]) -> Sequence[ClassRow]:
    """The classes that a mean is over: of two the positive one."""
    return per_class[1:] if len(per_class) == 2 else per_class


def mean_defined(values: Iterable[float | None]) -> float | None:
    """The mean of what is defined, None where nothing is."""
    defined = [value for value in values if value is not None]
    return float(np.mean(defined)) if defined else None


def proper_scores(codes: IntArray, p: FloatArray, weight: FloatArray) -> dict[str, float]:
    """Log loss and Brier score; the latter halved for two classes, so that it is the mean of (p - y)^2."""
    truth = np.eye(p.shape[1])[codes]
    own = np.clip(p[np.arange(len(codes)), codes], np.finfo(float).eps, 1)
    off = np.sum((p - truth) ** 2, axis=1) / (2 if p.shape[1] == 2 else 1)
    log_loss, brier = (float(np.average(values, weights=weight)) for values in (-np.log(own), off))
    return {"log_loss": log_loss, "brier": brier}


def undefined(per_class: Sequence[ClassRow]) -> dict[Literal["absent", "unpredicted"], str]:
    """A sentence about the classes that the evaluated rows lack, and one about those that are never predicted."""
    absent = [row.label for row in per_class if not row.support]
    unpredicted = [row.label for row in averaged(per_class) if row.precision is None]
    left_out = "left out of the means" if len(per_class) > 2 else "left out"
    sentences: dict[Literal["absent", "unpredicted"], str] = {}
    if absent:
        sentences["absent"] = f"no evaluated row is of class {listing(absent)}: its recall and ROC AUC are {left_out}."
    if unpredicted:
        never = f"no evaluated row was predicted {listing(unpredicted)}"
        sentences["unpredicted"] = f"{never}: its precision is {left_out}."
    return sentences
