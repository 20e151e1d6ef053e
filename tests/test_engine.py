"""What must not change the answer of the engine, and what must."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial, reduce
from itertools import repeat
from operator import add
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.datasets import load_breast_cancer
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from threadpoolctl import threadpool_info, threadpool_limits

from problems import Problem, assert_same_fit, make_problem, problems, seeds, solve
from separatrix import LogisticRegression
from separatrix.compressed import csr_rows, full_columns, of_entries, transposed
from separatrix.data.memory import CELLS, evenly, memory_source
from separatrix.data.subsets import csr_of
from separatrix.data.threads import one_blas_thread, workers
from separatrix.engine.choose import SOLVERS, choose
from separatrix.engine.fit import Options, fit_linear_model, warn_of
from separatrix.engine.grams import in_parts, shared_sums, shares_squares
from separatrix.engine.iterate import Iterate, Status, minimise
from separatrix.engine.line_search import backtrack, less_steep, lowest_of_cubic
from separatrix.engine.matrices.linear_algebra import factor_positive, solve_factored, solve_positive
from separatrix.engine.objective import Evaluation, Objective
from separatrix.engine.rowspace import smallest_space
from separatrix.engine.solvers import conjugate
from separatrix.engine.solvers.newton import left_at_zero
from separatrix.engine.sums import Sums, block_sums, is_level
from separatrix.equations.losses import LogLoss, SoftmaxLoss
from separatrix.equations.penalties import L2
from separatrix.errors import ArgumentError, ConvergenceWarning, SeparationWarning

few = settings(max_examples=25)
FIFTY = SoftmaxLoss(), L2(np.full(20, 1e-3)), True  # classes, of 20 columns


def random_theta(problem: Problem, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(problem.X.shape[1] + problem.fit_intercept, problem.columns_of_eta))


def assert_same_sums(a: Sums, b: Sums, rtol: float = 1e-13) -> None:
    for name in ("weight", "value", "gradient", "curvature"):
        size = np.abs(getattr(b, name)).max()
        np.testing.assert_allclose(getattr(a, name), getattr(b, name), rtol=rtol, atol=rtol * max(size, 1.0))


@given(problems(), seeds, st.lists(st.integers(0, 60), max_size=5))
def test_any_split_of_the_rows_gives_the_same_sums(problem, seed, cuts):
    theta = random_theta(problem, seed)
    whole = block_sums(problem.block, problem.loss, theta, order=2)
    parts = np.split(np.arange(len(problem.y)), sorted(cuts))
    sums = [block_sums(problem.rows(part).block, problem.loss, theta, order=2) for part in parts]
    assert_same_sums(reduce(add, sums), whole)


@given(problems(), seeds)
def test_the_order_of_the_rows_does_not_matter(problem, seed):
    theta, order = random_theta(problem, seed), np.random.default_rng(seed).permutation(len(problem.y))
    shuffled = block_sums(problem.rows(order).block, problem.loss, theta, order=2)
    assert_same_sums(shuffled, block_sums(problem.block, problem.loss, theta, order=2))


@given(problems(), seeds)
def test_gradient_and_curvature_are_the_slopes_of_the_objective(problem, seed):
    objective, theta = problem.objective(), random_theta(problem, seed)
    at = objective.evaluate(theta, order=2)
    v = np.random.default_rng(seed + 1).normal(size=theta.shape)
    v -= v @ objective.loss.flat(v.shape[1]) @ objective.loss.flat(v.shape[1]).T
    h = 1e-5 * v / np.linalg.norm(v)
    up, down = (objective.evaluate(theta + sign * h, order=1) for sign in (1, -1))
    assert up.value - down.value == pytest.approx(2 * np.sum(at.gradient * h), rel=1e-5, abs=1e-12)
    np.testing.assert_allclose(up.gradient - down.gradient, 2 * (at.curvature @ h.ravel()).reshape(h.shape), atol=1e-11)
    curved = at.curvature @ v.ravel()
    np.testing.assert_allclose(objective.curvature_times(at, v).ravel(), curved, rtol=1e-10, atol=1e-12)
    kept = objective.evaluate(theta, order=1, keep_state=True)  # in single precision
    np.testing.assert_allclose(
        objective.curvature_times(kept, v).ravel(), curved, rtol=1e-5, atol=1e-6 * np.abs(at.curvature).max()
    )


@given(problems(), seeds, st.sampled_from([1, 2]))
def test_few_rows_at_once_are_evaluated_as_block_by_block(problem, seed, order):
    theta, objective = random_theta(problem, seed), problem.objective()
    at = objective.evaluate(theta, order)
    each = objective.add_up(partial(block_sums, loss=problem.loss, theta=theta, order=order))
    want = objective.evaluation(theta, each)
    assert (at.loss, at.value) == pytest.approx((want.loss, want.value), rel=1e-13)
    np.testing.assert_allclose(at.gradient, want.gradient, atol=1e-13 * (1 + np.abs(want.gradient).max()))
    if order == 2:
        np.testing.assert_allclose(at.curvature, want.curvature, atol=1e-13 * np.abs(want.curvature).max())
    assert at.weight == want.weight
    assert objective.passes == 2


@pytest.mark.parametrize(("loss", "K"), [(LogLoss(), 1), (SoftmaxLoss(), 3)], ids=["two classes", "three"])
def test_squares_that_threads_share_are_those_of_a_whole_matrix(loss, K):
    rng = np.random.default_rng(K)
    X, y, theta = rng.normal(size=(700, 260)), rng.integers(0, max(K, 2), 700), rng.normal(size=(261, K)) / 20
    y = y if K > 1 else y[:, None]
    source = memory_source(X, y, rng.random(700), n_threads=2)
    with source.working() as source:
        whole = source.add_up(partial(block_sums, loss=loss, theta=theta, order=2))
        for dtype, rtol in ((np.float64, 1e-13), (np.float32, 2e-6)):
            assert_same_sums(shared_sums(source, loss, theta, dtype), whole, rtol)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_two_threads_take_a_part_of_few_rows_each_where_a_curvature_costs_more_than_they_do(dtype):
    rng = np.random.default_rng(0)
    source = memory_source(rng.normal(size=(1_001, 300)), rng.integers(0, 2, (1_001, 1)), n_threads=2)
    assert source.is_small
    assert in_parts(source, 200) is source
    assert [sum(map(len, (block.X for block in part))) for part in in_parts(source, 301).kept_blocks] == [500, 501]
    theta = np.ones((301, 1)) / 300
    exact = source.add_up(partial(block_sums, loss=LogLoss(), theta=theta, order=2))
    want = exact.curvature.reshape(301, 301) / exact.weight + np.diag(np.r_[np.ones(300), 0.0])
    with source.working() as shared:
        for rows in (source, shared):
            at = Objective(rows, LogLoss(), L2(np.ones(300)), True).evaluate(theta, 2, dtype=dtype)
            np.testing.assert_allclose(at.curvature, want, rtol=0.0, atol=1e-13 if dtype is np.float64 else 1e-6)


@pytest.mark.parametrize(
    ("rows", "columns", "K", "share"),
    [
        (30_000, 390, 1, False),
        (20_000, 16, 23, False),
        (5_000, 420, 1, True),
        (1_000, 399, 1, False),
        (90_000, 80, 9, True),
    ],
)
def test_threads_share_the_squares_of_a_curvature_where_a_sum_for_each_takes_much_beside_the_rows(
    rows, columns, K, share
):
    X = np.broadcast_to(0.0, (rows, columns))
    assert shares_squares(memory_source(X, np.zeros(rows), centre=False), columns + 1, K) == share


@given(problems(), seeds)
def test_a_curvature_where_all_rows_are_level_is_the_sum_of_theirs(problem, seed):
    problem = replace(problem, offset=None)
    theta, source = random_theta(problem, seed), problem.objective().source
    theta[: problem.X.shape[1]] = 0.0
    assert is_level(source, theta) == (problem.columns_of_eta > 1)
    assert not is_level(replace(source, offset=np.ones((len(problem.y), theta.shape[1]))), theta)
    at, whole = problem.objective().evaluate(theta, order=2), block_sums(problem.block, problem.loss, theta, order=2)
    penalty = np.zeros_like(theta)
    penalty[: problem.X.shape[1]] = problem.objective().penalty.curvature(theta[: problem.X.shape[1]])
    curvature = whole.curvature.reshape(at.curvature.shape) / whole.weight + np.diag(penalty.ravel())
    held = at.curvature - curvature  # along what the loss does not see
    flat = np.kron(np.eye(len(theta)), problem.loss.flat(theta.shape[1]))
    held -= flat @ (flat.T @ held)
    np.testing.assert_allclose(held, 0.0, atol=1e-13 * np.abs(curvature).max())


def test_a_mean_curvature_asks_few_rows_where_no_state_is_kept():
    rng = np.random.default_rng(0)
    y = np.sort(rng.integers(0, 50, 60_000))
    objective = Objective(memory_source(rng.normal(size=(50, 20))[y] / 4 + rng.normal(size=(60_000, 20)), y), *FIFTY)
    at = objective.evaluate(rng.normal(size=(21, 50)) / 4, order=1, keep_state=True)
    assert objective.kept_state(at) is None
    passes = objective.passes
    of_few = conjugate.mean_curvatures(objective, at, conjugate.few_rows(objective))
    assert objective.passes == passes
    np.testing.assert_allclose(of_few, conjugate.mean_curvatures(objective, at, objective), rtol=0.3)
    assert of_few.mean() == pytest.approx(conjugate.mean_curvatures(objective, at, objective).mean(), rel=0.05)


@given(problems(), seeds)
def test_the_root_of_a_curvature_is_that_of_the_curvature(problem, seed):
    objective = problem.objective()
    at = objective.evaluate(objective.canonical(random_theta(problem, seed)), order=2)
    rooted = objective.rooted(at)
    assert np.allclose(rooted.root.T @ rooted.root, at.curvature, atol=1e-12 * np.trace(at.curvature))
    assert np.allclose(solve_factored(rooted.factor, at.curvature[0])[:2], np.eye(len(at.curvature))[0, :2], atol=1e-6)


@given(problems(), seeds)
def test_the_diagonal_bound_is_above_the_diagonal_of_the_curvature_everywhere(problem, seed):
    objective, theta = problem.objective(), random_theta(problem, seed)
    kept = objective.evaluate(theta, order=1, keep_state=True)
    eye = np.eye(theta.size).reshape(-1, *theta.shape)
    diagonal = np.array([np.sum(e * objective.curvature_times(kept, e)) for e in eye]).reshape(theta.shape)
    assert np.all(objective.diagonal_bound(theta) >= diagonal * (1 - 1e-12))


def test_many_blocks_give_the_answer_of_one():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(3 * CELLS // 4, 4)).astype(np.float32)
    y = (X[:, 0] + rng.normal(size=len(X)) > 0)[:, None] * 1.0
    problem = Problem(X, y[:, 0].astype(int), np.ones(len(X)), 2, np.zeros(4))
    theta = rng.normal(size=(5, 1))
    # One product of 100,000 rows in float32 would not be the sum of its blocks in float64.
    whole = block_sums(replace(problem, X=X.astype(float)).block, problem.loss, theta, order=2)
    at = problem.objective().evaluate(theta, order=2)
    np.testing.assert_allclose(at.gradient, whole.gradient / whole.weight, rtol=1e-11)
    np.testing.assert_allclose(at.value, whole.value / whole.weight, rtol=1e-12)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int16, np.uint8, np.int64], ids=str)
def test_rows_of_any_type_and_layout_are_those_of_x_in_double_less_the_centre(dtype, order):
    near = np.random.default_rng(0).integers(0, 2, size=(300, 3))
    X = np.asarray(near + np.array([0, 0, 200]), dtype=dtype, order=order)
    given = X.copy(order="K")
    source = memory_source(X, np.zeros((300, 1)))
    assert list(source.centre > 190) == [False, False, True]
    blocks = list(source.blocks(slice(0, 300)))
    np.testing.assert_array_equal(np.vstack([block.X for block in blocks]), X.astype(np.float64) - source.centre)
    assert all(block.X.dtype == np.float64 for block in blocks)
    np.testing.assert_array_equal(X, given)


@few
@given(problems(penalised=True), seeds)
def test_more_columns_than_rows_have_the_answer_that_every_column_gives(problem, seed):
    wide = np.random.default_rng(seed).normal(size=(len(problem.y), 3 * len(problem.y)))
    problem = replace(problem, X=wide, strength=np.linspace(0.5, 2.0, wide.shape[1]))
    assert smallest_space(problem.source(), L2(problem.strength)).source.n_columns <= len(problem.y)
    as_sparse = solve(replace(problem, X=sparse.csr_array(wide)), "newton")  # stays in the columns
    assert_same_fit(solve(problem, "newton"), as_sparse, tol=1e-7)


@few
@given(problems(penalised=True), seeds)
def test_rows_that_depend_on_each_other_are_fewer_columns_with_the_same_planes(problem, seed):
    rng, n = np.random.default_rng(seed), len(problem.y)
    X = rng.normal(size=(n, 4)) @ rng.normal(size=(4, 3 * n))
    X[0] = X[-1]
    problem = replace(problem, X=X, weight=np.arange(1.0, n + 1), strength=np.linspace(0.5, 2.0, 3 * n))
    space = smallest_space(problem.source(), L2(problem.strength))
    assert space.source.n_columns == np.linalg.matrix_rank(X)
    order = space.source.weight.astype(int) - 1
    np.testing.assert_array_equal(space.source.y, problem.source().y[order])
    z = rng.normal(size=(space.source.n_columns, 2))
    w = space.back(z)
    np.testing.assert_allclose(X[order] @ w, space.source.X @ z, atol=1e-9 * np.abs(X @ w).max())
    np.testing.assert_allclose(space.there(w), z, atol=1e-9 * np.abs(z).max())
    np.testing.assert_allclose(L2(problem.strength).value(w), L2(np.ones(len(z))).value(z), rtol=1e-9)


def test_rows_without_a_direction_or_too_long_to_be_multiplied_are_fitted_too():
    y, source = np.arange(20) % 4 == 0, lambda X: memory_source(X, y[:, None] * 1.0, centre=False)
    nothing = smallest_space(source(np.zeros((20, 30))), L2(np.ones(30)))
    assert nothing.source.X.shape == (20, 0)
    assert not nothing.back(np.zeros((0, 1))).any()
    long = source(np.random.default_rng(0).normal(size=(20, 30)) * 1e160)
    with np.errstate(over="ignore", invalid="ignore"):
        assert smallest_space(long, L2(np.ones(30))).source is long
    fit = solve(Problem(np.zeros((20, 30)), y * 1, np.ones(20), 2, np.ones(30)))
    np.testing.assert_allclose(fit.intercepts, np.log(5 / 15), atol=1e-6)


@few
@given(problems(penalised=True), seeds)
def test_columns_with_an_entry_in_one_row_only_can_be_merged(problem, seed):
    rng, n = np.random.default_rng(seed), len(problem.y)
    shared = sparse.random_array((n, 2 * n), density=0.2, rng=rng)
    single = sparse.coo_array((rng.normal(size=3 * n), (rng.integers(n, size=3 * n), np.arange(3 * n))), (n, 3 * n))
    X = sparse.hstack([shared, single], format="csr")
    problem = replace(problem, X=X, strength=np.full(X.shape[1], 0.5))
    space = smallest_space(problem.source(), L2(problem.strength), classes=3)
    assert space.source.n_columns <= 3 * n
    w = space.back(rng.normal(size=(space.source.n_columns, 2)))
    np.testing.assert_allclose(space.source.X @ space.there(w), X @ w, atol=1e-12)
    assert_same_fit(solve(problem, tol=1e-13), solve(replace(problem, X=X.toarray()), "newton", tol=1e-13), tol=1e-5)


def test_a_start_on_a_sample_leads_to_the_optimum_of_all_rows():
    rng = np.random.default_rng(2)
    X = rng.normal(size=(40_000, 3))
    y = (X[:, :1] - 5 + rng.logistic(size=(40_000, 1)) > 0) * 1.0  # a rare class
    start = np.zeros((1, 3)), np.zeros(1)
    fits = [
        fit_linear_model(memory_source(X, y), LogLoss(), L2(np.full(3, 1e-4)), Options(seed=seed), start)
        for seed in (0, 1)
    ]
    assert fits[0].trace.column("gap")[0] < 1e-3
    np.testing.assert_allclose(fits[0].coefficients, fits[1].coefficients, atol=1e-7)
    assert fits[0].trace.passes <= 8


def test_a_curvature_that_is_cheap_is_made_anew_as_often_as_newtons_method_does():
    rng = np.random.default_rng(500)
    X = rng.normal(size=(300, 200))
    y = (X @ rng.normal(size=(200, 1)) / 7 + rng.logistic(size=(300, 1)) > 0) * 1.0
    start = np.zeros((1, 200)), np.zeros(1)
    newton, quasi = (
        fit_linear_model(memory_source(X, y), LogLoss(), L2(np.full(200, 1 / 300)), Options(solver), start).trace
        for solver in ("newton", "quasi-newton")
    )
    assert quasi.passes <= 2 * newton.passes


@given(st.integers(1, 10**7), st.integers(1, 10**5))
def test_blocks_of_rows_are_about_as_large_as_they_should_be_and_none_is_far_smaller(rows, step):
    even = evenly(rows, step)
    assert even <= 1.125 * step + 1
    blocks = -(-rows // even)
    assert blocks <= 1 or even >= step / 2
    assert rows - (blocks - 1) * even > even - blocks


def test_threads_share_the_rows_of_many_classes_however_few_the_columns():
    source = memory_source(np.ones((20_000, 16)), np.zeros(20_000, dtype=int))
    assert source.is_small
    assert not replace(source, outputs=26).is_small


def test_gradient_descent_does_not_leap_from_side_to_side_of_a_valley():
    for seed in range(20):
        fit = solve(make_problem(seed, p=1, strength=0.1, fit_intercept=False), "gradient-descent", max_iter=40)
        assert fit.certificate.gap <= 1e-12


def test_a_name_that_is_no_solver_is_answered_with_those_that_are():
    with pytest.raises(ArgumentError, match=r"solver='newtn' is no solver.*newton.*liblinear"):
        choose("newtn", 3, 1)


def test_the_shape_of_the_problem_decides_the_solver():
    assert choose("auto", 2000, 1).name == "quasi-newton"
    assert choose("auto", 800, 1, rows=2).name == "newton"
    assert choose("auto", 2001, 1).name == "conjugate-gradient"
    assert choose("auto", 201, 10).name == "conjugate-gradient"
    assert "2,010 coefficients" in choose("auto", 201, 10).why
    assert choose("auto", 61, 10).name == choose("auto", 60, 10, dense=True, kept=1e8).name == "quasi-newton"
    assert choose("auto", 61, 10, dense=True, kept=1e8).name == "conjugate-gradient"
    assert choose("auto", 60, 10, dense=True, kept=1e7).name == "conjugate-gradient"


def test_a_curvature_that_memory_cannot_hold_is_replaced_in_words():
    choice = choose("newton-cholesky", 100_001, 1)
    assert choice.name == "conjugate-gradient"
    assert "'newton-cholesky' was asked for, but a curvature of 100,001 coefficients would take 80.0 GB" in choice.why
    assert choose("newton", 5_000, 2, room=lambda: 1e10).name == "newton"


def test_a_curvature_with_its_copies_that_memory_cannot_hold_is_replaced_before_it_is_made():
    assert choose("newton", 9_000, 1, room=lambda: 6e9).name == "newton"
    choice = choose("newton", 9_000, 1, threads=2, room=lambda: 6e9)
    assert choice.name == "conjugate-gradient"
    assert "would take 7.8 GB with its factors, and 6.0 GB are free" in choice.why


def test_a_process_that_may_take_less_than_there_is_knows_it():
    ask = (
        "import resource as r; r.setrlimit(r.RLIMIT_AS, (3 * 10**9, -1)); import separatrix.engine.matrices.room as m; "
    )
    said = subprocess.run([sys.executable, "-c", ask + "print(m.memory_at_hand())"], capture_output=True, check=True)
    assert 0 < float(said.stdout) < 3e9


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_newtons_step_from_zero_as_much_longer_as_it_leaves_is_fishers_discriminant(fit_intercept):
    X, y = load_breast_cancer(return_X_y=True)
    X = X[:, :6] if fit_intercept else np.column_stack([X[:, :6], np.ones(len(y))])
    objective = Problem(X, y, np.ones(len(y)), 2, np.zeros(X.shape[1]), fit_intercept).objective()
    at = objective.evaluate(np.zeros((7, 1)), order=2)
    step = -solve_positive(at.curvature, at.gradient.ravel())
    longer = step / (1.0 - left_at_zero(objective, at.theta, float(at.gradient.ravel() @ step)))
    fisher = LinearDiscriminantAnalysis(solver="lsqr").fit(X[:, :6], y)
    np.testing.assert_allclose(longer[:6], fisher.coef_[0], rtol=1e-6)


def test_a_longer_first_step_changes_no_optimum_of_several_classes_with_an_offset_or_a_strong_penalty():
    for problem in (make_problem(0, K=4, noise=0.3), make_problem(1, offset=True), make_problem(2, K=3, strength=10.0)):
        assert_same_fit(solve(problem, "newton"), solve(problem, "conjugate-gradient"), tol=1e-5)


def test_newton_on_a_hundred_thousand_columns_is_fitted_another_way():
    X = sparse.random_array((60, 100_000), density=1e-3, rng=np.random.default_rng(0), format="csr")
    fit = solve(Problem(X, np.arange(60) % 2, np.ones(60), 2, np.full(100_000, 0.01)), "newton", tol=1e-10)
    assert "80.0 GB" in fit.trace.why
    assert fit.certificate.gap <= 1e-10


def test_a_pass_within_a_pass_ends():
    X = np.random.default_rng(0).normal(size=(40_000, 4))
    with memory_source(X, np.zeros((40_000, 1)), n_threads=2).working() as source:
        rows = source.add_up(lambda block: source.add_up(lambda each: len(each.y)) - 40_000 + len(block.y))
    assert rows == 40_000


class Rounded:
    """(x^2) / 2 + 1, whose value has an error of 1e-14 that its gradient has not, as sums over many rows have."""

    l1 = np.zeros((1, 1))

    def evaluate(self, theta: np.ndarray, order: int, *_: Any, **__: Any) -> Evaluation:
        value = 1.0 + 0.5 * float(theta[0, 0]) ** 2 + (1e-14 if abs(theta[0, 0]) < 1e-8 else 0.0)
        return Evaluation(theta, value, value, theta)


@pytest.mark.parametrize(("times", "taken"), [(1.0, True), (1.4, True), (1.9, False)])
def test_a_step_whose_fall_drowns_in_rounding_is_taken_where_it_leaves_little_of_the_slope(times, taken):
    x = np.array([[1e-8]])
    _, length = backtrack(cast("Objective", Rounded()), Evaluation(x, 1.0 + 5e-17, 1.0, x), -times * x, 1)
    assert (length == 1.0) is taken


@dataclass
class Place:
    """Of a loss exp(-rate x) and a penalty x^2 / 2 on the way from 0 to `end`, where it is at a length of 1."""

    x: float
    rate: float

    @property
    def value(self) -> float:
        return float(np.exp(-self.rate * self.x) + self.x**2 / 2)

    @property
    def slope(self) -> float:
        return float(-self.rate * np.exp(-self.rate * self.x) + self.x)


@given(st.floats(1.0, 50.0), st.floats(0.5, 100.0), st.floats(0.01, 1.0))
def test_a_step_ends_where_little_of_its_slope_is_left(rate, end, length):
    start, found, tries = Place(0.0, rate), Place(length * end, rate), []

    def there(length: float) -> Place:
        assert 0.0 < length < 1.0
        tries.append(length)
        return Place(length * end, rate)

    best = less_steep(start.value, end * start.slope, there, lambda place: end * place.slope, found, length)
    assert best.value <= found.value
    assert len(tries) <= 8
    before = best.slope < 0 and best.x >= end / 2  # twice as far is beyond the step
    last_was_no_lower = tries and Place(tries[-1] * end, rate).value >= best.value
    assert abs(best.slope) <= 0.1 * abs(start.slope) or before or last_was_no_lower or len(tries) == 8


@given(st.tuples(*[st.floats(-10, 10)] * 3), st.floats(0.1, 5), st.floats(0.1, 5))
def test_the_lowest_point_of_a_cubic_is_found_from_its_ends(shape, before, after):
    cubic = np.polynomial.Polynomial([0.0, 0.0, 1.0 + abs(shape[0]), shape[1] / 10.0])  # lowest at 0, of places nearby
    slope = cubic.deriv()
    low, high = ((x, cubic(x), slope(x)) for x in (-before / 10.0, after / 10.0))
    assume(low[2] < 0 < high[2])
    assert lowest_of_cubic(low, high) == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize(("n", "p", "K"), [(1_000, 40, 50), (400, 1_000, 20)])
def test_newtons_steps_of_many_classes_do_not_go_from_side_to_side(n, p, K):
    rng = np.random.default_rng(0)
    y = rng.integers(0, K, n)
    X = (1.3 * rng.normal(size=(K, p))[y] + rng.normal(size=(n, p))) * np.arange(1.0, p + 1.0) ** -0.7
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    for C in (3.0, 100.0):  # without it 8 to 13
        assert LogisticRegression(C=C, tol=1e-6, solver="conjugate-gradient").fit(X, y).n_iter_ <= 7


def blas_threads() -> set[int]:
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


def test_fits_at_the_same_time_share_their_hold_on_blas():
    with threadpool_limits(2, "blas"):
        first, second = one_blas_thread(), one_blas_thread()
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        assert blas_threads() == {1}  # the second fit goes on as it began
        second.__exit__(None, None, None)
        assert blas_threads() == {2}


def test_a_fit_on_any_thread_holds_blas_and_any_other_gives_it_back():
    hold = one_blas_thread()
    with threadpool_limits(2, "blas"), ThreadPoolExecutor(1) as other:
        other.submit(hold.__enter__).result()
        assert blas_threads() == {1}
        hold.__exit__(None, None, None)
        assert blas_threads() == {2}


@pytest.mark.skipif(sys.platform != "linux", reason="fork is safe on Linux alone")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_process_forked_during_a_fit_gives_blas_its_threads_back_after_one_of_its_own():
    with threadpool_limits(2, "blas"), one_blas_thread():
        if (child := os.fork()) == 0:
            with one_blas_thread():
                pass
            os._exit(0 if blas_threads() == {2} else 1)
        assert os.waitpid(child, 0)[1] == 0


@pytest.mark.parametrize("threads", [1, 3])
def test_dense_rows_become_the_csr_that_scipy_makes_of_them(threads):
    rng = np.random.default_rng(7)
    X = rng.normal(size=(1_500, 300)) * (rng.random((1_500, 300)) < 0.1)  # in four pieces
    X[300:600], X[700, 299] = 0.0, np.nan
    for some in (X, X[:1], X[300:600], X[:0]):
        with workers(threads) as pool:
            made, expected = csr_of(some, pool), sparse.csr_array(some)
        for part in ("data", "indices", "indptr"):
            np.testing.assert_array_equal(getattr(made, part), getattr(expected, part))


@pytest.mark.parametrize("kind", [sparse.csr_array, sparse.csr_matrix])
def test_rows_of_a_sparse_matrix_and_their_transpose_are_views_however_few(kind):
    X = kind(sparse.random_array((50, 20), density=0.3, rng=np.random.default_rng(8)))
    for some in (slice(0, 50), slice(0, 60), slice(3, 9), slice(7, 7)):
        rows, expected = csr_rows(X, some), X[some].toarray()
        np.testing.assert_array_equal(rows.toarray(), expected)
        np.testing.assert_array_equal(transposed(rows).toarray(), expected.T)
        np.testing.assert_array_equal(of_entries(rows, -rows.data).toarray(), -expected)
        for view in (rows, transposed(rows), of_entries(rows, -rows.data)):
            assert np.shares_memory(view.indices, X.indices) == bool(rows.nnz)


@given(seeds, st.integers(0, 3), st.sampled_from([1, 2, 31, 32, 33, 100, 300]))
def test_full_columns_are_those_with_an_entry_in_every_row(seed, full, rows):
    rng = np.random.default_rng(seed)
    X = np.where(rng.random((rows, 6)) < 0.7, 1.0, 0.0)
    X[:, rng.choice(6, full, replace=False)] = 2.0
    np.testing.assert_array_equal(full_columns(sparse.csr_array(X)), np.flatnonzero(X.all(axis=0)))


def test_dense_rows_of_mostly_zeros_are_fitted_by_products_unless_the_penalty_is_very_weak():
    rng = np.random.default_rng(6)
    X = (rng.random((900, 600)) < 0.05) * 1.0
    y = (X @ rng.normal(size=600) + rng.logistic(size=900) > 0).astype(int)
    problem = Problem(X, y, np.ones(900), 2, np.full(600, 1 / 900))
    for strength in (1 / 900, 1e-4 / 900):
        held = replace(problem, strength=np.full(600, strength))
        fit = solve(held, "auto", tol=1e-12)
        assert (fit.trace.solver, fit.certificate.gap <= 1e-12) == ("conjugate-gradient", True)
        assert "a sparse X" in fit.trace.why
        assert_same_fit(fit, solve(held, "newton"), tol=1e-5)
    weak = [np.full(600, 1e-5 / 900), np.append(np.full(599, 1 / 900), 0.0)]
    for other in (*(replace(problem, strength=strength) for strength in weak), replace(problem, X=X + 1.0)):
        assert "a sparse X" not in solve(other, "auto").trace.why


@pytest.mark.parametrize(
    ("columns", "share", "classes", "solver"),
    [
        (90, 1.0, 2, "quasi-newton"),
        (90, 0.2, 3, "quasi-newton"),
        (90, 0.15, 3, "conjugate-gradient"),
        (200, 0.2, 2, "conjugate-gradient"),
        (90, 0.3, 8, "conjugate-gradient"),
    ],
)
def test_hardly_sparse_rows_take_a_curvature_where_as_many_pairs_of_columns_cost_less_than_products(
    columns, share, classes, solver
):
    rng = np.random.default_rng(7)
    X = np.where(rng.random((900, columns)) < share, rng.normal(size=(900, columns)), 0.0)
    y = rng.integers(0, classes, 900)
    sparse_fit, dense = (LogisticRegression().fit(kind(X), y) for kind in (sparse.csr_array, np.asarray))
    assert sparse_fit.trace_.solver == solver
    np.testing.assert_allclose(sparse_fit.coef_, dense.coef_, atol=1e-8)


def test_of_many_columns_no_curvature_is_made_to_certify_what_products_have_found():
    X = sparse.random_array((20_000, 250), density=0.05, rng=np.random.default_rng(0), format="csr")
    model = LogisticRegression().fit(X, np.arange(20_000) % 2)
    assert (model.trace_.solver, model.certificate_.method) == ("conjugate-gradient", "duality")
    assert model.certificate_.gap <= 1e-8


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("C", [1.0, 1e4])
def test_products_with_indicators_agree_with_newton_on_every_coefficient_however_weak_the_penalty(C, classes):
    rng = np.random.default_rng(8)
    levels = [rng.zipf(1.3, size=5_000) % many + before for many, before in ((150, 0), (100, 150))]
    X = sparse.csr_array(
        (np.ones(10_000), np.column_stack(levels).ravel(), np.arange(0, 10_001, 2)), shape=(5_000, 250)
    )
    y = (X @ rng.normal(size=(250, classes)) + rng.gumbel(size=(5_000, classes))).argmax(axis=1)
    ours, exact = (LogisticRegression(C=C, solver=solver).fit(X, y) for solver in ("auto", "newton"))
    assert (ours.trace_.solver, exact.trace_.solver) == ("conjugate-gradient", "newton")
    np.testing.assert_allclose(ours.coef_, exact.coef_, rtol=0, atol=1e-7 * np.abs(exact.coef_).max())


@pytest.mark.parametrize("classes", [2, 4])
def test_sparse_rows_are_helped_by_matrices_only_once_products_have_cost_as_much(monkeypatch, classes):
    made = []

    def counted(*arguments: Any, make: Any = conjugate.gram_preconditioner) -> Any:
        made.append(arguments)
        return make(*arguments)

    monkeypatch.setattr(conjugate, "gram_preconditioner", counted)
    rng = np.random.default_rng(1)
    levels = np.minimum(rng.zipf(1.3, size=(3_000, 10)), 35) - 1 + 35 * np.arange(10)
    X = sparse.csr_array((np.ones(30_000), levels.ravel(), np.arange(0, 30_001, 10)), shape=(3_000, 350))
    y = (X @ rng.normal(size=(350, classes)) + rng.gumbel(size=(3_000, classes))).argmax(axis=1)
    passes = {}
    for C in (1.0, 1e4):
        made.clear()
        model = LogisticRegression(C=C).fit(X, y)
        assert model.trace_.solver == "conjugate-gradient"
        assert bool(made) == (C > 1.0)
        passes[C] = model.trace_.passes
    assert passes[1e4] <= 500  # by the diagonal alone, some thousands
    assert passes[1.0] <= 150


def test_texts_that_differ_in_length_and_have_rare_words_take_few_products_under_a_weak_penalty():
    n, p, passes = 1_000, 5_000, 0
    for seed in range(3):
        rng = np.random.default_rng(seed)
        share, length = np.arange(1, p + 1) ** -1.1, rng.lognormal(4, 1, n).astype(int) + 1
        words = rng.choice(p, size=length.sum(), p=share / share.sum())
        X = sparse.csr_array((np.ones(len(words)), (np.repeat(np.arange(n), length), words)), shape=(n, p))
        eta = X @ (rng.normal(size=p) * (rng.random(p) < 0.05))
        model = LogisticRegression(C=100.0, tol=1e-6).fit(X, eta / eta.std() + 0.3 * rng.logistic(size=n) > 0)
        assert model.trace_.solver == "conjugate-gradient"
        passes += model.trace_.passes
    assert passes <= 900  # by the diagonal as it stands some 1,100


def test_products_that_a_tighter_tolerance_asks_for_come_little_by_little():
    rng, passes = np.random.default_rng(0), dict.fromkeys((1e-06, 3e-07, 1e-07, 1e-08), 0)
    for _ in range(5):
        X = sparse.random_array((600, 900), density=0.03, rng=rng, format="csr")
        y = X @ rng.normal(size=900) + rng.logistic(size=600) > 0
        for tol in passes:
            passes[tol] += LogisticRegression(tol=tol).fit(X, y).trace_.passes
    most = passes[1e-8] - passes[1e-6]
    assert passes[3e-7] <= passes[1e-6] + 0.6 * most
    assert passes[1e-7] <= passes[1e-6] + 0.8 * most


def spent(classes: int, tol: float) -> tuple[int, int]:
    """Iterations and passes of fits of made sparse rows by conjugate gradients."""
    rng, iterations, passes = np.random.default_rng(0), 0, 0
    for C in (1.0, 10.0, 100.0) * 3:
        X = sparse.random_array((600, 900), density=0.03, rng=rng, format="csr")
        y = (X @ rng.normal(scale=20.0, size=(900, classes)) + rng.gumbel(size=(600, classes))).argmax(axis=1)
        model = LogisticRegression(C=C, solver="conjugate-gradient", tol=tol).fit(X, y)
        assert model.certificate_.gap <= tol
        iterations, passes = iterations + int(np.max(model.n_iter_)), passes + model.trace_.passes
    return iterations, passes


def test_longer_steps_of_conjugate_gradients_are_fewer(monkeypatch):
    longer, _ = spent(classes=2, tol=1e-6)
    monkeypatch.setattr(conjugate, "lengthened", lambda left: 1.0)
    assert longer <= 0.93 * spent(classes=2, tol=1e-6)[0]


@pytest.mark.parametrize("classes", [2, 4])
def test_equations_of_the_last_step_solved_no_better_than_asked_save_passes(monkeypatch, classes):
    _, enough = spent(classes, tol=1e-8)
    monkeypatch.setattr(conjugate, "UNSOLVED", 0.0)
    assert enough <= 0.98 * spent(classes, tol=1e-8)[1]


def test_more_columns_than_a_small_matrix_go_through_conjugate_gradients_to_the_same_optimum():
    rng = np.random.default_rng(5)
    X, y = rng.normal(size=(40, 2100)), np.arange(40) % 2
    fit = solve(Problem(sparse.csr_array(X), y, np.ones(40), 2, np.full(2100, 1.0)), tol=1e-12)
    assert fit.trace.solver == "conjugate-gradient"
    # The optimum lies in the span of the rows: in an orthonormal basis of it, 40 columns give the same fit.
    basis = np.linalg.qr(X.T)[0]
    small = solve(Problem(X @ basis, y, np.ones(40), 2, np.full(40, 1.0)), "newton")
    np.testing.assert_allclose(fit.coefficients, small.coefficients @ basis.T, atol=1e-6)


@few
@given(problems(), st.sampled_from(["newton", "conjugate-gradient"]))
def test_a_start_at_the_optimum_takes_one_iteration_at_most(problem, solver):
    cold = solve(problem)
    warm = solve(problem, solver, tol=1e-8, start=(cold.coefficients, cold.intercepts))
    assert warm.iterations <= 1
    assert_same_fit(warm, cold, tol=1e-5)


@given(problems())
@few
def test_the_objective_never_rises_from_one_iterate_to_the_next(problem):
    for solver in ("newton", "conjugate-gradient"):
        values = solve(problem, solver, tol=1e-10).trace.column("objective")
        assert np.all(np.diff(values) <= 1e-14 * np.abs(values[:-1]))


class CountingSource:
    """Counts how often it is read."""

    def __init__(self, problem: Problem) -> None:
        self.inner = problem.source()
        self.n_rows, self.n_columns = self.inner.X.shape
        self.most_rows, self.in_memory, self.room = self.n_rows, True, np.inf
        self.n_threads, self.pool = 1, None
        self.centre, self.offset, self.readings = self.inner.centre, self.inner.offset, 0

    def working(self) -> Any:
        return nullcontext(self)

    def sample(self, *args: Any) -> Any:
        return self.inner.sample(*args)

    def add_up(self, *args: Any) -> Any:
        self.readings += 1
        return self.inner.add_up(*args)


@pytest.mark.parametrize("strength", [0.0, 0.1])
@pytest.mark.parametrize("solver", sorted(SOLVERS))
def test_every_reading_of_the_data_is_counted(solver, strength):
    problem = make_problem(3, strength=strength)
    source = CountingSource(problem)
    fit = fit_linear_model(source, problem.loss, L2(problem.strength), Options(solver, 1e-6, 5000), problem.start())
    assert fit.trace.passes == source.readings
    assert list(fit.trace.column("passes")) == sorted(fit.trace.column("passes"))


def test_each_step_is_watched_as_it_happens():
    problem, seen = make_problem(4), []
    fit = fit_linear_model(
        problem.source(), problem.loss, L2(problem.strength), Options(), problem.start(), seen.append
    )
    assert [step.iteration for step in seen] == list(range(fit.iterations + 1))
    assert "newton" in str(fit.trace)
    assert len(str(fit.trace).splitlines()) == len(seen) + 2


def test_max_iter_is_kept_and_the_warning_quotes_the_gap():
    problem = make_problem(6, strength=1e-3, noise=0.1)
    options = Options("conjugate-gradient", 1e-13, 2)
    with pytest.warns(ConvergenceWarning) as caught:
        fit = fit_linear_model(problem.source(), problem.loss, L2(problem.strength), options, problem.start())
    assert fit.iterations == 2
    assert fit.status is Status.MAX_ITER
    assert f"stopped after 2 iterations, at most {fit.certificate.gap:.1e} above the best" in str(caught[0].message)


@pytest.mark.parametrize("most", [4, 100])
def test_a_fit_that_goes_on_in_the_columns_keeps_max_iter_and_the_steps_that_it_took_before(monkeypatch, most):
    random = np.random.default_rng(0)
    X = 1e7 * random.standard_normal((60, 400))  # rows so long that the rounding of their products is a part of tol
    y = (X[:, 0] + 1e7 * random.logistic(size=60) > 0).astype(int)
    monkeypatch.setattr("separatrix.engine.fit.MOST_LOST", -1.0)
    model = LogisticRegression(max_iter=most, tol=1e-8 if most == 4 else 1e-30)
    with pytest.warns(ConvergenceWarning, match=f"stopped after {most} iterations" if most == 4 else "stopped after"):
        model.fit(X, y)
    assert model.trace_.column("iteration").tolist() == list(range(len(model.trace_.steps)))
    assert (np.diff(model.trace_.column("passes")) > 0).all()
    assert (np.diff(model.trace_.column("seconds")) > 0).all()
    assert model.n_iter_[0] <= most
    assert model.trace_.steps[0].passes == 1


def test_steps_that_gain_nothing_end_the_fit_and_the_warning_does_not_ask_for_more():
    problem = make_problem(6, strength=1e-3, noise=0.1)
    at = problem.objective().evaluate(np.zeros((problem.X.shape[1] + 1, 1)), order=1)
    found = minimise(problem.objective(), repeat(Iterate(at, at.value)), 1e-8, 1e-8, 100)
    assert found.status is Status.STUCK
    assert len(found.steps) <= 5
    fit = fit_linear_model(problem.source(), problem.loss, L2(problem.strength), Options(), problem.start())
    with pytest.warns(ConvergenceWarning, match="more iterations change nothing") as caught:
        warn_of(replace(fit, status=Status.STUCK), 1e-8)
    assert "max_iter" not in str(caught[0].message)


@pytest.mark.parametrize("K", [2, 3])
def test_separable_classes_without_a_penalty_are_named_as_such(K):
    X = np.repeat(np.arange(K) * 3.0, 4)[:, None] + np.tile([0.0, 0.1, 0.2, 0.3], K)[:, None]
    X = np.hstack([X, X**2])
    problem = Problem(X, np.repeat(np.arange(K), 4), np.ones(4 * K), K, np.zeros(2))
    with pytest.warns(SeparationWarning, match="no finite fit exists"):
        assert solve(problem, tol=1e-8).separated


@given(problems(penalised=False))
@few
def test_classes_that_overlap_are_never_called_separable(problem):
    assert not solve(problem).separated


def test_a_curvature_whose_digits_are_gone_has_a_factor():
    factor = factor_positive(np.array([[5e-324, 1e-323], [1e-323, 1e-323]]))
    assert np.isfinite(solve_factored(factor, np.array([1e-323, 0.0]))).all()
    assert np.linalg.norm(factor_positive(np.diag([1.0, 1e-310])).inverse()) < 1e16  # by a ridge


@given(seeds, st.integers(1, 6), st.lists(st.integers(-100, 100), min_size=6, max_size=6))
def test_a_positive_system_is_solved_whatever_its_units(seed, n, powers):
    rng = np.random.default_rng(seed)
    root = np.linalg.qr(rng.normal(size=(2 * n + 2, n)))[0] * rng.uniform(0.1, 10.0, n)
    A, units, x = root.T @ root, 2.0 ** np.array(powers[:n]), rng.normal(size=n)
    found = solve_positive(A * units[:, None] * units, (A @ x) * units) * units
    np.testing.assert_allclose(found, x, rtol=1e-9, atol=1e-9)
