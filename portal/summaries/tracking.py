"""The seed's five operations on the rows that say which person's which day has had its summary. Each may be repeated."""

import logging
from collections.abc import Collection
from datetime import date, datetime, timedelta

from messaging.retry import RetryPolicy
from portal.summaries.due import Turn
from portal.summaries.models import MOST_TRIES, DailySummary, Status

log = logging.getLogger(__name__)
BACK_OFF = RetryPolicy(max_tries=MOST_TRIES, first_wait=timedelta(minutes=5), jitter_share=0)  # 5 minutes, then 20
LONGEST_ERROR = 2_000  # characters
UNKNOWN = "No reason is known."


def mark_summary_scheduled(turn: Turn, *, now: datetime) -> DailySummary | None:
    """The day is this caller's, who owes it a mail in the same transaction; None where it has its row already, whatever became of it."""
    DailySummary.objects.bulk_create([DailySummary(**vars(turn), created_at=now)], ignore_conflicts=True)
    # a scheduled row without a mail is our own: the database lets nobody commit one
    ours = DailySummary.objects.of(user_id=turn.user_id, day=turn.day).filter(status=Status.SCHEDULED, message=None)
    return ours.select_related("user").first()


def is_summary_scheduled_today(*, user_id: int, day: date) -> bool:
    """That day of the person has its row: scheduled, completed or failed."""
    return DailySummary.objects.of(user_id=user_id, day=day).exists()


def mark_summary_completed(*, user_id: int, day: date, now: datetime) -> bool:
    """Its mail was sent. False where it was completed before, or there is no such row."""
    facts = {"completed_at": now, "failed_at": None, "retry_at": None, "error": ""}
    done = bool(DailySummary.objects.of(user_id=user_id, day=day).move(Status.COMPLETED, **facts))
    if done:
        log.info("[TRACKING] Marked summary completed for user %s on %s", user_id, f"{day:%Y%m%d}")
    return done


def mark_summary_failed(*, user_id: int, day: date, error: str, now: datetime, is_final: bool = False) -> bool:
    """One more try of it has failed. It is tried again after a while, unless that is final, the third time, or after its day."""
    row = DailySummary.objects.of(user_id=user_id, day=day).filter(status=Status.SCHEDULED).first()
    if row is None:
        return False
    tries = min(row.tries + 1, MOST_TRIES)
    again_at = now + BACK_OFF.wait(tries=tries)
    goes_on = tries < MOST_TRIES and again_at < row.open_until and not is_final
    facts = {
        "tries": tries,
        "failed_at": now,
        "retry_at": again_at if goes_on else None,
        "error": error[:LONGEST_ERROR] or UNKNOWN,
    }
    done = bool(DailySummary.objects.filter(pk=row.pk, tries=row.tries).move(Status.FAILED, **facts))
    if done:
        log.warning("[TRACKING] Marked summary failed for user %s on %s: %s", user_id, f"{day:%Y%m%d}", error)
    return done


def reset_daily_tracking(days: Collection[date], *, now: datetime) -> dict[tuple[int, date], DailySummary]:
    """What is known of these days, by person and day, whatever became of it: a completed summary is not made again."""
    log.info("[TRACKING] Loading today's scheduled summaries from database for %s", f"{now:%Y%m%d}")
    rows = DailySummary.objects.filter(day__in=days).order_by()
    known = {(row.user_id, row.day): row for row in rows}
    log.info("[TRACKING] Loaded %s today's scheduled summaries from DB", len(known))
    return known
