"""Before mail may go out on excluded days, somebody sees which states that concerns, and says yes."""

from typing import Any

from django.contrib.admin.utils import unquote
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from campaigns.changes import made_by
from campaigns.models import Contact
from campaigns.settings import SchedulerSettings
from campaigns.state_table import states_concerned
from portal import wiring
from portal.admin.records import Desk

CONFIRMED = "windows_confirmed"
KEPT_OUT = {"csrfmiddlewaretoken", CONFIRMED}


class ConfirmsWindows(Desk):
    """A desk whose form tells, by `ignores_windows`, that what it saves ignores exclusion windows. Every change bears its author's name."""

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if request.method != "POST":
            return super().changeform_view(request, object_id, form_url, extra_context)
        if CONFIRMED not in request.POST and self.would_ignore(request, object_id):
            return self.question(request)
        with made_by(request.user):
            return super().changeform_view(request, object_id, form_url, extra_context)

    @transaction.atomic
    def would_ignore(self, request: HttpRequest, object_id: str | None) -> bool:
        """The form is right, and saving it would let mail out on excluded days. Whoever may not save is refused elsewhere."""
        row: Any = self.get_object(request, unquote(object_id)) if object_id else None
        if object_id and row is None:
            return False
        may = self.has_change_permission(request, row) if row else self.has_add_permission(request)
        if not may:
            return False
        form = self.get_form(request, row, change=bool(row))(request.POST, instance=row)
        return bool(form.is_valid() and form.has_changed() and form.ignores_windows)

    def question(self, request: HttpRequest) -> HttpResponse:
        """Which states it concerns, and how many contacts; the same form again, with a yes."""
        concerned = concerns(wiring.scheduler_settings()[0])
        told = {
            "title": "Mail on excluded days",
            "opts": self.opts,
            "concerned": [(what, states, Contact.objects.in_states(states).count()) for what, states in concerned if states],
            "hidden": [(name, value) for name, values in request.POST.lists() for value in values if name not in KEPT_OUT],
            "confirmed": CONFIRMED,
            "back": request.get_full_path(),
        }
        return TemplateResponse(request, "admin/campaign_confirm.html", self.admin_site.each_context(request) | told)


def concerns(settings: SchedulerSettings) -> list[tuple[str, list[str]]]:
    """The states in which mail that ignores windows may go out on an excluded day, by how much they exclude."""
    found = states_concerned(settings)
    every, some = "Every day of the year is excluded", "Some days of the year are excluded"
    return [(every, sorted(found.year_round)), (some, sorted(found.with_window))]
