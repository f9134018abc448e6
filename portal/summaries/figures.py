"""What a summary tells of the day before: one function per part, each a title and its lines. Nothing here writes.

A part names the permission without which a person is not told of it. Campaigns and runs join `PARTS` with a function each.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Min, Q
from django.db.models import Model as Row
from django.urls import reverse
from django.utils.timesince import timesince

from messaging.models import CmsNote, Message
from portal.quotes.models import Answer, Quote
from portal.summaries.promises import SUMMARY_MAIL

Counts = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Day:
    """The local day that is told of, half open, and the moment of telling."""

    start: datetime
    end: datetime
    now: datetime


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


PARTS: list[Callable[[Day], Part]] = [of_mails, of_notes, of_quotes]  # figures of campaigns and of runs: one function more each


def counted(label: str, count: int, path: str) -> Line:
    return Line(label=label, figure=f"{count:,}", path=path, counts=count)


def rows_of(model: type[Row], **parameters: str) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist", query=parameters or None)
