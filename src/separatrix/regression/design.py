"""Columns that say nothing new: found by QR, named, and told as what they are."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve_triangular

from separatrix.arrays import FloatArray
from separatrix.data.column_traits import reach_at_a_glance, refuse_tiny
from separatrix.data.threads import one_blas_thread
from separatrix.engine.matrices.triangle import design_of, triangle, triangle_of
from separatrix.errors import DataError
from separatrix.regression.repeats import Repeat
from separatrix.regression.sample import INTERCEPT, Sample

DEPENDENT = 1e-13  # of a column's length: what is left of it beside the columns before it, if that is rounding
SHOWN = 1e-8  # the least share in a combination that is named, or asked of new rows


@dataclass(frozen=True)
class Dependence:
    """A column, and the linear combination of columns before it that it is: in words, and if that is known as the
    `shares` of their names, of columns of R, in which it has a `length`."""

    name: str
    combination: str
    shares: Mapping[str, float] | None = None
    length: float = 0.0

    def __str__(self) -> str:
        return f"{self.name} = {self.combination}"


def dependences(R: FloatArray, names: tuple[str, ...]) -> list[Dependence]:
    """The columns that depend on those before them, by R (m, P) of all; of a constant column, on the intercept.

    >>> R = np.array([[1.0, 0.0, 2.0], [0.0, 1.0, -1.0], [0.0, 0.0, 0.0]])
    >>> print(*dependences(R, ("a", "b", "c")))
    c = 2 a - b
    """
    found, kept, j = [], list(range(R.shape[1])), 0
    lengths, part = np.linalg.norm(R, axis=0), triangle(R)  # of which no column depends on those after it
    while j < len(kept):
        length = lengths[kept[j]]
        left = abs(part[j, j]) if j < len(part) else 0.0
        if left > DEPENDENT * length:
            j += 1
            continue
        combination = solve_triangular(part[:j, :j], part[:j, j]) if length else np.zeros(j)
        others = [names[k] for k in kept[:j]]
        shown = np.abs(combination) * lengths[kept[:j]] > SHOWN * length  # less is the rounding of R
        shares = dict(zip(others, np.where(shown, combination, 0.0).tolist(), strict=True))
        found.append(Dependence(names[kept[j]], in_words(combination, others), shares, float(length)))
        del kept[j]
        part = triangle(R[:, kept])
    return found


def dependences_of(sample: Sample) -> list[Dependence]:
    """The columns of a sample that depend on those before them; one pass."""
    with one_blas_thread(), sample.source().working() as source:
        R = triangle_of(source, lambda block: design_of(block, int(sample.intercept)))
    return dependences(R, sample.parameters)


def in_words(coefficients: FloatArray, names: list[str]) -> str:
    """A linear combination as it is written by hand; the share of the intercept is 'a constant'.

    >>> in_words(np.array([3.0, 1.0, 0.0, -0.5]), ["Intercept", "x", "y", "z"])
    'a constant + x - 0.5 z'
    """
    largest = np.abs(coefficients).max(initial=0.0)
    words = ""
    for c, name in zip(coefficients, names, strict=True):
        if abs(c) <= SHOWN * largest:
            continue
        size = "" if np.isclose(abs(c), 1.0) else f"{abs(c):.6g} "
        term = "a constant" if name == INTERCEPT else f"{size}{name}"
        sign = "" if name == INTERCEPT or (c > 0 and not words) else "-" if c < 0 else "+"
        words += f" {sign} {term}" if words else f"{sign}{term}"
    return words or "0"


def check_rows(sample: Sample) -> None:
    """DataError where there are fewer rows than parameters, or a column of rows in memory has no squares."""
    many = len(sample.parameters) * sample.outcome.columns
    if sample.n_rows < many:
        rows = f"{sample.n_rows} row{'' if sample.n_rows == 1 else 's'}"
        raise DataError(
            f"{rows} for {many} parameters: they cannot be told apart. Leave columns out, or use "
            "LogisticRegression or LinearRegression with a penalty."
        )
    if sample.in_memory:
        refuse_tiny(reach_at_a_glance(sample.X), sample.names)


def without_dependent(sample: Sample, found: list[Dependence], singular: str) -> Sample:
    """The sample without the columns that depend on others, or a DataError that names them."""
    if singular == "raise":
        more = f" and {len(found) - 3} more" if len(found) > 3 else ""
        raise DataError(
            f"the design is singular: {'; '.join(map(str, found[:3]))}{more}. Leave some out, or use singular='drop'."
        )
    known = [dependence for dependence in found if dependence.shares is not None]
    return sample.without([dependence.name for dependence in found], repeats_among(sample, known) if known else ())


def repeats_among(sample: Sample, found: list[Dependence]) -> list[Repeat]:
    """What columns of a sample repeat of others, in the units of X: R is of columns less the source's centre."""
    centre, root, repeats = np.asarray(sample.source().centre), float(np.sqrt(sample.total)), []
    for dependence in found:
        j, known = sample.names.index(dependence.name), dict(dependence.shares or {})
        shares = np.array([known.get(name, 0.0) for name in sample.names])
        constant = float(centre[j] - shares @ centre) + (known.get(INTERCEPT, 0.0) if sample.intercept else 0.0)
        repeats.append(Repeat(j, constant, shares, dependence.length / root + abs(float(centre[j]))))
    return repeats
