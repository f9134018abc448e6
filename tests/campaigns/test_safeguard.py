"""No run changes a schedule without a verified backup of what it may change, unless somebody says why; then that stands on the run."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.apps import apps
from django.db import connection, transaction
from django.db.models.functions import Now

from campaigns import runs, safeguard
from campaigns.models import EmailSchedule, RunStatus, SchedulerRun, Step
from messaging import backup, restoring
from messaging.backup import BackupFailed
from messaging.models import BackupHistory, Level, SystemEvent
from tests.campaigns.rows import make_contact
from tests.campaigns.test_runs import order

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def asked(tmp_path):
    make_contact(birth_date="1956-07-01")
    return replace(order(), backup_to=tmp_path / "backups", without_backup="")


@pytest.fixture
def full_disk(monkeypatch):
    def refuse(**told):
        raise BackupFailed("No backup was made: No space left on device")

    monkeypatch.setattr(backup, "make", refuse)


def test_a_run_has_its_own_backup_before_it_writes_anything(asked):
    waiting = runs.start(asked)
    assert waiting.step == Step.BACKUP
    runs.once(waiting.pk, write=True)
    assert not EmailSchedule.objects.exists()

    runs.work(waiting.pk)

    run = SchedulerRun.objects.get(pk=waiting.pk)
    assert (run.status, run.without_backup) == (RunStatus.COMPLETED, "")
    assert (run.backup.purpose, run.backup.status) == (f"run {run.pk}", "verified")
    assert run.backup.verified_at < run.chunks.get().done_at
    assert safeguard.seconds(run) == run.backup.seconds > 0
    assert restoring.drill(asked.backup_to / run.backup.path)["tables"] == len(safeguard.MAY_CHANGE)


def test_it_holds_every_table_of_schedules_and_runs():
    ours = {model._meta.db_table for model in apps.get_app_config("campaigns").get_models()}
    given = {"contact", "campaigntype", "campaigninstance", "contactcampaign", "engagementevent"}  # what a run is given, and never changes
    files = {"importjob", "importpiece", "importrefusal"}
    assert ours - {f"campaigns_{name}" for name in given | files} == set(safeguard.MAY_CHANGE)


def test_every_run_over_everybody_has_a_backup_of_its_own(asked):
    first, second = runs.run(asked), runs.run(asked)

    assert first.backup_id != second.backup_id


def test_runs_over_a_few_begin_from_the_newest_there_is(asked):
    first = runs.run(asked)
    few = replace(asked, contact_ids=[make_contact().pk])

    assert runs.run(few).backup_id == first.backup_id
    assert safeguard.seconds(runs.run(few)) == 0
    BackupHistory.objects.update(verified_at=Now() - timedelta(hours=27))
    assert runs.run(few).backup_id not in (None, first.backup_id)


def test_a_backup_that_fails_stops_the_run_before_it_began_and_it_can_be_resumed(asked, full_disk, monkeypatch):
    with pytest.raises(runs.RunFailed, match="No space left on device"):
        runs.run(asked)

    run = SchedulerRun.objects.get()
    assert (run.status, run.step) == (RunStatus.FAILED, Step.BACKUP)
    assert "Nothing was planned or changed." in run.error
    assert not EmailSchedule.objects.exists()
    assert SystemEvent.objects.filter(level=Level.ALARM, text__contains="No space left on device").exists()

    monkeypatch.undo()
    runs.work(runs.resume(run.pk).pk)
    assert SchedulerRun.objects.get().backup is not None


def test_a_folder_that_cannot_be_made_is_told_in_a_sentence(asked, tmp_path):
    (tmp_path / "file").touch()

    with pytest.raises(runs.RunFailed, match=r"No backup was made: .*Not a directory"):
        runs.run(replace(asked, backup_to=tmp_path / "file" / "backups"))


def test_a_run_that_could_have_no_backup_goes_on_without_if_somebody_says_why(asked, full_disk):
    with pytest.raises(runs.RunFailed):
        runs.run(asked)
    run = SchedulerRun.objects.get()

    assert safeguard.waive(run.pk, reason="The disk is being changed.")
    runs.work(runs.resume(run.pk).pk)

    run.refresh_from_db()
    assert (run.status, run.backup, run.without_backup) == (RunStatus.COMPLETED, None, "The disk is being changed.")
    assert SystemEvent.objects.filter(text=f"Run {run.pk} goes on without a backup: The disk is being changed.").exists()
    assert not safeguard.waive(run.pk, reason="Once more")


def test_a_run_without_a_backup_and_a_reason_is_not_even_asked_for():
    with pytest.raises(ValueError, match="begins from a backup"):
        replace(order(), without_backup="")
    assert replace(order(), write=False, without_backup="")


def test_what_would_change_is_told_without_a_backup(asked):
    runs.run(replace(asked, write=False))

    assert not BackupHistory.objects.exists()


def test_while_another_backup_is_made_the_run_waits_for_it(asked, monkeypatch):
    monkeypatch.setattr(safeguard, "WAIT_SECONDS", 0)
    run = runs.start(asked)
    with backup._snapshot():
        runs.once(run.pk, write=True)
        assert SchedulerRun.objects.get().step == Step.BACKUP

    runs.work(run.pk)
    assert SchedulerRun.objects.get().status == RunStatus.COMPLETED


def test_a_long_backup_is_a_sign_of_life(asked, monkeypatch):
    run = runs.start(asked)
    long_ago = Now() - timedelta(minutes=20)
    SchedulerRun.objects.update(heartbeat_at=long_ago)

    def slowly(*, beat, **told):
        with transaction.atomic():
            runs.give_up_silent()
        raise BackupFailed("It is enough to see that nobody gave it up")

    monkeypatch.setattr(backup, "make", slowly)
    runs.once(run.pk, write=True)

    assert "It is enough to see" in SchedulerRun.objects.get().error
    with connection.cursor() as cursor:
        cursor.execute("SELECT heartbeat_at > now() - interval '1 min' FROM campaigns_schedulerrun")
        assert cursor.fetchone() == (True,)
