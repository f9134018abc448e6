"""What became of a try: one statement writes it, all or nothing, and only for the worker that still holds the message.

The same statement may fence the next message: "this one is sent, that one goes out now" is one commit (reliability §7).
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from messaging import decisions
from messaging.lifecycles import sources
from messaging.models import Message, Phase, Status, Verdict
from messaging.models.message import MOVES
from messaging.models.suppression import RECIPIENT_SUPPRESSED
from messaging.prepared import Prepared

STILL_WANTED = timedelta(days=1)  # an older doubt is a person's: who knows whether the mail is still of use
JOURNAL = "local journal"  # who decided: the spool's folder of the host that did the work


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The end of one try, however far it had got."""

    message_id: int
    token: uuid.UUID
    to: Status
    phase: Phase
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


RECORDED = """recorded AS (
        INSERT INTO messaging_attempt (message_id, number, round, token, phase, provider, reply_code, reply, error, started_at, ended_at)
        SELECT id, tries, round, %(token)s::uuid, '{phase}', %(provider)s::text, %(code)s::smallint, %(reply)s::text, %(error)s::text,
            coalesce(transmitting_since, clock_timestamp()), clock_timestamp()
        FROM settled
    )"""
OWED = """owed AS (
        INSERT INTO messaging_cmsnote (message_id, reference) SELECT id, gen_random_uuid() FROM settled
    )"""

# Expiry and suppression are asked here, after every other step: what was queued before an unsubscribe does not go out after it.
FENCED = f"""fenced AS (
        UPDATE messaging_message SET
            status = 'transmitting', leased_until = clock_timestamp() + %(next_lease)s::interval, provider = %(next_provider)s::text,
            transmitting_since = clock_timestamp(), attempts = attempts + 1, tries = tries + 1
        WHERE id = %(next_id)s AND lease = %(next_token)s AND status = 'claimed' AND leased_until > clock_timestamp()
            AND (expires_at IS NULL OR expires_at > clock_timestamp())
            AND (is_test OR NOT {RECIPIENT_SUPPRESSED})
        RETURNING id
    )"""


def write(outcome: Outcome | None, fence: Fence | None = None) -> tuple[bool, bool]:
    """Record the outcome and set the fence in one commit; returns whether each of them held. False: the message was taken away."""
    ending = (outcome.to, outcome.phase, outcome.owes_note) if outcome else None
    settled, fenced = statement(ending, fence is not None).row(_settling(outcome) | _fencing(fence))
    return settled == b"t", fenced == b"t"


@cache
def statement(ending: tuple[Status, Phase, bool] | None, fences: bool) -> Prepared:
    """One statement per kind of ending: what is known of it stands in its text, so that the server plans each of the few only once."""
    assert ending or fences, "nothing to write"
    parts = []
    if ending:
        to, phase, owes_note = ending
        parts += [settled(to, phase), RECORDED.replace("{phase}", phase.value), *([OWED] if owes_note else [])]
    parts += [FENCED] if fences else []
    held = [f"EXISTS(SELECT FROM {name})" if given else "FALSE" for name, given in (("settled", ending), ("fenced", fences))]
    return Prepared(f"WITH {', '.join(parts)} SELECT {', '.join(held)}")


def settled(to: Status, phase: Phase) -> str:
    """The message's own part. The fence, where it was set, has counted the try already; one that never left is not counted at all."""
    never_left = phase == Phase.LOST_PRE
    facts = {
        "status": f"'{to.value}'",
        "lease": "NULL",
        "leased_until": "NULL",
        "tries": "tries + CASE status WHEN 'transmitting' THEN 0 ELSE 1 END",
        "attempts": f"attempts + CASE status WHEN 'transmitting' THEN {-int(never_left)} ELSE {int(not never_left)} END",
        "claims": "claims" if never_left else "0",
        "reply_code": "%(code)s::smallint",
        "remote_id": "%(remote_id)s",
        "provider": "%(provider)s::text",
        "error": "%(error)s::text",
        "reason": "''",
    } | {
        Status.SENT: {"sent_at": "clock_timestamp()"},
        Status.IN_DOUBT: {"doubt_since": "clock_timestamp()"},
        Status.QUEUED: {"due_at": "clock_timestamp() + %(wait)s::interval"},
    }.get(to, {})
    states = ", ".join(f"'{state}'" for state in sources(MOVES, to=to))
    return f"""settled AS (
        UPDATE messaging_message SET {", ".join(f"{name} = {value}" for name, value in facts.items())}
        WHERE id = %(id)s AND lease = %(token)s::uuid AND status IN ({states})
        RETURNING id, tries, round, transmitting_since
    )"""


def _settling(outcome: Outcome | None) -> dict[str, object]:
    if outcome is None:
        return {}
    return {
        "id": outcome.message_id,
        "token": outcome.token,
        "code": outcome.code,
        "reply": outcome.reply,
        "remote_id": outcome.remote_id,
        "provider": outcome.provider,
        "error": outcome.error,
        "wait": f"{outcome.wait_seconds} seconds",
    }


def _fencing(fence: Fence | None) -> dict[str, object]:
    if fence is None:
        return {}
    lease = f"{fence.lease.total_seconds()} seconds"
    return {"next_id": fence.message_id, "next_token": fence.token, "next_provider": fence.provider, "next_lease": lease}


def not_left(message_id: int, token: uuid.UUID) -> Outcome:
    """Its body has not left, whether or not its fence was written: it is queued again, and no attempt is used up."""
    why = "The database was away just before the body."
    return Outcome(message_id=message_id, token=token, to=Status.QUEUED, phase=Phase.LOST_PRE, error=why)


def take_back(message_id: int, token: uuid.UUID) -> bool:
    return write(not_left(message_id, token))[0]


@transaction.atomic
def settle_late(outcome: Outcome) -> bool:
    """Apply an outcome that was known but could not be written in time; True if it changed anything. Twice is once.

    If the message is still ours by its token, as usual. If it went in doubt meanwhile, what is known is evidence: a yes from the server
    means that it is sent; that nothing had left, by its last try, means that it is sent again, within a day.
    """
    settled, _ = write(outcome)
    if settled:
        return True
    doubtful = Message.objects.in_doubt()
    match outcome.phase:
        case Phase.ACCEPTED:
            tried = doubtful.filter(pk=outcome.message_id, history__token=outcome.token)
            reason = f"The server had answered {outcome.code} {outcome.reply}"
            decided = decisions.decide(tried, verdict=Verdict.MARK_AS_SENT, reason=reason, source=JOURNAL)
            if decided:
                Message.objects.filter(pk=outcome.message_id).update(remote_id=outcome.remote_id)
        case Phase.LOST_PRE:  # of the last try only: an earlier one says nothing of what became of this
            tried = doubtful.filter(pk=outcome.message_id, history__token=outcome.token, history__number=F("tries"))
            fresh = tried.filter(doubt_since__gt=Now() - STILL_WANTED)
            lane = fresh.values_list("lane", flat=True).first()
            reason = f"Nothing had left: {outcome.error}"
            decided = decisions.decide(fresh, verdict=Verdict.SEND_AGAIN, reason=reason, source=JOURNAL)
            if decided:  # as if it had been put back at once: in its own lane, after its own wait
                due_at = Now() + timedelta(seconds=outcome.wait_seconds)
                Message.objects.filter(pk=outcome.message_id).update(lane=lane, due_at=due_at, error=outcome.error)
        case _:
            return False
    return decided > 0
