"""What the command can be told beside the commonest: of columns, and of where the rows are."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from glob import glob
from itertools import chain
from os.path import expanduser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from separatrix.errors import ArgumentError

if TYPE_CHECKING:
    from separatrix.data.reading.dataset import Dataset

Flag = Annotated[bool, Parameter(negative=())]


def whole(type_: Any, tokens: Sequence[Any]) -> int:
    """What a flag was given, as a whole number; 2.5 is none, though cyclopts would take it for 2."""
    given = tokens[0].value
    try:
        number = float(given)
    except ValueError:
        number = float("nan")
    if not number.is_integer():
        raise ValueError(f"{given} is no whole number.")
    return int(number)


Whole = Annotated[int, Parameter(converter=whole)]
QUOTED = r"""'([^']+)'|"([^"]+)\""""  # in SQL, where FROM "q.csv" is a file too
LISTED = re.compile(r'\s*(?:"((?:[^"]|"")*)"\s*|([^,]*))(?:,|$)')  # names, some between double quotes
LARGE = 50_000_000  # cells; fewer are read into memory whole


@dataclass(frozen=True)
class ColumnOptions:
    """What may be told of columns beside their kind.

    Parameters
    ----------
    text
        Columns of text whose words are to count.
    date
        The parts of dates to use: day, year, month, weekday, hour; or none.
    unseen
        What a category's value unseen by fit is, when predicting: one of the rare ones, or an error.
    floor
        Fewest rows, or below 1 the smallest share of them, that a category's value needs to stand for itself; rarer
        ones are pooled. By default 10 rows, in columns of more than 20 values.
    text_width
        Features that the words of a text are hashed to.
    """

    text: str = ""
    date: str = "day,month,weekday,hour"
    unseen: Literal["pool", "error"] = "pool"
    floor: float | None = None
    text_width: Whole = 4096

    def settings(self) -> dict[str, Any]:
        """The same for `separatrix.training.Settings`."""
        parts = () if self.date == "none" else names(self.date)
        return {**asdict(self), "text": names(self.text), "date": parts}


@dataclass(frozen=True)
class QueryOptions:
    """Rows that answer a query.

    Parameters
    ----------
    query
        SQL for DuckDB instead of data: "select * from 'sales.parquet' where year > 2020".
    database
        A DuckDB database that the query is about; it is only read.
    """

    query: str | None = None
    database: Path | None = None

    def open(self, data: str | None, client: Any = None) -> "Dataset":
        """The data, or what answers the query."""
        from separatrix.data.opened import open

        return open(data, query=self.query, database=self.database, client=client)

    def named(self) -> list[Path]:
        """The files that are read for the query, as far as it says: its database, and what it has in quotes."""
        quoted = [either for pair in re.findall(QUOTED, self.query or "") for either in pair if either]
        found = (glob(expanduser(name), recursive=True) for name in quoted)
        return [*([self.database] if self.database else []), *map(Path, chain.from_iterable(found))]


@dataclass(frozen=True)
class SourceOptions(QueryOptions):
    """Where the rows are, and who reads them.

    Parameters
    ----------
    stream
        Read the rows again and again instead of holding them in memory; so it is for more than 50 million cells.
    scheduler
        The address of a Dask scheduler, such as tcp://host:8786, whose workers read the rows.
    workers
        Start so many Dask workers here instead.
    checkpoint
        A folder that keeps the last iterate: a fit that was stopped goes on when the same command is given again.
    """

    stream: Flag = False
    scheduler: str | None = None
    workers: Whole | None = None
    checkpoint: Path | None = None

    @contextmanager
    def opened(self, data: str | None) -> "Iterator[Dataset]":
        """The data, on the workers of a cluster if so told, for as long as the context lasts."""
        if self.scheduler is None and self.workers is None:
            yield self.open(data)
            return
        from separatrix.data.workers.client import connected

        with connected(self.scheduler, self.workers) as client:
            yield self.open(data, client)

    def stays(self, dataset: "Dataset") -> bool:
        """Whether the rows stay where they are."""
        told = self.stream or self.checkpoint is not None or dataset.client is not None
        return told or dataset.cells > LARGE


def names(text: str) -> list[str]:
    """Column names, separated by commas; one that holds a comma is in double quotes, as a CSV file has it.

    >>> names('age, "income, yearly"')
    ['age', 'income, yearly']
    """
    found = (quoted.replace('""', '"') or plain for quoted, plain in LISTED.findall(text))
    return [name.strip() for name in found if name.strip()]


def folds(given: list[str] | None) -> int | Literal["loo"] | None:
    """What --cv was given, as `separatrix.settings.Settings` takes it; ArgumentError for what is no number of folds.

    >>> folds(None), folds([]), folds(["10"]), folds(["loo"])
    (None, 5, 10, 'loo')
    """
    if not given:
        return None if given is None else 5
    if len(given) > 1:
        raise ArgumentError(f"cv is given {len(given)} times, {' and '.join(given)}: leave out all but one.")
    if given[0] == "loo":
        return "loo"
    try:
        return int(given[0])
    except ValueError:
        raise ArgumentError(f"cv={given[0]} must be a whole number of folds, or loo.") from None
