"""EmailSchedule: one mail that a contact should get, or the reason why not. The scheduler writes it, hand-over gives it its message.

What became of the message (processing, sent, delivered, failed) is read from the message and stands nowhere else.
"""

from datetime import date
from typing import ClassVar, Self

from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import Case, F, Q, Value, When
from django.db.models.functions import Now

from campaigns.rules.shapes import REASON_WORDS
from messaging.lifecycles import LifecycleQuerySet, Moves
from messaging.models import Status as MessageStatus


class Status(models.TextChoices):
    PRE_SCHEDULED = "pre-scheduled", "Pre-scheduled"
    SKIPPED = "skipped", "Skipped"
    SCHEDULED = "scheduled", "Scheduled"
    CANCELLED = "cancelled", "Cancelled"


class SkipReason(models.TextChoices):
    """In the order of rules.shapes.Reason, whose words these are."""

    YEAR_ROUND_EXCLUSION = "year_round_exclusion", "The state excludes every day"
    EXCLUSION_WINDOW = "exclusion_window", "An exclusion window covers the day"
    FREQUENCY_LIMIT = "frequency_limit", "Too many mails within the period"
    CAMPAIGN_CONFLICT = "campaign_conflict", "A better campaign has the day"
    MISSED = "missed", "Its event was over"
    INVALID_CONTACT = "invalid_contact", "The contact cannot be written to"


assert SkipReason.values == [word for word in REASON_WORDS if word]

SCHEDULE_MOVES: Moves = {
    Status.PRE_SCHEDULED: frozenset({Status.SKIPPED, Status.SCHEDULED, Status.CANCELLED}),
    # the rules may allow it again
    Status.SKIPPED: frozenset({Status.PRE_SCHEDULED}),
    # from here on its message says what happens; it is planned anew only where that was a test
    Status.SCHEDULED: frozenset({Status.PRE_SCHEDULED}),
    Status.CANCELLED: frozenset(),
}

PROGRESS = {  # of the message: the seed's word
    MessageStatus.QUEUED: "scheduled",
    MessageStatus.HELD: "scheduled",
    MessageStatus.CLAIMED: "processing",
    MessageStatus.TRANSMITTING: "processing",
    MessageStatus.IN_DOUBT: "processing",
    MessageStatus.SENT: "sent",
    MessageStatus.FAILED: "failed",
    MessageStatus.CANCELLED: "cancelled",
}


class EmailScheduleQuerySet(LifecycleQuerySet):
    def planned(self) -> Self:
        return self.filter(status=Status.PRE_SCHEDULED)

    def skipped(self) -> Self:
        return self.filter(status=Status.SKIPPED)

    def handed_over(self) -> Self:
        return self.filter(status=Status.SCHEDULED)

    def over_cap(self) -> Self:
        """Planned for a day that is above its cap, because no later one had room."""
        return self.planned().filter(over_cap=True)

    def due(self, day: date, *, overdue_days: int) -> Self:
        """Planned for that day, or for one of the days before on which it could not leave."""
        return self.planned().filter(send_on__gt=date.fromordinal(day.toordinal() - overdue_days - 1), send_on__lte=day)

    def with_progress(self) -> Self:
        """Each row with `progress`: the seed's word for how far it has come, its message included."""
        told = [When(message__status=state, then=Value(word)) for state, word in PROGRESS.items()]
        return self.annotate(progress=Case(*told, default=F("status"), output_field=models.CharField()))


class EmailSchedule(models.Model):
    """Its identity is the event it is about: contact, type, event day, and the campaign; of a follow-up the mail it follows."""

    MOVES: ClassVar[Moves] = SCHEDULE_MOVES

    contact = models.ForeignKey("campaigns.Contact", models.PROTECT, db_index=False, related_name="schedules")
    email_type = models.CharField("e-mail type", max_length=60)
    send_on = models.DateField("send date")
    send_time = models.TimeField(help_text="The office's.")
    status = models.CharField(max_length=13, choices=Status)
    skip_reason = models.CharField(max_length=24, choices=SkipReason, blank=True)
    priority = models.SmallIntegerField(help_text="The lower number goes first.")

    event_on = models.DateField("event date", null=True, blank=True, help_text="The birthday, the policy's or AEP day, the trigger, …")
    moved_from = models.DateField(null=True, blank=True, help_text="The day it had before it was moved for load.")
    window_end = models.DateField(null=True, blank=True, help_text="The last day of the window that excludes it.")
    catch_up = models.BooleanField(default=False, help_text="Its own day was over when it was planned.")
    over_cap = models.BooleanField(default=False, help_text="No later day had room.")
    metadata = models.JSONField(null=True, blank=True, help_text="What a post-window mail stands for; why a follow-up was chosen.")

    campaign_instance = models.ForeignKey("campaigns.CampaignInstance", models.PROTECT, null=True, blank=True, db_index=False)
    parent = models.ForeignKey("self", models.PROTECT, null=True, blank=True, db_index=False, related_name="follow_ups")
    email_template = models.CharField(max_length=80, blank=True, help_text="By name; known when it is handed over.")
    sms_template = models.CharField(max_length=80, blank=True)
    message = models.ForeignKey("messaging.Message", models.PROTECT, null=True, blank=True, db_index=False, related_name="schedules")
    run = models.ForeignKey(
        "campaigns.SchedulerRun",
        models.DO_NOTHING,
        db_constraint=False,  # written ten million times in a run; runs are never deleted
        db_index=False,
        null=True,
        related_name="schedules",
        help_text="The run that wrote it last.",
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(db_default=Now(), editable=False)

    objects = EmailScheduleQuerySet.as_manager()

    class Meta:
        ordering = ["send_on", "pk"]
        verbose_name = "planned mail"
        permissions = [("run_scheduler", "Can start scheduler runs and hand mails over")]
        constraints = [
            models.UniqueConstraint(
                fields=["contact", "email_type", "campaign_instance", "event_on"],
                condition=Q(parent=None),
                nulls_distinct=False,
                name="one_schedule_per_event",
            ),
            models.UniqueConstraint(
                fields=["contact", "email_type", "campaign_instance", "send_on"],
                condition=~Q(status=Status.SKIPPED),
                nulls_distinct=False,
                name="one_mail_per_type_and_day",
            ),
            models.UniqueConstraint(fields=["parent"], condition=Q(parent__isnull=False), name="one_follow_up_per_mail"),
            models.UniqueConstraint(fields=["message"], condition=Q(message__isnull=False), name="one_schedule_per_message"),
            models.CheckConstraint(name="schedule_status_known", condition=Q(status__in=Status.values)),
            models.CheckConstraint(
                name="schedule_skipped_for_a_reason",
                condition=Q(status=Status.SKIPPED, skip_reason__in=SkipReason.values) | (~Q(status=Status.SKIPPED) & Q(skip_reason="")),
            ),
            models.CheckConstraint(
                name="schedule_has_its_message_iff_handed_over",
                condition=Q(status=Status.SCHEDULED, message__isnull=False) | (~Q(status=Status.SCHEDULED) & Q(message=None)),
            ),
        ]
        indexes = [
            models.Index(fields=["status", "send_on"], name="schedule_by_status_and_day"),
            models.Index(fields=["send_on"], name="schedule_over_cap", condition=Q(over_cap=True)),
            BrinIndex(fields=["run"], name="schedule_by_run", pages_per_range=32),  # a run writes next to each other
            # of the others, one_schedule_per_event is the index by contact
            models.Index(fields=["contact"], name="schedule_follow_ups", condition=Q(parent__isnull=False)),
            models.Index(fields=["campaign_instance"], name="schedule_by_campaign", condition=Q(campaign_instance__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.email_type} to contact {self.contact_id} on {self.send_on}"
