"""Whether the classes can be told apart without error, so that coefficients run to infinity; which ones, and why.

The finding is `separatrix.inference.recession`'s; here it gets its names and its words.
"""

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from separatrix.arguments import check_complete, check_flag, check_sample_weight, gaps, listed, unmasked
from separatrix.arrays import BoolArray, FloatArray
from separatrix.data.block import Block, Source
from separatrix.data.inputs import matrix_of
from separatrix.data.memory import MemorySource, memory_source
from separatrix.data.threads import one_blas_thread
from separatrix.errors import ArgumentError, TargetError, listing
from separatrix.inference.lone import lone_columns
from separatrix.inference.recession import NOISE, Margins, Patience, Recession, ray, recession
from separatrix.inference.runs import add_up_pieces

KINDS = {
    "none": "no separation: every coefficient has a finite estimate",
    "quasi": "quasi-complete separation",
    "complete": "complete separation",
}
MOST_SENTENCES = 3
RISE = 1e-9  # of a contrast, its largest entry 1, along a direction with the same: less is rounding
MOST_TERMS = 6


@dataclass(frozen=True)
class Separation:
    """Whether the maximum of the likelihood lies at infinity, and in which direction.

    Attributes
    ----------
    kind : "none", "quasi" or "complete"
        "complete": a plane has every row strictly on its class's side; "quasi": some rows on it, and at least one not.
    infinite : (p,) for two classes, else (K, p)
        0 where the estimate is finite, +inf or -inf where not. Two classes: for the second. More: relative to the
        first class, whose row is 0. Where directions of either sign lead up, the sign is that of `direction`. A column
        that is a linear combination of the intercept and the columns before it counts as left out.
    infinite_intercept : float or (K,)
    direction, direction_intercept : like `infinite`
        Along it no row's class gets less likely, and as many as possible get more so without end; 0 for "none".
    columns, classes : the names of the columns, the labels in order
    sentences : what makes it so, in words
    whole : whether all was looked for: if not, as of thousands of coefficients in a fit, what single columns show
    """

    kind: str
    infinite: FloatArray
    infinite_intercept: Any
    direction: FloatArray
    direction_intercept: Any
    columns: tuple[str, ...]
    classes: tuple[Any, ...]
    sentences: tuple[str, ...]
    whole: bool = True

    def __bool__(self) -> bool:
        """Whether some estimate is infinite."""
        return self.kind != "none"

    def moves(self, X: Any, centre: FloatArray) -> BoolArray:
        """Which classes' log-odds the direction moves, in each row, (n, K): X (n, p) are their columns less a centre
        (p,). Of several that it prefers to the others alike, theirs to each other stay."""
        w, b = np.atleast_2d(self.direction).T, np.atleast_1d(self.direction_intercept)
        b = b + centre @ w
        eta, size = X @ w + b, np.abs(X) @ np.abs(w) + np.abs(b)
        eta = np.hstack([np.zeros((len(eta), 2 - min(eta.shape[1], 2))), eta])  # of two classes, the first has none
        left = eta.max(axis=1, keepdims=True) - eta > RISE * size.max(axis=1, keepdims=True)
        return left | (np.count_nonzero(~left, axis=1, keepdims=True) == 1)

    def __str__(self) -> str:
        least = "" if self.whole else ", at least"
        return KINDS[self.kind] + (f": {self.reason}. Infinite{least}: {self.estimates}" if self else "")

    @property
    def reason(self) -> str:
        """The sentences as one."""
        return "; ".join(self.sentences)

    @property
    def estimates(self) -> str:
        """The infinite estimates by name."""
        signs = np.atleast_2d(np.column_stack([np.atleast_1d(self.infinite_intercept), np.atleast_2d(self.infinite)]))
        labels = [""] if len(signs) == 1 else [f" of {label!r}" for label in self.classes]
        names = ("intercept", *self.columns)
        terms = [
            f"{names[j]}{labels[k]} {'+' if signs[k, j] > 0 else '-'}inf"
            for k, j in zip(*np.nonzero(signs), strict=True)
        ]
        return listing(terms)


def detect_separation(
    X: Any, y: ArrayLike, *, fit_intercept: bool = True, sample_weight: ArrayLike | None = None
) -> Separation:
    """Which estimates of a logistic or multinomial regression without penalty are infinite, by linear programming.

    X (rows, p) is dense, sparse, a dataframe or a dict of columns of numbers, y (rows,) labels of two or more classes.
    Of the weights (rows,) only matters which are 0: such rows are left out. The method is
    `separatrix.inference.recession`'s (Konis 2007); the estimates are infinite in the sense of Kosmidis and
    Schumacher's R package detectseparation. The programs are solved to 1e-10: where nothing but the difference of two
    columns tells the classes apart, and it is less than 1e-8 of them, that may be missed.

    Raises DataError for X that is no finite numbers, ArgumentError for other arrays without meaning, TargetError for a
    target with one class, or with gaps.

    >>> print(detect_separation([[1.0], [2.0], [3.0], [4.0]], ["no", "no", "yes", "yes"]))
    complete separation: every row with x0 > 2.5 is of class 'yes', and no other row is (2 rows against 2). Infinite:
    intercept -inf, x0 +inf
    >>> detect_separation([[1.0], [2.0], [3.0], [4.0]], [0, 1, 0, 1]).kind
    'none'
    """
    check_flag("fit_intercept", fit_intercept)
    cells, names = matrix_of(X, first=0)
    labels = np.asarray(unmasked(y))
    if labels.shape != (cells.shape[0],):
        raise ArgumentError(f"y={listed(labels)} has shape {labels.shape}, and X has {cells.shape[0]:,} rows.")
    check_complete(gaps(labels), "y")
    weight = check_sample_weight(sample_weight, cells.shape[0])
    classes, y_codes = np.unique(labels[weight > 0], return_inverse=True)
    if len(classes) < 2:
        raise TargetError(f"y has one class, {classes.tolist()[0]!r}, in the rows that count: nothing to tell apart.")
    source = memory_source(cells[np.flatnonzero(weight)], y_codes, centre=fit_intercept)
    names = names or [f"x{j}" for j in range(cells.shape[1])]
    return separation(source, classes.tolist(), names, fit_intercept)


def separation(
    source: Source,
    classes: Sequence[Any],
    columns: Sequence[str],
    fit_intercept: bool,
    known: Recession | None = None,
) -> Separation:
    """The same of a source whose y are the codes of the classes: 0 .. K - 1, (rows,) or (rows, 1), in directions that
    may be `known`."""
    ones, K = int(fit_intercept), len(classes)
    with one_blas_thread(), source.working() as source:
        found = known or recession(source, K, ones)
        assert found is not None  # as there is no limit
        kind = "none" if found.still == found.margins else "quasi" if found.still else "complete"
        sentences = () if kind == "none" else told(source, found, classes, columns, ones)
    w, b = original(source, found.direction, ones)
    signs_w, signs_b = signs(source, found, ones)
    shape = (len(columns),) if K == 2 else (K, len(columns))

    def shaped(w: FloatArray) -> FloatArray:
        full = w.T if K == 2 else np.vstack([np.zeros(len(w)), w.T])
        return full.reshape(shape) + 0.0

    def numbers(b: FloatArray) -> Any:
        return float(b[0]) + 0.0 if K == 2 else np.append(0.0, b) + 0.0

    parts = shaped(signs_w), numbers(signs_b), shaped(w), numbers(b)
    return Separation(kind, *parts, tuple(columns), tuple(classes), sentences, found.whole)


def leads(source: Source, K: int, ones: int, contrast: FloatArray) -> bool:
    """Whether a contrast (P, K - 1), in the units of X, rises along a direction in which the likelihood never falls:
    then it can rise without end at no cost."""
    p = source.n_columns
    centred = np.vstack([contrast[:p] - source.centre[:, None] * contrast[p:].sum(axis=0), contrast[p:]])
    with one_blas_thread(), source.working() as source:
        margins = Margins(source, K, ones)
        c = centred / margins.scale
        d, _ = ray(margins, c, None, Patience(np.inf))  # the best that there is, which need not be good
    return d is not None and float(np.sum(c * d)) > RISE * float(np.abs(c).max())


def original(source: Source, theta: FloatArray, ones: int) -> tuple[FloatArray, FloatArray]:
    """Weights (p, K - 1) and intercepts (K - 1,) for columns that were shifted by the source's centre."""
    w = theta[: source.n_columns]
    return w, (theta[-1] if ones else np.zeros(w.shape[1])) - source.centre @ w


def signs(source: Source, found: Recession, ones: int) -> tuple[FloatArray, FloatArray]:
    """0, +inf or -inf for weights (p, K - 1) and intercepts (K - 1,)."""
    w, b = original(source, found.direction, ones)
    p = source.n_columns
    size = np.abs(found.direction[p:]).sum(axis=0) + np.abs(source.centre) @ np.abs(w)
    moves = found.moves[p:].any(axis=0) | (np.abs(source.centre) @ found.moves[:p] > 0)
    b_sign = np.where(moves & (np.abs(b) > 1e-9 * size), np.copysign(np.inf, b), 0.0)
    return np.where(found.moves[:p], np.copysign(np.inf, w), 0.0), b_sign


@dataclass(frozen=True)
class Half:
    """A half-space {x : x'w > t}, in words, for one class against the others; w in the units of the columns."""

    text: str
    w: FloatArray
    t: float
    label: int
    sense: str = ">"


def told(
    source: Source, found: Recession, classes: Sequence[Any], columns: Sequence[str], ones: int
) -> tuple[str, ...]:
    """The sentences: of classes without a row, or of columns that do it alone, else of the combination."""
    counts = source.add_up(lambda block: np.bincount(block.codes, minlength=len(classes)))
    if not counts.all():
        return tuple(f"no row that counts is of class {classes[k]!r}" for k in np.flatnonzero(counts == 0).tolist())
    alone = single_columns(source, found, len(classes), columns, ones)
    if not alone and len(classes) > 2:
        return (of_many(source, found, columns, ones),)
    halves = [half() for half in alone[:MOST_SENTENCES]] or [combination(source, found, columns, ones)]
    sentences = [of_half(source, half, classes, ones) for half in halves]
    more = len(alone) - MOST_SENTENCES
    return tuple(sentences + ([f"and {more} more like it"] if more > 0 else []))


def single_columns(
    source: Source, found: Recession, K: int, columns: Sequence[str], ones: int
) -> list[Callable[[], Half]]:
    """What makes the half-space of every column that tells a class from the others alone; if no row is on any border,
    of those columns of which none is on theirs."""
    lone, p, halves = lone_columns(source, K, ones, coded=False), source.n_columns, []
    moves: BoolArray = np.any(found.moves[:p], axis=1)
    for j, k, sign, *ends in lone.findings():
        low, high = (sign * end + float(source.centre[j]) for end in ends)
        t = middle(low, high) if ones else 0.0
        if moves[j] and (found.still or low != high) and min(low, high) <= t <= max(low, high):
            halves.append(partial(half_space, j, columns[j], p, sign, t, k))
    return halves


def half_space(j: int, column: str, p: int, sign: float, t: float, label: int) -> Half:
    """The rows of which a column, the j-th of p, lies on one side of t."""
    return Half(column, sign * unit(p, j), sign * t, label, ">" if sign > 0 else "<")


def unit(p: int, j: int) -> FloatArray:
    """The vector e_j, (p,)."""
    e = np.zeros(p)
    e[j] = 1.0
    return e


def middle(low: float, high: float) -> float:
    """The number of fewest digits between two others, about in the middle.

    >>> middle(0.6, 1.0), middle(3.0, 3.0)
    (0.8, 3.0)
    """
    half, width = (low + high) / 2, abs(high - low)
    rounded = [float(f"{half:.{digits}g}") for digits in range(1, 17)]
    return next((t for t in rounded if abs(t - half) <= width / 4), half)


def combination(source: Source, found: Recession, columns: Sequence[str], ones: int) -> Half:
    """The direction itself, for two classes."""
    w, b = original(source, found.direction, ones)
    return Half(linear_form(w[:, 0], columns), w[:, 0], -float(f"{b[0]:.6g}") + 0.0, 1)


def linear_form(w: FloatArray, columns: Sequence[str]) -> str:
    """w as a sum of named columns, of many the first.

    >>> linear_form(np.array([-1.0, 0.0, 0.25]), ["a", "b", "c"])
    '-a + 0.25 c'
    """
    used = np.flatnonzero(w)
    terms = [f"{'-' if w[j] < 0 else '+'} {factor(abs(float(w[j])))}{columns[j]}" for j in used[:MOST_TERMS]]
    text = " ".join(terms)
    text = text.removeprefix("+ ") if text.startswith("+") else f"-{text[2:]}"
    return text if len(used) <= MOST_TERMS else f"{text} + ... ({len(used)} columns)"


def factor(size: float) -> str:
    """A coefficient in front of a name."""
    return "" if f"{size:.4g}" == "1" else f"{size:.4g} "


def of_half(source: Source, half: Half, classes: Sequence[Any], ones: int) -> str:
    """Which rows a half-space has on which side, in words."""
    inside, outside, own, others = sides(source, half, len(classes), ones)
    label, t = f"of class {classes[half.label]!r}", f"{half.t * (1 if half.sense == '>' else -1):.15g}"
    here, there = (f"{half.text} {sense} {t}" for sense in (half.sense, "<" if half.sense == ">" else ">"))
    if inside == own and outside == others:
        return f"every row with {here} is {label}, and no other row is ({count(own, source)} against {others:,})"
    parts = [f"every row with {here} is {label} ({count(inside, source)})"] if inside else []
    parts += [f"no row with {there} is {label} ({count(outside, source)})"] if outside else []
    rest = own + others - inside - outside
    return f"{', and '.join(parts)}, while {half.text} = {t} in the other {count(rest, source)}"


def count(rows: int, source: Source) -> str:
    """So many rows of a source, in words."""
    distinct = "distinct " if isinstance(source, MemorySource) and source.distinct else ""
    return f"{rows:,} {distinct}row{'' if rows == 1 else 's'}"


def sides(source: Source, half: Half, K: int, ones: int) -> tuple[int, int, int, int]:
    """How many rows of the class are inside, and of the others outside, not counting those on the plane; and how many
    there are of each. One pass."""
    margins = Margins(source, K, ones)
    d = np.zeros((source.n_columns + ones, K))
    d[:, half.label] = np.append(half.w, [source.centre @ half.w - half.t] * ones)
    d = ((d - d[:, :1])[:, 1:]) * margins.scale
    d /= np.abs(d).max()

    def numbers(block: Block) -> Any:
        own = block.codes == half.label
        margin = margins.of(block, d)
        clear = np.where(own, margin.min(axis=1), margin[:, half.label]) > NOISE
        return np.array([np.sum(clear & own), np.sum(clear & ~own), np.sum(own), np.sum(~own)])

    inside, outside, own, others = add_up_pieces(source, numbers, operator.add)
    return int(inside), int(outside), int(own), int(others)


def of_many(source: Source, found: Recession, columns: Sequence[str], ones: int) -> str:
    """What a direction does to the odds of more than two classes, in words."""
    used = [columns[j] for j in np.flatnonzero(found.moves[: source.n_columns].any(axis=1)).tolist()] or ["intercept"]
    margins = Margins(source, found.direction.shape[1] + 1, ones)
    d = found.direction * margins.scale

    def numbers(block: Block) -> Any:
        margin = margins.of(block, d)
        clear = ((margin > NOISE) & (margin < np.inf)).any(axis=1)
        return np.array([np.sum(clear), len(margin)])

    gain, rows = source.add_up(numbers)
    return (
        f"along a combination of {listing(used)} the right class gains on another without end in {int(gain):,} of "
        f"{count(int(rows), source)}, and loses to none in any"
    )
