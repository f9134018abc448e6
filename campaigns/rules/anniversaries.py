"""When the yearly mails go out: before the birthday, before the day the policy took effect, and on the AEP day."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from campaigns.rules.calendar_days import next_yearly
from campaigns.rules.email_types import AEP, BIRTHDAY, EFFECTIVE_DATE, EmailTypes
from campaigns.rules.jitter import remainders
from campaigns.rules.shapes import NO_DAY, ONE_DAY, ROW, YEAR, Array, Contacts, filled

YEARS_AHEAD = 2  # in which the next AEP day must lie


def anniversary_rows(contacts: Contacts, *, day: Any, types: EmailTypes, spread_days: int, aep_days: Mapping[int, Any]) -> Array:
    """The next birthday, effective-date and AEP mail of every contact, as if no day were excluded. ROWs, by type and contact.

    `aep_days` has the AEP day of this and the next YEARS_AHEAD years.
    """
    aep = filled(ROW, len(contacts), kind=AEP, place=np.arange(len(contacts)), event_on=next_aep(day, aep_days=aep_days))
    aep["send_on"] = aep["event_on"]
    yearly = [
        yearly_rows(contacts, dates, kind=kind, day=day, types=types, spread_days=spread_days)
        for kind, dates in ((BIRTHDAY, contacts.birthday), (EFFECTIVE_DATE, contacts.effective_date))
    ]
    rows = np.concatenate([*yearly, aep])
    rows["contact"] = contacts.id[rows["place"]]
    rows["priority"] = types.priority[rows["kind"]]
    rows["respects"] = types.respects[rows["kind"]]
    return rows


def yearly_rows(contacts: Contacts, dates: Array, *, kind: int, day: Any, types: EmailTypes, spread_days: int) -> Array:
    """One row for each contact with a date, about its next return that a mail can still precede; none about a return before the date."""
    event = next_mailable(dates, day, lead=types.lead[kind])
    place = np.flatnonzero(event >= dates)
    event = event[place]
    ideal = event - types.lead[kind]
    late = ideal < day
    send_on = ideal.copy()
    codes = np.full(len(place), kind)
    send_on[late] = catch_up_days(contacts.id[place[late]], codes[late], event[late], day=day, spread_days=spread_days, names=types.names)
    return filled(ROW, len(place), kind=kind, place=place, send_on=send_on, event_on=event, latest_on=event, catch_up=late)


def next_mailable(dates: Array, day: Any, *, lead: Any) -> Array:
    """The next return of each date; the one after it where the next is today and its mail would have been due earlier."""
    event = next_yearly(dates, day)
    too_late = (event == day) & (lead > np.timedelta64(0, "D"))
    return np.where(too_late, next_yearly(dates, day + ONE_DAY), event)


def catch_up_days(ids: Array, kinds: Array, event_on: Array, *, day: Any, spread_days: int, names: tuple[str, ...]) -> Array:
    """A day after `day` for each mail whose own day is over, spread by hash over up to `spread_days` and never past its event."""
    ahead = (event_on - day).astype("i8")
    assert (ahead >= 1).all(), "a catch-up needs an event that is still ahead"
    offset = remainders(ids, kinds, event_on, names=names, divisor=np.minimum(spread_days, ahead))
    return day + ONE_DAY + offset.astype("m8[D]")


def next_aep(day: Any, *, aep_days: Mapping[int, Any]) -> Any:
    """The first AEP day that is not over."""
    return min(aep for aep in aep_days.values() if aep >= day)


def aep_days_around(day: Any, *, until: Any, listed: Mapping[int, Any], month_and_day: str) -> dict[int, Any]:
    """The AEP days from the year before `day` to YEARS_AHEAD after `until`: the listed ones, else the same day of every year."""
    first, last = (int(one.astype(YEAR).astype("i8")) + 1970 for one in (day, until))
    years = range(first - 1, last + YEARS_AHEAD + 1)
    return {year: listed.get(year, np.datetime64(f"{year}-{month_and_day}", "D")) for year in years}


def last_aep(days: Array, *, aep_days: Mapping[int, Any]) -> Array:
    """The last AEP day on or before each day; NaT where none of `aep_days` is."""
    known = np.array([NO_DAY, *sorted(aep_days.values())], "M8[D]")
    return known[np.searchsorted(known[1:], days, side="right")]
