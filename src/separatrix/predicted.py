"""What a plane says of rows in memory: eta, whatever type their cells have, and what follows from it."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from scipy import sparse

from separatrix.arguments import check_offset, is_moderate
from separatrix.arrays import FloatArray, Matrix
from separatrix.checked import checked_matrix
from separatrix.compressed import csr_rows
from separatrix.data.frames import names_of
from separatrix.data.inputs import check_moderate, first_beyond
from separatrix.data.threads import for_each, one_blas_thread, thread_count, workers
from separatrix.equations.hyperplane import doubles, pieces, project

FEW = 2**17  # cells of X, which take no longer than to hold BLAS does
CELLS = 2**19  # of a piece of X: to take one more keeps other threads waiting
MANY = 2**21  # of X; fewer one thread has multiplied before others have begun
NUMBERS = 2**17  # of a piece of eta, of which an exponential is made


def eta_of(estimator: Any, X: Any, offset: Any) -> FloatArray:
    """x'w + b + offset of every row, (rows, K). Of many a piece is checked, and multiplied while it is in the cache.

    Raises what `checked_matrix` and `check_offset` do, and CellError for a cell that is not finite or too large.
    """
    given, X = X, checked_matrix(estimator, X)
    w, b = np.atleast_2d(estimator.coef_).T, np.atleast_1d(estimator.intercept_)
    is_sparse, (n, p), K = sparse.issparse(X), X.shape, w.shape[1]
    offset = None if isinstance(offset, int) and offset == 0 else check_offset(offset, n, K)

    def product_of(rows: Matrix, held: bool = True) -> FloatArray:
        if not is_moderate(rows.data if is_sparse else rows, held) and first_beyond(rows):
            check_moderate(X, names_of(given))  # which says where
        return project(rows if is_sparse else doubles(rows), w)

    def fill(some: slice) -> None:
        eta[some] = product_of(csr_rows(X, some) if is_sparse else X[some])

    if X.size <= FEW:
        eta = product_of(X, held=False)
    elif X.size <= (MANY if is_sparse or X.dtype == np.float64 else CELLS):
        with one_blas_thread():
            eta = product_of(X)
    else:
        eta = np.empty((n, K), order="F")  # of a few classes sums over each row are fast then
        shared(estimator, fill, pieces(n, p, least=max(n * CELLS // X.size, 1)))
    of_class = eta.T  # a row of which is long, as what NumPy adds at once should be
    of_class += b[:, None] if offset is None else b[:, None] + offset.T
    return eta


def by_rows(estimator: Any, make: Callable[[FloatArray], FloatArray], eta: FloatArray) -> FloatArray:
    """make(eta) (rows, any), for a make that makes of each row (rows, K) what it would by itself."""
    if eta.size <= 2 * NUMBERS:
        return make(eta)
    out = np.empty((len(eta), make(eta[:1]).shape[1]))

    def fill(some: slice) -> None:
        out[some] = make(eta[some])

    shared(estimator, fill, pieces(*eta.shape, least=max(NUMBERS // eta.shape[1], 1)))
    return out


def shared(estimator: Any, fill: Callable[[slice], None], parts: Iterable[slice]) -> None:
    """Threads share what is to be done for some rows each, as many as the estimator may use."""
    with one_blas_thread(), workers(thread_count(getattr(estimator, "n_threads", None))) as pool:
        for_each(pool, fill, parts)
