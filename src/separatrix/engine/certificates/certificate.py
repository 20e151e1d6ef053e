r"""How far from the optimum, at most: bounds that hold in exact arithmetic, whatever the solver did.

Newton's decrement with self-concordance. The loss of a row has |third derivative| <= R |v| curvature along any v
(Bach 2010, "Self-concordant analysis for logistic regression"). Let H be the curvature at theta, nu^2 = g' H^-1 g, and
S such that R |change of eta in any row| <= S |change of theta|_H. Then along any step of H-length r

    F(theta + step) >= F(theta) - nu r + (exp(-S r) + S r - 1) / S^2

and minimising the right side over r, with t = S nu < 1,

    F(theta) - F* <= (t + (1 - t) log(1 - t)) / S^2        (nu^2 / 2 for S = 0: a quadratic)

An L1 part lies above its tangents: any subgradient may stand for g. Along a flat direction, such as the same shift of
a column's weights in all classes, the loss does not change: there H may be anything, if g has no part along it; and
what it has adds at most its square / (2 l2), for there F bends as the L2 part does. An offset moves eta, and no step
moves the offset: nothing changes. Where coefficients make up for an idle one in all rows, F is the same along a
direction that moves it: of the points there one is meant, and what holds it there is not in H of the others. And no
row's loss lies below its tangent either, so H need not be of all rows. H and S may be those of some rows alone, which
count for what they count for in F.

From duality there is another: `separatrix.engine.certificates.duality`. And F* >= 0, so F itself is one.
"""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from separatrix.arrays import FloatArray
from separatrix.engine.certificates.class_pairs import farthest_by, pairs_of, pairs_take_little
from separatrix.engine.certificates.decrement import GRADIENT_SEEN, decrement, nu_at_most
from separatrix.engine.certificates.duality import Prediction, by_strong_convexity, dual_bound
from separatrix.engine.certificates.row_reach import farthest_along, least_reach, longest_row, reach_of_few, reaches
from separatrix.engine.matrices.linear_algebra import LARGEST_CURVATURE, factor_positive
from separatrix.engine.near_copies import (
    CURVATURE_SEEN,
    CURVATURE_SURE,
    falls,
    smallest_directions,
    taken_apart,
    unit_of_rows,
)
from separatrix.engine.objective import ROUNDING, Evaluation, Objective

SMALLEST_UNIT = 1e-100  # whose square is still a number; a curvature as small is too far from the optimum anyway
FAR_UNIT = 1e-50  # and one that is looked into no further
INVERSE_SEEN = 100.0 * float(np.finfo(float).eps)  # of an inverse (a column), times its condition, may be rounding
LITTLE_MORE = 10.0  # times as large a gap, for errors that are bounded, too
CHEAP_CURVATURE = 400  # coefficients whose curvature costs less than the steps it may save,
CHEAP_IN_MEMORY = 20  # and of rows in memory, where steps cost less
CONCORDANCE = "Newton decrement, self-concordance"


@dataclass(frozen=True)
class Certificate:
    """An upper bound on objective - optimum, per unit weight, and how it was obtained.

    coef_error (P, K) bounds the distance of each coefficient (the intercept last) to the optimum's, inf where no bound
    is known, or the optimum's own is infinite or one of many; and probability_error that of any fitted probability of a
    row seen in the fit; None where there is none.

    Without a penalty, columns of which sums cancel to less than 1e-12 of their parts are taken to repeat each other but
    for rounding: what such a difference could tell of the classes is not in the bound. Nor is, with an L1 part, what a
    slope below 3e-14 could bring along sums of columns so small that their curvature is rounding.
    """

    gap: float
    method: str
    coef_error: Any = None
    probability_error: float | None = None


TOO_FAR = Certificate(np.inf, "none: too far from the optimum for a bound")
NO_CURVATURE = Certificate(np.inf, "none: columns that all but repeat each other leave a curvature of rounding")


@dataclass(frozen=True)
class Part:
    """Some of the rows, which count for what they count for in the whole; and, if it is known, what they have nearby,
    of order 2, and a `few` of them that reach far."""

    objective: Objective
    nearby: Evaluation | None = None
    few: Objective | None = None


def certify(
    objective: Objective,
    at: Evaluation,
    metric: Evaluation | None = None,
    tolerance: float = 0.0,
    part: Part | None = None,
    ahead: Prediction | None = None,
    last: bool = True,
) -> Certificate:
    """The smallest of the bounds that can be had at this point without building a large matrix.

    A `part` of the rows costs least, and is all that is asked where the curvature here is not at hand: the next point
    takes fewer passes than other bounds do. `metric` is an evaluation of order 2, here or nearby, and without one the
    curvature is made if the other bounds are above the tolerance: that of pairs of classes, or of all, if it is small,
    where that says too little and this is the `last` point.
    """
    bounds = [Certificate(at.value + rounding(at), "the objective itself: losses are never negative")]
    metric = at if at.curvature is not None else metric
    if part is not None:
        there = part.nearby
        is_here = there is not None and np.array_equal(there.theta, at.theta)
        for nearby in [there] if there is None or is_here else [there, None]:
            bounds.append(by_part(objective, at, part, nearby))
            if bounds[-1].gap <= tolerance:
                return bounds[-1]
        if at.curvature is None:
            return min(bounds, key=lambda bound: bound.gap)
    if metric is not None:
        bounds.append(by_self_concordance(objective, at, metric))
    wanted = bounds[-1].coef_error is None and (bounds[-1].gap > tolerance or objective.penalty.l2.all())
    if wanted and objective.penalty.holds_all:
        bounds.append(by_duality(objective, at, ahead))
    best = min(bounds, key=lambda bound: bound.gap)
    # Where every weight is penalised, a dual bound will do, some steps further on.
    cheap = CHEAP_CURVATURE if last or not objective.source.in_memory else CHEAP_IN_MEMORY
    most = cheap if objective.penalty.holds_all else LARGEST_CURVATURE
    few = at.theta.size <= most
    alone = not few and not objective.penalty.holds_all and pairs_take_little(objective, *at.theta.shape)
    if metric is None and best.gap > tolerance and (few or alone):
        if objective.penalty.is_none and objective.smallest_margin(at.theta) > 0:
            return best  # there is no optimum, and what F tends to is 0
        pairs = by_pairs(objective, at) if alone or objective.source.in_memory else None  # each takes a pass
        if alone or (pairs and (pairs.gap <= tolerance or not last)):
            return min(best, pairs or best, key=lambda bound: bound.gap)
        newton = by_self_concordance(objective, at, objective.evaluate(at.theta, order=2), spare=True, paired=True)
        return min(best, newton, key=lambda bound: bound.gap)
    return best


def by_part(objective: Objective, at: Evaluation, part: Part, nearby: Evaluation | None = None) -> Certificate:
    """The bound by the curvature that some of the rows have at this point, or at one nearby: passes over those, none
    over all. A few of them tell soon if it is none."""
    there = nearby or part.objective.evaluate(at.theta, order=2)
    share, l2 = there.weight / at.weight, np.zeros_like(at.theta)
    w = at.theta[: objective.source.n_columns]
    l2[: len(w)] = objective.penalty.curvature(w)
    there = replace(there, curvature=share * there.curvature + (1.0 - share) * np.diag(l2.ravel()))
    # A probability may be of any row, and only of some is it known how long they are.
    return replace(by_self_concordance(objective, at, there, part, spare=True), probability_error=None)


def by_self_concordance(
    objective: Objective,
    at: Evaluation,
    metric: Evaluation,
    part: Part | None = None,
    spare: bool = False,
    beyond: FloatArray | None = None,
    paired: bool = False,
) -> Certificate:
    """The bound from the Newton decrement; its gap is inf where S nu >= 1, that is, too far from the optimum.

    theta must be canonical, as every iterate is: along flat directions the curvature is not the objective's own. The
    curvature H' of a point at a distance r in its own norm serves too, for H >= exp(-S' r) H'; and so does what a
    `part` of the rows adds to it. A metric to `spare` is used up: its factor, or where nothing else asks for it the
    curvature itself. With U, what is `beyond` it, the inverse of H' is that of the metric and U U'. Where H is
    rounding, pairs of classes are asked unless they were, `paired`.
    """
    flat = objective.loss.flat(at.theta.shape[1])
    sloped = objective.penalty.has_l1 and flat.size > 0  # the L1 part is not flat where the loss is
    spent = spare and metric.theta is at.theta and part is None and not objective.penalty.has_l1
    distance = distance_from(metric, at, flat)
    H = held_along(flat, metric.curvature, at.theta.shape) if sloped else metric.curvature
    factor = factor_positive(H, spare=spent) if sloped or spent else metric.factor
    unit = np.maximum(factor.unit, SMALLEST_UNIT)
    r, nu, along = decrement(objective, at, metric.curvature, factor)
    root = None if spent or at.theta.shape[1] > 1 else factor  # which takes as much room as its inverse
    inverse = factor.inverse(root is None and spare)  # of H / unit unit', and below of H
    rounded, size = float(np.trace(inverse)) ** 0.5, float(np.linalg.norm(inverse)) ** 0.5
    U = np.empty((len(unit), 0)) if beyond is None else beyond
    far = float(np.linalg.norm(unit[:, None] * U))
    nu, rounded = float(np.hypot(nu, np.linalg.norm(r @ U))), float(np.hypot(rounded, far))
    lost = np.inf if factor.ridge else size**2 * CURVATURE_SEEN * len(unit)  # of H where it is least, to rounding
    singular = lost > 1.0 and beyond is None
    nu = nu if singular else nu_at_most(objective, at, nu, lost, rounded, unit.reshape(at.theta.shape))
    inverse /= unit[:, None]
    inverse /= unit

    def at_reach(reach: float) -> tuple[float, float, float]:
        """How much longer H may make a step than H' does, S, and t, for a reach by the metric, and what is further."""
        with np.errstate(over="ignore", invalid="ignore"):  # what overflows here is no bound, as t then says
            S = objective.loss.third_bound * float(np.hypot(reach, further))
            grown = float(np.exp(0.5 * S * distance))
            return grown, grown * S, grown * nu * (grown * S)

    # Of few rows their exact length in the norm of H is worth its products; of many, where a bound on it is too long.
    further, least = 0.0, reach_of_few(part.few, size / unit, root) if part else least_reach(objective, at, inverse)
    grown, S, t = at_reach(least)
    further = farthest_along(objective, U, at.theta.shape) if U.size and t < 1.0 else 0.0
    rows = part and part.objective
    tried = reaches(objective, at, size / unit, inverse, rows, root, enough=lambda reach: at_reach(reach)[2] < 1.0)
    grown, S, t = next((one for one in map(at_reach, tried if t < 1.0 else ()) if one[2] < 1.0), (grown, S, np.inf))
    if not t < 1.0 and beyond is None and (wide := unit_of_rows(objective, at, unit, size)) is not None:
        unit, singular, paired = wide, True, True
    bound = concordant(at, grown * nu, t, S, along=along) if t < 1.0 else TOO_FAR
    if singular:
        H = None if spent else metric.curvature
        del metric, factor, root, inverse, tried  # each of which may be large, or knows what is
        return where_curvature_is_rounding(objective, at, bound, H, unit, r, paired)
    # Where t is 1 but for rounding, as where a row runs off, F may tend to what it is near to, and never be there.
    if not t * (1.0 + INVERSE_SEEN * len(unit) * (size**2 + far)) < 1.0:  # nor where that is no number
        return bound
    bound = concordant(at, grown * nu, t, S, grown * lengths(objective, inverse, U, at.theta.shape), along)
    if sloped:
        return replace(bound, coef_error=by_strong_convexity(objective.penalty, at.theta.shape, bound.gap))
    return bound


def distance_from(metric: Evaluation, at: Evaluation, flat: FloatArray) -> float:
    """How far a point is from that of the metric, in its norm."""
    away = at.theta - metric.theta
    away = (away - away @ flat @ flat.T).ravel()
    return float(max(away @ metric.curvature @ away, 0.0)) ** 0.5


def concordant(
    at: Evaluation, nu: float, t: float, S: float, long: FloatArray | None = None, along: float = 0.0
) -> Certificate:
    """What nu and t = S nu < 1 amount to; and with how `long` a unit step in the norm of H can be in each coefficient
    (P, K), if it is known that there is a minimum, how far from it coefficients and probabilities are."""
    bound = Certificate(along + gap_within(nu, t, S) + rounding(at), CONCORDANCE)
    if long is None:
        return bound
    # With along, exp(-u) + u - 1 <= t u + S^2 along: at most (t + S sqrt(along)) u where u >= S sqrt(along).
    u = 2 * nu if S == 0 else farthest(t + S * along**0.5) / S
    return replace(bound, coef_error=u * long, probability_error=min(1.0, S * u / 4.0 + GRADIENT_SEEN))


def by_pairs(objective: Objective, at: Evaluation) -> Certificate | None:
    """The same bound by the curvature of pairs of classes, without an L1 part, in a pass for each pair. None where it
    says too little, or rounding may hide whether there is a minimum."""
    if objective.penalty.has_l1 or (pairs := pairs_of(objective, at)) is None:
        return None
    P = len(pairs.far)
    lost = pairs.size**2 * CURVATURE_SEEN * P
    if lost > 1.0:
        return None
    nu = nu_at_most(objective, at, pairs.nu, lost, pairs.spread, pairs.unit[:, None])
    for reach in (partial(longest_row, far=pairs.far), partial(farthest_by, pairs=pairs)):
        S = objective.loss.third_bound * reach(objective)
        t = S * nu * (1.0 + INVERSE_SEEN * P * pairs.size**2)
        if t < 1.0:
            return concordant(at, nu, t, S, pairs.lengths)
    return None


def gap_within(nu: float, t: float, S: float) -> float:
    """(t + (1 - t) log(1 - t)) / S^2 for t = S nu < 1: of a small one, where the closed form cancels, its series
    t^2 (1/2 + t/6 + t^2/12 + ..), which is at most t^2 / 2 (1 + t)."""
    return float(nu**2 / 2 * (1 + t) if t < 1e-3 else (t + (1 - t) * np.log1p(-t)) / S**2)


def lengths(objective: Objective, inverse: FloatArray, beyond: FloatArray, shape: tuple[int, int]) -> FloatArray:
    """How much a step of length 1 in the norm of H can change each coefficient, (P, K): the intercepts of X as it was
    given, which are b - centre'w."""
    P, K = shape
    squares = np.diagonal(inverse).reshape(shape) + np.square(beyond).sum(axis=1).reshape(shape)
    if objective.source.n_columns < P and objective.source.centre.any():
        c = np.append(-objective.source.centre, 1.0)
        own, blocks = (c @ beyond.reshape(P, -1)).reshape(K, -1), inverse.reshape(P, K, P, K)
        squares[-1] = [c @ blocks[:, k, :, k] @ c + own[k] @ own[k] for k in range(K)]
    return np.sqrt(squares)


def where_curvature_is_rounding(
    objective: Objective,
    at: Evaluation,
    bound: Certificate,
    H: FloatArray | None,
    unit: FloatArray,
    slope: FloatArray,
    paired: bool,
) -> Certificate:
    """The bound, if F is flat along each direction in which H, or the curvature here, scaled to a unit diagonal, is
    rounding, as where columns repeat each other exactly, which pairs of classes tell best; if it bends there, that of
    the curvature taken apart; if it falls, none, as how far can't be told."""

    def smallest(most: float) -> FloatArray:
        fresh = objective.evaluate(at.theta, order=2).curvature if H is None else H.copy()
        return smallest_directions(fresh, unit, most)

    if objective.penalty.has_l1:
        return NO_CURVATURE if falls(slope / unit, smallest(CURVATURE_SEEN)) else bound
    if unit.min() < FAR_UNIT:
        return TOO_FAR
    paired = paired or not objective.source.in_memory  # where each takes a pass
    if not paired and (pairs := by_pairs(objective, at)) and pairs.gap <= LITTLE_MORE * bound.gap:
        return pairs
    apart = taken_apart(objective, at, smallest(CURVATURE_SURE), unit, bent=bound is TOO_FAR)
    if apart is None or falls(slope / unit, apart.flat, apart.slopes):
        return NO_CURVATURE
    if apart.beyond.size or (bound is TOO_FAR and apart.flat.size):  # as where rows run off
        bound = by_self_concordance(objective, at, apart.held, spare=True, beyond=apart.beyond)
        if bound.coef_error is not None:
            bound.coef_error[apart.free(objective, unit.reshape(at.theta.shape))] = np.inf
    # A second time for what the slopes of those rows add to nu.
    return Certificate(bound.gap + 2.0 * apart.loss, bound.method) if apart.loss else bound


def held_along(flat: FloatArray, H: FloatArray, shape: tuple[int, int]) -> FloatArray:
    """H, (P K, P K), with as much curvature as it has elsewhere along the flat directions of each column."""
    held, (P, K) = H.copy(), shape
    blocks = held.reshape(P, K, P, K)
    scale = np.diagonal(H).reshape(shape).mean(axis=1)
    blocks[np.arange(P), :, np.arange(P), :] += scale[:, None, None] * (flat @ flat.T)
    return held


def farthest(t: float) -> float:
    """A bound on every u with exp(-u) + u - 1 <= t u: S times how far the optimum can be, in the norm of H.

    exp(-u) is never negative, and for u >= 0 at least 1 - u + u^2 / 2 - u^3 / 6, so that u / 2 - u^2 / 6 <= t up to
    u = 3/2: the smaller root, times (1 - sqrt) (1 + sqrt) so that a small t keeps its digits.

    >>> round(farthest(0.1), 4)
    0.2155
    """
    if t > 0.375:
        return 1.0 / (1.0 - t)
    return 4.0 * t / (1.0 + (1.0 - 8.0 / 3.0 * t) ** 0.5)


def by_duality(
    objective: Objective, at: Evaluation, ahead: Prediction | None = None, gap: float | None = None
) -> Certificate:
    """The bound from a feasible point of the dual problem, if it is not known; it needs a penalty on every weight."""
    gap = dual_bound(objective, at, ahead) if gap is None else gap
    if gap is None:
        return Certificate(np.inf, "none: the intercept is too far from its optimum for a bound")
    gap += rounding(at)
    return Certificate(gap, "duality", by_strong_convexity(objective.penalty, at.theta.shape, gap))


def rounding(at: Evaluation) -> float:
    """What double precision may hide: a few units in the last place of the objective."""
    return ROUNDING * abs(at.value)
