"""hand_over_due and schedule_followups: the keys and the exit codes that cron reads; and when the background work begins."""

import json
from datetime import UTC, datetime

import pytest
from django.core.management import CommandError, call_command

from campaigns.hand_over import NoPostalAddress
from campaigns.models import EmailSchedule
from messaging.models import ErrorGroup, Message
from portal import tasks
from tests.campaigns.mails import DAY, make_contact, make_template, plan, sent

pytestmark = pytest.mark.django_db


def asked(capsys, *command: str) -> tuple[int, dict, str]:
    code = 0
    try:
        call_command(*command, "--json")
    except SystemExit as ended:
        code = ended.code
    told = capsys.readouterr()
    return code, json.loads(told.out), told.err


@pytest.fixture(autouse=True)
def own_places(settings, tmp_path):
    settings.SPOOL_DIR = tmp_path


def test_hand_over_due_tells_what_it_did_and_what_a_person_must_do(capsys):
    make_template("birthday")
    [plan(make_contact()) for _ in range(15)]
    plan(email_type="aep", event_on="2026-09-15")

    code, facts, said = asked(capsys, "hand_over_due", "--today", str(DAY), "--limit", "1")

    assert (code, facts["handed_over"], facts["already_running"]) == (3, 1, False)
    assert "there is no template aep" in said
    assert Message.objects.get().key.startswith("test:birthday:")


def test_hand_over_due_with_nothing_to_do_is_done(capsys):
    assert asked(capsys, "hand_over_due")[:2] == (
        0,
        {"handed_over": 0, "stopped_by": {}, "attention": {}, "already_running": False, "unfinished": False},
    )


def test_without_a_postal_address_it_fails_and_names_the_setting(settings):
    settings.OFFICE_ADDRESS = ""
    plan()

    with pytest.raises(CommandError, match="OFFICE_ADDRESS"):
        call_command("hand_over_due", "--today", str(DAY))


def test_the_background_work_counts_it_as_an_error_that_a_person_must_put_right(settings):
    settings.OFFICE_ADDRESS = ""
    plan()

    with pytest.raises(NoPostalAddress):
        tasks.hand_over_due(day=str(DAY), early=True)

    assert "OFFICE_ADDRESS" in ErrorGroup.objects.get().sample


@pytest.mark.parametrize("more", [[], ["--no-backup=the disk is full"]])
def test_a_run_that_there_is_not_cannot_be_resumed(more):
    with pytest.raises(CommandError, match="There is no run 4711") as refusal:
        call_command("run_scheduler", "--resume=4711", *more)

    assert refusal.value.returncode == 2


@pytest.mark.parametrize("command", ["hand_over_due", "schedule_followups", "run_scheduler"])
@pytest.mark.parametrize("day", ["2026-02-30", "soon", "", "0001-01-01", "9999-12-31"])
def test_a_day_that_is_none_is_wrong_usage(command, day):
    with pytest.raises(CommandError, match="day"):
        call_command(command, f"--today={day}")


def test_schedule_followups_tells_its_four_numbers(capsys):
    make_template("birthday")
    mails = [plan(make_contact()) for _ in range(15)]
    asked(capsys, "hand_over_due", "--today", str(DAY))
    handed = EmailSchedule.objects.handed_over().first()
    sent(handed)

    code, facts, _ = asked(capsys, "schedule_followups", "--today", str(DAY), "--lookback", "3")

    assert (code, facts) == (0, {"parents": 1, "scheduled": 1, "skipped": 0, "changed": 0})
    assert len(mails) == 15


TIMES = [
    (datetime(2026, 3, 2, 14, 10, tzinfo=UTC), 0),
    (datetime(2026, 3, 2, 14, 16, tzinfo=UTC), 1),
    (datetime(2026, 3, 2, 22, tzinfo=UTC), 1),
]


@pytest.mark.parametrize(("now", "expected"), TIMES)
def test_the_background_work_begins_a_quarter_of_an_hour_before_the_time_of_sending(monkeypatch, now, expected):
    monkeypatch.setattr("django.utils.timezone.now", lambda: now)
    make_template("birthday")
    plan()
    [make_contact() for _ in range(15)]

    assert tasks.hand_over_due()["handed_over"] == expected
