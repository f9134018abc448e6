"""BackupHistory: every try to back the database up, and whether its file can be trusted."""

from typing import Self

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now


class BackupStatus(models.TextChoices):
    STARTED = "started"
    VERIFIED = "verified"
    FAILED = "failed"
    REMOVED = "removed", "Removed: newer ones are kept"


class BackupHistoryQuerySet(models.QuerySet):
    def verified(self) -> Self:
        return self.filter(status=BackupStatus.VERIFIED)

    def whole(self) -> Self:
        """Of every table there is."""
        return self.filter(tables=[])


class BackupHistory(models.Model):
    path = models.CharField(max_length=500, unique=True)
    status = models.CharField(max_length=10, choices=BackupStatus, default=BackupStatus.STARTED)
    tables = models.JSONField(default=list, help_text="Those it holds; none named: all.")
    rows = models.JSONField(default=dict, help_text="How many rows of each table it was made of.")
    checksums = models.JSONField(default=dict, help_text="Of each table: the sum over its rows, whatever their order.")
    purpose = models.CharField(max_length=100, blank=True, help_text="What it was made for: the night, a campaign run, a person.")
    size_bytes = models.BigIntegerField(null=True)
    sha256 = models.CharField(max_length=64, blank=True)
    seconds = models.FloatField(null=True)
    error = models.TextField(blank=True)
    started_at = models.DateTimeField(db_default=Now())
    verified_at = models.DateTimeField(null=True)
    restore_tested_at = models.DateTimeField(null=True, help_text="When it was last restored into a scratch database and compared.")

    objects = BackupHistoryQuerySet.as_manager()

    class Meta:
        ordering = ["-started_at", "-pk"]
        verbose_name_plural = "backups"
        constraints = [
            models.CheckConstraint(
                name="backup_is_verified_with_its_proof",
                condition=~Q(status=BackupStatus.VERIFIED)
                | (Q(size_bytes__gt=0, verified_at__isnull=False, seconds__isnull=False) & ~Q(sha256="")),
            )
        ]
        indexes = [models.Index(fields=["-started_at", "-id"], name="backup_newest_first")]

    def __str__(self) -> str:
        return self.path
