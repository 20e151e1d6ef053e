"""The summary as one HTML file that opens from disk: no request to any host, pictures inside."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING

from separatrix.errors import percent
from separatrix.regression.summary import pvalue
from separatrix.report.pictures import PICTURES
from separatrix.report.summarize import Summary, align, number

if TYPE_CHECKING:
    from jinja2 import Template

MOST_FEATURES = 300
"""Coefficients of more features than this make the file too large; they are in the model file."""


def render(summary: Summary, pictures: Mapping[str, str]) -> str:
    """The report, a whole HTML document.

    Parameters
    ----------
    summary : what `summarize` made; escaped.
    pictures : what `draw_pictures` made, name -> SVG; trusted as it is.
    """
    return _template().render(summary, pictures=pictures, captioned=_captioned(summary["judged"]))


@cache
def _template() -> "Template":
    """The page, compiled once for all reports of a process."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("separatrix.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": _typeset,
        "aligned": _aligned,
        "count": "{:,}".format,
        "pvalue": pvalue,
        "percent": percent,
    }
    environment.globals["most_features"] = MOST_FEATURES
    return environment.get_template("report.html.j2")


def _captioned(rows: str) -> dict[str, tuple[str, str]]:
    return {name: (heading, caption.format(rows=rows)) for name, (heading, caption) in PICTURES.items()}


def _typeset(value: float | None) -> str:
    return number(value).replace("-", "\N{MINUS SIGN}")


def _aligned(values: Sequence[float | None]) -> list[str]:
    """Numbers padded with spaces as wide as figures and points: right-aligned in tabular figures, their points meet."""
    return align([_typeset(value) for value in values], "\N{FIGURE SPACE}", "\N{PUNCTUATION SPACE}")
