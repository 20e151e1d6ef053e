"""Sums in twice the precision, against exact rational numbers; and what they are for, ill-conditioned least squares."""

from fractions import Fraction

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy import sparse

from problems import seeds
from seldom import seldom
from separatrix.data.block import Block
from separatrix.data.memory import memory_source
from separatrix.engine.linear import least_squares as engine
from separatrix.engine.linear.preconditioned import doubled_pull
from separatrix.engine.matrices.double_double import pull, sum_rows, sum_runs, two_product, two_sum
from separatrix.equations.penalties import L2
from test_least_squares import FILIP_DATA, digits, powers


def of_any_size(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.normal(size=shape) * 10.0 ** rng.integers(-8, 9, shape)


@given(seeds)
def test_a_sum_or_product_and_its_error_are_exact(seed):
    a, b = of_any_size(np.random.default_rng(seed), 2, 5)
    for x, y, total, lost, product, more in zip(a, b, *two_sum(a, b), *two_product(a, b), strict=True):
        assert Fraction(total) + Fraction(lost) == Fraction(x) + Fraction(y)
        assert Fraction(product) + Fraction(more) == Fraction(x) * Fraction(y)


@pytest.mark.parametrize("rows", [0, 1, 2, 7, 64])
def test_a_sum_of_rows_that_cancel_keeps_its_digits(rows):
    a = of_any_size(np.random.default_rng(rows), rows, 3)
    both = np.concatenate([a * 1e8, [[1.0, 2.0, 3.0]], -a * 1e8])
    assert sum(sum_rows(both)).tolist() == [1.0, 2.0, 3.0]


@pytest.mark.parametrize("lengths", [[], [0, 0], [1, 0, 2], [64, 7, 0, 5, 33]])
def test_a_sum_of_runs_that_cancel_keeps_its_digits(lengths):
    rng = np.random.default_rng(len(lengths))
    runs = [of_any_size(rng, length) for length in lengths]
    both = [np.concatenate([run * 1e8, [1.0, 2.0], -run * 1e8]) if len(run) else run for run in runs]
    found = sum_runs(np.concatenate([[], *both]), np.array([len(run) for run in both], dtype=int))
    assert sum(found).tolist() == [3.0 * (length > 0) for length in lengths]


@given(seeds, st.sampled_from([np.asarray, sparse.csr_array]))
def test_what_is_left_of_the_normal_equations_is_right_to_the_last_digit_where_nearly_all_cancels(seed, form):
    rng = np.random.default_rng(seed)
    D, theta, weight = of_any_size(rng, 9, 3), of_any_size(rng, 3, 2), rng.uniform(0.1, 3.0, 9)
    D[rng.random(D.shape) < 0.3] = 0.0
    y = D @ theta
    found = sum(pull(form(D), (y, np.zeros_like(y)), weight, theta))
    D, y, theta, w = ([list(map(Fraction, row)) for row in np.atleast_2d(A).tolist()] for A in (D, y, theta, weight))
    for j in range(3):
        for t in range(2):
            rows = [D[i][j] * w[0][i] * (y[i][t] - sum(D[i][k] * theta[k][t] for k in range(3))) for i in range(len(y))]
            assert found[j, t] == pytest.approx(float(sum(rows)), rel=1e-9)


def exact(D: np.ndarray, y: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """The least-squares estimate of these doubles, (P,), from the normal equations in 120 digits."""
    with mpmath.workdps(120):
        A, W = mpmath.matrix(D.tolist()), mpmath.diag(weight.tolist())
        found = mpmath.lu_solve(A.T * W * A, A.T * W * mpmath.matrix(y.tolist()))
    return np.array([float(value) for value in found])


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array])
def test_nearly_collinear_columns_get_the_digits_that_mpmath_has(form):
    rng = np.random.default_rng(0)
    X, weight, offset = rng.normal(size=(50, 4)), rng.uniform(0.1, 3.0, 50), rng.normal(size=(50, 1))
    X[:, 3] = X[:, 0] - X[:, 1] + 1e-7 * X[:, 3]
    y = 1e3 * rng.normal(size=(50, 1))
    source = memory_source(form(X), y, weight, offset=offset, n_threads=1)
    found = engine.least_squares(source, 1, L2(np.zeros(4)), True)
    known = exact(np.column_stack([np.ones(50), X]), (y - offset)[:, 0], weight)
    assert digits(np.append(found.intercepts, found.coefficients), known) > 13


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array])
def test_nothing_is_left_of_a_block_without_rows(form):
    block = Block(form(np.zeros((0, 3))), np.zeros((0, 2)), np.zeros(0))
    assert not np.any(doubled_pull(block, np.ones((4, 2)), 1))


def test_sparse_rows_are_read_again_without_their_zeros(monkeypatch):
    rng = np.random.default_rng(4)
    level, y = rng.integers(0, 200, 2000), rng.normal(1e3, 1.0, size=(2000, 1))
    X = sparse.csr_array((np.ones(2000), (np.arange(2000), level)), shape=(2000, 200))[:, 1:]
    known = engine.least_squares(memory_source(X.toarray(), y), 1, L2(np.zeros(199)), True)
    monkeypatch.setattr("separatrix.engine.linear.preconditioned.beside_ones", None)  # which fills them
    monkeypatch.setattr("separatrix.engine.linear.preconditioned.DOUBLED_CELLS", 200)
    found = engine.least_squares(memory_source(X, y), 1, L2(np.zeros(199)), True)
    assert found.trace.passes > 2
    assert digits(found.coefficients, known.coefficients) > 12


def test_any_cut_into_blocks_has_the_same_digits(monkeypatch):
    rng = np.random.default_rng(1)
    X, y = powers(rng.normal(size=3000), 9), rng.normal(size=(3000, 1))
    whole = engine.least_squares(memory_source(X, y), 1, L2(np.zeros(9)), True)
    monkeypatch.setattr("separatrix.data.memory.CELLS", 700)
    monkeypatch.setattr("separatrix.engine.linear.preconditioned.DOUBLED_CELLS", 200)
    parts = engine.least_squares(memory_source(X, y), 1, L2(np.zeros(9)), True)
    assert digits(parts.coefficients, whole.coefficients) > 12


def test_filip_is_solved_to_the_last_digits_of_its_rounded_powers():
    # Of which x^10 in double precision has lost more than the certified values show: these ask for exact powers.
    y, x = np.array(FILIP_DATA.split(), dtype=float).reshape(-1, 2).T
    found = engine.least_squares(memory_source(powers(x, 10), y[:, None]), 1, L2(np.zeros(10)), True)
    known = exact(np.column_stack([np.ones(82), powers(x, 10)]), y, np.ones(82))
    assert digits(np.append(found.intercepts, found.coefficients), known) > 12


def test_well_conditioned_rows_are_not_read_again():
    rng = np.random.default_rng(2)
    X = rng.normal(size=(200, 3))
    y = X @ np.ones((3, 1)) + rng.normal(size=(200, 1))
    trace = engine.least_squares(memory_source(X, y), 1, L2(np.zeros(3)), True).trace
    assert trace.passes == 2


@pytest.mark.parametrize("scale", [1e-6, 1.0, *seldom(1e6)])
def test_rows_are_not_read_again_for_an_estimate_far_below_its_standard_error(scale):
    rng = np.random.default_rng(3)
    X, noise = rng.normal(size=(120, 3)), rng.normal(size=120)
    D = np.column_stack([np.ones(120), X])
    noise -= (1 - 1e-6) * D @ np.linalg.lstsq(D, noise)[0]
    y, weight = X[:, 0] + noise, np.full(120, scale)
    found = engine.least_squares(memory_source(X, y[:, None], weight), 1, L2(np.zeros(3)), True)
    known, error = exact(D, y, weight), 1 / np.sqrt(120)
    assert np.abs(known[2:]).max() < 1e-5 * error
    assert found.trace.passes == 2
    assert_allclose(np.append(found.intercepts, found.coefficients), known, rtol=1e-13, atol=1e-13 * error)
