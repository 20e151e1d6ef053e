r"""Tests that compare fits: the likelihood ratio of two nested models, and the score of one for what it left out.

LR = 2 (l_large - l_small)        chi-squared, with the difference of their parameters as degrees of freedom
S  = U' I^-1 U                    U and I of the larger model, at the estimate of the smaller (Rao 1948)
"""

import numpy as np

from separatrix.arrays import FloatArray
from separatrix.engine.matrices.linear_algebra import ROUGH, solve_factored
from separatrix.engine.objective import Objective
from separatrix.errors import ArgumentError
from separatrix.inference.turned import posed, turning
from separatrix.inference.wald import Test, chi_squared


def likelihood_ratio(llf_small: float, llf_large: float, df: int, hypothesis: str) -> Test:
    """The likelihood-ratio test of the smaller of two nested models.

    Raises ArgumentError where the larger one has no more parameters, or fits worse, so that they are not nested.

    >>> print(likelihood_ratio(-12.0, -10.0, 1, "x = 0"))
    Likelihood ratio test of x = 0: chi2(1) = 4.0000, p = 0.0455
    """
    if df < 1:
        raise ArgumentError(
            f"the models differ by {df} parameters, and a test needs one at least: nest one in the other."
        )
    statistic = 2.0 * (llf_large - llf_small)
    if statistic < -1e-6 * (1.0 + abs(llf_large)):
        raise ArgumentError(
            f"the larger model has the smaller log-likelihood ({llf_large:.6g} against {llf_small:.6g}), so the other "
            "is not nested in it. Compare models of which one has all terms of the other."
        )
    return chi_squared("Likelihood ratio", hypothesis, max(statistic, 0.0), df)


def score(objective: Objective, theta: FloatArray, hypothesis: str, df: int, scale: float = 1.0) -> Test:
    """The score test that the larger model's objective has its optimum at theta, which is the smaller's, zeros where
    that has no parameter; one pass, and two more where columns nearly depend on each other. `scale` is the variance of
    a linear model's errors."""
    at = objective.evaluate(theta, order=2)
    if at.factor.least < ROUGH:
        objective, theta = posed(objective, theta, turning(objective))
        at = objective.evaluate(theta, order=2)
    g = at.gradient.ravel()
    statistic = at.weight * float(g @ solve_factored(at.factor, g)) / scale
    return chi_squared("Score", hypothesis, float(np.maximum(statistic, 0.0)), df)
