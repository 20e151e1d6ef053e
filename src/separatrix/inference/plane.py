"""A plane with every row strictly on its class's side, where a fit without penalty finds one."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from separatrix.arrays import FloatArray
from separatrix.data.block import Source
from separatrix.data.memory import MemorySource
from separatrix.engine.fit import Options, fit_linear_model
from separatrix.equations.losses import LogLoss, SoftmaxLoss
from separatrix.equations.penalties import elastic_net, even


def separating_plane(source: Source, K: int, ones: int) -> FloatArray | None:
    """d (p + ones, K - 1) of each class but the first less that of the first, in the columns of a source in memory;
    None where the fit ends with a row on the wrong side, as it must if there is no such plane.

    Along such planes the loss falls to 0, so that few steps lead to one, however many the columns are.
    """
    if not isinstance(source, MemorySource):
        return None
    loss, outputs, code = (LogLoss(), 1, column) if K == 2 else (SoftmaxLoss(), K, np.ravel)
    rows, p = replace(source, offset=None).recoded(code), source.n_columns
    options, start = Options(fit_intercept=bool(ones)), (np.zeros((outputs, p)), np.zeros(outputs))
    fit = fit_linear_model(rows, loss, elastic_net(even(0.0, p), 0.0), options, start, warn=False)
    if not fit.separated:
        return None
    intercepts = fit.intercepts + fit.coefficients @ source.centre
    d = np.vstack([fit.coefficients.T, np.tile(intercepts, (ones, 1))])
    return d if K == 2 else d[:, 1:] - d[:, :1]


def column(codes: NDArray) -> NDArray:
    """Codes (rows,) or (rows, 1) as a column."""
    return codes.reshape(-1, 1)
