"""Two hosts with wrong clocks look after the summaries of people in every zone whose clock is changed, and are killed at each fault point.

Each person has one summary and one mail on each day of their own calendar: none is missing, none comes twice.
"""

import random
import signal
import sys
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from messaging.faults import POINTS
from portal.summaries.local_time import A_DAY, zone_names
from tests.faults.clocks import changes_between
from tests.faults.lab import Lab
from tests.faults.test_sweep import strike
from tests.faults.zygote import Worker

KILLED_AT = [*sorted(point for point in POINTS if point.startswith("summary.")), "enqueue.before_commit", "enqueue.after_commit"]
SEASONS = {  # from when, and how many days: together they see every change of a clock in that year
    "spring": ("2026-03-06T00:00+00:00", 32),
    "autumn": ("2026-10-02T00:00+00:00", 32),
    "Morocco in February": ("2026-02-13T00:00+00:00", 4),
    "Egypt in April": ("2026-04-22T00:00+00:00", 4),
    "Chile in September": ("2026-09-05T00:00+00:00", 4),
    "Morocco in September": ("2026-09-18T00:00+00:00", 4),
    "New Zealand in September": ("2026-09-25T00:00+00:00", 4),
}
WRONG_MINUTES = 120
FAULTS = {"kill": "kill", "raise": "raise", "sleep": "sleep:0.5", "stop the database": "touch:mark"}
DOUBLES = "SELECT user_id, day FROM portal_dailysummary GROUP BY 1, 2 HAVING count(*) > 1"


def live(lab: Lab, *, people: int, start: str, days: int, every_minutes: int) -> Counter[str]:
    """So many days with two hosts, each killed once or twice a day, while a third sends; returns the kills by fault point."""
    chance, kills, first = random.Random(start), Counter[str](), datetime.fromisoformat(start)
    lab.zygote.run("subscribe", people=people, start=start, days=days)
    sender = lab.fork("keep_working", place=lab.place(lease_seconds=20, settle_seconds=0), steps=["sweep", "send"])
    for day in range(days):
        told = {"until": (first + timedelta(days=day + 1)).isoformat(), "every_minutes": every_minutes}
        told |= {"start": (first + timedelta(days=day)).isoformat()}
        points = {name: KILLED_AT[(day + number) % len(KILLED_AT)] for number, name in enumerate(["left", "right"])}
        kills += live_a_day(lab, told, chance, {lab.folder / f"{name}-{day}": point for name, point in points.items()})
    sender.signal(signal.SIGTERM)
    assert sender.answer() is not None
    return kills


def live_a_day(lab: Lab, told: dict, chance: random.Random, points: dict[Path, str]) -> Counter[str]:
    """Whoever is killed is begun again at once, by another clock and sometimes to be killed again; until both hosts are through."""
    hosts = {mark: begin(lab, mark, told, chance, fault=kill(chance, point)) for mark, point in points.items()}
    kills: Counter[str] = Counter()
    while hosts:
        mark = next((mark for mark, host in hosts.items() if host.has_ended(within_seconds=0.02)), None)
        if mark is None:
            continue
        if hosts.pop(mark).answer() is None:
            kills[points[mark]] += 1
            again = kill(chance, points[mark]) if chance.random() < 0.3 else ""
            hosts[mark] = begin(lab, mark, told, chance, fault=again)
    return kills


def kill(chance: random.Random, point: str) -> str:
    return f"{point}=kill@{chance.randint(1, 4)}"


def begin(lab: Lab, mark: Path, told: dict, chance: random.Random, *, fault: str) -> Worker:
    """One host's clock is two hours fast all the time. The other's is set anew at each start, up to two hours slow or fast.

    If both jumped, nobody's might ever show the quarter of an hour that some have. A real host goes by the clock of the database.
    """
    jumping = chance.choice([WRONG_MINUTES, -WRONG_MINUTES, chance.randint(-WRONG_MINUTES, WRONG_MINUTES)])
    wrong = WRONG_MINUTES if mark.name.startswith("left") else jumping
    return lab.fork("be_a_host", progress=str(mark), wrong_minutes=wrong, fault=fault, **told)


def assert_each_day_is_told_once(lab: Lab, *, start: str, days: int) -> int:
    """Nobody's day is missing or told twice; every mail reached the mail server once. Returns how many."""
    until = (datetime.fromisoformat(start) + timedelta(days=days)).isoformat()
    assert lab.zygote.run("wrong_with_summaries", start=start, until=until, slack_minutes=WRONG_MINUTES + 30, within_seconds=120) == []
    assert lab.database.ask(DOUBLES) == []
    lab.zygote.run("drain", place=lab.place(lease_seconds=20, settle_seconds=0), within_seconds=300)
    mails = Counter(line["message_id"] for line in lab.sandbox.mail_ledger())
    assert set(mails.values()) == {1}
    with_mail = "SELECT count(message_id) FROM portal_dailysummary"  # days at either end, by the wrongest clock, may be closed without one
    assert len(mails) == lab.database.ask(with_mail)[0][0]
    return len(mails)


def test_the_seasons_see_every_change_of_a_clock_in_their_year():
    year, spans = datetime(2026, 1, 1, tzinfo=UTC), [(datetime.fromisoformat(start), days) for start, days in SEASONS.values()]
    changes = {change for name in zone_names() for change in changes_between(year, days=365, zone=ZoneInfo(name))}

    unseen = [change for change in changes if not any(start + A_DAY <= change <= start + A_DAY * (days - 1) for start, days in spans)]
    assert len(changes) > 20
    assert unseen == []


def test_days_of_changing_clocks_with_two_wrong_hosts_that_are_killed(clean_lab: Lab):
    start = "2026-03-28T00:00+00:00"  # the clocks of Europe, Greenland and the Azores

    kills = live(clean_lab, people=40, start=start, days=3, every_minutes=15)

    told = assert_each_day_is_told_once(clean_lab, start=start, days=3)
    assert kills.total() >= 3, "hardly anybody died: nothing is proved"
    assert told >= 40 * 2


@pytest.mark.storm
@pytest.mark.parametrize("season", SEASONS)
def test_thirty_days_of_five_hundred_people(clean_lab: Lab, season: str, capsys):
    began, (start, days) = time.monotonic(), SEASONS[season]

    kills = live(clean_lab, people=500, start=start, days=days, every_minutes=15)  # the longest that a run may be late

    told = assert_each_day_is_told_once(clean_lab, start=start, days=days)
    with capsys.disabled():
        sys.stdout.write(f"\n{season}: {told:,} summaries of {days} days, {kills.total()} kills, {time.monotonic() - began:.0f} s\n")
    assert told >= 500 * (days - 1)
    assert len(kills) >= min(days, len(KILLED_AT)), f"nobody died at some point: {kills}"


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
    assert clean_lab.database.ask(DOUBLES) == []
    assert len(clean_lab.sandbox.mail_ledger()) == clean_lab.database.ask("SELECT count(*) FROM portal_dailysummary")[0][0] == people == 3
