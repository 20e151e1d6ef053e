"""Profile-likelihood intervals: against published figures, and against constrained fits that know nothing of them."""

from dataclasses import replace

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.linalg import null_space
from scipy.optimize import brentq

from problems import Problem, make_problem
from separatrix.data.memory import memory_source
from separatrix.engine.objective import Objective
from separatrix.equations.losses import LogLoss
from separatrix.equations.penalties import L2, elastic_net
from separatrix.errors import ArgumentError
from separatrix.inference.profile import profile, profile_intervals

Z = 1.959963984540054


def binary(X, y, weight=None, strength=0.0, fit_intercept=True) -> Objective:
    X = np.asarray(X, dtype=float)
    source = memory_source(X, np.asarray(y, dtype=float)[:, None], weight, centre=fit_intercept)
    return Objective(source, LogLoss(), L2(np.full(X.shape[1], strength)), fit_intercept)


def start(objective: Objective, K: int = 1) -> np.ndarray:
    return np.zeros((objective.source.n_columns + objective.fit_intercept, K))


def budworm() -> Objective:
    """Deaths of 20 budworms at each dose and sex (Venables and Ripley 2002, section 7.2)."""
    dose, deaths = np.tile(np.arange(6.0), 2), np.array([1, 4, 9, 13, 18, 20, 0, 2, 6, 10, 12, 16])
    X = np.column_stack([np.repeat([0.0, 1.0], 6), np.repeat([1.0, 0.0], 6), dose])
    return binary(X, deaths / 20, np.full(12, 20.0), fit_intercept=False)


def test_the_budworm_intervals_are_those_of_rs_confint():
    # R package MASS, example(confint.glm), as its own tests keep the output: sexF, sexM, ldose. Its last digits are
    # those of the spline that it reads its ends off, through profile points half a standard error apart.
    theirs = np.array([[-4.4581438, -2.613610], [-3.1728745, -1.655117], [0.8228708, 1.339058]])
    found = profile_intervals(budworm(), np.zeros((3, 1)))
    np.testing.assert_allclose(np.hstack([found.low, found.high]), theirs, atol=1e-4)


def test_the_budworm_intervals_end_where_fits_of_statsmodels_with_a_fixed_slope_do():
    source = budworm().source
    pairs, X = np.column_stack([20 * source.y, 20 - 20 * source.y]), source.X
    best = sm.GLM(pairs, X, sm.families.Binomial()).fit(tol=1e-14)
    found = profile_intervals(budworm(), np.zeros((3, 1)))
    for j in range(3):
        for end in (found.low[j, 0], found.high[j, 0]):
            rest = sm.GLM(pairs, np.delete(X, j, axis=1), sm.families.Binomial(), offset=end * X[:, j])
            assert 2 * (best.llf - rest.fit(tol=1e-14).llf) == pytest.approx(Z**2, rel=1e-7)


def constrained(objective: Objective, c: np.ndarray, t: float) -> float:
    """The least objective with c'theta = t, by Newton's method with halving in the null space of c."""
    N, shape = null_space(c.ravel()[None, :]), c.shape
    base, u = c.ravel() * t / np.sum(c * c), np.zeros(c.size - 1)

    def at(u, order):
        return objective.evaluate((base + N @ u).reshape(shape), order)

    for _ in range(100):
        here = at(u, 2)
        g = N.T @ here.gradient.ravel()
        step = -np.linalg.solve(N.T @ here.curvature @ N, g)
        length = 1.0
        while at(u + length * step, 0).value > here.value + 1e-15 and length > 1e-9:
            length /= 2
        u = u + length * step
        if -g @ step < 1e-22:
            break
    return at(u, 0).value


def brute_end(objective: Objective, c: np.ndarray, root: float, near: float, least: float, weight: float) -> float:
    """Where the deviance of the constrained fit has risen by root^2, by bracketing and bisection."""

    def rise(t):
        return 2 * weight * (constrained(objective, c, t) - least) - root**2

    reach = 0.3 * abs(near) + 0.3
    return float(brentq(rise, near - reach, near + reach, xtol=1e-11)) if root else near


@pytest.mark.parametrize(("seed", "strength"), [(1, 0.0), (2, 0.0), (5, 0.02), (7, 0.0)])
def test_the_ends_are_those_of_constrained_fits_by_brute_force(seed, strength):
    problem = make_problem(seed, p=2, noise=0.3, strength=strength, offset=seed == 7)
    problem = replace(problem, X=problem.X + np.array([0.0, 3.0]))
    objective, weight = problem.objective(), problem.weight.sum()
    found = profile_intervals(objective, start(objective))
    least = min(objective.evaluate(found.estimates, 0).value, np.inf)
    for j in range(3):
        c = np.zeros((3, 1))
        c[j] = 1.0
        for root, end in ((-Z, found.low[j, 0]), (Z, found.high[j, 0])):
            assert brute_end(objective, c, root, end, least, weight) == pytest.approx(end, rel=1e-6, abs=1e-7)


def log_ratios(P: int, K: int) -> np.ndarray:
    """The contrasts of every class with the first, coefficient by coefficient."""
    return np.array(
        [np.outer(np.eye(P)[j], np.eye(K)[k] - np.eye(K)[0]) for j in range(P) for k in range(1, K)], dtype=float
    )


def softmax_problem() -> Problem:
    return make_problem(4, p=2, K=3, noise=0.5)


def test_profiles_of_three_classes_end_where_constrained_fits_do():
    problem = softmax_problem()
    objective, weight = problem.objective(), problem.weight.sum()
    contrasts = log_ratios(3, 3)
    found = profile(objective, start(objective, 3), np.array([-Z, 0.0, 1.0]), contrasts)
    np.testing.assert_allclose(found.values[:, 1], found.estimates, atol=1e-8)
    least = constrained(objective, contrasts[0], found.estimates[0])
    for c, ends in zip(contrasts, found.values, strict=True):
        for root, end in ((-Z, ends[0]), (1.0, ends[2])):
            assert brute_end(objective, c, root, end, least, weight) == pytest.approx(end, rel=1e-6, abs=1e-7)


def test_an_interval_of_one_proportion_solves_its_likelihood_equation():
    # y = 7 of 20, intercept alone: deviance of logit^-1(b) in closed form.
    found = profile_intervals(binary(np.zeros((1, 0)), [0.35], np.array([20.0])), np.zeros((1, 1)))
    for b in (found.low[0, 0], found.high[0, 0]):
        p = 1 / (1 + np.exp(-b))
        assert 2 * (7 * np.log(0.35 / p) + 13 * np.log(0.65 / (1 - p))) == pytest.approx(Z**2, rel=1e-6)


def test_a_zero_cell_has_an_infinite_end_and_a_finite_one():
    # 10 of 20 without treatment, 7 of 7 with it: the log odds ratio is infinite. Its lower end solves
    # max_b [10 log p + 10 log (1 - p) + 7 log p1] = maximum - 1.92, where p1 has log odds b + t.
    found = profile_intervals(binary([[0.0], [1.0]], [0.5, 1.0], np.array([20.0, 7.0])), np.zeros((2, 1)))
    assert found.high[0, 0] == np.inf
    b = np.linspace(-2, 2, 400_001)
    likelihood = -10 * np.log1p(np.exp(-b)) - 10 * np.log1p(np.exp(b)) - 7 * np.log1p(np.exp(-b - found.low[0, 0]))
    assert 2 * (20 * np.log(0.5) - likelihood.max()) == pytest.approx(Z**2, rel=1e-6)
    assert np.isfinite([found.low[1, 0], found.high[1, 0]]).all()


def test_complete_separation_leaves_no_end_on_the_side_that_separates():
    x = np.arange(10.0)[:, None]
    found = profile_intervals(binary(x, x[:, 0] > 4), np.zeros((2, 1)))
    assert found.high[0, 0] == np.inf
    assert found.low[1, 0] == -np.inf
    assert 0 < found.low[0, 0] < 2
    assert found.high[1, 0] < -1


def test_columns_far_from_zero_have_the_same_intervals_in_their_units():
    rng = np.random.default_rng(3)
    X = rng.normal(size=(200, 2))
    y = rng.random(200) < 1 / (1 + np.exp(-X[:, 0]))
    moved = X * [1.0, 1e3] + [0.0, 1e6]
    near, far = (profile_intervals(binary(columns, y), np.zeros((3, 1))) for columns in (X, moved))
    np.testing.assert_allclose(far.low[:2, 0] * [1.0, 1e3], near.low[:2, 0], rtol=1e-6)
    # The intercept at x = 0 of the moved columns is a contrast of the others' coefficients.
    contrast = np.array([[[0.0], [-1e3], [1.0]]])
    there = profile(binary(X, y), np.zeros((3, 1)), np.array([-Z, Z]), contrast)
    np.testing.assert_allclose([far.low[2, 0], far.high[2, 0]], there.values[0], rtol=1e-6)


def test_the_signed_root_of_a_large_sample_is_nearly_straight():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20_000, 2))
    objective = binary(X, rng.random(20_000) < 0.5)
    roots = np.linspace(-3, 3, 7)
    curve = profile(objective, np.zeros((3, 1)), roots)
    error = np.sqrt(np.diagonal(np.linalg.inv(objective.evaluate(np.zeros((3, 1)), 2).curvature * 20_000)))
    np.testing.assert_allclose(curve.values - curve.estimates[:, None], np.outer(error, roots), atol=2e-2 * error.max())


def test_all_ends_of_twenty_columns_take_as_many_passes_as_a_fit_or_two():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(4_000, 20))
    y = rng.random(4_000) < 1 / (1 + np.exp(-X @ rng.normal(size=20) * 0.4 + 1))
    assert profile_intervals(binary(X, y), np.zeros((21, 1))).passes <= 20


def test_what_has_no_profile_is_refused():
    problem = softmax_problem()
    with pytest.raises(ArgumentError, match="known up to a number"):
        profile_intervals(problem.objective(), start(problem.objective(), 3))
    sparse = replace(binary([[0.0], [1.0]], [0.5, 0.5]), penalty=elastic_net(np.ones(1), 1.0))
    with pytest.raises(ArgumentError, match="L1"):
        profile_intervals(sparse, np.zeros((2, 1)))
    with pytest.raises(ArgumentError, match=r"level=95"):
        profile_intervals(budworm(), np.zeros((3, 1)), level=95)
