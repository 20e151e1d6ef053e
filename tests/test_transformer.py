"""Columns as a step of scikit-learn's pipelines."""

from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from separatrix import Columns, LinearRegression, LogisticRegression
from separatrix.data.tables.columns import Columns as Learned
from separatrix.errors import ArgumentError, CellError, ColumnError, DataError


@parametrize_with_checks([Columns(), Columns(sparse_output=True)])
def test_scikit_learn_has_no_objection(estimator, check):
    check(estimator)


def patients(rows: int = 200) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    age = rng.integers(20, 80, rows)
    return {
        "age": [None if i % 17 == 0 else float(a) for i, a in enumerate(age)],
        "city": rng.choice(["Oslo", "Rome", "Bergen"], rows).tolist(),
        "fee": [f"${fee:,.2f}" for fee in rng.uniform(900, 1100, rows)],
        "note": [f"patient {i} said that all was fine this morning" for i in range(rows)],
        "ill": ((age - 50) / 10 + rng.logistic(size=rows) > 0).astype(int).tolist(),
    }


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, pa.table])
def test_every_kind_of_dataframe_gives_the_same(make):
    data = patients()
    y = np.array(data.pop("ill"))
    model = make_pipeline(Columns(), LogisticRegression()).fit(make(data), y)
    names = model[0].get_feature_names_out().tolist()
    assert names == ["age", "age is missing", "city = Oslo", "city = Rome", "fee"]
    reference = make_pipeline(Columns(), LogisticRegression()).fit(pd.DataFrame(data), y)
    np.testing.assert_array_equal(model.predict_proba(make(data)), reference.predict_proba(pd.DataFrame(data)))
    assert model.score(make(data), y) > 0.7


def test_set_output_gives_a_dataframe_of_named_features():
    data = pd.DataFrame(patients(), index=range(1000, 1200))
    given = Columns(drop=["ill"]).set_output(transform="pandas").fit_transform(data)
    assert given.columns.tolist() == ["age", "age is missing", "city = Oslo", "city = Rome", "fee"]
    assert given.index.tolist() == data.index.tolist()
    assert isinstance(Columns().set_output(transform="polars").fit_transform(data), pl.DataFrame)


def test_its_parameters_are_those_of_the_learned_columns():
    data = pd.DataFrame(patients())
    told = {"drop": ["ill"], "categorical": ["age"], "text": ["note"], "text_width": 16, "floor": 5, "unseen": "error"}
    fitted = Columns(**told).fit(data)
    assert fitted.columns_ == Learned.learn(nw.from_native(data), where="X", **told)
    assert fitted.describe() == fitted.columns_.describe()
    assert clone(fitted).get_params() == fitted.get_params()


def test_a_grid_search_tunes_them():
    data = patients()
    y = data.pop("ill")
    grid = {"columns__floor": [0, 0.5], "logisticregression__C": [0.1, 1.0]}
    search = GridSearchCV(make_pipeline(Columns(), LogisticRegression()), grid, cv=3).fit(pd.DataFrame(data), y)
    assert search.best_params_.keys() == grid.keys()


@pytest.mark.parametrize("sparse_output", [True, False])
def test_the_output_is_as_dense_as_asked(sparse_output):
    data = pd.DataFrame(patients())
    for text in ([], ["note"]):
        X = Columns(text=text, sparse_output=sparse_output).fit_transform(data)
        assert sparse.issparse(X) == sparse_output
        usual = Columns(text=text).fit_transform(data)
        np.testing.assert_array_equal(*(each.toarray() if sparse.issparse(each) else each for each in (X, usual)))


def test_an_array_of_objects_has_its_columns_numbered():
    columns = Columns().fit(np.array([["a", 1.5], ["b", None], ["a", 3.5]], dtype=object))
    assert columns.get_feature_names_out().tolist() == ["x0 = b", "x1", "x1 is missing"]
    with pytest.raises(CellError, match="column 'x1', row 1 of X: 'old' is not a number"):
        columns.transform(np.array([["a", "old"]], dtype=object))


WHEN = pd.Timestamp("2020-03-04")


@pytest.mark.parametrize(
    "cells",
    [
        ["a", np.nan, "b"],
        ["a", pd.NA, "b"],
        [np.nan, "a", "b"],
        [True, np.nan, False],
        [pd.NaT, WHEN, WHEN.replace(day=9)],
        ["a", 5, "b"],
        [10**30, 1, 2],
        [1, 2.5, None],
    ],
)
def test_objects_mean_the_same_in_a_table_with_names_with_numbers_for_names_and_in_an_array(cells):
    named = pd.DataFrame({"x0": pd.Series(cells, dtype=object), "x1": [1.0, 2.0, 4.0]})
    numbered = named.set_axis([0, 1], axis=1)
    known = Columns().fit(named)
    for other in (numbered, named.to_numpy()):
        found = Columns().fit(other)
        assert found.describe() == known.describe()
        np.testing.assert_array_equal(found.transform(other), known.transform(named))


def test_columns_with_numbers_for_names_keep_their_types():
    days = pd.to_datetime(["2020-01-01", "2021-05-05", "2022-03-03"])
    found = Columns().fit(pd.DataFrame({0: days, 1: pd.array([1, None, 3], dtype="Int64")})).describe()
    assert found[0] == ("x0", "date from 2020-01-01 on, by its day, month, weekday")
    assert found[1][1].startswith("number from 1 to 3, mean 2, 1 missing cell")


def test_arrays_of_numbers_and_days_may_have_any_type_of_such():
    for kind in (">f8", np.longdouble, ">i4"):
        np.testing.assert_array_equal(Columns().fit_transform(np.eye(3).astype(kind)), np.eye(3))
    years = np.array([["2020"], ["2021"], ["2023"]], dtype="M8[Y]")
    assert Columns().fit(years).describe()[0][1].startswith("date from 2020-01-01")


def test_what_is_masked_in_an_array_is_missing():
    masked = np.ma.array([[1.0, 999.0], [3.0, 4.0], [5.0, 6.0]], mask=[[0, 1], [0, 0], [0, 0]])
    np.testing.assert_array_equal(Columns().fit_transform(masked)[:, 1:], [[5.0, 1.0], [4.0, 0.0], [6.0, 0.0]])


def test_a_fit_that_is_refused_leaves_it_as_it_was():
    data = pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": [3.0, 1.0, 2.0]})
    columns = Columns().fit(data)
    with pytest.raises(ColumnError, match="no column 'nope'"):
        columns.set_params(drop=["nope"]).fit(pd.DataFrame({"z": [1, 2]}))
    np.testing.assert_array_equal(columns.set_params(drop=()).transform(data), data)


def test_a_model_of_a_table_with_numbers_for_names_predicts_that_table():
    rows = np.arange(40)
    data = pd.DataFrame({0: np.sin(rows), 1: np.where(rows % 3, "a", "b"), "y": rows % 2})
    model, named = (LogisticRegression().fit(each, target="y") for each in (data, data.rename(columns=str)))
    np.testing.assert_array_equal(model.predict_proba(data), named.predict_proba(data.rename(columns=str)))
    assert model.score(data) == named.score(data.rename(columns=str))
    with pytest.raises(ColumnError, match="no column '1' in the data"):
        model.predict(data[[0]])


def test_a_score_of_no_rows_is_refused():
    data = pd.DataFrame({"a": [1.0, 2.0, 3.0, 4.0], "y": [0, 1, 0, 1]})
    for estimator in (LogisticRegression(), LinearRegression()):
        with pytest.raises(DataError, match="cannot be compared"):
            estimator.fit(data, target="y").score(data[:0])


def test_what_it_cannot_do_is_said_in_one_line():
    data = pd.DataFrame(patients())
    with pytest.raises(ColumnError, match=r"no column 'cty' in X\. Did you mean 'city'"):
        Columns(drop=["cty"]).fit(data)
    with pytest.raises(ArgumentError, match="sparse_output='yes' must be True, False or None"):
        Columns(sparse_output="yes").fit(data)
    with pytest.raises(CellError, match="column 'city', row 2 of X: 'Paris' was not seen at fit"):
        Columns(unseen="error").fit(data).transform(data.assign(city=["Rome", "Paris"] * 100))
    with pytest.raises(ValueError, match="not fitted"):
        Columns().transform(data)


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"drop": "age"}, r"drop='age' must be a list of names, such as \['age'\]"),
        ({"categorical": None}, "categorical=None must be a list of names"),
        ({"date": "year"}, r"date='year' must be a list of names, such as \['year'\]"),
        ({"floor": "10"}, "floor='10' must be a number of rows"),
        ({"text_width": 10.5}, "text_width=10.5 must be a whole number of features, from 2 to 262,144"),
        ({"drop": ["age"], "numeric": ["age"]}, "column 'age' cannot be both drop and numeric"),
    ],
)
def test_an_argument_of_the_wrong_kind_is_named_with_what_is_due(told, message):
    with pytest.raises(ArgumentError, match=message):
        Columns(**told).fit(pd.DataFrame(patients()))


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"target": "ill", "columns": "age"}, "columns='age' must be a separatrix.Columns"),
        ({"target": ["ill"]}, r"target=\['ill'\] must be the name of one column"),
        ({"target": 1}, "target=1 must be the name of one column"),
    ],
)
def test_a_fit_of_a_table_names_an_argument_of_the_wrong_kind(told, message):
    with pytest.raises(ArgumentError, match=message):
        LogisticRegression().fit(pd.DataFrame(patients()), **told)


def test_columns_of_pandas_in_several_chunks_are_read_as_one():
    part = pd.DataFrame({"c": ["a", "b"] * 20, "x": np.arange(40.0) % 7})
    part["t"] = pd.array(pd.date_range("2020", periods=40), dtype="timestamp[ns][pyarrow]")
    whole = pd.concat([part, part], ignore_index=True)
    np.testing.assert_array_equal(Columns().fit_transform(whole)[:40], Columns().fit(whole).transform(part))
    labels = np.arange(80) % 3 == 0
    model = LogisticRegression().fit(whole.assign(y=labels), target="y")
    np.testing.assert_array_equal(model.predict(whole)[:40], model.predict(part))


@pytest.mark.parametrize("kind", ["pandas", "polars"])
def test_a_dataframe_that_is_asked_for_is_dense_and_never_of_scikit_learns_refusal(kind):
    data = pd.DataFrame({"city": [f"city {k % 90}" for k in range(900)], "said": ["so good"] * 450 + ["bad"] * 450})
    columns = Columns(text=["said"], text_width=64).set_output(transform=kind)
    found = columns.fit_transform(data)
    assert list(found.columns) == columns.columns_.feature_names
    np.testing.assert_array_equal(found.to_numpy(), Columns(text=["said"], text_width=64).fit_transform(data).toarray())
    with pytest.raises(ArgumentError, match=f"{kind.title()} output does not support sparse data. Set sparse_out"):
        columns.set_params(sparse_output=True).fit_transform(data)


def test_a_dense_array_too_large_for_memory_is_refused_before_it_is_made(monkeypatch):
    monkeypatch.setattr("separatrix.columns.MOST_CELLS", 100_000)
    data = pd.DataFrame({"said": ["so good", "so bad"] * 20})
    with pytest.raises(ArgumentError, match="40 rows of 4,096 features are 0 GB as a dense array: leave sparse_output"):
        Columns(text=["said"], sparse_output=False).fit_transform(data)


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        ({"a": [1, 2]}, ArgumentError, "X is a dict: give rows and columns, as an array or a dataframe"),
        ("rows.csv", ArgumentError, "X='rows.csv' is text: give rows and columns"),
        ([1.0, 2.0], DataError, r"X has shape \(2,\), and must have two dimensions"),
        ([["a", 1.0], ["b"]], DataError, r"X\[1\] has 1 cells, and X\[0\] has 2"),
        (np.empty((0, 2)), DataError, "X has no rows"),
        (sparse.eye(2, format="csr"), DataError, "dense data is required"),
    ],
)
def test_what_is_no_table_is_refused_when_columns_are_learned_and_when_they_are_read(X, error, message):
    for ask in (Columns().fit, Columns().fit([[1.0, "x"], [2.0, "y"]]).transform):
        with pytest.raises(error, match=message) as refusal:
            ask(X)
        assert "\n" not in str(refusal.value)


def test_a_table_of_other_columns_than_those_that_were_learned_is_refused():
    columns = Columns().fit(pd.DataFrame({"a": [1.0, 2.0], "b": ["x", "y"]}))
    with pytest.raises(ColumnError, match="feature names should match"):
        columns.transform(pd.DataFrame({"c": [1.0], "b": ["x"]}))
    with (
        pytest.warns(UserWarning, match="does not have valid feature names"),
        pytest.raises(DataError, match="expecting 2 features as input: give the columns of the fit"),
    ):
        columns.transform(np.eye(3))


def test_no_rows_are_no_columns_that_are_empty():
    with pytest.raises(DataError, match="X has no rows to learn columns from; add rows"):
        Columns().fit(pd.DataFrame({"a": [1.0], "b": ["x"]})[:0])
