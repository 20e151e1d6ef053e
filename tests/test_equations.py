"""The equations against arithmetic of 60 digits, finite differences, and geometry."""

import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import mpmath as mp
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import sparse

from problems import seeds
from separatrix.engine.sums import gram
from separatrix.equations import hyperplane
from separatrix.equations.hyperplane import (
    back_project,
    gram_diagonal,
    linear_predictor,
    margin,
    paired_grams,
    row_squares,
    scratch,
    signed_distance,
    sparse_grams,
    squares_about,
    weighted_gram,
)
from separatrix.equations.links import log1pexp, logit, logsumexp, sigmoid, sigmoids, softmax
from separatrix.equations.losses import LogLoss, MarginLoss, SoftmaxLoss, SquaredLoss, cross_entropy
from separatrix.equations.penalties import L2, ElasticNet, soft_threshold
from separatrix.equations.reference import ReferenceLoss
from separatrix.errors import ArgumentError

LOG, MARGIN, SOFTMAX, SQUARED = LogLoss(), MarginLoss(), SoftmaxLoss(), SquaredLoss()
REFERENCE = ReferenceLoss()
TINY = np.finfo(float).tiny  # below it a double is denormal and holds fewer digits

etas = st.floats(-700, 700)
small_etas = st.floats(-5, 5)
coordinates = st.floats(-100, 100)
classes = st.integers(2, 5)


def eta_rows(entries: st.SearchStrategy = etas) -> st.SearchStrategy:
    """One row of 2 to 5 linear predictors, and the class of that row."""
    rows = classes.flatmap(lambda K: arrays(float, K, elements=entries))
    return rows.flatmap(lambda row: st.tuples(st.just(row), st.integers(0, len(row) - 1)))


def assert_exact(actual: Any, expected: Any) -> None:
    """Each number within 1e-14 of its value in 60 digits, relatively, wherever that is a normal double."""
    for got, true in zip(np.ravel(actual), np.ravel(np.array(expected, dtype=object)), strict=True):
        if abs(true) >= TINY:
            assert abs(mp.mpf(float(got)) - true) <= 1e-14 * abs(true), (float(got), true)
        else:
            assert abs(got) <= 2 * TINY


def exp_shares(row: Any) -> list[mp.mpf]:
    """softmax in 60 digits."""
    powers = [mp.exp(mp.mpf(float(eta))) for eta in row]
    return [power / mp.fsum(powers) for power in powers]


def minus_log_likelihood(y: int, eta: mp.mpf) -> mp.mpf:
    """-log P(y) for P(1) = 1 / (1 + exp(-eta)), in 60 digits."""
    return -mp.log(1 / (1 + mp.exp(-eta if y == 1 else eta)))


@pytest.fixture(autouse=True)
def sixty_digits():
    # 700 in an exponent needs more: 1 + exp(-700) must not round to 1.
    with mp.workdps(700):
        yield


@given(etas)
def test_sigmoid_is_exact(eta):
    assert_exact(sigmoid(eta), 1 / (1 + mp.exp(-mp.mpf(eta))))


@given(etas)
@example(-745.0)
@example(745.0)
def test_both_sigmoids_are_exact_and_at_most_one(eta):
    both = sigmoids(np.array([eta]))
    assert_exact(both, [1 / (1 + mp.exp(sign * mp.mpf(eta))) for sign in (1, -1)])
    assert both.max() <= 1.0


@given(st.floats(0, 1))
def test_logit_is_exact(p):
    if p in (0.0, 1.0):
        assert logit(p) == (np.inf if p else -np.inf)
    else:
        assert_exact(logit(p), mp.log(mp.mpf(p) / (1 - mp.mpf(p))))


@given(st.floats(-1e-3, 1e-3))
def test_logit_is_exact_around_one_half(shift):
    p = 0.5 + shift
    assert_exact(logit(p), mp.log(mp.mpf(p) / (1 - mp.mpf(p))))


@given(st.floats(-30, 5))
def test_logit_undoes_sigmoid(eta):
    assert logit(sigmoid(eta)) == pytest.approx(eta, rel=1e-12, abs=1e-15)


@given(etas)
def test_log1pexp_is_exact(eta):
    assert_exact(log1pexp(eta), mp.log(1 + mp.exp(mp.mpf(eta))))


@given(eta_rows())
def test_softmax_is_exact(row_and_class):
    row, _ = row_and_class
    assert_exact(softmax(row), exp_shares(row))


@given(eta_rows())
def test_logsumexp_is_exact(row_and_class):
    # The sum can be near 1, whose logarithm no floating-point sum of exponentials could know: absolutely, then.
    row, _ = row_and_class
    true = mp.log(mp.fsum(mp.exp(mp.mpf(float(eta))) for eta in row))
    assert abs(mp.mpf(float(logsumexp(row))) - true) <= 1e-14 * max(abs(true), np.abs(row).max())


@given(etas, st.integers(0, 1))
def test_log_loss_and_its_derivatives_are_exact(eta, y):
    value = minus_log_likelihood(y, mp.mpf(eta))
    p = 1 / (1 + mp.exp(-mp.mpf(eta)))
    assert_exact(LOG.value(y, eta), value)
    assert_exact(LOG.gradient(y, eta), p - y)
    assert_exact(LOG.curvature(y, eta), p * (1 - p))


@given(etas, st.sampled_from([0, 1]), st.sampled_from([np.int8, np.float64]))
def test_the_log_loss_and_its_derivatives_from_one_exponential_are_exact(eta, y, codes):
    value, gradient, curvature = LOG.together(np.array([[y]], dtype=codes), np.array([[eta]]))
    p, q = exp_shares([eta, 0.0])
    assert_exact(value, [minus_log_likelihood(y, mp.mpf(eta))])
    assert_exact(gradient, [p if y == 0 else -q])
    assert_exact(curvature, [p * q])


@given(etas, st.floats(0, 1))
def test_of_a_share_of_both_labels_the_log_loss_from_one_exponential_is_the_same(eta, y):
    value, gradient, curvature = LOG.together(np.array([[y]]), np.array([[eta]]))
    assert value[0, 0] == pytest.approx(LOG.value(y, eta), rel=1e-13, abs=1e-300)
    assert gradient[0, 0] == pytest.approx(LOG.gradient(y, eta), rel=1e-13, abs=1e-15)
    assert curvature[0, 0] == pytest.approx(LOG.curvature(y, eta), rel=1e-13, abs=1e-300)


@given(eta_rows())
def test_reference_loss_is_softmax_loss_with_a_zero_for_the_reference(row_and_class):
    row, y = row_and_class
    row = row - row[0]
    eta, all_eta, labels = row[None, 1:], row[None, :], np.array([y])
    np.testing.assert_array_equal(REFERENCE.value(labels, eta), SOFTMAX.value(labels, all_eta))
    np.testing.assert_array_equal(REFERENCE.gradient(labels, eta), SOFTMAX.gradient(labels, all_eta)[:, 1:])
    np.testing.assert_array_equal(REFERENCE.curvature(labels, eta), SOFTMAX.curvature(labels, all_eta)[:, 1:, 1:])
    np.testing.assert_array_equal(REFERENCE.margin(labels, eta), SOFTMAX.margin(labels, all_eta))


@given(eta_rows(small_etas), st.integers(0, 10**6))
def test_reference_loss_makes_the_same_of_its_state_as_of_its_curvature(row_and_class, seed):
    row, y = row_and_class
    eta, labels, rng = row[None, 1:] - row[0], np.array([y]), np.random.default_rng(seed)
    curvature, K = REFERENCE.curvature(labels, eta), len(row) - 1
    _, _, state = REFERENCE.together(labels, eta)
    v, X = rng.normal(size=(1, K)), rng.normal(size=(1, 2))
    for k, m in np.ndindex(K, K):
        np.testing.assert_allclose(REFERENCE.second(state, k, m), curvature[:, k, m], atol=1e-15)
    np.testing.assert_allclose(REFERENCE.curvature_times(state, v)[0], curvature[0] @ v[0], atol=1e-14)
    B = REFERENCE.roots(state)[0]
    np.testing.assert_allclose(B @ B.T, curvature[0], atol=1e-14)
    design = np.append(X, 1.0)
    summed = np.einsum("j,l,km->jklm", design, design, 3.0 * curvature[0])
    np.testing.assert_allclose(gram(REFERENCE, X, np.array([3.0]), state, 1), summed, atol=1e-13)


@given(etas, st.sampled_from([-1, 1]))
def test_margin_loss_and_its_derivatives_are_exact(eta, y):
    t = mp.mpf(eta) * y
    assert_exact(MARGIN.value(y, eta), mp.log(1 + mp.exp(-t)))
    assert_exact(MARGIN.gradient(y, eta), -y / (1 + mp.exp(t)))
    assert_exact(MARGIN.curvature(y, eta), 1 / (2 + mp.exp(t) + mp.exp(-t)))


@pytest.mark.parametrize("most", [15.0, 245.0, 700.0])
@given(data=st.data())
def test_softmax_loss_and_its_derivatives_are_exact(data, most):
    row, y = data.draw(eta_rows(st.floats(-most, most)))
    p = exp_shares(row)
    eta, labels = row[None, :], np.array([y])
    K = range(len(row))
    assert_exact(SOFTMAX.value(labels, eta), -mp.log(p[y]))
    assert_exact(SOFTMAX.gradient(labels, eta), [p[k] - (k == y) for k in K])
    assert_exact(SOFTMAX.curvature(labels, eta), [[p[k] * ((k == l) - p[l]) for l in K] for k in K])  # noqa: E741


@given(classes.flatmap(lambda K: arrays(float, (4, K), elements=st.sampled_from([-1e9, -650, -40, -1, 0, 3, 35, 800]))))
@example(np.array([[0.0, 0.0], [0.0, 601.0], [1e9, -1e9]]))
def test_a_row_has_its_own_softmax_loss_however_far_from_the_plane_the_rows_beside_it_are(eta):
    y = np.arange(len(eta)) % eta.shape[1]
    for among, alone in zip(
        SOFTMAX.together(y, eta),
        zip(*(SOFTMAX.together(y[[i]], eta[[i]]) for i in range(len(y))), strict=True),
        strict=True,
    ):
        np.testing.assert_allclose(among, np.concatenate(alone), rtol=4e-15)


@given(eta_rows())
def test_the_diagonal_of_a_curvature_is_exact_however_certain_a_class(row_and_class):
    row, y = row_and_class
    p = exp_shares(row)
    (_, _, state), (_, _, others) = (
        SOFTMAX.together(np.array([y]), row[None]),
        REFERENCE.together(np.array([y]), row[None]),
    )
    assert_exact(SOFTMAX.diagonal(state), [q * (1 - q) for q in p])
    p = exp_shares(np.append(0.0, row))[1:]
    np.testing.assert_allclose(REFERENCE.diagonal(others)[0], [float(q * (1 - q)) for q in p], rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize("loss", [SOFTMAX, REFERENCE, LOG, SQUARED], ids=lambda loss: type(loss).__name__)
def test_whole_numbers_are_numbers(loss):
    eta = np.array([[0, 40], [-3, 3]]) if loss in (SOFTMAX, REFERENCE) else np.array([0, 40])
    for function in (loss.value, loss.gradient, loss.curvature):
        np.testing.assert_array_equal(function(np.array([0, 1]), eta), function(np.array([0, 1]), eta.astype(float)))
    for link in (sigmoid, log1pexp, softmax, logsumexp):
        np.testing.assert_array_equal(link(eta), link(eta.astype(float)))


def test_the_gradient_of_labels_of_one_byte_is_not_made_in_the_half_precision_that_takes_long():
    met: set[np.dtype] = set()

    class Seen(np.ndarray):
        def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **how: Any) -> Any:
            met.update(np.asarray(each).dtype for each in inputs)
            return getattr(ufunc, method)(*map(np.asarray, inputs), **how)

    y, eta = np.array([0, 1], dtype=np.int8), np.array([-1.0, 2.0])
    np.testing.assert_array_equal(LOG.gradient(y, eta.view(Seen)), LOG.gradient(y.astype(float), eta))
    assert met == {np.dtype(np.float64)}


@pytest.mark.parametrize("y", [0.0, 1.0, 0.3])
@given(eta=small_etas)
def test_log_loss_derivatives_are_the_slopes_of_what_they_differentiate(y, eta):
    assert slope(lambda e: LOG.value(y, e), eta) == pytest.approx(LOG.gradient(y, eta), rel=1e-7, abs=1e-9)
    assert slope(lambda e: LOG.gradient(y, e), eta) == pytest.approx(LOG.curvature(y, eta), rel=1e-7, abs=1e-9)


@pytest.mark.parametrize("loss", [MARGIN, SQUARED])
@given(eta=small_etas, y=st.sampled_from([-1.0, 1.0]))
def test_margin_and_squared_loss_derivatives_are_the_slopes_of_what_they_differentiate(loss, eta, y):
    assert slope(lambda e: loss.value(y, e), eta) == pytest.approx(loss.gradient(y, eta), rel=1e-7, abs=1e-8)
    assert slope(lambda e: loss.gradient(y, e), eta) == pytest.approx(loss.curvature(y, eta), rel=1e-7, abs=1e-8)


@given(eta_rows(small_etas))
def test_softmax_loss_derivatives_are_the_slopes_of_what_they_differentiate(row_and_class):
    row, y = row_and_class
    labels = np.array([y])
    for k, direction in enumerate(np.eye(len(row))):
        value = slope(lambda e: SOFTMAX.value(labels, (row + e * direction)[None, :])[0], 0.0)  # noqa: B023
        gradient = slope(lambda e: SOFTMAX.gradient(labels, (row + e * direction)[None, :])[0], 0.0)  # noqa: B023
        np.testing.assert_allclose(value, SOFTMAX.gradient(labels, row[None, :])[0, k], rtol=1e-7, atol=1e-8)
        np.testing.assert_allclose(gradient, SOFTMAX.curvature(labels, row[None, :])[0, k], rtol=1e-7, atol=1e-8)


@given(arrays(float, (4, 2), elements=small_etas), arrays(float, 4, elements=st.floats(0, 3)))
def test_penalty_derivatives_are_the_slopes_of_what_they_differentiate(w, strength):
    penalty = L2(strength)
    for j, k in np.ndindex(w.shape):
        direction = np.zeros_like(w)
        direction[j, k] = 1.0
        value = slope(lambda e: penalty.value(w + e * direction), 0.0)  # noqa: B023
        gradient = slope(lambda e: penalty.gradient(w + e * direction), 0.0)  # noqa: B023
        assert value == pytest.approx(penalty.gradient(w)[j, k], rel=1e-6, abs=1e-6)
        np.testing.assert_allclose(gradient, penalty.curvature(w)[j, k] * direction, rtol=1e-6, atol=1e-6)


strengths = arrays(float, 4, elements=st.floats(0, 3))
weights = arrays(float, (4, 2), elements=st.floats(-5, 5).map(lambda w: 0.0 if abs(w) < 0.5 else w))


@given(weights, strengths)
def test_no_point_near_the_soft_threshold_is_lower(u, t):
    def height(w):
        return np.sum((w - u) ** 2) / 2 + ElasticNet(t, np.zeros(4)).value(w)

    best = soft_threshold(u, t[:, None])
    for nudge in (1e-3, -1e-3, 0.5, -0.5):
        for j, k in np.ndindex(best.shape):
            moved = best.copy()
            moved[j, k] += nudge
            assert height(moved) >= height(best)


@given(weights, weights, strengths, strengths)
def test_the_smallest_subgradient_is_one_and_no_other_is_smaller(w, g, l1, l2):
    penalty = ElasticNet(l1, l2)
    smallest = penalty.subgradient(w, g + penalty.gradient(w))
    for there in (w + 1.0, w - 1.0, np.zeros_like(w), -w):  # the plane through w lies below
        assert penalty.value(there) - penalty.value(w) >= np.sum((smallest - g) * (there - w)) - 1e-9
    for end in (-1.0, 1.0):  # the subgradients where w = 0 are an interval, and both its ends are farther from 0
        sign = np.where(w == 0, end, np.sign(w))
        assert np.all(np.abs(smallest) <= np.abs(g + penalty.gradient(w) + l1[:, None] * sign))


@given(weights, weights, strengths, arrays(float, 4, elements=st.floats(0.1, 3)))
def test_the_fenchel_gap_is_the_height_of_the_penalty_over_its_highest_plane_of_that_slope(w, g, l1, l2):
    penalty = ElasticNet(l1, l2)
    touching = soft_threshold(g, l1[:, None]) / l2[:, None]  # argmax of g w - h(w)
    plane = np.sum(g * (w - touching)) + penalty.value(touching)
    assert penalty.fenchel_gap(w, g) == pytest.approx(penalty.value(w) - plane, rel=1e-6, abs=1e-6)


def slope(function: Callable[[float], Any], at: float, h: float = 1e-3) -> Any:
    """Central difference, extrapolated once (Richardson): its error is of the order h^4."""

    def central(step: float) -> Any:
        return (function(at + step) - function(at - step)) / (2 * step)

    return (4 * central(h / 2) - central(h)) / 3


@given(etas)
def test_the_two_codings_of_the_log_loss_are_one_loss(eta):
    for y in (0, 1):
        assert LOG.value(y, eta) == pytest.approx(MARGIN.value(2 * y - 1, eta), rel=1e-14)
        assert LOG.gradient(y, eta) == pytest.approx(MARGIN.gradient(2 * y - 1, eta), rel=1e-14)
        assert LOG.curvature(y, eta) == pytest.approx(MARGIN.curvature(2 * y - 1, eta), rel=1e-14)


@given(st.floats(-30, 30), st.floats(0, 1))
def test_cross_entropy_is_the_log_loss_seen_from_the_probability(eta, y):
    assert cross_entropy(y, sigmoid(eta)) == pytest.approx(LOG.value(y, eta), rel=1e-3, abs=1e-14)
    assert cross_entropy(y, sigmoid(eta / 30)) == pytest.approx(LOG.value(y, eta / 30), rel=1e-13, abs=1e-15)


@given(etas, st.integers(0, 1))
def test_two_softmax_classes_are_the_log_loss(eta, y):
    pair, label = np.array([[0.0, eta]]), np.array([y])
    assert SOFTMAX.value(label, pair)[0] == pytest.approx(LOG.value(y, eta), rel=1e-14)
    assert SOFTMAX.gradient(label, pair)[0, 1] == pytest.approx(LOG.gradient(y, eta), rel=1e-14)


@given(eta_rows())
def test_softmax_gradients_sum_to_zero_over_the_classes(row_and_class):
    row, y = row_and_class
    assert abs(SOFTMAX.gradient(np.array([y]), row[None, :]).sum()) < 1e-15


@given(eta_rows(), st.floats(-100, 100))
def test_softmax_does_not_see_a_number_added_to_every_class(row_and_class, shift):
    row, y = row_and_class
    np.testing.assert_allclose(softmax(row + shift), softmax(row), rtol=1e-11, atol=1e-300)
    flat = SOFTMAX.curvature(np.array([y]), row[None, :])[0] @ SOFTMAX.flat(len(row))
    np.testing.assert_allclose(flat, 0.0, atol=1e-15)


@given(eta_rows())
def test_curvatures_are_positive_semidefinite_and_below_their_bound(row_and_class):
    row, y = row_and_class
    eigenvalues = np.linalg.eigvalsh(SOFTMAX.curvature(np.array([y]), row[None, :])[0])
    assert eigenvalues.min() >= -1e-15
    assert eigenvalues.max() <= SOFTMAX.curvature_bound + 1e-15
    for eta in row:
        assert 0 <= LOG.curvature(y % 2, eta) <= LOG.curvature_bound * (1 + 1e-15)


@given(eta_rows(st.floats(-20, 20)), seeds)
def test_third_derivatives_are_below_the_self_concordance_bound(row_and_class, seed):
    row, y = row_and_class
    labels = np.array([y])
    v = np.random.default_rng(seed).normal(size=len(row))
    v /= np.linalg.norm(v)

    def along(e: float) -> float:
        return float(v @ SOFTMAX.curvature(labels, (row + e * v)[None, :])[0] @ v)

    assert abs(slope(along, 0.0)) <= SOFTMAX.third_bound * along(0.0) + 1e-9
    third = slope(lambda e: LOG.curvature(0, row[0] + e), 0.0)
    assert abs(third) <= LOG.third_bound * LOG.curvature(0, row[0]) + 1e-9


@pytest.mark.parametrize("size", [1e9, 1e3, 745.0, 720.0, 710.0])
def test_nothing_overflows_or_warns_however_far_from_the_plane(size):
    eta = np.array([-size, 0.0, size])
    pairs = np.array([[a, b, c] for a in eta for b in eta for c in eta])
    y = np.arange(len(pairs)) % 3
    with np.errstate(all="raise"), warnings.catch_warnings():
        warnings.simplefilter("error")
        results = [sigmoid(eta), log1pexp(eta), softmax(pairs), logsumexp(pairs)]
        results += [loss(eta) for y01 in (0.0, 1.0) for loss in at_label(LOG, y01)]
        results += [loss(eta) for sign in (-1.0, 1.0) for loss in at_label(MARGIN, sign)]
        results += [loss(pairs) for loss in at_label(SOFTMAX, y)]
        results += [SOFTMAX.margin(y, pairs), LOG.probabilities(eta[:, None])]
    assert all(np.isfinite(result).all() for result in results)
    np.testing.assert_allclose(softmax(pairs).sum(axis=1), 1.0, rtol=1e-15)
    np.testing.assert_array_equal(LOG.value(0.0, eta[[0, 2]]), log1pexp(eta[[0, 2]]))


def at_label(loss: Any, y: Any) -> list[Callable[[Any], Any]]:
    """A loss's value, gradient and curvature as functions of eta alone."""
    return [lambda eta, f=f: f(y, eta) for f in (loss.value, loss.gradient, loss.curvature)]


def test_a_certain_prediction_costs_nothing_when_right_and_everything_when_wrong():
    np.testing.assert_array_equal(cross_entropy([1, 0, 1, 0], [1.0, 0.0, 0.0, 1.0]), [0.0, 0.0, np.inf, np.inf])


@given(eta_rows())
def test_a_margin_is_positive_exactly_where_the_prediction_is_right(row_and_class):
    row, y = row_and_class
    right = all(row[y] > eta for k, eta in enumerate(row) if k != y)
    assert (SOFTMAX.margin(np.array([y]), row[None, :])[0] > 0) == right
    assert (LOG.margin(np.array([y % 2]), row[:1])[0] > 0) == (row[0] > 0 if y % 2 else row[0] < 0)
    assert (margin([1 if y % 2 else -1], row[:1])[0] > 0) == (row[0] > 0 if y % 2 else row[0] < 0)


planes = st.integers(1, 5).flatmap(
    lambda p: st.tuples(
        arrays(float, p, elements=coordinates), arrays(float, p, elements=coordinates), coordinates
    ).filter(lambda plane: np.linalg.norm(plane[1]) > 1e-3)
)


@given(planes)
def test_the_foot_of_the_perpendicular_is_on_the_plane_at_the_signed_distance(plane):
    x, w, b = plane
    d = signed_distance(x[None, :], w, b)[0]
    normal = w / np.linalg.norm(w)
    foot = x - d * normal
    scale = np.linalg.norm(x) + abs(b) / np.linalg.norm(w) + 1e-9
    assert abs(normal @ foot + b / np.linalg.norm(w)) < 1e-12 * scale
    assert np.linalg.norm(x - foot) == pytest.approx(abs(d), rel=1e-12, abs=1e-12 * scale)
    eta = linear_predictor(x[None, :], w, b)[0]
    assert np.sign(d) == np.sign(eta) or abs(eta) < 1e-300  # half of the smallest number is 0


@given(planes, seeds)
def test_no_other_point_of_the_plane_is_nearer(plane, seed):
    x, w, b = plane
    d = signed_distance(x[None, :], w, b)[0]
    some = np.random.default_rng(seed).normal(scale=100.0, size=(20, len(x)))
    on_plane = some - np.outer((some @ w + b) / (w @ w), w)
    nearest = np.linalg.norm(on_plane - x, axis=1).min()
    assert nearest >= abs(d) - 1e-9 * (np.linalg.norm(x) + abs(b) / np.linalg.norm(w) + 1)


@given(planes, st.sampled_from([1e-300, 1e-170, 1e-3, 7.0, 1e150]))
def test_the_distance_does_not_depend_on_how_the_plane_is_scaled(plane, factor):
    x, w, b = plane
    w, b = np.where(np.abs(w) < 1e-6, 0.0, w), b if abs(b) > 1e-6 else 0.0  # no digits lost to denormals
    if not w.any():
        return
    expected = signed_distance(x[None, :], w, b)
    scale = np.linalg.norm(x) + abs(b) / np.linalg.norm(w)
    np.testing.assert_allclose(signed_distance(x[None, :], w * factor, b * factor), expected, atol=1e-13 * scale)


def test_a_zero_vector_has_no_distance_to_give():
    with pytest.raises(ArgumentError, match="normal to no hyperplane"):
        signed_distance([[1.0, 2.0]], [0.0, 0.0], 1.0)


@given(seeds, st.floats(0, 1))
def test_sparse_and_dense_rows_give_the_same_products(seed, density):
    rng = np.random.default_rng(seed)
    S = sparse.random_array((7, 4), density=density, rng=rng, format="csr")
    X, w, h = S.toarray(), rng.normal(size=(4, 3)), rng.random(7)
    r = rng.normal(size=(7, 3))
    np.testing.assert_allclose(linear_predictor(S, w, 1.0), linear_predictor(X, w, 1.0), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(back_project(S, r), back_project(X, r), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(weighted_gram(S, h), weighted_gram(X, h), rtol=1e-12, atol=1e-12)
    for grams in (paired_grams, sparse_grams):
        np.testing.assert_allclose(grams(S, r, ones=1), paired_grams(X, r, ones=1), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(gram_diagonal(S, r), gram_diagonal(X, r), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(squares_about(S, w[:, 0], h), squares_about(X, w[:, 0], h), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(squares_about(X, w[:, 0], h), (X - w[:, 0]).T ** 2 @ h, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(row_squares(S, w), row_squares(X, w), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(
        signed_distance(S, w[:, 0], 2.0), signed_distance(X, w[:, 0], 2.0), rtol=1e-12, atol=1e-12
    )


@pytest.mark.parametrize(("rows", "density", "pair_by_pair"), [(5_000, 0.05, 1), (5_000, 0.4, 0), (2_000, 0.05, 0)])
@pytest.mark.parametrize("kind", [sparse.csr_array, sparse.csc_array])
def test_sparse_rows_that_are_few_or_hardly_sparse_are_multiplied_as_dense_ones(
    rows, density, pair_by_pair, kind, monkeypatch
):
    rng, asked = np.random.default_rng(0), []
    monkeypatch.setattr(hyperplane, "sparse_grams", lambda *given: asked.append(given) or sparse_grams(*given))
    X = kind(sparse.random_array((rows, 30), density=density, rng=rng))
    roots = rng.normal(size=(rows, 3))
    expected = paired_grams(X.toarray(), roots, ones=1)
    np.testing.assert_allclose(paired_grams(X, roots, ones=1), expected, rtol=1e-10, atol=1e-10)
    assert len(asked) == pair_by_pair


@given(seeds)
def test_the_weighted_gram_matrix_is_the_sum_of_the_rows_outer_products(seed):
    rng = np.random.default_rng(seed)
    X, h = rng.normal(size=(6, 3)), rng.random(6)
    np.testing.assert_allclose(
        weighted_gram(X, h), sum(a * np.outer(x, x) for a, x in zip(h, X, strict=True)), rtol=1e-12
    )


@given(seeds)
def test_the_paired_gram_matrices_are_those_of_the_products_of_two_weights(seed):
    rng = np.random.default_rng(seed)
    X, roots = rng.normal(size=(6, 3)), rng.normal(size=(6, 2))
    grams = paired_grams(X, roots)
    for k, m in np.ndindex(2, 2):
        expected = X.T @ np.diag(roots[:, k] * roots[:, m]) @ X
        np.testing.assert_allclose(grams[:, k, :, m], expected, rtol=1e-11, atol=1e-13)


@given(seeds)
def test_a_gram_matrix_in_single_precision_is_the_one_in_double_to_seven_digits(seed):
    rng = np.random.default_rng(seed)
    X, h = rng.normal(size=(50, 3)), rng.random(50)
    single, double = weighted_gram(X, h, 1, np.float32), weighted_gram(X, h, 1)
    assert single.dtype == np.float32
    unit = np.sqrt(np.diagonal(double))
    np.testing.assert_allclose(single / unit / unit[:, None], double / unit / unit[:, None], atol=1e-5)
    assert not np.array_equal(single, double)


def test_scratch_memory_is_the_threads_own():
    with ThreadPoolExecutor(2) as pool:
        meet = Barrier(2)
        one, other = pool.map(lambda _: (meet.wait(), scratch((3,), np.float64))[1], range(2))
    assert not np.shares_memory(one, other)
