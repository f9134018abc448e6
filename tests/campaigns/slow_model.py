"""The exclusion rules once more: slow, one contact and one day at a time, typed from the requirement and not from the code."""

from calendar import isleap
from dataclasses import dataclass
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
