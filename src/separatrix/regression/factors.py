"""The factors of a formula, the names that they hold, and numbers wide enough for what they compute."""

import re
from typing import Any

import numpy as np

from separatrix.regression.frame_rows import with_columns

NAME = re.compile(
    r"""(?<![\w.])Q\(\s*(?:'([^']*)'|"([^"]*)")\s*\)|'[^']*'|"[^"]*"|`([^`]*)`|"""
    r"""(?<![\w.])([^\W\d]\w*)(?!\w)(?!\s*=[^=])"""
)
"""Of an expression a name within Q('') or between backticks, or one without; other text between quotes has none."""
LEVELS = re.compile(r"(C|hashed)\(")
SMALL = 2**15  # whole numbers, of which products of four fit 64 bits


def factors_of(parsed: Any) -> list[Any]:
    """All factors of a formula, of both sides."""
    return [factor for side in (parsed.lhs, parsed.rhs) for term in side for factor in term.factors]


def terms_of(side: Any) -> list[Any]:
    """The terms of one side of a formula, or of what remembers how it was made."""
    return list(getattr(side, "terms", side))


def needed_by(*sides: Any) -> set[str]:
    """The columns that sides of a formula need, and what else they name that is not formulaic's own. It is what
    formulaic takes for known, but of a name with points it knows only what comes before the first.

    >>> from formulaic import Formula
    >>> sorted(needed_by(Formula("`y.z` ~ a + `b.c` + np.log(`d.e` + f)").rhs))
    ['a', 'b.c', 'd.e', 'f']
    """
    known = {str(name) for side in sides for name in side.required_variables}
    names = {name for side in sides for term in terms_of(side) for factor in term.factors for name in names_in(factor)}
    return names & known | {name for name in names if "." in name}


def variables_of(parsed: Any) -> set[str]:
    """The factors of a formula that are a name alone, and so have to be columns."""
    return {factor.expr for factor in factors_of(parsed) if factor.eval_method.value == "lookup"}


def words_of(parsed: Any) -> set[str]:
    """The names that the factors of a formula hold."""
    return set().union(*map(names_in, factors_of(parsed)))


def names_in(factor: Any) -> set[str]:
    """The names that a factor holds, without what is text, comes after a point, or is an argument's.

    >>> from formulaic import Formula
    >>> formula = Formula("y ~ np.log(`net price`) + bs(age, df=4)")
    >>> [sorted(names_in(factor)) for factor in factors_of(formula)]
    [['y'], [], ['net price', 'np'], ['age', 'bs']]
    """
    if factor.eval_method.value == "lookup":
        return {factor.expr}
    return {"".join(one) for one in NAME.findall(factor.expr)} - {""}


def widened(side: Any, frame: Any) -> Any:
    """The frame with its numbers in 64 bits for one side of a formula: a product of int8 leaves its range and tells
    nobody. Whole numbers that are not small are floats, unless they are levels of a category."""
    factors = {factor for term in terms_of(side) for factor in term.factors}
    numbers, levels = (
        set[str]().union(*(names_in(factor) for factor in factors if bool(LEVELS.match(factor.expr)) == told))
        for told in (False, True)
    )

    def wide(column: Any) -> Any:
        small = column.dtype.kind != "f" and column.min() >= -SMALL and column.max() <= SMALL
        return column.astype(np.int64 if small else np.float64)

    used = (numbers & set(frame.columns)) - levels
    numbers = [name for name in used if getattr(frame[name].dtype, "kind", "") in "iuf"]
    return with_columns(frame, {name: wide(frame[name]) for name in numbers})
