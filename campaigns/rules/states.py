"""The states and their rules, as data. Business rules of the requirement, not a legal reference: no lawyer has verified them."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property

import numpy as np

from campaigns.rules.shapes import Array

OTHER = "other"  # territories, military post and unknown codes
NAMES = """
    AK AL AR AZ CA CO CT DC DE FL GA HI IA ID IL IN KS KY LA MA MD ME MI MN MO MS MT
    NC ND NE NH NJ NM NV NY OH OK OR PA RI SC SD TN TX UT VA VT WA WI WV WY
"""
STATES = (*NAMES.split(), OTHER)
TERRITORIES = ("PR", "VI", "GU", "AS", "MP", "FM", "MH", "PW")
MILITARY = ("AA", "AE", "AP")

SOURCE = "seed 4; business_logic.md §4"
NOT_VERIFIED = "not legally verified"
SINCE = "2024-01-01"


class Anchor(IntEnum):
    """What a window is counted from."""

    NONE, BIRTHDAY, BIRTH_MONTH, EFFECTIVE_DATE, ALWAYS = range(5)


WINDOW_WORDS = {
    Anchor.BIRTHDAY: "birthday_window",
    Anchor.BIRTH_MONTH: "birthday_window",
    Anchor.EFFECTIVE_DATE: "effective_date_window",
}


@dataclass(frozen=True, kw_only=True)
class Window:
    """A state's rule: excluded from `before` days before the anchor to `after` days after it, both ends included; ALWAYS: every day."""

    anchor: Anchor
    before: int = 0
    after: int = 0
    year_round_from_age: int | None = None  # from this birthday on every day is excluded; no state has it today
    source: str = SOURCE
    status: str = NOT_VERIFIED
    since: str = SINCE


FIRST_STATE_RULES: Mapping[str, Window] = {
    "CA": Window(anchor=Anchor.BIRTHDAY, before=30, after=60),
    "ID": Window(anchor=Anchor.BIRTHDAY, before=0, after=63),
    "KY": Window(anchor=Anchor.BIRTHDAY, before=0, after=60),
    "MD": Window(anchor=Anchor.BIRTHDAY, before=0, after=30),
    "NV": Window(anchor=Anchor.BIRTH_MONTH, before=0, after=60),
    "OK": Window(anchor=Anchor.BIRTHDAY, before=0, after=60),
    "OR": Window(anchor=Anchor.BIRTHDAY, before=0, after=31),
    "VA": Window(anchor=Anchor.BIRTHDAY, before=0, after=30),
    "MO": Window(anchor=Anchor.EFFECTIVE_DATE, before=30, after=33),
    "CT": Window(anchor=Anchor.ALWAYS),
    "MA": Window(anchor=Anchor.ALWAYS),
    "NY": Window(anchor=Anchor.ALWAYS),
    "WA": Window(anchor=Anchor.ALWAYS),
}


@dataclass(frozen=True)
class StateRules:
    """The rules in force, by state. A state that is not named has none."""

    windows: Mapping[str, Window]

    @cached_property
    def anchor(self) -> Array:
        """Shape of this and the next ones: (states,), in the order of STATES."""
        return np.array([self.of(state).anchor for state in STATES], "i1")

    @cached_property
    def has_window(self) -> Array:
        """Whether some days of the year are excluded, and not all."""
        return (self.anchor != Anchor.NONE) & (self.anchor != Anchor.ALWAYS)

    @cached_property
    def before(self) -> Array:
        return np.array([self.of(state).before for state in STATES], "m8[D]")

    @cached_property
    def after(self) -> Array:
        return np.array([self.of(state).after for state in STATES], "m8[D]")

    @cached_property
    def year_round_from_age(self) -> Array:
        """In years; 0 where there is no such rule."""
        return np.array([self.of(state).year_round_from_age or 0 for state in STATES], "m8[Y]")

    def of(self, state: str) -> Window:
        return self.windows.get(state, NO_RULE)


NO_RULE = Window(anchor=Anchor.NONE)
CODES = {state: code for code, state in enumerate(STATES)}


def code_of(state: str) -> int:
    """The state's position in STATES; that of `other` for what is no state."""
    return CODES.get(state, CODES[OTHER])
