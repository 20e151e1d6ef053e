"""The target: what its classes are, which is the positive one, and how labels become numbers."""

import numpy as np
import pyarrow as pa
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from separatrix.arrays import FloatArray
from separatrix.data.tables.cell_kinds import turn
from separatrix.data.tables.cells import Numbered, Table, as_text, cells_of
from separatrix.data.tables.infer import best_way, doubt, units_read
from separatrix.data.tables.numerals import Written, one_unit, read_numbers
from separatrix.data.tables.tally import ColumnTally, tally_column
from separatrix.errors import ArgumentError, CellError, TargetError, listing, no_such

Label = str | int | float | bool

FEW_CLASSES = 20  # more, and all of them different, or numbers with fractions: not classes
LARGE = 2**63  # the first number without a place in 64 bits that have a sign
MANY_CLASSES = 100  # more different whole numbers than this are amounts, not classes


class Target(Struct, frozen=True, forbid_unknown_fields=True):
    """The target column: `classes` in the order of their codes, or none for a number.

    With one class V against the rest, classes are ["not V", V], and `others` are the labels of the rest. `written` says
    how text is read as numbers, and `remark` what is worth knowing of that; `units`, which signs of currencies and
    percent it has, none where that is not known.
    """

    name: str
    classes: list[Label]
    others: list[Label] = []
    written: Written = "plain"
    units: list[str] = []
    remark: str = ""

    @property
    def positive(self) -> Label | None:
        """The class of code 1, when there are two."""
        return self.classes[1] if len(self.classes) == 2 else None

    @property
    def labels(self) -> list[Label]:
        """What cells may hold, when there are classes: theirs, or of one class against the rest those of the rest."""
        return [*self.others, self.classes[1]] if self.others else self.classes

    @property
    def as_text(self) -> bool:
        """Whether files of text are to give its cells as they are written, as those are labels, or numbers that a
        program would read as others."""
        return self.written != "plain" or any(isinstance(label, str) for label in self.labels)

    def in_order(self, levels: pa.Array | None) -> "Target":
        """The same with its classes as they come among these levels, if these are told."""
        return self if levels is None else replace(self, classes=sorted(self.classes, key=levels.to_pylist().index))

    def encode(
        self, table: Table, where: str = "the data", first_row: Numbered = 1, gaps: bool = False
    ) -> NDArray[np.int64] | FloatArray:
        """Class codes 0..K-1, or the numbers of a regression, (rows,); with `gaps`, of a row without a target any.

        Raises
        ------
        ColumnError
            The table does not have the target column.
        CellError
            A label is not one of the classes, is missing where no gaps may be, or is no number in a regression.
        """
        cells = cells_of(table, self.name, where, first_row)
        missing = cells.missing
        cells.refuse(missing & (not gaps), "is no target; leave out the rows without one")
        if not self.classes:
            return cells.numbers(written=self.written, units=self.units)
        codes = cells.codes([_text(label) for label in self.labels]).astype(np.int64)
        cells.refuse(
            (codes < 0) & ~missing,
            f"is not a class of the target ({listing(self.labels)}); fix the label or leave out the row",
        )
        return (codes == len(self.others)).astype(np.int64) if self.others else codes


def learn_target(
    table: Table, name: str, *, positive: str | None = None, regression: bool = False, where: str = "the data"
) -> Target:
    """What the target column `name` holds; rows without a target do not count.

    Classes are sorted, but `positive` is the second of two, and of three or more it is set against the rest.
    `where` is what messages call the table.

    Raises
    ------
    ColumnError
        There is no such column.
    TargetError
        It holds nothing, one class, what looks like numbers or identifiers, or not the positive class.
    CellError
        A regression's target holds a cell that is not a finite number.

    Examples
    --------
    >>> import narwhals as nw
    >>> table = nw.from_dict({"species": ["setosa", "virginica", "setosa"]}, backend="pyarrow")
    >>> target = learn_target(table, "species", positive="setosa")
    >>> target.classes
    ['virginica', 'setosa']
    >>> target.encode(table)
    array([1, 0, 1])
    """
    column = tally_column(cells_of(table, name, where))
    return target_of(column, positive=positive, regression=regression, where=where)


def target_of(
    column: ColumnTally, *, positive: str | None = None, regression: bool = False, where: str = "the data"
) -> Target:
    """As `learn_target`, from the tally of the target column: of all rows, in however many batches they came."""
    here = f"target {column.name!r} of {where}"
    if not column.known:
        raise TargetError(f"{here} holds no value in {_all(column.rows)}; choose another.")
    if column.kind in ("date", "other"):
        raise TargetError(f"{here} holds {column.type}, neither classes nor numbers; choose another.")
    if regression:
        return _number(column, positive, here)
    labels = _labels(column, here)
    _refuse_turn(column, labels, here)
    _check_classes(column, labels, here)
    return Target(column.name, labels) if positive is None else _against(positive, labels, column.name, here)


def _all(rows: int) -> str:
    return "its only row" if rows == 1 else f"any of its {rows:,} rows"


def check_weights(target: Target, weight: NDArray) -> None:
    """TargetError for a class whose rows all weigh nothing, of the weight of each, (K,) or of a number (1,)."""
    if not weight.any():
        raise TargetError("the weight of every row is 0: there is nothing to learn from. Name another column.")
    if target.classes and (nothing := np.flatnonzero(weight == 0)).size:
        label = target.classes[nothing[0]]
        raise TargetError(
            f"class {label!r} of target {target.name!r} has weight 0 in every row: there is nothing to tell it apart "
            "by. Leave its rows out, or name another column of weights."
        )


def _number(column: ColumnTally, positive: str | None, here: str) -> Target:
    if positive is not None:
        raise ArgumentError(f"positive={positive!r} names a class, but a regression has none; give one of the two.")
    written = best_way(column)
    _refuse(column, "a regression needs numbers: fix the cell, or fit classes", written)
    reading = column.readings[written]
    if not one_unit(reading.units):
        units = listing(unit or "none" for unit in sorted(reading.units))
        raise TargetError(f"{here} holds numbers of different units ({units}); write all in one.")
    moments = reading.moments
    if moments.low == moments.high:
        raise TargetError(f"{here} is {moments.low:g} in every row; there is nothing to learn.")
    return Target(column.name, [], written=written, units=units_read(reading, written), remark=doubt(column, written))


def _refuse(column: ColumnTally, remedy: str, written: Written = "plain") -> None:
    """CellError for the first cell that is no number that can be squared, if there is one."""
    if wrong := column.readings[written].wrong:
        raise CellError(f"{wrong} {remedy}.")


def _labels(column: ColumnTally, here: str) -> list[Label]:
    """The different labels in order; 1.0, which is how a column with gaps stores 1, is 1."""
    if column.kind == "number":
        _refuse(column, "fix the cell")
    if column.levels is None:
        kind, remedy = (
            ("numbers", "use a linear regression") if column.kind == "number" else ("values", "choose another")
        )
        raise TargetError(f"{here} holds too many different {kind} to be classes; {remedy}.")
    labels = column.levels.values.to_pylist()
    return sorted(int(label) if _is_whole(label) else label for label in labels)


def _is_whole(label: Label) -> bool:
    """Whether a double is a whole number that Arrow has, too."""
    return isinstance(label, float) and label.is_integer() and abs(label) < LARGE


def _refuse_turn(column: ColumnTally, labels: list[Label], here: str) -> None:
    """CellError where classes are numbers at first and words later, or the reverse: two ways to write them."""
    numbers = sum(np.isfinite(read_numbers(pa.array(labels, pa.large_string())))) if column.kind == "text" else 0
    if numbers >= 2 and len(labels) - numbers >= 2 and (turned := turn(column)):
        raise CellError(f"{here} {turned}; write its classes alike.")


def _check_classes(column: ColumnTally, labels: list[Label], here: str) -> None:
    rows, many = column.known, len(labels)
    if many == 1:
        raise TargetError(f"{here} holds one class, {labels[0]!r}, in every row; two are needed.")
    if column.kind == "number":
        fractions = any(isinstance(label, float) for label in labels)
        if many > FEW_CLASSES and (fractions or many > MANY_CLASSES or many > rows / 2):
            raise TargetError(f"{here} holds {many:,} different numbers, more than classes; use a linear regression.")
    if many == rows > 2 or many > max(rows / 2, FEW_CLASSES):
        raise TargetError(f"{here} holds {many:,} classes in {rows:,} rows, too few of each; choose another.")


def _against(positive: str, labels: list[Label], name: str, here: str) -> Target:
    """The positive class, matched by its text, second; the others, if more than one, as one class first."""
    by_text = {str(label): label for label in labels} | {_text(label): label for label in labels}
    if positive not in by_text:
        raise TargetError(no_such("class", positive, by_text, f"in {here}"))
    chosen = by_text[positive]
    others = [label for label in labels if label != chosen]
    return Target(name, [*others, chosen]) if len(others) == 1 else Target(name, [f"not {positive}", chosen], others)


def _text(label: Label) -> str:
    kind = pa.uint64() if isinstance(label, int) and label >= LARGE else None  # Arrow does not look for it itself
    return as_text(pa.array([label], kind))[0].as_py()
