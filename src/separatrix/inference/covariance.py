r"""Covariances of the estimates: from the curvature, or from what each row or cluster pulls (sandwiches).

    Fisher      I^-1                              I the information: the curvature of the total log-likelihood
    HC0         I^-1 (sum_i s_i s_i') I^-1        s_i the score of an observation (Huber 1967; White 1980)
    HC1         HC0 * n / (n - P K)               Hinkley 1977
    HC2         s_i s_i' / (1 - h_i)              h_i the leverage; unbiased for equal variances (Horn et al. 1975)
    HC3         s_i s_i' / (1 - h_i)^2            about the jackknife (MacKinnon and White 1985)
    cluster     I^-1 (sum_g s_g s_g') I^-1 * G / (G - 1) * (n - 1) / (n - P K)        s_g the sum over a cluster
    two ways    V_a + V_b - V_ab                  ab the cells of both (Cameron, Gelbach and Miller 2011)

An observation of several classes has a matrix of leverages h_i = A_i M_i, A_i the curvature of its loss in eta and M_i
the covariance of its eta (Lesaffre and Albert 1989, "Multiple-group logistic regression diagnostics", Applied
Statistics 38), and its gradient in eta is multiplied by (I - h_i)^-1/2 for HC2 and by (I - h_i)^-1 for HC3. The first
makes its expected square A_i again, as among clusters (Bell and McCaffrey 2002, "Bias reduction in standard errors for
linear regression with multi-stage samples", Survey Methodology 28); the second is what a Newton step from all rows to
all but one makes of it, and so about the jackknife. Of two classes they are the numbers above.

A frequency f_i says that row i stands for so many equal observations; the rest of its weight (the trials of a binomial
row) belongs to the observation. The small-sample factors are those of Stata and statsmodels.
"""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from scipy import sparse

from separatrix.arrays import FloatArray, IntArray
from separatrix.data.block import Block
from separatrix.engine.leverage import LEVERAGE_ONE, leverages, row_curvatures
from separatrix.engine.objective import Objective
from separatrix.engine.sums import block_eta
from separatrix.equations.hyperplane import beside_ones, paired_grams
from separatrix.errors import ArgumentError, DataError

Frequency = FloatArray | Literal["weight"] | None
"""How many observations each row stands for, (rows,); None for one, "weight" for as many as it weighs."""

HETEROSCEDASTIC = ("HC0", "HC1", "HC2", "HC3")
COVARIANCES = ("nonrobust", *HETEROSCEDASTIC, "cluster")


def heteroscedastic(
    objective: Objective,
    theta: FloatArray,
    bread: FloatArray,
    kind: str,
    frequency: Frequency = None,
    rows: IntArray | None = None,
) -> FloatArray:
    """HC0 to HC3, (P K, P K), from the bread I^-1; frequency (rows,) or None for ones; a message has the numbers of
    `rows` (rows,), if given. One pass."""
    power, ones = {"HC2": 0.5, "HC3": 1.0}.get(kind, 0.0), len(theta) - objective.source.n_columns
    blocks = bread.reshape(*theta.shape, *theta.shape)

    def pulls(block: Block) -> FloatArray:
        f = frequencies(block, frequency)
        _, gradient, state = objective.loss.together(block.y, block_eta(block, theta))
        roots = gradient * (block.weight / np.sqrt(f))[:, None]
        if power:
            A = (block.weight / f)[:, None, None] * row_curvatures(objective.loss, state)
            M = leverages(block, blocks)
            check_leverage(A, M, block, kind, rows)
            roots = inflated(roots, A, M, power)
        return roots

    def meat(block: Block) -> FloatArray:
        return paired_grams(block.X, pulls(block), ones)

    n = observations(objective, frequency)
    factor = small_sample(n, theta.size) if kind == "HC1" else 1.0
    return factor * bread @ objective.add_up(meat).reshape(bread.shape) @ bread


def small_sample(n: float, parameters: int) -> float:
    """n / (n - P K), NaN where no degrees of freedom are left."""
    return n / (n - parameters) if n > parameters else np.nan


def check_leverage(A: FloatArray, M: FloatArray, block: Block, kind: str, rows: IntArray | None) -> None:
    """DataError where a row of a block has leverage 1, so that its residual is 0 whatever its outcome."""
    h = A @ M
    h = h[:, 0, 0] if h.shape[1] == 1 else np.linalg.eigvals(h).real.max(axis=1)
    for row in np.flatnonzero(1.0 - h < LEVERAGE_ONE)[:1]:
        number = (block.rows.start or 0) + row
        raise DataError(
            f"covariance={kind!r} divides by 1 - leverage, and row {number if rows is None else rows[number]} has "
            "leverage 1: a coefficient is there for it alone. Leave out the row or that column, or use "
            "covariance='HC1'."
        )


def sandwich(S: FloatArray, bread: FloatArray) -> FloatArray:
    """bread S'S bread, (n, n), of scores S (any, n): multiplied from within, so that S'S squares no condition."""
    half = S @ bread
    return half.T @ half


def inflated(g: FloatArray, A: FloatArray, M: FloatArray, power: float) -> FloatArray:
    """(I - A M)^-power g of each row, power 1/2 or 1: g (rows, K), A and M (rows, K, K), symmetric and semi-definite.

    A M has the eigenvalues z of R'A R, where M = R R'; and (1 - z)^-power = 1 + z slope(z), which needs no inverse of
    a curvature that may be 0.

    >>> inflated(np.array([[1.0]]), np.array([[[0.5]]]), np.array([[[1.5]]]), 0.5)
    array([[2.]])
    """
    size, axes = np.linalg.eigh(M)
    R = axes * np.sqrt(np.maximum(size, 0.0))[:, None, :]
    z, U = np.linalg.eigh(R.transpose(0, 2, 1) @ A @ R)
    left = np.maximum(1.0 - z, np.finfo(float).eps)
    slope = 1.0 / left if power == 1.0 else 1.0 / (np.sqrt(left) * (1.0 + np.sqrt(left)))
    RU = R @ U
    along = slope[:, :, None] * (RU.transpose(0, 2, 1) @ g[:, :, None])
    return g + (A @ RU @ along)[:, :, 0]


def clustered(
    objective: Objective,
    theta: FloatArray,
    bread: FloatArray,
    groups: Sequence[IntArray],
    frequency: Frequency = None,
) -> FloatArray:
    """The cluster covariance, (P K, P K), from the codes (rows,) of one or two ways to group the rows; a pass each.

    Raises ArgumentError where a way has a single cluster, or more than two ways are given.
    """
    if len(groups) > 2:
        raise ArgumentError(f"groups has {len(groups)} ways to cluster; give one or two.")
    n = observations(objective, frequency)

    def one_way(codes: IntArray) -> FloatArray:
        sums, G = cluster_scores(objective, theta, codes), int(codes.max()) + 1
        return G / (G - 1) * (n - 1) / n * small_sample(n, theta.size) * sandwich(sums, bread)

    for codes in groups:
        check_clusters(codes)
    covariance = sum(map(one_way, groups))
    if len(groups) == 2:
        covariance = covariance - one_way(cells(*groups))
    return np.asarray(covariance)


def check_clusters(codes: IntArray) -> None:
    """ArgumentError unless there are two clusters: the sum of all scores is zero, and so would be every error."""
    if codes.max(initial=0) == 0:
        raise ArgumentError(
            "groups has one cluster: the scores within it sum to zero, and nothing can be learned from how clusters "
            "differ. Give at least two, better forty, or use covariance='HC3'."
        )


def cells(a: IntArray, b: IntArray) -> IntArray:
    """The code of each pair of codes that occurs, (rows,).

    >>> cells(np.array([0, 0, 1]), np.array([1, 1, 0]))
    array([0, 0, 1])
    """
    return np.unique(a * (b.max(initial=0) + 1) + b, return_inverse=True)[1]


def cluster_scores(objective: Objective, theta: FloatArray, codes: IntArray) -> FloatArray:
    """The sum of the scores of each cluster's rows, wherever these are, (G, P K). One pass."""

    def sums(block: Block) -> list[tuple[IntArray, FloatArray]]:
        """The clusters that a block meets, and the sums of the scores of its rows of each."""
        met, code = np.unique(codes[block.rows], return_inverse=True)
        return [(met, indicator(code, len(met)) @ scores(block, objective, theta))]

    met, parts = map(np.concatenate, zip(*objective.add_up(sums), strict=True))
    return np.asarray(indicator(met, int(codes.max()) + 1) @ parts)


def scores(block: Block, objective: Objective, theta: FloatArray) -> FloatArray:
    """weight * gradient of each row's loss in theta.ravel(), (rows, P K)."""
    _, gradient, _ = objective.loss.together(block.y, block_eta(block, theta))
    pull = gradient * block.weight[:, None]
    X = beside_ones(block.X, len(theta) - block.X.shape[1])
    return (X[:, :, None] * pull[:, None, :]).reshape(len(pull), theta.size)


def indicator(codes: IntArray, many: int) -> Any:
    """The (many, rows) matrix that sums rows by their code."""
    rows = len(codes)
    return sparse.csr_array((np.ones(rows), (codes, np.arange(rows))), shape=(many, rows))


def frequencies(block: Block, frequency: Frequency) -> FloatArray:
    """How many observations each row of a block stands for, (rows,)."""
    if isinstance(frequency, str):
        return block.weight
    return np.ones(len(block.weight)) if frequency is None else frequency[block.rows]


def observations(objective: Objective, frequency: Frequency) -> float:
    """How many observations there are."""
    if isinstance(frequency, str):
        return objective.source.add_up(lambda block: block.total)
    return float(objective.source.n_rows) if frequency is None else float(frequency.sum())
