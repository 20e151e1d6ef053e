"""Leave-one-out from one fit, where rows pull hard: against the fits without each of them."""

import warnings
from typing import Any

import narwhals as nw
import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.model_selection import LeaveOneOut

import problems  # noqa: F401 - one thread
from seldom import seldom
from separatrix import LogisticRegressionCV
from separatrix.data import memory
from separatrix.engine.paths import leave_out
from separatrix.errors import ApproximationWarning, TargetError
from separatrix.settings import Settings
from separatrix.training import train

CS = (0.1, 1.0, 10.0, 100.0)


def drawn(n: int, p: int, seed: int, K: int = 2) -> tuple[Any, Any]:
    """X (n, p) and labels of K classes that five columns tell of."""
    random = np.random.default_rng(seed)
    X = random.standard_normal((n, p))
    eta = X[:, :5] @ random.standard_normal((5, K)) + random.gumbel(size=(n, K))
    return X, eta.argmax(axis=1)


def scores(X: Any, y: Any, cv: Any, **parameters: Any) -> Any:
    """The mean log-likelihood of the rows that were left out, for each C."""
    model = LogisticRegressionCV(cv=cv, scoring="neg_log_loss", max_iter=1000, **parameters)
    return model.fit(X, y).scores_.mean(axis=0)[0]


@pytest.mark.slow
@pytest.mark.parametrize(("l1_ratio", "seed"), [(0.5, 0), (1.0, 1)])
def test_with_an_l1_part_and_more_columns_than_rows_leave_one_out_is_that_of_the_fits(seed, l1_ratio):
    X, y = drawn(30, 150, seed)
    same = {"Cs": CS, "l1_ratios": (l1_ratio,)}
    np.testing.assert_allclose(scores(X, y, "loo", **same), scores(X, y, LeaveOneOut(), **same), rtol=0.03)


@pytest.mark.parametrize(("l1_ratio", "K"), [(0.0, 2), (0.0, 3), (1.0, 2), *seldom((1.0, 3))])
def test_rows_that_hold_a_direction_almost_alone_are_left_out_by_a_fit_each(l1_ratio, K):
    X, y = drawn(60, 15, 3, K)
    same = {"Cs": (1.0, 30.0), "l1_ratios": (l1_ratio,)}
    np.testing.assert_allclose(scores(X, y, "loo", **same), scores(X, y, LeaveOneOut(), **same), rtol=0.03)


@pytest.mark.parametrize(
    ("kind", "l1_ratio", "seed"),
    [
        ("iris", 0.0, 0),
        *seldom(("iris", 1.0, 1)),
        ("one of iris", 0.0, 1),
        ("one of iris", 1.0, 0),
        ("cauchy", 0.0, 0),
        ("cauchy", 1.0, 1),
        ("cauchy", 0.0, 1),
    ],
)
def test_rows_that_alone_keep_the_classes_from_being_separated_are_left_out_by_a_fit_each(kind, l1_ratio, seed):
    X, y = load_iris(return_X_y=True)
    if kind == "one of iris":
        y = y == 2
    if kind == "cauchy":
        random = np.random.default_rng(seed)
        X = random.standard_cauchy((60, 3))
        y = X[:, 0] + random.logistic(size=60) > 0
    some = np.random.default_rng(seed).permutation(len(y))[: 120 if kind == "iris" else 150]
    same = {"Cs": (100.0, 1e4), "l1_ratios": (l1_ratio,)}
    ours, theirs = (scores(X[some], y[some], cv, **same) for cv in ("loo", LeaveOneOut()))
    np.testing.assert_allclose(ours, theirs, rtol=0.02)


def test_where_all_rows_fit_perfectly_those_whose_step_changes_nothing_are_looked_at_too():
    random = np.random.default_rng(57)
    X = random.standard_cauchy((41, 8))
    y = (6 * X[:, :2] @ random.standard_normal((2, 3)) + random.gumbel(size=(41, 3))).argmax(axis=1)
    same = {"Cs": (100.0,), "l1_ratios": (1.0,)}
    np.testing.assert_allclose(scores(X, y, "loo", **same), scores(X, y, LeaveOneOut(), **same), rtol=0.02)


def test_rows_too_many_for_a_fit_each_are_told_where_the_approximation_is_off(monkeypatch):
    monkeypatch.setattr(leave_out, "MOST_WORK", 0)
    X, y = drawn(40, 200, 0)
    with pytest.warns(ApproximationWarning, match=r"cv='loo' .* \d+ of 40 rows .* Use 5 folds, or leave"):
        scores(X, y, "loo", Cs=CS, l1_ratios=(1.0,))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scores(X, y, "loo", Cs=CS)  # an L2 penalty leaves a step that is near enough
    X, y = load_iris(return_X_y=True)
    with pytest.warns(ApproximationWarning, match=r"\d+ of 150 rows \(with C=10000\)") as caught:
        scores(X, y, "loo", Cs=(1.0, 1e4))
    assert caught[0].filename == __file__


@pytest.mark.slow
def test_the_command_finds_that_leave_one_out_is_off(monkeypatch):
    monkeypatch.setattr(leave_out, "MOST_WORK", 0)
    X, y = drawn(60, 200, 0)
    table = nw.from_dict({f"c{j}": X[:, j] for j in range(200)} | {"y": y.astype(str)}, backend="pyarrow")
    found = train(table, "y", Settings(cv="loo", l1_ratio=1.0)).findings
    assert [finding.remedy for finding in found if finding.code == "SX115"] == [
        "Use 5 folds, or leave out the largest Cs."
    ]


@pytest.mark.parametrize("others", [1, 2])
def test_a_class_of_one_row_cannot_be_left_out(others):
    X, y = load_iris(return_X_y=True)
    y = np.where(np.arange(len(y)) == 7, others, np.arange(len(y)) % others)
    with pytest.raises(TargetError, match=rf"cv='loo' leaves out row 7, .* class {others}"):
        LogisticRegressionCV(cv="loo").fit(X, y)


@pytest.mark.parametrize("scoring", ["neg_log_loss", "accuracy"])
@pytest.mark.parametrize("K", [2, *seldom(3)])
def test_scores_of_many_rows_are_added_up_as_they_are_left_out(monkeypatch, K, scoring):
    random = np.random.default_rng(0)
    X = random.standard_normal((140_000, 8))
    y = (X @ random.standard_normal((8, K)) + random.gumbel(size=(len(X), K))).argmax(axis=1)
    weight, offset = random.random(len(X)), random.standard_normal((len(X), K if K > 2 else 1))
    kept, stepped = [], leave_out.newton_steps
    monkeypatch.setattr(memory, "FEW_KEPT", 0)
    monkeypatch.setattr(leave_out, "newton_steps", lambda *given: kept.append(given[2].__name__) or stepped(*given))
    found = [LogisticRegressionCV(Cs=[0.01], cv="loo", scoring=scoring).fit(X, y, weight, offset).scores_]
    monkeypatch.setattr(leave_out, "LARGE", 0)
    found += [LogisticRegressionCV(Cs=[0.01], cv="loo", scoring=scoring).fit(X, y, weight, offset).scores_]
    assert kept == ["see", "keep"]
    np.testing.assert_allclose(*found, rtol=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_a_row_that_alone_holds_a_column_is_left_out_under_an_l1_penalty(seed):
    rng = np.random.default_rng(seed)
    X = np.column_stack([rng.standard_normal((40, 2)), np.arange(40) == 3])
    y = (X[:, 0] + rng.standard_normal(40) > 0).astype(int)
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        model = LogisticRegressionCV(cv="loo", l1_ratios=[1.0], Cs=[1.0, 1e4]).fit(X, y)
    assert np.isfinite(model.scores_).all()


@pytest.mark.parametrize("tol", [1e-4, 1e-8])
def test_rows_that_are_separated_are_left_out_as_truly_as_others_however_weak_the_penalty(tol):
    rng = np.random.default_rng(2)
    X = rng.standard_normal((24, 12))
    y = (X[:, 0] + 0.3 * rng.standard_normal(24) > 0).astype(int)
    how = {"Cs": [1e2, 1e4, 1e8], "scoring": "neg_log_loss", "tol": tol}
    exact = LogisticRegressionCV(cv=LeaveOneOut(), **(how | {"tol": 1e-14})).fit(X, y).scores_.mean(axis=0)[0]
    found = LogisticRegressionCV(cv="loo", **how).fit(X, y).scores_[0, 0]
    np.testing.assert_allclose(found, exact, rtol=0.02)
