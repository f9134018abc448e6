"""What staff may do to a run of the scheduler: resume it, resume it without a backup, undo it; and what it would mean, told before."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest

from campaigns import runs, safeguard, undoing
from campaigns.models import RunStatus, SchedulerRun, Step
from messaging import journal
from messaging.models import Level
from portal import tasks
from portal.admin.acts import Act, ActRefused, ReasonForm

MAY_RUN = "campaigns.run_scheduler"
SHOWN = 50  # planned mails that stay


def resume(request: HttpRequest, rows: QuerySet, answers: Mapping[str, Any]) -> int:
    done = 0
    for run in rows.filter(status=RunStatus.FAILED):
        try:
            with transaction.atomic():
                if answers.get("reason"):
                    safeguard.waive(run.pk, reason=answers["reason"], by=request.user)
                runs.resume(run.pk)
                tasks.ring_runs()
        except runs.RunFailed as why:
            raise ActRefused(str(why)) from why
        journal.record(Level.INFO, "scheduler", f"Run {run.pk} is resumed by {request.user}.", by_id=request.user.pk)
        done += 1
    return done


def undo(request: HttpRequest, rows: QuerySet, answers: Mapping[str, Any]) -> int:
    done = 0
    for run in rows.filter(status__in=[RunStatus.COMPLETED, RunStatus.FAILED]):
        try:
            with transaction.atomic():
                undoing.begin(run.pk, reason=answers["reason"], by=request.user)
                tasks.ring_runs()
        except undoing.UndoRefused as why:
            raise ActRefused(str(why)) from why
        done += 1
    return done


def is_half_undone(run: SchedulerRun) -> bool:
    return run.status == RunStatus.FAILED and undoing.is_begun(run)


def could_be_undone(run: SchedulerRun) -> bool:
    return run.status in (RunStatus.COMPLETED, RunStatus.FAILED) and has_written(run) and not undoing.refusal(run, run_id=run.pk)


def has_written(run: SchedulerRun) -> bool:
    return run.chunks.exclude(done_at=None).exists()


def why_not(run: SchedulerRun) -> str:
    if run.status in (RunStatus.UNDOING, RunStatus.UNDONE):
        return f"It is {run.get_status_display().lower()} already."
    if not has_written(run):
        return "It has written nothing: there is nothing to undo."
    return undoing.refusal(run, run_id=run.pk)


RESUME = Act(
    name="resume",
    label="Resume",
    explains="It goes on from where it stood: what is written stays, the rest follows.",
    done=("goes on", "go on"),
    permission=MAY_RUN,
    carry_out=resume,
    applies=lambda run: run.status == RunStatus.FAILED and not is_half_undone(run),
    refusal=lambda run: f"It is {run.get_status_display().lower()}: there is nothing to resume.",
    icon="play_arrow",
    in_bulk=False,
    on_the_row=False,  # it asks the database whether it applies
)
RESUME_WITHOUT_BACKUP = Act(
    name="resume_without_backup",
    label="Resume without a backup",
    explains="It could have no backup of what it may change. It goes on without, and your reason stays on the run.",
    done=("goes on without a backup", "go on without a backup"),
    permission=MAY_RUN,
    carry_out=resume,
    applies=lambda run: run.status == RunStatus.FAILED and run.step == Step.BACKUP,
    refusal=lambda run: "It does not wait for a backup.",
    form=ReasonForm,
    icon="heart_broken",
    is_dangerous=True,
    in_bulk=False,
    on_the_row=False,  # it asks the database whether it applies
)
UNDO = Act(
    name="undo",
    label="Undo the run",
    explains="The schedule is put back to what it was before, in the background. What was handed over or stopped since stays as it is.",
    done=("is being undone", "are being undone"),
    permission=MAY_RUN,
    carry_out=undo,
    applies=could_be_undone,
    refusal=why_not,
    form=ReasonForm,
    icon="undo",
    is_dangerous=True,
    in_bulk=False,
    on_the_row=False,  # it asks the database whether it applies
)


def told_before(run: SchedulerRun) -> dict[str, Any]:
    """What undoing it would mean at this moment."""
    preview, stays = undoing.preview(run), undoing.left_alone(run)
    return {"preview": preview, "stays": stays[:SHOWN], "more_stays": max(0, preview.left_alone - SHOWN)}
