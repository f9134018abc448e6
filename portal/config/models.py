"""ConfigVersion: what the portal was told, from when until when, by whom and why. Versions are added, never edited.

The versions of one series follow each other without overlap. One that was replaced before it began has an empty period.
"""

from datetime import datetime
from typing import Self

from django.conf import settings
from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import BigIntegerRangeField, DateTimeRangeField
from django.db import models
from django.db.models import F, Func, Q, Value
from django.db.models.functions import Now

SERIES_AS_RANGE = Func(F("series"), F("series"), Value("[]"), function="int8range", output_field=BigIntegerRangeField())


class ConfigSeries(models.Model):
    """All versions of a kind for one environment. Whoever adds a version holds the row meanwhile; its id stands in the constraint."""

    kind = models.SlugField(max_length=40)
    environment = models.SlugField(max_length=40, blank=True, help_text="Empty: for every environment.")

    class Meta:
        verbose_name_plural = "config series"
        ordering = ["kind", "environment"]
        constraints = [models.UniqueConstraint(fields=["kind", "environment"], name="one_series_per_kind_and_environment")]

    def __str__(self) -> str:
        return self.kind + (f" in {self.environment}" if self.environment else "")


class ConfigVersionQuerySet(models.QuerySet):
    def of(self, kind: str) -> Self:
        return self.filter(series__kind=kind)

    def in_force(self, at: datetime) -> Self:
        return self.filter(in_force__contains=at)

    def beginning_after(self, at: datetime) -> Self:
        """Those that begin later, the next one first."""
        return self.filter(in_force__startswith__gt=at).order_by("in_force__startswith")


class ConfigVersion(models.Model):
    """The number counts within a series; 0 stands for what the portal ships and is no row."""

    series = models.ForeignKey(ConfigSeries, models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    data = models.JSONField()
    in_force = DateTimeRangeField(help_text="The first moment belongs to it, the last does not.")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+")
    note = models.CharField(max_length=500, help_text="Why.")
    created_at = models.DateTimeField(db_default=Now(), verbose_name="written")

    objects = ConfigVersionQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        constraints = [
            ExclusionConstraint(name="versions_of_a_series_never_overlap", expressions=[(SERIES_AS_RANGE, "&&"), ("in_force", "&&")]),
            models.UniqueConstraint(fields=["series", "number"], name="one_config_version_per_number"),
            models.CheckConstraint(name="config_version_counts_from_1", condition=Q(number__gte=1)),
            models.CheckConstraint(
                name="config_version_has_a_first_moment",
                condition=Q(in_force__isempty=True) | Q(in_force__lower_inf=False, in_force__lower_inc=True, in_force__upper_inc=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.series}, version {self.number}"

    @property
    def valid_from(self) -> datetime | None:
        """None if it was replaced before it began."""
        return None if self.in_force.isempty else self.in_force.lower

    @property
    def valid_until(self) -> datetime | None:
        """The first moment it is not in force any more; None while no end is known."""
        return None if self.in_force.isempty else self.in_force.upper

    def standing(self, at: datetime) -> str:
        if self.in_force.isempty:
            return "never in force"
        if at < self.in_force.lower:
            return "planned"
        return "in force" if self.in_force.upper is None or at < self.in_force.upper else "over"
