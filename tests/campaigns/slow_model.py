"""The rules of exclusion and planning once more: slow, a contact and a day at a time, typed from the requirement, not from the code."""

import hashlib
from calendar import isleap
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta

LEAD = 60
BEFORE_AND_AFTER_BIRTHDAY = {
    "CA": (30, 60),
    "ID": (0, 63),
    "KY": (0, 60),
    "MD": (0, 30),
    "NV": (0, 60),
    "OK": (0, 60),
    "OR": (0, 31),
    "VA": (0, 30),
}
BEFORE_AND_AFTER_EFFECTIVE_DATE = {"MO": (30, 33)}
YEAR_ROUND = ("CT", "MA", "NY", "WA")


@dataclass(frozen=True)
class Person:
    state: str
    birthday: date | None
    effective_date: date | None


def return_in(year: int, day: date) -> date:
    return date(year, 2, 28) if (day.month, day.day) == (2, 29) and not isleap(year) else date(year, day.month, day.day)


def window(person: Person, year: int, *, lead: int = LEAD) -> tuple[date, date, date] | None:
    """First day, first statutory day and last day of the window of one year."""
    if person.state in BEFORE_AND_AFTER_BIRTHDAY and person.birthday:
        before, after = BEFORE_AND_AFTER_BIRTHDAY[person.state]
        anchor = date(year, person.birthday.month, 1) if person.state == "NV" else return_in(year, person.birthday)
    elif person.state in BEFORE_AND_AFTER_EFFECTIVE_DATE and person.effective_date:
        before, after = BEFORE_AND_AFTER_EFFECTIVE_DATE[person.state]
        anchor = return_in(year, person.effective_date)
    else:
        return None
    return anchor - timedelta(before + lead), anchor - timedelta(before), anchor + timedelta(after)


def window_around(person: Person, day: date, *, lead: int = LEAD) -> tuple[date, date, date] | None:
    """The window that a day lies in. Every day of every window is looked at."""
    for year in range(day.year - 2, day.year + 3):
        found = window(person, year, lead=lead)
        if found and any(found[0] + timedelta(step) == day for step in range((found[2] - found[0]).days + 1)):
            return found
    return None


def excluded(person: Person, day: date, *, lead: int = LEAD) -> bool:
    return person.state in YEAR_ROUND or window_around(person, day, lead=lead) is not None


@dataclass(frozen=True)
class Mail:
    email_type: str
    send_on: date
    event_on: date
    reason: str | None = None
    swallowed: tuple[str, ...] = ()


def plan(person: Person, number: int, today: date) -> list[Mail]:
    """A contact's mails without campaigns and past, before balancing: in the order birthday, effective date, AEP, post-window."""
    mails = [
        *yearly(person.birthday, "birthday", 14, number, today),
        *yearly(person.effective_date, "effective_date", 30, number, today),
    ]
    aep = date(today.year, 9, 15)
    aep = aep if aep >= today else date(today.year + 1, 9, 15)
    judged = [judge(person, mail) for mail in [*mails, Mail("aep", aep, aep)]]
    return [*judged, *after_windows(person, judged, today)]


def yearly(day: date | None, email_type: str, lead: int, number: int, today: date) -> list[Mail]:
    if day is None:
        return []
    event = next(found for year in (today.year, today.year + 1) if (found := return_in(year, day)) >= today)
    if event == today:
        event = return_in(today.year + 1, day)
    if event < day:
        return []
    ideal = event - timedelta(lead)
    if ideal >= today:
        return [Mail(email_type, ideal, event)]
    digest = int(hashlib.md5(f"{number}_{email_type}_{event.year}".encode()).hexdigest(), 16)
    return [Mail(email_type, today + timedelta(1 + digest % min(7, (event - today).days)), event)]


def judge(person: Person, mail: Mail) -> Mail:
    if person.state in YEAR_ROUND:
        return replace(mail, reason="year_round_exclusion")
    return replace(mail, reason="exclusion_window") if excluded(person, mail.send_on) else mail


def after_windows(person: Person, judged: list[Mail], today: date) -> list[Mail]:
    if person.state in YEAR_ROUND:
        return []
    swallowed: dict[date, set[str]] = {}
    for mail in judged:
        if found := window_around(person, mail.send_on):
            swallowed.setdefault(found[2], set()).add(mail.email_type)
    if recent := window_around(person, today) or window_around(person, today - timedelta(1)):
        going = {(mail.email_type, mail.event_on) for mail in judged if mail.reason is None}
        for email_type, event, ideal in own_days(person, today.year):
            if recent[0] <= ideal <= recent[2] and ideal < today and (email_type, event) not in going:
                swallowed.setdefault(recent[2], set()).add(email_type)
    order = ("birthday", "effective_date", "aep")
    return [
        Mail("post_window", end + timedelta(1), end, swallowed=tuple(sorted(types, key=order.index)))
        for end, types in sorted(swallowed.items())
    ]


def own_days(person: Person, year: int) -> Iterator[tuple[str, date, date]]:
    """Every mail of three years: its type, event and own day."""
    for one in (year - 1, year, year + 1):
        yield "aep", date(one, 9, 15), date(one, 9, 15)
        for email_type, day, lead in (("birthday", person.birthday, 14), ("effective_date", person.effective_date, 30)):
            if day and (event := return_in(one, day)) >= day:
                yield email_type, event, event - timedelta(lead)
