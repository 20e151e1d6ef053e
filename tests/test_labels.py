"""Labels to codes, some rows at a time; and weights and folds that are not kept for each row."""

import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seldom import seldom
from separatrix import LinearRegression, LogisticRegression
from separatrix.data.labels import brought_text, label_codes, weight_by_class
from separatrix.data.lazy import Made, weight_of_rows
from separatrix.data.memory import memory_source
from separatrix.data.subsets import picked, positions
from separatrix.engine.objective import Objective
from separatrix.engine.paths.groups import Members, Nibbles, groups_of
from separatrix.equations.hyperplane import PIECE_CELLS
from separatrix.equations.losses import SquaredLoss
from separatrix.equations.penalties import L2
from separatrix.errors import TargetError

MANY = PIECE_CELLS + 7  # rows: more than are looked at at a time


@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.int64, np.uint64, np.float32, np.float64, bool, str, object])
@given(labels=st.lists(st.integers(0, 100), min_size=1), far=st.sampled_from([0, 20, 2**40]))
def test_codes_are_the_positions_of_labels_in_their_order(kind, labels, far):
    y = np.array(labels)
    y = y + far if kind in (np.int64, np.uint64, np.float64) else y
    y = np.array([f"label {label}" for label in labels], dtype=kind) if kind in (str, object) else y.astype(kind)
    classes, codes = label_codes(y)
    expected = np.unique(y, return_inverse=True)
    np.testing.assert_array_equal(classes, expected[0])
    assert classes.dtype == y.dtype
    np.testing.assert_array_equal(codes, expected[1])
    assert codes.dtype == np.int8


@pytest.mark.parametrize("of", [np.asarray, lambda y: y.astype(str), lambda y: y.astype(str).astype(object)])
@pytest.mark.parametrize("classes", [2, 300])
def test_codes_of_many_rows_take_as_few_bytes_as_their_number_needs(of, classes):
    y = of(np.random.default_rng(0).integers(classes, size=MANY) * 7)
    found, codes = label_codes(y)
    np.testing.assert_array_equal(found[codes], y)
    assert codes.itemsize == (1 if classes == 2 else 2)


@pytest.mark.parametrize(
    ("last", "kind", "says"),
    [
        (None, object, f"y is missing in row {MANY - 1}, counted from 0"),
        (np.nan, object, f"y is missing in row {MANY - 1}, counted from 0"),
        (np.nan, float, f"y is missing in row {MANY - 1}, counted from 0"),
        (0.5, float, "y holds numbers such as 0.5, no classes"),
        (np.inf, float, "y holds numbers such as inf, no classes"),
        (1e20, float, r"y holds numbers such as 1e\+20, no classes"),  # nor to scikit-learn, by which they are judged
        (3, object, "holds int and str: make all labels text, or whole numbers"),
        ([], object, "holds list and str: make all labels text, or whole numbers"),
        (1j, complex, "holds complex: make all labels text, or whole numbers"),
        (b"b", "S1", "holds bytes: make all labels text, or whole numbers"),
    ],
    ids=str,
)
def test_what_is_no_label_is_told_wherever_it_is(last, kind, says):
    y = np.full(MANY, "a" if kind is object else b"a" if kind == "S1" else 1, dtype=kind)
    y[-1] = last
    with pytest.raises(TargetError, match=says):
        label_codes(y)


def test_numbers_that_are_stored_as_objects_are_told_how_to_be_labels():
    X, y = np.arange(4.0)[:, None], np.array([1, 0, 1, 0], dtype=object)
    with pytest.raises(TargetError, match=r"y=\[1, 0, 1, ...\] holds int as objects: give y.astype\(int\)\.$"):
        LogisticRegression().fit(X, y)
    assert LogisticRegression().fit(X, y.astype(int)).classes_.tolist() == [0, 1]


@pytest.mark.parametrize("kind", ["str", "string", "category", object])
def test_text_of_pandas_is_learned_as_that_of_numpy(kind):
    X, y = np.random.default_rng(0).normal(size=(60, 2)), np.array(["no", "yes", "maybe"] * 20)
    column = pd.Series(y, index=np.arange(60)[::-1]).astype(kind)
    text = brought_text(column)
    assert text is column if kind is object else len({id(label) for label in text}) == 3
    ours, theirs = LogisticRegression().fit(X, column), LogisticRegression().fit(X, y)
    np.testing.assert_array_equal(ours.coef_, theirs.coef_)
    assert ours.classes_.tolist() == theirs.classes_.tolist()
    with pytest.raises(TargetError, match="y is missing in row 7, counted from 0"):
        LogisticRegression().fit(X, column.mask(column.index == 52))


def test_text_of_a_type_of_numpys_own_is_learned_and_scored_as_other_text():
    X, y = np.random.default_rng(0).normal(size=(60, 2)), np.array(["no", "yes", "maybe"] * 20)
    kind = np.dtypes.StringDType(na_object=None)
    ours, theirs = LogisticRegression().fit(X, y.astype(kind)), LogisticRegression().fit(X, y)
    np.testing.assert_array_equal(ours.coef_, theirs.coef_)
    assert ours.classes_.tolist() == theirs.classes_.tolist()
    assert theirs.score(X, y.astype(kind)) == theirs.score(X, y)
    with pytest.raises(TargetError, match="y is missing in row 7, counted from 0"):
        LogisticRegression().fit(X, np.array([*y[:7], None, *y[8:]], dtype=kind))


def test_a_sparse_array_of_pandas_is_learned_and_scored_as_what_it_holds():
    X, y = np.arange(4.0)[:, None], np.array([0, 1, 0, 1])
    model = LogisticRegression().fit(X, pd.arrays.SparseArray(y))
    assert model.classes_.tolist() == [0, 1]
    assert model.score(X, pd.arrays.SparseArray(y)) == model.score(X, y)


def test_other_columns_of_pandas_are_left_as_they_are():
    for y in (
        pd.Series([1, 2]),
        pd.Series([1, 2], dtype="Int64"),
        pd.Series([1, 2]).astype("category"),
        pd.Index(["a"]),
    ):
        assert brought_text(y) is y


@given(st.lists(st.tuples(st.integers(0, 4), st.floats(0.0, 10.0))))
def test_classes_weigh_what_their_rows_do(rows):
    codes, weight = np.array([k for k, _ in rows], dtype=np.int8), np.array([w for _, w in rows])
    np.testing.assert_allclose(weight_by_class(codes, 5, weight), [weight[codes == k].sum() for k in range(5)])
    np.testing.assert_array_equal(weight_by_class(codes, 5), [np.count_nonzero(codes == k) for k in range(5)])


@given(st.integers(2, 20), st.integers(1, 60), st.integers(0, 2**32 - 1))
def test_rows_that_one_fit_leaves_out_take_half_a_byte_each_where_fits_are_few(fits, n, seed):
    rng = np.random.default_rng(seed)
    fold, weight = rng.integers(fits, size=n), rng.random(n)
    rows = np.arange(fits)[:, None] != fold
    cut, (first, last) = int(rng.integers(n + 1)), np.sort(rng.integers(n + 1, size=2))
    members = Members.but_one(n, fits, [(some, fold[some]) for some in (slice(0, cut), slice(cut, n))])
    if isinstance(members.bits, Nibbles):
        assert members.bits.pairs.nbytes == (n + 1) // 2
    assert isinstance(members.bits, Nibbles) == (fits <= 16)
    positions, mask = rng.integers(n, size=7), rng.random(n) < 0.5
    for some in (slice(first, last), slice(None), slice(None, None, 3), slice(last, None, -2), positions, mask):
        np.testing.assert_array_equal(members.take(some).at(slice(None)), rows[:, some])
        np.testing.assert_array_equal([members.fit(f, some) for f in range(fits)], rows[:, some])
    np.testing.assert_allclose(members.total(weight), rows @ weight)
    groups = groups_of(members)
    assert groups is not None
    assert set(members.patterns(slice(None)).tolist()) <= set(groups.tolist())
    assert len(groups) <= fits


@given(st.integers(1, 70), st.integers(1, 30), st.integers(0, 2**32 - 1))
def test_members_are_the_rows_they_were_made_of(fits, n, seed):
    rng = np.random.default_rng(seed)
    rows, weight = rng.random((fits, n)) < 0.7, rng.random(n)
    members, some = Members.of(iter(rows)), slice(n // 3, n)
    assert members.bits.nbytes == n * -(-fits // 8)
    np.testing.assert_array_equal(members.at(some), rows[:, some])
    np.testing.assert_array_equal([members.fit(f) for f in range(fits)], rows)
    np.testing.assert_array_equal(members.take(np.arange(n)[::-1]).at(slice(None)), rows[:, ::-1])
    np.testing.assert_allclose(members.total(weight), rows @ weight)
    groups, patterns = groups_of(members), np.unique(rows, axis=1).shape[1]
    assert (groups is None) == (fits > 64 or patterns > 2 * fits)
    assert groups is None or len(groups) == patterns


def test_weights_that_are_made_are_those_of_an_array():
    codes, rng = np.random.default_rng(0).integers(3, size=MANY), np.random.default_rng(1)
    own, by_class = rng.random(MANY), np.array([1.0, 0.0, 3.0])
    made, kept = weight_of_rows(by_class, codes, own), own * by_class[codes]
    np.testing.assert_array_equal(made, kept)
    np.testing.assert_array_equal(made[5:9], kept[5:9])
    assert (made.sum(), made.max(), made.all()) == (pytest.approx(kept.sum()), kept.max(), False)
    assert type(pickle.loads(pickle.dumps(made))) is np.ndarray
    assert Made(lambda some: own[some], MANY).all()


@pytest.mark.parametrize("n", [5, 200, MANY])
def test_positions_take_no_more_bytes_than_they_need_and_pick_what_numpy_picks(n):
    found = np.random.default_rng(n).random(n) < 0.4
    rows, values = positions(n, lambda some: found[some]), np.random.default_rng(0).normal(size=(n, 2))
    np.testing.assert_array_equal(rows, np.flatnonzero(found))
    assert rows.dtype == np.min_scalar_type(-n)
    np.testing.assert_array_equal(picked(values, rows), values[found])


@pytest.mark.parametrize("sample_weight", [None, "given"])
def test_class_weights_beside_few_columns_are_those_of_each_row(sample_weight):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40_000, 3)), rng.integers(3, size=40_000)
    own = None if sample_weight is None else rng.integers(3, size=len(y)) * 1.0
    by_class = {0: 1.0, 1: 0.25, 2: 3.0}
    ours = LogisticRegression(class_weight=by_class).fit(X, y, own)
    whole = np.array([by_class[k] for k in y.tolist()]) * (1.0 if own is None else own)
    np.testing.assert_allclose(ours.coef_, LogisticRegression().fit(X, y, whole).coef_, atol=1e-9)


@pytest.mark.parametrize("kind", [bool, np.uint8, np.int64, ">i8", np.float32, np.float64, ">f8", object])
@pytest.mark.parametrize("classes", [*seldom(2), 4])
def test_labels_of_any_kind_beside_one_column_are_the_same_rows(kind, classes):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(200_000, 1)), rng.integers(classes, size=200_000)
    y = y > 0 if kind is bool else np.array(["no", "yes", "so", "well"])[y].astype(object) if kind is object else 3 * y
    expected = LogisticRegression().fit(X, np.unique(y, return_inverse=True)[1])
    ours = LogisticRegression().fit(X, y if kind is object else y.astype(kind))
    np.testing.assert_array_equal(ours.coef_, expected.coef_)
    np.testing.assert_array_equal(ours.classes_, np.unique(y))


@pytest.mark.parametrize("kind", [np.int32, np.uint64, np.float16, np.float32, ">f8", np.longdouble])
@pytest.mark.parametrize("columns", [1, 40])
def test_targets_of_any_kind_are_those_in_doubles(kind, columns):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(160_000 // columns, columns)), rng.integers(100, size=(160_000 // columns, 2)).astype(kind)
    ours, theirs = LinearRegression().fit(X, y), LinearRegression().fit(X, y.astype(np.float64))
    np.testing.assert_array_equal(ours.coef_, theirs.coef_)


def test_no_labels_have_no_codes_and_no_columns_no_moments():
    classes, codes = label_codes(np.empty(0))
    assert (len(classes), len(codes)) == (0, 0)
    source = memory_source(np.empty((5, 0)), np.zeros((5, 1)))
    mean, square = Objective(source, SquaredLoss(), L2(np.empty(0)), fit_intercept=True).column_moments()
    assert mean.shape == square.shape == (0, 1)


@pytest.mark.parametrize("K", [2, 3])
@pytest.mark.parametrize(
    "y",
    [
        np.uint64(2**63) + np.arange(12, dtype=np.uint64),
        np.int64(2**63 - 1) - np.arange(12),
        np.int64(-(2**63)) + np.arange(12),
        np.uint64(2**64 - 1) - np.arange(12, dtype=np.uint64),
    ],
)
def test_whole_numbers_at_the_ends_of_64_bits_are_labels_like_others(y, K):
    y = y[np.arange(12) % K]
    classes, codes = label_codes(y)
    expected = np.unique(y, return_inverse=True)
    np.testing.assert_array_equal(classes, expected[0])
    np.testing.assert_array_equal(codes, expected[1])
