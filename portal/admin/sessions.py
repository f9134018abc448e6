"""The desk of sessions: each named run of messages, how far it is, and who was left out, with the reason."""

from typing import Any

from django.contrib import admin
from django.db.models import Count
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display

from messaging.models import Message, MessageSession, Mode, Status
from portal.admin import cells
from portal.admin.days import DaysFilter
from portal.admin.records import ReadOnly, Table

OPEN = (Status.QUEUED, Status.CLAIMED, Status.TRANSMITTING)
TROUBLE = (Status.FAILED, Status.IN_DOUBT, Status.HELD)


@admin.register(MessageSession)
class SessionDesk(ReadOnly):
    list_display = ["name", "mode_shown", "progress", "trouble", "skipped_count", "started", "started_by"]
    list_filter = [("mode", ChoicesDropdownFilter), ("started_at", DaysFilter)]
    list_filter_submit = True
    list_select_related = ["started_by"]
    ordering = ["-started_at", "-pk"]
    search_fields = ["name"]

    def prepare(self, rows: list[Any]) -> None:
        totals: dict[int, dict[str, int]] = {row.pk: {} for row in rows}
        counted = Message.objects.filter(session__in=totals).order_by().values_list("session_id", "status").annotate(Count("pk"))
        for session, status, count in counted:
            totals[session][status] = count
        for row in rows:
            row.counted = totals[row.pk]

    @display(description="mode")
    def mode_shown(self, session: MessageSession) -> SafeString:
        return cells.test_badge(True) if session.mode == Mode.TEST else cells.badge("Production", "blue")

    @display(description="progress")
    def progress(self, session: Any) -> SafeString:
        return bar(session.counted)

    @display(description="needs a person")
    def trouble(self, session: Any) -> SafeString:
        count = sum(session.counted.get(status, 0) for status in TROUBLE)
        return listed(session, "needs_a_person", cells.badge(str(count), "red")) if count else cells.NOTHING

    @display(description="left out")
    def skipped_count(self, session: MessageSession) -> int:
        return len(session.skipped)

    @display(description="started")
    def started(self, session: MessageSession) -> SafeString:
        return cells.when(session.started_at)

    def facts(self, session: MessageSession) -> list[tuple[str, Any]]:
        return [
            ("Mode", self.mode_shown(session)),
            ("Progress", bar(session.totals())),
            ("Messages", cells.listed(Message, "show them all", session__id__exact=session.pk)),
            ("Template", cells.link(session.template_version)),
            ("Started", cells.when(session.started_at)),
            ("By", session.started_by or cells.NOTHING),
            ("Ended", cells.when(session.ended_at)),
        ]

    def tables(self, session: MessageSession) -> list[Table]:
        totals = session.totals()
        states = [
            [cells.badge(str(s.label), cells.STATUS_TONES[s]), totals[s.value], filtered(session, s)] for s in Status if s.value in totals
        ]
        left_out = [[skip.get("what", ""), skip.get("why", "")] for skip in session.skipped if isinstance(skip, dict)]
        return [
            Table("Totals", ["State", "Messages", ""], states, empty="No message was queued."),
            Table("Left out", ["What", "Why"], left_out, empty="Nobody was left out."),
        ]


def bar(totals: dict[str, int]) -> SafeString:
    """How many are done, drawn and in figures."""
    whole = sum(totals.values())
    if not whole:
        return cells.NOTHING
    done = whole - sum(totals.get(status, 0) for status in OPEN)
    label = f"{done} of {whole} done, {totals.get(Status.SENT, 0)} sent"
    return format_html(
        '<div class="cell"><progress max="{}" value="{}" aria-label="{}"></progress><div class="quiet">{}</div></div>',
        whole,
        done,
        label,
        label,
    )


def filtered(session: MessageSession, status: Status) -> SafeString:
    return cells.listed(Message, "show them", session__id__exact=session.pk, status__exact=status.value)


def listed(session: MessageSession, state: str, text: Any) -> SafeString:
    return cells.listed(Message, text, session__id__exact=session.pk, state=state)
