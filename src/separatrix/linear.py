"""The scikit-learn door to least squares."""

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin
from sklearn.metrics import r2_score

from separatrix.arguments import check_flag, check_l1_ratio, check_number, check_offset, check_sample_weight
from separatrix.arrays import FloatArray, repeated
from separatrix.checked import (
    all_or_nothing,
    check_fitted,
    checked_rows,
    judged,
    numbers_of,
    warn_of_no_offset,
)
from separatrix.data.block import Source
from separatrix.data.column_traits import check_not_tiny
from separatrix.data.lazy import Made
from separatrix.data.memory import memory_source
from separatrix.engine.linear.least_squares import least_squares
from separatrix.equations.penalties import elastic_net
from separatrix.predicted import eta_of
from separatrix.tables import brought, columns_for, number_blocks, number_rows, table_eta, table_labels


class LinearRegression(MultiOutputMixin, RegressorMixin, BaseEstimator):
    r"""Least squares to all digits, by QR or refinement; `alpha` > 0 makes it ridge regression, lasso or elastic net.

    Minimises  sum_i weight_i (y_i - x_i'w - b)^2 + alpha ((1 - l1_ratio) |w|^2 + 2 l1_ratio |w|_1),  the intercept b
    unpenalised. An offset, of the shape of y, is added to x'w + b, in the fit and in predictions. Where columns are
    collinear and alpha = 0, of all solutions the one with the smallest |w|.

    QR takes copies of its triangle: of more than some hundred columns, much memory beside X. Dense X of 256 rows and
    columns or more, unless it has 44 times as many rows as columns (in single precision 88) and these hardly depend on
    each other, is fitted by conjugate gradients, prepared by a factor that goes to a temporary file (`TMPDIR`) where it
    is large beside X, or with an L1 part and no fewer rows than columns on working sets: in less than a third of X.
    With an L1 part 128 columns or more are fitted by their curvature, too, where that takes little beside the rows. A
    sparse X with so many, whose QR would take long as it is made of zeros, too, is fitted by products if a penalty
    leaves them few, and else by the squares of its entries, where columns hardly depend on each other, or wholly.
    Where columns (or rows) repeat others all but exactly, or many are spanned by the rest, and no penalty helps, QR
    goes to such a file, too; it stays in memory where the disk has no room. With alpha > 0, an X of more than 2,000
    columns that is sparse, or has an L1 part, or whose QR would take long, is fitted by products with X alone: by
    conjugate gradients, or on working sets where there is an L1 part, with ConvergenceWarning where these do not end. A
    sparse X that has no more than 16,777,216 cells with its zeros, and no L1 part, is filled with them if products
    would be too many.

    Parameters
    ----------
    alpha : float, default 0.0
        Strength of the penalty. scikit-learn's Ridge means the same by it; its Lasso and ElasticNet divide the squares
        by 2 sum(weight), so that their alpha is this one / sum(weight).
    l1_ratio : float, default 0.0
        Share of the L1 penalty, between 0 (ridge) and 1 (lasso). Above 0, weights become exactly zero.
    fit_intercept : bool, default True

    Attributes
    ----------
    coef_ : (p,), or (targets, p) for y (rows, targets);  intercept_ : float or (targets,)
    rank_ : int, the rank of X (centred, with an intercept); with a penalty at most, with an L1 part how many it keeps
    trace_ : Trace, most often of one step;  certificate_ : Certificate, the distance to the optimum as rounding left it
    n_features_in_;  feature_names_in_

    Notes
    -----
    QR is Golub's (1965, "Numerical methods for solving linear least squares problems"). Raises ArgumentError for
    parameters, or an offset, without meaning, CellError for a cell of X that is not finite, and TargetError for a y
    that is missing or no number. Predictions warn with SeparatrixWarning where the fit had an offset and they have
    none.

    >>> model = LinearRegression().fit([[0.0], [1.0], [2.0]], [1.0, 3.0, 5.0])
    >>> model.predict([[10.0]]).round(12)
    array([21.])
    """

    def __init__(self, *, alpha: float = 0.0, l1_ratio: float = 0.0, fit_intercept: bool = True) -> None:
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.fit_intercept = fit_intercept

    def fit(
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        offset: Any = None,
        *,
        target: str | None = None,
        columns: Any = None,
    ) -> Self:
        """Fits X (rows, p), dense, sparse or a dataframe, to numbers y (rows,) or (rows, targets), with an offset; or a
        table and names of its columns, as `LogisticRegression.fit`."""
        check_number("alpha", self.alpha, at_least=0)
        check_l1_ratio("l1_ratio", self.l1_ratio)
        check_flag("fit_intercept", self.fit_intercept)
        targets = None
        with all_or_nothing(self):
            if target is None:
                given = X, y, sample_weight, offset
                found = number_blocks(self, *given, columns) or self._of_arrays(*brought(*given))
                source, targets = found
            else:
                source = number_rows(self, X, y, target, sample_weight, offset, columns)
            penalty = elastic_net(repeated(self.alpha, source.n_columns), float(self.l1_ratio))
            fit = least_squares(source, targets or 1, penalty, self.fit_intercept)
            self.coef_ = fit.coefficients if targets else fit.coefficients[0]
            self.intercept_ = fit.intercepts if targets else float(fit.intercepts[0])
            self._with_offset = offset is not None
            self.rank_, self.trace_, self.certificate_ = fit.rank, fit.trace, fit.certificate
            return self

    def _of_arrays(self, X: Any, y: Any, sample_weight: Any, offset: Any) -> tuple[Source, int | None]:
        """Arrays as a source, and how many targets they have, None for y (rows,)."""
        given = X
        X, y = checked_rows(self, X, y, numbers=True)
        if not self.alpha:
            check_not_tiny(X, given)
        weight = check_sample_weight(sample_weight, X.shape[0])
        targets = y.reshape(len(y), -1)
        rows, T = targets.shape
        offset = check_offset(offset, rows, T)
        made = Made(lambda some: targets[some].astype(np.float64), rows, 8 * T)
        doubles = targets if targets.dtype == np.float64 else made
        source = memory_source(X, doubles, weight, centre=self.fit_intercept, offset=offset)
        return source, None if np.ndim(y) == 1 else T

    def predict(self, X: Any, offset: Any = None) -> FloatArray:
        """x'w + b + offset of each row, (rows,) or (rows, targets)."""
        check_fitted(self)
        warn_of_no_offset(self, offset)
        if (columns := columns_for(self, X)) is not None:
            return table_eta(columns, X, self.coef_[None, :], np.array([self.intercept_]), offset)[:, 0]
        eta = eta_of(self, *brought(X, offset))
        return eta if np.ndim(self.coef_) == 2 else eta[:, 0]

    def score(self, X: Any, y: Any = None, sample_weight: Any = None, offset: Any = None) -> float:
        """R squared: the share of the variance of y that is explained; of several targets the mean. Of a table without
        y, by its target."""
        y, sample_weight = table_labels(self, X, y, sample_weight)
        warn_of_no_offset(self, offset)
        return judged(share_explained, y, self.predict(X, 0 if offset is None else offset), sample_weight)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


def share_explained(y: Any, predicted: NDArray, sample_weight: Any) -> float:
    """R squared of y as numbers."""
    return float(r2_score(numbers_of(np.asarray(y)), predicted, sample_weight=sample_weight))
