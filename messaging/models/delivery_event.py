"""DeliveryEvent: what a mail provider, or a bounce, told of a mail that had left, stored as it came."""

from typing import Self

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now


class Told(models.TextChoices):
    """What became of the mail, whichever provider says so and however it calls it."""

    DELIVERED = "delivered"
    READ = "read"
    BOUNCED = "bounced", "Bounced for good"
    DEFERRED = "deferred", "Bounced for now"
    COMPLAINED = "complained", "Complained of as spam"
    UNSUBSCRIBED = "unsubscribed"
    OTHER = "other", "Something else"
    UNPARSED = "unparsed", "Not understood"


class DeliveryEventQuerySet(models.QuerySet):
    def unmatched(self) -> Self:
        return self.filter(message=None)


class DeliveryEvent(models.Model):
    provider = models.CharField(max_length=40)
    event_id = models.CharField(max_length=200)
    told = models.CharField(max_length=12, choices=Told)
    recipient = models.CharField(max_length=254, blank=True)
    message = models.ForeignKey("messaging.Message", models.PROTECT, null=True, blank=True, related_name="delivery_events", db_index=False)
    at = models.DateTimeField(help_text="When it happened, as the provider says.")
    detail = models.TextField(blank=True, help_text="Why, in the words of the server.")
    raw = models.JSONField(default=dict, help_text="As it came.")
    received_at = models.DateTimeField(db_default=Now())

    objects = DeliveryEventQuerySet.as_manager()

    class Meta:
        ordering = ["-received_at", "-pk"]
        constraints = [
            models.UniqueConstraint(fields=["provider", "event_id"], name="one_delivery_event_per_id"),
            models.CheckConstraint(name="delivery_event_known", condition=Q(told__in=Told.values)),
        ]
        indexes = [
            models.Index(fields=["-received_at", "-id"], name="delivery_event_newest_first"),
            models.Index(fields=["told", "-received_at", "-id"], name="delivery_event_by_told"),
            models.Index(fields=["-received_at", "-id"], name="delivery_event_unmatched", condition=Q(message=None)),
            models.Index(fields=["message"], name="delivery_event_of_message", condition=Q(message__isnull=False)),
            models.Index(fields=["recipient", "-at"], name="delivery_event_of_address"),
        ]

    def __str__(self) -> str:
        return f"{self.provider} {self.event_id}"


class HookTally(models.Model):
    """How many calls of a provider ended in which way."""

    provider = models.CharField(max_length=40)
    outcome = models.CharField(max_length=20)
    count = models.PositiveBigIntegerField(default=0)
    last_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["provider", "outcome"]
        constraints = [models.UniqueConstraint(fields=["provider", "outcome"], name="one_tally_per_provider_and_outcome")]

    def __str__(self) -> str:
        return f"{self.provider}: {self.count} {self.outcome}"
