"""The lasso of a matrix from inside: its conditions, its cost, and the fits that it is for."""

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from problems import seeds
from separatrix import LinearRegression, LogisticRegression
from separatrix.data import memory
from separatrix.data.memory import memory_source
from separatrix.engine.lasso.interior_point import minimise_inside
from separatrix.engine.lasso.quadratic_model import matrix, squared_subgradient
from separatrix.engine.lasso.working_model import products
from separatrix.engine.matrices.room import Room
from separatrix.engine.objective import Objective
from separatrix.equations.losses import SoftmaxLoss
from separatrix.equations.penalties import elastic_net

sys.path.append(str(Path(__file__).parents[1]))

from benchmarks.cases import reader, spectra

from seldom import seldom

READ = reader(None)  # of nothing: the data are made


def minimum(
    H: np.ndarray, w: np.ndarray, g: np.ndarray, l1: np.ndarray, enough: float
) -> tuple[np.ndarray, float, int]:
    """The v from inside, what it leaves of the squared subgradient, and in how many factors."""
    curvature, unit, factors = matrix(H), np.diagonal(H), []
    first = max(squared_subgradient(w, g, l1, unit), 1e-12)

    def plus(D):
        factors.append(D)
        return curvature.plus(D)

    def is_minimum(v, slope):
        return squared_subgradient(v, slope, l1, unit) <= enough * first

    v = minimise_inside(curvature.times, plus, w, g, l1, unit, is_minimum)
    return v, squared_subgradient(v, g + H @ (v - w), l1, unit) / first, len(factors)


@given(seeds, st.integers(2, 30), st.floats(-8, 0), st.floats(-8, 0), st.booleans())
def test_the_minimum_from_inside_meets_its_conditions_however_alike_the_columns_and_weak_the_penalty(
    seed, n, alike, weak, intercept
):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(40, 1)) + 10**alike * rng.normal(size=(40, n))
    H, w, l1 = X.T @ X / 40, rng.normal(size=n) * (rng.random(n) < 0.5), 10**weak * rng.uniform(0.1, 1, n)
    l1[0] *= not intercept
    _, left, factors = minimum(H, w, X.T @ (X @ w - rng.normal(size=40)) / 40, l1, 1e-9)
    assert left <= 1e-9
    assert factors <= 40


def test_what_is_to_be_zero_is_exactly_zero():
    v, _, _ = minimum(np.eye(3), np.ones(3), np.array([1.0, 0.4, -2.0]), np.full(3, 0.5), 1e-20)
    np.testing.assert_allclose(v, [0.0, 0.1, 2.5], atol=1e-9)
    assert v[0] == 0.0


@pytest.mark.parametrize(
    ("n", "p", "K", "C", "l1_ratio"),
    [
        (100, 300, 2, 1e2, 1.0),
        *seldom((200, 700, 2, 1e4, 1.0)),
        (100, 520, 2, 1e2, 0.5),
        *seldom((100, 180, 3, 1e4, 1.0)),
    ],
)
def test_an_l1_part_of_columns_that_all_but_repeat_those_beside_them_arrives(n, p, K, C, l1_ratio):
    X, y = spectra(READ, n, p, K)
    model = LogisticRegression(C=C, l1_ratio=l1_ratio).fit(X, y)
    assert model.certificate_.gap < 1e-8
    assert model.n_iter_[0] < 50


@pytest.mark.slow
def test_so_it_does_where_a_matrix_is_large_beside_x(monkeypatch):
    X, y = spectra(READ, 100, 520, 2)
    known = LogisticRegression(C=100.0, l1_ratio=1.0).fit(X, y)
    monkeypatch.setattr(memory, "FEW_CELLS", 1_000)
    model = LogisticRegression(C=100.0, l1_ratio=1.0).fit(X, y)
    assert model.certificate_.gap < 1e-8
    np.testing.assert_allclose(model.decision_function(X), known.decision_function(X), atol=1e-2)


@pytest.mark.parametrize("alpha", [1e-3, 1e-7])
def test_so_does_a_lasso_of_such_columns(alpha):
    X, _ = spectra(READ, 100, 520, 2)
    rng = np.random.default_rng(1)
    model = LinearRegression(alpha=alpha, l1_ratio=1.0).fit(
        X, X @ rng.normal(size=520) / 520 + 0.1 * rng.normal(size=100)
    )
    assert model.certificate_.gap < 1e-8


def test_a_matrix_in_double_of_several_classes_is_not_negative_along_what_moves_all_alike():
    rng = np.random.default_rng(0)
    source = memory_source(rng.standard_normal((200, 30)), rng.integers(0, 4, 200))
    objective = Objective(source, SoftmaxLoss(), elastic_net(np.ones(30), 1.0), True)
    at = objective.evaluate(rng.normal(size=(31, 4)), order=1, keep_state=True)
    H, _ = products(objective, at, 0.1, Room(np.inf, np.inf))
    assert H.among is not None
    eigenvalues = np.linalg.eigvalsh(H.among(np.arange(31 * 4), np.float64))
    assert eigenvalues[0] >= -1e-14 * eigenvalues[-1]
