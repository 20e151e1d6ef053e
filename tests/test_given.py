"""What callers give to regressions: tables of any kind, gaps, weights, words; and what they are told where it fails."""

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse as sps

from separatrix import detect_separation, logit, ols
from separatrix.engine.linear_algebra import factor_positive
from separatrix.errors import ArgumentError, ColumnError, DataError, TargetError

LOW = np.array([0, 1, 0, 0, 1, 1, 0, 1, 1, 0, 1, 0])
AGE = np.array([19.0, 33, 20, 21, 18, 21, 22, 17, 29, 26, 19, 19])
LWT = np.array([182.0, 155, 105, 108, 107, 124, 118, 103, 123, 113, 95, 150])
X = np.column_stack([AGE, LWT])
TABLE: dict[str, Any] = {"low": LOW, "age": AGE, "lwt": LWT, "race": ["a", "b", "c"] * 4}


def frame(**more: Any) -> pd.DataFrame:
    return pd.DataFrame(TABLE | more)


def assert_same(ours: Any, others: Any) -> None:
    np.testing.assert_allclose(ours.params, others.params, rtol=1e-7)


# tables


def test_columns_with_whole_numbers_for_names_are_called_by_them():
    numbered = logit(LOW, pd.DataFrame(X))
    assert numbered.param_names == ("Intercept", "x0", "x1")
    assert_same(numbered, logit(LOW, X))
    np.testing.assert_allclose(numbered.predict(pd.DataFrame(X)), numbered.fittedvalues)


@pytest.mark.parametrize("columns", [None, ["age", "lwt"]])
def test_a_dataframe_without_its_zeros_is_fitted_as_a_sparse_matrix(columns):
    given = pd.DataFrame.sparse.from_spmatrix(sps.csr_array(X), columns=columns)
    assert_same(logit(LOW, given), logit(LOW, X))
    assert_same(ols(LWT, given.assign(dense=AGE**2)), ols(LWT, np.column_stack([X, AGE**2])))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (pd.DataFrame(X, columns=pd.MultiIndex.from_tuples([("a", "x"), ("a", "y")])), "names of 2 levels"),
        (pd.DataFrame(X, columns=["age", "age"]), "2 columns have the name 'age'"),
        (pa.table([AGE, LWT], names=["age", "age"]), "2 columns have the name 'age'"),
    ],
)
@pytest.mark.parametrize("fit", [lambda X: logit(LOW, X), lambda X: logit("low ~ age", X)])
def test_names_that_do_not_tell_columns_apart_are_refused_in_one_line(given, message, fit):
    with pytest.raises(ColumnError, match=message) as caught:
        fit(given)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("rows", [pl.LazyFrame({"age": AGE})])
def test_rows_that_are_not_here_yet_are_asked_to_be_collected(rows):
    for fit in (lambda: logit(LOW, rows), lambda: logit("low ~ age", rows), lambda: detect_separation(rows, LOW)):
        with pytest.raises(DataError, match=r"LazyFrame are not here yet: get them by \.collect\(\)"):
            fit()


def test_a_dict_of_columns_is_a_matrix_with_names():
    columns = {"age": AGE.tolist(), "lwt": LWT}
    fit = logit(LOW, columns)
    assert fit.param_names == ("Intercept", "age", "lwt")
    assert_same(fit, logit(LOW, X))
    np.testing.assert_allclose(fit.predict({"lwt": [100.0], "age": [20.0]}), fit.predict([[20.0, 100.0]]))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"age": 20.0, "lwt": 100.0}, r"column 'age' has shape \(\), .* write \[3.0\]"),
        ({"age": [20.0, 21.0], "lwt": [100.0]}, "column 'lwt' has 1 rows, and 'age' 2"),
    ],
)
def test_columns_of_a_dict_have_a_value_for_each_row(columns, message):
    for fit in (logit("low ~ age + lwt", TABLE), logit(LOW, frame()[["age", "lwt"]])):
        with pytest.raises(DataError, match=message):
            fit.predict(columns)


def test_separation_names_the_columns_of_any_table_in_short():
    columns = {"dose": np.arange(40.0), "age": np.tile([1.0, 2.0], 20)}
    y = np.arange(40) > 20
    for given in (columns, pa.table(columns), pl.DataFrame(columns), pd.DataFrame(columns)):
        found = detect_separation(given, y)
        assert found.columns == ("dose", "age")
        assert "every row with dose > 20.5" in str(found)
    assert "every row with x0 > 20.5" in str(detect_separation(pd.DataFrame(np.arange(40.0)), y))


@pytest.mark.parametrize("given", [np.ma.array(X, mask=X == 155.0), sps.csr_array(np.where(X == 155.0, np.nan, X))])
def test_a_gap_is_named_in_masked_and_sparse_matrices(given):
    for fit in (logit, ols):
        with pytest.raises(DataError, match="column 'x2' is nan in row 1"):
            fit(LOW, given)


def test_complex_numbers_are_refused_where_they_are_sparse_too():
    for given in (X + 1j, sps.csr_array(X + 1j)):
        with pytest.raises(DataError, match="X is of type complex128, and must be numbers"):
            logit(LOW, given)


def test_what_is_masked_is_missing():
    hidden = np.arange(12) == 3
    with pytest.raises(TargetError, match="y is missing in row 3"):
        logit(np.ma.array(LOW, mask=hidden), X)
    with pytest.raises(TargetError, match="y is missing or infinite in row 3"):
        ols(np.ma.array(LWT, mask=hidden), X)
    with pytest.raises(ArgumentError, match=r"weights\[3\]=nan"):
        ols(LWT, AGE, weights=np.ma.array(AGE, mask=hidden))


# singular sparse designs


@pytest.mark.parametrize(("column", "words"), [(AGE, "x2 = x1"), (0 * AGE, "x2 = 0"), (0 * AGE + 1, "x2 = a constant")])
def test_a_singular_sparse_design_names_its_columns(column, words):
    X = sps.csr_array(np.column_stack([AGE, column]))
    with pytest.raises(DataError, match=f"the design is singular: {words}"):
        logit(LOW, X)
    assert_same(logit(LOW, X, singular="drop"), logit(LOW, AGE))


def test_a_singular_matrix_that_lies_by_columns_is_factored_with_a_ridge():
    A = np.asfortranarray([[4.0, 4.0, 1.0], [4.0, 4.0, 1.0], [1.0, 1.0, 1.0]])
    factor = factor_positive(A)
    np.testing.assert_allclose(factor.lower @ factor.lower.T, A / np.outer(factor.unit, factor.unit), atol=1e-6)
