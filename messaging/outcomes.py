"""What became of a try: one statement writes it, all or nothing, and only for the worker that still holds the message.

The same statement may fence the next message: "this one is sent, that one goes out now" is one commit (reliability §7).
"""

import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass
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
    reason: str = ""
    wait_seconds: float = 0.0

    def as_fact(self) -> dict[str, Any]:
        return asdict(self) | {"token": str(self.token)}


@dataclass(frozen=True, kw_only=True)
class Fence:
    """The write just before the body: this message goes out now, by this provider, and nobody else sends it."""

    message_id: int
    token: uuid.UUID
    provider: str
    lease: timedelta


def from_fact(fact: Mapping[str, Any]) -> Outcome:
    return Outcome(**{**fact, "token": uuid.UUID(fact["token"]), "to": Status(fact["to"]), "phase": Phase(fact["phase"])})


SETTLE = """
    settled AS (
        UPDATE messaging_message SET
            status = %(to)s::varchar, lease = NULL, leased_until = NULL,
            claims = CASE WHEN %(phase)s::varchar = 'lost_pre' THEN claims ELSE 0 END,
            sent_at = CASE WHEN %(to)s::varchar = 'sent' THEN clock_timestamp() END,
            doubt_since = CASE WHEN %(to)s::varchar = 'in_doubt' THEN clock_timestamp() END,
            due_at = CASE WHEN %(to)s::varchar = 'queued' THEN clock_timestamp() + %(wait)s ELSE due_at END,
            attempts = attempts + %(answered)s::int
                - CASE WHEN %(phase)s::varchar = 'lost_pre' AND status = 'transmitting' THEN 1 ELSE 0 END, tries = tries + %(opens)s::int,
            reply_code = %(code)s::smallint, remote_id = %(remote_id)s::varchar, provider = %(provider)s::varchar, error = %(error)s::text, reason = %(reason)s::varchar
        WHERE id = %(id)s AND lease = %(token)s::uuid AND status = ANY(%(sources)s)
        RETURNING id, tries, round, needs_note
    ), closed AS (
        UPDATE messaging_attempt SET
            phase = %(phase)s::varchar, reply_code = %(code)s::smallint, reply = %(reply)s::text, error = %(error)s::text, ended_at = clock_timestamp()
        FROM settled WHERE %(opens)s::int = 0 AND message_id = settled.id AND number = settled.tries AND messaging_attempt.ended_at IS NULL
    ), recorded AS (
        INSERT INTO messaging_attempt (message_id, number, round, token, phase, provider, reply_code, reply, error, started_at, ended_at)
        SELECT id, tries, round, %(token)s::uuid, %(phase)s::varchar, %(provider)s::varchar, %(code)s::smallint, %(reply)s::text, %(error)s::text, clock_timestamp(), clock_timestamp()
        FROM settled WHERE %(opens)s::int = 1
    ), owed AS (
        INSERT INTO messaging_cmsnote (message_id, reference)
        SELECT id, gen_random_uuid() FROM settled WHERE needs_note AND %(to)s::varchar = 'sent'
    )"""

# Expiry and suppression are asked here, after every other step: what was queued before an unsubscribe does not go out after it.
FENCE = """
    fenced AS (
        UPDATE messaging_message SET
            status = 'transmitting', leased_until = clock_timestamp() + %(next_lease)s, provider = %(next_provider)s::varchar,
            attempts = attempts + 1, tries = tries + 1
        WHERE id = %(next_id)s AND lease = %(next_token)s::uuid AND status = 'claimed' AND leased_until > clock_timestamp()
            AND (expires_at IS NULL OR expires_at > clock_timestamp())
            AND (is_test OR NOT EXISTS (
                SELECT FROM messaging_suppression s WHERE s.address = lower(recipient)
                AND (s.suppressed_until IS NULL OR s.suppressed_until > clock_timestamp())))
        RETURNING id, tries, round
    ), opened AS (
        INSERT INTO messaging_attempt (message_id, number, round, token, phase, provider, reply, error, started_at)
        SELECT id, tries, round, %(next_token)s::uuid, 'data_started', %(next_provider)s::varchar, '', '', clock_timestamp() FROM fenced
    )"""

SETTLE_ALONE = f"WITH {SETTLE} SELECT EXISTS(SELECT FROM settled), FALSE"
FENCE_ALONE = f"WITH {FENCE} SELECT TRUE, EXISTS(SELECT FROM fenced)"
SETTLE_AND_FENCE = f"WITH {SETTLE}, {FENCE} SELECT EXISTS(SELECT FROM settled), EXISTS(SELECT FROM fenced)"


def write(outcome: Outcome | None, fence: Fence | None = None) -> tuple[bool, bool]:
    """Record the outcome and set the fence in one commit; returns whether each of them held. False: the message was taken away."""
    if outcome and fence:
        return _run(SETTLE_AND_FENCE, _settling(outcome) | _fencing(fence))
    if outcome:
        return _run(SETTLE_ALONE, _settling(outcome))
    assert fence, "nothing to write"
    return _run(FENCE_ALONE, _fencing(fence))


def _settling(outcome: Outcome) -> dict[str, Any]:
    opens = not outcome.fenced
    return {
        "id": outcome.message_id,
        "token": outcome.token,
        "to": str(outcome.to),
        "sources": sources(MOVES, to=outcome.to),
        "phase": str(outcome.phase),
        "opens": int(opens),
        "answered": int(opens and outcome.phase != Phase.LOST_PRE),  # a fenced try was counted by its fence
        "code": outcome.code,
        "reply": outcome.reply,
        "remote_id": outcome.remote_id,
        "provider": outcome.provider,
        "error": outcome.error,
        "reason": outcome.reason,
        "wait": timedelta(seconds=outcome.wait_seconds),
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
