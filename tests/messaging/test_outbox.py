"""Queueing: once per key, inside the caller's transaction, in the mode that was asked for."""

import re
from dataclasses import replace

import pytest
from django.db import transaction

from messaging.models import Lane, Message, Mode, Status
from messaging.outbox import AT_ONCE, LONGEST_SUBJECT, Draft, NotADraft, Sender, queue

SENDER = Sender(address="Office <office@portal.example>", mode=Mode.PRODUCTION, test_recipient="inbox@portal.example", max_attempts=5)
TESTER = Sender(address="office@portal.example", mode=Mode.TEST, test_recipient="inbox@portal.example")


def draft(key: str = "status:1", **facts) -> Draft:
    return Draft(**{"key": key, "kind": "status_request", "recipient": "anna@firm.example", "subject": "Status", "text": "Hello"} | facts)


@pytest.mark.django_db
def test_a_queued_mail_is_complete_and_due():
    (message,) = queue([draft(headers={"Reply-To": "desk@portal.example"}, lane=Lane.PERSON)], sender=SENDER)

    assert (message.status, message.recipient, message.intended_for, message.is_test) == (Status.QUEUED, *["anna@firm.example"] * 2, False)
    assert (message.sender, message.max_attempts, message.lane) == (SENDER.address, 5, Lane.PERSON)
    assert message.headers == {"Reply-To": "desk@portal.example"}
    assert re.fullmatch(r"<[0-9a-f]{32}@portal\.example>", message.message_id)
    assert list(Message.objects.due()) == [message]


@pytest.mark.django_db
def test_a_test_goes_to_the_test_recipient_and_says_for_whom_it_was():
    (message,) = queue([draft()], sender=TESTER)

    assert (message.key, message.recipient, message.intended_for) == ("test:status:1", "inbox@portal.example", "anna@firm.example")
    assert (message.subject, message.email_type, message.is_test) == ("[TEST for anna@firm.example] Status", "test_status_request", True)


@pytest.mark.django_db
def test_a_test_for_the_longest_address_with_the_longest_subject_is_taken():
    address = f"a@{'.'.join(['b' * 60] * 4)}.example"
    longest = replace(draft(), recipient=address, subject="s" * LONGEST_SUBJECT)

    (message,) = queue([longest], sender=TESTER)

    assert (message.intended_for, message.subject.endswith("…] " + "s" * LONGEST_SUBJECT)) == (address, True)


@pytest.mark.django_db
def test_the_same_key_is_the_same_mail_and_a_test_is_never_the_real_one():
    first = queue([draft(), draft("status:2")], sender=SENDER)
    again = queue([draft("status:2", subject="Another"), draft()], sender=SENDER)
    tests = queue([draft()], sender=TESTER)

    assert [message.pk for message in again] == [message.pk for message in reversed(first)]
    assert again[0].subject == "Status"
    assert tests[0].pk not in {message.pk for message in first}
    assert Message.objects.count() == 3


@pytest.mark.django_db
def test_a_key_twice_in_one_call_is_one_mail():
    one, other = queue([draft(), draft()], sender=SENDER)

    assert one == other


@pytest.mark.django_db
def test_many_are_queued_in_the_drafts_order_and_none_is_fine():
    keys = [f"status:{number}" for number in range(AT_ONCE + 1)]

    assert [message.key for message in queue((draft(key) for key in keys), sender=SENDER)] == keys
    assert queue([], sender=SENDER) == []


@pytest.mark.django_db
def test_a_caller_that_rolls_back_has_queued_nothing():
    with transaction.atomic():
        queue([draft()], sender=SENDER)
        transaction.set_rollback(True)

    assert not Message.objects.exists()


@pytest.mark.django_db
def test_one_that_is_no_draft_queues_none_of_them():
    with pytest.raises(NotADraft):
        queue((draft(key, recipient=recipient) for key, recipient in [("a", "anna@firm.example"), ("b", "")]), sender=SENDER)

    assert not Message.objects.exists()


REFUSED = [
    ({"recipient": ""}, "has no recipient"),
    ({"subject": "Status\r\nBcc: x@y.example"}, "single lines"),
    ({"recipient": "a@b.example\nx@y.example"}, "single lines"),
    ({"headers": {"Bcc": "x@y.example"}}, "header 'Bcc' may not be set; only Auto-Submitted"),
    ({"headers": {"Reply-To\r\nBcc": "x@y.example"}}, "may not be set"),
    ({"headers": {"Reply-To": "x@y.example\r\nBcc: z@y.example"}}, "single lines"),
]


@pytest.mark.parametrize(("wrong", "why"), REFUSED)
def test_what_cannot_be_a_mail_is_refused_by_its_key(wrong, why):
    with pytest.raises(NotADraft, match=rf"status:1: .*{re.escape(why)}"):
        draft(**wrong)


@pytest.mark.parametrize("good", [{"headers": {"Reply-To": "x@y.example"}}, {"headers": {"List-Unsubscribe": "<https://x.example/u>"}}])
def test_the_twin_of_a_refused_draft_is_one(good):
    assert draft(**good).headers == good["headers"]
