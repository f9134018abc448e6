"""Post what is owed to the CMS. A note is processed only when the CMS says so, and is asked for before anything is repeated."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import date, timedelta
from typing import Any

from django.db import IntegrityError

from messaging import journal
from messaging.faults import fault
from messaging.gateways.cms import Added, CmsAccountRefused, CmsClient, CmsUnavailable, CmsUnclear, FoundNote, NewNote, NoteRefused
from messaging.models import CmsNote, Level, NoteAttempt, NoteOutcome, NoteStatus, Provider, Purpose
from messaging.note_outcomes import close, open_adding, open_looking
from messaging.note_texts import NoteText, note_for

AT_ONCE = 20  # notes per claim
PROBE_FOR = timedelta(seconds=60)
FIRST_PAUSE = timedelta(seconds=5)
LONGEST_PAUSE = timedelta(minutes=5)
ACCOUNT_PAUSE = timedelta(minutes=15)
LOOK_YOURSELF = "The answer was lost and this CMS cannot be asked: look into the case file, then confirm the note or add it again."
OVERSLEPT = "This worker stood still for too long before the call: nothing was sent, somebody else may be at it."
NOT_OURS = "The CMS named a note of another case: look into both case files, then confirm the note or add it again."


class CmsPaused(Exception):
    """The CMS is left alone for a while: nothing more is tried now."""


def never() -> bool:
    return False


@dataclass(frozen=True, kw_only=True)
class Terms:
    """How notes are posted here, told by the door. `today` is the office's date, from which the next contact date is counted."""

    client: CmsClient
    lease: timedelta
    settle: timedelta
    today: date
    pause_seconds: float = 0.0
    stop: Callable[[], bool] = never


@dataclass(kw_only=True)
class NoteTally:
    """What one call did, in notes; `pending` is what is owed afterwards, by anybody."""

    attempted: int = 0
    processed: int = 0
    failed: int = 0
    unknown: int = 0
    pending: int = 0
    seconds: float = 0.0
    started: float = field(default_factory=time.monotonic, repr=False)

    def count(self, status: NoteStatus) -> None:
        name = {NoteStatus.PROCESSED: "processed", NoteStatus.UNKNOWN: "unknown"}.get(status, "failed")
        setattr(self, name, getattr(self, name) + 1)

    def as_dict(self) -> dict[str, Any]:
        facts = asdict(self)
        del facts["started"]
        return facts | {"seconds": round(self.seconds, 3)}


def post_due(terms: Terms, *, limit: int | None = None, seconds: float = 50.0) -> NoteTally:
    """Try each due note once, until none is left, `limit` were tried or `seconds` have passed. One failure never stops the others."""
    tally = NoteTally()
    while not terms.client.is_manual and not terms.stop() and time.monotonic() - tally.started < seconds:
        wanted = AT_ONCE if limit is None else min(AT_ONCE, limit - tally.attempted)
        batch = claim(terms, limit=wanted) if wanted > 0 and cms().may_try(probe_for=PROBE_FOR) else []
        if not batch or not work_off(batch, terms, tally):
            break
    tally.pending = CmsNote.objects.pending().count()
    tally.seconds = time.monotonic() - tally.started
    return tally


def cms() -> Provider:
    return Provider.objects.get_or_create(name="cms", defaults={"purpose": Purpose.CMS})[0]


def claim(terms: Terms, *, limit: int) -> list[CmsNote]:
    due = CmsNote.objects.due(settle=terms.settle).select_related("message__case")
    return due.claim(lease=terms.lease, limit=limit)


def work_off(batch: list[CmsNote], terms: Terms, tally: NoteTally) -> bool:
    """Try each of these, and give back what is not reached. False: the CMS is away, or we were told to stop."""
    for number, note in enumerate(batch):
        if terms.stop():
            give_back(batch[number:])
            return False
        tally.attempted += 1
        try:
            tally.count(try_once(note, terms))
        except CmsPaused:
            tally.failed += 1
            give_back(batch[number + 1 :])
            return False
        time.sleep(terms.pause_seconds)
    return True


def give_back(notes: list[CmsNote]) -> int:
    held = CmsNote.objects.filter(pk__in=[note.pk for note in notes], lease__in={note.lease for note in notes})
    return held.exclude(status=NoteStatus.POSTING).update(lease=None, leased_until=None)


def try_once(note: CmsNote, terms: Terms) -> NoteStatus:
    """Bring one note as far as it gets now; returns where it stands. Raises CmsPaused when the whole CMS is away."""
    if note.status == NoteStatus.UNKNOWN:
        standing = ask_first(note, terms)
        if standing != NoteStatus.PENDING:
            return standing
    words, began = wording(note, today=terms.today), time.monotonic()
    attempt = open_adding(note, words, lease=terms.lease)
    if attempt is None:
        return NoteStatus.PENDING  # another worker has it
    note.status = NoteStatus.POSTING
    if time.monotonic() - began > terms.lease.total_seconds() / 2:  # the other half is for the call itself
        return close(attempt, NoteOutcome.LOST_PRE, detail=OVERSLEPT)
    try:
        added = terms.client.add_note(new_note(note, words))
    except NoteRefused as no:
        return close(attempt, NoteOutcome.REJECTED, http_status=no.status, detail=str(no), attention=str(no))
    except CmsUnavailable as away:
        return came_back_empty(attempt, away)
    except CmsUnclear as lost:
        journal.count_error("notes", str(lost), message_id=note.message_id)
        return close(attempt, NoteOutcome.LOST_POST, http_status=lost.status, detail=str(lost))
    fault("cms.after_post")
    standing = confirmed_by_cms(attempt, added)
    cms().works()
    return standing


def ask_first(note: CmsNote, terms: Terms) -> NoteStatus:
    """An earlier answer was lost: where the note stands now. Pending means that it is safe to add it."""
    if not terms.client.can_look_up:
        return NoteStatus.PENDING if terms.client.takes_idempotency_key else hand_to_a_person(note, LOOK_YOURSELF)
    attempt = open_looking(note)
    if attempt is None:
        return NoteStatus.UNKNOWN
    try:
        found = terms.client.find_notes(str(note.reference))
    except CmsUnavailable as silent:
        return came_back_empty(attempt, silent)
    except (CmsUnclear, NoteRefused) as silent:
        return close(attempt, NoteOutcome.LOST_PRE, http_status=silent.status, detail=str(silent))
    cms().works()
    return judge(attempt, found)


def judge(attempt: NoteAttempt, found: list[FoundNote]) -> NoteStatus:
    """What the CMS's list means. A note of another case, or one without an id, never counts as ours."""
    note = attempt.note
    pid = note.message.case.pid if note.message.case else ""
    ours = [each for each in found if each.reference == str(note.reference) and each.pid == pid and each.remote_id]
    if len(ours) < len(found):
        why = f"The CMS answered our reference {note.reference} with a note that is not ours."
        journal.record(Level.ALARM, "notes", why, message_id=note.message_id, detail={"found": [each.remote_id for each in found]})
        close(attempt, NoteOutcome.LOST_PRE, detail=why)
        return hand_to_a_person(note, NOT_OURS)
    if not ours:
        note.status = close(attempt, NoteOutcome.ABSENT, detail="The CMS does not have it.", wait_seconds=0)
        return NoteStatus(note.status)
    if len(ours) > 1:
        extra = ", ".join(each.remote_id for each in ours[1:])
        journal.record(Level.ALARM, "notes", f"The CMS has note {ours[0].remote_id} twice; delete {extra}.", message_id=note.message_id)
    return confirmed_by_cms(attempt, Added(remote_id=ours[0].remote_id, existed=True, status=200))


def confirmed_by_cms(attempt: NoteAttempt, added: Added) -> NoteStatus:
    """Processed, by the CMS's own id. An id that another note has is an alarm, never a confirmation (I-24)."""
    outcome = NoteOutcome.EXISTS if added.existed else NoteOutcome.CREATED
    try:
        return close(attempt, outcome, http_status=added.status, detail=f"Note {added.remote_id}.", remote_id=added.remote_id)
    except IntegrityError:
        other = CmsNote.objects.filter(remote_id=added.remote_id).values_list("message_id", flat=True).first()
        why = f"The CMS returned note id {added.remote_id}, which belongs to e-mail {other}."
        journal.record(Level.ALARM, "notes", why, message_id=attempt.note.message_id)
        unclear = NoteOutcome.LOST_PRE if attempt.act == NoteAttempt.Act.LOOK_UP else NoteOutcome.LOST_POST
        return close(attempt, unclear, http_status=added.status, detail=why, attention=why)


def came_back_empty(attempt: NoteAttempt, away: CmsUnavailable) -> NoteStatus:
    """Nothing was added. If the CMS is away for everybody, or asks for time, everybody leaves it alone."""
    standing = close(attempt, NoteOutcome.LOST_PRE, http_status=away.status, detail=str(away), wait_seconds=away.retry_after)
    journal.count_error("notes", str(away), message_id=attempt.note.message_id)
    if away.everyone or away.retry_after is not None:
        pause(away)
        raise CmsPaused(str(away)) from away
    return standing


def pause(away: CmsUnavailable) -> None:
    provider = cms()
    span = min(FIRST_PAUSE * 2 ** min(provider.failures_in_row, 20), LONGEST_PAUSE)
    if isinstance(away, CmsAccountRefused):
        span = ACCOUNT_PAUSE
    elif away.retry_after is not None:
        span = timedelta(seconds=away.retry_after)
    provider.pause(reason=str(away), span=span)
    level = Level.ALARM if isinstance(away, CmsAccountRefused) else Level.WARNING
    journal.record(level, "notes", f"The CMS is left alone for {span}: {away}")


def hand_to_a_person(note: CmsNote, why: str) -> NoteStatus:
    CmsNote.objects.filter(pk=note.pk, status=NoteStatus.UNKNOWN).update(attention=why, lease=None, leased_until=None)
    return NoteStatus.UNKNOWN


def wording(note: CmsNote, *, today: date) -> NoteText:
    mail = note.message
    return note_for(kind=mail.kind, sent_to=mail.recipient, intended_for=mail.intended_for, is_test=mail.is_test, today=today)


def new_note(note: CmsNote, words: NoteText) -> NewNote:
    assert note.message.case is not None, "a note is owed only for a case (constraint message_note_needs_a_case)"
    return NewNote(
        reference=str(note.reference),
        pid=note.message.case.pid,
        type_code=words.type_code,
        text=words.text,
        next_contact_on=words.next_contact_on,
    )
