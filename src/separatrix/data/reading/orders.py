"""The order in which a table has the levels of its categories: that of memory, where all parts have the same."""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from separatrix.data.reading.parts import TEXT

Orders = Mapping[str, Any]
"""By column the levels of a category in their order, an Arrow array."""


def orders_of(table: pa.Table) -> Orders:
    """The orders of the categories of a table, but for those whose chunks have different ones.

    >>> levels = pa.array(["low", "high"])
    >>> table = pa.table({"x": [1.0], "size": pa.DictionaryArray.from_arrays([1], levels)})
    >>> {name: order.to_pylist() for name, order in orders_of(table).items()}
    {'size': ['low', 'high']}
    """
    categories = [each.name for each in table.schema if pa.types.is_dictionary(each.type) and each.metadata != TEXT]
    held = {name: [chunk.dictionary for chunk in table[name].chunks if len(chunk)] for name in categories}
    return {name: own[0] for name, own in held.items() if own and all(map(own[0].equals, own))}


def common(one: Orders, other: Orders) -> Orders:
    """The orders that two tables share."""
    return {name: order for name, order in one.items() if name in other and order.equals(other[name])}
