"""The figures of quotes: both mails of each, how far their pricing has got, what the AI costs today, and which customers wait.

All of them come from two indexes, so that they are quick however many quotes there are.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from django.db.models import Count, Q

from portal.dashboard.figures import capped
from portal.quotes import budget
from portal.quotes.models import Quote, Status
from portal.quotes.models.quote import owes
from portal.quotes.selections import MOST_TRIES, grouped, has_failed, is_sent, is_sent_as_test

BOTH = ("customer", "admin")


@dataclass(frozen=True, kw_only=True)
class Leg:
    """One of the two mails, over all quotes. `failed`: unsent and tried at least once. A test that was sent counts as no more."""

    sent: int = 0
    test: int = 0
    failed: int = 0
    tried_again: int = 0
    saved: int = 0  # of those tried again: sent after all


@dataclass(frozen=True, kw_only=True)
class Overview:
    customer: Leg
    admin: Leg
    need_retry: int
    by_status: dict[str, int] = field(default_factory=dict)

    @property
    def saved_percent(self) -> int | None:
        """Of the mails that were tried more than once, how many were sent; None where there was none."""
        tried = self.customer.tried_again + self.admin.tried_again
        return round(100 * (self.customer.saved + self.admin.saved) / tried) if tried else None

    @property
    def tried_again(self) -> int:
        return self.customer.tried_again + self.admin.tried_again


@dataclass(frozen=True, kw_only=True)
class Unpriced:
    """What is not priced, and why."""

    away: int  # the AI was not available; tried again by itself
    review: int
    stale: int


@dataclass(frozen=True, kw_only=True)
class Spend:
    """USD of today, with what calls that still run may cost, against what a day may cost."""

    usd: Decimal
    budget: Decimal

    @property
    def percent(self) -> int:
        return min(100, round(100 * self.usd / self.budget)) if self.budget else 100 * bool(self.usd)

    @property
    def is_used_up(self) -> bool:
        return self.usd >= self.budget


def overview() -> Overview:
    """Both mails and the states of all quotes, counted in one pass over one index."""
    counted = list(Quote.objects.order_by().values("status").annotate(quotes=Count("*"), **COUNTS))
    total = {name: sum(row[name] for row in counted) for name in COUNTS}
    customer, admin = (Leg(**{name: total[f"{leg}_{name}"] for name in WANTED}) for leg in BOTH)
    by_status = {row["status"]: row["quotes"] for row in counted}
    return Overview(customer=customer, admin=admin, need_retry=total["need_retry"], by_status=by_status)


def more_than_once(leg: str) -> Q:
    return Q(**{f"{leg}_email_attempts__gt": 1})


def after_all(leg: str) -> Q:
    return more_than_once(leg) & (is_sent(leg) | is_sent_as_test(leg))


WANTED = {"sent": is_sent, "test": is_sent_as_test, "failed": has_failed, "tried_again": more_than_once, "saved": after_all}
OWING = Q(status=Status.AI_QUOTED) & (owes("customer", MOST_TRIES) | owes("admin", MOST_TRIES))
# Each counts a column that is never null and stands first in the index.
COUNTS = {f"{leg}_{name}": Count("status", filter=wanted(leg)) for leg in BOTH for name, wanted in WANTED.items()}
COUNTS["need_retry"] = Count("status", filter=OWING)


def unpriced(*, lock: timedelta) -> Unpriced:
    errors = Quote.objects.filter(status=Status.AI_ERROR).aggregate(
        away=Count("status", filter=Q(review_reason="")), review=Count("status", filter=~Q(review_reason=""))
    )
    return Unpriced(**errors, stale=Quote.objects.stale(lock=lock).count())


def spend(*, day_start: datetime, daily_budget: Decimal) -> Spend:
    return Spend(usd=budget.spent(started_at__gte=day_start), budget=daily_budget)


def to_review() -> int:
    return capped(Quote.objects.in_review())


def owing_mail() -> int:
    return capped(Quote.objects.owing_mail(max_attempts=MOST_TRIES))


def to_follow_up(*, lock: timedelta) -> int:
    return capped(grouped("follow_up", lock=lock))
