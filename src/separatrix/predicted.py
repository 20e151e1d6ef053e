"""What a plane says of rows in memory, in one pass: a piece of them is checked, multiplied and made what is asked while
it is in the cache, and threads share the pieces."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from separatrix.arguments import check_offset, is_moderate
from separatrix.arrays import FloatArray
from separatrix.checked import checked_matrix
from separatrix.compressed import csr_rows
from separatrix.data.frames import names_of
from separatrix.data.given import check_moderate, first_beyond
from separatrix.data.threads import for_each, one_blas_thread, thread_count, workers
from separatrix.equations.hyperplane import doubles, pieces, project

MANY, CELLS = 2**22, 2**19  # cells that are worth threads, and of a piece: to take one more keeps others waiting


def of_rows(estimator: Any, X: Any, offset: Any, of_eta: Callable[[FloatArray], NDArray]) -> NDArray:
    """of_eta(x'w + b + offset) of every row, (rows, ...), where of_eta makes (some rows, K) what is asked of each.

    Raises what `checked_matrix` and `check_offset` do, and CellError for a cell that is not finite or too large.
    """
    given, X = X, checked_matrix(estimator, X)
    w, b = np.atleast_2d(estimator.coef_).T, np.atleast_1d(estimator.intercept_)
    offset = check_offset(offset, X.shape[0], len(b))

    is_sparse = sparse.issparse(X)

    def of_some(some: slice) -> NDArray:
        rows = csr_rows(X, some) if is_sparse else X[some]
        if not is_moderate(rows.data if is_sparse else rows) and first_beyond(rows):
            check_moderate(X, names_of(given))  # which says where
        eta = project(rows if is_sparse else doubles(rows), w) + (b if offset is None else b + offset[some])
        return of_eta(eta)

    (n, p), cells = X.shape, X.size
    if cells <= (MANY if X.dtype == np.float64 else CELLS):
        return of_some(slice(0, n))
    nothing = of_eta(np.zeros((0, len(b))))
    out = np.empty((n, *nothing.shape[1:]), nothing.dtype)

    def fill(some: slice) -> None:
        out[some] = of_some(some)

    with one_blas_thread(), workers(thread_count(getattr(estimator, "n_threads", None))) as pool:
        for_each(pool, fill, pieces(n, p, least=max(n * CELLS // cells, 1)))
    return out
