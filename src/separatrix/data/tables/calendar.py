"""Parts of dates and times: the day, year, month, weekday and hour, as Arrow arrays."""

from collections.abc import Container, Sequence
from datetime import datetime
from typing import Any, Literal, get_args

import numpy as np
import pyarrow as pa

from separatrix.data.tables.numerals import pc

DatePart = Literal["day", "year", "month", "weekday", "hour"]
DateOrder = Literal["", "day first", "month first"]
"""How text is read in which day and month may be either: 01/02/2024; "" not at all."""
PARTS: tuple[DatePart, ...] = get_args(DatePart)
NUMBERS: Container[str] = ("day", "year")

NAMES: dict[DatePart, list[str]] = {
    "month": ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"],
    "weekday": ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"],
    "hour": [f"{hour:02d}h" for hour in range(24)],
}
"""What the parts that are categories can be, in the order of their codes."""

TIME = r"([ T]([01]?\d|2[0-3]):\d\d(:\d\d(\.\d+)?)?( ?(Z|[+-]\d\d(:?\d\d)?))?)?\s*$"
DATED = r"^\s*\d\d\d\d[/-]\d\d?[/-]\d\d?" + TIME
"""2024-01-31, 2024/1/31 9:59, 2024-01-31T23:59:59.123456789Z: the dates in text that can mean only one thing,"""
POINTED = r"^\s*\d\d?\.\d\d?\.\d\d\d\d" + TIME
"""and 31.1.2024, 31.01.2024 9:59: with points the day is first wherever dates are written so."""
SLASHED = r"^\s*\d\d?[/-]\d\d?[/-]\d\d\d\d" + TIME
"""31/01/2024, 1-31-2024 9:59: what a column of them means, a day above 12 may tell."""
BY_POINTS = (r"^(\d\d?)\.(\d\d?)\.(\d{4})", r"\3-\2-\1")
YEAR_FIRST: dict[DateOrder, Sequence[tuple[str, str]]] = {
    "": [BY_POINTS],
    "day first": [(r"^(\d\d?)[./-](\d\d?)[./-](\d{4})", r"\3-\2-\1")],
    "month first": [BY_POINTS, (r"^(\d\d?)[/-](\d\d?)[/-](\d{4})", r"\3-\1-\2")],
}
"""What puts the year first in both."""
DATE_LIKE: dict[DateOrder, str] = {"": "2024-01-31", "day first": "31/01/2024", "month first": "01/31/2024"}
"""An example of each, for messages."""
ISO = r"^\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d(\.\d{1,6})?)?)?$"
"""The dates that Arrow reads as they are."""
MADE_ISO = (
    (r"(:\d\d(?:\.\d{1,6})?)\d* ?(?:Z|[+-]\d\d(?::?\d\d)?)?$", r"\1"),
    (r"^(\d{4})[/-](\d{1,2})[/-](\d{1,2})($|[ T])", r"\1-\2-\3\4"),
    (r"^(\d{4})-(\d)-", r"\1-0\2-"),
    (r"^(\d{4}-\d\d)-(\d)($|[ T])", r"\1-0\2\3"),
    (r"^(\d{4}-\d\d-\d\d[ T])(\d):", r"\10\2:"),
)
"""What makes the others so. A time counts by the clock on the wall: Z or +01:00 behind it is left aside, and so is what
is less than a microsecond."""

DAY = 86_400_000_000  # microseconds


def has_part(kind: Any, part: DatePart) -> bool:
    """Do values of this Arrow type have the part? A time of day has only its hour, a date none."""
    if part == "hour":
        return pa.types.is_timestamp(kind) or pa.types.is_time(kind)
    return not pa.types.is_time(kind)


def part_of(values: Any, part: DatePart) -> Any:
    """Of each date: whole days since 1970-01-01, the year, or a code into NAMES; as int64, null for null.

    >>> import datetime
    >>> part_of(pa.array([datetime.date(1970, 1, 3)]), "weekday")[0].as_py()
    5
    """
    if part == "day":
        return pc.cast(pc.floor(pc.divide(pc.cast(_moments(values), pa.float64(), safe=False), DAY)), pa.int64())
    if part == "month":
        return pc.subtract(pc.month(values), 1)
    return {"year": pc.year, "weekday": pc.day_of_week, "hour": pc.hour}[part](values)


def in_zone(values: Any, zone: str) -> Any:
    """Dates and times in a time zone, the same instants, if both they and it have one."""
    if not zone or zone_of(values.type) in ("", zone):
        return values
    return pc.cast(values, pa.timestamp(values.type.unit, zone))


def zone_of(kind: Any) -> str:
    """The time zone of an Arrow type; "" if it has none."""
    return (pa.types.is_timestamp(kind) and kind.tz) or ""


def is_zone(zone: str) -> bool:
    """Is it a time zone whose clock can be read here? So is "", none.

    >>> is_zone("Europe/Oslo"), is_zone("Europe/Mars")
    (True, False)
    """
    try:
        pc.local_timestamp(pa.array([0], pa.timestamp("us", zone or "UTC")))
    except pa.ArrowInvalid:
        return False
    return True


def is_day(text: str) -> bool:
    """Is it a day as NumPy writes it?

    >>> is_day("2024-01-31"), is_day("2024-01")
    (True, False)
    """
    try:
        return text != "NaT" and str(np.datetime64(text, "D")) == text
    except ValueError:
        return False


def _moments(values: Any) -> Any:
    """Microseconds since 1970 by the clock on the wall, int64."""
    if pa.types.is_timestamp(values.type) and values.type.tz:
        values = pc.local_timestamp(values)
    return pc.cast(pc.cast(values, pa.timestamp("us"), safe=False), pa.int64())


def dates_in(texts: Any, order: DateOrder = "") -> Any:
    """Arrow text as timestamps by the clock on the wall, null where it is no date that can mean only one thing, or does
    in this order of day and month.

    >>> written = pa.array(["2024-01-31 12:30", "31.1.2024 12:30", "2024-02-30", "01/31/2024", "01/02/2024"])
    >>> [dates_in(written, order).is_valid().to_pylist() for order in ("", "month first")]
    [[True, True, False, False, False], [True, True, False, True, True]]
    """
    trimmed = pc.utf8_trim_whitespace(texts)
    clear = pc.or_(pc.match_substring_regex(trimmed, DATED), pc.match_substring_regex(trimmed, POINTED))
    clear = pc.or_(clear, pc.match_substring_regex(trimmed, SLASHED)) if order else clear
    dated = pc.if_else(clear, trimmed, pa.scalar(None, trimmed.type))
    for rules in (YEAR_FIRST[order], MADE_ISO):
        if pc.all(pc.match_substring_regex(dated, ISO), min_count=0).as_py():
            break
        for pattern, replacement in rules:
            dated = pc.replace_substring_regex(dated, pattern=pattern, replacement=replacement)
    try:
        return pc.cast(dated, pa.timestamp("us"))
    except pa.ArrowInvalid:  # one is in no calendar; Arrow does not say which
        return pa.array([text and _date_or_none(text) for text in dated.to_pylist()], pa.timestamp("us"))


def dates_in_orders(texts: Any) -> dict[DateOrder, Any]:
    """Arrow text as the dates that can mean only one thing, under ""; and where there are some of which day and month
    may be either, as what those are in each order, null where it is none of them."""
    found: dict[DateOrder, Any] = {"": dates_in(texts)}
    slashed = pc.match_substring_regex(texts, SLASHED)
    if pc.any(slashed).as_py():
        some = pc.if_else(slashed, texts, pa.scalar(None, texts.type))
        found |= {order: dates_in(some, order) for order in YEAR_FIRST if order}
    return found


def _date_or_none(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None
