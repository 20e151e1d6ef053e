"""A formula and a dataframe to a sample, by formulaic."""

import os
import re
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Any

import narwhals as nw
import numpy as np
from narwhals import selectors

from separatrix.arguments import unmasked
from separatrix.arrays import Matrix
from separatrix.data.frames import BACKENDS
from separatrix.data.inputs import check_finite, check_lengths, well_named
from separatrix.data.tables.cells import cells_of
from separatrix.errors import ArgumentError, ColumnError, DataError, SeparatrixError, listing, no_such
from separatrix.regression.categories import check_categories
from separatrix.regression.factors import names_in, needed_by, variables_of, widened, words_of
from separatrix.regression.outcome import classes_of, numbers_of
from separatrix.regression.sample import INTERCEPT, Sample, complete, ways

_catching = Lock()


def _forget() -> None:
    """In a forked process whichever thread held it is gone, and would never let go."""
    global _catching
    _catching = Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


@dataclass(frozen=True)
class Encoding:
    """The recipe of a formula: its terms with the levels and knots that the rows of the fit had, and the functions and
    numbers of the caller that it uses. It can be pickled if they can."""

    spec: Any
    first: int
    scope: Mapping[str, Any] = field(default_factory=dict)

    def __call__(self, data: Any) -> Matrix:
        frame, _ = frame_of(data)
        needed = needed_by(self.spec)
        check_columns(needed - set(self.scope), frame)
        check_gaps(needed & set(frame.columns), frame)
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
    anything that the formula uses are left out. What is no column is looked for in `names`, the caller's: functions,
    numbers, and values (n,), which become columns. Raises ColumnError for what is in neither.
    """
    frame, backend = frame_of(data)
    if not len(frame):
        raise DataError("data has no rows: give some.")
    parsed = parse(formula, frame.columns)
    words = words_of(parsed)
    frame, scope = with_scope(words, frame, names)
    named = needed_by(parsed.lhs, parsed.rhs) | words & set(frame.columns)
    needed = sorted(named - (set(scope) - variables_of(parsed)))
    check_columns(needed, frame)
    given = {"weights": weights, "offset": offset, **{f"groups {k}": way for k, way in enumerate(ways(groups))}}
    beside = {
        name: column_or_values(value, frame, name.split()[0]) for name, value in given.items() if value is not None
    }
    kept = complete_rows(frame, needed, beside)
    frame = with_own_levels(frame[kept].reset_index(drop=True))
    beside = {name: values[kept] for name, values in beside.items()}
    if not len(frame):
        raise DataError("no row is complete: every one has a missing value in a column that the formula uses.")
    numbers = {name: frame[name].dtype.kind in "iufbmM" for name in frame.columns}
    check_categories(parsed, numbers, lambda column: frame[column].unique(), len(frame))
    values, name = left_side(parsed, frame, scope)
    design = made_of(parsed.rhs, frame, scope)
    sample = sample_of(design, numbers_of(values, name) if numeric else classes_of(values, name), scope)
    named = (offset,) if isinstance(offset, str) else ()
    sample = replace(sample, missing=int((~kept).sum()), backend=backend, formula=formula, data=frame[needed])
    sample = replace(sample, offset_names=named)
    clusters = [values for key, values in beside.items() if key.startswith("groups")]
    return complete(sample, beside.get("weights"), beside.get("offset"), clusters)


def parse(formula: str, columns: Iterable[str]) -> Any:
    """The formula of formulaic about a table of such columns, of which "." is all; ArgumentError where it cannot be
    read, or lacks an outcome."""
    try:
        from formulaic import Formula
    except ImportError:
        raise SeparatrixError(
            "a formula needs the package formulaic: pip install 'separatrix[formula]', or pass y and X as arrays."
        ) from None
    try:
        known = {"__formulaic_variables_available__": list(columns)}
        parsed: Any = Formula(formula, _context=known)  # pyright: ignore[reportAbstractUsage]
        _ = parsed.required_variables  # it is here that Python's own terms are read
    except Exception as error:  # of formulaic, and Python's SyntaxError
        raise ArgumentError(f"formula={formula!r} cannot be read: {plain(error)}") from None
    if not hasattr(parsed, "lhs") or not hasattr(parsed, "rhs"):
        raise ArgumentError(f"formula={formula!r} has no outcome: write 'y ~ x1 + x2'.")
    if isinstance(parsed.lhs, tuple) or isinstance(parsed.rhs, tuple):
        raise ArgumentError(f"formula={formula!r} has several parts, parted by '|': write one.")
    return parsed


def frame_of(data: Any) -> tuple[Any, str | None]:
    """Any dataframe, or a dict of columns, as pandas, which formulaic brings, with its rows counted from 0; and which
    kind it was."""
    import pandas as pd

    if isinstance(data, dict):
        check_lengths(data)
        return plain_columns(pd.DataFrame(data)), None
    native = nw.from_native(data := well_named(data), eager_only=True, pass_through=True)
    if native is data:
        raise ArgumentError(f"data is a {type(data).__name__}, and must be a dataframe or a dict of columns.")
    backend = native.implementation.value
    native = native.with_columns(selectors.by_dtype(nw.Decimal).cast(nw.Float64))
    return plain_columns(native.to_pandas().reset_index(drop=True)), backend if backend in BACKENDS else None


def plain_columns(frame: Any) -> Any:
    """The frame with its columns of pandas' nullable and Arrow types as NumPy has them, which formulaic reads."""
    import pandas as pd

    def plain(column: Any) -> Any:
        if pd.api.types.is_numeric_dtype(column.dtype) or pd.api.types.is_bool_dtype(column.dtype):
            kind = column.dtype.numpy_dtype  # of Decimal, objects
            return column.to_numpy(float if column.hasnans or kind.kind == "O" else kind, na_value=np.nan)
        return column.astype(object).where(column.notna(), np.nan)

    nullable = [name for name in frame.columns if getattr(frame[name].dtype, "na_value", None) is pd.NA]
    return frame.assign(**{name: plain(frame[name]) for name in nullable})


def check_columns(needed: Any, frame: Any) -> None:
    """ColumnError for a name of the formula that is no column."""
    for name in sorted(needed):
        if name not in frame.columns:
            raise ColumnError(no_such("column", name, map(str, frame.columns), "in the data"))


def check_gaps(columns: Iterable[str], frame: Any) -> None:
    """DataError for the first row that lacks a value of one of these columns."""
    for name in sorted(columns):
        for row in np.flatnonzero(missing_in(frame[name]))[:1]:
            raise DataError(
                f"column {name!r} is missing in row {row}, counted from 0: leave the row out, or fill the gap."
            )


def column_or_values(given: Any, frame: Any, name: str) -> Any:
    """A column by its name, or values (n,) as they are."""
    if isinstance(given, str):
        check_columns([given], frame)
        return frame[given].to_numpy()
    values = np.asarray(unmasked(given))
    if values.shape[:1] != (len(frame),):
        raise ArgumentError(f"{name} has shape {values.shape}, and must have {(len(frame),)}: a value for each row.")
    return values


def complete_rows(frame: Any, needed: Any, beside: dict[str, Any]) -> Any:
    """Which rows have every value that is used, (n,)."""
    import pandas as pd

    kept = np.ones(len(frame), dtype=bool)
    for table in (frame[sorted(needed)], *map(pd.DataFrame, beside.values())):
        for name in table.columns:
            kept &= ~missing_in(table[name])
    return kept


def missing_in(column: Any) -> Any:
    """Which cells of a column of pandas are missing, (n,): of text, and of categories that are, the marks of MISSING
    too, as in any table."""
    import pandas as pd

    kind = getattr(column.dtype, "categories", column).dtype
    if not pd.api.types.is_string_dtype(kind):
        return column.isna().to_numpy()
    return cells_of(nw.from_native(column.to_frame("text"), eager_only=True), "text").missing


def with_own_levels(frame: Any) -> Any:
    """The frame with the levels of its categories that its rows have: of others there is nothing to learn."""
    names = frame.select_dtypes("category").columns
    return frame.assign(**{name: frame[name].cat.remove_unused_categories() for name in names})


def with_scope(words: set[str], frame: Any, names: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """The frame, with values (n,) of the caller's that a formula of these words takes for columns; and what else of the
    caller's it uses.

    Columns come first, then the caller's, then what formulaic offers; of that, only another function takes the place.
    """
    from formulaic.transforms import TRANSFORMS

    scope: dict[str, Any] = {word: names[word] for word in words - set(frame.columns) if word in names}
    scope = {k: v for k, v in scope.items() if k not in TRANSFORMS or (callable(v) and v is not TRANSFORMS[k])}
    columns = {k: v for k, v in scope.items() if shape_of(v) == (len(frame),)}
    return frame.assign(**columns), {k: v for k, v in scope.items() if k not in columns}


def shape_of(values: Any) -> tuple[int, ...]:
    """The shape of values, () of what is no array: text, a function, lists of different lengths."""
    try:
        return np.shape(values)
    except ValueError:
        return ()


def made_of(side: Any, frame: Any, scope: Mapping[str, Any], **known: Any) -> Any:
    """The model matrix of one side of a formula, of which some is `known` to formulaic; ArgumentError for what cannot
    be computed."""
    from formulaic.errors import FormulaicError

    try:
        return side.get_model_matrix(widened(side, frame), context=scope, na_action="ignore", **known)
    except FormulaicError as error:
        raise ArgumentError(f"the formula cannot be computed: {plain(error)}") from None
    except Exception as error:  # of a function in the formula, whose own lines are worth seeing
        dates = listing(sorted(name for name in needed_by(side) & {*frame} if frame[name].dtype.kind in "mM"))
        hint = f" Make numbers of the dates in {dates}, such as days since a first one." if dates else ""
        raise ArgumentError(f"the formula cannot be computed: {plain(error)}{hint}") from error


def plain(error: Exception) -> str:
    """The first line of a message, without the colours of a terminal."""
    return (re.sub(r"\x1b\[[\d;]*m", "", str(error)).splitlines() or [type(error).__name__])[0]


def outcome_values(sample: Sample, data: Any) -> Any:
    """The values of the outcome of a formula in other data, (n,) or (n, 2)."""
    recipe: Any = recipe_of(sample.recipe)
    frame, _ = frame_of(data)
    parsed = parse(str(sample.formula), frame.columns)
    check_columns(needed_by(parsed.lhs) - set(recipe.scope), frame)
    return left_side(parsed, frame, recipe.scope)[0]


def recipe_of(recipe: Any) -> Any:
    """The recipe of all columns, of one that some were left out of."""
    return recipe_of(recipe.recipe) if hasattr(recipe, "recipe") else recipe


def levels_of(recipe: Any, frame: Any) -> dict[str, tuple[Any, ...]]:
    """The variables of a formula but dates in the order of its terms, with the levels of each category, its reference
    first, and none of a number."""
    spec, found = recipe_of(recipe).spec, {}
    told = {name for name in needed_by(spec) if frame[name].dtype.kind != "M"}
    for factor in (factor for term in spec.terms for factor in term.factors):
        for name in sorted(names_in(factor) & told):
            levels = factor_levels(spec, factor, frame[name])
            found[name] = found.get(name) or levels
    return found


def factor_levels(spec: Any, factor: Any, column: Any) -> tuple[Any, ...]:
    """The levels of a variable in a factor of a formula, as `levels_of` has them."""
    seen = column.unique().tolist()
    _, state = spec.encoder_state.get(factor.expr, (None, {}))
    levels = list(state.get("categories", ()))
    if not levels or not set(seen) <= set(levels):
        return () if column.dtype.kind in "iufm" else tuple(sorted(seen))
    base = getattr(state["contrasts"].contrasts, "base", levels[0])
    base = base if base in levels else levels[0]
    return (base, *(level for level in levels if level != base))


def with_values(frame: Any, values: Mapping[str, Any]) -> Any:
    """The frame with one value of each of some columns, in all rows."""
    import pandas as pd

    def column(name: str, value: Any) -> Any:
        kind = frame[name].dtype
        if kind.kind in "iuf":
            if not isinstance(value, int | float | np.number) or not np.isfinite(value):
                raise ArgumentError(f"{name}={value!r} must be a finite number, as the column {name} has.")
            return value
        if kind.kind == "b" and value not in (False, True):
            raise ArgumentError(f"{name}={value!r} must be True or False, as the column {name} has.")
        if isinstance(kind, pd.CategoricalDtype) and value not in kind.categories:
            raise DataError(f"{name}={value!r} is no level of the rows of the fit: {listing(kind.categories)}.")
        return pd.Series([value] * len(frame), index=frame.index, dtype=kind)

    return frame.assign(**{name: column(name, value) for name, value in values.items()})


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


def sample_of(design: Any, outcome: Any, scope: Mapping[str, Any]) -> Sample:
    """The sample of a design matrix of formulaic, whose column of ones is left to the engine."""
    names = [str(name) for name in design.columns]
    first = int(names[:1] == [INTERCEPT])
    X = design.to_numpy(dtype=float)
    check_finite(X, names)
    slices = {str(term): place for term, place in design.model_spec.term_slices.items()}
    terms = {term: tuple(range(s.start - first, s.stop - first)) for term, s in slices.items() if s.start >= first}
    terms = {term: columns for term, columns in terms.items() if columns}
    recipe = Encoding(design.model_spec, first, scope)
    return Sample(outcome, X[:, first:], tuple(names[first:]), bool(first), terms, recipe)


def matrix(spec: Any, frame: Any, scope: Mapping[str, Any]) -> Matrix:
    """The design matrix of new rows; DataError for levels that the rows of the fit did not have."""
    # One thread at a time, as how warnings are caught is the whole process's.
    with _catching, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        design = made_of(spec, frame, scope).to_numpy(dtype=float)
    for warning in caught:
        if warning.category.__module__.startswith("formulaic"):
            levels = str(warning.message).rpartition("{")[2].partition("}")[0]
            raise DataError(
                f"a category has levels that the rows of the fit did not have: {levels or warning.message}. Leave them "
                "out."
            )
    return design
