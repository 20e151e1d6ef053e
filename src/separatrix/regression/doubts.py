"""What standard errors rest on too little for: said in the summary, and once as a warning."""

import warnings
from typing import Any, TypeVar

import numpy as np

from separatrix.arrays import BoolArray
from separatrix.errors import InferenceWarning, listing, outside

R = TypeVar("R")


def told(result: R) -> R:
    """The result, after a warning for each of its doubts."""
    for doubt in doubts(result):
        warnings.warn(doubt, InferenceWarning, stacklevel=outside())
    return result


def doubts(result: Any) -> list[str]:
    """What there are no standard errors or tests for, and why; nothing of a penalised fit, which has none."""
    if result.penalty:
        return []
    words, kind, clusters = degrees_of_freedom(result), result.covariance, result.n_clusters
    if result._scale == 0.0:
        words.append("the fit is exact: what it leaves is rounding, so errors are 0 and nothing can be tested.")
    if clusters and min(clusters) <= result.n_params:
        words.append(
            f"{min(clusters)} clusters for {result.n_params} parameters: at most {min(clusters) - 1} conditions can be "
            "tested together, and so few clusters make errors too small. Give more, better forty."
        )
    return words if kind == "nonrobust" or degrees_of_freedom(result) else words + without_errors(result)


def warn_of_negative(rows: BoolArray) -> None:
    """An InferenceWarning where two ways of clusters give some rows, (n,), a negative variance."""
    if rows.any():
        warnings.warn(
            f"two ways of clusters give {np.count_nonzero(rows)} of {len(rows)} rows a negative variance, so they "
            "have no interval. Cluster one way (Cameron, Gelbach and Miller 2011, section 2.3).",
            InferenceWarning,
            stacklevel=outside(),
        )


def without_errors(result: Any) -> list[str]:
    """The finite estimates whose robust variance is negative, or no more than rounding."""
    words, clusters = [], result.covariance == "cluster"
    variances = np.diagonal(result._covariance(result.cov))
    missing = np.isnan(np.diagonal(result.cov_params())) & np.isfinite(result._flat(result.params))
    names, negative = np.array(result.param_names), missing & (variances < 0) & (len(result.n_clusters) > 1)
    if negative.any():
        words.append(
            f"two ways of clusters give {listing(names[negative])} a negative variance, so there is no standard error. "
            "Cluster one way (Cameron, Gelbach and Miller 2011, section 2.3)."
        )
    if (missing & ~negative).any():
        why = "the scores of each cluster sum to 0" if clusters else "the fit leaves nothing of their rows"
        words.append(
            f"the {result.covariance} errors of {listing(names[missing & ~negative])} are no more than rounding, as "
            f"{why}: there are none. Use covariance='nonrobust'{', or other clusters' if clusters else ''}."
        )
    return words


def degrees_of_freedom(result: Any) -> list[str]:
    """Whether parameters are as many as observations, which errors that divide by the difference do not survive."""
    many, kind = f"{result.nobs:.10g} observations for {result.n_params} parameters", result.covariance
    weighted = "" if result.nobs == result.sample.n_rows else " Weights are counts of observations."
    if result.df_resid <= 0 and (result.sample.outcome.classes == () or kind in ("HC1", "cluster")):
        return [f"no degrees of freedom are left: {many}, so there are no standard errors.{weighted}"]
    return [f"{many}: do not trust their errors.{weighted}"] if result.df_resid < 0 else []
