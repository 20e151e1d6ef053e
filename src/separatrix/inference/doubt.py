"""What a fit without penalty leaves open, and the warnings it deserves then."""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from separatrix.arrays import FloatArray
from separatrix.data.block import Source
from separatrix.engine.fit import Fit, warn_of, warn_of_stop
from separatrix.engine.iterate import Status
from separatrix.engine.matrices.linear_algebra import LARGEST_CURVATURE
from separatrix.errors import SeparationWarning, outside
from separatrix.inference.recession import PATIENCE, Recession, recession, recession_alone
from separatrix.inference.separation import Separation, separation

LITTLE = 2.0**24  # bytes


def separation_of(
    fit: Fit,
    source: Source,
    classes: Sequence[Any],
    names: Sequence[str],
    fit_intercept: bool,
    known: Recession | None = None,
) -> Separation | None:
    """The separation that keeps a fit from an optimum, or is of no kind, of a source with class codes for y, in
    directions that may be `known`. Where to find them would take more time than a fit or, beside the rows, much memory,
    what single columns show; None where that is nothing, or there is an optimum."""
    if fit.finite:
        return None
    with source.working() as source:
        ones, room = int(fit_intercept), max(source.room * source.n_rows, LITTLE)
        few = len(fit.intercepts) * (source.n_columns + ones) <= LARGEST_CURVATURE
        if known is None and few:
            known = recession(source, len(classes), ones, room, PATIENCE)
        known = known or recession_alone(source, len(classes), ones)
        return known and separation(source, classes, names, fit_intercept, known)


def warn_of_classes(classes: NDArray, weight: FloatArray) -> None:
    """The warning that a class deserves whose rows all weigh nothing, of the weight of each class (K,): no penalty
    holds its intercept."""
    for k in np.flatnonzero(weight == 0)[:1]:
        label = classes.tolist()[k]
        warnings.warn(
            f"every row of class {label!r} weighs nothing, so that its intercept falls without end: its size cannot be "
            "trusted. Leave these rows out, or give them weight.",
            SeparationWarning,
            stacklevel=outside(),
        )


def warn_of_fits(fits: Sequence[Fit], found: Any, tol: float) -> None:
    """The warnings of fits and of what keeps them from an optimum."""
    several = found if isinstance(found, tuple) else (found,) * len(fits)
    for fit, one in zip(fits, several, strict=True):
        if not one:
            warn_of(fit, tol)
            if one is None and is_left_open(fit):
                warnings.warn(
                    "whether a finite fit exists was not asked: here that would take long, or much memory beside X. "
                    "Without a penalty some weights may grow without end; ask separatrix.detect_separation, or use a "
                    "finite C.",
                    SeparationWarning,
                    stacklevel=outside(),
                )
        else:
            good = fit.separated or fit.status is not Status.MAX_ITER
            labels = "The labels can be trusted, the size of these weights cannot."
            these = "these weights" if one.whole else "these weights, and maybe others,"
            warnings.warn(
                f"no finite fit exists: {one.reason}. Without a penalty {these} grow without end: "
                f"{one.estimates}. {labels if good else 'Their size cannot be trusted.'} Use FirthLogisticRegression, "
                "or a finite C.",
                SeparationWarning,
                stacklevel=outside(),
            )
            if not good:
                warn_of_stop(fit, tol)


def is_left_open(fit: Fit) -> bool:
    """Whether a fit that arrived, and has no more coefficients than separation is asked of, may have no optimum."""
    few = fit.coefficients.size + len(fit.intercepts) <= LARGEST_CURVATURE
    return few and fit.status is Status.CONVERGED and not fit.finite and not fit.separated
