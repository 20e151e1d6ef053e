"""How many threads share a pass over the data, and the processor with BLAS."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cache
from threading import Lock

from threadpoolctl import ThreadpoolController

from separatrix.errors import ArgumentError


def thread_count(asked: int | None = None) -> int:
    """`asked`, else $SEPARATRIX_NUM_THREADS, else $OMP_NUM_THREADS (which joblib sets), else this process's cores.

    >>> thread_count(3)
    3
    """
    names = "SEPARATRIX_NUM_THREADS", "OMP_NUM_THREADS"
    told = asked if asked is not None else next((os.environ[name] for name in names if os.environ.get(name)), None)
    if told is None:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if not str(told).isdigit() or int(told) < 1:
        raise ArgumentError(f"n_threads={told!r} must be a whole number, at least 1.")
    return int(told)


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Holds BLAS to one thread: its own wait for each other in a loop, and on a busy core they wait long.

    The number is the whole process's, so fits on several threads share one hold: the first takes it, the last gives it
    back. Otherwise one that ends gives its neighbours another number, and their sums other bits.
    """
    hold = _hold
    with hold.lock:
        if hold.fits == 0:
            hold.limit.enter_context(_blas().limit(limits=1, user_api="blas"))
        hold.fits += 1
    try:
        yield
    finally:
        with hold.lock:
            hold.fits -= 1
            if hold.fits == 0:
                hold.limit.close()


@dataclass
class _Hold:
    """How many fits hold BLAS to one thread, and what to undo when none does."""

    fits: int = 0
    limit: ExitStack = field(default_factory=ExitStack)
    lock: Lock = field(default_factory=Lock)


_hold = _Hold()


def _forget() -> None:
    """In a forked process the threads that held are gone, and would never let go."""
    global _hold
    _hold = _Hold()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


@cache
def _blas() -> ThreadpoolController:
    """The BLAS libraries of this process; finding them takes milliseconds, so once."""
    return ThreadpoolController()
