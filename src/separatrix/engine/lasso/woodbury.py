r"""Equations of a model of more coefficients than rows, by matrices of the rows.

With Z the rows [X - 1 t', 1], L L' the curvature of the loss in the eta of a row, and B = L'Z, the curvature is B'B and
a diagonal E, and by Woodbury's identity

    (E + B'B)^-1 = E^-1 - E^-1 B' (1 + B E^-1 B')^-1 B E^-1

What is subtracted leaves digits only where E is no less than a small part of the diagonal. So it is raised to that, and
conjugate gradients, which this prepares, make up for it, and for rounding.
"""

from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from separatrix.arrays import FloatArray, IntArray
from separatrix.cached import cached_property
from separatrix.data.block import Block
from separatrix.data.memory import MemorySource
from separatrix.engine.grams import scaled_columns, sum_of_squares
from separatrix.engine.lasso.quadratic_model import NOTHING, Curvature
from separatrix.engine.matrices.linear_algebra import Linear, conjugate_gradients, factor_positive, solve_factored
from separatrix.engine.objective import Evaluation, Objective
from separatrix.engine.sums import slope_of_centred

LEAST = 1e-8  # of the diagonal, that E is
SOLVED, MOST_PRODUCTS = 1e-20, 50  # what may be left of an equation, squared, and the products for it


@dataclass(frozen=True)
class Woodbury:
    """H, the curvature of an objective over rows in memory at a point (P, K), of columns less t (p, 1): of all
    n coefficients, or of the weights alone."""

    part: Objective
    at: Evaluation
    t: FloatArray
    H: Curvature

    @property
    def by_rows(self) -> Curvature:
        """H, whose equations are solved so; its signs are sought from inside."""
        return replace(self.H, solve=self.solve, plus=self.plus, turns=0, among=None)

    def plus(self, D: FloatArray) -> Linear:
        """What divides by H + diag(D)."""
        return partial(divide, lambda d: self.H.times(d) + D * d, self.near(self.raised(D)))

    def solve(self, some: IntArray, b: FloatArray) -> FloatArray:
        """H^-1 b on some of the coefficients."""
        E, full = np.full(len(self.H.diagonal), np.inf), np.zeros(len(self.H.diagonal))
        E[some], full[some] = self.raised(0.0)[some], b
        return divide(lambda d: np.where(np.isfinite(E), self.H.times(d), 0.0), self.near(E), full)[some]

    def raised(self, D: FloatArray | float) -> FloatArray:
        """E, (n,), the L2 part and D, but no less than leaves digits, and never 0."""
        E, K = np.zeros(len(self.H.diagonal)), self.at.theta.shape[1]
        E[: K * len(self.t)] = np.repeat(self.part.penalty.l2, K)
        return np.maximum(E + D, np.maximum(LEAST * self.H.diagonal, NOTHING))

    def near(self, E: FloatArray) -> Linear:
        """What divides by E + B'B, E (n,): infinite for coefficients that are not to move."""
        n, K, C = self.roots.shape
        factor, each = factor_positive(self.beside_one(E.reshape(-1, K)), spare=True), 1.0 / E

        def apply(r: FloatArray) -> FloatArray:
            r = each * r
            z = np.einsum("ikc,ik->ic", self.roots, self.plane(r.reshape(-1, K)))
            z = solve_factored(factor, z.ravel()).reshape(n, C)
            return r - each * self.pull(np.einsum("ikc,ic->ik", self.roots, z)).ravel()

        return apply

    @cached_property
    def roots(self) -> FloatArray:
        """L of each row, (rows, K, K)."""
        K = self.at.theta.shape[1]

        def of_block(block: Block) -> FloatArray:
            weight = np.sqrt(block.weight / self.at.weight)
            return weight[:, None, None] * self.part.loss.roots(self.part.state_of(self.at, block))

        return self.part.by_rows(of_block, K, K)

    def beside_one(self, E: FloatArray) -> FloatArray:
        """1 + B E^-1 B', (rows K, rows K), E (n / K, K)."""
        source, (n, K, C), p = self.part.source, self.roots.shape, len(self.t)
        assert isinstance(source, MemorySource)
        M = np.zeros((n, C, n, C))
        for k in range(K):
            level = float((1.0 / E[p:, k]).sum())
            halves = scaled_columns(source, np.float64, self.t[:, 0], E[:p, k], level)
            G = sum_of_squares(halves, n, np.float64, source.pool).full()
            L = self.roots[:, k]
            M += L[:, :, None, None] * G[:, None, :, None] * L
        M = M.reshape(n * C, n * C)
        M[np.diag_indices(n * C)] += 1.0
        return M

    def plane(self, d: FloatArray) -> FloatArray:
        """Z d, (rows, K), of d (n / K, K)."""
        theta = np.zeros((len(self.t) + 1, d.shape[1]))
        theta[: len(d)] = d
        return self.part.plane(shifted(theta, -self.t))

    def pull(self, r: FloatArray) -> FloatArray:
        """Z'r, (n / K, K), of r (rows, K)."""
        slope = self.part.pull(len(self.t) + 1, lambda block: r[block.rows]).gradient
        return slope_of_shifted(slope, self.t)[: len(self.H.diagonal) // r.shape[1]]


def shifted(theta: FloatArray, t: FloatArray) -> FloatArray:
    """The theta (P, K) of columns less t (p, 1)."""
    p, theta = len(t), theta.copy()
    theta[p:] += t.T @ theta[:p]
    return theta


def slope_of_shifted(g: FloatArray, t: FloatArray) -> FloatArray:
    """The gradient (P, K) in the theta of columns less t (p, 1)."""
    return np.vstack([slope_of_centred(g, t[:, 0]), g[len(t) :]])


def divide(times: Linear, near: Linear, b: FloatArray) -> FloatArray:
    """A^-1 b, of products with A and what divides by something near it."""
    return conjugate_gradients(times, near, b, lambda start: SOLVED * start, MOST_PRODUCTS)[0]
