"""The covariance of an estimate, in coordinates that keep its digits."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from separatrix.arrays import FloatArray
from separatrix.cached import cached_property
from separatrix.equations.hyperplane import linear_predictor
from separatrix.errors import ArgumentError, listing
from separatrix.inference.covariance import COVARIANCES, HETEROSCEDASTIC, clustered, heteroscedastic
from separatrix.inference.turned import posed
from separatrix.regression.fitting import Estimate, at_work
from separatrix.regression.sample import Sample

RELATIVE_ROUNDING = 1e-20  # of the model's variance: a robust one below it is what rounding and the stopped fit leave


@dataclass(frozen=True)
class Spread:
    """The covariance (P K, P K) of the engine's theta; or, of columns that nearly depend on each other, that of u,
    (P, P), where theta is `turn` u: of it nothing cancels in the variance of a row's x'theta."""

    own: FloatArray
    turn: FloatArray | None = None

    @cached_property
    def cov(self) -> FloatArray:
        """That of theta."""
        if self.turn is None:
            return self.own
        cov = self.turn @ self.own @ self.turn.T
        return (cov + cov.T) / 2

    def of_rows(self, X: Any) -> tuple[Any, FloatArray]:
        """Rows X (rows, p) as u weighs them, and its covariance."""
        if self.turn is None:
            return X, self.own
        p = X.shape[1]
        return linear_predictor(X, self.turn[:p], self.turn[p:].sum(axis=0)), self.own


def spread_of(sample: Sample, estimate: Estimate, kind: str, scale: float, penalty: float = 0.0) -> Spread:
    """That of an estimate; NaN of a penalised one, and where it is no more than rounding; 0 of an exact fit.

    Raises ArgumentError for a kind that is none, and where clusters are missing, or given for another kind.
    """
    if kind not in COVARIANCES:
        raise ArgumentError(f"covariance={kind!r} must be one of {listing(COVARIANCES)}.")
    if (kind == "cluster") != bool(sample.groups):
        what = "needs groups=, the cluster of each row" if kind == "cluster" else "does not use groups=; pass 'cluster'"
        raise ArgumentError(f"covariance={kind!r} {what}.")
    none = Spread(np.full_like(estimate.bread, np.nan))
    if penalty:
        return none
    turn = estimate.turn
    bread = estimate.bread if turn is None else np.eye(len(turn))
    if kind == "nonrobust" or not scale > 0:  # nothing is left of the rows to be robust about
        return Spread(scale * bread, turn)
    if estimate.infinite.all():
        return none
    with at_work(estimate.objective) as working:
        objective, theta = posed(working, estimate.theta, turn)
        if kind in HETEROSCEDASTIC:
            own = heteroscedastic(objective, theta, bread, kind, sample.frequency, sample.row_numbers)
        else:
            own = clustered(objective, theta, bread, sample.groups, sample.frequency)
    spread, rounding = Spread(own, turn), RELATIVE_ROUNDING * scale * np.diagonal(estimate.bread)
    return spread if (np.abs(np.diagonal(spread.cov)) >= rounding).any() else none
