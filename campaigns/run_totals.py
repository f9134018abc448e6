"""What lies between two steps of a run: what all chunks say together. Counts of days and the rows without a place, never all rows."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from django.db.models import Count, Sum
from django.db.models.functions import Now

from campaigns import counts, day_counts, placing, scheduler
from campaigns.chunks import FLOW, caps, day_of, decided_by
from campaigns.day_counts import FLOW as FLOW_DTYPE
from campaigns.models import CampaignChange, Contact, ContactToPlan, EmailSchedule, RunChunk, RunStatus, SchedulerRun, Scope, Status, Step
from campaigns.packing import packed, unpacked
from campaigns.rules import balance
from campaigns.rules.balance import FIXED, Caps
from campaigns.rules.shapes import Array
from campaigns.settings import SchedulerSettings

Next = tuple[Step, dict[str, Any]]
CHECKSUM_BITS = 2**64


def after_planning(run: SchedulerRun, settings: SchedulerSettings) -> Next:
    """Which days are crowded with effective-date mails, and how much of each priority stays on the days above the cap."""
    limits = caps_of(run, settings)
    flows = [(chunk.pk, unpacked(chunk.flow, FLOW)["flow"]) for chunk in run.chunks.only("flow").order_by("number").iterator(chunk_size=8)]
    others = flow_of_others(run)
    every = [others, *(flow for _, flow in flows)]
    crowded = balance.days_above(balance.merged([day_counts.effective_dates(flow) for flow in every]), limits.effective_date)
    carried = [(pk, day_counts.carried(flow, crowded)) for pk, flow in flows]
    total = balance.merged([day_counts.carried(others, crowded), *(tally for _, tally in carried)])
    allowed = scheduler.allowances(total, caps=limits, settings=settings)
    decided = {"crowded": crowded, "counts": total, "allowed": allowed}
    if not len(allowed):
        return Step.WRITE, {"decided": packed(decided)}
    earlier = total[:0]
    for pk, tally in carried:
        RunChunk.objects.filter(pk=pk).update(earlier=packed({"earlier": earlier}))
        earlier = balance.merged([earlier, tally[np.isin(tally["day"], allowed["day"])]])
    return Step.SETTLE, {"decided": packed(decided)}


def flow_of_others(run: SchedulerRun) -> Array:
    """The FLOW of everybody whom this run does not plan for: their mails stay where they are."""
    if run.scope == Scope.ALL:
        return np.zeros(0, FLOW_DTYPE)
    ours = [contact_id for chunk in run.chunks.only("ids") for contact_id in chunk.ids]
    standing = EmailSchedule.objects.filter(status__in=[Status.PRE_SCHEDULED, Status.SCHEDULED], send_on__gte=run.day)
    rows = standing.exclude(contact__in=ours).order_by().values_list("send_on", "email_type").annotate(mails=Count("pk"))
    found = [(day, day, FIXED, kind == "effective_date", mails) for day, kind, mails in rows]
    return day_counts.summed(np.array(found, FLOW_DTYPE))


def caps_of(run: SchedulerRun, settings: SchedulerSettings) -> Caps:
    return caps(settings, organisation=run.contacts if run.scope == Scope.ALL else Contact.objects.count())


def after_settling(run: SchedulerRun, settings: SchedulerSettings) -> Next:
    """Where the rows go that their day does not keep."""
    chunks = run.chunks.order_by("number").values_list("pk", "left").iterator(chunk_size=8)
    for pk, days in placing.placed(chunks, decided_by(run)["counts"], caps=caps_of(run, settings), settings=settings):
        RunChunk.objects.filter(pk=pk).update(found=packed({"found": days}))
    return Step.WRITE, {}


def after_writing(run: SchedulerRun, settings: SchedulerSettings) -> Next:
    """The run is completed, and says what it did."""
    told = counts.summed(run.chunks.values_list("counts", flat=True).iterator())
    if run.scope == Scope.ALL:
        CampaignChange.objects.filter(rescheduled_at=None, changed_at__lt=run.started_at).update(rescheduled_at=Now())
        ContactToPlan.objects.filter(asked_at__lt=run.started_at).delete()
    contacts = run.chunks.aggregate(every=Sum("contacts"))["every"] or 0
    facts = {name: told.get(name, 0) for name in ("invalid", "scheduled", "skipped", "added", "changed", "removed", "unchanged")}
    sums = {"contacts_checksum": "contacts_checksum", "before_checksum": "before", "after_checksum": "after"}
    return Step.DONE, facts | {name: f"{told.get(count, 0) % CHECKSUM_BITS:016x}" for name, count in sums.items()} | {
        "status": RunStatus.COMPLETED,
        "ended_at": Now(),
        "contacts": contacts,
        "contacts_done": contacts,
        "by_type": counts.largest_first(told.get("by_type", {})),
        "by_reason": counts.largest_first(told.get("by_reason", {})),
        "by_day": dict(sorted(told.get("by_day", {}).items())),
        "over_cap": list(over_cap(run, told, caps_of(run, settings))),
        "differences": told.get("differences", {}),
        "decided": None,
    }


def over_cap(run: SchedulerRun, told: dict[str, Any], limits: Caps) -> Iterator[dict[str, Any]]:
    """The days above a cap: those on which mails found no room, or that have left already; and those with many effective-date mails."""
    left = EmailSchedule.objects.handed_over().filter(send_on__gte=run.day).order_by()
    gone = {str(day): mails for day, mails in left.values_list("send_on").annotate(mails=Count("pk"))}
    policies = left.filter(email_type="effective_date").values_list("send_on").annotate(mails=Count("pk"))
    for name, planned, standing, limit in (
        ("daily", told.get("by_day", {}), gone, limits.daily),
        ("effective_date", told.get("effective_dates", {}), {str(day): mails for day, mails in policies}, limits.effective_date),
    ):
        for day, mails in sorted(counts.summed([planned, standing]).items()):
            if mails > limit and day >= str(day_of(run)):
                yield {"day": day, "cap": name, "limit": limit, "mails": mails}


BETWEEN: dict[Step, Callable[[SchedulerRun, SchedulerSettings], Next]] = {
    Step.PLAN: after_planning,
    Step.SETTLE: after_settling,
    Step.WRITE: after_writing,
}
