"""Levels that lack a class: what single columns carry off is set aside, and the rest is fitted as if it were all."""

import warnings

import numpy as np
import pytest
from scipy import sparse

from seldom import seldom
from separatrix import LogisticRegression, detect_separation, logit
from separatrix.arrays import repeated
from separatrix.data.memory import memory_source
from separatrix.engine.objective import Objective
from separatrix.equations.losses import LogLoss, SoftmaxLoss
from separatrix.equations.penalties import elastic_net
from separatrix.errors import SeparationWarning
from separatrix.inference.lone import lone_columns
from separatrix.inference.runs import runs_of


def categories(seed, K, rows=300, levels=(12, 5), coded=True, spread=1.5):
    """Indicators of categories, of which a coding leaves out the first level, or none; numbers; and K classes."""
    rng = np.random.default_rng(seed)
    parts, eta = [], np.zeros((rows, K))
    for many in levels:
        level = rng.choice(many, rows, p=rng.dirichlet(np.ones(many)))
        parts.append(np.eye(many)[level][:, int(coded) :])
        eta += spread * rng.normal(size=(many, K))[level]
    numbers = rng.normal(size=(rows, 2))
    eta += numbers @ rng.normal(size=(2, K))
    return np.hstack([*parts, numbers]), np.argmax(eta + rng.gumbel(size=eta.shape), axis=1)


def quiet_fit(X, y, **how):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SeparationWarning)
        return LogisticRegression(C=np.inf, **how).fit(X, y)


def by_programs(X, y, monkeypatch, **how):
    """The separation by linear programs alone."""
    with monkeypatch.context() as patch:
        patch.setattr("separatrix.inference.recession.alone", lambda margins: None)
        patch.setattr("separatrix.inference.recession.MANY", np.inf)
        return detect_separation(X, y, **how)


def mean_loss(model, X, y):
    return -np.mean(model.predict_log_proba(X)[np.arange(len(y)), np.searchsorted(model.classes_, y)])


@pytest.mark.parametrize("store", [np.asarray, *seldom(np.asfortranarray), sparse.csr_array])
@pytest.mark.parametrize("coded", [True, False])
@pytest.mark.parametrize("K", [2, 3, *seldom(4)])
def test_what_is_set_aside_is_what_linear_programs_find(K, coded, store, monkeypatch):
    aside = 0
    for seed in range(12):
        X, y = categories(seed, K, coded=coded)
        model, truth = quiet_fit(store(X), y), by_programs(X, y, monkeypatch)
        aside += "set aside" in model.trace_.why
        assert bool(truth) == (model.separation_ is not None)
        if truth:
            for name in ("infinite", "infinite_intercept"):
                found = np.asarray(getattr(model.separation_, name)) != 0
                assert np.array_equal(found, np.asarray(getattr(truth, name)) != 0), (seed, name)
            assert model.separation_.kind == truth.kind
            assert model.separation_.whole
        assert model.certificate_.gap <= 1e-8
    assert aside >= 6


@pytest.mark.parametrize("K", [2, 3])
def test_the_loss_is_within_the_bound_of_what_newtons_steps_come_to(K):
    for seed in range(8):
        X, y = categories(seed, K)
        model, steps = quiet_fit(X, y), quiet_fit(X, y, solver="newton", tol=1e-12)
        loss, lowest = mean_loss(model, X, y), mean_loss(steps, X, y)
        assert loss <= lowest + model.certificate_.gap + 1e-12
        assert lowest <= loss + steps.certificate_.gap + 1e-12


@pytest.mark.parametrize("K", [2, 3])
def test_a_level_of_one_class_leaves_the_others_the_coefficients_that_they_have_without_it(K):
    X, y = categories(3, K, rows=600, levels=(4,), spread=0.3)
    rare = np.zeros((600, 1))
    rare[::60], y[::60] = 1.0, 1
    X[rare[:, 0] == 1, :3] = 0.0
    model = quiet_fit(np.hstack([X, rare]), y)
    rest = rare[:, 0] == 0
    others = LogisticRegression(C=np.inf).fit(X[rest], y[rest])
    difference = np.hstack([model.coef_[:, :-1] - others.coef_, (model.intercept_ - others.intercept_)[:, None]])
    assert np.abs(difference).max() < 1e-7
    assert np.abs(difference).max() <= 2 * np.nanmax(np.delete(model.certificate_.coef_error, -2, axis=0)) + 1e-12
    assert np.isinf(model.certificate_.coef_error[-2]).all()
    assert model.predict_proba(np.hstack([X, rare])[:1])[0, 1] > 1 - 1e-10
    assert "10 rows" in model.trace_.why


def test_the_level_that_a_coding_leaves_out_takes_no_more_steps_than_any_other():
    rng = np.random.default_rng(0)
    level = rng.integers(30, size=900)
    numbers = rng.normal(size=(900, 2))
    y = (numbers[:, 0] + rng.logistic(size=900) > 0).astype(int)
    y[level == 0] = 1
    X = np.hstack([np.eye(30)[level][:, 1:], numbers])
    model = quiet_fit(X, y)
    assert model.n_iter_[0] < 12
    assert np.isinf(model.separation_.infinite[:29]).all()
    assert model.separation_.infinite_intercept == np.inf
    assert not model.separation_.infinite[29:].any()


def test_what_a_column_shows_only_in_the_rows_that_another_leaves_is_set_aside_in_turn(monkeypatch):
    rng = np.random.default_rng(1)
    X = np.zeros((400, 4))
    X[:, :2] = rng.normal(size=(400, 2))
    y = (X[:, 0] + rng.logistic(size=400) > 0).astype(int)
    X[:20, 2], y[:20] = 1.0, 1
    X[10:40, 3], y[20:40] = 1.0, 0
    model = quiet_fit(X, y)
    assert "40 rows" in model.trace_.why
    assert model.certificate_.gap <= 1e-10
    assert np.array_equal(model.separation_.infinite, by_programs(X, y, monkeypatch).infinite)
    assert np.array_equal(model.predict(X[:40]), y[:40])


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_columns_that_repeat_each_other_in_what_is_set_aside_count_once(fit_intercept, monkeypatch):
    X, y = categories(5, 2, levels=(9,))
    X = np.hstack([X, X])
    model = quiet_fit(X, y, fit_intercept=fit_intercept)
    truth = by_programs(X, y, monkeypatch, fit_intercept=fit_intercept)
    assert truth
    assert np.array_equal(model.separation_.infinite != 0, truth.infinite != 0)


def test_a_threshold_other_than_zero_and_columns_far_from_zero_are_no_obstacle(monkeypatch):
    X, y = categories(6, 2, levels=(14,))
    far = np.hstack([3.0 - X[:, :13], 1e4 + X[:, 13:]])
    model, near = quiet_fit(far, y), quiet_fit(X, y)
    assert "set aside" in model.trace_.why
    assert np.array_equal(model.separation_.infinite[:13], -near.separation_.infinite[:13])
    assert abs(mean_loss(model, far, y) - mean_loss(near, X, y)) < 1e-9


@pytest.mark.parametrize("spread", [1e-2, 1e-5])
def test_without_an_intercept_numbers_far_from_zero_bring_back_nothing_that_was_set_aside(spread):
    rng = np.random.default_rng(0)
    level, z = rng.integers(4, size=300), rng.normal(size=(300, 1))
    y = (2 * z[:, 0] + rng.logistic(size=300) > 0).astype(int)
    y[level == 3] = 1
    levels, some = np.eye(4)[level], level < 3
    model = quiet_fit(np.hstack([levels, 1e4 + spread * z]), y, fit_intercept=False)
    rest = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-12).fit(
        np.hstack([levels, z])[some][:, [0, 1, 2, 4]], y[some]
    )
    lowest = some.mean() * rest.trace_.steps[-1].objective
    assert model.trace_.steps[-1].objective <= lowest + model.certificate_.gap + 1e-12
    assert np.array_equal(np.isinf(model.separation_.infinite), [False, False, False, True, False])


def test_rows_that_are_far_on_their_side_without_the_column_that_carries_them_off_are_no_obstacle():
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(size=200), np.zeros(200)])
    y = (X[:, 0] + 0.1 * rng.logistic(size=200) > 0).astype(int)
    X[0], y[0] = (50.0, 1.0), 1
    model = quiet_fit(X, y)
    assert "set aside" in model.trace_.why
    assert np.array_equal(model.separation_.infinite, [0.0, np.inf])


def test_numbers_that_lie_at_very_unequal_distances_are_left_to_newtons_steps():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(200, 2)), rng.integers(0, 2, 200)
    X[:, 0] = np.where(y == 1, 10.0 ** rng.uniform(-9, 0, 200) * (rng.random(200) < 0.2), 0.0)
    model = quiet_fit(X, y)
    assert "set aside" not in model.trace_.why
    assert np.isinf(model.separation_.infinite[0])


def test_other_solvers_and_penalties_are_given_all_rows():
    X, y = categories(0, 2)
    for how in ({"solver": "newton"}, {"C": 1.0}):
        model = LogisticRegression(**{"C": np.inf, **how})
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SeparationWarning)
            assert "set aside" not in model.fit(X, y).trace_.why


def test_a_name_that_means_auto_elsewhere_sets_aside_as_auto_does():
    X, y = categories(1, 2)
    assert np.array_equal(quiet_fit(X, y, solver="lbfgs").coef_, quiet_fit(X, y).coef_)


def test_weights_and_offsets_count_in_what_is_set_aside():
    X, y = categories(1, 3)
    rng = np.random.default_rng(1)
    weight, offset = rng.integers(1, 4, len(y)), rng.normal(size=(len(y), 3))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SeparationWarning)
        weighted = LogisticRegression(C=np.inf).fit(X, y, sample_weight=weight, offset=offset)
        again = np.repeat(np.arange(len(y)), weight)
        copies = LogisticRegression(C=np.inf).fit(X[again], y[again], offset=offset[again])
    assert "set aside" in weighted.trace_.why
    finite = np.isfinite(weighted.certificate_.coef_error[:-1]).T
    assert np.abs(weighted.coef_ - copies.coef_)[finite].max() < 1e-7
    assert np.array_equal(weighted.separation_.infinite, copies.separation_.infinite)


def test_of_thousands_of_coefficients_single_columns_are_named_and_others_not_denied():
    rng = np.random.default_rng(0)
    level = rng.integers(1_100, size=4_000)
    X = sparse.csr_array((np.ones(4_000), (np.arange(4_000), level)), shape=(4_000, 1_100))[:, 1:]
    y = rng.integers(0, 3, 4_000)
    with pytest.warns(
        SeparationWarning, match=r"no row with x\d+ > 0 .* these weights, and maybe others, grow"
    ) as told:
        model = LogisticRegression(C=np.inf).fit(X, y)
    assert len(told) == 1
    assert not model.separation_.whole
    assert "Infinite, at least: " in str(model.separation_)


def test_programs_that_take_too_long_leave_what_they_found_so_far(monkeypatch):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 6))
    far = (X @ rng.normal(size=6) > 0).astype(int)
    y = 2 * far + rng.integers(0, 2, 300)  # two pairs of classes, of which each is mixed
    known, found = detect_separation(X, y), []
    for patience in (0.0, *10.0 ** np.arange(5.0, 7.5, 0.25)):
        monkeypatch.setattr("separatrix.inference.doubt.PATIENCE", patience)
        with pytest.warns(SeparationWarning) as told:
            found.append(LogisticRegression(C=np.inf).fit(X, y).separation_)
        text = str(told[0].message)
        assert ("was not asked: here that would take long" in text) == (found[-1] is None)
        assert ("and maybe others, grow" in text) == (found[-1] is not None and not found[-1].whole)
    assert found[0] is None
    assert found[-1] is not None
    assert found[-1].whole
    np.testing.assert_array_equal(found[-1].infinite, known.infinite)
    assert all(np.all(known.infinite[each.infinite != 0] != 0) for each in found if each is not None)


def test_a_formulas_errors_are_as_if_the_levels_that_lack_a_class_were_left_out():
    rng = np.random.default_rng(4)
    place = rng.integers(40, size=1_500)
    x = rng.normal(size=1_500)
    y = (x + rng.logistic(size=1_500) > 0).astype(int)
    y[place == 7], y[place == 9] = 1, 0
    data = {"y": y, "x": x, "place": [f"p{each:02d}" for each in place]}
    with pytest.warns(SeparationWarning, match=r"place\[T\.p07\], place\[T\.p09\]"):
        result = logit("y ~ x + place", data)
    some = (place != 7) & (place != 9)
    rest = logit("y ~ x + place", {name: np.asarray(column)[some] for name, column in data.items()})
    here, there = result.param_names.index("x"), rest.param_names.index("x")
    assert abs(result.params[here] - rest.params[there]) < 1e-8
    assert abs(result.bse[here] - rest.bse[there]) < 1e-8
    assert abs(result.llf - rest.llf) < 1e-6


@pytest.mark.parametrize("store", [np.asarray, sparse.csr_array])
def test_runs_of_indicators_end_where_a_row_has_two_or_a_cell_is_another_number(store):
    X = np.zeros((6, 9))
    X[[0, 1, 2], [0, 1, 2]] = 1  # a run of three, and of two, which share a row
    X[[0, 4], [3, 4]] = 1
    X[:, 5] = 2.5
    X[[1, 3], [6, 7]] = 1
    X[5, 8], X[3, 8] = 1, 1
    runs = runs_of(memory_source(store(X), np.zeros(6)), np.arange(9))
    assert [runs.of(run).tolist() for run in range(len(runs))] == [[0, 1, 2], [3, 4], [6, 7]]
    (block,) = memory_source(store(X), np.zeros(6)).blocks(slice(0, 6))
    expected = [(X[:, own] == 0).all(axis=1) for own in ([0, 1, 2], [3, 4], [6, 7])]
    assert np.array_equal(runs.zeros(block), np.column_stack(expected))


@pytest.mark.parametrize("K", [2, 3])
def test_few_rows_looked_at_first_rule_out_no_column_that_all_rows_show(K, monkeypatch):
    X, y = categories(6, K, rows=2_000, levels=(60, 5))
    y[(X[:, :59] == 0).all(axis=1)] = 0
    source = memory_source(X, y)
    once = lone_columns(source, K, 1)
    monkeypatch.setattr("separatrix.inference.lone.GLANCE", 50 * X.shape[1])
    again = lone_columns(source, K, 1)
    seen = [{(j, k) for j, k, *_ in lone.findings() if j < X.shape[1]} for lone in (once, again)]
    assert seen[0] == seen[1]
    assert len(seen[0]) > 0
    p = X.shape[1]
    left_out = [{(*lone.runs.of(j - p), k) for j, k, *_ in lone.findings() if j >= p} for lone in (once, again)]
    assert left_out[0] == left_out[1]
    assert max(len(run) for run in left_out[0]) > 50


@pytest.mark.parametrize(("loss", "K"), [(LogLoss(), 1), (SoftmaxLoss(), 3)])
def test_a_weight_that_others_make_up_for_stays_where_it_is_and_the_step_is_one_of_newtons(loss, K):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(100, 4))
    X[:, 3] = X[:, 0] - X[:, 1]
    y = rng.integers(0, max(K, 2), 100)
    source = memory_source(X, y[:, None] if K == 1 else y)
    objective = Objective(source, loss, elastic_net(repeated(0.0, 4), 0.0), True)
    theta, idle = np.zeros((5, K)), np.zeros((5, K))
    idle[3] = 0.3
    objective.idle = idle
    held = objective.evaluate(theta, order=2)
    step = np.linalg.solve(held.curvature, -held.gradient.ravel()).reshape(5, K)
    few = Objective(memory_source(X[:, :3], source.y), loss, elastic_net(repeated(0.0, 3), 0.0), True)
    own = few.evaluate(np.zeros((4, K)), order=2)
    assert np.abs(step[3]).max() < 1e-12
    others = np.linalg.solve(own.curvature, -own.gradient.ravel()).reshape(4, K)
    assert np.abs(np.delete(step, 3, axis=0) - others).max() < 1e-10


@pytest.mark.parametrize(
    ("X", "y"),
    [([[-1.0], [1.0], [0.0]], [0, 1, 0]), ([[2.0], [0.0], [0.0]], [2, 0, 1])],
)
def test_without_an_intercept_rows_of_zeros_keep_the_loss_that_they_have(X, y):
    model = quiet_fit(X, y, fit_intercept=False)
    zeros = np.count_nonzero(np.asarray(X) == 0)
    assert mean_loss(model, X, y) == pytest.approx(np.log(len(model.classes_)) * zeros / len(y), rel=1e-9)
    assert model.n_iter_[0] < 20
    assert model.certificate_.gap <= 1e-8
