"""How near a factor is to a curvature that only products know, found by a system whose answer is known."""

from typing import NamedTuple

import numpy as np

from separatrix.arrays import FloatArray
from separatrix.engine.matrices.linear_algebra import Linear, conjugate_gradients, least_ritz_value

NEAR = 1e-8  # of an eigenvalue beside the factor: a smaller one may be rounding
SEEN = 1e-6  # of a random direction: what is left of one that has no part along which X is zero
UNSEEN = 50.0 * float(np.finfo(float).eps)  # of its length: what the rows see of a direction along which X is zero
FEW_UNSEEN, AT_ONCE = 16, 16  # such directions; and that are sought at a time
MOST_PRODUCTS = 200  # for one step
SOLVED = 1e-16  # of the square of what is left
MOST_REFINEMENTS = 4


class ManyUnseen(Exception):
    """More directions along which H is zero than are sought."""


class Reach(NamedTuple):
    """How near a factor is to the curvature H: the least eigenvalue of H beside it that is not zero; and of the
    directions along which H is zero a basis (n, q), orthonormal in the factor's units."""

    least: float
    unseen: FloatArray


def reach_of(
    times: Linear,
    near: Linear,
    unit: FloatArray,
    whole: Linear = np.asarray,
    seen: Linear = lambda _: np.array(np.inf),
    most: int = FEW_UNSEEN,
    at_once: int = AT_ONCE,
) -> Reach | None:
    """The reach of `near`, the inverse of about what `times` multiplies by; None where that is not near. `whole` is a
    direction of columns of such a `unit`, (n, 1), with the intercept; `seen` the sum of squares that the rows see of
    each. Directions are sought so many at once. Raises ManyUnseen where H is zero along more than `most` of them.

    A random direction is found again from what `times` makes of it, but for its part that no row sees; and but for one
    that is nearly unseen, which a second search finds. So no eigenvalue is passed over.
    """
    random, n, least, many = np.random.default_rng(0), len(unit), np.inf, 1
    unseen = np.empty((n, 0))
    while unseen.shape[1] <= most:
        missing = whole(random.standard_normal((n, many)) / unit)
        for search in range(MOST_REFINEMENTS):
            course: list[tuple[float, float]] = []
            found, known = solved(times, near, times(missing), course), least_ritz_value(course)
            if found is None:
                return None
            missing = missing - found
            missing, size = apart(without(unseen, unit * missing[:n]))
            left = size > SEEN * n**0.5
            if search == 0 or not left.any():
                least = min(least, known)
            if not left.any() or least < NEAR:
                return Reach(least, unseen) if least >= NEAR else None
            if np.all(seen(whole(missing[:, left] / unit)) <= np.square(UNSEEN * size[left])):
                more, _ = np.linalg.qr(without(unseen, missing[:, left] / size[left]))
                unseen, many = np.hstack([unseen, more]), min(2 * many, at_once)
                break
            missing = whole(missing / unit)
        else:
            return None
    raise ManyUnseen


def apart(a: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Orthogonal columns that span those of a (n, T), and their lengths (T,)."""
    U, size, _ = np.linalg.svd(a, full_matrices=False)
    return U * size, size


def without(basis: FloatArray, a: FloatArray) -> FloatArray:
    """a (n, T) less its part in the span of an orthonormal basis (n, q)."""
    return a - basis @ (basis.T @ a)


def solved(
    times: Linear,
    near: Linear,
    b: FloatArray,
    course: list[tuple[float, float]] | None = None,
    most: int | None = None,
) -> FloatArray | None:
    """The solution of times(x) = b, or None where conjugate gradients do not arrive."""
    most = MOST_PRODUCTS if most is None else most
    x, products = conjugate_gradients(times, near, b, lambda start: SOLVED * start, most, course)
    return x if products < most and np.isfinite(x).all() else None
