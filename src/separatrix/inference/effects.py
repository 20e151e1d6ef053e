r"""Marginal effects and predicted probabilities, with errors by the delta method.

With p_c the probability of class c, proportional to exp(eta_c) (eta_c = 0 of a reference class), and w_j the weights of
column j, one for each eta,

    J_ck       = d p_c / d eta_k             = p_c ([c = k] - p_k)
    T_ckm      = d J_ck / d eta_m            = J_cm ([c = k] - p_k) - p_c J_km
    numeric    effect_jc = mean sum_k J_ck w_jk              d effect / d theta_lm = [l = j] J_cm + x_l T_ckm w_jk
    0 or 1     effect_jc = mean [p_c at x_j = 1] - [at 0]    d effect / d theta_lm = [x_l J_cm at x_j = 1] - [at 0]

and the mean of the derivatives. So value and gradient of all effects are sums over rows, in one pass. The mean is over
the rows that were fitted (average marginal effects), or over given ones (effects at the means, at values). Long (1997,
"Regression models for categorical and limited dependent variables"); Greene (2018, "Econometric analysis", 17.3).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from separatrix.arguments import check_offset
from separatrix.arrays import FloatArray
from separatrix.data.block import Block
from separatrix.engine.leverage import leverages
from separatrix.engine.objective import Objective, block_eta, with_intercept
from separatrix.equations.losses import ClassLoss
from separatrix.errors import ArgumentError
from separatrix.inference.wald import quantile


@dataclass(frozen=True)
class MarginalEffects:
    """What a unit of each column does to the probability of each class, (p, C), with standard errors.

    For two classes C = 1, that of y = 1. A column that is 0 or 1 changes from 0 to 1.
    """

    effects: FloatArray
    standard_errors: FloatArray

    @property
    def statistics(self) -> FloatArray:
        """Effects in standard errors, (p, C)."""
        return self.effects / self.standard_errors

    @property
    def pvalues(self) -> FloatArray:
        """Two-sided, normal, (p, C)."""
        return 2.0 * norm.sf(np.abs(self.statistics))

    def interval(self, level: float = 0.95) -> tuple[FloatArray, FloatArray]:
        """Low and high ends, (p, C) each."""
        reach = quantile(level) * self.standard_errors
        return self.effects - reach, self.effects + reach

    def __str__(self) -> str:
        head = "column  class      effect   std. error        z    p-value"
        places = np.ndindex(self.effects.shape)
        return "\n".join([head, *(f"{j:6d}  {c:5d} {self._row(j, c)}" for j, c in places)])

    def _row(self, j: int, c: int) -> str:
        cells = self.effects[j, c], self.standard_errors[j, c], self.statistics[j, c], self.pvalues[j, c]
        return "{:11.5g}  {:11.5g}  {:7.3f}  {:9.3g}".format(*cells)


@dataclass(frozen=True)
class PredictedProbabilities:
    """Probabilities of each class for some rows, (rows, C), with standard errors and an interval; C = 1 for two."""

    probabilities: FloatArray
    standard_errors: FloatArray
    low: FloatArray
    high: FloatArray
    level: float

    def __str__(self) -> str:
        head = f"row  class  probability   std. error   {self.level:.4g} interval"
        columns = self.probabilities, self.standard_errors, self.low, self.high
        rows = [(i, c, *(column[i, c] for column in columns)) for i, c in np.ndindex(self.probabilities.shape)]
        return "\n".join([head, *("{:3d}  {:5d}  {:11.5f}  {:11.5f}   {:.5f} to {:.5f}".format(*row) for row in rows)])


def average_marginal_effects(
    objective: Objective, theta: FloatArray, covariance: FloatArray, indicators: Sequence[int] = ()
) -> MarginalEffects:
    """The mean effect over the rows of the fit, each by its weight; one pass.

    Parameters
    ----------
    theta : (P, K), covariance : (P K, P K)
        The estimates, as the objective has them, and their covariance.
    indicators : columns of X
        Those that are 0 or 1: their effect is the change from 0 to 1, not a derivative.

    Raises
    ------
    ArgumentError
        When an indicator is no column, or the loss has no classes.

    Examples
    --------
    >>> from separatrix.data.memory import memory_source
    >>> from separatrix.equations.losses import LogLoss
    >>> from separatrix.equations.penalties import L2
    >>> source = memory_source(np.array([[0.0], [1.0]]), np.array([[0.25], [0.5]]), np.array([16.0, 16.0]))
    >>> objective = Objective(source, LogLoss(), L2(np.zeros(1)), fit_intercept=True)
    >>> theta, covariance = np.array([[np.log(3)], [-np.log(3)]]), np.array([[7 / 12, -1 / 3], [-1 / 3, 1 / 3]])
    >>> print(average_marginal_effects(objective, theta, covariance, indicators=[0]))
    column  class      effect   std. error        z    p-value
         0      0        0.25      0.16536    1.512      0.131
    """
    loss, p = class_loss(objective), objective.source.n_columns
    columns, centre = check_indicators(indicators, p), objective.source.centre
    sums = objective.add_up(lambda block: effect_sums(block, loss, theta, centre, columns))
    return effects_of(sums, theta, covariance, columns, p)


def marginal_effects_at(
    objective: Objective,
    theta: FloatArray,
    covariance: FloatArray,
    rows: FloatArray | None = None,
    indicators: Sequence[int] = (),
    offset: FloatArray | None = None,
) -> MarginalEffects:
    """The effect at given values of the columns, (p,), or its mean over several, (m, p); None is the columns' means.

    The other arguments are those of `average_marginal_effects`; offset (m, K) is 0 if None.
    """
    loss, p = class_loss(objective), objective.source.n_columns
    columns, centre = check_indicators(indicators, p), objective.source.centre
    X = objective.column_moments()[0].T if rows is None else centred_rows(rows, centre)
    block = Block(X, np.empty(0), np.ones(len(X)), offset=check_offset(offset, len(X), theta.shape[1]))
    return effects_of(effect_sums(block, loss, theta, centre, columns), theta, covariance, columns, p)


def predict_probabilities(
    objective: Objective,
    theta: FloatArray,
    covariance: FloatArray,
    rows: FloatArray,
    level: float = 0.95,
    offset: FloatArray | None = None,
) -> PredictedProbabilities:
    """Probabilities for rows (m, p) or (p,), with intervals.

    For two classes the interval is one of eta, mapped to probabilities, and lies between 0 and 1; for more it is p
    plus and minus its standard error by the delta method, cut off at 0 and 1.
    """
    z, loss, X = quantile(level), class_loss(objective), centred_rows(rows, objective.source.centre)
    block = Block(X, np.empty(0), np.ones(len(X)), offset=check_offset(offset, len(X), theta.shape[1]))
    eta, V = block_eta(block, theta), leverages(block, covariance.reshape(*theta.shape, *theta.shape))
    p = loss.probabilities(eta)
    J = slopes(p, theta.shape[1])
    error = np.sqrt(np.einsum("ick,ikm,icm->ic", J, V, J))
    if theta.shape[1] > 1:
        return PredictedProbabilities(p, error, np.maximum(p - z * error, 0.0), np.minimum(p + z * error, 1.0), level)
    reach = z * np.sqrt(V[:, :, 0])
    low, high = (loss.probabilities(end)[:, 1:] for end in (eta - reach, eta + reach))
    return PredictedProbabilities(p[:, 1:], error[:, 1:], low, high, level)


def slopes(p: FloatArray, K: int) -> FloatArray:
    """J, (rows, C, K), of probabilities (rows, C): without the reference's column where K < C."""
    own = np.eye(p.shape[1])
    others = 1.0 - own
    # 1 - p_c as the sum of the others, which keeps its digits where p_c is nearly 1.
    J = own * (p @ others)[:, :, None] * p[:, :, None] - others * p[:, :, None] * p[:, None, :]
    return J[:, :, p.shape[1] - K :]


def bends(p: FloatArray, J: FloatArray) -> FloatArray:
    """T, (rows, C, K, K), the derivatives of J (rows, C, K)."""
    C, K = J.shape[1:]
    lacking = np.eye(C)[:, C - K :] - p[:, None, C - K :]
    return J[:, :, None, :] * lacking[:, :, :, None] - p[:, :, None, None] * J[:, None, C - K :, :]


@dataclass(frozen=True)
class EffectSums:
    """Sums over rows: their weight, J (C, K), x T (P, C, K, K), and for each indicator the differences of p (C,) and
    of x J (P, C, K)."""

    weight: float
    slope: FloatArray
    bend: FloatArray
    change: FloatArray
    turn: FloatArray

    def __add__(self, other: "EffectSums") -> "EffectSums":
        return EffectSums(
            self.weight + other.weight,
            self.slope + other.slope,
            self.bend + other.bend,
            self.change + other.change,
            self.turn + other.turn,
        )


def effect_sums(
    block: Block, loss: ClassLoss, theta: FloatArray, centre: FloatArray, indicators: Sequence[int]
) -> EffectSums:
    """The sums over the rows of a block."""
    eta, weight = block_eta(block, theta), block.weight
    p = loss.probabilities(eta)
    J = slopes(p, theta.shape[1])
    bend = over_rows(block, bends(p, J), len(theta))
    both = [indicator_sums(block, loss, theta, eta, j, centre[j]) for j in indicators]
    change = np.array([one[0] for one in both]).reshape(len(both), p.shape[1])
    turn = np.array([one[1] for one in both]).reshape(len(both), len(theta), *J.shape[1:])
    return EffectSums(float(weight.sum()), np.tensordot(weight, J, axes=1), bend, change, turn)


def indicator_sums(
    block: Block, loss: ClassLoss, theta: FloatArray, eta: FloatArray, j: int, centre: float
) -> tuple[FloatArray, FloatArray]:
    """What column j does when it goes from 0 to 1: to p (C,), and to x J (P, C, K), both summed."""
    here = block.X[:, [j]]
    here = np.asarray(here.toarray() if hasattr(here, "toarray") else here)
    ends = []
    for value in (1.0 - centre, -centre):
        p = loss.probabilities(eta + (value - here) * theta[j])
        J = slopes(p, theta.shape[1])
        turn = over_rows(block, J, len(theta))
        turn[j] = value * np.tensordot(block.weight, J, axes=1)
        ends.append((block.weight @ p, turn))
    return ends[0][0] - ends[1][0], ends[0][1] - ends[1][1]


def over_rows(block: Block, each: FloatArray, P: int) -> FloatArray:
    """sum_i weight_i x_i each_i, (P, ...), for each (rows, ...)."""
    flat = block.weight[:, None] * each.reshape(len(each), -1)
    return with_intercept(block.transposed, flat, P).reshape(P, *each.shape[1:])


def effects_of(
    sums: EffectSums, theta: FloatArray, covariance: FloatArray, indicators: Sequence[int], p: int
) -> MarginalEffects:
    """Effects and errors of the p columns from the sums; one column's gradient at a time, which is (P, C, K)."""
    first = int(theta.shape[1] == 1)
    effects, errors = np.empty((2, p, len(sums.slope)))
    for j in range(p):
        effect, gradient = column_effect(sums, theta, j, indicators)
        G = gradient.transpose(1, 0, 2).reshape(len(effect), theta.size) / sums.weight
        effects[j], errors[j] = effect / sums.weight, np.sqrt(np.einsum("cn,nm,cm->c", G, covariance, G))
    return MarginalEffects(effects[:, first:], errors[:, first:])


def column_effect(
    sums: EffectSums, theta: FloatArray, j: int, indicators: Sequence[int]
) -> tuple[FloatArray, FloatArray]:
    """The effect of column j, (C,), and its gradient (P, C, K), both summed over rows."""
    if j in indicators:
        i = indicators.index(j)
        return sums.change[i], sums.turn[i]
    gradient = np.einsum("lckm,k->lcm", sums.bend, theta[j])
    gradient[j] += sums.slope
    return sums.slope @ theta[j], gradient


def class_loss(objective: Objective) -> ClassLoss:
    """The objective's loss; ArgumentError unless it has probabilities."""
    if not isinstance(objective.loss, ClassLoss):
        raise ArgumentError(
            f"{type(objective.loss).__name__} has no probabilities: in a linear model the effects are the coefficients."
        )
    return objective.loss


def check_indicators(indicators: Sequence[int], p: int) -> list[int]:
    """The columns, whole numbers from 0; ArgumentError where there is no such column."""
    columns = [int(j) for j in indicators]
    for j in columns:
        if not 0 <= j < p:
            raise ArgumentError(f"indicators holds {j}, and X has the columns 0 to {p - 1}.")
    return columns


def centred_rows(rows: FloatArray, centre: FloatArray) -> FloatArray:
    """Rows in the units of X, (m, p) or one (p,), as the source would hold them; ArgumentError if they do not fit."""
    X = np.atleast_2d(np.asarray(rows, dtype=float))
    if X.ndim != 2 or X.shape[1] != len(centre):
        raise ArgumentError(f"rows has shape {np.shape(rows)}, and must have {len(centre)} columns, as the fit had.")
    return X - centre
