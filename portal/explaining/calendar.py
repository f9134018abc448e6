"""The coming months of one contact, day by day, as a page draws them."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date
from itertools import groupby
from typing import Any

from campaigns.explain import Explanation
from campaigns.explaining.words import capital, mail_name, said

KINDS = {  # of a day: what its shade means
    "free": "",
    "lead": "lead time before the state's window",
    "statutory": "within the state's window",
    "every": "excluded: every day is",
    "unknown": "blocked: nobody can tell whether it is excluded",
}
STATES = {  # of a mail: how it is drawn
    "planned": {"pre-scheduled"},
    "sent": {"scheduled", "processing", "sent", "delivered"},
    "skipped": {"skipped"},
    "stopped": {"failed", "cancelled"},
}
FIRST_COLUMN = 6  # of date.weekday(): weeks begin on a Sunday


@dataclass(frozen=True, kw_only=True)
class Day:
    """One square. `state` is that of the mail that is drawn, where there are several the first in the order of STATES."""

    date: date
    kind: str
    state: str
    mails: int
    label: str
    is_today: bool
    is_asked: bool


@dataclass(frozen=True, kw_only=True)
class Month:
    name: str
    column: int  # of its first day, from 1
    days: list[Day] = field(default_factory=list)


def months(told: Explanation) -> list[Month]:
    """Every month that is looked at, with its days."""
    mails: dict[date, list[dict[str, Any]]] = defaultdict(list)
    for mail in told.mails:
        mails[date.fromisoformat(mail["date"])].append(mail)
    drawn = [square(told, day, kind, mails[day]) for day, kind in told.days.items()]
    return [month(list(days)) for _, days in groupby(drawn, key=lambda day: (day.date.year, day.date.month))]


def month(days: list[Day]) -> Month:
    first = days[0].date
    return Month(name=f"{first:%B %Y}", column=(first.weekday() - FIRST_COLUMN) % 7 + 1, days=days)


def square(told: Explanation, day: date, kind: str, mails: list[dict[str, Any]]) -> Day:
    states = [state_of(mail) for mail in mails]
    parts = [KINDS[kind], *(f"{mail_name(mail['email_type'])} {state}" for mail, state in zip(mails, states, strict=True))]
    return Day(
        date=day,
        kind=kind,
        state=next((state for state in STATES if state in states), ""),
        mails=len(mails),
        label=": ".join(filter(None, [said(day), capital(", ".join(filter(None, parts)))])),
        is_today=day == told.facts.day.item(),
        is_asked=day == told.verdict.on.item(),
    )


def state_of(mail: dict[str, Any]) -> str:
    return next(state for state, words in STATES.items() if mail["status"] in words)
