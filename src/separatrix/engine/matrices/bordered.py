"""H^-1 b among some coefficients after others, most of which are the same: one factor for them all.

Beside the block H_ff of the first, factored once, those that came, c, and those that left, l, are a border

    [ H_ff   B ] [x_f]   [b_f]
    [ B'     C ] [ y ] = [ b_y ],      B = [H_fc  I_fl],    C = [H_cc 0; 0 0],    b_y = [b_c; 0]

where y is x_c, and what holds x_l at zero. Its Schur complement C - B' H_ff^-1 B is as small as they are few (Gill,
Murray, Saunders and Wright 1990, "A Schur-complement method for sparse quadratic programming").
"""

from itertools import compress

import numpy as np
from scipy.linalg import LinAlgError

from separatrix.arrays import FloatArray, IntArray
from separatrix.engine.matrices.linear_algebra import Factor, factor_positive, solve_factored

BORDER = 1 / 4  # of the coefficients at most,
NEW = 1 / 8  # of which so many were in none before: to add a sixth takes as long as a factor
SOLVED = 1e-16  # of the square of b, in units of the diagonal: where more is left, a factor has to do


class Bordered:
    """H^-1 b among some coefficients of a matrix H (n, n) that is positive definite, or nearly."""

    def __init__(self, H: FloatArray) -> None:
        self.H, self.first = H, np.arange(0)
        self.factor = Factor(np.empty((0, 0)), np.empty(0))
        self.added: dict[int, FloatArray] = {}  # the column of H_ff^-1 B of each that was in a border

    def __call__(self, some: IntArray, b: FloatArray) -> FloatArray:
        x = self.by_border(some, b)
        if x is not None:
            return x
        self.first, self.added = some, {}
        self.factor = factor_positive(self.H[np.ix_(some, some)], spare=True)
        return solve_factored(self.factor, b)

    def by_border(self, some: IntArray, b: FloatArray) -> FloatArray | None:
        """The same by the factor that there is; None where it is of too many others, or that is not exact."""
        n, first = len(self.H), self.first
        before, now = np.zeros(n, bool), np.zeros(n, bool)
        before[first], now[some] = True, True
        came, left = np.flatnonzero(now & ~before), np.flatnonzero(before & ~now)
        border = [*came.tolist(), *left.tolist()]
        new = np.array([j not in self.added for j in border], bool)
        if len(border) > BORDER * len(first) or new.sum() > NEW * len(first):
            return None
        x = np.zeros(n)
        x[some] = b
        x[first] = solve_factored(self.factor, x[first])
        if not border:
            return x[some]
        ridge = self.factor.ridge * self.H.diagonal()  # as the factor's, for those that came
        B = np.hstack([self.H[np.ix_(first, came)], 1.0 * (first[:, None] == left)])
        self.added |= zip(compress(border, new), solve_factored(self.factor, B[:, new]).T, strict=True)
        W = np.column_stack([self.added[j] for j in border])
        C = -B.T @ W
        C[: len(came), : len(came)] += self.H[np.ix_(came, came)] + np.diag(ridge[came])
        b_y = np.append(x[came], np.zeros(len(left))) - B.T @ x[first]
        unit = np.sqrt(self.H.diagonal()[border]) ** np.where(before[border], 1.0, -1.0)
        try:
            y = unit * np.linalg.solve(C * unit * unit[:, None], b_y * unit)
        except LinAlgError:
            return None
        x[first] -= W @ y
        x[came], x[left] = y[: len(came)], 0.0
        rest, squares = (self.H @ x + ridge * x)[some] - b, 1.0 / self.H.diagonal()[some]
        return x[some] if rest**2 @ squares <= SOLVED * (b**2 @ squares) else None
