"""Samples whose rows are those of a source, wherever these are, and their regressions."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from separatrix.arrays import FloatArray
from separatrix.data.block import Source
from separatrix.data.memory import MemorySource
from separatrix.equations.losses import LogLoss, SquaredLoss
from separatrix.equations.reference import ReferenceLoss
from separatrix.errors import InferenceError, TargetError, listing
from separatrix.regression.fitting import fit_classes, fit_numbers
from separatrix.regression.logit_result import LogitResult
from separatrix.regression.ols_result import OLSResult, error_variance
from separatrix.regression.outcome import Outcome
from separatrix.regression.result import Result
from separatrix.regression.sample import Sample
from separatrix.regression.spread import spread_of

R = TypeVar("R", bound=Result)


@dataclass(frozen=True)
class StreamedSample(Sample):
    """A sample whose rows are those of a source: X and y are empty, and `totals` the weight of each class, (K,).

    `whole` is what the rows are of: two samples of the same have the same rows. `totals` is (1,) of numbers. `many` are
    the rows of the data, where those of the source stand for several that are alike.
    """

    rows: Any = None
    totals: Any = None
    whole: Any = None
    many: int | None = None

    @property
    def n_rows(self) -> int:
        return self.many or self.rows.n_rows

    @property
    def total(self) -> float:
        return float(self.totals.sum())

    def class_totals(self) -> FloatArray:
        return self.totals

    @property
    def observations(self) -> float:
        return float(self.n_rows) if self.frequency is None else self.total

    @property
    def has_offset(self) -> bool:
        return getattr(self.rows, "at_hand", self.rows).offset is not None

    def source(self) -> Source:
        return self.rows

    def labelled(self) -> Source:
        return self.rows

    @property
    def in_memory(self) -> bool:
        return False

    def check_here(self, what: str) -> None:
        raise InferenceError(f"the rows of this fit are not in memory, and {what} need them: use predict(data).")

    def difference(self, other: Sample) -> str | None:
        if not isinstance(other, StreamedSample) or self.whole is not other.whole or self.n_rows != other.n_rows:
            return "rows"
        if self.outcome.name != other.outcome.name:
            return "outcomes"
        if not np.array_equal(self.totals, other.totals):
            return "weights"
        return None if self.has_offset == other.has_offset else "offset"

    def columns(self, chosen: Sequence[int]) -> "StreamedSample":
        narrower = super().columns(chosen)
        return replace(narrower, rows=self.rows.columns(np.array(chosen, dtype=np.intp)))  # pyright: ignore


def outcome_of(name: str, classes: tuple[Any, ...]) -> Outcome:
    """The outcome of so many classes, none for numbers, without its rows."""
    loss = ReferenceLoss() if len(classes) > 2 else LogLoss() if classes else SquaredLoss()
    return Outcome(name, np.empty((0, 1)), loss, classes)


def check_totals(name: str, classes: tuple[Any, ...], totals: FloatArray) -> None:
    """TargetError where a class has no row of positive weight: it has no finite estimate."""
    if classes and not totals.all():
        absent = listing(label for label, total in zip(classes, totals, strict=True) if not total)
        raise TargetError(f"{name} has no row of positive weight of {absent}: leave its rows out.")


def coded(classes: int, codes: NDArray) -> NDArray:
    """Codes of classes as the loss wants them: numbers, and of two classes 0.0 and 1.0, are (rows, 1)."""
    return codes.astype(np.intp) if classes > 2 else codes[:, None] * 1.0


def streamed_logit(sample: StreamedSample, covariance: str, strength: float, singular: str) -> LogitResult:
    """The logistic regression of such a sample; its shares and files are kept for all passes, and let go at the end."""
    with sample.rows.working() as rows:
        fitted, estimate = fit_classes(replace(sample, rows=rows), strength, singular)
        spread = spread_of(fitted, estimate, covariance, 1.0, strength)
    return at_rest(LogitResult(fitted, estimate, covariance, spread, strength))


def streamed_ols(sample: StreamedSample, covariance: str, strength: float, singular: str) -> OLSResult:
    """The linear regression of such a sample; as `streamed_logit`."""
    with sample.rows.working() as rows:
        fitted, estimate = fit_numbers(replace(sample, rows=rows), strength, singular)
        spread = spread_of(fitted, estimate, covariance, error_variance(fitted, estimate), strength)
    return at_rest(OLSResult(fitted, estimate, covariance, spread, strength))


def at_rest(result: R) -> R:
    """The result without what its source worked by, which has ended."""
    objective = result.estimate.objective
    estimate = replace(result.estimate, objective=objective.over(idle(objective.source)))
    sample: Any = result.sample
    return replace(result, sample=replace(sample, rows=idle(sample.rows)), estimate=estimate)


def idle(source: Any) -> Any:
    """A source without its threads and files."""
    if not isinstance(source, MemorySource):
        source = replace(source, at_hand=idle(source.at_hand))
    return replace(source, **{name: None for name in ("pool", "kept", "held") if name in vars(source)})
