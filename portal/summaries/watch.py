"""Did the runs happen? The last one, an alarm where none came after it, the days that had no run at all, and rows that expire."""

import logging
from datetime import date, datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Exists, F, Max, Value
from django.db.models.functions import Greatest, Now

from messaging import journal
from messaging.models import Level
from portal.summaries.due import A_DAY, Turn, is_open, turn
from portal.summaries.local_time import UnknownZone, local_day
from portal.summaries.models import MOST_TRIES, DailySummary, Status, SummaryPreference, SummaryTick

log = logging.getLogger(__name__)
LATE = timedelta(minutes=15)  # three runs
SURE = timedelta(hours=6)  # after a day's end: however wrong a host's clock may be, its time has passed
MOST_DAYS = 7  # that are looked back upon
A_MOMENT = "%Y-%m-%d %H:%M"
MISSED = (
    f"No run came by between {{due_at:{A_MOMENT}}} and {{open_until:{A_MOMENT}}} UTC: it was not sent. Send it now if it is still of use."
)


def database_clock() -> datetime:
    """The one clock that all hosts share."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        now: datetime = cursor.fetchone()[0]
    return now


@transaction.atomic
def tick(counts: dict[str, Any], *, now: datetime) -> None:
    """This run is on record; the days that no run came by have become failures, and somebody is told."""
    last = SummaryTick.objects.select_for_update().first()
    facts = {name: counts[name] for name in ("checked", "due", "queued", "already", "failed")}
    SummaryTick.objects.update_or_create(pk=1, defaults=facts | {"ran_at": Now(), "alarmed_at": None})
    missed = close_missed(now=now, since=last.ran_at if last else now)
    if missed:
        names = ", ".join(f"{user} on {day:%Y-%m-%d}" for user, day in missed[:10])
        count = "1 daily summary was" if len(missed) == 1 else f"{len(missed)} daily summaries were"
        journal.record(Level.ALARM, "summaries", f"{count} missed, because no run came by: {names}.")


def close_missed(*, now: datetime, since: datetime) -> list[tuple[str, date]]:
    """Every day of a person that went by without a run has its row all the same, failed: so it is seen, and can be sent by hand."""
    back = min(MOST_DAYS, max(1, (now - since) // A_DAY + 2))
    preferences = SummaryPreference.objects.enabled().select_related("user")
    over = [(preference, one) for preference in preferences for one in days_over(preference, now=now, back=back)]
    rows = DailySummary.objects.filter(day__in={one.day for _, one in over}).order_by()
    had = set(rows.values_list("user_id", "day"))
    missed = [(preference, one) for preference, one in over if (one.user_id, one.day) not in had]
    facts: dict[str, Any] = {"status": Status.FAILED, "tries": MOST_TRIES, "failed_at": now, "created_at": now}
    closed = [DailySummary(**vars(one), error=MISSED.format(**vars(one)), **facts) for _, one in missed]
    DailySummary.objects.bulk_create(closed, ignore_conflicts=True)
    return [(preference.user.get_username(), one.day) for preference, one in missed]


def days_over(preference: SummaryPreference, *, now: datetime, back: int) -> list[Turn]:
    """The last days of this person on which a summary was owed, and that are over by any host's clock."""
    try:
        today = local_day(now, zone=preference.tzinfo)
    except UnknownZone:
        return []
    turns = [turn(preference, today - A_DAY * ago) for ago in range(1, back + 1)]
    owed = [one for one in turns if preference.changed_at <= one.due_at and is_open(preference, one)]
    return [one for one in owed if one.open_until + SURE <= now]


def silent_since() -> datetime | None:
    """When the last run was, if somebody waits for a summary and none came for `LATE`."""
    late = SummaryTick.objects.filter(Exists(SummaryPreference.objects.enabled()), ran_at__lt=Now() - LATE)
    found: datetime | None = late.values_list("ran_at", flat=True).first()
    return found


def alarm() -> bool:
    """Where no run came for a while, an alarm says so, once per silence. Asked by another task than the one that is watched."""
    if not SummaryTick.objects.exists() and SummaryPreference.objects.enabled().exists():
        SummaryTick.objects.bulk_create([SummaryTick(ran_at=Now())], ignore_conflicts=True)  # the waiting begins
    since = silent_since()
    if since is None or not SummaryTick.objects.filter(alarmed_at=None, ran_at=since).update(alarmed_at=Now()):
        return False
    text = f"No run over the daily summaries since {since:%Y-%m-%d %H:%M} UTC: is the mail cluster of `run_cluster` at work?"
    journal.record(Level.ALARM, "summaries", text)
    return True


@transaction.atomic
def expire(*, now: datetime) -> int:
    """Rows older than 30 days are gone, and their days stay closed for good; returns how many."""
    expired = DailySummary.objects.expired(now=now)
    for user_id, last in expired.order_by().values_list("user_id").annotate(Max("day")):
        through = Greatest(F("expired_through"), Value(last))  # of NULL and a day, the day
        SummaryPreference.objects.filter(user=user_id).update(expired_through=through)
    return expired.delete()[0]
