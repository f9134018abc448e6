"""What became of the messages, on a page people would rather look at than read. The figures are those of `message_stats --json`."""

import json
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from messaging import analytics, database_health
from messaging.models import Mode
from portal import tasks
from portal.dashboard import charts

PERIODS = (7, 30, 90)
COUNTED_AT_ONCE = 200_000  # messages; of more the first count is left to the background
SPANS = [("days", 86_400), ("h", 3_600), ("min", 60)]
WIDE = 100  # percent: the longest bar of a list


@require_GET
@permission_required("messaging.view_message", raise_exception=True)
def page(request: HttpRequest) -> HttpResponse:
    """The newest figures there are; where they are older than an hour, new ones are counted meanwhile. Test mode begins with test mails."""
    asked = request.GET.get("days", "")
    days = int(asked) if asked in map(str, PERIODS) else 30
    test = request.GET.get("mails", settings.MAIL_MODE) == Mode.TEST
    found = figures(days=days, test=test)
    shown = {"found": found, "days": days, "test": test, "periods": PERIODS, "title": "Analytics"} | (pictures(found) if found else {})
    return render(request, "dashboard/analytics.html", {**admin.site.each_context(request), **shown})


def figures(*, days: int, test: bool) -> dict[str, Any] | None:
    """None while they are counted for the first time."""
    now, kept = timezone.now(), analytics.newest(days=days, test=test)
    if kept is None and few():
        kept = analytics.rebuild(days=days, at=now, zone=str(settings.TIME_ZONE), test=test)
    elif kept is None or kept.made_at < now - analytics.VALID_FOR:
        tasks.ring_analytics(days)
    return analytics.as_told(kept) if kept else None


def few() -> bool:
    rows = {row["name"]: row["live"] for row in database_health.tables()}
    return sum(rows.get(name, 0) for name in ("messaging_message", "messaging_loggedmessage")) <= COUNTED_AT_ONCE


def pictures(found: dict[str, Any]) -> dict[str, Any]:
    """The charts, and the lists with a bar for each line."""
    first = timezone.localtime(found["period_from"]).date()
    last = timezone.localtime(found["period_until"]).date()
    days = [str(first + timedelta(days=number)) for number in range((last - first).days + 1)]
    lists = [
        ("By template", found["by_template"]),
        ("By channel", found["by_channel"]),
        ("By domain of the recipient", found["by_domain"]),
        ("By company", found["top_companies"]),
    ]
    return {
        "by_day": bars(days, found["by_day"], labels=[day[5:] for day in days]),
        "by_hour": bars([str(hour) for hour in range(24)], found["by_hour"], labels=[f"{hour:02}:00" for hour in range(24)]),
        "half_within": span(found["response_times"]["median_seconds"]),
        "chart_options": charts.OPTIONS,
        "lists": [(heading, with_bars(lines)) for heading, lines in lists if any(line["name"] for line in lines)],
    }


def span(seconds: float | None) -> str:
    """As people say it: 12 s, 3.5 min, 2 days."""
    if seconds is None:
        return "–"
    for unit, size in SPANS:
        if seconds >= size:
            return f"{seconds / size:.1f}".removesuffix(".0") + f" {unit}"
    return f"{seconds:g} s"


def bars(names: list[str], lines: list[dict[str, Any]], *, labels: list[str]) -> str:
    """One bar per name, those without a message too: what succeeded below, what did not above, what is open between."""
    by_name = {line["name"]: line for line in lines}
    empty = {"messages": 0, "successful": 0, "failed": 0}
    rows = [by_name.get(name, empty) for name in names]
    kinds = [
        ("Successful", "var(--color-primary-600)", [row["successful"] for row in rows]),
        ("Open or cancelled", "var(--color-base-300)", [row["messages"] - row["successful"] - row["failed"] for row in rows]),
        ("Failed or bounced", "var(--color-orange-400)", [row["failed"] for row in rows]),
    ]
    return json.dumps(
        {"labels": labels, "datasets": [{"label": label, "data": data, "backgroundColor": colour} for label, colour, data in kinds]}
    )


def with_bars(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    most = max((line["messages"] for line in lines), default=1)
    return [line | {"width": round(WIDE * line["messages"] / most)} for line in lines[:10] if line["name"]]
