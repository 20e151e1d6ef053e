"""The certified gap is never below the true one, which is known from an independent solve in extended precision."""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from problems import Problem, make_problem, solve
from seldom import seldom
from separatrix import LogisticRegression
from separatrix.data.memory import memory_source
from separatrix.engine.certificates.certificate import Part, by_duality, by_pairs, by_part, by_self_concordance, certify
from separatrix.engine.certificates.duality import fitted_bound, intercept_effects, tilt_against
from separatrix.engine.certificates.row_reach import (
    MANY_ROWS,
    by_root,
    farthest_row,
    least_reach,
    longest_by,
    longest_row,
    reach_of_few,
    reaches,
)
from separatrix.engine.objective import Evaluation, Objective
from separatrix.engine.rowspace import smallest_space
from separatrix.engine.solvers.sampling import Sample, far_rows, sampled
from separatrix.equations.losses import LogLoss, SoftmaxLoss, SquaredLoss
from separatrix.equations.penalties import L2

LONG = np.longdouble
STRENGTHS = (0.0, 1e-6, 1e-3, 0.1, 10.0)


def long_objective(problem: Problem, theta: np.ndarray) -> tuple[Any, np.ndarray]:
    """Value and probabilities (n, L) with a column of theta for each of L classes.

    For two classes the first class's column is zero and stays so. Written for this test alone, in extended precision.
    """
    Z, share, strength = long_terms(problem)
    eta = Z @ theta.astype(LONG)
    if problem.offset is not None:
        eta[:, -problem.offset.shape[1] :] += problem.offset
    eta -= eta.max(axis=1, keepdims=True)
    e = np.exp(eta)
    total = e.sum(axis=1, keepdims=True)
    log_p = (eta - np.log(total))[np.arange(len(eta)), problem.y]
    return -share @ log_p + (strength * theta.astype(LONG) ** 2).sum() / 2, e / total


def long_derivatives(problem: Problem, theta: np.ndarray, P: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gradient (P, L) and Hessian (P L, P L) of the objective, where the probabilities are P."""
    K = problem.K
    Z, share, strength = long_terms(problem)
    gradient = Z.T @ (share[:, None] * (P - np.eye(K)[problem.y])) + strength * theta
    blocks = share[:, None, None] * (P[:, :, None] * np.eye(K) - P[:, :, None] * P[:, None, :])
    hessian = np.einsum("np,nkl,nq->pkql", Z, blocks, Z)
    for k in range(K):
        hessian[:, k, :, k] += np.diag(strength[:, 0])
    return gradient, hessian


def long_terms(problem: Problem) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Columns with that of ones, what share of the mean each row is, and the penalty on each row of theta, (P, 1)."""
    Z = np.hstack([problem.X, np.ones((len(problem.y), int(problem.fit_intercept)))]).astype(LONG)
    share = problem.weight.astype(LONG) / problem.weight.astype(LONG).sum()
    return Z, share, np.concatenate([problem.strength, np.zeros(int(problem.fit_intercept))]).astype(LONG)[:, None]


def all_columns(problem: Problem, theta: np.ndarray) -> np.ndarray:
    """theta with a column for every class."""
    return np.hstack([np.zeros_like(theta), theta]) if problem.K == 2 else theta


def long_optimum(problem: Problem) -> np.ndarray:
    """theta*, by Newton with gradients in extended precision and steps in double, until the gradient is rounding."""
    theta = np.zeros((problem.X.shape[1] + problem.fit_intercept, problem.K), dtype=LONG)
    free = slice(1, None) if problem.K == 2 else slice(None)
    for _ in range(200):
        value, P = long_objective(problem, theta)
        gradient, hessian = long_derivatives(problem, theta, P)
        g, H = gradient[:, free].ravel(), hessian[:, free, :, free].reshape(gradient[:, free].size, -1)
        if np.abs(g).max() < 1e-15:  # the gap it leaves is its square
            return theta
        step = np.zeros_like(theta)
        inverse = np.linalg.pinv(H.astype(float), rcond=1e-13, hermitian=True)
        step[:, free] = -(inverse @ g.astype(float)).reshape(gradient[:, free].shape)
        length = 1.0
        while long_objective(problem, theta + length * step)[0] > value and length > 1e-4:
            length /= 2
        theta = theta + length * step
    raise AssertionError(f"the reference has not converged: gradient {np.abs(g).max():.1e}")


@cache
def solved_problems() -> list[tuple[Problem, np.ndarray]]:
    """240 problems and their optima: classes, columns, penalties, intercepts, offsets, and how nearly they are
    separable."""
    shapes = [(p, K, noise) for p in (1, 3) for K in (2, 3) for noise in (1.0, 0.1, 1e-3)]
    problems = [
        make_problem(
            100 * number + offset,
            p=p,
            K=K,
            points=6,
            strength=strength,
            fit_intercept=intercept,
            noise=noise,
            offset=offset,
        )
        for number, (p, K, noise) in enumerate(shapes)
        for strength in STRENGTHS
        for intercept in (True, False)
        for offset in (False, True)
    ]
    return [(problem, long_optimum(problem)) for problem in problems]


def points_on_the_way(problem: Problem, best: np.ndarray, seed: int) -> Iterator[np.ndarray]:
    """Zero, far points, points nearer and nearer to the optimum, and the optimum rounded to double.

    All of them canonical (softmax's columns sum to zero), as iterates are.
    """
    theta = best[:, 1:] if problem.K == 2 else best
    noise = problem.objective().canonical(np.random.default_rng(seed).normal(size=theta.shape))
    yield np.zeros(theta.shape)
    yield (theta + 1e5 * noise).astype(float)
    yield (theta + 10 * noise).astype(float)
    for size in (1.0, 1e-1, 1e-2, 1e-4, 1e-7):
        yield (theta + size * noise).astype(float)
    yield theta.astype(float)


def true_gap(problem: Problem, theta: np.ndarray, best: np.ndarray) -> float:
    return float(long_objective(problem, all_columns(problem, theta))[0] - long_objective(problem, best)[0])


def test_the_reference_solve_agrees_with_the_engine_on_every_problem():
    assert len(solved_problems()) >= 200
    for problem, best in solved_problems():
        fit = solve(problem, tol=1e-11)
        theta = np.vstack([fit.coefficients.T, fit.intercepts[None, :]])[: len(best)]
        assert true_gap(problem, theta, best) <= 1e-11


def test_no_certified_gap_is_below_the_true_gap():
    for seed, (problem, best) in enumerate(solved_problems()):
        objective = problem.objective()
        for theta in points_on_the_way(problem, best, seed):
            gap = true_gap(problem, theta, best)
            for order in (1, 2):
                assert certify(objective, objective.evaluate(theta, order)).gap >= gap


@pytest.mark.slow
def test_each_bound_holds_by_itself_wherever_it_is_asked():
    for seed, (problem, best) in enumerate(solved_problems()):
        objective = problem.objective()
        for theta in points_on_the_way(problem, best, seed):
            gap, at = true_gap(problem, theta, best), objective.evaluate(theta, order=2)
            assert by_self_concordance(objective, at, at).gap >= gap
            pairs = by_pairs(objective, at)
            assert pairs is None or pairs.gap >= gap
            if problem.strength.all():
                bound, error = by_duality(objective, at), np.abs(all_columns(problem, theta) - best)
                assert bound.gap >= gap
                if bound.coef_error is not None:
                    assert np.all(error[:, -theta.shape[1] :] <= bound.coef_error + 1e-12 * np.abs(best).max())


def test_no_row_is_farthest_at_less_than_the_curvature_alone_says():
    for problem, best in solved_problems():
        objective = problem.objective()
        at = objective.evaluate((best[:, 1:] if problem.K == 2 else best).astype(float), order=2)
        P, K = at.theta.shape
        inverse = at.factor.inverse() / at.factor.unit[:, None] / at.factor.unit
        exact = farthest_row(objective, inverse.reshape(P, K, P, K))
        assert least_reach(objective, at, inverse) <= exact * (1 + 1e-6)


def test_few_rows_of_a_part_reach_about_as_far_as_all_and_no_farther():
    random = np.random.default_rng(0)
    X, group = random.normal(size=(9_000, 3)), np.eye(6)[random.integers(6, size=9_000)]
    for columns in (X, np.hstack([X, group])):  # the second with one too many
        problem = Problem(
            columns, (random.random(9_000) < 0.5).astype(int), np.ones(9_000), 2, np.zeros(len(columns.T))
        )
        part = problem.objective()
        factor = part.evaluate(np.zeros((len(columns.T) + 1, 1)), order=2).factor
        far = np.linalg.norm(factor.inverse()) ** 0.5 / factor.unit
        few = reach_of_few(far_rows(Sample(part, part)), far, factor)
        assert 0.7 * longest_by(part, factor) < few <= longest_by(part, factor)


def test_of_a_sample_the_likeliest_rows_reach_farthest():
    random = np.random.default_rng(0)
    X = np.hstack([random.normal(size=(100_000, 3)), np.arange(100_000)[:, None] % 40_000 == 20_000])
    problem = Problem(X, (random.random(100_000) < 0.5).astype(int), np.ones(100_000), 2, np.full(4, 1e-9))
    sample = sampled(problem.objective(), np.zeros((5, 1)), 6_000, random)
    assert not sample.is_even
    factor = sample.part.evaluate(np.zeros((5, 1)), order=2).factor
    few, all_ = far_rows(sample), longest_by(sample.part, factor)
    assert few is not None
    assert few.source.n_rows == 1_000
    assert reach_of_few(few, 1.0 / factor.unit, factor) == pytest.approx(all_, rel=1e-6)
    assert reach_of_few(far_rows(replace(sample, times=np.ones(1))), 1.0 / factor.unit, factor) < 0.5 * all_


@pytest.mark.parametrize("K", [2, 3])
def test_a_part_too_far_for_a_bound_is_known_by_few_of_its_rows(K):
    problem = make_problem(1, points=9_000, K=K)
    objective, part = problem.objective(), problem.objective()
    near = solve(problem).coefficients.T
    near = np.vstack([near, solve(problem).intercepts])
    asked = {}
    for name, theta in (("near", near), ("far", 30.0 * near)):
        before = part.passes
        bound = by_part(objective, objective.evaluate(theta, order=1), Part(part, few=far_rows(Sample(part, part))))
        asked[name] = part.passes - before
        assert np.isfinite(bound.gap) == (name == "near")
    assert asked["near"] >= 2
    assert asked["far"] == (1 if K == 2 else 3)


def test_a_point_too_far_for_a_bound_is_known_without_a_pass():
    objective = make_problem(0, strength=0.1).objective()
    at = objective.evaluate(np.zeros((4, 1)), order=2)
    far = replace(at, gradient=at.gradient + 10.0)
    assert by_self_concordance(objective, far, far).gap == np.inf
    assert objective.passes == 1


def by_own_curvature(objective: Objective, at: Evaluation) -> Any:
    return by_self_concordance(objective, at, at)


@pytest.mark.parametrize(("certificate", "least"), [(by_own_curvature, 500), *seldom((by_pairs, 400))])
def test_coefficient_and_probability_errors_hold(certificate, least):
    checked = 0
    for seed, (problem, best) in enumerate(solved_problems()):
        objective = problem.objective()
        best_p = long_objective(problem, best)[1]
        for theta in points_on_the_way(problem, best, seed):
            bound = certificate(objective, objective.evaluate(theta, order=2))
            if bound is None or bound.coef_error is None or bound.probability_error is None:
                continue
            error = np.abs(all_columns(problem, theta) - best)
            slack = 1e-12 * np.abs(best).max()  # the gradient the bound starts from is rounded
            assert np.all(error[:, -theta.shape[1] :] <= bound.coef_error + slack)
            p = long_objective(problem, all_columns(problem, theta))[1]
            assert np.abs(p - best_p).max() <= bound.probability_error + 1e-13
            checked += 1
    assert checked > least


def test_the_bound_by_pairs_loses_nothing_of_two_classes_and_little_of_more():
    for seed, (problem, best) in enumerate(solved_problems()):
        objective = problem.objective()
        *_, near, _ = points_on_the_way(problem, best, seed)
        at = objective.evaluate(near, order=2)
        if (pairs := by_pairs(objective, at)) is not None:
            most = 1.0 + 1e-6 if problem.K == 2 else 100.0
            assert pairs.gap <= most * by_self_concordance(objective, at, at).gap + 1e-15


def spanned_by(random: np.random.Generator, X: np.ndarray) -> np.ndarray:
    """Columns that are sums of those of X and a one."""
    twice, several, ones = X[:, :1], X @ random.integers(-3, 4, size=(X.shape[1], 2)), np.ones((len(X), 1))
    return np.hstack([1e4 * twice, several, ones])


@pytest.mark.slow
@pytest.mark.parametrize("K", [2, 3])
def test_columns_that_are_sums_of_others_change_no_bound_by_pairs(K):
    for seed in range(20):
        random = np.random.default_rng(seed)
        X = random.normal(size=(300, 5)) * 10.0 ** random.uniform(-1, 1, size=5)
        y = (X[:, :K] / X[:, :K].std(axis=0) + random.gumbel(size=(300, K))).argmax(axis=1)
        problem = Problem(X, y, np.ones(300), K, np.zeros(5))
        best = long_optimum(problem)
        best_p, more = long_objective(problem, best)[1], spanned_by(random, X[:, :4])
        wider = replace(problem, X=np.hstack([X, more]), strength=np.zeros(5 + more.shape[1]))
        for theta in points_on_the_way(problem, best, seed):
            bound = by_pairs(problem.objective(), problem.objective().evaluate(theta, order=1))
            objective, none = wider.objective(), np.zeros((more.shape[1], theta.shape[1]))
            same = by_pairs(objective, objective.evaluate(np.vstack([theta[:5], none, theta[5:]]), order=1))
            if bound is None or same is None:  # the reach of a row counts such columns too, so it may be too far sooner
                assert same is None
                continue
            assert true_gap(problem, theta, best) <= same.gap
            assert same.gap == pytest.approx(bound.gap, rel=0.5, abs=1e-15)
            alone, in_sums = same.coef_error[4], same.coef_error[[0, *range(5, len(same.coef_error))]]
            assert np.isinf(in_sums).all()
            error = np.abs(all_columns(problem, theta) - best)[4, -theta.shape[1] :]
            assert np.all(error <= alone + 1e-12 * np.abs(best).max())
            assert np.isfinite(alone).all()
            if bound.gap < 1e-6:
                assert alone == pytest.approx(bound.coef_error[4], rel=0.5, abs=1e-12)
            p = long_objective(problem, all_columns(problem, theta))[1]
            assert np.abs(p - best_p).max() <= same.probability_error <= 3.0 * bound.probability_error + 1e-12


@pytest.mark.parametrize("solver", ["auto", *seldom("quasi-newton", "conjugate-gradient")])
def test_only_coefficients_with_no_part_in_a_sum_of_columns_have_a_bound_and_it_holds(solver):
    known = 0
    for seed in range(40):
        random = np.random.default_rng(seed)
        n, K, levels = int(random.integers(200, 2000)), int(random.integers(2, 4)), int(random.integers(2, 8))
        free, twice = random.normal(size=(n, 2)) * 10.0 ** random.uniform(-3, 3, size=2), random.normal(size=(n, 1))
        twice *= 10.0 ** random.uniform(-3, 3)
        level = random.integers(levels, size=n)
        each, other = np.eye(levels)[level], twice * 1.8 + 32.0
        y = (random.normal(size=(levels, K))[level] + twice / twice.std() + random.gumbel(size=(n, K))).argmax(axis=1)
        exact = LogisticRegression(C=np.inf, tol=1e-14).fit(np.hstack([free, twice, each[:, 1:]]), y)
        X = np.hstack([free, twice, other, each])
        for tol in (1e-3, 1e-8):
            model = LogisticRegression(C=np.inf, tol=tol, solver=solver).fit(X, y)
            if (errors := model.certificate_.coef_error) is None:
                continue
            assert np.isinf(errors[2:]).all()
            known += int(np.isfinite(errors[:2]).all())
            off = np.abs(exact.coef_ - model.coef_[:, : exact.coef_.shape[1]])[:, :2].T
            assert np.all(off <= errors[:2] + np.asarray(exact.certificate_.coef_error)[:2])
    assert known > 50  # of 80


def test_columns_that_are_sums_of_others_but_for_little_are_not_left_out():
    for apart in 10.0 ** np.arange(-11.0, -6.0):
        problem = make_problem(11, points=60, noise=0.1)
        near = problem.X[:, :1] + apart * np.random.default_rng(0).normal(size=(len(problem.X), 1))
        objective = replace(problem, X=np.hstack([problem.X, near]), strength=np.zeros(4)).objective()
        assert by_pairs(objective, objective.evaluate(np.zeros((5, 1)), order=1)) is None


@pytest.mark.parametrize("twice", [False, True])
@pytest.mark.parametrize(
    ("n", "K", "p"), [(6_000, 10, 210), *seldom((6_000, 2, 410), (6_000, 4, 410), (10_000, 2, 2_010))]
)
def test_many_coefficients_without_a_penalty_are_certified_without_a_curvature_of_all(n, K, p, twice, monkeypatch):
    random = np.random.default_rng(0)
    X = random.normal(size=(n, p))
    y = (X[:, :K] + random.gumbel(size=(len(X), K))).argmax(axis=1)
    X[:, -1] = X[:, 0] if twice else X[:, -1]
    orders, evaluate = [], Objective.evaluate
    monkeypatch.setattr(Objective, "evaluate", lambda *a, **k: orders.append(k.get("order")) or evaluate(*a, **k))
    model = LogisticRegression(C=np.inf, tol=1e-6).fit(X, y)
    assert 2 not in orders
    assert model.certificate_.gap <= 1e-6
    exact = LogisticRegression(C=np.inf, tol=1e-12).fit(X, y)
    error = np.vstack([(exact.coef_ - model.coef_).T, exact.intercept_ - model.intercept_])
    errors = np.asarray(model.certificate_.coef_error)
    assert np.flatnonzero(np.isinf(errors).all(axis=1)).tolist() == ([0, p - 1] if twice else [])
    assert np.isfinite(np.delete(errors, [0, p - 1], axis=0)).all()
    assert np.all(np.abs(error) <= errors)
    assert np.abs(exact.predict_proba(X) - model.predict_proba(X)).max() <= model.certificate_.probability_error


@pytest.mark.parametrize(
    ("n", "strength", "asked"),
    [(1_400, 0.0, True), (2_000, 0.0, False), (1_400, 1.0, False)],
    ids=["of few cells", "beside which their blocks are large", "of which every weight is penalised"],
)
def test_pairs_of_many_classes_are_asked_only_of_rows(n, strength, asked, monkeypatch):
    random, calls = np.random.default_rng(1), []
    X, y = random.normal(size=(n, 700)), random.integers(4, size=n)
    objective = Problem(X, y, np.ones(n), 4, np.full(700, strength)).objective()
    at = objective.evaluate(0.1 * objective.canonical(random.normal(size=(701, 4))), order=1)
    monkeypatch.setattr("separatrix.engine.certificates.certificate.by_pairs", lambda *given: calls.append(given))
    certify(objective, at)
    assert bool(calls) == asked


@pytest.mark.parametrize("n", [400, MANY_ROWS * 9])
def test_rows_along_columns_that_others_span_are_measured_to_their_own_rounding(n):
    random = np.random.default_rng(1)
    group = random.integers(6, size=n)
    X = np.hstack([np.eye(6)[group], random.normal(size=(n, 2))])  # with an intercept, one column too many
    problem = Problem(X, (X[:, -1] + random.normal(size=n) > 0).astype(int), np.ones(n), 2, np.zeros(8))
    objective = problem.objective()
    at = objective.evaluate(np.zeros((9, 1)), order=2)
    rows = np.hstack([X, np.ones((n, 1))])
    exact = np.sqrt(np.einsum("ij,jk,ik->i", rows, np.linalg.pinv(at.curvature), rows).max())
    inverse = at.factor.inverse()
    far, size = np.linalg.norm(inverse) ** 0.5 / at.factor.unit, at.factor.unit
    given, made = (objective, at, far, inverse / size / size[:, None], None, at.factor), objective.passes
    longest, by_squares, by_root = reaches(*given)
    assert by_squares > 1.5 * exact
    assert exact <= by_root <= 1.01 * exact
    assert objective.passes == made + 3
    # Where the rounding of squares is too much, they are not asked.
    assert [*reaches(*given, enough=lambda reach: reach < 1.5 * exact)] == [longest, by_root]
    assert objective.passes == made + 5


def test_many_rows_are_as_long_by_axes_as_by_the_factor_itself_and_no_shorter():
    random = np.random.default_rng(2)
    for condition in (1.0, 1e3, 1e7):
        X = random.normal(size=(2_000, 7)) * 10.0 ** random.uniform(-5.0, 5.0, size=7)
        X[:, 1] = X[:, 0] * (1.0 + random.normal(size=2_000) / condition)
        problem = Problem(X, (random.random(2_000) < 0.5).astype(int), np.ones(2_000), 2, np.zeros(7))
        objective = problem.objective()
        root = objective.evaluate(np.zeros((8, 1)), order=2).factor
        exact = longest_by(objective, root)
        longest = longest_row(objective, np.linalg.norm(root.inverse()) ** 0.5 / root.unit)
        rounding = float(np.finfo(float).eps) * condition
        assert exact * (1.0 - 10.0 * rounding) <= by_root(objective, root, longest) <= exact * (1.0 + 1e3 * rounding)


@pytest.mark.parametrize("seed", [2, 4, 9])
def test_a_looser_tolerance_takes_no_more_passes(seed):
    random = np.random.default_rng(seed)
    groups = [np.eye(K)[random.integers(K, size=40_000)] for K in (8, 4)]
    X = np.hstack([random.normal(size=(40_000, 12)), *groups])
    y = X @ random.normal(size=24) + random.logistic(size=len(X)) > 2
    for arguments in ({"C": 0.01, "l1_ratio": 1.0}, {"C": 0.1, "l1_ratio": 1.0}, {"C": 1.0}):
        passes = [LogisticRegression(tol=tol, **arguments).fit(X, y).trace_.passes for tol in (1e-2, 1e-4, 1e-6, 1e-8)]
        assert all(looser <= tighter for looser, tighter in pairwise(passes))


def test_near_the_optimum_the_newton_bound_is_nearly_the_gap_itself():
    for seed, (problem, best) in enumerate(solved_problems()):
        objective = problem.objective()
        *_, near, _ = points_on_the_way(problem, best, seed)
        certificate = certify(objective, objective.evaluate(near, order=2))
        assert certificate.gap <= 1.1 * true_gap(problem, near, best) + 1e-14
        assert certificate.method == "Newton decrement, self-concordance"


def test_duality_bounds_a_first_order_solver_without_a_curvature_matrix():
    for problem, best in solved_problems():
        if problem.strength.all() and problem.strength[0] >= 1e-3:
            objective = problem.objective()
            theta = (best[:, 1:] if problem.K == 2 else best).astype(float)
            certificate = certify(objective, objective.evaluate(theta, order=1), tolerance=1e-13)
            assert certificate.gap <= 1e-13
            assert certificate.method == "duality"


@pytest.mark.parametrize("K", [2, 4])
def test_what_intercepts_do_to_the_gradient_in_one_pass_is_its_derivative(K):
    problem = make_problem(3, K=K)
    objective, step = problem.objective(), 1e-6
    theta = np.random.default_rng(0).normal(size=(problem.X.shape[1] + 1, problem.columns_of_eta))
    for effect, along in zip(intercept_effects(objective, theta), np.eye(theta.shape[1]), strict=True):
        shift = np.zeros_like(theta)
        shift[-1] = step * along
        apart = (
            objective.evaluate(theta + shift, order=1).gradient - objective.evaluate(theta - shift, order=1).gradient
        )
        np.testing.assert_allclose(effect, apart / (2 * step), atol=1e-8)


def test_the_duality_gap_falls_with_the_square_of_the_distance_to_the_optimum():
    problem = make_problem(14, strength=0.1)
    best, objective = long_optimum(problem)[:, 1:].astype(float), problem.objective()
    near, nearer = (certify(objective, objective.evaluate(best + size, order=1)).gap for size in (1e-3, 1e-5))
    assert nearer < 1e-3 * near


def test_the_rounding_of_a_state_in_single_precision_leaves_no_intercept_without_a_dual_bound():
    for seed in range(8):
        random = np.random.default_rng(seed)
        X, y = random.normal(size=(3_000, 5)), (random.random(3_000) ** 3 * 20).astype(int)
        objective = Objective(memory_source(X, y), SoftmaxLoss(), L2(np.full(5, 1e-2)), True)
        fit = LogisticRegression(C=1 / (3_000 * 1e-2), tol=1e-12).fit(X, y)
        best = np.vstack([fit.coef_.T, fit.intercept_])
        near = objective.canonical(best + 1e-2 * random.normal(size=best.shape))
        at = objective.evaluate(near, order=1, keep_state=True)
        bound = fitted_bound(objective, at)
        assert bound is not None
        assert at.value - objective.evaluate(best, order=0).value <= bound <= 0.01


@pytest.mark.parametrize("rounding", [-1.4e-17, 0.0, 1.4e-17])
def test_probabilities_that_are_all_0_or_1_have_a_dual_bound_though_the_intercept_s_slope_is_rounding(rounding):
    """No tilt of such rows, which bend by 1e-39, undoes a rounding of their sum."""
    X, y = np.random.default_rng(0).normal(size=(8, 2)), np.arange(8) % 2
    offset = 90.0 * np.where(np.arange(8) < 4, 2 * y - 1, 1 - 2 * y)[:, None]
    objective = Objective(
        memory_source(X, y[:, None].astype(float), offset=offset), LogLoss(), L2(np.full(2, 0.3)), True
    )
    theta = np.zeros((3, 1))
    for _ in range(2):  # the loss is linear about here
        theta[:2] -= objective.evaluate(theta, order=1).gradient[:2] / 0.3
    at = objective.evaluate(theta, order=1)
    at.gradient[-1] = rounding
    bound = fitted_bound(objective, at)
    assert bound is not None
    assert 0.0 <= bound <= 1e-12


@pytest.mark.parametrize("solver", ["newton", "conjugate-gradient", "gradient-descent"])
def test_every_solver_ends_with_a_gap_that_is_true(solver):
    for problem, best in solved_problems()[::7]:
        problem = replace(problem, strength=problem.strength + 0.05)
        best = long_optimum(problem)
        fit = solve(problem, solver, tol=1e-6, max_iter=5000)
        theta = np.vstack([fit.coefficients.T, fit.intercepts[None, :]])[: len(best)]
        assert true_gap(problem, theta, best) <= fit.certificate.gap <= 1e-6


@pytest.mark.parametrize("solver", ["auto", *seldom("conjugate-gradient")])
def test_bounds_hold_where_columns_all_but_repeat_each_other(solver):
    """Weights of 1e4 to 1e11 cancel: the truth is known in terms of the difference of the columns, which is exact."""
    with_errors = 0
    for seed in range(12):
        random = np.random.default_rng(seed)
        K, apart = int(random.integers(2, 5)), 10.0 ** random.uniform(-11, -4)
        X = random.normal(size=(600, 4))
        Z = X.copy()
        X[:, 0] = X[:, 1] + apart * X[:, 0]
        Z[:, 0] = (X[:, 0] - X[:, 1]) / apart
        y = (Z @ random.normal(size=(4, K)) + random.gumbel(size=(600, K))).argmax(axis=1)
        problem = Problem(Z, y, np.ones(600), K, np.zeros(4))
        best = long_optimum(problem)
        model = LogisticRegression(C=np.inf, tol=1e-6, solver=solver).fit(X, y)
        w = model.coef_.T.astype(LONG)
        theta = np.vstack([apart * w[:1], w[1:2] + w[:1], w[2:], model.intercept_[None, :]])
        assert true_gap(problem, theta, best) <= model.certificate_.gap
        if (errors := model.certificate_.coef_error) is not None:
            there = best[:, -theta.shape[1] :].copy()
            there[0] /= apart
            there[1] -= there[0]
            assert np.all(np.abs(np.vstack([w, theta[-1:]]) - there) <= np.asarray(errors) + 1e-12 * np.abs(there))
            with_errors += 1
    assert with_errors >= 8


@pytest.mark.parametrize(("apart", "K"), [(1e-9, 2), (1e-10, 2), (1e-9, 3)])
def test_steps_that_rounding_leaves_without_effect_are_followed_by_newtons_own(apart, K):
    random = np.random.default_rng(1)
    X = random.normal(size=(30_000, 20))
    y = (0.5 * X @ random.normal(size=(20, K)) + random.gumbel(size=(30_000, K))).argmax(axis=1)
    X[:, 0] = X[:, 1] + apart * X[:, 0]
    model = LogisticRegression(C=np.inf).fit(X, y)
    assert model.trace_.solver == "quasi-newton"
    assert model.certificate_.gap <= 1e-8


@pytest.mark.parametrize("strength", [0.0, 0.01])
def test_collinear_columns_do_not_make_the_certificate_lie(strength):
    plain = make_problem(11, p=2, noise=0.1)
    problem = replace(plain, X=np.hstack([plain.X, plain.X @ [[1.0], [2.0]]]), strength=np.full(3, strength))
    best, objective = long_optimum(problem), problem.objective()
    for theta in points_on_the_way(problem, best, seed=3):
        gap = true_gap(problem, theta, best)
        assert certify(objective, objective.evaluate(theta, order=2)).gap >= gap
    assert solve(problem, tol=1e-10).certificate.gap <= 1e-10


def test_penalties_that_spare_a_column_are_certified_too():
    problem = replace(make_problem(12, p=3, noise=0.1), strength=np.array([0.0, 0.5, 1e-3]))
    best, objective = long_optimum(problem), problem.objective()
    for theta in points_on_the_way(problem, best, seed=4):
        for order in (1, 2):
            assert certify(objective, objective.evaluate(theta, order)).gap >= true_gap(problem, theta, best)


def test_a_squared_loss_is_bounded_exactly():
    problem = make_problem(13, strength=0.3)
    objective = replace(problem.objective(), loss=SquaredLoss(), penalty=L2(problem.strength))
    at = objective.evaluate(np.ones((4, 1)), order=2)
    best: Evaluation = objective.evaluate(at.theta - np.linalg.solve(at.curvature, at.gradient), order=1)
    assert np.abs(best.gradient).max() < 1e-13
    assert by_self_concordance(objective, at, at).gap == pytest.approx(at.value - best.value, rel=1e-12)


@pytest.mark.parametrize(("unit", "off"), [(1e-10, 2e-16), (1e-8, 2e-16), (1.0, 2.0), (1e6, 2.0), (1e80, 1e79)])
def test_a_squared_loss_has_a_dual_bound_that_is_true_in_any_unit_of_y(unit, off):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(500, 5))
    X -= X.mean(axis=0)
    y = unit * (X @ rng.normal(size=5) + rng.normal(size=500))
    objective = Objective(memory_source(X, y[:, None]), SquaredLoss(), L2(np.full(5, 0.1)), True)
    best = np.linalg.solve(X.T @ X / 500 + 0.1 * np.eye(5), X.T @ (y - y.mean()) / 500)
    at = objective.evaluate(np.append(best, y.mean() + off)[:, None], order=1)  # off^2 / 2 above the optimum
    assert 0.5 * off**2 <= by_duality(objective, at).gap <= 4.0 * off**2 + 1e-30 * at.value


def some_rows(problem: Problem, seed: int) -> Objective:
    """The objective over about half of the rows, as they are."""
    return problem.rows(np.random.default_rng(seed).random(len(problem.y)) < 0.5).objective()


@pytest.mark.slow
def test_the_curvature_of_some_rows_bounds_the_gap_and_the_coefficients_over_all():
    checked = 0
    for seed, (problem, best) in enumerate(solved_problems()):
        objective, part = problem.objective(), Part(some_rows(problem, seed))
        for theta in points_on_the_way(problem, best, seed):
            at = objective.evaluate(theta, order=1)
            nearby = part.objective.evaluate(
                theta + 0.1 * np.random.default_rng(seed).normal(size=theta.shape), order=2
            )
            for bound in (by_part(objective, at, part), by_part(objective, at, part, nearby)):
                assert bound.gap >= true_gap(problem, theta, best)
                if bound.coef_error is not None:
                    error = np.abs(all_columns(problem, theta) - best)[:, -theta.shape[1] :]
                    assert np.all(error <= bound.coef_error + 1e-12 * np.abs(best).max())
                    checked += 1
    assert checked > 600


@pytest.mark.parametrize("C", [1.0, 1e4])
@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("large", ["nanoseconds", "column", "row", "nothing"])
def test_of_more_columns_than_rows_the_certificate_knows_what_one_large_column_or_row_hides(large, classes, C):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((40, 60))
    y = np.digitize(X[:, 1] + 0.3 * rng.standard_normal(40), [0.0, 0.7][: classes - 1])
    if large == "nanoseconds":
        X[:, 0] = 1.7e18 + 3e15 * rng.random(40)
    X[:, 3] *= 1e8 if large == "column" else 1.0
    X[3] *= 1e8 if large == "row" else 1.0

    def objective(model: LogisticRegression) -> float:
        eta = model.decision_function(X).reshape(40, -1)
        eta = np.hstack([np.zeros((40, 1)), eta]) if classes == 2 else eta
        loss = np.logaddexp.reduce(eta, axis=1) - eta[np.arange(40), y]
        return float(loss.mean() + np.sum(model.coef_**2) / (80 * C))

    wide = LogisticRegression(C=C).fit(X, y)
    # Each row twice is the same problem, of more rows than columns.
    tall = LogisticRegression(C=C / 2, tol=1e-13).fit(np.vstack([X, X]), np.tile(y, 2))
    for one, other, tol in ((wide, tall, 1e-8), (tall, wide, 1e-13)):
        assert one.certificate_.gap <= tol
        assert objective(one) - objective(other) <= one.certificate_.gap + 2e-14  # the rounding of eta here, of 1e18


@pytest.mark.parametrize("share", [0.009, 0.02, 0.2, 0.3])
@pytest.mark.parametrize("solver", ["gradient-descent", "newton"])
def test_of_more_columns_than_rows_what_rounding_takes_is_a_part_of_tol_and_comes_not_on_top(solver, share):
    rng = np.random.default_rng(0)
    X = 100.0 * rng.standard_normal((20, 40))
    y = (X[:, 1] + 30.0 * rng.standard_normal(20) > 0) * 1
    lost = smallest_space(memory_source(X, y[:, None] * 1.0), L2(np.full(40, 1 / 20))).rounding
    model = LogisticRegression(solver=solver, tol=lost / share, max_iter=1_000).fit(X, y)
    assert model.certificate_.gap <= model.tol  # gradient descent stops as soon as it may, and any warning is an error
    # Each row twice is the same problem, of as many rows as columns, which is not solved in their space.
    best = LogisticRegression(C=0.5, tol=1e-13).fit(np.vstack([X, X]), np.tile(y, 2))
    objectives = []
    for one in (model, best):
        eta = one.decision_function(X)
        objectives.append(np.mean(np.logaddexp(0.0, eta) - y * eta) + np.sum(one.coef_**2) / 40)
    assert objectives[0] - objectives[1] <= model.certificate_.gap


def test_no_shift_of_intercepts_is_sought_where_next_to_no_curvature_says_how_far():
    condition = np.array([0.1])
    np.testing.assert_array_equal(tilt_against(np.full((1, 1), 1e-316), condition), [0.0])
    np.testing.assert_allclose(tilt_against(np.full((1, 1), 0.2), condition), [-0.5])
