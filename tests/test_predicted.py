"""Predictions of many rows are made piece by piece, and are those of the rows one by one."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from seldom import seldom
from separatrix import LinearRegression, LogisticRegression, predicted
from separatrix.errors import CellError

STORES = {
    "rows": np.asarray,
    "columns": np.asfortranarray,
    "single precision": lambda X: X.astype(np.float32),
    "sparse": sparse.csr_array,
    "cut": lambda X: np.hstack([X, X])[:, : X.shape[1]],
    "numbers": lambda X: np.rint(X).astype(np.int16),
}
ASKED = ["decision_function", "predict", "predict_proba", "predict_log_proba"]


def rows_and_labels(K, rows=500):
    rng = np.random.default_rng(K)
    X = rng.normal(size=(rows, 4)) * 3
    return X, np.array(["ash", "birch", "cedar"])[np.argmax(X[:, :K] + rng.gumbel(size=(rows, K)), axis=1)]


@pytest.fixture
def in_pieces(monkeypatch):
    """From here on few cells are many, and a piece is 30 rows, of eta 7 and more."""
    monkeypatch.setattr(predicted, "FEW", 0)
    monkeypatch.setattr(predicted, "CELLS", 120)
    monkeypatch.setattr(predicted, "MANY", 0)
    monkeypatch.setattr(predicted, "NUMBERS", 21)
    monkeypatch.setattr("separatrix.equations.hyperplane.PIECE_CELLS", 0)


@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize(("K", "multi_class"), [(2, "auto"), (3, "auto"), *seldom((3, "ovr"))])
def test_what_is_predicted_in_pieces_is_what_is_predicted_at_once(K, multi_class, store, request):
    X, y = rows_and_labels(K)
    offset = np.linspace(-1, 1, 1500).reshape(500, 3)[:, : 1 if K == 2 else 3]
    model = LogisticRegression(multi_class=multi_class, n_threads=2).fit(X, y)
    given = STORES[store](X)
    at_once = {(name, k): getattr(model, name)(given, o) for name in ASKED for k, o in enumerate((None, offset))}
    request.getfixturevalue("in_pieces")
    for (name, k), whole in at_once.items():
        found = getattr(model, name)(given, (None, offset)[k])
        assert found.dtype == whole.dtype
        if name == "predict":
            assert_array_equal(found, whole)
        else:
            assert_allclose(found, whole, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("targets", [None, 1, 2])
def test_numbers_are_predicted_in_pieces(targets, in_pieces):
    X, _ = rows_and_labels(2)
    y = X[:, 0] if targets is None else X[:, :targets]
    assert_allclose(LinearRegression().fit(X, y).predict(X), y, atol=1e-12)


@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize("value", [np.nan, np.inf, *seldom(-np.inf)])
def test_a_cell_of_a_later_piece_that_is_no_number_is_named_by_its_row(store, value, in_pieces):
    X, y = rows_and_labels(2)
    model = LogisticRegression().fit(X, y)
    X[321, 2] = value
    if store == "numbers":
        pytest.skip("whole numbers are always finite")
    with pytest.raises(CellError, match=r"X\[321, 2\] is"):
        model.predict(STORES[store](X))


def test_large_numbers_in_single_precision_are_no_error_in_any_piece(in_pieces):
    X, y = rows_and_labels(2)
    model = LogisticRegression().fit(X, y)
    far = (X * 1e25).astype(np.float32)
    assert_array_equal(model.predict(far), model.predict(far.astype(float)))
