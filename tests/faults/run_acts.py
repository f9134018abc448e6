"""What a worker of the fault tests does with the scheduler's runs: share one, again and again, until it is over."""

import time
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from django.db.models import F
from django.utils import timezone

from campaigns import loading, runs, undoing, writing
from campaigns.models import Contact, EmailSchedule, RunStatus, SchedulerRun
from campaigns.settings import SchedulerSettings

CONTACTS, AT_ONCE = 240, 20
DAY = date(2026, 6, 1)
LEASE = timedelta(seconds=0.7)
TIGHT = SchedulerSettings(daily_send_percentage_cap=0.02, ed_daily_soft_limit=2, batch_size=AT_ONCE)


def start_run(contacts: int = CONTACTS) -> int:
    """A run over contacts whose effective dates crowd a few days; it waits for workers."""
    SchedulerRun.objects.all().delete()
    EmailSchedule.objects.all().delete()
    if not Contact.objects.exists():
        Contact.objects.bulk_create(contact(number) for number in range(contacts))
    return runs.start(runs.Order(day=DAY, settings=TIGHT, versions={}, without_backup="A test")).pk


def start_safe_run(folder: str) -> int:
    """Likewise, but it backs up first what it may change."""
    SchedulerRun.objects.filter(pk=start_run()).delete()
    return runs.start(runs.Order(day=DAY, settings=TIGHT, versions={}, backup_to=Path(folder))).pk


def contact(number: int) -> Contact:
    zip_code, state = [("75001", "TX"), ("90001", "CA"), ("63101", "MO"), ("66842", "KS")][number % 4]
    born, since = date(1940, 1, 1) + timedelta(days=number * 37), date(2015 + number % 7, 7 + number % 3, 1)
    return Contact(email=f"c{number}@client.example", zip_code=zip_code, state=state, birth_date=born, effective_date=since)


def share_run(wrong_hours: int = 0) -> None:
    """Work on the run under way until it is over, by a clock that may be wrong; one that has failed is resumed."""
    runs.LEASE, runs.WAIT_SECONDS = LEASE, 0.02
    now, seconds, wrong = timezone.now, time.time, timedelta(hours=wrong_hours)
    timezone.now, time.time = lambda: now() + wrong, lambda: seconds() + wrong.total_seconds()
    failed = SchedulerRun.objects.filter(status=RunStatus.FAILED).first()
    run = runs.resume(failed.pk) if failed else SchedulerRun.objects.running().first()
    if run:
        runs.work(run.pk)


def start_undo() -> int:
    """A second run, after contacts have changed, that is to be undone; it waits for workers."""
    start_run()
    share_run()
    Contact.objects.filter(state__in=["TX", "MO"]).update(birth_date=F("birth_date") + timedelta(days=9))
    run = runs.start(runs.Order(day=DAY + timedelta(days=1), settings=TIGHT, versions={}, without_backup="A test"))
    share_run()
    return undoing.begin(run.pk, reason="A test").pk


def share_undo() -> None:
    """Undo the run that is being undone until the end; one whose undoing has failed is taken up again."""
    runs.LEASE, runs.WAIT_SECONDS = LEASE, 0.02
    run = SchedulerRun.objects.latest("pk")
    if run.status == RunStatus.FAILED:
        undoing.begin(run.pk, reason="Once more")
    undoing.work(run.pk)


def finish_undo() -> dict[str, Any]:
    share_undo()
    first, second = SchedulerRun.objects.order_by("pk")
    (everybody,) = loading.ranges(size=10**6)
    return {
        "status": second.status,
        "changed": bool(second.changed and second.added and second.removed),
        "before": second.before_checksum == first.after_checksum,
        "checksum": f"{writing.checksum(everybody) % 2**64:016x}" == second.before_checksum,
        "exact": second.undo.is_exact,
        "told": [second.undo.put_back, second.undo.taken_away] == [second.changed + second.removed, second.added],
        "rows": EmailSchedule.objects.count() == first.added,
    }


def finish_run() -> dict[str, Any]:
    share_run()
    run = SchedulerRun.objects.latest("pk")
    settled = EmailSchedule.objects.exclude(moved_from=None).count()
    return {
        "status": run.status,
        "checksum": run.after_checksum,
        "contacts": run.contacts_done,
        "added": run.added,
        "rows": EmailSchedule.objects.count(),
        "settled": bool(settled),
    }
