"""Where the links in campaign mails lead: out of the list, and to a page by way of us. No account, no cookie; looking changes nothing."""

import logging
from typing import Any

from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_safe

from campaigns import engagement, unsubscribing
from campaigns.links import NotOurs
from portal import wiring

log = logging.getLogger(__name__)
FIELD, ONE_CLICK = "List-Unsubscribe", "One-Click"  # what a mail program posts (RFC 8058), and the button of our page too


@csrf_exempt  # a mail program has no cookie; the signed link is its right to ask
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def unsubscribe(request: HttpRequest, token: str) -> HttpResponse:
    """A page with a button; posting it, as mail programs do by themselves, ends the mails at once. Twice is once."""
    try:
        schedule_id = wiring.links().read_unsubscribe(token)
    except NotOurs:
        return page(request, "not_a_link", status=400)
    if request.method != "POST":
        return page(request, "unsubscribe", {"field": FIELD, "one_click": ONE_CLICK})
    if request.POST.get(FIELD) != ONE_CLICK:
        return page(request, "not_a_link", status=400)
    unsubscribing.unsubscribe(schedule_id)
    return page(request, "unsubscribed")


@never_cache
@require_safe
def click(request: HttpRequest, token: str) -> HttpResponse:
    """The page that the link was about, which stands in its signed part and nowhere else. A click is worth less than the way there."""
    try:
        schedule_id, target = wiring.links().read_click(token)
    except NotOurs:
        return page(request, "not_a_link", {"is_page": True}, status=404)
    if request.method == "GET":
        try:
            engagement.record_click(schedule_id, target=target, at=timezone.now())
        except DatabaseError as trouble:
            log.warning("A click on mail %s was not recorded: %s", schedule_id, trouble)
    return unlisted(HttpResponseRedirect(target))


def page(request: HttpRequest, name: str, told: dict[str, Any] | None = None, *, status: int = 200) -> HttpResponse:
    return unlisted(render(request, f"contacts/{name}.html", {"office": wiring.office()} | (told or {}), status=status))


def unlisted(response: HttpResponse) -> HttpResponse:
    response.headers["X-Robots-Tag"] = "noindex, nofollow"
    return response
