"""Sums over the rows of every fold in one pass: over groups of rows that are in the same folds, added up."""

from functools import reduce
from operator import add

import numpy as np

from separatrix.arrays import BoolArray, FloatArray, IntArray
from separatrix.data.block import Block
from separatrix.engine.objective import Objective, Sums, block_sums
from separatrix.equations.hyperplane import pieces

MOST_FOLDS = 62  # that the bits of a number can tell apart

Groups = tuple[IntArray, BoolArray]
"""The group of each row, (n,), and which fits the rows of each group belong to, (groups, F)."""


def groups_of(rows: BoolArray) -> Groups | None:
    """Rows that go into the same fits make a group; None if the groups are many more than the fits.

    The folds of one k-fold split are k groups, each in all fits but one.

    >>> groups_of(np.array([[True, False], [True, True], [True, False]]))
    (array([0, 1, 0], dtype=uint8), array([[ True, False],
           [ True,  True]]))
    """
    F = rows.shape[1]
    if F > MOST_FOLDS:
        return None
    pattern = np.zeros(len(rows), dtype=np.min_scalar_type((1 << F) - 1))
    for f, own in enumerate(rows.T):
        pattern |= own.astype(pattern.dtype) << pattern.dtype.type(f)
    patterns = np.unique(pattern)
    if len(patterns) > 2 * F:
        return None
    group = np.empty(len(rows), dtype=np.uint8)
    for g, one in enumerate(patterns):
        group[pattern == one] = g
    return group, (patterns[:, None] >> np.arange(F, dtype=pattern.dtype)) & pattern.dtype.type(1) == 1


def sums_of_folds(objective: Objective, theta: FloatArray, groups: Groups) -> list[Sums]:
    """Of each fit the sums of order 2 over its rows at theta, in one pass."""
    group, members = groups

    def by_group(block: Block) -> list[Sums]:
        here = group[block.rows]
        sums = [block_sums(block.take(slice(0, 0)), objective.loss, theta, order=2) for _ in members]
        for some in pieces(*block.X.shape):
            for g in np.unique(here[some]):
                own = some.start + np.flatnonzero(here[some] == g)
                part = block.take(some if len(own) == some.stop - some.start else own)  # a fold's may follow each other
                sums[g] = sums[g] + block_sums(part, objective.loss, theta, order=2)
        return sums

    sums = objective.add_up(by_group, lambda a, b: list(map(add, a, b)))
    return [reduce(add, (sums[g] for g in np.flatnonzero(some))) for some in members.T]
