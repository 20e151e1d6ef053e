"""A fit without penalty whose coefficients come with their errors: encoded rows -> the statistician's regression ->
what the model file keeps of it.

Weights are of two kinds. A frequency says how many observations a row stands for. A sampling weight says how many a row
speaks for that were not observed: it counts in the estimate, but a row stays one observation, and errors are those of
the sandwich (Binder 1983, "On the variances of asymptotically normal estimators from complex surveys").
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from separatrix.arrays import FloatArray, IntArray, Matrix
from separatrix.data.tables.columns import Columns as TableColumns
from separatrix.data.tables.side_columns import Beside
from separatrix.data.tables.target import Target
from separatrix.engine.certificates.certificate import certify
from separatrix.engine.certificates.quadratic_gap import certify_quadratic
from separatrix.engine.checkpoint import Checkpoint
from separatrix.engine.matrices.linear_algebra import LARGEST_CURVATURE
from separatrix.equations.losses import LogLoss, SquaredLoss
from separatrix.equations.reference import ReferenceLoss
from separatrix.errors import DataError, SeparatrixWarning
from separatrix.fits.found import Found
from separatrix.inference.likelihood_ratio import likelihood_ratio
from separatrix.inference.wald import Test, wald
from separatrix.model import Errors
from separatrix.regression.design import Dependence, dependences_of
from separatrix.regression.fitting import at_work, fit_classes, fit_numbers
from separatrix.regression.logit_result import LogitResult
from separatrix.regression.ols_result import OLSResult, error_variance
from separatrix.regression.outcome import Outcome
from separatrix.regression.sample import Columns, Sample, complete
from separatrix.regression.sources import StreamedSample, outcome_of
from separatrix.regression.spread import spread_of


@dataclass(frozen=True)
class Inferred:
    """The regression of the training rows; the columns that were left out of it, each with what it repeats; and whether
    its weights are sampling weights."""

    result: LogitResult | OLSResult
    left_out: tuple[Dependence, ...]
    sampling: bool


def infer(
    X: Matrix,
    y: NDArray,
    target: Target,
    columns: TableColumns,
    beside: Beside,
    covariance: str,
    sampling: bool,
) -> Inferred:
    """The regression of encoded rows, of several classes against the first. Columns that repeat others are left out.

    Parameters
    ----------
    covariance : one of `separatrix.inference.covariance.COVARIANCES`; "cluster" by `beside.cluster`.
    sampling : whether `beside.weight` are sampling weights, of mean 1, and not frequencies.

    Raises
    ------
    DataError
        There are fewer rows than coefficients, or more coefficients than have a covariance that is a small matrix.
    ArgumentError
        The covariance does not suit the classes or clusters.
    """
    return infer_sample(sample_of(X, y, target, columns, beside), covariance, sampling)


def infer_sample(whole: Sample, covariance: str, sampling: bool, checkpoint: Checkpoint | None = None) -> Inferred:
    """The regression of a sample; see `infer`. That of classes goes on from a checkpoint, if there is one."""
    check_size(whole)
    linear = not whole.outcome.classes
    fit = fit_numbers if linear else partial(fit_classes, checkpoint=checkpoint)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SeparatrixWarning)  # the result says the same, in its notes
        sample, estimate = fit(whole, 0.0, "drop")
    left_out = tuple(dependences_of(whole)) if sample.dropped else ()  # what says nothing of its own
    scale = error_variance(sample, estimate) if linear else 1.0
    # A row of a sampling weight is one observation, so its score is not a sum over so many of them.
    observed = replace(sample, frequency=None) if sampling else sample
    spread = spread_of(observed, estimate, covariance, scale)
    result = (OLSResult if linear else LogitResult)(sample, estimate, covariance, spread)
    return Inferred(result, left_out, sampling)


def sample_of(X: Matrix, y: NDArray, target: Target, columns: TableColumns, beside: Beside) -> Sample:
    """Encoded rows as the rows of a regression, whose terms are the columns of the table."""
    classes = tuple(target.classes)
    if len(classes) > 2:
        outcome = Outcome(target.name, y, ReferenceLoss(), classes)
    else:
        outcome = Outcome(target.name, y[:, None] * 1.0, LogLoss() if classes else SquaredLoss(), classes)
    names = tuple(columns.feature_names)
    sample = Sample(outcome, X, names, True, terms_of(columns), Columns(names))
    return complete(sample, beside.weight, beside.offset, [] if beside.cluster is None else [beside.cluster])


def source_sample(
    source: Any,
    target: Target,
    columns: TableColumns,
    totals: FloatArray,
    groups: tuple[IntArray, ...],
    counted: bool,
    many: int,
) -> StreamedSample:
    """The rows of a source, y as the loss codes it, as those of a regression: `totals` is the weight of each class, or
    of all rows, (K,), groups (n,) are clusters, and `counted` says that a row stands for as many as it weighs; `many`
    are the rows of the data."""
    outcome, names = outcome_of(target.name, tuple(target.classes)), tuple(columns.feature_names)
    frequency = "weight" if counted else None
    empty, terms, recipe = np.empty((0, len(names))), terms_of(columns), Columns(names)
    rows = {"rows": source, "totals": totals, "many": many}
    return StreamedSample(outcome, empty, names, True, terms, recipe, frequency, groups=groups, **rows)


def terms_of(columns: TableColumns) -> dict[str, tuple[int, ...]]:
    """The features that were made of each column."""
    terms, first = {}, 0
    for column in columns.columns:
        many = len(column.feature_names)
        terms[column.name] = tuple(range(first, first + many))
        first += many
    return {name: features for name, features in terms.items() if features}


def check_size(sample: Sample) -> None:
    """DataError unless the coefficients are fewer than the rows, and have a covariance that is a small matrix."""
    many = len(sample.parameters) * sample.outcome.columns
    if many > LARGEST_CURVATURE:
        raise DataError(
            f"{many:,} coefficients are too many for inference (at most {LARGEST_CURVATURE:,}): drop columns, or fit "
            "without --inference."
        )
    if sample.n_rows <= many:
        raise DataError(
            f"{sample.n_rows:,} training rows are too few to infer {many:,} coefficients from: give more rows, drop "
            "columns, or fit without --inference."
        )


def found_of(result: LogitResult | OLSResult, features: Sequence[str]) -> Found:
    """The coefficients of all features, those left out 0; of several classes, those of the first are 0."""
    sample, estimate = result.sample, result.estimate
    w = np.zeros((sample.outcome.columns, len(features)))
    w[:, places(sample, features)] = estimate.theta[:-1].T
    b = estimate.theta[-1] - estimate.theta[:-1].T @ estimate.objective.source.centre
    with at_work(estimate.objective) as objective:
        if estimate.infinite.any():
            assert estimate.certificate is not None
            certificate = estimate.certificate
        elif isinstance(result, OLSResult):
            assert estimate.triangle is not None
            at = objective.evaluate(estimate.theta, order=1)
            certificate = certify_quadratic(objective, at, estimate.triangle, sample.total)
        else:
            certificate = certify(objective, objective.evaluate(estimate.theta, order=2))
    if len(w) > 1:
        w, b = np.vstack([np.zeros(w.shape[1]), w]), np.append(0.0, b)
    return Found(w, b, estimate.trace, certificate)


def errors_of(result: LogitResult | OLSResult, features: Sequence[str]) -> Errors | None:
    """What the model file keeps of the covariance, zero for features left out or with infinite estimates; None where an
    intercept is infinite, or errors are no more than rounding."""
    sample, estimate, p, K = result.sample, result.estimate, len(features), result.sample.outcome.columns
    if estimate.infinite[-1].any() or not np.isfinite(result.cov).all():
        return None
    kept, centre, cov = places(sample, features), np.zeros(p), np.zeros((p + 1, K, p + 1, K))
    centre[kept] = estimate.objective.source.centre
    some, every = np.append(kept, p), np.arange(K)
    cov[np.ix_(some, every, some, every)] = result.spread.own.reshape(len(some), K, len(some), K)
    gone, turn = [kept[j] for j in np.flatnonzero(estimate.infinite[:-1].any(axis=1))], np.zeros((0, 0))
    if result.spread.turn is None:
        cov[gone] = cov[:, :, gone] = 0.0
    else:
        turn = np.zeros((p + 1, p + 1))
        turn[np.ix_(some, some)] = result.spread.turn
        turn[gone] = 0.0
    scale = result.scale if isinstance(result, OLSResult) else None
    flat = cov.reshape((p + 1) * K, (p + 1) * K)
    names = [features[j] for j in gone]
    lists = flat.tolist(), centre.tolist()
    return Errors(result.covariance, *lists, result.df_inference, scale, names, turn.tolist())


def places(sample: Sample, features: Sequence[str]) -> list[int]:
    """Where the columns of a sample are among the features."""
    return [features.index(name) for name in sample.names]


def overall_test(inferred: Inferred) -> Test | None:
    """The test that no column has an effect: F, or the likelihood ratio; where errors are robust, Wald's, which is None
    where an estimate is infinite. None without columns."""
    result = inferred.result
    words, df = "all columns", result.df_model
    if not df:
        return None
    if isinstance(result, LogitResult) and result.covariance == "nonrobust":
        return likelihood_ratio(result.llnull, result.llf, df, words)
    every = [j for features in result.sample.terms.values() for j in features]
    return joint_tests(result, {words: every})[words]


def term_tests(inferred: Inferred) -> dict[str, Test | None]:
    """The Wald test that a column of the table has no effect, for each that has several coefficients; None where one
    of them is infinite."""
    sample = inferred.result.sample
    several = {term: features for term, features in sample.terms.items() if len(features) * sample.outcome.columns > 1}
    return joint_tests(inferred.result, several)


def joint_tests(result: LogitResult | OLSResult, terms: Mapping[str, Sequence[int]]) -> dict[str, Test | None]:
    """The Wald tests that all coefficients of some features, by their place in the sample, are 0, F for a linear model;
    None where one of them is infinite, or their covariance is singular."""
    if not terms:
        return {}
    P, K = result.estimate.theta.shape
    params, cov = np.ravel(result.params, order="F"), result.cov_params()
    tests: dict[str, Test | None] = dict.fromkeys(terms)
    for term, features in terms.items():
        some = [k * P + 1 + j for k in range(K) for j in features]
        if np.isfinite(params[some]).all():
            R, q, part = np.eye(len(some)), np.zeros(len(some)), cov[np.ix_(some, some)]
            test = wald(R, q, params[some], part, f"{term} = 0", result.df_inference)
            tests[term] = None if np.isnan(test.statistic) else test
    return tests
