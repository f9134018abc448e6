"""What a worker that prices quotes does in the fault tests."""

import time
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.utils import timezone

from messaging import invariants, outbox
from messaging.models import Mode
from portal.config import kinds
from portal.quotes import pricing
from portal.quotes.gateways.ai import AiService
from portal.quotes.invariants import of_quotes
from portal.quotes.models import Quote
from portal.quotes.replies import MailTerms
from tests.factories import make_quote

SENDER = outbox.Sender(address="Office <office@portal.example>", mode=Mode.PRODUCTION, test_recipient="", max_attempts=1)
OFFICE = {"name": "Ann Office", "office_name": "Office", "office_phone": "312-555-0100", "office_address": "1 Plaza, Chicago"}
MAIL = MailTerms(sender=SENDER, site_url="http://portal.example", office=OFFICE, admins=("boss@portal.example",))


def ask_for_quotes(count: int) -> None:
    for _ in range(count):
        make_quote()


def price_quotes(*, ai_url: str, lock_seconds: float, seconds: float) -> dict[str, int]:
    """Price what is pending until every quote has its price, or for so long."""
    service = AiService(url=ai_url, api_key="k", model="sandbox", price_per_million_in=Decimal(1), price_per_million_out=Decimal(1))
    now = timezone.now()
    terms = pricing.Terms(
        assessor=service,
        book=lambda: kinds.read_version("price_book", at=now),
        mail=MAIL,
        lock=timedelta(seconds=lock_seconds),
        today=now.date(),
        day_start=now - timedelta(days=1),
        daily_budget=Decimal(1_000),
        quote_budget=Decimal(10),
    )
    total, ends_at = pricing.Tally(), time.monotonic() + seconds
    while time.monotonic() < ends_at and Quote.objects.filter(status__in=["pending", "ai_processing"]).exists():
        for name, count in pricing.process(terms, limit=50).as_dict().items():
            setattr(total, name, getattr(total, name) + count)
        time.sleep(0.05)
    return total.as_dict()


def verify_quotes() -> list[str]:
    broken: list[Any] = invariants.verify(*of_quotes(lock=timedelta(minutes=30)))
    return [f"{wrong.name} {wrong.sentence} {wrong.rows} rows, such as {wrong.ids}" for wrong in broken]
