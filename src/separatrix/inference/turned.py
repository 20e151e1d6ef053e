"""Columns turned to be orthogonal, where they nearly depend on each other.

An estimate, leverages and the variance of a prediction are the same in whatever basis the columns are, [X 1] theta =
([X 1] T) u; but the squares of columns that all but repeat each other take the digits of their differences. So rows are
turned before they are squared.
"""

import operator
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

import numpy as np
from scipy.linalg import solve_triangular

from separatrix.arrays import FloatArray
from separatrix.data.block import Block
from separatrix.engine.matrices.triangle import CELLS, design_of, triangle_of
from separatrix.engine.objective import Objective
from separatrix.engine.sums import block_plane
from separatrix.equations.penalties import elastic_net


@dataclass(frozen=True)
class Turned:
    """The rows of a source with the columns [X 1] T or X T, T (P, P), made a few rows at a time: a sparse X is never
    dense."""

    source: Any
    turn: FloatArray

    def add_up(self, function: Callable[[Block], Any], combine: Callable[[Any, Any], Any] = operator.iadd) -> Any:
        """function of every block, combined."""

        def of_block(block: Block) -> Any:
            return reduce(combine, (function(self.of(piece)) for piece in block.pieces(CELLS)))

        return self.source.add_up(of_block, combine)

    def of(self, block: Block) -> Block:
        """A block with these columns."""
        return replace(block, X=block_plane(block, self.turn))

    @property
    def n_columns(self) -> int:
        """How many columns are turned."""
        return self.turn.shape[1]

    @property
    def n_rows(self) -> int:
        """How many rows there are."""
        return self.source.n_rows


def turning(objective: Objective) -> FloatArray | None:
    """T (P, P), |det T| = 1, that makes the weighted columns [X 1] T orthogonal and of one length; None where they are
    dependent to rounding."""
    ones = int(objective.fit_intercept)
    R = triangle_of(objective.source, lambda block: design_of(block, ones))
    length = np.abs(np.diagonal(R))
    if len(R) < R.shape[1] or not length.all():
        return None
    T = solve_triangular(R, np.eye(len(R))) * np.exp(np.log(length).mean())
    return np.roll(T, -ones, axis=0)  # the intercept, which is R's first, is theta's last


def turned(objective: Objective, turn: FloatArray) -> Objective:
    """The objective as a function of u, of theta = turn u; of one that is turned already, of its u = turn u'."""
    source: Any = objective.source
    source = replace(source, turn=source.turn @ turn) if isinstance(source, Turned) else Turned(source, turn)
    return Objective(source, objective.loss, elastic_net(np.zeros(len(turn)), 0.0), False)


def posed(objective: Objective, theta: FloatArray, turn: FloatArray | None) -> tuple[Objective, FloatArray]:
    """The objective as a function of u, and the u of theta; of no turn, as they are."""
    return (objective, theta) if turn is None else (turned(objective, turn), np.linalg.solve(turn, theta))


def told_apart(G: FloatArray) -> tuple[FloatArray, FloatArray]:
    """A turn of u, (P, P), whose last coefficients are G u, G (m, P), and its inverse."""
    Q = np.linalg.qr(G.T, mode="complete")[0][:, len(G) :]
    return np.hstack([Q, np.linalg.pinv(G)]), np.vstack([Q.T, G])
