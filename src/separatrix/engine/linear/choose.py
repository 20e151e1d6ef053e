"""Which way a least squares fit goes, by the shape of the rows: by a triangle of them all, or without."""

from typing import TypeGuard

from separatrix.data.block import Source
from separatrix.data.memory import MemorySource
from separatrix.engine.matrices.linear_algebra import LARGEST_CURVATURE
from separatrix.engine.solvers.proximal import takes_all
from separatrix.equations.penalties import ElasticNet

FEWEST = 256  # columns: a triangle of fewer costs little, but that of fewer rows than columns is as large as X;
FEWEST_CELLS = 2**20  # it costs little of a small X, too
MANY = 128  # columns, whose curvature takes less than their triangle
TRIANGLES, MOST_OF_X = 11, 0.25  # about as large is what a triangle in memory takes; a share of X for it
FILLED = 2**24  # cells
LONG = 10**10  # multiplications for the triangle of dense rows,
LONG_OF_ZEROS = 10**9  # and of those that are sparse


def is_large(source: Source) -> bool:
    """Whether the rows are dense, in memory, and so many and so wide that a Gram matrix saves time."""
    if not isinstance(source, MemorySource) or source.is_sparse or source.X.size < FEWEST_CELLS:
        return False
    return source.n_columns >= FEWEST or source.n_rows < source.n_columns


def is_wide(source: Source, penalty: ElasticNet) -> bool:
    """Whether a triangle of all columns would be large, or take long, and can be done without: every weight is
    penalised."""
    if not isinstance(source, MemorySource) or not penalty.holds_all:
        return False
    p = source.n_columns
    if p <= LARGEST_CURVATURE and not (source.n_rows < p and is_large(source)):
        return False
    return source.is_sparse or penalty.has_l1 or source.n_rows * p * min(source.n_rows, p) > LONG


def is_filled_anyway(source: Source, penalty: ElasticNet) -> TypeGuard[MemorySource]:
    """Whether X is sparse, not small with its zeros, and its triangle would be as large, which an unpenalised fit of
    fewer rows than columns cannot do without."""
    if not isinstance(source, MemorySource) or not source.is_sparse or not penalty.is_none:
        return False
    return source.n_rows < source.n_columns and source.n_rows * source.n_columns >= FEWEST_CELLS


def is_soon_filled(source: Source) -> TypeGuard[MemorySource]:
    """Whether X is sparse, and takes little memory with its zeros, too."""
    return isinstance(source, MemorySource) and source.is_sparse and source.n_rows * source.n_columns <= FILLED


def is_slow(source: Source) -> TypeGuard[MemorySource]:
    """Whether X is sparse, and its triangle takes long, as it is made of zeros, too."""
    if not isinstance(source, MemorySource) or not source.is_sparse or source.n_columns < MANY:
        return False
    return source.n_rows * source.n_columns * min(source.n_rows, source.n_columns) > LONG_OF_ZEROS


def is_soon_solved(source: Source, penalty: ElasticNet, targets: int) -> bool:
    """Whether a penalised fit takes less by steps than by a triangle: of sparse rows whose triangle takes long; and
    with an L1 part of rows in memory that are fewer than columns, of which all are penalised; of many cells; or of
    columns whose curvature costs little beside the rows, but a triangle more than that."""
    if is_slow(source) and penalty.holds_all:
        return True
    if not isinstance(source, MemorySource) or not penalty.has_l1:
        return False
    few_rows = source.n_rows < source.n_columns and penalty.holds_all
    curved = source.n_columns >= MANY and takes_all(source, (source.n_columns + 1, targets))
    return few_rows or curved or is_large(source)


def is_little(source: Source) -> bool:
    """Whether the triangles of all columns that a fit makes are little beside X."""
    assert isinstance(source, MemorySource)
    n, p = source.X.shape
    return n >= p and TRIANGLES * 8.0 * p**2 <= MOST_OF_X * source.X.size * source.X.itemsize
