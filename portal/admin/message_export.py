"""The list of messages as a file: with the filter and the search in force, streamed, however long."""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, StreamingHttpResponse
from django.utils import timezone

from messaging import export
from portal.admin.listing import as_listed

TYPES = {"csv": "text/csv; charset=utf-8", "json": "application/json"}


@as_listed
def download(desk: Any, request: HttpRequest, form: str) -> StreamingHttpResponse:
    """What the list shows under the same address."""
    if not desk.has_view_permission(request):
        raise PermissionDenied
    if form not in TYPES:
        raise Http404(f"the log is written as {' or '.join(TYPES)}, not {form!r}")
    shown = desk.get_changelist_instance(request).get_queryset(request)
    now = timezone.now()
    name = f"messages-{timezone.localtime(now):%Y-%m-%d-%H%M}.{form}"
    facts = {"export_date": now.isoformat(), "filter": request.GET.urlencode()}
    pieces = export.messages(shown, order=desk.ordering, form=form, facts=facts)
    return StreamingHttpResponse(pieces, content_type=TYPES[form], headers={"Content-Disposition": f'attachment; filename="{name}"'})
