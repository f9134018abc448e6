"""Where a long reading goes on: after the last row that was seen, by the index that has the rows in that order.

An OFFSET would count the rows before it again for every page, and a reading that deletes would find the dead ones again.
"""

from typing import Any

from django.db.models import Q


def beyond(values: dict[str, Any], *, falling: bool = False) -> Q:
    """The rows after one with these values, where the order rises (or falls) by each of them in turn."""
    name, *rest = values
    strictly, also = ("lt", "lte") if falling else ("gt", "gte")
    further = Q(**{f"{name}__{strictly}": values[name]})
    if not rest:
        return further
    among_equals = beyond({each: values[each] for each in rest}, falling=falling)
    return Q(**{f"{name}__{also}": values[name]}) & (further | among_equals)
