"""The mails of quotes that did not go out, tried again one after the other: each has its own try, and its own outcome."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from django.db import connection

from messaging import delivery
from messaging.models import Message, Status
from portal.quotes import legs
from portal.quotes.legs import Leg
from portal.quotes.models import Quote
from portal.quotes.replies import MailTerms

SOURCE = "retry command"
PAUSE_SECONDS = 2.0  # between two mails, unless somebody says otherwise
ONE_AT_A_TIME = 715_021  # the name of the lock in the database


@dataclass(frozen=True, kw_only=True)
class Terms:
    """How quote mails are tried again here. `pause_seconds` lie between two of them."""

    mail: MailTerms
    delivery: delivery.Terms
    pause_seconds: float = PAUSE_SECONDS


@dataclass(kw_only=True)
class Tally:
    """What one call did, in mails. `waiting`: chosen, but not tried or not answered; they stay as they are. `told` says it for people."""

    selected: int = 0
    sent: int = 0
    failed: int = 0
    in_doubt: int = 0
    skipped: int = 0
    waiting: int = 0
    already_running: bool = False
    told: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        facts = asdict(self)
        del facts["told"]
        return facts


def retry(
    terms: Terms,
    *,
    leg_type: str,
    limit: int,
    max_attempts: int,
    quote_id: int | None = None,
    seconds: float = float("inf"),
    tell: Callable[[int, int], object] = lambda done, of: None,
) -> Tally:
    """Up to `limit` mails have had one more try each, in at most about `seconds`.

    Where no mail server can be used, or we are told to stop, the rest stays as it is. A second run over all quotes leaves it to the first.
    """
    with alone(needed=quote_id is None) as ours:
        if not ours:
            return Tally(already_running=True)
        chosen = legs.select(leg_type=leg_type, max_attempts=max_attempts, limit=limit, quote_id=quote_id)
        tally, ends_at = Tally(selected=len(chosen)), time.monotonic() + seconds
        for number, leg in enumerate(chosen):
            if number:
                rest(terms)
            if terms.delivery.stop() or time.monotonic() > ends_at or not one(leg, terms=terms, tally=tally):
                break
            tell(number + 1, len(chosen))
        tally.waiting = tally.selected - tally.sent - tally.failed - tally.in_doubt - tally.skipped
        return tally


def one(leg: Leg, *, terms: Terms, tally: Tally) -> bool:
    """This mail has had its try, unless it is somebody else's; False when no server can be used."""
    tried = legs.try_again(leg, by=None, reason="It had not gone out.", source=SOURCE, terms=terms.mail)
    if tried.message_id is None or tried.outcome not in ("queued", "already_queued"):
        tally.in_doubt += tried.outcome == "in_doubt"
        tally.skipped += tried.outcome != "in_doubt"
        tally.told.append(f"{name_of(leg)}: {tried.text}")
        return True
    done = delivery.send_due(terms.delivery, limit=1, only=tried.message_id)
    tally.sent += done.sent
    tally.failed += done.failed
    tally.in_doubt += done.in_doubt
    if done.sent or done.held_back:
        return not done.held_back
    message = Message.objects.get(pk=tried.message_id)
    if done.failed or done.in_doubt:
        tally.told.append(f"{name_of(leg)}: {message.error}")
    elif message.status != Status.QUEUED:  # otherwise it waits for its time
        tally.skipped += 1
        tally.told.append(f"{name_of(leg)}: {message.reason or 'another worker had it.'}")
    return True


def name_of(leg: Leg) -> str:
    number = Quote.objects.values_list("number", flat=True).get(pk=leg.quote_id)
    return f"{number}, {leg.leg} mail"


def rest(terms: Terms) -> None:
    """The pause between two mails, unless we are told to stop."""
    ends_at = time.monotonic() + terms.pause_seconds
    while not terms.delivery.stop() and (left_seconds := ends_at - time.monotonic()) > 0:
        time.sleep(min(left_seconds, 0.1))


@contextmanager
def alone(*, needed: bool) -> Iterator[bool]:
    """True while no other process does the same; the database lets go when we end, however we end."""
    if not needed:
        yield True
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [ONE_AT_A_TIME])
        ours = cursor.fetchone()[0]
    try:
        yield ours
    finally:
        if ours:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [ONE_AT_A_TIME])
