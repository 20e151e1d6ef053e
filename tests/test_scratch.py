"""The tutorial's classes: they do what the tutorial says, and say so when they cannot."""

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array
from sklearn.datasets import load_iris

from problems import make_problem, solve
from seldom import seldom
from separatrix.errors import (
    ArgumentError,
    CellError,
    ConvergenceWarning,
    DivergenceError,
    NotFittedError,
    SeparationWarning,
    TargetError,
)
from separatrix.scratch import LinearRegression, LogisticRegression, SoftmaxRegression, largest_safe_rate

X_TWO = np.array([[0.0, 1.0], [1.0, 0.5], [2.0, -1.0], [3.0, 0.0], [1.5, 0.2], [1.2, 1.5]])
Y_TWO = np.array([0, 1, 1, 0, 1, 1])  # no line has them apart
MODELS = [LogisticRegression, SoftmaxRegression, LinearRegression]


@pytest.fixture(scope="module")
def tutorial() -> tuple[Any, np.ndarray, np.ndarray, list[warnings.WarningMessage]]:
    """The tutorial's call, and what it warned of."""
    iris = load_iris()
    X = iris.data[:, :2]
    y = (iris.target != 0) * 1
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = LogisticRegression(learning_rate=0.1, num_iterations=300000)
        model.fit(X, y)
    return model, X, y, caught


def test_the_tutorials_call_predicts_every_flower(tutorial):
    model, X, y, _ = tutorial
    preds = model.predict(X)
    assert (preds == y).mean() == 1.0


def test_the_tutorials_call_warns_once_that_its_classes_are_separable(tutorial):
    *_, caught = tutorial
    assert [warning.category for warning in caught] == [SeparationWarning]
    assert "depends on num_iterations" in str(caught[0].message)
    assert caught[0].filename == __file__


def test_there_is_a_loss_for_each_iteration_and_each_is_below_the_one_before(tutorial):
    model, X, _, _ = tutorial
    assert model.losses_.shape == (300000,)
    assert model.losses_[0] == pytest.approx(np.log(2))
    assert np.all(np.diff(model.losses_) < 0)
    assert model.learning_rate < largest_safe_rate(np.column_stack([X, np.ones(150)]), 0.25)


def test_the_kept_losses_and_weights_are_those_of_the_plain_loop():
    rng = np.random.default_rng(1)
    X, y = rng.normal(size=(20, 2)), np.arange(20) % 2
    t = 2.0 * y - 1
    w, b, losses = np.zeros(2), 0.0, []
    for _ in range(3000):  # more than one stretch of the path
        p_wrong = 1 / (1 + np.exp(t * (X @ w + b)))
        losses.append(np.log(1 + np.exp(-t * (X @ w + b))).mean())
        w, b = w + 0.2 * (t * p_wrong) @ X / len(X), b + 0.2 * (t * p_wrong).mean()
    model = LogisticRegression(0.2, 3000).fit(X, y)
    np.testing.assert_allclose(model.weights_, w, rtol=1e-11)
    assert model.bias_ == pytest.approx(b, rel=1e-11)
    np.testing.assert_allclose(model.losses_, losses, rtol=1e-11)


@pytest.mark.parametrize("labels", [(-1, 1), (0, 1), (1, 2), ("no", "yes"), (False, True), (0.5, 2.5)])
def test_any_two_labels_give_the_same_plane_and_come_back_as_they_were(labels):
    plain = LogisticRegression(0.1, 500).fit(X_TWO, Y_TWO)
    y = np.array(labels)[Y_TWO]
    model = LogisticRegression(0.1, 500).fit(X_TWO, y)
    np.testing.assert_array_equal(model.weights_, plain.weights_)
    np.testing.assert_array_equal(model.classes_, labels)
    np.testing.assert_array_equal(model.predict(X_TWO), np.array(labels)[plain.predict(X_TWO)])
    assert model.predict(X_TWO).dtype == y.dtype


@pytest.mark.parametrize("Model", MODELS)
def test_without_an_intercept_the_bias_is_zero_and_the_plane_goes_through_the_origin(Model):
    model = Model(0.05, 200, fit_intercept=False).fit(X_TWO, Y_TWO)
    assert np.all(model.bias_ == 0)
    eta = model.predict if Model is LinearRegression else model.decision_function
    np.testing.assert_array_equal(eta(np.zeros((1, 2))).ravel(), np.zeros(model.weights_[0].size))
    assert len(model.weights_) == 2


def test_the_distance_is_that_to_the_nearest_point_of_the_plane():
    model = LogisticRegression(0.1, 500).fit(X_TWO, Y_TWO)
    w, b = model.weights_, model.bias_
    along = np.array([-w[1], w[0]])
    plane = -b * w / (w @ w) + np.linspace(-20, 20, 200001)[:, None] * along
    for x, distance in zip(X_TWO, model.distance(X_TWO), strict=True):
        assert abs(distance) == pytest.approx(np.linalg.norm(plane - x, axis=1).min(), abs=1e-6)
    np.testing.assert_array_equal(np.sign(model.distance(X_TWO)), np.sign(model.decision_function(X_TWO)))


def test_softmax_has_a_distance_from_the_plane_of_each_class():
    model = SoftmaxRegression(0.1, 200).fit(X_TWO, [0, 1, 2, 0, 1, 2])
    lengths = np.linalg.norm(model.weights_, axis=0)
    np.testing.assert_allclose(model.distance(X_TWO) * lengths, model.decision_function(X_TWO), rtol=1e-12)


@pytest.mark.parametrize("Model", [LogisticRegression, SoftmaxRegression])
def test_probabilities_sum_to_one_and_the_largest_is_predicted(Model):
    model = Model(0.1, 300).fit(X_TWO, Y_TWO)
    p = model.predict_proba(X_TWO)
    np.testing.assert_allclose(p.sum(axis=1), 1.0, rtol=1e-15)
    np.testing.assert_array_equal(model.classes_[p.argmax(axis=1)], model.predict(X_TWO))


@pytest.mark.parametrize("Model", MODELS)
def test_a_rate_that_is_too_large_names_the_safe_rate_and_that_rate_converges(Model):
    X, y = X_TWO * 30, Y_TWO
    with pytest.raises(DivergenceError, match=r"learning_rate=5000 is too large.*largest safe rate") as raised:
        Model(5000.0, 2000).fit(X, y)
    safe = float(str(raised.value).split("largest safe rate for this data is ")[1].split(";")[0])
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        model = Model(0.99 * safe, 2000).fit(X, y)
    assert np.all(np.diff(model.losses_) <= 1e-15)
    assert model.losses_[-1] < model.losses_[0]


def test_twice_the_safe_rate_diverges_for_the_squared_loss_as_the_bound_is_exact_there():
    safe = largest_safe_rate(np.column_stack([X_TWO, np.ones(6)]), 1.0)
    LinearRegression(0.999 * safe, 3000).fit(X_TWO, Y_TWO)
    with pytest.raises(DivergenceError):
        LinearRegression(1.01 * safe, 3000).fit(X_TWO, Y_TWO)


def test_a_loss_that_swings_is_warned_of():
    X, y = np.array([[-3.0], [-2.0], [-1.0], [1.0], [2.0], [3.0]]), np.array([0, 0, 1, 0, 1, 1])
    with pytest.warns(ConvergenceWarning, match="went up and down .* largest safe rate for this data is 1.714"):
        model = LogisticRegression(5.0, 50).fit(X, y)
    assert model.losses_.min() < model.losses_[-1] < model.losses_[0]


@pytest.mark.parametrize("seed", [2, 14, 17, 22])
def test_a_loss_that_only_rounding_moves_is_not_warned_of(seed):
    rng = np.random.default_rng(seed)
    X = rng.uniform(size=(20, 1))
    y = rng.uniform(-3, 3) * X[:, 0] + rng.uniform(-3, 3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = LinearRegression(0.4 * largest_safe_rate(np.column_stack([X, np.ones(20)]), 1.0), 3000).fit(X, y)
    assert model.losses_[-1] < 1e-28


@pytest.mark.parametrize("K", [2, 3])
def test_gradient_descent_walks_to_the_engines_optimum(K):
    # Weights as copies, for these models know no weights.
    weighted = make_problem(7, p=2, K=K, noise=0.4)
    problem = weighted.rows(np.repeat(np.arange(len(weighted.y)), np.ceil(2 * weighted.weight).astype(int)))
    best = solve(replace(problem, weight=np.ones(len(problem.y))))
    model = (LogisticRegression if K == 2 else SoftmaxRegression)(1.0, 5000).fit(problem.X, problem.y)
    np.testing.assert_allclose(model.weights_.T.reshape(best.coefficients.shape), best.coefficients, atol=1e-8)
    np.testing.assert_allclose(np.ravel(model.bias_), best.intercepts, atol=1e-8)
    assert model.losses_[-1] == pytest.approx(best.trace.steps[-1].loss, abs=1e-12)
    assert np.abs(best.coefficients).max() > 0.1


def test_linear_regression_walks_to_the_least_squares_fit():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(30, 3))
    y = X @ [1.0, -2.0, 0.5] + 4 + rng.normal(size=30)
    model = LinearRegression(0.3, 3000).fit(X, y)
    expected, *_ = np.linalg.lstsq(np.column_stack([X, np.ones(30)]), y)
    np.testing.assert_allclose([*model.weights_, model.bias_], expected, atol=1e-10)
    np.testing.assert_allclose(model.predict(X), np.column_stack([X, np.ones(30)]) @ expected, atol=1e-9)


def test_three_separable_classes_are_warned_of_too():
    X = np.array([[0.0, 0.0], [0.1, 0.0], [5.0, 0.0], [5.1, 0.0], [0.0, 5.0], [0.1, 5.0]])
    with pytest.warns(SeparationWarning):
        model = SoftmaxRegression(0.1, 2000).fit(X, ["a", "a", "b", "b", "c", "c"])
    assert list(model.predict(X)) == ["a", "a", "b", "b", "c", "c"]


def test_classes_that_overlap_are_fitted_in_silence():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        LogisticRegression(0.1, 300).fit(X_TWO, Y_TWO)


@pytest.mark.parametrize(
    ("X", "y", "error", "message"),
    [
        ([1.0, 2.0], [0, 1], ArgumentError, r"X has the shape \(2,\).*X\[:, None\]"),
        (np.empty((0, 2)), [], ArgumentError, r"X has the shape \(0, 2\)"),
        ([["a"], ["b"]], [0, 1], CellError, "X must hold real numbers only, text and categories encoded: .*'a'"),
        ([[1j], [2.0]], [0, 1], CellError, "X must hold real numbers only.*complex128"),
        ([[10**400], [1]], [0, 1], CellError, "X must hold real numbers only.*too large"),
        (np.array([["2020"], ["2021"]], "M8[D]"), [0, 1], CellError, r"X must hold real .*datetime64\[D\]"),
        (csr_array([[1.0], [2.0]]), [0, 1], CellError, r"X is a sparse matrix: give X\.toarray\(\)"),
        (np.ma.array([[1.0], [2.0]], mask=[[0], [1]]), [0, 1], CellError, r"X\[1, 0\] is nan"),
        ([[1.0], [np.nan]], [0, 1], CellError, r"X\[1, 0\] is nan"),
        ([[1.0], [np.inf]], [0, 1], CellError, r"X\[1, 0\] is inf"),
        ([[1.0], [2.0]], [0, 1, 1], ArgumentError, r"y has the shape \(3,\), but X has 2 rows"),
        ([[1.0], [2.0]], [[0], [1]], ArgumentError, r"y has the shape \(2, 1\)"),
        ([[1.0], [2.0]], [0.0, np.nan], CellError, r"y\[1\] is nan"),
        ([[1.0], [2.0]], ["a", None], CellError, r"y\[1\] is None"),
        ([[1.0], [2.0]], np.array([0, np.nan], dtype=object), CellError, r"y\[1\] is nan"),
        ([[1.0], [2.0]], np.array(["2020", "NaT"], "M8[D]"), CellError, r"y\[1\] is NaT"),
        ([[1.0], [2.0]], np.ma.array([0, 1], mask=[0, 1]), CellError, r"y\[1\] is nan"),
        ([[1.0], [2.0]], [[1], [1, 2]], ArgumentError, "y holds lists of different lengths"),
        ([[1.0], [2.0]], np.array([1, "a"], dtype=object), TargetError, "y holds int and str: make all labels text"),
        ([[1.0], [2.0]], pd.Series([[1], [0]]), TargetError, "y holds list: make all labels text, or all numbers"),
        ([[1.0], [2.0]], pd.Series([(1,), (0,)]), TargetError, "y holds tuple: make all labels text"),
        ([[1.0], [2.0]], pd.Series([np.eye(2), np.eye(3)]), TargetError, "y holds ndarray: make all labels text"),
        ([[1.0], [2.0]], [1, 1], TargetError, "y has one class, .*1"),
    ],
)
@pytest.mark.parametrize("Model", [LogisticRegression, SoftmaxRegression])
def test_data_that_cannot_be_learned_from_are_refused(Model, X, y, error, message):
    with pytest.raises(error, match=message):
        Model().fit(X, y)


@pytest.mark.parametrize(
    ("Model", "rate", "y", "error"),
    [
        (LogisticRegression, 0.1, [5, 6, 7, 5, 6, 7], TargetError),
        (LogisticRegression, 1e5, Y_TWO + 5, DivergenceError),
        (SoftmaxRegression, 1e5, Y_TWO + 5, DivergenceError),
        (LinearRegression, 1e5, Y_TWO + 5, DivergenceError),
    ],
)
def test_a_fit_that_is_refused_or_diverges_leaves_the_model_as_it_was(Model, rate, y, error):
    model = Model(0.1, 50).fit(X_TWO, Y_TWO)
    model.learning_rate = rate
    before = vars(model).copy()
    with pytest.raises(error):
        model.fit(X_TWO, y)
    assert vars(model).keys() == before.keys()
    assert all(value is before[name] for name, value in vars(model).items())


def test_numbers_whose_squares_are_none_are_not_regressed_on():
    with pytest.raises(TargetError, match="y"):
        LinearRegression(num_iterations=2000).fit(X_TWO, Y_TWO * 1e155)


@pytest.mark.parametrize("Model", MODELS)
def test_columns_whose_squares_are_no_numbers_are_to_be_scaled(Model):
    with pytest.raises(
        DivergenceError, match=r"columns are so large that no rate is small enough: scale them first\.$"
    ):
        Model().fit(X_TWO * 1e200, Y_TWO)
    assert largest_safe_rate(X_TWO * 1e155, 1.0) > 0


def test_three_classes_are_sent_to_softmax_regression():
    with pytest.raises(TargetError, match=r"y has 3 values \(0, 1, 2\): use SoftmaxRegression"):
        LogisticRegression().fit([[1.0], [2.0], [3.0]], [0, 1, 2])


@pytest.mark.parametrize("y", [["low", "high"], np.array([1, "high"], dtype=object), [1j, 2]])
def test_text_is_no_number_to_regress_on(y):
    with pytest.raises(CellError, match=r"y must hold numbers, not \[.*: to learn classes use LogisticRegression"):
        LinearRegression().fit([[1.0], [2.0]], y)


def test_numbers_are_regressed_on_whatever_the_type_of_the_array_that_holds_them():
    plain = LinearRegression(0.1, 100).fit(X_TWO, Y_TWO)
    boxed = LinearRegression(0.1, 100).fit(X_TWO, Y_TWO.astype(object))
    np.testing.assert_array_equal(boxed.weights_, plain.weights_)
    with pytest.raises(CellError, match=r"y\[5\] is nan"):
        LinearRegression().fit(X_TWO, np.ma.masked_equal([0, 0, 0, 0, 0, 1], 1))


@pytest.mark.parametrize("Model", MODELS)
@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"learning_rate": 0.0}, "learning_rate=0.0 must be a number above 0"),
        ({"learning_rate": -1}, "learning_rate=-1 must"),
        ({"learning_rate": np.nan}, "learning_rate=nan must"),
        ({"learning_rate": np.inf}, "learning_rate=inf must"),
        ({"learning_rate": "fast"}, "learning_rate='fast' must"),
        ({"num_iterations": 0}, "num_iterations=0 must be a whole number, at least 1"),
        ({"num_iterations": 2.5}, "num_iterations=2.5 must"),
        ({"num_iterations": None}, "num_iterations=None must"),
        ({"num_iterations": np.inf}, "num_iterations=inf must"),
        ({"num_iterations": 10**15}, "num_iterations=10{15} must be .* at most 1,000,000,000, as the loss of each"),
    ],
)
def test_settings_without_meaning_are_refused_by_name(Model, setting, message):
    with pytest.raises(ArgumentError, match=message):
        Model(**setting).fit(X_TWO, Y_TWO)


@pytest.mark.parametrize("Model", MODELS)
def test_a_model_is_fitted_before_it_is_asked(Model):
    with pytest.raises(NotFittedError, match=r"has learned nothing yet: call fit\(X, y\) first"):
        Model().predict(X_TWO)


@pytest.mark.parametrize("Model", MODELS)
def test_other_columns_than_fit_saw_are_refused(Model):
    model = Model(0.1, 10).fit(X_TWO, Y_TWO)
    with pytest.raises(ArgumentError, match="X has 3 columns, but fit saw 2"):
        model.predict(np.ones((2, 3)))


@pytest.mark.parametrize("Model", MODELS)
@pytest.mark.parametrize("steps", [10, 77, 100, *seldom(5000, 12345)])
def test_verbose_prints_the_loss_ten_times(Model, steps, capsys):
    model = Model(0.01, steps, verbose=True).fit(X_TWO, Y_TWO)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 10
    assert lines[-1].split() == ["iteration", f"{steps:,}", "mean", "loss", f"{model.losses_[-1]:.6g}"]


def test_a_model_shows_its_settings():
    assert repr(LogisticRegression(0.5, 10)) == (
        "LogisticRegression(learning_rate=0.5, num_iterations=10, fit_intercept=True, verbose=False)"
    )
