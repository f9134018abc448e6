"""What a person, or evidence, decides about a message: each decision is recorded, with its reason, where it is carried out."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from messaging.faults import fault
from messaging.models import CmsNote, Decision, Lane, Message, Status, Verdict
from messaging.models.message import MessageQuerySet

APPLIES_TO: Mapping[Verdict, frozenset[Status]] = {
    Verdict.MARK_AS_SENT: frozenset({Status.IN_DOUBT}),
    Verdict.SEND_AGAIN: frozenset({Status.IN_DOUBT}),
    Verdict.GIVE_UP: frozenset({Status.IN_DOUBT, Status.FAILED, Status.HELD, Status.QUEUED}),
    Verdict.TRY_AGAIN_NOW: frozenset({Status.FAILED, Status.QUEUED}),
    Verdict.PUT_BACK: frozenset({Status.HELD}),
    Verdict.HOLD: frozenset({Status.QUEUED}),
}
NEW_ROUND: dict[str, Any] = {
    "status": Status.QUEUED,
    "round": F("round") + 1,
    "attempts": 0,
    "claims": 0,
    "due_at": Now(),
    "lane": Lane.PERSON,
    "doubt_since": None,
    "reason": "",
}


class ReasonMissing(ValueError):
    """A decision without a reason is not a decision."""


@transaction.atomic
def decide(messages: MessageQuerySet, *, verdict: Verdict, reason: str, by: Any = None, source: str = "person") -> int:
    """Carry out `verdict` on those of `messages` it applies to, and record it; returns how many.

    A message that moved on meanwhile, or was decided by somebody else a moment ago, is left alone.
    """
    if not reason.strip():
        raise ReasonMissing("Give a reason: the next person must be able to see why.")
    rows = list(messages.filter(status__in=APPLIES_TO[verdict]).order_by("pk").select_for_update(of=("self",)))
    Decision.objects.bulk_create(
        Decision(
            message=row,
            verdict=verdict,
            from_status=row.status,
            round=row.round,
            reason=reason.strip()[:500],
            decided_by=by,
            source=source,
        )
        for row in rows
    )
    carry_out(verdict, rows, reason=reason.strip()[:200])
    fault("operator.before_decision_commit")
    return len(rows)


def carry_out(verdict: Verdict, rows: list[Message], *, reason: str) -> None:
    """What each verdict means for the rows, which are locked. The database refuses an illegal move."""
    chosen = Message.objects.filter(pk__in=[row.pk for row in rows])
    match verdict:
        case Verdict.MARK_AS_SENT:
            chosen.move(Status.SENT, sent_at=Now(), doubt_since=None, error="")
            CmsNote.objects.bulk_create([CmsNote(message=row) for row in rows if row.needs_note])
        case Verdict.GIVE_UP:
            chosen.move(Status.CANCELLED, reason=reason, doubt_since=None)
        case Verdict.HOLD:
            chosen.move(Status.HELD, reason=reason)
        case Verdict.SEND_AGAIN | Verdict.TRY_AGAIN_NOW | Verdict.PUT_BACK:
            chosen.update(**NEW_ROUND)
