"""Regressions of rows that are not in memory: of files, of Dask dataframes and arrays, by a formula or without.

A formula needs the levels of its categories and no more of the rows it has not seen, so its design is learned from a
sample with every level in it, and then made batch by batch, wherever the batch is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from separatrix.arrays import IntArray
from separatrix.data.block import Block, Source
from separatrix.data.inputs import check_finite
from separatrix.data.opened import dataset_of
from separatrix.data.reading.dataset import Dataset
from separatrix.data.reading.orders import Orders
from separatrix.data.streams.learn import AddUp, Learned, Question
from separatrix.data.tables.cells import Numbered, Table
from separatrix.data.tables.side_columns import given
from separatrix.data.tables.tally import ColumnTally, Tally
from separatrix.data.tables.target import FEW_CLASSES, Target
from separatrix.data.workers.blocks import array_of_dask, labelled
from separatrix.data.workers.partitions import learned_source
from separatrix.errors import ArgumentError, ColumnError, listing, no_such
from separatrix.regression.categories import check_categories, check_durations, labels_of
from separatrix.regression.factors import factors_of, names_in, needed_by, variables_of, words_of
from separatrix.regression.formulas import Encoding, made_of, matrix, with_scope
from separatrix.regression.formulas import sample_of as sample_of_design
from separatrix.regression.frame_rows import frame_of, with_columns
from separatrix.regression.outcome import check_whole
from separatrix.regression.sample import Columns, default_names, group_codes, ways
from separatrix.regression.sources import StreamedSample, check_totals, coded, outcome_of
from separatrix.regression.stateful import Terms, states_of, that_count
from separatrix.regression.written import check_names, check_outcome, check_scales, parse

SHOWN_ROWS = 20_000  # of the even sample, of which a formula's design is learned


@dataclass(frozen=True)
class FormulaEncoding:
    """How rows become the columns of a formula's design: like `separatrix.data.tables.encoding.Encoding`, with y as
    the loss of so many classes wants it."""

    recipe: Encoding
    names: tuple[str, ...]
    terms: dict[str, tuple[int, ...]]
    intercept: bool
    target: Target
    needs: list[str]
    weight: str | None = None
    offset: tuple[str, ...] = ()
    where: str = "the data"

    def that_count(self, table: Table, first_row: Numbered = 1) -> tuple[Table, Numbered]:
        """The rows without gaps whose weight is not 0, and their numbers."""
        return that_count(table, first_row, self.weight)

    def block(self, table: Table, before: int = 0, first_row: Numbered = 1) -> Block:
        """The numbers of rows that count, `before` of which came before these."""
        X = self.recipe.of(frame_of(table.to_native())[0])
        check_finite(X, self.names)
        y = coded(len(self.target.classes), self.target.encode(table, self.where, first_row))
        weight, offset = given(table, self.weight, self.offset, self.where, first_row)
        return Block(X, y, weight, slice(before, before + len(table)), offset)


def formula_sample(
    formula: str, data: Any, numeric: bool, weights: Any, offset: Any, groups: Any, scope: Mapping[str, Any]
) -> StreamedSample:
    """The sample of "y ~ x + C(site)" over a dataset or a Dask dataframe; weights, offset and groups are names of
    columns. Rows with a gap in any column that is used are left out.

    Raises ArgumentError for an outcome that is no column, and for terms that need all rows at once.
    """
    table = dataset_of(data)
    parsed = parse(formula, table.columns)
    check_outcome(formula, in_memory=False)
    check_scales(formula, parsed)
    check_names(formula, table.columns)
    target = outcome_name(parsed, table)
    weight, offsets = named("weights", weights), named("offset", offset)
    clusters = [name for way in ways(groups) for name in named("groups", way)]
    words = words_of(parsed)
    needed = needed_by(parsed.lhs, parsed.rhs)
    for name in sorted(needed - (set(scope) - variables_of(parsed))):
        check_column(name, table)
    features = [name for name in table.columns if name in words and name != target]
    used = tuple(dict.fromkeys([target, *features, *weight, *offsets, *clusters]))
    for name in used:
        check_column(name, table)
    table = table.as_labels([*labels_of(parsed, set(features)), *clusters])
    table = table if numeric else table.as_labels([target], FEW_CLASSES)
    scope = {name: value for name, value in scope.items() if name in words}
    encode = partial(
        formula_encoding,
        formula,
        tuple(table.columns),
        scope,
        tuple(features),
        used,
        weight[0] if weight else None,
        offsets,
    )
    question = Question(
        target, weight[0] if weight else None, offsets, regression=numeric, columns=used, complete=True, encode=encode
    )
    # Rows that are alike stay apart: a sum over observations, as of HC0, is none over their counts.
    intercept = any(str(term) == "1" for term in parsed.rhs)
    learned, rows = learned_source(table, question, centre=intercept, collapses=False)
    codes = tuple(cluster_codes(table, learned.encoding, name, rows.n_rows) for name in clusters)
    return sample_of(learned, rows, table, codes, formula)


def sample_of(
    learned: Learned, rows: Source, table: Dataset, groups: tuple[IntArray, ...], formula: str
) -> StreamedSample:
    """What was learned of a formula's rows, as a sample."""
    encoding: Any = learned.encoding
    check_totals(encoding.target.name, tuple(encoding.target.classes), learned.weight)
    return StreamedSample(
        outcome_of(encoding.target.name, tuple(encoding.target.classes)),
        np.empty((0, len(encoding.names))),
        encoding.names,
        encoding.intercept,
        encoding.terms,
        encoding.recipe,
        frequency=None if encoding.weight is None else "weight",
        groups=groups,
        missing=learned.unlabelled,
        formula=formula,
        offset_names=encoding.offset,
        rows=rows,
        totals=learned.weight,
        whole=table.parts,
    )


def outcome_name(parsed: Any, table: Dataset) -> str:
    """The column that a formula explains."""
    terms = [str(term).strip("`") for term in parsed.lhs]
    if len(terms) != 1 or terms[0] not in table.columns:
        name = " + ".join(terms)
        raise ArgumentError(f"the outcome {name!r} is no column of {table.name}: of rows that are read it must be one.")
    return terms[0]


def named(argument: str, given: Any) -> tuple[str, ...]:
    """The names of columns that an argument holds; ArgumentError for values."""
    names = () if given is None else (given,) if isinstance(given, str) else tuple(given)
    if not all(isinstance(name, str) for name in names):
        raise ArgumentError(f"{argument} must be the name of a column where the rows are read, not values.")
    return names


def check_column(name: str, table: Dataset) -> None:
    """ColumnError unless the table has it."""
    if name not in table.columns:
        raise ColumnError(no_such("column", name, table.columns, f"in {table.name}"))


def formula_encoding(
    formula: str,
    columns: tuple[str, ...],
    scope: Mapping[str, Any],
    features: tuple[str, ...],
    needs: tuple[str, ...],
    weight: str | None,
    offset: tuple[str, ...],
    target: Target,
    tally: Tally,
    orders: Orders,
    some: Table,
    add_up: AddUp,
) -> FormulaEncoding:
    """The design of a formula, from some rows, the levels that all of them have, and what its functions remember of
    all.

    Raises ArgumentError for terms such as `x - x.mean()`, whose numbers depend on all rows, ColumnError for categories
    of too many levels, and TargetError for an outcome of numbers that are no classes.
    """
    parsed: Any = parse(formula, columns)
    if tally.columns[target.name].kind == "number":
        check_whole(np.array(target.classes), target.name)
    numeric = {name: tally.columns[name].kind not in ("text", "category") for name in features}
    check_categories(parsed, numeric, lambda name: levels_in(tally.columns[name], formula), tally.rows)
    counting, _ = that_count(some, 1, weight)
    some = counting if len(counting) else some
    states = states_of(Terms(formula, columns, scope, needs, weight), some, add_up)
    frame = with_levels(some[:SHOWN_ROWS].to_pandas(), tally, orders, features)
    frame, scope = with_scope(words_of(parsed), frame, scope)
    check_durations(parsed, frame)
    design = made_of(parsed.rhs, frame, scope, transform_state=dict(states))
    if own := [name for name, state in design.model_spec.transform_state.items() if state and name not in states]:
        raise ArgumentError(
            f"formula={formula!r} has {listing(own)}, of a function that remembers some rows and not all: put it into "
            "the data as a column, or fit rows in memory."
        )
    check_row_by_row(formula, design, frame, scope)
    for factor in factors_of(parsed):
        _, state = design.model_spec.encoder_state.get(factor.expr, (None, {}))
        unknown = [name for name in features if name in names_in(factor) and tally.columns[name].levels is None]
        if "categories" in state and unknown:
            raise ColumnError(f"column {unknown[0]!r} has too many levels for {factor} of formula={formula!r}.")
    sample = sample_of_design(design, outcome_of(target.name, tuple(target.classes)), scope, frame)
    return FormulaEncoding(
        sample.recipe,  # pyright: ignore[reportArgumentType]
        sample.names,
        dict(sample.terms),
        sample.intercept,
        target,
        list(needs),
        weight,
        offset,
        tally.where,
    )


def check_row_by_row(formula: str, design: Any, frame: Any, scope: Mapping[str, Any]) -> None:
    """ArgumentError for a column whose numbers are others where its rows come in another order, without some of them:
    a batch knows its own rows alone."""
    some, whole = matrix(design.model_spec, frame[::-2], scope), design.to_numpy(dtype=float)[::-2]
    alike = np.isclose(some, whole, rtol=1e-9, atol=0.0, equal_nan=True).all(axis=0)
    if not alike.all():
        name = design.columns[int(np.argmin(alike))]
        raise ArgumentError(
            f"formula={formula!r} has {name}, whose value in one row depends on others: put it into the data as a "
            "column, or fit rows in memory."
        )


def levels_in(column: ColumnTally, formula: str) -> list[Any]:
    """The different values of a column; ColumnError where they are too many to be counted."""
    if column.levels is None:
        raise ColumnError(f"column {column.name!r} has too many levels for a category of formula={formula!r}.")
    return column.levels.values.to_pylist()


def with_levels(frame: Any, tally: Tally, orders: Orders, columns: Sequence[str]) -> Any:
    """Some rows, and copies of the first in which each column takes the levels that these rows lack; levels of
    categories in their order, if they have one."""
    frames = [frame]
    for name in columns:
        column, values = tally.columns[name], []
        if column.levels is not None and column.kind in ("text", "category", "number", "boolean"):
            values = column.levels.values.to_pylist()
        lacking: Any = pd.Series(values, dtype=plain_type(frame[name]))
        lacking = lacking[~lacking.isin(frame[name])]
        if len(lacking):
            copies = pd.concat([frame[:1]] * len(lacking), ignore_index=True)
            copies[name] = lacking.to_numpy()
            frames.append(copies)
    whole = pd.concat([each.astype({name: plain_type(frame[name]) for name in columns}) for each in frames])

    def category(name: str) -> Any:
        order = orders[name].to_pylist() if name in orders else None
        return pd.Categorical(whole[name], order).remove_unused_categories()

    return with_columns(whole, {name: category(name) for name in columns if tally.columns[name].kind == "category"})


def plain_type(column: Any) -> Any:
    """The type of a column of pandas, without the levels of a category."""
    return column.cat.categories.dtype if str(column.dtype) == "category" else column.dtype


def cluster_codes(table: Dataset, encoding: Any, name: str, rows: int) -> IntArray:
    """The clusters of all rows that count as codes, (rows,): they are brought here, an integer for each row."""
    parts = [encoding.that_count(batch)[0][name].to_numpy() for batch in table.batches(columns=encoding.needs)]
    return group_codes(np.concatenate(parts), rows)


def block_sample(y: Any, X: Any, numeric: bool, intercept: bool, weights: Any, offset: Any) -> StreamedSample:
    """The sample of Dask arrays, or a Dask dataframe of numbers, X (n, p), and labels or numbers y (n,)."""
    X, names = array_of_dask(X)
    found = labelled(X, y, weights, offset, regression=numeric, centre=intercept, names=names)
    classes = () if found.classes is None else tuple(found.classes.tolist())
    check_whole(np.array(classes), "y")
    check_totals("y", classes, found.weight)
    outcome, names = outcome_of("y", classes), names or default_names(found.source.n_columns)
    if numeric and found.columns_of_eta > 1:
        raise ArgumentError(f"y has {found.columns_of_eta} columns, and a linear regression explains one: give y (n,).")
    if found.offsets not in (0, outcome.columns):
        raise ArgumentError(f"offset has {found.offsets} columns, and {outcome.columns} are due.")
    return StreamedSample(
        outcome,
        np.empty((0, len(names))),
        names,
        intercept,
        {column: (j,) for j, column in enumerate(names)},
        Columns(names),
        frequency=None if weights is None else "weight",
        rows=found.source if numeric else found.source.recoded(partial(coded, len(classes))),
        totals=found.weight,
        whole=X,
    )
