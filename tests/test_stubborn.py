"""Problems on which a solver could stall, or a bound say less than nothing: columns whose means dwarf their spread, or
that all but repeat each other, and penalties that all but vanish."""

import operator
import warnings
from typing import Any

import numpy as np
import pytest
from mpmath import exp, log, lu_solve, matrix, mpf, workdps
from scipy import sparse
from sklearn.base import clone
from sklearn.linear_model import ElasticNet as Peer

from seldom import seldom
from separatrix import LinearRegression, LogisticRegression, LogisticRegressionCV, detect_separation
from separatrix.engine.near_copies import smallest_directions
from separatrix.equations.penalties import ElasticNet
from separatrix.errors import ConvergenceWarning, SeparationWarning, SeparatrixWarning


def far_columns(seed: int, rows: int = 130, columns: int = 8, classes: int = 3) -> tuple[Any, Any]:
    """Columns of spreads from 1e-3 to 1e3, all about 1,000, and classes that they do not tell."""
    rng = np.random.default_rng(seed)
    X = 1e3 + rng.normal(size=(rows, columns)) * 10 ** rng.uniform(-3, 3, columns)
    return X, rng.integers(0, classes, rows)


@pytest.mark.parametrize("form", [np.asarray, sparse.csc_array, sparse.csr_matrix])
@pytest.mark.parametrize("l1_ratio", [0.5, 1.0])
def test_an_l1_part_of_several_classes_does_not_stall_where_means_dwarf_spreads(form, l1_ratio):
    for seed in range(6):
        X, y = far_columns(seed)
        model = LogisticRegression(C=2.0, l1_ratio=l1_ratio, max_iter=25).fit(form(X), y)
        assert model.certificate_.gap <= 1e-8


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array, *seldom(sparse.csc_array)])
@pytest.mark.parametrize("shape", [(30, 8, 4), (300, 60, 10)])
def test_few_rows_of_several_classes_need_few_steps_where_columns_lie_off_zero(form, shape):
    rows, columns, off = shape
    for seed in range(4):
        X, y = np.random.default_rng(seed).normal(size=(rows, columns)), np.arange(rows) % 5
        X[:, :off] = 2_000 + 4 * X[:, :off]
        model = LogisticRegression(C=100, l1_ratio=1.0, max_iter=25).fit(form(X), y)
        assert model.certificate_.gap <= 1e-8


@pytest.mark.parametrize("classes", [2, 10])
def test_full_columns_of_a_sparse_matrix_off_zero_take_few_steps_without_an_intercept(classes):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 20))
    y = (X @ rng.normal(size=(20, classes)) + rng.gumbel(size=(300, classes))).argmax(axis=1)
    for kind in (np.asarray, sparse.csr_array, sparse.csc_array):
        model = LogisticRegression(l1_ratio=1.0, fit_intercept=False, max_iter=25).fit(kind(X + 100), y)
        assert model.certificate_.gap <= 1e-8


def numbers_beside_levels(off: Any, classes: int, rows: int = 3_000, levels: int = 400) -> tuple[Any, Any]:
    """A sparse X of a category's indicators and three columns of numbers, so far off zero; and classes."""
    rng = np.random.default_rng(0)
    levels_of_rows = rng.integers(0, levels, rows)
    of_levels = sparse.csr_array((np.ones(rows), levels_of_rows, np.arange(rows + 1)), shape=(rows, levels))
    numbers = rng.normal(size=(rows, 3))
    eta = rng.normal(size=(levels, classes))[levels_of_rows] + numbers @ rng.normal(size=(3, classes))
    y = (eta + rng.gumbel(size=eta.shape)).argmax(axis=1)
    return sparse.csr_array(sparse.hstack([of_levels, sparse.csr_array(numbers * [1e7, 3.0, 1e-3] + off)])), y


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("options", [{}, {"C": 100.0}, {"l1_ratio": 0.5, "C": 0.1}])
def test_numbers_off_zero_beside_many_levels_take_no_more_steps_than_numbers_about_zero(classes, options):
    off = [1.6e9, 2015.0, 0.1]
    far, near = (
        LogisticRegression(**options).fit(*numbers_beside_levels(centre, classes)) for centre in (off, [0.0] * 3)
    )
    assert far.certificate_.gap <= 1e-8
    assert far.trace_.column("passes")[-1] <= near.trace_.column("passes")[-1] + 3
    unit = np.append(np.ones(400), [1e7, 3.0, 1e-3])
    np.testing.assert_allclose(far.coef_ * unit, near.coef_ * unit, atol=1e-5)
    np.testing.assert_allclose(far.intercept_ + far.coef_[:, -3:] @ off, near.intercept_, atol=1e-5)


def test_a_sparse_matrix_with_full_columns_off_zero_is_fitted_like_a_dense_one_by_every_estimator():
    X, y = numbers_beside_levels([300.0, 3_000.0, 2.0], 2, rows=400, levels=30)
    X = sparse.csr_array(X.multiply(np.append(np.ones(30), [1e-7, 1.0, 1e3])))
    given, rng = X.copy(), np.random.default_rng(1)
    weight, offset = rng.uniform(0.5, 2.0, 400), rng.normal(size=400)
    for estimator in (
        LogisticRegression(C=10.0),
        LogisticRegression(C=10.0, fit_intercept=False),
        LogisticRegression(l1_ratio=1.0, C=0.5),
        LinearRegression(alpha=0.1),
        LinearRegression(alpha=0.01, l1_ratio=0.5),
    ):
        ours, dense = (clone(estimator).fit(form, y, weight, offset=offset) for form in (X, X.toarray()))
        np.testing.assert_allclose(ours.coef_, dense.coef_, atol=1e-7)
        np.testing.assert_allclose(ours.predict(X, offset=offset), dense.predict(X, offset=offset), atol=1e-6)
        again = clone(estimator).set_params(**({"warm_start": True} if "warm_start" in ours.get_params() else {}))
        np.testing.assert_allclose(again.fit(X, y).fit(X, y, weight, offset=offset).coef_, ours.coef_, atol=1e-7)
    for how in (3, "loo"):
        ours, dense = (LogisticRegressionCV(Cs=[0.1, 10.0], cv=how).fit(form, y) for form in (X, X.toarray()))
        np.testing.assert_allclose(ours.scores_, dense.scores_, atol=1e-6)
        np.testing.assert_allclose(ours.coef_, dense.coef_, atol=1e-6)
    np.testing.assert_array_equal(X.data, given.data)


@pytest.mark.parametrize("seed", [5, 64, *seldom(10, 41)])
def test_every_level_of_categories_beside_an_intercept_is_no_trouble_under_an_l1_penalty(seed):
    rng = np.random.default_rng(seed)
    first, second = rng.integers(0, 5, 800), rng.integers(0, 4, 800)
    X = np.hstack([np.eye(5)[first], np.eye(4)[second], rng.normal(size=(800, 3))])
    y = (1.5 * X @ rng.normal(size=(12, 6)) + rng.gumbel(size=(800, 6))).argmax(axis=1)
    for C in (10.0, 1e3, 1e4):
        model = LogisticRegression(C=C, l1_ratio=1.0, max_iter=30).fit(X, y)
        assert model.certificate_.gap <= 1e-8


@pytest.mark.parametrize("C", [1e4, 1e8, 1e12])
@pytest.mark.parametrize("classes", [2, 3, 4, 5])
def test_an_l1_penalty_that_all_but_vanishes_is_certified_in_a_few_steps(C, classes):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(300, 5)), rng.integers(0, classes, 300)
    model = LogisticRegression(C=C, l1_ratio=1.0, max_iter=10).fit(X, y)
    free = LogisticRegression(C=np.inf).fit(X, y)
    assert model.certificate_.gap <= 1e-8
    assert np.abs(model.predict_proba(X) - free.predict_proba(X)).max() <= 1e2 / C + 1e-6


def test_columns_that_nearly_repeat_each_other_do_not_stall_an_l1_fit():
    for seed in range(10):
        X, y = far_columns(seed, columns=6, classes=4)
        X[:, -1] = X[:, 0] + 1e-4 * np.random.default_rng(seed).normal(size=len(X))
        assert LogisticRegression(C=100.0, l1_ratio=1.0).fit(X, y).certificate_.gap <= 1e-8


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("apart", [1e-6, 1e-8, 1e-10, 1e-12])
def test_copies_of_columns_but_for_rounding_and_weights_of_all_sizes_do_not_stall_an_l1_fit(classes, apart):
    proven = 0
    for seed in range(5):
        rng = np.random.default_rng(seed)
        X = rng.normal(size=(150, 8))
        X[:, 5:] = X[:, :3] + apart * rng.normal(size=(150, 3))
        y, weight = rng.integers(0, classes, 150), 10.0 ** rng.uniform(-6, 6, 150)
        model = LogisticRegression(C=100.0, l1_ratio=1.0, max_iter=60).fit(X, y, weight)
        proven += model.certificate_.gap <= 1e-8
        assert model.trace_.passes <= 100
    # Of weights in the millions, eta has lost nine digits: one in hundreds can't be told to have arrived.
    assert proven >= 4


def test_conjugate_gradients_get_there_where_the_columns_are_nearly_dependent():
    for seed in range(10):
        rng = np.random.default_rng(seed)
        X = rng.normal(size=(150, 9)) * 10 ** rng.uniform(-3, 3, 9) @ rng.normal(size=(9, 9))
        y = X[:, 0] / X[:, 0].std() + rng.normal(size=150) > 0
        model = LogisticRegression(C=1e3, solver="conjugate-gradient").fit(X, y)
        assert model.certificate_.gap <= 1e-8


@pytest.mark.parametrize("classes", [2, 3])
def test_newton_sees_a_curvature_that_rounding_hides(classes):
    for seed in range(10):
        rng = np.random.default_rng(seed)
        X = rng.normal(size=(400, 4))
        Z, apart = X.copy(), 10.0 ** rng.uniform(-9, -7)
        X[:, 2] = X[:, 1] + apart * X[:, 2]
        Z[:, 2] = (X[:, 2] - X[:, 1]) / apart
        y = (Z @ rng.normal(size=(4, classes)) + rng.gumbel(size=(400, classes))).argmax(axis=1)
        plain = LogisticRegression(C=np.inf, tol=1e-12).fit(Z, y)
        model = LogisticRegression(C=np.inf).fit(X, y)
        assert model.certificate_.gap <= 1e-8
        assert len(model.trace_.steps) <= 30
        np.testing.assert_allclose(model.predict_proba(X), plain.predict_proba(Z), atol=1e-4)


@pytest.mark.parametrize("classes", [2, 3])
def test_no_error_of_coefficients_is_claimed_where_weights_run_off_along_columns_that_all_but_repeat(classes):
    for seed in range(8):
        rng = np.random.default_rng(seed)
        X = rng.normal(size=(200, 4))
        y = (X @ rng.normal(size=(4, classes)) + rng.gumbel(size=(200, classes))).argmax(axis=1)
        away = np.where(rng.random(200) < 0.3, np.abs(X[:, 0]) * np.where(y == 0, 1.0, -1.0), 0.0)
        X[:, 0] = X[:, 1] + 2.0 ** -rng.integers(10, 30) * away  # which separates some rows, and says nothing of others
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # some get there, as what is left of the loss is below tol
            model = LogisticRegression(C=np.inf, max_iter=60).fit(X, y)
        assert model.certificate_.coef_error is None


@pytest.mark.parametrize("solver", ["auto", *seldom("conjugate-gradient")])
@pytest.mark.parametrize("groups", [(5,), (12, 7)])
def test_a_class_that_a_group_never_has_leaves_a_bound_although_groups_span_the_intercept(groups, solver):
    for seed in range(5):
        rng = np.random.default_rng(seed)
        some = [np.eye(k)[rng.integers(k, size=600 * len(groups))] for k in groups]
        X = np.column_stack([rng.normal(size=(len(some[0]), 3)), *some])
        eta = X @ rng.normal(size=(X.shape[1], 3))
        eta[some[0][:, 0] == 1, 0] = -np.inf
        y = (eta + rng.gumbel(size=eta.shape)).argmax(axis=1)
        with pytest.warns(SeparationWarning, match="of class 0"):
            model = LogisticRegression(C=np.inf, solver=solver).fit(X, y)
        assert model.certificate_.gap <= 1e-8
        assert not is_bounded(model.certificate_.coef_error, 3)
        assert np.abs(model.coef_).max() < 1e3


@pytest.mark.parametrize("solver", ["auto", "newton", "quasi-newton", *seldom("conjugate-gradient")])
@pytest.mark.parametrize("K", [*seldom(2), 3])
def test_a_level_of_one_class_leaves_a_bound_on_what_the_others_lose(K, solver):
    """Its rows run off, so that what the loss tends to is that of the other rows."""
    for seed in range(6):
        rng = np.random.default_rng(seed)
        level = rng.integers(4, size=1_000)
        X, D = rng.normal(size=(1_000, 3)), np.eye(4)[level]
        y = (X @ rng.normal(size=(3, K)) + D @ rng.normal(size=(4, K)) + rng.gumbel(size=(1_000, K))).argmax(axis=1)
        y[level == 3] = 0
        others = level < 3
        best = LogisticRegression(C=np.inf, tol=1e-13).fit(np.hstack([X, D[:, 1:3]])[others], y[others])
        with pytest.warns(SeparationWarning, match="no finite fit"):
            model = LogisticRegression(C=np.inf, solver=solver).fit(np.hstack([X, D[:, seed % 2 :]]), y)
        certificate, loss = model.certificate_, model.trace_.steps[-1].objective
        assert loss - others.mean() * best.trace_.steps[-1].objective <= certificate.gap + 1e-13
        assert certificate.gap <= 1e-8
        assert not is_bounded(certificate.coef_error, -2)


def is_bounded(error, column):
    """Whether the coefficients of a column have a bound on how far they are from those of an optimum."""
    return error is not None and np.isfinite(error[column]).any()


def test_a_fit_that_may_have_no_optimum_says_so_where_to_ask_would_take_much_memory(monkeypatch):
    for question in ("recession", "recession_alone"):  # as where there is no room
        monkeypatch.setattr(f"separatrix.inference.doubt.{question}", lambda *_: None)
    rng = np.random.default_rng(0)
    groups = [np.eye(k)[rng.integers(k, size=1_000)] for k in (20, 10)]
    X = np.hstack(groups)
    eta = X @ rng.normal(size=(30, 3)) / 2
    eta[groups[0][:, 3] == 1, 0] = -np.inf
    y = (eta + rng.gumbel(size=eta.shape)).argmax(axis=1)
    with pytest.warns(SeparationWarning, match="was not asked"):
        model = LogisticRegression(C=np.inf).fit(X, y)
    assert model.certificate_.gap <= 1e-8
    assert model.separation_ is None


def test_an_intercept_whose_rounding_is_more_than_was_asked_for_is_told():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(500, 3))
    y = X[:, 0] + rng.logistic(size=500) > 0
    LogisticRegression(C=np.inf).fit(X + 1e9, y)
    with pytest.warns(ConvergenceWarning, match="rounding hides what is nearer"):
        assert LogisticRegression(C=np.inf).fit(X + 1e12, y).certificate_.gap > 1e-8


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("K", [2, 3])
def test_weights_that_no_row_tells_apart_stay_small(K, form):
    """A column for each level of two categories, beside an intercept; a step along them is made of rounding."""
    rng = np.random.default_rng(0)
    levels = [np.eye(k)[rng.integers(k, size=4_000)] for k in (12, 7)]
    X = np.hstack([*levels, rng.integers(-300, 300, size=(4_000, 2))])
    y = (X @ (rng.normal(size=(21, K)) / X.std(axis=0)[:, None]) / 5 + rng.gumbel(size=(4_000, K))).argmax(axis=1)
    model = LogisticRegression(C=np.inf, solver="conjugate-gradient").fit(form(X), y)
    assert model.certificate_.gap <= 1e-14
    assert np.abs(model.coef_).max() < 100


def test_rows_that_have_run_off_far_along_columns_that_all_but_repeat_end_in_a_warning():
    """Of one column the curvature is 1e-96 by then."""
    rng = np.random.default_rng(175)
    n, p, K = int(rng.integers(60, 600)), int(rng.integers(2, 9)), int(rng.integers(2, 4))
    X, apart = rng.normal(size=(n, p)), 10.0 ** rng.uniform(-10, -3)
    y = (X @ rng.normal(size=(p, K)) + rng.gumbel(size=(n, K))).argmax(axis=1)
    X[:, 0] = X[:, 1] + apart * X[:, 0]
    rng.integers(3)
    X = np.column_stack([X, np.where(y == 0, rng.exponential(size=n), 0.0)]) * 10.0 ** rng.uniform(-2, 2, size=p + 1)
    with pytest.warns((SeparationWarning, ConvergenceWarning)):
        model = LogisticRegression(C=np.inf, solver="conjugate-gradient", tol=1e-6).fit(X, y)
    assert model.certificate_.coef_error is None


@pytest.mark.parametrize("apart", [0.0, 1e-13])
@pytest.mark.parametrize("solver", ["auto", "quasi-newton", "newton-cg"])
def test_columns_that_repeat_each_other_but_for_rounding_leave_the_bound_as_it_is(solver, apart):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 4))
    y = X[:, 0] + rng.normal(size=200) > 0
    copy = X[:, 1] + apart * rng.normal(size=200)
    model = LogisticRegression(C=np.inf, solver=solver).fit(np.column_stack([X, copy, np.ones(200)]), y)
    assert model.certificate_.gap <= 1e-8


def test_a_sparse_matrix_of_the_older_kind_is_seen_to_be_separated():
    X = sparse.csr_matrix(np.arange(6.0)[:, None])
    y = np.array([0, 0, 0, 1, 1, 1])
    assert detect_separation(X, y).kind == "complete"
    with pytest.warns(SeparationWarning, match="x0 > 2.5"):
        LogisticRegression(C=np.inf).fit(X, y)


@pytest.mark.parametrize(("l1", "l2"), [(1.0, 0.0), (0.3, 0.7), (0.0, 1.0), (0.0, 0.0)])
@pytest.mark.parametrize("classes", [2, 3, 4, 7])
def test_the_weights_of_a_column_are_shifted_to_where_they_cost_least(l1, l2, classes):
    w = np.random.default_rng(classes).normal(size=(20, classes))
    w[3:9, 0] = 0.0
    penalty = ElasticNet(np.full(20, l1), np.full(20, l2))
    there = penalty.shifted(w)
    shift = there - w
    assert np.ptp(shift, axis=1).max() <= 1e-15
    for step in (-1e-3, 1e-3):
        for j in range(20):
            one = ElasticNet(penalty.l1[:1], penalty.l2[:1])
            assert one.value(there[j : j + 1]) <= one.value(there[j : j + 1] + step) + 1e-15


def exact_optimum(X: Any, y: Any, l2: float, start: Any) -> tuple[Any, Any]:
    """Newton's optimum (weights and intercept) and its objective's function of both, in mpmath's digits."""
    rows = [[mpf(float(x)) for x in row] + [mpf(1)] for row in X]
    sizes = range(len(rows[0]))

    def objective(theta: Any) -> Any:
        margins = [
            sum(map(operator.mul, row, theta)) * (1 if label else -1) for row, label in zip(rows, y, strict=True)
        ]
        return sum(log(1 + exp(-m)) for m in margins) / len(y) + mpf(l2) / 2 * sum(t * t for t in theta[:-1])

    theta = [mpf(float(t)) for t in start]
    for _ in range(12):
        p = [1 / (1 + exp(-sum(map(operator.mul, row, theta)))) for row in rows]
        held = [mpf(l2)] * (len(theta) - 1) + [mpf(0)]
        g = [sum((q - int(t)) * row[j] for q, t, row in zip(p, y, rows, strict=True)) / len(y) for j in sizes]
        H = [
            [sum(q * (1 - q) * r[j] * r[k] for q, r in zip(p, rows, strict=True)) / len(y) for k in sizes]
            for j in sizes
        ]
        for j in sizes:
            g[j], H[j][j] = g[j] + held[j] * theta[j], H[j][j] + held[j]
        step = lu_solve(matrix(H), matrix(g))
        theta = [t - s for t, s in zip(theta, step, strict=True)]
    assert max(abs(s) for s in step) < mpf(10) ** -25
    return theta, objective


@pytest.mark.parametrize("far", [(0.0, 1e9, 1e5), (1e12, 0.0, 3e9), (3.0, -4.0, 0.0)])
def test_the_bounds_hold_for_the_rounded_intercept_of_columns_far_from_zero(far):
    with workdps(80):
        for seed in range(3):
            rng = np.random.default_rng(seed)
            X, y = rng.normal(size=(40, 3)) + np.array(far), rng.integers(0, 2, 40)
            model = LogisticRegression(C=1.0).fit(X, y)
            found = np.append(model.coef_[0], model.intercept_)
            best, objective = exact_optimum(X, y, 1 / 40, found)
            assert objective([mpf(t) for t in found.tolist()]) - objective(best) <= model.certificate_.gap
            off = [float(abs(mpf(a) - b)) for a, b in zip(found.tolist(), best, strict=True)]
            assert np.all(off <= model.certificate_.coef_error[:, 0])


@pytest.mark.parametrize(("rows", "columns", "l1_ratio", "alpha"), [(60, 200, 1.0, 1.0), (60, 120, 0.5, 1.0)])
def test_least_squares_with_more_columns_than_rows_reach_the_optimum_of_an_l1_penalty(rows, columns, l1_ratio, alpha):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(rows, columns))
    y = X @ rng.normal(size=columns) + rng.normal(size=rows)
    model = LinearRegression(alpha=alpha, l1_ratio=l1_ratio).fit(X, y)
    peer = Peer(alpha=alpha / rows, l1_ratio=l1_ratio, tol=1e-12, max_iter=100_000).fit(X, y)
    assert model.certificate_.gap <= 1e-10
    np.testing.assert_allclose(model.coef_, peer.coef_, atol=1e-5)


@pytest.mark.parametrize("classes", [4, 6])
def test_an_l1_penalty_of_an_even_number_of_classes_has_one_answer(classes):
    # Where two weights of a column are below zero and two above, a shift of all of them costs nothing.
    rng = np.random.default_rng(0)
    X = rng.normal(size=(600, 5))
    y = (X @ rng.normal(size=(5, classes)) + 2 * rng.gumbel(size=(600, classes))).argmax(axis=1)
    order = rng.permutation(600)
    plain = LogisticRegression(l1_ratio=1.0, tol=1e-13).fit(X, y)
    for other in (
        LogisticRegression(l1_ratio=1.0, tol=1e-13).fit(X[order], y[order]),
        LogisticRegression(l1_ratio=1.0, tol=1e-13).fit(sparse.csr_array(X), y),
        LogisticRegression(C=1 / 7, l1_ratio=1.0, tol=1e-13).fit(X, y, sample_weight=np.full(600, 7.0)),
    ):
        np.testing.assert_allclose(other.coef_, plain.coef_, atol=1e-8)
        np.testing.assert_allclose(other.intercept_, plain.intercept_, atol=1e-8)


def test_balanced_weights_leave_a_class_without_weight_alone():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 2)), np.arange(60) % 3
    weight = (y != 2) * 1.0
    with pytest.warns(SeparationWarning, match="every row of class 2 weighs nothing, so that its intercept falls"):
        balanced = LogisticRegression(class_weight="balanced").fit(X, y, weight)
    with pytest.warns(SeparationWarning, match="every row of class 2"):
        plain = LogisticRegression().fit(X, y, weight)
    with pytest.warns(SeparationWarning, match="every row of class 2"):
        LogisticRegression(multi_class="ovr").fit(X, y, weight)
    np.testing.assert_allclose(balanced.coef_, plain.coef_, atol=1e-6)


def test_a_fit_in_the_span_of_the_rows_bounds_its_coefficients_too():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(20, 50)), np.arange(20) % 2
    loose, tight = (LogisticRegression(tol=tol).fit(X, y) for tol in (1e-3, 1e-14))
    assert np.all(np.abs(loose.coef_ - tight.coef_) <= loose.certificate_.coef_error[:-1].T)


@pytest.mark.parametrize("seed", range(3))
def test_conjugate_gradients_do_not_stall_where_few_rows_have_all_the_curvature(seed):
    # A third of the rows, by which products are preconditioned, holds too few of those near the boundary.
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(20_000, 100))
    y = 12 * X @ rng.normal(size=100) + rng.logistic(size=20_000) > 0
    model = LogisticRegression(C=1e4, solver="conjugate-gradient", max_iter=30).fit(X, y)
    assert model.certificate_.gap <= 1e-8


@pytest.mark.parametrize("seed", [295, 912, 1319, 1649])
def test_a_curvature_corrected_by_rounding_is_no_error_where_columns_all_but_repeat_each_other(seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(120, 5))
    X[:, 4] = X[:, 0] + rng.choice([1e-4, 1e-8, 1e-11]) * rng.normal(size=120)
    y = X[:, 0] - X[:, 1] + rng.logistic(size=120) > 0
    model = LogisticRegression(C=10.0 ** rng.uniform(5, 8), l1_ratio=1.0, tol=1e-14, max_iter=500)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        model.fit(X, y)
    assert model.n_iter_[0] < 60
    assert model.certificate_.gap < 1e-14 or "leave out such columns" in str(told[-1].message)


def test_two_columns_that_all_but_repeat_each_other_alone_have_no_bound_below_the_truth():
    """Where Cholesky needs a ridge, the curvature that it shows is the ridge's."""
    for seed in range(20):
        rng = np.random.default_rng(seed)
        x = np.round(rng.normal(size=60) * 2**20) / 2**20
        y = (x + rng.logistic(size=60) > 0).astype(int)
        h = np.where(y, 1, -1) * np.abs(rng.normal(size=60)) * np.where(rng.random(60) < 0.2, -1, 1)
        X = np.column_stack([x, x + 1e-10 * h])
        apart = np.column_stack([x, (X[:, 1] - x) * 1e10])  # the same model
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SeparatrixWarning)
            model = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-4).fit(X, y)
            best = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-12).fit(apart, y)
        above = model.trace_.steps[-1].objective - best.trace_.steps[-1].objective
        assert above <= model.certificate_.gap + 1e-6  # by which eta is rounded, of weights so large


@pytest.mark.filterwarnings("ignore::separatrix.errors.SeparatrixWarning")
def test_a_class_that_runs_off_along_the_small_difference_of_two_columns_is_in_the_bound():
    random = np.random.default_rng(251)
    n, p, *_ = random.integers(8, 30), random.integers(2, 5), random.choice([2, 2, 3])
    X = random.normal(size=(n, p))
    apart = 10.0 ** random.uniform(-10.7, -7)  # 2e-11, and of some rows a tenth of that
    X[:, 1] = X[:, 0] + apart * random.normal(size=n)
    y = [0, 1, 2, 1, 2, 2, 2, 1, 2, 1]
    same = np.column_stack([X[:, 0], (X[:, 1] - X[:, 0]) * 2.0**35, X[:, 2]])  # exact: the same model
    fit, other = (LogisticRegression(C=np.inf, fit_intercept=False).fit(x, y) for x in (X, same))
    assert other.separation_.kind == "quasi"
    better = fit.trace_.steps[-1].objective - other.trace_.steps[-1].objective
    assert better <= fit.certificate_.gap + 1e-6


@pytest.mark.parametrize("K", [2, 3])
def test_a_column_of_zeros_changes_no_bound(K):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 2)) + np.array([1e6, 0])
    y = rng.integers(K, size=200)
    for penalty_free in (True, False):
        C = np.inf if penalty_free else 1.0
        plain, wider = (LogisticRegression(C=C).fit(Z, y) for Z in (X, np.column_stack([X, np.zeros(200)])))
        assert wider.certificate_.gap <= 10 * plain.certificate_.gap + 1e-15


@pytest.mark.parametrize("multi_class", ["multinomial", "ovr"])
@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("K", [2, 3])
def test_columns_of_zeros_alone_are_fitted_without_a_penalty(K, kind, multi_class):
    X = kind(np.zeros((6, 2)))
    model = LogisticRegression(C=np.inf, fit_intercept=False, multi_class=multi_class).fit(X, np.arange(6) % K)
    assert not model.coef_.any()


@pytest.mark.parametrize("solver", ["newton", "quasi-newton", "conjugate-gradient"])
def test_a_fit_of_separated_classes_ends_where_its_loss_is_within_tol_of_zero(solver):
    """No coefficients are nearer to an optimum, as there is none."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 40)), rng.integers(0, 3, 60)
    with pytest.warns(SeparationWarning):
        found = LogisticRegression(C=np.inf, solver=solver).fit(X, y)
    *_, before, last = found.trace_.column("loss")
    assert last <= 1e-8 < before


@pytest.mark.parametrize("least", [1e-13, 6e-13, 1e-12])
@pytest.mark.parametrize("columns", [12, 20, 40])
def test_columns_that_are_all_alike_but_for_rounding_have_directions_at_right_angles(columns, least):
    H = np.full((columns, columns), 1.0 - least)
    np.fill_diagonal(H, 1.0)
    Z = smallest_directions(H, np.ones(columns))
    np.testing.assert_allclose(Z.T @ Z, np.eye(columns - 1), atol=1e-13)
    np.testing.assert_allclose(Z.sum(axis=0), 0.0, atol=1e-13)


@pytest.mark.parametrize("C", [1.0, *seldom(np.inf)])
@pytest.mark.parametrize("code", [-999_999.0, *seldom(1e8), 1e10])
def test_rows_of_a_code_for_what_is_missing_do_not_hide_the_curvature_of_the_others(code, C):
    for seed in range(4):
        rng = np.random.default_rng(seed)
        X = rng.normal(size=(200, 6))
        y = X @ rng.normal(size=6) + 2 * rng.logistic(size=200) > 0
        X[rng.integers(200, size=1 + seed % 3)] = code
        model = LogisticRegression(C=C).fit(X, y)
        assert model.certificate_.gap <= 1e-8


@pytest.mark.filterwarnings("ignore::separatrix.errors.ConvergenceWarning")
@pytest.mark.parametrize("solver", ["auto", *seldom("newton", "quasi-newton")])
def test_cells_of_a_code_leave_several_classes_their_optimum_though_nothing_proves_it(solver):
    for seed in range(3):
        rng = np.random.default_rng(seed)
        X = rng.normal(size=(200, 8))
        y = (X @ rng.normal(size=(8, 3)) + 2 * rng.gumbel(size=(200, 3))).argmax(axis=1)
        X[rng.random(X.shape) < 0.02] = 1e10
        fits = [LogisticRegression(solver=solver).fit(rows, y) for rows in (X, np.where(X > 1e9, 1e6, X))]
        # To have any weight but next to none costs a cell of a code more than it gains, however large the code.
        assert fits[0].trace_.column("objective")[-1] <= fits[1].trace_.column("objective")[-1] + 1e-4
