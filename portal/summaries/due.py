"""Whose summary is due: the time has been reached, there is no row, and the person's day is not over (domain D-12)."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from portal.summaries.local_time import UnknownZone, local_day, window
from portal.summaries.models import SummaryPreference

A_DAY = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class Turn:
    """One person's one day, whether it has its row already or not."""

    user_id: int
    day: date
    zone: str
    notification_email: str
    due_at: datetime
    open_until: datetime


def turn(preference: SummaryPreference, day: date) -> Turn:
    """That day of this person. Raises UnknownZone."""
    due_at, open_until = window(day, preference.summary_time_local, zone=preference.tzinfo)
    return Turn(
        user_id=preference.user_id,
        day=day,
        zone=preference.zone,
        notification_email=preference.notification_email,
        due_at=due_at,
        open_until=open_until,
    )


def reached(preference: SummaryPreference, *, now: datetime, early: bool = False) -> list[Turn]:
    """The days whose time has come and that are not over: one, rarely two just after midnight. `early`: today's, before its time too."""
    today = local_day(now, zone=preference.tzinfo)
    turns = [turn(preference, day) for day in (today - A_DAY, today)]
    come = [one for one in turns if one.due_at <= now or (early and one.day == today)]
    return [one for one in come if now < one.open_until and is_open(preference, one)]


def is_open(preference: SummaryPreference, one: Turn) -> bool:
    """Its row has not expired; and the local date existed, which on a few islands is not true of every date."""
    expired = preference.expired_through is not None and one.day <= preference.expired_through
    return not expired and local_day(one.due_at, zone=preference.tzinfo) == one.day


def upcoming(preferences: Iterable[SummaryPreference], *, now: datetime) -> list[tuple[datetime, SummaryPreference]]:
    """When each is due next, the first one first."""
    return sorted(_upcoming(preferences, now), key=lambda row: (row[0], row[1].pk))


def _upcoming(preferences: Iterable[SummaryPreference], now: datetime) -> Iterator[tuple[datetime, SummaryPreference]]:
    for preference in preferences:
        try:
            today = local_day(now, zone=preference.tzinfo)
        except UnknownZone:
            continue
        coming = [turn(preference, today + A_DAY * ahead).due_at for ahead in range(3)]
        yield next(at for at in coming if at > now), preference
