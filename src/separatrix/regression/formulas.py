"""A formula and a dataframe to a sample, by formulaic."""

import os
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from threading import RLock
from typing import Any

import numpy as np

from separatrix.arguments import check_offset, check_sample_weight
from separatrix.arrays import BoolArray, IntArray, Matrix
from separatrix.data.frames import check_distinct
from separatrix.data.inputs import check_finite
from separatrix.errors import ArgumentError, DataError, InferenceWarning, listing, outside
from separatrix.regression.categories import check_categories, check_durations
from separatrix.regression.factors import names_in, needed_by, variables_of, widened, words_of
from separatrix.regression.frame_rows import (
    check_columns,
    check_gaps,
    check_numbers,
    check_same_index,
    column_or_values,
    complete_rows,
    frame_of,
    in_place,
    numbers_in,
    only,
    plain_columns,
    with_columns,
    with_own_levels,
)
from separatrix.regression.outcome import classes_of, numbers_of
from separatrix.regression.sample import INTERCEPT, Sample, complete, ways, whole_of
from separatrix.regression.written import check_names, check_outcome, check_scales, parse, plain

_catching = RLock()


def _forget() -> None:
    """In a forked process whichever thread held it is gone, and would never let go."""
    global _catching
    _catching = RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


@dataclass(frozen=True)
class Encoding:
    """The recipe of a formula: its terms with the levels and knots that the rows of the fit had, and the functions and
    numbers of the caller that it uses; `numbers` are the columns that were such. It can be pickled if they can."""

    spec: Any
    first: int
    scope: Mapping[str, Any] = field(default_factory=dict)
    numbers: frozenset[str] = frozenset()

    def __call__(self, data: Any) -> Matrix:
        frame, _ = frame_of(data)
        needed = needed_by(self.spec)
        check_columns(needed - set(self.scope), frame)
        check_gaps(needed & set(frame.columns), frame)
        check_numbers(self.numbers & set(frame.columns), frame)
        X = self.of(frame)
        check_finite(X, self.spec.column_names[self.first :])
        return X

    def of(self, frame: Any) -> Matrix:
        """The columns of the design of a frame of pandas that is known to have no gaps."""
        return matrix(self.spec, frame, self.scope)[:, self.first :]


def formula_sample(
    formula: str, data: Any, numeric: bool, weights: Any, offset: Any, groups: Any, names: Mapping[str, Any]
) -> Sample:
    """The sample of "y ~ x + C(site)", or of "successes + failures ~ x" for grouped data.

    weights, offset and groups (one, or a pair) are names of columns or values (n,). Rows with a missing value in
    anything that the formula uses are left out, and so are those of weight 0. What is no column is looked for in
    `names`, the caller's: functions, numbers, and values (n,), which become columns. Raises ColumnError for what is in
    neither, and DataError for values of pandas in another order than the data.
    """
    frame, backend = frame_of(data)
    if not len(frame):
        raise DataError("data has no rows: give some.")
    parsed = parse(formula, frame.columns)
    check_outcome(formula)
    check_scales(formula, parsed)
    words = words_of(parsed)
    frame, scope = with_scope(words, frame, names, data)
    check_names(formula, frame.columns)
    named = needed_by(parsed.lhs, parsed.rhs) | words & set(frame.columns)
    needed = sorted(named - (set(scope) - variables_of(parsed)))
    check_columns(needed, frame)
    check_same_index(groups, data, "groups")
    given = {"weights": weights, "offset": offset, **{f"groups {k}": way for k, way in enumerate(ways(groups))}}
    beside = {
        name: column_or_values(value, frame, name.split()[0], data)
        for name, value in given.items()
        if value is not None
    }
    whole, counts = complete_rows(frame, needed, beside), that_count(beside.get("weights"), frame)
    rows = np.flatnonzero(whole & counts)
    sample = rows_sample(parsed, numeric, frame, scope, rows)
    sample = replace(sample, missing=int((~whole).sum()), backend=backend, formula=formula)
    sample = replace(sample, data=sample.data[needed], offset_names=(offset,) if isinstance(offset, str) else ())
    if "offset" in beside:  # of all rows, as a message counts them
        check_offset(only(beside["offset"], rows), len(frame), sample.outcome.columns)
    taken = {name: values[rows] for name, values in beside.items()}
    clusters = [values for key, values in taken.items() if key.startswith("groups")]
    return complete(sample, taken.get("weights"), taken.get("offset"), clusters)


def that_count(weights: Any, frame: Any) -> BoolArray:
    """The rows whose weight, if it is known, is not 0, (n,); ArgumentError for one that is none."""
    if weights is None or weights.ndim != 1:
        return np.ones(len(frame), dtype=bool)
    known = np.flatnonzero(complete_rows(frame, [], {"weights": weights}))
    if not len(known):
        return np.ones(len(frame), dtype=bool)
    zero = np.zeros(len(frame), dtype=bool)
    zero[known] = check_sample_weight(only(weights, known), len(frame), "weights")[known] == 0
    return ~zero


def rows_sample(parsed: Any, numeric: bool, frame: Any, scope: Mapping[str, Any], rows: IntArray) -> Sample:
    """The sample of these rows of a frame of pandas, whose numbers they keep; of others nothing is learned."""
    numbers = rows if len(rows) < len(frame) else None
    frame = with_own_levels(frame.iloc[rows].reset_index(drop=True))
    if not len(frame):
        raise DataError(
            "no row is left: every one has a missing value in a column that the formula uses, or counts for nothing."
        )
    kinds = {name: frame[name].dtype.kind in "iufbmM" for name in frame.columns}
    check_categories(parsed, kinds, lambda column: frame[column].unique(), len(frame))
    check_durations(parsed, frame)
    values, name = left_side(parsed, frame, scope)
    design = made_of(parsed.rhs, frame, scope)
    outcome = (numbers_of if numeric else classes_of)(values, name, numbers)
    sample = sample_of(design, outcome, scope, frame, numbers)
    return replace(sample, data=frame)


def with_scope(words: set[str], frame: Any, names: Mapping[str, Any], data: Any = None) -> tuple[Any, dict[str, Any]]:
    """The frame, with values (n,) of the caller's that a formula of these words takes for columns, by their position;
    and what else of the caller's it uses. DataError where pandas has them in another order than the `data`.

    Columns come first, then the caller's, then what formulaic offers; of that, only another function takes the place.
    """
    from formulaic.transforms import TRANSFORMS

    scope: dict[str, Any] = {word: names[word] for word in words - set(frame.columns) if word in names}
    scope = {k: v for k, v in scope.items() if k not in TRANSFORMS or (callable(v) and v is not TRANSFORMS[k])}
    for name, values in scope.items():
        check_same_index(values, data, name)
    columns = {k: in_place(v, frame) for k, v in scope.items() if shape_of(v) == (len(frame),)}
    own = plain_columns(with_columns(frame[[]], columns))
    return with_columns(frame, dict(own.items())), {k: v for k, v in scope.items() if k not in columns}


def shape_of(values: Any) -> tuple[int, ...]:
    """The shape of values, () of what is no array: text, a function, lists of different lengths."""
    try:
        return np.shape(values)
    except ValueError:
        return ()


def made_of(side: Any, frame: Any, scope: Mapping[str, Any], **known: Any) -> Any:
    """The model matrix of one side of a formula, or of what remembers how it was made, of which some is `known` to
    formulaic; ArgumentError for what cannot be computed, DataError for levels of a category that are none of its."""
    from formulaic.errors import DataMismatchWarning, FormulaicError

    # One thread at a time, as what becomes of warnings is the whole process's. Numbers that are none are found later.
    with _catching, warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("error", DataMismatchWarning)
        try:
            return side.get_model_matrix(widened(side, frame), context=scope, na_action="ignore", **known)
        except DataMismatchWarning as warning:
            raise DataError(foreign_levels(str(warning), hasattr(side, "encoder_state"))) from None
        except FormulaicError as error:
            raise ArgumentError(f"the formula cannot be computed: {plain(error)}") from None
        except Exception as error:  # of a function in the formula, whose own lines are worth seeing
            dates = listing(sorted(name for name in needed_by(side) & {*frame} if frame[name].dtype.kind in "mM"))
            hint = f" Make numbers of the dates in {dates}, such as days since a first one." if dates else ""
            raise ArgumentError(f"the formula cannot be computed: {plain(error)}{hint}") from error


def foreign_levels(warning: str, fitted: bool) -> str:
    """What to say of levels that formulaic warns of, in new rows, or in those that are to be `fitted`."""
    levels = re.sub(r"np\.\w+\((.*?)\)", r"\1", warning.rpartition("{")[2].partition("}")[0]) or warning
    if fitted:
        return f"a category has levels that the rows of the fit did not have: {levels}. Leave them out."
    return f"a category has levels that the formula's levels= does not name: {levels}. Name them, or leave them out."


def outcome_values(sample: Sample, data: Any) -> Any:
    """The values of the outcome of a formula in other data, (n,) or (n, 2)."""
    recipe: Any = whole_of(sample.recipe)
    frame, _ = frame_of(data)
    parsed = parse(str(sample.formula), frame.columns)
    check_columns(needed_by(parsed.lhs) - set(recipe.scope), frame)
    return left_side(parsed, frame, recipe.scope)[0]


def levels_of(recipe: Any, frame: Any) -> dict[str, tuple[Any, ...]]:
    """The variables of a formula in the order of its terms, with the levels of each category, its reference first, and
    none of a number; without dates that are no category."""
    whole: Any = whole_of(recipe)
    spec, found = whole.spec, {}
    told = needed_by(spec)
    for factor in (factor for term in spec.terms for factor in term.factors):
        for name in sorted(names_in(factor) & told):
            levels = factor_levels(spec, factor, frame[name])
            found[name] = found.get(name) or levels
    return {name: levels for name, levels in found.items() if levels or frame[name].dtype.kind != "M"}


def factor_levels(spec: Any, factor: Any, column: Any) -> tuple[Any, ...]:
    """The levels of a variable in a factor of a formula, as `levels_of` has them."""
    seen = column.unique().tolist()
    _, state = spec.encoder_state.get(factor.expr, (None, {}))
    levels = list(state.get("categories", ()))
    if not levels or not set(seen) <= set(levels):
        return () if column.dtype.kind in "iufmM" else tuple(sorted(seen))
    base = getattr(state["contrasts"].contrasts, "base", levels[0])
    base = base if base in levels else levels[0]
    return (base, *(level for level in levels if level != base))


def left_side(parsed: Any, frame: Any, scope: Mapping[str, Any]) -> tuple[Any, str]:
    """The values of the outcome, and its name: a column as it is, an expression, or the counts of two columns."""
    terms = [str(term) for term in parsed.lhs]
    name = " + ".join(terms)
    if len(terms) == 1 and terms[0].strip("`") in frame.columns:
        return frame[terms[0].strip("`")], name
    if len(terms) > 2:
        raise ArgumentError(f"the outcome {name!r} has {len(terms)} terms: write one, or 'successes + failures'.")
    values = made_of(parsed.lhs, frame, scope).to_numpy(dtype=float)
    if values.shape[1] != len(terms):
        raise ArgumentError(
            f"the outcome {name!r} is {values.shape[1]} columns: write numbers, or a column of labels, of which the "
            "first is the reference: for another, make the column an ordered categorical in the data."
        )
    return (values[:, 0] if len(terms) == 1 else values), name


def sample_of(design: Any, outcome: Any, scope: Mapping[str, Any], frame: Any, rows: IntArray | None = None) -> Sample:
    """The sample of a design matrix of formulaic and the frame it was made of, whose rows have these numbers in the
    data; its column of ones is left to the engine."""
    names = [str(name) for name in design.model_spec.column_names]
    check_distinct(names)  # of a column `a:b` and the product a:b formulaic would keep one
    first = int(names[:1] == [INTERCEPT])
    X = design.to_numpy(dtype=float)
    check_finite(X, names, rows)
    slices = {str(term): place for term, place in design.model_spec.term_slices.items()}
    if without := [term for term, s in slices.items() if s.start == s.stop]:
        warnings.warn(
            f"no coefficient for {listing(without)}: a category has one level in the rows of the fit. Leave it out.",
            InferenceWarning,
            stacklevel=outside(),
        )
    slices = {term: s for term, s in slices.items() if first <= s.start < s.stop}
    terms = {term: tuple(range(s.start - first, s.stop - first)) for term, s in slices.items()}
    numbers = numbers_in(frame) & needed_by(design.model_spec)
    recipe = Encoding(design.model_spec, first, scope, numbers)
    return Sample(outcome, X[:, first:], tuple(names[first:]), bool(first), terms, recipe, row_numbers=rows)


def matrix(spec: Any, frame: Any, scope: Mapping[str, Any]) -> Matrix:
    """The design matrix of new rows; DataError for levels that the rows of the fit did not have."""
    return made_of(spec, frame, scope).to_numpy(dtype=float)
