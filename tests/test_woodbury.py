"""Models of more coefficients than rows, by matrices of the rows: the equations, and the fits that need them."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy import sparse

from problems import seeds
from separatrix import LinearRegression, LogisticRegression
from separatrix.data.memory import memory_source
from separatrix.engine.lasso.quadratic_model import Curvature
from separatrix.engine.lasso.woodbury import Woodbury
from separatrix.engine.lasso.working_model import gram, products
from separatrix.engine.matrices.room import Room
from separatrix.engine.objective import Evaluation, Objective
from separatrix.engine.solvers import working_sets
from separatrix.equations.losses import LogLoss, SoftmaxLoss
from separatrix.equations.penalties import elastic_net

ROOM = Room(np.inf, np.inf)
ROWS_ALONE = Room(64.0 * 180**2, 0.0)  # for matrices of up to 180 numbers


def at_random(rng: np.random.Generator, X: Any, K: int, fit_intercept: bool) -> tuple[Objective, Evaluation]:
    """An objective over rows of X that have weights, and what it is somewhere."""
    (n, p), loss = X.shape, LogLoss() if K == 1 else SoftmaxLoss()
    y = rng.integers(0, 2, (n, 1)) * 1.0 if K == 1 else rng.integers(0, K, n)
    penalty = elastic_net(rng.uniform(0.01, 0.1, p), 0.5)
    objective = Objective(memory_source(X, y, rng.uniform(0.5, 2.0, n)), loss, penalty, fit_intercept)
    return objective, objective.evaluate(rng.normal(size=(p + fit_intercept, K)) / p**0.5, order=1, keep_state=True)


def matrix_of(H: Curvature) -> np.ndarray:
    """H, by its products."""
    return np.column_stack([H.times(unit) for unit in np.eye(len(H.diagonal))])


@given(seeds, st.integers(2, 10), st.sampled_from([1, 3]), st.booleans(), st.booleans())
def test_equations_solved_by_the_rows_are_those_of_the_curvature(seed, n, K, fit_intercept, as_sparse):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 40)) * (rng.random((n, 40)) < 0.5) + 3.0 * (not as_sparse)
    objective, at = at_random(rng, sparse.csr_array(X) if as_sparse else X, K, fit_intercept)
    H, t = products(objective, at, 0.1, ROOM)
    by_rows, whole = Woodbury(objective, at, t, H).by_rows, matrix_of(H)
    D, b = 10 ** rng.uniform(-6, 3, len(whole)), rng.normal(size=len(whole))
    x = by_rows.plus(D)(b)
    assert_allclose(whole @ x + D * x, b, atol=1e-6 * np.abs(b).max())
    some = np.sort(rng.permutation(40 * K)[: rng.integers(1, 40 * K)])  # weights: intercepts that move alike cost none
    assert_allclose(whole[np.ix_(some, some)] @ by_rows.solve(some, b[some]), b[some], atol=1e-6 * np.abs(b).max())


@given(seeds, st.booleans())
def test_of_sparse_rows_and_one_column_of_eta_they_are_those_of_the_weights(seed, fit_intercept):
    rng = np.random.default_rng(seed)
    X = sparse.csc_array(rng.normal(size=(8, 40)) * (rng.random((8, 40)) < 0.5))
    objective, at = at_random(rng, X, 1, fit_intercept)
    u = np.sqrt(objective.source.weight * objective.kept_state(at)[:, 0] / at.weight)
    B, bend = sparse.csc_array(X * u[:, None]), float(u @ u)
    t = (B.T @ u) / bend * fit_intercept
    H = gram(B, t, bend, objective.penalty.l2, 0.1)
    D, b = rng.uniform(0.0, 1.0, 40), rng.normal(size=40)
    x = Woodbury(objective, at, t[:, None], H).by_rows.plus(D)(b)
    assert_allclose(matrix_of(H) @ x + D * x, b, atol=1e-6 * np.abs(b).max())


@pytest.mark.parametrize("K", [1, 3])
def test_rows_whose_curvature_has_rounded_away_leave_the_penalty(K):
    rng = np.random.default_rng(0)
    objective, at = at_random(rng, rng.normal(size=(8, 40)), K, True)
    at = objective.evaluate(1e6 * at.theta, order=1, keep_state=True)
    H, t = products(objective, at, 0.1, ROOM)
    l2 = np.repeat(objective.penalty.l2, K)
    b = np.append(rng.normal(size=40 * K), np.zeros(K))
    x = Woodbury(objective, at, t, H).by_rows.plus(np.zeros(41 * K))(b)
    assert_allclose(x, np.append(b[: 40 * K] / l2, np.zeros(K)), atol=1e-9 * np.abs(b).max() / l2[0])


@pytest.mark.parametrize("K", [2, 3])
def test_columns_that_hardly_differ_need_matrices_of_the_rows_alone(monkeypatch, K):
    monkeypatch.setattr(working_sets, "room_beside", lambda *_: ROWS_ALONE)
    rng = np.random.default_rng(0)
    bands = np.exp(-0.5 * ((np.arange(1_500)[:, None] - np.linspace(0, 1_500, 15)) / 75) ** 2)
    X = rng.normal(size=(60, 15)) @ bands.T + 0.01 * rng.normal(size=(60, 1_500))
    eta = X[:, ::100] @ rng.normal(size=15)
    y = np.digitize(eta + rng.logistic(size=60), np.quantile(eta, np.arange(1, K) / K))
    model = LogisticRegression(C=1e4, l1_ratio=0.5, max_iter=60).fit(X, y)  # warns if these are not enough
    assert model.certificate_.gap <= 1e-8


@pytest.mark.parametrize("l1_ratio", [0.5, 1.0])
def test_a_weak_lasso_of_few_sparse_rows_does_without_a_triangle(l1_ratio):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(100, 1_000)) * (rng.random((100, 1_000)) < 0.05)
    model = LinearRegression(alpha=1e-6, l1_ratio=l1_ratio).fit(sparse.csr_array(X), rng.normal(size=100))
    assert model.trace_.solver == "proximal-newton"
    assert model.certificate_.gap <= 1e-13
