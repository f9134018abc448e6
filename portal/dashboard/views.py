"""The dashboard: gathers the figures for its page and for the parts of it that refresh themselves."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.formats import date_format
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from messaging.models import Message
from portal.bulk_send import progress
from portal.dashboard import campaigns_section, charts, figures, needs, quotes_section
from portal.dashboard.need import rows_of

SESSIONS = 5
ERRORS = 5
HOURS = 24


def gather(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """The page of the dashboard: what moves, and the chart. Called by the admin's index."""
    hours = figures.sent_by_hour(until=timezone.now(), hours=HOURS, zone=timezone.get_current_timezone())
    chart = {"chart": charts.bars(hours), "chart_options": charts.OPTIONS, "hours": hours, "sent_lately": sum(hour.total for hour in hours)}
    month = campaigns_section.month() if request.user.has_perm(campaigns_section.MAY_SEE) else None
    return {**context, **moving(request), **chart, "month": month, "title": "Dashboard"}


def fragment(view: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """A part that a page asks for by itself; whoever is logged out meanwhile gets the whole page anew, which is the login."""

    @never_cache
    @require_GET
    @wraps(view)
    def guarded(request: HttpRequest) -> HttpResponse:
        if not admin.site.has_permission(request):
            return HttpResponse(status=401, headers={"HX-Refresh": "true"})
        return view(request)

    return guarded


@fragment
def live(request: HttpRequest) -> HttpResponse:
    return render(request, "dashboard/live.html", moving(request))


@fragment
def chart(request: HttpRequest) -> HttpResponse:
    hours = figures.sent_by_hour(until=timezone.now(), hours=HOURS, zone=timezone.get_current_timezone())
    return JsonResponse(charts.data(hours))


def moving(request: HttpRequest) -> dict[str, Any]:
    """What changes from one moment to the next; asked for every few seconds, so every query in it is short."""
    now = timezone.now()
    midnight = timezone.localtime(now).replace(hour=0, minute=0, second=0, microsecond=0)
    found = needs.all_of_them()
    may = request.user.has_perm
    return {
        "needs": [need for need in found if need.count],
        "calm": [need for need in found if not need.count],
        "queued": figures.queued(),
        "sent_today": figures.sent_since(midnight),
        "queued_list": rows_of(Message, state="waiting"),
        "sent_today_list": rows_of(Message, state="sent", sent_at__gte=midnight.isoformat()),
        "next_due_at": figures.next_due_at(),
        "now": now,
        "updated": date_format(timezone.localtime(now), "H:i:s"),
        "sessions": [(one, progress.of(one)) for one in figures.running_sessions(limit=SESSIONS)]
        if may("messaging.view_messagesession")
        else [],
        "errors": figures.newest_errors(limit=ERRORS) if may("messaging.view_errorgroup") else [],
        "may": {need.name: not need.permission or may(need.permission) for need in found},
        "may_send": may("messaging.send_message"),
        "campaigns": campaigns_section.moving() if may(campaigns_section.MAY_SEE) else None,
        "quotes": quotes_section.moving() if may("portal.view_quote") else None,
    }
