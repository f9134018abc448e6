"""The bulk retry: which mails, how many there are, and the start of the operation that tries them again."""

import uuid
from functools import wraps
from typing import Any

from django.contrib import admin
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from portal import tasks
from portal.operations import running
from portal.operations.forms import RetryForm
from portal.operations.kinds import RetryQuoteMails
from portal.operations.models import Operation
from portal.quotes.models import Quote

SHOWN = 10  # of the mails that would be tried


@never_cache
@require_http_methods(["GET", "POST"])
def retry_view(request: HttpRequest) -> HttpResponse:
    """GET and `preview` count, `start` starts. A part that the page asks for by itself is the count alone."""
    form = RetryForm(request.POST or None)
    is_fine = form.is_valid()
    refusal = ""
    if "start" in request.POST and is_fine:
        try:
            return redirect("admin:portal_operation_change", started(request, form).pk)
        except running.NotStarted as why:
            refusal = str(why)
    told = {"form": form, "refusal": refusal, "starting": "start" in request.POST, **counted(form)}
    if "HX-Request" in request.headers:
        return render(request, "operations/retry_count.html", told)
    shown = {**admin.site.each_context(request), "title": "Try quote e-mails again", "running": unfinished(), **told}
    return render(request, "operations/retry.html", shown, status=422 if told["starting"] else 200)


def started(request: HttpRequest, form: RetryForm) -> Operation:
    answer = form.cleaned_data
    operation = running.start(
        RetryQuoteMails.name, form.parameters() or {}, by=request.user, reason=answer["reason"], key=answer["key"], seen=answer["seen"]
    )
    tasks.ring_operations()
    return operation


def counted(form: RetryForm) -> dict[str, Any]:
    """How many mails would be tried now, and the first of them. Every count belongs to a form of its own, so that each starts once."""
    asked = form.parameters()
    if asked is None:
        return {"found": None}
    found = running.preview(RetryQuoteMails.name, asked)
    first = found.chosen[:SHOWN]
    quotes = Quote.objects.only("number", "name").in_bulk([one.quote_id for one in first])
    return {
        "found": found,
        "count": len(found.chosen),
        "first": [(quotes[one.quote_id], one.leg) for one in first if one.quote_id in quotes],
        "more": len(found.chosen) - len(first),
        "key": uuid.uuid4(),
    }


def unfinished() -> list[Operation]:
    """Bulk retries that are under way: somebody may be doing the same already."""
    return list(Operation.objects.unfinished().filter(kind=RetryQuoteMails.name).select_related("author").order_by("-pk")[:5])


_page = admin.site.admin_view(permission_required(RetryQuoteMails.permission, raise_exception=True)(retry_view))


@wraps(retry_view)
def retry(request: HttpRequest) -> HttpResponse:
    """For staff who may send quotes. The count that asks for itself after its reader was logged out makes the page load anew: the login."""
    if "HX-Request" in request.headers and not admin.site.has_permission(request):
        return HttpResponse(status=401, headers={"HX-Refresh": "true"})
    return _page(request)
