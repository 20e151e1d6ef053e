"""Metrics of rows that pass by in batches: what is kept of them are counts, which add.

Accuracy, confusion, log loss and Brier score are exact. Curves are of scores that were sorted into bins; a pair of rows
in one bin counts as a tie, so an area under the ROC curve is off by at most half the share of pairs that are tied,
which is said.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from separatrix.arguments import check_sample_weight
from separatrix.arrays import FloatArray
from separatrix.data.tables.target import Label
from separatrix.equations.links import sigmoid
from separatrix.evaluate.curves import Calibration, average_precision, roc_of
from separatrix.evaluate.metrics import (
    Evaluation,
    NumberEvaluation,
    averaged,
    class_rows,
    confusion_matrix,
    evaluate_classes,
    mean_defined,
    number_metrics,
    proper_scores,
    undefined,
    undefined_number,
)

LIMIT = 20.0  # of log-odds
BINS, FEWER_BINS = 2**16, 2**14  # for two classes, and for each of several
MOST_DRAWN = 20_000  # pairs of a regression that are kept for pictures


@dataclass(frozen=True)
class Binned:
    """Counts of rows; `+` adds those of other rows.

    `edges` (curves, bins - 1) are the least probability of each bin but the first.
    `rows` and `weight` (K, K) are by true and predicted class; `scores` (curves, 2, bins) is the weight of the rows of
    the others and of the class in each bin, for the positive class or for each of several; `predicted` and `counts`
    (bins,) the summed weighted probability and the rows of a bin, for two classes; `losses` the summed log loss and
    Brier score; `ends` (curves, 2, bins) the greatest score of each bin, and the greatest of its negative.
    """

    edges: FloatArray
    rows: FloatArray
    weight: FloatArray
    scores: FloatArray
    predicted: FloatArray
    counts: FloatArray
    losses: FloatArray
    ends: FloatArray

    def __add__(self, other: "Binned") -> "Binned":
        kept = {"edges": self.edges, "ends": np.maximum(self.ends, other.ends)}
        names = self.__dataclass_fields__.keys() - kept.keys()
        return Binned(**kept, **{name: getattr(self, name) + getattr(other, name) for name in names})

    @property
    def auc_error(self) -> float:
        """How far the area under a ROC curve can be from that of the rows one by one, at most."""
        pairs = self.scores.sum(axis=2).prod(axis=1)
        several = self.ends.sum(axis=1) > 0  # rows of one and the same score are tied without a bin
        tied = np.where(several, self.scores.prod(axis=1), 0.0).sum(axis=1)
        return float(0.5 * (tied / np.maximum(pairs, 1e-300)).max())


def edges_of(probabilities: ArrayLike) -> FloatArray:
    """Edges of bins (curves, bins - 1) for scores like these probabilities, (n, K): for the positive class, or for each
    of several. Half of them part these rows evenly, so that scores may lie as close as they like; half part the
    log-odds, whatever the scores of rows to come.

    >>> edges_of([[0.9, 0.1], [0.4, 0.6]]).shape
    (1, 65535)
    """
    p = np.asarray(probabilities, dtype=float)
    curves, half = ([1], BINS // 2) if p.shape[1] == 2 else (range(p.shape[1]), FEWER_BINS // 2)
    odds = sigmoid(np.linspace(-LIMIT, LIMIT, half))
    even = np.arange(1, half) * len(p) // half
    return np.sort([np.append(odds, np.sort(p[:, k])[even]) for k in curves], axis=1)


def binned(y: ArrayLike, probabilities: ArrayLike, edges: FloatArray, sample_weight: ArrayLike | None = None) -> Binned:
    """The counts of some rows: codes y (n,), probabilities (n, K), weights (n,) or 1 each; counts of the same `edges`
    add up.

    >>> edges = edges_of([[0.9, 0.1], [0.4, 0.6]])
    >>> some, others = binned([0, 1], [[0.9, 0.1], [0.4, 0.6]], edges), binned([1], [[0.7, 0.3]], edges)
    >>> (some + others).rows
    array([[1., 0.],
           [1., 1.]])
    """
    codes, p = np.asarray(y, dtype=np.int64), np.asarray(probabilities, dtype=float)
    weight = check_sample_weight(sample_weight, len(codes))
    K, bins = p.shape[1], edges.shape[1] + 1
    curves = [1] if K == 2 else range(K)
    bin_of = {k: np.searchsorted(ends, p[:, k], side="right") for k, ends in zip(curves, edges, strict=True)}
    scores = [[np.bincount(bin_of[k], weight * ((codes == k) == own), bins) for own in (False, True)] for k in curves]
    predicted, counts = np.zeros(0), np.zeros(0)
    if K == 2:
        predicted = np.bincount(bin_of[1], weight * p[:, 1], bins) * 1.0
        counts = np.bincount(bin_of[1], weight > 0, bins) * 1.0
    return Binned(
        edges,
        confusion_matrix(codes, p, 1.0 * (weight > 0)),
        confusion_matrix(codes, p, weight),
        np.array(scores, dtype=np.float64),
        predicted,
        counts,
        np.array([weight.sum() * score if weight.any() else 0.0 for score in proper_scores(codes, p, weight).values()]),
        np.array([[greatest(bin_of[k], sign * p[:, k], bins) for sign in (1.0, -1.0)] for k in curves]),
    )


def greatest(bin_of: NDArray[np.intp], values: FloatArray, bins: int) -> FloatArray:
    """The greatest value of each bin, (bins,); -inf of none."""
    found = np.full(bins, -np.inf)
    np.maximum.at(found, bin_of, values)
    return found


def evaluation_of(counts: Binned, classes: Sequence[Label], rates: ArrayLike) -> Evaluation:
    """What `evaluate_classes` says, of counts."""
    rows = counts.rows.astype(np.int64)
    per_class = class_rows(rows, counts.weight, classes)
    lower = np.pad(counts.edges, ((0, 0), (1, 0)))
    curves = tuple(roc_of(others, own, least) for (others, own), least in zip(counts.scores, lower, strict=True))
    total = counts.weight.sum()
    metrics: dict[str, float | None] = {
        "accuracy": float(np.trace(counts.weight) / total),
        "precision": mean_defined(row.precision for row in averaged(per_class)),
        "recall": mean_defined(row.recall for row in averaged(per_class)),
        "f1": mean_defined(row.f1 for row in averaged(per_class)),
        "roc_auc": mean_defined(curve and curve.auc for curve in curves),
    }
    if len(classes) == 2 and counts.weight[1].any():
        metrics["average_precision"] = average_precision(*counts.scores[0])
    metrics |= dict(zip(("log_loss", "brier"), (counts.losses / total).tolist(), strict=True))
    return Evaluation(
        rows=int(counts.rows.sum()),
        classes=tuple(classes),
        metrics={name: value for name, value in metrics.items() if value is not None},
        baseline=baseline_metrics(counts, classes, rates),
        per_class=per_class,
        confusion=rows,
        roc=curves,
        calibration=calibration_of(counts) if len(classes) == 2 else None,
        notes=tuple(undefined(per_class).values()),
        auc_error=counts.auc_error,
    )


def baseline_metrics(counts: Binned, classes: Sequence[Label], rates: ArrayLike) -> Mapping[str, float]:
    """The metrics of predicting the training rates for every row: for all rows of a class the same."""
    weight, known = counts.weight.sum(axis=1), np.flatnonzero(counts.weight.sum(axis=1))
    rates = np.asarray(rates, dtype=float)
    p = np.tile(rates / rates.sum(), (len(known), 1))
    return evaluate_classes(known, p, classes, rates, sample_weight=weight[known]).metrics


def calibration_of(counts: Binned, groups: int = 10) -> Calibration:
    """Predicted against observed frequency in about equally large groups of neighbouring bins."""
    before = np.cumsum(counts.counts) - counts.counts
    group = np.minimum(before * groups // max(counts.counts.sum(), 1.0), groups - 1).astype(np.intp)
    totals: Any = [
        np.bincount(group, part, groups)
        for part in (counts.scores[0].sum(axis=0), counts.predicted, counts.scores[0][1], counts.counts)
    ]
    weight, predicted, observed, rows = (part[totals[3] > 0] for part in totals)
    return Calibration(predicted / weight, observed / weight, rows.astype(np.int64))


@dataclass(frozen=True)
class Numbers:
    """Sums over pairs of an actual and a predicted number, and one pair in `step` for pictures; `+` adds other rows.

    `sums` are of weight, y - mean, its square and size, the residual's square and size, and rows; `mean` is that of the
    training rows, and the baseline's prediction. `spread` is the sum of squares about the mean of these rows; `ends`
    are their least y and their greatest.
    """

    mean: float
    sums: FloatArray
    spread: float
    ends: tuple[float, float]
    pairs: FloatArray
    step: int = 1

    def __add__(self, other: "Numbers") -> "Numbers":
        step = max(self.step, other.step)
        pairs = np.concatenate([part.pairs[:: step // part.step] for part in (self, other)])
        if len(pairs) > MOST_DRAWN:
            step, pairs = 2 * step, pairs[::2]
        (one, own), (two, its) = self.sums[:2], other.sums[:2]
        # The squares about either mean, and about the common one those of the means (Chan, Golub and LeVeque 1979).
        spread = self.spread + other.spread + (own / one - its / two) ** 2 * one * two / (one + two)
        ends = min(self.ends[0], other.ends[0]), max(self.ends[1], other.ends[1])
        return Numbers(self.mean, self.sums + other.sums, float(spread), ends, pairs, step)


def numbers(y: ArrayLike, predicted: ArrayLike, mean: float, sample_weight: ArrayLike | None = None) -> Numbers:
    """The sums of some rows, (n,) each."""
    actual, guess = np.asarray(y, dtype=float), np.asarray(predicted, dtype=float)
    weight = check_sample_weight(sample_weight, len(actual))
    about, residual = actual - mean, actual - guess
    parts = np.ones_like(actual), about, about**2, np.abs(about), residual**2, np.abs(residual)
    sums = np.array([*(weight @ part for part in parts), float(np.count_nonzero(weight))])
    spread, kept = float(weight @ (about - sums[1] / sums[0]) ** 2), weight > 0
    ends = float(actual[kept].min()), float(actual[kept].max())
    return Numbers(mean, sums, spread, ends, np.column_stack([actual, guess])[kept])


def number_evaluation_of(numbers: Numbers) -> NumberEvaluation:
    """What `evaluate_numbers` says, of sums; its pairs are some of all."""
    total, rows = numbers.sums[:-1] / numbers.sums[0], int(numbers.sums[-1])
    _, _, square, size, residual_square, residual_size = total.tolist()
    spread = numbers.spread / numbers.sums[0] if numbers.ends[0] < numbers.ends[1] else 0.0
    metrics = number_metrics(residual_square, residual_size, spread)
    baseline = number_metrics(square, size, spread)
    return NumberEvaluation(rows, metrics, baseline, *numbers.pairs.T, notes=undefined_number(metrics))
