"""Fits with a penalty, on standardised columns; the coefficients are in the units of the features."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from separatrix.arrays import FloatArray, Matrix
from separatrix.data.beside import Beside
from separatrix.data.memory import memory_source
from separatrix.engine.fit import Options, fit_linear_model
from separatrix.engine.iterate import Step
from separatrix.engine.least_squares import least_squares
from separatrix.engine.selection import Folds, Selection, select_C
from separatrix.equations.losses import LogLoss, SoftmaxLoss
from separatrix.equations.penalties import ElasticNet, elastic_net
from separatrix.errors import SeparatrixWarning
from separatrix.fits.found import Found
from separatrix.model import Choice


def fit_classes(
    X: Matrix,
    y: NDArray,
    K: int,
    beside: Beside,
    C: float | None,
    folds: Folds | None,
    l1_ratio: float,
    options: Options,
    watch: Callable[[Step], Any],
) -> Found:
    """The logistic regression of class codes y (n,); with folds, C is chosen by them.

    Minimises  sum(weight * loss) + penalty / C,  the penalty (1 - l1_ratio) |w|^2 / 2 + l1_ratio |w|_1 on columns of
    unit standard deviation.
    """
    loss, codes, rows = (LogLoss(), y[:, None] * 1.0, 1) if K == 2 else (SoftmaxLoss(), y, K)
    offset = None if beside.offset is None else beside.offset[:, None]
    source, penalty = memory_source(X, codes, beside.weight, offset=offset), penalty_in_units(X, beside, l1_ratio)
    start = np.zeros((rows, X.shape[1])), np.zeros(rows)
    chosen = None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SeparatrixWarning)  # each of them is a finding
        if folds:
            chosen = select_C(source, loss, rows, penalty, folds, options)
            C = chosen.C
        strength = strength_of(C)
        found = fit_linear_model(source, loss, penalty.times(strength / source.weight.sum()), options, start, watch)
    used, choice = (1.0 / strength if strength else None), (recorded(chosen) if chosen else None)
    return Found(found.coefficients, found.intercepts, found.trace, found.certificate, used, l1_ratio, choice)


def fit_numbers(
    X: Matrix, y: NDArray, beside: Beside, C: float | None, l1_ratio: float, watch: Callable[[Step], Any]
) -> Found:
    """The linear regression of numbers y (n,), the loss half the square."""
    strength, offset = strength_of(C), None if beside.offset is None else beside.offset[:, None]
    penalty = penalty_in_units(X, beside, l1_ratio).times(strength)
    found = least_squares(memory_source(X, y[:, None], beside.weight, offset=offset), 1, penalty, fit_intercept=True)
    watch(found.trace.steps[-1])
    used = 1.0 / strength if strength else None
    return Found(found.coefficients, found.intercepts, found.trace, found.certificate, used, l1_ratio)


def strength_of(C: float | None) -> float:
    """1 / C, of None 0."""
    return 0.0 if C is None else 1.0 / C


def penalty_in_units(X: Matrix, beside: Beside, l1_ratio: float) -> ElasticNet:
    """The penalty of C = 1 on standardised columns, for coefficients in the units of the columns."""
    scales = standard_deviations(X, beside.weight)
    units = np.where(scales > 0, scales, 1.0)
    return elastic_net(np.ones(len(units)), l1_ratio).in_units(units)


def standard_deviations(X: Matrix, weight: FloatArray | None = None) -> FloatArray:
    """The standard deviation of each column, (p,), dense or sparse.

    >>> standard_deviations(np.array([[0.0], [1.0]]), np.array([3.0, 1.0])).round(4)
    array([0.433])
    """
    if not sparse.issparse(X):
        return X.std(axis=0) if weight is None else np.sqrt(np.average((X - average(X, weight)) ** 2, 0, weight))
    return np.sqrt(np.maximum(average(X.multiply(X).tocsr(), weight) - average(X, weight) ** 2, 0.0))


def average(X: Matrix, weight: FloatArray | None) -> FloatArray:
    """The mean of each column, (p,)."""
    weight = np.ones(X.shape[0]) if weight is None else weight
    return np.asarray(X.T @ weight).ravel() / weight.sum()


def recorded(chosen: Selection) -> Choice:
    """How C was chosen, for the model file."""
    folds = len(chosen.losses)
    return Choice(
        by=f"{folds} folds" if folds > 1 else "leave-one-out", Cs=chosen.Cs.tolist(), losses=chosen.losses.tolist()
    )
