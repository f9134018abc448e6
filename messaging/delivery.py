"""Claim, send, record, owe a note: every message that is due reaches one named end, whatever dies on the way.

claim ─ connect, MAIL, RCPT, DATA ─ fence ─ body ─ reply ─ result
└ nothing has left: put back ──────┘└ in doubt ──┘└ known, and kept until the database has it
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

from django.db import DatabaseError, connection
from django.db.models import F
from django.db.models.functions import Greatest, Now

from messaging import journal, outcomes
from messaging.answers import Answers
from messaging.claims import Claimed, claim
from messaging.faults import fault
from messaging.gateways.mail import MailRefused, MailServer, MailUnavailable, MailUnclear
from messaging.lines import Line, NoLine
from messaging.mime import mime
from messaging.models import Message, Phase, Reason, Status
from messaging.outcomes import Fence, Outcome
from messaging.retry import RetryPolicy

log = logging.getLogger(__name__)
AT_ONCE = 20  # messages per claim


def never() -> bool:
    return False


@dataclass(frozen=True, kw_only=True)
class Terms:
    """How delivery works here: told by the door, the same for every message of a call."""

    servers: Sequence[MailServer]
    policy: RetryPolicy
    lease: timedelta
    spool_dir: Path
    pause_seconds: float = 0.0  # between two mails of this worker
    rate_per_second: float = 0.0  # per server, of all workers together; 0 = no limit
    stop: Callable[[], bool] = never


@dataclass(kw_only=True)
class Tally:
    """What one call did, in messages. `held_back`: claimed and put back unsent, because no server could be used or we were told to stop."""

    claimed: int = 0
    sent: int = 0
    requeued: int = 0
    failed: int = 0
    in_doubt: int = 0
    cancelled: int = 0
    held_back: int = 0
    seconds: float = 0.0
    started: float = field(default_factory=time.monotonic, repr=False)

    def count(self, outcome: Outcome) -> None:
        name = {Status.QUEUED: "requeued"}.get(outcome.to, outcome.to.value)
        setattr(self, name, getattr(self, name) + 1)

    def as_dict(self) -> dict[str, Any]:
        facts = asdict(self)
        del facts["started"]
        return facts | {"seconds": round(self.seconds, 3), "per_second": round(self.sent / self.seconds, 1) if self.seconds else 0.0}


def send_due(terms: Terms, *, limit: int | None = None, seconds: float = 50.0, until_empty: bool = False, only: int | None = None) -> Tally:
    """Send what is due until nothing is, `limit` messages were taken, or `seconds` have passed (`until_empty`: however long it takes).

    Any number of workers on any hosts may do this at once. `only` this message, should it be due.
    """
    tally = Tally()
    with Courier(terms, tally) as courier:
        while not terms.stop() and (until_empty or time.monotonic() - tally.started < seconds):
            wanted = AT_ONCE if limit is None else min(AT_ONCE, limit - tally.claimed)
            batch = claim(lease=terms.lease, limit=wanted, only=only) if wanted > 0 else []
            if not batch or not courier.deliver(batch):
                break
    tally.seconds = time.monotonic() - tally.started
    return tally


def let_go(message: Claimed, *, to: Status = Status.QUEUED, **facts: Any) -> int:
    """Give up our hold before anything has left; 0 if the message was not ours any more. An orderly return is no sign of poison."""
    claims = Greatest(F("claims") - 1, 0)
    return Message.objects.filter(pk=message.pk, lease=message.lease).move(to, lease=None, leased_until=None, claims=claims, **facts)


class Courier:
    """One worker: a line to the outside, and the answers it brings back."""

    def __init__(self, terms: Terms, tally: Tally) -> None:
        self.terms, self.tally = terms, tally
        self.line = Line(terms.servers)
        self.answers = Answers(terms.spool_dir, stop=terms.stop, recorded=tally.count)
        self.gone: int | None = None  # the message whose body was handed over last: it is never put back

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self.answers.record()
        finally:
            self.answers.close()
            self.line.quit() if kind is None else self.line.hang_up()  # the server may be waiting for a body

    def deliver(self, batch: list[Claimed]) -> bool:
        """See each message to its end, or put it back; False when nothing can be sent now."""
        self.tally.claimed += len(batch)
        batch = self._without_suppressed(batch)
        for number, message in enumerate(batch):
            try:
                if self.terms.stop():
                    raise NoLine("told to stop")
                if self.terms.rate_per_second:
                    time.sleep(self.line.turn_in(per_second=self.terms.rate_per_second))
                self.send(message)
            except NoLine:
                self.answers.record()
                self.tally.held_back += sum(let_go(waiting) for waiting in batch[number:])
                return False
            except DatabaseError:
                self.line.hang_up()
                self._put_back(batch[number:])
                raise
        self.answers.record()
        return True

    def _without_suppressed(self, batch: list[Claimed]) -> list[Claimed]:
        """Those to a suppressed address are cancelled before a server hears of them."""
        for message in batch:
            if message.suppressed:
                self.tally.cancelled += let_go(message, to=Status.CANCELLED, reason=Reason.SUPPRESSED.label)
        return [message for message in batch if not message.suppressed]

    def send(self, message: Claimed) -> None:
        """Bring one message to the server. What the server says is kept at once, and recorded with the next message's fence."""
        try:
            body = mime(**message.contents)
        except ValueError as trouble:
            return self._conclude(message, Status.FAILED, Phase.REJECTED, error=f"It cannot be written as a mail: {trouble}")
        if self._prepare(message, body) and self._fence(message):
            self._transmit(message, body)
        return None

    def _prepare(self, message: Claimed, body: bytes) -> bool:
        """Bring the server to ask for the body. False: the message has found another end."""
        while True:
            connection = self.line.connection()
            fault("mail.after_connect")
            try:
                connection.prepare(sender=message.sender, recipient=message.recipient, size=len(body))
            except MailRefused as refusal:
                self._refused(message, refusal)
                return False
            except MailUnavailable as trouble:
                if not self.line.is_fresh:
                    continue  # the server had closed an idle connection: nobody's fault
                self._conclude(message, Status.QUEUED, Phase.LOST_PRE, error=str(trouble), tries=message.claims)
                self.line.broke(str(trouble))
                return False
            fault("mail.after_rcpt")
            return True

    def _fence(self, message: Claimed) -> bool:
        """The write just before the body. False: the message is not ours any more, or must not go; nothing of it leaves."""
        fault("mail.before_fence")
        fence = Fence(message_id=message.pk, token=message.lease, provider=self.line.provider.name, lease=self.terms.lease)
        held = self.answers.record(fence)
        fault("mail.after_fence")
        if not held:
            self.line.hang_up()
            self._explain(message)
        return held

    def _explain(self, message: Claimed) -> None:
        """The fence did not hold: another worker has the message, or its time or its address ran out since the claim."""
        ours = Message.objects.filter(pk=message.pk, status=Status.CLAIMED, lease=message.lease)
        if ours.suppressed().exists():
            self.tally.cancelled += let_go(message, to=Status.CANCELLED, reason=Reason.SUPPRESSED.label)
        elif ours.filter(expires_at__lte=Now()).exists():
            self.tally.cancelled += let_go(message, to=Status.CANCELLED, reason=Reason.EXPIRED.label)

    def _transmit(self, message: Claimed, body: bytes) -> None:
        self.gone = message.pk
        fault("mail.mid_body")
        try:
            reply = self.line.connection().transmit(body)
        except MailRefused as refusal:
            return self._refused(message, refusal)
        except MailUnavailable as gone:
            return self._conclude(message, Status.QUEUED, Phase.LOST_PRE, error=str(gone))
        except MailUnclear as doubt:
            return self._conclude(message, Status.IN_DOUBT, Phase.LOST_POST, error=str(doubt))
        fault("mail.after_body")
        yes = {"code": reply.code, "reply": reply.text, "remote_id": reply.queue_id, "owes_note": message.needs_note}
        self.answers.keep(self._outcome(message, Status.SENT, Phase.ACCEPTED, **yes))
        self.line.took_one()  # asks the database, which may be away: only once the answer is kept
        if self.terms.pause_seconds:
            self.answers.record()
            time.sleep(self.terms.pause_seconds)
        return None

    def _refused(self, message: Claimed, refusal: MailRefused) -> None:
        """The server said no: later, while tries are left and it may change its mind; otherwise never."""
        tries = message.attempts + 1
        later = not refusal.permanent and tries < message.max_attempts
        to = Status.QUEUED if later else Status.FAILED
        facts: dict[str, Any] = {"code": refusal.code, "reply": refusal.reply}
        self._conclude(message, to, Phase.REJECTED, error=str(refusal), tries=tries, **facts)
        if refusal.at_sender and refusal.permanent:
            self.line.refused_our_sender(str(refusal))
        elif not refusal.at_sender:
            self.line.took_one()

    def _conclude(self, message: Claimed, to: Status, phase: Phase, *, error: str, tries: int = 1, **facts: Any) -> None:
        """An end other than "sent": recorded at once, and counted among the errors."""
        wait_seconds = self.terms.policy.wait(tries=tries).total_seconds() if to == Status.QUEUED else 0.0
        self.answers.record()
        self.answers.keep(self._outcome(message, to, phase, error=error, wait_seconds=wait_seconds, **facts))
        self.answers.record()
        journal.count_error("delivery", error, message_id=message.pk)

    def _outcome(self, message: Claimed, to: Status, phase: Phase, **facts: Any) -> Outcome:
        name = self.line.server_name
        return Outcome(message_id=message.pk, token=message.lease, to=to, phase=phase, provider=name, **facts)

    def _put_back(self, rest: list[Claimed]) -> None:
        """The database failed under us; none of these has left, but for the one whose body did. If it is still away their holds run out.

        The first may be fenced, its commit's word lost on the way: that nothing of it left is kept on disk, or its hold would end in doubt.
        """
        connection.close()
        if rest[0].pk != self.gone:
            self.answers.set_aside(outcomes.not_left(rest[0].pk, rest[0].lease))
        try:
            self.tally.held_back += sum(outcomes.take_back(row.pk, row.lease) for row in rest if row.pk != self.gone)
        except DatabaseError as trouble:
            log.warning("%s claimed messages wait for their lease to end: %s", len(rest), trouble)
