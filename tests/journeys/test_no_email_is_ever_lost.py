"""The scenarios this portal was built for: whatever fails, every e-mail has its note in the end, and never two.

Workers are real processes that are killed, the mail server and the case-management system (CMS) are real servers, and nobody is told
anything but what stands in the database.
"""

import os
import signal
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.models import F
from django.db.models.functions import Now

from messaging import decisions, delivery, faults, notes, reaper
from messaging.gateways.cms import HttpCms
from messaging.gateways.mail import MailServer
from messaging.models import CmsNote, Message, Mode, NoteStatus, Provider, Status, Verdict
from messaging.retry import RetryPolicy
from portal.sandbox import Sandbox
from tests.factories import SENDER, make_case, make_message
from tests.vectors import expected

pytestmark = pytest.mark.django_db(transaction=True)
LATER = timedelta(hours=2)  # longer than every lease and settle time


def test_s0_001_two_emails_for_one_pid_are_two_notes(office):
    one, other = make_case(pid="11"), make_case(pid="12")
    for case in (one, one, other):
        make_message(case=case)

    office.send()

    assert office.counts() == expected("S0-001")
    office.add_notes()
    assert sorted(line["pid"] for line in office.outside.note_ledger()) == ["11", "11", "12"]


def test_s0_002_partial_failure_only_the_failed_one_stays(office):
    messages = [make_message(case=make_case()) for _ in range(3)]
    office.send()
    second = CmsNote.objects.get(message=messages[1])
    office.outside.use(notes={"table": {str(second.reference): "422"}})

    office.add_notes()

    second.refresh_from_db()
    assert office.counts() | {"pending_attempts_on_2nd": second.attempts} == expected("S0-002")
    assert (second.status, bool(second.error)) == (NoteStatus.PENDING, True)


def test_s0_007_with_nothing_pending_the_command_says_so(office, capsys):
    make_message(case=make_case())
    office.send()
    office.add_notes()
    capsys.readouterr()

    call_command("check_pending_cms")

    assert expected("S0-007")["contains"] in capsys.readouterr().out


def test_s0_016_a_note_for_pid_12_never_confirms_pid_123(office):
    for pid in ("12", "123"):
        make_message(case=make_case(pid=pid))
    office.send()
    office.outside.use(notes={"table": {"123": "422"}})

    office.add_notes()

    still_pending = [int(pid) for pid in CmsNote.objects.pending().values_list("message__case__pid", flat=True)]
    assert {"still_pending": still_pending} == expected("S0-016")


def test_cms_down_all_notes_stay_and_are_added_when_it_is_back(office):
    for _ in range(3):
        make_message(case=make_case())
    office.send()
    office.outside.use(notes={"modes": ["down"]})

    for _ in range(3):
        office.add_notes()
        office.time_passes()
    assert office.counts() == {"pending": 3, "processed": 0, "cms_notes": 0}

    office.outside.use(notes={})
    office.time_passes()
    office.add_notes()
    assert office.counts() == {"pending": 0, "processed": 3, "cms_notes": 3}


def test_crash_between_send_and_note_the_note_is_still_owed(office):
    make_message(case=make_case())

    assert office.dies(office.send, "mail.after_result_commit=kill")

    assert (Message.objects.get().status, office.counts()) == (Status.SENT, {"pending": 1, "processed": 0, "cms_notes": 0})
    office.add_notes()
    assert office.counts() == {"pending": 0, "processed": 1, "cms_notes": 1}


def test_crash_when_the_server_had_said_yes_and_the_database_did_not_know_yet(office):
    make_message(case=make_case())

    assert office.dies(office.send, "mail.after_journal=kill")

    assert Message.objects.get().status == Status.TRANSMITTING
    office.time_passes()
    assert (Message.objects.get().status, len(office.outside.mail_ledger())) == (Status.SENT, 1)
    office.add_notes()
    assert office.counts() == {"pending": 0, "processed": 1, "cms_notes": 1}


def test_crash_in_the_gap_that_nobody_can_close_is_a_doubt_that_a_person_settles(office):
    make_message(case=make_case())

    assert office.dies(office.send, "mail.after_body=kill")

    office.time_passes()
    assert (Message.objects.get().status, office.counts()) == (Status.IN_DOUBT, {"pending": 0, "processed": 0, "cms_notes": 0})
    decisions.decide(Message.objects.in_doubt(), verdict=Verdict.MARK_AS_SENT, reason="the firm has it", source="test")
    office.add_notes()
    assert (len(office.outside.mail_ledger()), office.counts()) == (1, {"pending": 0, "processed": 1, "cms_notes": 1})


CRASHES_BEFORE_THE_BODY = ["claim.after_commit", "mail.after_connect", "mail.after_rcpt", "mail.before_fence"]


@pytest.mark.parametrize("point", CRASHES_BEFORE_THE_BODY)
def test_crash_before_the_body_is_sent_once_by_the_next_worker(office, point):
    make_message(case=make_case())

    assert office.dies(office.send, f"{point}=kill")

    assert office.outside.mail_ledger() == []
    office.time_passes()
    office.send()
    assert (Message.objects.get().attempts, len(office.outside.mail_ledger()), office.counts()["pending"]) == (1, 1, 1)


def test_crash_after_the_note_before_our_commit_is_one_note(office):
    make_message(case=make_case())
    office.send()

    assert office.dies(office.add_notes, "cms.after_post=kill")

    assert office.counts() == {"pending": 1, "processed": 0, "cms_notes": 1}
    office.time_passes()
    office.add_notes()
    assert office.counts() == {"pending": 0, "processed": 1, "cms_notes": 1}


def test_network_loss_after_the_note_left_is_one_note(office):
    make_message(case=make_case())
    office.send()
    office.outside.use(notes={"modes": ["drop-after-commitx1"]})

    office.add_notes()

    assert office.counts() == {"pending": 1, "processed": 0, "cms_notes": 1}
    office.time_passes()
    office.add_notes()
    assert office.counts() == {"pending": 0, "processed": 1, "cms_notes": 1}


def test_network_loss_while_sending_is_never_a_second_mail_by_itself(office):
    make_message(case=make_case())
    office.outside.use(mail={"modes": ["drop-after-acceptx1"]})

    for _ in range(3):
        office.send()
        office.time_passes()

    assert (Message.objects.get().status, len(office.outside.mail_ledger())) == (Status.IN_DOUBT, 1)


def test_an_email_without_a_pid_is_pending_until_somebody_fills_it_in(office):
    message = make_message(case=make_case(pid=""))
    office.send()

    office.add_notes()

    assert (office.counts(), CmsNote.objects.needs_pid().count()) == ({"pending": 1, "processed": 0, "cms_notes": 0}, 1)
    message.case.pid = "4711"
    message.case.save()
    office.add_notes()
    assert [line["pid"] for line in office.outside.note_ledger()] == ["4711"]


def test_test_and_production_are_two_mails_to_two_addresses_with_two_notes(office):
    case = make_case()
    for mode in (Mode.TEST, Mode.PRODUCTION):
        make_message(key="status:1", case=case, sender=SENDER.__class__(**vars(SENDER) | {"mode": mode}))

    office.send()
    office.add_notes()

    told = {(message.key, message.is_test, message.email_type) for message in Message.objects.all()}
    assert told == {("test:status:1", True, "test_status_request"), ("status:1", False, "status_request")}
    assert {line["recipient"] for line in office.outside.mail_ledger()} == {"inbox@portal.example", "anna@firm.example"}
    assert sorted("🧪 TEST MODE" in line["text"] for line in office.outside.note_ledger()) == [False, True]


class Office:
    """The portal between the two outside systems."""

    def __init__(self, outside: Sandbox, folder: Path) -> None:
        self.outside, self.spool = outside, folder / "spool"

    def send(self) -> None:
        server = MailServer(name="primary", host="127.0.0.1", port=self.outside.smtp_port)
        terms = {"policy": RetryPolicy(), "lease": timedelta(minutes=11), "spool_dir": self.spool}
        delivery.send_due(delivery.Terms(servers=[server], **terms))

    def add_notes(self) -> None:
        client = HttpCms(url=f"{self.outside.http_url}/cms")
        waits = {"lease": timedelta(minutes=2), "settle": timedelta(minutes=2)}
        notes.post_due(notes.Terms(client=client, today=date(2026, 1, 31), **waits))

    def counts(self) -> dict[str, int]:
        pending, processed = CmsNote.objects.pending().count(), CmsNote.objects.processed().count()
        return {"pending": pending, "processed": processed, "cms_notes": len(self.outside.note_ledger())}

    def dies(self, work: Callable[[], None], plan: str) -> bool:
        """Do `work` in a process of its own that is killed where `plan` says; True if it was."""
        connection.close()
        child = os.fork()
        if child == 0:
            try:
                faults._plans = faults.parse(plan)
                work()
            finally:
                os._exit(0)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL

    def time_passes(self) -> None:
        """Leases and waits run out, and the sweep comes by."""
        for rows in (Message.objects, CmsNote.objects.pending()):
            rows.filter(leased_until__isnull=False).update(leased_until=F("leased_until") - LATER)
        reaper.sweep(spool_dir=self.spool)
        Message.objects.filter(status=Status.QUEUED).update(due_at=Now())
        CmsNote.objects.pending().update(due_at=Now())
        CmsNote.objects.filter(unclear_since__isnull=False).update(unclear_since=F("unclear_since") - LATER)
        Provider.objects.filter(paused_until__isnull=False).update(paused_until=F("paused_until") - LATER)


@pytest.fixture
def office(sandbox: Sandbox, tmp_path: Path) -> Office:
    return Office(sandbox, tmp_path)
