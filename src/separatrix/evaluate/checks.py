"""Coded findings: what a careful colleague would say about the data, the fit and the held-out rows.

Each check is a function that returns the findings it has, most often none; `examine` runs them all.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import issparse
from scipy.sparse.csgraph import connected_components

from separatrix.arrays import FloatArray, IntArray
from separatrix.data.tables.columns import DROPPED, Columns, LeftOut
from separatrix.data.tables.target import Target
from separatrix.errors import counted, fixed, in_flags, listing, percent
from separatrix.evaluate.codes import Finding
from separatrix.evaluate.far_numbers import far_numbers, read_as_missing
from separatrix.evaluate.metrics import JUDGED, Evaluation, NumberEvaluation, undefined
from separatrix.evaluate.pure_levels import pure_levels

RARE_CLASS = 0.1  # of the rows that each class would have if all had the same number
ROWS_PER_FEATURE = 10
TELLING_AUC = 0.99
COLLINEAR = 0.999
CERTAIN = 1e-8
WEAK_PENALTY = 1e4
"""A C from here on hardly penalises."""
FEWEST_TO_JUDGE = 10
"""A class with fewer rows than this is told apart by some column by mere chance."""
SAMPLE_ROWS, SAMPLE_CELLS = 50_000, 1_500_000
"""Ranks and correlations are taken from at most this many rows and cells: a fraction of a second."""
MOST_FEATURES_FOR_PAIRS = 300
MOST_NAMED = 4


def examine(
    X: Any,
    y: ArrayLike,
    columns: Columns,
    target: Target,
    *,
    probabilities: FloatArray | None = None,
    C: float | None = None,
    gap: float = 0.0,
    tol: float = 1e-8,
    iterates: bool = True,
    evaluation: Evaluation | NumberEvaluation | None = None,
    held_out: bool = True,
    notes: Sequence[str] = (),
    unlabelled: int = 0,
    counts: IntArray | None = None,
    weight: FloatArray | None = None,
    frequency: bool = False,
    turns: Iterable[str] = (),
    choosing_gap: float = 0.0,
    untrue: str = "",
) -> list[Finding]:
    """Everything worth saying about a fit, warnings first.

    Parameters
    ----------
    X : (n, p) array or sparse matrix
        The encoded training rows; its columns are `columns.feature_names`.
    y : (n,)
        Class codes into `target.classes`, or numbers for a linear model.
    probabilities : (n, K) float, optional
        Fitted probabilities of the training rows, by their columns alone.
    C : float, optional
        The inverse penalty strength; None or infinity is no penalty.
    gap, tol : float
        Bound on the mean loss's distance to its optimum, and the tolerance asked for: of numbers, as a share of their
        variance.
    iterates : bool
        Whether more iterations can be asked for.
    evaluation : optional
        The model on rows that were `held_out`, or else on the training rows.
    notes : sequence of str
        What encoding the held-out rows noted (`Encoded.notes`).
    unlabelled : int
        Rows that had no target and were left out.
    counts : (K,) int, or (1,) for a linear model, optional
        How many training rows each class has, where X and y are only some of them.
    weight : (K,) float, or (1,), optional
        What the training rows of each class weigh, where it is not 1 each; by `frequency` so many observations.
    turns : strings
        Columns whose cells turn from one kind to another (`Learned.turns`).
    choosing_gap, untrue : float, str
        About how far the worst of the fits by which C was chosen is above its optimum, and why their losses may be far
        off (`Choice.gap`, `Choice.doubt`).
    """
    names, rows = columns.feature_names, _sample(X.shape)
    y, cells = np.asarray(y), _dense(X[rows])
    findings = [
        *_unconverged(gap, tol if target.classes else tol * float(np.var(y)), iterates),
        *_no_better_than_baseline(evaluation, held_out),
        *_collinear(cells, names),
        *_left_out(columns),
        *_unlabelled(unlabelled),
        *_unseen(notes),
        *_undefined(evaluation),
        *of_bins(evaluation),
        *_turned(turns),
        *_roughly_chosen(choosing_gap, tol),
        *_untrue(untrue),
    ]
    codes = y.astype(np.int64) if target.classes else np.zeros(len(y), dtype=np.int64)
    counts = np.bincount(codes, minlength=max(len(target.classes), 1)) if counts is None else counts
    findings += _far(cells, columns, counts.sum())
    sizes, unit = (weight, "observation") if frequency and weight is not None else (counts, "row")
    if target.classes:
        findings += [
            *_rare_class(sizes, sizes if weight is None else weight, unit, target),
            *_few_rows(sizes.min(), len(names), unit, " of the rarest class"),
            *_telling_class(cells, codes[rows], names, target),
            *_pure(X, codes, columns, target, counts.sum()),
            *_separated(probabilities, codes, C, counts.sum()),
        ]
    else:
        findings += [*_few_rows(sizes[0], len(names), unit), *_telling_number(cells, y[rows], names)]
    return sorted(findings, key=lambda finding: (finding.level != "warning", finding.code))


def _sample(shape: tuple[int, int]) -> IntArray:
    """Row numbers, at random but the same each time, few enough to rank every column quickly."""
    n, p = shape
    most = max(1_000, min(SAMPLE_ROWS, SAMPLE_CELLS // max(p, 1)))
    return np.arange(n) if n <= most else np.sort(np.random.default_rng(0).choice(n, most, replace=False))


def _dense(X: Any) -> FloatArray:
    return X.toarray() if issparse(X) else np.asarray(X, dtype=float)


def _rare_class(sizes: NDArray, weight: NDArray, unit: str, target: Target) -> list[Finding]:
    shares = weight / weight.sum()
    k = int(shares.argmin())
    if shares[k] * len(shares) >= RARE_CLASS:
        return []
    of, by = f"{sizes[k]:,.0f} of {sizes.sum():,.0f} training {unit}s", "" if weight is sizes else " by weight"
    text = f"class {target.classes[k]!r} has {of} ({percent(shares[k])}%{by})."
    return [Finding("SX101", "note", text, "Judge by recall, precision and average precision, not by accuracy.")]


def _few_rows(size: float, features: int, unit: str, of: str = "") -> list[Finding]:
    if size >= ROWS_PER_FEATURE * features:
        return []
    have, each = counted(round(size), unit), size / features
    text = f"{have}{of} for {counted(features, 'coefficient')}: {each:.1f} for each, where 10 is a common least."
    return [Finding("SX102", "warning", text, "Drop columns, merge rare levels, or penalise more.")]


def _left_out(columns: Columns) -> list[Finding]:
    left_out = [
        f"{column.name!r} ({in_flags(column.reason)})"
        for column in columns.columns
        if isinstance(column, LeftOut) and column.reason != DROPPED
    ]
    if not left_out:
        return []
    remedy = "Nothing to do, unless one should count."
    return [Finding("SX103", "note", f"not used: {listing(left_out)}.", remedy)]


def _telling_class(cells: FloatArray, codes: IntArray, names: Sequence[str], target: Target) -> list[Finding]:
    """A column whose own ROC AUC of a class against the rest is nearly 1 or 0 (Mann-Whitney, from ranks)."""
    counts = np.bincount(codes, minlength=len(target.classes))
    judged = np.flatnonzero((counts >= FEWEST_TO_JUDGE) & (len(codes) - counts >= FEWEST_TO_JUDGE))
    judged = judged[judged == 1] if len(counts) == 2 else judged
    inside = (codes[:, None] == judged).astype(float)
    wins = inside.T @ np.apply_along_axis(_ranks, 0, cells) - (counts[judged] * (counts[judged] + 1) / 2)[:, None]
    auc = wins / (counts[judged] * (len(codes) - counts[judged]))[:, None]
    auc = np.maximum(auc, 1 - auc)
    best = auc.max(axis=0, initial=0.0)
    told = [
        f"{names[j]!r} tells class {target.classes[int(judged[auc[:, j].argmax()])]!r} (AUC {fixed(best[j], 4)})"
        for j in np.argsort(-best, kind="stable").tolist()
        if best[j] >= TELLING_AUC
    ]
    # With many classes, an honest measurement often tells one of them from the rest: petals and setosa.
    level = "warning" if len(target.classes) == 2 else "note"
    return _given_away(told, level)


def _ranks(column: FloatArray) -> FloatArray:
    """From 1, (n,); of equals the mean of theirs."""
    _, inverse, counts = np.unique(column, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[inverse]


def _telling_number(cells: FloatArray, y: FloatArray, names: Sequence[str]) -> list[Finding]:
    correlations = _correlations(np.column_stack([cells, y]))[-1, :-1]
    told = [
        f"{names[j]!r} is the target but for its unit (correlation {correlations[j]:.5f})"
        for j in np.flatnonzero(np.abs(correlations) > COLLINEAR).tolist()
    ]
    return _given_away(told, "warning")


def _given_away(told: Sequence[str], level: Literal["note", "warning"]) -> list[Finding]:
    if not told:
        return []
    remedy = "Make sure it is known before the outcome; if not, leave it out with --drop."
    return [Finding("SX104", level, f"{listing(told, most=4)}.", remedy)]


def _pure(X: Any, codes: IntArray, columns: Columns, target: Target, rows: int) -> list[Finding]:
    if not (pure := pure_levels(X, codes, columns, target)):
        return []
    remedy = "Check that it is known before the outcome, and keep a finite C."
    some = "" if len(codes) == rows else f"in a sample of {len(codes):,} training rows, "
    return [Finding("SX105", "note", f"{some}{listing(pure, most=4)}.", remedy)]


def _collinear(cells: FloatArray, names: Sequence[str]) -> list[Finding]:
    if cells.shape[1] > MOST_FEATURES_FOR_PAIRS:
        return []
    count, group_of = connected_components(np.abs(_correlations(cells)) > COLLINEAR, directed=False)
    groups = [np.flatnonzero(group_of == group).tolist() for group in range(count)]
    named = [listing((repr(names[j]) for j in group), most=3) for group in groups if len(group) > 1]
    if not named:
        return []
    text = f"correlated beyond {COLLINEAR}: {'; '.join(named[:4])}{'; and others' * (len(named) > 4)}."
    return [Finding("SX106", "note", text, "To read their coefficients, keep one of each group (--drop).")]


def _correlations(cells: FloatArray) -> FloatArray:
    """Pearson correlations of the columns; 0 with a constant column."""
    if not len(cells):
        return np.zeros((cells.shape[1], cells.shape[1]))
    centred = cells - cells.mean(axis=0)
    length = np.linalg.norm(centred, axis=0)
    scaled = np.divide(centred, length, out=np.zeros_like(centred), where=length > 0)
    return scaled.T @ scaled


def _separated(p: FloatArray | None, codes: IntArray, C: float | None, rows: int) -> list[Finding]:
    if p is None or not len(codes):
        return []
    nearly_free = C is None or C >= WEAK_PENALTY
    certain = int((p.max(axis=1) > 1 - CERTAIN).sum())
    training = "training rows" if len(codes) == rows else "training rows of a sample"
    if (p.argmax(axis=1) == codes).all():
        text = f"all {len(codes):,} {training} are on their right side of the boundary."
    elif nearly_free and certain:
        text = f"{certain:,} of {len(codes):,} {training} are predicted with certainty (to {CERTAIN:g})."
    else:
        return []
    if nearly_free:
        return [
            Finding("SX107", "warning", text, "Fit with a penalty: a finite C, without --inference; 1 is the default.")
        ]
    return [Finding("SX107", "note", text, f"The penalty (C = {C:g}) alone sets the size of the coefficients.")]


def _far(cells: FloatArray, columns: Columns, rows: int) -> list[Finding]:
    if not (found := far_numbers(cells, columns)):
        return []
    told = [f"{column.name!r} holds {' and '.join(map(str, far))}" for column, far in found]
    of, option = "" if len(cells) == rows else "a sample of ", read_as_missing(found[:MOST_NAMED])
    text = f"of {of}{len(cells):,} training rows, {listing(told, most=MOST_NAMED)}."
    remedy = "If it stands for what is missing, empty those cells, and those of rows to be predicted"
    return [Finding("SX116", "warning", text, f"{remedy}{option and f'; all commands read them so by {option}'}.")]


def _unconverged(gap: float, tol: float, iterates: bool) -> list[Finding]:
    if gap <= tol:
        return []
    text = f"the mean loss is at most {gap:.3g} above its optimum; the tolerance is {tol:.3g}."
    columns = "Give columns units of about the same size, or drop those that others all but repeat."
    return [Finding("SX108", "warning", text, "Raise --max-iter." if iterates else columns)]


def _roughly_chosen(gap: float, tol: float) -> list[Finding]:
    if gap <= tol:
        return []
    text = f"of the fits that chose C, the worst is about {gap:.3g} above its optimum; the tolerance is {tol:.3g}."
    return [Finding("SX108", "warning", text, "Raise --max-iter, or give columns units of about the same size.")]


def _untrue(doubt: str) -> list[Finding]:
    if not doubt:
        return []
    what, remedy = doubt.rstrip(".").rsplit(". ", 1)
    return [Finding("SX115", "warning", f"{what}.", f"{remedy}.")]


def _unseen(notes: Sequence[str]) -> list[Finding]:
    remedy = "If there are many such rows, fit again with data that have them."
    return [Finding("SX109", "note", f"{note.rstrip('.')}.", remedy) for note in notes]


def _unlabelled(rows: int) -> list[Finding]:
    if not rows:
        return []
    text = f"{rows:,} {'row has' if rows == 1 else 'rows have'} no target; left out."
    return [Finding("SX110", "note", text, "Nothing to do, if targets are missing by chance.")]


def _no_better_than_baseline(evaluation: Evaluation | NumberEvaluation | None, held_out: bool) -> list[Finding]:
    if evaluation is None:
        return []
    name, label = (
        ("mse", "mean squared error") if isinstance(evaluation, NumberEvaluation) else ("log_loss", "log loss")
    )
    ours, theirs = evaluation.metrics[name], evaluation.baseline[name]
    if ours < theirs:
        return []
    text = f"on {counted(evaluation.rows, JUDGED[held_out])} the {label} is {ours:.4g}, the baseline's {theirs:.4g}."
    return [Finding("SX111", "warning", text, "Lower C, drop columns, or find columns that tell about the target.")]


def _turned(turns: Iterable[str]) -> list[Finding]:
    remedy = "Store it alike in all rows; or say what it is, by --categorical, --text or --drop."
    return [Finding("SX114", "warning", f"{turn}.", remedy) for turn in turns]


def of_bins(evaluation: Evaluation | NumberEvaluation | None) -> list[Finding]:
    """How exact curves are whose scores were not kept one by one."""
    if not isinstance(evaluation, Evaluation) or not evaluation.auc_error:
        return []
    rows, error = evaluation.rows, evaluation.auc_error
    unit = 10.0 ** np.floor(np.log10(error))  # a bound is rounded up
    exact = f"exact to {np.ceil(error / unit) * unit:.0e}"
    text = f"the curves are of binned scores of {rows:,} rows: the ROC AUC is {exact}."
    remedy = "Average precision and calibration are as near; all other metrics are exact."
    return [Finding("SX113", "note", text, remedy)]


def _undefined(evaluation: Evaluation | NumberEvaluation | None) -> list[Finding]:
    by_class = undefined(evaluation.per_class) if isinstance(evaluation, Evaluation) else {}
    rows, tell = "Hold out more rows (--test-size).", "Judge by the ROC AUC, or by a threshold of your own."
    remedies = {note: tell if kind == "unpredicted" else rows for kind, note in by_class.items()}
    notes = evaluation.notes if evaluation else ()
    return [Finding("SX112", "note", note, remedies.get(note, rows)) for note in notes]
