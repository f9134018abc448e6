"""When the clocks of a zone are changed, found hour by hour: not by the code under test."""

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta, tzinfo

AN_HOUR, HALF_AN_HOUR = timedelta(hours=1), timedelta(minutes=30)


def changes_between(start: datetime, *, days: int, zone: tzinfo) -> Iterator[datetime]:
    """Each change within these days, to the half hour: all clocks are changed at one."""
    before = start.astimezone(zone).utcoffset()
    for half in range(1, days * 48 + 1):
        at = start + HALF_AN_HOUR * half
        if at.astimezone(zone).utcoffset() != before:
            yield at
            before = at.astimezone(zone).utcoffset()


def skipped_or_repeated(start: datetime, *, days: int, zone: tzinfo) -> time | None:
    """A time on the wall that does not come on the day of the first change, or comes twice; None where no clock is changed."""
    change = next(changes_between(start, days=days, zone=zone), None)
    if change is None:
        return None
    before, after = ((change + shift).astimezone(zone).utcoffset() for shift in (-HALF_AN_HOUR, timedelta()))
    wall = change.astimezone(UTC) + min(before, after) + abs(after - before) / 2
    return wall.time().replace(second=0, microsecond=0)
