"""Levels whose rows are all of one class, as those of a column that is the answer in disguise are."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from separatrix.arrays import FloatArray, IntArray
from separatrix.data.tables.columns import Columns
from separatrix.data.tables.encoders import Boolean, Category, Column, Date, LeftOut, Number
from separatrix.data.tables.target import Target
from separatrix.equations.hyperplane import back_project, pieces

CHANCE = 1e-6


def pure_levels(X: Any, codes: IntArray, columns: Columns, target: Target) -> list[str]:
    """What is said of each level, of both sides of what is true or false, 1 or 0, missing or not, that chance gives one
    class only once in a million; of encoded rows (n, p) and their classes (n,), indices into `target.classes`."""
    inside = (codes[:, None] == np.arange(len(target.classes))).astype(float)
    of_class, rates = inside.sum(axis=0), inside.mean(axis=0)
    by_feature, fractions, names = back_project(X, inside), _fractions(X, columns), columns.feature_names
    told, first = [], 0
    for column in columns.columns:
        own = slice(first, first := first + len(column.feature_names))
        for which, rows in _levels(column, names[own], by_feature[own], fractions[own], of_class):
            k, count = int(rows.argmax()), round(rows.sum())
            if count and round(rows[k]) == count and rates[k] ** count < CHANCE:
                told.append(f"all {count:,} rows {which} are {target.classes[k]!r}")
    return told


def _fractions(X: Any, columns: Columns) -> FloatArray:
    """How many cells of each feature are neither 0 nor 1; asked only of those that may have none, inf of others."""
    binary = [
        place == 0
        and (isinstance(column, Boolean) or (isinstance(column, Number) and column.low == 0 < column.high == 1))
        for column in columns.columns
        for place in range(len(column.feature_names))
    ]
    some = np.flatnonzero(binary)
    fractions = np.where(binary, 0.0, np.inf)
    for rows in pieces(X.shape[0], len(some)) if len(some) else ():
        cells = X[rows][:, some]
        fractions[some] += (cells != 0).sum(axis=0) - (cells == 1).sum(axis=0)
    return fractions


def _levels(
    column: Column, names: Sequence[str], by_feature: FloatArray, fractions: FloatArray, of_class: FloatArray
) -> Iterator[tuple[str, FloatArray]]:
    """Each level of a column, and how many of its rows each class has, (K,); where no feature stands for it, those that
    are left of all, `of_class`."""
    if isinstance(column, LeftOut):
        return
    if isinstance(column, Category):
        yield from zip((f"with {name!r}" for name in names), by_feature, strict=True)
        yield f"with {f'{column.name} = {column.reference}'!r}", of_class - by_feature.sum(axis=0)
        return
    missing = by_feature[-1] if column.missing else np.zeros_like(of_class)
    if isinstance(column, Boolean | Number) and fractions[0] == missing.sum():  # the cells that are filled
        one = by_feature[0] - column.mean * missing
        low, high = ("false", "true") if isinstance(column, Boolean) else ("0", "1")
        yield f"with {f'{names[0]} = {high}'!r}", one
        yield f"with {f'{names[0]} = {low}'!r}", of_class - missing - one
    if isinstance(column, Date):
        first = 0
        for part in column.parts.values():
            own = slice(first, first := first + len(part.feature_names))
            if isinstance(part, Category):
                yield from _levels(part, names[own], by_feature[own], fractions[own], of_class - missing)
    if column.missing:
        yield from ((f"with {names[-1]!r}", missing), (f"without {names[-1]!r}", of_class - missing))
