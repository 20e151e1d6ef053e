"""Steps by a curvature that is corrected, and made anew only where that is cheaper."""

from itertools import islice
from typing import Any

import numpy as np
import pytest

from separatrix import LogisticRegression
from separatrix.data.memory import memory_source
from separatrix.engine.certificates import certificate
from separatrix.engine.objective import Evaluation, Objective
from separatrix.engine.solvers.newton import newton
from separatrix.engine.solvers.quasi_newton import quasi_newton
from separatrix.equations.losses import LogLoss
from separatrix.equations.penalties import L2


def heavy_tails(rows: int, columns: int) -> tuple[Any, Any]:
    """Rows of which few reach far; three times as many as there are columns are all but separated."""
    random = np.random.default_rng(0)
    X = np.exp(1.5 * random.normal(size=(rows, columns)))
    w = 3.0 / columns**0.5 * random.normal(size=columns) / X.std(axis=0)
    return X, (X - X.mean(axis=0)) @ w + random.logistic(size=rows) > 0


def unexpected(*arguments: Any, **named: Any) -> Any:
    raise AssertionError("a bound that needs a curvature")


@pytest.fixture
def curvatures(monkeypatch) -> list[Any]:
    """Where curvatures are made, as they are."""
    made, usual = [], Objective.evaluate

    def evaluate(self: Objective, theta: Any, order: int, *arguments: Any, **named: Any) -> Evaluation:
        made.extend([theta] * (order == 2))
        return usual(self, theta, order, *arguments, **named)

    monkeypatch.setattr(Objective, "evaluate", evaluate)
    return made


def test_after_a_step_that_was_too_long_a_curvature_is_made_only_where_the_next_one_ends(curvatures):
    X, y = heavy_tails(600, 200)
    objective = Objective(memory_source(X, 1 * y[:, None]), LogLoss(), L2(np.full(200, 1e-7)), True)
    ends = [iterate.at.theta for iterate in islice(quasi_newton(objective, np.zeros((201, 1))), 40)]
    wasted = [theta for theta in curvatures if not any(theta is end for end in ends)]
    assert len(curvatures) > 20
    assert len(wasted) < 5


def test_data_that_are_nearly_separated_take_products_rather_than_many_curvatures(curvatures):
    X, y = heavy_tails(1200, 390)
    model = LogisticRegression(C=100.0).fit(X, y)
    assert model.certificate_.gap <= 1e-8
    assert len(curvatures) < 20  # more than twice as many without them


@pytest.mark.parametrize("tol", [1e-3, 1e-5])
def test_a_loose_gap_of_rows_in_memory_is_proved_by_some_more_steps_and_no_curvature(monkeypatch, tol):
    X, y = heavy_tails(3_000, 60)
    monkeypatch.setattr(certificate, "by_self_concordance", unexpected)
    model = LogisticRegression(tol=tol).fit(X, y)
    assert model.trace_.solver == "quasi-newton"
    assert model.certificate_.method == "duality"
    assert model.certificate_.gap <= tol


def test_the_first_step_from_zero_is_newtons():
    X, y = heavy_tails(300, 30)
    objective = Objective(memory_source(X, 1 * y[:, None]), LogLoss(), L2(np.full(30, 1e-3)), True)
    (_, one), (_, other) = (list(islice(solver(objective, np.zeros((31, 1))), 2)) for solver in (quasi_newton, newton))
    np.testing.assert_allclose(one.at.theta, other.at.theta, rtol=1e-9)
