r"""What each row does to a fit: leverage, residuals, and what would change without it.

With H the curvature of sum(weight * loss), g_i and kappa_i first and second derivative of the row's loss in eta, and
x_i with a one for the intercept,

    leverage        h_i  = weight_i kappa_i x_i' H^-1 x_i                       the diagonal of the hat matrix
    Pearson         r_i  = -sqrt(weight_i / kappa_i) g_i
    deviance        d_i  = sign(r_i) sqrt(2 weight_i (loss_i - least loss of y_i))
    standardised    r_i / sqrt(phi (1 - h_i)),  d_i / sqrt(phi (1 - h_i))
    Cook            D_i  = r_i^2 h_i / (phi P (1 - h_i)^2)
    dfbeta          b_i  = -H^-1 x_i weight_i g_i / (1 - h_i)                   coefficients of all less those without i
    dfbetas         b_i over the square root of phi_i diag(H^-1), phi_i that of the fit without row i (Belsley, Kuh and
                    Welsch 1980, "Regression diagnostics", section 2.1)

which for a linear model are exact, and for a logistic one the first Newton step towards the fit without the row
(Pregibon 1981, "Logistic regression diagnostics", Annals of Statistics 9; Williams 1987). phi is the dispersion: 1 for
a logistic model, sum r_i^2 / (sum weight_i - P) for a linear one, whose weights are frequencies: without a row, all
that it stands for are left out. The curvature of a penalty is part of H. A row of leverage 1 has a coefficient for
itself, and nothing that is over 1 - h_i: those are NaN.
"""

from dataclasses import dataclass

import numpy as np

from separatrix.arrays import FloatArray, IntArray
from separatrix.data.block import Block
from separatrix.engine.leverage import LEVERAGE_ONE, inverse_curvature, leverages
from separatrix.engine.objective import Objective
from separatrix.engine.sums import block_eta
from separatrix.equations.losses import Loss, SquaredLoss, cross_entropy
from separatrix.errors import ArgumentError
from separatrix.inference.turned import posed


@dataclass(frozen=True)
class Influence:
    """Of every row with a weight, in the order of the rows: (n,) each; dfbeta and dfbetas (n, P), the intercept last.

    dfbeta is of coefficients in the units of X, the intercept at x = 0; `rows` are the numbers of the rows in the data,
    counted from 0, None where all are here.
    """

    leverage: FloatArray
    pearson: FloatArray
    deviance: FloatArray
    standardised_pearson: FloatArray
    standardised_deviance: FloatArray
    cooks_distance: FloatArray
    dfbeta: FloatArray
    dfbetas: FloatArray
    dispersion: float
    rows: IntArray | None = None

    def __str__(self) -> str:
        """The rows that matter most."""
        head = "   row   leverage   Cook's D   Pearson   deviance   largest dfbetas"
        first = np.argsort(-self.cooks_distance, kind="stable")[:10]
        return "\n".join([head, *(self._row(i) for i in first)])

    def _row(self, i: int) -> str:
        cells = self.leverage[i], self.cooks_distance[i], self.pearson[i], self.deviance[i]
        largest = self.dfbetas[i, np.argmax(np.abs(self.dfbetas[i]))]
        number = i if self.rows is None else self.rows[i]
        return "{:6d}  {:9.4f}  {:9.4f}  {:8.3f}  {:9.3f}  {:16.3f}".format(number, *cells, largest)


def influence(objective: Objective, theta: FloatArray, turn: FloatArray | None = None) -> Influence:
    """Leverage, residuals and one-step deletion of every row, from the optimum theta (P, 1); three passes.

    Of columns that nearly depend on each other a `turn` (P, P) makes some that do not (`separatrix.inference.turned`).

    Raises
    ------
    ArgumentError
        When there are more than two classes, or too many coefficients for a matrix of their size.

    Examples
    --------
    >>> from separatrix.data.memory import memory_source
    >>> from separatrix.equations.penalties import L2
    >>> source = memory_source(np.array([[0.0], [1.0], [2.0], [9.0]]), np.array([[0.0], [1.0], [2.0], [5.0]]))
    >>> objective = Objective(source, SquaredLoss(), L2(np.zeros(1)), fit_intercept=True)
    >>> influence(objective, np.array([[0.54], [0.38]])).leverage.round(3)
    array([0.43, 0.33, 0.27, 0.97])
    """
    check_one_eta(theta)
    back = uncentred(objective) if turn is None else uncentred(objective) @ turn
    objective, theta = posed(objective, theta, turn)
    inverse = inverse_curvature(objective, theta)
    weight, h, pearson, deviance, pull = row_terms(objective, theta, inverse)
    n, P = pull.shape
    linear, count = isinstance(objective.loss, SquaredLoss), float(weight.sum())
    phi = float(pearson @ pearson) / (count - P if count > P else np.nan) if linear else 1.0
    left = np.where(1.0 - h < LEVERAGE_ONE, np.nan, 1.0 - h)
    root = np.sqrt(phi * left)
    dfbeta = -(pull / left[:, None]) @ back.T
    without = dispersion_without(pearson, left, count - weight - P) if linear else np.ones(n)
    error = np.sqrt(without[:, None] * np.diagonal(back @ inverse[:, 0, :, 0] @ back.T))
    cook = pearson**2 * h / (phi * P * left**2)
    return Influence(h, pearson, deviance, pearson / root, deviance / root, cook, dfbeta, dfbeta / error, phi)


def dispersion_without(pearson: FloatArray, left: FloatArray, df: FloatArray) -> FloatArray:
    """phi of a linear model without each row, (n,), of what its leverage leaves and the degrees of freedom that are
    left then; NaN where nothing is."""
    squares = float(pearson @ pearson) - pearson**2 / left
    return np.where(squares > 0, squares, np.nan) / np.where(df > 0, df, np.nan)


def row_terms(
    objective: Objective, theta: FloatArray, inverse: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray]:
    """Weight, leverage, Pearson and deviance residual (n,), and H^-1 x_i weight_i g_i (n, P), of all rows; one pass."""
    n, P = objective.source.n_rows, len(theta)
    weights, h, pearson, deviance = np.empty((4, n))
    pull = np.empty((n, P))
    step = inverse[:, 0, :, 0]

    def terms(block: Block) -> float:
        rows, weight, p = block.rows, block.weight, block.X.shape[1]
        weights[rows] = weight
        value, gradient, state = objective.loss.together(block.y, block_eta(block, theta))
        g, kappa = gradient[:, 0], objective.loss.second(state, 0, 0)
        h[rows] = weight * kappa * leverages(block, inverse)[:, 0, 0]
        pearson[rows] = pearson_residuals(weight, g, kappa)
        deviance[rows] = deviance_residuals(objective.loss, weight, block.y[:, 0], value.reshape(-1), g)
        pull[rows] = (weight * g)[:, None] * (block.X @ step[:p] + step[p:].sum(axis=0))
        return 0.0

    objective.add_up(terms)
    return weights, h, pearson, deviance, pull


def pearson_residuals(weight: FloatArray, g: FloatArray, kappa: FloatArray) -> FloatArray:
    """-sqrt(weight / kappa) g, (n,); 0 where both vanish: a row that is predicted with certainty, and rightly.

    >>> pearson_residuals(np.ones(2), np.array([-0.5, 0.0]), np.array([0.25, 0.0]))
    array([1., 0.])
    """
    root = np.sqrt(kappa)
    return -np.sqrt(weight) * np.divide(g, root, out=np.zeros_like(g), where=root > 0) + 0.0


def deviance_residuals(loss: Loss, weight: FloatArray, y: FloatArray, value: FloatArray, g: FloatArray) -> FloatArray:
    """sign(-g) sqrt(2 weight (value - the least that a loss of y can be)), (n,).

    Of a share of successes y between 0 and 1, with the trials as weight, the least is its entropy; else it is 0.
    """
    least = 0.0 if isinstance(loss, SquaredLoss) else cross_entropy(y, y)
    return -np.sign(g) * np.sqrt(2.0 * weight * np.maximum(value - least, 0.0)) + 0.0


def check_one_eta(theta: FloatArray) -> None:
    """ArgumentError where rows have several linear predictors."""
    if theta.shape[1] != 1:
        raise ArgumentError(
            f"influence is defined for one linear predictor, and this model has {theta.shape[1]}. Fit one class "
            "against another, or see the class probabilities of each row."
        )


def uncentred(objective: Objective) -> FloatArray:
    """The matrix (P, P) that takes theta to coefficients whose intercept is at x = 0."""
    p = objective.source.n_columns
    back = np.eye(p + objective.fit_intercept)
    back[p:, :p] = -objective.source.centre
    return back
