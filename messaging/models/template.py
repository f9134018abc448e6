"""EmailTemplate and its versions. A version, once written, never changes: a message points at the very words it was made from."""

from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import OuterRef, Subquery


class EmailTemplateQuerySet(models.QuerySet):
    def in_use(self) -> Self:
        return self.filter(is_active=True)

    def with_current(self) -> Self:
        """Each template with `current_id`, the id of its newest version."""
        newest = TemplateVersion.objects.filter(template=OuterRef("pk")).order_by("-number")
        return self.annotate(current_id=Subquery(newest.values("pk")[:1]))


class EmailTemplate(models.Model):
    name = models.SlugField(max_length=80, unique=True, help_text="How commands and campaigns name it, e.g. status-request.")
    title = models.CharField(max_length=200, help_text="How staff name it.")
    kind = models.SlugField(max_length=60, default="bulk_status_request", help_text="The e-mail type its note in the CMS is written for.")
    is_active = models.BooleanField("in use", default=True)

    objects = EmailTemplateQuerySet.as_manager()

    class Meta:
        ordering = ["title", "pk"]

    def __str__(self) -> str:
        return self.title

    @property
    def current(self) -> "TemplateVersion | None":
        return self.versions.order_by("-number").first()


class TemplateVersion(models.Model):
    template = models.ForeignKey(EmailTemplate, models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    subject = models.CharField(max_length=200)
    text = models.TextField("plain text", max_length=100_000)
    html = models.TextField("HTML", blank=True, max_length=500_000, help_text="Optional.")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["template", "-number"]
        constraints = [
            models.UniqueConstraint(fields=["template", "number"], name="one_version_per_number"),
            models.CheckConstraint(name="version_subject_is_one_line", condition=models.Q(subject__regex=r"^[^\r\n]+$")),
        ]

    def __str__(self) -> str:
        return f"{self.template} v{self.number}"
