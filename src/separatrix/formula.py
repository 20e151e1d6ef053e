"""The statistician's door: `logit` and `ols`, by a formula or with arrays."""

import sys
from collections import ChainMap
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from separatrix.arguments import check_flag, check_number
from separatrix.data.inputs import matrix_of
from separatrix.data.reading.dataset import Dataset, is_dask
from separatrix.errors import ArgumentError, DataError
from separatrix.regression.adjustment import adjustment_of
from separatrix.regression.doubts import told
from separatrix.regression.firth_result import CORRECTIONS, check_covariance, fit_result
from separatrix.regression.fitting import fit_classes, fit_numbers
from separatrix.regression.formulas import formula_sample
from separatrix.regression.frame_rows import check_same_index, index_of
from separatrix.regression.logit_result import LogitResult
from separatrix.regression.ols_result import OLSResult, error_variance
from separatrix.regression.outcome import classes_of, numbers_of
from separatrix.regression.sample import Columns, Sample, complete, default_names, ways
from separatrix.regression.sources import StreamedSample, streamed_logit, streamed_ols
from separatrix.regression.spread import spread_of
from separatrix.regression.written import check_constants


def logit(
    formula: Any,
    data: Any,
    *,
    intercept: bool = True,
    weights: Any = None,
    offset: Any = None,
    penalty: Any = None,
    covariance: str = "nonrobust",
    groups: Any = None,
    singular: str = "raise",
    alpha_correction: str | None = None,
    prior: float | None = None,
) -> LogitResult:
    """Logistic regression with standard errors, tests and intervals: `logit("y ~ x + C(site)", data)`, `logit(y, X)`.

    Parameters
    ----------
    formula : str, or the outcome y (n,)
        "y ~ x1 + C(site)", or "successes + failures ~ x" for grouped data. The outcome is 0 and 1, booleans, or labels:
        the first in order is the reference, and of two the second is modelled. More than two give the multinomial
        model. As an array, y is the same, or (n, 2) of successes and failures. A formula can use functions and numbers
        of the place where it is written, "y ~ decade(age)", and values (n,), which go by their position; "y ~ ." has
        all other columns of the data.
    data : any dataframe or dict of columns; with y an array, X (n, p), a matrix or such a table of numbers. Or data of
        any size, from `separatrix.open` or of Dask: weights, offset and groups are then names of columns, and the
        result has no values for its rows. With y an array of Dask, X and the weights are such arrays too.
    intercept : bool
        Of arrays only; a formula says "- 1".
    weights : (n,) or the name of a column
        Frequencies: how many equal observations a row stands for.
    offset : (n,), (n, K - 1), or the name of a column
        Added to the linear predictor.
    penalty : number, "l2", "firth", "flic" or "flac"
        Strength of penalty / 2 |w|^2 beside the log-likelihood ("l2" is 1). Such a fit has no standard errors.
        "firth" is Jeffreys' prior (Firth 1993): finite estimates however the classes lie, with tests and profile
        intervals of the penalised likelihood. "flic" and "flac", for two classes, bring its mean probability to the
        observed share (Puhr et al. 2017): see `FirthLogisticRegression`.
    covariance : "nonrobust", "HC0", "HC1", "HC2", "HC3" or "cluster"
    groups : (n,), the name of a column, or a pair of them
        The clusters of covariance="cluster".
    singular : "raise" or "drop"
        What to do with columns that are linear combinations of others. Of new rows in which one that was dropped is
        another number, nothing is known: predictions and effects are NaN, with an InferenceWarning.
    alpha_correction : None or "king-zeng"
        Takes from the estimates their bias where events are rare (King and Zeng 2001). For two classes.
    prior : float or None
        The rate of events in the population, where rows were sampled by their outcome (case and control): the intercept
        and all predictions are for that rate (King and Zeng 2001).

    Raises
    ------
    ArgumentError, ColumnError, DataError, TargetError : each in one line that says what to do

    Notes
    -----
    Warns with SeparationWarning where coefficients have no finite estimate: they are inf, without standard errors.

    >>> import numpy as np
    >>> y, x = [0, 0, 1, 0, 1, 1], np.array([[1.0], [2.0], [3.0], [4.0], [5.0], [6.0]])
    >>> fit = logit(y, x)
    >>> fit.params.round(4), fit.bse.round(4)
    (array([-4.2491,  1.214 ]), array([3.3879, 0.9126]))
    """
    firth = isinstance(penalty, str) and penalty in CORRECTIONS
    strength, codes = 0.0 if firth else penalty_of(penalty, ("l2", *CORRECTIONS)), check_singular(singular)
    if alpha_correction and penalty:
        raise ArgumentError(f"alpha_correction={alpha_correction!r} takes a bias that penalty={penalty!r} has changed.")
    names = names_of_caller() if isinstance(formula, str) else {}
    if is_elsewhere(data):
        check_streamed(penalty if firth else None, alpha_correction, prior)
    sample = sample_of(formula, data, False, intercept, weights, offset, groups, names)
    if isinstance(sample, StreamedSample):
        return told(streamed_logit(sample, covariance, strength, codes))
    if firth:
        check_covariance(covariance, penalty, groups)
        result: LogitResult = fit_result(sample, penalty, codes)
    else:
        sample, estimate = fit_classes(sample, strength, codes)
        spread = spread_of(sample, estimate, covariance, 1.0, strength)
        result = LogitResult(sample, estimate, covariance, spread, strength)
    return told(replace(result, adjustment=adjustment_of(result.sample, result.estimate, alpha_correction, prior)))


def ols(
    formula: Any,
    data: Any,
    *,
    intercept: bool = True,
    weights: Any = None,
    offset: Any = None,
    penalty: Any = None,
    covariance: str = "nonrobust",
    groups: Any = None,
    singular: str = "raise",
) -> OLSResult:
    """Linear regression by QR with standard errors, tests and intervals: `ols("y ~ x", data)`, `ols(y, X)`.

    The arguments are those of `logit`, but for the outcome, which is numbers (n,), and the penalty, which stands beside
    half the sum of squares; so are the errors. QR is Golub's (1965, "Numerical methods for solving linear least squares
    problems").

    >>> fit = ols([1.0, 3.0, 4.0, 8.0], [0.0, 1.0, 2.0, 3.0])
    >>> fit.params.round(4), fit.bse.round(4)
    (array([0.7, 2.2]), array([0.7937, 0.4243]))
    """
    strength, codes = penalty_of(penalty), check_singular(singular)
    names = names_of_caller() if isinstance(formula, str) else {}
    sample = sample_of(formula, data, True, intercept, weights, offset, groups, names)
    if isinstance(sample, StreamedSample):
        return told(streamed_ols(sample, covariance, strength, codes))
    sample, estimate = fit_numbers(sample, strength, codes)
    spread = spread_of(sample, estimate, covariance, error_variance(sample, estimate), strength)
    return told(OLSResult(sample, estimate, covariance, spread, strength))


def names_of_caller() -> Mapping[str, Any]:
    """What the code that called `logit` or `ols` can name."""
    frame = sys._getframe(2)
    return ChainMap(frame.f_locals, frame.f_globals, frame.f_builtins)


def is_elsewhere(data: Any) -> bool:
    """Whether its rows are not in memory: a dataset, or a collection of Dask."""
    return isinstance(data, Dataset) or is_dask(data)


def check_streamed(firth: Any, alpha_correction: Any, prior: Any) -> None:
    """ArgumentError for what needs the rows at hand, where they are not."""
    given = {"penalty": firth, "alpha_correction": alpha_correction, "prior": prior}
    for name, value in given.items():
        if value is not None:
            raise ArgumentError(f"{name}={value!r} needs the rows in memory: fit a dataframe of them, or of a sample.")


def sample_of(
    formula: Any,
    data: Any,
    numeric: bool,
    intercept: bool,
    weights: Any,
    offset: Any,
    groups: Any,
    names: Mapping[str, Any],
) -> Sample:
    """The rows to fit, by a formula or of arrays, wherever they are; `numeric` says that the outcome is numbers, and
    not classes; `names` are the caller's."""
    check_flag("intercept", intercept)
    if isinstance(formula, str) and not intercept:
        raise ArgumentError(f"intercept=False is of arrays only: write formula='{formula} - 1'.")
    if is_elsewhere(data):
        # Imported where it is asked for: of Dask and files there is nothing to load for rows in memory.
        from separatrix.regression import streamed

        if isinstance(formula, str):
            return streamed.formula_sample(formula, data, numeric, weights, offset, groups, names)
        if groups is not None or not is_dask(data):
            raise ArgumentError(
                "rows that are read need a formula of columns' names, and their groups= a column's name."
            )
        return streamed.block_sample(formula, data, numeric, intercept, weights, offset)
    if isinstance(formula, str):
        sample = formula_sample(formula, data, numeric, weights, offset, groups, names)
        return replace(sample, index=index_of(data))
    beside = [("weights", weights), ("offset", offset), ("groups", groups), *(("groups", way) for way in ways(groups))]
    for name, values in [("y", formula), *beside]:
        check_same_index(values, data, name, "X")
    for name, values in beside:  # X may have no index
        check_same_index(values, formula, name, "y")
    sample = complete(array_sample(formula, data, intercept, numeric), weights, offset, ways(groups))
    index = index_of(data)
    return replace(sample, index=index_of(formula) if index is None else index)


def array_sample(y: Any, X: Any, intercept: bool, numeric: bool) -> Sample:
    """The sample of arrays; every column is a term. ColumnError for one with the name of an intercept beside it."""
    X, names = matrix_of(X)
    names = tuple(names) if names else default_names(X.shape[1])
    check_constants(names if intercept else ())
    name = str(getattr(y, "name", None) or "y")
    outcome = numbers_of(y, name) if numeric else classes_of(y, name)
    if len(outcome.y) != X.shape[0]:
        raise DataError(f"y has {len(outcome.y)} rows and X {X.shape[0]}: give as many of each.")
    terms = {column: (j,) for j, column in enumerate(names)}
    return Sample(outcome, X, names, bool(intercept), terms, Columns(names))


def penalty_of(penalty: Any, known: tuple[str, ...] = ("l2",)) -> float:
    """The strength of a penalty: 0 for None, 1 for "l2"; `known` are the words for one."""
    if penalty is None or penalty == "l2":
        return float(penalty == "l2")
    if isinstance(penalty, str):
        raise ArgumentError(f"penalty={penalty!r} must be a number at least 0, or {' or '.join(map(repr, known))}.")
    check_number("penalty", penalty, at_least=0)
    return float(penalty)


def check_singular(singular: str) -> str:
    """ArgumentError unless it is "raise" or "drop"."""
    if singular not in ("raise", "drop"):
        raise ArgumentError(f"singular={singular!r} must be 'raise' or 'drop'.")
    return singular
