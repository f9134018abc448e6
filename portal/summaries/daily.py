"""Every person has one summary per day of their own: its row first, then its mail, in one transaction. Restarted anywhere, it is still one.

Whose it is is asked of the preferences and the rows, at every run; what the mail came to is taken from its message.
"""

import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from django.db import InterfaceError, OperationalError, connection, transaction

from messaging import journal, outbox
from messaging.decisions import decide
from messaging.faults import fault
from messaging.models import Level, Message, Verdict
from messaging.models import Status as MessageStatus
from messaging.outbox import Sender
from portal.summaries import watch
from portal.summaries.contents import Desk, compose
from portal.summaries.due import Turn, reached
from portal.summaries.local_time import UnknownZone
from portal.summaries.models import DailySummary, Status, SummaryPreference
from portal.summaries.tracking import (
    is_summary_scheduled_today,
    mark_summary_completed,
    mark_summary_failed,
    mark_summary_scheduled,
    reset_daily_tracking,
)

__all__ = [
    "is_summary_scheduled_today",
    "mark_summary_completed",
    "mark_summary_failed",
    "mark_summary_scheduled",
    "reset_daily_tracking",
    "send_due",
    "try_again",
]
log = logging.getLogger(__name__)
BY_ITSELF = "The summary is tried again within its day."
AWAY = "Database unavailable: no daily summary is sent without its record; each goes out once, after recovery."
ANOTHER_ROUND = {MessageStatus.FAILED: Verdict.TRY_AGAIN_NOW, MessageStatus.HELD: Verdict.PUT_BACK}


@dataclass(frozen=True, kw_only=True)
class Terms:
    """Who sends, and what is told; `desk` is a fresh one for each run."""

    sender: Sender
    desk: Callable[[], Desk]
    spool_dir: Path


@dataclass(kw_only=True)
class Tally:
    """Of those whose time has come: queued now, had before, failed. `due` is their sum."""

    checked: int = 0
    due: int = 0
    queued: int = 0
    already: int = 0
    failed: int = 0
    is_away: bool = False

    def count(self, outcome: str) -> None:
        self.due += 1
        setattr(self, outcome, getattr(self, outcome) + 1)

    def as_dict(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if name != "is_away"} | ({"database": "away"} if self.is_away else {})


def send_due(terms: Terms, *, now: datetime | None = None, user_id: int | None = None, force: bool = False) -> Tally:
    """Everybody whose time has come has this day's mail queued, once; nothing is raised while the database is away.

    `now` is the database's clock where it is not told. `force`: before its time too, and failed ones however often they were tried.
    """
    log.info("[SCHEDULER] Starting daily summary scheduler...")
    try:
        at = now or watch.database_clock()
        tally = round_of(terms, now=at, user_id=user_id, force=force)
        if user_id is None:
            watch.tick(tally.as_dict(), now=at)
    except (OperationalError, InterfaceError) as trouble:
        connection.close()
        log.warning("[SCHEDULER] Failed to load today's summaries from DB: %s", trouble)
        journal.record(Level.WARNING, "summaries", AWAY, spool_dir=terms.spool_dir)
        return Tally(is_away=True)
    return tally


def round_of(terms: Terms, *, now: datetime, user_id: int | None, force: bool) -> Tally:
    """One look at every preference, or at one person's."""
    settle(now=now)
    log.info("[SCHEDULER] Checking for users to send daily summaries (current UTC time: %s)", f"{now:%H:%M}")
    preferences = SummaryPreference.objects.enabled().order_by("pk")
    found = list(preferences if user_id is None else preferences.filter(user=user_id))
    log.info("[SCHEDULER] Checking %s users with daily summary enabled", len(found))
    tally, desk = Tally(checked=len(found)), terms.desk()
    turns = [one for preference in found for one in turns_of(preference, now=now, early=force, tally=tally)]
    log.info("[SCHEDULER] Loading today's scheduled summaries from persistent storage...")
    known = reset_daily_tracking({one.day for one in turns}, now=now)
    log.info("[SCHEDULER] Loaded %s summaries from database", len(known))
    for one in turns:
        tally.count(take(one, known.get((one.user_id, one.day)), terms=terms, desk=desk, now=now, force=force))
    if tally.queued:
        log.info("[SCHEDULER] Created %s auto daily summary job(s) in this check", tally.queued)
    return tally


def turns_of(preference: SummaryPreference, *, now: datetime, early: bool, tally: Tally) -> list[Turn]:
    """The person's days whose time has come. One whose zone is not known any more counts as failed, and holds up nobody."""
    try:
        return reached(preference, now=now, early=early)
    except UnknownZone as refusal:
        journal.count_error("summaries", f"The daily summary of user {preference.user_id} has no time: {refusal}")
        tally.count("failed")
        return []


def take(one: Turn, row: DailySummary | None, *, terms: Terms, desk: Desk, now: datetime, force: bool) -> str:
    """What became of this turn: queued, already or failed."""
    if row is None:
        return schedule(one, sender=terms.sender, desk=desk, now=now)
    if row.status != Status.FAILED:
        return "already"
    if force or (row.retry_at and row.retry_at <= now):
        return try_again(row.pk, sender=terms.sender, desk=desk, now=now)
    return "failed"


def schedule(one: Turn, *, sender: Sender, desk: Desk, now: datetime) -> str:
    """The day has its row and its mail, or neither. What breaks us over one person is written into the row, and holds up nobody else."""
    try:
        with transaction.atomic():
            summary = mark_summary_scheduled(one, now=now)
            if summary is None:
                return "already"
            fault("summary.after_day_row")
            queue_mail(summary, sender=sender, desk=desk, now=now)
            fault("summary.before_commit")
    except (OperationalError, InterfaceError):
        raise
    except Exception as trouble:
        with transaction.atomic():
            if mark_summary_scheduled(one, now=now):
                failed(user_id=one.user_id, day=one.day, trouble=trouble, now=now)
        return "failed"
    fault("summary.after_commit")
    return "queued"


def queue_mail(summary: DailySummary, *, sender: Sender, desk: Desk, now: datetime) -> None:
    (message,) = outbox.queue([compose(summary, desk=desk, now=now)], sender=sender)
    DailySummary.objects.filter(pk=summary.pk).update(message=message)
    log.info("[TRACKING] Marked summary scheduled for user %s on %s (job: %s)", summary.user_id, summary.date_key, message.pk)


def try_again(pk: int, *, sender: Sender, desk: Desk, now: datetime, by: Any = None, reason: str = BY_ITSELF) -> str:
    """A failed summary is on its way again: queued, already or failed. A person's word begins its tries anew."""
    summary = DailySummary.objects.select_related("user").get(pk=pk)
    try:
        with transaction.atomic():
            anew = {"tries": 0} if by else {}
            if not DailySummary.objects.filter(pk=pk).failed().move(Status.SCHEDULED, retry_at=None, failed_at=None, error="", **anew):
                return "already"
            summary.refresh_from_db()
            another_round(summary, sender=sender, desk=desk, now=now, by=by, reason=reason)
            fault("summary.before_commit")
    except (OperationalError, InterfaceError):
        raise
    except Exception as trouble:
        with transaction.atomic():
            if DailySummary.objects.filter(pk=pk).failed().move(Status.SCHEDULED, retry_at=None):
                failed(user_id=summary.user_id, day=summary.day, trouble=trouble, now=now)
        return "failed"
    return "queued"


def another_round(summary: DailySummary, *, sender: Sender, desk: Desk, now: datetime, by: Any, reason: str) -> None:
    """Its mail is queued once more, or a first time; one that was given up is written anew. One on its way is left alone."""
    message = summary.message
    if message is None or message.status == MessageStatus.CANCELLED:
        queue_mail(summary, sender=sender, desk=desk, now=now)
    elif verdict := ANOTHER_ROUND.get(MessageStatus(message.status)):
        source = "person" if by else "summaries"
        decide(Message.objects.filter(pk=message.pk), verdict=verdict, reason=reason, by=by, source=source)


def failed(*, user_id: int, day: Any, trouble: Exception, now: datetime) -> None:
    said = f"{type(trouble).__name__}: {trouble}"
    journal.count_error("summaries", said)
    mark_summary_failed(user_id=user_id, day=day, error=f"The portal could not write it: {said}", now=now)


def settle(*, now: datetime) -> int:
    """Every summary whose message has come to an end says so; returns how many."""
    ended = list(DailySummary.objects.to_settle().order_by("pk").values_list("pk", flat=True))
    return sum(settled(pk, now=now) for pk in ended)


@transaction.atomic
def settled(pk: int, *, now: datetime) -> bool:
    """A final refusal, and a mail that was given up, are not repeated by themselves."""
    chosen = DailySummary.objects.to_settle().filter(pk=pk)
    summary = chosen.select_related("message").select_for_update(of=("self",)).first()
    if summary is None or summary.message is None:
        return False
    message = summary.message
    about: dict[str, Any] = {"user_id": summary.user_id, "day": summary.day}
    if message.status == MessageStatus.SENT:
        return mark_summary_completed(**about, now=message.sent_at or now)
    given_up = message.status == MessageStatus.CANCELLED
    is_final = given_up or message.reply_code is None or message.reply_code >= 500
    return mark_summary_failed(**about, error=message.reason if given_up else message.error, now=now, is_final=is_final)
