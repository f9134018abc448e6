"""What people say about notes: confirmed, looked for in vain, or worth another try."""

from datetime import timedelta

import pytest
from django.db.models.functions import Now

from messaging import invariants, note_decisions
from messaging.models import CmsNote, NoteAttempt, NoteStatus
from messaging.note_decisions import AlreadyProcessed, BeingPosted
from tests.factories import make_note

pytestmark = pytest.mark.django_db


@pytest.fixture
def person(django_user_model):
    return django_user_model.objects.create(username="pat")


def put(note: CmsNote, status: NoteStatus) -> CmsNote:
    lease = {"lease": note.reference, "leased_until": Now() + timedelta(minutes=2)}
    if status != NoteStatus.PENDING:
        CmsNote.objects.filter(pk=note.pk).update(status=NoteStatus.POSTING, **lease)
    if status == NoteStatus.UNKNOWN:
        CmsNote.objects.filter(pk=note.pk).update(status=status, unclear_since=Now(), attention="look", lease=None, leased_until=None)
    return note


REFERENCES = [("77", "77"), ("  77 ", "77"), ("", None), ("   ", None)]


@pytest.mark.parametrize(("typed", "kept"), REFERENCES)
@pytest.mark.parametrize("status", [NoteStatus.PENDING, NoteStatus.UNKNOWN])
def test_a_note_confirmed_by_hand_is_processed_with_its_reference_or_our_own(person, status, typed, kept):
    note = put(make_note(), status)

    confirmed = note_decisions.confirm(note, remote_id=typed, by=person)

    assert (confirmed.status, confirmed.remote_id) == (NoteStatus.PROCESSED, kept or f"manual:{note.pk}")
    assert (confirmed.confirmed_by, confirmed.attention, confirmed.lease, confirmed.processed_at is not None) == (person, "", None, True)
    attempt = NoteAttempt.objects.get()
    assert (attempt.act, attempt.outcome, attempt.by, attempt.detail) == (
        "confirm",
        "confirmed",
        person,
        f"Seen in the CMS as {confirmed.remote_id}.",
    )


@pytest.mark.parametrize("status", [NoteStatus.PENDING, NoteStatus.UNKNOWN])
def test_a_note_looked_for_in_vain_is_added_at_the_next_turn(person, status):
    note = put(make_note(), status)

    again = note_decisions.add_again(note, by=person)

    assert (again.status, again.attention, again.unclear_since) == (NoteStatus.PENDING, "", None)
    assert list(CmsNote.objects.due(settle=timedelta(hours=1))) == [note]
    assert NoteAttempt.objects.get().outcome == "absent"


@pytest.mark.parametrize(
    "act", [lambda note, by: note_decisions.confirm(note, remote_id="78", by=by), lambda note, by: note_decisions.add_again(note, by=by)]
)
def test_nobody_decides_about_a_note_that_is_processed_or_being_posted(person, act):
    processed, posting = make_note(), put(make_note(), NoteStatus.POSTING)
    note_decisions.confirm(processed, remote_id="77", by=person)

    with pytest.raises(AlreadyProcessed, match="is processed already, as 77"):
        act(processed, person)
    with pytest.raises(BeingPosted, match="is being posted right now"):
        act(posting, person)

    assert set(CmsNote.objects.values_list("status", "remote_id")) == {("processed", "77"), ("posting", None)}


def test_trying_again_now_ends_every_wait_but_never_the_settle_time():
    waiting, unknown, processed = make_note(), put(make_note(), NoteStatus.UNKNOWN), make_note()
    CmsNote.objects.filter(pk=waiting.pk).update(due_at=Now() + timedelta(hours=1), attention="the text is refused")
    CmsNote.objects.filter(pk=processed.pk).update(status="processed", remote_id="1", processed_at=Now())

    assert note_decisions.try_again_now(CmsNote.objects.all()) == 2

    assert list(CmsNote.objects.due(settle=timedelta(minutes=2))) == [waiting]
    assert set(CmsNote.objects.due(settle=timedelta(0))) == {waiting, unknown}


def test_what_people_decided_breaks_no_invariant(person):
    note_decisions.confirm(make_note(), remote_id="", by=person)
    note_decisions.add_again(put(make_note(), NoteStatus.UNKNOWN), by=person)

    assert [violation.name for violation in invariants.verify() if violation.name.startswith("I-2")] == []
