"""The last thirty days as a grid: a row for each person, a cell for each of their days, and what became of its summary."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from portal.summaries.due import A_DAY, is_open, turn
from portal.summaries.local_time import UnknownZone, local_day
from portal.summaries.models import KEPT, DailySummary, Status, SummaryPreference

DAYS = KEPT.days
TONES = {Status.COMPLETED: "green", Status.SCHEDULED: "blue", Status.FAILED: "red"}
SIGNS = {Status.COMPLETED: "✓", Status.SCHEDULED: "…", Status.FAILED: "!"}


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One day of one person; without a row it was not wanted, is not due yet, or is about to come."""

    day: date
    sign: str = ""
    tone: str = ""
    says: str = ""
    summary_id: int | None = None


@dataclass(frozen=True, kw_only=True)
class Line:
    preference: SummaryPreference
    cells: Sequence[Cell]


def lines(preferences: Sequence[SummaryPreference], *, days: Sequence[date], now: datetime) -> list[Line]:
    """One query for all of them."""
    rows = DailySummary.objects.filter(user__in=[one.user_id for one in preferences], day__gte=days[0]).order_by()
    known = {(row.user_id, row.day): row for row in rows}

    def cell(one: SummaryPreference, day: date) -> Cell:
        row = known.get((one.user_id, day))
        return known_cell(row) if row else empty(one, day, now=now)

    return [Line(preference=one, cells=[cell(one, day) for day in days]) for one in preferences]


def days_until(today: date) -> list[date]:
    return [today - A_DAY * ago for ago in reversed(range(DAYS))]


def known_cell(row: DailySummary) -> Cell:
    status = Status(row.status)
    says = f"{row.day:%b} {row.day.day}: {status.label.lower()}" + (f". {row.error}" if row.error else "")
    return Cell(day=row.day, sign=SIGNS[status], tone=TONES[status], says=says, summary_id=row.pk)


def empty(preference: SummaryPreference, day: date, *, now: datetime) -> Cell:
    """A wanted day without a row stands out: no run came by, or the next one is about to."""
    try:
        one = turn(preference, day)
        owed = preference.enable_daily_summary and preference.changed_at <= one.due_at <= now and is_open(preference, one)
    except UnknownZone:
        return Cell(day=day, sign="?", tone="red", says=f"No time zone is called {preference.zone}")
    if not owed:
        return Cell(day=day)
    if now < one.open_until:
        return Cell(day=day, sign="…", tone="amber", says=f"{day:%b} {day.day}: due, the next run sends it")
    return Cell(day=day, sign="!", tone="red", says=f"{day:%b} {day.day}: missed, no run came by")


def today_of(preferences: Sequence[SummaryPreference], *, now: datetime, office: date) -> date:
    """The latest date on anybody's wall: east of the office it may be tomorrow already."""
    found = [office]
    for one in preferences:
        try:
            found.append(local_day(now, zone=one.tzinfo))
        except UnknownZone:
            continue
    return max(found)
