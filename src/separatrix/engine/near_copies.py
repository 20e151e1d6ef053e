r"""Where columns all but repeat each other, and along their differences a curvature H holds little but rounding.

Rows that are never squared keep their digits: H z = X'B(X z) is exact to rounding over how much z bends, not over its
square. So H is taken apart. Scaled to a unit diagonal it is held at 1 along the directions Z in which it is next to
nothing, M = H + Z Z', and there it is made anew. Once Z is turned so that H Z has no part elsewhere, by z less
M^-1 (I - Z Z') H z, and with z'Hz = s^2,

    H^-1 = M^-1 + U U',        U = Z / s

(the inverse by blocks; Horn and Johnson 2013, section 0.7.3). Where some cross part c is left, H is at least 1 - c of
that. Along a z that moves no row by more than the rounding of X, as where columns repeat each other exactly, F is flat.
Where rows move, and no bend is seen, as where they run off, F can fall by their loss at most.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
from scipy.linalg import LinAlgError, eigh, eigh_tridiagonal, get_blas_funcs, get_lapack_funcs

from separatrix.arrays import BoolArray, FloatArray, IntArray
from separatrix.data.block import Block
from separatrix.engine.matrices.linear_algebra import Linear, factor_positive, solve_factored
from separatrix.engine.objective import Evaluation, Objective
from separatrix.engine.sums import block_eta, block_plane
from separatrix.equations.hyperplane import pieces, product
from separatrix.equations.losses import ClassLoss

(dger,) = get_blas_funcs(("ger",), dtype=np.float64)
sytrd, sytrd_lwork = get_lapack_funcs(("sytrd", "sytrd_lwork"), dtype=np.float64)
MANY_STEPS = 10  # of a solver, after which a curvature that may be rounding is looked into
CURVATURE_SEEN = 1e-15  # less (a column), where columns have a curvature of 1, may be rounding,
CURVATURE_SURE = 1e-12  # and of more no more than a thousandth is
BEND_SEEN = 8.0 * float(np.finfo(float).eps)  # the root (a root of a column) of what a z that does not bend may show
MOVED = 1e-12  # of a row, beside the largest of its parts: less may be the rounding of X, and of z
MOVED_WITH_OTHERS = 3e-13  # the same where another row moves more: the columns do not repeat each other then
LOSS_SEEN = 1e-12  # beside F: less is no loss to run off from, and that much more may be bounded
MOST_TURNS, CROSS = 6, 1e-3
SLOPE_SEEN = 3e-14  # less, where columns have a curvature of 1, may be rounding
RUN_OFF = 1e-5  # of the unit of a column: less is left of it where its rows run off
GROWN = 10.0  # times as long: directions that turns do not bring nearer
PART_SEEN = 1e-14  # of a column in a sum, beside the largest part of a row: less may be rounding,
FLAT_SEEN = 1e-12  # and as much of a direction that turns have brought where it is
MOST_REFINEMENTS = 3  # of sums of columns, each of which leaves at most 1e-5 of what there was
FEW = 64  # sums, or rows, at a time


class Apart(NamedTuple):
    """H^-1 = M^-1 + U U': an evaluation with M, `held`; U, `beyond` (P K, m); the directions (P K, ..) along which
    F is flat but for next to nothing, `flat`, in units of a curvature of 1; that, `loss`; and how steep F can be there,
    `slopes`."""

    held: Evaluation
    beyond: FloatArray
    flat: FloatArray
    loss: float = 0.0
    slopes: FloatArray | float = 0.0

    def free(self, objective: Objective, unit: FloatArray) -> BoolArray:
        """Which coefficients (P, K) of such a unit flat directions move: nothing holds them."""
        flat = self.flat.reshape(*unit.shape, -1)
        return np.any(moved_by(objective, flat / unit[:, :, None], unit[:, :, None], FLAT_SEEN), axis=2)


def smallest_directions(H: FloatArray, unit: FloatArray, most: float = CURVATURE_SURE) -> FloatArray:
    """The directions (n, m) in which H, with a diagonal of unit^2, scaled to one of 1, is at most so much a column; H
    is used up: its reflections to three diagonals take its place (Golub and Van Loan 2013, section 8.3.1)."""
    n = len(H)
    H /= unit[:, None]
    H /= unit
    reflections, diagonal, beside, strengths, _ = sytrd(H.T, lower=True, lwork=int(sytrd_lwork(n)[0]), overwrite_a=True)
    least = {"select": "v", "select_range": (-2.0, most * n)}
    try:
        Z = eigh_tridiagonal(diagonal, beside, **least)[1]
    except LinAlgError:  # of many that are about as small it may miss one; this one, which takes as much as H, does not
        Z = eigh_tridiagonal(diagonal, beside, **least, lapack_driver="stemr")[1]
    for i in reversed(range(n - 1)):
        reflections[i + 1, i] = 1.0
        v = reflections[i + 1 :, i]
        Z[i + 1 :] -= np.multiply.outer(strengths[i] * v, v @ Z[i + 1 :])
    return Z


def taken_apart(objective: Objective, at: Evaluation, Z: FloatArray, unit: FloatArray, bent: bool) -> Apart | None:
    """The curvature at a point, with a diagonal of unit^2, taken apart, in some passes, from its `smallest_directions`.
    None if those could not be turned, or if along them nothing bends and only what is `bent` is asked for."""
    if not Z.size:
        return Apart(at, Z, Z)
    n, unit, start = len(unit), unit[:, None], Z
    Z = unit * np.column_stack([objective.canonical(z.reshape(at.theta.shape)).ravel() for z in (Z / unit).T])
    factor = None
    for turn in range(MOST_TURNS):
        G = curvature_along(objective, at, Z / unit) / unit
        s, V = eigh(0.5 * (Z.T @ G + G.T @ Z))
        bends = s > BEND_SEEN**2 * n
        if bent and not bends.any():
            return None
        if factor is None:
            factor = factor_positive(held(objective, at, unit * start).curvature, spare=True)
        C = G - start @ (start.T @ G)
        Y = unit * np.column_stack([solve_factored(factor, c) for c in (unit * C).T])
        losses, slopes = losses_of_moved(objective, at, Z @ V / unit) if turn else np.full((2, len(s)), np.inf)
        bends &= losses > LOSS_SEEN * at.value
        U = V[:, bends] / np.sqrt(s[bends])
        c = float(np.linalg.norm(U.T @ (C.T @ Y) @ U)) ** 0.5
        if turn and c <= CROSS:
            del factor  # which takes as much room as M
            M = held(objective, at, unit * start, 1.0 - c) if U.size or bent else at
            flat = Z @ V[:, ~bends], float(losses[~bends].sum()), slopes[~bends]
            return Apart(M, Z @ U / unit / (1.0 - c) ** 0.5, *flat)
        Z = Z - (Y - start @ (start.T @ Y))
        if np.linalg.norm(Z) > GROWN * np.linalg.norm(start):
            return None
    return None


def held(objective: Objective, at: Evaluation, directions: FloatArray, share: float = 1.0) -> Evaluation:
    """An evaluation with such a share of the curvature and Z Z', for directions Z (P K, m). One pass."""
    M = objective.evaluate(at.theta, order=2)
    for z in directions.T:
        dger(1.0, z, z, a=M.curvature.T, overwrite_a=True)
    np.multiply(M.curvature, share, out=M.curvature)
    return M


def unit_of_rows(objective: Objective, at: Evaluation, unit: FloatArray, size: float) -> FloatArray | None:
    """The most that the units of columns, (P K,), can be, if next to it there is next to no curvature in a column or
    along another direction, as where all the rows of a level run off, and nothing is penalised; one pass at most.
    `size` is the root of the norm of the inverse of H / unit unit'."""
    if not objective.penalty.is_none:
        return None
    if unit.min() > RUN_OFF * unit.max() and size * RUN_OFF < 1.0:
        return None
    wide = np.repeat(np.sqrt(objective.diagonal_bound(at.theta)), at.theta.shape[1])
    return wide if size * RUN_OFF > 1.0 or np.any(unit < RUN_OFF * wide) else None


def falls(slope: FloatArray, directions: FloatArray, known: FloatArray | float = 0.0) -> bool:
    """Whether a slope, but for what is `known`, shows along any direction, where columns have a curvature of 1."""
    return bool(np.any(np.abs(slope @ directions) > SLOPE_SEEN * np.linalg.norm(directions, axis=0) + known))


def losses_of_moved(objective: Objective, at: Evaluation, directions: FloatArray) -> FloatArray:
    """How far F can fall, at most, along each of the directions (P K, m) in which it all but does not bend, and how
    steep it can be there, (2, m). Three passes.

    A row that moves by no more than the rounding of X keeps its loss; where another row moves more than that, by no
    more than that of z. And no loss is below zero, nor the penalty, nor is one of classes steeper than it is
    large. Of several classes those that move with the row's own keep their odds: all that the others can bring is -log
    of the probability of these.
    """
    loss, (K, m) = objective.loss, (at.theta.shape[1], directions.shape[1])
    most = objective.add_up(partial(parts_of, objective, directions=directions), np.maximum)
    far = objective.add_up(partial(farthest_of, objective, directions=directions), np.maximum)
    rounding = np.where(far > MOVED * most, MOVED_WITH_OTHERS, MOVED) * most

    def at_most(block: Block) -> FloatArray:
        moves, eta = moves_of(objective, block, directions), block_eta(block, at.theta)
        if K == 1 or not isinstance(loss, ClassLoss):
            apart = np.abs(moves)
            value = loss.value(block.y, eta)
            falls = np.any(apart > rounding, axis=1) * (value if value.ndim == 1 else value.sum(axis=1))[:, None]
        else:
            if loss.classes(K) > K:
                moves = np.concatenate([np.zeros((len(moves), 1, m)), moves], axis=1)
            apart = np.abs(moves - np.take_along_axis(moves, block.y[:, None, None], axis=1))
            share = np.einsum("ik,ikm->im", loss.probabilities(eta), apart > 2.0 * rounding)
            with np.errstate(divide="ignore"):  # where nothing of a row's probability stays, no bound is known
                falls = -np.log1p(-np.minimum(share, 1.0))
            falls[block.weight == 0] = 0.0  # times which no bound is no number
        return np.array([block.weight @ falls, block.weight @ (falls * apart.max(axis=1))])

    most = objective.add_up(at_most) / at.weight
    most[0] += at.value - at.loss
    return most


def moves_of(objective: Objective, block: Block, directions: FloatArray) -> FloatArray:
    """How far each of the directions (P K, m) moves the eta of each row, (rows, K, m)."""
    steps = directions.reshape(objective.source.n_columns + int(objective.fit_intercept), -1)
    m = directions.shape[1]
    return block_plane(block, steps).reshape(len(block.weight), steps.shape[1] // m, m)  # also of a block without rows


def farthest_of(objective: Objective, block: Block, directions: FloatArray) -> FloatArray:
    """How far each of them moves any eta, at most, (m,)."""
    return np.abs(moves_of(objective, block, directions)).max(axis=(0, 1), initial=0.0)


def parts_of(objective: Objective, block: Block, directions: FloatArray) -> FloatArray:
    """The most that the parts of such a move come to, of any row, (m,)."""
    p, m = objective.source.n_columns, directions.shape[1]
    steps, most = np.abs(directions).reshape(p + int(objective.fit_intercept), -1), np.zeros(m)
    for some in pieces(len(block.weight), p, least=FEW):  # beside which a copy of the block is large
        parts = product(abs(block.X[some]), steps[:p]) + steps[p:].sum(axis=0)
        np.maximum(most, parts.reshape(len(parts), -1, m).max(axis=(0, 1)), out=most)
    return most


def columns_of_sums(
    objective: Objective, chosen: IntArray, weight: Callable[[Block], FloatArray], near: Linear, unit: FloatArray
) -> tuple[BoolArray, FloatArray] | None:
    """Which columns (of P, the intercept last, as X was given) have a part in a sum, if the chosen ones are sums of the
    others but for the rounding of X: no other weight can change at no loss; and how far each is from its sum in any
    row. None if they are not sums. Some passes; `near` solves with about mean(weight x x') of the others, and `unit`
    (P,) is the root of its diagonal."""
    P, part, off_by = len(unit), np.zeros(len(unit), dtype=bool), np.zeros(len(chosen))

    def pull(block: Block, plane: FloatArray) -> tuple[float, FloatArray]:
        return 0.0, weight(block)[:, None] * plane

    for some in pieces(len(chosen), P, least=FEW):
        left = np.zeros((P, len(chosen[some])))
        left[chosen[some], np.arange(left.shape[1])] = 1.0
        for _ in range(MOST_REFINEMENTS):
            off = objective.through_rows(left, pull)
            off.gradient[chosen] = 0.0
            left -= near(off.gradient / off.weight)
            most = objective.add_up(partial(parts_of, objective, directions=left), np.maximum)
            off_by[some] = objective.add_up(partial(farthest_of, objective, directions=left), np.maximum)
            if np.all(off_by[some] <= MOVED * most):
                break
        else:
            return None
        part |= moved_by(objective, left, unit[:, None], PART_SEEN * most).any(axis=1)
    return part, off_by


def moved_by(objective: Objective, steps: FloatArray, unit: FloatArray, least: FloatArray | float) -> BoolArray:
    """Which coefficients (P, .., steps), the intercept as X was given, are moved by steps, each by more than the
    `least` number of its units."""
    given, p = steps.copy(), objective.source.n_columns
    given[p:] -= np.tensordot(objective.source.centre, steps[:p], axes=1)
    return np.abs(given) * unit > least


def curvature_along(objective: Objective, at: Evaluation, directions: FloatArray) -> FloatArray:
    """The curvature times each of the directions, both (P K, m), in one pass."""
    (P, K), m = at.theta.shape, directions.shape[1]
    steps = directions.reshape(P, K * m)

    def along_rows(block: Block, planes: FloatArray) -> tuple[float, FloatArray]:
        state, planes = objective.state_of(at, block), planes.reshape(-1, K, m)
        each = [objective.loss.curvature_times(state, planes[:, :, i]) for i in range(m)]
        return 0.0, (block.weight[:, None, None] * np.stack(each, axis=2)).reshape(-1, K * m)

    sums = objective.through_rows(steps, along_rows)
    result = sums.gradient / sums.weight
    objective.penalty.add_gradient(steps[: objective.source.n_columns], result)  # as its smooth part is a quadratic
    return result.reshape(directions.shape)
