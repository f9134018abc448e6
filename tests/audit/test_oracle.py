"""The oracle against the vectors of seed 4 that concern it: an auditor has to be audited too."""

from datetime import date
from typing import Any

import pytest

from tests.audit.oracle import CAMPAIGNS, Row, aep_day, campaign_mail, conflicts, expected, own_mails
from tests.audit.oracle import Numbers as N
from tests.audit.windows import ONE_DAY, RULES, anniversary, excluded, read_date, window, windows
from tests.vectors import of_kind


def plan(told: dict[str, Any], **more: Any) -> list[Row]:
    return expected({"id": 1, **told["contact"], **more}, day=date.fromisoformat(told["today"]))


def row_of(told: dict[str, Any], email_type: str) -> Row:
    return next(row for row in plan(told) if row.email_type == email_type)


def told_as(row: Row, wanted: dict[str, Any]) -> dict[str, Any]:
    """The row in the words of a vector, and only in those that the vector uses."""
    words = {
        "email_type": row.email_type,
        "date": str(row.date),
        "event_date": str(row.event_date),
        "status": row.status,
        "skip_reason_kind": row.reason,
        "skipped_emails": sorted(row.skipped_emails),
    }
    return {name: value for name, value in words.items() if name in wanted}


def comparable(wanted: dict[str, Any]) -> dict[str, Any]:
    known = {"email_type", "date", "event_date", "status", "skip_reason_kind"}
    lists = {"skipped_emails": sorted(wanted["skipped_emails"])} if "skipped_emails" in wanted else {}
    return {name: value for name, value in wanted.items() if name in known} | lists


@pytest.mark.parametrize(("name", "told", "wanted"), of_kind("contact_plan"))
def test_it_plans_every_mail_as_the_vectors_do(name: str, told: dict[str, Any], wanted: dict[str, Any]) -> None:
    rows = [one for one in wanted["rows"] if one["status"] != "not_created"]
    assert [told_as(row, one) for row, one in zip(plan(told), rows, strict=True)] == [comparable(one) for one in rows]


@pytest.mark.parametrize(("name", "told", "wanted"), of_kind("schedule_one"))
def test_it_plans_one_mail_as_the_vectors_do(name: str, told: dict[str, Any], wanted: dict[str, Any]) -> None:
    assert told_as(row_of(told, told["email_type"]), wanted) == comparable(wanted)


@pytest.mark.parametrize(("name", "told", "wanted"), of_kind("post_window_survives_rerun"))
def test_a_post_window_mail_survives_reruns(name: str, told: dict[str, Any], wanted: dict[str, Any]) -> None:
    assert [str(row.date) for row in plan(told) if row.email_type == "post_window"] == wanted["post_window_dates"]


@pytest.mark.parametrize(("name", "told", "wanted"), of_kind("exclusion_check"))
def test_it_excludes_the_days_that_the_vectors_exclude(name: str, told: dict[str, Any], wanted: dict[str, Any]) -> None:
    day = date.fromisoformat(told["date"])
    assert (excluded(told["contact"], day, lead=told.get("pre_window_days", 60)) is not None) is wanted["excluded"]
    if (longest := wanted.get("excluded_with_default_60_day_extension")) is not None:
        assert (excluded(told["contact"], day) is not None) is longest


@pytest.mark.parametrize(("name", "told", "wanted"), of_kind("window"))
def test_its_windows_are_those_of_the_vectors(name: str, told: dict[str, Any], wanted: dict[str, Any]) -> None:
    found = windows(told["contact"], about=date(told["anchor_year"] + 1, 1, 1), lead=told["pre_window_days"])[0]
    assert (str(found.start), str(found.end)) == (wanted["extended_start"], wanted["end"])
    assert wanted.get("post_window_date") in (None, str(found.end + ONE_DAY))


@pytest.mark.parametrize(("name", "told", "wanted"), of_kind("post_window"))
def test_a_post_window_mail_follows_the_window_of_the_mail_kept_back(name: str, told: dict[str, Any], wanted: dict[str, Any]) -> None:
    kept_back = date.fromisoformat(told["skipped_send_date"])
    assert date.fromisoformat(wanted["date"]) in [row.date for row in plan(told) if row.email_type == "post_window"]
    assert str(excluded(told["contact"], kept_back).window.end + ONE_DAY) == wanted["date"]


@pytest.mark.parametrize(("name", "told", "wanted"), of_kind("campaign_schedule"))
def test_it_plans_campaigns_as_the_vectors_do(name: str, told: dict[str, Any], wanted: dict[str, Any]) -> None:
    target = {"campaign_type": told["campaign_type"], "instance": 1, "trigger_date": told["trigger_date"]}
    row = next(row for row in plan(told, targets=[target]) if row.instance == 1)
    assert told_as(row, wanted) == comparable(wanted)


@pytest.mark.parametrize(("name", "told", "wanted"), of_kind("campaign_date"))
def test_a_campaign_comes_before_its_trigger(name: str, told: dict[str, Any], wanted: dict[str, Any]) -> None:
    target = {"campaign_type": told["campaign_type"], "instance": 1, "trigger_date": told["trigger_date"]}
    row = campaign_mail(target, CAMPAIGNS[told["campaign_type"]], {"id": 1}, day=date(2025, 1, 1), numbers=N())
    assert str(row.date) == wanted["date"]


@pytest.mark.parametrize(("name", "told", "wanted"), of_kind("campaign_conflict"))
def test_the_best_campaign_has_the_day(name: str, told: dict[str, Any], wanted: dict[str, Any]) -> None:
    day = date.fromisoformat(told["date"])
    rows = [
        Row(one["email_type"], day, day, "skipped" if one.get("excluded") else "pre-scheduled", None, one["instance_id"])
        for one in told["candidates"]
    ]
    settled = conflicts(rows)
    assert [row.instance for row in settled if row.status == "pre-scheduled"] == [wanted["winner_instance_id"]]


@pytest.mark.parametrize(("name", "told", "wanted"), of_kind("next_anniversary"))
def test_the_next_anniversary_may_be_today(name: str, told: dict[str, Any], wanted: dict[str, Any]) -> None:
    day, about = date.fromisoformat(told["today"]), date.fromisoformat(told["event_date"])
    assert str(next(one for one in (anniversary(about, day.year), anniversary(about, day.year + 1)) if one >= day)) == wanted["date"]


@pytest.mark.parametrize(("name", "told", "wanted"), of_kind("aep_date"))
def test_the_aep_mail_has_its_day(name: str, told: dict[str, Any], wanted: dict[str, Any]) -> None:
    day = date.fromisoformat(told["today"])
    assert [str(row.date) for row in own_mails({"id": 1}, day=day, numbers=N()) if row.email_type == "aep"] == [wanted["date"]]


@pytest.mark.parametrize(("name", "told", "wanted"), of_kind("contact_sendable"))
def test_it_knows_who_may_be_written_to(name: str, told: dict[str, Any], wanted: dict[str, Any]) -> None:
    going = [row for row in plan(told) if row.status == "pre-scheduled"]
    assert len(going) >= wanted.get("pre_scheduled_at_least", 0)
    assert len(going) == 0 or "pre_scheduled_at_least" in wanted


@pytest.mark.parametrize(("name", "told", "wanted"), of_kind("post_window_none"))
def test_no_window_no_post_window_mail(name: str, told: dict[str, Any], wanted: dict[str, Any]) -> None:
    assert [row for row in plan({**told, "today": "2025-06-01"}) if row.email_type == "post_window"] == []


def test_three_mails_kept_back_by_one_window_make_one_post_window_mail() -> None:
    ((_, told, wanted),) = of_kind("post_window_dedupe")
    assert [str(row.date) for row in plan(told) if row.email_type == "post_window"] == [wanted["date"]]


def test_its_rules_are_the_table_of_the_domain() -> None:
    (table,) = [wanted for name, _, wanted in of_kind("rule_table") if name == "TAB-002"]
    for state, rule in table.items():
        anchor, before, after = RULES[state]
        assert (rule == "year_round") is (anchor == "always")
        assert rule == "year_round" or [part for part in rule if isinstance(part, int)] == [before, after]
    assert RULES.keys() == table.keys()


def test_no_day_after_a_window_is_excluded() -> None:
    for state, (anchor, before, after) in RULES.items():
        for number in range(366 if anchor not in ("always",) else 0):
            about = date(1960, 1, 1) + number * ONE_DAY
            contact = {"state": state, "birth_date": str(about), "effective_date": str(about)}
            for year in (2024, 2025, 2028):
                turning = about.replace(day=1) if anchor == "birth_month" else about
                assert excluded(contact, window(turning, year, before + 60, after).end + ONE_DAY) is None


def test_what_is_no_date_is_absent() -> None:
    assert [read_date(told) for told in (None, "", "2019-02-29", "unknown", 7)] == [None] * 5
    assert aep_day(2028) == date(2028, 9, 15)
