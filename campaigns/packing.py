"""Arrays as bytes that a row of the database can hold, so that any worker on any host may go on with them.

Column by column, each in the fewest bytes that its numbers need above the least of them: ids, kinds and days of a chunk lie close together.
"""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from campaigns.rules.shapes import NAT, Array

SIZE = 4  # bytes that say how long the heading is
WIDEST = 2**63


def packed(arrays: Mapping[str, Array]) -> bytes:
    """The arrays, column by column. Not compressed: that would cost more than writing them, and they live for a run."""
    heading, pieces = [], []
    for name, array in arrays.items():
        for field in array.dtype.names or ("",):
            narrow, least, has_gaps = narrowed(numbers_of(array[field] if field else array))
            heading.append((name, field, len(array), narrow.dtype.str if len(narrow) else "", least, has_gaps))
            pieces.append(narrow.tobytes())
    told = json.dumps(heading).encode()
    return b"".join([len(told).to_bytes(SIZE, "big"), told, *pieces])


def numbers_of(column: Array) -> Array:
    if column.dtype.kind == "M" or column.dtype.itemsize == 8:
        return np.ascontiguousarray(column).view("i8")
    return column.astype("i8")


def narrowed(numbers: Array) -> tuple[Array, int, bool]:
    """The numbers above the least one, which is told; with gaps 0 is NaT. Where all are the same nothing is left of them."""
    if not len(numbers):
        return numbers, 0, False
    gaps = numbers == NAT
    has_gaps = bool(gaps.any()) and not gaps.all()
    least = int(numbers[~gaps].min() if has_gaps else numbers.min()) - has_gaps
    width = int(numbers.max()) - least
    if width <= 0:
        return numbers[:0], least, False
    if width >= WIDEST:
        return numbers, 0, False
    return (np.where(gaps, 0, numbers - least) if has_gaps else numbers - least).astype(np.min_scalar_type(width)), least, has_gaps


def unpacked(data: bytes | memoryview | None, dtypes: Mapping[str, np.dtype[Any]]) -> dict[str, Array]:
    """What was packed, in these dtypes; what was not is empty."""
    found = {name: np.zeros(0, dtype) for name, dtype in dtypes.items()}
    if not data:
        return found
    at = SIZE + int.from_bytes(data[:SIZE], "big")
    for name, field, length, narrow, least, has_gaps in json.loads(bytes(data[SIZE:at])):
        if len(found[name]) != length:
            found[name] = np.zeros(length, dtypes[name])
        column = found[name][field] if field else found[name]
        if not narrow:
            fill(column, least)
            continue
        values = np.frombuffer(data, narrow, count=length, offset=at)
        at += values.nbytes
        fill(column, values if not least and not has_gaps else widened(values, least, has_gaps=has_gaps))
    return found


def widened(values: Array, least: int, *, has_gaps: bool) -> Array:
    wide = values.astype("i8") + least
    if has_gaps:
        wide[values == 0] = NAT
    return wide


def fill(column: Array, values: Any) -> None:
    """The column, a day's among them, holds these numbers."""
    (column.view("i8") if column.dtype.kind == "M" or column.dtype == np.dtype("u8") else column)[...] = values
