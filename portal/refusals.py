"""Pages that say no.

What cannot be read is answered 400. Without the right to it a page answers 403, and the refusal is an event that others can see; one that
needs rules which cannot be used says which, and what to do; and while the database is away every page says that, and when to come again.
"""

import codecs
import sys
from collections.abc import Callable

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string

from messaging.journal import record
from messaging.models import Level
from portal.config.data import ConfigRefused

FORM = "application/x-www-form-urlencoded"
AWAY = (OperationalError, InterfaceError)


def refused(request: HttpRequest, exception: Exception) -> HttpResponse:
    """The 403 page; the event names the person and the address, never what was sent along."""
    person = request.user if request.user.is_authenticated else None
    who = person.get_username() if person else "somebody not logged in"
    record(Level.WARNING, "access", f"{who} was refused {request.method} {request.path[:200]}.", by_id=person.pk if person else None)
    return render(request, "403.html", status=403)


class Unusable:
    """Middleware: where the database is away, or the rules in force cannot be used, the page says so, and what to do. 503: it passes."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if isinstance(exception, AWAY):
            return away()
        if isinstance(exception, ConfigRefused) and request.path.startswith("/admin/"):
            return render(request, "rules_unusable.html", {"refusal": str(exception)}, status=503)
        return None


def not_understood(request: HttpRequest, exception: Exception) -> HttpResponse:
    """The 400 page. Django's own looks into the form once more, which may be what cannot be read."""
    return HttpResponse(render_to_string("400.html"), status=400)


class Charset:
    """Middleware, before anything looks into a form: its text is UTF-8, or ASCII, which is the same, or it is not read."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.content_type == FORM:
            if not is_utf8((request.content_params or {}).get("charset", "")):
                return not_understood(request, UnicodeError())
            request.encoding = "utf-8"  # Django knows it by this name only
        return self.get_response(request)


def is_utf8(charset: str) -> bool:
    """Or ASCII, or none that anybody knows: then it is taken for UTF-8, as where none is named."""
    try:
        return codecs.lookup(charset).name in {"utf-8", "ascii"}
    except LookupError:
        return True


def failed(request: HttpRequest) -> HttpResponse:
    """What no view caught, nor the middleware: a session that could not be saved, or a mistake of ours. Asks no database."""
    return away() if isinstance(sys.exception(), AWAY) else HttpResponse(render_to_string("500.html"), status=500)


def away() -> HttpResponse:
    return HttpResponse(render_to_string("503.html"), status=503, headers={"Retry-After": "60"})
