"""Everything separatrix can say no to.

    SeparatrixError
    ├── ArgumentError       an argument of a call has no meaning
    ├── DataError           the data cannot be used as they are
    │   ├── FileError       a file is missing, empty, ragged or damaged
    │   ├── ColumnError     a column is missing, duplicated, or of the wrong kind
    │   ├── CellError       one cell holds what its column cannot
    │   └── TargetError     the target cannot be learned
    ├── ModelError          a model file is damaged, foreign, or does not fit the data
    ├── InferenceError      a standard error or test is asked for that would not be true
    ├── NotFittedError      a model is asked before it was fitted
    ├── ClusterError        the scheduler or the workers of a cluster are gone
    └── DivergenceError     gradient descent ran away

    SeparatrixWarning
    ├── ConvergenceWarning  the fit stopped before it reached its tolerance
    ├── SeparationWarning   the classes are separable: no finite fit exists
    ├── InferenceWarning    standard errors or tests rest on too little, and some are NaN; or a term has no coefficient
    └── ApproximationWarning  leave-one-out by one fit is far from that of all fits

Every message is one line that says what is wrong, where, and what to do next. Rows of a table are counted from 1, as in
"row 7 of a.csv", below its line of names; those of an array, and of what is made one, from 0, and the message says so.
"""

import re
import shlex
import sys
from collections.abc import Iterable
from difflib import get_close_matches
from traceback import walk_stack


class SeparatrixError(Exception):
    """The root: `except SeparatrixError` catches all that is below."""


class ArgumentError(SeparatrixError, ValueError):
    """An argument of a call has no meaning; the message names it and quotes its value."""


class DataError(SeparatrixError, ValueError):
    """The data cannot be used as they are."""


class FileError(DataError):
    """A file is missing, empty, ragged or damaged."""


class ColumnError(DataError):
    """A column is missing, duplicated, or of the wrong kind."""


class CellError(DataError):
    """One cell holds what its column cannot; the message names file, column, row and value."""


class TargetError(DataError):
    """The target cannot be learned: one class, or as many classes as rows."""


class ModelError(SeparatrixError, ValueError):
    """A model file is damaged, foreign, or does not fit the data."""


class InferenceError(SeparatrixError, ValueError):
    """A standard error, test or interval is asked for that would not be true."""


class NotFittedError(SeparatrixError, ValueError, AttributeError):
    """A model is asked before it was fitted."""


class ClusterError(SeparatrixError, RuntimeError):
    """The scheduler or the workers of a cluster cannot be reached, or are gone."""


class DivergenceError(SeparatrixError, ArithmeticError):
    """Gradient descent ran away; the message holds the largest safe learning rate."""


class SeparatrixWarning(UserWarning):
    """The root of our warnings."""


class ConvergenceWarning(SeparatrixWarning):
    """The fit stopped before it reached its tolerance."""


class SeparationWarning(SeparatrixWarning):
    """The classes are separable: no finite fit exists."""


class InferenceWarning(SeparatrixWarning):
    """Standard errors or tests rest on too little, and some are NaN; or a term of a formula has no coefficient."""


class ApproximationWarning(SeparatrixWarning):
    """Leave-one-out by one fit is far from that of all fits."""


def outside() -> int:
    """The stacklevel of a warning, for the function that gives it: that of who called this package, however far up."""
    package, found = __name__.split(".")[0], 1
    for level, (frame, _) in enumerate(walk_stack(sys._getframe(1)), start=2):
        if frame.f_globals.get("__name__", "").split(".")[0] == package:
            found = level
    return found


def as_listed(name: str) -> str:
    """A column's name as flags list it, separated by commas.

    >>> as_listed("income, yearly")
    '"income, yearly"'
    """
    return '"' + name.replace('"', '""') + '"' if "," in name or name.startswith('"') else name


FLAGS = {
    r"Columns\((\w+)=\[(['\"])(.*?)\2\]\)": lambda found: f"--{found[1]} {shlex.quote(as_listed(found[3]))}",
    r"Columns\((\w+)='(\w+)'\)": r"--\1 \2",
    r"use a linear regression": "pass --regression",
    r"^level=": "interval=",
}
"""What messages say in Python, and what it is in a terminal."""


def in_flags(message: str) -> str:
    """A message for who is in a terminal, where an argument is a flag.

    >>> in_flags("fix the cell, or fit with Columns(categorical=['post code']).")
    "fix the cell, or fit with --categorical 'post code'."
    """
    for python, terminal in FLAGS.items():
        message = re.sub(python, terminal, message)
    return message


def listing(names: Iterable[object], most: int = 8) -> str:
    """Names for a message: the first few, and how many more.

    >>> listing(["age", "sex"])
    'age, sex'
    >>> listing(range(12), most=3)
    '0, 1, 2 and 9 more'
    """
    names = [str(name) for name in names]
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def counted(many: int, what: str) -> str:
    """So many things, one or more.

    >>> counted(1, "row"), counted(2000, "row")
    ('1 row', '2,000 rows')
    """
    return f"{many:,} {what}{'' if many == 1 else 's'}"


def percent(share: float) -> str:
    """A share of 1 in percent, four significant digits; 100 is all, so that less takes as many digits as it needs.

    >>> percent(0.12345), percent(59_999 / 60_000), percent(1.0)
    ('12.35', '99.998', '100')
    """
    texts = (f"{100 * share:.{digits}g}" for digits in range(4, 12))
    return next((text for text in texts if text != "100"), "100")


def fixed(value: float, places: int) -> str:
    """A number to so many places; only 0 and 1 read so, and what is next to them takes as many more as it needs.

    >>> fixed(0.75, 3), fixed(1.0, 3), fixed(0.99998, 3), fixed(0.00002, 3)
    ('0.750', '1.000', '0.99998', '0.00002')
    """
    texts = [f"{value:.{digits}f}" for digits in range(places, 11)]
    return next((text for text in texts if float(text) not in (0.0, 1.0)), texts[0])


def no_such(kind: str, name: str, known: Iterable[str], where: str = "") -> str:
    """The message for a name that is not there: the nearest one, and what there is.

    >>> no_such("column", "fruad", ["amount", "fraud"], "in data/march.csv")
    "no column 'fruad' in data/march.csv. Did you mean 'fraud'? It has: amount, fraud."
    """
    known = list(known)
    near = get_close_matches(name, known, n=1, cutoff=0.5)
    parts = [f"no {kind} {name!r}{' ' + where if where else ''}."]
    parts += [f"Did you mean {near[0]!r}?"] if near else []
    parts += [f"It has: {listing(known)}."]
    return " ".join(parts)
