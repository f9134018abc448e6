"""What a summary tells of the day before: one function per part, each a title and its lines. Nothing here writes.

A part names the permission without which a person is not told of it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime

from django.db.models import Count, Min, Q, Sum
from django.db.models import Model as Row
from django.urls import reverse
from django.utils import timezone
from django.utils.timesince import timesince

from campaigns.models import EmailSchedule, RunStatus, SchedulerRun
from messaging.models import CmsNote, Message
from portal.quotes.models import Answer, Quote
from portal.summaries.promises import SUMMARY_MAIL

RUN_ENDS = {RunStatus.COMPLETED: "Completed", RunStatus.FAILED: "Failed", RunStatus.UNDONE: "Undone"}


@dataclass(frozen=True, kw_only=True)
class Day:
    """The local day that is told of, half open, and the moment of telling."""

    start: datetime
    end: datetime
    now: datetime

    @property
    def in_office(self) -> date:
        """The office's date at the middle of it: campaigns are planned for the office's days."""
        return timezone.localdate(self.start + (self.end - self.start) / 2)


@dataclass(frozen=True, kw_only=True)
class Line:
    label: str
    figure: str
    path: str = ""  # where its rows are listed
    counts: int = 0  # 0: nothing happened

    @property
    def is_quiet(self) -> bool:
        return not self.counts


@dataclass(frozen=True, kw_only=True)
class Part:
    title: str
    permission: str
    lines: tuple[Line, ...]

    @property
    def is_empty(self) -> bool:
        return all(line.is_quiet for line in self.lines)


def of_mails(day: Day) -> Part:
    """The summaries themselves are left out: a day on which nothing else was sent was quiet."""
    mails = Message.objects.exclude(kind=SUMMARY_MAIL).order_by()
    sent = mails.sent().filter(sent_at__gte=day.start, sent_at__lt=day.end)
    by_mode = sent.aggregate(real=Count("pk", filter=Q(is_test=False)), test=Count("pk", filter=Q(is_test=True)))
    failed = mails.failed().filter(history__ended_at__gte=day.start, history__ended_at__lt=day.end).distinct().count()
    doubts = mails.in_doubt().filter(doubt_since__gte=day.start, doubt_since__lt=day.end).count()
    when = {"sent_at__gte": day.start.isoformat(), "sent_at__lt": day.end.isoformat()}
    lines = (
        counted("Sent", by_mode["real"], rows_of(Message, state="sent", **when)),
        counted("Sent as a test", by_mode["test"], rows_of(Message, state="sent", **when)),
        counted("Failed, and still so", failed, rows_of(Message, state="failed")),
        counted("In doubt, and still so", doubts, rows_of(Message, state="in_doubt")),
    )
    return Part(title="E-mails", permission="messaging.view_message", lines=lines)


def of_notes(day: Day) -> Part:
    added = CmsNote.objects.filter(processed_at__gte=day.start, processed_at__lt=day.end).order_by().count()
    pending = CmsNote.objects.pending().order_by().aggregate(count=Count("pk"), oldest=Min("created_at"))
    lines = [
        counted("Added", added, rows_of(CmsNote, state="processed")),
        counted("Pending now", pending["count"], rows_of(CmsNote, state="pending")),
    ]
    if pending["oldest"]:
        lines.append(Line(label="The oldest has waited", figure=timesince(pending["oldest"], day.now, depth=1), counts=pending["count"]))
    return Part(title="CMS notes", permission="messaging.view_cmsnote", lines=tuple(lines))


def of_quotes(day: Day) -> Part:
    asked = Quote.objects.filter(created_at__gte=day.start, created_at__lt=day.end).order_by()
    priced = Quote.objects.filter(ai_processed_at__gte=day.start, ai_processed_at__lt=day.end).order_by()
    answered = Quote.objects.filter(customer_response_date__gte=day.start, customer_response_date__lt=day.end).order_by()
    answers = dict(answered.values_list("customer_response").annotate(Count("pk")))
    lines = (
        counted("Asked for", asked.count(), rows_of(Quote)),
        counted("Priced", priced.count(), rows_of(Quote)),
        *(counted(f"Answer: {answer.label.lower()}", answers[answer], rows_of(Quote)) for answer in Answer if answers.get(answer)),
    )
    return Part(title="Quotes", permission="portal.view_quote", lines=lines)


def of_campaigns(day: Day) -> Part:
    """What was planned for that day and became of it; what is planned above a cap is told while there is time."""
    on = day.in_office.isoformat()
    planned = EmailSchedule.objects.filter(send_on=day.in_office).order_by()
    sent = Message.objects.sent().filter(sent_at__gte=day.start, sent_at__lt=day.end, schedules__isnull=False).order_by()
    held = Message.objects.held().filter(schedules__isnull=False).order_by()
    above = EmailSchedule.objects.over_cap().filter(send_on__gt=day.in_office).order_by()
    dated = {"send_on_from": on, "send_on_to": on}
    lines = (
        counted("Sent", sent.count(), rows_of(EmailSchedule, state="handed_over", **dated)),
        counted("Handed over for that day", planned.handed_over().count(), rows_of(EmailSchedule, state="handed_over", **dated)),
        counted("Not handed over, still planned", planned.planned().count(), rows_of(EmailSchedule, state="planned", **dated)),
        counted("Skipped by a rule", planned.skipped().count(), rows_of(EmailSchedule, state="skipped", **dated)),
        counted("Held now", held.count(), rows_of(Message, state="held")),
        counted("To come on days above a cap", above.count(), rows_of(EmailSchedule, mark="over_cap")),
    )
    return Part(title="Campaigns", permission="campaigns.view_emailschedule", lines=lines)


def of_runs(day: Day) -> Part:
    """How the scheduler's runs of that day ended, and what they changed in the schedule."""
    ended = SchedulerRun.objects.filter(ended_at__gte=day.start, ended_at__lt=day.end).order_by()
    by_status = dict(ended.values_list("status").annotate(Count("pk")))
    changes = ended.completed().aggregate(**{name: Sum(name, default=0) for name in ("added", "changed", "removed")})
    open_since = SchedulerRun.objects.running().filter(started_at__lt=day.end).count()
    lines = [counted(label, by_status.get(status, 0), runs_that_are(status)) for status, label in RUN_ENDS.items()]
    lines.append(counted("Begun, and still under way", open_since, runs_that_are(RunStatus.RUNNING)))
    lines += [counted(f"Planned mails {name}", count, rows_of(SchedulerRun)) for name, count in changes.items()]
    return Part(title="Runs of the scheduler", permission="campaigns.view_schedulerrun", lines=tuple(lines))


PARTS: list[Callable[[Day], Part]] = [of_mails, of_notes, of_quotes, of_campaigns, of_runs]


def runs_that_are(status: RunStatus) -> str:
    return rows_of(SchedulerRun, status__exact=status.value)


def counted(label: str, count: int, path: str) -> Line:
    return Line(label=label, figure=f"{count:,}", path=path, counts=count)


def rows_of(model: type[Row], **parameters: str) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist", query=parameters or None)
