"""The agreed answers on daily summaries, by their ids. S2-021 as the project decided it: nothing is sent without its record."""

from datetime import UTC, date, datetime, time, timedelta, timezone

import pytest
from django.db import OperationalError, connection

from messaging.models import Message
from portal.summaries import daily, tracking, watch
from portal.summaries.due import turn
from portal.summaries.local_time import day_range, moment
from portal.summaries.models import DailySummary
from tests.factories import make_preference
from tests.portal.summaries.runs import end, only, run, terms
from tests.vectors import expected, of_kind

pytestmark = pytest.mark.django_db
DAY = date(2025, 10, 21)
LONG_BEFORE = datetime(2025, 10, 20, 23, tzinfo=UTC)


def at(text: str) -> datetime:
    return datetime.combine(DAY, time.fromisoformat(text), UTC)


def wants(text: str):
    return make_preference(zone="UTC", summary_time_local=time.fromisoformat(text), changed_at=LONG_BEFORE)


@pytest.mark.parametrize(("name", "given", "answer"), of_kind("utc_time"))
def test_a_local_time_in_utc(name, given, answer):
    zone = timezone(timedelta(hours=given["timezone_offset_hours"]))

    assert f"{moment(DAY, time.fromisoformat(given['summary_time_local']), zone=zone):%H:%M}" == answer["utc"]


@pytest.mark.parametrize(("name", "given", "answer"), of_kind("source_window_match"))
def test_whatever_the_window_of_five_minutes_met_is_due(name, given, answer):
    wants(given["summary_time_utc"])

    assert (run(at(given["utc_now"]))["queued"] == 1) == answer["match"]


@pytest.mark.parametrize(("name", "given", "answer"), of_kind("summary_due"))
def test_whether_a_summary_is_due(name, given, answer):
    preference = wants(given["summary_time"])
    if given["record_today"]:
        run(at(given["summary_time"]))
    if given["record_today"] == "completed":
        end(only().message, "sent")
    for _ in range(3 if "exhausted" in given["case"] else 1 if given["record_today"] == "failed" else 0):
        end(only().message, "failed")
        run(at(given["summary_time"]))
        if "exhausted" in given["case"] and only().retry_at:
            run(only().retry_at)

    turns = run(at(given["now"]))

    assert (turns["queued"] == 1) == answer["create_job"], preference
    assert DailySummary.objects.count() == int(bool(given["record_today"]) or answer["create_job"])


@pytest.mark.parametrize(("name", "given", "answer"), [*of_kind("ttl"), *of_kind("ttl_example_in_seed")])
def test_when_a_record_expires(name, given, answer):
    assert DailySummary(created_at=datetime.fromisoformat(given["created_at"])).ttl == answer["ttl"]


@pytest.mark.parametrize(("name", "given", "answer"), of_kind("restart_no_duplicate"))
def test_a_restart_makes_no_second_one(name, given, answer):
    wants(given["summary_time"])
    run(at(given["summary_time"]))
    end(only().message, "sent")
    run(at(given["summary_time"]))
    assert [row.status for row in DailySummary.objects.all()] == [one["status"] for one in given["records_today"]]

    assert run(at(given["restart_at"]))["queued"] == answer["new_jobs"]


def test_s2_020_two_workers_make_one():
    """One after the other here; at the same moment, in two processes, in tests/faults."""
    preference = wants("17:00")
    one, answer = turn(preference, DAY), expected("S2-020")

    outcomes = [daily.schedule(one, sender=terms().sender, desk=terms().desk(), now=at("17:00")) for _ in range(2)]

    assert outcomes == ["queued", "already"]
    assert (Message.objects.count(), DailySummary.objects.count()) == (answer["jobs"], answer["tracking_rows"])
    assert only().date_key == "20251021"
    assert tracking.is_summary_scheduled_today(user_id=preference.user_id, day=DAY)


def test_s2_021_while_the_database_is_away_there_is_a_warning_no_mail_and_one_after_recovery(monkeypatch, caplog):
    answer = expected("S2-021")
    wants("17:00")
    with monkeypatch.context() as broken:
        broken.setattr(daily, "mark_summary_scheduled", lambda *_, **__: (_ for _ in ()).throw(OperationalError("gone")))
        broken.setattr(connection, "close", lambda: None)
        tally = daily.send_due(terms(), now=at("17:00"))

    assert tally.is_away
    assert any(line.levelname == "WARNING" for line in caplog.records) == answer["warning_logged"]
    assert Message.objects.exists() == answer["job_created"]
    assert run(at("17:05"))["queued"] == answer["jobs_after_recovery"]


@pytest.mark.parametrize(("name", "given", "answer"), of_kind("day_range"))
def test_a_day_in_utc(name, given, answer):
    zone = timezone(timedelta(hours=given["timezone_offset_hours"]))

    assert day_range(date.fromisoformat(given["date"]), zone=zone) == tuple(
        datetime.fromisoformat(answer[name]) for name in ("from_utc", "to_utc")
    )


@pytest.mark.parametrize(("name", "given", "answer"), of_kind("cleanup"))
def test_old_records_go(name, given, answer):
    wants("17:00")
    run(at("17:00"))
    end(only().message, "sent")
    run(at("17:00"))

    watch.expire(now=at("17:00") + timedelta(days=given["record_age_days"]))

    assert (not DailySummary.objects.exists()) == answer["deleted"]
