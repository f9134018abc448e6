"""The command: who it is asked about, what it prints, how it ends."""

import json
from datetime import UTC, datetime

import pytest
from django.contrib.auth.models import User

from messaging.models import Message
from portal import tasks
from portal.summaries import daily
from portal.summaries.models import DailySummary
from tests.factories import make_preference
from tests.portal.summaries.runs import end, only
from tests.portal.test_commands import run

pytestmark = pytest.mark.django_db
NINE = "2026-03-04T09:00"


@pytest.fixture(autouse=True)
def office(settings, tmp_path):
    settings.MAIL_MODE, settings.TEST_RECIPIENT, settings.TIME_ZONE = "test", "inbox@portal.example", "America/Chicago"
    settings.SPOOL_DIR = tmp_path / "spool"


def test_it_says_how_many_were_due_and_what_became_of_them():
    make_preference()

    assert run("send_daily_summaries", f"--now={NINE}") == (0, "1 due: 1 queued, 0 had theirs already, 0 failed. 1 people want one.\n", "")
    code, out, _ = run("send_daily_summaries", "--now=2026-03-04T15:01Z", "--json")
    assert (code, json.loads(out)) == (0, {"checked": 1, "due": 1, "queued": 0, "already": 1, "failed": 0})
    assert only().message.recipient == "inbox@portal.example"


@pytest.mark.parametrize("name", ["{0.username}", "{0.email}", "{0.pk}"])
def test_a_person_is_named_by_name_address_or_number(name):
    one, _ = make_preference().user, make_preference()

    code, out, _ = run("send_daily_summaries", f"--now={NINE}", "--json", f"--user={name.format(one)}")

    assert (code, json.loads(out)["queued"]) == (0, 1)
    assert only().user == one


def test_force_is_before_the_time():
    make_preference()

    assert run("send_daily_summaries", "--now=2026-03-04T05:00", "--json")[1].count('"queued": 0') == 1
    assert run("send_daily_summaries", "--now=2026-03-04T05:00", "--json", "--force")[1].count('"queued": 1') == 1


def test_a_failed_one_needs_attention():
    make_preference()
    run("send_daily_summaries", f"--now={NINE}")
    end(only().message, "failed", code=550)

    code, out, _ = run("send_daily_summaries", f"--now={NINE}")

    assert (code, out.startswith("1 due: 0 queued, 0 had theirs already, 1 failed.")) == (3, True)


@pytest.mark.parametrize(
    ("told", "said"),
    [
        (["--user=nobody"], "Nobody is called 'nobody'"),
        (["--user=idle"], "idle gets no daily summary: switch it on first"),
        (["--now=tomorrow"], "must be a date and time such as"),
        (["--now=2026-13-01T09:00"], "must be a date and time such as"),
        (["--now=0001-01-01T00:00:00Z"], "must be a date and time such as"),
        (["--now=9999-12-31T23:59:59Z"], "must be a date and time such as"),
        (["--user=\udcff"], "user is not UTF-8: '\\udcff'."),
        (["--now="], "must be a date and time such as"),
    ],
)
def test_wrong_words_change_nothing(capsys, told, said):
    make_preference()
    User.objects.create_user("idle", is_staff=True)

    code, _, err = run("send_daily_summaries", *told)

    assert code == 2
    assert said in err + capsys.readouterr().err
    assert not DailySummary.objects.exists()


def test_while_the_database_is_away_it_says_what_will_happen(monkeypatch):
    make_preference()
    monkeypatch.setattr(daily, "send_due", lambda *_, **__: daily.Tally(is_away=True))

    code, out, err = run("send_daily_summaries")

    assert (code, out) == (1, "")
    assert "each goes out once, after recovery" in err


def test_the_task_goes_by_the_clock_of_the_database_and_rings_for_what_it_queued(django_capture_on_commit_callbacks):
    make_preference(summary_time_local="00:00", zone="UTC", changed_at=datetime(2026, 1, 1, tzinfo=UTC))

    with django_capture_on_commit_callbacks() as rung:
        assert tasks.send_daily_summaries()["queued"] == 1

    assert len(rung) == 1
    assert Message.objects.get().key.startswith("test:summary:")
