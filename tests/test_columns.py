"""Table columns become numbers, once and for all."""

import datetime
import re
from typing import Any

import msgspec
import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from separatrix.data.tables.columns import Boolean, Category, Columns, Date, LeftOut, Number, Table, Text
from separatrix.data.tables.encoders import merged
from separatrix.data.tables.tally import tally
from separatrix.errors import ArgumentError, CellError, ColumnError


def table(**columns: Any) -> Table:
    return nw.from_native(pa.table(columns), eager_only=True)


def frame(data: Any) -> Table:
    return nw.from_native(data, eager_only=True)


def learn(**columns: Any) -> Columns:
    """Learned with a target of zeros and ones beside the columns."""
    rows = len(next(iter(columns.values())))
    return Columns.learn(table(**columns, y=[i % 2 for i in range(rows)]), target="y")


def only(**column: Any) -> Any:
    """What a single column is learned to be; beside it a number that can be used."""
    return learn(**column, x=np.linspace(0, 1, len(next(iter(column.values()))))).columns[0]


def test_a_missing_number_counts_as_the_mean_and_is_flagged():
    columns = learn(age=[20.0, None, 40.0, 60.0])
    assert columns.feature_names == ["age", "age is missing"]
    encoded = columns.encode(table(age=[10.0, None]))
    np.testing.assert_array_equal(encoded.X, [[10, 0], [40, 1]])
    assert encoded.notes == ()


def test_a_number_missing_only_in_new_rows_counts_as_the_mean_and_is_noted():
    encoded = learn(age=[20.0, 40.0]).encode(table(age=[None, 1.0, float("nan")]))
    np.testing.assert_array_equal(encoded.X, [[30], [1], [30]])
    assert tuple(map(str, encoded.notes)) == (
        "column 'age': 2 rows hold no value, though none was missing at fit; counted as the mean, 30",
    )


def test_a_category_is_one_feature_for_each_level_but_the_most_frequent():
    columns = learn(city=["Rome", "Oslo", "Rome", "Bern"])
    assert columns.columns[0] == Category("city", ["Bern", "Oslo", "Rome"], "Rome")
    assert columns.feature_names == ["city = Bern", "city = Oslo"]
    X = columns.encode(table(city=["Rome", "Bern", "Oslo"])).X
    np.testing.assert_array_equal(X, [[0, 0], [1, 0], [0, 1]])


def test_equally_frequent_levels_give_the_first_as_reference():
    assert only(city=["b", "a", "b", "a", "c"]).reference == "a"


def test_a_missing_category_is_a_level_of_its_own_if_it_was_at_fit():
    columns = learn(city=["Rome", None, "Rome", "Oslo"])
    assert columns.feature_names == ["city = Oslo", "city is missing"]
    np.testing.assert_array_equal(columns.encode(table(city=[None, "Oslo"])).X, [[0, 1], [1, 0]])


def test_unseen_levels_count_as_the_reference_and_are_noted():
    encoded = learn(city=["Bergen", "Bergen", "Pisa"]).encode(table(city=["Oslo", "Rome", "Oslo", None]))
    np.testing.assert_array_equal(encoded.X, np.zeros((4, 1)))
    assert tuple(map(str, encoded.notes)) == (
        "column 'city': 3 rows hold 2 values unseen at fit (Oslo, Rome); counted as 'Bergen'",
        "column 'city': 1 row holds no value, though none was missing at fit; counted as 'Bergen'",
    )


def test_a_note_keeps_a_few_of_many_unseen_values_and_counts_their_rows():
    columns = learn(city=["Bergen", "Bergen", "Florence"])
    batches = [[f"town {i}" for i in range(first, first + 90)] for first in (0, 80, 160)]
    notes = [note for cells in batches for note in columns.encode(table(city=cells)).notes]
    places = "unseen at fit (town 0, town 1, town 2 and"
    for many, said in [
        (1, f"90 rows hold 90 values {places} 87 more)"),
        (3, f"270 rows hold more than 100 values {places} others)"),
    ]:
        [note] = merged(notes[:many])
        assert str(note) == f"column 'city': {said}; counted as 'Bergen'"
        assert len(note.values) <= 101
    [note] = columns.encode(table(city=[f"town {i}" for i in range(5_000)])).notes
    assert len(note.values) == 101


def test_categories_agree_with_pandas_dummies():
    rng = np.random.default_rng(0)
    cities = rng.choice(["Rome", "Oslo", "Bern", "Pisa"], 200, p=[0.4, 0.3, 0.2, 0.1])
    columns = learn(city=cities)
    dummies = pd.get_dummies(pd.Series(cities)).drop(columns="Rome")
    np.testing.assert_array_equal(columns.encode(table(city=cities)).X, dummies)
    assert columns.feature_names == [f"city = {name}" for name in dummies]


def test_true_and_false_are_one_and_zero_however_they_are_stored():
    columns = learn(smokes=[True, False, None, True])
    assert columns.columns[0] == Boolean("smokes", 2 / 3, 1)
    for cells in ([True, False], [1, 0], [1.0, 0.0], ["true", "false"], ["True", "False"]):
        np.testing.assert_array_equal(columns.encode(table(smokes=cells)).X, [[1, 0], [0, 0]])


def test_what_is_neither_true_nor_false_is_refused():
    with pytest.raises(CellError, match=r"column 'smokes', row 2 of new\.csv: 'often' is neither true nor false"):
        learn(smokes=[True, False]).encode(table(smokes=["true", "often"]), "new.csv")


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        (["a"] * 30, "constant: every row holds a"),
        ([1.5] * 30, "constant: every row holds 1.5"),
        ([True] * 30, "constant: every row holds true"),
        ([None] * 30, "empty: every cell is missing"),
        ([float("nan")] * 30, "empty: every cell is missing"),
        ([" "] * 30, "empty: every cell is missing"),
        ([f"k{i}" for i in range(30)], "identifier: 30 different values in 30 rows"),
        (list(range(30)), "identifier: it counts the rows"),
        (list(range(1, 31)), "identifier: it counts the rows"),
        ([i for i in range(40) if i % 4 != 2], "identifier: it counts the rows"),
        (
            [f"no row says the same, says row {i}" for i in range(30)],
            "free text: 30 different values in 30 rows",
        ),
        ([datetime.date(2020, 1, 1)] * 30, "constant: every row holds 2020-01-01"),
        ([datetime.timedelta(hours=i) for i in range(30)], "a duration: its type is duration[us]"),
        ([f"{i % 15}" * 9 for i in range(8)] + [str(i) * 40 for i in range(40)], "free text: 48 different values"),
        ([[i] for i in range(30)], "nested or binary: its type is list"),
    ],
)
def test_a_column_that_tells_nothing_is_left_out_with_its_reason(cells, reason):
    column = only(z=cells)
    assert isinstance(column, LeftOut)
    assert column.reason.startswith(reason)


def test_long_texts_with_many_repeats_are_free_text():
    texts = [f"{i % 25} " + "word " * 20 for i in range(100)]
    assert only(z=texts).reason.startswith("free text: ")


def test_an_exact_copy_of_a_column_is_left_out():
    numbers = [3.0, 1.0, 2.0]
    columns = learn(a=numbers, b=[3, 1, 2], c=[3.0, 2.0, 1.0], d=["x", "y", "y"], e=["x", "y", "y"])
    reasons = {column.name: column.reason for column in columns.columns if isinstance(column, LeftOut)}
    assert reasons == {"b": "duplicate of column 'a'", "e": "duplicate of column 'd'"}


def test_a_copy_whose_numbers_are_text_is_left_out():
    numbers = [1.5, None, 3.0, 4.0, 5.25] * 20
    columns = learn(e=numbers, f=[None if cell is None else str(cell) for cell in numbers], g=numbers[::-1])
    assert columns.columns[1] == LeftOut("f", "duplicate of column 'e'")
    assert isinstance(columns.columns[2], Number)


def test_one_value_with_gaps_tells_by_its_gaps():
    columns = learn(consent=[1.0, None, 1.0])
    assert columns.feature_names == ["consent is missing"]
    np.testing.assert_array_equal(columns.encode(table(consent=[None, 1])).X, [[1], [0]])


def test_years_that_rise_are_a_number():
    assert only(year=list(range(1950, 1990))) == Number("year", 1969.5, 1950.0, 1989.0)


def test_an_integer_column_of_two_values_is_a_number():
    assert only(sex=[1, 2, 2, 1]) == Number("sex", 1.5, 1.0, 2.0)


def test_text_that_holds_only_numbers_is_numbers():
    assert only(size=["1.5", " 2 ", "", "-1e1"]) == Number("size", pytest.approx(-6.5 / 3), -10.0, 2.0, 1)


def test_a_few_codes_among_numbers_make_a_category():
    assert only(stage=["1", "2", "3", "3B", "1", "2"]).levels == ["1", "2", "3", "3B"]


def test_one_wrong_cell_among_many_numbers_is_named_with_its_remedy():
    cells = [str(i) for i in range(20)]
    cells[12] = "1O"
    with pytest.raises(CellError, match=r"column 'age', row 13 of f\.csv: '1O' is not a number.*categorical=..age"):
        Columns.learn(table(age=cells, y=[0, 1] * 10), target="y", where="f.csv")


@pytest.mark.parametrize("cells", [[1.0, float("inf"), 2.0], ["1", "1e999", "2"]])
def test_an_infinite_cell_is_named(cells):
    with pytest.raises(CellError, match=r"column 'age', row 2 of the data: .* is not a finite number"):
        learn(age=cells)


@pytest.mark.parametrize("cell", [1e100, 1e160, -1e300, 1e308])
@pytest.mark.parametrize("form", [float, str])
def test_a_cell_too_large_to_square_is_named_where_rows_are_learned_and_where_they_are_new(cell, form):
    data = table(age=[form(each) for each in (1.0, cell, 2.0)], y=[0, 1, 0])
    said = rf"column 'age', row 2 of the data: '?{re.escape(str(cell))}'? is too large to square; rescale the column"
    with pytest.raises(CellError, match=said):
        Columns.learn(data, target="y")
    with pytest.raises(CellError, match=said):
        learn(age=[form(1.0), form(2.5), form(2.0)]).encode(data)


def test_the_user_decides_what_a_column_is():
    data = table(zone=[1, 2, 10, 2], size=["1", "2", "3", "4"], id=["a", "b", "c", "d"], y=[0, 1, 0, 1])
    columns = Columns.learn(data, target="y", drop=["id"], categorical=["zone"], numeric=["size"])
    assert columns.columns == [
        Category("zone", ["1", "2", "10"], "2"),
        Number("size", 2.5, 1.0, 4.0),
        LeftOut("id", "dropped by the user"),
    ]
    assert columns.needs == ["zone", "size"]


def test_a_column_cannot_be_both_a_category_and_a_number():
    with pytest.raises(ArgumentError, match="'a' cannot be both"):
        Columns.learn(table(a=[1, 2], y=[0, 1]), target="y", categorical=["a"], numeric=["a"])


@pytest.mark.parametrize("how", ["drop", "categorical", "numeric"])
def test_an_absent_column_is_answered_with_the_nearest_name(how):
    absent: dict[str, Any] = {how: ["aeg"]}
    with pytest.raises(ColumnError, match=r"no column 'aeg' in f\.csv\. Did you mean 'age'\?"):
        Columns.learn(table(age=[1, 2], y=[0, 1]), target="y", where="f.csv", **absent)


def test_new_rows_that_lack_a_column_are_refused_with_the_nearest_name():
    with pytest.raises(ColumnError, match=r"no column 'age' in new\.csv\. Did you mean 'Age'\?"):
        learn(age=[1, 2]).encode(table(Age=[1]), "new.csv")


def test_no_usable_column_says_why_for_each():
    with pytest.raises(ColumnError, match=r"'a' \(left out: constant: every row holds 1\), 'b' \(left out: empty"):
        Columns.learn(table(a=[1, 1], b=[None, None], y=[0, 1]), target="y")


def test_text_where_a_number_is_due_is_named_by_its_row_in_the_whole_file():
    with pytest.raises(CellError, match=r"column 'age', row 102 of new\.csv: 'old' is not a number"):
        learn(age=[1, 2]).encode(table(age=["3", "old"]), "new.csv", first_row=101)


def test_a_category_is_matched_by_value_when_a_file_stores_it_differently():
    columns = learn(grade=["1.0", "2.0", "x", "x", "True"])
    X = columns.encode(table(grade=[1, 2])).X
    np.testing.assert_array_equal(X, [[1, 0, 0], [0, 1, 0]])
    np.testing.assert_array_equal(columns.encode(table(grade=[True])).X, [[0, 0, 1]])


def test_a_value_that_two_levels_have_and_a_number_beside_an_identifier_are_unseen():
    columns = learn(version=["1.10", "1.100", "beta", "beta"], id=["12345678901234567890", "A1", "A1", "A1"])
    encoded = columns.encode(table(version=["1.10", "1.1"], id=["12345678901234567890", "12345678901234567891"]))
    np.testing.assert_array_equal(encoded.X, [[1, 0, 1], [0, 0, 0]])
    assert [note.values for note in encoded.notes] == [("1.1",), ("12345678901234567891",)]


@pytest.mark.parametrize("kind", [pa.date32(), pa.timestamp("s"), pa.timestamp("us"), pa.timestamp("us", "UTC")])
def test_a_category_of_dates_is_matched_by_value_when_a_file_stores_it_differently(kind):
    texts = ["2024-01-31", "2024-03-31", "2024-01-31"]
    stored = pa.array([*map(datetime.date.fromisoformat, texts)]).cast(pa.timestamp("s")).cast(kind)
    words = learn(until=[*texts, "never", "never", "never"])
    assert isinstance(words.columns[0], Category)
    dates = Columns.learn(table(until=stored, y=[0, 1, 0]), target="y", categorical=["until"])
    for new in (stored, texts, ["2024/1/31", "2024-3-31 00:00", "2024-01-31T00:00:00Z"]):
        encoded = words.encode(table(until=new))
        np.testing.assert_array_equal(encoded.X, [[1, 0], [0, 1], [1, 0]])
        encoded = dates.encode(table(until=new))
        np.testing.assert_array_equal(encoded.X, [[0], [1], [0]])
        assert encoded.notes == ()


def test_levels_that_are_days_and_times_are_written_as_short_as_they_are():
    cells = [datetime.datetime(2024, 1, 31), datetime.datetime(2024, 2, 1, 10, 30), datetime.datetime(2024, 2, 1)]
    column = Columns.learn(table(at=cells, y=[0, 1, 0]), target="y", categorical=["at"]).columns[0]
    assert column.levels == ["2024-01-31", "2024-02-01", "2024-02-01 10:30:00"]


def test_no_two_features_share_a_name():
    columns = learn(**{"a": ["b", "c", "c"], "a = b": [1.0, 2.0, 4.0]})
    assert columns.feature_names == ["a = b", "a = b (2)"]


def test_no_rows_give_no_rows():
    columns = learn(age=[1.0, None, 3.0], city=["a", "b", "b"], old=[True, False, False])
    empty = table(age=[1.0], city=["a"], old=[True]).head(0)
    assert columns.encode(empty).X.shape == (0, 4)


def test_many_mostly_zero_features_are_sparse_and_equal_to_the_dense_ones():
    rng = np.random.default_rng(1)
    zones = rng.integers(0, 90, 3000).astype(str)
    data = table(zone=[f"z{zone}" for zone in zones], x=rng.normal(size=3000), y=[0, 1] * 1500)
    columns = Columns.learn(data, target="y")
    X = columns.encode(data).X
    assert sparse.issparse(X)
    assert X.format == "csr"
    dense = np.vstack([columns.encode(data[i : i + 1]).X.toarray() for i in range(50)])
    np.testing.assert_array_equal(X[:50].toarray(), dense)
    dummies = pd.get_dummies(data["zone"].to_pandas()).drop(columns=columns.columns[0].reference)
    np.testing.assert_array_equal(X.toarray()[:, :-1], dummies)


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, pa.table])
def test_every_kind_of_dataframe_gives_the_same(make):
    data = {
        "age": [1.5, None, 3.0],
        "city": ["Rome", "Oslo", None],
        "old": [True, False, True],
        "y": [0, 1, 0],
    }
    columns = Columns.learn(frame(make(data)), target="y")
    assert columns.feature_names == ["age", "age is missing", "city = Rome", "city is missing", "old"]
    expected = [[1.5, 0, 1, 0, 1], [2.25, 1, 0, 0, 0], [3, 0, 0, 1, 1]]
    np.testing.assert_array_equal(columns.encode(frame(make(data))).X, expected)


@pytest.mark.parametrize(
    "data",
    [
        pd.DataFrame({"c": pd.Categorical([1, 2, 1]), "y": [0, 1, 0]}),
        pl.DataFrame({"c": ["1", "2", "1"], "y": [0, 1, 0]}, schema_overrides={"c": pl.Categorical}),
        pl.DataFrame({"c": ["1", "2", "1"], "y": [0, 1, 0]}, schema_overrides={"c": pl.Enum(["2", "1"])}),
    ],
)
def test_a_categorical_type_is_a_category_even_of_numbers(data):
    assert Columns.learn(frame(data), target="y").columns == [Category("c", ["1", "2"], "1")]


def test_mixed_objects_of_pandas_are_text():
    column = Columns.learn(frame(pd.DataFrame({"c": [1, "a", None, 1], "y": [0, 1, 0, 1]})), target="y").columns[0]
    assert column == Category("c", ["1", "a"], "1", 1)


def test_columns_survive_the_model_file():
    columns = learn(age=[0.1, None, 3.0], city=["a", "b", "b"], old=[True, False, False], same=[1, 1, 1])
    assert msgspec.json.decode(msgspec.json.encode(columns), type=Columns) == columns


def test_columns_describe_themselves_in_words():
    columns = learn(age=[1.0, None, 3.0], city=["a", "b", "b"], old=[True, False, False], same=[1, 1, 1])
    assert columns.describe() == [
        ("age", "number from 1 to 3, mean 2, 1 missing cell filled with the mean and flagged"),
        ("city", "category of 2 levels against 'b'"),
        ("old", "true or false, 33.33% true"),
        ("same", "left out: constant: every row holds 1"),
    ]


@pytest.mark.parametrize(
    ("cells", "numbers", "like"),
    [
        (["1,234.50", "$3", "2,000,000"], [1234.5, 3, 2e6], "1,234.5"),
        (["$-1,000", "-$2", "5"], [-1000, -2, 5], "1,234.5"),
        (["12%", "7.5 %", "-1%"], [12, 7.5, -1], "1,234.5"),
        (["1.234,50", "3 €", "0,5"], [1234.5, 3, 0.5], "1.234,5"),
        (["1 234,5", "12", "7,25"], [1234.5, 12, 7.25], "1.234,5"),
        (["1'234.5", "12", "7.25"], [1234.5, 12, 7.25], "1,234.5"),
        (["1,5", "1,234", "2"], [1.5, 1.234, 2], "1.234,5"),
        (["0,671", "1,549", "-0,903 €"], [0.671, 1.549, -0.903], "1.234,5"),
        (["$0.671", "$1.549", "1,000.903"], [0.671, 1.549, 1000.903], "1,234.5"),
    ],
)
def test_numbers_are_read_as_the_column_writes_them(cells, numbers, like):
    columns = learn(price=cells)
    np.testing.assert_allclose(columns.encode(table(price=cells)).X[:, 0], numbers, rtol=1e-15)
    assert columns.describe()[0][1].startswith(f"number written like {like} from ")
    again = msgspec.json.decode(msgspec.json.encode(columns), type=Columns)
    np.testing.assert_allclose(again.encode(table(price=[None, *cells])).X[1:, 0], numbers, rtol=1e-15)


def test_negatives_in_parentheses_are_numbers_of_accountants():
    column = only(cost=["(50.3)", "1,234.50", "($7)", "$12", " (1,000.25) "] * 10)
    assert isinstance(column, Number)
    assert (column.low, column.high) == (-1000.25, 1234.5)
    assert isinstance(only(mark=["(-3)", "(+4)", "(5"] * 10), Category)


def test_a_comma_that_may_be_either_parts_thousands_and_the_summary_says_so():
    column = only(price=["1,234", "12", "5,678"])
    assert (column.low, column.high) == (12, 5678)
    assert "a comma taken to part thousands as no cell tells" in column.describe()
    assert "no cell tells" not in only(price=["1,234", "12", "5,678.5"]).describe()


@pytest.mark.parametrize(
    "cells", [["007", "012", "12"], ["$3", "€4", "$5"], ["12%", "0.12", "5"], ["1,23,4", "5", "6"], ["12", "--3", "4"]]
)
def test_codes_and_mixed_units_are_categories_and_not_numbers(cells):
    assert isinstance(only(z=[*cells, cells[0]]), Category)


@pytest.mark.parametrize(
    ("at_fit", "fine", "other", "known"),
    [
        (["12%", "3 %", "5.5%"], "7%", "0.05", "%"),
        (["$12", "$1,000", "3"], "7", "€5", r"none, \$"),
        (["1,234", "5", "6,5"], "£7", "12%", "none"),
    ],
)
def test_a_new_number_whose_unit_would_not_have_gone_with_the_others_is_named(at_fit, fine, other, known):
    columns = learn(z=at_fit)
    assert columns.encode(table(z=[fine])).X.tolist() == [[float(re.sub(r"[^\d.]", "", fine))]]
    with pytest.raises(CellError, match=rf"column 'z', row 2 of new\.csv: '{other}' has another unit .*\({known}\)"):
        columns.encode(table(z=[fine, other]), "new.csv")


def test_units_that_are_mixed_as_the_user_wants_it_are_not_compared():
    columns = Columns.learn(table(z=["$3", "€4", "$5"], y=[0, 1, 0]), target="y", numeric=["z"])
    assert columns.encode(table(z=["5%", "£1"])).X.tolist() == [[5], [1]]


def test_a_number_written_another_way_in_new_rows_is_named():
    columns = learn(price=["1.234,50", "3", "0,5"])
    with pytest.raises(CellError, match=r"column 'price', row 2 of new\.csv: '1,234\.50' is not a number"):
        columns.encode(table(price=["7,5", "1,234.50"]), "new.csv")


@pytest.mark.parametrize("mark", ["?", "NA", "NULL", " . ", "nan", "n.a.", "--"])
def test_a_mark_of_a_missing_cell_is_missing_wherever_the_table_comes_from(mark):
    columns = learn(size=["1", mark, "4", "2.5"], city=["a", "b", mark, "b"])
    assert columns.columns[0] == Number("size", 2.5, 1.0, 4.0, 1, marks=[mark.strip()])
    words = [
        f"1 missing cell ({mark.strip()!r}) {end}" for end in ("filled with the mean and flagged", "as one more level")
    ]
    for (_, described), said in zip(columns.describe(), words, strict=True):
        assert described.endswith(said)
    np.testing.assert_array_equal(columns.encode(table(size=[mark], city=[mark])).X, [[2.5, 1, 0, 1]])


def rare(levels: int) -> list[str]:
    """Twelve rows of each of so many levels, and two rows of x, one of y."""
    return [f"l{i:02d}" for i in range(levels) for _ in range(12)] + ["x", "y", "x"]


def test_rare_levels_of_many_are_pooled_and_so_are_unseen_ones():
    column = only(z=rare(20))
    assert (column.pooled, column.floor, column.reference) == (["x", "y"], 10, "l00")
    assert column.feature_names[-2:] == ["z = l19", "z = other"]
    assert column.describe() == "category of 20 levels against 'l00', 2 levels of fewer than 10 rows pooled as 'other'"
    encoded = Columns([column]).encode(table(z=["x", "new", "l19", "l00", "y"]))
    np.testing.assert_array_equal(encoded.X[:, -2:], [[0, 1], [0, 1], [1, 0], [0, 0], [0, 1]])
    assert encoded.X[:, :-2].sum() == 0
    assert list(map(str, encoded.notes)) == ["column 'z': 1 row holds 1 value unseen at fit (new); counted as 'other'"]


def test_few_levels_are_kept_however_rare():
    assert only(z=rare(15)).pooled == []


@pytest.mark.parametrize(
    ("floor", "pooled"), [(0, []), (2, ["y"]), (3, ["x", "y"]), (0.005, ["y"]), (0.01, ["x", "y"])]
)
def test_the_floor_is_rows_or_a_share_of_them(floor, pooled):
    cells = rare(20)
    data = table(z=cells, y=[0] * len(cells))
    column = Columns.learn(data, target="y", floor=floor).columns[0]
    assert column.pooled == pooled


def test_a_column_of_rare_levels_alone_is_left_out():
    cells = [f"l{i}" for i in range(30) for _ in range(3)]
    assert only(z=cells).reason == "rare: none of its 30 different values has 10 rows"


def test_a_pool_beside_a_level_called_other_has_another_name():
    assert only(z=["other" if cell == "l00" else cell for cell in rare(21)]).feature_names[-1] == "z = any other"


def test_unseen_levels_are_refused_where_that_is_told():
    data = table(z=[*rare(20), None], y=[0] * 244)
    columns = Columns.learn(data, target="y", unseen="error")
    assert columns.encode(table(z=["x", None, "l00"])).notes == ()
    with pytest.raises(CellError, match=r"column 'z', row 12 of new\.csv: 'new' was not seen at fit"):
        columns.encode(table(z=["x", "new"]), "new.csv", first_row=11)
    assert columns.encode(table(z=["new"]), unseen="pool").notes != ()


def hours(many: int, step: int = 7) -> list[datetime.datetime]:
    return [datetime.datetime(2023, 1, 1) + datetime.timedelta(hours=step * i) for i in range(many)]


def test_a_date_is_those_of_its_parts_that_vary():
    column = only(when=hours(300))
    assert column.describe() == "date from 2023-01-01 on, by its day, month, weekday, hour"
    assert column.feature_names[:3] == ["when: days since 2023-01-01", "when: month = Feb", "when: month = Mar"]
    assert "hour" not in only(when=[each.date() for each in hours(300)]).parts
    assert list(only(when=hours(24, 1)).parts) == ["hour"]


def test_dates_agree_with_pandas():
    when = pd.Series(hours(300))
    column = only(when=when)
    X = dict(zip(column.feature_names, Columns([column]).encode(table(when=when)).X.T, strict=True))
    np.testing.assert_array_equal(X["when: days since 2023-01-01"], (when.dt.normalize() - when.min()).dt.days)
    np.testing.assert_array_equal(X["when: month = Mar"], when.dt.month == 3)
    np.testing.assert_array_equal(X["when: weekday = Sat"], when.dt.day_of_week == 5)
    np.testing.assert_array_equal(X["when: hour = 21h"], when.dt.hour == 21)


@pytest.mark.parametrize("kind", [pa.date32(), pa.date64(), pa.timestamp("s"), pa.timestamp("ns", "UTC"), pa.string()])
def test_a_date_is_the_same_however_it_is_stored(kind):
    days = [each.date() for each in hours(60, 24)]
    stored = pa.array(map(str, days)) if kind == pa.string() else pa.array(days).cast(pa.timestamp("s")).cast(kind)
    columns = Columns.learn(table(when=stored, y=[0, 1] * 30), target="y", date=("day", "month"))
    assert list(columns.columns[0].parts) == ["day", "month"]
    new = [f"{days[-1]}", None] if kind == pa.string() else pa.array([days[-1], None])
    np.testing.assert_array_equal(columns.encode(table(when=new)).X, [[59, 0, 1], [29.5, 0, 0]])


def test_times_of_another_zone_are_told_by_the_clock_of_the_fit():
    hours = pd.date_range("2024-01-01 12:00", periods=48, freq="h", tz="Europe/Oslo")
    columns = Columns.learn(frame(pd.DataFrame({"when": hours, "y": [0, 1] * 24})), target="y")
    here, there = (columns.encode(frame(pd.DataFrame({"when": each}))).X for each in (hours, hours.tz_convert("UTC")))
    np.testing.assert_array_equal(here, there)
    assert "of Europe/Oslo" in columns.describe()[0][1]


def test_times_of_two_zones_are_one_clear_line():
    hours = pd.date_range("2024-01-01", periods=3, freq="h", tz="UTC")
    one, other = (frame(pd.DataFrame({"when": hours.tz_convert(zone)})) for zone in ("UTC", "Asia/Tokyo"))
    with pytest.raises(
        ColumnError, match="'when' holds times of Asia/Tokyo from row 4 of the data on, and of UTC before"
    ):
        tally(one) + tally(other, first_row=4)


@pytest.mark.parametrize("zone", ["Z", "+01:00", " -0530", "+02"])
def test_a_time_in_text_may_tell_its_zone_and_counts_by_the_clock_on_the_wall(zone):
    cells = [f"2024-01-{day:02d}T{day % 3:02d}:00:00" for day in range(1, 29)]
    plain, zoned = only(when=cells), only(when=[cell + zone for cell in cells])
    assert zoned == plain
    assert isinstance(zoned, Date)


@pytest.mark.parametrize("wrong", ["unknown", "2020-02-31", "31.2.2020", "17"])
def test_one_wrong_cell_among_many_dates_is_named_with_its_remedy(wrong):
    cells = [f"2024-01-{1 + row % 15:02d}" for row in range(99)] + [wrong]
    with pytest.raises(CellError, match=f"'when', row 100 of the data: '{wrong}' is not a date.*categorical=..when"):
        only(when=cells)
    data = table(when=cells, y=[0, 1] * 50)
    assert isinstance(Columns.learn(data, target="y", categorical=["when"]).columns[0], Category)


SLASHED = [("%d/%m/%Y", "31/01/2024"), ("%m-%d-%Y %-H:%M", "01/31/2024"), (" %-m/%-d/%Y ", "01/31/2024")]


@pytest.mark.parametrize(("form", "like"), SLASHED)
def test_a_day_above_12_tells_the_order_of_day_and_month(form, like):
    days = [datetime.datetime(2023, 12, 1, 7) + datetime.timedelta(days=row, hours=row) for row in range(90)]
    texts, iso = ([f"{day:{each}}" for day in days] for each in (form, "%Y-%m-%d" + " %H:%M" * ("H" in form)))
    told, plain = only(when=texts), only(when=iso)
    assert isinstance(told, Date)
    assert msgspec.structs.replace(told, order="") == plain
    assert f"written like {like}, by its" in told.describe()
    columns = Columns.learn(table(when=texts, y=[0, 1] * 45), target="y")
    rows = [f"{datetime.datetime(2024, 2, 1):{form}}", "2024-02-01", None]  # which alone may be of January
    np.testing.assert_array_equal(*columns.encode(table(when=rows)).X[:2])
    with pytest.raises(CellError, match=f"'soon' is not a date like {like}; fix the cell"):
        columns.encode(table(when=["soon"]))


def test_one_cell_that_is_neither_way_is_enough_to_tell_the_order():
    texts = [f"{1 + row % 12:02d}/{1 + row % 11:02d}/2020" for row in range(400)]
    assert isinstance(only(when=texts), LeftOut)
    assert only(when=[*texts, "12/31/2020", "2020-12-30"]).order == "month first"


@pytest.mark.parametrize("cell", ["{month:02d}/{day:02d}/2020", "{day:02d}-{month:02d}-2020 10:30"])
def test_dates_that_can_mean_two_days_are_left_out_with_the_way_to_write_them(cell):
    cells = [cell.format(month=1 + row % 12, day=1 + row % 11) for row in range(400)]
    column = only(when=cells)
    assert isinstance(column, LeftOut)
    assert f"dates such as {cells[0]}" in column.reason
    assert "write them like 2024-01-31" in column.reason


@pytest.mark.parametrize("wrong", ["31/02/2024", "unknown"])
def test_one_wrong_cell_among_many_dates_with_slashes_is_named(wrong):
    cells = [f"{1 + row % 28:02d}/{1 + row % 12:02d}/2024" for row in range(99)] + [wrong]
    with pytest.raises(CellError, match=f"'when', row 100 of the data: '{wrong}' is not a date like 31/01/2024; fix"):
        only(when=cells)


def test_dates_of_which_some_are_day_first_and_some_month_first_are_no_dates():
    cells = [f"{1 + row % 28:02d}/{1 + row % 28:02d}/2020" for row in range(400)]
    assert not isinstance(only(when=cells), Date)


@pytest.mark.parametrize(("form", "time"), [("%d.%m.%Y", ""), ("%d.%m.%Y %H:%M", "T%H:%M:00"), (" %-d.%-m.%Y ", "")])
def test_dates_with_points_are_the_same_column_as_in_iso(form, time):
    days = [datetime.datetime(2023, 12, 20, 7) + datetime.timedelta(days=row, hours=row) for row in range(90)]
    pointed, iso = (only(when=[f"{day:{each}}" for day in days]) for each in (form, f"%Y-%m-%d{time}"))
    assert pointed == iso
    assert isinstance(iso, Date)
    assert iso.first == "2023-12-20"


def test_a_word_beside_few_dates_makes_a_category():
    assert isinstance(only(until=["2024-01-31"] * 50 + ["2024-12-31"] * 45 + ["never"] * 5), Category)


def test_the_user_decides_which_parts_of_a_date_count():
    data = table(when=[*hours(300), None], x=np.linspace(0, 1, 301), y=[0] * 301)
    date = Columns.learn(data, target="y", date=("weekday", "year")).columns[0]
    assert date.feature_names[-1] == "when is missing"
    assert len(date.feature_names) == 7
    same = Columns.learn(data[:3], target="y", date=("month",)).columns[0]
    assert same == LeftOut("when", "constant: its month never varies")
    left_out = Columns.learn(data, target="y", date=()).columns[0]
    assert left_out == LeftOut("when", "a date or time: its type is timestamp[us]")
    with pytest.raises(ArgumentError, match="date='minute' is no part of a date"):
        Columns.learn(data, target="y", date=("minute",))


def test_a_cell_that_is_no_date_is_named():
    columns = learn(when=hours(30))
    with pytest.raises(CellError, match=r"column 'when', row 2 of new\.csv: '2023-02-30' is not a date like"):
        columns.encode(table(when=["2023-02-28", "2023-02-30"]), "new.csv")
    with pytest.raises(ColumnError, match="column 'when' of the data holds int64 where dates are due"):
        columns.encode(table(when=[1]))


@pytest.mark.parametrize(
    ("at_fit", "new", "due"),
    [(hours(60), datetime.time(3), "dates"), (hours(60), datetime.date(2024, 1, 1), "times of day")],
)
def test_dates_that_lack_a_part_that_counts_are_refused(at_fit, new, due):
    with pytest.raises(ColumnError, match=f"column 'when' of new.csv holds .* where {due} are due"):
        learn(when=at_fit).encode(table(when=[new]), "new.csv")


@pytest.mark.parametrize("kind", [pa.time32("s"), pa.time64("us")])
def test_a_time_of_day_is_its_hour(kind):
    column = only(at=pa.array([each.time() for each in hours(60)]).cast(kind, safe=False))
    assert list(column.parts) == ["hour"]
    assert column.describe() == "time of day, by its hour"


def test_text_is_counted_by_its_hashed_words():
    data = table(said=["Good, very good", "bad", None, "so bad"], x=[1.0, 2.0, 4.0, 3.0], y=[0, 1, 0, 1])
    columns = Columns.learn(data, target="y", text=["said"], text_width=64)
    assert columns.columns[0] == Text("said", 64, 1)
    X = columns.encode(data).X
    assert sparse.issparse(X)
    assert len(columns.feature_names) == X.shape[1] == 66
    X = X.toarray()
    np.testing.assert_allclose(np.linalg.norm(X[:, :64], axis=1), [1, 1, 0, 1])
    np.testing.assert_array_equal(X[:, 64:], [[0, 1], [0, 2], [1, 4], [0, 3]])
    # good, very, good very, very good: counts 2, 1, 1, 1
    np.testing.assert_allclose(np.sort(X[0, :64])[-4:] * np.hypot(1 + np.log(2), 3**0.5), [1, 1, 1, 1 + np.log(2)])


def test_hashed_words_are_those_of_scikit_learn():
    from sklearn.feature_extraction.text import HashingVectorizer

    texts = ["one two", "two three four", "", "One"]
    columns = Columns.learn(table(t=texts, y=[0, 1, 0, 1]), target="y", text=["t"], text_width=128)
    theirs = HashingVectorizer(n_features=128, ngram_range=(1, 2), alternate_sign=False).transform(texts).toarray()
    np.testing.assert_allclose(columns.encode(table(t=texts)).X.toarray()[:, :128], theirs)


def test_free_text_is_left_out_with_the_way_to_use_it():
    assert only(z=[f"no row says the same, says row {i}" for i in range(30)]).reason.endswith(
        "; Columns(text=['z']) uses its words"
    )


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"floor": -1}, "floor=-1 must be a number of rows"),
        ({"text_width": 1}, "text_width=1 must be a whole number of features, from 2 to 262,144"),
        ({"text_width": 10**8}, "text_width=100000000 must be a whole number of features, from 2 to 262,144"),
        ({"unseen": "ignore"}, "unseen='ignore' must be one of pool, error"),
        ({"text": ["a"], "numeric": ["a"]}, "'a' cannot be both numeric and text"),
    ],
)
def test_an_option_without_meaning_is_refused(told, message):
    with pytest.raises(ArgumentError, match=message):
        Columns.learn(table(a=[1, 2], y=[0, 1]), target="y", **told)


@pytest.mark.parametrize(("how", "due"), [("numeric", "numbers"), ("categorical", "categories"), ("text", "texts")])
def test_what_a_column_cannot_be_is_said(how, due):
    with pytest.raises(ColumnError, match=rf"column 'a' of f\.parquet holds list<.*> where {due} are due"):
        Columns.learn(table(a=[[1], [2]], y=[0, 1]), target="y", where="f.parquet", **{how: ["a"]})


def test_columns_of_an_older_model_file_are_still_read():
    old = """{"columns": [
        {"type": "number", "name": "age", "mean": 2.0, "low": 1.0, "high": 3.0, "missing": 1},
        {"type": "category", "name": "city", "levels": ["a", "b"], "reference": "b", "missing": 0},
        {"type": "left out", "name": "same", "reason": "constant: every row holds 1"}]}"""
    columns = msgspec.json.decode(old, type=Columns)
    np.testing.assert_array_equal(columns.encode(table(age=[None, 3], city=["a", "b"])).X, [[2, 1, 1], [3, 0, 0]])


cells = st.one_of(
    st.lists(st.one_of(st.none(), st.floats(-1e6, 1e6)), min_size=8, max_size=8),
    st.lists(st.one_of(st.none(), st.sampled_from(["a", "b", "c"])), min_size=8, max_size=8),
    st.lists(st.one_of(st.none(), st.booleans()), min_size=8, max_size=8),
)


@given(cells, st.integers(1, 7))
def test_any_split_of_the_rows_gives_the_same_numbers(column, cut):
    data = table(z=column, x=list(range(8)), y=[0, 1] * 4)
    columns = Columns.learn(data, target="y")
    parts = [columns.encode(part).X for part in (data[:cut], data[cut:])]
    np.testing.assert_array_equal(np.vstack(parts), columns.encode(data).X)


@given(cells)
def test_training_rows_hold_nothing_unseen_and_no_nan(column):
    data = table(z=column, x=list(range(8)), y=[0, 1] * 4)
    encoded = Columns.learn(data, target="y").encode(data)
    assert encoded.notes == ()
    assert np.isfinite(encoded.X).all()


def test_numbers_in_text_that_repeat_a_column_of_numbers_are_a_duplicate_whatever_their_rounding():
    numbers = np.random.default_rng(3).normal(size=200).round(3)
    data = table(b=numbers, c=[str(number) for number in numbers], y=[0, 1] * 100)
    assert dict(Columns.learn(data, target="y").describe())["c"] == "left out: duplicate of column 'b'"
