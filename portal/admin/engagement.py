"""The desk of engagement: what contacts did with their mails. Follow-ups are chosen by it."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display

from campaigns.models import EngagementEvent
from portal.admin import cells, schedule_cells
from portal.admin.contact_filters import some
from portal.admin.days import DaysFilter
from portal.admin.records import ReadOnly


@admin.register(EngagementEvent)
class EngagementDesk(ReadOnly):
    list_display = ["at_shown", "what", "conditions", "contact_shown", "mail"]
    list_display_links = ["at_shown"]
    list_filter = [("kind", ChoicesDropdownFilter), ("at", DaysFilter)]
    list_filter_submit = True
    list_select_related = ["contact", "message"]
    list_defer = schedule_cells.MAIL_BODY
    ordering = ["-at", "-pk"]
    search_fields = ["pk"]  # what is searched, and how, is said below
    search_help_text = "Contact: id, or the beginning of the e-mail address or last name"

    @display(description="when")
    def at_shown(self, event: EngagementEvent) -> SafeString:
        return cells.when(event.at)

    @display(description="what")
    def what(self, event: EngagementEvent) -> str:
        return event.get_kind_display()

    @display(description="told of conditions")
    def conditions(self, event: EngagementEvent) -> Any:
        return schedule_cells.yes_or_no(event.has_conditions)

    @display(description="contact")
    def contact_shown(self, event: EngagementEvent) -> SafeString:
        return cells.two_lines(
            cells.link(event.contact, event.contact.full_name or event.contact.email), cells.address(event.contact.email)
        )

    @display(description="mail")
    def mail(self, event: EngagementEvent) -> SafeString:
        return cells.link(event.message, event.message.subject) if event.message else cells.NOTHING

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, search_term: str) -> tuple[QuerySet, bool]:
        return (queryset.filter(contact__in=some(search_term)) if search_term.strip() else queryset), False

    def facts(self, event: EngagementEvent) -> list[tuple[str, Any]]:
        facts = [
            ("When", cells.when(event.at)),
            ("What", self.what(event)),
            ("Told of conditions", self.conditions(event)),
            ("Contact", cells.link(event.contact)),
            ("Mail", self.mail(event)),
            ("Recorded", cells.when(event.recorded_at)),
            ("Key", event.key),
        ]
        return facts + [(str(name).replace("_", " "), value) for name, value in event.metadata.items()]
