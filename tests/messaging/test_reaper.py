"""What vanished workers leave is found, once, however often the sweep comes by."""

from datetime import timedelta

import pytest
from django.db.models.functions import Now

from messaging import outcomes, reaper
from messaging.models import CmsNote, Message, NoteAttempt, NoteStatus, Phase, Reason, Status, SystemEvent
from messaging.models.message import POISON_CLAIMS
from messaging.note_outcomes import open_adding
from messaging.note_texts import note_for
from messaging.outcomes import Fence
from tests.factories import make_message, make_note

pytestmark = pytest.mark.django_db
LEASE = timedelta(minutes=11)
NOTHING = {"answers": 0, "logged": 0, "events": 0, "doubted": 0, "put_back": 0, "poisoned": 0, "expired": 0, "notes": 0, "sessions": 0}


def claimed() -> Message:
    make_message()
    return Message.objects.due().claim(lease=LEASE, limit=1, status=Status.CLAIMED, claims=1)[0]


def transmitting() -> Message:
    message = claimed()
    assert outcomes.write(None, Fence(message_id=message.pk, token=message.lease, provider="p", lease=LEASE))[1]
    return message


def lapse() -> None:
    Message.objects.filter(leased_until__isnull=False).update(leased_until=Now() - timedelta(seconds=1))
    CmsNote.objects.filter(leased_until__isnull=False).update(leased_until=Now() - timedelta(seconds=1))


def swept(folder) -> dict[str, int]:
    return {step: count for step, count in reaper.sweep(spool_dir=folder).items() if count}


def test_with_nothing_left_behind_nothing_is_done(tmp_path):
    make_message()
    claimed()
    transmitting()

    assert reaper.sweep(spool_dir=tmp_path) == NOTHING


def test_a_claimed_mail_of_a_vanished_worker_is_queued_again_and_costs_no_attempt(tmp_path):
    claimed()
    lapse()

    assert (swept(tmp_path), swept(tmp_path)) == ({"put_back": 1}, {})
    assert Message.objects.values_list("status", "attempts", "claims").get() == (Status.QUEUED, 0, 1)


def test_a_mail_that_was_on_its_way_is_in_doubt_and_its_attempt_says_so(tmp_path):
    message = transmitting()
    lapse()

    assert (swept(tmp_path), swept(tmp_path)) == ({"doubted": 1}, {})

    message.refresh_from_db()
    assert (message.status, message.attempts, message.error, message.doubt_since is not None) == (Status.IN_DOUBT, 1, reaper.NO_WORD, True)
    attempt = message.history.get()
    assert (attempt.phase, attempt.error, attempt.ended_at is not None) == (Phase.LOST_POST, reaper.NO_WORD, True)
    assert SystemEvent.objects.get().detail == {"messages": [message.pk]}


def test_a_mail_claimed_too_often_without_an_outcome_is_held_for_a_person(tmp_path):
    good, poison = make_message(), make_message()
    Message.objects.filter(pk=good.pk).update(claims=POISON_CLAIMS)
    Message.objects.filter(pk=poison.pk).update(claims=POISON_CLAIMS + 1)

    assert (swept(tmp_path), swept(tmp_path)) == ({"poisoned": 1}, {})

    poison.refresh_from_db()
    assert (poison.status, poison.reason) == (Status.HELD, Reason.POISON.label)
    assert SystemEvent.objects.alarms().count() == 1


def test_a_note_whose_worker_vanished_is_unknown_since_its_lease_ended(tmp_path):
    note = make_note()
    (held,) = CmsNote.objects.due(settle=LEASE).claim(lease=LEASE, limit=1)
    words = note_for(kind="x", sent_to="a@b.example", intended_for="a@b.example", is_test=False, today=note.created_at.date())
    open_adding(held, words, lease=LEASE)
    lapse()

    assert (swept(tmp_path), swept(tmp_path)) == ({"notes": 1}, {})

    note.refresh_from_db()
    assert (note.status, note.lease, NoteAttempt.objects.get().outcome) == (NoteStatus.UNKNOWN, None, "lost_post")
    assert CmsNote.objects.filter(unclear_since__lte=Now()).exists()
