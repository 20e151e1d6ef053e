"""The summary as one HTML file that opens from disk: no request to any host, pictures inside."""

from collections.abc import Mapping, Sequence

from separatrix.report.summarize import Summary, align, number


def render(summary: Summary, pictures: Mapping[str, str]) -> str:
    """The report, a whole HTML document.

    Parameters
    ----------
    summary : what `summarize` made; escaped.
    pictures : what `draw_pictures` made, name -> SVG; trusted as it is.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("separatrix.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": _typeset, "aligned": _aligned, "count": "{:,}".format}
    environment.globals |= {"captions": CAPTIONS}
    return environment.get_template("report.html.j2").render(summary, pictures=pictures)


CAPTIONS = {
    "boundary": "Where the model changes its mind. Points are rows, coloured by their true class.",
    "confusion": "Each row of the matrix is a true class, each column what was predicted; held-out rows.",
    "roc": "Hits against false alarms over all thresholds, held-out rows. The dashed line is chance.",
    "calibration": "Predicted probability against how often it came true, held-out rows, with 95 % intervals. "
    "On the dashed line, 30 % means 30 %.",
    "actual": "Held-out rows. On the dashed line a prediction is exact.",
    "residuals": "What is left over, held-out rows. A pattern here is something a straight line cannot say.",
    "loss": "The mean training loss after each step of the solver.",
}


def _typeset(value: float | None) -> str:
    return number(value).replace("-", "\N{MINUS SIGN}")


def _aligned(values: Sequence[float | None]) -> list[str]:
    """Numbers padded with figure spaces: right-aligned in tabular figures, their decimal points meet."""
    return align([_typeset(value) for value in values], pad="\N{FIGURE SPACE}")
