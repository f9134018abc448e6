"""The desks of what came in about mails that had left, and of backups."""

from typing import Any

from django.contrib import admin
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display

from messaging.models import BackupHistory, DeliveryEvent
from portal.admin import cells
from portal.admin.days import DaysFilter
from portal.admin.records import ReadOnly


@admin.register(DeliveryEvent)
class DeliveryEventDesk(ReadOnly):
    list_display = ["told", "received", "provider", "recipient", "about", "why"]
    list_display_links = ["received"]
    list_filter = [("told", ChoicesDropdownFilter), ("message", admin.EmptyFieldListFilter), ("received_at", DaysFilter)]
    list_filter_submit = True
    list_select_related = ["message"]
    list_defer = ["raw", "message__text", "message__html", "message__headers"]
    ordering = ["-received_at", "-pk"]

    @display(description="received")
    def received(self, event: DeliveryEvent) -> SafeString:
        return cells.when(event.received_at)

    @display(description="message")
    def about(self, event: DeliveryEvent) -> SafeString | str:
        return cells.link(event.message, event.message.subject) if event.message else "unmatched"

    @display(description="why")
    def why(self, event: DeliveryEvent) -> SafeString:
        return cells.words(event.detail)

    def facts(self, event: DeliveryEvent) -> list[tuple[str, Any]]:
        return [
            ("What", event.get_told_display()),
            ("Happened", cells.when(event.at)),
            ("Received", cells.when(event.received_at)),
            ("Provider", event.provider),
            ("Recipient", event.recipient or cells.NOTHING),
            ("Message", cells.link(event.message) if event.message else "It names none of our mails."),
            ("Why", event.detail or cells.NOTHING),
            ("As it came", str(event.raw)[:4_000]),
        ]


@admin.register(BackupHistory)
class BackupDesk(ReadOnly):
    list_display = ["status", "started", "purpose", "size", "took", "restore_tested"]
    list_display_links = ["started"]
    ordering = ["-started_at", "-pk"]

    @display(description="started")
    def started(self, row: BackupHistory) -> SafeString:
        return cells.when(row.started_at)

    @display(description="size")
    def size(self, row: BackupHistory) -> str:
        return f"{row.size_bytes / 1_000_000:,.1f} MB" if row.size_bytes else ""

    @display(description="took")
    def took(self, row: BackupHistory) -> str:
        return f"{row.seconds:,.1f} s" if row.seconds is not None else ""

    @display(description="restore tried")
    def restore_tested(self, row: BackupHistory) -> SafeString:
        return cells.when(row.restore_tested_at)

    def facts(self, row: BackupHistory) -> list[tuple[str, Any]]:
        return [
            ("Status", row.get_status_display()),
            ("File", row.path),
            ("Made for", row.purpose or cells.NOTHING),
            ("Size", self.size(row) or cells.NOTHING),
            ("SHA-256", row.sha256 or cells.NOTHING),
            ("Verified", cells.when(row.verified_at)),
            ("Restore tried", cells.when(row.restore_tested_at)),
            ("Rows", f"{sum(row.rows.values()):,} in {len(row.rows)} tables"),
            ("What went wrong", row.error or cells.NOTHING),
        ]
