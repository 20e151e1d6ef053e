"""Linear hypotheses as text: "x1 = x2", "2 * age - C(site)[T.b] = 1, income = 0" -> R params = q.

    hypothesis := condition ("," condition)*        all of them together
    condition  := sum ("=" sum)*                    "a = b = c" is a = b and b = c; a sum alone is compared with 0
    sum        := ["+" | "-"] product (("+" | "-") product)*
    product    := value (("*" | "/") value)*        of which one at most is not a number
    value      := a number | a parameter's name | "(" sum ")"

Names are recognised before anything else, the longest first, so they may hold brackets, colons and signs; spaces
within their round brackets do not matter, so that I(x**2) is I(x ** 2), as in a formula. Backticks are as good as none.
"""

import re
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from separatrix.arrays import FloatArray
from separatrix.errors import ArgumentError, no_such

PIECE = re.compile(r"\w+|\s+|.")  # of a name: a word, spaces, or a sign
NUMBER = re.compile(r"\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?")
WORD = re.compile(r"[^\s=+*/,()\-]+")
SIGNS = "=+-*/,()"


def linear_hypothesis(text: str, names: Sequence[str]) -> tuple[FloatArray, FloatArray]:
    """R (m, n) and q (m,) of a hypothesis about n parameters.

    Raises ArgumentError for a name that no parameter has, what is not linear, and what cannot be read.

    >>> linear_hypothesis("x1 = 2 * x2 + 1", ["Intercept", "x1", "x2"])
    (array([[ 0.,  1., -2.]]), array([1.]))
    """
    if not isinstance(text, str):
        kind = type(text).__name__
        raise ArgumentError(f"hypothesis is a {kind}, and must be text: 'x1 = x2', and of several 'x1 = 0, x2 = 0'.")
    reader = _Reader(text, names)
    rows = reader.conditions()
    R = np.array(rows)
    return R[:, :-1], -R[:, -1]


class _Reader:
    """Reads a hypothesis from left to right; a sum is its coefficients and its constant, (n + 1,)."""

    def __init__(self, text: str, names: Sequence[str]) -> None:
        self.text, self.names = text, [name.replace("`", "") for name in names]
        self.tokens = [*tokens(text.replace("`", ""), self.names), ""]

    def conditions(self) -> list[FloatArray]:
        rows = self.condition()
        while self.take(","):
            rows += self.condition()
        if self.tokens[0]:
            raise self.unreadable()
        return rows

    def condition(self) -> list[FloatArray]:
        sides = [self.sum()]
        while self.take("="):
            sides.append(self.sum())
        rows: list[FloatArray] = [a - b for a, b in pairwise(sides)] or sides
        if not all(row[:-1].any() for row in rows):
            raise ArgumentError(f"hypothesis={self.text!r} has a condition on no parameter. Name one.")
        return rows

    def sum(self) -> FloatArray:
        negative = self.take("-") or (self.take("+") and False)
        total = -self.product() if negative else self.product()
        while self.tokens[0] in ("+", "-"):
            total = total + self.product() if self.take("+") else total - (self.take("-") and self.product())
        return total

    def product(self) -> FloatArray:
        left = self.value()
        while self.tokens[0] in ("*", "/"):
            times = self.tokens.pop(0) == "*"
            right = self.value()
            if times and not left[:-1].any():
                left, right = right, left
            if right[:-1].any() or (not times and right[-1] == 0):
                raise ArgumentError(f"hypothesis={self.text!r} is not linear. Multiply and divide by numbers only.")
            left = left * right[-1] if times else left / right[-1]
        return left

    def value(self) -> FloatArray:
        token, row = self.tokens.pop(0), np.zeros(len(self.names) + 1)
        if token == "(":
            row = self.sum()
            if not self.take(")"):
                raise self.unreadable()
            return row
        if token in self.names:
            row[self.names.index(token)] = 1.0
        elif NUMBER.fullmatch(token):
            row[-1] = float(token)
        elif not token or token in SIGNS:
            raise self.unreadable()
        else:
            raise ArgumentError(no_such("parameter", token, self.names, f"in hypothesis={self.text!r}"))
        return row

    def take(self, token: str) -> bool:
        return self.tokens[0] == token and bool(self.tokens.pop(0))

    def unreadable(self) -> ArgumentError:
        return ArgumentError(
            f"hypothesis={self.text!r} cannot be read. Write for example 'x1 = x2' or 'x1 = 0, x2 = 0'."
        )


def tokens(text: str, names: Sequence[str]) -> list[str]:
    """Names, numbers and signs of a hypothesis, in order.

    >>> tokens("a:b-2*(a) = .5", ["a", "a:b"])
    ['a:b', '-', '2', '*', '(', 'a', ')', '=', '.5']
    """
    spellings, found = [(name, spelling(name.strip())) for name in names], []
    rest = text.strip()
    while rest:
        named = [(m.end(), rest.startswith(name), name) for name, written in spellings if (m := written.match(rest))]
        other = NUMBER.match(rest) or WORD.match(rest)
        end, _, token = max(named) if named else (other.end(), True, other.group()) if other else (1, True, rest[0])
        found.append(token)
        rest = rest[end:].lstrip()
    return found


def spelling(name: str) -> re.Pattern[str]:
    """This name with any spaces in its brackets, and not the beginning of a longer word: x1 does not begin x10.

    >>> bool(spelling("I(x ** 2)").match("I(x**2)")), bool(spelling("x1").match("x10"))
    (True, False)
    """
    written, depth = "", 0
    for piece in PIECE.findall(name):
        if not depth:
            written += re.escape(piece)
        elif not piece.isspace():
            written += r"\s*" + re.escape(piece)
        depth = max(depth + (piece == "(") - (piece == ")"), 0)
    return re.compile(written + (r"(?![\w.\[:])" if name[-1:].isalnum() else ""))
