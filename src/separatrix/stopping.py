"""Ctrl-C, and being told to end: what is half written goes, one line says so, and the process is over.

Python would raise an exception at whatever line runs then: between a file being made and the `try` that removes it, or
in a finaliser, where it is lost. So the command unwinds nothing. It imports this first, and this imports little.
"""

import atexit
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn

unfinished: dict[str, Callable[[str], Any]] = {}
"""The paths of what must not stay when the process is stopped, and what removes each."""
SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
CLEAR = "\r\x1b[2K\x1b[?25h"
"""Takes the progress line from a terminal, and gives it its cursor back."""


class Stop:
    """How the process stands: what `left` of its work, in words; whether it may not be stopped now, and since was."""

    left: str = "no file was written"
    held: int = 0
    by: int | None = None


stop = Stop()


def listen() -> None:
    """From now on signals stop the process, unless whoever started it had them ignored."""
    heard = [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    _answer(heard, _stopped)
    # Registered first, it runs last: all is done by then, and only the interpreter takes itself apart.
    atexit.register(_answer, heard, signal.SIG_IGN)


def _answer(numbers: list[signal.Signals], answer: Any) -> None:
    for number in numbers:
        signal.signal(number, answer)


@contextmanager
def held() -> Iterator[None]:
    """What is done within is done whole: to be stopped waits for its end."""
    stop.held += 1
    try:
        yield
    finally:
        stop.held -= 1
        if stop.by is not None and not stop.held:
            _end(stop.by)


def _stopped(number: int, frame: FrameType | None) -> None:
    if stop.held:
        stop.by = number
    else:
        _end(number)


def _end(number: int) -> NoReturn:
    err = _alone_with_stderr()
    try:
        for path, remove in list(unfinished.items()):
            try:
                remove(path)
            except FileNotFoundError:  # not made yet, or already in its place
                continue
        said = f"separatrix: stopped; {stop.left}\n"
    except OSError as error:
        said = f"separatrix: stopped; {error.filename} cannot be removed: {error.strerror}; remove it.\n"
    try:
        clear = CLEAR if os.isatty(err) else ""
        os.write(err, f"{clear}{said}".encode())
    finally:
        os._exit(128 + number)


def _alone_with_stderr() -> int:
    """What writes to standard error, which processes that other threads start from now on do not have: in place of a
    worker that is killed they start another, whose last words are that it is alone."""
    try:
        err = os.dup(2)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    except OSError:  # it is closed
        return 2
    return err
