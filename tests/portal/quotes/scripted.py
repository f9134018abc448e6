"""An assessor that says what a test wrote down, and counts how often it was asked."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from django.utils import timezone

from messaging import outbox
from messaging.models import Mode
from portal.config import kinds
from portal.quotes import pricing
from portal.quotes.assessment import Assessment
from portal.quotes.gateways.assessors import Reading, Request
from portal.quotes.replies import MailTerms

SENDER = outbox.Sender(
    address="Office <office@portal.example>", mode=Mode.PRODUCTION, test_recipient="inbox@portal.example", max_attempts=1
)
OFFICE = {"name": "Ann Office", "office_name": "Office", "office_phone": "312-555-0100", "office_address": "1 Plaza, Chicago"}
MAIL = MailTerms(sender=SENDER, site_url="http://portal.example", office=OFFICE, admins=("boss@portal.example",))
GARDEN: dict[str, Any] = {
    "primary_type": "organic",
    "waste_types": ["organic"],
    "bags": 8,
    "cubic_yards": "2",
    "items": ["8 bags of branches"],
    "confidence": 90,
}


def assessment(**facts: Any) -> Assessment:
    return Assessment.model_validate(GARDEN | facts)


def reading(*, cost: str = "0.010000", **facts: Any) -> Reading:
    return Reading(
        assessment=assessment(**facts),
        model="scripted",
        prompt_version="test-1",
        prompt_tokens=100,
        completion_tokens=50,
        cost=Decimal(cost),
        raw="{}",
    )


class Scripted:
    """Each answer is a reading, an exception to raise, or a function to call first; the last one is given for ever."""

    kind = "model"

    def __init__(self, *answers: Any, most: str = "0.05") -> None:
        self.answers = list(answers) or [reading()]
        self.most = Decimal(most)
        self.asked: list[Request] = []

    def most_cost(self, request: Request) -> Decimal:
        return self.most

    def assess(self, request: Request) -> Reading:
        self.asked.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if callable(answer):
            answer = answer()
        if isinstance(answer, Exception):
            raise answer
        return answer


def terms(assessor: Any = None, **facts: Any) -> pricing.Terms:
    now = timezone.now()
    plain: dict[str, Any] = {
        "assessor": assessor or Scripted(),
        "book": lambda: kinds.read_version("price_book", at=now),
        "mail": MAIL,
        "lock": timedelta(minutes=30),
        "today": date(2026, 6, 15),
        "day_start": now - timedelta(hours=1),
        "daily_budget": Decimal(10),
        "quote_budget": Decimal("0.50"),
    }
    return pricing.Terms(**plain | facts)
