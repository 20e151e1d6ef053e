"""Fits with a penalty, on standardised columns; the coefficients are in the units of the features."""

import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from separatrix.arrays import FloatArray, Matrix
from separatrix.data.block import Source
from separatrix.data.classes import codes_for, columns_of_eta, loss_of
from separatrix.data.memory import memory_source
from separatrix.data.tables.side_columns import Beside
from separatrix.engine.checkpoint import Checkpoint
from separatrix.engine.fit import Options
from separatrix.engine.iterate import Step
from separatrix.engine.linear.least_squares import least_squares
from separatrix.engine.paths.selection import Folds, Selection, select_C
from separatrix.engine.sums import Sums, column_moments
from separatrix.equations.hyperplane import squares_about
from separatrix.equations.penalties import ElasticNet, elastic_net
from separatrix.errors import ApproximationWarning, SeparatrixWarning
from separatrix.fits.found import Found
from separatrix.inference.aside import fit_aside
from separatrix.model import Choice

Watch = Callable[[Step], Any]
CANCELS = 1e-6  # of a column's mean square: a variance below it loses six digits where it is a difference


def fit_classes(
    X: Matrix,
    y: NDArray,
    K: int,
    beside: Beside,
    C: float | None,
    folds: Folds | None,
    l1_ratio: float,
    options: Options,
    watch: Watch,
) -> Found:
    """The logistic regression of class codes y (n,); with folds, C is chosen by them.

    Minimises  sum(weight * loss) + penalty / C,  the penalty (1 - l1_ratio) |w|^2 / 2 + l1_ratio |w|_1 on columns of
    unit standard deviation.
    """
    offset = None if beside.offset is None else beside.offset[:, None]
    source = memory_source(X, codes_for(K)(y), beside.weight, offset=offset)
    penalty, chosen, doubt = penalty_in_units(standard_deviations(X, beside.weight), l1_ratio), None, ""
    if folds:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", ApproximationWarning)  # which is a finding
            chosen = select_C(source, loss_of(K), columns_of_eta(K), penalty, folds, options)
        doubts = [each.message for each in caught if issubclass(each.category, ApproximationWarning)]
        C, doubt = chosen.C, " ".join(map(str, doubts))
    found = classes_of_source(source, K, penalty, C, float(source.weight.sum()), l1_ratio, options, watch)
    return replace(found, choice=recorded(chosen, doubt)) if chosen else found


def classes_of_source(
    source: Source,
    K: int,
    penalty: ElasticNet,
    C: float | None,
    total: float,
    l1_ratio: float,
    options: Options,
    watch: Watch,
    checkpoint: Checkpoint | None = None,
) -> Found:
    """The logistic regression of rows wherever they are, y as the loss of K classes codes it, with the penalty of C = 1
    beside the sum of so much weight."""
    strength, rows = strength_of(C), columns_of_eta(K)
    start = np.zeros((rows, source.n_columns)), np.zeros(rows)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SeparatrixWarning)
        penalty = penalty.times(strength / total)
        found, _ = fit_aside(source, loss_of(K), penalty, options, start, watch, checkpoint)
    used = C if strength else None
    return Found(found.coefficients, found.intercepts, found.trace, found.certificate, used, l1_ratio)


def fit_numbers(X: Matrix, y: NDArray, beside: Beside, C: float | None, l1_ratio: float, watch: Watch) -> Found:
    """The linear regression of numbers y (n,), the loss half the square."""
    offset = None if beside.offset is None else beside.offset[:, None]
    penalty = penalty_in_units(standard_deviations(X, beside.weight), l1_ratio)
    return numbers_of_source(memory_source(X, y[:, None], beside.weight, offset=offset), penalty, C, l1_ratio, watch)


def numbers_of_source(source: Source, penalty: ElasticNet, C: float | None, l1_ratio: float, watch: Watch) -> Found:
    """The linear regression of rows wherever they are, y (rows, 1), with the penalty of C = 1."""
    strength = strength_of(C)
    found = least_squares(source, 1, penalty.times(strength), fit_intercept=True)
    watch(found.trace.steps[-1])
    used = C if strength else None
    return Found(found.coefficients, found.intercepts, found.trace, found.certificate, used, l1_ratio)


def strength_of(C: float | None) -> float:
    """1 / C, of None 0."""
    return 0.0 if C is None else 1.0 / C


def penalty_in_units(scales: FloatArray, l1_ratio: float) -> ElasticNet:
    """The penalty of C = 1 on standardised columns, for coefficients in the units of the columns, of such standard
    deviations (p,)."""
    units = np.where(scales > 0, scales, 1.0)
    return elastic_net(np.ones(len(units)), l1_ratio).in_units(units)


def spreads_of_source(source: Source) -> FloatArray:
    """The standard deviation of each column of rows wherever they are, (p,): one pass, or two where one is so far from
    zero that its digits cancel."""
    mean, square = (moment[:, 0] for moment in column_moments(source))
    variance = np.maximum(square - mean**2, 0.0)
    if (variance < CANCELS * square).any():
        sums = source.add_up(lambda block: Sums(block.total, 0.0, squares_about(block.X, mean, block.weight)))
        variance = sums.gradient / sums.weight
    return np.sqrt(variance)


def standard_deviations(X: Matrix, weight: FloatArray | None) -> FloatArray:
    """The standard deviation of each column, (p,), dense or sparse.

    >>> standard_deviations(np.array([[0.0], [1.0]]), np.array([3.0, 1.0])).round(4)
    array([0.433])
    """
    weight = np.ones(X.shape[0]) if weight is None else weight
    return np.sqrt(squares_about(X, X.T @ weight / weight.sum(), weight) / weight.sum())


def recorded(chosen: Selection, doubt: str) -> Choice:
    """How C was chosen, for the model file."""
    folds = len(chosen.losses)
    by = f"{folds} folds" if folds > 1 else "leave-one-out"
    gap = float(np.nan_to_num(chosen.gap))  # JSON has no infinity
    return Choice(by=by, Cs=chosen.Cs.tolist(), losses=chosen.losses.tolist(), doubt=doubt, gap=gap)
