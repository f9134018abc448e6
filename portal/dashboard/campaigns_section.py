"""What the dashboard shows of campaigns: each figure with the list of its rows."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import QuerySet
from django.urls import reverse

from campaigns.models import CampaignChange, Contact, EmailSchedule, RunStatus, SchedulerRun, SkipReason
from campaigns.settings import SchedulerSettings
from portal import wiring
from portal.config.data import ConfigRefused
from portal.dashboard import campaign_figures, charts
from portal.dashboard.figures import capped
from portal.dashboard.need import rows_of
from portal.dashboard.quotes_section import Figure

MAY_SEE = "campaigns.view_emailschedule"
DAYS = 30
RUN_TONES = {RunStatus.FAILED: "op-bad"}


@dataclass(frozen=True, kw_only=True)
class DayShown:
    day: campaign_figures.Day
    href: str


def moving() -> dict[str, Any] | None:
    """Today and the last run; None while there is no contact."""
    if not Contact.objects.exists():
        return None
    overdue_days = overdue()
    counted = campaign_figures.of_today(today=wiring.today(), overdue_days=overdue_days)
    run = campaign_figures.last_run()
    return {
        "today": todays(counted, overdue_days=overdue_days),
        "skipped": skipped(counted),
        "run": run,
        "run_href": reverse("admin:campaigns_schedulerrun_change", args=[run.pk]) if run else "",
        "run_tone": RUN_TONES.get(RunStatus(run.status), "") if run else "",
        "run_counts": run_counts(run) if run else [],
        "changes": waiting_changes(),
    }


def overdue() -> int:
    """For how many days a mail that could not leave is still due; as the portal ships it while the rules cannot be used."""
    try:
        return wiring.scheduler_settings()[0].overdue_days
    except ConfigRefused:
        return SchedulerSettings().overdue_days


def todays(counted: campaign_figures.Today, *, overdue_days: int) -> list[Figure]:
    today, first = wiring.today().isoformat(), (wiring.today() - timedelta(days=overdue_days)).isoformat()
    return [
        Figure(name="mails-due", count=counted.due, noun="due", href=listed(state="planned", send_on_from=first, send_on_to=today)),
        Figure(name="mails-handed-over", count=counted.handed_over, noun="handed over", href=on(today, state="handed_over")),
    ]


def skipped(counted: campaign_figures.Today) -> list[Figure]:
    today = wiring.today().isoformat()
    return [
        Figure(name=f"skipped-{reason}", count=count, noun=noun_of(reason), href=on(today, state="skipped", reason=reason))
        for reason, count in sorted(counted.skipped.items(), key=lambda one: -one[1])
    ]


def noun_of(reason: str) -> str:
    label = str(SkipReason(reason).label)
    return label[0].lower() + label[1:]


def run_counts(run: SchedulerRun) -> list[tuple[int, str]]:
    return [(run.added, "added"), (run.changed, "changed"), (run.removed, "removed"), (run.unchanged, "unchanged")]


def waiting_changes() -> Figure:
    waiting: QuerySet = CampaignChange.objects.filter(requires_rescheduling=True, rescheduled_at=None)
    count = capped(waiting)
    noun = "change waits for a run" if count == 1 else "changes wait for a run"
    return Figure(name="changes-waiting", count=count, noun=noun, href=rows_of(CampaignChange, waits="yes"))


def month() -> dict[str, Any] | None:
    """The coming days as a chart and as numbers; None while nothing is planned."""
    days = campaign_figures.planned_by_day(today=wiring.today(), days=DAYS)
    total, cap = sum(day.planned for day in days), campaign_figures.daily_cap()
    if not total:
        return None
    return {
        "chart": charts.month(days, cap=cap),
        "days": [DayShown(day=day, href=on(day.on.isoformat(), state="planned")) for day in days],
        "total": total,
        "cap": cap,
    }


def on(day: str, **parameters: str) -> str:
    return listed(**parameters, send_on_from=day, send_on_to=day)


def listed(**parameters: str) -> str:
    return rows_of(EmailSchedule, **parameters)
