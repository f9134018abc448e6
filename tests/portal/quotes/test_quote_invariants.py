"""Every invariant of quotes is silent on good rows, and speaks when what it forbids is planted in tables that lack our constraints."""

from datetime import timedelta

import pytest

from messaging import invariants
from portal import wiring
from portal.quotes.invariants import of_quotes
from tests.bare import bare

QUOTES = of_quotes(lock=timedelta(minutes=30))
LEG = "_email_state SET DEFAULT '', "
TABLES = {
    "portal_quote": f"status SET DEFAULT 'pending', customer{LEG}admin{LEG}email_sent_to_customer SET DEFAULT false,"
    " email_sent_to_admin SET DEFAULT false, customer_email_attempts SET DEFAULT 0, admin_email_attempts SET DEFAULT 0,"
    " source SET DEFAULT 'form'",
    "portal_aicall": "outcome SET DEFAULT 'running', started_at SET DEFAULT now()",
    "messaging_message": "status SET DEFAULT 'queued', is_test SET DEFAULT false",
    "messaging_attempt": "phase SET DEFAULT 'lost_pre'",
}
GOOD = """
    INSERT INTO messaging_message (id, kind, status, key) VALUES (90, 'quote_customer', 'sent', 'quote:90:customer'),
        (91, 'quote_admin', 'claimed', 'quote:90:admin'), (92, 'other', 'sent', 'else');
    INSERT INTO messaging_attempt (message_id, phase) VALUES (90, 'lost_pre'), (90, 'rejected'), (90, 'accepted');
    INSERT INTO messaging_message (id, kind, status, is_test) VALUES (93, 'quote_customer', 'sent', true);
    INSERT INTO portal_quote (id, status, quote_amount, ai_processed_at, customer_message_id, customer_email_state, email_sent_to_customer,
        admin_message_id, admin_email_state, customer_email_attempts)
        VALUES (90, 'ai_quoted', 100, now(), 90, 'sent', true, 91, 'queued', 2);
    INSERT INTO portal_aicall (id, quote_id, outcome, started_at, ended_at) VALUES
        (90, 90, 'lost', now() - interval '3 h', now() - interval '2 h'), (91, 90, 'fenced', now() - interval '150 min', now()),
        (92, 90, 'applied', now() - interval '2 h', now() - interval '1 h');
    INSERT INTO portal_quote (id, status, processing_lock, ai_processing_started_at)
        VALUES (91, 'ai_processing', '00000000-0000-0000-0000-000000000001', now() - interval '31 min');
    INSERT INTO portal_aicall (id, quote_id, token) VALUES (93, 91, '00000000-0000-0000-0000-000000000001');
    INSERT INTO portal_quote (id, status, email_sent_to_customer, customer_email_state) VALUES (92, 'completed', true, 'sent');
    INSERT INTO portal_quote (id, customer_message_id, customer_email_state) VALUES (93, 93, 'sent');
"""
PLANTED = {
    "I-40": "INSERT INTO portal_quote (id, processing_lock) VALUES (1, gen_random_uuid())",
    "I-41": """INSERT INTO portal_quote (id, status, processing_lock, ai_processing_started_at)
               VALUES (1, 'ai_processing', gen_random_uuid(), now() - interval '1 h')""",
    "I-42": "INSERT INTO portal_aicall (quote_id, outcome) VALUES (1, 'applied'), (1, 'applied')",
    "I-43": "INSERT INTO portal_quote (id, status, quote_amount, ai_processed_at) VALUES (1, 'ai_quoted', 5, now())",
    "I-44": """INSERT INTO portal_aicall (id, quote_id, outcome, started_at, ended_at) VALUES
               (1, 1, 'lost', now() - interval '1 h', now()), (2, 1, 'applied', now() - interval '30 min', now())""",
    "I-45": """INSERT INTO messaging_message (id, status) VALUES (1, 'failed');
               INSERT INTO portal_quote (id, customer_message_id, customer_email_state) VALUES (1, 1, 'queued')""",
    "I-46": """INSERT INTO messaging_message (id, status) VALUES (1, 'sent');
               INSERT INTO portal_quote (id, admin_message_id, admin_email_state) VALUES (1, 1, 'sent')""",
    "I-47": "INSERT INTO messaging_message (id, kind) VALUES (1, 'quote_customer')",
    "I-48": """INSERT INTO portal_quote (id) VALUES (1);
               INSERT INTO portal_aicall (id, quote_id, token) VALUES (1, 1, gen_random_uuid())""",
    "I-49": "INSERT INTO portal_quote (id, admin_email_attempts) VALUES (1, 1)",
}


@pytest.fixture
def bare_tables(db):
    with bare(TABLES) as cursor:
        yield cursor


def test_every_invariant_has_its_planted_violation():
    assert list(PLANTED) == sorted(one.name for one in QUOTES)
    assert {one.name for one in QUOTES} < {one.name for one in wiring.invariants()}


def test_good_quotes_violate_nothing(bare_tables):
    bare_tables.execute(GOOD)

    assert [invariants.violation(one) for one in QUOTES] == [None] * len(QUOTES)


@pytest.mark.parametrize("invariant", QUOTES, ids=lambda one: one.name)
def test_a_planted_violation_is_found(bare_tables, invariant):
    bare_tables.execute(GOOD)
    bare_tables.execute(PLANTED[invariant.name])

    found = invariants.violation(invariant)

    assert found is not None
    assert found.rows == 1
