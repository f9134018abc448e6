"""Campaigns in two tiers: a type says how its campaigns behave, an instance what they say, to whom and when."""

from datetime import date
from typing import Self

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from campaigns.rules.email_types import CampaignType as Behaviour

PLAIN_NAME = r"^[a-z][a-z0-9_]{0,29}$"
LONGEST_LEAD = 300  # days


class CampaignTypeQuerySet(models.QuerySet["CampaignType"]):
    def behaviours(self) -> dict[str, Behaviour]:
        """Every type as the rules know it, by name."""
        return {one.name: one.behaviour for one in self}


class CampaignType(models.Model):
    name = models.CharField(
        max_length=30,
        unique=True,
        validators=[RegexValidator(PLAIN_NAME, "Begin with a small letter; then small letters, digits and _, at most 30 of them.")],
        help_text="The e-mail type is campaign_ and this name. It cannot be changed later.",
    )
    respect_exclusion_windows = models.BooleanField(default=True, help_text="No: its mails go out on excluded days, in every state.")
    enable_followups = models.BooleanField("follow-ups", default=True)
    days_before_event = models.SmallIntegerField(
        default=0,
        validators=[MinValueValidator(-LONGEST_LEAD), MaxValueValidator(LONGEST_LEAD)],
        help_text="Before the trigger date; negative is after it.",
    )
    target_all_contacts = models.BooleanField(default=False)
    priority = models.PositiveSmallIntegerField(
        default=10, validators=[MinValueValidator(1), MaxValueValidator(1_000)], help_text="The lower number goes first."
    )
    active = models.BooleanField(default=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(db_default=Now(), editable=False)

    objects = CampaignTypeQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(name="campaign_type_priority_in_range", condition=Q(priority__range=(1, 1_000))),
            models.CheckConstraint(name="campaign_type_lead_in_range", condition=Q(days_before_event__range=(-LONGEST_LEAD, LONGEST_LEAD))),
            models.CheckConstraint(name="campaign_type_name_plain", condition=Q(name__regex=PLAIN_NAME)),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def behaviour(self) -> Behaviour:
        return Behaviour(**{field: getattr(self, field) for field in Behaviour.__dataclass_fields__})


class CampaignInstanceQuerySet(models.QuerySet):
    def active(self, on: date) -> Self:
        """Its type is active and the day lies within its dates, both ends included."""
        begun = Q(active_from=None) | Q(active_from__lte=on)
        return self.filter(begun, Q(active_until=None) | Q(active_until__gte=on), campaign_type__active=True)


class CampaignInstance(models.Model):
    campaign_type = models.ForeignKey(CampaignType, models.PROTECT, related_name="instances")
    name = models.CharField(max_length=120)
    email_template = models.ForeignKey("messaging.EmailTemplate", models.PROTECT, null=True, blank=True, related_name="+")
    sms_template = models.ForeignKey("messaging.EmailTemplate", models.PROTECT, null=True, blank=True, related_name="+")
    active_from = models.DateField(null=True, blank=True, help_text="Empty: no beginning.")
    active_until = models.DateField(null=True, blank=True, help_text="The last day. Empty: no end.")
    metadata = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(db_default=Now(), editable=False)

    objects = CampaignInstanceQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        verbose_name = "campaign"
        constraints = [
            models.UniqueConstraint(fields=["campaign_type", "name"], name="one_campaign_per_type_and_name"),
            models.CheckConstraint(
                name="campaign_ends_after_it_begins",
                condition=Q(active_from=None) | Q(active_until=None) | Q(active_until__gte=F("active_from")),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.campaign_type}: {self.name}"


class Targeted(models.TextChoices):
    """How a contact came into a campaign."""

    HAND = "hand", "By hand"
    FILE = "file", "By a file"
    FILTER = "filter", "By a filter"
    EVENT = "event", "By an event"


class ContactCampaign(models.Model):
    """A contact is meant by a campaign, about a trigger date. What became of it stands in the schedule."""

    contact = models.ForeignKey("campaigns.Contact", models.PROTECT, db_index=False, related_name="campaigns")
    instance = models.ForeignKey(CampaignInstance, models.PROTECT, related_name="targets")
    trigger_on = models.DateField("trigger date", null=True, blank=True)
    targeted = models.CharField(max_length=6, choices=Targeted, default=Targeted.HAND)
    metadata = models.JSONField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ["-pk"]
        verbose_name = "target"
        constraints = [
            models.UniqueConstraint(
                fields=["contact", "instance", "trigger_on"], nulls_distinct=False, name="one_target_per_contact_and_trigger"
            )
        ]

    def __str__(self) -> str:
        return f"contact {self.contact_id} in campaign {self.instance_id}"


class CampaignChange(models.Model):
    """Somebody, or a program, altered a campaign. A trigger writes these, so bulk changes and raw SQL are in here too."""

    campaign_type = models.ForeignKey(CampaignType, models.PROTECT, null=True, blank=True, related_name="changes")
    instance = models.ForeignKey(CampaignInstance, models.PROTECT, null=True, blank=True, related_name="changes")
    field = models.CharField("field changed", max_length=60)
    old_value = models.TextField(null=True, blank=True)  # noqa: DJ001  # no value and an empty text are two things here
    new_value = models.TextField(null=True, blank=True)  # noqa: DJ001
    changed_at = models.DateTimeField(db_default=Now())
    changed_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, db_index=False, related_name="+")
    requires_rescheduling = models.BooleanField(default=True)
    rescheduled_at = models.DateTimeField(null=True, blank=True, help_text="When a run had planned the contacts it touches anew.")

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(
                name="change_of_a_type_or_an_instance", condition=Q(campaign_type__isnull=False) ^ Q(instance__isnull=False)
            )
        ]
        indexes = [
            models.Index(fields=["id"], name="change_waits_for_a_run", condition=Q(requires_rescheduling=True, rescheduled_at=None)),
        ]

    def __str__(self) -> str:
        return f"{self.field}: {self.old_value} → {self.new_value}"
