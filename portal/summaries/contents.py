"""What a summary says to one person: the day before, and what needs somebody now. Asked once for all whose day is the same."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, Protocol

from django.template.loader import render_to_string

from messaging.models import Lane
from messaging.outbox import Draft
from portal.summaries.figures import PARTS, Day, Part
from portal.summaries.local_time import day_range, zone_named
from portal.summaries.models import DailySummary
from portal.summaries.promises import SUMMARY_MAIL

BY_A_PROGRAM = {"Auto-Submitted": "auto-generated"}
A_DAY = timedelta(days=1)


class Need(Protocol):
    """Something that needs a person, as the dashboard knows it."""

    @property
    def name(self) -> str: ...
    @property
    def count(self) -> int: ...
    @property
    def shown(self) -> str: ...
    @property
    def noun(self) -> str: ...
    @property
    def says(self) -> str: ...
    @property
    def href(self) -> str: ...


@dataclass(frozen=True, kw_only=True)
class Pending:
    """Something that needs a person, and the permission without which nobody is told of it."""

    need: Need
    permission: str


@dataclass(kw_only=True)
class Desk:
    """Where the figures come from. Each is asked for once: a hundred people of one zone are told of one day."""

    pending: Callable[[], Collection[Pending]]
    site_url: str
    office_name: str
    asked: dict[Any, Any] = field(default_factory=dict)

    def parts(self, day: Day) -> list[Part]:
        return self.once((day.start, day.end), lambda: [part(day) for part in PARTS])

    def needs(self) -> Collection[Pending]:
        return self.once("needs", self.pending)

    def once(self, key: Any, ask: Callable[[], Any]) -> Any:
        if key not in self.asked:
            self.asked[key] = ask()
        return self.asked[key]


def compose(summary: DailySummary, *, desk: Desk, now: datetime) -> Draft:
    """The mail of this summary. Its key names person and day, and the number of the mail where an earlier one was given up."""
    told = contents(summary, desk=desk, now=now)
    return Draft(
        key=f"summary:{summary.user_id}:{summary.date_key}" + (f":{summary.message_id}" if summary.message_id else ""),
        kind=SUMMARY_MAIL,
        recipient=summary.notification_email,
        subject=subject(told),
        text=render_to_string("summaries/mail.txt", told),
        html=render_to_string("summaries/mail.html", told),
        headers=BY_A_PROGRAM,
        lane=Lane.SYSTEM,
    )


def contents(summary: DailySummary, *, desk: Desk, now: datetime) -> dict[str, Any]:
    """What this person may be told of. A part in which nothing happened is left out."""
    zone, yesterday = zone_named(summary.zone), summary.day - A_DAY
    start, end = day_range(yesterday, zone=zone)
    parts = [part for part in desk.parts(Day(start=start, end=end, now=now)) if may(summary.user, part.permission) and not part.is_empty]
    needs = [one.need for one in desk.needs() if one.need.count and may(summary.user, one.permission)]
    return {
        "name": summary.user.get_short_name() or summary.user.get_username(),
        "day": yesterday,
        "parts": parts,
        "needs": needs,
        "is_empty": not parts and not needs,
        "site_url": desk.site_url,
        "office_name": desk.office_name,
    }


def may(user: Any, permission: str) -> bool:
    return not permission or user.has_perm(permission)


def subject(told: dict[str, Any]) -> str:
    day: date = told["day"]
    count = len(told["needs"])
    waiting = "all is well" if not count else "1 thing needs somebody" if count == 1 else f"{count} things need somebody"
    return f"Daily summary of {day:%A, %B} {day.day}: {'nothing recorded' if told['is_empty'] else waiting}"
