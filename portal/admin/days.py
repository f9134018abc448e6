"""The filter of a list by days: whole days of the office, both ends included."""

from datetime import date, datetime, time, timedelta
from typing import Any

from django.contrib.admin.options import IncorrectLookupParameters
from django.db.models import DateTimeField, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.contrib.filters.admin import RangeDateFilter
from unfold.utils import parse_date_str


class DaysFilter(RangeDateFilter):
    """From the beginning of one day to the end of another; either may be left open."""

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        first, last = self.day("from"), self.day("to")
        asked: dict[str, Any] = {}
        if first:
            asked[f"{self.field_path}__gte"] = self.begins(first)
        if last and last < date.max:
            asked[f"{self.field_path}__lt"] = self.begins(last + timedelta(days=1))
        return queryset.filter(**asked)

    def day(self, end: str) -> date | None:
        told = self.used_parameters.get(f"{self.field_path}_{end}")
        if not told:
            return None
        day = parse_date_str(str(told))
        if day is None:
            raise IncorrectLookupParameters(f"{str(told)[:40]!r} is no day")
        return day

    def begins(self, day: date) -> date | datetime:
        return timezone.make_aware(datetime.combine(day, time())) if isinstance(self.field, DateTimeField) else day
