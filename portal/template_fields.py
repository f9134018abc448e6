"""Which fields a template may use: about a case, or, where its e-mail type is a campaign's, about a contact. One engine writes both."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.db.models import QuerySet

from campaigns import contact_fields
from campaigns.contact_fields import Occasion, is_about_contacts
from campaigns.rules.email_types import CAMPAIGN, FIXED_NAMES
from messaging import merge_fields
from messaging.merge_fields import Sender, Value
from messaging.models import Case, EmailTemplate
from portal import wiring


def for_cases() -> QuerySet:
    """The templates in use that a batch of mails about cases may be written with."""
    return EmailTemplate.objects.in_use().exclude(kind__in=FIXED_NAMES).exclude(kind__startswith=CAMPAIGN)


def fields_of(kind: str) -> Mapping[str, str]:
    """The fields for templates of this e-mail type, and what they mean."""
    return contact_fields.FIELDS if is_about_contacts(kind) else merge_fields.FIELDS


def example_of(kind: str) -> Mapping[str, Value]:
    """A value for every one of them, by which a template is tried before it is kept."""
    return contact_fields.EXAMPLE if is_about_contacts(kind) else merge_fields.EXAMPLE


def values_of(kind: str, *, case: Case, by: Any) -> dict[str, Value]:
    """Their values for this case; templates about contacts are filled in for a made-up one."""
    sender, today = Sender(**wiring.office(by)), wiring.today()
    if not is_about_contacts(kind):
        return merge_fields.values_for(case, sender=sender, today=today)
    coming = today + timedelta(days=14)
    occasion = Occasion(event_on=coming, campaign="Our campaign", skipped=["birthday", "aep"])
    contact = {**contact_fields.EXAMPLE, "effective_date": coming.replace(day=1)}
    return contact_fields.values_for(contact, occasion=occasion, sender=sender, plans_url=wiring.plans_url(), today=today)
