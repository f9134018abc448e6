"""A run over the daily summaries as a test asks for it, and what a mail came to."""

import uuid
from datetime import datetime
from pathlib import Path
from typing import Any

from django.db import transaction
from django.db.models.functions import Now

from messaging.models import Message, Status
from portal.summaries import daily
from portal.summaries.contents import Desk
from portal.summaries.models import DailySummary
from tests.factories import SENDER

AWAY = Path("/nonexistent/spool")


def desk(**facts: Any) -> Desk:
    return Desk(**{"pending": list, "site_url": "http://portal.example", "office_name": "Office"} | facts)


def terms(**facts: Any) -> daily.Terms:
    return daily.Terms(**{"sender": SENDER, "desk": desk, "spool_dir": AWAY} | facts)


def run(now: datetime, **told: Any) -> dict[str, Any]:
    """What came of those whose time had come."""
    tally = daily.send_due(terms(), now=now, **told).as_dict()
    return {name: tally[name] for name in ("due", "queued", "already", "failed")}


def only() -> DailySummary:
    return DailySummary.objects.select_related("message").get()


@transaction.atomic
def end(message: Message, status: str, *, code: int = 450, error: str = "450 later") -> None:
    """The mail went out, or the server refused it."""
    row = Message.objects.filter(pk=message.pk)
    row.move(Status.CLAIMED, lease=uuid.uuid4(), leased_until=Now())
    free = {"lease": None, "leased_until": None}
    if status == Status.CANCELLED:
        row.move(status, reason="Its address is suppressed", **free)
        return
    row.move(Status.TRANSMITTING, transmitting_since=Now())
    facts = {"sent_at": Now()} if status == Status.SENT else {"error": error, "reply_code": code}
    row.move(status, **free, **facts)
