"""retry_failed_emails: what it chooses, sends and reports, how it ends, and that wrong words and second runs change nothing."""

import signal
import subprocess
import sys
import threading
import time

import psycopg
import pytest
from django.db import connection
from django.db.models.functions import Now

from messaging.models import Decision, Message, Provider, Status
from portal import shutdown, tasks, wiring
from portal.quotes import retries
from portal.quotes.models import Quote
from portal.sandbox import Sandbox
from tests.addresses import database_url
from tests.portal.quotes.rows import TERMS, TEST_TERMS, mail_of, make_quote, quote_with_mails
from tests.portal.test_commands import MANAGE, asked, environment, run

pytestmark = pytest.mark.django_db
NAME = "retry_failed_emails"
AT_ONCE = "--pause=0"


@pytest.fixture
def sandbox(tmp_path, settings):
    with Sandbox(tmp_path / "sandbox") as sandbox:
        settings.MAIL_MODE = "production"
        settings.EMAIL_URL = f"smtp://127.0.0.1:{sandbox.smtp_port}"
        settings.SPOOL_DIR = tmp_path / "spool"
        settings.DEFAULT_FROM_EMAIL = TERMS.sender.address
        settings.ADMIN_NOTIFY = list(TERMS.admins)
        yield sandbox


def received(sandbox: Sandbox) -> list[str]:
    return [line["recipient"] for line in sandbox.mail_ledger()]


def refused_once(sandbox: Sandbox, *quotes: Quote, spec: str = "refuse-550x1") -> None:
    """The customers' mails of these quotes have been refused; all else has gone out."""
    sandbox.use(mail={"table": {quote.email: spec for quote in quotes}})
    tasks.send_due_messages()


def test_what_failed_and_what_was_never_queued_is_sent_now(sandbox):
    failed, never = quote_with_mails(), make_quote()
    refused_once(sandbox, failed)

    code, facts = asked(NAME, AT_ONCE)

    plain = {"in_doubt": 0, "skipped": 0, "waiting": 0, "already_running": False}
    assert (code, facts) == (0, {"selected": 3, "sent": 3, "failed": 0} | plain)
    assert sorted(received(sandbox)) == sorted([failed.email, never.email, "boss@portal.example", "boss@portal.example"])
    decision = Decision.objects.get()
    assert (decision.source, decision.message, decision.decided_by) == ("retry command", mail_of(failed, "customer"), None)
    assert asked(NAME)[1]["selected"] == 0


def test_a_mail_that_fails_again_is_told_with_its_error_and_left_after_its_cap(sandbox):
    quote = quote_with_mails()
    refused_once(sandbox, quote, spec="refuse-550")

    codes = [asked(NAME, AT_ONCE)[0] for _ in range(2)]
    code, facts = asked(NAME, AT_ONCE)

    assert (codes, code, facts["selected"]) == ([3, 3], 0, 0)
    assert Quote.objects.get(pk=quote.pk).customer_email_attempts == 3
    code, out, err = run(NAME, AT_ONCE, "--max-attempts=4")
    assert (code, "1 chosen: 0 sent, 1 failed" in out, f"{quote.number}, customer mail: " in err, "550" in err) == (3, True, True, True)


def test_one_quote_by_name_is_tried_beyond_its_cap_and_no_other(sandbox):
    quote, other = quote_with_mails(), quote_with_mails()
    refused_once(sandbox, quote, other)
    Quote.objects.filter(pk=quote.pk).update(customer_email_attempts=9)

    code, facts = asked(NAME, AT_ONCE, f"--quote-id={quote.pk}")

    assert (code, facts["selected"], facts["sent"]) == (0, 1, 1)
    assert mail_of(other, "customer").status == Status.FAILED
    assert asked(NAME, AT_ONCE, f"--quote-id={quote.pk}")[1]["selected"] == 0
    assert received(sandbox).count(quote.email) == 1


@pytest.mark.parametrize(("leg", "sent"), [("customer", ["customer"]), ("admin", ["admin"]), ("both", ["customer", "admin"])])
def test_the_type_says_which_of_the_two_mails(sandbox, leg, sent):
    quote = make_quote()

    asked(NAME, AT_ONCE, f"--type={leg}")

    address = {"customer": quote.email, "admin": "boss@portal.example"}
    assert received(sandbox) == [address[each] for each in sent]


def test_the_limit_counts_mails_and_the_oldest_go_first(sandbox):
    first, second = make_quote(), make_quote()

    code, facts = asked(NAME, AT_ONCE, "--limit=3")

    assert (code, facts["selected"], facts["sent"]) == (0, 3, 3)
    assert received(sandbox) == [first.email, "boss@portal.example", second.email]


def test_it_rests_between_two_mails_and_not_after_the_last(sandbox, monkeypatch):
    rests = []
    monkeypatch.setattr(retries, "rest", lambda terms: rests.append((terms.pause_seconds, len(received(sandbox)))))
    make_quote(), make_quote()

    asked(NAME)

    assert rests == [(2, 1), (2, 2), (2, 3)]


def test_a_lost_answer_is_in_doubt_and_never_tried_again(sandbox):
    quote = make_quote()
    sandbox.use(mail={"table": {quote.email: "drop-after-accept"}})

    code, facts = asked(NAME, AT_ONCE, "--type=customer")

    assert (code, facts["in_doubt"], facts["sent"]) == (3, 1, 0)
    assert asked(NAME, AT_ONCE, "--type=customer")[1]["selected"] == 0
    code, facts = asked(NAME, AT_ONCE, "--type=customer", f"--quote-id={quote.pk}")
    assert (code, facts["in_doubt"], facts["skipped"]) == (3, 1, 0)
    assert received(sandbox) == [quote.email]


def test_while_no_server_can_be_used_the_rest_stays_as_it_is(sandbox):
    failed = [quote_with_mails() for _ in range(3)]
    refused_once(sandbox, *failed)
    sandbox.use(mail={"modes": ["down"]})

    code, facts = asked(NAME, AT_ONCE)

    assert (code, facts["selected"], facts["waiting"], facts["failed"]) == (3, 3, 3, 0)
    assert [mail_of(quote, "customer").status for quote in failed] == [Status.QUEUED, Status.FAILED, Status.FAILED]
    assert "No mail server can be used: primary: " in run(NAME, AT_ONCE)[1]

    sandbox.use(mail={})
    Provider.objects.update(paused_until=Now())
    code, facts = asked(NAME, AT_ONCE)
    assert (code, facts["sent"]) == (0, 3)
    assert {Quote.objects.get(pk=quote.pk).customer_email_attempts for quote in failed} == {2}


def test_what_has_no_price_to_name_is_skipped_and_told(sandbox):
    gap = make_quote()
    Quote.objects.filter(pk=gap.pk).update(quote_amount=1)
    quote = make_quote()

    code, facts = asked(NAME, AT_ONCE, "--type=customer")

    assert (code, facts["sent"], facts["skipped"]) == (0, 1, 1)
    assert f"{gap.number}, customer mail: " in run(NAME, AT_ONCE, "--type=customer")[2]
    assert received(sandbox) == [quote.email]


def test_a_test_that_was_sent_is_not_made_real_by_a_command(sandbox):
    quote = quote_with_mails(terms=TEST_TERMS)
    tasks.send_due_messages()

    assert asked(NAME, AT_ONCE)[1]["selected"] == asked(NAME, AT_ONCE, f"--quote-id={quote.pk}")[1]["selected"] == 0
    assert set(received(sandbox)) == {"tests@portal.example"}


def test_other_mail_that_is_due_is_left_to_its_own_worker(sandbox):
    answered = quote_with_mails(status="contacted")
    quote = make_quote()

    asked(NAME, AT_ONCE)

    assert sorted(received(sandbox)) == ["boss@portal.example", quote.email]
    assert mail_of(answered, "customer").status == Status.QUEUED


WRONG = [  # an option with a wrong word, what is said, its right twin
    ("--max-attempts=0", "must be a whole number 1…10; got '0'", "--max-attempts=1"),
    ("--max-attempts=11", "must be a whole number 1…10; got '11'", "--max-attempts=10"),
    ("--max-attempts=1.5", "must be a whole number 1…10", "--max-attempts=2"),
    ("--limit=0", "must be a whole number 1…10000", "--limit=1"),
    ("--limit=-5", "must be a whole number 1…10000", "--limit=5"),
    ("--pause=abc", "must be a whole number 0…600", "--pause=0"),
    ("--type=boss", "invalid choice: 'boss'", "--type=admin"),
    ("--quote-id=x", "must be a whole number 1…", ""),
]


@pytest.mark.parametrize(("wrong", "said", "right"), WRONG)
def test_wrong_usage_is_told_and_its_twin_is_taken(sandbox, capsys, wrong, said, right):
    quote = quote_with_mails()

    assert run(NAME, AT_ONCE, wrong)[0] == 2

    assert said in capsys.readouterr().err
    assert mail_of(quote, "customer").status == Status.QUEUED
    assert run(NAME, AT_ONCE, right or f"--quote-id={quote.pk}")[0] == 0


def test_a_quote_that_is_not_there_is_wrong_usage(sandbox):
    code, out, err = run(NAME, "--quote-id=999999")

    assert (code, out) == (2, "")
    assert "There is no quote 999999" in err


def test_with_nothing_to_do_it_says_so(sandbox):
    assert run(NAME)[:2] == (0, "No mail of a quote needs another try.\n")


def test_the_task_does_the_same(sandbox, monkeypatch):
    monkeypatch.setattr(retries, "rest", lambda terms: None)
    make_quote()

    summary = tasks.retry_failed_emails(leg_type="customer", limit=1, max_attempts=1)

    assert (summary["selected"], summary["sent"], summary["already_running"]) == (1, 1, False)


@pytest.mark.django_db(transaction=True)
def test_a_second_run_leaves_the_work_to_the_first_but_a_named_quote_does_not_wait(sandbox):
    quote, other = make_quote(), make_quote()

    with psycopg.connect(database_url()) as first:
        first.execute("SELECT pg_advisory_lock(%s)", [retries.ONE_AT_A_TIME])
        code, facts = asked(NAME, AT_ONCE)
        assert (code, facts["already_running"], facts["selected"], received(sandbox)) == (0, True, 0, [])
        assert asked(NAME, AT_ONCE, f"--quote-id={quote.pk}")[1]["sent"] == 2
        first.execute("SELECT pg_advisory_unlock(%s)", [retries.ONE_AT_A_TIME])

    assert asked(NAME, AT_ONCE)[1]["sent"] == 2
    assert received(sandbox).count(other.email) == 1


@pytest.mark.django_db(transaction=True)
def test_two_at_the_same_quotes_never_send_a_mail_twice(sandbox):
    """As if each had a lock of its own: even then."""
    quotes = [quote_with_mails() for _ in range(8)]
    refused_once(sandbox, *quotes)
    start, results = threading.Barrier(3), []

    def work() -> None:
        start.wait()
        terms = wiring.retry_terms(pause_seconds=0)
        for quote in quotes:
            results.append(retries.retry(terms, leg_type="both", limit=50, max_attempts=3, quote_id=quote.pk))
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)

    assert len(results) == 24
    assert sum(tally.sent for tally in results) == 8
    assert sorted(received(sandbox).count(quote.email) for quote in quotes) == [1] * 8
    assert set(Message.objects.filter(kind="quote_customer").values_list("round", "status")) == {(2, "sent")}


@pytest.mark.django_db(transaction=True)
def test_told_to_stop_it_ends_after_the_mail_in_hand(sandbox):
    quotes = [make_quote() for _ in range(20)]
    told = environment(MAIL_MODE="production", EMAIL_URL=f"smtp://127.0.0.1:{sandbox.smtp_port}", SPOOL_DIR=str(sandbox.folder / "spool"))
    command = [sys.executable, str(MANAGE), NAME, "--pause=1", "--json"]
    process = subprocess.Popen(command, env=told, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    ends_at = time.monotonic() + 30
    while not received(sandbox) and time.monotonic() < ends_at:
        time.sleep(0.05)

    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=30)

    assert (process.returncode, "Stopping after what is in hand" in err) == (1, True), out + err
    statuses = list(Message.objects.values_list("status", flat=True))
    assert 0 < len(received(sandbox)) < 2 * len(quotes)
    assert set(statuses) == {"sent"}
    assert len(statuses) == len(received(sandbox))


def test_stopped_before_it_began_it_changes_nothing(sandbox):
    quote = quote_with_mails()
    refused_once(sandbox, quote)
    terms = wiring.retry_terms(pause_seconds=0, stop=lambda: True)

    tally = retries.retry(terms, leg_type="both", limit=50, max_attempts=3)

    assert (tally.selected, tally.waiting, mail_of(quote, "customer").round) == (1, 1, 1)
    assert not shutdown.told()
