"""What kinds of cells a column of text holds, and where they turn from one kind to another."""

from collections.abc import Container, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from separatrix.arrays import BoolArray
from separatrix.data.tables.cells import Cells
from separatrix.data.tables.locations import row_of
from separatrix.data.tables.numerals import pc

if TYPE_CHECKING:
    from separatrix.data.tables.tally import ColumnTally, Tally

TextKind = Literal["numbers", "dates", "text"]
BY_CHANCE = 1e-6  # or less: cells of two kinds in any order do not come so


@dataclass(frozen=True)
class Some:
    """The cells of one kind: how many, after how many rows the first comes, and its row, table and value."""

    count: int
    after: int
    row: int
    where: str
    value: str


Kinds = Mapping[TextKind, Some]
"""What kinds of cells there are."""


def kinds_of(cells: Cells, counts: np.ndarray, numbers: BoolArray, dates: BoolArray) -> Kinds:
    """Of cells of text whose different values, (values,), are there so often, and are numbers or dates."""
    of = {"numbers": numbers & (counts > 0), "dates": dates & (counts > 0), "text": ~(numbers | dates) & (counts > 0)}
    return {kind: _some(cells, counts, which) for kind, which in of.items() if which.any()}  # pyright: ignore


def _some(cells: Cells, counts: np.ndarray, which: BoolArray) -> Some:
    first = int(np.argmax(which))  # values come in the order of their first cells
    after = pc.index(cells.coded.indices, first).as_py()
    value, row = cells.texts()[first].as_py()[:80], cells.number(after)
    return Some(int(counts[which].sum()), row - cells.number(0), row, cells.where, value)


def joined(one: Kinds, other: Kinds, rows: int) -> Kinds:
    """The kinds of so many rows and of others that follow."""
    added: dict[TextKind, Some] = {
        kind: replace(one[kind], count=one[kind].count + some.count)
        if kind in one
        else replace(some, after=some.after + rows)
        for kind, some in other.items()
    }
    return {**one, **added}


def turn(tally: "ColumnTally") -> str:
    """Where a column turns from one kind of cells to another, in words; "" where kinds come in any order, or one."""
    kinds = sorted(tally.kinds, key=lambda kind: tally.kinds[kind].after)
    if len(kinds) < 2:
        return ""
    first, other = (tally.kinds[kind] for kind in kinds[:2])
    cells = (other.after - first.after) * tally.known / tally.rows
    if cells * np.log(first.count / tally.known) > np.log(BY_CHANCE):
        return ""
    return f"holds {kinds[0]} at first, and {kinds[1]} from {row_of(other.where, other.row)} on ({other.value!r})"


def turns(tally: "Tally", told: Container[str] = ()) -> dict[str, str]:
    """What to say of columns whose cells turn from one kind to another, but those that the user has `told` of."""
    turned = {name: turn(column) for name, column in tally.columns.items() if name not in told}
    return {name: f"{name!r} {words}" for name, words in turned.items() if words}
