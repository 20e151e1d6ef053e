"""Properties that are made once are made without a lock."""

import os
import signal
import sys
from threading import Event, Thread

import pytest

from separatrix.cached import cached_property


class Answer:
    """One whose property is not there until it is let go."""

    def __init__(self, wait=None, begun=None):
        self.wait, self.begun = wait, begun

    @cached_property
    def value(self) -> object:
        """A new one each time it is made."""
        if self.wait is not None and self.begun is not None:
            self.begun.set()
            assert self.wait.wait(60)
        return object()


@pytest.fixture
def slow():
    """An answer that another thread is making."""
    slow = Answer(wait=Event(), begun=Event())
    thread = Thread(target=lambda: slow.value)
    thread.start()
    assert slow.begun.wait(60)
    yield slow
    slow.wait.set()
    thread.join()


def test_a_property_is_made_once_for_each_instance():
    one, other = Answer(), Answer()
    assert one.value is one.value
    assert one.value is not other.value
    assert Answer.value.__doc__ == "A new one each time it is made."


def test_no_instance_waits_for_another(slow):
    ours = Thread(target=lambda: Answer().value, daemon=True)
    ours.start()
    ours.join(20)
    assert not ours.is_alive()


@pytest.mark.skipif(sys.platform != "linux", reason="fork is safe on Linux alone")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_nor_does_a_process_forked_while_one_is_made(slow):
    if (child := os.fork()) == 0:
        signal.alarm(20)
        os._exit(Answer().value is None)
    assert os.waitpid(child, 0)[1] == 0
