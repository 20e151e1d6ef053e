"""The rows of a regression as numbers, and how to make such numbers of new rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike

from separatrix.arguments import check_offset, check_sample_weight, gaps, unmasked
from separatrix.arrays import BoolArray, FloatArray, IntArray, Matrix
from separatrix.data.block import Source
from separatrix.data.inputs import matrix_of
from separatrix.data.memory import memory_source
from separatrix.errors import ColumnError, DataError, no_such
from separatrix.regression.outcome import Outcome, of_rows
from separatrix.regression.repeats import Repeat, hold

INTERCEPT = "Intercept"


class Recipe(Protocol):
    """How rows of new data become X, with the columns that were made of the rows of the fit."""

    def __call__(self, data: Any) -> Matrix: ...


@dataclass(frozen=True)
class Sample:
    """X (n, p) without a column of ones, its columns' names, and the terms they belong to; rows of weight 0 left out.

    `frequency` (n,) says how many observations a row stands for, None for one; `groups` holds codes (n,) of clusters;
    `missing` counts the rows left out for missing values; `backend` is the kind of dataframe to answer with; `data` is
    the pandas dataframe of the rows that a formula was of, with the columns it names; `offset_names` the columns of
    the data that the offset was of; `row_numbers` (n,) are those of the rows in what was given, None where all are
    here, and `index` is what pandas called those that were given.
    """

    outcome: Outcome
    X: Matrix
    names: tuple[str, ...]
    intercept: bool
    terms: Mapping[str, tuple[int, ...]]
    recipe: Recipe
    frequency: Any = None
    offset: FloatArray | None = None
    groups: tuple[IntArray, ...] = ()
    missing: int = 0
    dropped: tuple[str, ...] = ()
    backend: str | None = None
    formula: str | None = None
    offset_names: tuple[str, ...] = ()
    data: Any = field(default=None, repr=False)
    row_numbers: IntArray | None = None
    index: Any = field(default=None, repr=False)

    @property
    def indexed(self) -> Any:
        """What has the index that pandas gave these rows, if there was one."""
        if self.index is None or self.row_numbers is None:
            return SimpleNamespace(index=self.index)
        return SimpleNamespace(index=self.index[self.row_numbers])

    @property
    def n_rows(self) -> int:
        return self.X.shape[0]

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the coefficients of one linear predictor, the intercept first."""
        return (INTERCEPT, *self.names) if self.intercept else self.names

    @property
    def weight(self) -> FloatArray:
        """frequency * trials, (n,): what the log-likelihood of a row counts."""
        weight = np.ones(self.n_rows) if self.frequency is None else self.frequency
        return weight if self.outcome.trials is None else weight * self.outcome.trials

    @property
    def total(self) -> float:
        """The weight of all rows."""
        return float(self.weight.sum())

    def class_totals(self) -> FloatArray:
        """The weight of each class, (K,)."""
        y, weight = self.outcome.y, self.weight
        if y.ndim == 2:
            successes = float(weight @ y[:, 0])
            return np.array([weight.sum() - successes, successes])
        return np.asarray(np.bincount(y, weight, minlength=len(self.outcome.classes)), dtype=np.float64)

    @property
    def in_memory(self) -> bool:
        """Whether the rows are at hand, each by itself."""
        return True

    def check_here(self, what: str) -> None:
        """InferenceError where the rows are not in memory, which `what` needs: here they are."""

    def difference(self, other: "Sample") -> str | None:
        """What another sample does not share with this one, "rows", "outcomes", "weights" or "offset"; or None."""
        y, others = self.outcome.y, other.outcome.y
        if len(y) != len(others):
            return "rows"
        if y.shape != others.shape or not np.array_equal(y, others):
            return "outcomes"
        if not np.array_equal(self.weight, other.weight):
            return "weights"
        a, b = (0.0 if sample.offset is None else sample.offset for sample in (self, other))
        return None if np.all(np.equal(a, b)) else "offset"

    @property
    def has_offset(self) -> bool:
        """Whether something is added to the linear predictor."""
        return self.offset is not None

    @property
    def observations(self) -> float:
        """How many observations there are; each group of trials is one."""
        return float(self.n_rows) if self.frequency is None else float(self.frequency.sum())

    def source(self) -> Source:
        """The rows as the engine reads them."""
        return memory_source(self.X, self.outcome.y, self.weight, centre=self.intercept, offset=self.offset)

    def labelled(self) -> Source:
        """The rows with the codes of their classes for y, each counted once; one of both outcomes is two rows."""
        X, y = self.X, self.outcome.y.reshape(self.n_rows)
        if self.outcome.trials is not None:
            successes, failures = np.flatnonzero(y > 0), np.flatnonzero(y < 1)
            rows = np.append(successes, failures)
            X, y = X[rows], np.append(np.ones(len(successes)), np.zeros(len(failures)))
        return memory_source(X, y.astype(np.intp), centre=self.intercept)

    def columns(self, chosen: Sequence[int]) -> "Sample":
        """The same rows with only these columns; terms that lose all of theirs are gone."""
        place = {column: k for k, column in enumerate(chosen)}
        terms = {term: tuple(place[j] for j in columns if j in place) for term, columns in self.terms.items()}
        return replace(
            self,
            X=self.X[:, list(chosen)],
            names=tuple(self.names[j] for j in chosen),
            terms={term: columns for term, columns in terms.items() if columns},
            recipe=chosen_of(self.recipe, chosen),
        )

    def without(self, names: Sequence[str], repeats: Sequence[Repeat] = ()) -> "Sample":
        """The same rows without these columns, which are noted as dropped, and with what they repeat of all."""
        kept = [j for j, name in enumerate(self.names) if name not in names]
        recipe = chosen_of(self.recipe, kept, repeats)
        return replace(self.columns(kept), recipe=recipe, dropped=(*self.dropped, *names))

    def new_rows(self, data: Any) -> tuple[Matrix, BoolArray]:
        """X of new rows, and in which of them the columns that were left out are what they were in the fit, (n,)."""
        whole = whole_of(self.recipe)(data)
        return taken(self.recipe, whole), hold(repeats_of(self.recipe), whole)


@dataclass(frozen=True)
class Chosen:
    """Some of the columns that a recipe makes, and what others repeat of all that it makes."""

    recipe: Recipe
    chosen: tuple[int, ...]
    repeats: tuple[Repeat, ...] = ()

    def __call__(self, data: Any) -> Matrix:
        return taken(self, self.recipe(data))


def chosen_of(recipe: Recipe, chosen: Sequence[int], repeats: Sequence[Repeat] = ()) -> Chosen:
    """Some of the columns of a recipe, which may be a choice itself; the `repeats` are among its columns."""
    if not isinstance(recipe, Chosen):
        return Chosen(recipe, tuple(chosen), tuple(repeats))
    places = recipe.chosen
    p = max((len(repeat.shares) for repeat in recipe.repeats), default=max(places, default=-1) + 1)
    more = tuple(repeat.among(places, p) for repeat in repeats)
    return Chosen(recipe.recipe, tuple(places[j] for j in chosen), (*recipe.repeats, *more))


def whole_of(recipe: Recipe) -> Recipe:
    """The recipe of all columns, of one that some were left out of."""
    return recipe.recipe if isinstance(recipe, Chosen) else recipe


def repeats_of(recipe: Recipe) -> tuple[Repeat, ...]:
    """What the columns that were left out of a recipe repeat of all."""
    return recipe.repeats if isinstance(recipe, Chosen) else ()


def taken(recipe: Recipe, whole: Matrix) -> Matrix:
    """The columns of a recipe, of all that `whole_of` it makes."""
    return whole[:, list(recipe.chosen)] if isinstance(recipe, Chosen) else whole


@dataclass(frozen=True)
class Columns:
    """The recipe for arrays and dataframes of numbers: the same columns, found by name where there are names."""

    names: tuple[str, ...]

    def __call__(self, data: Any) -> Matrix:
        X, names = matrix_of(data)
        if names is not None:
            for name in self.names:
                if name not in names:
                    raise ColumnError(no_such("column", name, names, "in the data"))
            X = X[:, [names.index(name) for name in self.names]]
        if X.shape[1] != len(self.names):
            raise DataError(f"X has {X.shape[1]} columns, and the fit had {len(self.names)}: give the same ones.")
        return X


def complete(sample: Sample, weights: ArrayLike | None, offset: ArrayLike | None, groups: Sequence[Any]) -> Sample:
    """The sample with weights, offset and clusters checked, without rows that count for nothing."""
    n = sample.n_rows
    frequency = None if weights is None else check_sample_weight(weights, n, "weights")
    sample = replace(sample, frequency=frequency, groups=tuple(group_codes(group, n) for group in groups))
    weight = sample.weight
    rows = np.arange(n) if weight.all() else np.flatnonzero(weight)
    sample = sample if len(rows) == n else some_rows(sample, rows)
    offset = check_offset(offset, n, sample.outcome.columns)  # of the classes that have a row that counts
    return replace(sample, offset=None if offset is None else offset[rows])


def some_rows(sample: Sample, rows: IntArray) -> Sample:
    """Some of the rows of a sample without an offset; classes that have none of them are gone."""
    return replace(
        sample,
        outcome=of_rows(sample.outcome, rows),
        X=sample.X[rows],
        frequency=None if sample.frequency is None else sample.frequency[rows],
        groups=tuple(group_codes(group[rows], len(rows)) for group in sample.groups),
        data=None if sample.data is None else sample.data.iloc[rows].reset_index(drop=True),
        row_numbers=rows if sample.row_numbers is None else sample.row_numbers[rows],
    )


def group_codes(group: Any, rows: int) -> IntArray:
    """The clusters of the rows as codes from 0, (rows,).

    >>> group_codes(["b", "a", "b"], 3)
    array([1, 0, 1])
    """
    values = np.asarray(unmasked(group))
    if values.shape != (rows,):
        raise DataError(f"groups has shape {values.shape}, and must have {(rows,)}: the cluster of each row.")
    for row in np.flatnonzero(gaps(values))[:1]:
        raise DataError(f"groups is missing in row {row}, counted from 0: leave the row out, or give it a cluster.")
    if values.dtype.kind == "O":
        values = values.astype(str)
    return np.unique(values, return_inverse=True)[1].astype(np.intp)


def ways(groups: Any) -> Sequence[Any]:
    """The ways to cluster: none, one, or the two of a pair; each (n,) or the name of a column.

    >>> ways("firm"), ways(("firm", "year"))
    (['firm'], ['firm', 'year'])
    """
    if groups is None:
        return []
    if isinstance(groups, str):
        return [groups]
    if isinstance(groups, list | tuple) and len(groups) == 2 and (isinstance(groups[0], str) or np.ndim(groups[0])):
        return list(groups)
    values = np.asarray(unmasked(groups))
    return list(values.T) if values.ndim == 2 else [values]


def default_names(p: int) -> tuple[str, ...]:
    """x1, x2, ..: as statsmodels calls the columns of an array."""
    return tuple(f"x{j + 1}" for j in range(p))
