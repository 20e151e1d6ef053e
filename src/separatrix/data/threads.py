"""How many threads share a pass over the data, and the processor with BLAS."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass, field
from functools import cache, partial
from threading import Lock, local
from typing import Any, Generic, TypeVar

import numpy as np
from threadpoolctl import ThreadpoolController

from separatrix.arguments import shown
from separatrix.errors import ArgumentError

AT_HAND = 2**21  # bytes of an array of a block; from 4 MB on NumPy asks for huge pages
WAITING = 64  # of work that leaves nothing to take: enough for any number of threads
A = TypeVar("A")
B = TypeVar("B")


def thread_count(asked: int | None = None) -> int:
    """`asked`, else $SEPARATRIX_NUM_THREADS, else the first number of $OMP_NUM_THREADS (which joblib sets), else this
    process's cores.

    >>> thread_count(3)
    3
    """
    own = os.environ.get("SEPARATRIX_NUM_THREADS", "").strip()
    if asked is not None or own:
        name, number = ("n_threads", asked) if asked is not None else ("$SEPARATRIX_NUM_THREADS", own)
        if not str(number).isdecimal() or int(number) < 1:
            raise ArgumentError(f"{name}={shown(number)} must be a whole number, at least 1.")
        return int(number)
    of_openmp = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()  # of each level of nesting a number
    if of_openmp.isdecimal() and int(of_openmp) > 0:
        return int(of_openmp)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def keep_at_hand(size: int) -> None:
    """From now on the C library of Linux keeps what is freed in pieces of up to so many bytes, at most 32 MB. Else
    large arrays have new pages each time, and products that make many take longer.

    What it keeps is no larger than the largest piece that ever was freed, so it is told by one of which no page is
    touched.
    """
    np.empty(size, dtype=np.uint8)


@contextmanager
def workers(n_threads: int) -> Iterator[ThreadPoolExecutor | None]:
    """Threads that share passes with the one that asks for them, as long as the context lasts; None for it alone.

    They end with it: a process that forks between two fits has none to lose.
    """
    keep_at_hand(AT_HAND)
    if n_threads == 1:
        yield None
    else:
        # A thread starts when there is work for one, and works for a pass all its life.
        with ThreadPoolExecutor(n_threads - 1, initializer=setattr, initargs=(_within, "a_pass", True)) as pool:
            yield pool


def within_a_pass() -> bool:
    """Whether this thread works for a pass: one that it asks for it must make itself, as all others may be waiting."""
    return getattr(_within, "a_pass", False)


_within = local()


def in_order(pool: ThreadPoolExecutor | None, work: Callable[[A], B], items: Iterable[A], ahead: int) -> Iterator[B]:
    """work(item) of each, in their order; at most `ahead` of them wait or are worked on while one is taken.

    The thread that asks works, too, while it would wait: what each thread frees, the C library keeps for that one.

    >>> list(in_order(None, abs, [-1, 2], ahead=4))
    [1, 2]
    """
    if pool is None or within_a_pass():
        yield from map(work, items)
        return
    waiting: deque[_Job[B]] = deque()
    try:
        for item in items:
            job = partial(work, item)
            # In the context of the one that asks: what it lets NumPy pass over, its helpers do, too.
            waiting.append(_Job(job, pool.submit(copy_context().run, job)))
            if len(waiting) > ahead:
                yield _first_of(waiting)
        while waiting:
            yield _first_of(waiting)
    finally:
        for job in waiting:
            job.done.cancel()


def for_each(pool: ThreadPoolExecutor | None, work: Callable[[A], Any], items: Iterable[A]) -> None:
    """work(item) of each, for what it does; errors are raised."""
    deque(in_order(pool, work, items, WAITING), maxlen=0)


@dataclass
class _Job(Generic[B]):
    """What is to be done, and what will come of it."""

    work: Callable[[], B]
    done: Future[B]

    def taken(self) -> bool:
        """Whether it was done here and now, as no other thread had begun it."""
        if not self.done.cancel():
            return False
        self.done = Future()
        _within.a_pass = True
        try:
            self.done.set_result(self.work())
        except Exception as error:  # is raised when its turn comes
            self.done.set_exception(error)
        finally:
            _within.a_pass = False
        return True


def _first_of(waiting: deque[_Job[B]]) -> B:
    """The result of the first. Until it is there, this thread does what others have not begun."""
    while not waiting[0].done.done() and any(job.taken() for job in waiting):
        pass
    return waiting.popleft().done.result()


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Holds BLAS to one thread: its own wait for each other in a loop, and on a busy core they wait long.

    The number is the whole process's, so fits on several threads share one hold: the first takes it, the last gives it
    back. Otherwise one that ends gives its neighbours another number, and their sums other bits.
    """
    hold = _hold
    with hold.lock:
        if hold.fits == 0:
            held = [(library, threads) for library in _blas() if (threads := library.num_threads) != 1]
            hold.before = held or hold.before
            for library, _ in hold.before:
                _set_threads(library, 1)
        hold.fits += 1
    try:
        yield
    finally:
        with hold.lock:
            hold.fits -= 1
            while hold.before and hold.fits == 0:
                _set_threads(*hold.before.pop())


def _set_threads(library: Any, threads: int) -> None:
    """From whichever thread: threadpoolctl (3.8) heeds the first that sets a number as long as it lives, no other, and
    here the one that gives back need not be the one that took.
    """
    clear = getattr(library, "clear_controlling_thread", lambda force: None)
    clear(force=True)
    library.set_num_threads(threads)
    clear(force=True)


@dataclass
class _Hold:
    """How many fits hold BLAS to one thread, and how many threads its libraries had before."""

    fits: int = 0
    before: list[tuple[Any, int]] = field(default_factory=list)
    lock: Lock = field(default_factory=Lock)


_hold = _Hold()


def _forget() -> None:
    """In a forked process the threads that held are gone, and would never let go: its own next fit does."""
    global _hold
    _hold = _Hold(before=_hold.before)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


@cache
def _blas() -> list[Any]:
    """The BLAS libraries of this process; finding them takes milliseconds, so once."""
    return ThreadpoolController().select(user_api="blas").lib_controllers
