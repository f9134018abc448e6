"""Every person has one summary per day of their own, whenever and however often the runs come by."""

import logging
from datetime import UTC, date, datetime, time, timedelta

import pytest
from django.db import IntegrityError, OperationalError, connection, transaction

from messaging.decisions import decide
from messaging.models import Message, SystemEvent, Verdict
from portal.models import SummaryTick
from portal.summaries import contents, daily, watch
from portal.summaries.models import DailySummary, SummaryPreference
from tests.factories import make_preference
from tests.portal.summaries.runs import desk, end, only, run, terms

pytestmark = pytest.mark.django_db
NINE = datetime(2026, 3, 4, 15, 0, tzinfo=UTC)  # in Chicago
DAY = date(2026, 3, 4)
NOTHING = {"due": 0, "queued": 0, "already": 0, "failed": 0}
QUEUED = {"due": 1, "queued": 1, "already": 0, "failed": 0}
ALREADY = {"due": 1, "queued": 0, "already": 1, "failed": 0}
FAILED = {"due": 1, "queued": 0, "already": 0, "failed": 1}
A_MINUTE = timedelta(minutes=1)


def test_before_the_time_nothing_at_the_time_one_and_afterwards_no_other():
    make_preference()

    assert run(NINE - A_MINUTE) == NOTHING
    assert run(NINE) == QUEUED
    assert run(NINE + A_MINUTE) == ALREADY
    assert (only().day, only().status, only().job_id) == (DAY, "scheduled", Message.objects.get().pk)


def test_after_hours_without_a_run_it_is_caught_up_until_the_persons_day_ends():
    make_preference()

    assert run(datetime(2026, 3, 5, 5, 59, tzinfo=UTC)) == QUEUED
    assert only().day == DAY


def test_the_next_day_it_is_not_caught_up_any_more():
    make_preference()

    assert run(datetime(2026, 3, 5, 6, 0, tzinfo=UTC)) == NOTHING


def test_a_time_just_before_midnight_has_a_quarter_of_an_hour_for_a_run_to_come_by():
    make_preference(summary_time_local=time(23, 58))

    assert run(datetime(2026, 3, 5, 6, 10, tzinfo=UTC)) == QUEUED
    assert only().day == DAY
    assert run(datetime(2026, 3, 5, 6, 13, tzinfo=UTC)) == NOTHING


@pytest.mark.parametrize("facts", [{"enable_daily_summary": False}, {"user__is_active": False}, {"user__is_staff": False}])
def test_whoever_does_not_want_one_or_may_not_log_in_gets_none(facts):
    preference = make_preference()
    for name, value in facts.items():
        setattr(preference.user if name.startswith("user__") else preference, name.removeprefix("user__"), value)
    preference.user.save()
    preference.save()

    assert run(NINE) == NOTHING


def test_it_is_completed_when_its_mail_is_sent_and_not_before():
    make_preference()
    run(NINE)
    run(NINE + A_MINUTE)
    assert only().status == "scheduled"

    end(only().message, "sent")
    run(NINE + 2 * A_MINUTE)

    assert (only().status, only().completed_at) == ("completed", only().message.sent_at)
    assert run(NINE + 3 * A_MINUTE) == ALREADY


def test_a_refused_mail_is_tried_three_times_with_growing_waits_then_it_has_failed():
    make_preference()
    run(NINE)
    at, waits = NINE, []
    for _ in range(2):
        end(only().message, "failed")
        assert run(at) == FAILED
        waits.append(only().retry_at - at)
        assert run(only().retry_at - A_MINUTE) == FAILED
        at = only().retry_at
        assert run(at) == QUEUED
        assert only().status == "scheduled"
    end(only().message, "failed")
    run(at)

    assert waits == [timedelta(minutes=5), timedelta(minutes=20)]
    assert (only().status, only().tries, only().retry_at, only().error) == ("failed", 3, None, "450 later")
    assert run(at + timedelta(hours=2)) == FAILED
    assert Message.objects.get().round == 3


def test_a_final_refusal_is_not_tried_again_by_itself():
    make_preference()
    run(NINE)
    end(only().message, "failed", code=550, error="550 no such mailbox")

    run(NINE)

    assert (only().tries, only().retry_at, only().error) == (1, None, "550 no such mailbox")


def test_no_wait_reaches_beyond_the_persons_day():
    make_preference(summary_time_local=time(23, 50))
    late = datetime(2026, 3, 5, 5, 58, tzinfo=UTC)
    run(late)
    end(only().message, "failed")

    run(late + 4 * A_MINUTE)

    assert (only().status, only().retry_at) == ("failed", None)


def test_a_person_has_a_failed_one_sent_and_its_tries_begin_anew(admin_user):
    make_preference()
    run(NINE)
    end(only().message, "failed", code=550)
    run(NINE)

    outcome = daily.try_again(only().pk, sender=terms().sender, desk=desk(), now=NINE, by=admin_user, reason="It works again.")

    assert outcome == "queued"
    assert (only().status, only().tries, only().error, only().message.status) == ("scheduled", 0, "", "queued")
    assert daily.try_again(only().pk, sender=terms().sender, desk=desk(), now=NINE, by=admin_user, reason="Again.") == "already"
    assert Message.objects.count() == 1


def test_one_whose_mail_was_given_up_has_another_mail_when_a_person_says_so(admin_user):
    make_preference()
    run(NINE)
    first = only().message
    end(first, "cancelled")
    assert run(NINE) == FAILED
    assert (only().error, only().retry_at) == ("Its address is suppressed", None)

    daily.try_again(only().pk, sender=terms().sender, desk=desk(), now=NINE, by=admin_user, reason="Allowed again.")

    assert only().status == "scheduled"
    assert only().message.key == f"{first.key}:{first.pk}"


def test_a_mail_that_somebody_has_sent_from_the_messages_desk_completes_it(admin_user):
    make_preference()
    run(NINE)
    end(only().message, "failed", code=550)
    run(NINE)
    decide(Message.objects.all(), verdict=Verdict.TRY_AGAIN_NOW, reason="The mailbox is there.", by=admin_user)
    end(only().message, "sent")

    run(NINE + A_MINUTE)

    assert only().status == "completed"


def test_a_summary_that_cannot_be_written_fails_is_tried_again_and_holds_up_nobody_else(monkeypatch):
    make_preference(summary_time_local=time(8))
    broken = make_preference()
    honest = contents.contents

    def breaks(summary, **told):
        if summary.user_id == broken.user_id:
            raise ZeroDivisionError("no mails at all")
        return honest(summary, **told)

    monkeypatch.setattr(contents, "contents", breaks)

    assert run(NINE) == {"due": 2, "queued": 1, "already": 0, "failed": 1}
    failed = DailySummary.objects.get(user=broken.user)
    assert (failed.status, failed.message) == ("failed", None)
    assert failed.error == "The portal could not write it: ZeroDivisionError: no mails at all"
    assert run(failed.retry_at)["failed"] == 1
    monkeypatch.setattr(contents, "contents", honest)
    assert run(NINE + timedelta(hours=1)) == {"due": 2, "queued": 1, "already": 1, "failed": 0}


def test_somebody_whose_zone_is_not_known_any_more_is_counted_and_holds_up_nobody_else():
    make_preference(zone="Atlantis/Capital")
    make_preference()

    assert run(NINE) == {"due": 2, "queued": 1, "already": 0, "failed": 1}


def test_force_is_before_the_time_and_beyond_the_tries_but_never_a_second_time():
    make_preference()

    assert run(NINE - timedelta(hours=3), force=True) == QUEUED
    assert run(NINE, force=True) == ALREADY
    end(only().message, "failed", code=550)
    assert run(NINE, force=True) == QUEUED
    end(only().message, "sent")
    assert run(NINE, force=True) == ALREADY
    assert run(NINE) == ALREADY


def test_one_person_alone_may_be_asked_about():
    make_preference()
    one = make_preference()

    assert run(NINE, user_id=one.user_id) == QUEUED
    assert only().user == one.user


def test_the_lines_of_the_log_keep_the_words_of_the_seed(caplog):
    make_preference()
    caplog.set_level(logging.INFO)

    run(NINE)

    lines = [line for line in caplog.messages if line.startswith(("[SCHEDULER]", "[TRACKING]"))]
    assert lines == [
        "[SCHEDULER] Starting daily summary scheduler...",
        "[SCHEDULER] Checking for users to send daily summaries (current UTC time: 15:00)",
        "[SCHEDULER] Checking 1 users with daily summary enabled",
        "[SCHEDULER] Loading today's scheduled summaries from persistent storage...",
        "[TRACKING] Loading today's scheduled summaries from database for 20260304",
        "[TRACKING] Loaded 0 today's scheduled summaries from DB",
        "[SCHEDULER] Loaded 0 summaries from database",
        f"[TRACKING] Marked summary scheduled for user {only().user_id} on 20260304 (job: {only().job_id})",
        "[SCHEDULER] Created 1 auto daily summary job(s) in this check",
    ]


def test_nobody_who_wants_one_is_said_too(caplog):
    caplog.set_level(logging.INFO)

    run(NINE)

    assert "[SCHEDULER] Checking 0 users with daily summary enabled" in caplog.messages


def test_while_the_database_is_away_nothing_is_raised_and_a_warning_says_so(monkeypatch, caplog, tmp_path):
    def away(*_, **__):
        raise OperationalError("the connection is closed")

    monkeypatch.setattr(daily, "settle", away)
    monkeypatch.setattr(connection, "close", lambda: None)

    tally = daily.send_due(terms(spool_dir=tmp_path), now=NINE).as_dict()

    assert tally["database"] == "away"
    assert [line.levelname for line in caplog.records if "nothing" in line.message or "Database" in line.message] == ["WARNING"]


def test_a_run_is_on_record_and_one_for_a_single_person_is_not():
    preference = make_preference()
    run(NINE, user_id=preference.user_id)
    assert not SummaryTick.objects.exists()

    run(NINE)

    assert SummaryTick.objects.values("checked", "due", "queued", "already", "failed").get() == {"checked": 1, **ALREADY}


def test_silence_raises_one_alarm_and_a_run_ends_it():
    make_preference()
    assert not watch.alarm()
    run(NINE)
    assert watch.silent_since() is None
    SummaryTick.objects.update(ran_at="2026-01-01T00:00Z")

    assert [watch.alarm(), watch.alarm()] == [True, False]
    assert SystemEvent.objects.alarms().get().component == "summaries"
    run(NINE)
    assert watch.silent_since() is None
    assert SummaryTick.objects.get().alarmed_at is None


def test_silence_is_no_matter_where_nobody_wants_a_summary():
    run(NINE)
    SummaryTick.objects.update(ran_at="2026-01-01T00:00Z")

    assert not watch.alarm()


def test_a_day_that_no_run_came_by_is_a_failure_that_can_be_sent_by_hand_and_an_alarm(admin_user):
    preference = make_preference(changed_at=NINE + A_MINUTE)

    run(NINE + timedelta(days=2))

    days = {row.day: row.status for row in DailySummary.objects.all()}
    assert days == {DAY + timedelta(days=1): "failed", DAY + timedelta(days=2): "scheduled"}
    missed = DailySummary.objects.get(status="failed")
    assert missed.error.startswith("No run came by between 2026-03-05 15:00 and 2026-03-06 06:00 UTC: it was not sent. Send it now")
    assert SystemEvent.objects.alarms().get().text == (
        f"1 daily summary was missed, because no run came by: {preference.user.username} on 2026-03-05."
    )
    assert daily.try_again(missed.pk, sender=terms().sender, desk=desk(), now=NINE, by=admin_user, reason="Still of use.") == "queued"
    run(NINE + timedelta(days=2))
    assert DailySummary.objects.count() == 2


def test_no_day_is_missed_from_before_somebody_wanted_a_summary():
    make_preference(changed_at=NINE + timedelta(days=1, hours=1))

    run(NINE + timedelta(days=2))

    assert only().status == "scheduled"


def test_rows_expire_after_thirty_days_and_their_days_are_never_opened_again():
    preference = make_preference()
    run(NINE)
    end(only().message, "sent")
    run(NINE)

    assert watch.expire(now=NINE + timedelta(days=30)) == 0
    assert watch.expire(now=NINE + timedelta(days=30, seconds=1)) == 1

    assert SummaryPreference.objects.get(pk=preference.pk).expired_through == DAY
    assert run(NINE) == NOTHING
    assert run(NINE + timedelta(days=1)) == QUEUED
    again = DailySummary(user=preference.user, day=DAY, zone="UTC", due_at=NINE, open_until=NINE + A_MINUTE, status="failed")
    again.failed_at, again.error = NINE, "why"
    with pytest.raises(IntegrityError, match="have expired through 2026-03-04"), transaction.atomic():
        again.save()


def test_an_earlier_expiry_does_not_take_back_a_later_one():
    preference = make_preference(expired_through=DAY + timedelta(days=5))
    DailySummary.objects.bulk_create([])
    run(NINE + timedelta(days=6))
    DailySummary.objects.update(created_at=NINE)  # nobody touches the days

    watch.expire(now=NINE + timedelta(days=40))

    assert SummaryPreference.objects.get(pk=preference.pk).expired_through == DAY + timedelta(days=6)


def test_a_moved_time_or_zone_gives_nobody_a_second_one_of_that_day():
    preference = make_preference()
    run(NINE)

    for zone in ("Asia/Tokyo", "Pacific/Honolulu", "Europe/Berlin"):
        SummaryPreference.objects.filter(pk=preference.pk).update(zone=zone, summary_time_local=time(0, 1))
        run(NINE + A_MINUTE)

    days = list(DailySummary.objects.values_list("day", flat=True))
    assert len(days) == len(set(days))
    assert DailySummary.objects.filter(day=DAY).count() == 1
