"""The scheduler in the background: everybody's run, the runs of those whom a change touches, a hand for a run under way or undone."""

from datetime import timedelta
from typing import Any

from django.utils import timezone

from campaigns import replaced_rows, rescheduling, runs, safeguard, undoing
from campaigns.models import RunStatus, SchedulerRun
from campaigns.runs import Order
from messaging.models import Mode
from portal import shutdown, wiring

Summary = dict[str, Any]
LEFT_ALONE = timedelta(hours=1)


def order(*, by: Any = None, reason: str = "") -> Order:
    """Everybody, from today on, by the rules of this moment."""
    rules, versions = wiring.scheduler_settings()
    told = {"by": by, "reason": reason, "production": wiring.mode() == Mode.PRODUCTION}
    return Order(day=wiring.today(), settings=rules, versions=versions, **told, **wiring.run_safety())


def plan_everybody() -> Summary:
    """Everybody's mails are planned; nothing happens while another run is under way."""
    try:
        run = runs.run(order(), stop=shutdown.told)
    except runs.RunUnderWay as under_way:
        return {"already_running": True, "run_id": under_way.run.pk}
    told = {"run_id": run.pk, "status": run.status, "scheduled": run.scheduled, "added": run.added, "changed": run.changed}
    return told | {"forgotten": forget_replaced()}


def forget_replaced() -> int:
    """What runs replaced is kept as long as they can be undone; returns how many rows are kept no longer."""
    return sum(replaced_rows.forget(before=timezone.now() - undoing.KEPT))


def join() -> Summary:
    """The run under way or being undone, if there is one, has one worker more until the end. One that fails says why on its own page."""
    run = SchedulerRun.objects.at_work().first()
    if run is None:
        return {"run_id": None}
    try:
        (undoing if run.status == RunStatus.UNDOING else runs).work(run.pk, stop=shutdown.told)
    except runs.RunFailed:
        return {"run_id": run.pk, "status": RunStatus.FAILED}
    run.refresh_from_db()
    return {"run_id": run.pk, "status": run.status}


def reschedule() -> Summary:
    """Whoever waits for a run since a change is planned anew; nothing happens while another run is under way.

    Nor for a while after a backup could not be made: the same would come of it every few minutes.
    """
    if safeguard.failed_lately(within=LEFT_ALONE):
        return rescheduling.Tally().as_dict() | {"waits_for": "a backup"}
    try:
        return rescheduling.reschedule(order(), stop=shutdown.told).as_dict()
    except runs.RunUnderWay as under_way:
        return rescheduling.Tally().as_dict() | {"already_running": True, "run_id": under_way.run.pk}
