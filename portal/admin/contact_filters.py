"""The filters of the list of contacts, in the queryset's own words, and what its search finds."""

from typing import Any

from django.contrib.admin.options import IncorrectLookupParameters
from django.db.models import Q, QuerySet
from django.db.models.functions import Lower
from django.http import HttpRequest
from unfold.contrib.filters.admin import DropdownFilter

from campaigns import targeting
from campaigns.models import Contact
from campaigns.rules.states import OTHER
from campaigns.zip_codes import PLACES
from portal import wiring

LONGEST_SEARCH = 200  # characters
MOST_FOUND = 200  # contacts whose rows one search elsewhere may show
LOOKS = {
    "suppressed": "No mail to this address",
    "exclusion_unknown": "Exclusion unknown: the date is missing",
    "flagged": "Doubtful data",
}
STATE_CHOICES = [*((place, place) for place in sorted(PLACES)), (OTHER, "Unknown")]


class StateFilter(DropdownFilter):
    title = "state"
    parameter_name = "state"
    column = "state__in"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return STATE_CHOICES

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if not self.value():
            return queryset
        if self.value() not in dict(STATE_CHOICES):
            raise IncorrectLookupParameters(f"no state {self.value()!r}")
        return queryset.filter(**{self.column: [self.value()]})


class CarrierFilter(DropdownFilter):
    title = "carrier"
    parameter_name = "carrier"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, name) for name in targeting.carriers()]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(carrier=self.value()) if self.value() else queryset


class LookFilter(DropdownFilter):
    title = "needs a look"
    parameter_name = "look"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return list(LOOKS.items())

    def queryset(self, request: HttpRequest, queryset: Any) -> QuerySet:
        match self.value():
            case None:
                return queryset
            case "suppressed":
                return queryset.suppressed()
            case "flagged":
                return queryset.flagged()
            case "exclusion_unknown":
                return queryset.exclusion_unknown(wiring.scheduler_settings()[0].state_rules)
        raise IncorrectLookupParameters(f"no look {self.value()!r}")


def search(contacts: QuerySet, term: str) -> QuerySet:
    """By what an index finds at once: the id, or the beginning of the e-mail address or of the last name."""
    term = term.strip()[:LONGEST_SEARCH]
    if not term:
        return contacts
    if term.isascii() and term.isdecimal() and len(term) < 19:
        return contacts.filter(pk=int(term))
    begins = contacts.alias(low=Lower("email"), low_name=Lower("last_name"))
    return begins.filter(Q(low__startswith=term.lower()) | Q(low_name__startswith=term.lower()))


def some(term: str) -> list[int]:
    """The ids of contacts that a search names, for lists of what belongs to contacts."""
    return list(search(Contact.objects.order_by("pk"), term).values_list("pk", flat=True)[:MOST_FOUND])
