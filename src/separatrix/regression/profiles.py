"""Where the profiles of a logistic regression end, also of estimates that are infinite."""

import warnings

import numpy as np

from separatrix.arrays import BoolArray, FloatArray
from separatrix.inference.profile import end_by_fits, profile, profile_intervals
from separatrix.inference.separation import leads
from separatrix.inference.wald import quantile
from separatrix.regression.fitting import Estimate, at_work
from separatrix.regression.sample import Sample


def profile_ends(sample: Sample, estimate: Estimate, level: float) -> tuple[FloatArray, FloatArray]:
    """Low and high ends, (P, K) each, the intercept last: infinite where the likelihood need not fall, NaN where an end
    was not found."""
    theta, z = estimate.theta, quantile(level)
    if not theta.size:
        return theta, theta
    if not estimate.infinite.any():
        with at_work(estimate.objective) as objective:
            found = profile_intervals(objective, theta, level)
        return found.low, found.high
    low, high = (np.where(open_side(sample, estimate, side), side * np.inf, np.nan) for side in (-1, 1))
    sought = np.flatnonzero(np.isnan(low) | np.isnan(high))
    contrasts = np.eye(theta.size)[sought].reshape(-1, *theta.shape)
    with at_work(estimate.objective) as objective, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # towards infinity there is no end, and no number for it
        ends = profile(objective, theta, np.array([-z, z]), contrasts).values if len(sought) else np.empty((0, 2))
        for contrast, j, pair in zip(contrasts, sought, ends, strict=True):
            for side, root, found in zip((low, high), (-z, z), pair, strict=True):
                if np.isnan(side.flat[j]):
                    side.flat[j] = end_by_fits(objective, theta, contrast, root) if np.isnan(found) else found
    return low, high


def open_side(sample: Sample, estimate: Estimate, side: int) -> BoolArray:
    """Where the likelihood need not fall on this side, (P, K): of an estimate that is infinite there, and of one that
    runs to infinity either way."""
    infinite, rows = estimate.infinite, sample.labelled()
    found = infinite == side
    for place in zip(*np.nonzero(infinite == -side), strict=True):
        contrast = np.zeros(infinite.shape)
        contrast[place] = side
        found[place] = leads(rows, sample.outcome.columns + 1, int(sample.intercept), contrast)
    return found
