"""MessageSession: a named run of messages, and its totals, counted from the messages themselves."""

from datetime import datetime
from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import Q


class Mode(models.TextChoices):
    TEST = "test"
    PRODUCTION = "production"


class MessageSessionQuerySet(models.QuerySet):
    def running(self) -> Self:
        return self.filter(ended_at=None)

    def end(self, *, at: datetime) -> int:
        return self.running().update(ended_at=at)


class MessageSession(models.Model):
    name = models.CharField(max_length=200)
    channel = models.CharField(max_length=20, default="email")
    mode = models.CharField(max_length=10, choices=Mode)
    template_version = models.ForeignKey("messaging.TemplateVersion", models.PROTECT, null=True, blank=True, related_name="sessions")
    started_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+")
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    skipped = models.JSONField(default=list, blank=True, help_text="What was asked for and not queued, each with its reason.")

    objects = MessageSessionQuerySet.as_manager()

    class Meta:
        ordering = ["-started_at", "-pk"]
        constraints = [
            models.CheckConstraint(name="session_mode_known", condition=Q(mode__in=Mode.values)),
            models.CheckConstraint(
                name="session_ends_after_it_starts", condition=Q(ended_at=None) | Q(ended_at__gte=models.F("started_at"))
            ),
        ]
        indexes = [models.Index(fields=["-started_at", "-id"], name="session_newest_first")]

    def __str__(self) -> str:
        return self.name

    def totals(self) -> dict[str, int]:
        """How many of its messages stand in each state, states without any left out."""
        return dict(self.messages.order_by().values_list("status").annotate(models.Count("pk")))
