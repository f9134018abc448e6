"""LoggedSession, LoggedMessage: what other programs sent, and tell the portal's log of. The portal itself never sends any of them.

Each is known by the name its program gave it, and a message names its session without a foreign key: while the database was away, facts
waited in the spools of several hosts, and a message may be replayed before its session.
"""

from typing import Self

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now


class Channel(models.TextChoices):
    EMAIL = "email"
    WHATSAPP = "whatsapp"


class LogStatus(models.TextChoices):
    PENDING = "pending"
    SENDING = "sending"
    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    FAILED = "failed"
    CANCELLED = "cancelled"


# From where each status may be reached. Only forwards, and steps may be left out: a late word never takes anything back.
REACHED_FROM: dict[str, list[str]] = {
    LogStatus.PENDING: [],
    LogStatus.SENDING: [LogStatus.PENDING],
    LogStatus.SENT: [LogStatus.PENDING, LogStatus.SENDING],
    LogStatus.DELIVERED: [LogStatus.PENDING, LogStatus.SENDING, LogStatus.SENT],
    LogStatus.READ: [LogStatus.PENDING, LogStatus.SENDING, LogStatus.SENT, LogStatus.DELIVERED],
    LogStatus.FAILED: [LogStatus.PENDING, LogStatus.SENDING, LogStatus.SENT],
    LogStatus.CANCELLED: [LogStatus.PENDING, LogStatus.SENDING],
}
SUCCESSES = [LogStatus.SENT, LogStatus.DELIVERED, LogStatus.READ]


class LoggedSession(models.Model):
    session_id = models.CharField(max_length=200, unique=True)
    user_id = models.CharField(max_length=100)
    channel = models.CharField(max_length=20, choices=Channel)
    template = models.CharField(max_length=200, blank=True)
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    detail = models.JSONField(default=dict)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["-started_at", "-pk"]
        indexes = [
            models.Index(fields=["user_id", "started_at"], name="logged_session_of_user"),
            models.Index(fields=["-started_at", "-id"], name="logged_session_newest_first"),
        ]

    def __str__(self) -> str:
        return self.session_id


class LoggedMessageQuerySet(models.QuerySet):
    def of(self, user_id: str) -> Self:
        return self.filter(user_id=user_id)

    def successful(self) -> Self:
        return self.filter(status__in=SUCCESSES)


class LoggedMessage(models.Model):
    log_id = models.CharField(max_length=200, unique=True)
    user_id = models.CharField(max_length=100)
    session_id = models.CharField(max_length=200)
    channel = models.CharField(max_length=20, choices=Channel)
    template_id = models.CharField(max_length=100, blank=True)
    template_name = models.CharField(max_length=200, blank=True)
    recipient_email = models.CharField(max_length=254, blank=True)
    recipient_name = models.CharField(max_length=200, blank=True)
    recipient_phone = models.CharField(max_length=50, blank=True)
    recipient_company = models.CharField(max_length=200, blank=True)
    status = models.CharField(max_length=12, choices=LogStatus)
    provider_id = models.CharField("message id at the provider", max_length=200, blank=True)
    error = models.TextField(blank=True)
    preview = models.CharField(max_length=100, blank=True, help_text="The first 100 characters.")
    detail = models.JSONField(default=dict)
    logged_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)
    delivered_at = models.DateTimeField(null=True)
    read_at = models.DateTimeField(null=True)
    is_stub = models.BooleanField(default=False, help_text="A word of its status came before the message itself.")
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(auto_now=True)

    objects = LoggedMessageQuerySet.as_manager()

    class Meta:
        ordering = ["-logged_at", "-pk"]
        constraints = [models.CheckConstraint(name="logged_status_known", condition=Q(status__in=LogStatus.values))]
        indexes = [
            models.Index(fields=["-logged_at", "-id"], name="logged_newest_first"),
            models.Index(fields=["user_id", "-logged_at"], name="logged_by_user"),
            models.Index(fields=["session_id"], name="logged_by_session"),
        ]

    def __str__(self) -> str:
        return self.log_id
