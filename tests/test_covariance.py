"""Robust covariances of several classes: by their formulas, by what they promise, and against the jackknife."""

import numpy as np
import pytest
from scipy.linalg import fractional_matrix_power

from separatrix import logit
from separatrix.inference.covariance import inflated


def made(n: int = 90, skew: float = 1.5) -> tuple[np.ndarray, np.ndarray]:
    """Three classes by two columns, the second skew, so that some rows have a leverage worth the name."""
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(size=n), rng.exponential(size=n) ** skew])
    eta = np.column_stack([np.zeros(n), X @ [1.0, 0.3], 0.4 + X @ [-0.5, 0.2]])
    return (eta + rng.gumbel(size=eta.shape)).argmax(axis=1), X


def by_hand(y: np.ndarray, X: np.ndarray, power: float) -> np.ndarray:
    """The covariance class by class, each row's score multiplied by a matrix power of I - A M."""
    fit = logit(y, X)
    bread, design, total = fit.cov_params(), np.column_stack([np.ones(len(X)), X]), 0.0
    for x, p, c in zip(design, fit.fittedvalues[:, 1:], y, strict=True):
        A, wide = np.diag(p) - np.outer(p, p), np.kron(np.eye(2), x)
        g = fractional_matrix_power(np.eye(2) - A @ wide @ bread @ wide.T, -power) @ (p - (np.arange(1, 3) == c))
        total = total + np.outer(wide.T @ g, wide.T @ g)
    return bread @ total @ bread


@pytest.mark.parametrize(("kind", "power"), [("HC0", 0.0), ("HC2", 0.5), ("HC3", 1.0)])
def test_robust_covariances_of_three_classes_are_their_formulas(kind, power):
    y, X = made()
    found = logit(y, X, covariance=kind).cov_params()
    np.testing.assert_allclose(found, by_hand(y, X, power), rtol=1e-8, atol=1e-12)


def jackknife(y: np.ndarray, X: np.ndarray) -> np.ndarray:
    """Standard errors from how far the estimates move when a row is left out, class by class."""
    found = [logit(np.delete(y, i), np.delete(X, i, axis=0)).params for i in range(len(y))]
    return np.sqrt(np.square(found - logit(y, X).params).sum(axis=0))


def test_hc3_of_three_classes_is_nearer_to_the_jackknife_than_hc2_and_that_than_hc0():
    y, X = made(100, skew=1.0)
    known, fit = jackknife(y, X), logit(y, X)
    apart = [np.abs(fit.with_covariance(kind).bse / known - 1).max() for kind in ("HC0", "HC2", "HC3")]
    assert 0.12 > apart[0] > apart[1] > apart[2]


def test_hc3_of_three_classes_is_one_newton_step_from_all_rows_to_all_but_one():
    y, X = made()
    fit = logit(y, X)
    design, P = np.column_stack([np.ones(len(X)), X]), fit.fittedvalues[:, 1:]
    wide = [np.kron(np.eye(2), x) for x in design]
    terms = [W.T @ (np.diag(p) - np.outer(p, p)) @ W for W, p in zip(wide, P, strict=True)]
    pulls = [W.T @ (p - (np.arange(1, 3) == c)) for W, p, c in zip(wide, P, y, strict=True)]
    steps = np.array([np.linalg.solve(sum(terms) - t, g) for t, g in zip(terms, pulls, strict=True)])
    np.testing.assert_allclose(fit.with_covariance("HC3").cov_params(), steps.T @ steps, rtol=1e-6, atol=1e-9)


def test_the_scores_of_hc2_have_the_variance_of_the_model_again():
    # Of y - p with p fitted it is (I - h) A about, and f(h) (I - h) A f(h)' = A.
    rng = np.random.default_rng(1)
    for p in rng.dirichlet(np.ones(4), 20)[:, 1:]:
        A, root = np.diag(p) - np.outer(p, p), rng.normal(size=(3, 3)) / 3
        M = root @ root.T
        columns = np.linalg.cholesky((np.eye(3) - A @ M) @ A)
        f = inflated(columns.T, np.stack([A] * 3), np.stack([M] * 3), 0.5).T
        np.testing.assert_allclose(f @ f.T, A, atol=1e-12)


def test_a_class_without_chance_leaves_the_others_as_they_are():
    A, M = np.array([[[0.2, 0.0], [0.0, 0.0]]]), np.array([[[1.0, 0.4], [0.4, 2.0]]])
    for power in (0.5, 1.0):
        found = inflated(np.array([[0.3, 0.0]]), A, M, power)
        np.testing.assert_allclose(found, [[0.3 / 0.8**power, 0.0]], atol=1e-15)


def test_frequencies_and_two_codings_of_two_classes_change_no_robust_error():
    y, X = made(60)
    times = np.random.default_rng(2).integers(1, 4, 60)
    for kind in ("HC2", "HC3"):
        weighted = logit(y, X, weights=times, covariance=kind).bse
        repeated = logit(np.repeat(y, times), np.repeat(X, times, axis=0), covariance=kind).bse
        np.testing.assert_allclose(weighted, repeated, rtol=1e-8)


@pytest.mark.parametrize("covariance", ["nonrobust", "HC0", "HC1", "HC2", "HC3", "cluster"])
def test_errors_of_columns_that_nearly_depend_on_each_other_keep_their_digits(covariance):
    random, near = np.random.default_rng(0), 2.0**-14
    u, w, x = random.standard_normal((3, 600))
    y = random.random(600) < 1 / (1 + np.exp(-u - w + 0.3 * x))
    groups = np.arange(600) // 20 if covariance == "cluster" else None
    one = logit(y, np.column_stack([x, u, u + near * w]), covariance=covariance, groups=groups)
    other = logit(y, np.column_stack([x, u, w]), covariance=covariance, groups=groups)
    np.testing.assert_allclose(np.asarray(one.bse)[3] * near, np.asarray(other.bse)[3], rtol=1e-8)
    np.testing.assert_allclose(np.asarray(one.bse)[:2], np.asarray(other.bse)[:2], rtol=1e-8)
