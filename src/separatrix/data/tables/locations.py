"""Where a row is, in words: its number in the table, or in the file of several that has it."""

from bisect import bisect_right
from collections.abc import Iterable


class Where(str):
    """What messages call a table that is in several places: each begins after so many rows of the table, has a name,
    and knows how many of its own rows come before.

    >>> row_of(Where("*.csv", [(0, "a.csv", 0), (100, "b.csv", 0)]), 107)
    'row 7 of b.csv'
    """

    places: list[tuple[int, str, int]]

    def __new__(cls, name: str, places: Iterable[tuple[int, str, int]] = ()) -> "Where":
        """The name alone, if there is but one place, which begins where the table does."""
        where = super().__new__(cls, name)
        where.places = list(places)
        return where

    def row(self, number: int) -> str:
        """The row of this number, from 1 on."""
        if not self.places:
            return f"row {number} of {self}"
        before, name, ahead = self.places[bisect_right(self.places, number - 1, key=lambda place: place[0]) - 1]
        return f"row {number - before + ahead} of {name}"


def row_of(where: str, number: int) -> str:
    """The row of a table of this number, from 1 on.

    >>> row_of("the data", 7)
    'row 7 of the data'
    """
    return where.row(number) if isinstance(where, Where) else f"row {number} of {where}"
