"""Which quotes a figure counts and a list shows: said once for both, so that the list behind a figure has as many rows."""

from collections.abc import Callable
from datetime import timedelta

from django.db.models import Q

from portal.quotes.models import OPEN, Quote, QuoteQuerySet, Status

MOST_TRIES = 3  # of one mail by the portal itself; above it only a person tries again
TO_FOLLOW_UP = [Status.ACCEPTED, Status.TALK_TO_MANAGER]  # the customer has answered and now waits for the office


def is_sent(leg: str) -> Q:
    """Really: a test does not count."""
    return Q(**{f"email_sent_to_{leg}": True})


def is_sent_as_test(leg: str) -> Q:
    return Q(**{f"email_sent_to_{leg}": False, f"{leg}_email_state": "sent"})


def has_failed(leg: str) -> Q:
    """Unsent, and tried at least once (domain §4.5)."""
    unsent = Q(**{f"email_sent_to_{leg}": False}) & ~Q(**{f"{leg}_email_state": "sent"})
    return unsent & Q(**{f"{leg}_email_attempts__gt": 0})


def is_in(*states: str) -> Callable[[str], Q]:
    return lambda leg: Q(**{f"{leg}_email_state__in": states})


LEGS: dict[str, tuple[str, Callable[[str], Q]]] = {  # of one mail: what staff read, and which quotes
    "sent": ("Sent", is_sent),
    "test": ("Sent as a test", is_sent_as_test),
    "failed": ("Failed: tried and unsent", has_failed),
    "waiting": ("Waiting", is_in("queued", "claimed", "transmitting")),
    "in_doubt": ("In doubt", is_in("in_doubt")),
    "held": ("Held", is_in("held")),
    "cancelled": ("Cancelled", is_in("cancelled")),
    "none": ("Not written yet", is_in("")),
}
GROUPS = {
    "review": "Needs review",
    "owing": "Need retry",
    "unanswered": "Waiting for an answer",
    "follow_up": "Answers to follow up",
    "stale": "Lock is stale",
    "away": "AI error, tried again by itself",
}


def grouped(name: str, *, lock: timedelta) -> QuoteQuerySet:
    """The quotes of one of the GROUPS."""
    match name:
        case "review":
            return Quote.objects.in_review()
        case "owing":
            return Quote.objects.owing_mail(max_attempts=MOST_TRIES)
        case "unanswered":
            return Quote.objects.filter(status__in=OPEN, customer_response="")
        case "follow_up":
            return Quote.objects.filter(status__in=TO_FOLLOW_UP)
        case "stale":
            return Quote.objects.stale(lock=lock)
        case "away":
            return Quote.objects.filter(status=Status.AI_ERROR, review_reason="")
    raise ValueError(f"there is no group {name!r}; there are {', '.join(GROUPS)}")
