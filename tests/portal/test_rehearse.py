"""The rehearsal: a whole day over real servers whose ledger balances, and a ledger that says so when it does not."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter

import pytest
from django.conf import settings
from django.db import connection

from portal.rehearsal.faults import MAIL_FAULTS, foretold, mail_script
from portal.rehearsal.ledger import about_mails

PATIENCE_SECONDS = 180


def rehearse(*options: str) -> subprocess.Popen[str]:
    environment = os.environ | {"SECRET_KEY": settings.SECRET_KEY}
    command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "rehearse", *options]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def scratch_databases() -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT datname FROM pg_database WHERE datname LIKE 'rehearsal%'")
        return {name for (name,) in cursor.fetchall()}


def test_without_faults_two_hundred_mails_are_sent_and_their_notes_processed():
    day = rehearse("--json")
    said, progress = day.communicate(timeout=PATIENCE_SECONDS)

    assert day.returncode == 0, progress
    facts = json.loads(said)
    assert facts["balanced"]
    assert (facts["queued"], facts["sent"], facts["arrived"], facts["notes_in_cms"], facts["processed"]) == (200,) * 5
    assert (facts["failed"], facts["in_doubt"], facts["left_in_queue"], facts["faults_met"]) == (0, 0, 0, 0)


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
    assert "campaigns are not part of the portal yet" in progress


@pytest.mark.django_db
@pytest.mark.parametrize("word", [signal.SIGINT, signal.SIGTERM])
def test_stopped_half_way_it_leaves_no_database_behind(word):
    before = scratch_databases()
    day = rehearse()
    assert day.stderr
    assert "mails queued" in day.stderr.readline()
    assert scratch_databases() - before

    day.send_signal(word)

    _, said = day.communicate(timeout=PATIENCE_SECONDS)
    assert day.returncode == 1
    assert "Nothing half done is left" in said
    assert "Traceback" not in said
    ends_at = time.monotonic() + 10
    while scratch_databases() - before and time.monotonic() < ends_at:  # those of a test beside this one end too
        time.sleep(0.1)
    assert not scratch_databases() - before


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
