"""The scheduler's numbers as versions: ranges, environments, what a change does at once, and one SchedulerSettings made of it all."""

import json
import threading
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.utils import timezone
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from campaigns import settings as campaigns_settings
from campaigns.models import CampaignType
from campaigns.rules.email_types import FIRST_CAMPAIGN_TYPES
from campaigns.rules.states import STATES, Anchor
from campaigns.settings import SchedulerSettings
from portal import wiring
from portal.config import kinds, scheduler
from portal.config.data import ConfigRefused
from portal.config.kinds import KINDS, OF_SCHEDULER
from portal.config.models import ConfigVersion

pytestmark = pytest.mark.django_db

JANUARY, MARCH, JUNE = (datetime(2027, month, 1, tzinfo=UTC) for month in (1, 3, 6))
KEPT_BY_RUNS = {"organisation_contacts"}  # what a run knows by itself
RULES_AND_TYPES = {"state_rules", "campaign_types"}


def shipped(kind, **changes):
    return KINDS[kind].shipped | changes


def put(kind, *, at=JANUARY, environment="", **changes):
    data = changes if environment else shipped(kind, **changes)
    return kinds.put(kind, data, valid_from=at, author=None, note="because", environment=environment)


def rule(state, **changes):
    return {state: shipped("state_rules")[state] | changes}


def settings_at(at, environment="production"):
    return scheduler.in_force(at=at, environment=environment)[0]


# what is shipped


def test_every_setting_belongs_to_exactly_one_kind():
    named = [name for kind in OF_SCHEDULER if kind not in RULES_AND_TYPES for name in KINDS[kind].shipped]

    assert len(named) == len(set(named))
    assert {*named, *RULES_AND_TYPES, *KEPT_BY_RUNS} == {one.name for one in fields(SchedulerSettings)}
    assert set(OF_SCHEDULER) == {
        *("timing", "load_balancing", "frequency", "state_rules", "aep", "campaign_types", "followup", "processing"),
    }


def test_what_is_shipped_are_the_defaults_of_the_scheduler():
    told, numbers = wiring.scheduler_settings()

    assert replace(told, state_rules={}) == replace(SchedulerSettings(), state_rules={})
    assert all(told.rules.of(state) == SchedulerSettings().rules.of(state) for state in STATES)
    assert dict(told.campaign_types) == dict(FIRST_CAMPAIGN_TYPES)
    assert numbers == dict.fromkeys(OF_SCHEDULER, 0)


def test_a_run_keeps_what_it_was_given_and_makes_the_same_of_it():
    put("state_rules", at=timezone.now(), **rule("NY", anchor="none"), **rule("CA", after=31))
    told, _ = wiring.scheduler_settings()

    kept = json.loads(json.dumps(campaigns_settings.plain(told)))
    assert campaigns_settings.read(kept) == told


def test_all_kinds_are_read_in_one_query_and_the_types_in_another(django_assert_num_queries):
    with django_assert_num_queries(2):
        wiring.scheduler_settings()


# in force


def test_a_change_is_in_force_at_once():
    before = wiring.scheduler_settings()[0].max_emails_per_period
    put("frequency", at=timezone.now(), max_emails_per_period=3)

    told, numbers = wiring.scheduler_settings()
    assert (before, told.max_emails_per_period, numbers["frequency"]) == (5, 3, 1)


@pytest.mark.django_db(transaction=True)
def test_a_worker_that_has_read_the_settings_before_sees_the_change_with_its_next_look():
    def work(seen, changed):
        seen.append(wiring.scheduler_settings()[0].period_days)
        changed.wait()
        seen.append(wiring.scheduler_settings()[0].period_days)
        connection.close()

    seen, changed = [], threading.Event()
    worker = threading.Thread(target=work, args=(seen, changed))
    worker.start()
    put("frequency", at=timezone.now(), period_days=10)
    changed.set()
    worker.join()

    assert seen[1] == 10


def test_each_kind_has_versions_of_its_own():
    put("timing", birthday_email_days_before=10)
    put("timing", at=MARCH, birthday_email_days_before=20)
    put("aep", at=MARCH, aep_dates={"2027": "2027-09-20"})

    found = [scheduler.in_force(at=at, environment="production") for at in (JANUARY, MARCH)]
    assert [(one.birthday_email_days_before, dict(one.aep_dates)) for one, _ in found] == [(10, {}), (20, {"2027": "2027-09-20"})]
    assert [(numbers["timing"], numbers["aep"], numbers["frequency"]) for _, numbers in found] == [(1, 0, 0), (2, 1, 0)]


def test_an_environment_changes_single_numbers_and_says_by_which_version(settings):
    put("frequency", max_emails_per_period=4)
    put("frequency", at=MARCH, environment="staging", period_days=10)

    told, numbers = scheduler.in_force(at=MARCH, environment="staging")
    general = settings_at(MARCH)
    assert (told.max_emails_per_period, told.period_days) == (4, 10)
    assert (general.max_emails_per_period, general.period_days) == (4, 30)
    assert {name: number for name, number in numbers.items() if name.startswith("frequency")} == {"frequency": 1, "frequency in staging": 1}

    settings.CONFIG_ENVIRONMENT = "staging"
    assert wiring.scheduler_settings(at=MARCH)[0].period_days == 10


def test_an_environment_changes_one_number_of_one_state():
    put("state_rules", environment="staging", CA={"after": 30})

    told = settings_at(JANUARY, "staging").rules.of("CA")
    assert (told.anchor, told.before, told.after) == (Anchor.BIRTHDAY, 30, 30)
    assert settings_at(JANUARY).rules.of("CA").after == 60


def test_a_campaign_type_is_changed_for_a_period_and_only_where_it_is_named():
    put("campaign_types", rate_increase={"priority": 4})
    kinds.put("campaign_types", {}, valid_from=MARCH, author=None, note="over")

    during, after = settings_at(JANUARY).campaign_types["rate_increase"], settings_at(MARCH).campaign_types["rate_increase"]
    assert (during.priority, during.days_before_event, after.priority) == (4, 14, 1)


def test_the_table_of_campaign_types_is_the_truth():
    CampaignType.objects.create(name="picnic", priority=9)

    assert settings_at(JANUARY).campaign_types["picnic"].priority == 9


def test_a_version_about_a_type_that_is_gone_is_named_in_a_sentence():
    CampaignType.objects.create(name="picnic")
    put("campaign_types", picnic={"priority": 4})
    CampaignType.objects.filter(name="picnic").delete()

    with pytest.raises(ConfigRefused, match="Campaign types: changes picnic, which is no campaign type any more: put a version into force"):
        settings_at(JANUARY)


def test_a_version_that_an_older_release_wrote_is_named_when_it_cannot_be_read():
    version = put("timing")
    data = version.data | {"moon_phase": "full"}
    ConfigVersion.objects.filter(pk=version.pk).update(in_force=(JANUARY, MARCH))
    ConfigVersion.objects.create(series=version.series, number=2, data=data, in_force=(MARCH, None), note="old")

    with pytest.raises(ConfigRefused, match=r"Timing \(timing, version 2\): moon_phase is not known here"):
        settings_at(MARCH)


def test_a_field_that_came_with_a_later_release_stands_as_shipped():
    version = put("timing")
    data = {name: value for name, value in version.data.items() if name != "overdue_days"} | {"send_time": "09:00"}
    ConfigVersion.objects.filter(pk=version.pk).update(in_force=(JANUARY, MARCH))
    ConfigVersion.objects.create(series=version.series, number=2, data=data, in_force=(MARCH, None), note="old")

    told = settings_at(MARCH)
    assert (told.send_time, told.overdue_days) == ("09:00", 7)


# refused, each beside a twin that is taken

REFUSED = [
    ("timing", {"birthday_email_days_before": 301}, {"birthday_email_days_before": 300}, "must be a whole number from 0 to 300; got 301"),
    ("timing", {"birthday_email_days_before": "14"}, {"birthday_email_days_before": 15}, "must be a whole number from 0 to 300; got 14"),
    ("timing", {"overdue_days": True}, {"overdue_days": 1}, "must be a whole number from 0 to 60; got true"),
    ("timing", {"pre_window_exclusion_days": -1}, {"pre_window_exclusion_days": 0}, "from 0 to 180; got -1"),
    ("timing", {"block_when_anchor_missing": "yes"}, {"block_when_anchor_missing": True}, "must be true or false; got yes"),
    ("timing", {"send_time": "24:00"}, {"send_time": "23:59"}, "must be a time of day, written 08:30; got 24:00"),
    ("timing", {"time_zone": "Mars"}, {"time_zone": "America/New_York"}, "must be a time zone such as America/Chicago; got Mars"),
    ("timing", {"time_zone": ""}, {"time_zone": "UTC"}, "must be a time zone such as America/Chicago; got nothing"),
    ("timing", {"dayly_cap": 1}, {}, "dayly_cap is not known here"),
    ("load_balancing", {"daily_send_percentage_cap": 0}, {"daily_send_percentage_cap": 0.0001}, "above 0 and at most 1; got 0"),
    ("load_balancing", {"daily_send_percentage_cap": 1.01}, {"daily_send_percentage_cap": 1}, "above 0 and at most 1; got 1.01"),
    ("load_balancing", {"daily_send_percentage_cap": float("nan")}, {"daily_send_percentage_cap": 0.5}, "at most 1; got nan"),
    ("load_balancing", {"daily_send_percentage_cap": "7 %"}, {"daily_send_percentage_cap": 0.07}, "at most 1; got 7 %"),
    ("load_balancing", {"ed_daily_soft_limit": 0}, {"ed_daily_soft_limit": 1}, "from 1 to 1000000; got 0"),
    ("load_balancing", {"redistribution_horizon_days": 366}, {"redistribution_horizon_days": 365}, "from 1 to 365; got 366"),
    ("load_balancing", {"aep_priority": 0}, {"aep_priority": 1}, "from 1 to 1000; got 0"),
    ("frequency", {"max_emails_per_period": 0}, {"max_emails_per_period": 1}, "from 1 to 1000; got 0"),
    ("frequency", {"period_days": 10**30}, {"period_days": 365}, "from 1 to 365; got 1000"),
    ("frequency", {"frequency_adjustments": {"brithday": 1}}, {"frequency_adjustments": {"birthday": 1}}, "names brithday, which is no"),
    ("frequency", {"frequency_adjustments": {"aep": 101}}, {"frequency_adjustments": {"campaign_x": 100}}, "from -100 to 100; got"),
    ("aep", {"aep_month_day": "02-29"}, {"aep_month_day": "02-28"}, "that every year has, written 09-15; got 02-29"),
    ("aep", {"aep_dates": {"2027": "2028-09-15"}}, {"aep_dates": {"2027": "2027-09-14"}}, "must name a day of the year for each"),
    ("aep", {"aep_dates": {"2027": "2027-02-29"}}, {"aep_dates": {"2028": "2028-02-29"}}, "must name a day of the year for each"),
    ("followup", {"followup_days_after": 61}, {"followup_days_after": 60}, "from 1 to 60; got 61"),
    ("processing", {"batch_size": 0}, {"batch_size": 1}, "from 1 to 1000000; got 0"),
    ("campaign_types", {"picnic": {"priority": 1}}, {"rate_increase": {"priority": 1}}, "picnic is no campaign type; there is"),
    ("campaign_types", {"rate_increase": {"priority": 0}}, {"rate_increase": {"active": False}}, "rate_increase.priority must be a whole"),
    ("campaign_types", {"rate_increase": {"prio": 1}}, {"rate_increase": {}}, "rate_increase.prio is not known here"),
    ("campaign_types", {"rate_increase": {"days_before_event": 301}}, {"rate_increase": {"days_before_event": -300}}, "from -300 to 300"),
    ("state_rules", {"ZZ": {}}, {}, "there is no state ZZ; known are AK, AL"),
    ("state_rules", {"CA": {}}, rule("CA", after=0), "CA.anchor is missing; CA.source is missing; CA.status is missing"),
    ("state_rules", rule("CA", after=-5), rule("CA", after=5), "CA.after must be a whole number from 0 to 183; got -5"),
    ("state_rules", rule("CA", after=400), rule("CA", after=153), "CA.after must be a whole number from 0 to 183; got 400"),
    ("state_rules", rule("CA", after=154), rule("CA", before=0, after=183), "a window of at most 183 days, before and after together"),
    ("state_rules", rule("CA", anchor="easter"), rule("CA", anchor="birth_month"), "CA.anchor must be one of none, birthday, birth_month"),
    ("state_rules", rule("CA", anchor=1), rule("CA", anchor="effective_date"), "CA.anchor must be one of none"),
    ("state_rules", rule("CA", anchor="always"), rule("TX", anchor="always"), "before and after must be 0; got 30 and 60"),
    ("state_rules", rule("CA", source="  "), rule("CA", source="a letter"), "CA.source must say where the rule comes from"),
    ("state_rules", rule("CA", source=None), rule("CA", source="x" * 300), "CA.source must say where the rule comes from"),
    ("state_rules", rule("TX", source=""), rule("TX", source="nobody"), "TX.source must say where the rule comes from"),
    ("state_rules", rule("CA", status=""), rule("CA", status="verified"), "CA.status must say who has verified it"),
    ("state_rules", rule("CA", since="2026-02-29"), rule("CA", since="2028-02-29"), "CA.since must be a day, written 2026-01-31"),
    ("state_rules", rule("CA", since="soon"), rule("CA", since="2020-01-01"), "CA.since must be a day, written 2026-01-31; got soon"),
    ("state_rules", rule("IL", year_round_from_age=0), rule("IL", year_round_from_age=76), "whole number of years from 1 to 130, or null"),
]


@pytest.mark.parametrize(("kind", "wrong", "right", "sentence"), REFUSED, ids=[f"{kind}-{said[:40]}" for kind, _, _, said in REFUSED])
def test_what_is_out_of_range_is_named_and_its_twin_is_taken(kind, wrong, right, sentence):
    with pytest.raises(ConfigRefused) as refusal:
        put(kind, **wrong)
    assert sentence in str(refusal.value)
    assert not ConfigVersion.objects.exists()

    put(kind, **right)
    assert settings_at(JANUARY)


def test_a_state_that_is_not_named_is_asked_for():
    data = {state: rule for state, rule in shipped("state_rules").items() if state not in ("DC", "TX")}

    with pytest.raises(ConfigRefused, match="there is no entry for DC, TX; the anchor none says that a state has no rule"):
        kinds.put("state_rules", data, valid_from=JANUARY, author=None, note="because")


@pytest.mark.parametrize("kind", OF_SCHEDULER)
@pytest.mark.parametrize("data", [None, [], "text", 5, {"x" * 500: 1}, {"\x00": 1}, {"a": "\ud800"}])
def test_no_kind_takes_nonsense(kind, data):
    with pytest.raises(ConfigRefused) as refusal:
        kinds.put(kind, data, valid_from=JANUARY, author=None, note="because")
    assert len(str(refusal.value)) < 3_000


def test_any_two_kinds_that_are_taken_fit_together():
    put("timing", pre_window_exclusion_days=180)
    put("state_rules", **rule("CA", before=83, after=100))

    assert settings_at(JANUARY).longest_window == 364


# there and back


def in_range(kind):
    """Changes of a kind's whole numbers, near what is shipped."""
    numbers = {
        name: value for name, value in KINDS[kind].shipped.items() if isinstance(value, int) and not isinstance(value, bool) and value > 1
    }
    return st.fixed_dictionaries({}, optional={name: st.integers(1, value) for name, value in numbers.items()})


FLAT = [kind for kind in OF_SCHEDULER if kind not in RULES_AND_TYPES]
A_RULE = st.builds(
    lambda anchor, before, after, source: {
        "anchor": anchor,
        "before": before if anchor not in ("none", "always") else 0,
        "after": after if anchor not in ("none", "always") else 0,
        "year_round_from_age": None,
        "source": source,
        "status": "s",
        "since": "2026-01-01",
    },
    st.sampled_from([anchor.name.lower() for anchor in Anchor]),
    st.integers(0, 90),
    st.integers(0, 90),
    st.text("abc §", min_size=1).filter(str.strip),
)
CHANGES = st.fixed_dictionaries({kind: in_range(kind) for kind in FLAT} | {"state_rules": st.dictionaries(st.sampled_from(STATES), A_RULE)})


@hypothesis_settings(max_examples=60, deadline=None)
@given(changes=CHANGES)
def test_what_is_put_comes_back_as_settings_and_as_the_same_data(changes):
    told = {kind: KINDS[kind].typed(KINDS[kind].shipped | changes.get(kind, {})) for kind in OF_SCHEDULER}
    made = scheduler.settings_of(told, types=FIRST_CAMPAIGN_TYPES)

    for kind in FLAT:
        assert {name: getattr(made, name) for name in KINDS[kind].shipped} == KINDS[kind].shipped | changes[kind]
    back = {kind: KINDS[kind].plain(KINDS[kind].adapter.dump_python(told[kind], mode="json")) for kind in OF_SCHEDULER}
    assert {kind: KINDS[kind].typed(data) for kind, data in back.items()} == told
    assert {state: rule.anchor.name.lower() for state, rule in made.state_rules.items()} == {
        state: rule["anchor"] for state, rule in back["state_rules"].items()
    }


def test_versions_of_a_kind_of_the_scheduler_follow_each_other_like_all_others():
    put("timing", at=JANUARY)
    put("timing", at=JUNE, send_time="10:00")
    put("timing", at=MARCH, send_time="09:00")

    moments = [JANUARY - timedelta(days=1), JANUARY, MARCH, JUNE]
    assert [settings_at(at).send_time for at in moments] == ["08:30", "08:30", "09:00", "10:00"]
    assert [scheduler.in_force(at=at, environment="production")[1]["timing"] for at in moments] == [0, 1, 3, 2]


def test_a_campaign_type_that_no_run_could_take_is_named_in_a_sentence():
    CampaignType.objects.bulk_create(CampaignType(name=f"type{number}") for number in range(52))  # and the five built-in ones

    with pytest.raises(ConfigRefused, match="The scheduler's settings together: campaign_types"):
        wiring.scheduler_settings()
