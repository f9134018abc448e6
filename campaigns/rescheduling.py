"""After a change, the contacts it touches are planned anew, and nobody else.

What waits stands in the database: changes of campaigns that no run has covered, and contacts that were edited or newly meant. Each is
crossed off only when all its contacts are planned; what comes in between waits for the next time.
"""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

from django.db import connection, transaction
from django.db.models.functions import Now

from campaigns import runs
from campaigns.models import CampaignChange, ContactToPlan, RunStatus
from campaigns.runs import Order, never
from campaigns.targeting import touched_by

AT_ONCE = 50_000  # contacts in one run
MOST_ONE_BY_ONE = 200_000  # contacts waiting; beyond that everybody is planned
LONGEST_REASON = 200
CROSS_OFF = """
    DELETE FROM campaigns_contacttoplan w USING unnest(%s::bigint[], %s::timestamptz[]) AS covered(id, asked_at)
    WHERE w.contact_id = covered.id AND w.asked_at = covered.asked_at
"""


@dataclass(kw_only=True)
class Tally:
    changes: int = 0  # of campaigns, now covered
    contacts: int = 0  # planned anew
    runs: int = 0
    unfinished: bool = False

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """What waited at one moment. Contacts by id, with the moment they were asked for."""

    changes: list[CampaignChange]
    contacts: dict[int, Any]

    @property
    def reason(self) -> str:
        """For people: what led to the run."""
        names = dict.fromkeys(f"“{change.campaign_type or change.instance}”" for change in self.changes)
        edited = f"{len(self.contacts):,} contact{'s' * (len(self.contacts) != 1)} changed"
        told = [f"Campaign {', '.join(names)} changed"] * bool(names) + [edited] * bool(self.contacts)
        return "; ".join(told)[:LONGEST_REASON]


def reschedule(order: Order, *, stop: Callable[[], bool] = never) -> Tally:
    """Whoever waits is planned anew, at most AT_ONCE contacts in a run. Raises RunUnderWay, and then they go on waiting."""
    found, tally = waiting(), Tally()
    if not (found.changes or found.contacts):
        return tally
    order = replace(order, reason=found.reason)
    for some in [None] if touches_everybody(found) else pieces(found):
        run = runs.run(replace(order, contact_ids=some), stop=stop)
        tally.runs += 1
        tally.contacts += run.contacts
        if run.status != RunStatus.COMPLETED:
            tally.unfinished = True
            return tally
    tally.changes = settle(found)
    return tally


def waiting() -> Waiting:
    changes = CampaignChange.objects.filter(requires_rescheduling=True, rescheduled_at=None)
    contacts = ContactToPlan.objects.order_by("pk").values_list("contact_id", "asked_at")[: MOST_ONE_BY_ONE + 1]
    return Waiting(changes=list(changes.select_related("campaign_type", "instance__campaign_type").order_by("pk")), contacts=dict(contacts))


def touches_everybody(found: Waiting) -> bool:
    """One of the campaigns means all contacts, or did before the change; or so many wait that a run over everybody is the shorter way."""
    types = [change.campaign_type or (change.instance and change.instance.campaign_type) for change in found.changes]
    were = any(change.field == "target_all_contacts" for change in found.changes)
    return were or any(kind.target_all_contacts for kind in types if kind) or len(found.contacts) > MOST_ONE_BY_ONE


def pieces(found: Waiting) -> Iterator[list[int]]:
    """The ids of all who wait, each once, ascending."""
    touched = touched_by(found.changes).iterator() if found.changes else ()
    ids = sorted({*found.contacts, *touched})
    for at in range(0, len(ids), AT_ONCE):
        yield ids[at : at + AT_ONCE]


@transaction.atomic
def settle(found: Waiting) -> int:
    """Exactly what was covered waits no longer; a contact that was edited again meanwhile does."""
    with connection.cursor() as cursor:
        cursor.execute(CROSS_OFF, [list(found.contacts), list(found.contacts.values())])
    return CampaignChange.objects.filter(pk__in=[change.pk for change in found.changes]).update(rescheduled_at=Now())
