r"""Where events are rare, or were sampled for being events (King and Zeng 2001, "Logistic regression in rare events
data", Political Analysis 9).

    prior correction    b0 - log[(1 - tau) / tau * ybar / (1 - ybar)]         tau of the population, ybar of the sample
    rare-events bias    H^-1 X' W (p - 1/2) over weight p (1 - p),            H = X' W X, W = weight p (1 - p)

A case-control sample changes the intercept alone. The bias is of the estimates themselves, of order 1 / n, toward
probabilities that are too small (their equation 7, and 16 with equal weights; McCullagh and Nelder 1989, section 15.2).
"""

from separatrix.arguments import check_number
from separatrix.arrays import FloatArray
from separatrix.data.block import Block
from separatrix.engine.leverage import inverse_curvature, leverages
from separatrix.engine.objective import Objective
from separatrix.engine.sums import block_eta, with_intercept
from separatrix.equations.links import logit, sigmoid
from separatrix.equations.losses import LogLoss
from separatrix.errors import ArgumentError


def prior_correction(intercept: float, sample_rate: float, prior: float) -> float:
    """The intercept for a population with a rate `prior` of events, of a fit to a sample with `sample_rate` of them.

    Raises ArgumentError unless both rates lie between 0 and 1.

    >>> round(prior_correction(-0.2, sample_rate=0.5, prior=0.01), 4)
    -4.7951
    """
    for name, rate in (("sample_rate", sample_rate), ("prior", prior)):
        check_number(name, rate, above=0)
        if rate >= 1:
            raise ArgumentError(f"{name}={rate!r} must be below 1: it is a rate of events.")
    return float(intercept + logit(prior) - logit(sample_rate))


def rare_event_bias(objective: Objective, theta: FloatArray) -> FloatArray:
    """The bias of the estimates theta (P, 1), to be subtracted from them; (P, 1), as the objective has them.

    Three passes. Raises ArgumentError for any loss but that of two classes.
    """
    if not isinstance(objective.loss, LogLoss):
        raise ArgumentError("alpha_correction='king-zeng' is for a target of two classes.")
    inverse = inverse_curvature(objective, theta)

    def pulls(block: Block) -> FloatArray:
        p = sigmoid(block_eta(block, theta))
        leverage = leverages(block, inverse)[:, 0, :]
        return with_intercept(
            block.transposed, block.weight[:, None] * p * (1.0 - p) * leverage * (p - 0.5), len(theta)
        )

    return inverse[:, 0, :, 0] @ objective.add_up(pulls)
