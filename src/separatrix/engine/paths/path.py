"""Fits along a path of penalties, and over the rows of every fold: what the course finds, as arrays."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from separatrix.arrays import FloatArray, IntArray
from separatrix.data.memory import MemorySource
from separatrix.data.threads import one_blas_thread
from separatrix.engine.choose import products_pay
from separatrix.engine.fit import Options, of_usual_weight
from separatrix.engine.line_search import beyond_numbers
from separatrix.engine.paths.course import Course
from separatrix.engine.paths.groups import Members
from separatrix.engine.paths.leave_out import LeftOut, See, leave_one_out
from separatrix.engine.rowspace import Space, smallest_space
from separatrix.engine.solvers.proximal import centred_for
from separatrix.equations.losses import ClassLoss
from separatrix.equations.penalties import ElasticNet


@dataclass(frozen=True)
class Paths:
    """Fits for every C: coefficients (F, Cs, K, p) and intercepts (F, Cs, K), gaps and iterations (F, Cs).

    F is the number of folds and one: the first is the fit of all rows. `gaps` are the solver's estimates, per unit
    weight. `left_out(c, see)` leaves each row out of the fit of all with the C of that number, see `leave_one_out`: of
    all Cs, eta would be large.
    """

    coefficients: FloatArray
    intercepts: FloatArray
    gaps: FloatArray
    iterations: IntArray
    left_out: Callable[..., LeftOut]

    def of(self, c: int) -> "Paths":
        """The fits with the C of that number alone."""
        w, b = self.coefficients[:, [c]], self.intercepts[:, [c]]
        return Paths(w, b, self.gaps[:, [c]], self.iterations[:, [c]], lambda _, see=None: self.left_out(c, see))


@beyond_numbers
def fit_paths(
    source: MemorySource,
    loss: ClassLoss,
    K: int,
    penalty: ElasticNet,
    Cs: FloatArray,
    members: Members,
    options: Options,
) -> Paths:
    """Minimises C * sum(weight * loss) + penalty for each C, over all rows and over those of each fold.

    Parameters
    ----------
    K : columns of eta, as the loss wants them.
    penalty : that of C = 1, in the units of sum(weight * loss).
    Cs : (Cs,) in any order; inf is no penalty.
    members : which rows each fit is of, the first of all.
    """
    source, mean = of_usual_weight(source)
    Cs = Cs * mean
    order = np.argsort(Cs, kind="stable")
    with one_blas_thread(), centred_for(source, penalty, K, options.fit_intercept).working() as source:
        weakest = penalty.times(1.0 / (Cs.max() * source.weight.sum()))
        space = smallest_space(source, penalty, K, weakest) if np.isfinite(Cs).all() else Space(source, penalty)
        assert isinstance(space.source, MemorySource)
        rows, beside = replace(space.source, outputs=K), space.source.is_sparse and not source.is_sparse
        zeros = products_pay(rows, weakest, K)
        course = Course(rows, loss, K, space.penalty, options, members.take(space.order), zeros, beside)
        walk = [points for _, points in sorted(zip(order, course.walk(Cs[order]), strict=True))]
        theta, gaps, iterations = (
            np.array([[getattr(point, name) for point in points] for points in walk]).swapaxes(0, 1)
            for name in ("theta", "gap", "iterations")
        )
        w, b = np.split(theta, [space.source.n_columns], axis=2)
        side_by_side = w.transpose(2, 0, 1, 3).reshape(w.shape[2], -1)
        coefficients = space.back(side_by_side).T.reshape(*w.shape[:2], K, source.n_columns)
        whole = [points[0].theta.copy() for points in walk]  # which holds none of the folds'
    of_all_rows = replace(course, source=replace(course.source, pool=None))

    def left_out(c: int, see: See | None = None) -> LeftOut:
        with one_blas_thread(), of_all_rows.source.working() as again:
            objective = replace(of_all_rows, source=again).objective(0, float(Cs[c]))
            found = leave_one_out(objective, whole[c], options, see if space.order is ... else None)
        if space.order is ...:
            return found
        eta = np.empty_like(found.eta)
        eta[space.order] = found.eta
        return LeftOut(eta, found.untrue)

    intercepts, flat = b.sum(axis=2) - coefficients @ source.centre, loss.flat(K)
    intercepts -= intercepts @ flat @ flat.T  # what all classes have in common tells none of them
    return Paths(coefficients, intercepts, gaps, iterations, left_out)
