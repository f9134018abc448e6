"""The command what_if: what goes in and comes out, what it refuses, and that it needs no database."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.portal.test_commands import run

MANAGE = Path(__file__).parents[2] / "manage.py"
ADA = {"id": 101, "state": "CA", "birth_date": "1960-12-15", "effective_date": "2000-12-20", "check_dates": ["2024-02-13", "2024-02-14"]}
ROW_KEYS = {
    "email_type",
    "date",
    "event_date",
    "status",
    "skip_reason",
    "priority",
    "campaign_instance",
    "moved_from",
    "catch_up",
    "skipped_emails",
    "over_cap",
}


@pytest.fixture
def ask(tmp_path):
    def ask(*contacts, words=()):
        file = tmp_path / "contacts.json"
        file.write_text(json.dumps(contacts))
        code, out, err = run("what_if", str(file), "--today", "2024-01-01", "--json", *words)
        return code, json.loads(out) if out else None, err

    return ask


def test_the_answer_has_rows_windows_and_checks(ask):
    code, (ada,), err = ask(ADA, words=["--rules-only"])

    assert (code, err) == (0, "")
    assert set(ada) == {"id", "flags", "rows", "windows", "checks"}
    assert all(set(row) == ROW_KEYS for row in ada["rows"])
    assert [row["date"] for row in ada["rows"]] == ["2024-12-01", "2024-11-20", "2024-09-15", "2024-02-14", "2025-02-14"]
    assert ada["windows"][0] == {
        "kind": "birthday_window",
        "anchor_year": 2023,
        "start": "2023-09-16",
        "statutory_start": "2023-11-15",
        "end": "2024-02-13",
    }
    assert ada["checks"] == {
        "2024-02-13": {"excluded": True, "reason": "exclusion_window", "window_end": "2024-02-13"},
        "2024-02-14": {"excluded": False, "reason": None, "window_end": None},
    }


def test_it_answers_without_a_database():
    environment = os.environ | {"DATABASE_URL": "postgres://nobody@127.0.0.1:1/nowhere", "SECRET_KEY": "k" * 60}
    told = json.dumps([{"id": 1, "state": "TX", "birth_date": "1950-06-01"}])

    done = subprocess.run(
        [sys.executable, MANAGE, "what_if", "-", "--today", "2025-01-02"], input=told, env=environment, capture_output=True, text=True
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert [row["date"] for row in json.loads(done.stdout)[0]["rows"]] == ["2025-05-18", "2025-09-15"]


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ('{"daily_cap": 3}', "daily_cap is no setting"),
        ('{"daily_send_percentage_cap": 1.5}', "daily_send_percentage_cap is a share of all contacts"),
        ('{"max_emails_per_period": "5"}', "max_emails_per_period must be a whole number from 1"),
        ('{"frequency_adjustments": {"brithday": -1}}', "frequency_adjustments names brithday, which is no e-mail type"),
        ('{"state_rules": {"TX": {"anchor": "birthday", "after": 500}}}', "days from 0 to 365"),
        ('{"send_time": "8.30"}', "send_time must be a time of day"),
        ('{"aep_month_day": "02-29"}', "aep_month_day must be a month and a day that every year has"),
        ('{"campaign_types": {"rate_increase": {"when": 1}}}', "campaign_types cannot be read"),
        ('{"state_rules": {"TX": {"anchor": "birthday", "after": 330}}}', "a window must be shorter than a year"),
        ('{"max_emails_per_period": 2, "max_emails_per_period": 3}', "stands twice in the same table"),
        ("[1]", "--config must be a JSON object"),
        ("{", "--config is not JSON"),
    ],
)
def test_a_setting_that_cannot_be_is_named(ask, config, named):
    code, answer, err = ask(ADA, words=["--config", config])

    assert (code, answer) == (2, None)
    assert named in err


def test_settings_change_the_answer(ask):
    _, (ada,), _ = ask(ADA, words=["--rules-only", "--config", '{"pre_window_exclusion_days": 0, "birthday_email_days_before": 31}'])

    assert ada["rows"][0] | {"date": "2024-11-14", "status": "pre-scheduled"} == ada["rows"][0]


@pytest.mark.parametrize(
    ("contact", "why"),
    [
        ({"state": "CA"}, "the id must be a whole number"),
        ({"id": True, "state": "CA"}, "the id must be a whole number"),
        ({"id": 7}, "neither a state nor a zip_code"),
        ({"id": 7, "state": "CA\0"}, "state contains"),
        ({"id": 7, "state": "\ud800"}, "state"),
        ({"id": "7\nERROR \x1b[31m", "state": "TX"}, "the id must be a whole number"),
        ({"id": 7, "zip_code": "00000"}, "No state has the ZIP code 00000"),
        ({"id": 7, "zip_code": "9021"}, "A ZIP code has 5 digits"),
        ({"id": 7, "zip_code": 90210}, "zip_code must be text"),
        ({"id": 7, "state": "TX", "targets": [{"campaign_type": "picnic"}]}, "targets[0].campaign_type must be one of"),
        ({"id": 7, "state": "TX", "targets": [{"campaign_type": "rate_increase", "trigger_date": "soon"}]}, "targets[0].trigger_date"),
        ({"id": 7, "state": "TX", "history": [{"email_type": "aep", "date": "2024-02-30", "status": "sent"}]}, "history[0].date"),
        ({"id": 7, "state": "TX", "history": [{"email_type": "aep", "date": "2024-02-03", "status": "gone"}]}, "history[0].status"),
        ({"id": 7, "state": "TX", "events": [{"type": "clicked", "at": "yesterday noon"}]}, "events[0].at"),
        ({"id": 7, "state": "TX", "events": [{"type": "clicked", "at": "0001-01-01T00:00:00Z"}]}, "events[0].at"),
        ({"id": 7, "state": "TX", "events": [{"type": "clicked", "at": "9999-12-31T23:59:59-12:00"}]}, "events[0].at"),
        ({"id": 7, "state": "TX", "check_dates": [20240101]}, "check_dates[0] must be a date"),
        ({"id": 7, "state": "TX", "targets": "all"}, "targets must be a list"),
        ({"id": 101, "state": "TX"}, "the id 101 appears twice"),
        ("Ada", "the contact must be an object"),
        (None, "the contact must be an object"),
    ],
)
def test_a_contact_that_cannot_be_read_is_refused_and_the_others_are_answered(ask, contact, why):
    code, (ada, refused), err = ask(ADA, contact)

    assert code == 3
    assert why in refused["refused"]
    assert "Contact 2" in err
    assert "\x1b" not in err
    assert len(err.splitlines()) == 1
    assert why in err
    assert (refused["flags"], refused["rows"], refused["windows"], refused["checks"]) == (["invalid_contact"], [], [], {})
    assert len(ada["rows"]) == 5


def test_a_contact_that_is_refused_takes_nobodys_id(ask):
    _, found, err = ask({"id": "?", "state": "TX"}, {"id": 0, "state": "TX"}, {"id": 7, "state": ""}, {"id": 7, "state": "TX"})

    assert [bool(one["rows"]) for one in found] == [False, True, False, True]
    assert "twice" not in err


def test_dates_that_are_none_are_flagged_and_taken_as_missing(ask):
    code, (found,), _ = ask({"id": 7, "state": "TX", "birth_date": "1950-02-30", "effective_date": 5})

    assert code == 0
    assert found["flags"] == ["birth_date_invalid", "effective_date_invalid"]
    assert [row["email_type"] for row in found["rows"]] == ["aep"]


def test_the_zip_code_wins_over_the_state(ask):
    _, found, _ = ask(
        {"id": 1, "state": "TX", "zip_code": "90210-1234", "birth_date": "1950-01-01", "check_dates": ["2024-01-01"]},
        {"id": 2, "zip_code": "00901"},
        {"id": 3, "zip_code": "09001"},
        {"id": 4, "state": "Atlantis"},
        {"id": 5, "state": "ny"},
        {"id": 6, "state": "other"},
    )

    assert found[0]["checks"]["2024-01-01"]["excluded"]
    assert [one["flags"] for one in found] == [["state_zip_mismatch"], [], [], ["state_unknown"], [], []]
    assert {row["skip_reason"] for row in found[4]["rows"]} == {"year_round_exclusion"}


NO_CONTACTS = [
    ("{}", "must hold a JSON list"),
    ("[", "is not JSON"),
    ("\ufeff", "is not JSON"),
    ('[{"id": NaN}]', "NaN is no value"),
    ("[1e999]", "1e999 is too large a number"),
    ('[{"id": 1, "id": 2}]', "stands twice"),
]


@pytest.mark.parametrize(("content", "why"), NO_CONTACTS)
def test_a_file_that_is_no_list_of_contacts(tmp_path, content, why):
    file = tmp_path / "contacts.json"
    file.write_text(content)

    code, out, err = run("what_if", str(file))

    assert (code, out) == (1, "")
    assert why in err


def test_a_missing_file_and_a_day_that_is_none_are_wrong_usage(tmp_path):
    assert run("what_if", str(tmp_path / "none.json"))[0] == 2
    (tmp_path / "empty.json").write_text("[]")
    assert run("what_if", str(tmp_path / "empty.json"), "--today", "2024-02-30")[0] == 2
    assert run("what_if", str(tmp_path / "empty.json"), "--today", "2024-02-28", "--json")[:2] == (0, "[]\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no device that is always full")
def test_an_answer_that_cannot_be_written_is_a_failure_in_a_sentence():
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, MANAGE, "what_if", "-", "--json"], input="[]", stdout=full, stderr=subprocess.PIPE, text=True
        )

    assert done.returncode == 1
    assert done.stderr.strip().endswith("the answer could not be written: No space left on device.")
    assert "Traceback" not in done.stderr
