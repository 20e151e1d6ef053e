r"""Sums in twice the precision of a double: a number is a pair of doubles, high + low, added only at the end.

The rounding error of a sum or of a product of two doubles is itself a double, and a few operations find it (Dekker
1971, "A floating-point technique for extending the available precision", Numerische Mathematik 18). Carried along, a
sum of products comes out as if made in twice the precision and rounded once (Ogita, Rump and Oishi 2005, "Accurate sum
and dot product", SIAM Journal on Scientific Computing 26). It is the same on every machine, which long double is not.
"""

import numpy as np
from scipy import sparse

from separatrix.arrays import FloatArray, IntArray, Matrix
from separatrix.compressed import transposed

Pair = tuple[FloatArray, FloatArray]
SPLITTER = 2.0**27 + 1.0  # cuts the 53 bits of a double into halves, whose products are exact


def two_sum(a: FloatArray, b: FloatArray) -> Pair:
    """a + b and its rounding error.

    >>> two_sum(np.array([1e16]), np.array([1.0]))
    (array([1.e+16]), array([1.]))
    """
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


def two_product(a: FloatArray, b: FloatArray) -> Pair:
    """a b and its rounding error.

    >>> two_product(np.array([2.0**30 + 1]), np.array([2.0**30 + 1]))
    (array([1.15292151e+18]), array([1.]))
    """
    product, (a1, a2), (b1, b2) = a * b, halves(a), halves(b)
    return product, ((a1 * b1 - product) + a1 * b2 + a2 * b1) + a2 * b2


def halves(a: FloatArray) -> Pair:
    """a as the sum of two numbers of half its bits; NaN above 1e300."""
    scaled = SPLITTER * a
    high = scaled - (scaled - a)
    return high, a - high


def sum_rows(a: FloatArray) -> Pair:
    """The sum over the first axis of a (rows, ...): halves are added to halves, and the errors apart.

    >>> sum_rows(np.array([1e16, 1.0, 1.0, -1e16]))
    (np.float64(0.0), np.float64(2.0))
    """
    low = np.zeros(a.shape[1:])
    while len(a) > 1:
        half = len(a) // 2
        total, error = two_sum(a[:half], a[half : 2 * half])
        low = low + error.sum(axis=0)
        a = np.concatenate([total, a[2 * half :]])
    return (a[0], low) if len(a) else (low, low)


def add(a: Pair, b: Pair) -> Pair:
    """The sum of two pairs."""
    high, error = two_sum(a[0], b[0])
    return high, a[1] + b[1] + error


def sum_runs(a: FloatArray, lengths: IntArray) -> Pair:
    """The sums over runs of a (entries,), of such lengths one after the other, each as `sum_rows` sums; 0 of none.

    >>> sum_runs(np.array([1e16, 1.0, -1e16, 5.0]), np.array([3, 0, 1]))
    (array([0., 0., 5.]), array([1., 0., 0.]))
    """
    low = np.zeros(len(lengths))
    while lengths.max(initial=0) > 1:
        odd = lengths % 2  # is followed by a zero
        even = np.zeros(len(a) + odd.sum())
        even[np.arange(len(a)) + np.repeat(np.cumsum(odd) - odd, lengths)] = a
        a, error = two_sum(even[::2], even[1::2])
        lengths = (lengths + odd) // 2
        low += in_runs(error, lengths)
    return in_runs(a, lengths), low


def in_runs(a: FloatArray, lengths: IntArray) -> FloatArray:
    """The sums over runs of a, as of `sum_runs`, in the precision of a double."""
    return np.bincount(np.repeat(np.arange(len(lengths)), lengths), a, len(lengths)).astype(float, copy=False)


def transposed_product(D: Matrix, v: FloatArray) -> Pair:
    """D'v, (P, T), for D (rows, P) dense or CSC, and v (rows, T).

    >>> sum(transposed_product(np.array([[1e8], [1e8 + 1]]), np.array([[1e8 + 1], [-1e8]])))
    array([[0.]])
    """
    sums = []
    for column in v.T:
        if sparse.issparse(D):
            (product, error), lengths = two_product(D.data, column[D.indices]), np.diff(D.indptr)
            (high, low), lower = sum_runs(product, lengths), in_runs(error, lengths)
        else:
            product, error = two_product(D, column[:, None])
            (high, low), lower = sum_rows(product), error.sum(axis=0)
        sums.append((high, low + lower))
    high, low = zip(*sums, strict=True)
    return np.transpose(high), np.transpose(low)


def pull(D: Matrix, y: Pair, weight: FloatArray, theta: FloatArray) -> Pair:
    """D' diag(weight) (y - D theta), (P, T), for a design D (rows, P), dense or CSR, and theta (P, T): what is left of
    the normal equations.

    >>> D, y = np.array([[1.0, 1e8], [1.0, 1e8 + 1]]), np.array([[1e8], [1e8 + 1]])
    >>> sum(pull(D, (y, 0 * y), np.array([0.5, 3.0]), np.array([[0.0], [1.0]]))).ravel()
    array([0., 0.])
    """
    high, low = add(y, transposed_product(transposed(D), -theta))
    scaled, error = two_product(weight[:, None], high)
    total, lower = transposed_product(D.tocsc() if sparse.issparse(D) else D, scaled)
    return total, lower + transposed(D) @ (weight[:, None] * low + error)
