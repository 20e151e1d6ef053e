"""The tutorial: every chapter runs, draws, and says what is true by a computation of another kind."""

import io
import os
import re
import runpy
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import matplotlib
import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.image import imread
from scipy.optimize import linprog, minimize
from scipy.special import expit
from scipy.special import softmax as scipy_softmax
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from seldom import seldom

TUTORIAL = Path(__file__).parents[1] / "tutorial"
CHAPTERS = sorted(path.name for path in TUTORIAL.glob("[0-9]*.py"))


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Any]]:
    """Runs the chapter of a number, once: its variables as attributes, `output`, and `drawn`, its pictures."""
    folder = tmp_path_factory.mktemp("pictures")

    @cache
    def run(number: str) -> SimpleNamespace:
        (name,) = (name for name in CHAPTERS if name.startswith(number))
        with redirect_stdout(io.StringIO()) as output, warnings.catch_warnings(action="error"):
            variables = runpy.run_path(str(TUTORIAL / name), run_name="__main__")
        drawn = sorted(folder.glob(f"{number}_*.png"))
        return SimpleNamespace(**variables, output=output.getvalue(), drawn=drawn)

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEPARATRIX_PICTURES", str(folder))
        patch.syspath_prepend(TUTORIAL)
        matplotlib.use("Agg")
        yield run


def unit_vectors(count: int) -> np.ndarray:
    w = np.random.default_rng(1).normal(size=(count, 2))
    return w / np.linalg.norm(w, axis=1, keepdims=True)


LONG = ("07_iris.py", "10_softmax.py")


@pytest.mark.parametrize("name", [name for name in CHAPTERS if name not in LONG] + seldom(*LONG))
def test_a_chapter_runs_without_a_warning_and_draws_the_pictures_it_names(name, read):
    chapter = read(name[:2])
    named = re.findall(r"picture: .*?(\w+\.png)", chapter.output)
    assert named
    assert sorted(named) == [path.name for path in chapter.drawn]
    for path in chapter.drawn:
        assert imread(path)[..., :3].std() > 0.01
    assert not pyplot.get_fignums()


def test_a_chapter_runs_as_a_plain_script_and_makes_the_folder_it_is_given(tmp_path):
    places = {"SEPARATRIX_PICTURES": str(tmp_path / "new" / "folder"), "MPLBACKEND": "Agg"}
    script = [sys.executable, str(TUTORIAL / "01_hyperplane.py")]
    subprocess.run(script, env=os.environ | places, check=True, capture_output=True)
    assert (tmp_path / "new" / "folder" / "01_hyperplane.png").stat().st_size > 1000


def test_the_readme_lists_every_chapter_in_order():
    rows = re.findall(r"^\| \[(\w+\.py)\]\(\1\)", (TUTORIAL / "README.md").read_text(encoding="utf-8"), flags=re.M)
    assert rows == CHAPTERS


def test_a_chapter_is_read_in_a_few_minutes():
    for name in CHAPTERS:
        assert 60 <= len((TUTORIAL / name).read_text(encoding="utf-8").splitlines()) <= 120, name


def test_chapter_1_drops_its_points_on_a_hyperplane_whose_only_normal_is_w(read):
    chapter = read("01")
    _, sizes, directions = np.linalg.svd(chapter.ways)
    assert sizes[-1] < 1e-10 < sizes[-2]
    assert abs(directions[-1] @ chapter.w28) == pytest.approx(np.linalg.norm(chapter.w28))
    assert "lines through the origin that divide them: 0 of 1000" in chapter.output


def test_chapter_2_measures_the_shortest_way_to_the_line(read):
    chapter = read("02")
    for x, d in zip(chapter.X, chapter.d, strict=True):
        on_line = {"type": "eq", "fun": lambda place: chapter.w @ place + chapter.b}
        shortest = minimize(lambda place, x=x: np.sum((place - x) ** 2), np.zeros(2), constraints=on_line)
        assert abs(d) == pytest.approx(shortest.fun**0.5, abs=1e-5)


def test_chapter_3_finds_the_largest_sum_and_it_is_wrong_four_times(read):
    chapter = read("03")
    sums = (unit_vectors(10_000) @ (chapter.y[:, None] * chapter.X).T).sum(axis=1)
    largest = np.sum(chapter.y * (chapter.X @ chapter.best))
    assert sums.max() <= largest + 1e-12
    assert sums.max() == pytest.approx(largest, rel=1e-4)
    assert "vertical axis: sum 19.00   right 11 of 11" in chapter.output
    assert "largest sum  : sum 27.59   right 7 of 11" in chapter.output


def test_chapter_4_finds_the_largest_sum_of_sigmoids_and_it_is_never_wrong(read):
    chapter = read("04")
    sums = expit(unit_vectors(10_000) @ (chapter.y[:, None] * chapter.X).T).sum(axis=1)
    best = chapter.y * (chapter.X @ chapter.W[chapter.by_sigmoid])
    assert expit(best).sum() == pytest.approx(sums.max(), abs=1e-2)
    assert (best > 0).all()


def test_chapter_5_has_the_loss_of_scikit_learn(read):
    chapter = read("05")
    assert chapter.loss.sum() == pytest.approx(log_loss(chapter.y01, chapter.p, normalize=False))
    assert "curved upwards at 50% of the places" in chapter.output
    assert "curved upwards at 100% of the places" in chapter.output


def test_chapter_6_arrives_where_scikit_learn_does_and_names_a_rate_that_is_safe(read):
    chapter = read("06")
    peer = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-10).fit(chapter.X, chapter.y)
    assert chapter.theta == pytest.approx([peer.coef_[0, 0], peer.intercept_[0]], abs=1e-6)
    assert "steps to within 1e-6 of the minimum: 3078 as it is, 71 scaled" in chapter.output
    (named,) = re.findall(r"DivergenceError: .*largest safe rate for this data is ([\d.]+);", chapter.output)
    model = chapter.LogisticRegression(learning_rate=float(named), num_iterations=1000).fit(chapter.X, chapter.y)
    assert np.all(np.diff(model.losses_) < 0)


@pytest.mark.slow
def test_chapter_7_has_the_accuracy_of_the_classic_call_on_classes_that_are_separable(read):
    chapter = read("07")
    assert (chapter.model.learning_rate, chapter.model.num_iterations) == (0.1, 300_000)
    assert np.array_equal(chapter.preds, chapter.y)
    sign = 2 * chapter.y[:, None] - 1
    rows = -sign * np.column_stack([chapter.X, np.ones(150)])  # margins of at least 1: rows @ (w, b) <= -1
    program = linprog(np.zeros(3), A_ub=rows, b_ub=-np.ones(150), bounds=(None, None))
    assert program.status == 0


@pytest.mark.slow
def test_chapter_7_shows_weights_that_never_stop_growing_and_a_loss_that_never_stops_falling(read):
    chapter = read("07")
    table = re.findall(r"^ *(\d+) +([\d.]+) +([\d.]+) +[\d.]+$", chapter.output, flags=re.M)
    assert table == [("3000", "8.1", "0.9933"), ("30000", "13.1", "0.9933"), ("300000", "18.3", "1.0000")]
    losses = re.findall(r"\(w, b\) {5}1.0 {3}(\S+)", chapter.output)
    assert len(losses) == 4
    assert sorted(map(float, losses), reverse=True) == [float(loss) for loss in losses]


def test_chapter_8_has_the_minimum_that_a_general_optimiser_finds(read):
    chapter = read("08")
    start = np.array([*chapter.w_lib, chapter.b_lib])
    found = minimize(lambda theta: chapter.objective(theta[:2], theta[2]), start, options={"gtol": 1e-6})
    ours = chapter.objective(chapter.ours.coef_[0], chapter.ours.intercept_[0])
    assert ours <= found.fun + 1e-9
    assert ours == pytest.approx(found.fun, abs=1e-6)
    assert chapter.objective(chapter.w_lib, chapter.b_lib) == pytest.approx(27.526, abs=1e-3)


def test_chapter_8_shows_what_a_score_on_the_training_rows_is_worth(read):
    chapter = read("08")
    (own, held_out) = re.findall(r"coin tosses: accuracy ([\d.]+) .*, ([\d.]+) on rows held back", chapter.output)[0]
    assert float(own) > 0.9
    assert abs(float(held_out) - 0.5) < 0.15


def test_chapter_9_fits_the_line_of_numpy_and_a_curve_that_a_far_point_does_not_move(read):
    chapter = read("09")
    for doses, labels, passes in (
        (chapter.dose, chapter.recovered, chapter.line_at[0]),
        (chapter.more_doses, chapter.more_recovered, chapter.line_at[1]),
    ):
        slope, intercept = np.polyfit(doses[:, 0], labels, deg=1)
        assert passes == pytest.approx((0.5 - intercept) / slope)
    assert chapter.curve_at == pytest.approx([6.5, 6.5], abs=1e-6)
    assert chapter.straight.min() < 0
    assert chapter.straight.max() > 1


@pytest.mark.slow
def test_chapter_10_has_sigmoids_that_do_not_sum_to_1_and_a_softmax_that_does(read):
    chapter = read("10")
    assert np.sum(np.abs(chapter.sums - 1) > 0.1) > 75  # of 150 flowers
    eta = chapter.X @ chapter.model.weights_ + chapter.model.bias_
    assert chapter.p == pytest.approx(scipy_softmax(eta, axis=1), abs=1e-12)
    assert np.trace(chapter.softmax_matrix) == np.sum(chapter.p.argmax(axis=1) == chapter.y) == 144
