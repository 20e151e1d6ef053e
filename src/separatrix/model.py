"""A fitted model as a value: everything prediction needs, and not one training row."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from msgspec import Struct

from separatrix.arrays import FloatArray, Matrix
from separatrix.compressed import dense
from separatrix.data.classes import loss_of
from separatrix.data.tables.cells import Numbered
from separatrix.data.tables.columns import Columns, Table, Unseen
from separatrix.data.tables.encoders import Note
from separatrix.data.tables.side_columns import offset_of
from separatrix.data.tables.target import Target
from separatrix.equations.hyperplane import linear_predictor
from separatrix.equations.losses import LogLoss
from separatrix.equations.reference import ReferenceLoss
from separatrix.errors import ArgumentError, InferenceError
from separatrix.inference.prediction import Interval, mean_interval, probability_interval

Of = Literal["mean", "observation"]
Task = Literal["binary", "multinomial", "linear"]


class Choice(Struct, frozen=True, forbid_unknown_fields=True):
    """How C was chosen: `by` so many folds or leave-one-out, of `Cs`, each with the mean log loss of the rows that each
    fold left out, `losses` (folds, Cs); why those may be far off, if they may, and about how far the worst of the fits
    behind them is above its optimum, `gap`."""

    by: str
    Cs: list[float]
    losses: list[list[float]]
    doubt: str = ""
    gap: float = 0.0


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


class Errors(Struct, frozen=True, forbid_unknown_fields=True):
    """How well the coefficients of a fit without penalty are known.

    `covariance` is in the order of the coefficients feature by feature, the intercepts last, and of each the classes
    but the first, which is the reference: theirs on the features less `centre` (p,), zero but for features far from
    zero. `kind` is "nonrobust", "HC0" to "HC3" or "cluster"; `df` are the degrees of freedom of t, None for the normal
    distribution; `error_variance` is that of an observation of a linear model. `infinite` names the features without a
    finite estimate, whose part of the covariance is 0: rows that have them have no interval. Of two classes and of
    linear models, where features nearly depend on each other, the coefficients are `turn` u, (p + 1, p + 1), and the
    covariance is that of u, as in that of the coefficients the variance of a row would cancel; else `turn` is empty.
    """

    kind: str
    covariance: list[list[float]]
    centre: list[float]
    df: float | None = None
    error_variance: float | None = None
    infinite: list[str] = []
    turn: list[list[float]] = []


@dataclass(frozen=True)
class Prediction:
    """What a model says of some rows: probabilities (rows, K), or numbers (rows, 1) of a linear model; which cells it
    had to make something of; and, where they were asked for, the limits of the intervals, of the shape of values."""

    values: FloatArray
    notes: tuple[Note, ...]
    interval: Interval | None = None


class Model(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Columns -> numbers -> eta = X w + b -> probabilities (or a number, for a linear model).

    `coefficients` is (K, p), one row for each class (one row in all for two classes and for linear models), in the
    units of the features `columns.feature_names`; `intercepts` is (K,). Of the training rows it keeps `scales` (p,),
    the standard deviation of each feature; `rates`, the share of each class, or of a linear model the mean target; and
    `metrics`, how well it did on the rows held out.

    `offset` names the column that is added to eta, and `weight` the one that says what a row counts, in evaluation too.
    `errors` is there where the fit was made for inference, and its intercepts are finite.
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
    offset: str | None = None
    weight: str | None = None
    errors: Errors | None = None

    @property
    def as_text(self) -> list[str]:
        """The columns whose cells files of text are to give as they are written."""
        return [*self.columns.as_text, *([self.target.name] if self.target.as_text else [])]

    def eta(self, X: Matrix, offset: FloatArray | None = None) -> FloatArray:
        """The linear predictor of encoded rows, (rows, K), with an offset (rows,)."""
        eta = linear_predictor(X, np.array(self.coefficients).T, np.array(self.intercepts))
        return eta if offset is None else eta + offset[:, None]

    def mean(self, X: Matrix, offset: FloatArray | None = None) -> FloatArray:
        """Of encoded rows, P(class | row) in the order of `target.classes`, (rows, classes); or numbers, (rows, 1)."""
        eta = self.eta(X, offset)
        return eta if self.task == "linear" else loss_of(len(self.target.classes)).probabilities(eta)

    def interval(self, X: Matrix, offset: FloatArray | None, level: float, of: Of = "mean") -> Interval:
        """Lower and upper limit of what `mean` says of encoded rows, NaN for rows that have a feature whose estimate is
        infinite; of a linear model, with of="observation" of what a new row may show.

        Raises InferenceError where the model does not know how far its coefficients may be off, and ArgumentError for
        the interval of an observation that is a class.
        """
        if self.errors is None:
            raise InferenceError(
                "the model keeps no covariance of its coefficients, so its predictions have no intervals: fit it with "
                "--inference, which needs a finite estimate of the intercept, with an error."
            )
        low, high = self._interval(X, offset, level, of, self.errors)
        for name in self.errors.infinite:
            without = np.ravel(X[:, [self.columns.feature_names.index(name)]].sum(axis=1)) != 0
            low[without] = high[without] = np.nan
        return low, high

    def _interval(self, X: Matrix, offset: FloatArray | None, level: float, of: Of, errors: Errors) -> Interval:
        eta, covariance, centre = self.eta(X, offset), np.array(errors.covariance), np.array(errors.centre)
        if centre.any():
            X = dense(X) - centre
        if errors.turn:
            X = linear_predictor(X, np.array(errors.turn[:-1]), np.array(errors.turn[-1]))
        if self.task == "linear":
            noise = (errors.error_variance or 0.0) if of == "observation" else 0.0
            return mean_interval(X, eta, covariance, level, errors.df, noise)
        if of == "observation":
            raise ArgumentError("of='observation' is for linear models: what is observed of a class is the class.")
        if self.task == "binary":
            return probability_interval(LogLoss(), X, eta, covariance, level)
        return probability_interval(ReferenceLoss(), X, eta[:, 1:] - eta[:, :1], covariance, level)

    def predict(
        self,
        table: Table,
        where: str = "the data",
        first_row: Numbered = 1,
        level: float | None = None,
        of: Of = "mean",
        unseen: Unseen | None = None,
    ) -> Prediction:
        """What `mean` says of the rows of a table, and where a level is given `interval`; `first_row` is the number of
        its first row, or of each, for messages; `unseen` overrules what the columns do with levels that fitting had not
        seen.

        Raises ColumnError when a column the model needs is not there, CellError when a cell is not the number its
        column needs.
        """
        encoded = self.columns.encode(table, where, first_row, unseen)
        offset = offset_of(table, self.offset, where, first_row) if self.offset else None
        limits = None if level is None else self.interval(encoded.X, offset, level, of)
        return Prediction(self.mean(encoded.X, offset), encoded.notes, limits)
