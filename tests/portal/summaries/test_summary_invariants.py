"""Every invariant of summaries is silent on good rows, and speaks when what it forbids is planted in tables that lack our constraints."""

import pytest

from messaging import invariants
from portal import wiring
from portal.summaries.invariants import of_summaries
from tests.bare import bare

SUMMARIES = of_summaries()
TABLES = {
    "portal_summarypreference": "enable_daily_summary SET DEFAULT true, zone SET DEFAULT 'UTC',"
    " changed_at SET DEFAULT now() - interval '9 d'",
    "portal_dailysummary": "status SET DEFAULT 'failed', zone SET DEFAULT 'UTC'",
    "messaging_message": "status SET DEFAULT 'queued', is_test SET DEFAULT false",
    "auth_user": "is_active SET DEFAULT true, is_staff SET DEFAULT true",
}
TODAY = "(now() AT TIME ZONE 'UTC')::date"
GOOD = f"""
    INSERT INTO auth_user (id) VALUES (90), (91), (92), (93);
    INSERT INTO auth_user (id, is_active) VALUES (94, false);
    INSERT INTO portal_summarypreference (id, user_id, summary_time_local) VALUES (90, 90, '00:00'), (94, 94, '00:00');
    INSERT INTO portal_summarypreference (id, user_id, summary_time_local, changed_at) VALUES (91, 91, '00:00', now());
    INSERT INTO portal_summarypreference (id, user_id, summary_time_local, enable_daily_summary) VALUES (92, 92, '00:00', false);
    INSERT INTO portal_summarypreference (id, user_id, summary_time_local, zone) VALUES (93, 93, '00:00', 'Atlantis/Capital');
    INSERT INTO messaging_message (id, kind, status) VALUES
        (90, 'daily_summary', 'sent'), (91, 'daily_summary', 'cancelled'), (92, 'x', 'sent');
    INSERT INTO messaging_message (id, kind, created_at) VALUES (93, 'daily_summary', now() - interval '31 d');
    INSERT INTO portal_dailysummary (id, user_id, day, due_at, status, message_id) VALUES (90, 90, {TODAY}, now(), 'completed', 90);
    INSERT INTO portal_dailysummary (id, user_id, day, due_at, zone)
        VALUES (91, 91, '2026-10-20', '2026-10-21 04:00+00', 'America/Chicago'),
        (92, 92, '2026-10-21', '2026-10-20 23:00+00', 'Asia/Tokyo'), (93, 93, '2020-01-01', now(), 'Atlantis/Capital');
"""
PLANTED = {
    "I-30": "INSERT INTO portal_dailysummary (id, user_id, day, due_at) VALUES"
    " (1, 1, '2026-01-01', '2026-01-01 12:00+00'), (2, 1, '2026-01-01', '2026-01-01 12:00+00')",
    "I-31": "INSERT INTO messaging_message (id, kind, status) VALUES (1, 'daily_summary', 'sent')",
    "I-32": """INSERT INTO auth_user (id) VALUES (1);
               INSERT INTO portal_summarypreference (id, user_id, summary_time_local, zone) VALUES (1, 1, '00:00', {zone})""",
    "I-33": "INSERT INTO portal_dailysummary (id, user_id, day, due_at, zone)"
    " VALUES (1, 1, '2026-01-01', '2026-01-01 02:00+00', 'America/New_York')",
}
# a zone in which it is past a quarter after midnight, whatever the time is here
NOT_MIDNIGHT = "(SELECT z FROM unnest(ARRAY['UTC', 'Asia/Tokyo']) z ORDER BY (now() AT TIME ZONE z)::time DESC LIMIT 1)"


@pytest.fixture
def bare_tables(db):
    with bare(TABLES) as cursor:
        yield cursor


def test_every_invariant_has_its_planted_violation():
    assert list(PLANTED) == sorted(one.name for one in SUMMARIES)
    assert {one.name for one in SUMMARIES} <= {one.name for one in wiring.invariants()}


def test_good_summaries_violate_nothing(bare_tables):
    bare_tables.execute(GOOD)

    assert [invariants.violation(one) for one in SUMMARIES] == [None] * len(SUMMARIES)


@pytest.mark.parametrize("invariant", SUMMARIES, ids=lambda one: one.name)
def test_a_planted_violation_is_found(bare_tables, invariant):
    bare_tables.execute(GOOD)
    bare_tables.execute(PLANTED[invariant.name].format(zone=NOT_MIDNIGHT))

    found = invariants.violation(invariant)

    assert found is not None
    assert found.rows == 1


@pytest.mark.parametrize(
    "wrong",
    [
        "INSERT INTO portal_dailysummary (id, user_id, day, due_at, message_id) VALUES (1, 1, {day}, now(), 90)",  # two of one mail
        "INSERT INTO portal_dailysummary (id, user_id, day, due_at, status) VALUES (1, 1, {day}, now(), 'scheduled')",  # none at all
    ],
)
def test_a_summary_and_its_mail_are_one_to_one_from_either_side(bare_tables, wrong):
    bare_tables.execute(GOOD + wrong.format(day=TODAY))

    found = invariants.violation(next(one for one in SUMMARIES if one.name == "I-31"))

    assert found is not None
    assert found.rows == 1
