"""Least squares of many dense columns or rows by a Gram matrix in single precision, against the triangle."""

from typing import Any

import numpy as np
import pytest

from separatrix import LinearRegression
from separatrix.data.memory import MemorySource, memory_source
from separatrix.data.streams import spill
from separatrix.engine.linear import choose, preconditioned
from separatrix.engine.linear.answer import LeastSquares
from separatrix.engine.linear.least_squares import least_squares
from separatrix.engine.matrices import conditioning, panels
from separatrix.engine.objective import Evaluation, Objective
from separatrix.equations.losses import SquaredLoss
from separatrix.equations.penalties import L2, ElasticNet

SHAPES = [(280, 60), (60, 280), (90, 70), (70, 90), (3, 50)]
SQUARE = [(71, 70), (70, 70), (70, 71)]


@pytest.fixture(autouse=True)
def small_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name, value in [
        (choose, "FEWEST", 10),
        (choose, "FEWEST_CELLS", 1),
        (panels, "WIDTH", 64),
        (panels, "STRETCH", 24),
    ]:
        monkeypatch.setattr(module, name, value)


def problem(n: int, p: int, targets: int = 1, far: float = 3.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(n)
    X = rng.normal(size=(n, p)) + far * rng.normal(size=p)
    return X, X[:, :4].sum(axis=1)[:, None] + rng.normal(size=(n, targets))


def both(X: Any, y: Any, alpha: Any, intercept: bool = True, **beside: Any) -> tuple[LeastSquares, LeastSquares]:
    """The fit, and that by the triangle."""
    source = memory_source(X, y, centre=intercept, n_threads=2, **beside)
    penalty = L2(np.zeros(X.shape[1]) + alpha)
    by_triangle = least_squares(source, y.shape[1], penalty, intercept, with_triangle=True)
    return least_squares(source, y.shape[1], penalty, intercept), by_triangle


def assert_the_same(found: LeastSquares, known: LeastSquares) -> None:
    size = np.abs(known.coefficients).max()
    np.testing.assert_allclose(found.coefficients, known.coefficients, atol=1e-12 * size, rtol=0)
    np.testing.assert_allclose(found.intercepts, known.intercepts, atol=1e-11 * size)
    assert found.rank == known.rank


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("alpha", [0.0, 0.3, 1e-4])
@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("place", ["in memory", "on disk", "in memory, in double"])
def test_the_fit_is_that_of_the_triangle_without_one(shape, alpha, intercept, place, monkeypatch):
    monkeypatch.setattr(preconditioned, "LITTLE_OF_X", 0.0 if place == "on disk" else 1.0)
    if "double" in place:
        monkeypatch.setattr(preconditioned, "PRECISIONS", [np.float64])
    found, known = both(*problem(*shape), alpha, intercept)
    assert_the_same(found, known)
    assert (found.trace.solver, known.trace.solver) == ("conjugate-gradient", "qr")
    assert (found.triangle.size, known.triangle.size > 0) == (0, True)


@pytest.mark.parametrize("shape", SHAPES[:2], ids=str)
@pytest.mark.parametrize("alpha", [0.0, 0.3])
@pytest.mark.parametrize("form", [np.float32, np.int16, np.asfortranarray, "far"])
def test_with_weights_an_offset_and_several_targets_of_any_type_and_order(shape, alpha, form):
    X, y = problem(*shape, targets=3)
    X = X + 1e7 if form == "far" else (100 * X).astype(form) if isinstance(form, type) else form(X)
    rng = np.random.default_rng(1)
    beside = {"weight": rng.uniform(0.1, 3.0, len(y)), "offset": rng.normal(size=y.shape)}
    found, known = both(X, y, alpha, **beside)
    np.testing.assert_allclose(found.coefficients, known.coefficients, atol=1e-11 * np.abs(known.coefficients).max())
    assert found.rank == known.rank


@pytest.mark.parametrize("shape", SHAPES[:2], ids=str)
def test_each_column_may_have_a_penalty_and_a_unit_of_its_own(shape):
    X, y = problem(*shape)
    units = 10.0 ** np.random.default_rng(2).integers(-6, 7, shape[1])
    found, known = both(X * units, y, 0.5 * units**2)
    assert found.trace.solver == "conjugate-gradient"
    np.testing.assert_allclose(
        found.coefficients * units, known.coefficients * units, atol=1e-11 * np.abs(known.coefficients * units).max()
    )


def collinear(kind: str, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    X, y = problem(*shape)
    if kind == "repeated":
        X[:, -1] = X[:, 0]
        X[-1] = X[0]
    elif kind == "constant":
        X[:, 5] = 2.0
        X[5] = X[6]
    else:
        noise = float(kind) * np.random.default_rng(3).normal(size=max(shape))
        X[:, -1] = X[:, 0] + noise[: len(X)]
        X[-1] = X[0] + noise[: X.shape[1]]
    return X, y


@pytest.mark.parametrize("kind", ["repeated", "constant", "1e-3"])
@pytest.mark.parametrize("intercept", [True, False])
def test_what_no_row_sees_is_left_out_of_the_shortest_answer(kind, intercept):
    X, y = collinear(kind, SHAPES[0])
    X[:, 20:23], X[:, 30] = X[:, 40:44] @ np.random.default_rng(5).normal(size=(4, 3)), 0.0
    found, known = both(X, y, 0.0, intercept)
    assert (found.trace.solver, known.trace.solver) == ("conjugate-gradient", "qr")
    assert_the_same(found, known)
    norms = [float(np.linalg.norm(fit.coefficients)) for fit in (found, known)]
    assert norms[0] == pytest.approx(norms[1], rel=1e-12)


@pytest.mark.parametrize("shape", SQUARE, ids=str)
@pytest.mark.parametrize("intercept", [True, False])
def test_about_as_many_rows_as_columns_need_no_triangle(shape, intercept):
    found, known = both(*problem(*shape), 0.0, intercept)
    assert found.trace.solver == "conjugate-gradient"
    np.testing.assert_allclose(found.coefficients, known.coefficients, rtol=1e-8)
    assert found.rank == known.rank


@pytest.mark.parametrize("kind", ["1e-7", "1e-8", "1e-9", "1e-10"])
def test_columns_that_all_but_repeat_others_are_met_by_a_factor_in_double(kind):
    found, known = both(*collinear(kind, SHAPES[0]), 0.0)
    assert found.trace.solver == "conjugate-gradient"
    assert found.certificate.gap <= known.certificate.gap
    assert found.rank == known.rank
    np.testing.assert_allclose(found.coefficients, known.coefficients, rtol=1e-3 * 1e-16 / float(kind) ** 2 + 1e-14)


@pytest.mark.parametrize(("kind", "shape"), [("3e-13", SHAPES[0]), ("repeated", SHAPES[1]), ("1e-11", SHAPES[1])])
def test_what_even_a_factor_in_double_is_far_from_goes_by_qr_on_disk(kind, shape):
    X, y = collinear(kind, shape)
    found, known = both(X, y, 0.0)
    assert (found.trace.solver, "on disk" in found.trace.why) == ("qr", True)
    assert found.rank == known.rank
    assert found.certificate.gap <= known.certificate.gap + 1e-24
    rounding = np.finfo(float).eps * float((np.abs(X) @ np.abs(known.coefficients.T)).max())
    np.testing.assert_allclose(project(X, found), project(X, known), atol=4 * rounding)


@pytest.mark.parametrize("many", [conditioning.FEW_UNSEEN, conditioning.FEW_UNSEEN + 1])
def test_more_directions_that_no_row_sees_than_are_sought_leave_the_fit_to_qr(many, monkeypatch):
    monkeypatch.setattr(preconditioned, "SPANNED", 0.0)
    X, y = problem(*SHAPES[0])
    X[:, :many] = X[:, -many:]
    found, known = both(X, y, 0.0)
    assert found.trace.solver == ("conjugate-gradient" if many == conditioning.FEW_UNSEEN else "qr")
    assert_the_same(found, known)


def test_half_of_all_columns_may_be_spanned_by_the_others(monkeypatch):
    monkeypatch.setattr(preconditioned, "SPANNED", 0.5)
    monkeypatch.setattr(preconditioned, "BASIS", 1.0)
    X, y = problem(280, 120)
    X = np.hstack([X, X @ np.random.default_rng(8).normal(size=(120, 100))])[
        :, np.random.default_rng(9).permutation(220)
    ]
    found, known = both(X, y, 0.0)
    assert found.trace.solver == "conjugate-gradient"
    assert found.rank == known.rank == 120
    np.testing.assert_allclose(found.coefficients, known.coefficients, atol=1e-11)


@pytest.mark.parametrize("least", [0.5, 1e-2, 1e-5, 0.0])
def test_the_reach_of_a_factor_is_its_least_eigenvalue_beside_it_and_what_is_zero(least):
    rng = np.random.default_rng(7)
    values = np.append(least, rng.uniform(0.7, 1.2, 39))
    Q, unit = np.linalg.qr(rng.normal(size=(40, 40)))[0], 10.0 ** rng.integers(-3, 4, (40, 1))
    root = np.sqrt(values)[values > 0, None] * Q.T[values > 0] * unit.T  # beside unit^2, Q has the eigenvectors
    found = conditioning.reach_of(
        lambda d: root.T @ (root @ d), lambda g: g / unit**2, unit, seen=lambda d: float(np.sum((root @ d) ** 2))
    )
    assert found is not None
    assert found.least == pytest.approx(values[values > 0].min(), rel=1e-2)
    assert found.unseen.shape == (40, np.count_nonzero(values == 0))
    np.testing.assert_allclose(np.abs(found.unseen.T @ Q[:, :1]), 1.0, rtol=1e-12)


@pytest.mark.parametrize("shape", SHAPES[:2], ids=str)
def test_numbers_whose_squares_are_beyond_single_precision_have_the_same_fit(shape):
    X, y = problem(*shape)
    found, known = both(X * 1e25, y, 0.0)
    assert_the_same(found, known)


@pytest.mark.parametrize("form", [np.float32, np.float64])
def test_a_matrix_that_is_large_beside_x_is_on_disk_if_there_is_room(form, monkeypatch):
    X, y = problem(70, 70)
    X = X.astype(form)
    found, known = both(X, y, 0.3)
    assert found.trace.solver == "conjugate-gradient"
    np.testing.assert_allclose(found.coefficients, known.coefficients, atol=1e-12)
    monkeypatch.setattr(spill, "_files", lambda size: [])
    without, _ = both(X, y, 0.3)
    assert without.trace.solver == ("qr" if form is np.float32 else "conjugate-gradient")
    np.testing.assert_allclose(without.coefficients, known.coefficients, atol=1e-12)


def test_a_disk_that_is_full_after_all_leaves_the_fit_to_another_way(monkeypatch):
    written, write_at = [], spill._write_at

    def full(*at: Any) -> None:
        written.append(at)
        if len(written) > 2:
            raise OSError(28, "No space left on device")
        write_at(*at)

    monkeypatch.setattr(spill, "_write_at", full)
    X, y = problem(70, 70)
    found, known = both(X.astype(np.float32), y, 0.3)
    assert len(written) > 2
    assert found.trace.solver == "qr"
    np.testing.assert_array_equal(found.coefficients, known.coefficients)


def test_conjugate_gradients_that_do_not_arrive_leave_the_fit_to_the_triangle(monkeypatch):
    monkeypatch.setattr(conditioning, "MOST_PRODUCTS", 1)
    for shape in SHAPES[:2]:
        assert both(*problem(*shape), 0.3)[0].trace.solver == "qr"


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("alpha", [0.0, 0.3])
@pytest.mark.parametrize("nearly", [1.0, 0.1, 1e-4, 0.0])
def test_the_bound_is_never_below_the_distance_to_the_optimum(shape, alpha, nearly):
    X, y = problem(*shape)
    (n, p), rng = shape, np.random.default_rng(4)
    X[:, -1] = X[:, 0] + nearly * X[:, -1]  # not quite what another column is
    weight = rng.uniform(0.1, 3.0, n)
    with memory_source(X, y, weight, n_threads=1).working() as source:
        assert isinstance(source, MemorySource)
        strength = np.full(p, alpha)
        objective = Objective(source, SquaredLoss(), L2(strength / weight.sum()), fit_intercept=True)
        found = preconditioned.preconditioned(objective, 1, strength)
        assert found is not None
        D = np.column_stack([X - source.centre, np.ones(n)])
        H = (D.T * weight) @ D + np.diag(np.append(strength, 0.0))
        for _ in range(20):
            d = rng.normal(size=(p + 1, 1)) * 10.0 ** rng.integers(-6, 1)
            at: Evaluation = objective.evaluate(found.theta + d, order=1)
            assert found.gap(at) >= 0.5 * float((d.T @ H @ d).item()) * (1 - 1e-9)


@pytest.mark.parametrize("alpha", [0.0, 1e-5, 1.0])
def test_few_rows_of_columns_in_many_units_are_met_and_proven(alpha):
    X, y = problem(*SHAPES[1])
    X = X * 10.0 ** np.random.default_rng(6).integers(-5, 6, X.shape[1])
    found, known = both(X, y, alpha)
    assert found.trace.solver == "conjugate-gradient"
    assert 0 <= found.certificate.gap <= 1e-14 * np.var(y)
    np.testing.assert_allclose(project(X, found), project(X, known), atol=1e-5)


def test_a_model_tells_its_rank_and_how_near_it_is():
    X, y = problem(*SHAPES[0])
    model = LinearRegression().fit(X, y[:, 0])
    assert (model.rank_, model.trace_.solver) == (SHAPES[0][1], "conjugate-gradient")
    assert 0 <= model.certificate_.gap < 1e-24
    residual = y[:, 0] - model.predict(X)
    np.testing.assert_allclose(np.column_stack([np.ones(len(X)), X]).T @ residual, 0.0, atol=1e-10)


@pytest.mark.parametrize(("l1", "l2"), [(20.0, 5.0), (0.1, 0.1), (30.0, 0.0), (0.01, 0.0)])
def test_an_l1_part_is_fitted_on_working_sets_as_by_the_triangle(l1, l2):
    X, y = problem(280, 60)
    source, penalty = memory_source(X, y, n_threads=2), ElasticNet(np.full(60, l1), np.full(60, l2))
    found, known = (least_squares(source, 1, penalty, True, with_triangle) for with_triangle in (False, True))
    assert (found.trace.solver, known.trace.solver) == ("proximal-newton", "qr")
    assert found.rank == known.rank
    np.testing.assert_allclose(found.coefficients, known.coefficients, atol=1e-9)
    np.testing.assert_allclose(found.intercepts, known.intercepts, atol=1e-8)


def test_an_l1_part_of_columns_that_all_but_repeat_others_goes_by_the_triangle():
    X, y = problem(280, 30)
    X = np.hstack([X, X + 1e-9 * np.random.default_rng(1).normal(size=X.shape)])
    source, penalty = memory_source(X, y, n_threads=2), ElasticNet(np.full(60, 1e-6), np.full(60, 0.0))
    found, known = (least_squares(source, 1, penalty, True, with_triangle) for with_triangle in (False, True))
    np.testing.assert_allclose(project(X, found), project(X, known), atol=1e-6)


def project(X: np.ndarray, fit: LeastSquares) -> np.ndarray:
    """The fitted values."""
    return X @ fit.coefficients.T + fit.intercepts
