"""The report in a real browser: it opens from disk, asks nothing of any host, and fits narrow and wide windows."""

import os
import shutil
import sys

import numpy as np
import pytest

from seldom import seldom
from separatrix import cli

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

pytestmark = pytest.mark.skipif(
    CHROMIUM is None and not os.environ.get("SEPARATRIX_REQUIRE_BROWSER"), reason="no Chromium on this machine"
)


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        quiet = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=quiet)
        yield browser
        browser.close()


def written(folder, *arguments):
    """The report of a fit."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["separatrix", "fit", *arguments, "--out", str(folder)])
        cli.main()
    return folder / "report.html"


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    dropped = "sepal length (cm),sepal width (cm)"
    return written(tmp_path_factory.mktemp("report"), "iris", "--positive", "virginica", "--drop", dropped)


@pytest.fixture(scope="module")
def wide_report(tmp_path_factory):
    """One with estimates and errors, and more columns than are open to see."""
    return written(
        tmp_path_factory.mktemp("wide"), "breast_cancer", "--inference", "--drop", "mean radius,worst radius"
    )


@pytest.fixture
def page(browser, report):
    """The report, opened; requests, console messages and page errors are kept beside it."""
    page = browser.new_page(viewport={"width": 1200, "height": 900})
    page.heard = []
    page.on("request", lambda request: page.heard.append(request.url))
    page.on("console", lambda message: page.heard.append(message.text))
    page.on("pageerror", lambda error: page.heard.append(str(error)))
    page.goto(report.as_uri())
    yield page
    page.close()


def test_the_report_asks_for_nothing_but_itself_and_logs_no_error(page, report):
    assert page.heard == [report.as_uri()]


def test_the_first_screen_says_what_was_predicted_and_how_well(page):
    assert "virginica" in page.locator("h1").inner_text()
    assert page.locator("h1").bounding_box()["y"] < 200
    assert page.get_by_text("commonest class").first.bounding_box()["y"] < 900


def test_every_picture_is_drawn_with_a_size_and_a_title(page):
    pictures = page.locator("svg[role=img]")
    titles = pictures.locator("> title").all_text_contents()
    assert {"Decision boundary", "Confusion matrix", "ROC curve", "Calibration", "Loss"} <= set(titles)
    for picture in pictures.all():
        box = picture.bounding_box()
        assert box["width"] > 200
        assert box["height"] > 150


@pytest.mark.parametrize("width", [400, 1400])
def test_the_page_fits_the_window(page, width):
    page.set_viewport_size({"width": width, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("width", [400, 1400])
def test_a_table_of_estimates_fits_the_window_or_scrolls_in_its_own_frame(page, wide_report, width):
    page.goto(wide_report.as_uri())
    page.set_viewport_size({"width": width, "height": 900})
    assert page.get_by_role("region", name="Estimates").locator("tbody tr").count() == 29
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("width", [*seldom(400), 950, *seldom(1400)])
def test_metrics_of_large_numbers_have_room_side_by_side(page, tmp_path, width):
    random = np.random.default_rng(0)
    x = random.normal(size=200)
    rows = [f"{a:.4f},{b:.0f}" for a, b in zip(x, 7e8 * (x + random.normal(size=200)), strict=True)]
    (tmp_path / "sales.csv").write_text("\n".join(["x,sales", *rows, ""]))
    report = written(tmp_path, str(tmp_path / "sales.csv"), "--target", "sales", "--regression")
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(report.as_uri())
    cells = page.locator(".key div").all()
    assert len(cells) == 3
    for cell in cells:
        assert cell.evaluate("cell => cell.scrollWidth <= cell.clientWidth")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_on_paper_the_page_is_light_and_nothing_stays_folded_away(page, wide_report):
    page.goto(wide_report.as_uri())
    folded = page.get_by_role("table").filter(has_text="what was done to it")
    page.emulate_media(media="screen", color_scheme="dark")
    assert not folded.is_visible()
    page.emulate_media(media="print", color_scheme="dark")
    assert folded.is_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate("getComputedStyle(document.querySelector('figure svg')).filter") == "none"
    assert len(page.pdf(format="A4")) > 10_000
