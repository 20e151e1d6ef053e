"""The C whose fits lose least on rows they have not seen."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from separatrix.arrays import FloatArray, IntArray
from separatrix.data.memory import MemorySource
from separatrix.engine.fit import Options
from separatrix.engine.paths.groups import Members
from separatrix.engine.paths.leave_out import warn_of_untrue
from separatrix.engine.paths.path import fit_paths
from separatrix.equations.hyperplane import linear_predictor
from separatrix.equations.losses import ClassLoss
from separatrix.equations.penalties import ElasticNet
from separatrix.errors import ArgumentError, TargetError

Folds = int | Literal["loo"]
CS = np.logspace(-4, 4, 17)


@dataclass(frozen=True)
class Selection:
    """The chosen C, with all Cs (Cs,) and the mean loss of the rows that each fold left out, by weight (folds, Cs);
    `gap` is about how far the worst of the fits, those of the folds or of all rows, is above its optimum."""

    C: float
    Cs: FloatArray
    losses: FloatArray
    gap: float


def select_C(
    source: MemorySource,
    loss: ClassLoss,
    K: int,
    penalty: ElasticNet,
    folds: Folds,
    options: Options,
    Cs: FloatArray = CS,
) -> Selection:
    """The C with the least mean loss over the folds, or with "loo" over rows that are left out one at a time, about
    (`separatrix.engine.paths.leave_out`).

    Parameters
    ----------
    K : columns of eta, as the loss wants them.
    penalty : that of C = 1, in the units of sum(weight * loss).
    folds : how many, each with its share of every class; or "loo", one "fold" of all rows.
    """
    if folds == "loo":
        paths = fit_paths(source, loss, K, penalty, Cs, Members.all(source.n_rows), options)

        def mean_left_out(c: int) -> tuple[float, int]:
            found = paths.left_out(c)
            return mean_loss(source, loss, found.eta), found.untrue

        means, untrue = zip(*map(mean_left_out, range(len(Cs))), strict=True)
        warn_of_untrue(untrue, Cs, source.n_rows)
        losses = np.array([means])
    else:
        fold = fold_of_rows(source.y.ravel().astype(np.intp), folds, options.seed)
        members = Members.of(fold != f for f in range(-1, folds))
        paths = fit_paths(source, loss, K, penalty, Cs, members, options)
        losses = np.empty((folds, len(Cs)))
        for f in range(folds):
            left_out = source.take(np.flatnonzero(fold == f))
            for c in range(len(Cs)):
                eta = linear_predictor(left_out.X, paths.coefficients[f + 1, c].T, paths.intercepts[f + 1, c])
                losses[f, c] = mean_loss(left_out, loss, eta if left_out.offset is None else eta + left_out.offset)
    return Selection(float(Cs[losses.mean(axis=0).argmin()]), Cs, losses, float(paths.gaps.max()))


def check_folds(folds: Folds, classes: Sequence[object], codes: IntArray) -> None:
    """ArgumentError for more folds than rows, TargetError for a class that is gone once its one row is left out."""
    if folds != "loo" and folds > len(codes):
        raise ArgumentError(f"cv={folds} is more folds than the {len(codes)} rows to train on: use fewer, or 'loo'.")
    for k in lone_classes(codes)[:1]:
        raise TargetError(
            f"class {classes[k]!r} has one row to train on, and cv={folds!r} leaves it out: no fit can tell what it "
            f"has not seen. Give class {classes[k]!r} another row, or give C instead of cv."
        )


def lone_classes(codes: NDArray) -> IntArray:
    """The classes of one row alone.

    >>> lone_classes(np.array([0, 2, 1, 0, 1]))
    array([2])
    """
    return np.flatnonzero(np.bincount(codes) == 1)


def mean_loss(source: MemorySource, loss: ClassLoss, eta: FloatArray) -> float:
    """The mean loss of the rows by their weight, at eta (n, K)."""
    return float(np.average(loss.value(source.y, eta).reshape(source.n_rows), weights=source.weight))


def fold_of_rows(codes: IntArray, folds: int, seed: int) -> IntArray:
    """The fold of each row, (rows,): at random, the rows of each class dealt out in turn.

    >>> fold_of_rows(np.array([0, 0, 1, 1]), folds=2, seed=0).reshape(2, 2).sum(axis=1)
    array([1, 1])
    """
    fold = np.empty(len(codes), dtype=np.intp)
    # Class after class, so that the turn goes on where the last class ended, and the folds are of one size.
    dealt = np.lexsort((np.random.default_rng(seed).permutation(len(codes)), codes))
    fold[dealt] = np.arange(len(codes)) % folds
    return fold
