"""Exclusion windows by walking through their days, one contact at a time (domain 5.3 and 5.4)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from typing import Any

ONE_DAY = timedelta(days=1)

# The anchor, days before, days after: both ends included. Whoever is not named has no rule.
RULES: dict[str, tuple[str, int, int]] = {
    "CA": ("birthday", 30, 60),
    "ID": ("birthday", 0, 63),
    "KY": ("birthday", 0, 60),
    "MD": ("birthday", 0, 30),
    "NV": ("birth_month", 0, 60),
    "OK": ("birthday", 0, 60),
    "OR": ("birthday", 0, 31),
    "VA": ("birthday", 0, 30),
    "MO": ("effective_date", 30, 33),
    "CT": ("always", 0, 0),
    "MA": ("always", 0, 0),
    "NY": ("always", 0, 0),
    "WA": ("always", 0, 0),
}


@dataclass(frozen=True)
class Window:
    """The days on which nothing may be sent that respects windows, both ends included."""

    start: date
    end: date

    def __contains__(self, day: date) -> bool:
        return day in days_of(self)


@cache
def days_of(window: Window) -> frozenset[date]:
    return frozenset(walk(window.start, window.end))


def walk(first: date, last: date) -> Iterator[date]:
    while first <= last:
        yield first
        first += ONE_DAY


def anniversary(of: date, year: int) -> date:
    """The same month and day of that year; 29 February is 28 February in common years."""
    if (of.month, of.day) != (2, 29):
        return date(year, of.month, of.day)
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return date(year, 2, 29 if leap else 28)


def read_date(told: Any) -> date | None:
    """A date as contacts have it; what cannot be read is no date."""
    try:
        return date.fromisoformat(told) if told else None
    except (TypeError, ValueError):
        return None


def rule_of(contact: Mapping[str, Any], rules: Mapping[str, tuple[str, int, int]] = RULES) -> tuple[str, int, int]:
    return rules.get(contact["state"], ("none", 0, 0))


def anchor_of(contact: Mapping[str, Any], anchor: str) -> date | None:
    """The day the contact's windows turn about; the month's first where the rule says so."""
    if anchor == "effective_date":
        return read_date(contact.get("effective_date"))
    born = read_date(contact.get("birth_date"))
    return born.replace(day=1) if born and anchor == "birth_month" else born


@cache
def window(anchor: date, year: int, before: int, after: int) -> Window:
    turning = anniversary(anchor, year)
    return Window(turning - before * ONE_DAY, turning + after * ONE_DAY)


def windows(contact: Mapping[str, Any], *, about: date, lead: int, rules: Mapping[str, tuple[str, int, int]] = RULES) -> list[Window]:
    """Those of last year, this year, and the two to come; none where the state has no rule, or excludes every day."""
    anchor, before, after = rule_of(contact, rules)
    turning = None if anchor in ("none", "always") else anchor_of(contact, anchor)
    if turning is None:
        return []
    return [window(turning, year, before + lead, after) for year in range(about.year - 1, about.year + 3)]


@dataclass(frozen=True)
class Excluded:
    reason: str
    window: Window | None


def excluded(
    contact: Mapping[str, Any], day: date, *, lead: int = 60, rules: Mapping[str, tuple[str, int, int]] = RULES
) -> Excluded | None:
    """Why nothing may be sent on that day; None where it may."""
    if rule_of(contact, rules)[0] == "always":
        return Excluded("year_round_exclusion", None)
    for one in windows(contact, about=day, lead=lead, rules=rules):
        if day in one:
            return Excluded("exclusion_window", one)
    return None
