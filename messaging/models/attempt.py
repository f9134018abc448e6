"""Attempt: one try to hand one message to one server, opened before the body leaves and closed with the answer."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now


class Phase(models.TextChoices):
    """How far the dialogue got, and so what may be done next."""

    DATA_STARTED = "data_started", "Body on its way"
    ACCEPTED = "accepted", "Accepted by the server"
    REJECTED = "rejected", "Refused by the server"
    LOST_PRE = "lost_pre", "Broken off before the body: nothing left"
    LOST_POST = "lost_post", "Broken off after the body: it may have arrived"


ANSWERED = [Phase.DATA_STARTED, Phase.ACCEPTED, Phase.REJECTED, Phase.LOST_POST]  # what counts against max_attempts


class Attempt(models.Model):
    message = models.ForeignKey("messaging.Message", models.PROTECT, related_name="history", db_index=False)
    number = models.PositiveSmallIntegerField()
    round = models.PositiveSmallIntegerField()
    token = models.UUIDField(help_text="The lease under which it was made.")
    phase = models.CharField(max_length=12, choices=Phase)
    provider = models.CharField(max_length=40, blank=True)
    reply_code = models.PositiveSmallIntegerField(null=True)
    reply = models.TextField(blank=True, help_text="The server's own words.")
    error = models.TextField(blank=True, help_text="What went wrong, in plain words.")
    started_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["message", "number"]
        constraints = [
            models.UniqueConstraint(fields=["message", "number"], name="one_attempt_per_number"),
            models.CheckConstraint(name="attempt_phase_known", condition=Q(phase__in=Phase.values)),
            models.CheckConstraint(
                name="attempt_open_only_on_its_way",
                condition=Q(phase="data_started", ended_at=None) | (~Q(phase="data_started") & Q(ended_at__isnull=False)),
            ),
        ]

    def __str__(self) -> str:
        return f"attempt {self.number} of {self.message_id}: {self.get_phase_display()}"
