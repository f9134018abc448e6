"""Provider: what all workers together know of a server outside: is it down, until when, and whose turn is it.

One row per mail server and one for the CMS, made when it is first used.
"""

from datetime import timedelta
from typing import Self

from django.db import connection, models
from django.db.models import F, Q
from django.db.models.functions import Now

TAKE_A_TURN = """
    UPDATE messaging_provider SET next_turn_at = greatest(next_turn_at, clock_timestamp()) + make_interval(secs => %(gap)s)
    WHERE id = %(id)s RETURNING extract(epoch FROM next_turn_at - make_interval(secs => %(gap)s) - clock_timestamp())
"""


class Purpose(models.TextChoices):
    MAIL = "mail"
    CMS = "cms", "CMS"
    AI = "ai", "AI"


class ProviderQuerySet(models.QuerySet):
    def open(self) -> Self:
        """Not paused, or the pause is over and somebody may try."""
        return self.filter(Q(paused_until=None) | Q(paused_until__lte=Now()))

    def paused(self) -> Self:
        return self.filter(paused_until__gt=Now())

    def down(self) -> Self:
        """Paused, or over its pause but not yet seen to work again."""
        return self.filter(paused_until__isnull=False)


class Provider(models.Model):
    name = models.CharField(max_length=40, unique=True)
    purpose = models.CharField(max_length=10, choices=Purpose)
    paused_until = models.DateTimeField(null=True, blank=True)
    reason = models.TextField(blank=True, help_text="Why it is paused.")
    failures_in_row = models.PositiveIntegerField(default=0)
    sender_refusals_in_row = models.PositiveIntegerField(default=0, help_text="5xx answers to our own sender address.")
    next_turn_at = models.DateTimeField(null=True, blank=True, help_text="When the rate limit lets the next mail go.")
    last_ok_at = models.DateTimeField(null=True, blank=True)

    objects = ProviderQuerySet.as_manager()

    class Meta:
        ordering = ["purpose", "name"]
        constraints = [models.CheckConstraint(name="provider_paused_for_a_reason", condition=Q(paused_until=None) | ~Q(reason=""))]

    def __str__(self) -> str:
        return self.name

    def may_try(self, *, probe_for: timedelta) -> bool:
        """True if the server is not paused. Once a pause is over one caller alone is told True, and the others wait `probe_for` more."""
        if Provider.objects.filter(pk=self.pk, paused_until=None).exists():
            return True
        return bool(Provider.objects.filter(pk=self.pk, paused_until__lte=Now()).update(paused_until=Now() + probe_for))

    def pause(self, *, reason: str, span: timedelta) -> None:
        """Nobody tries this server for `span`; every row keeps its state."""
        Provider.objects.filter(pk=self.pk).update(
            paused_until=Now() + span, reason=reason[:2_000], failures_in_row=F("failures_in_row") + 1
        )

    def resume(self) -> None:
        """It lets us in again: the pause is over, but what came in a row counts on until it has taken a mail."""
        Provider.objects.filter(pk=self.pk, paused_until__isnull=False).update(paused_until=None, reason="")

    def works(self) -> None:
        """It answered: any pause is over, and nothing counts on. Writes nothing when nothing was wrong."""
        trouble = Q(paused_until__isnull=False) | Q(failures_in_row__gt=0) | Q(last_ok_at=None)
        Provider.objects.filter(trouble, pk=self.pk).update(
            paused_until=None, reason="", failures_in_row=0, sender_refusals_in_row=0, last_ok_at=Now()
        )

    def next_turn_in(self, *, per_second: float) -> float:
        """Take the next place in the line that all workers share; returns how many seconds it is away, by the database's clock."""
        with connection.cursor() as cursor:
            cursor.execute(TAKE_A_TURN, {"id": self.pk, "gap": 1 / per_second})
            return max(0.0, float(cursor.fetchone()[0]))
