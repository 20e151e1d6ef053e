r"""Between a linear predictor eta (any real number) and a probability p.

    sigmoid(eta)   = 1 / (1 + exp(-eta))                two classes
    logit(p)       = log(p / (1 - p))                   its inverse
    softmax(eta)_k = exp(eta_k) / sum_l exp(eta_l)      K classes
    log1pexp(eta)  = log(1 + exp(eta))                  the integral of sigmoid
    logsumexp(eta) = log(sum_l exp(eta_l))              whose gradient is softmax

All hold for any argument up to 1e300 in size without overflow or warning, and to a few units in the last place.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from separatrix.arrays import FloatArray, IntArray

FAR = 600.0  # exp of as much, of thousands of classes, still sums to a number
NEAR = 32.0  # the rounding of a difference of as much is that of any number, when exp has made it a share


@np.errstate(over="ignore", under="ignore")
def sigmoid(eta: ArrayLike, out: FloatArray | None = None) -> FloatArray:
    """P(y = 1) at the linear predictor eta: 1 / (1 + exp(-eta)), any shape; in `out`, if there is one, even eta itself.

    Where exp(-eta) overflows, the quotient is 0 as it should be, so the overflow is no error. For small p this keeps
    every digit; for the digits of 1 - p ask sigmoid(-eta), not 1 - sigmoid(eta).

    >>> sigmoid(0.0)
    np.float64(0.5)
    >>> sigmoid(np.array([-1e9, -40, 40, 1e9]))
    array([0.00000000e+00, 4.24835426e-18, 1.00000000e+00, 1.00000000e+00])
    """
    odds_against = np.exp(np.negative(eta, out=out), out=out)
    return np.reciprocal(np.add(odds_against, 1.0, out=out), out=out)


@np.errstate(over="ignore", under="ignore", invalid="ignore")
def sigmoids(eta: FloatArray) -> FloatArray:
    """P(y = 0) and P(y = 1) at eta (rows,), from one exponential; (rows, 2).

    Both keep their digits, as one is the other times its odds. Where these overflow their product with 0 is no number,
    and the probability 1.

    >>> sigmoids(np.array([-1e9, 0.0, 40.0]))
    array([[1.00000000e+00, 0.00000000e+00],
           [5.00000000e-01, 5.00000000e-01],
           [4.24835426e-18, 1.00000000e+00]])
    """
    against = np.exp(-eta)
    p = 1.0 + against
    np.reciprocal(p, out=p)
    against *= p
    return np.column_stack([np.fmin(against, 1.0), p])


def logit(p: ArrayLike) -> FloatArray:
    """Log-odds log(p / (1 - p)) of a probability in [0, 1], any shape; -inf at 0, inf at 1.

    Worked out from the smaller of p and 1 - p, and near one half from their difference, which is exact there.

    >>> logit(0.5)
    np.float64(0.0)
    >>> logit(np.array([0.0, 0.25, 0.75]))
    array([       -inf, -1.09861229,  1.09861229])
    """
    p = np.asarray(p, dtype=float)
    q = np.minimum(p, 1.0 - p)
    with np.errstate(divide="ignore", over="ignore", under="ignore"):  # where the other branch is the one taken
        near_half = -np.log1p((1.0 - 2.0 * q) / np.where(q > 0, q, 1.0))
        size = np.where(q >= 0.25, near_half, np.log(q) - np.log1p(-q))
    return np.where(p > 0.5, -size, size + 0.0)[()]


def log1pexp(eta: ArrayLike) -> FloatArray:
    """log(1 + exp(eta)), any shape: the negative log-likelihood of a failure.

    >>> log1pexp(np.array([-1e9, 0.0, 1e9]))
    array([0.00000000e+00, 6.93147181e-01, 1.00000000e+09])
    """
    eta = np.asarray(eta)
    with np.errstate(under="ignore"):
        return np.maximum(eta, 0.0) + log1p(np.exp(-np.abs(eta)))


@np.errstate(under="ignore")
def softmax(eta: ArrayLike) -> FloatArray:
    """P(y = k) for each class: (..., K) linear predictors to (..., K) probabilities that sum to 1.

    >>> softmax([0.0, 0.0])
    array([0.5, 0.5])
    >>> softmax([1e9, 0.0, -1e9])
    array([1., 0., 0.])
    """
    weight, _ = exp_below_top(np.asarray(eta, dtype=float))
    return weight / weight.sum(axis=-1, keepdims=True)


def log_sigmoids(eta: FloatArray) -> FloatArray:
    """log P(y = 0) and log P(y = 1) at eta (rows, 1), from one exponential; (rows, 2).

    >>> log_sigmoids(np.array([[0.0], [40.0]]))
    array([[-6.93147181e-01, -6.93147181e-01],
           [-4.00000000e+01, -4.24835426e-18]])
    """
    least = log1pexp(-np.abs(eta))  # of -log P
    return np.hstack([-np.maximum(eta, 0.0) - least, np.minimum(eta, 0.0) - least])


def log_softmax(eta: FloatArray) -> FloatArray:
    """log P(y = k) for each class, (..., K).

    >>> log_softmax(np.array([0.0, 1e9]))
    array([-1.e+09,  0.e+00])
    """
    return eta - logsumexp(eta)[..., None]


def logsumexp(eta: ArrayLike) -> FloatArray:
    """log(sum_k exp(eta_k)) over the last axis: (..., K) to (...).

    >>> logsumexp([1e9, 1e9]) - 1e9
    np.float64(0.693147...)
    """
    eta = np.asarray(eta, dtype=float)
    weight, top = exp_below_top(eta)
    return top[..., 0] + log1p(below_top(weight, eta, top))


def exp_below_top(eta: FloatArray) -> tuple[FloatArray, FloatArray]:
    """exp(eta - max eta) and that maximum, (..., K) and (..., 1): softmax before it is divided.

    The difference is rounded, and exp turns its absolute error into a relative one: at eta = -700 that would cost two
    digits. The rounding error is known exactly (Knuth's TwoSum), so it is put back to first order.
    """
    top = eta.max(axis=-1, keepdims=True)
    below = eta - top
    lost = lost_of(below, eta, top)
    with np.errstate(under="ignore"):
        return exp_with(lost, below), top


def lost_of(difference: FloatArray, a: FloatArray, b: FloatArray) -> FloatArray:
    """What rounding took from a - b.

    >>> lost_of(np.array([1.0]), np.array([1.0]), np.array([1e-20]))
    array([-1.e-20])
    """
    back = difference - a
    lost = difference - back  # (a - (difference - back)) - (b + back), in place: of many classes each is a large array
    np.subtract(a, lost, out=lost)
    back += b
    lost -= back
    return lost


def exp_with(lost: FloatArray, eta: FloatArray) -> FloatArray:
    """exp(eta + lost), for a lost that is next to nothing; both arrays are used up."""
    np.exp(eta, out=eta)
    lost *= eta
    eta += lost
    return eta


@np.errstate(under="ignore")
def odds_against(y: NDArray, eta: FloatArray) -> tuple[FloatArray, FloatArray | float, FloatArray | None, IntArray]:
    """exp(eta_k - eta_y), the odds of every class against the row's own y, by class, (K, rows), from eta (rows, K).

    Those of y itself, 1, are given apart, and zero stands in their place: so sums over the others keep their digits.
    Where odds would overflow, all of the row are divided by exp(`higher`), of (rows,); None where none would. At last
    the places of the rows' own classes in the flat (K, rows).

    By class an operation is on many numbers at once, and there are few of them: where X has few columns, passes of
    several classes spend much of their time here.

    >>> odds_against(np.array([0, 1]), np.log([[1.0, 1.0], [3.0, 1.0]]))[0]
    array([[0., 3.],
           [1., 0.]])
    """
    by_class = np.ascontiguousarray(eta.T)
    own = y.astype(np.intp) * len(y) + np.arange(len(y))
    level, higher = by_class.reshape(-1)[own], None
    odds = by_class - level
    most = odds.max(initial=0.0)
    if most > FAR:
        higher = np.maximum(by_class.max(axis=0) - FAR - level, 0.0)
        level = level + higher
        odds = by_class - level
    if most < NEAR and odds.min(initial=0.0) > -NEAR:
        np.exp(odds, out=odds)
    else:
        odds = exp_with(lost_of(odds, by_class, level), odds)
    of_own = 1.0 if higher is None else odds.reshape(-1)[own]
    odds.reshape(-1)[own] = 0.0
    return odds, of_own, higher, own


def below_top(weight: FloatArray, eta: FloatArray, top: FloatArray) -> FloatArray:
    """Sum of weight (..., K) but for one entry of the maximum, which is 1: no digit is lost, as in sum - 1; (...)."""
    at_top = eta == top
    return np.where(at_top, 0.0, weight).sum(axis=-1) + (at_top.sum(axis=-1) - 1)


def of_class(eta: FloatArray, y: NDArray) -> FloatArray:
    """eta_y: of each row of (rows, K) the entry of its class, (rows,)."""
    return eta[np.arange(len(y)), y]


def of_others(p: FloatArray) -> FloatArray:
    """Of each class the probability of the others, (..., K): 1 - p, as a sum where p is nearly 1, to keep its digits.

    >>> of_others(np.array([1.0, 1e-20]))
    array([1.e-20, 1.e+00])
    """
    most = p > 0.5
    less = np.where(most, 0.0, p).sum(axis=-1, dtype=np.float64, keepdims=True)
    return np.where(most, less, p.sum(axis=-1, dtype=np.float64, keepdims=True) - p)


def log1p(x: FloatArray) -> FloatArray:
    """log(1 + x) for x >= 0: numpy.log, which is vectorised as numpy.log1p is not, plus what rounding 1 + x lost.

    After Kahan: with u = 1 + x rounded, log(1 + x) = log(u) + (x - (u - 1)) / u to second order in the lost part.
    """
    u = 1.0 + x
    return np.log(u) + (x - (u - 1.0)) / u
