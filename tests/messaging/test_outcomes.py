"""The one statement that writes what became of a try: all or nothing, only for the holder, twice is once."""

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models.functions import Now

from messaging import decisions, outcomes, reaper
from messaging.models import CmsNote, Decision, Lane, Message, Phase, Status, Verdict
from messaging.outcomes import Fence, Outcome
from tests.factories import make_case, make_message

pytestmark = pytest.mark.django_db
LEASE = timedelta(minutes=11)


def claimed(**facts) -> Message:
    make_message(**facts)
    return Message.objects.due().claim(lease=LEASE, limit=1, status=Status.CLAIMED)[0]


def fence_of(message: Message) -> Fence:
    return Fence(message_id=message.pk, token=message.lease, provider="primary", lease=LEASE)


def yes(message: Message, **facts) -> Outcome:
    plain = {"message_id": message.pk, "token": message.lease, "to": Status.SENT, "phase": Phase.ACCEPTED, "code": 250}
    return Outcome(**plain | {"reply": "ok", "provider": "primary", "owes_note": message.needs_note} | facts)


def test_a_fence_counts_the_try_and_says_since_when_it_is_on_its_way():
    message = claimed()

    assert outcomes.write(None, fence_of(message)) == (False, True)

    message.refresh_from_db()
    assert (message.status, message.attempts, message.tries, message.provider) == (Status.TRANSMITTING, 1, 1, "primary")
    assert (message.transmitting_since is not None, message.history.count()) == (True, 0)


def test_a_result_and_the_next_fence_are_one_write():
    first, second = claimed(case=make_case()), claimed()
    outcomes.write(None, fence_of(first))

    assert outcomes.write(yes(first, remote_id="4F3A"), fence_of(second)) == (True, True)

    first.refresh_from_db()
    assert (first.status, first.remote_id, first.reply_code, first.lease, first.claims) == (Status.SENT, "4F3A", 250, None, 0)
    assert (CmsNote.objects.get().message, Message.objects.get(pk=second.pk).status) == (first, Status.TRANSMITTING)


def test_a_result_is_recorded_though_the_next_fence_does_not_hold():
    first, second = claimed(), claimed()
    outcomes.write(None, fence_of(first))
    Message.objects.filter(pk=second.pk).update(lease=uuid4())

    assert outcomes.write(yes(first), fence_of(second)) == (True, False)
    assert Message.objects.get(pk=second.pk).status == Status.CLAIMED


STRANGE = [{"token": uuid4()}, {"lease_is_over": True}, {"status": Status.TRANSMITTING}]


@pytest.mark.parametrize("strange", STRANGE)
def test_a_fence_that_is_not_ours_sets_nothing(strange):
    message = claimed()
    if "lease_is_over" in strange:
        Message.objects.update(leased_until="2020-01-01 00:00+00")
    elif "status" in strange:
        outcomes.write(None, fence_of(message))
    fence = replace(fence_of(message), token=strange.get("token", message.lease))

    assert outcomes.write(None, fence)[1] is False
    assert Message.objects.get().tries == ("status" in strange)


def test_a_result_of_a_stranger_changes_nothing():
    message = claimed()
    outcomes.write(None, fence_of(message))

    assert outcomes.write(yes(message, token=uuid4()))[0] is False
    assert Message.objects.get().status == Status.TRANSMITTING


def test_a_result_written_twice_is_one():
    message = claimed(case=make_case())
    outcomes.write(None, fence_of(message))

    assert [outcomes.settle_late(yes(message)) for _ in range(3)] == [True, False, False]
    assert (message.history.count(), CmsNote.objects.count()) == (1, 1)


def test_a_sent_mail_that_owes_a_note_cannot_be_recorded_without_it():
    message = claimed(case=make_case())
    outcomes.write(None, fence_of(message))

    outcomes.write(yes(message, owes_note=False))

    with pytest.raises(IntegrityError, match="owes a CMS note"), transaction.atomic():
        connection.check_constraints()
    transaction.set_rollback(True)


def test_what_was_taken_back_costs_nothing_whether_or_not_its_fence_was_written():
    fenced, unfenced = claimed(), claimed()
    outcomes.write(None, fence_of(fenced))

    assert [outcomes.take_back(row.pk, row.lease) for row in (fenced, unfenced)] == [True, True]

    assert list(Message.objects.order_by("pk").values_list("status", "attempts", "tries")) == [("queued", 0, 1)] * 2
    assert {row.history.get().phase for row in (fenced, unfenced)} == {Phase.LOST_PRE}


def test_that_nothing_had_left_settles_the_doubt_of_that_try():
    message = in_doubt(claimed(lane=Lane.BULK))

    nothing_left = replace(outcomes.not_left(message.pk, message.lease), wait_seconds=3_600)
    assert [outcomes.settle_late(nothing_left) for _ in range(3)] == [True, False, False]

    decision, now = Decision.objects.get(), Message.objects.get()
    assert (decision.verdict, decision.source, decision.decided_by) == (Verdict.SEND_AGAIN, "local journal", None)
    assert (now.status, now.round, now.attempts, now.tries, now.lane) == (Status.QUEUED, 2, 0, 1, Lane.BULK)
    assert list(Message.objects.waiting()) == [message]


def test_that_nothing_had_left_is_no_word_on_a_doubt_of_long_ago():
    message = in_doubt(claimed())
    Message.objects.update(doubt_since=Now() - timedelta(hours=25))

    assert outcomes.settle_late(outcomes.not_left(message.pk, message.lease)) is False
    assert Message.objects.get().status == Status.IN_DOUBT


def test_a_yes_settles_the_doubt_and_brings_the_queue_id_with_it():
    message = in_doubt(claimed(case=make_case()))

    assert [outcomes.settle_late(yes(message, remote_id="4F3A")) for _ in range(2)] == [True, False]

    now = Message.objects.get()
    assert (now.status, now.remote_id, Decision.objects.get().verdict, CmsNote.objects.count()) == ("sent", "4F3A", "mark_as_sent", 1)


def test_that_nothing_had_left_at_one_try_settles_no_doubt_of_a_later_one():
    first = in_doubt(claimed())
    decisions.decide(Message.objects.all(), verdict=Verdict.SEND_AGAIN, reason="It had not arrived.", source="postmaster")
    in_doubt(Message.objects.due().claim(lease=LEASE, limit=1, status=Status.CLAIMED)[0])

    assert outcomes.settle_late(outcomes.not_left(first.pk, first.lease)) is False
    assert Message.objects.get().status == Status.IN_DOUBT


def in_doubt(message: Message) -> Message:
    """Fenced, and never heard of again: the lease ran out."""
    outcomes.write(None, replace(fence_of(message), lease=timedelta(0)))
    assert reaper.doubt() == 1
    return message


def test_an_outcome_survives_its_time_in_the_spool():
    outcome = yes(claimed(), reply="grüße\x7f", wait_seconds=1.5, error="e")

    assert outcomes.from_fact(outcome.as_fact()) == outcome


def test_a_wait_is_counted_by_the_databases_clock():
    message = claimed()
    later = Outcome(message_id=message.pk, token=message.lease, to=Status.QUEUED, phase=Phase.REJECTED, code=450, wait_seconds=3_600)

    outcomes.write(later)

    message.refresh_from_db()
    assert (message.attempts, message.tries, message.reply_code, message.history.get().phase) == (1, 1, 450, Phase.REJECTED)
    assert list(Message.objects.waiting()) == [message]
