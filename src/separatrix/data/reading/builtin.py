"""The data sets that come with scikit-learn, as tables with a named target."""

import os
from typing import Any

import narwhals as nw
import numpy as np

from separatrix.data.tables.cells import Table
from separatrix.errors import ArgumentError, no_such

BUILTIN = {
    "iris": "species",
    "breast_cancer": "diagnosis",
    "wine": "cultivar",
    "digits": "digit",
    "diabetes": "progression",
}
"""Name of the set -> name of its target."""

REGRESSIONS = frozenset({"diabetes"})
"""The sets whose target is a number."""


def is_builtin(data: str) -> bool:
    """Is it the name of a built-in set? A file of that name comes first, a folder does not."""
    return data in BUILTIN and not os.path.isfile(data)


def is_regression(data: str | None) -> bool:
    """Is it the name of a built-in set whose target is a number?"""
    return data in REGRESSIONS and is_builtin(data)


def builtin(name: str) -> tuple[Table, str]:
    """The table of a built-in set, its target the last column, with class names; and the target's name.

    Raises
    ------
    ArgumentError
        There is no such set.

    Examples
    --------
    >>> table, target = builtin("iris")
    >>> table.shape, table[target].unique(maintain_order=True).to_list()
    ((150, 5), ['setosa', 'versicolor', 'virginica'])
    """
    if name not in BUILTIN:
        raise ArgumentError(no_such("built-in set", name, BUILTIN))
    from sklearn import datasets

    bunch: Any = getattr(datasets, f"load_{name}")()
    target = bunch.target if name in REGRESSIONS else np.asarray(bunch.target_names)[bunch.target]
    columns = dict(zip(bunch.feature_names, bunch.data.T, strict=True))
    return nw.from_dict({**columns, BUILTIN[name]: target.tolist()}, backend="pyarrow"), BUILTIN[name]
