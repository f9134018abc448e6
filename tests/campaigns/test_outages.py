"""What a run's worker does about a database that is away, and about one that answers and takes nothing."""

import psycopg.errors
import pytest
from django.db import OperationalError

from campaigns import outages, runs
from campaigns.models import RunStatus, SchedulerRun
from campaigns.settings import SchedulerSettings
from messaging.models import SystemEvent
from tests.campaigns.rows import DAY, make_contact

pytestmark = pytest.mark.django_db(transaction=True)


def trouble(cause: Exception | None = None) -> OperationalError:
    raised = OperationalError("could not extend file: No space left on device")
    raised.__cause__ = cause
    return raised


FULL, AWAY = psycopg.errors.DiskFull(), psycopg.OperationalError()
CASES = [  # what befell the tries one after the other, alarms
    ([FULL, FULL, FULL, FULL], 1),
    ([FULL], 0),
    ([FULL, None, FULL], 0),
    ([AWAY, AWAY, AWAY], 0),
    ([psycopg.errors.DeadlockDetected()] * 3, 0),
    ([psycopg.errors.AdminShutdown(), psycopg.errors.CannotConnectNow(), AWAY], 0),
    ([FULL, FULL, psycopg.errors.IoError(), psycopg.errors.IoError()], 2),
    ([FULL, FULL, None, FULL, FULL], 1),
]


@pytest.fixture(autouse=True)
def nobody_waits(monkeypatch):
    monkeypatch.setattr(outages, "PAUSE_SECONDS", 0)


@pytest.mark.parametrize(("tries", "alarms"), CASES)
def test_what_an_answering_database_refuses_twice_in_a_row_is_an_alarm_once(tries, alarms):
    outage = outages.Outage(7)
    for cause in tries:
        outage.wait(trouble(cause)) if cause else outage.end()

    told = SystemEvent.objects.alarms().filter(component="scheduler")
    assert told.count() == alarms
    assert all(one.text.startswith("Run 7 waits: the database does not take what it writes (could not") for one in told)


def test_a_run_that_a_full_disk_holds_up_goes_on_by_itself(monkeypatch):
    make_contact(birth_date=DAY)
    run = runs.start(runs.Order(day=DAY, settings=SchedulerSettings(), versions={}, without_backup="A test"))
    once, left = runs.once, [FULL] * 3

    def full_at_first(*args, **told):
        if left:
            raise trouble(left.pop())
        return once(*args, **told)

    monkeypatch.setattr(runs, "once", full_at_first)
    runs.work(run.pk)

    run.refresh_from_db()
    assert (run.status, SystemEvent.objects.alarms().count()) == (RunStatus.COMPLETED, 1)


def test_settings_that_cannot_be_read_any_more_fail_the_run_at_once_and_say_so():
    make_contact()
    run = runs.start(runs.Order(day=DAY, settings=SchedulerSettings(), versions={}, without_backup="A test"))
    SchedulerRun.objects.filter(pk=run.pk).update(settings={"nonsense": 1})

    with pytest.raises(runs.RunFailed, match="nonsense is no setting of the scheduler"):
        runs.work(run.pk)

    run.refresh_from_db()
    assert run.status == RunStatus.FAILED
    assert run.error.endswith("Start anew.")
