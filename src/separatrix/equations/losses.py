r"""What a wrong prediction costs, row by row, with its first and second derivative in the linear predictor eta.

    loss          y               eta          value                          gradient       curvature
    LogLoss       0 or 1          real         log(1 + exp(eta)) - y eta      p - y          p (1 - p)
    MarginLoss    -1 or +1        real         log(1 + exp(-t)), t = y eta    -y p(-t)       p(t) p(-t)
    SoftmaxLoss   0 .. K-1        K reals      logsumexp(eta) - eta_y         p - [k = y]    diag(p) - p p'
    SquaredLoss   real            real         (eta - y)^2 / 2                eta - y        1

LogLoss and MarginLoss are one loss in the two codings of its labels, and `cross_entropy` is the same once more as a
function of p. The engine minimises LogLoss with eta (rows, 1) and SoftmaxLoss with eta (rows, K); SquaredLoss has a
closed form. ReferenceLoss, in a module of its own, is SoftmaxLoss with eta_0 = 0.
"""

from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import xlogy

from separatrix.arrays import FloatArray
from separatrix.equations.links import (
    log1p,
    log1pexp,
    odds_against,
    of_class,
    of_others,
    sigmoid,
    sigmoids,
    softmax,
)

FAR = 700.0  # exp(700) is still finite, and a probability below exp(-700) is as good as none


class Loss(Protocol):
    """What an objective needs of a loss; y as the loss codes it, eta (rows, K).

    `curvature_bound` is the largest eigenvalue any row's curvature can have; `third_bound` the R in
    |third derivative along v| <= R |v| curvature (self-concordance; Bach 2010); `flat` spans the directions of eta,
    (K, m), along which the loss does not change; `classes` is how many there are (1 for numbers).

    `together` gives value, gradient and a state (rows, K) from one exponential; of that state, `second` makes the
    second derivative in eta_k and eta_m, (rows,), `diagonal` that in each eta_k twice, (rows, K), `curvature_times` the
    product with v, and `roots` B (rows, K, any) with BB' all of them. Of the products [X 1]' diag(h_k h_m) [X 1] of all
    pairs of `pair_roots` h (rows, any), `of_pairs` makes the curvature in the coefficients (see
    `separatrix.engine.sums.gram`).
    """

    curvature_bound: float
    third_bound: float

    def value(self, y: NDArray, eta: FloatArray) -> FloatArray: ...
    def gradient(self, y: NDArray, eta: FloatArray) -> FloatArray: ...
    def curvature(self, y: NDArray, eta: FloatArray) -> FloatArray: ...
    def together(self, y: NDArray, eta: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]: ...
    def second(self, state: FloatArray, k: int, m: int) -> FloatArray: ...
    def diagonal(self, state: FloatArray) -> FloatArray: ...
    def curvature_times(self, state: FloatArray, v: FloatArray) -> FloatArray: ...
    def roots(self, state: FloatArray) -> FloatArray: ...
    def pair_roots(self, weight: FloatArray, state: FloatArray) -> FloatArray: ...
    def of_pairs(self, pairs: FloatArray, K: int) -> FloatArray: ...
    def flat(self, K: int) -> FloatArray: ...
    def classes(self, K: int) -> int: ...


@runtime_checkable
class ClassLoss(Loss, Protocol):
    """A loss of classes: it has probabilities, (rows, 2) or (rows, K), and a margin, positive on the right side."""

    def probabilities(self, eta: FloatArray) -> FloatArray: ...
    def margin(self, y: NDArray, eta: FloatArray) -> FloatArray: ...


class LogLoss:
    r"""Negative log-likelihood of a 0/1 outcome, per row and of any shape.

    Domain: y in [0, 1], eta real.    Link: p = sigmoid(eta).

        value      = log(1 + exp(eta)) - y eta
        gradient   = p - y
        curvature  = p (1 - p)

    >>> LogLoss().value(np.array([0.0, 1.0]), np.array([0.0, 40.0]))
    array([6.93147181e-01, 4.24835426e-18])
    """

    curvature_bound = 0.25
    third_bound = 1.0

    def value(self, y: ArrayLike, eta: ArrayLike) -> FloatArray:
        # Two terms of one sign: log(1 + exp(eta)) - y eta as it stands would cancel to 0 at eta = 40, y = 1.
        y, size = np.asarray(y), np.abs(eta)
        return log1pexp(-size) + size * np.where(np.greater(eta, 0), 1.0 - y, y)

    def gradient(self, y: ArrayLike, eta: ArrayLike, out: FloatArray | None = None) -> FloatArray:
        # p - y from the probability of the other label, as p - 1 has no digits left where p is nearly 1. In place, even
        # of eta, where that is `out`: new arrays of many fits cost more than the arithmetic. Of labels of one byte rint
        # would make half precision, which takes long to multiply with.
        label = np.rint(y, dtype=np.float64)
        sign = 1.0 - 2.0 * label
        other = np.asarray(np.multiply(sign, eta, out=out), dtype=np.float64)
        sigmoid(other, out=other)
        other *= sign
        other -= np.subtract(y, label)
        return other[()]

    def curvature(self, y: ArrayLike, eta: ArrayLike) -> FloatArray:
        # sigmoid(-eta), not 1 - sigmoid(eta): the second loses every digit at eta = 40.
        eta = np.asarray(eta)
        return sigmoid(eta) * sigmoid(-eta)

    def together(self, y: NDArray, eta: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Value, gradient and curvature, of the shape of eta each, from one exponential, with few operations, most of
        them in place: each costs a thread about as much in waiting for others as in arithmetic. y may be one for all
        eta of a row.

        With l the label nearest to y, 0 or 1, s = (1 - 2 l) eta is the log-odds of the other one, and the loss is
        log(1 + exp(s)) - (y - l) eta, whose second term is 0 where y is a label.
        """
        label = y if y.dtype.kind in "iu" else np.rint(y)
        sign = 1.0 - (label + label)
        s = sign * eta
        odds = s.clip(-FAR, FAR)
        np.exp(odds, out=odds)
        # log(1 + odds) with what rounds off in the sum put back (see log1p); beyond FAR it is s.
        total = odds + 1.0
        lost = total - 1.0
        lost -= odds
        inverse = np.reciprocal(total)
        lost *= inverse
        value = np.log(total, out=total)
        value -= lost
        np.maximum(value, s, out=value)
        odds *= inverse  # the probability of the other label: p, or 1 - p with all its digits
        state = np.multiply(odds, inverse, out=inverse)
        gradient = np.multiply(odds, sign, out=odds)
        if label is not y:
            off = y - label
            gradient -= off
            value -= off * eta
        return value, gradient, state

    def second(self, state: FloatArray, k: int, m: int) -> FloatArray:
        return state[:, 0]

    def diagonal(self, state: FloatArray) -> FloatArray:
        return state

    def curvature_times(self, state: FloatArray, v: FloatArray) -> FloatArray:
        return state * v

    def roots(self, state: FloatArray) -> FloatArray:
        return np.sqrt(state)[:, :, None]

    def pair_roots(self, weight: FloatArray, state: FloatArray) -> FloatArray:
        return np.sqrt(weight * state[:, 0])[:, None]

    def of_pairs(self, pairs: FloatArray, K: int) -> FloatArray:
        return pairs

    def probabilities(self, eta: FloatArray) -> FloatArray:
        """(rows, 2) from eta (rows, 1): of y = 0, then of y = 1."""
        return sigmoids(eta[:, 0])

    def margin(self, y: NDArray, eta: FloatArray) -> FloatArray:
        return (2.0 * y - 1.0) * eta

    def flat(self, K: int) -> FloatArray:
        return np.zeros((K, 0))

    def classes(self, K: int) -> int:
        return 2


class MarginLoss:
    r"""The tutorial's loss log(1 + exp(-t)) of the margin t = y (w.x + b), y in {-1, +1}; derivatives in eta.

        value      = log(1 + exp(-t))
        gradient   = -y sigmoid(-t)
        curvature  = sigmoid(t) sigmoid(-t)

    >>> MarginLoss().value(np.array([1, -1]), np.array([0.0, 1e9]))
    array([6.93147181e-01, 1.00000000e+09])
    """

    def value(self, y: ArrayLike, eta: ArrayLike) -> FloatArray:
        return log1pexp(-np.multiply(y, eta))

    def gradient(self, y: ArrayLike, eta: ArrayLike) -> FloatArray:
        return -np.asarray(y) * sigmoid(-np.multiply(y, eta))

    def curvature(self, y: ArrayLike, eta: ArrayLike) -> FloatArray:
        t = np.multiply(y, eta)
        return sigmoid(t) * sigmoid(-t)


def cross_entropy(y: ArrayLike, p: ArrayLike) -> FloatArray:
    """-[y log p + (1 - y) log(1 - p)], the same loss seen from the probability p; y in [0, 1], any shape.

    A certain prediction that is right costs 0 and one that is wrong costs inf.

    >>> cross_entropy([1, 0, 1], [0.5, 0.0, 0.0])
    array([0.69314718, 0.        ,        inf])
    """
    y, p = np.asarray(y, dtype=float), np.asarray(p, dtype=float)
    return -(xlogy(y, p) + xlogy(1.0 - y, 1.0 - p)) + 0.0


class SoftmaxLoss:
    r"""Negative log-likelihood of one of K classes, per row.

    Domain: y in {0, .., K-1} (rows,), eta (rows, K).    Link: p = softmax(eta).

        value      = log(sum_k exp(eta_k)) - eta_y     (rows,)
        gradient   = p_k - [k = y]                     (rows, K)
        curvature  = diag(p) - p p'                    (rows, K, K)

    Adding one number to every eta_k of a row changes nothing: the direction (1, .., 1) is flat.

    >>> SoftmaxLoss().value(np.array([0, 1]), np.array([[0.0, 0.0], [40.0, 0.0]]))
    array([ 0.69314718, 40.        ])
    """

    curvature_bound = 0.5
    third_bound = 2**0.5  # the range of v over the classes is at most sqrt(2) |v|

    def value(self, y: NDArray, eta: ArrayLike) -> FloatArray:
        return self.together(y, np.asarray(eta, dtype=float))[0]

    def gradient(self, y: NDArray, eta: ArrayLike) -> FloatArray:
        return self.together(y, np.asarray(eta, dtype=float))[1]

    @np.errstate(under="ignore")
    def curvature(self, y: NDArray, eta: ArrayLike) -> FloatArray:
        p, classes = softmax(eta), np.arange(np.shape(eta)[-1])
        curvature = -p[..., :, None] * p[..., None, :]
        curvature[..., classes, classes] = self.diagonal(p)
        return curvature

    def probabilities(self, eta: FloatArray) -> FloatArray:
        """(rows, K) from eta (rows, K)."""
        return softmax(eta)

    @np.errstate(under="ignore")
    def together(self, y: NDArray, eta: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Value (rows,), gradient and p (rows, K), from one exponential."""
        odds, of_own, higher, own = odds_against(y, eta)
        others = odds.sum(axis=0)
        total = others + of_own
        value = log1p(others) if higher is None else np.where(higher > 0, np.log(total) + higher, log1p(others))
        inverse = np.reciprocal(total)
        gradient = np.multiply(odds, inverse, out=odds)
        p = gradient.copy()
        p.reshape(-1)[own] = of_own * inverse
        # For the row's own class p - 1 = -(the others' share), which keeps its digits where p is nearly 1.
        gradient.reshape(-1)[own] = -others * inverse
        return value, gradient.T, p.T

    def second(self, state: FloatArray, k: int, m: int) -> FloatArray:
        return self.diagonal(state)[:, k] if k == m else -state[:, k] * state[:, m]

    def diagonal(self, state: FloatArray) -> FloatArray:
        return state * of_others(state)

    def curvature_times(self, state: FloatArray, v: FloatArray) -> FloatArray:
        # Divided by the sum of p, which rounds: then constant v give zero, and no v less, in any precision of p.
        mean = np.sum(state * v, axis=1, keepdims=True) / state.sum(axis=1, dtype=np.float64, keepdims=True)
        return state * (v - mean)

    def roots(self, state: FloatArray) -> FloatArray:
        # diag(sqrt p) - p sqrt(p)', whose diagonal sqrt(p) (1 - p) keeps its digits where p is nearly 1.
        root, classes = np.sqrt(state), np.arange(state.shape[1])
        B = -state[:, :, None] * root[:, None, :]
        B[:, classes, classes] = root * of_others(state)
        return B

    def pair_roots(self, weight: FloatArray, state: FloatArray) -> FloatArray:
        return state * np.sqrt(weight)[:, None]

    def of_pairs(self, pairs: FloatArray, K: int) -> FloatArray:
        # diag(p) - pp' is the Laplacian of the graph whose edge k-m weighs p_k p_m. All edges come from one symmetric
        # product, and a diagonal made as the sum of its edges keeps the matrix semi-definite in any precision.
        curvature = np.negative(pairs, out=pairs)
        for k in range(K):
            curvature[:, k, :, k] = 0.0
            curvature[:, k, :, k] = -curvature[:, k].sum(axis=2)
        return curvature

    def margin(self, y: NDArray, eta: FloatArray) -> FloatArray:
        rivals = np.array(eta)
        np.put_along_axis(rivals, y[..., None], -np.inf, axis=-1)
        return of_class(eta, y) - rivals.max(axis=-1)

    def flat(self, K: int) -> FloatArray:
        return np.full((K, 1), K**-0.5)

    def classes(self, K: int) -> int:
        return K


class SquaredLoss:
    r"""Half the squared error, per row and of any shape: linear regression.

        value      = (eta - y)^2 / 2
        gradient   = eta - y
        curvature  = 1

    >>> SquaredLoss().value(np.array([1.0]), np.array([4.0]))
    array([4.5])
    """

    curvature_bound = 1.0
    third_bound = 0.0

    def value(self, y: ArrayLike, eta: ArrayLike) -> FloatArray:
        return 0.5 * np.square(np.subtract(eta, y))

    def gradient(self, y: ArrayLike, eta: ArrayLike) -> FloatArray:
        return np.subtract(eta, y)

    def curvature(self, y: ArrayLike, eta: ArrayLike) -> FloatArray:
        return np.ones_like(np.asarray(eta, dtype=float))

    def together(self, y: NDArray, eta: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Value, gradient and curvature, (rows, K) each."""
        return self.value(y, eta), self.gradient(y, eta), self.curvature(y, eta)

    def second(self, state: FloatArray, k: int, m: int) -> FloatArray:
        return state[:, k] * (k == m)

    def diagonal(self, state: FloatArray) -> FloatArray:
        return state

    def curvature_times(self, state: FloatArray, v: FloatArray) -> FloatArray:
        return state * v

    def roots(self, state: FloatArray) -> FloatArray:
        return np.sqrt(state)[:, :, None] * np.eye(state.shape[1])

    def pair_roots(self, weight: FloatArray, state: FloatArray) -> FloatArray:
        return np.sqrt(weight)[:, None]

    def of_pairs(self, pairs: FloatArray, K: int) -> FloatArray:
        return pairs * np.eye(K)[:, None, :]

    def flat(self, K: int) -> FloatArray:
        return np.zeros((K, 0))

    def classes(self, K: int) -> int:
        return 1
