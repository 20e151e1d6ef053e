"""How the rows of a table become numbers, all of it learned once: features, target, weight and offset."""

from dataclasses import dataclass

from separatrix.arrays import BoolArray
from separatrix.data.block import Block
from separatrix.data.tables.cells import Numbered, Table, cells_of, each_of
from separatrix.data.tables.columns import Columns
from separatrix.data.tables.side_columns import given
from separatrix.data.tables.target import Target


@dataclass(frozen=True)
class Encoding:
    """How the rows of a table become numbers: X of its columns, y the codes of its classes or the numbers of its
    target, (rows,), and the weight and the offset (rows, K) from columns of their own, where they have names."""

    columns: Columns
    target: Target
    weight: str | None = None
    offset: tuple[str, ...] = ()
    where: str = "the data"

    @property
    def needs(self) -> list[str]:
        """The columns that must be read."""
        own = [self.target.name, *filter(None, [self.weight]), *self.offset]
        return list(dict.fromkeys([*self.columns.needs, *own]))

    def which_count(self, table: Table) -> BoolArray:
        """Which rows have a target, and a weight that is not 0, (rows,)."""
        fine = ~cells_of(table, self.target.name).missing
        return fine & (cells_of(table, self.weight).numbers() != 0) if self.weight else fine

    def that_count(self, table: Table, first_row: Numbered = 1) -> tuple[Table, Numbered]:
        """The rows that count, and their numbers."""
        fine = self.which_count(table)
        return (table, first_row) if fine.all() else (table.filter(fine.tolist()), each_of(first_row, len(table))[fine])

    def block(self, table: Table, before: int = 0, first_row: Numbered = 1) -> Block:
        """The numbers of rows that count. `before` of them came before these, of which messages count from
        `first_row`."""
        X = self.columns.encode(table, self.where, first_row).X
        y = self.target.encode(table, self.where, first_row)
        weight, offset = given(table, self.weight, self.offset, self.where, first_row)
        return Block(X, y, weight, slice(before, before + len(table)), offset)
