"""The rows that the doors themselves keep. Django finds them all here."""

from datetime import timedelta
from typing import Self

from django.db import models
from django.db.models import F
from django.db.models.functions import Now

from portal.bulk_send.models import BulkDraft
from portal.config.models import ConfigSeries, ConfigVersion
from portal.operations.models import Operation, OperationItem
from portal.quotes.models import AiCall, Quote, QuoteImage
from portal.rate_limits import RateLimit
from portal.summaries.models import DailySummary, SummaryPreference, SummaryTick

__all__ = [
    "AiCall",
    "BulkDraft",
    "ConfigSeries",
    "ConfigVersion",
    "DailySummary",
    "Heartbeat",
    "Operation",
    "OperationItem",
    "Quote",
    "QuoteImage",
    "RateLimit",
    "SummaryPreference",
    "SummaryTick",
]


class HeartbeatQuerySet(models.QuerySet):
    def answered(self) -> Self:
        """A worker has run the last ring's task."""
        return self.filter(beat_at__gte=F("rung_at"))

    def abandoned(self, *, after: timedelta) -> Self:
        """Their watchdog has rung no more for that long: it was killed, or its host is gone."""
        return self.filter(rung_at__lt=Now() - after)

    def ring(self, *, key: str, cluster: str) -> None:
        """The watchdog rings now; any earlier answer is an old one."""
        self.update_or_create(key=key, defaults={"cluster": cluster, "rung_at": Now()})

    def acknowledge(self, *, key: str) -> bool:
        """True, and so recorded, if a worker has answered the last ring. The caller has seen it leave the queue."""
        return bool(self.filter(key=key).answered().update(acknowledged_at=Now()))


class Heartbeat(models.Model):
    """The last ring one running cluster answered. Answered means two things: a worker ran it, and it has left the queue."""

    key = models.CharField(primary_key=True, max_length=100, help_text="cluster@host-pid, the pid being its watchdog's.")
    cluster = models.CharField(max_length=40)
    rung_at = models.DateTimeField(db_default=Now())
    beat_at = models.DateTimeField(null=True, help_text="A worker ran the ring's task.")
    acknowledged_at = models.DateTimeField(null=True, help_text="And the result was taken: the ring has left the queue.")

    objects = HeartbeatQuerySet.as_manager()

    class Meta:
        ordering = ["key"]

    def __str__(self) -> str:
        return self.key
