"""The scheduler beside the oracle, on thousands of random contacts: no difference in any row."""

from collections import Counter
from datetime import date, timedelta
from random import Random
from typing import Any

import pytest

from tests.audit.comparing import disagreements, scheduler_says
from tests.audit.oracle import CAMPAIGNS, RULES, Behaviour, Numbers
from tests.audit.people import ELSEWHERE, FREE, RULED, crowd

TURNING = [date(2024, 2, 29), date(2025, 2, 28), date(2024, 12, 31), date(2025, 1, 1), date(2025, 9, 15), date(2025, 9, 16)]
SOME = [date(2023, 12, 1) + timedelta(days=Random(seed).randrange(1_500)) for seed in range(14)]
DAYS = [*TURNING, *SOME]

OTHER_RULES = {
    "TX": {"anchor": "effective_date", "before": 10, "after": 20, "source": "the auditor"},
    "CA": {"anchor": "birthday", "before": 0, "after": 10, "source": "the auditor"},
    "NY": {"anchor": "birth_month", "before": 5, "after": 5, "source": "the auditor"},
}
OTHER_TYPES = {
    "seasonal_promo": {"days_before_event": -3, "priority": 1},
    "policy_update": {"days_before_event": 20, "priority": 2, "respect_exclusion_windows": False},
    "rate_increase": {"active": False},
}
OFFICES: dict[str, tuple[dict[str, Any], Numbers]] = {
    "as it comes": ({}, Numbers()),
    "no days before a window": ({"pre_window_exclusion_days": 0}, Numbers(lead=0)),
    "other days before events": (
        {"birthday_email_days_before": 0, "effective_date_days_before": 45},
        Numbers(birthday_days=0, effective_days=45),
    ),
    "short spread, short patience": (
        {"catch_up_spread_days": 3, "pre_window_exclusion_days": 20, "overdue_days": 2},
        Numbers(spread=3, lead=20, overdue_days=2),
    ),
    "other state rules": (
        {"state_rules": OTHER_RULES},
        Numbers(rules={**RULES, "TX": ("effective_date", 10, 20), "CA": ("birthday", 0, 10), "NY": ("birth_month", 5, 5)}),
    ),
    "other campaign types": (
        {"campaign_types": OTHER_TYPES},
        Numbers(
            campaigns={
                **CAMPAIGNS,
                "seasonal_promo": Behaviour(-3, 1),
                "policy_update": Behaviour(20, 2, respects_windows=False),
                "rate_increase": Behaviour(0, 10, active=False),
            }
        ),
    ),
}


@pytest.mark.parametrize("rules_only", [True, False], ids=["before conflicts", "after conflicts"])
@pytest.mark.parametrize("office", OFFICES)
def test_it_plans_row_by_row_what_the_oracle_expects(office: str, rules_only: bool) -> None:
    config, numbers = OFFICES[office]
    for seed, day in enumerate(DAYS):
        found = disagreements(list(crowd(seed, size=100, day=day)), day=day, config=config, numbers=numbers, rules_only=rules_only)
        assert [(day, one.contact, one.only_oracle, one.only_scheduler) for one in found] == []


@pytest.mark.parametrize("nights", [1, 9])
def test_a_plan_told_as_history_leads_to_what_the_oracle_expects(nights: int) -> None:
    for seed, day in enumerate(DAYS):
        people = [{**one, "history": []} for one in crowd(seed, size=60, day=day)]
        for answer, one in zip(scheduler_says(people, day=day, rules_only=False), people, strict=True):
            one["history"] = [row for row in answer["rows"] if not row["email_type"].startswith("followup_")]
        later = day + timedelta(days=nights)
        found = disagreements(people, day=later)
        assert [(later, one.contact, one.only_oracle, one.only_scheduler) for one in found] == []


def test_what_was_missed_was_not_kept_back_by_a_window() -> None:
    begun_late = {"campaign_type": "policy_update", "instance": 14, "trigger_date": "2025-08-11", "active_start_date": "2025-08-20"}
    told = {"id": 5, "state": "OK", "birth_date": "1965-09-12", "effective_date": "2001-06-03", "targets": [begun_late]}
    (first,) = scheduler_says([told], day=date(2025, 9, 14))
    (second,) = scheduler_says([told | {"history": first["rows"]}], day=date(2025, 9, 15))
    kept_back = [[row["skipped_emails"] for row in answer["rows"] if row["email_type"] == "post_window"] for answer in (first, second)]
    assert kept_back == [[["birthday", "aep"], ["birthday"]]] * 2  # of this year's window, and of the next one


@pytest.mark.parametrize("day", [date(2025, 4, 4), date(2025, 4, 5), date(2025, 4, 6)])
def test_what_a_window_keeps_back_up_to_its_event_is_told_on_every_day(day: date) -> None:
    caught_up = {"email_type": "birthday", "date": "2025-04-05", "status": "skipped", "skip_reason": "exclusion_window"}
    history = [caught_up | {"event_date": "2025-04-05"}]
    told = {"id": 5, "state": "MO", "birth_date": "1955-04-05", "effective_date": "2010-07-01", "history": history}
    (answer,) = scheduler_says([told], day=day)
    assert list(disagreements([told], day=day)) == []
    assert ["birthday", "effective_date"] in [row["skipped_emails"] for row in answer["rows"] if row["email_type"] == "post_window"]


def test_the_made_up_contacts_meet_every_case_that_matters() -> None:
    met: Counter[str] = Counter()
    for seed, day in enumerate(DAYS):
        people = list(crowd(seed, size=100, day=day))
        met.update(one["state"] for one in people)
        met.update(str(one["birth_date"])[5:] for one in people)
        for answer in scheduler_says(people, day=day, rules_only=False):
            met.update({name for row in answer["rows"] for name in (row["email_type"], row["status"], row["skip_reason"])})
            met.update(name for name in ("catch_up",) for row in answer["rows"] if row[name])
    wanted = [*RULED, *FREE, *ELSEWHERE, "02-29", "post_window", "catch_up", "campaign_conflict", "missed", "exclusion_window"]
    assert [name for name in wanted if not met[name]] == []


ZIPS = {"90210": "CA", "10001": "NY", "60601": "IL", "97201-1234": "OR", "63101": "MO", "89101": "NV", "00901": "PR", "20001": "DC"}


@pytest.mark.parametrize("zip_code", ZIPS)
def test_the_zip_code_says_the_state_whatever_is_stated(zip_code: str) -> None:
    day, dates = date(2025, 1, 2), {"birth_date": "1952-02-29", "effective_date": "2015-12-01"}
    both = [{"id": 3, "zip_code": zip_code, "state": "KY", **dates}, {"id": 4, "state": ZIPS[zip_code], **dates}]
    by_zip, by_state = scheduler_says(both, day=day)
    assert "state_zip_mismatch" in by_zip["flags"]
    assert by_zip["rows"] == by_state["rows"]


@pytest.mark.parametrize("broken", [{}, {"zip_code": "00000"}, {"zip_code": "abc"}, {"state": "CA", "zip_code": "1"}])
def test_who_cannot_be_placed_gets_no_row_and_the_others_theirs(broken: dict[str, Any]) -> None:
    refused, fine = scheduler_says([{"id": 1, **broken}, {"id": 2, "state": "TX"}], day=date(2025, 1, 2))
    assert refused["rows"] == []
    assert refused["refused"]
    assert [row["email_type"] for row in fine["rows"]] == ["aep"]


def test_impossible_dates_are_absent_and_flagged() -> None:
    told = {"id": 1, "state": "TX", "birth_date": "invalid-date", "effective_date": "2020-13-45"}
    (answer,) = scheduler_says([told], day=date(2024, 11, 15))
    assert answer["flags"] == ["birth_date_invalid", "effective_date_invalid"]
    assert [row["email_type"] for row in answer["rows"]] == ["aep"]
