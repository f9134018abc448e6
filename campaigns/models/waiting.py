"""ContactToPlan: a contact whose mails are to be planned anew, and since when."""

from django.db import models
from django.db.models.functions import Now

from campaigns.models.contact import Contact


class ContactToPlan(models.Model):
    """Something that the rules count with has changed for this contact. A run that covers it takes the row away."""

    contact = models.OneToOneField(Contact, models.CASCADE, primary_key=True, related_name="+")
    asked_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name_plural = "contacts to plan"

    def __str__(self) -> str:
        return f"contact {self.contact_id} waits for a run"
