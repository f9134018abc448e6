"""Taking due messages to send them: one statement, and of each message only what sending it needs."""

import json
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, NamedTuple

from messaging.faults import fault
from messaging.models.suppression import RECIPIENT_SUPPRESSED
from messaging.prepared import Prepared


class Claimed(NamedTuple):
    """A message as its worker holds it. `lease` is the token of the hold; `claims` counts this one; `suppressed`: it must not go."""

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
    suppressed: bool

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
            status = 'claimed', lease = %(lease)s, leased_until = statement_timestamp() + %(span)s::interval,
            claims = claims + 1, transmitting_since = NULL
        FROM due WHERE m.id = due.id
        RETURNING m.*
    )
    SELECT id, lease, message_id, sender, recipient, subject, text, html, headers::text, extract(epoch FROM created_at)::float8,
        is_test, needs_note, attempts, max_attempts, claims, NOT is_test AND {suppressed}
    FROM claimed ORDER BY lane, due_at, id
"""


def claim(*, lease: timedelta, limit: int, only: int | None = None) -> list[Claimed]:
    """Take up to `limit` due messages; nobody else has them until `lease` runs out. Committed before this returns. `only`: this one."""
    values = {"lease": uuid.uuid4(), "span": f"{lease.total_seconds()} seconds", "only": only}
    rows = [read(row) for row in statement(limit, only is not None).rows(values)]
    fault("claim.after_commit")
    return rows


@cache
def statement(limit: int, of_one: bool) -> Prepared:
    return Prepared(CLAIM.format(limit=int(limit), only=" AND id = %(only)s" if of_one else "", suppressed=RECIPIENT_SUPPRESSED))


def read(row: list[bytes | None]) -> Claimed:
    """The message from PostgreSQL's text form; none of its columns may be NULL."""
    return Claimed._make(READERS[kind](told) for kind, told in zip(KINDS, row, strict=True) if told is not None)


KINDS = tuple(Claimed.__annotations__.values())
READERS: dict[Any, Callable[[bytes], Any]] = {
    int: int,
    float: float,
    str: bytes.decode,
    bool: b"t".__eq__,
    uuid.UUID: lambda told: uuid.UUID(told.decode()),
}
