"""BulkDraft: a batch that somebody is still looking at. It survives a reload, a second tab and a restart, and is sent at most once."""

import uuid
from datetime import datetime
from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import Q

from messaging.models import MessageSession, Mode, TemplateVersion

MOST_MAILS = 500  # in one batch: what a person can still look through


class BulkDraftQuerySet(models.QuerySet):
    def unsent(self) -> Self:
        return self.filter(session=None)

    def forgotten(self, *, before: datetime) -> Self:
        """Never sent, and untouched since `before`."""
        return self.unsent().filter(touched_at__lt=before)


class BulkDraft(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    asked = models.CharField(max_length=200, help_text="What was asked for, in words; the session's name afterwards.")
    mode = models.CharField(max_length=10, choices=Mode)
    template_version = models.ForeignKey(TemplateVersion, models.PROTECT, related_name="+")
    pvs = models.JSONField(help_text="The cases it was started with, in the order they are shown.")
    skipped = models.JSONField(default=list, help_text="What was asked for and left out at the start, each with its reason.")
    unticked = models.JSONField(default=list, help_text="The PVs that a person left out.")
    edits = models.JSONField(default=dict, help_text="PV: the subject and text that a person wrote instead.")
    session = models.OneToOneField(MessageSession, models.PROTECT, null=True, related_name="+", help_text="What it became.")
    created_at = models.DateTimeField(auto_now_add=True)
    touched_at = models.DateTimeField(auto_now=True)

    objects = BulkDraftQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "pk"]
        constraints = [models.CheckConstraint(name="bulk_draft_mode_known", condition=Q(mode__in=Mode.values))]

    def __str__(self) -> str:
        return self.asked
