"""Every invariant is silent on a good record, and speaks when what it forbids is planted in tables that lack our constraints."""

import pytest

from messaging import invariants
from messaging.invariants import INVARIANTS
from tests.bare import bare

TABLES = ("message", "lastmail", "attempt", "decision", "cmsnote", "noteattempt", "suppression", "spoolfile", "backuphistory")
GOOD = """
    INSERT INTO messaging_message (id, key, message_id, status, tries, attempts, sent_at)
        VALUES (90, 'good:90', '<90>', 'sent', 3, 2, now());
    INSERT INTO messaging_attempt (id, message_id, number, round, phase, reply_code) VALUES
        (90, 90, 1, 1, 'rejected', 451), (91, 90, 2, 1, 'lost_pre', NULL), (92, 90, 3, 1, 'accepted', 250);
    INSERT INTO messaging_cmsnote (id, message_id, status, remote_id) VALUES (90, 90, 'processed', 'r90');
    INSERT INTO messaging_noteattempt (note_id, number, outcome) VALUES (90, 1, 'lost_post'), (90, 2, 'absent'), (90, 3, 'created');
    INSERT INTO messaging_message (id, key, message_id, status, tries, attempts, round, sent_at)
        VALUES (91, 'good:91', '<91>', 'sent', 2, 1, 2, now());
    INSERT INTO messaging_attempt (id, message_id, number, round, phase, reply_code, started_at) VALUES
        (93, 91, 1, 1, 'lost_post', NULL, now() - interval '1 h'), (94, 91, 2, 2, 'accepted', 250, now());
    INSERT INTO messaging_decision (message_id, verdict, round, reason, decided_at) VALUES
        (91, 'send_again', 1, 'the firm says no', now() - interval '5 min');
    INSERT INTO messaging_cmsnote (id, message_id, status, remote_id) VALUES (91, 91, 'processed', 'manual:91');
    INSERT INTO messaging_noteattempt (note_id, number, outcome) VALUES (91, 1, 'confirmed');
    INSERT INTO messaging_message (id, key, message_id, status) VALUES (92, 'good:92', '<92>', 'sent');
    INSERT INTO messaging_decision (message_id, verdict, round, reason, decided_by_id, source) VALUES
        (92, 'mark_as_sent', 1, 'old log', NULL, 'recover_cms');
    INSERT INTO messaging_cmsnote (id, message_id) VALUES (92, 92);
    INSERT INTO messaging_message (id, key, message_id, status, tries, attempts) VALUES (93, 'good:93', '<93>', 'failed', 1, 1);
    INSERT INTO messaging_attempt (id, message_id, number, phase, reply_code) VALUES (95, 93, 1, 'rejected', 550);
    INSERT INTO messaging_message (id, key, message_id, due_at) VALUES (94, 'good:94', '<94>', now() + interval '1 h');
    INSERT INTO messaging_message (id, key, message_id, status, tries, attempts, lease, leased_until)
        VALUES (95, 'good:95', '<95>', 'transmitting', 1, 1, gen_random_uuid(), now() + interval '1 h');
    INSERT INTO messaging_suppression (address, created_at) VALUES ('a@firm.example', now() + interval '1 h');
"""
PLANTED = {
    "I-01": "INSERT INTO messaging_message (id, status, lease) VALUES (1, 'sent', gen_random_uuid())",
    "I-02": "INSERT INTO messaging_message (id, status, leased_until) VALUES (1, 'claimed', now() - interval '1 h')",
    "I-03": "INSERT INTO messaging_message (id, status) VALUES (1, 'sent')",
    "I-04": "INSERT INTO messaging_attempt (message_id, number, phase) VALUES (1, 1, 'accepted'), (1, 2, 'accepted')",
    "I-05": "INSERT INTO messaging_attempt (message_id, number, phase) VALUES (1, 1, 'accepted'), (1, 2, 'lost_pre')",
    "I-06": "INSERT INTO messaging_attempt (message_id, number, round, phase) VALUES (1, 1, 1, 'lost_post'), (1, 2, 2, 'accepted')",
    "I-07": "INSERT INTO messaging_message (id, tries) VALUES (1, 1)",
    "I-08": "INSERT INTO messaging_decision (message_id, reason, decided_by_id, source) VALUES (1, 'because', NULL, 'person')",
    "I-09": "INSERT INTO messaging_message (id, attempts) VALUES (1, 2)",
    "I-10": """INSERT INTO messaging_message (id, round, max_attempts) VALUES (1, 2, 1);
               INSERT INTO messaging_attempt (message_id, number, round, phase) VALUES (1, 1, 1, 'rejected'), (1, 2, 1, 'rejected')""",
    "I-11": "INSERT INTO messaging_message (id, due_at) VALUES (1, now() - interval '1 h')",
    "I-12": "INSERT INTO messaging_message (id, key, message_id) VALUES (1, 'a', 'm1'), (2, 'a', 'm2')",
    "I-13": """INSERT INTO messaging_message (id, recipient) VALUES (1, 'B@Firm.example');
               INSERT INTO messaging_suppression (address, created_at) VALUES ('b@firm.example', now() - interval '1 d');
               INSERT INTO messaging_attempt (message_id, number, phase) VALUES (1, 1, 'accepted')""",
    "I-14": """INSERT INTO messaging_message (id, expires_at) VALUES (1, now() - interval '1 h');
               INSERT INTO messaging_attempt (message_id, number, phase) VALUES (1, 1, 'accepted')""",
    "I-15": """INSERT INTO messaging_attempt (message_id, number, phase, reply_code)
               VALUES (1, 1, 'rejected', 550), (1, 2, 'accepted', 250)""",
    "I-16": "INSERT INTO messaging_message (id, status, attempts, max_attempts) VALUES (1, 'failed', 1, 3)",
    "I-17": "INSERT INTO messaging_message (id, claims) VALUES (1, 30)",
    "I-18": """INSERT INTO messaging_message (id, case_id, status, sent_at) VALUES (1, 7, 'sent', now()), (2, 8, 'sent', now());
               INSERT INTO messaging_lastmail (case_id, sent_at) VALUES (7, now() - interval '1 d'), (8, now())""",
    "I-20": "INSERT INTO messaging_message (id, status, needs_note) VALUES (1, 'sent', true)",
    "I-21": """INSERT INTO messaging_message (id, status) VALUES (1, 'failed');
               INSERT INTO messaging_cmsnote (id, message_id) VALUES (1, 1)""",
    "I-22": "INSERT INTO messaging_cmsnote (id, status, remote_id) VALUES (1, 'processed', 'r1')",
    "I-23": "INSERT INTO messaging_noteattempt (note_id, number, outcome) VALUES (1, 1, 'created'), (1, 2, 'created')",
    "I-24": "INSERT INTO messaging_cmsnote (id, remote_id) VALUES (1, 'r'), (2, 'r')",
    "I-25": """INSERT INTO messaging_cmsnote (id) VALUES (1);
               INSERT INTO messaging_noteattempt (note_id, number, outcome) VALUES (1, 1, 'lost_post')""",
    "I-26": "INSERT INTO messaging_cmsnote (id, created_at) VALUES (1, now() - interval '2 d')",
    "I-60": "INSERT INTO messaging_message (id, status, sent_at) VALUES (1, 'sent', now() - interval '1 h')",
    "I-61": "INSERT INTO messaging_spoolfile (id, name, lines) VALUES (1, 'a', 5)",
    "I-80": "INSERT INTO messaging_backuphistory (id, status, started_at) VALUES (1, 'verified', now())",
    "I-81": "INSERT INTO messaging_backuphistory (id, status, purpose, started_at) VALUES (1, 'failed', 'nightly', now() - interval '9 d')",
}
DEFAULTS = {  # what a row of the bare tables is unless a violation says otherwise
    "message": "status SET DEFAULT 'queued', tries SET DEFAULT 0, attempts SET DEFAULT 0, max_attempts SET DEFAULT 3, claims SET DEFAULT 0,"
    " round SET DEFAULT 1, is_test SET DEFAULT false, needs_note SET DEFAULT false",
    "attempt": "phase SET DEFAULT 'lost_pre', round SET DEFAULT 1",
    "decision": "decided_by_id SET DEFAULT 1, source SET DEFAULT 'person'",
}


@pytest.fixture
def bare_tables(db):
    with bare({f"messaging_{table}": DEFAULTS.get(table, "") for table in TABLES}) as cursor:
        yield cursor


def test_every_invariant_has_its_planted_violation():
    assert list(PLANTED) == sorted(one.name for one in INVARIANTS)


def test_a_good_record_violates_nothing(bare_tables):
    bare_tables.execute(GOOD)
    bare_tables.execute("DELETE FROM messaging_message WHERE id = 95")

    assert invariants.verify(drained=True) == []


def test_workers_in_the_middle_of_their_work_violate_nothing_that_always_holds(bare_tables):
    bare_tables.execute(GOOD)

    assert invariants.verify() == []
    assert [found.name for found in invariants.verify(drained=True)] == ["I-11"]


@pytest.mark.parametrize("invariant", INVARIANTS, ids=lambda one: one.name)
def test_a_planted_violation_is_found(bare_tables, invariant):
    bare_tables.execute(GOOD)
    before = invariants.violation(invariant)
    bare_tables.execute(PLANTED[invariant.name])

    found = invariants.violation(invariant)

    assert found is not None
    assert found.rows == (before.rows if before else 0) + 1
    assert found.sentence == invariant.sentence


def test_fast_leaves_out_what_reads_every_row_but_not_the_rest(bare_tables):
    bare_tables.execute(PLANTED["I-20"])
    bare_tables.execute("UPDATE messaging_message SET lease = gen_random_uuid()")

    assert [found.name for found in invariants.verify(fast=True)] == ["I-01"]
    assert [found.name for found in invariants.verify()] == ["I-01", "I-03", "I-20"]


def test_an_empty_portal_violates_nothing(db):
    assert invariants.verify(drained=True) == []
