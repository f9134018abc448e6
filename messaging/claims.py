"""Taking due messages to send them: one statement, and of each message only what sending it needs."""

import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import psycopg
from django.db import connection

from messaging.faults import fault


class Claimed(NamedTuple):
    """A message as its worker holds it. `lease` is the token of the hold; `claims` counts this one."""

    pk: int
    lease: uuid.UUID
    message_id: str
    sender: str
    recipient: str
    subject: str
    text: str
    html: str
    headers: str  # JSON
    created: float  # seconds since 1970
    is_test: bool
    needs_note: bool
    attempts: int
    max_attempts: int
    claims: int

    @property
    def contents(self) -> dict[str, Any]:
        """What of it goes over the wire. Its date is when it was queued: every try is the same mail."""
        return {
            "message_id": self.message_id,
            "sender": self.sender,
            "recipient": self.recipient,
            "subject": self.subject,
            "written_at": datetime.fromtimestamp(int(self.created), UTC),
            "text": self.text,
            "html": self.html,
            "headers": json.loads(self.headers) if self.headers != "{}" else {},
        }


# What `due()` and `claim()` of the queryset say, in one round trip. MATERIALIZED: the rows are chosen once, whatever the plan. The limit
# stands in the text, because a plan for any limit is one for many rows.
CLAIM = """
    WITH due AS MATERIALIZED (
        SELECT id FROM messaging_message WHERE status = 'queued' AND due_at <= statement_timestamp(){only}
        ORDER BY lane, due_at, id LIMIT {limit} FOR UPDATE SKIP LOCKED
    ), claimed AS (
        UPDATE messaging_message m SET
            status = 'claimed', lease = %(lease)s, leased_until = statement_timestamp() + %(span)s,
            claims = claims + 1, transmitting_since = NULL
        FROM due WHERE m.id = due.id
        RETURNING m.*
    )
    SELECT id, lease, message_id, sender, recipient, subject, text, html, headers::text, extract(epoch FROM created_at)::float8,
        is_test, needs_note, attempts, max_attempts, claims
    FROM claimed ORDER BY lane, due_at, id
"""


def claim(*, lease: timedelta, limit: int, only: int | None = None) -> list[Claimed]:
    """Take up to `limit` due messages; nobody else has them until `lease` runs out. Committed before this returns. `only`: this one."""
    connection.ensure_connection()
    raw = connection.connection
    assert raw is not None
    with connection.wrap_database_errors, psycopg.Cursor(raw) as cursor:
        statement = CLAIM.format(limit=int(limit), only="" if only is None else f" AND id = {int(only)}")
        cursor.execute(statement, {"lease": uuid.uuid4(), "span": lease})
        rows = [Claimed._make(row) for row in cursor.fetchall()]
    fault("claim.after_commit")
    return rows
