r"""The lasso of a matrix by an interior-point method: as many factors for columns that all but repeat each other as for
any others, where what chooses signs one after another hardly moves.

Let v = a - b, both positive, u the slope of c'v + v'Hv/2, and s what it is from where a or b would leave zero. The
minimum of the sum with l1'(a + b) is where mu = 0 in

    Hv + c = u,    s_a = l1 + u,    s_b = l1 - u,    a s_a = b s_b = mu,        all of a, b, s_a, s_b > 0

It is met ever better as mu falls to zero, by Newton steps: first towards mu = 0, to see how far that leads, then
towards as much as that allows (Mehrotra 1992, "On the implementation of a primal-dual interior point method"). Each
solves with H + D, where 1 / D = a / s_a + b / s_b: of a v that is to be zero D grows beyond all bounds, of any other it
vanishes.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from separatrix.arrays import BoolArray, FloatArray
from separatrix.engine.matrices.linear_algebra import Linear

MOST_STEPS = 50  # as a rule it takes 10 to 20
SHORT = 0.99  # of the way to where the first of a, b and s is zero
STUCK = 1e-6  # a step so short leads nowhere
SIDES = np.array([[1.0], [-1.0]])  # of a and b


class Inside(NamedTuple):
    """v (n,); and of the m of them with an L1 part u (m,), a and b as x (2, m), and s (2, m). Or a step of these."""

    v: FloatArray
    u: FloatArray
    x: FloatArray
    s: FloatArray

    @property
    def product(self) -> FloatArray:
        return self.x * self.s

    def moved(self, length: float, step: "Inside") -> "Inside":
        """It, a step of such a length from here."""
        return Inside(*(at + length * of for at, of in zip(self, step, strict=True)))

    def reach(self, step: "Inside") -> float:
        """How many such steps lead to where the first of x and s is zero."""
        ratios = [-at[of < 0] / of[of < 0] for at, of in ((self.x, step.x), (self.s, step.s))]
        return float(min(ratio.min(initial=np.inf) for ratio in ratios))


class System(NamedTuple):
    """Of a point, the slope (n,) and what divides by H + D, (m,) of those with an `l1`, which are `bound` (n,)."""

    at: Inside
    slope: FloatArray
    l1: FloatArray
    bound: BoolArray
    D: FloatArray
    divide: Linear

    def step_to(self, product: FloatArray) -> Inside:
        """To where u is the slope, s is what it should be, and x s such a product (2, m), to first order."""
        (_, u, x, s), bound, D = self.at, self.bound, self.D
        beyond = s - self.l1 - SIDES * u
        apart = (SIDES * ((product + x * beyond) / s - x)).sum(axis=0)  # dv + du / D
        pull = -self.slope
        pull[bound] += u + D * apart
        dv = self.divide(pull)
        du = D * (apart - dv[bound])
        ds = SIDES * du - beyond
        return Inside(dv, du, (product - x * ds) / s - x, ds)


def minimise_inside(
    times: Linear,
    plus: Callable[[FloatArray], Linear],
    v: FloatArray,
    slope: FloatArray,
    l1: FloatArray,
    unit: FloatArray,
    is_minimum: Callable[[FloatArray, FloatArray], bool],
) -> FloatArray:
    """About the v, (n,), with the least of the model, with exact zeros, from one where its slope is known: the first
    that `is_minimum` with its slope, or else the last before rounding leads nowhere.

    `times` multiplies by H, whose diagonal is `unit`, and `plus(D)` divides by H + diag(D).
    """
    own, bound, there, first = np.sqrt(unit), l1 > 0, v, (v, slope)
    slope, l1 = slope / own, l1[bound] / own[bound]  # as if the diagonal were ones
    at, D = start(v * own, slope, l1, bound), np.zeros_like(v)
    for _ in range(MOST_STEPS):
        D[bound] = 1.0 / (at.x / at.s).sum(axis=0)
        system = System(at, slope, l1, bound, D[bound], divided(plus(D * unit), own))
        ahead = system.step_to(np.zeros_like(at.x))
        end, mu = at.moved(min(at.reach(ahead), 1.0), ahead), at.product.mean()
        step = system.step_to(mu * (end.product.mean() / mu) ** 3 - ahead.product)
        length = min(SHORT * at.reach(step), 1.0)
        if not length > STUCK or not np.isfinite(step.v).all():
            break
        at = at.moved(length, step)
        slope = slope + length * times(step.v / own) / own
        there = np.where(nearer_zero(at, bound), 0.0, at.v) / own
        if is_minimum(there, first[1] + times(there - first[0])):
            break
    return there


def divided(divide: Linear, own: FloatArray) -> Linear:
    """The same of coefficients in other units."""
    return lambda b: divide(b * own) * own


def start(v: FloatArray, slope: FloatArray, l1: FloatArray, bound: BoolArray) -> Inside:
    """About v, far enough inside for steps as long as the slope, or as far from what it should be, may ask for."""
    u = np.clip(slope[bound], -l1 / 2, l1 / 2)
    far = max(np.abs(v).max(), np.abs(slope).max(), l1.max())
    s = l1 + SIDES * u + np.abs(slope[bound] - u).max()
    return Inside(v, u, np.maximum(SIDES * v[bound], 0.0) + far, s)


def nearer_zero(at: Inside, bound: BoolArray) -> BoolArray:
    """Which of v, (n,), are to be zero: that both of their x are nearer to it than s."""
    zero = np.zeros(len(bound), bool)
    zero[bound] = (at.x < at.s).all(axis=0)
    return zero
