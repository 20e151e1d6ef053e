"""The relative interior of the cone in which the likelihood never falls, by fits without penalty, face by face.

A linear program takes longer than a fit as soon as coefficients are many. A fit ends in one of three ways:

- Its optimum is proved to be finite (`separatrix.engine.certificates.certificate`): then no row gains for ever.
- Its plane has every row strictly on its class's side: then the plane is the direction.
- Of two classes, some rows have all but run off. Their loss is about exp(-margin), whose slope and curvature are as
  large, so a Newton step takes each about 1 further, and the other rows nowhere. Less its part that would move those,
  the step is the direction. They are the rows of the next fit, of the columns that are still independent there.

What a fit suggests is believed only where no row's margin is negative. Where it leaves the question open, so does this.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from separatrix.arrays import FloatArray, repeated
from separatrix.data.classes import columns_of_eta, loss_of
from separatrix.data.memory import MemorySource
from separatrix.engine.fit import Fit, Options, fit_linear_model
from separatrix.engine.matrices.linear_algebra import null_space, solve_positive
from separatrix.engine.objective import Objective
from separatrix.equations.penalties import elastic_net
from separatrix.inference.lone import lone_columns
from separatrix.inference.margins import NOISE, Margins, combined, of_independent, reach

STEPS = 15, 100  # by the first rows have run far enough, and curvature is not yet rounding; some fits take the others
GAIN = 0.5  # of a margin by a Newton step, that tells a row that runs off
GOLDEN = 0.6180339887498949  # of whose multiples no two have the same part after the point
FRACTIONS = GOLDEN * 10.0 ** -np.arange(8)  # of a direction that is added to one before it, and makes up for none of it


def interior(margins: Margins, known: FloatArray | None = None) -> FloatArray | None:
    """A direction (P, K - 1) of scaled columns, which are independent, in the relative interior of the cone: its
    largest entry 1, or 0 where the cone holds no other. None where fits leave that open, or rows are not in memory.
    One of the cone may be `known`."""
    source, ones = margins.source, margins.ones
    if not isinstance(source, MemorySource):
        return None
    d = outermost(margins, source) if known is None else known
    if d is None or not d.any() or not len(still_rows := margins.still_rows(d)):
        return d

    rest, own = of_independent(Margins(source.looked_up(still_rows), margins.K, ones))
    found = interior(rest, alone(rest) if margins.K == 2 else None)
    if found is None or not found.any():
        return None if found is None else d
    further = np.zeros_like(d)
    further[own] = found / rest.scale * margins.scale[own]
    return joined(margins, d, combined(further), rest.still_count(found))


def joined(margins: Margins, d: FloatArray, further: FloatArray, still: int) -> FloatArray | None:
    """A direction of scaled columns, and a little of a further one of the rows that it does not move, that leaves so
    few margins at 0; None where rounding lets no such sum be found."""
    for fraction in FRACTIONS:
        both = combined(d, fraction * further)
        if margins.extremes(both)[0] >= -NOISE and margins.still_count(both) <= still:
            return both
    return None


def alone(margins: Margins) -> FloatArray | None:
    """The direction, if there is one, along which columns each take a class away from the others by themselves."""
    source, K = margins.source, margins.K
    lone = lone_columns(source, K, margins.ones)
    if not len(lone):
        return None
    scale = margins.scale[np.minimum(lone.column, source.n_columns - 1), 0]
    lengths = 1.0 / np.where(lone.column < source.n_columns, scale, 2.0)
    lengths *= 1.0 + GOLDEN * np.arange(len(lone)) % 1.0  # all different, lest some make up for others
    w, b = lone.steps(lengths, source.centre, K)
    d = np.vstack([w, np.tile(b + source.centre @ w, (margins.ones, 1))]) * margins.scale
    return combined(d[:, 1:] - d[:, :1])


def outermost(margins: Margins, source: MemorySource) -> FloatArray | None:
    """A direction along which some rows gain and none loses, or 0 where there is none; None where fits don't tell."""
    K, ones, p = margins.K, margins.ones, source.n_columns
    loss, outputs, code = loss_of(K), columns_of_eta(K), column if K == 2 else np.ravel
    rows, penalty = replace(source, offset=None).recoded(code), elastic_net(repeated(0.0, p), 0.0)
    start, d = (np.zeros((outputs, p)), np.zeros(outputs)), None
    for most in STEPS:
        options = Options(fit_intercept=bool(ones), max_iter=most)
        fit = fit_linear_model(rows, loss, penalty, options, start, warn=False)
        start = fit.coefficients, fit.intercepts
        if fit.finite:
            return np.zeros((len(margins.scale), K - 1))
        if fit.separated:
            d = combined(plane_of(fit, source.centre, ones) * margins.scale)
            d = d if margins.extremes(d)[0] > NOISE else None
        elif K == 2 and fit.at is not None:
            at = Objective(rows, loss, penalty, bool(ones)).evaluate(fit.at.theta, order=2)
            step = solve_positive(at.curvature, -at.gradient.ravel(), spare=True)[:, None]
            d = run_off(margins, source, step * margins.scale)
        if d is not None:
            break
    return d


def column(codes: NDArray) -> NDArray:
    """Codes (rows,) or (rows, 1) as a column."""
    return codes.reshape(-1, 1)


def plane_of(fit: Fit, centre: FloatArray, ones: int) -> FloatArray:
    """The fit's coefficients less those of the first class, (p + ones, K - 1), for columns less their centre."""
    intercepts = fit.intercepts + fit.coefficients @ centre
    d = np.vstack([fit.coefficients.T, np.tile(intercepts, (ones, 1))])
    return d if d.shape[1] == 1 else d[:, 1:] - d[:, :1]


def run_off(margins: Margins, source: MemorySource, step: FloatArray) -> FloatArray | None:
    """The direction in which a Newton step (P, 1) takes rows further, and others nowhere; None where there is none."""
    rest = Margins(source.looked_up(margins.rows_below(step, GAIN)), margins.K, margins.ones)
    basis = null_space(rest.still_triangle(np.zeros_like(step)))
    d = basis @ (basis.T @ (step / margins.scale * rest.scale)) / rest.scale * margins.scale
    d[~reach(basis)] = 0.0
    if not d.any():
        return None
    d = combined(d)
    d[np.abs(d) < NOISE] = 0.0
    low, high = margins.extremes(d)
    return d if low >= -NOISE and high > NOISE else None
