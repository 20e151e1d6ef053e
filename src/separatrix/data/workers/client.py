"""A client of a Dask cluster: how it is found or started, asked, and waited for as long as its scheduler answers."""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, Future
from contextlib import contextmanager, suppress
from multiprocessing import active_children, resource_tracker
from os import PathLike
from shutil import rmtree
from threading import Thread
from time import monotonic, sleep
from typing import Any

from separatrix.arguments import shown
from separatrix.data.reading.parts import Folder
from separatrix.data.workers.quiet import hush
from separatrix.errors import ArgumentError, ClusterError, FileError, SeparatrixError
from separatrix.stopping import unfinished

CONNECTING = 10.0  # seconds for a scheduler to answer when it is met
CLOSING = 2.0  # seconds for it to hear that nobody needs it any more
POLL = 1.0  # seconds, after which a wait looks whether there is still somebody to wait for
PATIENCE = 60.0  # seconds without a worker, or without a word of the scheduler


def settle(client: Any, future: Any) -> None:
    """Waits for a future, for as long as the scheduler answers and there are workers."""
    import distributed

    alive = monotonic()
    while not future.done():
        try:
            with client.as_current():  # it need not be the process's own
                distributed.wait([future], timeout=POLL)
        except TimeoutError:
            alive = monotonic() if threads(client) else alive
            check_patience(client, alive)


def check_patience(client: Any, since: float) -> None:
    """ClusterError where there have been no workers for too long."""
    if monotonic() - since > PATIENCE:
        raise ClusterError(
            f"the scheduler {client.scheduler.address} has had no workers for {PATIENCE:.0f} seconds: start some, and "
            "fit again."
        ) from None


def value_of(client: Any, future: Any) -> Any:
    """The value of a future that is done. It may be large, so this lasts for as long as the scheduler answers."""
    coming = asyncio.run_coroutine_threadsafe(client.gather(future, asynchronous=True), client.loop.asyncio_loop)
    while True:
        try:
            return coming.result(timeout=POLL)
        except TimeoutError:
            if coming.done():  # an error of its own
                raise
            threads(client)


def asked(client: Any, question: Callable[..., Any], **options: Any) -> Any:
    """What the scheduler says to one of its questions; TimeoutError where it says nothing."""
    return client.sync(question, callback_timeout=PATIENCE, **options)


def threads(client: Any) -> dict[str, int]:
    """How many threads each worker has, by its address."""
    return asked(client, client.scheduler.ncores)


def threads_of(client: Any) -> list[str]:
    """The address of the worker of each thread, all workers in turn; ClusterError if there are none."""
    with reachable(client):
        since = monotonic()
        while not (found := threads(client)):
            check_patience(client, since)
            sleep(POLL)
    turns = range(max(found.values()))
    return [worker for turn in turns for worker, many in sorted(found.items()) if many > turn]


def places(client: Any, futures: Sequence[Any]) -> list[tuple[str, ...]]:
    """The addresses of the workers that have the value of each future."""
    where = asked(client, client.scheduler.who_has, keys=[future.key for future in futures])
    return [tuple(where.get(future.key, ())) for future in futures]


def check_found(client: Any, folder: PathLike[str], name: str) -> None:
    """FileError where some worker does not find a folder of this machine, with a copy of data of this name."""
    threads_of(client)
    with reachable(client):
        found = client.sync(client._run, os.path.exists, os.fspath(folder), callback_timeout=PATIENCE)
    for worker in sorted(worker for worker, there in found.items() if not there):
        raise FileError(
            f"{name} was copied to {os.fspath(folder)}, where the worker {worker} does not find it: name a folder that "
            "all workers share by TMPDIR, or write it to Parquet files there, and open these."
        )


def hush_all(client: Any) -> None:
    """`hush` on all workers; on one that does not hear in time nothing depends."""
    with suppress(TimeoutError):
        client.sync(client._run, hush, on_error="ignore", callback_timeout=POLL)


@contextmanager
def reachable(client: Any) -> Iterator[None]:
    """A scheduler that does not answer, or a client that is closed, is said in one line."""
    if getattr(client, "status", "") in ("closing", "closed"):
        raise ClusterError(
            "the Dask client is closed, or its scheduler is gone: see that it runs, and fit again; in Python, by a "
            "new Client."
        )
    try:
        yield
    except (CancelledError, OSError) as error:  # TimeoutError is an OSError, and so are closed connections
        if LOST & reasons(error):
            raise ClusterError(
                "rows in the memory of workers are lost, as a worker died or all were started again: make the data "
                "anew, and fit again."
            ) from None
        where = getattr(client.scheduler, "address", "of the cluster")
        raise ClusterError(
            f"the scheduler {where} is gone, does not answer, or has no workers ({type(error).__name__}): see that "
            "they run, and fit again; in Python, by a new Client."
        ) from None


LOST = {"lost dependencies", "already forgotten", "scheduler-restart"}
"""Why a scheduler that is there cancels what nobody told it to."""


def reasons(error: BaseException) -> set[str]:
    """Why futures were cancelled, by Dask's words; none of another error."""
    return {getattr(each, "reason", "") for each in getattr(error, "error_groups", [error])}


def required() -> Any:
    """The package distributed; SeparatrixError where it is not installed."""
    try:
        import distributed
    except ImportError:
        raise SeparatrixError("a Dask cluster needs the package distributed: pip install 'separatrix[dask]'.") from None
    return distributed


def current_client() -> Any:
    """The client that was made last; ArgumentError where there is none."""
    try:
        return required().get_client()
    except ValueError:
        raise ArgumentError(
            "data of Dask need a cluster: make a client first, client = dask.distributed.Client(), or pass one to "
            "separatrix.open(data, client=client)."
        ) from None


@contextmanager
def connected(scheduler: str | None = None, workers: int | None = None) -> Iterator[Any]:
    """A client of the scheduler at an address, or of a new local cluster of so many processes of a thread each, which
    ends with the context.

    Raises
    ------
    ArgumentError
        Not one of both is given, the address is none, or the number of workers is none.
    ClusterError
        No scheduler answers at the address.
    """
    distributed = required()
    if (scheduler is None) == (workers is None):
        raise ArgumentError(f"scheduler={scheduler!r}, workers={workers!r}: give one of the two.")
    if scheduler is None:
        if not isinstance(workers, int) or workers < 1:
            raise ArgumentError(f"workers={workers!r} must be a whole number, at least 1.")
        with started(distributed, workers) as cluster, distributed.Client(cluster) as client:
            yield client
        return
    log = logging.getLogger("distributed")
    level = log.level
    log.setLevel(logging.CRITICAL)  # its errors have many lines, ours has one
    try:
        client = met(distributed, scheduler)
        try:
            yield client
        finally:
            closed(client)
    finally:
        log.setLevel(level)


@contextmanager
def started(distributed: Any, workers: int) -> Iterator[Any]:
    """A local cluster of so many processes. Ctrl-C is for this process alone, which then stops them: they, and the
    threads that start others in their place, inherit that it is held back here."""
    from dask import config

    folder = Folder()  # of what scheduler and workers keep in files
    unfinished[str(folder.path)] = end_workers
    options = {"threads_per_worker": 1, "dashboard_address": ":0", "silence_logs": "CRITICAL"}
    options["local_directory"] = str(folder.path)
    if HOLDS:
        with quiet_tracker():  # first: the thread that starts it, and what that starts then, hold nothing back
            resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT}) if HOLDS else ()
    try:
        told = {"temporary-directory": str(folder.path), "distributed.scheduler.work-stealing": False}
        with config.set(told):  # stealing would move rows to idle workers
            cluster = distributed.LocalCluster(n_workers=workers, **options)
    finally:
        if HOLDS:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
    with cluster:
        yield cluster


def end_workers(folder: str) -> None:
    """Kills the processes that this one started, and removes the folder in which they write. Of themselves those that
    are still starting would not hear for seconds that they are alone."""
    for child in active_children():
        child.kill()
    rmtree(folder, ignore_errors=True)


@contextmanager
def quiet_tracker() -> Iterator[None]:
    """The process that removes semaphores after others, if it starts now, does so without a word: of a process that
    was stopped there are some."""
    option = "ignore:resource_tracker:UserWarning"
    sys.warnoptions.append(option)
    try:
        yield
    finally:
        sys.warnoptions.remove(option)


HOLDS = hasattr(signal, "pthread_sigmask")
"""Whether this system can hold a signal back."""


def met(distributed: Any, scheduler: str) -> Any:
    """A client of the scheduler at an address. It waits for a greeting without a limit, so it is made on a thread."""
    from distributed.comm.addressing import get_address_host_port

    try:
        host, port = get_address_host_port(scheduler)
        if not (host and 0 < port < 2**16):
            raise ValueError
    except ValueError:
        raise ArgumentError(
            f"scheduler={shown(scheduler)} is no address: give the one that 'dask scheduler' prints, such as "
            "tcp://host:8786."
        ) from None

    made: Future[Any] = Future()

    def meet() -> None:
        try:
            made.set_result(distributed.Client(scheduler, timeout=CONNECTING))
        except BaseException as error:
            made.set_exception(error)

    Thread(target=meet, daemon=True).start()
    try:
        return made.result(timeout=2 * CONNECTING)
    except Exception as error:  # whatever another server says
        raise ClusterError(
            f"no scheduler answers at {scheduler!r} ({type(error).__name__}): start one by 'dask scheduler', and give "
            "the address that it prints."
        ) from None


def closed(client: Any) -> None:
    """Closes a client, whether its scheduler hears of it or not."""
    with suppress(TimeoutError):
        client.close(timeout=CLOSING)
