"""The steps that a run takes with one chunk of contacts. What the next step needs of this one is kept in the chunk's row, as bytes."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from django.db.models.functions import Now

from campaigns import counts, day_counts, loading, placing, replaced_rows, scheduler, writing
from campaigns.differences import difference, held_events
from campaigns.models import RunChunk, SchedulerRun, Step
from campaigns.packing import packed, unpacked
from campaigns.rules import balance
from campaigns.rules.balance import TALLY, Caps
from campaigns.rules.campaign_days import TAKEN, taken_days
from campaigns.rules.shapes import DAY, ROW, Array, Contacts, without
from campaigns.scheduler import Chunk
from campaigns.settings import SchedulerSettings

Facts = dict[str, Any]
PLAN = {
    "rows": ROW,
    "spread_to": np.dtype(DAY),
    "taken": TAKEN,
    "id": np.dtype("i8"),
    "state": np.dtype("i1"),
    "birthday": np.dtype(DAY),
    "effective_date": np.dtype(DAY),
}
DECIDED = {"crowded": np.dtype(DAY), "counts": TALLY, "allowed": TALLY}
FLOW = {"flow": day_counts.FLOW}
EARLIER = {"earlier": TALLY}
FOUND = {"found": np.dtype(DAY)}


def contacts_in(chunk: RunChunk) -> loading.Some:
    return list(chunk.ids) if chunk.ids is not None else loading.Range(first_id=chunk.first_id, last_id=chunk.last_id)


def day_of(run: SchedulerRun) -> Any:
    return np.datetime64(run.day, "D")


def caps(settings: SchedulerSettings, *, organisation: int) -> Caps:
    """Mails a day, for an organisation with so many contacts, unless the settings name another number."""
    return scheduler.caps_of(settings.organisation_contacts or organisation, settings)


def plan(run: SchedulerRun, chunk: RunChunk, settings: SchedulerSettings, write: bool) -> Facts:
    """The rows of each contact by its own rules, and what each day would carry of them."""
    some, day = contacts_in(chunk), day_of(run)
    total, contacts_checksum = writing.contacts_checksum(some)
    known = loading.chunk(some, day=day, settings=settings, whole=False)
    known = scheduler.with_known_events(known, day=day, settings=settings)
    rows = scheduler.uncontested(known, scheduler.planned(known, day=day, settings=settings))
    spread_to = scheduler.smoothed(known, rows, np.unique(rows["send_on"]), day=day, settings=settings)["send_on"]
    gone = balance.gone_out(known.history)
    columns = {name: getattr(known.contacts, name) for name in ("id", "state", "birthday", "effective_date")}
    kept = {"rows": rows, "spread_to": spread_to, "taken": taken_days(rows, gone, known.contacts.id), **columns}
    return {
        "plan": packed(kept),
        "flow": packed({"flow": day_counts.flow(rows, spread_to, gone[gone["send_on"] >= day])}),
        "contacts": total,
        "counts": {"invalid": total - len(known.contacts), "contacts_checksum": contacts_checksum},
    }


def settle(run: SchedulerRun, chunk: RunChunk, settings: SchedulerSettings, write: bool) -> Facts:
    """The rows that their day does not keep."""
    kept, decided = unpacked(chunk.plan, PLAN), decided_by(run)
    rows = smoothed(kept, decided)
    at = balance.left_over(rows, decided["allowed"], unpacked(chunk.earlier, EARLIER)["earlier"])
    left = scheduler.with_contacts(rows[at], contacts_of(kept))
    return {"left": placing.kept(at, left, kept["taken"])}


def write(run: SchedulerRun, chunk: RunChunk, settings: SchedulerSettings, write: bool) -> Facts:
    """The schedule of these contacts says what the rules say; the chunk counts what that changed."""
    some, day = contacts_in(chunk), day_of(run)
    kept = unpacked(chunk.plan, PLAN)
    contacts = contacts_of(kept)
    rows = smoothed(kept, decided_by(run))
    if chunk.found is not None:
        rows = scheduler.put_back(rows, placing.places_of(chunk.left), unpacked(chunk.found, FOUND)["found"])
    gone = ~np.isin(contacts.id, loading.ids(some))  # a contact may have been deleted since
    rows = without(rows, np.isin(rows["contact"], contacts.id[gone]))
    history = loading.held(some, contacts, day=day, settings=settings)
    rows = scheduler.limited(Chunk(contacts=contacts, history=history), rows, day=day, settings=settings)
    found = difference(
        rows,
        writing.standing(some, day=day, settings=settings),
        held_events(history, contacts.id),
        day=day,
        overdue_days=settings.overdue_days,
        send_time=writing.seconds_of(settings.send_time),
    )
    leaving = 0
    if write and not found.empty:
        leaving = writing.checksum_of(found.replaced)
        replaced_rows.keep(found.replaced, run_id=run.pk, chunk=chunk.number)
        writing.write(found, contacts=contacts, run_id=run.pk, settings=settings)
    after, written = writing.checksums(some, run_id=run.pk)
    before = after - written + leaving  # at one moment: what others did meanwhile stands in both
    told = counts.of(rows, found, contacts=contacts, settings=settings) | {"before": before, "after": after}
    return {"counts": chunk.counts | told, "plan": None, "left": None, "found": None, "earlier": None, "done_at": Now()} | {
        "contacts": chunk.contacts,
        "written_by": writing.transaction_number(chunk.pk),
    }


def smoothed(kept: Mapping[str, Array], decided: Mapping[str, Array]) -> Array:
    """The planned rows, the effective-date mails of crowded days where they are spread to."""
    rows, spread_to = kept["rows"], kept["spread_to"]
    at = np.flatnonzero((rows["send_on"] != spread_to) & np.isin(rows["send_on"], decided["crowded"]))
    return balance.moved(rows, at, spread_to[at])


def contacts_of(kept: Mapping[str, Array]) -> Contacts:
    return Contacts(**{name: kept[name] for name in ("id", "state", "birthday", "effective_date")})


def decided_by(run: SchedulerRun) -> dict[str, Array]:
    return unpacked(run.decided, DECIDED)


STEPS: dict[Step, Callable[[SchedulerRun, RunChunk, SchedulerSettings, bool], Facts]] = {
    Step.PLAN: plan,
    Step.SETTLE: settle,
    Step.WRITE: write,
}
