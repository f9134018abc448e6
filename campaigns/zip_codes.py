"""ZIP code → state, from the table that the package `zipcodes` brings. A ZIP wins over a stated state."""

import re
from functools import cache

import zipcodes

from campaigns.rules.states import MILITARY, OTHER, STATES, TERRITORIES

ZIP = re.compile(r"(\d{5})(?:-\d{4})?", re.ASCII)
PLACES = (*(state for state in STATES if state != OTHER), *TERRITORIES, *MILITARY)
SHOWN = 40  # characters of a refused value


class ZipRefused(ValueError):
    """The ZIP code says no state; the sentence tells why."""


def state_of(zip_code: str) -> str:
    """The postal code of the state, territory or military post that a ZIP or ZIP+4 belongs to."""
    if not (found := ZIP.fullmatch(zip_code.strip())):
        raise ZipRefused(f"A ZIP code has 5 digits, or 5 and 4 like 90210-1234; got {zip_code[:SHOWN]!r}.")
    if (state := table().get(found[1])) is None:
        raise ZipRefused(f"No state has the ZIP code {found[1]}. Correct it, or look it up at the postal service.")
    return state


@cache
def table() -> dict[str, str]:
    """Every ZIP code there is, or was. Read state by state, since the package makes a large record of each."""
    return {one["zip_code"]: place for place in PLACES for one in zipcodes.filter_by_state(place)}
