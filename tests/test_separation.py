"""Separation: the findings against exact enumeration, the literature's sets, and what must not matter."""

import re
import warnings
from itertools import combinations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.linalg import qr
from sklearn.datasets import load_breast_cancer, load_iris

import separatrix
from seldom import seldom
from separatrix import LogisticRegression, detect_separation
from separatrix.errors import ArgumentError, ConvergenceWarning, DataError, SeparationWarning, TargetError
from separatrix.inference import doubt, recession

few = settings(max_examples=30)


def small_sets(classes: int):
    """Integers from a small range, so that rows touch, coincide and line up; of full rank, or not."""
    cells = st.integers(-2, 2)
    rows = st.lists(st.tuples(cells, cells, st.integers(0, classes - 1)), min_size=3, max_size=9)
    return rows.map(np.array).filter(lambda rows: len(np.unique(rows[:, 2])) == classes)


def pair_rows(X: np.ndarray, y: np.ndarray, K: int) -> np.ndarray:
    """The derivatives of all margins in the coefficients of classes 1 .. K - 1, intercepts last: integers."""
    design, rows = np.column_stack([X, np.ones(len(X), int)]), []
    for x, own in zip(design, y, strict=True):
        for k in set(range(K)) - {own}:
            sign = (np.arange(1, K) == own) * 1 - (np.arange(1, K) == k)
            rows.append(np.outer(sign, x).ravel())
    return np.unique(rows, axis=0)


def extreme_rays(Z: np.ndarray) -> np.ndarray:
    """Every extreme ray of {d : Z d >= 0}, Z of full column rank, by trying all sets of tight rows; in integers."""
    n, rays = Z.shape[1], []
    for some in combinations(Z, n - 1):
        d = np.array([(-1) ** j * round(np.linalg.det(np.delete(some, j, axis=1))) for j in range(n)])
        rays += [ray for ray in (d, -d) if d.any() and np.all(Z @ ray >= 0)]
    return np.array(rays).reshape(-1, n)


def assert_as_enumerated(found, Z, signs):
    """Kind and infinite estimates, and their signs where all rays agree."""
    rays = extreme_rays(Z)
    total = rays.sum(axis=0)
    kind = "none" if not len(rays) else "complete" if np.all(Z @ total > 0) else "quasi"
    assert found.kind == kind
    np.testing.assert_array_equal(signs != 0, rays.any(axis=0))
    for j in np.flatnonzero(signs):
        seen = set(np.sign(rays[:, j])) - {0}
        assert np.sign(signs[j]) in seen, (j, seen, found)


@given(small_sets(2))
@few
def test_two_classes_agree_with_the_enumeration_of_all_extreme_rays(rows):
    X, y = rows[:, :2], rows[:, 2]
    Z = pair_rows(X, y, 2)
    if np.linalg.matrix_rank(Z) == 3:
        found = detect_separation(X, y)
        assert_as_enumerated(found, Z, np.append(found.infinite, found.infinite_intercept))


@given(small_sets(3))
@example(np.array([(1, 0, 0), (1, 0, 2), (-1, 0, 1)]))  # the margins pull an intercept to both sides alike
@few
def test_three_classes_agree_with_the_enumeration_of_all_extreme_rays(rows):
    X, y = rows[:, :1], rows[:, 2]
    Z = pair_rows(X, y, 3)
    if np.linalg.matrix_rank(Z) == 4:
        found = detect_separation(X, y)
        assert not found.infinite[0].any()
        signs = np.column_stack([found.infinite[1:], found.infinite_intercept[1:]]).ravel()
        assert_as_enumerated(found, Z, signs)


@given(small_sets(2), st.integers(0, 10**6))
@few
def test_units_order_copies_weights_and_storage_of_the_rows_do_not_matter(rows, seed):
    rng = np.random.default_rng(seed)
    X, y = rows[:, :2] * 1.0, rows[:, 2]
    plain = detect_separation(X, y)
    order, units = rng.permutation(len(y)), 10.0 ** rng.integers(-8, 8, 2)
    again = detect_separation(X[order] * units, y[order])
    copies = detect_separation(np.repeat(X, 2, axis=0), np.repeat(y, 2), sample_weight=rng.uniform(0.1, 9, 2 * len(y)))
    dead = detect_separation(np.vstack([X, -X]), np.append(y, y), sample_weight=np.repeat([1.0, 0.0], len(y)))
    zeros = detect_separation(sparse.csr_array(X), y)
    for other in (again, copies, dead, zeros):
        assert other.kind == plain.kind
        np.testing.assert_array_equal(other.infinite != 0, plain.infinite != 0)
        assert (other.infinite_intercept != 0) == (plain.infinite_intercept != 0)


@given(small_sets(2))
@few
def test_along_the_direction_no_row_loses_and_with_no_separation_there_is_none(rows):
    X, y = rows[:, :2], rows[:, 2]
    found = detect_separation(X, y)
    margins = (2 * y - 1) * (X @ found.direction + found.direction_intercept)
    assert margins.min() >= -1e-12
    assert (margins.max() > 1e-9) == bool(found)
    assert (margins.min() > 1e-9) == (found.kind == "complete")


@pytest.mark.parametrize("gap", [1e-6, 1e-9])
def test_a_hair_between_the_classes_is_told_from_a_hair_of_overlap(gap):
    X = np.array([[-1.0], [0.0], [gap], [1.0]])
    assert detect_separation(X, [0, 0, 1, 1]).kind == "complete"
    assert detect_separation(X, [0, 1, 0, 1]).kind == "none"
    assert detect_separation(X + 1e6, [0, 1, 0, 1]).kind == "none"


def test_columns_far_from_zero_are_no_obstacle():
    X, y = load_iris(return_X_y=True)
    near, far = detect_separation(X[:, :2], y == 0), detect_separation(X[:, :2] + [0.0, 2.0**30], y == 0)
    assert near.kind == far.kind == "complete"
    assert detect_separation(X + 2.0**30, y == 1).kind == "none"


@pytest.fixture(scope="module")
def iris() -> tuple[pd.DataFrame, np.ndarray]:
    X, y = load_iris(return_X_y=True, as_frame=True)
    X.columns = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
    return X, load_iris().target_names[y]


def test_one_column_that_separates_is_named_with_its_threshold(iris):
    X, y = iris
    found = detect_separation(X[["petal_width"]], np.where(y == "setosa", "setosa", "other"))
    text = "complete separation: every row with petal_width < 0.8 is of class 'setosa', and no other row is"
    assert str(found).startswith(f"{text} (50 rows against 100)")
    assert "petal_width -inf" in str(found)


def test_two_columns_that_separate_together_are_named_as_their_combination(iris):
    X, y = iris
    found = detect_separation(X[["sepal_length", "sepal_width"]], y == "setosa")
    assert found.kind == "complete"
    assert [np.inf * sign for sign in (-1, 1)] == found.infinite.tolist()
    words = str(found)
    assert "sepal_length" in words
    assert "sepal_width" in words
    assert "is of class True, and no other row is (50 rows against 100)" in words
    eta = X[["sepal_length", "sepal_width"]] @ found.direction + found.direction_intercept
    np.testing.assert_array_equal(eta > 0, y == "setosa")


def test_of_three_classes_the_one_that_stands_apart_is_named_and_the_others_stay_finite_to_each_other(iris):
    X, y = iris
    found = detect_separation(pl.from_pandas(X), y)
    assert found.kind == "quasi"
    assert "every row with petal_length < 2.5 is of class 'setosa', and no other row is (50 rows against 100)" in str(
        found
    )
    np.testing.assert_allclose(found.direction[1], found.direction[2], atol=1e-10)
    assert found.infinite.shape == (3, 4)
    assert not found.infinite[0].any()


def test_a_column_that_is_only_ever_there_with_one_class_is_quasi_separation_by_that_column_alone():
    """The pattern of NV in the endometrial cancer study: 13 patients with it, all of high grade (Heinze and Schemper
    2002, "A solution to the problem of separation in logistic regression")."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"NV": np.repeat([1.0, 0.0], [13, 66]), "PI": rng.normal(size=79), "EH": rng.normal(size=79)})
    y = np.append(np.ones(13), np.arange(66) % 3 == 0)
    found = detect_separation(X, y)
    assert found.kind == "quasi"
    assert found.infinite.tolist() == [np.inf, 0, 0]
    assert found.infinite_intercept == 0
    assert "every row with NV > 0 is of class 1.0 (13 rows), while NV = 0 in the other 66 rows" in str(found)
    flipped = detect_separation(X.assign(NV=1 - X["NV"]), y)
    assert flipped.infinite.tolist() == [-np.inf, 0, 0]
    assert flipped.infinite_intercept == np.inf


def test_albert_and_andersons_kinds_on_a_line():
    """Complete, quasi-complete and overlapped points, as in Albert and Anderson (1984, Biometrika 71, figure 1)."""
    x = np.arange(6.0)[:, None]
    assert detect_separation(x, [0, 0, 0, 1, 1, 1]).kind == "complete"
    assert detect_separation(np.append(x, [[2.0]], axis=0), [0, 0, 0, 1, 1, 1, 1]).kind == "quasi"
    assert detect_separation(x, [0, 0, 1, 0, 1, 1]).kind == "none"


def test_a_column_that_others_make_up_counts_as_left_out():
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=60), np.arange(60) % 2
    dummy = (np.arange(60) % 6 == 1) * 1.0
    found = detect_separation(np.column_stack([x, np.ones(60), dummy, x + dummy]), y)
    assert found.kind == "quasi"
    assert found.infinite.tolist() == [0, 0, np.inf, 0]


def test_without_an_intercept_a_threshold_other_than_zero_does_not_separate():
    X, y = np.array([[1.0], [2.0], [3.0], [4.0]]), [0, 0, 1, 1]
    assert detect_separation(X, y).kind == "complete"
    assert detect_separation(X, y, fit_intercept=False).kind == "none"
    found = detect_separation(X - 2.5, y, fit_intercept=False)
    assert found.kind == "complete"
    assert found.infinite_intercept == 0


@pytest.mark.parametrize("store", [np.asarray, sparse.csr_array])
def test_many_rows_with_a_rare_indicator_are_decided_by_few_of_them(store):
    rng = np.random.default_rng(1)
    X = rng.normal(size=(20_000, 10)) * (rng.random((20_000, 10)) < 0.3)
    y = (X @ rng.normal(size=10) + rng.logistic(size=20_000) > 0).astype(int)
    rare = rng.random(20_000) < 1e-3
    y[rare] = 0
    assert not detect_separation(store(X), y)
    found = detect_separation(store(np.column_stack([X, rare])), y)
    assert found.kind == "quasi"
    assert found.infinite.tolist() == [0] * 10 + [-np.inf]


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("store", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("K", [2, 3])
def test_many_columns_that_separate_completely_need_no_linear_program(K, store, fit_intercept, monkeypatch):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 100))
    y = (X @ rng.normal(size=(100, K)) + 0.1 * rng.gumbel(size=(400, K))).argmax(axis=1)
    X += 5.0 * fit_intercept
    monkeypatch.setattr("scipy.optimize.linprog", None)
    found = detect_separation(store(X), y, fit_intercept=fit_intercept)
    assert found.kind == "complete"
    d = np.reshape(found.direction, (-1, 100))
    eta = X @ d.T + found.direction_intercept
    assert pair_margins(np.hstack([-eta, eta]) / 2 if K == 2 else eta, y) > 0
    assert np.isinf(found.infinite).sum() == 100 * (K - 1)


def pair_margins(eta, y):
    """The least margin of a row's class over another."""
    own = eta[np.arange(len(y)), y]
    return (own[:, None] - eta)[np.arange(eta.shape[1]) != y[:, None]].min()


@pytest.mark.parametrize("seed", [0, *seldom(*range(1, 12))])
def test_rows_that_run_off_by_a_hair_are_at_no_point_taken_for_a_finite_optimum(seed):
    rng = np.random.default_rng(seed)
    X = 10.0 + rng.normal(size=(127, 5))
    X[:, 0] = (X[:, 1] + X[:, 2]) / 2 + 1e-3 * X[:, 3]
    y = rng.integers(0, 2, 127)
    X[:14, 0] -= 0.01 * rng.random(14)
    y[:14] = 0
    for most in range(8, 40, 2):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = LogisticRegression(C=np.inf, max_iter=most, fit_intercept=False).fit(X, y)
        assert model.certificate_.coef_error is None


def layered(rng, n, p, groups):
    """Rows of overlapping classes, and of them groups that have some columns to themselves, by which they separate."""
    X = rng.normal(size=(n, p))
    y = (X @ rng.normal(size=p) / p**0.5 + rng.logistic(size=n) > 0).astype(int)
    for _ in range(groups):
        own, columns = rng.random(n) < 0.1, rng.choice(p, 3, replace=False)
        X[np.ix_(~own, columns)] = 0.0
        y[own] = X[np.ix_(own, columns)] @ rng.normal(size=3) > 0
    return X, y


@pytest.mark.parametrize("store", [np.asarray, sparse.csr_array])
def test_many_columns_of_which_few_separate_some_rows_need_no_linear_program(store, monkeypatch):
    X, y = layered(np.random.default_rng(3), 600, 80, groups=2)
    X[:, 7] = X[:, 8] - X[:, 9]
    monkeypatch.setattr("scipy.optimize.linprog", None)
    found = detect_separation(store(X), y)
    assert found.kind == "quasi"
    eta = X @ found.direction + found.direction_intercept
    margin = np.where(y == 1, eta, -eta) / np.abs(found.direction).max()
    assert margin.min() > -1e-12
    assert fit_of_full_rank(X[margin < 1e-12], y[margin < 1e-12]).certificate_.coef_error is not None
    assert 3 <= np.isinf(found.infinite).sum() <= 6


def fit_of_full_rank(X, y):
    """Without penalty, of columns that are independent: rows that nothing can move have an optimum in these."""
    R, order = qr(X - X.mean(axis=0), mode="r", pivoting=True)
    rank = np.sum(np.abs(np.diagonal(R)) > 1e-10 * np.abs(R[0, 0]))
    return LogisticRegression(C=np.inf).fit(X[:, order[:rank]], y)


def test_rare_indicators_beside_columns_of_large_units_need_no_linear_program(monkeypatch):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(5_000, 70))
    X[:, 1:20] = rng.random((5_000, 19)) < 0.3
    X[:, 0] *= 1e5
    y = (X[:, 1] + X[:, 30] + rng.logistic(size=5_000) > 0).astype(int)
    X[:, 40] = X[:, 41] = 0.0
    X[3, 40], X[7:17, 41], y[3], y[7:17] = 1.0, 1.0, 0, 0
    monkeypatch.setattr("scipy.optimize.linprog", None)
    found = detect_separation(X, y)
    assert found.kind == "quasi"
    assert np.flatnonzero(found.infinite).tolist() == [40, 41]


@pytest.mark.parametrize(
    ("seed", "p"), [(3, 4), (10, 4), (11, 5), (12, 4), *seldom((21, 4), (26, 4), (31, 5), (61, 4))]
)
def test_the_gap_is_no_less_than_the_truth_where_rows_run_off_and_columns_depend_on_others(seed, p):
    X, y = layered(np.random.default_rng(seed), 100, p, groups=2)
    found = detect_separation(X, y)
    eta = X @ found.direction + found.direction_intercept
    still = np.where(y == 1, eta, -eta) < 1e-12 * np.abs(found.direction).max()
    rest = fit_of_full_rank(X[still], y[still])
    lowest = still.mean() * rest.trace_.steps[-1].objective - rest.certificate_.gap
    for most in range(3, 20):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = LogisticRegression(C=np.inf, max_iter=most).fit(X, y)
        assert model.certificate_.gap >= model.trace_.steps[-1].objective - lowest - 1e-12


@pytest.mark.parametrize("groups", [1, 2, 3])
def test_fits_and_linear_programs_find_the_same(groups, monkeypatch):
    for seed in range(10):
        X, y = layered(np.random.default_rng(seed), 150, 20, groups)
        by_programs = detect_separation(X, y)
        with monkeypatch.context() as patch:
            patch.setattr("separatrix.inference.recession.MANY", 0)
            by_fits = detect_separation(X, y)
        assert by_fits.kind == by_programs.kind
        assert np.array_equal(np.isinf(by_fits.infinite), np.isinf(by_programs.infinite))
        assert np.isinf(by_fits.infinite_intercept) == np.isinf(by_programs.infinite_intercept)


def test_a_program_that_returns_the_same_again_is_not_asked_once_more(monkeypatch):
    asked, solved = [], recession.solved
    monkeypatch.setattr(recession, "solved", lambda *given: asked.append(given) or solved(*given))
    random = np.random.default_rng(209)
    x, z, apart = (np.round(random.normal(size=11) * 2**k) / 2**k for k in (12, 12, 10))
    y = random.integers(0, 3, size=11)
    y[:3] = range(3)
    detect_separation(np.column_stack([x, x + apart * 2.0**-32, z]), y)
    assert len(asked) < 50


def test_many_columns_and_classes_that_overlap_are_proved_to_by_a_fit_even_if_columns_repeat_others(monkeypatch):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2_000, 40))
    X = np.hstack([X, X[:, :5]])
    monkeypatch.setattr("scipy.optimize.linprog", None)
    assert detect_separation(X, rng.integers(0, 3, 2_000)).kind == "none"


@pytest.mark.parametrize("seed", [4171, 4937, 4988, 5131])
def test_programs_end_where_each_in_turn_would_lose_what_the_others_gained(seed):
    rng = np.random.default_rng(seed)
    X, y = layered(rng, int(rng.integers(80, 200)), int(rng.integers(8, 28)), groups=int(rng.integers(1, 5)))
    assert detect_separation(X, y).kind == "quasi"


@pytest.mark.parametrize("most", range(8, 30))
def test_a_row_that_runs_off_alone_is_at_no_point_taken_for_a_finite_optimum(most):
    rng = np.random.default_rng(0)
    X = (rng.random((190, 18)) < 0.2) * 1.0
    X[:, 2], y = X[:, 1], rng.integers(0, 2, 190)
    X[0, 1:3], y[0] = [1.0, 0.0], 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = LogisticRegression(C=np.inf, max_iter=most).fit(X, y)
    assert model.certificate_.coef_error is None
    assert np.flatnonzero(model.separation_.infinite).tolist() == [1, 2]


def test_more_columns_than_rows_separate_completely():
    rng = np.random.default_rng(2)
    assert detect_separation(rng.normal(size=(20, 50)), np.arange(20) % 2).kind == "complete"
    assert detect_separation(rng.normal(size=(30, 50)), np.arange(30) % 3).kind == "complete"


@pytest.mark.parametrize(
    ("X", "y", "error", "message"),
    [
        ([[1.0], [np.nan]], [0, 1], DataError, "column 'x0' is nan in row 1"),
        ([[[1.0]], [[2.0]]], [0, 1], DataError, "X has shape .* must have two dimensions"),
        ([[1.0], [2.0]], [0, 1, 1], ArgumentError, r"y=.* has shape \(3,\), and X has 2 rows"),
        ([[1.0], [2.0]], ["a", "a"], TargetError, "y has one class, 'a'"),
        ([["a"], ["b"]], [0, 1], DataError, "X is of type <U1, and must be numbers"),
        ([[1.0], [2.0], [3.0]], [0.0, 1.0, np.nan], TargetError, "y is missing in row 2"),
        ([[1.0], [2.0], [3.0]], np.array(["a", None, "b"], dtype=object), TargetError, "y is missing in row 1"),
    ],
)
def test_arrays_without_meaning_are_refused_by_name(X, y, error, message):
    with pytest.raises(error, match=message):
        detect_separation(X, y)


def test_a_finding_without_separation_says_so_and_is_false():
    found = detect_separation([[0.0], [1.0], [2.0], [0.0]], [0, 1, 0, 1])
    assert not found
    assert str(found) == "no separation: every coefficient has a finite estimate"
    assert separatrix.detect_separation is detect_separation
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not found.infinite.any()


def test_a_fit_of_partly_separated_classes_warns_of_it_in_words_and_not_of_slow_progress():
    X = np.column_stack([np.repeat([1.0, 0.0], [13, 66]), np.random.default_rng(0).normal(size=79)])
    y = np.append(np.ones(13), np.arange(66) % 3 == 0)
    with pytest.warns(SeparationWarning, match=r"every row with x0 > 0 is of class 1\.0.*x0 \+inf") as caught:
        model = LogisticRegression(C=np.inf).fit(X, y)
    assert [warning.category for warning in caught] == [SeparationWarning]
    assert caught[0].filename == __file__
    assert model.separation_.infinite.tolist() == [np.inf, 0]


def test_the_labels_of_a_fit_that_stopped_early_are_not_called_trustworthy():
    X, y = load_breast_cancer(return_X_y=True)
    with pytest.warns((SeparationWarning, ConvergenceWarning)) as caught:
        model = LogisticRegression(C=np.inf, max_iter=5).fit(X, y)
    first, second = (str(warning.message) for warning in caught)
    assert model.score(X, y) < 1
    assert "Their size cannot be trusted" in first
    assert re.match("stopped after 5 iterations, at most .*Raise max_iter", second)
    with pytest.warns(SeparationWarning, match="The labels can be trusted") as caught:
        assert model.set_params(max_iter=100).fit(X, y).score(X, y) == 1
    assert len(caught) == 1


@pytest.mark.parametrize("multi_class", ["multinomial", "ovr"])
def test_a_fit_of_three_classes_reports_the_one_that_stands_apart(multi_class, iris):
    X, y = iris
    with pytest.warns(SeparationWarning, match="every row with petal_length < 2.5 is of class 'setosa'"):
        model = LogisticRegression(C=np.inf, multi_class=multi_class).fit(X, y)
    if multi_class == "ovr":
        assert [bool(one) for one in model.separation_] == [True, False, False]
    else:
        assert model.separation_.kind == "quasi"


@pytest.mark.parametrize("multi_class", ["multinomial", "ovr"])
def test_a_class_whose_rows_weigh_nothing_is_what_keeps_a_fit_from_an_end(multi_class):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 3)), np.array(["a", "b", "c"])[np.arange(60) % 3]
    model = LogisticRegression(C=np.inf, multi_class=multi_class)
    with pytest.warns(SeparationWarning, match="no finite fit exists: no row that counts is of class 'c'. Without"):
        model.fit(X, y, np.where(y == "c", 0.0, 1.0))
    table = pd.DataFrame(X, columns=["p", "q", "r"]).assign(y=y)
    with pytest.warns(SeparationWarning, match="every row of class 'c' weighs nothing"):
        model.set_params(class_weight={"c": 0.0}).fit(table, target="y")


@pytest.mark.filterwarnings("error")
def test_a_healthy_fit_pays_nothing_and_reports_nothing(monkeypatch, iris):
    monkeypatch.setattr(doubt, "separation", None)
    X, y = iris
    assert LogisticRegression(C=np.inf).fit(X[["sepal_length"]], y == "virginica").separation_ is None
    assert LogisticRegression(C=1e4).fit(X, y == "setosa").separation_ is None


def test_a_curvature_that_is_only_rounding_proves_no_optimum():
    X, y = load_iris(return_X_y=True)
    with pytest.warns(SeparationWarning, match="no finite fit exists"):
        model = LogisticRegression(C=np.inf).fit(X[:, 2:], y)
    assert model.separation_.kind == "quasi"
    twice = np.column_stack([X[50:, 2:], 2 * X[50:, 2]])
    assert LogisticRegression(C=np.inf).fit(twice, y[50:]).separation_ is None
