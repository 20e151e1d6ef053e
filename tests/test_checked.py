"""What callers may give to the estimators, and the one line they are told where it cannot be."""

import datetime
import re
import warnings
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse as sps

import problems  # noqa: F401 - one thread
from separatrix import (
    Columns,
    FirthLogisticRegression,
    LinearRegression,
    LogisticRegression,
    LogisticRegressionCV,
    logit,
    ols,
    scratch,
)
from separatrix.arguments import LARGEST
from separatrix.data.threads import thread_count
from separatrix.errors import (
    ArgumentError,
    CellError,
    ColumnError,
    ConvergenceWarning,
    DataError,
    NotFittedError,
    SeparatrixError,
    TargetError,
)

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 3))
Y = (X[:, 0] + RNG.logistic(size=60) > 0).astype(int)
THREE = np.digitize(X[:, 0] + RNG.normal(size=60), [-0.5, 0.5])
NUMBERS = X[:, 0] + RNG.normal(size=60)
FRAME = pd.DataFrame(X, columns=list("abc"))
HUGE = 10**400
MODELS = [LogisticRegression, LinearRegression, FirthLogisticRegression]
SOLVERS = ["newton", "quasi-newton", "conjugate-gradient", "gradient-descent", "proximal-newton"]


def with_cell(row: int, column: int, value: Any, dtype: Any = float) -> np.ndarray:
    """X with another value in one cell."""
    changed = X.astype(dtype)
    changed[row, column] = value
    return changed


def one_line(call: Any) -> SeparatrixError:
    """The error of a call, which must be ours, and one line."""
    with pytest.raises(SeparatrixError) as caught:
        call()
    assert "\n" not in str(caught.value)
    assert "np." not in str(caught.value)
    return caught.value


# the number of threads


def test_the_number_of_threads_is_blamed_on_the_variable_that_has_it(monkeypatch):
    monkeypatch.setenv("SEPARATRIX_NUM_THREADS", "abc")
    with pytest.raises(ArgumentError, match=r"\$SEPARATRIX_NUM_THREADS='abc' must be a whole number, at least 1"):
        thread_count()
    with pytest.raises(ArgumentError, match="n_threads='x' must be"):
        thread_count("x")  # pyright: ignore[reportArgumentType]
    monkeypatch.setenv("SEPARATRIX_NUM_THREADS", " 2 ")
    assert thread_count() == 2


@pytest.mark.parametrize(("told", "threads"), [(" 5 ", 5), ("7,2", 7), ("abc", None), ("0", None), ("", None)])
def test_of_openmp_s_own_variable_the_first_number_counts_and_what_is_none_is_passed_over(monkeypatch, told, threads):
    monkeypatch.delenv("SEPARATRIX_NUM_THREADS", raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    cores = thread_count()
    monkeypatch.setenv("OMP_NUM_THREADS", told)
    assert thread_count() == (threads or cores)


# parameters


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("number", [np.float16(1e-5), np.float32(2e-39), np.float16(0.1), 10**20])
def test_a_parameter_is_the_number_that_it_is_whatever_its_type(number):
    for given, plain in (({"C": number}, {"C": float(number)}), ({"l1_ratio": number}, {"l1_ratio": float(number)})):
        if "C" in given or number < 1:
            expected = LogisticRegression(**plain).fit(X, Y)
            np.testing.assert_array_equal(LogisticRegression(**given).fit(X, Y).coef_, expected.coef_)
    if number < 1:
        lasso = LinearRegression(alpha=number, l1_ratio=number).fit(X, NUMBERS)
        plain = LinearRegression(alpha=float(number), l1_ratio=float(number)).fit(X, NUMBERS)
        np.testing.assert_array_equal(lasso.coef_, plain.coef_)


@pytest.mark.parametrize("value", [np.timedelta64(1, "s"), np.complex128(1), 1j])
def test_a_duration_or_a_complex_number_is_no_parameter(value):
    for model in (LogisticRegression(C=value), LogisticRegression(tol=value), LinearRegression(alpha=value)):
        assert "must be a number" in str(one_line(lambda model=model: model.fit(X, Y)))


@pytest.mark.parametrize("model", [LogisticRegression(), LinearRegression()])
def test_columns_are_told_of_tables_alone(model):
    with pytest.raises(ArgumentError, match=r"columns=Columns\(drop=\['a'\]\) is for a table whose target is named"):
        model.fit(FRAME, Y, columns=Columns(drop=["a"]))


def test_the_remedy_for_a_missing_y_is_one_that_the_model_has():
    for Model in (LogisticRegression, LinearRegression):
        assert "fit(X, y), or fit(table, target='...')" in str(one_line(lambda Model=Model: Model().fit(X, None)))
        assert "fit('a.csv', target='...')" in str(one_line(lambda Model=Model: Model().fit("a.csv", Y)))
    for Model in (LogisticRegressionCV, FirthLogisticRegression):
        assert "target=" not in str(one_line(lambda Model=Model: Model().fit(X, None)))
        assert "target=" not in str(one_line(lambda Model=Model: Model().fit("a.csv", Y)))


@pytest.mark.parametrize("model", [LogisticRegression(), LogisticRegressionCV(Cs=2, cv=2)])
def test_labels_of_another_kind_are_named_where_they_are_to_be_judged(model):
    message = str(one_line(lambda: model.fit(X, Y).score(X, Y.astype(str))))
    assert re.search(r"y=\['1', .* cannot be compared|the default scoring cannot score these rows", message)


# cells


@pytest.mark.parametrize("Model", MODELS)
@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (with_cell(3, 1, "oops", object), CellError, r"X\[3, 1\] is 'oops', which is no number: .* separatrix.Columns"),
        (FRAME.assign(b="txt"), CellError, "column 'b' of X is 'txt' in row 0, counted from 0, which is no number"),
        (pl.DataFrame({"a": X[:, 0], "b": ["txt"] * 60}), CellError, "column 'b' of X is 'txt' in row 0"),
        (FRAME.assign(c=pd.Categorical(["u", "v"] * 30)), CellError, "column 'c' of X is 'u' in row 0"),
        (np.full((60, 1), "q"), CellError, r"X\[0, 0\] is 'q'"),
        (with_cell(2, 0, {"a": 1}, object), CellError, r"X\[2, 0\] is \{'a': 1\}: each cell of this argument must be"),
        (with_cell(5, 2, np.nan), CellError, r"X\[5, 2\] is NaN: leave the row out, or fill the gap"),
        (with_cell(6, 1, -np.inf, np.float32), CellError, r"X\[6, 1\] is -inf: leave"),
        (sps.csr_array(with_cell(5, 2, np.nan)), CellError, r"X\[5, 2\] is NaN"),
        (np.ma.array(X, mask=X[7, 1] == X), CellError, r"X\[7, 1\] is NaN"),
        (with_cell(4, 0, None, object), CellError, r"X\[4, 0\] is NaN"),
        (
            FRAME.assign(b=with_cell(9, 1, np.nan)[:, 1]),
            CellError,
            "column 'b' of X is NaN in row 9, counted",
        ),
        (pl.LazyFrame({"a": X[:, 0]}), DataError, r"LazyFrame are not here yet: get them by \.collect\(\)"),
        (pd.DataFrame(X, columns=["a", "a", "b"]), ColumnError, "2 columns have the name 'a'"),
        (pd.DataFrame(X, columns=["a", 1, 2]), ColumnError, "names of text and of other types: make all of them text"),
        (np.full(X.shape, np.longdouble("1e400")), CellError, r"X\[0, 0\] is inf: leave the row out"),
        ((X * 1e6).astype("datetime64[s]"), DataError, r"X is of type datetime64\[s\]: times are no numbers"),
        ((X * 1e6).astype("timedelta64[s]"), DataError, r"X is of type timedelta64\[s\]: times"),
        (FRAME.assign(t=pd.date_range("2020", periods=60)), ColumnError, "column 't' of X is of type datetime64"),
        (FRAME.assign(t=pd.to_timedelta(np.arange(60), unit="s")), ColumnError, "column 't' of X is of type timedelta"),
        (pl.DataFrame({"t": pd.date_range("2020", periods=60)}), ColumnError, "column 't' of X is of type Datetime"),
        (
            pa.table({"a": X[:, 0], "b": [None, *X[1:, 1]]}),
            CellError,
            "column 'b' of X is NaN in row 0, counted from 0",
        ),
        (pa.table({"a": X[:, 0], "b": ["txt"] * 60}), CellError, "column 'b' of X is 'txt' in row 0, counted from 0"),
        (pa.table({"t": [datetime.date(2020, 1, 1)] * 60}), ColumnError, "column 't' of X is of type date32.*: times"),
        (pa.record_batch({"t": [datetime.timedelta(1)] * 60}), ColumnError, "column 't' of X is of type duration"),
        (with_cell(3, 1, HUGE, object), CellError, r"X\[3, 1\] is a whole number beyond 1\.79769e\+308, the largest"),
        (pd.DataFrame(with_cell(3, 1, HUGE, object)), CellError, "column '1' of X is a whole number beyond"),
        (X + 1j, DataError, "Complex data not supported: X has complex numbers"),
        (sps.csr_array(X + 1j), DataError, "Complex data not supported"),
        (FRAME.astype("Sparse[float]"), ColumnError, r"column 'a' of X is of type Sparse\[.*, which leaves out nan: a"),
        (FRAME.astype(pd.SparseDtype(float, 1.0)), ColumnError, "which leaves out 1.0: a sparse column leaves out 0"),
        (FRAME.assign(b=1j), DataError, "Complex data not supported"),
        (X[:, 0], DataError, r"X has shape \(60,\), and must have two dimensions: .* X.reshape\(-1, 1\) is one column"),
        (X[:, :, None], DataError, r"X has shape \(60, 3, 1\), and must have two dimensions"),
        ([[[1, 2], [3]]] * 60, DataError, "X has cells that are lists of several lengths"),
        (X[:0], DataError, r"X has no rows: 0 sample\(s\)"),
        (X[:, :0], DataError, r"X has no columns: 0 feature\(s\)"),
        ([[1.0, 2.0], [3.0]] * 30, DataError, r"X\[1\] has 1 cells, and X\[0\] has 2"),
        ("data.csv", ArgumentError, "X='data.csv' is text: "),
        (None, ArgumentError, "X is a NoneType: give rows and columns"),
        ({"a": X[:, 0]}, ArgumentError, "X is a dict: give rows and columns"),
        (3.0, ArgumentError, "X is a float: give rows and columns"),
    ],
)
def test_what_is_no_matrix_of_numbers_is_told_with_its_place_in_one_line(Model, given, error, message):
    found = one_line(lambda: Model().fit(given, Y))
    assert isinstance(found, error)
    with pytest.raises(error, match=message):
        raise found


@pytest.mark.parametrize("Model", [LogisticRegression, LinearRegression])
@pytest.mark.parametrize(
    ("given", "message"),
    [
        (FRAME.assign(b="txt"), "column 'b' of X is 'txt' in row 0"),
        (with_cell(5, 2, np.nan), r"X\[5, 2\] is NaN"),
        (X[:, :2], "X has 2 features, but .* is expecting 3 features as input: give the columns of the fit"),
        (X[0], "Reshape your data"),
        (X + 1j, "Complex data not supported"),
        (with_cell(3, 1, HUGE, object), r"X\[3, 1\] is a whole number beyond"),
        (pl.LazyFrame({"a": X[:, 0]}), "not here yet"),
    ],
)
@pytest.mark.filterwarnings("ignore:X has feature names")
def test_a_prediction_tells_what_its_rows_lack_as_the_fit_does(Model, given, message):
    model = Model().fit(X, Y)
    with pytest.raises(DataError, match=message):
        model.predict(given)
    assert isinstance(one_line(lambda: Model().predict(X)), NotFittedError)


@pytest.mark.filterwarnings("ignore:pandas.DataFrame with sparse columns")
def test_pandas_columns_without_their_zeros_truth_values_and_halves_are_numbers():
    plain = LogisticRegression().fit(X, Y).coef_
    thin = pd.DataFrame.sparse.from_spmatrix(sps.csr_array(X), columns=list("abc"))
    np.testing.assert_allclose(LogisticRegression().fit(thin, Y).coef_, plain, rtol=1e-7)
    assert LogisticRegression().fit(thin.assign(d=1.0), Y).coef_.shape == (1, 4)
    truth = LogisticRegression().fit((X > 0) * 1.0, Y).coef_
    for given in (X > 0, FRAME > 0, sps.csr_array(X > 0)):
        np.testing.assert_allclose(LogisticRegression().fit(given, Y).coef_, truth, rtol=1e-7)
    assert LogisticRegression().fit(X.astype(np.float16), Y).coef_ == pytest.approx(plain, rel=1e-2)


# y


@pytest.mark.parametrize("Model", MODELS)
@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([None, *Y[1:]], "y is missing in row 0, counted from 0: leave the row out"),
        ([*Y[:2], np.nan, *Y[3:]], "y is missing in row 2"),
        (["a", None] * 30, "y is missing in row 1"),
        (np.array(["a", np.nan] * 30, dtype=object), "y is missing in row 1"),
        (pd.Series(["a", None] * 30, dtype="category"), "y is missing in row 1"),
        (pd.Series([1, None] * 30, dtype="Int64"), "y is missing in row 1"),
        (pl.Series([1, None] * 30), "y is missing in row 1"),
        (np.ma.array(Y, mask=np.arange(60) == 4), "y is missing in row 4"),
        (Y[:5], "y has 5 rows, and X has 60: give as many of each"),
        (Y[:, None, None], r"y has shape \(60, 1, 1\), and must have a value for each row, \(60,\)"),
        (None, r"requires y to be passed, but the target y is None: fit\(X, y\)"),
        (3, "y=3 must hold a value for each row, 60 of them"),
        ("abc", "y='abc' must hold a value for each row"),
        (Y + 1j, "Complex data not supported: y has complex"),
        (sps.csr_array(Y[:, None]), "y is a sparse matrix, and must be dense"),
        (pl.LazyFrame({"y": Y}), "not here yet"),
        (np.ma.array(np.where(Y, "a", "b"), mask=np.arange(60) == 4), "y is missing in row 4"),
        (np.where(np.arange(60) == 2, np.inf, NUMBERS), r"y\[2\]=inf must be finite"),
    ],
)
def test_a_y_that_is_not_one_value_a_row_is_told_in_one_line(Model, y, message):
    found = one_line(lambda: Model().fit(X, y))
    with pytest.raises(SeparatrixError, match=message):
        raise found


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.where(Y == 1, "a", "b"), r"y\[0\]='[ab]' is no number: to learn classes use LogisticRegression"),
        ([*NUMBERS[:3].tolist(), "a", *NUMBERS[4:].tolist()], r"y\[0\]=|y\[3\]='a' is no number"),
        (pd.date_range("2020", periods=60), "y is of type datetime64.* times are no numbers"),
        ([*NUMBERS[:3].tolist(), HUGE, *NUMBERS[4:].tolist()], r"y\[3\] is a whole number beyond 1\.79769e\+308"),
        (NUMBERS * 1e300, r"y\[0\]=-?\S+e\+\d+ is beyond 1e\+90, too large to square: rescale y"),
    ],
)
def test_least_squares_names_the_y_that_is_no_number(y, message):
    with pytest.raises(TargetError, match=message):
        LinearRegression().fit(X, y)


@pytest.mark.parametrize("Model", [LogisticRegression, FirthLogisticRegression])
@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.ones(60), "y has one class, 1.0: there is nothing to tell apart"),
        (np.full(60, "a"), "y has one class, 'a': there"),
        (NUMBERS, "y holds numbers such as -?\\d\\.\\d+, no classes: use LinearRegression"),
        (np.column_stack([Y, Y]), r"y has shape \(60, 2\), and must have a value for each row"),
        ([[1], [1, 2]] * 30, r"y\[0\]=\[1\] is a list: give one value for each row"),
        (np.array([0, "a"] * 30, dtype=object), "y=.* holds int and str: make all labels text, or whole numbers"),
    ],
)
def test_labels_that_are_none_are_told_in_one_line(Model, y, message):
    with pytest.raises(SeparatrixError, match=message):
        raise one_line(lambda: Model().fit(X, y))
    if "one class" in message:
        assert "np." not in str(one_line(lambda: scratch.LogisticRegression().fit(X, y)))


@pytest.mark.parametrize("Model", MODELS)
@pytest.mark.parametrize("y", [np.asmatrix(Y), np.asmatrix(Y).T], ids=["row", "column"])
def test_a_matrix_is_no_y_and_told_to_be_made_an_array(Model, y):
    with pytest.raises(DataError, match=r"y is a numpy matrix, .*: give np\.asarray\(y\)\.squeeze\(\)"):
        Model().fit(X, y)
    assert Model().fit(X, np.asarray(y).squeeze()).n_features_in_ == 3


@pytest.mark.parametrize("Model", [LogisticRegression, FirthLogisticRegression])
def test_a_mask_that_hides_no_label_leaves_them_of_their_type(Model):
    for y in (Y, Y > 0, np.where(Y, "a", "b")):
        found = Model().fit(X, np.ma.array(y, mask=np.zeros(60, bool))).classes_
        np.testing.assert_array_equal(found, np.unique(y), strict=True)


# parameters and weights


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"C": np.float64(-1.0)}, r"C=-1\.0 must be a number above 0"),
        ({"C": 1e-320}, "C=1e-320 must be at least 1e-200"),
        ({"multi_class": np.ones(2)}, r"multi_class=\[1\.0, 1\.0\] must be one of auto, multinomial, ovr"),
        ({"multi_class": None}, "multi_class=None must be one of"),
        ({"solver": ["newton"]}, r"solver=\['newton'\] is no solver"),
        ({"solver": None}, "solver=None is no solver"),
        ({"random_state": "x"}, r"random_state='x' must be a whole number from 0 to 2\*\*32 - 1, or None"),
        ({"random_state": -1}, "random_state=-1 must be"),
        ({"n_threads": np.ones(2)}, r"n_threads=\[1\.0, 1\.0\] must be a whole number"),
        ({"class_weight": {5: 1.0}}, r"class_weight=\{5: 1.0\}: y has no class 5, but \[0, 1\]"),
        ({"class_weight": {np.int64(0): -1}}, r"class_weight\[0\]=-1 must be"),
        ({"class_weight": {0: 1e300, 1: 1e300}}, "class_weight reaches 1e\\+300, and must reach between"),
        ({"max_iter": np.float64(2.5)}, "max_iter=2.5 must be a whole number"),
    ],
)
def test_a_parameter_of_the_wrong_kind_is_told_as_its_caller_wrote_it(parameters, message):
    with pytest.raises(ArgumentError, match=message):
        raise one_line(lambda: LogisticRegression(**parameters).fit(X, Y))


@pytest.mark.parametrize("Model", MODELS)
@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (np.full(60, 1e300), r"sample_weight reaches 1e\+300, and must reach between 1e-90 and 1e\+90: multiply"),
        (1e-300, "sample_weight reaches 1e-300, and must reach"),
        ([[1.0], [1.0, 2.0]] * 30, "sample_weight holds lists of different lengths"),
        (sps.csr_array(np.ones((60, 1))), "sample_weight="),
        ([HUGE] * 60, "sample_weight holds a whole number beyond"),
    ],
)
def test_weights_that_cannot_be_summed_are_told_in_one_line(Model, weight, message):
    with pytest.raises(ArgumentError, match=message):
        raise one_line(lambda: Model().fit(X, Y, sample_weight=weight))


@pytest.mark.parametrize("Model", [LogisticRegression, LinearRegression, LogisticRegressionCV])
@pytest.mark.parametrize(
    ("y", "weight", "message"),
    [
        (Y[:4], None, "y has 4 rows, and X has 60"),
        (None, None, "y=None: give the y of these rows"),
        ([*Y[:2], np.nan, *Y[3:]], None, "y is missing in row 2"),
        (["a"] * 60, None, r"string|y\[0\]='a' is no number"),
        (Y, -np.ones(60), r"sample_weight\[0\]=-1 must be at least 0"),
        (Y, np.ones(4), r"sample_weight=.* has shape \(4,\)"),
    ],
)
def test_a_score_tells_what_its_rows_lack(Model, y, weight, message):
    model = Model().fit(X, Y)
    with pytest.raises(SeparatrixError, match=message):
        raise one_line(lambda: model.score(X, y, weight))
    assert model.score(X, Y, 2.0) == pytest.approx(model.score(X, Y))


# how near, and from where


@pytest.mark.parametrize("settings", [{}, {"solver": "newton-cg"}, {"l1_ratio": 0.5}], ids=str)
def test_a_tolerance_below_rounding_is_told_to_be_so_and_ends_the_fit(settings):
    with pytest.warns(ConvergenceWarning, match=r"rounding hides what is nearer: use tol=\de-1\d or more") as caught:
        model = LogisticRegression(tol=1e-20, **settings).fit(X, Y)
    assert "max_iter" not in str(caught[0].message)
    assert model.n_iter_[0] < 30
    told = float(str(caught[0].message).split("tol=")[1].split(" ")[0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        LogisticRegression(tol=told, **settings).fit(X, Y)


@pytest.mark.parametrize("lost", ["coef_", "intercept_"])
@pytest.mark.parametrize("value", [np.nan, np.inf, "a", None, HUGE, np.zeros(7), [[0.0, 0.0]], 1e300])
def test_a_warm_start_from_nothing_that_fits_is_one_from_zero(lost, value):
    cold = LogisticRegression().fit(X, Y)
    model = LogisticRegression(warm_start=True).fit(X, Y)
    filled = np.full(getattr(model, lost).shape, value) if np.ndim(value) == 0 and value is not None else value
    setattr(model, lost, filled)
    np.testing.assert_array_equal(model.fit(X, Y).coef_, cold.coef_)


# large and small


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("y", [Y, THREE], ids=["two", "three"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("solver", ["auto", "newton", "quasi-newton", "conjugate-gradient", "proximal-newton"])
def test_values_whose_squares_are_no_single_numbers_are_fitted_as_others_are(solver, dtype, y):
    # The penalty of so small coefficients is nothing.
    plain = LogisticRegression(C=np.inf, tol=1e-12).fit(X.astype(dtype), y)
    large = LogisticRegression(solver=solver, tol=1e-12).fit((X * 1e30).astype(dtype), y)
    rtol = 1e-5 if dtype is np.float64 else 1e-4
    np.testing.assert_allclose(large.predict_proba((X * 1e30).astype(dtype)), plain.predict_proba(X), rtol=rtol)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("solver", ["auto", "newton", "quasi-newton", "conjugate-gradient", "proximal-newton"])
def test_the_largest_values_and_weights_that_are_taken_are_fitted(solver):
    most = np.abs(X).max()
    for size, weight in ((LARGEST / most, 1.0), (1.0, LARGEST), (1.0, 1.0 / LARGEST)):
        assert LogisticRegression(solver=solver).fit(X * size, Y, sample_weight=weight).certificate_.gap < 1e-8


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("size", [1e150, 1e300])
@pytest.mark.parametrize(
    "fit",
    [
        *(lambda X, solver=solver: LogisticRegression(solver=solver).fit(X, Y) for solver in SOLVERS),
        lambda X: LogisticRegression(l1_ratio=0.5).fit(X, Y),
        lambda X: LogisticRegression().fit(X, THREE),
        lambda X: LinearRegression(alpha=1.0).fit(X, NUMBERS),
        lambda X: FirthLogisticRegression().fit(X, Y),
        lambda X: LogisticRegression().fit(sps.csr_array(X), Y),
    ],
)
def test_values_too_large_to_square_are_named_before_anything_overflows(fit, size):
    with pytest.raises(
        CellError, match=r"X\[0, 1\] is -\S+ \(the column reaches \S+\): too large to square, so rescale"
    ):
        fit(X * [1.0, size, 1.0])
    with pytest.raises(CellError, match=r"X\[41, 0\] is 1e\+150"):
        fit(with_cell(41, 0, 1e150))


@pytest.mark.filterwarnings("error")
def test_regressions_name_values_too_large_to_square_too():
    for call in (lambda: logit(Y, X * [1.0, 1e300, 1.0]), lambda: ols(NUMBERS, X * [1.0, 1e300, 1.0])):
        with pytest.raises(DataError, match=r"column 'x2' is -\S+ in row 0, counted from 0: too large to"):
            call()
    with pytest.raises(TargetError, match=r"y is \S+ in row 0, counted from 0, too large to square"):
        ols(NUMBERS * 1e300, X)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("size", [1e-100, 1e-150, 1e-200, 1e-320])
@pytest.mark.parametrize("fit", [logit, ols, lambda y, X: logit(y, X, penalty="firth")])
def test_regressions_name_values_too_small_to_square_too(fit, size):
    frame = pd.DataFrame(X * [1.0, size, 1.0], columns=["a", "b", "c"])
    for call in (lambda: fit(Y, frame), lambda: fit("y ~ a + b + c", frame.assign(y=Y))):
        with pytest.raises(CellError, match=r"column 'b' of X reaches \S+, too small to square, so rescale the column"):
            call()
    least = fit(Y, frame.assign(b=X[:, 1] / LARGEST))
    np.testing.assert_allclose(least.bse / fit(Y, X).bse, [1.0, 1.0, LARGEST, 1.0], rtol=1e-6)
    np.testing.assert_allclose(least.tvalues, fit(Y, X).tvalues, rtol=1e-6)


def test_many_large_numbers_whose_squares_add_up_to_more_are_no_fault():
    model = LogisticRegression().fit(np.where(X > 0, 0.9, -0.9) * LARGEST, Y)
    assert model.coef_.shape == (1, 3)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("model", [LogisticRegression(C=np.inf), LinearRegression(), FirthLogisticRegression()])
def test_values_too_small_to_square_are_named_where_no_penalty_holds_their_weight(model):
    cells = X * [1.0, 1e-200, 1.0]
    table = pa.table(dict(zip("abc", cells.T, strict=True)))
    for tiny, name in (
        (cells, "1"),
        (pd.DataFrame(cells, columns=FRAME.columns), "'b'"),
        (table, "'b'"),
        (sps.csr_array(cells), "1"),
    ):
        with pytest.raises(
            CellError, match=rf"column {name} of X reaches 2\.\d+e-200, too small to square, so rescale"
        ):
            model.fit(tiny, Y)
    some = np.where(np.arange(60) % 3, 1e-200, 1.0)
    assert np.isfinite(model.fit(np.column_stack([X, some]), Y).coef_).all()
    assert np.isfinite(LogisticRegression().fit(X * [1.0, 1e-200, 1.0], Y).coef_).all()
