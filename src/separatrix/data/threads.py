"""How many threads a pass over the data uses, and how they share the processor with BLAS."""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from functools import cache
from typing import Any, TypeVar

from threadpoolctl import ThreadpoolController

from separatrix.errors import ArgumentError

S = TypeVar("S")
T = TypeVar("T")


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


def on_threads(function: Callable[[S], T], parts: Iterable[S], n_threads: int) -> list[T]:
    """function of each part, in order. BLAS should be held to one thread meanwhile: see `one_blas_thread`.

    Threads are started and ended here: a process that forks between two calls has none to lose.
    """
    with ThreadPoolExecutor(n_threads) as pool:
        return list(pool.map(function, parts))


def one_blas_thread() -> AbstractContextManager[Any]:
    """Holds BLAS to one thread: its own wait for each other in a loop, and on a busy core they wait long."""
    return _blas().limit(limits=1, user_api="blas")


@cache
def _blas() -> ThreadpoolController:
    """The BLAS libraries of this process; finding them takes milliseconds, so once."""
    return ThreadpoolController()
