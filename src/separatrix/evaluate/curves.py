"""Curves over the decision threshold, as arrays: ROC and calibration; of rows, or of what rows of a score weigh."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from separatrix.arrays import FloatArray, IntArray


@dataclass(frozen=True)
class Roc:
    """True against false positive rate over all thresholds, and the area under it."""

    fpr: FloatArray
    tpr: FloatArray
    thresholds: FloatArray
    auc: float


@dataclass(frozen=True)
class Calibration:
    """Mean predicted probability, observed frequency and number of rows of each bin."""

    predicted: FloatArray
    observed: FloatArray
    counts: IntArray


def roc(positive: ArrayLike, score: ArrayLike, weight: FloatArray | None = None) -> Roc | None:
    """The receiver operating characteristic; None when the rows hold one class only.

    Parameters
    ----------
    positive : (n,) bool
        Whether the row is of the positive class.
    score : (n,) float
        A probability or anything that rises with it.
    weight : (n,) float, optional
        What a row counts.

    Examples
    --------
    >>> curve = roc([False, True, False, True], [0.1, 0.4, 0.5, 0.9])
    >>> curve.auc
    0.75
    """
    scores, others, own = by_score(positive, score, weight)
    return roc_of(others, own, scores)


def by_score(
    positive: ArrayLike, score: ArrayLike, weight: FloatArray | None = None
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """The scores that rows have, (s,), rising, and what the rows of the others and of the positive class weigh at each.

    >>> by_score([False, True, True], [0.5, 0.5, 0.9])
    (array([0.5, 0.9]), array([1., 0.]), array([1., 1.]))
    """
    positive, (scores, at) = np.asarray(positive, dtype=bool), np.unique(score, return_inverse=True)
    weight = np.ones(len(positive)) if weight is None else weight
    others, own = (1.0 * np.bincount(at, weight * part, len(scores)) for part in (~positive, positive))
    return scores, others, own


def roc_of(others: FloatArray, own: FloatArray, scores: FloatArray) -> Roc | None:
    """The curve of what the rows of each score weigh, (s,) each, the scores rising; of points in line only the ends."""
    if not others.any() or not own.any():
        return None
    filled = np.flatnonzero(others + own)[::-1]
    others, own = others[filled], own[filled]
    corner = np.append(np.diff(own / (others + own)) != 0.0, True)
    fpr, tpr = (np.append(0.0, np.cumsum(part)[corner] / np.cumsum(part)[-1]) for part in (others, own))
    return Roc(fpr, tpr, np.append(np.inf, scores[filled][corner]), float(np.trapezoid(tpr, fpr)))


def average_precision(others: FloatArray, own: FloatArray) -> float:
    """The mean precision at the rows of the class, in the order of their scores, which rise, (s,) each."""
    found, wrong = np.cumsum(own[::-1]), np.cumsum(others[::-1])
    precision = np.divide(found, found + wrong, out=np.zeros_like(found), where=found > 0)
    return float(own[::-1] @ precision / found[-1])


def calibration(
    positive: ArrayLike, probability: ArrayLike, bins: int = 10, weight: FloatArray | None = None
) -> Calibration:
    """Predicted against observed frequency in quantile bins of the prediction.

    Rows with the same prediction share a bin, so there can be fewer than `bins`.

    Parameters
    ----------
    positive : (n,) bool
    probability : (n,) float
        P(positive), predicted.
    weight : (n,) float, optional
        What a row counts in the means of its bin; `counts` are of rows.

    Examples
    --------
    >>> calibration([False, False, True, True], [0.1, 0.3, 0.7, 0.9], bins=2)
    Calibration(predicted=array([0.2, 0.8]), observed=array([0., 1.]), counts=array([2, 2]))
    """
    positive, probability = np.asarray(positive, dtype=bool), np.asarray(probability, dtype=float)
    inner_edges = np.quantile(probability, np.linspace(0, 1, bins + 1)[1:-1])
    _, bin_of_row = np.unique(np.searchsorted(inner_edges, probability), return_inverse=True)
    weight = np.ones(len(positive)) if weight is None else weight
    total: Any = np.bincount(bin_of_row, weights=weight)
    predicted = np.bincount(bin_of_row, weights=weight * probability) / total
    observed = np.bincount(bin_of_row, weights=weight * positive) / total
    return Calibration(predicted, observed, np.bincount(bin_of_row).astype(np.int64))
