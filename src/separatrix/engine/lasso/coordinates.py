r"""Signs by one coordinate at a time: a loop for which NumPy has no word, compiled by numba where $SEPARATRIX_NUMBA=1.

    v_j <- soft_threshold(v_j - s_j / H_jj, l1_j / H_jj)        s = slope + H (v - w)

        H = B'B - bend t t' + diag(ridge)        r = B (v - w)        m = t'(v - w)

H is never made: with r and m kept, s_j costs the entries of column j of B (Yuan, Ho and Lin 2012, "An improved GLMNET
for L1-regularized logistic regression"). It takes the place of `quadratic_model.proximal_steps`, which move all
coordinates by the slope that they had together, and need B several times as often.
"""

import os
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from separatrix.arguments import shown
from separatrix.arrays import FloatArray, IntArray
from separatrix.engine.lasso.quadratic_model import Curvature, Moved, proximal_steps, squared_subgradient, step_to
from separatrix.errors import ArgumentError, SeparatrixError

SWEEPS = 10  # at a time, which Newton's step on the support follows,
TIMES = 3  # as often: what is not found by then is of columns that are much alike, for which proximal steps are better
SOLVED = 1e-3  # of what a minimum may leave: sweeps cost little beside passes over all columns, which that saves


def is_asked_for() -> bool:
    """Whether loops are to be compiled: numba takes a second to load, so only where the environment says so.

    Raises ArgumentError for a value that is neither 0 nor 1.
    """
    asked = os.environ.get("SEPARATRIX_NUMBA", "").strip() or "0"
    if asked not in ("0", "1"):
        raise ArgumentError(f"$SEPARATRIX_NUMBA={shown(asked)} must be 1, to compile loops by numba, or 0.")
    return asked == "1"


@cache
def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function as machine code, made when it is first called with arguments of such types.

    Raises SeparatrixError where numba is not installed.
    """
    try:
        from numba import njit
    except ModuleNotFoundError:
        raise SeparatrixError(
            "$SEPARATRIX_NUMBA=1 needs the package numba: pip install 'separatrix[numba]', or unset the variable."
        ) from None
    return njit(nogil=True)(function)


class ByCoordinates:
    """Sweeps over the coordinates of a model whose H is B'B - bend t t' + diag(ridge), of a CSC matrix B (rows, p);
    `enough` is the share of the squared subgradient that the minimum may leave."""

    def __init__(self, B: Any, t: FloatArray, bend: float, ridge: FloatArray, enough: float) -> None:
        places = B.indices.view(f"u{B.indices.itemsize}")  # of a signed one, each is asked if it counts from the end
        self.columns = B.data, places, B.indptr, B.shape[0], t, bend, ridge
        self.sweep, self.enough, self.goal, self.times = compiled(descend), enough, 0.0, 0

    def __call__(self, H: Curvature, v: FloatArray, slope: FloatArray, l1: FloatArray, unit: FloatArray) -> Moved:
        if self.times == 0:
            self.goal = SOLVED * self.enough * squared_subgradient(v, slope, l1, unit)
        self.times += 1
        if self.times > TIMES:
            return proximal_steps(H, v, slope, l1, unit)
        there = self.sweep(*self.columns, unit, v, slope, l1, self.goal)
        moved, fall = step_to(H, v, there, slope, l1)
        return (there, slope + moved, fall) if fall > 0 else (v, slope, 0.0)


def descend(
    entries: FloatArray,
    places: IntArray,
    starts: IntArray,
    rows: int,
    t: FloatArray,
    bend: float,
    ridge: FloatArray,
    unit: FloatArray,
    w: FloatArray,
    slope: FloatArray,
    l1: FloatArray,
    goal: float,
) -> FloatArray:
    """v, (p,), after some sweeps from w, fewer where they met squared subgradients of no more than the goal.

    A coordinate that is zero, with a slope that is further within its L1 part than any other was outside of its own in
    the sweep before, is left out of the following ones, until the others have met the goal.
    """
    p = len(w)
    v, r, m = w.copy(), np.zeros(rows), 0.0
    order, left_in, beyond = np.arange(p), p, np.inf
    for _ in range(SWEEPS):
        squares, largest, at = 0.0, 0.0, 0
        while at < left_in:
            j = order[at]
            s = slope[j] + ridge[j] * (v[j] - w[j]) - bend * t[j] * m
            for e in range(starts[j], starts[j + 1]):
                s += entries[e] * r[places[e]]
            if v[j] == 0.0 and abs(s) < l1[j] - beyond:
                left_in -= 1
                order[at], order[left_in] = order[left_in], j
                continue
            at += 1
            smallest = s + np.sign(v[j]) * l1[j] if v[j] != 0.0 else np.sign(s) * max(abs(s) - l1[j], 0.0)
            squares += smallest * smallest / unit[j]
            largest = max(largest, abs(smallest))
            aim = v[j] - s / unit[j]
            step = np.sign(aim) * max(abs(aim) - l1[j] / unit[j], 0.0) - v[j]
            if step != 0.0:
                v[j] += step
                m += t[j] * step
                for e in range(starts[j], starts[j + 1]):
                    r[places[e]] += entries[e] * step
        beyond = largest
        if squares <= goal:
            if left_in == p:
                break
            left_in, beyond = p, np.inf
    return v
