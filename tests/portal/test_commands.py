"""The operator's commands: what they print, how they end, and that a wrong word changes nothing while its right twin works."""

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path

import psycopg
import pytest
from django.core.management import load_command_class
from django.core.management.base import CommandError
from django.db import transaction
from django.utils import timezone

from messaging import invariants, outbox
from messaging.models import Attempt, Case, CmsNote, EmailTemplate, Message, Mode, Provider, Status
from portal import sample_data, wiring
from portal.management.commands.add_session_cms_notes import ONE_AT_A_TIME
from portal.sandbox import Sandbox
from tests.addresses import database_url

MANAGE = Path(__file__).parents[2] / "manage.py"
NOW = datetime(2026, 3, 2, 18, 0, tzinfo=UTC)
HEADER = "CMS,PV,Status,Patient,Law Firm,Attorney Email"
ADA, BEN = "101,9001,active,Ada Field,Hill Law,ada@hill.example", "102,9002,active,Ben Hill,Hill Law,ben@hill.example"


@pytest.fixture(autouse=True)
def office(settings, tmp_path):
    settings.MAIL_MODE = "test"
    settings.TEST_RECIPIENT = "inbox@portal.example"
    settings.OFFICE_PHONE, settings.OFFICE_ADDRESS = "555-0100", "1 Main St"
    settings.SPOOL_DIR = tmp_path / "spool"


@pytest.fixture
def sandbox(tmp_path, settings):
    with Sandbox(tmp_path / "sandbox") as sandbox:
        settings.EMAIL_URL = f"smtp://127.0.0.1:{sandbox.smtp_port}"
        settings.CMS_URL = f"{sandbox.http_url}/cms"
        yield sandbox


@pytest.fixture
def template(db):
    template = EmailTemplate.objects.create(name="status-request", title="Status request", kind="bulk_status_request")
    template.versions.create(number=1, subject="PID {{ pid }}", text="How is {{ patient_name }}? {{ office_phone }}")
    return template


def make_case(number: int, **facts) -> Case:
    told = {"pid": str(100 + number), "patient_name": f"Patient {number}", "firm": "Hill Law", "attorney_email": f"a{number}@hill.example"}
    return Case.objects.create(pv=str(9000 + number), **told | facts)


def drafts(*cases: Case, kind: str) -> list[outbox.Draft]:
    first = Message.objects.count()
    return [
        outbox.Draft(key=f"{kind}:{n}", kind=kind, recipient=case.attorney_email, subject="s", text="t", case=case, needs_note=True)
        for n, case in enumerate(cases, start=first)
    ]


def sender(mode: Mode) -> outbox.Sender:
    return outbox.Sender(address="office@portal.example", mode=mode, test_recipient="inbox@portal.example")


def queue(*cases: Case, kind: str = "status_request", mode: Mode = Mode.TEST) -> list[Message]:
    return outbox.queue(drafts(*cases, kind=kind), sender=sender(mode))


@transaction.atomic
def owed(*cases: Case, kind: str = "status_request", mode: Mode = Mode.TEST) -> list[CmsNote]:
    """Sent mails about these cases, their notes pending."""
    messages = [outbox.compose(draft, sender=sender(mode)) for draft in drafts(*cases, kind=kind)]
    for message in messages:
        message.status, message.sent_at = Status.SENT, timezone.now()
    return CmsNote.objects.bulk_create([CmsNote(message=message) for message in Message.objects.bulk_create(messages)])


def run(name: str, *words: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a command, as from a shell but in this process and transaction."""
    command, out, err = load_command_class("portal", name), StringIO(), StringIO()
    command._called_from_command_line = True
    try:
        options = vars(command.create_parser("manage.py", name).parse_args(list(words)))
        command.execute(**options | {"stdout": out, "stderr": err, "skip_checks": True})
    except SystemExit as end:
        return int(end.code or 0), out.getvalue(), err.getvalue()
    except CommandError as refusal:
        return refusal.returncode, out.getvalue(), err.getvalue() + str(refusal)
    return 0, out.getvalue(), err.getvalue()


def asked(name: str, *words: str) -> tuple[int, dict]:
    code, out, _ = run(name, *words, "--json")
    return code, json.loads(out)


def environment(**told: str) -> dict[str, str]:
    return os.environ | {"DATABASE_URL": database_url(), "SECRET_KEY": "k" * 60, "MAIL_MODE": "test", "DEBUG": "1"} | told


def shell(*words: str, **told: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, MANAGE, *words], env=environment(**told), capture_output=True, text=True, timeout=60, check=False
    )


# Wrong numbers and words, each beside its right twin.

NUMBERS = [  # the command, the option, a number that is taken
    (("send_due_messages",), "--limit", "1"),
    (("send_due_messages", "--limit=1"), "--seconds", "1"),
    (("add_session_cms_notes",), "--limit", "10000"),
    (("check_pending_cms",), "--limit", "0"),
    (("bulk_send", "--template=status-request", "--firm=Hill Law"), "--limit", "1"),
]


@pytest.mark.parametrize("wrong", ["-1", "abc", "1e3", "1.5", "", "٣", "1_0", "99999999999999999999"])
@pytest.mark.parametrize(("words", "option", "right"), NUMBERS)
def test_cmd_01_a_number_out_of_range_is_wrong_usage_and_its_twin_is_taken(template, sandbox, capsys, words, option, right, wrong):
    assert run(*words, f"{option}={wrong}")[0] == 2
    said = capsys.readouterr().err
    assert f"argument {option}: must be a whole number" in said
    assert repr(wrong) in said
    assert run(*words, f"{option}={right}")[0] == 0


WORDS = [  # a command that is refused, what it says, its twin
    (["--template=nope", "--pid=101"], "There is: status-request.", ["--template=status-request", "--pid=101"]),
    (
        ["--template=status-request", "--pid=10a"],
        "--pid must be digits 0-9 only; got '10a'",
        ["--template=status-request", "--pid", "101,102"],
    ),
    (["--template=status-request", "--pv="], "Say which cases", ["--template=status-request", "--pv=9001"]),
    (["--template=status-request", "--firm= "], "Say which cases", ["--template=status-request", "--firm=hill law"]),
    (
        ["--template=status-request"],
        "one of the arguments --category --firm --pid --pv is required",
        ["--template=status-request", "--pid=101"],
    ),
    (["--template=status-request", "--pid=1", "--firm=F"], "not allowed with argument", ["--template=status-request", "--firm=F"]),
    (["--template=status-request", "--category=urgent"], "invalid choice: 'urgent'", ["--template=status-request", "--category=critical"]),
    (
        ["--template=status-request", "--pid=1", "--mode=live"],
        "invalid choice: 'live'",
        ["--template=status-request", "--pid=1", "--mode=test"],
    ),
    (["--template=status-request", "--pid=1", "--shout"], "unrecognized arguments: --shout", ["--template=status-request", "--pid=1"]),
]


@pytest.mark.parametrize(("wrong", "says", "right"), WORDS)
def test_a_batch_that_is_asked_for_wrongly_is_wrong_usage_and_its_twin_works(template, capsys, wrong, says, right):
    make_case(1)

    code, _, err = run("bulk_send", *wrong, "--yes")

    assert code == 2
    assert says in err + capsys.readouterr().err
    assert Message.objects.count() == 0
    assert run("bulk_send", *right)[0] == 0


def test_production_mail_is_refused_under_the_ceiling_and_queued_without_it(template, settings):
    make_case(1)
    words = ("bulk_send", "--template=status-request", "--pid=101", "--mode=production", "--yes")

    code, out, err = run(*words)
    assert (code, out, Message.objects.count()) == (2, "", 0)
    assert "To write to customers, set MAIL_MODE=production." in err

    settings.MAIL_MODE = "production"
    assert run(*words)[0] == 0
    assert [(message.is_test, message.recipient) for message in Message.objects.all()] == [(False, "a1@hill.example")]


# bulk_send and bulk_stats


def test_a_batch_is_only_previewed_until_yes_is_said(template):
    for number in range(1, 13):
        make_case(number)
    words = ("bulk_send", "--template=status-request", "--firm=Hill Law")

    code, out, _ = run(*words)
    assert (code, Message.objects.count()) == (0, 0)
    assert "+2 more" in out
    assert "Nothing was queued. Add --yes to queue 12 in test mode." in out

    code, facts = asked(*words, "--yes", "--limit=11")
    assert (code, facts["queued"], len(facts["preview"])) == (0, 11, 10)
    assert facts["preview"][0] | {"pid": "", "pv": "", "patient": "", "subject": ""} == {
        **dict.fromkeys(("pid", "pv", "patient", "subject"), ""),
        "for": facts["preview"][0]["for"],
        "to": "inbox@portal.example",
    }
    assert facts["skipped"] == [{"what": "1 more case", "why": "over the limit of 11"}]
    assert Message.objects.filter(session=facts["session"], status="queued").count() == 11


def test_a_batch_is_exported_with_its_texts_and_what_is_left_out(template, tmp_path):
    make_case(1)

    assert run("bulk_send", "--template=status-request", "--pid", "101", "555", f"--export={tmp_path / 'batch.json'}")[0] == 0

    told = json.loads((tmp_path / "batch.json").read_text())
    assert [(mail["pv"], mail["recipient"], mail["text"][:19]) for mail in told["mails"]] == [
        ("9001", "a1@hill.example", "How is Patient 1? 5")
    ]
    assert told["skipped"] == [{"what": "PID 555", "why": "no case has this PID"}]
    assert run("bulk_send", "--template=status-request", "--pid=101", f"--export={tmp_path / 'no' / 'batch.json'}")[0] == 1


def test_a_law_firm_that_nobody_knows_is_named(template):
    make_case(1)

    (left_out,) = asked("bulk_send", "--template=status-request", "--firm=Nobody & Sons")[1]["skipped"]

    assert left_out == {"what": "Nobody & Sons", "why": "no case has this law firm"}
    assert asked("bulk_send", "--template=status-request", "--firm=HILL law")[1]["skipped"] == []


def test_cron_is_alerted_where_every_case_that_was_named_is_left_out(template):
    make_case(1, attorney_email="")
    words = ("bulk_send", "--template=status-request", "--pid=101")

    assert [run(*words)[0], run(*words, "--yes")[0]] == [0, 3]
    Case.objects.update(attorney_email="jo@stone.example")
    assert asked(*words, "--yes")[0] == 0


def test_the_stats_keep_test_and_production_apart(template):
    first, second = make_case(1), make_case(2)
    run("bulk_send", "--template=status-request", "--pid=101", "--yes")
    owed(second, mode=Mode.PRODUCTION)
    queue(first, kind="follow_up", mode=Mode.PRODUCTION)

    code, facts = asked("bulk_stats")

    assert code == 0
    assert (facts["mode"], facts["test_recipient"]) == ("test", "inbox@portal.example")
    assert {name: facts["test"][name] for name in ("queued", "sent", "failed", "in_doubt")} == {
        "queued": 1,
        "sent": 0,
        "failed": 0,
        "in_doubt": 0,
    }
    assert (facts["production"]["queued"], facts["production"]["sent"]) == (1, 1)
    assert (facts["sent_this_session"], facts["sent_all_time"]) == (0, 1)
    assert facts["categories"]["recently_sent"] == 1
    assert "Production: 1 queued, 1 sent" in run("bulk_stats")[1]


# The CMS commands


def test_s0_007_with_none_pending_all_emails_have_notes(db):
    code, out, _ = run("check_pending_cms")

    assert code == 0
    assert out.startswith("All emails have CMS notes!\n")


def test_s0_001_two_mails_for_one_pid_are_two_pending_notes_and_cron_is_alerted(db):
    first, second, third = make_case(1), make_case(2), make_case(3, pid="")
    owed(first, first, second)
    owed(third, kind="follow_up", mode=Mode.PRODUCTION)

    code, facts = asked("check_pending_cms")

    assert code == 3
    assert facts == {
        "pending": 4,
        "needs_pid": 1,
        "unknown": 0,
        "processed": 0,
        "notes": 0,
        "by_type": {"follow_up": 1, "test_status_request": 3},
        "test": 3,
        "production": 1,
    }


def test_pending_notes_are_shown_by_type_the_oldest_first_and_the_rest_counted(db):
    owed(*[make_case(number) for number in range(1, 8)])

    code, out, _ = run("check_pending_cms", "--limit=2")

    assert code == 3
    assert "test_status_request: 7\n  PID 101  inbox@portal.example  since " in out
    assert out.rstrip().endswith("+5 more")
    assert "+2 more" in run("check_pending_cms")[1]
    assert "PID 101" not in run("check_pending_cms", "--limit=0")[1]


@pytest.mark.django_db(transaction=True)
def test_s0_002_notes_that_fail_stay_pending_and_the_others_are_processed(sandbox):
    owed(make_case(1), make_case(2), make_case(3))
    sandbox.use(notes={"table": {"102": "422x1"}})

    code, facts = asked("add_session_cms_notes")

    assert code == 3
    assert facts == {"attempted": 3, "processed": 2, "failed": 1, "unknown": 0, "pending": 1}
    assert [note["pid"] for note in sandbox.note_ledger()] == ["101", "103"]
    assert CmsNote.objects.pending().get().attempts == 1

    code, facts = asked("add_session_cms_notes")  # a person asks: no wait, no pause is in the way
    assert (code, facts["processed"], facts["pending"]) == (0, 1, 0)
    assert asked("check_pending_cms")[1] | {"by_type": {}} == {
        **{"pending": 0, "needs_pid": 0, "unknown": 0, "processed": 3, "notes": 3, "test": 0, "production": 0},
        "by_type": {},
    }


@pytest.mark.django_db(transaction=True)
def test_cms_down_all_notes_stay_pending_and_a_pause_does_not_stop_the_next_person(sandbox):
    owed(make_case(1), make_case(2))
    sandbox.use(notes={"modes": ["429-60"]})

    assert asked("add_session_cms_notes")[1]["pending"] == 2
    assert Provider.objects.get(name="cms").paused_until is not None
    sandbox.use(notes={})

    assert asked("add_session_cms_notes") == (0, {"attempted": 2, "processed": 2, "failed": 0, "unknown": 0, "pending": 0})


@pytest.mark.django_db(transaction=True)
def test_cmd_07_while_another_tries_all_notes_this_one_says_so_and_ends(sandbox):
    owed(make_case(1))

    with psycopg.connect(environment()["DATABASE_URL"]) as other:
        other.execute("SELECT pg_advisory_lock(%s)", [ONE_AT_A_TIME])
        code, facts = asked("add_session_cms_notes")
        other.execute("SELECT pg_advisory_unlock(%s)", [ONE_AT_A_TIME])  # a connection that closes gives it back a moment later
    assert (code, facts["already_running"], facts["attempted"], sandbox.note_ledger()) == (0, True, 0, [])

    assert asked("add_session_cms_notes")[1]["processed"] == 1


@pytest.mark.django_db(transaction=True)
def test_a_limit_of_notes_is_kept(sandbox):
    owed(make_case(1), make_case(2), make_case(3))

    code, facts = asked("add_session_cms_notes", "--limit=2")

    assert (code, facts["attempted"], facts["pending"]) == (3, 2, 1)


def test_the_logs_are_written_and_a_folder_that_cannot_be_is_told(db, tmp_path):
    owed(make_case(1))
    (tmp_path / "file").touch()

    code, facts = asked("cms_logs", f"--out={tmp_path / 'logs'}")
    refused, out, err = run("cms_logs", f"--out={tmp_path / 'file' / 'logs'}")

    assert (code, facts["files"]["session_emails_pending.log"], facts["files"]["test_emails.log"]) == (0, 1, 1)
    assert (tmp_path / "logs" / "session_emails_pending.log").read_text().count("PID: 101") == 1
    assert (refused, out) == (1, "")
    assert "Choose another folder with --out." in err
    (tmp_path / "logs" / "sent_emails.log").unlink()
    (tmp_path / "logs" / "sent_emails.log").mkdir()
    before = (tmp_path / "logs" / "session_emails_pending.log").stat().st_mtime_ns
    assert f"Cannot write to {tmp_path / 'logs' / 'sent_emails.log'}: Is a directory." in run("cms_logs", f"--out={tmp_path / 'logs'}")[2]
    assert (tmp_path / "logs" / "session_emails_pending.log").stat().st_mtime_ns == before


# recover_cms


@pytest.fixture
def old_logs(db, tmp_path) -> dict[str, str]:
    for number in (1, 2, 3):
        make_case(number)
    at = "[2025-01-31 09:05:07]"
    files = {
        "sent": "".join(f"900{n} | jo@stone.example | Status | gm{n}\n" for n in (1, 2, 3)),
        "test": "TEST MODE | 9001 | inbox@portal.example | jo@stone.example | Status | gm4\n",
        "pending": f"{at} PID: 102 | Email Type: bulk_status_request | Sent to: jo@stone.example\n\n",
        "processed": f"{at} PROCESSED - PID: 101 | Email Type: bulk_status_request | Sent to: jo@stone.example\n",
        "map": "PV,PID\n9001,101\n9002,102\n9003,103\n",
    }
    for name, text in files.items():
        (tmp_path / f"{name}.log").write_text(text)
    return {name: f"--{name}{'' if name == 'map' else '-log'}={tmp_path / f'{name}.log'}" for name in files}


def test_lost_mails_are_listed_then_taken_in_once(old_logs):
    words = [old_logs[name] for name in ("sent", "pending", "processed", "map")]

    code, facts = asked("recover_cms", *words)
    assert code == 3
    assert (facts["sent"], facts["processed"], facts["pending"], [mail["pid"] for mail in facts["lost"]]) == (3, 1, 1, ["103"])
    assert CmsNote.objects.count() == 0

    assert [(code, facts["requeued"], facts["already"]) for code, facts in (asked("recover_cms", *words, "--requeue") for _ in "12")] == [
        (0, 2, 0),
        (0, 0, 2),
    ]
    assert sorted(CmsNote.objects.values_list("message__case__pid", flat=True)) == ["102", "103"]
    assert asked("verify_invariants")[0] == 0


def test_without_a_map_the_portals_own_cases_are_used(old_logs):
    _, facts = asked("recover_cms", old_logs["sent"], old_logs["test"], old_logs["processed"])

    assert [(mail["pid"], mail["is_test"]) for mail in facts["lost"]] == [("102", False), ("103", False), ("101", True)]


def test_a_mail_whose_case_is_not_here_needs_attention_until_the_case_is(old_logs):
    Case.objects.filter(pv="9003").delete()
    words = ("recover_cms", old_logs["sent"], old_logs["map"], "--requeue")

    code, out, _ = run(*words)
    assert code == 3
    assert "No case in the portal for PID 103, PV 9003: import it first." in out

    make_case(3)
    assert run(*words)[0] == 0


BROKEN = [  # the file, its text, exit code, what is said
    ("sent", "9001 jo@stone.example\n", 1, "sent.log: Line 1: expected 'PV digits | recipient"),
    (
        "pending",
        "[2025-02-30 09:05:07] PID: 1 | Email Type: a | Sent to: b\n",
        1,
        "pending.log: Line 1: '2025-02-30 09:05:07' is not a date",
    ),
    ("sent", "9001 |  | Status | gm1\n", 1, "sent.log: Line 1, recipient is required."),
    ("test", f"TEST MODE | 9001 | t@x.example | a@x.example | {'s' * 401} | gm4\n", 1, "test.log: Line 1, subject is 401 characters"),
    (
        "pending",
        "[2099-01-31 09:05:07] PID: 102 | Email Type: a | Sent to: a@x.example\n",
        1,
        "pending.log: Line 1: 2099-01-31 09:05:07 has not come",
    ),
    ("map", "PV,PID\n9001,9001\n", 1, "map.log: Row 2: PV and PID are both 9001"),
    ("pending", "\xff", 1, "pending.log: Line 1: expected"),
    ("map", "PV\n9001\n", 1, "map.log: Column 'PID' is missing."),
    ("map", "PV,PID\n9001,10a\n", 1, "map.log: Row 2, column 'PID' must be digits"),
    ("map", "PV,PID\n9001,101\n9001,102\n", 1, "map.log: Row 3 says PV 9001 is PID 102, but row 2 says PV 9001 is PID 101."),
    ("map", "PV,PID\n9001,101\n9002,101\n", 1, "map.log: Row 3 says PV 9002 is PID 101, but row 2 says PV 9001 is PID 101."),
    ("map", "PV,PID\n9001\n", 1, "map.log: Row 2 has 1 values, the header has 2."),
]


@pytest.mark.parametrize(("name", "text", "code", "says"), BROKEN)
def test_a_log_that_cannot_be_read_is_refused_and_nothing_is_taken_in(old_logs, tmp_path, name, text, code, says):
    right = (tmp_path / f"{name}.log").read_text()
    (tmp_path / f"{name}.log").write_text(text)

    words = ("recover_cms", *old_logs.values(), "--requeue")
    refused = run(*words)
    assert (refused[0], refused[1], Message.objects.count()) == (code, "", 0)
    assert says in refused[2]

    (tmp_path / f"{name}.log").write_text(right)
    assert run(*words)[0] == 0


def test_recovery_without_a_log_or_with_one_that_is_not_there_is_wrong_usage(old_logs, tmp_path):
    assert run("recover_cms", old_logs["processed"])[0] == 2
    code, _, err = run("recover_cms", f"--sent-log={tmp_path / 'gone.log'}")
    assert (code, err) == (2, f"Cannot read {tmp_path / 'gone.log'}: No such file or directory. Name a file that is there and may be read.")


# import_cases, load_sample_data, verify_invariants


def test_cases_are_imported_and_the_same_file_again_changes_nothing(db, tmp_path):
    file = tmp_path / "cases.csv"
    file.write_text(f"{HEADER}\n{ADA}\n{BEN}\n")

    first, again = asked("import_cases", str(file)), asked("import_cases", str(file), "--resume")

    assert [
        (code, facts["rows"], facts["new"], facts["changed"], facts["unchanged"], facts["refused"]) for code, facts in (first, again)
    ] == [
        (0, 2, 2, 0, 0, 0),
        (0, 2, 0, 0, 2, 0),
    ]
    assert (first[1]["refused_file"], first[1]["peak_rss_mb"] > 1, first[1]["seconds"] >= 0) == (None, True, True)


def test_refused_rows_are_told_and_written_to_a_file_that_is_corrected_and_imported(db, tmp_path):
    file = tmp_path / "cases.csv"
    file.write_text(f"{HEADER}\n{ADA}\n{BEN.replace('9002', '9oo2')}\n")

    code, _, err = run("import_cases", str(file))
    refused = tmp_path / "cases.refused.csv"
    assert (code, Case.objects.count()) == (3, 1)
    assert "Row 3, column 'PV' must be digits 0-9 only; got '9oo2'." in err

    corrected = tmp_path / "corrected.csv"
    corrected.write_text(refused.read_text().replace(",9oo2", ",9002"))
    assert asked("import_cases", str(corrected))[1]["new"] == 1


def test_where_one_refused_row_stops_all_the_file_itself_is_to_be_corrected(db, tmp_path):
    file = tmp_path / "cases.csv"
    file.write_text(f"{HEADER}\n{ADA}\n{BEN.replace('9002', '9oo2')}\n")

    said = run("import_cases", str(file), "--all-or-nothing")[1]

    assert "correct them in the file itself and import it again" in said


@pytest.mark.parametrize(("option", "exit_code"), [("--dry-run", 3), ("--all-or-nothing", 1)])
def test_nothing_is_imported_by_a_dry_run_or_where_one_refused_row_stops_all(db, tmp_path, option, exit_code):
    file = tmp_path / "cases.csv"
    file.write_text(f"{HEADER}\n{ADA}\n{BEN.replace('9002', '')}\n")
    assert (asked("import_cases", str(file), option)[0], Case.objects.count()) == (exit_code, 0)
    assert (tmp_path / "cases.refused.csv").exists() == (option == "--all-or-nothing")

    file.write_text(f"{HEADER}\n{ADA}\n{BEN}\n")
    code, facts = asked("import_cases", str(file), option)
    assert (code, facts["new"], Case.objects.count()) == (0, 2, 0 if option == "--dry-run" else 2)


@pytest.mark.parametrize(
    ("option", "told"), [((), "1 rows are new, 0 changed, 0 unchanged, 1 were"), (("--all-or-nothing",), "Nothing was imported, 1 were")]
)
def test_where_refused_rows_cannot_be_written_what_was_done_is_told(db, tmp_path, option, told):
    file = tmp_path / "cases.csv"
    file.write_text(f"{HEADER}\n{ADA}\n{BEN.replace('9002', '9oo2')}\n")
    (tmp_path / "cases.refused.csv").mkdir()

    code, out, err = run("import_cases", str(file), *option)
    assert (code, out, Case.objects.count()) == (1, "", 0 if option else 1)
    assert f"{told} refused. Cannot write {tmp_path / 'cases.refused.csv'}: Is a directory." in err

    left = tmp_path / "left.csv"
    assert asked("import_cases", str(file), "--refused-file", str(left))[1]["refused"] == 1
    assert "9oo2" in left.read_text()


def test_a_file_that_is_not_there_or_not_a_table_imports_nothing(db, tmp_path):
    file = tmp_path / "cases.csv"

    assert run("import_cases", str(file))[0] == 2
    file.write_text("CMS;PV\n1;2")
    code, out, err = run("import_cases", str(file))
    assert (code, out, err) == (
        1,
        "",
        "cases.csv: The separator looks like a semicolon. Save the file as comma-separated values. Nothing was imported.",
    )


def test_the_sample_data_is_loaded_once(db):
    assert asked("load_sample_data") == (
        0,
        {"cases": len(sample_data.case_rows(today=NOW.date())), "templates": 16, "quotes": 12, "contacts": 2_000},
    )
    Case.objects.filter(pv="73812").update(attorney_email="changed@by.example")

    assert asked("load_sample_data") == (0, {"cases": 0, "templates": 0, "quotes": 0, "contacts": 0})
    assert Case.objects.get(pv="73812").attorney_email == "changed@by.example"
    assert EmailTemplate.objects.get(name="status-request").current.number == 1
    assert run("bulk_send", "--template=status-request", "--category=critical", "--limit=3")[1].count("Status of ") == 3


def test_a_broken_promise_is_named_and_cron_is_alerted(db):
    (note,) = owed(make_case(1))
    facts = {"number": 1, "round": 1, "token": uuid.uuid4(), "phase": "accepted", "ended_at": NOW}
    Attempt.objects.create(message_id=note.message_id, **facts)
    Message.objects.update(attempts=1, tries=1)
    every = len(invariants.chosen(*wiring.invariants()))
    assert every > 30
    assert asked("verify_invariants")[1] == {"checked": every, "violated": {}, "examples": {}}

    CmsNote.objects.update(created_at=NOW - timedelta(days=4000))

    code, facts = asked("verify_invariants", "--drained")
    assert (code, facts["checked"], facts["violated"], facts["examples"]["I-26"]["ids"]) == (3, every + 5, {"I-26": 1}, [note.pk])
    assert asked("verify_invariants", "--fast")[1]["checked"] < every


# send_due_messages


@pytest.mark.django_db(transaction=True)
def test_what_is_due_is_sent_and_counted(sandbox):
    queue(*[make_case(number) for number in range(1, 6)])

    code, facts = asked("send_due_messages", "--limit=2")
    assert (code, facts["claimed"], facts["sent"]) == (0, 2, 2)

    code, facts = asked("send_due_messages", "--until-empty")
    assert {name: facts[name] for name in ("claimed", "sent", "requeued", "failed", "in_doubt")} == {
        **{"claimed": 3, "sent": 3, "requeued": 0, "failed": 0, "in_doubt": 0}
    }
    assert len(sandbox.mail_ledger()) == 5
    assert facts["per_second"] > 0
    assert CmsNote.objects.pending().count() == 5


FAULTS = [("refuse-550", "failed", 3), ("drop-before-accept", "in_doubt", 3), ("refuse-451", "requeued", 0)]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("fault", "counted", "exit_code"), FAULTS)
def test_cron_is_alerted_when_a_message_failed_or_is_in_doubt(sandbox, fault, counted, exit_code):
    sandbox.use(mail={"modes": [f"{fault}x1"]})
    queue(make_case(1), make_case(2))

    code, facts = asked("send_due_messages")

    assert (code, facts[counted], facts["sent"]) == (exit_code, 1, 1)


@pytest.mark.django_db(transaction=True)
def test_without_a_mail_server_everything_stays_queued_and_cron_is_alerted(sandbox):
    sandbox.use(mail={"modes": ["down"]})
    queue(make_case(1))

    code, facts = asked("send_due_messages")

    assert (code, facts["sent"], Message.objects.get().status) == (3, 0, "queued")


def left_by_a_vanished_worker(message: Message, *, status: Status) -> None:
    row = Message.objects.filter(pk=message.pk)
    row.move(Status.CLAIMED, lease=uuid.uuid4(), leased_until=NOW, claims=1)
    if status == Status.TRANSMITTING:
        row.move(status, tries=1, attempts=1, transmitting_since=NOW)


@pytest.mark.django_db(transaction=True)
def test_what_a_vanished_worker_had_claimed_is_sent_by_the_command_alone(sandbox):
    (message,) = queue(make_case(1))
    left_by_a_vanished_worker(message, status=Status.CLAIMED)

    code, facts = asked("send_due_messages")

    assert (code, facts["sent"], Message.objects.get().status) == (0, 1, "sent")
    assert len(sandbox.mail_ledger()) == 1


@pytest.mark.django_db(transaction=True)
def test_a_doubt_that_a_vanished_worker_left_alerts_cron_and_is_not_sent(sandbox):
    (message,) = queue(make_case(1))
    left_by_a_vanished_worker(message, status=Status.TRANSMITTING)

    code, said, _ = run("send_due_messages")

    assert (code, Message.objects.get().status) == (3, "in_doubt")
    assert "1 that a vanished worker left" in said
    assert sandbox.mail_ledger() == []


# In a shell of their own


@contextmanager
def started(*words: str, **told: str):
    process = subprocess.Popen(
        [sys.executable, MANAGE, *words], env=environment(**told), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_cmd_09_told_to_stop_it_finishes_the_mail_in_hand_and_prints_its_counts(sandbox, tmp_path, number):
    queue(*[make_case(number) for number in range(1, 21)])
    told = {"EMAIL_URL": f"smtp://127.0.0.1:{sandbox.smtp_port}", "MAIL_PAUSE_SECONDS": "0.3", "SPOOL_DIR": str(tmp_path / "spool")}

    with started("send_due_messages", "--until-empty", "--json", **told) as process:
        give_up_at = time.monotonic() + 30
        while not sandbox.mail_ledger() and time.monotonic() < give_up_at:
            time.sleep(0.05)
        process.send_signal(number)
        out, err = process.communicate(timeout=30)

    facts = json.loads(out)
    assert process.returncode == 1
    assert "Stopping after what is in hand" in err
    assert 0 < facts["sent"] < 20
    assert facts["sent"] == len(sandbox.mail_ledger()) == Message.objects.sent().count()
    assert Message.objects.filter(status="queued").count() == 20 - facts["sent"]


@pytest.mark.django_db(transaction=True)
def test_json_is_one_document_on_stdout_and_progress_stays_on_stderr(tmp_path):
    (tmp_path / "cases.csv").write_text(f"{HEADER}\n{ADA}\n{BEN.replace('9002', '')}\n")

    done = shell("import_cases", str(tmp_path / "cases.csv"), "--json")

    assert done.returncode == 3
    assert json.loads(done.stdout)["refused"] == 1
    assert "1 of 2 rows" in done.stderr


def test_cmd_08_without_a_database_it_says_so_without_a_traceback(db):
    done = shell("check_pending_cms", DATABASE_URL="postgres://nobody@127.0.0.1:1/nothing")

    assert (done.returncode, done.stdout) == (1, "")
    assert "The database did not take it" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("words", [("bulk_stats",), ("sync_cadence",), ("export_messages",), ("bulk_stats", "--json")], ids=" ".join)
def test_an_answer_that_cannot_be_written_is_a_sentence_and_one_that_nobody_wants_is_none(words):
    def ended(out: str) -> subprocess.CompletedProcess[str]:
        line = f'"$0" "$@" {out}'
        told = {"env": environment(), "stderr": subprocess.PIPE, "text": True, "timeout": 60, "check": False}
        return subprocess.run(["/bin/sh", "-c", line, sys.executable, str(MANAGE), *words], **told)  # type: ignore[call-overload]

    full, closed = ended(">/dev/full"), ended(">&-")

    assert (full.returncode, "could not be written: No space left on device" in full.stderr, "Traceback" in full.stderr) == (1, True, False)
    assert (closed.returncode, closed.stderr) == (0, "")


@pytest.mark.parametrize("words", [("read_bounces",), ("set_config", "timing", "--file", "-"), ("what_if", "-")], ids=" ".join)
@pytest.mark.django_db(transaction=True)
def test_nothing_to_read_is_wrong_usage(words):
    closed = ["/bin/sh", "-c", '"$0" "$@" <&-', sys.executable, str(MANAGE), *words]
    done = subprocess.run(closed, env=environment(), capture_output=True, text=True, timeout=60, check=False)

    assert (done.returncode, "standard input is closed" in done.stderr, "Traceback" in done.stderr) == (2, True, False)


@pytest.mark.parametrize("name", ["x" * 300, "loop", ""])
@pytest.mark.parametrize(
    "words",
    [
        ("import_cases", "F", "--refused-file"),
        ("export_messages", "--out"),
        ("backup_database", "--to"),
        ("verify_backup",),
        ("cms_logs", "--out"),
    ],
    ids=" ".join,
)
def test_a_name_that_no_file_can_have_is_wrong_usage(db, tmp_path, words, name):
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "cases.csv").write_text(f"{HEADER}\n{ADA}\n")
    named = str(tmp_path / name) if name else ""

    assert run(*(str(tmp_path / "cases.csv") if word == "F" else word for word in words), named)[0] == 2
    assert Case.objects.count() == 0


def test_the_longest_name_that_a_file_can_have_is_written(db, tmp_path):
    file = tmp_path / ("x" * 255)

    assert run("export_messages", f"--out={file}")[0] == 0
    assert file.stat().st_size > 0


@pytest.mark.django_db(transaction=True)
def test_cmd_16_a_reader_that_has_gone_is_no_error():
    reading, writing = os.pipe()
    os.close(reading)

    done = subprocess.run(
        [sys.executable, MANAGE, "bulk_stats"],
        env=environment(),
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )
    os.close(writing)

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "words", [("send_due_messages", "--wrong"), ("bulk_send",), ("import_cases",), ("cms_logs",), ("cms_logs", "--out=")], ids=" ".join
)
def test_cmd_17_wrong_usage_shows_the_usage(db, capsys, words):
    assert run(*words)[0] == 2
    assert capsys.readouterr().err.startswith(f"usage: manage.py {words[0]}")
