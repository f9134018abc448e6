"""Who is meant by a campaign: chosen by hand, by a filter, or by an event. The same target twice is one; targets only come to be here.

Files are read by the import, which says itself who is meant.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connection, transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Lower, Now

from campaigns.models import CampaignInstance, Contact, ContactCampaign, ContactToPlan, EmailSchedule, Status, Targeted

MOST_BY_HAND = 5_000  # contacts named one by one
MOST_CARRIERS = 200  # offered
LONGEST_SPREAD = 365  # days
SHOWN = 60  # characters of a refused line
LONGEST_ID = 18  # digits

CARRIERS = """
    WITH RECURSIVE known AS (
        (SELECT carrier FROM campaigns_contact WHERE carrier <> '' ORDER BY carrier LIMIT 1)
        UNION ALL
        SELECT (SELECT carrier FROM campaigns_contact WHERE carrier <> '' AND carrier > known.carrier ORDER BY carrier LIMIT 1)
        FROM known WHERE known.carrier IS NOT NULL
    )
    SELECT carrier FROM known WHERE carrier IS NOT NULL LIMIT %s
"""
ADD = """
    WITH added AS (
        INSERT INTO campaigns_contactcampaign (contact_id, instance_id, trigger_on, targeted)
        SELECT chosen.id, %s, %s::date + (row_number() OVER (ORDER BY chosen.id) - 1)::int * %s / (count(*) OVER ())::int, %s
        FROM ({chosen}) AS chosen(id)
        ON CONFLICT DO NOTHING RETURNING contact_id
    )
    INSERT INTO campaigns_contacttoplan (contact_id) SELECT contact_id FROM added ORDER BY contact_id
    ON CONFLICT (contact_id) DO UPDATE SET asked_at = EXCLUDED.asked_at
"""


class TargetRefused(ValueError):
    """Nobody was added to the campaign; the sentence says why."""


@dataclass(frozen=True, kw_only=True)
class Filter:
    """Contacts of these states and these carriers; none named means every one."""

    states: tuple[str, ...] = ()
    carriers: tuple[str, ...] = ()

    def contacts(self) -> QuerySet[Contact]:
        chosen = Contact.objects.all()
        if self.states:
            chosen = chosen.filter(state__in=self.states)
        return chosen.filter(carrier__in=self.carriers) if self.carriers else chosen


@dataclass(frozen=True, kw_only=True)
class Plan:
    """When the chosen contacts have their trigger date: all on one day, or evenly over `spread_days` from it on."""

    trigger_on: date | None = None
    spread_days: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.spread_days <= LONGEST_SPREAD:
            raise TargetRefused(f"The trigger dates can be spread over 1 to {LONGEST_SPREAD} days; got {self.spread_days}.")
        if self.spread_days > 1 and self.trigger_on is None:
            raise TargetRefused("Trigger dates can be spread only from a first one on: name it.")


def target(contact_id: int, *, instance_id: int, trigger_on: date | None, metadata: Any = None) -> bool:
    """An event means this contact, who then waits for a run; whether that is new. The same event told twice is one target."""
    if not Contact.objects.filter(pk=contact_id).exists():
        raise TargetRefused(f"There is no contact {contact_id}.")
    if not CampaignInstance.objects.filter(pk=instance_id).exists():
        raise TargetRefused(f"There is no campaign {instance_id}.")
    facts = {"targeted": Targeted.EVENT, "metadata": metadata}
    where = {"contact_id": contact_id, "instance_id": instance_id, "trigger_on": trigger_on}
    with transaction.atomic():
        is_new = ContactCampaign.objects.get_or_create(**where, defaults=facts)[1]
        if is_new:
            wait_for_run([contact_id])
    return is_new


def wait_for_run(contact_ids: Iterable[int]) -> None:
    """What the rules count with has changed for these contacts: the next run plans them anew."""
    rows = [ContactToPlan(contact_id=contact_id, asked_at=Now()) for contact_id in sorted(set(contact_ids))]
    ContactToPlan.objects.bulk_create(rows, batch_size=1_000, update_conflicts=True, unique_fields=["contact"], update_fields=["asked_at"])


@transaction.atomic
def take_out(targets: QuerySet[ContactCampaign]) -> int:
    """The campaigns mean these contacts no longer, who wait for a run; how many were taken out."""
    wait_for_run(targets.values_list("contact_id", flat=True))
    return ContactCampaign.objects.filter(pk__in=targets.order_by().values("pk")).delete()[0]


@transaction.atomic
def add(contacts: QuerySet[Contact], *, instance_id: int, plan: Plan, targeted: Targeted) -> int:
    """These contacts are meant by the campaign, and wait for a run; how many of them newly. A second time it is none."""
    CampaignInstance.objects.select_for_update().get(pk=instance_id)  # two at once would spread the same contacts twice
    chosen = new_among(contacts, instance_id=instance_id, plan=plan).order_by().values("pk")
    try:
        query, told = chosen.query.sql_with_params()
    except EmptyResultSet:  # Django sees that it is nobody
        return 0
    with connection.cursor() as cursor:
        cursor.execute(ADD.format(chosen=query), [instance_id, plan.trigger_on, plan.spread_days, targeted.value, *told])
        return cursor.rowcount


def new_among(contacts: QuerySet[Contact], *, instance_id: int, plan: Plan) -> QuerySet[Contact]:
    """Those that would be added. Where trigger dates are spread, whoever is in the campaign already has one and keeps it."""
    known = ContactCampaign.objects.filter(instance_id=instance_id)
    if plan.spread_days == 1:
        known = known.filter(trigger_on=plan.trigger_on)
    return contacts.exclude(pk__in=known.values("contact_id"))


def named(lines: Iterable[str]) -> tuple[list[int], list[str]]:
    """The contacts that ids and e-mail addresses name, and a sentence for each line that names none or several."""
    told = list(dict.fromkeys(line.strip() for line in lines if line.strip()))
    if len(told) > MOST_BY_HAND:
        raise TargetRefused(f"{len(told):,} contacts are named; at most {MOST_BY_HAND:,} at once. Use a file, or a filter.")
    found = known_as(told)
    problems = [problem(line, found.get(line.lower(), [])) for line in told]
    ids = {found[line.lower()][0] for line, wrong in zip(told, problems, strict=True) if not wrong}
    return sorted(ids), [wrong for wrong in problems if wrong]


def known_as(told: Sequence[str]) -> dict[str, list[int]]:
    """By what was typed, in small letters: the ids of the contacts of that id or address."""
    numbers = [int(line) for line in told if line.isascii() and line.isdecimal() and len(line) <= LONGEST_ID]
    addresses = [line.lower() for line in told if "@" in line]
    known = Contact.objects.annotate(low=Lower("email")).order_by("pk")
    there = set(known.filter(pk__in=numbers).values_list("pk", flat=True))
    found = {line: [int(line)] for line in told if line.isascii() and line.isdecimal() and len(line) <= LONGEST_ID and int(line) in there}
    for number, address in known.filter(low__in=addresses).values_list("pk", "low"):
        found.setdefault(address, []).append(number)
    return found


def problem(line: str, found: Sequence[int]) -> str:
    if len(found) == 1:
        return ""
    if found:
        return f"{line[:SHOWN]} is the address of {len(found)} contacts: name one by its id, {', '.join(map(str, found[:5]))}."
    return f"{line[:SHOWN]!r} is neither the id nor the e-mail address of a contact."


def carriers() -> list[str]:
    """The carriers that contacts have, by one look into the index for each."""
    with connection.cursor() as cursor:
        cursor.execute(CARRIERS, [MOST_CARRIERS])
        return [row[0] for row in cursor.fetchall()]


def touched_by(changes: Iterable[Any]) -> QuerySet[Any, int]:
    """The ids of the contacts whose mails these changes of campaigns concern: those that are meant, and those that have a mail planned."""
    changes = list(changes)
    types = {change.campaign_type_id for change in changes if change.campaign_type_id}
    instances = {change.instance_id for change in changes if change.instance_id}
    campaigns = CampaignInstance.objects.filter(Q(pk__in=instances) | Q(campaign_type__in=types))
    if campaigns.filter(campaign_type__target_all_contacts=True).exists():
        return Contact.objects.order_by("pk").values_list("pk", flat=True)
    meant = ContactCampaign.objects.filter(instance__in=campaigns.values("pk")).order_by().values("contact_id")
    planned = EmailSchedule.objects.filter(campaign_instance__in=campaigns.values("pk"), status__in=[Status.PRE_SCHEDULED, Status.SKIPPED])
    concerned = Q(pk__in=meant) | Q(pk__in=planned.order_by().values("contact_id"))
    return Contact.objects.filter(concerned).order_by("pk").values_list("pk", flat=True)
