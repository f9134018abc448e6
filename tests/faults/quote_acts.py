"""What a worker that prices quotes, or carries out bulk actions, does in the fault tests."""

import time
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone

from messaging import invariants, outbox
from messaging.models import Mode
from portal.config import kinds
from portal.operations import running
from portal.operations.kinds import ProcessQuotes
from portal.operations.models import Operation
from portal.quotes import pricing
from portal.quotes.gateways.ai import AiService
from portal.quotes.invariants import of_quotes
from portal.quotes.models import Quote
from portal.quotes.replies import MailTerms
from tests.factories import make_quote

SENDER = outbox.Sender(address="Office <office@portal.example>", mode=Mode.PRODUCTION, test_recipient="", max_attempts=1)
OFFICE = {"name": "Ann Office", "office_name": "Office", "office_phone": "312-555-0100", "office_address": "1 Plaza, Chicago"}
MAIL = MailTerms(sender=SENDER, site_url="http://portal.example", office=OFFICE, admins=("boss@portal.example",))
LONG_SECONDS = 30.0


def ask_for_quotes(count: int) -> None:
    for _ in range(count):
        make_quote()


def price_quotes(*, ai_url: str, lock_seconds: float, seconds: float) -> dict[str, int]:
    """Price what is pending until every quote has its price, or for so long."""
    terms = pricing_terms(ai_url=ai_url, lock_seconds=lock_seconds)
    total, ends_at = pricing.Tally(), time.monotonic() + seconds
    while time.monotonic() < ends_at and Quote.objects.filter(status__in=["pending", "ai_processing"]).exists():
        for name, count in pricing.process(terms, limit=50).as_dict().items():
            setattr(total, name, getattr(total, name) + count)
        time.sleep(0.05)
    return total.as_dict()


def price_once(*, ai_url: str, lock_seconds: float) -> None:
    pricing.process(pricing_terms(ai_url=ai_url, lock_seconds=lock_seconds), limit=50)


def pricing_terms(*, ai_url: str, lock_seconds: float) -> pricing.Terms:
    now = timezone.now()
    return pricing.Terms(
        assessor=AiService(url=ai_url, api_key="k", model="sandbox", price_per_million_in=Decimal(1), price_per_million_out=Decimal(1)),
        book=lambda: kinds.read_version("price_book", at=now),
        mail=MAIL,
        lock=timedelta(seconds=lock_seconds),
        today=now.date(),
        day_start=now - timedelta(days=1),
        daily_budget=Decimal(1_000),
        quote_budget=Decimal(10),
    )


def start_pricing_in_bulk() -> None:
    """A bulk action that is to price all quotes which wait for it."""
    author = User.objects.get_or_create(username="dana")[0]
    running.start("process_quotes", {"limit": 50}, by=author)


def operate(*, ai_url: str, stop: Callable[[], bool] = running.never) -> None:
    terms = running.Terms(
        mail=lambda: MAIL, pricing=lambda: pricing_terms(ai_url=ai_url, lock_seconds=LONG_SECONDS), ring=lambda: None, stop=stop
    )
    running.run_due(terms, seconds=10)


def finish_operations(*, ai_url: str) -> None:
    """Every bulk action has ended; what a vanished worker held is free after a moment."""
    hold_shortly()
    ends_at = time.monotonic() + LONG_SECONDS
    while time.monotonic() < ends_at and Operation.objects.unfinished().exists():
        operate(ai_url=ai_url)
        time.sleep(0.05)


def hold_shortly() -> None:
    """Whoever holds a bulk action and is silent for two seconds has vanished."""
    running.LEASE = ProcessQuotes.item_takes = timedelta(seconds=2)


def verify_quotes() -> list[str]:
    broken: list[Any] = invariants.verify(*of_quotes(lock=timedelta(minutes=30)))
    return [f"{wrong.name} {wrong.sentence} {wrong.rows} rows, such as {wrong.ids}" for wrong in broken]
