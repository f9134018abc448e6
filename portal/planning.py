"""The scheduler in the background: everybody's run, the runs of those whom a change touches, and a hand for a run under way."""

from typing import Any

from campaigns import rescheduling, runs
from campaigns.models import RunStatus, SchedulerRun
from campaigns.runs import Order
from portal import shutdown, wiring

Summary = dict[str, Any]


def order(*, by: Any = None, reason: str = "") -> Order:
    """Everybody, from today on, by the rules of this moment."""
    rules, versions = wiring.scheduler_settings()
    return Order(day=wiring.today(), settings=rules, versions=versions, by=by, reason=reason)


def plan_everybody() -> Summary:
    """Everybody's mails are planned; nothing happens while another run is under way."""
    try:
        run = runs.run(order(), stop=shutdown.told)
    except runs.RunUnderWay as under_way:
        return {"already_running": True, "run_id": under_way.run.pk}
    return {"run_id": run.pk, "status": run.status, "scheduled": run.scheduled, "added": run.added, "changed": run.changed}


def join() -> Summary:
    """The run under way, if there is one, has one worker more until it is over. A run that fails says why on its own page."""
    run = SchedulerRun.objects.running().first()
    if run is None:
        return {"run_id": None}
    try:
        runs.work(run.pk, stop=shutdown.told)
    except runs.RunFailed:
        return {"run_id": run.pk, "status": RunStatus.FAILED}
    run.refresh_from_db()
    return {"run_id": run.pk, "status": run.status}


def reschedule() -> Summary:
    """Whoever waits for a run since a change is planned anew; nothing happens while another run is under way."""
    try:
        return rescheduling.reschedule(order(), stop=shutdown.told).as_dict()
    except runs.RunUnderWay as under_way:
        return rescheduling.Tally().as_dict() | {"already_running": True, "run_id": under_way.run.pk}
