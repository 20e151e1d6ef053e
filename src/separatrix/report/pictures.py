"""The report's pictures, as SVG to be set into a page: they take its width, and no two share an id."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from html import escape
from io import StringIO
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from separatrix.arrays import FloatArray, IntArray
from separatrix.evaluate.curves import Roc
from separatrix.evaluate.metrics import Evaluation, NumberEvaluation
from separatrix.model import Model
from separatrix.plots import CalibrationDisplay, ChoiceDisplay, ConfusionDisplay, RocDisplay, plot_boundary, plot_losses
from separatrix.plots.style import ACCENT, INK, MUTED, TICK_SIZE, class_colour, class_line, light_grid, name_axes, plain

Draw = Callable[[Axes], object]

MOST_POINTS = 2_000
MOST_CURVE_POINTS = 500
PICTURES = {
    "boundary": (
        "Decision boundary",
        "Where the model changes its mind. Points are rows, coloured by their true class.",
    ),
    "confusion": (
        "Confusion matrix",
        "Down the side the true class, along the bottom what was predicted; {rows}.",
    ),
    "roc": (
        "ROC curve",
        "Hits against false alarms over all thresholds, {rows}. The dashed line is chance.",
    ),
    "calibration": (
        "Calibration",
        "Predicted probability against how often it came true, {rows}, with 95 % intervals.",
    ),
    "actual": ("Actual against predicted", "Of {rows}; on the dashed line a prediction is exact."),
    "residuals": (
        "Residuals",
        "What is left over, {rows}. A pattern here is something a straight line cannot say.",
    ),
    "choice": (
        "Choice of C",
        "Mean log loss of training rows that were left out, against C; thin lines are folds, the dot is the choice.",
    ),
    "left_out": (
        "Choice of C",
        "Mean log loss of training rows, each left out in turn, against C; the dot is the choice.",
    ),
    "loss": ("Loss", "The mean training loss after each step of the solver."),
}
"""Name of a picture -> its heading and its caption, for such rows."""


def draw_pictures(
    model: Model, evaluation: Evaluation | NumberEvaluation, X: Any = None, y: ArrayLike | None = None
) -> dict[str, str]:
    """The report's pictures, name -> inline SVG, in the order of the page.

    For classes: boundary (two features only), confusion, roc, calibration (two classes only). For numbers:
    actual, residuals. Then choice (by folds) or left_out (by rows), if C was chosen by cross-validation, and loss, if
    the fit took more than one step.

    Parameters
    ----------
    model, evaluation : the fit, and how it did on held-out rows.
    X, y : (n, 2) encoded rows and (n,) class codes, optional
        Drawn with the boundary; 2,000 of them if there are more.
    """
    if isinstance(evaluation, NumberEvaluation):
        draws = _number_draws(evaluation, model.target.name)
    else:
        draws = _class_draws(evaluation)
        if X is not None and y is not None and len(model.columns.feature_names) == 2:
            draws = {"boundary": partial(_draw_boundary, model, X, np.asarray(y, dtype=np.int64))} | draws
    if choice := model.fit.choice:
        name = "choice" if len(choice.losses) > 1 else "left_out"
        draws[name] = ChoiceDisplay(np.array(choice.Cs), np.array(choice.losses)).plot
    if len(model.fit.losses) > 1:
        draws["loss"] = lambda ax: plot_losses(model.fit.losses, ax=ax)
    return {name: svg(name, PICTURES[name][0], draw) for name, draw in draws.items()}


def svg(name: str, title: str, draw: Draw) -> str:
    """Draw on new axes; SVG text with a title for screen readers and ids that begin with `name`."""
    # Text stays text: smaller, sharp at any size, and in the font of the page.
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        figure = Figure(figsize=(5, 4), layout="constrained")
        draw(figure.subplots())
        text = StringIO()
        figure.savefig(
            text,
            format="svg",
            transparent=True,
            metadata=nothing,
        )
    return _inline(text.getvalue(), name, title)


def _inline(document: str, name: str, title: str) -> str:
    """Without prolog and size, with role and title, every id made the picture's own."""
    body = document[document.index("<svg") :]
    body = re.sub(r"\s*<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r'(\sid="|href="#|url\(#)', rf"\g<1>{name}-", body)
    head, rest = body.split(">", 1)
    head = re.sub(r'\s(width|height)="[^"]*"', "", head)
    own = f'role="img" aria-labelledby="{name}-title"><title id="{name}-title">{escape(title)}</title>'
    return f"{head} {own}{rest}"


def _class_draws(evaluation: Evaluation) -> dict[str, Draw]:
    names, bins = [str(label) for label in evaluation.classes], evaluation.calibration
    draws: dict[str, Draw] = {"confusion": ConfusionDisplay(evaluation.confusion, names).plot}
    if any(evaluation.roc):
        draws["roc"] = partial(draw_roc, evaluation)
    if bins:
        draws["calibration"] = CalibrationDisplay(bins.predicted, bins.observed, bins.counts).plot
    return draws


def _number_draws(evaluation: NumberEvaluation, target: str) -> dict[str, Draw]:
    rows = _few(evaluation.rows)
    actual, predicted = evaluation.actual[rows], evaluation.predicted[rows]
    return {
        "actual": partial(_draw_actual, actual, predicted, plain(target)),
        "residuals": partial(_draw_residuals, actual, predicted, plain(target)),
    }


def _few(rows: int) -> IntArray:
    """Row numbers, at most 2,000, at random but the same each time."""
    return np.random.default_rng(0).permutation(rows)[:MOST_POINTS]


@dataclass(frozen=True)
class _Classifier:
    """A model of encoded columns, as the pictures ask for one."""

    model: Model

    @property
    def classes_(self) -> IntArray:
        return np.arange(len(self.model.target.classes))

    def decision_function(self, X: Any) -> FloatArray:
        eta = self.model.eta(X)
        return eta if self.model.task == "multinomial" else eta[:, 0]


def _draw_boundary(model: Model, X: Any, y: IntArray, ax: Axes) -> None:
    rows, classes = _few(len(y)), [str(label) for label in model.target.classes]
    features = model.columns.feature_names
    plot_boundary(_Classifier(model), X[rows], y[rows], feature_names=features, class_names=classes, ax=ax)


def draw_roc(evaluation: Evaluation, ax: Axes) -> None:
    """One curve in the accent's colour, or one a class in the class's colour and line."""
    two = len(evaluation.roc) == 1
    for k, (label, curve) in enumerate(zip(evaluation.classes, evaluation.roc, strict=not two)):
        if curve:
            fpr, tpr = _thin(curve)
            look = {} if two else {"colour": class_colour(k), "line": class_line(k)}
            RocDisplay(fpr, tpr, curve.auc, None if two else str(label)).plot(ax, **look)


def _thin(curve: Roc) -> tuple[FloatArray, FloatArray]:
    """The curve at few enough places that none is missed in a picture."""
    places = np.unique(np.linspace(0, len(curve.fpr) - 1, MOST_CURVE_POINTS).astype(int))
    return curve.fpr[places], curve.tpr[places]


def _draw_actual(actual: FloatArray, predicted: FloatArray, target: str, ax: Axes) -> None:
    ends = [min(actual.min(), predicted.min()), max(actual.max(), predicted.max())]
    _scatter(ax, predicted, actual)
    ax.plot(ends, ends, color=MUTED, lw=1, ls="dashed")
    name_axes(ax, f"predicted {target}", f"actual {target}")


def _draw_residuals(actual: FloatArray, predicted: FloatArray, target: str, ax: Axes) -> None:
    _scatter(ax, predicted, actual - predicted)
    ax.axhline(0, color=MUTED, lw=1, ls="dashed")
    name_axes(ax, f"predicted {target}", "actual \N{MINUS SIGN} predicted")


def _scatter(ax: Axes, x: FloatArray, y: FloatArray) -> None:
    light_grid(ax)
    ax.set_axisbelow(True)
    ax.spines[:].set_visible(False)
    ax.tick_params(colors=MUTED, labelcolor=INK, labelsize=TICK_SIZE, length=0)
    ax.scatter(x, y, s=20, color=ACCENT, alpha=0.55, linewidths=0)
