"""One function per figure: plain numbers, counted by the querysets' own words. Nothing here writes.

What needs a person is counted up to `CAP`: beyond it "1,000+" says enough, and a page that asks every few seconds stays cheap.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

from django.db.models import Count, DateTimeField, Exists, Func, Max, Min, OuterRef, Q, QuerySet, Value
from django.db.models.functions import Now
from django.utils import timezone

from messaging.models import BackupHistory, CmsNote, ErrorGroup, Lane, Message, MessageSession, Provider, Status
from portal.models import Heartbeat

CAP = 1_000
BY_MODE = {"test": Count("pk", filter=Q(is_test=True)), "production": Count("pk", filter=Q(is_test=False))}
QUEUE_CAP = 100_000  # queued mails looked at; a longer queue is shown as "100,000+"


@dataclass(frozen=True, kw_only=True)
class ByMode:
    test: int
    production: int
    is_capped: bool = False

    @property
    def total(self) -> int:
        return self.test + self.production

    @property
    def shown(self) -> str:
        return f"{self.total:,}{'+' if self.is_capped else ''}"


@dataclass(frozen=True, kw_only=True)
class Hour(ByMode):
    starts_at: datetime


def in_doubt() -> int:
    return capped(Message.objects.in_doubt())


def failed() -> int:
    return capped(Message.objects.failed())


def held() -> int:
    return capped(Message.objects.held())


def undrilled_since(*, within: timedelta) -> datetime | None:
    """Since when no backup was restored to try it, if that is longer than so long; where there are no backups there is nothing to try."""
    made = Min("started_at", filter=Q(verified_at__isnull=False))
    told = BackupHistory.objects.whole().aggregate(tried=Max("restore_tested_at"), first=made)
    since = told["tried"] or told["first"]
    return since if since and timezone.now() - since > within else None


def notes_pending() -> int:
    return capped(CmsNote.objects.pending())


def oldest_note_pending_at() -> datetime | None:
    """By its number: one look into an index, where the times of all would have to be read."""
    return CmsNote.objects.pending().order_by("pk").values_list("created_at", flat=True).first()


def notes_needing_pid() -> int:
    return capped(CmsNote.objects.needs_pid())


def notes_needing_attention() -> int:
    return capped(CmsNote.objects.needs_attention())


def providers_down() -> list[Provider]:
    return list(Provider.objects.down())


def silent_clusters(names: list[str], *, after: timedelta) -> dict[str, datetime | None]:
    """The clusters of which no worker answered a ring for `after`, each with its last answer; None where there never was one."""
    heard = Heartbeat.objects.filter(acknowledged_at__isnull=False)
    awake = set(heard.filter(acknowledged_at__gte=Now() - after).values_list("cluster", flat=True))
    last = dict(heard.order_by().values_list("cluster").annotate(Max("acknowledged_at")))
    return {name: last.get(name) for name in names if name not in awake}


def queued() -> ByMode:
    """What has not left yet, also while a worker holds it. Asked in two parts, because each has an index of its own."""
    parts = [Message.objects.filter(status=Status.QUEUED), Message.objects.filter(status__in=[Status.CLAIMED, Status.TRANSMITTING])]
    waiting, held = (part.order_by()[:QUEUE_CAP].aggregate(**BY_MODE) for part in parts)
    counted = {mode: waiting[mode] + held[mode] for mode in BY_MODE}
    return ByMode(**counted, is_capped=sum(waiting.values()) == QUEUE_CAP)


def sent_by_hour(*, until: datetime, hours: int, zone: tzinfo) -> list[Hour]:
    """Each of the last `hours` clock hours, the current one last, with what was sent in it; none left out, none counted twice."""
    last = until.astimezone(zone).replace(minute=0, second=0, microsecond=0).astimezone(UTC)
    starts = [last - timedelta(hours=back) for back in reversed(range(hours))]
    # Not TruncHour: in local time, the two hours that autumn calls one o'clock would be one.
    hour = Func(Value(timedelta(hours=1)), "sent_at", Value(starts[0]), function="date_bin", output_field=DateTimeField())
    sent = Message.objects.sent().filter(sent_at__gte=starts[0]).order_by()
    counted = {(start.astimezone(UTC), is_test): count for start, is_test, count in sent.values_list(hour, "is_test").annotate(Count("pk"))}
    return [
        Hour(starts_at=start.astimezone(zone), test=counted.get((start, True), 0), production=counted.get((start, False), 0))
        for start in starts
    ]


def sent_since(start: datetime) -> ByMode:
    today = Message.objects.sent().filter(sent_at__gte=start).order_by()
    return ByMode(**today.aggregate(**BY_MODE))


def next_due_at() -> datetime | None:
    """When the next queued mail wants to leave; already past when it is waiting for a worker. One look into the index per lane."""
    nexts = [Message.objects.filter(status=Status.QUEUED, lane=lane).aggregate(next=Min("due_at"))["next"] for lane in Lane]
    return min(filter(None, nexts), default=None)


def running_sessions(*, limit: int) -> list[MessageSession]:
    """The newest sessions that still have a mail on its way."""
    on_their_way = Message.objects.unfinished().filter(session=OuterRef("pk"))
    return list(MessageSession.objects.filter(Exists(on_their_way))[:limit])


def newest_errors(*, limit: int) -> list[ErrorGroup]:
    return list(ErrorGroup.objects.open()[:limit])


def capped(rows: QuerySet) -> int:
    """How many rows, or `CAP` + 1 when there are more than `CAP`."""
    return rows.order_by()[: CAP + 1].count()
