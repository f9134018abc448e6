"""The agreed answers on exclusion, planning, caps, frequency and follow-ups, by their ids."""

from collections import Counter
from datetime import date

import numpy as np
import pytest

from campaigns import runs, zip_codes
from campaigns.models import EmailSchedule
from campaigns.rules import balance, conflicts, frequency
from campaigns.rules.calendar_days import next_yearly
from campaigns.rules.email_types import AEP, EFFECTIVE_DATE, FOLLOW_UPS
from campaigns.rules.follow_ups import RANKS, due_days, type_by_behaviour
from campaigns.rules.jitter import remainders
from campaigns.rules.shapes import STATUS_WORDS, Reason, Status
from campaigns.rules.states import STATES, Anchor
from campaigns.settings import SchedulerSettings, SettingsRefused
from tests.campaigns.asking import TODAY, asked, day, days, history, of_type, plan, rows, settings
from tests.campaigns.rows import make_contact
from tests.vectors import of_kind

TYPES = settings().email_types


@pytest.mark.parametrize(("name", "given", "answer"), of_kind("exclusion_check"))
def test_a_day_is_excluded_or_not(name, given, answer):
    told = given["contact"] | {"check_dates": [given["date"]]}
    check = asked(told, pre_window_exclusion_days=given["pre_window_days"])[0]["checks"][given["date"]]
    by_default = asked(told)[0]["checks"][given["date"]]

    assert check["excluded"] == answer["excluded"]
    assert by_default["excluded"] == answer.get("excluded_with_default_60_day_extension", by_default["excluded"])
    assert check["window_end"] == answer.get("window_end", check["window_end"])


@pytest.mark.parametrize(("name", "given", "answer"), of_kind("window"))
def test_a_window(name, given, answer):
    told = given["contact"] | {"check_dates": []}
    today = f"{given['anchor_year']}-06-01"
    windows = asked(told, today=today, pre_window_exclusion_days=given["pre_window_days"])[0]["windows"]
    (window,) = [one for one in windows if one["anchor_year"] == given["anchor_year"]]

    assert (window["start"], window["statutory_start"], window["end"]) == (
        answer["extended_start"],
        answer["statutory_start"],
        answer["end"],
    )
    assert str(day(window["end"]) + 1) == answer.get("post_window_date", str(day(window["end"]) + 1))


@pytest.mark.parametrize(("name", "given", "answer"), of_kind("state_rule"))
def test_the_rule_of_a_state(name, given, answer):
    assert rule_of(given["state"]) == answer["rule"]


def rule_of(state):
    window = settings().rules.of(state)
    if window.anchor == Anchor.ALWAYS:
        return "year_round"
    last = {Anchor.NONE: "none", Anchor.BIRTHDAY: [], Anchor.BIRTH_MONTH: ["month start"], Anchor.EFFECTIVE_DATE: []}[window.anchor]
    first = ["effective"] if window.anchor == Anchor.EFFECTIVE_DATE else []
    return last if last == "none" else [*first, window.before, window.after, *last]


@pytest.mark.parametrize(("name", "given", "answer"), of_kind("rule_table"))
def test_the_table_of_rules(name, given, answer):
    assert {state: rule_of(state) for state in answer} == answer


@pytest.mark.parametrize(("name", "given", "answer"), of_kind("state_rule_counts"))
def test_how_many_states_have_which_rule(name, given, answer):
    words = {
        Anchor.NONE: "none",
        Anchor.BIRTHDAY: "birthday_window",
        Anchor.BIRTH_MONTH: "birthday_window",
        Anchor.EFFECTIVE_DATE: "effective_date_window",
        Anchor.ALWAYS: "year_round",
    }
    counts = Counter(words[settings().rules.of(state).anchor] for state in STATES if state != "other")

    assert counts == {word: count for word, count in answer.items() if isinstance(count, int)}
    assert len(STATES) == 52


@pytest.mark.parametrize(("name", "given", "answer"), of_kind("campaign_type_defaults"))
def test_how_a_campaign_type_behaves(name, given, answer):
    behaviour = settings().campaign_types[given["campaign_type"]]

    assert {key: getattr(behaviour, key) for key in answer} == answer


@pytest.mark.parametrize(("name", "given", "answer"), of_kind("default_priority"))
def test_the_priority_of_a_type(name, given, answer):
    assert TYPES.priority[TYPES.codes[given["email_type"]]] == answer["priority"]


@pytest.mark.parametrize(("name", "given", "answer"), of_kind("priority_order"))
def test_the_order_of_types(name, given, answer):
    parent_of_unknown_type = 8
    order = sorted(given["types"], key=lambda one: TYPES.priority[TYPES.codes[one]] or parent_of_unknown_type)

    assert order == answer["order"]


@pytest.mark.parametrize(("name", "given", "answer"), of_kind("config_validation"))
def test_settings_are_valid_or_not(name, given, answer):
    if answer["valid"]:
        assert settings(**given["changes"]) == SchedulerSettings(**given["changes"])
        return
    with pytest.raises(SettingsRefused) as refusal:
        settings(**given["changes"])
    assert list(refusal.value.problems) == ["daily_send_percentage_cap"]


@pytest.mark.parametrize(("name", "given", "answer"), of_kind("schedule_one"))
def test_one_mail(name, given, answer):
    (row,) = of_type(plan(given["contact"], today=given["today"]), given["email_type"])

    assert answered(row, answer)


def answered(row, answer) -> bool:
    """Whether a row is what was expected; a row is no catch-up unless it says so."""
    named = {("skip_reason" if key == "skip_reason_kind" else key): value for key, value in answer.items()}
    return {key: row[key] for key in named} == named


@pytest.mark.parametrize(("name", "given", "answer"), of_kind("contact_plan"))
def test_a_whole_plan(name, given, answer):
    found = plan(given["contact"], today=given["today"])
    expected = [row for row in answer["rows"] if row["status"] != "not_created"]

    assert [row["email_type"] for row in found] == [row["email_type"] for row in expected]
    assert all(answered(row, {"catch_up": False, "skipped_emails": []} | wanted) for row, wanted in zip(found, expected, strict=True))


@pytest.mark.parametrize(("name", "given", "answer"), of_kind("golden_contact"))
def test_a_golden_contact(name, given, answer):
    found = asked(given["contact"], today=given["today"])[0]

    wanted = answer[f"plan_today_{given['today']}"]
    assert len(found["rows"]) == len(wanted)
    assert all(answered(row, one) for row, one in zip(found["rows"], wanted, strict=True))
    if meant := answer.get("window_meant"):
        ends = [(one["start"], one["statutory_start"], one["end"]) for one in found["windows"]]
        assert (meant["extended_start"], meant["statutory_start"], meant["end"]) in ends
        assert answer["post_window_for_that_window"] in {row["date"] for row in of_type(found["rows"], "post_window")}


@pytest.mark.parametrize(("name", "given", "answer"), of_kind("contact_plan_shape"))
def test_the_types_of_a_plan(name, given, answer):
    assert {row["email_type"] for row in plan(given["contact"])} >= set(answer["contains_types"])


@pytest.mark.parametrize(("name", "given", "answer"), of_kind("contact_sendable"))
def test_who_can_be_written_to_at_all(name, given, answer):
    found = plan(given["contact"], today=given["today"])
    sendable = [row for row in found if row["status"] == "pre-scheduled"]

    assert len(sendable) >= answer.get("pre_scheduled_at_least", 0)
    if "sendable" in answer or "all_status" in answer:
        assert (sendable, of_type(found, "post_window")) == ([], [])
        assert {(row["status"], row["skip_reason"]) for row in found} == {("skipped", "year_round_exclusion")}


@pytest.mark.parametrize(("name", "given", "answer"), of_kind("invalid_contact"))
def test_an_invalid_contact_stops_nobody(name, given, answer):
    found = asked({"id": 7, **given["contact"]}, today=given.get("today", "2025-01-02"))[0]
    counts = {f"{kind}_rows": len(of_type(found["rows"], kind)) for kind in ("birthday", "effective_date", "aep")}

    assert {key: value for key, value in counts.items() if key in answer} == {k: v for k, v in answer.items() if k in counts}
    assert len(found["rows"]) == answer.get("rows", len(found["rows"]))
    assert set(answer.get("data_quality_flags", [])) <= set(found["flags"])
    assert name != "PSC-022" or {row["skip_reason"] for row in found["rows"]} == {"year_round_exclusion"}


@pytest.mark.parametrize(("name", "given", "answer"), of_kind("post_window"))
def test_the_mail_after_a_window(name, given, answer):
    found = of_type(plan(given["contact"], today=given["today"]), "post_window")

    assert answer["date"] in {row["date"] for row in found}


@pytest.mark.parametrize(("name", "given", "answer"), of_kind("post_window_dedupe"))
def test_one_mail_for_all_that_a_window_swallowed(name, given, answer):
    (row,) = of_type(plan(given["contact"], today=given["today"]), "post_window")

    assert (row["date"], row["priority"]) == (answer["date"], answer["priority"])
    assert row["skipped_emails"] == [one.split()[0] for one in given["skipped"]]


@pytest.mark.parametrize(("name", "given", "answer"), of_kind("post_window_none"))
def test_no_mail_after_no_window(name, given, answer):
    often = [{"email_type": "birthday", "date": "2025-09-10", "status": "sent"}] * 5
    told = given["contact"] | {"history": often}

    assert len(of_type(plan(told, today="2025-09-12", rules_only=False), "post_window")) == answer["post_window_rows"]


@pytest.mark.parametrize(("name", "given", "answer"), of_kind("post_window_survives_rerun"))
def test_the_mail_after_a_window_is_found_again(name, given, answer):
    found = of_type(plan(given["contact"], today=given["today"]), "post_window")

    assert [row["date"] for row in found] == answer["post_window_dates"]


@pytest.mark.parametrize(("name", "given", "answer"), of_kind("campaign_schedule"))
def test_one_campaign_mail(name, given, answer):
    target = {"campaign_type": given["campaign_type"], "instance": 1, "trigger_date": given["trigger_date"]}
    found = plan(given["contact"] | {"targets": [target]}, today=given["today"])
    (row,) = of_type(found, f"campaign_{given['campaign_type']}")

    assert (row["status"], row["date"]) == (answer["status"], answer["date"])
    assert "post_window" not in answer or of_type(found, "post_window") == []


@pytest.mark.parametrize(("name", "given", "answer"), [*of_kind("campaign_date"), *of_kind("campaign_formula_text")])
def test_a_campaign_goes_out_before_its_trigger(name, given, answer):
    kind = given.get("campaign_type", "rate_increase")
    target = {"campaign_type": kind, "instance": 1, "trigger_date": given["trigger_date"]}
    (row,) = of_type(plan({"state": "TX", "targets": [target]}, today="2024-11-01"), f"campaign_{kind}")

    assert row["date"] == answer["date"]


@pytest.mark.parametrize(("name", "given", "answer"), of_kind("campaign_conflict"))
def test_campaigns_that_meet(name, given, answer):
    told = given["candidates"]
    several = rows(
        contact=[given["contact_id"]] * len(told),
        kind=[TYPES.codes[one["email_type"]] for one in told],
        priority=[one["priority"] for one in told],
        instance=[one["instance_id"] for one in told],
        send_on=day(given["date"]),
        status=[Status.SKIPPED if one.get("excluded") else Status.PRE_SCHEDULED for one in told],
    )

    found = conflicts.resolved(several, history(place=[])[:0])

    assert found["instance"][found["status"] == Status.PRE_SCHEDULED].tolist() == [answer["winner_instance_id"]]
    losers = found[(found["status"] == Status.SKIPPED) & (several["status"] == Status.PRE_SCHEDULED)]
    assert set(losers["reason"]) <= {Reason.CAMPAIGN_CONFLICT}


@pytest.mark.parametrize(("name", "given", "answer"), of_kind("ed_smoothing_spread"))
def test_mails_that_catch_up_are_spread(name, given, answer):
    told = dict(given["contacts"])
    found = asked(*[told] * told.pop("count"), today=given["today"])
    dates = Counter(row["date"] for one in found for row in of_type(one["rows"], "effective_date"))

    assert sum(dates.values()) == answer["rows"]
    assert len(dates) > answer["distinct_dates_more_than"]
    assert max(dates.values()) < answer["max_on_one_date_less_than"]


@pytest.mark.parametrize(("name", "given", "answer"), of_kind("idempotent_rerun"))
def test_a_second_run_repeats_nothing(name, given, answer):
    told = {"state": "CA", "birth_date": "1955-11-20", "effective_date": "2020-12-10"}
    first = plan(told, today=given["today"], rules_only=False)
    again = plan(told | {"history": as_history(first)}, today=given["today"], rules_only=False)

    assert again == first
    assert len({(row["email_type"], row["date"]) for row in again}) == len(again) - answer["duplicate_contact_type_date_keys"]


def as_history(found):
    return [{key: row[key] for key in ("email_type", "date", "status", "event_date", "moved_from", "campaign_instance")} for row in found]


@pytest.mark.parametrize(("name", "given", "answer"), of_kind("add_days"))
def test_days_are_added(name, given, answer):
    assert str(day(given["date"]) + given["days"]) == answer["date"]


@pytest.mark.parametrize(("name", "given", "answer"), of_kind("next_anniversary"))
def test_the_next_anniversary(name, given, answer):
    assert str(next_yearly(days(given["event_date"]), day(given["today"]))[0]) == answer["date"]


@pytest.mark.parametrize(("name", "given", "answer"), of_kind("aep_date"))
def test_the_next_aep_mail(name, given, answer):
    (row,) = of_type(plan({"state": "TX"}, today=given["today"]), "aep")

    assert row["date"] == answer["date"]


@pytest.mark.parametrize(("name", "given", "answer"), of_kind("zip_to_state"))
def test_the_state_of_a_zip_code(name, given, answer):
    assert zip_codes.state_of(given["zip_code"]) == answer["state"]


@pytest.mark.parametrize(("name", "given", "answer"), [*of_kind("caps"), *of_kind("daily_cap")])
def test_the_caps_of_an_organisation(name, given, answer):
    caps = balance.caps_for(given["total_contacts"], daily_share=given.get("percentage", 0.07), ed_limit=15, ed_share=0.3)

    assert caps.daily == answer["daily_cap"]
    assert caps.effective_date == answer.get("ed_daily_soft_limit", caps.effective_date)


@pytest.mark.parametrize(("name", "given", "answer"), of_kind("window_extension_example"))
def test_sixty_days_before_the_first_of_march(name, given, answer):
    told = {"state": "NV", "birth_date": "1950-03-20"}
    common, leap = (
        next(one["start"] for one in asked(told, today=f"{year}-01-01")[0]["windows"] if one["anchor_year"] == year)
        for year in (2025, 2024)
    )

    assert f"--{common[5:]}" == answer["extended_start_common_year"]
    assert f"--{leap[5:]}" == answer["extended_start_leap_year"]


def jitter(ids, year, window):
    found = remainders(
        np.array(ids), np.full(len(ids), EFFECTIVE_DATE), days(*[f"{year}-06-01"] * len(ids)), names=TYPES.names, divisor=window
    )
    return found - window // 2


@pytest.mark.parametrize(("name", "given", "answer"), of_kind("jitter"))
def test_the_jitter_of_a_contact(name, given, answer):
    assert jitter([given["contact_id"]], given["event_year"], given["window_days"]).tolist() == [answer["offset_days"]]


@pytest.mark.parametrize(("name", "given", "answer"), of_kind("jitter_distribution"))
def test_the_jitter_of_many(name, given, answer):
    counts = Counter(jitter(range(1, 10_001), given["event_year"], given["window_days"]).tolist())

    assert counts == {int(offset): count for offset, count in answer["counts"].items()}


@pytest.mark.parametrize(("name", "given", "answer"), of_kind("jitter_range_example"))
def test_the_jitter_reaches_two_days_either_way(name, given, answer):
    offsets = set(jitter(range(1_000), 2025, given["window_days"]).tolist())

    assert str(day(given["date"]) + min(offsets)) == answer["first"]
    assert str(day(given["date"]) + max(offsets)) == answer["last"]


@pytest.mark.parametrize(("name", "given", "answer"), of_kind("redistribution_horizon"))
def test_how_many_mails_of_one_day_find_a_place(name, given, answer):
    total, mails = given["total_contacts"], given["aep_emails_on_one_day"]
    cap = balance.caps_for(total, daily_share=0.07, ed_limit=15, ed_share=0.3).daily
    every = rows(contact=np.arange(mails), place=np.arange(mails), kind=AEP, send_on=day("2025-09-15"), priority=7)
    counts = balance.tally(every, history(place=[])[:0])
    left = balance.left_over(every, balance.allowances(counts, cap=cap, threshold=1), counts[:0])

    room = balance.room(counts, no_campaigns(), cap=cap, horizon_days=given["horizon_days"])
    found = room.find(every[left], lambda at, new: np.ones(len(at), bool))

    assert mails - np.isnat(found).sum() == answer["placeable_at_most"]


def no_campaigns():
    return balance.CampaignDays([])


@pytest.mark.parametrize(("name", "given", "answer"), of_kind("frequency"))
def test_how_often_a_contact_is_written_to(name, given, answer):
    offsets = given["counted_history_offsets_days"]
    past = history(place=[0] * len(offsets), kind=AEP, send_on=day(given["candidate_date"]) + np.array(offsets), status=Status.SENT)
    told = given["candidates"]
    candidates = rows(
        kind=[TYPES.codes[one["type"]] for one in told], priority=[one["priority"] for one in told], send_on=day(given["candidate_date"])
    )

    found = frequency.limited(candidates, past, types=TYPES, limit=5, period_days=30)

    assert [STATUS_WORDS[status] for status in found["status"]] == answer["status"]


@pytest.mark.parametrize(("name", "given", "answer"), of_kind("followup_type"))
def test_the_type_of_a_follow_up(name, given, answer):
    yes = given.get("has_medical_conditions") or given.get("main_questions_yes_count", 0) > 0
    (kind,) = type_by_behaviour(
        clicked=np.array([given["clicked"]]), answered=np.array([given["answered"]]), conditions=np.array([yes])
    ).tolist()

    assert (TYPES.names[kind], RANKS[kind]) == (answer["email_type"], answer["type_rank"])
    assert kind in FOLLOW_UPS


@pytest.mark.parametrize(("name", "given", "answer"), of_kind("followup_date"))
def test_the_day_of_a_follow_up(name, given, answer):
    told = {"state": "TX", "history": [{"email_type": "aep", "date": given["parent_sent_on"], "status": "sent"}]}
    (row,) = of_type(plan(told, today=given["today"]), "followup_1_cold")

    assert row["date"] == answer["date"]
    assert str(due_days(days(given["parent_sent_on"]), day=day(given["today"]), days_after=2)[0]) == answer["date"]


@pytest.mark.parametrize(("name", "given", "answer"), of_kind("followup_schedule"))
def test_a_follow_up_respects_windows_whatever_its_parent_did(name, given, answer):
    kind = "blast_with_followups"
    parent = {"email_type": f"campaign_{kind}", "date": given["parent"]["sent"], "status": "sent"}
    (row,) = of_type(
        plan(
            given["contact"] | {"history": [parent]},
            today=given["today"],
            campaign_types={kind: {"respect_exclusion_windows": False}},
        ),
        "followup_1_cold",
    )

    assert answered(row, answer)


@pytest.mark.parametrize(("name", "given", "answer"), of_kind("contact_validation"))
def test_a_contact_is_valid_or_not(name, given, answer):
    (found,) = asked(given["contact"])

    assert ("invalid_contact" not in found["flags"]) == answer["valid"]
    assert bool(found["rows"]) == answer["valid"]


@pytest.mark.django_db
@pytest.mark.parametrize(("name", "given", "answer"), of_kind("run_id_on_every_row"))
def test_every_planned_mail_names_its_run(name, given, answer):
    make_contact(**given["contact"])

    run = runs.run(runs.Order(day=date.fromisoformat(TODAY), settings=settings(), versions={}, without_backup="A test"))

    named = set(EmailSchedule.objects.values_list("run", flat=True))
    assert (named == {run.pk}) == answer["all_rows_have_run_id"]
