"""The variables of a regression: what a change of one does to the columns that hold it, in the rows of the fit, at
their means, or at given values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import sparse

from separatrix.arrays import BoolArray, FloatArray, Matrix
from separatrix.compressed import dense
from separatrix.errors import ArgumentError, ColumnError, InferenceError, listing, no_such
from separatrix.inference.effects import Change, MarginalEffects, Slope, Step, at_rows, column_changes, marginal_effects
from separatrix.regression.fitting import at_work
from separatrix.regression.formulas import levels_of
from separatrix.regression.frame_rows import with_columns, with_values
from separatrix.regression.repeats import Repeat, hold, hold_between, warn_of_others
from separatrix.regression.sample import Chosen, Sample, repeats_of, taken, whole_of

SMALL = 2.0**-20  # of a variable's spread: the step of its derivative, exact where columns are linear in it
PLACES = ("average", "means")

Told = tuple[Change, BoolArray]
"""A change, and of which rows (n,), or of their mean (1,), the fit says something before and after it."""


@dataclass(frozen=True)
class FormulaRows:
    """Rows of a formula's data; where `single`, their design is taken together as one row, its mean by weight (n,)."""

    sample: Sample
    frame: Any
    weight: FloatArray
    single: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(levels_of(self.sample.recipe, self.frame))

    def at(self, values: Mapping[str, Any]) -> "FormulaRows":
        """The rows with these values of some variables."""
        return replace(self, frame=with_values(self.frame, values))

    def at_means(self) -> "FormulaRows":
        """One row: numbers at their means, categories at their shares."""
        numbers = [name for name, levels in levels_of(self.sample.recipe, self.frame).items() if not levels]
        values = {name: self.frame[name].to_numpy(dtype=float) for name in numbers}
        means = {name: float(np.average(column, weights=self.weight)) for name, column in values.items()}
        return replace(self.at(means), single=True)

    def design(self) -> FloatArray:
        """X of the rows, (n, p), or of their mean, (1, p)."""
        return self._taken(self._whole(self.frame))

    def _whole(self, frame: Any) -> FloatArray:
        """X as `design` has it, with the columns that were left out."""
        X: Any = whole_of(self.sample.recipe)(frame)
        return np.average(X, axis=0, weights=self.weight)[None] if self.single else X

    def _taken(self, whole: FloatArray) -> Any:
        return taken(self.sample.recipe, whole)

    @property
    def _repeats(self) -> tuple[Repeat, ...]:
        return repeats_of(self.sample.recipe)

    def changes(self, name: str) -> list[Told]:
        """The slope of a number; the steps of a category from its reference, or of a number that is 0 or 1."""
        levels = levels_of(self.sample.recipe, self.sample.data)[name] or zero_one(self.sample.data[name])
        if not levels:
            return [self._slope(name)]
        base, *others = levels
        X, low = self.design(), self._whole(with_values(self.frame, {name: base}))
        return [self._step(name, X, low, base, level) for level in others]

    def _step(self, name: str, X: FloatArray, low: FloatArray, base: Any, level: Any) -> Told:
        high = self._whole(with_values(self.frame, {name: level}))
        known = hold(self._repeats, low) & hold(self._repeats, high)
        low, high = self._taken(low), self._taken(high)
        columns = np.flatnonzero(((high != low) | (low != X)).any(axis=0))  # rows may have yet another level
        return Step(name, columns, low[:, columns], high[:, columns], f"{level} - {base}"), known

    def _slope(self, name: str) -> Told:
        """By differences within the range of the variable, outside of which its columns may not exist."""
        x, seen = self.frame[name].to_numpy(dtype=float), self.sample.data[name].to_numpy(dtype=float)
        low, high = min(x.min(), seen.min()), max(x.max(), seen.max())
        h = 2.0 ** np.round(np.log2(SMALL * max(np.std(seen), np.finfo(float).tiny)))
        middle = np.clip(x, low + h, high - h) if high - low > 2.0 * h else x
        above, below = middle + h, middle - h
        width = (above - below)[:, None] if not self.single else float((above - below)[0])
        high, low = (self._whole(with_columns(self.frame, {name: end})) for end in (above, below))
        known = np.ones(len(high), dtype=bool)
        if self._repeats:
            known = hold(self._repeats, self._whole(self.frame)) & hold_between(self._repeats, low, high)
        by = (self._taken(high) - self._taken(low)) / width
        columns = np.flatnonzero(by.any(axis=0))
        return Slope(name, columns, by[:, columns]), known


@dataclass(frozen=True)
class ArrayRows:
    """Rows of numbers, of which every column is a variable; `known` unless one was set that columns which were left
    out repeat."""

    sample: Sample
    X: Matrix
    weight: FloatArray
    single: bool = False
    known: bool = True

    @property
    def names(self) -> tuple[str, ...]:
        return self.sample.names

    def at(self, values: Mapping[str, Any]) -> "ArrayRows":
        """The rows with these values of some columns."""
        X: Any = self.X.tolil() if sparse.issparse(self.X) else np.array(self.X, dtype=float)
        for name, value in values.items():
            X[:, self.names.index(name)] = number_of(name, value)
        known = self.known and not any(map(self._is_repeated, values))
        return replace(self, X=X.tocsr() if sparse.issparse(X) else X, known=known)

    def _is_repeated(self, name: str) -> bool:
        """Whether a column that was left out was a sum with this one in it."""
        recipe = self.sample.recipe
        place = recipe.chosen[self.names.index(name)] if isinstance(recipe, Chosen) else 0
        return any(repeat.shares[place] for repeat in repeats_of(recipe))

    def at_means(self) -> "ArrayRows":
        """One row: the means."""
        return replace(self, X=np.asarray(self.weight @ self.X)[None] / self.weight.sum(), single=True)

    def design(self) -> Matrix:
        return self.X

    def changes(self, name: str) -> list[Told]:
        """The slope of a column, or the step of one that is 0 or 1."""
        j = self.names.index(name)
        column = dense(self.sample.X[:, [j]])
        known = np.full(self.X.shape[0], self.known and not self._is_repeated(name))
        return [(column_changes(self.names, [j] if zero_one(column) else [])[j], known)]


def effects_of(result: Any, at: Any, variables: str | Sequence[str] | None) -> MarginalEffects:
    """The marginal effects of a result (see `DiagnosedResult.marginal_effects`)."""
    result._check_inference("marginal effects")
    if result.estimate.infinite.any():
        raise InferenceError("no marginal effects: some estimates are infinite. Use penalty='firth'.")
    sample, estimate = result.sample, result.estimate
    weight = result._population_weight()
    rows: Any = ArrayRows(sample, sample.X, weight) if sample.data is None else FormulaRows(sample, sample.data, weight)
    chosen = [variables] if isinstance(variables, str) else variables
    chosen = [check_variable(name, rows.names) for name in chosen or rows.names]
    rows = placed(rows, at)
    told = [told for name in chosen for told in rows.changes(name)]
    changes, known = [change for change, _ in told], [rows for _, rows in told]
    offset = sample.offset
    if rows.single and offset is not None:
        offset = np.average(offset, axis=0, weights=weight)[None]
    with at_work(estimate.objective) as objective:
        source = at_rows(objective, rows.design(), offset, None if rows.single else weight)
        spread = result.spread
        found = marginal_effects(objective, result._theta, spread.own, changes, source, spread.turn)
    found = where_known(found, known)
    classes = sample.outcome.classes
    return replace(found, classes=tuple(map(str, classes if len(classes) > 2 else ("",))), df=result.df_inference)


def where_known(found: MarginalEffects, known: Sequence[BoolArray]) -> MarginalEffects:
    """The effects, NaN with an InferenceWarning where rows that they rest on are not known, (n,) of each change."""
    lost = np.array([not rows.all() for rows in known])
    if not lost.any():
        return found
    names = dict.fromkeys(np.array(found.variables)[lost].tolist())
    others = ~np.logical_and.reduce(known)
    what = f"effects of {listing(names)}, which rest on them, are"
    warn_of_others(int(np.count_nonzero(others)), len(others), what)
    gone = lost[:, None]
    effects, errors = (np.where(gone, np.nan, values) for values in (found.effects, found.standard_errors))
    return replace(found, effects=effects, standard_errors=errors)


def placed(rows: Any, at: Any) -> Any:
    """The rows as they are, their mean, or with given values."""
    if isinstance(at, Mapping):
        return rows.at({check_variable(name, rows.names): value for name, value in at.items()})
    if at not in PLACES:
        raise ArgumentError(f"at={at!r} must be 'average', 'means', or values by their variables: {{'age': 40}}.")
    return rows.at_means() if at == "means" else rows


def check_variable(name: str, known: Sequence[str]) -> str:
    """ColumnError unless it is a variable of the model."""
    if name not in known:
        raise ColumnError(no_such("variable", str(name), known, "in the model"))
    return name


def number_of(name: str, value: Any) -> float:
    """ArgumentError unless it is a finite number."""
    if not isinstance(value, int | float | np.number) or not np.isfinite(value):
        raise ArgumentError(f"at={{{name!r}: {value!r}}} must be a finite number: {name} is one.")
    return float(value)


def zero_one(values: Any) -> tuple[int, ...]:
    """(0, 1) where numbers are 0 and 1 and nothing else."""
    values = np.asarray(values, dtype=float)
    return (0, 1) if ((values == 0) | (values == 1)).all() and values.min() < values.max() else ()
