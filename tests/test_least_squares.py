"""Least squares against certified values, NumPy and scikit-learn.

Longley, Filip and Wampler are Statistical Reference Datasets of the National Institute of Standards and Technology
(public domain), with their certified coefficients.
"""

from contextlib import nullcontext
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy import sparse
from sklearn.datasets import load_diabetes
from sklearn.linear_model import Ridge
from statsmodels.datasets import longley

from problems import seeds
from separatrix import LinearRegression
from separatrix.arrays import repeated
from separatrix.data.memory import memory_source
from separatrix.engine.certificates.quadratic_gap import certified_gap, certify_quadratic
from separatrix.engine.linear import choose
from separatrix.engine.linear.answer import LeastSquares
from separatrix.engine.linear.least_squares import Task, by_gram, least_squares
from separatrix.equations.penalties import L2, elastic_net
from separatrix.errors import ConvergenceWarning

LONGLEY = [-3482258.63459582, 15.0618722713733, -0.0358191792925910, -2.02022980381683]
LONGLEY += [-1.03322686717359, -0.0511041056535807, 1829.15146461355]

FILIP = [-1467.48961422980, -2772.17959193342, -2316.37108160893, -1127.97394098372, -354.478233703349]
FILIP += [-75.1242017393757, -10.8753180355343, -1.06221498588947, -0.0670191154593408, -0.00246781078275479]
FILIP += [-0.0000402962525080404]
FILIP_DATA = """
0.8116 -6.860120914  0.9072 -4.324130045  0.9052 -4.358625055  0.9039 -4.358426747  0.8053 -6.955852379
0.8377 -6.661145254  0.8667 -6.355462942  0.8809 -6.118102026  0.7975 -7.115148017  0.8162 -6.815308569
0.8515 -6.519993057  0.8766 -6.204119983  0.8885 -5.853871964  0.8859 -6.109523091  0.8959 -5.79832982
0.8913 -5.482672118  0.8959 -5.171791386  0.8971 -4.851705903  0.9021 -4.517126416  0.909 -4.143573228
0.9139 -3.709075441  0.9199 -3.499489089  0.8692 -6.300769497  0.8872 -5.953504836  0.89 -5.642065153
0.891 -5.031376979  0.8977 -4.680685696  0.9035 -4.329846955  0.9078 -3.928486195  0.7675 -8.56735134
0.7705 -8.363211311  0.7713 -8.107682739  0.7736 -7.823908741  0.7775 -7.522878745  0.7841 -7.218819279
0.7971 -6.920818754  0.8329 -6.628932138  0.8641 -6.323946875  0.8804 -5.991399828  0.7668 -8.781464495
0.7633 -8.663140179  0.7678 -8.473531488  0.7697 -8.247337057  0.77 -7.971428747  0.7749 -7.676129393
0.7796 -7.352812702  0.7897 -7.072065318  0.8131 -6.774174009  0.8498 -6.478861916  0.8741 -6.159517513
0.8061 -6.835647144  0.846 -6.53165267  0.8751 -6.224098421  0.8856 -5.910094889  0.8919 -5.598599459
0.8934 -5.290645224  0.894 -4.974284616  0.8957 -4.64454848  0.9047 -4.290560426  0.9129 -3.885055584
0.9209 -3.408378962  0.9219 -3.13200249  0.7739 -8.726767166  0.7681 -8.66695597  0.7665 -8.511026475
0.7703 -8.165388579  0.7702 -7.886056648  0.7761 -7.588043762  0.7809 -7.283412422  0.7961 -6.995678626
0.8253 -6.691862621  0.8602 -6.392544977  0.8809 -6.067374056  0.8301 -6.684029655  0.8664 -6.378719832
0.8834 -6.065855188  0.8898 -5.752272167  0.8964 -5.132414673  0.8963 -4.811352704  0.9074 -4.098269308
0.9119 -3.66174277  0.9228 -3.2644011
"""

WAMPLER_NOISE = [759, -2048, 2048, -2048, 2523, -2048, 2048, -2048, 1838, -2048]
WAMPLER_NOISE = np.array([*WAMPLER_NOISE, 2048, *WAMPLER_NOISE[::-1]])


def fit(X: Any, y: Any, weight: Any = None, alpha: float = 0.0, fit_intercept: bool = True) -> LeastSquares:
    targets = np.reshape(np.asarray(y, dtype=float), (len(y), -1))
    source = memory_source(X, targets, weight, centre=fit_intercept)
    return least_squares(source, targets.shape[1], L2(np.full(source.n_columns, alpha)), fit_intercept)


def digits(actual: Any, certified: Any) -> float:
    """How many leading digits agree, in the worst of the numbers (NIST's log relative error)."""
    return float(-np.log10(np.max(np.abs(np.subtract(actual, certified)) / np.abs(certified)) + 1e-16))


def powers(x: np.ndarray, degree: int) -> np.ndarray:
    return x[:, None] ** np.arange(1, degree + 1)


def test_longley_has_eleven_certified_digits():
    data = longley.load()
    found = fit(data.exog.to_numpy(dtype=float), data.endog)
    assert digits(np.append(found.intercepts, found.coefficients), LONGLEY) > 11


def test_longley_is_the_same_with_its_intercept_as_a_column():
    data = longley.load()
    X = np.column_stack([np.ones(16), data.exog.to_numpy(dtype=float)])
    assert digits(fit(X, data.endog, fit_intercept=False).coefficients[0], LONGLEY) > 8


def test_filip_of_degree_ten_has_seven_certified_digits():
    y, x = np.array(FILIP_DATA.split(), dtype=float).reshape(-1, 2).T
    assert len(x) == 82
    found = fit(powers(x, 10), y)
    assert found.rank == 10
    assert digits(np.append(found.intercepts, found.coefficients), FILIP) > 7


@pytest.mark.parametrize("noise", [0, 1, 100, 10_000])
def test_wamplers_polynomials_have_coefficients_of_one(noise):
    x = np.arange(21.0)
    X = powers(x, 5)
    assert not np.any(WAMPLER_NOISE @ np.column_stack([np.ones(21), X]))  # so that it changes no coefficient
    found = fit(X, X.sum(axis=1) + 1 + noise * WAMPLER_NOISE)
    assert digits(np.append(found.intercepts, found.coefficients), np.ones(6)) > 14


def test_wamplers_second_polynomial_has_coefficients_of_powers_of_ten():
    X = powers(np.arange(21.0), 5)
    certified = 10.0 ** -np.arange(6)
    found = fit(X, 1 + X @ certified[1:])
    assert digits(np.append(found.intercepts, found.coefficients), certified) > 12


def random_data(seed: int, rows: int, p: int, targets: int = 1) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(rows, p)), rng.normal(size=(rows, targets))


@given(seeds, st.integers(1, 6), st.integers(1, 3))
def test_the_residuals_are_orthogonal_to_every_column_and_to_the_intercept(seed, p, targets):
    X, y = random_data(seed, 15, p, targets)
    weight = np.random.default_rng(seed).uniform(0.1, 3.0, 15)
    found = fit(X, y, weight)
    residual = weight[:, None] * (y - X @ found.coefficients.T - found.intercepts)
    np.testing.assert_allclose(np.column_stack([np.ones(15), X]).T @ residual, 0.0, atol=1e-12)
    assert found.rank == p
    assert 0.0 <= found.certificate.gap < 1e-28


@given(seeds, st.integers(2, 8), st.integers(1, 3), st.booleans(), st.integers(2, 12))
def test_where_columns_are_collinear_the_smallest_solution_is_taken_as_numpy_takes_it(seed, p, rank, intercept, rows):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, rank)) @ rng.normal(size=(rank, p))
    y = rng.normal(size=(rows, 2))
    found = fit(X, y, fit_intercept=intercept)
    centred = (X - X.mean(axis=0), y - y.mean(axis=0)) if intercept else (X, y)
    w, _, true_rank, _ = np.linalg.lstsq(*centred, rcond=1e-10)
    assert found.rank == true_rank
    assert found.certificate.gap < 1e-25 * (1 + np.abs(w).max() ** 2)  # of nearly collinear columns weights are large
    np.testing.assert_allclose(found.coefficients.T, w, atol=1e-7 * (1 + np.abs(w).max()))
    np.testing.assert_allclose(found.intercepts, (y.mean(axis=0) - X.mean(axis=0) @ w) * intercept, atol=1e-6)


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array])
def test_a_constant_column_beside_the_intercept_gets_nothing(form):
    X, y = random_data(0, 10, 2)
    found = fit(form(np.column_stack([X, np.full(10, 7.0)])), y)
    np.testing.assert_allclose(found.coefficients[0, :2], fit(X, y).coefficients[0], rtol=1e-12)
    assert found.coefficients[0, 2] == pytest.approx(0.0, abs=1e-12)
    assert found.rank == 2


@given(seeds, st.sampled_from([1e-6, 0.1, 1.0, 1e4]), st.booleans(), st.sampled_from([(20, 4), (6, 15), (5, 5)]))
def test_ridge_is_scikit_learns_for_tall_and_for_wide_data(seed, alpha, intercept, shape):
    X, y = random_data(seed, *shape, targets=2)
    weight = np.random.default_rng(seed).uniform(0.1, 3.0, shape[0])
    found = fit(X, y, weight, alpha, intercept)
    peer = Ridge(alpha=alpha, fit_intercept=intercept, solver="svd").fit(X, y, sample_weight=weight)
    np.testing.assert_allclose(found.coefficients, peer.coef_, rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(found.intercepts, peer.intercept_ * np.ones(2), rtol=1e-8, atol=1e-9)


@given(seeds)
def test_the_intercept_is_never_penalised(seed):
    X, y = random_data(seed, 12, 3)
    near, far = fit(X, y, alpha=5.0), fit(X, y + 1000.0, alpha=5.0)
    np.testing.assert_allclose(far.coefficients, near.coefficients, atol=1e-11)
    assert far.intercepts[0] == pytest.approx(near.intercepts[0] + 1000.0)


@given(seeds, st.sampled_from([0.0, 0.5]))
def test_a_weight_of_k_is_k_copies_of_the_row_and_a_weight_of_zero_is_none(seed, alpha):
    X, y = random_data(seed, 15, 3)
    copies = np.random.default_rng(seed).integers(0, 4, 15) + (np.arange(15) < 6)
    weighted, copied = fit(X, y, copies, alpha), fit(X.repeat(copies, axis=0), y.repeat(copies, axis=0), None, alpha)
    np.testing.assert_allclose(weighted.coefficients, copied.coefficients, rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(weighted.intercepts, copied.intercepts, rtol=1e-9, atol=1e-10)


@given(seeds, st.sampled_from([0.0, 0.5]), st.booleans())
def test_sparse_rows_give_the_dense_answer(seed, alpha, intercept):
    S = sparse.random_array((20, 4), density=0.5, rng=np.random.default_rng(seed), format="csr")
    y = random_data(seed, 20, 1)[1]
    a, b = fit(S, y, None, alpha, intercept), fit(S.toarray(), y, None, alpha, intercept)
    np.testing.assert_allclose(a.coefficients, b.coefficients, atol=1e-9 * (1 + np.abs(b.coefficients).max()))
    np.testing.assert_allclose(a.intercepts, b.intercepts, atol=1e-9 * (1 + np.abs(b.coefficients).max()))


@given(seeds, st.sampled_from([0.0, 0.5]))
def test_many_targets_are_that_many_fits(seed, alpha):
    X, y = random_data(seed, 15, 3, targets=3)
    together = fit(X, y, alpha=alpha)
    for k in range(3):
        alone = fit(X, y[:, k], alpha=alpha)
        np.testing.assert_allclose(together.coefficients[k], alone.coefficients[0], rtol=1e-11, atol=1e-12)
        np.testing.assert_allclose(together.intercepts[k], alone.intercepts[0], rtol=1e-11, atol=1e-12)


@given(seeds, st.lists(st.integers(-9, 9), min_size=3, max_size=3))
def test_the_units_of_a_column_only_divide_its_coefficient(seed, exponents):
    X, y = random_data(seed, 15, 3)
    factors = 10.0 ** np.array(exponents)
    scaled, plain = fit(X * factors, y), fit(X, y)
    np.testing.assert_allclose(scaled.coefficients * factors, plain.coefficients, rtol=1e-9, atol=1e-11)
    assert scaled.rank == 3


@given(seeds)
def test_columns_a_billion_away_keep_their_slopes(seed):
    X, y = np.round(random_data(seed, 15, 3)[0] * 8) / 8, random_data(seed, 15, 3)[1]
    near, far = fit(X, y), fit(X + 1e9, y)
    assert near.rank == far.rank == 3
    np.testing.assert_allclose(far.coefficients, near.coefficients, atol=1e-8 * (1 + np.abs(near.coefficients).max()))


@pytest.mark.parametrize("alpha", [0.0, 3.0])
def test_blocks_of_fewer_rows_than_columns_add_up_to_the_whole(alpha, monkeypatch):
    monkeypatch.setattr("separatrix.data.memory.CELLS", 1)  # blocks of 64 rows
    X, y = random_data(1, 150, 200)
    X[:, 100:] = 0.0
    X[0, 100:] = 1.0
    found = fit(X, y, alpha=alpha)
    alone = fit(np.column_stack([X[:, :100], X[:, 100] * 10.0]), y, alpha=alpha)
    np.testing.assert_allclose(found.coefficients[0, :100], alone.coefficients[0, :100], atol=1e-10)
    np.testing.assert_allclose(found.coefficients[0, 100:] * 10.0, alone.coefficients[0, 100], atol=1e-10)


def test_the_readings_of_the_data_are_counted():
    X, y = load_diabetes(return_X_y=True)
    source = memory_source(X, y[:, None])
    readings = []

    class Counting:
        n_rows, n_columns, centre = source.n_rows, source.n_columns, source.centre

        def working(self) -> Any:
            return nullcontext(self)

        def add_up(self, *args: Any) -> Any:
            readings.append(1)
            return source.add_up(*args)

    trace = least_squares(Counting(), 1, L2(np.zeros(10)), True).trace
    assert trace.passes == trace.steps[-1].passes == len(readings)


def columns_of_many_lengths(n: int, p: int) -> tuple[sparse.csr_array, np.ndarray]:
    """A sparse X whose columns are up to a thousand times as long as others, and y."""
    rng = np.random.default_rng(20)
    X = sparse.random_array((n, p), density=5e-3, rng=rng, format="csr")
    X = sparse.csr_array(X @ sparse.diags_array(10.0 ** rng.uniform(-1.5, 1.5, p)))
    return X, X @ (rng.normal(size=p) * (rng.random(p) < 0.1)) + rng.normal(size=n)


def test_the_trace_counts_the_passes_of_ways_that_led_nowhere_too():
    X, y = columns_of_many_lengths(1_400, 2_600)
    penalty, source = L2(np.full(2_600, 5e-4)), memory_source(X, y[:, None])
    alone = by_gram(memory_source(X.toarray(), y[:, None]), Task(1, penalty, True))
    found = least_squares(source, 1, penalty, True).trace
    assert alone is not None
    assert found.why == alone.trace.why
    assert found.passes == found.steps[-1].passes > 10 * alone.trace.passes


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    ("n", "p", "products", "digits"),
    [(1_400, 2_600, 1_200, 1e-10), (600, 6_000, 2_500, 1e-6), (60, 2_600, 250, 1e-6)],
)
def test_sparse_columns_of_many_lengths_under_a_weak_penalty_are_fitted_in_a_second(n, p, products, digits, weighted):
    X, y = columns_of_many_lengths(n, p)
    weight = np.random.default_rng(1).uniform(0.5, 2.0, n) if weighted else np.ones(n)
    model = LinearRegression(alpha=5e-4).fit(X, y, sample_weight=weight)
    assert model.trace_.solver == "conjugate-gradient"
    assert model.trace_.passes < products  # in the weights alone tens of thousands
    assert model.certificate_.gap <= 1e-14 * y.var()
    root = np.sqrt(weight)[:, None]
    A, z = (root * (part - np.average(part, axis=0, weights=weight)) for part in (X.toarray(), y[:, None]))
    w = A.T @ np.linalg.solve(A @ A.T + 5e-4 * np.eye(n), z[:, 0])
    np.testing.assert_allclose(model.coef_, w, rtol=0, atol=digits * np.abs(w).max())


@pytest.mark.parametrize(("entries", "solver"), [(30_000, "conjugate-gradient"), (700, "qr")])
def test_unpenalised_sparse_rows_fewer_than_columns_go_the_way_of_dense_ones(entries, solver):
    rng = np.random.default_rng(0)
    X = sparse.random_array((150, 8_000), density=entries / 1.2e6, format="csr", rng=rng)
    y = rng.normal(size=150)
    few, filled = LinearRegression().fit(X, y), LinearRegression().fit(X.toarray(), y)
    assert few.trace_.solver == solver
    assert few.rank_ == filled.rank_
    assert few.certificate_.gap < 1e-25
    np.testing.assert_allclose(few.coef_, filled.coef_, atol=1e-12 * np.abs(filled.coef_).max())
    assert not few.coef_[X.sum(axis=0) == 0].any()


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize(("alpha", "l1_ratio"), [(0.0, 0.0), (1.0, 0.0), (1.0, 0.5), (1e-12, 0.0)])
def test_sparse_rows_of_some_hundred_columns_are_not_filled_with_their_zeros(alpha, l1_ratio, intercept, monkeypatch):
    rng = np.random.default_rng(0)
    X = sparse.random_array((12_000, 300), density=0.01, rng=rng, format="csr")
    y, weight = X @ rng.normal(size=300) + rng.normal(size=12_000), rng.uniform(0.5, 2.0, 12_000)
    model = LinearRegression(alpha=alpha, l1_ratio=l1_ratio, fit_intercept=intercept)
    known = model.fit(X.toarray(), y, weight)
    coefficients, constant = known.coef_, known.intercept_
    monkeypatch.setattr("separatrix.engine.linear.least_squares.triangle_of", None)
    found = model.fit(X, y, weight)
    np.testing.assert_allclose(found.coef_, coefficients, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(found.intercept_, constant, rtol=1e-7, atol=1e-9)
    assert found.certificate_.gap < 1e-12


def indicators(rng: np.random.Generator) -> np.ndarray:
    """Three categories, each with an indicator of every level: their sums are those of the intercept."""
    X = np.zeros((18_000, 300))
    for start, levels in ((0, 150), (150, 100), (250, 50)):
        X[np.arange(18_000), start + rng.integers(0, levels, 18_000)] = 1.0
    return X


def with_twins(rng: np.random.Generator) -> np.ndarray:
    X = sparse.random_array((18_000, 300), density=0.01, rng=rng).toarray()
    X[:, 7], X[:, 9] = 0.0, X[:, 8]
    return X


@pytest.mark.parametrize(("columns", "rank"), [(indicators, 297), (with_twins, 298)])
@pytest.mark.parametrize("intercept", [True, False])
def test_sparse_columns_that_others_span_leave_the_shortest_solution(columns, rank, intercept, monkeypatch):
    rng = np.random.default_rng(0)
    X, weight = columns(rng), rng.integers(0, 4, 18_000).astype(float)
    y = X @ rng.normal(size=(300, 2)) + rng.normal(size=(18_000, 2)) + [1e3 * intercept, 0.0]  # far beside its spread
    known = fit(X, y, weight, fit_intercept=intercept)
    monkeypatch.setattr("separatrix.engine.linear.least_squares.triangle_of", None)
    found = fit(sparse.csr_array(X), y, weight, fit_intercept=intercept)
    assert found.rank == known.rank == rank + (columns is indicators and not intercept)
    np.testing.assert_allclose(found.coefficients, known.coefficients, rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(found.intercepts, known.intercepts, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("units", [1e30, 1e50])
def test_the_bound_of_a_ridge_is_no_more_than_its_objective(units, recwarn):
    rng = np.random.default_rng(1)
    X = rng.normal(size=(5, 12)) * rng.choice([1.0 / units, 1.0, units], 12)
    model = LinearRegression(alpha=1.0).fit(X, rng.normal(size=5))
    assert model.certificate_.gap < 1e-30
    assert not recwarn.list


def test_products_for_least_squares_go_on_to_the_end_without_a_restart():
    rng = np.random.default_rng(0)
    X = sparse.random_array((2_000, 2_500), density=5e-3, rng=rng, format="csr")
    model = LinearRegression(alpha=1.0).fit(X, X @ rng.normal(size=2_500) + rng.normal(size=2_000))
    assert (model.trace_.solver, len(model.trace_.steps)) == ("conjugate-gradient", 2)


@pytest.mark.parametrize("l1_ratio", [0.0, 0.5, 1.0])
def test_sparse_rows_of_thousands_of_columns_are_fitted_by_products_to_the_same_optimum(l1_ratio):
    rng = np.random.default_rng(0)
    X = sparse.random_array((80, 2_500), density=0.02, rng=rng, format="csr")
    y = X[:, :5].sum(axis=1) * 3.0 + rng.normal(size=80) + 1e3
    model = LinearRegression(alpha=0.5, l1_ratio=l1_ratio).fit(X, np.column_stack([y, -y]), offset=np.ones((80, 2)))
    assert "would take more" in model.trace_.why
    assert model.certificate_.gap <= 1e-12 * y.var()  # of L1 as the gradient, whose rounding is that of 1e3
    used = np.flatnonzero(np.diff(X.tocsc().indptr))[:1_900]  # so few columns are reduced to a triangle
    few = LinearRegression(alpha=0.5, l1_ratio=l1_ratio).fit(X[:, used], y - 1.0)
    wide = sparse.hstack([X[:, used], sparse.csr_array((80, 600))])
    many = LinearRegression(alpha=0.5, l1_ratio=l1_ratio).fit(wide, y - 1.0)
    np.testing.assert_allclose(many.coef_[: len(used)], few.coef_, atol=1e-6)
    assert many.intercept_ == pytest.approx(few.intercept_, rel=1e-9)


def test_the_bound_of_a_wide_ridge_is_not_below_the_distance_to_its_optimum_and_exact_if_that_is_asked():
    rng = np.random.default_rng(1)
    X, y, alpha = rng.normal(size=(20, 50)) + 3.0, rng.normal(size=(20, 1)), rng.uniform(0.5, 0.9, 50)
    R = np.linalg.qr(np.hstack([np.ones((20, 1)), X, y]), mode="r")
    A, g = np.hstack([np.ones((20, 1)), X]), rng.normal(size=(51, 1))
    H = A.T @ A + np.diag(np.append(0.0, alpha))
    distance, slope = 0.5 * np.vdot(g, np.linalg.solve(H, g)), np.vstack([g[1:], g[:1]])
    assert certified_gap(R, slope, 1, 50, alpha, enough=np.inf) >= distance
    assert certified_gap(R, slope, 1, 50, alpha, enough=0.0) == pytest.approx(distance, rel=1e-12)
    H, R = H[1:, 1:], np.linalg.qr(np.hstack([X, y]), mode="r")
    distance = 0.5 * np.vdot(g[1:], np.linalg.solve(H, g[1:]))
    assert certified_gap(R, g[1:], 0, 50, alpha, enough=0.0) == pytest.approx(distance, rel=1e-12)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("spread", [1e5, 1e7])
def test_seconds_since_1970_among_more_columns_than_rows_are_no_cause_for_a_warning(spread, fit_intercept):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20, 30))
    X[:, 3] = spread * (170.0 + rng.uniform(size=20))
    y = 100 * X[:, 0] + rng.normal(size=20)
    model = LinearRegression(alpha=1.0, fit_intercept=fit_intercept).fit(X, y)
    assert model.certificate_.gap <= 1e-9 * y.var()


def test_a_lasso_of_fewer_rows_than_columns_goes_to_working_sets_or_else_to_a_triangle():
    random = np.random.default_rng(0)
    X = random.standard_normal((30, 300))
    y = X[:, :3].sum(axis=1) + random.standard_normal(30)
    assert LinearRegression(alpha=0.1, l1_ratio=1.0).fit(X, y).trace_.solver == "proximal-newton"
    X[:, 150:] = X[:, :150] + 1e-7 * X[:, 150:]  # whose weights products find slowly
    model = LinearRegression(alpha=1e-5, l1_ratio=1.0).fit(X, y)
    assert model.trace_.solver == "qr"
    assert model.certificate_.gap <= 1e-12


@pytest.mark.filterwarnings("error::separatrix.errors.ConvergenceWarning")
@pytest.mark.parametrize("collinear", [False, True])
@pytest.mark.parametrize("alpha", [1e-6, 1e-3, 0.1])
def test_a_lasso_is_shown_to_be_exact_however_small_its_penalty_beside_the_target(alpha, collinear):
    random = np.random.default_rng(0)
    X = random.normal(size=(1000, 20))
    X[:, 0] = X[:, 1:4].sum(axis=1) if collinear else X[:, 0]
    y = 1e5 * (3 + X[:, 1] + random.normal(size=1000))
    assert LinearRegression(alpha=alpha, l1_ratio=1.0).fit(X, y).certificate_.gap <= 1e-12 * y.var()


@pytest.mark.filterwarnings("error::separatrix.errors.ConvergenceWarning")
@pytest.mark.parametrize("seed", [22, 42, 54, 157])
def test_a_lasso_that_is_next_to_nothing_is_shown_to_be_about_least_squares(seed):
    X, y = random_data(seed, 15, 4)
    X[:, 0] = X[:, 1] + 2 * X[:, 2]
    model = LinearRegression(alpha=1e-12, l1_ratio=1.0).fit(X, y[:, 0])
    assert model.certificate_.gap <= 1e-11


@pytest.mark.filterwarnings("error::separatrix.errors.ConvergenceWarning")
@pytest.mark.parametrize("l1_ratio", [0.5, 1.0])
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array])
def test_a_lasso_of_many_columns_goes_by_their_curvature_if_that_costs_little(form, l1_ratio, monkeypatch):
    X, y = random_data(0, 4_000, 130, targets=2)
    y += 1e3 + X[:, :2]
    by_steps = LinearRegression(alpha=100.0, l1_ratio=l1_ratio).fit(form(X), y)
    monkeypatch.setattr(choose, "MANY", 131)
    by_triangle = LinearRegression(alpha=100.0, l1_ratio=l1_ratio).fit(form(X), y)
    assert (by_steps.trace_.solver, by_triangle.trace_.solver) == ("proximal-newton", "qr")
    assert by_steps.trace_.passes <= 5
    np.testing.assert_allclose(by_steps.coef_, by_triangle.coef_, atol=1e-8)
    np.testing.assert_allclose(by_steps.intercept_, by_triangle.intercept_, rtol=1e-12)
    assert max(model.certificate_.gap for model in (by_steps, by_triangle)) <= 1e-12


@example(seed=24697, collinear=True, alpha=1.0, off=1.0)  # whose intercept is far off, too
@given(seeds, st.booleans(), st.sampled_from([1e-12, 1e-6, 1.0]), st.sampled_from([1e-6, 0.01, 1.0]))
def test_no_bound_of_a_lasso_is_below_its_distance_to_the_optimum(seed, collinear, alpha, off):
    X, y = random_data(seed, 15, 4)
    X[:, 0] = X[:, 1] + 2 * X[:, 2] if collinear else X[:, 0]
    source, penalty = memory_source(X, y, centre=True), elastic_net(repeated(alpha, 4), 1.0)
    best = least_squares(source, 1, penalty, True)
    objective, total = Task(1, penalty, True).objective(source)
    theta = np.append(best.coefficients[0], best.intercepts + best.coefficients @ source.centre)[:, None]
    moved = theta + off * np.random.default_rng(seed).normal(size=theta.shape)
    found, least = (objective.evaluate(each, order=1) for each in (moved, theta))
    bound = certify_quadratic(objective, found, best.triangle, total).gap
    assert bound >= (found.value - least.value) * (1 - 1e-9) - 1e-14


@pytest.mark.parametrize("l1_ratio", [0.5, 1.0])
@pytest.mark.parametrize("kind", ["of few dimensions", "far from zero"])
def test_a_weak_l1_penalty_of_columns_that_hardly_differ_leaves_no_more_than_a_ridge_does(kind, l1_ratio):
    rng, few = np.random.default_rng(10), kind == "of few dimensions"
    X = rng.normal(size=(300, 6)) @ rng.normal(size=(6, 20)) if few else rng.normal(size=(12, 25))
    X = X if few else X + 10.0 ** rng.uniform(-2, 6, 25)
    y, alpha = 1e6 * rng.normal(size=len(X)), 1e-10 if few else 1e-7
    lasso = LinearRegression(alpha=alpha, l1_ratio=l1_ratio, fit_intercept=few).fit(X, y)
    ridge = LinearRegression(alpha=alpha, fit_intercept=few).fit(X, y)

    def objective(model: LinearRegression) -> float:
        w = model.coef_
        return np.sum((y - model.predict(X)) ** 2) + alpha * ((1 - l1_ratio) * w @ w + 2 * l1_ratio * np.abs(w).sum())

    assert objective(lasso) <= objective(ridge) + 1e-12 * y @ y
    assert lasso.certificate_.gap <= 1e-12 * y.var()


def test_no_bound_is_below_what_rounding_hides_of_residuals_in_which_large_weights_cancel():
    for seed in range(40):
        rng = np.random.default_rng(seed)
        X, y = rng.normal(size=(40, 4)) + 10.0 ** rng.uniform(3, 6), 10 * rng.normal(size=40)
        X[:, 0] = X[:, 1] + 10.0 ** rng.uniform(-5, 0) * rng.normal(size=40)
        model = LinearRegression(fit_intercept=False).fit(X, y)
        with mpmath.workdps(60):
            A, z = mpmath.matrix(X.tolist()), mpmath.matrix(y.tolist())
            best = mpmath.lu_solve(A.T * A, A.T * z)
            left = [z - A * w for w in (mpmath.matrix(model.coef_.tolist()), best)]
            gap = float((mpmath.norm(left[0]) ** 2 - mpmath.norm(left[1]) ** 2) / 80)
        assert gap <= model.certificate_.gap <= 1e-6 * y.var()


@pytest.mark.parametrize("copies", [False, True])
@pytest.mark.parametrize(("n", "p"), [(6, 30), (20, 100), (100, 30)])
def test_the_shortest_of_all_solutions_is_found_however_far_units_of_columns_are_apart(n, p, copies):
    rng = np.random.default_rng(1)
    X = rng.normal(size=(n, p)) * 10.0 ** rng.uniform(-8, 8, p)
    if copies or n > p:
        X[:, p // 2 :] = X[:, : p // 2]
    y = X @ (rng.normal(size=p) / np.abs(X).max(axis=0)) + (n < p) * rng.normal(size=n)
    model = LinearRegression(fit_intercept=False).fit(X, y)
    np.testing.assert_allclose(model.predict(X), y, rtol=0, atol=1e-9 * np.abs(y).max())
    A = mpmath.matrix(X[:, : p // 2].tolist()) if copies or n > p else mpmath.matrix(X.tolist())
    with mpmath.workdps(60):
        b = mpmath.matrix(y.tolist())
        exact = mpmath.lu_solve(A, b) if A.rows > A.cols else A.T * mpmath.lu_solve(A * A.T, b)
    exact = np.array(exact.tolist(), dtype=float).ravel()
    exact = np.tile(exact / 2, 2) if len(exact) < p else exact
    np.testing.assert_allclose(model.coef_, exact, rtol=1e-6, atol=1e-8 * np.abs(exact).max())


def test_an_intercept_that_rounding_has_spoilt_is_warned_of():
    x = np.random.default_rng(0).integers(0, 8, 44)
    with pytest.warns(ConvergenceWarning, match="leave out those that others span"):
        found = LinearRegression().fit(x[:, None] + 1e15, x)
    assert found.coef_ == pytest.approx(1.0)


def test_a_fit_that_rounding_has_spoilt_is_warned_of_with_a_remedy():
    rng = np.random.default_rng(10)
    X = rng.normal(size=(20, 100)) * 10.0 ** rng.uniform(-20, 20, 100)
    X[:, 50:] = X[:, :50]
    with pytest.warns(ConvergenceWarning, match="units of about the same size") as caught:
        LinearRegression(fit_intercept=False).fit(X, 1e6 + rng.normal(size=20))
    assert [warning.filename for warning in caught] == [__file__]


@pytest.mark.parametrize("shift", [30.0, 300.0, 1e4, 1e6, 1e8])
@pytest.mark.parametrize("seed", range(3))
def test_a_column_that_is_another_shifted_far_adds_nothing_to_a_fit(shift, seed):
    """Its cells are rounded where they lie: their differences to the other's are rounding of the larger."""
    rng = np.random.default_rng(seed)
    X, y = rng.normal(size=(18, 2)), rng.normal(size=18)
    found, alone = LinearRegression().fit(np.column_stack([X, X[:, 0] + shift]), y), LinearRegression().fit(X, y)
    eta = found.predict(np.column_stack([X, X[:, 0] + shift]))
    np.testing.assert_allclose(eta, alone.predict(X), atol=1e-15 * shift + 1e-12)
    assert found.rank_ == 2
    assert np.abs(found.coef_).max() < 1.0


def test_a_day_number_and_a_decimal_year_are_one_column():
    rng = np.random.default_rng(0)
    day = rng.integers(0, 3650, 1000).astype(float)
    X = np.column_stack([day, 2010 + day / 365.25, rng.normal(size=1000)])
    y = day / 1000 + X[:, 2] + rng.normal(size=1000)
    found = LinearRegression().fit(X, y)
    np.testing.assert_allclose(found.predict(X), LinearRegression().fit(X[:, ::2], y).predict(X[:, ::2]), atol=1e-11)
    assert found.rank_ == 2


def test_a_column_of_seconds_hides_no_difference_of_other_columns():
    rng = np.random.default_rng(0)
    x, seen = rng.normal(size=(2, 500))
    X = np.column_stack([x, x + 1e-7 * seen, 1.6e9 + rng.integers(0, 1000, 500)])
    found = LinearRegression().fit(X, x + seen)
    assert found.rank_ == 3
    np.testing.assert_allclose(found.predict(X), x + seen, atol=1e-5)
