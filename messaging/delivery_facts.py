"""What became of a mail after it had left, told by its provider or by a bounce: stored as it came, once, and never taken back.

A fact is a time on the message, not a state of it. A mail in doubt that was delivered, or bounced, had left: that is evidence, and it is
marked as sent. Only what speaks of one of our mails may suppress an address.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import DateTimeField, F, Value
from django.db.models.functions import Coalesce, Lower, Now

from messaging import bounces, decisions, journal
from messaging.faults import fault
from messaging.models import DeliveryEvent, HookTally, Level, Message, Status, Suppression, Told, Verdict

APPLIED, REPEATED, UNMATCHED, NOTED = "applied", "repeated", "unmatched", "noted"
OUTCOMES = (APPLIED, REPEATED, UNMATCHED, NOTED)
STAMPED = {  # which times each fact implies
    Told.DELIVERED: ["delivered_at"],
    Told.READ: ["delivered_at", "read_at"],
    Told.BOUNCED: ["bounced_at"],
    Told.COMPLAINED: ["delivered_at", "complained_at"],
}
SUPPRESSES = {Told.BOUNCED: "bounced for good", Told.COMPLAINED: "complained of spam", Told.UNSUBSCRIBED: "unsubscribed"}
LONGEST_MAILS_LOOKED_AT = 200  # to one address, where a provider names a mail by its own id only


@dataclass(frozen=True, kw_only=True)
class Fact:
    """One event of one provider, in our words."""

    provider: str
    event_id: str
    told: Told
    at: datetime
    message_id: str = ""
    recipient: str = ""
    detail: str = ""
    raw: dict[str, Any] = field(default_factory=dict)


@transaction.atomic
def record(fact: Fact) -> str:
    """The fact is stored and applied, unless it was before; returns which of the words above."""
    message = _message_of(fact)
    event = DeliveryEvent(
        provider=fact.provider,
        event_id=fact.event_id[:200],
        told=fact.told,
        recipient=fact.recipient.lower()[:254],
        message=message,
        at=fact.at,
        detail=fact.detail[:2_000],
        raw=fact.raw,
    )
    if not _is_new(event):
        return REPEATED
    fault("webhook.after_insert")
    if message is None:
        return UNMATCHED
    return _apply(fact, message)


def record_report(raw: bytes, *, now: datetime) -> list[tuple[bounces.Bounce, str]]:
    """What a delivery report says is stored and applied; each of its recipients with what came of it."""
    return [(bounce, record(_of_report(bounce, now=now))) for bounce in bounces.read(raw)]


def count(provider: str, outcome: str, *, calls: int = 1) -> None:
    """One more call of the provider ended in this way."""
    ours = HookTally.objects.filter(provider=provider, outcome=outcome)
    if not ours.update(count=F("count") + calls, last_at=Now()):
        HookTally.objects.bulk_create([HookTally(provider=provider, outcome=outcome)], ignore_conflicts=True)
        ours.update(count=F("count") + calls, last_at=Now())


def _of_report(bounce: bounces.Bounce, *, now: datetime) -> Fact:
    return Fact(
        provider="report",
        event_id=bounce.event_id,
        told=Told(bounce.told),
        at=min(bounce.at or now, now),
        message_id=bounce.message_id,
        recipient=bounce.recipient,
        detail=bounce.detail,
    )


def _message_of(fact: Fact) -> Message | None:
    """The mail that is meant, locked: by our Message-ID, else by the provider's own name for it among the address's mails."""
    if not fact.message_id or len(fact.message_id) > 200 or "\x00" in fact.message_id:
        return None
    bare = fact.message_id.strip("<>")
    ours = Message.objects.select_for_update(of=("self",))
    if message := ours.filter(message_id=f"<{bare}>").first():
        return message
    if not fact.recipient:
        return None
    of_address = Message.objects.alias(address=Lower("intended_for")).filter(address=fact.recipient.lower()).order_by("-pk")
    newest = of_address.values_list("pk", "remote_id")[:LONGEST_MAILS_LOOKED_AT]
    named = [pk for pk, remote_id in newest if remote_id and remote_id.strip("<>") == bare]
    return ours.filter(pk__in=named).order_by("-pk").first()


def _is_new(event: DeliveryEvent) -> bool:
    """Whether this call stored it. Another call with the same id waits for the end of this one, and then finds it stored."""
    try:
        with transaction.atomic():
            event.save(force_insert=True)
    except IntegrityError:
        return False
    return True


def _apply(fact: Fact, message: Message) -> str:
    if fact.told in SUPPRESSES and not message.is_test:
        _suppress(message.recipient, SUPPRESSES[fact.told], fact)
    if fact.told not in STAMPED:
        return NOTED
    if message.status != Status.SENT and not _is_evidence(fact, message):
        return NOTED
    at = Value(fact.at, output_field=DateTimeField())
    Message.objects.filter(pk=message.pk).update(**{name: Coalesce(F(name), at) for name in STAMPED[fact.told]})
    return APPLIED


def _is_evidence(fact: Fact, message: Message) -> bool:
    """Somebody has the mail, or sent it back: so it had left. A doubt is settled by that; anything else a person must see."""
    said = f"{fact.provider} says {fact.told.label.lower()}, event {fact.event_id}"
    if message.status == Status.IN_DOUBT:
        rows = Message.objects.filter(pk=message.pk)
        return decisions.decide(rows, verdict=Verdict.MARK_AS_SENT, reason=said, source=f"webhook {fact.provider}"[:40]) == 1
    text = f"A mail that is {message.get_status_display().lower()} here has left all the same: {said}"
    journal.record(Level.ALARM, "webhooks", text, message_id=message.pk)
    return False


def _suppress(address: str, why: str, fact: Fact) -> None:
    """The address is suppressed for good; one that is already keeps its reason."""
    reason = f"{why}: {fact.detail or fact.provider}"[:200]
    row, is_new = Suppression.objects.get_or_create(address=address.lower(), defaults={"reason": reason})
    if not is_new and row.suppressed_until is not None:
        row.suppressed_until, row.reason = None, reason
        row.save(update_fields=["suppressed_until", "reason"])
