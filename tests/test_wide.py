"""Few wide rows, whose passes go by columns: the same sums as of blocks of rows."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

from separatrix.data import wide
from separatrix.data.memory import MemorySource, memory_source
from separatrix.data.threads import workers
from separatrix.data.wide import WideRows, wide_rows
from separatrix.engine.objective import Objective
from separatrix.equations.losses import LogLoss, SoftmaxLoss
from separatrix.equations.penalties import elastic_net

ROWS, COLUMNS = 20, 5_000


def rows_of(dtype: str, K: int, far: float = 0.0) -> MemorySource:
    random = np.random.default_rng(K)
    X = (10.0 * random.standard_normal((ROWS, COLUMNS)) + far).astype(dtype)
    y = random.integers(0, max(K, 2), ROWS)
    offset = random.standard_normal((ROWS, K))
    return memory_source(X, y if K > 1 else y[:, None] * 1.0, random.uniform(0.5, 2.0, ROWS), offset=offset)


@pytest.mark.parametrize("n_threads", [1, 3])
@pytest.mark.parametrize("K", [1, 3])
@pytest.mark.parametrize(("dtype", "far"), [("float64", 0.0), ("float64", 1e5), ("float32", 0.0), ("int16", 0.0)])
def test_sums_by_columns_are_those_of_blocks_of_rows(monkeypatch, dtype, far, K, n_threads):
    source, loss, random = rows_of(dtype, K, far), LogLoss() if K == 1 else SoftmaxLoss(), np.random.default_rng(0)
    theta, direction = random.standard_normal((2, COLUMNS + 1, K)) / 1e3
    assert wide_rows(source) is None  # so small an X is one block
    found = []
    for few in (wide.FEW_CELLS, 0):
        monkeypatch.setattr(wide, "FEW_CELLS", few)
        with workers(n_threads) as pool:
            rows = replace(source, pool=pool)
            objective = Objective(rows, loss, elastic_net(np.ones(COLUMNS), 0.5), True)
            at = objective.evaluate(theta, order=1)
            assert objective.passes == 1
            of_rows = objective.pull(COLUMNS, lambda block: block.weight[:, None] * np.ones((1, K)))
            products = objective.curvature_times(at, direction), np.hstack(objective.column_moments())
            plane = objective.plane(theta)
        found.append((np.array(at.value), at.gradient, *products, of_rows.gradient, np.array(of_rows.weight), plane))
    assert isinstance(wide_rows(source), WideRows)
    for blocks, columns in zip(*found, strict=True):
        np.testing.assert_allclose(columns, blocks, rtol=1e-10, atol=1e-10 * np.abs(blocks).max())


@pytest.mark.parametrize("n_threads", [1, 3])
@pytest.mark.parametrize("K", [1, 3])
def test_sums_of_sparse_columns_are_those_of_sparse_rows(monkeypatch, K, n_threads):
    monkeypatch.setattr(wide, "FEW_NON_ZEROS", 0)
    random = np.random.default_rng(0)
    X = sparse.random_array((ROWS, COLUMNS), density=0.01, rng=random, format="csr")
    y = random.integers(0, max(K, 2), ROWS)
    weight, offset = random.uniform(0.5, 2.0, ROWS), random.standard_normal((ROWS, K))
    theta, direction = random.standard_normal((2, COLUMNS + 1, K))
    source, found = memory_source(X, y if K > 1 else y[:, None] * 1.0, weight, offset=offset), []
    assert wide_rows(source) is None
    for rows in (X, X.tocsc()):
        with workers(n_threads) as pool:
            loss = LogLoss() if K == 1 else SoftmaxLoss()
            objective = Objective(replace(source, X=rows, pool=pool), loss, elastic_net(np.ones(COLUMNS), 0.5), True)
            at = objective.evaluate(theta, order=1)
            assert objective.passes == 1
            products = objective.curvature_times(at, direction), np.hstack(objective.column_moments())
            found.append((np.array(at.value), at.gradient, *products, objective.plane(theta)))
    assert isinstance(wide_rows(objective.source), WideRows)
    for blocks, columns in zip(*found, strict=True):
        np.testing.assert_allclose(columns, blocks, rtol=1e-10, atol=1e-10 * np.abs(blocks).max())


def test_rows_that_are_many_or_narrow_go_by_blocks():
    assert wide_rows(memory_source(np.ones((1_000, 2_000)), np.ones((1_000, 1)))) is None
    assert wide_rows(memory_source(np.ones((50, 2_000)), np.ones((50, 1)))) is None
    assert wide_rows(memory_source(np.ones((50, 40_000)), np.ones((50, 1)))) is not None
    many_classes = replace(memory_source(np.ones((3_000, 800)), np.zeros(3_000)), outputs=100)
    assert wide_rows(many_classes) is None
    assert wide_rows(replace(memory_source(np.ones((800, 3_000)), np.zeros(800)), outputs=100)) is not None
