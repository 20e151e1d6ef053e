"""Marginal effects and predicted probabilities agree with statsmodels, and with what differences of fits say."""

import numpy as np
import pytest
import statsmodels.api as sm

from separatrix.data.memory import memory_source
from separatrix.engine.objective import Objective
from separatrix.equations.losses import LogLoss, SquaredLoss
from separatrix.equations.penalties import L2
from separatrix.equations.reference import ReferenceLoss
from separatrix.errors import ArgumentError
from separatrix.inference.effects import at_rows, column_changes, marginal_effects


def data(K: int, n: int = 300):
    """Two numeric columns, the second far from zero, an indicator, and classes that depend on them."""
    rng = np.random.default_rng(K)
    X = np.column_stack([rng.normal(size=n), rng.normal(1e4, 2.0, size=n), rng.random(n) < 0.4]).astype(float)
    eta = np.column_stack([X @ [0.8, 0.3, -1.0] * k - 3000.0 * k for k in range(K)]) + rng.gumbel(size=(n, K))
    return X, eta.argmax(axis=1)


def with_centre(objective: Objective, params: np.ndarray, cov: np.ndarray):
    """theta (P, K) and its covariance as the objective has them, from statsmodels' (constant first, (P, K))."""
    P, K = params.shape
    move = np.vstack([np.hstack([np.zeros((P - 1, 1)), np.eye(P - 1)]), np.append(1.0, objective.source.centre)])
    whole = np.kron(move, np.eye(K))
    return move @ params, whole @ cov @ whole.T


def binary():
    X, y = data(2)
    result = sm.Logit(y, sm.add_constant(X)).fit(disp=0, method="newton", tol=1e-10)
    objective = Objective(memory_source(X, y[:, None] * 1.0), LogLoss(), L2(np.zeros(3)), True)
    return X, result, objective, *with_centre(objective, result.params[:, None], result.cov_params())


def multinomial():
    X, y = data(3)
    X[:, 1] -= 1e4  # statsmodels' optimiser needs it
    result = sm.MNLogit(y, sm.add_constant(X)).fit(disp=0, tol=1e-14, maxiter=200, method="newton")
    objective = Objective(memory_source(X, y), ReferenceLoss(), L2(np.zeros(3)), True)
    order = np.arange(8).reshape(2, 4).T.ravel()  # theirs go class by class
    return (
        X,
        result,
        objective,
        *with_centre(objective, np.asarray(result.params), result.cov_params()[order][:, order]),
    )


def theirs(result, at: str, dummy: bool):
    margeff = result.get_margeff(at=at, dummy=dummy)
    return margeff.margeff.reshape(3, -1), margeff.margeff_se.reshape(3, -1)


def average(objective, theta, cov, indicators=(), rows=None):
    """The effects of three columns, in the rows of the fit or in others."""
    changes = column_changes(["a", "b", "c"], indicators)
    source = None if rows is None else at_rows(objective, rows)
    return marginal_effects(objective, theta, cov, changes, source)


# statsmodels' errors of MNLogit need as many classes as coefficients where a column is 0 or 1.
CASES = [(binary, []), (binary, [2]), (multinomial, [])]


@pytest.mark.parametrize(("problem", "indicators"), CASES)
def test_average_effects_agree_with_statsmodels(problem, indicators):
    _, result, objective, theta, cov = problem()
    ours = average(objective, theta, cov, indicators)
    effects, errors = theirs(result, "overall", bool(indicators))
    np.testing.assert_allclose(ours.effects, effects, rtol=1e-8, atol=1e-11)
    np.testing.assert_allclose(ours.standard_errors, errors, rtol=1e-8)
    assert objective.passes == 1


@pytest.mark.parametrize(("problem", "indicators"), CASES)
def test_effects_at_the_means_and_at_given_values_agree_with_statsmodels(problem, indicators):
    X, result, objective, theta, cov = problem()
    places = [("mean", X.mean(axis=0))] + ([] if indicators else [("median", np.median(X, axis=0))])
    for at, rows in places:
        ours = average(objective, theta, cov, indicators, rows)
        effects, errors = theirs(result, at, bool(indicators))
        np.testing.assert_allclose(ours.effects, effects, rtol=1e-8, atol=1e-11)
        np.testing.assert_allclose(ours.standard_errors, errors, rtol=1e-8)


def test_effects_of_an_indicator_on_three_classes_are_differences_of_probabilities():
    X, _, objective, theta, cov = multinomial()

    def difference(theta):
        return np.diff([objective.loss.probabilities(X1 @ theta).mean(axis=0) for X1 in ends], axis=0)[0]

    ends = [
        np.column_stack([X[:, :2] - objective.source.centre[:2], np.full(len(X), v), np.ones(len(X))]) for v in (0, 1)
    ]
    ours = average(objective, theta, cov, [2])
    np.testing.assert_allclose(ours.effects[2], difference(theta), rtol=1e-12)
    steps = 1e-6 * np.eye(8).reshape(8, 4, 2)
    G = np.array([difference(theta + h) - difference(theta - h) for h in steps]) / 2e-6
    np.testing.assert_allclose(ours.standard_errors[2], np.sqrt(np.einsum("nc,nm,mc->c", G, cov, G)), rtol=1e-7)


def test_effects_at_the_rows_of_the_fit_are_the_average_effects():
    X, _, objective, theta, cov = binary()
    ours = average(objective, theta, cov, [2], X)
    np.testing.assert_allclose(ours.effects, average(objective, theta, cov, [2]).effects, rtol=1e-12)


def test_the_effects_of_all_classes_sum_to_zero():
    _, _, objective, theta, cov = multinomial()
    for indicators in ([], [0, 2]):
        effects = average(objective, theta, cov, indicators).effects
        np.testing.assert_allclose(effects.sum(axis=1), 0.0, atol=1e-14)


def test_an_offset_counts_and_weights_are_frequencies():
    X, y = data(2, n=40)
    X, times = X - X.mean(axis=0), np.arange(40) % 3 + 1.0
    shift, theta, cov = np.linspace(-1, 1, 40)[:, None], np.array([[0.4], [-0.2], [0.9], [0.1]]), np.eye(4)
    each = memory_source(X, y[:, None] * 1.0, times, offset=shift)
    rows = np.repeat(np.arange(40), times.astype(int))
    repeated = memory_source(X[rows], y[rows, None] * 1.0, offset=shift[rows])
    a, b = (average(Objective(s, LogLoss(), L2(np.zeros(3)), True), theta, cov, [2]) for s in (each, repeated))
    np.testing.assert_allclose(a.effects, b.effects, rtol=1e-12)
    np.testing.assert_allclose(a.standard_errors, b.standard_errors, rtol=1e-12)
    eta = X[rows] @ theta[:3] + 0.1 + shift[rows]
    p = 1 / (1 + np.exp(-eta))
    np.testing.assert_allclose(b.effects[0], 0.4 * np.mean(p * (1 - p)), rtol=1e-12)


def test_a_wrong_column_or_model_is_named():
    _, _, objective, theta, cov = binary()
    with pytest.raises(ArgumentError, match="indicators holds 3"):
        average(objective, theta, cov, [3])
    with pytest.raises(ArgumentError, match=r"shape \(1, 2\), and must have 3 columns"):
        average(objective, theta, cov, rows=np.zeros(2))


def test_the_effects_of_a_linear_model_are_its_coefficients():
    _, _, objective, theta, cov = binary()
    linear = average(Objective(objective.source, SquaredLoss(), objective.penalty, True), theta, cov, [2])
    np.testing.assert_allclose(linear.effects, theta[:3], rtol=1e-12)
    np.testing.assert_allclose(linear.standard_errors[:, 0], np.sqrt(np.diag(cov))[:3], rtol=1e-12)
