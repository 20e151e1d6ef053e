"""Threads that share work, the one that asks for it among them."""

import threading
import warnings

import numpy as np
import pytest

from separatrix import LogisticRegression
from separatrix.data.threads import in_order, within_a_pass, workers
from separatrix.errors import SeparatrixWarning


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("ahead", [1, 3, 40])
def test_results_come_in_the_order_of_their_items(threads, ahead):
    pause = np.random.default_rng(0).uniform(0, 2e-3, 30)

    def work(i: int) -> int:
        threading.Event().wait(pause[i])
        return i

    with workers(threads) as pool:
        assert list(in_order(pool, work, range(30), ahead)) == list(range(30))
    assert not within_a_pass()


@pytest.mark.parametrize("threads", [2, 3])
def test_the_thread_that_asks_is_one_of_those_that_work(threads):
    met = threading.Barrier(threads, timeout=20)  # passed by so many at once alone

    def work(_: int) -> threading.Thread:
        met.wait()
        return threading.current_thread()

    with workers(threads) as pool:
        seen = list(in_order(pool, work, range(threads), ahead=threads))
    assert len(set(seen)) == threads
    assert threading.current_thread() in seen


def test_the_first_of_two_errors_is_raised_whichever_came_first():
    later = threading.Event()

    def work(i: int) -> None:
        if i == 0:
            later.wait(20)
        else:
            later.set()
        raise ValueError(f"item {i}")

    with workers(2) as pool, pytest.raises(ValueError, match="item 0"):
        list(in_order(pool, work, range(2), ahead=2))


def test_no_more_is_begun_than_was_asked_for_ahead():
    begun = []

    def items():
        for i in range(100):
            begun.append(i)
            yield i

    with workers(2) as pool:
        some = in_order(pool, abs, items(), ahead=3)
        assert [next(some), next(some)] == [0, 1]
        some.close()
    assert len(begun) <= 2 + 3


def test_work_that_shares_work_does_it_alone():
    with workers(2) as pool:

        def ten(i: int) -> list[int]:
            return list(in_order(pool, lambda j: 10 * i + j, range(3), ahead=3))

        assert list(in_order(pool, ten, range(4), ahead=4)) == [[10 * i + j for j in range(3)] for i in range(4)]


def test_what_a_fit_lets_numpy_pass_over_its_threads_do_too():
    """Steps may lead beyond numbers on any thread; a RuntimeWarning is an error here."""
    for seed in range(4):
        rng = np.random.default_rng(seed)
        X, offset = rng.normal(size=(4, 60)), 1e4 * rng.normal(size=4)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SeparatrixWarning)
            model = LogisticRegression(l1_ratio=1.0, C=1e10, n_threads=2).fit(X, [0, 1, 0, 1], offset=offset)
        assert np.isfinite(model.coef_).all()
