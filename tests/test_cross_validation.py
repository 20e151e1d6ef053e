"""Choosing C: scikit-learn's folds and scores, and leave-one-out against the fits it stands for."""

import gc
import warnings
from typing import Any
from weakref import ref

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from scipy import sparse
from scipy.special import softmax
from sklearn import config_context
from sklearn import linear_model as peers
from sklearn.datasets import load_breast_cancer, load_iris, load_wine, make_classification
from sklearn.metrics import accuracy_score, get_scorer, log_loss, make_scorer
from sklearn.model_selection import LeaveOneOut, RepeatedStratifiedKFold, ShuffleSplit, StratifiedKFold
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import problems  # noqa: F401 - one thread
from seldom import seldom
from separatrix import LogisticRegression, LogisticRegressionCV
from separatrix.cross_validation import scores
from separatrix.cross_validation.folds import stratified
from separatrix.data.memory import memory_source
from separatrix.engine.fit import Options
from separatrix.engine.objective import Objective
from separatrix.engine.paths import course, leave_out
from separatrix.engine.paths.groups import Members
from separatrix.engine.paths.path import fit_paths
from separatrix.engine.paths.selection import select_C
from separatrix.engine.solvers import conjugate
from separatrix.equations.hyperplane import PIECE_CELLS
from separatrix.equations.losses import LogLoss, SoftmaxLoss
from separatrix.equations.penalties import elastic_net
from separatrix.errors import ApproximationWarning, ArgumentError, ConvergenceWarning, SeparatrixWarning

FEW_CS = (0.01, 1.0, 10.0)
SETS = {"breast_cancer": load_breast_cancer, "iris": load_iris, "wine": load_wine}


@parametrize_with_checks([LogisticRegressionCV(Cs=3, cv=3)])
def test_scikit_learns_own_checks_pass(estimator, check):
    check(estimator)


@pytest.mark.slow
@parametrize_with_checks([LogisticRegressionCV(Cs=[0.1, 1.0], cv="loo")])
def test_scikit_learns_own_checks_pass_where_each_row_is_left_out(estimator, check):
    check(estimator)


def peer(X: Any, y: Any, sample_weight: Any = None, **parameters: Any) -> peers.LogisticRegressionCV:
    """scikit-learn's class, its fits at their optimum to rounding."""
    exact = {"solver": "newton-cholesky", "tol": 1e-12, "max_iter": 1000, "l1_ratios": (0,), "cv": 5}
    model = peers.LogisticRegressionCV(use_legacy_attributes=False, **(exact | parameters))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(X, y, sample_weight)


def assert_agrees(ours: LogisticRegressionCV, theirs: peers.LogisticRegressionCV, tol: float = 1e-6) -> None:
    """The same scores and choice, and coefficients within 10 tol of the largest, up to what all classes share."""
    shared = [path - path.mean(axis=3, keepdims=True) * (path.shape[3] > 1) for path in paths_of(ours, theirs)]
    np.testing.assert_allclose(ours.scores_, theirs.scores_, atol=tol)
    np.testing.assert_allclose(*shared, atol=10 * tol * np.abs(shared[1]).max())
    assert (ours.C_, ours.l1_ratio_) == (theirs.C_, theirs.l1_ratio_)


def paths_of(*models: Any) -> list[Any]:
    return [model.coefs_paths_ for model in models]


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("scoring", [None, "neg_log_loss", "roc_auc_ovr", "neg_brier_score"])
def test_scores_paths_and_choice_are_those_of_scikit_learn(name, scoring):
    X, y = SETS[name](return_X_y=True)
    ours = LogisticRegressionCV(Cs=FEW_CS, scoring=scoring).fit(X, y)
    theirs = peer(X, y, Cs=FEW_CS, scoring=scoring)
    assert_agrees(ours, theirs)
    assert ours.score(X, y) == pytest.approx(theirs.score(X, y), abs=1e-6)


@given(st.lists(st.integers(0, 4), min_size=4, max_size=60), st.integers(2, 9))
@example(np.random.default_rng(0).integers(4, size=PIECE_CELLS + 7), 5)  # more than are dealt at a time
def test_a_number_of_folds_makes_those_of_scikit_learn(labels, number):
    _, codes = np.unique(labels, return_inverse=True)
    number = min(number, int(np.bincount(codes).max()))
    assume(number > 1)
    ours = stratified(number, codes)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = list(StratifiedKFold(number).split(np.zeros(len(codes)), codes))
    assert len(ours.numbers) == len(theirs)
    for f, (train, test) in zip(ours.numbers, theirs, strict=True):
        np.testing.assert_array_equal(np.flatnonzero(ours.members.fit(f)), train)
        np.testing.assert_array_equal(ours.test(f), test)


def test_weights_reach_the_fits_and_the_scores_as_in_scikit_learn():
    X, y = load_breast_cancer(return_X_y=True)
    weight = np.random.default_rng(0).integers(0, 4, len(y)).astype(float)
    for scoring in ("accuracy", "neg_log_loss", "average_precision"):
        ours = LogisticRegressionCV(Cs=FEW_CS, scoring=scoring, class_weight="balanced").fit(X, y, weight)
        assert_agrees(ours, peer(X, y, weight, Cs=FEW_CS, scoring=scoring, class_weight="balanced"))


@pytest.mark.parametrize(
    "scoring",
    [
        make_scorer(accuracy_score, greater_is_better=False),
        make_scorer(log_loss, response_method=["predict_proba"]),
        make_scorer(log_loss, greater_is_better=False),  # of labels
    ],
)
def test_a_scorer_s_sign_and_what_it_asks_of_a_model_are_its_own(scoring):
    X, y = load_breast_cancer(return_X_y=True)
    ours = LogisticRegressionCV(Cs=FEW_CS, scoring=scoring).fit(X, y)
    assert_agrees(ours, peer(X, y, Cs=FEW_CS, scoring=scoring))
    left_out = LogisticRegressionCV(Cs=FEW_CS, scoring=scoring, cv="loo").fit(X, y)
    assert np.sign(left_out.scores_).max() == np.sign(scoring(left_out, X, y))


@pytest.mark.parametrize("name", ["accuracy", "neg_log_loss", "roc_auc"])
def test_a_scorer_that_requests_no_weights_is_given_none(name):
    X, y = load_breast_cancer(return_X_y=True)
    weight = np.random.default_rng(0).lognormal(0.0, 2.0, len(y))
    with config_context(enable_metadata_routing=True):
        scoring = get_scorer(name).set_score_request(sample_weight=False)
        ours = LogisticRegressionCV(Cs=FEW_CS, scoring=scoring).set_fit_request(sample_weight=True)
        theirs = peer(X, y, weight, Cs=FEW_CS, scoring=scoring)
        assert_agrees(ours.fit(X, y, sample_weight=weight), theirs)
        assert ours.score(X, y, sample_weight=weight) == pytest.approx(get_scorer(name)(ours, X, y))
    assert_agrees(ours.fit(X, y, weight), peer(X, y, weight, Cs=FEW_CS, scoring=scoring))  # routing is off


@pytest.mark.parametrize(
    "cv", [ShuffleSplit(4, random_state=0), RepeatedStratifiedKFold(n_splits=3, n_repeats=4, random_state=0)]
)
def test_folds_that_overlap_are_fitted_to_the_rows_they_name(cv):
    X, y = load_breast_cancer(return_X_y=True)
    folds = list(cv.split(X, y))
    assert_agrees(LogisticRegressionCV(Cs=FEW_CS, cv=folds).fit(X, y), peer(X, y, Cs=FEW_CS, cv=folds))


def test_without_an_intercept_the_path_has_no_place_for_one():
    X, y = load_breast_cancer(return_X_y=True)
    ours = LogisticRegressionCV(Cs=FEW_CS, fit_intercept=False).fit(X, y)
    assert_agrees(ours, peer(X, y, Cs=FEW_CS, fit_intercept=False))
    assert ours.intercept_ == 0


def test_without_refit_the_model_is_the_mean_of_the_folds():
    X, y = load_iris(return_X_y=True)
    ours, theirs = LogisticRegressionCV(Cs=FEW_CS, refit=False).fit(X, y), peer(X, y, Cs=FEW_CS, refit=False)
    np.testing.assert_allclose(ours.C_, theirs.C_)
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-5)


@pytest.mark.parametrize("multi_class", ["multinomial", "ovr"])
@pytest.mark.parametrize("l1_ratios", [(0.0,), (0.3, 1.0)])
def test_every_fit_of_the_path_is_the_fit_of_its_fold(multi_class, l1_ratios):
    X, y = load_wine(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    folds = list(ShuffleSplit(2, random_state=1).split(X))
    model = LogisticRegressionCV(Cs=(1.0, 0.1), l1_ratios=l1_ratios, cv=folds, multi_class=multi_class).fit(X, y)
    for f, (train, test) in enumerate(folds):
        for r, l1_ratio in enumerate(l1_ratios):
            for c, C in enumerate((1.0, 0.1)):
                alone = LogisticRegression(C=C, l1_ratio=l1_ratio, multi_class=multi_class).fit(X[train], y[train])
                there = np.column_stack([alone.coef_, alone.intercept_])
                np.testing.assert_allclose(model.coefs_paths_[f, r, c], there, atol=1e-5)
                assert model.scores_[f, r, c] == alone.score(X[test], y[test])
    assert model.gaps_.max() <= model.tol


def test_intercepts_of_several_classes_sum_to_nothing_along_the_path_too():
    rng = np.random.default_rng(5)
    X = rng.normal(size=(600, 40))
    y = (X[:, :3] + rng.gumbel(size=(600, 3))).argmax(axis=1)
    intercepts = LogisticRegressionCV(Cs=(1.0, 0.1), l1_ratios=(0.5,), cv=3).fit(X, y).coefs_paths_[..., -1]
    np.testing.assert_allclose(intercepts.sum(axis=-1), 0.0, atol=1e-12 * np.abs(intercepts).max())


def test_the_refit_is_the_certified_fit_of_all_rows():
    X, y = load_breast_cancer(return_X_y=True)
    model = LogisticRegressionCV(scoring="neg_log_loss", l1_ratios=(0.0, 0.5), Cs=FEW_CS).fit(X, y)
    alone = LogisticRegression(C=model.C_, l1_ratio=model.l1_ratio_).fit(X, y)
    np.testing.assert_allclose(model.predict_proba(X), alone.predict_proba(X), atol=1e-6)
    assert model.certificate_.gap <= model.tol
    assert model.scores_.shape == model.n_iter_.shape == (5, 2, 3)


def test_wide_and_sparse_rows_have_paths_too():
    X, y = make_classification(60, 200, n_informative=10, random_state=0)
    dense = LogisticRegressionCV(Cs=FEW_CS, scoring="neg_log_loss").fit(X, y)
    assert_agrees(dense, peer(X, y, Cs=FEW_CS, scoring="neg_log_loss"))
    few = LogisticRegressionCV(Cs=FEW_CS, scoring="neg_log_loss").fit(sparse.csr_array(X), y)
    np.testing.assert_allclose(few.scores_, dense.scores_, atol=1e-6)


def test_wide_sparse_rows_are_scored_many_at_a_time(monkeypatch):
    rng = np.random.default_rng(0)
    X = sparse.random_array((60, 300_000), density=2e-5, format="csr", rng=rng)
    y, tried, values_along = rng.integers(0, 2, 60), [], scores.values_along
    monkeypatch.setattr(scores, "values_along", lambda *given: tried.append(1) or values_along(*given))
    LogisticRegressionCV(Cs=[1.0], cv=2, refit=False).fit(X, y)
    assert len(tried) == 2


def test_dense_rows_of_mostly_zeros_have_the_paths_of_sparse_ones():
    rng = np.random.default_rng(3)
    X = (rng.random((900, 600)) < 0.05) * 1.0
    y = X @ rng.normal(size=600) + rng.logistic(size=900) > 0
    models = [LogisticRegressionCV(Cs=(0.1, 200.0), cv=3, tol=1e-11) for _ in range(2)]
    paths = paths_of(*(model.fit(rows, y) for model, rows in zip(models, (X, sparse.csr_array(X)), strict=True)))
    np.testing.assert_allclose(*paths, atol=1e-5 * np.abs(paths[0]).max())


@pytest.mark.parametrize("kind", ["sparse", *seldom("dense")])
def test_folds_that_follow_the_fit_of_all_rows_are_those_of_scikit_learn_in_fewer_steps(kind):
    rng = np.random.default_rng(4)
    X = sparse.random_array((600, 450), density=0.1, format="csr", rng=rng) if kind == "sparse" else made(600, 450)[0]
    y = X @ rng.normal(size=450) + rng.logistic(size=600) > 0
    few = {"Cs": (0.1, 1.0, 10.0), "cv": 4, "scoring": "neg_log_loss"}
    one, two = (LogisticRegressionCV(**few, n_threads=threads).fit(X, y) for threads in (1, 2))
    assert one.coefs_paths_.tobytes() == two.coefs_paths_.tobytes()
    assert_agrees(one, peer(X.toarray() if kind == "sparse" else X, y, **few))
    steps = sum(len(LogisticRegression(C=C).fit(X, y).trace_.steps) for C in few["Cs"])
    assert np.all(one.n_iter_.reshape(4, 3).sum(axis=1) < steps)


@pytest.mark.parametrize(("steps", "alone"), [(course.STEPS, 3), (2, 12)])
def test_folds_of_many_dense_columns_that_go_on_in_step_come_to_the_fits_of_each(monkeypatch, steps, alone):
    X, y = made(1700, 405)
    weight = np.random.default_rng(2).uniform(0.5, 2.0, len(X))
    fits, solved = [], course.Course.solved
    monkeypatch.setattr(course, "STEPS", steps)  # those that do not arrive are fitted by themselves
    monkeypatch.setattr(conjugate, "FEW_ROWS", 500)  # their curvature is judged by every third row, as of more
    monkeypatch.setattr(course.Course, "solved", lambda *given: fits.append(1) or solved(*given))
    model = LogisticRegressionCV(Cs=(1e-4, 1e-3, 0.01), cv=3, scoring="neg_log_loss").fit(X, y[:, 0], weight)
    assert len(fits) == alone
    for f, (train, _) in enumerate(StratifiedKFold(3).split(X, y[:, 0])):
        for c, C in enumerate(model.Cs_):
            own = LogisticRegression(C=C, tol=1e-13).fit(X[train], y[train, 0], weight[train])
            np.testing.assert_allclose(
                model.coefs_paths_[f, 0, c, 0], np.append(own.coef_, own.intercept_), atol=1e-7 * abs(own.coef_).max()
            )


def test_cs_that_are_fitted_in_parts_as_there_is_room_come_to_the_same_fits(monkeypatch):
    X, y = made(1300, 110)
    together = LogisticRegressionCV(Cs=5, cv=3, tol=1e-12).fit(X, y[:, 0])
    parts = []
    side_by_side = course.Course.side_by_side
    monkeypatch.setattr(course.Course, "side_by_side", lambda *given: parts.append(given[1]) or side_by_side(*given))
    monkeypatch.setattr(course.Course, "matrices", 2.5 * course.MATRICES)
    apart = LogisticRegressionCV(Cs=5, cv=3, tol=1e-12).fit(X, y[:, 0])
    assert [len(part) for part in parts] == [2, 2, 1]
    np.testing.assert_allclose(*paths_of(together, apart), atol=1e-7)


def test_the_solver_that_was_asked_for_comes_to_the_same_scores():
    X, y = load_iris(return_X_y=True)
    scores = [
        LogisticRegressionCV(Cs=FEW_CS, scoring="neg_log_loss", solver=solver).fit(X, y).scores_
        for solver in ("newton", "conjugate-gradient")
    ]
    np.testing.assert_allclose(*scores, atol=1e-4)


@pytest.mark.parametrize("scoring", ["neg_log_loss", "accuracy"])
@pytest.mark.parametrize("test", [[3, 5, 4, 6], [3, 4, 4, 6], [60, 61, 62, 63], [7, 90, 8]])
def test_rows_that_judge_a_fold_count_as_they_are_named_in_any_order_and_twice(test, scoring):
    X, y = load_breast_cancer(return_X_y=True)
    X, train = StandardScaler().fit_transform(X)[:100], np.arange(10, 60)
    ours = LogisticRegressionCV(Cs=[0.1, 1.0], cv=[(train, np.array(test))], scoring=scoring).fit(X, y[:100])
    for C, score in zip(ours.Cs_, ours.scores_[0, 0], strict=True):
        model = LogisticRegression(C=C, tol=1e-12).fit(X[train], y[train])
        p = model.predict_proba(X[test])
        expected = (
            -log_loss(y[test], p, labels=[0, 1]) if scoring == "neg_log_loss" else np.mean(p.argmax(axis=1) == y[test])
        )
        assert score == pytest.approx(expected, abs=1e-6)


def test_a_function_as_scorer_is_given_the_fold_s_model_and_rows():
    X, y = load_iris(return_X_y=True)

    def right(model: Any, X: Any, y: Any) -> float:
        assert X.shape[1] == model.coef_.shape[1] == 4
        return float(np.mean(model.predict(X) == y))

    by_function = LogisticRegressionCV(Cs=FEW_CS, scoring=right).fit(X, y)
    np.testing.assert_array_equal(by_function.scores_, LogisticRegressionCV(Cs=FEW_CS).fit(X, y).scores_)


def test_labels_of_any_kind_get_the_scores_of_their_codes():
    X, y = load_iris(return_X_y=True)
    names = np.array(["x", "a", "m"])[y]
    for scoring in ("accuracy", "neg_log_loss", "f1_macro"):
        scores = [LogisticRegressionCV(Cs=FEW_CS, scoring=scoring).fit(X, each).scores_ for each in (y, names)]
        np.testing.assert_allclose(*scores, atol=1e-8)


def test_many_rows_take_few_passes_and_strong_agreement_between_folds_costs_none():
    source = memory_source(*made(20_000, 8))
    Counting.readings.clear()
    counted = Counting(source.X, source.y, source.weight, source.centre)
    members = Members.of(np.arange(20_000) % 5 != f for f in range(-1, 5))  # the first of all
    paths = fit_paths(counted, LogLoss(), 1, elastic_net(np.ones(8), 0.0), np.logspace(-4, 4, 10), members, Options())
    assert paths.gaps.max() <= 1e-8
    assert len(counted.readings) < 75  # for sixty fits, which alone would take three or more each


class Counting(type(memory_source(np.ones((2, 1)), np.ones((2, 1))))):
    """A source that counts how often it is read, whatever weights it is read with."""

    readings: list[int] = []  # noqa: RUF012 - shared by the sources that are made of it

    def add_up(self, *args: Any) -> Any:
        self.readings.append(1)
        return super().add_up(*args)


def made(n: int, p: int, seed: int = 0) -> tuple[Any, Any]:
    """X (n, p) and 0/1 labels (n, 1) of a model of moderate weights."""
    random = np.random.default_rng(seed)
    X = random.standard_normal((n, p))
    y = random.random(n) < 1 / (1 + np.exp(-X @ random.standard_normal(p) / np.sqrt(p)))
    return X, y[:, None] * 1.0


@pytest.mark.parametrize(
    ("l1_ratio", "K", "multi_class"),
    [
        (0.0, 2, "multinomial"),
        (0.5, 2, "multinomial"),
        (0.0, 3, "multinomial"),
        *seldom((1.0, 2, "multinomial"), (1.0, 3, "multinomial"), (0.0, 3, "ovr"), (0.5, 3, "ovr")),
    ],
)
def test_leave_one_out_is_near_the_fits_without_each_row(l1_ratio, K, multi_class):
    X, y = make_classification(
        90, 6, n_informative=4, n_redundant=0, n_classes=K, n_clusters_per_class=1, flip_y=0.2, random_state=3
    )
    weight = np.random.default_rng(0).uniform(0.5, 1.5, len(y))
    same = {"Cs": FEW_CS, "l1_ratios": (l1_ratio,), "multi_class": multi_class}
    approximate = LogisticRegressionCV(cv="loo", **same).fit(X, y, weight).scores_[0, 0]
    exact = LogisticRegressionCV(cv=LeaveOneOut(), scoring="neg_log_loss", **same).fit(X, y, weight)
    exactly = np.average(exact.scores_[:, 0], weights=weight, axis=0)
    fitted = [LogisticRegression(C=C, l1_ratio=l1_ratio, multi_class=multi_class).fit(X, y, weight) for C in FEW_CS]
    training = [np.average(own(model.predict_log_proba(X), y), weights=weight) for model in fitted]
    # What leaving out costs is known to a tenth of itself; with an L1 part, whose columns may change, to a sixth.
    share = 1 / 6 if l1_ratio else 1 / 10
    assert np.all(np.abs(approximate - exactly) < share * np.abs(training - exactly))


def own(log_p: Any, y: Any) -> Any:
    return log_p[np.arange(len(y)), y]


def test_leave_one_out_of_many_columns_is_that_of_their_rows_span():
    X, y = make_classification(50, 120, n_informative=10, random_state=0)
    scores = LogisticRegressionCV(cv="loo", Cs=(1e-4, 1e-3)).fit(X, y).scores_[0, 0]
    exact = LogisticRegressionCV(cv=LeaveOneOut(), scoring="neg_log_loss", Cs=(1e-4, 1e-3)).fit(X, y).scores_
    np.testing.assert_allclose(scores, exact.mean(axis=0)[0], rtol=0.02)


def test_leave_one_out_serves_any_scorer_and_rows_without_weight():
    X, y = load_breast_cancer(return_X_y=True)
    weight = (np.arange(len(y)) % 7 > 0) * 1.0
    some = weight > 0
    for scoring in ("roc_auc", "accuracy", make_scorer(lambda y, p: np.mean(y == p))):
        kept = LogisticRegressionCV(cv="loo", Cs=FEW_CS, scoring=scoring).fit(X[some], y[some])
        assert 0.9 < kept.scores_.max() <= 1
    weighted = LogisticRegressionCV(cv="loo", Cs=FEW_CS).fit(X, y, weight)
    kept = LogisticRegressionCV(cv="loo", Cs=FEW_CS).fit(X[some], y[some])
    np.testing.assert_allclose(weighted.scores_, kept.scores_, rtol=1e-6)


def test_leave_one_out_refuses_a_curvature_that_is_too_large_in_words():
    X = sparse.random(3000, 2500, density=0.01, random_state=0, format="csr")
    with pytest.raises(ArgumentError, match=r"cv='loo'.* 2,501 coefficients .* Use a number of folds"):
        LogisticRegressionCV(cv="loo", Cs=(1.0,)).fit(X, np.arange(3000) % 2)


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"Cs": 0}, "Cs=0 must be a number at least 1"),
        ({"Cs": [1.0, -1.0]}, r"Cs\[1\]=-1.0 must be a number above 0"),
        ({"Cs": []}, "Cs=.* is empty"),
        ({"Cs": "few"}, "Cs=.few. must be a number of Cs"),
        ({"l1_ratios": [0.5, 1.5]}, r"l1_ratios\[1\]=1.5 must be at most 1"),
        ({"l1_ratios": []}, "l1_ratios=.* is empty"),
        ({"cv": "leave-one-out"}, "cv='leave-one-out' must be a number of folds"),
        ({"refit": "yes"}, "refit='yes' must be True or False"),
        ({"tol": 0.0}, "tol=0.0 must be a number above 0"),
        ({"solver": "magic"}, "solver='magic' is no solver"),
        ({"l1_ratios": [0.5], "solver": "newton"}, "cannot minimise an L1 penalty"),
    ],
)
def test_a_parameter_without_meaning_is_named_with_its_value(parameters, says):
    X, y = load_iris(return_X_y=True)
    with pytest.raises(ArgumentError, match=says):
        LogisticRegressionCV(**parameters).fit(X, y)


def test_fits_that_ran_out_of_iterations_are_counted_in_one_warning():
    X, y = load_breast_cancer(return_X_y=True)
    with pytest.warns(ConvergenceWarning, match=r"\d+ of 10 fits stopped after 1 iterations"):
        LogisticRegressionCV(Cs=(1e-4, 1e4), max_iter=1).fit(X, y)


def test_warnings_of_the_last_fit_point_at_the_line_that_asked_for_it():
    rng = np.random.default_rng(0)
    X, weight = rng.normal(size=(60, 3)), np.where(np.arange(60) % 3 == 2, 0.0, 1.0)
    for model, y, own in (
        (LogisticRegressionCV(Cs=[np.inf], cv=3), X[:, 0] > 0, None),
        (LogisticRegressionCV(Cs=2, cv=3, max_iter=1), np.arange(60) % 3, None),
        (LogisticRegressionCV(Cs=2, cv=3), np.arange(60) % 3, weight),
    ):
        with pytest.warns(SeparatrixWarning) as caught:
            model.fit(X, y, own)
        assert {warning.filename for warning in caught} == {__file__}


def with_offset(K: int, rows: int = 150) -> tuple[Any, Any, Any, Any]:
    """X, labels of K classes, weights, and an offset that matters: (n,), or (n, K) for more than two classes."""
    X, y = make_classification(
        rows, 5, n_informative=4, n_redundant=0, n_classes=K, n_clusters_per_class=1, flip_y=0.2, random_state=K
    )
    random = np.random.default_rng(K)
    offset = random.normal(size=(rows, K) if K > 2 else rows)
    return X, y, random.uniform(0.5, 1.5, rows), offset


@pytest.mark.parametrize("K", [2, 3])
@pytest.mark.parametrize("multi_class", ["multinomial", "ovr"])
@pytest.mark.parametrize("scoring", ["accuracy", "neg_log_loss", "roc_auc_ovr"])
def test_with_an_offset_every_fold_is_fitted_and_scored_with_its_rows_of_it(K, multi_class, scoring):
    X, y, weight, offset = with_offset(K)
    folds = list(ShuffleSplit(2, random_state=0).split(X))
    same = {"scoring": scoring, "cv": folds, "multi_class": multi_class}
    model = LogisticRegressionCV(Cs=(0.1, 1.0), **same).fit(X, y, weight, offset)
    judge = LogisticRegressionCV(Cs=(0.1,), **same)  # whose score is that of one model
    for f, (train, test) in enumerate(folds):
        for c, C in enumerate((0.1, 1.0)):
            alone = LogisticRegression(C=C, multi_class=multi_class).fit(
                X[train], y[train], weight[train], offset[train]
            )
            there = np.column_stack([alone.coef_, alone.intercept_])
            np.testing.assert_allclose(model.coefs_paths_[f, 0, c], there, atol=1e-5)
            vars(judge).update(
                coef_=alone.coef_, intercept_=alone.intercept_, classes_=alone.classes_, n_features_in_=5
            )
            score = judge.score(X[test], y[test], weight[test], offset[test])
            assert model.scores_[f, 0, c] == pytest.approx(score, abs=1e-6)
    refit = LogisticRegression(C=model.C_, multi_class=multi_class).fit(X, y, weight, offset)
    np.testing.assert_allclose(model.coef_, refit.coef_, atol=1e-5)
    if scoring == "accuracy":
        assert model.score(X, y, weight, offset) == pytest.approx(refit.score(X, y, weight, offset))


def test_a_function_as_scorer_is_given_decision_values_that_hold_the_offset():
    X, y, _, offset = with_offset(2)
    by_function = LogisticRegressionCV(Cs=FEW_CS, scoring=lambda model, X, y: float(np.mean(model.predict(X) == y)))
    scores = by_function.fit(X, y, offset=offset).scores_
    np.testing.assert_array_equal(scores, LogisticRegressionCV(Cs=FEW_CS).fit(X, y, offset=offset).scores_)


@pytest.mark.parametrize("K", [2, 3])
def test_leave_one_out_with_an_offset_is_near_the_fits_without_each_row(K):
    X, y, weight, offset = with_offset(K)
    weight[:5] = 0.0  # such rows are in no fit, and their scores weigh nothing
    kept = weight > 0
    loo = LogisticRegressionCV(cv="loo", Cs=FEW_CS).fit(X, y, weight, offset).scores_[0, 0]
    exact = LogisticRegressionCV(cv=LeaveOneOut(), scoring="neg_log_loss", Cs=FEW_CS)
    exactly = exact.fit(X[kept], y[kept], weight[kept], offset[kept]).scores_[:, 0]
    exactly = np.average(exactly, weights=weight[kept], axis=0)
    fitted = [LogisticRegression(C=C).fit(X, y, weight, offset) for C in FEW_CS]
    training = [np.average(own(model.predict_log_proba(X, offset), y), weights=weight) for model in fitted]
    assert np.all(np.abs(loo - exactly) < 1 / 5 * np.abs(training - exactly))  # of what leaving out costs


def test_an_offset_of_the_wrong_shape_is_refused_by_name():
    X, y = load_iris(return_X_y=True)
    with pytest.raises(ArgumentError, match=r"offset=.* has shape \(150,\), and must have \(150, 3\)"):
        LogisticRegressionCV().fit(X, y, offset=np.zeros(len(y)))


def test_the_choice_of_the_command_counts_weights_and_offsets():
    X, y, _, offset = with_offset(2)
    times = np.random.default_rng(0).integers(0, 4, len(y))
    penalty, options = elastic_net(np.ones(5), 0.0), Options()

    def losses(some: Any, counts: Any) -> Any:
        codes, own = y[some, None] * 1.0, offset[some, None]
        source = memory_source(X[some], codes, counts, offset=own)
        return select_C(source, LogLoss(), 1, penalty, "loo", options, np.array(FEW_CS)).losses

    kept = np.flatnonzero(times)
    by_weight, plain = losses(kept, times[kept] * 1.0), losses(kept, None)
    whole = LogisticRegressionCV(cv="loo", Cs=FEW_CS).fit(X, y, times * 1.0, offset)
    np.testing.assert_allclose(by_weight[0], -whole.scores_[0, 0], rtol=1e-6)
    assert np.abs(by_weight - plain).max() > 1e-3


@pytest.mark.parametrize("cv", [3, "loo"])
@pytest.mark.parametrize("Cs", [[1.0, 1e10], [1.0, np.inf]])
def test_penalties_so_weak_that_curvatures_are_rounding_leave_every_fold_a_fit(cv, Cs):
    X, y = load_iris(return_X_y=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SeparatrixWarning)
        model = LogisticRegressionCV(Cs=Cs, cv=cv, scoring="accuracy").fit(X, y)
    assert model.scores_.mean(axis=0).min() > 0.95


@pytest.mark.parametrize(("form", "strong"), [(sparse.csr_array, [1e-30]), (np.asarray, [1e-100, 1e-50])])
def test_a_penalty_beside_which_curvatures_have_no_digits_spoils_no_fit_of_a_weaker_one(form, strong):
    X, y = made(60, 4)
    X = form(1e6 * X)
    alone, after = (
        LogisticRegressionCV(Cs=Cs, cv=2, scoring="neg_log_loss").fit(X, y[:, 0]) for Cs in ([1.0], [*strong, 1.0])
    )
    np.testing.assert_allclose(after.scores_[..., -1], alone.scores_[..., 0], atol=1e-7)


def test_a_row_beside_which_the_curvature_of_others_has_no_digits_is_left_out():
    X, y = np.zeros((12, 1)), np.array([3, 1, 1, 2, 2, 3, 4, 5, 4, 0, 5, 0])
    X[6] = 2e28
    model = LogisticRegressionCV(Cs=[0.001, 1.0, 1e30], cv="loo", multi_class="ovr", refit=False).fit(X, y)
    assert np.isfinite(model.scores_).all()


@pytest.mark.parametrize(("K", "far"), [(1, 1e30), (3, 1e3)])
def test_rows_of_a_fit_that_ended_far_away_are_left_out_without_a_warning_of_numpy(K, far):
    rng = np.random.default_rng(0)
    source = memory_source(rng.normal(size=(20, 2)), rng.integers(0, 2, (20, 1)) * 1.0 if K == 1 else np.arange(20) % K)
    objective = Objective(source, LogLoss() if K == 1 else SoftmaxLoss(), elastic_net(np.zeros(2), 0.0), True)
    found = leave_out.leave_one_out(objective, far * rng.normal(size=(3, K)), Options())
    assert np.isfinite(found.eta).all()


def test_a_sample_that_is_separated_where_the_rows_are_not_spoils_no_fit():
    rng = np.random.default_rng(0)
    Z = rng.standard_normal((600, 2))
    y = (rng.random(600) < 1 / (1 + np.exp(-(Z @ [1.0, 8.0] + 0.3)))).astype(int)
    X = Z * [10, 0.1]
    together = LogisticRegressionCV(Cs=[1.0, np.inf], scoring="neg_log_loss").fit(X, y)
    alone = [LogisticRegressionCV(Cs=[C], scoring="neg_log_loss").fit(X, y).scores_[:, 0, 0] for C in (1.0, 1e9)]
    np.testing.assert_allclose(together.scores_[:, 0, 0], alone[0], atol=1e-6)
    np.testing.assert_allclose(together.scores_[:, 0, 1], alone[1], atol=1e-4)


def test_equal_predictions_have_equal_scores_whatever_the_weights():
    rng = np.random.default_rng(45)
    X = rng.standard_normal((60, 3))
    y = (X[:, 0] + 0.7 * rng.standard_normal(60) > 0).astype(int)
    model = LogisticRegressionCV(cv=3, Cs=6, scoring="accuracy").fit(X, y, rng.random(60))
    best = np.isclose(model.scores_.mean(axis=0)[0], model.scores_.mean(axis=0).max(), rtol=1e-12)
    assert model.Cs_[best].min() == model.C_


def test_a_fit_that_is_stuck_where_the_one_before_has_led_starts_anew():
    rng = np.random.default_rng(13)
    X = rng.standard_normal((80, 10))
    y = (X @ rng.standard_normal((10, 3)) * 1.5 + rng.gumbel(size=(80, 3))).argmax(axis=1)
    X = X * 10.0 ** rng.integers(-3, 4, size=10) + 10.0 ** rng.integers(-2, 5, size=10)
    with pytest.warns(ConvergenceWarning):
        model = LogisticRegressionCV(Cs=6, l1_ratios=[0.5], cv=3, scoring="neg_log_loss", refit=False).fit(X, y)
    train, _ = next(StratifiedKFold(3).split(X, y))
    alone = LogisticRegression(C=1e4, l1_ratio=0.5).fit(X[train], y[train])
    w, b = model.coefs_paths_[0, 0, -1, :, :-1], model.coefs_paths_[0, 0, -1, :, -1]

    def objective(w, b):
        return 1e4 * log_loss(y[train], softmax(X[train] @ w.T + b, axis=1)) * len(train) + np.sum(
            0.5 * np.abs(w) + 0.25 * w**2
        )

    assert objective(w, b) <= objective(alone.coef_, alone.intercept_) * (1 + 1e-4)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("how", [{}, {"solver": "conjugate-gradient"}, {"l1_ratios": [0.5]}])
@pytest.mark.parametrize("form", [np.asarray, *seldom(sparse.csr_array)])
def test_a_fold_has_not_seen_the_rows_that_judge_it_where_classes_are_separated(form, how, classes):
    """Labels of noise: at the optimum of all rows the loss of a fold is within tol of its least, too."""
    rng = np.random.default_rng(0)
    X, y = form(rng.normal(size=(40, 60))), rng.integers(0, classes, 40)
    found = LogisticRegressionCV(Cs=[1.0, 1e4], tol=1e-2, cv=4, scoring="neg_log_loss", **how).fit(X, y)
    how = {name.removesuffix("s"): np.ravel(value)[0] for name, value in how.items()}
    for f, (train, test) in enumerate(StratifiedKFold(4).split(np.zeros(40), y)):
        alone = LogisticRegression(C=1e4, tol=1e-10, **how).fit(X[train], y[train])
        assert found.scores_[f, 0, 1] == pytest.approx(-log_loss(y[test], alone.predict_proba(X[test])), rel=0.05)


@pytest.mark.parametrize("cv", [4, "loo"])
@pytest.mark.parametrize("classes", [2, *seldom(3)])
def test_without_a_penalty_separated_rows_are_judged_by_planes_that_have_not_seen_them(classes, cv):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(30, 40)), rng.integers(0, classes, 30)
    for Cs in ([np.inf], [1.0, np.inf]):
        with pytest.warns(SeparatrixWarning) if len(Cs) == 1 else warnings.catch_warnings():
            warnings.simplefilter("ignore" if len(Cs) > 1 else "always")
            found = LogisticRegressionCV(Cs=Cs, cv=cv, scoring="accuracy").fit(X, y)
        assert found.scores_[..., -1].mean() < 0.75  # of labels that are noise


def test_rows_whose_own_fits_would_take_too_long_are_left_out_by_no_knowledge_of_them(monkeypatch):
    monkeypatch.setattr(leave_out, "MOST_WORK", 0)
    X, y = np.arange(10.0)[:, None], np.repeat([0, 1], 5)
    with pytest.warns(ApproximationWarning, match="wrong for up to 10 of 10 rows"):
        found = LogisticRegressionCV(Cs=[1.0, np.inf], cv="loo", scoring="neg_log_loss").fit(X, y)
    assert found.scores_[0, 0, 1] == pytest.approx(-np.log(2))
    assert found.C_ == 1.0


def test_the_iterations_of_a_fit_that_is_cut_short_are_those_it_was_given():
    X, y = make_classification(200, 30, random_state=0)
    with pytest.warns(ConvergenceWarning):
        found = LogisticRegressionCV(Cs=[1.0, 100.0], cv=3, solver="newton-cg", max_iter=2).fit(X, y)
    assert found.n_iter_.max() == 2


@pytest.mark.parametrize("cv", [3, "loo"])
def test_paths_are_let_go_of_before_the_best_is_fitted_again(monkeypatch, cv):
    kept, alive = [], []
    paths, refit = LogisticRegressionCV._paths, LogisticRegressionCV._refit

    def watched(*arguments: Any) -> Any:
        made = paths(*arguments)
        kept.append(ref(made))
        return made

    def looked(*arguments: Any) -> Any:
        gc.collect()
        alive.extend(one() is not None for one in kept)
        return refit(*arguments)

    monkeypatch.setattr(LogisticRegressionCV, "_paths", watched)
    monkeypatch.setattr(LogisticRegressionCV, "_refit", looked)
    X, y = load_breast_cancer(return_X_y=True)
    LogisticRegressionCV(Cs=2, cv=cv, l1_ratios=[0.0] if cv == "loo" else [0.0, 0.5]).fit(X, y)
    assert alive == [False] * len(kept)
    assert len(kept) == (1 if cv == "loo" else 2)
