"""All that is known of one contact: what the scheduler is given, and what stands in the schedule."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from campaigns import loading, writing
from campaigns.explaining.plans import Plan, empty_plan, plan_of
from campaigns.models import CampaignInstance, Contact, EmailSchedule, SchedulerRun, Scope
from campaigns.rules.exclusions import anchor_missing, year_round
from campaigns.rules.shapes import NO_INSTANCE, Array, Contacts
from campaigns.rules.states import STATES, Window, code_of
from campaigns.scheduler import Chunk
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
    standing: Array  # STANDING: its rows of the schedule that a run may write anew
    follow_ups: list[EmailSchedule]
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

    is_valid: bool  # as the scheduler has it: one that is not is left out

    @property
    def invalid(self) -> str:
        """Why nothing is planned for this contact at all; empty where it is."""
        if self.is_valid:
            return ""
        return f"{self.contact.email!r} is no e-mail address." if self.contact.zip_code else "The contact has no ZIP code."

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
    is_valid = bool(len(chunk.contacts))
    if settings.organisation_contacts is None and last_run:
        settings = replace(settings, organisation_contacts=max(1, last_run.contacts))
    plan = plan_of(chunk, day=day, settings=settings) if is_valid else empty_plan(Chunk(alone(contact)))
    numbers = {*chunk.targets["instance"].tolist(), *chunk.history["instance"].tolist()} - {NO_INSTANCE}
    return Facts(
        contact=contact,
        day=day,
        settings=settings,
        versions=versions,
        suppression=Suppression.objects.filter(address=contact.email.lower()).first(),
        standing=np.sort(writing.standing([contact_id], day=day, settings=settings), order="id"),
        follow_ups=list(EmailSchedule.objects.filter(parent__in=chunk.history["id"].tolist()).order_by("pk")),
        last_run=last_run,
        instances=CampaignInstance.objects.select_related("campaign_type").in_bulk(numbers),
        plan=plan,
        is_valid=is_valid,
    )


def alone(contact: Contact) -> Contacts:
    """A contact that the scheduler leaves out, as the rules would know it."""
    days = [np.array([day or "NaT"], "M8[D]") for day in (contact.birth_date, contact.effective_date)]
    return Contacts(np.array([contact.pk]), np.array([code_of(contact.state)], "i1"), *days)
