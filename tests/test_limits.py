"""Regressions at the limits of what can be said: no intercept, no rows left over, few clusters."""

import numpy as np
import pytest

from separatrix import logit, ols


def made(n: int = 120, seed: int = 0) -> dict[str, np.ndarray]:
    """Columns that say something of y, of the number and of three groups."""
    rng = np.random.default_rng(seed)
    x, z = rng.normal(size=(2, n))
    group = np.array(["a", "b", "c"])[rng.integers(3, size=n)]
    y = (rng.random(n) < 1 / (1 + np.exp(-0.5 - x))).astype(int)
    return {"y": y, "x": x, "z": z, "group": group, "number": x + rng.normal(size=n), "three": group}


@pytest.mark.parametrize(
    "fit",
    [
        lambda d: logit("y ~ x - 1", d),
        lambda d: logit("y ~ x + z - 1", d),
        lambda d: logit("three ~ x + z - 1", d),
        lambda d: logit("y ~ x + z - 1", d, penalty="firth"),
        lambda d: ols(d["number"], np.column_stack([d["x"], d["z"]]), intercept=False),
        lambda d: ols("number ~ C(group) - 1", d),
    ],
)
def test_a_model_without_an_intercept_has_its_tables(fit):
    result = fit(made())
    assert "coef" in str(result.summary())
    assert result.summary().html() == result._repr_html_()
    assert result.collinearity().condition_number >= 1.0
