"""`/metrics`: the portal's figures for Prometheus. Cheap ones only, and no name or address."""

import hmac
from collections.abc import Iterator

from django.conf import settings
from django.db import Error, connection
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from messaging import backup, spool
from messaging.models import HookTally
from portal.dashboard import figures

Line = tuple[str, str, float]  # name, labels, value


@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Where METRICS_TOKEN is set, only who brings it as a bearer is answered."""
    given = request.headers.get("Authorization", "").removeprefix("Bearer ")
    if settings.METRICS_TOKEN and not hmac.compare_digest(given.encode(), settings.METRICS_TOKEN.encode()):
        return HttpResponse("A token is needed.\n", status=401, content_type="text/plain", headers={"WWW-Authenticate": "Bearer"})
    return HttpResponse(text(), content_type="text/plain; version=0.0.4")


def text() -> str:
    lines: list[Line] = [("portal_spool_facts", "", spool.depth(settings.SPOOL_DIR))]
    try:
        lines += [*counts(), ("portal_database_up", "", 1)]
    except Error:
        connection.close()
        lines.append(("portal_database_up", "", 0))
    return "".join(f"{name}{{{labels}}} {value:g}\n" if labels else f"{name} {value:g}\n" for name, labels, value in lines)


def counts() -> Iterator[Line]:
    """What needs a person is counted up to the dashboard's cap."""
    for state, number in (("in_doubt", figures.in_doubt()), ("failed", figures.failed()), ("held", figures.held())):
        yield "portal_messages", f'state="{state}"', number
    yield "portal_messages", 'state="queued"', figures.queued().total
    yield "portal_notes_pending", "", figures.notes_pending()
    for provider, outcome, count in HookTally.objects.values_list("provider", "outcome", "count"):
        yield "portal_mail_hook_events_total", f'provider="{provider}",outcome="{outcome}"', count
    for name, moment in (("due", figures.next_due_at()), ("note_pending", figures.oldest_note_pending_at())):
        if moment is not None:
            yield "portal_oldest_seconds", f'of="{name}"', max(0.0, (timezone.now() - moment).total_seconds())
    if (last := backup.newest()) and last.verified_at:
        yield "portal_backup_age_seconds", "", (timezone.now() - last.verified_at).total_seconds()
