"""The rows that a formula is of: which they are, in whose order, under whose numbers and names."""

import datetime
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from numpy.testing import assert_allclose

import separatrix
from separatrix import logit, ols
from separatrix.errors import (
    ArgumentError,
    ColumnError,
    DataError,
    InferenceError,
    InferenceWarning,
    SeparatrixError,
    TargetError,
)


def some_rows(n: int = 100) -> pd.DataFrame:
    """y that follows x, of which the first ten values are missing; n trials with s successes; two levels of g."""
    random = np.random.default_rng(0)
    x = random.normal(size=n)
    table = pd.DataFrame({"x": x, "y": x + random.normal(size=n), "v": random.uniform(1.0, 2.0, n)})
    table["n"] = random.integers(5, 20, n)
    table["s"] = random.binomial(table["n"], 0.4)
    table["c"] = random.integers(0, 2, n)
    table.loc[:9, "x"] = np.nan
    return table


@pytest.mark.parametrize(
    "frame", [lambda t: t.sort_values("y"), lambda t: t[t["y"] > -0.5], lambda t: t.set_index("v")]
)
def test_values_of_the_caller_stay_beside_their_rows(frame):
    table = frame(some_rows())
    squares = table["y"] ** 2
    whole = table.assign(squares=squares)
    assert_allclose(ols("v2 ~ x + squares", whole.assign(v2=whole["n"])).params, ols("n ~ x + squares", table).params)
    by_column, by_value = ols("n ~ x", whole, weights="squares"), ols("n ~ x", table, weights=squares)
    assert_allclose(by_value.params, by_column.params, rtol=1e-12)


@pytest.mark.parametrize("door", ["formula", "arrays"])
def test_values_for_a_fit_that_is_there_are_refused_in_another_order_than_its_rows(door):
    table = some_rows().set_index("n", drop=False)
    table.index = np.arange(100) * 3
    rows = table.dropna()
    fits = (
        [ols("y ~ x", table), logit("c ~ x", table)]
        if door == "formula"
        else [ols(rows["y"], rows[["x"]]), logit(rows["c"], rows[["x"]])]
    )
    others = rows["s"].sample(frac=1, random_state=0)
    for fit in fits:
        fit.with_covariance("cluster", rows["s"])
        assert fit.score_test(rows["v"]).statistic == fit.score_test(rows["v"].to_numpy()).statistic
        with pytest.raises(DataError, match="the indexes of groups and data differ"):
            fit.with_covariance("cluster", others)
        with pytest.raises(DataError, match="the indexes of columns and data differ"):
            fit.score_test(others)
        with pytest.raises(ArgumentError, match="columns has none"):
            fit.score_test(rows[[]])
    for judge in (fits[1].hosmer_lemeshow, fits[1].calibration):
        judge(data=rows, y=rows["c"])
        with pytest.raises(DataError, match="the indexes of y and data differ"):
            judge(data=rows, y=rows["c"].sample(frac=1, random_state=0))


def test_durations_are_no_numbers_and_their_unit_is_that_of_no_file(tmp_path):
    table = some_rows().dropna()
    start = pd.Series(pd.Timestamp("2024-01-01"), index=table.index).astype("datetime64[us]")
    table = table.assign(start=start, end=start + pd.to_timedelta(table["n"], unit="h").astype("timedelta64[us]"))
    table = table.assign(length=table["end"] - table["start"])
    fine = table.astype({"start": "datetime64[ns]", "end": "datetime64[ns]", "length": "timedelta64[ns]"})
    fine.to_parquet(tmp_path / "rows.parquet")
    known = ols("y ~ n", table).predict(table)
    for data in (table, fine, separatrix.open(str(tmp_path / "rows.parquet"))):
        with pytest.raises(
            ColumnError, match=r"column 'length' holds durations: make numbers .* length\.dt\.total_sec"
        ):
            ols("y ~ length", data)
        result = ols("y ~ I(end - start)", data)
        for new in (table, fine):
            assert_allclose(result.predict(new), known, rtol=1e-9)


@pytest.mark.parametrize("argument", ["weights", "offset", "groups"])
def test_values_in_another_order_than_the_rows_are_refused(argument):
    table = some_rows()
    others = table["n"].sort_values()
    how: dict[str, Any] = {argument: others} | ({"covariance": "cluster"} if argument == "groups" else {})
    with pytest.raises(DataError, match=rf"the indexes of {argument} and data differ, first in row 0 \(\d+ and 0\)"):
        ols("y ~ v", table, **how)
    with pytest.raises(DataError, match=rf"the indexes of {argument} and X differ, first in row 0"):
        ols(table["y"], table[["v"]], **how)
    with pytest.raises(DataError, match=r"the indexes of others and data differ"):
        ols("y ~ others", table)
    with pytest.raises(DataError, match=rf"the indexes of {argument} and y differ, first in row 0"):
        ols(table["y"], table[["v"]].to_numpy(), **how)


def test_so_are_the_second_of_two_groups_and_the_offset_of_new_rows():
    table = some_rows()
    pair = table["c"], table["n"].sort_values()
    for door in (lambda **how: ols("y ~ v", table, **how), lambda **how: ols(table["y"], table[["v"]], **how)):
        with pytest.raises(DataError, match=r"the indexes of groups and .* differ, first in row 0"):
            door(covariance="cluster", groups=pair)
    with pytest.raises(DataError, match="the indexes of offset and data differ, first in row 0"):
        ols("y ~ v", table, offset="n").predict(table, offset=pair[1])


@pytest.mark.parametrize(
    ("left", "instead"),
    [("s / n", "I(s / n)"), ("s - n", "I(s - n)"), ("s:n", "I(s * n)"), ("s * n", "I(s * n)"), ("s^2", "I(s ** 2)")],
)
def test_arithmetic_of_an_outcome_is_refused_with_how_to_write_it(left, instead):
    with pytest.raises(ArgumentError) as caught:
        logit(f"{left} ~ x", some_rows())
    assert f"write {instead} for a number, or 'successes + failures'" in str(caught.value)


@pytest.mark.parametrize("left", [".", "s + s", "s + 1", "+s"])
def test_an_outcome_that_is_no_term_and_no_pair_of_counts_is_refused(left):
    with pytest.raises(SeparatrixError):
        ols(f"{left} ~ x", some_rows())


@pytest.mark.parametrize("left", ["s - n", "s / n", "I(s / n)"])
def test_the_outcome_of_rows_that_are_read_has_to_be_a_column(left):
    with pytest.raises(ArgumentError, match=r"give the data a column|of rows that are read it must be one"):
        ols(f"{left} ~ x", separatrix.open(some_rows()))


def test_counts_and_functions_of_an_outcome_are_what_they_say():
    table = some_rows()
    table["failures"] = table["n"] - table["s"]
    counted = logit("s + failures ~ v", table)
    assert_allclose(logit("s + I(n - s) ~ v", table).params, counted.params)
    assert_allclose(ols("I(s / n) ~ v", table).params, ols("share ~ v", table.assign(share=table.s / table.n)).params)


@pytest.mark.parametrize("name", ["1", "0", "Intercept"])
@pytest.mark.parametrize("open_", [lambda table: table, lambda table: separatrix.open(table)])
def test_a_column_with_the_name_of_the_constant_is_refused_where_a_formula_has_it(name, open_):
    table = some_rows().rename(columns={"v": name})
    for formula in ("y ~ .", f"y ~ `{name}` + n", f"y ~ `{name}` - 1"):
        with pytest.raises(ColumnError, match=rf"column '{name}' has the name of a model's constant: rename it"):
            ols(formula, open_(table))
    assert ols("y ~ n", open_(table)).names == ("Intercept", "n")


def test_a_column_of_an_array_door_may_be_called_intercept_if_there_is_no_other():
    table = some_rows().assign(Intercept=1.0)
    with pytest.raises(ColumnError, match="column 'Intercept' has the name of a model's constant"):
        ols(table["y"], table[["Intercept", "v"]])
    assert ols(table["y"], table[["Intercept", "v"]], intercept=False).names == ("Intercept", "v")


def test_values_that_are_none_of_the_levels_named_are_refused_at_the_fit():
    with pytest.raises(DataError, match=r"levels that the formula's levels= does not name: \d+"):
        ols("y ~ C(n, levels=[5, 6])", some_rows())


def with_cell(column: str, row: int, value: Any) -> pd.DataFrame:
    table = some_rows()
    table[column] = table[column].astype(float)
    table.loc[row, column] = value
    return table


@pytest.mark.parametrize(
    ("fit", "said"),
    [
        (lambda: ols("y ~ np.log(v) + x", with_cell("v", 30, -1.0)), "column 'np.log(v)' is nan in row 30,"),
        (lambda: ols("y ~ x", with_cell("y", 20, np.inf)), "y is missing or infinite in row 20,"),
        (lambda: ols("y ~ x", with_cell("y", 20, 1e100)), "y is 1e+100 in row 20,"),
        (lambda: logit("s + n ~ x", with_cell("s", 20, -1.0)), "in row 20, counted from 0: counts are numbers"),
        (lambda: ols("y ~ x", with_cell("v", 20, -1.0), weights="v"), "weights[20]=-1 must be at least 0"),
        (lambda: ols("y ~ x", with_cell("v", 20, np.inf), offset="v"), "offset[20]=inf must be finite"),
        (
            lambda: ols("y ~ x + C(n == -1)", with_cell("n", 40, -1), covariance="HC3"),
            "and row 40 has leverage 1",
        ),
    ],
)
def test_a_message_about_a_row_has_its_number_in_the_data_whatever_was_left_out(fit, said):
    with np.errstate(invalid="ignore"), pytest.raises(SeparatrixError) as caught:
        fit()
    assert said in str(caught.value)


@pytest.mark.parametrize("weighed", [False, True])
def test_influence_is_told_by_the_number_of_a_row_in_the_data(weighed):
    table = some_rows()
    table.loc[50, "y"] = 60.0
    weight = np.where(np.arange(100) % 3 == 1, 0.0, 1.0) if weighed else np.ones(100)
    kept = np.flatnonzero((np.arange(100) >= 10) & (weight > 0))
    found = ols("y ~ x", table, weights=weight).influence()
    assert str(found).splitlines()[1].split()[0] == "50"
    assert found.tidy()["row"].tolist() == kept.tolist()
    assert ols("y ~ v", table).influence().tidy()["row"].tolist() == list(range(100))


def test_rows_of_weight_0_are_as_if_they_were_not_there():
    table = some_rows().assign(g=np.tile(["a", "b", "c", "d"], 25))
    weight = (table["g"] != "d") * 2.0
    there, gone = table.assign(w=weight), table[weight > 0].assign(w=2.0)
    for formula in ("y ~ x + g", "y ~ scale(v)", "y ~ bs(v, df=4)", "g ~ v"):
        door = logit if formula.startswith("g") else ols
        ours, theirs = door(formula, there, weights="w"), door(formula, gone, weights="w")
        assert ours.param_names == theirs.param_names
        assert_allclose(ours.params, theirs.params, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("term", ["scale(v)", "bs(v, df=5)", "poly(v, 2)", "cr(v, df=4) - 1", "g", "C(n)"])
def test_rows_of_weight_0_that_are_read_have_no_levels_and_move_no_knots(term):
    table = some_rows().dropna().assign(g=lambda t: np.where(t["v"] < 1.7, np.where(t["v"] < 1.3, "a", "b"), "c"))
    table["n"] = np.where(table["v"] < 1.7, table["n"] % 3, 9)
    weight = (table["v"] < 1.7) * 2.0
    read = ols(f"y ~ {term}", separatrix.open(table.assign(w=weight)), weights="w")
    here = ols(f"y ~ {term}", table[weight > 0].assign(w=2.0), weights="w")
    assert read.param_names == here.param_names
    assert_allclose(read.params, here.params)


def test_columns_may_have_any_name():
    table = some_rows().assign(key=pd.array([1, 2] * 50, dtype="Int64"))
    table["self"] = pd.Categorical(np.tile(["a", "b"], 50))
    renamed = table.rename(columns={"self": "other"})
    assert_allclose(ols("y ~ v + self", table).params, ols("y ~ v + other", renamed).params)
    assert ols("y ~ self", table).marginal_effects().effects.shape == (1, 1)


def test_numbers_in_a_column_of_objects_are_numbers():
    table = some_rows().dropna().assign(text="a")
    model = ols("y ~ x", table)
    row = table.iloc[1].to_frame().T  # as pandas hands it out
    assert row["x"].dtype == object
    assert_allclose(model.predict(row), model.predict(table.iloc[1:2]))
    assert_allclose(ols("y ~ x", table.astype(object)).params, model.params)
    with pytest.raises(
        ColumnError, match=r"column 'x' holds 1.5, a, of type .*, and held numbers in the rows of the fit"
    ):
        model.predict({"x": ["1.5", "a"]})


def test_counts_of_a_million_have_all_their_digits():
    x = np.arange(1_234_567.0)
    shown = str(ols(np.sqrt(x), x).summary())
    assert "1234567 " in shown
    assert "1234565, 1 " in shown


def test_effects_of_a_linear_model_are_tested_by_t():
    table = some_rows()
    assert str(ols("y ~ v", table).marginal_effects()).splitlines()[0].split()[3] == "t"
    assert str(logit("c ~ v", table).marginal_effects()).splitlines()[0].split()[3] == "z"


def test_dates_are_no_classes():
    table = some_rows().assign(day=[datetime.date(2024, 1, 1 + k % 2) for k in range(100)])
    with pytest.raises(TargetError, match=r"day holds 2024-01-01, .* make text of them"):
        logit("day ~ v", table)


def test_of_a_model_without_coefficients_nothing_is_asked_in_vain():
    table = some_rows()
    with pytest.raises(InferenceError, match="the model has no coefficient"):
        ols("y ~ 0", table).influence()
    assert logit("c ~ 0", table).conf_int(method="profile").shape == (0, 2)


@pytest.mark.parametrize("open_", [lambda table: table, lambda table: separatrix.open(table)])
def test_of_what_the_rows_of_the_fit_do_not_tell_there_is_no_prediction(open_):
    random = np.random.default_rng(0)
    table = pd.DataFrame({"g": random.choice(list("abc"), 300), "w": random.integers(1, 4, 300)})
    table["y"] = (table["g"] == "b") + table["w"] + random.normal(size=300)
    table = table[~((table["g"] == "b") & (table["w"] == 2))]  # nothing is known of b beside 2
    cells = {"g": ["a", "b", "b"], "w": [2, 1, 2]}
    for formula in ("y ~ g * C(w)", "y ~ g * C(w, contr.treatment(base=2))"):
        model = ols(formula, open_(table), singular="drop")
        with pytest.warns(InferenceWarning, match=r"1 of 3 rows have in the columns that singular='drop' left out"):
            predicted = model.predict(cells)
        means = table.groupby(["g", "w"])["y"].mean()
        assert_allclose(predicted, [means["a", 2], means["b", 1], np.nan], rtol=1e-9)


def test_neither_is_there_an_effect_of_a_variable_that_moves_only_with_another():
    table = some_rows().dropna()
    table["twice"] = 2.0 * table["x"] + 1.0
    model = ols("y ~ v + x + twice", table, singular="drop")
    with pytest.warns(InferenceWarning, match=r"the fit says nothing"):
        found = model.marginal_effects()
    plain = ols("y ~ v + x", table)
    assert np.isnan(found.effects[1:]).all()
    assert np.isnan(found.standard_errors[1:]).all()
    assert_allclose(found.effects[0], plain.marginal_effects().effects[0], rtol=1e-9)
    assert_allclose(model.predict(table), plain.predict(table), rtol=1e-9)


def years(n: int = 200) -> pd.DataFrame:
    """Years, far from zero, and what `ends` and `twice` are sums of."""
    random = np.random.default_rng(0)
    table = pd.DataFrame({"year": random.integers(1990, 2020, n) * 1.0, "z": random.normal(size=n)})
    table["ends"], table["twice"] = 2.0 * table["year"] + table["z"] - 3.0, 2.0 * table["z"]
    table["y"] = (table["year"] - 2000.0) / 10.0 + random.normal(size=n)
    return table.assign(c=1 * (table["y"] > 0))


@pytest.mark.parametrize("open_", [lambda table: table, lambda table: separatrix.open(table)])
@pytest.mark.parametrize(("door", "y"), [(ols, "y"), (logit, "c")])
def test_what_repeats_columns_far_from_zero_does_so_in_every_row_of_the_fit(door, y, open_):
    table = years()
    plain = door(f"{y} ~ year + z", table).predict(table)
    model = door(f"{y} ~ year + z + ends + twice", open_(table), singular="drop")
    assert model.sample.dropped == ("ends", "twice")
    assert_allclose(model.predict(table), plain, rtol=1e-6)
    for name in ("ends", "twice"):
        other = table.assign(**{name: table[name] + (table.index < 3) * 0.1})
        with pytest.warns(InferenceWarning, match="3 of 200 rows have in the columns that singular='drop' left out"):
            assert np.isnan(model.predict(other)).tolist() == [True] * 3 + [False] * 197


def test_of_arrays_too_nothing_is_told_of_columns_that_only_move_together():
    table = years()
    model = ols(table["y"], table[["year", "z", "twice"]], singular="drop")
    assert_allclose(model.predict(table), ols(table["y"], table[["year", "z"]]).predict(table), rtol=1e-9)
    with pytest.warns(InferenceWarning, match=r"200 of 200 rows .* effects of z, which rest on them, are NaN") as told:
        effects = model.marginal_effects().effects[:, 0]
    assert len(told) == 1
    assert np.isnan(effects).tolist() == [False, True]
    with pytest.warns(InferenceWarning, match="effects of year, which rest on them, are NaN"):
        assert np.isnan(model.marginal_effects({"z": 1.0}, "year").effects).all()


def test_the_effect_of_a_variable_far_from_zero_is_none_either_where_it_moves_only_with_another():
    model = ols("y ~ z + year + ends", years().assign(ends=lambda t: t["year"] + 1.0), singular="drop")
    for at in ("average", "means"):
        with pytest.warns(InferenceWarning, match="effects of year, ends, which rest on them, are NaN") as told:
            effects = model.marginal_effects(at).effects[:, 0]
        assert len(told) == 1
        assert np.isnan(effects).tolist() == [False, True, True]


def test_a_constant_that_was_left_out_is_asked_of_new_rows_where_no_column_is_left():
    model = ols("y ~ k", years().assign(k=5.0), singular="drop")
    with pytest.warns(InferenceWarning, match="1 of 2 rows"):
        assert np.isnan(model.predict({"k": [5.0, 6.0]})).tolist() == [False, True]


def test_a_calibration_asks_for_rows_that_have_a_prediction():
    table = years()
    model = logit("c ~ z + twice", table, singular="drop")
    moved = table.assign(twice=table["twice"] + (table.index < 5))
    with (
        pytest.warns(InferenceWarning, match="5 of 200 rows"),
        pytest.raises(InferenceError, match="no prediction of 5 rows"),
    ):
        model.calibration(moved)


@pytest.mark.parametrize(
    "table", [lambda fit: fit.summary(), lambda fit: fit.marginal_effects(), lambda fit: fit.collinearity()]
)
def test_names_of_wide_characters_leave_the_columns_of_a_table_below_each_other(table):
    rows = some_rows()[10:]
    fit = logit("結果 ~ 年齢 + v", rows.rename(columns={"x": "年齢", "c": "結果"}))
    plain = logit("outc ~ aged + v", rows.rename(columns={"x": "aged", "c": "outc"}))
    wide = str(table(fit)).replace("年齢", "aged").replace("結果", "outc")  # two places for each character
    assert wide == str(table(plain))


@pytest.mark.parametrize("open_", [lambda table: table, lambda table: separatrix.open(pa.Table.from_pandas(table))])
@pytest.mark.parametrize(
    ("right", "name"), [("x * v + `x:v`", "x:v"), ("g + `g[T.b]`", r"g\[T.b\]"), ("`x:v`:c + x:v:c", "x:v:c")]
)
def test_columns_of_a_formula_that_would_have_one_name_are_refused(right, name, open_):
    table = some_rows().assign(g=np.resize(["a", "b", "c"], 100)).dropna()
    table[["x:v", "g[T.b]"]] = np.random.default_rng(1).normal(size=(len(table), 2))
    with pytest.raises(ColumnError, match=f"2 columns have the name '{name}': rename them"):
        ols(f"y ~ {right}", open_(table))
    assert ols("y ~ x + v + `x:v`", open_(table)).names == ("Intercept", "x", "v", "x:v")


@pytest.mark.parametrize("open_", [lambda table: table, lambda table: separatrix.open(pa.Table.from_pandas(table))])
@pytest.mark.parametrize(("right", "number", "term"), [("2:x", "2", "2:x"), ("v + v:x:0.5", "0.5", "v:x:0.5")])
def test_a_number_that_multiplies_a_term_is_refused_as_no_name_tells_it(right, number, term, open_):
    table = some_rows()
    with pytest.raises(ArgumentError, match=rf"multiplies by {number} in {term}, .* or write I\({number} \* x\)"):
        ols(f"y ~ {right}", open_(table))
    assert ols("y ~ 1:x + v^1", open_(table)).names == ("Intercept", "x", "v")


def test_dates_that_are_categories_have_the_effects_of_their_names():
    table = some_rows().assign(day=pd.date_range("2024-01-01", periods=100, freq="D").to_period("Q").to_timestamp())
    table["name"] = table["day"].astype(str)
    for at in ("average", "means"):
        dates, names = (logit(f"c ~ C({day}) * v", table).marginal_effects(at) for day in ("day", "name"))
        assert (dates.variables, names.variables) == (("day", "v"), ("name", "v"))
        assert_allclose(dates.effects, names.effects)
        assert_allclose(dates.standard_errors, names.standard_errors)
    with pytest.raises(DataError, match="levels that the rows of the fit did not have"):
        logit("c ~ C(day) + v", table).marginal_effects({"day": pd.Timestamp("2031-01-01")})
