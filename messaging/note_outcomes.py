"""What a call to the CMS did to a note: opened by a fenced write before the call, closed in one commit with the note's next state."""

import logging
import time
from datetime import timedelta
from typing import Any

from django.db import DatabaseError, IntegrityError, connection, transaction
from django.db.models import F
from django.db.models.functions import Now

from messaging.faults import fault
from messaging.models import CmsNote, NoteAttempt, NoteOutcome, NoteStatus
from messaging.note_texts import NoteText
from messaging.retry import RetryPolicy

log = logging.getLogger(__name__)
BACK_OFF = RetryPolicy(max_tries=10, first_wait=timedelta(seconds=30), factor=2, longest=timedelta(hours=1))  # and then for ever
DATABASE_TRIES = 8  # to write down what the CMS said, with waits of 0.1 s doubled; after that the note is looked up

AFTER_ADDING = {
    NoteOutcome.CREATED: NoteStatus.PROCESSED,
    NoteOutcome.EXISTS: NoteStatus.PROCESSED,
    NoteOutcome.REJECTED: NoteStatus.PENDING,
    NoteOutcome.LOST_PRE: NoteStatus.PENDING,
    NoteOutcome.LOST_POST: NoteStatus.UNKNOWN,
}
AFTER_LOOKING = {
    NoteOutcome.EXISTS: NoteStatus.PROCESSED,
    NoteOutcome.ABSENT: NoteStatus.PENDING,
    NoteOutcome.LOST_PRE: NoteStatus.UNKNOWN,
}


@transaction.atomic
def open_adding(note: CmsNote, words: NoteText, *, lease: timedelta) -> NoteAttempt | None:
    """The fenced write before the call: this worker, and no other, adds the note now. None: the note is not ours any more."""
    fault("cms.before_fence")
    ours = CmsNote.objects.filter(pk=note.pk, lease=note.lease).leased()
    if not ours.move(NoteStatus.POSTING, leased_until=Now() + lease, attempts=F("attempts") + 1):
        return None
    transaction.on_commit(lambda: fault("cms.after_fence"))
    return record(note, NoteAttempt.Act.ADD, type_code=words.type_code, text=words.text, next_contact_on=words.next_contact_on)


@transaction.atomic
def open_looking(note: CmsNote) -> NoteAttempt | None:
    """The CMS is about to be asked. None: the note is not ours any more."""
    if not CmsNote.objects.filter(pk=note.pk, lease=note.lease).leased().update(attempts=F("attempts") + 1):
        return None
    return record(note, NoteAttempt.Act.LOOK_UP)


def record(note: CmsNote, act: str, **facts: Any) -> NoteAttempt:
    """The next attempt in the note's history, under the number its counter has just taken."""
    note.refresh_from_db(fields=["attempts"])
    pid = note.message.case.pid if note.message.case else ""
    return NoteAttempt.objects.create(note=note, number=note.attempts, act=act, pid=pid, token=note.lease, **facts)


def close(attempt: NoteAttempt, outcome: NoteOutcome, **facts: Any) -> NoteStatus:
    """Write down what the CMS said; returns where the note stands. Tried again while the database is away.

    If it stays away, a note being added is left "posting"; its lease ends, and the CMS is asked: one note in any case.
    """
    for tries in range(DATABASE_TRIES):
        try:
            return write(attempt, outcome, **facts)
        except IntegrityError:
            raise
        except DatabaseError as trouble:
            log.warning("what the CMS said about note %s waits: %s", attempt.note_id, trouble)
            time.sleep(0.1 * 2**tries)
            connection.close()
    return write(attempt, outcome, **facts)


@transaction.atomic
def write(
    attempt: NoteAttempt,
    outcome: NoteOutcome,
    *,
    detail: str,
    http_status: int | None = None,
    remote_id: str = "",
    attention: str = "",
    wait_seconds: float | None = None,
) -> NoteStatus:
    """One commit: the attempt's end, and what follows for the note. A note that is not ours any more keeps its state."""
    note, looked = attempt.note, attempt.act == NoteAttempt.Act.LOOK_UP
    status = (AFTER_LOOKING if looked else AFTER_ADDING)[outcome]
    still_open = NoteAttempt.objects.filter(pk=attempt.pk, ended_at=None)
    still_open.update(outcome=outcome, http_status=http_status, detail=detail[:2_000], ended_at=Now())
    facts: dict[str, Any] = {"attention": attention[:300], "error": detail[:2_000]}
    if outcome != NoteOutcome.ABSENT:  # after that the same worker adds it at once
        facts |= {"lease": None, "leased_until": None}
    match status:
        case NoteStatus.PROCESSED:
            facts |= {"remote_id": remote_id, "processed_at": Now(), "unclear_since": None, "error": ""}
        case NoteStatus.PENDING:
            facts |= {"unclear_since": None, "due_at": Now() + wait(note, wait_seconds)}
        case NoteStatus.UNKNOWN:  # after a lost answer the settle time is its wait
            facts |= {"due_at": Now() + wait(note, wait_seconds)} if looked else {"unclear_since": Now(), "due_at": Now()}
    ours = CmsNote.objects.filter(pk=note.pk, lease=note.lease)
    moved = ours.update(**facts) if status == note.status else ours.move(status, **facts)
    fault("cms.before_result_commit")
    transaction.on_commit(lambda: fault("cms.after_result_commit"))
    return status if moved else NoteStatus(CmsNote.objects.values_list("status", flat=True).get(pk=note.pk))


def wait(note: CmsNote, seconds: float | None) -> timedelta:
    return BACK_OFF.wait(tries=note.attempts) if seconds is None else timedelta(seconds=seconds)
