"""The factors of a formula, and the names that they hold."""

import re
from typing import Any

NAME = re.compile(r"'[^']*'|\"[^\"]*\"|`([^`]*)`|(?<![\w.])([^\W\d]\w*)(?!\w)(?!\s*=[^=])")
"""Of an expression a name between backticks, or one without; text between quotes has neither."""


def factors_of(parsed: Any) -> list[Any]:
    """All factors of a formula, of both sides."""
    return [factor for side in (parsed.lhs, parsed.rhs) for term in side for factor in term.factors]


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
    return {quoted or word for quoted, word in NAME.findall(factor.expr)} - {""}
