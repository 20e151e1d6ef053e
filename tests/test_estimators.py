"""scikit-learn's door: its own checks, its own optimum, and ours told apart from it."""

import pickle
import re
import warnings
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse
from sklearn import linear_model as peers
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris, load_wine, make_classification
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks
from statsmodels.api import Logit, MNLogit, add_constant
from statsmodels.datasets import anes96, spector

import problems  # noqa: F401 - one thread
import separatrix
from separatrix import FirthLogisticRegression, LinearRegression, LogisticRegression, LogisticRegressionCV
from separatrix.arguments import is_plain
from separatrix.errors import ArgumentError, ConvergenceWarning, SeparationWarning, SeparatrixError, TargetError

SETS = {
    "iris": load_iris,
    "breast_cancer": load_breast_cancer,
    "wine": load_wine,
    "digits": partial(load_digits, n_class=5),  # all ten take Newton's method of scikit-learn long
}


@parametrize_with_checks(
    [LogisticRegression(), LogisticRegression(multi_class="ovr"), LinearRegression(), LinearRegression(alpha=1.0)]
)
def test_scikit_learns_own_checks_pass(estimator, check):
    check(estimator)


def peer(**parameters: Any) -> peers.LogisticRegression:
    """scikit-learn's logistic regression, at its optimum to rounding."""
    return peers.LogisticRegression(**{"solver": "newton-cholesky", "tol": 1e-14, "max_iter": 1000} | parameters)


def fit_quietly(model: Any, *args: Any, **kwargs: Any) -> Any:
    """For a peer, which warns where its line search can go no lower."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(*args, **kwargs)


def assert_same_coefficients(ours: LogisticRegression, theirs: Any, tol: float = 1e-6) -> None:
    """Within `tol` of the largest coefficient; softmax classes are compared up to what they have in common."""
    K = len(ours.classes_)
    centred = [m.coef_ - m.coef_.mean(axis=0) * (K > 2) for m in (ours, theirs)]
    intercepts = [m.intercept_ - m.intercept_.mean() * (K > 2) for m in (ours, theirs)]
    np.testing.assert_allclose(*centred, atol=tol * np.abs(centred[1]).max())
    np.testing.assert_allclose(*intercepts, atol=tol * max(1.0, np.abs(intercepts[1]).max()))


@pytest.mark.parametrize("C", [0.01, 1.0, 100.0])
@pytest.mark.parametrize("name", SETS)
def test_coefficients_are_scikit_learns_where_it_has_converged(name, C):
    X, y = SETS[name](return_X_y=True)
    ours, theirs = LogisticRegression(C=C).fit(X, y), fit_quietly(peer(C=C), X, y)
    assert_same_coefficients(ours, theirs)
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-6)
    np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))


@pytest.mark.parametrize("name", ["iris", "breast_cancer", "wine"])
@pytest.mark.parametrize(
    "settings",
    [
        {"fit_intercept": False},
        {"class_weight": "balanced"},
        {"class_weight": {0: 3.0, 1: 0.5}},
        {"class_weight": "balanced", "C": 10.0, "fit_intercept": False},
    ],
    ids=str,
)
def test_every_way_to_weight_a_class_and_to_leave_out_the_intercept_means_what_it_means_to_scikit_learn(name, settings):
    X, y = SETS[name](return_X_y=True)
    weight = np.random.default_rng(0).uniform(0.0, 2.0, len(y))
    weight[::7] = 0.0
    ours = LogisticRegression(**settings).fit(X, y, sample_weight=weight)
    assert_same_coefficients(ours, fit_quietly(peer(**settings), X, y, sample_weight=weight))


def test_one_vs_rest_is_one_binary_fit_for_each_class():
    X, y = load_iris(return_X_y=True)
    ours = LogisticRegression(multi_class="ovr").fit(X, y)
    theirs = OneVsRestClassifier(peer()).fit(X, y)
    np.testing.assert_allclose(ours.coef_, np.vstack([m.coef_ for m in theirs.estimators_]), atol=1e-6)
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-7)
    np.testing.assert_allclose(np.exp(ours.predict_log_proba(X)), ours.predict_proba(X), rtol=1e-12)
    assert len(ours.trace_) == len(ours.certificate_) == len(ours.n_iter_) == 3


def test_the_certified_gap_is_kept_and_traced():
    X, y = load_breast_cancer(return_X_y=True)
    model = LogisticRegression(tol=1e-10).fit(X, y)
    assert 0 < model.certificate_.gap <= 1e-10
    losses, objective = model.trace_.column("loss"), model.trace_.column("objective")
    assert len(losses) == model.n_iter_[0] + 1
    assert losses[0] == pytest.approx(np.log(2))
    assert np.all(np.diff(objective) <= 1e-15)
    assert np.all(np.diff(model.trace_.column("passes")) > 0)
    assert np.all(np.diff(model.trace_.column("seconds")) >= 0)
    assert model.trace_.column("gap")[-1] < 1e-10
    assert model.trace_.passes >= model.trace_.column("passes")[-1]


def test_far_predictions_keep_their_logarithm():
    X, y = np.array([[-1.0], [1.0], [-0.9], [0.9], [0.1], [-0.1]]), [0, 1, 0, 1, 0, 1]
    model = LogisticRegression().fit(X, y)
    far = np.array([[1e6]])
    assert model.predict_proba(far)[0, 0] == 0.0
    assert model.predict_log_proba(far)[0, 0] == pytest.approx(-model.decision_function(far)[0])
    assert model.predict_proba(far).sum() == 1.0


def test_columns_of_a_data_frame_are_remembered_and_checked():
    X, y = load_iris(return_X_y=True, as_frame=True)
    plain = LogisticRegression().fit(X.to_numpy(), y)
    for frame in (X, pl.from_pandas(X)):
        model = LogisticRegression().fit(frame, y)
        assert list(model.feature_names_in_) == list(X.columns)
        np.testing.assert_allclose(model.coef_, plain.coef_, rtol=1e-9)
        np.testing.assert_array_equal(LinearRegression().fit(frame, y).feature_names_in_, X.columns)
    with pytest.raises(ValueError, match="feature names"):
        LogisticRegression().fit(X, y).predict(X.rename(columns={"petal width (cm)": "width"}))


def test_labels_in_a_series_are_labels():
    X, y = load_iris(return_X_y=True)
    names = load_iris().target_names[y]
    for labels in (pd.Series(names), pl.Series(names), list(names)):
        np.testing.assert_array_equal(LogisticRegression().fit(X, labels).classes_, load_iris().target_names)


def test_it_works_in_a_pipeline_and_a_grid_search():
    X, y = load_breast_cancer(return_X_y=True)
    pipeline = make_pipeline(StandardScaler(), LogisticRegression())
    search = GridSearchCV(pipeline, {"logisticregression__C": [1e-3, 1.0]}, cv=3, scoring="neg_log_loss").fit(X, y)
    assert search.best_params_ == {"logisticregression__C": 1.0}
    assert search.best_estimator_.score(X, y) > 0.97


@pytest.mark.parametrize("model", [LogisticRegression(C=3.0), LinearRegression(alpha=2.0)])
def test_a_model_survives_pickling_and_cloning(model):
    X, y = load_iris(return_X_y=True)
    fitted = clone(model).fit(X, y)
    back = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(back.predict(X), fitted.predict(X))
    assert back.certificate_.gap == fitted.certificate_.gap
    assert clone(fitted).get_params() == model.get_params()
    assert not hasattr(clone(fitted), "coef_")


def test_a_warm_start_goes_on_from_the_last_fit():
    X, y = load_breast_cancer(return_X_y=True)
    model = LogisticRegression(warm_start=True).fit(X, y)
    cold = model.n_iter_[0]
    assert model.fit(X, y).n_iter_[0] <= 1 < cold
    assert model.set_params(C=1.1).fit(X, y).n_iter_[0] < cold
    assert model.fit(X[:, :5], y).coef_.shape == (1, 5)  # no start fits: from zero


def test_no_penalty_on_separable_classes_warns_with_a_remedy():
    X, y = load_iris(return_X_y=True)
    with pytest.warns(
        SeparationWarning, match=r"no finite fit exists.*Use FirthLogisticRegression, or a finite C\."
    ) as caught:
        model = LogisticRegression(C=np.inf).fit(X[:, :2], y == 0)
    assert caught[0].filename == __file__
    assert model.score(X[:, :2], y == 0) == 1.0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        LogisticRegression(C=1e6).fit(X[:, :2], y == 0)


def test_too_few_iterations_warn_with_the_gap():
    X, y = load_digits(return_X_y=True)
    with pytest.warns(ConvergenceWarning, match=r"stopped after 3 iterations, at most \d\.\de-?\d+ above") as caught:
        model = LogisticRegression(max_iter=3).fit(X, y)
    assert f"{model.certificate_.gap:.1e}" in str(caught[0].message)
    assert caught[0].filename == __file__
    assert model.n_iter_[0] == 3


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"C": 0}, "C=0 must be a number above 0, or inf"),
        ({"C": -1.0}, r"C=-1\.0 must"),
        ({"C": "1"}, "C='1' must"),
        ({"C": np.nan}, "C=nan must"),
        ({"C": True}, "C=True must"),
        ({"tol": 0.0}, r"tol=0\.0 must be a number above 0"),
        ({"tol": np.inf}, "tol=inf must"),
        ({"max_iter": 0}, "max_iter=0 must be a number at least 1"),
        ({"max_iter": None}, "max_iter=None must"),
        ({"max_iter": 2.5}, r"max_iter=2\.5 must be a whole number"),
        ({"l1_ratio": 1.5}, r"l1_ratio=1\.5 must be at most 1"),
        ({"l1_ratio": -0.1}, r"l1_ratio=-0\.1 must be a number at least 0"),
        ({"l1_ratio": 0.5, "solver": "newton"}, "solver='newton' cannot minimise an L1 penalty. Use 'auto'"),
        ({"multi_class": "crammer"}, "multi_class='crammer' must be one of auto, multinomial, ovr"),
        ({"solver": "sgd"}, "solver='sgd' is no solver. Use one of: auto"),
        ({"fit_intercept": "yes"}, "fit_intercept='yes' must be True or False"),
        ({"warm_start": None}, "warm_start=None must be True or False"),
    ],
    ids=str,
)
def test_parameters_without_meaning_are_refused_by_name(setting, message):
    with pytest.raises(ArgumentError, match=message):
        LogisticRegression(**setting).fit([[0.0], [1.0], [2.0]], [0, 1, 0])


@pytest.mark.parametrize("alpha", [-1.0, np.nan, np.inf, "1", None])
def test_a_ridge_without_meaning_is_refused_by_name(alpha):
    with pytest.raises(ArgumentError, match=f"alpha={alpha!r} must be a number at least 0"):
        LinearRegression(alpha=alpha).fit([[0.0], [1.0]], [0.0, 1.0])


@pytest.mark.parametrize("Model", [LogisticRegression, LinearRegression])
@pytest.mark.parametrize("hole", [np.nan, np.inf])
def test_a_hole_in_X_is_refused(Model, hole):
    with pytest.raises(ValueError, match=r"X\[1, 0\] is (NaN|inf): leave the row out, or fill the gap"):
        Model().fit([[0.0], [hole], [2.0]], [0, 1, 0])


@pytest.mark.parametrize("Model", [LogisticRegression, LinearRegression])
@pytest.mark.parametrize(
    ("weight", "message"),
    [
        ([1.0, np.nan, 1.0], r"sample_weight\[1\]=nan must be finite"),
        ([1.0, 1.0, np.inf], r"sample_weight\[2\]=inf must be finite"),
        ([1.0, -2.0, 1.0], r"sample_weight\[1\]=-2 must be at least 0"),
        ([0.0, 0.0, 0.0], r"sample_weight=\[0\.0, 0\.0, 0\.0\] is zero in every row"),
        (0.0, r"sample_weight=.* is zero in every row"),
        ([1.0, 2.0], r"sample_weight=\[1\.0, 2\.0\] has shape \(2,\), and must have \(3,\)"),
        (["a", "b", "c"], r"sample_weight=\['a', 'b', 'c'\] is of type <U1"),
    ],
    ids=str,
)
def test_weights_without_meaning_are_refused_by_name_and_value(Model, weight, message):
    with pytest.raises(ArgumentError, match=message):
        Model().fit([[0.0], [1.0], [2.0]], [0, 1, 0], sample_weight=weight)


def test_a_single_weight_is_that_of_every_row():
    X, y = load_diabetes(return_X_y=True)
    same, each = (LinearRegression(alpha=1.0).fit(X, y, weight) for weight in (2, np.full(len(y), 2.0)))
    np.testing.assert_array_equal(same.coef_, each.coef_)


@pytest.mark.parametrize(("y", "weight"), [([1, 1, 1], None), ([0, 1, 1], [0.0, 1.0, 1.0])])
def test_one_class_is_nothing_to_tell_apart(y, weight):
    with pytest.raises(TargetError, match="nothing to tell apart"):
        LogisticRegression().fit([[0.0], [1.0], [2.0]], y, sample_weight=weight)


def test_everything_it_refuses_is_also_a_separatrix_error():
    with pytest.raises(SeparatrixError):
        separatrix.LogisticRegression(C=0).fit([[0.0], [1.0]], [0, 1])


@pytest.mark.parametrize("model", [LogisticRegression, LogisticRegressionCV])
def test_a_class_weight_of_which_rows_weigh_too_much_in_all_is_refused_by_name(model):
    with pytest.raises(ArgumentError, match="class_weight"):
        model(class_weight={0: 1e308}).fit(np.arange(20.0)[:, None], np.arange(20) % 2)


@pytest.mark.parametrize("model", [LogisticRegression, LogisticRegressionCV])
@pytest.mark.parametrize("first", [0.0, 1.0])
def test_a_class_weight_that_leaves_one_class_or_none_is_refused_by_name_and_value(model, first):
    told = {0: first, 1: 0.0}
    with pytest.raises(ArgumentError, match=re.escape(f"class_weight={told} leaves no two classes")):
        model(class_weight=told).fit(np.arange(20.0)[:, None], np.arange(20) % 2)


def test_a_class_weight_that_leaves_one_class_of_a_table_is_refused():
    table = pd.DataFrame({"x": np.arange(20.0), "y": np.arange(20) % 2})
    with pytest.raises(ArgumentError, match="leaves no two classes"):
        LogisticRegression(class_weight={0: 0.0}).fit(table, target="y")


def test_logit_agrees_with_statsmodels_on_spectors_students():
    data = spector.load()
    X = data.exog.to_numpy(dtype=float)
    theirs = Logit(data.endog, add_constant(X)).fit(disp=0, method="newton", tol=1e-14, maxiter=200)
    ours = LogisticRegression(C=np.inf, tol=1e-12).fit(X, data.endog)
    np.testing.assert_allclose(np.append(ours.intercept_, ours.coef_), theirs.params, rtol=1e-8)
    assert -ours.trace_.steps[-1].loss * len(X) == pytest.approx(theirs.llf, rel=1e-12)


def test_multinomial_logit_agrees_with_statsmodels_on_the_election_study():
    data = anes96.load()
    X, y = data.exog.to_numpy(dtype=float), data.endog.to_numpy().astype(int)
    theirs = MNLogit(y, add_constant(X)).fit(disp=0, method="newton", tol=1e-14, maxiter=200).params
    ours = LogisticRegression(C=np.inf, tol=1e-12).fit(X, y)
    table = np.column_stack([ours.intercept_, ours.coef_])
    np.testing.assert_allclose((table[1:] - table[0]).T, theirs, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_linear_regression_is_scikit_learns(fit_intercept):
    X, y = load_diabetes(return_X_y=True)
    weight = np.random.default_rng(0).uniform(0.1, 2.0, len(y))
    pairs = [
        (LinearRegression(fit_intercept=fit_intercept), peers.LinearRegression(fit_intercept=fit_intercept)),
        (LinearRegression(alpha=0.7, fit_intercept=fit_intercept), peers.Ridge(0.7, fit_intercept=fit_intercept)),
    ]
    for ours, theirs in pairs:
        for target in (y, np.column_stack([y, y**2])):
            ours.fit(X, target, sample_weight=weight)
            theirs.fit(X, target, sample_weight=weight)
            np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=1e-8)
            np.testing.assert_allclose(ours.intercept_, theirs.intercept_, rtol=1e-8)
            np.testing.assert_allclose(ours.predict(X), theirs.predict(X), rtol=1e-8)
            assert np.shape(ours.coef_) == np.shape(theirs.coef_)
            assert np.shape(ours.intercept_) == np.shape(theirs.intercept_) or not fit_intercept
    assert ours.rank_ == 10


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("value", [7e7, 1.7e12, 1.7e18])
@pytest.mark.parametrize("parameters", [{}, {"C": np.inf}, {"l1_ratio": 1.0}, {"solver": "conjugate-gradient"}])
def test_a_large_constant_column_changes_nothing(parameters, value):
    X, y = load_breast_cancer(return_X_y=True)
    X = StandardScaler().fit_transform(X[:, :3])
    wide = np.column_stack([X, np.full(len(y), value)])
    expected = LogisticRegression(**parameters).fit(X, y).predict_proba(X)
    model = LogisticRegression(**parameters).fit(wide, y)
    assert model.certificate_.gap <= 1e-8
    np.testing.assert_allclose(model.predict_proba(wide), expected, atol=1e-9)


@pytest.mark.parametrize("solver", ["auto", "newton", "conjugate-gradient"])
@pytest.mark.parametrize("C", [1.0, np.inf])
@pytest.mark.filterwarnings("error")
def test_a_warm_start_after_the_columns_have_changed_their_units_arrives_too(C, solver):
    X, y = load_breast_cancer(return_X_y=True)
    X, y = StandardScaler().fit_transform(X[:, :3]), y + (X[:, 0] > 20)
    for rows in (y < 2, y < 3):
        warm = LogisticRegression(C=C, solver=solver, warm_start=True).fit(X[rows], y[rows])
        for factor in (1e6, 1e-6):
            warm.fit(factor * X[rows], y[rows])
            cold = LogisticRegression(C=C, solver=solver).fit(factor * X[rows], y[rows])
            found, expected = (model.predict_proba(factor * X[rows]) for model in (warm, cold))
            np.testing.assert_allclose(found, expected, atol=1e-7)


def test_ten_times_more_columns_than_rows_are_fitted_too():
    X, y = make_classification(60, 600, n_informative=20, random_state=0)
    assert_same_coefficients(LogisticRegression(C=0.1).fit(X, y), peer(C=0.1, solver="lbfgs").fit(X, y), tol=1e-6)


def test_a_constant_column_beside_the_intercept_gets_nothing():
    X, y = load_breast_cancer(return_X_y=True)
    X = StandardScaler().fit_transform(X[:, :3])
    padded = np.column_stack([X, np.full(len(y), 7.0)])
    for C in (1.0, np.inf):
        plain, wide = LogisticRegression(C=C).fit(X, y), LogisticRegression(C=C).fit(padded, y)
        np.testing.assert_allclose(wide.coef_[:, :3], plain.coef_, rtol=1e-6)
        np.testing.assert_allclose(wide.predict_proba(padded), plain.predict_proba(X), atol=1e-7)


def test_a_column_given_twice_changes_no_prediction():
    X, y = load_breast_cancer(return_X_y=True)
    X = StandardScaler().fit_transform(X[:, :3])
    twice = np.column_stack([X, X[:, 0]])
    plain, wide = LogisticRegression(C=np.inf).fit(X, y), LogisticRegression(C=np.inf).fit(twice, y)
    np.testing.assert_allclose(wide.predict_proba(twice), plain.predict_proba(X), atol=1e-6)
    assert wide.certificate_.gap <= 1e-8


def test_seconds_since_1970_and_fractions_of_a_cent_are_fitted_alike():
    X, y = load_breast_cancer(return_X_y=True)
    X = StandardScaler().fit_transform(X[:, :3])
    units = np.array([1.0, 1e7, 1e-7])
    plain = LogisticRegression(C=np.inf).fit(X, y)
    far = LogisticRegression(C=np.inf).fit(X * units + [0.0, 1.7e9, 0.0], y)
    np.testing.assert_allclose(far.coef_ * units, plain.coef_, rtol=1e-6)


def test_labels_at_both_ends_of_a_small_integer_type_are_told_apart():
    y = np.array([-100, 100] * 10, dtype=np.int8)
    model = LogisticRegression().fit(np.where(y > 0, 1.0, -1.0)[:, None], y)
    assert model.classes_.tolist() == [-100, 100]
    assert model.classes_.dtype == np.int8
    assert model.score(np.array([[1.0], [-1.0]]), [100, -100]) == 1.0


def test_arrays_that_need_no_check_are_fitted_as_lists_are():
    X, y = load_iris(return_X_y=True, as_frame=True)
    model = LogisticRegression().fit(X, y)
    assert hasattr(model, "feature_names_in_")
    model.fit(X.to_numpy(), y.to_numpy())
    assert model.n_features_in_ == 4
    assert not hasattr(model, "feature_names_in_")
    np.testing.assert_array_equal(model.coef_, LogisticRegression().fit(X.to_numpy().tolist(), y.tolist()).coef_)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e308])
def test_a_double_that_is_not_finite_or_too_large_is_named(value):
    with pytest.raises(SeparatrixError, match=r"X\[1, 0\]"):
        LogisticRegression().fit(np.array([[1.0], [value]]), np.array([0, 1]))


@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize("order", ["C", "F"])
def test_a_gap_in_the_last_row_of_a_large_array_is_named(n_threads, order):
    X = np.zeros((2**18, 9), order=order)
    X[-1, 3] = np.nan
    y = np.arange(len(X)) % 2
    with pytest.raises(SeparatrixError, match=r"X\[262143, 3\] is NaN"):
        LogisticRegression(n_threads=n_threads).fit(X, y)


@pytest.mark.parametrize(
    ("X", "y", "plain"),
    [
        ([[1.0], [2.0]], [0, 1], True),
        ([[1.0], [2.0]], [0], False),
        ([[1.0], [2.0]], [0.0, 1.0], False),
        ([[1.0], [2.0]], [[0], [1]], False),
        ([[1], [2]], [0, 1], False),
        ([1.0, 2.0], [0, 1], False),
        ([[], []], [0, 1], False),
    ],
    ids=str,
)
def test_only_doubles_with_a_whole_number_for_each_row_need_no_check_of_their_types(X, y, plain):
    assert is_plain(np.array(X), np.array(y)) is plain
    assert not is_plain(X, y)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({0: -1}, r"class_weight\[0\]=-1 must be a number at least 0"),
        ({0: np.nan, 1: 1.0}, r"class_weight\[0\]=nan must be"),
        ({0: 1.0, 1: np.inf}, r"class_weight\[1\]=inf must be"),
        ({0: "a"}, r"class_weight\[0\]='a' must be"),
        ([1, 2], r"class_weight=\[1, 2\] must be a dict of weights, 'balanced' or None"),
        ("foo", "class_weight='foo' must be a dict"),
    ],
    ids=str,
)
@pytest.mark.parametrize("estimator", [LogisticRegression, separatrix.LogisticRegressionCV])
def test_a_weight_of_a_class_that_is_none_is_named(estimator, given, told):
    X, y = load_breast_cancer(return_X_y=True)
    with pytest.raises(ArgumentError, match=told):
        estimator(class_weight=given).fit(X, y)


@pytest.mark.filterwarnings("ignore:every row of class 2 weighs nothing")
@pytest.mark.parametrize("estimator", [LogisticRegression(), LogisticRegressionCV(Cs=2)])
def test_weights_of_classes_may_name_one_whose_rows_all_weigh_nothing(estimator):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 3)), np.arange(60) % 3
    weight = np.where(y == 2, 0.0, 1.0)
    weighed = clone(estimator).set_params(class_weight={0: 2.0, 2: 3.0}).fit(X, y, weight)
    by_hand = clone(estimator).fit(X, y, weight * np.where(y == 0, 2.0, 1.0))
    np.testing.assert_allclose(weighed.coef_, by_hand.coef_, rtol=1e-6)


def test_classes_that_are_dates_are_weighed_by_dates_of_numpy_and_of_python():
    rng = np.random.default_rng(0)
    X, first = rng.normal(size=(60, 3)), np.datetime64("2020-01-01")
    y = first + rng.integers(2, size=60)
    by_hand = LogisticRegression().fit(X, y, np.where(y == first, 2.0, 1.0))
    for label in (first, first.item()):
        weighed = LogisticRegression(class_weight={label: 2.0}).fit(X, y)
        np.testing.assert_allclose(weighed.coef_, by_hand.coef_, rtol=1e-6)


def test_cross_validation_names_the_weight_that_is_none():
    X, y = load_breast_cancer(return_X_y=True)
    with pytest.raises(ArgumentError, match=r"sample_weight\[3\]=-1 must be at least 0"):
        separatrix.LogisticRegressionCV().fit(X, y, sample_weight=np.where(np.arange(len(y)) == 3, -1.0, 1.0))


@pytest.mark.parametrize("estimator", [LogisticRegression(), LogisticRegressionCV(Cs=2), FirthLogisticRegression()])
def test_a_fit_that_is_refused_leaves_the_estimator_as_it_was(estimator):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 3)), np.array(["no", "yes"])[rng.integers(2, size=60)]
    model = clone(estimator).fit(X, y)
    before = model.predict(X)
    with pytest.raises(ValueError, match="sample_weight"):
        model.fit(X[:, :2], np.array(["cat", "cow", "dog"])[np.arange(60) % 3], sample_weight=-np.ones(60))
    assert model.n_features_in_ == 3
    np.testing.assert_array_equal(model.predict(X), before)


@pytest.mark.parametrize("how", [{}, {"l1_ratio": 1.0}, {"C": np.inf, "fit_intercept": False}])
@pytest.mark.parametrize("form", ["csr", "csc", "coo"])
def test_entries_of_a_sparse_matrix_that_share_a_place_are_added_up(form, how):
    """As counts of words are when each word is an entry of its own."""
    rng = np.random.default_rng(0)
    row, place = np.sort(rng.integers(300, size=12_000)), rng.integers(20, size=12_000)
    ends = np.searchsorted(row, np.arange(301))  # rows of all lengths, or an L1 part has more than one optimum
    apart = sparse.csr_array((np.ones(12_000), place[np.lexsort((place, row))], ends), shape=(300, 20))
    y = (apart @ rng.normal(size=20) + 3 * rng.logistic(size=300) > 0).astype(int)
    given = apart.asformat(form)
    found, dense = LogisticRegression(**how).fit(given, y), LogisticRegression(**how).fit(apart.toarray(), y)
    np.testing.assert_allclose(found.coef_, dense.coef_, atol=1e-7)
    assert len(found.trace_.steps) <= len(dense.trace_.steps) + 5
    assert given.nnz == 300 * 40  # nothing was done to what is given


@pytest.mark.parametrize("C", [1e200, 1e300])
def test_a_penalty_next_to_nothing_is_one_where_columns_outnumber_rows(C):
    rng = np.random.default_rng(0)
    model = LogisticRegression(C=C).fit(rng.normal(size=(50, 60)), rng.integers(2, size=50))
    assert np.isfinite(model.coef_).all()
    assert model.certificate_.gap <= 1e-8


@pytest.mark.parametrize("offset", [0.0, 1e6, 1e9])
def test_the_bound_on_probabilities_knows_what_rounding_of_far_columns_does(offset):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 2)) + np.array([offset, 0])
    y = (X[:, 0] - offset + rng.logistic(size=60) > 0).astype(int)
    model, exact = LogisticRegression().fit(X, y), LogisticRegression(tol=1e-13).fit(X - [offset, 0], y)
    off = np.abs(model.predict_proba(X) - exact.predict_proba(X - [offset, 0])).max()
    assert off <= model.certificate_.probability_error + exact.certificate_.probability_error


@pytest.mark.parametrize(
    ("y", "says"),
    [
        (np.ma.array([1.0, 2.0, 4.0], mask=[True, False, False]), "y is missing in row 0"),
        ([1.0, 2.0, 1e300], r"y\[2\]=1e\+300 is beyond 1e\+90"),
        (np.arange(3).astype("datetime64[D]"), "times are no numbers"),
        (["a", "b", "c"], "y\\[0\\]='a' is no number"),
    ],
)
def test_a_score_takes_the_numbers_that_a_fit_takes(y, says):
    model = LinearRegression().fit([[1.0], [2.0], [4.0]], [1.0, 2.0, 4.0])
    with pytest.raises(TargetError, match=says):
        model.score([[1.0], [2.0], [4.0]], y)
