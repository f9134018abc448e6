"""Decision: what a person, or evidence, said about a message. Written once, never changed."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now


class Verdict(models.TextChoices):
    MARK_AS_SENT = "mark_as_sent", "Mark as sent"
    SEND_AGAIN = "send_again", "Send again"
    GIVE_UP = "give_up", "Give up"
    TRY_AGAIN_NOW = "try_again_now", "Try again now"
    PUT_BACK = "put_back", "Put back in the queue"
    HOLD = "hold", "Hold"


class Decision(models.Model):
    message = models.ForeignKey("messaging.Message", models.PROTECT, related_name="decisions")
    verdict = models.CharField(max_length=15, choices=Verdict)
    from_status = models.CharField(max_length=12)
    round = models.PositiveSmallIntegerField(help_text="The round it ended.")
    reason = models.CharField(max_length=500)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        related_name="+",
        help_text="Empty: decided by evidence or a command.",
    )
    source = models.CharField(max_length=40, default="person", help_text="person, or the evidence or command that decided.")
    decided_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["message", "pk"]
        constraints = [
            models.CheckConstraint(name="decision_verdict_known", condition=Q(verdict__in=Verdict.values)),
            models.CheckConstraint(name="decision_says_why", condition=~Q(reason="")),
            models.CheckConstraint(name="decision_says_who", condition=Q(decided_by__isnull=False) | ~Q(source__in=["", "person"])),
        ]

    def __str__(self) -> str:
        return f"{self.get_verdict_display()}: {self.reason}"
