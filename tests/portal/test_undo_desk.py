"""A run is verified and undone on its page and by command: who and why, what would come back, go and stay; and nothing twice."""

import json
from datetime import date, timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from campaigns import runs, undoing
from campaigns.models import EmailSchedule, RunStatus, RunUndo, SchedulerRun, Status
from messaging.models import BackupHistory
from portal import planning, tasks, wiring
from portal.dashboard import needs
from tests.campaigns.rows import make_contact
from tests.factories import make_message
from tests.portal.desk_rows import staff, superuser
from tests.portal.test_admin_runs import RUNS, rung, shown

pytestmark = pytest.mark.django_db
WHY = "The wrong numbers were in force."


@pytest.fixture
def planned():
    soon = wiring.today() + timedelta(days=40)
    for state, zip_code in (("KS", "66842"), ("TX", "75001"), ("NY", "10001")):
        make_contact(state=state, zip_code=zip_code, birth_date=date(1956, soon.month, min(soon.day, 28)))
    return runs.run(planning.order())


def hand_one_over():
    mail = EmailSchedule.objects.planned().first()
    EmailSchedule.objects.filter(pk=mail.pk).update(status=Status.SCHEDULED, message=make_message(), updated_at=timezone.now())
    return mail


def said(capsys, *words, code=0):
    if code:
        with pytest.raises(SystemExit) as ended:
            call_command(*map(str, words))
        assert ended.value.code == code
    else:
        call_command(*map(str, words))
    return capsys.readouterr().out


def test_the_page_says_what_would_come_back_go_and_stay(planned):
    mail = hand_one_over()

    page = shown(superuser().get(f"{RUNS}{planned.pk}/act/undo/"))

    assert f"<dt>rows it added go</dt><dd>{planned.added - 1}</dd>" in page
    assert "<dt>rows stay as they are</dt><dd>1</dd>" in page
    assert f"/admin/campaigns/emailschedule/{mail.pk}/change/" in page
    assert SchedulerRun.objects.get().status == RunStatus.COMPLETED


def test_a_run_is_undone_in_the_background_once_and_its_page_tells_by_whom(planned, django_capture_on_commit_callbacks):
    boss, mail = superuser(), hand_one_over()
    refused = boss.post(f"{RUNS}{planned.pk}/act/undo/", {"confirmed": "yes", "reason": " "})
    assert "Give a reason" in shown(refused)

    with django_capture_on_commit_callbacks(execute=True):
        boss.post(f"{RUNS}{planned.pk}/act/undo/", {"confirmed": "yes", "reason": WHY})

    assert rung() == ["portal.tasks.join_run"]
    live = shown(boss.get(f"{RUNS}{planned.pk}/change/"))
    assert "What it changed is put back: chunk 0 of 1 done" in live
    assert tasks.join_run() == {"run_id": planned.pk, "status": "undone"}
    assert list(EmailSchedule.objects.values_list("pk", flat=True)) == [mail.pk]
    page = shown(boss.get(f"{RUNS}{planned.pk}/change/"))
    assert WHY in page
    assert "boss" in page
    assert f"/admin/campaigns/emailschedule/{mail.pk}/change/" in page
    assert f"{RUNS}{planned.pk}/act/undo/" not in page
    again = boss.post(f"{RUNS}{planned.pk}/act/undo/", {"confirmed": "yes", "reason": WHY}, follow=True)
    assert "It is undone already." in shown(again)
    assert RunUndo.objects.count() == 1


def test_whoever_may_only_look_undoes_nothing_and_may_verify(planned):
    clerk = staff("campaigns.view_schedulerrun", "campaigns.view_emailschedule")

    assert clerk.get(f"{RUNS}{planned.pk}/act/undo/").status_code == 403
    assert clerk.post(f"{RUNS}{planned.pk}/act/undo/", {"confirmed": "yes", "reason": WHY}).status_code == 403
    assert "The schedule is as the run left it." in shown(clerk.post(f"{RUNS}{planned.pk}/proof/"))
    assert staff(name="nobody").get(f"{RUNS}{planned.pk}/proof/").status_code == 403


def test_a_difference_is_shown_on_the_page_and_told_by_the_command(planned, capsys):
    EmailSchedule.objects.planned().order_by("pk")[:1].get().delete()

    page = shown(superuser().post(f"{RUNS}{planned.pk}/proof/"))
    told = json.loads(said(capsys, "verify_run", planned.pk, "--json", code=3))

    assert "1 difference." in page
    assert told["differences"][0]["says"] in page
    assert (told["verified"], told["checksums"]["after"]) == (False, planned.after_checksum)
    assert f"Run {planned.pk}: 1 difference.\nChunk 1 (contacts " in said(capsys, "verify_run", planned.pk, code=3)


def test_a_run_nobody_touched_is_verified_by_the_command(planned, capsys):
    told = json.loads(said(capsys, "verify_run", planned.pk, "--json"))

    assert (told["verified"], told["differences"], told["chunks"]) == (True, [], 1)
    assert told["checksums"]["now"] == told["checksums"]["after"] == planned.after_checksum


def test_the_command_tells_what_it_would_do_and_does_it(planned, capsys):
    mail = hand_one_over()
    would = json.loads(said(capsys, "undo_run", planned.pk, "--dry-run", "--json"))
    assert would["differences"] == {"put_back": 0, "taken_away": planned.added - 1, "left_alone": 1, "not_put_back": 0}
    assert EmailSchedule.objects.count() == planned.added

    did = json.loads(said(capsys, "undo_run", planned.pk, "--reason", WHY, "--json", code=3))

    assert did["differences"] == would["differences"]
    assert [(one["id"], one["why"]) for one in did["left_alone"]] == [(mail.pk, "handed over")]
    assert RunUndo.objects.get().reason == WHY
    again = json.loads(said(capsys, "undo_run", planned.pk, "--json"))
    assert (again["already_undone"], again["differences"]) == (True, did["differences"])


@pytest.mark.parametrize("command", ["undo_run", "verify_run"])
def test_a_run_that_does_not_exist_is_wrong_usage(command):
    with pytest.raises(CommandError, match="There is no run 99") as refusal:
        call_command(command, "99")
    assert refusal.value.returncode == 2


def test_a_run_that_cannot_be_undone_is_refused_in_a_sentence(planned):
    make_contact(birth_date=date(1950, 5, 5))
    later = runs.run(planning.order())

    with pytest.raises(CommandError, match=f"Run {later.pk} came after run {planned.pk}"):
        call_command("undo_run", str(planned.pk))
    assert f"{RUNS}{planned.pk}/act/undo/" not in shown(superuser().get(f"{RUNS}{planned.pk}/change/"))


def test_a_run_whose_backup_failed_can_be_resumed_without_one(planned, django_capture_on_commit_callbacks):
    boss = superuser()
    run = SchedulerRun.objects.create(day=wiring.today(), step="backup", backup_to="/nowhere")
    assert f"{RUNS}{planned.pk}/act/resume_without_backup/" not in shown(boss.get(f"{RUNS}{planned.pk}/change/"))
    runs.fail(run.pk, "No backup was made: the disk is full.")
    assert f"{RUNS}{run.pk}/act/resume_without_backup/" in shown(boss.get(f"{RUNS}{run.pk}/change/"))

    with django_capture_on_commit_callbacks(execute=True):
        boss.post(f"{RUNS}{run.pk}/act/resume_without_backup/", {"confirmed": "yes", "reason": "The disk is changed tomorrow."})

    assert tasks.join_run() == {"run_id": run.pk, "status": "completed"}
    assert SchedulerRun.objects.get(pk=run.pk).without_backup == "The disk is changed tomorrow."


def test_a_half_undone_run_is_undone_further_and_not_resumed(planned):
    undoing.begin(planned.pk, reason=WHY)
    runs.fail(planned.pk, "Nothing was heard of it.")

    page = shown(superuser().get(f"{RUNS}{planned.pk}/change/"))

    assert f"{RUNS}{planned.pk}/act/undo/" in page
    assert f"{RUNS}{planned.pk}/act/resume/" not in page


@pytest.mark.parametrize(
    ("made", "tried", "late"),
    [(None, None, 0), (6, None, 0), (8, None, 1), (30, 6, 0), (30, 8, 1)],
    ids=["no backup", "young", "never tried", "tried", "tried long ago"],
)
def test_the_dashboard_asks_for_a_drill_that_is_late(made, tried, late):
    if made:
        at = timezone.now() - timedelta(days=made)
        proof = {"status": "verified", "size_bytes": 1, "sha256": "a", "seconds": 1, "verified_at": at, "started_at": at}
        BackupHistory.objects.create(path="/b", restore_tested_at=tried and timezone.now() - timedelta(days=tried), **proof)

    (need,) = needs.backups()

    assert (need.count, need.grave) == (late, False)
