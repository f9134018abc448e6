"""Attempt: one try to hand one message to one server, and how it ended. Written once.

While a try is on its way the message itself says so: it is transmitting, since when, under whose lease. If the worker vanishes, the
attempt is written by the reaper.
"""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now


class Phase(models.TextChoices):
    """How far the dialogue got, and so what may be done next."""

    ACCEPTED = "accepted", "Accepted by the server"
    REJECTED = "rejected", "Refused by the server"
    LOST_PRE = "lost_pre", "Broken off before the body: nothing left"
    LOST_POST = "lost_post", "Broken off after the body: it may have arrived"


class Attempt(models.Model):
    message = models.ForeignKey("messaging.Message", models.PROTECT, related_name="history", db_index=False)
    number = models.SmallIntegerField()
    round = models.SmallIntegerField()
    token = models.UUIDField(help_text="The lease under which it was made.")
    phase = models.CharField(max_length=12, choices=Phase)
    provider = models.CharField(max_length=40, blank=True)
    reply_code = models.SmallIntegerField(null=True)
    reply = models.TextField(blank=True, help_text="The server's own words.")
    error = models.TextField(blank=True, help_text="What went wrong, in plain words.")
    started_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["message", "number"]
        constraints = [
            models.UniqueConstraint(fields=["message", "number"], name="one_attempt_per_number"),
            models.CheckConstraint(name="attempt_phase_known", condition=Q(phase__in=Phase.values)),
        ]

    def __str__(self) -> str:
        return f"attempt {self.number} of {self.message_id}: {self.get_phase_display()}"
