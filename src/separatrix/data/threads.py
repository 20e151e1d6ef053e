"""How many threads share a pass over the data, and the processor with BLAS."""

import os
from contextlib import AbstractContextManager
from functools import cache
from typing import Any

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


def one_blas_thread() -> AbstractContextManager[Any]:
    """Holds BLAS to one thread: its own wait for each other in a loop, and on a busy core they wait long."""
    return _blas().limit(limits=1, user_api="blas")


@cache
def _blas() -> ThreadpoolController:
    """The BLAS libraries of this process; finding them takes milliseconds, so once."""
    return ThreadpoolController()
