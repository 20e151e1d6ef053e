"""Fits against each other: nested pairs, term by term, and a fit against columns that it left out."""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from separatrix.arrays import FloatArray
from separatrix.compressed import dense
from separatrix.data.frames import dataframe
from separatrix.data.inputs import matrix_of
from separatrix.data.memory import memory_source
from separatrix.data.threads import one_blas_thread
from separatrix.engine.matrices.triangle import ROUNDING, design_of, triangle_of
from separatrix.engine.objective import Objective
from separatrix.equations.losses import SquaredLoss
from separatrix.equations.penalties import L2
from separatrix.errors import ArgumentError, SeparationWarning, listing
from separatrix.inference.likelihood_ratio import likelihood_ratio, score
from separatrix.inference.wald import Test, f_test
from separatrix.regression.fitting import Estimate, at_work
from separatrix.regression.frame_rows import check_same_index
from separatrix.regression.result import Result
from separatrix.regression.sample import Sample

SPANNED = 1e-8  # of a column's spread: what the columns that span it leave of it


class ComparedResult(Result):
    """A result with its tests against other models of the same rows."""

    def refit(self, sample: Sample) -> Estimate:
        """The same kind of fit of another sample."""
        raise NotImplementedError

    def compare(self, smaller: list[int], larger: list[int], term: str) -> Test:
        """The test of a term: of the model of the columns `larger` against that of `smaller`, which lacks it."""
        return compare(self, smaller, larger, term)

    def _ratio_against(self, small: Any) -> Test:
        """The likelihood-ratio test of a smaller model of the same rows."""
        gone = [name for name in self.param_names if name not in small.param_names]
        hypothesis = " = ".join([*gone, "0"]) if gone else "the smaller model"
        return likelihood_ratio(small.llf, self.llf, self.n_params - small.n_params, hypothesis)

    def lr_test(self, other: "ComparedResult") -> Test:
        """The likelihood-ratio test against a fit of the same rows that is nested in this one, or holds it.

        Raises ArgumentError for fits that are not nested, or of other rows or another outcome.
        """
        return lr_test(self, other)

    def score_test(self, columns: Any) -> Test:
        """The score test (Rao 1948) of columns (n,) or (n, m) that this model left out; it needs no further fit."""
        return score_test(self, columns)

    def anova(self, type: int = 1) -> Any:
        """A test for every term, as a dataframe: the likelihood ratio, or of a linear model F. Of type 1, terms enter
        in order; of type 2, each comes after all others but those that contain it. A robust covariance is not part of
        them: `wald_test` uses it."""
        return anova(self, type)


def lr_test(a: Any, b: Any) -> Test:
    """The likelihood-ratio test of the smaller of two fits within the larger.

    Raises ArgumentError for fits of other rows, another outcome or another kind, and InferenceError for penalised ones.
    """
    small, large = sorted((a, b), key=lambda result: result.n_params)
    for result in (small, large):
        result._check_inference("likelihood ratios")
    if type(small) is not type(large):
        kinds = f"{type(small).__name__} and {type(large).__name__}"
        alike = type(small.sample.outcome.loss) is type(large.sample.outcome.loss)
        remedy = "give both the same penalty" if alike else "compare two of a kind"
        raise ArgumentError(f"the fits are a {kinds}, whose likelihoods differ: {remedy}.")
    differs = small.sample.difference(large.sample)
    if differs == "rows":
        rows = f"{small.sample.n_rows} and {large.sample.n_rows}"
        raise ArgumentError(f"the fits are of {rows} rows, not of the same ones: use one set.")
    if differs == "outcomes":
        one, other = small.sample.outcome.name, large.sample.outcome.name
        differs += f", {one} and {other}" if one != other else f", {one} of other rows"
    if differs:
        raise ArgumentError(f"the fits differ in their {differs}: a likelihood ratio is of the same. Fit both alike.")
    if apart := beyond(large.sample, small.sample):
        raise ArgumentError(
            f"the smaller model has {listing(apart)}, which is no combination of the larger one's columns, so their "
            "likelihoods make no test. Nest one in the other."
        )
    return large._ratio_against(small)


def beyond(large: Sample, small: Sample) -> list[str]:
    """The columns of a smaller model that are no combinations of the larger one's: by QR of both, or where rows are not
    in memory by name."""
    if not large.in_memory:
        return [name for name in small.parameters if name not in large.parameters]
    m, ones = int(large.intercept), np.ones((large.n_rows, int(small.intercept and not large.intercept)))
    X = np.hstack([dense(large.X), ones, dense(small.X)])
    with one_blas_thread(), memory_source(X, large.outcome.y, large.weight, centre=large.intercept).working() as source:
        R = triangle_of(source, lambda block: design_of(block, m))
    P = m + len(large.names)
    apart, spread, length = (np.linalg.norm(R[k:, P:], axis=0) for k in (P, m, 0))
    names = [*small.parameters[: ones.shape[1]], *small.names]
    return [names[j] for j in np.flatnonzero(apart > np.maximum(SPANNED * spread, ROUNDING * length))]


def score_test(result: Any, columns: Any) -> Test:
    """The score test of columns (n,) or (n, m) that a fit left out."""
    result._check_inference("score tests")
    result.sample.check_here("a score test")
    if isinstance(columns, str):
        raise ArgumentError(
            f"columns={columns!r} must be the values of columns, (n,) or (n, m): give data[{columns!r}]."
        )
    check_same_index(columns, result.sample.indexed, "columns")
    Z, names = matrix_of(columns, "columns")
    sample, estimate = result.sample, result.estimate
    if Z.shape[0] != sample.n_rows:
        raise ArgumentError(f"columns has {Z.shape[0]} rows, and the fit had {sample.n_rows}: give the same ones.")
    if not Z.shape[1]:
        raise ArgumentError("columns has none: give at least one, (n,).")
    m, theta = Z.shape[1], estimate.theta
    names = names or [f"column {j + 1}" for j in range(m)]
    p = len(theta) - sample.intercept
    X = np.hstack([dense(sample.X) - estimate.objective.source.centre, independent(sample, dense(Z), names)])
    source = memory_source(X, sample.outcome.y, sample.weight, centre=False, offset=sample.offset)
    objective = Objective(source, sample.outcome.loss, L2(np.zeros(p + m)), sample.intercept)
    wide = np.vstack([theta[:p], np.zeros((m, theta.shape[1])), theta[p:]])
    linear = isinstance(sample.outcome.loss, SquaredLoss)
    with at_work(objective) as working:
        scale = result.ssr / result.nobs if linear else 1.0
        return score(working, wide, " = ".join([*names, "0"]), m * theta.shape[1], scale)


def independent(sample: Sample, Z: FloatArray, names: Sequence[str]) -> FloatArray:
    """Columns Z (n, m) for a score test, about their means if the fit has an intercept, lest those far from 0 lose
    their digits; ArgumentError for one that is a combination of the fit's columns and those before it."""
    k, P, weight = int(sample.intercept), len(sample.parameters), sample.weight
    length = np.linalg.norm(np.sqrt(weight)[:, None] * Z, axis=0)
    Z = Z - np.average(Z, axis=0, weights=weight) if k else Z
    X, y = np.hstack([dense(sample.X), Z]), np.zeros((sample.n_rows, 1))
    with one_blas_thread(), memory_source(X, y, weight, centre=sample.intercept).working() as source:
        R = triangle_of(source, lambda block: design_of(block, k))[:, P:]
    for j, name in enumerate(names):
        left, spread = np.linalg.norm(R[P + j :, j]), np.linalg.norm(R[k:, j])
        if left <= max(SPANNED * spread, ROUNDING * length[j]):
            raise ArgumentError(
                f"{name} is a combination of the fit's columns and those before it, so nothing is left to test: leave "
                "it out."
            )
    return Z


def anova(result: Any, type: int) -> Any:
    """A test for every term, as a dataframe with a row each: likelihood ratios, or of a linear model F."""
    if type not in (1, 2):
        given = repr(type) if isinstance(type, int | float | str) else f"a {type.__class__.__name__}"
        raise ArgumentError(
            f"type={given} must be 1, terms in order, or 2, each after the others. Two fits are compared by lr_test."
        )
    result._check_inference("analyses of deviance")
    columns: dict[str, list[Any]] = {"term": [], "df": [], "statistic": [], "p_value": []}
    for term, smaller, larger in comparisons(result.sample, type):
        test = result.compare(smaller, larger, term)
        row = (term, test.df, test.statistic, test.pvalue)
        for name, value in zip(columns, row, strict=True):
            columns[name].append(value)
    return dataframe({name: np.array(values) for name, values in columns.items()}, result.sample.backend)


def comparisons(sample: Sample, type: int) -> list[tuple[str, list[int], list[int]]]:
    """Each term with the columns of the model without it and of that with it."""
    found, terms = [], list(sample.terms)
    for place, term in enumerate(terms):
        before = terms[:place] if type == 1 else [t for t in terms if t != term and not contains(t, term)]
        smaller = sorted(j for t in before for j in sample.terms[t])
        found.append((term, smaller, sorted([*smaller, *sample.terms[term]])))
    return found


def contains(term: str, part: str) -> bool:
    """Whether a term is an interaction with another.

    >>> contains("a:b", "a"), contains("ab", "a")
    (True, False)
    """
    return set(part.split(":")) < set(term.split(":"))


def compare(result: Any, smaller: list[int], larger: list[int], term: str) -> Test:
    """The test of a term; F has the variance of the full model in its denominator, as in R."""
    df = (len(larger) - len(smaller)) * result.sample.outcome.columns
    losses = [loss_of(result, columns) for columns in (smaller, larger)]
    if isinstance(result.sample.outcome.loss, SquaredLoss):
        statistic = 2.0 * (losses[0] - losses[1]) / df / (result.scale or np.nan)
        return f_test("F", f"{term} = 0", statistic, df, result.df_resid)
    return likelihood_ratio(-losses[0], -losses[1], df, f"{term} = 0")


def loss_of(result: Any, columns: list[int]) -> float:
    """The loss of the fit of some of the columns."""
    if len(columns) == len(result.sample.names):
        return result.estimate.loss
    if columns or result.sample.intercept:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SeparationWarning)  # which the fit of all columns gave already
            return result.refit(result.sample.columns(columns)).loss
    return nothing(result)


def nothing(result: Result) -> float:
    """The loss of no columns at all: of the offset alone."""
    objective = result.estimate.objective
    theta: FloatArray = np.zeros_like(result.estimate.theta)
    with at_work(objective) as working:
        at = working.evaluate(theta, order=0)
    return at.loss * result.sample.total
