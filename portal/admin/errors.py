"""The desk of errors: failures of one kind are one row, counted, open until somebody has seen to them."""

from collections.abc import Mapping
from typing import Any

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import DropdownFilter
from unfold.decorators import display

from messaging.models import ErrorGroup
from portal.admin import cells
from portal.admin.acts import Act
from portal.admin.records import ReadOnly, buttons


def see_to(request: HttpRequest, rows: QuerySet, answers: Mapping[str, Any]) -> int:
    return ErrorGroup.objects.open().filter(pk__in=rows.values("pk")).update(resolved_at=timezone.now())


def why_not(group: ErrorGroup) -> str:
    return "Somebody has seen to it already."


SEEN_TO = Act(
    name="seen_to",
    label="Mark as seen to",
    explains="It leaves the list of open errors, and comes back by itself when it happens again.",
    done=("is seen to", "are seen to"),
    permission="messaging.change_errorgroup",
    carry_out=see_to,
    applies=lambda group: group.resolved_at is None,
    refusal=why_not,
    icon="done_all",
)


class OpenFilter(DropdownFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("open", "Open"), ("seen_to", "Seen to")]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        match self.value():
            case None | "":
                return queryset
            case "open":
                return queryset.filter(resolved_at=None)
            case "seen_to":
                return queryset.filter(resolved_at__isnull=False)
        raise IncorrectLookupParameters(f"no state {self.value()!r}")


@admin.register(ErrorGroup)
class ErrorDesk(ReadOnly):
    acts = (SEEN_TO,)
    list_display = ["state", "what", "component", "count", "last", "about", "helps"]
    list_display_links = ["what"]
    list_filter = [OpenFilter]
    list_select_related = ["message"]
    list_defer = ["message__text", "message__html", "message__headers"]
    ordering = ["-last_at", "-pk"]
    sortable_by = ("count",)
    search_fields = ["shape"]

    @display(description="state")
    def state(self, group: ErrorGroup) -> SafeString:
        return cells.badge("Seen to", "green") if group.resolved_at else cells.badge("Open", "red")

    @display(description="error")
    def what(self, group: ErrorGroup) -> SafeString:
        return cells.words(group.shape)

    @display(description="last time")
    def last(self, group: ErrorGroup) -> SafeString:
        return cells.when(group.last_at)

    @display(description="latest message")
    def about(self, group: ErrorGroup) -> SafeString:
        return cells.link(group.message, group.message.subject if group.message else "")

    @display(description="what helps")
    def helps(self, group: ErrorGroup) -> SafeString:
        return buttons(self, group)

    def facts(self, group: ErrorGroup) -> list[tuple[str, Any]]:
        return [
            ("State", self.state(group)),
            ("Latest, in full", group.sample),
            ("Where", group.component),
            ("How often", group.count),
            ("First time", cells.when(group.first_at)),
            ("Last time", cells.when(group.last_at)),
            ("Seen to", cells.when(group.resolved_at)),
            ("Latest message", cells.link(group.message)),
        ]
