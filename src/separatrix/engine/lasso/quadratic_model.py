"""The minimum of a quadratic model with an L1 part: g'(v - w) + (v - w)'H(v - w)/2 + l1'|v|, the lasso of H."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import cycle, islice, repeat

import numpy as np
from numpy.typing import DTypeLike

from separatrix.arrays import FloatArray, IntArray
from separatrix.engine.lasso.interior_point import minimise_inside
from separatrix.engine.line_search import beyond_numbers
from separatrix.engine.matrices.bordered import Bordered
from separatrix.engine.matrices.linear_algebra import (
    Linear,
    factor_of_root,
    factor_positive,
    solve_factored,
    solve_positive,
)
from separatrix.equations.penalties import smallest_subgradient, soft_threshold

FEW_TURNS = 8, 25  # of a matrix, one for ten coefficients, are quicker than the way inside
MOST_TURNS = 100
FEW = 200  # coefficients, whose factor takes no longer than to look for what has changed, and one for each sign little
NOTHING = 1e-100  # of a curvature; its inverse is still a number
MOST_PROXIMAL_STEPS = 20
SLOWS = 0.03  # the share of their whole fall below which another of them is left to Newton
MOST_MATRICES = 5  # of one model
SEEN = 0.1  # of the squared subgradient: what leaves more has not found the minimum
INSIDE = 1e-9  # of it, what a minimum from inside may leave: there the last digits take few steps


@dataclass(frozen=True)
class Curvature:
    """H of n coefficients, as its diagonal, its product with a vector, and its inverse on some of them, or about that;
    the `turns` that may choose signs; where it is a matrix, `plus(D)`, which divides by H + diag(D); where that is
    worth its cost, also as the matrix `among` some, made in a precision, at `most` so many in single and in double;
    where it is next to nothing along some directions, what moves a v along these to its `cheapest`; a way to choose
    `signs`, where there is a better one than proximal steps; and where rows are few, itself `by_rows`."""

    diagonal: FloatArray
    times: Linear
    solve: Callable[[IntArray, FloatArray], FloatArray]
    turns: int = MOST_TURNS
    plus: Callable[[FloatArray], Linear] | None = None
    among: Callable[[IntArray, DTypeLike], FloatArray] | None = None
    most: tuple[int, int] = (0, 0)
    cheapest: Linear | None = None
    signs: "Way | None" = None
    by_rows: "Curvature | None" = None


Moved = tuple[FloatArray, FloatArray, float]
"""A new v, the slope of the model there, and how far the model with the L1 part fell."""
Way = Callable[[Curvature, FloatArray, FloatArray, FloatArray, FloatArray], Moved]
"""To that of H, a v, the slope there, the L1 part and the units of the coefficients."""


def matrix(H: FloatArray) -> Curvature:
    """H as a small matrix."""
    solve = partial(solve_among, H) if len(H) <= FEW else Bordered(H)

    def plus(D: FloatArray) -> Linear:
        beside = H.copy()
        beside[np.diag_indices(len(H))] += D
        return partial(solve_factored, factor_positive(beside, spare=True))

    return Curvature(np.diagonal(H), lambda d: H @ d, solve, few_turns(len(H)), plus)


def few_turns(n: int) -> int:
    """How many of a matrix of n coefficients."""
    return int(np.clip(n // 10, *FEW_TURNS))


def solve_among(H: FloatArray, some: IntArray, b: FloatArray) -> FloatArray:
    """H^-1 b on some of the coefficients."""
    return solve_positive(H[np.ix_(some, some)], b, spare=True)


def by_root(R: FloatArray) -> Curvature:
    """R'R, as it stands."""
    return Curvature(
        np.square(R).sum(axis=0),
        lambda d: R.T @ (R @ d),
        lambda some, b: solve_factored(factor_of_root(R[:, some]), b),
        few_turns(R.shape[1]),
        lambda D: partial(solve_factored, factor_of_root(np.vstack([R, np.diag(np.sqrt(D))]))),
    )


def minimise_by_turns(H: Curvature, w: FloatArray, g: FloatArray, l1: FloatArray, enough: float) -> FloatArray:
    """About the v of `minimise_model`: found exactly, by the matrix, among the coefficients that are to move, until no
    others are; by products where they are many, or there is no matrix.

    Where that leaves much, columns all but repeat each other: neither is single precision enough for them, nor are
    turns, and a matrix in double is asked from inside; or where the coefficients are more than the rows, these are.
    """
    if H.among is None and H.by_rows is None:
        return minimise_model(H, w, g, l1, enough)[0]
    v, slope, first, some, hoped, hard = w, g, None, np.arange(0), 0.0, False
    unit = np.maximum(H.diagonal, NOTHING)
    for _ in range(MOST_MATRICES):
        s = smallest_subgradient(v, slope, l1)
        left, held = s**2 / unit, (v != 0) | (l1 == 0)
        first = left.sum() if first is None else first
        if left.sum() <= max(enough * first, rounding(v, H.diagonal, unit)):
            return v
        hard = hard or bool(left[some].sum() > hoped)
        most, there = H.most[hard], v.copy()
        if H.among and np.count_nonzero(held) <= most:
            some = np.sort(np.argsort(np.where(held, -np.inf, -left))[: min(most, np.count_nonzero(held | (s != 0)))])
            share = min(enough**2, INSIDE) if hard else enough**2
            there[some], _ = minimise_model(alone(H.among, some, hard), v[some], slope[some], l1[some], share)
        elif hard:
            return minimise_model(H.by_rows or H, v, slope, l1, enough)[0]
        else:
            some, (there, _) = np.arange(len(v)), minimise_model(replace(H, turns=FEW_TURNS[0]), v, slope, l1, enough)
        hoped = SEEN * left[some].sum()
        moved, fall = step_to(H, v, there, slope, l1)
        if fall > 0:
            v, slope = there, slope + moved
        elif hard:
            break
        hard = hard or not fall > 0
    return minimise_model(replace(H, turns=FEW_TURNS[0]) if hard else H, v, slope, l1, enough)[0]


def alone(among: Callable[[IntArray, DTypeLike], FloatArray], some: IntArray, hard: bool) -> Curvature:
    """The matrix of some coefficients, from inside where their signs are hard to choose; one of single precision may be
    negative along what it rounds away, which from inside leads nowhere."""
    H = matrix(among(some, np.float64 if hard else np.float32))
    return replace(H, turns=0) if hard else replace(H, plus=None)


@beyond_numbers
def minimise_model(
    H: Curvature, w: FloatArray, g: FloatArray, l1: FloatArray, enough: float
) -> tuple[FloatArray, float]:
    """The v, (n,), with the least g'(v - w) + (v - w)'H(v - w)/2 + l1'|v|, with exact zeros; and the decrease from w.

    Ends where enough of the squared subgradient is gone, or signs that change one at a time gain nothing.
    """
    v, slope, decrease = w, g, 0.0
    unit = np.maximum(H.diagonal, np.finfo(float).eps * H.diagonal.max(initial=NOTHING))
    goal = enough * squared_subgradient(v, slope, l1, unit)
    for step in steps_of(H, len(v), bool(l1.any()), goal):
        if squared_subgradient(v, slope, l1, unit) <= max(goal, rounding(v, H.diagonal, unit)):
            break
        v, slope, fall = step(H, v, slope, l1, unit)
        decrease += fall
        if step is feature_sign_step and not fall:
            break
    return v, decrease


def steps_of(H: Curvature, n: int, has_l1: bool, goal: float) -> Iterator[Way]:
    """The steps to the minimum of a model of n coefficients, one after the other.

    By turns, proximal gradient steps choose the signs, and a projected Newton step moves to the minimum that has them;
    a better way to choose them comes first, and may do without Newton.
    Where columns all but depend on each other, these choose badly: of few, signs change one at a time, which also ends
    where a minimum is not the only one; of more, the minimum is sought from inside, to a `goal`.
    """
    by_turns = cycle((H.signs, newton_step) if H.signs else (newton_step, proximal_steps))
    yield from islice(by_turns, H.turns)
    if H.plus is None or not has_l1:
        return
    if H.turns and n <= FEW:
        yield from repeat(feature_sign_step, MOST_TURNS - H.turns)
    else:
        yield partial(inside_step, enough=goal)
        yield from islice(by_turns, 1, 1 + FEW_TURNS[0])  # which from inside is one of them


def squared_subgradient(v: FloatArray, slope: FloatArray, l1: FloatArray, unit: FloatArray) -> float:
    """That of the smallest, in such units."""
    return float(smallest_subgradient(v, slope, l1) ** 2 @ (1.0 / unit))


def rounding(v: FloatArray, diagonal: FloatArray, unit: FloatArray) -> float:
    """What rounding of the slope alone may leave of its square, in such units."""
    return float(np.sum((np.finfo(float).eps * diagonal * v / np.sqrt(unit)) ** 2))


def newton_step(H: Curvature, v: FloatArray, slope: FloatArray, l1: FloatArray, unit: FloatArray) -> Moved:
    """To the minimum over the support. Coordinates that would change sign stop at zero; if the model does not fall with
    that, the step is cut, at the latest to where the first of them is zero."""
    free = np.flatnonzero((v != 0) | (l1 == 0))
    sign, here = np.sign(v[free]), v[free]
    s = slope[free] + l1[free] * sign
    newton = H.solve(free, -s)
    crosses = ((here + newton) * sign < 0) & (l1[free] > 0)
    nearest = float(np.min(here[crosses] / -newton[crosses], initial=1.0))
    change = np.zeros_like(v)
    for length in (1.0, 0.3, 0.1, nearest):
        there = here + length * newton
        change[free] = np.where(crosses & (there * sign <= 0), 0.0, there) - here
        moved = H.times(change)
        fall = -float(s @ change[free]) - 0.5 * bend_along(H, change, moved)
        if fall > 0:
            return v + change, slope + moved, fall
    return v, slope, 0.0


def feature_sign_step(H: Curvature, v: FloatArray, slope: FloatArray, l1: FloatArray, unit: FloatArray) -> Moved:
    """Towards the minimum over the support and, where more is to be had there, one coordinate outside of it, to the
    lowest of the points where a coordinate is zero on the way (Lee, Battle, Raina and Ng 2007, "Efficient sparse coding
    algorithms"). However ill-conditioned H is, so many steps as there are sets of signs reach the minimum."""
    support, sign = (v != 0) | (l1 == 0), np.sign(v)
    s = smallest_subgradient(v, slope, l1)
    left = s**2 / unit
    enters = np.argmax(np.where(support, 0.0, left))
    outside = not support[enters] and left[enters] > left[support].sum()
    d = np.zeros_like(v)
    for free in ([support | (np.arange(len(v)) == enters)] if outside else []) + [support]:
        d[:] = 0.0
        d[free] = H.solve(np.flatnonzero(free), -s[free])
        if not outside or d[enters] * s[enters] < 0:  # else it moves to where its sign is another
            break
    moved = H.times(d)
    bend = bend_along(H, d, moved)
    zero_at = np.where((v != 0) & (l1 > 0), -v / d, np.inf)
    stops = np.append(np.unique(zero_at[(zero_at > 0) & (zero_at < 1)]), 1.0)
    beyond = np.maximum(-sign * (v + stops[:, None] * d), 0.0) @ (2.0 * l1)  # (stops,)
    falls = -stops * (s @ d) - 0.5 * stops**2 * bend - beyond
    best = int(np.argmax(falls))
    if not falls[best] > 0:
        return v, slope, 0.0
    there = np.where(zero_at == stops[best], 0.0, v + stops[best] * d)
    return there, slope + stops[best] * moved, float(falls[best])


def inside_step(
    H: Curvature, v: FloatArray, slope: FloatArray, l1: FloatArray, unit: FloatArray, enough: float
) -> Moved:
    """To about the minimum, from inside, and to that of its signs; none where rounding leads higher."""
    assert H.plus is not None

    def is_minimum(v: FloatArray, slope: FloatArray) -> bool:
        return squared_subgradient(v, slope, l1, unit) <= max(enough, rounding(v, H.diagonal, unit))

    there = minimise_inside(H.times, H.plus, v, slope, l1, unit, is_minimum)
    moved, fall = step_to(H, v, there, slope, l1)
    if not fall > 0:
        return v, slope, 0.0
    v, slope, more = newton_step(H, there, slope + moved, l1, unit)
    return v, slope, fall + more


def bend_along(H: Curvature, d: FloatArray, moved: FloatArray) -> float:
    """d'H d, of H d, but no less than its rounding: a step along which H is nothing else must not seem to be free."""
    own = np.sqrt(np.maximum(H.diagonal, 0.0))
    return max(float(d @ moved), float(np.finfo(float).eps * (own @ np.abs(d)) ** 2))


def proximal_steps(H: Curvature, v: FloatArray, slope: FloatArray, l1: FloatArray, unit: FloatArray) -> Moved:
    """Proximal gradient steps, in units of the diagonal, of the length that the curvature along the last one asked for
    (Wright, Nowak and Figueiredo 2009, "SpaRSA"), until one changes no sign or adds little to the fall; then one to
    the cheapest of all v that are alike. One that leads higher is not made: along it, the curvature was more."""
    fallen, rate = 0.0, 1.0
    for _ in range(MOST_PROXIMAL_STEPS):
        there = soft_threshold(v - slope / (rate * unit), l1 / (rate * unit))
        change = there - v
        length = float(change**2 @ unit)
        if not length > 0:  # no change, or one beyond numbers
            break
        moved, fall = step_to(H, v, there, slope, l1)
        rate = max(float(change @ moved) / length, 0.1)
        if fall > 0:
            same = np.array_equal(np.sign(there), np.sign(v))
            v, slope, fallen = there, slope + moved, fallen + fall
            if same or fall <= SLOWS * fallen:
                break
    if H.cheapest:
        there = H.cheapest(v)
        moved, fall = step_to(H, v, there, slope, l1)
        if fall > 0:
            v, slope, fallen = there, slope + moved, fallen + fall
    return v, slope, fallen


def step_to(
    H: Curvature, v: FloatArray, there: FloatArray, slope: FloatArray, l1: FloatArray
) -> tuple[FloatArray, float]:
    """H times the step from v, and how far the model falls by it."""
    moved = H.times(there - v)
    return moved, -promised_slope(v, there, slope, l1) - 0.5 * bend_along(H, there - v, moved)


def promised_slope(w: FloatArray, v: FloatArray, g: FloatArray, l1: FloatArray) -> float:
    """g'(v - w) + l1'(|v| - |w|): what a step from w to v promises. Without a change of sign nothing cancels."""
    sign = np.where(w != 0, np.sign(w), np.sign(v))
    return float(np.sum((g + l1 * sign) * (v - w) + l1 * (np.abs(v) - sign * v)))
