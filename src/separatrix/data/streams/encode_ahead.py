"""Rows encoded ahead, in the first reading, by what its first batch teaches.

A table of plain numbers is so read once. Of levels and gaps all rows must be known before the first can be encoded, and
such a table is read twice.
"""

from contextlib import suppress
from dataclasses import dataclass

from separatrix.data.reading.dataset import Dataset
from separatrix.data.streams.distinct_rows import Counted
from separatrix.data.streams.seen import Batch, Seen
from separatrix.data.streams.spill import Spill, arrays_of, empty
from separatrix.data.tables.columns import Columns
from separatrix.data.tables.encoders import Boolean, LeftOut, Number
from separatrix.data.tables.encoding import Encoding
from separatrix.errors import DataError


@dataclass
class Ahead:
    """The encoding that was guessed, None once a batch has shown that it will not do; and the rows as it has them."""

    guess: Encoding | None
    kept: Spill

    def keep(self, batch: Batch, found: Seen | Counted) -> None:
        """Encodes a batch of the rows, of which so much was found."""
        guess, rows = self.guess, None
        if guess is None:
            return
        if isinstance(found, Seen) and found.rows == len(batch.table):  # each of them counts
            with suppress(DataError):  # of all rows another encoding is learned, or the same error follows
                rows = guess.block(batch.decoded, batch.before, batch.first_row)
        if rows is None:
            self.guess = None
            self.kept.give_up()
        else:
            self.kept.write(batch.number, arrays_of(rows))

    def rows(self, encoding: Encoding) -> Spill | None:
        """All rows, if the encoding that they taught is the guess; an empty spill where the disk had no room."""
        guess, self.guess = self.guess, None
        if guess is None or (guess.target, decisive(guess.columns)) != (encoding.target, decisive(encoding.columns)):
            self.kept.give_up()
            return None
        self.kept.complete = bool(self.kept.files)
        return self.kept


def ahead_of(guess: Encoding, dataset: Dataset) -> Ahead | None:
    """A start by the encoding that some rows taught, where others may teach the same."""
    return None if decisive(guess.columns) is None else Ahead(guess, empty(8.0 * dataset.cells))


def decisive(columns: Columns) -> list[tuple[type, str]] | None:
    """All that decides the numbers of a row; None where that is levels, or what stands in for missing cells."""
    kinds = []
    for column in columns.columns:
        match column:
            case LeftOut():
                continue
            case Number(written="plain", missing=0) | Boolean(missing=0):
                kinds.append((type(column), column.name))
            case _:
                return None
    return kinds
