"""Where an address lies, as people write addresses."""

import pytest

from portal.quotes.places import MOST_CHARACTERS, Place, place_of

CASES = [  # address, city, province, rural
    ("12 King St W, Toronto, ON M5V 2T6", "Toronto", "ON", False),
    ("12 King St W", "K1A 0B1", "ON", False),
    ("1 Elm St, L7A1A1", "Brampton", "ON", False),
    ("1 Elm St, n2l 3g1", "Waterloo", "ON", False),
    ("1 Elm St, P3A-2T4", "Sudbury", "ON", False),
    ("RR 2, K0A 1A0", "Almonte", "ON", True),
    ("Box 3, V0N1B0", "Whistler", "BC", True),
    ("900 Granville St, Vancouver V6Z 1K3", "", "BC", False),
    ("T2P 1J9", "", "AB", False),
    ("T0L 0K0", "", "AB", True),
    ("1 rue X, G1R 4S9", "Québec", "QC", False),
    ("1 rue X, H2X 1Y4", "Montréal", "QC", False),
    ("J0X 2Y0", "Wakefield", "QC", True),
    ("R3C 4T3", "Winnipeg", "MB", False),
    ("Moved from T2P 1J9, now V6Z 1K3", "", "BC", False),
    ("5 Main St", "Calgary", "AB", False),
    ("5 Main St", "  montréal ", "QC", False),
    ("5 Main St", "St. Albert", "AB", False),
    ("5 Main St", "Quebec", "QC", False),
    ("5 Main St", "Kelowna, BC", "BC", False),
    ("5 Main St", "Kelowna, B.C.", "BC", False),
    ("5 Main St, Red Deer, Alberta, Canada", "", "AB", False),
    ("5 Main St, Nelson, British Columbia", "", "BC", False),
    ("5 Main St, Vancouver", "", "BC", False),
    ("5 Main St, Rimouski (Québec) Canada", "Rimouski", "QC", False),
    ("5 Main St, Victoria", "London, Ontario", "ON", False),
    ("22 Alberta Avenue", "Toronto", "ON", False),
    ("22 Alberta Avenue", "", "ON", False),
    ("5 Main St", "Springfield", "ON", False),
    ("5 Main St, Chicago IL 60601", "Chicago", "ON", False),
    ("D1A 1A1", "", "ON", False),  # no postal code begins with D
    ("order AT2P 1J9", "", "ON", False),
    ("T2P 1J99", "", "ON", False),
    ("", "", "ON", False),
    ("\x00\ud800 ٣", "💥", "ON", False),
]


@pytest.mark.parametrize(
    ("address", "city", "province", "is_rural"),
    CASES,
    ids=[f"{address}|{city}"[:50].encode("ascii", "replace").decode().replace("\x00", "") for address, city, _, _ in CASES],
)
def test_the_place_of_an_address(address, city, province, is_rural):
    assert place_of(address, city) == Place(province=province, is_rural=is_rural)


def test_only_the_end_of_a_long_address_is_read():
    long = "A1A 1A1 " + "x" * 10_000_000

    assert place_of(long, long) == Place()
    assert place_of("x" * 10_000_000 + " T0L 0K0", "") == Place(province="AB", is_rural=True)
    assert place_of("T0L 0K0" + " " * MOST_CHARACTERS, "Vancouver") == Place(province="BC")
