"""More columns than rows: an L2-penalised solution lies in the span of the rows, so it is sought there.

Dense rows: the span itself is the space.
With w = D^-1 X'a, D the penalty's strengths, eta = G a for the (rows, rows) matrix G = X D^-1 X' = L L', and in z = L'a
the problem is the plain one again: eta = L z with the penalty |z|^2 / 2. L is a Cholesky factor whose rows come in the
order of their pivots (Higham 2002, section 10.3): a row whose part beyond those before it is below the rounding of G
moves neither eta nor the penalty by it, and has no coordinate of its own. So a = L^-T z needs no more rows than that.

Sparse rows: of columns that have an entry in one and the same row only (most word pairs of a text), the span knows
one direction. One column with the norm of their entries as its own takes their place.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse
from scipy.linalg import get_lapack_funcs, solve_triangular

from separatrix.arrays import FloatArray
from separatrix.data.block import Source
from separatrix.data.memory import MemorySource, csr_of
from separatrix.engine.choose import products_pay
from separatrix.equations.penalties import L2, ElasticNet

MOST_ROWS = 2_000  # whose matrix G is still small
(pstrf,) = get_lapack_funcs(("pstrf",), dtype=np.float64)
COLUMNS = 2_048  # that a thread multiplies at a time


@dataclass(frozen=True)
class Space:
    """Where a problem is solved: its rows and penalty there, and the way of weights (p, K) there and back."""

    source: Source
    penalty: ElasticNet
    there: Callable[[FloatArray], FloatArray] = lambda w: w
    back: Callable[[FloatArray], FloatArray] = lambda z: z


def smallest_space(source: Source, penalty: ElasticNet, classes: int = 1) -> Space:
    """A space with fewer coefficients for each of the `classes` columns of eta, if every weight has an L2 penalty
    alone, and the rows are in memory and fewer than the columns; else the space as it is."""
    if not isinstance(source, MemorySource) or penalty.l1.any() or not penalty.l2.all():
        return Space(source, penalty)
    if not source.n_rows < source.n_columns:
        return sparsely(source, penalty) if classes == 1 and products_pay(source, penalty) else Space(source, penalty)
    if sparse.issparse(source.X):
        return by_columns(source, penalty) if classes > 1 and np.ptp(penalty.l2) == 0 else Space(source, penalty)
    return span_of_rows(source, penalty) if source.n_rows < MOST_ROWS else Space(source, penalty)


def sparsely(source: MemorySource, penalty: ElasticNet) -> Space:
    """The space as it is, mostly zeros stored without them."""
    return Space(source if sparse.issparse(source.X) else replace(source, X=csr_of(source.X)), penalty)


def by_columns(source: MemorySource, penalty: ElasticNet) -> Space:
    """Sparse rows stored column by column, those with one entry merged with the others of their row.

    For eta of several columns, every entry of X meets a row of the coefficients and a row of eta. Those of eta stay in
    cache, and the coefficients, then many times more, are read and written once, in order.
    """
    X = source.X.astype(np.float64, copy=False).tocsc()
    counts = np.diff(X.indptr)
    single, shared = np.flatnonzero(counts == 1), np.flatnonzero(counts > 1)
    row, entry = X.indices[X.indptr[single]], X.data[X.indptr[single]]
    norm = np.sqrt(np.bincount(row, entry**2, minlength=source.n_rows))
    share = np.divide(entry, norm[row], out=np.zeros_like(entry), where=norm[row] > 0)
    merging = sparse.csr_array((share, (row, np.arange(len(single)))), shape=(source.n_rows, len(single)))
    parts = [X[:, shared], sparse.dia_array((norm[None, :], 0), shape=(source.n_rows, source.n_rows))]
    n_shared = len(shared)

    def back(z: FloatArray) -> FloatArray:
        w = np.zeros((source.n_columns, z.shape[1]))
        w[shared], w[single] = z[:n_shared], merging.T @ z[n_shared:]
        return w

    return Space(
        replace(source, X=sparse.hstack(parts, format="csc"), centre=np.zeros(n_shared + source.n_rows)),
        L2(np.full(n_shared + source.n_rows, penalty.l2[0])),
        there=lambda w: np.vstack([w[shared], merging @ w[single]]),
        back=back,
    )


def products_of_rows(X: FloatArray, pool: ThreadPoolExecutor | None) -> FloatArray:
    """X X', (rows, rows), some columns of X at a time, shared by threads."""
    parts = (X[:, first : first + COLUMNS] for first in range(0, X.shape[1], COLUMNS))
    return sum((pool.map if pool else map)(lambda part: part @ part.T, parts), np.zeros((len(X), len(X))))


def span_of_rows(source: MemorySource, penalty: ElasticNet) -> Space:
    """The space in which the dense rows are as many columns as they have directions; X is read once for it, and once
    for the way back."""
    strength = penalty.l2[:, None]
    X = source.X - source.centre if source.centre.any() else np.asarray(source.X, dtype=np.float64)
    even = np.ptp(strength) == 0  # then X need not be copied to be weighted
    G = products_of_rows(X, source.pool) / strength[0] if even else (X / strength.T) @ X.T
    if not np.isfinite(G.trace()):  # rows so long that their squares are no numbers
        return Space(source, penalty)
    factor, order, rank, _ = pstrf(G, lower=True)
    order -= 1
    coordinates = np.empty((len(X), rank))
    coordinates[order] = np.tril(factor)[:, :rank]
    leading, factor = order[:rank], factor[:rank, :rank]

    def there(w: FloatArray) -> FloatArray:
        return solve_triangular(factor, X[leading] @ w, lower=True) if w.any() else np.zeros((rank, w.shape[1]))

    def back(z: FloatArray) -> FloatArray:
        a = np.zeros((len(X), z.shape[1]))
        a[leading] = solve_triangular(factor, z, lower=True, trans=1)
        return (X.T @ a) / strength

    return Space(replace(source, X=coordinates, centre=np.zeros(rank)), L2(np.ones(rank)), there, back)
