"""The filters of the list of quotes, in the words of `selections`."""

from typing import Any

from django.conf import settings
from django.contrib.admin.options import IncorrectLookupParameters
from django.db.models import Q, QuerySet
from django.db.models.functions import Lower
from django.http import HttpRequest
from unfold.contrib.filters.admin import DropdownFilter

from portal.quotes.models import Quote, Status
from portal.quotes.selections import GROUPS, LEGS, grouped

SOURCES = {"form": "Form", "import": "Import", "api": "API"}
LONGEST_SEARCH = 200  # characters
NUMBER = "GC-"


class StateFilter(DropdownFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [*GROUPS.items(), *((str(value), str(label)) for value, label in Status.choices)]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        wanted = self.value()
        if not wanted:
            return queryset
        if wanted in GROUPS:
            return queryset.filter(pk__in=grouped(wanted, lock=settings.QUOTE_LOCK).order_by().values("pk"))
        if wanted not in Status.values:
            raise IncorrectLookupParameters(f"no state {wanted!r}")
        return queryset.filter(status=wanted)


class LegFilter(DropdownFilter):
    """One of the two mails. Its columns all stand in one index, so the rows are chosen there."""

    leg = ""

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, label) for name, (label, _) in LEGS.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if not self.value():
            return queryset
        if self.value() not in LEGS:
            raise IncorrectLookupParameters(f"no state {self.value()!r} of a mail")
        wanted = LEGS[str(self.value())][1](self.leg)
        return queryset.filter(pk__in=Quote.objects.filter(wanted).order_by().values("pk"))


class CustomerMailFilter(LegFilter):
    title = "customer's mail"
    parameter_name = "customer_mail"
    leg = "customer"


class AdminMailFilter(LegFilter):
    title = "admin's mail"
    parameter_name = "admin_mail"
    leg = "admin"


class SourceFilter(DropdownFilter):
    title = "source"
    parameter_name = "source"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return list(SOURCES.items())

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if not self.value():
            return queryset
        if self.value() not in SOURCES:
            raise IncorrectLookupParameters(f"no source {self.value()!r}")
        return queryset.filter(source=self.value())


def search(quotes: QuerySet, term: str) -> QuerySet:
    """By what an index finds at once: the id, or the beginning of the number, of the name or of the e-mail address."""
    term = " ".join(term.split())[:LONGEST_SEARCH]
    if not term:
        return quotes
    if term.isascii() and term.isdecimal():
        return quotes.filter(pk=int(term)) if len(term) < 19 else quotes.none()
    if term.upper().startswith(NUMBER):
        return quotes.filter(number__startswith=term.upper())
    low = term.lower()
    return quotes.alias(low_email=Lower("email"), low_name=Lower("name")).filter(Q(low_email__startswith=low) | Q(low_name__startswith=low))
