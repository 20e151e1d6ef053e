"""A table -> a model: learn the target and the columns, hold rows out, encode, fit, evaluate, examine.

The one path from rows to a model, whoever asks; it prints nothing and writes nothing.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial, reduce
from operator import add
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from separatrix.arrays import FloatArray
from separatrix.data.reading.hold_out import HoldOut, none_of
from separatrix.data.tables.cell_kinds import turns
from separatrix.data.tables.cells import cells_of
from separatrix.data.tables.columns import Columns, Table, told_of
from separatrix.data.tables.side_columns import Beside, cluster_of, offset_of, weight_of, weights_of
from separatrix.data.tables.tally import tally
from separatrix.data.tables.target import Target, check_weights, learn_target
from separatrix.engine.checkpoint import Checkpoint
from separatrix.engine.fit import Options
from separatrix.engine.iterate import Step, ignore
from separatrix.engine.paths.selection import check_folds
from separatrix.errors import ArgumentError, DataError
from separatrix.evaluate.binned import Numbers, binned, edges_of, evaluation_of, number_evaluation_of, numbers
from separatrix.evaluate.checks import examine
from separatrix.evaluate.codes import Finding
from separatrix.evaluate.metrics import Evaluation, NumberEvaluation, evaluate_classes, evaluate_numbers
from separatrix.fits.found import Found
from separatrix.fits.inferred import Inferred, errors_of, found_of, infer
from separatrix.fits.penalised import fit_classes, fit_numbers, standard_deviations
from separatrix.model import Errors, Model
from separatrix.settings import Settings, check_settings

EXACT_ROWS = 1_000_000  # that are judged one by one


@dataclass(frozen=True)
class Training:
    """A model, how it does on the rows held out, or if none were on its own, what is worth knowing, the encoded
    training rows, and where it was asked for their regression; and the checkpoint that the fit no longer needs."""

    model: Model
    evaluation: Evaluation | NumberEvaluation
    findings: list[Finding]
    rows: int
    X: Any
    y: NDArray
    inferred: Inferred | None
    checkpoint: Checkpoint | None = None

    @property
    def held_out(self) -> bool:
        """Whether it was judged by rows that were held out."""
        return self.rows > self.model.fit.rows


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
    check_settings(settings, target_name)
    target = learn_target(table, target_name, positive=settings.positive, regression=settings.regression, where=where)
    check_offset_suits(settings, target)
    # All of all rows, so that a cell that cannot be used is named by its row in the data.
    y, beside = target.encode(table, where, gaps=True), beside_of(table, settings, where)
    whole = tally(table.drop(settings.beside), where)
    learn_columns = partial(Columns.from_tally, target=target_name, where=where, **settings.columns)
    learn_columns(whole)
    counts = labelled = ~cells_of(table, target_name, where).missing
    if beside.weight is not None:
        counts = labelled & (beside.weight > 0)
    if not counts.any():
        raise DataError("the weight of every row is 0: there is nothing to learn from. Name another column.")
    held_out = hold_out(settings, target_name).among(table)[0]
    training, test = counts & ~held_out, held_out if settings.test_size else counts
    if not test.any():
        raise none_of(len(table), settings.test_size)
    if target.classes:
        check_weights(target, np.bincount(y[training], minlength=len(target.classes)))
    train_table = table.filter(training.tolist())
    columns = learn_columns(tally(train_table.drop(settings.beside), where))
    X, y_train, own = columns.encode(train_table, where).X, y[training], beside.take(training)
    model, inferred = fit(X, y_train, target, columns, own, settings, watch)
    # Levels that only rows held out have are no fault of theirs: `unseen` is about rows to come.
    prediction = model.predict(table.filter(test.tolist()), where, np.flatnonzero(test) + 1, unseen="pool")
    evaluation = evaluate(model, y[test], prediction.values, beside.take(test).weight)
    findings = examine(
        X,
        y_train,
        columns,
        target,
        **of_fit(model, inferred, settings),
        probabilities=by_columns(model, X, own.offset),
        evaluation=evaluation,
        weight=None if own.weight is None else own.weight.sum() * np.array(model.rates if target.classes else [1.0]),
        notes=[str(note) for note in prediction.notes],
        unlabelled=int(np.count_nonzero(~labelled)),
        turns=turns(whole, {target_name, *told_of(settings.columns)}).values(),
    )
    rows = int(np.count_nonzero(counts))
    return Training(with_metrics(model, evaluation), evaluation, findings, rows, X, y_train, inferred)


def of_fit(model: Model, inferred: Inferred | None, settings: Settings) -> dict[str, Any]:
    """What `examine` asks of a fit, wherever its rows are."""
    fit, infinite = model.fit, inferred is not None and inferred.result.estimate.infinite.any()
    return {
        "C": fit.C,
        "gap": 0.0 if infinite else fit.gap,  # no iteration gets there
        "tol": settings.tol,
        "iterates": len(fit.losses) >= settings.max_iter and not (settings.inference or settings.regression),
        "held_out": settings.test_size > 0,
        "frequency": settings.frequency is not None,
        "choosing_gap": fit.choice.gap if fit.choice else 0.0,
        "untrue": fit.choice.doubt if fit.choice else "",
    }


def hold_out(settings: Settings, target: str) -> HoldOut:
    """The rule of which rows are held out."""
    of_class = not settings.regression
    return HoldOut(target, settings.test_size, settings.seed, by_class=of_class, weight=settings.counted_by)


def fit(
    X: Any,
    y: NDArray,
    target: Target,
    columns: Columns,
    beside: Beside,
    settings: Settings,
    watch: Callable[[Step], Any] = ignore,
) -> tuple[Model, Inferred | None]:
    """The model of encoded rows; and, if it was asked for, their regression with its errors."""
    K, features, inferred = len(target.classes), columns.feature_names, None
    if settings.weight and beside.weight is not None:  # only ratios mean something: the penalty is that of the rows
        beside = replace(beside, weight=beside.weight / np.mean(beside.weight))
    if settings.inference:
        inferred = infer(X, y, target, columns, beside, settings.errors, sampling=settings.weight is not None)
        found = found_of(inferred.result, features)
    elif K:
        if settings.cv is not None:
            check_folds(settings.cv, target.classes, y)
        options = Options(settings.solver, settings.tol, settings.max_iter, seed=settings.seed)
        C = 1.0 if settings.C is None else settings.C
        found = fit_classes(X, y, K, beside, C, settings.cv, settings.l1_ratio, options, watch)
    else:
        found = fit_numbers(X, y, beside, settings.C, settings.l1_ratio, watch)
    scales, rates = standard_deviations(X, beside.weight), np.array([np.average(y, weights=beside.weight)])
    if K:
        totals = np.bincount(y, beside.weight, minlength=K)
        rates = totals / totals.sum()
    errors = errors_of(inferred.result, features) if inferred else None
    return model_of(found, target, columns, scales, rates, len(y), settings, errors), inferred


def model_of(
    found: Found,
    target: Target,
    columns: Columns,
    scales: FloatArray,
    rates: FloatArray,
    rows: int,
    settings: Settings,
    errors: Errors | None = None,
) -> Model:
    """A fit of so many rows as a model."""
    K = len(target.classes)
    return Model(
        task="linear" if not K else "binary" if K == 2 else "multinomial",
        target=target,
        columns=columns,
        coefficients=found.coefficients.tolist(),
        intercepts=found.intercepts.tolist(),
        scales=scales.tolist(),
        rates=rates.tolist(),
        fit=found.record(rows),
        metrics={},
        offset=settings.offset,
        weight=settings.counted_by,
        errors=errors,
    )


def beside_of(table: Table, settings: Settings, where: str) -> Beside:
    """The weights, offset and clusters of the rows of a table, as far as the settings name columns for them."""
    return Beside(
        weight_of(table, settings.counted_by, where) if settings.counted_by else None,
        offset_of(table, settings.offset, where) if settings.offset else None,
        cluster_of(table, settings.cluster, where) if settings.cluster else None,
    )


def evaluate(
    model: Model, y: NDArray, values: FloatArray, weight: FloatArray | None = None
) -> Evaluation | NumberEvaluation:
    """How good `values`, the model's prediction, are for rows whose codes or numbers are y, by their weight."""
    if model.task == "linear":
        return evaluate_numbers(y, values[:, 0], model.rates[0], weight)
    return evaluate_classes(y, values, model.target.classes, model.rates, weight)


def by_columns(model: Model, X: Any, offset: FloatArray | None) -> FloatArray | None:
    """The probabilities of encoded rows by their columns alone, the offset at its mean, as it may well separate the
    classes; None of a linear model."""
    if model.task == "linear":
        return None
    return model.mean(X, None if offset is None else np.full(len(offset), offset.mean()))


Judged = tuple[NDArray, FloatArray, FloatArray]
"""Of some rows their codes or numbers y (n,), what the model says (n, K), and their weights (n,)."""


def evaluate_batches(model: Model, batches: Iterable[Judged]) -> Evaluation | NumberEvaluation:
    """As `evaluate`, of rows that pass by, those that weigh nothing left out: of more than EXACT_ROWS only sums and
    counts of binned scores are kept."""
    held: list[Judged] = []
    sums, edges, rows = None, None, 0
    for y, values, weight in batches:
        counts = weight > 0
        if not counts.any():
            continue
        held.append((y[counts], values[counts], weight[counts]))
        rows += len(held[-1][0])
        if rows > EXACT_ROWS:
            if edges is None and model.task != "linear":
                edges = edges_of(np.concatenate([values for _, values, _ in held]))
            part = reduce(add, (sums_of(model, edges, *each) for each in held))
            sums, held = part if sums is None else sums + part, []
    if sums is None:
        if not rows:
            counts = f"target, and a {model.weight} above 0" if model.weight else "target"
            raise DataError(f"no row has a {counts}: there is nothing to judge the model by.")
        return evaluate(model, *map(np.concatenate, zip(*held, strict=True)))
    if isinstance(sums, Numbers):
        return number_evaluation_of(sums)
    return evaluation_of(sums, model.target.classes, model.rates)


def with_target(model: Model, table: Table, where: str, first_row: int, values: FloatArray, gaps: list[int]) -> Judged:
    """What a model is judged by, of the rows of a table that have a target; how many have none is added to `gaps`."""
    missing = cells_of(table, model.target.name, where, first_row).missing
    gaps.append(int(np.count_nonzero(missing)))
    y = model.target.encode(table, where, first_row, gaps=True)
    weight = weights_of(table, model.weight, where, first_row)
    return y[~missing], values[~missing], weight[~missing]


def sums_of(model: Model, edges: FloatArray | None, y: NDArray, values: FloatArray, weight: FloatArray) -> Any:
    """What is kept of some rows, which adds; classes in bins of such `edges`."""
    if edges is None:
        return numbers(y, values[:, 0], model.rates[0], weight)
    return binned(y, values, edges, weight)


def with_metrics(model: Model, evaluation: Evaluation | NumberEvaluation) -> Model:
    """The model with what it reached on held-out rows."""
    return msgspec.structs.replace(model, metrics=dict(evaluation.metrics))


def check_offset_suits(settings: Settings, target: Target) -> None:
    """ArgumentError for an offset of several classes: added to all, it would change nothing."""
    if settings.offset and len(target.classes) > 2:
        raise ArgumentError(
            f"offset={settings.offset} is added to one linear predictor, and the {len(target.classes)} classes have "
            "several: set one class against the rest with --positive."
        )
