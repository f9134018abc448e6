"""When everything runs, on one page. The rows of django-q2's scheduler are made from it and from nothing else."""

from typing import Any

from django.db import transaction
from django.utils import timezone
from django_q.models import Schedule

CADENCE: dict[str, tuple[str, str, int | str]] = {  # name: (task, its cluster, minutes between two runs or a time as cron says it)
    "Send due messages": ("portal.tasks.send_due_messages", "mail", 1),
    "Add CMS notes": ("portal.tasks.add_cms_notes", "mail", 1),
    "Price quotes": ("portal.tasks.process_quotes", "mail", 5),
    "Try failed quote e-mails again": ("portal.tasks.retry_failed_emails", "mail", 30),
    "Plan campaign mails": ("portal.tasks.run_scheduler", "mail", "30 2 * * *"),
    "Go on with the scheduler's run": ("portal.tasks.join_run", "mail", 1),
    "Plan anew after changes": ("portal.tasks.reschedule_changes", "mail", 5),
    "Clear stale locks of quotes": ("portal.tasks.clear_stale_locks", "short", "0 2 * * *"),
    "Send daily summaries": ("portal.tasks.send_daily_summaries", "mail", 5),
    "Let old daily summaries expire": ("portal.tasks.expire_daily_summaries", "short", "30 2 * * *"),
    "Plan follow-ups": ("portal.tasks.schedule_follow_ups", "short", "0 5 * * *"),
    "Hand campaign mails over": ("portal.tasks.hand_over_due", "mail", 5),
    "Run bulk actions": ("portal.tasks.run_operations", "mail", 1),
    "Read and import files": ("portal.tasks.run_imports", "mail", 1),
    "Rebuild the analytics": ("portal.tasks.rebuild_analytics", "mail", 30),
    "Back up the database": ("portal.tasks.backup_database", "mail", "30 1 * * *"),
    "Rehearse the restore": ("portal.tasks.restore_drill", "mail", "30 3 * * *"),
    "Look after the database": ("portal.tasks.optimise_database", "mail", "30 4 * * *"),
    "Sweep up after vanished workers": ("portal.tasks.sweep", "short", 1),
}


@transaction.atomic
def sync() -> dict[str, int]:
    """The scheduler's table says exactly what this page says; returns how many rows were created, changed and removed."""
    counts = {"created": 0, "changed": 0, "removed": 0}
    kept = []
    for name, (task, cluster, when) in CADENCE.items():
        row, what = _put(name, facts(task=task, cluster=cluster, when=when))
        kept.append(row.pk)
        if what:
            counts[what] += 1
    counts["removed"] = Schedule.objects.exclude(pk__in=kept).delete()[0]
    return counts


def facts(*, task: str, cluster: str, when: int | str) -> dict[str, Any]:
    """All that a row of the scheduler may say. Whatever else somebody wrote into it is put right."""
    return {
        "func": task,
        "cluster": cluster,
        "schedule_type": Schedule.CRON if isinstance(when, str) else Schedule.MINUTES,
        "minutes": None if isinstance(when, str) else when,
        "repeats": -1,
        "args": None,
        "kwargs": None,
        "hook": None,
        "cron": when if isinstance(when, str) else None,
        "intended_date_kwarg": "planned_for",
    }


def _put(name: str, wanted: dict[str, Any]) -> tuple[Schedule, str]:
    row = Schedule.objects.select_for_update().filter(name=name).order_by("pk").first()
    if row is None:
        return Schedule.objects.create(name=name, next_run=timezone.now(), **wanted), "created"
    if all(getattr(row, field) == value for field, value in wanted.items()) and row.next_run:
        return row, ""
    for field, value in wanted.items():
        setattr(row, field, value)
    row.next_run = row.next_run or timezone.now()
    row.save()
    return row, "changed"
