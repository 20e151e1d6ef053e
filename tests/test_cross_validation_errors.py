"""What LogisticRegressionCV says of arguments without meaning, and what it does with folds that say nothing."""

import pickle
import re
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_iris, make_classification
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import accuracy_score, f1_score, make_scorer
from sklearn.model_selection import (
    GroupKFold,
    KFold,
    LeaveOneGroupOut,
    StratifiedGroupKFold,
    StratifiedKFold,
    cross_val_score,
)

import problems  # noqa: F401 - one thread
from separatrix import LogisticRegression, LogisticRegressionCV
from separatrix.cross_validation.estimator import warn_of_gaps
from separatrix.errors import ArgumentError, ConvergenceWarning, SeparationWarning, SeparatrixError, TargetError
from separatrix.settings import Settings, check_settings

X, Y = make_classification(60, 5, random_state=0)
FEW_CS = (0.01, 1.0, 10.0)
FOLDS = list(StratifiedKFold(3).split(X, Y))
NO_GROUPS = r"needs groups: fit\(X, y, groups="


def said(y: Any = Y, fit: Any = (), of: Any = X, **parameters: Any) -> str:
    """The message of the error that a fit ends in: one line."""
    with pytest.raises(SeparatrixError) as caught:
        LogisticRegressionCV(**({"Cs": FEW_CS} | parameters)).fit(of, y, *fit)
    message = str(caught.value)
    assert "\n" not in message
    return message


def weights(of: Any, outside: float = 1.0) -> Any:
    """`outside`, and for some rows the other of 0 and 1."""
    weight = np.full(60, outside)
    weight[of] = 1.0 - outside
    return weight


@pytest.mark.parametrize("scoring", [None, "neg_log_loss", "roc_auc", lambda m, X, y, sample_weight: m.score(X, y)])
@pytest.mark.parametrize("refit", [True, False])
def test_a_fold_whose_test_rows_weigh_nothing_has_no_score_and_is_left_out_of_the_mean(scoring, refit):
    model = LogisticRegressionCV(Cs=FEW_CS, cv=FOLDS, scoring=scoring, refit=refit).fit(X, Y, weights(FOLDS[0][1]))
    np.testing.assert_array_equal(np.isnan(model.scores_[:, 0, 0]), [True, False, False])
    others = LogisticRegressionCV(Cs=FEW_CS, cv=FOLDS[1:], scoring=scoring, refit=refit).fit(X, Y, weights(FOLDS[0][1]))
    np.testing.assert_allclose(model.C_, others.C_)
    np.testing.assert_allclose(model.coef_, others.coef_, rtol=1e-4)


def test_where_no_fold_has_test_rows_of_weight_that_is_said_of_sample_weight():
    folds = [(np.arange(50), np.arange(50, 60))]
    assert "sample_weight is zero for the test rows of every fold" in said(cv=folds, fit=[weights(folds[0][1])])


def test_training_rows_of_one_class_or_none_are_refused_with_their_fold():
    train, test = FOLDS[0]
    assert "training rows of fold 1 of cv all weigh zero" in said(cv=FOLDS, fit=[weights(test, outside=0.0)])
    only = (Y == 1).nonzero()[0]
    told = said(cv=FOLDS, fit=[weights(np.intersect1d(only, train))], scoring="neg_log_loss")
    assert "training rows of fold 1 of cv have one class, 0" in told
    assert "cv=5" in told
    order = np.argsort(Y, kind="stable")
    assert "fold 1 of cv" in said(of=X[order], y=Y[order], cv=KFold(2))


def test_a_fold_whose_score_is_no_number_is_left_out_of_the_mean():
    cv = [(np.arange(50), np.flatnonzero(Y == 1)[-5:]), *FOLDS[1:]]
    with pytest.warns(UndefinedMetricWarning):
        model = LogisticRegressionCV(Cs=FEW_CS, cv=cv, scoring="roc_auc").fit(X, Y)
    assert model.C_ == LogisticRegressionCV(Cs=FEW_CS, cv=cv[1:], scoring="roc_auc").fit(X, Y).C_


@pytest.mark.parametrize(
    ("cv", "says"),
    [
        ([], r"cv=\[\] has no folds"),
        (1, "cv=1 must be at least 2 folds"),
        (True, "cv=True must be a number of folds"),
        (2.5, "cv=2.5 must be a number of folds"),
        (100, "cv=100 is more folds than the 60 rows"),
        ("foo", "cv='foo' must be a number of folds"),
        (b"5", "cv=b'5' must be a number of folds"),
        ([1, 2], r"fold 1 of cv is 1: cv must be .* \(train, test\)"),
        ([(np.arange(50), [70])], r"test rows of fold 1 of cv .* 70, .* 60 rows"),
        ([FOLDS[0], ([-61, 2], [1])], r"training rows of fold 2 of cv .* -61, .* 60 rows"),
        ([(np.arange(50.0), [50])], "training rows of fold 1 of cv .*whole numbers"),
        ([(["a"], ["b"])], "training rows of fold 1 of cv .*whole numbers"),
        ([(np.ones(9, dtype=bool), [50])], "training rows of fold 1 of cv .* 9 .* 60"),
        ([([], [50])], "fold 1 of cv has no training rows"),
        ([(np.arange(50), [])], "fold 1 of cv has no test rows"),
        ([(0, 1)], "training rows of fold 1 of cv .* list"),
        (GroupKFold(3), NO_GROUPS),
        (LeaveOneGroupOut(), NO_GROUPS),
        (StratifiedGroupKFold(2), NO_GROUPS),
        (KFold(100), r"cv=KFold\(n_splits=100.* Cannot have number of splits"),
        (object(), r"cv=<object .* must be a number of folds"),
    ],
)
def test_folds_without_meaning_are_refused_by_name_and_value(cv, says):
    assert re.search(says, said(cv=cv))


def test_groups_go_to_the_splitter():
    groups = np.arange(60) % 6
    model = LogisticRegressionCV(Cs=FEW_CS, cv=GroupKFold(3))
    listed = clone(model).set_params(cv=list(GroupKFold(3).split(X, Y, groups))).fit(X, Y)
    np.testing.assert_array_equal(model.fit(X, Y, groups=groups).scores_, listed.scores_)


@pytest.mark.parametrize(
    ("cv", "groups"), [(3, np.arange(60)), ("loo", np.arange(60)), (FOLDS, Y), (GroupKFold(3), [1, 2, 3])]
)
def test_groups_that_split_no_rows_are_refused(cv, groups):
    with pytest.raises(ArgumentError, match=r"groups=.* must be one for each of the 60 rows, for a cv that splits"):
        LogisticRegressionCV(cv=cv).fit(X, Y, groups=groups)


def test_a_scorer_of_ones_own_sees_the_C_that_it_scores():
    model = LogisticRegressionCV(Cs=[1.0, 2.0], l1_ratios=[0.25], cv=3, scoring=lambda model, X, y: model.C)
    np.testing.assert_array_equal(model.fit(X, Y).scores_, [[[1.0, 2.0]]] * 3)


def test_masks_negative_rows_and_generators_are_folds_too():
    train, test = FOLDS[0]
    plain = LogisticRegressionCV(Cs=FEW_CS, cv=[(train, test)]).fit(X, Y).scores_
    mask = np.isin(np.arange(60), train)
    for cv in ([(mask, ~mask)], [(train - 60, test.tolist())], (fold for fold in FOLDS[:1])):
        np.testing.assert_array_equal(LogisticRegressionCV(Cs=FEW_CS, cv=cv).fit(X, Y).scores_, plain)


@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.int16, np.uint64])
def test_rows_of_folds_may_be_numbers_of_any_size(kind):
    twice = np.vstack([X, X, X])  # rows beyond the largest of int8
    numbers = np.arange(120, dtype=kind), np.arange(100, 127, dtype=kind)
    plain, found = (
        LogisticRegressionCV(Cs=FEW_CS, cv=[cv]).fit(twice, np.tile(Y, 3)).scores_
        for cv in (tuple(map(np.ndarray.tolist, numbers)), numbers)
    )
    np.testing.assert_array_equal(found, plain)


def test_a_splitter_that_makes_no_pairs_is_refused():
    class Numbers:
        def split(self, X: Any, y: Any = None, groups: Any = None) -> list[int]:
            return [1, 2]

        def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
            return 2

    assert re.search(r"fold 1 of cv is 1: cv must be .* \(train, test\)", said(cv=Numbers()))


def test_a_generator_that_is_used_up_is_said_to_be():
    model = LogisticRegressionCV(Cs=FEW_CS, cv=(fold for fold in FOLDS)).fit(X, Y)
    with pytest.raises(ArgumentError, match=r"cv=.* has no folds.* list"):
        model.fit(X, Y)


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"scoring": "acuracy"}, "scoring='acuracy' .* Did you mean 'accuracy'"),
        ({"scoring": ""}, "scoring='' "),
        ({"scoring": 3}, "scoring=3 must be the name of a scorer, a callable"),
        ({"scoring": ["accuracy"]}, r"scoring=\['accuracy'\] must be the name"),
        ({"scoring": accuracy_score}, "scoring=<function accuracy_score.* make_scorer"),
        ({"scoring": lambda model, X, y: None}, "scoring=<function .* returned None"),
        ({"scoring": lambda model, X, y: "good"}, "scoring=<function .* returned 'good'"),
        ({"scoring": lambda model, X, y: np.nan}, "scoring=<function .* is NaN"),
        ({"scoring": "f1_samples"}, "scoring='f1_samples' cannot score"),
        ({"Cs": 0}, "Cs=0 must be a number at least 1"),
        ({"Cs": []}, r"Cs=\[\] is empty"),
        ({"Cs": [-1, 1]}, r"Cs\[0\]=-1 must be a number above 0"),
        ({"Cs": [1.0, np.nan]}, r"Cs\[1\]=nan must be a number above 0"),
        ({"Cs": {"a": 1}}, "Cs={'a': 1} must be a number of Cs, or a list"),
        ({"l1_ratios": [0, 2]}, r"l1_ratios\[1\]=2 must be at most 1"),
        ({"Cs": [[1, 2], [3]]}, r"Cs\[0\]=\[1, 2\] must be a number above 0"),
        ({"l1_ratios": -1}, "l1_ratios=-1 must be a number at least 0"),
        ({"l1_ratios": []}, r"l1_ratios=\[\] is empty"),
        ({"l1_ratios": "elasticnet"}, "l1_ratios='elasticnet' must be"),
    ],
)
def test_scorers_and_grids_without_meaning_are_refused_by_the_name_they_were_given(parameters, says):
    assert re.search(says, said(**parameters))


@pytest.mark.parametrize(
    ("scoring", "instead"),
    [("roc_auc", "roc_auc_ovr"), ("f1", "f1_macro"), ("precision", "precision_macro"), ("jaccard", "jaccard_macro")],
)
@pytest.mark.parametrize("cv", [3, "loo"])
def test_a_score_of_two_classes_is_refused_for_three_with_one_that_serves(scoring, instead, cv):
    iris, kinds = load_iris(return_X_y=True)
    told = said(of=iris, y=kinds, scoring=scoring, cv=cv)
    assert told == f"scoring='{scoring}' cannot score 3 classes: use '{instead}'."
    fitted = LogisticRegressionCV(Cs=FEW_CS, cv=3).fit(iris, kinds).set_params(scoring=scoring)
    with pytest.raises(ArgumentError, match="cannot score 3 classes"):
        fitted.score(iris, kinds)


@pytest.mark.parametrize("scoring", ["adjusted_rand_score", lambda model, X, y: 1.0])
def test_a_scorer_that_takes_no_weights_is_told_of_before_any_fit(scoring):
    assert "takes no sample_weight" in said(scoring=scoring, fit=[np.ones(60)])


def test_a_score_of_rows_of_one_class_knows_the_others():
    iris, kinds = load_iris(return_X_y=True)
    model = LogisticRegressionCV(Cs=FEW_CS, scoring="neg_log_loss").fit(iris, kinds)
    assert model.score(iris[:50], kinds[:50]) == pytest.approx(model.predict_log_proba(iris[:50])[:, 0].mean())


def test_what_is_wrong_with_scored_rows_is_not_said_of_the_scorer():
    model = LogisticRegressionCV(Cs=FEW_CS).fit(X, Y)
    with pytest.raises(ValueError, match=r"^X has 3 features"):
        model.score(X[:, :3], Y)
    with pytest.raises(ArgumentError, match=r"^sample_weight=.* is zero in every row"):
        model.score(X, Y, np.zeros(60))


def test_labels_of_two_classes_need_no_word_for_the_positive_one():
    names = np.array(["no", "yes"])[Y]
    for scoring in ("average_precision", "f1", "roc_auc", "neg_brier_score"):
        by_code, by_name = (
            LogisticRegressionCV(Cs=FEW_CS, scoring=scoring).fit(X, each).scores_ for each in (Y, names)
        )
        np.testing.assert_allclose(by_code, by_name)


@pytest.mark.filterwarnings("error")
def test_a_mean_over_classes_needs_no_positive_label():
    names, macro = np.array(["n", "y"])[Y], make_scorer(f1_score, average="macro")
    expected = cross_val_score(LogisticRegression(C=1.0), X, names, cv=FOLDS, scoring="f1_macro")
    for scoring in (macro, "f1_macro"):
        found = LogisticRegressionCV(Cs=[1.0], cv=FOLDS, scoring=scoring).fit(X, names)
        np.testing.assert_allclose(found.scores_.ravel(), expected)


def test_a_fit_without_refit_keeps_nothing_of_the_fit_before():
    model = LogisticRegressionCV(Cs=FEW_CS).fit(X, Y)
    assert model.certificate_.gap <= model.tol
    model.set_params(refit=False).fit(X, Y)
    assert not any(hasattr(model, name) for name in ("trace_", "certificate_", "separation_"))


def test_what_was_chosen_survives_a_copy_and_a_pickle():
    model = LogisticRegressionCV(Cs=FEW_CS, cv=KFold(3), scoring=make_scorer(accuracy_score)).fit(X, Y)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    np.testing.assert_array_equal(clone(model).fit(X, Y).scores_, model.scores_)


def test_the_error_of_training_rows_is_one_of_the_target():
    order = np.argsort(Y, kind="stable")
    with pytest.raises(TargetError):
        LogisticRegressionCV(Cs=FEW_CS, cv=KFold(2)).fit(X[order], Y[order])


@pytest.mark.parametrize("C", [1e200, 1e300, 1.7e308])
@pytest.mark.parametrize("l1_ratio", [0.0, 1.0])
def test_a_penalty_that_is_next_to_nothing_is_none_whatever_the_weights(C, l1_ratio):
    weight = np.full(60, 1e9)
    model = LogisticRegressionCV(Cs=[1.0, C], l1_ratios=[l1_ratio], cv=2).fit(X, Y, weight)
    assert model.Cs_[1] == C
    assert np.isfinite(model.coefs_paths_).all()


def test_a_penalty_whose_strength_is_no_number_is_refused():
    assert said(Cs=[1e-250, 1.0]).startswith("Cs[0]=1e-250 must be at least 1e-200")


def test_folds_that_lack_a_class_are_named_in_one_warning():
    y = np.where(np.arange(60) == 7, 2, Y)
    with pytest.warns(SeparationWarning) as caught:
        LogisticRegressionCV(Cs=FEW_CS, cv=3, refit=False).fit(X, y)
    said = [str(warning.message) for warning in caught]
    assert len(said) == 1
    assert re.match(r"the training rows of fold \d of cv have no row of class 2, .* use fewer folds\.$", said[0])


def test_fits_that_rounding_stopped_are_not_told_to_go_on():
    gaps, iterations = np.full((2, 1, 3), 1e-12), np.full((2, 1, 3), 7)
    gaps[0, 0, 2] = 1e-5
    with pytest.warns(ConvergenceWarning, match=r"1 of 6 fits stopped where rounding .*\. Leave out columns"):
        warn_of_gaps(gaps, iterations, 1e-8, 100)
    with pytest.warns(ConvergenceWarning, match=r"1 of 6 fits stopped after 7 iterations, .*\. Raise max_iter"):
        warn_of_gaps(gaps, iterations, 1e-8, 7)


@pytest.mark.parametrize("told", [{"cv": 2.5}, {"seed": 2.5}, {"max_iter": 2.5}])
def test_settings_that_must_be_whole_numbers_are_not_cut_to_them(told):
    with pytest.raises(ArgumentError, match=r"=2\.5 must be a whole number"):
        check_settings(Settings(**told), "y")
