"""The desk of the scheduler's runs: how far each is, what it planned and changed; one is started, a failed one resumed."""

import time
from datetime import date
from pathlib import Path
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display

from campaigns import proving, runs, safeguard
from campaigns.models import Contact, RunStatus, SchedulerRun
from campaigns.models.run import AT_WORK
from portal import planning, tasks
from portal.admin import cells, run_progress, run_tables, schedule_cells, undo_tables
from portal.admin.acts import Act
from portal.admin.live import Live
from portal.admin.operations import name_of
from portal.admin.records import Table
from portal.admin.run_acts import MAY_RUN, RESUME, RESUME_WITHOUT_BACKUP, UNDO, has_written, is_half_undone, told_before
from portal.config.data import ConfigRefused
from portal.dashboard import charts
from portal.dashboard.campaign_figures import Day

BY_HAND = "Asked for by hand"
TONES = {
    RunStatus.RUNNING: "blue",
    RunStatus.COMPLETED: "green",
    RunStatus.FAILED: "red",
    RunStatus.UNDOING: "blue",
    RunStatus.UNDONE: "grey",
}
TOLD = (RunStatus.COMPLETED, RunStatus.UNDONE)  # those that could say at their end what they did
LEAVE = "You may leave this page; it goes on by itself, also after a restart."
NEXT = {  # what the page says below the bar
    RunStatus.RUNNING: LEAVE,
    RunStatus.COMPLETED: "The schedule says what the rules said. The lists behind the figures show it as it is now.",
    RunStatus.FAILED: "What it wrote stands, chunk by chunk, each whole. Resume it, and it goes on from there; or plan anew.",
    RunStatus.UNDOING: f"The schedule is put back to what it was before, chunk by chunk. {LEAVE}",
    RunStatus.UNDONE: "The schedule was put back to what it was before.",
}
HALF_UNDONE = "A part of it is undone. Undo it to the end; or plan anew, and it is all put right."
COUNTS = {  # name: label, which planned mails it leads to
    "scheduled": ("Planned", "planned"),
    "skipped": ("Skipped", "skipped"),
    "added": ("Added", ""),
    "changed": ("Changed", ""),
    "removed": ("Removed", ""),
    "unchanged": ("Unchanged", ""),
    "invalid": ("Contacts invalid", ""),
}
MOST_DAYS = 400  # in the chart


@admin.register(SchedulerRun)
class RunDesk(Live):
    acts = (RESUME, RESUME_WITHOUT_BACKUP, UNDO)
    change_form_template = "admin/run.html"
    live_template = "admin/run_live.html"
    list_before_template = "admin/run_plan.html"
    list_display = ["day_shown", "state", "contacts_shown", "planned", "changes", "over", "began", "by"]
    list_display_links = ["day_shown"]
    list_filter = [("status", ChoicesDropdownFilter), ("scope", ChoicesDropdownFilter)]
    list_filter_submit = True
    list_select_related = ["started_by"]
    list_defer = ["settings", "decided", "differences", "by_day", "by_type", "by_reason", "config_versions"]
    ordering = ["-pk"]

    def get_urls(self) -> list[URLPattern]:
        return [
            path("plan/", self.admin_site.admin_view(self.plan_view), name="campaigns_schedulerrun_plan"),
            path("<path:object_id>/proof/", self.admin_site.admin_view(self.proof_view), name="campaigns_schedulerrun_proof"),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        extra = {"may_run": request.user.has_perm(MAY_RUN), "under_way": SchedulerRun.objects.at_work().first()}
        return super().changelist_view(request, (extra_context or {}) | extra)

    def plan_view(self, request: HttpRequest) -> HttpResponse:
        """GET asks; POST starts a run over everybody, which workers take up, and leads to its page. A second one leads to the first."""
        if not request.user.has_perm(MAY_RUN):
            raise PermissionDenied
        refusal = ""
        if request.method == "POST":
            try:
                return HttpResponseRedirect(reverse("admin:campaigns_schedulerrun_change", args=[started(request).pk]))
            except runs.RunUnderWay as other:
                messages.warning(request, "A run is under way already, this one; nothing was started.")
                return HttpResponseRedirect(reverse("admin:campaigns_schedulerrun_change", args=[other.run.pk]))
            except ConfigRefused as why:
                refusal = f"Nothing was started. {why}"
        context = self.admin_site.each_context(request) | {
            "title": "Plan now",
            "opts": self.opts,
            "contacts": Contact.objects.count(),
            "refusal": refusal,
            "back": reverse("admin:campaigns_schedulerrun_changelist"),
        }
        return TemplateResponse(request, "admin/run_confirm.html", context, status=422 if refusal else 200)

    def proof_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """GET asks; POST compares the schedule with what the run wrote, which reads every row."""
        run = self.get_object(request, unquote(object_id)) if self.has_view_permission(request) else None
        if run is None:
            raise PermissionDenied
        began = time.monotonic()
        told: dict[str, Any] = {}
        if request.method == "POST":
            try:
                told = {"proof": proving.prove(run)}
            except proving.ProofRefused as why:
                told = {"refusal": str(why)}
        told |= {"title": f"Verify run {run.pk}", "opts": self.opts, "run": run, "seconds": round(time.monotonic() - began, 1)}
        told |= {"back": reverse("admin:campaigns_schedulerrun_change", args=[run.pk])}
        return TemplateResponse(request, "admin/run_proof.html", self.admin_site.each_context(request) | told)

    def confirmation(self, request: HttpRequest, act: Act, asked: list[Any], *, form: Any, back: str) -> HttpResponse:
        answer: Any = super().confirmation(request, act, asked, form=form, back=back)
        if act is UNDO and answer.context_data["count"]:
            answer.template_name = "admin/run_undo.html"
            answer.context_data |= told_before(asked[0])
        return answer

    @display(description="day")
    def day_shown(self, run: SchedulerRun) -> SafeString:
        return cells.two_lines(schedule_cells.day(run.day), f"run {run.pk}")

    @display(description="state")
    def state(self, run: SchedulerRun) -> SafeString:
        return state_badge(run)

    @display(description="contacts")
    def contacts_shown(self, run: SchedulerRun) -> SafeString:
        return cells.two_lines(f"{run.contacts:,}", "everybody" if run.scope == "all" else "some")

    @display(description="planned")
    def planned(self, run: SchedulerRun) -> SafeString:
        return cells.two_lines(f"{run.scheduled:,}", f"{run.skipped:,} skipped")

    @display(description="in the schedule")
    def changes(self, run: SchedulerRun) -> SafeString:
        return cells.two_lines(f"{run.added:,} added, {run.changed:,} changed, {run.removed:,} removed", f"{run.unchanged:,} unchanged")

    @display(description="days over a cap")
    def over(self, run: SchedulerRun) -> Any:
        return cells.badge(f"{len(run.over_cap)}", "amber") if run.over_cap else cells.NOTHING

    @display(description="started")
    def began(self, run: SchedulerRun) -> SafeString:
        return cells.two_lines(cells.when(run.started_at), seconds_of(run) if run.ended_at else "under way")

    @display(description="by")
    def by(self, run: SchedulerRun) -> SafeString:
        return cells.two_lines(who(run), run.reason)

    def title(self, row: Any) -> str:
        return f"Run {row.pk} of {row.day}"

    def known_as(self, row: Any) -> str:
        return self.title(row)

    def facts(self, run: SchedulerRun) -> list[tuple[str, Any]]:
        return [
            ("First day planned", schedule_cells.day(run.day)),
            ("For", run.get_scope_display()),
            ("By", who(run)),
            ("Why", run.reason or "the clock"),
            ("Started", cells.when(run.started_at)),
            ("Ended", cells.two_lines(cells.when(run.ended_at), f"after {seconds_of(run)}") if run.ended_at else cells.NOTHING),
            ("Backup before it", backup_of(run)),
            ("Mails a day, at most", f"{run.daily_cap:,}"),
            ("Checksum of the contacts", run.contacts_checksum or cells.NOTHING),
            ("Checksum of the schedule before", run.before_checksum or cells.NOTHING),
            ("Checksum of the schedule after", run.after_checksum or cells.NOTHING),
        ]

    def tables(self, run: SchedulerRun) -> list[Table]:
        ended = [*run_tables.counts(run), run_tables.crowded(run), *run_tables.differences(run)] if run.status in TOLD else []
        return [*undo_tables.undone(run), *ended, run_tables.versions(run), run_tables.chunks(run)]

    def page(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        days = days_of(row)
        chart = {"chart": charts.month(days, cap=row.daily_cap), "chart_options": charts.OPTIONS, "days": days} if days else {}
        return super().page(request, row) | chart

    def moving(self, request: HttpRequest, run: SchedulerRun) -> dict[str, Any]:
        return {
            "run": run,
            "badge": state_badge(run),
            "progress": run_progress.of(run, now=timezone.now()),
            "says": HALF_UNDONE if is_half_undone(run) else NEXT[RunStatus(run.status)],
            "counts": counts(run) if run.status in TOLD else [],
            "moves": run.status in AT_WORK,
            "proof_url": proof_url(run),
            "stage": run.status,
        }


@transaction.atomic
def started(request: HttpRequest) -> SchedulerRun:
    run = runs.start(planning.order(by=request.user, reason=BY_HAND))
    tasks.ring_runs()
    return run


def counts(run: SchedulerRun) -> list[tuple[str, int, str]]:
    return [(label, getattr(run, name), run_tables.planned_url(state) if state else "") for name, (label, state) in COUNTS.items()]


def days_of(run: SchedulerRun) -> list[Day]:
    """How many mails it planned for each day from the first to the last; those above the daily cap apart."""
    if not run.by_day:
        return []
    planned = {date.fromisoformat(day): mails for day, mails in run.by_day.items()}
    first, last = min(planned), max(planned)
    every = [date.fromordinal(at) for at in range(first.toordinal(), min(last.toordinal(), first.toordinal() + MOST_DAYS) + 1)]
    cap = run.daily_cap
    return [Day(on=day, planned=(mails := planned.get(day, 0)), over_cap=max(0, mails - cap) if cap else 0) for day in every]


def proof_url(run: SchedulerRun) -> str:
    """Where it is compared with the schedule, once it is over and has written something that stands."""
    stands = run.status in (RunStatus.COMPLETED, RunStatus.FAILED) and has_written(run)
    return reverse("admin:campaigns_schedulerrun_proof", args=[run.pk]) if stands else ""


def backup_of(run: SchedulerRun) -> Any:
    """The verified backup it began from, or why there is none."""
    if run.backup:
        took = safeguard.seconds(run)
        return cells.two_lines(cells.link(run.backup, Path(run.backup.path).name), f"took {took:,.1f} s" if took else "an earlier one")
    return cells.two_lines("none", run.without_backup) if run.without_backup else cells.NOTHING


def state_badge(run: SchedulerRun) -> SafeString:
    return cells.badge(run.get_status_display(), TONES[RunStatus(run.status)])


def seconds_of(run: SchedulerRun) -> str:
    return f"{run_progress.took(run, now=timezone.now()).total_seconds():,.1f} s"


def who(run: SchedulerRun) -> str:
    return name_of(run.started_by) or "the portal"
