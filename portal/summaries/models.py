"""SummaryPreference, DailySummary, SummaryTick: who wants a summary and when, each person's each day, and the last time all were looked at.

A summary's row is written before its mail, in one transaction. What became of the mail is known by its message; a run copies it here.
"""

from datetime import date, datetime, timedelta
from typing import ClassVar, Self
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from messaging.lifecycles import Fact, LifecycleQuerySet, Moves
from messaging.models import Status as MessageStatus
from portal.summaries.local_time import UnknownZone, zone_named, zone_names

MOST_TRIES = 3  # by itself; a person's "send it now" begins anew
KEPT = timedelta(days=30)  # then the row expires


class Status(models.TextChoices):
    SCHEDULED = "scheduled", "Scheduled"
    COMPLETED = "completed", "Completed"
    FAILED = "failed", "Failed"


MOVES: Moves = {
    # its mail is queued; it is completed when that is sent
    Status.SCHEDULED: frozenset({Status.COMPLETED, Status.FAILED}),
    # tried again; or a person had its mail sent from the messages' own desk
    Status.FAILED: frozenset({Status.SCHEDULED, Status.COMPLETED}),
    Status.COMPLETED: frozenset(),
}

FACTS = [
    Fact(
        name="summary_completed_at_iff_completed",
        condition="(NEW.completed_at IS NOT NULL) = (NEW.status = 'completed')",
        sentence="has a time of completion exactly when it is completed",
    ),
    Fact(
        name="summary_failed_for_a_reason",
        condition="NEW.status <> 'failed' OR (NEW.error <> '' AND NEW.failed_at IS NOT NULL)",
        sentence="failed without saying why and when",
    ),
    Fact(
        name="summary_tried_so_often",
        condition=f"NEW.tries BETWEEN 0 AND {MOST_TRIES}"
        f" AND (NEW.retry_at IS NULL OR (NEW.status = 'failed' AND NEW.tries < {MOST_TRIES}))",
        sentence=f"is tried at most {MOST_TRIES} times by itself, and again only after it failed",
    ),
    Fact(
        name="summary_open_after_it_is_due",
        condition="NEW.open_until > NEW.due_at",
        sentence="is closed before it is due",
    ),
]


def known_zone(name: str) -> None:
    try:
        zone_named(name)
    except UnknownZone as refusal:
        raise ValidationError(f"{refusal}.") from None
    if name not in zone_names():  # PostgreSQL takes "CET" for an hour from UTC, all the year round
        raise ValidationError(f"{name} is a name that computers use: take a place, such as Europe/Berlin.")


def default_zone() -> str:
    """The office's own."""
    return str(settings.TIME_ZONE)


class SummaryPreferenceQuerySet(models.QuerySet):
    def enabled(self) -> Self:
        """They want one, and may still log in."""
        return self.filter(enable_daily_summary=True, user__is_active=True, user__is_staff=True)


class SummaryPreference(models.Model):
    user = models.OneToOneField(settings.AUTH_USER_MODEL, models.PROTECT, related_name="summary_preference", verbose_name="staff member")
    enable_daily_summary = models.BooleanField("daily summary", default=True)
    notification_email = models.EmailField("e-mail address", max_length=254)
    summary_time_local = models.TimeField("time", default="09:00", help_text="On the clock of the time zone below, hours and minutes.")
    zone = models.CharField("time zone", max_length=60, default=default_zone, validators=[known_zone], help_text="Such as America/Chicago.")
    changed_at = models.DateTimeField(db_default=Now(), editable=False, help_text="No summary is missed from before this time.")
    expired_through = models.DateField(null=True, editable=False, help_text="Its rows have expired up to this day: none is opened again.")

    objects = SummaryPreferenceQuerySet.as_manager()

    class Meta:
        ordering = ["user__username", "pk"]

    def __str__(self) -> str:
        return f"Daily summary of {self.user}"

    @property
    def tzinfo(self) -> ZoneInfo:
        """Raises UnknownZone: the zones of a machine may change."""
        return zone_named(self.zone)


class DailySummaryQuerySet(LifecycleQuerySet):
    def of(self, *, user_id: int, day: date) -> Self:
        return self.filter(user_id=user_id, day=day)

    def failed(self) -> Self:
        return self.filter(status=Status.FAILED)

    def for_a_person(self) -> Self:
        """Failed, and not tried again by themselves."""
        return self.failed().filter(retry_at=None)

    def to_try_again(self, *, now: datetime) -> Self:
        """Failed, the wait is over, and their day is not."""
        return self.failed().filter(retry_at__lte=now, open_until__gt=now).order_by("retry_at", "pk")

    def to_settle(self) -> Self:
        """Their message has come to an end that they do not tell of yet."""
        ended = Q(status=Status.SCHEDULED, message__status__in=[MessageStatus.FAILED, MessageStatus.CANCELLED])
        return self.exclude(status=Status.COMPLETED).filter(Q(message__status=MessageStatus.SENT) | ended)

    def expired(self, *, now: datetime) -> Self:
        return self.filter(created_at__lt=now - KEPT)


class DailySummary(models.Model):
    MOVES: ClassVar[Moves] = MOVES

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="daily_summaries", db_index=False)
    day = models.DateField(help_text="The person's own date on which it is due; it tells of the day before.")
    zone = models.CharField("time zone", max_length=60)
    due_at = models.DateTimeField()
    open_until = models.DateTimeField(help_text="It is caught up and tried again until then: the end of the person's day.")
    notification_email = models.EmailField("e-mail address", max_length=254)

    status = models.CharField(max_length=10, choices=Status, default=Status.SCHEDULED)
    message = models.OneToOneField("messaging.Message", models.PROTECT, null=True, blank=True, related_name="daily_summary")
    tries = models.PositiveSmallIntegerField(default=0, help_text="Failures since it was scheduled, or since somebody sent it again.")
    retry_at = models.DateTimeField(null=True, blank=True, help_text="When it is tried again by itself.")
    created_at = models.DateTimeField(db_default=Now())
    completed_at = models.DateTimeField(null=True, blank=True)
    failed_at = models.DateTimeField(null=True, blank=True)
    error = models.TextField(blank=True, help_text="Why it failed, in plain words.")

    objects = DailySummaryQuerySet.as_manager()

    class Meta:
        # what each state must have, and which may follow which, is kept by a trigger: FACTS and MOVES above, promises.py
        verbose_name_plural = "daily summaries"
        ordering = ["-day", "-pk"]
        permissions = [("send_dailysummary", "Can send a daily summary now")]
        constraints = [models.UniqueConstraint(fields=["user", "day"], name="one_summary_per_user_and_day")]
        indexes = [
            models.Index(fields=["-day", "-id"], name="summary_newest_first"),
            models.Index(fields=["id"], name="summary_open", condition=~Q(status="completed")),
            models.Index(fields=["created_at"], name="summary_by_age"),
        ]

    def __str__(self) -> str:
        return f"{self.user}, {self.day:%Y-%m-%d}"

    @property
    def date_key(self) -> str:
        """The seed's `date`."""
        return f"{self.day:%Y%m%d}"

    @property
    def job_id(self) -> int | None:
        """The seed's word for what sends it: our message."""
        return self.message_id

    @property
    def ttl(self) -> int:
        """When it expires, in seconds since 1970."""
        return int((self.created_at + KEPT).timestamp())


class SummaryTick(models.Model):
    """One row: the last run over all preferences, and whether somebody was told that none came after it."""

    id = models.SmallIntegerField(primary_key=True, default=1)
    ran_at = models.DateTimeField(help_text="By the clock that the run went by.")
    checked = models.PositiveIntegerField(default=0)
    due = models.PositiveIntegerField(default=0)
    queued = models.PositiveIntegerField(default=0)
    already = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    alarmed_at = models.DateTimeField(null=True, help_text="An alarm said that no run came after this one.")

    class Meta:
        constraints = [models.CheckConstraint(name="only_one_summary_tick", condition=Q(id=1))]

    def __str__(self) -> str:
        return f"{self.ran_at:%Y-%m-%d %H:%M}"
