"""Which parameters of a test only `-m slow` runs: more of what the others show."""

from typing import Any

import pytest


def seldom(*values: Any) -> list[Any]:
    """Each a parameter marked slow; of several arguments at once a tuple."""
    return [pytest.param(*(v if isinstance(v, tuple) else (v,)), marks=pytest.mark.slow) for v in values]
