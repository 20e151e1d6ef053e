"""One plain dict that says all there is to say about a fit: the terminal and the report draw from it."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from separatrix.arrays import FloatArray
from separatrix.errors import counted, fixed, in_flags, percent
from separatrix.evaluate.checks import of_bins
from separatrix.evaluate.codes import Finding
from separatrix.evaluate.metrics import JUDGED, Evaluation, NumberEvaluation
from separatrix.fits.inferred import Inferred
from separatrix.model import Model
from separatrix.report.estimates import summarize_estimates

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

FLATTERY = " None were held out, so this flatters the model: new rows will do worse."


def summarize(
    model: Model,
    evaluation: Evaluation | NumberEvaluation,
    findings: Sequence[Finding],
    *,
    data: str,
    rows: int,
    held_out: bool = True,
    inferred: Inferred | None = None,
) -> Summary:
    """Everything the terminal and the report show of a fit, as a JSON-able dict.

    Parameters
    ----------
    model : Model
    evaluation : the model on rows that were `held_out`, or else on the training rows.
    findings : what `examine` found.
    data : where the rows came from: a path, a glob or a built-in name.
    rows : rows with a target, training and held-out together.
    inferred : the regression of the training rows, where there is one.
    """
    judged = JUDGED[held_out]
    return _judged(model, evaluation, judged, "" if held_out else FLATTERY) | {
        "judged": f"{judged}s",
        "data": _data(model, data, rows, evaluation.rows if held_out else 0),
        "columns": [{"column": name, "what": in_flags(what)} for name, what in model.columns.describe()],
        "coefficients": _coefficients(model),
        "estimates": summarize_estimates(inferred) if inferred else None,
        "findings": [_finding(finding) for finding in findings],
        "fit": _fit(model),
    }


def summarize_evaluation(model: Model, evaluation: Evaluation | NumberEvaluation, *, data: str) -> Summary:
    """How a model does on new rows, as `summarize` says it of the held-out ones."""
    judged = _judged(model, evaluation, "row") | {"data": {"source": data, "rows": evaluation.rows}}
    return judged | {"notes": [*judged["notes"], *(f"{each.text} {each.remedy}" for each in of_bins(evaluation))]}


def _judged(model: Model, evaluation: Evaluation | NumberEvaluation, row: str, caution: str = "") -> Summary:
    classes = isinstance(evaluation, Evaluation)
    rows = counted(evaluation.rows, row) + (f", by {model.weight}," if model.weight else "")
    return {
        "title": _title(model),
        "headline": _headline(evaluation, rows) + caution,
        "task": model.task,
        "metrics": _metrics(evaluation.metrics, evaluation.baseline),
        "per_class": _per_class(evaluation) if classes else [],
        "confusion": _confusion(evaluation) if classes else None,
        "notes": list(evaluation.notes),
    }


def _title(model: Model) -> str:
    name, positive = model.target.name, model.target.classes[1:2]
    if model.task == "linear":
        return f"{name}, a number{model.target.remark}"
    if model.task == "binary":
        return f"{name} = {positive[0]}"
    return f"{name}, one of {len(model.target.classes)} classes"


def _headline(evaluation: Evaluation | NumberEvaluation, rows: str) -> str:
    ours, theirs = evaluation.metrics, evaluation.baseline
    if isinstance(evaluation, NumberEvaluation):
        return (
            f"On {rows} predictions are off by {ours['mae']:.4g} on average; "
            f"always predicting the training mean is off by {theirs['mae']:.4g}."
        )
    return (
        f"Right on {percent(ours['accuracy'])}% of {rows.rstrip(',')}; "
        f"always answering with the commonest class is right on {percent(theirs['accuracy'])}%."
    )


def _data(model: Model, source: str, rows: int, held_out: int) -> Summary:
    return {
        "source": source,
        "rows": rows,
        "training_rows": rows - held_out,
        "held_out_rows": held_out,
        "columns": len(model.columns.needs),
        "features": len(model.columns.feature_names),
        "target": model.target.name,
        "weight": model.weight,
        "offset": model.offset,
        "classes": [str(label) for label in model.target.classes],
        "rates": list(model.rates) if model.target.classes else [],
    }


def _coefficients(model: Model) -> Summary:
    """Rows of (feature, one value a class), the strongest first; an odds ratio that overflows is None."""
    w, names = np.array(model.coefficients, dtype=float), model.columns.feature_names
    effects = w * model.scales
    rows = [
        {
            "feature": names[j],
            "coefficients": w[:, j].tolist(),
            "odds_ratios": _odds_ratios(w[:, j]),
            "effects": effects[:, j].tolist(),
            "odds_ratios_per_sd": _odds_ratios(effects[:, j]),
        }
        for j in np.argsort(-np.abs(effects).max(axis=0), kind="stable")
    ]
    classes = [str(label) for label in model.target.classes]
    return {
        "of": classes if model.task == "multinomial" else (classes[1:] or [model.target.name]),
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
        "text": finding.text[0].upper() + finding.text[1:],
        "remedy": finding.remedy,
        "explanation": finding.explanation,
    }


def _fit(model: Model) -> Summary:
    fit = model.fit
    return {
        "solver": fit.solver,
        "why": fit.why,
        "C": fit.C,
        "l1_ratio": fit.l1_ratio,
        "choice": _choice(model),
        "zeros": _zeros(model) if fit.l1_ratio else None,
        "passes": fit.passes,
        "seconds": fit.seconds,
        "loss": fit.loss,
        "gap": fit.gap if math.isfinite(fit.gap) else None,
        "quality": _quality(model),
    }


def _choice(model: Model) -> str | None:
    """How C was chosen, and what it promises."""
    choice = model.fit.choice
    if choice is None:
        return None
    losses = np.mean(choice.losses, axis=0)
    best = int(losses.argmin())
    end = " It is the last of those tried." if best in (0, len(losses) - 1) else ""
    return (
        f"C = {choice.Cs[best]:g} was chosen of {len(losses)} by {choice.by}: mean log loss {number(losses[best])} on "
        f"training rows that were left out.{end}"
    )


def _zeros(model: Model) -> str:
    """How many coefficients an L1 penalty made exactly zero."""
    w = np.array(model.coefficients)
    return f"{np.count_nonzero(w == 0):,} of {w.size:,} coefficients are exactly zero"


def _quality(model: Model) -> str:
    """What the gap means.

    At the optimum the gradient is zero, so the gap is at least the mean Kullback-Leibler divergence of the
    fitted probabilities from the optimal ones, and by Pinsker's inequality |p - p*| is at most sqrt(gap / 2)
    in root mean square over the training rows.
    """
    gap, known = model.fit.gap, model.fit.certificate
    if not math.isfinite(gap):
        return f"How far the mean loss is from its optimum is not known ({known})."
    bound = f"The mean loss is at most {number(gap)} above its optimum ({known})"
    if model.task == "linear":
        return f"{bound}."
    off = min(1.0, math.sqrt(gap / 2))
    return f"{bound}, so fitted probabilities are within {number(off)} of the best ones (root mean square)."


def number(value: float | None) -> str:
    """Four significant digits, for reading, and more for what is next to 1; a dash for what is not there.

    >>> [number(x) for x in (0.85341, 12.0, 123456.7, 1.234e-08, 0.99998, 0.0, 7)]
    ['0.8534', '12.00', '123,457', '1.234e-08', '0.99998', '0', '7']
    """
    if value is None:
        return "\N{EN DASH}"
    if isinstance(value, int) or value == 0 or not np.isfinite(value):
        return f"{value:,}" if isinstance(value, int) else f"{value:g}"
    exponent = int(f"{value:.3e}".split("e")[1])
    if exponent == 0:
        return fixed(value, 3)
    return f"{value:.3e}" if exponent < -4 or exponent > 8 else f"{value:,.{max(0, 3 - exponent)}f}"


def align(numbers: Sequence[str], pad: str = " ", point: str = " ") -> list[str]:
    """Pad on the right, so that right-aligned numbers meet at the decimal point, which may have a width of its own;
    exponents stand flush right.

    >>> align(["0.8534", "12.00", "7", "1.234e-08"])
    ['0.8534', '12.00  ', '7     ', '1.234e-08']
    """
    tails = [0 if "e" in text else len(text) - len(text.split(".")[0]) for text in numbers]
    most = max(tails, default=0)
    full = point + pad * (most - 1)
    return [text if "e" in text else text + full[tail:most] for text, tail in zip(numbers, tails, strict=True)]
