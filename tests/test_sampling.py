"""The rows that a large fit starts on: any rows where nothing is rare, and every rare one where something is."""

from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from separatrix import LogisticRegression
from separatrix.data.memory import MemorySource, memory_source
from separatrix.engine.iterate import Aim
from separatrix.engine.objective import Evaluation, Objective
from separatrix.engine.solvers.quasi_newton import quasi_newton
from separatrix.engine.solvers.sampling import (
    MOST_PER_COEFFICIENT,
    SHARE,
    Sample,
    columns_at_zero,
    curved_at,
    far_rows,
    rows_of_sample,
    sample_start,
    sampled,
)
from separatrix.equations.losses import LogLoss, SoftmaxLoss
from separatrix.equations.penalties import L2, elastic_net

n = 50_000


def sample_of(
    X: np.ndarray, y: np.ndarray, weight: np.ndarray | None = None, seed: int = 0, rows: int = n // 16
) -> tuple[Objective, Sample]:
    whole = Objective(memory_source(X, y[:, None] * 1.0, weight), LogLoss(), L2(np.full(X.shape[1], 1e-6)), True)
    return whole, sampled(whole, np.zeros((X.shape[1] + 1, 1)), rows, np.random.default_rng(seed))


def normal_rows(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 5))
    return X, rng.random(n) < 0.3


def test_where_nothing_is_rare_one_row_in_some_is_the_sample():
    whole, sample = sample_of(*normal_rows())
    assert sample.weighted.source.n_rows == n // 16
    assert whole.passes == 0


def test_few_coefficients_need_a_smaller_share_of_many_rows():
    def rows(n_rows: int, columns: int) -> int:
        X = np.broadcast_to(0.0, (n_rows, columns))
        whole = Objective(memory_source(X, np.zeros((n_rows, 1))), LogLoss(), L2(np.ones(columns)), True)
        return rows_of_sample(whole, np.zeros((columns + 1, 1)))

    assert rows(100_000, 4) == 100_000 // SHARE
    assert rows(1_000_000, 4) == 5 * MOST_PER_COEFFICIENT


@pytest.mark.parametrize("layout", [np.ascontiguousarray, np.asfortranarray, sparse.csr_array])
def test_rows_are_taken_from_any_layout(layout):
    X, some = np.random.default_rng(0).normal(size=(9, 4)), np.array([1, 5, 8])
    taken = memory_source(layout(X), np.arange(9)).take(some)
    np.testing.assert_array_equal(taken.X.toarray() if sparse.issparse(taken.X) else taken.X, X[some])
    np.testing.assert_array_equal(taken.y, some)


def test_a_column_that_is_almost_always_zero_keeps_its_rows():
    X, y = normal_rows()
    X[:, 4] = 0.0
    X[[7, 20_001, 49_999], 4] = 1.0
    whole, sample = sample_of(X, y)
    assert sample.part.source.add_up(lambda block: block.X[:, 4].sum()) == 3.0
    assert whole.passes == 1


def test_columns_that_an_l1_part_leaves_at_zero_keep_no_rows_of_their_own():
    X, y = normal_rows()
    X[:, 3:] = np.random.default_rng(1).random((n, 2)) < [0.002, 0.003]
    y |= X[:, 3] > 0  # which alone tells the class
    whole, sample = sample_of(X, y)
    assert whole.passes == 1  # that chooses rows by what is rare
    strong = replace(whole, penalty=elastic_net(np.full(5, 0.02), 0.5), passes=0)
    sample = sampled(strong, np.zeros((6, 1)), n // 16, np.random.default_rng(0))
    assert strong.passes == 0
    assert (sample.times == 16).all()
    assert columns_at_zero(strong).tolist() == [False, False, False, True, True]
    weak = replace(strong, penalty=elastic_net(np.full(5, 0.001), 0.5), passes=0)
    sampled(weak, np.zeros((6, 1)), n // 16, np.random.default_rng(0))
    assert weak.passes == 1
    assert not columns_at_zero(weak).any()
    model = LogisticRegression(C=1 / (0.02 * n), l1_ratio=0.5, tol=1e-12).fit(X, y)
    assert model.trace_.solver == "proximal-newton"
    assert model.coef_[0, 3:].tolist() == [0.0, 0.0]


def test_the_rows_of_a_rare_class_are_all_kept():
    X, _ = normal_rows()
    y = np.arange(n) % 100 == 0
    _, sample = sample_of(X, y)
    assert sample.part.source.add_up(lambda block: block.y.sum()) == n / 100


def test_rows_that_weigh_nothing_are_in_no_sample_of_a_rare_class():
    X, _ = normal_rows()
    y, weight = np.arange(n) % 1000 == 0, np.where(np.arange(n) % 3 == 0, 0.0, 1.0)
    whole, _ = sample_of(X, y)
    fold = whole.over(whole.source.weighing(weight))  # whose rows stay where they are, as those of others are there
    sample = sampled(fold, np.zeros((X.shape[1] + 1, 1)), n // 16, np.random.default_rng(0))
    assert np.isfinite(sample.weighted.source.weight).all()
    assert (sample.part.source.weight == 1).all()
    assert sample.part.source.y.sum() == (y * weight).sum()


def test_rows_that_reach_farthest_are_told_from_weights_that_are_made_when_asked_for(monkeypatch):
    monkeypatch.setattr(MemorySource, "is_little", lambda self, cells: False)  # as of many rows
    X, _ = normal_rows()
    X[::500] *= 30.0
    _, sample = sample_of(X, np.arange(n) % 1000 == 0, np.linspace(1.0, 2.0, n), rows=n // 8)
    assert not isinstance(sample.part.source.weight, np.ndarray)
    far = far_rows(sample)
    assert far is not None
    reach = far.add_up(lambda block: np.abs(block.X).max(axis=1), lambda a, b: np.append(a, b))
    assert np.sum(reach > 30.0) == np.sum(np.abs(X).max(axis=1) > 30.0)


def test_rows_far_out_are_nearly_all_kept():
    X, y = normal_rows()
    X[::500] *= 100.0
    _, sample = sample_of(X, y)
    far = sample.part.source.add_up(lambda block: np.sum(np.linalg.norm(block.X, axis=1) > 20.0))
    assert far >= 0.95 * np.sum(np.linalg.norm(X, axis=1) > 20.0)


@pytest.mark.parametrize("rare", [False, True])
def test_the_curvature_of_a_sample_is_near_that_of_all_rows_and_its_part_is_below_it(rare):
    X, y = normal_rows()
    X[:, 4] *= np.random.default_rng(1).random(n) < (0.01 if rare else 1.0)
    weight = np.random.default_rng(2).uniform(0.5, 2.0, n)
    whole, sample = sample_of(X, y, weight)
    theta = np.random.default_rng(3).normal(size=(6, 1)) / 3
    H, near, part = (objective.evaluate(theta, order=2) for objective in (whole, sample.weighted, sample.part))
    root = np.linalg.inv(np.linalg.cholesky(H.curvature))
    eigenvalues = np.linalg.eigvalsh(root @ near.curvature @ root.T)
    assert 0.8 < eigenvalues.min() <= eigenvalues.max() < 1.25
    assert np.linalg.eigvalsh(root @ (part.weight / H.weight * part.curvature) @ root.T).max() < 1.0


def test_the_step_that_a_fresh_curvature_lets_arrive_brings_the_curvature_of_where_it_ends():
    X, y = normal_rows()
    objective = Objective(memory_source(X, y[:, None] * 1.0), LogLoss(), L2(np.full(X.shape[1], 1e-3)), True)
    start = 0.9 * LogisticRegression(C=1e3 / len(X)).fit(X, y).coef_.T
    gap = next(quasi_newton(objective, np.vstack([start, [[0.0]]]))).gap
    aim = Aim(0.5 * gap, curved=True)
    steps = list(islice(quasi_newton(objective, np.vstack([start, [[0.0]]]), aim=aim), 2))
    assert steps[1].gap <= aim.gap < steps[0].gap
    assert steps[1].at.curvature is not None
    np.testing.assert_array_equal(steps[1].at.curvature, objective.evaluate(steps[1].at.theta, order=2).curvature)


def of_classes(columns: int, K: int, rows: int = 10_000) -> Objective:
    """Rows of so many classes, which overlap."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(rows, columns))
    y = np.argmax(X[:, :K] + rng.gumbel(size=(rows, K)), axis=1)
    return Objective(memory_source(X, y), SoftmaxLoss(), L2(np.full(columns, 1e-9)), True)


def test_a_dear_curvature_of_a_sample_is_made_once_it_is_known_where_its_fit_ends(monkeypatch):
    met, evaluate = [], Objective.evaluate

    def seen(self: Objective, theta: np.ndarray, order: int, *how: Any, **more: Any) -> Evaluation:
        met.append((order, theta))
        return evaluate(self, theta, order, *how, **more)

    monkeypatch.setattr(Objective, "evaluate", seen)
    objective = of_classes(columns=20, K=6)
    start = sample_start(objective, np.zeros((21, 6)), quasi_newton, curved=True, random=np.random.default_rng(0))
    (order, before), (last, theta) = met[-2:]
    assert (order, last) == (1, 2)
    np.testing.assert_array_equal(before, theta)
    np.testing.assert_array_equal(start.theta, theta)


@pytest.mark.parametrize("apart", [1.0, 1e-4])
def test_a_curvature_of_several_classes_is_in_single_precision_where_that_tells_its_columns_apart(apart):
    objective = of_classes(columns=4, K=3)
    X = objective.source.X
    X[:, 3] = X[:, 2] + apart * X[:, 3]
    theta = np.random.default_rng(1).normal(size=(5, 3))
    theta -= theta.mean(axis=1, keepdims=True)
    exact, found = objective.evaluate(theta, order=2).curvature, curved_at(objective, theta).curvature
    off = np.abs(found - exact).max() / np.abs(exact).max()
    assert (1e-9 < off < 1e-5) if apart == 1.0 else off < 1e-12
