"""The States page: which rule holds where, who says so, whom it concerns, and what changes next."""

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.html import format_html
from django.views.decorators.http import require_GET

from portal.admin import cells
from portal.admin.records import Table
from portal.config.data import ConfigRefused
from portal.config.states import NextChange, StateRow, StateTable, state_table

COLUMNS = ["State", "Rule", "Window", "Source", "Since", "Contacts", "Next change"]
TONES = {"always": "red", "none": "grey"}
WORDS = {
    "always": "all year",
    "none": "free",
    "effective_date": "effective date",
    "birthday": "birthday",
    "birth_month": "birth month",
}


@require_GET
@permission_required("portal.view_configversion", raise_exception=True)
def page(request: HttpRequest) -> HttpResponse:
    """What holds now, in this deployment's environment."""
    told: dict[str, Any] = {"title": "States", "here": settings.CONFIG_ENVIRONMENT}
    try:
        table = state_table(at=timezone.now(), environment=settings.CONFIG_ENVIRONMENT)
        told |= {"tables": tables(table), "departures": table.departures, "versions": versions(table)}
    except ConfigRefused as refusal:
        told |= {"refusal": str(refusal)}
    return render(request, "admin/states.html", admin.site.each_context(request) | told)


def tables(table: StateTable) -> list[Table]:
    ruled = [row for row in table.rows if not row.is_free]
    free = [row for row in table.rows if row.is_free]
    return [
        Table(f"{len(ruled)} states with a rule", COLUMNS, [cells_of(row) for row in ruled]),
        Table(f"{len(free)} without a rule: mails may go out on every day", COLUMNS, [cells_of(row) for row in free]),
    ]


def cells_of(row: StateRow) -> Sequence[Any]:
    return [
        cells.two_lines(format_html("<strong>{}</strong>", row.state), format_html('<span class="unbroken">{}</span>', row.name)),
        cells.two_lines(cells.badge(WORDS[row.anchor], TONES.get(row.anchor, "amber")), "" if row.is_free else row.rule),
        row.window if row.window != "none" else cells.NOTHING,
        cells.two_lines(format_html('<span class="words">{}</span>', row.source), row.status),
        format_html('<span class="unbroken">{}</span>', row.since),
        f"{row.contacts:,}",
        next_change(row.next_change),
    ]


def next_change(change: NextChange | None) -> Any:
    return cells.two_lines(change.rule, format_html("from {}", cells.when(change.begins))) if change else cells.NOTHING


def versions(table: StateTable) -> str:
    """Which versions say so, in words."""
    return ", ".join(
        f"{name.replace('_', ' ')}, version {number}" if number else f"{name.replace('_', ' ')} as shipped"
        for name, number in table.numbers.items()
    )
