"""What the functions of a formula that remember, such as `bs` and `scale`, are to remember of rows that are read.

In memory formulaic learns knots, means and polynomials from all rows at once. Here the argument of such a function is
added up over batches, wherever they are: to moments, to the triangle of its powers, and to the numbers around each
quantile, which a sample tells roughly and one reading then tells exactly.
"""

import inspect
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import reduce, wraps
from typing import Any

import numpy as np
from scipy.linalg import solve_triangular

from separatrix.arrays import FloatArray, IntArray
from separatrix.data.reading.dataset import Dataset
from separatrix.data.streams.learn import AddUp, complete_rows
from separatrix.data.tables.cells import Numbered, Table, cells_of, each_of
from separatrix.data.tables.counts import Moments, merged
from separatrix.engine.matrices.triangle import triangle
from separatrix.errors import ArgumentError, SeparatrixError
from separatrix.regression.design import DEPENDENT
from separatrix.regression.factors import names_in, widened, words_of
from separatrix.regression.formulas import with_scope
from separatrix.regression.frame_rows import frame_of
from separatrix.regression.written import parse, plain

SPLINES, SCALES = ("bs", "cr", "cs", "cc"), ("scale", "center", "standardize")
REMEMBER = (*SPLINES, *SCALES, "poly")
WIDTHS = (6.0, 24.0, np.inf)  # standard errors of the sample's quantile on each side of it, until all rows' is within
MOST_VALUES = 2**22  # that are kept around a quantile, of 16 bytes each
EVERYWHERE = np.array([[-np.inf, np.inf]])

State = dict[str, Any]


class Asked(Exception):
    """A function of a formula that has nothing to remember yet: its `name`, what it was `given` and of which values,
    and the state of formulaic that it is to fill."""

    def __init__(self, name: str, function: Any, values: Any, given: State, state: State) -> None:
        super().__init__(name)
        self.name, self.function, self.given, self.state = name, function, given, state
        try:
            self.values = np.asarray(values, dtype=np.float64)
        except (TypeError, ValueError):
            self.values = np.empty((0, 0))
        if self.values.ndim != 1:
            raise ArgumentError(f"{name}(...) of rows that are read is of one column of numbers: give it one.")
        self.values = self.values[np.isfinite(self.values)]


@contextmanager
def computing() -> Iterator[None]:
    """What a function of the formula cannot compute is an ArgumentError."""
    try:
        yield
    except (Asked, SeparatrixError):
        raise
    except Exception as error:  # of formulaic, or of a function of the caller's, whose own lines are worth seeing
        raise ArgumentError(f"the formula cannot be computed: {plain(error)}") from error


def asking(name: str, function: Any) -> Any:
    """A function of formulaic that raises Asked where it has nothing to remember."""
    signature = inspect.signature(function)

    @wraps(function)
    def ask(data: Any, *args: Any, _state: Any = None, **kwargs: Any) -> Any:
        own = {key: kwargs.pop(key, None) for key in ("_metadata", "_spec", "_context")}
        if _state or kwargs.get("raw"):
            return function(data, *args, _state=_state, **own, **kwargs)
        bound = signature.bind(data, *args, **kwargs)
        given = dict(list(bound.arguments.items())[1:])
        raise Asked(name, function, data, given, _state)

    return ask


@dataclass(frozen=True)
class Values:
    """Different numbers and how often each is there, in parts; None once they are too many."""

    parts: tuple[tuple[FloatArray, IntArray], ...] | None = ()

    @classmethod
    def of(cls, values: FloatArray) -> "Values":
        return cls((np.unique(values, return_counts=True),)).few()

    def __add__(self, other: "Values") -> "Values":
        if self.parts is None or other.parts is None:
            return Values(None)
        parts = (*self.parts, *other.parts)
        if sum(len(values) for values, _ in parts[1:]) < len(parts[0][0]):  # merged once they have doubled
            return Values(parts)
        return Values((Values(parts).whole(),)).few()

    def few(self) -> "Values":
        """These values, or None for their parts if they are too many."""
        return Values(None) if self.parts and sum(len(values) for values, _ in self.parts) > MOST_VALUES else self

    def whole(self) -> tuple[FloatArray, IntArray]:
        """The numbers in order, each once, and their counts."""
        values, counts = (np.concatenate(each) for each in zip(*(self.parts or ()), strict=True))
        values, place = np.unique(values, return_inverse=True)
        return values, np.bincount(place, counts, len(values)).astype(np.int64)


@dataclass(frozen=True)
class Sums:
    """Of the argument of a function: its moments, R of its powers, how many values are between bounds, how many of
    them below each interval, (k,), and those within each."""

    moments: Moments
    powers: FloatArray
    number: int
    below: IntArray
    within: tuple[Values, ...]

    def __add__(self, other: "Sums") -> "Sums":
        return Sums(
            self.moments + other.moments,
            triangle(np.vstack([self.powers, other.powers])),
            self.number + other.number,
            self.below + other.below,
            tuple(one + two for one, two in zip(self.within, other.within, strict=True)),
        )


@dataclass(frozen=True)
class Plan:
    """What to add up for a function: powers up to a `degree` of (x - shift) / extent, and values within `intervals`,
    (k, 2), one for each of the `quantiles`; of values between `bounds` alone."""

    name: str
    given: State
    degree: int = 0
    shift: float = 0.0
    extent: float = 1.0
    bounds: tuple[float, float] = (-np.inf, np.inf)
    quantiles: FloatArray = field(default_factory=lambda: np.empty(0))
    intervals: FloatArray = field(default_factory=lambda: np.empty((0, 2)))

    def of(self, values: FloatArray) -> Sums:
        """The sums of some values, (n,)."""
        powers = np.vander((values - self.shift) / self.extent, self.degree + 1, increasing=True)
        powers = np.vstack([powers, np.zeros((self.degree + 1, self.degree + 1))])  # lest there be fewer rows
        among = values[(values >= self.bounds[0]) & (values <= self.bounds[1])]
        within = (Values.of(among[(among >= low) & (among <= high)]) for low, high in self.intervals)
        below = np.array([np.count_nonzero(among < low) for low in self.intervals[:, 0]], dtype=np.int64)
        return Sums(Moments.of(values), triangle(powers), len(among), below, tuple(within))

    def state(self, asked: Asked, sums: Sums) -> State | None:
        """What the function is to remember of all values; None where an interval has not its quantile."""
        if any(values.parts is None for values in sums.within):
            raise ArgumentError(
                f"{self.name}(...) has its knots at quantiles of more than {MOST_VALUES:,} different values, too many "
                f"to keep: give knots=[...]{'' if self.name == 'bs' else ', or use bs(...)'}."
            )
        if self.name in SCALES:
            return scale_state(sums.moments, self.name, **self.given)
        if self.name == "poly":
            return self.poly_state(sums)
        return self.bs_state(asked, sums) if self.name == "bs" else cubic_state(asked, sums.within[0])

    def poly_state(self, sums: Sums) -> State:
        """The three-term recurrence of polynomials that are orthogonal on the values: R of their powers has it."""
        R, d = sums.powers, self.degree
        if (np.abs(np.diag(R)) <= DEPENDENT * np.linalg.norm(R, axis=0)).any():
            raise ArgumentError(f"poly(...) of degree {d} needs more than {d} different values.")
        # t Q = Q J, and R has each power of t by its columns: J = R[:, 1:] R[:, :d]^-1.
        J = solve_triangular(R[:d, :d].T, R[:d, 1:].T, lower=True).T
        alpha = self.shift + self.extent * np.diag(J)
        norms = [float(R[k, k] ** 2 * self.extent ** (2 * k)) for k in range(d + 1)]
        return {"alpha": dict(enumerate(alpha.tolist())), "norms2": dict(enumerate(norms))}

    def bs_state(self, asked: Asked, sums: Sums) -> State | None:
        """Knots at the quantiles, and the ends."""
        found = zip(self.quantiles, sums.below.tolist(), sums.within, strict=True)
        knots = [quantile(values, below, float(q), sums.number) for q, below, values in found]
        if None in knots:
            return None
        state: State = {}
        given = self.given | ({"df": None, "knots": knots} if knots else {})
        asked.function(np.array([sums.moments.low, sums.moments.high]), **given, _state=state)
        return state


def scale_state(
    moments: Moments, name: str, center: Any = True, scale: Any = True, ddof: float | None = None, rescale: Any = None
) -> State:
    """What `scale` remembers, and with it `center` and `standardize`, which calls it."""
    scale = name != "center" and (scale if rescale is None else rescale)
    ddof = (0 if name == "standardize" else 1) if ddof is None else ddof
    middle = (moments.mean if center else None) if isinstance(center, bool) else np.array(center)
    squares = moments.squares + moments.count * (moments.mean - (0.0 if middle is None else middle)) ** 2
    spread = np.sqrt(squares / (moments.count - ddof)) if scale is True else None if scale is False else np.array(scale)
    return {"ddof": ddof, "center": middle, "scale": spread}


def cubic_state(asked: Asked, within: Values) -> State:
    """What a cubic spline remembers: its knots are quantiles of the different values, and what it may be centred by is
    the mean over the rows."""
    values, counts = within.whole()
    state: State = {}
    given = asked.given
    if given.get("constraints") == "center":
        free = given | {"constraints": None, "df": None}
        knots = given.get("knots")
        if knots is None:
            asked.function(values, **given, _state=(learned := {}))
            knots = learned["knots"][1:-1]
        columns = asked.function(values, **free | {"knots": knots}, _state={})
        matrix = np.column_stack([columns[key] for key in columns])
        given = given | {"constraints": (counts @ matrix / counts.sum())[None, :]}
    asked.function(values, **given, _state=state)
    return state


def quantile(values: Values, below: int, q: float, n: int) -> float | None:
    """The quantile of n numbers, `below` of which are less than these values; None where it is not among them."""
    numbers, counts = values.whole()
    ends, at = below + np.cumsum(counts), q * (n - 1)
    low, high = int(np.floor(at)), int(np.ceil(at))
    if not len(ends) or low < below or high >= ends[-1]:
        return None
    a, b = numbers[np.searchsorted(ends, [low, high], side="right")].tolist()
    return a + (b - a) * (at - low)


def plan_of(asked: Asked, width: float) -> Plan:
    """What to add up for a function, by the values that a sample has, which are so far from all."""
    values, given = np.sort(asked.values), asked.given
    if asked.name in SCALES:
        return Plan(asked.name, given)
    if asked.name == "poly":
        shift, reach = (values[0] + values[-1]) / 2, (values[-1] - values[0]) / 2
        return Plan(asked.name, given, int(given.get("degree", 1)), float(shift), float(reach) or 1.0)
    if asked.name != "bs":
        return Plan(asked.name, given, intervals=EVERYWHERE)
    bounds = -np.inf, np.inf
    if given.get("extrapolation") in ("clip", "na", "zero"):  # then knots are of the values within them
        low, high = given.get("lower_bound"), given.get("upper_bound")
        bounds = -np.inf if low is None else float(low), np.inf if high is None else float(high)
        values = values[(values >= bounds[0]) & (values <= bounds[1])]
    inner = (given.get("df") or 0) - given.get("degree", 3) - bool(given.get("include_intercept"))
    quantiles = np.linspace(0, 1, max(inner, 0) + 2)[1:-1]
    intervals = np.array([around(values, q, width) for q in quantiles]).reshape(-1, 2)
    return Plan(asked.name, given, bounds=bounds, quantiles=quantiles, intervals=intervals)


def around(values: FloatArray, q: float, width: float) -> tuple[float, float]:
    """Where the quantile of all rows is, by those of a sample in order, within so many standard errors."""
    if not len(values) or np.isinf(width):
        return -np.inf, np.inf
    far = int(width * np.sqrt(q * (1 - q) * len(values))) + 2
    at = int(q * (len(values) - 1))
    low, high = at - far, at + 1 + far
    return (values[low] if low >= 0 else -np.inf), (values[high] if high < len(values) else np.inf)


@dataclass(frozen=True)
class Terms:
    """The factors of a formula about a table of such columns, with what the caller's names mean in it, which columns a
    row must have, and the one of its weight."""

    formula: str
    columns: tuple[str, ...]
    scope: Mapping[str, Any]
    used: tuple[str, ...]
    weight: str | None = None

    def asked(self, rows: Table, states: Mapping[str, State]) -> dict[str, Asked]:
        """The functions that have nothing to remember yet, by the name that formulaic has for each: of a factor the
        first, as others may be of what it gives."""
        from formulaic.transforms import TRANSFORMS
        from formulaic.utils.layered_mapping import LayeredMapping
        from formulaic.utils.stateful_transforms import stateful_eval

        parsed = parse(self.formula, self.columns)
        frame, scope = with_scope(words_of(parsed), frame_of(rows.to_native())[0], self.scope)
        remember: dict[str, Any] = {name: asking(name, TRANSFORMS[name]) for name in REMEMBER}
        known = LayeredMapping(LayeredMapping(widened(parsed.rhs, frame), name="data"), scope, remember, TRANSFORMS)
        found: dict[str, Asked] = {}
        for factor in {factor for term in parsed.rhs for factor in term.factors}:
            if not names_in(factor) & set(remember):
                continue
            state = dict(states)
            try:
                with computing():
                    stateful_eval(factor.expr, known, {}, state, None)
            except Asked as asked:
                found[next(name for name, each in state.items() if each is asked.state)] = asked
        return found


def that_count(table: Table, first_row: Numbered, weight: str | None) -> tuple[Table, Numbered]:
    """The rows without gaps whose weight, by the column of this name, is not 0, and their numbers."""
    table, numbers = complete_rows(table, first_row)
    if weight is None:
        return table, numbers
    fine = cells_of(table, weight).numbers() != 0
    return (table, numbers) if fine.all() else (table.filter(fine.tolist()), each_of(numbers, len(table))[fine])


@dataclass(frozen=True)
class Gather:
    """The sums that plans want of the functions of a formula, of all rows of a dataset."""

    terms: Terms
    states: Mapping[str, State]
    plans: Mapping[str, Plan]

    def __call__(self, dataset: Dataset) -> dict[str, Sums]:
        return reduce(merged, self._of_batches(dataset))

    def _of_batches(self, dataset: Dataset) -> Iterator[dict[str, Sums]]:
        for table, first_row in dataset.numbered(columns=self.terms.used):
            rows, _ = that_count(table, first_row, self.terms.weight)
            asked = self.terms.asked(rows, self.states)
            yield {name: self.plans[name].of(each.values) for name, each in asked.items()}


def states_of(terms: Terms, some: Table, add_up: AddUp) -> dict[str, State]:
    """What each function of the formula that remembers is to remember of all rows, by the name that formulaic has for
    it; `some` of the rows say where to look. A reading for each function within another, and one more where a quantile
    was not where the sample has it."""
    states: dict[str, State] = {}
    tries: Counter[str] = Counter()
    while asked := terms.asked(some, states):
        plans = {name: plan_of(each, WIDTHS[tries[name]]) for name, each in asked.items()}
        sums = add_up(Gather(terms, states, plans), merged)
        with computing():
            found = {name: plan.state(asked[name], sums[name]) for name, plan in plans.items()}
        states |= {name: state for name, state in found.items() if state is not None}
        tries.update(list(plans))
    return states
