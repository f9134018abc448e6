"""What PostgreSQL itself refuses, from raw SQL as from the ORM; and beside each refusal its twin that is accepted."""

from collections.abc import Callable
from itertools import product
from typing import Any
from uuid import UUID

import pytest
from django.apps import apps
from django.db import IntegrityError, connection, transaction

from messaging.models import Attempt, Case, CmsNote, LastMail, Message, NoteAttempt, TemplateVersion
from messaging.models.message import FACTS, MOVES, Status
from messaging.models.note import NOTE_MOVES, NoteStatus

pytestmark = pytest.mark.django_db
TOKEN = UUID(int=7)
LEASED = {"lease": TOKEN, "leased_until": "2026-01-31 12:00+00"}
AT = "2026-01-31 12:00+00"

STANDING = {  # the facts a message must have to stand in a state
    Status.QUEUED: {},
    Status.CLAIMED: LEASED,
    Status.TRANSMITTING: LEASED,
    Status.SENT: {"sent_at": AT},
    Status.FAILED: {},
    Status.IN_DOUBT: {"doubt_since": AT},
    Status.HELD: {"reason": "why"},
    Status.CANCELLED: {"reason": "why"},
}
NOTE_STANDING = {
    NoteStatus.PENDING: {},
    NoteStatus.POSTING: LEASED,
    NoteStatus.UNKNOWN: {"unclear_since": AT},
    NoteStatus.PROCESSED: {"remote_id": "77", "processed_at": AT},
}
EMPTY = {"lease": None, "leased_until": None, "sent_at": None, "doubt_since": None, "reason": ""}
NOTE_EMPTY = {"lease": None, "leased_until": None, "unclear_since": None, "remote_id": None, "processed_at": None}


def insert(table: str, facts: dict[str, Any]) -> int:
    names = ", ".join(f'"{name}"' for name in facts)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO {table} ({names}) VALUES ({', '.join(['%s'] * len(facts))}) RETURNING id", list(facts.values()))
        row: int = cursor.fetchone()[0]
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")
    return row


def change(table: str, row: int, facts: dict[str, Any]) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        written = ", ".join(f'"{name}" = %s' for name in facts)
        cursor.execute(f"UPDATE {table} SET {written} WHERE id = %s", [*facts.values(), row])
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")


def message(standing: Status = Status.QUEUED, **facts: Any) -> int:
    number = Message.objects.count() + 1
    plain = {
        "key": f"k{number}", "kind": "status_request", "lane": 9, "is_test": False, "needs_note": False, "sender": "a@b.example",
        "recipient": "c@d.example", "intended_for": "c@d.example", "subject": "Status", "text": "Hello", "html": "", "headers": "{}",
        "message_id": f"<{number}@b.example>", "status": standing.value, "round": 1, "attempts": 0, "max_attempts": 3, "tries": 0,
        "claims": 0, "reason": "", "error": "", "provider": "", "remote_id": "",
    }  # fmt: skip
    return insert("messaging_message", plain | STANDING[standing] | facts)


def note(standing: NoteStatus = NoteStatus.PENDING, *, of: int | None = None, **facts: Any) -> int:
    plain = {"message_id": of or message(Status.SENT), "reference": UUID(int=CmsNote.objects.count() + 1), "status": standing.value}
    return insert("messaging_cmsnote", plain | NOTE_STANDING[standing] | facts)


def attempt(**facts: Any) -> int:
    plain = {"message_id": facts.pop("message_id", None) or message(), "number": 1, "round": 1, "token": TOKEN, "phase": "rejected"}
    return insert("messaging_attempt", plain | {"provider": "", "reply": "", "error": ""} | facts)


def note_attempt(**facts: Any) -> int:
    plain = {"note_id": facts.pop("note_id", None) or note(), "number": 1, "act": "add", "outcome": "open", "pid": "", "type_code": ""}
    return insert("messaging_noteattempt", plain | {"text": "", "detail": ""} | facts)


def case(**facts: Any) -> int:
    number = Case.objects.count() + 1
    plain = {"pid": f"1{number}", "pv": f"2{number}", "status": "active", "status_note": "", "patient_name": "P", "firm": "F"}
    rest = {"attorney_name": "", "attorney_email": "", "attorney_phone": "", "created_at": AT, "updated_at": AT}
    return insert("messaging_case", plain | rest | facts)


def decision(**facts: Any) -> int:
    plain = {"message_id": message(), "verdict": "give_up", "from_status": "failed", "round": 1, "reason": "why", "source": "test"}
    return insert("messaging_decision", plain | facts)


def logged_message(**facts: Any) -> int:
    names = ["template_id", "template_name", "recipient_email", "recipient_name", "recipient_phone", "recipient_company"]
    plain = dict.fromkeys([*names, "provider_id", "error", "preview"], "") | {"user_id": "u", "session_id": "s", "channel": "email"}
    rest = {"log_id": "l", "status": "sent", "detail": "{}", "logged_at": AT, "is_stub": False, "updated_at": AT}
    return insert("messaging_loggedmessage", plain | rest | facts)


def delivery_event(**facts: Any) -> int:
    plain = {"provider": "p", "event_id": "e", "told": "delivered", "recipient": "", "at": AT, "detail": "", "raw": "{}"}
    return insert("messaging_deliveryevent", plain | facts)


def backup(**facts: Any) -> int:
    plain = {"path": "/b", "status": "verified", "tables": "[]", "rows": "{}", "checksums": "{}", "purpose": "", "error": ""}
    return insert("messaging_backuphistory", plain | {"sha256": "ab", "size_bytes": 1, "seconds": 0.1, "verified_at": AT} | facts)


def tally(**facts: Any) -> int:
    return insert("messaging_hooktally", {"provider": "p", "outcome": "forged", "count": 1} | facts)


def session(**facts: Any) -> int:
    return insert("messaging_messagesession", {"name": "n", "channel": "email", "mode": "test", "started_at": AT, "skipped": "[]"} | facts)


def version(**facts: Any) -> int:
    template = insert(
        "messaging_emailtemplate", {"name": f"t{TemplateVersion.objects.count()}", "title": "T", "kind": "k", "is_active": True}
    )
    return insert(
        "messaging_templateversion",
        {"template_id": template, "number": 1, "subject": "s", "text": "t", "html": "", "created_at": AT} | facts,
    )


def provider(**facts: Any) -> int:
    plain = {"name": "p", "purpose": "mail", "reason": "", "failures_in_row": 0, "sender_refusals_in_row": 0}
    return insert("messaging_provider", plain | facts)


def suppression(**facts: Any) -> int:
    return insert("messaging_suppression", {"address": "a@b.example", "reason": "r", "created_at": AT} | facts)


def event(**facts: Any) -> int:
    plain = {"event_id": TOKEN, "level": "info", "component": "c", "text": "t", "detail": "{}", "at": AT}
    return insert("messaging_systemevent", plain | facts)


Act = Callable[[], object]
REFUSED: dict[str, tuple[Act, Act]] = {  # constraint: its violation, and the twin that is accepted
    "messaging_message_status_known": (lambda: message(status="done"), lambda: message(status="queued")),
    "one_message_per_key": (lambda: (message(key="k"), message(key="k")), lambda: (message(key="k"), message(key="test:k"))),
    "one_message_per_message_id": (lambda: (message(message_id="<m>"), message(message_id="<m>")), lambda: message(message_id="<m>")),
    "message_leased_while_worked_on": (lambda: message(lease=TOKEN, leased_until=AT), lambda: message(Status.CLAIMED)),
    "message_sent_at_iff_sent": (lambda: message(sent_at=AT), lambda: message(Status.SENT)),
    "message_doubt_has_its_time": (lambda: message(Status.IN_DOUBT, doubt_since=None), lambda: message(Status.IN_DOUBT)),
    "message_stopped_for_a_reason": (lambda: message(Status.HELD, reason=""), lambda: message(Status.HELD)),
    "message_attempts_within_the_round": (lambda: message(attempts=4), lambda: message(attempts=3)),
    "message_note_needs_a_case": (lambda: message(needs_note=True), lambda: message(needs_note=True, case_id=case())),
    "one_attempt_per_number": (
        lambda: attempt(message_id=Attempt.objects.get(pk=attempt()).message_id),
        lambda: attempt(message_id=Attempt.objects.get(pk=attempt()).message_id, number=2),
    ),
    "attempt_phase_known": (lambda: attempt(phase="sent"), lambda: attempt(phase="accepted")),
    "messaging_cmsnote_status_known": (lambda: note(status="done"), lambda: note(status="pending")),
    "note_processed_with_the_cms_id": (lambda: note(NoteStatus.PROCESSED, remote_id=None), lambda: note(NoteStatus.PROCESSED)),
    "note_id_is_not_empty": (lambda: note(NoteStatus.PROCESSED, remote_id=""), lambda: note(NoteStatus.PROCESSED, remote_id="1")),
    "note_leased_while_posting": (lambda: note(NoteStatus.POSTING, lease=None, leased_until=None), lambda: note(NoteStatus.POSTING)),
    "note_lease_is_whole": (lambda: note(lease=TOKEN), lambda: note(**LEASED)),
    "note_unknown_since": (lambda: note(NoteStatus.UNKNOWN, unclear_since=None), lambda: note(NoteStatus.UNKNOWN)),
    "one_note_attempt_per_number": (
        lambda: note_attempt(note_id=NoteAttempt.objects.get(pk=note_attempt()).note_id),
        lambda: note_attempt(note_id=NoteAttempt.objects.get(pk=note_attempt()).note_id, number=2),
    ),
    "note_attempt_outcome_known": (lambda: note_attempt(outcome="ok", ended_at=AT), lambda: note_attempt(outcome="created", ended_at=AT)),
    "note_attempt_open_until_answered": (lambda: note_attempt(outcome="created"), lambda: note_attempt()),
    "case_pid_is_digits": (lambda: case(pid="A7"), lambda: case(pid="")),
    "case_pv_is_digits": (lambda: case(pv=""), lambda: case(pv="007")),
    "case_pid_is_not_its_pv": (lambda: case(pid="7", pv="7"), lambda: case(pid="7", pv="8")),
    "case_status_known": (lambda: case(status="open"), lambda: case(status="closed")),
    "one_case_per_pid": (lambda: (case(pid="7"), case(pid="7")), lambda: (case(pid=""), case(pid=""))),
    "decision_verdict_known": (lambda: decision(verdict="retry"), lambda: decision(verdict="hold")),
    "decision_says_why": (lambda: decision(reason=""), lambda: decision()),
    "decision_says_who": (lambda: decision(source="person"), lambda: decision(source="recover_cms")),
    "session_mode_known": (lambda: session(mode="real"), lambda: session(mode="production")),
    "session_ends_after_it_starts": (lambda: session(ended_at="2026-01-30 12:00+00"), lambda: session(ended_at=AT)),
    "one_version_per_number": (
        lambda: version(template_id=TemplateVersion.objects.get(pk=version()).template_id),
        lambda: version(template_id=TemplateVersion.objects.get(pk=version()).template_id, number=2),
    ),
    "version_subject_is_one_line": (lambda: version(subject="a\nBcc: b"), lambda: version(subject="a Bcc: b")),
    "provider_paused_for_a_reason": (lambda: provider(paused_until=AT), lambda: provider(paused_until=AT, reason="down")),
    "suppression_in_lower_case": (lambda: suppression(address="A@b.example"), lambda: suppression()),
    "logged_status_known": (lambda: logged_message(status="lost"), lambda: logged_message()),
    "delivery_event_known": (lambda: delivery_event(told="eaten"), lambda: delivery_event()),
    "one_delivery_event_per_id": (
        lambda: (delivery_event(), delivery_event()),
        lambda: (delivery_event(), delivery_event(provider="q"), delivery_event(event_id="f")),
    ),
    "one_tally_per_provider_and_outcome": (lambda: (tally(), tally()), lambda: (tally(), tally(outcome="applied"))),
    "backup_is_verified_with_its_proof": (lambda: backup(sha256=""), lambda: (backup(), backup(path="/c", status="failed", sha256=""))),
    "event_level_known": (lambda: event(level="fatal"), lambda: event(level="alarm")),
}  # fmt: skip


def test_every_constraint_has_its_violation_here():
    models = apps.get_app_config("messaging").get_models()

    constraints = {constraint.name for model in models for constraint in model._meta.constraints}
    assert constraints | {fact.name for fact in FACTS} | {"messaging_message_status_known", "messaging_cmsnote_status_known"} == set(
        REFUSED
    )


@pytest.mark.parametrize("name", REFUSED)
def test_a_constraint_refuses_its_violation_by_name(name):
    with pytest.raises(IntegrityError) as refusal:
        REFUSED[name][0]()

    assert refusal.value.__cause__.diag.constraint_name == name


@pytest.mark.parametrize("name", REFUSED)
def test_the_twin_of_a_violation_is_accepted(name):
    REFUSED[name][1]()


MESSAGE_MOVES = [(source, target) for source, target in product(Status, Status) if source != target]


@pytest.mark.parametrize(("source", "target"), MESSAGE_MOVES)
def test_a_message_makes_the_legal_moves_and_no_other(source, target):
    row = message(source)
    raw = {"status": target.value} | EMPTY | STANDING[target]
    if target in MOVES[source]:
        change("messaging_message", row, raw)
        assert Message.objects.get().status == target
    else:
        with pytest.raises(IntegrityError, match=f"cannot go from {source.value} to {target.value}"):
            change("messaging_message", row, raw)
        with pytest.raises(IntegrityError), transaction.atomic():
            Message.objects.update(**raw)
        assert Message.objects.move(target, **{name: value for name, value in raw.items() if name != "status"}) == 0


@pytest.mark.parametrize(("source", "target"), [pair for pair in product(NoteStatus, NoteStatus) if pair[0] != pair[1]])
def test_a_note_makes_the_legal_moves_and_no_other(source, target):
    row = note(source)
    raw = {"status": target.value} | NOTE_EMPTY | NOTE_STANDING[target]
    if target in NOTE_MOVES[source]:
        change("messaging_cmsnote", row, raw)
        assert CmsNote.objects.get().status == target
    else:
        with pytest.raises(IntegrityError, match=rf"cannot go from {source.value} to {target.value}|this record is final"):
            change("messaging_cmsnote", row, raw)
        with pytest.raises(IntegrityError), transaction.atomic():
            CmsNote.objects.update(**raw)


def test_a_lifecycle_knows_every_state_and_leads_only_to_known_ones():
    for moves, states in ((MOVES, Status), (NOTE_MOVES, NoteStatus)):
        assert set(moves) == set(states)
        assert set().union(*moves.values()) <= set(states)


FROZEN = [  # what may not be done, to which row
    ("sent without its note", lambda: message(Status.SENT, needs_note=True, case_id=case())),
    ("note of an unsent mail", lambda: note(of=message(Status.QUEUED))),
    ("processed note changed", lambda: change("messaging_cmsnote", note(NoteStatus.PROCESSED), {"remote_id": "78"})),
    ("note moved to another mail", lambda: change("messaging_cmsnote", note(), {"message_id": message(Status.SENT)})),
    ("note under another reference", lambda: change("messaging_cmsnote", note(), {"reference": UUID(int=99)})),
    ("note deleted", lambda: delete("messaging_cmsnote", note())),
    ("note attempt changed", lambda: change("messaging_noteattempt", note_attempt(outcome="created", ended_at=AT), {"detail": "x"})),
    ("note attempt deleted", lambda: delete("messaging_noteattempt", note_attempt())),
    ("attempt changed", lambda: change("messaging_attempt", attempt(phase="accepted"), {"reply_code": 550})),
    ("decision changed", lambda: change("messaging_decision", decision(), {"reason": "another"})),
    ("template version changed", lambda: change("messaging_templateversion", version(), {"text": "another"})),
    ("key changed", lambda: change("messaging_message", message(), {"key": "another"})),
    ("Message-ID changed", lambda: change("messaging_message", message(), {"message_id": "<another>"})),
    ("test made real", lambda: change("messaging_message", message(is_test=True), {"is_test": False})),
    ("debt of a note dropped", lambda: change("messaging_message", message(needs_note=True, case_id=case()), {"needs_note": False})),
    ("words of a sent mail changed", lambda: change("messaging_message", message(Status.SENT), {"text": "another"})),
    ("address of a mail in doubt changed", lambda: change("messaging_message", message(Status.IN_DOUBT), {"recipient": "x@y.example"})),
    ("subject of two lines", lambda: message(subject="Status\r\nBcc: x@y.example")),
    ("recipient of two lines", lambda: message(recipient="a@b.example\nx@y.example")),
    ("subject changed to two lines", lambda: change("messaging_message", message(), {"subject": "a\nb"})),
]  # fmt: skip


@pytest.mark.parametrize("act", [act for _, act in FROZEN], ids=[what for what, _ in FROZEN])
def test_the_database_refuses_what_must_never_be(act):
    with pytest.raises(IntegrityError):
        act()


OPEN = [  # the twins
    ("sent with its note", lambda: send_with_note()),
    ("pending note changed", lambda: change("messaging_cmsnote", note(), {"error": "why"})),
    ("open note attempt closed", lambda: change("messaging_noteattempt", note_attempt(), {"outcome": "created", "ended_at": AT})),
    ("words of a queued mail changed", lambda: change("messaging_message", message(), {"text": "another", "subject": "Another"})),
    ("a queued mail waits", lambda: change("messaging_message", message(), {"due_at": AT})),
]


@pytest.mark.parametrize("act", [act for _, act in OPEN], ids=[what for what, _ in OPEN])
def test_the_database_accepts_what_may_be(act):
    act()


def delete(table: str, row: int) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {table} WHERE id = %s", [row])


def send_with_note() -> None:
    row = message(Status.TRANSMITTING, needs_note=True, case_id=case())
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE messaging_message SET status='sent', sent_at=now(), lease=NULL, leased_until=NULL WHERE id=%s", [row])
        cursor.execute("INSERT INTO messaging_cmsnote (message_id, reference) VALUES (%s, gen_random_uuid())", [row])
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


def test_a_case_knows_its_last_production_mail_however_and_in_whichever_order_it_was_sent():
    about = case()

    change("messaging_message", message(Status.TRANSMITTING, case_id=about), {"status": "sent", **EMPTY, "sent_at": "2026-01-31 12:00+00"})
    message(Status.SENT, case_id=about, sent_at="2026-01-30 12:00+00")
    message(Status.SENT, case_id=about, sent_at="2026-02-02 12:00+00", is_test=True)
    message(Status.SENT, case_id=about, sent_at="2026-02-01 12:00+00")
    message(Status.QUEUED, case_id=about)

    assert [f"{row.sent_at:%Y-%m-%d}" for row in LastMail.objects.filter(case_id=about)] == ["2026-02-01"]
