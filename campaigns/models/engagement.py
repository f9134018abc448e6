"""EngagementEvent: what a contact did: clicked a link, answered the health questions. Follow-ups are chosen by it."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now


class Behaviour(models.TextChoices):
    CLICKED = "clicked", "Clicked a link"
    ANSWERED = "eligibility_answered", "Answered the health questions"


class EngagementEvent(models.Model):
    """The same key is the same event. What an answer said stands in its own columns; the rest of what came along in `metadata`."""

    key = models.CharField(max_length=200, unique=True)
    contact = models.ForeignKey("campaigns.Contact", models.PROTECT, db_index=False, related_name="engagement")
    kind = models.CharField(max_length=20, choices=Behaviour)
    at = models.DateTimeField()
    has_conditions = models.BooleanField(null=True, blank=True, help_text="Of an answer: the contact has medical conditions.")
    message = models.ForeignKey("messaging.Message", models.PROTECT, null=True, blank=True, db_index=False, related_name="+")
    metadata = models.JSONField(default=dict, blank=True)
    recorded_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ["-at", "-pk"]
        constraints = [
            models.CheckConstraint(name="engagement_kind_known", condition=Q(kind__in=Behaviour.values)),
            models.CheckConstraint(
                name="only_an_answer_tells_of_conditions", condition=Q(kind=Behaviour.ANSWERED) | Q(has_conditions__isnull=True)
            ),
        ]
        indexes = [
            models.Index(fields=["contact", "at"], name="engagement_by_contact"),
            models.Index(fields=["-at", "-id"], name="engagement_newest_first"),
        ]

    def __str__(self) -> str:
        return self.key
