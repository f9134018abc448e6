"""What vanished workers left: facts in the spool, messages put back, doubts shown. Everything here may run twice, anywhere, at any time."""

from pathlib import Path

from django.db import transaction
from django.db.models import Exists, F, OuterRef
from django.db.models.functions import Greatest, Now

from messaging import journal, replay
from messaging.faults import fault
from messaging.models import Attempt, CmsNote, Level, Message, MessageSession, NoteAttempt, NoteOutcome, NoteStatus, Phase, Reason, Status
from messaging.models.message import POISON_CLAIMS

AT_ONCE = 500
NO_WORD = "The worker vanished after the body had started: the server may or may not have taken it."


def sweep(*, spool_dir: Path) -> dict[str, int]:
    """Nothing stays with a worker whose lease has run out; returns how many rows each step touched.

    Answers that wait on this host come first: a doubt that they settle never arises.
    """
    return {
        **replay.drain(spool_dir),
        "doubted": doubt(),
        "put_back": put_back(),
        "poisoned": hold_poison(),
        "expired": Message.objects.expired().move(Status.CANCELLED, reason=Reason.EXPIRED.label),
        "notes": doubt_notes(),
        "sessions": end_sessions(),
    }


@transaction.atomic
def doubt() -> int:
    """Transmitting, and the worker is gone: in doubt, with an attempt that says so. A person or evidence decides."""
    lapsed = list(Message.objects.filter(status=Status.TRANSMITTING).lapsed().select_for_update(skip_locked=True)[:AT_ONCE])
    ids = [message.pk for message in lapsed]
    fault("reaper.mid_scan")
    Attempt.objects.bulk_create(broken_off(message) for message in lapsed)
    moved = Message.objects.filter(pk__in=ids).move(
        Status.IN_DOUBT, lease=None, leased_until=None, doubt_since=Now(), error=NO_WORD, claims=0
    )
    if moved:
        journal.record(Level.WARNING, "delivery", f"{moved} messages are in doubt: {NO_WORD}", detail={"messages": ids[:50]})
    return moved


def broken_off(message: Message) -> Attempt:
    """The attempt that its worker did not live to write."""
    assert message.lease, "fact message_leased_while_worked_on"
    assert message.leased_until, "likewise"
    return Attempt(
        message=message,
        number=message.tries,
        round=message.round,
        token=message.lease,
        phase=Phase.LOST_POST,
        provider=message.provider,
        error=NO_WORD,
        started_at=message.transmitting_since or message.leased_until,
    )


def put_back() -> int:
    """Claimed, and the worker is gone: nothing had left, so it is queued again and no attempt is used up."""
    return Message.objects.filter(status=Status.CLAIMED).lapsed().move(Status.QUEUED, lease=None, leased_until=None)


def hold_poison() -> int:
    """Claimed again and again without an outcome: held for a person instead of taking worker after worker down."""
    poison = Message.objects.filter(status=Status.QUEUED, claims__gt=POISON_CLAIMS)
    held = poison.move(Status.HELD, reason=Reason.POISON.label)
    if held:
        journal.record(Level.ALARM, "delivery", f"{held} messages are held: claimed more than {POISON_CLAIMS} times without an outcome")
    return held


@transaction.atomic
def doubt_notes() -> int:
    """Posting, and the worker is gone: the CMS may have the note, so it is asked before anything is repeated."""
    lapsed = CmsNote.objects.filter(status=NoteStatus.POSTING).lapsed().select_for_update(skip_locked=True)
    ids = list(lapsed.values_list("pk", flat=True)[:AT_ONCE])
    open_attempts = NoteAttempt.objects.filter(note__in=ids, ended_at=None)
    open_attempts.update(outcome=NoteOutcome.LOST_POST, detail="The worker vanished during the call.", ended_at=Now())
    since = {"unclear_since": F("leased_until"), "error": "The worker vanished during the call: the CMS is asked before it is repeated."}
    return CmsNote.objects.filter(pk__in=ids).move(NoteStatus.UNKNOWN, lease=None, leased_until=None, **since)


def end_sessions() -> int:
    """A session is over when none of its messages is on its way any more."""
    on_its_way = Message.objects.filter(session=OuterRef("pk")).unfinished()
    return MessageSession.objects.running().exclude(Exists(on_its_way)).update(ended_at=Greatest(Now(), F("started_at")))
