"""A draft as it would leave now: its mails in a fixed order with the person's edits, and who is left out and why."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from django.db import transaction

from messaging import batches, outbox
from messaging.models import Message, MessageSession, Mode
from portal.bulk_send.models import BulkDraft

FORGET_AFTER = timedelta(days=7)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One mail of the batch. Its number stays the same however many others are left out."""

    number: int
    mail: batches.Prepared
    ticked: bool
    edited: bool


@dataclass(frozen=True, kw_only=True)
class Batch:
    rows: list[Row]
    left_out: list[batches.Skip]

    @property
    def ticked(self) -> list[Row]:
        return [row for row in self.rows if row.ticked]

    @property
    def seal(self) -> str:
        """The same as long as exactly the same mails would leave."""
        leaving = [[row.mail.recipient, row.mail.subject, row.mail.text, row.mail.html] for row in self.ticked]
        return hashlib.sha256(json.dumps(leaving).encode()).hexdigest()

    def reasons(self) -> list[tuple[str, list[str]]]:
        """Who is left out, by reason; the most frequent reason first."""
        grouped = defaultdict(list)
        for skip in self.left_out:
            grouped[skip.why].append(skip.what)
        return sorted(grouped.items(), key=lambda reason: -len(reason[1]))

    def row(self, pv: str) -> Row | None:
        return next((row for row in self.rows if row.mail.case.pv == pv), None)


def look(draft: BulkDraft, *, office: Mapping[str, str], on: date) -> Batch:
    """The draft's mails from the cases as they are now; one that may no longer be mailed is among those left out."""
    cases, since = batches.select(batches.Selection(pvs=tuple(draft.pvs)), on=on, mode=Mode(draft.mode))
    mailed = mailed_since(draft)
    since += [batches.Skip(what=str(case), why="it was mailed after this batch was begun") for case in cases if case.pk in mailed]
    cases = [case for case in cases if case.pk not in mailed]
    prepared, gaps = batches.prepare(cases, version=draft.template_version, office=office, on=on)
    mails = {one.case.pv: one for one in prepared}
    rows = [
        Row(number=number, mail=edited(mails[pv], draft.edits.get(pv)), ticked=pv not in draft.unticked, edited=pv in draft.edits)
        for number, pv in enumerate(draft.pvs, start=1)
        if pv in mails
    ]
    return Batch(rows=rows, left_out=[*(batches.Skip(**skip) for skip in draft.skipped), *since, *gaps])


def mailed_since(draft: BulkDraft) -> set[int]:
    """The draft's cases that got a mail of its mode from elsewhere while somebody was looking at it."""
    mails = Message.objects.sent().filter(case__pv__in=draft.pvs, is_test=draft.mode == Mode.TEST, sent_at__gte=draft.created_at)
    return set(mails.values_list("case", flat=True))


def edited(mail: batches.Prepared, edit: dict[str, str] | None) -> batches.Prepared:
    """With the person's own words. They wrote plain text, so the template's HTML, which says something else, is dropped."""
    return replace(mail, subject=edit["subject"], text=edit["text"], html="") if edit else mail


def begin(
    selection: batches.Selection, *, asked: str, version: Any, mode: str, by: Any, on: date, at: datetime
) -> tuple[BulkDraft | None, list[batches.Skip]]:
    """A draft of the cases that may be mailed now, and who was left out; no draft when nobody is left."""
    BulkDraft.objects.forgotten(before=at - FORGET_AFTER).delete()
    cases, skips = batches.select(selection, on=on, mode=Mode(mode))
    if not cases:
        return None, skips
    draft = BulkDraft.objects.create(
        owner=by,
        asked=asked,
        mode=mode,
        template_version=version,
        pvs=[case.pv for case in cases],
        skipped=[asdict(skip) for skip in skips],
    )
    return draft, skips


@transaction.atomic
def send(draft: BulkDraft, batch: Batch, *, sender: outbox.Sender, by: Any, at: datetime) -> MessageSession:
    """The session that this draft became. However often it is asked for, its mails are queued once."""
    # Without its session: after waiting for the lock, a join would still show what was there before.
    draft = BulkDraft.objects.select_for_update(of=("self",)).get(pk=draft.pk)
    if draft.session:
        return draft.session
    by_hand = [batches.Skip(what=str(row.mail.case), why=f"left out by {by}") for row in batch.rows if not row.ticked]
    draft.session = batches.start(
        [row.mail for row in batch.ticked],
        name=draft.asked,
        version=draft.template_version,
        sender=sender,
        skipped=[*batch.left_out, *by_hand],
        by=by,
        at=at,
    )
    draft.save(update_fields=["session", "touched_at"])
    return draft.session
