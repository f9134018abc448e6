"""What people decide about messages: carried out where it applies, recorded with who and why, and nothing else touched."""

import threading
from itertools import product

import pytest
from django.db import connection

from messaging.decisions import APPLIES_TO, ReasonMissing, decide
from messaging.models import CmsNote, Decision, Lane, Message, Status, Verdict
from tests.factories import make_case, make_message
from tests.messaging.test_promises import EMPTY, STANDING

pytestmark = pytest.mark.django_db
LEADS_TO = {
    Verdict.MARK_AS_SENT: Status.SENT,
    Verdict.SEND_AGAIN: Status.QUEUED,
    Verdict.GIVE_UP: Status.CANCELLED,
    Verdict.TRY_AGAIN_NOW: Status.QUEUED,
    Verdict.PUT_BACK: Status.QUEUED,
    Verdict.HOLD: Status.HELD,
}
ROADS = {  # how a message comes to stand somewhere
    Status.QUEUED: [],
    Status.CLAIMED: [Status.CLAIMED],
    Status.TRANSMITTING: [Status.CLAIMED, Status.TRANSMITTING],
    Status.SENT: [Status.CLAIMED, Status.TRANSMITTING, Status.SENT],
    Status.FAILED: [Status.CLAIMED, Status.FAILED],
    Status.IN_DOUBT: [Status.CLAIMED, Status.TRANSMITTING, Status.IN_DOUBT],
    Status.HELD: [Status.HELD],
    Status.CANCELLED: [Status.CANCELLED],
}


def standing(status: Status, **facts) -> Message:
    message = make_message(**facts)
    for step in ROADS[status]:
        Message.objects.filter(pk=message.pk).update(status=step, **EMPTY | STANDING[step])
    return message


@pytest.fixture
def person(django_user_model):
    return django_user_model.objects.create(username="pat")


@pytest.mark.parametrize(("verdict", "status"), list(product(Verdict, Status)))
def test_a_verdict_applies_to_its_states_and_leaves_the_others_alone(person, verdict, status):
    message = standing(status)

    count = decide(Message.objects.all(), verdict=verdict, reason=" I called them ", by=person)

    message.refresh_from_db()
    if status in APPLIES_TO[verdict]:
        assert (count, message.status) == (1, LEADS_TO[verdict])
        recorded = Decision.objects.get()
        assert (recorded.verdict, recorded.from_status, recorded.round, recorded.reason) == (verdict, status, 1, "I called them")
        assert (recorded.decided_by, recorded.source, recorded.message) == (person, "person", message)
    else:
        assert (count, message.status, Decision.objects.count()) == (0, status, 0)


NEW_ROUNDS = [(Verdict.SEND_AGAIN, Status.IN_DOUBT), (Verdict.TRY_AGAIN_NOW, Status.FAILED), (Verdict.PUT_BACK, Status.HELD)]


@pytest.mark.parametrize(("verdict", "status"), NEW_ROUNDS)
def test_another_try_opens_a_new_round_and_goes_first(verdict, status):
    message = standing(status)
    Message.objects.update(attempts=2, claims=7, tries=4, due_at="2099-01-01 00:00+00")

    decide(Message.objects.all(), verdict=verdict, reason="why", source="test")

    message.refresh_from_db()
    assert (message.round, message.attempts, message.claims, message.tries, message.lane) == (2, 0, 0, 4, Lane.PERSON)
    assert list(Message.objects.due()) == [message]


def test_a_mail_marked_as_sent_owes_its_note_in_the_same_moment():
    owing, other = standing(Status.IN_DOUBT, case=make_case()), standing(Status.IN_DOUBT)

    assert decide(Message.objects.all(), verdict=Verdict.MARK_AS_SENT, reason="the firm has it", source="test") == 2

    assert [note.message for note in CmsNote.objects.all()] == [owing]
    other.refresh_from_db()
    assert (other.status, other.doubt_since, other.sent_at is not None) == (Status.SENT, None, True)


@pytest.mark.parametrize("reason", ["", "   ", "\n"])
def test_a_decision_without_a_reason_is_none(reason):
    message = standing(Status.FAILED)

    with pytest.raises(ReasonMissing):
        decide(Message.objects.all(), verdict=Verdict.GIVE_UP, reason=reason, source="test")

    message.refresh_from_db()
    assert (message.status, Decision.objects.count()) == (Status.FAILED, 0)


def test_a_long_reason_is_cut_and_the_decision_stands():
    standing(Status.FAILED)

    decide(Message.objects.all(), verdict=Verdict.GIVE_UP, reason="x" * 9_000, source="test")

    assert (len(Decision.objects.get().reason), len(Message.objects.get().reason)) == (500, 200)


@pytest.mark.django_db(transaction=True)
def test_of_two_people_who_decide_at_once_one_decides():
    standing(Status.IN_DOUBT, case=make_case())
    counts: list[int] = []

    def one(verdict: Verdict) -> None:
        counts.append(decide(Message.objects.all(), verdict=verdict, reason="why", source="test"))
        connection.close()

    people = [threading.Thread(target=one, args=(verdict,)) for verdict in (Verdict.MARK_AS_SENT, Verdict.SEND_AGAIN, Verdict.SEND_AGAIN)]
    for each in people:
        each.start()
    for each in people:
        each.join()

    assert (sorted(counts), Decision.objects.count()) == ([0, 0, 1], 1)
    assert CmsNote.objects.count() == Message.objects.sent().count()
