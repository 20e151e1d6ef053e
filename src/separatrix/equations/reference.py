r"""The loss of K classes, one of them the reference: what odds ratios compare with, and what leaves no direction flat.

loss            y              eta            value                              gradient         curvature
ReferenceLoss   0 .. K-1       K - 1 reals    logsumexp([0, eta]) - [0, eta]_y   p - [k = y]      diag(p) - p p'
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from separatrix.arrays import FloatArray
from separatrix.equations.links import of_others, softmax
from separatrix.equations.losses import SoftmaxLoss

SOFTMAX = SoftmaxLoss()


class ReferenceLoss:
    r"""SoftmaxLoss with eta_0 = 0: of K classes, the others measured against the first, their reference.

    Domain: y in {0, .., K-1} (rows,), eta (rows, K-1) of the classes 1 .. K-1.    Link: p = softmax([0, eta]).

    Its derivatives are SoftmaxLoss's without row and column 0, and no direction of eta is flat (McCullagh and Nelder
    1989, section 5.2). With K = 2 it is LogLoss.

    >>> ReferenceLoss().value(np.array([0, 1]), np.array([[0.0], [40.0]]))
    array([6.93147181e-01, 4.24835426e-18])
    """

    curvature_bound = SoftmaxLoss.curvature_bound
    third_bound = SoftmaxLoss.third_bound

    def value(self, y: NDArray, eta: ArrayLike) -> FloatArray:
        return SOFTMAX.value(y, beside_reference(eta))

    def gradient(self, y: NDArray, eta: ArrayLike) -> FloatArray:
        return SOFTMAX.gradient(y, beside_reference(eta))[:, 1:]

    def curvature(self, y: NDArray, eta: ArrayLike) -> FloatArray:
        return SOFTMAX.curvature(y, beside_reference(eta))[:, 1:, 1:]

    def probabilities(self, eta: FloatArray) -> FloatArray:
        """(rows, K) from eta (rows, K-1)."""
        return softmax(beside_reference(eta))

    def together(self, y: NDArray, eta: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Value (rows,), gradient and p (rows, K-1), both without the reference's."""
        value, gradient, p = SOFTMAX.together(y, beside_reference(eta))
        return value, gradient[:, 1:], p[:, 1:]

    def second(self, state: FloatArray, k: int, m: int) -> FloatArray:
        return self.diagonal(state)[:, k] if k == m else -state[:, k] * state[:, m]

    def diagonal(self, state: FloatArray) -> FloatArray:
        # 1 - p_k is 0 where p_k rounds to 1. With the others' sum no row's curvature is negative in any direction.
        return state * np.maximum(1.0 - state, of_others(state))

    def curvature_times(self, state: FloatArray, v: FloatArray) -> FloatArray:
        total = np.maximum(state.sum(axis=1, dtype=np.float64, keepdims=True), 1.0)  # above which it is rounding
        return state * (v - np.sum(state * v, axis=1, keepdims=True) / total)

    def roots(self, state: FloatArray) -> FloatArray:
        return SOFTMAX.roots(all_classes(state))[:, 1:]

    def pair_roots(self, weight: FloatArray, state: FloatArray) -> FloatArray:
        return SOFTMAX.pair_roots(weight, all_classes(state))

    def of_pairs(self, pairs: FloatArray, K: int) -> FloatArray:
        return SOFTMAX.of_pairs(pairs, K + 1)[:, 1:, :, 1:]

    def margin(self, y: NDArray, eta: FloatArray) -> FloatArray:
        return SOFTMAX.margin(y, beside_reference(eta))

    def flat(self, K: int) -> FloatArray:
        return np.zeros((K, 0))

    def classes(self, K: int) -> int:
        return K + 1


def all_classes(p: FloatArray) -> FloatArray:
    """The probabilities of all classes, (rows, K), from those of all but the reference."""
    return np.hstack([np.maximum(1.0 - p.sum(axis=1, keepdims=True), 0.0), p])


def beside_reference(eta: ArrayLike) -> FloatArray:
    """[0, eta]: the linear predictors of all classes, (rows, K), from those of all but the reference; each of its
    columns contiguous.

    >>> beside_reference(np.array([[1.0, 2.0]]))
    array([[0., 1., 2.]])
    """
    eta = np.asarray(eta, dtype=float)
    beside = np.zeros((len(eta), eta.shape[1] + 1), order="F")
    beside[:, 1:] = eta
    return beside
