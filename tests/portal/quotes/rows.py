"""Quotes as tests need them: priced, with their mails, or on their way there."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

from django.db import transaction
from django.utils import timezone

from messaging import outbox
from messaging.models import Message, Mode
from portal.quotes import legs
from portal.quotes.amounts import Line, taxed
from portal.quotes.models import Quote, Status
from portal.quotes.replies import MailTerms

NUMBERS = count(1)
SENDER = outbox.Sender(
    address="Office <office@portal.example>", mode=Mode.PRODUCTION, test_recipient="tests@portal.example", max_attempts=1
)
OFFICE = {"name": "Office", "office_name": "Green Cart", "office_phone": "416-555-0100", "office_address": "1 Front St, Toronto"}
TERMS = MailTerms(sender=SENDER, site_url="https://portal.example", office=OFFICE, admins=("boss@portal.example", "second@portal.example"))
TEST_TERMS = replace(TERMS, sender=replace(SENDER, mode=Mode.TEST))
AMOUNTS = taxed(
    [Line("base", "Collection, construction waste", Decimal("120.00")), Line("volume", "Volume, small", Decimal("648.58"))],
    taxes=[("HST", Decimal(13))],
    share=Decimal("0.15"),
)
SEEN = {"primary_type": "construction", "waste_types": ["construction", "general"], "bags": 2, "cubic_yards": "1.50", "confidence": 86}


def make_quote(**facts: Any) -> Quote:
    """A priced quote of $868.50; its mails are not queued."""
    number = next(NUMBERS)
    plain = {
        "number": f"GC-20260131-{number:06}",
        "key": f"made:{number}",
        "name": f"Customer {number}",
        "email": f"customer{number}@client.example",
        "phone": "416-555-0199",
        "address": f"{number} Elm Street",
        "city": "Toronto",
        "description": "Old tiles and plaster",
        "preferred_date": date(2026, 2, 3),
        "preferred_time": "8-11",
        "status": Status.AI_QUOTED,
        "ai_processed_at": timezone.now(),
        "waste_assessment": SEEN,
        "generated_quote": AMOUNTS.as_json(),
        "quote_amount": AMOUNTS.total,
        "confidence": Decimal("0.86"),
        "valid_until": timezone.localdate() + timedelta(days=30),
    }
    return Quote.objects.create(**plain | facts)


def quote_with_mails(*, terms: MailTerms = TERMS, **facts: Any) -> Quote:
    quote = make_quote(**facts)
    with transaction.atomic():
        legs.queue_mails(quote, terms=terms)
    return Quote.objects.get(pk=quote.pk)


def mail_of(quote: Quote, leg: str) -> Message:
    return Message.objects.get(pk=getattr(Quote.objects.get(pk=quote.pk), f"{leg}_message_id"))
