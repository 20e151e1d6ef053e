"""What callers give to regressions: tables of any kind, gaps, weights, words; and what they are told where it fails."""

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse as sps

from separatrix import detect_separation, logit, ols
from separatrix.engine.matrices.linear_algebra import factor_positive
from separatrix.errors import ArgumentError, ColumnError, DataError, TargetError

LOW = np.array([0, 1, 0, 0, 1, 1, 0, 1, 1, 0, 1, 0])
AGE = np.array([19.0, 33, 20, 21, 18, 21, 22, 17, 29, 26, 19, 19])
LWT = np.array([182.0, 155, 105, 108, 107, 124, 118, 103, 123, 113, 95, 150])
X = np.column_stack([AGE, LWT])
TABLE: dict[str, Any] = {"low": LOW, "age": AGE, "lwt": LWT, "race": [*"abcbcaacbcab"]}


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
    assert_same(ols(LOW, given.assign(dense=AGE**2)), ols(LOW, np.column_stack([X, AGE**2])))


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
    assert ols("lwt ~ age", TABLE, weights=np.ma.array(np.ones(12), mask=hidden)).nobs == 11
    with pytest.raises(DataError, match="groups is missing in row 3"):
        ols(LWT, AGE, covariance="cluster", groups=np.ma.array(LOW, mask=hidden))


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
    lower = np.tril(factor.lower)
    np.testing.assert_allclose(lower @ lower.T, A / np.outer(factor.unit, factor.unit), atol=1e-6)
    assert (factor.ridge > 0, factor.least) == (True, 0.0)  # the ridge's is not the columns'


# weights that are zero, and clusters


@pytest.mark.parametrize("penalty", [None, "firth", 1.0])
def test_rows_of_weight_zero_do_not_count_as_a_class(penalty):
    message = "low has one class, 1, in the rows that count: there is nothing to tell apart"
    with pytest.raises(TargetError, match=message):
        logit("low ~ age", TABLE, weights="low", penalty=penalty)
    grouped = {"s": [1, 4, 6], "f": [9, 6, 0], "x": [0, 1, 2]}
    with pytest.raises(TargetError, match="has no failures"):
        logit("s + f ~ x", grouped, weights=[0, 0, 1], penalty=penalty)


def test_a_class_whose_rows_all_weigh_nothing_is_left_out():
    race, counts = np.array(TABLE["race"]), np.array(TABLE["race"]) != "a"
    weighted = logit("race ~ age", TABLE, weights=1 * counts, offset=AGE / 50)
    assert weighted.classes == ("b", "c")
    assert_same(weighted, logit(race[counts], AGE[counts], offset=AGE[counts] / 50))
    four = np.array(["d", "b", "c"] * 3 + ["a", "b", "c"])
    assert_same(logit(four, AGE, weights=1 * (four != "a")), logit(four[four != "a"], AGE[four != "a"]))


@pytest.mark.parametrize("gap", [np.nan, None, pd.NA])
def test_a_row_without_its_cluster_is_named(gap):
    groups = np.array([0, 1, 2, 3] * 3, dtype=object)
    groups[5] = gap
    groups = groups.astype(float) if gap is np.nan else groups
    for fit in (logit, ols):
        with pytest.raises(DataError, match="groups is missing in row 5"):
            fit(LOW, X, covariance="cluster", groups=groups)
        with pytest.raises(DataError, match="groups is missing in row 5"):
            fit(LOW, X).with_covariance("cluster", groups)


# offsets of new rows


def test_predictions_need_the_offset_that_the_fit_had():
    exposure = AGE / 50
    for fit in (logit("low ~ lwt", TABLE, offset=exposure), ols("low ~ lwt", TABLE, offset=exposure)):
        with pytest.raises(DataError, match="the fit had an offset, and new rows need theirs"):
            fit.predict(TABLE)
        np.testing.assert_allclose(fit.predict(TABLE, offset=exposure), fit.fittedvalues)
        np.testing.assert_allclose(fit.predict(TABLE, offset=0), fit.predict(TABLE, offset=0 * exposure))


def test_an_offset_by_name_is_read_from_new_rows_too():
    data = frame(exposure=AGE / 50, later=AGE / 40)
    fit = logit("low ~ lwt", data, offset="exposure")
    np.testing.assert_allclose(fit.predict(data), fit.fittedvalues)
    np.testing.assert_allclose(fit.predict(data, offset="later"), fit.predict(data, offset=AGE / 40))
    with pytest.raises(ColumnError, match="no column 'exposure' in the data"):
        fit.predict(TABLE)


# tables of a formula


@pytest.mark.parametrize(
    "kind",
    [
        lambda d: d.assign(race=d.race.astype("string")),
        lambda d: d.convert_dtypes(),
        lambda d: d.convert_dtypes(dtype_backend="pyarrow"),
        lambda d: pl.from_pandas(d).with_columns(pl.col("lwt").cast(pl.Decimal(10, 2))),
    ],
)
def test_nullable_arrow_and_decimal_columns_are_those_of_numpy(kind):
    data = frame(flag=LWT > 110)
    data.loc[2, ["age", "race"]] = np.nan
    ours, numpys = (logit("low ~ race + age + flag", each) for each in (kind(data), data))
    assert ours.param_names == numpys.param_names
    assert_same(ours, numpys)
    np.testing.assert_allclose(ours.predict(kind(data[3:])), ours.fittedvalues[2:])
    assert_same(ols("lwt ~ age", kind(data)), ols("lwt ~ age", data))


def test_an_outcome_of_polars_keeps_its_order_and_decimals_are_numbers():
    race = pl.Series(TABLE["race"], dtype=pl.Enum(["c", "x", "a", "b"]))
    assert (
        logit(race, X).classes
        == logit("race ~ age", pl.DataFrame({"race": race, "age": AGE})).classes
        == ("c", "a", "b")
    )
    with pytest.raises(TargetError, match="y is missing in row 1"):
        logit(pl.Series(["a", None, "b"] * 4, dtype=pl.Enum(["a", "b"])), X)
    assert_same(ols(pl.Series(LWT.tolist(), dtype=pl.Decimal(10, 2)), AGE), ols(LWT, AGE))


def test_a_gap_in_new_rows_is_named_whatever_its_column():
    fit = logit("low ~ age + race", TABLE)
    for column, gap in (("age", np.nan), ("race", None)):
        rows = frame(**{column: [gap if k == 4 else value for k, value in enumerate(TABLE[column])]})
        with pytest.raises(DataError, match=f"column '{column}' is missing in row 4"):
            fit.predict(rows)
        with pytest.raises(DataError, match=f"column '{column}' is missing in row 4"):
            fit.calibration(rows)


def test_a_categorical_outcome_is_one_outside_of_a_series_too():
    race = pd.Categorical(TABLE["race"], categories=["c", "x", "a", "b"])
    assert logit(race, AGE).classes == logit(pd.Series(race), AGE).classes == ("c", "a", "b")


def test_a_table_of_no_columns_is_the_intercept_alone():
    assert_same(logit(LOW, frame()[[]]), logit("low ~ 1", TABLE))


def test_indexes_that_differ_are_refused():
    data = frame()
    with pytest.raises(
        DataError, match=r"indexes of y and X differ, first in row 0 \(0 and 11\): give y.loc\[X.index\]"
    ):
        logit(data.low, data[["age"]][::-1])
    assert_same(ols(data.lwt, data[["age"]]), ols(data.lwt.to_numpy(), data[["age"]][::1]))


# what a formula may say


def test_a_point_stands_for_all_other_columns():
    assert_same(logit("low ~ . - race", TABLE), logit("low ~ age + lwt", TABLE))
    fit = logit("low ~ . - race", frame())
    np.testing.assert_allclose(fit.predict(frame(more=LWT)), fit.fittedvalues)


SHORT, TEXT, FUNCTION, OTHERS = [1, 2, 3], "abc", len, pd.DataFrame(X)


@pytest.mark.parametrize("name", ["SHORT", "TEXT", "FUNCTION", "OTHERS"])
def test_a_name_that_is_no_column_is_told_though_the_caller_has_such_a_thing(name):
    for formula in (f"low ~ {name}", f"{name} ~ age"):
        with pytest.raises(ColumnError, match=f"no column '{name}' in the data"):
            logit(formula, TABLE)


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        ("low ~ C(race, Treatment('z'))", "cannot be computed: Value"),
        ("low ~ I(age+)", r"formula='low ~ I\(age\+\)' cannot be read"),
        ("low ~ np.log(SHORT)", "cannot be computed: Length of values"),
        ("low ~ day", "Make numbers of the dates in day"),
        ("C(race, Treatment('b')) ~ age", "for another, make the column an ordered categorical"),
    ],
)
def test_a_formula_that_cannot_be_is_told_in_one_line(formula, message):
    with pytest.raises(ArgumentError, match=message) as caught:
        logit(formula, frame(day=pd.date_range("2020-01-01", periods=12)))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("intercept", "message"), [(False, "write formula='low ~ age - 1'"), ("no", "must be True or")]
)
def test_a_formula_says_itself_whether_it_has_an_intercept(intercept, message):
    with pytest.raises(ArgumentError, match=message):
        logit("low ~ age", TABLE, intercept=intercept)


# what calls may say


def test_a_column_of_its_own_keeps_its_name():
    age, lwt = pd.Series(AGE, name="age"), pl.Series("lwt", LWT)
    fit = logit(LOW, age)
    assert fit.param_names == ("Intercept", "age")
    assert logit(LOW, pl.Series("age", AGE)).param_names == fit.param_names
    assert fit.score_test(lwt).hypothesis == "lwt = 0"
    assert logit(LOW, pd.Series(AGE)).param_names == ("Intercept", "x1")


def test_a_hypothesis_may_have_the_backticks_of_its_formula():
    fit = logit("low ~ `my age` + `my age`:lwt", frame(**{"my age": AGE}))
    for quoted, plain in (("`my age` = 0", "my age = 0"), ("`my age`:lwt = 0", "my age:lwt = 0")):
        assert fit.wald_test(quoted).statistic == fit.wald_test(plain).statistic


def test_one_variable_needs_no_list():
    fit = logit("low ~ age + lwt", TABLE)
    assert fit.marginal_effects(variables="age").variables == ("age",)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda fit: fit.wald_test(["age = 0"]), "hypothesis is a list, and must be text"),
        (lambda fit: fit.conf_int("profile"), "level='profile' must lie between 0 and 1"),
        (lambda fit: fit.score_test("lwt"), "columns='lwt' must be the values"),
        (lambda fit: fit.anova(fit), r"type=a LogitResult must be 1, .* Two fits are compared by lr_test"),
        (lambda fit: fit.lr_test(ols("low ~ lwt", TABLE)), "compare two of a kind"),
        (lambda fit: fit.lr_test(ols("age ~ lwt", TABLE)), "compare two of a kind"),
        (lambda fit: fit.lr_test(logit("I(age > 20) ~ lwt", TABLE)), r"differ in their outcomes, .* and .*age > 20"),
        (lambda _: logit("low ~ age", frame()[:0]), "data has no rows"),
        (lambda _: logit([], np.empty((0, 2))), "y has no rows"),
        (lambda _: ols([1.0], [[1.0]]), "1 row for 2 parameters"),
        (lambda _: ols("lwt ~ age", TABLE, covariance="cluster", groups=[1, 2]), r"groups has shape \(2,\)"),
    ],
)
def test_what_is_wrong_is_named_as_the_caller_knows_it(call, message):
    with pytest.raises((ArgumentError, DataError), match=message):
        call(logit("low ~ age", TABLE))
