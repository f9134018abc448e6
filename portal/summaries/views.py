"""The page of daily summaries: the last run, who is next, thirty days as a grid; and the way to one's own."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from portal.summaries import grid, watch
from portal.summaries.due import upcoming
from portal.summaries.models import DailySummary, SummaryPreference, SummaryTick

NEXT = 8  # people shown of those who are next
MOST_LINES = 200  # of the grid


@never_cache
@require_GET
def page(request: HttpRequest) -> HttpResponse:
    """Everybody sees their own; who may see the summaries of all sees all."""
    now = timezone.now()
    everybody = SummaryPreference.objects.select_related("user").order_by("user__username", "pk")
    sees_all = request.user.has_perm("portal.view_dailysummary")
    shown = list(everybody if sees_all else everybody.filter(user=request.user.pk))[:MOST_LINES]
    wanting = [one for one in shown if one.enable_daily_summary and one.user.is_active and one.user.is_staff]
    days = grid.days_until(grid.today_of(wanting, now=now, office=timezone.localdate()))
    told: dict[str, Any] = {
        "title": "Daily summaries",
        "tick": SummaryTick.objects.first(),
        "silent_since": watch.silent_since(),
        "next": upcoming(wanting, now=now)[:NEXT],
        "days": days,
        "lines": grid.lines(shown, days=days, now=now),
        "failed": DailySummary.objects.for_a_person().count() if sees_all else 0,
        "sees_all": sees_all,
        "has_own": SummaryPreference.objects.filter(user=request.user.pk).exists(),
        "may_see_preferences": request.user.has_perm("portal.view_summarypreference"),
        "may_open_rows": sees_all,
        "now": now,
    }
    return render(request, "summaries/page.html", {**admin.site.each_context(request), **told})


@require_GET
def mine(request: HttpRequest) -> HttpResponse:
    """To one's own preference, or to the form that makes it."""
    own = SummaryPreference.objects.filter(user=request.user.pk).first()
    if own is None:
        return redirect("admin:portal_summarypreference_add")
    return redirect("admin:portal_summarypreference_change", own.pk)
