"""Two hosts with wrong clocks look after the summaries of people in every zone whose clock is changed, and are killed at each fault point.

Each person has one summary and one mail on each day of their own calendar: none is missing, none comes twice.
"""

import random
import sys
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from messaging.faults import POINTS
from tests.faults.lab import Lab
from tests.faults.test_sweep import strike
from tests.faults.zygote import Worker

KILLED_AT = [*sorted(point for point in POINTS if point.startswith("summary.")), "enqueue.before_commit", "enqueue.after_commit"]
SEASONS = {"spring": "2026-03-06T00:00+00:00", "autumn": "2026-10-02T00:00+00:00"}  # thirty days that see most clocks change
WRONG_MINUTES = 120
CLOCKS = [WRONG_MINUTES, -WRONG_MINUTES]  # of the two hosts; a real one goes by the clock of the database
FAULTS = {"kill": "kill", "raise": "raise", "sleep": "sleep:0.5", "stop the database": "touch:mark"}
ROWS = """
    SELECT user_id, day, count(*), count(message_id) FROM portal_dailysummary
    GROUP BY 1, 2 HAVING count(*) > 1 OR count(message_id) <> 1"""


def live(lab: Lab, *, people: int, start: str, days: int, every_minutes: int) -> int:
    """So many days with two hosts, each killed once or twice a day at some fault point; returns the kills."""
    chance, kills, first = random.Random(start), 0, datetime.fromisoformat(start)
    zones = lab.zygote.run("subscribe", people=people, start=start, days=days)
    for day in range(days):
        told = {"until": (first + timedelta(days=day + 1)).isoformat(), "every_minutes": every_minutes}
        told |= {"start": (first + timedelta(days=day)).isoformat()}
        marks = [lab.folder / f"{name}-{day}" for name in ("left", "right")]
        hosts = [begin(lab, mark, told, wrong, fault=kill(chance, day)) for mark, wrong in zip(marks, CLOCKS, strict=True)]
        for host, mark, wrong in zip(hosts, marks, CLOCKS, strict=True):
            if host.answer(within_seconds=300) is None:
                kills += 1
                begin(lab, mark, told, wrong, fault="").answer(within_seconds=300)
    assert zones > 20
    return kills


def kill(chance: random.Random, day: int) -> str:
    return f"{KILLED_AT[day % len(KILLED_AT)]}=kill@{chance.randint(1, 4)}"


def begin(lab: Lab, mark: Path, told: dict, wrong: int, *, fault: str) -> Worker:
    return lab.fork("be_a_host", progress=str(mark), wrong_minutes=wrong, fault=fault, **told)


def assert_each_day_is_told_once(lab: Lab, *, start: str, days: int) -> int:
    """Nobody's day is missing or told twice; every mail reached the mail server once. Returns how many."""
    until = (datetime.fromisoformat(start) + timedelta(days=days)).isoformat()
    assert lab.zygote.run("wrong_with_summaries", start=start, until=until, slack_minutes=WRONG_MINUTES + 30, within_seconds=120) == []
    assert lab.database.ask(ROWS) == []
    lab.zygote.run("drain", place=lab.place(lease_seconds=20, settle_seconds=0), within_seconds=300)
    mails = Counter(line["message_id"] for line in lab.sandbox.mail_ledger())
    assert set(mails.values()) == {1}
    assert len(mails) == lab.database.ask("SELECT count(*) FROM portal_dailysummary")[0][0]
    return len(mails)


def test_days_of_changing_clocks_with_two_wrong_hosts_that_are_killed(clean_lab: Lab):
    start = "2026-03-28T00:00+00:00"  # the clocks of Europe, Greenland and the Azores

    kills = live(clean_lab, people=40, start=start, days=3, every_minutes=15)

    told = assert_each_day_is_told_once(clean_lab, start=start, days=3)
    assert kills >= 3, "hardly anybody died: nothing is proved"
    assert told >= 40 * 2


@pytest.mark.storm
@pytest.mark.parametrize("season", SEASONS)
def test_thirty_days_of_five_hundred_people(clean_lab: Lab, season: str):
    began = time.monotonic()

    kills = live(clean_lab, people=500, start=SEASONS[season], days=30, every_minutes=5)

    told = assert_each_day_is_told_once(clean_lab, start=SEASONS[season], days=30)
    sys.stdout.write(f"\n{season}: {told:,} summaries, {kills} kills, {time.monotonic() - began:.0f} s\n")
    assert told >= 500 * 29


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("point", KILLED_AT[:3])
def test_whatever_strikes_over_a_summary_it_comes_once(clean_lab: Lab, point: str, fault: str):
    place, marks = clean_lab.place(lease_seconds=2, settle_seconds=0), clean_lab.folder / "marks"

    worker = clean_lab.fork("work", place=place, steps=["want", "summarise"], fault=f"{point}={FAULTS[fault]}@2", marks=str(marks))
    strike(clean_lab, marks / point, fault)
    if fault != "kill":
        worker.answer()
    now = datetime.now(UTC)
    told = {"start": now.isoformat(), "until": (now + timedelta(minutes=11)).isoformat(), "wrong_minutes": 0, "every_minutes": 5}
    clean_lab.zygote.run("be_a_host", progress=str(marks / "after"), **told)
    clean_lab.zygote.run("drain", place=place)

    people = clean_lab.database.ask("SELECT count(*) FROM portal_summarypreference")[0][0]
    assert clean_lab.database.ask(ROWS) == []
    assert len(clean_lab.sandbox.mail_ledger()) == clean_lab.database.ask("SELECT count(*) FROM portal_dailysummary")[0][0] == people == 3
