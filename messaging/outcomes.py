"""What became of a try: one statement writes it, all or nothing, and only for the worker that still holds the message.

The same statement may fence the next message: "this one is sent, that one goes out now" is one commit (reliability §7).
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import psycopg
from django.db import connection, transaction
from django.db.models.functions import Now

from messaging.lifecycles import sources
from messaging.models import CmsNote, Decision, Message, Phase, Status, Verdict
from messaging.models.message import MOVES

PREPARE_AFTER = 3  # runs of a statement before the server keeps its plan


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The end of one try. `fenced` says whether it had got as far as the body, so that its attempt is open already."""

    message_id: int
    token: uuid.UUID
    to: Status
    phase: Phase
    fenced: bool
    code: int | None = None
    reply: str = ""
    remote_id: str = ""
    provider: str = ""
    error: str = ""
    owes_note: bool = False
    wait_seconds: float = 0.0

    def as_fact(self) -> dict[str, Any]:
        return vars(self) | {"token": str(self.token)}


@dataclass(frozen=True, kw_only=True)
class Fence:
    """The write just before the body: this message goes out now, by this provider, and nobody else sends it."""

    message_id: int
    token: uuid.UUID
    provider: str
    lease: timedelta


def from_fact(fact: Mapping[str, Any]) -> Outcome:
    return Outcome(**{**fact, "token": uuid.UUID(fact["token"]), "to": Status(fact["to"]), "phase": Phase(fact["phase"])})


SETTLED = """settled AS (
        UPDATE messaging_message SET
            status = %(to)s, lease = NULL, leased_until = NULL, claims = CASE WHEN %(never_left)s THEN claims ELSE 0 END,
            sent_at = CASE WHEN %(is_sent)s THEN clock_timestamp() END,
            doubt_since = CASE WHEN %(is_doubt)s THEN clock_timestamp() END,
            due_at = coalesce(clock_timestamp() + %(wait)s, due_at),
            attempts = attempts + %(answered)s - CASE WHEN %(never_left)s AND status = 'transmitting' THEN 1 ELSE 0 END,
            tries = tries + %(opens)s,
            reply_code = %(code)s, remote_id = %(remote_id)s, provider = %(provider)s, error = %(error)s, reason = ''
        WHERE id = %(id)s AND lease = %(token)s AND status = ANY(%(sources)s)
        RETURNING id, tries, round
    )"""
CLOSED = """closed AS (
        UPDATE messaging_attempt a SET
            phase = %(phase)s, reply_code = %(code)s, reply = %(reply)s, error = %(error)s, ended_at = clock_timestamp()
        FROM settled WHERE a.message_id = %(id)s AND a.number = settled.tries AND a.ended_at IS NULL
    )"""
RECORDED = """recorded AS (
        INSERT INTO messaging_attempt (message_id, number, round, token, phase, provider, reply_code, reply, error, started_at, ended_at)
        SELECT id, tries, round, %(token)s, %(phase)s, %(provider)s, %(code)s, %(reply)s, %(error)s, clock_timestamp(), clock_timestamp()
        FROM settled
    )"""
OWED = """owed AS (
        INSERT INTO messaging_cmsnote (message_id, reference) SELECT id, gen_random_uuid() FROM settled
    )"""

# Expiry and suppression are asked here, after every other step: what was queued before an unsubscribe does not go out after it.
FENCED = """fenced AS (
        UPDATE messaging_message SET
            status = 'transmitting', leased_until = clock_timestamp() + %(next_lease)s, provider = %(next_provider)s,
            attempts = attempts + 1, tries = tries + 1
        WHERE id = %(next_id)s AND lease = %(next_token)s AND status = 'claimed' AND leased_until > clock_timestamp()
            AND (expires_at IS NULL OR expires_at > clock_timestamp())
            AND (is_test OR NOT EXISTS (
                SELECT FROM messaging_suppression s WHERE s.address = lower(recipient)
                AND (s.suppressed_until IS NULL OR s.suppressed_until > clock_timestamp())))
        RETURNING id, tries, round
    )"""
OPENED = """opened AS (
        INSERT INTO messaging_attempt (message_id, number, round, token, phase, provider, reply, error, started_at)
        SELECT id, tries, round, %(next_token)s, 'data_started', %(next_provider)s, '', '', clock_timestamp() FROM fenced
    )"""


def write(outcome: Outcome | None, fence: Fence | None = None) -> tuple[bool, bool]:
    """Record the outcome and set the fence in one commit; returns whether each of them held. False: the message was taken away."""
    parts: list[str] = []
    params: dict[str, Any] = {}
    if outcome:
        parts += [SETTLED, CLOSED if outcome.fenced else RECORDED, *([OWED] if outcome.owes_note else [])]
        params |= _settling(outcome)
    if fence:
        parts += [FENCED, OPENED]
        params |= _fencing(fence)
    held = [f"EXISTS(SELECT FROM {name})" if given else "FALSE" for name, given in (("settled", outcome), ("fenced", fence))]
    return _run(f"WITH {', '.join(parts)} SELECT {', '.join(held)}", params)


def _settling(outcome: Outcome) -> dict[str, Any]:
    opens, never_left = not outcome.fenced, outcome.phase == Phase.LOST_PRE
    return {
        "id": outcome.message_id,
        "token": outcome.token,
        "to": str(outcome.to),
        "sources": sources(MOVES, to=outcome.to),
        "is_sent": outcome.to == Status.SENT,
        "is_doubt": outcome.to == Status.IN_DOUBT,
        "never_left": never_left,
        "phase": str(outcome.phase),
        "opens": int(opens),
        "answered": int(opens and not never_left),  # a fenced try was counted by its fence
        "code": outcome.code,
        "reply": outcome.reply,
        "remote_id": outcome.remote_id,
        "provider": outcome.provider,
        "error": outcome.error,
        "wait": timedelta(seconds=outcome.wait_seconds) if outcome.to == Status.QUEUED else None,
    }


def _fencing(fence: Fence) -> dict[str, Any]:
    return {
        "next_id": fence.message_id,
        "next_token": fence.token,
        "next_provider": fence.provider,
        "next_lease": fence.lease,
    }


def _run(sql: str, params: dict[str, Any]) -> tuple[bool, bool]:
    """Past Django's cursor: a server-side prepared statement, since this one runs for every mail."""
    connection.ensure_connection()
    raw = connection.connection
    assert raw is not None
    raw.prepare_threshold = PREPARE_AFTER
    with connection.wrap_database_errors, psycopg.Cursor(raw) as cursor:
        row = cursor.execute(sql, params).fetchone()
    assert row is not None
    return row


def take_back(message_id: int, token: uuid.UUID) -> bool:
    """Put a message back whose body has not left, whether or not its fence was written; no attempt is used up."""
    why = "The database was away just before the body."
    return write(Outcome(message_id=message_id, token=token, to=Status.QUEUED, phase=Phase.LOST_PRE, fenced=True, error=why))[0]


@transaction.atomic
def settle_late(outcome: Outcome) -> bool:
    """Apply an outcome that was known but could not be written in time; True if it changed anything. Twice is once.

    If the message is still ours by its token, as usual. If it went in doubt meanwhile, a yes from the server is evidence: it is sent.
    """
    settled, _ = write(outcome)
    if settled or outcome.phase != Phase.ACCEPTED:
        return settled
    doubtful = Message.objects.filter(pk=outcome.message_id, history__token=outcome.token).in_doubt()
    message = doubtful.select_for_update(of=("self",)).first()
    if message is None:
        return False
    Decision.objects.create(
        message=message,
        verdict=Verdict.MARK_AS_SENT,
        from_status=message.status,
        round=message.round,
        reason=f"The server had answered {outcome.code} {outcome.reply}"[:500],
        source="local journal",
    )
    sent = {"sent_at": Now(), "doubt_since": None, "error": "", "remote_id": outcome.remote_id}
    Message.objects.filter(pk=message.pk).move(Status.SENT, **sent)
    if message.needs_note:
        CmsNote.objects.create(message=message)
    return True
