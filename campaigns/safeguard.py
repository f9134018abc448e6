"""Before a run changes anything there is a verified backup of all it may change, or somebody has said why not: that stands on the run.

A run over everybody has one of its own. The many small runs of a day, over the few whom a change touches, begin from the newest there is.
"""

import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.db.models.functions import Now

from campaigns.models import RunStatus, SchedulerRun, Scope, Step
from campaigns.models.run import SchedulerRunQuerySet
from messaging import backup, journal
from messaging.models import BackupHistory, Level

MAY_CHANGE = [
    "campaigns_campaignchange",
    "campaigns_contacttoplan",
    "campaigns_emailschedule",
    "campaigns_replacedschedule",
    "campaigns_runchunk",
    "campaigns_runundo",
    "campaigns_schedulerrun",
]
YOUNG = timedelta(hours=26)  # as invariant I-80 has it
WAIT_SECONDS = 0.5  # for another backup
BEAT_SECONDS = 5.0


class Heart:
    """Tells the run's row now and then that somebody is at it."""

    def __init__(self, run_id: int) -> None:
        self.run_id, self.beaten_at = run_id, 0.0

    def beat(self) -> None:
        if time.monotonic() - self.beaten_at > BEAT_SECONDS:
            self.beaten_at = time.monotonic()
            SchedulerRun.objects.filter(pk=self.run_id).update(heartbeat_at=Now())


def back_up(run: SchedulerRun) -> None:
    """The run has its backup and goes on; or somebody else is making one, and a moment has passed. Raises BackupFailed."""
    young = backup.newest_of(MAY_CHANGE, within=YOUNG) if run.scope == Scope.SOME else None
    if young:
        go_on_from(run, young.pk)
        return
    heart = Heart(run.pk)
    heart.beat()
    try:
        made = backup.make(folder=Path(run.backup_to), purpose=f"run {run.pk}", tables=MAY_CHANGE, beat=heart.beat)
    except backup.BackupRunning:
        time.sleep(WAIT_SECONDS)
    else:
        go_on_from(run, made.history_id)


def go_on_from(run: SchedulerRun, backup_id: int) -> None:
    waiting(run.pk).update(step=Step.PLAN, backup=backup_id, heartbeat_at=Now())


def waiting(run_id: int) -> SchedulerRunQuerySet:
    return SchedulerRun.objects.filter(pk=run_id, step=Step.BACKUP)


def waive(run_id: int, *, reason: str, by: Any = None) -> bool:
    """A run that waits for its backup, or could not have one, goes on without; False where it is past that. It is so noted."""
    open_still = waiting(run_id).filter(status__in=[RunStatus.RUNNING, RunStatus.FAILED])
    if not open_still.update(step=Step.PLAN, without_backup=reason[:200]):
        return False
    journal.record(Level.WARNING, "scheduler", f"Run {run_id} goes on without a backup: {reason}", by_id=by and by.pk)
    return True


def failed_lately(*, within: timedelta) -> bool:
    """Whether the newest run could have no backup, not longer ago than that."""
    newest = SchedulerRun.objects.order_by("-pk")[:1].values("pk")
    return SchedulerRun.objects.filter(pk__in=newest, status=RunStatus.FAILED, step=Step.BACKUP, ended_at__gt=Now() - within).exists()


def seconds(run: SchedulerRun) -> float:
    """How long its own backup took; 0 where it began from another's."""
    own: BackupHistory | None = run.backup
    return own.seconds or 0.0 if own and own.purpose == f"run {run.pk}" else 0.0
