"""A mail server that is away while quotes are priced: everybody sees what waits and why, and afterwards each mail goes out once."""

import os
import time
from collections import Counter
from collections.abc import Callable

import pytest
from django.db import connection, transaction
from django.db.models.functions import Now

from messaging import invariants
from messaging.models import Decision, Message, Provider, Verdict
from portal import tasks, wiring
from portal.quotes import legs, retries
from portal.quotes.invariants import ALWAYS
from portal.quotes.models import Quote
from portal.sandbox import Sandbox
from tests.portal.quotes.rows import TERMS, make_quote

pytestmark = pytest.mark.django_db(transaction=True)
PRICED_MEANWHILE, REFUSED = 200, 40
PATIENCE_SECONDS = 90
SAY_THE_SAME = [one for one in ALWAYS if one.name in ("I-45", "I-46", "I-47")]
TRIES = """
    SELECT q.id FROM portal_quote q WHERE q.{leg}_email_attempts <> (
        SELECT count(*) FROM messaging_message m JOIN messaging_attempt a ON a.message_id = m.id
        WHERE m.key IN ('quote:' || q.id || ':{leg}', 'test:quote:' || q.id || ':{leg}')
        AND a.phase IN ('accepted', 'rejected', 'lost_post'))"""


@pytest.fixture
def outside(sandbox: Sandbox, settings, tmp_path) -> Sandbox:
    settings.MAIL_MODE = "production"
    settings.EMAIL_URL = f"smtp://127.0.0.1:{sandbox.smtp_port}"
    settings.SPOOL_DIR = tmp_path / "spool"
    settings.DEFAULT_FROM_EMAIL = TERMS.sender.address
    settings.ADMIN_NOTIFY = list(TERMS.admins)
    return sandbox


def price(count: int) -> list[Quote]:
    """So many quotes are priced, and owe both their mails."""
    with transaction.atomic():
        quotes = [make_quote() for _ in range(count)]
        for quote in quotes:
            legs.queue_mails(quote, terms=TERMS)
    return quotes


def states(quotes: list[Quote], leg: str) -> Counter[str]:
    down = wiring.mail_servers_down()
    stored = Quote.objects.filter(pk__in=[quote.pk for quote in quotes])
    return Counter(legs.state_of(quote, leg, servers_down=down).word for quote in stored)


def test_after_an_hour_without_a_mail_server_exactly_the_missing_mails_go_out_once(outside):
    refused = price(REFUSED)
    outside.use(mail={"table": {quote.email: "refuse-550x1" for quote in refused}})
    tasks.send_due_messages(until_empty=True)
    assert (states(refused, "customer"), states(refused, "admin")) == ({"failed": REFUSED}, {"sent": REFUSED})

    outside.use(mail={"modes": ["down"]})
    priced = price(PRICED_MEANWHILE)
    for _ in range(3):
        assert tasks.send_due_messages()["sent"] == 0
        an_hour_passes()
    for leg in legs.LEGS:
        assert states(priced, leg) == {"waiting: server down": PRICED_MEANWHILE}
    assert {error_of(quote) for quote in priced} == {wiring.mail_servers_down()}
    assert "primary" in wiring.mail_servers_down()
    assert all("550" in error_of(quote) for quote in refused)
    assert all(quote.customer_email_attempts == 0 for quote in Quote.objects.filter(pk__in=[quote.pk for quote in priced]))

    outside.use(mail={})
    an_hour_passes()
    in_processes_of_their_own(sweep, sweep, try_all_again, try_all_again, retry_in_bulk)

    arrived = Counter(line["message_id"] for line in outside.mail_ledger())
    assert set(arrived.values()) == {1}, "a mail went out twice"
    assert set(arrived) == set(Message.objects.values_list("message_id", flat=True))
    assert set(Message.objects.values_list("status", flat=True)) == {"sent"}

    opened = Decision.objects.filter(verdict=Verdict.TRY_AGAIN_NOW)
    assert Counter(opened.values_list("message__quote_to_customer", flat=True)) == {quote.pk: 1 for quote in refused}
    assert Decision.objects.count() == Message.objects.filter(round=2).count() == REFUSED

    tries = Counter(Quote.objects.values_list("customer_email_attempts", "admin_email_attempts", "customer_email_error"))
    assert tries == {(2, 1, ""): REFUSED, (1, 1, ""): PRICED_MEANWHILE}
    assert not Quote.objects.filter(email_sent_to_customer=False).exists()
    assert not Quote.objects.filter(email_sent_to_admin=False).exists()
    assert [found for one in SAY_THE_SAME if (found := invariants.violation(one))] == []
    assert [wrong_counters(leg) for leg in legs.LEGS] == [[], []]
    assert invariants.verify(drained=True) == []


def an_hour_passes() -> None:
    """Every pause is over, and somebody may try again."""
    Provider.objects.filter(paused_until__isnull=False).update(paused_until=Now())


def error_of(quote: Quote) -> str:
    return legs.state_of(Quote.objects.get(pk=quote.pk), "customer", servers_down=wiring.mail_servers_down()).text


def sweep() -> None:
    """As the cluster does, again and again."""
    ends_at = time.monotonic() + PATIENCE_SECONDS
    while Message.objects.exclude(status="sent").exists() and time.monotonic() < ends_at:
        tasks.send_due_messages(seconds=5)
        time.sleep(0.02)


def try_all_again() -> None:
    """As the operation behind the form does."""
    for leg in legs.select(leg_type="both", max_attempts=3, limit=1_000):
        legs.try_again(leg, by=None, reason="The server is back.", source="operation", terms=wiring.quote_mail_terms())


def retry_in_bulk() -> None:
    """As cron does."""
    retries.retry(wiring.retry_terms(pause_seconds=0), leg_type="both", limit=1_000, max_attempts=3)


def in_processes_of_their_own(*works: Callable[[], None]) -> None:
    """All of them begin at the same moment; each comes to its end without an error."""
    connection.close()
    gate, opener = os.pipe()
    children = [begun(work, gate, opener) for work in works]
    os.close(gate)
    os.close(opener)  # the end of the pipe: all children go
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0] * len(works)


def begun(work: Callable[[], None], gate: int, opener: int) -> int:
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        os.close(opener)
        os.read(gate, 1)
        work()
        code = 0
    finally:
        os._exit(code)


def wrong_counters(leg: str) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(TRIES.format(leg=leg))
        return [row[0] for row in cursor.fetchall()]
