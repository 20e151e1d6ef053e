"""Labels become codes, and what cannot be learned is refused."""

from typing import Any

import msgspec
import narwhals as nw
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from separatrix.data.tables.cells import Table
from separatrix.data.tables.target import Target, learn_target
from separatrix.errors import ArgumentError, CellError, ColumnError, TargetError


def table(cells: Any) -> Table:
    return nw.from_native(pa.table({"y": cells}), eager_only=True)


@pytest.mark.parametrize(
    ("cells", "classes", "codes"),
    [
        (["no", "yes", "no"], ["no", "yes"], [0, 1, 0]),
        ([10, 9, 10], [9, 10], [1, 0, 1]),
        ([1.0, 0.0, 0.0], [0, 1], [1, 0, 0]),
        ([2.5, 1.5, 2.5], [1.5, 2.5], [1, 0, 1]),
        ([1e19, 1.0, 2e19, 1.0], [1, 1e19, 2e19], [1, 0, 2, 0]),
        (pa.array([2**64 - 1, 5, 2**63, 5], pa.uint64()), [5, 2**63, 2**64 - 1], [2, 0, 1, 0]),
        ([True, False, True], [False, True], [1, 0, 1]),
        (["b", "c", "a", "a"], ["a", "b", "c"], [1, 2, 0, 0]),
        (pa.array(["b", "a", "a"]).dictionary_encode(), ["a", "b"], [1, 0, 0]),
    ],
)
def test_labels_become_codes_in_sorted_order(cells, classes, codes):
    target = learn_target(table(cells), "y")
    assert target.classes == classes
    assert [type(label) for label in target.classes] == [type(label) for label in classes]
    encoded = target.encode(table(cells))
    assert encoded.dtype == np.int64
    assert encoded.tolist() == codes


def test_numbers_stored_as_floats_because_of_gaps_are_whole_classes():
    data = nw.from_native(pd.DataFrame({"y": [1, None, 0, 1]}), eager_only=True)
    assert learn_target(data, "y").classes == [0, 1]


@pytest.mark.parametrize(
    ("cells", "positive", "classes"),
    [
        (["good", "bad", "good"], "bad", ["good", "bad"]),
        ([1, 2, 1], "1", [2, 1]),
        ([True, False, False], "False", [True, False]),
        ([True, False, False], "false", [True, False]),
    ],
)
def test_the_positive_of_two_classes_is_the_second(cells, positive, classes):
    target = learn_target(table(cells), "y", positive=positive)
    assert target.classes == classes
    assert target.positive == classes[1]
    assert target.encode(table(cells)).sum() == cells.count(classes[1])


def test_the_positive_of_three_classes_is_set_against_the_rest():
    target = learn_target(table([1, 2, 3, 2]), "y", positive="2")
    assert target.classes == ["not 2", 2]
    assert target.encode(table([1, 2, 3, 2])).tolist() == [0, 1, 0, 1]


@pytest.mark.parametrize("positive", [None, "a"])
def test_a_label_that_fitting_has_not_seen_is_named(positive):
    target = learn_target(table(["a", "b", "c", "a"]), "y", positive=positive)
    with pytest.raises(CellError, match=r"column 'y', row 12 of new\.csv: 'z' is not a class of the target"):
        target.encode(table(["a", "z"]), "new.csv", first_row=11)


def test_a_missing_label_is_named():
    target = learn_target(table(["a", "b", None]), "y")
    with pytest.raises(CellError, match="row 2 of the data: an empty cell is no target"):
        target.encode(table(["a", None]))


def test_labels_are_matched_by_value_when_a_file_stores_them_differently():
    assert learn_target(table([0, 1, 1]), "y").encode(table(["1.0", "0"])).tolist() == [1, 0]
    assert learn_target(table([True, False, True]), "y").encode(table(["True", "false"])).tolist() == [1, 0]


def test_a_positive_class_that_is_not_there_is_answered_with_the_nearest():
    with pytest.raises(TargetError, match=r"no class '50K' in target 'y' of the data\. Did you mean '>50K'\?"):
        learn_target(table(["<=50K", ">50K", ">50K"]), "y", positive="50K")


def test_a_regression_target_is_its_numbers():
    target = learn_target(table([1, 3, 2]), "y", regression=True)
    assert target == Target("y", [])
    assert target.positive is None
    encoded = target.encode(table(["1.5", "2"]))
    assert encoded.dtype == np.float64
    assert encoded.tolist() == [1.5, 2.0]


def test_a_target_that_is_not_there_is_answered_with_the_nearest_name():
    with pytest.raises(ColumnError, match=r"no column 'Y' in f\.csv"):
        learn_target(table([0, 1]), "Y", where="f.csv")


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ([1, 1, 1], "holds one class, 1, in every row"),
        ([None, None], "holds no value in any of its 2 rows"),
        (["a", "b", "c"], "holds 3 classes in 3 rows"),
        ([f"n{i // 2}" for i in range(50)] + [f"m{i}" for i in range(10)], "holds 35 classes in 60 rows"),
        ([i / 2 for i in range(30)] * 4, "holds 30 different numbers.*use a linear regression"),
        (list(range(101)) * 5, "holds 101 different numbers.*use a linear regression"),
        ([[1], [2]], "holds list<.*>, neither classes nor numbers"),
    ],
)
def test_what_cannot_be_classes_is_refused(cells, message):
    with pytest.raises(TargetError, match=message):
        learn_target(table(cells), "y")


def test_many_whole_numbers_are_still_classes():
    assert learn_target(table(list(range(26)) * 10), "y").classes == list(range(26))


def test_classes_that_are_written_in_another_way_from_some_row_on_are_refused_with_it():
    data = table(["0", "1"] * 30 + ["no", "yes"] * 30)
    with pytest.raises(CellError, match=r"holds numbers at first, and text from row 61 of the data on \('no'\); write"):
        learn_target(data, "y")
    assert learn_target(table(["0", "1", "2", "3+"] * 20), "y").classes == ["0", "1", "2", "3+"]


@pytest.mark.parametrize("regression", [False, True])
def test_an_infinite_target_is_named(regression):
    with pytest.raises(CellError, match="column 'y', row 2 of the data: inf is not a finite number"):
        learn_target(table([1.0, float("inf"), 0.0]), "y", regression=regression)


def test_a_regression_on_text_names_the_first_cell():
    with pytest.raises(CellError, match="column 'y', row 2 of the data: 'b' is not a number"):
        learn_target(table(["1", "b", "c"]), "y", regression=True)


@pytest.mark.parametrize(
    ("texts", "numbers"),
    [
        (["$1,234.50", "$3", "-$12", "?", "(50.3)"], [1234.5, 3.0, -12.0, np.nan, -50.3]),
        (["1.234,50", "3", "0,5"], [1234.5, 3.0, 0.5]),
        (["12%", "3.5 %"], [12.0, 3.5]),
    ],
)
def test_a_regression_target_in_text_is_read_as_a_column_is(texts, numbers):
    data = nw.from_dict({"y": texts}, backend="pyarrow")
    target = learn_target(data, "y", regression=True)
    known = ~np.isnan(numbers)
    np.testing.assert_array_equal(target.encode(data.filter(known.tolist())), np.array(numbers)[known])


def test_a_regression_target_whose_commas_may_be_either_says_how_they_were_read():
    target = learn_target(table(["1,234", "12", "5,678"]), "y", regression=True)
    assert target.remark == ", a comma taken to part thousands as no cell tells"
    assert not learn_target(table(["1,234", "12", "5,678.5"]), "y", regression=True).remark


def test_a_target_of_another_unit_than_at_fit_is_refused():
    target = learn_target(nw.from_dict({"y": ["3%", "4%", "5%"]}, backend="pyarrow"), "y", regression=True)
    with pytest.raises(CellError, match=r"column 'y', row 2 of the data: '0\.05' has another unit than at fit \(%\)"):
        target.encode(nw.from_dict({"y": ["4%", "0.05"]}, backend="pyarrow"))


def test_a_regression_target_of_several_units_is_refused():
    data = nw.from_dict({"y": ["$3", "4 €", "$5"]}, backend="pyarrow")
    with pytest.raises(TargetError, match=r"numbers of different units \(\$, €\); write all in one"):
        learn_target(data, "y", regression=True)


def test_a_regression_on_a_constant_is_refused():
    with pytest.raises(TargetError, match="is 2 in every row"):
        learn_target(table([2.0, 2.0]), "y", regression=True)


def test_a_regression_has_no_positive_class():
    with pytest.raises(ArgumentError, match="positive='1'"):
        learn_target(table([1.0, 2.0]), "y", regression=True, positive="1")


@pytest.mark.parametrize("cells", [["a", "b", "a"], [0, 1, 1], [1.5, 2.5, 1.5], [True, False, True]])
def test_a_target_survives_the_model_file(cells):
    target = learn_target(table(cells), "y")
    again = msgspec.json.decode(msgspec.json.encode(target), type=Target)
    assert again == target
    assert [type(label) for label in again.classes] == [type(label) for label in target.classes]
