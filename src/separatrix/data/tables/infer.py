"""What a column is, seen from its tally: a number, true or false, a category, a date, or nothing a model can use."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np
from msgspec import json
from msgspec.structs import replace

from separatrix.data.tables.calendar import DATE_LIKE, NAMES, NUMBERS, PARTS, DateOrder, DatePart, dates_in
from separatrix.data.tables.counts import Moments, Reading
from separatrix.data.tables.encoders import Boolean, Category, Column, Date, LeftOut, Number, Text
from separatrix.data.tables.locations import row_of
from separatrix.data.tables.numerals import WAYS, Written, one_unit, pc, read_numbers
from separatrix.data.tables.tally import ColumnTally, Tally
from separatrix.errors import ArgumentError, CellError, ColumnError

FEW_ROWS = 20  # with so few rows, as many values as rows may well be chance
NEARLY_ALL = 0.9  # of a column's cells: then the others are taken for mistakes
FEW_NUMBERS = 10  # a column with fewer different numbers may be codes, some of them letters
LONG = 30  # characters on average: names and codes are shorter, sentences longer
FEW_LEVELS = 20  # are all kept, however rare
WIDEST_TEXT = 2**18  # features of words: each has a name and a coefficient
RARE = 10  # rows, of more levels than that


@dataclass(frozen=True)
class Rules:
    """What a user may decide for all columns.

    `date`: the parts of dates to use, of day, year, month, weekday, hour; none leaves dates out. `floor`: levels of
    fewer rows than this, or below 1 of a smaller share of them, are pooled; None is 10 rows in columns of more than 20
    levels. `text_width`: features that text is hashed to.
    """

    date: Sequence[str] = ("day", "month", "weekday", "hour")
    floor: float | None = None
    text_width: int = 2**12

    def check(self) -> None:
        """ArgumentError unless each has a meaning."""
        check_lists(date=self.date)
        for part in self.date:
            if part not in PARTS:
                raise ArgumentError(f"date={part!r} is no part of a date; choose from {', '.join(PARTS)}.")
        if self.floor is not None and not (isinstance(self.floor, Real) and 0 <= self.floor < np.inf):
            raise ArgumentError(f"floor={self.floor!r} must be a number of rows, or below 1 a share of them.")
        if not (isinstance(self.text_width, Integral) and 2 <= self.text_width <= WIDEST_TEXT):
            raise ArgumentError(
                f"text_width={self.text_width!r} must be a whole number of features, from 2 to {WIDEST_TEXT:,}."
            )

    def least_rows(self, levels: int, rows: int) -> int:
        """How many rows a level needs to stand for itself."""
        if self.floor is None:
            return RARE if levels > FEW_LEVELS else 0
        return int(np.ceil(self.floor if self.floor >= 1 else self.floor * rows))


def check_lists(**named: Any) -> None:
    """ArgumentError for an argument that is one name, of which a list would be its letters, or no list."""
    for argument, names in named.items():
        if isinstance(names, str) or not isinstance(names, Iterable):
            raise ArgumentError(f"{argument}={names!r} must be a list of names, such as [{str(names)!r}].")


def infer_column(tally: ColumnTally, rules: Rules) -> Column:
    """What the column is, by its type, and for text by what it holds.

    Raises
    ------
    CellError
        A number is infinite or too large to square, or nearly all cells of text are numbers and this one is not.
    """
    if not tally.known:
        return LeftOut(tally.name, "empty: every cell is missing")
    if tally.kind == "other":
        what = "a duration" if tally.type.startswith(("duration", "month_day_nano")) else "nested or binary"
        return LeftOut(tally.name, f"{what}: its type is {tally.type}")
    learners = {"date": date, "boolean": boolean, "category": category, "text": _from_text, "number": _from_numbers}
    return learners[tally.kind](tally, rules)


def number(tally: ColumnTally, rules: Rules) -> Column:
    """The column as a number, whatever its type; left out if it never varies."""
    if not tally.readings and tally.known:
        raise ColumnError(_holds(tally, "numbers"))
    written = best_way(tally)
    reading = tally.readings.get(written, Reading())
    if wrong := reading.wrong:
        raise CellError(f"{wrong} fix the cell, or fit with Columns(categorical={[tally.name]}).")
    moments = reading.moments
    if not moments.low < moments.high:
        return category(tally, rules)  # one value and gaps: only the gaps can tell, so they are the feature
    extent = moments.mean, moments.low, moments.high
    return Number(
        tally.name, *extent, tally.missing, written, doubt(tally, written), _marks(tally), units_read(reading, written)
    )


def boolean(tally: ColumnTally, rules: Rules) -> Column:
    """The column as 0 and 1; left out if it never varies."""
    if tally.kind == "boolean":
        mean = tally.readings["plain"].moments.mean
    else:  # text, as CSV of such cells is read
        counts = tally.levels.texts().items() if tally.levels else ()
        mean = sum(rows for level, rows in counts if level.lower() == "true") / tally.known
    return Boolean(tally.name, mean, tally.missing) if 0 < mean < 1 else category(tally, rules)


def category(tally: ColumnTally, rules: Rules) -> Column:
    """The column as a category, its commonest level the reference, rare ones pooled; left out if it never varies."""
    if tally.kind == "other":
        raise ColumnError(_holds(tally, "categories"))
    if not tally.known:
        return LeftOut(tally.name, "empty: every cell is missing")
    if tally.levels is None:
        raise ColumnError(
            f"column {tally.name!r} of {tally.where} has too many different values for a category; leave it out, or "
            "take it as text, which hashes its words."
        )
    counts = tally.levels.texts()
    if len(counts) == 1 and not tally.missing:
        return LeftOut(tally.name, f"constant: every row holds {next(iter(counts))}")
    floor = rules.least_rows(len(counts), tally.rows)
    levels = _sorted(level for level, rows in counts.items() if rows >= floor)
    if not levels:
        return LeftOut(tally.name, f"rare: none of its {len(counts):,} different values has {floor:,} rows")
    pooled = _sorted(counts.keys() - set(levels))
    reference = max(levels, key=lambda level: counts[level])
    return Category(tally.name, levels, reference, tally.missing, pooled, floor if pooled else 0, _marks(tally))


def date(tally: ColumnTally, rules: Rules, order: DateOrder = "") -> Column:
    """A date as those of its parts that are wanted and vary; left out if there are none."""
    if not rules.date:
        return LeftOut(tally.name, f"a date or time: its type is {tally.type}")
    wanted: list[DatePart] = [part for part in PARTS if part in rules.date]
    day = tally.dates.numbers.get("day")
    first = str(np.datetime64(int(day.low), "D")) if day else ""
    parts: dict[DatePart, Number | Category] = {}
    for part in wanted:
        if column := _date_part(tally, part, first):
            parts[part] = column
    if not parts and not tally.missing:
        same = tally.levels is not None and len(tally.levels) == 1
        vary = "never varies" if len(wanted) == 1 else "never vary"
        return category(tally, rules) if same else LeftOut(tally.name, f"constant: its {' and '.join(wanted)} {vary}")
    return Date(tally.name, first, parts, tally.missing, _marks(tally), tally.dates.zone, order)


def _date_part(tally: ColumnTally, part: DatePart, first: str) -> Number | Category | None:
    """The part as a column, if dates of this type have it and it varies."""
    if part in NUMBERS:
        moments = tally.dates.numbers.get(part, Moments())
        if not moments.low < moments.high:
            return None
        shift, name = (moments.low, f"days since {first}") if part == "day" else (0.0, part)
        return Number(f"{tally.name}: {name}", moments.mean - shift, moments.low - shift, moments.high - shift)
    counts, names = tally.dates.counts.get(part, Counter()), NAMES.get(part, [])
    if len(counts) < 2:
        return None
    codes = sorted(counts)
    commonest = max(codes, key=lambda code: counts[code])
    return Category(f"{tally.name}: {part}", [names[code] for code in codes], names[commonest])


def text(tally: ColumnTally, rules: Rules) -> Column:
    """The column as hashed words."""
    if tally.kind == "other":
        raise ColumnError(_holds(tally, "texts"))
    if not tally.known:
        return LeftOut(tally.name, "empty: every cell is missing")
    return Text(tally.name, rules.text_width, tally.missing, _marks(tally))


def without_duplicates(tally: Tally, columns: Iterable[Column]) -> Iterator[Column]:
    """The columns, each exact copy of an earlier one left out."""
    seen: dict[Any, str] = {}
    for column in columns:
        told = tally.columns[column.name]
        digest = told.as_numbers if isinstance(column, Number) and told.as_numbers else told.digest
        if digest is None or isinstance(column, LeftOut):
            yield column
        elif (key := (json.encode(_unnamed(column)), digest)) in seen:
            yield LeftOut(column.name, f"duplicate of column {seen[key]!r}")
        else:
            seen[key] = column.name
            yield column


def _unnamed(column: Column) -> Any:
    if isinstance(column, Date):
        return replace(column, name="", parts={})
    # The sums of one reading by rows and one by different texts differ in their last digits.
    return replace(column, name="", mean=0.0) if isinstance(column, Number) else replace(column, name="")


def _from_numbers(tally: ColumnTally, rules: Rules) -> Column:
    if _counts_the_rows(tally):
        return LeftOut(tally.name, "identifier: it counts the rows")
    return number(tally, rules)


def _counts_the_rows(tally: ColumnTally) -> bool:
    """An index that a dataframe wrote along, or a row number: it rises from row to row, from 0 or 1 on.

    Up to every other row may be absent, held out for a test.
    """
    rising = tally.rising
    if tally.rows <= FEW_ROWS or rising is None or rising.first is None or rising.last is None:
        return False
    return rising.holds and rising.first >= 0 and rising.last <= 2 * tally.rows


def _from_text(tally: ColumnTally, rules: Rules) -> Column:
    if _is_numbers(tally):
        return number(tally, rules)
    if tally.levels is not None and {level.lower() for level in tally.levels.texts()} <= {"true", "false"}:
        return boolean(tally, rules)
    if tally.dates.count == tally.known:
        return date(tally, rules)
    _refuse_nearly_dates(tally)
    return _slashed_dates(tally, rules) or _left_out_of_text(tally) or category(tally, rules)


def _refuse_nearly_dates(tally: ColumnTally, order: DateOrder = "") -> None:
    """CellError for the first cell that is no date, where nearly all others are, in this order of day and month."""
    if tally.dates.count < NEARLY_ALL * tally.known:
        return
    if tally.levels is not None and pc.count(dates_in(tally.levels.values, order)).as_py() < FEW_NUMBERS:
        return
    strange = [some for kind, some in tally.kinds.items() if kind != "dates"]
    if not strange:  # but dates in the other order
        return
    first = min(strange, key=lambda some: some.after)
    place = f"column {tally.name!r}, {row_of(first.where, first.row)}: {first.value!r}"
    raise CellError(
        f"{place} is not a date like {DATE_LIKE[order]}; fix the cell, or fit with Columns(categorical={[tally.name]})."
    )


def _slashed_dates(tally: ColumnTally, rules: Rules) -> Column | None:
    """Text that is all dates in one order of day and month; left out where either will do, if it is of too many days
    for a category."""
    read: list[tuple[DateOrder, ColumnTally]] = [(order, tally.with_dates_in(order)) for order in tally.slashed]
    whole = [each for each in read if each[1].dates.count == tally.known]
    if len(whole) == 1:
        [(order, column)] = whole
        return date(column, rules, order)
    if not whole:
        for order, column in read:
            _refuse_nearly_dates(column, order)
        return None
    if tally.levels is None or len(tally.levels) <= FEW_LEVELS:
        return None
    first = tally.kinds["dates"].value.strip()
    return LeftOut(
        tally.name,
        f"dates such as {first}, of which no day above 12 tells the order; write them like 2024-01-31 to use them",
    )


def _left_out_of_text(tally: ColumnTally) -> LeftOut | None:
    """Text that is no category: nearly as many different values as rows, or sentences."""
    rows, length = tally.known, tally.letters / tally.known
    what, remedy = (
        ("free text", f"; Columns(text={[tally.name]}) uses its words") if length > LONG else ("identifier", "")
    )
    if tally.levels is None:
        return LeftOut(tally.name, f"{what}: too many different values to count in {rows:,} rows{remedy}")
    levels = len(tally.levels)
    if rows > FEW_ROWS and levels > rows / 2:
        return LeftOut(tally.name, f"{what}: {levels:,} different values in {rows:,} rows{remedy}")
    if levels > FEW_ROWS and length > 2 * LONG:
        many = f"{length:.0f} characters on average, {levels:,} different values"
        return LeftOut(tally.name, f"{what}: {many}{remedy}")
    return None


def _is_numbers(tally: ColumnTally) -> bool:
    """Are all cells of text numbers, or nearly all? Codes that begin with zeros are not, nor what has mixed units."""
    written = best_way(tally)
    reading = tally.readings[written]
    if reading.codes or not one_unit(reading.units):
        return False
    if reading.strange is None:
        return True
    different = np.inf if tally.levels is None else np.isfinite(read_numbers(tally.levels.values, written)).sum()
    return reading.moments.count >= NEARLY_ALL * tally.known and different >= FEW_NUMBERS


def best_way(tally: ColumnTally) -> Written:
    """The way of writing numbers that most cells follow; of equals the plainest."""
    return max(WAYS, key=lambda way: tally.readings[way].moments.count if way in tally.readings else -1)


def units_read(reading: Reading, written: Written) -> list[str]:
    """The units by which new cells are judged: none where they are all plain, or differ as the user wants it."""
    return sorted(reading.units) if written != "plain" and one_unit(reading.units) else []


def doubt(tally: ColumnTally, written: Written) -> str:
    """What is worth knowing where commas part thousands, but a decimal comma would explain all cells too: 1,234."""
    if written != "point":
        return ""
    ours, other = (tally.readings[way].moments for way in ("point", "comma"))
    clear = other.count < ours.count or other.mean == ours.mean
    return "" if clear else ", a comma taken to part thousands as no cell tells"


def _marks(tally: ColumnTally) -> list[str]:
    return sorted(tally.marks)


def _holds(tally: ColumnTally, due: str) -> str:
    held = f"column {tally.name!r} of {tally.where} holds {tally.type}"
    return f"{held} where {due} are due; convert it or leave it out."


def _sorted(levels: Iterable[str]) -> list[str]:
    """By value if all are numbers ('2' before '10'), else by alphabet."""
    levels = sorted(levels)
    try:
        return sorted(levels, key=float)
    except ValueError:
        return levels
