"""The rows that a first reading keeps: an even sample, all that are rare as far as there is room, and every chance."""

from functools import reduce
from operator import add

import numpy as np
import pyarrow as pa
import pytest

from separatrix.data.streams.reservoir import MOST_STRATA, Reservoir, Strata, size

ROW = 8  # bytes of a row of one number


def labelled(counts: dict[str, int], seed: int = 0) -> np.ndarray:
    """So many rows of each label, mixed."""
    return np.random.default_rng(seed).permutation(np.repeat(list(counts), list(counts.values())))


def filled(labels: np.ndarray, room: int, seed: int = 0, known: bool = True, first: int = 0) -> Reservoir:
    """A reservoir of room for so many rows, which have passed by 1,000 at a time; they are numbered from `first`."""
    reservoir, random = Reservoir(room * ROW, {}), np.random.default_rng(seed)
    for i in range(0, len(labels), 1_000):
        some = labels[i : i + 1_000]
        table = pa.table({"number": np.arange(first + i, first + i + len(some), dtype=float)})
        given = pa.array(some, from_pandas=True).dictionary_encode() if known else None
        reservoir = reservoir.joined(table, given, random)
    return reservoir


def numbers(reservoir: Reservoir) -> np.ndarray:
    """The numbers of the rows that were kept."""
    return reservoir.rows()["number"].to_numpy().astype(int)


def test_all_rows_of_a_rare_label_are_kept_with_the_chance_1():
    labels = labelled({"good": 99_800, "fraud": 200})
    kept = filled(labels, 2_000)
    fraud = labels[numbers(kept)] == "fraud"
    assert fraud.sum() == 200
    assert (kept.strata().chance[fraud] == 1.0).all()
    assert 0.5 * 2_000 < len(fraud) <= 2_000


def test_a_label_is_rare_until_it_has_as_many_rows_as_the_others():
    labels = labelled({"a": 90_000, "b": 9_000, "c": 400, "d": 100})
    names, kept = np.unique(labels[numbers(filled(labels, 4_000))], return_counts=True)
    many = dict(zip(names, kept, strict=True))
    assert many["c"] == 400
    assert many["d"] == 100
    assert 0.5 < many["b"] / many["a"] < 1.0, "half of the room is for rows at the same rate, and most are a"


@pytest.mark.parametrize("known", [True, False])
def test_rows_stand_for_all_rows_of_their_label(known):
    counts = {"a": 60_000, "b": 30_000, "c": 9_900, "d": 100}
    labels, totals, seeds = labelled(counts), [], 30
    for seed in range(seeds):
        kept = filled(labels, 1_500, seed, known)
        times = 1.0 / kept.strata().chance
        mine = labels[numbers(kept)]
        totals.append([times[mine == label].sum() for label in counts])
    mean, error = np.mean(totals, axis=0), np.std(totals, axis=0) / np.sqrt(seeds)
    assert (np.abs(mean - list(counts.values())) <= 4 * error).all()
    assert (error[3] == 0) == known


def test_there_is_an_even_sample_in_it():
    labels = labelled({"good": 95_000, "odd": 4_000, "fraud": 1_000})
    kept = filled(labels, 10_000)
    even = numbers(kept)[kept.even()]
    assert 0.25 * 10_000 < len(even) < len(numbers(kept))
    rate = len(even) / len(labels)
    assert kept.strata().rates.min() == pytest.approx(rate, rel=0.1)
    for label in ("good", "odd", "fraud"):
        expected = rate * (labels == label).sum()
        assert abs((labels[even] == label).sum() - expected) < 4 * np.sqrt(expected)
    quarters = np.histogram(even, bins=4, range=(0, len(labels)))[0]
    assert np.ptp(quarters) < 6 * np.sqrt(len(even) / 4)


def test_many_rare_labels_leave_an_even_sample_its_half():
    labels = labelled({"common": 100_000, **{f"rare {i}": 500 for i in range(50)}})
    kept = filled(labels, 4_000)
    assert kept.even().sum() > 0.9 * 0.5 * 0.5 * 4_000
    even = labels[numbers(kept)[kept.even()]]
    assert 0.75 < (even == "common").mean() < 0.85


@pytest.mark.parametrize("many", [MOST_STRATA, MOST_STRATA + 1])
def test_of_too_many_labels_none_is_told_from_another(many):
    labels = labelled({"common": 50_000, **{f"rare {i}": 20 for i in range(many - 1)}})
    kept = filled(labels, 3_000)
    assert kept.even().all() == (many > MOST_STRATA)
    assert (np.unique(kept.strata().rates).size == 1) == (many > MOST_STRATA)


def test_all_rows_are_kept_while_there_is_room_but_those_without_a_label():
    labels = labelled({"a": 700, "b": 300}).astype(object)
    labels[::10] = None
    kept = filled(labels, 1_000)
    assert list(numbers(kept)) == [i for i in range(1_000) if i % 10]
    assert kept.even().all()
    assert (kept.strata().chance == 1.0).all()


def test_reservoirs_of_parts_add_up_at_the_lower_rate_of_each_label():
    first, second = labelled({"a": 30_000, "b": 500}), labelled({"c": 300, "b": 8_000, "a": 800}, seed=1)
    one, two = filled(first, 2_000, seed=1), filled(second, 1_000, seed=2, first=len(first))
    both, labels = one + two, np.concatenate([first, second])
    rates = {label: min(one.rates.get(label, 1.0), two.rates.get(label, 1.0)) for label in "abc"}
    assert both.rates == rates
    assert rates["a"] == one.rates["a"] < two.rates["a"]
    assert rates["b"] == two.rates["b"] < one.rates["b"] == 1.0
    draws = np.concatenate([np.random.default_rng(1).random(len(first)), np.random.default_rng(2).random(len(second))])
    assert list(numbers(both)) == list(np.flatnonzero(draws < [rates[label] for label in labels]))
    assert (both.strata().chance == [rates[label] for label in labels[numbers(both)]]).all()
    assert both.room == one.room + two.room


def test_a_sum_of_reservoirs_does_not_depend_on_how_it_is_made():
    labels = labelled({"a": 40_000, "b": 3_000, "c": 50})
    parts = [filled(labels[i : i + 10_000], 500, seed=i, first=i) for i in range(0, len(labels), 10_000)]
    in_turn, in_pairs = reduce(add, parts), parts[0] + (parts[1] + parts[2]) + (parts[3] + parts[4])
    assert in_turn.rates == in_pairs.rates
    assert np.array_equal(numbers(in_turn), numbers(in_pairs))


def test_parts_of_too_many_labels_together_are_even_together():
    half = MOST_STRATA // 2 + 1
    one, two = ({f"{name}{i}": 10 * (i + 1) for i in range(half)} for name in "ab")
    parts = [filled(labelled(one), 1_000), filled(labelled(two), 2_000, seed=1, first=10**6)]
    both = parts[0] + parts[1]
    assert both.rates == {None: min(min(part.rates.values()) for part in parts)}
    assert both.even().all()
    again = both + filled(labelled({"c": 2_000}), 100)
    assert list(again.rates) == [None]


def test_the_room_is_that_of_the_cells_and_not_of_how_they_are_cut():
    text = ["Rome", "Oslo", None, "Kyiv"] * 100
    arrays = [pa.array(text, kind) for kind in (pa.string(), pa.large_string(), pa.string_view())]
    assert {size(pa.chunked_array([array])) for array in arrays} == {8 * 400 + 4 * 300}
    cut = pa.chunked_array([arrays[0][:7], arrays[0][7:]])
    assert size(cut) == size(pa.chunked_array([arrays[0]]))
    assert size(pa.chunked_array([pa.array([[1.0] * 1_000])])) >= 8_000


def test_fewer_rows_of_strata_are_as_many_of_each_and_stand_for_as_many():
    codes = np.random.default_rng(0).permutation(np.repeat([0, 1, 2], [6_000, 3_000, 40]))
    strata = Strata(codes, np.array([0.01, 0.5, 1.0]))
    some, fewer = strata.fewer(1_040, 0.3)
    assert np.array_equal(codes[some], fewer.codes)
    np.testing.assert_allclose(np.bincount(fewer.codes), [500, 500, 40], atol=2)
    np.testing.assert_allclose(fewer.rates, [0.01 / 12, 0.5 / 6, 1.0])
    times = np.bincount(fewer.codes, 1.0 / fewer.chance)
    np.testing.assert_allclose(times, np.bincount(codes, 1.0 / strata.chance), rtol=0.01)
    assert list(strata.fewer(10_000, 0.9)[0]) == list(range(9_040))
