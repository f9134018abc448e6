"""What the dashboard shows of quotes: each figure with the list of its rows."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.conf import settings

from portal import wiring
from portal.dashboard import quote_figures
from portal.dashboard.need import rows_of
from portal.dashboard.quote_figures import Leg, Overview, Spend, Unpriced
from portal.quotes.models import AiCall, Quote, Status


@dataclass(frozen=True, kw_only=True)
class Figure:
    name: str
    count: int
    noun: str
    href: str
    is_bad: bool = False  # a person should look, unless it is zero

    @property
    def tone(self) -> str:
        return "op-bad" if self.is_bad and self.count else ""


def moving() -> dict[str, Any]:
    overview, unpriced = quote_figures.overview(), quote_figures.unpriced(lock=settings.QUOTE_LOCK)
    return {
        "mails": [("Customer's mail", leg_figures("customer", overview.customer)), ("Admin's mail", leg_figures("admin", overview.admin))],
        "retry": Figure(name="need-retry", count=overview.need_retry, noun="need retry", href=listed(state="owing"), is_bad=True),
        "saved_percent": overview.saved_percent,
        "tried_again": overview.tried_again,
        "stages": stages(overview, unpriced),
        "spend": spend(),
        "spend_list": rows_of(AiCall),
    }


def leg_figures(leg: str, counted: Leg) -> list[Figure]:
    kinds = [
        ("sent", counted.sent, "sent", False),
        ("failed", counted.failed, "failed", True),
        ("test", counted.test, "sent as a test", False),
    ]
    return [
        Figure(name=f"{leg}-{name}", count=count, noun=noun, href=listed(**{f"{leg}_mail": name}), is_bad=is_bad)
        for name, count, noun, is_bad in kinds
        if count or name != "test"
    ]


def stages(overview: Overview, unpriced: Unpriced) -> list[Figure]:
    """Where the quotes are that the office is not done with."""
    by_status = overview.by_status
    told = [
        ("pending", by_status.get(Status.PENDING, 0), "pending", False),
        ("ai_processing", by_status.get(Status.AI_PROCESSING, 0), "in process", False),
        ("stale", unpriced.stale, "with a stale lock", True),
        ("away", unpriced.away, "in error, tried again", True),
        ("review", unpriced.review, "in review", True),
        ("ai_quoted", by_status.get(Status.AI_QUOTED, 0), "quoted", False),
    ]
    return [Figure(name=f"stage-{state}", count=count, noun=noun, href=listed(state=state), is_bad=bad) for state, count, noun, bad in told]


def spend() -> Spend:
    return quote_figures.spend(day_start=wiring.day_start(), daily_budget=Decimal(str(settings.AI_DAILY_BUDGET)))


def listed(**parameters: str) -> str:
    return rows_of(Quote, **parameters)
