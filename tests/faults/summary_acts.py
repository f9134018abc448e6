"""What a host that looks after daily summaries does in the fault tests, by a clock of its own that may be wrong."""

from datetime import date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from django.contrib.auth.models import User
from django.utils import timezone

from messaging import faults, invariants
from portal.summaries import daily
from portal.summaries.contents import Desk
from portal.summaries.invariants import of_summaries
from portal.summaries.local_time import A_DAY, local_day, window, zone_names
from portal.summaries.models import DailySummary, SummaryPreference
from tests.faults import quote_acts
from tests.faults.clocks import skipped_or_repeated

EVERY = timedelta(minutes=5)
TIMES = [time(2, 30), time(9), time(0, 0), time(23, 58), time(1, 30), time(17, 5), time(0, 20), time(23, 30), time(3, 0), time(12, 45)]
TERMS = daily.Terms(
    sender=quote_acts.SENDER,
    desk=lambda: Desk(pending=list, site_url="http://portal.example", office_name="Office"),
    spool_dir=Path("/nonexistent/spool"),
)


def moving_zones(start: datetime, days: int) -> list[str]:
    """Every zone that people may choose whose clock is changed within these days."""
    moments = [start + A_DAY * day for day in range(days + 1)]
    return sorted(name for name in zone_names() if len({at.astimezone(ZoneInfo(name)).utcoffset() for at in moments}) > 1)


def subscribe(*, people: int, start: str, days: int) -> None:
    """So many people want a summary from then on: in all the zones whose clocks are changed, one in three when they are."""
    since = datetime.fromisoformat(start)
    zones = [*moving_zones(since, days), "UTC", "Asia/Kathmandu", "Pacific/Kiritimati", "Pacific/Pago_Pago", "America/Phoenix"]
    users = User.objects.bulk_create(User(username=f"p{number}", is_staff=True, is_superuser=True) for number in range(people))
    chosen = [zones[number * len(zones) // people if people < len(zones) else number % len(zones)] for number in range(people)]
    sharp = {zone: skipped_or_repeated(since, days=days, zone=ZoneInfo(zone)) for zone in set(chosen)}
    SummaryPreference.objects.bulk_create(
        SummaryPreference(
            user=user,
            notification_email=f"p{number}@staff.example",
            zone=zone,
            summary_time_local=(is_sharp(number, len(zones)) and sharp[zone]) or TIMES[number % len(TIMES)],
            changed_at=since,
        )
        for number, (user, zone) in enumerate(zip(users, chosen, strict=True))
    )


def is_sharp(number: int, zones: int) -> bool:
    """Of three people in one zone, one; however many zones there are."""
    return (number + number // zones) % 3 == 0


def be_a_host(*, start: str, until: str, wrong_minutes: int, every_minutes: int, fault: str = "", progress: str) -> int:
    """Runs from `start` to `until`, each at its own idea of the time; killed, it goes on where it was when it is begun again."""
    faults._plans.clear()
    faults._plans.update(faults.parse(fault))
    file = Path(progress)
    at, count = datetime.fromisoformat(file.read_text() if file.exists() else start), 0
    while at < datetime.fromisoformat(until):
        file.write_text(at.isoformat())
        daily.send_due(TERMS, now=at + timedelta(minutes=wrong_minutes))
        at, count = at + timedelta(minutes=every_minutes), count + 1
    file.write_text(at.isoformat())
    return count


def wrong_with_summaries(*, start: str, until: str, slack_minutes: int) -> list[str]:
    """The days of people that have no summary or no mail, though their whole window lay between these moments, by the wrongest clock."""
    slack = timedelta(minutes=slack_minutes)
    first, last = datetime.fromisoformat(start) + slack, datetime.fromisoformat(until) - slack
    rows = {(row.user_id, row.day): row for row in DailySummary.objects.select_related("message")}
    found = []
    for one in SummaryPreference.objects.all():
        for day in days_between(first, last, zone=one.tzinfo):
            due_at, closes_at = window(day, one.summary_time_local, zone=one.tzinfo)
            if first <= due_at and closes_at <= last and not is_told(rows.get((one.user_id, day))):
                found.append(f"{one.user_id} in {one.zone} at {one.summary_time_local} on {day}: nothing")
    broken = invariants.verify(*of_summaries())
    return found + [f"{one.name} {one.sentence} {one.rows} rows, such as {one.ids}" for one in broken]


def is_told(row: DailySummary | None) -> bool:
    return row is not None and row.message is not None


def days_between(first: datetime, last: datetime, *, zone: ZoneInfo) -> list[date]:
    start = local_day(first, zone=zone)
    return [start + A_DAY * day for day in range((last - first) // A_DAY + 2)]


def summarise() -> None:
    """A run now, of whatever is due."""
    daily.send_due(TERMS)


def want_one_now(people: int) -> None:
    """So many whose time has just come, by the clock of any host."""
    now = timezone.now()
    for number in range(people):
        user, _ = User.objects.get_or_create(username=f"now{number}", defaults={"is_staff": True})
        facts = {"notification_email": f"now{number}@staff.example", "zone": "UTC", "summary_time_local": time(0, 0)}
        SummaryPreference.objects.get_or_create(user=user, defaults=facts | {"changed_at": now})


def age_summaries() -> None:
    """All of them are of long ago."""
    DailySummary.objects.update(created_at=timezone.now() - timedelta(days=40))
