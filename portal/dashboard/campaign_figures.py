"""The figures of campaigns: what is planned for each day against the cap, what became of today's, and the last run.

Planned mails are counted by the index of status and day; the rest is small.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from django.db.models import Count
from django.db.models.functions import Now

from campaigns.models import Contact, EmailSchedule, RunStatus, SchedulerRun
from campaigns.rules.states import Window
from portal.dashboard.figures import capped

QUIET = timedelta(minutes=2)  # a run says that it lives with every chunk


@dataclass(frozen=True, kw_only=True)
class Day:
    on: date
    planned: int
    over_cap: int


@dataclass(frozen=True, kw_only=True)
class Today:
    due: int  # planned for today, or for a day before on which they could not leave
    handed_over: int
    skipped: Mapping[str, int]  # by reason


def planned_by_day(*, today: date, days: int) -> list[Day]:
    """Today and the days after it, none left out."""
    span = EmailSchedule.objects.filter(send_on__gte=today, send_on__lt=today + timedelta(days=days)).order_by()
    planned = dict(span.planned().values_list("send_on").annotate(mails=Count("*")))
    above = dict(span.over_cap().values_list("send_on").annotate(mails=Count("*")))
    every = [today + timedelta(days=ahead) for ahead in range(days)]
    return [Day(on=day, planned=planned.get(day, 0), over_cap=above.get(day, 0)) for day in every]


def of_today(*, today: date, overdue_days: int) -> Today:
    due = EmailSchedule.objects.due(today, overdue_days=overdue_days)
    planned_for_today = EmailSchedule.objects.filter(send_on=today).order_by()
    reasons = planned_for_today.skipped().values_list("skip_reason").annotate(mails=Count("*"))
    return Today(due=due.count(), handed_over=planned_for_today.handed_over().count(), skipped=dict(reasons))


def last_run() -> SchedulerRun | None:
    return SchedulerRun.objects.order_by("-pk").first()


def failed_run() -> SchedulerRun | None:
    """The last run, if it failed."""
    run = last_run()
    return run if run is not None and run.status == RunStatus.FAILED else None


def silent_run() -> SchedulerRun | None:
    """The run under way, if nothing was heard of it for longer than any step takes."""
    return SchedulerRun.objects.at_work().filter(heartbeat_at__lt=Now() - QUIET).first()


def daily_cap() -> int:
    """What the last completed run was given; 0 while there is none."""
    run = SchedulerRun.objects.completed().order_by("-pk").first()
    return run.daily_cap if run else 0


def days_over_cap(*, today: date) -> int:
    return capped(EmailSchedule.objects.over_cap().filter(send_on__gte=today).values("send_on").distinct())


def exclusion_unknown(rules: Mapping[str, Window]) -> int:
    return capped(Contact.objects.exclusion_unknown(rules))
