"""Every background entry point: ids in, one call, a summary out. A task that runs twice changes nothing.

django-q2 only rings; what is due is found in our own tables. So a ring that is lost costs the time until the next one, and nothing else.
`planned_for` is what a schedule tells its task; nothing depends on it.
"""

from contextlib import nullcontext
from dataclasses import asdict
from datetime import date, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone
from django_q.models import OrmQ
from django_q.tasks import async_task

from campaigns import following_up, hand_over
from campaigns.importing import jobs as imports
from messaging import analytics, database_health, delivery, journal, notes, reaper
from portal import backups, planning, shutdown, summary_wiring, wiring
from portal.models import Heartbeat
from portal.operations import running
from portal.quotes import pricing, retries
from portal.slots import slot
from portal.summaries import daily, watch

Summary = dict[str, Any]
MAIL = "mail"  # the cluster whose tasks wait for the outside world
PRICING_SLICE = timedelta(minutes=15)  # no quote is begun later: one call more still fits into the cluster's time-out
RETRY_SLICE = timedelta(minutes=10)  # likewise for mails that are tried again
HAND_OVER_LEAD = timedelta(minutes=15)  # before the time of sending: rules and suppressions are asked as late as can be
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


def process_quotes(
    limit: int = 20, force: bool = False, quote_id: int | None = None, by_id: int | None = None, planned_for: str = ""
) -> Summary:
    """Price up to `limit` quotes; their mails are queued with their price. A named quote does not wait for the others."""
    with nullcontext(True) if quote_id else _place("quotes", of=1) as ours:
        if not ours:
            return pricing.Tally().as_dict() | {"already_running": True}
        tally = pricing.process(
            wiring.pricing_terms(), limit=limit, force=force, quote_id=quote_id, by_id=by_id, seconds=PRICING_SLICE.total_seconds()
        )
    if tally.quoted:
        ring()
    return tally.as_dict()


def retry_failed_emails(leg_type: str = "both", limit: int = 30, max_attempts: int = 3, planned_for: str = "") -> Summary:
    """Up to `limit` mails of quotes that did not go out have one more try each."""
    with _place("send", of=settings.MAIL_WORKERS) as ours:
        if not ours:
            return retries.Tally(already_running=True).as_dict()
        terms = wiring.retry_terms(pause_seconds=retries.PAUSE_SECONDS)
        seconds = RETRY_SLICE.total_seconds()
        return retries.retry(terms, leg_type=leg_type, limit=limit, max_attempts=max_attempts, seconds=seconds).as_dict()


def hand_over_due(
    day: str = "", limit: int | None = None, seconds: float | None = None, early: bool = False, planned_for: str = ""
) -> Summary:
    """The day's planned mails get their messages, for a slice of work or `seconds`; not long before the time of sending, unless `early`."""
    with _place("hand over", of=1) as ours:
        terms = wiring.hand_over_terms(seconds=_slice(seconds))
        if not ours or not (early or terms.now >= terms.begins(wiring.today()) - HAND_OVER_LEAD):
            return hand_over.Tally(already_running=not ours).as_dict()
        try:
            tally = hand_over.hand_over(day=date.fromisoformat(day) if day else wiring.today(), terms=terms, limit=limit)
        except hand_over.NoPostalAddress as missing:
            journal.count_error("campaigns", str(missing))
            raise
    for sentence in tally.attention:
        journal.count_error("campaigns", sentence)
    if tally.handed_over:
        ring()
    if tally.unfinished and not shutdown.told():
        ring_hand_over()
    return tally.as_dict()


def schedule_follow_ups(day: str = "", lookback: int | None = None, planned_for: str = "") -> Summary:
    """Every mail that is owed a follow-up has one planned."""
    with _place("follow-ups", of=1) as ours:
        if not ours:
            return following_up.Tally().as_dict() | {"already_running": True}
        today = date.fromisoformat(day) if day else wiring.today()
        rules = wiring.scheduler_settings()[0]
        return following_up.schedule_follow_ups(day=today, at=timezone.now(), settings=rules, lookback_days=lookback).as_dict()


def run_scheduler(planned_for: str = "") -> Summary:
    """Everybody's campaign mails are planned from today on; nothing happens while another run is under way."""
    with _place("runs", of=1) as ours:
        return planning.plan_everybody() if ours else {"already_running": True}


def join_run(planned_for: str = "") -> Summary:
    """The scheduler's run under way has one worker more: one that a person started, or that has lost its workers, goes on."""
    with _place("runs", of=1) as ours:
        return planning.join() if ours else {"already_running": True}


def reschedule_changes(planned_for: str = "") -> Summary:
    """Contacts that a change touches are planned anew, and nobody else; they go on waiting while a run is under way."""
    with _place("runs", of=1) as ours:
        return planning.reschedule() if ours else {"already_running": True}


def clear_stale_locks(planned_for: str = "") -> Summary:
    """Quotes whose worker has vanished are pending again; nothing is processed."""
    return {"locks_cleared": pricing.clear_stale(lock=settings.QUOTE_LOCK)}


def run_operations(seconds: float | None = None, planned_for: str = "") -> Summary:
    """Carry bulk actions out for a slice of work or `seconds`, and ring for the next slice if anything is left."""
    with _place("operations", of=1) as ours:
        if not ours:
            return running.Tally().as_dict() | {"already_running": True}
        terms = running.Terms(mail=wiring.quote_mail_terms, pricing=wiring.pricing_terms, ring=ring, stop=shutdown.told)
        tally = running.run_due(terms, seconds=_slice(seconds))
    if tally.left:
        ring_operations()
    return tally.as_dict()


def send_daily_summaries(now: datetime | None = None, user_id: int | None = None, force: bool = False, planned_for: str = "") -> Summary:
    """Everybody whose time has come has the summary of the day before queued, once."""
    tally = daily.send_due(summary_wiring.summary_terms(), now=now, user_id=user_id, force=force)
    if tally.queued:
        ring()
    return tally.as_dict()


def expire_daily_summaries(planned_for: str = "") -> Summary:
    """What daily summaries left is gone after 30 days; none of those days is opened again."""
    return {"expired": watch.expire(now=timezone.now())}


def run_imports(seconds: float | None = None, planned_for: str = "") -> Summary:
    """Read, compare and import uploaded files for a slice of work or `seconds`; one that is begun is finished."""
    with _place("imports", of=1) as ours:
        if not ours:
            return asdict(imports.Tally()) | {"already_running": True}
        tally = imports.run_due(imports.Terms(on=wiring.today(), stop=shutdown.told), seconds=_slice(seconds))
    if tally.left:
        ring_imports()
    return asdict(tally)


def sweep(planned_for: str = "") -> Summary:
    """Nothing stays with a worker that has vanished."""
    with _place("sweep", of=1) as ours:
        if not ours:
            return {"already_running": True}
        locks = pricing.clear_stale(lock=settings.QUOTE_LOCK)
        alarms = int(watch.alarm())
        return reaper.sweep(spool_dir=settings.SPOOL_DIR) | {"locks_cleared": locks, "summary_alarms": alarms}


def rebuild_analytics(days: int = 30, planned_for: str = "") -> Summary:
    """The figures of the last `days` are counted anew, of test mails and of the others."""
    with _place("analytics", of=1) as ours:
        if not ours:
            return {"already_running": True}
        for test in (False, True):
            analytics.rebuild(days=days, at=timezone.now(), zone=str(settings.TIME_ZONE), test=test)
    return {"rebuilt": 2}


def optimise_database(planned_for: str = "") -> Summary:
    """Tables that need it are vacuumed and analysed, broken indexes made anew."""
    with _place("optimise", of=1) as ours:
        return database_health.optimise() if ours else {"already_running": True}


def backup_database(planned_for: str = "") -> Summary:
    """A verified backup more; one that fails is an alarm."""
    return backups.back_up()


def restore_drill(planned_for: str = "") -> Summary:
    """The newest backup was restored into a scratch database and compared; one that does not restore is an alarm."""
    return backups.drill()


def heartbeat(key: str) -> Summary:
    """Answer the watchdog's ring."""
    return {"answered": Heartbeat.objects.filter(key=key).update(beat_at=Now())}


def ring() -> None:
    """Wake a worker for the mail that this transaction queues, once it is committed."""
    transaction.on_commit(lambda: wake("portal.tasks.send_due_messages"), robust=True)


def ring_notes() -> None:
    """Wake a worker for the notes that this transaction leaves owed, once it is committed."""
    transaction.on_commit(lambda: wake("portal.tasks.add_cms_notes"), robust=True)


def ring_quotes() -> None:
    """Wake a worker for the quotes that this transaction leaves pending, once it is committed."""
    transaction.on_commit(lambda: wake("portal.tasks.process_quotes"), robust=True)


def ring_hand_over() -> None:
    """Wake a worker for the planned mails that are still to be handed over, once this transaction is committed."""
    transaction.on_commit(lambda: wake("portal.tasks.hand_over_due"), robust=True)


def ring_runs() -> None:
    """Wake a worker for the scheduler's run that this transaction starts, once it is committed."""
    transaction.on_commit(lambda: wake("portal.tasks.join_run"), robust=True)


def ring_rescheduling() -> None:
    """Wake a worker for the contacts that wait for a run since this transaction, once it is committed."""
    transaction.on_commit(lambda: wake("portal.tasks.reschedule_changes"), robust=True)


def ring_operations() -> None:
    """Wake a worker for the bulk action that this transaction starts, once it is committed."""
    transaction.on_commit(lambda: wake("portal.tasks.run_operations"), robust=True)


def ring_imports() -> None:
    """Wake a worker for the file that this transaction leaves to be read or imported, once it is committed."""
    transaction.on_commit(lambda: wake("portal.tasks.run_imports"), robust=True)


def ring_analytics(days: int) -> None:
    """Have the figures of so many days counted in the background, unless that waits to be done already."""
    waiting = OrmQ.objects.filter(key=MAIL, lock__lte=Now()).order_by("pk")[:LOOKED_AT]
    if not any(ring.task.get("func") == "portal.tasks.rebuild_analytics" for ring in waiting):
        async_task("portal.tasks.rebuild_analytics", days, cluster=MAIL)


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
