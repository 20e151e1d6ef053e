"""Fits without a penalty, less what single columns carry off.

A level of a category that only ever occurs with one class has a weight that grows without end, and takes the loss of
its rows to zero; of several classes a level may lack but one, whose probability in its rows falls to zero. Newton's
steps follow such weights by about 1 each. But they are known beforehand (`separatrix.inference.lone`): what the
objective tends to is that of the rows without those classes, which an offset takes from them. So that is minimised,
which has a minimum where nothing else separates the classes, and then the weights are made so large that next to
nothing is left of what was set aside.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from separatrix.arrays import BoolArray, FloatArray
from separatrix.data.block import Block, Source
from separatrix.data.memory import MemorySource
from separatrix.data.subsets import picked, positions
from separatrix.engine.certificates.certificate import Certificate
from separatrix.engine.checkpoint import Checkpoint
from separatrix.engine.choose import meant
from separatrix.engine.fit import EPSILON, Fit, Options, fit_linear_model, rounded
from separatrix.engine.iterate import Step, ignore
from separatrix.engine.matrices.linear_algebra import LARGEST_CURVATURE
from separatrix.engine.objective import Objective
from separatrix.engine.sums import block_eta
from separatrix.equations.losses import ClassLoss, LogLoss, SoftmaxLoss
from separatrix.equations.penalties import ElasticNet
from separatrix.equations.reference import ReferenceLoss
from separatrix.inference.faces import joined
from separatrix.inference.lone import Lone, lone_columns
from separatrix.inference.margins import Margins, combined
from separatrix.inference.recession import Recession
from separatrix.inference.runs import add_up_pieces

FAR, LITTLE = 25.0, 0.01  # a margin that leaves next to nothing of a loss, 1e-11, or little of tol if that is less
UNEVEN = 1e3  # times as far beyond its threshold as another row, for rounding to leave digits enough
AWAY = np.int16(-3_000)  # an offset with which a class is as good as gone, in few bytes and of few digits of eta,
HELD = 1_000.0  # if the plane leaves so much of it
BYTES = AWAY.itemsize / 8  # of a cell
LOSSES = LogLoss, ReferenceLoss, SoftmaxLoss  # from whose rows a class can be taken


@dataclass(frozen=True)
class Aside:
    """Columns that carry a class off from rows, and those that do it in the rows where that leaves several classes, and
    so on, in `turns`; which classes of which rows are `gone`, (rows, K); weights, (P, K), for which the others make up
    in the rest, `idle`; coefficients of which others make up for some, `free` (P,); and whether it shows that what the
    columns move is all that can be moved without a loss, if no other weights of the rest make up for each other."""

    turns: tuple[Lone, ...]
    gone: BoolArray
    idle: BoolArray
    free: BoolArray
    all_of_it: bool

    def moves(self, centre: FloatArray) -> BoolArray:
        """Which coefficients the columns move, (P, K)."""
        ones = len(self.idle) - len(centre)
        return np.any([lone.moves(centre, self.gone.shape[1], ones) for lone in self.turns], axis=0)


def fit_aside(
    source: Source,
    loss: ClassLoss,
    penalty: ElasticNet,
    options: Options,
    start: tuple[FloatArray, FloatArray],
    watch: Callable[[Step], Any] = ignore,
    checkpoint: Checkpoint | None = None,
) -> tuple[Fit, Recession | None]:
    """As `separatrix.engine.fit.fit_linear_model`, without its warnings; and in which directions the likelihood never
    falls, if something was set aside and the rest proves to have one optimum. Nothing is from a checkpoint on."""
    asked = penalty.is_none and isinstance(loss, LOSSES) and meant(options.solver) == "auto" and checkpoint is None
    with source.working() as source:
        usual = partial(
            fit_linear_model, loss=loss, penalty=penalty, options=options, start=start, watch=watch, warn=False
        )
        K, ones = loss.classes(len(start[0])), int(options.fit_intercept)
        asked = asked and source.n_rows > source.n_columns  # of fewer rows mostly every one is carried off
        if not asked or not isinstance(source, MemorySource) or (aside := aside_of(source, K, ones)) is None:
            return usual(source, checkpoint=checkpoint), None
        outputs = len(start[0])
        rest, idle = replace(source, offset=offset_of(source, aside, outputs)), 1.0 * idle_of(aside, outputs)
        idle *= Objective(rest, loss, penalty, options.fit_intercept).diagonal_bound(idle)
        fit = usual(rest, idle=idle)
        far = max(FAR, -float(np.log(LITTLE * options.tol)))
        steps, held = steps_aside(source, aside, fit, far)
        whole = with_steps(source, aside, fit, steps, (K - 1) * float(np.exp(-far)))
        unproven = whole.certificate.gap > options.tol and idle.size <= LARGEST_CURVATURE
        if unproven or not held:  # as where some columns are combinations of others
            return usual(source), None
        errors = fit.certificate.coef_error
        known = aside.all_of_it and fit.finite and errors is not None and np.isfinite(errors).all()
        return whole, recession_along(source, aside, steps) if known else None


def aside_of(source: MemorySource, K: int, ones: int) -> Aside | None:
    """What is to be set aside; None where that is nothing, or takes much room, or leaves no rows or beside an
    intercept not every class."""
    p, turns, all_of_it = source.n_columns, [], True
    gone, idle, rows, rest = np.zeros((source.n_rows, K), bool), np.zeros((p + ones, K), bool), slice(None), source
    free = np.zeros(p + ones, bool)
    while True:
        lone = lone_columns(rest, K, ones)
        held = hold_constant(idle, free, lone, ones)
        all_of_it &= not (turns and held)
        lone = that_meet(lone, source.is_sparse, ones)
        if not len(lone) or not source.is_little(round(BYTES * gone.size)):
            break
        there = gone[rows]
        uneven, more, alone = carried_off(rest, lone, there)
        gone[rows] = there
        lone = lone.only(more)
        rows = positions(len(gone), lambda some: gone[some].sum(axis=1) < K - 1)
        # Without an intercept rows of one class may have a minimum too.
        enough = has_classes(picked(source.y, rows), K) if ones else len(rows) > 0
        if uneven or not has_classes(source.y, K) or not enough:
            return None
        if not len(lone):
            break
        if not turns:
            all_of_it &= not hold_full(idle, free, lone, ones)
        hold_lone(idle, lone, p)
        turns.append(lone)
        all_of_it &= alone
        rest = source.looked_up(rows)
    return Aside(tuple(turns), gone, idle, free, all_of_it) if turns else None


def that_meet(lone: Lone, is_sparse: bool, ones: int) -> Lone:
    """Those whose threshold other rows are on, of a sparse X where that is 0, as it is without an intercept."""
    if not ones:
        lone = replace(lone, low=0.0 * lone.low, high=0.0 * lone.high)
    return lone.only((lone.low == lone.high) & ((lone.low == 0) | (not is_sparse)))


def has_classes(y: Any, K: int) -> bool:
    """Whether there are all labels, and no shares of them."""
    return np.array_equal(np.unique(np.asarray(y)), np.arange(K))


def carried_off(source: MemorySource, lone: Lone, gone: BoolArray) -> tuple[bool, BoolArray, bool]:
    """Sets which classes of which rows such columns carry off, (rows, K). Says whether the farthest row of one is far
    farther beyond its threshold than the nearest; which of them do more than was known; and whether each has a row in
    which no other does anything."""
    columns, place = np.unique(lone.column, return_inverse=True)

    def reach(block: Block) -> tuple[FloatArray, BoolArray]:
        """Minus how far the nearest row is beyond each threshold, how far the farthest, and whether one is new; and of
        each column whether it has a row of its own."""
        row, which, beyond = lone.beyond(block)
        here, code, label = gone[block.rows], block.codes, lone.label[which]
        here[np.arange(len(here)), code] = True
        own = code[row] == label
        new = np.where(own, ~here[row].all(axis=1), ~here[row, label])
        here[row[own]] = True
        here[row, label] = True
        here[np.arange(len(here)), code] = False
        ends = np.full((3, len(lone)), -np.inf)
        for end, numbers in zip(ends, (-beyond, beyond, np.where(new, 1.0, -np.inf)), strict=True):
            np.maximum.at(end, which, numbers)
        row, column = np.divmod(np.unique(row.astype(np.int64) * len(columns) + place[which]), len(columns))
        alone = np.bincount(row, minlength=len(here))[row] == 1
        return ends, np.bincount(column[alone], minlength=len(columns)) > 0

    (near, far, new), alone = add_up_pieces(source, reach, lambda a, b: (np.maximum(a[0], b[0]), a[1] | b[1]))
    return bool((far > -UNEVEN * near).any()), new > 0, bool(alone.all())


def hold_constant(idle: BoolArray, free: BoolArray, lone: Lone, ones: int) -> bool:
    """Marks the weights of columns that are the same in all rows, for which the intercept makes up if there is one;
    and says whether there are new ones."""
    constant = np.append(lone.constant, np.full(ones, np.nan))
    zero, same = constant == 0, (constant != 0) & np.isfinite(constant) & (ones > 0)
    new = (zero & ~idle.all(axis=1)) | (same & ~idle[:, 1:].all(axis=1))
    idle[zero] = True
    idle[same, 1:] = True
    free |= new
    free[len(constant) - ones :] |= (same & new).any()
    return bool(new.any())


def hold_full(idle: BoolArray, free: BoolArray, lone: Lone, ones: int) -> bool:
    """Marks a weight, for each class but one, of each run that makes up for the intercept; whether there are any."""
    for run in lone.full.tolist():
        columns = lone.runs.of(run)
        for k in range(1, idle.shape[1]):
            idle[columns[~idle[columns, k]][:1], k] = True
        free[columns] = free[len(free) - ones :] = True
    return len(lone.full) > 0


def hold_lone(idle: BoolArray, lone: Lone, p: int) -> None:
    """Marks a weight for each finding: of a run that of a column which is needed for nothing else."""
    own, K = lone.column < p, idle.shape[1]
    idle[lone.column[own], lone.label[own]] = True
    for run, k in zip((lone.column[~own] - p).tolist(), lone.label[~own].tolist(), strict=True):
        columns = lone.runs.of(run)
        idle[columns[~idle[columns, k]][:1], k] = True
    weights = idle[:p]
    weights[weights.sum(axis=1) >= K - 1] = True  # where no row is left, the last class is not held by the others


def idle_of(aside: Aside, outputs: int) -> BoolArray:
    """The idle weights by columns of eta, (P, outputs). Where the first class has none, another's is idle instead of
    its."""
    idle, K = aside.idle, aside.idle.shape[1]
    if outputs == K:
        return idle
    others = idle[:, 1:].copy()
    some = np.flatnonzero(idle[:, 0] & ~idle.all(axis=1))
    others[some, others[some].argmin(axis=1)] = True
    return others


def offset_of(source: MemorySource, aside: Aside, outputs: int) -> Any:
    """The offset (rows, outputs) that takes from rows the classes that are gone."""
    away = AWAY * aside.gone
    away = away if outputs == away.shape[1] else away[:, 1:] - away[:, :1]
    return away if source.offset is None else away + source.offset


def steps_aside(
    source: MemorySource, aside: Aside, fit: Fit, far: float
) -> tuple[list[tuple[FloatArray, FloatArray]], bool]:
    """What is to be added to the weights (K, p) and intercepts (K,) of the rest for each turn, (1, p) and (1,) of two
    classes: so much that every margin that is gone is `far`, or more. And whether the plane of the rest leaves those
    classes where the offset has them."""
    outputs, (n, K), p = len(fit.intercepts), aside.gone.shape, source.n_columns
    theta = np.zeros((len(aside.idle), outputs))
    theta[:p] = fit.coefficients.T
    theta[p:] = fit.intercepts + source.centre @ theta[:p]
    some, steps = positions(n, lambda some: np.any(aside.gone[some], axis=1)), []
    rows = source.looked_up(some)

    def eta_of(block: Block) -> tuple[FloatArray, FloatArray]:
        """eta of all classes, and of the row's own."""
        eta = np.zeros((len(block.weight), K))
        eta[:, K - outputs :] = block_eta(block, theta)
        return eta, eta[np.arange(len(eta)), block.codes]

    def least(block: Block) -> float:
        eta, own = eta_of(block)
        margin = np.where(aside.gone[some[block.rows]], own[:, None] - eta, np.inf)
        return float(margin.min(initial=np.inf))

    held = add_up_pieces(rows, least, min) > HELD + float(AWAY)
    for lone in reversed(aside.turns):

        def longest(block: Block, lone: Lone = lone) -> FloatArray:
            row, which, beyond = lone.beyond(block)
            eta, own = eta_of(block)
            code, label, others = block.codes, lone.label[which], eta.copy()
            others[np.arange(len(eta)), code] = -np.inf
            against = np.where(code[row] == label, others.max(axis=1)[row], eta[row, label])
            lengths = np.ones(len(lone))
            np.maximum.at(lengths, which, (far - own[row] + against) / beyond)
            return lengths

        lengths = add_up_pieces(rows, longest, np.maximum)
        w, b = lone.steps(lengths, source.centre, K)
        if outputs < K:
            w, b = w[:, 1:] - w[:, :1], b[1:] - b[0]
        else:
            w, b = w - w.mean(axis=1, keepdims=True), b - b.mean()
        theta[:p] += w
        theta[p:] += b + source.centre @ w
        steps.append((w.T, b))
    return steps[::-1], held


def with_steps(
    source: MemorySource, aside: Aside, fit: Fit, steps: list[tuple[FloatArray, FloatArray]], left: float
) -> Fit:
    """The fit of all rows, of that of the rest and the steps, which leave no more loss of what was set aside than so
    much."""
    w, b = (np.sum(parts, axis=0) for parts in zip(*steps, strict=True))
    own, moves = fit.certificate, aside.moves(source.centre)
    error, probability = own.coef_error, own.probability_error
    if error is not None:
        error = np.where((aside.free | moves.any(axis=1))[:, None], np.inf, error)
    certificate = Certificate(
        own.gap + left,
        f"{own.method}, of what columns do not carry off",
        error,
        None if probability is None else max(probability, left),
    )
    moved = EPSILON * float(np.linalg.norm(np.abs(b) + np.abs(w) @ np.abs(source.centre)))
    rows = int(np.count_nonzero(aside.gone.any(axis=1)))
    why = f"{fit.trace.why}; in {rows:,} rows columns carry classes off by themselves, and are set aside"
    return replace(
        fit,
        coefficients=fit.coefficients + w,
        intercepts=fit.intercepts + b,
        trace=replace(fit.trace, why=why, passes=fit.trace.passes + 4 * len(steps)),
        certificate=rounded(certificate, LogLoss(), moved),
        finite=False,
        at=None,
    )


def recession_along(source: MemorySource, aside: Aside, steps: list[tuple[FloatArray, FloatArray]]) -> Recession | None:
    """The directions in which the likelihood never falls, which the steps span; None where no sum of several is found
    that rounding leaves among them."""
    (n, K), p = aside.gone.shape, source.n_columns
    ones = len(aside.idle) - p
    margins, moves, count = Margins(source, K, ones), aside.moves(source.centre), n * (K - 1)

    def direction(w: FloatArray, b: FloatArray) -> FloatArray:
        d = np.vstack([w.T, np.tile(b + w @ source.centre, (ones, 1))]) * margins.scale
        return combined(d if d.shape[1] < K else d[:, 1:] - d[:, :1])

    d = direction(*steps[0])
    for step in steps[1:]:
        both = joined(margins, d, direction(*step), margins.still_count(d) - 1)
        if both is None:
            return None
        d = both
    moves = moves[:, 1:] | moves[:, :1]
    return Recession(d / margins.scale, moves, count - int(np.count_nonzero(aside.gone)), count)
