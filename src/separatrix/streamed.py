"""Rows -> a model, as in `training`, where the rows stay where they are: in files larger than memory, or on workers.

One reading learns columns and classes and draws a sample; passes add up sums; a last one judges the rows held out. The
columns are those of the training rows; the findings and pictures are of the sample.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial, reduce
from operator import add
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

import separatrix
from separatrix.arrays import IntArray
from separatrix.data.classes import codes_for
from separatrix.data.reading.dataset import Dataset
from separatrix.data.reading.parts import SpooledPart, TablePart
from separatrix.data.streams.learn import Encoding, Learned, Question
from separatrix.data.streams.stream import encoded
from separatrix.data.tables.cell_kinds import turns
from separatrix.data.tables.cells import Numbered, Table
from separatrix.data.tables.encoders import Note, merged
from separatrix.data.tables.side_columns import clusters_in, codes_of, weights_of
from separatrix.data.tables.tally import tally
from separatrix.data.threads import in_order, thread_count, workers
from separatrix.data.workers.partitions import TableSource, learned_source
from separatrix.engine.checkpoint import Checkpoint, take_place
from separatrix.engine.fit import Options
from separatrix.engine.iterate import Step, ignore
from separatrix.errors import ArgumentError, CellError
from separatrix.evaluate.checks import examine
from separatrix.evaluate.metrics import Evaluation, NumberEvaluation
from separatrix.fits.inferred import Inferred, errors_of, found_of, infer_sample, source_sample
from separatrix.fits.penalised import (
    classes_of_source,
    numbers_of_source,
    penalty_in_units,
    spreads_of_source,
)
from separatrix.model import Model
from separatrix.regression.sources import at_rest
from separatrix.settings import Settings, check_settings
from separatrix.training import (
    Judged,
    Training,
    by_columns,
    check_offset_suits,
    evaluate_batches,
    hold_out,
    model_of,
    of_fit,
    with_metrics,
)

CHECKPOINT = "fit.npz"
T = TypeVar("T")


def train_streamed(
    dataset: Dataset,
    target_name: str,
    settings: Settings,
    watch: Callable[[Step], Any] = ignore,
    checkpoint: Path | None = None,
) -> Training:
    """Learns to predict a column from the others in bounded memory; a `checkpoint` is a folder for the last iterate.

    Raises as `train`, and ArgumentError for what needs all rows at once; FileError for a checkpoint of another fit.
    """
    check_settings(settings, target_name)
    check_streams(settings, checkpoint)
    if checkpoint:
        take_place(checkpoint / CHECKPOINT)
    question = question_of(target_name, settings)
    if settings.cluster:
        question = replace(question, columns=tuple(name for name in dataset.columns if name != settings.cluster))
    question.check(dataset)
    training_rows, test_rows = dataset.split(hold_out(settings, target_name)) if settings.test_size else (dataset,) * 2
    read = partial(learned_source, question=question, collapses=collapses(settings))
    learned, source = first_of(read, training_rows, dataset)
    target = learned.encoding.target
    check_offset_suits(settings, target)
    kept = (
        Checkpoint(checkpoint / CHECKPOINT, fingerprint(dataset, learned, target_name, settings))
        if checkpoint
        else None
    )
    groups: tuple[IntArray, ...] = ()
    if settings.cluster:
        read = partial(clusters, encoding=learned.encoding, name=settings.cluster)
        groups = (first_of(read, training_rows, dataset),)
    with source.working() as source:
        model, inferred = fit_source(source, learned, groups, settings, watch, kept)
    notes: list[Note] = []
    evaluation = judged(model, test_rows, learned.encoding, settings.cluster, notes)
    some = encoded(learned.encoding, learned.some)
    offset = None if some.offset is None else some.offset[:, 0]
    findings = examine(
        some.X,
        some.y,
        model.columns,
        target,
        **of_fit(model, inferred, settings),
        probabilities=by_columns(model, some.X, offset),
        evaluation=evaluation,
        notes=[str(note) for note in notes],
        unlabelled=learned.unlabelled,
        counts=learned.class_rows,
        weight=learned.weight if model.weight else None,
        turns=turned(dataset, learned),
    )
    rows = learned.rows + (evaluation.rows if settings.test_size else 0)
    inferred = replace(inferred, result=at_rest(inferred.result)) if inferred else None
    return Training(with_metrics(model, evaluation), evaluation, findings, rows, some.X, some.y, inferred, kept)


def collapses(settings: Settings) -> bool:
    """Whether rows that are alike may be counted as one: not where a row is told by its number, as of HC2, HC3 and
    clusters, or its score is squared with the weight that it has as a sample."""
    return not settings.inference or (settings.errors in ("nonrobust", "HC0", "HC1") and not settings.weight)


def first_of(read: Callable[[Dataset], T], rows: Dataset, dataset: Dataset) -> T:
    """What some rows say; a cell that cannot be used is told as the first of all rows, as in memory."""
    try:
        return read(rows)
    except CellError:
        read(dataset)
        raise


def question_of(target: str, settings: Settings) -> Question:
    """What the first reading is to find out."""
    offset = (settings.offset,) if settings.offset else ()
    return Question(target, settings.counted_by, offset, settings.positive, settings.regression, settings.columns)


def turned(dataset: Dataset, learned: Learned) -> Iterable[str]:
    """Where columns turn that do so in the training rows, by all rows: those columns alone are read again."""
    if not learned.turns:
        return ()
    batches = dataset.numbered(columns=list(learned.turns))
    return turns(reduce(add, (tally(table, dataset.where, first_row) for table, first_row in batches))).values()


def clusters(rows: Dataset, encoding: Encoding, name: str) -> IntArray:
    """The cluster of each row that counts as a code, (rows,): they are brought here, an integer for each row."""
    parts = []
    for table, first_row in rows.numbered(columns=list(dict.fromkeys([*encoding.needs, name]))):
        clusters_in(table, name, rows.where, first_row)  # of all rows, so that a gap is named by its row
        parts.append(clusters_in(encoding.that_count(table)[0], name))
    return codes_of(parts)


def fit_source(
    source: TableSource,
    learned: Learned,
    groups: tuple[IntArray, ...],
    settings: Settings,
    watch: Callable[[Step], Any],
    checkpoint: Checkpoint | None,
) -> tuple[Model, Inferred | None]:
    """The model of the rows of a source at work, which may count rows that are alike as one; and, if it was asked for,
    their regression with its errors, by clusters of codes (rows,) if there are any."""
    encoding, n, weight = learned.encoding, learned.rows, learned.weight
    target, columns, K = encoding.target, encoding.columns, len(encoding.target.classes)
    scales, code = spreads_of_source(source), codes_for(K) if K else as_column
    penalty, l1_ratio = penalty_in_units(scales, settings.l1_ratio), settings.l1_ratio
    rates = weight / weight.sum() if K else np.array([source.recoded(code).add_up(weighted_sum) / weight.sum()])
    inferred = errors = None
    if settings.inference:
        if settings.weight:  # only ratios mean something: a row is one observation
            source, weight = source.reweighed(np.array([n / weight.sum()])), weight * n / weight.sum()
        counted = bool(settings.counted_by) or getattr(source, "distinct", False)
        sample = source_sample(source.recoded(code), target, columns, weight, groups, counted, n)
        inferred = infer_sample(sample, settings.errors, settings.weight is not None, checkpoint)
        found = found_of(inferred.result, columns.feature_names)
        errors = errors_of(inferred.result, columns.feature_names)
    elif K:
        options = Options(settings.solver, settings.tol, settings.max_iter, seed=settings.seed)
        C = 1.0 if settings.C is None else settings.C
        # Of sampling weights only ratios mean something: the penalty is that of the rows.
        total = float(n if settings.weight else weight.sum())
        found = classes_of_source(source.recoded(code), K, penalty, C, total, l1_ratio, options, watch, checkpoint)
    else:
        scale = weight.sum() / n if settings.weight else 1.0
        found = numbers_of_source(source.recoded(code), penalty.times(scale), settings.C, l1_ratio, watch)
    return model_of(found, target, columns, scales, rates, n, settings, errors), inferred


def as_column(y: NDArray) -> NDArray:
    """Numbers (rows,) as a column."""
    return y[:, None] * 1.0


def weighted_sum(block: Any) -> float:
    """The weighted sum of y over the rows of a block."""
    return float(block.weight @ block.y[:, 0])


def judged(
    model: Model, rows: Dataset, encoding: Encoding, cluster: str | None, notes: list[Note]
) -> Evaluation | NumberEvaluation:
    """How good the model is for rows that were held out, batch by batch; fills `notes`.

    Raises CellError for one whose `cluster` is missing, as of the rows that were not held out.
    """
    needs = [*encoding.needs, *filter(None, [cluster])]

    def judge(item: tuple[Table, Numbered]) -> tuple[Judged, tuple[Note, ...]]:
        if cluster:
            clusters_in(item[0], cluster, rows.where, item[1])  # a gap is refused whether its row is held out or not
        table, numbers = encoding.that_count(*item)
        said = model.predict(table, rows.where, numbers, unseen="pool")
        y = model.target.encode(table, rows.where, numbers)
        return (y, said.values, weights_of(table, model.weight, rows.where, numbers)), said.notes

    def batches() -> Iterator[Judged]:
        with workers(threads := thread_count()) as pool:
            for each, said in in_order(pool, judge, rows.numbered(columns=needs), ahead=2 * threads):
                notes[:] = merged([*notes, *said])
                yield each

    return evaluate_batches(model, batches())


def check_streams(settings: Settings, checkpoint: Path | None) -> None:
    """ArgumentError for what needs all rows at once, and for a checkpoint of a fit that keeps none."""
    if settings.cv is not None:
        raise ArgumentError(
            f"cv={settings.cv} needs all rows in memory, and these stay where they are: choose C on a part of the rows."
        )
    if checkpoint and settings.regression:
        raise ArgumentError(
            f"checkpoint={checkpoint} keeps the iterate of each pass, and a linear regression has none: it adds up "
            "sums, in three passes. Leave it out."
        )


def fingerprint(dataset: Dataset, learned: Learned, target: str, settings: Settings) -> dict[str, str]:
    """What a checkpoint must agree with: the data as they are, what a first reading found, and what was asked for."""
    files = {f"file {Path(name).resolve()}": f"{size:,} bytes of {time}" for name, size, time in dataset.files}
    asked = {name: getattr(settings, name) for name in settings.__dataclass_fields__ if name != "max_iter"}
    columns = learned.encoding.columns.describe()
    found = {"rows to train on": learned.rows, "their weight": learned.weight.tolist(), "columns": columns}
    said = {"separatrix": separatrix.__version__, "target": target, **asked, "classes": learned.encoding.target}
    if not files and all(isinstance(part, SpooledPart | TablePart) for part in dataset.parts):
        files = {"rows": content(dataset)}
    return files | {name: short(repr(value)) for name, value in {**said, **found}.items()}


def content(dataset: Dataset) -> str:
    """A digest of all rows in their order, by one reading, whatever lies in memory where a cell is missing."""
    whole = hashlib.sha256()
    for table in dataset.batches():
        rows: pa.Table = table.to_native().combine_chunks()
        for column in rows.itercolumns():
            for part in (column.drop_null(), column.is_null()):
                for batch in pa.table({"": part}).to_batches():
                    whole.update(batch.serialize())
    return whole.hexdigest()


def short(text: str) -> str:
    """A text for a message, or a digest of a long one."""
    return text if len(text) <= 60 else f"digest {hashlib.sha256(text.encode()).hexdigest()[:16]}"
