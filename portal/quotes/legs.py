"""The two mails of a priced quote, one to the customer and one to the office: each a message of its own, with its own state and tries.

What became of a mail is known by its message alone; a trigger copies it to the quote. Locks are taken in one order, message before quote.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from messaging import outbox
from messaging.decisions import decide
from messaging.models import Lane, Message, Mode, Provider, Verdict
from messaging.models import Status as MessageStatus
from messaging.outbox import Draft, NotADraft
from portal.quotes import replies
from portal.quotes.models import OPEN, Quote, Status
from portal.quotes.models.quote import MOST_ATTEMPTS, owes
from portal.quotes.replies import MailTerms, TotalMissing

LEGS = ("customer", "admin")
MAILS: dict[str, Callable[..., Draft]] = {"customer": replies.offer, "admin": replies.report}
PERSON = "person"  # the source of a decision that somebody took for this one mail
NO_CAP = 32_767  # attempts: as many as the column holds
UNPRICED = frozenset({Status.PENDING, Status.AI_PROCESSING, Status.AI_ERROR})
ANOTHER_ROUND = {MessageStatus.FAILED: Verdict.TRY_AGAIN_NOW, MessageStatus.HELD: Verdict.PUT_BACK}
FOR_A_PERSON = ["transmitting", "in_doubt", "held", "cancelled"]  # no bulk act touches these: somebody or something else decides


@dataclass(frozen=True, kw_only=True)
class Leg:
    """One mail of one quote. `round` is the one it was chosen in, 0 before its first; once another has begun it is left alone.

    None, where a person asks: whichever it is in.
    """

    quote_id: int
    leg: str
    round: int | None = None


@dataclass(frozen=True, kw_only=True)
class Tried:
    """What came of asking for another try: queued, already_queued, sent, in_doubt or refused, and a sentence for people."""

    outcome: str
    text: str
    message_id: int | None = None


@dataclass(frozen=True, kw_only=True)
class LegState:
    """A state as pages show it; the text is the reason or the error, if there is one."""

    word: str
    tone: str
    text: str = ""


def queue_mails(quote: Quote, *, terms: MailTerms, legs: Collection[str] = LEGS) -> list[Message]:
    """These legs are owed from the caller's commit on. Raises TotalMissing, and then none is queued."""
    drafts = [MAILS[leg](quote, terms=terms) for leg in legs]
    with transaction.atomic():
        messages = outbox.queue(drafts, sender=terms.sender)
        for leg, message in zip(legs, messages, strict=True):
            point_to(quote, leg=leg, message=message)
    return messages


def point_to(quote: Quote, *, leg: str, message: Message) -> bool:
    """The quote's leg is this message; False where somebody else has pointed it elsewhere since `quote` was read."""
    unchanged = Quote.objects.filter(**{"pk": quote.pk, f"{leg}_message": getattr(quote, f"{leg}_message_id")})
    facts = {f"{leg}_message_id": message.pk, f"{leg}_email_state": message.status}
    if not unchanged.update(**facts):
        return False
    for name, value in facts.items():
        setattr(quote, name, value)
    return True


def select(*, leg_type: str, max_attempts: int, limit: int, quote_id: int | None = None) -> list[Leg]:
    """The mails worth another try, up to `limit` of them, those of the oldest quotes first (domain §4.4).

    Naming one quote overrides the cap, and shows its held and doubtful mails too; a sent mail is never chosen.
    """
    if not 1 <= max_attempts <= MOST_ATTEMPTS:
        raise ValueError(f"The most attempts of a mail are 1 to {MOST_ATTEMPTS}; got {max_attempts}.")
    found: list[tuple[datetime, int, int, Leg]] = []
    for place, leg in enumerate(LEGS):
        if leg_type in (leg, "both"):
            rows = Quote.objects.filter(owing(leg, max_attempts=max_attempts, quote_id=quote_id)).order_by("created_at", "pk")
            for at, pk, tried in rows.values_list("created_at", "pk", f"{leg}_message__round")[:limit]:
                found.append((at, pk, place, Leg(quote_id=pk, leg=leg, round=tried or 0)))
    return [leg for *_, leg in sorted(found, key=lambda row: row[:3])[:limit]]


def owing(leg: str, *, max_attempts: int, quote_id: int | None) -> Q:
    """Priced, with the lines of its price, and this mail has not gone out. An offer that has run out is not made."""
    has_price = Q(status=Status.AI_QUOTED, quote_amount__gt=0, generated_quote__isnull=False)
    if leg == "customer":
        has_price &= Q(valid_until=None) | Q(valid_until__gte=timezone.localdate())
    if quote_id is not None:
        return has_price & owes(leg, NO_CAP) & Q(pk=quote_id)
    return has_price & owes(leg, max_attempts) & ~Q(**{f"{leg}_email_state__in": FOR_A_PERSON})


@transaction.atomic
def try_again(leg: Leg, *, by: Any, reason: str, source: str, terms: MailTerms) -> Tried:
    """This mail has one more try, or the answer says why not. Of any number who ask at once, one opens the round."""
    quote = Quote.objects.get(pk=leg.quote_id)
    if why := closed(quote, leg.leg):
        return Tried(outcome="refused", text=why)
    message = Message.objects.filter(pk=getattr(quote, f"{leg.leg}_message_id")).first()
    if message is None and quote.is_sent(leg.leg):
        return Tried(outcome="sent", text="It has gone out before.")
    if message is None or for_real(message, source=source, terms=terms):
        return owed_anew(quote, leg=leg.leg, by=by, terms=terms)
    if terms.sender.mode == Mode.TEST and not message.is_test:
        return Tried(outcome="refused", text="It is a real mail, and this portal is in test mode: nothing may reach a customer.")
    verdict = ANOTHER_ROUND.get(MessageStatus(message.status))
    if verdict:
        seen = message.round if leg.round is None else leg.round
        chosen = Message.objects.filter(pk=message.pk, status=message.status, round=seen)
        if decide(chosen, verdict=verdict, reason=reason, by=by, source=source):
            return Tried(outcome="queued", text="It is queued again and goes out next.", message_id=message.pk)
        return Tried(outcome="already_queued", text="Somebody else has just had it tried again.", message_id=message.pk)
    return standing(message)


def closed(quote: Quote, leg: str) -> str:
    """Why no mail may go out about this quote; empty if one may."""
    if quote.status in UNPRICED:
        return f"{quote.number} has no price yet that a mail could name."
    if leg == "customer" and quote.valid_until and quote.valid_until < timezone.localdate():
        return f"The price of {quote.number} held until {quote.valid_until:%Y-%m-%d}: have it priced anew, or call the customer."
    if leg == "customer" and quote.status not in OPEN:
        return f"{quote.number} is {quote.get_status_display().lower()}: its offer is not open any more, so it is not sent."
    return ""


def for_real(message: Message, *, source: str, terms: MailTerms) -> bool:
    """It went out as a test only, and a person wants the real one."""
    return message.is_test and message.status == MessageStatus.SENT and terms.sender.mode == Mode.PRODUCTION and source == PERSON


def owed_anew(quote: Quote, *, leg: str, by: Any, terms: MailTerms) -> Tried:
    """A leg without a message, or with no more than a test, gets one."""
    try:
        draft = replace(MAILS[leg](quote, terms=terms), lane=Lane.PERSON, queued_by=by)
    except (TotalMissing, NotADraft) as gap:
        return Tried(outcome="refused", text=str(gap))
    (message,) = outbox.queue([draft], sender=terms.sender)
    if point_to(quote, leg=leg, message=message):
        return Tried(outcome="queued", text="It is queued and goes out next.", message_id=message.pk)
    return Tried(outcome="already_queued", text="Somebody else has just queued it.", message_id=message.pk)


def standing(message: Message) -> Tried:
    """Why a mail that neither failed nor is held has no other round."""
    outcome, text = {
        MessageStatus.SENT: ("sent", "It has gone out already."),
        MessageStatus.IN_DOUBT: ("in_doubt", "It may have arrived, nobody knows: settle the doubt first, on the message's own page."),
        MessageStatus.CANCELLED: ("refused", f"It was given up: {message.reason}"),
    }.get(MessageStatus(message.status), ("already_queued", "It is on its way already."))
    return Tried(outcome=outcome, text=text, message_id=message.pk)


def state_of(quote: Quote, leg: str, *, servers_down: str = "") -> LegState:
    """What became of this mail. `servers_down`: why no mail server can be used at present, if that is so."""
    told = quote.facts_of(leg)
    if told["sent"]:
        return LegState(word="sent", tone="green")
    if told["state"] == "queued" and servers_down:
        return LegState(word="waiting: server down", tone="amber", text=servers_down)
    word, tone = {
        "": ("not queued", "grey"),
        "queued": ("waiting", "blue"),
        "claimed": ("waiting", "blue"),
        "transmitting": ("on its way", "blue"),
        "sent": ("sent (test)", "violet"),
        "failed": ("failed", "red"),
        "in_doubt": ("unknown", "amber"),
        "held": ("held", "amber"),
        "cancelled": ("given up", "grey"),
    }[told["state"]]
    return LegState(word=word, tone=tone, text=told["error"])


def servers_down(names: Collection[str]) -> str:
    """Why no mail can leave at present, in the servers' own words; empty while one of these servers may be used."""
    reasons = dict(Provider.objects.down().filter(name__in=names).values_list("name", "reason"))
    return "; ".join(f"{name}: {reasons[name]}" for name in names) if len(reasons) == len(names) else ""
