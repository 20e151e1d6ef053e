"""Rows on the workers of a Dask cluster: each worker holds shares of them, and only sums travel.

A share is a `StreamSource` of some parts of a dataset, with the file of encoded rows on the worker's own disk, or a
`MemorySource` of a block of an array. A pass sends its function to the workers, where the shares are added up by the
very methods of those sources; the sums of shares are added up by workers too, FAN at a time, in a tree that the order
of the rows fixes. So the answer is the same, to the bit, whoever computed what; and what a worker takes along when it
dies is made again, by Dask, from how it was made: its share is read anew.
"""

import operator
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial, reduce
from itertools import cycle
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from separatrix.arrays import FloatArray, IntArray
from separatrix.data.block import Block
from separatrix.data.memory import MemorySource
from separatrix.data.streams.reservoir import Strata
from separatrix.data.streams.stream import Elsewhere, StreamSource, every, stacked
from separatrix.data.threads import one_blas_thread
from separatrix.data.workers.client import places, reachable, settle, threads_of, value_of
from separatrix.data.workers.quiet import hush
from separatrix.errors import ClusterError, DataError, SeparatrixError

hush()  # wherever this is imported, as it is on every worker
T = TypeVar("T")
FAN = 8  # sums that are added up by one task


@dataclass(frozen=True)
class Share:
    """Rows on a worker, and how many of all rows come before them."""

    source: StreamSource | MemorySource
    before: int


@dataclass(frozen=True)
class Deal:
    """How a worker comes by a share, of a `name` for messages: make(common, *arguments), where futures are values."""

    make: Callable[..., Share]
    arguments: tuple[Any, ...]
    name: str


@dataclass(frozen=True)
class Facts:
    """What a function that is sent to a worker takes along of its source: no rows."""

    n_rows: int
    n_columns: int
    centre: FloatArray
    in_memory: bool = False
    room: float = 0.0


@dataclass(frozen=True)
class ClusterSource(Elsewhere):
    """The rows of all shares, `n_rows`; `common` is what every deal needs, and `at_hand` are some of the rows, of
    `strata` whose chances are known.

    `cells` are the numbers stored of a row, `view` what is to be made of the source of a share before it is read, and
    `held` the shares, as futures, while the source is at work.
    """

    client: Any
    common: Any
    deals: tuple[Deal, ...]
    n_rows: int
    at_hand: MemorySource
    strata: Strata
    cells: float
    view: tuple[Callable[[Any], Any], ...] = ()
    held: tuple[Any, ...] | None = None

    def __reduce__(self) -> Any:
        return Facts, (self.n_rows, self.n_columns, self.centre)

    @contextmanager
    def working(self) -> Iterator["ClusterSource"]:
        """This source with its shares on the workers, which let go of them at the end."""
        if self.held is not None:
            yield self
            return
        with self.at_hand.working() as at_hand:
            yield replace(self, held=self._dealt(), at_hand=at_hand)

    def recoded(self, code: Callable[[NDArray], NDArray], eta: slice = slice(None)) -> "ClusterSource":
        """The same rows with code(y) for y, and of the offset only these columns."""
        return self._seen(operator.methodcaller("recoded", code, eta))

    def reweighed(self, weigh: FloatArray) -> "ClusterSource":
        """The same rows with their weight times that of their class, (K,), or of all, (1,), before any recoding."""
        return self._seen(operator.methodcaller("reweighed", weigh))

    def columns(self, chosen: IntArray) -> "ClusterSource | MemorySource":
        """The same rows with only these columns of X; brought here if they have room."""
        share = len(chosen) / max(self.n_columns, 1)
        view = replace(self._seen(operator.methodcaller("columns", chosen)), cells=self.cells * share)
        return view.sample(every, 0.0)[0] if view.n_rows <= view.most_rows else view

    def sample(self, chance: Callable[[Block], FloatArray], draw: float) -> tuple[MemorySource, FloatArray]:
        """Rows with a chance each, (rows,) for a block, brought here; and the chances of those drawn. One pass."""
        with self.working() as source:
            work = Work(self.view, lambda share, before: share.sample(chance, draw))
            drawn = [result_of(self.client, future, self.deals) for future in source._spread(work)]
        rows, chances = zip(*drawn, strict=True)
        here = replace(stacked(rows), n_threads=self.at_hand.n_threads, pool=self.at_hand.pool)
        return here, np.concatenate(chances)

    def add_up(self, function: Callable[[Block], T], combine: Callable[[Any, Any], Any] = operator.add) -> T:
        """function of every block, combined in the order of the rows on the workers; their sum alone comes here."""
        with self.working() as source:
            sums = source._spread(Work(self.view, partial(summed, function, combine)))
            return result_of(self.client, added_up(self.client, sums, combine), self.deals)

    def _seen(self, look: Callable[[Any], Any]) -> "ClusterSource":
        return replace(self, view=(*self.view, look), at_hand=look(self.at_hand))

    def _dealt(self) -> tuple[Any, ...]:
        """The shares on the workers, each as a future."""
        tasks = [deal.arguments for deal in self.deals]
        return tuple(submitted(self.client, self.deals[0].make, self.common, tasks))

    def _spread(self, work: "Work") -> list[Any]:
        """What the work makes of every share, as futures: where the share is, if that worker still lives."""
        assert self.held is not None
        with reachable(self.client):
            for share in self.held:  # where one will be is not known before, and the scheduler would choose by its load
                settle(self.client, share)
            task, where = sent(self.client, work), places(self.client, self.held)
            return [
                self.client.submit(done, task, share, *futures_in(deal.arguments), **placed(*workers))
                for deal, share, workers in zip(self.deals, self.held, where, strict=True)
            ]


@dataclass(frozen=True)
class Work:
    """What to do with the source of a share, seen through a view, and the number of rows before it."""

    view: tuple[Callable[[Any], Any], ...]
    work: Callable[[Any, int], Any]

    def __call__(self, share: Share) -> Any:
        with one_blas_thread():
            return self.work(reduce(lambda source, look: look(source), self.view, share.source), share.before)


def summed(function: Callable[[Block], T], combine: Callable[[Any, Any], Any], source: Any, before: int) -> T:
    """function of every block of a share, combined; the blocks know which of all rows they are."""
    return source.add_up(partial(numbered, function, before), combine)


def numbered(function: Callable[[Block], T], before: int, block: Block) -> T:
    """function of a block, before whose source so many rows come."""
    return function(replace(block, rows=slice(block.rows.start + before, block.rows.stop + before)))


def done(work: Callable[[Share], T], share: Share, *rows: Any) -> T:
    """The work on a share. What it was made of comes along for its size alone, by which Dask knows that it would be
    dear to do it elsewhere."""
    return work(share)


def added_up(client: Any, sums: Sequence[Any], combine: Callable[[Any, Any], Any]) -> Any:
    """The future of all sums combined in their order, by a tree of tasks."""
    with reachable(client):
        while len(sums) > 1:
            groups = [list(sums[first : first + FAN]) for first in range(0, len(sums), FAN)]
            sums = [client.submit(reduce, combine, group, pure=False) for group in groups]
    return sums[0]


def sent(client: Any, value: Any) -> Any:
    """The future of a value that goes to one worker, and from there to those that need it.

    It is the result of a task, and no scattered data: if its worker dies, it is made again.
    """
    return client.submit(partial(_as_it_is, value), pure=False)


def _as_it_is(value: T) -> T:
    return value


def submitted(client: Any, work: Callable[..., Any], common: Any, tasks: Sequence[Sequence[Any]]) -> list[Any]:
    """The futures of work(common, *arguments) for each task's arguments, where these are."""
    with reachable(client):
        value, homes = sent(client, common), homes_of(client, tasks)
        return [
            client.submit(work, value, *arguments, **placed(*home))
            for arguments, home in zip(tasks, homes, strict=True)
        ]


def homes_of(client: Any, tasks: Sequence[Sequence[Any]]) -> list[tuple[str, ...]]:
    """For each task the workers that have the first future among its arguments; without any, the worker of each thread
    in turn."""
    first = [next(futures_in(arguments), None) for arguments in tasks]
    known = [future for future in first if future is not None]
    for future in known:
        settle(client, future)
    where, turns = iter(places(client, known) if known else ()), cycle(threads_of(client))
    return [next(where) if future is not None else (next(turns),) for future in first]


def placed(*workers: str) -> dict[str, Any]:
    """Options of a task for these workers, or others if they are gone."""
    return {"pure": False, **({"workers": list(workers), "allow_other_workers": True} if workers else {})}


def result_of(client: Any, future: Any, deals: Sequence[Deal] = ()) -> Any:
    """The result of a future, or the error of its task; ClusterError if scheduler or workers are gone for good."""
    failed = value = None
    with reachable(client):
        settle(client, future)
        if future.status == "error":
            failed = future.exception()
        else:
            value = value_of(client, future)
    if failed is not None:
        told = explained(failed, deals)
        raise told from (None if told is failed else failed)
    return value


def explained(error: BaseException, deals: Sequence[Deal]) -> BaseException:
    """The error of a task, with the name of the partition that cannot be read; ours are said already."""
    if isinstance(error, SeparatrixError):
        return error
    if type(error).__name__ == "KilledWorker":
        return ClusterError(
            "workers died again and again over one share of the rows: their memory is too small, or their machines "
            "are at fault. Give them more, or smaller partitions."
        )
    for deal in deals:
        if any(future.status == "error" for future in futures_in(deal.arguments)):
            reason = (str(error).strip().splitlines() or [""])[0]
            return DataError(f"{deal.name} cannot be read: {type(error).__name__}: {reason}")
    return error


def futures_in(arguments: Sequence[Any]) -> Iterator[Any]:
    """The futures among arguments, and in those that are lists."""
    for argument in arguments:
        for each in argument if isinstance(argument, list) else [argument]:
            if hasattr(each, "key"):
                yield each
