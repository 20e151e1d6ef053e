"""What `separatrix fit` shows: the summary as a dict, in the terminal and as a page."""

import io
import json
import re
from collections import Counter
from dataclasses import dataclass, replace
from html import unescape
from html.parser import HTMLParser
from typing import Any

import msgspec
import narwhals as nw
import numpy as np
import pytest
from matplotlib.figure import Figure
from rich.console import Console
from sklearn.linear_model import LinearRegression, LogisticRegression

from seldom import seldom
from separatrix.data.reading.builtin import builtin
from separatrix.data.tables.columns import Columns
from separatrix.data.tables.target import learn_target
from separatrix.evaluate.checks import examine
from separatrix.evaluate.codes import Finding
from separatrix.evaluate.metrics import Evaluation, NumberEvaluation, evaluate_classes, evaluate_numbers
from separatrix.model import FitRecord, Model
from separatrix.report.pictures import draw_pictures, draw_roc
from separatrix.report.render import render
from separatrix.report.summarize import align, number, summarize, summarize_evaluation
from separatrix.report.terminal import show, show_evaluation


@dataclass(frozen=True)
class Fitted:
    model: Model
    evaluation: Evaluation | NumberEvaluation
    findings: list[Finding]
    X: Any
    y: Any

    @property
    def summary(self) -> dict[str, Any]:
        rows = len(self.y) + self.evaluation.rows
        return summarize(self.model, self.evaluation, self.findings, data="clinic.csv", rows=rows)

    @property
    def page(self) -> str:
        return render(self.summary, draw_pictures(self.model, self.evaluation, self.X, self.y))

    def terminal(self, width: int = 80) -> str:
        out = io.StringIO()
        show(self.summary, Console(file=out, width=width))
        return out.getvalue()


def fitted(table: Any, target_name: str, *, keep: list[str] | None = None, **options: Any) -> Fitted:
    """Fit with scikit-learn on even rows, evaluate on odd ones: the report does not ask who fitted."""
    table = table if keep is None else table.select([*keep, target_name])
    train, test = (table[list(range(start, len(table), 2))] for start in (0, 1))
    target, columns = learn_target(table, target_name, **options), Columns.learn(train, target=target_name)
    X, y, new, truth = (
        columns.encode(train).X,
        target.encode(train),
        columns.encode(test).X,
        target.encode(test),
    )
    kinds = {0: "linear", 2: "binary"}
    if target.classes:
        peer = LogisticRegression(tol=0.01, max_iter=1_000).fit(X, y)
        rates = (np.bincount(y) / len(y)).tolist()
        evaluation = evaluate_classes(truth, peer.predict_proba(new), target.classes, rates)
    else:
        peer = LinearRegression().fit(X, y)
        rates = [float(y.mean())]
        evaluation = evaluate_numbers(truth, peer.predict(new), rates[0])
    model = Model(
        task=kinds.get(len(target.classes), "multinomial"),
        target=target,
        columns=columns,
        coefficients=np.atleast_2d(peer.coef_).tolist(),
        intercepts=np.atleast_1d(peer.intercept_).tolist(),
        scales=X.std(axis=0).tolist(),
        rates=rates,
        fit=record(),
        metrics=dict(evaluation.metrics),
    )
    return Fitted(model, evaluation, examine(X, y, columns, target, C=1.0, evaluation=evaluation), X, y)


def record() -> FitRecord:
    return FitRecord(
        rows=100,
        C=1.0,
        solver="newton",
        why="few columns: each step is exact",
        passes=6,
        seconds=0.0123,
        loss=0.2345,
        gap=3e-9,
        certificate="the mean loss is at most 3e-09 above its optimum",
        losses=[0.69, 0.41, 0.3, 0.24, 0.2345],
    )


@pytest.fixture(scope="module")
def binary() -> Fitted:
    return fitted(*builtin("breast_cancer"))


@pytest.fixture(scope="module")
def plane() -> Fitted:
    return fitted(*builtin("iris"), keep=["sepal length (cm)", "sepal width (cm)"], positive="setosa")


@pytest.fixture(scope="module")
def digits() -> Fitted:
    return fitted(*builtin("digits"))


@pytest.fixture(scope="module")
def linear() -> Fitted:
    return fitted(*builtin("diabetes"), regression=True)


@pytest.fixture(scope="module")
def hostile() -> Fitted:
    """Names that are markup in HTML, in the terminal, in an SVG and in a formula."""
    rng = np.random.default_rng(0)
    rows = 200
    data = {
        "<script>alert(1)</script>": rng.normal(size=rows),
        "[red]cost[/red] $x_1$": rng.normal(size=rows),
        "<b>label</b>": rng.choice(["<i>no</i>", "[b]yes & $"], size=rows).tolist(),
    }
    return fitted(nw.from_dict(data, backend="pyarrow"), "<b>label</b>")


def coefficient_of(summary: dict[str, Any], feature: str) -> dict[str, Any]:
    (row,) = [row for row in summary["coefficients"]["rows"] if row["feature"] == feature]
    return row


@pytest.mark.parametrize("name", ["binary", *seldom("digits"), "linear", "hostile"])
def test_a_summary_survives_json(name: str, request: pytest.FixtureRequest):
    summary = request.getfixturevalue(name).summary
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary


def test_a_summary_tells_what_was_predicted_and_how_well(binary: Fitted):
    summary = binary.summary
    assert summary["title"] == f"{binary.model.target.name} = {binary.model.target.classes[1]}"
    assert (summary["data"]["rows"], summary["data"]["held_out_rows"]) == (569, 284)
    accuracy = next(row for row in summary["metrics"] if row["name"] == "accuracy")
    assert accuracy["value"] > 0.9 > accuracy["baseline"]
    assert accuracy["beats"] is True


def test_coefficients_come_strongest_first_in_units_of_one_standard_deviation(binary: Fitted):
    rows = binary.summary["coefficients"]["rows"]
    strengths = [abs(row["effects"][0]) for row in rows]
    assert strengths == sorted(strengths, reverse=True)
    assert {row["feature"] for row in rows} == set(binary.model.columns.feature_names)


def test_a_coefficient_of_log_two_doubles_the_odds(plane: Fitted):
    model = msgspec.structs.replace(plane.model, coefficients=[[np.log(2), 1e4]], scales=[3.0, 1.0])
    summary = summarize(model, plane.evaluation, [], data="iris", rows=150)
    row = coefficient_of(summary, "sepal length (cm)")
    assert row["odds_ratios"] == [pytest.approx(2)]
    assert row["odds_ratios_per_sd"] == [pytest.approx(8)]
    assert coefficient_of(summary, "sepal width (cm)")["odds_ratios"] == [None]


def test_numbers_have_four_digits_and_meet_at_the_point():
    assert [number(x) for x in (9.99996, 0.00012345, -1234.5, 1e12, float("inf"))] == [
        "10.00",
        "0.0001234",
        "-1,234",
        "1.000e+12",
        "inf",
    ]
    points = [text.rjust(9).index(".") for text in align(["0.85", "12.3456", "-1.0"])]
    assert len(set(points)) == 1


@pytest.mark.parametrize("name", ["binary", "digits", "linear", "hostile"])
def test_plain_output_fits_eighty_columns_with_no_number_cut(name: str, request: pytest.FixtureRequest):
    text = request.getfixturevalue(name).terminal()
    assert max(map(len, text.splitlines())) <= 80
    assert "\x1b" not in text
    assert "…" not in text


def test_the_page_tells_each_finding_in_sentences_and_explains_it(binary: Fitted):
    found = replace(binary, findings=[Finding("SX103", "note", "not used: 'visit'.", "Nothing to do.")])
    assert "Not used: 'visit'." in unescape(found.page)
    assert found.findings[0].explanation in unescape(found.page)


def test_the_terminal_shows_metrics_findings_coefficients_and_certificate(binary: Fitted):
    text = binary.terminal(width=200)
    assert all(number(value) in text for value in binary.evaluation.metrics.values())
    assert all(finding.code in text and finding.remedy in text for finding in binary.findings)
    assert "worst radius" in text
    assert binary.model.fit.certificate in text


@pytest.mark.filterwarnings("ignore:lbfgs failed to converge")
def test_the_gap_bounds_how_far_probabilities_are_from_the_optimal_ones(plane: Fitted):
    """Against a fit stopped early, whose gap and whose distance are both known from the full one."""

    def mean_loss(w: Any, p: Any) -> float:
        penalty = w.coef_.ravel() @ w.coef_.ravel() / 2
        return (penalty - np.log(p[np.arange(len(p)), plane.y]).sum()) / len(p)

    full, early = (LogisticRegression(max_iter=n, tol=1e-12).fit(plane.X, plane.y) for n in (10_000, 4))
    best, rough = full.predict_proba(plane.X), early.predict_proba(plane.X)
    gap = mean_loss(early, rough) - mean_loss(full, best)
    model = msgspec.structs.replace(plane.model, fit=msgspec.structs.replace(record(), gap=gap))
    quality = summarize(model, plane.evaluation, [], data="iris", rows=150)["fit"]["quality"]
    (within,) = re.findall(r"within (\S+) of", quality)
    off = np.sqrt(np.mean((best - rough)[:, 1] ** 2))
    assert 0.05 * float(within) < off <= float(within)


def test_a_fit_without_a_bound_says_so(plane: Fitted):
    unknown = msgspec.structs.replace(record(), gap=float("inf"), certificate="none: too far from the optimum")
    model = msgspec.structs.replace(plane.model, fit=unknown)
    summary = summarize(model, plane.evaluation, [], data="iris", rows=150)
    assert "is not known (none: too far from the optimum)" in summary["fit"]["quality"]
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary


def test_right_on_all_rows_is_said_of_all_rows_alone(plane: Fitted):
    y, p = np.arange(60_000) % 2, np.eye(2)[np.arange(60_000) % 2]
    p[0] = [0.4, 0.6]
    evaluation = evaluate_classes(y, p, ["no", "yes"], [0.5, 0.5])
    assert (
        "Right on 99.998% of 60,000 rows;" in summarize_evaluation(plane.model, evaluation, data="new.csv")["headline"]
    )
    evaluation = evaluate_classes(y[1:], p[1:], ["no", "yes"], [0.5, 0.5])
    assert "Right on 100% of 59,999 rows;" in summarize_evaluation(plane.model, evaluation, data="new.csv")["headline"]


def test_only_what_is_perfect_reads_so(plane: Fitted):
    y = np.arange(60_000) % 2
    p = np.where(np.eye(2)[y] > 0, 0.99, 0.01)
    p[0] = [0.01, 0.99]
    for rows, text in ((slice(None), "0.99998"), (slice(1, None), "1.000")):
        shown = replace(plane, evaluation=evaluate_classes(y[rows], p[rows], ["no", "yes"], [0.5, 0.5]))
        words, page = " ".join(shown.terminal().split()), shown.page
        assert f"accuracy {text} 0.5000" in words
        assert f"ROC AUC {text} 0.5000" in words
        assert page.count(f'<dd class="value">{text}</dd>') >= 2
        assert f"AUC {text}<" in page
    read = [number(value) for value in (1.0000004, 0.99949, 0.00002, 1 - 1e-15)]
    assert read == ["1.0000004", "0.9995", "2.000e-05", "1.000"]


def test_the_roc_curves_of_forty_classes_differ_in_colour_or_line(plane: Fitted):
    y = np.arange(400) % 40
    p = np.random.default_rng(0).dirichlet(np.ones(40), len(y))
    evaluation = evaluate_classes(y, p, [f"c{k:02}" for k in range(40)], np.full(40, 1 / 40))
    ax = Figure().subplots()
    draw_roc(evaluation, ax)
    looks = {(line.get_color(), line.get_linestyle()) for line in ax.lines if str(line.get_label()).startswith("c")}
    assert len(looks) == 40


def test_a_headline_counts_one_row_as_one_and_says_by_what_they_are_weighed(linear: Fitted):
    model = msgspec.structs.replace(linear.model, weight="w")
    evaluation = evaluate_numbers([1.0], [2.0], mean=3.0)
    headlines = [summarize_evaluation(each, evaluation, data="new.csv")["headline"] for each in (linear.model, model)]
    assert headlines[0].startswith("On 1 row predictions are off by 1 on average;")
    assert headlines[1].startswith("On 1 row, by w, predictions are off by 1 on average;")


def test_more_than_twenty_coefficients_are_counted_not_shown(binary: Fitted, plane: Fitted):
    assert "and 10 more, in the report" in binary.terminal()
    assert "more, in the report" not in plane.terminal()


def test_names_that_look_like_markup_are_shown_as_they_are(hostile: Fitted):
    text = hostile.terminal(width=200)
    assert "[red]cost[/red] $x_1$" in text
    assert "<b>label</b> = [b]yes & $" in text


def test_an_evaluation_shows_metrics_and_confusion(digits: Fitted):
    out = io.StringIO()
    summary = summarize_evaluation(digits.model, digits.evaluation, data="new.csv")
    show_evaluation(summary, Console(file=out, width=120))
    text = out.getvalue()
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary
    assert "new.csv: 898 rows" in text
    assert "held-out" not in text
    row_of_eights = [str(count) for count in digits.evaluation.confusion[8]]
    assert any(line.split() == ["8", *row_of_eights] for line in text.splitlines())


TRADES = ["Administration", "Manufacturing", "Construction", "Agriculture", "Retail trade", "Transportation"]
TRADES += ["Accommodation", "Entertainment"]


@pytest.mark.parametrize("classes", [TRADES, ["a customer who " * 4 + end for end in ("stays", "leaves")]], ids=len)
@pytest.mark.parametrize("rows", [500, 5_000_000])
def test_a_confusion_matrix_below_long_names_shows_every_count_or_is_left_out(
    digits: Fitted, classes: list[str], rows: int
):
    out, y = io.StringIO(), np.arange(600) % len(classes)
    evaluation = evaluate_classes(y, np.eye(len(classes))[y], classes, np.ones(len(classes)))
    evaluation = replace(evaluation, confusion=evaluation.confusion * rows)
    show_evaluation(summarize_evaluation(digits.model, evaluation, data="new.csv"), Console(file=out, width=80))
    text, count = out.getvalue(), f"{rows * 600 // len(classes):,}"
    assert "…" not in text
    assert text.count(count) == (len(classes) if "Confusion matrix" in text else 0)
    assert max(map(len, text.splitlines())) <= 80
    assert ("Confusion matrix" in text) == (rows == 500 or len(classes) == 2)


class Page(HTMLParser):
    """Tags, ids and text of a page; complains of a tag that closes another."""

    VOID = frozenset({"meta", "br", "link", "img", "input", "hr"})

    def __init__(self, html: str):
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(html)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.mark.parametrize("name", ["binary", "plane", *seldom("digits"), "linear", "hostile"])
def test_a_page_is_whole_small_and_asks_no_host(name: str, request: pytest.FixtureRequest):
    html = request.getfixturevalue(name).page
    page = Page(html)
    assert len(html) < 1_000_000
    assert not page.all("script")
    assert not page.all("link")
    sources = [value for _, attributes in page.tags for key, value in attributes.items() if key in ("src", "href")]
    assert all(str(source).startswith(("#", "data:")) for source in sources)
    assert not re.search(r"url\((?!#|['\"]?data:)|@import", html)


@pytest.mark.parametrize("name", ["binary", "plane", *seldom("digits"), "linear", "hostile"])
def test_a_page_is_accessible(name: str, request: pytest.FixtureRequest):
    page = Page(request.getfixturevalue(name).page)
    ids = Counter(attributes["id"] for _, attributes in page.tags if "id" in attributes)
    assert set(ids.values()) <= {1}
    pictures = page.all("svg")
    assert pictures
    assert all(svg["role"] == "img" and svg["aria-labelledby"] in ids for svg in pictures)
    assert len(page.all("caption")) == len(page.all("table"))
    assert len(page.all("h1")) == 1


def test_every_reference_inside_a_picture_has_its_target(plane: Fitted):
    html = plane.page
    ids = set(re.findall(r'\bid="([^"]+)"', html))
    assert set(re.findall(r'(?:href="#|url\(#)([^")]+)', html)) <= ids


def test_names_that_look_like_html_are_escaped(hostile: Fitted):
    html = hostile.page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert "<script" not in html
    assert "<i>no" not in html
    assert "<b>label" not in html


def test_a_page_shows_findings_and_baseline(binary: Fitted):
    html = binary.page
    assert all(finding.code in html for finding in binary.findings)
    assert binary.summary["headline"] in html
    assert f"baseline {binary.evaluation.baseline['accuracy']:.4f}" in html


def test_an_empty_list_of_pictures_leaves_a_whole_page(binary: Fitted):
    page = Page(render(binary.summary, {}))
    assert not page.all("svg")


def test_the_pictures_suit_the_model(binary: Fitted, plane: Fitted, digits: Fitted, linear: Fitted):
    names = {
        "binary": ["confusion", "roc", "calibration", "loss"],
        "plane": ["boundary", "confusion", "roc", "calibration", "loss"],
        "digits": ["confusion", "roc", "loss"],
        "linear": ["actual", "residuals", "loss"],
    }
    for name, fit in {"binary": binary, "plane": plane, "digits": digits, "linear": linear}.items():
        assert list(draw_pictures(fit.model, fit.evaluation, fit.X, fit.y)) == names[name]


def test_without_rows_there_is_no_boundary_picture(plane: Fitted):
    assert "boundary" not in draw_pictures(plane.model, plane.evaluation)


def test_the_same_fit_gives_the_same_page(plane: Fitted):
    assert plane.page == plane.page
