"""Metrics and curves: against scikit-learn, against the baseline, and where they are undefined."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import metrics as peer
from sklearn.dummy import DummyClassifier

from separatrix.errors import ArgumentError
from separatrix.evaluate.binned import number_evaluation_of, numbers
from separatrix.evaluate.curves import calibration, roc
from separatrix.evaluate.metrics import evaluate_classes, evaluate_numbers


@pytest.fixture(autouse=True)
def no_warning_escapes():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def some_predictions(classes: int, rows: int = 400):
    """Probabilities that know something of the truth, and the truth."""
    rng = np.random.default_rng(classes)
    y = rng.integers(classes, size=rows)
    eta = rng.normal(size=(rows, classes)) + 1.5 * np.eye(classes)[y]
    return y, np.exp(eta) / np.exp(eta).sum(axis=1, keepdims=True)


def weights(rows: int, weighted: bool) -> np.ndarray | None:
    """Weights of which some are zero, or none."""
    return np.random.default_rng(rows).integers(0, 5, rows) * 0.7 if weighted else None


@pytest.mark.parametrize("weighted", [False, True])
def test_two_class_metrics_are_those_of_scikit_learn(weighted):
    y, p = some_predictions(2)
    weight = weights(len(y), weighted)
    ours = evaluate_classes(y, p, ["no", "yes"], [0.5, 0.5], weight).metrics
    label, weigh = p.argmax(axis=1), {"sample_weight": weight}
    theirs = {
        "accuracy": peer.accuracy_score(y, label, **weigh),
        "precision": peer.precision_score(y, label, **weigh),
        "recall": peer.recall_score(y, label, **weigh),
        "f1": peer.f1_score(y, label, **weigh),
        "roc_auc": peer.roc_auc_score(y, p[:, 1], **weigh),
        "average_precision": peer.average_precision_score(y, p[:, 1], **weigh),
        "log_loss": peer.log_loss(y, p, **weigh),
        "brier": peer.brier_score_loss(y, p[:, 1], **weigh),
    }
    assert ours == pytest.approx(theirs, rel=1e-12)


@pytest.mark.parametrize("weighted", [False, True])
def test_many_class_metrics_are_the_macro_averages_of_scikit_learn(weighted):
    y, p = some_predictions(4)
    weight = weights(len(y), weighted)
    ours = evaluate_classes(y, p, list("abcd"), [0.25] * 4, weight).metrics
    label, weigh = p.argmax(axis=1), {"sample_weight": weight}
    theirs = {
        "accuracy": peer.accuracy_score(y, label, **weigh),
        "precision": peer.precision_score(y, label, average="macro", **weigh),
        "recall": peer.recall_score(y, label, average="macro", **weigh),
        "f1": peer.f1_score(y, label, average="macro", **weigh),
        "roc_auc": peer.roc_auc_score(y, p, multi_class="ovr", **weigh),
        "log_loss": peer.log_loss(y, p, **weigh),
        "brier": peer.brier_score_loss(y, p, **weigh),
    }
    assert ours == pytest.approx(theirs, rel=1e-12)


def test_the_baseline_is_scikit_learns_prior_classifier():
    y, p = some_predictions(3)
    train = np.repeat([0, 1, 2], [10, 60, 30])
    dummy = DummyClassifier(strategy="prior").fit(np.zeros((100, 1)), train)
    baseline = evaluate_classes(y, p, list("abc"), [0.1, 0.6, 0.3]).baseline
    empty = np.zeros((len(y), 1))
    assert baseline["accuracy"] == pytest.approx(dummy.score(empty, y))
    assert baseline["log_loss"] == pytest.approx(peer.log_loss(y, dummy.predict_proba(empty)))
    assert baseline["roc_auc"] == 0.5


def test_the_confusion_matrix_has_true_classes_down_and_predicted_across():
    y, p = some_predictions(3)
    evaluation = evaluate_classes(y, p, list("abc"), [1 / 3] * 3)
    assert_array_equal(evaluation.confusion, peer.confusion_matrix(y, p.argmax(axis=1)))
    assert [row.support for row in evaluation.per_class] == np.bincount(y).tolist()


def test_held_out_rows_of_one_class_leave_out_roc_auc_and_say_so():
    evaluation = evaluate_classes([0, 0], [[0.9, 0.1], [0.3, 0.7]], ["no", "yes"], [0.5, 0.5])
    assert evaluation.roc == (None,)
    assert {"roc_auc", "recall", "average_precision"}.isdisjoint(evaluation.metrics)
    assert evaluation.metrics["precision"] == 0
    assert evaluation.notes == ("no evaluated row is of class yes: its recall and ROC AUC are left out.",)


def test_a_class_never_predicted_has_no_precision_and_says_so():
    evaluation = evaluate_classes([0, 1], [[0.9, 0.1], [0.6, 0.4]], ["no", "yes"], [0.5, 0.5])
    assert "precision" not in evaluation.metrics
    assert evaluation.per_class[1].precision is None
    assert evaluation.notes == ("no evaluated row was predicted yes: its precision is left out.",)


def test_a_probability_of_zero_for_the_truth_gives_a_finite_log_loss():
    metrics = evaluate_classes([1], [[1.0, 0.0]], ["no", "yes"], [0.5, 0.5]).metrics
    assert 30 < metrics["log_loss"] < 40
    assert metrics["brier"] == 1


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ArgumentError, match="do not fit 2 classes"):
        evaluate_classes([0, 1], np.full((2, 3), 1 / 3), ["no", "yes"], [0.5, 0.5])
    with pytest.raises(ArgumentError, match="at least one row"):
        evaluate_classes([], np.zeros((0, 2)), ["no", "yes"], [0.5, 0.5])
    with pytest.raises(ArgumentError, match="equally long"):
        evaluate_numbers([1.0, 2.0], [1.0], 0.0)


@pytest.mark.parametrize("weighted", [False, True])
def test_number_metrics_are_those_of_scikit_learn(weighted):
    rng = np.random.default_rng(0)
    y = rng.normal(10, 3, size=50)
    predicted = y + rng.normal(size=50)
    weight = weights(50, weighted)
    evaluation, weigh = evaluate_numbers(y, predicted, 9.0, weight), {"sample_weight": weight}
    for ours, guess in ((evaluation.metrics, predicted), (evaluation.baseline, np.full(50, 9.0))):
        assert ours["mse"] == pytest.approx(peer.mean_squared_error(y, guess, **weigh))
        assert ours["rmse"] == pytest.approx(peer.root_mean_squared_error(y, guess, **weigh))
        assert ours["mae"] == pytest.approx(peer.mean_absolute_error(y, guess, **weigh))
        assert ours["r2"] == pytest.approx(peer.r2_score(y, guess, **weigh))


def test_rows_of_weight_zero_are_left_out_of_numbers_as_of_classes():
    evaluation = evaluate_numbers([1.0, 2.0, 9.0], [1.0, 3.0, 4.0], 2.0, [1, 2, 0])
    assert evaluation.rows == 2
    assert_array_equal([evaluation.actual, evaluation.predicted], [[1.0, 2.0], [1.0, 3.0]])


def test_a_held_out_target_that_does_not_vary_has_no_r2():
    evaluation = evaluate_numbers([2.0, 2.0], [1.0, 2.0], mean=2.0)
    assert "r2" not in evaluation.metrics
    assert evaluation.notes == ("R² is undefined: the target does not vary.",)


@pytest.mark.parametrize("value", [0.11, 1e9 / 3, -7.7e-9])
def test_a_target_of_one_number_does_not_vary_whatever_its_mean_is_rounded_to(value):
    y, guess = np.full(50, value), np.full(50, 0.1)
    parts = [numbers(y[:20], guess[:20], 0.3), numbers(y[20:], guess[20:], 0.3)]
    for evaluation in (evaluate_numbers(y, guess, 0.3), number_evaluation_of(parts[0] + parts[1])):
        assert "r2" not in evaluation.metrics
        assert "r2" not in evaluation.baseline


def test_the_area_under_the_roc_curve_is_the_share_of_pairs_ranked_right():
    rng = np.random.default_rng(1)
    positive = rng.random(60) < 0.4
    score = np.round(rng.normal(size=60) + positive, 1)
    wins = [np.sign(a - b) / 2 + 0.5 for a in score[positive] for b in score[~positive]]
    curve = roc(positive, score)
    assert curve is not None
    assert curve.auc == pytest.approx(np.mean(wins))


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("digits", [1, 9])
def test_the_roc_curve_is_scikit_learns_without_the_points_that_lie_in_line(digits, weighted):
    rng = np.random.default_rng(3)
    positive, weight = rng.random(200) < 0.4, weights(200, weighted)
    score = np.round(rng.normal(size=200) + positive, digits)
    curve, theirs = roc(positive, score, weight), peer.roc_curve(positive, score, sample_weight=weight)
    assert curve is not None
    fpr, tpr = np.array([curve.fpr, curve.tpr]).round(12)
    points = set(zip(*np.round(theirs[:2], 12).tolist(), strict=True))
    ours = set(zip(fpr.tolist(), tpr.tolist(), strict=True))
    assert ours <= points
    cross = np.diff(curve.fpr)[1:] * np.diff(curve.tpr)[:-1] - np.diff(curve.fpr)[:-1] * np.diff(curve.tpr)[1:]
    assert np.abs(cross).min() > 1e-9
    for right, up in points - ours:
        after = np.searchsorted(fpr + tpr, right + up)
        (x, y), (X, Y) = (fpr[after - 1], tpr[after - 1]), (fpr[after], tpr[after])
        assert (right - x) * (Y - y) == pytest.approx((X - x) * (up - y), abs=1e-12)
    assert set(curve.thresholds) <= set(theirs[2])


def test_rows_of_one_class_have_no_roc_curve():
    assert roc([True, True], [0.1, 0.9]) is None


def test_calibrated_probabilities_lie_on_the_diagonal():
    rng = np.random.default_rng(2)
    p = rng.random(50_000)
    bins = calibration(rng.random(50_000) < p, p)
    assert_allclose(bins.observed, bins.predicted, atol=0.03)
    assert bins.counts.tolist() == [5_000] * 10


def test_a_weight_counts_in_a_calibration_bin_as_so_many_rows_would():
    positive, p, weight = [True, False, True, True], [0.2, 0.3, 0.7, 0.8], np.array([1.0, 3.0, 2.0, 2.0])
    bins = calibration(positive, p, bins=2, weight=weight)
    assert_allclose(bins.observed, [0.25, 1.0])
    assert_allclose(bins.predicted, [(0.2 + 3 * 0.3) / 4, 0.75])
    assert bins.counts.tolist() == [2, 2]


def test_equal_predictions_share_a_bin():
    bins = calibration([True, False, True, False], [0.5, 0.5, 0.5, 0.5])
    assert bins.counts.tolist() == [4]
    assert bins.observed.tolist() == [0.5]
