"""Snapshot: figures about a period, counted once and shown for an hour."""

from django.db import models


class Snapshot(models.Model):
    name = models.CharField(max_length=200, unique=True, help_text="What it counts: whose messages, of how many days.")
    period_from = models.DateTimeField()
    period_until = models.DateTimeField()
    figures = models.JSONField()
    made_at = models.DateTimeField()

    class Meta:
        ordering = ["-made_at", "-pk"]

    def __str__(self) -> str:
        return self.name
