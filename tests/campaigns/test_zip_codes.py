"""ZIP codes say states, or refuse in words."""

from collections import Counter

import pytest

from campaigns.rules.states import STATES, TERRITORIES, code_of
from campaigns.zip_codes import PLACES, ZipRefused, state_of, table

KNOWN = [  # ZIP code, state
    ("90210", "CA"),
    ("90210-1234", "CA"),
    (" 10001 ", "NY"),
    ("00501", "NY"),
    ("20500", "DC"),
    ("63101", "MO"),
    ("89101", "NV"),
    ("99950", "AK"),
    ("00901", "PR"),
    ("96910", "GU"),
    ("09001", "AE"),
    ("96201", "AP"),
]


@pytest.mark.parametrize(("zip_code", "state"), KNOWN)
def test_a_zip_code_says_its_state(zip_code, state):
    assert state_of(zip_code) == state


@pytest.mark.parametrize("zip_code", ["", "9021", "902101", "90210-12", "90210 1234", "9021O", "٩٠٢١٠", "90210-1234\n5", "A" * 5_000])
def test_what_is_no_zip_code_is_refused_with_its_form(zip_code):
    with pytest.raises(ZipRefused, match="A ZIP code has 5 digits") as refusal:
        state_of(zip_code)
    assert len(str(refusal.value)) < 150


def test_a_zip_code_that_nobody_has_is_refused():
    with pytest.raises(ZipRefused, match="No state has the ZIP code 00000"):
        state_of("00000")


def test_the_table_covers_every_state_and_territory():
    counts = Counter(table().values())

    assert set(counts) == set(PLACES)
    assert sum(counts.values()) > 42_000
    assert all(counts[state] > 50 for state in STATES if state not in ("other",))


def test_territories_follow_the_rule_of_other():
    assert {code_of(place) for place in TERRITORIES} == {STATES.index("other")}
