"""What large weights cost: a value, its gradient and its curvature. The intercept is never penalised.

L2      (1/2) sum_j strength_j w_j^2        strength = 1 / C in the units of C * sum(loss) + |w|^2 / 2
"""

from dataclasses import dataclass

import numpy as np

from separatrix.arrays import FloatArray


@dataclass(frozen=True)
class L2:
    """(1/2) sum_jk strength_j w_jk^2; strength (p,) >= 0, one per column, w (p, K). No penalty is strength 0.

    A strength per column penalises each column in a unit of its own: strength_j = s_j^2 is the plain penalty on
    columns divided by s_j, without dividing them.

    >>> L2(np.array([1.0, 0.0])).value(np.array([[2.0], [3.0]]))
    2.0
    """

    strength: FloatArray

    def value(self, w: FloatArray) -> float:
        return 0.5 * float(np.sum(self.strength[:, None] * w**2))

    def gradient(self, w: FloatArray) -> FloatArray:
        return self.strength[:, None] * w

    def curvature(self, w: FloatArray) -> FloatArray:
        return np.broadcast_to(self.strength[:, None], w.shape)

    def scaled(self, factor: float) -> "L2":
        """factor times this penalty."""
        return L2(self.strength * factor)
