"""Fits of many folds and penalties at once: their sums, where they end, and what must not matter to them."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import problems  # noqa: F401 - one thread
from separatrix.data.memory import MemorySource, memory_source
from separatrix.engine.fit import Options, fit_linear_model
from separatrix.engine.matrices.linear_algebra import solve_positive
from separatrix.engine.objective import Objective
from separatrix.engine.paths.descent import SLIGHT, Descent
from separatrix.engine.paths.family import Asked, Factors, Family
from separatrix.engine.paths.groups import Members, groups_of
from separatrix.engine.paths.path import Paths, fit_paths
from separatrix.equations.losses import LogLoss
from separatrix.equations.penalties import elastic_net

CS = np.array([1e-3, 1.0, 1.001, 1e3])
ROWS = {"few": 150, "many": 2**14 + 1}


def source_of(n: int, p: int = 4, far: float = 0.0, n_threads: int = 1) -> MemorySource:
    """Rows with weights and an offset, about `far` standard deviations from zero."""
    random = np.random.default_rng(n)
    X = random.standard_normal((n, p)) @ random.standard_normal((p, p)) + far
    y = random.random(n) < 1 / (1 + np.exp(-(X - far) @ random.standard_normal(p)))
    return memory_source(
        X, y[:, None] * 1.0, random.uniform(0.5, 1.5, n), True, n_threads, 0.3 * random.standard_normal((n, 1))
    )


def folds(n: int, kind: str) -> Any:
    """The rows that each of three fits trains on, (n, 3)."""
    if kind == "apart":
        return np.arange(n)[:, None] % 3 != np.arange(3)
    if kind == "one after another":
        return np.arange(n)[:, None] * 3 // n != np.arange(3)
    return np.random.default_rng(0).random((n, 3)) < 0.7


def paths_of(source: MemorySource, train: Any, Cs: Any = CS, **options: Any) -> Paths:
    strength = np.linspace(0.5, 2.0, source.n_columns)
    members = Members.of([np.ones(source.n_rows, dtype=bool), *train.T])
    return fit_paths(source, LogLoss(), 1, elastic_net(strength, 0.0), Cs, members, Options(**options))


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_sums_of_a_family_are_those_of_each_of_its_fits_alone(rows, fit_intercept):
    source = source_of(ROWS[rows])
    train = np.column_stack([np.ones(source.n_rows, dtype=bool), folds(source.n_rows, "one after another")])
    penalty = elastic_net(np.linspace(0.5, 2.0, 4), 0.0)
    family = Family(source, Members.of(train.T), penalty.l2, fit_intercept, source.weight @ train)
    assert (family.few is not None) == (rows == "few")
    theta = np.random.default_rng(1).standard_normal((3, family.P))
    fold, of, strength = np.array([0, 1, 2, 3, 3, 1]), np.array([0, 1, 2, 0, 1, 2]), np.linspace(0.0, 1.0, 6)
    at = family.at(Asked(theta[of], fold, 2), strength)
    slopes = family.at(Asked(theta[of], fold, 1), strength)
    groups = groups_of(family.members)
    assert groups is not None
    by_groups = family.penalised(
        theta[of], family.sums_of_folds(Asked(theta, fold[:1].repeat(3), 1), groups)[fold, of], strength
    )
    unvalued = family.at(Asked(theta[of], fold, 1, valued=False), strength)
    for m in range(6):
        objective = Objective(
            replace(source, weight=source.weight * train[:, fold[m]]),
            LogLoss(),
            penalty.times(strength[m]),
            fit_intercept,
        )
        alone = objective.evaluate(theta[of[m]][:, None], order=2)
        for there in (at, slopes, by_groups):
            assert there.value[m] == pytest.approx(alone.value, rel=1e-12)
        for there in (at, slopes, by_groups, unvalued):
            np.testing.assert_allclose(there.gradient[m], alone.gradient[:, 0], rtol=1e-9, atol=1e-12)
        assert at.curvature is not None
        np.testing.assert_allclose(at.curvature[m], alone.curvature, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("kind", ["apart", "one after another", "overlapping"])
@pytest.mark.parametrize("far", [0.0, 1e6])
def test_fits_of_all_folds_and_penalties_at_once_are_the_fits_of_each_alone(rows, kind, far):
    source = source_of(ROWS[rows], far=far)
    train = folds(source.n_rows, kind)
    paths = paths_of(source, train)
    for f, some in enumerate([np.ones(source.n_rows, dtype=bool), *train.T]):
        own = source.take(np.flatnonzero(some))
        for c, C in enumerate(CS):
            penalty = elastic_net(np.linspace(0.5, 2.0, 4), 0.0).times(1.0 / (C * own.weight.sum()))
            start = np.zeros((1, 4)), np.zeros(1)
            alone = fit_linear_model(own, LogLoss(), penalty, Options(tol=1e-13), start)
            np.testing.assert_allclose(paths.coefficients[f, c], alone.coefficients, atol=5e-5)  # a gap of some 1e-11
    assert paths.gaps.max() <= 1e-8
    assert paths.iterations.min() >= 1


def test_where_no_penalty_holds_columns_that_say_the_same_the_fit_is_that_of_one_of_them():
    source, train = source_of(150), folds(150, "apart")
    twice = replace(source, X=np.hstack([source.X, source.X[:, :1]]), centre=np.zeros(5))
    Cs = np.array([np.inf])
    eta = [one.X @ paths_of(one, train, Cs).coefficients[:, 0, 0].T for one in (source, twice)]
    np.testing.assert_allclose(*eta, atol=1e-5)


def test_factors_solve_even_where_one_of_the_matrices_is_not_positive_definite():
    good, flat = np.array([[2.0, 1.0], [1.0, 2.0]]), np.ones((2, 2))
    b = np.array([[1.0, 0.5], [1.0, 1.0]])
    both = Factors.of(np.array([good, flat])).solve(b, np.arange(2))
    np.testing.assert_allclose(both, [solve_positive(good, b[0]), solve_positive(flat, b[1])])


def test_fits_on_nearly_separated_rows_arrive_where_newtons_step_is_too_long():
    random = np.random.default_rng(3)
    X = random.standard_normal((60, 20))
    y = (X[:, :3].sum(axis=1) + 0.1 * random.standard_normal(60) > 0)[:, None] * 1.0
    paths = paths_of(memory_source(X, y), folds(60, "apart"), np.logspace(-4, 5, 10))
    assert paths.gaps.max() <= 1e-8


def test_the_folds_of_one_penalty_take_no_more_steps_than_among_others():
    source = source_of(ROWS["many"])
    train, strong = folds(source.n_rows, "apart"), 1e-3 / source.weight.sum()
    alone, among = (paths_of(source, train, strong * Cs) for Cs in (np.ones(1), np.array([0.1, 1.0, 10.0])))
    assert alone.iterations[1:].max() <= among.iterations[1:, 1].max()


@pytest.mark.parametrize("rows", ROWS)
def test_near_the_optimum_slopes_tell_a_step_that_is_too_long_as_values_do(rows):
    source = source_of(ROWS[rows])
    members, fold = Members.all(source.n_rows), np.zeros(1, dtype=int)
    weight = members.total(source.weight)
    family, strength = Family(source, members, np.linspace(0.5, 2.0, 4), True, weight), 1.0 / weight
    paths = paths_of(source, folds(source.n_rows, "apart"), np.array([1.0]))
    theta = np.append(paths.coefficients[0, 0], paths.intercepts[0, 0, :, None], axis=1) + 0.005
    at = family.at(Asked(theta, fold, 2), strength)
    assert at.curvature is not None
    fits = Descent(family, fold, strength, at, at.curvature / 8)  # whose step is eight times too long
    before = fits.value[0]
    assert -fits.slope[0] < SLIGHT * before
    fits.advance(fold, order=1)
    assert fits.iterations[0] == 0
    assert fits.length[0] == pytest.approx(1 / 8, rel=0.1)
    fits.advance(fold, order=1)
    there = family.at(Asked(fits.theta, fold, 1), strength).value[0]
    assert there < before
    assert fits.value[0] == pytest.approx(there, abs=0.01 * (before - there))


def test_the_number_of_threads_does_not_change_a_bit():
    many = 2**20 // 4 * 2  # two chunks
    one, two = (source_of(many, n_threads=threads) for threads in (1, 2))
    train = folds(many, "apart")
    once, again = paths_of(one, train, CS[:2]), paths_of(two, train, CS[:2])
    np.testing.assert_array_equal(once.coefficients, again.coefficients)
    np.testing.assert_array_equal(once.gaps, again.gaps)


def test_folds_of_many_rows_that_are_nearly_separated_have_metrics_that_lead_down():
    random = np.random.default_rng(0)
    X = random.standard_normal((5000, 28))
    y = (X[:, 0] + 0.01 * X[:, 1] > 0)[:, None] * 1.0
    source, train = memory_source(X, y), folds(5000, "apart")
    paths = paths_of(source, train, np.logspace(-4, 4, 5))
    assert paths.gaps.max() <= 1e-8
    own = source.take(np.flatnonzero(train[:, 0]))
    penalty = elastic_net(np.linspace(0.5, 2.0, 28), 0.0).times(1e-4 / own.n_rows)
    alone = fit_linear_model(own, LogLoss(), penalty, Options(tol=1e-13), (np.zeros((1, 28)), np.zeros(1)))
    at = Objective(own, LogLoss(), penalty, True)
    value = at.evaluate(np.vstack([paths.coefficients[1, 4].T, paths.intercepts[1, 4]]), order=0).value
    assert value <= alone.at.value + 1e-10  # pyright: ignore[reportOptionalMemberAccess]
