"""Small classification problems, how a test asks the engine to solve one, and what all tests of numbers run under."""

import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from hypothesis import strategies as st

from separatrix.data.block import Block
from separatrix.data.memory import MemorySource, memory_source
from separatrix.engine.fit import Fit, Options, fit_linear_model
from separatrix.engine.objective import Objective
from separatrix.equations.losses import ClassLoss, LogLoss, SoftmaxLoss
from separatrix.equations.penalties import ElasticNet, elastic_net
from separatrix.errors import ConvergenceWarning

seeds = st.integers(0, 10**6)


@dataclass(frozen=True)
class Problem:
    """X (n, p), class codes y (n,), weight (n,), K classes, penalty strength (p,) in the units of the mean loss,
    offset (n, columns of eta) or None."""

    X: Any
    y: np.ndarray
    weight: np.ndarray
    K: int
    strength: np.ndarray
    fit_intercept: bool = True
    l1_ratio: float = 0.0
    offset: np.ndarray | None = None

    @property
    def penalty(self) -> ElasticNet:
        return elastic_net(self.strength, self.l1_ratio)

    @property
    def loss(self) -> ClassLoss:
        return LogLoss() if self.K == 2 else SoftmaxLoss()

    @property
    def coded(self) -> np.ndarray:
        """y as the loss wants it."""
        return self.y[:, None] * 1.0 if self.K == 2 else self.y

    @property
    def columns_of_eta(self) -> int:
        return 1 if self.K == 2 else self.K

    @property
    def block(self) -> Block:
        return Block(self.X, self.coded, self.weight, offset=self.offset)

    def source(self) -> MemorySource:
        return memory_source(self.X, self.coded, self.weight, centre=self.fit_intercept, offset=self.offset)

    def objective(self) -> Objective:
        return Objective(self.source(), self.loss, self.penalty, self.fit_intercept)

    def rows(self, chosen: Any) -> "Problem":
        offset = None if self.offset is None else self.offset[chosen]
        return replace(self, X=self.X[chosen], y=self.y[chosen], weight=self.weight[chosen], offset=offset)

    def start(self) -> tuple[np.ndarray, np.ndarray]:
        return np.zeros((self.columns_of_eta, self.X.shape[1])), np.zeros(self.columns_of_eta)


def make_problem(
    seed: int,
    *,
    p: int = 3,
    K: int = 2,
    points: int = 12,
    strength: float = 0.0,
    fit_intercept: bool = True,
    noise: float = 1.0,
    offset: bool = False,
) -> Problem:
    """Points with every label on each of them, so that no plane separates them and the optimum is finite.

    `noise` is how much weight the labels other than a linear model's choice have: small is nearly separable.
    """
    rng = np.random.default_rng(seed)
    points = max(points, 2 * p + 2)
    # Multiples of 1/8 are exact in float32, and so are their sums with 1e9 in float64.
    X = np.clip(np.round(rng.normal(size=(points, p)) * 8), -32, 32) / 8
    X[: p + 1] = np.vstack([np.eye(p), np.zeros(p)])  # of full rank, with and without an intercept
    favourite = (X @ rng.normal(size=(p, K)) + rng.normal(size=K)).argmax(axis=1)
    X, y = np.repeat(X, K, axis=0), np.tile(np.arange(K), points)
    weight = rng.uniform(0.5, 2.0, len(y)) * np.where(y == np.repeat(favourite, K), 1.0, noise)
    shifts = np.round(rng.normal(size=(len(y), 1 if K == 2 else K)) * 8) / 4 if offset else None
    return Problem(X, y, weight, K, np.full(p, strength), fit_intercept, offset=shifts)


@st.composite
def problems(draw: st.DrawFn, penalised: bool | None = None) -> Problem:
    """A problem of 2 to 4 classes and 1 to 4 columns; its optimum is finite, with penalty and offset or without."""
    penalised = draw(st.booleans()) if penalised is None else penalised
    return make_problem(
        draw(st.integers(0, 10**6)),
        p=draw(st.integers(1, 4)),
        K=draw(st.integers(2, 4)),
        strength=draw(st.sampled_from([1e-3, 0.1, 10.0])) if penalised else 0.0,
        fit_intercept=draw(st.booleans()),
        noise=draw(st.sampled_from([1.0, 0.3])),
        offset=draw(st.booleans()),
    )


def solve(problem: Problem, solver: str = "auto", tol: float = 1e-12, max_iter: int = 200, **start: Any) -> Fit:
    """The engine's answer; not reaching `tol` in `max_iter` is an error."""
    options = Options(solver, tol, max_iter, problem.fit_intercept)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        return fit_linear_model(
            problem.source(), problem.loss, problem.penalty, options, start.get("start", problem.start())
        )


def assert_same_fit(a: Fit, b: Fit, tol: float = 1e-8) -> None:
    """Coefficients within `tol` of the largest."""
    scale = np.abs(b.coefficients).max() + np.abs(b.intercepts).max() + 1.0
    np.testing.assert_allclose(a.coefficients, b.coefficients, atol=tol * scale)
    np.testing.assert_allclose(a.intercepts, b.intercepts, atol=tol * scale)
