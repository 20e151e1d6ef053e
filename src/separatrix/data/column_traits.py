"""What some of the rows say of all columns: how full they are, which lie far from zero, and which are next to it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from separatrix.arguments import LARGEST
from separatrix.arrays import FloatArray, Matrix, repeated
from separatrix.data.frames import names_of
from separatrix.equations.hyperplane import pieces
from separatrix.errors import CellError

FAR = 100.0  # a dense column whose mean is this many standard deviations from zero is centred
LARGE = float(np.finfo(float).eps) ** -0.5
MOST_ROWS = 1000  # from which mean, standard deviation and share of zeros are judged, at most,
CELLS, FEWEST_ROWS = 2**18, 20  # so many cells, but at least so many rows
TINY = 1.0 / LARGEST  # as small as other numbers may be large


def share_of_entries(X: Any) -> float:
    """How many of the entries are not zero; of dense rows, some are judged."""
    if sparse.issparse(X):
        return X.nnz / max(X.shape[0] * X.shape[1], 1)
    some = rows_to_judge(X)
    return np.count_nonzero(some != 0) / max(some.size, 1)


def rows_to_judge(X: Any) -> Any:
    """Some of the rows, by which columns are judged; X dense or sparse."""
    rows = min(MOST_ROWS, max(FEWEST_ROWS, CELLS // max(X.shape[1], 1)))
    return X[:: max(1, X.shape[0] // rows)]


def far_columns(X: NDArray, far: float = FAR) -> FloatArray:
    """About the mean of each column that lies so many standard deviations from zero, else 0, as of one that is the same
    in all rows, but large: its weight and an intercept would be alike but for rounding; (p,).

    Judged from some rows: any centre near the rows will do. Moments are taken about the first row: about zero, the
    square of a timestamp would swamp its spread.
    """
    some, centre = rows_to_judge(X), np.empty(X.shape[1])
    for columns in pieces(X.shape[1], len(some)):  # which all together are large where rows are few and wide
        moved = np.asarray(some[:, columns], dtype=np.float64)
        first = moved[0].copy()
        moved = moved - first
        mean = moved.sum(axis=0) / len(moved)
        spread = np.sqrt(np.maximum(np.einsum("ij,ij->j", moved, moved) / len(moved) - mean**2, 0.0))
        mean += first
        away = np.abs(mean)
        centre[columns] = np.where((away > far * spread) & ((spread > 0) | (away > LARGE)), mean, 0.0)
    return centre if centre.any() else repeated(0.0, len(centre))  # which takes no room beside few rows


def check_not_tiny(X: Matrix, given: Any) -> None:
    """CellError for a column all of whose squares are next to zero, so that without a penalty nothing holds its weight;
    `given` is what X was made of, with the names of its columns if it has some."""
    refuse_tiny(reach_at_a_glance(X), names_of(given) or range(X.shape[1]))


def reach_at_a_glance(X: Matrix) -> FloatArray:
    """As `reach_of`, judged from some rows; only a column that is tiny there is looked at whole."""
    most = reach_of(X if sparse.issparse(X) else rows_to_judge(X))
    for column in np.flatnonzero((most > 0) & (most < TINY)).tolist():
        most[column] = reach_of(X[:, [column]])[0]
    return most


def reach_of(X: Matrix) -> FloatArray:
    """How far from zero each column reaches, (p,)."""
    if not X.shape[0]:
        return np.zeros(X.shape[1])
    ends = [end.toarray().ravel() if sparse.issparse(end) else end for end in (X.min(axis=0), X.max(axis=0))]
    return np.abs(np.array(ends, dtype=np.float64)).max(axis=0)


def refuse_tiny(most: NDArray, names: Any) -> None:
    """CellError for the first column that reaches no more than what has no square; `most` (p,) is how far each does."""
    for column in np.flatnonzero((most > 0) & (most < TINY))[:1].tolist():
        raise CellError(
            f"column {names[column]!r} of X reaches {most[column]:g}, too small to square, so rescale the column."
        )
