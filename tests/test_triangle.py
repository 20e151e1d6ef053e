"""R of A = QR, by squares of the rows where these take no digits that count, else without."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from problems import seeds
from separatrix import LinearRegression
from separatrix.data.memory import memory_source
from separatrix.engine.linear.least_squares import Task, by_gram, by_squares, least_squares
from separatrix.engine.matrices.triangle import of_squares, triangle
from separatrix.equations.penalties import L2

LONG = np.longdouble


def rows(n: int, p: int, correlation: float, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    common = correlation**0.5 * random.normal(size=(n, 1))
    return common + (1.0 - correlation) ** 0.5 * random.normal(size=(n, p))


def solved(A: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The x with A x = b, A (p, p) positive definite, in extended precision."""
    A, b = A.astype(LONG), b.astype(LONG)
    for j in range(len(A)):
        share = A[j + 1 :, j] / A[j, j]
        A[j + 1 :] -= share[:, None] * A[j]
        b[j + 1 :] -= share * b[j]
    for j in range(len(A) - 1, -1, -1):
        b[j] = (b[j] - A[j, j + 1 :] @ b[j + 1 :]) / A[j, j]
    return b


@given(
    seeds,
    st.integers(1, 6),
    st.sampled_from([0.0, 0.9, 0.99, 0.9999, 1.0 - 1e-9, 1.0]),
    st.sampled_from([0, 10, 100, 160]),
)
def test_a_triangle_has_the_squares_of_its_rows_and_the_digits_of_qr(seed, p, correlation, apart):
    units = 10.0 ** np.random.default_rng(seed).uniform(-apart, apart, p)
    A = rows(40, p, correlation, seed) * units
    R, Q_R = triangle(A), np.linalg.qr(A, mode="r")
    length = np.linalg.norm(A / units, axis=0)
    off = (R / units).T @ (R / units) - (A / units).T @ (A / units)
    assert np.all(np.abs(off) <= 1e-14 * p * length * length[:, None])
    R, Q_R = (each * np.where(np.diagonal(each) < 0, -1.0, 1.0)[:, None] for each in (R, Q_R))
    if correlation <= 0.99:  # beyond, signs and digits of what is left of a column are of rounding
        assert np.all(np.abs(R - Q_R) <= 1e-13 * units * length)


def test_squares_are_not_taken_where_they_cost_digits_or_are_no_numbers():
    A = rows(50, 4, 0.0)
    assert of_squares(A.T @ A) is not None
    for near in (0.9999, 1.0):
        B = rows(50, 4, near)
        assert of_squares(B.T @ B) is None
    told = np.column_stack([A, A @ [1.0, 2.0, 3.0, 4.0] + 1e-3 * rows(50, 1, 0.0, seed=1)[:, 0]])
    assert of_squares(told.T @ told) is None
    for unit in (0.0, 1e-150, np.inf, np.nan):
        G = A.T @ A
        G[0] *= unit
        G[:, 0] *= unit
        with np.errstate(invalid="ignore"):
            assert of_squares(G) is None
    assert of_squares(np.empty((0, 0))) is None


@pytest.mark.parametrize("correlation", [0.0, 0.9, 0.98, 0.9999])
@pytest.mark.parametrize("alpha", [0.0, 10.0])
def test_estimates_of_many_rows_have_twelve_digits(correlation, alpha):
    X = rows(30_000, 8, correlation) + 3.0
    y = X[:, 0] - X[:, 1] + 0.5 + rows(30_000, 1, 0.0, seed=1)[:, 0]
    Z = np.column_stack([X, np.ones(len(X))]).astype(LONG)
    best = solved(Z.T @ Z + np.diag([LONG(alpha)] * 8 + [LONG(0)]), Z.T @ y)
    model = LinearRegression(alpha=alpha).fit(X, y)
    found = np.append(model.coef_, model.intercept_)
    np.testing.assert_allclose(found, best.astype(float), rtol=0, atol=1e-12 * float(np.abs(best).max()))
    assert model.certificate_.gap <= 1e-20 * y.var()


@pytest.mark.parametrize("alpha", [0.0, 10.0])
def test_many_columns_are_squared_where_that_takes_no_digits_and_little_room(alpha):
    for n, correlation, serves in ((12_000, 0.5, True), (12_000, 0.9999, False), (9_000, 0.5, False)):
        X = rows(n, 256, correlation) + 3.0  # so few of the rows are nearer to dependent than all are
        y = X[:, :3].sum(axis=1) + rows(n, 1, 0.0, seed=1)[:, 0] * 3
        source, penalty = memory_source(X, y[:, None], centre=True), L2(np.full(256, alpha))
        found, known = least_squares(source, 1, penalty, True), by_gram(source, Task(1, penalty, True))
        assert known is not None
        assert found.trace.solver == ("qr" if serves else known.trace.solver)
        assert (by_squares(source, Task(1, penalty, True)) is not None) == serves
        np.testing.assert_allclose(found.coefficients, known.coefficients, rtol=0, atol=1e-11)
        assert found.certificate.gap <= 1e-18 * y.var()
