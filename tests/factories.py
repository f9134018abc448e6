"""Rows as a test needs them: whole and plausible, different only where the test says so."""

from datetime import UTC, datetime, time
from itertools import count
from typing import Any
from uuid import uuid4

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models.functions import Now

from messaging import outbox
from messaging.models import Case, CmsNote, Message, Mode, Status
from portal.quotes.models import Quote
from portal.summaries.models import SummaryPreference

SENDER = outbox.Sender(address="Office <office@portal.example>", mode=Mode.PRODUCTION, test_recipient="inbox@portal.example")
NUMBERS = count(1)
SINCE = datetime(2026, 3, 4, 6, tzinfo=UTC)  # midnight in Chicago


def make_case(**facts: Any) -> Case:
    number = next(NUMBERS)
    plain = {"pid": f"1{number:05}", "pv": f"2{number:05}", "patient_name": f"Patient {number}", "firm": "Firm"}
    return Case.objects.create(**plain | facts)


def make_message(*, sender: outbox.Sender = SENDER, **facts: Any) -> Message:
    """A queued mail; with `case=` it owes a note."""
    plain = {
        "key": f"test:{next(NUMBERS)}",
        "kind": "status_request",
        "recipient": "anna@firm.example",
        "subject": "Status",
        "text": "Hello",
    }
    return outbox.queue([outbox.Draft(**plain | {"needs_note": bool(facts.get("case"))} | facts)], sender=sender)[0]


def make_note(**facts: Any) -> CmsNote:
    """The pending note of a sent mail."""
    message = make_message(**{"case": facts.pop("case", None) or make_case()} | facts)
    with transaction.atomic():
        Message.objects.filter(pk=message.pk).update(status=Status.CLAIMED, lease=uuid4(), leased_until=Now())
        Message.objects.filter(pk=message.pk).update(status=Status.TRANSMITTING, transmitting_since=Now())
        Message.objects.filter(pk=message.pk).update(status=Status.SENT, sent_at=Now(), lease=None, leased_until=None)
        return CmsNote.objects.create(message=message)


def make_quote(**facts: Any) -> Quote:
    """A pending request, which the built-in estimator can price."""
    number = next(NUMBERS)
    plain = {
        "number": f"GC-20260601-{number:06}",
        "key": f"request:{number}",
        "name": f"Customer {number}",
        "email": f"customer{number}@client.example",
        "phone": "416-555-0100",
        "address": "12 Elm Street, Toronto, ON M4B 1B3",
        "city": "Toronto",
        "description": "8 bags of garden waste, branches and leaves",
    }
    return Quote.objects.create(**plain | facts)


def make_preference(**facts: Any) -> SummaryPreference:
    """Somebody of the staff who may see everything and wants a summary at nine in Chicago, from March 4, 2026 on."""
    number = next(NUMBERS)
    user = facts.pop("user", None) or User.objects.create_superuser(f"person{number}", f"person{number}@portal.example")
    plain = {"notification_email": user.email, "summary_time_local": time(9), "zone": "America/Chicago", "changed_at": SINCE}
    return SummaryPreference.objects.create(user=user, **plain | facts)
