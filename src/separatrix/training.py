"""A table -> a model: learn the target and the columns, hold rows out, encode, fit, evaluate, examine.

The one path from rows to a model, whoever asks; it prints nothing and writes nothing.
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from separatrix.arrays import BoolArray, FloatArray
from separatrix.data.columns import Columns, Rules, Table, Unseen
from separatrix.data.memory import memory_source
from separatrix.data.target import Target, learn_target, rows_with_target
from separatrix.engine.fit import Options, fit_linear_model
from separatrix.engine.iterate import Step, ignore
from separatrix.engine.least_squares import least_squares
from separatrix.engine.selection import Folds, Selection, select_C
from separatrix.equations.losses import LogLoss, SoftmaxLoss
from separatrix.equations.penalties import elastic_net
from separatrix.errors import ArgumentError, SeparatrixWarning, TargetError
from separatrix.evaluate.checks import Finding, examine
from separatrix.evaluate.metrics import Evaluation, NumberEvaluation, evaluate_classes, evaluate_numbers
from separatrix.model import Choice, FitRecord, Model


@dataclass(frozen=True)
class Settings:
    """What a user may decide about a fit; see `separatrix fit --help`.

    C is the inverse strength of the penalty on standardised columns, (1 - l1_ratio) |w|^2 / 2 + l1_ratio |w|_1; None is
    the default: 1 for classes, and no penalty for a regression. `cv`, a number of folds or "loo", chooses it by
    cross-validation on the training rows.
    """

    positive: str | None = None
    regression: bool = False
    drop: Sequence[str] = ()
    categorical: Sequence[str] = ()
    numeric: Sequence[str] = ()
    text: Sequence[str] = ()
    date: Sequence[str] = Rules.date
    unseen: Unseen = "pool"
    floor: float | None = None
    text_width: int = Rules.text_width
    C: float | None = None
    cv: Folds | None = None
    l1_ratio: float = 0.0
    test_size: float = 0.25
    seed: int = 0
    solver: str = "auto"
    tol: float = 1e-8
    max_iter: int = 100

    @property
    def strength(self) -> float:
        """1 / C."""
        return 1.0 / self.C if self.C is not None else float(not self.regression)


@dataclass(frozen=True)
class Training:
    """A model, how it does on the rows held out, what is worth knowing, and the encoded training rows."""

    model: Model
    evaluation: Evaluation | NumberEvaluation
    findings: list[Finding]
    rows: int
    X: Any
    y: NDArray


def train(
    table: Table,
    target_name: str,
    settings: Settings,
    where: str = "the data",
    watch: Callable[[Step], Any] = ignore,
) -> Training:
    """Learns to predict a column from the others; `where` names the data in messages, `watch` sees each iteration.

    Raises DataError (and what is below it) for data that cannot be learned from, ArgumentError for settings without
    meaning.
    """
    check_settings(settings)
    target = learn_target(table, target_name, positive=settings.positive, regression=settings.regression, where=where)
    learn_columns = partial(
        Columns.learn,
        target=target_name,
        drop=settings.drop,
        categorical=settings.categorical,
        numeric=settings.numeric,
        text=settings.text,
        date=settings.date,
        floor=settings.floor,
        text_width=settings.text_width,
        unseen=settings.unseen,
        where=where,
    )
    learn_columns(table)  # of all rows, so that a cell that cannot be used is named by its row in the data
    table, unlabelled = rows_with_target(table, target_name, where)
    y = target.encode(table, where)
    held_out = hold_out(y if target.classes else None, len(table), settings.test_size, settings.seed)
    train_table, test_table = table.filter((~held_out).tolist()), table.filter(held_out.tolist())
    columns = learn_columns(train_table)
    X, y_train = columns.encode(train_table, where).X, y[~held_out]
    model = fit(X, y_train, target, columns, settings, watch)
    # Levels that only rows held out have are no fault of theirs: `unseen` is about rows to come.
    prediction = model.predict(test_table, where, unseen="pool")
    evaluation = evaluate(model, y[held_out], prediction.values)
    findings = examine(
        X,
        y_train,
        columns,
        target,
        probabilities=model.mean(X) if target.classes else None,
        C=model.fit.C,
        gap=model.fit.gap,
        tol=settings.tol,
        evaluation=evaluation,
        notes=[str(note) for note in prediction.notes],
        unlabelled=unlabelled,
    )
    return Training(with_metrics(model, evaluation), evaluation, findings, len(table), X, y_train)


def fit(
    X: Any, y: NDArray, target: Target, columns: Columns, settings: Settings, watch: Callable[[Step], Any]
) -> Model:
    """The model of encoded rows. The penalty is on standardised columns, the coefficients are not."""
    scales = standard_deviations(X)
    units = np.where(scales > 0, scales, 1.0)
    K, n, chosen = len(target.classes), X.shape[0], None
    if K:
        loss, codes, rows = (LogLoss(), y[:, None] * 1.0, 1) if K == 2 else (SoftmaxLoss(), y, K)
        start = np.zeros((rows, X.shape[1])), np.zeros(rows)
        options = Options(settings.solver, settings.tol, settings.max_iter, seed=settings.seed)
        source, penalty = memory_source(X, codes), elastic_net(np.ones(len(units)), settings.l1_ratio).in_units(units)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SeparatrixWarning)  # each of them is a finding
            if settings.cv:
                chosen = select_C(source, loss, rows, penalty, settings.cv, options)
                settings = replace(settings, C=chosen.C)
            found = fit_linear_model(source, loss, penalty.times(settings.strength / n), options, start, watch)
        rates = np.bincount(y, minlength=K) / n
    else:
        penalty = elastic_net(np.full(len(units), settings.strength), settings.l1_ratio).in_units(units)
        found = least_squares(memory_source(X, y[:, None]), 1, penalty, fit_intercept=True)
        watch(found.trace.steps[-1])
        rates = np.array([y.mean()])
    record = FitRecord(
        rows=n,
        C=1.0 / settings.strength if settings.strength else None,
        l1_ratio=settings.l1_ratio if settings.strength else 0.0,
        solver=found.trace.solver,
        why=found.trace.why,
        passes=found.trace.passes,
        seconds=found.trace.seconds,
        loss=found.trace.steps[-1].loss,
        gap=found.certificate.gap,
        certificate=found.certificate.method,
        losses=found.trace.column("loss").tolist(),
        choice=recorded(chosen) if chosen else None,
    )
    return Model(
        task="linear" if not K else "binary" if K == 2 else "multinomial",
        target=target,
        columns=columns,
        coefficients=found.coefficients.tolist(),
        intercepts=found.intercepts.tolist(),
        scales=scales.tolist(),
        rates=rates.tolist(),
        fit=record,
        metrics={},
    )


def recorded(chosen: Selection) -> Choice:
    """How C was chosen, for the model file."""
    folds = len(chosen.losses)
    return Choice(
        by=f"{folds} folds" if folds > 1 else "leave-one-out", Cs=chosen.Cs.tolist(), losses=chosen.losses.tolist()
    )


def evaluate(model: Model, y: NDArray, values: FloatArray) -> Evaluation | NumberEvaluation:
    """How good `values`, the model's prediction, are for rows whose codes or numbers are y."""
    if model.task == "linear":
        return evaluate_numbers(y, values[:, 0], model.rates[0])
    return evaluate_classes(y, values, model.target.classes, model.rates)


def with_metrics(model: Model, evaluation: Evaluation | NumberEvaluation) -> Model:
    """The model with what it reached on held-out rows."""
    import msgspec

    return msgspec.structs.replace(model, metrics=dict(evaluation.metrics))


def hold_out(codes: NDArray | None, rows: int, test_size: float, seed: int) -> BoolArray:
    """Which rows are held out, (rows,): a share of each class, or without classes of all; the same for a seed.

    A class keeps at least one row to train on.

    >>> hold_out(np.array([0, 0, 0, 0, 1, 1, 1, 1]), 8, test_size=0.25, seed=0).reshape(2, 4).sum(axis=1)
    array([1, 1])
    """
    random = np.random.default_rng(seed)
    held_out = np.zeros(rows, dtype=bool)
    codes = np.zeros(rows, dtype=int) if codes is None else codes
    for code in np.unique(codes):
        members = random.permutation(np.flatnonzero(codes == code))
        held_out[members[: min(round(test_size * len(members)), len(members) - 1)]] = True
    if not held_out.any():
        raise TargetError(
            f"of {rows} rows none can be held out at test_size={test_size:g}: give more rows, or a larger test_size."
        )
    return held_out


def standard_deviations(X: Any) -> FloatArray:
    """The standard deviation of each column, (p,), dense or sparse."""
    if not sparse.issparse(X):
        return X.std(axis=0)
    mean = np.asarray(X.mean(axis=0)).ravel()
    return np.sqrt(np.maximum(np.asarray(X.multiply(X).mean(axis=0)).ravel() - mean**2, 0.0))


def check_settings(settings: Settings) -> None:
    """ArgumentError unless every number is in its range."""
    if settings.C is not None and not settings.C > 0:
        raise ArgumentError(f"C={settings.C:g} must be above 0; inf is no penalty.")
    check_cv(settings)
    if not 0 <= settings.l1_ratio <= 1:
        raise ArgumentError(
            f"l1_ratio={settings.l1_ratio:g} must lie between 0 and 1: it is the share of the L1 penalty."
        )
    if not 0 < settings.test_size < 1:
        raise ArgumentError(f"test_size={settings.test_size:g} must lie between 0 and 1.")
    if not settings.tol > 0:
        raise ArgumentError(f"tol={settings.tol:g} must be above 0.")
    if settings.max_iter < 1:
        raise ArgumentError(f"max_iter={settings.max_iter} must be at least 1.")


def check_cv(settings: Settings) -> None:
    """ArgumentError unless cross-validation, if there is any, is to choose something and has folds."""
    if settings.cv is None:
        return
    if settings.cv != "loo" and settings.cv < 2:
        raise ArgumentError(f"cv={settings.cv} must be at least 2 folds, or loo.")
    if settings.C is not None:
        raise ArgumentError(f"C={settings.C:g} is given, and cv={settings.cv} is to choose it: leave out one of them.")
    if settings.regression:
        raise ArgumentError(f"cv={settings.cv} chooses C for classes. For a regression give C.")
