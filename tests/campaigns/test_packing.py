"""Arrays survive the way through a row of the database."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from campaigns.chunks import PLAN
from campaigns.packing import packed, unpacked
from campaigns.rules.shapes import DAY, ROW

NUMBERS = st.integers(0, 2**16)


@given(st.integers(0, 40), NUMBERS)
def test_what_is_unpacked_is_what_was_packed(size, seed):
    random = np.random.default_rng(seed)
    arrays = {}
    for name, dtype in PLAN.items():
        fields = dtype.names or ("",)
        arrays[name] = np.zeros(size, dtype)
        for field in fields:
            kind = dtype[field] if field else dtype
            numbers = random.integers(0, 100, size)
            values = numbers.astype("M8[D]") if kind.kind == "M" else numbers.astype(kind)
            if kind.kind == "M":
                values[random.random(size) < 0.3] = np.datetime64("NaT", "D")
            arrays[name][field or slice(None)] = values

    found = unpacked(memoryview(packed(arrays)), PLAN)

    for name, array in arrays.items():
        assert found[name].dtype == array.dtype
        assert found[name].tobytes() == array.tobytes()


def test_what_was_never_packed_is_empty():
    found = unpacked(None, {"rows": ROW, "days": np.dtype(DAY)})

    assert {name: len(array) for name, array in found.items()} == {"rows": 0, "days": 0}
