"""Coordinate descent, as Python and as numba compiles it: the loop, the model it minimises, the fits that use it."""

import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from scipy import sparse

from problems import seeds
from separatrix import LinearRegression, LogisticRegression
from separatrix.engine.lasso import coordinates
from separatrix.engine.lasso.coordinates import TIMES, ByCoordinates, compiled, descend
from separatrix.engine.lasso.quadratic_model import minimise_model, squared_subgradient
from separatrix.engine.lasso.working_model import gram
from separatrix.errors import ArgumentError, SeparatrixError

ENOUGH = 1e-10


def model(seed: int, rows: int = 30, p: int = 12, alike: float = 1.0) -> dict[str, Any]:
    """B, t, bend and ridge of a model; w, slope and L1 part to start from. All columns are near the same one where
    `alike` is small."""
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=(rows, 1)) * (1.0 - alike)
    B = sparse.csc_array((shared + alike * rng.normal(size=(rows, p))) * (rng.uniform(size=(rows, p)) < 0.5))
    u = rng.uniform(0.1, 0.5, rows)
    return {
        "B": B,
        "t": B.T @ u / (u @ u),
        "bend": float(u @ u),
        "ridge": rng.uniform(0.0, 0.1, p) + 1e-3,
        "w": rng.normal(size=p) * (rng.uniform(size=p) < 0.5),
        "slope": 3.0 * rng.normal(size=p),
        "l1": rng.uniform(0.1, 2.0, p),
    }


def matrix_of(m: dict[str, Any]) -> np.ndarray:
    return (m["B"].T @ m["B"]).toarray() - m["bend"] * np.outer(m["t"], m["t"]) + np.diag(m["ridge"])


def swept(m: dict[str, Any], loop: Any, goal: float = 0.0) -> np.ndarray:
    """Where one call of the loop leads."""
    B, unit = m["B"], np.diagonal(matrix_of(m)).copy()
    columns = B.data, B.indices.view(np.uint32), B.indptr, B.shape[0], m["t"], m["bend"], m["ridge"]
    return loop(*columns, unit, m["w"], m["slope"], m["l1"], goal)


def fitted(monkeypatch: pytest.MonkeyPatch, asked: str, kind: Any, X: Any, y: np.ndarray, **options: Any) -> Any:
    monkeypatch.setenv("SEPARATRIX_NUMBA", asked)
    return kind(**options).fit(X, y)


def texts(rows: int, p: int, kind: type) -> tuple[Any, np.ndarray]:
    """Rows of few entries, as those of a text, and a target that some of the columns decide."""
    rng = np.random.default_rng(p)
    X = sparse.random_array((rows, p), density=0.03, rng=rng, format="csr")
    eta = 4.0 * (X[:, :40] @ rng.normal(size=40))
    noisy = eta + rng.normal(size=rows)
    return X, noisy if kind is LinearRegression else noisy > 0


@given(seeds)
def test_a_sweep_takes_each_coordinate_in_turn_to_where_the_model_is_least_along_it(seed):
    m = model(seed)
    H, v = matrix_of(m), m["w"].copy()
    for j in range(len(v)):
        aim = v[j] - (m["slope"][j] + H[j] @ (v - m["w"])) / H[j, j]
        v[j] = np.sign(aim) * max(abs(aim) - m["l1"][j] / H[j, j], 0.0)
    np.testing.assert_allclose(swept(m, descend, goal=np.inf), v, atol=1e-9 * (1.0 + np.abs(v).max()))


@given(seeds)
def test_sweeps_end_at_the_minimum_though_coordinates_are_left_out_on_the_way(seed):
    m = model(seed)
    H, w, slope = matrix_of(m), m["w"], m["slope"]
    first = squared_subgradient(w, slope, m["l1"], np.diagonal(H))
    for _ in range(30):
        v = swept({**m, "w": w, "slope": slope}, descend)
        w, slope = v, slope + H @ (v - w)
    assert squared_subgradient(w, slope, m["l1"], np.diagonal(H)) <= 1e-12 * first


def test_machine_code_ends_where_python_does():
    pytest.importorskip("numba")
    for seed in range(20):
        m = model(seed)
        np.testing.assert_allclose(swept(m, compiled(descend)), swept(m, descend), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("alike", [1.0, 1e-3])
def test_a_model_has_one_minimum_whether_signs_are_chosen_by_coordinates_or_not(monkeypatch, alike):
    monkeypatch.setattr(coordinates, "compiled", lambda loop: loop)
    for seed in range(20):
        m = model(seed, alike=alike)
        found = []
        for asked in "01":
            monkeypatch.setenv("SEPARATRIX_NUMBA", asked)
            curvature = gram(m["B"], m["t"], m["bend"], m["ridge"], ENOUGH)
            assert (curvature.signs is not None) == (asked == "1")
            _, decrease = minimise_model(curvature, m["w"], m["slope"], m["l1"], ENOUGH)
            found.append(decrease)
        assert found[1] == pytest.approx(found[0], rel=1e-6, abs=1e-9)


def test_what_sweeps_do_not_find_is_left_to_proximal_steps(monkeypatch):
    monkeypatch.setattr(coordinates, "compiled", lambda loop: loop)
    m = model(0, alike=1e-3)
    calls: list[Any] = []
    signs = ByCoordinates(m["B"], m["t"], m["bend"], m["ridge"], ENOUGH)
    monkeypatch.setattr(signs, "sweep", lambda *arguments: calls.append(arguments) or descend(*arguments))
    curvature = gram(m["B"], m["t"], m["bend"], m["ridge"], ENOUGH)
    v, slope, unit = m["w"], m["slope"], curvature.diagonal
    for _ in range(TIMES + 2):
        before = squared_subgradient(v, slope, m["l1"], unit)
        v, slope, fall = signs(curvature, v, slope, m["l1"], unit)
        assert fall > 0 or before == 0
    assert len(calls) == TIMES


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (LogisticRegression, {"C": 2.0, "l1_ratio": 1.0, "tol": 1e-12}),
        (LogisticRegression, {"C": 5.0, "l1_ratio": 0.5, "tol": 1e-12, "fit_intercept": False}),
        (LogisticRegression, {"C": 5.0, "l1_ratio": 0.9, "tol": 1e-12, "class_weight": "balanced"}),
        (LinearRegression, {"alpha": 0.01, "l1_ratio": 1.0}),
    ],
)
def test_compiled_or_not_a_fit_of_sparse_columns_has_the_same_optimum(monkeypatch, kind, options):
    pytest.importorskip("numba")
    X, y = texts(400, 900, kind)
    plain, by_numba = (fitted(monkeypatch, asked, kind, X, y, **options) for asked in "01")
    assert by_numba.certificate_.gap <= options.get("tol", 1e-8)
    np.testing.assert_allclose(by_numba.coef_, plain.coef_, atol=1e-6 * np.abs(plain.coef_).max())
    assert np.array_equal(by_numba.coef_ != 0, plain.coef_ != 0)
    assert 0 < np.count_nonzero(plain.coef_) < plain.coef_.size


def test_compiled_fits_are_the_same_to_the_last_bit(monkeypatch):
    pytest.importorskip("numba")
    X, y = texts(400, 900, LogisticRegression)
    one, two = (fitted(monkeypatch, "1", LogisticRegression, X, y, l1_ratio=1.0, n_threads=n).coef_ for n in (1, 2))
    assert np.array_equal(one, two)


def test_indices_of_64_bits_are_read_too(monkeypatch):
    pytest.importorskip("numba")
    X, y = texts(400, 900, LogisticRegression)
    long = X.copy()
    long.indices, long.indptr = X.indices.astype(np.int64), X.indptr.astype(np.int64)
    one, two = (fitted(monkeypatch, "1", LogisticRegression, form, y, l1_ratio=1.0).coef_ for form in (X, long))
    np.testing.assert_allclose(one, two, atol=1e-9)


def test_without_numba_it_is_named_with_what_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "numba", None)
    compiled.cache_clear()
    X, y = texts(100, 900, LogisticRegression)
    with pytest.raises(SeparatrixError, match=r"needs the package numba: pip install 'separatrix\[numba\]'"):
        fitted(monkeypatch, "1", LogisticRegression, X, y, l1_ratio=1.0)


@pytest.mark.parametrize("asked", ["", "0", " 0 "])
def test_unless_it_is_asked_for_nothing_is_compiled(monkeypatch, asked):
    monkeypatch.setitem(sys.modules, "numba", None)
    X, y = texts(100, 900, LogisticRegression)
    assert fitted(monkeypatch, asked, LogisticRegression, X, y, l1_ratio=1.0).certificate_.gap <= 1e-8


def test_an_answer_that_is_neither_yes_nor_no_is_quoted(monkeypatch):
    X, y = texts(100, 900, LogisticRegression)
    with pytest.raises(ArgumentError, match=r"\$SEPARATRIX_NUMBA='yes' must be 1, to compile loops by numba, or 0"):
        fitted(monkeypatch, "yes", LogisticRegression, X, y, l1_ratio=1.0)
