"""What least squares find: coefficients, with what proves them."""

from dataclasses import dataclass, replace

import numpy as np

from separatrix.arrays import FloatArray, IntArray
from separatrix.data.block import Source
from separatrix.engine.certificates.certificate import Certificate
from separatrix.engine.fit import rounded, rounding_of
from separatrix.engine.iterate import Trace
from separatrix.engine.objective import Evaluation
from separatrix.equations.losses import SquaredLoss


@dataclass(frozen=True)
class LeastSquares:
    """coefficients (T, p) and intercepts (T,) for T targets, the rank of X (centred, if there is an intercept).

    `triangle` is R of the weighted rows [1 X y - offset], X less the source's centre, the one with an intercept only;
    empty where none was made.
    """

    coefficients: FloatArray
    intercepts: FloatArray
    rank: int
    trace: Trace
    certificate: Certificate
    triangle: FloatArray


def of_more_columns(fit: LeastSquares, some: IntArray, p: int) -> LeastSquares:
    """A fit of some of p columns as one of them all, of which the others have no weight."""
    coefficients = np.zeros((len(fit.coefficients), p))
    coefficients[:, some] = fit.coefficients
    return replace(fit, coefficients=coefficients, triangle=np.empty((0, 0)))


def without_triangle(source: Source, at: Evaluation, rank: int, trace: Trace, certificate: Certificate) -> LeastSquares:
    """The fit at such weights of the centred columns, for which no triangle was made."""
    w, b = at.theta[: source.n_columns], at.theta[source.n_columns :].sum(axis=0)
    return uncentred(LeastSquares(w.T, b, rank, trace, certificate, np.empty((0, 0))), source.centre)


def uncentred(fit: LeastSquares, centre: FloatArray) -> LeastSquares:
    """The fit of columns less a centre (p,) as one of columns as they were."""
    intercepts = fit.intercepts - fit.coefficients @ centre
    moved = rounding_of(intercepts, fit.coefficients, centre)
    return replace(fit, intercepts=intercepts, certificate=rounded(fit.certificate, SquaredLoss(), moved))
