"""The filters of the list of planned mails. A list that asks for nothing shows what is planned, the next first."""

from collections.abc import Callable
from typing import Any

from django.contrib.admin.options import IncorrectLookupParameters
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import DropdownFilter

from campaigns.models import SkipReason, Status
from portal import wiring
from portal.admin.contact_filters import StateFilter
from portal.admin.schedule_cells import kind

STATES = {
    "planned": ("Planned", Status.PRE_SCHEDULED),
    "skipped": ("Skipped", Status.SKIPPED),
    "handed_over": ("Handed over", Status.SCHEDULED),
    "cancelled": ("Stopped", Status.CANCELLED),
}
ALL = "all"
MARKS: dict[str, tuple[str, Callable[[Any], QuerySet]]] = {
    "over_cap": ("Over the cap", lambda rows: rows.over_cap()),
    "catch_up": ("Catch-up", lambda rows: rows.filter(catch_up=True)),
    "moved": ("Moved for load", lambda rows: rows.filter(moved_from__isnull=False)),
}


def asked_state(request: HttpRequest) -> str:
    """Which state a list shows; where its address asks for nothing at all, what is planned."""
    asks = any(value for name, value in request.GET.items() if name != "p")
    return request.GET.get("state", "") or ("" if asks else "planned")


class ProgressFilter(DropdownFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [*((name, label) for name, (label, _) in STATES.items()), (ALL, "All, the newest first")]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        wanted = asked_state(request)
        if wanted in ("", ALL):
            return queryset
        if wanted not in STATES:
            raise IncorrectLookupParameters(f"no state {wanted!r}")
        return queryset.filter(status=STATES[wanted][1])


class TypeFilter(DropdownFilter):
    """The types that the scheduler knows. Asking the table for its types would read all of it."""

    title = "e-mail type"
    parameter_name = "type"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        names = {*wiring.scheduler_settings()[0].email_types.names, *filter(None, request.GET.getlist("type"))}
        return [(name, kind(name)) for name in sorted(names, key=kind)]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(email_type=self.value()) if self.value() else queryset


class ReasonFilter(DropdownFilter):
    title = "why skipped"
    parameter_name = "reason"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return list(SkipReason.choices)

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if not self.value():
            return queryset
        if self.value() not in SkipReason.values:
            raise IncorrectLookupParameters(f"no reason {self.value()!r}")
        return queryset.filter(status=Status.SKIPPED, skip_reason=self.value())


class MarkFilter(DropdownFilter):
    title = "special"
    parameter_name = "mark"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, label) for name, (label, _) in MARKS.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if not self.value():
            return queryset
        if self.value() not in MARKS:
            raise IncorrectLookupParameters(f"no mark {self.value()!r}")
        return MARKS[str(self.value())][1](queryset)


class ContactStateFilter(StateFilter):
    title = "contact's state"
    parameter_name = "of"
    column = "contact__state__in"
