"""How much memory a fit takes beside X: what NumPy allocates, as tracemalloc counts it. X takes 60 MB or more: about 15
are for blocks and their products, whatever its size."""

import tracemalloc
from collections.abc import Callable
from typing import Any
from weakref import ref

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from problems import Problem
from seldom import seldom
from separatrix import LinearRegression, LogisticRegression, LogisticRegressionCV
from separatrix.engine.iterate import Iterate, Solver, minimise

MOST = 0.3  # of the bytes of X


def rows(n: int, p: int, classes: int = 2, dtype: Any = np.float64) -> tuple[np.ndarray, np.ndarray]:
    """Normal columns and classes that follow from them."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, p), dtype=np.float32)
    y = (X @ rng.standard_normal((p, classes), dtype=np.float32) + 2 * rng.gumbel(size=(n, classes))).argmax(axis=1)
    return (X * 100 if np.dtype(dtype).kind == "i" else X).astype(dtype), y


def peak(fit: Callable[[], Any]) -> int:
    """The most bytes that a call holds at once."""
    tracemalloc.start()
    try:
        fit()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("shape", "dtype", "arguments"),
    [
        *seldom(((6_000_000, 5, 2), np.int16, {})),
        ((4_200_000, 2, 2), np.float64, {}),
        ((600_000, 30, 2), np.float32, {}),
        *seldom(((2_000_000, 4, 2), np.float64, {"class_weight": "balanced"}), ((1_000_000, 30, 2), np.int16, {})),
        ((300_000, 30, 2), np.float64, {"l1_ratio": 1.0, "C": 0.01}),
        *seldom(((200_000, 50, 10), np.float64, {"l1_ratio": 1.0, "C": 0.001, "tol": 1e-4})),
        ((300_000, 30, 4), np.float64, {}),
        *seldom(((300_000, 30, 4), np.float64, {"multi_class": "ovr"}), ((300_000, 50, 8), np.float32, {"tol": 1e-4})),
        *seldom(((40_000, 190, 3), np.float64, {}), ((16_000, 600, 2), np.float64, {})),
        ((4_000, 1_900, 2), np.float64, {}),
        ((900, 12_000, 2), np.float64, {}),
        *seldom(((900, 12_000, 5), np.float64, {"tol": 1e-4})),
        *seldom(((80, 100_000, 3), np.float64, {})),
        *seldom(((16_000, 600, 2), np.float64, {"l1_ratio": 0.5, "C": 0.05, "tol": 1e-4})),
    ],
    ids=str,
)
def test_no_fit_of_dense_rows_takes_more_than_30_percent_of_x_beside_x(shape, dtype, arguments):
    X, y = rows(*shape, dtype=dtype)
    model = LogisticRegression(n_threads=2, **arguments)
    assert peak(lambda: model.fit(X, y)) <= MOST * X.nbytes


@pytest.mark.parametrize(
    ("shape", "dtype", "share"),
    [
        ((4_000, 1_900), np.float64, 0.09),
        *seldom(((5_000, 1_600), np.float64, 0.14), ((8_000, 1_900), np.float32, 0.1)),
        *seldom(((60_000, 1_000), np.int8, 0.08), ((60_000, 1_000), np.bool_, 0.01)),
    ],
    ids=str,
)
def test_nor_does_one_of_rows_that_are_mostly_zeros(shape, dtype, share):
    rng = np.random.default_rng(1)
    X = (rng.random(shape, dtype=np.float32) < share).astype(dtype)
    y = X @ rng.normal(size=shape[1]) + 2 * rng.logistic(size=shape[0]) > 0
    assert peak(lambda: LogisticRegression(n_threads=2).fit(X, y)) <= MOST * X.nbytes


@pytest.mark.parametrize("of", [str, lambda y: pd.Series(y.astype(str), dtype="str")], ids=["numpy", "pandas"])
def test_labels_of_text_take_little(of):
    X, y = rows(800_000, 10)
    labels = np.array(["class 0", "class 1"])[y] if of is str else of(y)
    assert peak(lambda: LogisticRegression(n_threads=2).fit(X, labels)) <= MOST * X.nbytes


@pytest.mark.parametrize(
    ("shape", "alpha", "l1_ratio"),
    [
        ((2_500_000, 3), 0.0, 0.0),
        ((20_000, 400), 0.0, 0.0),
        ((6_000, 1_300), 0.0, 0.0),
        *seldom(((6_000, 1_300), 1.0, 0.0), ((6_000, 1_300), 100.0, 0.5), ((1_900, 4_000), 0.0, 0.0)),
        ((80, 100_000), 0.0, 0.0),
        *seldom(((80, 100_000), 1.0, 0.0), ((1_900, 4_000), 1.0, 0.0), ((2_800, 2_800), 0.1, 0.0)),
    ],
    ids=str,
)
def test_nor_does_a_linear_one(shape, alpha, l1_ratio):
    X, y = rows(*shape)
    assert peak(lambda: LinearRegression(alpha=alpha, l1_ratio=l1_ratio).fit(X, y)) <= MOST * X.nbytes


@pytest.mark.slow
def test_nor_does_one_of_as_many_rows_as_columns_one_of_them_there_twice():
    X, y = rows(2_801, 2_800)
    X[:, 0] = X[:, -1]
    model = LinearRegression()
    assert peak(lambda: model.fit(X, y)) <= MOST * X.nbytes
    assert model.rank_ == X.shape[1] - 1


def test_fewer_rows_than_columns_with_an_l1_part_take_no_triangle():
    X, y = rows(1_875, 2_000)  # whose triangle is as large, and so are its copies
    assert peak(lambda: LinearRegression(alpha=100.0, l1_ratio=0.5).fit(X, y)) <= X.nbytes


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "shape"),
    [
        (LogisticRegression(n_threads=2), (1_500_000, 7)),
        (LinearRegression(), (6_000, 1_300)),
        (LinearRegression(), (2_000, 4_000)),
    ],
    ids=str,
)
def test_rows_that_weigh_nothing_are_not_copied_away(model, shape):
    X, y = rows(*shape)
    weight = np.tile([1.0, 0.0], len(y) // 2)
    taken = peak(lambda: model.fit(X, y, weight))
    assert taken <= MOST * X.nbytes
    np.testing.assert_allclose(model.coef_, clone(model).fit(X[::2], y[::2]).coef_, atol=1e-7)


@pytest.mark.parametrize(
    ("shape", "arguments"),
    [
        ((100_000, 80, 2), {"Cs": 4, "cv": 4}),
        *seldom(
            ((100_000, 80, 2), {"Cs": 4, "cv": 4, "scoring": "neg_log_loss"}),
            ((25_000, 300, 2), {"Cs": 8, "cv": 3, "tol": 1e-4}),
        ),
        *seldom(((1_400_000, 6, 2), {"Cs": 2, "cv": 3})),
        ((250, 30_000, 2), {"Cs": 2, "cv": 3}),
        *seldom(
            ((1_000_000, 10, 2), {"Cs": 2, "cv": "loo"}), ((400_000, 20, 4), {"Cs": [0.01], "cv": "loo", "tol": 1e-4})
        ),
        *seldom(
            ((16_000, 600, 2), {"Cs": [0.1], "cv": 2, "tol": 1e-3}),
            ((250_000, 30, 4), {"Cs": [0.01], "cv": 2, "tol": 1e-2}),
        ),
    ],
    ids=str,
)
def test_folds_are_not_copied(shape, arguments):
    X, y = rows(*shape)
    model = LogisticRegressionCV(n_threads=2, **arguments)
    assert peak(lambda: model.fit(X, y)) <= MOST * X.nbytes


def test_columns_in_memory_order_are_not_copied():
    X, y = rows(300_000, 30)
    across = np.asfortranarray(X)
    assert peak(lambda: LogisticRegression(n_threads=2).fit(across, y)) <= MOST * X.nbytes


@pytest.mark.parametrize(("solver", "most"), [("auto", 4), *seldom(("newton", 6))])
def test_columns_that_all_but_repeat_each_other_take_a_few_curvatures(solver, most):
    rng = np.random.default_rng(0)
    X, y = rows(4_000, 149, 4)
    X = np.column_stack([X, X[:, 0] + 1e-10 * rng.standard_normal(len(X))])
    model = LogisticRegression(C=np.inf, tol=1e-6, solver=solver, n_threads=2)
    assert peak(lambda: model.fit(X, y)) <= most * 8 * model.coef_.size**2
    assert "Newton decrement" in model.certificate_.method


def test_nothing_holds_an_iterate_while_its_solver_makes_the_next():
    objective = Problem(*rows(60, 2), np.ones(60), 2, np.ones(2)).objective()
    at, made, held = objective.evaluate(np.zeros((3, 1)), order=1), [], []

    def iterate() -> Iterate:
        one = Iterate(at, 1.0)
        made.append(ref(one))
        return one

    def solver() -> Solver:
        while True:
            yield iterate()
            held.append(made[-1]() is not None)

    minimise(objective, solver(), tolerance=1e-9, target=1e-9, max_iter=3)
    assert held == [False, False, False]
