"""Sparse matrices that share the arrays of another. scipy's constructors, and `.T` with them, copy an array of which a
matrix has less than half: a block of rows, and again for each product with its transpose."""

from typing import Any

import numpy as np
from scipy import sparse
from scipy.sparse import _sparsetools

from separatrix.arrays import FloatArray, IntArray, Matrix

sparsetools: Any = _sparsetools
KINDS: dict[str, Any] = {"csr": sparse.csr_array, "csc": sparse.csc_array}
OTHER = {"csr": "csc", "csc": "csr"}
SHOWN, MORE = 2**5, 2**3  # rows, and times as many


def compressed(kind: str, shape: tuple[int, int], data: FloatArray, indices: IntArray, indptr: IntArray) -> Matrix:
    """A matrix, "csr" or "csc", of these arrays, as they are and unchecked."""
    X = KINDS[kind](shape, dtype=data.dtype)
    X.data, X.indices, X.indptr = data, indices, indptr
    return X


def dense(X: Matrix) -> Any:
    """X with its zeros: itself, or the array that a sparse one is.

    >>> dense(sparse.csr_array([[0.0, 2.0]]))
    array([[0., 2.]])
    """
    return X.toarray() if sparse.issparse(X) else X


def transposed(X: Matrix) -> Matrix:
    """X', a view of X, dense or sparse.

    >>> transposed(sparse.csr_array([[0.0, 2.0]])).toarray()
    array([[0.],
           [2.]])
    """
    if not sparse.issparse(X) or X.format not in OTHER:
        return X.T
    return compressed(OTHER[X.format], X.shape[::-1], X.data, X.indices, X.indptr)


def of_entries(X: Matrix, entries: FloatArray) -> Matrix:
    """A sparse X with other entries in its places.

    >>> X = sparse.csr_array([[0.0, 2.0]])
    >>> of_entries(X, X.data + 5.0).toarray()
    array([[0., 7.]])
    """
    return compressed(X.format, X.shape, entries, X.indices, X.indptr)


def of_scaled_rows(X: Matrix, r: FloatArray) -> Matrix:
    """diag(r) X of a sparse X, r (rows,).

    >>> of_scaled_rows(sparse.csc_array([[0.0, 2.0], [3.0, 0.0]]), np.array([5.0, 1.0])).toarray()
    array([[ 0., 10.],
           [ 3.,  0.]])
    """
    return of_entries(X, X.data * (r.repeat(np.diff(X.indptr)) if X.format == "csr" else r.take(X.indices)))


def csr_rows(X: Matrix, some: slice) -> Matrix:
    """Consecutive rows of a CSR matrix.

    >>> csr_rows(sparse.csr_array([[0.0, 2.0], [3.0, 0.0]]), slice(1, 2)).toarray()
    array([[3., 0.]])
    """
    if some.start == 0 and some.stop >= X.shape[0]:
        return X
    first, last = X.indptr[some.start], X.indptr[some.stop]
    indptr = X.indptr[some.start : some.stop + 1] - first
    return compressed("csr", (some.stop - some.start, X.shape[1]), X.data[first:last], X.indices[first:last], indptr)


def full_columns(X: Matrix) -> IntArray:
    """The columns of a CSR matrix, with one entry for each place, that have one in every row. The first rows show that
    most have none, and some more that of texts no word is in all.

    >>> full_columns(sparse.csr_array([[0.0, 2.0, 1.0], [3.0, 1.0, 0.0]]))
    array([1]...)
    """
    rows, p = X.shape
    shown = min(rows, SHOWN)
    columns, times = np.unique(X.indices[: X.indptr[shown]], return_counts=True)
    full = columns[times == shown]
    while len(full) and shown < rows:
        shown = min(MORE * shown, rows)
        full = full[np.bincount(X.indices[: X.indptr[shown]], minlength=p)[full] == shown]
    return full


def csr_of_sums(X: Any) -> Any:
    """CSR with one entry for each place, the sum of those that X has there; a copy of X if it has several.

    >>> several = sparse.csr_array((np.ones(2), [1, 1], [0, 2]), shape=(1, 3))
    >>> csr_of_sums(several).data, several.data
    (array([2.]), array([1., 1.]))
    """
    X = X if isinstance(X, sparse.csr_array) else sparse.csr_array(X)
    if not X.has_canonical_format and places(X) < X.nnz:
        X = X.copy()
        X.sum_duplicates()
    return X


def places(X: Matrix) -> int:
    """How many places of a CSR matrix have entries: as many as its product with the identity has, which scipy counts
    before it multiplies. To sort them takes ten times as long."""
    (n, p), kind = X.shape, X.indices.dtype
    one = np.arange(p + 1, dtype=kind)
    return sparsetools.csr_matmat_maxnnz(n, p, X.indptr, X.indices, one, one[:-1])
