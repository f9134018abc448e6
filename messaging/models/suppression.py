"""Suppression: who must not be mailed, why, until when."""

from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower, Now

# Of a message's own row, as SQL: asked where it is claimed, and again where it is fenced. `in_force()` says the same to the ORM.
RECIPIENT_SUPPRESSED = """EXISTS (
        SELECT FROM messaging_suppression s WHERE s.address = lower(recipient)
        AND (s.suppressed_until IS NULL OR s.suppressed_until > clock_timestamp()))"""


class SuppressionQuerySet(models.QuerySet):
    def in_force(self) -> Self:
        return self.filter(Q(suppressed_until=None) | Q(suppressed_until__gt=Now()))

    def addresses_among(self, addresses: list[str]) -> set[str]:
        """Which of these addresses must not be mailed now, in lower case."""
        return set(self.in_force().filter(address__in=[address.lower() for address in addresses]).values_list("address", flat=True))


class Suppression(models.Model):
    address = models.EmailField(max_length=254, unique=True, help_text="Lower case.")
    reason = models.CharField(max_length=200)
    suppressed_until = models.DateTimeField(null=True, blank=True, help_text="Empty: for good.")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, editable=False, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    objects = SuppressionQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-pk"]
        constraints = [models.CheckConstraint(name="suppression_in_lower_case", condition=Q(address=Lower("address")))]

    def __str__(self) -> str:
        return self.address

    def clean(self) -> None:
        self.address = self.address.lower()
