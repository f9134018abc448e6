"""The rehearsal: a whole day over real servers whose ledger balances, and a ledger that says so when it does not."""

import json
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from datetime import timedelta

import pytest
from django.conf import settings
from django.db import connection

from messaging import delivery, outbox
from messaging.gateways.mail import MailServer
from messaging.models import Mode
from messaging.outbox import Sender
from messaging.retry import RetryPolicy
from portal.quotes.models import Quote
from portal.quotes.replies import MailTerms
from portal.rehearsal import quotes
from portal.rehearsal.faults import AI_FAULTS, MAIL_FAULTS, LegEnd, Look, ai_script, foretold, foretold_leg, foretold_look, mail_script
from portal.rehearsal.ledger import about_mails
from portal.rehearsal.quote_ledger import differences
from portal.rehearsal.quotes import QuoteDesk
from portal.sandbox import Sandbox
from tests.factories import make_quote

PATIENCE_SECONDS = 180
QUOTE_COUNTS = {"asked": 20, "quoted": 20, "review": 0, "notices_sent": 20, "mails_sent": 40, "ai_calls": 20}
QUOTE_COUNTS |= dict.fromkeys(("mails_failed", "mails_in_doubt", "rounds_opened"), 0)
UNTROUBLED_QUOTES = QUOTE_COUNTS | {f"expected_{name}": count for name, count in QUOTE_COUNTS.items()} | {"differences": []}
ONCE = ("queued", "completed", "arrived")
SUMMED_UP = dict.fromkeys([*ONCE, *(f"expected_{name}" for name in ONCE)], 1) | {"differences": []}
OFFICE = {"name": "Office", "office_name": "Office", "office_phone": "555-0100", "office_address": "1 Main St"}
WRITER = Sender(address="office@portal.example", mode=Mode.PRODUCTION, test_recipient="", max_attempts=1)
MAIL = MailTerms(sender=WRITER, site_url="http://portal.example", office=OFFICE, admins=("inbox@portal.example",))


def rehearse(*options: str) -> subprocess.Popen[str]:
    environment = os.environ | {"SECRET_KEY": settings.SECRET_KEY}
    command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "rehearse", *options]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def scratch_databases(process: subprocess.Popen[str]) -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT datname FROM pg_database WHERE starts_with(datname, %s)", [f"rehearsal_{process.pid}_"])
        return {name for (name,) in cursor.fetchall()}


def test_without_faults_two_hundred_mails_are_sent_and_their_notes_processed():
    day = rehearse("--json")
    said, progress = day.communicate(timeout=PATIENCE_SECONDS)

    assert day.returncode == 0, progress
    facts = json.loads(said)
    assert facts["balanced"]
    assert (facts["queued"], facts["sent"], facts["arrived"], facts["notes_in_cms"], facts["processed"]) == (200,) * 5
    assert (facts["failed"], facts["in_doubt"], facts["left_in_queue"], facts["faults_met"]) == (0, 0, 0, 0)
    assert facts["quotes"] == UNTROUBLED_QUOTES
    assert_campaigns_balance(facts["campaigns"], contacts=200)
    assert facts["summary"] == SUMMED_UP


def test_with_faults_exactly_the_scripted_ones_show_in_the_ledger():
    day = rehearse("--faults", "--json", "--contacts", "7")
    said, progress = day.communicate(timeout=PATIENCE_SECONDS)

    assert day.returncode == 0, progress
    facts = json.loads(said)
    assert facts["balanced"]
    assert facts["failed"] == facts["expected_failed"] > 0
    assert facts["in_doubt"] == facts["expected_in_doubt"] > 0
    assert facts["left_in_queue"] == 0
    assert facts["sent"] == 200 - facts["failed"] - facts["in_doubt"] == facts["notes_in_cms"] == facts["processed"]
    quotes = facts["quotes"]
    found = {name: value for name, value in quotes.items() if f"expected_{name}" in quotes}
    assert found == {name: quotes[f"expected_{name}"] for name in found}
    assert (quotes["quoted"] + quotes["review"], quotes["notices_sent"]) == (20, 20)
    assert quotes["mails_sent"] + quotes["mails_failed"] + quotes["mails_in_doubt"] == 2 * quotes["quoted"]
    assert all(quotes[name] > 0 for name in ("review", "mails_failed", "mails_in_doubt", "rounds_opened"))
    assert quotes["ai_calls"] > 20
    assert_campaigns_balance(facts["campaigns"], contacts=7)
    assert facts["summary"]["arrived"] == 1


def assert_campaigns_balance(campaigns: dict, *, contacts: int) -> None:
    found = {name: value for name, value in campaigns.items() if f"expected_{name}" in campaigns}
    assert found == {name: campaigns[f"expected_{name}"] for name in found}
    assert (found["contacts_imported"], found["contacts_refused"]) == (contacts, 1)
    assert (found["second_run_writes"], found["to_those_who_left"], campaigns["differences"]) == (0, 0, [])
    assert found["handed_over"] == found["sent"] == found["arrived"] >= 30
    assert min(found["clicks"], found["unsubscribed"]) >= 3


@pytest.mark.django_db
@pytest.mark.parametrize("word", [signal.SIGINT, signal.SIGTERM])
def test_stopped_half_way_it_leaves_no_database_behind(word):
    day = rehearse()
    assert day.stderr
    assert "contacts read" in day.stderr.readline()
    assert scratch_databases(day)

    day.send_signal(word)

    _, said = day.communicate(timeout=PATIENCE_SECONDS)
    assert day.returncode == 1
    assert "Nothing half done is left" in said
    assert "Traceback" not in said
    assert not scratch_databases(day)


@pytest.mark.parametrize("options", [["--contacts", "many"], ["--contacts", "-1"], ["--breakdowns"], ["today"]])
def test_an_option_it_does_not_know_is_wrong_usage(options):
    day = rehearse(*options)
    _, said = day.communicate(timeout=PATIENCE_SECONDS)

    assert day.returncode == 2
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("became", "expected", "arrived", "differences"),
    [
        ({"a": "sent"}, {"a": "sent"}, {"a": 1}, 0),
        ({"a": "in_doubt"}, {"a": "in_doubt"}, {}, 0),
        ({"a": "failed"}, {"a": "failed"}, {}, 0),
        ({"a": "sent"}, {"a": "sent"}, {"a": 2}, 1),
        ({"a": "sent"}, {"a": "sent"}, {}, 1),
        ({"a": "failed"}, {"a": "failed"}, {"a": 1}, 1),
        ({"a": "failed"}, {"a": "sent"}, {}, 1),
        ({"a": "queued"}, {"a": "sent"}, {}, 1),
        ({}, {"a": "sent"}, {}, 1),
        ({}, {}, {"a": 1}, 1),
    ],
)
def test_the_ledger_names_every_mail_that_did_not_end_as_it_had_to(became, expected, arrived, differences):
    assert len(list(about_mails(became, expected, Counter(arrived)))) == differences


def test_every_kind_of_fault_is_rehearsed_and_the_results_are_foretold():
    mails = [(f"<{number}@portal.example>", f"a{number % 20}@client.example") for number in range(200)]
    met: set[str] = set()
    for seed in range(2):
        script = mail_script(mails, chance=random.Random(seed))
        met |= set(script["table"].values())
        assert set(foretold(mails, script, tries=3).values()) == {"sent", "failed", "in_doubt"}
    assert met >= set(MAIL_FAULTS)


@pytest.mark.parametrize(
    ("fault", "look"),
    [
        (None, Look(is_priced=True, questions=1)),
        ("slow-0.5", Look(is_priced=True, questions=1)),
        ("503x1", Look(is_priced=True, questions=2)),
        ("drop-afterx2", Look(is_priced=True, questions=3)),
        ("refusal", Look(is_priced=False, questions=1)),
        ("cut-off", Look(is_priced=False, questions=1)),
    ],
)
def test_what_comes_of_asking_the_ai_is_foretold(fault, look):
    assert foretold_look("a sofa", {"table": {"a sofa": fault} if fault else {}}) == look


@pytest.mark.parametrize(
    ("fault", "end"),
    [
        (None, LegEnd(status="sent", round=1, arrives=True)),
        ("after-dot-554x1", LegEnd(status="sent", round=2, arrives=True)),
        ("after-dot-451x1", LegEnd(status="sent", round=2, arrives=True)),
        ("after-dot-552", LegEnd(status="failed", round=2, arrives=False)),
        ("drop-after-accept", LegEnd(status="in_doubt", round=1, arrives=True)),
        ("drop-before-accept", LegEnd(status="in_doubt", round=1, arrives=False)),
    ],
)
def test_how_a_mail_of_a_quote_ends_is_foretold(fault, end):
    script = {"table": {"<1@portal.example>": fault} if fault else {}}
    assert foretold_leg(script, recipient="ada@client.example", message_id="<1@portal.example>") == end


@pytest.mark.parametrize(
    ("found", "expected", "says"),
    [
        ({"runs": 1}, {"runs": 1}, []),
        ({"runs": 2}, {"runs": 1}, ["Quote 7, runs: 2, and was to be 1"]),
        ({}, {"admin mail": "sent"}, ["Quote 7, admin mail: None, and was to be sent"]),
        ({"locked": True}, {"locked": False}, ["Quote 7, locked: True, and was to be False"]),
    ],
)
def test_the_ledger_names_all_that_is_not_as_it_had_to_be_with_a_quote(found, expected, says):
    assert list(differences("7", found, expected)) == says


@pytest.fixture
def desk(db, sandbox: Sandbox, tmp_path, monkeypatch) -> QuoteDesk:
    """Three requests are answered, beside a quote that is no part of the day."""
    monkeypatch.setattr(quotes, "REQUESTS", 3)
    make_quote(key="sample:1")
    server = MailServer(name="here", host="127.0.0.1", port=sandbox.smtp_port)
    terms = delivery.Terms(servers=[server], policy=RetryPolicy(), lease=timedelta(minutes=1), spool_dir=tmp_path / "spool")
    desk = QuoteDesk(sandbox, mail=MAIL, delivery=terms, tell=lambda done, of, what: None)
    desk.receive()
    desk.price({})
    desk.send({})
    return desk


def test_the_quotes_ledger_balances_beside_quotes_that_are_no_part_of_the_day(desk):
    assert desk.ledger()["differences"] == []
    assert Quote.objects.get(key="sample:1").status == "pending"


def an_unforetold_mail(desk: QuoteDesk, *, to: str) -> None:
    number = next(iter(desk.asked.values())).number
    draft = outbox.Draft(key=f"more:{to}", kind="other", recipient=to, subject=f"Your quote {number}", text="once more")
    outbox.queue([draft], sender=WRITER)
    delivery.send_due(desk.delivery)


DISTURBED = {
    "a mail that reached a stranger": (
        lambda desk: an_unforetold_mail(desk, to="x@evil.example"),
        "x@evil.example got 'Your quote GC-",
    ),
    "a customer's mail that came twice": (
        lambda desk: an_unforetold_mail(desk, to="person1@client.example"),
        "customer mails that arrived: 2, and was to be 1",
    ),
    "an office that was told twice": (
        lambda desk: an_unforetold_mail(desk, to="inbox@portal.example"),
        "admin mails that arrived: 2, and was to be 1",
    ),
    "a flag that says no": (
        lambda desk: Quote.objects.filter(pk=min(desk.asked)).update(email_sent_to_admin=False),
        "admin flag: False, and was to be True",
    ),
    "a try that nobody made": (
        lambda desk: Quote.objects.filter(pk=min(desk.asked)).update(customer_email_attempts=2),
        "customer tries: 2, and was to be 1",
    ),
    "a fault that was foretold and never came": (
        lambda desk: setattr(desk.asked[min(desk.asked)], "look", Look(is_priced=False, questions=1)),
        "its state: ai_quoted, and was to be ai_error",
    ),
    "a mail that is left": (
        lambda desk: outbox.queue([outbox.Draft(key="left", kind="other", recipient="a@b.example", subject="s", text="t")], sender=WRITER),
        "left is queued and nobody sends it",
    ),
}


@pytest.mark.parametrize("disturbance", DISTURBED)
def test_the_quotes_ledger_does_not_balance_after(desk, disturbance):
    disturb, says = DISTURBED[disturbance]

    disturb(desk)

    assert says in "\n".join(desk.ledger()["differences"])


def test_every_fault_of_the_ai_is_rehearsed_and_foretold():
    script = ai_script([quotes.made_up(number).description for number in range(1, 21)], chance=random.Random(1))
    assert set(script["table"].values()) == set(AI_FAULTS)
    looks = [foretold_look(words, script) for words in script["table"]]
    assert {look.is_priced for look in looks} == {True, False}
    assert {look.questions for look in looks} == {1, 2, 3}
