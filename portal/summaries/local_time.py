"""Local days and times as moments: what a clock on the wall skips runs at its next valid minute, what it repeats counts once."""

from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import cache, lru_cache
from zoneinfo import ZoneInfo, available_timezones

A_MINUTE, A_DAY = timedelta(minutes=1), timedelta(days=1)
GRACE = timedelta(minutes=15)  # a time just before midnight must meet a run, too


class UnknownZone(ValueError):
    """No time zone has that name."""


@cache
def zone_named(name: str) -> ZoneInfo:
    """The zone of that IANA name. Raises UnknownZone."""
    if name not in available_timezones():
        raise UnknownZone(f"{name[:80]!r} is no time zone: take a name such as America/Chicago or Europe/Berlin")
    return ZoneInfo(name)


def moment(day: date, at: time, *, zone: tzinfo) -> datetime:
    """When the clock there shows `at` on `day`, in UTC: the first time it does, or the next valid minute where it never does.

    Where that minute belongs to another day already, the last valid minute before the gap.
    """
    wall = datetime.combine(day, at)
    first = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if first.astimezone(zone).replace(tzinfo=None) == wall:
        return first
    after = end_of_gap(wall.replace(tzinfo=zone, fold=1).astimezone(UTC), first, zone=zone)
    return after if after.astimezone(zone).date() == day else after - A_MINUTE


def end_of_gap(before: datetime, after: datetime, *, zone: tzinfo) -> datetime:
    """The first whole minute of the new offset, between two moments on either side of the jump."""
    offset, old, new = after.astimezone(zone).utcoffset(), 0, int((after - before).total_seconds())
    while new - old > 1:
        middle = (old + new) // 2
        if (before + timedelta(seconds=middle)).astimezone(zone).utcoffset() == offset:
            new = middle
        else:
            old = middle
    jump = before + timedelta(seconds=new)
    return jump if not jump.second else jump.replace(second=0) + A_MINUTE


def day_range(day: date, *, zone: tzinfo) -> tuple[datetime, datetime]:
    """That local day in UTC, half open: 23, 24 or 25 hours, and a little different where a clock moves by half an hour."""
    return moment(day, time.min, zone=zone), moment(day + A_DAY, time.min, zone=zone)


def local_day(at: datetime, *, zone: tzinfo) -> date:
    return at.astimezone(zone).date()


@lru_cache(maxsize=10_000)
def window(day: date, at: time, *, zone: tzinfo) -> tuple[datetime, datetime]:
    """From when a summary of that local day is due, and until when it is caught up: its day's end, or a little after the time itself."""
    due_at = moment(day, at, zone=zone)
    return due_at, max(day_range(day, zone=zone)[1], due_at + GRACE)


@cache
def zone_names() -> list[str]:
    """The zones that people may choose from: places, and UTC; not the aliases that computers keep for each other."""
    return sorted(name for name in available_timezones() if name == "UTC" or ("/" in name and not name.startswith(("Etc/", "SystemV/"))))
