"""Half of a symmetric matrix, packed and factored in place, against the whole."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from scipy.linalg import LinAlgError

from separatrix.data.memory import memory_source
from separatrix.engine.grams import scaled_rows, shared_gram, sum_of_squares
from separatrix.engine.matrices.packed import Half, packed, solve_packed
from separatrix.engine.matrices.panels import on_disk


def positive(n: int) -> np.ndarray:
    A = np.random.default_rng(n).normal(size=(n + 3, n))
    return A.T @ A


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 8, 9])
def test_half_of_a_matrix_has_its_columns_and_its_diagonal(n):
    A = positive(n)
    half, first = Half.of(A), slice(0, (n + 1) // 2)
    last = slice(first.stop, n)
    np.testing.assert_array_equal(np.tril(half.part(slice(0, n), first)), np.tril(A)[:, first])
    np.testing.assert_array_equal(np.tril(half.part(last, last)), np.tril(A[last, last]))
    np.testing.assert_array_equal(half.diagonal, np.diagonal(A))
    np.testing.assert_array_equal(half.full(), np.tril(A) + np.tril(A, -1).T)
    np.testing.assert_array_equal(half.times(2.0).numbers, Half.of(2.0 * A).numbers)
    chosen = np.arange(0, n, 3)
    half.part_with(chosen)
    A[chosen], A[:, chosen] = A[chosen] * np.eye(n)[chosen], A[:, chosen] * np.eye(n)[:, chosen]
    np.testing.assert_array_equal(half.full(), np.tril(A) + np.tril(A, -1).T)
    half.divide(np.sqrt(np.diagonal(A)))
    np.testing.assert_allclose(half.diagonal, 1.0)


@pytest.mark.parametrize("n", [1, 2, 5, 6])
def test_a_packed_factor_solves_as_the_matrix_does_however_small_the_right_side(n):
    A, b = positive(n), np.random.default_rng(0).normal(size=(n, 2)) * 1e-60
    factor = packed(lambda: Half.of(A.astype(np.float32)), np.ones(n))
    np.testing.assert_allclose(solve_packed(factor, b), np.linalg.solve(A + np.eye(n), b), rtol=1e-3)
    np.testing.assert_allclose(solve_packed(factor, b[:, 0]), solve_packed(factor, b)[:, 0], rtol=1e-5)


@pytest.mark.parametrize("n", [1, 127, 128, 129, 300])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_factor_on_disk_solves_as_the_matrix_does(n, dtype):
    A, b = positive(n), np.random.default_rng(0).normal(size=(n, 2)) * 1e-60
    root = np.linalg.cholesky(A).T.astype(dtype)  # A = root' root
    for pool in (None, ThreadPoolExecutor(2)):
        factor = on_disk(lambda first: iter([root[: n // 2, first:], root[n // 2 :, first:]]), np.ones(n), pool, dtype)
        assert factor is not None
        known = np.linalg.solve(A + np.eye(n), b)
        near = 1e-3 if dtype is np.float32 else 1e-10
        np.testing.assert_allclose(factor.solve(b), known, atol=near * np.abs(known).max(), rtol=0)
        np.testing.assert_allclose(factor.unit, np.sqrt(np.diagonal(A) + 1.0), rtol=1e-5)
        np.testing.assert_allclose(factor.solve(b[:, :1]), known[:, :1], atol=near * np.abs(known).max(), rtol=0)


def test_a_matrix_that_is_not_positive_definite_is_made_again_for_a_ridge():
    made = []

    def make() -> Half:
        made.append(1)
        return Half.of(np.ones((3, 3), dtype=np.float32) - 1e-4 * np.eye(3, dtype=np.float32))

    factor = packed(make, np.zeros(3))
    assert len(made) > 1
    assert np.isfinite(solve_packed(factor, np.ones(3))).all()
    halves = lambda first: iter([np.ones((1, 300 - first), dtype=np.float32)])  # noqa: E731
    onto = on_disk(halves, np.append(np.zeros(299), -1e-4), None, np.float32)
    assert onto is not None
    assert np.isfinite(onto.solve(np.ones((300, 1)))).all()
    with pytest.raises(LinAlgError, match="NaN or infinity"):
        on_disk(lambda first: iter([np.full((1, 2 - first), np.nan)]), np.zeros(2), None, np.float64)
    with pytest.raises(LinAlgError, match="NaN or infinity"):
        packed(lambda: Half.of(np.full((2, 2), np.nan)), np.zeros(2))


@pytest.mark.parametrize("p", [600, 601])
@pytest.mark.parametrize("ones", [0, 1])
def test_threads_sum_half_a_gram_matrix_of_many_columns_less_their_mean(p, ones):
    rng = np.random.default_rng(p)
    X, weight, mean = rng.normal(size=(700, p)) + 3.0, rng.uniform(0.0, 2.0, 700), rng.normal(size=p)
    D = np.hstack([X - mean, np.ones((700, ones))])
    known = Half.of((D.T * weight) @ D).numbers
    with memory_source(X, X[:, :1], weight, n_threads=2).working() as source:
        for dtype, least in ((np.float64, 1e-11), (np.float32, 1e-2)):
            halves = scaled_rows(source, ones, lambda block: block.weight, dtype, mean)
            found = sum_of_squares(halves, p + ones, dtype, source.pool)
            np.testing.assert_allclose(found.numbers, known, atol=least)
        far = memory_source(X * 1e20, X[:, :1], weight, n_threads=2)
        assert np.isfinite(shared_gram(far, ones, lambda block: block.weight, np.float32).numbers).all()
