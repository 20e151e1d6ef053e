"""A formula and a dataframe to a sample, by formulaic."""

import re
import warnings
from dataclasses import dataclass
from threading import Lock
from typing import Any

import narwhals as nw
import numpy as np

from separatrix.arrays import Matrix
from separatrix.errors import ArgumentError, ColumnError, DataError, SeparatrixError, no_such
from separatrix.regression.outcome import classes_of, numbers_of
from separatrix.regression.sample import INTERCEPT, Sample, check_finite, complete, ways

BACKENDS = ("pandas", "polars", "pyarrow")
_catching = Lock()


@dataclass(frozen=True)
class Encoding:
    """The recipe of a formula: its terms with the levels and knots that the rows of the fit had."""

    spec: Any
    first: int

    def __call__(self, data: Any) -> Matrix:
        frame, _ = frame_of(data)
        check_columns(self.spec.formula.required_variables, frame)
        return matrix(self.spec, frame)[:, self.first :]


def formula_sample(formula: str, data: Any, numeric: bool, weights: Any, offset: Any, groups: Any) -> Sample:
    """The sample of "y ~ x + C(site)", or of "successes + failures ~ x" for grouped data.

    weights, offset and groups (one, or a pair) are names of columns or values (n,). Rows with a missing value in
    anything that the formula uses are left out. Raises ColumnError for columns that are not in the data.
    """
    parsed = parse(formula)
    frame, backend = frame_of(data)
    check_columns(parsed.required_variables, frame)
    given = {"weights": weights, "offset": offset, **{f"groups {k}": way for k, way in enumerate(ways(groups))}}
    beside = {name: column_or_values(value, frame, name) for name, value in given.items() if value is not None}
    kept = complete_rows(frame, parsed.required_variables, beside)
    frame = frame[kept].reset_index(drop=True)
    beside = {name: values[kept] for name, values in beside.items()}
    if not len(frame):
        raise DataError("no row is complete: every one has a missing value in a column that the formula uses.")
    values, name = left_side(parsed, frame)
    design = parsed.rhs.get_model_matrix(frame, na_action="ignore")
    sample = sample_of(design, numbers_of(values, name) if numeric else classes_of(values, name))
    sample = Sample(**{**vars(sample), "missing": int((~kept).sum()), "backend": backend, "formula": formula})
    clusters = [values for key, values in beside.items() if key.startswith("groups")]
    return complete(sample, beside.get("weights"), beside.get("offset"), clusters)


def parse(formula: str) -> Any:
    """The formula of formulaic; ArgumentError where it cannot be read, or lacks an outcome."""
    try:
        from formulaic import Formula
        from formulaic.errors import FormulaicError
    except ImportError:
        raise SeparatrixError(
            "a formula needs the package formulaic: pip install 'separatrix[formula]', or pass y and X as arrays."
        ) from None
    try:
        parsed = Formula(formula)  # pyright: ignore[reportAbstractUsage]
    except FormulaicError as error:
        reason = re.sub(r"\x1b\[[\d;]*m", "", str(error)).splitlines()[0]
        raise ArgumentError(f"formula={formula!r} cannot be read: {reason}") from None
    if not hasattr(parsed, "lhs") or not hasattr(parsed, "rhs"):
        raise ArgumentError(f"formula={formula!r} has no outcome: write 'y ~ x1 + x2'.")
    return parsed


def frame_of(data: Any) -> tuple[Any, str | None]:
    """Any dataframe, or a dict of columns, as pandas, which formulaic brings, with its rows counted from 0; and which
    kind it was."""
    import pandas as pd

    if isinstance(data, dict):
        return pd.DataFrame(data), None
    native = nw.from_native(data, eager_only=True, pass_through=True)
    if native is data:
        raise ArgumentError(f"data is a {type(data).__name__}, and must be a dataframe or a dict of columns.")
    backend = native.implementation.value
    return native.to_pandas().reset_index(drop=True), backend if backend in BACKENDS else None


def check_columns(needed: Any, frame: Any) -> None:
    """ColumnError for a name of the formula that is no column."""
    for name in sorted(needed):
        if name not in frame.columns:
            raise ColumnError(no_such("column", name, map(str, frame.columns), "in the data"))


def column_or_values(given: Any, frame: Any, name: str) -> Any:
    """A column by its name, or values (n,) as they are."""
    if isinstance(given, str):
        check_columns([given], frame)
        return frame[given].to_numpy()
    values = np.asarray(given)
    if values.shape[:1] != (len(frame),):
        raise ArgumentError(f"{name} has shape {values.shape}, and must have {(len(frame),)}: a value for each row.")
    return values


def complete_rows(frame: Any, needed: Any, beside: dict[str, Any]) -> Any:
    """Which rows have every value that is used, (n,)."""
    import pandas as pd

    kept = frame[sorted(needed)].notna().all(axis=1).to_numpy()
    for values in beside.values():
        missing = pd.isna(values)
        kept = kept & ~(missing.any(axis=1) if missing.ndim == 2 else missing)
    return kept


def left_side(parsed: Any, frame: Any) -> tuple[Any, str]:
    """The values of the outcome, and its name: a column as it is, an expression, or the counts of two columns."""
    terms = [str(term) for term in parsed.lhs]
    name = " + ".join(terms)
    if len(terms) == 1 and terms[0].strip("`") in frame.columns:
        return frame[terms[0].strip("`")], name
    if len(terms) > 2:
        raise ArgumentError(f"the outcome {name!r} has {len(terms)} terms: write one, or 'successes + failures'.")
    values = parsed.lhs.get_model_matrix(frame, na_action="ignore").to_numpy(dtype=float)
    if values.shape[1] != len(terms):
        raise ArgumentError(f"the outcome {name!r} is {values.shape[1]} columns: write numbers, or a column of labels.")
    return (values[:, 0] if len(terms) == 1 else values), name


def sample_of(design: Any, outcome: Any) -> Sample:
    """The sample of a design matrix of formulaic, whose column of ones is left to the engine."""
    names = [str(name) for name in design.columns]
    first = int(names[:1] == [INTERCEPT])
    X = design.to_numpy(dtype=float)
    check_finite(X, names)
    slices = {str(term): place for term, place in design.model_spec.term_slices.items()}
    terms = {term: tuple(range(s.start - first, s.stop - first)) for term, s in slices.items() if s.start >= first}
    terms = {term: columns for term, columns in terms.items() if columns}
    return Sample(outcome, X[:, first:], tuple(names[first:]), bool(first), terms, Encoding(design.model_spec, first))


def matrix(spec: Any, frame: Any) -> Matrix:
    """The design matrix of new rows; DataError for levels that the rows of the fit did not have."""
    # One thread at a time, as how warnings are caught is the whole process's.
    with _catching, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        design = spec.get_model_matrix(frame, na_action="ignore").to_numpy(dtype=float)
    for warning in caught:
        if warning.category.__module__.startswith("formulaic"):
            levels = str(warning.message).rpartition("{")[2].partition("}")[0]
            raise DataError(
                f"a category has levels that the rows of the fit did not have: {levels or warning.message}. Leave them "
                "out."
            )
    return design
