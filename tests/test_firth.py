"""Firth's estimate: what R prints, its gradient, what it promises under separation, and scikit-learn's conventions."""

import copy
import pickle
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from scipy.optimize import approx_fprime, minimize
from sklearn.datasets import load_iris
from sklearn.utils.estimator_checks import parametrize_with_checks

from firth_sets import Published, endometrial, sex2
from separatrix import FirthLogisticRegression, LogisticRegression, detect_separation
from separatrix.data.memory import memory_source
from separatrix.engine.objective import Objective
from separatrix.equations.losses import LogLoss
from separatrix.equations.penalties import elastic_net
from separatrix.equations.reference import ReferenceLoss
from separatrix.errors import ArgumentError, ConvergenceWarning, NotFittedError
from separatrix.inference import firth as inference
from separatrix.inference.firth import evaluate, firth, hat_values

SETS = [endometrial(), sex2()]
named = pytest.mark.parametrize("published", SETS, ids=["endometrial", "sex2"])


def make_objective(K: int, seed: int = 0, n: int = 40) -> Objective:
    rng = np.random.default_rng(seed)
    X, y, weight = rng.normal(size=(n, 2)), np.arange(n) % K, rng.uniform(0.5, 2.0, n)
    loss, labels = (LogLoss(), y[:, None] * 1.0) if K == 2 else (ReferenceLoss(), y)
    return Objective(memory_source(X, labels, weight), loss, elastic_net(np.zeros(2), 0.0), True)


def log_posterior(X: np.ndarray, y: np.ndarray, weight: np.ndarray, theta: np.ndarray) -> float:
    """l* from its definition, one row at a time."""
    design, K = np.column_stack([X, np.ones(len(X))]), theta.shape[1] + 1
    eta = np.column_stack([np.zeros(len(X)), design @ theta])
    p = np.exp(eta) / np.exp(eta).sum(axis=1, keepdims=True)
    rows = zip(design, p[:, 1:], weight, strict=True)
    information = sum(w * np.kron(np.outer(x, x), np.diag(q) - np.outer(q, q)) for x, q, w in rows)
    assert information.shape == (design.shape[1] * (K - 1),) * 2
    return float(weight @ np.log(p[np.arange(len(y)), y]) + 0.5 * np.linalg.slogdet(information)[1])


@named
def test_estimates_and_profile_intervals_are_those_that_logistf_prints(published: Published):
    model = FirthLogisticRegression().fit(published.X, published.y)
    found = np.append(model.coef_, model.intercept_)
    np.testing.assert_allclose(found, published.estimates, rtol=1e-6)
    np.testing.assert_allclose(model.conf_int()[0], published.intervals, rtol=2e-6)


@named
def test_maximum_likelihood_has_no_answer_where_firth_has_one(published: Published):
    found = detect_separation(pd.DataFrame(published.X, columns=list(published.columns)), published.y)
    infinite = {"NV", "dia"} & set(published.columns)
    assert {name for name, sign in zip(found.columns, found.infinite, strict=True) if sign} == infinite
    assert found.infinite.max() == np.inf
    assert found.infinite_intercept == 0


@named
def test_estimates_likelihood_and_intervals_agree_with_firthmodels(published: Published):
    peer = pytest.importorskip("firthmodels").FirthLogisticRegression(
        backend="numpy", gtol=1e-7, xtol=1e-7, max_iter=200
    )
    peer.fit(published.X, published.y)
    model = FirthLogisticRegression().fit(published.X, published.y)
    np.testing.assert_allclose(model.coef_[0], peer.coef_, rtol=1e-6)
    np.testing.assert_allclose(model.loglik_, peer.loglik_, rtol=1e-10)
    np.testing.assert_allclose(model.conf_int()[0], peer.conf_int(method="pl"), rtol=1e-6)


@named
def test_standard_errors_are_of_the_information_at_the_estimate(published: Published):
    """Not of the one with weights grown by the leverages, W (1 + h), as firthmodels has them."""
    model = FirthLogisticRegression().fit(published.X, published.y)
    design, p = np.column_stack([published.X, np.ones(len(published.y))]), model.predict_proba(published.X)[:, 1]
    information = design.T @ (design * (p * (1 - p))[:, None])
    np.testing.assert_allclose(model.bse_[0], np.sqrt(np.diag(np.linalg.inv(information))), rtol=1e-10)


def test_the_likelihood_ratio_p_value_of_a_column_is_the_published_one():
    """logistf prints 2.504e-05 for EH of the endometrial set, from estimates to six digits."""
    model = FirthLogisticRegression().fit(SETS[0].X, SETS[0].y)
    np.testing.assert_allclose(model.pvalues_[0, 2], 2.505e-5, rtol=2e-3)


def test_a_p_value_is_below_five_percent_exactly_where_the_interval_leaves_zero_out():
    model = FirthLogisticRegression().fit(SETS[1].X, SETS[1].y)
    low, high = model.conf_int()[0].T
    np.testing.assert_array_equal(model.pvalues_[0] < 0.05, (low > 0) | (high < 0))


@pytest.mark.parametrize("K", [2, 3, 4])
def test_the_value_is_the_definition_and_the_score_its_derivative(K):
    objective, theta = make_objective(K), np.random.default_rng(1).normal(size=(3, K - 1))
    source = objective.source
    y = source.y.reshape(-1).astype(int)

    def value(flat):
        return log_posterior(source.X, y, source.weight, flat.reshape(theta.shape))

    at = evaluate(objective, theta)
    np.testing.assert_allclose(at.value, value(theta.ravel()), rtol=1e-12)
    np.testing.assert_allclose(at.score, approx_fprime(theta.ravel(), value, 1e-7), atol=2e-5)


@pytest.mark.parametrize("K", [2, 3])
def test_no_other_point_is_higher_and_leverages_add_up_to_the_coefficients(K):
    objective = make_objective(K, seed=2)
    found = firth(objective, np.zeros((3, K - 1)))
    assert found.converged
    start = found.theta.ravel() + 0.1
    other = minimize(lambda flat: -evaluate(objective, flat.reshape(3, -1)).value, start, method="BFGS")
    np.testing.assert_allclose(other.x.reshape(3, -1), found.theta, atol=1e-4)
    assert -other.fun <= found.at.value + 1e-12
    assert hat_values(objective, found).sum() == pytest.approx(found.theta.size, rel=1e-10)


def test_a_held_coefficient_stays_and_the_others_are_at_their_maximum():
    objective, held = make_objective(3, seed=3), np.zeros((3, 2), bool)
    held[1, 0] = True
    theta = np.where(held, 0.7, 0.0)
    found = firth(objective, theta, held)
    assert found.theta[1, 0] == 0.7
    np.testing.assert_allclose(found.at.score[~held.ravel()], 0.0, atol=1e-7)
    assert abs(found.at.score[2]) > 1e-3


def test_coefficients_are_finite_however_the_classes_are_separated():
    X, y = load_iris(return_X_y=True)
    for labels in (y == 0, y):
        model = FirthLogisticRegression().fit(X, labels)
        assert np.abs(model.coef_).max() < 100
        assert model.score(X, labels) >= 0.97
    six = FirthLogisticRegression().fit([[0], [0], [0], [1], [1], [1]], [0, 0, 0, 1, 1, 1])
    # Of a saturated table Firth's estimate adds half a row to each cell: log odds log(3.5 / 0.5) on either side.
    np.testing.assert_allclose([six.intercept_[0], six.coef_[0, 0]], [-np.log(7), 2 * np.log(7)], rtol=1e-8)


def test_a_saturated_table_of_three_classes_has_half_a_row_more_in_each_cell():
    y = np.repeat([0, 1, 2], [5, 3, 2])
    model = FirthLogisticRegression().fit(np.zeros((10, 1)), y)
    np.testing.assert_allclose(model.predict_proba([[0.0]])[0], np.array([5.5, 3.5, 2.5]) / 11.5, rtol=1e-8)
    assert np.isnan(model.bse_[:, 0]).all()


def test_with_many_rows_it_is_the_ordinary_fit_and_one_over_n():
    rng = np.random.default_rng(4)
    X = rng.normal(size=(20_000, 3))
    y = X @ [1.0, -0.5, 0.0] + rng.logistic(size=20_000) > 0
    plain, small = LogisticRegression(C=np.inf).fit(X, y), LogisticRegression(C=np.inf).fit(X[:500], y[:500])
    gaps = [
        np.abs(FirthLogisticRegression().fit(X[:n], y[:n]).coef_ - fit.coef_).max()
        for n, fit in ((20_000, plain), (500, small))
    ]
    assert gaps[0] < 10 / 20_000
    assert 20 < gaps[1] / gaps[0] < 80  # the rows are 40 times as many


def test_weights_are_copies_and_storage_does_not_matter():
    X, y = SETS[0].X, SETS[0].y
    weight = np.arange(len(y)) % 3
    copies = np.repeat(np.arange(len(y)), weight)
    for correction in (None, "flic", "flac"):
        once = FirthLogisticRegression(correction=correction).fit(X, y, weight)
        often = FirthLogisticRegression(correction=correction).fit(sparse.csr_array(X[copies]), y[copies])
        np.testing.assert_allclose(once.coef_, often.coef_, rtol=1e-7)
        np.testing.assert_allclose(once.intercept_, often.intercept_, rtol=1e-7)
        np.testing.assert_allclose(once.bse_, often.bse_, rtol=1e-7)


@named
@pytest.mark.parametrize("correction", ["flic", "flac"])
def test_the_corrected_intercept_brings_the_mean_probability_to_the_observed_share(published: Published, correction):
    X, y = published.X, published.y
    plain, corrected = FirthLogisticRegression().fit(X, y), FirthLogisticRegression(correction=correction).fit(X, y)
    assert abs(plain.predict_proba(X)[:, 1].mean() - y.mean()) > 1e-3
    np.testing.assert_allclose(corrected.predict_proba(X)[:, 1].mean(), y.mean(), atol=1e-6)
    if correction == "flic":
        np.testing.assert_array_equal(corrected.coef_, plain.coef_)
    else:
        assert np.abs(corrected.coef_ - plain.coef_).max() > 1e-3


@pytest.mark.parametrize("e", [3e-3, 1e-3, 1e-6])
@pytest.mark.parametrize("K", [2, 3])
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array], ids=["dense", "sparse"])
def test_a_column_that_all_but_repeats_another_is_fitted_as_their_difference_is(e, K, form):
    rng = np.random.default_rng(0)
    x, z = rng.normal(size=(2, 30))
    y = (z + rng.normal(size=30) > 0) * 1 + (K == 3) * (np.arange(30) % 2)
    X, near = np.column_stack([x, z]), np.column_stack([x, x + e * z])
    for correction in (None, "flic")[: 4 - K]:
        plain = FirthLogisticRegression(correction=correction).fit(X, y)
        model = FirthLogisticRegression(correction=correction).fit(form(near), y)
        np.testing.assert_allclose(model.predict_proba(form(near)), plain.predict_proba(X), rtol=1e-7)
        np.testing.assert_allclose(model.coef_[:, 1] * e, plain.coef_[:, 1], rtol=1e-7)
        np.testing.assert_allclose(model.bse_[:, 1:] * [e, 1.0], plain.bse_[:, 1:], rtol=1e-7)
        np.testing.assert_allclose(model.pvalues_[:, 1:], plain.pvalues_[:, 1:], rtol=1e-6)
        np.testing.assert_allclose(model.conf_int()[:, 1:] * [[[e], [1.0]]], plain.conf_int()[:, 1:], rtol=1e-6)


def test_the_units_of_columns_change_no_step():
    rng, unit = np.random.default_rng(1), 2.0 ** np.array([-13, 0, 17])
    X = rng.normal(size=(60, 3))
    y = X[:, 1] + rng.normal(size=60) > 0
    plain, model = FirthLogisticRegression().fit(X, y), FirthLogisticRegression().fit(X * unit, y)
    np.testing.assert_allclose(model.coef_ * unit, plain.coef_, rtol=1e-9)
    assert model.n_iter_[0] == plain.n_iter_[0]


def test_the_fits_of_a_profile_start_where_the_one_before_leads(monkeypatch):
    points = []
    monkeypatch.setattr(inference, "evaluate", lambda *args: points.append(evaluate(*args)) or points[-1])
    X = np.random.default_rng(0).normal(size=(22, 3))
    model = FirthLogisticRegression().fit(X, np.argsort(np.argsort(X[:, 0])) * 3 // 22)
    points.clear()
    assert np.isfinite(model.conf_int()).all()
    assert len(points) < 90 * 8  # coefficients


@pytest.mark.slow
def test_columns_far_from_zero_and_columns_that_others_make_up_change_nothing():
    X, y = SETS[0].X, SETS[0].y
    plain = FirthLogisticRegression().fit(X, y)
    far = FirthLogisticRegression().fit(X + np.array([0.0, 1e5, 0.0]), y)
    np.testing.assert_allclose(far.coef_, plain.coef_, rtol=1e-6)
    np.testing.assert_allclose(far.conf_int()[0, :3], plain.conf_int()[0, :3], rtol=1e-5)
    np.testing.assert_allclose(far.bse_[0, :3], plain.bse_[0, :3], rtol=1e-6)
    more = FirthLogisticRegression().fit(np.column_stack([X, X[:, 0] - X[:, 1], np.ones(len(y))]), y)
    np.testing.assert_allclose(more.coef_[0, :3], plain.coef_[0], rtol=1e-6)
    assert not more.coef_[0, 3:].any()
    assert np.isnan(more.pvalues_[0, 3:5]).all()


def test_wald_intervals_are_there_for_who_asks():
    model = FirthLogisticRegression().fit(SETS[0].X, SETS[0].y)
    low, high = model.conf_int(0.9, method="wald")[0].T
    np.testing.assert_allclose((high + low) / 2, np.append(model.coef_, model.intercept_), rtol=1e-10)
    np.testing.assert_allclose((high - low) / 2 / model.bse_[0], 1.6448536269514722, rtol=1e-10)


def test_a_stored_model_predicts_and_says_why_it_cannot_test():
    model = FirthLogisticRegression().fit(SETS[0].X, SETS[0].y)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict_proba(SETS[0].X), model.predict_proba(SETS[0].X))
    with pytest.raises(NotFittedError, match="the rows were left behind"):
        again.conf_int()


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_a_copy_has_the_rows_and_tests(copied):
    model = FirthLogisticRegression().fit(SETS[0].X, SETS[0].y)
    again = copied(model)
    assert again is not model
    np.testing.assert_array_equal(again.conf_int(), model.conf_int())
    assert again.set_params(max_iter=7).max_iter != model.max_iter


@pytest.mark.parametrize(
    ("setting", "y", "message"),
    [
        ({"correction": "fleck"}, [0, 1, 0, 1], "correction='fleck' must be one of None, flic, flac"),
        ({"correction": "flic"}, [0, 1, 2, 1], "correction='flic' is for two classes, and y has 3"),
        ({"max_iter": 1.5}, [0, 1, 0, 1], "max_iter=1.5 must be a whole number"),
        ({"max_iter": 0}, [0, 1, 0, 1], "max_iter=0 must be a number at least 1"),
    ],
)
def test_settings_without_meaning_are_refused_by_name(setting, y, message):
    with pytest.raises(ArgumentError, match=message):
        FirthLogisticRegression(**setting).fit(np.arange(4.0)[:, None], y)


def test_too_few_iterations_warn_with_the_distance():
    with pytest.warns(ConvergenceWarning, match=r"stopped after 2 iterations, about \d\.\de-\d+ below") as caught:
        FirthLogisticRegression(max_iter=2).fit(SETS[0].X, SETS[0].y)
    assert caught[0].filename == __file__


@pytest.mark.parametrize("asked", [lambda model: model.pvalues_, lambda model: model.conf_int()])
def test_what_was_not_brought_to_its_end_has_no_tests_and_says_so(asked, monkeypatch):
    with pytest.warns(ConvergenceWarning, match="stopped after 2"):
        model = FirthLogisticRegression(max_iter=2).fit(SETS[0].X, SETS[0].y)
    with pytest.warns(ConvergenceWarning, match=r"of 4 of 4 coefficients are NaN: .* Raise max_iter") as caught:
        assert np.isnan(asked(model)).all()
    assert caught[0].filename == __file__
    model = FirthLogisticRegression().fit(SETS[0].X, SETS[0].y)
    monkeypatch.setattr(inference, "firth", lambda *args, **kw: replace(firth(*args, **kw), gap=1.0, converged=False))
    with pytest.warns(ConvergenceWarning, match="of 4 of 4 coefficients are NaN: their own fits were stopped"):
        assert np.isnan(asked(model)).all()


@parametrize_with_checks([FirthLogisticRegression()])
def test_scikit_learn_conventions(estimator, check):
    check(estimator)


def test_a_start_from_which_a_step_is_far_too_long_still_leads_to_the_maximum():
    X, y = load_iris().data[50:, 2:], np.repeat([0.0, 1.0], 50)
    objective = Objective(memory_source(X, y[:, None]), LogLoss(), elastic_net(np.zeros(2), 0.0), True)
    held = np.array([[True], [True], [False]])
    far, near = (firth(objective, np.array([[0.0], [0.0], [b]]), held) for b in (-36.0, 0.0))
    assert far.converged
    np.testing.assert_allclose(far.at.value, near.at.value, rtol=1e-12)
