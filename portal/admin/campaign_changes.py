"""The desk of changes to campaigns: which field, from what to what, by whom, and whether a run has planned the contacts anew since."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import DropdownFilter
from unfold.decorators import display

from campaigns.models import CampaignChange
from portal.admin import cells
from portal.admin.records import ReadOnly


class WaitingFilter(DropdownFilter):
    title = "rescheduling"
    parameter_name = "waits"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "Waits for a run")]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if not self.value():
            return queryset
        if self.value() != "yes":
            raise IncorrectLookupParameters(f"no answer {self.value()!r}")
        return queryset.filter(requires_rescheduling=True, rescheduled_at=None)


@admin.register(CampaignChange)
class CampaignChangeDesk(ReadOnly):
    list_display = ["changed", "what", "field", "before", "after", "by", "planned_anew"]
    list_display_links = ["changed"]
    list_filter = [WaitingFilter]
    list_filter_submit = True
    list_select_related = ["campaign_type", "instance__campaign_type", "changed_by"]
    ordering = ["-pk"]

    @display(description="when")
    def changed(self, change: CampaignChange) -> SafeString:
        return cells.when(change.changed_at)

    @display(description="of")
    def what(self, change: CampaignChange) -> SafeString:
        return cells.link(change.campaign_type or change.instance)

    @display(description="before")
    def before(self, change: CampaignChange) -> SafeString:
        return cells.words(change.old_value or "")

    @display(description="after")
    def after(self, change: CampaignChange) -> SafeString:
        return cells.words(change.new_value or "")

    @display(description="by")
    def by(self, change: CampaignChange) -> str:
        return str(change.changed_by) if change.changed_by else "a program"

    @display(description="contacts planned anew")
    def planned_anew(self, change: CampaignChange) -> Any:
        if not change.requires_rescheduling:
            return "not needed"
        return cells.when(change.rescheduled_at) if change.rescheduled_at else cells.badge("Waits for a run", "amber")

    def facts(self, change: CampaignChange) -> list[tuple[str, Any]]:
        return [
            ("When", cells.when(change.changed_at)),
            ("Of", self.what(change)),
            ("Field", change.field),
            ("Before", change.old_value),
            ("After", change.new_value),
            ("By", self.by(change)),
            ("Contacts planned anew", self.planned_anew(change)),
        ]
