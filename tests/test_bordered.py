"""Systems among some coefficients of a matrix, after others that were nearly the same."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from separatrix.engine.matrices import bordered
from separatrix.engine.matrices.bordered import Bordered
from separatrix.engine.matrices.linear_algebra import solve_positive


def positive(random: np.random.Generator, n: int) -> np.ndarray:
    """A positive definite (n, n), whose columns have units of their own."""
    A = random.standard_normal((2 * n, n)) * 10.0 ** random.uniform(-3, 3, n)
    return A.T @ A


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.floats(0, 1))
def test_whichever_coefficients_came_and_left_the_answer_is_that_of_a_factor_of_their_own(seed, n, share):
    random = np.random.default_rng(seed)
    H = positive(random, n)
    solve, inside = Bordered(H), random.random(n) < share
    for _ in range(6):
        some = np.flatnonzero(inside)
        x, b = solve(some, unit_of(H, some)), unit_of(H, some)
        expected = solve_positive(H[np.ix_(some, some)], b)
        scale = np.sqrt(H.diagonal()[some])
        np.testing.assert_allclose(x * scale, expected * scale, atol=1e-6 * np.abs(expected * scale).max(initial=0.0))
        inside ^= random.random(n) < 0.1


def unit_of(H: np.ndarray, some: np.ndarray) -> np.ndarray:
    """A right side in the units of the matrix."""
    return np.sqrt(H.diagonal()[some]) * np.cos(some)


@pytest.fixture
def factors(monkeypatch):
    """The sizes of the factors that were made."""
    made, make = [], bordered.factor_positive
    monkeypatch.setattr(bordered, "factor_positive", lambda A, spare: made.append(len(A)) or make(A, spare=spare))
    return made


def test_a_set_that_changes_little_needs_no_factor_of_its_own(factors):
    H, some = positive(np.random.default_rng(0), 60), np.arange(50)
    solve = Bordered(H)
    for changed in (some, some[2:], np.append(some[2:], 55), some):
        solve(changed, unit_of(H, changed))
    assert factors == [50]
    solve(np.arange(20), unit_of(H, np.arange(20)))
    assert factors == [50, 20]


def test_an_answer_that_is_not_exact_is_left_to_a_factor(factors):
    """The first two columns all but repeat each other: their factor has lost the digits of what either is alone, so
    that it hangs on rounding whether a border will do."""
    few = np.delete(np.arange(40), 1)
    for seed in range(20):
        A = np.random.default_rng(seed).standard_normal((80, 40))
        A[:, 1] = A[:, 0] + 1e-7 * A[:, 1]
        H = A.T @ A
        solve, b = Bordered(H), H[few][:, few] @ np.ones(39)
        solve(np.arange(40), H.sum(axis=1))
        np.testing.assert_allclose(solve(few, b), np.ones(39), rtol=1e-7)
    assert factors.count(40) == 20
    assert factors.count(39) > 0


def test_a_matrix_that_rounding_has_made_indefinite_keeps_its_ridge_in_a_border(factors):
    A = np.random.default_rng(0).standard_normal((10, 30))
    H = (A.T @ A).astype(np.float32).astype(float)  # of rank 10, but for rounding
    solve = Bordered(H)
    first = solve(np.arange(28), H[:28, 0])
    assert solve.factor.ridge > 0
    there = solve(np.arange(29), H[:29, 0])
    assert factors == [28]
    for x, n in ((first, 28), (there, 29)):
        np.testing.assert_allclose(H[:n, :n] @ x, H[:n, 0], atol=1e-3 * np.abs(H).max())
