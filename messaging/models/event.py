"""SystemEvent: what the system noticed, told for people."""

import uuid
from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now


class Level(models.TextChoices):
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    ALARM = "alarm", "Alarm: somebody must look now"


class SystemEventQuerySet(models.QuerySet):
    def alarms(self) -> Self:
        return self.filter(level=Level.ALARM)


class SystemEvent(models.Model):
    event_id = models.UUIDField(unique=True, default=uuid.uuid4, editable=False, help_text="The same event twice is one row.")
    level = models.CharField(max_length=10, choices=Level)
    component = models.CharField(max_length=40, help_text="delivery, notes, cluster, import, …")
    text = models.TextField()
    detail = models.JSONField(default=dict, blank=True)
    message = models.ForeignKey("messaging.Message", models.PROTECT, null=True, blank=True, related_name="events")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, db_index=False, related_name="+")
    at = models.DateTimeField(db_default=Now())

    objects = SystemEventQuerySet.as_manager()

    class Meta:
        ordering = ["-at", "-pk"]
        constraints = [models.CheckConstraint(name="event_level_known", condition=Q(level__in=Level.values))]
        indexes = [
            models.Index(fields=["-at", "-id"], name="event_newest_first"),
            models.Index(fields=["level", "-at"], name="event_by_level"),
            models.Index(fields=["component", "-at"], name="event_by_component"),
        ]

    def __str__(self) -> str:
        return self.text
