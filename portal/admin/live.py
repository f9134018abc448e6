"""Records that move while somebody looks at them: bulk actions, imports, runs."""

from collections.abc import Callable
from functools import update_wrapper
from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import quote, unquote
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import URLPattern, path, reverse

from portal.admin.records import ReadOnly


class Live(ReadOnly):
    """The first part of its page, `live_template`, is asked for anew every two seconds while the record moves."""

    change_form_template = "admin/live.html"
    live_template: str

    def moving(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        """What `live_template` shows. "moves": whether to ask again. "stage": at another one the page has other parts below as well."""
        raise NotImplementedError

    def get_urls(self) -> list[URLPattern]:
        return [path("<path:object_id>/live/", fresh(self.live_view), name=self.live_name), *super().get_urls()]

    @property
    def live_name(self) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}_live"

    def live_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """What moves on a record's page. At a new stage the whole page is shown anew."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        told = self.first_part(request, self.found(request, object_id))
        answer = render(request, self.live_template, told)
        if request.GET.get("stage", told["stage"]) != told["stage"]:
            answer["HX-Refresh"] = "true"
        return answer

    def found(self, request: HttpRequest, object_id: str) -> Any:
        row = self.get_object(request, unquote(object_id))
        if row is None:
            raise Http404(f"there is no {self.opts.verbose_name} {object_id}")
        return row

    def page(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        return super().page(request, row) | self.first_part(request, row) | {"record_acts": []}  # its acts go when it has moved on

    def first_part(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        return self.moving(request, row) | {
            "live_template": self.live_template,
            "live_url": reverse(f"admin:{self.live_name}", args=[quote(row.pk)]),
            "live_acts": [(act, self.act_url(act, row)) for act in self.acts_on(row, request)],
        }


def fresh(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """A part that a page asks for by itself; whoever is logged out meanwhile gets the whole page anew, which is the login."""
    page = admin.site.admin_view(view)

    def guarded(request: HttpRequest, **named: Any) -> HttpResponse:
        if "HX-Request" in request.headers and not admin.site.has_permission(request):
            return HttpResponse(status=401, headers={"HX-Refresh": "true"})
        return page(request, **named)

    return update_wrapper(guarded, view)
