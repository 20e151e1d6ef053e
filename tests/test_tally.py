"""Tallies of batches add up to the tally of all rows: what is learned does not know how the rows came."""

import datetime
import pickle
import re
from dataclasses import replace
from functools import reduce
from itertools import pairwise
from operator import add
from typing import Any

import narwhals as nw
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from separatrix.data.streams.distinct_rows import counted
from separatrix.data.tables import counts
from separatrix.data.tables.cell_kinds import turns
from separatrix.data.tables.cells import Table
from separatrix.data.tables.columns import Columns, LeftOut
from separatrix.data.tables.counts import Moments
from separatrix.data.tables.tally import Tally, tally
from separatrix.data.tables.target import learn_target, target_of
from separatrix.errors import CellError, ColumnError

ROWS = 24
START = datetime.datetime(2024, 2, 28)


def table(**columns: Any) -> Table:
    return nw.from_native(pa.table(columns), eager_only=True)


def whole(parts: list[Tally]) -> Tally:
    return reduce(add, parts)


def batches(data: Table, cuts: list[int]) -> list[Tally]:
    """The tallies of the rows between the cuts, some of which may be empty."""
    ends = [0, *sorted(cuts), len(data)]
    return [tally(data[a:b], "f.csv", first_row=a + 1) for a, b in pairwise(ends)]


def column(cells: st.SearchStrategy[Any], kind: Any) -> st.SearchStrategy[Any]:
    """A column of such cells, some of them missing."""
    some = st.one_of(cells, cells, cells, st.none())
    return st.lists(some, min_size=ROWS, max_size=ROWS).map(lambda values: pa.array(values, kind))


tables = st.fixed_dictionaries(
    {
        "fraction": column(st.floats(-1e9, 1e9), pa.float64()),
        "whole": column(st.integers(-3, 3), pa.int64()),
        "flag": column(st.booleans(), pa.bool_()),
        "level": column(st.sampled_from(["a", "b", "c", "?", "NA"]), pa.string()),
        "price": column(st.sampled_from(["$1,234", "2.5", "7", "1,200.5"]), pa.string()),
        "preis": column(st.sampled_from(["1,5", "1.234,5", "12", "1,234"]), pa.string()),
        "date": column(st.integers(0, 60).map(lambda day: START + datetime.timedelta(days=day)), pa.timestamp("us")),
        "text date": column(st.integers(10, 31).map(lambda day: f"2024-01-{day}"), pa.string()),
        "slashed": column(st.sampled_from(["31/01/2024", "1/2/2024", "2-2-2024 9:05", "2024-01-30"]), pa.string()),
        "nested": column(st.lists(st.integers(0, 3)), pa.list_(pa.int64())),
    }
)


@settings(max_examples=20)
@given(tables, st.lists(st.integers(0, ROWS), max_size=4))
def test_any_split_of_the_rows_teaches_the_same(cells, cuts):
    data = table(**cells, row=range(ROWS), x=[2.0, 1.0] * (ROWS // 2), copy=cells["level"], y=[0, 1] * (ROWS // 2))
    once, parted = tally(data, "f.csv"), whole(batches(data, cuts))
    ours, theirs = (Columns.from_tally(each, target="y", drop=["fraction"]) for each in (parted, once))
    # A mean or a share in words has a few digits, and may be rounded from either side of a tie.
    one, other = (
        [(name, re.sub(r"mean \S+|\S+%", "mean", words)) for name, words in each.describe()] for each in (ours, theirs)
    )
    assert one == other
    assert ours.feature_names == theirs.feature_names
    np.testing.assert_allclose(ours.encode(data).X, theirs.encode(data).X, rtol=1e-12, atol=1e-10)
    for name, one in once.columns.items():
        other = parted.columns[name]
        assert (one.rows, one.missing, one.marks, one.digest) == (other.rows, other.missing, other.marks, other.digest)
        for way, reading in one.readings.items():
            assert_same_moments(reading.moments, other.readings[way].moments)


@settings(max_examples=20)
@given(tables, st.integers(1, ROWS - 1))
def test_what_some_rows_settle_is_not_looked_at_again_and_nothing_else_is_learned(cells, cut):
    x, y = [2.0, 1.0] * (ROWS // 2), [0, 1] * (ROWS // 2)
    data = table(**cells, x=x, y=y, copy=cells["fraction"], double=cells["whole"].cast(pa.float64()))
    with pytest.MonkeyPatch.context() as few:
        few.setattr(counts, "MOST_NUMBERS", 5)
        few.setattr(counts, "WIDEST", 5)
        first, rest = data[:cut], data[cut:]
        start = tally(first)
        quick = start + tally(rest, first_row=cut + 1, settled=start.settled)
        slow = start + tally(rest, first_row=cut + 1)
        assert quick.settled == slow.settled
        one, other = (Columns.from_tally(each, target="y") for each in (quick, slow))
    assert one == other


@settings(max_examples=20)
@given(tables, st.integers(0, ROWS), st.integers(0, ROWS))
def test_addition_is_associative(cells, first, second):
    a, b, c = batches(table(**cells), [first, second])
    one, other = (a + b) + c, a + (b + c)
    for name in cells:
        assert one.columns[name].digest == other.columns[name].digest
        assert one.columns[name].dates.counts == other.columns[name].dates.counts
        levels = [each.columns[name].levels for each in (one, other)]
        if levels[0] is not None and name != "nested":
            assert levels[0].texts() == levels[1].texts()
        for way, reading in one.columns[name].readings.items():
            assert_same_moments(reading.moments, other.columns[name].readings[way].moments)


@settings(max_examples=20)
@given(tables, st.lists(st.integers(0, ROWS - 1), min_size=1, max_size=3 * ROWS))
def test_rows_that_are_counted_say_what_each_of_them_would(cells, chosen):
    data = table(**cells, copy=cells["level"]).drop("nested")[chosen]
    counts = counted(data.to_native())
    ours = tally(nw.from_native(counts.rows, eager_only=True), "f.csv", 1 + counts.numbers, counts.weight)
    each = tally(data, "f.csv")
    assert ours.rows == each.rows
    for name, one in ours.columns.items():
        other = each.columns[name]
        for what in ("kind", "type", "rows", "missing", "marks", "letters", "kinds"):
            assert getattr(one, what) == getattr(other, what)
        assert one.levels is not None
        assert other.levels is not None
        assert one.levels.texts() == other.levels.texts()
        assert one.rising == other.rising or not (one.rising.holds or other.rising.holds)
        assert (one.dates.count, one.dates.counts) == (other.dates.count, other.dates.counts)
        for way, reading in one.readings.items():
            assert_same_moments(reading.moments, other.readings[way].moments)
            assert replace(reading, moments=Moments()) == replace(other.readings[way], moments=Moments())
    assert ours.columns["copy"].digest == ours.columns["level"].digest


def test_distinct_rows_come_in_the_order_of_their_first():
    random = np.random.default_rng(0)
    texts = {name: random.choice(["1,5", "1,234", None], 50) for name in "abcdef"}
    data = pa.table({name: pa.array(list(cells), pa.string()) for name, cells in texts.items()})
    for first in range(40):
        numbers = counted(data[first : first + 10]).numbers
        assert (np.diff(numbers) > 0).all()


def assert_same_moments(one: Moments, other: Moments) -> None:
    assert (one.count, one.low, one.high) == (other.count, other.low, other.high)
    size = max(abs(one.low), abs(one.high)) if one.count else 1.0
    assert one.mean == pytest.approx(other.mean, rel=1e-12, abs=1e-14 * size)
    assert one.squares == pytest.approx(other.squares, rel=1e-9, abs=1e-14 * size**2)


def test_moments_keep_their_digits_far_from_zero():
    numbers = 1e12 + np.random.default_rng(0).normal(size=100_000)
    found = tally(table(x=numbers)).columns["x"].readings["plain"].moments
    assert found.mean == pytest.approx(numbers.mean(), rel=1e-15)
    assert found.squares == pytest.approx(((numbers - 1e12) - (numbers - 1e12).mean()).var() * len(numbers), rel=1e-6)


def test_a_copy_is_told_from_the_same_cells_in_another_order():
    rng = np.random.default_rng(0)
    flags = rng.integers(0, 2, 1000)
    names = np.array(["no", "yes"])[flags]
    data = table(
        a=flags, b=flags.astype(float), c=rng.permutation(flags), d=names, e=names, f=rng.permutation(names), y=flags
    )
    columns = Columns.from_tally(whole(batches(data, [1, 500])), target="y").columns
    left_out = {column.name: column.reason for column in columns if isinstance(column, LeftOut)}
    assert left_out == {"b": "duplicate of column 'a'", "e": "duplicate of column 'd'"}


def test_rows_are_counted_across_batches():
    for numbers, counts_rows in ((range(5, 45), True), ([*range(20), *range(20)], False)):
        data = table(n=pa.array(numbers, pa.int64()), x=np.linspace(0, 1, 40), y=[0, 1] * 20)
        column = Columns.from_tally(whole(batches(data, [13, 20])), target="y").columns[0]
        assert isinstance(column, LeftOut) == counts_rows


def test_a_bad_cell_is_named_by_its_row_in_its_own_file():
    first, second = (["1.5", "2", "30"] * 6, ["4", "1O", "5", "6", "7", "8", "9", "10", "11", "12"])
    both = tally(table(age=first), "a.csv") + tally(table(age=second), "b.csv")
    with pytest.raises(CellError, match=r"column 'age', row 2 of b\.csv: '1O' is not a number"):
        Columns.from_tally(both)
    infinite = tally(table(age=[1.0, 2.0]), "a.csv") + tally(table(age=[1.0, -np.inf]), "a.csv", first_row=3)
    with pytest.raises(CellError, match=r"column 'age', row 4 of a\.csv: -inf is not a finite number"):
        Columns.from_tally(infinite)
    assert Columns.from_tally(both, categorical=["age"]).needs == ["age"]


def test_batches_of_other_columns_or_types_are_refused():
    one = tally(table(a=[1, 2]), "a.parquet")
    with pytest.raises(ColumnError, match=r"column 'b' is in one of a\.parquet and b\.parquet and not in the other"):
        one + tally(table(a=[1], b=[2]), "b.parquet")
    with pytest.raises(ColumnError, match=r"column 'a' holds large_string from row 7 of b\.parquet on, and int64"):
        one + tally(table(a=["x"]), "b.parquet", first_row=7)


def test_a_batch_without_a_known_cell_is_of_any_type():
    parts = [table(a=pa.nulls(2)), table(a=["x", "y"]), table(a=pa.array([None], pa.float64())), table(a=["x"])]
    column = whole([tally(part) for part in parts]).columns["a"]
    assert (column.kind, column.rows, column.missing, column.levels.texts()) == ("text", 6, 3, {"x": 2, "y": 1})


def test_a_tally_is_small_however_many_the_rows():
    def size(rows: int) -> int:
        numbers = np.random.default_rng(0).normal(size=rows)
        return len(pickle.dumps(tally(table(x=numbers, big=numbers.astype(str), k=range(rows)))))

    assert size(150_000) < 20_000


@pytest.mark.parametrize("cuts", [[], [40], [13, 50], [60, 60, 99]])
def test_where_cells_turn_to_another_kind_is_told_in_any_split(cuts):
    digits, dates = [str(row % 9) for row in range(50)], [f"2024-01-{1 + row % 28:02d}" for row in range(50)]
    data = table(
        k=[*digits, *["v3"] * 50],
        d=[*digits, *dates],
        e=[None, *dates[1:], *digits],
        mixed=["4" if row % 3 else "old" for row in range(100)],
        same=digits + digits,
    )
    said = [
        "'k' holds numbers at first, and text from row 51 of f.csv on ('v3')",
        "'d' holds numbers at first, and dates from row 51 of f.csv on ('2024-01-01')",
        "'e' holds dates at first, and numbers from row 51 of f.csv on ('0')",
    ]
    assert list(turns(whole(batches(data, cuts))).values()) == said
    assert list(turns(whole(batches(data, cuts)), ("k", "d")).values()) == said[2:]


def test_rows_that_are_counted_turn_where_each_of_them_would():
    data = table(k=[*["1", "2"] * 60, *["a", "b"] * 60])
    some = counted(data.to_native(), numbers=np.arange(1, 241))
    ours = tally(nw.from_native(some.rows, eager_only=True), "the data", some.numbers, some.weight)
    assert turns(ours) == turns(tally(data)) != {}


@pytest.mark.parametrize("cuts", [[], [5], [30], [10, 20, 50]])
def test_too_many_levels_are_given_up_in_any_split(monkeypatch, cuts):
    monkeypatch.setattr(counts, "MOST_LEVELS", 20)
    monkeypatch.setattr(counts, "MOST_NUMBERS", 20)
    monkeypatch.setattr(counts, "WIDEST", 20)
    cells = [f"k{i % 25}" for i in range(60)]
    data = table(z=cells, few=[f"k{i % 3}" for i in range(60)], n=[float(i % 25) / 7 for i in range(60)], y=[0, 1] * 30)
    learned = Columns.from_tally(whole(batches(data, cuts)), target="y")
    assert learned.columns[0] == LeftOut("z", "identifier: too many different values to count in 60 rows")
    assert learned.needs == ["few", "n"]
    for name in ("z", "n"):
        with pytest.raises(ColumnError, match=f"column '{name}' of f.csv has too many different values for a category"):
            Columns.from_tally(whole(batches(data, cuts)), target="y", categorical=[name])


@pytest.mark.parametrize("cells", [["b", "a", "c", "a"] * 6, [2.0, 1.0, None, 2.0] * 6, [True, False] * 12])
def test_a_target_is_learned_from_batches_too(cells):
    data = table(y=cells)
    found = target_of(whole(batches(data, [3, 3, 11])).columns["y"], where="f.csv")
    assert found == learn_target(data, "y")
    assert [type(label) for label in found.classes] == [type(label) for label in learn_target(data, "y").classes]


def test_whole_numbers_in_one_file_and_fractions_in_the_next_are_one_column():
    both = tally(table(y=[1, 2, 2])) + tally(table(y=[1.0, None, 2.5]))
    assert target_of(both.columns["y"]).classes == [1, 2, 2.5]
