"""The hyperplane w.x + b = 0 and the products with X that everything is made of. The one dense/sparse switch.

    eta              = X w + b              linear predictor: which side, and how far
    margin           = y eta                y in {-1, +1}; positive where the prediction is right
    signed distance  = (X w + b) / |w|      in the units of X
    X'r                                     gradients
    X' diag(h) X                            curvatures
    x'A x                                   leverages

X is (rows, p), dense of any layout or scipy sparse; w is (p,) or (p, K), b a number or (K,).
"""

import math
import operator
import threading
from collections.abc import Iterator
from functools import reduce

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray
from scipy import sparse

from separatrix.arrays import FloatArray, Matrix
from separatrix.compressed import csr_rows, dense, of_entries, of_scaled_rows, transposed
from separatrix.errors import ArgumentError

FEW_ROWS = 2**2
PIECE_ROWS, PIECE_CELLS = 2**10, 2**17  # that are scaled and multiplied at a time, while they are in cache
FEW_PRODUCTS = 2**22  # of rows and pairs of columns: of so many even a sparse X is multiplied faster as a dense one,
A_CELL = 32  # where to fill a cell takes as long as so many,
HARDLY = 1 / 6  # and from this share of entries in any case
A_COLUMN = 8  # entries for each column, else to add up sums of columns takes longer than to make them
SQUARED_ROWS = 2**8  # at least, that are multiplied by a square at a time: more would be no faster


def linear_predictor(X: Matrix, w: ArrayLike, b: ArrayLike = 0.0) -> FloatArray:
    """eta = X w + b, (rows,) or (rows, K).

    >>> linear_predictor([[1.0, 2.0]], [3.0, 4.0], 5.0)
    array([16.])
    """
    X = X if sparse.issparse(X) else np.asarray(X)
    return np.asarray(X @ np.asarray(w)) + np.asarray(b)


def margin(y: ArrayLike, eta: ArrayLike) -> FloatArray:
    """The tutorial's t = y (w.x + b) for y in {-1, +1}: positive exactly where the prediction is right.

    >>> margin([1, -1, 1], [2.0, -3.0, -4.0])
    array([ 2.,  3., -4.])
    """
    return np.multiply(y, eta)


def signed_distance(X: Matrix, w: ArrayLike, b: float = 0.0) -> FloatArray:
    """Distance of each row from the hyperplane, (rows,): (w.x + b) / |w|, positive on the side w points to.

    Raises ArgumentError for w = 0, which is normal to no plane.

    >>> signed_distance([[3.0, 4.0], [0.0, 0.0]], w=[3.0, 4.0], b=-5.0)
    array([ 4., -1.])
    """
    w = np.asarray(w, dtype=float)
    scale = np.abs(w).max(initial=0.0)
    if scale == 0:
        raise ArgumentError("w is all zero, and a zero vector is normal to no hyperplane: no distance exists.")
    # Scaled first, so that |w| neither overflows nor underflows.
    return linear_predictor(X, w / scale, b / scale) / np.linalg.norm(w / scale)


def project(X: Matrix, w: FloatArray) -> FloatArray:
    """X w, (rows, K), each of its columns contiguous: then sums over a few classes are fast.

    >>> project(np.array([[1.0, 2.0]]), np.array([[1.0, 0.0], [1.0, 3.0]]))
    array([[3., 6.]])
    """
    return np.asfortranarray(X @ w) if sparse.issparse(X) else (w.T @ X.T).T


def product(A: Matrix, B: FloatArray, out: FloatArray | None = None) -> FloatArray:
    """A B, for A dense or sparse, in a thread beside others: NumPy's @ holds Python's lock all the while where the
    result has few numbers, as a gradient has, and its dot never does; but dot copies what is cut from a larger array,
    across. Of A = X' and several columns it is made as B'X, which BLAS does faster. It may be written to `out`.

    >>> product(np.array([[1.0, 2.0]]), np.array([[3.0], [4.0]]))
    array([[11.]])
    """
    dense = not sparse.issparse(A)
    whole = dense and (A.flags.c_contiguous or A.flags.f_contiguous)
    times = np.dot if whole else operator.matmul
    if dense and B.ndim == 2 and B.shape[1] > 1 and A.strides[0] == A.itemsize:
        result = times(B.T, A.T).T
    elif out is not None and whole and A.dtype == B.dtype == out.dtype:
        return np.dot(A, B, out=out)
    else:
        result = times(A, B)
    if out is None:
        return result
    out[:] = result
    return out


def beside_ones(X: Matrix, ones: int) -> FloatArray:
    """[X 1], dense, with so many columns of ones.

    >>> beside_ones(np.array([[5.0]]), 1)
    array([[5., 1.]])
    """
    return np.hstack([dense(X), np.ones((X.shape[0], ones))])


def with_ones(X: Matrix, ones: int) -> Matrix:
    """[X 1] in double, CSR where X is sparse, with so many columns of ones.

    >>> with_ones(sparse.csr_array([[5.0]]), 1).toarray()
    array([[5., 1.]])
    """
    if not sparse.issparse(X):
        return beside_ones(X, ones)
    return sparse.hstack([X, np.ones((X.shape[0], ones))], format="csr", dtype=np.float64)


def back_project(X: Matrix, r: FloatArray) -> FloatArray:
    """X'r: (rows, K) of residuals to the (p, K) gradient they add up to.

    >>> back_project(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1.0], [1.0]]))
    array([[4.],
           [6.]])
    """
    return np.asarray(product(transposed(X), r))


def weighted_gram(X: Matrix, h: FloatArray, ones: int = 0, dtype: DTypeLike = np.float64) -> FloatArray:
    """[X 1]' diag(h) [X 1] for h >= 0, with so many columns of ones beside X (0 or 1): (p + ones, p + ones).

    One symmetric product of sqrt(h) [X 1] with itself, in the precision of dtype.

    >>> weighted_gram(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([1.0, 0.0]), ones=1)
    array([[1., 2., 1.],
           [2., 4., 2.],
           [1., 2., 1.]])
    """
    return paired_grams(X, np.sqrt(h)[:, None], ones, dtype)[:, 0, :, 0]


def quadratic_forms(X: Matrix, A: FloatArray) -> FloatArray:
    """[x 1] A [x 1]' of every row, (rows,); A symmetric, (p, p), or (p + 1, p + 1) where a one stands beside x.

    >>> quadratic_forms(np.array([[1.0, 2.0]]), np.diag([1.0, 1.0, 10.0]))
    array([15.])
    """
    p = X.shape[1]
    square, linear, constant = A[:p, :p], 2.0 * A[:p, p:].sum(axis=1), A[p:, p:].sum()
    X = X.tocsr() if sparse.issparse(X) else X
    forms = np.empty(X.shape[0])
    for some in pieces(len(forms), p, SQUARED_ROWS):
        if sparse.issparse(X):  # its product with the square is dense
            rows = csr_rows(X, some)
            forms[some] = rows.multiply(rows @ square + linear).sum(axis=1)
        else:
            half = np.matmul(X[some], square, out=scratch(X[some].shape, np.float64))
            half += linear
            np.einsum("ij,ij->i", X[some], half, out=forms[some])
    return forms + constant


def paired_grams(X: Matrix, roots: FloatArray, ones: int = 0, dtype: DTypeLike = np.float64) -> FloatArray:
    """[X 1]' diag(r_k r_m) [X 1] for every pair of the columns of roots (rows, K): (P, K, P, K), P = p + ones.

    One symmetric product, of the (rows, P K) matrix that holds r_k [X 1] for every k, with itself.

    >>> paired_grams(np.array([[1.0], [2.0]]), np.array([[1.0, 0.0], [0.5, 3.0]])).reshape(2, 2)
    array([[ 2.,  6.],
           [ 6., 36.]])
    """
    (rows, p), K = X.shape, roots.shape[1]
    P = p + ones
    if sparse.issparse(X):
        if rows * P * (P + A_CELL) > FEW_PRODUCTS and not is_hardly_sparse(X):
            return sparse_grams(X, roots, ones)
        X, dtype = X.tocsr(), np.float64  # its columns may lie far from zero, where single precision is not enough
    gram = np.empty(0)
    with np.errstate(over="ignore", invalid="ignore"):
        for some in pieces(max(rows, 1), K * P):
            here = dense(csr_rows(X, some) if sparse.issparse(X) else X[some])
            flat = scaled_copies(here, roots[some], scratch((len(roots[some]), K, P), dtype))
            square = product(flat.T, flat)
            gram = np.add(gram, square, out=gram) if some.start else square
    if np.dtype(dtype) != np.float64 and not np.isfinite(gram).all():  # beyond 1e19 a square is no single number
        return paired_grams(X, roots, ones)
    return gram.reshape(K, P, K, P).transpose(1, 0, 3, 2)


def is_hardly_sparse(X: Matrix) -> bool:
    """Whether a sparse X has so many entries that its dense rows are multiplied faster.

    >>> is_hardly_sparse(sparse.csr_array(np.eye(5))), is_hardly_sparse(sparse.csr_array(np.eye(7)))
    (True, False)
    """
    return X.nnz >= HARDLY * X.shape[0] * X.shape[1]


def sparse_grams(X: Matrix, roots: FloatArray, ones: int) -> FloatArray:
    """`paired_grams` of a sparse X, pair by pair: side by side, its scaled copies would be there several times.

    >>> sparse_grams(sparse.csr_array([[1.0], [2.0]]), np.array([[1.0], [0.5]]), ones=1).reshape(2, 2)
    array([[2.  , 1.5 ],
           [1.5 , 1.25]])
    """
    (_, p), K = X.shape, roots.shape[1]
    grams, halves = np.empty((p + ones, K, p + ones, K)), [of_scaled_rows(X, root) for root in roots.T]
    for k, half in enumerate(halves):
        for m in range(k, K):
            grams[:p, k, :p, m] = (transposed(half) @ halves[m]).toarray()
            grams[:p, m, :p, k] = grams[:p, k, :p, m].T
        grams[:p, k, p:, :] = (transposed(half) @ roots)[:, None, :]
        grams[p:, :, :p, k] = grams[:p, k, p:, :].transpose(1, 2, 0)
    grams[p:, :, p:, :] = (roots.T @ roots)[None, :, None, :]
    return grams


def scaled_copies(X: NDArray, roots: FloatArray, out: FloatArray) -> FloatArray:
    """r_k [X 1] for every column of roots (rows, K), beside each other: in `out` (rows, K, P), (rows, K P).

    >>> scaled_copies(np.array([[5.0]]), np.array([[1.0, 2.0]]), np.empty((1, 2, 2)))
    array([[ 5.,  1., 10.,  2.]])
    """
    p = X.shape[1]
    out[:, :, :p], out[:, :, p:] = X[:, None, :], 1.0
    out *= roots[:, :, None].astype(out.dtype, copy=False)
    return out.reshape(len(out), out.shape[1] * out.shape[2])


def gram_diagonal(X: Matrix, h: FloatArray) -> FloatArray:
    """The diagonal of X' diag(h) X, or for h (rows, K) one diagonal each: (p,) or (p, K).

    >>> gram_diagonal(np.array([[1.0, -2.0]]), np.array([3.0]))
    array([ 3., 12.])
    """
    if sparse.issparse(X):  # some rows at a time, as squares of all would be as large as X
        n, p, each = *X.shape, max(X.nnz // max(X.shape[0], 1), 1)
        some_rows = pieces(n, each, least=A_COLUMN * p // each if X.format == "csr" else n)
        sums = (transposed(_squared_entries(csr_rows(X, some))) @ h[some] for some in some_rows)
        return reduce(operator.iadd, sums, np.zeros((p, *h.shape[1:])))
    parts = (product(_squared(X[some]).T, h[some]) for some in pieces(max(len(X), 1), X.shape[1], FEW_ROWS))
    return reduce(operator.iadd, parts)


def squares_about(X: Matrix, centre: FloatArray, weight: FloatArray) -> FloatArray:
    """sum_i weight_i (x_ij - centre_j)^2 of each column, (p,): about its mean nothing cancels, however far it is.

    >>> squares_about(np.array([[1e9], [1e9 + 2.0]]), np.array([1e9 + 1.0]), np.array([1.0, 3.0]))
    array([4.])
    """
    n, p = X.shape
    if not sparse.issparse(X):
        parts = (weight[some] @ np.square(X[some] - centre) for some in pieces(max(n, 1), p, FEW_ROWS))
        return reduce(operator.iadd, parts)
    X, sums, present, entries = X.tocsr(), np.zeros(p), np.zeros(p), np.zeros(p, dtype=np.int64)
    each = max(X.nnz // max(n, 1), 1)
    for some in pieces(n, each, least=A_COLUMN * p // each):
        part = csr_rows(X, some)
        columns, own = part.indices, np.repeat(weight[some], np.diff(part.indptr))
        sums += np.bincount(columns, own * np.square(part.data - centre[columns]), p)
        present += np.bincount(columns, own, p)
        entries += np.bincount(columns, minlength=p)
    zeros = np.where(entries < n, np.maximum(weight.sum() - present, 0.0), 0.0)  # their weight, without rounding none
    return sums + zeros * np.square(centre)


def row_squares(X: Matrix, v: FloatArray) -> FloatArray:
    """sum_j v_j x_ij^2 of each row, or for v (p, K) one sum each: (rows,) or (rows, K).

    >>> row_squares(np.array([[1.0, -2.0]]), np.array([1.0, 0.5]))
    array([3.])
    """
    if sparse.issparse(X):
        return np.asarray(_squared_entries(X) @ v)
    sums = np.empty((len(X), *v.shape[1:]))
    for some in pieces(len(X), X.shape[1], FEW_ROWS):
        sums[some] = product(_squared(X[some]), v)
    return sums


def _squared_entries(X: Matrix) -> Matrix:
    """Every entry of a sparse X squared."""
    return of_entries(X, np.square(X.data, dtype=np.float64))


def _squared(X: NDArray) -> FloatArray:
    """Every entry squared, good until this thread's next call."""
    return np.multiply(X, X, out=scratch(X.shape, np.float64))


def doubles(X: NDArray) -> FloatArray:
    """Every entry in double precision, good until this thread's next call if X is of another type: products of two
    types take several times as long."""
    if X.dtype == np.float64:
        return X
    np.copyto(wide := scratch(X.shape, np.float64), X)
    return wide


def pieces(rows: int, columns: int, least: int = PIECE_ROWS) -> Iterator[slice]:
    """Some of the rows at a time, as many as stay in cache with so many columns, but at least so many."""
    step = max(least, PIECE_CELLS // max(columns, 1))
    if 0 < rows <= step:
        return iter((slice(0, rows),))
    return (slice(first, min(first + step, rows)) for first in range(0, rows, step))


def scratch(shape: tuple[int, ...], dtype: DTypeLike) -> FloatArray:
    """An array that is this thread's own and is written over next time: to have new pages of memory for every block
    costs as much as the product they are for."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    held = getattr(_held, "bytes", None)
    if held is None or held.size < size:
        held = _held.bytes = np.empty(size, np.uint8)
    return held[:size].view(dtype).reshape(shape)


_held = threading.local()
