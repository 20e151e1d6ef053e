"""The pictures: their geometry, their labels, and what they refuse to draw."""

import subprocess
import sys
import warnings

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot
from matplotlib.collections import PathCollection
from matplotlib.contour import ContourSet
from matplotlib.figure import Figure
from matplotlib.lines import AxLine
from sklearn.datasets import load_iris, make_blobs, make_moons
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.svm import SVC

from separatrix import plots, scratch
from separatrix.equations.links import sigmoid
from separatrix.errors import ArgumentError, ColumnError
from separatrix.plots.evaluation import wilson_interval

IRIS = load_iris()
X, SPECIES = IRIS.data[:, :2], IRIS.target
Y = (SPECIES != 0).astype(int)
MODEL = LogisticRegression().fit(X, Y)
LEARNER = scratch.LogisticRegression(num_iterations=2).fit(X, Y)
THREE = LogisticRegression().fit(X, SPECIES)


@pytest.fixture
def ax():
    return Figure(figsize=(5, 4), layout="constrained").subplots()


def lines_of(ax):
    """The vertices of each contour line drawn on the axes."""
    contours = [artist for artist in ax.collections if isinstance(artist, ContourSet) and not artist.filled]
    return [np.vstack([part.vertices for part in c.get_paths()]) for c in contours]


def clouds_of(ax):
    return [artist for artist in ax.collections if isinstance(artist, PathCollection)]


def legend_of(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


DRAWINGS = {
    "points": lambda **on: plots.plot_points(X, Y, **on),
    "boundary": lambda **on: plots.plot_boundary(MODEL, X, Y, **on),
    "three regions": lambda **on: plots.plot_boundary(THREE, X, SPECIES, **on),
    "probability": lambda **on: plots.plot_probability(MODEL, X, Y, **on),
    "distances": lambda **on: plots.plot_distances(MODEL, X, Y, [0, 149], **on),
    "sigmoid": lambda **on: plots.plot_sigmoid(MODEL, X, Y, **on),
    "losses": lambda **on: plots.plot_losses([0.7, 0.3, 0.2], **on),
    "confusion": lambda **on: plots.plot_confusion(Y, 1 - Y, **on),
    "confusion of a model": lambda **on: plots.ConfusionDisplay.from_estimator(MODEL, X, Y, **on),
    "roc": lambda **on: plots.plot_roc(Y, X[:, 0], **on),
}


@pytest.mark.parametrize("name", DRAWINGS)
def test_a_picture_is_drawn_on_the_axes_it_is_given_and_opens_no_other(name, ax):
    display = DRAWINGS[name](ax=ax)
    assert display.ax_ is ax
    assert display.figure_ is ax.figure
    assert not pyplot.get_fignums()
    ax.figure.draw_without_rendering()


@pytest.mark.parametrize("name", DRAWINGS)
def test_without_axes_a_picture_opens_one_figure_that_pyplot_shows(name):
    pyplot.switch_backend("agg")
    display = DRAWINGS[name]()
    assert [pyplot.figure(number) for number in pyplot.get_fignums()] == [display.figure_]
    pyplot.close(display.figure_)


@pytest.mark.parametrize("shift", [0, 1e6])
def test_the_boundary_is_where_the_decision_function_is_zero(ax, shift):
    blobs, labels = make_blobs(80, centers=[[0, 0], [2, 1]], random_state=0)
    model = scratch.LogisticRegression(num_iterations=200).fit(blobs, labels)
    model.bias_ -= shift * model.weights_.sum()
    plots.plot_boundary(model, blobs + shift, labels, ax=ax)
    for line in lines_of(ax):
        assert len(line) > 10
        np.testing.assert_allclose(model.decision_function(line), 0, atol=1e-9)


def test_a_curved_boundary_is_drawn_too(ax):
    moons, labels = make_moons(200, noise=0.1, random_state=0)
    model = SVC().fit(moons, labels)
    plots.plot_boundary(model, moons, labels, ax=ax)
    assert np.abs(model.decision_function(np.vstack(lines_of(ax)))).max() < 0.02


def test_between_three_classes_the_two_largest_scores_are_equal_along_the_boundary(ax):
    plots.plot_boundary(THREE, X, SPECIES, ax=ax)
    scores = np.sort(THREE.decision_function(np.vstack(lines_of(ax))), axis=1)
    # Linear but for the one cell where three regions meet.
    assert np.mean(scores[:, 2] - scores[:, 1] < 1e-9) > 0.98


def test_each_region_is_a_light_tint_of_the_colour_of_its_class(ax):
    display = plots.plot_boundary(THREE, X, SPECIES, ax=ax)
    predicted = THREE.classes_[display.scores.argmax(axis=-1)]
    np.testing.assert_array_equal(predicted.ravel(), THREE.predict(display.grid.places))
    regions = [artist for artist in ax.collections if isinstance(artist, ContourSet) and artist.filled]
    for region, cloud in zip(regions, clouds_of(ax), strict=True):
        fill, dot = region.get_facecolor()[0, :3], cloud.get_facecolor()[0, :3]
        strength = (1 - fill).max() / (1 - dot).max()
        np.testing.assert_allclose(1 - fill, strength * (1 - dot), atol=0.005)
        assert 0.05 < strength < 0.5


@pytest.mark.parametrize("sharpness", [1, 300])
def test_the_three_level_lines_carry_their_probability(ax, sharpness):
    model = LogisticRegression().fit(X, Y)
    model.coef_, model.intercept_ = model.coef_ * sharpness, model.intercept_ * sharpness
    plots.plot_probability(model, X, Y, ax=ax)
    drawn = [model.predict_proba(line)[:, 1] for line in lines_of(ax)]
    assert len(drawn) == 3
    for probability, level in zip(drawn, [0.1, 0.5, 0.9], strict=True):
        np.testing.assert_allclose(np.median(probability), level, atol=1e-6)


def test_a_perpendicular_ends_on_the_boundary_and_is_as_long_as_its_number_says(ax):
    chosen = [15, 41, 110]
    display = plots.plot_distances(MODEL, X, Y, chosen, ax=ax)
    np.testing.assert_allclose(MODEL.decision_function(display.feet), 0, atol=1e-12)
    segments = [line.get_xydata() for line in ax.lines if len(line.get_xydata()) == 2 and not isinstance(line, AxLine)]
    written = [float(text.get_text().replace("\u2212", "-")) for text in ax.texts]
    for (point, foot), row, number in zip(segments, chosen, written, strict=True):
        np.testing.assert_array_equal(point, X[row])
        assert abs(MODEL.decision_function([foot])[0]) < 1e-12
        assert np.hypot(*(point - foot)) == pytest.approx(abs(number), rel=5e-3)
        assert (number > 0) == MODEL.predict([point])[0]


def test_perpendiculars_and_their_right_angle_marks_look_perpendicular(ax):
    plots.plot_distances(MODEL, X, Y, [15], ax=ax)
    ax.figure.draw_without_rendering()
    (boundary,) = (line for line in ax.lines if isinstance(line, AxLine))
    along = np.diff(ax.transData.transform([boundary.get_xy1(), boundary.get_xy2()]), axis=0)[0]
    across = np.diff(ax.transData.transform(ax.lines[1].get_xydata()), axis=0)[0]
    assert abs(along @ across) < 1e-9 * np.linalg.norm(along) * np.linalg.norm(across)
    for end in (boundary.get_xy1(), boundary.get_xy2()):
        assert MODEL.decision_function([end])[0] == pytest.approx(0, abs=1e-12)


def test_distances_of_the_scratch_model_are_those_it_reports(ax):
    model = scratch.LogisticRegression(num_iterations=50).fit(X, SPECIES == 2)
    display = plots.plot_distances(model, X, SPECIES == 2, range(5), ax=ax)
    np.testing.assert_array_equal(display.distances, model.distance(X[:5]))


def test_on_the_s_curve_each_row_stands_at_its_label_and_at_its_probability(ax):
    plots.plot_sigmoid(MODEL, X, Y, ax=ax)
    places = np.vstack([cloud.get_offsets() for cloud in clouds_of(ax)])
    eta, p = MODEL.decision_function(X), MODEL.predict_proba(X)[:, 1]
    expected = np.vstack([np.column_stack([eta, Y]), np.column_stack([eta, p])])
    np.testing.assert_allclose(np.sort(places, axis=0), np.sort(expected, axis=0))


def test_a_softmax_model_of_two_classes_is_drawn_as_any_other_of_two(ax):
    model = scratch.SoftmaxRegression(0.1, 500).fit(X, SPECIES == 1)
    display = plots.plot_sigmoid(model, X, SPECIES == 1, ax=ax)
    np.testing.assert_allclose(sigmoid(display.eta), display.probability, rtol=1e-12)
    boundary = plots.plot_boundary(model, X, SPECIES == 1, ax=Figure().subplots())
    for line in lines_of(boundary.ax_):
        np.testing.assert_allclose(model.predict_proba(line)[:, 0], 0.5, atol=1e-9)


def test_300_000_losses_get_logarithmic_axes_and_5_get_plain_ones_with_dots(ax):
    losses = 1 / np.arange(1, 300_001)
    long = plots.plot_losses(losses, ax=ax)
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    np.testing.assert_array_equal(long.ax_.lines[0].get_ydata(), losses)
    short = plots.plot_losses([0.69, 0.4, 0.3, 0.29, 0.29], ax=Figure().subplots())
    assert (short.ax_.get_xscale(), short.ax_.get_yscale()) == ("linear", "linear")
    assert short.ax_.lines[0].get_marker() == "o"


def test_two_labelled_losses_share_axes_in_two_colours(ax):
    plots.plot_losses(1 / np.arange(1, 1000), label="descent", ax=ax)
    plots.plot_losses([0.69, 0.2, 0.001], label="Newton", ax=ax)
    assert legend_of(ax) == ["descent", "Newton"]
    assert ax.get_xscale() == "log"
    named = [line for line in ax.lines if line.get_label() in {"descent", "Newton"}]
    assert len({line.get_color() for line in named}) == 2


def test_a_diverged_fit_is_drawn_up_to_where_it_was_finite(ax):
    plots.plot_losses([0.7, 9.0, 800.0, np.inf, np.nan], ax=ax)
    assert ax.texts[0].get_text() == "800"
    ax.figure.draw_without_rendering()


def test_a_confusion_matrix_writes_true_rows_and_predicted_columns(ax):
    display = plots.plot_confusion(["cat", "cat", "dog"], ["cat", "dog", "dog"], ax=ax)
    at = {text.get_position(): text.get_text() for text in ax.texts}
    assert at == {(0, 0): "1", (1, 0): "1", (0, 1): "0", (1, 1): "1"}
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["cat", "dog"] == display.class_names


@pytest.mark.parametrize("names", [(0.5, 1.5), (False, True), ("a", "b"), (-3, 10**15)])
def test_a_confusion_matrix_counts_labels_of_any_kind(ax, names):
    truth, predicted = np.array(names)[[0, 1, 0, 0]], np.array(names)[[0, 1, 1, 0]]
    display = plots.plot_confusion(truth, predicted, ax=ax)
    np.testing.assert_array_equal(display.matrix, [[2, 1], [0, 1]])
    assert display.class_names == [str(name) for name in names]


@pytest.mark.parametrize("classes", [3, 8, 12, 25])
def test_the_names_of_a_confusion_matrix_differ_and_do_not_overlap(classes, ax):
    names = [f"a class that is told by its end alone, number {k}" for k in range(classes)]
    plots.plot_confusion(np.arange(classes), np.arange(classes), class_names=names, ax=ax)
    ax.figure.draw_without_rendering()
    labels = ax.get_xticklabels()
    assert len({label.get_text() for label in labels}) == classes
    height = labels[0].get_size() * ax.figure.dpi / 72
    places = ax.transData.transform(np.column_stack([np.arange(classes), np.zeros(classes)]))[:, 0]
    assert np.diff(places).min() * np.sin(np.radians(labels[0].get_rotation())) > height


def test_a_confusion_matrix_of_one_class_has_one_cell_and_warns_of_nothing(ax):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert plots.plot_confusion(["a", "a"], ["a", "a"], ax=ax).matrix.tolist() == [[2]]


def test_a_roc_curve_carries_its_arrays_and_its_area(ax):
    score = X[:, 1]
    display = plots.plot_roc(Y, score, label="width", ax=ax)
    np.testing.assert_array_equal(ax.lines[-1].get_xdata(), display.fpr)
    np.testing.assert_array_equal(ax.lines[-1].get_ydata(), display.tpr)
    assert display.auc == pytest.approx(roc_auc_score(Y, score))
    assert legend_of(ax) == [f"width ({display.auc:.3f})"]


def test_roc_curves_on_the_same_axes_share_one_diagonal(ax):
    for column in (0, 1):
        plots.plot_roc(Y, X[:, column], ax=ax)
    assert len(ax.lines) == 3


@pytest.mark.parametrize(
    "draw",
    [
        lambda ax, name: plots.plot_roc(Y, X[:, 1], label=name, ax=ax),
        lambda ax, name: plots.plot_losses([2.0, 1.0], label=name, ax=ax),
    ],
)
def test_forty_curves_on_the_same_axes_differ_in_colour_or_line(draw, ax):
    for k in range(40):
        draw(ax, f"curve {k}")
    looks = {(line.get_color(), line.get_linestyle()) for line in ax.lines if str(line.get_label()).startswith("curve")}
    assert len(looks) == 40


def test_calibration_draws_observed_against_predicted_with_intervals_that_hold_them(ax):
    predicted, observed, counts = np.array([0.1, 0.5, 0.9]), np.array([0.0, 0.6, 1.0]), np.array([9, 10, 11])
    plots.CalibrationDisplay(predicted, observed, counts).plot(ax=ax)
    np.testing.assert_array_equal(ax.lines[-1].get_xydata(), np.column_stack([predicted, observed]))
    bars = np.array([segment[:, 1] for segment in ax.collections[0].get_segments()])
    assert np.all((bars[:, 0] <= observed) & (observed <= bars[:, 1]))
    assert np.all(np.diff(bars, axis=1) > 0)


def test_wilson_interval_agrees_with_published_values():
    # Newcombe (1998), Statistics in Medicine 17, table I, method 3: 81/263, 15/148, 0/20, 1/29.
    low, high = wilson_interval(np.array([81 / 263, 15 / 148, 0 / 20, 1 / 29]), np.array([263, 148, 20, 29]))
    np.testing.assert_allclose(low, [0.2553, 0.0624, 0.0000, 0.0061], atol=5e-5)
    np.testing.assert_allclose(high, [0.3662, 0.1605, 0.1611, 0.1718], atol=5e-5)


def test_class_and_feature_names_appear_as_they_are_written(ax):
    names = ["_hidden $x$", "100 $"]
    plots.plot_boundary(MODEL, X, Y, feature_names=["price in $", "$a$"], class_names=names, ax=ax)
    ax.figure.draw_without_rendering()
    assert [text.replace(r"\$", "$") for text in legend_of(ax)] == names
    assert ax.get_xlabel().replace(r"\$", "$") == "price in $"


def test_curves_whose_names_begin_with_an_underscore_are_in_the_legend_too(ax):
    plots.plot_losses([0.7, 0.3], ax=ax)
    for name in ("_", "_a"):
        plots.plot_losses([0.7, 0.3], label=name, ax=ax)
    assert legend_of(ax) == ["_", "_a"]
    rates = Figure().subplots()
    for name in ("_a", "b", "_child1"):
        plots.plot_roc(Y, X[:, 0], label=name, ax=rates)
    assert [text.split()[0] for text in legend_of(rates)] == ["_a", "b", "_child1"]
    assert len({line.get_color() for line in rates.lines}) == 4


@pytest.mark.parametrize("classes", [12, 13, 40])
def test_a_legend_names_a_dozen_classes_and_says_how_many_more_there_are(ax, classes):
    named = [f"class {k}" for k in range(12)]
    more = [f"and {classes - 12} more"] if classes > 12 else []
    plots.plot_points(X, np.arange(150) % classes, class_names=[f"class {k}" for k in range(classes)], ax=ax)
    assert legend_of(ax) == named + more
    rates = Figure(figsize=(5, 4), layout="constrained").subplots()
    for k in range(classes):
        plots.plot_roc(Y, X[:, 0], label=f"class {k}", ax=rates)
    assert [text.split(" (")[0] for text in legend_of(rates)] == named + more
    for drawn in (ax, rates):
        drawn.figure.draw_without_rendering()
        box = drawn.get_legend().get_window_extent()
        assert drawn.figure.bbox.y0 < box.y0 < box.y1 <= drawn.figure.bbox.y1
    assert rates.get_legend().get_window_extent().y1 < rates.bbox.y1


@pytest.mark.parametrize("curves", [1, 6, 12, 40])
def test_a_legend_covers_no_roc_curve_above_chance_and_no_line_crosses_its_names(curves, ax):
    rate = np.linspace(0.0, 1.0, 200)
    for k in range(curves):
        plots.RocDisplay(rate, rate**0.7, 0.59, f"class {k}").plot(ax)
    ax.figure.draw_without_rendering()
    box, points = ax.get_legend().get_window_extent(), ax.transData.transform(np.column_stack([rate, rate**0.7]))
    assert not ((points > box.min) & (points < box.max)).all(axis=1).any()
    assert ax.get_legend().get_frame().get_alpha() > 0.8


def test_a_hundred_classes_differ_in_colour_or_marker(ax):
    plots.plot_points(np.tile(X, (2, 1)), np.arange(300) % 100, ax=ax)
    looks = {(*cloud.get_facecolor()[0], cloud.get_paths()[0].vertices.tobytes()) for cloud in clouds_of(ax)}
    assert len(looks) == 100


def test_a_class_keeps_its_colour_when_y_lacks_another(ax):
    plots.plot_boundary(THREE, X, SPECIES, ax=ax)
    fewer = plots.plot_boundary(THREE, X[50:], SPECIES[50:], ax=Figure().subplots()).ax_
    for whole, part in zip(clouds_of(ax), clouds_of(fewer), strict=True):
        np.testing.assert_array_equal(whole.get_facecolor(), part.get_facecolor())
    assert legend_of(ax) == legend_of(fewer)


def test_a_class_has_the_same_colour_in_every_picture():
    pictures = ["points", "boundary", "probability", "distances", "sigmoid"]
    axes = [DRAWINGS[name](ax=Figure().subplots()).ax_ for name in pictures]
    colours = {frozenset(tuple(cloud.get_facecolor()[0, :3]) for cloud in clouds_of(ax)) for ax in axes}
    assert len(colours) == 1
    assert len(colours.pop()) == 2


@pytest.mark.parametrize("backend", ["pandas", "polars", "pyarrow"])
def test_a_dataframe_names_the_axes_and_the_model_is_asked_about_a_dataframe(ax, backend):
    frame = nw.from_numpy(X, ["length", "width"], backend=backend).to_native()

    class Strict:
        classes_ = np.array([0, 1])

        def decision_function(self, asked):
            assert type(asked) is type(frame)
            return MODEL.decision_function(nw.from_native(asked, eager_only=True).to_numpy())

    plots.plot_boundary(Strict(), frame, Y, ax=ax)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("length", "width")


@pytest.mark.parametrize("names", [range(2), pd.MultiIndex.from_product([["sepal"], ["length", "width"]])])
def test_columns_may_have_other_names_than_text(ax, names):
    frame = pd.DataFrame(X, columns=names)
    model = LogisticRegression().fit(frame, Y)
    plots.plot_boundary(model, frame, Y, ax=ax)
    plots.plot_probability(model, frame, Y, ax=Figure().subplots())
    assert (ax.get_xlabel(), ax.get_ylabel()) == tuple(map(str, names))


def test_columns_of_one_name_are_refused(ax):
    with pytest.raises(ColumnError, match="2 columns have the name 'a'"):
        plots.plot_points(pd.DataFrame(X, columns=["a", "a"]), Y, ax=ax)


def test_a_view_without_a_boundary_says_which_class_fills_it(ax):
    sure = LogisticRegression().fit(X, Y)
    sure.intercept_ = sure.intercept_ + 1000
    plots.plot_boundary(sure, X, Y, class_names=["setosa", "other"], ax=ax)
    plots.plot_probability(sure, X, Y, ax=Figure().subplots())
    assert not lines_of(ax)
    assert ax.texts[0].get_text() == "no boundary in view: all is other"


def test_losses_that_are_all_the_same_are_drawn_without_a_warning(ax):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plots.ChoiceDisplay(np.array([0.1, 1.0]), np.full((3, 2), 0.5)).plot(ax=ax)
    low, high = ax.get_ylim()
    assert low < 0.5 < high


def test_a_fold_without_a_loss_says_nothing_of_the_choice(ax):
    losses = np.array([[0.7, 0.4, 0.9], [0.6, 0.3, np.nan], [np.nan] * 3])
    display = plots.ChoiceDisplay(np.array([0.1, 1.0, 10.0]), losses).plot(ax=ax)
    assert display.C == 1.0
    assert ax.lines[-1].get_xydata().tolist() == [[1.0, pytest.approx(0.35)]]
    with pytest.raises(ArgumentError, match="a NaN of every C"):
        plots.ChoiceDisplay(display.Cs, losses[1:] * [np.nan, np.nan, 1.0])


def test_scores_that_are_text_are_ranked_as_numbers_or_refused(ax):
    assert plots.RocDisplay.from_predictions([0, 0, 1, 1], ["2.0", "9.5", "10.5", "11.0"], ax=ax).auc == 1.0
    with pytest.raises(ArgumentError, match=r"score=\['low', 'high'\] must be numbers"):
        plots.RocDisplay.from_predictions([0, 1], ["low", "high"])


def test_many_points_are_pixels_within_the_svg(ax):
    cloud, labels = make_blobs(3000, centers=2, random_state=0)
    plots.plot_points(cloud, labels, ax=ax)
    assert all(artist.get_rasterized() for artist in clouds_of(ax))


WIDE = LogisticRegression().fit(IRIS.data, Y)
REFUSED = {
    "X has 1 column": lambda ax: plots.plot_points(X[:, :1], Y, ax=ax),
    "X has 4 columns": lambda ax: plots.plot_boundary(WIDE, IRIS.data, Y, ax=ax),
    r"X must hold rows and columns, but has shape \(150,\)": lambda ax: plots.plot_points(X[:, 0], Y, ax=ax),
    r"X must hold rows and columns, but has shape \(0, 2\)": lambda ax: plots.plot_points(X[:0], Y[:0], ax=ax),
    "other than numbers": lambda ax: plots.plot_points([["a", "b"]], [0], ax=ax),
    "infinity in row 1": lambda ax: plots.plot_points([[0, 0], [np.nan, 1]], [0, 1], ax=ax),
    "other than numbers.": lambda ax: plots.plot_points([[1j, 2], [3, 4]], [0, 1], ax=ax),
    "other than numbers. Encode": lambda ax: plots.plot_points([[10**400, 2], [3, 4]], [0, 1], ax=ax),
    "infinity in row 0": lambda ax: plots.plot_points(np.ma.masked_equal([[1, 2], [3, 4]], 1), [0, 1], ax=ax),
    "y is missing in row 1, counted from 0": lambda ax: plots.plot_points(np.eye(2), [0, np.nan], ax=ax),
    "y is missing in row 0, counted from 0": lambda ax: plots.plot_boundary(MODEL, X[:2], [None, "a"], ax=ax),
    "y holds int and str: make all": lambda ax: plots.plot_points(np.eye(2), np.array([1, "a"], dtype=object), ax=ax),
    "y holds lists of different lengths": lambda ax: plots.plot_points(np.eye(2), [[1], [1, 2]], ax=ax),
    "y_true is missing in row 1": lambda ax: plots.plot_roc(["a", None], [0.2, 0.3], ax=ax),
    "score is missing in row 0": lambda ax: plots.plot_roc([0, 1], [np.nan, 0.3], ax=ax),
    "y_pred is missing in row 0": lambda ax: plots.plot_confusion([0, 1], np.ma.masked_equal([0, 1], 0), ax=ax),
    r"y_true must hold one label a row, but has shape \(0,\)": lambda ax: plots.plot_confusion([], [], ax=ax),
    r"shape \(150,\), but has shape \(3,\)": lambda ax: plots.plot_boundary(MODEL, X, [0, 1, 0], ax=ax),
    "y holds 2, which the model does not know: 0, 1": lambda ax: plots.plot_boundary(MODEL, X, SPECIES, ax=ax),
    "class_names has 1 names for 2": lambda ax: plots.plot_points(X, Y, class_names=["a"], ax=ax),
    "feature_names has 1 names": lambda ax: plots.plot_points(X, Y, feature_names=["a"], ax=ax),
    "has no decision_function": lambda ax: plots.plot_boundary(scratch.LinearRegression(), X, Y, ax=ax),
    "bands show two. Use plot_boundary": lambda ax: plots.plot_probability(THREE, X, SPECIES, ax=ax),
    "the S-curve is of two": lambda ax: plots.plot_sigmoid(THREE, X, SPECIES, ax=ax),
    "SVC has no coef_": lambda ax: plots.plot_distances(SVC().fit(X, Y), X, Y, [0], ax=ax),
    "model has 6 weights": lambda ax: plots.plot_distances(THREE, X, SPECIES, [0], ax=ax),
    "chosen names row 150, but X has rows 0 to 149": lambda ax: plots.plot_distances(MODEL, X, Y, [150], ax=ax),
    "chosen must be row positions": lambda ax: plots.plot_distances(MODEL, X, Y, [0.5], ax=ax),
    "but is .True, False, False": lambda ax: plots.plot_distances(MODEL, X, Y, np.arange(150) == 0, ax=ax),
    "losses must be a list of numbers, at least one finite": lambda ax: plots.plot_losses([], ax=ax),
    "losses must be a list of numbers": lambda ax: plots.plot_losses(["a", "b"], ax=ax),
    "losses is a LogisticRegression: give its losses_": lambda ax: plots.plot_losses(LEARNER, ax=ax),
    "y_true holds 1 classes": lambda ax: plots.plot_roc([1, 1], [0.2, 0.3], ax=ax),
    r"shape \(2,\), but has shape \(1,\)": lambda ax: plots.plot_confusion([1, 1], [1], ax=ax),
}


@pytest.mark.parametrize(
    ("axes", "given"),
    [
        (lambda: Figure().subplots(1, 2), "a ndarray"),
        (Figure, "a Figure"),
        (lambda: Figure().subplots(subplot_kw={"projection": "polar"}), "polar axes"),
    ],
)
def test_what_is_not_one_pair_of_axes_is_refused(axes, given):
    with pytest.raises(ArgumentError, match=f"ax is {given}: give plain axes"):
        plots.plot_roc([0, 1], [0.2, 0.3], ax=axes())


@pytest.mark.parametrize("message", REFUSED)
def test_what_has_no_picture_is_refused_in_one_line(ax, message):
    with pytest.raises(ArgumentError, match=message) as refusal:
        REFUSED[message](ax)
    assert "\n" not in str(refusal.value)


def test_a_model_with_both_weights_zero_has_no_distances(ax):
    flat = LogisticRegression().fit(X, Y)
    flat.coef_ = np.zeros((1, 2))
    with pytest.raises(ArgumentError, match="both weights are zero"):
        plots.plot_distances(flat, X, Y, [0], ax=ax)


def test_importing_the_pictures_loads_neither_pyplot_nor_scikit_learn():
    code = "import sys, separatrix.plots; print({'matplotlib.pyplot', 'sklearn'} & set(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert loaded.strip() == "set()"
