"""The same answer everywhere: whatever the solver, the form of X, the labels, the order, blocks, threads, process."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joblib import Parallel, delayed
from scipy import sparse
from sklearn.datasets import load_breast_cancer, load_iris, load_wine

from problems import Problem, assert_same_fit, make_problem, problems, seeds, solve
from seldom import seldom
from separatrix import LinearRegression, LogisticRegression
from separatrix.data import memory
from separatrix.engine.choose import SOLVERS, SYNONYMS

few = settings(max_examples=25)
EXACT = 2e-14  # a gap about as small as can be proved, of a mean loss of 3, too
SAME = 1e-7
KINDS = ["binary", "multinomial", "ovr"]


def same(solver: str) -> float:
    """How near the coefficients are: the gap, which gradient descent brings to EXACT, is of second order in them, and
    with a penalty of 0.1 each fit may be sqrt(2 EXACT / 0.1) off, 6e-7."""
    return 1e-6 if solver == "gradient-descent" else SAME


def exactly(problem: Problem, solver: str = "auto") -> Any:
    return solve(problem, solver, tol=EXACT, max_iter=5000)


def wide_indices(X: np.ndarray) -> Any:
    """CSR with indices of 64 bits, as more than 2^31 entries need them."""
    thin = sparse.csr_array(X)
    thin.indices, thin.indptr = thin.indices.astype(np.int64), thin.indptr.astype(np.int64)
    return thin


def read_only(X: np.ndarray) -> np.ndarray:
    X = X.copy()
    X.flags.writeable = False
    return X


FORMS = {
    "row by row": np.ascontiguousarray,
    "column by column": np.asfortranarray,
    "every second row": lambda X: np.repeat(X, 2, axis=0)[::2],
    "every second column": lambda X: np.repeat(X, 2, axis=1)[:, ::2],
    "backwards": lambda X: X[::-1, ::-1].copy()[::-1, ::-1],
    "read-only": read_only,
    "single precision": lambda X: X.astype(np.float32),
    "single precision, column by column": lambda X: np.asfortranarray(X, dtype=np.float32),
    "CSR": sparse.csr_array,
    "CSR matrix": sparse.csr_matrix,
    "CSC": sparse.csc_array,
    "COO": sparse.coo_array,
    "CSR in single precision": lambda X: sparse.csr_array(X, dtype=np.float32),
    "CSR of 64-bit indices": wide_indices,
}


@pytest.mark.parametrize("K", [2, 3])
@pytest.mark.parametrize("name", [*SOLVERS, *SYNONYMS])
def test_every_solver_reaches_the_same_optimum(name, K):
    problem = make_problem(K, K=K, strength=0.05, offset=True)
    other = exactly(problem, name)
    assert_same_fit(other, exactly(problem), SAME)
    assert other.certificate.gap <= EXACT


@pytest.mark.parametrize("K", [2, 3])
@pytest.mark.parametrize("name", ["proximal-newton", "lbfgs", "liblinear", "sag", "saga"])
def test_every_name_that_takes_an_l1_penalty_reaches_the_same_optimum(name, K):
    problem = replace(make_problem(K, K=K, strength=0.05, offset=True), l1_ratio=0.5)
    assert_same_fit(solve(problem, name), solve(problem), SAME)


@pytest.mark.parametrize("K", [2, 4])
@pytest.mark.parametrize("name", SOLVERS)
def test_every_solver_reaches_the_same_optimum_of_fewer_rows_than_coefficients(name, K):
    rng = np.random.default_rng(K)
    y = np.append(np.arange(K), rng.integers(K, size=12 - K) // 2)  # classes of different sizes
    problem = Problem(rng.normal(size=(12, 9)), y, np.ones(12), K, np.full(9, 0.1))
    assert_same_fit(exactly(problem, name), exactly(problem), same(name))


@few
@given(problems(), st.sampled_from(sorted(SOLVERS)), st.sampled_from(sorted(FORMS)))
def test_every_form_of_X_has_the_same_optimum(problem, solver, form):
    problem = replace(problem, strength=problem.strength + 0.1)
    assert_same_fit(exactly(replace(problem, X=FORMS[form](problem.X)), solver), exactly(problem), same(solver))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", KINDS)
def test_an_estimator_takes_every_form_of_X(kind, form):
    X, y = load_iris(return_X_y=True)
    X, y, multi_class = np.round(X * 8) / 8, y == 0 if kind == "binary" else y, "ovr" if kind == "ovr" else "auto"
    plain, other = (LogisticRegression(multi_class=multi_class, tol=1e-13).fit(Z, y) for Z in (X, FORMS[form](X)))
    np.testing.assert_allclose(other.coef_, plain.coef_, atol=SAME)
    np.testing.assert_allclose(other.predict_proba(FORMS[form](X)), plain.predict_proba(X), atol=SAME)
    numbers = X[:, 0] + X[:, 1]
    lines = [LinearRegression(alpha=0.1).fit(Z, numbers).coef_ for Z in (X, FORMS[form](X))]
    np.testing.assert_allclose(*lines, atol=SAME)


@few
@given(problems(), st.sampled_from(sorted(SOLVERS)), seeds)
def test_the_order_of_the_rows_does_not_matter(problem, solver, seed):
    problem = replace(problem, strength=problem.strength + 0.1)
    order = np.random.default_rng(seed).permutation(len(problem.y))
    assert_same_fit(exactly(problem.rows(order), solver), exactly(problem), same(solver))


@pytest.mark.parametrize("rows", [7, *seldom(1, 64)])
@pytest.mark.parametrize("form", ["row by row", "CSR"])
@pytest.mark.parametrize("solver", sorted(SOLVERS))
def test_the_split_into_blocks_and_chunks_does_not_matter(solver, form, rows, monkeypatch):
    problem = make_problem(4, K=3, points=100, strength=0.1, offset=True)
    problem = replace(problem, X=FORMS[form](problem.X))
    whole = exactly(problem, solver)
    for name, value in {"CELLS": 3 * rows, "SPARSE_ROWS": rows, "FEW_CELLS": 100, "FEW_NON_ZEROS": 100}.items():
        monkeypatch.setattr(memory, name, value)
    assert_same_fit(exactly(problem, solver), whole, same(solver))


@few
@given(problems(), st.sampled_from(sorted(SOLVERS)), seeds)
def test_a_weight_of_k_is_k_copies_of_the_row(problem, solver, seed):
    problem = replace(problem, strength=problem.strength + 0.1)
    copies = np.random.default_rng(seed).integers(1, 4, len(problem.y))
    repeated = replace(problem, weight=np.ones(len(problem.y))).rows(np.repeat(np.arange(len(copies)), copies))
    assert_same_fit(exactly(replace(problem, weight=copies * 1.0), solver), exactly(repeated), same(solver))


@few
@given(problems(), st.sampled_from(sorted(SOLVERS)))
def test_rows_of_weight_zero_are_as_if_absent(problem, solver):
    dead = np.arange(len(problem.y)) % 5 == 0
    present = replace(problem, weight=np.where(dead, 0.0, problem.weight), strength=problem.strength + 0.1)
    wild = np.where(dead[:, None], 1e6, present.X)
    assert_same_fit(exactly(replace(present, X=wild), solver), exactly(present.rows(~dead), solver), tol=1e-12)


@few
@given(problems())
def test_multiplying_all_weights_changes_nothing(problem):
    assert_same_fit(solve(replace(problem, weight=problem.weight * 1e6)), solve(problem))


@pytest.mark.parametrize("size", [1e-60, 1e60])
@pytest.mark.parametrize("how", [{}, {"solver": "quasi-newton"}, {"solver": "newton-cg"}])
def test_weights_may_be_of_any_size(how, size):
    """Single precision, in which curvatures are made, has no such numbers."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(600, 150)), rng.integers(0, 3, 600)
    found = LogisticRegression(C=1.0 / size, **how).fit(X, y, sample_weight=np.full(600, size))
    np.testing.assert_allclose(found.coef_, LogisticRegression(**how).fit(X, y).coef_, atol=1e-9)


@pytest.mark.parametrize("unit", [1e-25, 1e25])
@pytest.mark.parametrize("how", [{"solver": "quasi-newton"}, {"solver": "newton-cg"}])
def test_columns_may_be_in_any_unit(how, unit):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(300, 30)), rng.integers(0, 2, 300)
    found = LogisticRegression(C=unit**-2, **how).fit(X * unit, y)
    np.testing.assert_allclose(found.coef_ * unit, LogisticRegression(**how).fit(X, y).coef_, atol=1e-9)


@few
@given(problems(penalised=False), st.lists(st.integers(-8, 8), min_size=4, max_size=4))
def test_the_units_of_a_column_only_divide_its_coefficient(problem, powers):
    factors = 10.0 ** np.array(powers[: problem.X.shape[1]])
    scaled, plain = solve(replace(problem, X=problem.X * factors)), solve(problem)
    assert_same_fit(replace(scaled, coefficients=scaled.coefficients * factors), plain)


@few
@given(problems())
def test_a_penalty_in_the_units_of_the_column_scales_with_it(problem):
    factors = 10.0 ** (3 * np.arange(problem.X.shape[1]) - 3)
    rescaled = replace(problem, X=problem.X * factors, strength=problem.strength * factors**2)
    scaled = solve(rescaled)
    assert_same_fit(replace(scaled, coefficients=scaled.coefficients * factors), solve(problem))


@few
@given(problems())
def test_columns_moved_a_billion_away_keep_their_slopes(problem):
    problem = replace(problem, fit_intercept=True)
    far, near = solve(replace(problem, X=problem.X + 1e9), tol=1e-11), solve(problem)
    np.testing.assert_allclose(far.coefficients, near.coefficients, atol=1e-8 * (1 + np.abs(near.coefficients).max()))
    assert far.certificate.gap <= 1e-10  # the intercept, of 1e9, is rounded


@few
@given(problems())
def test_the_order_of_the_classes_does_not_matter(problem):
    offset = problem.offset
    if offset is not None:
        offset = -offset if problem.K == 2 else offset[:, ::-1]
    renamed = solve(replace(problem, y=problem.K - 1 - problem.y, offset=offset))
    plain = solve(problem)
    if problem.K == 2:
        plain = replace(plain, coefficients=-plain.coefficients, intercepts=-plain.intercepts)
    assert_same_fit(
        replace(renamed, coefficients=renamed.coefficients[::-1], intercepts=renamed.intercepts[::-1]), plain
    )


def test_labels_may_be_called_anything_in_any_order():
    X, y = load_iris(return_X_y=True)
    plain = LogisticRegression().fit(X, y)
    names = np.array(["violet", "blue", "iris"])  # sorted: blue, iris, violet
    named = LogisticRegression().fit(X, names[y])
    np.testing.assert_array_equal(named.classes_, sorted(names))
    np.testing.assert_allclose(named.coef_, plain.coef_[[1, 2, 0]], atol=1e-9)
    np.testing.assert_array_equal(named.predict(X), names[plain.predict(X)])


@pytest.mark.parametrize("kind", KINDS)
def test_labels_of_any_type_have_the_same_bits(kind):
    X, y = load_wine(return_X_y=True)
    y, multi_class = (y == 0).astype(int) if kind == "binary" else y, "ovr" if kind == "ovr" else "auto"
    codings = [
        y,
        y.astype(float),
        y.astype(np.uint8),
        y * 1000 - 7,
        np.array(["a", "b", "c"])[y],
        ["xyz"[k] for k in y],
    ]
    codings += [y.astype(bool)] if kind == "binary" else [np.array(["a", "b", "c"], dtype=object)[y]]
    fits = [LogisticRegression(multi_class=multi_class, max_iter=1000).fit(X, labels) for labels in codings]
    assert len({bits(fit) for fit in fits}) == 1


@pytest.mark.parametrize("kind", ["binary", "multinomial", *seldom("ovr")])
def test_fits_repeat_bit_for_bit_on_any_number_of_threads(kind):
    X, y, multi_class = many_rows(kind)
    fits = [LogisticRegression(multi_class=multi_class, n_threads=n).fit(X, y) for n in (1, 2, 3)]
    assert len({bits(fit) for fit in fits}) == 1


@pytest.mark.parametrize("kind", ["binary", *seldom("multinomial")])
def test_sparse_fits_repeat_bit_for_bit_on_any_number_of_threads(kind, monkeypatch):
    monkeypatch.setattr(memory, "FEW_NON_ZEROS", 1000)
    X, y, _ = many_rows(kind)
    X = sparse.csr_array(np.where(np.abs(X) > 1.0, X, 0.0))
    fits = [LogisticRegression(solver="conjugate-gradient", n_threads=n).fit(X, y) for n in (1, 2, 3)]
    assert len({bits(fit) for fit in fits}) == 1


@pytest.mark.parametrize("l1_ratio", [0.0, *seldom(0.5)])
def test_the_draw_of_the_sample_moves_no_optimum(l1_ratio):
    X, y, _ = many_rows("multinomial")
    fits = [LogisticRegression(C=1e-3, l1_ratio=l1_ratio, tol=1e-13, random_state=seed).fit(X, y) for seed in (0, 1)]
    np.testing.assert_allclose(fits[0].coef_, fits[1].coef_, atol=SAME)


def many_rows(kind: str) -> tuple[np.ndarray, np.ndarray, str]:
    """So many rows that there are many blocks and a start on a sample: X, labels, and what multi_class must be."""
    rng = np.random.default_rng(1)
    X = rng.normal(size=(memory.CELLS // 2, 4))
    scores = X @ rng.normal(size=(4, 3)) + rng.gumbel(size=(len(X), 3))
    y = scores.argmax(axis=1)
    return X, y == 0 if kind == "binary" else y, "ovr" if kind == "ovr" else "multinomial"


def bits(model: Any) -> bytes:
    return model.coef_.tobytes() + model.intercept_.tobytes()


def fitted_bits(X: np.ndarray, y: np.ndarray) -> bytes:
    return bits(LogisticRegression(n_threads=2).fit(X, y))


@pytest.mark.parametrize("backend", [*seldom("loky"), "threading"])
def test_fits_under_joblib_have_the_bits_of_one_alone(backend):
    X, y, _ = many_rows("binary")
    jobs = (delayed(fitted_bits)(X, y) for _ in range(4))
    assert set(Parallel(n_jobs=2, backend=backend, timeout=120)(jobs)) == {fitted_bits(X, y)}


def test_fits_on_threads_of_our_own_have_the_bits_of_one_alone():
    X, y, _ = many_rows("binary")
    with ThreadPoolExecutor(3) as pool:
        assert set(pool.map(fitted_bits, [X] * 6, [y] * 6)) == {fitted_bits(X, y)}


FORK = """
import os, sys, threading
sys.path.insert(0, "tests")
from test_same_answer import fitted_bits, many_rows
X, y, _ = many_rows("binary")
alone = fitted_bits(X, y)
beside = threading.Thread(target=lambda: [fitted_bits(X, y) for _ in range(3)])
beside.start()
for _ in range(3):
    if (child := os.fork()) == 0:
        os._exit(fitted_bits(X, y) != alone)
    assert os.waitpid(child, 0)[1] == 0
beside.join()
assert fitted_bits(X, y) == alone
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="fork is safe on Linux alone")
def test_a_forked_process_fits_the_same_bits_even_while_its_parent_is_fitting():
    subprocess.run([sys.executable, "-W", "ignore", "-c", FORK], check=True, timeout=120)


@pytest.mark.parametrize("load", [load_breast_cancer, load_iris, load_wine])
def test_solvers_agree_on_coefficients_as_their_page_says(load):
    X, y = load(return_X_y=True)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    best = LogisticRegression(tol=1e-15).fit(X, y).coef_

    def off(solver: str, tol: float) -> float:
        coefficients = LogisticRegression(solver=solver, tol=tol, max_iter=100_000).fit(X, y).coef_
        return float(np.abs(coefficients - best).max() / np.abs(best).max())

    for solver in ("newton", "quasi-newton", "proximal-newton", "conjugate-gradient", "gradient-descent"):
        slow = solver == "gradient-descent"
        assert off(solver, 1e-8) <= (1e-3 if slow else 1e-7)
        assert off(solver, 1e-14) <= (1e-5 if slow else 1e-9)
