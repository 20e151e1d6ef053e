"""The means of few rows and one column of eta, by a [X 1] that is there once for all: in as few calls of NumPy as can
be, as each takes longer than what it does."""

from dataclasses import dataclass

import numpy as np

from separatrix.arrays import FloatArray
from separatrix.data.block import Block, Source
from separatrix.data.memory import MemorySource
from separatrix.engine.sums import weighed
from separatrix.equations.losses import Loss

CELLS = 2**16  # of X at most: more are multiplied faster piece by piece
HALVED = 48  # columns, from which on it saves time that BLAS makes but half of a product that is symmetric


@dataclass(frozen=True)
class Augmented:
    """All rows of a source as one block, of [X 1], or of X without an intercept, and their shares of the whole
    `weight`."""

    rows: Block
    weight: float

    def means(self, loss: Loss, theta: FloatArray, order: int) -> tuple[float, FloatArray, FloatArray | None]:
        """Per unit weight the loss, its gradient Z'r (P, 1), and for order 2 its curvature Z' diag(h) Z (P, P), of
        Z = [X 1] and theta (P, 1)."""
        Z, Zt, share = self.rows.X, self.rows.transposed, self.rows.weight
        value, r, state = weighed(self.rows, loss, Z @ theta)
        if order < 2:
            return value, Zt @ r, None
        h = share * loss.second(state, 0, 0)
        if len(Zt) < HALVED:
            return value, Zt @ r, Zt @ (Z * h[:, None])
        half = Zt * np.sqrt(h)
        return value, Zt @ r, half @ half.T


def augmented(source: Source, ones: int) -> Augmented | None:
    """Few dense rows in memory, beside so many columns of ones; None of others."""
    if not isinstance(source, MemorySource) or source.is_sparse or source.X.size > CELLS:
        return None
    block, *others = source.kept_blocks[0]
    if others:
        return None
    n, p = block.X.shape
    Zt = np.ones((p + ones, n))
    Zt[:p] = block.X.T
    return Augmented(Block(Zt.T, block.y, block.weight / block.total, block.rows, block.offset), block.total)
