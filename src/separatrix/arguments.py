"""What the arguments of a call must be. An ArgumentError names the argument, quotes its value, and says what is due."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from separatrix.arrays import FloatArray
from separatrix.errors import ArgumentError


def check_number(
    name: str,
    value: Any,
    *,
    above: float = -np.inf,
    at_least: float = -np.inf,
    infinite: bool = False,
) -> None:
    """ArgumentError unless the value is a number in its range."""
    limit = f"above {above}" if above > -np.inf else f"at least {at_least}"
    fine = isinstance(value, (int, float, np.number)) and not isinstance(value, bool) and not np.isnan(value)
    fine = fine and value > above and value >= at_least
    if not fine or (np.isinf(value) and not infinite):
        raise ArgumentError(f"{name}={value!r} must be a number {limit}{', or inf' if infinite else ''}.")


def check_l1_ratio(value: Any) -> None:
    """ArgumentError unless the value is a number between 0 and 1."""
    check_number("l1_ratio", value, at_least=0)
    if value > 1:
        raise ArgumentError(f"l1_ratio={value!r} must be at most 1: it is the share of the L1 penalty.")


def check_flag(name: str, value: Any) -> None:
    """ArgumentError unless the value is True or False."""
    if not isinstance(value, (bool, np.bool_)):
        raise ArgumentError(f"{name}={value!r} must be True or False.")


def check_offset(offset: ArrayLike | None, rows: int, columns: int) -> FloatArray | None:
    """The offset as (rows, columns of eta), or None; for one column (rows,) will do.

    >>> check_offset([1, 2], rows=2, columns=1)
    array([[1.],
           [2.]])
    """
    if offset is None:
        return None
    given = np.asarray(offset)
    due = f"({rows},)" if columns == 1 else f"({rows}, {columns})"
    if given.dtype.kind not in "iufbO":
        raise ArgumentError(f"offset={listed(given)} is of type {given.dtype}, and must be numbers of shape {due}.")
    if given.shape != (rows, columns) and given.shape != (rows,) * (columns == 1):
        raise ArgumentError(
            f"offset={listed(given)} has shape {given.shape}, and must have {due}: a number for each row"
            f"{'' if columns == 1 else ' and each class or target'}."
        )
    try:
        given = np.ascontiguousarray(given, dtype=np.float64).reshape(rows, columns)
    except (TypeError, ValueError):
        raise ArgumentError(f"offset={listed(given)} must be numbers, and some are not.") from None
    for row in np.flatnonzero(~np.isfinite(given).all(axis=1))[:1]:
        raise ArgumentError(f"offset[{row}]={listed(given[row])} must be finite. Leave the row out, or fill the gap.")
    return given


def listed(values: Any) -> str:
    """An array in a message: the first few of its values.

    >>> listed(np.arange(9.0))
    '[0.0, 1.0, 2.0, ...]'
    """
    some = ", ".join(repr(value) for value in np.ravel(values)[:3].tolist())
    return f"[{some}{', ...' if np.size(values) > 3 else ''}]"
