"""ErrorGroup: failures with one fingerprint, counted instead of repeated."""

from typing import Self

from django.db import models
from django.db.models.functions import Now


class ErrorGroupQuerySet(models.QuerySet):
    def open(self) -> Self:
        return self.filter(resolved_at=None)


class ErrorGroup(models.Model):
    fingerprint = models.CharField(max_length=16, unique=True)
    component = models.CharField(max_length=40)
    shape = models.CharField("error", max_length=300, help_text="The text without what differs between occurrences.")
    sample = models.TextField(help_text="The latest one in full.")
    message = models.ForeignKey("messaging.Message", models.SET_NULL, null=True, blank=True, related_name="+", help_text="The latest one.")
    count = models.PositiveIntegerField(default=1)
    first_at = models.DateTimeField(db_default=Now())
    last_at = models.DateTimeField(db_default=Now())
    resolved_at = models.DateTimeField(null=True, blank=True, help_text="Seen to; it opens again when the error comes back.")

    objects = ErrorGroupQuerySet.as_manager()

    class Meta:
        ordering = ["-last_at", "-pk"]
        indexes = [models.Index(fields=["-last_at", "-id"], name="error_group_newest_first")]

    def __str__(self) -> str:
        return self.shape
