"""What is added to a logistic regression whose events are rare, or were sampled for being events."""

from dataclasses import dataclass

import numpy as np

from separatrix.arrays import FloatArray
from separatrix.errors import ArgumentError, InferenceError
from separatrix.inference.rare_events import prior_correction, rare_event_bias
from separatrix.regression.fitting import Estimate, at_work
from separatrix.regression.sample import Sample


@dataclass(frozen=True)
class Adjustment:
    """shift (P, 1), which is added to the estimates as the engine has them; of which the intercept's part `moved` is
    for a population with a rate `prior` of events, in place of the sample's `rate`, and the rest less their bias."""

    shift: FloatArray
    rate: float
    prior: float | None = None
    moved: float = 0.0
    unbiased: bool = False

    def population(self, y: FloatArray) -> FloatArray:
        """What rows with shares y (n,) of events weigh in the population."""
        if self.prior is None:
            return np.ones(len(y))
        return y * self.prior / self.rate + (1.0 - y) * (1.0 - self.prior) / (1.0 - self.rate)

    def __str__(self) -> str:
        words = []
        if self.unbiased:
            words.append("The estimates are less their bias where events are rare; their errors are those before that.")
        if self.prior is not None:
            words.append(
                f"The intercept is that of a population with a rate of events of {self.prior:g}, in place of the "
                f"sample's {self.rate:.4g}."
            )
        words.append("King and Zeng (2001). Likelihood, fitted values and residuals are of the sample as it is.")
        return " ".join(words)


def adjustment_of(
    sample: Sample, estimate: Estimate, alpha_correction: str | None, prior: float | None
) -> Adjustment | None:
    """The correction of the bias, with alpha_correction="king-zeng", and of the intercept, for a prior; or None.

    Raises ArgumentError for arguments without meaning, several classes, and a prior without an intercept; and
    InferenceError for the bias of an infinite estimate.
    """
    if alpha_correction is None and prior is None:
        return None
    asked = f"prior={prior!r}" if alpha_correction is None else f"alpha_correction={alpha_correction!r}"
    if alpha_correction not in (None, "king-zeng"):
        raise ArgumentError(f"alpha_correction={alpha_correction!r} must be None or 'king-zeng'.")
    if sample.outcome.columns > 1:
        raise ArgumentError(f"{asked} is for two classes, and the outcome has {sample.outcome.columns + 1}.")
    if prior is not None and not sample.intercept:
        raise ArgumentError(f"prior={prior!r} corrects the intercept, and this model has none.")
    rate = float(np.average(sample.outcome.y[:, 0], weights=sample.weight))
    moved = 0.0 if prior is None else prior_correction(0.0, rate, prior)
    shift = np.zeros_like(estimate.theta)
    if alpha_correction:
        if estimate.infinite.any():
            raise InferenceError(f"{asked} takes a bias from finite estimates, and some are not. Use penalty='firth'.")
        with at_work(estimate.objective) as objective:
            shift -= rare_event_bias(objective, estimate.theta)
    shift[-1] += moved
    return Adjustment(shift, rate, prior, moved, bool(alpha_correction))
