"""A new version of a configuration, on three pages: the form, what would change, and the version that came of it."""

from datetime import datetime
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from unfold.admin import ModelAdmin

from portal.admin.config_form import VersionForm
from portal.admin.config_impact import impact_told
from portal.admin.config_tables import difference_table
from portal.config import kinds
from portal.config.data import ConfigRefused, differences
from portal.config.json_text import as_json
from portal.config.kinds import KINDS
from portal.config.models import ConfigSeries, ConfigVersion

MAY_PUT = "portal.add_configversion"
CARRIED = ("content", "valid_from_0", "valid_from_1", "note", "seen")  # what the page of differences hands on


class Overtaken(ValueError):
    """Somebody else saved a version while this one was being written. Nothing has changed."""


class NewVersion(ModelAdmin):
    """The part of the desk where versions are made; a version is brought back by making a new one with its data."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.new_view)
        return [path("new/<slug:kind>/", view, name="portal_configversion_new"), *super().get_urls()]

    def new_view(self, request: HttpRequest, kind: str) -> HttpResponse:
        """GET: the form, filled in with what is in force or with the version named by `from`. POST: what would change; confirmed: save."""
        if not request.user.has_perm(MAY_PUT):
            raise PermissionDenied
        origin = origin_of(request.GET.get("from", ""), kind)
        series = origin.series if origin else general_series(kind)
        if request.method != "POST":
            return self.form_page(request, VersionForm(series=series, initial=first_words(series, origin)), series)
        form = VersionForm(request.POST, series=series)
        if not form.is_valid() or "edit" in request.POST:
            return self.form_page(request, form, series)
        return self.save(request, form, series) if "confirmed" in request.POST else self.preview(request, form, series)

    def form_page(self, request: HttpRequest, form: VersionForm, series: ConfigSeries) -> HttpResponse:
        told = {"form": form, "kind": KINDS[series.kind], "media": self.media + form.media}
        return TemplateResponse(request, "admin/config_new.html", self.around(request, f"New version: {known(series)}") | told)

    def preview(self, request: HttpRequest, form: VersionForm, series: ConfigSeries) -> HttpResponse:
        """What would change against that which is in force when it begins, and until when it would hold."""
        begins = form.cleaned_data["valid_from"]
        number, data = in_force(series, at=begins)
        found = differences(data, form.cleaned_data["checked"])
        told = {
            "tables": [difference_table("What changes", found, before=label(number), after="New version", empty="Nothing changes.")],
            "count": len(found),
            "begins": begins if form.is_planned else None,
            "following": ConfigVersion.objects.filter(series_id=series.pk).beginning_after(begins).first(),
            "note": form.cleaned_data["note"],
            "impact": impact_told(series, form.cleaned_data["checked"], at=begins) if found else None,
            "hidden": [(name, request.POST.get(name, "")) for name in CARRIED],
        }
        return TemplateResponse(request, "admin/config_confirm.html", self.around(request, f"New version: {known(series)}") | told)

    def save(self, request: HttpRequest, form: VersionForm, series: ConfigSeries) -> HttpResponse:
        try:
            version = put_unless_overtaken(form.cleaned_data, series, by=request.user)
        except (Overtaken, ConfigRefused) as refusal:
            form.add_error(None, str(refusal))
            return self.form_page(request, form, series)
        messages.success(request, f"{known(version.series)}, version {version.number} is saved: {version.standing(timezone.now())}.")
        return HttpResponseRedirect(reverse("admin:portal_configversion_change", args=[version.pk]))

    def around(self, request: HttpRequest, title: str) -> dict[str, Any]:
        back = reverse("admin:portal_configversion_changelist")
        return self.admin_site.each_context(request) | {"title": title, "opts": self.opts, "back": back}


@transaction.atomic
def put_unless_overtaken(told: dict[str, Any], series: ConfigSeries, *, by: Any) -> ConfigVersion:
    held = kinds.hold(series.kind, environment=series.environment)
    latest = held.versions.order_by("-number").first()
    if latest and latest.number != told["seen"]:
        by_whom = latest.author or "Somebody"
        raise Overtaken(f"{by_whom} saved version {latest.number} while you had this form open. Copy your data, then begin anew.")
    where = {"valid_from": told["valid_from"], "environment": series.environment}
    return kinds.put(series.kind, told["checked"], author=by, note=told["note"], **where)


def origin_of(key: str, kind: str) -> ConfigVersion | None:
    """The version whose data the form begins with, where one is asked for."""
    if not key:
        return None
    is_key = key.isascii() and key.isdecimal() and len(key) < 19
    version = ConfigVersion.objects.of(kind).select_related("series").filter(pk=int(key)).first() if is_key else None
    if version is None or kind not in KINDS:
        raise Http404(f"there is no version {key[:20]!r} of {kind!r}")
    return version


def general_series(kind: str) -> ConfigSeries:
    if kind not in KINDS:
        raise Http404(f"there is no configuration {kind!r}")
    return ConfigSeries.objects.filter(kind=kind, environment="").first() or ConfigSeries(kind=kind)


def first_words(series: ConfigSeries, origin: ConfigVersion | None) -> dict[str, Any]:
    data = origin.data if origin else in_force(series, at=timezone.now())[1]
    return {"content": as_json(KINDS[series.kind].in_order(data)), "seen": kinds.newest(series) if series.pk else kinds.SHIPPED}


def in_force(series: ConfigSeries, *, at: datetime) -> tuple[int, Any]:
    """Number and data of the series' own version; of an environment without one, nothing."""
    if not series.environment:
        return kinds.data_in_force(series.kind, at=at)
    own = series.versions.in_force(at).first()
    return (own.number, own.data) if own else (kinds.SHIPPED, {})


def known(series: ConfigSeries) -> str:
    """What staff call it."""
    title = KINDS[series.kind].title if series.kind in KINDS else series.kind
    return f"{title} in {series.environment}" if series.environment else title


def label(number: int) -> str:
    return f"Version {number}" if number else "As shipped"


def new_url(kind: str, *, origin: int | None = None) -> str:
    return reverse("admin:portal_configversion_new", args=[kind], query={"from": origin} if origin else None)
