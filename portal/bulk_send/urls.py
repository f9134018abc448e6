"""The addresses of the guided bulk send. Every one of them asks for the permission to queue mail."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import admin
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.urls import path

from portal.bulk_send import views

app_name = "bulk_send"


def guarded(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """For staff who may queue mail. A part that asks for itself after its reader was logged out makes the page load anew: the login."""
    page = admin.site.admin_view(permission_required("messaging.send_message", raise_exception=True)(view))

    @wraps(view)
    def guard(request: HttpRequest, **named: Any) -> HttpResponse:
        if "HX-Request" in request.headers and not admin.site.has_permission(request):
            return HttpResponse(status=401, headers={"HX-Refresh": "true"})
        return page(request, **named)

    return guard


urlpatterns = [
    path("", guarded(views.choose), name="choose"),
    path("sessions/<int:session_id>/", guarded(views.watch), name="progress"),
    path("<uuid:draft_id>/", guarded(views.look_through), name="look_through"),
    path("<uuid:draft_id>/confirm/", guarded(views.confirm), name="confirm"),
    path("<uuid:draft_id>/drop/", guarded(views.drop), name="drop"),
    path("<uuid:draft_id>/mails/<str:pv>/", guarded(views.mail), name="mail"),
    path("<uuid:draft_id>/mails/<str:pv>/edit/", guarded(views.edit), name="edit"),
]
