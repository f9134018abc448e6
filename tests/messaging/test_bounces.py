"""Delivery reports are read whatever strangers send; only those that name one of our mails mean anything."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from messaging import bounces, delivery_facts
from messaging.models import DeliveryEvent, Message, Suppression
from tests.factories import make_note

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
REPORT = """\
From: MAILER-DAEMON@mx.example
Date: Sat, 31 Jan 2026 11:00:00 +0000
Content-Type: multipart/report; report-type=delivery-status; boundary=B

--B
Content-Type: text/plain

It did not work.
--B
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example

Final-Recipient: rfc822; {recipient}
{block}

--B
Content-Type: text/rfc822-headers

Message-ID: {message_id}
Subject: Status
--B--
"""


def report(block: str, *, message_id: str = "<1@portal.example>", recipient: str = "anna@firm.example") -> bytes:
    return REPORT.format(block=block, message_id=message_id, recipient=recipient).encode()


CASES = [  # block, told
    ("Action: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; 550 no such user", "bounced"),
    ("Action: failed\nStatus: 4.4.7", "deferred"),
    ("Action: delayed\nStatus: 4.4.1", "deferred"),
    ("Action: relayed\nStatus: 2.0.0", "other"),
    ("Action: expanded\nStatus: 2.0.0", "other"),
    ("Action: delivered\nStatus: 2.0.0", "delivered"),
    ("Action: failed", "unparsed"),
    ("Status: 5.1.1", "unparsed"),
    ("Action: eaten\nStatus: 9.9.9", "unparsed"),
]


@pytest.mark.parametrize(("block", "told"), CASES)
def test_what_a_report_says(block, told):
    (found,) = bounces.read(report(block))

    assert (found.told, found.recipient, found.message_id) == (told, "anna@firm.example", "<1@portal.example>")


def test_two_recipients_are_two_entries():
    raw = report("Action: failed\nStatus: 5.1.1\n\nFinal-Recipient: rfc822; ben@firm.example\nAction: delayed\nStatus: 4.4.1")

    assert [(one.told, one.recipient) for one in bounces.read(raw)] == [
        ("bounced", "anna@firm.example"),
        ("deferred", "ben@firm.example"),
    ]


def test_an_out_of_office_answer_is_no_bounce():
    assert [one.told for one in bounces.read(b"Subject: Out of office\nAuto-Submitted: auto-replied\n\nBack on Monday")] == ["unparsed"]


def test_two_hundred_parts_within_each_other_are_not_followed():
    raw = b"".join(b"Content-Type: multipart/mixed; boundary=B%d\n\n--B%d\n" % (depth, depth) for depth in range(200)) + b"\nend"

    assert [one.told for one in bounces.read(raw)] == ["unparsed"]


@given(st.one_of(st.binary(max_size=500), st.text(max_size=200).map(lambda text: report(text.replace("{", "")))))
@settings(max_examples=150, deadline=None)
def test_nothing_that_strangers_send_raises(raw):
    assert bounces.read(raw)


@pytest.mark.django_db
def test_a_hard_bounce_marks_the_mail_and_suppresses_and_twice_is_once():
    message = make_note().message
    raw = report(CASES[0][0], message_id=message.message_id)

    first, second = (delivery_facts.record_report(raw, now=NOW)[0][1] for _ in range(2))

    message.refresh_from_db()
    assert (first, second) == ("applied", "repeated")
    assert (message.status, message.bounced_at) == ("sent", datetime(2026, 1, 31, 11, tzinfo=UTC))
    assert Suppression.objects.in_force().addresses_among([message.recipient]) == {message.recipient}
    assert DeliveryEvent.objects.count() == 1


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("date", "at"),
    [
        ("Mon, 01 Jan 2001 00:00:00 +2359", datetime(2000, 12, 31, 0, 1, tzinfo=UTC)),
        ("Sat, 31 Jan 9999 11:00:00 +0000", None),
        ("Sat, 31 Jan 99999999999999999999 11:00:00 +0000", None),
    ],
)
def test_a_report_with_what_cannot_be_stored_is_kept_without_it(date, at):
    message = make_note().message
    block = "Action: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; no\0such\x1buser"
    raw = report(block, message_id=message.message_id, recipient="a\0b@x.example")

    (bounce, outcome), *_ = delivery_facts.record_report(raw.replace(b"Sat, 31 Jan 2026 11:00:00 +0000", date.encode()), now=NOW)

    assert (outcome, bounce.recipient, bounce.detail, bounce.at) == ("applied", "a b@x.example", "failed no such user", at)


@pytest.mark.django_db
@pytest.mark.parametrize("block", [block for block, told in CASES if told != "bounced"])
def test_what_is_no_hard_bounce_suppresses_nobody(block):
    message = make_note().message

    delivery_facts.record_report(report(block, message_id=message.message_id), now=NOW)

    assert Message.objects.bounced().count() == Suppression.objects.count() == 0


@pytest.mark.django_db
def test_a_forged_report_for_an_address_of_ours_matches_nothing():
    make_note()

    assert delivery_facts.record_report(report(CASES[0][0], message_id="<guessed@portal.example>"), now=NOW)[0][1] == "unmatched"
    assert DeliveryEvent.objects.unmatched().count() == 1
    assert Suppression.objects.count() == Message.objects.bounced().count() == 0
