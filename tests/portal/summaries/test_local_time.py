"""A time on somebody's wall as a moment: gaps, repeats, half hours, midnights that are skipped, and days that never were."""

import zoneinfo
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.summaries.local_time import UnknownZone, day_range, local_day, moment, window, zone_named, zone_names

CASES = [  # zone, day, time on the wall, the moment in UTC
    ("America/Chicago", "2026-03-07", "02:30", "2026-03-07T08:30"),
    ("America/Chicago", "2026-03-08", "02:30", "2026-03-08T08:00"),  # skipped: 03:00, the next valid minute
    ("America/Chicago", "2026-03-08", "02:00", "2026-03-08T08:00"),
    ("America/Chicago", "2026-03-08", "03:00", "2026-03-08T08:00"),
    ("America/Chicago", "2026-11-01", "01:30", "2026-11-01T06:30"),  # twice: the first time
    ("America/Chicago", "2026-11-01", "02:00", "2026-11-01T08:00"),
    ("Europe/Berlin", "2026-03-29", "02:59", "2026-03-29T01:00"),
    ("Europe/Berlin", "2026-10-25", "02:00", "2026-10-25T00:00"),
    ("Australia/Lord_Howe", "2026-10-04", "02:15", "2026-10-03T15:30"),  # a gap of half an hour
    ("Australia/Lord_Howe", "2026-04-05", "01:45", "2026-04-04T14:45"),
    ("Asia/Kathmandu", "2026-01-01", "09:00", "2026-01-01T03:15"),
    ("Africa/Cairo", "2026-04-24", "00:20", "2026-04-23T22:00"),  # midnight is skipped: 01:00
    ("America/Nuuk", "2026-03-28", "23:30", "2026-03-29T00:59"),  # the next valid minute is tomorrow's: the last one before the gap
    ("Pacific/Kiritimati", "2026-01-01", "09:00", "2025-12-31T19:00"),
]
ZONES = sorted(available_timezones())
ALL_ZONES, TIMES = st.sampled_from(ZONES), st.times().map(lambda at: at.replace(second=0, microsecond=0))
DAYS = st.dates(min_value=date(2015, 1, 1), max_value=date(2035, 12, 31))


@pytest.mark.parametrize(("zone", "day", "at", "expected"), CASES)
def test_a_time_of_a_day_is_one_moment(zone, day, at, expected):
    found = moment(date.fromisoformat(day), time.fromisoformat(at), zone=zone_named(zone))

    assert found == datetime.fromisoformat(expected).replace(tzinfo=UTC)


@given(zone=ALL_ZONES, day=DAYS, at=TIMES)
def test_every_zone_has_every_time_of_every_day_on_that_day_never_before_it_shows(zone, day, at):
    place = ZoneInfo(zone)
    found = moment(day, at, zone=place)
    shown = found.astimezone(place).replace(tzinfo=None)
    wall = datetime.combine(day, at)

    assert shown.date() == day
    assert shown == wall or (wall < shown <= wall + timedelta(hours=2)) or shown.minute == 59, "later only by a gap"
    assert found.second == 0


@given(zone=ALL_ZONES, day=DAYS)
def test_the_days_of_a_zone_follow_each_other_without_a_gap(zone, day):
    place = ZoneInfo(zone)
    start, end = day_range(day, zone=place)

    assert day_range(day + timedelta(days=1), zone=place)[0] == end
    assert timedelta(hours=22) <= end - start <= timedelta(hours=26)
    assert local_day(start, zone=place) == day
    assert local_day(end - timedelta(seconds=1), zone=place) == day


@given(zone=ALL_ZONES, day=DAYS, at=TIMES)
def test_a_summary_is_open_for_a_quarter_of_an_hour_at_least(zone, day, at):
    due_at, until = window(day, at, zone=ZoneInfo(zone))

    assert until - due_at >= timedelta(minutes=15)


def test_a_date_that_an_island_left_out_is_on_another_day():
    apia = zone_named("Pacific/Apia")

    assert local_day(moment(date(2011, 12, 30), time(9), zone=apia), zone=apia) == date(2011, 12, 29)


@pytest.mark.parametrize("name", ["", "Chicago", "../etc/passwd", "America/Chicago\x00", "x" * 500])
def test_a_name_that_is_no_zone_is_refused(name):
    with pytest.raises(UnknownZone, match="is no time zone"):
        zone_named(name)


def test_people_choose_from_places():
    assert {"America/Chicago", "Asia/Kathmandu", "UTC"} <= set(zone_names())
    assert not {name for name in zone_names() if name.startswith("Etc/")}


def test_the_zones_are_those_of_the_locked_package_and_not_of_the_operating_system():
    assert zoneinfo.TZPATH == ()
