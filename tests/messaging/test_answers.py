"""A server's answer survives what the database, the disk and the wire between them can do."""

import contextlib
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest
from django.db import DatabaseError, connection
from django.db.models.functions import Now

from messaging import answers, delivery, note_outcomes, notes, reaper, spool
from messaging.gateways.cms import HttpCms
from messaging.gateways.mail import MailServer
from messaging.models import Attempt, CmsNote, Decision, Message, NoteStatus, Phase, Provider, Status
from messaging.outcomes import Outcome
from messaging.retry import RetryPolicy
from portal.sandbox import Sandbox
from tests.factories import make_case, make_message, make_note
from tests.fakes import Wire

pytestmark = pytest.mark.django_db(transaction=True)

CUT = [  # from which fault point on, after how many passes, the answer to which statement is lost
    pytest.param(None, 0, b"claimed AS", id="the claim"),
    pytest.param("mail.after_connect", 0, b"fenced AS", id="the first fence"),
    pytest.param("mail.after_body", 0, b"settled AS", id="a result with the next fence"),
    pytest.param("mail.after_body", 2, b"settled AS", id="the last result"),
]


@pytest.mark.parametrize(("point", "after", "statement"), CUT)
def test_a_lost_answer_to_our_commit_is_exactly_one_mail(sandbox, wire, at, tmp_path, point, after, statement):
    Provider.objects.create(name="primary", purpose="mail")
    for _ in range(3):
        make_message(case=make_case())
    at(point, after, lambda: wire.cut_after(statement)) if point else wire.cut_after(statement)

    with contextlib.suppress(DatabaseError):
        delivery.send_due(mail_terms(sandbox, tmp_path))
    recover(tmp_path)
    delivery.send_due(mail_terms(sandbox, tmp_path))

    assert wire.cuts == 1
    assert sorted(line["message_id"] for line in sandbox.mail_ledger()) == sorted(
        Message.objects.sent().values_list("message_id", flat=True)
    )
    assert (Message.objects.sent().count(), CmsNote.objects.count(), Decision.objects.count()) == (3, 3, 0)
    assert Attempt.objects.filter(phase=Phase.ACCEPTED).count() == 3
    assert spool.depth(tmp_path) == 0


def test_a_fence_whose_commit_is_unknown_is_taken_back_without_an_attempt(sandbox, wire, at, tmp_path):
    make_message()
    at("mail.after_rcpt", 0, lambda: wire.cut_after(b"fenced AS"))

    with pytest.raises(DatabaseError):
        delivery.send_due(mail_terms(sandbox, tmp_path))

    message = Message.objects.get()
    assert (message.status, message.attempts, sandbox.mail_ledger()) == (Status.QUEUED, 0, [])
    assert message.history.get().phase == Phase.LOST_PRE


def test_a_fence_whose_commit_is_unknown_ends_in_no_doubt_though_the_database_stays_away(sandbox, wire, at, tmp_path):
    make_message(case=make_case())

    def go_away() -> None:
        wire.cut_after(b"fenced AS")
        connection.settings_dict["PORT"] = 1

    at("mail.after_rcpt", 0, go_away)
    with pytest.raises(DatabaseError):
        delivery.send_due(mail_terms(sandbox, tmp_path))

    connection.settings_dict["PORT"] = wire.port
    connection.close()
    assert Message.objects.get().status == Status.TRANSMITTING
    recover(tmp_path)
    assert Message.objects.get().status == Status.QUEUED
    delivery.send_due(mail_terms(sandbox, tmp_path))

    assert (Message.objects.get().status, CmsNote.objects.count(), len(sandbox.mail_ledger())) == (Status.SENT, 1, 1)
    assert (Message.objects.get().attempts, spool.depth(tmp_path)) == (1, 0)


NOTE_CUT = ["cms.after_post", "cms.before_fence"]


@pytest.mark.parametrize("point", NOTE_CUT)
def test_a_lost_answer_to_our_commit_is_exactly_one_note(sandbox, wire, monkeypatch, point):
    make_note()
    cuts = [lambda: wire.cut_after(b"COMMIT")]
    for module in (notes, note_outcomes):
        monkeypatch.setattr(module, "fault", lambda name: cuts.pop()() if name == point and cuts else None)

    with contextlib.suppress(DatabaseError):
        notes.post_due(note_terms(sandbox))
    connection.close()
    CmsNote.objects.filter(leased_until__isnull=False).update(leased_until=Now() - timedelta(minutes=10))
    reaper.doubt_notes()
    CmsNote.objects.unknown().update(due_at=Now(), unclear_since=Now() - timedelta(minutes=10))
    notes.post_due(note_terms(sandbox))

    note = CmsNote.objects.get()
    assert wire.cuts == 1
    assert (note.status, [line["id"] for line in sandbox.note_ledger()]) == (NoteStatus.PROCESSED, [note.remote_id])


def test_with_the_disk_full_and_the_database_away_nobody_gives_up_though_told_to_stop(sandbox, wire, at, tmp_path, monkeypatch):
    make_message(case=make_case())
    (tmp_path / "a file").touch()
    gone: list[bool] = []
    waits: list[float] = []

    def go_away() -> None:
        wire.cut_after(b"settled AS")
        gone.append(True)
        connection.settings_dict["PORT"] = 1

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            connection.settings_dict["PORT"] = wire.port

    at("mail.after_body", 0, go_away)
    monkeypatch.setattr(answers.time, "sleep", wait)
    with pytest.raises(DatabaseError):
        delivery.send_due(mail_terms(sandbox, tmp_path / "a file" / "spool", stop=lambda: bool(gone)))

    assert waits == [0.2, 0.4, 0.8]
    assert (Message.objects.get().status, CmsNote.objects.count(), len(sandbox.mail_ledger())) == (Status.SENT, 1, 1)


def test_an_answer_is_left_on_disk_when_the_database_stays_away_and_we_are_told_to_stop(sandbox, wire, at, tmp_path, monkeypatch):
    make_message(case=make_case())
    monkeypatch.setattr(answers.time, "sleep", lambda seconds: None)
    gone: list[bool] = []

    def go_away() -> None:
        wire.cut_after(b"settled AS")
        gone.append(True)
        connection.settings_dict["PORT"] = 1

    at("mail.after_body", 0, go_away)
    with pytest.raises(DatabaseError):
        delivery.send_due(mail_terms(sandbox, tmp_path, stop=lambda: bool(gone)))
    assert spool.depth(tmp_path) >= 1

    connection.settings_dict["PORT"] = wire.port
    connection.close()
    recover(tmp_path)

    assert (Message.objects.get().status, CmsNote.objects.count(), len(sandbox.mail_ledger())) == (Status.SENT, 1, 1)
    assert spool.depth(tmp_path) == 0


def test_an_unusable_fact_is_kept_aside_and_holds_up_neither_the_others_nor_the_sweep(tmp_path):
    message = make_message()
    Message.objects.update(status=Status.CLAIMED, lease="5a0c5a4e-77a5-4fdd-a3c8-3ef0c1d6c0f1", leased_until=Now() + timedelta(minutes=5))
    token = Message.objects.get().lease
    good = Outcome(message_id=message.pk, token=token, to=Status.FAILED, phase=Phase.REJECTED, code=550)
    with spool.Spool(tmp_path, kind=answers.KIND) as waiting:
        waiting.append({"message_id": message.pk, "a field of another version": 1}, sync=False)
        waiting.append(good.as_fact(), sync=False)

    swept = reaper.sweep(spool_dir=tmp_path)

    assert (swept["answers"], Message.objects.get().status) == (1, Status.FAILED)
    assert [path.suffix for path in tmp_path.iterdir()] == [".unusable"]


@pytest.fixture
def wire() -> Iterator[Wire]:
    """Django speaks to its database over a wire that can be cut."""
    told = connection.settings_dict
    host, port = told["HOST"], told["PORT"]
    far_end = f"{host}/.s.PGSQL.{port or 5432}" if host.startswith("/") else (host or "127.0.0.1", int(port or 5432))
    with Wire(far_end) as wire:
        connection.close()
        told |= {"HOST": "127.0.0.1", "PORT": wire.port}
        try:
            yield wire
        finally:
            told |= {"HOST": host, "PORT": port}
            connection.close()


@pytest.fixture
def at(monkeypatch):
    """Do something at a fault point, when a worker comes by after so many times."""

    def arrange(point, after, act):
        left = [after]

        def fault(name: str) -> None:
            if name == point and left:
                left[0] -= 1
                if left[0] < 0:
                    left.clear()
                    act()

        monkeypatch.setattr(delivery, "fault", fault)

    return arrange


def mail_terms(sandbox: Sandbox, folder: Path, **changes) -> delivery.Terms:
    server = MailServer(name="primary", host="127.0.0.1", port=sandbox.smtp_port)
    return delivery.Terms(servers=[server], policy=RetryPolicy(), lease=timedelta(minutes=11), spool_dir=folder, **changes)


def note_terms(sandbox: Sandbox) -> notes.Terms:
    client = HttpCms(url=f"{sandbox.http_url}/cms")
    return notes.Terms(client=client, lease=timedelta(minutes=2), settle=timedelta(minutes=2), today=date(2026, 1, 31))


def recover(folder: Path) -> None:
    """Time passes: leases run out, waits end, the sweep comes by."""
    connection.close()
    Message.objects.filter(leased_until__isnull=False).update(leased_until=Now() - timedelta(seconds=1))
    reaper.sweep(spool_dir=folder)
    Message.objects.filter(status=Status.QUEUED).update(due_at=Now())
    Provider.objects.update(paused_until=None)
