"""Who was refused what: a page without the right to it answers 403, and the refusal is an event that others can see."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from messaging.journal import record
from messaging.models import Level


def refused(request: HttpRequest, exception: Exception) -> HttpResponse:
    """The 403 page; the event names the person and the address, never what was sent along."""
    person = request.user if request.user.is_authenticated else None
    who = person.get_username() if person else "somebody not logged in"
    record(Level.WARNING, "access", f"{who} was refused {request.method} {request.path[:200]}.", by_id=person.pk if person else None)
    return render(request, "403.html", status=403)
