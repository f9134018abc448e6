"""Arrays as bytes that a row of the database can hold, so that any worker on any host may go on with them."""

import zlib
from collections.abc import Mapping
from io import BytesIO
from typing import Any

import numpy as np

from campaigns.rules.shapes import Array

LEVEL = 1  # fast; columns of one kind shrink well all the same


def packed(arrays: Mapping[str, Array]) -> bytes:
    """The arrays, column by column, compressed."""
    out = BytesIO()
    for name, array in arrays.items():
        for field in array.dtype.names or ("",):
            column = np.ascontiguousarray(array[field] if field else array)
            np.lib.format.write_array(out, np.array([name, field]), allow_pickle=False)
            np.lib.format.write_array(out, column.view("i8") if column.dtype.kind == "M" else column, allow_pickle=False)
    return zlib.compress(out.getvalue(), LEVEL)


def unpacked(data: bytes | memoryview | None, dtypes: Mapping[str, np.dtype[Any]]) -> dict[str, Array]:
    """What was packed, in these dtypes; what was not is empty."""
    found = {name: np.zeros(0, dtype) for name, dtype in dtypes.items()}
    source = BytesIO(zlib.decompress(data) if data else b"")
    while source.tell() < source.getbuffer().nbytes:
        name, field = np.lib.format.read_array(source, allow_pickle=False).tolist()
        column = np.lib.format.read_array(source, allow_pickle=False)
        if not field:
            found[name] = column.view(dtypes[name])
            continue
        if len(found[name]) != len(column):
            found[name] = np.zeros(len(column), dtypes[name])
        found[name][field] = column.view(dtypes[name][field])
    return found
