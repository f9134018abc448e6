"""What a list does with the address it is asked by: it stays quick however many rows there are, whatever the address says."""

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.exceptions import DisallowedModelAdminLookup
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ERROR_FLAG
from django.core.exceptions import FieldDoesNotExist
from django.core.paginator import Paginator
from django.db import DataError, transaction
from django.db.models import QuerySet
from django.db.models.constants import LOOKUP_SEP
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.urls import reverse
from django.utils.functional import cached_property
from unfold.views import ChangeList

COUNTED_AT_MOST = 10_000  # rows; beyond that a list says "over 10,000" instead of counting on
LONGEST_PARAMETER = 500  # characters in one part of a list's address
UNREADABLE = f"That search cannot be used: at most {LONGEST_PARAMETER} characters, none of them a NUL."
NOT_UNDERSTOOD = "A part of that address is not understood, so it is left out."
COMPARISONS = {"exact", "isnull", "isempty", "in", "gt", "gte", "lt", "lte"}  # what a list's address may ask of a column


class Over(int):
    """A count that was given up."""

    def __str__(self) -> str:
        return f"over {int(self) - 1:,}"


class BoundedPaginator(Paginator):
    """Counts so far as pages are worth turning, never a whole large table."""

    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list
        found = rows.order_by().values("pk")[: COUNTED_AT_MOST + 1].count()
        return Over(found) if found > COUNTED_AT_MOST else found


class DeskChangeList(ChangeList):
    def get_filters(self, request: HttpRequest) -> Any:
        try:
            return super().get_filters(request)
        except DisallowedModelAdminLookup as unfit:
            raise IncorrectLookupParameters(unfit) from unfit

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet:
        return super().get_queryset(request, exclude_parameters).defer(*self.model_admin.list_defer)

    def get_results(self, request: HttpRequest) -> None:
        """A part of the address that no column can be compared with, a year 0 or half a pattern, is told as any wrong one."""
        try:
            with transaction.atomic():
                super().get_results(request)
                rows: list[Any] = list(self.result_list)
        except (ValueError, IndexError, OverflowError, DataError) as unfit:
            raise IncorrectLookupParameters(unfit) from unfit
        self.result_list: Any = rows
        for row in rows:
            row.list_query = request.GET.urlencode()
            row.acts = self.model_admin.acts_on(row, request, listed=True)
        self.model_admin.prepare(rows)


def is_unreadable(request: HttpRequest) -> bool:
    return any("\x00" in value or len(value) > LONGEST_PARAMETER for _, values in request.GET.lists() for value in values)


def as_listed(export: Callable[..., Any]) -> Callable[..., Any]:
    """An export of what a list shows: an address that the list cannot be asked by leads back to it, and is told there."""

    @wraps(export)
    def guarded(desk: Any, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        listed = reverse(f"admin:{desk.opts.app_label}_{desk.opts.model_name}_changelist")
        if is_unreadable(request):
            messages.warning(request, UNREADABLE)
            return HttpResponseRedirect(listed)
        try:
            return export(desk, request, *args, **kwargs)
        except IncorrectLookupParameters:
            messages.warning(request, NOT_UNDERSTOOD)
            return HttpResponseRedirect(f"{listed}?{ERROR_FLAG}=1")

    return guarded


def autocomplete(request: HttpRequest) -> HttpResponse:
    """What is offered while somebody types; for what cannot be searched for, nothing."""
    if is_unreadable(request):
        return JsonResponse({"results": [], "pagination": {"more": False}})
    return admin.site.autocomplete_view(request)


def is_plain(model: Any, lookup: str) -> bool:
    """Whether a part of the address compares a column with a value. A filter's own parameter names no column, and is none of ours."""
    beyond = beyond_column(model, lookup.split(LOOKUP_SEP))
    return beyond == [lookup] or COMPARISONS.issuperset(beyond)


def beyond_column(model: Any, parts: Sequence[str]) -> list[str]:
    """What is left of a lookup's parts after the column they lead to; all of them where the first names none."""
    name, *rest = parts
    try:
        field = model._meta.get_field(model._meta.pk.name if name == "pk" else name)
    except FieldDoesNotExist:
        return list(parts)
    if not rest:
        return []
    return beyond_column(field.related_model, rest) if field.is_relation else rest
