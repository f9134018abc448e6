"""Made-up contacts, the same for the same seed: every state, leap days, New Year, missing dates, campaigns, histories."""

from collections.abc import Iterator
from datetime import date, timedelta
from random import Random
from typing import Any

from tests.audit import windows

RULED = ["CA", "ID", "KY", "MD", "NV", "OK", "OR", "VA", "MO", "CT", "MA", "NY", "WA"]
# fmt: off
FREE = [
    "AK", "AL", "AR", "AZ", "CO", "DC", "DE", "FL", "GA", "HI", "IA", "IL", "IN", "KS", "LA", "ME", "MI", "MN", "MS", "MT",
    "NC", "ND", "NE", "NH", "NJ", "NM", "OH", "PA", "RI", "SC", "SD", "TN", "TX", "UT", "VT", "WI", "WV", "WY",
]
# fmt: on
ELSEWHERE = ["other", "PR", "VI", "GU", "AS", "MP"]
STATES = [*RULED, *FREE, *ELSEWHERE]
TURNING = [(2, 29), (2, 28), (3, 1), (12, 31), (1, 1), (1, 2), (12, 1), (11, 1), (7, 15), (9, 15), (10, 15), (6, 30)]
CAMPAIGN_TYPES = ["rate_increase", "seasonal_promo", "initial_blast", "regulatory_notice", "policy_update"]
LEADS = dict(zip(CAMPAIGN_TYPES, (14, 7, 0, 0, 7), strict=True))
STATUSES = ["sent", "delivered", "scheduled", "processing", "pre-scheduled", "skipped", "cancelled", "failed"]


def some_date(random: Random, first: int, last: int) -> date:
    """Any day of these years; every third one near a turning point of the calendar."""
    year = random.randint(first, last)
    if random.random() < 0.33:
        month, day = random.choice(TURNING)
        return date(year, month, day) if (month, day) != (2, 29) else date(year // 4 * 4, 2, 29)
    return date(year, 1, 1) + timedelta(days=random.randrange(365))


def near(random: Random, day: date, *, before: int, after: int) -> date:
    return day + timedelta(days=random.randint(-before, after))


def person(random: Random, *, number: int, day: date) -> dict[str, Any]:
    """A contact without campaigns and history; in the ruled states two times out of three."""
    made: dict[str, Any] = {"id": number, "state": random.choice(RULED if random.random() < 0.67 else STATES)}
    made["birth_date"] = birth_date(random, day)
    made["effective_date"] = policy_date(random, day)
    return made


def birth_date(random: Random, day: date) -> str | None:
    if random.random() < 0.06:
        return random.choice([None, "", "1950-02-30", "unknown", "1961-13-01"])
    if random.random() < 0.4:  # a birthday around today
        return str(near(random, day, before=100, after=100).replace(day=random.randint(1, 28), year=random.randint(1925, 1965)))
    return str(some_date(random, 1920, 1965))


def policy_date(random: Random, day: date) -> str | None:
    if random.random() < 0.1:
        return random.choice([None, None, "", "2019-02-29", "2020-00-10"])
    if random.random() < 0.1:
        return str(near(random, day, before=0, after=800))
    if random.random() < 0.4:
        return str(near(random, day, before=100, after=100).replace(day=random.randint(1, 28), year=random.randint(1998, day.year - 1)))
    return str(some_date(random, 1995, day.year - 1))


def targets(random: Random, *, day: date, most: int = 4) -> list[dict[str, Any]]:
    """Campaigns about this time, of each type, running, over, and not yet begun; every instance has one type and one pair of dates."""
    made = {}
    for _ in range(random.randint(0, most)):
        instance = random.randint(1, 40)
        own = Random(f"campaign {instance} about {day}")  # what an instance is does not depend on the contact
        begin, end = near(own, day, before=60, after=4), near(own, day, before=4, after=120)
        kind = CAMPAIGN_TYPES[instance % len(CAMPAIGN_TYPES)]
        trigger = near(random, day, before=40, after=150)
        if random.random() < 0.4:  # so that campaigns meet on one day
            trigger = day + timedelta(days=LEADS[kind] + random.choice([1, 20]))
        late = trigger - timedelta(days=LEADS[kind]) < begin <= trigger < day  # on which day it would have gone, nobody can tell now
        made[instance, trigger] = {
            "campaign_type": kind,
            "instance": instance,
            "trigger_date": str(trigger),
            "active_start_date": own.choice([None, str(begin)]) if not late else None,
            "active_end_date": own.choice([None, str(max(begin, end))]),
        }
    return list(made.values())


def history(random: Random, contact: dict[str, Any], *, day: date) -> list[dict[str, Any]]:
    """What may have become of the events around today: sent, on its way, overdue, kept back; each event once."""
    made = []
    for email_type, event, ideal, instance in events(contact, day=day):
        sent = near(random, ideal, before=0, after=9)
        sent = min(sent, event) if event > ideal else sent
        if random.random() < 0.5 and sent <= day + timedelta(days=9):
            made.append(
                {
                    "email_type": email_type,
                    "date": str(sent),
                    "status": random.choice(["pre-scheduled", "skipped"] if sent > day else STATUSES),
                    "event_date": str(corrected(random, event) if email_type in ("birthday", "effective_date") else event),
                    "campaign_instance": instance,
                }
            )
    return made


def corrected(random: Random, event: date) -> date:
    """The day the event had when the mail was planned; sometimes another one of that year."""
    return date(event.year, random.randint(1, 12), 15) if random.random() < 0.1 else event


def events(contact: dict[str, Any], *, day: date) -> Iterator[tuple[str, date, date, Any]]:
    """E-mail type, event, ideal day and campaign of whatever this contact could have heard of lately."""
    for year in (day.year - 1, day.year, day.year + 1):
        yield "aep", date(year, 9, 15), date(year, 9, 15), None
        for email_type, name, lead in (("birthday", "birth_date", 14), ("effective_date", "effective_date", 30)):
            if about := windows.read_date(contact[name]):
                event = windows.anniversary(about, year)
                yield email_type, event, event - timedelta(days=lead), None
    for window in windows.windows(contact, about=day, lead=60):
        yield "post_window", window.end, window.end + timedelta(days=1), None
    for target in contact.get("targets", ()):
        trigger = date.fromisoformat(target["trigger_date"])
        yield f"campaign_{target['campaign_type']}", trigger, trigger - timedelta(days=LEADS[target["campaign_type"]]), target["instance"]


def crowd(seed: int, *, size: int, day: date) -> Iterator[dict[str, Any]]:
    """So many contacts, half of them with campaigns."""
    random = Random(seed)
    for number in range(1, size + 1):
        one = person(random, number=number * 7 + seed % 5, day=day)
        if random.random() < 0.5:
            one["targets"] = targets(random, day=day)
        if random.random() < 0.5:
            one["history"] = history(random, one, day=day)
        yield one
