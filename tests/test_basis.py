"""QR on disk, panel by panel: the basis it makes; and least squares by it, against the triangle in memory."""

from typing import Any

import mpmath
import numpy as np
import pytest

from separatrix import LinearRegression
from separatrix.data.memory import MemorySource, memory_source
from separatrix.data.streams import spill
from separatrix.engine.linear import choose, preconditioned
from separatrix.engine.linear.answer import LeastSquares
from separatrix.engine.linear.complete import complete
from separatrix.engine.linear.least_squares import least_squares
from separatrix.engine.matrices import basis as bases
from separatrix.engine.matrices.basis import Basis, basis_of
from separatrix.engine.matrices.triangle import ROUNDING
from separatrix.engine.objective import Objective
from separatrix.equations.losses import SquaredLoss
from separatrix.equations.penalties import L2

TALL, WIDE, SQUARE = (150, 60), (60, 150), (80, 80)


@pytest.fixture(autouse=True)
def small_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choose, "FEWEST", 10)
    monkeypatch.setattr(choose, "FEWEST_CELLS", 1)
    monkeypatch.setattr(preconditioned, "SPANNED", 0.0)  # by conjugate gradients a few spanned columns would do
    monkeypatch.setattr(preconditioned, "FEW_UNSEEN", 0)
    monkeypatch.setattr(bases, "SHARE", 0.15)  # panels of about ten columns


def of(A: np.ndarray, tolerance: float = ROUNDING) -> Basis | None:
    """The basis of the columns of A, scaled to unit length."""
    length = np.linalg.norm(A, axis=0)
    A = A / np.where(length > 0, length, 1.0)
    return basis_of(lambda some: np.asfortranarray(A[:, some]), *A.shape, tolerance, None)


def with_spanned(m: int, k: int, spanned: list[int], near: float = 0.0) -> np.ndarray:
    """Normal columns, of which some are made of the four before them, nearly."""
    rng = np.random.default_rng(m)
    A = rng.normal(size=(m, k))
    for j in spanned:
        A[:, j] = A[:, j - 4 : j] @ rng.normal(size=4) + near * rng.normal(size=m)
    return A


@pytest.mark.parametrize("near", [0.0, 1e-9, 1e-12])
@pytest.mark.parametrize("spanned", [[], [6], [9, 10, 11], [*range(10, 22)], [59]], ids=str)
def test_q_is_orthonormal_and_times_r_what_it_was_made_of(spanned, near):
    A = with_spanned(90, 60, spanned, near)
    found = of(A)
    assert found is not None
    assert len(found.places) > 4
    assert found.rank == 60 - (len(spanned) if near == 0.0 else 0)
    assert sorted([*found.kept, *found.spanned]) == list(range(60))
    Q = found.columns(slice(0, found.rank))
    np.testing.assert_allclose(Q.T @ Q, np.eye(found.rank), atol=1e-14)
    kept = A[:, found.kept] / np.linalg.norm(A[:, found.kept], axis=0)
    b = np.random.default_rng(1).normal(size=(found.rank, 2))
    R = Q.T @ kept
    np.testing.assert_allclose(Q @ R, kept, atol=1e-14)
    for root, x in ((R, found.solve(b)), (R.T, found.solve(b, transposed=True))):
        np.testing.assert_allclose(root @ x, b, atol=1e-13 * np.abs(x).max())
    np.testing.assert_allclose(found.times(b), Q @ b, atol=1e-13)


@pytest.mark.parametrize("spanned", [[6], [*range(10, 22)], [8, 25, 26, 27, 59]], ids=str)
def test_along_the_directions_of_spanned_columns_the_others_add_up_to_nothing(spanned):
    A = with_spanned(90, 60, spanned)
    found = of(A)
    assert found is not None
    directions = found.unseen(slice(0, len(spanned)))
    np.testing.assert_array_equal(directions[found.spanned], np.eye(len(spanned)))
    np.testing.assert_allclose((A / np.linalg.norm(A, axis=0)) @ directions, 0.0, atol=1e-13)


def test_the_least_singular_value_is_about_found():
    A = with_spanned(90, 60, [30], near=1e-6)
    found = of(A)
    assert found is not None
    least = np.linalg.svd(A / np.linalg.norm(A, axis=0), compute_uv=False)[-1]
    assert least * (1 - 1e-6) <= found.least() <= 1.5 * least


def test_a_column_that_only_a_difference_of_near_copies_makes_leaves_the_rank_in_doubt():
    A = np.random.default_rng(0).normal(size=(90, 60))
    A[:, 21] = A[:, 20] + 1e-6 * A[:, 22]
    A[:, 40] = (A[:, 21] - A[:, 20]) / 1e-6
    A[:, 22] = A[:, 23]
    assert of(A) is None


def test_a_small_singular_value_that_no_single_column_shows_is_seen():
    k = 60  # of each column the part beyond those before it is large: 1 / sqrt(j)
    A = np.eye(k) - np.triu(np.ones((k, k)), 1)
    assert np.linalg.svd(A / np.linalg.norm(A, axis=0), compute_uv=False)[-1] < 1e-16
    assert of(A) is None


def problem(shape: tuple[int, int], kind: str, targets: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Rows that a Gram matrix in single precision does not tell apart."""
    (n, p), rng = shape, np.random.default_rng(sum(shape))
    X = rng.normal(size=shape) + 3.0 * rng.normal(size=p)
    if kind == "columns in pairs":
        X[:, ::2] = X[:, 1::2]
    elif kind == "dummies":
        X = (rng.random(shape) < 0.5).astype(float)
        X[:, ::2] = 1.0 - X[:, 1::2]
    elif kind == "constants":
        X[:, [3, 30]], X[:, 40:44] = [0.1, 0.0], X[:, :4]
    elif kind == "rows in pairs":
        X[::2] = X[1::2]
    elif kind == "made of others":
        half = p // 2
        X[:, rng.permutation(p)] = np.hstack([X[:, half:], X[:, half:] @ rng.normal(size=(p - half, half))])
    return X, X[:, :4].sum(axis=1)[:, None] + rng.normal(size=(n, targets))


SPANNED = [
    *[
        (kind, shape)
        for kind in ("columns in pairs", "dummies", "constants", "made of others")
        for shape in (TALL, SQUARE)
    ],
    *[("rows in pairs", shape) for shape in ((110, 60), SQUARE, WIDE)],  # with fewer different rows than columns
]


def both(X: Any, y: Any, intercept: bool = True, **beside: Any) -> tuple[LeastSquares, LeastSquares]:
    """The fit, and that by the triangle in memory."""
    source, penalty = memory_source(X, y, centre=intercept, n_threads=2, **beside), L2(np.zeros(X.shape[1]))
    by_triangle = least_squares(source, y.shape[1], penalty, intercept, with_triangle=True)
    return least_squares(source, y.shape[1], penalty, intercept), by_triangle


def assert_the_same(found: LeastSquares, known: LeastSquares, rounding: float = 1e-11) -> None:
    assert "on disk" in found.trace.why
    assert (found.rank, found.triangle.size) == (known.rank, 0)
    size = np.abs(known.coefficients).max()
    np.testing.assert_allclose(found.coefficients, known.coefficients, atol=rounding * size, rtol=0)
    np.testing.assert_allclose(found.intercepts, known.intercepts, atol=rounding * size * 10)


@pytest.mark.parametrize(("kind", "shape"), SPANNED, ids=str)
@pytest.mark.parametrize("intercept", [True, False])
def test_the_shortest_fit_is_that_of_the_triangle(kind, shape, intercept):
    found, known = both(*problem(shape, kind), intercept)
    assert found.certificate.gap < 1e-20
    assert_the_same(found, known)
    norms = [float(np.linalg.norm(fit.coefficients)) for fit in (found, known)]
    assert norms[0] == pytest.approx(norms[1], rel=1e-12)


@pytest.mark.parametrize(("kind", "shape"), [("columns in pairs", TALL), ("rows in pairs", WIDE)], ids=str)
@pytest.mark.parametrize("form", [np.float32, np.int16, np.asfortranarray, "far"])
def test_with_weights_an_offset_and_several_targets_of_any_type_and_order(kind, shape, form):
    X, y = problem(shape, kind, targets=3)
    X = X + 1e7 if form == "far" else (100 * X).astype(form) if isinstance(form, type) else form(X)
    rng = np.random.default_rng(1)
    weight = rng.uniform(0.1, 3.0, len(y))
    weight[:6] = 0.0
    found, known = both(X, y, weight=weight, offset=rng.normal(size=y.shape))
    assert_the_same(found, known, 1e-10)


@pytest.mark.parametrize(("kind", "shape"), [("columns in pairs", TALL), ("rows in pairs", WIDE)], ids=str)
def test_units_of_columns_do_not_matter(kind, shape):
    X, y = problem(shape, kind)
    X = X * 10.0 ** np.random.default_rng(2).integers(-4, 5, shape[1])
    found, known = both(X, y)
    assert found.rank == known.rank
    assert found.certificate.gap <= known.certificate.gap + 1e-24
    np.testing.assert_allclose(project(X, found), project(X, known), atol=1e-6)
    assert np.linalg.norm(found.coefficients) == pytest.approx(np.linalg.norm(known.coefficients), rel=1e-6)


def project(X: np.ndarray, fit: LeastSquares) -> np.ndarray:
    """The fitted values."""
    return X @ fit.coefficients.T + fit.intercepts


@pytest.mark.parametrize("near", [1e-8, 1e-10, 1e-11])
def test_columns_that_repeat_others_but_for_the_last_digits_have_all_digits_that_there_are(near):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(30, 12))
    X[:, 6:] = X[:, :6] + near * rng.normal(size=(30, 6))
    y = rng.normal(size=(30, 1))
    with memory_source(X, y, n_threads=1).working() as source:
        objective = Objective(source, SquaredLoss(), L2(np.zeros(12)), fit_intercept=True)
        found = complete(objective)
        assert found is not None
        gap = found.gap(objective.evaluate(found.theta, order=1)) / 30
    with mpmath.workdps(60):
        D = mpmath.matrix(np.column_stack([X, np.ones(30)]).tolist())
        known = mpmath.lu_solve(D.T * D, D.T * mpmath.matrix(y.tolist()))
        above = [mpmath.matrix(theta) for theta in (found.theta.tolist(), known)]
        losses = [mpmath.norm(mpmath.matrix(y.tolist()) - D * theta) ** 2 / 60 for theta in above]
        true = float(losses[0] - losses[1])
    size = np.abs(found.theta[:12]).max()
    np.testing.assert_allclose(
        found.theta[:12, 0], [float(w) for w in known[:12]], atol=max(1e-12, 1e-24 / near**2) * size
    )
    assert 0 <= true <= gap * (1 + 1e-3) + 1e-30


@pytest.mark.parametrize(("kind", "shape"), [("columns in pairs", TALL), ("rows in pairs", WIDE), ("dummies", SQUARE)])
def test_the_bound_is_the_distance_to_the_optimum(kind, shape):
    X, y = problem(shape, kind)
    (n, p), rng = shape, np.random.default_rng(4)
    weight = rng.uniform(0.1, 3.0, n)
    with memory_source(X, y, weight, n_threads=1).working() as source:
        assert isinstance(source, MemorySource)
        objective = Objective(source, SquaredLoss(), L2(np.zeros(p)), fit_intercept=True)
        found = complete(objective)
        assert found is not None
        D = np.column_stack([X - source.centre, np.ones(n)])
        H = (D.T * weight) @ D
        for _ in range(20):
            d = rng.normal(size=(p + 1, 1)) * 10.0 ** rng.integers(-4, 1)
            at = objective.evaluate(found.theta + d, order=1)
            assert found.gap(at) == pytest.approx(0.5 * float((d.T @ H @ d).item()), rel=1e-8)


@pytest.mark.parametrize(("kind", "shape"), [("columns in pairs", TALL), ("rows in pairs", WIDE)], ids=str)
@pytest.mark.parametrize("writes", [0, 3, 20])
def test_without_room_on_the_disk_the_triangle_is_in_memory(kind, shape, writes, monkeypatch):
    written, write_at = [], spill._write_at

    def full(*at: Any) -> None:
        written.append(at)
        if len(written) > writes:
            raise OSError(28, "No space left on device")
        write_at(*at)

    if writes:
        monkeypatch.setattr(spill, "_write_at", full)
    else:
        monkeypatch.setattr(spill, "_files", lambda size: [])
    found, known = both(*problem(shape, kind))
    assert "on disk" not in found.trace.why
    assert bool(written) == bool(writes)
    np.testing.assert_array_equal(found.coefficients, known.coefficients)


def test_a_triangle_that_is_little_beside_x_stays_in_memory():
    X, y = problem((4_000, 60), "columns in pairs")
    found, known = both(X, y)
    assert "on disk" not in found.trace.why
    np.testing.assert_array_equal(found.coefficients, known.coefficients)


def test_a_model_of_spanned_columns_predicts_and_tells_its_rank():
    X, y = problem(TALL, "dummies")
    model = LinearRegression().fit(X, y[:, 0])
    assert (model.rank_, model.trace_.solver) == (30, "qr")
    residual = y[:, 0] - model.predict(X)
    np.testing.assert_allclose(np.column_stack([np.ones(len(X)), X]).T @ residual, 0.0, atol=1e-11)


def test_a_record_of_arrays_without_numbers_is_kept_too():
    with spill.spill(100) as kept:
        kept.write(0, [np.arange(3), np.empty((0, 4))])
        kept.write(4, [np.empty((5, 0))])
        with kept.read(0) as arrays:
            assert [each is not None and each.shape for each in arrays] == [(3,), (0, 4)]
        with kept.read(4) as arrays:
            assert arrays[0] is not None
            assert arrays[0].shape == (5, 0)


@pytest.mark.parametrize("rows", [2, 20])
@pytest.mark.parametrize("intercept", [True, False])
def test_of_rows_that_are_all_alike_the_mean_of_y_is_the_fit(rows, intercept):
    x, y = np.random.default_rng(0).normal(size=600), np.arange(float(rows))
    model = LinearRegression(fit_intercept=intercept).fit(np.tile(x, (rows, 1)), y)
    np.testing.assert_allclose(model.predict(x[None, :]), y.mean(), rtol=1e-12)
    np.testing.assert_allclose(model.coef_, 0.0 if intercept else x * y.mean() / (x @ x), atol=1e-12)
