"""Follow-ups: for each mail that was answered, or was not, the next one, chosen by what its contact did; chosen anew until it is sent."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
from django.db import connection, transaction

from campaigns import loading, scheduler
from campaigns.models import EmailSchedule, SkipReason, Status
from campaigns.rules.email_types import ANSWERED_NO_CONDITIONS, ANSWERED_WITH_CONDITIONS, CLICKED_NO_ANSWER, COLD
from campaigns.rules.follow_ups import owed_parents
from campaigns.rules.shapes import REASON_WORDS, Reason
from campaigns.schedule_rows import store
from campaigns.settings import SchedulerSettings
from messaging.models import Status as MessageStatus

AT_ONCE = 2_000  # contacts in one transaction
ONE_AT_A_TIME = 0x4A4D_0002  # of the advisory lock: two at once would each plan what the other has not told yet
BEHAVIOURS = {
    COLD: "neither clicked nor answered",
    CLICKED_NO_ANSWER: "clicked, but did not answer the health questions",
    ANSWERED_NO_CONDITIONS: "answered the health questions: no conditions",
    ANSWERED_WITH_CONDITIONS: "answered the health questions: has conditions",
}


@dataclass(kw_only=True)
class Tally:
    """What one call did. `parents` are owed a follow-up: newly planned, newly skipped, planned otherwise, or as before.

    `skipped` counts those too that nobody handed over in time.
    """

    parents: int = 0
    scheduled: int = 0
    skipped: int = 0
    changed: int = 0

    def as_dict(self) -> dict[str, int]:
        return asdict(self)


def schedule_follow_ups(*, day: date, at: datetime, settings: SchedulerSettings, lookback_days: int | None = None) -> Tally:
    """Every mail sent within `lookback_days` that is owed a follow-up has one planned, of the type that fits what its contact did by now.

    Twice is once. Excluded days are respected always: a follow-up that would fall on one is skipped and says so, until it is free again.
    """
    if lookback_days is not None:
        settings = replace(settings, followup_lookback_days=lookback_days)
    tally = Tally()
    for contact_ids in contacts_with_parents(day, settings=settings):
        follow_up_some(contact_ids, day=day, at=at, settings=settings, tally=tally)
    return tally


def contacts_with_parents(day: date, *, settings: SchedulerSettings) -> Iterator[list[int]]:
    """The contacts who were sent something lately, by ascending id, some at a time."""
    since = day - timedelta(days=settings.followup_lookback_days + settings.overdue_days + 1)  # a mail may wait in the queue
    sent = EmailSchedule.objects.handed_over().filter(send_on__gte=since, message__status=MessageStatus.SENT)
    after = 0
    while True:
        some = sent.filter(contact_id__gt=after).order_by("contact_id").values_list("contact_id", flat=True).distinct()[:AT_ONCE]
        if not (ids := list(some)):
            return
        yield ids
        after = ids[-1]


@transaction.atomic
def follow_up_some(contact_ids: Sequence[int], *, day: date, at: datetime, settings: SchedulerSettings, tally: Tally) -> None:
    """All follow-ups of these contacts are written, or none. Two hosts at once do it one after the other."""
    wait_for_turn()
    known = {one.parent_id: one for one in standing(contact_ids)}
    wanted = list(follow_ups_of(contact_ids, day=day, at=at, settings=settings))
    taken = days_taken(contact_ids, wanted)
    given_up = list(given_up_among(known, wanted, before=day - timedelta(days=settings.overdue_days)))
    new, changed = [], []
    for mail in wanted:
        before = known.get(mail.parent_id)
        if taken.get(day_key(mail), mail.parent_id) != mail.parent_id:
            continue  # another one of this type goes to this contact that day: tomorrow's call finds this one again
        if before is None:
            new.append(mail)
        elif plan_of(before) != plan_of(mail):
            changed.append(altered(before, mail))
    EmailSchedule.objects.bulk_create(new)
    store([*given_up, *changed])
    tally.parents += len(wanted)
    tally.scheduled += sum(mail.status == Status.PRE_SCHEDULED for mail in new)
    tally.skipped += sum(mail.status == Status.SKIPPED for mail in new) + len(given_up)
    tally.changed += len(changed)


def wait_for_turn() -> None:
    """Until this transaction ends nobody else plans follow-ups, on any host."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [ONE_AT_A_TIME])


def standing(contact_ids: Sequence[int]) -> Any:
    """The follow-ups that may still be planned otherwise, locked until this transaction ends."""
    open_still = EmailSchedule.objects.filter(contact__in=contact_ids, parent__isnull=False)
    return open_still.filter(status__in=[Status.PRE_SCHEDULED, Status.SKIPPED]).order_by("pk").select_for_update()


def given_up_among(known: Mapping[int | None, EmailSchedule], wanted: Sequence[EmailSchedule], *, before: date) -> Iterator[EmailSchedule]:
    """Those that should have left `before` and are not planned anew: missed, so that none is open beside the one that comes after it."""
    again = {mail.parent_id for mail in wanted}
    for mail in known.values():
        if mail.status == Status.PRE_SCHEDULED and mail.send_on < before and mail.parent_id not in again:
            mail.status, mail.skip_reason = Status.SKIPPED, SkipReason.MISSED
            yield mail


def follow_ups_of(contact_ids: Sequence[int], *, day: date, at: datetime, settings: SchedulerSettings) -> Iterator[EmailSchedule]:
    """The follow-ups that the rules want, not saved."""
    today = np.datetime64(day, "D")
    chunk = loading.chunk(contact_ids, day=today, settings=settings)
    rows = scheduler.follow_ups(chunk, day=today, settings=settings)
    parents, _ = owed_parents(chunk.history, scheduler.follow_up_terms(today, settings))
    assert (rows["place"] == parents["place"]).all(), "each row follows its parent"
    told = EmailSchedule.objects.select_related("campaign_instance").in_bulk(parents["id"].tolist())
    for row, parent_id in zip(rows, parents["id"].tolist(), strict=True):
        yield follow_up(row, told[parent_id], at=at, settings=settings)


def follow_up(row: Any, parent: EmailSchedule, *, at: datetime, settings: SchedulerSettings) -> EmailSchedule:
    reason = Reason(int(row["reason"]))
    return EmailSchedule(
        contact_id=int(row["contact"]),
        email_type=settings.email_types.names[row["kind"]],
        send_on=row["send_on"].item(),
        send_time=settings.send_time,
        status=Status.SKIPPED if reason else Status.PRE_SCHEDULED,
        skip_reason=REASON_WORDS[reason] or "",
        priority=int(row["priority"]),
        event_on=row["event_on"].item(),
        window_end=row["window_end"].item(),
        campaign_instance=parent.campaign_instance,
        parent=parent,
        metadata={
            "parent_id": parent.pk,
            "parent_type": parent.email_type,
            "campaign": parent.campaign_instance.name if parent.campaign_instance else "",
            "behaviour": BEHAVIOURS[int(row["kind"])],
            "decided_at": at.isoformat(timespec="seconds"),
        },
    )


def days_taken(contact_ids: Sequence[int], wanted: Sequence[EmailSchedule]) -> dict[tuple[Any, ...], int | None]:
    """Which mail, by its parent, has a contact's day for a type already; there is one a day."""
    days = {mail.send_on for mail in wanted}
    rows = EmailSchedule.objects.filter(contact__in=contact_ids, send_on__in=days, parent__isnull=False).exclude(status=Status.SKIPPED)
    return {day_key(mail): mail.parent_id for mail in rows}


def day_key(mail: EmailSchedule) -> tuple[Any, ...]:
    return mail.contact_id, mail.email_type, mail.campaign_instance_id, mail.send_on


def plan_of(mail: EmailSchedule) -> tuple[Any, ...]:
    """What would have to differ for a follow-up to be planned otherwise; when it was decided is not among it."""
    return mail.email_type, mail.send_on, mail.status, mail.skip_reason, mail.priority, mail.window_end


def altered(before: EmailSchedule, wanted: EmailSchedule) -> EmailSchedule:
    """The same row, planned as is wanted now."""
    for name in ("email_type", "send_on", "status", "skip_reason", "priority", "window_end", "metadata"):
        setattr(before, name, getattr(wanted, name))
    return before
