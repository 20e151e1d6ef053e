"""A formula as it is written, read by formulaic, and what it may not say: arithmetic of the outcome by operators that
mean something else, and columns that have the names of the constant."""

import re
from collections.abc import Iterable
from typing import Any

from separatrix.errors import ArgumentError, ColumnError, SeparatrixError
from separatrix.regression.sample import INTERCEPT

CONSTANTS = ("0", "1", INTERCEPT)  # what formulaic takes for the constant, or for none
PYTHON = {":": "*", "^": "**", "in": "*"}  # an operator of formulas, as arithmetic has it


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


def plain(error: Exception) -> str:
    """The first line of a message, without the colours of a terminal."""
    return (re.sub(r"\x1b\[[\d;]*m", "", str(error)).splitlines() or [type(error).__name__])[0]


def sides_of(formula: str) -> tuple[list[Any], list[Any]]:
    """The tokens of both sides of a formula that can be read."""
    from formulaic.parser.algos.tokenize import tokenize

    tokens: list[Any] = list(tokenize(formula))
    middle = next(k for k, token in enumerate(tokens) if token.kind.value == "operator" and token.token == "~")
    return tokens[:middle], tokens[middle + 1 :]


def check_outcome(formula: str, in_memory: bool = True) -> None:
    """ArgumentError for a left side that is anything but terms with a '+' between them: other operators make terms of
    their operands, and not numbers. Where rows are not in memory, its numbers have to be a column."""
    left = [token for token in sides_of(formula)[0] if token.token != "."]
    kinds = [token.kind.value for token in left if token.kind.value != "context"]
    wrong = [token.token for token in left if token.kind.value == "operator" and token.token != "+"]
    wrong += [token.token for token in left if token.kind.value == "value"]
    wrong += ["+"] * (kinds[:1] == ["operator"])
    if wrong:
        remedy = "give the data a column of these numbers"
        if in_memory:
            remedy = (
                f"write {in_python(left)} for a number, or 'successes + failures' for proportions, such as "
                "'s + I(n - s)'"
            )
        raise ArgumentError(
            f"formula={formula!r} has {wrong[0]!r} in its outcome, which is no arithmetic in a formula: {remedy}."
        )
    terms = [token.token for token in left if token.kind.value not in ("operator", "context")]
    for name in sorted({name for name in terms if terms.count(name) > 1}):
        raise ArgumentError(f"formula={formula!r} has {name!r} twice in its outcome: write 'successes + failures'.")


def in_python(tokens: Iterable[Any]) -> str:
    """Terms with operators as the arithmetic that they look like, within I(...).

    >>> in_python(sides_of("`a b`:(c - d)^2 ~ x")[0])
    'I(`a b` * (c - d) ** 2)'
    """

    def word(token: Any) -> str:
        if token.kind.value == "operator":
            return PYTHON.get(str(token.token), str(token.token))
        return str(token.token) if token.kind.value != "name" or token.token.isidentifier() else f"`{token.token}`"

    return f"I({' '.join(map(word, tokens))})".replace("( ", "(").replace(" )", ")")


def check_scales(formula: str, parsed: Any) -> None:
    """ArgumentError for a term that is multiplied by a number, of which its column's name would say nothing."""
    for term in parsed.rhs:
        numbers = [factor.expr for factor in term.factors if factor.eval_method.value == "literal"]
        for number in (number for number in numbers if number not in CONSTANTS):
            raise ArgumentError(
                f"formula={formula!r} multiplies by {number} in {term}, which the names of its columns would not say: "
                f"leave it out, or write I({number} * x) of a column x."
            )


def check_names(formula: str, columns: Iterable[str]) -> None:
    """ColumnError for a column of the right side, or of its ".", whose name is that of the constant."""
    left, right = sides_of(formula)
    named = {token.token for token in right if token.kind.value == "name"}
    if any(token.kind.value == "value" and token.token == "." for token in right):
        named |= set(columns) - {token.token for token in left}
    check_constants(named & set(columns), CONSTANTS)


def check_constants(columns: Iterable[str], constants: Iterable[str] = (INTERCEPT,)) -> None:
    """ColumnError for one of these columns that has the name of the constant."""
    for name in sorted({*columns} & {*constants}):
        raise ColumnError(f"column {name!r} has the name of a model's constant: rename it in the data.")
