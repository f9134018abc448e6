"""Days on which a contact must not be written to.

Element i of every argument belongs to contact i; `day` may also be one day for all. Windows include both ends and begin `lead_days`
before the statutory part. Year-round states are told apart: they have no window, so no end.
"""

from typing import Any

import numpy as np

from campaigns.rules.calendar_days import in_year, years_of
from campaigns.rules.shapes import DAY, MONTH, NO_DAY, Array, Contacts, Reason
from campaigns.rules.states import Anchor, StateRules

NEIGHBOURS = (-1, 0, 1)  # a window may have opened last year or close next year


def excluded_until(contacts: Contacts, day: Any, *, rules: StateRules, lead_days: int) -> Array:
    """The last day of the window that covers `day`; NaT where the day is free. Shape: (contacts,)."""
    last = np.full(len(contacts), NO_DAY)
    at, anchor, before, after = with_window(contacts, rules)
    days = np.broadcast_to(day, last.shape)[at]
    years = years_of(days)
    for year in NEIGHBOURS:
        anniversary = in_year(anchor, years + year)
        end = anniversary + after
        covered = (anniversary - before - np.timedelta64(lead_days, "D") <= days) & (days <= end)
        last[at[covered]] = end[covered]
    return last


def ended_before(contacts: Contacts, day: Any, *, rules: StateRules) -> Array:
    """The last day of the newest window that was over before `day`; NaT where there is none."""
    last = np.full(len(contacts), NO_DAY)
    at, anchor, _, after = with_window(contacts, rules)
    days = np.broadcast_to(day, last.shape)[at]
    years = years_of(days)
    for year in NEIGHBOURS:
        end = in_year(anchor, years + year) + after
        over = end < days
        last[at[over]] = end[over]
    return last


def with_window(contacts: Contacts, rules: StateRules) -> tuple[Array, Array, Array, Array]:
    """The places of those whose state has a window, the date it is counted from, and the days before and after it. Only they cost time."""
    at = np.flatnonzero(rules.has_window[contacts.state])
    some = contacts.take(at)
    return at, anchor_dates(some, rules), rules.before[some.state], rules.after[some.state]


def windows(contacts: Contacts, year: Any, *, rules: StateRules, lead_days: int) -> tuple[Array, Array, Array]:
    """First day, first statutory day and last day of each contact's window of an anchor year; NaT where there is none."""
    anniversary = in_year(anchor_dates(contacts, rules), year)
    statutory = anniversary - rules.before[contacts.state]
    return statutory - np.timedelta64(lead_days, "D"), statutory, anniversary + rules.after[contacts.state]


def anchor_dates(contacts: Contacts, rules: StateRules) -> Array:
    """The date each contact's window is counted from; NaT where the state has no window or the contact no such date."""
    anchor = rules.anchor[contacts.state]
    chosen = [anchor == Anchor.BIRTHDAY, anchor == Anchor.BIRTH_MONTH, anchor == Anchor.EFFECTIVE_DATE]
    dates = [contacts.birthday, contacts.birthday.astype(MONTH).astype(DAY), contacts.effective_date]
    return np.select(chosen, dates, NO_DAY)


def year_round(contacts: Contacts, day: Any, *, rules: StateRules) -> Array:
    """Whether every day is excluded: by the state, or by the age that a contact has reached on `day`."""
    always = rules.anchor[contacts.state] == Anchor.ALWAYS
    age = rules.year_round_from_age[contacts.state]
    if not age.astype(bool).any():
        return always
    reached = in_year(contacts.birthday, years_of(contacts.birthday) + age) <= day
    return always | (age.astype(bool) & reached)


def anchor_missing(contacts: Contacts, *, rules: StateRules) -> Array:
    """Whether the state has a window but the contact lacks the date it is counted from: whether a day is excluded is then unknown."""
    return rules.has_window[contacts.state] & np.isnat(anchor_dates(contacts, rules))


def judged(contacts: Contacts, day: Any, *, rules: StateRules, lead_days: int, block_unknown: bool) -> tuple[Array, Array]:
    """Why `day` is excluded (a Reason), and the last day of the window where it is one. `block_unknown` excludes unknown days too."""
    end = excluded_until(contacts, day, rules=rules, lead_days=lead_days)
    inside = ~np.isnat(end)
    if block_unknown:
        inside |= anchor_missing(contacts, rules=rules)
    always = year_round(contacts, day, rules=rules)
    reason = np.select([always, inside], [Reason.YEAR_ROUND_EXCLUSION, Reason.EXCLUSION_WINDOW], Reason.NONE)
    return reason.astype("i1"), np.where(always, NO_DAY, end)
