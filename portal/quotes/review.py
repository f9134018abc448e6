"""What a person decides about a quote: correct its lines and approve them, have it priced anew, say how far the office has got with it."""

import uuid
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models.functions import Now

from messaging import journal
from messaging.models import Level
from portal.quotes import legs
from portal.quotes.amounts import Amounts, LinesRefused
from portal.quotes.models import AiCall, Kind, Outcome, Quote, QuoteQuerySet, Status
from portal.quotes.places import place_of
from portal.quotes.price_book import PriceBook, recalculated
from portal.quotes.pricing import Terms

MOST = Decimal(1_000_000)  # CAD; beyond it somebody has slipped a key
BY_HAND = frozenset({Status.CONTACTED, Status.QUOTED, Status.ACCEPTED, Status.REJECTED, Status.COMPLETED})


class NotApproved(ValueError):
    """The price cannot go out as it is; the text says why. Nothing has changed."""


def with_lines(quote: Quote, lines: Sequence[tuple[str, Decimal]], *, book: PriceBook) -> Amounts:
    """What the quote costs with these lines before tax: taxes, total and range anew. Raises NotApproved."""
    try:
        amounts = recalculated(lines, book=book, province=place_of(quote.address, quote.city).province)
    except LinesRefused as refusal:
        raise NotApproved(str(refusal)) from refusal
    if not 0 < amounts.total <= MOST:
        raise NotApproved(f"Total {amounts.total:,.2f} is not between 0.01 and {MOST:,.2f}: correct the lines.")
    return amounts


@transaction.atomic
def approve(quote: Quote, *, lines: Sequence[tuple[str, Decimal]], by: Any, note: str, terms: Terms) -> Quote:
    """The quote is priced with these lines, by this person, and owes both its mails. Raises NotApproved, changing nothing."""
    if not note.strip():
        raise NotApproved("Say what you checked: the next person must be able to see why.")
    version, book = terms.book()
    amounts = with_lines(quote, lines, book=book)
    facts = {
        "quote_amount": amounts.total,
        "generated_quote": amounts.as_json(),
        "price_book": version,
        "valid_until": terms.today + timedelta(days=book.valid_days),
        "ai_processed_at": Now(),
        "ai_retry_at": None,
        "ai_tries": 0,
        "ai_error_message": "",
        "review_reason": "",
    }
    if not Quote.objects.filter(pk=quote.pk, status=Status.AI_ERROR).move(Status.AI_QUOTED, **facts):
        raise NotApproved(f"{quote.number} does not wait for approval any more: somebody else has been at it. Look at it again.")
    AiCall.objects.create(
        quote=quote,
        token=uuid.uuid4(),
        kind=Kind.MANUAL,
        outcome=Outcome.APPLIED,
        ended_at=Now(),
        by=by,
        raw_answer=note.strip()[:2_000],
        assessment=quote.waste_assessment,
    )
    journal.record(Level.INFO, "quotes", f"Quote {quote.number} was approved at {amounts.total:,.2f}.", by_id=by.pk)
    approved = Quote.objects.get(pk=quote.pk)
    legs.queue_mails(approved, terms=terms.mail)
    return approved


@transaction.atomic
def reprocess(quotes: QuoteQuerySet, *, by: Any, reason: str) -> int:
    """Those of `quotes` that ended in an error are pending again, as if they had just come in; returns how many."""
    rows = list(quotes.filter(status=Status.AI_ERROR).select_for_update(of=("self",)))
    facts = {"review_reason": "", "ai_error_message": "", "ai_retry_at": None, "ai_tries": 0, "ai_processed_at": None}
    done = Quote.objects.filter(pk__in=[row.pk for row in rows]).move(Status.PENDING, **facts)
    if done:
        told = ", ".join(row.number for row in rows)
        journal.record(Level.INFO, "quotes", f"To be priced anew, because {reason.strip()}: {told}"[:2_000], by_id=by.pk if by else None)
    return done


@transaction.atomic
def mark(quotes: QuoteQuerySet, to: Status, *, by: Any) -> int:
    """Those of `quotes` that may go there are `to`, and it is known who said so; returns how many."""
    if to not in BY_HAND:
        raise ValueError(f"a person does not mark a quote as {to}")
    rows = list(quotes.may_become(to).select_for_update(of=("self",)))
    done = Quote.objects.filter(pk__in=[row.pk for row in rows]).move(to)
    if done:
        told = ", ".join(row.number for row in rows)
        journal.record(Level.INFO, "quotes", f"Marked as {to.label.lower()}: {told}"[:2_000], by_id=by.pk)
    return done
