"""The logs of an old installation: what they say is owed, and how it is taken in. And our own record, written as such logs."""

from datetime import UTC, datetime, timedelta
from itertools import permutations
from zoneinfo import ZoneInfo

import pytest

from messaging import cms_logs, invariants
from messaging.cms_recovery import find, take_in
from messaging.log_lines import CmsLine, CmsLog, SentLine, parse_cms_line, parse_sent_line, parse_test_line
from messaging.models import Case, CmsNote, Message, NoteAttempt, NoteStatus

ZONE = ZoneInfo("America/Chicago")
AT = datetime(2026, 2, 1, 9, 30, 5)
NOW = datetime(2026, 3, 2, 18, 0, tzinfo=UTC)
PIDS = {"9001": "101", "9002": "102", "9003": "103"}


def sent(pv: str, *, to: str = "jo@stone.example", **facts) -> SentLine:
    return SentLine(pv=pv, sent_to=to, subject="How is it?", provider_id=f"gm-{pv}", **facts)


def owed(pid: str, *, to: str = "jo@stone.example", kind: str = "bulk_status_request") -> CmsLine:
    return CmsLine(at=AT, pid=pid, kind=kind, sent_to=to)


@pytest.fixture
def cases(db):
    return [Case.objects.create(pid=pid, pv=pv, patient_name=f"Patient {pid}", firm="Hill Law") for pv, pid in PIDS.items()]


def pids(mails) -> list[str]:
    return [mail.pid for mail in mails]


def test_s0_009_a_mail_sent_but_neither_pending_nor_processed_is_lost_and_needs_its_note():
    found = find(sent=[sent("9001"), sent("9002"), sent("9003")], processed=[owed("101")], pending=[owed("102")], pids=PIDS)

    assert pids(found.needs_note) == ["102", "103"]
    assert pids(found.lost) == ["103"]
    assert (found.sent, found.processed, len(found.pending)) == (3, 1, 1)


def test_s0_016_pids_are_compared_whole():
    found = find(pending=[owed("12"), owed("123")], processed=[owed("12")], pids={})

    assert pids(found.pending) == ["123"]
    assert found.lost == []


LEDGERS = [  # sent, pending, processed lines of one PID and address: how many are still pending, how many lost
    (2, 0, 1, 0, 1),
    (2, 1, 1, 1, 0),
    (2, 2, 1, 1, 0),  # the pending log was never cleared
    (1, 1, 1, 0, 0),
    (3, 1, 0, 1, 2),
    (0, 2, 1, 1, 0),
    (1, 3, 1, 2, 0),
    (0, 0, 2, 0, 0),
]


@pytest.mark.parametrize(("mails", "waiting", "done", "pending", "lost"), LEDGERS)
def test_one_line_answers_one_mail(mails, waiting, done, pending, lost):
    found = find(sent=[sent("9001")] * mails, pending=[owed("101")] * waiting, processed=[owed("101")] * done, pids=PIDS)

    assert (len(found.pending), len(found.lost)) == (pending, lost)


def test_a_line_about_another_address_answers_nothing_and_the_intended_one_does():
    test = SentLine(pv="9001", sent_to="inbox@portal.example", intended_for="jo@stone.example", subject="s", provider_id="g")

    assert pids(find(sent=[sent("9001")], processed=[owed("101", to="other@stone.example")], pids=PIDS).lost) == ["101"]
    assert find(test=[test], processed=[owed("101", to="JO@stone.example")], pids=PIDS).lost == []


def test_without_the_map_a_sent_mail_cannot_be_matched_and_counts_as_lost():
    assert len(find(sent=[sent("9001")], processed=[owed("101")], pids={}).lost) == 1


def test_what_is_owed_is_taken_in_as_sent_with_its_note_pending(cases):
    test = SentLine(pv="9003", sent_to="inbox@portal.example", intended_for="jo@stone.example", subject="s", provider_id="g", at=AT)
    found = find(sent=[sent("9001"), sent("9002")], test=[test], pending=[owed("102")], pids=PIDS)

    done = take_in(found.needs_note, sender="office@portal.example", zone=ZONE, at=NOW)

    assert (done.new, done.already, done.without_case) == (3, 0, [])
    messages = {message.case.pid: message for message in Message.objects.select_related("case")}
    assert [messages[pid].email_type for pid in ("101", "102", "103")] == ["general", "bulk_status_request", "test_general"]
    assert messages["101"].sent_at == NOW
    assert messages["102"].sent_at == AT.replace(tzinfo=ZONE)
    assert messages["103"].intended_for == "jo@stone.example"
    assert set(CmsNote.objects.values_list("status", flat=True)) == {NoteStatus.PENDING}
    assert [(decision.source, decision.verdict) for decision in messages["101"].decisions.all()] == [("recover_cms", "mark_as_sent")]
    assert invariants.verify() == []


def test_a_second_run_takes_in_nothing_more_whichever_logs_it_is_given(cases):
    both = find(sent=[sent("9002"), sent("9002")], pending=[owed("102")], pids=PIDS).needs_note
    only_pending = find(pending=[owed("102")], pids=PIDS).needs_note

    runs = [take_in(mails, sender="office@portal.example", zone=ZONE, at=NOW) for mails in (only_pending, both, both, only_pending)]

    assert [(run.new, run.already) for run in runs] == [(1, 0), (1, 1), (0, 2), (0, 1)]
    assert CmsNote.objects.count() == 2


JANUARY = SentLine(pv="9001", sent_to="jo@stone.example", subject="January", provider_id="<jan@x.example>", at=AT)
OTHERS = [  # what another mail to the same case and address may differ in
    {"at": AT.replace(month=3), "subject": "March", "provider_id": "<mar@x.example>"},
    {"at": AT.replace(second=6)},
    {"provider_id": "<other@x.example>"},
    {"subject": "February"},
]


@pytest.mark.parametrize("other", OTHERS)
def test_another_mail_to_the_same_case_in_a_log_of_its_own_owes_its_note_too(cases, other):
    logs = [[JANUARY], [SentLine(**{**vars(JANUARY), **other})]]

    runs = [take_in(find(sent=lines, pids=PIDS).needs_note, sender="o@portal.example", zone=ZONE, at=NOW) for lines in [*logs, *logs]]

    assert [(run.new, run.already) for run in runs] == [(1, 0), (1, 0), (0, 1), (0, 1)]


def test_what_a_later_log_tells_more_of_is_the_same_mail(cases):
    timeless = SentLine(**{**vars(JANUARY), "at": None})
    tellings = [{"sent": [timeless]}, {"sent": [timeless], "pending": [owed("101")]}, {"sent": [JANUARY]}, {"pending": [owed("101")]}]

    runs = [take_in(find(**told, pids=PIDS).needs_note, sender="o@portal.example", zone=ZONE, at=NOW) for told in tellings]

    assert [run.new for run in runs] == [1, 0, 0, 0]
    assert [len(run.unsure) for run in runs] == [0, 0, 0, 1]


def test_the_order_in_which_logs_tell_of_two_mails_makes_no_third(cases):
    other = SentLine(**{**vars(JANUARY), "at": None, "provider_id": "<7@x.example>"})
    blank = SentLine(**{**vars(JANUARY), "at": None, "provider_id": ""})

    runs = [
        take_in(find(sent=lines, pids=PIDS).needs_note, sender="o@portal.example", zone=ZONE, at=NOW)
        for lines in permutations([other, blank])
    ]

    assert [(run.new, run.already) for run in runs] == [(2, 0), (0, 2)]


def test_a_time_that_the_change_of_the_clock_skips_is_taken_in_once(cases):
    skipped = SentLine(**{**vars(JANUARY), "at": datetime(2025, 3, 9, 2, 30)})

    runs = [take_in(find(sent=[skipped], pids=PIDS).needs_note, sender="o@portal.example", zone=ZONE, at=NOW) for _ in "12"]

    assert [run.new for run in runs] == [1, 0]


@pytest.mark.parametrize("first", ["test", "pending"])
def test_a_test_mail_is_known_by_either_of_its_addresses(cases, first):
    line = SentLine(pv="9001", sent_to="inbox@portal.example", intended_for="jo@stone.example", subject="s", provider_id="g")
    logs = {"test": {"test": [line]}, "pending": {"pending": [owed("101", kind="test_general")]}}
    order = sorted(logs, key=lambda name: name != first)

    runs = [take_in(find(**logs[name], pids=PIDS).needs_note, sender="o@portal.example", zone=ZONE, at=NOW) for name in order]

    assert [run.new for run in runs] == [1, 0]


def test_what_was_taken_in_and_written_as_our_own_logs_is_nothing_new(cases, tmp_path):
    take_in(find(sent=[JANUARY], pids=PIDS).needs_note, sender="o@portal.example", zone=ZONE, at=NOW)
    ours(cases[1], number=2)
    cms_logs.write(tmp_path, zone=ZONE)

    sent_again = [parse_sent_line(line, number=1) for line in (tmp_path / "sent_emails.log").read_text().splitlines()]
    pending = [
        parse_cms_line(line, log=CmsLog.PENDING, number=1) for line in (tmp_path / "session_emails_pending.log").read_text().splitlines()
    ]
    without_pids = find(sent=sent_again, pending=pending, pids={}).needs_note  # each of them twice: as sent, and as pending

    assert len(without_pids) == 4
    assert take_in(find(sent=sent_again, pending=pending, pids=PIDS).needs_note, sender="o@portal.example", zone=ZONE, at=NOW).new == 0
    assert take_in([mail for mail in without_pids if mail.pid != "101"], sender="o@portal.example", zone=ZONE, at=NOW).new == 0


def test_a_mail_whose_case_is_not_here_is_named_and_the_others_taken_in(cases):
    mails = find(sent=[sent("9001"), sent("7777")], pids=PIDS).needs_note

    done = take_in(mails, sender="office@portal.example", zone=ZONE, at=NOW)

    assert [mail.pv for mail in done.without_case] == ["7777"]
    assert done.new == 1


def ours(case: Case, *, number: int, is_test: bool = False) -> CmsNote:
    addresses = {"sender": "o@portal.example", "recipient": "inbox@portal.example" if is_test else "jo@stone.example"}
    message = Message.objects.create(
        key=f"k{number}", message_id=f"<{number}@portal.example>", kind="status_request", is_test=is_test, needs_note=True,
        intended_for="jo@stone.example", subject="Ada | Stone", text="t", case=case, status="sent", sent_at=NOW, **addresses,
    )  # fmt: skip
    return CmsNote.objects.create(message=message)


def confirm(note: CmsNote) -> None:
    NoteAttempt.objects.create(note=note, number=1, act="add", outcome="created", ended_at=NOW)
    CmsNote.objects.filter(pk=note.pk).update(status="processed", remote_id=f"r{note.pk}", processed_at=NOW + timedelta(seconds=9))


def test_the_record_is_written_as_the_five_logs(cases, tmp_path):
    confirm(ours(cases[0], number=1))
    ours(cases[1], number=2, is_test=True)
    Case.objects.filter(pk=cases[2].pk).update(pid="")
    ours(cases[2], number=3)

    counts = cms_logs.write(tmp_path / "logs", zone=ZONE)

    assert list(counts.values()) == [2, 1, 1, 2, 1]
    told = {path.name: path.read_text().splitlines() for path in (tmp_path / "logs").iterdir()}
    assert told["session_emails_pending.log"] == [
        "[2026-03-02 12:00:00] PID: 102 | Email Type: test_status_request | Sent to: inbox@portal.example",
        "[2026-03-02 12:00:00] PID: none | Email Type: status_request | Sent to: jo@stone.example",
    ]
    assert told["session_emails_processed.log"] == [
        "[2026-03-02 12:00:09] PROCESSED - PID: 101 | Email Type: status_request | Sent to: jo@stone.example"
    ]
    assert told["session_cms_notes.log"][0].startswith("[2026-03-02 12:00:09] CMS NOTE ADDED - PID: 101 |")
    assert parse_sent_line(told["sent_emails.log"][0], number=1).subject == "Ada | Stone"
    assert parse_test_line(told["test_emails.log"][0], number=1).intended_for == "jo@stone.example"


def test_our_own_logs_read_back_are_nothing_new(cases, tmp_path):
    confirm(ours(cases[0], number=1))
    ours(cases[1], number=2, is_test=True)
    ours(cases[2], number=3)
    cms_logs.write(tmp_path, zone=ZONE)

    def lines(name: str) -> list[str]:
        return (tmp_path / name).read_text().splitlines()

    pending = [parse_cms_line(line, log=CmsLog.PENDING, number=1) for line in lines("session_emails_pending.log")]
    processed = [parse_cms_line(line, log=CmsLog.PROCESSED, number=1) for line in lines("session_emails_processed.log")]
    found = find(
        sent=[parse_sent_line(line, number=1) for line in lines("sent_emails.log")],
        test=[parse_test_line(line, number=1) for line in lines("test_emails.log")],
        pending=pending,
        processed=processed,
        pids=PIDS,
    )

    assert (found.sent, found.processed, len(found.pending), found.lost) == (3, 1, 2, [])
    assert take_in(found.needs_note, sender="o@portal.example", zone=ZONE, at=NOW).new == 0
    assert take_in(find(pending=pending, pids={}).pending, sender="o@portal.example", zone=ZONE, at=NOW).new == 0


def test_a_log_is_replaced_whole_or_not_at_all(cases, tmp_path, monkeypatch):
    cms_logs.write(tmp_path, zone=ZONE)
    before = {path.name: path.read_text() for path in tmp_path.iterdir()}
    ours(cases[0], number=1)
    ours(cases[1], number=2)
    lines = iter(["one line"])
    monkeypatch.setattr(cms_logs, "format_cms_line", lambda line, log: next(lines))

    with pytest.raises(RuntimeError):
        cms_logs.write(tmp_path, zone=ZONE)

    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == before
