"""All that is known of one contact: what the scheduler is given, and what stands in the schedule."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from campaigns import loading, zip_codes
from campaigns.explaining.plans import Plan, plan_of
from campaigns.models import CampaignInstance, Contact, EmailSchedule, SchedulerRun, Scope
from campaigns.rules.exclusions import anchor_missing, year_round
from campaigns.rules.shapes import NO_INSTANCE, Contacts
from campaigns.rules.states import STATES, Window
from campaigns.settings import SchedulerSettings
from messaging.models import Suppression

MONTHS = 13  # are looked at, the present one included


@dataclass(frozen=True, kw_only=True)
class Facts:
    """One contact on `day`, which is today; settings and versions as they are in force."""

    contact: Contact
    day: Any
    settings: SchedulerSettings
    versions: Mapping[str, int]
    suppression: Suppression | None
    stored: list[EmailSchedule]
    last_run: SchedulerRun | None  # over all contacts
    instances: Mapping[int, CampaignInstance]
    plan: Plan

    @property
    def contacts(self) -> Contacts:
        """The one contact, as the rules know it."""
        return self.plan.chunk.contacts

    @property
    def rule(self) -> Window:
        """Of the contact's state, as the rules see it."""
        return self.settings.rules.of(STATES[self.contacts.state[0]])

    @property
    def until(self) -> Any:
        """The first day that is not looked at any more."""
        return (self.first_day.astype("M8[M]") + MONTHS).astype("M8[D]")

    @property
    def first_day(self) -> Any:
        return self.day.astype("M8[M]").astype("M8[D]")

    @cached_property
    def invalid(self) -> str:
        """Why nothing can be sent to this contact at all; empty where it can."""
        try:
            validate_email(self.contact.email)
            zip_codes.state_of(self.contact.zip_code)
        except ValidationError:
            return f"{self.contact.email!r} is no e-mail address."
        except zip_codes.ZipRefused as refusal:
            return str(refusal)
        return ""

    @cached_property
    def exclusion_unknown(self) -> bool:
        """Whether nobody can tell on which days the contact is excluded."""
        missing = anchor_missing(self.contacts, rules=self.settings.rules)
        return bool((missing & ~year_round(self.contacts, self.day, rules=self.settings.rules))[0])

    @property
    def flags(self) -> list[str]:
        told = [*self.contact.flags, *(["exclusion_unknown"] if self.exclusion_unknown else [])]
        return [*told, *(["invalid_contact"] if self.invalid else [])]

    def instance_name(self, number: Any) -> str | None:
        """What a campaign is called."""
        if number == NO_INSTANCE:
            return None
        found = self.instances.get(int(number))
        return found.name if found else f"campaign {number}"


def facts_of(contact_id: int, *, day: Any, settings: SchedulerSettings, versions: Mapping[str, int]) -> Facts:
    """Raises Contact.DoesNotExist."""
    contact = Contact.objects.get(pk=contact_id)
    last_run = SchedulerRun.objects.completed().filter(scope=Scope.ALL).order_by("-pk").first()
    chunk = loading.chunk([contact_id], day=day, settings=settings)
    if not len(chunk.contacts):
        raise Contact.DoesNotExist(f"contact {contact_id} has just gone")
    if settings.organisation_contacts is None and last_run:
        settings = replace(settings, organisation_contacts=max(1, last_run.contacts))
    plan = plan_of(chunk, day=day, settings=settings)
    numbers = {*chunk.targets["instance"].tolist(), *chunk.history["instance"].tolist()} - {NO_INSTANCE}
    return Facts(
        contact=contact,
        day=day,
        settings=settings,
        versions=versions,
        suppression=Suppression.objects.filter(address=contact.email.lower()).first(),
        stored=stored_rows(contact_id, since=(day - np.timedelta64(loading.PAST_DAYS, "D")).item()),
        last_run=last_run,
        instances=CampaignInstance.objects.select_related("campaign_type").in_bulk(numbers),
        plan=plan,
    )


def stored_rows(contact_id: int, *, since: Any) -> list[EmailSchedule]:
    """The contact's rows since that day. In two questions, as the index by contact leaves follow-ups out and that by parent has them."""
    rows = EmailSchedule.objects.order_by("pk")
    own = list(rows.filter(contact_id=contact_id, parent=None, send_on__gte=since))
    return own + list(rows.filter(parent__in=[row.pk for row in own]))
