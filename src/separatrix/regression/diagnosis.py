"""What a regression's effects are in the units of its outcome, and what its rows and columns do to it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from separatrix.arrays import FloatArray
from separatrix.cached import cached_property
from separatrix.data.frames import dataframe
from separatrix.errors import InferenceError
from separatrix.inference.collinearity import Collinearity, collinearity
from separatrix.inference.diagnostics import Influence, influence
from separatrix.inference.effects import MarginalEffects
from separatrix.regression.comparison import ComparedResult
from separatrix.regression.effects import effects_of
from separatrix.regression.fitting import at_work


@dataclass(frozen=True, repr=False)
class EffectsTable(MarginalEffects):
    """Marginal effects (see `MarginalEffects`), which `tidy()` has as a dataframe."""

    backend: str | None = None

    def tidy(self, level: float = 0.95) -> Any:
        """A row for each effect: term, contrast, class if there are several, estimate, its error, test and interval."""
        return dataframe(self.columns(level), self.backend)

    def __repr__(self) -> str:
        return str(self)


@dataclass(frozen=True, repr=False)
class InfluenceTable(Influence):
    """What each row does to a fit (see `Influence`), parameters in the order of `params`."""

    names: tuple[str, ...] = ()
    backend: str | None = None

    def tidy(self) -> Any:
        """A row for each row of the fit: its number in the data, leverage, residuals, Cook's distance, and dfbetas by
        parameter."""
        shown = "leverage", "cooks_distance", "pearson", "deviance", "standardised_pearson", "standardised_deviance"
        columns = {"row": np.arange(len(self.leverage)) if self.rows is None else self.rows}
        columns |= {name: getattr(self, name) for name in shown}
        columns |= {f"dfbetas {name}": self.dfbetas[:, j] for j, name in enumerate(self.names)}
        return dataframe(columns, self.backend)

    def __repr__(self) -> str:
        return str(self)


class DiagnosedResult(ComparedResult):
    """A result with marginal effects and diagnosis."""

    def marginal_effects(self, at: Any = "average", variables: str | Sequence[str] | None = None) -> EffectsTable:
        """What a unit of each variable does to the probability of each class, or to the mean of a linear model.

        Of a number, the slope; of one that is 0 or 1, and of a category, the step from 0, or from its reference. A
        variable changes every column that it is part of: interactions, squares, splines. Standard errors are by the
        delta method, from the covariance of the result.

        Parameters
        ----------
        at : "average", "means", or a dict
            The mean over the rows of the fit; at one row of the numbers' means and the categories' shares; or the mean
            over the rows with some variables at given values: {"age": 40}.
        variables : the name of a variable, or several, or None for all
            Of a formula the columns of the data, of arrays those of X.

        Raises
        ------
        ColumnError for a variable that the model does not have; InferenceError where estimates are infinite, or
        penalised.

        Examples
        --------
        >>> from separatrix import logit
        >>> table = {"y": [0, 0, 1, 0, 1, 1, 0, 1], "x": [1, 2, 3, 4, 5, 6, 7, 8]}
        >>> found = logit("y ~ x", table).marginal_effects()
        >>> found.effects.round(4), found.standard_errors.round(4)
        (array([[0.0876]]), array([[0.0481]]))
        """
        self.sample.check_here("marginal effects")
        found = effects_of(self, at, variables)
        return EffectsTable(**vars(found), backend=self.sample.backend)

    def influence(self) -> InfluenceTable:
        """Leverage, Pearson and deviance residuals, Cook's distance and dfbetas of every row of the fit.

        Raises InferenceError where estimates are infinite, there are none, or the fit is exact, and ArgumentError for
        more than two classes.
        """
        self.sample.check_here("influences")
        if self.estimate.infinite.any():
            raise InferenceError("no influence of rows: some estimates are infinite. Use penalty='firth'.")
        if self._scale == 0.0:
            raise InferenceError("no influence of rows: the fit is exact, so that no row has a residual.")
        if not self.estimate.theta.size:
            raise InferenceError("no influence of rows: the model has no coefficient that one could move.")
        with at_work(self.estimate.objective) as objective:
            found = influence(objective, self.estimate.theta, self.estimate.turn)
        dfbeta, dfbetas = self._user(found.dfbeta.T).T, self._user(found.dfbetas.T).T
        ordered = replace(found, dfbeta=dfbeta, dfbetas=dfbetas, rows=self.sample.row_numbers)
        return InfluenceTable(**vars(ordered), names=self.names, backend=self.sample.backend)

    def collinearity(self) -> Collinearity:
        """Variance inflation of each column, and condition indices with the columns that nearly depend on each
        other."""
        return self._collinearity

    @cached_property
    def _collinearity(self) -> Collinearity:
        return collinearity(self.estimate.objective.source, self.sample.names, self.sample.intercept)

    def _population_weight(self) -> FloatArray:
        """What each row counts, (n,), in a mean over the population."""
        return np.asarray(self.sample.weight)
