"""A fitted model as a value: everything prediction needs, and not one training row."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from msgspec import Struct

from separatrix.arrays import FloatArray, Matrix
from separatrix.data.columns import Columns, Table, Unseen
from separatrix.data.encoders import Note
from separatrix.data.target import Target
from separatrix.equations.hyperplane import linear_predictor
from separatrix.equations.links import sigmoid, softmax

Task = Literal["binary", "multinomial", "linear"]


class Choice(Struct, frozen=True, forbid_unknown_fields=True):
    """How C was chosen: `by` so many folds or leave-one-out, of `Cs`, each with the mean log loss of the rows that each
    fold left out, `losses` (folds, Cs)."""

    by: str
    Cs: list[float]
    losses: list[list[float]]


class FitRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """How the coefficients were found, and how good they are.

    `C` is the inverse strength of the penalty on standardised columns, None without a penalty, and `l1_ratio` the share
    of L1 in it; `gap` bounds the distance of the mean loss to its optimum, and `certificate` says how that is known;
    `losses` has one entry for each iteration. Seconds are wall-clock. `choice` is there where cross-validation chose C.
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
    l1_ratio: float = 0.0
    choice: Choice | None = None


@dataclass(frozen=True)
class Prediction:
    """What a model says of some rows: probabilities (rows, K), or numbers (rows, 1) of a linear model; and which
    cells it had to make something of."""

    values: FloatArray
    notes: tuple[Note, ...]


class Model(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Columns -> numbers -> eta = X w + b -> probabilities (or a number, for a linear model).

    `coefficients` is (K, p), one row for each class (one row in all for two classes and for linear models), in the
    units of the features `columns.feature_names`; `intercepts` is (K,). Of the training rows it keeps `scales` (p,),
    the standard deviation of each feature; `rates`, the share of each class, or of a linear model the mean target; and
    `metrics`, how well it did on the rows held out.
    """

    task: Task
    target: Target
    columns: Columns
    coefficients: list[list[float]]
    intercepts: list[float]
    scales: list[float]
    rates: list[float]
    fit: FitRecord
    metrics: dict[str, float]

    def eta(self, X: Matrix) -> FloatArray:
        """The linear predictor of encoded rows, (rows, K)."""
        return linear_predictor(X, np.array(self.coefficients).T, np.array(self.intercepts))

    def mean(self, X: Matrix) -> FloatArray:
        """Of encoded rows, P(class | row) in the order of `target.classes`, (rows, classes); or numbers, (rows, 1)."""
        eta = self.eta(X)
        if self.task == "linear":
            return eta
        return softmax(eta) if self.task == "multinomial" else np.hstack([sigmoid(-eta), sigmoid(eta)])

    def predict(
        self, table: Table, where: str = "the data", first_row: int = 1, unseen: Unseen | None = None
    ) -> Prediction:
        """What `mean` says of the rows of a table; `first_row` is the number of its first row, for messages; `unseen`
        overrules what the columns do with levels that fitting had not seen.

        Raises ColumnError when a column the model needs is not there, CellError when a cell is not the number its
        column needs.
        """
        encoded = self.columns.encode(table, where, first_row, unseen)
        return Prediction(self.mean(encoded.X), encoded.notes)
