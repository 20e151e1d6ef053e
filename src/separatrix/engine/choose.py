"""The shape of the problem decides the solver, and says why in words that reach the trace.

docs/solvers.md has the table of all names, scikit-learn's among them. Every solver reaches the same optimum.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from separatrix.arguments import shown
from separatrix.arrays import FloatArray
from separatrix.data.block import Source
from separatrix.data.column_traits import share_of_entries
from separatrix.data.memory import MemorySource
from separatrix.engine.iterate import UNTIL_THE_END, Aim, Solver
from separatrix.engine.matrices.linear_algebra import LARGEST_CURVATURE
from separatrix.engine.matrices.room import HELD_AT_ONCE, memory_at_hand
from separatrix.engine.objective import Objective
from separatrix.engine.solvers.gradient_descent import gradient_descent
from separatrix.engine.solvers.multipliers import truncated_newton
from separatrix.engine.solvers.newton import newton
from separatrix.engine.solvers.proximal import proximal_newton
from separatrix.engine.solvers.quasi_newton import quasi_newton
from separatrix.equations.hyperplane import is_hardly_sparse
from separatrix.equations.penalties import ElasticNet
from separatrix.errors import ArgumentError, listing

CHEAP = 1_500_000  # rows * coefficients of a class * of all, whose curvature costs less than what surrounds it
LARGEST_ASKED_FOR = 10_000  # coefficients: their curvature takes 0.8 GB
# Of it at the peak: the one before and its factor, the sum of the new one, its mean, scaled, and its factor; and for
# each thread while it adds, its sum, that of a block, and both.
COPIES, COPIES_OF_A_THREAD = 6, 3
LARGEST_CURVATURE_OF_CLASSES = 1_000  # each pair of classes costs a product of its own
LARGEST_DENSE_CURVATURE_OF_CLASSES = 600  # of rows in memory, where products cost less than a pass over files
LARGEST_DENSE_CURVATURE = 400  # of two classes in memory; real columns, fewer, would cost products many times as much
LARGEST_CURVATURE_OF_ZEROS = 200  # where X is sparse, and every weight has an L2 penalty,
FULL_ROWS = 15  # and its rows have no more entries, which meet in pairs in a curvature;
PAIRS_OF_AN_ENTRY = 700  # or, if it is hardly sparse, for each no more pairs of columns: BLAS does those as fast
WEAK = 5e-5  # of a row, for C of 20,000: from weaker penalties conjugate gradients leave 1e-6 of a coefficient and more
FEW_COLUMNS = 500  # of a dense X: its zeros cost less than to look for them
MOSTLY_ZERO = 0.15  # an entry of a sparse X takes the time of about six of a dense one
ENTRY, FEW_ENTRIES = 12, 2**20  # bytes of one and its place, beside a dense X; as many as take no more than blocks do
LOOSE = 1e-6  # a gap that is asked for to save a pass

SOLVERS: dict[str, Callable[..., Solver]] = {
    "newton": partial(newton, otherwise=truncated_newton),
    "quasi-newton": partial(quasi_newton, otherwise=truncated_newton),
    "conjugate-gradient": truncated_newton,
    "gradient-descent": gradient_descent,
    "proximal-newton": proximal_newton,
}
SYNONYMS = {
    "newton-cholesky": "newton",
    "newton-cg": "conjugate-gradient",
    "lbfgs": "auto",
    "liblinear": "auto",
    "sag": "auto",
    "saga": "auto",
}


@dataclass(frozen=True)
class Choice:
    """A solver, its name, and the reason for it."""

    name: str
    why: str

    def solver(
        self, objective: Objective, theta: FloatArray, metric: FloatArray | None = None, aim: Aim = UNTIL_THE_END
    ) -> Solver:
        """The generator of iterates, started; `metric` is a curvature near the objective's own, where one is known."""
        given = [metric, aim] if self.takes_metric else [aim] if self.name == "conjugate-gradient" else []
        return SOLVERS[self.name](objective, theta, *given)

    @property
    def takes_metric(self) -> bool:
        """Whether the solver can start from a curvature of its problem that is about right."""
        return self.name in ("quasi-newton", "proximal-newton")

    @property
    def starts_small(self) -> bool:
        """Whether it is worth a start on a sample of the rows: gradient descent is for looking on, from zero."""
        return self.name != "gradient-descent"

    def target(self, tol: float, classes: int) -> float:
        """The estimated gap to reach for a gap of tol. Each of Newton's steps squares it, so one or two more passes buy
        tol^2.5, and with it coefficients of unit size that agree to 1e-9 however the rows came; of its truncated steps
        one buys a hundredth of tol^2, which coefficients under a weak penalty ask for. Who asks for a loose gap asks
        for few passes, and who asks for one between for some; but for several columns of eta it is the certificate that
        costs, and one more pass makes sure that one is enough."""
        loose = tol >= LOOSE and classes == 1
        if self.name == "conjugate-gradient":
            return tol if tol >= LOOSE else max(LOOSE * (tol / LOOSE) ** 6, 0.01 * tol**2)
        squares = self.name in ("newton", "quasi-newton", "proximal-newton")
        return min(0.01 * tol, tol if loose else tol**2.5) if squares else tol


def products_pay(source: Source, penalty: ElasticNet, classes: int) -> bool:
    """Whether products with X without its zeros cost less than curvatures: of a sparse X with many columns or entries,
    or a dense one that so leaves little; and every weight is held by the penalty."""
    if not isinstance(source, MemorySource) or not source.n_columns:
        return False
    if source.centre.any() and not source.is_sparse:  # it would fill what is zero
        return False
    if penalty.has_l1 or float(penalty.l2.min()) * float(source.weight.sum()) < WEAK:
        return False
    if source.is_sparse and is_hardly_sparse(source.X):
        dear = source.n_columns**2 * source.n_rows > PAIRS_OF_AN_ENTRY * source.X.nnz
        return dear or (classes > 1 and source.n_columns * classes > LARGEST_DENSE_CURVATURE_OF_CLASSES)
    if source.is_sparse:
        many = source.n_columns * classes > LARGEST_CURVATURE_OF_ZEROS
        return many or source.X.nnz > FULL_ROWS * source.n_rows
    if source.n_columns <= FEW_COLUMNS:
        return False
    share = share_of_entries(source.X)
    fits = share * source.n_columns * source.n_rows <= max(FEW_ENTRIES, source.room * source.n_rows / ENTRY)
    return share <= MOSTLY_ZERO and fits


def meant(solver: object) -> str:
    """The name here of a solver that has one elsewhere; "" of what is no name."""
    return SYNONYMS.get(solver, solver) if isinstance(solver, str) else ""


def choice_for(solver: str, source: Source, coefficients: int, classes: int, l1: bool, zeros: bool) -> Choice:
    """As `choose`, of a problem over these rows."""
    return choose(
        solver,
        coefficients,
        classes,
        l1=l1,
        zeros=zeros,
        rows=source.n_rows,
        dense=isinstance(source, MemorySource) and not source.is_sparse,
        threads=source.n_threads,
        kept=source.n_rows * source.room,
    )


def choose(
    solver: str,
    coefficients: int,
    classes: int,
    l1: bool = False,
    zeros: bool = False,
    rows: float = np.inf,
    dense: bool = False,
    threads: int = 1,
    kept: float = np.inf,
    room: Callable[[], float] = memory_at_hand,
) -> Choice:
    """The solver for a problem of so many coefficients (intercept included) for each of so many columns of eta, and so
    many rows; `zeros` says that `products_pay`, `dense` that the rows are in memory, with their zeros, beside which so
    many bytes may be `kept`, and `room` how many there are for what so many `threads` add up.

    Raises ArgumentError for a name that is no solver, or of one that does not know the L1 part of the penalty.

    >>> choose("auto", 31, 1)
    Choice(name='quasi-newton', why='the curvature of 31 coefficients is a small matrix')
    """
    name = meant(solver)
    if l1 and name in SOLVERS and name != "proximal-newton":
        raise ArgumentError(f"solver={solver!r} cannot minimise an L1 penalty. Use 'auto' or 'proximal-newton'.")
    size = coefficients * classes
    if name in ("newton", "quasi-newton") and size > LARGEST_CURVATURE:
        each, free = 8e-9 * size**2, 1e-9 * room()
        held = (COPIES + COPIES_OF_A_THREAD * threads) * each
        takes = f"solver={solver!r} was asked for, but a curvature of {size:,} coefficients would take "
        if size > LARGEST_ASKED_FOR:
            return Choice("conjugate-gradient", f"{takes}{each:,.1f} GB")
        if held > free:
            why = f"{takes}{held:,.1f} GB with its factors, and {free:,.1f} GB are free"
            return Choice("conjugate-gradient", why)
    if name in SOLVERS:
        return Choice(name, f"solver={solver!r} was asked for")
    if name != "auto":
        known = listing(["auto", *SOLVERS, *SYNONYMS], most=20)
        raise ArgumentError(f"solver={shown(solver)} is no solver. Use one of: {known}.")
    if l1:
        return Choice("proximal-newton", "an L1 penalty has no derivative where a weight is zero")
    cheap = rows * coefficients * size <= CHEAP
    if zeros and not (cheap and size <= LARGEST_CURVATURE_OF_ZEROS):
        why = f"products with a sparse X cost less than the curvature of {size:,} coefficients"
        return Choice("conjugate-gradient", why)
    if cheap:
        return Choice("newton", f"the curvature of {size:,} coefficients over {rows:,} rows costs next to nothing")
    if dense and size > (LARGEST_DENSE_CURVATURE if classes == 1 else LARGEST_DENSE_CURVATURE_OF_CLASSES):
        return Choice("conjugate-gradient", f"products with X cost less than the curvature of {size:,} coefficients")
    if classes > 1 and dense and HELD_AT_ONCE * size**2 > kept:
        return Choice("conjugate-gradient", f"the curvature of {size:,} coefficients would take much beside X")
    if size <= (LARGEST_CURVATURE if classes == 1 else LARGEST_CURVATURE_OF_CLASSES):
        return Choice("quasi-newton", f"the curvature of {size:,} coefficients is a small matrix")
    return Choice("conjugate-gradient", f"the curvature of {size:,} coefficients is too large to build")
