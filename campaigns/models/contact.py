"""Contact: somebody the office writes to, by e-mail. The state comes from the ZIP code, which wins over a stated one."""

from collections.abc import Mapping
from typing import Self

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import OpClass
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower, Now

from campaigns.rules.states import OTHER, Anchor, Window
from messaging.models import Suppression


class Flag(models.TextChoices):
    """What is doubtful about a contact; none of it keeps mails from going out."""

    STATE_ZIP_MISMATCH = "state_zip_mismatch", "The stated state is not the ZIP code's"
    BIRTH_DATE_INVALID = "birth_date_invalid", "The birth date was no date"
    EFFECTIVE_DATE_INVALID = "effective_date_invalid", "The effective date was no date"


class ContactQuerySet(models.QuerySet):
    def in_states(self, states: list[str]) -> Self:
        return self.filter(state__in=states)

    def after(self, contact_id: int) -> Self:
        """Those with a higher id, the lowest first."""
        return self.filter(pk__gt=contact_id).order_by("pk")

    def flagged(self) -> Self:
        return self.exclude(flags=[])

    def exclusion_unknown(self, rules: Mapping[str, Window]) -> Self:
        """Their state has a window, and the date it is counted from is missing: nobody can tell which days are excluded."""
        by_birthday = [state for state, rule in rules.items() if rule.anchor in (Anchor.BIRTHDAY, Anchor.BIRTH_MONTH)]
        by_policy = [state for state, rule in rules.items() if rule.anchor == Anchor.EFFECTIVE_DATE]
        return self.filter(Q(state__in=by_birthday, birth_date=None) | Q(state__in=by_policy, effective_date=None))

    def suppressed(self) -> Self:
        """Their address must not be mailed now."""
        stop = Suppression.objects.in_force().filter(address=Lower(models.OuterRef("email")))
        return self.filter(models.Exists(stop))


class Contact(models.Model):
    """An import may name the id; one that is made by hand gets the next one."""

    email = models.EmailField("e-mail", max_length=254)
    first_name = models.CharField(max_length=100, blank=True)
    last_name = models.CharField(max_length=100, blank=True)
    zip_code = models.CharField("ZIP code", max_length=10)
    state = models.CharField(max_length=5, default=OTHER, editable=False, help_text="By the ZIP code. Territories follow no state's rule.")
    birth_date = models.DateField(null=True, blank=True)
    effective_date = models.DateField(null=True, blank=True, help_text="When the policy began or begins.")
    phone = models.CharField(max_length=40, blank=True)
    carrier = models.CharField(max_length=100, blank=True)
    flags = ArrayField(models.CharField(max_length=30, choices=Flag), default=list, blank=True, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(db_default=Now(), editable=False)

    objects = ContactQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        permissions = [("import_contact", "Can import contacts and targets from files")]
        constraints = [
            models.CheckConstraint(name="contact_has_an_address", condition=Q(email__contains="@")),
            models.CheckConstraint(name="contact_has_a_state", condition=~Q(state="")),
        ]
        indexes = [
            models.Index(OpClass(Lower("email"), "text_pattern_ops"), name="contact_email"),
            models.Index(OpClass(Lower("last_name"), "text_pattern_ops"), name="contact_last_name"),
            models.Index(fields=["state", "-id"], name="contact_by_state"),
            models.Index(fields=["carrier", "-id"], name="contact_by_carrier", condition=~Q(carrier="")),
            models.Index(fields=["-id"], name="contact_flagged", condition=~Q(flags=[])),
            models.Index(fields=["-id"], name="contact_lacks_a_date", condition=Q(birth_date=None) | Q(effective_date=None)),
        ]

    def __str__(self) -> str:
        return f"{self.full_name or self.email} ({self.pk})"

    @property
    def full_name(self) -> str:
        return f"{self.first_name} {self.last_name}".strip()
