"""Newton's method in multipliers of the rows: the same optimum as in the weights, and bounds that hold on the way."""

from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
from scipy import sparse

from seldom import seldom
from separatrix.data.memory import MemorySource, memory_source
from separatrix.data.threads import workers
from separatrix.data.wide import WideRows
from separatrix.engine.fit import Options, fit_linear_model
from separatrix.engine.iterate import UNTIL_THE_END, Aim, minimise
from separatrix.engine.objective import Objective
from separatrix.engine.solvers import multipliers
from separatrix.engine.solvers.conjugate import conjugate_newton
from separatrix.engine.solvers.multipliers import multiplier_newton, truncated_newton
from separatrix.equations.losses import SoftmaxLoss
from separatrix.equations.penalties import L2, elastic_net
from separatrix.estimators import LogisticRegression

ROWS, COLUMNS, K = 40, 150, 3


@pytest.fixture(autouse=True)
def few_weights_are_many(monkeypatch):
    monkeypatch.setattr(multipliers, "MANY_WEIGHTS", 0)


def rows_of(seed: int, given: bool = True, repeated: int = 0) -> MemorySource:
    """Sparse rows by columns; with weights and an offset if they are to be `given`, and so many rows `repeated`."""
    random = np.random.default_rng(seed)
    X = sparse.random_array((ROWS, COLUMNS), density=0.1, rng=random, data_sampler=random.standard_normal).tolil()
    X[:repeated] = X[0]
    y = random.integers(0, K, ROWS)
    weight = random.uniform(0.5, 2.0, ROWS) if given else None
    offset = random.standard_normal((ROWS, K)) if given else None
    source = memory_source(X.tocsr(), y, weight, offset=offset)
    return replace(source, X=source.X.tocsc())


def objective_of(source: MemorySource, strength: float, fit_intercept: bool = True) -> Objective:
    return Objective(source, SoftmaxLoss(), L2(np.full(COLUMNS, strength)), fit_intercept)


def optimum(objective: Objective) -> float:
    """The least value, by Newton's method in the weights and its certificate."""
    theta = np.zeros((COLUMNS + objective.fit_intercept, K))
    solution = minimise(objective, conjugate_newton(objective, theta), 1e-13, 1e-26, 200)
    assert solution.certificate.gap < 1e-13
    return solution.at.value


@pytest.mark.parametrize("n_threads", [*seldom(1), 3])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("strength", [1.0, 1e-2, 1e-5])
def test_the_optimum_is_that_of_the_weights(strength, fit_intercept, n_threads, monkeypatch):
    monkeypatch.setattr(multipliers, "MANY_CELLS", 0)
    source = rows_of(seed=0)
    start = np.zeros((K, COLUMNS)), np.zeros(K)
    options = Options(tol=1e-13, fit_intercept=fit_intercept, solver="conjugate-gradient")
    penalty = L2(np.full(COLUMNS, strength))
    found = []
    for many in (0, 2**60):
        monkeypatch.setattr(multipliers, "MANY_WEIGHTS", many)
        with workers(n_threads) as pool:
            found.append(fit_linear_model(replace(source, pool=pool), SoftmaxLoss(), penalty, options, start))
    here, there = found
    np.testing.assert_allclose(here.coefficients, there.coefficients, rtol=0, atol=1e-6)
    np.testing.assert_allclose(here.intercepts, there.intercepts, rtol=0, atol=1e-6)
    np.testing.assert_allclose(here.coefficients.sum(axis=0), 0.0, atol=1e-12)


@pytest.mark.parametrize("seed", [0, *seldom(1), 2])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("strength", [1e-1, 1e-4])
def test_each_iterate_knows_a_bound_that_is_never_below_its_gap(strength, fit_intercept, seed):
    objective = objective_of(rows_of(seed, given=seed % 2 == 0, repeated=3 * (seed % 3)), strength, fit_intercept)
    least, random = optimum(objective), np.random.default_rng(seed)
    theta = random.standard_normal((COLUMNS + fit_intercept, K)) * (seed % 4 == 3)
    known = 0
    for iterate in islice(multiplier_newton(objective, objective.canonical(theta)), 60):
        if iterate.proven is not None:
            known += 1
            assert iterate.proven >= iterate.at.value - least - 1e-15
            if iterate.proven < 1e-14:
                break
    assert iterate.at.value - least < 1e-13
    assert known > 1


def test_an_iterate_has_the_value_gradient_and_norm_of_its_coefficients():
    objective = objective_of(rows_of(seed=1), 1e-2)
    start = objective.canonical(np.random.default_rng(0).standard_normal((COLUMNS + 1, K)))
    for iterate in islice(multiplier_newton(objective, start), 4):
        there = objective.evaluate(iterate.at.theta, order=1)
        assert iterate.at.value == pytest.approx(there.value, rel=1e-13)
        assert iterate.at.loss == pytest.approx(there.loss, rel=1e-13)
        np.testing.assert_allclose(iterate.at.gradient, there.gradient, rtol=0, atol=1e-13)
    assert iterate.norm == pytest.approx(np.linalg.norm(there.gradient), rel=0.1)  # but for what the intercepts do


def test_a_start_is_as_good_as_it_was_whatever_no_row_sees_of_it():
    objective = objective_of(rows_of(seed=2), 1e-2)
    zeros = np.zeros((COLUMNS + 1, K))
    best = minimise(objective, multiplier_newton(objective, zeros), 1e-12, 1e-24, 100).at.theta
    again = minimise(objective, multiplier_newton(objective, best), 1e-12, 1e-12, 100)
    assert len(again.steps) == 1
    unseen = np.random.default_rng(0).standard_normal((COLUMNS, K))
    X = objective.source.X.toarray()
    unseen -= np.linalg.pinv(X) @ (X @ unseen)
    unseen -= unseen.mean(axis=1, keepdims=True)
    off = best + np.vstack([0.1 * unseen, np.zeros((1, K))])
    there = minimise(objective, multiplier_newton(objective, off), 1e-12, 1e-24, 100)
    assert there.steps[0].loss == pytest.approx(again.steps[0].loss, rel=1e-12)
    np.testing.assert_allclose(there.at.theta, best, atol=1e-9)


def test_a_gap_that_rounding_may_hide_is_left_to_the_bound_of_the_coefficients(monkeypatch):
    objective, theta = objective_of(rows_of(seed=3), 1e-2), np.zeros((COLUMNS + 1, K))
    least = optimum(objective)
    monkeypatch.setattr(multipliers, "ROUNDINGS", 1e30)
    solution = minimise(objective, multiplier_newton(objective, theta), 1e-10, 1e-20, 100)
    assert solution.certificate.method == "duality"
    assert solution.at.value - least <= solution.certificate.gap < 1e-10


def test_a_step_of_many_products_is_followed_by_steps_in_the_weights(monkeypatch):
    monkeypatch.setattr(multipliers, "MANY_PRODUCTS", 3)
    went_on = []
    monkeypatch.setattr(multipliers, "conjugate_newton", lambda *given: went_on.append(1) or conjugate_newton(*given))
    objective, theta = objective_of(rows_of(seed=5), 1e-3), np.zeros((COLUMNS + 1, K))
    solution = minimise(objective, multiplier_newton(objective, theta), 1e-11, 1e-22, 100)
    assert went_on == [1]
    assert solution.at.value - optimum(objective) <= solution.certificate.gap < 1e-11


def test_equations_of_the_last_step_solved_no_better_than_asked_save_passes():
    theta, passes = np.zeros((COLUMNS + 1, K)), {}
    for aim in (Aim(1e-18), UNTIL_THE_END):
        objectives = [objective_of(rows_of(seed), 10.0**-power) for seed in range(4) for power in (1, 2, 3)]
        for objective in objectives:
            solution = minimise(objective, multiplier_newton(objective, theta, aim), 1e-8, 1e-18, 100)
            assert solution.certificate.gap <= 1e-8
        passes[aim] = sum(objective.passes for objective in objectives)
    assert passes[Aim(1e-18)] <= 0.95 * passes[UNTIL_THE_END]


def test_multipliers_are_for_classes_of_rows_far_fewer_than_columns_held_alike(monkeypatch):
    chosen = []
    monkeypatch.setattr(multipliers, "multiplier_newton", lambda *given: chosen.append("rows") or iter(()))
    monkeypatch.setattr(multipliers, "conjugate_newton", lambda *given: chosen.append("weights") or iter(()))
    source, theta = rows_of(seed=0), np.zeros((COLUMNS + 1, K))
    even, uneven = L2(np.ones(COLUMNS)), L2(np.arange(1.0, COLUMNS + 1))
    objective = Objective(source, SoftmaxLoss(), even, True)
    truncated_newton(objective, theta)
    for other in (
        replace(objective, penalty=uneven),
        replace(objective, penalty=L2(np.zeros(COLUMNS))),
        replace(objective, penalty=elastic_net(np.ones(COLUMNS), 0.5)),
        replace(objective, source=replace(source, X=source.X.tocsr())),
        replace(objective, source=replace(source, X=source.X.toarray())),
        replace(objective, source=source.columns(np.arange(2 * ROWS)), penalty=L2(np.ones(2 * ROWS))),
    ):
        truncated_newton(other, theta[-len(other.penalty.l2) - 1 :])
    truncated_newton(objective, theta[:, :1])
    assert chosen == ["rows", *["weights"] * 7]


def test_what_all_columns_know_of_rows_is_one_product_of_two():
    source = rows_of(seed=4)
    v, X = np.random.default_rng(0).standard_normal((ROWS, K)), source.X.toarray()
    for n_threads in (1, 3):
        with workers(n_threads) as pool:
            np.testing.assert_allclose(WideRows(replace(source, pool=pool)).gram(v), X @ (X.T @ v), atol=1e-12)


def test_words_of_texts_are_told_apart_as_without_multipliers(monkeypatch):
    random = np.random.default_rng(0)
    X = sparse.random_array((300, 2_000), density=0.01, rng=random, format="csr")
    y = random.permutation(np.repeat(["a", "b", "c"], 100))
    here = LogisticRegression(tol=1e-12).fit(X, y)
    assert here.trace_.solver == "conjugate-gradient"
    assert here.trace_.passes < 40
    monkeypatch.setattr(multipliers, "MANY_WEIGHTS", 2**60)
    there = LogisticRegression(tol=1e-12).fit(X, y)
    np.testing.assert_allclose(here.coef_, there.coef_, atol=1e-7)
    assert here.certificate_.gap < 1e-12


def test_steps_of_many_classes_lead_neither_too_far_nor_back_by_little():
    random = np.random.default_rng(0)
    y = random.integers(0, 20, 400)
    of_class = (np.repeat(np.arange(400), 3), (10 * y[:, None] + random.integers(0, 10, (400, 3))).ravel())
    X = sparse.random_array((400, 3_000), density=0.01, rng=random, format="csr")
    X += sparse.csr_array((random.random(1_200), of_class), shape=X.shape)
    for C in (10.0, 1_000.0):  # without `less_steep` 12 each
        model = LogisticRegression(C=C, tol=1e-6).fit(sparse.csc_array(X), y)
        assert model.n_iter_ <= 9
