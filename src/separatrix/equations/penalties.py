r"""What large weights cost. The intercept is never penalised.

    ElasticNet    sum_jk l1_j |w_jk| + (1/2) sum_jk l2_j w_jk^2
    L2            its special case l1 = 0

In the units of C * sum(weight * loss) + (1 - l1_ratio) / 2 |w|^2 + l1_ratio |w|_1 the strengths per unit weight are
l1 = l1_ratio / (C sum(weight)) and l2 = (1 - l1_ratio) / (C sum(weight)).
"""

from dataclasses import dataclass

import numpy as np

from separatrix.arrays import FloatArray, IntArray, repeated
from separatrix.cached import cached_property
from separatrix.equations.hyperplane import pieces

ARRAYS = 8  # that subgradients and conjugates take on the way


@dataclass(frozen=True)
class ElasticNet:
    r"""h(w) = sum_jk l1_j |w_jk| + (1/2) sum_jk l2_j w_jk^2; l1, l2 (p,) >= 0, one each per column, w (p, K).

        gradient, curvature     l2 w,  l2                           of the smooth part
        conjugate               max(|g| - l1, 0)^2 / (2 l2)         sup_w g w - h(w); for l2 = 0, inf where |g| > l1

    with the soft threshold S(u, t) = sign(u) max(|u| - t, 0). A strength per column penalises each column in a unit of
    its own: l1_j s_j and l2_j s_j^2 are the penalty on columns divided by s_j, without dividing them.

    >>> ElasticNet(l1=np.array([1.0, 0.0]), l2=np.array([1.0, 2.0])).value(np.array([[2.0], [3.0]]))
    13.0
    """

    l1: FloatArray
    l2: FloatArray

    def value(self, w: FloatArray) -> float:
        value = 0.0
        for some in pieces(*w.shape):  # sizes and squares of all would be as large as w
            own = w[some]
            sparsity = float(self.l1[some] @ np.abs(own).sum(axis=1)) if self.has_l1 else 0.0
            value += sparsity + 0.5 * float(np.vdot(self.l2[some, None] * own, own))
        return value

    @cached_property
    def has_l1(self) -> bool:
        """Whether some column has an L1 part."""
        return bool(self.l1.any())

    @cached_property
    def is_none(self) -> bool:
        """Whether no weight is penalised."""
        return not (self.has_l1 or self.l2.any())

    @cached_property
    def holds_all(self) -> bool:
        """Whether every weight is penalised, without which there is no dual bound."""
        return bool(np.all((self.l1 > 0) | (self.l2 > 0)))

    def gradient(self, w: FloatArray) -> FloatArray:
        """Of the smooth part, (p, K)."""
        return self.l2[:, None] * w

    def add_gradient(self, w: FloatArray, g: FloatArray) -> None:
        """Adds that of the smooth part to the first rows of g."""
        for some in pieces(*w.shape):  # all of it would be as large as w
            g[some] += self.l2[some, None] * w[some]

    def curvature(self, w: FloatArray) -> FloatArray:
        """Of the smooth part, (p, K)."""
        return self.l2[:, None] + np.zeros(w.shape)

    def subgradient(self, w: FloatArray, g: FloatArray, out: FloatArray | None = None) -> FloatArray:
        """The smallest subgradient of a smooth function plus this penalty, (p, K), zero at the optimum only.

        g is the gradient of the smooth function and the L2 part together: where w is zero, the L1 part takes up to l1
        off it. It may be written to `out`, which may be g.
        """
        smallest = np.empty_like(g) if out is None else out
        for some in pieces(len(w), ARRAYS * w.shape[1]):  # each would be as large as w
            smallest[some] = smallest_subgradient(w[some], g[some], self.l1[some, None])
        return smallest

    def shifted(self, w: FloatArray) -> FloatArray:
        """w with each column's weights (K,) shifted together to where they cost least: about their median with an L1
        part alone, their mean without one.

        The cost of a shift c is convex, and bends where a weight is zero: it is least there, or between two such c,
        where its slope l1 (above - below zero) + l2 sum_k (w_k + c) is zero, or at c = 0.
        """
        l1, l2, K = self.l1[:, None], self.l2[:, None], w.shape[1]
        bends = -np.sort(w, axis=1)[:, ::-1]
        signs = K - 2.0 * np.arange(1, K)  # below less above zero, between two bends
        with np.errstate(divide="ignore", invalid="ignore"):
            level = np.nan_to_num((l1 * signs / l2 - w.sum(axis=1, keepdims=True)) / K)
        between = np.clip(np.where(l2 > 0, level, 0.0), bends[:, :-1], bends[:, 1:])
        shifts = np.hstack([np.zeros((len(w), 1)), bends, between])
        there = w[:, None, :] + shifts[:, :, None]
        costs = l1 * np.abs(there).sum(axis=2) + 0.5 * l2 * np.sum(there**2, axis=2)
        return there[np.arange(len(w)), costs.argmin(axis=1)]

    def settle(self, w: FloatArray) -> None:
        """Shifts the weights of each column (K,) together to where they cost least; where many shifts cost the same, to
        the one of two with which one more weight is zero that has the smaller squares: so the answer is one. In place,
        as beside few rows w is large."""
        K, weighted = w.shape[1], np.flatnonzero(w.any(axis=1)) if self.has_l1 else np.arange(0)
        for some in pieces(len(weighted), 2 * K * K):
            own = weighted[some]
            there = self.columns(own).shifted(w[own])
            if K % 2 == 0:  # an L1 part is least with its median zero
                ends = np.sort(there, axis=1)[:, K // 2 - 1 : K // 2 + 1]
                ties = there[:, None, :] - ends[:, :, None]
                nearer = ties[np.arange(len(own)), np.sum(ties**2, axis=2).argmin(axis=1)]
                many = (self.l1[own] > 0) & (self.l2[own] == 0) & (ends[:, 0] <= 0) & (ends[:, 1] >= 0)
                there = np.where(many[:, None], nearer, there)
            w[own] = there

    def fenchel_gap(self, w: FloatArray, g: FloatArray, times: float = 1.0) -> float:
        """h(w) + h*(g) - w'g >= 0, and 0 where g, so many times, is a subgradient of h at w.

        For a column without L2 part |g| <= l1 is taken for granted. Each coordinate is rounded on its own, so the sum
        keeps its digits where it is small.
        """
        gap = 0.0
        for some in pieces(len(w), ARRAYS * w.shape[1]):
            own, slope, l1, l2 = w[some], times * g[some], self.l1[some, None], self.l2[some, None]
            beyond = np.maximum(np.abs(slope) - l1, 0.0)
            conjugate = np.divide(0.5 * beyond**2, l2, out=np.zeros_like(slope), where=l2 > 0)
            gap += float(np.sum(np.maximum(l1 * np.abs(own) + 0.5 * l2 * own**2 + conjugate - own * slope, 0.0)))
        return gap

    def in_units(self, units: FloatArray) -> "ElasticNet":
        """This penalty on columns divided by their units (p,), as one on the columns as they are."""
        return ElasticNet(self.l1 * units, self.l2 * units**2)

    def times(self, factor: float) -> "ElasticNet":
        """The penalty so many times as strong."""
        return ElasticNet(scaled(self.l1, factor), scaled(self.l2, factor))

    def columns(self, chosen: IntArray | slice) -> "ElasticNet":
        """The penalty on some of the columns."""
        return ElasticNet(self.l1[chosen], self.l2[chosen])


class L2(ElasticNet):
    """(1/2) sum_jk strength_j w_jk^2; strength (p,) >= 0. No penalty is strength 0.

    >>> L2(np.array([1.0, 0.0])).value(np.array([[2.0], [3.0]]))
    2.0
    """

    def __init__(self, strength: FloatArray) -> None:
        super().__init__(l1=repeated(0.0, len(strength)), l2=strength)


def elastic_net(strength: FloatArray, l1_ratio: float) -> ElasticNet:
    """strength ((1 - l1_ratio) / 2 |w|^2 + l1_ratio |w|_1), strength (p,).

    >>> elastic_net(np.array([2.0]), l1_ratio=0.25)
    ElasticNet(l1=array([0.5]), l2=array([1.5]))
    """
    return ElasticNet(scaled(strength, l1_ratio), scaled(strength, 1.0 - l1_ratio))


def scaled(strength: FloatArray, factor: float) -> FloatArray:
    """Strengths (p,) times a factor; those that are `repeated` stay so."""
    same = len(strength) > 0 and strength.strides == (0,)
    return repeated(factor * strength[0], len(strength)) if same else factor * strength


def soft_threshold(u: FloatArray, t: FloatArray) -> FloatArray:
    """sign(u) max(|u| - t, 0), any shape: what minimises (w - u)^2 / 2 + t |w|.

    >>> soft_threshold(np.array([-3.0, 0.5, 2.0]), 1.0)
    array([-2.,  0.,  1.])
    """
    return np.sign(u) * np.maximum(np.abs(u) - t, 0.0)


def smallest_subgradient(w: FloatArray, slope: FloatArray, l1: FloatArray) -> FloatArray:
    """That of a function of this slope at w plus l1 |w|, any shape: at zero |w| has any from -1 to 1.

    >>> smallest_subgradient(np.array([0.0, 0.0, 2.0]), np.array([3.0, 0.5, 0.5]), 1.0)
    array([2. , 0. , 1.5])
    """
    return np.where(w == 0, soft_threshold(slope, l1), slope + l1 * np.sign(w))
