"""How the database is, and what looks after it, on one page. The figures are those of `database_health --json`."""

from typing import Any

from django.conf import settings
from django.contrib import admin
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from messaging import database_health
from messaging.models import BackupHistory, SystemEvent

SHOWN = 20  # tables, the largest first; the others are added up


@never_cache
@require_GET
@permission_required("messaging.view_systemevent", raise_exception=True)
def page(request: HttpRequest) -> HttpResponse:
    """Looks and changes nothing: the night, or a command, looks after the database."""
    found = database_health.state(spool_dir=settings.SPOOL_DIR)
    told = {"title": "Health", "found": found, "wrong": database_health.problems(found), **kept(), **upkeep(found["each_table"])}
    return render(request, "dashboard/health.html", {**admin.site.each_context(request), **told})


def kept() -> dict[str, Any]:
    """The last backup, the last one that was restored to see whether it can be, and the last night."""
    backups = BackupHistory.objects.all()
    return {
        "backup": backups.verified().first(),
        "drill": backups.filter(restore_tested_at__isnull=False).order_by("-restore_tested_at").first(),
        "night": SystemEvent.objects.filter(component=database_health.COMPONENT).first(),
    }


def upkeep(tables: list[dict[str, Any]]) -> dict[str, Any]:
    """The largest tables, each with a bar for its share; the others in one line."""
    by_size = sorted(tables, key=lambda table: -table["size_bytes"])
    largest = max((table["size_bytes"] for table in by_size), default=0) or 1
    shown = [table | {"width": round(100 * table["size_bytes"] / largest)} for table in by_size[:SHOWN]]
    others = by_size[SHOWN:]
    return {"tables": shown, "others": len(others), "others_size": sum(table["size_bytes"] for table in others)}
