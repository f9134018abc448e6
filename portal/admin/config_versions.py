"""The desk of configuration: what is in force, what was, and what will be. Nothing is edited: a change is a new version."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.safestring import SafeString
from unfold.decorators import display

from portal.admin import cells
from portal.admin.config_new import MAY_PUT, NewVersion, known, label, new_url
from portal.admin.config_tables import difference_table, tables_of
from portal.admin.records import ReadOnly, Table
from portal.config import kinds
from portal.config.data import differences
from portal.config.kinds import KINDS
from portal.config.models import ConfigVersion

TONES = {"in force": "green", "planned": "blue", "over": "grey", "never in force": "grey"}


@admin.register(ConfigVersion)
class ConfigVersionDesk(NewVersion, ReadOnly):
    list_display = ["version", "state", "begins", "ends", "author", "why"]
    list_select_related = ["series", "author"]
    list_filter = ["series__kind", "series__environment"]
    list_defer = ["data"]
    list_before_template = "admin/config_kinds.html"
    ordering = ["-pk"]

    @display(description="version")
    def version(self, row: ConfigVersion) -> SafeString:
        return cells.two_lines(known(row.series), f"version {row.number}")

    @display(description="state")
    def state(self, row: ConfigVersion) -> SafeString:
        state = row.standing(timezone.now())
        return cells.badge(state.capitalize(), TONES[state])

    @display(description="in force from")
    def begins(self, row: ConfigVersion) -> SafeString:
        return cells.when(row.valid_from)

    @display(description="until")
    def ends(self, row: ConfigVersion) -> Any:
        if row.in_force.isempty:
            return cells.NOTHING
        return cells.when(row.valid_until) if row.valid_until else "a new one begins"

    @display(description="why")
    def why(self, row: ConfigVersion) -> SafeString:
        return cells.words(row.note)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        now = timezone.now()
        shown = [(name, kind, kinds.data_in_force(name, at=now)[0], new_url(name)) for name, kind in KINDS.items()]
        extra = {"config_kinds": shown, "may_put": request.user.has_perm(MAY_PUT)}
        return super().changelist_view(request, (extra_context or {}) | extra)

    def title(self, row: Any) -> str:
        return f"{known(row.series)}, version {row.number}"

    def facts(self, row: ConfigVersion) -> list[tuple[str, Any]]:
        return [
            ("Version", self.title(row)),
            ("State", self.state(row)),
            ("In force from", self.begins(row)),
            ("Until", self.ends(row)),
            ("Written", cells.when(row.created_at)),
            ("By", row.author or cells.NOTHING),
            ("Why", row.note),
        ]

    def tables(self, row: ConfigVersion) -> list[Table]:
        number, old = predecessor(row)
        found = differences(old, row.data)
        changed = difference_table("What it changed", found, before=label(number), after=label(row.number), empty="Nothing: the same data.")
        return [changed, *tables_of(row.data, KINDS.get(row.series.kind))]

    def page(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        shown = super().page(request, row)
        if row.series.kind not in KINDS or not request.user.has_perm(MAY_PUT):
            return shown
        is_past = row.standing(timezone.now()) in ("over", "never in force")
        act = {"label": "Bring this version back" if is_past else "New version", "icon": "history" if is_past else "add"}
        return shown | {"record_acts": [(act, new_url(row.series.kind, origin=row.pk)), *shown["record_acts"]]}

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.shipped_view)
        return [path("shipped/<slug:kind>/", view, name="portal_configversion_shipped"), *super().get_urls()]

    def shipped_view(self, request: HttpRequest, kind: str) -> HttpResponse:
        """What the portal ships, which is in force until there is a version."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        if kind not in KINDS:
            raise Http404(f"there is no configuration {kind!r}")
        what = KINDS[kind]
        told = {"tables": tables_of(what.shipped, what), "kind": what}
        return TemplateResponse(request, "admin/config_shipped.html", self.around(request, f"{what.title}, as shipped") | told)


def predecessor(row: ConfigVersion) -> tuple[int, Any]:
    """Number and data of the version written before this one; for the first of an environment, nothing at all."""
    former = row.series.versions.filter(number__lt=row.number).order_by("-number").first()
    if former:
        return former.number, former.data
    is_general = not row.series.environment and row.series.kind in KINDS
    return kinds.SHIPPED, KINDS[row.series.kind].shipped if is_general else {}
