"""What explain says is what the scheduler does: the same functions, step by step, for any contact."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from campaigns import scheduler
from campaigns.explaining.plans import plan_of
from campaigns.rules import balance
from campaigns.rules.shapes import ROW, Status
from campaigns.settings import SchedulerSettings
from campaigns.what_if import rows_of
from tests.campaigns.asking import day
from tests.campaigns.crowd import after, crowd, handed_over, night

WIDE = SchedulerSettings(daily_send_percentage_cap=1.0, ed_daily_soft_limit=1_000_000, organisation_contacts=1_000, max_emails_per_period=2)
DAYS = [day("2025-08-20"), day("2025-12-29"), day("2026-03-01"), day("2028-02-29")]
NAMES = list(ROW.names)


def told(rows):
    return sorted(map(str, rows[NAMES].tolist()))


@st.composite
def contacts(draw):
    """One contact with up to four campaigns, on a day, some after nights of which the mails have gone out."""
    today = draw(st.sampled_from(DAYS))
    chunk = crowd(1, seed=draw(st.integers(0, 10_000)), around=str(today), settings=WIDE, targets=draw(st.integers(0, 4)))
    for nights in range(draw(st.integers(0, 3))):
        rows = night(chunk, day=today + nights, settings=WIDE)
        chunk = after(chunk, rows[rows["send_on"] > today + nights], sent=handed_over(rows, day=today + nights))
        today += draw(st.integers(1, 40))
    return chunk, today


@given(contacts())
@settings(max_examples=150, deadline=None)
def test_the_plan_is_the_schedulers_own_for_the_contact_alone(asked):
    chunk, today = asked
    (scheduled,) = scheduler.schedule([chunk], day=today, settings=WIDE)

    plan = plan_of(chunk, day=today, settings=WIDE)

    assert told(plan.limited) == told(scheduled)
    assert told(plan.rows) == told(rows_of(plan.chunk, day=today, settings=WIDE, rules_only=False))
    assert told(plan.by_rules_alone) == told(rows_of(plan.chunk, day=today, settings=WIDE, rules_only=True))


@given(contacts(), st.integers(1, 5))
@settings(max_examples=150, deadline=None)
def test_a_mail_that_the_last_run_moved_is_told_on_its_new_day_unless_that_is_excluded(asked, days):
    chunk, today = asked
    (before,) = scheduler.schedule([chunk], day=today, settings=WIDE)
    at = np.flatnonzero(before["status"] == Status.PRE_SCHEDULED)
    ran = after(chunk, balance.moved(before.copy(), at, before["send_on"][at] + days))

    rows = plan_of(ran, day=today, settings=WIDE).balanced

    planned = rows[rows["status"] == Status.PRE_SCHEDULED]
    reason, _ = scheduler.verdicts(chunk.contacts.take(planned["place"]), planned["send_on"], settings=WIDE)
    assert not (reason.astype(bool) & planned["respects"]).any()
    assert not (planned["send_on"] > planned["latest_on"]).any()
