from datetime import date

import pytest

from messaging.note_texts import acknowledgment_note, note_for

TODAY = date(2026, 12, 15)

REAL = [  # kind of e-mail, type code, text
    ("FOLLOW-UP", "COR", "FOLLOW UP EMAIL SENT TO ATTORNEY@EXAMPLE.COM"),
    ("follow_up", "COR", "FOLLOW UP EMAIL SENT TO ATTORNEY@EXAMPLE.COM"),
    ("status_request", "COR", "STATUS REQUEST SENT TO ATTORNEY@EXAMPLE.COM"),  # S0-012
    ("bulk_status_request", "COR", "STATUS REQUEST SENT TO ATTORNEY@EXAMPLE.COM"),
    ("welcome", "COR", "WELCOME SENT TO ATTORNEY@EXAMPLE.COM"),  # S0-013
    ("general", "COR", "GENERAL SENT TO ATTORNEY@EXAMPLE.COM"),
    ("records_request", "COR", "RECORDS REQUEST SENT TO ATTORNEY@EXAMPLE.COM"),
    ("", "COR", "EMAIL SENT TO ATTORNEY@EXAMPLE.COM"),
    ("ACKNOWLEDGMENT", "NA", "ACKNOWLEDGMENT SENT TO ATTORNEY@EXAMPLE.COM"),
]


@pytest.mark.parametrize(("kind", "code", "text"), REAL)
def test_the_note_of_a_real_email_says_what_was_sent_to_whom(kind, code, text):
    note = note_for(kind=kind, sent_to="attorney@example.com", intended_for="attorney@example.com", is_test=False, today=TODAY)

    assert (note.type_code, note.text) == (code, text)


TESTS = [  # kind of e-mail, is it sent as a test, text; S0-015
    ("test_bulk_status_request", True, "🧪 TEST MODE - STATUS REQUEST SENT TO tester@example.com (intended for attorney@example.com)"),
    ("test_bulk_status_request", False, "🧪 TEST MODE - STATUS REQUEST SENT TO tester@example.com (intended for attorney@example.com)"),
    ("follow_up", True, "🧪 TEST MODE - FOLLOW UP EMAIL SENT TO tester@example.com (intended for attorney@example.com)"),
    ("ACKNOWLEDGMENT", True, "🧪 TEST MODE - ACKNOWLEDGMENT SENT TO tester@example.com (intended for attorney@example.com)"),
]


@pytest.mark.parametrize(("kind", "is_test", "text"), TESTS)
def test_the_note_of_a_test_email_is_marked_and_names_both_addresses(kind, is_test, text):
    note = note_for(kind=kind, sent_to="tester@example.com", intended_for="attorney@example.com", is_test=is_test, today=TODAY)

    assert (note.type_code, note.text) == ("COR", text)


def test_the_next_contact_is_thirty_days_later_across_a_year_end():
    note = note_for(kind="follow_up", sent_to="a@firm.example", intended_for="a@firm.example", is_test=False, today=TODAY)

    assert (note.next_contact_on, note.next_contact) == (date(2027, 1, 14), "01/14/2027")


@pytest.mark.parametrize(
    ("notes", "text"), [("call in May", "ACKNOWLEDGED: in mediation - call in May"), ("", "ACKNOWLEDGED: in mediation")]
)
def test_an_acknowledgment_gives_its_reason(notes, text):
    note = acknowledgment_note(reason="in mediation", notes=notes, today=TODAY)

    assert (note.type_code, note.text, note.next_contact) == ("NA", text, "01/14/2027")
