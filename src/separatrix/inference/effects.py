r"""Marginal effects and predicted probabilities, with errors by the delta method.

With p_c the probability of class c, proportional to exp(eta_c) (eta_c = 0 of a reference class),

    J_ck       = d p_c / d eta_k             = p_c ([c = k] - p_k)
    T_ckm      = d J_ck / d eta_m            = J_cm ([c = k] - p_k) - p_c J_km

A variable changes some columns of a row x. Where D is what a unit of it changes them by, s_k = D'w_k:

    slope      effect_c = mean sum_k J_ck s_k                d effect / d theta_lm = mean D_l J_cm + x_l sum_k T_ckm s_k
    step       effect_c = mean p_c(high) - p_c(low)          d effect / d theta_lm = mean [x_l J_cm](high) - [..](low)

So value and gradient of all effects are sums over rows, in one pass. The mean is over the rows that were fitted
(average marginal effects), or over given ones (effects at the means, at values). Of a linear model J = 1 and T = 0.
Long (1997, "Regression models for categorical and limited dependent variables"); Greene (2018, "Econometric analysis").
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
from rich.cells import cell_len, set_cell_size

from separatrix.arrays import FloatArray, IntArray
from separatrix.data.block import Block, Source
from separatrix.data.memory import MemorySource
from separatrix.engine.objective import Objective
from separatrix.engine.sums import block_eta, with_intercept
from separatrix.equations.losses import ClassLoss, Loss
from separatrix.errors import ArgumentError
from separatrix.inference.wald import quantile, two_sided


@dataclass(frozen=True)
class Slope:
    """A small change of a variable: the derivatives `by` of some columns of X in it, (n, m), or (1, m) for all rows."""

    variable: str
    columns: IntArray
    by: FloatArray
    contrast: str = "slope"

    def sums(self, here: "Here") -> tuple[FloatArray, FloatArray]:
        """The effect (C,) and its gradient (P, C, K), summed over the rows of a block."""
        block, J = here.block, here.J
        by = rows_of(self.by, block) * block.weight[:, None]
        s = by @ here.theta[self.columns]
        gradient = over_rows(block, np.einsum("ickm,ik->icm", here.T, s), len(here.theta))
        gradient[self.columns] += np.einsum("ij,icm->jcm", by, J)
        return np.einsum("ick,ik->c", J, s), gradient


@dataclass(frozen=True)
class Step:
    """A change of a variable from one value to another: some columns of X before and after, (n, m), or (1, m) for all
    rows."""

    variable: str
    columns: IntArray
    low: FloatArray
    high: FloatArray
    contrast: str = "1 - 0"

    def sums(self, here: "Here") -> tuple[FloatArray, FloatArray]:
        """The effect (C,) and its gradient (P, C, K), summed over the rows of a block."""
        above, below = self._end(here, self.high), self._end(here, self.low)
        return above[0] - below[0], above[1] - below[1]

    def _end(self, here: "Here", values: FloatArray) -> tuple[FloatArray, FloatArray]:
        block, theta = here.block, here.theta
        there = rows_of(values, block) - here.centre[self.columns]
        now: Any = block.X[:, self.columns]
        now = now.toarray() if hasattr(now, "toarray") else now
        p, J = response(here.loss, here.eta + (there - now) @ theta[self.columns])
        weighted = block.weight[:, None, None] * J
        gradient = over_rows(block, weighted, len(theta))
        gradient[self.columns] = np.einsum("ij,icm->jcm", there, weighted)
        return block.weight @ p, gradient


Change = Slope | Step


@dataclass(frozen=True)
class Here:
    """A block at the estimate: eta (rows, K), J (rows, C, K), and T (rows, C, K, K)."""

    block: Block
    loss: Loss
    theta: FloatArray
    centre: FloatArray
    eta: FloatArray
    J: FloatArray
    T: FloatArray


@dataclass(frozen=True)
class MarginalEffects:
    """What each change does to the probability of each class, (m, C), with standard errors; to the mean of a linear
    model, (m, 1). For two classes C = 1, that of y = 1.

    `df` is that of the t distribution, None for the normal.
    """

    effects: FloatArray
    standard_errors: FloatArray
    variables: tuple[str, ...]
    contrasts: tuple[str, ...]
    classes: tuple[str, ...] = ("",)
    df: float | None = None

    @property
    def statistics(self) -> FloatArray:
        """Effects in standard errors, (m, C); NaN of an effect that is 0 whatever the estimates."""
        errors = self.standard_errors
        return np.divide(self.effects, errors, out=np.full_like(errors, np.nan), where=errors > 0)

    @property
    def pvalues(self) -> FloatArray:
        """Two-sided, (m, C)."""
        return two_sided(self.statistics, self.df)

    def interval(self, level: float = 0.95) -> tuple[FloatArray, FloatArray]:
        """Low and high ends, (m, C) each."""
        reach = quantile(level, self.df) * self.standard_errors
        return self.effects - reach, self.effects + reach

    def columns(self, level: float = 0.95) -> dict[str, Any]:
        """A table with a row for each change and class."""
        many, C = self.effects.shape
        low, high = self.interval(level)
        names: dict[str, Any] = {"term": np.repeat(self.variables, C), "contrast": np.repeat(self.contrasts, C)}
        names |= {"class": np.tile(self.classes, many)} if C > 1 else {}
        values = self.effects, self.standard_errors, self.statistics, self.pvalues, low, high
        heads = "estimate", "std_error", "statistic", "p_value", "conf_low", "conf_high"
        table = {name: column.tolist() for name, column in names.items()}
        return table | {head: column.ravel() for head, column in zip(heads, values, strict=True)}

    def __str__(self) -> str:
        table = self.columns()
        labels = [" ".join(words) for words in zip(*list(table.values())[:-6], strict=True)]
        width = max(map(cell_len, labels), default=0)
        of = "z" if self.df is None else "t"
        head = f"{'':{width}s}       effect   std. error        {of}    p-value         low        high"
        cells = zip(*list(table.values())[-6:], strict=True)
        line = "{:11.5g}  {:11.5g}  {:7.3f}  {:9.3g} {:11.5g} {:11.5g}"
        rows = (f"{set_cell_size(a, width)}  {line.format(*row)}" for a, row in zip(labels, cells, strict=True))
        return "\n".join([head, *rows])


def marginal_effects(
    objective: Objective,
    theta: FloatArray,
    covariance: FloatArray,
    changes: Sequence[Change],
    source: Source | None = None,
    turn: FloatArray | None = None,
) -> MarginalEffects:
    """The mean effect of each change over the rows of the fit, each by its weight, or over those of a source; one pass.

    Parameters
    ----------
    theta : (P, K)
        The estimates as the objective has them, the intercept last.
    covariance : (P K, P K)
        Theirs, of theta.ravel(); or, with a `turn` (P, P), that of u, theta = turn u.
    source : Source or None
        Other rows, shifted as those of the fit: see `at_rows`.

    Examples
    --------
    >>> from separatrix.data.memory import memory_source
    >>> from separatrix.equations.losses import LogLoss
    >>> from separatrix.equations.penalties import L2
    >>> source = memory_source(np.array([[0.0], [1.0]]), np.array([[0.25], [0.5]]), np.array([16.0, 16.0]))
    >>> objective = Objective(source, LogLoss(), L2(np.zeros(1)), fit_intercept=True)
    >>> theta, covariance = np.array([[-np.log(3)], [np.log(3)]]), np.array([[7 / 12, -1 / 3], [-1 / 3, 1 / 3]])
    >>> step = Step("x", np.array([0]), np.zeros((1, 1)), np.ones((1, 1)))
    >>> found = marginal_effects(objective, theta[::-1], covariance, [step])
    >>> found.effects.round(4), found.standard_errors.round(4)
    (array([[0.25]]), array([[0.1654]]))
    """
    loss = objective.loss
    centre, first = cast(Any, objective.source).centre, int(isinstance(loss, ClassLoss) and theta.shape[1] == 1)

    def sums(block: Block) -> FloatArray:
        """The weight, and of every change effect and gradient, in one row of numbers."""
        eta = block_eta(block, theta)
        p, J = response(loss, eta)
        T = bends(p, J) if isinstance(loss, ClassLoss) else 0.0 * J[..., None]
        here = Here(block, loss, theta, centre, eta, J, T)
        each = [np.append(effect, gradient) for effect, gradient in (change.sums(here) for change in changes)]
        return np.concatenate([[block.total], *each])

    weight, *rest = objective.add_up(sums) if source is None else source.add_up(sums)
    C = response(loss, np.zeros((1, theta.shape[1])))[0].shape[1]
    means = np.reshape(rest, (len(changes), C * (1 + theta.size))) / weight
    effects, gradients = means[:, :C], means[:, C:].reshape(len(changes), len(theta), C, theta.shape[1])
    G = gradients.transpose(0, 2, 1, 3).reshape(len(changes), C, theta.size)
    G = G if turn is None else G @ turn
    errors = np.sqrt(np.einsum("jcn,nm,jcm->jc", G, covariance, G))
    names = tuple(change.variable for change in changes), tuple(change.contrast for change in changes)
    return MarginalEffects(effects[:, first:], errors[:, first:], *names)


def column_changes(names: Sequence[str], indicators: Sequence[int] = ()) -> list[Change]:
    """A unit of each column of X by itself: its slope, or, of those that are 0 or 1, the step from 0 to 1.

    Raises ArgumentError for an indicator that is no column.
    """
    steps = check_indicators(indicators, len(names))
    zero, one = np.zeros((1, 1)), np.ones((1, 1))
    places = [(name, np.array([j])) for j, name in enumerate(names)]
    return [Step(*at, zero, one) if j in steps else Slope(*at, one) for j, at in enumerate(places)]


def at_rows(
    objective: Objective, rows: Any, offset: FloatArray | None = None, weight: FloatArray | None = None
) -> MemorySource:
    """Rows (m, p) or one (p,) in the units of X, with offset (m, K), as a source shifted as the objective's is."""
    source: Any = objective.source
    X = rows if hasattr(rows, "tocsr") else np.atleast_2d(np.asarray(rows, dtype=float))
    check_columns(X, source.n_columns)
    weight = np.ones(X.shape[0]) if weight is None else weight
    return replace(source, X=X, y=np.zeros((X.shape[0], 1)), weight=weight, offset=offset)


def response(loss: Loss, eta: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The probabilities (rows, C) and J (rows, C, K); of a linear model eta itself."""
    if isinstance(loss, ClassLoss):
        p = loss.probabilities(eta)
        return p, slopes(p, eta.shape[1])
    return eta, np.broadcast_to(np.eye(eta.shape[1]), (*eta.shape, eta.shape[1]))


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


def over_rows(block: Block, each: FloatArray, P: int) -> FloatArray:
    """sum_i x_i each_i, (P, ...), for each (rows, ...)."""
    return with_intercept(block.transposed, each.reshape(len(each), -1), P).reshape(P, *each.shape[1:])


def rows_of(values: FloatArray, block: Block) -> FloatArray:
    """The rows of a block, of values (n, m), or (1, m) for all."""
    return values[block.rows] if len(values) > 1 else np.broadcast_to(values, (len(block.weight), values.shape[1]))


def check_indicators(indicators: Sequence[int], p: int) -> list[int]:
    """The columns, whole numbers from 0; ArgumentError where there is no such column."""
    columns = [int(j) for j in indicators]
    for j in columns:
        if not 0 <= j < p:
            raise ArgumentError(f"indicators holds {j}, and X has the columns 0 to {p - 1}.")
    return columns


def check_columns(X: Any, p: int) -> None:
    """ArgumentError unless it has p columns."""
    if X.ndim != 2 or X.shape[1] != p:
        raise ArgumentError(f"rows has shape {X.shape}, and must have {p} columns, as the fit had.")
