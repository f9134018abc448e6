"""Every invariant of schedules is silent on good rows, and speaks when what it forbids is planted in tables that lack our constraints."""

import pytest

from campaigns.invariants import OF_SCHEDULES
from messaging import invariants
from portal import wiring
from tests.bare import bare

TABLES = {
    "campaigns_schedulerrun": "step SET DEFAULT 'done', without_backup SET DEFAULT '', contacts SET DEFAULT 0, chunk_count SET DEFAULT 0",
    "campaigns_runchunk": "contacts SET DEFAULT 0, done_at SET DEFAULT now(), first_id SET DEFAULT 1, last_id SET DEFAULT 1",
    "messaging_backuphistory": "verified_at SET DEFAULT now()",
    "campaigns_emailschedule": "status SET DEFAULT 'pre-scheduled', skip_reason SET DEFAULT ''",
    "messaging_message": "kind SET DEFAULT 'birthday'",
}
GOOD = """
    INSERT INTO messaging_backuphistory (id, verified_at) VALUES (60, now() - interval '1 min');
    INSERT INTO campaigns_schedulerrun (id, status, heartbeat_at, contacts, chunk_count, backup_id, without_backup, step) VALUES
        (80, 'completed', now(), 7, 2, 60, '', 'done'), (81, 'failed', now() - interval '1 h', 7, 1, NULL, 'why', 'write'),
        (82, 'running', now(), 7, 1, NULL, '', 'backup');
    INSERT INTO campaigns_runchunk (id, run_id, number, contacts, first_id, last_id) VALUES (80, 80, 1, 3, 1, 5), (81, 80, 2, 4, 6, 20);
    INSERT INTO messaging_message (id, kind, case_id) VALUES (90, 'birthday', NULL), (91, 'bulk_status_request', NULL), (92, 'aep', 7),
        (93, 'followup_1_cold', NULL);
    INSERT INTO campaigns_emailschedule (id, contact_id, email_type, event_on, status, message_id, skip_reason, parent_id) VALUES
        (90, 1, 'birthday', '2026-03-01', 'scheduled', 90, '', NULL), (91, 1, 'birthday', '2026-04-01', 'skipped', NULL, 'missed', NULL),
        (92, 1, 'birthday', '2027-04-01', 'pre-scheduled', NULL, '', NULL),
        (93, 1, 'followup_1_cold', '2026-03-01', 'scheduled', 93, '', 90),
        (94, 1, 'followup_1_cold', '2026-03-01', 'pre-scheduled', NULL, '', 91),
        (95, 1, 'post_window', '2026-03-01', 'pre-scheduled', NULL, '', NULL),
        (96, 1, 'post_window', '2026-09-01', 'pre-scheduled', NULL, '', NULL);
"""
MAIL = "INSERT INTO campaigns_emailschedule (id, contact_id, email_type, event_on"
RUN = "INSERT INTO campaigns_schedulerrun (id, status, heartbeat_at"
CHUNK = "INSERT INTO campaigns_runchunk (id, run_id, number"
PLANTED = {
    "I-50": [f"{RUN}, step) VALUES (1, 'running', now(), 'backup'), (2, 'undoing', now(), 'backup')"],
    "I-51": [f"{RUN}, step) VALUES (1, 'undoing', now() - interval '11 min', 'backup')"],
    "I-52": [
        f"{CHUNK}, first_id, last_id) VALUES (1, 80, 4, 21, 30)",
        f"{CHUNK}, first_id, last_id) VALUES (1, 80, 3, 20, 30)",
    ],
    "I-53": [
        f"{RUN}, contacts, without_backup) VALUES (1, 'completed', now(), 5, 'why')",
        f"{RUN}, chunk_count, without_backup) VALUES (1, 'completed', now(), 1, 'why')",
        f"{RUN}, chunk_count, without_backup) VALUES (1, 'completed', now(), 1, 'why'); {CHUNK}, done_at) VALUES (1, 1, 1, NULL)",
    ],
    "I-54": [
        f"{RUN}) VALUES (1, 'failed', now())",
        "UPDATE messaging_backuphistory SET verified_at = now() + interval '1 min'",
        "UPDATE messaging_backuphistory SET verified_at = NULL",
    ],
    "I-55": [
        f"{MAIL}) VALUES (1, 1, 'birthday', '2026-12-31')",
        f"{MAIL}) VALUES (1, 2, 'campaign_x', NULL), (2, 2, 'campaign_x', NULL)",
        f"{MAIL}) VALUES (1, 1, 'post_window', '2026-09-01')",
    ],
    "I-56": [
        f"{MAIL}, status) VALUES (1, 9, 'aep', '2026-09-15', 'skipped')",
        f"{MAIL}, status, skip_reason, message_id) VALUES (1, 9, 'aep', '2026-09-15', 'skipped', 'missed', 91)",
        f"{MAIL}, status) VALUES (1, 9, 'aep', '2026-09-15', 'scheduled')",
        f"{MAIL}, status, message_id) VALUES (1, 9, 'aep', '2026-09-15', 'scheduled', 12345)",
    ],
    "I-57": [
        "INSERT INTO messaging_message (id) VALUES (1)",
        "INSERT INTO messaging_message (id, kind) VALUES (1, 'campaign_rate_increase')",
        "INSERT INTO messaging_message (id, kind) VALUES (1, 'followup_4_hq_with_yes')",
    ],
}
BY_NAME = {one.name: one for one in OF_SCHEDULES}


@pytest.fixture
def bare_tables(db):
    with bare(TABLES) as cursor:
        yield cursor


def test_every_invariant_has_its_planted_violation_and_is_asked():
    assert list(PLANTED) == list(BY_NAME)
    assert set(BY_NAME) < {one.name for one in wiring.invariants()}


def test_good_schedules_violate_nothing(bare_tables):
    bare_tables.execute(GOOD)

    assert [invariants.violation(one) for one in OF_SCHEDULES] == [None] * len(OF_SCHEDULES)


@pytest.mark.parametrize(("name", "planted"), [(name, sql) for name, every in PLANTED.items() for sql in every])
def test_a_planted_violation_is_found(bare_tables, name, planted):
    bare_tables.execute(GOOD)
    bare_tables.execute(planted)

    found = invariants.violation(BY_NAME[name])

    assert found is not None
    assert found.rows == 1
