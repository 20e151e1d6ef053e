"""A fitted model as a value: everything prediction needs, and not one training row."""

from typing import Literal

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from separatrix.data.columns import Columns, Table
from separatrix.data.target import Target
from separatrix.equations.hyperplane import linear_predictor
from separatrix.equations.links import sigmoid, softmax

Task = Literal["binary", "multinomial", "linear"]
FloatArray = NDArray[np.float64]


class FitRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """How the coefficients were found, and how good they are.

    `penalty` is the strength C of the call (infinite: no penalty, kept as None); `gap` bounds the mean loss's
    distance to its optimum, as `certificate` explains in words. Seconds are wall-clock.
    """

    rows: int
    C: float | None
    solver: str
    why: str
    passes: int
    seconds: float
    loss: float
    gap: float
    certificate: str
    losses: list[float]


class Model(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Columns -> numbers -> eta = X w + b -> probabilities (or a number, for a linear model).

    `coefficients` is (K, p), one row per class (one row in all for binary and linear models), in the units of the
    encoded columns `columns.feature_names`; `intercepts` is (K,).
    """

    task: Task
    target: Target
    columns: Columns
    coefficients: list[list[float]]
    intercepts: list[float]
    fit: FitRecord
    metrics: dict[str, float]

    def eta(self, table: Table, where: str = "the data") -> FloatArray:
        """The linear predictor of each row, (rows, K)."""
        encoded = self.columns.encode(table, where)
        return linear_predictor(encoded.X, np.array(self.coefficients).T, np.array(self.intercepts))

    def predict_proba(self, table: Table, where: str = "the data") -> FloatArray:
        """P(class | row), (rows, classes), in the order of `target.classes`."""
        eta = self.eta(table, where)
        return softmax(eta) if self.task == "multinomial" else np.hstack([sigmoid(-eta), sigmoid(eta)])
