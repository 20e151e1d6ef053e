"""Penalties with an L1 part: the optimum, its exact zeros, and the bound that certifies it."""

import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.linear_model import ElasticNet as PeerElasticNet
from sklearn.linear_model import Lasso as PeerLasso
from sklearn.linear_model import LogisticRegression as Peer

from problems import Problem, make_problem, seeds, solve
from seldom import seldom
from separatrix import LinearRegression, LogisticRegression
from separatrix.arrays import repeated
from separatrix.data.memory import memory_source
from separatrix.engine.certificates.certificate import Part, by_duality, by_part, by_self_concordance, certify
from separatrix.engine.certificates.duality import Prediction, fitted_bound, predicted_bound
from separatrix.engine.choose import choose
from separatrix.engine.fit import Fit, Options, fit_linear_model
from separatrix.engine.lasso import working_model
from separatrix.engine.lasso.quadratic_model import Curvature, matrix, minimise_by_turns, minimise_model, proximal_steps
from separatrix.engine.lasso.submatrix import Those, gram_among
from separatrix.engine.lasso.woodbury import shifted
from separatrix.engine.lasso.working_model import SolveByProducts, products
from separatrix.engine.matrices import bordered
from separatrix.engine.matrices.bordered import Bordered
from separatrix.engine.matrices.room import Room
from separatrix.engine.objective import Objective
from separatrix.engine.solvers.proximal import LARGEST, SMALL, takes_metric, without_flat
from separatrix.engine.solvers.working_sets import on_working_sets
from separatrix.equations.losses import LogLoss, SoftmaxLoss
from separatrix.equations.penalties import elastic_net
from separatrix.errors import ArgumentError, SeparatrixWarning
from test_certificate import LONG, all_columns, long_derivatives, long_objective, some_rows

few = settings(max_examples=25)
l1_ratios = st.sampled_from([0.3, 1.0])


@st.composite
def l1_problems(draw: st.DrawFn) -> Problem:
    """A problem of 2 or 3 classes and 1 to 4 columns, whose penalty has an L1 part."""
    return replace(
        make_problem(
            draw(seeds),
            p=draw(st.integers(1, 4)),
            K=draw(st.sampled_from([2, 3])),
            strength=draw(st.sampled_from([1e-3, 0.02, 0.1])),
            fit_intercept=draw(st.booleans()),
            noise=draw(st.sampled_from([1.0, 0.3])),
            offset=draw(st.booleans()),
        ),
        l1_ratio=draw(l1_ratios),
    )


def theta_of(problem: Problem, fit: Fit) -> np.ndarray:
    return np.vstack([fit.coefficients.T, fit.intercepts[None, :]])[: problem.X.shape[1] + problem.fit_intercept]


def strengths(problem: Problem) -> tuple[np.ndarray, Problem]:
    """l1 of each row of theta, (P, 1), and the problem with the L2 part alone."""
    l1 = np.append(problem.strength * problem.l1_ratio, np.zeros(int(problem.fit_intercept)))[:, None]
    return l1, replace(problem, strength=problem.strength * (1.0 - problem.l1_ratio), l1_ratio=0.0)


def long_value(problem: Problem, theta: np.ndarray) -> Any:
    """The objective in extended precision."""
    l1, smooth = strengths(problem)
    return long_objective(smooth, all_columns(problem, theta))[0] + np.sum(l1 * np.abs(theta.astype(LONG)))


def long_subgradient(problem: Problem, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The smallest subgradient in extended precision, and the Hessian (P, L, P, L) of the smooth part."""
    l1, smooth = strengths(problem)
    free = slice(1, None) if problem.K == 2 else slice(None)
    every = all_columns(problem, theta)
    gradient, hessian = long_derivatives(smooth, every, long_objective(smooth, every)[1])
    g = gradient[:, free]
    inside = np.sign(g) * np.maximum(np.abs(g) - l1, 0)
    return np.where(theta == 0, inside, g + l1 * np.sign(theta)), hessian[:, free, :, free]


def long_optimum(problem: Problem) -> np.ndarray:
    """The engine's answer, refined on its support by Newton in extended precision until the smallest subgradient is
    rounding, which for a convex objective proves it."""
    theta = theta_of(problem, solve(problem, tol=1e-10)).astype(LONG)
    for _ in range(20):
        s, hessian = long_subgradient(problem, theta)
        if np.abs(s).max() < 1e-16:
            return theta
        support = np.flatnonzero((theta != 0) | (np.arange(len(theta))[:, None] >= problem.X.shape[1]))
        H = hessian.reshape(theta.size, theta.size).astype(float)[np.ix_(support, support)]
        step = np.linalg.pinv(H, rcond=1e-13, hermitian=True) @ s.ravel()[support].astype(float)
        theta.ravel()[support] -= step
    raise AssertionError(f"the reference has not converged: subgradient {np.abs(s).max():.1e}")


@cache
def solved_problems() -> list[tuple[Problem, np.ndarray]]:
    """144 problems and their optima."""
    shapes = [(p, K, noise) for p in (1, 3, 5) for K in (2, 3) for noise in (1.0, 0.1)]
    problems = [
        replace(
            make_problem(
                1000 + 10 * number,
                p=p,
                K=K,
                strength=strength,
                fit_intercept=intercept,
                noise=noise,
                offset=number % 3 == 0,
            ),
            l1_ratio=l1_ratio,
        )
        for number, (p, K, noise) in enumerate(shapes)
        for strength in (1e-3, 0.02, 0.1)
        for intercept in (True, False)
        for l1_ratio in (0.5, 1.0)
    ]
    return [(problem, long_optimum(problem)) for problem in problems]


def points_on_the_way(best: np.ndarray, seed: int) -> Iterator[np.ndarray]:
    """Zero, far points, points nearer and nearer to the optimum with and without its zeros, and it in double."""
    noise = np.random.default_rng(seed).normal(size=best.shape)
    yield np.zeros(best.shape)
    for size in (1e5, 1.0, 1e-3, 1e-7, 1e-10):
        yield (best + size * noise).astype(float)
        yield (best + size * noise * (best != 0)).astype(float)
    yield best.astype(float)


def test_no_certified_gap_is_below_the_true_gap():
    assert len(solved_problems()) >= 100
    for seed, (problem, best) in enumerate(solved_problems()):
        objective, lowest = problem.objective(), long_value(problem, best)
        for theta in points_on_the_way(best, seed):
            at = objective.evaluate(theta, order=1)
            gap = float(long_value(problem, theta) - lowest)
            assert by_duality(objective, at).gap >= gap
            assert certify(objective, at, objective.evaluate(theta, order=2)).gap >= gap


@pytest.mark.slow
def test_whatever_was_predicted_the_gap_it_certifies_is_not_below_the_true_gap():
    certified = 0
    for seed, (problem, best) in enumerate(solved_problems()):
        objective, lowest, rng = problem.objective(), long_value(problem, best), np.random.default_rng(seed)
        for theta in points_on_the_way(best, seed):
            at, gap = objective.evaluate(theta, order=1), float(long_value(problem, theta) - lowest)
            noise = rng.normal(size=theta.shape)
            for start, step in (
                (theta + 1e-3 * noise, -1e-3 * noise),
                (theta - 0.1 * noise, 0.05 * noise),
                (np.zeros_like(theta), best.astype(float)),
                (theta, 1e-7 * noise),
            ):
                bound = predicted_bound(objective, at, Prediction(objective, start, step, theta))
                assert bound is None or bound >= gap - 4e-16 * at.value
                certified += bound is not None and bound < at.value
    assert certified > 2000


def test_the_bound_by_a_prediction_falls_with_the_square_of_the_distance_to_the_optimum():
    falls = []
    for problem, best in solved_problems():
        objective, predicted = problem.objective(), []
        l1 = np.broadcast_to(objective.l1, best.shape).ravel()
        for size in (1e-2, 1e-4):
            at = objective.evaluate((best * (1 + size)).astype(float), order=2)
            w = at.theta.ravel()
            v, _ = minimise_model(matrix(at.curvature), w, at.gradient.ravel(), l1, 1e-14)
            v = v.reshape(best.shape)
            there = objective.evaluate(v, order=1)
            predicted.append(predicted_bound(objective, there, Prediction(objective, at.theta, v - at.theta, v)))
            by_fit = fitted_bound(objective, there)
        if None not in predicted and by_fit is not None and by_fit > 1e-9:
            falls.append((predicted[1] / predicted[0], predicted[1] / by_fit))
    shares, against_fitted = np.transpose(falls)
    assert len(falls) > 10
    assert np.median(shares) < 1e-4
    assert against_fitted.max() < 1e-4


@pytest.mark.slow
def test_the_curvature_of_all_rows_or_of_some_bounds_gap_and_coefficients():
    checked = 0
    for seed, (problem, best) in enumerate(solved_problems()):
        objective, lowest = problem.objective(), long_value(problem, best)
        for theta in points_on_the_way(best, seed):
            at, gap = objective.evaluate(theta, order=2), float(long_value(problem, theta) - lowest)
            of_some = by_part(objective, at, Part(some_rows(problem, seed)))
            for bound in (by_self_concordance(objective, at, at), of_some):
                assert bound.gap >= gap
                if bound.coef_error is not None:
                    assert np.all(np.abs(theta - best) <= bound.coef_error + 1e-12 * np.abs(best).max())
                    checked += 1
    assert checked > 300


def test_the_bound_by_curvature_falls_with_the_square_of_the_distance_to_the_optimum():
    for problem, best in solved_problems():
        objective = problem.objective()
        if not best.any():
            continue
        points = [objective.evaluate((best * (1 + size)).astype(float), order=2) for size in (1e-3, 1e-5)]
        gaps = [by_self_concordance(objective, at, at).gap for at in points]
        assert gaps[1] < 1e-3 * gaps[0]


@pytest.mark.parametrize("levels", [4, 6])
def test_indicators_that_sum_to_one_leave_a_subgradient_no_choice_and_the_bound_all_it_says(levels):
    # Of an even number of levels one has no weight, and of the others the odd one's sign is what its subgradient is.
    for seed in range(40):
        rng = np.random.default_rng(seed)
        level, steep = rng.integers(levels, size=400), rng.standard_normal(400)
        X = np.column_stack([np.eye(levels)[level], steep])
        y = (np.linspace(-2, 2, levels)[level] + steep + rng.logistic(size=400) > 0)[:, None] * 1.0
        problem = Problem(X, y[:, 0].astype(int), np.ones(400), 2, np.full(levels + 1, 1 / 40), l1_ratio=1.0)
        objective, fit = problem.objective(), solve(problem, tol=1e-14)
        best = np.append(fit.coefficients[0], fit.intercepts)[:, None]
        near = best + 1e-5 * rng.standard_normal(best.shape) * (best != 0)
        at = objective.evaluate(near, order=2)
        true = at.value - objective.evaluate(best, order=0).value
        assert true - 1e-14 <= by_self_concordance(objective, at, at).gap <= 1.1 * true + 1e-14


def test_the_certified_gap_vanishes_at_the_optimum():
    for problem, best in solved_problems():
        objective = problem.objective()
        assert certify(objective, objective.evaluate(best.astype(float), order=1)).gap <= 1e-13


def test_the_engine_ends_at_the_optimum_with_its_zeros():
    for problem, best in solved_problems():
        theta = theta_of(problem, solve(problem, tol=1e-9))
        assert float(long_value(problem, theta) - long_value(problem, best)) <= 1e-9
        np.testing.assert_array_equal(theta == 0, best == 0)


def test_zeros_abound_and_some_weights_remain():
    zeros = [np.mean(best[: problem.X.shape[1]] == 0) for problem, best in solved_problems()]
    assert sum(share == 1 for share in zeros) >= 5
    assert sum(0 < share < 1 for share in zeros) >= 40


@few
@given(l1_problems())
def test_the_optimality_conditions_hold(problem):
    theta = theta_of(problem, solve(problem))
    s, _ = long_subgradient(problem, theta)
    assert np.abs(s).max() <= 1e-7


@few
@given(l1_problems(), seeds)
def test_a_weight_of_k_is_k_copies_of_the_row(problem, seed):
    copies = np.random.default_rng(seed).integers(1, 4, len(problem.y))
    repeated = replace(problem, weight=np.ones(len(problem.y))).rows(np.repeat(np.arange(len(copies)), copies))
    weighted = replace(problem, weight=copies * 1.0)
    a, b = theta_of(problem, solve(weighted)), theta_of(problem, solve(repeated))
    assert float(abs(long_value(weighted, a) - long_value(weighted, b))) <= 1e-11


@few
@given(l1_problems())
def test_sparse_rows_give_the_dense_answer(problem):
    a, b = theta_of(problem, solve(replace(problem, X=sparse.csr_array(problem.X)))), theta_of(problem, solve(problem))
    assert float(abs(long_value(problem, a) - long_value(problem, b))) <= 1e-11


@few
@given(l1_problems(), st.integers(-3, 3))
def test_a_penalty_in_the_units_of_the_column_scales_with_it(problem, power):
    factors = 10.0 ** (power * np.arange(problem.X.shape[1]))
    source = replace(problem, X=problem.X * factors).source()
    options = Options("auto", 1e-12, 200, problem.fit_intercept)
    scaled = fit_linear_model(source, problem.loss, problem.penalty.in_units(factors), options, problem.start())
    scaled = replace(scaled, coefficients=scaled.coefficients * factors)
    a, b = theta_of(problem, scaled), theta_of(problem, solve(problem))
    assert float(abs(long_value(problem, a) - long_value(problem, b))) <= 1e-11


@pytest.mark.parametrize(("rows", "columns"), [(200, 300), (60, 2000), (5000, 200)])
@pytest.mark.parametrize("power", [-100, -30, 30])
def test_a_lasso_takes_the_same_steps_in_any_unit_of_y_to_the_same_bits(rows, columns, power):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(rows, columns))
    y = X[:, :5] @ rng.normal(size=5) + rng.normal(size=rows) + 3.0
    alpha = 0.05 * np.abs(X.T @ (y - y.mean())).max()
    one, other = (LinearRegression(alpha=alpha * unit, l1_ratio=1.0).fit(X, y * unit) for unit in (1.0, 2.0**power))
    assert other.trace_.passes == one.trace_.passes
    assert (other.coef_ == 2.0**power * one.coef_).all()
    assert other.certificate_.gap == 4.0**power * one.certificate_.gap


def wide(rows: int = 60, p: int = SMALL + 100, K: int = 2) -> Problem:
    """More columns than the small matrix takes."""
    rng = np.random.default_rng(K)
    X = rng.normal(size=(rows, p)) * (rng.uniform(size=(rows, p)) < 0.3)
    y = (X[:, :K] + rng.gumbel(size=(rows, K))).argmax(axis=1)
    return Problem(X, y, rng.uniform(0.5, 2.0, rows), K, np.full(p, 0.02))


@pytest.mark.parametrize(
    ("K", "l1_ratio", "form"),
    [
        (2, 0.5, sparse.csr_array),
        *seldom((2, 1.0, np.asarray), (4, 0.5, np.asarray), (3, 1.0, sparse.csr_array)),
    ],
)
def test_a_working_set_finds_the_optimum_over_all_columns(K, l1_ratio, form):
    problem = replace(wide(K=K), l1_ratio=l1_ratio)
    fit = solve(replace(problem, X=form(problem.X)), tol=1e-10)
    s, _ = long_subgradient(problem, theta_of(problem, fit))
    assert fit.certificate.gap <= 1e-10
    assert np.abs(s).max() <= 1e-8
    assert 0 < np.count_nonzero(fit.coefficients) < fit.coefficients.size / 2


def test_several_classes_of_sparse_columns_need_few_products_though_a_shift_of_all_costs_next_to_nothing(monkeypatch):
    rng, products = np.random.default_rng(0), []
    X = sparse.random(3_000, 600, 0.02, random_state=0, format="csr")
    W = rng.normal(size=(600, 4)) * (rng.uniform(size=(600, 1)) < 0.1) * 3.0
    y = (X @ W + rng.gumbel(size=(3_000, 4))).argmax(axis=1)
    times = Objective.curvature_times

    def counted(self: Objective, *arguments: Any) -> Any:
        products.append(self)
        return times(self, *arguments)

    monkeypatch.setattr(Objective, "curvature_times", counted)
    fit = solve(Problem(X, y, np.ones(3_000), 4, np.full(600, 0.01 / 3_000), l1_ratio=1.0), tol=1e-6)
    assert fit.certificate.gap <= 1e-6
    assert len(products) < 400  # else 1,100


@pytest.mark.parametrize("seed", range(6))
def test_the_weights_of_a_column_end_where_their_common_shift_costs_least(seed):
    rng = np.random.default_rng(seed)
    X, y = rng.normal(size=(47, 7)) * 10.0 ** rng.integers(-3, 4, size=7), np.arange(47) % 4
    model = LogisticRegression(C=1e6, l1_ratio=0.5).fit(X, y)
    w, penalty = model.coef_.T, elastic_net(np.full(7, 1e-6), 0.5)
    np.testing.assert_allclose(penalty.shifted(w), w, atol=1e-8 * np.abs(w).max())
    again = model.fit(X[::-1], y[::-1]).coef_.T
    np.testing.assert_allclose(again * X.std(axis=0)[:, None], w * X.std(axis=0)[:, None], atol=1e-7)
    np.testing.assert_array_equal(again == 0, w == 0)


@pytest.mark.parametrize("form", [sparse.csr_array, sparse.csc_array])
def test_a_working_set_may_be_all_of_the_sparse_columns(form):
    rng = np.random.default_rng(0)
    X = sparse.random_array((1_000, SMALL + 20), density=0.05, rng=rng)
    y = (X @ rng.normal(size=X.shape[1]) * 3 + rng.logistic(size=1_000) > 0).astype(int)
    problem = Problem(form(X), y, np.ones(1_000), 2, np.full(X.shape[1], 1e-4), l1_ratio=0.2)
    fit = solve(problem, tol=1e-10)
    assert np.count_nonzero(fit.coefficients) > X.shape[1] / 2
    dense = solve(replace(problem, X=X.toarray()), tol=1e-10)
    np.testing.assert_allclose(fit.coefficients, dense.coefficients, atol=1e-7)


@pytest.mark.parametrize(("K", "form"), [(2, sparse.csr_array), (2, np.asarray), (3, sparse.csr_array)])
def test_what_the_model_predicted_proves_more_than_what_is_fitted(K, form):
    problem = replace(wide(K=K, p=100), l1_ratio=1.0)
    objective, best = replace(problem, X=form(problem.X)).objective(), long_value(problem, long_optimum(problem))
    start = np.zeros((problem.X.shape[1] + 1, K if K > 2 else 1))
    for iterate in on_working_sets(objective, start):
        if iterate.ahead is not None and iterate.gap < 1e-7:
            break
    predicted, by_fit = predicted_bound(objective, iterate.at, iterate.ahead), fitted_bound(objective, iterate.at)
    assert predicted >= float(long_value(problem, iterate.at.theta) - best)
    assert predicted < 0.3 * by_fit


@pytest.mark.parametrize("p", [4, SMALL + 100])
def test_columns_left_out_by_the_optimum_do_not_change_it(p):
    problem = replace(wide(p=p), l1_ratio=1.0)
    fit = solve(problem)
    kept = np.flatnonzero(fit.coefficients[0])
    alone = solve(replace(problem, X=problem.X[:, kept], strength=problem.strength[kept]))
    np.testing.assert_allclose(alone.coefficients[0], fit.coefficients[0, kept], atol=1e-7)


@pytest.mark.parametrize("p", [3, SMALL + 100])
@pytest.mark.parametrize("K", [2, 3])
def test_a_huge_penalty_leaves_the_shares_of_the_classes(K, p):
    problem = replace(wide(K=K, p=p), strength=np.full(p, 1e6), l1_ratio=1.0)
    fit = solve(problem)
    shares = np.bincount(problem.y, problem.weight) / problem.weight.sum()
    assert not fit.coefficients.any()
    np.testing.assert_allclose(problem.loss.probabilities(fit.intercepts[None, :])[0], shares, atol=1e-9)


def test_identical_and_constant_columns_are_no_trouble():
    problem = replace(make_problem(3, p=2, strength=0.01), l1_ratio=1.0)
    X = np.hstack([problem.X, problem.X, np.zeros((len(problem.y), 1)), np.ones((len(problem.y), 1))])
    twice = replace(problem, X=X, strength=np.full(6, 0.01))
    fit = solve(twice, tol=1e-10)
    once = float(long_value(problem, theta_of(problem, solve(problem))))
    assert float(long_value(twice, theta_of(twice, fit))) == pytest.approx(once, abs=1e-10)
    assert not fit.coefficients[0, 4:].any()


@pytest.mark.parametrize("l1_ratio", [0.3, 1.0])
def test_a_warm_start_at_the_optimum_takes_one_iteration_at_most(l1_ratio):
    for problem in (replace(make_problem(8, strength=0.02), l1_ratio=l1_ratio), replace(wide(), l1_ratio=l1_ratio)):
        cold = solve(problem)
        warm = solve(problem, tol=1e-8, start=(cold.coefficients, cold.intercepts))
        assert warm.iterations <= 1


def test_a_sample_start_leads_to_the_optimum_of_all_rows():
    rng = np.random.default_rng(2)
    X = rng.normal(size=(40_000, 3))
    y = (X[:, 0] - 4 + rng.logistic(size=40_000) > 0).astype(int)
    problem = Problem(X, y, np.ones(len(y)), 2, np.full(3, 1e-3), l1_ratio=1.0)
    fit = solve(problem, tol=1e-9)
    assert fit.trace.column("gap")[0] < 1e-2
    assert np.abs(long_subgradient(problem, theta_of(problem, fit))[0]).max() <= 1e-8


@given(seeds, st.integers(1, 8))
def test_the_minimum_of_a_model_meets_its_conditions_by_either_solver(seed, n):
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(n + 2, n))
    H, g, w, l1 = (
        root.T @ root,
        rng.normal(size=n),
        rng.normal(size=n) * (rng.uniform(size=n) < 0.5),
        rng.uniform(size=n),
    )
    by_products = Curvature(
        np.diagonal(H),
        lambda d: H @ d,
        SolveByProducts(lambda some: H[np.ix_(some, some)].__matmul__, np.diagonal(H), solved=0.03),
    )
    for curvature, enough in ((matrix(H), 1e-12), (by_products, 1e-8)):
        v, decrease = minimise_model(curvature, w, g, l1, enough)
        slope = g + H @ (v - w)
        outside = np.where(v == 0, np.maximum(np.abs(slope) - l1, 0), np.abs(slope + l1 * np.sign(v)))
        assert outside.max() <= 1e-2 * np.sqrt(enough) ** 0.5 * (1 + np.abs(g).max() + np.abs(H).max())
        fall = g @ (v - w) + (v - w) @ H @ (v - w) / 2 + l1 @ (np.abs(v) - np.abs(w))
        assert decrease == pytest.approx(-fall, abs=1e-9)


@given(seeds)
def test_proximal_steps_never_raise_the_model_however_alike_the_columns(seed):
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(30, 1)) + 0.1 * rng.normal(size=(30, 12))
    H, g, w, l1 = root.T @ root, 10 * rng.normal(size=12), rng.normal(size=12), rng.uniform(size=12)
    v, slope, fall = proximal_steps(matrix(H), w, g, l1, np.diagonal(H))
    model = g @ (v - w) + (v - w) @ H @ (v - w) / 2 + l1 @ (np.abs(v) - np.abs(w))
    assert fall > 0
    assert fall == pytest.approx(-model, rel=1e-8)
    np.testing.assert_allclose(slope, g + H @ (v - w), atol=1e-9 * np.abs(H).max())


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("K", [1, 3])
def test_the_matrix_among_some_coefficients_is_their_part_of_the_curvature(K, dtype):
    random = np.random.default_rng(2)
    X, weight = random.standard_normal((300, 8)) + np.arange(8), random.uniform(0.5, 2.0, 300)
    y = random.integers(0, 2, (300, 1)) * 1.0 if K == 1 else random.integers(0, K, 300)

    def over(X: np.ndarray) -> Objective:
        loss = LogLoss() if K == 1 else SoftmaxLoss()
        return Objective(memory_source(X, y, weight, True, 2), loss, elastic_net(np.full(8, 0.1), 0.5), True)

    objective, theta = over(X), random.standard_normal((9, K)) / 3
    H, t = products(objective, objective.evaluate(theta, order=1, keep_state=True), 0.1, Room(np.inf, np.inf))
    some = np.sort(random.permutation(theta.size)[: theta.size // 2])
    assert H.among is not None
    whole = np.column_stack([H.times(unit) for unit in np.eye(theta.size)])
    # The state is in single precision, and so is its product, or held by as much.
    np.testing.assert_allclose(H.among(some, dtype), whole[np.ix_(some, some)], atol=1e-6)
    weights = slice(8 * K)  # intercepts that move together are held in the matrix of all
    there = over(X - t.T).evaluate(shifted(theta, t), order=2).curvature
    np.testing.assert_allclose(whole[weights, weights], there[weights, weights], atol=1e-6)


def test_a_matrix_that_is_rounding_is_made_again_in_double_precision():
    random = np.random.default_rng(3)
    first = random.standard_normal((200, 1))
    X = first + 1e-5 * random.standard_normal((200, 6))
    H, g, l1 = X.T @ X, random.standard_normal(6), np.full(6, 0.01)
    asked = []

    def among(some, dtype):
        asked.append(dtype)
        return H[np.ix_(some, some)] + (dtype == np.float32) * 1e-6 * np.diag(np.diagonal(H)[some])

    solve = matrix(H).solve
    curvature = Curvature(np.diagonal(H), lambda d: H @ d, solve, among=among, most=(7, 7))
    v = minimise_by_turns(curvature, np.zeros(6), g, l1, 1e-6)
    slope = g + H @ v
    outside = np.where(v == 0, np.maximum(np.abs(slope) - l1, 0), np.abs(slope + l1 * np.sign(v)))
    assert asked[0] == np.float32
    assert asked[-1] == np.float64
    assert outside.max() <= 1e-3 * np.abs(g).max()


def test_a_matrix_that_leads_astray_moves_nothing():
    random = np.random.default_rng(3)
    X = random.standard_normal((200, 6))
    H, g, l1 = X.T @ X, random.standard_normal(6), np.full(6, 0.01)
    curvature = replace(
        matrix(H), plus=None, among=lambda some, dtype: np.eye(len(some)), most=(7, 7)
    )  # far too little
    v = minimise_by_turns(curvature, np.zeros(6), g, l1, 1e-6)
    np.testing.assert_allclose(v, minimise_model(matrix(H), np.zeros(6), g, l1, 1e-12)[0], atol=1e-8)


def test_a_shift_of_all_classes_says_nothing_about_the_curvature():
    random = np.random.default_rng(4)
    source = memory_source(random.standard_normal((20, 2)), random.integers(0, 3, 20))
    for l1_ratio, flat in ((1.0, True), (0.5, False)):
        objective = Objective(source, SoftmaxLoss(), elastic_net(np.ones(2), l1_ratio), True)
        step = random.standard_normal((3, 3))
        step -= step.mean(axis=1, keepdims=True)
        shift = np.array([[2.0], [-1.0], [0.0]])
        expected = step if flat else step + shift
        np.testing.assert_allclose(without_flat(objective, step + shift), expected, atol=1e-12)


def test_weights_that_cost_the_same_shifted_together_do_not_slow_the_steps():
    random = np.random.default_rng(0)
    X = random.standard_normal((1_500, 30))
    y = (X @ random.standard_normal((30, 4)) / 2 + random.gumbel(size=(1_500, 4))).argmax(axis=1)
    model = LogisticRegression(C=0.03, l1_ratio=1.0).fit(X, y)
    gaps = model.trace_.column("gap")
    late = gaps[gaps < 1e-10]
    assert model.certificate_.gap <= 1e-8
    assert len(late) == 1 or (late[1:] / late[:-1]).max() < 0.5


@pytest.mark.slow
def test_many_rows_of_several_classes_take_the_curvature_of_all_coefficients_from_a_sample():
    random = np.random.default_rng(5)
    X = random.standard_normal((32_000, 25))
    y = (X @ random.standard_normal((25, 20)) / 2 + random.gumbel(size=(32_000, 20))).argmax(axis=1)
    assert SMALL < 26 * 20 <= LARGEST
    model = LogisticRegression(C=0.01, l1_ratio=1.0).fit(X, y)
    assert model.certificate_.gap <= 1e-8
    assert model.trace_.column("gap")[0] < 0.05
    assert 0.1 < np.mean(model.coef_ != 0) < 0.9


@pytest.mark.parametrize(
    ("shape", "rows", "takes"),
    [
        ((SMALL, 1), 2_500, True),
        ((SMALL, 1), 2_499, False),
        ((100, 4), 8_000, True),
        ((100, 4), 7_999, False),
        ((600, 1), 80_000, True),
        ((600, 1), 40_000, False),
        ((LARGEST + 1, 1), 10**6, False),
    ],
)
def test_the_curvature_of_many_coefficients_is_held_where_it_is_cheap_and_finds_room(shape, rows, takes):
    X = np.broadcast_to(np.zeros(100), (rows, 100))
    assert takes_metric(memory_source(X, np.zeros(rows), centre=False), shape) is takes


def test_of_few_rows_several_classes_take_the_few_steps_of_a_working_set():
    model = LogisticRegression(C=1.0, l1_ratio=1.0).fit(*whose_weights_remain())
    assert np.count_nonzero(model.coef_) > 200
    assert len(model.trace_.steps) <= 9
    assert model.certificate_.gap <= 1e-8


def test_several_classes_of_whose_weights_most_remain_need_few_newton_steps_of_a_model(monkeypatch):
    X, y = whose_weights_remain()
    steps = []

    def counted(self: SolveByProducts, some: Any, b: Any, solve: Any = SolveByProducts.__call__) -> Any:
        steps.append(len(some))
        return solve(self, some, b)

    monkeypatch.setattr(SolveByProducts, "__call__", counted)
    model = LogisticRegression(C=1.0, l1_ratio=1.0).fit(sparse.csr_array(X), y)  # of which no matrix is made
    assert model.certificate_.gap <= 1e-8
    assert len(steps) <= 15


def whose_weights_remain() -> tuple[np.ndarray, np.ndarray]:
    """Rows of five classes, each of which most columns help to tell."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2_000, 60))
    return X, (X @ rng.normal(size=(60, 5)) / 8 + rng.gumbel(size=(2_000, 5))).argmax(axis=1)


def test_several_classes_find_the_few_weights_of_columns_that_all_but_repeat_each_other():
    random = np.random.default_rng(7)
    first = random.standard_normal((400, 1))
    X = first + 1e-4 * random.standard_normal((400, 200))
    y = (first * np.arange(3) + random.gumbel(size=(400, 3))).argmax(axis=1)
    model = LogisticRegression(C=100.0, l1_ratio=0.5).fit(X, y)
    assert X.shape[1] * 3 > SMALL
    assert model.certificate_.gap <= 1e-8
    assert 0 < np.count_nonzero(model.coef_) < 300


def test_several_classes_of_correlated_columns_need_few_factors(monkeypatch):
    random, made, solved = np.random.default_rng(0), [], []
    X = 0.6 * random.standard_normal((300, 80)) + random.standard_normal((300, 1))
    y = (X @ random.standard_normal((80, 5)) / 6 + random.gumbel(size=(300, 5))).argmax(axis=1)
    factor, solve = bordered.factor_positive, Bordered.__call__
    monkeypatch.setattr(bordered, "factor_positive", lambda A, spare: made.append(len(A)) or factor(A, spare=spare))
    monkeypatch.setattr(Bordered, "__call__", lambda self, some, b: solved.append(len(some)) or solve(self, some, b))
    model = LogisticRegression(C=10.0, l1_ratio=1.0).fit(X, y)
    assert model.certificate_.gap <= 1e-8
    assert len(solved) > 50
    assert len(made) < len(solved) / 2


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_matrix_of_several_classes_is_symmetric_to_the_last_bit(dtype):
    random = np.random.default_rng(0)
    source = memory_source(random.standard_normal((50, 4)), random.integers(0, 3, 50))
    objective = Objective(source, SoftmaxLoss(), elastic_net(repeated(0.0, 4), 0.1), fit_intercept=True)
    at = objective.evaluate(random.standard_normal((5, 3)), order=1)
    H = gram_among(objective, source, at, Those(np.arange(15), np.ones(15), np.zeros((4, 1)), dtype))
    np.testing.assert_array_equal(H, H.T)


def test_only_the_proximal_solver_takes_an_l1_penalty():
    assert choose("auto", 31, 1, l1=True).name == "proximal-newton"
    assert "no derivative" in choose("saga", 31, 1, l1=True).why
    for name in ("newton", "newton-cg", "conjugate-gradient", "gradient-descent"):
        with pytest.raises(ArgumentError, match=f"solver='{name}' cannot minimise an L1 penalty. Use 'auto'"):
            choose(name, 31, 1, l1=True)


def standardised(load: Any, rows: slice = slice(None)) -> tuple[np.ndarray, np.ndarray]:
    X, y = load(return_X_y=True)
    X = X[rows]
    return (X - X.mean(axis=0)) / np.where(X.std(axis=0) > 0, X.std(axis=0), 1.0), y[rows]


def peer(**settings: Any) -> Any:
    return Peer(tol=1e-10, max_iter=100_000, random_state=0, **settings)


@pytest.mark.parametrize("l1_ratio", [0.4, 1.0])
@pytest.mark.parametrize("C", [0.02, *seldom(0.2)])
def test_saga_agrees_for_two_classes(C, l1_ratio):
    X, y = standardised(load_breast_cancer)
    ours = LogisticRegression(C=C, l1_ratio=l1_ratio, tol=1e-11).fit(X, y)
    theirs = peer(C=C, l1_ratio=l1_ratio, solver="saga").fit(X, y)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=1e-6)
    np.testing.assert_allclose(ours.intercept_, theirs.intercept_, atol=1e-6)


def test_liblinear_agrees_without_an_intercept():
    X, y = standardised(load_breast_cancer)
    ours = LogisticRegression(C=0.1, l1_ratio=1.0, tol=1e-11, fit_intercept=False).fit(X, y)
    theirs = peer(C=0.1, l1_ratio=1.0, solver="liblinear", fit_intercept=False).fit(X, y)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=1e-6)


@pytest.mark.parametrize("l1_ratio", [0.4, 1.0])
def test_saga_agrees_for_several_classes(l1_ratio):
    X, y = standardised(load_digits, slice(300))
    X, y = X[y < 4][:, 10:40], y[y < 4]
    ours = LogisticRegression(C=0.1, l1_ratio=l1_ratio, tol=1e-11).fit(X, y)
    theirs = peer(C=0.1, l1_ratio=l1_ratio, solver="saga").fit(X, y)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=1e-6)


def test_one_against_the_rest_is_a_fit_for_each_class():
    X, y = standardised(load_digits, slice(300))
    X, y = X[y < 3], y[y < 3]
    together = LogisticRegression(C=0.1, l1_ratio=1.0, multi_class="ovr").fit(X, y)
    for k in range(3):
        alone = LogisticRegression(C=0.1, l1_ratio=1.0).fit(X, y == k)
        np.testing.assert_array_equal(together.coef_[k], alone.coef_[0])


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize(("alpha", "l1_ratio"), [(0.1, 1.0), (1.0, 1.0), (0.01, 0.5), (0.3, 0.9)])
def test_the_lasso_and_the_elastic_net_agree_with_the_translated_alpha(alpha, l1_ratio, fit_intercept):
    X, y = load_diabetes(return_X_y=True)
    weight = np.random.default_rng(0).uniform(0.5, 2.0, len(y))
    model = LinearRegression(alpha=alpha * weight.sum(), l1_ratio=l1_ratio, fit_intercept=fit_intercept)
    ours = model.fit(X, y, sample_weight=weight)
    theirs = PeerElasticNet(alpha=alpha, l1_ratio=l1_ratio, fit_intercept=fit_intercept, tol=1e-14, max_iter=10**6)
    theirs.fit(X, y, sample_weight=weight)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=1e-8)
    np.testing.assert_array_equal(ours.coef_ == 0, theirs.coef_ == 0)
    assert ours.certificate_.gap <= 1e-9
    assert ours.rank_ == np.count_nonzero(ours.coef_)


def test_a_lasso_of_more_columns_than_rows_and_of_several_targets_agrees():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(30, 100))
    Y = X[:, :2] + rng.normal(size=(30, 2))
    ours = LinearRegression(alpha=6.0, l1_ratio=1.0).fit(X, Y)
    theirs = np.array([PeerLasso(alpha=0.2, tol=1e-14, max_iter=10**6).fit(X, y).coef_ for y in Y.T])
    np.testing.assert_allclose(ours.coef_, theirs, atol=1e-8)


def test_a_lasso_of_far_more_columns_than_rows_and_next_to_no_penalty_is_certified():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(40, 1_000)) * (rng.random((40, 1_000)) < 0.05)
    model = LinearRegression(alpha=2e-4, l1_ratio=1.0).fit(X, X @ rng.normal(size=1_000) + rng.normal(size=40))
    assert model.certificate_.gap <= 1e-8


def models_of(monkeypatch: Any) -> list[tuple[int, int]]:
    """The models that are minimised from now on: their weights that are not zero, and their products."""
    found = []

    def counted(H: Curvature, *given: Any) -> np.ndarray:
        products = []

        def times(d: np.ndarray) -> np.ndarray:
            products.append(len(d))
            return H.times(d)

        v = minimise_by_turns(replace(H, times=times), *given)
        found.append((int(np.count_nonzero(v)), len(products)))
        return v

    monkeypatch.setattr(working_model, "minimise_by_turns", counted)
    return found


@pytest.mark.parametrize("K", [0, 2, 3])
def test_no_model_of_more_columns_than_rows_gives_a_weight_to_many_times_as_many(monkeypatch, K):
    models, rng = models_of(monkeypatch), np.random.default_rng(0)
    X = rng.normal(size=(50, 3_000))
    if K:
        y = (X[:, :K] + rng.gumbel(size=(50, K))).argmax(axis=1)
        model = LogisticRegression(C=100.0, l1_ratio=1.0).fit(X, y)
    else:
        model = LinearRegression(alpha=0.05, l1_ratio=1.0).fit(X, X[:, :10].sum(axis=1) + rng.normal(size=50))
    assert model.certificate_.gap <= 1e-8
    assert models
    assert max(weights for weights, _ in models) <= 2 * 50 * max(K, 1)


@pytest.mark.parametrize("numbers", [False, True])
def test_columns_off_zero_need_no_more_products_than_about_zero_and_have_the_same_weights(monkeypatch, numbers):
    models, rng = models_of(monkeypatch), np.random.default_rng(0)
    X = rng.normal(size=(250, 600))
    eta, off = X[:, :10].sum(axis=1), X + rng.uniform(-50.0, 50.0, 600)
    model = LinearRegression(alpha=5.0, l1_ratio=1.0) if numbers else LogisticRegression(C=1.0, l1_ratio=1.0)
    y = eta + rng.normal(size=250) if numbers else eta + rng.logistic(size=250) > 0
    found = []
    for rows in (X, off):
        models.clear()
        found.append((model.fit(rows, y).coef_, sum(products for _, products in models)))
    (about, few), (there, products) = found
    np.testing.assert_allclose(there, about, atol=1e-6)
    assert 0 < products <= 2 * few


def test_an_l1_share_of_nothing_is_the_ridge():
    X, y = load_diabetes(return_X_y=True)
    tiny, none = (LinearRegression(alpha=2.0, l1_ratio=r).fit(X, y).coef_ for r in (1e-12, 0.0))
    np.testing.assert_allclose(tiny, none, rtol=1e-9)


@pytest.mark.parametrize("model", [LogisticRegression, LinearRegression])
@pytest.mark.parametrize("l1_ratio", [-0.1, 1.1, np.nan, "half"])
def test_an_l1_ratio_outside_0_and_1_is_refused(model, l1_ratio):
    with pytest.raises(ArgumentError, match=f"l1_ratio={l1_ratio!r} must be"):
        model(l1_ratio=l1_ratio).fit([[0.0], [1.0], [2.0]], [0, 1, 0])


def test_a_fit_that_must_stop_early_says_how_far_it_is():
    problem = replace(make_problem(5, p=4, strength=1e-3, noise=0.1), l1_ratio=1.0)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        options = Options("auto", 1e-13, 1)
        fit = fit_linear_model(problem.source(), problem.loss, problem.penalty, options, problem.start())
    assert f"at most {fit.certificate.gap:.1e} above the best" in str(caught[0].message)
    best = long_optimum(problem)
    assert float(long_value(problem, theta_of(problem, fit)) - long_value(problem, best)) <= fit.certificate.gap


def test_conjugate_gradients_that_were_cut_short_are_given_more_products_on_the_same_columns():
    H, b, products = np.diag(np.linspace(1e-6, 1.0, 500)), np.ones(500), []

    def times_on(some: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
        def times(d: np.ndarray) -> np.ndarray:
            products.append(d)
            return H[np.ix_(some, some)] @ d

        return times

    solve, some, counts = SolveByProducts(times_on, np.ones(500), solved=0.03), np.arange(500), []
    for columns in (some, some, some[:-1]):
        before = len(products)
        solve(columns, b[columns])
        counts.append(len(products) - before)
    assert counts == [10, 20, 10]


@pytest.mark.parametrize("seed", [0, *seldom(1, 2)])
@pytest.mark.parametrize("l1_ratio", [0.5, 1.0])
def test_units_as_far_apart_as_numbers_go_end_in_a_fit_or_in_words(seed, l1_ratio):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(10, 60)) * 10.0 ** rng.uniform(-85, 85, 60)
    weight = np.full(10, 1e79)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SeparatrixWarning)
        for fit in (
            lambda: LogisticRegression(l1_ratio=l1_ratio).fit(X, np.arange(10) % 2),
            lambda: LogisticRegression(l1_ratio=l1_ratio).fit(X[:, :5] / np.abs(X[:, :5]), np.arange(10) % 2, weight),
            lambda: LinearRegression(alpha=1e60, l1_ratio=l1_ratio).fit(X / np.abs(X), 1e80 * rng.normal(size=10)),
        ):
            assert np.isfinite(fit().coef_).all()
