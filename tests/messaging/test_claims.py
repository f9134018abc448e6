"""What a worker takes to send: the same rows in the same order as `due()` names, each with all that sending needs."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.db.models.functions import Now

from messaging import claims
from messaging.models import Lane, Message, Mode, Status, Suppression
from tests.factories import SENDER, make_message

pytestmark = pytest.mark.django_db
LEASE = timedelta(minutes=11)


def test_a_claim_takes_what_is_due_in_its_order_and_no_more_than_its_limit():
    rows = [make_message(lane=lane) for lane in (Lane.BULK, Lane.PERSON, Lane.BULK, Lane.BULK, Lane.BULK)]
    Message.objects.filter(pk=rows[2].pk).update(due_at=Now() + timedelta(hours=1))
    Message.objects.filter(pk=rows[3].pk).update(due_at=Now() - timedelta(hours=1))
    due = list(Message.objects.due().values_list("pk", flat=True))

    taken = [[row.pk for row in claims.claim(lease=LEASE, limit=3)] for _ in range(3)]

    assert taken == [due[:3], due[3:], []]
    assert Message.objects.leased().filter(status=Status.CLAIMED, claims=1).count() == 4


def test_what_is_taken_says_all_that_goes_over_the_wire():
    message = make_message(html="<p>x</p>", headers={"Reply-To": "desk@portal.example"})

    (row,) = claims.claim(lease=LEASE, limit=20)

    message.refresh_from_db()
    assert (row.pk, row.lease, row.claims, row.attempts, row.needs_note) == (message.pk, message.lease, 1, 0, message.needs_note)
    assert row.contents == {
        "message_id": message.message_id,
        "sender": message.sender,
        "recipient": message.recipient,
        "subject": message.subject,
        "written_at": message.created_at.replace(microsecond=0),
        "text": message.text,
        "html": "<p>x</p>",
        "headers": {"Reply-To": "desk@portal.example"},
    }


def test_what_is_taken_says_whether_its_address_is_suppressed_now_but_for_tests():
    stops = {"for.good@x.example": None, "a.while@x.example": Now() + timedelta(hours=1), "long.ago@x.example": Now() - timedelta(hours=1)}
    for address, until in stops.items():
        Suppression.objects.create(address=address, reason="asked", suppressed_until=until)
    expected = {
        make_message(recipient="For.Good@x.example").pk: True,
        make_message(recipient="a.while@x.example").pk: True,
        make_message(recipient="long.ago@x.example").pk: False,
        make_message(recipient="other@x.example").pk: False,
        make_message(sender=replace(SENDER, mode=Mode.TEST, test_recipient="for.good@x.example")).pk: False,
    }

    assert {row.pk: row.suppressed for row in claims.claim(lease=LEASE, limit=20)} == expected
