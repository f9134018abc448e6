"""What a person says about a note: confirmed by hand, looked for and not found, or worth another try now."""

from typing import Any

from django.db import transaction
from django.db.models.functions import Now

from messaging import note_outcomes
from messaging.models import CmsNote, NoteAttempt, NoteOutcome, NoteStatus
from messaging.models.note import CmsNoteQuerySet

FREE = {"lease": None, "leased_until": None, "unclear_since": None, "attention": "", "error": ""}


class AlreadyProcessed(ValueError):
    """The CMS has confirmed this note; there is nothing left to decide."""


class BeingPosted(ValueError):
    """A worker is talking to the CMS about this note at this moment."""


@transaction.atomic
def confirm(note: CmsNote, *, remote_id: str, by: Any) -> CmsNote:
    """A person has seen the note in the CMS: processed, under the CMS's id, or `manual:<our id>` where the CMS shows none."""
    held = locked(note)
    confirmed_id = remote_id.strip() or f"manual:{held.pk}"
    said(held, NoteOutcome.CONFIRMED, by=by, detail=f"Seen in the CMS as {confirmed_id}.")
    facts = {"remote_id": confirmed_id, "processed_at": Now(), "confirmed_by": by}
    CmsNote.objects.filter(pk=held.pk).move(NoteStatus.PROCESSED, **FREE, **facts)
    held.refresh_from_db()
    return held


@transaction.atomic
def add_again(note: CmsNote, *, by: Any) -> CmsNote:
    """A person has looked and the CMS does not have it: pending, and added at the next turn."""
    held = locked(note)
    said(held, NoteOutcome.ABSENT, by=by, detail="Looked for by hand: the CMS does not have it.")
    notes = CmsNote.objects.filter(pk=held.pk)
    notes.update(due_at=Now(), **FREE) if held.status == NoteStatus.PENDING else notes.move(NoteStatus.PENDING, due_at=Now(), **FREE)
    held.refresh_from_db()
    return held


def try_again_now(notes: CmsNoteQuerySet) -> int:
    """Due at once, whatever they waited for; returns how many. What was unclear is still asked for first."""
    return notes.pending().update(due_at=Now(), attention="")


def locked(note: CmsNote) -> CmsNote:
    """The note, ours until the transaction ends. Raises AlreadyProcessed or BeingPosted where nobody may decide."""
    held = CmsNote.objects.select_for_update(of=("self",)).select_related("message__case").get(pk=note.pk)
    if held.status == NoteStatus.PROCESSED:
        raise AlreadyProcessed(f"The CMS note of message {held.message_id} is processed already, as {held.remote_id}.")
    if held.status == NoteStatus.POSTING:
        raise BeingPosted(f"The CMS note of message {held.message_id} is being posted right now; look again in a minute.")
    return held


def said(note: CmsNote, outcome: NoteOutcome, *, by: Any, detail: str) -> None:
    CmsNote.objects.filter(pk=note.pk).update(attempts=note.attempts + 1)
    note_outcomes.record(note, NoteAttempt.Act.CONFIRM, outcome=outcome, by=by, detail=detail, ended_at=Now())
