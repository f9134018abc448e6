"""Every background entry point: ids in, one call, a summary out. A task that runs twice changes nothing.

django-q2 only rings; what is due is found in our own tables. So a ring that is lost costs the time until the next one, and nothing else.
`planned_for` is what a schedule tells its task; nothing depends on it.
"""

from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now
from django_q.models import OrmQ
from django_q.tasks import async_task

from messaging import delivery, notes, reaper
from portal import wiring
from portal.models import Heartbeat
from portal.slots import slot

Summary = dict[str, Any]
MAIL = "mail"  # the cluster whose tasks wait for the outside world
LOOKED_AT = 50  # waiting rings that are read to see whether one more is needed


def send_due_messages(
    limit: int | None = None,
    seconds: float | None = None,
    until_empty: bool = False,
    pause_seconds: float | None = None,
    planned_for: str = "",
) -> Summary:
    """Send what is due for a slice of work, or `seconds`, or until nothing is due."""
    with _place("send", of=settings.MAIL_WORKERS) as ours:
        if not ours:
            return delivery.Tally().as_dict() | {"already_running": True}
        terms = wiring.mail_terms(pause_seconds=pause_seconds)
        tally = delivery.send_due(terms, limit=limit, seconds=_slice(seconds), until_empty=until_empty)
    if tally.sent:
        ring_notes()
    return tally.as_dict()


def add_cms_notes(limit: int | None = None, seconds: float | None = None, planned_for: str = "") -> Summary:
    """Add the notes that are due to the CMS, for a slice of work or `seconds`."""
    with _place("notes", of=1) as ours:
        if not ours:
            return notes.NoteTally().as_dict() | {"already_running": True}
        return notes.post_due(wiring.note_terms(), limit=limit, seconds=_slice(seconds)).as_dict()


def sweep(planned_for: str = "") -> Summary:
    """Nothing stays with a worker that has vanished."""
    with _place("sweep", of=1) as ours:
        return reaper.sweep(spool_dir=settings.SPOOL_DIR) if ours else {"already_running": True}


def heartbeat(key: str) -> Summary:
    """Answer the watchdog's ring."""
    return {"answered": Heartbeat.objects.filter(key=key).update(beat_at=Now())}


def ring() -> None:
    """Wake a worker for the mail that this transaction queues, once it is committed."""
    transaction.on_commit(lambda: wake("portal.tasks.send_due_messages"), robust=True)


def ring_notes() -> None:
    """Wake a worker for the notes that this transaction leaves owed, once it is committed."""
    transaction.on_commit(lambda: wake("portal.tasks.add_cms_notes"), robust=True)


def wake(task: str) -> bool:
    """The task is waiting in the queue of the mail cluster; False if it was already. A ring that a worker has taken does not count."""
    waiting = OrmQ.objects.filter(key=MAIL, lock__lte=Now()).order_by("pk")[:LOOKED_AT]
    if any(ring.task.get("func") == task for ring in waiting):
        return False
    async_task(task, cluster=MAIL)
    return True


def _place(kind: str, *, of: int) -> Any:
    return slot(settings.SPOOL_DIR / "slots", kind=kind, of=of)


def _slice(seconds: float | None) -> float:
    return settings.WORK_SLICE.total_seconds() if seconds is None else seconds
