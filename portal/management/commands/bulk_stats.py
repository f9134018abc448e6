"""Test against production, in numbers."""

from typing import Any

from django.conf import settings
from django.db.models import Count

from messaging.models import Case, Message, MessageSession, Status
from messaging.models.case import Category
from portal import wiring
from portal.management.command import PortalCommand, Report

STANDINGS = {  # what is counted: the states that count
    "queued": [Status.QUEUED, Status.CLAIMED, Status.TRANSMITTING],
    "sent": [Status.SENT],
    "failed": [Status.FAILED],
    "in_doubt": [Status.IN_DOUBT],
    "held": [Status.HELD],
    "cancelled": [Status.CANCELLED],
}


class Command(PortalCommand):
    help = "Counts e-mails, test and production apart, and the active cases of each category."

    def work(self, **told: Any) -> Report:
        rows = Message.objects.order_by().values_list("is_test", "status").annotate(Count("pk"))
        counts = {(is_test, status): count for is_test, status, count in rows}
        session = MessageSession.objects.first()
        facts = {
            "mode": wiring.mode(),
            "test_recipient": settings.TEST_RECIPIENT,
            "test": standings(counts, is_test=True),
            "production": standings(counts, is_test=False),
            "session": session and session.pk,
            "sent_this_session": session.messages.sent().count() if session else 0,
            "sent_all_time": counts.get((True, Status.SENT), 0) + counts.get((False, Status.SENT), 0),
            "categories": {one.value: Case.objects.active().in_category(one, wiring.today()).count() for one in Category},
        }
        return Report(facts=facts, text=told_in_words(facts, session))


def standings(counts: dict[tuple[bool, str], int], *, is_test: bool) -> dict[str, int]:
    return {name: sum(counts.get((is_test, status), 0) for status in statuses) for name, statuses in STANDINGS.items()}


def told_in_words(facts: dict[str, Any], session: MessageSession | None) -> str:
    lines = [f"Mode: {facts['mode']}; tests go to {facts['test_recipient']}"]
    lines += [
        f"{name.capitalize()}: " + ", ".join(f"{n} {what.replace('_', ' ')}" for what, n in facts[name].items())
        for name in ("test", "production")
    ]
    lines += [f"Sent in the last session ({session.name}): {facts['sent_this_session']}"] if session else []
    lines += [f"Sent in all: {facts['sent_all_time']}", "", "Active cases:"]
    return "\n".join([*lines, *(f"  {Category(name).label}: {count}" for name, count in facts["categories"].items())])
