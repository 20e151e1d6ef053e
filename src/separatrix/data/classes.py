"""K classes as a fit has them: the loss, how many linear predictors, and what stands for y."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from separatrix.equations.losses import ClassLoss, LogLoss, SoftmaxLoss


def loss_of(K: int) -> ClassLoss:
    """The loss of K classes."""
    return LogLoss() if K == 2 else SoftmaxLoss()


def columns_of_eta(K: int) -> int:
    """How many linear predictors K classes have."""
    return 1 if K == 2 else K


def codes_for(K: int) -> Callable[[NDArray], NDArray]:
    """Makes y as the loss of K classes takes it, of their codes (rows,)."""
    return of_two if K == 2 else lambda codes: codes


def of_two(codes: NDArray) -> NDArray:
    """The codes 0 and 1 of two classes as `LogLoss` takes them, (rows, 1), in a byte each.

    >>> of_two(np.array([1, 0], dtype=np.int8)).ravel()
    array([1, 0], dtype=int8)
    """
    return codes[:, None].astype(np.int8, copy=False)


def against(k: int) -> Callable[[NDArray], NDArray]:
    """Makes 1 of the codes that are k and 0 of the others, (rows, 1), as `LogLoss` takes them, in a byte each.

    >>> against(1)(np.array([1, 0, 2])).ravel()
    array([1, 0, 0], dtype=int8)
    """
    return lambda codes: (codes == k)[:, None].view(np.int8)
