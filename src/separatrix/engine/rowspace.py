"""More columns than rows: an L2-penalised solution lies in the span of the rows, so it is sought there.

With w = D^-1 X'a, D the penalty's strengths, eta = G a for the (rows, rows) matrix G = X D^-1 X' = V S V', and in
z = S^(1/2) V'a the problem is the plain one again: eta = V S^(1/2) z with the penalty |z|^2 / 2. Directions of the
rows below the rounding of G move neither eta nor the penalty, and are left out.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse
from scipy.linalg import eigh

from separatrix.arrays import FloatArray
from separatrix.data.block import Source
from separatrix.data.memory import MemorySource
from separatrix.equations.penalties import L2, ElasticNet

MOST_ROWS = 2_000  # whose matrix G is still small


@dataclass(frozen=True)
class Space:
    """Where a problem is solved: its rows and penalty there, and the way of weights (p, K) there and back."""

    source: Source
    penalty: ElasticNet
    there: Callable[[FloatArray], FloatArray] = lambda w: w
    back: Callable[[FloatArray], FloatArray] = lambda z: z


def smallest_space(source: Source, penalty: ElasticNet) -> Space:
    """The span of the rows where it is smaller than that of the columns, every weight has a penalty, and the rows are
    dense and in memory; else the space as it is."""
    if not isinstance(source, MemorySource) or sparse.issparse(source.X) or penalty.l1.any():
        return Space(source, penalty)
    if not source.n_rows < min(source.n_columns, MOST_ROWS) or not penalty.l2.all():
        return Space(source, penalty)
    strength = penalty.l2[:, None]
    X = source.X - source.centre if source.centre.any() else np.asarray(source.X, dtype=np.float64)
    even = np.ptp(strength) == 0  # then X need not be copied to be weighted
    s, V = eigh(X @ X.T / strength[0] if even else (X / strength.T) @ X.T)
    kept = s > np.finfo(float).eps * len(s) * s[-1]
    root, V = np.sqrt(s[kept])[:, None], V[:, kept]
    reduced = replace(source, X=V * root.T, centre=np.zeros(len(root)))
    return Space(
        reduced,
        L2(np.ones(len(root))),
        there=lambda w: (V.T @ (X @ w)) / root,
        back=lambda z: (X.T @ (V @ (z / root))) / strength,
    )
