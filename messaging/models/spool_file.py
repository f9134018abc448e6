"""SpoolFile: a file of facts that waited while the database was away, and how far they have been brought in."""

from typing import Self

from django.db import models
from django.db.models.functions import Now


class SpoolFileQuerySet(models.QuerySet):
    def unfinished(self) -> Self:
        return self.filter(replayed_at=None)


class SpoolFile(models.Model):
    name = models.CharField(max_length=200, unique=True)
    host = models.CharField(max_length=200)
    lines = models.PositiveIntegerField()
    sealed_at = models.DateTimeField(db_default=Now(), help_text="When it was first taken; nothing is written into it any more.")
    replayed_at = models.DateTimeField(null=True, help_text="Every line has reached the database, or is known to be unusable.")

    objects = SpoolFileQuerySet.as_manager()

    class Meta:
        ordering = ["-sealed_at", "-pk"]

    def __str__(self) -> str:
        return self.name
