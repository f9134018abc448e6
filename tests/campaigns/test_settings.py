"""Settings have defaults, ranges, and a sentence for each that is broken."""

from dataclasses import fields

import pytest

from campaigns.rules.states import Anchor
from campaigns.settings import SchedulerSettings, SettingsRefused, read

REQUIRED = {  # every number of the requirement, by the name that operators know
    "pre_window_exclusion_days": 60,
    "birthday_email_days_before": 14,
    "effective_date_days_before": 30,
    "daily_send_percentage_cap": 0.07,
    "ed_daily_soft_limit": 15,
    "ed_smoothing_window_days": 5,
    "catch_up_spread_days": 7,
    "overage_threshold": 1.0,
    "max_emails_per_period": 5,
    "period_days": 30,
    "followup_days_after": 2,
    "block_when_anchor_missing": False,
    "send_time": "08:30",
    "time_zone": "America/Chicago",
}


def test_the_defaults_are_those_of_the_requirement():
    assert {name: getattr(SchedulerSettings(), name) for name in REQUIRED} == REQUIRED


@pytest.mark.parametrize("name", [one.name for one in fields(SchedulerSettings)])
@pytest.mark.parametrize("value", ["", -1, [], "DROP TABLE", 1e400, float("nan"), {"x": object()}])
def test_no_setting_takes_nonsense(name, value):
    with pytest.raises(SettingsRefused) as refusal:
        SchedulerSettings(**{name: value})

    assert list(refusal.value.problems) == [name]
    assert name in str(refusal.value)
    assert len(str(refusal.value)) < 600


def test_all_problems_are_told_at_once():
    with pytest.raises(SettingsRefused) as refusal:
        read({"max_emails_per_period": 0, "period_days": 400, "send_time": "noon"})

    assert refusal.value.problems == {
        "max_emails_per_period": "max_emails_per_period must be a whole number from 1 to 1000; got 0.",
        "period_days": "period_days must be a whole number from 1 to 365; got 400.",
        "send_time": "send_time must be a time of day, written 08:30; got 'noon'.",
    }


def test_rules_and_types_of_json_change_the_built_in_ones():
    told = read(
        {
            "state_rules": {"CA": {"anchor": "effective_date", "before": 1, "after": 2}, "TX": {"anchor": "always"}},
            "campaign_types": {"picnic": {"days_before_event": 3}},
        }
    )

    assert (told.rules.of("CA").anchor, told.rules.of("TX").anchor, told.rules.of("NY").anchor) == (
        Anchor.EFFECTIVE_DATE,
        Anchor.ALWAYS,
        Anchor.ALWAYS,
    )
    assert "campaign_picnic" in told.email_types.names
    assert "campaign_rate_increase" in told.email_types.names


UNREADABLE = [
    ("state_rules", [], "it must be an object"),
    ("state_rules", {"CA": 5}, "CA must be an object; got 5"),
    ("state_rules", {"CA": {}}, "the anchor of CA must be one of none, birthday, .*; got None"),
    ("state_rules", {"CA": {"anchor": None}}, "the anchor of CA must be one of"),
    ("state_rules", {"CA": {"anchor": "moon"}}, "the anchor of CA must be one of .*; got 'moon'"),
    ("state_rules", {"CA": {"anchor": "birthday", "befor": 3}}, "CA has no befor; there are anchor, before"),
    ("campaign_types", {"picnic": None}, "picnic must be an object; got None"),
    ("campaign_types", {"picnic": {"days": 3}}, "picnic has no days; there are respect_exclusion_windows"),
]


@pytest.mark.parametrize(("name", "told", "why"), UNREADABLE)
def test_rules_and_types_that_cannot_be_read_say_which_and_why(name, told, why):
    with pytest.raises(SettingsRefused, match=f"{name} cannot be read: {why}"):
        read({name: told})


def test_a_rule_without_a_source_is_refused():
    with pytest.raises(SettingsRefused, match="a rule needs a source"):
        read({"state_rules": {"TX": {"anchor": "birthday", "after": 30, "source": ""}}})


def test_windows_of_neighbouring_years_cannot_meet():
    read({"state_rules": {"TX": {"anchor": "birthday", "before": 100, "after": 100}}})
    with pytest.raises(SettingsRefused, match="state_rules makes a window of 791 days"):
        read({"state_rules": {"TX": {"anchor": "birthday", "before": 365, "after": 365}}})
    with pytest.raises(SettingsRefused, match="pre_window_exclusion_days makes a window of 381 days"):
        read({"pre_window_exclusion_days": 180, "state_rules": {"TX": {"anchor": "birthday", "before": 100, "after": 100}}})


@pytest.mark.parametrize(("share", "days"), [(0.07, 30), (0.01, 100), (1.0, 30), (0.0001, 365), (1e-320, 365)])
def test_the_horizon_can_hold_one_mail_to_everybody(share, days):
    assert SchedulerSettings(daily_send_percentage_cap=share).horizon_days == days


def test_an_aep_day_may_be_listed_for_a_year():
    assert str(read({"aep_dates": {"2026": "2026-09-20"}}).listed_aep_days[2026]) == "2026-09-20"
    for wrong in ({"2026": "2027-09-20"}, {"2026": "20 September"}, ["2026-09-20"]):
        with pytest.raises(SettingsRefused, match="aep_dates must name a day"):
            read({"aep_dates": wrong})
