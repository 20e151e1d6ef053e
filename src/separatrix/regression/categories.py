"""Categories of a formula that are none: numbers stored as text, and columns with a value of nearly every row."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from separatrix.data.tables.infer import FEW_LEVELS
from separatrix.data.tables.numerals import WAYS, are_codes, read_numbers
from separatrix.errors import ColumnError
from separatrix.regression.factors import factors_of, names_in

MOST_LEVELS = 2_000  # of which each is a coefficient with a standard error: more take minutes, and gigabytes
ROWS_OF_A_LEVEL = 10  # on average; of fewer, text that reads as numbers is none by chance


def check_categories(parsed: Any, numeric: Mapping[str, bool], levels_of: Callable[[str], Any], rows: int) -> None:
    """ColumnError for a category of a formula with more levels than half of the rows, or than MOST_LEVELS, each of
    which were a coefficient, or for one that looks like numbers. Of the columns, which are `numeric` or not,
    `levels_of` has the different values."""
    for name, told in categories_of(parsed, set(numeric)):
        levels = levels_of(name) if told or not numeric[name] else ()
        if len(levels) <= FEW_LEVELS:
            continue
        text = [level for level in levels if isinstance(level, str)]
        written = len(text) == len(levels) and are_numbers(text)
        has = f"column {name!r} has {len(levels):,} different values in {rows:,} rows"
        if written and not told and len(levels) > rows / ROWS_OF_A_LEVEL:
            raise ColumnError(
                f"{has}, such as {text[0]!r}: it looks like numbers stored as text. Make numbers of it in the data, or "
                f"write C({name}) if it is a category."
            )
        if len(levels) > rows / 2:
            looks = " It looks like numbers stored as text: make numbers of it." if written else ""
            raise ColumnError(f"{has}, too many for a category: leave it out, or group its values.{looks}")
        if len(levels) > MOST_LEVELS:
            raise ColumnError(
                f"{has}; a formula takes up to {MOST_LEVELS:,} of a category, each with a standard error: group its "
                "rare values, or fit without a formula, which pools them."
            )


def check_durations(parsed: Any, frame: Any) -> None:
    """ColumnError for a column of durations that a formula takes for a number, as its unit would be the storage's."""
    for name, called in categories_of(parsed, set(frame.columns)):
        if frame[name].dtype.kind == "m" and not called:
            raise ColumnError(
                f"column {name!r} holds durations: make numbers of them, such as the days of "
                f"{name}.dt.total_seconds() / 86400."
            )


def categories_of(parsed: Any, columns: set[str]) -> Iterator[tuple[str, bool]]:
    """The columns that are a factor of a formula by themselves, and whether C(...) calls them categories."""
    for factor in dict.fromkeys(factor for term in parsed.rhs for factor in term.factors):
        called = re.fullmatch(r"C\(\s*`?(\w+|[^`]+?)`?\s*(,.*)?\)", factor.expr, re.S)
        name = called[1] if called else factor.expr.strip("`")
        if name in columns:
            yield name, bool(called)


def labels_of(parsed: Any, columns: set[str]) -> list[str]:
    """The columns that a formula takes for categories, by C(...), and for nothing else."""
    uses = Counter(name for factor in factors_of(parsed) for name in names_in(factor))
    return [name for name, called in categories_of(parsed, columns) if called and uses[name] == 1]


def are_numbers(texts: list[str]) -> bool:
    """Whether all texts are numbers, in one way of writing them, and none a code that begins with zeros."""
    values = pa.array(texts, pa.large_string())
    return not are_codes(values).any() and any(np.isfinite(read_numbers(values, way)).all() for way in WAYS)
