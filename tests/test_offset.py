"""An offset is added to eta, in the fit and in predictions: what it must and must not change."""

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from scipy import sparse
from scipy.special import expit, softmax
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_wine
from sklearn.preprocessing import StandardScaler
from statsmodels.api import GLM, add_constant
from statsmodels.genmod.families import Binomial

from problems import Problem, problems, seeds, solve
from separatrix import FirthLogisticRegression, LinearRegression, LogisticRegression, logit
from separatrix.data.memory import memory_source
from separatrix.engine.rowspace import smallest_space
from separatrix.equations.penalties import L2
from separatrix.errors import ArgumentError, DataError, SeparationWarning, SeparatrixWarning

few = settings(max_examples=25)


def overlapping(rows: int = 400, p: int = 3, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """X, labels of two classes that overlap, weights and an offset."""
    rng = np.random.default_rng(seed)
    X, offset = rng.normal(size=(rows, p)), rng.normal(size=rows)
    y = (X @ np.linspace(-1.0, 1.0, p) + offset + rng.logistic(size=rows) > 0).astype(int)
    return X, y, rng.uniform(0.5, 2.0, rows), offset


def three_classes() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """X, labels, weights, and an offset for each class."""
    X, y = load_wine(return_X_y=True)
    rng = np.random.default_rng(1)
    return StandardScaler().fit_transform(X), y, rng.uniform(0.5, 2.0, len(y)), rng.normal(size=(len(y), 3))


@few
@given(problems(penalised=False), seeds)
def test_an_offset_that_is_itself_a_plane_is_taken_from_the_coefficients(problem, seed):
    rng, K = np.random.default_rng(seed), problem.columns_of_eta
    w, b = rng.normal(size=(K, problem.X.shape[1])), rng.normal(size=K) * problem.fit_intercept
    if K > 1:
        w, b = w - w.mean(axis=0), b - b.mean()  # else only differences between classes would be taken
    before = 0.0 if problem.offset is None else problem.offset
    plain, moved = solve(problem), solve(replace(problem, offset=before + problem.X @ w.T + b))
    scale = np.abs(plain.coefficients).max() + np.abs(w).max() + 1.0
    np.testing.assert_allclose(moved.coefficients, plain.coefficients - w, atol=1e-8 * scale)
    np.testing.assert_allclose(moved.intercepts, plain.intercepts - b, atol=1e-8 * scale)


@pytest.mark.parametrize("C", [0.1, np.inf])
@pytest.mark.parametrize(
    ("solver", "size"),
    [
        *(("newton", size) for size in (0.5, 30.0, 100.0, 1e4)),
        *(("proximal-newton", size) for size in (0.5, 30.0, 100.0, 1e4)),
        *(("conjugate-gradient", size) for size in (0.5, 30.0, 100.0)),
    ],
)
def test_a_constant_offset_only_shifts_the_intercept(C, size, solver):
    X, y, weight, offset = overlapping()
    model = LogisticRegression(C=C, solver=solver, tol=1e-13)
    plain = model.fit(X, y, weight, offset)
    w, b = plain.coef_, plain.intercept_
    moved = model.fit(X, y, weight, offset + size)
    np.testing.assert_allclose(moved.coef_, w, atol=1e-6)
    np.testing.assert_allclose(moved.intercept_ + size, b, atol=1e-6)


@pytest.mark.parametrize("solver", ["newton", "quasi-newton"])
@pytest.mark.parametrize(
    ("seed", "shape", "size", "C"),
    [(66, (30, 4), 1e3, 10.0), (72, (8, 2), 900.0, 0.2), (80, (10, 3), 500.0, 2.0), (279, (8, 2), 900.0, 0.2)],
)
def test_rows_that_an_offset_sets_far_on_their_wrong_sides_are_fitted(seed, shape, size, C, solver):
    X, y, _, offset = overlapping(*shape, seed)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = LogisticRegression(C=C, solver=solver).fit(X, y, offset=size * offset)
    known = LogisticRegression(C=C, solver="conjugate-gradient").fit(X, y, offset=size * offset)
    np.testing.assert_allclose(model.coef_, known.coef_, atol=1e-6 * np.abs(known.coef_).max())


@pytest.mark.parametrize("size", [1.0, 30.0, 1e3])
def test_an_offset_along_a_column_only_shifts_its_coefficient(size):
    X, y, weight, offset = overlapping()
    plain, moved = (LogisticRegression(C=np.inf).fit(X, y, weight, some) for some in (offset, offset + size * X[:, 1]))
    np.testing.assert_allclose(np.add(moved.coef_, [0.0, size, 0.0]), plain.coef_, atol=1e-7)
    np.testing.assert_allclose(moved.intercept_, plain.intercept_, atol=1e-7)


def test_an_offset_of_nothing_changes_no_bit():
    X, y, weight, _ = overlapping()
    none, zero = (LogisticRegression().fit(X, y, weight, offset) for offset in (None, np.zeros(len(y))))
    assert none.coef_.tobytes() == zero.coef_.tobytes()
    assert none.trace_.passes == zero.trace_.passes


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_statsmodels_has_the_same_unpenalised_fit(fit_intercept):
    X, y, weight, offset = overlapping()
    design = add_constant(X) if fit_intercept else np.insert(X, 0, 0.0, axis=1)[:, 1:]
    theirs = GLM(y, design, Binomial(), offset=offset, freq_weights=weight).fit(tol=1e-14, maxiter=200).params
    ours = LogisticRegression(C=np.inf, fit_intercept=fit_intercept, tol=1e-13).fit(X, y, weight, offset)
    np.testing.assert_allclose(np.append(ours.intercept_, ours.coef_)[-len(theirs) :], theirs, rtol=1e-8)


def test_class_weights_count_beside_an_offset_as_they_do_for_statsmodels():
    X, y, weight, offset = overlapping()
    per_class = np.array([3.0, 0.5])
    theirs = GLM(y, add_constant(X), Binomial(), offset=offset, freq_weights=weight * per_class[y])
    model = LogisticRegression(C=np.inf, class_weight={0: 3.0, 1: 0.5}, tol=1e-13).fit(X, y, weight, offset)
    found = np.append(model.intercept_, model.coef_)
    np.testing.assert_allclose(found, theirs.fit(tol=1e-14, maxiter=200).params, rtol=1e-8)


def slopes(model: Any, X: np.ndarray, residual: np.ndarray) -> np.ndarray:
    """The gradient in coef_ and intercept_ of C times the weighted log loss, by its textbook formula."""
    return model.C * residual.T @ np.column_stack([X, np.ones(len(X))])


def assert_at_the_optimum(model: Any, gradient: np.ndarray) -> None:
    """The conditions of a minimum with an elastic net: -gradient is a subgradient of the penalty."""
    ratio = model.l1_ratio
    pull = gradient[:, :-1] + (1.0 - ratio) * model.coef_
    outside = np.where(model.coef_ == 0, np.maximum(np.abs(pull) - ratio, 0.0), pull + ratio * np.sign(model.coef_))
    np.testing.assert_allclose(outside, 0.0, atol=1e-7)
    np.testing.assert_allclose(gradient[:, -1], 0.0, atol=1e-7)


@pytest.mark.parametrize("l1_ratio", [0.0, 0.5, 1.0])
def test_a_penalised_fit_of_two_classes_meets_the_conditions_of_its_optimum(l1_ratio):
    X, y, weight, offset = overlapping()
    model = LogisticRegression(C=0.05, l1_ratio=l1_ratio, tol=1e-13).fit(X, y, weight, offset)
    p = expit(X @ model.coef_[0] + model.intercept_ + offset)
    assert_at_the_optimum(model, slopes(model, X, (weight * (p - y))[:, None]))


@pytest.mark.parametrize("l1_ratio", [0.0, 0.5, 1.0])
def test_a_penalised_fit_of_several_classes_meets_the_conditions_of_its_optimum(l1_ratio):
    X, y, weight, offset = three_classes()
    model = LogisticRegression(C=0.05, l1_ratio=l1_ratio, tol=1e-13).fit(X, y, weight, offset)
    p = softmax(X @ model.coef_.T + model.intercept_ + offset, axis=1)
    assert_at_the_optimum(model, slopes(model, X, weight[:, None] * (p - np.eye(3)[y])))


def test_one_against_the_rest_takes_a_column_of_the_offset_for_each_class():
    X, y, weight, offset = three_classes()
    together = LogisticRegression(multi_class="ovr").fit(X, y, weight, offset)
    for k in range(3):
        alone = LogisticRegression().fit(X, y == k, weight, offset[:, k])
        np.testing.assert_array_equal(together.coef_[k], alone.coef_[0])


def test_a_start_on_a_sample_keeps_each_rows_offset():
    X, y, weight, offset = overlapping(rows=40_000)
    model = LogisticRegression(C=np.inf).fit(X, y, weight, 3.0 * offset)
    assert model.trace_.column("gap")[0] < 1e-2  # it did start on a sample, and near
    p = expit(X @ model.coef_[0] + model.intercept_ + 3.0 * offset)
    assert np.abs(X.T @ (weight * (p - y))).max() <= 1e-6 * weight.sum()


def test_more_columns_than_rows_have_the_answer_that_every_column_gives():
    X, y, weight, offset = overlapping(rows=30, p=90)
    strength = np.linspace(0.5, 2.0, 90)
    problem = Problem(X, y, weight, 2, strength, offset=offset[:, None])
    assert smallest_space(problem.source(), L2(strength)).source.n_columns <= 30
    as_sparse = solve(replace(problem, X=sparse.csr_array(X)), "newton")  # stays in the columns
    np.testing.assert_allclose(solve(problem).coefficients, as_sparse.coefficients, atol=1e-9)


def test_many_columns_with_an_l1_penalty_keep_the_offset_on_their_working_set():
    X, y, weight, offset = overlapping(rows=60, p=700)
    model = LogisticRegression(C=0.3, l1_ratio=1.0, tol=1e-12).fit(X, y, weight, offset)
    assert 0 < np.count_nonzero(model.coef_) < 100
    p = expit(X @ model.coef_[0] + model.intercept_ + offset)
    assert_at_the_optimum(model, slopes(model, X, (weight * (p - y))[:, None]))


def test_rows_of_weight_zero_take_their_offset_with_them():
    X, y, weight, offset = overlapping()
    source = memory_source(X, y[:, None] * 1.0, np.where(y == 0, 0.0, weight), offset=offset[:, None])
    np.testing.assert_array_equal(source.offset[:, 0], offset[y == 1])
    dead = np.arange(len(y)) % 3 == 0
    whole = LogisticRegression().fit(X, y, np.where(dead, 0.0, weight), np.where(dead, 1e6, offset))
    part = LogisticRegression().fit(X[~dead], y[~dead], weight[~dead], offset[~dead])
    np.testing.assert_array_equal(whole.coef_, part.coef_)


def test_an_offset_cannot_hide_that_the_classes_are_separable():
    X, y = np.arange(8.0)[:, None], np.repeat([0, 1], 4)
    with pytest.warns(SeparationWarning):
        LogisticRegression(C=np.inf).fit(X, y, offset=np.where(y, -3.0, 3.0))


@pytest.mark.filterwarnings("error")
def test_an_offset_that_puts_every_row_on_its_side_does_not_make_the_classes_separable():
    X, y, _, _ = overlapping()
    LogisticRegression(C=np.inf, max_iter=1000).fit(X, y, offset=np.where(y, 5.0, -5.0))


def test_a_score_is_that_of_predictions_with_the_offset():
    X, y, weight, offset = three_classes()
    model = LogisticRegression().fit(X, y, weight, offset)
    right = model.predict(X, 3 * offset) == y
    assert model.score(X, y, weight, 3 * offset) == pytest.approx(np.average(right, weights=weight))
    assert model.score(X, y, offset=0) == np.mean(model.predict(X, 0) == y)
    X, y = load_diabetes(return_X_y=True)
    weight, offset = np.random.default_rng(0).uniform(0.5, 2.0, (2, len(y)))
    line = LinearRegression().fit(X, y, weight, 50 * offset)
    off = np.average(np.square(y - line.predict(X, 50 * offset)), weights=weight)
    about_mean = np.average(np.square(y - np.average(y, weights=weight)), weights=weight)
    assert line.score(X, y, weight, 50 * offset) == pytest.approx(1 - off / about_mean)
    assert line.score(X, y, weight, 50 * offset) > line.score(X, y, weight, 0)


@pytest.mark.parametrize("multi_class", ["multinomial", "ovr"])
def test_a_prediction_adds_its_offset_to_the_plane(multi_class):
    X, y, weight, offset = three_classes()
    model = LogisticRegression(multi_class=multi_class).fit(X, y, weight, offset)
    eta = model.decision_function(X, 0) + offset
    np.testing.assert_allclose(model.decision_function(X, offset), eta, rtol=1e-13)
    np.testing.assert_array_equal(model.predict(X, offset), eta.argmax(axis=1))
    p = expit(eta) / expit(eta).sum(axis=1, keepdims=True) if multi_class == "ovr" else softmax(eta, axis=1)
    np.testing.assert_allclose(model.predict_proba(X, offset), p, rtol=1e-12)
    np.testing.assert_allclose(model.predict_log_proba(X, offset), np.log(p), rtol=1e-10, atol=1e-14)


def test_a_prediction_of_two_classes_adds_its_offset_too():
    X, y, weight, offset = overlapping()
    model = LogisticRegression().fit(X, y, weight, offset)
    np.testing.assert_allclose(model.predict_proba(X, offset)[:, 1], expit(model.decision_function(X, 0) + offset))
    np.testing.assert_array_equal(model.predict(X, 1e3 * np.sign(offset)), offset > 0)
    assert np.all(model.predict_log_proba(X, np.full(len(y), -1e9))[:, 1] < -9e8)


@pytest.mark.parametrize("settings", [{}, {"alpha": 1.5}, {"alpha": 30.0, "l1_ratio": 0.5}], ids=str)
@pytest.mark.parametrize("targets", [(), (2,)])
def test_least_squares_takes_the_offset_from_the_target(settings, targets):
    X, y = load_diabetes(return_X_y=True)
    rng = np.random.default_rng(0)
    weight, offset = rng.uniform(0.5, 2.0, len(y)), 100.0 * rng.normal(size=(len(y), *targets))
    Y = y.reshape(len(y), *(1 for _ in targets)) + offset
    with_offset = LinearRegression(**settings).fit(X, Y, weight, offset)
    without = LinearRegression(**settings).fit(X, Y - offset, weight)
    np.testing.assert_allclose(with_offset.coef_, without.coef_, rtol=1e-9)
    np.testing.assert_allclose(with_offset.intercept_, without.intercept_, rtol=1e-9)
    np.testing.assert_allclose(with_offset.predict(X, offset), without.predict(X) + offset, rtol=1e-9)
    assert with_offset.certificate_.gap <= 1e-8


def test_an_offset_may_be_any_column_of_numbers():
    X, y, weight, offset = overlapping()
    whole = np.round(offset).astype(int)
    expected = LogisticRegression().fit(X, y, weight, whole.astype(float)).coef_
    for given_as in (
        whole,
        list(whole),
        pd.Series(whole),
        whole[:, None],
        whole.astype(np.float32),
        whole.astype(object),
    ):
        np.testing.assert_array_equal(LogisticRegression().fit(X, y, weight, given_as).coef_, expected)


def test_a_single_offset_is_that_of_every_row():
    X, y, _, _ = overlapping()
    for model, many in ((LogisticRegression(), y), (LinearRegression(), y), (LogisticRegression(), y + (X[:, 0] > 1))):
        shape = (len(y), 3) if many.max() == 2 else len(y)
        same, each = (clone(model).fit(X, many, offset=offset) for offset in (2, np.full(shape, 2.0)))
        np.testing.assert_array_equal(same.coef_, each.coef_)
        np.testing.assert_array_equal(same.predict(X, 0.5), each.predict(X, np.full(shape, 0.5)))


@pytest.mark.parametrize("model", [LogisticRegression(), LinearRegression(), FirthLogisticRegression()])
def test_a_prediction_without_the_offset_of_its_fit_warns_once_and_names_the_remedy(model):
    X, y, _, offset = overlapping()
    model.fit(X, y, offset=offset)
    names = [name for name in ("predict", "predict_proba", "decision_function") if hasattr(model, name)]
    calls = [getattr(model, name) for name in names] + [lambda X, **how: model.score(X, y, **how)]
    for call in calls:
        with pytest.warns(
            SeparatrixWarning, match="fit had an offset, and this prediction has none: it is taken as 0"
        ) as told:
            call(X)
        assert len(told) == 1
        assert told[0].filename == __file__
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            call(X, offset=offset)
            call(X, offset=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.fit(X, y).predict(X)


def test_a_prediction_of_a_table_without_the_offset_of_its_fit_warns_too():
    X, y, _, offset = overlapping()
    table = pd.DataFrame({"a": X[:, 0], "y": y, "o": offset})
    model = LogisticRegression().fit(table, target="y", offset="o")
    with pytest.warns(SeparatrixWarning, match="fit had an offset"):
        plain = model.decision_function(table)
    np.testing.assert_array_equal(model.decision_function(table, 0), plain)
    np.testing.assert_allclose(model.decision_function(table, "o"), plain + offset)


def test_the_predictions_of_a_formula_ask_for_the_offset_of_new_rows():
    X, y, _, offset = overlapping()
    fit = logit(y, X, offset=offset)
    with pytest.raises(DataError, match=r"new rows need theirs: give predict\(data, offset=...\), or 0"):
        fit.predict(X)
    assert fit.predict(X, offset=0).shape == y.shape


@pytest.mark.parametrize(
    ("offset", "message"),
    [
        ([1.0, 2.0], r"offset=\[1\.0, 2\.0\] has shape \(2,\), and must have \(3,\): a number for each row\."),
        (np.inf, r"offset\[0\]=inf must be finite"),
        ([[1.0], [1.0, 2.0]], "offset holds lists of different lengths"),
        ([0.0, 1e300, 1.0], r"offset\[1\]=1e\+300 is beyond 1e\+\d\d: beside it x'w \+ b is lost in rounding"),
        (np.zeros((3, 2)), r"offset=\[0\.0, 0\.0, 0\.0, \.\.\.\] has shape \(3, 2\), and must have \(3,\)"),
        ([0.0, np.nan, 1.0], r"offset\[1\]=nan must be finite"),
        ([0.0, 1.0, -np.inf], r"offset\[2\]=-inf must be finite"),
        (["a", "b", "c"], r"offset=\['a', 'b', 'c'\] is of type <U1, and must be numbers of shape \(3,\)"),
        ([1j, 0, 0], r"offset=.* is of type complex128"),
        (np.array([0.0, None, "x"], dtype=object), r"offset=\[0\.0, None, 'x'\] must be numbers"),
    ],
    ids=str,
)
def test_an_offset_without_meaning_is_refused_by_name_and_value(offset, message):
    X = np.array([[0.0], [1.0], [2.0]])
    for model in (LogisticRegression(), LinearRegression()):
        with pytest.raises(ArgumentError, match=message):
            model.fit(X, [0, 1, 0], offset=offset)
        with pytest.raises(ArgumentError, match=message):
            model.fit(X, [0, 1, 0]).predict(X, offset=offset)


def test_several_classes_need_a_column_of_the_offset_for_each():
    X, y, _, offset = three_classes()
    with pytest.raises(ArgumentError, match=r"has shape \(178,\), and must have \(178, 3\): a number for each row and"):
        LogisticRegression().fit(X, y, offset=offset[:, 0])


def test_a_source_without_an_offset_gives_its_blocks_none():
    source = memory_source(np.zeros((3, 1)), np.zeros((3, 1)))
    assert source.add_up(lambda block: block.offset is None)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("C", [1.0, np.inf])
def test_many_columns_find_the_optimum_far_from_where_an_offset_starts_them(C):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2_500, 450))
    y = (X[:, 0] + rng.logistic(size=2_500) > 0).astype(int)
    plain = LogisticRegression(C=C, solver="newton").fit(X, y)
    moved = LogisticRegression(C=C, solver="conjugate-gradient").fit(X, y, offset=np.full(2_500, 500.0))
    np.testing.assert_allclose(moved.coef_, plain.coef_, atol=1e-6)
    assert moved.intercept_ + 500.0 == pytest.approx(plain.intercept_, abs=1e-6)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("solver", ["conjugate-gradient", "newton", "quasi-newton", "auto"])
def test_rows_so_far_out_that_no_probability_moves_are_brought_back(solver):
    X, y, offset = [[0.5], [0.02], [1.0], [-0.05]], [0, 1, 1, 1], [-800.0, -1700.0, -1300.0, -1100.0]
    model = LogisticRegression(solver=solver).fit(X, y, offset=offset)
    assert model.trace_.steps[-1].objective == pytest.approx(224.9712, rel=1e-6)
    assert model.certificate_.gap <= 1e-8


@pytest.mark.parametrize("size", [5.0, 20.0, 80.0, 1000.0])
def test_where_wrong_rows_hold_each_other_no_error_is_claimed_that_is_less_than_the_true_one(size):
    model = LogisticRegression().fit(np.zeros((4, 1)), [0, 1, 0, 1], offset=[size, 0.0, size, 0.0])
    assert abs(model.intercept_[0] + size / 2.0) <= model.certificate_.coef_error[-1, 0]
    assert np.isfinite(model.certificate_.coef_error[-1, 0]) == (size <= 20.0)
