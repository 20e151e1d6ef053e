"""More columns than rows: an L2-penalised solution lies in the span of the rows, so it is sought there.

Dense rows: the span itself is the space.
With w = D^-1 X'a, D the penalty's strengths, eta = G a for the (rows, rows) matrix G = X D^-1 X' = L L', and in z = L'a
the problem is the plain one again: eta = L z with the penalty |z|^2 / 2. L is a Cholesky factor whose rows come in the
order of their pivots (Higham 2002, section 10.3): a row whose part beyond those before it is below the rounding of G
moves neither eta nor the penalty by it, and has no coordinate of its own. So a = L^-T z needs no more rows than that.

That holds as long as the rounding of G is small beside 1, for eta = G a, and sum |a| <= 1: it is of a mean loss.
Rounding of eta by d moves the gradient by X'v with sum |v| <= d / 2, so the gap by v'G v / 2 at most: d^2 / 8 of the
longest row's G. So much less is left of `tol`; and where it would take much of it, as with a column of nanoseconds, the
fit is judged in the columns themselves, and goes on there if it has to.

Sparse rows: of columns that have an entry in one and the same row only (most word pairs of a text), the span knows
one direction. One column with the norm of their entries as its own takes their place.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from types import EllipsisType

import numpy as np
from scipy import sparse
from scipy.linalg import get_lapack_funcs, solve_triangular

from separatrix.arrays import FloatArray, IntArray
from separatrix.data.block import Source
from separatrix.data.memory import MemorySource, some_rows
from separatrix.data.subsets import csr_of
from separatrix.data.threads import for_each, in_order
from separatrix.data.wide import WideRows
from separatrix.engine.choose import products_pay
from separatrix.engine.grams import squares_of
from separatrix.equations.penalties import L2, ElasticNet

MOST_ROWS = 2_000  # whose matrix G is still small
(pstrf,) = get_lapack_funcs(("pstrf",), dtype=np.float64)
EPSILON = float(np.finfo(float).eps)
FEW_ROWS = 512  # whose squares are too few for threads to share


@dataclass(frozen=True)
class Space:
    """Where a problem is solved: its rows and penalty there, and the way of weights (p, K) there and back; what the
    rounding of such rows may add to the gap of each column of eta, if all is at its worst; and the order in which the
    rows of the problem are there."""

    source: Source
    penalty: ElasticNet
    there: Callable[[FloatArray], FloatArray] = lambda w: w
    back: Callable[[FloatArray], FloatArray] = lambda z: z
    rounding: float = 0.0
    order: IntArray | EllipsisType = ...


def smallest_space(source: Source, penalty: ElasticNet, classes: int = 1, weakest: ElasticNet | None = None) -> Space:
    """A space with fewer coefficients for each of the `classes` columns of eta, if every weight has an L2 penalty
    alone, and the rows are in memory and fewer than the columns; else the space as it is, without its zeros if they are
    so many that this pays under the `weakest` penalty."""
    if not isinstance(source, MemorySource) or penalty.has_l1 or not penalty.l2.all():
        return Space(source, penalty)
    if not source.n_rows < source.n_columns:
        zeros = products_pay(source, weakest or penalty, classes)
        return sparsely(source, penalty) if zeros else Space(source, penalty)
    if sparse.issparse(source.X):
        return by_columns(source, penalty) if classes > 1 and np.ptp(penalty.l2) == 0 else Space(source, penalty)
    return span_of_rows(source, penalty) if source.n_rows < MOST_ROWS else Space(source, penalty)


def sparsely(source: MemorySource, penalty: ElasticNet) -> Space:
    """The space as it is, mostly zeros stored without them."""
    if not source.is_sparse:
        source = replace(source, X=csr_of(source.X, source.pool), kept=source.room)
    return Space(source, penalty)


def by_columns(source: MemorySource, penalty: ElasticNet) -> Space:
    """Sparse rows stored column by column, those with one entry merged with the others of their row.

    For eta of several columns, every entry of X meets a row of the coefficients and a row of eta. Those of eta stay in
    cache, and the coefficients, then many times more, are read and written once, in order.
    """
    X = source.X.astype(np.float64, copy=False).tocsc()
    counts = np.diff(X.indptr)
    single, shared = np.flatnonzero(counts == 1), np.flatnonzero(counts > 1)
    if not len(single):
        return Space(replace(source, X=X), penalty)
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


def products_of(X: WideRows, strength: FloatArray) -> FloatArray:
    """X diag(1 / strength) X', (rows, rows), of which squares above the diagonal may be zero. Threads share columns, or
    where a sum of each would take much, squares."""
    n, even, pool = X.source.n_rows, np.ptp(strength) == 0, X.source.pool  # of even ones X need not be copied
    total, root = np.zeros((n, n)), np.sqrt(strength)

    def scaled(some: slice, rows: slice = slice(None)) -> FloatArray:
        return X.part(some, rows) if even else X.part(some, rows) / root[some]

    def of_columns(some: slice) -> FloatArray:
        half = scaled(some)
        return half @ half.T

    def fill(square: tuple[slice, slice]) -> None:
        rows, others = square
        for some in X.parts:
            left = scaled(some, rows)
            total[square] += left @ (left if rows == others else scaled(some, others)).T

    if n <= FEW_ROWS:
        for one in in_order(pool, of_columns, X.parts, ahead=2):
            total += one
    else:
        for_each(pool, fill, squares_of(n))
    return np.divide(total, strength[0], out=total) if even else total


def span_of_rows(source: MemorySource, penalty: ElasticNet) -> Space:
    """The space in which the dense rows are as many columns as they have directions; X is read once for it, and once
    for the way back. The rows come in the order of their pivots, as then L lies where G was."""
    X, n = WideRows(source), source.n_rows
    L = products_of(X, penalty.l2)
    longest = L.diagonal().max()
    if not np.isfinite(longest):  # rows so long that their squares are no numbers
        return Space(source, penalty)
    off = 2.0 * EPSILON * (n + source.n_columns**0.5) * longest
    worst = 0.5 * longest * (0.5 * off) ** 2
    _, order, rank, _ = pstrf(L.T, overwrite_a=True)  # whose upper half, by columns, is the lower one, by rows
    order -= 1
    for row in range(n):
        L[row, row + 1 :] = 0.0
    coordinates, leading = np.ascontiguousarray(L[:, :rank]), order[:rank]

    def there(w: FloatArray) -> FloatArray:
        if not w.any():
            return np.zeros((rank, w.shape[1]))
        return solve_triangular(coordinates[:rank], X.plane(w)[leading], lower=True)

    def back(z: FloatArray) -> FloatArray:
        a = np.zeros((n, z.shape[1]))
        a[leading] = solve_triangular(coordinates[:rank], z, lower=True, trans=1)
        w = X.pull(a, source.n_columns)
        return np.divide(w, penalty.l2[:, None], out=w)

    rows = replace(source, X=coordinates, y=source.y[order], weight=source.weight[order], centre=np.zeros(rank))
    rows = replace(rows, offset=some_rows(source.offset, order))
    return Space(rows, L2(np.ones(rank)), there, back, worst, order)
