"""What a customer says to a price: the links in the mail, what stands behind one, and the answer, given once.

A link names its quote, its answer and the price it was sent with, and is signed: it cannot be made or changed outside, and a new price
makes it worthless.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from django.core import signing
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from messaging import outbox
from messaging.journal import record as note_down
from messaging.models import Lane, Level
from messaging.outbox import Draft, Sender
from portal.quotes.models import OPEN, Answer, Quote

SALT = "portal.quotes.answers"
ANSWER_MAIL = "quote_answer"
NOTICE_TRIES = 3  # as of any mail to the office: nobody tries it again by a button


class NotALink(Exception):
    """Nobody here made this link, or its quote is gone."""


class AlreadyAnswered(Exception):
    """The customer has said something to this quote before; `quote` knows what, and when."""

    def __init__(self, quote: Quote) -> None:
        super().__init__(f"{quote.number} was answered before")
        self.quote = quote


class PriceHoldsNoLonger(Exception):
    """The link is ours, but its price is not offered any more; `sentence` tells the customer why."""

    def __init__(self, quote: Quote, sentence: str) -> None:
        super().__init__(f"{quote.number}: {sentence}")
        self.quote, self.sentence = quote, sentence


class Office(Protocol):
    """How the office is told: `MailTerms` is one."""

    @property
    def sender(self) -> Sender: ...
    @property
    def site_url(self) -> str: ...
    @property
    def admins(self) -> Sequence[str]: ...


@dataclass(frozen=True, kw_only=True)
class Asked:
    quote: Quote
    answer: Answer


def link(quote: Quote, answer: Answer, *, site_url: str) -> str:
    """The address of the page on which the customer gives this answer to the price the quote has now."""
    return site_url + reverse("quotes:answer", args=[token(quote, answer)])


def token(quote: Quote, answer: Answer) -> str:
    return signing.Signer(salt=SALT).sign_object([quote.pk, Answer(answer).value, str(quote.quote_amount)])


def look(token: str, *, at: datetime) -> Asked:
    """What the link asks, if it may be answered at that time. Changes nothing. Raises NotALink, AlreadyAnswered, PriceHoldsNoLonger."""
    try:
        quote_id, answer, amount = signing.Signer(salt=SALT).unsign_object(token)
        asked = Asked(quote=Quote.objects.get(pk=quote_id), answer=Answer(answer))
    except (signing.BadSignature, ValueError, Quote.DoesNotExist):
        raise NotALink(token[:20]) from None
    refuse_second(asked.quote)
    refuse_late(asked.quote, amount=Decimal(amount), at=at)
    return asked


@transaction.atomic
def record(token: str, *, at: datetime, terms: Office) -> Quote:
    """The quote has this answer, and the office's notice of it is queued. Of two at once one counts. Raises what `look` raises."""
    asked = look(token, at=at)
    asking = Quote.objects.filter(
        pk=asked.quote.pk, status__in=OPEN, customer_response="", quote_amount=asked.quote.quote_amount, valid_until=asked.quote.valid_until
    )
    if not asking.move(asked.answer, customer_response=asked.answer, customer_response_date=at):
        look(token, at=at)  # says what has happened meanwhile
        raise PriceHoldsNoLonger(asked.quote, "This quote was just changed. Look again in a moment.")
    quote = Quote.objects.get(pk=asked.quote.pk)
    note_down(Level.INFO, "quotes", f"{quote.number}: the customer answered {asked.answer.label}.", detail={"quote_id": quote.pk})
    tell_the_office(quote, terms=terms)
    return quote


def refuse_second(quote: Quote) -> None:
    if quote.customer_response:
        raise AlreadyAnswered(quote)


def refuse_late(quote: Quote, *, amount: Decimal, at: datetime) -> None:
    if quote.status not in OPEN:
        raise PriceHoldsNoLonger(quote, "This quote is not open for an answer any more.")
    if quote.quote_amount != amount:
        raise PriceHoldsNoLonger(quote, "There is a newer price for this quote. Please use the links in our latest mail.")
    if quote.valid_until and timezone.localdate(at) > quote.valid_until:
        day = quote.valid_until
        raise PriceHoldsNoLonger(quote, f"This price was good until {day:%B} {day.day}, {day.year}.")


def tell_the_office(quote: Quote, *, terms: Office) -> None:
    """Everybody who is told of quotes has the notice of this answer queued, in the caller's transaction."""
    said = Answer(quote.customer_response).label
    text = (
        f"The customer answered quote {quote.number}, ${quote.quote_amount:,.2f} CAD:\n\n    {said}\n\n"
        f"The quote: {terms.site_url}/admin/portal/quote/{quote.pk}/change/\n"
    )
    drafts = [
        Draft(
            key=f"quote:{quote.pk}:answer" + (f":{number}" if number > 1 else ""),
            kind=ANSWER_MAIL,
            recipient=admin,
            subject=f"{quote.number}: customer answered {said}",
            text=text,
            headers={"Auto-Submitted": "auto-generated"},
            lane=Lane.SYSTEM,
        )
        for number, admin in enumerate(terms.admins, start=1)
    ]
    outbox.queue(drafts, sender=replace(terms.sender, max_attempts=NOTICE_TRIES))
