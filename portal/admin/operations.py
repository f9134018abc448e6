"""The desk of bulk actions: what was asked, by whom, how far it is, what came of each item; and the button that stops one."""

from collections.abc import Mapping
from typing import Any

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import ChoicesDropdownFilter, DropdownFilter
from unfold.decorators import display

from messaging.models import Status as MessageStatus
from portal.admin import cells
from portal.admin.acts import Act
from portal.admin.live import Live
from portal.admin.records import ReadOnly, Table
from portal.operations import progress, running
from portal.operations.models import Operation, OperationItem, Outcome, Status, told
from portal.operations.progress import MAILS, Progress

ITEMS_SHOWN = 50  # on the page of an operation
TONES = {Status.QUEUED: "blue", Status.RUNNING: "blue", Status.DONE: "green", Status.CANCELLED: "grey", Status.FAILED: "red"}
NEXT = {  # what the page says below the bar
    Status.QUEUED: "It waits for a worker, which comes within a minute. You may leave this page; the portal goes on by itself.",
    Status.RUNNING: "You may leave this page; the portal goes on by itself, also after a restart.",
    Status.DONE: "Every item had its turn.",
    Status.CANCELLED: "What was done stays done; the rest was not touched.",
    Status.FAILED: "What was done stays done; the rest was not touched.",
}


def stop(request: HttpRequest, rows: QuerySet, answers: Mapping[str, Any]) -> int:
    return sum(running.cancel(operation, by=request.user) for operation in rows)


def why_not(operation: Operation) -> str:
    if operation.is_stopping:
        return f"{operation.cancel_requested_by} has cancelled it already; it ends after the item in hand."
    return f"It is {operation.get_status_display().lower()} already: there is nothing left to cancel."


ACTS = (
    Act(
        name="cancel",
        label="Cancel the rest",
        explains="It ends after the item in hand. What is done stays done, the rest is not touched. This cannot be taken back.",
        done=("is cancelled", "are cancelled"),
        permission="portal.cancel_operation",
        carry_out=stop,
        applies=lambda operation: operation.is_unfinished and not operation.is_stopping,
        refusal=why_not,
        icon="cancel",
        is_dangerous=True,
    ),
)


@admin.register(Operation)
class OperationDesk(Live):
    acts = ACTS
    live_template = "admin/operation_live.html"
    list_display = ["state", "what", "progress", "trouble", "asked_at", "by"]
    list_display_links = ["what"]
    list_filter = [("status", ChoicesDropdownFilter)]
    list_filter_submit = True
    list_select_related = ["author", "cancel_requested_by"]
    ordering = ["-pk"]
    search_fields = ["asked", "reason"]
    search_help_text = "Words of what was asked, or of the reason"

    def prepare(self, rows: list[Any]) -> None:
        counted = progress.of_all(rows)
        for row in rows:
            row.counted = counted[row.pk]

    @display(description="state")
    def state(self, operation: Operation) -> SafeString:
        return state_badge(operation)

    @display(description="what")
    def what(self, operation: Operation) -> str:
        return operation.asked

    @display(description="progress")
    def progress(self, operation: Any) -> SafeString:
        return bar(operation.counted)

    @display(description="needs a look")
    def trouble(self, operation: Any) -> SafeString:
        parts = [part for part in operation.counted.parts() if part.tone in ("amber", "red")]
        return cells.together(*(outcome_link(operation, part) for part in parts)) if parts else cells.NOTHING

    @display(description="asked for")
    def asked_at(self, operation: Operation) -> SafeString:
        return cells.when(operation.created_at)

    @display(description="by")
    def by(self, operation: Operation) -> str:
        return name_of(operation.author)

    def facts(self, operation: Operation) -> list[tuple[str, Any]]:
        cancelled = cells.two_lines(cells.when(operation.cancel_requested_at), f"by {name_of(operation.cancel_requested_by)}")
        return [
            ("By", name_of(operation.author)),
            ("Reason", operation.reason or cells.NOTHING),
            ("Asked for", cells.when(operation.created_at)),
            ("Started", cells.when(operation.started_at)),
            ("Ended", cells.when(operation.ended_at)),
            *([("Cancelled", cancelled)] if operation.cancel_requested_at else []),
        ]

    def tables(self, operation: Operation) -> list[Table]:
        items = list(operation.items.select_related("quote").order_by("pk")[:ITEMS_SHOWN])
        columns = ["What", "Outcome", "What was said", "The mail now", "When"]
        every = cells.list_url(OperationItem, operation__id__exact=operation.pk) if operation.total > len(items) else ""
        title = f"The first {len(items)} of {operation.total:,}" if every else "One by one"
        return [Table(title, columns, [line(item) for item in items], link=every, link_text=f"Show all {operation.total:,}")]

    def moving(self, request: HttpRequest, operation: Operation) -> dict[str, Any]:
        so_far, mails = progress.of(operation), progress.mails(operation)
        moves = operation.is_unfinished or "waiting" in mails
        return {
            "operation": operation,
            "progress": so_far,
            "badge": state_badge(operation),
            "says": "It ends after the item in hand." if operation.is_stopping else NEXT[Status(operation.status)],
            "outcomes": [(part, item_url(operation, outcome=part.outcome)) for part in so_far.parts()],
            "mails": [
                (label, mails[name], mail_tone(name), item_url(operation, mail=name)) for name, (label, _) in MAILS.items() if name in mails
            ],
            "moves": moves,
            "stage": f"{operation.status}-{'moving' if moves else 'still'}",
        }


class OutcomeFilter(DropdownFilter):
    title = "outcome"
    parameter_name = "outcome"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        others = [word for word in request.GET.getlist("outcome") if word not in Outcome.values and word != "open"]
        return [("open", told("")), *Outcome.choices, *((word, told(word)) for word in others)]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        word = self.value()
        return queryset.filter(outcome="" if word == "open" else word) if word else queryset


class MailFilter(DropdownFilter):
    title = "the mail now"
    parameter_name = "mail"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, label) for name, (label, _) in MAILS.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if not self.value():
            return queryset
        if self.value() not in MAILS:
            raise IncorrectLookupParameters(f"no state of a mail {self.value()!r}")
        had_a_turn: Any = queryset.exclude(outcome__in=["", Outcome.NOT_DONE])
        return had_a_turn.with_mail(*MAILS[self.value()][1])


@admin.register(OperationItem)
class OperationItemDesk(ReadOnly):
    """The items of all operations, one line each. Whoever may look at operations may look at these."""

    list_display = ["what", "outcome_shown", "said", "mail_now", "when"]
    list_display_links = None
    list_filter = [OutcomeFilter, MailFilter]
    list_filter_submit = True
    list_select_related = ["quote", "operation"]
    ordering = ["pk"]
    search_fields = ["=quote__number", "=key"]
    search_help_text = "Quote number"

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        return lookup == "operation__id__exact" or super().lookup_allowed(lookup, value, request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.has_perm("portal.view_operation"))

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    @display(description="what")
    def what(self, item: OperationItem) -> SafeString:
        return what_of(item)

    @display(description="outcome")
    def outcome_shown(self, item: OperationItem) -> SafeString:
        return outcome_badge(item.outcome)

    @display(description="what was said")
    def said(self, item: OperationItem) -> SafeString:
        return cells.words(item.text)

    @display(description="the mail now")
    def mail_now(self, item: OperationItem) -> SafeString:
        return mail_badge(item)

    @display(description="when")
    def when(self, item: OperationItem) -> SafeString:
        return cells.when(item.done_at)

    def facts(self, item: OperationItem) -> list[tuple[str, Any]]:
        return [("Part of", cells.link(item.operation)), *zip(("What", "Outcome", "Said", "The mail now", "When"), line(item), strict=True)]


def line(item: OperationItem) -> list[Any]:
    return [what_of(item), outcome_badge(item.outcome), item.text or cells.NOTHING, mail_badge(item), cells.when(item.done_at)]


def what_of(item: OperationItem) -> SafeString:
    if item.quote is None:
        return format_html("{}", item.key)
    return cells.two_lines(cells.link(item.quote, item.quote.number), f"{item.leg} mail" if item.leg else item.quote.name)


def state_badge(operation: Operation) -> SafeString:
    if operation.is_stopping:
        return cells.badge("Stopping", "amber")
    return cells.badge(operation.get_status_display(), TONES[Status(operation.status)])


def outcome_badge(outcome: str) -> SafeString:
    return cells.badge(told(outcome), progress.tone_of(outcome)) if outcome else cells.NOTHING


def mail_badge(item: OperationItem) -> SafeString:
    state = item.mail_state if item.outcome not in ("", Outcome.NOT_DONE) else ""
    return cells.badge(str(MessageStatus(state).label), cells.STATUS_TONES[MessageStatus(state)]) if state else cells.NOTHING


def mail_tone(name: str) -> str:
    return {"sent": "green", "waiting": "blue", "failed": "red"}.get(name, "amber")


def outcome_link(operation: Operation, part: progress.Part) -> SafeString:
    return format_html(
        '<a href="{}">{}</a>', item_url(operation, outcome=part.outcome), cells.badge(f"{part.count} {part.label}", part.tone)
    )


def item_url(operation: Operation, **narrowed: str) -> str:
    return reverse("admin:portal_operationitem_changelist", query={"operation__id__exact": str(operation.pk), **narrowed})


def bar(so_far: Progress) -> SafeString:
    """How many had their turn, drawn and in figures."""
    label = f"{so_far.done:,} of {so_far.total:,} done"
    drawn = '<div class="cell"><progress max="{}" value="{}" aria-label="{}"></progress><div class="quiet">{}</div></div>'
    return format_html(drawn, so_far.total, so_far.done, label, label)


def name_of(user: Any) -> str:
    return str((user.get_full_name() or user) if user else "")
