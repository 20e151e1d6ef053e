"""One plain dict that says all there is to say about a fit; the terminal and the HTML report both draw from it."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from separatrix.errors import ArgumentError
from separatrix.evaluate.checks import Finding
from separatrix.evaluate.metrics import Evaluation, NumberEvaluation
from separatrix.model import FloatArray, Model

Summary = dict[str, Any]

METRICS = {
    "accuracy": ("accuracy", "higher"),
    "precision": ("precision", "higher"),
    "recall": ("recall", "higher"),
    "f1": ("F1", "higher"),
    "roc_auc": ("ROC AUC", "higher"),
    "average_precision": ("average precision", "higher"),
    "log_loss": ("log loss", "lower"),
    "brier": ("Brier score", "lower"),
    "r2": ("R²", "higher"),
    "rmse": ("root mean squared error", "lower"),
    "mae": ("mean absolute error", "lower"),
    "mse": ("mean squared error", "lower"),
}
"""Name in the model file -> name in words, and which direction is better."""


def summarize(
    model: Model,
    evaluation: Evaluation | NumberEvaluation,
    findings: Sequence[Finding],
    *,
    data: str,
    rows: int,
    rates: ArrayLike | None = None,
    scale: ArrayLike | None = None,
) -> Summary:
    """Everything the terminal and the report show, as strings, numbers, lists and dicts only (JSON-able).

    Parameters
    ----------
    model : Model
    evaluation : the model on held-out rows.
    findings : what `examine` found.
    data : str
        Where the rows came from: a path, a glob or a built-in name.
    rows : int
        Rows with a target, training and held-out together.
    rates : (K,) float, optional
        Class frequencies of the training rows.
    scale : (p,) float, optional
        Standard deviation of each encoded column over the training rows; ranks the coefficients by
        |coefficient| x sd and gives the odds ratio of one standard deviation.

    Raises
    ------
    ArgumentError
        When `scale` is not one number per feature.
    """
    return {
        "title": _title(model),
        "headline": _headline(evaluation),
        "task": model.task,
        "data": _data(model, evaluation, data, rows, rates),
        "columns": [{"column": name, "what": what} for name, what in model.columns.describe()],
        "coefficients": _coefficients(model, scale),
        "metrics": _metrics(evaluation.metrics, evaluation.baseline),
        "per_class": [] if isinstance(evaluation, NumberEvaluation) else _per_class(evaluation),
        "confusion": None if isinstance(evaluation, NumberEvaluation) else _confusion(evaluation),
        "notes": list(evaluation.notes),
        "findings": [_finding(finding) for finding in findings],
        "fit": _fit(model),
    }


def _title(model: Model) -> str:
    name, positive = model.target.name, model.target.classes[1:2]
    if model.task == "linear":
        return f"{name}, a number"
    if model.task == "binary":
        return f"{name} = {positive[0]}"
    return f"{name}, one of {len(model.target.classes)} classes"


def _headline(evaluation: Evaluation | NumberEvaluation) -> str:
    ours, theirs = evaluation.metrics, evaluation.baseline
    if isinstance(evaluation, NumberEvaluation):
        return (
            f"On {evaluation.rows:,} held-out rows predictions are off by {ours['mae']:.4g} on average; "
            f"always predicting the training mean is off by {theirs['mae']:.4g}."
        )
    return (
        f"Right on {ours['accuracy']:.1%} of {evaluation.rows:,} held-out rows; "
        f"always answering with the commonest class is right on {theirs['accuracy']:.1%}."
    )


def _data(
    model: Model, evaluation: Evaluation | NumberEvaluation, source: str, rows: int, rates: ArrayLike | None
) -> Summary:
    classes = [str(label) for label in model.target.classes]
    return {
        "source": source,
        "rows": rows,
        "training_rows": rows - evaluation.rows,
        "held_out_rows": evaluation.rows,
        "columns": len(model.columns.needs),
        "features": len(model.columns.feature_names),
        "target": model.target.name,
        "classes": classes,
        "rates": [] if rates is None else np.asarray(rates, dtype=float).tolist(),
    }


def _coefficients(model: Model, scale: ArrayLike | None) -> Summary:
    """Rows of (feature, one value a class), the strongest first; an odds ratio that overflows is None."""
    names = model.columns.feature_names
    w = np.array(model.coefficients, dtype=float)
    sd = np.ones(len(names)) if scale is None else np.asarray(scale, dtype=float)
    if sd.shape != (len(names),):
        raise ArgumentError(f"scale has shape {sd.shape}; pass one number for each of {len(names)} features.")
    effects = w * sd
    rows = [
        {
            "feature": names[j],
            "coefficients": w[:, j].tolist(),
            "odds_ratios": _odds_ratios(w[:, j]),
            "effects": effects[:, j].tolist(),
            "odds_ratios_per_sd": _odds_ratios(effects[:, j]),
        }
        for j in np.argsort(-np.abs(effects).max(axis=0, initial=0.0), kind="stable")
    ]
    classes = [str(label) for label in model.target.classes]
    return {
        "of": classes if model.task == "multinomial" else (classes[1:] or [model.target.name]),
        "scaled": scale is not None,
        "intercepts": list(model.intercepts),
        "rows": rows,
    }


def _odds_ratios(log_odds: FloatArray) -> list[float | None]:
    with np.errstate(over="ignore"):
        return [ratio if np.isfinite(ratio) else None for ratio in np.exp(log_odds).tolist()]


def _metrics(ours: Mapping[str, float], theirs: Mapping[str, float]) -> list[Summary]:
    return [
        {
            "name": name,
            "label": label,
            "better": better,
            "value": ours[name],
            "baseline": theirs.get(name),
            "beats": _beats(ours[name], theirs.get(name), better),
        }
        for name, (label, better) in METRICS.items()
        if name in ours
    ]


def _beats(ours: float, theirs: float | None, better: str) -> bool | None:
    if theirs is None:
        return None
    return ours > theirs if better == "higher" else ours < theirs


def _per_class(evaluation: Evaluation) -> list[Summary]:
    return [row._asdict() | {"label": str(row.label)} for row in evaluation.per_class]


def _confusion(evaluation: Evaluation) -> Summary:
    return {"classes": [str(label) for label in evaluation.classes], "matrix": evaluation.confusion.tolist()}


def _finding(finding: Finding) -> Summary:
    return {
        "code": finding.code,
        "level": finding.level,
        "title": finding.title,
        "text": finding.text,
        "remedy": finding.remedy,
    }


def _fit(model: Model) -> Summary:
    fit = model.fit
    return {
        "solver": fit.solver,
        "why": fit.why,
        "C": fit.C,
        "passes": fit.passes,
        "seconds": fit.seconds,
        "loss": fit.loss,
        "gap": fit.gap,
        "certificate": fit.certificate,
    }


def number(value: float | None) -> str:
    """Four significant digits, for reading; a dash for what is not there.

    >>> [number(x) for x in (0.85341, 12.0, 123456.7, 1.234e-08, 0, 7, None)]
    ['0.8534', '12.00', '123,457', '1.234e-08', '0', '7', '–']
    """
    if value is None:
        return "–"
    if isinstance(value, int) or value == 0 or not np.isfinite(value):
        return f"{value:,}" if isinstance(value, int) else f"{value:g}"
    exponent = int(f"{value:.3e}".split("e")[1])
    return f"{value:.3e}" if exponent < -4 or exponent > 8 else f"{value:,.{max(0, 3 - exponent)}f}"


def align(numbers: Sequence[str], pad: str = " ") -> list[str]:
    """Pad on the right, so that right-aligned numbers meet at the decimal point.

    >>> align(["0.8534", "12.00", "7"])
    ['0.8534', '12.00  ', '7     ']
    """
    tails = [len(text) - len(text.split(".")[0]) for text in numbers]
    return [text + pad * (max(tails) - tail) for text, tail in zip(numbers, tails, strict=True)]
