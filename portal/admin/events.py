"""The desk of events: what the system noticed, told for people."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display

from messaging.models import SystemEvent
from portal.admin import cells
from portal.admin.days import DaysFilter
from portal.admin.records import ReadOnly


@admin.register(SystemEvent)
class EventDesk(ReadOnly):
    list_display = ["level_shown", "at_shown", "component", "text_shown", "about", "by"]
    list_display_links = ["at_shown"]
    list_filter = [("level", ChoicesDropdownFilter), ("at", DaysFilter)]
    list_filter_submit = True
    list_select_related = ["message", "by"]
    list_defer = ["message__text", "message__html", "message__headers"]
    ordering = ["-at", "-pk"]
    search_fields = ["component"]
    search_help_text = "Component: delivery, notes, cluster, import, …"

    @display(description="level")
    def level_shown(self, event: SystemEvent) -> SafeString:
        return cells.level_badge(event.level)

    @display(description="when")
    def at_shown(self, event: SystemEvent) -> SafeString:
        return cells.when(event.at)

    @display(description="what")
    def text_shown(self, event: SystemEvent) -> SafeString:
        return cells.words(event.text)

    @display(description="message")
    def about(self, event: SystemEvent) -> SafeString:
        return cells.link(event.message, event.message.subject if event.message else "")

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:
        term = search_term.strip().lower()
        return (queryset.filter(component=term) if term else queryset), False

    def facts(self, event: SystemEvent) -> list[tuple[str, Any]]:
        facts = [
            ("Level", cells.level_badge(event.level)),
            ("When", cells.when(event.at)),
            ("Noticed by", event.component),
            ("What", event.text),
            ("Message", cells.link(event.message)),
            ("By", event.by or cells.NOTHING),
        ]
        return facts + [(str(name).replace("_", " "), value) for name, value in event.detail.items()]
